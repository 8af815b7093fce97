"""The lattice of Routes: cells, the ways between them as wide as their share, and one route as arrows."""

import math

import numpy as np

from ..flow import CUT, NAN, OK, OVERFLOW, ZERO
from ..numbers import counted, grouped
from . import colour
from .canvas import f4, mix
from .frame import STILL, step_ticks
from .theme import LEFT

HEAD, BAR_ROW = 94, 40  # px above the top layer; more of it where the colour bar needs a row of its own
UNDER, AXIS = 48, 20  # px from the lowest layer to the step numbers; from those to the line under them
BAND = 14  # px of an edge that all routes cross


def draw_lattice(b):
    theme, told = b.theme, b.routes
    b.heading(title(told), "", b.head - HEAD + 14)
    b.text(remark(b), b.head - HEAD + 40, left=0, colour=theme.second)
    for kind, shares in (("time", told.through_time), ("space", told.through_space)):
        draw_edges(b, kind, shares)
    draw_gap(b)
    draw_rings(b)
    draw_nodes(b)
    if b.route is not None:
        draw_route(b)
    name_rows_and_steps(b)
    return {"xaxis2": dict(range=[LEFT, b.right], anchor="y2", **STILL),
            "yaxis2": dict(range=[b.height, 0], domain=[0, 1], anchor="x2", **STILL)}


def title(told):
    to = f"to layer {told.layer + 1}, step {told.step + 1}"
    if not told.number:
        return f"No route {to}"
    losses = len(told.lattice.starts)
    ways = "1 route" if told.number == 1 else f"{counted(told.number)} routes"
    return f"{ways} from {'the loss' if losses == 1 else f'{grouped(losses)} losses'} {to}"


def remark(b):
    theme = b.theme
    if b.route is None:
        return "Nothing reaches this cell."
    back, down = (b.route.moves.count(move) for move in ("time", "space"))
    time = f"<b style='color:{theme.time}'>← {back} × in time</b>"
    space = f"<b style='color:{theme.space}'>↓ {down} × in space</b>"
    if b.several:
        said = f"Each goes {space}, and ← in time as far as its loss is off." if down else "Each goes ← in time alone."
    elif back and down:
        said = f"Each goes {time} and {space}; only the order differs."
    else:
        said = f"It goes {time if back else space}." if back or down else "The loss’s own cell: no step in time or space."
    return said + ("  Width: share carried." if b.split > 480 and (back or down) else "")


def draw_edges(b, kind, shares):
    """Bands as wide as their share of all sizes; a hairline where a move exists that carries nothing."""
    told, places = b.routes, []
    for l in range(told.layer, b.reading.L):
        for t in b.places:
            source = (l, t + 1) if kind == "time" else (l + 1, t)
            share = share_of(told, shares, l, t)
            if np.isfinite(share) and source[1] in b.places and source[0] < b.reading.L:
                places.append((b.node_at(*source), b.node_at(l, t), share))
    ink = getattr(b.theme, kind)
    for name, fill, chosen in ((kind, mix(b.theme.page, ink, 0.34), [p for p in places if p[2] > 0]),
                               (f"no {kind}", b.theme.hairline, [p for p in places if p[2] == 0])):
        areas(b, name, fill, [band(source, end, edge_width(b, share)) for source, end, share in chosen])


def edge_width(b, share):
    """px of an edge."""
    return max(1.0, min(BAND, 0.8 * b.node) * share)


def band(source, end, width):
    """The corners of a straight band between two places."""
    (x, y), (x_end, y_end) = source, end
    length = math.hypot(x_end - x, y_end - y) or 1.0
    dx, dy = width / 2 * (y - y_end) / length, width / 2 * (x_end - x) / length
    return [(x + dx, y + dy), (x_end + dx, y_end + dy), (x_end - dx, y_end - dy), (x - dx, y - dy), (x + dx, y + dy)]


