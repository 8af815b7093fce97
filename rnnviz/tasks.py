"""Sequences to run a network on, and the losses that score it.

A Sequence is inputs, targets, the steps that are scored and the loss that scores them. TASKS makes one
by name; every task gives a target for every step, so that any steps may be scored.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .values import array, freeze


@dataclass(frozen=True, eq=False)
class Sequence:
    """x (.., T, n_in), target (.., T, n_out), scored (T,) bool (the last step unless given), loss (a name in LOSSES).

    Raises ValueError on shapes that do not fit, on no scored step, and on targets the loss cannot
    score: cross-entropy with sigmoid needs 0 to 1, with softmax probabilities that add up to 1.
    """

    x: np.ndarray
    target: np.ndarray
    scored: np.ndarray | None = None
    loss: str = "half squared"

    def __post_init__(self):
        x = array("x", self.x, (None, None))
        T = x.shape[-2]
        target = array("target", self.target, (T, None))
        if target.shape[:-2] not in ((), x.shape[:-2]):
            raise ValueError(f"target has shape {target.shape}; its batch must be that of x, {x.shape[:-2]}, or none")
        scored = np.arange(T) == T - 1 if self.scored is None else np.array(self.scored)
        if scored.shape != (T,) or scored.dtype != bool:
            raise ValueError(f"scored must be {T} truth values, one a step")
        if not scored.any():
            raise ValueError("no step is scored; at least one must be")
        if self.loss not in LOSSES:
            raise ValueError(f"loss is {self.loss!r}; it must be one of {', '.join(LOSSES)}")
        problem = target_problem(self.loss, target)
        if problem:
            raise ValueError(problem)
        for name, value in (("x", x), ("target", target), ("scored", freeze(scored))):
            object.__setattr__(self, name, value)

    @property
    def T(self):
        return self.x.shape[-2]


# Losses: (o, target), both (.., n_out), to the output y = f_y(o), the loss of each step (..,), and dL/do.


def half_squared(o, target):
    """Half the squared error, summed over outputs; y = o."""
    error = o - target
    return o, 0.5 * (error * error).sum(axis=-1), error


def squared(o, target):
    """The squared error, summed over outputs; y = o."""
    error = o - target
    return o, (error * error).sum(axis=-1), 2.0 * error


def sigmoid_cross_entropy(o, target):
    """-sum target log y + (1 - target) log(1 - y) with y = sigmoid(o), natural log; dL/do = y - target.

    Where y has come to its target, the difference keeps its digits: -8.5e-17 at o = 37, not 0.
    """
    size = np.where(o.real < 0, -o, o)
    e = np.exp(-size)
    y, rest = np.where(o.real < 0, e, 1.0) / (1.0 + e), np.where(o.real < 0, 1.0, e) / (1.0 + e)  # rest is 1 - y
    loss = np.where(o.real < 0, 0.0, o) - o * target + np.log1p(e)
    return y, loss.sum(axis=-1), (1.0 - target) * y - target * rest


def softmax_cross_entropy(o, target):
    """-sum target log y with y = softmax(o), natural log; dL/do = y - target, for targets that add up to 1.

    As above, where y has come to its target the difference keeps its digits.
    """
    shifted = o - o.real.max(axis=-1, keepdims=True)
    e = np.exp(shifted)
    largest = np.arange(o.shape[-1]) == o.real.argmax(axis=-1)[..., None]
    others = np.where(largest, 0.0, e).sum(axis=-1, keepdims=True)
    beside_1 = others + np.where(largest, e - 1.0, 0.0).sum(axis=-1, keepdims=True)  # the largest e is 1, but for a nudge
    total = 1.0 + beside_1
    y = e / total
    loss = np.where(target == 0, 0.0, target * (np.log1p(beside_1) - shifted)).sum(axis=-1)  # 0 * inf is 0 here
    return y, loss, (1.0 - target) * y - target * np.where(largest, others, total - e) / total


LOSSES = {
    "half squared": half_squared,
    "squared": squared,
    "sigmoid": sigmoid_cross_entropy,
    "softmax": softmax_cross_entropy,
}


def target_problem(loss, target):
    """Why this loss cannot score these targets, in a sentence, or None."""
    real = target.real
    if loss == "sigmoid" and ((real < 0) | (real > 1)).any():
        return "cross-entropy with sigmoid needs targets from 0 to 1; " \
            f"these run from {real.min():.4g} to {real.max():.4g}"
    if loss == "softmax" and ((real < 0).any() or (np.abs(real.sum(axis=-1) - 1) > 1e-9).any()):
        return "cross-entropy with softmax needs targets that add up to 1 at every step"
    return None


# Tasks: (T, random generator, what a task may also need) to inputs (T, n_in) and targets (T, n_out).


def counting(T, rng, **_):
    """Random bits; the target is the number of ones so far (Roelants, How to implement a recurrent network)."""
    bits = rng.integers(0, 2, T).astype(float)
    return bits[:, None], np.cumsum(bits)[:, None]


def recall(T, rng, **_):
    """One of two cues at step 1, then noise; the target is the cue, as two classes, at every step."""
    cue = int(rng.integers(0, 2))
    x = 0.1 * rng.standard_normal((T, 2))
    x[0] = np.eye(2)[cue]
    return x, np.tile(np.eye(2)[cue], (T, 1))


def adding(T, rng, **_):
    """Random numbers and two marks, one in each half; the target is the sum of the marked (Hochreiter and Schmidhuber 1997)."""
    values, marks = rng.uniform(0.0, 1.0, T), np.zeros(T)
    marks[rng.integers(0, max(1, T // 2))] = 1.0
    marks[rng.integers(T // 2, T)] = 1.0
    return np.stack([values, marks], axis=1), np.cumsum(values * marks)[:, None]


def sine(T, rng, **_):
    """A sine of period 12 from a random phase; the target is its next value."""
    wave = np.sin(2 * np.pi * (np.arange(T + 1) / 12 + rng.uniform()))
    return wave[:-1, None], wave[1:, None]


def impulse(T, rng, **_):
    """1 at step 1, then 0; the target is 0."""
    x = np.zeros((T, 1))
    x[0] = 1.0
    return x, np.zeros((T, 1))


def constant(T, rng, **_):
    """1 at every step; the target is 0."""
    return np.ones((T, 1)), np.zeros((T, 1))


def typed(T, rng, text, **_):
    """The characters of a text, one-hot, repeated up to T; the target is the next character."""
    alphabet = sorted(set(text))
    codes = np.array([alphabet.index(c) for c in text])[np.arange(T + 1) % len(text)]
    letters = np.eye(len(alphabet))[codes]
    return letters[:-1], letters[1:]


def sunspots(T, rng, **_):
    """Monthly mean sunspot numbers, divided by 100; the target is the next month's.

    The seed draws the first month; a sequence longer than the record repeats it from its start.
    """
    series = monthly_sunspots() / 100.0
    if T + 1 <= len(series):
        start = int(rng.integers(0, len(series) - T))
        piece = series[start:start + T + 1]
    else:
        piece = np.resize(series, T + 1)
    return piece[:-1, None], piece[1:, None]


def noise(T, rng, inputs, outputs, **_):
    """Standard normal numbers for any number of inputs; the target is 0 for any number of outputs."""
    return rng.standard_normal((T, inputs)), np.zeros((T, outputs))


@dataclass(frozen=True)
class Task:
    """make(T, rng, text=, inputs=, outputs=) -> x, target; losses: the names of those that score it, the usual one first.

    uses: which of text, inputs and outputs it looks at.
    """

    make: Callable
    losses: tuple
    uses: tuple = ()


REAL = ("half squared", "squared")
CLASSES = ("softmax", "sigmoid", "half squared", "squared")

TASKS = {
    "counting ones": Task(counting, REAL),
    "delayed recall": Task(recall, CLASSES),
    "adding problem": Task(adding, REAL),
    "sine": Task(sine, REAL),
    "impulse": Task(impulse, (*REAL, "sigmoid")),
    "constant": Task(constant, (*REAL, "sigmoid")),
    "text": Task(typed, CLASSES, uses=("text",)),
    "sunspots": Task(sunspots, REAL),
    "noise": Task(noise, (*REAL, "sigmoid"), uses=("inputs", "outputs")),
}


def sequence(task, T, *, scored=None, loss=None, text="hello world ", seed=0, inputs=1, outputs=1):
    """The sequence of a task: T steps, the same one for the same arguments.

    task: a name in TASKS. scored (T,) bool, the last step unless given; loss: a name in LOSSES, the
    task's usual one unless given. text, inputs, outputs: for the tasks that use them. Raises ValueError on unknown names,
    T < 1 or an empty text.
    """
    if task not in TASKS:
        raise ValueError(f"task is {task!r}; it must be one of {', '.join(TASKS)}")
    if isinstance(T, bool) or not isinstance(T, int | np.integer) or T < 1:
        raise ValueError(f"T is {T!r}; it must be a whole number from 1")
    if "text" in TASKS[task].uses and not text:
        raise ValueError("text is empty; it must hold at least one character")
    x, target = TASKS[task].make(T, np.random.default_rng([seed, 3]), text=text, inputs=inputs, outputs=outputs)
    return Sequence(x, target, scored, loss or TASKS[task].losses[0])


# A table of one's own.


def as_they_are(values):
    """The numbers themselves."""
    return values


def standardised(values):
    """Each column less its mean, over its standard deviation (of the whole column); a constant column becomes 0."""
    peak = np.abs(values).max(axis=0)
    values = values / np.where(peak > 0, peak, 1.0)  # so that no square overflows
    values = values - values.mean(axis=0)
    deviation = values.std(axis=0)
    return values / np.where(deviation > 1e-12, deviation, np.inf)


def unit_range(values):
    """Each column from 0, its least, to 1, its greatest; a constant column becomes 0."""
    half = 0.5 * values  # so that no difference overflows
    low, span = half.min(axis=0), half.max(axis=0) - half.min(axis=0)
    return (half - low) / np.where(span > 0, span, np.inf)


SCALINGS = {"mean 0, deviation 1": standardised, "0 to 1": unit_range, "none": as_they_are}
AIMS = ("next value", "a column", "zero")


def table_sequence(numbers, T, *, columns=None, aim="next value", target=None, outputs=1, scaling="none", scored=None,
                   loss="half squared"):
    """The first T rows of a table as a sequence.

    numbers (rows, all columns); columns: bool, one a column, those that are inputs (every one but the target unless given).
    aim: the target is the inputs' next row, or the column `target` (counted from 0) of the same row, or 0 for `outputs`
    outputs. scaling: a name in SCALINGS, over all rows of each column. Raises ValueError where the table has too few rows or
    columns.
    """
    rows, width = numbers.shape
    chosen = np.ones(width, bool) if columns is None else np.array(columns)
    if aim == "a column" and columns is None:
        chosen[target] = False
    if not chosen.any():
        raise ValueError("no column is left as an input; at least one must be")
    if T > rows - (aim == "next value"):
        raise ValueError(f"T is {T}; the table has {rows} rows")
    scaled = SCALINGS[scaling](numbers)
    x = scaled[:T, chosen]
    if aim == "next value":
        goal = scaled[1:T + 1, chosen]
    else:
        goal = scaled[:T, [target]] if aim == "a column" else np.zeros((T, outputs))
    return Sequence(x, goal, scored, loss)


def monthly_sunspots():
    """(N,) monthly mean total sunspot numbers in order of time."""
    return np.loadtxt(Path(__file__).parent / "data" / "sunspots.csv", delimiter=",", skiprows=1, usecols=1)
