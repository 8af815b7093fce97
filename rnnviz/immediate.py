"""The gradient of one loss as the sum over steps k that the U,V,W text writes, with the immediate derivative in it:

    dL_t/dW = sum_{k<=t}  dL_t/dh_t  (prod_{i=k+1..t} dh_i/dh_{i-1})  d+h_k/dW        latest factor leftmost

h is the state of the whole stack. d+ is the immediate derivative: h_{k-1} is held fixed and W is nudged at step k alone, but
within that step the layers above change too. The text prints dh_k/dW. Read as a total derivative, that already holds the terms
of all steps before k, so that the term of step k is counted t-k+1 times: once inside each of the totals of steps k..t.

Nothing here multiplies the stack's Jacobians out: rows are sent back through the layers, as the backward pass does. Because a
state h_k reaches later steps through W_T alone, the row that arrives at step k is from_time of every layer, side by side.
Source: the U,V,W text with its misprint put right.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .bptt import backward, nothing
from .cells import CELLS
from .flow import norms
from .lags import Against, compare, gradient_of, layer_of, parameters, right_side, size_of
from .values import freeze
from .windows import Windows

MOST_UNITS = 64  # of a stack whose product of Jacobians is sized
MOST_WORK = 150_000_000  # multiply-adds for all products, and as many for all immediate derivatives
NUMBERS_AT_ONCE = 1_000_000


@dataclass(frozen=True, eq=False)
class Sum:
    """The terms of one loss's gradient, one row per step k; every (T,) is nan where the sum has no term.

    name: of the parameter. loss: the step t of the loss, from 0, the last one that some pass sees. first: the earliest step its
    pass reaches, from 0. losses: how many losses are seen in all; whole: the size of their gradient together.
    through (T,): ||dL_t/dh_t prod||, of the row that arrives at step k. product (T,): the largest singular value of prod, 1 at
    k = t, so that through is never more than product times its own value at t; None where the stack is too large for it.
    immediate (T,): the Frobenius norm of d+h_k/dW; None where that takes too much work. right (T,): the norm of what delta is
    multiplied with, 0 for a structural zero. term (T,): the Frobenius norm of the whole term; norms do not add.
    gradient (n, m): the sum of the terms, a bias as one column. total (n, m): what the sum would be with a total derivative in
    place of the immediate one. over: the Against of total and gradient, (1,) each: angle, ratio of sizes, relative error.
    """

    name: str
    loss: int
    first: int
    losses: int
    whole: float
    through: np.ndarray
    product: np.ndarray | None
    immediate: np.ndarray | None
    right: np.ndarray
    term: np.ndarray
    gradient: np.ndarray
    total: np.ndarray
    over: Against

    @property
    def T(self):
        return len(self.term)

    @property
    def kept(self):
        """(T,) bool: the steps that have a term."""
        return (np.arange(self.T) >= self.first) & (np.arange(self.T) <= self.loss)

    @property
    def counts(self):
        """(T,) int: how often a total derivative would count the term of each step; 0 where there is none."""
        return np.where(self.kept, self.loss - np.arange(self.T) + 1, 0)

    @property
    def sent(self):
        """||dL_t/dh_t||, the size of the row before any product."""
        return float(self.through[self.loss])

    @cached_property
    def size(self):
        """The Frobenius norm of the gradient of this loss."""
        return size_of(self.gradient)

    @cached_property
    def total_size(self):
        """The Frobenius norm of what a total derivative would make of it."""
        return size_of(self.total)


def read_sum(run, name, checkpoint=nothing):
    """The Sum of one parameter's gradient in a run without a batch, for the last loss that a pass of its schedule sees.

    name: as in lags.parameters, but not the readout's. The pass that carries the loss decides which steps have a term; where
    old losses enter again, the one that reaches furthest back, and the loss once. checkpoint() as in `forward`.
    Raises ValueError with the sentence of `problem` where there is no such sum.
    """
    found = problem(run, name)
    if found:
        raise ValueError(found)
    network, T, l = run.network, run.sequence.T, layer_of(name)
    heard = np.flatnonzero(run.sequence.scored & run.windows.seen())
    t = int(heard[-1])
    first = int(run.windows.first[run.windows.last >= t][0])
    alone = backward(network, run.sequence, run.forward, Windows(T, [first], [t], [t]), checkpoint=checkpoint)
    steps = slice(first, t + 1)

    arriving = [rows[steps].copy() for rows in alone.from_time]
    arriving[-1][-1] = alone.from_space[-1][t]  # dL_t/dh_t: nothing has come through time yet
    left, right = alone.delta[l][steps], right_side(name, run)[steps]
    counts = np.arange(t - first + 1, 0, -1)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        beside = norms(right)
        gradient, total = left.T @ right, (left * counts[:, None]).T @ right
        product = product_sizes(network, alone.slopes, first, t, checkpoint)
        within = within_step(network, alone.slopes, l, first, t, checkpoint)
        rows = dict(through=norms(np.concatenate(arriving, axis=1)), product=product, right=beside,
                    immediate=None if within is None else within * beside, term=norms(left) * beside)
        return Sum(name, t, first, len(heard), size_of(gradient_of(name, run.backward)),
                   **{each: None if values is None else _among(T, steps, values) for each, values in rows.items()},
                   gradient=freeze(gradient), total=freeze(total), over=compare([total], [gradient]))


def problem(run, name):
    """Why a run has no such sum for this parameter, in one plain sentence, or None."""
    layers = run.network.layers
    for l, layer in enumerate(layers, start=1):
        if (CELLS[layer.cell].gates, CELLS[layer.cell].states) != (1, 1):
            return f"Layer {l} is {layer.cell}; this sum is that of cells without gates."
    if name in ("W_out", "b_out"):
        return f"{name} acts after the state, so its gradient needs no sum over earlier steps."
    if name in [f"W_T{l}" for l, layer in enumerate(layers, start=1) if not layer.recurrent]:
        return f"Layer {name[3:]} is not recurrent; it has no W_T."
    names = [each for each in parameters(run.network) if layer_of(each) is not None]
    if name not in names:
        return f"The parameter is {name!r}; it must be one of {', '.join(names)}."
    if run.backward is None:
        l, t = run.forward.overflow
        return f"The state of layer {l + 1} overflows at step {t + 1}; there is no gradient."
    if run.backward.delta[0].ndim != 2:
        return "This is a batch; the sum is shown for one network and one sequence."
    if not (run.sequence.scored & run.windows.seen()).any():
        return "No backward pass sees a loss, so the sum has no term."
    return None


def product_sizes(network, slopes, first, t, checkpoint=nothing):
    """(t-first+1,) the largest singular value of prod_{i=k+1..t} dh_i/dh_{i-1} for k = first..t; None for a large stack.

    The rows of the identity are sent back together, one step at a time, in units of a power of 2, so that no product leaves the
    float range on its way. inf or 0 where float64 cannot hold the result; nan after an entry that overflows by itself.
    """
    widths, count = network.widths, t - first + 1
    N = sum(widths)
    if N > MOST_UNITS or count * N**3 > MOST_WORK:
        return None
    rows, exponent = np.eye(N), 0
    squares, exponents = np.full((count, N, N), np.nan), np.zeros(count, dtype=int)
    for k in range(t, first - 1, -1):
        checkpoint()
        peak = float(np.abs(rows).max())
        if not np.isfinite(peak):
            break
        power = int(np.frexp(peak)[1])
        rows, exponent = np.ldexp(rows, -power), exponent + power
        squares[k - first], exponents[k - first] = rows @ rows.T, exponent
        rows = one_step_back(network, [slope[k] for slope in slopes], np.split(rows, np.cumsum(widths)[:-1], axis=1))
    there, found = np.isfinite(squares[:, 0, 0]), np.full(count, np.nan)
    for some in np.array_split(np.flatnonzero(there), 1 + squares.size // NUMBERS_AT_ONCE):
        checkpoint()
        found[some] = np.sqrt(np.linalg.eigvalsh(squares[some])[:, -1].clip(0.0))
    return np.ldexp(found, exponents)


def one_step_back(network, slopes, rows):
    """(R, N): rows of dL/dh_i, per layer (R, n), times dh_i/dh_{i-1}; slopes: per layer (n,), phi'(z) of step i."""
    made, from_space = [], 0.0
    for layer, slope, arriving in zip(network.layers[::-1], slopes[::-1], rows[::-1], strict=True):
        delta = (from_space + arriving) * slope
        made.append(delta @ layer.W_T if layer.recurrent else np.zeros_like(delta))
        from_space = delta @ layer.W_S
    return np.concatenate(made[::-1], axis=1)


