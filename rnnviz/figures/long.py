"""A long run: what is left of its gradient, many steps in a column."""

import numpy as np

from ..numbers import grouped
from . import colour
from .canvas import Sheet, f4, mix
from .frame import STILL, composed, log_ticks
from .labels import NAMES_APART, spread
from .theme import LEFT, SIZE

HEAD, TICKS, TITLE = 60, 24, 46  # px: above the map; its tick labels; over the curves
ROW, MAP, CURVES = 40, 220, 210  # px of a layer; of all layers at most; of the curves


class Plan(Sheet):
    """Where the parts of the figure stand."""

    def __init__(self, streamed, theme, width, decades, page, caption, tall):
        super().__init__(theme, width, page, caption)
        self.streamed = streamed
        self.edges, self.left_over = streamed.binned
        self.W = decades or colour.decades(self.left_over)
        high, curves = min(MAP, ROW * streamed.L), round(self.stretch * CURVES)
        if tall:
            room = tall - HEAD - 2 * TICKS - TITLE - 20
            high, curves = min(high, room // 2), room - min(high, room // 2)
        self.top, self.bottom = HEAD, HEAD + high
        self.curves_top = self.bottom + TICKS + 20 + TITLE
        self.curves_bottom = self.curves_top + curves
        self.equation_top = self.curves_bottom + TICKS
        self.height = self.curves_bottom + TICKS + (22 if caption else 4)

    def at(self, step):
        """px from the left of an edge between two steps."""
        return LEFT + self.plot * (step - self.edges[0]) / (self.edges[-1] - self.edges[0])


def long_spec(streamed, *, theme="light", width=1068, decades=0, page=False, caption=None, tall=None):
    """The specification {"data": .., "layout": ..} of a long run.

    streamed: a Streamed. Other options as flow_spec.
    """
    b = Plan(streamed, theme, width, decades, page, caption, tall)
    axes = draw_map(b) | draw_curves(b)
    return {"data": b.traces, "layout": composed(b, f"long {streamed.T}", axes)}


def long_figure(streamed, **options):
    """What is left of the gradient over a very long run, many steps in a column.

    Options as long_spec. Returns a plotly go.Figure.
    """
    import plotly.graph_objects as go

    return go.Figure(long_spec(streamed, **options))


def draw_map(b):
    L, each = b.streamed.L, int(b.edges[1] - b.edges[0])
    about = f"each column is the median of {grouped(each)} steps" if each > 1 and not b.narrow else ""
    b.heading("Gradient of every layer", about, 14)
    b.traces.append(dict(
        type="heatmap", name="long", x=f4(b.edges), y=f4(np.arange(1, L + 1)), z=f4(np.clip(b.left_over, -b.W, b.W)),
        coloraxis="coloraxis", hoverongaps=False, xaxis="x", yaxis="y", customdata=f4(b.left_over),
        hovertemplate="layer %{y:.0f}, about step %{x:.0f}: 10<sup>%{customdata:.1f}</sup> of what the loss sends in"
                      "<extra></extra>"))
    shown = range(1, L + 1) if L <= 5 else (1, L)
    for l in shown:
        b.text(f"layer {l}", b.bottom - (b.bottom - b.top) * (l - 0.5) / L, right=LEFT - 6, colour=b.theme.second)
    draw_steps(b, b.bottom)
    b.text("time step <i>t</i> ⟶ the network runs forward", b.bottom + TICKS + 10, left=LEFT, colour=b.theme.second)
    span = dict(range=[float(b.edges[0]), float(b.edges[-1])], **STILL)
    return {"xaxis": dict(span, anchor="y"), "yaxis": dict(range=[0.5, L + 0.5], domain=b.domain(b.top, b.bottom), **STILL)}


def draw_steps(b, y):
    """Tick labels under a track: the first step, and quarters of the run."""
    T = b.streamed.T
    for step in sorted({1, *(round(T * part / 4) for part in (1, 2, 3, 4))}):
        b.text(grouped(step), y + 12, middle=b.at(step), colour=b.theme.second)


def draw_curves(b):
    """What is left, layer by layer, on a log scale."""
    finite = b.left_over[np.isfinite(b.left_over)]
    low, high = (min(0.0, finite.min()), max(0.0, finite.max())) if finite.size else (-1.0, 0.0)
    pad = max(0.05 * (high - low), 0.05)
    low, high = low - pad, high + pad
    b.heading("What is left", "log scale, far beyond what any float holds", b.curves_top - 22)
    middle = (b.edges[1:] + b.edges[:-1]) / 2
    for l, row in enumerate(b.left_over):
        b.traces.append(dict(
            type="scatter", mode="lines", x=f4(middle), y=f4(row), xaxis="x2", yaxis="y2", name=f"layer {l + 1}",
            line=dict(width=1.8, color=ink_of(b, l)), connectgaps=False,
            hoverinfo="skip"))
    places, words = log_ticks(low, high)
    px = (b.curves_bottom - b.curves_top) / (high - low)
    for place, text in zip(places, words, strict=True):
        b.text(text, b.curves_bottom - px * (place - low), left=b.right + 3, colour=b.theme.second, size=SIZE - 2)
    name_curves(b, low, px)
    draw_steps(b, b.curves_bottom)
    span = dict(range=[float(b.edges[0]), float(b.edges[-1])], **STILL)
    still = {**STILL, "showgrid": True}
    return {"xaxis2": dict(span, anchor="y2"),
            "yaxis2": dict(range=[low, high], domain=b.domain(b.curves_top, b.curves_bottom), anchor="x2", tickvals=places,
                           gridcolor=b.theme.grid, **still)}


def name_curves(b, low, px):
    """The layers' names where their curves begin."""
    L = b.streamed.L
    firsts = [(px * (float(row[good[0]]) - low), l) for l, row in enumerate(b.left_over)
              if (L <= 5 or l in (0, L - 1)) and (good := np.flatnonzero(np.isfinite(row))).size]
    firsts.sort()
    for up, (_, l) in zip(spread([up for up, _ in firsts], NAMES_APART, b.curves_bottom - b.curves_top), firsts, strict=True):
        b.text(f"layer {l + 1}", b.curves_bottom - up, right=LEFT - 6, colour=ink_of(b, l))


def ink_of(b, l):
    """The colour of a layer's curve."""
    return mix(b.theme.third, b.theme.ink, l / (b.streamed.L - 1) if b.streamed.L > 1 else 1.0)
