"""The board: sentence, delta grid, tracks and equation as one component that redraws in place.

Python builds the whole picture; the component receives it as one packed bytes value and draws it with Plotly.react
on the same node, so the zoom stays and nothing blinks. Where it cannot load, the same figure goes through st.plotly_chart.
"""

import json
import struct
import time
import zlib
from functools import cache
from html import escape
from importlib.resources import files
from urllib.parse import parse_qsl

import numpy as np
import streamlit as st

from ..figures import THEMES
from ..formulas import to_html, to_latex
from . import server


def pack(value):
    """JSON with its arrays behind it, as bytes: the length of the JSON, the JSON padded to 8, the arrays.

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

    head = json.dumps(value, default=put_away, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    head += b" " * (-len(head) % 4)
    return b"".join([len(head).to_bytes(4, "little"), head, *(a.tobytes() for a in arrays)])


def payload(picture):
    """The packed picture behind 12 bytes: the time it was made, for the newest wins, and a checksum that names its content."""
    meta = picture.spec["layout"]["meta"]
    equation, says = picture.equation, picture.says
    value = {
        "spec": picture.spec,
        "furniture": furniture(meta),
        "sketch": sketch(picture.spec) if picture.first else "",
        "lead": picture.sentence.lead,
        "consequence": picture.sentence.consequence,
        "alt": picture.sentence.text,
        "equation": None if equation is None else {
            "heading": "  ·  ".join(filter(None, (equation.heading, equation.remark, says["quantity"]))),
            "html": to_html(equation), "text": equation.text},
        "says": says,
        "colours": colours(picture.theme),
        "cell": picture.cell,
        "shape": picture.shape,
        "link": picture.link,
        "pushes": picture.pushes,
        "notes": few(picture.notes),
        "plotly": server.address("plotly.js"),
    }
    packed = pack(value)
    return struct.pack("<dL", time.time(), zlib.crc32(packed)) + packed


ANCHORS = {"left": "0", "right": "-100%", "middle": "-50%"}  # how far a text moves left of its place


def furniture(meta):
    """The texts at fixed places and the colour bar, as HTML: they seldom change, and draw quicker than Plotly's."""
    parts = []
    for text in meta["texts"]:
        side = next(f"left:{text[anchor]:.1f}px;translate:{shift} -50%" for anchor, shift in ANCHORS.items()
                    if text.get(anchor) is not None)
        if text.get("back"):
            side += f";background:{text['back']};padding:{max(0, text['pad'] - 1)}px {text['pad'] + 1}px"
        if text.get("family"):
            side += f";font-family:{escape(text['family'])}"
        tag, more = ("span", "") if text["opens"] is None else ("button", f' data-opens="{text["opens"]}"')
        parts.append(f'<{tag}{more} style="top:{text["y"]}px;{side};color:{text["colour"]};font-size:{text["size"]}px">'
                     f'{text["text"]}</{tag}>')
    parts.insert(0, f'<svg>{"".join(meta["shapes"])}</svg>')
    bar = meta["bar"]
    stops = ",".join(f"{colour} {100 * place:.2f}%" for place, colour in bar["stops"])
    parts.append(f'<i style="left:{bar["left"]}px;top:{bar["top"]}px;width:{bar["length"]}px;'
                 f'height:{bar["thickness"]}px;background:linear-gradient(90deg,{stops})"></i>')
    for place, words in bar["words"]:
        left, top = bar["left"] + place * bar["length"], bar["top"] + bar["thickness"] + 12
        parts.append(f'<span style="top:{top}px;left:{left:.1f}px;'
                     f'translate:-50% -50%;color:{bar["colour"]};font-size:{bar["size"]}px">{words}</span>')
    return "".join(parts)


