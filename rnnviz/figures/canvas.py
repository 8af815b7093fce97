"""Where things stand on the figure: its geometry in px, and the few shapes that all its parts use.

Places are pixels, so that nothing assumes a width: the plot is as wide as it is given, tracks share their margins, and
labels are shifted in px from the data they name.
"""

import numpy as np

from ..flow import OK
from . import colour
from .columns import columns
from .theme import HEADING, LEFT, RIGHT, SIZE, THEMES

HEAD, TICKS, AXIS_ROW = 72, 20, 24  # px: above the grid; its tick labels; the line under them
EQUATION = 104  # px left free on the page for the outlined cell's equation
DECAY, GATES, TITLE = 106, 58, 40
NEURONS = 72  # px of each track of an opened layer
LEAST, GRID_SHARE, MOST_ROW = 110, 0.56, 150  # px that grid and decay share in a lecture; the grid's part; most of a row
ONE_LINE, LINE = 860, 18  # px of a figure up to which that note has a line of its own, and of the line: see board.css
NARROW = 800  # px of a figure under which headings are short, and parts stand under one another
USUAL, MOST_STRETCH = 1068, 1.45  # px; a wider page also gets taller tracks, up to so much


def grid_height(rows, neurons=False):
    """px of the grid."""
    if neurons:
        return min(192, max(96, 12 * rows))
    return {1: 66, 2: 128}.get(rows, 132 if rows <= 11 else 12 * rows)


class Sheet:
    """A figure in the making, on a theme, of a width, with a caption under it or None. traces, shapes and notes are Plotly's;
    texts, at fixed px, and lines the page draws itself; elsewhere they become Plotly's too."""

    def __init__(self, theme, width, page, caption=None):
        self.name, self.theme, self.page, self.caption = theme, THEMES[theme], page, caption
        self.width, self.plot = width, max(120, width - LEFT - RIGHT)
        self.right = LEFT + self.plot  # px of the plot's right edge
        self.narrow = width < NARROW
        self.stretch = min(MOST_STRETCH, max(1.0, width / USUAL))
        self.traces, self.shapes, self.notes, self.texts, self.rules = [], [], [], [], []

    def formula(self, px):
        """px that a formula takes on the page, and a line more where the note that it was checked stands over its heading."""
        return (px + (LINE if self.width <= ONE_LINE else 0)) if self.page else 0

    # From px, counted from the figure's top, to what Plotly wants.

    def paper(self, px):
        return 1.0 - px / self.height

    def domain(self, top, bottom):
        return [max(0.0, self.paper(bottom)), min(1.0, self.paper(top))]

    def across(self, left, right):
        """The domain of an axis between two px from the figure's left edge."""
        return [(left - LEFT) / self.plot, (right - LEFT) / self.plot]

    def text(self, words, y, *, left=None, right=None, middle=None, colour=None, size=SIZE, opens=None, back=False):
        """Words at fixed px: their left or right end or middle from the figure's left edge, their middle from its top.

        opens: on the page, a click opens this layer (from 1) into its neurons; 0 shows all layers again. back: whether what
        lies under them is covered.
        """
        cover = dict(back=self.theme.page, pad=1) if back else {}
        self.texts.append(dict(text=words, y=round(y, 1), left=left, right=right, middle=middle, size=size, opens=opens,
                               colour=colour or self.theme.ink, **cover))

    def heading(self, words, grey, y, left=0):
        """A bold heading and a grey remark, flush with the figure's left edge."""
        remark = f"  <span style='color:{self.theme.second};font-size:{HEADING - 1}px'>{grey}</span>" if grey else ""
        self.text(f"<b>{words}</b>{remark}", y, left=left, size=HEADING)

    def line(self, points, ink, width=1, *, dash="", fill=None):
        """A line through points in px, closed and filled with a colour if that is given."""
        pen = [(round(float(x), 1), round(float(y), 1)) for x, y in points]
        if self.page:
            path = "M" + "L".join(f"{x} {y}" for x, y in pen) + ("Z" if fill else "")
            dashes = f' stroke-dasharray="{dash}"' if dash else ""
            self.rules.append(f'<path d="{path}" stroke="{ink}" stroke-width="{width}" fill="{fill or "none"}"{dashes}/>')
            return
        path = "M" + "L".join(f"{x - LEFT:.1f},{-y:.1f}" for x, y in pen) + ("Z" if fill else "")
        self.shapes.append(dict(type="path", path=path, xref="paper", yref="paper", xsizemode="pixel", ysizemode="pixel",
                                xanchor=0, yanchor=1, fillcolor=fill or "rgba(0,0,0,0)", layer="above",
                                line=dict(color=ink, width=width, dash=dash.replace(" ", "px,") + "px" if dash else "solid")))


