"""Singular values of long products of Jacobians, each certain or left out.

The product runs in floats twice, the second time from another start and with Jacobians that differ in their last digits: what
both find is certain. Where they disagree, or the rank or the float range leave a doubt, whole numbers find it, as far as the
work allows.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .graded import PRIME, eliminated, log_singular_values, parts_of, rank, remainders, times_all, unit, whole
from .products import nothing
from .values import freeze

MOST_LAGS = 400  # that singular values are shown over
MOST_STEPS = 1000  # that a product runs over
WELL = 0.3  # decades: twofold
STEP_WORK, FEWEST_STEPS = 200_000_000, 30  # steps x units cubed; but so many steps always
MOST_SHOWN, FEWEST_SHOWN = 60, 8  # lags at which all singular values are computed
SHOWN_WORK = 25_000_000  # lags x units cubed
MOST_APART = 8  # groups of units whose products are kept by themselves
AT_ONCE = 4  # Jacobians that are multiplied out before their product is made orthogonal
COMPARED = 5  # lags at which what floats find is computed twice
KEPT = 1_000_000  # numbers of Jacobians that are kept
LAST_DIGITS = 1e-15  # of a Jacobian's entries, by which the second time differs
SAME = 1e-6  # decades: two values that are one
REGULAR = 1e-9  # of the largest singular value: a smallest one over this is none that rounding made
FAINT = -280  # log10: entries of a Jacobian under this have lost digits
WHOLE_WORK = 200_000_000  # ns that whole numbers may take, by what their operations took where this was measured
GUARD = 160  # binary digits beyond those of the smallest singular value


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Singular values of dh_T/dh_{T-k} over the lags k.

    lags (K,): ascending, from 1, perhaps with gaps; log10 (K, n): largest first, -inf where exactly 0, each right to 1e-5; nan
    where that is not certain, never of the largest. steps: how many the longest product runs over, at least the last lag.
    exponents (n,): the Lyapunov exponents over these steps, natural log per step: that of each singular value, divided by the
    steps. doubtful: the first lag at which something is left out, because floats do not find it and whole numbers take too
    long, None if there is none; from where the largest is left out on, no lag is shown.
    """

    lags: np.ndarray
    log10: np.ndarray
    steps: int
    exponents: np.ndarray
    doubtful: int | None = None

    @property
    def largest(self):
        """(K,): log10 of the largest at each lag."""
        return self.log10[:, 0]

    @property
    def peak(self):
        """(log10, lag) of the largest of all; (0.0, 0), the lag at which nothing is multiplied yet, if none is over 1."""
        i = int(self.largest.argmax())
        return (float(self.largest[i]), int(self.lags[i])) if self.largest[i] > 0 else (0.0, 0)

    @property
    def falls_from_a_peak(self):
        """Whether the largest rises well over 1 and then falls well below its peak."""
        return self.peak[0] >= WELL and self.largest[-1] <= self.peak[0] - WELL

    @property
    def pace(self):
        """The factor per step of the best-kept direction, over all lags shown; 0 where nothing is kept."""
        return float(10.0 ** (self.largest[-1] / self.lags[-1]))

    @property
    def gone(self):
        """The first lag shown at which every singular value is exactly 0, None if there is none."""
        none = np.isneginf(self.largest)
        return int(self.lags[none.argmax()]) if none.any() else None


def stack_jacobian(layers, slopes):
    """dh_t/dh_{t-1} of the states of all layers side by side, (N, N), from phi'(z_t) of each.

    Block (l, m) is (prod_{j=l..m+1} diag(phi'_j) W_S^j) diag(phi'_m) W_T^m, and 0 where m is above l.
    """
    ends = np.cumsum([0, *(layer.n for layer in layers)])
    J = np.zeros((ends[-1], ends[-1]))
    with np.errstate(over="ignore", invalid="ignore"):
        for l, (layer, slope) in enumerate(zip(layers, slopes, strict=True)):
            rows = J[ends[l]:ends[l + 1]]
            if l:
                np.matmul(layer.W_S, J[ends[l - 1]:ends[l], :ends[l]], out=rows[:, :ends[l]])
            if layer.recurrent:
                rows[:, ends[l]:ends[l + 1]] += layer.W_T
            rows *= slope[:, None]
    return J


def _links(layers):
    """(N, N) bool: the units of the stack that some Jacobian may link, through a unit between or by themselves."""
    ends = np.cumsum([0, *(layer.n for layer in layers)])
    links = np.zeros((ends[-1], ends[-1]), bool)
    for l, layer in enumerate(layers):
        here = slice(*ends[l:l + 2])
        if layer.recurrent:
            links[here, here] = layer.W_T != 0
        if l:
            links[here, slice(*ends[l - 1:l + 1])] = layer.W_S != 0
    return links


