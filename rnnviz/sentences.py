"""The one sentence a view opens with, and the line under it: templates over computed values, nothing else."""

from dataclasses import dataclass

import numpy as np

from .flow import CUT, OK, OVERFLOW, UNDERFLOW, ZERO
from .network import split_name
from .numbers import counted, degrees, from_log, grouped, number, percent, significant


@dataclass(frozen=True)
class Sentence:
    """Two lines of (text, role) parts; role "" for plain words, else "fades", "holds", "grows" or "strong"."""

    lead: tuple
    consequence: tuple = ()

    @property
    def text(self):
        """Both lines as plain words: the figure's alternative text and its caption."""
        return " ".join("".join(part for part, _ in line) for line in (self.lead, self.consequence) if line)


def parts(*items):
    """Plain strings and (text, role) pairs as one line."""
    return tuple(item if isinstance(item, tuple) else (item, "") for item in items)


def word(factor):
    """The state's word for a factor per step: fades under 0.93, grows over 1.07, else holds."""
    return "fades" if factor < 0.93 else "grows" if factor > 1.07 else "holds"


def regime(rate, left):
    """"fades", "holds" or "grows" of a rate per step and log10 of what is left: a rate near 1 holds only while the run is
    too short for it to tell, within a factor of a hundred."""
    if rate < 0.93 or (rate < 1 and left < -2):
        return "fades"
    return "grows" if rate > 1.07 or (rate > 1 and left > 2) else "holds"


def agree(rate, left):
    """Whether a rate that neither fades nor grows, and log10 of what is left, lie on the same side of 1; others have words."""
    return regime(rate, left) != "holds" or (rate < 1) == (left < 0) or abs(rate - 1) < 0.005 or abs(left) < 0.005


def steps(n):
    return "1 step" if n == 1 else f"{n} steps"


def _overflow(reading):
    """The forward pass left the float range."""
    if reading.overflow is None:
        return None
    l, t = reading.overflow
    return Sentence(
        parts(f"At step {t + 1} the state of layer {l + 1} ", ("overflows", "grows"), ": there is no gradient to send back."),
        parts("Lower the recurrent scale or the input scale, or shorten the sequence."),
    )


def flow(reading, uncut=None):
    """The sentence of Flow. uncut: log10 of what would reach layer 1, step 1 without truncation, where it is cut."""
    special = _overflow(reading) or _nothing(reading) or _beyond(reading)
    if special:
        return special
    if _cuts_something(reading, uncut):
        return _truncated(reading, uncut)
    shut = _shut(reading)
    if shut:
        return shut
    if reading.scalar and reading.T <= 12 and reading.state[0, 0] != UNDERFLOW:
        return _by_hand(reading)
    return _rate(reading)


def _nothing(reading):
    """The loss sends nothing back."""
    if reading.reference != 0:
        return None
    if not reading.seen[reading.scored].any():
        return Sentence(parts("No backward pass sees a loss: ", ("nothing", "fades"), " flows back."),
                        parts("Every scored step lies before the columns that its pass keeps."))
    exact = reading.loss == 0
    return Sentence(parts("The loss sends ", ("nothing", "fades"), " back."),
                    parts("The prediction is exact." if exact else "Its slope is 0 at every scored step."))


def _beyond(reading):
    """Some gradient outgrew float64."""
    bad = np.argwhere(reading.state >= OVERFLOW)
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
    less = uncut is None or reading.state[0, 0] != OK or abs(uncut - reading.log_ratio[0, 0]) > 1e-9
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
        return (reading.space > 0) | (reading.time > 0)


def _by_hand(reading):
    value = reading.value[reading.quantity][0, 0] / _signed_reference(reading)
    return Sentence(
        parts(f"The {'' if reading.losses == 1 else 'largest '}loss sends in {significant(_signed_reference(reading))}. ",
              (significant(reading.value[reading.quantity][0, 0]), word(abs(value))), " arrives at layer 1, step 1."),
        parts("Small enough to check by hand: every number in the grid is one cell of the derivation."),
    )


def _signed_reference(reading):
    entering = reading.value["space"][-1]
    return float(entering[np.abs(entering).argmax()])


def _rate(reading):
    losses, last = reading.losses, reading.last_loss
    if reading.state[0, 0] == ZERO:
        return _no_path(reading)
    if last == 0 and reading.state[0, 0] == OK:
        left = reading.log_ratio[0, 0]
        return Sentence(parts("One step: ", (from_log(left), word(10.0**left)), " of what the loss sends in reaches layer 1."),
                        parts("There is no step to go back to."))
    left, back = reading.log_ratio[0, 0], last
    fit = reading.fit()
    if losses == 1 and reading.state[0, 0] == OK and last >= 12 and fit and fit.straight and agree(fit.rate, left):
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
    if reading.state[0, 0] == UNDERFLOW:
        first = int(np.flatnonzero(reading.state[0] == OK)[0]) if (reading.state[0] == OK).any() else last
        return Sentence(parts("The gradient ", ("underflows", "fades"),
                              f": before step {first + 1}, layer 1 holds less than a float64 can tell from 0."),
                        parts(f"That is after {steps(last - first)} back."))
    factor = float(10.0 ** min(left, 300.0))
    return Sentence(
        parts("Of what the loss sends in, " if losses == 1 else "Of the largest that one loss sends in, ",
              (from_log(left), word(factor)), f" is there at layer 1, step 1, {steps(back)} back."),
        parts(_why_no_rate(reading, losses, fit)),
    )


def _no_path(reading):
    """An exact zero at layer 1, step 1, although no layer is shut as a whole."""
    held = np.flatnonzero(reading.state[0] == OK)
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


