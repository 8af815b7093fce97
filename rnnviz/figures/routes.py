"""Routes: the ways from the losses to one cell, one term each, and the gradient that they add up to.

routes_spec builds the whole Plotly specification, as plain dicts and arrays; routes_figure makes a go.Figure of it for a
notebook. Where layers are wider than one unit there are no single routes, and the U,V,W text's sum over steps stands alone.
"""

import math
import re
from html import escape

import numpy as np

from ..flow import CUT, NAN, OK, OVERFLOW, ZERO
from ..misprints import find
from ..numbers import THIN, UP, counted, from_log, grouped, number, percent, power, significant
from . import colour
from .canvas import Sheet, f4, mix
from .columns import columns
from .flow import annotation, bar, colour_bar, step_ticks
from .immediate import HEIGHT as SUM
from .immediate import draw_sum
from .theme import FONT, LEFT, SIZE

HEAD, BAR_ROW = 94, 40  # px above the top layer; more of it where the colour bar needs a row of its own
UNDER, AXIS = 48, 20  # px from the lowest layer to the step numbers; from those to the line under them
GROUP, LINE, NOTE = 18, 20, 17  # px of a row of the groups, of a line of the product, of a line of a note
FORMULA = 92  # px left free on the page for the chosen cell's equation
ALONE = 380  # px of the sum over steps where it stands alone
SIDE_BY_SIDE = 760  # px of width from which the terms stand beside the lattice
SPACING, MOST_SPACING, NODE = 22, 70, 30  # px from column to column, at least and at most; of the largest node
BAND = 14  # px of an edge that all routes cross
MOST_BAR, MOST_PITCH = 26, 44  # px of a bar, and from bar to bar
LEFT_OVER = 0.1  # of all sizes: a sum below that is called nearly cancelled
ARROWS = {"time": "←", "space": "↓"}
STILL = dict(showgrid=False, zeroline=False, ticks="", fixedrange=True, showticklabels=False)
WORDS = 8  # arrows of a route that are written one by one


class Plan(Sheet):
    """Where the parts of the figure stand."""

    def __init__(self, reading, routes, groups, sum_, route, theme, width, decades, page, caption, tall):
        super().__init__(theme, width, page)
        self.reading, self.routes, self.groups, self.tall = reading, routes, groups, tall
        finite = np.where(reading.state == OK, reading.log_ratio, np.nan)
        self.W = decades or colour.decades(finite)
        self.columns = columns(reading.T, self.plot)
        self.beside = bool(tall) or width >= SIDE_BY_SIDE
        self.split = round(0.53 * width) if self.beside else self.right
        self.head = HEAD + (BAR_ROW if width < 1000 else 0)
        self.route = routes.largest[min(route, len(routes.largest) - 1)] if routes and routes.largest else None
        foot = (22 if caption else 4) + (FORMULA if page and not tall else 0)
        if routes is None:
            self.sum_top, self.sum_bottom = 0, max(tall or ALONE, SUM)
            self.equation_top = self.sum_bottom + 14
            self.height = self.equation_top + foot
            return
        rows = reading.L
        high = round(self.stretch * {1: 40, 2: 120}.get(rows, min(170, 120 + 6 * rows)))
        lines = 1 if tall else 2
        if tall:
            high = max(40, tall - (self.head + UNDER + AXIS + 30 + lines * LINE))
        self.row = high / max(1, rows - 1)
        self.top = self.head + (high / 2 if rows == 1 else 0)
        self.lattice_bottom = self.head + high
        left_bottom = self.lattice_bottom + UNDER + AXIS
        self.terms_top = self.head - 28 if self.beside else left_bottom + 84
        self.groups_top = left_bottom + 34
        groups = GROUP * 6 + (2 * NOTE if rows == 2 else 0) + 22  # the text with the misprint has two layers
        if tall:
            self.terms_bottom = left_bottom
        elif self.beside:
            self.terms_bottom = left_bottom = self.groups_top + groups
        else:
            self.terms_bottom = self.terms_top + 9 * 32
            self.groups_top = self.terms_bottom + 40
            left_bottom = self.groups_top + groups
        self.product_top = left_bottom + 22
        self.sum_top = self.product_top + lines * LINE
        self.sum_bottom = self.sum_top + (SUM if sum_ is not None and not tall else 0)
        self.equation_top = self.sum_bottom + 2
        self.height = self.equation_top + foot
        self.terms_left = self.split + 30 if self.beside else 0
        self.several = len(routes.lattice.starts) > 1
        self.shown = shown_steps(self)
        self.spacing = min(MOST_SPACING * self.stretch, (self.split - LEFT - 16) / len(self.shown))
        self.node = max(5.0, min(NODE * self.stretch, 0.55 * self.spacing, 0.62 * self.row if rows > 1 else NODE))
        self.places = {t: LEFT + 14 + (i + 0.5) * self.spacing for i, t in enumerate(self.shown) if t is not None}

    def at(self, step):
        """px from the left of a step counted from 1, or of an edge between two, where all steps are columns."""
        first, last = self.columns.span
        return LEFT + self.plot * (step - first) / (last - first)

    def node_at(self, l, t):
        """px of the node of layer l, step t (from 0), from the figure's left and top."""
        return self.places[t], self.top + self.row * (self.reading.L - 1 - l)


