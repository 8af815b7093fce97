"""The page: the experiment in, its run, the picture out."""

from dataclasses import asdict, replace

import streamlit as st

from ..dials import dials
from ..examples import EXAMPLES, example_of
from ..experiment import CONTROLS, MAX_T, problem, value_problem
from ..held import held, held_text
from ..links import LONGEST_LINK, from_link, parse, too_large
from . import board, controls, opening, sharing, state, talking, trouble
from .picture import LECTURE_TALL, LECTURE_WIDTH, NARROWEST, WIDEST, WIDTH, View, computed, equation, key, outlined, picture
from .shelf import shelf


def show():
    """One run of the script."""
    st.set_page_config("rnnviz", layout="wide", initial_sidebar_state="expanded")
    if st.session_state.get("board_failed"):  # otherwise it comes with the board
        st.html(f"<style>{board.style()}</style>")
    with trouble.told():
        body()


def body():
    """The whole page. A control that moves, or a click on the board, redraws only its own part of it."""
    session = st.session_state
    session.whole = True  # this is no rerun of a part
    try:
        state.begin()
        session.layout = controls.layout()
        examples, here = st.container(), st.container()
        controls.sidebar(carry)  # first, so that who sees the picture finds the controls that belong to it
        with here:
            picture_area()
        with examples:
            top_row()
            board.watch()
            talking.remember()
        session.shown = True
    finally:
        session.whole = False


@st.fragment
def picture_area():
    """The board, which reruns by itself when a cell is chosen or the view moves."""
    if st.session_state.pop("redraw", False):
        st.rerun()
    with trouble.told():
        show_picture(board.mount)


def carry(name):
    """Before a group of controls is drawn again by itself: the picture of what has moved in it."""
    session = st.session_state
    if session.whole:
        board.carry(name, b"")
    elif session.get("board_failed") or controls.layout() != session.layout or shown_example() != session.example_drawn:
        st.rerun()
    else:
        show_picture(lambda made, told, *_: board.carry(name, board.payload(made, told)))


def show_picture(mount):
    experiment, trouble = settled()
    session = st.session_state
    no_walk = drawn(experiment).no_walk
    if no_walk:  # the picture is shown all at once, and Step can be asked for again
        state.change(walk="", visit=0)
        state.tell(no_walk)
        experiment = session.good = replace(experiment, walk="", visit=0)
    made, gone = picture_of(experiment)
    told = board.Told((*state.notes(), *filter(None, (trouble, gone))), session.get("pushes", 0), controls_of(experiment))
    mount(made, told, EVENTS, on_points)


def settled():
    """(the experiment to draw, why it is not the one on the controls): the last good one stays when a new one will not run."""
    try:
        wanted = state.experiment()
        trouble = problem(wanted)
    except ValueError as reason:
        wanted, trouble = None, f"{reason}."
    if not trouble:
        st.session_state.good = wanted
        return wanted, None
    good = st.session_state.get("good") or EXAMPLES["Vanishing"]
    st.session_state.good = good
    return good, f"{trouble} The picture shows the last setting that works."


def top_row():
    """Examples, and the menu of how the picture is read."""
    session = st.session_state
    session.example_drawn = shown_example()
    if session.get(pills(), session.example_drawn) != session.example_drawn:
        session.turn += 1
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.pills("Examples", list(EXAMPLES), default=session.example_drawn, key=pills(), on_change=choose_example,
                 label_visibility="collapsed", wrap=True)
        with st.container(horizontal=True, width="content"):
            controls.reading()
            st.button("Open…", on_click=opening.forget) and opening.dialog()
            share()


def share():
    """The menu of everything that can be taken home; made only while it is open."""
    menu = st.popover("Share", key="share", on_change="rerun")
    if menu.open:
        with menu, trouble.told():
            experiment, _ = settled()
            made = drawn(experiment)
            chosen = outlined(experiment, made.reading)
            sharing.menu(experiment, made, chosen, equation(experiment, made.reading, chosen), theme())


def pills():
    """The key of the pills. They are new ones whenever a control has moved them: a browser that has not heard of it yet
    would report the example that they showed before as if it had been clicked again."""
    return f"example_{st.session_state.setdefault('turn', 0)}"


def shown_example():
    """The example that the controls describe, or None."""
    try:
        return example_of(state.experiment())
    except ValueError:
        return None


def choose_example():
    name = st.session_state[pills()]
    if name in EXAMPLES:
        state.put(on_stage(EXAMPLES[name]), push=True)


def on_stage(experiment):
    """An experiment under the circumstances of now: in lecture mode or not, as a walk or not, with the same held curve."""
    kept = {name: state.get(name) for name in ("lecture", "dial", "held", "walk")}
    return replace(experiment, visit=0, **kept)


def picture_of(experiment):
    """(Picture, why it has no held curve) of an experiment, on this visitor's screen."""
    if too_large(experiment):
        shelve(experiment)
    made, (held, gone) = drawn(experiment), held_curve(experiment)
    shown = picture(experiment, made, view(experiment), held, page=not st.session_state.get("board_failed"))
    return shown, gone


def shelve(experiment):
    """Keep own weights and a table by their digest, for links that name them."""
    for own in filter(None, (experiment.weights, experiment.table)):
        shelf().put(own)


def held_curve(experiment):
    """(the Held curve, why there is none) of an experiment; the last one is kept."""
    wanted = experiment.held, experiment.quantity
    kept = st.session_state.get("held")
    if kept is None or kept[0] != wanted:
        kept = st.session_state.held = wanted, held(*wanted, shelf().find)
    return kept[1]


def view(experiment):
    session, lecture = st.session_state, experiment.lecture
    if not lecture:
        return View(theme(), session.get("width", WIDTH), 0, session.get("zoom"))
    width, tall = session.get("room", (LECTURE_WIDTH, LECTURE_TALL))
    return View("dark" if lecture == "dark" else "light", width, tall, session.get("zoom"))


