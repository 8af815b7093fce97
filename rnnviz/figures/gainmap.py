"""Map: what is left of the gradient over recurrent scale and lag, where it stays as large as it was, and where you are.

map_spec builds the whole Plotly specification from a GainMap, as plain dicts and arrays; map_figure makes a go.Figure of it
for a notebook.
"""

import numpy as np

from ..gainmap import crossings
from ..numbers import UP
from . import colour
from .canvas import Sheet, f4, runs
from .frame import STILL, composed
from .theme import LEFT

HEAD, PLOT, TICKS, AXIS_ROW = 72, 400, 20, 24  # px: above the map; the map; its tick labels; the line under them
NARROW = 800  # px of a figure in which headings are short
MOST_DECADES = 8
LEVELS = (-7, -3, 0)  # decades at which a line is drawn
PLACES = {0: 0.92, -3: 0.78, -7: 0.64}  # where on a line its label stands, from its foot up; apart, so that none covers another
HERE, THEORY = 0.09, 0.3  # of the map's height, from below: where those two labels stand
APART = 20  # px between two labels


class Plan(Sheet):
    """Where the parts of the figure stand."""

    def __init__(self, gainmap, theme, width, decades, page, caption, tall):
        super().__init__(theme, width, page)
        self.m, self.caption, self.narrow = gainmap, caption, width < NARROW
        self.W = decades or min(MOST_DECADES, colour.decades(gainmap.mean))
        foot = TICKS + AXIS_ROW + (22 if caption else 4)
        self.top = HEAD
        self.bottom = (tall - foot) if tall else HEAD + round(self.stretch * PLOT)
        self.height = self.equation_top = self.bottom + foot
        steps = np.diff(gainmap.gains)
        self.edges = np.concatenate([[gainmap.gains[0] - steps[0] / 2], gainmap.gains[:-1] + steps / 2,
                                     [gainmap.gains[-1] + steps[-1] / 2]])
        self.x = [float(self.edges[0]), float(self.edges[-1])]
        self.y = [-0.5, len(gainmap.lags) - 0.5]

    def at(self, gain):
        """px from the left of a recurrent scale."""
        return LEFT + self.plot * (gain - self.x[0]) / (self.x[1] - self.x[0])

    def up(self, lag):
        """px from the top of a lag."""
        return self.bottom - (self.bottom - self.top) * (lag - self.y[0]) / (self.y[1] - self.y[0])


def map_spec(gainmap, *, theme="light", width=1068, decades=0, page=False, caption=None, tall=None):
    """The specification {"data": .., "layout": ..} of Map.

    gainmap: a GainMap. Other options as flow_spec; with decades 0 the colours end 8 decades off 1, past the last line drawn.
    layout.meta["surface"] says where the map lies, so that a click becomes a scale and a lag: left, right, top, bottom in px
    from the figure's left and top, x: the scales at left and right, y: the lags at bottom and top.
    """
    b = Plan(gainmap, theme, width, decades, page, caption, tall)
    draw_headings(b)
    draw_cells(b)
    taken = draw_run(b)
    draw_theory(b)
    draw_levels(b, taken)
    draw_here(b)
    draw_ticks(b)
    if caption:
        b.text(caption, b.height - 9, left=0, colour=b.theme.second)
    axes = {"xaxis": dict(range=b.x, anchor="y", **STILL), "yaxis": dict(range=b.y, domain=b.domain(b.top, b.bottom), **STILL)}
    layout = composed(b, "map", axes)
    layout["plot_bgcolor"] = b.theme.hairline  # what shows through where no draw counts
    layout["meta"]["surface"] = dict(left=LEFT, right=b.right, top=b.top, bottom=b.bottom, x=b.x, y=b.y)
    return {"data": b.traces, "layout": layout}


def map_figure(gainmap, **options):
    """Where gradients survive: what is left of the gradient for every recurrent scale and lag, averaged over random networks.

    Options as map_spec. Returns a plotly go.Figure.
    """
    import plotly.graph_objects as go

    return go.Figure(map_spec(gainmap, **options))


def draw_headings(b):
    m = b.m
    b.heading("Where gradients survive", "" if b.narrow else family(m), 14)
    lost = int((m.draws - m.counted - m.dead).max())
    remarks = ["" if np.isnan(m.edge).all() else "heavy line: as large as at the loss",
               "dashed: the same for wide layers, by theory" if has_theory(m) else "",
               "grey: no draw counts" if (m.counted == 0).any() else "",
               f"left out: up to {lost} of {m.draws} draws that leave the float range" if lost else ""]
    shown = [remark for remark in remarks if remark][:1 if b.narrow else None]
    b.text("; ".join(shown), 44, left=0, colour=b.theme.second)


def family(m):
    """What the map is averaged over."""
    e = m.experiment
    cells = sorted({cell for _, cell, _ in e.stack})
    sizes = sorted({n for n, _, _ in e.stack})
    draws = f"{m.draws} draws" if m.draws == m.of else f"{m.draws} of {m.of} draws so far"
    width = f"width {sizes[0]}" if len(sizes) == 1 else f"width {sizes[0]} to {sizes[-1]}"
    layers = "1 layer" if len(e.stack) == 1 else f"layer 1 of {len(e.stack)}"
    return f"mean over {draws}: {e.init} {' and '.join(cells)}, {layers}, {width}"


