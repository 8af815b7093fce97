"""Which losses enter a backward pass, and which steps it may reach.

A pass is an interval: it starts at step `last`, reaches back to step `first`, and carries the losses
of the steps `since`..`last`. Full backpropagation through time is one pass over everything; truncation
(Williams and Peng 1990, BPTT(h; h')) is several. Steps count from 0 here.
"""

from dataclasses import dataclass

import numpy as np

from .values import freeze


@dataclass(frozen=True, eq=False)
class Windows:
    """P passes over T steps: reach first[p]..last[p], carry the losses since[p]..last[p]; each (P,), ascending.

    Passes are ordered in time: first and last never decrease from one pass to the next. A loss enters one pass at most:
    entering several is refused, for the gradient would count it more than once, unless that misreading is what is to be
    shown: with `again` every pass carries all losses that it reaches. tau_max: the columns each pass keeps, where the schedule
    was made from one number, else None.
    """

    T: int
    first: np.ndarray
    since: np.ndarray
    last: np.ndarray
    tau_max: int | None = None
    again: bool = False

    def __post_init__(self):
        for name in ("first", "since", "last"):
            object.__setattr__(self, name, freeze(np.array(getattr(self, name), dtype=np.intp)))
        P = len(self.last)
        if not P or len(self.first) != P or len(self.since) != P:
            raise ValueError("windows need the same number of first, since and last steps, at least one")
        inside = (self.first >= 0) & (self.first <= self.since) & (self.since <= self.last + 1) & (self.last < self.T)
        if not inside.all() or (np.diff(self.first) < 0).any() or (np.diff(self.last) < 0).any():
            raise ValueError(f"every pass must lie within steps 0 to {self.T - 1}, in the order of time")
        if self.again and ((self.since != self.first).any() or (np.diff(self.last) < 1).any()):
            raise ValueError("every pass must start at a step of its own and carry all losses that it reaches")
        if not self.again and (self.since[1:] <= self.last[:-1]).any():
            raise ValueError("every pass must carry losses that no pass before it carries")

    @property
    def P(self):
        return len(self.last)

    def carries(self):
        """(P, T) bool: the losses that enter each pass."""
        t = np.arange(self.T)
        return (t >= self.since[:, None]) & (t <= self.last[:, None])

    def reaches(self):
        """(P, T) bool: the steps each pass may reach."""
        t = np.arange(self.T)
        return (t >= self.first[:, None]) & (t <= self.last[:, None])

    def carrying(self, scored):
        """The same sum without the passes that carry none of the losses of scored (T,) bool: they would send back nothing.

        All of them where none carries a loss."""
        lost = np.append(0, np.cumsum(scored))
        keep = lost[self.last + 1] > lost[self.since]
        if keep.all() or not keep.any():
            return self
        first, since, last = self.first[keep], self.since[keep], self.last[keep]
        if not self.again:
            wider = np.maximum(first, np.append(0, last[:-1] + 1))  # over steps that are not scored, so that passes can merge
            since = np.where(lost[wider] == lost[since], wider, since)
        return Windows(self.T, first, since, last, self.tau_max, self.again)

    def merged(self):
        """The same sum with fewer passes: those that reach equally far back are one, by linearity."""
        if self.again:
            return self
        keep = np.append(np.diff(self.first) > 0, True)
        head = np.append(True, np.diff(self.first) > 0)
        if (self.since[1:] != self.last[:-1] + 1)[~head[1:]].any():
            return self
        return Windows(self.T, self.first[keep], self.since[head], self.last[keep], self.tau_max)

    def columns(self):
        """How many columns all passes visit together: what the schedule costs, against T for one full pass."""
        return int((self.last - self.first + 1).sum())

    def reaches_each(self):
        """(T,) int: how many passes reach each step."""
        return self._count(self.first)

    def reaches_with_next(self):
        """(T,) int: how many passes reach each step and the one after it."""
        change = np.zeros(self.T + 1, dtype=np.intp)
        np.add.at(change, self.first, 1)
        np.add.at(change, self.last, -1)
        return np.cumsum(change)[:-1]

    def reached(self):
        """(T,) bool: the steps that at least one pass reaches; the others are cut."""
        return self._count(self.first) > 0

    def seen(self):
        """(T,) bool: the steps whose loss some pass carries. The others are unseen by every parameter."""
        return self.heard() > 0

    def heard(self):
        """(T,) int: how many passes carry each step's loss; more than one only where old losses enter again."""
        return self._count(self.since)

    def _count(self, starts):
        """(T,) how many of the intervals starts..last hold each step."""
        change = np.zeros(self.T + 1, dtype=np.intp)
        np.add.at(change, starts, 1)
        np.add.at(change, self.last + 1, -1)
        return np.cumsum(change)[:-1]


def full(T):
    """One pass that starts at the last step and reaches the first."""
    return Windows(T, [0], [0], [T - 1])


def truncated(T, tau_max, tau_b, again=False):
    """Passes that start every tau_b steps (and at the last) and keep tau_max columns, their own included.

    A loss enters once, in the first pass that starts at or after it; if tau_max < tau_b, one that lies
    before the columns of its pass is unseen. tau_max >= T in one pass equals `full` bit by bit. again: the common misreading
    that lets every pass carry all losses of its columns, old ones too, which counts them more than once.
    Raises ValueError unless both are whole numbers of at least 1. Source: Williams and Peng (1990).
    """
    for name, tau in (("tau_max", tau_max), ("tau_b", tau_b)):
        if isinstance(tau, bool) or not isinstance(tau, int | np.integer) or tau < 1:
            raise ValueError(f"{name} is {tau!r}; it must be a whole number from 1")
    ends = np.arange(tau_b - 1, T, tau_b, dtype=np.intp) if tau_b <= T else np.array([], dtype=np.intp)
    last = ends if len(ends) and ends[-1] == T - 1 else np.append(ends, T - 1)
    previous = np.append(-1, last[:-1])
    first = np.maximum(0, last - min(tau_max, T) + 1)
    return Windows(T, first, first if again else np.maximum(previous + 1, first), last, int(tau_max), again)


def one_pass_per_loss(scored):
    """One pass for each scored step, carrying its loss alone all the way back: scored (T,) bool."""
    steps = np.flatnonzero(scored)
    if not len(steps):
        raise ValueError("no step is scored; at least one must be")
    return Windows(len(scored), np.zeros(len(steps), dtype=np.intp), steps, steps)
