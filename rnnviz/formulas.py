"""The equation of one cell of the grid, and of one gradient, with its own numbers, in the notation of any of the texts, and a
mark where that text misprints it.
"""

from dataclasses import replace

import numpy as np

from . import misprints
from .notations import NOTATIONS
from .numbers import percent, significant
from .numbers import size as sized
from .terms import ALONE, OF_READOUT
from .typeset import Braced, Bracket, Equation, Fraction, Row, Sum, Symbol, Word


def cell(reading, l, t, *, notation="house"):
    """The Equation of the cell at layer l, step t (from 0) of a Flow, for the delta that the reading shows.

    With every layer one unit wide the factors themselves stand under the braces; in a layer of up to six units its vectors and
    the shares of the two messages; else sizes, mean slope and shares. delta = dC/dz: slope times the two messages. dC/dh: their
    sum.
    """
    n = NOTATIONS[notation]
    quantity = reading.quantity
    scalar = reading.scalar
    above, future = reading.share(l, t)
    space_role = "space" if l + 1 < reading.L else ""
    terms = []
    space = _message(n, reading, l, t, "space")
    time = _message(n, reading, l, t, "time")
    if space:
        label = "from above" if space_role else "from the loss"
        under = space[1] if scalar else _arrival(reading, "space", l, t, label, above)
        terms.append(Braced(space[0], under, space_role))
    if time:
        under = time[1] if scalar else _arrival(reading, "time", l, t, "from the future", future)
        if terms:
            terms.append(Word("+"))
        terms.append(Braced(time[0], under, "time"))
    if not terms:
        terms.append(Word("0"))
    size = _number(reading, quantity, l, t) if scalar else f"size {sized(reading.log_size[l, t])}"
    left = Braced(n.gradient(quantity, l + 1, t + 1), _vector(reading, quantity, l, t) or size)
    if quantity == "delta":
        slope = reading.value["slope"][l, t]
        mean = significant(slope, 3) if scalar else f"mean {significant(reading.openness[l, t], 2)}"
        under = _vector(reading, "slope", l, t) or mean
        gate = Braced((Symbol(n.slope), Word("("), n.z(l + 1, t + 1), Word(")")), under)
        right = (gate, *(() if scalar else (Word("⊙"),)), Bracket(tuple(terms)))
    else:
        right = tuple(terms)
    places = {name for name, there in (
        ("from above", space and space_role), ("from the loss", space and not space_role), ("from the future", time),
        ("top layer through time", time and l + 1 == reading.L)) if there}
    return Equation(f"layer {l + 1}, step {t + 1}", _remark(reading, l, t), (left, Word("="), *right), _marks(n, places))


def _vector(reading, name, l, t):
    """The numbers of a vector of 2 to 6 units, None for others."""
    if reading.widths[l] == 1 or (found := reading.numbers(name, l, t)) is None:
        return None
    return f"({', '.join(significant(value, 2, exponent) for value, exponent in found)})"


def _number(reading, name, l, t):
    """The number of a cell in a layer of one unit."""
    (value, exponent), = reading.numbers(name, l, t)
    return significant(value, 3, exponent)


def _arrival(reading, road, l, t, label, share):
    """What stands under a message: its numbers where they are few, and its share of the two."""
    numbers = _vector(reading, road, l, t)
    return f"{numbers} · {percent(share or 0.0)}" if numbers else f"{label} {percent(share or 0.0)}"


def _numbers(vector):
    return f"({', '.join(significant(number, 2) for number in vector)})"


def _marks(n, places):
    """The sentences about the misprints that n's text has at these places."""
    return tuple(misprint.sentence for misprint in misprints.at(n.name, places))


def _message(n, reading, l, t, road):
    """(terms, numbers) of what comes through space or time into a cell, or None where that road does not exist."""
    quantity, scalar = reading.quantity, reading.scalar
    if road == "space" and l + 1 == reading.L:
        if not (reading.scored[t] and reading.seen[t]):
            return None
        loss = n.loss(t + 1, reading.readout)
        terms = (n.W_out(scalar and reading.n_out == 1), *loss) if reading.readout else loss
        return terms, _number(reading, road, l, t) if scalar else ""
    here = (l + 1, t) if road == "space" else (l, t + 1)
    if road == "time" and (here[1] >= reading.T or not reading.recurrent[l] or not reading.onward[t]):
        return None
    up = (here[0] + 1, here[1] + 1)
    W = n.W_S(up[0], scalar) if road == "space" else n.W_T(up[0], scalar)
    gradient = n.gradient(quantity, *up)
    if quantity == "delta":
        terms = (W, *gradient)
    else:  # the message is made of dC/dz = dC/dh times the slope of the cell it leaves
        slope = (Symbol(n.slope), Word("("), n.z(*up), Word(")"))
        terms = (W, *gradient, *slope) if scalar else (W, Word("["), *gradient, Word("⊙"), *slope, Word("]"))
    numbers = ""
    if scalar:
        factors = [significant(reading.weights[here[0]][road == "time"], 3), _number(reading, quantity, *here)]
        if quantity == "grad_h":
            factors.append(_number(reading, "slope", *here))
        some_stop = road == "time" and reading.onward[t] < reading.passes[t + 1]
        numbers = _number(reading, road, l, t) if some_stop else " × ".join(factors)
    return terms, numbers


def _remark(reading, l, t):
    if not reading.reached[t]:
        return "no pass reaches it"
    remark = [f"the sum of {reading.passes[t]} passes"] if reading.passes[t] > 1 else []
    if t + 1 < reading.T and 0 < reading.onward[t] < reading.passes[t + 1]:
        remark.append(f"of step {t + 2}, the {reading.onward[t]} that come this far")
    cosine = reading.cosine[l, t]
    if np.isfinite(cosine) and reading.scalar:
        remark.append("its two arrivals " + ("add up" if cosine > 0 else "pull against each other"))
    elif np.isfinite(cosine):
        angle = f"{np.degrees(np.arccos(cosine)):.0f}°"
        remark.append(f"its two arrivals point {angle} apart" + (": they nearly cancel" if cosine < -0.98 else ""))
    return " · ".join(remark)


