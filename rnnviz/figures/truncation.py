"""Truncation: which loss reaches which step, what each step adds to a gradient, and what every truncation leaves of it.

truncation_spec builds the whole Plotly specification from Accounts, as plain dicts and arrays; truncation_figure makes a
go.Figure of it for a notebook.
"""

import numpy as np

from . import colour
from .canvas import Sheet
from .columns import columns
from .curves import PLOTS, draw_curves
from .frame import composed
from .pairs import GAP, TICKS, draw_pairs
from .terms import draw_terms
from .theme import LEFT

HEAD, TITLE = 54, 40  # px: above the triangle; over a track
ROW, INFLUENCE = 24, 15  # px of the triangle's only row, and of the inputs' row
TRIANGLE, TERMS, CURVES = 94, 88, 84  # px of the three parts
FORMULA = 98  # px left free on the page for the gradient's formula
BETWEEN = 70  # px between two plots side by side


class Plan(Sheet):
    """Where the parts of the figure stand."""

    def __init__(self, accounts, theme, width, decades, page, caption, tall):
        super().__init__(theme, width, page, caption)
        self.a, self.tall = accounts, tall
        self.columns = columns(accounts.T, self.plot)
        sizes = [accounts.influence] + ([] if accounts.triangle is None else [accounts.triangle.ravel()])
        self.W = decades or colour.decades(np.concatenate(sizes))
        high = round(self.stretch * TRIANGLE) if len(accounts.losses) > 1 else ROW
        terms, curves = round(self.stretch * TERMS), round(self.stretch * CURVES)
        if tall:  # a lecture has no room for the curves
            room = tall - (HEAD + 2 * TICKS + 26 + GAP + INFLUENCE + TITLE)
            high = min(room // 2, 3 * high) if len(accounts.losses) > 1 else high
            terms, curves = room - high, 0
        self.top, self.bottom = HEAD, HEAD + high
        self.influence_bottom = self.bottom + GAP + INFLUENCE
        self.terms_top = self.influence_bottom + TICKS + 22 + TITLE
        self.terms_bottom = self.terms_top + terms
        self.curves_top = self.terms_bottom + TICKS + TITLE
        self.curves_bottom = self.curves_top + curves
        bottom = self.terms_bottom if tall or accounts.every is None else self.curves_bottom + 18
        self.equation_top = bottom + TICKS + 6
        self.height = bottom + TICKS + (22 if caption else 0) + (self.formula(FORMULA) if not tall else 0)
        self.shown = () if tall or accounts.every is None else PLOTS[::2] if self.narrow else PLOTS
        each = (self.right - LEFT + BETWEEN) / max(1, len(self.shown))
        self.plots = [(LEFT + i * each, LEFT + (i + 1) * each - BETWEEN) for i in range(len(self.shown))]

    def at(self, step):
        """px from the left of a step counted from 1, or of an edge between two."""
        first, last = self.columns.span
        return LEFT + self.plot * (step - first) / (last - first)


def truncation_spec(accounts, *, theme="light", width=1068, decades=0, page=False, caption=None, tall=None):
    """The specification {"data": .., "layout": ..} of Truncation.

    accounts: an Accounts. Other options as flow_spec.
    """
    b = Plan(accounts, theme, width, decades, page, caption, tall)
    axes = draw_pairs(b) | draw_terms(b) | draw_curves(b)
    return {"data": b.traces, "layout": composed(b, "truncation", axes)}


def truncation_figure(accounts, **options):
    """Which loss reaches which step, what each adds to the gradient, and what every truncation leaves of it.

    Options as truncation_spec. Returns a plotly go.Figure.
    """
    import plotly.graph_objects as go

    return go.Figure(truncation_spec(accounts, **options))
