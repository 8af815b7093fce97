"""The loss of any network along two of its weights: a surface in the plane that they span, all others as they are; and the wall
that an experiment asks for.
"""

from dataclasses import dataclass, replace

import numpy as np

from .bptt import backward, forward
from .experiment import THIS, make_network, make_sequence
from .lags import gradient_of, parameters
from .landscape import SURFACES, Shown, affordable, check_descents
from .network import Network, matrices, split_name
from .products import blocks, nothing
from .texts import parse_start
from .values import shown

NUMBERS_AT_ONCE = 500_000  # of one array in a block of points: 4 MB


@dataclass(frozen=True, eq=False)
class TwoWeights:
    """The loss of a network over a sequence, of two of its weights, all others as they are.

    entries: two of (name, index), such as ("W_T1", (0, 0)). windows: the schedule of the backward pass, one full pass unless
    given: with truncation the gradient is that of a truncated descent, not of the loss. Made by `of_network`.
    """

    network: Network
    sequence: object
    entries: tuple
    windows: object = None
    meanings: tuple = ("", "")

    @property
    def names(self):
        """What the weights are called, counted from 1: W_T1 1 1."""
        return tuple(" ".join([name, *(str(i + 1) for i in index)]) for name, index in self.entries)

    @property
    def about(self):
        return f"loss of this network over {self.sequence.T} steps, along two of its weights"

    @property
    def here(self):
        """(2,): the two weights as they are."""
        return tuple(float(matrices(self.network)[name][index]) for name, index in self.entries)

    @property
    def work(self):
        """How many numbers one point takes: of all steps and units, and of the matrices that it has for itself."""
        own = sum(matrices(self.network)[name].size for name in self.batched)
        return self.sequence.T * sum(len(layer.W_S) for layer in self.network.layers) + own

    @property
    def rows(self):
        """How many steps of layers run one after another."""
        return self.sequence.T * len(self.network.layers)

    @property
    def batched(self):
        """The matrices of which every point has its own: those of its weights, and the ones bptt takes the batch from."""
        with_bias = ["W_out" if name == "b_out" else name.replace("b", "W_S") for name, _ in self.entries if name[0] == "b"]
        return {"W_S1", *(name for name, _ in self.entries), *with_bias}

    def value_and_gradient(self, points, checkpoint=nothing):
        """loss (N,), gradient (N, 2) at points (N, 2): a batch of networks, forward and back."""
        loss, gradient = np.empty(len(points)), np.empty((len(points), 2))
        for some in blocks(len(points), NUMBERS_AT_ONCE // self.work, checkpoint):
            loss[some], gradient[some] = self.of_batch(points[some], checkpoint)
        return loss, gradient

    def of_batch(self, points, checkpoint):
        """As value_and_gradient; inf and nan where a state overflows."""
        if not np.isfinite(points).all():
            return np.full(len(points), np.nan), np.full((len(points), 2), np.nan)
        networks = self.at(points)
        there = forward(networks, self.sequence, checkpoint)
        if there.overflow is None:
            back = backward(networks, self.sequence, there, self.windows, checkpoint=checkpoint)
            slopes = [gradient_of(name, back)[:, *index] for name, index in self.entries]
            return there.C, np.stack(slopes, axis=-1)
        fine = np.all([np.isfinite(state).all(axis=(-2, -1)) for state in there.state], axis=0)
        loss, gradient = np.full(len(points), np.inf), np.full((len(points), 2), np.nan)
        if fine.any():
            loss[fine], gradient[fine] = self.of_batch(points[fine], checkpoint)
        return loss, gradient

    def at(self, points):
        """The batch of networks, one a point (N, 2)."""
        given = matrices(self.network)
        several = {name: np.repeat(given[name][None], len(points), axis=0) for name in self.batched}
        for (name, index), values in zip(self.entries, points.T, strict=True):
            several[name][:, *index] = values
        given = given | several
        layers = [replace(layer, W_S=given[f"W_S{l}"], W_T=given.get(f"W_T{l}"), b=given[f"b{l}"])
                  for l, layer in enumerate(self.network.layers, start=1)]
        return Network(layers, given.get("W_out"), given.get("b_out"))

    def lines(self, x, y):
        return ()


def of_network(network, sequence, name_x, name_y, windows=None):
    """The TwoWeights of a network along two of its weights, named and counted from 1: "W_T1 1 1", "b2 3".

    Raises ValueError on a name that is none, an index outside its matrix, twice the same weight, or a batch.
    """
    if sequence.x.ndim > 2 or network.layers[0].W_S.ndim > 2:
        raise ValueError("a surface needs one network and one sequence, not a batch of them")
    entries = tuple(entry(network, text) for text in (name_x, name_y))
    if entries[0] == entries[1]:
        raise ValueError(f"both weights are {shown(name_x)}; they must differ")
    return TwoWeights(network, sequence, entries, windows, tuple(meaning(name) for name, _ in entries))


def entry(network, text):
    """(name, index from 0) of "W_T1 2 1", counted from 1. Raises ValueError where the network has no such weight."""
    name, *counts = text.split() or [""]
    if name not in parameters(network):
        raise ValueError(f"weight is {shown(text)}; it must begin with one of {', '.join(parameters(network))}")
    shape = matrices(network)[name].shape
    fits = len(counts) == len(shape) and all(c.isdecimal() and len(c) < 6 for c in counts)
    if not fits or not all(1 <= int(c) <= n for c, n in zip(counts, shape, strict=True)):
        wanted = " and ".join(f"{what} from 1 to {n}" for what, n in zip(("a row", "a column"), shape, strict=False))
        raise ValueError(f"weight is {shown(text)}; after {name} it must have {wanted}")
    return name, tuple(int(c) - 1 for c in counts)


def meaning(name):
    kind, l = split_name(name)
    return {"W_S": "weight through space", "W_T": "weight through time", "b": "bias", "W_out": "readout weight",
            "b_out": "readout bias"}[kind] + (f" of layer {l + 1}" if l is not None else "")


# What an experiment's fields ask for.

USUAL = Shown(None, (), (), (), rate=0.1, steps=60, method="norm")  # of a network of one's own


def first_weights(experiment):
    """The two weights that are shown unless others are named: the first of the first W_T, and the bias of that unit."""
    l = next((l for l, (_, _, recurrent) in enumerate(experiment.stack, start=1) if recurrent), None)
    return ("W_S1 1 1", "b1 1") if l is None else (f"W_T{l} 1 1", f"b{l} 1")


def shown_of(experiment, checkpoint=nothing):
    """The Shown that an experiment's surface, weights and span ask for. Raises ValueError with a sentence."""
    e = experiment
    if e.surface != THIS:
        return SURFACES[e.surface]
    first = first_weights(e)
    plane = of_network(make_network(e, checkpoint), make_sequence(e), e.axis_x or first[0], e.axis_y or first[1],
                       e.windows if e.cut else None)
    (x, y), span = plane.here, e.span
    return replace(USUAL, landscape=plane, x=(x - span, x + span), y=(y - span, y + span), start=plane.here)


def settings(experiment):
    """What the experiment sets otherwise than its Shown, by name, as `wall` takes it."""
    e = experiment
    asked = dict(start=e.start and parse_start(e.start), rate=e.learning_rate, steps=e.descents, method=e.method, clip=e.clip)
    return {name: value for name, value in asked.items() if value}


def wall_problem(experiment):
    """Why there is no wall of an experiment, in one plain sentence, or None. Costs no descent."""
    try:
        shown = shown_of(experiment)
        affordable(shown.landscape)
        check_descents(shown.landscape, experiment.descents or shown.steps)
    except ValueError as reason:
        sentence = str(reason)
        return sentence[0].upper() + sentence[1:] + ("" if sentence.endswith(".") else ".")
    return None


def wall_of(experiment, made=None, checkpoint=nothing):
    """The Wall that an experiment asks for. made: the Surface, where it is at hand. Raises ValueError with a sentence."""
    shown = shown_of(experiment, checkpoint)
    return shown.wall(made=made, checkpoint=checkpoint, **settings(experiment))
