"""An equation as a tree of terms, rendered three ways: to_latex for notebooks, to_html (MathML and a few spans) for the page,
and words to be read aloud.
"""

import re
from dataclasses import dataclass
from html import escape


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