def _size(value):
    return significant(value, 2)


# Gradients.

OF_WHAT = {"W_S": "weights from below", "W_T": "weights through time", "b": "bias", "W_out": "readout weights",
           "b_out": "readout bias", "x": "input", "h_0": "initial state"}


def gradient(term, *, notation="house"):
    """The Equation of the gradient that a Term belongs to: the sum over steps, then the term's own step with its numbers.

    Under the braces stand single numbers, vectors of up to six, or sizes. x and h_0 have no sum: W^T delta.
    """
    n = NOTATIONS[notation]
    l, parameter, factors = term.layer + 1, _parameter(n, term), _factors(n, term, term.step + 1)
    left = Braced((Fraction((Symbol("∂"), Symbol(n.total)), (Symbol("∂"), parameter)),), _amount(term.total))
    own = _product(term, *(Braced(letters, _amount(amount)) for letters, amount in factors))
    if term.name in ALONE:
        right = own if term.counted else (Word("0"),)
    else:
        t = n.loss_step if term.name in OF_READOUT else n.step
        letters = (Row(letters) for letters, _ in _factors(n, term, t))
        right = (Row((_sum(term, t), *n.summand(term.name, l, t, _product(term, *letters), parameter))), *_own_step(term, own))
    places = {term.name}
    if term.name == "W_T" and term.top:
        places.add("W_T of the top layer")
    if term.name == "W_S" and term.layer > 0:
        places.add("W_S above layer 1")
    return Equation(_heading(term), _said(term), (left, Word("="), *right), _marks(n, places))


def _parameter(n, term):
    """The letter of what the gradient is taken by."""
    l, t, single = term.layer + 1, term.step + 1, _single(term)
    if term.name in ALONE:
        return n.x(t) if term.name == "x" else n.h(l, 0)
    if term.name in ("b", "b_out"):
        return n.b(l) if term.name == "b" else n.b_out()
    weight = n.W_out(single) if term.name == "W_out" else getattr(n, term.name)(l, single)
    return replace(weight, transposed=False)


def _factors(n, term, t):
    """[(terms, Amount)] of the factors at step t, a number from 1 or the letter of a sum, in the order they are written in."""
    l, single = term.layer + 1, _single(term)
    if term.name in ALONE:
        W = n.W_S(l, single) if term.name == "x" else n.W_T(l, single)
        letters = [(W,), n.delta(l, t, single)]
    else:
        before = t - 1 if isinstance(t, int) else f"{t}−1"
        h = {"W_S": (l - 1, t), "W_T": (l, before), "W_out": (l, t)}.get(term.name)
        letters = [n.loss(t, True) if term.name in OF_READOUT else n.delta(l, t, single), *([(n.h(*h),)] if h else [])]
    factors = list(zip(letters, term.factors, strict=True))
    return factors[::-1] if n.source_first and term.name not in ALONE else factors


def _product(term, *factors):
    """The factors, with the sign of an outer product between two vectors."""
    if len(factors) == 1 or _single(term) or term.name in ALONE:
        return factors
    return factors[0], Word("⊗"), factors[1]


def _single(term):
    """Whether all factors are single numbers."""
    return all(factor.number is not None for factor in term.factors)


def _sum(term, index):
    """The sign of the sum over the steps that count: from one to another where none between them is left out."""
    readout = term.name in OF_READOUT
    if term.count and term.count == term.last - term.first + 1 and (not readout or term.count == term.T):
        return Sum(index, str(term.first + 1), str(term.last + 1))
    return Sum(index, words="reached" if not readout else "seen" if term.unseen else "scored")


def _own_step(term, own):
    """= .. + the step's own term + .., where it is one of those that are summed."""
    if not term.counted:
        return ()
    braced = own if len(own) == 1 else (Braced(own, _amount(term.own)),)
    return (Word("="), *((Word("⋯"), Word("+")) if term.step > term.first else ()), *braced,
            *((Word("+"), Word("⋯")) if term.step < term.last else ()))


def _heading(term):
    where = [] if term.name in (*OF_READOUT, "x") else [f"layer {term.layer + 1}"]
    when = [] if term.name == "h_0" else [f"step {term.step + 1}"]
    return ", ".join([OF_WHAT[term.name], *where, *when])


def _said(term):
    """The remark: which steps are summed, and why this one adds nothing or what it is itself the sum of."""
    step = f"step {term.step + 1}"
    some = f"{term.count} of {term.T} steps {'is' if term.count == 1 else 'are'} summed"
    said = [] if term.name in ALONE or term.count == term.T else [some]
    if term.name in OF_READOUT:
        said = ["no backpropagation through time", *said]
        if not term.scored:
            return " · ".join([*said, f"{step} is not scored"])
        return " · ".join(said if term.seen else [*said, f"no pass sees the loss of {step}"])
    if not term.reached:
        return " · ".join([*said, f"no pass reaches {step}"])
    if term.passes > 1:
        said.append(f"{step} is the sum of {term.passes} passes")
    if term.structural_zero:
        said.append("the initial state is 0, so step 1 adds exactly 0")
    return " · ".join(said)


def _amount(amount):
    """A number, a vector of up to six, or a size."""
    if amount.number is not None:
        return significant(amount.number, 3)
    if amount.numbers is None:
        return f"size {_size(amount.size)}"
    return _numbers(amount.numbers)
