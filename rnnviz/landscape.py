"""Error surfaces of two weights, and what descents meet on them.

A landscape is a loss of two weights: it has names and meanings for them, is about something in words, says how many numbers
(work) a point takes and which Lines of bifurcations cross a frame, and gives loss and gradient of many points at once,

    lines(x, y) -> (Line, ..)
    value_and_gradient(points (N, 2), checkpoint) -> loss (N,), gradient (N, 2) = dC/d(weight), exact.

What leaves the float range is a result: inf or nan stand for it. Here are the landscapes of the literature; along.py makes one
of any network. SURFACES holds the frame and the settings that each is shown with.
"""

from dataclasses import dataclass
from functools import cached_property
from math import isqrt

import numpy as np

from .bifurcations import activation, lines
from .descent import Path, descend, rprop
from .products import blocks, nothing
from .values import freeze, shown

MOST_SAMPLES, FEWEST_SAMPLES = 160, 12  # each way
MOST_WORK = 15_000_000  # numbers that a surface may take, over all samples, steps and units: under a second
MOST_ROWS = 500_000  # steps of layers, one after another, that a descent may take
BESIDE = 0.01  # of the frame's sides
POINTS_AT_ONCE = 4_000  # of a unit: 32 KB an array
NUMBERS_AT_ONCE = 500_000  # of all states of a block of counting networks: 4 MB


@dataclass(frozen=True)
class Unit:
    """One unit without input, x_t = w phi(x_{t-1}) + b from x_0, and its loss (phi(x_T) - target)^2, of w and b.

    phi: "sigmoid" or "tanh"; the nonlinearity is inside, so that x is not bounded by 1.
    Source: Pascanu, Mikolov and Bengio (2013), equation 8 and figure 6; with tanh, the latch of Bengio, Simard and Frasconi
    (1994), whose a is x and whose h is b.
    """

    phi: str = "sigmoid"
    x_0: float = 0.5
    T: int = 50
    target: float = 0.7
    names: tuple = ("w", "b")
    meanings: tuple = ("recurrent weight", "bias")

    def __post_init__(self):
        activation(self.phi)
        if type(self.T) is not int or self.T < 1:
            raise ValueError(f"T is {shown(self.T)}; it must be a whole number from 1")

    @property
    def work(self):
        """How many numbers one point takes."""
        return self.T

    @property
    def rows(self):
        """How many steps run one after another."""
        return self.T

    @property
    def about(self):
        return f"loss of one {self.phi} unit after {self.T} steps from {self.x_0:g}"

    def value_and_gradient(self, points, checkpoint=nothing):
        """loss (N,), gradient (N, 2) at points (N, 2) of w and b. The derivatives of x_t run along with it:

            dx_t/dw = phi(x_{t-1}) + w phi'(x_{t-1}) dx_{t-1}/dw        dx_t/db = 1 + w phi'(x_{t-1}) dx_{t-1}/db
        """
        phi, slope_of = activation(self.phi).value, activation(self.phi).slope
        loss, gradient = np.empty(len(points)), np.empty((len(points), 2))
        for some in blocks(len(points), POINTS_AT_ONCE, checkpoint):
            w, b = points[some].T
            x, dx_dw, dx_db = np.full(len(w), self.x_0), np.zeros(len(w)), np.zeros(len(w))
            with np.errstate(all="ignore"):
                for _ in range(self.T):
                    checkpoint()
                    value, slope = phi(x), w * slope_of(x)
                    x = w * value + b
                    dx_dw = value + slope * dx_dw
                    dx_db = 1.0 + slope * dx_db
                error = phi(x) - self.target
                loss[some] = error * error
                gradient[some] = (2.0 * error * slope_of(x) * np.stack([dx_dw, dx_db])).T
        return loss, gradient

    def lines(self, x, y):
        """The Lines of its bifurcations inside a frame of w and b."""
        return lines(self.phi, self.x_0, x, y)


