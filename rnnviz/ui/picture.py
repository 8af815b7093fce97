"""From an experiment to the picture of it: the one way that the page and the live lane both go."""

from dataclasses import dataclass
from types import MappingProxyType

from ..bptt import nothing
from ..claims import claim
from ..examples import example_of
from ..figures import THEMES
from ..links import to_link
from ..sentences import Sentence
from ..texts import MAX_T
from .causes import LongDrawn, MapDrawn, RateDrawn, WallDrawn
from .drawings import FlowDrawn, RoutesDrawn, TruncationDrawn, gradients, outlined
from .walking import walking

DRAWINGS = MappingProxyType({"flow": FlowDrawn, "rate": RateDrawn, "truncation": TruncationDrawn, "routes": RoutesDrawn,
                             "wall": WallDrawn, "map": MapDrawn, "long": LongDrawn})
WIDTH = 1068  # px of the board until the browser has said its own
NARROWEST, WIDEST = 200, 4000
LECTURE_WIDTH, LECTURE_TALL = 1019, 380  # px of a lecture's figure on a screen of 1920 by 1080, before they are scaled


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


def key(experiment):
    """What decides the Drawn of an experiment."""
    view = experiment.shown_view
    return experiment.recipe, view, *(getattr(experiment, name) for name in DRAWINGS[view].fields)


def problem(experiment):
    """Why the view that is asked for cannot show an experiment that can be run, in one plain sentence, or None."""
    return DRAWINGS[experiment.shown_view].problem(experiment)


def work(experiment):
    """About how many multiply-adds the picture of an experiment takes; inf for one that does not follow a hand."""
    return DRAWINGS[experiment.shown_view].work(experiment)


def computed(experiment, checkpoint=nothing, before=None, progress=None):
    """The Drawn of an experiment. before: the Drawn of the last one, of which some may still hold; progress(done, of): told
    while a view is computed in parts."""
    return DRAWINGS[experiment.shown_view].of(experiment, checkpoint, before, progress)


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
    gradients: int | None  # what names those on show; None where none is written down
    view: str
    walk: dict | None


def claimed(experiment, drawn):
    """What the source of the scene on show claims, beside what is computed here."""
    return {"claim": claim(experiment.view, example_of(experiment, experiment.view), drawn.shown)}


def picture(experiment, drawn, view, held=None, page=True, live=False):
    """The Picture of an experiment and its Drawn. held: the Held curve, if any. page: whether the page itself draws the texts
    of the figure. live: whether a hand is still moving, so that only what is seen now is wanted."""
    chosen = outlined(experiment, drawn.shape, drawn.reached)
    equation = drawn.equation(experiment, chosen)
    spec = drawn.spec(experiment, chosen, theme=view.theme, width=view.width, decades=experiment.decades, page=page,
                      tall=view.tall or None, zoom=view.zoom_of(experiment.T), held=held and (held, held.words(experiment)))
    return Picture(
        spec, drawn.sentence, equation, drawn.says(experiment) | claimed(experiment, drawn), view.theme,
        None if chosen is None else (chosen[0] + 1, chosen[1] + 1), drawn.shape, to_link(experiment),
        None if equation is None else gradients(experiment), view.text,
        walking(drawn, experiment, view, only=live) if drawn.walk else None)
