"""The sentence of Map."""

import numpy as np

from ..numbers import number, significant
from .words import Sentence, parts, regime, steps, together

NEAR = 0.05  # an edge this near to 1, or to a scale, is called at it


def gain_map(gainmap):
    """The sentence of Map: what becomes of the gradient at this scale, at which it would hold, and why there."""
    m, lag, g = gainmap, gainmap.last, f"{gainmap.g:g}"
    if lag == 0:
        return Sentence(parts("One step: there is no step to go back to, so the recurrent scale does not matter."))
    if m.g == 0:
        return Sentence(parts("At scale 0 ", ("exactly 0", "fades"), " goes back a step: every W_T is 0."), _edge_words(m, lag))
    here = m.nearest(m.g)
    if m.counted[lag, here] == 0:
        what = (("exactly 0", "fades"), f" arrives {steps(lag)} back, in every draw.") if m.dead[lag, here] else (
            "every draw ", ("leaves the range of a float64", "grows"), ".")
        return Sentence(parts(f"At scale {g} ", *what), _edge_words(m, lag))
    left = m.at(m.g)[lag]
    left = float(left if np.isfinite(left) else m.mean[lag, here])
    role = regime(10.0 ** (min(left, 300.0 * lag) / lag), left)
    at_edge = abs(m.edge[lag] - m.g) <= NEAR  # False where there is no edge
    verb = {"fades": "fades", "holds": "holds" if at_edge else "nearly holds", "grows": "blows up"}[role]
    return Sentence(parts(f"At scale {g} the gradient ", (verb, role), *_where_it_holds(m, lag, role == "holds" and at_edge)),
                    together(_edge_words(m, lag), _dead_words(m, lag, here)))


def _where_it_holds(m, lag, here):
    """The rest of the lead: where the edge lies, whether that is here or not."""
    edge = float(m.edge[lag])
    if np.isfinite(edge):
        before = ": the edge is at about " if here else ". It would hold at about "
        return before, (number(edge), "holds"), "."
    there = np.isfinite(m.mean[lag])
    known = m.mean[lag, there]
    if (known < 0).all():
        return (f". No scale up to {m.gains[-1]:g} would hold it.",)
    return (f". Even at scale {m.gains[there][0]:g} it is no smaller than at the loss.",) if known[0] >= 0 else (".",)


def _edge_words(m, lag):
    """Why the edge lies where it does, and where theory puts it."""
    edge = float(m.edge[lag])
    theory = np.nan if m.predicted is None else float(m.predicted_edge[lag])
    what = "it" if np.isfinite(edge) else "the edge"
    by_theory = f"For wide layers theory puts {what} at {number(theory)}." if np.isfinite(theory) else ""
    return together(parts(_why(m, edge)) if np.isfinite(edge) else (), parts(by_theory) if by_theory else ())


def _why(m, edge):
    L, slope = len(m.experiment.stack), float(np.interp(edge, m.gains, m.slope))  # nan for a gated cell
    some = f"the activation lets {significant(slope)} through at each step"
    if edge < 1 - NEAR:
        if L == 1:
            return "The edge is below 1: W_T stretches some directions by more than its scale."
        above = "layer" if L == 2 else f"{L - 1} layers"
        return f"The edge is below 1: layer 1 also receives, at every step, what comes through the {above} above."
    if edge > 1 + NEAR:
        return f"The edge is not at 1: {some}, so the weights must make up for it." if slope < 1 else "The edge is not at 1."
    if slope > 1 - NEAR:
        at = "at" if number(edge) == "1.00" else "near"
        lets = "everything" if significant(slope) == "1.0" else "nearly everything"
        return f"The edge is {at} 1: the activation lets {lets} through, and W_T on average keeps sizes."
    return f"The edge is near 1, although {some}." if slope < 1 else "The edge is near 1."


def _dead_words(m, lag, here):
    """How many draws hold an exact 0, which no mean of logarithms can hold."""
    dead = int(m.dead[lag, here])
    if not dead:
        return ()
    arrives = "In 1 draw" if dead == 1 else f"In {dead} draws"
    return parts(f"{arrives} of {m.draws} exactly 0 arrives; the mean leaves {'it' if dead == 1 else 'them'} out.")
