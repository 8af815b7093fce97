"""Routes: delta at one cell as the sum over all ways from the losses to it, where every layer is one unit wide.

A route starts at a loss cell, the top layer at a step whose loss some pass carries, and moves back through time (same layer,
one step earlier) or down through space (one layer lower, same step), within the columns that its pass reaches. Its term is

    W_out^T dL_t/do_t  phi'(z) of the loss cell,  then for every move  W phi'(z) of the cell it leads to,

with w_T of the layer, or w_S of the layer above. The terms of all routes add up to delta.
Source: the space/time text, dC/dw_T^1 grouped by factors of h^1.

There may be more routes than could ever be listed: 2.5 x 10^36 over 12 recurrent layers and 10 000 steps. Nothing here lists
them all. Each sum is one sweep over the cells between, each cell counted in units (a power of 2) of the largest route
that leads to it, so that no sum leaves the float range on its way. 12 layers and 10 000 steps take half a second.

Inside, arrays are (K, M): row 0 is the chosen cell's layer, the last the top layer; column 0 the chosen step, the last the
latest loss. A cell's factor from space is the one of the move that comes down into it; in the top row, of the loss itself.
"""

from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import count
from math import comb, frexp, ldexp, log2, log10

import numpy as np

from .cells import CELLS
from .values import freeze

NONE = -np.inf  # log2 of a move that does not exist
ZERO = -1e9  # log2 of a factor that is exactly 0: below any route without one, so that routes through it come last


@dataclass(frozen=True)
class Factor:
    """One number of a route's product: "sent" (W_out^T dL_t/do_t), "slope" (phi'(z)), "time" (w_T) or "space" (w_S).

    layer, step: from 0, the cell it belongs to; of a weight, the cell it leads to, so that "space" is w_S of layer + 1.
    """

    kind: str
    layer: int
    step: int
    value: float


@dataclass(frozen=True)
class Route:
    """One way from the loss at step `start` (from 0) to the cell: moves, "time" or "space", in order from the loss.

    term: the signed product of its factors, 0.0 or infinite where float64 cannot hold it. log_size: log10 of its size,
    right beyond that range, -inf for an exact zero. share: its part of the sum of the sizes of all routes.
    """

    start: int
    moves: tuple
    term: float
    log_size: float
    share: float


@dataclass(frozen=True, eq=False)
class Lattice:
    """The cells between the losses and a cell, and the factors there: K layers from `layer` up, M columns from `step` on.

    starts: the loss steps with a route to the cell, ascending, from 0. sent (M,): what the loss of a step sends in, 0 where
    no route starts; where old losses enter again, as often as they do in passes that reach the cell. slope (K, M): phi'(z).
    w_T (K,): nan where a layer is not recurrent. w_S (K,): of the layer above the row; the last is nan.
    """

    layer: int
    step: int
    starts: np.ndarray
    sent: np.ndarray
    slope: np.ndarray
    w_T: np.ndarray
    w_S: np.ndarray

    @property
    def number(self):
        """How many routes there are, exactly: binomial(K-1+d, K-1) from d steps away if all layers recur."""
        return _number(self.starts - self.step, int(np.isfinite(self.w_T).sum()))


@dataclass(frozen=True, eq=False)
class Routes:
    """All routes to one cell (layer and step from 0).

    number: how many there are, zero: how many of them hold a factor that is exactly 0; whole numbers without limit.
    largest: the Routes of largest size, in order; those that hold an exact 0 come last.
    sum: delta at the cell, as the backward pass has it, over all passes; below 1e-307 it may be rounding alone.
    positive, negative, total: sums over all routes of the positive terms, of the negative ones (at most 0) and of all sizes;
    0.0 or infinite where float64 cannot hold them. log_total: log10 of total, right beyond that range; -inf where all routes
    are 0 or there are none.
    through_time, through_space (K, M): the part of total that crosses a move into the cell of layer + row, step + column: from
    the next step, or from the layer above (in the last row, from that step's loss). nan where there is no such move.
    """

    layer: int
    step: int
    number: int
    zero: int
    largest: tuple
    sum: float
    positive: float
    negative: float
    total: float
    log_total: float
    through_time: np.ndarray
    through_space: np.ndarray
    lattice: Lattice

    def cells(self, route):
        """The (layer, step) that a route visits, from 0, the loss cell first."""
        l, t = self.lattice.layer + len(self.lattice.slope) - 1, route.start
        visited = [(l, t)]
        for move in route.moves:
            l, t = (l, t - 1) if move == "time" else (l - 1, t)
            visited.append((l, t))
        return visited

    def factors(self, route):
        """The Factors of a route in order, from what the loss sends in to the slope at the cell: 2 * (moves + 1) of them."""
        lattice, made = self.lattice, []
        for move, (l, t) in zip(("sent", *route.moves), self.cells(route), strict=True):
            i, j = l - lattice.layer, t - lattice.step
            weight = {"sent": lattice.sent[j], "time": lattice.w_T[i], "space": lattice.w_S[i]}[move]
            made += [Factor(move, l, t, float(weight)), Factor("slope", l, t, float(lattice.slope[i, j]))]
        return tuple(made)


