"""Step: the delta grid while it is being computed, as a stage that stands and, for every wave of a walk, what it adds.

The page draws it as plain SVG, so that a step costs the browser no more than a cell.
"""

from dataclasses import dataclass

import numpy as np

from ..flow import CUT, NAN, OK, OVERFLOW, UNDERFLOW, ZERO
from ..numbers import significant
from . import colour, grid
from .canvas import HEAD, TICKS, Canvas, runs
from .flow import placed, px, svg
from .frame import bar, step_ticks
from .theme import LEFT

TALLEST, LOWEST = 110, 12  # px of a row
MARKS = {ZERO: "0", UNDERFLOW: "▽", OVERFLOW: "∞", NAN: "nan"}


@dataclass(frozen=True, eq=False)
class Cells:
    """How cells look, one entry each. shade: float32 log10 ratio, nan where there is no number. high: whether it is too large
    for one. marks: what is printed in it, inks: in which colour; both None where nothing is printed in any."""

    shade: np.ndarray
    high: list
    marks: list | None
    inks: list | None


@dataclass(frozen=True, eq=False)
class Stage:
    """What stands while a walk goes on.

    meta: fixed texts, rules and colour bar, as flow_spec's layout.meta. place: px of the grid: left, top, across (a column),
    down (a row), and rows. stops, W: the colour scale over -W..W decades. visits: the Cells of every visit. sum: those of
    the sum of all passes, layer by layer, where there are several. height: px.
    """

    meta: dict
    place: dict
    stops: list
    W: int
    visits: Cells
    sum: Cells | None
    height: int


def canvas(reading, theme, width, decades, room):
    """The Canvas of a Step figure. room: px that its grid may be high."""
    row = max(LOWEST, min(TALLEST, room // reading.L))
    return Canvas(reading, None, theme, width, decades, None, None, True, None, grid=row * reading.L)


def stage(walk, reading, b):
    """The Stage of a walk on its canvas."""
    r, theme = reading, b.theme
    grid.draw_loss(b)
    names = b.row_names("layer", r.L, HEAD, b.grid)
    assert not names["showticklabels"]
    for t in step_ticks(1, r.T, b.plot):
        b.text(str(t), b.grid_bottom + 11, middle=px(b, t, 0, "y")[0], colour=theme.second)
    b.text("time step <i>t</i> ⟶ the network runs forward; the gradient flows back", b.grid_bottom + TICKS + 12, left=LEFT + 2,
           colour=theme.second)
    cut = r.state == CUT
    if cut.any():
        grid.label_cut(b, cut)
    grid.draw_key(b, b.grid_bottom + TICKS + 12)
    meta = dict(texts=b.texts + [placed(b, note) for note in b.notes], rules=hatched(b, cut) + losses(b), shapes=[], bar=bar(b))
    place = dict(left=LEFT, top=HEAD, across=b.columns.width, down=b.row, rows=b.rows)
    marked = r.scalar or (r.state != OK).any() or any((flow.state != OK).any() for flow in walk.flows)
    of_visits = cells(b, marked, *(visited(walk, field) for field in (lambda f: f.state, lambda f: f.log_ratio, value)))
    of_sum = cells(b, marked, r.state.ravel(), r.log_ratio.ravel(), value(r).ravel()) if len(walk.flows) > 1 else None
    return Stage(meta, place, colour.scale(theme, b.W), b.W, of_visits, of_sum, round(b.grid_bottom + TICKS + 24))


def value(flow):
    """The signed number of every cell that is one unit wide."""
    return flow.value[flow.quantity]


def visited(walk, field):
    """(N,) of a field (L, T) of the readings: its value at every visit, in the visit's own pass."""
    return np.stack([field(flow) for flow in walk.flows])[walk.number, walk.layer, walk.step]


def cells(b, marked, state, shade, values):
    """The Cells of these states, log10 ratios and signed numbers, each (N,). marked: whether anything is printed in some."""
    marks = inks = None
    if marked:
        number = b.reading.scalar and b.columns.width >= 38
        printed = [_printed(b, number, *cell) for cell in zip(state.tolist(), values.tolist(), shade.tolist(), strict=True)]
        marks, inks = map(list, zip(*printed, strict=True))
    return Cells(np.where(state == OK, shade, np.nan).astype(np.float32), (state >= OVERFLOW).tolist(), marks, inks)


def _printed(b, number, state, value, shade):
    """(mark, ink) of one cell: the signed number of a single unit, else 0, ▽, ∞ or nan where there is room."""
    theme = b.theme
    if state == OK:
        if not number:
            return "", ""
        return ("+" if value > 0 else "") + significant(value, 3), colour.text_on(colour.at(theme, b.W, shade))
    room = b.columns.width >= (26 if state == NAN else 18) and b.row >= 11
    return MARKS.get(state, "") if room else "", {UNDERFLOW: theme.fades, ZERO: theme.third}.get(state, theme.page)


def hatched(b, cut):
    """The columns that no pass reaches, as SVG."""
    found = runs(cut[0])
    if not found:
        return []
    pattern = ('<pattern id="rv-cut" width="10" height="10" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
               f'<rect width="1.3" height="10" fill="{b.theme.hatch}"/></pattern>')
    return [pattern] + [f'<rect x="{LEFT + a * b.columns.width:.1f}" y="{HEAD}" width="{(z - a) * b.columns.width:.1f}" '
                        f'height="{b.grid}" fill="url(#rv-cut)"/>' for a, z in found]


def losses(b):
    """The marks of several losses, as SVG."""
    marks = []
    for trace in b.traces:
        size = trace["marker"]["size"]
        for step in trace["x"].tolist():
            x = px(b, step, 0, "y")[0]
            marks.append(f'<path d="M{x - size / 2:.1f} {HEAD - 12}h{size}L{x:.1f} {HEAD - 5}z" '
                         f'fill="{trace["marker"]["color"]}"/>')
    return marks


def arrivals(walk, b, visit, labelled):
    """(SVG of the arrows into a visit's cell, texts beside them)."""
    whole = b.reading
    b.reading, b.cell = walk.flow(visit), (int(walk.layer[visit]), int(walk.step[visit]))
    b.shapes, b.notes = [], []
    grid.draw_cell(b)
    b.reading = whole
    arrows = "".join(svg(b, shape) for shape in b.shapes if shape["type"] == "path")
    return arrows, [placed(b, note) for note in b.notes] if labelled else []
