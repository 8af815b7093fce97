"""What each step, or lag, adds to a gradient: one dot a term, kept or dropped."""


import numpy as np

from ..numbers import significant
from .canvas import f4, mix
from .frame import gradient_letters, log_ticks, step_ticks
from .theme import LEFT, SIZE

ROOM = 130  # px that a label beside the cut takes


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
    b.heading(f"What each {a.per} adds to {gradient_letters(a.name)}",
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
