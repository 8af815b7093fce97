"""Exact accounting of a gradient: what every pair of a loss and a step adds to it, and what truncation leaves of it.

A gradient of the weights is a sum over steps k of delta_k (x) h, and delta_k is a sum over the losses s >= k. A schedule
decides, for every step, up to which loss a pass still reaches it: so the table "delta at k under the losses up to s" holds
every truncated gradient there is, each one gather away.

Source: the U,V,W text's sum over k with the immediate derivative, and Williams and Peng (1990) for the schedules.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .bptt import backward, delta_apart, nothing
from .flow import norms
from .network import split_name
from .values import freeze
from .windows import one_pass_per_loss, truncated

MOST_NUMBERS = 2_000_000  # in the table over losses, steps and units
MOST_WORK = 300_000_000  # losses x steps x weights: twice the multiply-adds, for a loss reaches half the steps
ROWS = 64  # of a sum that are compared with one another at once
MOST_PRODUCTS = 150_000_000  # of such rows, over all parameters
FAINT = 1e-50  # of the largest gradient: below this one is compared by itself


# One gradient as a sum over steps.


def parameters(network):
    """The names of all weights: W_S1, W_T1, b1, .., W_out, b_out; a layer that is not recurrent has no W_T."""
    made = [name for l, layer in enumerate(network.layers, start=1)
            for name in (f"W_S{l}", f"W_T{l}" if layer.recurrent else None, f"b{l}") if name]
    return (*made, *(("W_out", "b_out") if network.W_out is not None else ()))


def layer_of(name):
    """The layer, from 0, whose delta a gradient is made of; None for the readout's."""
    return split_name(name)[1]


def gradient_of(name, result):
    """The gradient of a parameter in a Backward."""
    kind, l = split_name(name)
    return getattr(result, "d" + kind) if l is None else getattr(result, "d" + kind)[l]


def right_side(name, run):
    """(T, m): what delta is multiplied with at each step in the sum of a gradient; ones for a bias."""
    l, T = layer_of(name), run.sequence.T
    if name.startswith("b"):
        return np.ones((T, 1))
    if l is None:
        return run.forward.h[-1][:, :run.network.layers[-1].n]
    if name.startswith("W_T"):
        return run.forward.state[l][:-1, :run.network.layers[l].n]
    return run.sequence.x if l == 0 else run.forward.h[l - 1][:, :run.network.layers[l - 1].n]


@dataclass(frozen=True, eq=False)
class Terms:
    """The terms of a sum, against a full gradient G, each (N,): size ||term|| / ||G||, and share, its component along G over
    ||G||, signed: the shares of all terms of G add up to 1. total (n, m): their sum."""

    size: np.ndarray
    share: np.ndarray
    total: np.ndarray


def terms(left, right, G):
    """The Terms left_k (x) right_k, left (N, n), right (N, m), against G (n, m)."""
    with np.errstate(all="ignore"):
        whole = size_of(G)
        share = np.vecdot(left, right @ (G / whole).T) / whole
        return Terms(freeze(norms(left) * (norms(right) / whole)), freeze(share), freeze(left.T @ right))


def size_of(G):
    """The Frobenius norm of a gradient, right where its squares would leave the float range."""
    return float(norms(np.reshape(G, (1, -1)))[0])


# Every pair of a loss and a step.


