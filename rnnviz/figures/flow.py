"""Flow: the delta grid with its loss, the decay track and the gate track as one figure, one column a step.

flow_spec builds the whole Plotly specification from a reading, as plain dicts and arrays; the page draws it as it
is, flow_figure makes a go.Figure of it for a notebook.
"""

import numpy as np

from ..numbers import UP
from . import colour, grid, tracks
from .canvas import HEAD, Canvas
from .theme import EVERYWHERE, FONT, LEFT, RIGHT, SIZE


def flow_spec(reading, *, cell=None, theme="light", width=1068, decades=0, opened=None, zoom=None, page=False, caption=None,
              held=None, tall=None):
    """The specification {"data": .., "layout": ..} of Flow.

    reading: a Flow. cell: the outlined (layer, step), from 0, or None. theme: "light" or "dark". width: px.
    decades: colour range each side of 1, 0 to follow the data. opened: a Neurons to show in place of the layers.
    zoom: (first, last) steps. caption: a line under the figure. held: (Held, its label), a curve that stays for comparison.
    tall: px for a lecture, where grid and decay fill that height and there are no gates. page: leaves room for the equation
    under the grid, and leaves the texts that stand at fixed places and the colour bar to the page, which draws them quicker;
    they are then in layout.meta: {"equation_top": px, "height": px, "texts": [..], "rules": [..], "shapes": [..],
    "bar": {..}}.
    """
    b = Canvas(reading, cell, theme, width, decades, opened, zoom, page, caption, held=held, tall=tall)
    grid.draw_grid(b)
    grid.draw_special_cells(b)
    grid.draw_loss(b)
    if cell is not None:
        (grid.draw_cell if opened is None else grid.draw_opened_column)(b)
    tracks.draw_decay(b)
    if not tall:
        (tracks.draw_gates if opened is None else tracks.draw_activations)(b)
    if caption:
        b.text(caption, b.height - 9, left=0, colour=b.theme.second)
    return {"data": b.traces, "layout": layout(b)}


def flow_figure(reading, **options):
    """Where the gradient goes: the delta grid, what is left step by step, and how open each cell is.

    Options as flow_spec. Returns a plotly go.Figure.
    """
    import plotly.graph_objects as go

    return go.Figure(flow_spec(reading, **options))


def framed(spec, frame=20):
    """The same picture to be saved as an image: with a frame of its own colour, and in a font that every viewer has, for an
    image is drawn without the page's own fonts, and its texts would stand where they were measured in another."""
    given = spec["layout"]
    margin = {side: given["margin"][side] + frame for side in "lrtb"} | {"pad": 0}
    layout = {**given, "margin": margin, "width": given["width"] + 2 * frame, "height": given["height"] + 2 * frame,
              "font": {**given["font"], "family": EVERYWHERE}}
    return {"data": spec["data"], "layout": layout}


# What Plotly would draw slowly (texts, ticks, the outline and its arrows) the page draws itself, at px that hold until the
# view moves and Python draws a new picture.


def px(b, x, y, axis):
    """A place in data on one of the y axes, in px from the figure's left and top."""
    first, last = b.columns.span
    if axis == "paper":
        down = b.height * (1.0 - y)
    elif axis == "y":
        down = HEAD + b.grid * (1.0 - (y - 0.5) / b.rows)
    else:
        down = b.decay_top + b.decay * (b.decay_high - y) / (b.decay_high - b.decay_low)
    return LEFT + b.plot * (x - first) / (last - first), down


def tick_texts(b, steps, decay_ticks, decay_text):
    for step in steps:
        x, _ = px(b, step, 0, "y")
        for bottom in (b.grid_bottom, b.tracks_bottom):
            b.text(str(step), bottom + 11, middle=x, colour=b.theme.second)
    for place, words in zip(decay_ticks, decay_text, strict=True):
        b.text(words, px(b, 0, place, "y2")[1], left=b.right + 3, colour=b.theme.second)


