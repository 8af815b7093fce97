"""How much of the gradient is left, over recurrent scale and lag, averaged over draws: what the Map view shows.

Each draw is one network, seen at every recurrent scale at once: W_T = g W, so that one product serves all scales as a batch.
What is measured is the size of dC/dz in layer 1, for one loss at the last step, over its size at that step (lag 0): the curve
that Flow draws of layer 1, whatever the loss sends in.

The backward pass carries an exponent for each scale, so that 1e-400 is no zero here: a zero is an exact one.
"""

from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from . import meanfield
from .bptt import nothing
from .cells import CELLS
from .experiment import BY_HAND, CONTROLS, TABLE, Experiment, ends, make_network, make_sequence, problem, rows_to_read
from .flow import norms
from .products import blocks, times
from .tasks import LOSSES, TASKS
from .values import freeze

GAINS = freeze(np.arange(1, 61) / 20.0)  # 0.05, 0.1, .. 3: the control's range
LAGS, MOST_LAGS = 60, 240  # lags of a map that are enough for a short run, and the most for a long one
DRAWS = 16
LIMITS = {"gains": 400, "lags": 2_000, "draws": 1_000}
MOST_NUMBERS = 5_000_000  # lags x gains x draws
MOST_WORK = 200e9  # multiply-adds forward: half a minute on one core
NUMBERS_AT_ONCE = 250_000  # states of a layer that one batch of scales holds
OFTEN = 0.02  # seconds between two checkpoints while others work


@dataclass(frozen=True, eq=False)
class GainMap:
    """What is left of the gradient, lag by lag (K,) and recurrent scale by scale (G,).

    experiment: the one that the map is about. gains (G,); lags (K,): 0, 1, ... mean, spread (K, G): the mean over draws of
    log10 of the size at that lag over the size at lag 0, and its standard deviation; nan where no draw counts. counted, dead
    (K, G): how many draws count, and how many hold an exact 0 (all lags of a draw whose gradient is 0 at lag 0 are dead); the
    others left the float range. slope (G,): the root of the mean square of phi' over all cells, nan for a gated cell.
    predicted (K, G): the same as mean for wide random layers, by theory; None where it is not known, `why` in one plain
    sentence. draws: how many the map is made of.
    """

    experiment: Experiment
    gains: np.ndarray
    lags: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    counted: np.ndarray
    dead: np.ndarray
    slope: np.ndarray
    predicted: np.ndarray | None
    why: str | None
    draws: int

    @property
    def g(self):
        """The experiment's own recurrent scale."""
        return self.experiment.g

    @property
    def last(self):
        """The lag of the run's first step, or the map's last if the run is longer."""
        return min(self.experiment.T, len(self.lags)) - 1

    @property
    def edge(self):
        """(K,): the scale at which the gradient is as large as at lag 0, nan where there is none."""
        return crossings(self.gains, self.mean, 0.0)

    @property
    def predicted_edge(self):
        """(K,): the same by theory; None where it is not known."""
        return None if self.predicted is None else crossings(self.gains, self.predicted, 0.0)

    def at(self, gain, values=None):
        """(K,) the mean (or other values, (K, G)) at any scale, interpolated; nan outside the map."""
        values = self.mean if values is None else values
        return np.array([np.interp(gain, self.gains, row, left=np.nan, right=np.nan) for row in values])

    def nearest(self, gain):
        """The index of the scale nearest to this one."""
        return int(np.abs(self.gains - gain).argmin())


