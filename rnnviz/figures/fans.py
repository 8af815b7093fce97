"""Fans of singular values over the lag: of one layer by itself, and of the whole stack."""

import numpy as np

from ..numbers import from_log, number
from .canvas import f4, mix
from .frame import STILL, log_ticks, step_ticks
from .theme import LEFT

MOST_LINES = 24  # between the two extremes of a fan
DEEPEST = 20.0  # decades that a fan may reach down at least
SPOKEN, NAMED, PACED = 250, 150, 130  # px of a fan over which whole words stand, its whole name, and its pace
CORNER = 48  # px from the foot within which a line at 1 takes the lower corner
NAME, OVER = 58, 13  # px of the name of the topmost line; from the line to its middle
FLAT = 0.3  # decades that a fan must span to be shown as it is; a flatter one has a decade on either side
TOUCHING = 3  # px between two lines that are drawn as one


def fans_of(rate):
    """(name, Spectrum) of each fan there is: the layer's, and the stack's where it is another."""
    made = []
    if rate.own is not None:
        made.append((f"layer {rate.layer + 1} by itself" if rate.L > 1 else "the layer", rate.own))
    if rate.stack is not None and rate.stack is not rate.own:
        made.append((f"{'both' if rate.L == 2 else f'all {rate.L}'} layers jointly", rate.stack))
    return made


def span_of(fans, decades):
    """(low, high) of the axis that all fans share, log10: all values, but down to no more than twice what the best-kept
    direction of a fan falls to."""
    if decades:
        return -1.04 * decades, 1.04 * decades
    all_of = np.concatenate([[0.0], *(spectrum.log10.ravel() for _, spectrum in fans)])
    largest = np.concatenate([[0.0], *(spectrum.largest for _, spectrum in fans)])
    high, low = np.nanmax(all_of), all_of[np.isfinite(all_of)].min()
    low = max(low, min(2 * largest[np.isfinite(largest)].min(), -DEEPEST))
    if high - low < FLAT:
        low, high = low - 1.0, high + 1.0
    room = 0.04 * max(high - low, 1.0)
    return float(low - room), float(high + (3 * room if any(each.falls_from_a_peak for _, each in fans) else room))


def draw_fans(b):
    """All fans on one scale, side by side; where there is none, why."""
    b.heading("How a vector is stretched" if b.narrow and b.tall else "How a whole gradient vector is stretched",
              "" if b.narrow else "singular values of ∂<i>h<sub>T</sub></i>/∂<i>h<sub>T−k</sub></i>", 16)
    if not b.fans:
        y = b.top + 20
        for reason in b.rate.why:
            y = b.broken(reason, *b.plots[0], y)
        return {}
    longest = max(int(spectrum.lags[-1]) for _, spectrum in b.fans)
    places, words = log_ticks(b.low, b.high)
    for place, text in zip(places, words, strict=True):
        b.text(text, height(b, place), right=b.plots[0][0] - 6, colour=b.theme.second)
    axes = {}
    for i, (name, spectrum) in enumerate(b.fans):
        axes |= draw_fan(b, i, name, spectrum, longest, places)
    middle, key = (b.plots[0][0] + b.plots[-1][1]) / 2, lines_of(b) if b.tall else ""
    b.text("lag: steps back from the end", b.bottom + 29, **(dict(right=b.plots[-1][1]) if key else dict(middle=middle)),
           colour=b.theme.second)
    if key:
        b.text(key, b.bottom + 29, left=LEFT)
    return axes


def lines_of(b):
    """What the straight lines are, for a lecture, which has no facts beneath."""
    theme, fit = b.theme, b.rate.measured
    said = [f"<span style='color:{theme.second}'>· · · bound</span>"] if b.rate.surely_fades and b.rate.bound > 0 else []
    if fit is not None and b.rate.stack is not None:
        said.append(f"<span style='color:{theme.time}'>– – this run</span>")
    return "  ".join(said)


def height(b, value):
    """px from the top of a log10."""
    return b.bottom - (b.bottom - b.top) * (value - b.low) / (b.high - b.low)


