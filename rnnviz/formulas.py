"""The equation of one cell of the grid, and of one gradient, with its own numbers, in the notation of any of the texts.

One tree of terms, rendered twice: to_latex for notebooks, to_html (MathML and a few spans) for the page. The only
place that knows four notations: the house's own and those of the three texts. Where a text misprints a formula, the
equation in its notation carries a dagger with the correction.
"""

import re
from dataclasses import dataclass, replace
from html import escape

import numpy as np

from . import misprints
from .numbers import percent, significant
from .terms import ALONE, OF_READOUT


@dataclass(frozen=True)
class Symbol:
    """A letter with indices: base, lower and upper right, `before` lower left; transposed adds the mark."""

    base: str
    sub: str = ""
    sup: str = ""
    before: str = ""
    transposed: bool = False


@dataclass(frozen=True)
class Word:
    """An operator or sign between terms."""

    text: str


@dataclass(frozen=True)
class Fraction:
    top: tuple
    bottom: tuple


@dataclass(frozen=True)
class Sum:
    """The sign of a sum over `index`, from `first` to `last`; or over those that `words` name, such as "reached"."""

    index: str
    first: str = ""
    last: str = ""
    words: str = ""


@dataclass(frozen=True)
class Braced:
    """Terms, some perhaps with a brace of their own, and a number or words under a brace.

    role "space" or "time" colours all of it, "" leaves it ink.
    """

    terms: tuple
    under: str
    role: str = ""


@dataclass(frozen=True)
class Row:
    """Terms without braces that are read as one."""

    terms: tuple


@dataclass(frozen=True)
class Bracket:
    """Terms in square brackets."""

    terms: tuple


@dataclass(frozen=True)
class Equation:
    """A heading, a grey remark and the terms of one equation; marks: a sentence for each misprint of it, a dagger each."""

    heading: str
    remark: str
    terms: tuple
    marks: tuple = ()

    @property
    def text(self):
        """The equation read aloud, with its numbers, then its marks."""
        said = f"{' '.join(filter(None, (self.heading, self.remark)))}: {_spoken(self.terms)}"
        return " † ".join((said, *self.marks))


class House:
    """W_S, W_T, delta, phi': this program's own letters. The other notations change only what differs."""

    name = "house"
    slope = "φ′"
    says = {"delta": "δ = ∂C/∂z", "grad_h": "δ = ∂C/∂h"}
    total = "C"
    step, loss_step = "k", "t"  # the letters that sums run over: steps at which a weight is used, steps that have a loss
    source_first = False  # whether a weight's first index is the unit it comes from, so that its gradient is h (x) delta

    def index(self, l, t):
        return dict(sub=str(t), sup=str(l))

    def gradient(self, quantity, l, t):
        return (Symbol("δ", **self.index(l, t)),)

    def z(self, l, t):
        return Symbol("z", **self.index(l, t))

    def W_S(self, l, scalar):
        return Symbol("w" if scalar else "W", "S", str(l), transposed=not scalar)

    def W_T(self, l, scalar):
        return Symbol("w" if scalar else "W", "T", str(l), transposed=not scalar)

    def W_out(self, scalar):
        return Symbol("w" if scalar else "W", "out", transposed=not scalar)

    def b(self, l):
        return Symbol("b", sup=str(l))

    def b_out(self):
        return Symbol("b", "out")

    def h(self, l, t):
        """The state of layer l, counted from 1; x below the first."""
        return Symbol("h", **self.index(l, t)) if l else self.x(t)

    def x(self, t):
        return Symbol("x", str(t))

    def delta(self, l, t, scalar):
        """dC/dz, as a factor of a gradient."""
        return self.gradient("delta", l, t)

    def loss(self, t, through):
        """dL_t/do_t, or dL_t/dy_t where the top layer is the output."""
        return (Fraction((Symbol("∂"), Symbol("L", str(t))), (Symbol("∂"), Symbol("o" if through else "y", str(t)))),)

    def summand(self, name, l, t, product, parameter):
        """What is summed over t to a gradient: the product of its factors, as far as the text says no other."""
        return product