def areas(b, name, fill, shapes, **axes):
    """Filled shapes as one trace; their places in px unless axes say otherwise."""
    if not shapes:
        return
    points = [point for shape in shapes for point in (*shape, (math.nan, math.nan))]
    x, y = zip(*points, strict=True)
    b.traces.append(dict(type="scatter", mode="lines", x=f4(x), y=f4(y), fill="toself", fillcolor=fill, hoverinfo="skip",
                         name=name, line=dict(width=0, color=fill), **({"xaxis": "x2", "yaxis": "y2"} | axes)))


def draw_gap(b):
    """Dots where columns are left out."""
    if None not in b.shown:
        return
    at = b.shown.index(None)
    left, right = b.places[b.shown[at - 1]] + b.node, b.places[b.shown[at + 1]] - b.node
    for i, recurs in enumerate(np.isfinite(b.routes.lattice.w_T)):
        if recurs:
            y = b.node_at(b.routes.layer + i, b.shown[0])[1]
            b.line([(left, y), (right, y)], b.theme.third, 1.5, dash="1.5 4")


def draw_rings(b):
    """A ring round the chosen cell, and one round every loss cell."""
    told, top = b.routes, b.reading.L - 1
    others = [t for t in told.lattice.starts.tolist() if b.route is None or t != b.route.start]
    main = [(told.layer, told.step), *([(top, b.route.start)] if b.route else [])]
    for name, cells, width, ink in (("other losses", [(top, t) for t in others], 1.2, b.theme.third),
                                    ("rings", main, 2.6, b.theme.ink)):
        cells = [b.node_at(*cell) for cell in cells if cell[1] in b.places]
        if cells:
            x, y = zip(*cells, strict=True)
            b.traces.append(dict(type="scatter", mode="markers", x=f4(x), y=f4(y), hoverinfo="skip", name=name,
                                 marker=dict(size=b.node + max(4, 0.28 * b.node), color=b.theme.page, opacity=1,
                                             line=dict(width=width, color=ink)), xaxis="x2", yaxis="y2"))
    low = b.row >= 46 or told.layer == 0
    x, y = b.node_at(told.layer, told.step)
    own = b.route is not None and not b.route.moves
    b.text("<b>chosen cell</b>" if low else f"<b>chosen: layer {told.layer + 1}</b>",
           y + 0.64 * b.node + 14 if low else b.lattice_bottom + 0.64 * b.node + 14, middle=max(x, 40))
    if b.route and b.route.start in b.places:
        x, y = b.node_at(top, b.route.start)
        words = "its own loss" if own else "this route’s loss" if b.several else "loss cell"
        b.text(f"<b>{words}</b>", y - 0.64 * b.node - 14, middle=min(x, b.split - 50))


def draw_nodes(b):
    reading, told = b.reading, b.routes
    cells = [(l, t) for l in range(reading.L) for t in b.places]
    x, y = zip(*(b.node_at(*cell) for cell in cells), strict=True)
    inks = [shade(b, *cell) for cell in cells]
    data = [(l + 1, t + 1, reading.log_ratio[l, t], 100 * crossing(told, l, t)) for l, t in cells]
    b.traces.append(dict(
        type="scatter", mode="markers", x=f4(x), y=f4(y), name="nodes", customdata=f4(data),
        marker=dict(size=b.node, color=inks, opacity=1, line=dict(width=1, color=b.theme.third)), xaxis="x2", yaxis="y2",
        hovertemplate="layer %{customdata[0]:.0f}, step %{customdata[1]:.0f}<br>δ is 10<sup>%{customdata[2]:.2f}</sup> of what "
                      "the loss sends in<br>%{customdata[3]:.3g}% of all sizes pass here<extra></extra>"))
    if not b.page:  # an invisible point that brings the colour bar
        b.traces.append(dict(type="scatter", mode="markers", x=f4([np.nan]), y=f4([np.nan]), hoverinfo="skip", name="colours",
                             marker=dict(color=f4([0]), coloraxis="coloraxis"), xaxis="x2", yaxis="y2"))


