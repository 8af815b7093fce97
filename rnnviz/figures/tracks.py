"""The tracks under the grid: what is left step by step, how open each cell is. Each function draws on a Canvas."""

from html import escape

import numpy as np

from ..floats import FLOATS
from ..numbers import number, percent
from .canvas import TITLE, f4, mix
from .labels import NAMES_APART, spread
from .theme import LEFT, SIZE

CEILING = 290  # px of the ceiling's label


def draw_decay(b):
    r, theme = b.reading, b.theme
    curves = b.columns.median(r.curve)
    x = f4(b.columns.middle)
    b.heading("What is left, step by step", "log scale", b.decay_top - 22)
    ghost = held_curve(b)
    low, high = decay_range(b, curves if ghost is None else np.append(curves.ravel(), ghost[1]))
    b.decay_low, b.decay_high = low, high
    ends = [float(x[0]) - 0.5, float(x[-1]) + 0.5]
    if r.ceiling is not None and 0 < r.ceiling < 1 and r.sends:
        draw_ceiling(b, low)
    for place, words in limits(r):
        if low < place < high:
            line(b, ends, [place, place], theme.third, 1.5, dash="dot", name="limit")
            side = dict(x=ends[1], xanchor="right") if lower_left(b, curves) else dict(x=ends[0], xanchor="left")
            decay_note(b, words, place, theme.second, yshift=9, **side)
    if ghost is not None:
        draw_held(b, *ghost, curves[0])
    for l in range(r.L):
        part = 1.0 if r.L == 1 else l / (r.L - 1)
        b.traces.append(dict(
            type="scatter", mode="lines+markers" if b.columns.width >= 70 else "lines", x=x, y=f4(curves[l]),
            line=dict(width=(1.6 + 0.8 * part) * (1.0 if len(x) <= 200 else 0.65), color=mix(theme.third, theme.ink, part)),
            connectgaps=False, hoverinfo="skip", xaxis="x", yaxis="y2", name=f"layer {l + 1}", marker=dict(size=8)))
    name_curves(b, curves)
    fit = shown_fit(b)
    if fit:
        steps = np.array([fit.first, fit.last])
        y = fit.level - np.log10(fit.rate) * (steps - fit.last)
        line(b, (steps + 1).tolist(), y.tolist(), theme.time, 2.2, dash="dash", name="rate")
        fading = fit.rate < 1
        place = fit.first + 0.58 * (fit.last - fit.first)
        decay_note(b, f"<b>× {number(fit.rate)} per step back</b>",
                        float(fit.level - np.log10(fit.rate) * (place - fit.last)), theme.time, x=place + 1,
                        xanchor="left", yshift=-18 if fading else 18)


def limits(r):
    """[(log10 over the reference, words)] of what the chosen float does not hold; for float64, of what float32 loses."""
    if r.precision == "float64":
        return [(-7.0, "10<sup>−7</sup>: lost when float32 adds it to 1")]
    chosen, shift = FLOATS[r.precision], r.log_reference if r.sends else 0.0
    return [(chosen.log_least - shift, f"below: 0 in {r.precision}"),
            (chosen.log_largest - shift, f"above: ∞ in {r.precision}")]


def held_curve(b):
    """(steps from 1, log10 of what was left) of the held curve where it falls into view, its loss under this one's; or None."""
    if b.held is None:
        return None
    held, _ = b.held
    at = np.arange(len(held.curve)) + b.reading.last_loss - held.last_loss
    inside = (at >= b.columns.first[0]) & (at <= b.columns.last[-1]) & np.isfinite(held.curve)
    return ((at[inside] + 1)[::b.columns.each], held.curve[inside][::b.columns.each]) if inside.any() else None


def draw_held(b, x, y, curve):
    """The held curve as a thick grey ghost, its name on the side away from layer 1's curve, where other labels seldom stand."""
    line(b, x, y, b.theme.hatch, 5, name="held")
    here = np.interp(x, b.columns.middle, np.where(np.isfinite(curve), curve, b.decay_low))
    above = y.mean() >= here.mean()
    at = int((0.7 if above else 0.1) * (len(x) - 1))
    room = (b.decay_high - y[at] if above else y[at] - b.decay_low) * b.decay / (b.decay_high - b.decay_low)
    decay_note(b, b.held[1], float(y[at]), b.theme.second, x=float(x[at]), xanchor="left",
               yshift=(14 if above else -14) if room > 20 else (-14 if above else 14))


def decay_range(b, curves):
    good = curves[np.isfinite(curves)]
    low, high = (min(0.0, good.min()), max(0.0, good.max())) if good.size else (-1.0, 0.0)
    pad = max(0.06 * (high - low), 0.04)
    return low - pad, max(high + pad, 0.1)


def lower_left(b, curves):
    """Whether the curves are lowest at the left, so that a label near the bottom belongs to the right."""
    good = curves[0][np.isfinite(curves[0])]
    return good.size < 2 or good[0] <= good[-1]


def line(b, x, y, ink, width, *, dash="solid", name):
    b.traces.append(dict(type="scatter", mode="lines", x=f4(x), y=f4(y), hoverinfo="skip", name=name,
                            line=dict(color=ink, width=width, dash=dash), xaxis="x", yaxis="y2"))


