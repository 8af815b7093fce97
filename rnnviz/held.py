"""A held curve: what is left step by step in another experiment, kept in sight while a dial moves on."""

from dataclasses import dataclass

import numpy as np

from .examples import example_of
from .experiment import BUDGET, CONTROLS, Experiment, cost, run
from .flow import read
from .links import from_link, to_link
from .texts import parse_held
from .values import freeze


@dataclass(frozen=True, eq=False)
class Held:
    """curve (T,): log10 of what is left in layer 1, nan where nothing is drawn. last_loss: the last loss's step, from 0."""

    experiment: Experiment
    curve: np.ndarray
    last_loss: int

    def words(self, experiment):
        """What sets it apart from an experiment, as a label."""
        recipe = experiment.recipe
        differing = [name for name in CONTROLS if getattr(self.experiment, name) != getattr(recipe, name)]
        if len(differing) == 1 and CONTROLS[differing[0]]["kind"] in ("real", "whole", "choice"):
            label, last = CONTROLS[differing[0]]["label"], CONTROLS[differing[0]]["label"].split()[-1]
            name = last if len(last) == 1 or "_" in last else f"{label[0].lower()}{label[1:]}"
            return f"held: {name} = {getattr(self.experiment, differing[0])}"
        name = example_of(self.experiment)
        return f"held: {name}" if name and differing else "held"


def held_text(experiment):
    """The field "held" for an experiment: a question mark and its link, with own weights by their digest if it is long."""
    link = to_link(experiment.recipe)
    if len(link) >= CONTROLS["held"]["longest"]:
        link = to_link(experiment.recipe, longest=0)
    return f"?{link}"


def held(text, quantity="delta", recall=lambda digest: None, most=BUDGET):
    """(Held, None) of that text, or (None, why there is none): the weights of its picture may be gone, or it may need more than
    `most` multiply-adds."""
    if not text:
        return None, None
    experiment, notes = from_link(parse_held(text), recall)
    if notes:
        return None, f"The held curve is gone: {notes[0][0].lower()}{notes[0][1:]}"
    if cost(experiment) > most:
        return None, "The held curve takes too long to compute."
    reading = read(run(experiment), quantity)
    return Held(experiment.recipe, freeze(reading.curve[0]), reading.last_loss), None
