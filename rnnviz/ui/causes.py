"""The views that tell why a gradient fades or grows: Rate, Wall and Map."""

from dataclasses import dataclass, replace

from .. import sentences
from ..along import wall_of, wall_problem
from ..experiment import THIS, long_problem, run
from ..figures import long_spec, map_spec, rate_spec, wall_spec
from ..files import long_csv, map_csv, rate_csv, script, wall_csv
from ..gainmap import DRAWS, GainMap, checked, lags_of, member, sweep
from ..jacobians import Rate, rates
from ..landscape import Wall
from ..sentences import Sentence
from ..streams import Streamed, long_run
from .drawings import FlowDrawn


class Whole:
    """What these views share: no cell to outline and so no equation, nothing to walk through."""

    walk = instead = reached = None
    shape = (1, 1)
    live = False  # whether a dial is followed while a hand moves it
    no_formulas = "This view has no cells; Flow, Truncation and Routes write the equations of theirs down."

    def equation(self, experiment, chosen):
        return None

    def says(self, experiment):
        """What the board is told about its figure."""
        return dict(keys=self.keys, heading="", opened=0, flow=False, quantity="", tools=self.tools(experiment), live=self.live)

    def tools(self, experiment):
        return []


@dataclass(frozen=True, eq=False)
class RateDrawn(Whole):
    """What the Rate view shows of one layer and of the stack."""

    rate: Rate
    sentence: Sentence

    shown = property(lambda self: self.rate)
    live = True
    fields = ("layer",)
    keys = "Singular values of the products of Jacobians by lag, and the eigenvalues of W_T."

    @classmethod
    def of(cls, experiment, checkpoint, before, progress):
        made = run(experiment, checkpoint)
        if made.forward.overflow is not None and made.forward.overflow[1] == 0:  # Flow says where
            return FlowDrawn.of(experiment, checkpoint, before, progress)
        rate = rates(made, chosen_layer(experiment), checkpoint=checkpoint)
        return cls(rate, sentences.rate(rate))

    def spec(self, experiment, chosen, *, zoom=None, held=None, **options):
        return rate_spec(self.rate, **options)

    def tools(self, experiment):
        layers = [[l, f"layer {l}"] for l in range(1, self.rate.L + 1)]
        return [["layer", "Layer", layers, self.rate.layer + 1]] if self.rate.L > 1 else []

    def csv(self):
        return rate_csv(self.rate)

    def script(self, experiment, **names):
        return script(experiment, self.sentence.text, **names, kind="rate", layer=self.rate.layer)


def chosen_layer(experiment):
    """The layer, from 0, that Rate looks at: the outlined one if it is there and recurrent, else the first that is."""
    stack = experiment.stack
    if 1 <= experiment.layer <= len(stack):
        return experiment.layer - 1
    return next((l for l, (_, _, recurrent) in enumerate(stack) if recurrent), 0)


@dataclass(frozen=True, eq=False)
class WallDrawn(Whole):
    """What the Wall view shows; the surface stays for the next start, rate and clip."""

    wall: Wall
    sentence: Sentence
    source: tuple

    shown = property(lambda self: self.wall)
    fields = ("surface", "start", "learning_rate", "method", "clip", "descents", "axis_x", "axis_y", "span")
    keys = "An error surface and two descents on it. A click moves their start."

    @classmethod
    def of(cls, experiment, checkpoint, before, progress):
        e = experiment
        source = (e.surface, *((e.recipe, e.axis_x, e.axis_y, e.span) if e.surface == THIS else ()))
        known = before.wall.surface if isinstance(before, cls) and before.source == source else None
        wall = wall_of(e, known, checkpoint)
        return cls(wall, sentences.wall(wall), source)

    def spec(self, experiment, chosen, *, zoom=None, held=None, **options):
        return wall_spec(self.wall, shade=experiment.shade, **options)

    def tools(self, experiment):
        return [["shade", "Shade", [["loss", "shade: loss"], ["gradient", "shade: gradient"]], experiment.shade]]

    def csv(self):
        return wall_csv(self.wall)

    def script(self, experiment, **names):
        return script(experiment, self.sentence.text, **names, kind="wall")


@dataclass(frozen=True, eq=False)
class MapDrawn(Whole):
    """What the Map view shows; only "you are here" moves with the recurrent scale."""

    map: GainMap
    sentence: Sentence

    shown = property(lambda self: self.map)
    fields = ()
    keys = "What is left of the gradient over recurrent scale and lag. A click moves the recurrent scale there."

    @classmethod
    def of(cls, experiment, checkpoint, before, progress):
        if isinstance(before, cls) and source(before.map.experiment) == source(experiment):
            made = replace(before.map, experiment=experiment)
        else:
            made = sweep(experiment, checkpoint=checkpoint, progress=progress)
        return cls(made, sentences.gain_map(made))

    def spec(self, experiment, chosen, *, zoom=None, held=None, **options):
        return map_spec(self.map, **options)

    def csv(self):
        return map_csv(self.map)

    def script(self, experiment, **names):
        return script(experiment, self.sentence.text, **names, kind="map")


@dataclass(frozen=True, eq=False)
class LongDrawn(Whole):
    """What Flow shows of a long run, streamed in segments."""

    streamed: Streamed
    sentence: Sentence

    shown = property(lambda self: self.streamed)
    fields = ("long",)
    keys = "What is left of the gradient over a long run, many steps in a column."

    @classmethod
    def of(cls, experiment, checkpoint, before, progress):
        try:
            made = long_run(experiment, checkpoint, progress)
        except ValueError as reason:  # a state overflows on the way, which is known only then
            short = FlowDrawn.of(replace(experiment, long=0), checkpoint, None)
            return replace(short, instead=(dict(long=0), f"The long run is not shown: {reason}."))
        return cls(made, sentences.long(made))

    def spec(self, experiment, chosen, *, zoom=None, held=None, **options):
        return long_spec(self.streamed, **options)

    def csv(self):
        return long_csv(self.streamed)

    def script(self, experiment, **names):
        return script(experiment, self.sentence.text, **names, kind="long")


def source(experiment):
    """What a map is made of: all but the recurrent scale, and what only the run's own loss decides."""
    return member(experiment, lags_of(experiment), 0)


def map_problem(experiment):
    """Why there is no map of an experiment, in one plain sentence, or None."""
    try:
        checked(experiment, None, None, DRAWS)
    except ValueError as reason:
        return str(reason)
    return None


PROBLEMS = {"wall": wall_problem, "map": map_problem, "long": long_problem}


def shown_view(experiment):
    """The view that an experiment asks for; stepping through the backward pass is Flow's, and a long run takes Flow's place."""
    if experiment.walk:
        return "flow"
    return "long" if experiment.view == "flow" and experiment.long else experiment.view


def problem(experiment):
    """Why the view that an experiment asks for cannot show it, in one plain sentence, or None."""
    found = PROBLEMS.get(shown_view(experiment))
    return found(experiment) if found else None
