"""Rate: how far each step back stretches a gradient, and what of that the recurrent matrix and the activation decide.

rate_spec builds the whole Plotly specification from a Rate, as plain dicts and arrays; rate_figure makes a go.Figure of it
for a notebook.
"""

from textwrap import wrap

from .canvas import Sheet
from .circle import draw_circle
from .facts import draw_facts, draw_slopes
from .fans import draw_fans, fans_of, span_of
from .frame import composed
from .theme import LEFT

HEAD, TICKS, AXIS = 64, 20, 22  # px: over the plots; tick labels; the axis' name
FANS, SIDE = 316, 260  # px: height of the fans; side of the circle's square
LINE, HEADING = 19, 66  # px of a broken line; over the circle where it stands by itself
BETWEEN, BESIDE = 44, 62  # px between two fans; between fans and circle
LETTER = 6.6  # px of a letter, for lines that are broken


class Plan(Sheet):
    """Where the parts of the figure stand."""

    def __init__(self, rate, theme, width, decades, page, caption, tall):
        super().__init__(theme, width, page, caption)
        self.rate, self.tall, self.W = rate, tall, decades or 2
        self.fans = fans_of(rate)
        self.low, self.high = span_of(self.fans, decades)
        high = round(self.stretch * FANS)
        side = round(min(self.stretch * SIDE, 0.4 * self.plot)) if not self.narrow else min(SIDE, round(0.55 * self.plot))
        if rate.eigenvalues is None:
            side = min(side, 2 * LINE) if self.narrow else side
        if tall:
            high = tall - HEAD - TICKS - AXIS
            side = min(side, high)
        self.top, self.bottom = HEAD, HEAD + high
        under = self.bottom + TICKS + AXIS
        if self.narrow and not tall:
            self.fans_right = self.right
            self.circle = (LEFT, under + HEADING, side)
            under += HEADING + side + TICKS
        else:
            side = min(side, (self.plot - 2 * BESIDE) // 2)
            self.fans_right = self.right - side - BESIDE
            self.circle = (self.right - side, HEAD + (high - side) // 2, side)
        each = (self.fans_right - LEFT + BETWEEN) / max(1, len(self.fans))
        self.plots = [(LEFT + i * each, LEFT + (i + 1) * each - BETWEEN) for i in range(max(1, len(self.fans)))]
        self.facts_top, bottom = under + 12, under
        if not tall:
            bottom = draw_facts(self)
            bottom = draw_slopes(self, bottom)
        self.equation_top = bottom + 4
        self.height = tall or bottom + (22 if caption else 4)

    def broken(self, words, left, right, y, colour=None):
        """Plain words in lines that end before `right` px, the first at y px; returns where the next would stand."""
        for line in wrap(words, max(12, int((right - left) / LETTER))):
            self.text(line, y, left=left, colour=colour or self.theme.second)
            y += LINE
        return y


def rate_spec(rate, *, theme="light", width=1068, decades=0, page=False, caption=None, tall=None):
    """The specification {"data": .., "layout": ..} of Rate.

    rate: a Rate. decades: how far the axis of the singular values reaches on both sides of 1, 0 for what they need. tall: px of
    a lecture's figure, which has the plots and no facts. Other options as flow_spec.
    """
    b = Plan(rate, theme, width, decades, page, caption, tall)
    axes = draw_fans(b) | draw_circle(b)
    return {"data": b.traces, "layout": composed(b, "rate", axes, coloured=False)}


def rate_figure(rate, **options):
    """How far every step back stretches a gradient, and what the recurrent matrix and the activation each do of it.

    Options as rate_spec. Returns a plotly go.Figure.
    """
    import plotly.graph_objects as go

    return go.Figure(rate_spec(rate, **options))
