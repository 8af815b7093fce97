"""Why a gradient fades, holds or grows: what every step back multiplies it by.

    J^l_t = dh^l_t/dh^l_{t-1} = diag(phi'(z^l_t)) W_T^l        dh_T/dh_{T-k} = J_T J_{T-1} .. J_{T-k+1}

For one layer by itself, and for the whole stack jointly: what a deep network keeps may travel through other layers, which
no product of one layer shows. Beside the products stand what is known without them: eigenvalues and the largest singular
value of W_T, the bound that it gives, and how much W_T alone amplifies at most.

Source: Pascanu, Mikolov and Bengio (2013) for products and bound; the space/time text for the stack.
"""

from dataclasses import dataclass

import numpy as np

from .bptt import nothing
from .cells import CELLS
from .flow import SHUT, Fit, read, slopes_until, spectral_norm
from .spectra import Spectrum, spectrum
from .values import freeze

MOST_UNITS = 192  # of a product
MOST_POWERS, POWER_WORK = 400, 100_000_000  # of W_T alone; powers x units cubed
SLACK = 1e-9  # a norm is 1 within its rounding


@dataclass(frozen=True)
class Transient:
    """How much W_T alone amplifies: log10 of the largest ||(W_T^T)^k|| and its k, 0 where no power is over 1; over which
    powers it was sought, and whether none beyond them can be larger. An eigenvalue over 1 has no largest: log10 is inf."""

    log10: float
    at: int
    powers: int
    settled: bool


@dataclass(frozen=True, eq=False)
class Rate:
    """What Rate shows of a run.

    layer: from 0, the one that is looked at by itself; widths, cells, recurrent: of all layers. T: steps of the sequence;
    steps: those before the forward pass left the float range, all as a rule.
    own, stack: the Spectrum of the layer and of the whole stack, the same object where there is one layer; None where `why`, a
    tuple of plain sentences, says so. eigenvalues (n,) complex, of the layer's W_T, largest first; sigma_max: its largest
    singular value; transient: its Transient; all None where it is not recurrent. bounds: per layer sigma_max(W_T) max phi',
    None without W_T or where phi' has no bound. shut, mean, geometric (L,): per layer over all steps and units the
    share of phi' under 0.1, and its two means; nan without a step. measured: the Fit of the layer's delta in this run, None
    where no one factor per step describes it.
    """

    layer: int
    widths: tuple
    cells: tuple
    recurrent: tuple
    T: int
    steps: int
    own: Spectrum | None
    stack: Spectrum | None
    why: tuple
    eigenvalues: np.ndarray | None
    sigma_max: float | None
    transient: Transient | None
    bounds: tuple
    shut: np.ndarray
    mean: np.ndarray
    geometric: np.ndarray
    measured: Fit | None

    @property
    def L(self):
        return len(self.widths)

    @property
    def max_slope(self):
        """What phi' of the layer never exceeds; None where there is no such bound."""
        return CELLS[self.cells[self.layer]].max_slope

    @property
    def bound(self):
        """sigma_max(W_T) max phi' of the layer: no product of k of its Jacobians has a singular value over its k-th power."""
        return self.bounds[self.layer]

    @property
    def radius(self):
        """The spectral radius of W_T: the largest size of an eigenvalue."""
        return None if self.eigenvalues is None else float(np.abs(self.eigenvalues[0]))

    @property
    def drawn_in(self):
        """(n,): the eigenvalues of W_T times the mean phi' of the layer."""
        return None if self.eigenvalues is None else self.eigenvalues * self.mean[self.layer]

    @property
    def surely_fades(self):
        """Whether the bound of the layer says that its product vanishes, for any input and at any length."""
        return under_one(self.bound)

    @property
    def all_surely_fade(self):
        """Whether the bounds of all recurrent layers do: then the product of the stack vanishes too, in the end. Its blocks
        below the diagonal are bounded, so that they only multiply what fades by a power of k."""
        return any(self.recurrent) and all(under_one(b) for b, there in zip(self.bounds, self.recurrent, strict=True) if there)


def under_one(bound):
    """Whether a bound is under 1 by more than its rounding."""
    return bound is not None and bound < 1 - SLACK


def rate_problem(cells):
    """Why there are no such products for a stack of these cells, in one plain sentence, or None."""
    gated = [(l, cell) for l, cell in enumerate(cells, start=1) if not CELLS[cell].pointwise]
    return f"Rate needs cells without gates; layer {gated[0][0]} is {gated[0][1]}." if gated else None


