"""What a run shows of the gradient's flow: sizes, ratios, rate per step, reach.

Every array here is (L, T), layer 1 first, one column a step. Sizes are Euclidean norms over a layer's units.
"""

from dataclasses import dataclass

import numpy as np

from .bptt import backward, nothing
from .cells import CELLS
from .values import freeze
from .windows import full

OK, CUT, ZERO, UNDERFLOW, OVERFLOW, NAN, PENDING = range(7)
QUANTITIES = ("delta", "grad_h", "space", "time", "slope")
SHORT = 6  # numbers of a vector that a formula shows
SMALLEST = np.finfo(np.float64).tiny  # below this a float64 loses digits


@dataclass(frozen=True)
class Fit:
    """A least-squares line through log10 of a curve: `rate` per step back, from steps `first` to `last` (from 0).

    level: log10 of the line at `last`; r2: the share of variance explained; rms: residual in decades.
    """

    rate: float
    level: float
    first: int
    last: int
    r2: float
    rms: float

    @property
    def straight(self):
        """Whether one rate describes the curve. A level curve has no variance to explain: there the residual decides."""
        return self.r2 >= 0.9 or (0.93 <= self.rate <= 1.07 and self.rms <= 0.15)

    @property
    def reach(self):
        """Steps after which less than a thousandth is left; None unless the gradient fades."""
        return int(np.log(1000.0) / -np.log(self.rate)) if 0 < self.rate < 1 else None


@dataclass(frozen=True, eq=False)
class Flow:
    """The reading of a run that Flow draws.

    size: of the chosen delta (dC/dz, or dC/dh) at every cell; log_ratio: log10 of size over `reference`,
    -inf where the size is 0; space, time: sizes of the two messages; cosine: of the angle between them
    (nan where one is 0); openness: mean phi'(z); state: OK, CUT, ZERO (exact), UNDERFLOW, OVERFLOW, NAN, or PENDING
    where the forward pass overflowed and nothing was sent back (overflow: its first layer and step, from 0).
    reference: the largest gradient that a loss some pass sees sends in, ||W_out^T dL_t/do_t||.
    shut: per layer, the share of units with phi' below 0.1. value: signed numbers of layers that are one
    unit wide (nan elsewhere): value["delta"], ["grad_h"], ["space"], ["time"], ["slope"]. vectors: the same names, per layer
    (T, n) for layers of 2 to 6 units, else None.
    ceiling: max phi' * ||W_T||_2 of the top layer, None where it bounds nothing. passes (T,): how many reach
    a step; onward (T,): how many reach it and the next.
    recurrent, widths: per layer; readout: whether y = W_out h + b_out; weights: (w_S, w_T) per layer where every layer
    is one unit wide, else None; tau_max: None without truncation; loss: the total.
    """

    quantity: str
    size: np.ndarray
    log_ratio: np.ndarray
    space: np.ndarray
    time: np.ndarray
    cosine: np.ndarray
    openness: np.ndarray
    shut: np.ndarray
    state: np.ndarray
    reference: float
    scored: np.ndarray
    seen: np.ndarray
    value: dict
    vectors: dict
    ceiling: float | None
    max_slope: float | None
    passes: np.ndarray
    onward: np.ndarray
    widths: tuple
    n_out: int
    recurrent: tuple
    readout: bool
    weights: tuple | None
    tau_max: int | None
    loss: float
    overflow: tuple | None = None

    @property
    def scalar(self):
        """Whether every layer is one unit wide, so that its numbers can be shown themselves."""
        return self.weights is not None

    @property
    def losses(self):
        """How many losses some pass sees."""
        return int((self.scored & self.seen).sum())

    @property
    def entering(self):
        """The signed number of largest size that a loss sends in, where the top layer is one unit wide."""
        sent = self.value["space"][-1]
        return float(sent[np.abs(sent).argmax()])

    @property
    def last_loss(self):
        """The step of the last loss that some pass sees, from 0; the last step if none is seen."""
        heard = np.flatnonzero(self.scored & self.seen)
        return int(heard[-1]) if heard.size else self.T - 1

    @property
    def L(self):
        return self.size.shape[0]

    @property
    def T(self):
        return self.size.shape[1]

    @property
    def reached(self):
        return self.passes > 0

    def share(self, l, t):
        """(above, future): parts of ||from space|| + ||from time|| at a cell, each None where both are 0."""
        space, time = self.space[l, t], self.time[l, t]
        peak = max(space, time)
        if not peak > 0 or not np.isfinite(peak):
            return None, None
        part = (space / peak) / (space / peak + time / peak)
        return part, 1.0 - part

    def ratio(self, l, t):
        """Size over reference at a cell; 0 where nothing is left."""
        with np.errstate(over="ignore"):
            return float(10.0 ** self.log_ratio[l, t])

    def fit(self, l=0):
        """The rate at which layer l fades or grows with each step back from the last loss, the last sixth of the steps
        before it left out; None with fewer than 3 finite columns."""
        fits = self.__dict__.setdefault("fits", {})  # asked for by the sentence and by the figure
        if l not in fits:
            fits[l] = self._fit(l)
        return fits[l]

    def _fit(self, l):
        steps, loss = np.arange(self.T), self.last_loss
        last = loss - (loss + 1) // 6
        good = (self.state[l] == OK) & (steps <= last)
        if good.sum() < 3:
            return None
        t, y = steps[good].astype(float), self.log_ratio[l, good]
        back, mean = t - t.mean(), y.mean()
        slope = float(back @ (y - mean) / (back @ back))
        level = float(mean + slope * (t[-1] - t.mean()))
        residual = y - mean - slope * back
        spread = float(((y - y.mean()) ** 2).sum())
        r2 = 1.0 - float((residual**2).sum()) / spread if spread > 0 else 1.0
        with np.errstate(over="ignore"):
            rate = float(10.0 ** -slope)
        return Fit(rate, float(level), int(t[0]), int(t[-1]), r2, float(np.sqrt((residual**2).mean())))