def problem(run):
    """Why a run has no routes to show, in one plain sentence, or None."""
    layers = run.network.layers
    for l, layer in enumerate(layers, start=1):
        cell = CELLS[layer.cell]
        if (cell.gates, cell.states) != (1, 1):
            return f"Layer {l} is {layer.cell}; routes need cells with one gate and one state."
        if layer.n != 1:
            return f"Layer {l} has {layer.n} units; routes need one unit in every layer."
    if run.backward is None:
        return "A state overflows, so there is no backward pass and no route."
    if run.backward.delta[0].ndim != 2:
        return "This is a batch; routes are shown for one network and one sequence."
    if not np.isfinite(run.backward.from_space[-1]).all():
        return "What a loss sends in overflows, so no route has a size."
    return None


def routes(run, l, t, most=7):
    """The Routes to the cell of layer l, step t (from 0), with the `most` largest ones; none where no loss reaches the cell.

    Takes time in proportion to the cells between the cell and the latest loss, and to `most` times the longest route. Routes
    whose sizes differ by less than about 1e-11 of themselves may stand for one another at the end of the list.
    Raises ValueError with the sentence of `problem`, or on a cell that is not there.
    """
    lattice = _lattice(run, l, t)
    delta = float(run.backward.delta[l][t, 0])
    if not len(lattice.starts):
        none = freeze(np.zeros(lattice.slope.shape))
        return Routes(l, t, 0, 0, (), delta, 0.0, 0.0, 0.0, -np.inf, none, none, lattice)
    from_space, from_time, best = _logs(lattice)
    space, time, unit = _in_units(lattice, best)
    plus, minus = _two_signs(space, time)
    size = plus + minus
    through_time, through_space = _crossing(space, time, size)
    through_time[:, -1] = np.nan
    through_time[np.isnan(lattice.w_T)] = np.nan
    through_space[-1, from_space[-1] == NONE] = np.nan
    exponent, total = int(unit[0, 0]), float(size[0, 0])
    largest = [_route(lattice, moves, total, exponent) for moves in _largest(from_space, from_time, best, most)]
    largest.sort(key=lambda route: -route.log_size)
    return Routes(
        l, t, lattice.number, lattice.number - _nonzero(lattice, space, time, from_space, from_time), tuple(largest), delta,
        _scaled(float(plus[0, 0]), exponent), -_scaled(float(minus[0, 0]), exponent), _scaled(total, exponent),
        _log10(total, exponent), freeze(through_time), freeze(through_space), lattice,
    )


def number_of_routes(run, l, t):
    """How many routes lead to the cell of layer l, step t (from 0), exactly: one binomial a loss. Raises as `routes`."""
    return _lattice(run, l, t).number


# The lattice.


def _refuse(run, l, t=0):
    """Raises ValueError with the sentence of `problem`, or on a cell that is not there."""
    found = problem(run)
    if found:
        raise ValueError(found)
    layers, T = run.network.layers, run.sequence.T
    if not 0 <= l < len(layers):
        raise ValueError(f"layer {l + 1} is not there; it must be 1 to {len(layers)}")
    if not 0 <= t < T:
        raise ValueError(f"step {t + 1} is not there; it must be 1 to {T}")