class Canvas(Sheet):
    """The figure of Flow."""

    def __init__(self, reading, cell, theme, width, decades, opened, zoom, page, caption, grid=None, held=None, tall=None):
        super().__init__(theme, width, page, caption)
        self.reading, self.cell, self.opened = reading, cell, opened
        self.held, self.tall = held, tall
        self.columns = columns(reading.T, self.plot, zoom)
        if opened is None:
            self.rows, self.state, values = reading.L, reading.state, reading.log_ratio
        else:
            self.rows, self.state, values = opened.state.shape[0], opened.state, opened.log_ratio
        self.values = self.columns.median(np.where(self.state == OK, values, np.nan))
        self.special = self.columns.special(self.state)
        self.W = decades or colour.decades(np.where(self.state == OK, values, np.nan))
        self.grid = grid or round(self.stretch * grid_height(self.rows, opened is not None))
        self.decay, self.gate = round(self.stretch * DECAY), round(self.stretch * (GATES if opened is None else NEURONS))
        if tall:
            room = max(LEAST, tall - (HEAD + TICKS + AXIS_ROW + 6 + TITLE + TICKS))
            self.grid = min(round(GRID_SHARE * room), MOST_ROW * self.rows)
            self.decay = room - self.grid
        self.row = self.grid / self.rows
        self.grid_bottom = HEAD + self.grid
        self.equation_top = self.grid_bottom + TICKS + AXIS_ROW + 6
        self.decay_top = self.equation_top + (self.formula(EQUATION) if not tall else 0) + TITLE
        self.decay_bottom = self.decay_top + self.decay
        self.gates_top = self.decay_bottom + TITLE
        self.gates = self.gate if opened is None else 2 * self.gate + TITLE
        self.tracks_bottom = self.gates_top + self.gates if not tall else self.decay_bottom
        self.height = self.tracks_bottom + TICKS + (22 if caption else 4)
        if tall:
            self.equation_top = self.height + 4

    def row_names(self, name, rows, top, height):
        """Layer or neuron names beside a map, as texts on the page; returns the axis settings that name them otherwise."""
        px = height / rows
        shown = range(1, rows + 1) if rows == 1 or (px >= 16 and name == "layer") else (1, rows)
        if not self.page:
            return dict(tickvals=list(shown), ticktext=[f"{name} {i} " for i in shown])
        for i in shown:
            self.text(f"{name} {i}", top + height * (1 - (i - 0.5) / rows), right=LEFT - 4, colour=self.theme.second,
                      opens=i if name == "layer" and top == HEAD else None)
        return dict(showticklabels=False)

    def dashes(self, mask, axis, colours):
        rows, cs = np.nonzero(mask)
        self.traces.append(dict(
            type="scatter", mode="markers", x=f4(self.columns.middle[cs]), y=f4(rows + 1), hoverinfo="skip",
            marker=dict(symbol="line-ew", size=min(10, self.columns.width * 0.4),
                        line=dict(width=1.5, color=colours if isinstance(colours, str) else [colours[r][c] for r, c in
                                                                                            zip(rows, cs, strict=True)])),
            xaxis="x", yaxis=axis, name="negative"))

    def gaps(self, top, height, filled):
        """The gaps between the cells of a map (rows, columns) from `top` px on: its trace's xgap and ygap.

        On the page they are lines over the map instead, beside every cell that is filled: Plotly draws a map without gaps
        twice as quickly.
        """
        rows, columns = filled.shape
        across, down = self.columns.width, height / rows
        x = 2 if across >= 14 else 1 if across >= 7 else 0
        y = max(1, x) if down >= 7 else 1 if down >= 4 else 0
        if not self.page:
            return dict(xgap=x, ygap=y)
        xs = [round(LEFT + i * across) for i in range(columns + 1)]
        ys = [round(top + height - i * down) for i in range(rows + 1)]  # rows count from below
        if filled.all():
            upright, level = [[(0, rows)]] * (columns + 1), [[(0, columns)]] * (rows + 1)
        else:
            near = np.pad(filled, 1)
            upright = [runs(beside) for beside in (near[1:-1, 1:] | near[1:-1, :-1]).T]
            level = [runs(beside) for beside in near[1:, 1:-1] | near[:-1, 1:-1]]
        for width, path in ((x, "".join(f"M{xs[i]} {ys[a]}V{ys[b]}" for i, found in enumerate(upright) for a, b in found)),
                            (y, "".join(f"M{xs[a]} {ys[i]}H{xs[b]}" for i, found in enumerate(level) for a, b in found))):
            if width:
                self.rules.append(f'<path d="{path}" stroke="{self.theme.page}" stroke-width="{width}" '
                                  'shape-rendering="crispEdges"/>')
        return dict(xgap=0, ygap=0)

    def boxes(self, mask, *, fill=None, line=0, dash="solid", pattern=None, merge_rows=False, single=False):
        """One filled outline around every run of marked cells in a row, as one trace."""
        x, y, edges = [], [], self.columns.edges
        if merge_rows and (mask == mask[0]).all():
            spans = [(0.5, self.rows + 0.5, a, b) for a, b in runs(mask[0])]
        else:
            spans = [(r + 0.5, r + 1.5, a, b) for r in range(len(mask)) for a, b in
                     ([(c, c + 1) for c in np.flatnonzero(mask[r])] if single else runs(mask[r]))]
        dx, dy = 1.0 / self.columns.width * (self.columns.each), 1.0 / self.row
        for low, high, a, b in spans:
            left, right = float(edges[a]) + dx, float(edges[b]) - dx
            x += [left, right, right, left, left, np.nan]
            y += [low + dy, low + dy, high - dy, high - dy, low + dy, np.nan]
        self.traces.append(dict(
            type="scatter", mode="lines", x=f4(x), y=f4(y), fill="toself", fillcolor=fill or self.theme.page, hoverinfo="skip",
            line=dict(width=line, dash=dash, color=self.theme.hairline), xaxis="x", yaxis="y", name="cells",
            **({"fillpattern": pattern} if pattern else {})))


def f4(values):
    """As Plotly takes them quickest: float32, contiguous; what is too large for that becomes inf, which it leaves out."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, dtype=np.float32)


def runs(mask):
    """(start, stop) of every run of True."""
    change = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return list(zip(change[::2].tolist(), change[1::2].tolist(), strict=True))


def mix(a, b, share):
    """The colour between two, as "#rrggbb"."""
    parts = [round(int(a[i:i + 2], 16) * (1 - share) + int(b[i:i + 2], 16) * share) for i in (1, 3, 5)]
    return "#" + "".join(f"{p:02X}" for p in parts)