def norms(rows):
    """(T,) Euclidean norms of rows (T, n), right from 1e-308 to 1e308, where squares alone would die at 1e-154."""
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        squares = np.vecdot(rows, rows)
        result = np.sqrt(squares)
        odd = (~((squares > 1e-280) & (squares < 1e300))).nonzero()[0]
        some = rows[odd]
        if some.any():  # what is all 0 has norm 0 already
            peak = np.abs(some).max(axis=1)
            scale = np.where((peak > 0) & np.isfinite(peak), peak, 1.0)
            small = some / scale[:, None]
            result[odd] = scale * np.sqrt(np.einsum("tn,tn->t", small, small))
    return result


def cosines(a, b, size_a, size_b):
    """(T,) cosine of the angle between rows of a and b (T, n), given their norms; nan where one is 0."""
    with np.errstate(all="ignore"):
        result = np.einsum("tn,tn->t", a, b) / (size_a * size_b)
        odd = np.flatnonzero(~((size_a * size_b > 1e-280) & (size_a * size_b < 1e300)) & (size_a > 0) & (size_b > 0))
        if len(odd):
            result[odd] = np.einsum("tn,tn->t", a[odd] / size_a[odd, None], b[odd] / size_b[odd, None])
    return np.clip(result, -1.0, 1.0)