def controls_of(experiment):
    """What the board's own controls show."""
    found = dials(experiment)
    chosen = next((dial for dial in found if dial.name == experiment.dial), found[0])
    talk, at = st.session_state.get("talk", ()), st.session_state.get("talk_at")
    return {
        "dials": [[dial.name, dial.label] for dial in found], "dial": asdict(chosen), "examples": list(EXAMPLES),
        "example": example_of(experiment), "lecture": experiment.lecture, "held": bool(experiment.held),
        "walk": experiment.walk, "visit": experiment.visit, "orders": CONTROLS["walk"]["choices"][1:],
        "talk": [at, len(talk), "" if at is None else talk[at].title] if talk else None,
    }


def theme():
    return st.context.theme.type or "light"


def drawn(experiment):
    """The Drawn of an experiment; the last one is kept, so that outlining a cell computes nothing."""
    wanted, kept = key(experiment), st.session_state.get("drawn")
    if kept is None or kept[0] != wanted:
        kept = st.session_state.drawn = wanted, computed(experiment, checkpoint)
    return kept[1]


def checkpoint():
    """Called by the core every few milliseconds of work: looking into the session lets Streamlit stop a superseded run."""
    st.session_state.get("settings")


# What the board reports.


def on_cell():
    value = reported("cell")
    if isinstance(value, (list, tuple)) and len(value) >= 2:
        outline(*value[:2])


def outline(layer, step):
    """Outline a cell, counted from 1, if there may be one."""
    if value_problem("layer", layer) is None and value_problem("step", step) is None:
        state.change(layer=layer, step=step)


def on_opens():
    value = reported("opens")
    if isinstance(value, (list, tuple)) and value and value_problem("open", value[0]) is None:
        state.change(open=value[0], **({"layer": value[0]} if value[0] else {}))
        st.session_state.redraw = True


def on_width():
    width = reported("width")
    if isinstance(width, int) and NARROWEST <= width <= WIDEST:
        st.session_state.width = width


def on_zoom():
    value = reported("zoom")
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(v, int) for v in value):
        low, high = (min(max(v, 0), MAX_T) for v in value)
        st.session_state.zoom = (state.get("T"), low, high) if 0 < low < high else None


def on_room():
    """The px that a lecture's figure has."""
    value = reported("room")
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(v, int) for v in value):
        width, tall = value
        if NARROWEST <= width <= WIDEST and NARROWEST <= tall <= WIDEST:
            st.session_state.room = width, tall


def on_stage_change():
    """A field of the stage that the board's own controls set: [field, value]."""
    value = reported("stage")
    if not isinstance(value, (list, tuple)) or len(value) < 2:
        return
    name, wanted = value[:2]
    if name not in STAGE or value_problem(name, wanted) is not None or wanted == state.get(name):
        return
    state.change(**{name: wanted}, **({"visit": 0} if name == "walk" else {}))
    if name in ("walk", "lecture"):
        st.session_state.pushes = st.session_state.get("pushes", 0) + 1


def on_leave():
    """Step is left at a cell."""
    state.change(walk="", visit=0)
    st.session_state.pushes = st.session_state.get("pushes", 0) + 1
    value = reported("leave")
    if isinstance(value, (list, tuple)) and len(value) >= 2:
        outline(*value[:2])


def on_turn():
    """A dial of the board's own was let go: [field, text]."""
    value = reported("turn")
    if isinstance(value, (list, tuple)) and len(value) >= 2 and all(isinstance(part, str) for part in value[:2]):
        field, text = value[:2]
        try:
            state.change(**{field: parse(field, text)} if field in CONTROLS else {})
        except ValueError:
            return
        st.session_state.redraw = True


def on_hold():
    """Hold the curve of the picture with this link, or let it go."""
    value = reported("hold")
    link = value[0] if isinstance(value, (list, tuple)) and value else None
    if not isinstance(link, str) or len(link) > LONGEST_LINK:
        return
    if state.get("held"):
        state.change(held="")
        return
    experiment, notes = from_link(link, shelf().find)
    text = held_text(experiment)
    if not notes and value_problem("held", text) is None:
        shelve(experiment)
        state.change(held=text)


def on_example():
    value = reported("example")
    name = value[0] if isinstance(value, (list, tuple)) and value else None
    if isinstance(name, str) and name in EXAMPLES:
        state.put(on_stage(EXAMPLES[name]), push=True)
        st.session_state.redraw = True


def on_talk():
    """The picture of the talk that follows (1) or comes before (-1)."""
    value = reported("talk")
    if isinstance(value, (list, tuple)) and value and type(value[0]) is int and value[0] in (1, -1):
        talking.turn(value[0])
        st.session_state.redraw = True


def on_back():
    """Back or Forward in the browser: the picture of the address that is shown now."""
    query = reported("back")
    if isinstance(query, str):
        state.follow(query)
        st.session_state.redraw = True


def on_failed():
    st.session_state.board_failed = st.session_state.redraw = True


def on_points():
    points = st.session_state.plain_board.selection.points
    if points:  # a second click clears the selection: the last cell stays
        outline(state.get("open") or round(points[0]["y"]), round(points[0]["x"]))


def reported(name):
    return getattr(st.session_state.get("board"), name, None)


STAGE = ("walk", "visit", "lecture", "dial")
EVENTS = {"cell": on_cell, "room": on_room, "stage": on_stage_change, "leave": on_leave, "turn": on_turn, "hold": on_hold,
          "example": on_example, "talk": on_talk,
          "opens": on_opens, "width": on_width, "zoom": on_zoom, "back": on_back, "failed": on_failed}
