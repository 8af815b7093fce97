"""Singular values of a long product of matrices, each right however far they lie apart.

After some 15 to 50 factors the entries of a product are those of its largest direction, and a plain SVD of it finds
rounding where the other singular values were. So a product is kept as Q diag(2**exponents) rows: Q has orthonormal
columns, the rows are well conditioned, and what grows or fades stands in the exponents, one a row, as whole numbers that
cannot leave a float's range. A factor from the left meets only Q.

Rounding can still link what a network keeps apart, and no float finds what is far under a factor's rounding. So `rank` counts
in whole numbers how many singular values are not 0, and `eliminated` finds them all of a product that is known in as many
digits as they ask for.

Source: Q as in Dieci and Van Vleck (1995), products by QR along a trajectory; singular values of a row-graded triangular
factor as in Demmel and Veselic (1992) and Stewart (1995): QR of the transpose, again and again, separates the scales; L D U
by complete pivoting, of which only D must be in many digits, as in Demmel et al. (1999).
"""

from dataclasses import dataclass

import numpy as np

UNEVEN = 14  # powers of two between a factor's columns, from which on they are taken out of it
SUSPECT = 1e-5  # of a norm: with pivots under this, a singular value may be rounding in place of 0
COUPLED = 1e-6  # of a row's largest entry: below this another scale does not count (its square is what is lost)
NARROW = 33  # powers of two: a plain SVD is right to 1e-6 over so wide a range
MOST_PASSES = 400  # two hundred values ten decades apart have a gap of a twentieth: separated after a hundred passes
LOG_2 = float(np.log10(2.0))
SHORT = 300  # powers of two
NONE = np.int64(-(2**40))  # the exponent of 0
HEALTHY = 1e-7  # of the factors' norms: with pivots over this, several factors may be multiplied out before Q is made again
PRIME = 4_194_301  # under 2^22: a sum of 192 products of two remainders is a whole number that a float holds
DIGITS = 60  # binary, of what becomes a float
CERTAIN = 40  # binary digits that a pivot has over its error


@dataclass(frozen=True, eq=False)
class Graded:
    """A product of matrices, Q diag(2**exponents) rows: Q (n, r), exponents (r,) int, rows (r, m), the largest entry of each
    between 1/2 and 1. r is the rank: what is exactly 0 is left out."""

    Q: np.ndarray
    exponents: np.ndarray
    rows: np.ndarray


def unit(n, seed=0):
    """The identity (n, n) as a Graded whose Q is drawn at random, always the same for one seed.

    Seen from the axes themselves the first column of a product may never turn to the largest direction.
    """
    Q = np.linalg.qr(np.random.default_rng([n, seed]).standard_normal((n, n)))[0]
    rows, exponents, _ = _by_rows(Q.T)
    return Graded(Q, exponents, rows)


def times(A, product):
    """The Graded A @ product, for A (p, n).

    A singular value of A within its rounding counts as 0, but no row or column for being small. What A keeps exactly apart is
    linked by its rounding: split that before, as `parts_of` does.
    """
    sizes = np.abs(A)
    heights, scale = _powers(sizes.max(axis=1, initial=0.0)), _powers(sizes.max(axis=0, initial=0.0))
    there = heights > NONE
    if there.any() and np.ptp(heights[there]) > UNEVEN:
        heights = np.where(there, heights, heights[there].min())
        return _stretched(heights, times(np.ldexp(A, -heights[:, None]), product))
    alive = scale > NONE
    if not alive.all():
        A, scale, product = A[:, alive], scale[alive], _product(product.Q[alive], 1.0, product)
    if len(scale) and scale.max() - scale.min() > UNEVEN:
        A, product = _without_scales(A, scale, product)
    if there.all():
        return _product(A @ product.Q, np.linalg.norm(A), product)
    made = _product(A[there] @ product.Q, np.linalg.norm(A), product)
    Q = np.zeros((len(A), len(made.rows)))
    Q[there] = made.Q
    return Graded(Q, made.exponents, made.rows)


def times_all(factors, product):
    """The Graded A_m .. A_1 @ product, for square factors A_1, .. A_m (n, n): as `times` of each, and faster where all are well
    conditioned."""
    if len(factors) > 1:
        B, norm = product.Q, 1.0
        for A in factors:
            B, norm = A @ B, norm * np.linalg.norm(A)
        Q, R = np.linalg.qr(B)
        if len(R) and np.abs(R.diagonal()).min() > HEALTHY * norm:
            return _joined(Q, R, product)
    for A in factors:
        product = times(A, product)
    return product