@dataclass(frozen=True, eq=False)
class Pairs:
    """What each loss sends back to each step, by itself.

    run: the Run under one full pass. losses (S,): the scored steps, from 0. delta: per layer (S, T, n), 0 after the loss; None
    where that would be too much, `why` in one plain sentence.
    """

    run: object
    losses: np.ndarray
    delta: tuple | None
    why: str | None = None

    @property
    def T(self):
        return self.run.sequence.T

    @property
    def size(self):
        """How many numbers are kept with it, those of its run left out."""
        return 0 if self.delta is None else 2 * sum(delta.size for delta in self.delta)

    @cached_property
    def upto(self):
        """(S+1, T, N), all layers' units side by side: delta under the first so many losses; row 0 is 0."""
        joined = np.concatenate(self.delta, axis=-1)
        table = np.zeros((len(joined) + 1, *joined.shape[1:]))
        np.cumsum(joined, axis=0, out=table[1:])
        return freeze(table)

    def under(self, windows):
        """(T, N): delta of all layers under a schedule, by one look into the table (two a pass where losses enter again, or
        where a pass leaves out some that it reaches)."""
        if self.delta is None:
            run = self.run
            return np.concatenate(backward(run.network, run.sequence, run.forward, windows).delta, axis=-1)
        if not windows.again and nothing_left_out(windows):
            return self.upto[heard_by(self.losses, windows), np.arange(self.T)]
        table, made = self.upto, np.zeros(self.upto.shape[1:])
        without, heard = np.searchsorted(self.losses, windows.since), np.searchsorted(self.losses, windows.last, side="right")
        for first, last, lower, upper in zip(windows.first, windows.last, without, heard, strict=True):
            made[first:last + 1] += table[upper, first:last + 1] - table[lower, first:last + 1]
        return made

    @cached_property
    def sides(self):
        """{name: (slice of the units whose delta stands left, None for the readout; what stands right)} of every parameter."""
        ends = np.cumsum([0, *(len(layer.W_S) for layer in self.run.network.layers)]).tolist()
        made = {}
        for name in parameters(self.run.network):
            l = layer_of(name)
            made[name] = None if l is None else slice(*ends[l:l + 2]), right_side(name, self.run)
        return made

    def left_side(self, name, windows, under=None):
        """(T, n): what stands left in the sum of a gradient under a schedule; under: what `under` gave, if it is at hand."""
        units, _ = self.sides[name]
        if units is None:
            return self.run.forward.slope_out * windows.heard()[:, None]
        return (self.under(windows) if under is None else under)[:, units]


def gradients(pairs, windows, names=None, under=None):
    """{name: matrix} of the gradients of these parameters, or of all, under a schedule; a bias is one column. under: what
    `Pairs.under` gave, if it is at hand."""
    under = pairs.under(windows) if under is None else under
    with np.errstate(over="ignore", invalid="ignore"):
        return {name: pairs.left_side(name, windows, under).T @ pairs.sides[name][1] for name in names or pairs.sides}


def nothing_left_out(windows):
    """Whether every pass carries all losses that it reaches and that no pass before it carries, as `truncated` makes them."""
    return bool((windows.since == np.maximum(windows.first, np.append(0, windows.last[:-1] + 1))).all())


def heard_by(losses, windows):
    """(T,): up to how many of the losses (S,) reach each step, where a schedule leaves none out.

    A step is reached by the passes up to the last one whose first column is not after it; later losses do not get there.
    """
    t = np.arange(windows.T)
    latest = np.searchsorted(windows.first, t, side="right") - 1  # the last pass that reaches as far back as this step
    upto = np.where(latest >= 0, windows.last[latest], -1)
    return np.searchsorted(losses, upto, side="right")


def too_many(run):
    """Why the pairs of a run are not all computed, in one plain sentence, or None."""
    S, T, N = int(run.sequence.scored.sum()), run.sequence.T, sum(len(layer.W_S) for layer in run.network.layers)
    products = S * T * ROWS * len(parameters(run.network))
    if S > 1 and (S * T * N > MOST_NUMBERS or S * T * run.network.size > MOST_WORK or products > MOST_PRODUCTS):
        units = f"{N} unit{'s' * (N > 1)}"
        return f"{S} losses over {T} steps of {units} are too many to take apart; shorten the sequence, or score fewer steps."
    return None


def pairs(run, checkpoint=nothing):
    """The Pairs of a run under one full pass."""
    losses, why = np.flatnonzero(run.sequence.scored), too_many(run)
    if why:
        return Pairs(run, losses, None, why)
    if len(losses) == 1:
        return Pairs(run, losses, tuple(delta[None] for delta in run.backward.delta))
    apart = one_pass_per_loss(run.sequence.scored)
    return Pairs(run, losses, delta_apart(run.network, run.sequence, run.forward, apart, checkpoint))


def by_step(pairs, name, windows, under=None):
    """The Terms of a gradient step by step, (T,), under a schedule, against the full gradient."""
    return terms(pairs.left_side(name, windows, under), pairs.sides[name][1], whole(pairs, name))


def by_lag(pairs, name, windows):
    """The Terms of a gradient lag by lag, (T,), lag 0 first: all pairs of a loss and a step so many steps before it that the
    schedule keeps, against the full gradient."""
    G, l, right, run = whole(pairs, name), layer_of(name), pairs.sides[name][1], pairs.run
    size, share, total = np.zeros(pairs.T), np.zeros(pairs.T), np.zeros_like(G)
    counts = kept(pairs.losses, windows)
    with np.errstate(all="ignore"):
        length = np.float64(size_of(G))  # a gradient of 0 has no share: nan, where a plain float would not be divided
        unit = G / length
        for lag in range(int(pairs.losses[-1]) + 1 if l is not None else 1):
            rows = np.flatnonzero(pairs.losses >= lag)
            steps = pairs.losses[rows] - lag
            left = run.forward.slope_out[steps] if l is None else pairs.delta[l][rows, steps]
            term = (left * counts[rows, steps][:, None]).T @ right[steps]
            size[lag], share[lag] = size_of(term) / length, np.vdot(term, unit) / length
            total += term
        return Terms(freeze(size), freeze(share), freeze(total))


