"""Which loss reaches which step: the triangle of pairs, what a schedule drops of it, and the influence of the inputs."""

from html import escape

import numpy as np

from ..numbers import grouped, percent
from .canvas import f4
from .frame import STILL, step_ticks
from .theme import LEFT

TICKS, GAP = 20, 6  # px: tick labels; between the triangle and the row under it
FEW = 16  # passes whose beginnings are drawn
VEIL = 0.82  # how much of the page's colour lies over what is dropped


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
    n = len(edges)
    return {"xaxis": dict(range=list(b.columns.span), anchor="y", **STILL),
            "yaxis": dict(range=[0.5, n + 0.5], domain=b.domain(b.top, b.bottom), **STILL),
            "yaxis2": dict(range=[0.5, 1.5], domain=b.domain(b.bottom + GAP, b.influence_bottom), **STILL)}


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
