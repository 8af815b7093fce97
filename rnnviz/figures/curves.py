"""Angle, size and error of every truncation at once, three plots side by side."""

from html import escape

import numpy as np

from ..numbers import degrees, from_log, number, percent
from .canvas import f4
from .columns import MOST_COLUMNS
from .frame import step_ticks

FAINT = -4.2  # decades under which an error is not drawn
PLOTS = (("angle", "Direction", "degrees off the full gradient"), ("ratio", "Size", "truncated ÷ full; dotted: all weights"),
         ("error", "Missing", "what is missing ÷ full"))
FORMATS = {"angle": ".1f}°", "ratio": ".3g}", "error": ".3g}"}  # of the hover's number, with the brace that closes it


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


def part(value):
    """An error in words: percent, and beyond them a power of ten."""
    if value == 0 or not 0.001 <= value < 10:
        return from_log(np.log10(value)) if value > 0 else "0"
    return percent(value)


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
