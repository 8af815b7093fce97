"""What a run shows of the gradient's flow: sizes, ratios, rate per step, reach.

Arrays are (L, T), layer 1 first, one column a step, unless they say otherwise. Sizes are Euclidean norms over a layer's units.
"""

from dataclasses import dataclass, replace

import numpy as np

from .bptt import backward, forward, nothing
from .cells import CELLS
from .floats import FLOATS
from .scaled import Scaled
from .values import freeze, shown
from .windows import full

OK, CUT, ZERO, UNDERFLOW, OVERFLOW, NAN, PENDING = range(7)
QUANTITIES = ("delta", "grad_h", "space", "time", "slope")
SHORT = 6  # numbers of a vector that a formula shows
SHUT = 0.1  # a unit with phi' below this is shut


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

    log_size: log10 of the size of the chosen delta (dC/dz, or dC/dh) at every cell, right far outside the float range, -inf for
    0; log_ratio: the same over `reference`; log_space, log_time: log10 of the sizes of the two messages; cosine: of the angle
    between them (nan where one is 0); openness: mean phi'(z); state: OK, CUT, ZERO (exact), UNDERFLOW or OVERFLOW in the float
    `precision` that training would use (all of a cell becomes 0, or some of it infinite), NAN, or PENDING
    where the forward pass overflowed and nothing was sent back (overflow: its first layer and step, from 0; factor: the largest
    factor on every W_T, in thousandths, under which it would not, 0 if none; None where that takes too long to find).
    log_reference: log10 of the largest gradient that a loss some pass sees sends in, ||W_out^T dL_t/do_t||, the reference.
    shut: per layer, the share of units with phi' below 0.1. value: signed numbers of layers that are one
    unit wide (nan elsewhere): value["delta"], ["grad_h"], ["space"], ["time"], ["slope"]. vectors: the same names, per layer
    (T, n) for layers of 2 to 6 units, else None. far: where float64 cannot hold all numbers, of these names but the last per
    layer of up to 6 units the same as Scaled (T, n); else None.
    ceiling: max phi' * ||W_T||_2 of the top layer, None where it bounds nothing. passes (T,): how many reach
    a step; onward (T,): how many reach it and the next.
    recurrent, widths: per layer; readout: whether y = W_out h + b_out; weights: (w_S, w_T) per layer where every layer
    is one unit wide, else None; tau_max: None without truncation; loss: the total.
    """

    quantity: str
    log_size: np.ndarray
    log_ratio: np.ndarray
    log_space: np.ndarray
    log_time: np.ndarray
    cosine: np.ndarray
    openness: np.ndarray
    shut: np.ndarray
    state: np.ndarray
    log_reference: float
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
    precision: str = "float64"
    overflow: tuple | None = None
    factor: float | None = None
    far: dict | None = None

    @property
    def curve(self):
        """(L, T) log_ratio where there is a number to draw, nan at all other cells."""
        return np.where(self.reached & np.isfinite(self.log_ratio), self.log_ratio, np.nan)

    @property
    def size(self):
        """(L, T) sizes as float64: 0 or infinite where it cannot hold them."""
        with np.errstate(over="ignore", under="ignore"):
            return 10.0**self.log_size

    @property
    def sends(self):
        """Whether some loss sends anything back."""
        return self.log_reference > -np.inf

    @property
    def reference(self):
        """The reference as float64: 0 or infinite where it cannot hold it."""
        with np.errstate(over="ignore", under="ignore"):
            return float(np.float64(10.0) ** self.log_reference)

    def numbers(self, name, l, t):
        """[(value, exponent)] of a named vector of up to six units: value * 2^exponent each; None for wider layers."""
        plain = self.value[name][l, t:t + 1] if self.widths[l] == 1 else self.vectors[name][l]
        if plain is None:
            return None
        if self.far is not None and name in self.far:
            rows = self.far[name][l]
            return list(zip(rows.mantissa[t].tolist(), rows.exponent[t].tolist(), strict=True))
        return [(number, 0) for number in (plain if self.widths[l] == 1 else plain[t]).tolist()]

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
        return self.log_size.shape[0]

    @property
    def T(self):
        return self.log_size.shape[1]

    @property
    def reached(self):
        return self.passes > 0

    def share(self, l, t):
        """(above, future): parts of ||from space|| + ||from time|| at a cell, each None where both are 0."""
        space, time = self.log_space[l, t], self.log_time[l, t]
        if not np.isfinite(max(space, time)):
            return None, None
        with np.errstate(over="ignore"):
            part = float(1.0 / (1.0 + 10.0 ** (time - space)))
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
        good = np.isfinite(self.curve[l]) & (steps <= last)
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


def log_norms(rows):
    """(T,) log10 of the Euclidean norms of rows (T, n), plain or Scaled; -inf where all are 0."""
    if isinstance(rows, Scaled):
        return rows.log10_norms()
    with np.errstate(divide="ignore"):
        return np.log10(norms(rows))


def read(run, quantity="delta", checkpoint=nothing, precision="float64"):
    """The Flow of a run; quantity "delta" for dC/dz or "grad_h" for dC/dh.

    precision: a name in FLOATS, the format whose losses are marked. checkpoint() as in `forward`.
    """
    for name, value, known in (("quantity", quantity, ("delta", "grad_h")), ("precision", precision, FLOATS)):
        if value not in known:
            raise ValueError(f"{name} is {shown(value)}; it must be {', '.join(known)}")
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
        tau_max=windows.tau_max, precision=precision,
    )
    if run.backward is None:
        return _stopped(run, quantity, described, checkpoint)
    backward = run.backward
    plain = {"delta": backward.delta, "grad_h": backward.grad_h, "space": backward.from_space, "time": backward.from_time}
    cells = plain if backward.far is None else dict(zip(plain, zip(*backward.far, strict=True), strict=True))
    log_size, log_space, log_time = (_rows(log_norms, cells[name]) for name in (quantity, "space", "time"))
    log_reference = float(log_space[-1].max())
    with np.errstate(invalid="ignore"):
        log_ratio = log_size - log_reference if log_reference > -np.inf else np.full_like(log_size, -np.inf)
    one_loss = int((scored & described["seen"]).sum()) == 1
    bounded = top.recurrent and described["max_slope"] is not None and one_loss
    none = freeze(np.full(log_size.shape, np.nan))
    arrays = {**plain, "slope": backward.slopes}
    far = None
    if backward.far is not None:
        far = {name: tuple(rows if rows.mantissa.shape[1] <= SHORT else None for rows in cells[name]) for name in cells}
    return Flow(
        quantity, freeze(log_size), freeze(log_ratio), freeze(log_space), freeze(log_time),
        freeze(_cosines(cells["space"], cells["time"])),
        freeze(np.stack([slope.mean(axis=-1) for slope in backward.slopes])),
        freeze(np.array([(slope < SHUT).mean() for slope in backward.slopes])),
        freeze(_state(log_size, _rows(_largest, plain[quantity]), backward.reached, FLOATS[precision])),
        log_reference,
        value={name: _rows(_only_unit, of_layers) if 1 in network.widths else none for name, of_layers in arrays.items()},
        vectors={name: tuple(map(_short, of_layers)) for name, of_layers in arrays.items()},
        ceiling=described["max_slope"] * spectral_norm(top.W_T) if bounded else None, far=far, **described,
    )


def _largest(rows):
    """(T,) the largest sizes in rows (T, n)."""
    return np.abs(rows).max(axis=1)


def _cosines(space, time):
    """(L, T) cosines of the angles between two messages of every layer, plain or Scaled."""
    if isinstance(space[0], Scaled):
        space, time = ([rows.normalised()[0] for rows in of_layers] for of_layers in (space, time))
    return np.stack([cosines(s, t, norms(s), norms(t)) for s, t in zip(space, time, strict=True)])


MOST_TRIALS = 60_000_000  # multiply-adds of all forward passes that look for a factor that fits


def largest_factor(run, checkpoint=nothing):
    """The largest factor on every W_T, in thousandths, under which no state of a run overflows; 0.0 if there is none, None
    where that takes too long to find. Found by halves: a factor that fits is taken to fit below, too.
    """
    network, thousand = run.network, 1000
    if network.layers[0].W_S.ndim > 2 or run.sequence.T * network.size * thousand.bit_length() > MOST_TRIALS:
        return None
    low, high = -1, thousand  # the largest that is known to fit, and the least that is known not to
    while high - low > 1:
        middle = (low + high) // 2
        layers = [replace(layer, W_T=layer.W_T * middle / thousand) if layer.recurrent else layer for layer in network.layers]
        there = forward(replace(network, layers=layers), run.sequence, checkpoint)
        low, high = (low, middle) if there.overflow else (middle, high)
    return max(low, 0) / thousand


def slopes_until(run, steps):
    """Per layer phi'(z) of the first so many steps, (steps, n): also of a run whose forward pass overflowed after them."""
    if run.backward is not None:
        return tuple(slope[:steps] for slope in run.backward.slopes)
    there = zip(run.network.layers, run.forward.z, run.forward.state, strict=True)
    return tuple(CELLS[layer.cell].slopes(z[:steps], state[:steps]) for layer, z, state in there)


