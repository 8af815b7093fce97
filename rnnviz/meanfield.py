"""What theory says of wide random networks: how large states become, and what each step leaves of the gradient.

In a wide layer with random weights every pre-activation is normal over the units, with mean b and variance

    q_t = g^2 E[phi(z_{t-1})^2] + s^2 <h_below^2>        s: the input scale; <h_below^2>: the mean square of what is below

and the squared size of the gradient follows

    |delta_t|^2 = E[phi'(z_t)^2] (g^2 |delta_{t+1}|^2 + s^2 |delta above|^2)

so that chi = g^2 E[phi'(z)^2] a step is the squared rate of one layer: the edge lies where it is 1. It holds for Gaussian W_T,
and for others that turn any vector in a random direction and keep its size.
Source: Sompolinsky, Crisanti and Sommers (1988) without input; Molgedey, Schuchhardt and Schuster (1992) with it; Poole et al.
(2016) and Schoenholz et al. (2017) for the backward direction.
"""

from functools import cache
from math import ceil, erf, sqrt

import numpy as np

from .bptt import nothing
from .cells import CELLS
from .values import freeze

RANDOM = ("orthogonal", "Gaussian", "Glorot")  # starts that turn a vector in a random direction and keep its size
SPACING, END = 0.1, 6.5  # of the nodes, in standard deviations; a normal variable lies beyond the end with 1e-10
WIDE, FINEST = 3.0, 20  # a deviation from which on the nodes stand closer; how much closer at most
LEAST, MOST = 1e-12, 1e12  # variances between which a fixed point is looked for


def moments(cell, mean, variance):
    """(E[phi(z)^2], E[phi'(z)^2]) of a pointwise cell, z normal with this mean (a number) and these variances (any shape).

    relu and linear exactly; others as a sum over equally spaced nodes, which converges quickly where phi is smooth: right to
    1e-9 up to a standard deviation of 60. Raises ValueError for a gated cell.
    """
    if not known(cell):
        raise ValueError(f"cell is {cell}; the theory is known for {', '.join(filter(known, CELLS))}")
    variance = np.asarray(variance, float)
    if cell in EXACT:
        return EXACT[cell](mean, variance)
    widest = float(np.sqrt(variance.max(initial=0.0, where=np.isfinite(variance))))
    nodes, shares = nodes_of(min(FINEST, max(1, ceil(widest / WIDE))))
    z = mean + np.sqrt(variance)[..., None] * nodes
    h = np.empty_like(z)
    with np.errstate(over="ignore"):  # the logistic of -1000 is 0 by way of an infinite exponential
        CELLS[cell].step(z, 0.0, None, z, h)
        slope = CELLS[cell].slopes(z, h)
    h *= h
    slope *= slope
    return h @ shares, slope @ shares


@cache
def nodes_of(closer):
    """(nodes in standard deviations, the share of each in a mean), so many times closer than usual."""
    spacing = SPACING / closer
    nodes = np.arange(-END, END + spacing / 2, spacing)
    return freeze(nodes), freeze(spacing * np.exp(-nodes**2 / 2) / np.sqrt(2 * np.pi))


def known(cell):
    """Whether a cell is pointwise."""
    found = CELLS[cell]
    return found.gates == found.states == found.saved == 1


