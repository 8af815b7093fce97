"""Products of many rows with one matrix, in blocks between two checkpoints, and the memory they go to.

Rows are (T, .., n); a matrix is (n, m), or (B, n, m) for a batch of networks, whose axis B stands just before the units in
the rows.
"""

from itertools import accumulate
from math import prod

import numpy as np

MULTIPLY_ADDS_PER_CHECK = 50_000_000  # 2 ms of work on a quick core, 25 ms on a slow one
STEPS_PER_CHECK = 2_000
NUMBERS_IN_CACHE = 16_384  # 128 KB: what is elementwise over all steps is done in blocks that a core keeps near


def nothing():
    """The checkpoint that never stops."""


def transposed(W):
    return np.swapaxes(W, -1, -2)


def times(rows, W, checkpoint=nothing, out=None):
    """rows (T, .., n) times W (n, m), into `out` if given: one product for all steps, in blocks between two checkpoints."""
    if W.ndim > 2:
        if out is None:
            return np.matmul(rows[..., None, :], W)[..., 0, :]
        np.matmul(rows[..., None, :], W, out=out[..., None, :])
        return out
    if out is None:
        out = np.empty((*rows.shape[:-1], W.shape[1]), np.result_type(rows, W))
    flat, flat_out = rows.reshape(-1, rows.shape[-1]), out.reshape(-1, out.shape[-1])
    for some in blocks(len(flat), MULTIPLY_ADDS_PER_CHECK // W.size, checkpoint):
        np.matmul(flat[some], W, out=flat_out[some])
    return out


def outer(delta, h, W, checkpoint):
    """Sum over steps of delta (x) h, in the shape of W."""
    if W.ndim > 2:
        return np.einsum("t...i,t...j->...ij", delta, np.broadcast_to(h, (*delta.shape[:-1], h.shape[-1])))
    delta, h = delta.reshape(-1, delta.shape[-1]), h.reshape(-1, h.shape[-1])
    total = None
    for some in blocks(len(delta), MULTIPLY_ADDS_PER_CHECK // W.size, checkpoint):
        part = delta[some].T @ h[some]
        total = part if total is None else np.add(total, part, out=total)
    return total


def sum_to(delta, W):
    """Sum over steps, and over a batch of sequences that share the network."""
    return delta.sum(axis=0) if W.ndim > 2 else delta.reshape(-1, delta.shape[-1]).sum(axis=0)


def step_product(W, rows):
    """product(v, out) writes W v for one step's rows v: the method `dot` is the quickest call there is."""
    if W.ndim > 2:
        return lambda v, out: np.matmul(W, v[..., None], out=out[..., None])
    if rows.ndim > 1:
        W_T = transposed(W)
        return lambda v, out: np.dot(v.reshape(-1, v.shape[-1]), W_T, out.reshape(-1, out.shape[-1]))
    by_rows = np.empty(W.shape, W.dtype) if W.size < 1000 else together(W.dtype, W.shape)[0]
    by_rows[...] = W  # read by rows, and from the start of a cache line if it is large: a sixth quicker
    return by_rows.dot


def blocks(count, size, checkpoint):
    """Slices of `size` rows (1, if that is less) that make up `count`, a checkpoint before each."""
    size = max(1, size)
    for i in range(0, count, size):
        checkpoint()
        yield slice(i, i + size)


def steps_between_checks(W, rows):
    return min(STEPS_PER_CHECK, MULTIPLY_ADDS_PER_CHECK // (max(W.size, rows.size) * max(1, rows.size // rows.shape[-1])))


def steps_in_cache(rows):
    return max(1, NUMBERS_IN_CACHE * len(rows) // rows.size)


def together(kind, *shapes):
    """Empty arrays of these shapes in one piece of memory that starts on a cache line.

    From 4 MB NumPy asks the system for large pages: the first touch of many small ones would take a quarter of the time.
    """
    ends = [0, *accumulate(map(prod, shapes))]
    piece = np.empty(ends[-1] + 8, kind)
    start = -piece.ctypes.data % 64 // piece.itemsize
    return [piece[start + i:start + j].reshape(shape) for i, j, shape in zip(ends, ends[1:], shapes, strict=False)]


def time_first(array):
    return array if array.ndim == 2 else np.moveaxis(array, -2, 0)


def time_second(array):
    return array if array.ndim == 2 else np.moveaxis(array, 0, -2)


def column(mask, like):
    """A mask over the leading axes of `like`, ready to broadcast over the rest."""
    return mask.reshape(mask.shape + (1,) * (like.ndim - mask.ndim))
