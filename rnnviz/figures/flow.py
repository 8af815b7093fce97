"""Flow: the delta grid with its loss, the decay track and the gate track as one figure, one column a step.

flow_spec builds the whole Plotly specification from a reading, as plain dicts and arrays; the page draws it as it
is, flow_figure makes a go.Figure of it for a notebook.
"""


from . import grid, tracks
from .canvas import HEAD, Canvas
from .frame import annotation, bar, base, log_ticks, step_ticks
from .theme import EVERYWHERE, LEFT, SIZE


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
    made = base(b, f"{span} {b.rows}", "zoom") | dict(
        xaxis=dict(**across, anchor="y"),
        yaxis=dict(**rows, domain=b.domain(HEAD, b.grid_bottom), **b.row_names(name, b.rows, HEAD, b.grid)),
        yaxis2=dict(range=[b.decay_low, b.decay_high], domain=b.domain(b.decay_top, b.decay_bottom),
                    side="right", tickvals=decay_ticks, ticktext=decay_text, gridcolor=theme.grid,
                    zeroline=True, zerolinecolor=theme.third, zerolinewidth=1,
                    tickfont=tickfont, ticks="", fixedrange=True),
        yaxis4=dict(range=[0, 1], domain=b.domain(HEAD - 22, HEAD), visible=False, fixedrange=True),
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