def shade(b, l, t):
    """The colour of a node; the page's own where there is nothing."""
    state = b.reading.state[l, t]
    if state in (CUT, ZERO, NAN):
        return b.theme.page
    left = {OK: b.reading.log_ratio[l, t], OVERFLOW: b.W}.get(state, -b.W)
    return "#" + "".join(f"{round(part):02X}" for part in colour.at(b.theme, b.W, left))


def share_of(told, shares, l, t):
    """One of the shares (K, M) of the moves into a cell; nan where there is none."""
    i, j = l - told.layer, t - told.step
    return float(shares[i, j]) if i >= 0 and 0 <= j < shares.shape[1] else math.nan


def crossing(told, l, t):
    """The share of all sizes that passes through a cell."""
    return float(np.nansum([share_of(told, shares, l, t) for shares in (told.through_time, told.through_space)]))


def draw_route(b):
    """The highlighted route, as arrows from node to node."""
    cells = b.routes.cells(b.route)
    arrows = {"time": [], "space": []}
    for move, source, end in zip(b.route.moves, cells, cells[1:], strict=False):
        if source[1] in b.places and end[1] in b.places:
            arrows[move] += arrow(b.node_at(*source), b.node_at(*end), b.node)
    for move, shapes in arrows.items():
        areas(b, f"route in {move}", getattr(b.theme, move), shapes)
    if None in b.shown:
        at = b.shown.index(None)
        inner = [cell for cell in cells if b.shown[at - 1] < cell[1] < b.shown[at + 1]]
        if inner:
            after = cells.index(inner[-1]) + 1
            before = cells.index(inner[0]) - 1
            if before >= 0 and after < len(cells):
                (x, y), (x_end, y_end) = b.node_at(*cells[before]), b.node_at(*cells[after])
                b.line([(x - b.node, y), (x_end + b.node, y_end)], b.theme.time, 2, dash="4 4")


def arrow(source, end, node):
    """The shapes of an arrow between two nodes: a shaft and, where there is room, a head."""
    (x, y), (x_end, y_end) = source, end
    length = math.hypot(x_end - x, y_end - y) or 1.0
    dx, dy = (x_end - x) / length, (y_end - y) / length
    start, tip = 0.5 * node + 2, length - 0.5 * node - 2
    head = min(12.0, 0.7 * (tip - start))
    on = lambda d: (x + dx * d, y + dy * d)  # noqa: E731
    if head < 7:
        return [band(on(0.5 * node), on(length - 0.5 * node), 2.6)]
    neck, wing = on(tip - head), (head / 2 * dy, -head / 2 * dx)
    left, right = (neck[0] + wing[0], neck[1] + wing[1]), (neck[0] - wing[0], neck[1] - wing[1])
    return [band(on(start), on(tip - 0.8 * head), 2.6), [on(tip), left, right, on(tip)]]


def name_rows_and_steps(b):
    theme, told, L = b.theme, b.routes, b.reading.L
    for l in range(L) if b.row >= 15 else {0, L - 1, told.layer}:
        words = f"layer {l + 1}"
        b.text(f"<b>{words}</b>" if l == told.layer else words, b.node_at(l, next(iter(b.places)))[1], right=LEFT - 8,
               colour=theme.ink if l == told.layer else theme.second)
    under = b.lattice_bottom + UNDER
    blocks = ([b.shown] if None not in b.shown else
              [b.shown[:b.shown.index(None)], b.shown[b.shown.index(None) + 1:]])
    for block in blocks:
        for step in step_ticks(block[0] + 1, block[-1] + 1, b.spacing * len(block) * (1 if b.reading.T < 1000 else 0.75)):
            b.text(f"<b>{step}</b>" if step == told.step + 1 else str(step), under, middle=b.places[step - 1],
                   colour=theme.ink if step == told.step + 1 else theme.second)
    words = "time step <i>t</i>"
    if len(b.places) < b.reading.T:
        drawn = " and ".join(f"{grouped(block[0] + 1)} to {grouped(block[-1] + 1)}" for block in blocks)
        words += f": {drawn} of {grouped(b.reading.T)} are drawn"
    b.text(words, under + AXIS, middle=(b.places[b.shown[0]] + b.places[b.shown[-1]]) / 2, colour=theme.second)
