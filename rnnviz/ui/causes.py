"""The views that tell why a gradient fades or grows: Rate, Wall and Map; and Flow of a long run."""

from dataclasses import dataclass, replace

import numpy as np

from .. import sentences
from ..along import wall_of, wall_problem
from ..experiment import CONTROLS, ON_WALL, THIS, run
from ..figures import long_spec, map_spec, rate_spec, wall_spec
from ..files import long_csv, map_csv, rate_csv, script, wall_csv
from ..gainmap import GainMap, lags_of, map_problem, member, sweep
from ..jacobians import MOST_UNITS, Rate, rate_problem, rates
from ..landscape import Wall
from ..sentences import Sentence
from ..spectra import steps_of_a_product
from ..streams import Streamed, long_problem, long_run
from .drawings import Drawn, FlowDrawn, run_alone

BEYOND = 0.05  # how far the map's last column reaches beyond the largest scale
STEP, CUBE = 40_000, 3  # multiply-adds for a step of a product of Jacobians, and beside that for a cubed unit


class NoCells(Drawn):
    """What these views share: no cell to outline and so no equation, and for most a picture that waits until a hand lets go.
    `shown` is all that they draw and take home, by figure(shown, ..), table(shown) and a program of this kind."""

    reached = None
    shape = (1, 1)
    no_formulas = "This view has no cells; Flow, Truncation and Routes write the equations of theirs down."

    @staticmethod
    def work(experiment):
        return np.inf

    def spec(self, experiment, chosen, *, zoom=None, held=None, **options):
        return self.figure(self.shown, **options)

    def equation(self, experiment, chosen):
        return None

    def says(self, experiment):
        """What the board is told about its figure; live: whether it may follow a hand."""
        return dict(keys=self.keys, heading="", opened=0, flow=False, quantity="", tools=self.tools(experiment),
                    live=bool(np.isfinite(self.work(experiment))))

    def tools(self, experiment):
        return []

    def csv(self):
        return self.table(self.shown)

    def script(self, experiment, **names):
        return script(experiment, self.sentence.text, **names, kind=self.kind)


@dataclass(frozen=True, eq=False)
class RateDrawn(NoCells):
    """What the Rate view shows of one layer and of the stack."""

    shown: Rate
    sentence: Sentence

    figure, table = staticmethod(rate_spec), staticmethod(rate_csv)
    fields = ("layer",)
    keys = "Singular values of the products of Jacobians by lag, and the eigenvalues of W_T."

    @classmethod
    def of(cls, experiment, checkpoint, before, progress=None):
        made = run(experiment, checkpoint)
        if made.forward.overflow is not None and made.forward.overflow[1] == 0:  # Flow says where
            return FlowDrawn.of(experiment, checkpoint, before, progress)
        rate = rates(made, chosen_layer(experiment), checkpoint=checkpoint)
        return cls(rate, sentences.rate(rate))

    @staticmethod
    def problem(experiment):
        return rate_problem(cell for _, cell, _ in experiment.stack)

    @staticmethod
    def work(experiment):
        e = experiment
        widths = [n for n, _, _ in e.stack]
        products = [widths[chosen_layer(e)], *[sum(widths)] * (len(widths) > 1)]
        return run_alone(e) + sum(steps_of_a_product(n, e.T - 1) * (STEP + CUBE * n**3)
                                  for n in products if 1 < n <= MOST_UNITS)

    def tools(self, experiment):
        layers = [[l, f"layer {l}"] for l in range(1, self.shown.L + 1)]
        return [["layer", "Layer", layers, self.shown.layer + 1]] if self.shown.L > 1 else []

    def script(self, experiment, **names):
        return script(experiment, self.sentence.text, **names, kind="rate", layer=self.shown.layer)


def chosen_layer(experiment):
    """The layer, from 0, that Rate looks at: the outlined one if it is there, else the first that is recurrent."""
    stack = experiment.stack
    if 1 <= experiment.layer <= len(stack):
        return experiment.layer - 1
    return next((l for l, (_, _, recurrent) in enumerate(stack) if recurrent), 0)


@dataclass(frozen=True, eq=False)
class WallDrawn(NoCells):
    """What the Wall view shows; the surface stays for the next start, learning rate and clip."""

    shown: Wall
    sentence: Sentence
    source: tuple

    table = staticmethod(wall_csv)
    fields = ON_WALL
    keys = "An error surface and two descents on it. A click moves their start."
    kind = "wall"
    problem = staticmethod(wall_problem)

    @classmethod
    def of(cls, experiment, checkpoint, before, progress=None):
        e = experiment
        source = (e.surface, *((e.recipe, e.axis_x, e.axis_y, e.span) if e.surface == THIS else ()))
        known = before.shown.surface if isinstance(before, cls) and before.source == source else None
        wall = wall_of(e, known, checkpoint)
        return cls(wall, sentences.wall(wall), source)

    def spec(self, experiment, chosen, *, zoom=None, held=None, **options):
        return wall_spec(self.shown, shade=experiment.shade, **options)

    def placed(self, x, y):
        return dict(start=f"{x:.4g} {y:.4g}")

    def tools(self, experiment):
        return [["shade", "Shade", [["loss", "shade: loss"], ["gradient", "shade: gradient"]], experiment.shade]]


@dataclass(frozen=True, eq=False)
class MapDrawn(NoCells):
    """What the Map view shows; only "you are here" moves with the recurrent scale."""

    shown: GainMap
    sentence: Sentence

    figure, table = staticmethod(map_spec), staticmethod(map_csv)
    fields = ()
    keys = "What is left of the gradient over recurrent scale and lag. A click moves the recurrent scale there."
    kind = "map"
    problem = staticmethod(map_problem)

    @classmethod
    def of(cls, experiment, checkpoint, before, progress=None):
        if isinstance(before, cls) and source(before.shown.experiment) == source(experiment):
            made = replace(before.shown, experiment=experiment)
        else:
            made = sweep(experiment, checkpoint=checkpoint, progress=progress)
        return cls(made, sentences.gain_map(made))

    def placed(self, x, y):
        ends = CONTROLS["g"]["low"], CONTROLS["g"]["high"]
        return dict(g=next((end for end in ends if abs(x - end) < BEYOND), round(float(x), 2)))


def source(experiment):
    """What a map is made of: all but the recurrent scale, and what only the run's own loss decides."""
    return member(experiment, lags_of(experiment), 0)


@dataclass(frozen=True, eq=False)
class LongDrawn(NoCells):
    """What Flow shows of a long run, streamed in segments."""

    shown: Streamed
    sentence: Sentence

    figure, table = staticmethod(long_spec), staticmethod(long_csv)
    fields = ("long",)
    keys = "What is left of the gradient over a long run, many steps in a column."
    kind = "long"
    problem = staticmethod(long_problem)

    @classmethod
    def of(cls, experiment, checkpoint, before, progress=None):
        try:
            made = long_run(experiment, checkpoint, progress)
        except ValueError as reason:  # a state overflows on the way, which is known only then
            short = FlowDrawn.of(replace(experiment, long=0), checkpoint, None)
            return replace(short, instead=(dict(long=0), f"The long run is not shown: {reason}."))
        return cls(made, sentences.long(made))