def read(run, quantity="delta", checkpoint=nothing):
    """The Flow of a run; quantity "delta" for dC/dz or "grad_h" for dC/dh. checkpoint() as in `forward`."""
    network, windows, scored = run.network, run.windows, run.sequence.scored
    top = network.layers[-1]
    scalar = all(n == 1 for n in network.widths)
    described = dict(
        scored=scored, seen=freeze(windows.seen()), max_slope=CELLS[top.cell].max_slope, widths=network.widths,
        passes=freeze(windows.reaches_each()), onward=freeze(windows.reaches_with_next()),
        n_out=network.n_out, recurrent=tuple(layer.recurrent for layer in network.layers),
        readout=network.W_out is not None, loss=float(run.forward.C),
        weights=tuple((float(layer.W_S[0, 0]), float(layer.W_T[0, 0]) if layer.recurrent else 0.0)
                      for layer in network.layers) if scalar else None,
        tau_max=windows.tau_max,
    )
    if run.backward is None:
        return _stopped(run, quantity, described)
    backward = run.backward
    chosen = getattr(backward, quantity)
    size = _rows(norms, chosen)
    space, time = _rows(norms, backward.from_space), _rows(norms, backward.from_time)
    cosine = np.stack([
        cosines(s, t, a, b) for s, t, a, b in
        zip(backward.from_space, backward.from_time, space, time, strict=True)
    ])
    reference = float(space[-1].max())
    with np.errstate(divide="ignore", invalid="ignore"):
        log_ratio = np.log10(size) - np.log10(reference)
    if reference == 0:
        log_ratio = np.full_like(size, -np.inf)
    one_loss = int((scored & described["seen"]).sum()) == 1
    bounded = top.recurrent and described["max_slope"] is not None and one_loss
    single = 1 in network.widths
    none = freeze(np.full(size.shape, np.nan))
    arrays = {"delta": backward.delta, "grad_h": backward.grad_h, "space": backward.from_space, "time": backward.from_time,
              "slope": backward.slopes}
    value = {name: _rows(_only_unit, of_layers) if single else none for name, of_layers in arrays.items()}
    return Flow(
        quantity, freeze(size), freeze(log_ratio), freeze(space), freeze(time), freeze(cosine),
        freeze(np.stack([slope.mean(axis=-1) for slope in backward.slopes])),
        freeze(np.array([(slope < 0.1).mean() for slope in backward.slopes])),
        freeze(_state(run, size, chosen, checkpoint)), reference, value=value,
        vectors={name: tuple(map(_short, of_layers)) for name, of_layers in arrays.items()},
        ceiling=described["max_slope"] * spectral_norm(top.W_T) if bounded else None, **described,
    )


def _stopped(run, quantity, described):
    """The Flow of a run whose forward pass overflowed: openness up to that step, nothing else."""
    layers, (bad_layer, bad_step) = run.network.layers, run.forward.overflow
    shape = (len(layers), run.sequence.T)
    nothing = freeze(np.full(shape, np.nan))
    openness = np.full(shape, np.nan)
    shut = np.full(len(layers), np.nan)
    for l, (layer, z, state) in enumerate(zip(layers, run.forward.z, run.forward.state, strict=True)):
        if bad_step:
            slope = CELLS[layer.cell].slopes(z[:bad_step], state[:bad_step])
            openness[l, :bad_step], shut[l] = slope.mean(axis=-1), (slope < 0.1).mean()
    state = np.full(shape, PENDING, dtype=np.int8)
    state[bad_layer, bad_step] = OVERFLOW
    return Flow(
        quantity, nothing, nothing, nothing, nothing, nothing, freeze(openness), freeze(shut), freeze(state), np.nan,
        value=dict.fromkeys(QUANTITIES, nothing), vectors=dict.fromkeys(QUANTITIES, (None,) * len(layers)), ceiling=None,
        overflow=run.forward.overflow, **described,
    )


def _short(rows):
    """A copy of rows (T, n) of 2 to 6 units, which formulas show number by number; None for others."""
    return freeze(np.array(rows)) if 1 < rows.shape[1] <= SHORT else None


def _only_unit(rows):
    """(T,) the numbers of a layer one unit wide, nan for a wider one."""
    return rows[:, 0] if rows.shape[1] == 1 else np.full(len(rows), np.nan)


