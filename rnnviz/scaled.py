"""Numbers far outside the float range: rows of m * 2^e, their sums and their products with plain matrices.

A block of rows shares one exponent a unit, so that its product is a plain one; where what came out is so small that terms may
have been lost, the block is halved, down to single rows whose every term keeps an exponent of its own.
"""

from dataclasses import dataclass

import numpy as np

from .products import blocks, nothing

MIDDLE = 500  # a plain block holds numbers from 2^-500 to 2^500, and slopes from 2^-500: no product of them underflows
ROWS = 256  # of a block of a product
TERMS = 500_000  # of a product whose every term keeps its exponent, at once
NONE = np.int32(-(2**30))  # the exponent of 0; two of them still add up to an int32
NOWHERE = NONE + 4096  # under it lies the exponent of 0 only, times a weight
LOG10_2 = float(np.log10(2.0))


@dataclass(frozen=True, eq=False)
class Scaled:
    """Numbers mantissa * 2^exponent, both (.., n), the exponent int32. Mantissas may be any floats, 0 included."""

    mantissa: np.ndarray
    exponent: np.ndarray

    def __getitem__(self, at):
        return Scaled(self.mantissa[at], self.exponent[at])

    def plain(self, out=None):
        """As float64: 0, or a number with fewer digits, under 1e-308, and infinite over 1e308. out: where it goes."""
        with np.errstate(over="ignore", under="ignore"):
            return np.ldexp(self.mantissa, self.exponent, out=out)

    def log2(self):
        """(.., n) base-2 logarithms of the sizes, -inf for 0."""
        with np.errstate(divide="ignore"):
            return np.log2(np.abs(self.mantissa)) + self.exponent

    def sizes(self):
        """(.., n) whole exponents s with 2^(s-1) <= size < 2^s, NONE for 0."""
        return np.where(self.mantissa == 0, NONE, np.frexp(self.mantissa)[1] + self.exponent)

    def normalised(self):
        """(rows over their largest power of two (.., n), its exponents (..,)); rows of zeros have the exponent 0."""
        largest = self.sizes().max(axis=-1)
        largest = np.where(largest == NONE, 0, largest)
        return np.ldexp(self.mantissa, self.exponent - largest[..., None]), largest

    def log10_norms(self):
        """(..,) base-10 logarithms of the Euclidean norms over units, -inf where all are 0."""
        exponents = self.exponent.max(axis=-1)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            rows = np.ldexp(self.mantissa, self.exponent - exponents[..., None])
            squares = np.vecdot(rows, rows)
        if not ((squares > 2.0**-MIDDLE) & (squares < 2.0**MIDDLE)).all():  # or the largest exponent is that of a 0
            rows, exponents = self.normalised()
            squares = np.vecdot(rows, rows)
        with np.errstate(divide="ignore"):
            return 0.5 * np.log10(squares) + exponents * LOG10_2


def scaled(rows):
    """Plain numbers as Scaled."""
    return Scaled(rows, np.zeros(rows.shape, np.int32))


def padded(rows, first, T):
    """Scaled rows (m, n) as those of T steps from step `first` on, 0 at all others."""
    if len(rows.mantissa) == T:
        return rows
    made = scaled(np.zeros((T, rows.mantissa.shape[1])))
    made.mantissa[first:first + len(rows.mantissa)] = rows.mantissa
    made.exponent[first:first + len(rows.mantissa)] = rows.exponent
    return made


def added(a, b):
    """The sum of two Scaled of one shape, right to the rounding of the larger."""
    exponent = np.maximum(a.sizes(), b.sizes())
    exponent = np.where(exponent == NONE, 0, exponent)
    return Scaled(under(a, exponent) + under(b, exponent), exponent)


def under(a, exponent):
    """The mantissas of Scaled numbers under other exponents; what is too small for them becomes 0."""
    return np.ldexp(a.mantissa, a.exponent - exponent)


def tiny(slope):
    """Whether some slope other than 0 is too small for a plain product."""
    return slope.min() < 2.0**-MIDDLE and slope.min(where=slope > 0, initial=1.0) < 2.0**-MIDDLE


def gated(rows, slope):
    """Scaled rows times slopes of the same shape, which may be as small as floats can be."""
    if not tiny(slope):
        return Scaled(rows.mantissa * slope, rows.exponent)
    mantissa, exponent = np.frexp(slope)
    return Scaled(rows.mantissa * mantissa, rows.exponent + exponent)


# Products.


