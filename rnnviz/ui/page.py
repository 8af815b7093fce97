"""The page: the experiment in, its run, the picture out."""

import time
from contextlib import contextmanager
from dataclasses import asdict, replace

import streamlit as st

from ..dials import dials
from ..examples import EXAMPLES, SCENES, example_of, opened
from ..experiment import CONTROLS, make_network, make_sequence, problem, trace
from ..held import held
from ..links import too_large
from ..proof import prove
from ..sentences import checked
from ..windows import truncated
from . import board, controls, formulary, opening, reports, sharing, state, talking, trouble
from .drawings import gradients, lets_again, outlined
from .picture import LECTURE_TALL, LECTURE_WIDTH, WIDTH, View, computed, key, picture
from .picture import problem as view_problem
from .shelf import recent, shelf, shelve

PATIENCE, EVERY = 0.3, 0.2  # s after which a picture that is still computed says how far it is, and how often


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
            with st.container(key="carrier_place"):
                proof()
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
    experiment, refused = settled()
    session = st.session_state
    instead = drawn(experiment).instead
    if instead:  # the picture is shown without it, and it can be asked for again
        back, why = instead
        state.change(**back)
        state.tell(why)
        experiment = session.good = replace(experiment, **back)
    made, gone = picture_of(experiment)
    told = board.Told((*state.notes(), *filter(None, (refused, gone))), session.get("pushes", 0), controls_of(experiment))
    mount(made, told, reports.EVENTS, reports.on_points)


def settled():
    """(the experiment to draw, why it is not the one on the controls): the last good one stays when a new one will not run."""
    try:
        wanted = state.experiment()
        known = wanted == st.session_state.get("good")
        refused = None if known else problem(wanted) or view_problem(wanted)
    except ValueError as reason:
        wanted, refused = None, f"{reason}."
    if not refused:
        st.session_state.good = wanted
        return wanted, None
    view = state.get("view") if state.get("view") in SCENES else "flow"
    first = opened(next(iter(SCENES[view].values())), view, EXAMPLES["Vanishing"])
    good = st.session_state.good = st.session_state.get("good") or first
    return good, f"{refused} The picture shows the last setting that works."


def top_row():
    """Examples, and the menu of how the picture is read."""
    session = st.session_state
    session.example_drawn = shown_example()
    if session.get(pills(), session.example_drawn) != session.example_drawn:
        session.turn += 1
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        controls.segments("view", controls.VIEW_NAMES, width="content", on_change=push)
        with st.container(horizontal=True, width="content"):
            controls.reading()
            scenes()
            formulas()
            st.button("Open…", on_click=opening.forget) and opening.dialog()
            share()
    st.pills("Examples", list(SCENES[state.get("view")]), default=session.example_drawn, key=pills(), on_change=choose_example,
             label_visibility="collapsed", wrap=True)


def push():
    """Let the browser's Back return to the picture before."""
    st.session_state.pushes = st.session_state.get("pushes", 0) + 1


def formulas():
    """The menu of the equations at the outlined cell."""
    with trouble.told():
        experiment, _ = settled()
        made = drawn(experiment)
        formulary.menu(experiment, made, outlined(experiment, made.shape, made.reached), theme())


def share():
    """The menu of everything that can be taken home; made only while it is open."""
    menu = st.popover("Share", key="share", on_change="rerun")
    if menu.open:
        with menu, trouble.told():
            experiment, _ = settled()
            made = drawn(experiment)
            chosen = outlined(experiment, made.shape, made.reached)
            sharing.menu(experiment, made, chosen, made.equation(experiment, chosen), theme())


def scenes():
    """The menu of the scenes of all views, each with what its source claims once it is on show."""
    menu = st.popover("Scenes", key="scenes", on_change="rerun")
    if menu.open:
        with menu:
            for view, examples in SCENES.items():
                st.text(controls.VIEW_NAMES[view])
                with st.container(horizontal=True, gap="small"):
                    for name in examples:
                        st.button(name, key=f"scene_{view}_{name}", on_click=open_scene, args=(view, name), type="tertiary")