def uncut(run, reading, checkpoint=nothing):
    """log10 of what would reach layer 1, step 1 without truncation, over the reading's reference.

    None where nothing is truncated, where no loss is seen, or where float64 cannot hold it.
    """
    if reading.tau_max is None or run.backward is None or not reading.reference > 0:
        return None
    whole = backward(run.network, run.sequence, run.forward, full(reading.T), checkpoint=checkpoint)
    size = norms(getattr(whole, reading.quantity)[0][:1])[0]
    return float(np.log10(size) - np.log10(reading.reference)) if SMALLEST <= size < np.inf else None


def spectral_norm(W):
    """The largest singular value of W."""
    peak = float(np.abs(W).max())
    if peak == 0:
        return 0.0
    W = W / peak  # squares of entries beyond 1e+-154 would leave the float range
    small = W @ W.T if W.shape[0] <= W.shape[1] else W.T @ W
    return peak * float(np.sqrt(np.linalg.eigvalsh(small)[-1]))


def _rows(function, arrays):
    return np.stack([function(a) for a in arrays])


def _state(run, size, chosen, checkpoint):
    """(L, T): what each cell is, when it is not simply a number."""
    state = np.full(size.shape, OK, dtype=np.int8)
    state[np.isinf(size)] = OVERFLOW
    state[np.isnan(size)] = NAN
    reached = run.backward.reached
    small = (size < SMALLEST) & reached
    if small.any():
        steps = np.flatnonzero(reached)
        arrive = _can_arrive(run, chosen, steps[steps >= np.argmax(small.any(axis=0))], checkpoint)
        state[small] = np.where(arrive[small], UNDERFLOW, ZERO)
    state[:, ~reached] = CUT
    return state


def _can_arrive(run, chosen, steps, checkpoint):
    """(L, T) bool: whether some path of factors that are not exactly 0 leads from a loss to the cell.

    steps: the ones that are asked for and all later ones that a pass reaches, ascending; False at all others.
    The backward pass on names: a unit holds the earliest pass whose losses arrive there, P if none do; the earliest
    suffices, because it reaches furthest back. Where one arrives and the size is 0, float64 ran out; where none does,
    the zero is exact. A sum that cancels exactly counts as exact: its terms are not small.
    """
    layers, backward_pass, windows = run.network.layers, run.backward, run.windows
    T, none = run.sequence.T, windows.P
    first = np.append(windows.first, T)  # no pass reaches no step
    carrier = np.searchsorted(windows.last, np.arange(T))
    arrive = np.zeros((len(layers), T), dtype=bool)
    grad_h = np.where(backward_pass.from_space[-1] != 0, carrier[:, None], none)[steps]
    for l in range(len(layers) - 1, -1, -1):
        shut, cancelled = backward_pass.slopes[l][steps] == 0, _cancelled(run, l)[steps]
        if layers[l].recurrent:
            grad_h = _through_time(layers[l].W_T, grad_h, shut | cancelled, steps, first, checkpoint)
        grad_h = np.where(cancelled, none, grad_h)
        delta = np.where(shut, none, grad_h)
        arrive[l, steps] = (delta if chosen is backward_pass.delta else grad_h).min(axis=1) < none
        grad_h = _through_space(layers[l].W_S, delta, none, checkpoint)
    return arrive


def _through_time(W_T, entering, closed, steps, first, checkpoint):
    """(steps, n): the earliest pass at every unit, of those that enter there and those that come from the step after.

    entering, closed: (steps, n), what comes from above, and the units that let nothing through. first: of each pass, and T
    for none."""
    none = len(first) - 1
    if W_T.all():  # every open unit leads to every unit, so that one number a step is enough
        here = np.where(closed, none, entering).min(axis=1).tolist()
        opened, reach, back, later = (~closed).any(axis=1).tolist(), first.tolist(), [], none
        for t, passes, is_open in zip(steps[::-1].tolist(), here[::-1], opened[::-1], strict=True):
            back.append(later if reach[later] <= t else none)
            later = min(passes, back[-1]) if is_open else none
        return np.minimum(entering, np.array(back[::-1])[:, None])
    arriving, later, through = entering.copy(), np.full(W_T.shape[0], none), _earliest(W_T, none)
    for i in range(len(steps) - 1, -1, -1):
        if i % 500 == 0:
            checkpoint()
        back = through(later)
        np.minimum(arriving[i], np.where(first[back] <= steps[i], back, none), out=arriving[i])
        later = np.where(closed[i], none, arriving[i])
    return arriving


