"""Step: the delta grid while it is being computed, as a stage that stands and, for every wave of a walk, what it adds.

The page draws it as plain SVG, so that a step costs the browser no more than a cell.
"""

from dataclasses import dataclass

import numpy as np

from ..flow import CUT, OK, OVERFLOW, UNDERFLOW, ZERO
from ..numbers import significant
from . import colour, grid
from .canvas import HEAD, TICKS, Canvas, runs
from .flow import bar, placed, px, step_ticks, svg
from .theme import LEFT

TALLEST, LOWEST = 110, 12  # px of a row
MARKS = {ZERO: "0", UNDERFLOW: "▽", OVERFLOW: "∞"}


@dataclass(frozen=True, eq=False)
class Stage:
    """What stands while a walk goes on.

    meta: fixed texts, rules and colour bar, as flow_spec's layout.meta. px of the grid: left, top, across (a column), down (a
    row), rows. stops, W: the colour scale over -W..W decades. shade (N,) float32: log10 ratio of every visit, nan where that is
    no number. marks: what is printed in each visit's cell, and inks, or None where nothing is printed anywhere.
    """

    meta: dict
    place: dict
    stops: list
    W: int
    shade: np.ndarray
    marks: list | None
    inks: list | None
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
    state, shade = visited(walk, "state"), visited(walk, "log_ratio")
    marks = inks = None
    if r.scalar or (state != OK).any():
        marks, inks = printed(walk, b, state, shade)
    meta = dict(texts=b.texts + [placed(b, note) for note in b.notes], rules=hatched(b, cut) + losses(b), shapes=[], bar=bar(b))
    place = dict(left=LEFT, top=HEAD, across=b.columns.width, down=b.row, rows=b.rows, page=theme.page,
                 hairline=theme.third, ink=theme.ink)
    return Stage(meta, place, colour.scale(theme, b.W), b.W, np.where(state == OK, shade, np.nan).astype(np.float32), marks,
                 inks, round(b.grid_bottom + TICKS + 24))


def visited(walk, name):
    """(N,) of a field (L, T) of the readings: its value at every visit, in the visit's own pass."""
    stacked = np.stack([getattr(flow, name) for flow in walk.flows])
    return stacked[walk.number, walk.layer, walk.step]


def printed(walk, b, state, shade):
    """(marks, inks): the signed number of single units, else 0, ▽ and ∞, and the colour each has."""
    scalar, marks, inks = b.reading.scalar, [], []
    values = np.stack([flow.value[flow.quantity] for flow in walk.flows])[walk.number, walk.layer, walk.step]
    for code, value, log in zip(state.tolist(), values.tolist(), shade.tolist(), strict=True):
        if code == OK:
            wide = scalar and b.columns.width >= 38
            marks.append(("+" if value > 0 else "") + significant(value, 3) if wide else "")
            inks.append(colour.text_on(colour.at(b.theme, b.W, log)) if wide else "")
        else:
            marks.append(MARKS.get(code, "nan"))
            inks.append(b.theme.fades if code == UNDERFLOW else b.theme.third if code == ZERO else b.theme.page)
    return marks, inks


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
