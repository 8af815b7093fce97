"""Numbers far outside the float range: rows of m * 2^e, and the backward pass on them.

delta's recursion is linear once the forward pass is known, so it can carry exponents: one for each unit and block of steps,
because one for each cell would lose units that fade beside others that grow. Within a block the recurrence is a plain
product with weights that are scaled to the block's exponents. What came out is looked at: from the first step at which a
number leaves the middle of the float range, or is 0 though something arrives, the block is done again with new exponents,
beginning with one step that keeps the exponent of every single term.
"""

from dataclasses import dataclass

import numpy as np

from .products import blocks, nothing, together, transposed

MIDDLE = 500  # a plain block holds numbers from 2^-500 to 2^500, and slopes from 2^-500: no product of them underflows
DRIFT = 150  # powers of two that a block's numbers may have moved before its exponents follow
STEPS, ROWS = 128, 256  # of a block of the recurrence; of a block of a product
TERMS = 500_000  # of a product whose every term keeps its exponent, at once
NONE = np.int32(-(2**30))  # the exponent of 0; two of them still add up to an int32
NOWHERE = NONE + 4096  # under it lies the exponent of 0 only, times a weight
LOG10_2 = float(np.log10(2.0))


@dataclass(frozen=True, eq=False)
class Scaled:
    """Numbers mantissa * 2^exponent, both (.., n), the exponent int32. Mantissas may be any floats, 0 included."""

    mantissa: np.ndarray
    exponent: np.ndarray

    def __getitem__(self, at):
        return Scaled(self.mantissa[at], self.exponent[at])

    def plain(self, out=None):
        """As float64: 0, or a number with fewer digits, under 1e-308, and infinite over 1e308. out: where it goes."""
        with np.errstate(over="ignore", under="ignore"):
            return np.ldexp(self.mantissa, self.exponent, out=out)

    def log2(self):
        """(.., n) base-2 logarithms of the sizes, -inf for 0."""
        with np.errstate(divide="ignore"):
            return np.log2(np.abs(self.mantissa)) + self.exponent

    def sizes(self):
        """(.., n) whole exponents s with 2^(s-1) <= size < 2^s, NONE for 0."""
        return np.where(self.mantissa == 0, NONE, np.frexp(self.mantissa)[1] + self.exponent)

    def normalised(self):
        """(rows over their largest power of two (.., n), its exponents (..,)); rows of zeros have the exponent 0."""
        largest = self.sizes().max(axis=-1)
        largest = np.where(largest == NONE, 0, largest)
        return np.ldexp(self.mantissa, self.exponent - largest[..., None]), largest

    def log10_norms(self):
        """(..,) base-10 logarithms of the Euclidean norms over units, -inf where all are 0."""
        exponents = self.exponent.max(axis=-1)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            rows = np.ldexp(self.mantissa, self.exponent - exponents[..., None])
            squares = np.vecdot(rows, rows)
        if not ((squares > 2.0**-MIDDLE) & (squares < 2.0**MIDDLE)).all():  # or the largest exponent is that of a 0
            rows, exponents = self.normalised()
            squares = np.vecdot(rows, rows)
        with np.errstate(divide="ignore"):
            return 0.5 * np.log10(squares) + exponents * LOG10_2


def scaled(rows):
    """Plain numbers as Scaled."""
    return Scaled(rows, np.zeros(rows.shape, np.int32))


def padded(rows, first, T):
    """Scaled rows (m, n) as those of T steps from step `first` on, 0 at all others."""
    if len(rows.mantissa) == T:
        return rows
    made = scaled(np.zeros((T, rows.mantissa.shape[1])))
    made.mantissa[first:first + len(rows.mantissa)] = rows.mantissa
    made.exponent[first:first + len(rows.mantissa)] = rows.exponent
    return made


def added(a, b):
    """The sum of two Scaled of one shape, right to the rounding of the larger."""
    exponent = np.maximum(a.sizes(), b.sizes())
    exponent = np.where(exponent == NONE, 0, exponent)
    return Scaled(_under(a, exponent) + _under(b, exponent), exponent)


def _under(a, exponent):
    """The mantissas of Scaled numbers under other exponents; what is too small for them becomes 0."""
    return np.ldexp(a.mantissa, a.exponent - exponent)


def tiny(slope):
    """Whether some slope other than 0 is too small for a plain product."""
    return slope.min() < 2.0**-MIDDLE and slope.min(where=slope > 0, initial=1.0) < 2.0**-MIDDLE


def gated(rows, slope):
    """Scaled rows times slopes of the same shape, which may be as small as floats can be."""
    if not tiny(slope):
        return Scaled(rows.mantissa * slope, rows.exponent)
    mantissa, exponent = np.frexp(slope)
    return Scaled(rows.mantissa * mantissa, rows.exponent + exponent)


# Products.