def rates(run, layer=0, reading=None, checkpoint=nothing):
    """The Rate of a run, for one layer (from 0) and for the stack.

    reading: its Flow, if that is at hand. checkpoint() is called before each step of a product and may raise to stop.
    Raises ValueError on a layer that is not there, and on cells with gates.
    """
    network, T = run.network, run.sequence.T
    layers = network.layers
    if not 0 <= layer < len(layers):
        raise ValueError(f"layer is {layer}; it must be 0 to {len(layers) - 1}")
    if found := rate_problem(each.cell for each in layers):
        raise ValueError(found)
    steps = T if run.forward.overflow is None else run.forward.overflow[1]
    slopes = slopes_until(run, steps)
    own, stack, why = _spectra(layers, layer, slopes, checkpoint)
    W_T = layers[layer].W_T
    eigenvalues = None if W_T is None else _eigenvalues(W_T)
    reading = read(run, checkpoint=checkpoint) if reading is None and run.backward is not None else reading
    fit = reading and reading.fit(layer)
    with np.errstate(divide="ignore"):
        geometric = [np.exp(np.log(slope).mean()) if steps else np.nan for slope in slopes]
    return Rate(
        layer, network.widths, tuple(each.cell for each in layers), tuple(each.recurrent for each in layers), T, steps,
        own, stack, why, eigenvalues, None if W_T is None else spectral_norm(W_T),
        None if W_T is None else transient(W_T, float(np.abs(eigenvalues[0])), checkpoint),
        _bounds(layers, checkpoint),
        freeze(np.array([(slope < SHUT).mean() if steps else np.nan for slope in slopes])),
        freeze(np.array([slope.mean() if steps else np.nan for slope in slopes])), freeze(np.array(geometric)),
        fit if fit and fit.straight and fit.rate > 0 else None,
    )


def _bounds(layers, checkpoint):
    """Per layer sigma_max(W_T) max phi', or None."""
    made = []
    for layer in layers:
        checkpoint()
        most = CELLS[layer.cell].max_slope
        made.append(None if most is None or not layer.recurrent else most * spectral_norm(layer.W_T))
    return tuple(made)


def _eigenvalues(W_T):
    found = np.linalg.eigvals(W_T).astype(complex)
    return freeze(found[np.argsort(-np.abs(found), kind="stable")])


# The products of this run.


def _spectra(layers, l, slopes, checkpoint):
    """(Spectrum of layer l, of the stack, reasons): each None where a reason says why."""
    T, N, why, own, stack = len(slopes[0]), sum(layer.n for layer in layers), [], None, None
    if T < 2:
        return None, None, ("A product of Jacobians needs two steps.",)
    W_T = layers[l].W_T
    if W_T is None:
        why.append(f"Layer {l + 1} is not recurrent: nothing flows back through it in time.")
    elif len(W_T) > MOST_UNITS:
        why.append(f"The products of {len(W_T)} units take too long; layers of {MOST_UNITS} or fewer show them.")
    else:
        own = spectrum(layers[l:l + 1], slopes[l:l + 1], T - 1, checkpoint)
        why += _doubts(own, f"layer {l + 1}")
    if len(layers) == 1:
        return own, own, tuple(why)
    if not any(layer.recurrent for layer in layers):
        why.append("No layer is recurrent: nothing flows back in time.")
    elif N > MOST_UNITS:
        why.append(f"The products of all {N} units jointly take too long; stacks of {MOST_UNITS} or fewer show them.")
    else:
        stack = spectrum(layers, slopes, T - 1, checkpoint)
        why += _doubts(stack, "the stack")
    return own, stack, tuple(why)


def _doubts(spectrum, name):
    """Why a Spectrum ends before it should, or is not there."""
    if spectrum is None:
        return [f"The Jacobians of {name} leave the float range, or rounding would decide on their products."]
    if spectrum.doubtful is not None:
        return [f"From lag {spectrum.doubtful} on rounding would decide on some singular values of {name}: they are left out."]
    return []


# What W_T does alone.


def transient(W_T, radius, checkpoint=nothing):
    """The Transient of a recurrent matrix (n, n) with this spectral radius.

    Once a power m does not amplify, ||W^k|| <= ||W^m||^(k // m) ||W^(k mod m)|| leaves no later one above those before it.
    """
    if radius > 1 + SLACK:
        return Transient(np.inf, 0, 0, True)
    n = len(W_T)
    powers = min(MOST_POWERS, max(16, POWER_WORK // n**3))
    peak, at, power = 1.0, 0, np.eye(n)
    for k in range(1, powers + 1):
        checkpoint()
        with np.errstate(over="ignore", invalid="ignore"):
            power = power @ W_T
            frobenius = float(np.linalg.norm(power))
        if not np.isfinite(frobenius):
            return Transient(np.inf, 0, k, False)
        if peak < frobenius or frobenius <= np.sqrt(n) * (1 + SLACK):  # it lies between the norm and sqrt(n) times the norm
            norm = spectral_norm(power)
            if norm > peak * (1 + SLACK):
                peak, at = norm, k
            if norm <= 1 + SLACK:
                return Transient(float(np.log10(peak)), at, k, True)
    return Transient(float(np.log10(peak)), at, powers, False)