def crossings(gains, values, level):
    """(K,) the scale at which each row of values (K, G) first rises through a level, nan where it never does.

    Between two scales values are taken as straight over log g: exact for a linear network, whose gradient is a power of g.
    """
    found = np.full(len(values), np.nan)
    with np.errstate(invalid="ignore"):
        rises = (values[:, :-1] < level) & (values[:, 1:] >= level)
    rows = np.flatnonzero(rises.any(axis=1))
    at = rises[rows].argmax(axis=1)
    low, high = values[rows, at], values[rows, at + 1]
    part = np.where(np.isfinite(low), (level - low) / np.where(np.isfinite(low), high - low, 1.0), 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = gains[at] * (gains[at + 1] / gains[at]) ** part
    found[rows] = np.where(gains[at] > 0, between, gains[at + 1])
    return found


# What can be mapped.


def unfit(experiment):
    """Why nothing of an experiment can be averaged over draws, in one plain sentence, or None."""
    e = experiment
    if e.init == BY_HAND:
        return "Weights set by hand are not drawn, so there is nothing to average over; start from another."
    own = sorted(name for name in e.weights.arrays if name.startswith("W_T"))
    if own:
        return f"{own[0]} is your own and not drawn, so there is nothing to average over; the map needs drawn W_T."
    if not any(recurrent for _, _, recurrent in e.stack):
        return "No layer is recurrent, so there is no W_T whose scale could matter."
    return problem(member(e, 1, 0))


def member(experiment, lags, number):
    """The Experiment of one draw at scale 1: its seed is `number` further on, its only loss at the last of `lags` steps.

    Where the error measure need not fit the targets of another draw, the usual one stands in: what a loss sends in cancels.
    """
    e, seeds = experiment.recipe, CONTROLS["seed"]["high"] + 1
    fits = e.task != TABLE and e.loss in TASKS[e.task].losses
    return replace(e, g=1.0, T=lags, score="last step", loss=e.loss if fits else "usual", cut=False,
                   seed=(e.seed + number) % seeds)


def lags_of(experiment):
    """How many lags its map has unless told: its own steps, at least 60, at most 240, no more than a table has rows."""
    lags = min(max(LAGS, experiment.T), MOST_LAGS)
    return min(lags, rows_to_read(experiment)) if experiment.task == TABLE else lags


def checked(experiment, gains, lags, draws):
    """(gains, lags, draws) as a map is made of them. Raises ValueError on what cannot be, or would be too much."""
    found = unfit(experiment)
    if found:
        raise ValueError(found)
    gains = GAINS if gains is None else np.array(gains, float)
    lags = lags_of(experiment) if lags is None else lags
    top = CONTROLS["g"]["high"]
    if gains.ndim != 1 or not 2 <= len(gains) <= LIMITS["gains"] or not (np.diff(gains) > 0).all() \
            or not 0 <= gains[0] <= gains[-1] <= top:
        raise ValueError(f"gains must be 2 to {LIMITS['gains']} recurrent scales from 0 to {top:g}, ascending")
    for name, value in (("lags", lags), ("draws", draws)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 1 <= value <= LIMITS[name]:
            raise ValueError(f"{name} is {value!r}; it must be a whole number from 1 to {LIMITS[name]}")
    if experiment.task == TABLE and lags > rows_to_read(experiment):
        raise ValueError(f"lags is {lags}; the table's rows make {rows_to_read(experiment)} steps")
    numbers = lags * len(gains) * draws
    work = float(numbers) * sum(rows * (below + n) for rows, n, below in sides(experiment))
    if numbers > MOST_NUMBERS or work > MOST_WORK:
        raise ValueError(f"This map needs {work / 1e9:,.0f} thousand million multiply-adds and {numbers / 1e6:,.0f} million "
                         f"numbers; the limits are {MOST_WORK / 1e9:,.0f} and {MOST_NUMBERS / 1e6:,.0f}. "
                         "A smaller width, or fewer draws, gains or lags would fit.")
    return freeze(gains), lags, draws


def map_problem(experiment):
    """Why there is no map of an experiment, in one plain sentence, or None."""
    try:
        checked(experiment, None, None, DRAWS)
    except ValueError as reason:
        return str(reason)
    return None


def sides(experiment):
    """(rows of W_T, width, width below) of every layer."""
    below = ends(experiment)[0]
    for n, cell, _ in experiment.stack:
        yield CELLS[cell].gates * n, n, below
        below = n


# One draw, at every scale.


def one_draw(experiment, gains, lags, number, checkpoint=nothing):
    """(left (K, G), slope (G,), predicted (K, G) or None) of one draw: what a cluster is handed.

    left: log10 of the size at each lag over that at lag 0; -inf for an exact 0, nan where the float range was left. slope: the
    mean square of phi'.
    """
    e = member(experiment, lags, number)
    network, sequence = make_network(e, checkpoint), make_sequence(e)
    most = max(1, NUMBERS_AT_ONCE // (lags * max(rows for rows, _, _ in sides(e))))
    made = [at_scales(network, sequence, gains[some], checkpoint) for some in blocks(len(gains), most, checkpoint)]
    left, slope = (np.concatenate(parts, axis=-1) for parts in zip(*made, strict=True))
    if theory_problem(experiment):
        return left, slope, None
    power = np.square(sequence.x).mean(axis=-1)
    return left, slope, meanfield.left(e.stack, gains, power, input_scale=e.input_scale, bias=e.bias, checkpoint=checkpoint)


def at_scales(network, sequence, gains, checkpoint=nothing):
    """(left (K, G), slope (G,)) of a network whose W_T are multiplied by each of the gains (G,)."""
    with np.errstate(all="ignore"):
        states, slopes = forward_at(network, sequence.x, gains, checkpoint)
        last = states[-1][-1][..., :network.layers[-1].n]
        o = last if network.W_out is None else last @ network.W_out.T + network.b_out
        checkpoint()
        _, _, sent = LOSSES[sequence.loss](o, sequence.target[-1])
        sent = sent if network.W_out is None else sent @ network.W_out
        fine = np.isfinite(sent).all(axis=-1)
        for state in states:
            fine &= np.isfinite(state).all(axis=(0, 2))
        size = backward_at(network, gains, sent, slopes, checkpoint)
        checkpoint()
        left = size - size[0]
        left[:, size[0] == -np.inf] = -np.inf
        left[:, ~fine] = np.nan
        plain = all(meanfield.known(layer.cell) for layer in network.layers)
        squares = sum(np.square(slope).sum(axis=(0, 2)) for slope in slopes) / (len(sequence.x) * sum(network.widths))
        return left, np.where(fine, squares, np.nan) if plain else np.full(len(gains), np.nan)


def forward_at(network, x, gains, checkpoint):
    """(states, slopes) per layer, (T+1, G, states*n) and (T, G, m): `bptt.forward` at every scale at once."""
    T, G = len(x), len(gains)
    below, states, slopes = np.broadcast_to(x[:, None], (T, G, x.shape[-1])), [], []
    for layer in network.layers:
        cell, n = CELLS[layer.cell], layer.n
        z, state = np.empty((T, G, cell.saved * n)), np.empty((T + 1, G, cell.states * n))
        state[0] = layer.h_0
        a_T = np.zeros((G, cell.gates * n))
        for t in range(T):
            a_S = times(below[t], layer.W_S.T, checkpoint) + layer.b
            if layer.recurrent:
                np.multiply(times(state[t, :, :n], layer.W_T.T, checkpoint), gains[:, None], out=a_T)
            cell.step(a_S, a_T, state[t], z[t], state[t + 1])
        states.append(state)
        slopes.append(cell.slopes(z, state[:-1]))
        below = state[1:, :, :n]
    return states, slopes


def backward_at(network, gains, sent, slopes, checkpoint):
    """(T, G) log10 of the size of dC/dz in layer 1, lag by lag: `bptt.backward` at every scale at once.

    sent (G, n_L): what the loss of the last step sends in. After each step all layers are divided by one power of 2, of each
    scale its own, which loses no digit.
    """
    layers, T, G = network.layers, len(slopes[0]), len(gains)
    delta = [np.zeros((G, CELLS[layer.cell].gates * layer.n)) for layer in layers]
    carries, exponent = [None] * len(layers), np.zeros(G)
    rows, exponents = np.empty((T, *delta[0].shape)), np.empty((T, G))
    for lag in range(T):
        above = sent if lag == 0 else np.zeros_like(sent)
        for l in range(len(layers) - 1, -1, -1):
            layer, cell = layers[l], CELLS[layers[l].cell]
            if layer.recurrent and lag:
                above = above + times(delta[l], layer.W_T, checkpoint) * gains[:, None]
            if carries[l] is not None:
                above = above + carries[l][:, :layer.n]
            carries[l] = cell.pullback(above, carries[l], slopes[l][T - 1 - lag], delta[l])
            if l:
                above = times(delta[l], layer.W_S, checkpoint)
        rows[lag], exponents[lag] = delta[0], exponent
        going_on = [*delta, *(carry for carry in carries if carry is not None)]
        peak = np.max([np.abs(each).max(axis=1) for each in going_on], axis=0)
        power = np.frexp(np.where(np.isfinite(peak), peak, 0.0))[1]
        less = np.ldexp(1.0, -power)[:, None]
        delta = [each * less for each in delta]
        carries = [None if carry is None else carry * less for carry in carries]
        exponent = exponent + power
    return np.log10(norms(rows.reshape(T * G, -1))).reshape(T, G) + exponents * np.log10(2.0)


def theory_problem(experiment):
    """Why there is no prediction for wide layers, in one plain sentence, or None."""
    e = experiment
    if e.init not in meanfield.RANDOM:
        return f"W_T starts from the {e.init}, which is not random, so the theory of random networks says nothing of it."
    unknown = next((cell for _, cell, _ in e.stack if not meanfield.known(cell)), None)
    if unknown:
        return f"The theory used here does not cover {unknown} cells."
    if e.weights:
        return "Some weights are your own and not drawn, so the theory of random networks says nothing of them."
    return None


# All draws.


def sweep(experiment, *, gains=None, lags=None, draws=DRAWS, executor=None, checkpoint=nothing, progress=None):
    """The GainMap of an experiment: what is left of its gradient at every recurrent scale and lag, averaged over draws.

    gains: recurrent scales, ascending; lags: how many, from 0; draws: how many networks and sequences, from the experiment's
    seed on. executor: any concurrent.futures.Executor, which is handed one job a draw; here and now without. The map is the
    same to the last bit. progress(done, of) is called after each draw, checkpoint() at least every 50 ms; either may raise to
    stop. Raises ValueError with a plain sentence where there is no map, or it would be too large.
    """
    gains, lags, draws = checked(experiment, gains, lags, draws)
    results = {}
    with closing(drawn(experiment, gains, lags, draws, executor, checkpoint)) as jobs:
        for number, result in jobs:
            results[number] = result
            if progress is not None:
                progress(len(results), draws)
    return summary(experiment, gains, lags, results)


def drawn(experiment, gains, lags, draws, executor, checkpoint):
    """Yields (number, result of one_draw) as the draws are done, in any order on an executor. Its jobs are cancelled if nobody
    wants them any more; those that run already end by themselves."""
    if executor is None:
        for number in range(draws):
            checkpoint()
            yield number, one_draw(experiment, gains, lags, number, checkpoint)
        return
    jobs = {executor.submit(one_draw, experiment, gains, lags, number): number for number in range(draws)}
    waiting = set(jobs)
    try:
        while waiting:
            checkpoint()
            done, waiting = wait(waiting, OFTEN, FIRST_COMPLETED)
            for job in done:
                yield jobs[job], job.result()
    finally:
        for job in waiting:
            job.cancel()


def summary(experiment, gains, lags, results):
    """The GainMap of the results of all draws, {number: result}, summed in the order of their numbers."""
    left, slope, predicted = zip(*(results[number] for number in sorted(results)), strict=True)
    counted, dead = np.isfinite(left).sum(axis=0), (np.array(left) == -np.inf).sum(axis=0)
    mean = mean_of_finite(left)
    with np.errstate(invalid="ignore"):
        spread = np.sqrt(mean_of_finite(np.square(left - mean)))
    why = theory_problem(experiment)
    return GainMap(experiment, gains, freeze(np.arange(lags)), freeze(mean), freeze(spread), freeze(counted), freeze(dead),
                   freeze(np.sqrt(mean_of_finite(slope))), None if why else freeze(mean_of_finite(predicted)), why, len(left))


def mean_of_finite(arrays):
    """The mean over the first axis of what is finite; nan where nothing is."""
    fine = np.isfinite(arrays)
    with np.errstate(invalid="ignore"):
        return np.where(fine, arrays, 0.0).sum(axis=0) / fine.sum(axis=0)