def draw_fan(b, i, name, spectrum, longest, places):
    left, right = b.plots[i]
    theme, axis = b.theme, str(i + 1) if i else ""
    x, y = f"x{axis}", f"y{axis}"
    pace = f"<b style='color:{theme.time}'>× {number(spectrum.pace)}</b>"
    room = right - left
    said = f"  best kept {pace} per step" if room >= SPOKEN else f"  {pace}" if room >= PACED else ""
    b.text(f"<b>{name if room >= NAMED else name.split(' by')[0].replace('layers ', '')}</b>{said}", 41, left=left)
    for lag in step_ticks(0, longest, right - left):
        b.text(str(lag), b.bottom + 11, middle=left + (right - left) * lag / longest, colour=theme.second)
    lags, values = from_the_end(spectrum)
    shade(b, lags, values, x, y)
    b.traces.append(dict(type="scatter", mode="lines", x=f4([0, longest]), y=f4([0, 0]), hoverinfo="skip", xaxis=x, yaxis=y,
                         name="1", line=dict(width=1, color=theme.third)))
    if i == 0 and b.rate.own is spectrum:
        dotted(b, lags, x, y)
    thin(b, lags, values, x, y)
    rate_of_run(b, i, lags, x, y)
    words = "smallest singular value that is not 0, of those shown"
    extremes = [("smallest", words, lowest(values))] if values.shape[1] > 1 else []
    for short, words, column in (*extremes, ("largest", "largest singular value", values[:, 0])):
        b.traces.append(dict(
            type="scatter", mode="lines", x=f4(lags), y=f4(shown(column)), xaxis=x, yaxis=y, name=short,
            line=dict(width=2.2, color=theme.ink),
            hovertemplate=f"%{{x:.0f}} back: {words} 10<sup>%{{y:.2f}}</sup><extra></extra>"))
    label_peak(b, spectrum, left, right, longest)
    if i == 0 and room >= NAMED:
        name_largest(b, spectrum, left, right, longest)
    say_what_is_left_out(b, spectrum, values[-1], left)
    return {f"xaxis{axis}": dict(range=[0, longest], domain=b.across(left, right), anchor=y, **STILL),
            f"yaxis{axis}": dict(range=[b.low, b.high], domain=b.domain(b.top, b.bottom), anchor=x,
                                   **STILL | dict(showgrid=True, gridcolor=theme.grid, tickvals=places))}


def say_what_is_left_out(b, spectrum, last, left):
    """How many singular values are 0 at last, and over how many lags of the run: in the corner that the fan leaves free."""
    zeros, said = int(np.isneginf(last).sum()), []
    if zeros:
        said.append((f"{zeros} of {len(last)} exactly 0", b.theme.fades))
    if spectrum.lags[-1] < b.rate.steps - 1:
        said.append((f"the last {spectrum.lags[-1]} of {b.rate.steps - 1}", b.theme.second))
    falls = height(b, 0.0) < b.bottom - CORNER
    for i, (words, ink) in enumerate(said):
        b.text(words, b.bottom - 12 - 18 * i if falls else b.top + 12 + 18 * i, left=left + 6, colour=ink, back=True)


def from_the_end(spectrum):
    """Lags and log10 from lag 0 on, at which nothing is multiplied yet and every singular value is 1."""
    return np.append(0, spectrum.lags), np.concatenate([np.zeros((1, spectrum.log10.shape[1])), spectrum.log10])


def shown(values):
    """Values as they are drawn: a 0 ends its line."""
    return np.where(np.isfinite(values), values, np.nan)


def lowest(values):
    """The smallest singular value at each lag that is not 0."""
    return np.where(np.isfinite(values), values, np.inf).min(axis=1)


def shade(b, lags, values, x, y):
    """A ground under the fan, from its smallest value to its largest."""
    there = np.isfinite(values[:, 0])
    if values.shape[1] == 1 or not there.any():
        return
    lags, top, low = lags[there], values[there, 0], np.maximum(lowest(values[there]), b.low)
    b.traces.append(dict(
        type="scatter", mode="lines", x=f4(np.append(lags, lags[::-1])), y=f4(np.append(np.maximum(top, b.low), low[::-1])),
        fill="toself", fillcolor=mix(b.theme.page, b.theme.hairline, 0.5), line=dict(width=0), hoverinfo="skip", xaxis=x,
        yaxis=y, name="fan"))