def _product(B, norm, product):
    """The Graded of B diag(2**exponents) rows, for B (p, r): A @ Q, whose rounding is that of a matrix A of this norm."""
    if not B.size:
        return Graded(np.zeros((len(B), 0)), np.zeros(0, int), product.rows[:0])
    Q, R = np.linalg.qr(B)
    if np.abs(R.diagonal()).min() < SUSPECT * norm:
        Q, R = _of_full_rank(Q, R, 4 * max(B.shape) * np.finfo(float).eps * norm)
    return _joined(Q, R, product)


def _of_full_rank(Q, R, least):
    """Q @ R again, without the directions whose singular value is under `least`."""
    U, s, V = np.linalg.svd(R, full_matrices=False)
    there = s > least
    if there.all():
        return Q, R
    turn, R = np.linalg.qr(s[there, None] * V[there])
    return Q @ (U[:, there] @ turn), R


def _without_scales(A, scale, product):
    """A with even columns, and the product with what was taken out of them."""
    return np.ldexp(A, -scale), _stretched(scale, product)


def _stretched(scale, product):
    """The Graded diag(2**scale) @ product: its largest rows first, as rows of very different size ask for."""
    order = np.argsort(-scale, kind="stable")
    largest = scale[order[0]]
    Q, R = np.linalg.qr(np.ldexp(product.Q[order], (scale[order] - largest)[:, None]))
    made = _joined(Q, R, product)
    turned = np.empty_like(made.Q)
    turned[order] = made.Q
    return Graded(turned, made.exponents + largest, made.rows)


def _joined(Q, R, product):
    """The Graded of Q R diag(2**exponents) rows, for an R that is upper triangular: no row takes from a larger one above."""
    if not len(R):
        return Graded(Q, np.zeros(0, int), product.rows[:0])
    shares, exponents, there = _by_rows(R, product.exponents)
    rows, more, kept = _by_rows(shares @ product.rows)
    return Graded(Q[:, there][:, kept], exponents[kept] + more, rows)


def _by_rows(M, columns=0):
    """(rows, exponents, there): M diag(2**columns) as diag(2**exponents) rows, the largest entry of each row between 1/2 and
    1; there: which rows of M are left, all but those that are 0."""
    largest = np.max(columns)
    if largest - np.min(columns) < SHORT:  # a float holds them side by side
        exponents = _scales(M * np.ldexp(1.0, columns - largest)) + largest
    else:
        numbers, places = np.frexp(M)
        exponents = np.where(numbers == 0, NONE, places + columns).max(axis=1)
    there = exponents > NONE // 2
    if not there.all():
        M, exponents = M[there], exponents[there]
    return np.ldexp(M, np.maximum(columns - exponents[:, None], -2000)), exponents, there


def _scales(M):
    """(n,) the power of two over the largest entry of each row, NONE for a row of zeros."""
    return _powers(np.maximum(M.max(axis=1), -M.min(axis=1)))


def _powers(peaks):
    """(n,) the power of two over each of these sizes, NONE for 0."""
    return np.where(peaks > 0, np.frexp(peaks)[1], NONE)


def log_singular_values(product):
    """(r,) log10 of the singular values of a Graded that are not 0, largest first."""
    rows, exponents = product.rows, product.exponents
    if not len(rows):
        return np.zeros(0)
    for _ in range(MOST_PASSES):
        if np.ptp(exponents) <= NARROW:
            return _of_block(rows, exponents)
        order = np.argsort(-exponents, kind="stable")
        R = np.linalg.qr(rows[order].T, mode="r")
        rows, exponents, _ = _by_rows(R, exponents[order])
        edges = _edges(rows)
        blocks = list(zip(edges, edges[1:], strict=False))
        if all(np.ptp(exponents[i:j]) <= NARROW for i, j in blocks):
            break
    return np.sort(np.concatenate([_of_block(rows[i:j, i:j], exponents[i:j]) for i, j in blocks]))[::-1]


def _edges(rows):
    """Where the rows of an upper triangular factor fall apart into blocks on its diagonal, both ends counted: the entries
    right of a block are too small to count."""
    r = len(rows)
    onward = np.maximum.accumulate(np.abs(rows[:, ::-1]), axis=1)[:, ::-1]  # the largest entry from a column on
    across = np.maximum.accumulate(onward, axis=0).diagonal(1)  # at each edge, of all rows above it
    return [0, *(np.flatnonzero(across < COUPLED) + 1).tolist(), r]


