"""The sentence of Flow."""

import numpy as np

from ..flow import CUT, OVERFLOW, UNDERFLOW, ZERO
from ..numbers import from_log, number, significant
from .words import Sentence, agree, parts, regime, steps, together, word


def _overflow(reading):
    """The forward pass left the float range."""
    if reading.overflow is None:
        return None
    l, t = reading.overflow
    return Sentence(
        parts(f"At step {t + 1} the state of layer {l + 1} ", ("overflows", "grows"), ": there is no gradient to send back."),
        parts(*_what_fits(reading.factor)),
    )


def _what_fits(factor):
    """The largest factor on the recurrent weights under which nothing overflows."""
    if factor is None:
        return ("Lower the recurrent scale or the input scale, or shorten the sequence.",)
    if factor == 0:
        return ("No recurrent scale would fit; lower the input scale, or shorten the sequence.",)
    return ("The largest factor on the recurrent weights that still fits is ", (f"{factor:.3f}", "strong"),
            "; the lowest track shows how open each cell is until then.")


def flow(reading, uncut=None):
    """The sentence of Flow. uncut: log10 of what would reach layer 1, step 1 without truncation, where it is cut."""
    special = _overflow(reading) or _nothing(reading) or _no_number(reading)
    if special:
        return special
    if _cuts_something(reading, uncut):
        said = _truncated(reading, uncut)
    else:
        said = _shut(reading) or (_by_hand if reading.scalar and reading.T <= 12 else _rate)(reading)
    return Sentence(said.lead, together(_lost(reading), said.consequence))


def _lost(reading):
    """From which step back the float that training would use holds the gradient no more: the nearest to the loss."""
    high, low = reading.state == OVERFLOW, reading.state[0] == UNDERFLOW
    if high.any():
        t = int(np.flatnonzero(high.any(axis=0))[-1])
        l = int(np.flatnonzero(high[:, t])[-1])
        return parts(f"In {reading.precision} it ", ("overflows", "grows"),
                     f" at layer {l + 1}, step {t + 1}, {steps(reading.last_loss - t)} back.")
    if not low.any():
        return ()
    t = int(np.flatnonzero(low)[-1])
    if 0 < t < reading.last_loss - 1 and np.isin(reading.state[0, :t + 1], (UNDERFLOW, ZERO, CUT)).all():
        return parts(f"In {reading.precision} layer 1 is ", ("lost", "fades"),
                     f" from step {t + 1} down, {steps(reading.last_loss - t)} back.")
    some = f"step {t + 1}" if low.sum() == 1 else f"{int(low.sum())} of its {reading.T} steps"
    return parts(f"In {reading.precision} layer 1 is ", ("lost", "fades"), f" at {some}.")


def _nothing(reading):
    """The loss sends nothing back."""
    if reading.log_reference != -np.inf:
        return None
    if not reading.seen[reading.scored].any():
        return Sentence(parts("No backward pass sees a loss: ", ("nothing", "fades"), " flows back."),
                        parts("Every scored step lies before the columns that its pass keeps."))
    exact = reading.loss == 0
    return Sentence(parts("The loss sends ", ("nothing", "fades"), " back."),
                    parts("The prediction is exact." if exact else "Its slope is 0 at every scored step."))


def _no_number(reading):
    """What the loss sends in is itself beyond float64, or not a number."""
    bad = np.argwhere(np.isnan(reading.log_size) | (reading.log_size == np.inf))
    if not len(bad):
        return None
    l, t = max(bad.tolist(), key=lambda cell: (cell[1], cell[0]))
    back = reading.last_loss - t
    return Sentence(
        parts("The gradient ", ("blows up", "grows"), f" beyond what a float64 can hold: at layer {l + 1}, step {t + 1}, "
              f"{steps(back)} back."),
        parts("Cells marked ∞ or nan hold no number; everything before that step is lost to it."),
    )


def _cuts_something(reading, uncut):
    """Whether truncation takes anything away: a step before the last loss, a loss, or part of what reaches step 1."""
    if reading.tau_max is None or reading.tau_max >= reading.T:
        return False
    unreached = not reading.reached[:reading.last_loss + 1].all()
    less = uncut is None or not np.isfinite(reading.curve[0, 0]) or abs(uncut - reading.log_ratio[0, 0]) > 1e-9
    return unreached or less or bool((reading.scored & ~reading.seen).any())


def _truncated(reading, uncut):
    tau = min(reading.tau_max, reading.T)
    cut = int((~reading.reached[:reading.last_loss + 1]).sum())
    unseen = int((reading.scored & ~reading.seen).sum())
    keeps = f"Each pass keeps {'1 column' if tau == 1 else f'{tau} columns'}, {steps(tau - 1) if tau > 1 else 'no step'} back"
    if cut:
        which = steps(cut) if reading.reached[:cut].any() else "the first step" if cut == 1 else f"the first {cut} steps"
        lead = parts(f"{keeps}: {which} get{'s' if cut == 1 else ''} ", ("nothing at all", "fades"), ".")
    else:
        lead = parts(f"{keeps}: every step is reached, but by {'its own loss' if tau == 1 else 'near losses'} only.")
    second = []
    if unseen:
        second.append((f"{unseen} of {int(reading.scored.sum())} losses {'is' if unseen == 1 else 'are'} seen by no pass.", ""))
    if uncut is not None:
        there = reading.log_ratio[0, 0]
        second += [(" Uncut, " if unseen else "Uncut, ", ""), (from_log(uncut), "strong"),
                   (" of it would have reached step 1", "")]
        second.append((f"; cut, it is {from_log(there)}." if reading.reached[0] and np.isfinite(there) else ".", ""))
    return Sentence(lead, tuple(second))