def thin(b, lags, values, x, y):
    """The singular values between the extremes, all as one trace: of many, some."""
    n = values.shape[1]
    between = np.unique(np.linspace(1, n - 2, min(n - 2, MOST_LINES)).round().astype(int)) if n > 2 else ()
    if len(between):
        lines = np.concatenate([shown(values[:, between]), np.full((1, len(between)), np.nan)])  # a gap after each
        b.traces.append(dict(
            type="scatter", mode="lines", x=f4(np.tile(np.append(lags, lags[-1]), len(between))), y=f4(lines.T.ravel()),
            line=dict(width=0.8, color=mix(b.theme.page, b.theme.third, 0.6)), hoverinfo="skip", xaxis=x, yaxis=y,
            name="between"))


def dotted(b, lags, x, y):
    """What the bound of the layer allows, where it is under 1."""
    if b.rate.surely_fades and b.rate.bound > 0:
        b.traces.append(dict(
            type="scatter", mode="lines", x=f4(lags), y=f4(lags * np.log10(b.rate.bound)), xaxis=x, yaxis=y, name="bound",
            line=dict(width=1.6, color=b.theme.second, dash="dot"),
            hovertemplate="no singular value lies over σ<sub>max</sub>(W<sub>T</sub>) max φ′ = "
                          f"{b.rate.bound:.3g} per step<extra></extra>"))


def rate_of_run(b, i, lags, x, y):
    """How this run's own delta fades or grows, in the fan of the stack through which it flows."""
    fit = b.rate.measured
    if fit is None or b.fans[i][1] is not b.rate.stack:
        return
    b.traces.append(dict(
        type="scatter", mode="lines", x=f4(lags), y=f4(lags * np.log10(fit.rate)), xaxis=x, yaxis=y, name="this run",
        line=dict(width=1.8, color=b.theme.time, dash="dash"),
        hovertemplate=f"this run’s δ of layer {b.rate.layer + 1}: × {fit.rate:.3g} per step back<extra></extra>"))


def label_peak(b, spectrum, left, right, longest):
    """The largest singular value of all, where it rises over 1 and falls again."""
    if not spectrum.falls_from_a_peak:
        return
    peak, lag = spectrum.peak
    at = left + (right - left) * lag / longest
    side = {"left": at + 6} if at < (left + right) / 2 else {"right": at - 6}
    b.text(f"<b>× {from_log(peak)}</b>, {lag} back", height(b, peak) - 10, colour=b.theme.grows, **side)


def name_largest(b, spectrum, left, right, longest):
    """Which line is the largest singular value, at its right end: over it, or under it where a straight line runs over it."""
    lags, values = from_the_end(spectrum)
    first = longest * (1.0 - NAME / (right - left))
    under = np.append(values[lags > first, 0], np.interp(first, lags, values[:, 0]))
    named_already = spectrum.falls_from_a_peak and longest - spectrum.peak[1] <= 2 * (longest - first)
    if named_already or not np.isfinite(under).all():
        return
    y = height(b, under.max()) - OVER
    for lag, value in ((first, under[-1]), (longest, values[-1, 0])):
        lines = [height(b, slope * lag) for slope in slopes(b.rate)]
        if any(line < height(b, value) - TOUCHING and abs(line - y) < OVER for line in lines):
            y = height(b, under.min()) + OVER
    if y > b.bottom - OVER:
        return
    b.text("largest σ", y, right=right - 2, back=True)


def slopes(rate):
    """Decades per step of the straight lines in the first fan: the bound's, and this run's if the layer is the whole stack."""
    bound = [np.log10(rate.bound)] if rate.surely_fades and rate.bound > 0 else []
    fit = rate.measured
    run = fit is not None and rate.own is rate.stack
    return [*bound, *([np.log10(fit.rate)] if run else [])]