def kept(losses, windows):
    """(S, T) int: how often a schedule counts the pair of each loss (S,) and step; 0 is dropped, and 0 after the loss."""
    t = np.arange(windows.T)
    counts = np.zeros((len(losses), windows.T), dtype=np.intp)
    for first, since, last in zip(windows.first, windows.since, windows.last, strict=True):
        counts[(losses >= since) & (losses <= last), first:last + 1] += 1
    counts[t[None, :] > losses[:, None]] = 0
    return counts


def whole(pairs, name):
    """The full gradient of a parameter as a matrix; a bias is one column."""
    G = gradient_of(name, pairs.run.backward)
    return G.reshape(len(G), -1)


# Truncated against full.


@dataclass(frozen=True, eq=False)
class Against:
    """Truncated gradients against the full one, each (N,): angle in degrees (nan where one is 0), ratio of their sizes, and
    error, the size of what is missing over that of the full one."""

    angle: np.ndarray
    ratio: np.ndarray
    error: np.ndarray


def against(kept, lost, kept_along, lost_along, square):
    """The Against of squared sizes: of what is kept and of what is lost, their products with the full gradient, and its own
    square; each array has the shape of the result. Each is taken from the side on which it is small, where it is right to the
    last digits."""
    with np.errstate(all="ignore"):
        size = np.sqrt(square)
        across = np.where(kept < lost, kept - kept_along**2 / square, lost - lost_along**2 / square)
        angle = np.degrees(np.arctan2(np.sqrt(np.maximum(across, 0.0)), kept_along / size))
        angle[~((kept > 0) & (square > 0))] = np.nan
        return Against(freeze(angle), freeze(np.sqrt(kept) / size), freeze(np.sqrt(lost) / size))


def compare(truncated_gradients, full_gradients):
    """The Against, (1,), of gradients given as lists of matrices, all taken together as one vector."""
    K, G = (np.concatenate([np.ravel(matrix) for matrix in side]) for side in (truncated_gradients, full_gradients))
    peak = max(np.abs(K).max(), np.abs(G).max()) or 1.0
    with np.errstate(all="ignore"):
        K, G = K / peak, G / peak
        R = G - K
        return against(*(np.array([v]) for v in (K @ K, R @ R, K @ G, R @ G, G @ G)))


@dataclass(frozen=True, eq=False)
class EveryTau:
    """Truncated against full for tau_max = 1 .. T at once, at one tau_b: an Against for every parameter, and for all together
    under the name "all". wrong: per 1x1 parameter (T,) bool, where the truncated gradient has the wrong sign."""

    tau_b: int
    of: dict
    wrong: dict

    def smallest(self, name, error):
        """The smallest tau_max from which on the error stays under this; None if only all columns will do."""
        over = np.flatnonzero(~(self.of[name].error < error))
        smallest = int(over[-1]) + 2 if len(over) else 1
        return smallest if smallest <= len(self.of[name].error) else None