def svg(b, shape):
    """A Plotly rectangle or pixel path as SVG."""
    line = shape["line"]
    pen = f'stroke="{line["color"]}" stroke-width="{line["width"]}" fill="{shape.get("fillcolor", "none")}"'
    if shape["type"] == "rect":
        left, bottom = px(b, shape["x0"], shape["y0"], "y")
        right, top = px(b, shape["x1"], shape["y1"], "y")
        return f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" {pen}/>'
    x, y = px(b, shape["xanchor"], shape["yanchor"], "y")
    return f'<path transform="translate({x:.1f} {y:.1f}) scale(1 -1)" d="{shape["path"]}" {pen}/>'


def placed(b, note):
    """A label beside its data as a text at fixed px."""
    at, y = px(b, note["x"], note["y"], note["yref"])
    at += note.get("xshift", 0)
    side = {"left": "left", "right": "right"}.get(note.get("xanchor"), "middle")
    anchor = {"left": None, "right": None, "middle": None, side: at}
    font = note["font"]
    return dict(anchor, text=note["text"], y=round(y - note.get("yshift", 0), 1), opens=None, colour=font["color"],
                size=font["size"], family=font.get("family"), back=note.get("bgcolor"), pad=note.get("borderpad", 0))


ANCHORS = {"left": "left", "right": "right", "middle": "center"}  # how Plotly names the ends of a text
SHIFTS = {"left": 2, "right": 2, "middle": 0}  # px that Plotly leaves beside a text


def annotation(b, text):
    """A text at fixed px as a Plotly annotation."""
    side, at = next((side, text[side]) for side in ("left", "right", "middle") if text[side] is not None)
    cover = dict(bgcolor=text["back"], borderpad=text["pad"]) if "back" in text else {}
    return dict(text=text["text"], showarrow=False, xref="paper", yref="paper", x=0, xanchor=ANCHORS[side],
                y=b.paper(text["y"]), xshift=at - LEFT - SHIFTS[side], yanchor="middle",
                font=dict(size=text["size"], color=text["colour"]), **cover)


def layout(b):
    """Axes, colour scale and everything that is not a trace."""
    theme = b.theme
    span = list(b.columns.span)
    ticks = step_ticks(b.columns.first[0] + 1, b.columns.last[-1] + 1, b.plot)
    tickfont = dict(size=SIZE, color=theme.second)
    across = dict(range=span, tickvals=ticks, ticktext=[str(t) for t in ticks], tickfont=tickfont, showgrid=False,
                  zeroline=False, showline=False, ticks="", fixedrange=b.reading.T < 3)
    rows = dict(range=[0.5, b.rows + 0.5], showgrid=False, zeroline=False, ticks="", fixedrange=True, tickfont=tickfont)
    name = "layer" if b.opened is None else "neuron"
    decay_ticks, decay_text = log_ticks(b.decay_low, b.decay_high)
    W = b.W
    made = dict(
        width=b.width, height=b.height, autosize=False, margin=dict(l=LEFT, r=RIGHT, t=0, b=0, pad=0),
        paper_bgcolor=theme.page, plot_bgcolor=theme.page, font=dict(family=FONT, size=SIZE, color=theme.ink),
        showlegend=False, hovermode="closest", dragmode="zoom", uirevision=f"{span} {b.rows}", template=None,
        hoverlabel=dict(bgcolor=theme.panel, bordercolor=theme.hairline, font=dict(color=theme.ink, size=SIZE, family=FONT),
                        align="left"),
        shapes=b.shapes, annotations=b.notes,
        coloraxis=dict(cmin=-W, cmax=W, colorscale=colour.scale(theme, W), showscale=not b.page,
                       **({} if b.page else {"colorbar": colour_bar(b)})),
        xaxis=dict(**across, anchor="y"),
        yaxis=dict(**rows, domain=b.domain(HEAD, b.grid_bottom), **b.row_names(name, b.rows, HEAD, b.grid)),
        yaxis2=dict(range=[b.decay_low, b.decay_high], domain=b.domain(b.decay_top, b.decay_bottom),
                    side="right", tickvals=decay_ticks, ticktext=decay_text, gridcolor=theme.grid,
                    zeroline=True, zerolinecolor=theme.third, zerolinewidth=1,
                    tickfont=tickfont, ticks="", fixedrange=True),
        yaxis4=dict(range=[0, 1], domain=b.domain(HEAD - 22, HEAD), visible=False, fixedrange=True),
        meta=dict(equation_top=b.equation_top, height=b.height),
    )
    if not b.tall:
        gates_bottom = b.gates_top + b.gates
        made["xaxis2"] = dict(**across, anchor="y3", matches="x")
        made["yaxis3"] = dict(**rows, domain=b.domain(gates_bottom - b.gate, gates_bottom),
                              **b.row_names(name, b.rows, gates_bottom - b.gate, b.gate))
    if b.opened is not None and not b.tall:
        made["yaxis5"] = dict(**rows, domain=b.domain(b.gates_top, b.gates_top + b.gate),
                                **b.row_names(name, b.rows, b.gates_top, b.gate))
    if b.page:
        made["annotations"], made["shapes"] = [], []
        tick_texts(b, ticks, decay_ticks, decay_text)
        for axis in {"xaxis", "xaxis2", "yaxis2"} & set(made):
            made[axis]["showticklabels"] = False
        made["meta"] |= dict(texts=b.texts + [placed(b, note) for note in b.notes], bar=bar(b),
                             rules=b.rules, shapes=[svg(b, shape) for shape in b.shapes])
    else:
        b.notes.extend(annotation(b, text) for text in b.texts)
    return made


