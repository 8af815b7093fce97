"""The board: sentence, delta grid, tracks and equation as one component that redraws in place.

Python builds the whole picture; the component receives it as one packed bytes value and draws it with Plotly.react
on the same node, so the zoom stays and nothing blinks. Where it cannot load, the same figure goes through st.plotly_chart.
"""

import json
import struct
import time
import zlib
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from urllib.parse import parse_qsl

import numpy as np
import streamlit as st

from ..figures import THEMES
from ..typeset import to_html, to_latex
from . import server
from .furniture import furniture
from .keys import KEYS


def as_json(value, default=None):
    """JSON bytes, padded with blanks to a multiple of 4."""
    head = json.dumps(value, default=default, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    return head + b" " * (-len(head) % 4)


def pack(value):
    """JSON with its arrays behind it, as bytes: the length of the JSON, the JSON padded to 4, the arrays.

    An array (float32, any shape) stands in the JSON as {"$": [offset in numbers, shape]}.
    """
    arrays, size = [], 0

    def put_away(array):
        nonlocal size
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{type(array).__name__} in the specification")
        flat = np.ascontiguousarray(array, dtype=np.float32)
        arrays.append(flat)
        place = {"$": [size, list(flat.shape)]}
        size += flat.size
        return place

    head = as_json(value, put_away)
    return b"".join([len(head).to_bytes(4, "little"), head, *(a.tobytes() for a in arrays)])


@dataclass(frozen=True)
class Told:
    """What comes with a picture and is not drawn in it: sentences above it, how often the browser's history is to have grown,
    and what the board's own controls show. A picture of the live lane tells nothing, and leaves all of it as it stands."""

    notes: tuple | None = None
    pushes: int | None = None
    controls: dict | None = None


def payload(picture, told):
    """A picture as bytes: the time it was made, for the newest wins; a checksum that names what is drawn; the length of what is
    told, that as JSON, and the packed drawing."""
    meta = picture.spec["layout"]["meta"]
    equation, says = picture.equation, picture.says
    packed = pack({
        "spec": picture.spec,
        "furniture": furniture(meta),
        "lead": picture.sentence.lead,
        "consequence": picture.sentence.consequence,
        "alt": picture.sentence.text,
        "equation": None if equation is None else {
            "title": says["heading"],
            "heading": "  ·  ".join(filter(None, (equation.heading, equation.remark, says["quantity"]))),
            "html": to_html(equation), "text": equation.text},
        "says": says,
        "colours": colours(picture.theme),
        "cell": picture.cell,
        "shape": picture.shape,
        "view": picture.view,
        "walk": picture.walk,
    })
    words = as_json({
        "link": picture.link,
        "gradients": picture.gradients,
        "notes": None if told.notes is None else few(told.notes),
        "pushes": told.pushes,
        "controls": told.controls,
        "plotly": server.address("plotly.js"),
        "lane": server.LANE,
    })
    return struct.pack("<dLL", time.time(), zlib.crc32(packed), len(words)) + words + packed


def few(notes):
    """The first four notes, and how many more there are."""
    return [*notes[:4], *([f"And {len(notes) - 4} more."] if len(notes) > 4 else [])]


def colours(theme):
    """The roles that the component's style sheet uses, as CSS custom properties."""
    t = THEMES[theme]
    return {"ink": t.ink, "second": t.second, "page": t.page, "hairline": t.hairline, "space": t.space, "time": t.time,
            "third": t.third, "control": t.control, "fades": t.fades, "holds": t.holds, "grows": t.grows}


def loader(call):
    """The few lines that travel with every update: fetch the module once, then hand it each update. Only the board itself says
    that there is no module: a report of another part would ask for a run of that part in its place."""
    missing = 'component.setStateValue("failed", true)' if call == "draw" else "null"
    return f"""
const address = new URL({json.dumps(server.address("board.js"))}, document.baseURI).href;
export default function (component) {{
  component.parentElement.rnnviz ??= import(address);
  component.parentElement.rnnviz.then(
    (board) => board.{call}(component),
    () => {missing});
}}
"""


@cache
def style():
    """The style sheets of the board and of the page around it."""
    sheets = ("rnnviz", "equation.css"), ("rnnviz.ui", "board.css"), ("rnnviz.ui", "page.css")
    return "".join(files(package).joinpath(name).read_text() for package, name in sheets)


@cache
def component():
    """The component, registered once a process."""
    return st.components.v2.component(
        "rnnviz_board", js=loader("draw"), css=style(),
        html=f'<div class="rv-board" data-keys="{escape(json.dumps(KEYS, ensure_ascii=False))}"></div>', isolate_styles=False)


@cache
def carrier():
    """A component that shows nothing and hands its picture to the board."""
    return st.components.v2.component("rnnviz_carrier", js=loader("carry"), isolate_styles=False)


@cache
def prover():
    """A component that shows nothing and brings the board the line that says how its gradients were checked."""
    return st.components.v2.component("rnnviz_proof", js=loader("prove"), isolate_styles=False)


def tell_proof(gradients, words, asked):
    """Tell the board how gradients of this name were checked; asked: called when it wants to know of others."""
    if not st.session_state.get("board_failed"):
        prover()(key="carrier_proof", data=as_json([gradients, words]), height="content", on_asked_change=asked)


@cache
def heart():
    """A component that shows nothing, and asks for the whole page when the server comes back."""
    return st.components.v2.component("rnnviz_heart", js=loader("watch"), isolate_styles=False)


@cache
def keeper():
    """A component that shows nothing, and keeps a text in the browser's tab, where a reload or a restarted server finds it."""
    return st.components.v2.component("rnnviz_keeper", js=loader("keep"), isolate_styles=False)


def watch():
    """Let the page be drawn anew after its connection was lost. To be called outside all fragments."""
    if not st.session_state.get("board_failed"):
        heart()(key="carrier_heart", on_again_change=lambda: None)


def carry(name, data):
    """Bring a payload to the board from another part of the page; an empty one keeps the carrier's place."""
    if not st.session_state.get("board_failed"):
        carrier()(key=f"carrier_{name}", data=data, height="content")


def mount(picture, told, on, on_points):
    """Show a picture. on: callbacks by event name. Falls back to Streamlit's own chart where the component failed."""
    if not st.session_state.get("board_failed"):
        try:
            component()(key="board", data=payload(picture, told), height="content",
                        **{f"on_{name}_change": callback for name, callback in on.items()})
            return
        except (AttributeError, FileNotFoundError):  # a Streamlit without components v2, or a server without our files
            st.session_state.board_failed = True
            st.rerun()
    plain(picture, told, on_points)


def plain(picture, told, on_points):
    """The same figure, sentence, equation and address through Streamlit's own elements."""
    address = dict(parse_qsl(picture.link))
    if st.query_params.to_dict() != address:
        st.query_params.from_dict(address)
    for note in few(told.notes):
        st.text(note)
    st.markdown("## " + "".join(text for text, _ in picture.sentence.lead))
    st.text("".join(text for text, _ in picture.sentence.consequence))  # a column's name may be in it
    spec = picture.spec
    if picture.cell is not None and picture.says["flow"]:
        grid = spec["data"][0]
        middle = (grid["x"][1:] + grid["x"][:-1]) / 2
        xs, ys = np.meshgrid(middle, grid["y"])
        spec = {**spec, "data": [*spec["data"], dict(
            type="scatter", mode="markers", x=xs.ravel(), y=ys.ravel(), marker=dict(symbol="square", size=16, opacity=0),
            customdata=grid["customdata"].reshape(-1, grid["customdata"].shape[-1]), hovertemplate=grid["hovertemplate"],
            xaxis="x", yaxis="y", name="cells to click")]}
    layout = {k: v for k, v in spec["layout"].items() if k not in ("width", "template", "meta")}
    st.plotly_chart({"data": spec["data"], "layout": {**layout, "autosize": True}}, theme=None, key="plain_board",
                    on_select=on_points, selection_mode="points", config={"displayModeBar": False})
    if picture.equation is not None:
        st.caption(f"{picture.says['heading']}: {picture.equation.heading} {picture.equation.remark}")
        t = THEMES[picture.theme]
        st.latex(to_latex(picture.equation, {"space": t.space, "time": t.time}))