def _through_space(W_S, delta, none, checkpoint):
    """(steps, n_below): the earliest pass that comes from the units above, in pieces of about a million numbers."""
    if W_S.all():
        return np.repeat(delta.min(axis=1, keepdims=True), W_S.shape[1], axis=1)
    through, rows, made = _earliest(W_S, none), max(1, 1_000_000 // W_S.size), []
    for start in range(0, len(delta), rows):
        checkpoint()
        made.append(through(delta[start:start + rows]))
    return np.concatenate(made)


def _earliest(W, none):
    """The function from passes (.., rows of W) to the earliest at each column that an entry other than 0 leads to."""
    columns, rows = np.nonzero(W.T)
    if np.array_equal(columns, np.arange(W.shape[1])):  # one entry a column, as in the identity
        return lambda passes: passes[..., rows]
    reached, starts = np.unique(columns, return_index=True)
    if len(reached) == W.shape[1]:
        return lambda passes: np.minimum.reduceat(passes[..., rows], starts, axis=-1)

    def through(passes):
        found = np.full((*passes.shape[:-1], W.shape[1]), none)
        if len(reached):
            found[..., reached] = np.minimum.reduceat(passes[..., rows], starts, axis=-1)
        return found

    return through


def _cancelled(run, l):
    """(T, n) bool: where dC/dh is 0 although the numbers it is the sum of are not."""
    layers, backward_pass = run.network.layers, run.backward
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        if l + 1 < len(layers):
            terms = np.abs(backward_pass.delta[l + 1]) @ np.abs(layers[l + 1].W_S)
        else:
            terms = np.abs(backward_pass.from_space[l])
        if layers[l].recurrent:
            terms[:-1] += np.abs(backward_pass.delta[l][1:]) @ np.abs(layers[l].W_T)
    return (backward_pass.grad_h[l] == 0) & (terms > 1e-300)


@dataclass(frozen=True, eq=False)
class Neurons:
    """One layer neuron by neuron, every array (n, T): signed delta (or dC/dh), log10 of its size over the reading's
    reference, h, slope phi'(z), state as in Flow; shut: share of slopes below 0.1."""

    layer: int
    delta: np.ndarray
    log_ratio: np.ndarray
    h: np.ndarray
    slope: np.ndarray
    state: np.ndarray
    shut: float

    @property
    def negative(self):
        return self.delta < 0


def neurons(run, reading, l):
    """The Neurons of layer l (from 0) of a run, on the scale of its reading."""
    delta = getattr(run.backward, reading.quantity)[l].T
    with np.errstate(divide="ignore", invalid="ignore"):
        log_ratio = np.log10(np.abs(delta)) - np.log10(reading.reference)
    state = np.full(delta.shape, OK, dtype=np.int8)
    state[np.isinf(delta)] = OVERFLOW
    state[np.isnan(delta)] = NAN
    small = np.abs(delta) < SMALLEST
    shut = run.backward.slopes[l].T == 0
    exact = shut | (run.backward.grad_h[l].T == 0) if reading.quantity == "delta" else delta == 0
    state[small] = np.where(exact & (reading.state[l] != UNDERFLOW), ZERO, UNDERFLOW)[small]
    state[:, reading.state[l] == CUT] = CUT
    h, slope = run.forward.h[l].T.copy(), run.backward.slopes[l].T.copy()  # copies, so that no run is kept for a view of it
    return Neurons(l, delta.copy(), log_ratio, h, slope, state, float(reading.shut[l]))
