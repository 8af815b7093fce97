"""The backward pass as a walk: cell after cell, in an order in which each can be computed when its turn comes.

A cell needs what comes from above, the same step one layer up, and what comes from the future, the same layer one step later.
Several passes follow one another, in the order in which training would make them.
"""

from dataclasses import dataclass, replace

import numpy as np

from .bptt import backward, nothing
from .experiment import CONTROLS
from .flow import read
from .values import freeze
from .windows import Windows

ORDERS = CONTROLS["walk"]["choices"][1:]
MOST_STEPS, MOST_VISITS = 400, 6000  # columns; cells of all passes
MOST_CELLS, MOST_WORK = 15_000, 40_000_000  # each pass is a run of its own: cells, and multiply-adds, of all these runs


@dataclass(frozen=True, eq=False)
class Walk:
    """N visits of cells, each (N,) int from 0: which pass, layer, step and wave. Cells of one wave could be computed at once.

    flows: the reading of each pass by itself. starts: the first wave of each pass. waves: how many there are.
    """

    order: str
    number: np.ndarray
    layer: np.ndarray
    step: np.ndarray
    wave: np.ndarray
    flows: tuple
    starts: tuple

    @property
    def waves(self):
        return int(self.wave[-1]) + 1

    def at(self, wave):
        """The visits of a wave, from the top layer down."""
        return range(*np.searchsorted(self.wave, (wave, wave + 1)).tolist())

    def flow(self, visit):
        """The reading of the pass that a visit belongs to."""
        return self.flows[self.number[visit]]


def problem(run):
    """Why a run cannot be walked through, in one plain sentence, or None."""
    windows, L = run.windows, len(run.network.layers)
    if run.backward is None:
        return "A state overflows, so there is no backward pass to step through."
    if windows.T > MOST_STEPS:
        return f"Stepping through takes at most {MOST_STEPS} steps; this sequence has {windows.T}."
    visits = int(windows.reaches_each().sum()) * L
    runs = windows.P * windows.T if windows.P > 1 else 0
    if visits > MOST_VISITS or runs * L > MOST_CELLS or runs * run.network.size > MOST_WORK:
        return f"{windows.P} passes over {visits:,} cells are too many to step through; raise τ_b or shorten the sequence."
    return None


def walk(run, reading, order="by step", checkpoint=nothing):
    """The Walk of a run and its reading. Raises ValueError with the sentence of `problem`.

    "by step": all layers of a step before the step before it, as the sum over time is derived. "by layer": a layer through all
    its steps before the layer below, as fast implementations do. "by diagonal": a wave is all cells that wait for no other.
    """
    found = problem(run)
    if found:
        raise ValueError(found)
    windows, L = run.windows, reading.L
    flows = (reading,) if windows.P == 1 else tuple(_alone(run, reading, p, checkpoint) for p in range(windows.P))
    parts, starts, wave = [], [], 0
    for p, (first, last) in enumerate(zip(windows.first, windows.last, strict=True)):
        layer, step, waves = _order(order, L, int(first), int(last))
        parts.append((np.full(len(layer), p), layer, step, waves + wave))
        starts.append(wave)
        wave += int(waves[-1]) + 1
    return Walk(order, *(freeze(np.concatenate(column)) for column in zip(*parts, strict=True)), flows, tuple(starts))


def _order(order, L, first, last):
    """(layer, step, wave) of every cell from step `first` to `last`, in order."""
    back, down = (a.ravel() for a in np.meshgrid(np.arange(last - first + 1), np.arange(L), indexing="ij"))
    if order == "by layer":
        keys = back, down
    elif order == "by diagonal":
        keys = down, back + down
    else:
        keys = down, back
    ranked = np.lexsort(keys)
    back, down = back[ranked], down[ranked]
    return L - 1 - down, last - back, back + down if order == "by diagonal" else np.arange(len(ranked))


def _alone(run, reading, p, checkpoint):
    """The Flow of pass p by itself, on the scale of the whole run's reading."""
    windows = run.windows
    one = Windows(windows.T, *([int(side[p])] for side in (windows.first, windows.since, windows.last)), windows.tau_max)
    flow = read(replace(run, windows=one, backward=backward(run.network, run.sequence, run.forward, one,
                                                            checkpoint=checkpoint)), reading.quantity, checkpoint,
                reading.precision)
    with np.errstate(invalid="ignore"):
        shift = flow.log_reference - reading.log_reference if flow.sends else 0.0
        return replace(flow, log_ratio=freeze(flow.log_ratio + shift))