def open_scene(view, name):
    """Show a scene in its view."""
    st.session_state.scenes = False
    state.change(view=view)
    state.put(reports.on_stage(SCENES[view][name]), push=True)


def pills():
    """The key of the pills. They are new ones whenever a control has moved them: a browser that has not heard of it yet
    would report the example that they showed before as if it had been clicked again."""
    return f"example_{st.session_state.setdefault('turn', 0)}"


def shown_example():
    """The example among those of the view that the controls describe, or None."""
    try:
        return example_of(state.experiment(), state.get("view"))
    except ValueError:
        return None


def choose_example():
    name = st.session_state[pills()]
    if name in SCENES[state.get("view")]:
        state.put(reports.on_stage(SCENES[state.get("view")][name]), push=True)


def picture_of(experiment):
    """(Picture, why it has no held curve) of an experiment, on this visitor's screen."""
    if too_large(experiment):
        shelve(experiment)
    made, (curve, gone) = drawn(experiment), held_curve(experiment)
    shown = picture(experiment, made, view(experiment), curve, page=not st.session_state.get("board_failed"))
    return shown, gone


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
    return {
        "dials": [[dial.name, dial.label] for dial in found], "dial": asdict(chosen), "examples": list(SCENES[experiment.view]),
        "example": example_of(experiment, experiment.view), "lecture": experiment.lecture, "held": bool(experiment.held),
        "walk": experiment.walk, "visit": experiment.visit, "orders": CONTROLS["walk"]["choices"][1:],
        "talk": talking.place(experiment),
    }


def theme():
    return st.context.theme.type or "light"


def drawn(experiment):
    """The Drawn of an experiment; the last one is kept, so that outlining a cell computes nothing."""
    wanted, kept = key(experiment), st.session_state.get("drawn")
    if kept is None or kept[0] != wanted:
        made = recent().find(wanted)
        if made is None:
            with progress() as told:
                made = computed(experiment, checkpoint, kept and kept[1], told)
        kept = st.session_state.drawn = wanted, made
    return kept[1]


@contextmanager
def progress():
    """A function (done, of) that shows how far a picture has come, for as long as it is computed; nothing of it is seen where
    that is not long."""
    start, last, place = time.monotonic(), 0.0, None

    def told(done, of):
        nonlocal place, last
        now = time.monotonic()
        if now - start > PATIENCE and now - last > EVERY and done < of:
            place, last = place or st.empty(), now
            place.progress(done / of, f"Computing: about {max(1, round((now - start) * (of - done) / done))} s to go")

    try:
        yield told
    finally:
        if place is not None:
            place.empty()


@st.fragment
def proof():
    """The line that says how the gradients on show agree with the complex step: computed when the board asks for it, which it
    does once its picture rests."""
    session = st.session_state
    if session.pop("redraw", False):  # what the board reported in the same moment, as that its script is missing
        st.rerun()
    if session.pop("asked", False):
        experiment, _ = settled()
        known, wanted = session.get("proved", (None, "")), gradients(experiment)
        if known[0] != wanted:
            with trouble.told():
                session.proved = wanted, words_of_proof(experiment)
    board.tell_proof(*session.get("proved", (None, "")), asked=ask)


def ask():
    st.session_state.asked = True


def words_of_proof(experiment):
    """How far an experiment's gradients agree with the complex step."""
    e = experiment
    windows = truncated(e.T, e.tau_max, e.tau_b, again=True).carrying(e.scored) if lets_again(e) else e.windows
    made = trace(make_network(e, checkpoint), make_sequence(e), windows, checkpoint)
    return "" if made.backward is None else checked(prove(made, checkpoint=checkpoint))


def checkpoint():
    """Called by the core every few milliseconds of work: looking into the session lets Streamlit stop a superseded run."""
    st.session_state.get("settings")