def has_theory(m):
    return m.predicted is not None and not np.isnan(m.predicted_edge).all()


def draw_cells(b):
    m = b.m
    numbers = np.stack(np.broadcast_arrays(m.gains[None, :], m.mean, m.spread, m.counted), axis=-1)
    b.traces.append(dict(
        type="heatmap", name="left", x=f4(b.edges), y=f4(m.lags), z=f4(np.clip(m.mean, -b.W, b.W)), coloraxis="coloraxis",
        hoverongaps=False, customdata=f4(numbers), xaxis="x", yaxis="y",
        hovertemplate="<i>g</i> = %{customdata[0]:.3g}, %{y:.0f} steps back: 10<sup>%{customdata[1]:.2f}</sup> of lag 0, "
                      "give or take %{customdata[2]:.2f} decades; "
                      f"%{{customdata[3]:.0f}} of {m.draws} draws count<extra></extra>"))


def draw_run(b):
    """The lag of the run's first step. Returns the px from the top at which its label stands."""
    m, T = b.m, b.m.experiment.T
    words = "first step of your run" if b.narrow else f"first step of your {T}-step run"
    if len(m.lags) < T:
        b.text(f"{words}: {T - len(m.lags)} further back", b.top + 11, right=b.right - 4, colour=b.theme.second, back=True)
        return [b.top + 11]
    y = b.up(T - 1)
    b.line([(LEFT, y), (b.right, y)], b.theme.page, 1.4)
    b.line([(LEFT, y), (b.right, y)], b.theme.ink, 1.4, dash="3 3")
    label = y - 11 if y - 11 > b.top + 8 else y + 11
    b.text(words, label, right=b.right - 4, colour=b.theme.second, back=True)
    return [label]


def draw_theory(b):
    """The edge of wide layers, by theory."""
    m = b.m
    if not has_theory(m):
        return
    curve = m.predicted_edge
    for start, stop in runs(np.isfinite(curve)):
        points = [(b.at(gain), b.up(lag)) for gain, lag in zip(curve[start:stop], m.lags[start:stop], strict=True)]
        b.line(points, b.theme.page, 3)
        b.line(points, b.theme.ink, 1.6, dash="7 5")
    label(b, curve, "wide layers, by theory" if not b.narrow else "theory", THEORY, beside=12)


def draw_levels(b, taken):
    """The lines at which a part is left, and their labels, away from the heights that are taken."""
    m, ink = b.m, b.theme.ink
    for level in LEVELS:
        curve = crossings(m.gains, m.mean, level)
        for start, stop in runs(np.isfinite(curve)):
            points = [(b.at(gain), b.up(lag)) for gain, lag in zip(curve[start:stop], m.lags[start:stop], strict=True)]
            b.line(points, ink, 1.2 if level else 3)
        words = f"10{str(level).translate(UP)}" if level else "<b>edge: 1</b>"
        label(b, curve, words, PLACES[level], taken)


def label(b, curve, words, place, taken=(), beside=0):
    """A line's label on it, or so many px beside it, at a share of its height from its foot, away from what is taken."""
    there = np.flatnonzero(np.isfinite(curve))
    if len(there) < 3:
        return
    lag = there[round(place * (len(there) - 1))]
    x, y = b.at(curve[lag]), b.up(b.m.lags[lag])
    near = next((other for other in taken if abs(other - y) < APART), None)
    y = y if near is None else near + (APART if near + 2 * APART < b.bottom else -APART)
    y = min(max(y, b.top + 10), b.bottom - 10)
    if not beside:
        side = {"middle": min(max(x, LEFT + 26), b.right - 26)}
    else:
        side = {"left": x + beside} if x + 170 < b.right else {"right": x - beside}
    b.text(words, y, back=True, **side)


def draw_here(b):
    """The experiment's own scale."""
    g = b.m.g
    x = min(max(b.at(g), LEFT), b.right)
    b.line([(x, b.top), (x, b.bottom)], b.theme.page, 6)
    b.line([(x, b.top), (x, b.bottom)], b.theme.ink, 2.6)
    side = {"left": x + 10} if x + 150 < b.right else {"right": x - 10}
    b.text(f"<b>you are here: {g:g}</b>", b.bottom - HERE * (b.bottom - b.top), back=True, **side)


def draw_ticks(b):
    theme = b.theme
    for gain in np.arange(0.0, b.x[1] + 1e-9, 0.5):
        if gain >= b.x[0]:
            b.text(f"{gain:g}", b.bottom + 11, middle=b.at(gain), colour=theme.second)
    most = (b.bottom - b.top) / 30
    step = next((s for s in (5, 10, 20, 50, 100, 200) if len(b.m.lags) / s <= most), 500)
    for lag in range(0, len(b.m.lags) + 1, step):
        if b.up(lag) >= b.top:
            b.text(str(lag), b.up(lag), right=LEFT - 6, colour=theme.second)
    b.text("steps back", b.top - 8, right=LEFT - 6, colour=theme.second)
    what = "recurrent scale <i>g</i>" + ("" if b.narrow else ", which multiplies every <i>W</i><sub>T</sub>")
    b.text(what, b.bottom + TICKS + 12, middle=(LEFT + b.right) / 2, colour=theme.second)
