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
from .labels import between, boxes, place, width_of
from .theme import LEFT

HEAD, PLOT, TICKS, AXIS_ROW = 72, 440, 20, 24  # px: above the map; the map; its tick labels; the line under them
MOST_DECADES = 8
LEVELS = (-7, -3, 0)  # decades at which a line is drawn
SHARES = {0: 0.92, -3: 0.78, -7: 0.64, "theory": 0.3, "here": 0.09}  # of a line, from its foot up, at which its label stands
OTHERS = np.array([0.0, 0.1, -0.1, 0.2, -0.2, 0.3, -0.3, 0.4, -0.4])  # from there, where else if it would cover something
SPOTS = 41  # places along a straight line that its label may take
ASIDE, OVER = 12, 12  # px from a line to a label beside it, and to the middle of one over it


class Plan(Sheet):
    """Where the parts of the figure stand."""

    def __init__(self, gainmap, theme, width, decades, page, caption, tall):
        super().__init__(theme, width, page, caption)
        self.m = gainmap
        self.left, self.edge, self.lines, self.words = LEFT, self.right, {}, []
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
    draw_run(b)
    draw_theory(b)
    draw_levels(b)
    draw_here(b)
    draw_labels(b)
    draw_ticks(b)
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
    b.heading("What is left" if b.narrow else "Where gradients survive", "" if b.narrow else family(m), 14)
    lost = int((m.draws - m.counted - m.dead).max())
    whole, known = "as large as at the loss", not np.isnan(m.edge).all()
    remarks = [f"heavy line: {whole}" if known else "",
               f"dashed: {'the same' if known else whole} for wide layers, by theory" if has_theory(m) else "",
               "grey: no draw counts" if (m.counted == 0).any() else "",
               f"left out: up to {lost} of {m.draws} draws that leave the float range" if lost else ""]
    shown = [remark for remark in remarks if remark][:1 if b.narrow else None]
    b.text("; ".join(shown), 44, left=0, colour=b.theme.second)


def family(m):
    """What the map is averaged over."""
    e = m.experiment
    cells = sorted({"ReLU" if cell == "relu" else cell for _, cell, _ in e.stack})
    sizes = sorted({n for n, _, _ in e.stack})
    draws = f"{m.draws} draws"
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
    """The lag of the run's first step."""
    if len(b.m.lags) < b.m.experiment.T:
        return
    y = b.up(b.m.experiment.T - 1)
    b.line([(LEFT, y), (b.right, y)], b.theme.page, 1.4)
    b.line([(LEFT, y), (b.right, y)], b.theme.ink, 1.4, dash="3 3")
    b.lines["run"] = np.array([(LEFT, y), (b.right, y)])


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
    note(b, "theory", curve)


def draw_levels(b):
    """The lines at which a part is left."""
    m, ink = b.m, b.theme.ink
    for level in LEVELS:
        curve = crossings(m.gains, m.mean, level)
        for start, stop in runs(np.isfinite(curve)):
            points = [(b.at(gain), b.up(lag)) for gain, lag in zip(curve[start:stop], m.lags[start:stop], strict=True)]
            b.line(points, ink, 1.2 if level else 3)
        note(b, level, curve)


def note(b, name, curve):
    """Keep where a line of scales (lags,) stands, for its label and those of others."""
    there = np.isfinite(curve)
    if there.sum() > 2:
        b.lines[name] = np.stack([b.at(curve[there]), b.up(b.m.lags[there])], axis=-1)


def draw_labels(b):
    """A label at every line, where it covers as little as may be of other lines and labels."""
    T = b.m.experiment.T
    run = "first step of your run" if b.narrow else f"first step of your {T}-step run"
    if "run" in b.lines:
        label(b, "run", run, b.theme.second)
    else:
        b.taken = []
        place(b, (f"{run}: {T - len(b.m.lags)} further back", b.theme.second), [(b.right, b.top)], flush=True)
    words = {0: "<b>edge: 1</b>", **{level: f"10{str(level).translate(UP)}" for level in LEVELS if level},
             "here": f"<b>you are here: {b.m.g:g}</b>", "theory": "theory" if b.narrow else "wide layers, by theory"}
    for name, said in words.items():
        if name in b.lines:
            label(b, name, said, b.theme.ink)


def label(b, name, words, ink):
    """A line's label: over the run's, at its end if it can, on a level's if nothing stands there, else beside it."""
    line, wide = b.lines[name], width_of(words)
    b.taken = [box for other, points in b.lines.items() if other != name
               for box in boxes(between(points[:-1], points[1:], ASIDE), ASIDE / 2)]
    if name == "run":
        ends = (b.right, b.lines["here"][0, 0] - ASIDE, LEFT + 0.8 * b.plot, LEFT + 0.6 * b.plot)
        spots = [(end - wide, line[0, 1] + dy) for end in ends for dy in (-OVER, OVER)]
    else:
        shares = SHARES[name] + OTHERS
        shares = shares[(shares >= 0.04) & (shares <= 0.96)]
        along = line[(shares * (len(line) - 1)).round().astype(int)]
        sides = (-wide / 2,) * (name in LEVELS) + (ASIDE, -wide - ASIDE)
        spots = [(x + dx, y) for dx in sides for x, y in along]
        spots = [(x, y) for x, y in spots if b.left + 4 <= x <= b.edge - wide - 2] or spots
    place(b, (words, ink), spots, flush=name == "run")


def draw_here(b):
    """The experiment's own scale."""
    g = b.m.g
    x = min(max(b.at(g), LEFT), b.right)
    b.line([(x, b.top), (x, b.bottom)], b.theme.page, 6)
    b.line([(x, b.top), (x, b.bottom)], b.theme.ink, 2.6)
    b.lines["here"] = np.stack([np.full(SPOTS, x), np.linspace(b.bottom, b.top, SPOTS)], axis=-1)


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
