"""The sentence of a long run."""

import numpy as np

from ..numbers import from_log, grouped, significant
from .words import Sentence, parts, regime


def long(streamed):
    """The sentence of a long run: what each step keeps on average, and what is left at the first."""
    s, first = streamed, float(streamed.log_ratio[0, 0])
    if s.log_reference == -np.inf:
        return Sentence(parts("The loss sends ", ("nothing", "fades"), " back."))
    if not np.isfinite(first) or not np.isfinite(s.rate):
        return Sentence(parts(("Exactly 0", "fades"), f" arrives at layer 1, step 1, {grouped(s.last_loss)} steps back."))
    role = regime(s.rate, first)
    rate, left = (significant(s.rate, 3), role), (from_log(first), role)
    if role == "grows":
        lead = parts(f"Over {grouped(s.T)} steps each step back multiplies the gradient by ", rate, ": at step 1 it is ", left,
                     " times as large.")
    else:
        lead = parts(f"Over {grouped(s.T)} steps each step back keeps ", rate, " of the gradient: ", left,
                     " of it is left at step 1.")
    far = " No float64 holds that: exponents are carried apart." if abs(first) > 308 else ""
    return Sentence(lead, parts(f"A mean over all steps back from the last loss.{far}"))