# Truncation.


def parameter(name):
    """W_T of layer 1, from W_T1; h_0 of layer 1, from h1."""
    kind, l = split_name(name)
    return ("h_0" if kind == "h" else kind) + (f" of layer {l + 1}" if l is not None else "")


def together(*lines):
    """Several lines as one, those that are empty left out."""
    made = ()
    for line in filter(None, lines):
        made += (*((" ", ""),) * bool(made), *line)
    return made


def columns_of(tau):
    return "1 column" if tau == 1 else f"{tau} columns"


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


# Proof.


def checked(proof):
    """How far the gradients agree with the complex step, or why that was not found out: one line."""
    if proof.problem:
        return f"not checked: {proof.problem}"
    some = "all" if proof.checked == proof.numbers else f"{proof.checked} of"
    passes = f" in {proof.passes} of {proof.all_passes} passes" if proof.passes < proof.all_passes else ""
    close = "agrees to" if proof.disagreement < 1e-6 else "differs by"
    exact = f"{close} {significant(proof.disagreement, 1)}" if proof.disagreement else "agrees to the last digit"
    return f"checked: complex step {exact}, {some} {grouped(proof.numbers)} numbers{passes}"


# Step: what each visit of a walk does.


def before_the_walk(walk, reading):
    """Before the first cell is computed: what the loss sends in."""
    if reading.reference > 0:
        entering = significant(_signed_reference(reading)) if reading.scalar else "1"
        lead = parts(f"The {'' if reading.losses == 1 else 'largest '}loss sends in ", (entering, "strong"),
                     ". Nothing has flowed back yet.")
    else:
        lead = parts("The loss sends ", ("nothing", "fades"), " back.")
    cells, passes = len(walk.layer), len(walk.flows)
    count = f"{cells} cell{'s' * (cells > 1)} to compute"
    return Sentence(lead, parts(f"{count}, in {passes} passes." if passes > 1 else f"{count}."))


def wave(walk, n):
    """What happens in wave n (from 0) of a walk."""
    visits = walk.at(n)
    visit = visits[-1]
    reading, l, t = walk.flow(visit), int(walk.layer[visit]), int(walk.step[visit])
    if len(visits) > 1:
        top = int(walk.layer[visits[0]])
        lead = parts(f"{len(visits)} cells at once, in layers {top + 1} to {l + 1}: ",
                     ("none waits for another", "strong"), ".")
    else:
        lead = _one_cell(reading, l, t)
    return Sentence(lead, parts(" ".join(filter(None, (_pass(walk, n, visit), _left(walk, reading, l, t, len(visits) > 1))))))


def _one_cell(reading, l, t):
    space = reading.space[l, t] > 0
    time = t + 1 < reading.T and reading.recurrent[l] and reading.onward[t] > 0 and reading.time[l, t] > 0
    above = ("from the loss", "strong") if l + 1 == reading.L else ("from above", "space")
    roads = [*([above] if space else []), *([("from the future", "time")] if time else [])]
    name, state = f"Layer {l + 1}, step {t + 1} ", reading.state[l, t]
    if state == UNDERFLOW:
        return parts(name, "receives ", ("less than a float64 can tell from 0", "fades"), ".")
    if state >= OVERFLOW:
        return parts(name, "receives ", ("more than a float64 can hold", "grows"), ".")
    if not roads:
        return parts(name, "receives ", ("exactly 0", "fades"), ".")
    said = [name, "adds what comes ", roads[0], " and ", roads[1]] if len(roads) == 2 else [name, "takes what comes ", roads[0]]
    if reading.quantity == "grad_h":
        return parts(*said, ".")
    slope = reading.value["slope"][l, t] if reading.widths[l] == 1 else reading.openness[l, t]
    if slope == 0:
        return parts(*said, ", but is shut: ", ("exactly 0", "fades"), " gets through.")
    if reading.widths[l] == 1:
        return parts(*said, ", then lets ", (significant(slope, 3), "strong"), " of it through.")
    return parts(*said, ", then multiplies by φ′, ", (significant(slope, 2), "strong"), " on average.")


def _pass(walk, n, visit):
    """Which pass a visit belongs to, where there are several."""
    if len(walk.flows) == 1:
        return ""
    p = int(walk.number[visit])
    first = walk.at(walk.starts[p])[0]
    return (f"Pass {p + 1} of {len(walk.flows)} starts at step {int(walk.step[first]) + 1}."
            if n == walk.starts[p] else f"Pass {p + 1} of {len(walk.flows)}.")


def _left(walk, reading, l, t, many):
    """How much of what the loss sends in has come to a cell."""
    if reading.state[l, t] == ZERO:
        return f"{f'Layer {l + 1}, step {t + 1}' if many else 'It'} is exactly 0."
    if reading.state[l, t] != OK:
        return ""
    where = f"Layer {l + 1}, step {t + 1} holds" if many else "It now holds"
    one = len(walk.flows) == 1 and reading.losses == 1
    return f"{where} {from_log(reading.log_ratio[l, t])} of {'what the loss' if one else 'the largest that one loss'} sends in."


def after_the_walk(walk):
    """All passes are done."""
    return Sentence(parts(f"All {len(walk.flows)} passes are done: the grid shows ", ("their sum", "strong"), "."),
                    parts("This sum is what training would use."))


# Routes.

NUMERALS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def numeral(n):
    """A whole number in a sentence: as a word up to twelve, then as `counted` writes it."""
    return NUMERALS[n] if n < len(NUMERALS) else counted(n)


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
