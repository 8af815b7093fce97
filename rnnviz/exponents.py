"""The backward pass where plain floats do not hold it: on numbers that carry exponents.

delta's recursion is linear once the forward pass is known, so it can carry exponents: one for each unit and block of steps,
because one for each cell would lose units that fade beside others that grow. Within a block the recurrence is a plain
product with weights that are scaled to the block's exponents. What came out is looked at: from the first step at which a
number leaves the middle of the float range, or is 0 though something arrives, the block is done again with new exponents,
beginning with one step that keeps the exponent of every single term.
"""

import numpy as np

from .cells import CELLS
from .products import nothing, together, transposed
from .scaled import MIDDLE, NONE, NOWHERE, Scaled, added, exact, gated, padded, scaled, times, tiny, under

STEPS = 128  # of a block of the recurrence
DRIFT = 150  # powers of two that a block's numbers may have moved before its exponents follow


# Whether it is needed.


def single_and_pointwise(network, sent):
    """Whether numbers can carry exponents: those of one network over one sequence, whose cells have no gates."""
    return sent.ndim == 2 and all(CELLS[layer.cell].pointwise for layer in network.layers)


SMALL, LARGE = 2.0**-300, 2.0**900  # between them no product with slopes and weights from 2^-200 leaves the float range


def in_the_middle(network, slope_out, slopes, cells):
    """Whether every number of a plain backward pass is so far from the ends of the float range that none was lost on the way.

    Exact zeros are lost numbers only where something small could have become one.
    """
    far = False
    for _, grad_h, _, _ in cells:
        size = np.abs(grad_h)
        low = size.min()
        if low < SMALL:
            low = size.min(where=size > 0, initial=1.0)
            far = True
        if not (low >= SMALL and size.max() <= LARGE):
            return False
    least = [slope.min() for slope in slopes]
    if min(least) < 2.0**-200:
        least = [slope.min(where=slope > 0, initial=1.0) for slope in slopes]
        far = True
    if min(least) < 2.0**-200:
        return False
    if not far:
        return True
    weights = [network.W_out, *(W for layer in network.layers for W in (layer.W_S, layer.W_T))]
    return all(size.min(where=size > 0, initial=1.0) >= limit for size, limit in
               ((np.abs(slope_out), SMALL), *((np.abs(W), 2.0**-200) for W in weights if W is not None)))


def carried(network, slope_out, slopes, windows, checkpoint):
    """(cells, dC/dh_0) of all passes together, on numbers that carry exponents: per layer delta, grad_h and the messages from
    space and from time, Scaled (T, n), and (n,) as float64."""
    sent = scaled(slope_out.copy())
    if network.W_out is not None:
        sent = times(sent, network.W_out, checkpoint)
    if windows.P > 1:
        sums, entries = all_passes(network, sent, slopes, windows, checkpoint)
        return tuple(map(tuple, sums)), [entry.plain() for entry in entries]
    (first,), (since,), (last,) = windows.first, windows.since, windows.last
    sent.mantissa[:since] = 0.0
    inside = slice(first, last + 1)
    made, entries = one_pass(network, sent[inside], [slope[inside] for slope in slopes], checkpoint=checkpoint)
    cells = tuple(tuple(padded(array, first, windows.T) for array in of_layer) for of_layer in made)
    return cells, [entry.plain() if first == 0 else np.zeros(entry.mantissa.shape) for entry in entries]


# One layer, one pass, all passes.


def layer_backward(layer, slope, from_space, after=None, checkpoint=nothing):
    """[delta, grad_h, from_space, from_time] of one pointwise layer, each Scaled (T, n), and dC/dh before it, Scaled (n,).

    slope (T, n): phi'(z); from_space: Scaled (T, n); after: delta of the step after the last, Scaled (n,), or None.
    """
    T, n = slope.shape
    if not layer.recurrent:
        none = scaled(np.zeros((T, n)))
        return [gated(from_space, slope), from_space, from_space, none], scaled(np.zeros(n))
    after = scaled(np.zeros(n)) if after is None else after
    grad_h, from_time, exponent = _recurrence(layer.W_T, slope, from_space, after, checkpoint)
    grad_h = Scaled(grad_h, exponent)
    delta = gated(grad_h, slope)
    from_time = _mended(Scaled(from_time, exponent), delta, after, layer.W_T, checkpoint)
    return [delta, grad_h, from_space, from_time], times(delta[:1], layer.W_T)[0]


