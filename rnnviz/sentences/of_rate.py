"""The sentence of Rate."""

import numpy as np

from ..numbers import from_log, number, significant
from ..spectra import WELL
from .words import Sentence, parts, regime, steps, together

VERDICTS = ("gone", "first grows", "fades", "holds", "grows")


def rate(rate):
    """The sentence of Rate: what every step back multiplies by, in the layer, or in the stack if the layer has no product."""
    spectrum = rate.own or rate.stack
    if spectrum is None:
        return Sentence(parts(" ".join(rate.why)), together(_stopped(rate), _bound(rate)))
    consequence = together(_stopped(rate), _bound(rate), _activation(rate), _jointly(rate))
    return Sentence(_lead(rate, spectrum), consequence)


def verdict(spectrum):
    """One of VERDICTS for a Spectrum: by its best-kept direction over all lags, never by an eigenvalue."""
    end = float(spectrum.largest[-1])
    if end == -np.inf:
        return "gone"
    return "first grows" if spectrum.falls_from_a_peak else regime(spectrum.pace, end)


def closely(factor):
    """A factor as others are written, near 1 with more digits, so that it says on which side it lies."""
    return significant(factor, 4) if 0.995 <= factor < 1.005 and abs(factor - 1) > 5e-4 else number(factor)


def _lead(rate, spectrum):
    of = "" if rate.L == 1 else f" of layer {rate.layer + 1}" if spectrum is rate.own else " of the stack"
    found, pace, back = verdict(spectrum), closely(spectrum.pace), steps(int(spectrum.lags[-1]))
    if found == "gone":
        leave = "leaves" if spectrum.gone == 1 else "leave"
        return parts(f"Backward, {steps(spectrum.gone)} {leave} ", ("nothing", "fades"),
                     f"{of}: every singular value of the product is exactly 0.")
    if found == "first grows":
        peak, lag = spectrum.peak
        end = from_log(float(spectrum.largest[-1]))
        return parts(f"Backward, the best-kept direction{of} first ", (f"grows {from_log(peak)} times", "grows"),
                     f" in {steps(lag)}, then ", ("shrinks", "fades"), f": after {back} it is at {end}.")
    opening = f"Backward, every step{of} {'is' if of else 'multiplies by'} a matrix. Its best-kept direction "
    if len(spectrum.exponents) == 1:
        opening = f"Backward, every step{of} {'is' if of else 'multiplies by'} a number. What flows back "
    if found == "fades":
        return parts(opening, ("shrinks to " + pace, "fades"), " per step.")
    if found == "grows":
        return parts(opening, (f"grows to {pace}", "grows"), " per step.")
    return parts(opening, (f"keeps {pace}", "holds"), " per step.")


def _stopped(rate):
    if rate.steps == rate.T:
        return ()
    return parts(f"At step {rate.steps + 1} a state ", ("overflows", "grows"), "; what follows is of the steps before it.")


def _bound(rate):
    """What the bound of the layer guarantees; where that is nothing the sentence does not speak of it."""
    if not rate.surely_fades:
        return ()
    most = f"at most {closely(rate.bound)}" if rate.bound else "nothing"
    said = f"W_T and φ′ let {most} through per step"
    if rate.L == 1:
        return parts(f"It is guaranteed to vanish: {said}.")
    if rate.all_surely_fade:
        layers = "Both" if rate.L == 2 else "All"
        return parts(f"{layers} layers are guaranteed to vanish: in each, W_T and φ′ let less than 1 through per step, here "
                     f"{most}.")
    return parts(f"Layer {rate.layer + 1} by itself is guaranteed to vanish, for {said}; the stack is not.")


def _activation(rate):
    """What W_T alone would keep in the end, and what the activation takes of it or the products keep beside it."""
    if rate.own is None or rate.own.pace == 0 or verdict(rate.own) == "first grows":
        return _transient(rate)
    alone = closely(rate.radius)
    if rate.own.pace < 0.98 * rate.radius:
        return parts(f"W_T alone would {'keep' if rate.radius <= 1 else 'multiply by'} {alone}; the activation takes the rest.")
    return _transient(rate)


def _transient(rate):
    """How much W_T alone amplifies although its eigenvalues say that it fades."""
    found = rate.transient
    if found is None or not WELL <= found.log10 < np.inf or not rate.radius < 1:
        return ()
    return parts(f"The largest eigenvalue of W_T is only {closely(rate.radius)}, but W_T alone amplifies up to "
                 f"{from_log(found.log10)} times, over {steps(found.at)}.")


def _jointly(rate):
    """What the stack keeps beside the layer."""
    if rate.stack is None or rate.stack is rate.own or rate.own is None or rate.stack.pace == 0:
        return ()
    return parts(f"Through {'both' if rate.L == 2 else f'all {rate.L}'} layers jointly it is {closely(rate.stack.pace)}.")
