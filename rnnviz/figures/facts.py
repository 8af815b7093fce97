"""The numbers beside the fans, as lines of words: bound, transient, exponents, rate of the run, and phi' layer by layer."""

import numpy as np

from ..numbers import from_log, number, percent, significant
from .canvas import mix
from .theme import LEFT

LINE, HEAD = 21, 34  # px of a line of facts; of the heading over one
BAR, THICK = 92, 9  # px of the bar of a mean phi'
COLUMNS = 3  # layers side by side
ROUNDING = 1e-12  # under which an exponent is no exponent
TWO_COLUMNS = 1000  # px of a figure from which on facts stand in two columns


def facts(rate, theme):
    """Plain lines with what is known besides the singular values."""
    made = [bound(rate), alone(rate), exponents(rate), measured(rate, theme)]
    return [*filter(None, made), *(rate.why if rate.own is not None or rate.stack is not None else ())]


def bound(rate):
    """What sigma_max of W_T and the largest phi' allow."""
    if rate.bound is None:
        return None
    made = f"<b>Bound</b>  σ<sub>max</sub>(<i>W<sub>T</sub></i>) max φ′ = {significant(rate.bound, 3)}"
    if not rate.surely_fades:
        return f"{made}: it guarantees nothing"
    return f"<b>· · ·</b> {made}: guaranteed to vanish{f', layer {rate.layer + 1} by itself' if rate.L > 1 else ''}"


def alone(rate):
    """What W_T does without any activation."""
    if rate.transient is None:
        return None
    radius, found = f"<b><i>W<sub>T</sub></i> alone</b>  spectral radius {significant(rate.radius, 3)}", rate.transient
    if found.log10 == np.inf:
        return f"{radius}: amplifies without end"
    if found.at == 0:
        return f"{radius}: never amplifies"
    within = "" if found.settled else f", of {found.powers} tried"
    return f"{radius}: amplifies up to {from_log(found.log10)} times, over {found.at} steps{within}"


def exponents(rate):
    """The largest and the smallest Lyapunov exponent of each fan."""
    there = [(f"layer {rate.layer + 1}: ", rate.own), ("all: ", rate.stack)] if rate.L > 1 else [("", rate.own)]
    known = [(name, found.exponents[~np.isnan(found.exponents)]) for name, found in there if found is not None]
    said = [name + " to ".join(dict.fromkeys(exponent(values[end]) for end in (0, -1))) for name, values in known
            if len(values)]
    return f"<b>Lyapunov exponents</b>  {', '.join(said)}, ln per step" if said else None


def exponent(value):
    """A Lyapunov exponent in words; what is only rounding is 0."""
    return significant(value if abs(value) > ROUNDING else 0.0)


def measured(rate, theme):
    """The rate of this run's own delta."""
    fit = rate.measured
    if fit is None:
        return None
    return (f"<b>This run</b>  δ of layer {rate.layer + 1}: "
            f"<b style='color:{theme.time}'>– – × {significant(fit.rate, 3)}</b> per step back")


def draw_facts(b):
    """The facts in two columns, or in one; returns the px under them."""
    lines = facts(b.rate, b.theme)
    columns = 2 if b.width >= TWO_COLUMNS else 1
    rows = -(-len(lines) // columns)
    for i, line in enumerate(lines):
        column, row = divmod(i, rows)
        b.text(line, b.facts_top + LINE * (row + 0.5), left=column * (b.right / 2 + 8), colour=b.theme.second)
    return b.facts_top + LINE * rows


def draw_slopes(b, top):
    """A row a layer: its mean phi' as a bar, the share of shut units beside it; returns the px under them."""
    r, theme = b.rate, b.theme
    remark = "mean φ′ of every layer; | its geometric mean; shut: φ′ under 0.1"
    b.heading("What the activations take", "" if b.narrow else remark, top + 20)
    columns = 1 if b.narrow else COLUMNS
    rows, each = -(-r.L // columns), (b.right + 20) / columns
    ground = mix(theme.page, theme.hairline, 0.7)
    for l in range(r.L):
        column, row = l % columns, l // columns
        y = top + HEAD + LINE * (row + 0.5)
        left = LEFT + column * each
        mean, middle = float(r.mean[l]), float(r.geometric[l])
        b.text(f"<b>layer {l + 1}</b>" if l == r.layer else f"layer {l + 1}", y, right=left - 8, colour=theme.second)
        b.line([(left, y), (left + BAR, y)], ground, THICK)
        if not np.isfinite(mean):
            continue
        if mean > 0:
            b.line([(left, y), (left + BAR * min(1.0, mean), y)], theme.third, THICK)
        b.line([(left + BAR * middle, y - 7), (left + BAR * middle, y + 7)], theme.ink, 2)
        b.text(f"{number(mean)}, {percent(float(r.shut[l]))} shut", y, left=left + BAR + 8, colour=theme.second)
    return top + HEAD + LINE * rows
