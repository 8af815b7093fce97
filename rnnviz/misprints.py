"""The misprints of the three texts, each with its correction and the formulas beside which it is told.

A formula asks with `at`, by its notation and by the places it holds; a view that draws no formula asks with `find`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Misprint:
    """What a text prints and what is right.

    text: the notation of the text it stands in; where: its place in that text; places: the formulas it belongs to, any of
    PLACES.
    """

    text: str
    where: str
    printed: str
    right: str
    places: tuple

    @property
    def sentence(self):
        """The correction, as a reader is told it."""
        return f"The text prints {self.printed}; it is {self.right}."


PLACES = (
    "from above", "from the future", "from the loss",  # what enters a cell
    "top layer through time",  # a cell of the top layer that hears the next step
    "W_S", "W_T", "b", "W_out",  # gradients
    "W_S above layer 1", "W_T of the top layer",
    "Routes",  # the view of paths through the grid
)

MISPRINTS = (
    Misprint("derivation", "forward and backward",
             "both steps without a transpose, and w^{l(t−1)} forward but w^{l(t+1)} backward",
             "wᵀ in the forward step, for w_ij runs from i to j, and one matrix without a time index",
             ("from above", "from the future")),
    Misprint("derivation", "proof",
             "∂z_j/z_i, “timestep l+1”, a(z_k) under Σ_n and a term in j without its Σ in the proof",
             "∂z_j/∂z_i, t+1, a(z_n) and Σ_j",
             ("from above", "from the future")),
    Misprint("derivation", "BP1", "BP1 as still applicable", "so only at t = T", ("top layer through time",)),
    Misprint("derivation", "BP3", "BP3 as still applicable", "now a sum over t, ∂C/∂b^l = Σ_t δ^{l(t)}", ("b",)),
    Misprint("derivation", "BP4", "BP4 as still applicable",
             "now a sum over t, and the recurrent w takes a^{l(t−1)} where the other takes a^{l−1(t)}", ("W_S", "W_T")),
    Misprint("space/time", "factors of ∂C/∂_Tw²",
             "h²_N as the first factor in ∂C/∂_Tw², then h²_{N−1}", "h²_{N−1}, then h²_{N−2}", ("W_T of the top layer",)),
    Misprint("space/time", "innermost term of ∂C/∂_Tw²",
             "σ′(z²_1) h²_0 as the innermost term of ∂C/∂_Tw²", "_Tw² σ′(z²_1) h²_0", ("W_T of the top layer",)),
    Misprint("space/time", "h¹_{N−3} group",
             "σ′(z²_N) _Tw² σ′(z²_{N−2}) … as the third path to h¹_{N−3}",
             "σ′(z²_N) _Tw² σ′(z²_{N−1}) _Tw² σ′(z²_{N−2}) …", ("Routes",)),
    Misprint("space/time", "y_2 after substitution",
             "σ(_Sw² σ h¹_2 + …) for y_2 after substitution", "σ(_Sw² h¹_2 + …)", ("W_S above layer 1",)),
    Misprint("space/time", "picture of the grid",
             "[Wᵀδ] ⊙ σ′(z^{L+1}) in the picture of the grid", "Wᵀ[δ ⊙ σ′(z^{L+1})]", ("from above",)),
    Misprint("U, V, W", "loss to hidden state",
             "(δL_t/δŷ_t)(δŷ_t/δL_t)", "(∂L_t/∂ŷ_t)(∂ŷ_t/∂h_t)", ("from the loss",)),
    Misprint("U, V, W", "inside Σ_k",
             "δh_k/δW inside Σ_k", "the immediate derivative ∂⁺h_k/∂W, with h_{k−1} held: the total one would count too much",
             ("W_T",)),
    Misprint("U, V, W", "∂L/∂U", "δL_t/δU = Σ_i δL_i/δU", "∂L/∂U = Σ_t ∂L_t/∂U, with L the total loss", ("W_out",)),
)


def at(text, places):
    """The misprints of the text with this notation that belong to any of these places, in the table's order."""
    return tuple(m for m in MISPRINTS if m.text == text and not places.isdisjoint(m.places))


def find(where):
    """The Misprint by its place in its text, such as "h¹_{N−3} group". Raises ValueError where there is none."""
    for misprint in MISPRINTS:
        if misprint.where == where:
            return misprint
    raise ValueError(f"where is {where!r}; it must be one of {', '.join(m.where for m in MISPRINTS)}")