def _lattice(run, l, t):
    _refuse(run, l, t)
    layers = run.network.layers
    times = _times_heard(run.windows, t)
    starts = np.flatnonzero(run.sequence.scored & (times > 0))
    if not any(layer.recurrent for layer in layers[l:]):
        starts = starts[starts == t]
    columns = slice(t, int(starts[-1]) + 1 if len(starts) else t)
    sent = np.zeros(columns.stop - t)
    once = run.backward.from_space[-1][starts, 0] / run.windows.heard()[starts]
    sent[starts - t] = once * times[starts]
    return Lattice(
        l, t, freeze(starts), freeze(sent),
        freeze(np.stack([slope[columns, 0] for slope in run.backward.slopes[l:]])),
        freeze(np.array([layer.W_T[0, 0] if layer.recurrent else np.nan for layer in layers[l:]])),
        freeze(np.array([*(layer.W_S[0, 0] for layer in layers[l + 1:]), np.nan])),
    )


def _times_heard(windows, t):
    """(T,) int: in how many passes that reach step t the loss of each step from t on enters."""
    reaching = windows.first <= t
    change = np.zeros(windows.T + 1, dtype=np.intp)
    np.add.at(change, windows.since[reaching], 1)
    np.add.at(change, windows.last[reaching] + 1, -1)
    heard = np.cumsum(change)[:-1]
    heard[:t] = 0
    return heard


def _number(back, recurrent):
    """Ways to share out `back` steps (S,) over so many recurrent layers, summed."""
    if not recurrent:
        return int((back == 0).sum())
    return sum(comb(d + recurrent - 1, recurrent - 1) for d in back.tolist())


def _log2(values):
    """log2 of sizes, ZERO for an exact 0."""
    with np.errstate(divide="ignore"):
        return np.maximum(np.log2(np.abs(values)), ZERO)


def _logs(lattice):
    """(K, M) each: log2 of the factor of the move into each cell from space and from time, and of the largest route there."""
    slope, M = _log2(lattice.slope), lattice.slope.shape[1]
    from_space = slope + _log2(lattice.w_S)[:, None]
    from_space[-1] = NONE
    starts = lattice.starts - lattice.step
    from_space[-1, starts] = slope[-1, starts] + _log2(lattice.sent[starts])
    from_time = slope + np.where(np.isnan(lattice.w_T), NONE, _log2(lattice.w_T))[:, None]
    from_time[:, -1] = NONE
    best, above = np.empty(slope.shape), [0.0] * M
    for i in range(len(slope) - 1, -1, -1):
        here, later = [], NONE
        for space, time, enters in zip(from_space[i, ::-1].tolist(), from_time[i, ::-1].tolist(), reversed(above), strict=True):
            later = max(space + enters, time + later)
            here.append(later)
        above = here[::-1]
        best[i] = above
    return from_space, from_time, best


# Sums over all routes.


def _in_units(lattice, best):
    """(space, time, unit), (K, M) each: signed factors of the moves into each cell, in units 2^unit of both their ends.

    A unit is about the largest route, so that no factor is much above 1; 0 where there is no move, or all routes are 0."""
    alive = best > ZERO / 2
    unit = np.where(alive, np.rint(np.where(alive, best, 0.0)), 0.0).astype(np.int64)
    part, power = np.frexp(lattice.slope)
    w_T, power_T = np.frexp(np.nan_to_num(lattice.w_T)[:, None])
    w_S, power_S = np.frexp(lattice.w_S[:-1, None])
    sent, power_sent = np.frexp(lattice.sent)
    space, time = np.zeros(best.shape), np.zeros(best.shape)
    with np.errstate(over="ignore", under="ignore"):
        time[:, :-1] = np.ldexp(w_T * part[:, :-1], power_T + power[:, :-1] + unit[:, 1:] - unit[:, :-1])
        space[:-1] = np.ldexp(w_S * part[:-1], power_S + power[:-1] + unit[1:] - unit[:-1])
        space[-1] = np.ldexp(sent * part[-1], power_sent + power[-1] - unit[-1])
    time[:, :-1][~(alive[:, :-1] & alive[:, 1:])] = 0.0
    space[:-1][~(alive[:-1] & alive[1:])] = 0.0
    return space, time, unit


