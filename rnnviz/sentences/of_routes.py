"""The sentences of Routes: over the routes to a cell, and over the steps of a sum."""

import numpy as np

from ..numbers import from_log, number, significant
from .words import Sentence, columns_of, numeral, parameter, parts


def sum_over_steps(sum_, reason=""):
    """The sentence of Routes where it shows a gradient as a sum over steps: what reading its immediate derivatives as total
    ones would make of it. sum_: an immediate.Sum, None where there is none. reason: why there are no routes, if so."""
    hint = f"{reason} By hand has one: there each route is a term to check." if reason.endswith("every layer.") else reason
    if sum_ is None:
        return Sentence(parts(reason or "There is no such sum."))
    kept, ratio = int((sum_.term > 0).sum()), float(sum_.over.ratio[0])
    whose = f"the gradient of {parameter(sum_.name)}"
    lead = f"What the loss of step {sum_.loss + 1} adds to {whose}" if sum_.losses > 1 else f"{whose[0].upper()}{whose[1:]}"
    if not np.isfinite(sum_.size):
        return Sentence(parts(f"{lead} ", ("blows up", "grows"), " beyond what a float64 can hold."), parts(hint))
    if sum_.size == 0:
        return Sentence(parts(f"{lead} is ", ("exactly 0", "fades"), "."), parts(hint))
    lead = f"{lead} is a sum of {numeral(kept)} term{'s' * (kept != 1)}"
    if not np.isfinite(ratio) or abs(ratio - 1) < 0.005:
        return Sentence(parts(f"{lead}."), parts(hint))
    more = f"{number(ratio)} times", "grows"
    return Sentence(parts(f"{lead}; read as total derivatives they make it ", more, " its size."), parts(hint))


def routes(told, quantity="delta", tau_max=None):
    """The sentence of Routes: how many lead to the cell, and what they add up to. told: a Routes.

    quantity: what the reader means by delta; the routes' sum is dC/dz. tau_max: of the schedule, None without truncation.
    """
    name = "δ" if quantity == "delta" else "∂C/∂z"
    if told.number == 0:
        return Sentence(parts("No route leads from a loss to this cell: ", (f"{name} is exactly 0", "fades"), "."),
                        parts(_why_no_route(told, tau_max)))
    losses = len(told.lattice.starts)
    ways = numeral(told.number)
    lead = (f"{ways[0].upper()}{ways[1:]} route{'s lead' if told.number > 1 else ' leads'} from "
            f"{'the loss' if losses == 1 else f'{numeral(losses)} losses'} to this cell. ")
    return Sentence(parts(lead, _their_sum(told, name)), parts(f"{_their_moves(told)}{_their_zeros(told)}"))


def _why_no_route(told, tau_max):
    if not np.isfinite(told.lattice.w_T).any():
        return "No layer from here up is recurrent, so only the loss of its own step could reach it, and there is none."
    if tau_max is not None:
        return f"No pass carries a loss to it: each keeps {columns_of(tau_max)}."
    return "The last loss lies before it."


def _their_sum(told, name):
    """What the terms add up to, as a strong part of the sentence."""
    one, size = told.number == 1, from_log(told.log_total)
    if told.zero == told.number:
        return (f"{'It holds' if one else 'Each holds'} an exact 0: {name} is exactly 0.", "fades")
    if not np.isfinite(told.sum) or told.total == np.inf:
        return (f"{'Its size is' if one else 'Their sizes add up to'} {size}: more than a float64 can hold.", "grows")
    if told.log_total < -307:
        return (f"{'Its size is' if one else 'Their sizes add up to'} {size}: less than a float64 can tell from 0.", "fades")
    value = significant(told.sum, 3)
    if abs(told.sum) <= 1e-13 * told.total:
        return (f"They cancel: {name} is 0 but for rounding.", "fades")
    if told.positive > 0 > told.negative and abs(told.sum) < 0.1 * told.total:
        return (f"They nearly cancel: {name} = {value} is left.", "strong")
    return (f"{'It is' if one else 'They add up to'} {name} = {value}.", "strong")


def _their_moves(told):
    """What the routes have in common."""
    down = len(told.lattice.slope) - 1
    space = f"{numeral(down)} in space" if down else ""
    if len(told.lattice.starts) > 1:
        return ("Each starts at one of the losses and goes back in time alone." if not down else
                f"Each makes {numeral(down)} step{'s' * (down > 1)} in space, and in time as many as its loss is away.")
    back = int(told.lattice.starts[0]) - told.step
    if not back and not down:
        return "It is the loss’s own cell: what the loss sends in, times φ′."
    time = f"{numeral(back)} step{'s' * (back > 1)} in time" if back else ""
    made = " and ".join(filter(None, (time, space if back else f"{numeral(down)} step{'s' * (down > 1)} in space")))
    if told.number == 1:
        return f"It makes {made}: there is no other way."
    return f"Every route makes the same {made}, in a different order."


def _their_zeros(told):
    if not 0 < told.zero < told.number:
        return ""
    ways = numeral(told.zero)
    return f" {ways[0].upper()}{ways[1:]} of them hold{'s' * (told.zero == 1)} a factor that is exactly 0."
