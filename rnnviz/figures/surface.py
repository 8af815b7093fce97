"""An error surface in greys, the two ways down over it, and the lines where the unit's long run changes."""

from html import escape

import numpy as np

from ..landscape import inside
from ..numbers import number, significant
from .canvas import f4, mix
from .labels import APART, between, boxes, place, width_of

GREY = 0.78  # how far the shade goes from the page's colour to the axes' grey
LEVELS = 14  # contours
WIDE = 1000.0  # a loss whose largest value is so many times its median is shown as a power of ten
MOST_DECADES = 10  # of such a shade
STOPS = 13
HEAD = 11  # px of an arrow's head
FEW = 120  # steps whose points are drawn
KINDS = {"fold": "fold", "flip": "flip", "boundary": "basin boundary"}
MEANINGS = {"fold": "fold: two fixed points meet and vanish", "flip": "flip: a fixed point turns into a cycle of two states",
            "boundary": "the unit starts on the boundary of two basins"}


def draw_surface(b):
    """The shaded surface, its lines, both ways and all words on it; its axes."""
    w, theme = b.wall, b.theme
    z, powers = shade(b)
    b.traces.append(dict(
        type="contour", name="surface", x=f4(w.surface.x), y=f4(w.surface.y), z=f4(z), xaxis="x", yaxis="y",
        colorscale=greys(theme, powers), showscale=False, connectgaps=False, **limits(z),
        line=dict(width=0.6, color=mix(theme.page, theme.third, 0.9)), hovertemplate=hover(b, powers)))
    b.taken, b.words = boxes([*drawn(b, w.plain), *drawn(b, w.other)]), []
    for line in w.lines:
        draw_line(b, line)
    leave(b, w.other, theme.space)
    leave(b, w.plain, theme.grows)
    draw_path(b, w.other, theme.space, w.other_name)
    draw_path(b, w.plain, theme.grows, "plain")
    draw_start(b)
    name_ways(b)
    name_shades(b, z)
    return draw_axes(b)


def shade(b):
    """(z (ny, nx), powers): what is shaded, and whether it is log10 of it; nan where it is beyond the float range."""
    surface = b.wall.surface
    values = surface.norm if b.shade == "gradient" else surface.loss
    z = np.where(np.isfinite(values), values, np.nan)
    if not np.isfinite(z).any():
        return z, False
    powers = b.shade == "gradient" or np.nanmax(z) > WIDE * np.nanmedian(z)
    if not powers:
        return z, False
    with np.errstate(divide="ignore"):
        z = np.log10(z)
    return np.maximum(z, np.nanmax(z) - MOST_DECADES), True  # an exact 0 has no power: it lies at the lower end


def limits(z):
    """The ends of the shade, and where its contours lie."""
    there = z[np.isfinite(z)]
    low, high = (float(there.min()), float(there.max())) if there.size else (0.0, 1.0)
    size = (high - low) / LEVELS or 1.0
    contours = dict(coloring="heatmap", showlines=True, start=low + size, end=high - size / 2, size=size)
    return dict(zmin=low, zmax=high if high > low else low + 1.0, autocontour=False, contours=contours)


def greys(theme, powers):
    """The colour scale: as much ink as there is loss. A loss that is no power of ten is inked by its root, the error."""
    places = np.linspace(0.0, 1.0, STOPS)
    return [[float(p), mix(theme.page, theme.third, GREY * (p if powers else np.sqrt(p)))] for p in places]


def hover(b, powers):
    x, y = (escape(name) for name in b.wall.surface.landscape.names)
    what = "‖gradient‖" if b.shade == "gradient" else "loss"
    value = "10<sup>%{z:.2f}</sup>" if powers else "%{z:.4g}"
    return f"{x} %{{x:.4g}}, {y} %{{y:.4g}}: {what} {value}<extra></extra>"


# Where words may stand.


def drawn(b, path):
    """(N, 2) px along a way, APART from one to the next: all of it inside the frame, and its arrow to the frame's edge."""
    there = inside(b.wall.surface, path.points)
    k = np.flatnonzero(there)
    starts = b.px(path.points[k])
    if not len(k):
        return starts
    ends = np.concatenate([b.px(path.points[k[1:]]), starts[-1:]])
    for i in np.flatnonzero(np.diff(k, append=k[-1] + 2) > 1):  # the next point lies outside, or there is none
        outer = path.points[k[i] + 1:k[i] + 2]
        ends[i] = crossing(b, path.points[k[i]], outer[0])[1] if np.isfinite(outer).all() and len(outer) else starts[i]
    return between(starts, ends, APART)