BAR, THICK = 240, 11  # px of the colour bar
PLACES = (0.0, 0.265, 0.5, 0.735, 1.0)  # where its words stand


def bar_words(b):
    up, theme = str(b.W).translate(UP), b.theme
    return [f"10⁻{up}", f"<b style='color:{theme.fades}'>fades</b>", f"<b style='color:{theme.holds}'>1 holds</b>",
            f"<b style='color:{theme.grows}'>blows up</b>", f"10{up}"]


def colour_bar(b):
    """The colour bar as Plotly draws it: of fixed length, flush with the right edge."""
    return dict(orientation="h", lenmode="pixels", len=BAR, thickness=THICK, x=1, xanchor="right", xpad=0, ypad=0,
                y=b.paper(4), yanchor="top", outlinewidth=0, ticks="", tickvals=[(2 * p - 1) * b.W for p in PLACES],
                ticktext=bar_words(b), tickfont=dict(size=SIZE, color=b.theme.second))


def bar(b):
    """The colour bar as the page draws it: px, the stops of its gradient, and words at their places."""
    return dict(left=b.right - BAR, top=4, length=BAR, thickness=THICK, stops=colour.scale(b.theme, b.W),
                words=list(zip(PLACES, bar_words(b), strict=True)), size=SIZE, colour=b.theme.second)


def step_ticks(first, last, plot):
    """1, 5, 10 .. T: at most one every 45 px, the first and last always."""
    first, last = int(first), int(last)
    most = max(2, plot // 45)
    step = next((s for s in (1, 5, 10, 20, 25, 50, 100, 250, 500, 1000, 2500) if (last - first) / s <= most), 5000)
    inner = range(step * -(-first // step), last + 1, step)
    near = step * 0.45
    return [first, *(t for t in inner if t - first > near and last - t > near), *([last] if last > first else [])]


def log_ticks(low, high):
    """Ticks of a log10 axis: whole decades, at most five; for a short range also 3 and 0.3."""
    span = high - low
    if span < 1.6:
        candidates = [(np.log10(v), f"{v:g}") for v in (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)]
        shown = [(p, t) for p, t in candidates if low <= p <= high]
    else:
        step = next(s for s in (1, 2, 3, 5, 9, 10, 20, 50, 100, 200) if span / s <= 5)
        places = range(step * int(np.ceil(low / step)), int(np.floor(high)) + 1, step)
        shown = [(p, "1" if p == 0 else f"10<sup>{str(p).replace('-', '−')}</sup>") for p in places]
    return [float(p) for p, _ in shown], [t for _, t in shown]
