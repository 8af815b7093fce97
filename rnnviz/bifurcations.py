"""Where the long run of one unit without input changes its kind: x_t = w phi(x_{t-1}) + b.

At a fold two fixed points meet and vanish: the slope w phi'(x) of the map at a fixed point is 1. At a flip the slope is -1, and
a fixed point that was approached turns into a cycle of two states. On the boundary of two basins a start is itself the fixed
point that lies between two others: the least nudge decides where it goes.
Source: Doya (1993), Bifurcations of recurrent neural networks in gradient descent learning, for the folds of the logistic unit;
Pascanu, Mikolov and Bengio (2013), figure 3, for the boundary; Bengio, Simard and Frasconi (1994) for the unit with tanh.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .cells import sigmoid_slope, tanh_slope
from .values import freeze, shown

POINTS = 241  # of a line


def logistic(x):
    """1 / (1 + exp(-x)) of an array or a number."""
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(-x))


@dataclass(frozen=True)
class Phi:
    """An activation: value and slope, elementwise; state(w), the positive x where phi'(x) = 1/|w|, for |w| >= least."""

    value: Callable
    slope: Callable
    state: Callable
    least: float


PHI = {
    "sigmoid": Phi(logistic, sigmoid_slope, lambda w: np.arccosh(np.abs(w) / 2 - 1), 4.0),  # 1/phi' is 2 + 2cosh x
    "tanh": Phi(np.tanh, tanh_slope, lambda w: np.arccosh(np.sqrt(np.abs(w))), 1.0),  # 1/phi' is cosh(x)^2
}


@dataclass(frozen=True, eq=False)
class Turn:
    """Where a fixed point turns: b (.., 2) and the state x (.., 2) there, the smaller b first."""

    b: np.ndarray
    x: np.ndarray


@dataclass(frozen=True, eq=False)
class Line:
    """A line in the plane of w and b: kind, "fold", "flip" or "boundary"; w (n,) ascending, b (n,)."""

    kind: str
    w: np.ndarray
    b: np.ndarray


def folds(w, phi="sigmoid"):
    """The Turn between whose two b the unit has three fixed points, and outside of which one. w (..,) or a number.

    phi'(x) = 1/w and b = x - w phi(x). Raises ValueError where w is under 4 (sigmoid) or 1 (tanh): there is no fold.
    """
    least = activation(phi).least
    if not np.all(np.asarray(w) >= least):
        raise ValueError(f"w is {np.min(w):g}; a {phi} unit has folds for w of {least:g} or more")
    return turns(w, phi, 1.0)


def flips(w, phi="sigmoid"):
    """The Turn between whose two b the unit's only fixed point is left for a cycle of two states. w (..,) or a number.

    phi'(x) = -1/w and b = x - w phi(x). Raises ValueError where w is over -4 (sigmoid) or -1 (tanh): there is no flip.
    """
    least = activation(phi).least
    if not np.all(np.asarray(w) <= -least):
        raise ValueError(f"w is {np.max(w):g}; a {phi} unit has flips for w of {-least:g} or less")
    return turns(w, phi, -1.0)


def turns(w, phi, sign):
    """The Turn of all w whose map has this slope, 1 or -1, at a fixed point."""
    w = np.asarray(w, float)[..., None]
    x = PHI[phi].state(w) * np.array([1.0, -1.0]) * sign
    return Turn(freeze(x - w * PHI[phi].value(x)), freeze(x))


def hold(w):
    """The largest steady input h against which the latch a <- w tanh(a) + h, w >= 1, still holds a bit.

    h* = sqrt(w (w - 1)) - artanh(sqrt(1 - 1/w)): for |h| < h* it has two states that attract. Raises ValueError as `folds`.
    Source: Bengio, Simard and Frasconi (1994), who need w > 1 and |h| < h*.
    """
    return folds(w, "tanh").b[..., 1]


def boundary(w, x_0, phi="sigmoid"):
    """b (..,) at which x_0 is itself a fixed point, b = x_0 - w phi(x_0): one that repels where w phi'(x_0) > 1."""
    return x_0 - np.asarray(w, float) * activation(phi).value(x_0)


def slope_at(x, w, phi="sigmoid"):
    """w phi'(x): by how much a small distance from a fixed point x grows in a step."""
    return w * activation(phi).slope(np.atleast_1d(x)).reshape(np.shape(x))


def lines(phi, x_0, w, b):
    """The Lines inside the frame w = (low, high), b = (low, high) of a unit that starts from x_0."""
    of = activation(phi)
    found = []
    for kind, low, high in (("fold", max(w[0], of.least), w[1]), ("flip", w[0], min(w[1], -of.least))):
        if low < high:
            across = np.linspace(low, high, POINTS)
            turn = (folds if kind == "fold" else flips)(across, phi)
            found += [Line(kind, across, turn.b[:, side]) for side in (0, 1)]
    low = max(w[0], 1.0 / float(slope_at(x_0, 1.0, phi)))
    if low < w[1]:
        across = np.linspace(low, w[1], POINTS)
        found.append(Line("boundary", across, boundary(across, x_0, phi)))
    return tuple(part for line in found if (part := inside(line, b)) is not None)


def inside(line, b):
    """The part of a Line between two b, or None."""
    there = (line.b >= b[0]) & (line.b <= b[1])
    return Line(line.kind, freeze(line.w[there]), freeze(line.b[there])) if there.sum() > 1 else None


def activation(phi):
    """The Phi of a name. Raises ValueError on another name."""
    if phi not in PHI:
        raise ValueError(f"phi is {shown(phi)}; it must be {' or '.join(PHI)}")
    return PHI[phi]
