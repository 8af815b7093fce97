"""One term per route of Routes, as bars that add up to delta, and the product of the chosen one written out."""

import math
from html import escape

from ..numbers import THIN, counted, from_log, grouped, number, percent, power, significant
from .canvas import mix
from .frame import STILL
from .lattice import HEAD, areas
from .theme import SIZE

MOST_BAR, MOST_PITCH = 26, 44  # px of a bar, and from bar to bar
LINE = 20  # px of a line of the product
LEFT_OVER = 0.1  # of all sizes: a sum below that is called nearly cancelled
ARROWS = {"time": "←", "space": "↓"}
WORDS = 8  # arrows of a route that are written one by one


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
    inked = [in_colour(b, factor, words) for factor, words in zip(ends, plain, strict=True)]
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


def in_colour(b, factor, words):
    """One factor: weights in the colour of their road, slopes and what the loss sends plain."""
    if factor.kind in ("time", "space"):
        return f"<b style='color:{getattr(b.theme, factor.kind)}'>{words}</b>"
    return f"<span style='color:{b.theme.second}'>{words.replace('φ′', '<i>φ</i>′')}</span>"
