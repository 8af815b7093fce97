"""The sum over steps k of one loss's gradient: for every step the product of Jacobians, the immediate derivative and the term.

draw_sum draws it as one track of a figure whose columns are steps; the figure gives the place.
"""

import numpy as np

from ..numbers import number, significant
from .canvas import f4, mix
from .frame import gradient_letters, log_ticks, step_ticks
from .theme import LEFT, SIZE

HEAD, FOOT = 56, 64  # px: the heading and the names of the dots above the track; its ticks and two lines of words under it
HEIGHT = HEAD + 96 + FOOT  # px that are enough for all of it
WIDE = 940  # px of a figure in which whole sentences have room
DEEPEST = 16  # decades under the largest dot that are drawn
BEYOND = 400.0  # decades: stands for a 0 or inf of float64, outside any axis


def draw_sum(b, sum_, top, bottom):
    """What each step adds to one loss's gradient: how much of the loss the product of Jacobians can bring there, and what the
    weight does there and then.

    b: a Sheet with `columns` and `at`, as truncation's Plan. sum_: a Sum. top, bottom: px of the whole part, HEIGHT apart or
    more. Adds traces on "x" and "y9", texts and lines; returns the settings of yaxis9.
    """
    theme = b.theme
    track_top, track_bottom = top + HEAD, bottom - FOOT
    rows = series(b, sum_)
    floor, high = span_of([values for _, values, *_ in rows])
    low = floor - (0.2 * (high - floor) if zeros(b, sum_).any() else 0.0)
    b.heading("The sum over <i>k</i>", remark(b, sum_), top + 14)
    b.text("  ·  ".join(f"<span style='color:{ink}'>{'●' if filled else '○'}</span> {words}" for words, _, ink, filled in rows),
           top + 38, left=0, colour=theme.second)
    shade(b, sum_, track_top, track_bottom)
    draw_zeros(b, sum_, (low + floor) / 2)
    for words, values, ink, filled in rows:
        draw_dots(b, sum_, words, values, ink, filled, floor, high)
    places, names = log_ticks(floor, high)
    for place, name in zip(places, names, strict=True):
        b.text(name, track_bottom - (track_bottom - track_top) * (place - low) / (high - low), right=LEFT - 6,
               colour=theme.second)
    for step in step_ticks(1, sum_.T, b.plot):
        b.text(str(step), track_bottom + 11, middle=b.at(step), colour=theme.second)
    b.text("step <i>k</i>", track_bottom + 11, right=LEFT - 6, colour=theme.second)
    lines = over_count(sum_) if b.width < WIDE else (" ".join(over_count(sum_)), sizes(sum_))
    for line, y in zip(lines, (track_bottom + 34, track_bottom + 54), strict=True):
        b.text(line, y, left=0, colour=theme.ink if line == lines[0] or b.width < WIDE else theme.second)
    return {"yaxis9": dict(range=[low, high], domain=b.domain(track_top, track_bottom), tickvals=places, gridcolor=theme.grid,
                           zeroline=False, ticks="", fixedrange=True, showticklabels=False)}


# Words.


def remark(b, sum_):
    name = gradient_letters(sum_.name)
    if b.width < WIDE:
        return name
    of = f" by the loss of step {sum_.loss + 1}" + (f", the last of {sum_.losses}" if sum_.losses > 1 else "")
    return f"{name}{of}: what it sends in × product of Jacobians × immediate derivative"


def over_count(sum_):
    """Two lines: how often the other reading of the text would count a term, and what gradient that would be."""
    if sum_.loss == sum_.first:
        return "There is one term, so that ∂<i>h</i><sub>k</sub>/∂<i>W</i> means the same", "as a total derivative."
    said = ("Read as a total derivative, ∂<i>h</i><sub>k</sub>/∂<i>W</i> would count step <i>k</i>’s term "
            "<i>t</i> − <i>k</i> + 1 times:")
    return said, f"the gradient would be <b>{off(sum_)}</b>."


def off(sum_):
    """How the over-counted gradient differs from the right one."""
    ratio, angle = float(sum_.over.ratio[0]), float(sum_.over.angle[0])
    if sum_.size == 0:
        return "0 all the same, for every term is 0"
    if not np.isfinite(ratio):
        return "beyond what a float64 can hold"
    size = f"{number(ratio)} times its size"
    if np.isnan(angle):
        return size
    if sum_.gradient.size == 1:
        return f"{size}, {'of the wrong sign' if angle > 90 else 'of the right sign'}"
    return f"{size}, {f'{angle:.0f}°' if angle >= 1 else 'less than 1°'} off"


def sizes(sum_):
    """The sizes of the gradients of which the words speak."""
    if not np.isfinite(sum_.size + sum_.total_size):
        return "its size is beyond what a float64 can hold"
    words = f"size of the gradient {significant(sum_.size)}, over-counted {significant(sum_.total_size)}"
    words += f"; of all {sum_.losses} losses together {significant(sum_.whole)}" if sum_.losses > 1 else ""
    kept = f"; the pass of this loss keeps {sum_.loss - sum_.first + 1} of {sum_.loss + 1} steps"
    return words + (kept if sum_.first else "")


