"""What the board reports: a click, a key, a dial let go. Everything is checked here before it becomes a setting."""

from dataclasses import replace

import streamlit as st

from ..examples import SCENES, opened
from ..experiment import CONTROLS, value_problem
from ..held import held_text
from ..links import LONGEST_LINK, from_link, parse
from ..texts import MAX_T
from . import state, talking
from .picture import NARROWEST, WIDEST
from .shelf import shelf, shelve


def on_stage(experiment):
    """An example of the view on show under the circumstances of now: in lecture mode or not, as a walk or not, with the same
    held curve."""
    kept = {name: state.get(name) for name in ("lecture", "dial", "held", "walk")}
    return replace(opened(experiment, state.get("view"), st.session_state.good), visit=0, **kept)


def on_cell():
    value = reported("cell")
    if isinstance(value, (list, tuple)) and len(value) >= 2:
        outline(*value[:2])


def outline(layer, step):
    """Outline a cell, counted from 1, if there may be one."""
    if value_problem("layer", layer) is None and value_problem("step", step) is None:
        state.change(layer=layer, step=step, route=0)  # another cell has other routes


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
    shown = SCENES[state.get("view")]
    if isinstance(name, str) and name in shown:
        state.put(on_stage(shown[name]), push=True)
        st.session_state.redraw = True


def on_talk():
    """The picture of the talk at a place, from 0."""
    value = reported("talk")
    at = value[0] if isinstance(value, (list, tuple)) and value else None
    if type(at) is int and 0 <= at < len(talking.talk()):
        talking.show(at)
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


def on_place():
    """A click into the surface that is shown sets what it stands for."""
    value = reported("place")
    if not (isinstance(value, (list, tuple)) and len(value) >= 2 and all(type(v) in (int, float) for v in value[:2])
            and all(abs(v) < 1e9 for v in value[:2])):
        return
    set_there = st.session_state.drawn[1].placed(*value[:2])
    if set_there and not any(value_problem(*pair) for pair in set_there.items()):
        state.change(**set_there)
        st.session_state.redraw = True


STAGE = ("walk", "visit", "lecture", "dial", "weight", "per", "again", "route", "layer", "shade")
EVENTS = {"cell": on_cell, "place": on_place, "room": on_room,
          "stage": on_stage_change, "leave": on_leave, "turn": on_turn, "hold": on_hold,
          "example": on_example, "talk": on_talk,
          "opens": on_opens, "width": on_width, "zoom": on_zoom, "back": on_back, "failed": on_failed}