def exact(rows, W, checkpoint=nothing):
    """Scaled rows (R, m) times W (m, n), every term with an exponent of its own: slow, and never a false 0."""
    mantissa, exponent = np.empty((len(rows.mantissa), W.shape[1])), np.empty((len(rows.mantissa), W.shape[1]), np.int32)
    W_mantissa, W_exponent = np.frexp(W)
    for some in blocks(len(mantissa), max(1, TERMS // W.size), checkpoint):
        small, power = np.frexp(rows.mantissa[some])
        terms = small[:, :, None] * W_mantissa
        powers = (power + rows.exponent[some])[:, :, None] + W_exponent
        sizes = np.where(terms == 0, NONE, powers)
        largest = sizes.max(axis=1)
        exponent[some] = largest = np.where(largest == NONE, 0, largest)
        mantissa[some] = np.ldexp(terms, powers - largest[:, None]).sum(axis=1)
    return Scaled(mantissa, exponent)


def times(rows, W, checkpoint=nothing):
    """Scaled rows (R, m) times W (m, n), in blocks of rows that share their exponents; a block that does not hold is halved."""
    made = Scaled(np.empty((len(rows.mantissa), W.shape[1])), np.empty((len(rows.mantissa), W.shape[1]), np.int32))
    weights = np.where(W == 0, NONE, np.frexp(W)[1])
    there = (W != 0).astype(float)
    for some in blocks(len(made.mantissa), ROWS, checkpoint):
        stop = min(some.stop, len(made.mantissa))
        _fill(made, rows, W, weights, there, slice(some.start, stop), checkpoint)
    return made


def _fill(made, rows, W, weights, there, some, checkpoint):
    block = rows[some]
    if not block.mantissa.any():
        made.mantissa[some], made.exponent[some] = 0.0, 0
        return
    size = block.sizes().max(axis=0)
    arriving = (size[:, None] + weights).max(axis=0)
    exponent = np.where(arriving < NOWHERE, 0, arriving)
    below = np.where(size == NONE, exponent.min(), size)  # units that hold 0 throughout must not become infinite weights
    V = np.ldexp(W, below[:, None] - exponent)
    found = _under(block, below) @ V
    doubtful = np.abs(found) < 2.0**-MIDDLE
    if doubtful.any():
        doubtful &= (block.mantissa != 0).astype(float) @ there > 0
    if doubtful.any():  # unless its terms are there, and cancel
        doubtful &= np.abs(_under(block, below)) @ np.abs(V) < 2.0**-MIDDLE
    if doubtful.any() and len(found) > 1:
        middle = (some.start + some.stop) // 2
        for half in (slice(some.start, middle), slice(middle, some.stop)):
            _fill(made, rows, W, weights, there, half, checkpoint)
        return
    if doubtful.any():
        single = exact(block, W, checkpoint)
        made.mantissa[some], made.exponent[some] = single.mantissa, single.exponent
    else:
        made.mantissa[some], made.exponent[some] = found, exponent


# The backward pass.


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
            from_time[t] = _under(arriving, found.exponent)
            row = gated(found, slope[t])
            frame = _frame(W_T, weights, found, row, from_space[max(0, t - steps):t]) if steady else None
            continue
        checkpoint()
        held, V = frame
        delta = _under(row, held)
        if (np.abs(delta) < 2.0**-MIDDLE)[row.mantissa != 0].any():  # what enters later is too large beside what is there
            frame, steps = None, max(1, steps // 4)
            continue
        some = slice(max(0, t - steps), t)
        wanted = some.stop - some.start
        space = from_space.mantissa[some]
        if space.any():
            space = _under(from_space[some], held)
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


# Gradients.


def outer(delta, h, _=None):
    """(n, m) sum over steps of delta (x) h as float64: Scaled (T, n), and plain h (T, m). Infinite beyond the float range."""
    total = scaled(np.zeros((delta.mantissa.shape[1], h.shape[1])))
    peak = np.frexp(np.abs(h).max(axis=0, initial=0.0))[1]
    h = np.ldexp(h, -peak)
    for some in blocks(len(h), ROWS, nothing):
        total = _and_block(total, delta[some], h[some])
    return Scaled(total.mantissa, total.exponent + peak).plain()


def _and_block(total, delta, h):
    """A running sum, and a block of steps that share one exponent a unit; a block whose sizes differ too much is halved."""
    exponent = np.where(delta.mantissa == 0, NONE, delta.exponent)
    largest = exponent.max(axis=0)
    least = np.where(delta.mantissa == 0, largest, exponent).min(axis=0)
    if (largest - least).max() > MIDDLE and len(h) > 1:
        middle = len(h) // 2
        return _and_block(_and_block(total, delta[:middle], h[:middle]), delta[middle:], h[middle:])
    largest = np.where(largest == NONE, 0, largest)
    found = _under(delta, largest).T @ h
    return added(total, Scaled(found, np.broadcast_to(largest[:, None], found.shape)))


def summed(delta, _=None):
    """(n,) sum over steps of Scaled (T, n) as float64."""
    return outer(delta, np.ones((len(delta.mantissa), 1)))[:, 0]
