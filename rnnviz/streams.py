"""The backward pass over very long sequences, in segments: only the states between segments are kept.

Forward once, to know the states between short pieces; then from the end back, part by part, all pieces of a part forward again
at once, and back. What is kept of every step is the size of delta in every layer.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from . import scaled
from .bptt import forward, slopes_of
from .cells import CELLS
from .experiment import TABLE, cost, ends, make_network
from .exponents import layer_backward, one_pass, single_and_pointwise
from .flow import log_norms
from .network import Layer
from .products import blocks, nothing, step_product, steps_between_checks, times, transposed
from .tasks import LOSSES, Sequence
from .tasks import sequence as task_sequence
from .values import freeze

PIECE, PIECES = 128, 16  # steps between two kept states; how many pieces go forward again at once
PART = PIECE * PIECES
MOST_COLUMNS = 400  # of a picture
MOST_JOINT = 128  # units of a stack that is passed as one layer
MOST_WORK, MOST_NUMBERS = 20_000_000_000, 10_000_000  # multiply-adds, and numbers read and answered, of a long run


@dataclass(frozen=True, eq=False)
class Streamed:
    """What is left of a gradient over a long run.

    log_size (L, T): log10 of the size of dC/dz at every cell, right far outside the float range, -inf for 0; log_reference:
    log10 of the largest gradient that a loss sends in; C: the total loss; last_loss: the step of the last loss, from 0.
    """

    log_size: np.ndarray
    log_reference: float
    C: float
    last_loss: int

    @property
    def L(self):
        return self.log_size.shape[0]

    @property
    def T(self):
        return self.log_size.shape[1]

    @property
    def log_ratio(self):
        """(L, T): the same over what the loss sends in; -inf where it sends nothing."""
        return self.log_size - (self.log_reference if self.log_reference > -np.inf else 0.0)

    @property
    def rate(self):
        """The factor per step back of layer 1, from its first step with a number to the last loss; nan where there is none."""
        there = np.flatnonzero(np.isfinite(self.log_size[0, :self.last_loss + 1]))
        if len(there) < 2:
            return float("nan")
        first, last = int(there[0]), int(there[-1])
        return float(10.0 ** ((self.log_size[0, first] - self.log_size[0, last]) / (last - first)))

    @cached_property
    def binned(self):
        """(edges (K+1,) in steps counted from 1, medians (L, K) of log_ratio): columns of equal length; nan where a column
        holds no number."""
        each = -(-self.T // MOST_COLUMNS)
        starts = np.arange(0, self.T, each)
        medians = np.full((self.L, len(starts)), np.nan)
        log_ratio = self.log_ratio
        for i, start in enumerate(starts):
            for l, row in enumerate(log_ratio[:, start:start + each]):
                good = row[np.isfinite(row)]
                medians[l, i] = np.median(good) if len(good) else np.nan
        return np.append(starts, self.T) + 0.5, medians


def long_problem(experiment):
    """Why the long run of an experiment cannot be streamed, in one plain sentence, or None."""
    e = experiment
    if e.task == TABLE:
        return f"A table has {len(e.table.numbers):,} rows at most; choose another input for a long run."
    if e.score == "chosen steps":
        return "A long run is scored at its last step or at every step; choose one of the two."
    numbers, work = e.long * sum(ends(e)), cost(replace(e, T=1, cut=False)) * e.long
    if numbers > MOST_NUMBERS or work > MOST_WORK:
        most = int(e.long * min(MOST_NUMBERS / numbers, MOST_WORK / work))
        return f"This long run takes too long; {most:,} steps of it would fit."
    return None


def long_run(experiment, checkpoint=nothing, progress=None):
    """The Streamed of an experiment's long run. Raises ValueError with a sentence where it cannot be streamed."""
    e = experiment
    found = long_problem(e)
    if found:
        raise ValueError(found)
    scored = np.ones(e.long, bool) if e.score == "every step" else None
    seq = task_sequence(e.task, e.long, scored=scored, loss=e.loss_name, text=e.text, seed=e.seed, inputs=e.inputs,
                        outputs=e.outputs)
    return stream(make_network(e, checkpoint), seq, checkpoint=checkpoint, progress=progress)


