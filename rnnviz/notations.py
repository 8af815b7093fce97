"""The letters of an equation: the house's own and those of three texts. The only place that knows four notations."""


from .terms import OF_READOUT
from .typeset import Fraction, Symbol, Word


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
