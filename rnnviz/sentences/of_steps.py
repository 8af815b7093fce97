"""Step: what each visit of a walk does."""


import numpy as np

from ..flow import OVERFLOW, UNDERFLOW, ZERO
from ..numbers import from_log, significant
from .words import Sentence, parts


def before_the_walk(walk, reading):
    """Before the first cell is computed: what the loss sends in."""
    if reading.sends:
        entering = significant(reading.entering) if reading.scalar else "1"
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
    space = reading.log_space[l, t] > -np.inf
    time = t + 1 < reading.T and reading.recurrent[l] and reading.onward[t] > 0 and reading.log_time[l, t] > -np.inf
    above = ("from the loss", "strong") if l + 1 == reading.L else ("from above", "space")
    roads = [*([above] if space else []), *([("from the future", "time")] if time else [])]
    name, state = f"Layer {l + 1}, step {t + 1} ", reading.state[l, t]
    if state == UNDERFLOW:
        return parts(name, "receives ", (f"less than a {reading.precision} can tell from 0", "fades"), ".")
    if state >= OVERFLOW:
        return parts(name, "receives ", (f"more than a {reading.precision} can hold", "grows"), ".")
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
    if not np.isfinite(reading.log_ratio[l, t]):
        return ""
    where = f"Layer {l + 1}, step {t + 1} holds" if many else "It now holds"
    one = len(walk.flows) == 1 and reading.losses == 1
    return f"{where} {from_log(reading.log_ratio[l, t])} of {'what the loss' if one else 'the largest that one loss'} sends in."


def after_the_walk(walk):
    """All passes are done."""
    return Sentence(parts(f"All {len(walk.flows)} passes are done: the grid shows ", ("their sum", "strong"), "."),
                    parts("This sum is what training would use."))