@np.errstate(over="ignore", invalid="ignore", under="ignore")
def stream(network, sequence, checkpoint=nothing, progress=None):
    """The Streamed of one network over one sequence of any length, under one full backward pass.

    checkpoint() as in `forward`; progress(done, of) is called after each part of the sequence, forward and back. Raises
    ValueError on a batch, on gated cells, and where a state overflows.
    """
    if sequence.x.ndim != 2 or network.layers[0].W_S.ndim != 2 or not single_and_pointwise(network, sequence.x):
        raise ValueError("a stream needs one network without gates and one sequence, not a batch of them")
    T, way = sequence.T, Joint(network) if joint_pays(network) else Apart(network)
    starts = range(0, T, PART)
    told = progress or (lambda done, of: None)
    kept = [np.empty((-(-T // PIECE), layer.n)) for layer in network.layers]
    for done, start in enumerate(starts, start=1):
        if not way.forward(sequence, start, kept, checkpoint):
            _refuse_overflow(network, sequence, max(0, start - PART), kept)
        told(done, 2 * len(starts))
    if not way.last(sequence, kept, checkpoint):
        _refuse_overflow(network, sequence, max(0, starts[-1] - PART), kept)
    sizes, largest, C = np.empty((len(network.layers), T)), -np.inf, 0.0
    for done, start in enumerate(reversed(starts), start=len(starts)):
        steps = slice(start, min(start + PART, T))
        slopes, top = _again(network, sequence.x[steps], [states[start // PIECE:] for states in kept], checkpoint)
        loss, sent = _sent(network, sequence, steps, top, checkpoint)
        C += loss
        largest = max(largest, float(sent.log10_norms().max()))
        way.backward(slopes, sent, start, sizes, checkpoint)
        told(done + 1, 2 * len(starts))
    return Streamed(freeze(sizes), largest, C, int(np.flatnonzero(sequence.scored)[-1]))


class Apart:
    """A stack whose layers are passed one after another, part by part."""

    def __init__(self, network):
        self.network = network
        self.entering = [layer.h_0 for layer in network.layers]
        self.after = [scaled.scaled(np.zeros(layer.n)) for layer in network.layers]

    def forward(self, sequence, start, kept, checkpoint):
        """Keep the states (pieces, n) that enter each piece of a part; whether they all are finite."""
        below = sequence.x[start:start + PART]
        for l, layer in enumerate(self.network.layers):
            a = times(below, transposed(layer.W_S), checkpoint)
            a += layer.b
            h = np.empty(a.shape)
            kept[l][start // PIECE] = self.entering[l]
            _recur(layer, self.entering[l], a, h, checkpoint)
            _keep(kept[l], h, start)
            self.entering[l], below = h[-1], h
            if not finite(h):
                return False
        return True

    def last(self, sequence, kept, checkpoint):
        """Nothing is left to do at the end, and so nothing overflows."""
        return True

    def backward(self, slopes, sent, start, sizes, checkpoint):
        """Fill the sizes of a part, and remember delta of its first step."""
        cells, _ = one_pass(self.network, sent, slopes, self.after, checkpoint)
        for size, (delta, *_) in zip(sizes, cells, strict=True):
            size[start:start + len(delta.mantissa)] = log_norms(delta)
        self.after = [delta[0] for delta, *_ in cells]


def joint_pays(network):
    """Whether a stack is quicker as one layer: NumPy's calls cost as much as such small products."""
    layers = network.layers
    same = len({layer.cell for layer in layers}) == 1 and all(layer.recurrent for layer in layers)
    return len(layers) > 1 and same and sum(layer.n for layer in layers) <= MOST_JOINT


class Joint:
    """A stack as one layer, whose row r holds layer l (from 0) at step r - l: what comes from below then comes from the row
    before, too, and one product a row serves all layers.

    Rows run from 0 to T + L - 2; layer l stands still before its step 0, and what it does after step T - 1 reaches nobody.
    """

    def __init__(self, network):
        layers = network.layers
        self.ends = np.cumsum([0, *(layer.n for layer in layers)])
        self.units = [slice(*pair) for pair in zip(self.ends[:-1], self.ends[1:], strict=True)]
        N, self.lag, self.first = self.ends[-1], len(layers) - 1, layers[0]
        W = np.zeros((N, N))
        for l, (layer, here) in enumerate(zip(layers, self.units, strict=True)):
            W[here, here] = layer.W_T
            if l:
                W[here, self.units[l - 1]] = layer.W_S
        self.layer = Layer(np.zeros((N, 1)), W, np.concatenate([layer.b for layer in layers]), layers[0].cell)
        self.h_0 = self.entering = np.concatenate([layer.h_0 for layer in layers])
        self.after = scaled.scaled(np.zeros(N))
        self.later = [np.zeros((self.lag, layer.n)) for layer in layers]

    def forward(self, sequence, start, kept, checkpoint):
        """Keep the states (pieces, n) that enter each piece, as far as these rows hold them; whether they all are finite."""
        if start == 0:
            for states, here in zip(kept, self.units, strict=True):
                states[0] = self.h_0[here]
        h = self.rows(sequence.x[start:start + PART], start, checkpoint)
        for l, here in enumerate(self.units):
            _keep(kept[l], h[:, here], start - l)
        return finite(h)

    def rows(self, x, start, checkpoint):
        """The states (rows, N) under the inputs of rows from `start` on."""
        a = np.zeros((len(x), len(self.h_0)))
        a[:, self.units[0]] = times(x, transposed(self.first.W_S), checkpoint)
        a += self.layer.b
        h = np.empty(a.shape)
        still = min(max(0, self.lag - start), len(x))
        for i in range(still):
            _recur(self.layer, self.entering, a[i:i + 1], h[i:i + 1], checkpoint)
            h[i, self.ends[start + i + 1]:] = self.h_0[self.ends[start + i + 1]:]
            self.entering = h[i]
        if still < len(x):
            _recur(self.layer, self.entering, a[still:], h[still:], checkpoint)
            self.entering = h[-1]
        return h

    def last(self, sequence, kept, checkpoint):
        """The rows after the last input, for the layers that are still behind; whether their states are finite."""
        h = self.rows(np.zeros((self.lag, sequence.x.shape[1])), sequence.T, checkpoint)
        behind = [h[:l, here] for l, here in enumerate(self.units)]
        for l, states in enumerate(behind):
            _keep(kept[l], states, sequence.T - l)
        return all(np.isfinite(states).all() for states in behind)

    def backward(self, slopes, sent, start, sizes, checkpoint):
        """Fill the sizes of the rows that a part's top layer stands in, and remember delta of the first of them."""
        n, N, T = len(sent.mantissa), self.ends[-1], sizes.shape[1]
        both = [np.concatenate(pair) for pair in zip(slopes, self.later, strict=True)]
        slope = np.concatenate([rows[self.lag - l:][:n] for l, rows in enumerate(both)], axis=1)
        entering = scaled.scaled(np.zeros((n, N)))
        entering.mantissa[:, self.units[-1]], entering.exponent[:, self.units[-1]] = sent.mantissa, sent.exponent
        delta = self.send(slope, entering, checkpoint)
        for l, here in enumerate(self.units):
            first = start + self.lag - l
            sizes[l, first:first + n] = log_norms(delta[:max(0, T - first), here])
        self.later = [rows[:self.lag] for rows in both]
        if start == 0:
            self.to_the_first_step(sizes, checkpoint)

    def to_the_first_step(self, sizes, checkpoint):
        """The rows before the top layer's first step."""
        slope = np.zeros((self.lag, self.ends[-1]))
        for l, (here, rows) in enumerate(zip(self.units, self.later, strict=True)):
            slope[l:, here] = rows[:self.lag - l]
        delta = self.send(slope, scaled.scaled(np.zeros(slope.shape)), checkpoint)
        for l, here in enumerate(self.units[:-1]):
            some = sizes[l, :self.lag - l]
            some[:] = log_norms(delta[l:, here])[:len(some)]

    def send(self, slope, entering, checkpoint):
        """delta of some rows, Scaled (rows, N)."""
        (delta, *_), _ = layer_backward(self.layer, slope, entering, self.after, checkpoint)
        self.after = delta[0]
        return delta


def finite(h):
    """Whether all states are finite; one that overflows stays so, or leaves nan, to the last row it reaches."""
    return np.isfinite(h[-1].sum()) or np.isfinite(h).all()


def _keep(states, h, first):
    """Put the rows of h (rows, n), the states after the steps from `first` on, where they enter a piece."""
    following = first + 1 + np.arange(len(h))
    at = np.flatnonzero((following % PIECE == 0) & (following > 0) & (following // PIECE < len(states)))
    states[following[at] // PIECE] = h[at]


def _refuse_overflow(network, sequence, start, kept):
    """Raises ValueError with the step at which a state overflows, at or after `start`."""
    steps = slice(start, start + 2 * PART + len(network.layers))
    layers = [replace(layer, h_0=states[start // PIECE]) for layer, states in zip(network.layers, kept, strict=True)]
    l, t = forward(replace(network, layers=layers), Sequence(sequence.x[steps], sequence.target[steps])).overflow
    raise ValueError(f"the state of layer {l + 1} overflows at step {start + t + 1}; there is no gradient to send back")


def _recur(layer, entering, a, h, checkpoint):
    """Fill h (T, n), or (T, pieces, n), from what comes from space, a, which becomes z, and the state that enters."""
    phi, add, dot = CELLS[layer.cell].phi, np.add, np.dot
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        if not layer.recurrent:
            phi(a, h)
            return
        W, before = transposed(layer.W_T), entering
        product = step_product(layer.W_T, entering) if entering.ndim == 1 else lambda v, out: dot(v, W, out)
        for some in blocks(len(a), steps_between_checks(layer.W_T, entering), checkpoint):
            for z, after in zip(a[some], h[some], strict=True):
                product(before, after)
                add(after, z, z)
                phi(z, after)
                before = after


def _again(network, x, kept, checkpoint):
    """Per layer phi'(z) (T, n) of a part of the sequence, and the top layer's states (T, n): forward again, all pieces at once
    from the states that enter them."""
    T = len(x)
    pieces = -(-T // PIECE)
    below = np.zeros((pieces * PIECE, x.shape[1]))
    below[:T] = x
    below = np.ascontiguousarray(below.reshape(pieces, PIECE, -1).swapaxes(0, 1))
    slopes = []
    for layer, states in zip(network.layers, kept, strict=True):
        a = times(below, transposed(layer.W_S), checkpoint)
        a += layer.b
        h = np.empty(a.shape)
        _recur(layer, states[:pieces], a, h, checkpoint)
        rows = a.swapaxes(0, 1).reshape(pieces * PIECE, -1)[:T]
        slopes += slopes_of([layer], [rows], [np.empty((T + 1, 0))], checkpoint)
        below = h
    return slopes, below.swapaxes(0, 1).reshape(pieces * PIECE, -1)[:T]


def _sent(network, sequence, steps, h, checkpoint):
    """(the loss of some steps, what each of them sends in, Scaled (T, n_L))."""
    o = h if network.W_out is None else times(h, transposed(network.W_out), checkpoint) + network.b_out
    scored = sequence.scored[steps]
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        _, loss, slope_out = LOSSES[sequence.loss](o, sequence.target[steps])
    sent = scaled.scaled(np.where(scored[:, None], slope_out, 0.0))
    return float(loss[scored].sum()), sent if network.W_out is None else scaled.times(sent, network.W_out, checkpoint)