def steps_of_a_product(n, steps):
    """Over how many of these steps a product of (n, n) Jacobians runs."""
    return min(steps, MOST_STEPS, max(FEWEST_STEPS, STEP_WORK // n**3))


def spectrum(layers, slopes, steps, checkpoint=nothing):
    """The Spectrum of the product of the Jacobians of these layers jointly; None if none of it is known.

    slopes: per layer phi'(z_t) (T, n), of which the last `steps` count. Groups of units that no weight links are kept apart:
    rounding would link them.
    """
    n = sum(layer.n for layer in layers)
    steps = steps_of_a_product(n, steps)
    most = min(steps, MOST_LAGS)
    lags = np.unique(np.linspace(1, most, min(most, MOST_SHOWN, max(FEWEST_SHOWN, SHOWN_WORK // n**3))).round().astype(int))
    wanted = np.unique(np.append(lags, steps))
    alone, groups = _split(_links(layers))
    found = [_of_group(Product(tuple(layers), tuple(slopes), units), wanted, checkpoint) for units in groups]
    found.append(_of_those_alone(layers, slopes, alone, wanted))
    known = []
    for lag in wanted.tolist():
        row = _merged([each.get(lag, np.array([np.nan])) for each in found])
        if np.isnan(row[0]):
            break
        known.append(row)
    if not known:
        return None
    log10, reached = np.array(known), wanted[:len(known)]
    shown, doubtful = int((reached <= most).sum()), wanted[[*np.isnan(log10).any(axis=1), *[True] * (len(wanted) - len(known))]]
    return Spectrum(freeze(reached[:shown]), freeze(log10[:shown]), int(reached[-1]),
                    freeze(log10[-1] * np.log(10.0) / reached[-1]), int(doubtful[0]) if len(doubtful) else None)


def _merged(groups):
    """(n,) the singular values of all groups, largest first; one that is not known stands under the next larger of its group,
    and at the head if there is none."""
    values = np.concatenate(groups)
    places = np.concatenate([np.minimum.accumulate(np.where(np.isnan(each), np.inf, each)) for each in groups])
    return values[np.argsort(-places, kind="stable")]


@dataclass(frozen=True, eq=False)
class Product:
    """J_T J_{T-1} .. of those units of some layers that are linked: units ascending, counted through all layers; slopes as
    `spectrum` takes them."""

    layers: tuple
    slopes: tuple
    units: np.ndarray

    @property
    def n(self):
        return len(self.units)

    def jacobian(self, k):
        """J_{T-k} (n, n), in floats; the last ones are kept, because they are asked for twice."""
        if k in self.kept:
            return self.kept[k]
        J = stack_jacobian(self.layers, [slope[-1 - k] for slope in self.slopes])
        J = J if len(J) == self.n else J[np.ix_(self.units, self.units)]
        if (k + 1) * self.n**2 < KEPT:
            self.kept[k] = J
        return J

    @cached_property
    def kept(self):
        return {}

    @cached_property
    def blocks(self):
        """Per layer {"W_S", "W_T", "slopes"} of these units, W_S only from the second layer on, and their rows."""
        ends, made, below, first = np.cumsum([0, *(layer.n for layer in self.layers)]), [], None, 0
        for l, (layer, slopes) in enumerate(zip(self.layers, self.slopes, strict=True)):
            here = self.units[(self.units >= ends[l]) & (self.units < ends[l + 1])] - ends[l]
            W_T = layer.W_T if layer.recurrent else np.zeros((layer.n, layer.n))
            W = {"W_T": W_T[np.ix_(here, here)]} | ({"W_S": layer.W_S[np.ix_(here, below)]} if l else {})
            made.append((W, slopes[:, here], slice(first, first + len(here))))
            below, first = here, first + len(here)
        return made

    @cached_property
    def faint(self):
        """(T,) bool: at which steps a Jacobian in floats may have lost digits, or 0 in place of a number: by the smallest that
        can be multiplied on the way from one layer to another."""
        made, least = np.zeros(len(self.slopes[0]), bool), 0.0
        for W, slopes, _ in self.blocks:
            if slopes.size:
                sizes = np.abs(np.concatenate([each.ravel() for each in W.values()]))
                smallest = np.log10(sizes.min(where=sizes > 0, initial=1.0))
                least = np.minimum(least, 0.0) + smallest + np.log10(slopes.min(axis=1, where=slopes > 0, initial=1.0))
                made |= least < FAINT
        return made


def _back(product, X, k, arithmetic):
    """J_{T-k}^T X, layer by layer from the top, in an arithmetic that knows slopes and weights: see `Remainders`, `Whole`."""
    made = X.copy()
    for l in reversed(range(len(product.blocks))):
        here = product.blocks[l][-1]
        rows = arithmetic.gated(l, k, made[here])
        made[here] = arithmetic.through(l, "W_T", rows)
        if l:
            below = product.blocks[l - 1][-1]
            made[below] = arithmetic.added(l, made[below], arithmetic.through(l, "W_S", rows))
    return made


def _of_group(product, wanted, checkpoint):
    """{lag: (n,) log10 of the singular values of a Product, largest first, -inf where 0, nan where it is not certain}.

    They are computed in floats, and again from Jacobians that differ in their last digits. Where both say the same, and as
    many are 0 as must be, they are right; from the first lag on where they are not, whole numbers find them, as far as that is
    not too much work.
    """
    ranks = dict(zip(wanted.tolist(), _ranks(product, wanted, checkpoint), strict=True))
    found = _in_floats(product, wanted, 0, checkpoint)
    held = wanted[:len(found)]
    some = np.unique(held[np.linspace(0, len(held) - 1, min(len(held), COMPARED)).round().astype(int)])
    again = _in_floats(product, some, 1, checkpoint)
    sure = {lag: _certain(found[lag], found[lag] if lag not in again else again[lag], ranks[lag]) for lag in found}
    doubtful = [lag for lag in sure if np.isnan(sure[lag]).any()]
    if doubtful:
        again = _in_floats(product, held, 1, checkpoint)
        sure = {lag: _certain(found[lag], again[lag], ranks[lag]) for lag in again}
        doubtful = [lag for lag in sure if np.isnan(sure[lag]).any()]
    rest = wanted[wanted >= min(doubtful)] if doubtful else wanted[len(sure):]
    if not len(rest):
        return sure
    least = min((float(each[np.isfinite(each)].min(initial=0.0)) for each in found.values()), default=0.0)
    return sure | _in_whole_numbers(product, rest, ranks, GUARD + int(1.25 * -least / np.log10(2.0)), checkpoint)


def _certain(found, again, rank):
    """(n,) log10 of singular values that were found twice, largest first: nan for each that is not certain, -inf beyond the
    rank."""
    with np.errstate(invalid="ignore"):
        made = np.where(np.abs(found - again) < SAME, found, np.nan)
    made[rank:] = -np.inf
    return made


def _in_floats(product, lags, seed, checkpoint):
    """{lag: (n,) log10 of the singular values} of these lags, up to the first Jacobian that floats do not hold."""
    made, pending, found = unit(product.n, seed), [], {}
    nudge = 1.0 + LAST_DIGITS * np.random.default_rng(seed).uniform(-1, 1, (product.n, product.n)) if seed else 1.0
    shown = set(lags.tolist())
    for k in range(int(max(shown, default=0))):
        checkpoint()
        J = product.jacobian(k)
        if product.faint[-1 - k] or not np.isfinite(J).all():
            break
        pending.append((J * nudge).T if seed else J.T)
        if k + 1 in shown or len(pending) == AT_ONCE:
            made, pending = times_all(pending, made), []
        if k + 1 in shown:
            found[k + 1] = _padded(made, product.n)
    return found


def _padded(graded, n):
    """(n,) log10 of the singular values of a Graded, -inf for each that is 0."""
    made = np.full(n, -np.inf)
    logs = log_singular_values(graded)
    made[:len(logs)] = logs
    return made


def _split(links):
    """(units that are linked to themselves at most, groups of the others)."""
    parts = parts_of(links)
    alone = [part[0] for part in parts if len(part) == 1]
    groups = [part for part in parts if len(part) > 1]
    if len(groups) > MOST_APART:
        groups = [np.sort(np.concatenate(groups))]
    return np.array(alone, int), groups


def _of_those_alone(layers, slopes, alone, lags):
    """{lag: log10 of what units that no other is linked to multiply by, largest first}."""
    with np.errstate(divide="ignore"):
        weights = [np.log10(np.abs(layer.W_T.diagonal())) if layer.recurrent else np.full(layer.n, -np.inf) for layer in layers]
        logs = np.hstack([np.log10(slope) + weight for slope, weight in zip(slopes, weights, strict=True)])
    made = np.sort(np.cumsum(logs[::-1, alone], axis=0))[:, ::-1]
    return {lag: made[lag - 1] for lag in lags.tolist()}


# In whole numbers: how many singular values are not 0, and all of them where floats do not find them.


class Remainders:
    """The arithmetic of remainders by PRIME, as floats."""

    def __init__(self, product):
        self.W = [{name: remainders(each).T for name, each in W.items()} for W, _, _ in product.blocks]
        self.slopes = [remainders(slopes) for _, slopes, _ in product.blocks]

    def gated(self, l, k, rows):
        return rows * self.slopes[l][-1 - k, :, None] % PRIME

    def through(self, l, name, rows):
        return self.W[l][name] @ rows % PRIME

    def added(self, l, rows, more):
        return (rows + more) % PRIME


class Whole:
    """The arithmetic of whole numbers times 2**-digits, every product rounded down; errors: per layer by how many units its
    numbers may be off."""

    def __init__(self, product):
        self.W = [{name: (numbers.T, e, int(np.abs(numbers).sum(axis=0).max(initial=0)))
                   for name, (numbers, e) in ((name, whole(each)) for name, each in W.items())} for W, _, _ in product.blocks]
        self.slopes = [np.frexp(slopes) for _, slopes, _ in product.blocks]
        self.errors = [0] * len(product.blocks)

    def gated(self, l, k, rows):
        mantissa, exponent = (each[-1 - k] for each in self.slopes[l])
        numbers = np.ldexp(mantissa, 53).astype(np.int64).astype(object)
        self.errors[l] += 1
        self.entering = self.errors[l]  # both products of a layer take the same rows
        return rows * numbers[:, None] >> (53 - exponent).astype(object)[:, None]

    def through(self, l, name, rows):
        numbers, exponent, most = self.W[l][name]
        error = shifted(self.entering * most, exponent) + 1
        if name == "W_T":
            self.errors[l] = error
        else:
            self.errors[l - 1] += error
        return shifted(numbers @ rows, exponent)

    def added(self, l, rows, more):
        return rows + more


def shifted(numbers, exponent):
    """Whole numbers times 2**exponent, rounded down."""
    return numbers << exponent if exponent >= 0 else numbers >> -exponent


def _ranks(product, lags, checkpoint):
    """[how many singular values at each lag are not 0], counted in remainders."""
    if all((slopes > 0).all() and _regular(W["W_T"]) for W, slopes, _ in product.blocks):
        return [product.n] * len(lags)
    arithmetic, X, at, shown = Remainders(product), np.eye(product.n), [], set(lags.tolist())
    for k in range(int(lags[-1])):
        checkpoint()
        X = _back(product, X, k, arithmetic)
        if k + 1 in shown:
            at.append(X)
    return _descending(lambda i: rank(at[i]), len(at))


def _regular(W):
    """Whether a matrix (n, n) has full rank: by floats where they leave no doubt."""
    if not len(W):
        return True
    s = np.linalg.svd(W, compute_uv=False)
    return s[-1] > REGULAR * s[0] > 0 or rank(remainders(W)) == len(W)


def _descending(value, n):
    """[value(0), .. value(n - 1)] of a function that never rises, asked as rarely as that allows."""
    made = [None] * n
    made[0], made[-1] = value(0), value(n - 1)
    ranges = [(0, n - 1)]
    while ranges:
        i, j = ranges.pop()
        if made[i] == made[j]:
            made[i:j + 1] = [made[i]] * (j + 1 - i)
        elif j - i > 1:
            middle = (i + j) // 2
            made[middle] = value(middle)
            ranges += [(i, middle), (middle, j)]
    return made


def _in_whole_numbers(product, lags, ranks, digits, checkpoint):
    """{lag: (n,) log10 of the singular values}: of these lags as many as the work allows, first with so many binary digits,
    then with twice as many."""
    found, left = {}, WHOLE_WORK
    while len(lags):
        lags, spent = _affordable(product, lags, digits, left)
        found |= _with_digits(product, lags, ranks, digits, checkpoint)
        lags, digits, left = lags[lags > max(found, default=0)], 2 * digits, left - spent
    return found


def _affordable(product, lags, digits, work):
    """(the first of these lags, as many as may be had for so much work; what they take)."""
    size = sum(each.size for W, _, _ in product.blocks for each in W.values()) + product.n
    step, stop = product.n * size * (130 + 0.07 * digits), product.n**3 / 3 * (300 + 0.0012 * digits**2)
    spent = lags * step + np.arange(1, len(lags) + 1) * stop
    lags = lags[spent < work]
    return lags, spent[len(lags) - 1] if len(lags) else work


def _with_digits(product, lags, ranks, digits, checkpoint):
    """{lag: (n,) log10 of the singular values}, up to the first of these lags at which so many binary digits do not do."""
    arithmetic, found, shown = Whole(product), {}, set(lags.tolist())
    X = np.array([[int(i == j) << digits for j in range(product.n)] for i in range(product.n)], object)
    for k in range(int(max(shown, default=0))):
        checkpoint()
        X = _back(product, X, k, arithmetic)
        if k + 1 in shown:
            made = eliminated(X, -digits, product.n * (max(arithmetic.errors) + 1))
            if len(made.exponents) != ranks[k + 1]:
                break
            found[k + 1] = _padded(made, product.n)
    return found