class Derivation(House):
    """delta^{l(t)} = dC/dz, a'(z), w from i to j: its w is the transpose of W, so the backward step has none."""

    name = "derivation"
    slope = "a′"
    says = {"delta": "δ = ∂C/∂z", "grad_h": "∂C/∂a, without a′"}
    step = "t"
    source_first = True

    def index(self, l, t):
        return dict(sup=f"{l}({t})")

    def h(self, l, t):
        return Symbol("a", **self.index(l, t)) if l else self.x(t)

    def x(self, t):
        return Symbol("x", sup=f"({t})")

    def gradient(self, quantity, l, t):
        if quantity == "delta":
            return (Symbol("δ", **self.index(l, t)),)
        return (Fraction((Symbol("∂"), Symbol("C")), (Symbol("∂"), Symbol("a", **self.index(l, t)))),)

    def W_S(self, l, scalar):
        return Symbol("w", sup=str(l))

    def W_T(self, l, scalar):
        return Symbol("w", "rec", str(l))

    def W_out(self, scalar):
        return Symbol("w", "out")


class SpaceTime(House):
    """delta^l_n = dC/dh, sigma', left subscripts S and T."""

    name = "space/time"
    slope = "σ′"
    says = {"delta": "∂C/∂z = δ ⊙ σ′(z)", "grad_h": "δ = ∂C/∂h"}
    step = loss_step = "n"

    def delta(self, l, t, scalar):
        slope = (Symbol(self.slope), Word("("), self.z(l, t), Word(")"))
        message = self.gradient("grad_h", l, t)
        return (*message, *slope) if scalar else (Word("["), *message, Word("⊙"), *slope, Word("]"))

    def gradient(self, quantity, l, t):
        if quantity == "grad_h":
            return (Symbol("δ", **self.index(l, t)),)
        return (Fraction((Symbol("∂"), Symbol("C")), (Symbol("∂"), self.z(l, t))),)

    def W_S(self, l, scalar):
        return Symbol("w" if scalar else "W", "", str(l), before="S", transposed=not scalar)

    def W_T(self, l, scalar):
        return Symbol("w" if scalar else "W", "", str(l), before="T", transposed=not scalar)


class UVW(House):
    """V into the layer, W from the step before, U out; gradients written as fractions of L."""

    name = "U, V, W"
    slope = "f′"
    says = {"delta": "∂L/∂z", "grad_h": "∂L/∂h"}
    total = "L"

    def index(self, l, t):
        return dict(sub=str(t), sup=f"({l})")

    def gradient(self, quantity, l, t):
        letter = "z" if quantity == "delta" else "h"
        return (Fraction((Symbol("∂"), Symbol("L")), (Symbol("∂"), Symbol(letter, **self.index(l, t)))),)

    def W_S(self, l, scalar):
        return Symbol("V", sup=f"({l})", transposed=not scalar)

    def W_T(self, l, scalar):
        return Symbol("W", sup=f"({l})", transposed=not scalar)

    def W_out(self, scalar):
        return Symbol("U", transposed=not scalar)

    def b(self, l):
        return Symbol("b", "h", f"({l})")

    def b_out(self):
        return Symbol("b", "y")

    def summand(self, name, l, t, product, parameter):
        """As the text writes it: dL_t/dy_t dy_t/dU, and dL/dh_t times the immediate derivative of h_t, h_{t-1} held."""
        if name in OF_READOUT:
            y = Symbol("ŷ", str(t))
            return (Fraction((Symbol("∂"), Symbol("L", str(t))), (Symbol("∂"), y)), Word("·"),
                    Fraction((Symbol("∂"), y), (Symbol("∂"), parameter)))
        return (*self.gradient("grad_h", l, t), Word("·"),
                Fraction((Symbol("∂", sup="+"), self.h(l, t)), (Symbol("∂"), parameter)))