def _two_signs(space, time):
    """(K, M) each: the sums of the positive terms of the routes to each cell, and of the sizes of the negative ones."""
    K, M = space.shape
    plus, minus = np.empty((K, M), space.dtype), np.empty((K, M), space.dtype)
    above_plus, above_minus = [1] * M, [0] * M
    for i in range(K - 1, -1, -1):
        here_plus, here_minus, later_plus, later_minus = [], [], 0, 0
        rows = (space[i, ::-1].tolist(), time[i, ::-1].tolist(), reversed(above_plus), reversed(above_minus))
        for s, w, enters_plus, enters_minus in zip(*rows, strict=True):
            if s < 0:
                s, enters_plus, enters_minus = -s, enters_minus, enters_plus
            if w < 0:
                w, later_plus, later_minus = -w, later_minus, later_plus
            later_plus = s * enters_plus + w * later_plus
            later_minus = s * enters_minus + w * later_minus
            here_plus.append(later_plus)
            here_minus.append(later_minus)
        above_plus, above_minus = here_plus[::-1], here_minus[::-1]
        plus[i], minus[i] = above_plus, above_minus
    return plus, minus


def _nonzero(lattice, space, time, from_space, from_time):
    """How many routes hold no exact 0: the sum over routes once more, every other factor as 1."""
    if min(from_space[np.isfinite(from_space)].min(), from_time[np.isfinite(from_time)].min(initial=0.0)) > ZERO / 2:
        return lattice.number
    ones = [(logs > ZERO / 2).astype(int).astype(object) for logs in (from_space, from_time)]
    return _two_signs(*ones)[0][0, 0]


def _crossing(space, time, size):
    """(K, M) each: the part of all routes' sizes that crosses the move from the next step, and from above, into each cell.

    Told from the chosen cell on: all of it arrives there, and at each cell it divides as the sizes of the two arrivals do."""
    K, M = size.shape
    later, above = np.zeros((K, M)), np.ones((K, M))
    later[:, :-1], above[:-1] = size[:, 1:], size[1:]
    with np.errstate(divide="ignore", invalid="ignore", under="ignore"):
        part_time = np.where(size > 0, np.abs(time) * later / size, 0.0)
        part_space = np.where(size > 0, np.abs(space) * above / size, 0.0)
    through_time, through_space = np.empty((K, M)), np.empty((K, M))
    leaving = [1.0] + [0.0] * (M - 1)
    for i in range(K):
        back, down, crossed = [], [], 0.0
        for leaves, by_time, by_space in zip(leaving, part_time[i].tolist(), part_space[i].tolist(), strict=True):
            here = leaves + crossed
            crossed = here * by_time
            back.append(crossed)
            down.append(here * by_space)
        leaving = down
        through_time[i], through_space[i] = back, down
    return through_time, through_space


# The largest routes.


def _largest(from_space, from_time, best, most):
    """The moves of the `most` largest routes, in order, each from the chosen cell back to its loss.

    A route departs from the largest one at some cells, and each departure costs the difference of two logarithms. Of every
    route found, those that depart once more, later on, are its successors (Lawler 1972): so each comes once, none too early.
    """
    later, above = np.full(best.shape, NONE), np.zeros(best.shape)
    later[:, :-1], above[:-1] = best[:, 1:], best[1:]
    by_time, by_space = from_time + later, from_space + above
    back = by_time > by_space
    with np.errstate(invalid="ignore"):
        cost = np.abs(by_time - by_space)
    found, waiting, order = [], [(0.0, 0, [], -1)], count(1)
    while waiting and len(found) < most:
        spent, _, parent, at = heappop(waiting)
        moves, i, j = [], 0, 0
        while i < len(best):
            k = len(moves)
            move = parent[k] if k < at else not parent[k] if k == at else bool(back[i, j])
            moves.append(move)
            if k > at and cost[i, j] < np.inf:
                heappush(waiting, (spent + float(cost[i, j]), next(order), moves, k))
            i, j = (i, j + 1) if move else (i + 1, j)
        found.append(moves)
    return [["time" if move else "space" for move in moves[:-1]] for moves in found]  # the last move was into the loss


