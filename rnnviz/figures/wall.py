"""Wall: an error surface, two ways down from one start, and the size of the gradient that they meet at every step.

wall_spec builds the whole Plotly specification from a Wall, as plain dicts and arrays; wall_figure makes a go.Figure of it for
a notebook.
"""

from html import escape

import numpy as np

from ..numbers import from_log, number, significant
from .canvas import Sheet, f4
from .frame import composed, log_ticks, step_ticks
from .surface import FEW, draw_surface, starts_inside, unclipped
from .theme import LEFT

HEAD, TICKS = 82, 44  # px: above the surface; under it, its tick labels and its axis' name
SURFACE, SHARE = 434, 0.52  # px of its height; its part of the width
UNDER, NORMS = 88, 150  # px of a narrow figure: over the second plot, and of it
BETWEEN = 104  # px between the two plots
MOST_DECADES = 12  # of gradient sizes
SHADES = ("loss", "gradient")


class Plan(Sheet):
    """Where the parts of the figure stand."""

    def __init__(self, wall, shade, theme, width, page, caption, tall):
        super().__init__(theme, width, page, caption)
        self.wall, self.shade, self.W = wall, shade, 2
        self.tip = self.surface = None
        self.top, self.left = HEAD, LEFT
        if self.narrow:
            self.edge, self.bottom = self.right, HEAD + round(0.8 * SURFACE)
            self.norms_left, self.norms_top = LEFT, self.bottom + TICKS + UNDER
            self.norms_bottom = self.norms_top + NORMS
        else:
            self.edge = LEFT + round(SHARE * width)
            self.bottom = tall - TICKS if tall else HEAD + round(self.stretch * SURFACE)
            self.norms_left, self.norms_top, self.norms_bottom = self.edge + BETWEEN, HEAD, self.bottom
        self.equation_top = self.norms_bottom + TICKS
        self.height = self.norms_bottom + TICKS + (22 if caption else 0)

    def px(self, points):
        """(N, 2) px from the figure's left and top of points (N, 2) of the two weights."""
        (low_x, high_x), (low_y, high_y) = self.wall.surface.frame
        x = self.left + (self.edge - self.left) * (points[:, 0] - low_x) / (high_x - low_x)
        y = self.bottom - (self.bottom - self.top) * (points[:, 1] - low_y) / (high_y - low_y)
        return np.stack([x, y], axis=-1)


def wall_spec(wall, *, shade="loss", theme="light", width=1068, decades=0, page=False, caption=None, tall=None):
    """The specification {"data": .., "layout": ..} of Wall.

    wall: a Wall. shade: what is shaded, "loss" or "gradient". Other options as flow_spec; decades has no use here. On the page
    layout.meta.surface says where the surface stands, in px, and which weights that is: left, right, top, bottom, x, y.
    """
    if shade not in SHADES:
        raise ValueError(f"shade is {shade!r}; it must be {' or '.join(SHADES)}")
    b = Plan(wall, shade, theme, width, page, caption, tall)
    draw_headings(b)
    axes = draw_surface(b) | draw_norms(b)
    layout = composed(b, "wall", axes, coloured=False)
    layout["meta"]["surface"] = b.surface
    return {"data": b.traces, "layout": layout}


def wall_figure(wall, **options):
    """An error surface, two ways down it from one start, and the size of the gradient that they meet at every step.

    Options as wall_spec. Returns a plotly go.Figure.
    """
    import plotly.graph_objects as go

    return go.Figure(wall_spec(wall, **options))


def draw_headings(b):
    w = b.wall
    about = ("" if b.shade == "loss" else "size of the gradient of the ") + w.surface.landscape.about
    b.heading("The wall", "" if b.narrow else escape(about), 14)
    b.text(difference(w), 38, left=0, colour=b.theme.second)


def difference(wall):
    """In what the two ways differ."""
    rate = setting(wall.rate)
    if wall.method == "RProp":
        return f"Same start: gradient descent at learning rate {rate}, and RProp."
    limit = f"‖<i>g</i>‖ ≤ {setting(wall.clip)}" if wall.method == "norm" else f"|<i>g<sub>i</sub></i>| ≤ {setting(wall.clip)}"
    return f"Same start, same learning rate {rate}; only the clip at {limit} differs."


def setting(value):
    """A learning rate or a clip as it was set."""
    return f"{value:g}" if 0.001 <= value < 1e5 else number(value)


