"""The equation of one cell of the grid, with its own numbers, in the notation of any of the texts.

One tree of terms, rendered twice: to_latex for notebooks, to_html (MathML and a few spans) for the page. The only
place that knows four notations: the house's own and those of the three texts.
"""

from dataclasses import dataclass
from html import escape

import numpy as np

from .numbers import percent, significant


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
class Braced:
    """Terms with a number or words under a brace; role "space" or "time" colours all of it, "" leaves it ink."""

    terms: tuple
    under: str
    role: str = ""


@dataclass(frozen=True)
class Bracket:
    """Terms in square brackets."""

    terms: tuple


@dataclass(frozen=True)
class Equation:
    """A heading, a grey remark and the terms of one equation."""

    heading: str
    remark: str
    terms: tuple

    @property
    def text(self):
        """The equation read aloud, with its numbers."""
        return f"{' '.join(filter(None, (self.heading, self.remark)))}: {_spoken(self.terms)}"


class House:
    """W_S, W_T, delta, phi': this program's own letters. The other notations change only what differs."""

    name = "house"
    slope = "φ′"
    says = {"delta": "δ = ∂C/∂z", "grad_h": "δ = ∂C/∂h"}

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

    def loss(self, t, through):
        """dL_t/do_t, or dL_t/dy_t where the top layer is the output."""
        return (Fraction((Symbol("∂"), Symbol("L", str(t))), (Symbol("∂"), Symbol("o" if through else "y", str(t)))),)


class Derivation(House):
    """delta^{l(t)} = dC/dz, a'(z), w from i to j: its w is the transpose of W, so the backward step has none."""

    name = "derivation"
    slope = "a′"
    says = {"delta": "δ = ∂C/∂z", "grad_h": "∂C/∂a, without a′"}

    def index(self, l, t):
        return dict(sup=f"{l}({t})")

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


NOTATIONS = {n.name: n for n in (House(), Derivation(), SpaceTime(), UVW())}


def cell(reading, l, t, *, notation="house"):
    """The Equation of the cell at layer l, step t (from 0) of a Flow, for the delta that the reading shows.

    With every layer one unit wide the factors themselves stand under the braces, else sizes, mean slope and
    shares. delta = dC/dz: slope times the two messages. dC/dh: their sum.
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
        under = space[1] if scalar else f"{label} {percent(above or 0.0)}"
        terms.append(Braced(space[0], under, space_role))
    if time:
        under = time[1] if scalar else f"from the future {percent(future or 0.0)}"
        if terms:
            terms.append(Word("+"))
        terms.append(Braced(time[0], under, "time"))
    if not terms:
        terms.append(Word("0"))
    value = reading.value[quantity][l, t]
    left = Braced(n.gradient(quantity, l + 1, t + 1), significant(value, 3) if scalar else f"size {_size(reading.size[l, t])}")
    if quantity == "delta":
        slope = reading.value["slope"][l, t]
        under = significant(slope, 3) if scalar else f"mean {significant(reading.openness[l, t], 2)}"
        gate = Braced((Symbol(n.slope), Word("("), n.z(l + 1, t + 1), Word(")")), under)
        right = (gate, *(() if scalar else (Word("⊙"),)), Bracket(tuple(terms)))
    else:
        right = tuple(terms)
    return Equation(f"layer {l + 1}, step {t + 1}", _remark(reading, l, t), (left, Word("="), *right))


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


# Rendering.

LATEX = {"δ": r"\delta", "φ′": r"\varphi'", "σ′": r"\sigma'", "a′": "a'", "f′": "f'", "∂": r"\partial ", "⊙": r"\odot",
         "[": "[", "]": "]", "(": "(", ")": ")", "=": "=", "+": "+", "0": "0"}


def to_latex(equation, colours=None):
    """The equation for KaTeX or MathJax; colours: {"space": "#..", "time": ".."} to colour the two roads."""
    return "".join(_latex(term, colours or {}) for term in equation.terms)


def _latex(term, colours):
    match term:
        case Symbol():
            made = LATEX.get(term.base, term.base)
            if term.before:
                made = rf"{{}}_{{{term.before}}}{made}"
            sup = term.sup + (r"\top" if term.transposed else "")
            sub = rf"\mathrm{{{term.sub}}}" if len(term.sub) > 1 and term.sub.isalpha() else term.sub
            return made + (f"_{{{sub}}}" if sub else "") + (f"^{{{sup}}}" if sup else "") + " "
        case Word():
            return LATEX[term.text] + " "
        case Fraction():
            return r"\frac{" + "".join(_latex(t, colours) for t in term.top) + "}{" \
                + "".join(_latex(t, colours) for t in term.bottom) + "}"
        case Braced():
            inside = "".join(_latex(t, colours) for t in term.terms)
            words = term.under.replace("%", r"\%").replace("<", r"\textless ").replace(">", r"\textgreater ")
            made = rf"\underbrace{{{inside}}}_{{\text{{{words}}}}} "
            return rf"{{\color{{{colours[term.role]}}}{made}}}" if term.role in colours else made
        case Bracket():
            return r"\left[ " + "".join(_latex(t, colours) for t in term.terms) + r"\right] "
    raise TypeError(term)


def to_html(equation):
    """The equation as MathML in spans of class rv-brace, rv-bracket and rv-op, coloured by space and time."""
    return "".join(_html(term) for term in equation.terms)


def _html(term):
    match term:
        case Braced():
            role = f" rv-{term.role}" if term.role else ""
            math = "".join(_mathml(t) for t in term.terms)
            return (f'<span class="rv-term{role}"><math><mrow>{math}</mrow></math><span class="rv-brace"></span>'
                    f'<span class="rv-under">{escape(term.under)}</span></span>')
        case Bracket():
            return f'<span class="rv-bracket">{"".join(_html(t) for t in term.terms)}</span>'
    return f'<span class="rv-op"><math>{_mathml(term)}</math></span>'


def _mathml(term):
    match term:
        case Word():
            return f"<mo>{escape(term.text)}</mo>"
        case Fraction():
            top, bottom = ("".join(_mathml(t) for t in part) for part in (term.top, term.bottom))
            return f"<mfrac><mrow>{top}</mrow><mrow>{bottom}</mrow></mfrac>"
        case Symbol():
            upright = ' mathvariant="normal"' if term.base == "∂" else ""
            base = f"<mi{upright}>{escape(term.base)}</mi>"
            sub = f"<mi>{escape(term.sub)}</mi>" if term.sub.isalpha() else f"<mn>{escape(term.sub)}</mn>"
            sup = f"<mn>{escape(term.sup)}</mn>" if term.sup else ""
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


def _spoken(terms):
    words = []
    for term in terms:
        match term:
            case Braced():
                words.append(f"{''.join(_plain(t) for t in term.terms)} ({term.under})")
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
    return term.text
