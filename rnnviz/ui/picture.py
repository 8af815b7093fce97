"""From an experiment to the picture of it: the one way that the page and the live lane both go."""

from dataclasses import dataclass

import numpy as np

from .. import walk as walks
from ..bptt import nothing
from ..experiment import MAX_T, run
from ..figures import THEMES, flow_spec
from ..flow import Flow, Neurons, neurons, read, uncut
from ..formulas import NOTATIONS, cell
from ..links import to_link
from ..sentences import Sentence, flow
from ..walk import Walk
from .walking import walking

WIDTH = 1068  # px of the board until the browser has said its own
NARROWEST, WIDEST = 200, 4000
LECTURE_WIDTH, LECTURE_TALL = 1019, 380  # px of a lecture's figure on a screen of 1920 by 1080, before they are scaled
SAYS = "The delta grid. Arrow keys move the outlined cell: left and right through steps, up and down through layers."


@dataclass(frozen=True)
class View:
    """How a picture is looked at: theme, px across, px that a lecture's figure is high (0 on the page), and (of how many steps,
    first, last) where it is shown more closely."""

    theme: str = "light"
    width: int = WIDTH
    tall: int = 0
    zoom: tuple | None = None

    def __post_init__(self):
        if self.theme not in THEMES:
            raise ValueError(f"theme is {self.theme!r}; it must be one of {', '.join(THEMES)}")
        if not NARROWEST <= self.width <= WIDEST:
            raise ValueError(f"width is {self.width}; it must be {NARROWEST} to {WIDEST}")
        if self.tall and not NARROWEST <= self.tall <= WIDEST:
            raise ValueError(f"height is {self.tall}; it must be {NARROWEST} to {WIDEST}")
        if self.zoom is not None:
            of, low, high = self.zoom
            if not 0 < low < high <= MAX_T or not 0 < of <= MAX_T:
                raise ValueError(f"zoom is {self.zoom}; it must be steps of a sequence, the first before the last")

    @property
    def text(self):
        """This view in words that parse_view reads."""
        return " ".join(map(str, (self.theme, self.width, self.tall, *(self.zoom or ()))))

    def zoom_of(self, T):
        """The (first, last) steps to show, None for all; a sequence of another length is shown whole."""
        return self.zoom[1:] if self.zoom and self.zoom[0] == T else None


def parse_view(text):
    """The View of its text. Raises ValueError."""
    theme, width, tall, *zoom = text.split(" ")
    if len(zoom) not in (0, 3):
        raise ValueError(f"a view has three or six words; it has {3 + len(zoom)}")
    return View(theme, int(width), int(tall), tuple(map(int, zoom)) or None)


@dataclass(frozen=True, eq=False)
class Drawn:
    """What a run left: readings only, none of its big arrays."""

    reading: Flow
    opened: Neurons | None
    sentence: Sentence
    walk: Walk | None = None
    no_walk: str | None = None  # why there is none, where one was wanted


def key(experiment):
    """What decides the Drawn of an experiment."""
    return experiment.recipe, experiment.quantity, experiment.open, experiment.walk


def computed(experiment, checkpoint=nothing):
    """The Drawn of an experiment."""
    result = run(experiment, checkpoint)
    reading = read(result, experiment.quantity, checkpoint)
    opened = None
    if 1 <= experiment.open <= reading.L and reading.overflow is None:
        opened = neurons(result, reading, experiment.open - 1)
    no_walk = walks.problem(result) if experiment.walk else None
    walk = walks.walk(result, reading, experiment.walk, checkpoint) if experiment.walk and not no_walk else None
    return Drawn(reading, opened, flow(reading, uncut(result, reading, checkpoint)), walk, no_walk)


@dataclass(frozen=True, eq=False)
class Picture:
    """All that the board draws."""

    spec: dict
    sentence: Sentence
    equation: object
    says: dict
    theme: str
    cell: tuple | None
    shape: tuple
    link: str
    view: str
    walk: dict | None


def picture(experiment, drawn, view, held=None, page=True, live=False):
    """The Picture of an experiment and its Drawn. held: the Held curve, if any. page: whether the page itself draws the texts
    of the figure. live: whether a hand is still moving, so that only what is seen now is wanted."""
    reading = drawn.reading
    chosen = outlined(experiment, reading)
    spec = flow_spec(reading, cell=chosen, theme=view.theme, width=view.width, decades=experiment.decades,
                     opened=drawn.opened, zoom=view.zoom_of(reading.T), page=page,
                     held=held and (held, held.words(experiment)), tall=view.tall or None)
    notation = NOTATIONS[experiment.notation]
    return Picture(
        spec, drawn.sentence, equation(experiment, reading, chosen),
        dict(keys=SAYS, opened=0 if drawn.opened is None else experiment.open, quantity=notation.says[reading.quantity]),
        view.theme, None if chosen is None else (chosen[0] + 1, chosen[1] + 1), (reading.L, reading.T), to_link(experiment),
        view.text, walking(drawn, experiment, view, only=live) if drawn.walk else None)


def equation(experiment, reading, chosen):
    """The Equation of the outlined cell, or None."""
    return None if chosen is None else cell(reading, *chosen, notation=experiment.notation)


def outlined(experiment, reading):
    """(layer, step), from 0: the chosen cell inside the grid, else one in the middle of what is reached."""
    if reading.overflow is not None:
        return None
    layer = min(experiment.layer, reading.L) or 1
    if experiment.step:
        return layer - 1, min(experiment.step, reading.T) - 1
    steps = np.flatnonzero(reading.reached)
    return layer - 1, int(steps[(len(steps) - 1) // 2])