# Dots.


def series(b, sum_):
    """(words, log10 of the sizes (columns,), colour, whether filled) of each kind of dot that there is."""
    wide, theme, exact = b.width >= WIDE, b.theme, zeros(b, sum_)
    if sum_.product is not None:
        words = "product of Jacobians" + (": how far it can stretch a row" if wide else "")
        made = [(words, logs(b, sum_.product), theme.time, True)]
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            made = [("what arrives of the loss, over what it sends in", logs(b, sum_.through / sum_.sent), theme.time, True)]
    if sum_.immediate is not None:
        words = "immediate derivative" + (" ∂<sup>+</sup><i>h</i><sub>k</sub>/∂<i>W</i>" if wide else "")
        made.append((words, np.where(exact, np.nan, logs(b, sum_.immediate)), theme.third, False))
    return [*made, ("whole term", np.where(exact, np.nan, logs(b, sum_.term)), theme.ink, True)]


def logs(b, values):
    """(columns,) log10 of sizes, -BEYOND for 0 and BEYOND for inf; nan where no step has one."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return b.columns.median(np.clip(np.log10(values), -BEYOND, BEYOND)[None])[0]


def span_of(rows):
    """(low, high) of the axis: all dots between, but no more than DEEPEST decades."""
    values = np.concatenate(rows)
    values = values[np.abs(values) < BEYOND]
    low, high = (max(values.min(), values.max() - DEEPEST), values.max()) if values.size else (-1.0, 0.0)
    pad = 0.1 * max(high - low, 1.0)
    return float(low - pad), float(high + pad)


def draw_dots(b, sum_, words, values, ink, filled, low, high):
    """One kind of dot; a small triangle points to what lies under or over the axis."""
    here = np.isfinite(values)
    under, over, inside = values[here] < low, values[here] > high, 0.04 * (high - low)
    y = np.clip(values[here], low + inside, high - inside)
    symbol = np.where(under, "triangle-down", np.where(over, "triangle-up", "circle"))
    size = np.where(under | over, 0.6, 1.0) * min(10.0, max(3.5, b.columns.width * 0.45))
    b.traces.append(dict(
        type="scatter", mode="markers", name=words.partition(":")[0], x=f4(b.columns.middle[here]), y=f4(y),
        marker=dict(size=f4(size), symbol=symbol.tolist(), opacity=1, color=ink if filled else b.theme.page,
                    line=dict(width=1.4, color=ink)),
        text=[told(b, sum_, k) for k in b.columns.last[here]], hovertemplate="%{text}<extra></extra>", xaxis="x", yaxis="y9"))


def told(b, sum_, k):
    """The numbers of step k (from 0), the last one of its column, or of the loss if that comes before."""
    k = min(k, sum_.loss)
    lines = [f"the dot is the median of {b.columns.each} steps; the last of them:"] if b.columns.each > 1 else []
    lines.append(f"step {k + 1}, <i>t</i> − <i>k</i> = {sum_.loss - k}")
    if sum_.product is not None:
        lines.append(f"product: {number(sum_.product[k])}")
    lines.append(f"arrives of the loss: {number(sum_.through[k])} of {number(sum_.sent)}")
    if sum_.immediate is not None:
        lines.append(f"immediate derivative: {number(sum_.immediate[k])}")
    return "<br>".join([*lines, f"term: {number(sum_.term[k])}, over-counted {sum_.counts[k]} ×"])


def zeros(b, sum_):
    """(columns,) bool: where the immediate derivative is exactly 0, because what the weight is multiplied with is."""
    return b.columns.median(np.where(sum_.kept, (sum_.right == 0).astype(float), np.nan)[None])[0] == 1


def draw_zeros(b, sum_, y):
    """A 0 in the columns of structural zeros, which no log axis holds, in a row of their own."""
    here = zeros(b, sum_)
    if here.any():
        x = b.columns.middle[here]
        b.traces.append(dict(
            type="scatter", mode="text", name="exactly 0", x=f4(x), y=f4(np.full(len(x), y)), text=["0"] * len(x),
            textfont=dict(color=b.theme.ink, size=float(min(SIZE, max(6, b.columns.width)))),
            hovertext=[f"step {k + 1}: exactly 0, because the weight is multiplied with 0 there" for k in b.columns.last[here]],
            hoverinfo="text", xaxis="x", yaxis="y9"))


def shade(b, sum_, top, bottom):
    """A grey ground under the steps that the pass of the loss does not reach."""
    if not sum_.first:
        return
    left, right = b.at(0.5), b.at(sum_.first + 0.5)
    ground = mix(b.theme.panel, b.theme.hairline, 0.35) + "99"
    b.line([(left, top), (right, top), (right, bottom), (left, bottom)], ground, 0, fill=ground)
    b.line([(right, top), (right, bottom)], b.theme.ink, 2)
    if right - left > 100:
        b.text("<b>thrown away</b>", top + 8, right=right - 6)