def _route(lattice, moves, total, unit):
    """The Route of some moves, told from the chosen cell, among routes of a total size of total * 2^unit."""
    i = j = 0
    values = [lattice.slope[0, 0]]
    for move in moves:
        values.append(lattice.w_T[i] if move == "time" else lattice.w_S[i])
        i, j = (i, j + 1) if move == "time" else (i + 1, j)
        values.append(lattice.slope[i, j])
    part, power = _product([*values, lattice.sent[j]])
    share = _scaled(abs(part), power - unit) / total if part else 0.0
    return Route(lattice.step + j, tuple(moves[::-1]), _scaled(part, power), _log10(abs(part), power), share)


def _product(values):
    """(part, power) of the product part * 2^power, right wherever it lies."""
    parts, powers = np.frexp(values)
    product, power = 1.0, int(powers.sum())
    for part in parts.tolist():
        product, shift = frexp(product * part)
        power += shift
    return product, power


def _scaled(part, power):
    """part * 2^power as a float: 0.0 or infinite beyond its range."""
    try:
        return ldexp(part, power)
    except OverflowError:
        return float(np.copysign(np.inf, part))


def _log10(size, power):
    return (log2(size) + power) * log10(2.0) if size > 0 else -np.inf


# The grouping of the space/time text.


@dataclass(frozen=True, eq=False)
class Groups:
    """dC/dw_T of one layer (from 0) grouped by the state that multiplies it, as the space/time text does.

    Row k - 1 is the group of h_{T-k}, every array (T,): step, from 0, where that state enters; delta there, the sum over all
    routes to it; h, the state; product, delta * h, the group's part of the gradient; running, the sum of the groups so far.
    total: dC/dw_T as the backward pass has it; running ends there, up to the rounding of another order.
    first: the Routes of the first groups, their `largest` in the order of the text: down through space first.
    printed: the product of group 3 as the text prints it, without sigma'(z^2_{N-1}) T^2 in its third path; None unless the
    layer is the lower of two recurrent ones, the one loss is at the last step, and it reaches three steps back.
    """

    layer: int
    step: np.ndarray
    delta: np.ndarray
    h: np.ndarray
    product: np.ndarray
    running: np.ndarray
    total: float
    first: tuple
    printed: float | None


def groups(run, l, spelled=3, most=7):
    """The Groups of layer l (from 0), the first `spelled` with up to `most` of their routes; `number_of_routes` counts any.

    Raises ValueError as `routes`, and for a layer that is not recurrent.
    """
    _refuse(run, l)
    layers, T = run.network.layers, run.sequence.T
    if not layers[l].recurrent:
        raise ValueError(f"layer {l + 1} is not recurrent; it has no w_T")
    step = np.arange(T)[::-1]
    delta, h = run.backward.delta[l][step, 0], run.forward.state[l][step, 0]
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        product = delta * h
        running = np.cumsum(product)
    first = tuple(_in_text_order(routes(run, l, int(t), most)) for t in step[:spelled])
    return Groups(l, freeze(step), freeze(delta), freeze(h), freeze(product), freeze(running),
                  float(run.backward.dW_T[l][0, 0]), first, _printed(run, l))


def _in_text_order(reading):
    ordered = sorted(reading.largest, key=lambda route: (-route.start, route.moves))  # "space" comes before "time"
    return replace(reading, largest=tuple(ordered))


def _printed(run, l):
    """The text's group of h^1_{N-3} with its misprint, or None where the text's network is another."""
    layers, T = run.network.layers, run.sequence.T
    if l or len(layers) != 2 or T < 3:
        return None
    if not all(layer.recurrent for layer in layers) or np.flatnonzero(run.sequence.scored).tolist() != [T - 1]:
        return None
    lattice = _lattice(run, 0, T - 3)
    if not len(lattice.starts):
        return None
    sent, (w_T1, w_T2), w_S2 = lattice.sent[-1], lattice.w_T, lattice.w_S[0]
    (lower, lower_1, lower_2), (upper, upper_1, upper_2) = lattice.slope[:, ::-1]  # at N, N-1 and N-2
    first = upper * w_S2 * lower * w_T1 * lower_1 * w_T1 * lower_2
    second = upper * w_T2 * upper_1 * w_S2 * lower_1 * w_T1 * lower_2
    third = upper * w_T2 * upper_2 * w_S2 * lower_2
    return float(sent * (first + second + third) * run.forward.state[0][T - 3, 0])