def corners(b):
    """Spots all over the frame, the corners first."""
    return [(b.left + 8 + across * (b.edge - b.left), b.top + 14 + down * (b.bottom - b.top - 28))
            for across in (0.0, 1.0, 0.33, 0.66) for down in (1.0, 0.0, 0.25, 0.5, 0.75)]


# What is drawn.


def draw_line(b, line):
    theme = b.theme
    b.traces.append(dict(type="scatter", mode="lines", name=line.kind, x=f4(line.w), y=f4(line.b), xaxis="x", yaxis="y",
                         line=dict(width=1.2, color=theme.ink, dash="dot" if line.kind == "boundary" else "dash"),
                         hovertemplate=f"{MEANINGS[line.kind]}<extra></extra>"))
    ends = b.px(np.stack([line.w, line.b], axis=-1))
    b.taken += boxes(ends[(ends > (b.left, b.top)).all(axis=1) & (ends < (b.edge, b.bottom)).all(axis=1)], APART / 2)
    wide = width_of(KINDS[line.kind])
    spots = [(x + dx, y + dy) for x, y in ends[::-6] for dx in (8, -wide - 8) for dy in (-14, 14)]
    place(b, (KINDS[line.kind], theme.ink), spots)


def draw_path(b, path, ink, name):
    """The points of a way inside the frame, joined."""
    there = inside(b.wall.surface, path.points)
    points = np.where(there[:, None], path.points, np.nan)
    many = path.steps > FEW
    b.traces.append(dict(
        type="scatter", mode="lines+markers", name=name, x=f4(points[:, 0]), y=f4(points[:, 1]), xaxis="x", yaxis="y",
        line=dict(width=1.4 if many else 2.2, color=ink), marker=dict(size=3.5 if many else 6, color=ink), connectgaps=False,
        customdata=f4(np.stack([np.arange(len(points)), path.loss, path.norm], axis=-1)),
        hovertemplate=f"{name}, after %{{customdata[0]:.0f}} steps: loss %{{customdata[1]:.4g}}, ‖gradient‖ "
                      "%{customdata[2]:.3g}<extra></extra>"))


def leave(b, path, ink):
    """An arrow from the last point of a way before it leaves the frame to where it crosses the edge."""
    there = inside(b.wall.surface, path.points)
    if there.all() or not there[0]:
        return
    first = int((~there).argmax())
    tail, tip = crossing(b, path.points[first - 1], path.points[first])
    along = (tip - tail) / (np.hypot(*(tip - tail)) or 1.0)
    side = np.array([-along[1], along[0]])
    neck = tip - HEAD * along
    b.line([tail, neck], ink, 2.6)
    b.line([tip, neck + 0.5 * HEAD * side, neck - 0.5 * HEAD * side], ink, 1, fill=ink)
    if path is b.wall.plain:
        b.tip = tip


def crossing(b, inner, outer):
    """(tail, tip) in px: from a point inside the frame towards one outside, as far as the frame's edge."""
    (low_x, high_x), (low_y, high_y) = b.wall.surface.frame
    step, share = outer - inner, 1.0
    for of, low, high, at in ((step[0], low_x, high_x, inner[0]), (step[1], low_y, high_y, inner[1])):
        if of:
            share = min(share, ((high if of > 0 else low) - at) / of)
    return b.px(np.stack([inner, inner + share * step]))


def draw_start(b):
    theme, start = b.theme, b.wall.start
    b.traces.append(dict(
        type="scatter", mode="markers", name="start", x=f4(start[:1]), y=f4(start[1:]), xaxis="x", yaxis="y",
        marker=dict(size=13, color=theme.page, line=dict(width=3.2, color=theme.ink)), cliponaxis=True,
        hovertemplate="start<extra></extra>"))
    if not starts_inside(b.wall):
        place(b, ("start: outside the frame", theme.ink), corners(b))
        return
    (x, y), = b.px(start[None])
    place(b, ("start", theme.ink), [(x + 12, y), (x - 46, y), (x + 12, y - 18), (x + 12, y + 18)])


def starts_inside(wall):
    return bool(inside(wall.surface, wall.start[None])[0])


def name_ways(b):
    """What became of both ways, in words beside them."""
    w, theme = b.wall, b.theme
    if b.tip is not None:
        x, y = b.tip
        wide = width_of(thrown(w))
        spots = [(x + dx, y + dy) for aside in (16, 40, 90) for dy in (20, 44, -20) for dx in (-wide - aside, aside)]
        place(b, (f"<b>{thrown(w)}</b>", theme.grows), spots)
    else:
        words = thrown(w) if w.leaves is not None and starts_inside(w) else ended(w.plain, unclipped(w))
        place(b, (f"<b>{words}</b>", theme.grows), corners(b))
    place(b, (f"<b>{ended(w.other, w.other_name)}</b>", theme.space), corners(b))