def _of_block(rows, exponents):
    """log10 of the singular values of rows whose scales lie close enough for a plain SVD."""
    largest = int(exponents.max())
    if len(rows) == 1:
        found = np.array([np.linalg.norm(rows)])
    else:
        found = np.linalg.svd(np.ldexp(rows, (exponents - largest)[:, None]), compute_uv=False)
    with np.errstate(divide="ignore"):
        return np.log10(found) + largest * LOG_2


def parts_of(links):
    """The groups of units that a matrix links, each an ascending array; links (n, n) bool, in either direction."""
    n, links = len(links), links | links.T | np.eye(len(links), dtype=bool)
    label, before = np.arange(n), None
    while before is None or (label != before).any():
        before, label = label, np.where(links, label, n).min(axis=1)
    return [np.flatnonzero(label == first) for first in np.unique(label)]


# Whole numbers, of any size.


def whole(A):
    """(numbers, exponent): floats as Python's whole numbers (same shape) times 2**exponent, exactly."""
    mantissa, exponent = np.frexp(A)
    least = int(exponent.min(where=mantissa != 0, initial=2000)) - 53
    numbers = np.array([int(m) << max(0, e - 53 - least) for m, e in
                        zip(np.ldexp(mantissa, 53).ravel().tolist(), exponent.ravel().tolist(), strict=True)], object)
    return numbers.reshape(A.shape), least


def eliminated(X, exponent, error):
    """The Graded of a matrix (n, m) of whole numbers times 2**exponent, each right to `error`; what is not certain is left
    out."""
    rest, L, pivots, U = X, [], [], []
    rows, columns = np.arange(X.shape[0]), np.arange(X.shape[1])
    while rest.size:
        i, j = divmod(int(np.abs(rest).argmax()), rest.shape[1])
        pivot = rest[i, j]
        if abs(pivot) >> CERTAIN <= error:
            break
        digits = max(DIGITS, pivot.bit_length())
        down, across = (rest[:, j] << digits) // pivot, rest[i]
        L.append(_spread(np.ldexp((down >> (digits - DIGITS)).astype(float), -DIGITS), rows, len(X)))
        U.append(_spread(np.ldexp(((across << DIGITS) // pivot).astype(float), -DIGITS), columns, X.shape[1]))
        pivots.append(pivot.bit_length() + exponent)
        U[-1] *= float((pivot << DIGITS) >> pivot.bit_length()) * 2.0**-DIGITS
        left = np.arange(len(rows)) != i, np.arange(len(columns)) != j
        rest = rest[np.ix_(*left)] - (np.outer(down[left[0]], across[left[1]]) >> digits)
        rows, columns = rows[left[0]], columns[left[1]]
    if not pivots:
        return Graded(np.zeros((len(X), 0)), np.zeros(0, int), np.zeros((0, X.shape[1])))
    Q, R = np.linalg.qr(np.array(L).T)
    return _joined(Q, R, Graded(Q, np.array(pivots), np.array(U)))


def _spread(values, at, n):
    """(n,): values at these places, 0 elsewhere."""
    made = np.zeros(n)
    made[at] = values
    return made


def remainders(A):
    """Floats as whole numbers from 0 to under PRIME, (same shape) floats: each exactly m 2**e, with 1/2 as its inverse."""
    mantissa, exponent = np.frexp(A)
    powers, which = np.unique(exponent, return_inverse=True)
    powers = np.array([pow(2, int(e) - 53, PRIME) for e in powers])[which.reshape(A.shape)]
    return (np.ldexp(mantissa, 53).astype(np.int64) % PRIME * powers % PRIME).astype(float)


def rank(M):
    """The rank of a matrix of remainders: that of the numbers themselves, or less for one matrix in a million."""
    M, found = M.astype(np.int64), 0
    for j in range(M.shape[1]):
        there = np.flatnonzero(M[found:, j])
        if len(there):
            i = found + there[0]
            M[[found, i]] = M[[i, found]]
            share = M[found + 1:, j] * pow(int(M[found, j]), -1, PRIME) % PRIME
            M[found + 1:, j:] = (M[found + 1:, j:] - share[:, None] * M[found, j:]) % PRIME
            found += 1
    return found