def decay_note(b, text, y, ink, **place):
    b.notes.append(dict(text=text, y=y, xref="x", yref="y2", showarrow=False, yanchor="middle",
                           bgcolor=b.theme.page, borderpad=1, font=dict(size=SIZE, color=ink), **place))


def draw_ceiling(b, low):
    r = b.reading
    loss = r.last_loss
    start = 0.0 if r.quantity == "grad_h" else float(np.log10(r.max_slope))
    slope = float(np.log10(r.ceiling))
    t = np.array([int(np.flatnonzero(r.reached)[0]), loss])
    if t[0] >= loss:
        return
    y = start + slope * (loss - t)
    line(b, (t + 1).tolist(), y.tolist(), b.theme.third, 1.5, dash="dot", name="ceiling")
    first = max(b.columns.first[0], t[0])
    at = first + 0.02 * (b.columns.last[-1] - first)
    height = start + slope * (loss - at)
    if height > low and not b.narrow:
        room = b.plot * (1.0 - (at - b.columns.first[0]) / (b.columns.last[-1] + 1 - b.columns.first[0]))
        decay_note(b, f"ceiling of layer {r.L}: max φ′ · ‖<i>W</i>‖ = {number(r.ceiling)} per step", height,
                   b.theme.second, x=float(at) + 1, xanchor="left" if room > CEILING else "right",
                   yshift=11 if slope * loss < -0.3 else -11)


def shown_fit(b):
    """The rate is drawn under the conditions under which the sentence names it."""
    r = b.reading
    if r.last_loss < 12 or r.losses != 1:
        return None
    fit = r.fit()
    return fit if fit and fit.straight else None


def name_curves(b, curves):
    r, px = b.reading, b.decay / (b.decay_high - b.decay_low)
    named = range(r.L) if r.L <= 5 else (0, r.L - 1)
    ends = []
    for l in named:
        good = np.flatnonzero(np.isfinite(curves[l]))
        if good.size:
            ends.append((float(curves[l][good[0]]) * px, l, int(good[0])))
    ends.sort()
    heights = spread([y for y, _, _ in ends], NAMES_APART, b.decay_high * px)
    for y, (_, l, column) in zip(heights, ends, strict=True):
        ink = mix(b.theme.third, b.theme.ink, l / (r.L - 1) if r.L > 1 else 1.0)
        if column == 0:
            b.text(f"layer {l + 1}", b.decay_top + b.decay * (b.decay_high - y / px) / (b.decay_high - b.decay_low),
                   right=LEFT - 6, colour=ink)
        else:
            b.notes.append(dict(
                text=f"layer {l + 1}", x=float(b.columns.middle[column]), xref="x", y=y / px, yref="y2", xanchor="right",
                xshift=-8, yanchor="middle", showarrow=False, font=dict(size=SIZE, color=ink)))


def gate_map(b, z, top, axis, xaxis, low, high, stops, name):
    """A map of z (rows, columns) that fills one track from `top` px on."""
    row = "layer" if b.opened is None else "neuron"
    b.traces.append(dict(
        type="heatmap", x=b.columns.edges, y=np.arange(1, len(z) + 1, dtype=np.float32), z=f4(z), zmin=low, zmax=high,
        colorscale=stops, showscale=False, name=name, xaxis=xaxis, yaxis=axis,
        hovertemplate=row + " %{y:.0f}, step %{x:.0f}: " + name + " %{z:.2f}<extra></extra>",
        **b.gaps(top, b.gate, np.isfinite(z))))


def draw_gates(b):
    most = b.reading.max_slope or 1.0
    top = "" if most == 1.0 else f" (0 to {most})"
    words = "white passes" if b.name == "light" else "bright passes"
    b.heading("How open each cell is", f"mean φ′{top}: {words}, dark blocks", b.gates_top - 20)
    gate_map(b, b.columns.median(b.reading.openness), b.gates_top, "y3", "x2", 0.0, most,
                  [[0, b.theme.shut], [1, b.theme.open]], "mean φ′")


def draw_activations(b):
    o, theme = b.opened, b.theme
    b.heading(f"What layer {o.layer + 1} says", "ink is |<i>h</i>|, a dash is a negative value", b.gates_top - 20)
    size = b.columns.median(np.abs(o.h))
    most = float(np.nanmax(size)) if np.isfinite(size).any() and np.nanmax(size) > 0 else 1.0
    gate_map(b, size, b.gates_top, "y5", "x", 0.0, most, [[0, theme.page], [1, theme.second]], "|h|")
    if b.columns.each == 1 and b.columns.width >= 7 and b.gate / b.rows >= 4:
        dark = size > 0.45 * most
        inks = np.where(dark, theme.page, theme.ink)
        b.dashes(o.h[:, b.columns.first] < 0, "y5", inks)
    y = b.gates_top + b.gate + TITLE - 20
    b.heading("How much it lets back", f"φ′(<i>z</i>); {escape(percent(o.shut))} of the units are shut (below 0.1)", y)
    gate_map(b, b.columns.median(o.slope), b.gates_top + b.gate + TITLE, "y3", "x2", 0.0, b.reading.max_slope or 1.0,
                  [[0, theme.shut], [1, theme.open]], "φ′")