def unclipped(wall):
    """What plain descent is called beside the other way."""
    return "plain" if wall.method == "RProp" else "unclipped"


def thrown(wall):
    """What became of plain descent, once it has left the frame."""
    if wall.steepest + 1 != wall.leaves:
        return f"{unclipped(wall)}: leaves the frame"
    if wall.lands is None:
        return f"{unclipped(wall)}: thrown beyond the float range"
    far = significant(wall.thrown, 3) if wall.thrown < 1000 else number(wall.thrown)
    return f"{unclipped(wall)}: thrown {far} units away"


def ended(path, name):
    """Where a way ends."""
    if path.stopped:
        return f"{name}: leaves the float range at step {path.stopped}"
    return f"{name}: loss {number(float(path.loss[-1]))} after {path.steps} step{'s' * (path.steps != 1)}"


def name_shades(b, z):
    """The words for the darkest and the lightest part of the surface, where nothing else stands."""
    what = "gradient" if b.shade == "gradient" else "loss"
    if not np.isfinite(z).any() or b.narrow:
        return
    rows, columns = z.shape
    high, low = np.where(np.isfinite(z), z, -np.inf), np.where(np.isfinite(z), z, np.inf)
    most, least = ("large", "small") if b.shade == "gradient" else ("high", "low")
    words = ((most, np.argsort(-high, axis=None)), (least, np.argsort(low, axis=None)))
    for name, order in words:
        some = order[:rows * columns // 5:max(1, rows * columns // 400)]
        points = np.stack([b.wall.surface.x[some % columns], b.wall.surface.y[some // columns]], axis=-1)
        spots = [(x - 25, y) for x, y in b.px(points) if b.left + 40 < x < b.edge - 60 and b.top + 20 < y < b.bottom - 20]
        if spots:
            place(b, (f"{name} {what}", b.theme.ink), spots)


def draw_axes(b):
    """Ticks and names of the two weights, at fixed px; the axes themselves."""
    theme, landscape = b.theme, b.wall.surface.landscape
    (low_x, high_x), (low_y, high_y) = frame = b.wall.surface.frame
    for value, words in ticks(low_x, high_x, (b.edge - b.left) / 80):
        b.text(words, b.bottom + 11, middle=b.px(np.array([[value, low_y]]))[0, 0], colour=theme.second)
    for value, words in ticks(low_y, high_y, (b.bottom - b.top) / 45):
        b.text(words, b.px(np.array([[low_x, value]]))[0, 1], right=b.left - 6, colour=theme.second)
    name_x, name_y = map(name_of, landscape.names, landscape.meanings)
    if not np.isfinite(b.wall.surface.norm if b.shade == "gradient" else b.wall.surface.loss).all():
        b.text("blank: beyond the float range", b.top - 20, right=b.edge, colour=theme.second)
    b.text(name_x, b.bottom + 30, middle=(b.left + b.edge) / 2, colour=theme.second)
    b.text(f"{name_y} ↑", b.top - 20, left=0, colour=theme.second)
    b.surface = dict(left=b.left, right=b.edge, top=b.top, bottom=b.bottom, x=list(frame[0]), y=list(frame[1]))
    still = dict(showgrid=False, zeroline=False, ticks="", fixedrange=True, showticklabels=False)
    return {"xaxis": dict(range=[low_x, high_x], domain=b.across(b.left, b.edge), anchor="y", **still),
            "yaxis": dict(range=[low_y, high_y], domain=b.domain(b.top, b.bottom), anchor="x", **still)}


def name_of(name, meaning):
    """A weight as its axis names it: by its letter, or, one of many in a matrix or a vector, by its place there."""
    _, *place = name.split(" ")
    if not place:
        return f"{meaning} <i>{escape(name)}</i>".strip()
    return ", ".join([meaning, *(f"{what} {at}" for what, at in zip(("row", "column") if place[1:] else ("unit",), place,
                                                                    strict=True))])


def ticks(low, high, most):
    """[(value, words)] of round numbers between two ends, about `most` of them."""
    rough = (high - low) / max(2.0, most)
    unit = 10.0 ** np.floor(np.log10(rough))
    step = unit * next(k for k in (1, 2, 5, 10) if k * unit >= rough * 0.999)
    places = max(0, -int(np.floor(np.log10(step) + 1e-9)))
    values = step * np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1)
    return [(float(value), f"{value + 0.0:.{places}f}".replace("-", "−")) for value in values]


