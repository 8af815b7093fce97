"""Routes: the ways from the losses to one cell, one term each, and the gradient that they add up to.

routes_spec builds the whole Plotly specification, as plain dicts and arrays; routes_figure makes a go.Figure of it for a
notebook. Where layers are wider than one unit there are no single routes, and the U,V,W text's sum over steps stands alone.
"""


import numpy as np

from ..flow import OK
from . import colour
from .bars import LINE, draw_product, draw_terms
from .canvas import Sheet
from .columns import columns
from .frame import STILL, composed
from .groups import GROUP, NOTE, draw_groups
from .immediate import HEIGHT as SUM
from .immediate import draw_sum
from .lattice import AXIS, BAR_ROW, HEAD, UNDER, draw_lattice
from .theme import LEFT

FORMULA = 92  # px left free on the page for the chosen cell's equation
ALONE = 380  # px of the sum over steps where it stands alone
SIDE_BY_SIDE = 760  # px of width from which the terms stand beside the lattice
SPACING, MOST_SPACING, NODE = 22, 70, 30  # px from column to column, at least and at most; of the largest node


class Plan(Sheet):
    """Where the parts of the figure stand."""

    def __init__(self, reading, routes, groups, sum_, route, theme, width, decades, page, caption, tall):
        super().__init__(theme, width, page, caption)
        self.reading, self.routes, self.groups, self.tall = reading, routes, groups, tall
        finite = np.where(reading.state == OK, reading.log_ratio, np.nan)
        self.W = decades or colour.decades(finite)
        self.columns = columns(reading.T, self.plot)
        self.beside = bool(tall) or width >= SIDE_BY_SIDE
        self.split = round(0.53 * width) if self.beside else self.right
        self.head = HEAD + (BAR_ROW if width < 1000 else 0)
        self.route = routes.largest[min(route, len(routes.largest) - 1)] if routes and routes.largest else None
        foot = (22 if caption else 4) + (self.formula(FORMULA) if not tall else 0)
        if routes is None:
            self.sum_top, self.sum_bottom = 0, max(tall or ALONE, SUM)
            self.equation_top = self.sum_bottom + 14
            self.height = self.equation_top + foot
            return
        rows = reading.L
        high = round(self.stretch * {1: 40, 2: 120}.get(rows, min(170, 120 + 6 * rows)))
        lines = 1 if tall else 2
        if tall:
            high = max(40, tall - (self.head + UNDER + AXIS + 30 + lines * LINE))
        self.row = high / max(1, rows - 1)
        self.top = self.head + (high / 2 if rows == 1 else 0)
        self.lattice_bottom = self.head + high
        left_bottom = self.lattice_bottom + UNDER + AXIS
        self.terms_top = self.head - 28 if self.beside else left_bottom + 84
        self.groups_top = left_bottom + 34
        groups = GROUP * 6 + (2 * NOTE if rows == 2 else 0) + 22  # the text with the misprint has two layers
        if tall:
            self.terms_bottom = left_bottom
        elif self.beside:
            self.terms_bottom = left_bottom = self.groups_top + groups
        else:
            self.terms_bottom = self.terms_top + 9 * 32
            self.groups_top = self.terms_bottom + 40
            left_bottom = self.groups_top + groups
        self.product_top = left_bottom + 22
        self.sum_top = self.product_top + lines * LINE
        self.sum_bottom = self.sum_top + (SUM if sum_ is not None and not tall else 0)
        self.equation_top = self.sum_bottom + 2
        self.height = self.equation_top + foot
        self.terms_left = self.split + 30 if self.beside else 0
        self.several = len(routes.lattice.starts) > 1
        self.shown = shown_steps(self)
        self.spacing = min(MOST_SPACING * self.stretch, (self.split - LEFT - 16) / len(self.shown))
        self.node = max(5.0, min(NODE * self.stretch, 0.55 * self.spacing, 0.62 * self.row if rows > 1 else NODE))
        self.places = {t: LEFT + 14 + (i + 0.5) * self.spacing for i, t in enumerate(self.shown) if t is not None}

    def at(self, step):
        """px from the left of a step counted from 1, or of an edge between two, where all steps are columns."""
        first, last = self.columns.span
        return LEFT + self.plot * (step - first) / (last - first)

    def node_at(self, l, t):
        """px of the node of layer l, step t (from 0), from the figure's left and top."""
        return self.places[t], self.top + self.row * (self.reading.L - 1 - l)


def shown_steps(b):
    """The steps (from 0) drawn as columns, in order: all, or those round the routes, with a None for what is left out."""
    told, T = b.routes, b.reading.T
    most = max(4, int((b.split - LEFT - 16) // SPACING))
    last = told.step + max(0, told.through_time.shape[1] - 1)
    if most >= T:
        return list(range(T))
    if last - told.step + 1 <= most:
        low = min(max(0, last + 1 - most // 2 - (last - told.step + 1) // 2), T - most, told.step)
        return list(range(max(low, last + 1 - most), max(low, last + 1 - most) + most))
    half = (most - 1) // 2
    return [*range(told.step, told.step + half), None, *range(last + 1 - half, last + 1)]


def routes_spec(reading, routes=None, groups=None, sum_=None, *, why="", route=0, theme="light", width=1068, decades=0,
                page=False, caption=None, tall=None):
    """The specification {"data": .., "layout": ..} of Routes.

    reading: the Flow of the run, for delta = dC/dz. routes: the Routes to the chosen cell; None where layers are wider than one
    unit. groups: the Groups of its layer, with four groups spelled, or None where it is not recurrent. sum_: the Sum of a
    parameter's gradient, which holds for any width, or None; why: why there is none. route: which of the largest is drawn as
    arrows, from 0. Other options as flow_spec.
    """
    b = Plan(reading, routes, groups, sum_, route, theme, width, decades, page, caption, tall)
    axes = {}
    if routes is not None:
        axes = draw_lattice(b) | draw_terms(b)
        draw_product(b)
        if not tall:
            draw_groups(b)
    if b.sum_bottom > b.sum_top:
        axes |= draw_steps(b, sum_, why)
    return {"data": b.traces, "layout": composed(b, "routes", axes, coloured=routes is not None)}


def routes_figure(reading, routes=None, groups=None, sum_=None, **options):
    """Every way from the loss to one cell, the term of each, and what they add up to.

    Options as routes_spec. Returns a plotly go.Figure.
    """
    import plotly.graph_objects as go

    return go.Figure(routes_spec(reading, routes, groups, sum_, **options))


def draw_steps(b, sum_, why):
    """The sum over steps, or why there is none."""
    if sum_ is None:
        b.text(why, b.sum_top + 14, left=0, colour=b.theme.second)
        return {}
    return draw_sum(b, sum_, b.sum_top, b.sum_bottom) | {
        "xaxis": dict(range=list(b.columns.span), anchor="y9", **STILL)}