def sketch(spec):
    """The grid's cells as a plain SVG, for the moment before plotly.js has arrived."""
    grid, layout = spec["data"][0], spec["layout"]
    z, margin = grid["z"], layout["margin"]
    if z.size > 4000:
        return ""
    plot = layout["width"] - margin["l"] - margin["r"]
    top, bottom = (layout["height"] * (1 - edge) for edge in reversed(layout["yaxis"]["domain"]))
    stops, low, high = layout["coloraxis"]["colorscale"], layout["coloraxis"]["cmin"], layout["coloraxis"]["cmax"]
    places = [place for place, _ in stops]
    channels = [np.interp((z - low) / (high - low), places, [int(c[i:i + 2], 16) for _, c in stops]) for i in (1, 3, 5)]
    width, height = plot / z.shape[1], (bottom - top) / z.shape[0]
    cells = []
    for row, column in zip(*np.nonzero(np.isfinite(z)), strict=True):
        red, green, blue = (round(float(channel[row, column])) for channel in channels)
        cells.append(f'<rect x="{margin["l"] + column * width + grid["xgap"] / 2:.1f}" '
                     f'y="{bottom - (row + 1) * height + grid["ygap"] / 2:.1f}" width="{width - grid["xgap"]:.1f}" '
                     f'height="{height - grid["ygap"]:.1f}" fill="rgb({red},{green},{blue})"/>')
    return f'<svg width="{layout["width"]}" height="{layout["height"]}">{"".join(cells)}</svg>'


def few(notes):
    """The first four notes, and how many more there are."""
    return [*notes[:4], *([f"And {len(notes) - 4} more."] if len(notes) > 4 else [])]


def colours(theme):
    """The roles that the component's style sheet uses, as CSS custom properties."""
    t = THEMES[theme]
    return {"ink": t.ink, "second": t.second, "page": t.page, "hairline": t.hairline, "space": t.space, "time": t.time,
            "fades": t.fades, "holds": t.holds, "grows": t.grows}


def loader(call):
    """The few lines that travel with every update: fetch the module once, then hand it each update."""
    return f"""
const address = new URL({json.dumps(server.address("board.js"))}, document.baseURI).href;
export default function (component) {{
  component.parentElement.rnnviz ??= import(address);
  component.parentElement.rnnviz.then(
    (board) => board.{call}(component),
    () => component.setStateValue("failed", true));
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
        html='<div class="rv-board"></div>', isolate_styles=False)


@cache
def carrier():
    """A component that shows nothing and hands its picture to the board."""
    return st.components.v2.component("rnnviz_carrier", js=loader("carry"), isolate_styles=False)


@cache
def heart():
    """A component that shows nothing, and asks for the whole page when the server comes back."""
    return st.components.v2.component("rnnviz_heart", js=loader("watch"), isolate_styles=False)


def watch():
    """Let the page be drawn anew after its connection was lost. To be called outside all fragments."""
    if not st.session_state.get("board_failed"):
        heart()(key="carrier_heart", on_again_change=lambda: None)


def carry(name, picture):
    """Bring a picture to the board from another part of the page; None brings nothing, and keeps the carrier's place."""
    if not st.session_state.get("board_failed"):
        carrier()(key=f"carrier_{name}", data=b"" if picture is None else payload(picture), height="content")


def mount(picture, on, on_points):
    """Show a picture. on: callbacks by event name. Falls back to Streamlit's own chart where the component failed."""
    if not st.session_state.get("board_failed"):
        try:
            component()(key="board", data=payload(picture), height="content",
                        **{f"on_{name}_change": callback for name, callback in on.items()})
            return
        except (AttributeError, FileNotFoundError):  # a Streamlit without components v2, or a server without our files
            st.session_state.board_failed = True
            st.rerun()
    plain(picture, on_points)


def plain(picture, on_points):
    """The same figure, sentence, equation and address through Streamlit's own elements."""
    address = dict(parse_qsl(picture.link))
    if st.query_params.to_dict() != address:
        st.query_params.from_dict(address)
    for note in few(picture.notes):
        st.text(note)
    st.markdown("## " + "".join(text for text, _ in picture.sentence.lead))
    st.caption("".join(text for text, _ in picture.sentence.consequence))
    spec = picture.spec
    if picture.cell is not None:
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
        st.caption(f"The outlined cell: {picture.equation.heading} {picture.equation.remark}")
        t = THEMES[picture.theme]
        st.latex(to_latex(picture.equation, {"space": t.space, "time": t.time}))