def every_tau(pairs, tau_b, checkpoint=nothing):
    """EveryTau of a run's pairs.

    A pass that keeps one more column adds one more row to the sum: the rows of all passes, in the order in which a longer
    window reaches them, make every truncated gradient as a running sum. Its square, and its product with the whole, run along,
    so that no gradient but the full one is ever formed.
    """
    run, T = pairs.run, pairs.T
    windows = truncated(T, T, tau_b)
    number = np.searchsorted(windows.last, pairs.losses)  # the pass that carries each loss
    own, starts = np.unique(number, return_index=True)
    back = windows.last[own][:, None] - np.arange(T)  # how many columns back a step lies from its pass's start
    behind = windows.last[number] - pairs.losses
    gradients = {name: whole(pairs, name) for name in parameters(run.network)}
    unit, sums, wrong, of_layer = units(gradients), [], {}, {}
    with np.errstate(all="ignore"):
        for name, G in gradients.items():
            checkpoint()
            l, root = layer_of(name), np.sqrt(unit[name])
            if (l, root) not in of_layer:
                if l is None:
                    rows, ends = ranked(behind, T)
                    of_layer[l, root] = Rows(run.forward.slope_out[pairs.losses][rows] / root, ends), pairs.losses[rows]
                else:
                    rows, ends = ranked(back.ravel(), T)
                    delta = pairs.delta[l] if len(own) == len(number) else np.add.reduceat(pairs.delta[l], starts, axis=0)
                    of_layer[l, root] = Rows(delta.reshape(-1, delta.shape[-1])[rows] / root, ends), rows % T
            left, steps = of_layer[l, root]
            sums.append(left.running(pairs.sides[name][1][steps] / root, G / unit[name]))
            if G.size == 1:
                wrong[name] = freeze(sums[-1][2] < 0)
        largest = max(unit.values())
        sums.append(sum((unit[name] / largest) ** 2 * each for name, each in zip(gradients, sums, strict=True)))
    found = against(*np.moveaxis(np.array(sums), 1, 0))
    names = (*gradients, "all")
    return EveryTau(tau_b, {name: Against(*columns) for name, *columns in
                            zip(names, found.angle, found.ratio, found.error, strict=True)}, wrong)


def units(gradients):
    """{name: the number in which a gradient is counted, so that its square stays in the float range}: the largest entry of
    all, and of its own alone where that is far below, or beyond the range."""
    largest = {name: float(np.abs(G).max()) for name, G in gradients.items()}
    common = max((peak for peak in largest.values() if 0 < peak < np.inf), default=1.0)
    return {name: common if peak == 0 or FAINT * common < peak <= common else peak for name, peak in largest.items()}


def ranked(back, T):
    """(rows, ends): the indices of what lies 0 or more columns back, nearest first, and how many of them lie within 1 .. T."""
    rows = np.flatnonzero(back >= 0)
    rows = rows[np.argsort(back[rows], kind="stable")]
    return rows, np.searchsorted(back[rows], np.arange(T), side="right")


class Rows:
    """The left sides (R, n) of a sum of products left_r (x) right_r that grows row by row; ends (T,): the lengths of interest.

    In blocks: inside one, all rows meet one another; what came before is one matrix.
    """

    def __init__(self, left, ends):
        self.left, self.ends = left, ends
        self.cut = {}

    def running(self, right, G):
        """(5, T): K.K, R.R, K.G, R.G and G.G, of the sum K of the first rows and of the rest R, for every length."""
        R = len(right)
        size = max(ROWS, -(-R * G.size // MOST_NUMBERS)) if R > ROWS else max(1, R)
        if size not in self.cut:
            a = blocks(self.left, size)
            self.cut[size] = a, a @ a.swapaxes(1, 2), np.tri(size, k=-1), np.ascontiguousarray(np.tri(size, k=-1).T)
        (a, gram, before, after), b = self.cut[size], blocks(right, size)
        within = gram * (b @ b.swapaxes(1, 2))
        alone = within.diagonal(axis1=1, axis2=2)
        kept = alone + 2.0 * np.vecdot(within, before)
        lost = alone + 2.0 * np.vecdot(within, after)
        if len(a) > 1:
            inside = a.swapaxes(1, 2) @ b
            kept += 2.0 * crossing(a, b, inside)
            lost += 2.0 * crossing(a[::-1], b[::-1], inside[::-1])[::-1]
        along = np.vecdot(self.left, right @ G.T)
        lines = np.zeros((4, R + 1))
        for line, gained in zip(lines, (kept.ravel()[:R], lost.ravel()[:R][::-1], along, along[::-1]), strict=True):
            np.cumsum(gained, out=line[1:])
        np.maximum(lines[:2], 0.0, out=lines[:2])
        found = np.empty((5, len(self.ends)))
        found[0:4:2], found[1:4:2], found[4] = lines[0::2, self.ends], lines[1::2, R - self.ends], (G * G).sum()
        return found


def blocks(rows, size):
    """(blocks, size, n) of rows (R, n), filled up with zeros."""
    count = -(-len(rows) // size)
    if count * size != len(rows):
        rows = np.concatenate([rows, np.zeros((count * size - len(rows), rows.shape[1]))])
    return rows.reshape(count, size, -1)


def crossing(a, b, inside):
    """(blocks, size): the product of every row with the sum of all blocks before its own."""
    before = np.zeros_like(inside)
    np.cumsum(inside[:-1], axis=0, out=before[1:])
    return np.vecdot(a, b @ before.swapaxes(1, 2))