@dataclass(frozen=True)
class Counting:
    """A linear unit that counts the ones of bits, s_k = x_k wx + s_{k-1} wRec from 0, and its loss of wx and wRec: the mean
    over sequences of (s_n - number of ones)^2.

    count sequences of n bits: rounded uniform numbers of NumPy's legacy generator.
    Source: Roelants, How to implement an RNN, part 1, whose data these are.
    """

    count: int = 20
    n: int = 10
    seed: int = 1
    names: tuple = ("wx", "wRec")
    meanings: tuple = ("input weight", "recurrent weight")

    @property
    def work(self):
        """How many numbers one point takes."""
        return self.count * self.n

    @property
    def rows(self):
        """How many steps run one after another."""
        return self.n

    @property
    def about(self):
        return f"mean squared error of counting the ones in {self.count} sequences of {self.n} bits"

    @cached_property
    def bits(self):
        """(count, n) of 0 and 1."""
        return freeze(np.around(np.random.RandomState(self.seed).rand(self.count, self.n)))  # noqa: NPY002 - his generator

    def value_and_gradient(self, points, checkpoint=nothing):
        """loss (N,), gradient (N, 2) at points (N, 2) of wx and wRec, by backpropagation through time."""
        bits, loss, gradient = self.bits, np.empty(len(points)), np.empty((len(points), 2))
        for some in blocks(len(points), NUMBERS_AT_ONCE // bits.size, checkpoint):
            wx, wRec = points[some].T[..., None]  # (N, 1) each
            s = np.zeros((self.n + 1, len(wx), self.count))
            with np.errstate(all="ignore"):
                for k in range(self.n):
                    s[k + 1] = bits[:, k] * wx + s[k] * wRec
                error = s[-1] - bits.sum(axis=1)
                loss[some] = (error * error).mean(axis=-1)
                grad_s, by_wx, by_wRec = 2.0 * error / self.count, 0.0, 0.0  # dC/ds_n of each sequence
                for k in range(self.n, 0, -1):
                    by_wx = by_wx + (grad_s * bits[:, k - 1]).sum(axis=-1)
                    by_wRec = by_wRec + (grad_s * s[k - 1]).sum(axis=-1)
                    grad_s = grad_s * wRec
                gradient[some] = np.stack([by_wx, by_wRec], axis=-1)
        return loss, gradient

    def gradient_over_time(self, wx, wRec):
        """(n+1,) dC/ds_k for k = n .. 0, with C the sum over sequences of their squared errors, not the mean, and added up over
        sequences: that of 2 (s_n - number of ones) wRec^(n-k).

        Roelants' figure shows 20 times this: he adds up the sequences before he sends the error back, and again after.
        """
        s = np.zeros(self.count)
        for k in range(self.n):
            s = self.bits[:, k] * wx + s * wRec
        return 2.0 * (s - self.bits.sum(axis=1)).sum() * wRec ** np.arange(self.n + 1.0)

    def lines(self, x, y):
        return ()


@dataclass(frozen=True, eq=False)
class Surface:
    """A landscape inside a frame: x (nx,) and y (ny,), the two weights; loss (ny, nx); gradient (ny, nx, 2)."""

    landscape: object
    x: np.ndarray
    y: np.ndarray
    loss: np.ndarray
    gradient: np.ndarray

    @cached_property
    def norm(self):
        """(ny, nx) the size of the gradient."""
        return freeze(np.hypot(self.gradient[..., 0], self.gradient[..., 1]))

    @property
    def frame(self):
        """((low, high), (low, high)) of x and y."""
        return tuple((float(side[0]), float(side[-1])) for side in (self.x, self.y))


def surface(landscape, x, y, samples=None, checkpoint=nothing):
    """The Surface of a landscape in the frame x = (low, high), y = (low, high).

    samples: each way, at most 160; unless given as many as a second allows. checkpoint() is called between blocks of points and
    may raise to stop. Raises ValueError on a frame that is none, on more samples, or on a network too large for a surface.
    """
    for name, side in (("x", x), ("y", y)):
        if not (len(side) == 2 and np.isfinite(side).all() and side[0] < side[1]):
            raise ValueError(f"{name} runs from {side[0]:g} to {side[-1]:g}; it must run from a number to a larger one")
    most = affordable(landscape)
    samples = most if samples is None else samples
    if not isinstance(samples, int) or not 2 <= samples <= most:
        raise ValueError(f"samples is {shown(samples)}; it must be a whole number from 2 to {most}")
    across, up = np.linspace(*x, samples), np.linspace(*y, samples)
    points = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    loss, gradient = landscape.value_and_gradient(points, checkpoint)
    return Surface(landscape, freeze(across), freeze(up), freeze(loss.reshape(samples, samples)),
                   freeze(gradient.reshape(samples, samples, 2)))


def affordable(landscape):
    """How many samples each way a landscape may have. Raises ValueError where that is too few for a surface."""
    most = min(MOST_SAMPLES, isqrt(MOST_WORK // landscape.work))
    if most < FEWEST_SAMPLES:
        raise ValueError(f"one point of this surface takes {landscape.work:,} numbers; it may take "
                         f"{MOST_WORK // FEWEST_SAMPLES**2:,}. Shorten the sequence, or take a narrower network.")
    return most


# What two descents meet.


@dataclass(frozen=True, eq=False)
class Wall:
    """A surface and two ways down from one start: plain gradient descent, and one that minds the wall.

    other: the Path of the same descent with its gradient clipped, or of RProp; method: "norm", "value" or "RProp"; clip: the
    limit, None with RProp. lines: the Lines of bifurcations inside the frame.
    """

    surface: Surface
    plain: Path
    other: Path
    method: str
    rate: float
    clip: float | None
    lines: tuple

    @property
    def start(self):
        return self.plain.points[0]

    @property
    def other_name(self):
        """The other way in a word."""
        return "RProp" if self.method == "RProp" else "clipped"

    @property
    def steepest(self):
        """The point of plain descent, from 0, where its gradient is largest before it leaves the frame: a step starts there."""
        return int(self.met.argmax())

    @property
    def met(self):
        """(m,) the sizes of the gradients that plain descent meets before it leaves the frame; all, if it starts outside."""
        return self.plain.met[:self.leaves or None]

    @property
    def largest(self):
        """The size of the largest gradient that plain descent meets."""
        return float(self.met[self.steepest])

    @property
    def usual(self):
        """The median size of the gradients that plain descent meets before the largest; nan where that is the first."""
        return float(np.median(self.met[:self.steepest])) if self.steepest else float("nan")

    @property
    def times(self):
        """How many times its usual size the largest gradient is."""
        return self.largest / self.usual if self.usual else float("inf")

    @property
    def thrown(self):
        """How far the step goes that the largest gradient makes; inf where it leaves the float range."""
        return float(self.plain.moved[self.steepest]) if self.steepest < self.plain.steps else float("inf")

    @property
    def lands(self):
        """Where that step leads, (2,); None where it leaves the float range."""
        return self.plain.points[self.steepest + 1] if self.steepest < self.plain.steps else None

    @property
    def beside(self):
        """The kind of the Line that the steepest point stands beside, within a hundredth of the frame; None where none is."""
        if not self.lines:
            return None
        size = np.array([high - low for low, high in self.surface.frame])
        place = self.plain.points[self.steepest] / size
        gaps = [np.hypot(*(np.stack([line.w, line.b], axis=-1) / size - place).T).min() for line in self.lines]
        return self.lines[int(np.argmin(gaps))].kind if min(gaps) < BESIDE else None

    @property
    def leaves(self):
        """The first point of plain descent outside the frame or the float range, from 0; None while it stays inside."""
        outside = np.append(~inside(self.surface, self.plain.points), self.plain.stopped is not None)
        return int(outside.argmax()) if outside.any() else None


def inside(surface, points):
    """(N,) bool: which points (N, 2) lie in the frame of a surface."""
    low, high = np.array(surface.frame).T
    return ((points >= low) & (points <= high)).all(axis=-1)


METHODS = ("norm", "value", "RProp")


def check_descents(landscape, steps):
    """Raises ValueError where so many steps of descent would take too long."""
    if landscape.rows * steps > MOST_ROWS:
        raise ValueError(f"{steps} steps of descent run {landscape.rows * steps:,} steps of layers; they may run "
                         f"{MOST_ROWS:,}. {MOST_ROWS // landscape.rows} steps down would fit.")


def wall(landscape, x, y, start, *, rate=0.5, steps=60, method="norm", clip=0.3, samples=None, made=None, checkpoint=nothing):
    """The Wall of a landscape in the frame x, y: descents from `start` (2,) over so many steps.

    method: what the second way does: "norm" or "value" clips at `clip`, "RProp" takes Roelants' settings. made: the Surface, if
    it is at hand. Errors and checkpoint as in `surface` and `descend`.
    """
    if method not in METHODS:
        raise ValueError(f"method is {shown(method)}; it must be {', '.join(METHODS[:-1])} or {METHODS[-1]}")
    check_descents(landscape, steps)
    function = landscape.value_and_gradient
    plain = descend(function, start, rate, steps, None, checkpoint)
    if method == "RProp":
        other = rprop(function, start, steps, checkpoint=checkpoint)
    else:
        other = descend(function, start, rate, steps, (method, clip), checkpoint)
    made = made or surface(landscape, x, y, samples, checkpoint)
    return Wall(made, plain, other, method, rate, None if method == "RProp" else clip, landscape.lines(*made.frame))


@dataclass(frozen=True)
class Shown:
    """A landscape with the frame and the settings that it is shown with, as `wall` takes them."""

    landscape: object
    x: tuple
    y: tuple
    start: tuple
    rate: float
    steps: int
    method: str
    clip: float = 0.3

    def wall(self, **changes):
        """The Wall of these settings, some of them changed."""
        own = dict(x=self.x, y=self.y, start=self.start, rate=self.rate, steps=self.steps, method=self.method, clip=self.clip)
        return wall(self.landscape, **{**own, **changes})


SURFACES = {
    "one unit": Shown(Unit(), (3.9, 5.3), (-2.7, -1.8), (4.9, -2.2), 0.5, 60, "norm"),
    "latch": Shown(Unit("tanh", 1.0, 50, 0.8), (0.6, 3.0), (-1.2, 0.4), (2.7, -0.4), 0.5, 60, "norm"),
    "counting": Shown(Counting(), (-3.0, 3.0), (-3.0, 3.0), (-1.5, 2.0), 1e-6, 500, "RProp"),
}
