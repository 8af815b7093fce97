"""Eigenvalues of a recurrent matrix against the unit circle, alone and drawn inwards by the mean phi'."""

import numpy as np

from ..numbers import number
from .canvas import f4
from .frame import STILL

AROUND = np.linspace(0.0, 2.0 * np.pi, 181)


def draw_circle(b):
    """Eigenvalues of W_T, open, and after the mean phi', amber, in a square of equal axes."""
    r, theme = b.rate, b.theme
    left, top, side = b.circle
    number_of = str(len(b.fans) + 1) if b.fans else ""
    x, y = f"x{number_of}", f"y{number_of}"
    beside = not b.narrow or bool(b.tall)
    heading, legend, flush = (16, 41, left) if beside else (top - 48, top - 24, 0)
    of_layer = "" if b.narrow and beside else f"of layer {r.layer + 1}" if r.L > 1 else "and the unit circle"
    b.heading("Eigenvalues" if b.narrow and beside else "Eigenvalues of <i>W<sub>T</sub></i>", of_layer, heading, left=flush)
    if r.eigenvalues is None:
        b.broken(f"Layer {r.layer + 1} is not recurrent.", left, left + side, top + 20)
        return {}
    mean = float(r.mean[r.layer])
    after = f"× φ′ = {number(mean)}" if b.narrow and beside else f"after the mean φ′ = {number(mean)}"
    drawn_in = f"   <span style='color:{theme.time}'>●</span> {after}" if np.isfinite(mean) else ""
    b.text(f"○ alone{drawn_in}", legend, left=flush, colour=theme.second)
    reach = 1.12 * max(1.0, r.radius)
    b.traces.append(dict(type="scatter", mode="lines", x=f4(np.cos(AROUND)), y=f4(np.sin(AROUND)), hoverinfo="skip",
                         name="circle", line=dict(width=1.4, color=theme.third), xaxis=x, yaxis=y))
    size = float(np.clip(200.0 / len(r.eigenvalues), 4.0, 11.0))
    if np.isfinite(mean):
        draw_inwards(b, size, x, y)
    b.traces.append(dict(
        type="scatter", mode="markers", x=f4(r.eigenvalues.real), y=f4(r.eigenvalues.imag), name="eigenvalues", xaxis=x,
        yaxis=y, marker=dict(symbol="circle-open", size=size, color=theme.ink, line=dict(width=1.8 if size > 6 else 1.2)),
        customdata=f4(np.abs(r.eigenvalues)), hovertemplate="eigenvalue of size %{customdata:.3f}<extra></extra>"))
    for place, word in ((-1, "−1"), (0, "0"), (1, "1")):
        away = side * (place / reach + 1) / 2
        if reach < 5 or place == 0:  # else they would stand on each other
            b.text(word, top + side - away, right=left - 6, colour=theme.second)
            b.text(word, top + side + 11, middle=left + away, colour=theme.second)
    axis = STILL | dict(showgrid=True, gridcolor=theme.grid, tickvals=[0], range=[-reach, reach])
    return {f"xaxis{number_of}": dict(domain=b.across(left, left + side), anchor=y, **axis),
            f"yaxis{number_of}": dict(domain=b.domain(top, top + side), anchor=x, **axis)}


def draw_inwards(b, size, x, y):
    """The same eigenvalues times the mean phi', each joined to where it was."""
    alone, after = b.rate.eigenvalues, b.rate.drawn_in
    gap = np.full(len(alone), np.nan)
    b.traces.append(dict(
        type="scatter", mode="lines", x=f4(np.stack([alone.real, after.real, gap], axis=1).ravel()), hoverinfo="skip",
        y=f4(np.stack([alone.imag, after.imag, gap], axis=1).ravel()), line=dict(width=0.9, color=b.theme.time), xaxis=x,
        yaxis=y, name="inwards"))
    b.traces.append(dict(
        type="scatter", mode="markers", x=f4(after.real), y=f4(after.imag), name="after the mean slope", xaxis=x, yaxis=y,
        marker=dict(size=0.8 * size, color=b.theme.time), customdata=f4(np.abs(after)),
        hovertemplate="after the mean φ′: size %{customdata:.3f}<extra></extra>"))
