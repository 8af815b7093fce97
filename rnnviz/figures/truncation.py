"""Truncation: which loss reaches which step, what each step adds to a gradient, and what every truncation leaves of it.

truncation_spec builds the whole Plotly specification from Accounts, as plain dicts and arrays; truncation_figure makes a
go.Figure of it for a notebook.
"""

from html import escape

import numpy as np

from ..network import split_name
from ..numbers import degrees, from_log, grouped, number, percent, significant
from . import colour
from .canvas import Sheet, f4, mix
from .columns import MOST_COLUMNS, columns
from .flow import annotation, bar, colour_bar, log_ticks, step_ticks
from .theme import FONT, LEFT, SIZE

HEAD, TICKS, GAP, TITLE = 54, 20, 6, 40  # px: above the triangle; tick labels; between a map and the row under it; over a track
ROW, INFLUENCE = 24, 15  # px of the triangle's only row, and of the inputs' row
TRIANGLE, TERMS, CURVES = 94, 88, 84  # px of the three parts
FORMULA = 98  # px left free on the page for the gradient's formula
BETWEEN = 70  # px between two plots side by side
ROOM = 130  # px that a label beside the cut takes
NARROW = 800  # px of a figure in which headings are short, and two plots stand side by side in place of three
FAINT = -4.2  # decades under which an error is not drawn
FEW = 16  # passes whose beginnings are drawn
VEIL = 0.82  # how much of the page's colour lies over what is dropped


PLOTS = (("angle", "Direction", "degrees off the full gradient"), ("ratio", "Size", "truncated ÷ full; dotted: all weights"),
         ("error", "Missing", "what is missing ÷ full"))
FORMATS = {"angle": ".1f}°", "ratio": ".3g}", "error": ".3g}"}  # of the hover's number, with the brace that closes it