def relu_moments(mean, variance):
    deviation = np.sqrt(variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = np.where(variance > 0, mean / deviation, np.inf if mean > 0 else -np.inf)
    below = 0.5 * (1.0 + normal_erf(at / sqrt(2.0)))
    density = np.exp(-at**2 / 2) / sqrt(2 * np.pi)
    square = (mean**2 + variance) * below + mean * deviation * density
    return np.maximum(square, 0.0), below  # far below 0 the two terms cancel, and rounding is left


def linear_moments(mean, variance):
    return mean**2 + variance, np.ones_like(variance)


normal_erf = np.vectorize(erf, otypes=[float])
EXACT = {"relu": relu_moments, "linear": linear_moments}


def left(stack, gains, power, *, input_scale=1.0, bias=0.0, checkpoint=nothing):
    """(T, G) log10 of layer 1's gradient k steps before a loss at the last step, over that at lag 0, for wide random layers.

    stack: one (width, cell, recurrent) a layer; gains (G,): the recurrent scales; power (T,): the mean square of the inputs at
    each step. checkpoint() as in `forward`. Source: the module's two equations, from h_0 = 0.
    """
    gains = np.asarray(gains, float)
    scales = [gains**2 if recurrent else np.zeros_like(gains) for _, _, recurrent in stack]
    below, slopes = np.broadcast_to(power[:, None], (len(power), len(gains))), []
    for (_, cell, _), scale in zip(stack, scales, strict=True):
        below, slope = squares(cell, scale, input_scale**2 * below, bias, checkpoint)
        slopes.append(slope)
    return going_back(slopes, scales, input_scale**2)


def squares(cell, scale, entering, bias, checkpoint=nothing):
    """(E[h^2], E[phi'^2]) of one layer, each (T, G), under what enters from below, (T, G); scale (G,): g^2."""
    size, slope = np.empty(entering.shape), np.empty(entering.shape)
    before = np.zeros_like(scale)
    for t, from_space in enumerate(entering):
        checkpoint()
        with np.errstate(over="ignore", invalid="ignore"):  # states may grow beyond all numbers; such scales become nan
            size[t], slope[t] = moments(cell, bias, scale * before + from_space)
        before = size[t]
    return size, slope


def going_back(slopes, scales, through_space):
    """The result of `left` from E[phi'^2] per layer (T, G) and g^2 per layer (G,)."""
    T, G = slopes[0].shape
    found, exponent = np.empty((T, G)), np.zeros(G)
    after = np.zeros((len(slopes), G))
    with np.errstate(divide="ignore", invalid="ignore"):
        for lag in range(T):
            above = np.full(G, float(lag == 0))  # what the loss sends in
            for l in range(len(slopes) - 1, -1, -1):
                after[l] = slopes[l][T - 1 - lag] * (scales[l] * after[l] + above)
                above = through_space * after[l]
            found[lag] = np.log10(after[0]) + exponent
            peak = after.max(axis=0)  # so that no square leaves the float range
            peak[~(peak > 0)] = 1.0
            after /= peak
            exponent += np.log10(peak)
        return 0.5 * (found - found[0])


def chi(cell, gains, power=0.0, bias=0.0):
    """(G,) the squared rate g^2 E[phi'(z)^2] of one layer a step, where its states have settled.

    power: the variance that the input adds to z at every step. The variance q of z solves q = g^2 E[phi(z)^2] + power: the
    solution that states settle at; 1e12 stands for states without end.
    """
    gains = np.asarray(gains, float)
    low, high = np.full(gains.shape, LEAST), np.full(gains.shape, MOST)
    for _ in range(60):
        q = np.sqrt(low * high)
        grows = gains**2 * moments(cell, bias, q)[0] + power > q
        low, high = np.where(grows, q, low), np.where(grows, high, q)
    return gains**2 * moments(cell, bias, low)[1]


def critical_gain(cell, power=0.0, bias=0.0, most=10.0):
    """The smallest recurrent scale at which a wide random layer keeps gradients, chi = 1; None if there is none up to `most`.

    1 for tanh without input (Sompolinsky, Crisanti and Sommers 1988) and for linear; sqrt(2) for relu (He et al. 2015).
    power, bias: as in `chi`.
    """
    low, high = 0.0, most
    for _ in range(8):
        gains = np.linspace(low, high, 101)
        over = chi(cell, gains, power, bias) >= 1
        if not over.any():
            return None
        first = int(over.argmax())
        if first == 0:
            return float(gains[0])
        low, high = gains[first - 1], gains[first]
    return float(high)
