"""What is drawn side by side: one column a step, or for long sequences one for several."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..flow import OK, OVERFLOW

MOST_COLUMNS = 400


@dataclass(frozen=True, eq=False)
class Columns:
    """What is drawn side by side: steps first..last of each column (from 0), `edges` in steps counted from 1."""

    first: np.ndarray
    last: np.ndarray
    width: float  # px of one column

    @cached_property
    def each(self):
        return int((self.last - self.first).max()) + 1

    @cached_property
    def edges(self):
        return np.append(self.first, self.last[-1] + 1).astype(np.float32) + 0.5

    @cached_property
    def span(self):
        """The outermost edges."""
        return float(self.edges[0]), float(self.edges[-1])

    @cached_property
    def middle(self):
        return (self.first + self.last) / 2 + 1.0

    def median(self, rows):
        """(R, columns) medians of rows (R, T), nan and inf left out; nan where nothing is left."""
        if self.each == 1:
            return rows[:, self.first]
        out = np.full((len(rows), len(self.first)), np.nan)
        for i, (a, b) in enumerate(zip(self.first, self.last + 1, strict=True)):
            block = rows[:, a:b]
            good = np.isfinite(block)
            if good.all():
                out[:, i] = np.median(block, axis=1)
            else:
                for r in np.flatnonzero(good.any(axis=1)):
                    out[r, i] = np.median(block[r, good[r]])
        return out

    def special(self, state):
        """(R, columns) states of state (R, T): OK where any step of the column is."""
        if self.each == 1:
            return state[:, self.first]
        starts = self.first - self.first[0]
        inside = state[:, self.first[0]:self.last[-1] + 1]
        made = np.where(np.logical_or.reduceat(inside == OK, starts, axis=1), OK, inside[:, starts])
        return np.where(np.logical_or.reduceat(inside == OVERFLOW, starts, axis=1) & (made != OK), OVERFLOW, made)

    def holding(self, t):
        """The index of the column that holds step t (from 0), or None outside the view."""
        if not self.first[0] <= t <= self.last[-1]:
            return None
        return int(np.searchsorted(self.last, t))


def columns(T, plot, zoom=None):
    """The Columns of T steps over `plot` px; zoom: (first, last) steps from 1 to look at more closely, if they exist."""
    low, high = (0, T - 1) if zoom is None or zoom[0] > T else (max(0, int(zoom[0]) - 1), min(T - 1, int(zoom[1]) - 1))
    high = max(low, high)
    size = -(-(high - low + 1) // MOST_COLUMNS)
    first = np.arange(low, high + 1, size)
    return Columns(first, np.append(first[1:] - 1, high), plot / len(first))
