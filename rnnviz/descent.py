"""Ways down an error surface: gradient descent, plain or with its gradient clipped, and RProp.

A way down asks a surface for its loss and gradient at one point after another: value_and_gradient(points (N, 2), checkpoint)
gives loss (N,) and gradient (N, 2), as the surfaces of landscape.py do.
"""

from dataclasses import dataclass

import numpy as np

from .products import nothing
from .values import freeze, shown

MOST_STEPS = 2_000
CLIPS = ("norm", "value")


@dataclass(frozen=True, eq=False)
class Path:
    """A way down: points (n+1, 2), the start first; loss (n+1,) and gradient (n+1, 2) at each, never clipped; n steps taken.

    stopped: None, or the step, from 1, that could not be taken because the gradient, or the place it leads to, is outside the
    float range.
    """

    points: np.ndarray
    loss: np.ndarray
    gradient: np.ndarray
    stopped: int | None = None

    @property
    def norm(self):
        """(n+1,) the size of each gradient."""
        return np.hypot(*self.gradient.T)

    @property
    def met(self):
        """(m,) the size of the gradient of each step, the one that could not be taken included; inf beyond the float range."""
        size = self.norm[:self.steps + (self.stopped is not None)]
        return np.where(np.isnan(size), np.inf, size)

    @property
    def steps(self):
        return len(self.points) - 1

    @property
    def moved(self):
        """(n,) how far each step went."""
        return np.hypot(*np.diff(self.points, axis=0).T)


def clipped(gradient, clip):
    """A gradient (2,) after clipping. clip: None, ("norm", c): rescaled to size c where it is larger, or ("value", c): each
    entry cut to -c .. c.

    Source: by norm, Pascanu, Mikolov and Bengio (2013), algorithm 1; by value, Mikolov (2012).
    """
    if clip is None:
        return gradient
    how, c = clip
    if how == "value":
        return np.clip(gradient, -c, c)
    size = np.hypot(*gradient)
    return gradient * (c / size) if size > c else gradient


def descend(value_and_gradient, start, rate, steps, clip=None, checkpoint=nothing):
    """The Path of gradient descent, point <- point - rate * clipped gradient, from `start` (2,).

    clip as in `clipped`. checkpoint() is called at every step and may raise to stop. Raises ValueError on a start, rate, clip
    or number of steps that is none.
    """
    check(start, steps)
    positive("rate", rate)
    check_clip(clip)

    def step(point, gradient):
        return point - rate * clipped(gradient, clip)

    return follow(value_and_gradient, start, steps, step, checkpoint)


def rprop(value_and_gradient, start, steps, delta=0.001, grow=1.2, shrink=0.5, checkpoint=nothing):
    """The Path of RProp, which only asks for the sign of each derivative, from `start` (2,).

    Each weight has a step size of its own, at first `delta`; it is multiplied by `grow` where the sign is that of the step
    before, else by `shrink` (also at the first step). Errors and checkpoint as in `descend`.
    Source: Roelants, How to implement an RNN, part 1; after Riedmiller and Braun (1993), without their way back.
    """
    check(start, steps)
    for name, value in (("delta", delta), ("grow", grow), ("shrink", shrink)):
        positive(name, value)
    sizes, before = np.full(2, float(delta)), np.zeros(2)

    def step(point, gradient):
        nonlocal sizes, before
        sign = np.sign(gradient)
        sizes = sizes * np.where(sign == before, grow, shrink)
        before = sign
        return point - sign * sizes

    return follow(value_and_gradient, start, steps, step, checkpoint)


def follow(value_and_gradient, start, steps, step, checkpoint):
    """The Path that step(point, gradient) makes; it stops where a number leaves the float range."""
    point, points, losses, gradients, stopped = np.array(start, float), [], [], [], None
    with np.errstate(all="ignore"):
        for i in range(steps + 1):
            checkpoint()
            loss, gradient = value_and_gradient(point[None], checkpoint)
            points.append(point)
            losses.append(loss[0])
            gradients.append(gradient[0])
            if i == steps:
                break
            point = step(point, gradient[0])
            if not (np.isfinite(point).all() and np.isfinite(gradient[0]).all()):
                stopped = i + 1
                break
    return Path(*(freeze(np.array(made)) for made in (points, losses, gradients)), stopped)


def check(start, steps):
    place = np.shape(start) == (2,) and all(isinstance(x, (int, float)) and np.isfinite(x) for x in start)
    if not place:
        raise ValueError(f"start is {shown(start)}; it must be two finite numbers")
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or not 1 <= steps <= MOST_STEPS:
        raise ValueError(f"steps is {shown(steps)}; it must be a whole number from 1 to {MOST_STEPS}")


def positive(name, value):
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value < np.inf:
        raise ValueError(f"{name} is {shown(value)}; it must be a positive number")


def check_clip(clip):
    if clip is None:
        return
    if not isinstance(clip, tuple) or len(clip) != 2 or clip[0] not in CLIPS:
        raise ValueError(f'clip is {shown(clip)}; it must be None, ("norm", c) or ("value", c)')
    positive("clip", clip[1])