NOTATIONS = {n.name: n for n in (House(), Derivation(), SpaceTime(), UVW())}


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
    size = significant(reading.value[quantity][l, t], 3) if scalar else f"size {_size(reading.size[l, t])}"
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
    rows = reading.vectors[name][l]
    return None if rows is None else _numbers(rows[t])


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
    arriving = reading.value[road][l, t]
    if road == "space" and l + 1 == reading.L:
        if not (reading.scored[t] and reading.seen[t]):
            return None
        loss = n.loss(t + 1, reading.readout)
        terms = (n.W_out(scalar and reading.n_out == 1), *loss) if reading.readout else loss
        return terms, significant(arriving, 3)
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
        factors = [reading.weights[here[0]][road == "time"], reading.value[quantity][here]]
        if quantity == "grad_h":
            factors.append(reading.value["slope"][here])
        some_stop = road == "time" and reading.onward[t] < reading.passes[t + 1]
        numbers = significant(arriving, 3) if some_stop else " × ".join(significant(f, 3) for f in factors)
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


# Rendering.

LATEX = {"δ": r"\delta", "φ′": r"\varphi'", "σ′": r"\sigma'", "a′": "a'", "f′": "f'", "ŷ": r"\hat{y}", "∂": r"\partial ",
         "⊙": r"\odot", "⊗": r"\otimes", "·": r"\cdot", "⋯": r"\cdots", "[": "[", "]": "]", "(": "(", ")": ")", "=": "=",
         "+": "+", "0": "0"}
LETTERS_AND_REST = re.compile(r"[^\W\d_]+|[\W\d_]+")


def to_latex(equation, colours=None):
    """The equation for KaTeX or MathJax, a dagger for each mark; colours: {"space": "#..", "time": ".."} for the two roads."""
    daggers = "".join(r"{}^{\dagger}" for _ in equation.marks)
    return "".join(_latex(term, colours or {}) for term in equation.terms) + daggers


def _latex(term, colours):
    match term:
        case Symbol():
            made = LATEX.get(term.base, term.base)
            if term.before:
                made = rf"{{}}_{{{term.before}}}{made}"
            sup = term.sup + (r"\top" if term.transposed else "")
            sub = rf"\mathrm{{{term.sub}}}" if len(term.sub) > 1 and term.sub.isalpha() else term.sub
            return (made + (f"_{{{sub}}}" if sub else "") + (f"^{{{sup}}}" if sup else "") + " ").replace("−", "-")
        case Word():
            return LATEX[term.text] + " "
        case Fraction():
            return r"\frac{" + "".join(_latex(t, colours) for t in term.top) + "}{" \
                + "".join(_latex(t, colours) for t in term.bottom) + "}"
        case Sum():
            limits = rf"{term.index}\text{{ {term.words}}}" if term.words else f"{term.index}={term.first}"
            return rf"\sum_{{{limits}}}" + (f"^{{{term.last}}} " if term.last else " ")
        case Braced():
            inside = "".join(_latex(t, colours) for t in term.terms)
            words = term.under.replace("%", r"\%").replace("<", r"\textless ").replace(">", r"\textgreater ")
            made = rf"\underbrace{{{inside}}}_{{\text{{{words}}}}} "
            return rf"{{\color{{{colours[term.role]}}}{made}}}" if term.role in colours else made
        case Row():
            return "".join(_latex(t, colours) for t in term.terms)
        case Bracket():
            return r"\left[ " + "".join(_latex(t, colours) for t in term.terms) + r"\right] "
    raise TypeError(term)


def to_html(equation):
    """The equation as MathML in spans of class rv-brace, rv-bracket and rv-op, coloured by space and time.

    Each mark is a dagger at the end, a span of class rv-mark whose title is the sentence.
    """
    daggers = "".join(f'<span class="rv-mark" tabindex="0" title="{escape(mark)}">†</span>' for mark in equation.marks)
    return "".join(_html(term) for term in equation.terms) + daggers