def draw_norms(b):
    """The size of the gradient at each step of both ways, on a log axis."""
    w, theme = b.wall, b.theme
    b.heading("Gradient at each step", "", b.norms_top - HEAD + 14, left=b.norms_left - 50 if not b.narrow else 0)
    largest = f"largest ‖<i>g</i>‖ {unclipped(w)}: <b style='color:{theme.grows}'>{number(w.largest)}</b>"
    largest += "" if w.clip is None else f"; dashed: clip at {setting(w.clip)}"
    b.text(largest, b.norms_top - HEAD + 38, left=b.norms_left - 50 if not b.narrow else 0, colour=theme.second)
    low, high = span(w)
    steps = max(len(w.plain.met), len(w.other.met))

    def height(value):
        return b.norms_bottom - (b.norms_bottom - b.norms_top) * (value - low) / (high - low)

    places, words = log_ticks(low, high)
    for value, text in zip(places, words, strict=True):
        b.text(text, height(value), right=b.norms_left - 6, colour=theme.second)
    for step in step_ticks(1, steps, b.right - b.norms_left):
        at = b.norms_left + (b.right - b.norms_left) * (step - 0.5) / steps
        b.text(str(step), b.norms_bottom + 11, middle=at, colour=theme.second)
    b.text("descent step", b.norms_bottom + 30, middle=(b.norms_left + b.right) / 2, colour=theme.second)
    if w.clip is not None:
        y = height(np.log10(w.clip))
        if b.norms_top <= y <= b.norms_bottom:
            b.line([(b.norms_left, y), (b.right, y)], theme.ink, 1.4, dash="8 5")
    draw_sizes(b, w.other, theme.space, w.other_name, low, steps)
    draw_sizes(b, w.plain, theme.grows, "plain", low, steps)
    say_after(b)
    still = dict(zeroline=False, ticks="", fixedrange=True, showticklabels=False)
    return {"xaxis2": dict(range=[0.5, steps + 0.5], domain=b.across(b.norms_left, b.right), anchor="y2", showgrid=False,
                           **still),
            "yaxis2": dict(range=[low, high], domain=b.domain(b.norms_top, b.norms_bottom), anchor="x2", gridcolor=theme.grid,
                           tickvals=places, **still)}


def draw_sizes(b, path, ink, name, low, steps):
    """The sizes of the gradients of one way, as far as they have a place on the axis."""
    size = path.met
    with np.errstate(divide="ignore"):
        values = np.log10(np.where(np.isfinite(size), size, np.nan))
    values[1:][(values[1:] < low) & (values[:-1] < low)] = np.nan  # the line goes down to the foot, and not along it
    at, mode = np.arange(1, len(size) + 1), "lines" if steps > FEW else "lines+markers"
    b.traces.append(dict(
        type="scatter", mode=mode, name=f"{name} gradient", x=f4(at), y=f4(np.maximum(values, low - 1.0)), xaxis="x2",
        yaxis="y2", line=dict(width=1.8, color=ink), marker=dict(size=5.5, color=ink), connectgaps=False,
        customdata=f4(size), hovertemplate=f"{name}, step %{{x:.0f}}: ‖<i>g</i>‖ = %{{customdata:.3g}}<extra></extra>"))


def span(wall):
    """(low, high) of the axis, log10: all that both ways meet before they leave the frame, the largest, and the clip."""
    sizes = np.concatenate([wall.met, wall.other.met, [wall.clip or np.nan]])
    sizes = np.log10(sizes[np.isfinite(sizes) & (sizes > 0)])
    if not sizes.size:
        return -1.0, 1.0
    high = float(sizes.max())
    low = max(float(sizes.min()), high - MOST_DECADES)
    if len(log_ticks(low, high)[0]) < 2:  # nearly one size
        low, high = low - 1.0, high + 1.0
    return low - 0.06 * max(high - low, 1.0), high + 0.12 * max(high - low, 1.0)


def say_after(b):
    """What the plain gradient is once it has left the frame."""
    w = b.wall
    if w.leaves is None or not starts_inside(w):
        return
    after = float(w.plain.norm[w.leaves]) if not w.plain.stopped else np.inf
    if w.plain.stopped:
        words = f"{unclipped(w)}: beyond the float range at step {w.plain.stopped}"
    elif after == 0 or after < w.usual / 1000:
        words = f"{unclipped(w)}, once thrown: {from_log(np.log10(after)) if after else 'exactly 0'}"
    else:
        words = f"{unclipped(w)}, once outside: {significant(after, 2)}"
    b.text(words, b.norms_top - 20, left=0 if b.narrow else b.norms_left - 50, colour=b.theme.grows)