def shown_steps(b):
    """The steps (from 0) drawn as columns, in order: all, or those round the routes, with a None for what is left out."""
    told, T = b.routes, b.reading.T
    most = max(4, int((b.split - LEFT - 16) // SPACING))
    last = told.step + max(0, told.through_time.shape[1] - 1)
    if most >= T:
        return list(range(T))
    if last - told.step + 1 <= most:
        low = min(max(0, last + 1 - most // 2 - (last - told.step + 1) // 2), T - most, told.step)
        return list(range(max(low, last + 1 - most), max(low, last + 1 - most) + most))
    half = (most - 1) // 2
    return [*range(told.step, told.step + half), None, *range(last + 1 - half, last + 1)]


def routes_spec(reading, routes=None, groups=None, sum_=None, *, why="", route=0, theme="light", width=1068, decades=0,
                page=False, caption=None, tall=None):
    """The specification {"data": .., "layout": ..} of Routes.

    reading: the Flow of the run, for delta = dC/dz. routes: the Routes to the chosen cell; None where layers are wider than one
    unit. groups: the Groups of its layer, with four groups spelled, or None where it is not recurrent. sum_: the Sum of a
    parameter's gradient, which holds for any width, or None; why: why there is none. route: which of the largest is drawn as
    arrows, from 0. Other options as flow_spec.
    """
    b = Plan(reading, routes, groups, sum_, route, theme, width, decades, page, caption, tall)
    axes = {}
    if routes is not None:
        axes = draw_lattice(b) | draw_terms(b)
        draw_product(b)
        if not tall:
            draw_groups(b)
    if b.sum_bottom > b.sum_top:
        axes |= draw_steps(b, sum_, why)
    if caption:
        b.text(caption, b.height - 9, left=0, colour=b.theme.second)
    return {"data": b.traces, "layout": layout(b, axes)}


def routes_figure(reading, routes=None, groups=None, sum_=None, **options):
    """Every way from the loss to one cell, the term of each, and what they add up to.

    Options as routes_spec. Returns a plotly go.Figure.
    """
    import plotly.graph_objects as go

    return go.Figure(routes_spec(reading, routes, groups, sum_, **options))


def draw_steps(b, sum_, why):
    """The sum over steps, or why there is none."""
    if sum_ is None:
        b.text(why, b.sum_top + 14, left=0, colour=b.theme.second)
        return {}
    return draw_sum(b, sum_, b.sum_top, b.sum_bottom) | {
        "xaxis": dict(range=list(b.columns.span), anchor="y9", **STILL)}


# The lattice.


def draw_lattice(b):
    theme, told = b.theme, b.routes
    b.heading(title(told), "", b.head - HEAD + 14)
    b.text(remark(b), b.head - HEAD + 40, left=0, colour=theme.second)
    for kind, shares in (("time", told.through_time), ("space", told.through_space)):
        draw_edges(b, kind, shares)
    draw_gap(b)
    draw_rings(b)
    draw_nodes(b)
    if b.route is not None:
        draw_route(b)
    name_rows_and_steps(b)
    return {"xaxis2": dict(range=[LEFT, b.right], anchor="y2", **STILL),
            "yaxis2": dict(range=[b.height, 0], domain=[0, 1], anchor="x2", **STILL)}


def title(told):
    to = f"to layer {told.layer + 1}, step {told.step + 1}"
    if not told.number:
        return f"No route {to}"
    losses = len(told.lattice.starts)
    ways = "1 route" if told.number == 1 else f"{counted(told.number)} routes"
    return f"{ways} from {'the loss' if losses == 1 else f'{grouped(losses)} losses'} {to}"


def remark(b):
    theme = b.theme
    if b.route is None:
        return "Nothing reaches this cell."
    back, down = (b.route.moves.count(move) for move in ("time", "space"))
    time = f"<b style='color:{theme.time}'>← {back} × in time</b>"
    space = f"<b style='color:{theme.space}'>↓ {down} × in space</b>"
    if b.several:
        said = f"Each goes {space}, and ← in time as far as its loss is off." if down else "Each goes ← in time alone."
    elif back and down:
        said = f"Each goes {time} and {space}; only the order differs."
    else:
        said = f"It goes {time if back else space}." if back or down else "The loss’s own cell: no step in time or space."
    return said + ("  Width: share carried." if b.split > 480 and (back or down) else "")


def draw_edges(b, kind, shares):
    """Bands as wide as their share of all sizes; a hairline where a move exists that carries nothing."""
    told, places = b.routes, []
    for l in range(told.layer, b.reading.L):
        for t in b.places:
            source = (l, t + 1) if kind == "time" else (l + 1, t)
            share = share_of(told, shares, l, t)
            if np.isfinite(share) and source[1] in b.places and source[0] < b.reading.L:
                places.append((b.node_at(*source), b.node_at(l, t), share))
    ink = getattr(b.theme, kind)
    for name, fill, chosen in ((kind, mix(b.theme.page, ink, 0.34), [p for p in places if p[2] > 0]),
                               (f"no {kind}", b.theme.hairline, [p for p in places if p[2] == 0])):
        areas(b, name, fill, [band(source, end, edge_width(b, share)) for source, end, share in chosen])


def edge_width(b, share):
    """px of an edge."""
    return max(1.0, min(BAND, 0.8 * b.node) * share)


def band(source, end, width):
    """The corners of a straight band between two places."""
    (x, y), (x_end, y_end) = source, end
    length = math.hypot(x_end - x, y_end - y) or 1.0
    dx, dy = width / 2 * (y - y_end) / length, width / 2 * (x_end - x) / length
    return [(x + dx, y + dy), (x_end + dx, y_end + dy), (x_end - dx, y_end - dy), (x - dx, y - dy), (x + dx, y + dy)]


def areas(b, name, fill, shapes, **axes):
    """Filled shapes as one trace; their places in px unless axes say otherwise."""
    if not shapes:
        return
    points = [point for shape in shapes for point in (*shape, (math.nan, math.nan))]
    x, y = zip(*points, strict=True)
    b.traces.append(dict(type="scatter", mode="lines", x=f4(x), y=f4(y), fill="toself", fillcolor=fill, hoverinfo="skip",
                         name=name, line=dict(width=0, color=fill), **({"xaxis": "x2", "yaxis": "y2"} | axes)))


def draw_gap(b):
    """Dots where columns are left out."""
    if None not in b.shown:
        return
    at = b.shown.index(None)
    left, right = b.places[b.shown[at - 1]] + b.node, b.places[b.shown[at + 1]] - b.node
    for i, recurs in enumerate(np.isfinite(b.routes.lattice.w_T)):
        if recurs:
            y = b.node_at(b.routes.layer + i, b.shown[0])[1]
            b.line([(left, y), (right, y)], b.theme.third, 1.5, dash="1.5 4")


def draw_rings(b):
    """A ring round the chosen cell, and one round every loss cell."""
    told, top = b.routes, b.reading.L - 1
    others = [t for t in told.lattice.starts.tolist() if b.route is None or t != b.route.start]
    main = [(told.layer, told.step), *([(top, b.route.start)] if b.route else [])]
    for name, cells, width, ink in (("other losses", [(top, t) for t in others], 1.2, b.theme.third),
                                    ("rings", main, 2.6, b.theme.ink)):
        cells = [b.node_at(*cell) for cell in cells if cell[1] in b.places]
        if cells:
            x, y = zip(*cells, strict=True)
            b.traces.append(dict(type="scatter", mode="markers", x=f4(x), y=f4(y), hoverinfo="skip", name=name,
                                 marker=dict(size=b.node + max(4, 0.28 * b.node), color=b.theme.page, opacity=1,
                                             line=dict(width=width, color=ink)), xaxis="x2", yaxis="y2"))
    low = b.row >= 46 or told.layer == 0
    x, y = b.node_at(told.layer, told.step)
    own = b.route is not None and not b.route.moves
    b.text("<b>chosen cell</b>" if low else f"<b>chosen: layer {told.layer + 1}</b>",
           y + 0.64 * b.node + 14 if low else b.lattice_bottom + 0.64 * b.node + 14, middle=max(x, 40))
    if b.route and b.route.start in b.places:
        x, y = b.node_at(top, b.route.start)
        words = "its own loss" if own else "this route’s loss" if b.several else "loss cell"
        b.text(f"<b>{words}</b>", y - 0.64 * b.node - 14, middle=min(x, b.split - 50))


def draw_nodes(b):
    reading, told = b.reading, b.routes
    cells = [(l, t) for l in range(reading.L) for t in b.places]
    x, y = zip(*(b.node_at(*cell) for cell in cells), strict=True)
    inks = [shade(b, *cell) for cell in cells]
    data = [(l + 1, t + 1, reading.log_ratio[l, t], 100 * crossing(told, l, t)) for l, t in cells]
    b.traces.append(dict(
        type="scatter", mode="markers", x=f4(x), y=f4(y), name="nodes", customdata=f4(data),
        marker=dict(size=b.node, color=inks, opacity=1, line=dict(width=1, color=b.theme.third)), xaxis="x2", yaxis="y2",
        hovertemplate="layer %{customdata[0]:.0f}, step %{customdata[1]:.0f}<br>δ is 10<sup>%{customdata[2]:.2f}</sup> of what "
                      "the loss sends in<br>%{customdata[3]:.3g}% of all sizes pass here<extra></extra>"))
    if not b.page:  # an invisible point that brings the colour bar
        b.traces.append(dict(type="scatter", mode="markers", x=f4([np.nan]), y=f4([np.nan]), hoverinfo="skip", name="colours",
                             marker=dict(color=f4([0]), coloraxis="coloraxis"), xaxis="x2", yaxis="y2"))


def shade(b, l, t):
    """The colour of a node; the page's own where there is nothing."""
    state = b.reading.state[l, t]
    if state in (CUT, ZERO, NAN):
        return b.theme.page
    left = {OK: b.reading.log_ratio[l, t], OVERFLOW: b.W}.get(state, -b.W)
    return "#" + "".join(f"{round(part):02X}" for part in colour.at(b.theme, b.W, left))


def share_of(told, shares, l, t):
    """One of the shares (K, M) of the moves into a cell; nan where there is none."""
    i, j = l - told.layer, t - told.step
    return float(shares[i, j]) if i >= 0 and 0 <= j < shares.shape[1] else math.nan


def crossing(told, l, t):
    """The share of all sizes that passes through a cell."""
    return float(np.nansum([share_of(told, shares, l, t) for shares in (told.through_time, told.through_space)]))


def draw_route(b):
    """The highlighted route, as arrows from node to node."""
    cells = b.routes.cells(b.route)
    arrows = {"time": [], "space": []}
    for move, source, end in zip(b.route.moves, cells, cells[1:], strict=False):
        if source[1] in b.places and end[1] in b.places:
            arrows[move] += arrow(b.node_at(*source), b.node_at(*end), b.node)
    for move, shapes in arrows.items():
        areas(b, f"route in {move}", getattr(b.theme, move), shapes)
    if None in b.shown:
        at = b.shown.index(None)
        inner = [cell for cell in cells if b.shown[at - 1] < cell[1] < b.shown[at + 1]]
        if inner:
            after = cells.index(inner[-1]) + 1
            before = cells.index(inner[0]) - 1
            if before >= 0 and after < len(cells):
                (x, y), (x_end, y_end) = b.node_at(*cells[before]), b.node_at(*cells[after])
                b.line([(x - b.node, y), (x_end + b.node, y_end)], b.theme.time, 2, dash="4 4")


def arrow(source, end, node):
    """The shapes of an arrow between two nodes: a shaft and, where there is room, a head."""
    (x, y), (x_end, y_end) = source, end
    length = math.hypot(x_end - x, y_end - y) or 1.0
    dx, dy = (x_end - x) / length, (y_end - y) / length
    start, tip = 0.5 * node + 2, length - 0.5 * node - 2
    head = min(12.0, 0.7 * (tip - start))
    on = lambda d: (x + dx * d, y + dy * d)  # noqa: E731
    if head < 7:
        return [band(on(0.5 * node), on(length - 0.5 * node), 2.6)]
    neck, wing = on(tip - head), (head / 2 * dy, -head / 2 * dx)
    left, right = (neck[0] + wing[0], neck[1] + wing[1]), (neck[0] - wing[0], neck[1] - wing[1])
    return [band(on(start), on(tip - 0.8 * head), 2.6), [on(tip), left, right, on(tip)]]


def name_rows_and_steps(b):
    theme, told, L = b.theme, b.routes, b.reading.L
    for l in range(L) if b.row >= 15 else {0, L - 1, told.layer}:
        words = f"layer {l + 1}"
        b.text(f"<b>{words}</b>" if l == told.layer else words, b.node_at(l, next(iter(b.places)))[1], right=LEFT - 8,
               colour=theme.ink if l == told.layer else theme.second)
    under = b.lattice_bottom + UNDER
    blocks = ([b.shown] if None not in b.shown else
              [b.shown[:b.shown.index(None)], b.shown[b.shown.index(None) + 1:]])
    for block in blocks:
        for step in step_ticks(block[0] + 1, block[-1] + 1, b.spacing * len(block) * (1 if b.reading.T < 1000 else 0.75)):
            b.text(f"<b>{step}</b>" if step == told.step + 1 else str(step), under, middle=b.places[step - 1],
                   colour=theme.ink if step == told.step + 1 else theme.second)
    words = "time step <i>t</i>"
    if len(b.places) < b.reading.T:
        drawn = " and ".join(f"{grouped(block[0] + 1)} to {grouped(block[-1] + 1)}" for block in blocks)
        words += f": {drawn} of {grouped(b.reading.T)} are drawn"
    b.text(words, under + AXIS, middle=(b.places[b.shown[0]] + b.places[b.shown[-1]]) / 2, colour=theme.second)


# One term per route.


def draw_terms(b):
    told, theme = b.routes, b.theme
    right = told.largest
    y = b.terms_top - 52 if not b.beside else b.head - HEAD + 14
    b.heading("One term per route", "", y, left=b.terms_left)
    b.text(balance(told), y + 32 if b.beside else y + 26, left=b.terms_left, colour=theme.second)
    rows = term_rows(b)
    if not rows:
        return {}
    low, high = min(0.0, *(size for _, size, _ in rows)), max(0.0, *(size for _, size, _ in rows))
    if low == high:
        high = 1.0
    pitch = min(MOST_PITCH, (b.terms_bottom - b.terms_top) / len(rows))
    bottom, half = b.terms_top + pitch * len(rows), min(0.55, MOST_BAR / pitch) / 2
    left = min(b.terms_left + (156 if b.several else 130), b.right - 60)
    end = min(b.right, max(left + 40, b.right + 28 - 6.8 * max(len(words) for _, _, words in rows)))
    zero = left + (end - left) * (0.0 - low) / (high - low)
    at = lambda row: b.terms_top + pitch * (row + 0.5)  # noqa: E731
    chosen = next((i for i, route in enumerate(right) if route is b.route), None)
    inks = {"terms": mix(theme.page, theme.second, 0.45), "chosen term": theme.ink, "rest": mix(theme.page, theme.second, 0.2),
            "sum": theme.ink}
    for name, ink in inks.items():
        kinds = [row for row, (kind, _, _) in enumerate(rows) if name == ("chosen term" if row == chosen else kind)]
        areas(b, name, ink, [[(0.0, row - half), (rows[row][1], row - half), (rows[row][1], row + half), (0.0, row + half),
                              (0.0, row - half)] for row in kinds], xaxis="x3", yaxis="y3")
    for row, (kind, size, words) in enumerate(rows):
        strong = kind == "sum"
        place = max(zero, zero + (end - left) * size / (high - low)) + 8
        b.text(f"<b>{words}</b>" if strong else words, at(row), left=place)
        b.text(label(b, kind, row), at(row), right=left - 12, colour=theme.ink if strong else theme.second)
        if b.page and kind == "terms":
            press(b, row, at(row), pitch, words, row == chosen)
    b.line([(zero, b.terms_top - 6), (zero, bottom + 4)], theme.third, 1)
    under = b.terms_top + pitch * (len(rows) - 1)
    b.line([(b.terms_left + 16, under), (b.right, under)], theme.hairline, 1)
    return {"xaxis3": dict(range=[low, high], domain=b.across(left, end), anchor="y3", **STILL),
            "yaxis3": dict(range=[len(rows) - 0.5, -0.5], domain=b.domain(b.terms_top, bottom), anchor="x3", **STILL)}


def term_rows(b):
    """(kind, length, words) of every bar: the largest terms, what the others add up to, the sum. Lengths are relative to the
    largest of all sizes, so that terms beyond float64 have one too."""
    told = b.routes
    if not told.largest:
        return []
    peak = max(told.largest[0].log_size, math.log10(abs(told.sum)) if 0 < abs(told.sum) < math.inf else -math.inf)
    peak = peak if math.isfinite(peak) else 0.0
    rows = [("terms", math.copysign(10.0 ** (route.log_size - peak), route.term), signed(route.term, route.log_size))
            for route in told.largest]
    beyond = not math.isfinite(told.sum) or told.log_total < -307
    if told.number > len(told.largest):
        rest = told.sum - math.fsum(route.term for route in told.largest) if not beyond else 0.0
        share = max(0.0, 1.0 - sum(route.share for route in told.largest))
        if beyond or abs(rest) <= 1e-12 * told.total:
            rows.append(("rest", 0.0, f"{percent(share)} of sizes"))
        else:
            rows.append(("rest", rest * 10.0 ** -peak if peak > -300 else 0.0, signed(rest)))
    if beyond:
        rows.append(("sum", 0.0, sum_words(told)))
    else:
        rows.append(("sum", told.sum * 10.0 ** -peak if peak > -300 else 0.0, signed(told.sum)))
    return rows


def sum_words(told):
    """What is known of the sum where float64 cannot hold it."""
    return "0" if told.log_total == -math.inf else f"|δ| ≤ {from_log(told.log_total)}"


def signed(value, log_size=None):
    """A number with its sign, three digits, right beyond float64 if log10 of its size is given; an exact zero is 0."""
    if log_size is None:
        log_size = math.log10(abs(value)) if value and math.isfinite(value) else -math.inf if value == 0 else math.nan
    if log_size == -math.inf:
        return "0"
    if math.isnan(log_size):
        return "∞" if value == math.inf else "−∞" if value == -math.inf else "no number"
    sign = "−" if math.copysign(1.0, value) < 0 else "+"
    return sign + (significant(10.0**log_size, 3) if -300 < log_size < 300 else power(log_size, 2))


def balance(told):
    """What the terms have to do with each other."""
    if told.number == 0:
        return "there is none, so <i>δ</i> is exactly 0"
    if told.zero == told.number:
        return "each holds a factor that is exactly 0"
    if cancels(told):
        return f"{signed2(told.positive)} and {signed2(told.negative)} nearly cancel: {signed2(told.sum)} is left"
    if told.number > len(told.largest):
        carried = sum(route.share for route in told.largest)
        return f"the {len(told.largest)} largest carry {percent(carried)} of all sizes; all add up to <i>δ</i>"
    return "they add up to <i>δ</i>" if told.number > 1 else "it is <i>δ</i>"


def signed2(value):
    """A number with its sign and two digits."""
    return "0" if value == 0 else ("−" if value < 0 else "+") + significant(abs(value), 2)


def cancels(told):
    """Whether the terms nearly cancel, in numbers that float64 holds."""
    there = -300 < told.log_total < 300 and told.positive > 0 > told.negative
    return there and abs(told.sum) < LEFT_OVER * told.total


def label(b, kind, row):
    """What stands before a bar."""
    told = b.routes
    if kind == "sum":
        return "<b><i>δ</i></b>"
    if kind == "rest":
        return f"{counted(told.number - len(told.largest))} more"
    route = told.largest[row]
    start = f"loss {route.start + 1}  " if b.several else ""
    return start + arrows(route.moves, b.theme)


def arrows(moves, theme):
    """The moves of a route as coloured arrows; many in a row as one with their number, the middle of a long word left out."""
    if not moves:
        return "no move"
    runs = []
    for move in moves:
        if runs and runs[-1][0] == move:
            runs[-1][1] += 1
        else:
            runs.append([move, 1])
    one = lambda move, words: f"<b style='color:{getattr(theme, move)}'>{words}</b>"  # noqa: E731
    if len(moves) <= WORDS:
        return " ".join(one(move, ARROWS[move]) for move in moves)
    parts = [one(move, ARROWS[move] if n == 1 else f"{n}{THIN}{ARROWS[move]}") for move, n in runs]
    if len(parts) > 5:
        parts = [*parts[:2], "…", *parts[-2:]]
    return " ".join(parts)


def press(b, row, y, pitch, words, chosen):
    """A button over a bar's whole row, which asks for that route's arrows."""
    wide = b.right - b.terms_left
    name = escape(f"Route {row + 1}, {words.replace('−', 'minus ')}", quote=True)
    b.text(f'<button type="button" data-route="{row}" aria-label="{name}" aria-pressed="{str(chosen).lower()}" '
           f'style="border:0;padding:0;background:none;cursor:pointer;pointer-events:auto;display:block;width:{wide:.0f}px;'
           f'height:{pitch:.0f}px"></button>', y, left=b.terms_left)


# The product.


def draw_product(b):
    """The highlighted route's product, factor by factor, over at most two lines."""
    if b.route is None:
        return
    lines = product_lines(b, b.routes.factors(b.route))
    for i, words in enumerate(lines):
        b.text(words, b.product_top + i * LINE, left=0, size=SIZE + 1)


def product_lines(b, factors):
    """The product as one or two lines of words; where they do not hold it, its middle is left out and counted."""
    room, most = int((b.right - 8) / 6.1), 1 if b.tall else 2
    head = "highlighted route:  "
    tail = f" =  <b>{signed(b.route.term, b.route.log_size)}</b>"
    space = most * room - len(head) - 16 - 12 * (most - 1)
    ends = (*factors[:space // 8], *factors[max(space // 8, len(factors) - space // 8):])  # no more than that can be seen
    plain = [("φ′ " if i == 1 else "") + in_product(factor.value) for i, factor in enumerate(ends)]
    inked = [written(b, factor, words) for factor, words in zip(ends, plain, strict=True)]
    sizes = [len(words) + 3 for words in plain]
    if len(ends) < len(factors) or sum(sizes) > space:
        keep, used = 0, 30
        while 2 * keep + 2 < len(sizes) and used + sizes[keep] + sizes[-1 - keep] <= space:
            used += sizes[keep] + sizes[-1 - keep]
            keep += 1
        left_out = len(factors) - 2 * keep
        inked = [*inked[:keep], f"… {grouped(left_out)} more factors …", *inked[len(inked) - keep:]]
        sizes = [*sizes[:keep], 24, *sizes[len(sizes) - keep:]]
    lines, line, used = [], [], len(head)
    for words, size in zip(inked, sizes, strict=True):
        if line and used + size > room and len(lines) < most - 1:
            lines.append(" · ".join(line) + " ·")
            line, used = [], 0
        line.append(words)
        used += size
    lines.append(" · ".join(line) + tail)
    lines[0] = f"<span style='color:{b.theme.second}'>{head}</span>{lines[0]}"
    return lines


def in_product(value):
    """A factor with two digits after the point, or two that count where it is small."""
    return number(value) if not 0 < abs(value) < 0.1 else significant(value)


def written(b, factor, words):
    """One factor: weights in the colour of their road, slopes and what the loss sends plain."""
    if factor.kind in ("time", "space"):
        return f"<b style='color:{getattr(b.theme, factor.kind)}'>{words}</b>"
    return f"<span style='color:{b.theme.second}'>{words.replace('φ′', '<i>φ</i>′')}</span>"


# The grouping of the space/time text.


COLUMNS = (("state", 0.0), ("routes", 0.27), ("<i>δ</i>", 0.44), ("<i>h</i>", 0.6), ("<i>δ</i> · <i>h</i>", 0.79),
           ("sum so far", 0.98))


def draw_groups(b):
    told, theme, l = b.groups, b.theme, b.routes.layer + 1
    y = b.groups_top
    name = f"<i>h</i>{str(l).translate(UP)}<sub><i>N</i>−<i>k</i></sub>"
    if told is None:
        b.heading(f"Layer {l} is not recurrent", "it has no <i>w</i><sub>T</sub>, so there is nothing to group", y)
        return
    b.heading(f"Grouped by {name}", f"as the space/time text does; <i>N</i> = {grouped(len(told.step))}", y)
    ks = group_rows(b)
    place = [8 + share * (b.split - 40) for _, share in COLUMNS]
    y += 26
    for (words, _), x in zip(COLUMNS, place, strict=True):
        b.text(words, y, **({"left": x} if x == place[0] else {"right": x}), colour=theme.second)
    b.line([(0, y + 10), (place[-1] + 4, y + 10)], theme.hairline, 1)
    wrong = None
    for row, k in enumerate(ks):
        here = y + GROUP * (row + 1) + 3
        cells = group_words(b, k, skipped=row and k > ks[row - 1] + 1)
        if k == 3 and told.printed is not None:
            cells[4] += "†"
            wrong = k
        strong = int(told.step[k - 1]) == b.routes.step
        for words, x in zip(cells, place, strict=True):
            b.text(f"<b>{words}</b>" if strong else words, here, **({"left": x} if x == place[0] else {"right": x}))
    here = y + GROUP * (len(ks) + 1) + 7
    b.line([(0, here - 11), (place[-1] + 4, here - 11)], theme.hairline, 1)
    if len(told.step) > ks[-1]:
        more = len(told.step) - ks[-1]
        b.text(f"{grouped(more)} more group{'s' * (more > 1)}", here, left=place[0], colour=theme.second)
    b.text(f"∂<i>C</i>/∂<i>w</i><sub>T</sub>{str(l).translate(UP)}  =  <b>{signed(told.total)}</b>", here, right=place[-1])
    if wrong:
        draw_misprint(b, here + 22)


def group_rows(b):
    """The k of the groups that are listed: the first three, and the chosen cell's or the fourth."""
    n, own = len(b.groups.step), len(b.groups.step) - b.routes.step
    return [*range(1, min(3, n) + 1), *([own if own > 3 else 4] if n > 3 else [])]


def group_words(b, k, skipped):
    told = b.groups
    state = f"{'⋯ ' if skipped else ''}<i>h</i>{str(told.layer + 1).translate(UP)}<sub><i>N</i>−{grouped(k)}</sub>"
    own = int(told.step[k - 1]) == b.routes.step
    ways = b.routes.number if own else told.first[k - 1].number
    numbers = (told.delta, told.h, told.product, told.running)
    return [state, counted(ways), *(signed(float(values[k - 1])) for values in numbers)]


def draw_misprint(b, y):
    """The dagger's note: what the text prints in this group, and what that would give."""
    told = b.groups
    if not b.beside or b.split > 480:
        words = f"† {find('h¹_{N−3} group').sentence} As printed, the group would be {signed(told.printed)}."
        first, _, rest = words.partition("; it is ")
        for i, line in enumerate((f"{first};", f"it is {rest}")):
            b.text(scripts(line), y + i * NOTE, left=0 if i == 0 else 9, colour=b.theme.second, size=SIZE - 1)
        return
    b.text("† As the text prints it, without σ′(<i>z</i>²<sub><i>N</i>−1</sub>) <i>w</i><sub>T</sub>² in its third path:", y,
           left=0, colour=b.theme.second, size=SIZE - 1)
    b.text(f"the group would be {signed(told.printed)}.", y + NOTE, left=9, colour=b.theme.second, size=SIZE - 1)


def scripts(text):
    """A text's indices after underscores and carets as subscripts and superscripts."""
    text = re.sub(r"\^\{([^}]*)\}", r"<sup>\1</sup>", text)
    text = re.sub(r"\^([^\W_])", r"<sup>\1</sup>", text)
    text = re.sub(r"_\{([^}]*)\}", r"<sub>\1</sub>", text)
    return re.sub(r"_(\w)", r"<sub>\1</sub>", text)


# The whole.


def layout(b, axes):
    theme = b.theme
    made = dict(
        width=b.width, height=b.height, autosize=False, margin=dict(l=LEFT, r=b.width - b.right, t=0, b=0, pad=0),
        paper_bgcolor=theme.page, plot_bgcolor=theme.page, font=dict(family=FONT, size=SIZE, color=theme.ink),
        showlegend=False, hovermode="closest", dragmode=False, template=None, uirevision="routes",
        hoverlabel=dict(bgcolor=theme.panel, bordercolor=theme.hairline, font=dict(color=theme.ink, size=SIZE, family=FONT),
                        align="left"),
        coloraxis=dict(cmin=-b.W, cmax=b.W, colorscale=colour.scale(theme, b.W), showscale=not b.page,
                       **({} if b.page else {"colorbar": colour_bar(b)})),
        shapes=b.shapes, annotations=b.notes, meta=dict(equation_top=b.equation_top, height=b.height), **axes)
    if b.page:
        made["meta"] |= dict(texts=b.texts, bar=bar(b) if b.routes is not None else None, rules=b.rules, shapes=[])
    else:
        made["annotations"] = [*b.notes, *(annotation(b, text) for text in b.texts)]
    return made
