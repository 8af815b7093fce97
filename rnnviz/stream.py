"""The backward pass over very long sequences, in segments: only the states between segments are kept.

Forward once, to know the states between short pieces; then from the end back, part by part, all pieces of a part forward again
at once, and back. What is kept of every step is the size of delta in every layer.
"""

from dataclasses import dataclass, replace

import numpy as np

from . import scaled
from .bptt import SMALL, forward, in_the_middle, layer_backward, rows_of_cells, single_and_pointwise, slopes_of
from .cells import CELLS
from .experiment import long_problem, make_network
from .flow import log_norms
from .products import blocks, nothing, step_product, steps_between_checks, times, transposed
from .scaled import LOG10_2, Scaled
from .tasks import LOSSES, Sequence
from .tasks import sequence as task_sequence
from .values import freeze

PIECE, PIECES = 128, 16  # steps between two kept states; how many pieces go forward again at once
BLOCK = 256  # steps back whose numbers share one power of two a layer


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
        """(L, T): the same over what the loss sends in."""
        return self.log_size - self.log_reference

    @property
    def rate(self):
        """The factor per step back of layer 1, from its first step with a number to the last loss; nan where there is none."""
        there = np.flatnonzero(np.isfinite(self.log_size[0, :self.last_loss + 1]))
        if len(there) < 2:
            return float("nan")
        first, last = int(there[0]), int(there[-1])
        return float(10.0 ** ((self.log_size[0, first] - self.log_size[0, last]) / (last - first)))

    def binned(self, most=400):
        """(edges (C+1,) in steps counted from 1, medians (L, C) of log_ratio): at most so many columns of equal length; nan
        where a column holds no number."""
        each = -(-self.T // most)
        starts = np.arange(0, self.T, each)
        medians = np.full((self.L, len(starts)), np.nan)
        for i, start in enumerate(starts):
            for l, row in enumerate(self.log_size[:, start:start + each]):
                good = row[np.isfinite(row)]
                medians[l, i] = np.median(good) - self.log_reference if len(good) else np.nan
        return np.append(starts, self.T) + 0.5, medians


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


def stream(network, sequence, checkpoint=nothing, progress=None):
    """The Streamed of one network over one sequence of any length, under one full backward pass.

    checkpoint() as in `forward`; progress(done, of) is called after each part of the sequence, forward and back. Raises
    ValueError on a batch, on gated cells, and where a state overflows.
    """
    if sequence.x.ndim != 2 or network.layers[0].W_S.ndim != 2 or not single_and_pointwise(network, sequence.x):
        raise ValueError("a stream needs one network without gates and one sequence, not a batch of them")
    T = sequence.T
    starts = range(0, T, PIECE * PIECES)
    told = progress or (lambda done, of: None)
    kept = _there(network, sequence, starts, checkpoint, told)
    sizes = np.empty((len(network.layers), T))
    largest, C, after = -np.inf, 0.0, tuple(scaled.scaled(np.zeros(layer.n)) for layer in network.layers)
    for done, start in enumerate(reversed(starts), start=len(starts)):
        steps = slice(start, min(start + PIECE * PIECES, T))
        slopes, top = _again(network, sequence.x[steps], [states[start // PIECE:] for states in kept], checkpoint)
        loss, sent = _sent(network, sequence, steps, top, checkpoint)
        C += loss
        largest = max(largest, float(sent.log10_norms().max()))
        for first in reversed(range(0, steps.stop - start, BLOCK)):
            block = slice(first, min(first + BLOCK, steps.stop - start))
            deltas, shifts = _backward(network, sent[block], [slope[block] for slope in slopes], after, checkpoint)
            for size, delta, shift in zip(sizes, deltas, shifts, strict=True):
                size[start + block.start:start + block.stop] = log_norms(delta) + shift * LOG10_2
            after = tuple(map(_first, deltas, shifts))
        told(done + 1, 2 * len(starts))
    return Streamed(freeze(sizes), largest, C, int(np.flatnonzero(sequence.scored)[-1]))


def _there(network, sequence, starts, checkpoint, told):
    """Per layer the states (pieces, n) that enter each piece of the sequence: forward for the first time, step by step."""
    kept = [np.empty((-(-sequence.T // PIECE), layer.n)) for layer in network.layers]
    entering = [layer.h_0 for layer in network.layers]
    for done, start in enumerate(starts, start=1):
        below = sequence.x[start:start + PIECE * PIECES]
        for l, layer in enumerate(network.layers):
            a = times(below, transposed(layer.W_S), checkpoint)
            a += layer.b
            h = np.empty(a.shape)
            kept[l][start // PIECE] = entering[l]
            _recur(layer, entering[l], a, h, checkpoint)
            inner = h[PIECE - 1:-1:PIECE]
            kept[l][start // PIECE + 1:start // PIECE + 1 + len(inner)] = inner
            entering[l], below = h[-1], h
            if not np.isfinite(h[-1].sum()) and not np.isfinite(h).all():
                _refuse_overflow(network, sequence, start, kept)
        told(done, 2 * len(starts))
    return kept


def _refuse_overflow(network, sequence, start, kept):
    """Raises ValueError with the step at which a state overflows, at or after `start`."""
    steps = slice(start, start + PIECE * PIECES)
    layers = [replace(layer, h_0=states[start // PIECE]) for layer, states in zip(network.layers, kept, strict=True)]
    l, t = forward(replace(network, layers=layers), Sequence(sequence.x[steps], sequence.target[steps])).overflow
    raise ValueError(f"the state of layer {l + 1} overflows at step {start + t + 1}; there is no gradient to send back")


def _recur(layer, entering, a, h, checkpoint):
    """Fill h (T, n), or (T, pieces, n), from what comes from space, a, which becomes z, and the state that enters."""
    phi, add = CELLS[layer.cell].phi, np.add
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        if not layer.recurrent:
            phi(a, h)
            return
        product, before = step_product(layer.W_T, entering), entering
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


def _backward(network, sent, slopes, after, checkpoint):
    """(delta per layer (T, n), plain or Scaled; per layer the power of two that it is still to be multiplied with).

    Plain numbers do wherever one shift a layer brings what enters, and all that becomes of it, into the middle of the float
    range: layers may fade at different paces.
    """
    cells, shifts, shift = [], [], scaled.NONE
    for l in range(len(network.layers) - 1, -1, -1):
        above = shift
        shift = np.maximum(shift, max(after[l].sizes().max(), scaled.NONE if cells else sent.sizes().max()))
        rows = rows_of_cells(network.layers[l:l + 1], (len(sent.mantissa),))[0]
        if shift == scaled.NONE:
            rows[0][...] = 0.0
        elif not _plain_layer(network, l, slopes, sent, after, cells, (above, shift), rows, checkpoint):
            far, _ = scaled.one_pass(network, sent, slopes, after, checkpoint)
            return [delta for delta, *_ in far], [0] * len(far)
        cells.append(rows)
        shifts.append(0 if shift == scaled.NONE else int(shift))
    return [rows[0] for rows in reversed(cells)], shifts[::-1]


def _plain_layer(network, l, slopes, sent, after, cells, shifts, rows, checkpoint):
    """Fill the cells of layer l under its shift, those above it being done; whether no number was lost on the way."""
    (above, shift), entering = shifts, _shifted(after[l], shifts[1])
    if (np.abs(entering[after[l].mantissa != 0]) < SMALL).any():
        return False
    if not cells:
        rows[2][...] = _shifted(sent, shift)
        lost = (sent.mantissa != 0) & (np.abs(rows[2]) < SMALL)
    elif above == scaled.NONE:
        rows[2][...] = lost = 0.0
    else:
        times(cells[-1][0], network.layers[l + 1].W_S, checkpoint, out=rows[2])
        lost = 0.0
        if above != shift:
            there = rows[2] != 0
            np.ldexp(rows[2], above - shift, out=rows[2])
            lost = there & (np.abs(rows[2]) < SMALL)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        layer_backward(network.layers[l], slopes[l], *rows, checkpoint, after=entering)
    if np.any(lost) and (np.abs(rows[1][lost]) < SMALL).any():
        return False
    one = replace(network, layers=network.layers[l:l + 1], W_out=None, b_out=None)
    return in_the_middle(one, rows[2], slopes[l:l + 1], [rows])


def _shifted(rows, shift):
    """Scaled numbers over 2^shift as plain floats."""
    return np.ldexp(rows.mantissa, rows.exponent - np.int32(shift))


def _first(delta, shift):
    """The first row of delta, Scaled, with exponents of its own."""
    if isinstance(delta, Scaled):
        mantissa, exponent = np.frexp(delta.mantissa[0])
        return Scaled(mantissa, exponent + delta.exponent[0])
    mantissa, exponent = np.frexp(delta[0])
    return Scaled(mantissa, exponent + np.int32(shift))
