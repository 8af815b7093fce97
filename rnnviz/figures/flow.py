"""The delta grid with its loss, the decay track and the gate track: one figure, one column a step.

flow_spec builds the whole Plotly specification from a reading, as plain dicts and arrays; the page draws it as it
is, flow_figure makes a go.Figure of it for a notebook. Places are pixels, so that nothing assumes a width:
the plot is as wide as it is given, tracks share their margins, labels are shifted in px.
"""

from dataclasses import dataclass

import numpy as np

from ..flow import CUT, NAN, OK, OVERFLOW, PENDING, UNDERFLOW, ZERO
from ..numbers import UP, number, percent, significant
from . import colour
from .theme import FONT, HEADING, LEFT, RIGHT, SERIF, SIZE, THEMES

MOST_COLUMNS = 400
HEAD, TICKS, AXIS_ROW = 72, 20, 24  # px: above the grid; its tick labels; the line under them
EQUATION = 104  # px left free on the page for the outlined cell's equation
DECAY, GATES, TITLE = 106, 58, 40
NEURONS = 72  # px of each track of an opened layer
USUAL, MOST_STRETCH = 1068, 1.45  # px; a wider page also gets taller tracks, up to so much


@dataclass(frozen=True, eq=False)
class Columns:
    """What is drawn side by side: steps first..last of each column (from 0), `edges` in steps counted from 1."""

    first: np.ndarray
    last: np.ndarray
    width: float  # px of one column

    @property
    def each(self):
        return int((self.last - self.first).max()) + 1

    @property
    def edges(self):
        return np.append(self.first, self.last[-1] + 1).astype(np.float32) + 0.5

    @property
    def middle(self):
        return (self.first + self.last) / 2 + 1.0

    def median(self, rows):
        """(R, columns) medians of rows (R, T), nan and inf left out; nan where nothing is left."""
        if self.each == 1:
            return rows[:, self.first]
        out = np.full((len(rows), len(self.first)), np.nan)
        for i, (a, b) in enumerate(zip(self.first, self.last + 1, strict=True)):
            block = rows[:, a:b]
            good = np.isfinite(block)
            if good.all():
                out[:, i] = np.median(block, axis=1)
            else:
                for r in np.flatnonzero(good.any(axis=1)):
                    out[r, i] = np.median(block[r, good[r]])
        return out

    def special(self, state):
        """(R, columns) states of state (R, T): OK where any step of the column is."""
        if self.each == 1:
            return state[:, self.first]
        starts = self.first - self.first[0]
        inside = state[:, self.first[0]:self.last[-1] + 1]
        made = np.where(np.logical_or.reduceat(inside == OK, starts, axis=1), OK, inside[:, starts])
        return np.where(np.logical_or.reduceat(inside == OVERFLOW, starts, axis=1) & (made != OK), OVERFLOW, made)

    def holding(self, t):
        """The index of the column that holds step t (from 0), or None outside the view."""
        if not self.first[0] <= t <= self.last[-1]:
            return None
        return int(np.searchsorted(self.last, t))


