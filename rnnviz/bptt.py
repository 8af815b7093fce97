"""Forward, and backward through time.

forward: z, h and the loss of every step, layer by layer; what does not depend on the step before is one
product for the whole sequence, the recurrence alone stays in the loop over t.
backward: for every layer and step, in every pass of a schedule at once,

    from_space = (W_S of the layer above)^T delta above      (W_out^T dL_t/do_t at the top)
    from_time  = W_T^T delta of the next step
    grad_h     = from_space + from_time                      dC/dh
    delta      = grad_h * phi'(z)                            dC/dz

Source: the derivation text (its w is W^T, delta is dC/dz) and the space/time text (its delta is grad_h).

Inside this module time is the first axis, so that a step is one contiguous block; results show it
second to last, (.., T, n).
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from . import scaled
from .cells import CELLS
from .exponents import carried, in_the_middle, single_and_pointwise
from .products import (
    blocks,
    column,
    nothing,
    outer,
    step_product,
    steps_between_checks,
    steps_in_cache,
    sum_to,
    time_first,
    time_second,
    times,
    together,
    transposed,
)
from .tasks import LOSSES
from .values import freeze
from .windows import full


@dataclass(frozen=True, eq=False)
class Forward:
    """What a network does with a sequence.

    z: per layer (.., T, n), pre-activations; state: per layer (.., T+1, n), the state before the first
    step, then one per step; y (.., T, n_out), outputs; loss (.., T), 0 where a step is not scored;
    slope_out (.., T, n_out): dL_t/do_t, 0 where not scored. overflow: None, or the first (layer, step) at which a state
    left the float range, from 0; nothing after that step means anything, and there is nothing to send back.
    """

    z: tuple
    state: tuple
    y: np.ndarray
    loss: np.ndarray
    slope_out: np.ndarray
    overflow: tuple | None = None

    @property
    def h(self):
        """Per layer (.., T, n): the states after each step."""
        return tuple(state[..., 1:, :] for state in self.state)

    @property
    def C(self):
        """The total loss."""
        return self.loss.sum(axis=-1)


@dataclass(frozen=True, eq=False)
class Backward:
    """What the losses send back, summed over passes; with per_pass the cells' arrays are one picture a pass.

    Cells, per layer, (.., T, n) or (P, .., T, n): delta = dC/dz, grad_h = dC/dh, from_space, from_time.
    slopes: per layer phi'(z), as the cell gives it. reached (T,): False where no pass comes; such a cell is cut, its 0
    means nothing. seen (T,): the steps whose loss enters some pass.
    Gradients of the total, summed over passes, steps and, where one network meets a batch, over the
    batch: dW_S, dW_T (None if not recurrent), db per layer; dW_out, db_out (None without readout);
    dx (.., T, n_in) and dh_0 per layer (.., n) keep the batch.
    far: where a cell of a single network without gates is too small or too large for float64 to compute with, per layer delta,
    grad_h, from_space and from_time as Scaled (T, n); else None. The plain arrays then are those numbers rounded: 0 or infinite
    where a float64 cannot hold them, and never nan.
    """

    delta: tuple
    grad_h: tuple
    from_space: tuple
    from_time: tuple
    slopes: tuple
    reached: np.ndarray
    seen: np.ndarray
    dW_S: tuple
    dW_T: tuple
    db: tuple
    dh_0: tuple
    dx: np.ndarray
    dW_out: np.ndarray | None
    db_out: np.ndarray | None
    far: tuple | None = None


def forward(network, sequence, checkpoint=nothing):
    """Run `network` over `sequence`: a Forward.

    checkpoint() is called at least every 50 ms of work and may raise to stop. Raises ValueError where
    the sequence's inputs or targets do not fit the network.
    """
    if sequence.x.shape[-1] != network.n_in:
        raise ValueError(f"x has {sequence.x.shape[-1]} columns; the network reads {network.n_in}")
    if sequence.target.shape[-1] != network.n_out:
        raise ValueError(f"target has {sequence.target.shape[-1]} columns; the network gives {network.n_out}")
    many, networks = sequence.x.shape[:-2], network.layers[0].W_S.shape[:-2]
    if any(1 != a != b != 1 for a, b in zip(many[::-1], networks[::-1], strict=False)):
        raise ValueError(f"x has a batch of {many}, the network one of {networks}; they must be equal, or one of them ()")
    below = _inputs(network, sequence)
    zs, states = [], []
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for layer, a_S, state in _rows_of_steps(network, below):
            zs.append(_layer_forward(layer, below, a_S, state, checkpoint))
            states.append(state)
            below = state[1:, ..., :layer.n]
        o = below if network.W_out is None else times(below, transposed(network.W_out), checkpoint) + network.b_out
        y, loss, slope_out = LOSSES[sequence.loss](time_second(o), sequence.target)
        overflow = _first_overflow(states)
    scored = sequence.scored
    return Forward(
        tuple(freeze(time_second(z)) for z in zs),
        tuple(freeze(time_second(state)) for state in states),
        freeze(y),
        freeze(np.where(scored, loss, 0.0)),
        freeze(np.where(scored[:, None], slope_out, 0.0)),
        overflow,
    )


def _rows_of_steps(network, x):
    """For every layer (layer, a_S, state), empty: (T, .., gates*n) and (T+1, .., states*n); float64, or complex128."""
    T, layers = len(x), network.layers
    numbers = [(layer.W_S, layer.b, layer.h_0) + ((layer.W_T,) if layer.recurrent else ()) for layer in layers]
    kind = np.result_type(x, *sum(numbers, ()))
    lead = np.broadcast_shapes(x.shape[1:-1], *(layer.W_S.shape[:-2] for layer in layers))
    cells = [CELLS[layer.cell] for layer in layers]
    a_S = [(T, *lead, cell.gates * layer.n) for layer, cell in zip(layers, cells, strict=True)]
    state = [(T + 1, *lead, cell.states * layer.n) for layer, cell in zip(layers, cells, strict=True)]
    made = together(kind, *a_S, *state)
    return zip(layers, made[:len(layers)], made[len(layers):], strict=True)


def _layer_forward(layer, below, a_S, state, checkpoint):
    """z (T, .., saved*n) of one layer under the inputs below (T, .., n_below), filling a_S and state.

    Where a cell saves as much as comes from space, a_S becomes z in place (but NumPy is slow to do so to a single number).
    """
    cell, T, n = CELLS[layer.cell], len(below), layer.n
    in_place = cell.saved == cell.gates and a_S[0].size > 1
    z = a_S if in_place else np.empty((*a_S.shape[:-1], cell.saved * n), a_S.dtype)
    times(below, transposed(layer.W_S), checkpoint, out=a_S)
    a_S += layer.b
    state[0] = layer.h_0
    if not layer.recurrent:
        for steps in blocks(T, steps_in_cache(a_S), checkpoint):
            cell.step(a_S[steps], 0.0, None, z[steps], state[1:][steps])
        return z

    a_T = np.empty(a_S.shape[1:], a_S.dtype)
    product, step, before = step_product(layer.W_T, a_T), cell.step, state[0]
    for steps in blocks(T, steps_between_checks(layer.W_T, a_T), checkpoint):
        a_rows = list(a_S[steps])
        z_rows = a_rows if in_place else z[steps]
        for a, z_t, after in zip(a_rows, z_rows, state[1:][steps], strict=True):
            product(before if cell.states == 1 else before[..., :n], a_T)
            step(a, a_T, before, z_t, after)
            before = after
    return z


def backward(network, sequence, trace, windows=None, *, per_pass=False, checkpoint=nothing):
    """Send the losses of a Forward back through all layers and steps: a Backward.

    windows: the schedule, one full pass unless given. per_pass keeps every pass's cells apart, (P, ..).
    checkpoint() as in `forward`. Raises ValueError if the forward pass overflowed, or on a schedule of another length.
    """
    windows = full(sequence.T) if windows is None else windows
    _check(sequence, trace, windows)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        return _backward(network, sequence, trace, windows, per_pass, checkpoint)


def _check(sequence, trace, windows):
    """Raises ValueError where nothing can be sent back, or the schedule is of another length."""
    if trace.overflow is not None:
        l, t = trace.overflow
        raise ValueError(f"the state of layer {l + 1} overflows at step {t + 1}; there is no gradient to send back")
    if windows.T != sequence.T:
        raise ValueError(f"the schedule has {windows.T} steps; the sequence has {sequence.T}")


def _backward(network, sequence, trace, windows, per_pass, checkpoint):
    slope_out = time_first(trace.slope_out)
    sent = slope_out if network.W_out is None else times(slope_out, network.W_out, checkpoint)
    states = [time_first(state) for state in trace.state]
    slopes = slopes_of(network.layers, [time_first(z) for z in trace.z], states, checkpoint)
    far, outer_of, sum_of = None, partial(outer, checkpoint=checkpoint), sum_to
    if per_pass:
        cells, dh_0 = _apart(network, sent, slopes, windows, checkpoint)
        sums = [[delta.sum(axis=1)] for delta, *_ in cells]
    else:
        fewest = windows.carrying(np.ones(windows.T, bool)).merged()
        cells, dh_0 = (_one_pass if fewest.P == 1 else _all_passes)(network, sent, slopes, fewest, checkpoint)
        sums = cells
        if single_and_pointwise(network, sent) and not in_the_middle(network, slope_out, slopes, cells):
            far, dh_0 = carried(network, slope_out, slopes, fewest, checkpoint)
            for arrays, plain in zip(far, cells, strict=True):
                for array, out in zip(arrays, plain, strict=True):
                    array.plain(out)
            sums, outer_of, sum_of = far, lambda delta, h, W: scaled.outer(delta, h), lambda delta, W: scaled.summed(delta)

    dW_S, dW_T, db = [], [], []
    below = _inputs(network, sequence)
    for layer, state, (delta, *_) in zip(network.layers, states, sums, strict=True):
        h = state[..., :layer.n]
        dW_S.append(freeze(outer_of(delta, below, layer.W_S)))
        dW_T.append(freeze(outer_of(delta, h[:-1], layer.W_T)) if layer.recurrent else None)
        db.append(freeze(sum_of(delta, layer.W_S)))
        below = h[1:]
    W_S = network.layers[0].W_S
    dx = times(sums[0][0], W_S, checkpoint) if far is None else scaled.times(far[0][0], W_S, checkpoint).plain()
    dW_out = db_out = None
    heard = windows.heard()
    if network.W_out is not None:
        entering = slope_out if (heard == 1).all() else column(heard, slope_out) * slope_out
        dW_out = freeze(outer(entering, below, network.W_out, checkpoint))
        db_out = freeze(sum_to(entering, network.W_out))
    shown = [[freeze(time_second(array)) for array in of_layer] for of_layer in cells]
    delta, grad_h, from_space, from_time = (tuple(column) for column in zip(*shown, strict=True))
    return Backward(
        delta, grad_h, from_space, from_time, tuple(freeze(time_second(s)) for s in slopes),
        freeze(windows.reached()), freeze(heard > 0),
        tuple(dW_S), tuple(dW_T), tuple(db), tuple(freeze(d) for d in dh_0), freeze(time_second(dx)), dW_out, db_out, far,
    )


def _one_pass(network, sent, slopes, windows, checkpoint):
    """[delta, grad_h, from_space, from_time] per layer, each (T, .., n), and dC/dh_0 per layer, of the only pass.

    Layer by layer, so that what comes from above is one product for all steps.
    """
    T, lead = len(sent), sent.shape[1:-1]
    (first,), (since,), (last,) = windows.first, windows.since, windows.last
    inside = slice(first, last + 1)
    made, dh_0, above, delta = [], [], None, None
    layers = network.layers[::-1]
    for layer, slope, arrays in zip(layers, reversed(slopes), _rows_of_cells(layers, (T, *lead)), strict=True):
        for array in arrays:
            array[:first] = array[last + 1:] = 0.0
        rows = [array[inside] for array in arrays]
        if above is None:
            rows[2][...] = sent[inside]
            rows[2][:since - first] = 0.0
        else:
            times(delta, above.W_S, checkpoint, out=rows[2])
        entry = _layer_backward(layer, slope[inside], *rows, checkpoint)
        made.append(arrays)
        dh_0.append(entry if first == 0 else np.zeros_like(entry))
        above, delta = layer, rows[0]
    return made[::-1], dh_0[::-1]


def _rows_of_cells(layers, lead):
    """Per layer [delta, grad_h, from_space, from_time], empty, in one piece of memory."""
    made = together(float, *((*lead, k * layer.n) for layer in layers for k in (CELLS[layer.cell].gates, 1, 1, 1)))
    return [made[i:i + 4] for i in range(0, len(made), 4)]


def _all_passes(network, sent, slopes, windows, checkpoint):
    """As _one_pass, the sums over all passes."""
    sums = _no_cells(network, sent.shape[:-1])
    dh_0 = _no_states(network, sent.shape[1:-1])
    for _, steps, cells, entry in _columns_back(network, sent, slopes, windows, checkpoint):
        at = _evenly(steps)
        for (delta, _, *messages), (delta_now, _, *messages_now) in zip(sums, cells, strict=True):
            for total, rows in zip((delta, *messages), (delta_now, *messages_now), strict=True):
                total[at] += rows
        for total, rows in zip(dh_0, entry, strict=False):
            total += rows.sum(axis=0)
    for _, grad_h, from_space, from_time in sums:
        np.add(from_space, from_time, out=grad_h)
    return sums, dh_0


def delta_apart(network, sequence, trace, windows, checkpoint=nothing):
    """delta = dC/dz of every pass by itself, per layer (P, T, n), and nothing else; 0 where a pass does not come.

    For one network and one sequence. checkpoint() and errors as in `backward`, which keeps much more of every pass.
    """
    _check(sequence, trace, windows)
    slope_out, states = trace.slope_out, trace.state
    made = [np.zeros((windows.P, windows.T, len(layer.W_S))) for layer in network.layers]
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        sent = slope_out if network.W_out is None else times(slope_out, network.W_out, checkpoint)
        slopes = slopes_of(network.layers, trace.z, states, checkpoint)
        for passes, steps, cells, _ in _columns_back(network, sent, slopes, windows, checkpoint):
            for each, (delta, *_) in zip(made, cells, strict=True):
                each[passes, steps] = delta
    return tuple(freeze(each) for each in made)


def _apart(network, sent, slopes, windows, checkpoint):
    """As _one_pass, every pass by itself: cells (T, P, .., n); dC/dh_0 is the sum."""
    apart = _no_cells(network, (len(sent), windows.P, *sent.shape[1:-1]))
    dh_0 = _no_states(network, sent.shape[1:-1])
    for passes, steps, cells, entry in _columns_back(network, sent, slopes, windows, checkpoint):
        for of_layer, arrays in zip(apart, cells, strict=True):
            for each, rows in zip(of_layer, arrays, strict=True):
                each[steps, passes] = rows
        for total, rows in zip(dh_0, entry, strict=False):
            total += rows.sum(axis=0)
    return apart, dh_0


def _no_cells(network, lead):
    return [[np.zeros((*lead, k * layer.n)) for k in (CELLS[layer.cell].gates, 1, 1, 1)] for layer in network.layers]


def _no_states(network, lead):
    return [np.zeros((*lead, CELLS[layer.cell].states * layer.n)) for layer in network.layers]


def _columns_back(network, sent, slopes, windows, checkpoint=nothing):
    """All passes at once, each one column further back than before: yields (passes, steps, cells, entry).

    A sliding window over a long sequence takes as many rounds as it has columns, each a few products of all passes together,
    and holds no more than one column a pass. sent (T, .., n_L): what each step's loss sends in; slopes: per layer, of all
    steps; time is their first axis. passes (m,): those not yet at their end, ascending; steps (m,): where each of them stands
    now; cells: per layer [delta, grad_h, from_space, from_time], each (m, .., n), good until the next round; entry: per layer
    dC/dh_0 (m', .., states*n) of the passes that stand at the first step, empty while none does.
    """
    passes, steps = np.arange(windows.P), windows.last
    room = _rows_of_cells(network.layers, (windows.P, *sent.shape[1:-1]))
    deltas, carries = [None] * len(network.layers), [None] * len(network.layers)
    while True:
        checkpoint()
        going = steps >= windows.first[passes]
        if not going.all():
            passes, steps = passes[going], steps[going]
            deltas = [delta if delta is None else delta[going] for delta in deltas]
            carries = [carry if carry is None else carry[going] for carry in carries]
        if not len(passes):
            return
        at, arrived, cells, entry = _evenly(steps), steps == 0, [], []
        entering, enters = sent[at], steps >= windows.since[passes]
        for l in range(len(network.layers) - 1, -1, -1):
            layer = network.layers[l]
            delta, grad_h, from_space, from_time = (rows[:len(passes)] for rows in room[l])
            if l + 1 == len(network.layers):
                from_space[...] = entering
                from_space[~enters] = 0.0
            else:
                times(cells[-1][0], network.layers[l + 1].W_S, checkpoint, out=from_space)
            if deltas[l] is None:
                from_time[...] = 0.0
            else:
                times(deltas[l], layer.W_T, checkpoint, out=from_time)
            if carries[l] is not None:
                from_time += carries[l][..., :layer.n]
            np.add(from_space, from_time, out=grad_h)
            carries[l] = CELLS[layer.cell].pullback(grad_h, carries[l], slopes[l][at], delta)
            if layer.recurrent:
                deltas[l] = delta
            cells.append([delta, grad_h, from_space, from_time])
            if arrived.any():
                entry.append(_entry(layer, delta, carries[l], arrived))
        yield passes, steps, cells[::-1], entry[::-1]
        steps = steps - 1


def _entry(layer, delta, carry, there):
    """dC/dh_0 (m', .., states*n) of one layer, of the passes that are `there`, at the first step."""
    entry = np.zeros((np.count_nonzero(there), *delta.shape[1:-1], CELLS[layer.cell].states * layer.n))
    if layer.recurrent and len(entry):
        entry[..., :layer.n] = times(delta[there], layer.W_T)
        if carry is not None:
            entry += carry[there]
    return entry


def _evenly(steps):
    """Ascending steps as a slice if they are evenly spaced: a view, where an index would copy."""
    if len(steps) == 1:
        return slice(int(steps[0]), int(steps[0]) + 1)
    gap = steps[1] - steps[0]
    return slice(int(steps[0]), int(steps[-1]) + 1, int(gap)) if gap and (np.diff(steps) == gap).all() else steps


def _layer_backward(layer, slope, delta, grad_h, from_space, from_time, checkpoint):
    """Fill delta, grad_h and from_time of one layer, each (T, .., n), from from_space; dC/dh_0 (.., states*n).

    slope: as slopes_of gives it."""
    cell, T, n = CELLS[layer.cell], len(delta), layer.n
    entry = np.zeros((*delta.shape[1:-1], cell.states * n))
    if not layer.recurrent:
        for steps in blocks(T, steps_in_cache(delta), checkpoint):
            grad_h[steps], from_time[steps] = from_space[steps], 0.0
            cell.pullback(grad_h[steps], None, slope[steps], delta[steps])
        return entry

    to_h_0 = np.empty((*delta.shape[1:-1], n))
    product, pullback, add = step_product(transposed(layer.W_T), to_h_0), cell.pullback, np.add
    backwards = [rows[::-1] for rows in (from_space, from_time, grad_h, slope, delta)]
    delta_after, carry = np.zeros_like(delta[0]), None
    for steps in blocks(T, steps_between_checks(layer.W_T, to_h_0), checkpoint):
        for space, time, grad, slope_t, delta_t in zip(*(rows[steps] for rows in backwards), strict=True):
            product(delta_after, time)
            if carry is not None:
                time += carry[..., :n]
            add(space, time, grad)
            carry = pullback(grad, carry, slope_t, delta_t)
            delta_after = delta_t
    product(delta_after, to_h_0)
    entry[..., :n] = to_h_0
    if carry is not None:
        entry += carry
    return entry


def slopes_of(layers, zs, states, checkpoint):
    """Per layer what the cell's pullback needs at every step, (T, .., m), computed in blocks that stay in cache."""
    cells, sizes = [CELLS[layer.cell] for layer in layers], [steps_in_cache(z) for z in zs]
    first = [cell.slopes(z[:k], state[:-1][:k]) for cell, z, state, k in zip(cells, zs, states, sizes, strict=True)]
    slopes = together(float, *((len(z), *part.shape[1:]) for z, part in zip(zs, first, strict=True)))
    for cell, z, state, k, part, slope in zip(cells, zs, states, sizes, first, slopes, strict=True):
        for steps in blocks(len(z), k, checkpoint):
            slope[steps] = part if steps.start == 0 else cell.slopes(z[steps], state[:-1][steps])
    return slopes


def _inputs(network, sequence):
    """x with time first, (T, .., n_in), and an axis for every batch axis of the network."""
    x = time_first(sequence.x)
    missing = max(0, network.layers[0].W_S.ndim - x.ndim)
    return x.reshape(len(x), *(1,) * missing, *x.shape[1:])


def _first_overflow(states):
    """(layer, step) of the first state that is not finite, both from 0; None if all are."""
    first = None
    for l, state in enumerate(states):
        if np.isfinite(state.sum()):
            continue
        bad = ~np.isfinite(state[1:].reshape(len(state) - 1, -1)).all(axis=1)
        if bad.any() and (first is None or int(bad.argmax()) < first[1]):
            first = (l, int(bad.argmax()))
    return first