def _shut(reading):
    """Where every unit of a layer is shut: exact zeros."""
    zero = reading.state == ZERO
    if not zero.any():
        return None
    shut = np.argwhere((reading.openness == 0) & _arriving(reading))
    if not len(shut):
        return None
    l, t = max(shut.tolist(), key=lambda cell: (cell[1], cell[0]))
    lead = parts(f"At step {t + 1}, layer {l + 1} is shut: every unit has φ′ = 0. ", ("Exactly 0", "fades"),
                 " gets past it." if l == 0 or reading.L == 1 else " gets through it.")
    alive = (reading.state != ZERO) & (reading.state != CUT)
    furthest = [int(np.flatnonzero(row)[0]) if row.any() else None for row in alive]
    reach = [first for first in furthest if first is not None]
    if not reach:
        return Sentence(lead, parts("Nothing arrives anywhere. No learning rate repairs a zero."))
    first = min(reach)
    layers = [str(i + 1) for i, f in enumerate(furthest) if f == first]
    if first == 0:
        carry = f"{_layers(layers)} still carr{'ies' if len(layers) == 1 else 'y'} the gradient to step 1."
    else:
        carry = f"{_layers(layers)} carr{'ies' if len(layers) == 1 else 'y'} it furthest, to step {first + 1}. " \
                "No learning rate repairs a zero."
    return Sentence(lead, parts(carry))


def _layers(names):
    if len(names) == 1:
        return f"Layer {names[0]}"
    return f"Layers {', '.join(names[:-1])} and {names[-1]}"


def _arriving(reading):
    """(L, T) bool: cells into which some message flows."""
    with np.errstate(invalid="ignore"):
        return np.maximum(reading.log_space, reading.log_time) > -np.inf


def _by_hand(reading):
    (value, exponent), = reading.numbers(reading.quantity, 0, 0)
    left = 10.0 ** min(reading.log_ratio[0, 0], 300.0)
    return Sentence(
        parts(f"The {'' if reading.losses == 1 else 'largest '}loss sends in {significant(reading.entering)}. ",
              (significant(value, 2, exponent), word(left)), " arrives at layer 1, step 1."),
        parts("Small enough to check by hand: every number in the grid is one cell of the derivation."),
    )


def _rate(reading):
    losses, last = reading.losses, reading.last_loss
    if reading.state[0, 0] == ZERO:
        return _no_path(reading)
    if last == 0 and np.isfinite(reading.curve[0, 0]):
        left = reading.log_ratio[0, 0]
        return Sentence(parts("One step: ", (from_log(left), word(10.0**left)), " of what the loss sends in reaches layer 1."),
                        parts("There is no step to go back to."))
    left, back = reading.log_ratio[0, 0], last
    fit = reading.fit()
    if losses == 1 and np.isfinite(reading.curve[0, 0]) and last >= 12 and fit and fit.straight and agree(fit.rate, left):
        k, role = fit.rate, regime(fit.rate, left)
        if role == "grows":
            return Sentence(
                parts("Each step back multiplies the gradient by ", (_rate_number(k, role), "grows"),
                      f". {steps(back)} back it is ",
                      (f"{from_log(left)} times", "grows"), " larger." if left > 0 else " its size."),
                parts("One plain descent step of this size would throw the weights away. Clip it, or lower the recurrent scale."
                      if left > 2 else "It still grows with every step: a longer sequence would blow up."),
            )
        if role == "fades":
            consequence = f"Reach of this loss: {steps(fit.reach)}. Anything earlier receives less than a thousandth."
        else:
            consequence = "Neither fading nor growing: this balance is the edge, and a small change of scale leaves it."
        return Sentence(
            parts("Each step back keeps ", (_rate_number(k, role), role), f" of the gradient. {steps(back)} back, ",
                  (from_log(left), role), " of it is left."),
            parts(consequence),
        )
    factor = float(10.0 ** min(left, 300.0))
    return Sentence(
        parts("Of what the loss sends in, " if losses == 1 else "Of the largest that one loss sends in, ",
              (from_log(left), word(factor)), f" is there at layer 1, step 1, {steps(back)} back."),
        parts(_why_no_rate(reading, losses, fit)),
    )


def _no_path(reading):
    """An exact zero at layer 1, step 1, although no layer is shut as a whole."""
    held = np.flatnonzero(np.isfinite(reading.curve[0]))
    return Sentence(
        parts(("Exactly 0", "fades"), " arrives at layer 1, step 1."),
        parts(f"Layer 1 is reached back to step {held[0] + 1}." if held.size else "Nothing arrives in layer 1 at all."))


def _rate_number(k, role):
    """0.60; with more digits where two would call a rate that fades or grows 1.00."""
    return number(k) if abs(k - 1) >= 0.005 or role == "holds" else f"{k:.4f}"


def _why_no_rate(reading, losses, fit):
    if losses > 1:
        return f"{losses} losses send gradient in on the way, so no single rate describes it."
    if reading.last_loss < 12 or fit is None:
        return "Too few steps to speak of a rate."
    if fit.straight:
        return (f"From step {fit.last + 1} back, each step keeps {_rate_number(fit.rate, regime(fit.rate, 0.0))}; "
                "nearer the loss the factor is another.")
    return f"One rate would explain only {max(0.0, fit.r2):.0%} of the curve: the factor changes from step to step."