def _stopped(run, quantity, described, checkpoint):
    """The Flow of a run whose forward pass overflowed: openness up to that step, nothing else."""
    layers, (bad_layer, bad_step) = run.network.layers, run.forward.overflow
    shape = (len(layers), run.sequence.T)
    nothing = freeze(np.full(shape, np.nan))
    openness = np.full(shape, np.nan)
    shut = np.full(len(layers), np.nan)
    if bad_step:
        for l, slope in enumerate(slopes_until(run, bad_step)):
            openness[l, :bad_step], shut[l] = slope.mean(axis=-1), (slope < SHUT).mean()
    state = np.full(shape, PENDING, dtype=np.int8)
    state[bad_layer, bad_step] = OVERFLOW
    return Flow(
        quantity, nothing, nothing, nothing, nothing, nothing, freeze(openness), freeze(shut), freeze(state), np.nan,
        value=dict.fromkeys(QUANTITIES, nothing), vectors=dict.fromkeys(QUANTITIES, (None,) * len(layers)), ceiling=None,
        overflow=run.forward.overflow, factor=largest_factor(run, checkpoint), **described,
    )


def _short(rows):
    """A copy of rows (T, n) of 2 to 6 units, which formulas show number by number; None for others."""
    return freeze(np.array(rows)) if 1 < rows.shape[1] <= SHORT else None