def _html(term):
    match term:
        case Braced():
            role = f" rv-{term.role}" if term.role else ""
            if any(isinstance(t, Braced) for t in term.terms):
                inside = f'<span class="rv-row">{"".join(_html(t) for t in term.terms)}</span>'
            else:
                inside = f"<math><mrow>{''.join(_mathml(t) for t in term.terms)}</mrow></math>"
            return (f'<span class="rv-term{role}">{inside}<span class="rv-brace"></span>'
                    f'<span class="rv-under">{escape(term.under)}</span></span>')
        case Bracket():
            return f'<span class="rv-bracket">{"".join(_html(t) for t in term.terms)}</span>'
    return f'<span class="rv-op"><math>{_mathml(term)}</math></span>'


def _mathml(term):
    match term:
        case Row():
            return "".join(_mathml(t) for t in term.terms)
        case Word():
            return f"<mo>{escape(term.text)}</mo>"
        case Fraction():
            top, bottom = ("".join(_mathml(t) for t in part) for part in (term.top, term.bottom))
            return f"<mfrac><mrow>{top}</mrow><mrow>{bottom}</mrow></mfrac>"
        case Sum():
            start = f"<mtext>\u00a0{escape(term.words)}</mtext>" if term.words else f"<mo>=</mo><mn>{escape(term.first)}</mn>"
            below = f"<mrow><mi>{escape(term.index)}</mi>{start}</mrow>"
            if term.last:
                return f"<munderover><mo>∑</mo>{below}<mn>{escape(term.last)}</mn></munderover>"
            return f"<munder><mo>∑</mo>{below}</munder>"
        case Symbol():
            upright = ' mathvariant="normal"' if term.base == "∂" else ""
            base = f"<mi{upright}>{escape(term.base)}</mi>"
            sub, sup = _mathml_index(term.sub), _mathml_index(term.sup)
            if term.transposed:
                sup += "<mo>⊤</mo>"
            if term.before:
                left = f"<mprescripts/><mi>{escape(term.before)}</mi><none/>"
                return f"<mmultiscripts>{base}<none/><mrow>{sup}</mrow>{left}</mmultiscripts>"
            if term.sub and sup:
                return f"<msubsup>{base}{sub}<mrow>{sup}</mrow></msubsup>"
            if term.sub:
                return f"<msub>{base}{sub}</msub>"
            return f"<msup>{base}<mrow>{sup}</mrow></msup>" if sup else base
    raise TypeError(term)


def _mathml_index(text):
    """An index such as 13, out or k−1 as one element, its letters apart from the rest; "" where there is none."""
    pieces = [f"<mi>{escape(p)}</mi>" if p.isalpha() else f"<mn>{escape(p)}</mn>" for p in LETTERS_AND_REST.findall(text)]
    return pieces[0] if len(pieces) == 1 else f"<mrow>{''.join(pieces)}</mrow>" if pieces else ""


def _spoken(terms):
    words = []
    for term in terms:
        match term:
            case Braced():
                nested = any(isinstance(t, Braced) for t in term.terms)
                inside = f"[{_spoken(term.terms)}]" if nested else "".join(_plain(t) for t in term.terms)
                words.append(f"{inside} {term.under if term.under.startswith('(') else f'({term.under})'}")
            case Bracket():
                words.append(f"[{_spoken(term.terms)}]")
            case _:
                words.append(_plain(term))
    return " ".join(words)


def _plain(term):
    match term:
        case Symbol():
            return term.before + term.base + (f"_{term.sub}" if term.sub else "") + (f"^{term.sup}" if term.sup else "") \
                + ("ᵀ" if term.transposed else "")
        case Fraction():
            return "".join(map(_plain, term.top)) + "/" + "".join(map(_plain, term.bottom))
        case Sum():
            return f"Σ over {term.index} {term.words or f'= {term.first} to {term.last}'} of "
        case Row():
            return "".join(map(_plain, term.terms))
    return term.text
