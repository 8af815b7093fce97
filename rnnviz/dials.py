"""Dials: the numbers of an experiment that a hand turns while the picture follows."""

from dataclasses import dataclass, replace

from .experiment import BY_HAND, CONTROLS, TABLE, THIS, hand_weights, rows_to_read
from .landscape import SURFACES
from .links import parse
from .own import Weights
from .texts import NAMES_BY_HAND
from .values import shown

DRAWS = ("g", "input_scale", "bias", "init", "seed", "hand")  # what draws weights, and so replaces a person's own
SHORT = 200  # steps that a dial covers
HAND = 2.0  # a weight by hand turns from minus this to this


@dataclass(frozen=True)
class Dial:
    """One number to turn: its name, what it is called, its range and its value.

    It stands in the text of `field` between `before` and `after`: nothing is around a field's own number.
    """

    name: str
    label: str
    low: float
    high: float
    step: float
    value: float
    field: str
    before: str = ""
    after: str = ""


def dials(experiment):
    """The Dials of an experiment, the most telling first."""
    e = experiment
    if e.view == "wall" and e.surface != THIS:
        own = SURFACES[e.surface]
        clip = [("clip", 2.0, own.clip)] if (e.method or own.method) != "RProp" else []
        return tuple(replace(_field(e, name, high), value=getattr(e, name) or value)
                     for name, high, value in (*clip, ("learning_rate", 2.0, own.rate), ("descents", 500, own.steps)))
    made = _by_hand(e) if e.init == BY_HAND else [_field(e, "g"), _field(e, "input_scale"), _field(e, "bias")]
    most = rows_to_read(e) if e.task == TABLE else SHORT
    steps = [_field(e, "T", max(e.T, min(SHORT, most)))] if e.shown_view != "long" else []
    made = steps + made if e.weights else made + steps  # what draws weights would take a person's own away
    taus = [_field(e, name, max(e.T, getattr(e, name))) for name in ("tau_max", "tau_b")] if e.cut else []
    return tuple(taus + made if e.view == "truncation" else made + taus)


def _field(e, name, high=None):
    control = CONTROLS[name]
    return Dial(name, control["label"], control["low"], high or control["high"], control.get("step", 1), getattr(e, name), name)


def _by_hand(e):
    """A dial for each weight that is set by hand: layer 1 first, w_T before w_S before b."""
    words, made = [[f"{value:.12g}" for value in layer] for layer in hand_weights(e)], []
    for l, layer in enumerate(words):
        for i, name in zip((1, 0, 2), NAMES_BY_HAND[3 * l:], strict=False):
            gap = [[*layer[:i], "\0", *layer[i + 1:]] if k == l else other for k, other in enumerate(words)]
            before, after = ", ".join(map(" ".join, gap)).split("\0")
            label, value = f"{name.rstrip('0123456789')} of layer {l + 1}", float(layer[i])
            made.append(Dial(name, label, min(-HAND, value), max(HAND, value), 0.01, value, "hand", before, after))
    return made


def turned(experiment, field, text):
    """The Experiment after a dial was turned: text is what then stands in its field, as in a link.

    Own weights win over the dials until one that draws weights is turned: that draws them all again.
    Raises ValueError with a sentence.
    """
    if field not in CONTROLS:
        raise ValueError(f"{shown(field)} is no setting")
    made = replace(experiment, **{field: parse(field, text)})
    return replace(made, weights=Weights()) if field in DRAWS and made != experiment else made