class Plan(Sheet):
    """Where the parts of the figure stand."""

    def __init__(self, accounts, theme, width, decades, page, caption, tall):
        super().__init__(theme, width, page)
        self.a, self.tall, self.narrow = accounts, tall, width < NARROW
        self.columns = columns(accounts.T, self.plot)
        sizes = [accounts.influence] + ([] if accounts.triangle is None else [accounts.triangle.ravel()])
        self.W = decades or colour.decades(np.concatenate(sizes))
        high = round(self.stretch * TRIANGLE) if len(accounts.losses) > 1 else ROW
        terms, curves = round(self.stretch * TERMS), round(self.stretch * CURVES)
        if tall:  # a lecture has no room for the curves
            room = tall - (HEAD + 2 * TICKS + 26 + GAP + INFLUENCE + TITLE)
            high = min(room // 2, 3 * high) if len(accounts.losses) > 1 else high
            terms, curves = room - high, 0
        self.top, self.bottom = HEAD, HEAD + high
        self.influence_bottom = self.bottom + GAP + INFLUENCE
        self.terms_top = self.influence_bottom + TICKS + 22 + TITLE
        self.terms_bottom = self.terms_top + terms
        self.curves_top = self.terms_bottom + TICKS + TITLE
        self.curves_bottom = self.curves_top + curves
        bottom = self.terms_bottom if tall or accounts.every is None else self.curves_bottom + 18
        self.equation_top = bottom + TICKS + 6
        self.height = bottom + TICKS + (22 if caption else 0) + (FORMULA if page and not tall else 0)
        self.shown = () if tall or accounts.every is None else PLOTS[::2] if self.narrow else PLOTS
        each = (self.right - LEFT + BETWEEN) / max(1, len(self.shown))
        self.plots = [(LEFT + i * each, LEFT + (i + 1) * each - BETWEEN) for i in range(len(self.shown))]

    def at(self, step):
        """px from the left of a step counted from 1, or of an edge between two."""
        first, last = self.columns.span
        return LEFT + self.plot * (step - first) / (last - first)


def truncation_spec(accounts, *, theme="light", width=1068, decades=0, page=False, caption=None, tall=None):
    """The specification {"data": .., "layout": ..} of Truncation.

    accounts: an Accounts. Other options as flow_spec.
    """
    b = Plan(accounts, theme, width, decades, page, caption, tall)
    axes = draw_pairs(b) | draw_terms(b) | draw_curves(b)
    if caption:
        b.text(caption, b.height - 9, left=0, colour=b.theme.second)
    return {"data": b.traces, "layout": layout(b, axes)}


def truncation_figure(accounts, **options):
    """Which loss reaches which step, what each adds to the gradient, and what every truncation leaves of it.

    Options as truncation_spec. Returns a plotly go.Figure.
    """
    import plotly.graph_objects as go

    return go.Figure(truncation_spec(accounts, **options))


# Pairs of a loss and a step.


def draw_pairs(b):
    a, theme = b.a, b.theme
    share = escape(percent(a.kept_pairs / a.all_pairs))
    if b.narrow:
        b.heading(f"Pairs kept: {share}", "", 14)
    else:
        pairs = f"{grouped(a.kept_pairs)} of {grouped(a.all_pairs)} pairs: {share}{unseen(a)}"
        pairs += f"; shade: ‖∂<i>L</i>/∂<i>z</i>‖ of layer {a.layer + 1}" if a.triangle is not None else ""
        b.heading("Which loss reaches which step", pairs, 14)
    b.text(known_as(a, narrow=True)[0] if b.narrow else "  ·  ".join(known_as(a)), 38, left=0, colour=theme.second)
    rows, edges, counts = triangle(b)
    if rows is not None:
        b.traces.append(dict(
            type="heatmap", name="pairs", x=b.columns.edges, y=np.arange(1, len(rows) + 1, dtype=np.float32),
            z=f4(np.clip(rows, -b.W, b.W)), coloraxis="coloraxis", hoverongaps=False,
            customdata=f4(np.stack(np.broadcast_arrays(edges[:, None], (b.columns.last + 1)[None, :], counts), axis=-1)),
            hovertemplate="loss of step %{customdata[0]:.0f}, step %{customdata[1]:.0f}: 10<sup>%{z:.1f}</sup> of what the "
                          "loss sends in; counted %{customdata[2]:.0f} ×<extra></extra>", xaxis="x", yaxis="y"))
        veil(b, (counts == 0) & inside(b, edges))
        outline(b, edges)
    elif b.a.pairs.why:
        b.text(b.a.pairs.why, (b.top + b.bottom) / 2, left=LEFT + 8, colour=theme.second)
    name_rows(b, edges)
    draw_influence(b)
    for step in step_ticks(1, a.T, b.plot):
        b.text(str(step), b.influence_bottom + 11, middle=b.at(step), colour=theme.second)
    still = dict(showgrid=False, zeroline=False, ticks="", fixedrange=True, showticklabels=False)
    n = len(edges)
    return {"xaxis": dict(range=list(b.columns.span), anchor="y", **still),
            "yaxis": dict(range=[0.5, n + 0.5], domain=b.domain(b.top, b.bottom), **still),
            "yaxis2": dict(range=[0.5, 1.5], domain=b.domain(b.bottom + GAP, b.influence_bottom), **still)}


def triangle(b):
    """(log10 sizes (R, columns) or None, the loss step of every row from 1 (R,), counts (R, columns))."""
    a = b.a
    losses, counts = a.losses[a.rows], a.counts[:, b.columns.last]
    rows = None if a.triangle is None else b.columns.median(np.where(np.isfinite(a.triangle), a.triangle, np.nan))
    if rows is not None:
        rows = np.where(b.columns.first[None, :] <= losses[:, None], rows, np.nan)
    return rows, losses + 1, counts


def inside(b, edges):
    """(R, columns) bool: pairs of a loss and a step at or before it."""
    return b.columns.first[None, :] + 1 <= edges[:, None]


def veil(b, dropped):
    """Hatch over the dropped pairs, through which what they held still shines."""
    x, y = [], []
    for row, mask in enumerate(dropped):
        found = np.flatnonzero(mask)
        if not found.size:
            continue
        for run in np.split(found, np.flatnonzero(np.diff(found) > 1) + 1):
            left, right = float(b.columns.edges[run[0]]), float(b.columns.edges[run[-1] + 1])
            x += [left, right, right, left, left, np.nan]
            y += [row + 0.5, row + 0.5, row + 1.5, row + 1.5, row + 0.5, np.nan]
    if not x:
        return
    page = tuple(int(b.theme.page[i:i + 2], 16) for i in (1, 3, 5))
    fade = f"rgba({page[0]},{page[1]},{page[2]},{VEIL})"
    b.traces.append(dict(type="scatter", mode="lines", x=f4(x), y=f4(y), fill="toself", fillcolor=fade, hoverinfo="skip",
                         line=dict(width=0, color=b.theme.hairline), xaxis="x", yaxis="y", name="dropped",
                         fillpattern=dict(shape="/", size=7, solidity=0.18, fgcolor=b.theme.hatch, bgcolor=fade)))


def outline(b, edges):
    """How far back each pass reaches, and with few passes also where each begins: a staircase of their first columns."""
    windows = b.a.windows
    if b.a.tau_max is None:
        return
    few, each = windows.P <= FEW, (b.bottom - b.top) / len(edges)
    stairs, low = [], b.bottom
    for first, last in zip(windows.first, windows.last, strict=True):
        left, high = b.at(first + 0.5), b.bottom - each * np.searchsorted(edges, last + 1, side="right")
        stairs += [(left, low), (left, high)]
        if few:
            b.line([(left, high), (b.at(last + 1.5), high)], b.theme.ink, 1.5)
        low = high
    b.line(stairs, b.theme.ink, 1.5)


def name_rows(b, edges):
    theme = b.theme
    if len(edges) == 1:
        b.text(f"loss {edges[0]}", (b.top + b.bottom) / 2, right=LEFT - 6, colour=theme.second)
    else:
        height = (b.bottom - b.top) / len(edges)
        for row in {0, len(edges) - 1}:
            b.text(f"loss {edges[row]}", min(max(b.bottom - (row + 0.5) * height, b.top + 7), b.bottom - 7), right=LEFT - 6,
                   colour=theme.second)
    b.text("input", (b.bottom + GAP + b.influence_bottom) / 2, right=LEFT - 6, colour=theme.second)


def draw_influence(b):
    a = b.a
    values = b.columns.median(np.where(np.isfinite(a.influence), a.influence, np.nan)[None])
    b.traces.append(dict(
        type="heatmap", name="influence", x=b.columns.edges, y=f4([1.0]), z=f4(np.clip(values, -b.W, b.W)),
        coloraxis="coloraxis", hoverongaps=False, customdata=f4(b.columns.last[None, :, None] + 1), xaxis="x", yaxis="y2",
        hovertemplate="input of step %{customdata[0]:.0f}: ‖∂<i>C</i>/∂<i>x</i>‖ is 10<sup>%{z:.1f}</sup> of what the loss "
                      "sends in<extra></extra>"))
    b.text(most_influence(a), b.influence_bottom + TICKS + 14, left=LEFT + 2, colour=b.theme.second)


def most_influence(a):
    """The input that decides most, by step, name and share of all."""
    step, share, name = a.most_influence
    if step is None:
        return "no input is reached"
    return (f"input: ‖∂<i>C</i>/∂<i>x</i>‖ of each step; <b>step {step + 1}</b>{f', “{escape(name)}”,' if name else ''} "
            f"has {escape(percent(share))} of their sum")


def unseen(a):
    return f"; {a.unseen} of {len(a.losses)} losses are seen by no pass" if a.unseen else ""


def known_as(a, narrow=False):
    """The names of a schedule."""
    if a.tau_max is None:
        return ["one pass from the last step to the first" + ": full backpropagation through time" * (not narrow)]
    most, gap = min(a.tau_max, a.T), min(a.tau_b, a.T)
    if a.windows.again:
        return [f"no BPTT({most}; {gap}): every pass injects the losses of all its columns, each pair counted up to "
                f"{a.counts.max()} times"]
    names = [f"{'Williams and Peng’s ' * (not narrow)}BPTT(<i>h</i> = {most}; <i>h</i>′ = {gap})",
             f"Sutskever’s <i>k</i>₁ = {gap}, <i>k</i>₂ = {most}"]
    ragged = a.T % a.tau_b
    if a.tau_b >= a.T:
        names.append("one pass at the end")
    elif a.tau_b == 1:
        names.append("a sliding window")
    elif a.tau_max == a.tau_b:
        names.append(f"detach every {a.tau_b} steps" + (", but for the ragged end" if ragged else ""))
    if ragged and a.tau_b < a.T:
        names.append(f"ragged end: the last pass starts {ragged} after the one before")
    return names


# Terms of the sum.


def draw_terms(b):
    a, theme = b.a, b.theme
    lag, n = a.per == "lag", len(a.whole.size)
    x = a.T - np.arange(n) if lag else np.arange(1, n + 1)  # lag 0 at the right, as time runs
    with np.errstate(divide="ignore"):
        whole, kept = np.log10(a.whole.size), np.log10(a.kept.size)
    low, high = span_of_terms(whole, kept)
    remark = "what all pairs so far apart add" if lag else "size of each term of the sum over <i>k</i>"
    closing = f"all {n} add up to it within {closeness(a.gap)}" if n > 1 and np.isfinite(a.gap) else ""
    words = [remark + ", relative to the whole", "a dash pulls against it", closing]
    b.heading(f"What each {a.per} adds to {written(a.name)}",
              "" if b.narrow else "; ".join(filter(None, words[2:] if b.tall else words)), b.terms_top - 22)
    there = np.isfinite(whole)
    if a.tau_max is not None:
        shade(b, dropped(a, n), x, low, high)
    other = there & ~(np.isclose(kept, whole, rtol=0.0, atol=1e-9))
    draw_dots(b, other, x, whole, a.whole.share, low, None, "in the full gradient")
    draw_dots(b, np.isfinite(kept), x, kept, a.kept.share, low, theme.time, "kept")
    zero = (a.whole.size == 0) & (np.arange(n) <= a.losses[-1])
    if zero.any():
        b.traces.append(dict(
            type="scatter", mode="text", x=f4(x[zero]), y=f4(np.full(zero.sum(), low + 0.1 * (high - low))), text="0",
            textfont=dict(color=theme.third, size=SIZE), xaxis="x", yaxis="y3", name="exactly 0",
            hovertemplate=f"{a.per} %{{x:.0f}}: exactly 0<extra></extra>" if not lag else "exactly 0<extra></extra>"))
    label_cut(b)
    places, words = log_ticks(low, high)
    for place, text in zip(places, words, strict=True):
        y = b.terms_bottom - (b.terms_bottom - b.terms_top) * (place - low) / (high - low)
        if y < b.terms_bottom - 9:  # the axis' own name stands there
            b.text(text, y, right=LEFT - 6, colour=theme.second)
    for step in step_ticks(1, a.T, b.plot):
        b.text(str(a.T - step if lag else step), b.terms_bottom + 11, middle=b.at(step), colour=theme.second)
    b.text("lag" if lag else "step <i>k</i>", b.terms_bottom + 11, right=LEFT - 14, colour=theme.second)
    return {"yaxis3": dict(range=[low, high], domain=b.domain(b.terms_top, b.terms_bottom), tickvals=places,
                           gridcolor=theme.grid, zeroline=False, ticks="", fixedrange=True, showticklabels=False)}


def dropped(a, n):
    """(n,) bool: the steps, or lags, of which the schedule keeps no pair although there is one."""
    if a.per == "lag":
        return (np.arange(n) > a.reach.max()) & (np.arange(n) <= a.losses[-1])
    return ~a.reached & (np.arange(n) <= a.losses[-1])


def span_of_terms(whole, kept):
    """(low, high) of the axis, log10: all sizes, but no more than 16 decades under the largest."""
    sizes = np.concatenate([whole, kept])
    sizes = sizes[np.isfinite(sizes)]
    if not sizes.size:
        return -1.0, 0.1
    high = max(float(sizes.max()), 0.0)
    low = max(float(sizes.min()), high - 16.0)
    return low - 0.1 * max(high - low, 1.0), high + 0.15 * max(high - low, 1.0)


def draw_dots(b, mask, x, heights, share, low, fill, name):
    """One dot a term: full where `fill` is a colour, else hollow; a dash in those that pull against the whole."""
    if not mask.any():
        return
    what, theme = b.a.per, b.theme
    size = float(min(11, max(3.5, 0.45 * b.plot / len(x))))
    at, y = f4(x[mask]), f4(np.clip(heights[mask], low, None))
    number = np.flatnonzero(mask) + (what == "step")
    b.traces.append(dict(
        type="scatter", mode="markers", x=at, y=y, name=name, xaxis="x", yaxis="y3",
        marker=dict(size=size, color=fill or theme.page, line=dict(width=1.4, color=fill or theme.third)),
        customdata=f4(np.stack([number, 10.0 ** heights[mask], share[mask]], axis=-1)),
        hovertemplate=f"{what} %{{customdata[0]:.0f}}, {name}: size %{{customdata[1]:.3g}} of the whole, "
                      "share %{customdata[2]:.3g}<extra></extra>"))
    against = (share < 0)[mask]
    if against.any() and size >= 5:
        b.traces.append(dict(
            type="scatter", mode="markers", x=at[against], y=y[against], hoverinfo="skip", xaxis="x", yaxis="y3",
            name="against",
            marker=dict(symbol="line-ew", size=0.7 * size,
                        line=dict(width=1.6, color=theme.page if fill else theme.third))))


def closeness(gap):
    return "the last digit" if gap == 0 else significant(gap, 1)


def shade(b, nothing, x, low, high):
    """A grey ground under what is thrown away entirely."""
    steps, xs, ys = np.sort(x[nothing]), [], []
    for run in np.split(steps, np.flatnonzero(np.diff(steps) > 1) + 1) if len(steps) else ():
        left, right = float(run[0]) - 0.5, float(run[-1]) + 0.5
        xs += [left, right, right, left, left, np.nan]
        ys += [low, low, high, high, low, np.nan]
    if xs:
        ground = mix(b.theme.page, b.theme.hairline, 0.35)
        b.traces.append(dict(type="scatter", mode="lines", x=f4(xs), y=f4(ys), fill="toself", fillcolor=ground,
                             hoverinfo="skip", line=dict(width=0, color=ground), xaxis="x", yaxis="y3", name="thrown away"))


def label_cut(b):
    """The line at the cut, where the sum is cut at one place: under one loss, or lag by lag under a sliding window."""
    a, theme, lag = b.a, b.theme, b.a.per == "lag"
    if a.tau_max is None or len(a.losses) > 1 and not (lag and a.tau_b == 1) or a.longest_lag is None:
        return
    columns = a.longest_lag + 1
    edge = (a.T if lag else int(a.losses[-1]) + 1) - columns
    if not 0 < edge < a.T:
        return
    at = b.at(edge + 0.5)
    b.line([(at, b.terms_top), (at, b.terms_bottom)], theme.ink, 2)
    if at - LEFT > ROOM:
        b.text("<b>thrown away</b>", b.terms_top + 8, right=at - 6, back=True)
    if b.right - at > ROOM:
        b.text(f"<b>kept: {'1 column' if columns == 1 else f'{columns} columns'}</b>", b.terms_top + 8, left=at + 6,
               colour=theme.time)


def part(value):
    """An error in words: percent, and beyond them a power of ten."""
    if value == 0 or not 0.001 <= value < 10:
        return from_log(np.log10(value)) if value > 0 else "0"
    return percent(value)


def written(name):
    """∂C/∂W_T of layer 1, as figures write it."""
    kind, l = split_name(name)
    letter, _, sub = kind.partition("_")
    where = f" of layer {l + 1}" if l is not None else ""
    return f"∂<i>C</i>/∂<i>{letter}</i>" + (f"<sub>{sub}</sub>" if sub else "") + where


# Every tau.


def draw_curves(b):
    """Angle, size and error of every tau_max, three plots side by side."""
    axes = {}
    for i, ((field, title, remark), (left, right)) in enumerate(zip(b.shown, b.plots, strict=True)):
        b.heading(title, "" if b.narrow else remark, b.curves_top - 22, left=left - 34 if i else 0)
        axes |= draw_curve(b, field, i, left, right)
    return axes


def draw_curve(b, field, i, left, right):
    a, theme = b.a, b.theme
    low, high, ticks = span_of(b, field)
    x, y = f"x{i + 2}", f"y{i + 4}"

    def height(value):
        return b.curves_bottom - (b.curves_bottom - b.curves_top) * (value - low) / (high - low)

    for place, text in ticks:
        b.text(text, height(place), right=left - 6, colour=theme.second)
    for tau in step_ticks(1, a.T, right - left):
        b.text(str(tau), b.curves_bottom + 11, middle=left + (right - left) * (tau - 0.5) / a.T, colour=theme.second)
    schedule = f" at <i>τ</i><sub>b</sub> = {a.tau_b}" if a.tau_b and a.tau_b < a.T else ""
    b.text(f"<i>τ</i><sub>max</sub>{schedule}", b.curves_bottom + 28, middle=(left + right) / 2, colour=theme.second)
    if a.every is not None:
        some = np.unique(np.linspace(0, a.T - 1, min(MOST_COLUMNS, a.T)).round().astype(int))
        for name in (*(name for name in a.every.of if name not in (a.name, "all")), "all", a.name):
            exact = getattr(a.every.of[name], field)[some]
            values = drawn(field, exact, low, high)
            own, main = name == a.name, name in ("all", a.name)
            pen = dict(width=2.2 if own else 1.8 if main else 0.8, dash="solid" if own or not main else "dot",
                       color=theme.ink if main else theme.hairline)
            b.traces.append(dict(
                type="scatter", mode="lines", x=f4(some + 1), y=f4(values), xaxis=x, yaxis=y, name=name, line=pen,
                customdata=f4(exact), hovertemplate=f"{'all weights' if name == 'all' else name}: "
                f"<i>τ</i><sub>max</sub> = %{{x:.0f}}, %{{customdata:{FORMATS[field]}<extra></extra>"))
        wrong(b, left, right)
        mark(b, field, low, high, left, right, height, x, y)
    still = dict(zeroline=False, ticks="", fixedrange=True, showticklabels=False)
    return {f"xaxis{i + 2}": dict(range=[0.5, a.T + 0.5], domain=b.across(left, right), anchor=y, showgrid=False, **still),
            f"yaxis{i + 4}": dict(range=[low, high], domain=b.domain(b.curves_top, b.curves_bottom), anchor=x,
                                  gridcolor=theme.grid, tickvals=[place for place, _ in ticks], **still)}


def drawn(field, values, low, high):
    """What is drawn of a curve: errors as powers of ten, all inside the plot."""
    if field == "error":
        with np.errstate(divide="ignore"):
            values = np.log10(values)
    return np.where(np.isnan(values), np.nan, np.clip(values, low, high))


def span_of(b, field):
    """(low, high, ticks) of one of the three plots."""
    a = b.a
    if field == "angle":
        top = 180.0 if a.every is not None and np.nanmax(a.every.of[a.name].angle, initial=0.0) > 95 else 90.0
        return -0.03 * top, 1.05 * top, [(v, f"{v:.0f}°") for v in np.linspace(0, top, 4 if top == 90 else 3)]
    if field == "ratio":
        most = 1.0 if a.every is None else float(np.nanmax(a.every.of[a.name].ratio, initial=1.0))
        most = max(most, float(a.now.ratio[0]) if np.isfinite(a.now.ratio[0]) else 1.0)
        high = 1.15 if most <= 1.15 else min(1.05 * most, 4.0)
        return -0.03 * high, high, [(v, f"{v:g}") for v in ((0, 0.5, 1) if high < 2.1 else (0, 1, 2, 3, 4)) if v <= high]
    top = 0.0 if a.every is None else float(np.log10(max(1.0, np.nanmax(a.every.of[a.name].error, initial=1.0))))
    high = 0.35 if top < 0.3 else min(top + 0.3, 3.0)
    return FAINT, high, [(0, "1"), (-1, "10%"), (-2, "1%"), (-3, "0.1%")]


def mark(b, field, low, high, left, right, height, x, y):
    """The current truncation on a curve."""
    a, theme = b.a, b.theme
    tau, value = a.T if a.tau_max is None else min(a.tau_max, a.T), float(getattr(a.now, field)[0])
    if not np.isfinite(value) or a.windows.again:  # the curves are those of losses that enter once
        return
    place = float(drawn(field, np.array([value]), low, high)[0])
    b.traces.append(dict(type="scatter", mode="markers", x=f4([tau]), y=f4([place]), hoverinfo="skip", name="now",
                         marker=dict(size=10, color=theme.time, line=dict(width=1.4, color=theme.page)), xaxis=x, yaxis=y))
    words = escape({"angle": degrees(value), "ratio": number(value), "error": part(value)}[field])
    px = left + (right - left) * (tau - 0.5) / a.T
    side = {"left": px + 9} if px + 60 < right else {"right": px - 9}
    lower = height(place) < b.curves_top + 24
    b.text(f"<b>{words}</b>", height(place) + (15 if lower else -14), colour=theme.time, back=True, **side)


def wrong(b, left, right):
    """A bar under the curves where the truncated gradient has the wrong sign."""
    found = b.a.every.wrong.get(b.a.name)
    if found is None or not found.any():
        return
    each = (right - left) / b.a.T
    taus = np.flatnonzero(found)
    for run in np.split(taus, np.flatnonzero(np.diff(taus) > 1) + 1):
        y = b.curves_bottom - 2
        b.line([(left + run[0] * each, y), (left + (run[-1] + 1) * each, y)], b.theme.grows, 4)
    if left == b.plots[0][0]:
        b.text("<b>wrong sign</b>", b.curves_bottom - 12, left=left + taus[0] * each + 2, colour=b.theme.grows, back=True)


def layout(b, axes):
    theme = b.theme
    made = dict(
        width=b.width, height=b.height, autosize=False, margin=dict(l=LEFT, r=b.width - b.right, t=0, b=0, pad=0),
        paper_bgcolor=theme.page, plot_bgcolor=theme.page, font=dict(family=FONT, size=SIZE, color=theme.ink),
        showlegend=False, hovermode="closest", dragmode=False, template=None, uirevision="truncation",
        hoverlabel=dict(bgcolor=theme.panel, bordercolor=theme.hairline, font=dict(color=theme.ink, size=SIZE, family=FONT),
                        align="left"),
        coloraxis=dict(cmin=-b.W, cmax=b.W, colorscale=colour.scale(theme, b.W), showscale=not b.page,
                       **({} if b.page else {"colorbar": colour_bar(b)})),
        shapes=b.shapes, annotations=b.notes, meta=dict(equation_top=b.equation_top, height=b.height), **axes)
    if b.page:
        made["meta"] |= dict(texts=b.texts, bar=bar(b), rules=b.rules, shapes=[])
    else:
        made["annotations"] = [*b.notes, *(annotation(b, text) for text in b.texts)]
    return made
