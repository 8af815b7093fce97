"""The sentence of Wall."""

import math

from ..numbers import UNBROKEN, number, significant
from .words import Sentence, parts, steps, together

WALL = 10  # from how many times its usual size on a gradient makes a wall
PLACES = {"fold": "There two fixed points of the unit meet and vanish: a fold.",
          "flip": "There the unit's fixed point turns into a cycle of two states.",
          "boundary": "There the unit starts on the boundary of two basins: the least nudge decides where it ends."}


def wall(wall):
    """The sentence of Wall: what plain descent meets, how far it is thrown, and what the other way makes of it."""
    w = wall
    return Sentence(together(_met(w), _thrown(w)), together(_where(w), _other(w)))


def _stands(w):
    """Whether plain descent meets a wall: a gradient far over its usual size, or one that throws it out of the frame."""
    return w.times >= WALL or (w.steepest == 0 and w.leaves == 1) or not math.isfinite(w.largest)


def _met(w):
    largest = number(w.largest) if math.isfinite(w.largest) else "beyond the float range"
    if w.largest == 0:
        return parts("At the start the gradient is ", ("exactly 0", "fades"), ": nothing moves.")
    if w.steepest == 0:
        return parts("At the start the gradient is ", (largest, "grows" if _stands(w) else "strong"),
                     "." if _stands(w) else ", and nowhere on the way is it larger.")
    if not _stands(w):
        return parts("This way meets ", ("no wall", "holds"), f": its largest gradient is {largest}, {_times(w)} the usual.")
    if not math.isfinite(w.times):
        return parts("At the wall the gradient is ", (largest, "grows"), ".")
    return parts("At the wall the gradient is ", (largest, "grows"), ", or ", (_times(w), "grows"), " its usual size.")


def _times(w):
    return f"{significant(w.times, 1 if w.times >= WALL else 2)} times"


def _thrown(w):
    if w.leaves is None or not _stands(w) or w.leaves != w.steepest + 1:
        return ()
    if not math.isfinite(w.thrown):
        return parts("One plain step throws the weights ", ("beyond the float range", "grows"), ".")
    return parts("One plain step throws the weights ", (f"{number(w.thrown)}{UNBROKEN}units", "grows"), " away.")


def _where(w):
    return parts(PLACES[w.beside]) if w.beside and _stands(w) else ()


def _other(w):
    path = w.other
    way = "RProp, which asks only for signs," if w.method == "RProp" else f"Clipped at {number(w.clip)}, the same descent"
    if path.stopped:
        return parts(f"{way} leaves the float range at step {path.stopped}.")
    weights = [f"{name} = {_weight(value)}" for name, value in zip(w.surface.landscape.names, path.points[-1], strict=True)]
    place = f" at {', '.join(weights)}" if w.method == "RProp" else ""
    return parts(f"{way} ends{place} with loss {number(float(path.loss[-1]))} after {steps(path.steps)}.")


def _weight(value):
    """A weight to four places, as Roelants prints it; a huge one as a power of ten."""
    return f"{value:.4f}".replace("-", "−") if abs(value) < 1e4 else number(float(value))