def exact(rows, W, checkpoint=nothing):
    """Scaled rows (R, m) times W (m, n), every term with an exponent of its own: slow, and never a false 0."""
    mantissa, exponent = np.empty((len(rows.mantissa), W.shape[1])), np.empty((len(rows.mantissa), W.shape[1]), np.int32)
    W_mantissa, W_exponent = np.frexp(W)
    for some in blocks(len(mantissa), max(1, TERMS // W.size), checkpoint):
        small, power = np.frexp(rows.mantissa[some])
        terms = small[:, :, None] * W_mantissa
        powers = (power + rows.exponent[some])[:, :, None] + W_exponent
        sizes = np.where(terms == 0, NONE, powers)
        largest = sizes.max(axis=1)
        exponent[some] = largest = np.where(largest == NONE, 0, largest)
        mantissa[some] = np.ldexp(terms, powers - largest[:, None]).sum(axis=1)
    return Scaled(mantissa, exponent)


def times(rows, W, checkpoint=nothing):
    """Scaled rows (R, m) times W (m, n), in blocks of rows that share their exponents; a block that does not hold is halved."""
    made = Scaled(np.empty((len(rows.mantissa), W.shape[1])), np.empty((len(rows.mantissa), W.shape[1]), np.int32))
    weights = np.where(W == 0, NONE, np.frexp(W)[1])
    there = (W != 0).astype(float)
    for some in blocks(len(made.mantissa), ROWS, checkpoint):
        stop = min(some.stop, len(made.mantissa))
        _fill(made, rows, W, weights, there, slice(some.start, stop), checkpoint)
    return made


def _fill(made, rows, W, weights, there, some, checkpoint):
    block = rows[some]
    if not block.mantissa.any():
        made.mantissa[some], made.exponent[some] = 0.0, 0
        return
    size = block.sizes().max(axis=0)
    arriving = (size[:, None] + weights).max(axis=0)
    exponent = np.where(arriving < NOWHERE, 0, arriving)
    below = np.where(size == NONE, exponent.min(), size)  # units that hold 0 throughout must not become infinite weights
    V = np.ldexp(W, below[:, None] - exponent)
    found = under(block, below) @ V
    doubtful = np.abs(found) < 2.0**-MIDDLE
    if doubtful.any():
        doubtful &= (block.mantissa != 0).astype(float) @ there > 0
    if doubtful.any():  # unless its terms are there, and cancel
        doubtful &= np.abs(under(block, below)) @ np.abs(V) < 2.0**-MIDDLE
    if doubtful.any() and len(found) > 1:
        middle = (some.start + some.stop) // 2
        for half in (slice(some.start, middle), slice(middle, some.stop)):
            _fill(made, rows, W, weights, there, half, checkpoint)
        return
    if doubtful.any():
        single = exact(block, W, checkpoint)
        made.mantissa[some], made.exponent[some] = single.mantissa, single.exponent
    else:
        made.mantissa[some], made.exponent[some] = found, exponent


# Gradients.


def outer(delta, h):
    """(n, m) sum over steps of delta (x) h as float64: Scaled (T, n), and plain h (T, m). Infinite beyond the float range."""
    total = scaled(np.zeros((delta.mantissa.shape[1], h.shape[1])))
    peak = np.frexp(np.abs(h).max(axis=0, initial=0.0))[1]
    h = np.ldexp(h, -peak)
    for some in blocks(len(h), ROWS, nothing):
        total = _and_block(total, delta[some], h[some])
    return Scaled(total.mantissa, total.exponent + peak).plain()


def _and_block(total, delta, h):
    """A running sum, and a block of steps that share one exponent a unit; a block whose sizes differ too much is halved."""
    exponent = np.where(delta.mantissa == 0, NONE, delta.exponent)
    largest = exponent.max(axis=0)
    least = np.where(delta.mantissa == 0, largest, exponent).min(axis=0)
    if (largest - least).max() > MIDDLE and len(h) > 1:
        middle = len(h) // 2
        return _and_block(_and_block(total, delta[:middle], h[:middle]), delta[middle:], h[middle:])
    largest = np.where(largest == NONE, 0, largest)
    found = under(delta, largest).T @ h
    return added(total, Scaled(found, np.broadcast_to(largest[:, None], found.shape)))


def summed(delta):
    """(n,) sum over steps of Scaled (T, n) as float64."""
    return outer(delta, np.ones((len(delta.mantissa), 1)))[:, 0]