def _only_unit(rows):
    """(T,) the numbers of a layer one unit wide, nan for a wider one."""
    return rows[:, 0] if rows.shape[1] == 1 else np.full(len(rows), np.nan)


def uncut(run, reading, checkpoint=nothing):
    """log10 of what would reach layer 1, step 1 without truncation, over the reading's reference.

    None where nothing is truncated, where no loss is seen, or where it is 0.
    """
    if reading.tau_max is None or run.backward is None or not reading.sends:
        return None
    whole = replace(run, windows=full(reading.T))
    whole = replace(whole, backward=backward(run.network, run.sequence, run.forward, whole.windows, checkpoint=checkpoint))
    left = read(whole, reading.quantity).log_size[0, 0]
    return float(left - reading.log_reference) if np.isfinite(left) else None


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


def _state(log_size, peak, reached, limits):
    """(L, T): what each cell is, when it is not simply a number of the Float that has these limits. peak: the largest of its
    sizes as float64."""
    state = np.full(log_size.shape, OK, dtype=np.int8)
    state[peak <= limits.least] = UNDERFLOW
    state[log_size == -np.inf] = ZERO
    state[peak >= limits.largest] = OVERFLOW
    state[np.isnan(log_size)] = NAN
    state[:, ~reached] = CUT
    return state


@dataclass(frozen=True, eq=False)
class Neurons:
    """One layer neuron by neuron, every array (n, T): log10 of the size of delta (or dC/dh), the same over the reading's
    reference, whether it is negative, h, slope phi'(z), state as in Flow; shut: share of slopes below 0.1."""

    layer: int
    log_size: np.ndarray
    log_ratio: np.ndarray
    negative: np.ndarray
    h: np.ndarray
    slope: np.ndarray
    state: np.ndarray
    shut: float


def neurons(run, reading, l):
    """The Neurons of layer l (from 0) of a run, on the scale of its reading. Raises ValueError on a layer that is not there."""
    if type(l) is not int or not 0 <= l < reading.L:
        raise ValueError(f"layer is {l!r}; it must be 0 to {reading.L - 1}")
    delta = getattr(run.backward, reading.quantity)[l].T
    if run.backward.far is None:
        negative = delta < 0
        with np.errstate(divide="ignore", invalid="ignore"):
            log_size = np.log10(np.abs(delta))
    else:
        rows = run.backward.far[l][("delta", "grad_h").index(reading.quantity)]
        negative, log_size = rows.mantissa.T < 0, rows.log2().T * np.log10(2.0)
    with np.errstate(invalid="ignore"):
        log_ratio = log_size - reading.log_reference
    state = _state(log_size, np.abs(delta), reading.reached, FLOATS[reading.precision])
    h, slope = run.forward.h[l].T.copy(), run.backward.slopes[l].T.copy()  # copies, so that no run is kept for a view of it
    return Neurons(l, log_size, log_ratio, negative, h, slope, state, float(reading.shut[l]))
