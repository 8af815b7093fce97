"""The page: the experiment in, its run, the picture out."""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from ..examples import EXAMPLES, example_of
from ..experiment import MAX_T, problem, run, value_problem
from ..figures import flow_spec
from ..flow import Flow, Neurons, neurons, read, uncut
from ..formulas import NOTATIONS, cell
from ..links import to_link, too_large
from ..sentences import Sentence, flow
from . import board, controls, opening, sharing, state, trouble
from .shelf import shelf

WIDTH = 1068  # px of the board until the browser has said its own
KEYS = "The delta grid. Arrow keys move the outlined cell: left and right through steps, up and down through layers."


@dataclass(frozen=True, eq=False)
class Picture:
    """All that the board shows, ready to draw."""

    spec: dict
    sentence: Sentence
    equation: object
    says: dict
    theme: str
    cell: tuple | None
    shape: tuple
    link: str
    pushes: int
    notes: tuple
    first: bool


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
        board.carry(name, None)
    elif session.get("board_failed") or controls.layout() != session.layout or shown_example() != session.example_drawn:
        st.rerun()
    else:
        show_picture(lambda picture, *_: board.carry(name, picture))


def show_picture(mount):
    experiment, trouble = settled()
    mount(picture(experiment, (*state.notes(), *([trouble] if trouble else ()))), EVENTS, on_points)


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
            drawn = computed(experiment)
            chosen = outlined(experiment, drawn.reading)
            sharing.menu(experiment, drawn, chosen, equation(experiment, drawn.reading, chosen), theme())


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
        state.put(EXAMPLES[name], push=True)


def picture(experiment, notes):
    """The Picture of an experiment, on this visitor's screen."""
    session = st.session_state
    if too_large(experiment):
        for own in filter(None, (experiment.weights, experiment.table)):
            shelf().put(own)
    drawn = computed(experiment)
    reading = drawn.reading
    chosen = outlined(experiment, reading)
    spec = flow_spec(
        reading, cell=chosen, theme=theme(), width=session.get("width", WIDTH), decades=experiment.decades,
        opened=drawn.opened, zoom=zoom(reading.T), page=not session.get("board_failed"))
    notation = NOTATIONS[experiment.notation]
    return Picture(
        spec, drawn.sentence, equation(experiment, reading, chosen),
        dict(keys=KEYS, opened=0 if drawn.opened is None else experiment.open, quantity=notation.says[reading.quantity]),
        theme(), None if chosen is None else (chosen[0] + 1, chosen[1] + 1), (reading.L, reading.T),
        to_link(experiment), session.get("pushes", 0), notes, "shown" not in session)


def theme():
    return st.context.theme.type or "light"


def equation(experiment, reading, chosen):
    """The Equation of the outlined cell, or None."""
    return None if chosen is None else cell(reading, *chosen, notation=experiment.notation)


@dataclass(frozen=True, eq=False)
class Drawn:
    """What the last run left: readings only, none of its big arrays."""

    key: tuple
    reading: Flow
    opened: Neurons | None
    sentence: Sentence


def computed(experiment):
    """The Drawn of an experiment; the last one is kept, so that outlining a cell computes nothing."""
    key = (experiment.recipe, experiment.quantity, experiment.open)
    drawn = st.session_state.get("drawn")
    if drawn is None or drawn.key != key:
        result = run(experiment, checkpoint)
        reading = read(result, experiment.quantity, checkpoint)
        opened = None
        if 1 <= experiment.open <= reading.L and reading.overflow is None:
            opened = neurons(result, reading, experiment.open - 1)
        drawn = Drawn(key, reading, opened, flow(reading, uncut(result, reading, checkpoint)))
        st.session_state.drawn = drawn
    return drawn


def checkpoint():
    """Called by the core every few milliseconds of work: looking into the session lets Streamlit stop a superseded run."""
    st.session_state.get("settings")


def outlined(experiment, reading):
    """(layer, step), from 0: the chosen cell inside the grid, else one in the middle of what is reached."""
    if reading.overflow is not None:
        return None
    layer = min(experiment.layer, reading.L) or 1
    if experiment.step:
        return layer - 1, min(experiment.step, reading.T) - 1
    steps = np.flatnonzero(reading.reached)
    return layer - 1, int(steps[(len(steps) - 1) // 2])


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
    if isinstance(width, int) and 200 <= width <= 4000:
        st.session_state.width = width


def on_zoom():
    value = reported("zoom")
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(v, int) for v in value):
        low, high = (min(max(v, 0), MAX_T) for v in value)
        st.session_state.zoom = (state.get("T"), low, high) if 0 < low < high else None


def zoom(T):
    """The (first, last) steps looked at more closely, None for all; a sequence of another length is shown whole."""
    of, *steps = st.session_state.get("zoom") or (None,)
    return tuple(steps) if of == T else None


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


EVENTS = {"cell": on_cell, "opens": on_opens, "width": on_width, "zoom": on_zoom, "back": on_back, "failed": on_failed}