def columns(T, plot, zoom=None):
    """The Columns of T steps over `plot` px; zoom: (first, last) steps from 1 to look at more closely, if they exist."""
    low, high = (0, T - 1) if zoom is None or zoom[0] > T else (max(0, int(zoom[0]) - 1), min(T - 1, int(zoom[1]) - 1))
    high = max(low, high)
    size = -(-(high - low + 1) // MOST_COLUMNS)
    first = np.arange(low, high + 1, size)
    return Columns(first, np.append(first[1:] - 1, high), plot / len(first))


def grid_height(rows, neurons=False):
    """px of the grid."""
    if neurons:
        return min(192, max(96, 12 * rows))
    return {1: 66, 2: 128}.get(rows, 132 if rows <= 11 else 12 * rows)


def flow_spec(reading, *, cell=None, theme="light", width=1068, decades=0, opened=None, zoom=None, equation_gap=0,
              caption=None):
    """The specification {"data": .., "layout": ..} of Flow.

    reading: a Flow. cell: the outlined (layer, step), from 0, or None. theme: "light" or "dark". width: px.
    decades: colour range each side of 1, 0 to follow the data. opened: a Neurons to show in place of the layers.
    zoom: (first, last) steps. equation_gap: px left free under the grid. caption: a line under the figure. layout.meta
    holds what the page needs: {"equation_top": px, "height": px}.
    """
    return _Board(reading, cell, theme, width, decades, opened, zoom, equation_gap, caption).spec()


def flow_figure(reading, **options):
    """Where the gradient goes: the delta grid, what is left step by step, and how open each cell is.

    Options as flow_spec. Returns a plotly go.Figure.
    """
    import plotly.graph_objects as go

    return go.Figure(flow_spec(reading, **options))


class _Board:
    """One specification in the making: geometry first, then the parts from top to bottom."""

    def __init__(self, reading, cell, theme, width, decades, opened, zoom, equation_gap, caption):
        self.reading, self.cell, self.opened, self.caption = reading, cell, opened, caption
        self.name, self.theme = theme, THEMES[theme]
        self.width, self.plot = width, max(120, width - LEFT - RIGHT)
        self.columns = columns(reading.T, self.plot, zoom)
        if opened is None:
            self.rows, self.state, values = reading.L, reading.state, reading.log_ratio
        else:
            self.rows, self.state, values = opened.state.shape[0], opened.state, opened.log_ratio
        self.values = self.columns.median(np.where(self.state == OK, values, np.nan))
        self.special = self.columns.special(self.state)
        self.W = decades or colour.decades(np.where(self.state == OK, values, np.nan))
        self.stretch = min(MOST_STRETCH, max(1.0, width / USUAL))
        self.grid = round(self.stretch * grid_height(self.rows, opened is not None))
        self.decay, self.gate = round(self.stretch * DECAY), round(self.stretch * (GATES if opened is None else NEURONS))
        self.row = self.grid / self.rows
        self.grid_bottom = HEAD + self.grid
        self.equation_top = self.grid_bottom + TICKS + AXIS_ROW + 6
        self.decay_top = self.equation_top + equation_gap + TITLE
        self.decay_bottom = self.decay_top + self.decay
        self.gates_top = self.decay_bottom + TITLE
        self.gates = self.gate if opened is None else 2 * self.gate + TITLE
        self.height = self.gates_top + self.gates + TICKS + (22 if caption else 4)
        self.traces, self.shapes, self.notes = [], [], []

    def spec(self):
        self.draw_grid()
        self.draw_special_cells()
        self.draw_loss()
        if self.opened is None and self.cell is not None:
            self.draw_cell()
        elif self.cell is not None:
            self.draw_opened_column()
        self.draw_decay()
        if self.opened is None:
            self.draw_gates()
        else:
            self.draw_activations()
        if self.caption:
            self.note(self.caption, 0, self.height - 9, x="left", colour=self.theme.second)
        return {"data": self.traces, "layout": self.layout()}

    # Places: px from the figure's top and from the plot's left edge, to what Plotly wants.

    def paper(self, px):
        return 1.0 - px / self.height

    def domain(self, top, bottom):
        return [max(0.0, self.paper(bottom)), min(1.0, self.paper(top))]

    def note(self, text, px_x, px_y, *, x="right", colour=None, size=SIZE, **more):
        """A text at px_x from the plot's right edge (x="right") or from the figure's left edge (x="left")."""
        at = dict(x=1, xanchor="right", xshift=px_x) if x == "right" else dict(x=0, xanchor="left", xshift=px_x - LEFT - 2)
        self.notes.append(dict(
            text=text, showarrow=False, xref="paper", yref="paper", y=self.paper(px_y), yanchor="middle",
            font=dict(size=size, color=colour or self.theme.ink), **{**at, **more}))

    def heading(self, text, grey, px_y):
        self.note(f"<b>{text}</b>" + (f"  <span style='color:{self.theme.second};font-size:{HEADING - 1}px'>{grey}</span>"
                                      if grey else ""), 0, px_y, x="left", size=HEADING)

    # The grid.

    def draw_grid(self):
        gap = 2 if self.columns.width >= 14 else 1 if self.columns.width >= 7 else 0
        z = np.where(self.special == OK, np.clip(self.values, -self.W, self.W), np.nan)
        self.traces.append(dict(
            type="heatmap", name="grid", x=self.columns.edges, y=np.arange(1, self.rows + 1, dtype=np.float32), z=_f4(z),
            coloraxis="coloraxis", xgap=gap, ygap=max(1, gap) if self.row >= 7 else 0, hoverongaps=False,
            customdata=self.hover_numbers(), hovertemplate=self.hover_template(), xaxis="x", yaxis="y",
        ))
        if self.opened is None:
            self.heading("Gradient at every cell", "", 14)
            if self.reading.scalar and self.columns.width >= 38 and self.columns.each == 1:
                self.print_values()
        else:
            self.heading(f"Layer {self.opened.layer + 1}, neuron by neuron", "a dash marks a negative δ", 14)
            if self.columns.each == 1 and self.columns.width >= 7 and self.row >= 5:
                self.dashes(self.opened.negative[:, self.columns.first], "y", self.theme.ink)
        label = "time step <i>t</i> ⟶ the network runs forward"
        if self.columns.each > 1:
            label += f"  ·  each column is the median of {self.columns.each} steps; drag to zoom in"
        y = self.grid_bottom + TICKS + 12
        self.note(label, LEFT + 2, y, x="left", colour=self.theme.second)
        self.draw_key(y)

    def print_values(self):
        """The signed delta of every cell, where each layer is one unit wide."""
        value = self.reading.value[self.reading.quantity]
        ls, cs = np.nonzero(self.special == OK)
        colours = [colour.text_on(colour.at(self.theme, self.W, self.values[l, c])) for l, c in zip(ls, cs, strict=True)]
        texts = []
        for l, c in zip(ls, cs, strict=True):
            v = value[l, self.columns.first[c]]
            texts.append(("+" if v > 0 else "") + significant(v, 2))
        self.traces.append(dict(
            type="scatter", mode="text", x=_f4(self.columns.middle[cs]), y=_f4(ls + 1), text=texts, hoverinfo="skip",
            textfont=dict(size=14, color=colours), xaxis="x", yaxis="y", name="values"))

    def dashes(self, mask, axis, colours):
        rows, cs = np.nonzero(mask)
        self.traces.append(dict(
            type="scatter", mode="markers", x=_f4(self.columns.middle[cs]), y=_f4(rows + 1), hoverinfo="skip",
            marker=dict(symbol="line-ew", size=min(10, self.columns.width * 0.4),
                        line=dict(width=1.5, color=colours if isinstance(colours, str) else [colours[r][c] for r, c in
                                                                                            zip(rows, cs, strict=True)])),
            xaxis="x", yaxis=axis, name="negative"))

    def hover_numbers(self):
        """(rows, columns, 9): step, back, mantissa and exponent of size and of ratio, shares in %, mean slope."""
        r, t = self.reading, ((self.columns.first + self.columns.last) // 2)
        after = np.flatnonzero(r.scored & r.seen) if (r.scored & r.seen).any() else np.flatnonzero(r.scored)
        nearest = after[np.minimum(np.searchsorted(after, t), len(after) - 1)]
        back = np.maximum(0, nearest - t)
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.opened is None:
                size, ratio, slope = np.log10(r.size[:, t]), r.log_ratio[:, t], r.openness[:, t]
                total = r.space[:, t] + r.time[:, t]
                above = 100 * r.space[:, t] / total
                future = 100 * r.time[:, t] / total
            else:
                size, ratio, slope = np.log10(np.abs(self.opened.delta[:, t])), self.opened.log_ratio[:, t], self.opened.slope[:, t]
                above = future = np.zeros_like(size)
            numbers = [np.broadcast_to(t + 1, size.shape), np.broadcast_to(back, size.shape)]
            for log in (size, ratio):
                exponent = np.floor(log)
                numbers += [10.0 ** (log - exponent), exponent]
        numbers += [above, future, slope]
        return _f4(np.nan_to_num(np.stack(numbers, axis=-1), nan=0.0, posinf=0.0, neginf=0.0))

    def hover_template(self):
        row = "layer" if self.opened is None else f"layer {self.opened.layer + 1}, neuron"
        name = "‖δ‖" if self.opened is None else "|δ|"
        shares = "<br>from above %{customdata[6]:.0f}%, from the future %{customdata[7]:.0f}%" if self.opened is None else ""
        slope = "mean φ′" if self.opened is None else "φ′"
        return (f"<b>{row} %{{y}}, step %{{customdata[0]}}</b>  (%{{customdata[1]}} steps before the loss)<br>"
                f"{name} = %{{customdata[2]:.1f}} × 10<sup>%{{customdata[3]}}</sup>  ·  "
                "%{customdata[4]:.1f} × 10<sup>%{customdata[5]}</sup> of what the loss sends in"
                f"{shares}  ·  {slope} %{{customdata[8]:.2f}}<extra></extra>")

    # Cells that are not a number on the scale: told apart by shape.

    def draw_special_cells(self):
        theme = self.theme
        cut, special = self.special == CUT, self.special
        if cut.any():
            self.boxes(cut, merge_rows=True, line=0, pattern=dict(
                shape="/", size=7, solidity=0.18, fgcolor=theme.hatch, bgcolor=theme.page))
            self.label_cut(cut)
        zero, low, high = special == ZERO, special == UNDERFLOW, (special == OVERFLOW) | (special == NAN)
        if (special == PENDING).any():
            self.boxes(special == PENDING, fill=theme.page, line=1, dash="dot")
        if zero.any() or low.any():
            self.boxes(zero | low, fill=theme.page, line=1)
        if high.any():
            self.boxes(high, fill=theme.ink, line=0, single=True)
        large = self.columns.width >= 18 and self.row >= 11
        marks = ((zero, "0" if large else "·", theme.third, "exactly 0"),
                 (low, "▽" if large else "·", theme.fades, "too small for float64"),
                 (special == OVERFLOW, "∞" if large else "", theme.page, "too large for float64"),
                 (special == NAN, "nan" if self.columns.width >= 26 and self.row >= 11 else "", theme.page, "not a number"))
        for mask, mark, ink, words in marks:
            if mask.any():
                rows, cs = np.nonzero(mask)
                self.traces.append(dict(
                    type="scatter", mode="text", x=_f4(self.columns.middle[cs]), y=_f4(rows + 1), text=mark,
                    textfont=dict(color=ink, size=SIZE), xaxis="x", yaxis="y", name=words,
                    hovertemplate=f"layer %{{y}}, step %{{x:.0f}}: {words}<extra></extra>"))

    def boxes(self, mask, *, fill=None, line=0, dash="solid", pattern=None, merge_rows=False, single=False):
        """One filled outline around every run of marked cells in a row, as one trace."""
        x, y, edges = [], [], self.columns.edges
        if merge_rows and (mask == mask[0]).all():
            spans = [(0.5, self.rows + 0.5, a, b) for a, b in _runs(mask[0])]
        else:
            spans = [(r + 0.5, r + 1.5, a, b) for r in range(len(mask)) for a, b in
                     ([(c, c + 1) for c in np.flatnonzero(mask[r])] if single else _runs(mask[r]))]
        dx, dy = 1.0 / self.columns.width * (self.columns.each), 1.0 / self.row
        for low, high, a, b in spans:
            left, right = float(edges[a]) + dx, float(edges[b]) - dx
            x += [left, right, right, left, left, np.nan]
            y += [low + dy, low + dy, high - dy, high - dy, low + dy, np.nan]
        self.traces.append(dict(
            type="scatter", mode="lines", x=_f4(x), y=_f4(y), fill="toself", fillcolor=fill or self.theme.page, hoverinfo="skip",
            line=dict(width=line, dash=dash, color=self.theme.hairline), xaxis="x", yaxis="y", name="cells",
            **({"fillpattern": pattern} if pattern else {})))

    def label_cut(self, cut):
        a, b = max(_runs(cut[0]), key=lambda run: run[1] - run[0]) if cut[0].any() else (0, 0)
        tau = self.reading.tau_max  # None under a schedule of someone's own
        text = "cut off" if tau is None else f"cut off: <i>τ</i><sub>max</sub> = {min(tau, self.reading.T)}"
        if (b - a) * self.columns.width >= 130:
            self.notes.append(dict(
                text=f"<b>{text}</b>", x=float(self.columns.edges[a] + self.columns.edges[b]) / 2, y=(self.rows + 1) / 2,
                xref="x", yref="y", showarrow=False, bgcolor=self.theme.page, borderpad=4,
                font=dict(size=14, color=self.theme.ink)))

    def draw_key(self, px_y):
        """One line naming only the states that occur."""
        theme, found = self.theme, set(np.unique(self.special).tolist())
        names = {CUT: (theme.third, "▨", "cut off"), ZERO: (theme.third, "0", "exactly zero"),
                 UNDERFLOW: (theme.fades, "▽", "too small for float64"), OVERFLOW: (theme.ink, "<b>∞</b>", "too large for float64"),
                 NAN: (theme.ink, "<b>nan</b>", "not a number"), PENDING: (theme.third, "⬚", "not computed")}
        parts = [f"<span style='color:{c}'>{mark}</span> {words}" for state, (c, mark, words) in names.items() if state in found]
        if parts:
            self.note("   ".join(parts), 0, px_y, colour=theme.second)

    # The loss.

    def draw_loss(self):
        r, theme = self.reading, self.theme
        marked = np.flatnonzero(r.scored)
        y = HEAD - 20
        if len(marked) == 1:
            column = self.columns.holding(int(marked[0]))
            if column is None:
                return
            x = float(self.columns.middle[column])
            late = marked[0] >= 0.55 * r.T
            self.notes.append(dict(
                text="<b><i>C</i></b>", x=x, xref="x", yref="paper", y=self.paper(y), showarrow=False, yanchor="middle",
                bgcolor=theme.ink, borderpad=4, font=dict(size=15, color=theme.page, family=SERIF)))
            if not r.reference > 0:
                words = "the loss sends in nothing" if r.overflow is None else "no number reaches the loss"
            else:
                words = f"the loss sends in {significant(self.entering()) if r.scalar else '1'}, which flows back"
            self.notes.append(dict(
                text=f"⟵  {words}" if late else f"{words}  ⟵", x=x, xref="x", yref="paper", y=self.paper(y), showarrow=False,
                xanchor="right" if late else "left", xshift=-20 if late else 20, yanchor="middle",
                font=dict(size=SIZE, color=theme.second)))
            return
        seen = [(marked[r.seen[marked]], theme.ink), (marked[~r.seen[marked]], theme.hatch)]
        for steps, ink in seen:
            held = sorted({c for t in steps if (c := self.columns.holding(int(t))) is not None})
            if held:
                self.traces.append(dict(
                    type="scatter", mode="markers", x=_f4(self.columns.middle[held]), y=_f4(np.full(len(held), 0.25)),
                    marker=dict(symbol="triangle-down", size=min(9, max(3, self.columns.width * 0.6)), color=ink),
                    hoverinfo="skip", xaxis="x", yaxis="y4", name="losses"))
        unseen = int((~r.seen[marked]).sum())
        words = f"▾ {len(marked)} losses; the largest sends in 1" + (f"; {unseen} in grey are seen by no pass" if unseen else "")
        self.note(words, 0, y - 4, colour=theme.second)

    def entering(self):
        """The signed number that the only loss sends in."""
        entering = self.reading.value["space"][-1]
        return float(entering[np.abs(entering).argmax()])

    # The outlined cell.

    def draw_cell(self):
        l, t = self.cell
        column = self.columns.holding(t)
        if column is None:
            return
        x, y, theme = float(self.columns.middle[column]), l + 1, self.theme
        half = (float(self.columns.edges[column + 1]) - float(self.columns.edges[column])) / 2
        for line, ink in ((6, theme.page), (3, theme.ink)):
            self.shapes.append(dict(type="rect", xref="x", yref="y", x0=x - half, x1=x + half, y0=y - 0.5, y1=y + 0.5,
                                    line=dict(width=line, color=ink), layer="above"))
        above, future = self.reading.share(l, t)
        if above is None or self.reading.state[l, t] == CUT:
            return
        big = self.columns.width >= 70
        row, col = self.row, self.columns.width
        top = l + 1 == self.reading.L
        if above > 0:
            tip = row / 2 - 8 if big else max(2.0, row / 2 - 14)
            tail = max(row / 2 + 22, tip + 26)
            ink = theme.ink if top else theme.space
            self.arrow(x, y, ink, above, tip, tail, up=True)
            name = "from the loss" if top else "from above"
            left = (column + 0.5) * col > 0.2 * self.plot
            self.cell_label(x, y, f"{name} {percent(above)}", ink, xanchor="right" if left else "left",
                            xshift=(-1 if left else 1) * (col / 2 + 8 if top else 14),
                            yshift=row * 0.3 if top else max(row * 0.8, tip + 14))
        if future > 0:
            tip = col / 2 - 6 if big else min(4.0, col / 4)
            self.arrow(x, y, theme.time, future, tip, tip + 40, up=False)
            text = f"from the future {percent(future)}"
            past = (column + 0.5) * col > 0.6 * self.plot
            if past:
                self.cell_label(x, y, text, theme.time, xanchor="right", xshift=-(col / 2 + 8), yshift=0)
            elif big:
                self.cell_label(x, y, text, theme.time, xanchor="left", xshift=col / 2 + 4, yshift=-18)
            else:
                self.cell_label(x, y, text, theme.time, xanchor="left", xshift=tip + 46, yshift=0)

    def arrow(self, x, y, ink, share, tip, tail, *, up):
        """A solid arrow towards the cell's middle, its shaft as thick as its share; lengths in px from the middle."""
        w, head = (1.6 + 9.0 * share) / 2, 15.0
        wing = max(8.0, w + 5.0)
        along = [tail, tip + head, tip + head, tip, tip + head, tip + head, tail]
        across = [w, w, wing, 0.0, -wing, -w, -w]
        points = [(c, a) if up else (a, c) for a, c in zip(along, across, strict=True)]
        path = "M" + "L".join(f"{px:.1f},{py:.1f}" for px, py in points) + "Z"  # px, y upwards from the anchor
        self.shapes.append(dict(type="path", path=path, xref="x", yref="y", xsizemode="pixel", ysizemode="pixel", xanchor=x,
                                yanchor=y, fillcolor=ink, line=dict(width=2, color=self.theme.page), layer="above"))

    def cell_label(self, x, y, text, ink, **place):
        self.notes.append(dict(text=f"<b>{text}</b>", x=x, y=y, xref="x", yref="y", showarrow=False, yanchor="middle",
                               bgcolor=self.theme.page, borderpad=2, font=dict(size=SIZE, color=ink), **place))

    def draw_opened_column(self):
        l, t = self.cell
        column = self.columns.holding(t)
        if column is None or l != self.opened.layer:
            return
        self.shapes.append(dict(type="rect", xref="x", yref="y", x0=float(self.columns.edges[column]),
                                x1=float(self.columns.edges[column + 1]), y0=0.5, y1=self.rows + 0.5,
                                line=dict(width=3, color=self.theme.ink), layer="above"))

    # The decay track.

    def draw_decay(self):
        r, theme = self.reading, self.theme
        curves = self.columns.median(np.where(r.state == OK, r.log_ratio, np.nan))
        x = _f4(self.columns.middle)
        self.heading("What is left, step by step", "log scale", self.decay_top - 22)
        low, high = self.decay_range(curves)
        self.decay_low, self.decay_high = low, high
        ends = [float(x[0]) - 0.5, float(x[-1]) + 0.5]
        self.line(ends, [0, 0], theme.third, 1, name="1")
        if r.ceiling is not None and 0 < r.ceiling < 1 and r.reference > 0:
            self.draw_ceiling(low)
        if low < -7 < high:
            self.line(ends, [-7, -7], theme.third, 1.5, dash="dot", name="float32")
            side = dict(x=ends[1], xanchor="right") if self.lower_left(curves) else dict(x=ends[0], xanchor="left")
            self.decay_note("10<sup>−7</sup>: lost when float32 adds it to 1", -7, theme.second, yshift=9, **side)
        for l in range(r.L):
            mix = 1.0 if r.L == 1 else l / (r.L - 1)
            self.traces.append(dict(
                type="scatter", mode="lines+markers" if self.columns.width >= 70 else "lines", x=x, y=_f4(curves[l]),
                line=dict(width=(1.6 + 0.8 * mix) * (1.0 if len(x) <= 200 else 0.65), color=_mix(theme.third, theme.ink, mix)), connectgaps=False,
                hoverinfo="skip", xaxis="x", yaxis="y2", name=f"layer {l + 1}", marker=dict(size=8)))
        self.name_curves(curves)
        fit = self.shown_fit()
        if fit:
            steps = np.array([fit.first, fit.last])
            y = fit.level - np.log10(fit.rate) * (steps - fit.last)
            self.line((steps + 1).tolist(), y.tolist(), theme.time, 2.2, dash="dash", name="rate")
            fading = fit.rate < 1
            place = fit.first + 0.58 * (fit.last - fit.first)
            self.decay_note(f"<b>× {number(fit.rate)} per step back</b>",
                            float(fit.level - np.log10(fit.rate) * (place - fit.last)), theme.time, x=place + 1,
                            xanchor="left", yshift=-18 if fading else 18)

    def decay_range(self, curves):
        good = curves[np.isfinite(curves)]
        low, high = (min(0.0, good.min()), max(0.0, good.max())) if good.size else (-1.0, 0.0)
        pad = max(0.06 * (high - low), 0.04)
        return low - pad, max(high + pad, 0.1)

    def lower_left(self, curves):
        """Whether the curves are lowest at the left, so that a label near the bottom belongs to the right."""
        good = curves[0][np.isfinite(curves[0])]
        return good.size < 2 or good[0] <= good[-1]

    def line(self, x, y, ink, width, *, dash="solid", name):
        self.traces.append(dict(type="scatter", mode="lines", x=_f4(x), y=_f4(y), hoverinfo="skip", name=name,
                                line=dict(color=ink, width=width, dash=dash), xaxis="x", yaxis="y2"))

    def decay_note(self, text, y, ink, **place):
        self.notes.append(dict(text=text, y=y, xref="x", yref="y2", showarrow=False, yanchor="middle",
                               bgcolor=self.theme.page, borderpad=1, font=dict(size=SIZE, color=ink), **place))

    def draw_ceiling(self, low):
        r = self.reading
        loss = int(np.flatnonzero(r.scored)[0])
        start = 0.0 if r.quantity == "grad_h" else float(np.log10(r.max_slope))
        slope = float(np.log10(r.ceiling))
        t = np.array([int(np.flatnonzero(r.reached)[0]), loss])
        if t[0] >= loss:
            return
        y = start + slope * (loss - t)
        self.line((t + 1).tolist(), y.tolist(), self.theme.third, 1.5, dash="dot", name="ceiling")
        first = max(self.columns.first[0], t[0])
        at = first + 0.02 * (self.columns.last[-1] - first)
        height = start + slope * (loss - at)
        if height > low:
            self.decay_note(f"ceiling of layer {r.L}: max φ′ · ‖<i>W</i>‖ = {number(r.ceiling)} per step", height,
                            self.theme.second, x=float(at) + 1, xanchor="left", yshift=11 if slope * loss < -0.3 else -11)

    def shown_fit(self):
        """The rate is drawn under the conditions under which the sentence names it."""
        r = self.reading
        if r.T <= 12 or r.losses != 1:
            return None
        fit = r.fit()
        return fit if fit and fit.straight else None

    def name_curves(self, curves):
        r, px = self.reading, self.decay / (self.decay_high - self.decay_low)
        named = range(r.L) if r.L <= 5 else (0, r.L - 1)
        ends = []
        for l in named:
            good = np.flatnonzero(np.isfinite(curves[l]))
            if good.size:
                ends.append([float(curves[l][good[0]]) * px, l, int(good[0])])
        ends.sort()
        gap = 15.0
        for i in range(1, len(ends)):  # push names apart, upwards, then back inside
            ends[i][0] = max(ends[i][0], ends[i - 1][0] + gap)
        over = ends[-1][0] - self.decay_high * px if ends else 0
        for i in range(len(ends) - 1, -1, -1):
            if over > 0:
                ends[i][0] = min(ends[i][0], (self.decay_high * px) - gap * (len(ends) - 1 - i))
        for y, l, column in ends:
            mix = 1.0 if r.L == 1 else l / (r.L - 1)
            self.notes.append(dict(
                text=f"layer {l + 1}", x=float(self.columns.middle[column]), xref="x", y=y / px, yref="y2", xanchor="right",
                xshift=-8 if column else -max(8.0, self.columns.width / 2 + 4), yanchor="middle", showarrow=False,
                font=dict(size=SIZE, color=_mix(self.theme.third, self.theme.ink, mix))))

    # Gates, and activations of an opened layer.

    def gate_map(self, z, rows, axis, xaxis, low, high, stops, name):
        gap = 2 if self.columns.width >= 14 else 1 if self.columns.width >= 7 else 0
        self.traces.append(dict(
            type="heatmap", x=self.columns.edges, y=np.arange(1, rows + 1, dtype=np.float32), z=_f4(z), zmin=low, zmax=high,
            colorscale=stops, showscale=False, xgap=gap, ygap=1 if self.gate / rows >= 4 else 0, name=name, xaxis=xaxis, yaxis=axis,
            hovertemplate="%{y}, step %{x:.0f}: " + name + " %{z:.2f}<extra></extra>"))

    def draw_gates(self):
        most = self.reading.max_slope or 1.0
        top = "" if most == 1.0 else f" (0 to {most})"
        words = "white passes" if self.name == "light" else "bright passes"
        self.heading("How open each cell is", f"mean φ′{top}: {words}, dark blocks", self.gates_top - 20)
        self.gate_map(self.columns.median(self.reading.openness), self.reading.L, "y3", "x2", 0.0, most,
                      [[0, self.theme.shut], [1, self.theme.open]], "mean φ′")

    def draw_activations(self):
        o, theme = self.opened, self.theme
        self.heading(f"What layer {o.layer + 1} says", "ink is |<i>h</i>|, a dash is a negative value", self.gates_top - 20)
        size = self.columns.median(np.abs(o.h))
        most = float(np.nanmax(size)) if np.isfinite(size).any() and np.nanmax(size) > 0 else 1.0
        self.gate_map(size, self.rows, "y5", "x", 0.0, most, [[0, theme.page], [1, theme.second]], "|h|")
        if self.columns.each == 1 and self.columns.width >= 7 and self.gate / self.rows >= 4:
            dark = size > 0.45 * most
            inks = np.where(dark, theme.page, theme.ink)
            self.dashes(o.h[:, self.columns.first] < 0, "y5", inks)
        y = self.gates_top + self.gate + TITLE - 20
        self.heading("How much it lets back", f"φ′(<i>z</i>); {percent(o.shut)} of the units are shut (below 0.1)", y)
        self.gate_map(self.columns.median(o.slope), self.rows, "y3", "x2", 0.0, self.reading.max_slope or 1.0,
                      [[0, theme.shut], [1, theme.open]], "φ′")

    # Axes.

    def layout(self):
        theme, r = self.theme, self.reading
        edges = self.columns.edges
        span = [float(edges[0]), float(edges[-1])]
        ticks = step_ticks(self.columns.first[0] + 1, self.columns.last[-1] + 1, self.plot)
        tickfont = dict(size=SIZE, color=theme.second)
        across = dict(range=span, tickvals=ticks, ticktext=[str(t) for t in ticks], tickfont=tickfont, showgrid=False,
                      zeroline=False, showline=False, ticks="", fixedrange=self.reading.T < 3)
        rows = dict(range=[0.5, self.rows + 0.5], showgrid=False, zeroline=False, ticks="", fixedrange=True, tickfont=tickfont)
        names = "layer" if self.opened is None else "neuron"
        gates_bottom = self.gates_top + self.gates
        gate_domain = self.domain(gates_bottom - self.gate, gates_bottom)
        decay_ticks, decay_text = log_ticks(self.decay_low, self.decay_high)
        W = self.W
        layout = dict(
            width=self.width, height=self.height, autosize=False, margin=dict(l=LEFT, r=RIGHT, t=0, b=0, pad=0),
            paper_bgcolor=theme.page, plot_bgcolor=theme.page, font=dict(family=FONT, size=SIZE, color=theme.ink),
            showlegend=False, hovermode="closest", dragmode="zoom", uirevision=f"{r.T} {self.rows}", template=None,
            hoverlabel=dict(bgcolor=theme.panel, bordercolor=theme.hairline, font=dict(color=theme.ink, size=SIZE, family=FONT),
                            align="left"),
            shapes=self.shapes, annotations=self.notes,
            coloraxis=dict(cmin=-W, cmax=W, colorscale=colour.scale(theme, W), colorbar=self.colour_bar(W)),
            xaxis=dict(**across, anchor="y"),
            yaxis=dict(**rows, domain=self.domain(HEAD, self.grid_bottom), **row_names(names, self.rows, self.row)),
            yaxis2=dict(range=[self.decay_low, self.decay_high], domain=self.domain(self.decay_top, self.decay_bottom),
                        side="right", tickvals=decay_ticks, ticktext=decay_text, gridcolor=theme.grid, zeroline=False,
                        tickfont=tickfont, ticks="", fixedrange=True),
            xaxis2=dict(**across, anchor="y3", matches="x"),
            yaxis3=dict(**rows, domain=gate_domain, **row_names(names, self.rows, self.gate / self.rows)),
            yaxis4=dict(range=[0, 1], domain=self.domain(HEAD - 22, HEAD), visible=False, fixedrange=True),
            meta=dict(equation_top=self.equation_top, height=self.height),
        )
        if self.opened is not None:
            layout["yaxis5"] = dict(**rows, domain=self.domain(self.gates_top, self.gates_top + self.gate),
                                    **row_names(names, self.rows, self.gate / self.rows))
        return layout

    def colour_bar(self, W):
        theme = self.theme
        up = str(W).translate(UP)
        texts = [f"10⁻{up}", f"<b style='color:{theme.fades}'>fades</b>", f"<b style='color:{theme.holds}'>1 holds</b>",
                 f"<b style='color:{theme.grows}'>blows up</b>", f"10{up}"]
        return dict(orientation="h", lenmode="pixels", len=240, thickness=11, x=1, xanchor="right", xpad=0, ypad=0,
                    y=self.paper(4), yanchor="top", outlinewidth=0, ticks="", tickvals=[-W, -0.47 * W, 0, 0.47 * W, W],
                    ticktext=texts, tickfont=dict(size=SIZE, color=theme.second))


# Small helpers.


def _f4(values):
    return np.ascontiguousarray(values, dtype=np.float32)


def _runs(mask):
    """(start, stop) of every run of True."""
    change = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return list(zip(change[::2].tolist(), change[1::2].tolist(), strict=True))


def _mix(a, b, share):
    parts = [round(int(a[i:i + 2], 16) * (1 - share) + int(b[i:i + 2], 16) * share) for i in (1, 3, 5)]
    return "#" + "".join(f"{p:02X}" for p in parts)


def row_names(name, rows, px):
    """Tick texts "layer 1" .. "layer L", only the first and last where there is no room for all."""
    all_fit = px >= 16 and name == "layer"
    shown = range(1, rows + 1) if all_fit or rows == 1 else (1, rows)
    return dict(tickvals=list(shown), ticktext=[f"{name} {i} " for i in shown])


def step_ticks(first, last, plot):
    """1, 5, 10 .. T: at most one every 45 px, the first and last always."""
    first, last = int(first), int(last)
    most = max(2, plot // 45)
    step = next((s for s in (1, 5, 10, 20, 25, 50, 100, 250, 500, 1000, 2500) if (last - first) / s <= most), 5000)
    inner = [t for t in range(step * -(-first // step), last + 1, step)]
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