def within_step(network, slopes, l, first, t, checkpoint=nothing):
    """(t-first+1,) the Frobenius norm of dh_k/dz_k^l with h_{k-1} fixed, for k = first..t; None where it takes too much work.

    Block m of it, for the layers m >= l, is prod_{j=m..l+1} (diag phi'(z^j) W_S^j) diag phi'(z^l).
    """
    above, count = network.layers[l + 1:], t - first + 1
    n, steps = network.layers[l].n, slice(first, t + 1)
    if not above:
        return norms(slopes[l][steps])
    if len(above) == 1:
        return np.hypot(norms(slopes[l][steps]), between(slopes[l + 1][steps], above[0].W_S, slopes[l][steps]))
    if count * n * sum(layer.W_S.size for layer in above) > MOST_WORK:
        return None
    size = max(1, NUMBERS_AT_ONCE // (n * max(network.widths)))
    found = np.empty(count)
    for start in range(first, t + 1, size):
        checkpoint()
        steps = slice(start, min(start + size, t + 1))
        blocks, sizes = None, [norms(slopes[l][steps])]
        for layer, slope in zip(above, slopes[l + 1:], strict=True):
            below = layer.W_S * slopes[l][steps, None, :] if blocks is None else layer.W_S @ blocks
            blocks = slope[steps, :, None] * below
            sizes.append(norms(blocks.reshape(len(blocks), -1)))
        found[start - first:steps.stop - first] = norms(np.stack(sizes, axis=1))
    return found


def between(left, W, right):
    """(N,) the Frobenius norm of diag(left) W diag(right) for rows left (N, n) and right (N, m), no matrix formed for any row.

    Squares are taken relative to the largest entry of each, so that only what lies 1e-154 below it is lost.
    """
    a, b, c = (np.abs(values).max(axis=axis, keepdims=True) for values, axis in ((left, 1), (W, None), (right, 1)))
    squares = [(values / np.where(peak > 0, peak, 1.0)) ** 2 for values, peak in ((left, a), (W, b), (right, c))]
    return np.sqrt(np.vecdot(squares[0] @ squares[1], squares[2])) * (a * b * c)[:, 0]


def _among(T, steps, values):
    """(T,) the values at these steps, nan at the others."""
    made = np.full(T, np.nan)
    made[steps] = values
    return freeze(made)