def _mended(from_time, delta, after, W_T, checkpoint):
    """from_time with exponents of its own where it is so small beside from_space that it was lost."""
    size = np.abs(from_time.mantissa)
    if size[:-1].min(initial=1.0) >= 2.0**-MIDDLE:  # nothing was lost at the last step, which had exponents of its own
        return from_time
    at = np.flatnonzero((size < 2.0**-MIDDLE).any(axis=1))
    mantissa, exponent = (np.concatenate([rows[1:], last[None]])[at] for rows, last in
                          ((delta.mantissa, after.mantissa), (delta.exponent, after.exponent)))
    made = times(Scaled(mantissa, exponent), W_T, checkpoint)
    from_time = Scaled(from_time.mantissa, from_time.exponent.copy())
    from_time.mantissa[at], from_time.exponent[at] = made.mantissa, made.exponent
    return from_time


def _recurrence(W_T, slope, from_space, after, checkpoint):
    """grad_h, from_time and the exponents of both, each (T, n)."""
    T, n = slope.shape
    grad_h, from_time = together(float, (T, n), (T, n))
    exponent = np.empty((T, n), np.int32)
    steady = not tiny(slope)
    weights = np.where(W_T == 0, NONE, np.frexp(W_T)[1])
    there = (W_T != 0).astype(float)
    t, steps, row, frame = T, STEPS, after, None
    while t > 0:
        if frame is None:
            t -= 1
            arriving = exact(row[None], W_T, checkpoint)[0]
            found = added(arriving, from_space[t])
            grad_h[t], exponent[t] = found.mantissa, found.exponent
            from_time[t] = under(arriving, found.exponent)
            row = gated(found, slope[t])
            frame = _frame(W_T, weights, found, row, from_space[max(0, t - steps):t]) if steady else None
            continue
        checkpoint()
        held, V = frame
        delta = under(row, held)
        if (np.abs(delta) < 2.0**-MIDDLE)[row.mantissa != 0].any():  # what enters later is too large beside what is there
            frame, steps = None, max(1, steps // 4)
            continue
        some = slice(max(0, t - steps), t)
        wanted = some.stop - some.start
        space = from_space.mantissa[some]
        if space.any():
            space = under(from_space[some], held)
        done = _block(V, slope[some], space, delta, grad_h[some], from_time[some], from_space[some], there)
        if done:
            t -= done
            exponent[t:t + done] = held
            row = Scaled(grad_h[t] * slope[t], held)
        if done < wanted:
            frame, steps = None, max(8, done)
            continue
        steps = min(STEPS, 2 * steps)
        sizes = row.sizes()
        if np.abs(sizes - held)[sizes != NONE].max(initial=0) > DRIFT:
            frame = _frame(W_T, weights, Scaled(grad_h[t], held), row, from_space[max(0, t - steps):t])
    return grad_h, from_time, exponent


def _frame(W_T, weights, found, row, from_space):
    """Exponents (n,) for the steps that follow, and W_T^T scaled to them: what is there, or arrives next, is about 1."""
    exponent = np.maximum(found.sizes(), (row.sizes()[:, None] + weights).max(axis=0), dtype=np.int32)
    if from_space.mantissa.any():
        exponent = np.maximum(exponent, from_space.sizes().max(axis=0))
    for _ in range(len(exponent)):  # units that only later steps reach
        unreached = exponent < NOWHERE
        further = np.maximum((exponent[:, None] + weights).max(axis=0), NONE)
        if not unreached.any() or (further[unreached] < NOWHERE).all():
            break
        exponent = np.where(unreached, further, exponent)
    reached = exponent >= NOWHERE
    exponent = np.where(reached, exponent, exponent[reached].min() if reached.any() else 0)
    with np.errstate(over="ignore"):
        return exponent, np.ascontiguousarray(np.ldexp(transposed(W_T), exponent - exponent[:, None]))


def _block(V, slope, space, delta, grad_h, from_time, from_space, there):
    """Fill grad_h and from_time of a block of steps, from its end; how many of its last steps can be trusted."""
    first, product, add, multiply = delta, V.dot, np.add, np.multiply
    after = np.empty(delta.shape)
    with np.errstate(over="ignore", invalid="ignore"):
        rows = [array[::-1] for array in (space, from_time, grad_h, slope)]
        for space_t, time_t, grad_t, slope_t in zip(*rows, strict=True):
            product(delta, time_t)
            add(space_t, time_t, grad_t)
            delta = multiply(grad_t, slope_t, after)
        size = np.abs(grad_h)
        if size.min() > 2.0**-MIDDLE and size.max() < 2.0**MIDDLE:
            return len(grad_h)
        bad = ~(size < 2.0**MIDDLE).all(axis=1)
        following = np.concatenate([(grad_h * slope)[1:], first[None]])
        arriving = (from_space.mantissa != 0) | ((following != 0).astype(float) @ there > 0)
        lost = (size < 2.0**-MIDDLE) & arriving  # unless its terms are there, and cancel
        if lost.any():
            lost &= np.abs(space) + np.abs(following) @ np.abs(V).T < 2.0**-MIDDLE
        bad |= lost.any(axis=1)
    found = np.flatnonzero(bad)
    return len(grad_h) - 1 - int(found[-1]) if len(found) else len(grad_h)


def one_pass(network, sent, slopes, after=None, checkpoint=nothing):
    """Per layer [delta, grad_h, from_space, from_time], each Scaled (T, n), and per layer dC/dh_0, Scaled (n,).

    sent: Scaled (T, n_L), what each step's loss sends in; slopes: per layer (T, n); after: per layer delta of the step after
    the last, or None for none.
    """
    made, entries, from_space = [], [], sent
    for l in range(len(network.layers) - 1, -1, -1):
        layer = network.layers[l]
        cells, entry = layer_backward(layer, slopes[l], from_space, after and after[l], checkpoint)
        made.append(cells)
        entries.append(entry)
        if l:
            from_space = times(cells[0], layer.W_S, checkpoint)
    return made[::-1], entries[::-1]


def all_passes(network, sent, slopes, windows, checkpoint=nothing):
    """As one_pass, the sums over the passes of a schedule: all passes at once, one column further back a round."""
    T, layers = windows.T, network.layers
    sums = [[scaled(np.zeros((T, layer.n))) for _ in range(4)] for layer in layers]
    entries = [scaled(np.zeros(layer.n)) for layer in layers]
    deltas = [scaled(np.zeros((windows.P, layer.n))) for layer in layers]
    passes, steps = np.arange(windows.P), windows.last
    while len(passes):
        checkpoint()
        from_space = sent[steps]
        from_space.mantissa[steps < windows.since[passes]] = 0.0
        for l in range(len(layers) - 1, -1, -1):
            layer = layers[l]
            from_time = times(deltas[l], layer.W_T if layer.recurrent else np.zeros((layer.n, layer.n)), checkpoint)
            grad_h = added(from_space, from_time)
            delta = deltas[l] = gated(grad_h, slopes[l][steps])
            for total, rows in zip(sums[l], (delta, grad_h, from_space, from_time), strict=True):
                now = added(total[steps], rows)
                total.mantissa[steps], total.exponent[steps] = now.mantissa, now.exponent
            if layer.recurrent and steps[0] == 0:
                entries[l] = added(entries[l], exact(delta[:1], layer.W_T)[0])
            from_space = times(delta, layer.W_S, checkpoint)
        going = steps > windows.first[passes]
        passes, steps = passes[going], steps[going] - 1
        deltas = [delta[going] for delta in deltas]
    return sums, entries
