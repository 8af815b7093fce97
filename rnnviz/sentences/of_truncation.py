"""The sentence of Truncation."""

import numpy as np

from ..numbers import degrees, from_log, grouped, number, percent, significant
from .words import Sentence, columns_of, parameter, parts, steps, together


def truncation(accounts):
    """The sentence of Truncation: what the schedule does to one gradient, and what would do."""
    a = accounts
    if not a.reference > 0:
        return Sentence(parts("The loss sends ", ("nothing", "fades"), " back, so there is no gradient to cut."))
    name = f"the gradient of {parameter(a.name)}"
    if not np.isfinite(a.size):
        return Sentence(parts(f"{name[0].upper()}{name[1:]} ", ("blows up", "grows"), " beyond what a float64 can hold."))
    if a.size == 0:
        return Sentence(parts(f"{name[0].upper()}{name[1:]} is ", ("exactly 0", "fades"), ": there is nothing to cut."))
    if a.misread is not None:
        return Sentence(_misread(a), parts("Truncation itself injects every loss once; the curves are those of such passes."))
    if a.tau_max is None:
        lead = parts("Nothing is cut: ", ("every loss reaches every step", "strong"), f" before it, {grouped(a.all_pairs)} "
                     f"pair{'s' * (a.all_pairs > 1)} of a loss and a step.")
        step, share, name = a.most_influence
        if share > 0.9 and a.T > 1:
            column = parts(f"It reads “{name}”.") if name else ()
            return Sentence(parts(f"The input of step {step + 1} has ", (percent(share), "strong"),
                                  " of the influence of all inputs."), together(column, parts("Nothing is cut."), _enough(a)))
        return Sentence(lead, together(_one_input(a), _enough(a)))
    return Sentence(_what_it_does(a, name), together(_long_lags(a), _enough(a), _slides(a)))


def _what_it_does(a, name):
    angle, ratio, error = (float(values[0]) for values in (a.now.angle, a.now.ratio, a.now.error))
    by = f"Keeping {columns_of(min(a.tau_max, a.T))}"
    found = None if a.every is None or a.windows.again else a.every.wrong.get(a.name)
    if found is not None and a.tau_max <= a.T and found[a.tau_max - 1]:
        cut, full = significant(float(a.kept.total[0, 0]), 3), significant(float(a.whole.total[0, 0]), 3)
        return parts(f"{by} gives {name} the ", ("wrong sign", "grows"), f": {cut} in place of {full}.")
    if ratio == 0:
        return parts(f"{by} leaves ", ("nothing", "fades"), f" of {name}.")
    if error < 1e-12:
        return parts(f"{by} loses ", ("nothing", "holds"), f" of {name}.")
    size = percent(error) if error <= 1 else f"{from_log(np.log10(error))} times"
    if a.whole.total.size == 1:
        return parts(f"{by} misses ", (size, "strong"), f" of {name}.")
    return parts(f"{by} turns {name} by ", (degrees(angle), "strong"), " and misses a part ", (size, "strong"), " of its size.")


def _enough(a):
    """From which tau_max on little is missing."""
    if a.every is None:
        return parts(a.pairs.why or "")
    limits = ((0.1, "10%"), (0.01, "1%"), (0.001, "0.1%"))
    found = [(words, tau) for error, words in limits if (tau := a.every.smallest(a.name, error)) is not None]
    wrong = a.every.wrong.get(a.name)
    said = "" if wrong is None or not wrong.any() else f"Its sign is wrong for {_taus(np.flatnonzero(wrong) + 1)}. "
    if not found:
        return parts(f"{said}No truncation brings what is missing under 10%.")
    (words, tau), *more = found
    return parts(said + ", ".join([f"Under {words} is missing from τ_max = {tau}", *(f"{w} from {t}" for w, t in more)]) + ".")


def _one_input(a):
    """The input that decides more than all others together."""
    step, share, name = a.most_influence
    if share <= 0.5 or a.T == 1:
        return ()
    which = f"The input of step {step + 1}" + (f", “{name}”," if name else "")
    return parts(f"{which} has ", (percent(share), "strong"), " of the influence of all inputs.")


def _long_lags(a):
    """What is lost although the sum looks right."""
    longest = a.longest_lag
    if len(a.losses) < 2 or float(a.now.error[0]) > 0.05 or longest is None or longest + 1 >= a.T:
        return ()
    return parts("But ", ("no pair more than " + steps(longest) + " apart", "strong"), " is kept.")


def _taus(taus):
    if len(taus) == 1:
        return f"τ_max = {taus[0]}"
    return f"τ_max = {taus[0]} to {taus[-1]}" if np.ptp(taus) + 1 == len(taus) else f"{len(taus)} values of τ_max"


def _misread(a):
    ratio, angle = float(a.misread.ratio[0]), float(a.misread.angle[0])
    if not np.isfinite(ratio):
        return parts("Injecting old losses again changes ", ("nothing", "holds"), " here: no pass sees a loss.")
    if float(a.misread.error[0]) < 1e-12:
        return parts("Injecting old losses again changes ", ("nothing", "holds"), ": no pass reaches the losses of another.")
    return parts("Injecting old losses again makes all gradients ", (f"{number(ratio)} times", "grows"),
                 " as large as they should be, ", (degrees(angle), "grows"), " off.")


def _slides(a):
    """What a sliding window would leave at the same cost."""
    if a.sliding is None:
        return ()
    columns, there = a.sliding
    here, there = float(a.together.error[0]), float(there.error[0])
    return parts(f"Of all gradients this misses {_part(here)}; a sliding window of {columns_of(columns)} at the same cost "
                 f"{_part(there)}.")


def _part(error):
    """A relative error: in percent, and beyond 1 as a multiple of the size."""
    return percent(error) if error <= 1 else f"{from_log(np.log10(error))} times their size"
