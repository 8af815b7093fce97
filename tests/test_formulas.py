"""The equations of a cell and of a gradient say the same in every notation and every rendering; their numbers add up."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import plain
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import small_experiments

from rnnviz.examples import EXAMPLES
from rnnviz.experiment import CONTROLS, Experiment, run
from rnnviz.flow import read
from rnnviz.formulas import cell, gradient
from rnnviz.misprints import MISPRINTS
from rnnviz.notations import NOTATIONS
from rnnviz.numbers import percent, significant
from rnnviz.terms import NAMES, term
from rnnviz.typeset import (
    LATEX,
    Braced,
    Bracket,
    Equation,
    Fraction,
    Row,
    Sum,
    Symbol,
    Word,
    to_html,
    to_latex,
)

QUANTITIES = ("delta", "grad_h")
MADE = {name: run(EXAMPLES[name]) for name in ("Vanishing", "By hand", "Cut too early", "Identity start")}


def equation(name, l, t, quantity="delta", notation="house"):
    return cell(read(MADE[name], quantity), l, t, notation=notation)


def braces(terms):
    """Everything that stands under a brace, in order, an inner brace before the one around it."""
    found = []
    for part in terms:
        if isinstance(part, Braced):
            found += [*braces(part.terms), part.under]
        elif isinstance(part, Bracket):
            found += braces(part.terms)
    return found


def letters(equation):
    """The equation without its numbers and its marks, on one line."""
    numbers = r" \([^()]*\)(?: · [<>]?[0-9]+%)?(?=[\] ]|$)"
    return re.sub(numbers, "", equation.text.partition(": ")[2].partition(" † ")[0])


def under_of_latex(latex):
    found = re.findall(r"\}_\{\\text\{(.*?)\}\} ", latex)
    return [u.replace(r"\%", "%").replace(r"\textless ", "<").replace(r"\textgreater ", ">") for u in found]


def tree(html):
    return ET.fromstring(f"<div>{html}</div>")


def under_of_html(html):
    return ["".join(node.itertext()) for node in tree(html).iter("span") if node.get("class") == "rv-under"]


# One equation, three renderings, four notations.


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("notation", NOTATIONS)
@pytest.mark.parametrize("place", [
    ("Vanishing", 0, 12), ("Vanishing", 2, 29), ("By hand", 0, 2), ("By hand", 1, 5), ("Identity start", 0, 3)])
def test_latex_mathml_and_speech_carry_the_same_numbers(place, quantity, notation):
    made = equation(*place, quantity, notation)
    numbers = braces(made.terms)
    assert numbers
    assert under_of_latex(to_latex(made)) == numbers
    assert under_of_html(to_html(made)) == numbers
    assert all(f"({under})" in made.text for under in numbers)


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("place", [("Vanishing", 0, 12), ("By hand", 0, 2)])
def test_a_notation_changes_the_letters_and_none_of_the_numbers(place, quantity):
    texts = [equation(*place, quantity, notation) for notation in NOTATIONS]
    assert len({tuple(braces(made.terms)) for made in texts}) == 1
    assert len({letters(made) for made in texts}) == len(NOTATIONS)
    assert len({(made.heading, made.remark) for made in texts}) == 1


@pytest.mark.parametrize(("notation", "quantity", "text"), [
    ("house", "delta", "δ_13^1 = φ′(z_13^1) ⊙ [W_S^2ᵀδ_13^2 + W_T^1ᵀδ_14^1]"),
    ("house", "grad_h", "δ_13^1 = W_S^2ᵀ[δ_13^2⊙φ′(z_13^2)] + W_T^1ᵀ[δ_14^1⊙φ′(z_14^1)]"),
    ("derivation", "delta", "δ^1(13) = a′(z^1(13)) ⊙ [w^2δ^2(13) + w_rec^1δ^1(14)]"),
    ("derivation", "grad_h", "∂C/∂a^1(13) = w^2[∂C/∂a^2(13)⊙a′(z^2(13))] + w_rec^1[∂C/∂a^1(14)⊙a′(z^1(14))]"),
    ("space/time", "delta", "∂C/∂z_13^1 = σ′(z_13^1) ⊙ [SW^2ᵀ∂C/∂z_13^2 + TW^1ᵀ∂C/∂z_14^1]"),
    ("space/time", "grad_h", "δ_13^1 = SW^2ᵀ[δ_13^2⊙σ′(z_13^2)] + TW^1ᵀ[δ_14^1⊙σ′(z_14^1)]"),
    ("U, V, W", "delta", "∂L/∂z_13^(1) = f′(z_13^(1)) ⊙ [V^(2)ᵀ∂L/∂z_13^(2) + W^(1)ᵀ∂L/∂z_14^(1)]"),
    ("U, V, W", "grad_h", "∂L/∂h_13^(1) = V^(2)ᵀ[∂L/∂h_13^(2)⊙f′(z_13^(2))] + W^(1)ᵀ[∂L/∂h_14^(1)⊙f′(z_14^(1))]"),
])
def test_each_text_finds_its_own_letters(notation, quantity, text):
    assert letters(equation("Vanishing", 0, 12, quantity, notation)) == text


@pytest.mark.parametrize(("notation", "text"), [
    ("house", "δ_13^1 = φ′(z_13^1) [w_S^2δ_13^2 + w_T^1δ_14^1]"),
    ("derivation", "δ^1(13) = a′(z^1(13)) [w^2δ^2(13) + w_rec^1δ^1(14)]"),
    ("space/time", "∂C/∂z_13^1 = σ′(z_13^1) [Sw^2∂C/∂z_13^2 + Tw^1∂C/∂z_14^1]"),
    ("U, V, W", "∂L/∂z_13^(1) = f′(z_13^(1)) [V^(2)∂L/∂z_13^(2) + W^(1)∂L/∂z_14^(1)]"),
])
def test_single_units_need_no_transpose_and_no_elementwise_product(notation, text):
    reading = read(run(replace(EXAMPLES["By hand"], T=20)))
    assert letters(cell(reading, 0, 12, notation=notation)) == text


@pytest.mark.parametrize(("notation", "text"), [
    ("house", "W_outᵀ∂L_30/∂o_30"), ("derivation", "w_out∂L_30/∂o_30"), ("space/time", "W_outᵀ∂L_30/∂o_30"),
    ("U, V, W", "Uᵀ∂L_30/∂o_30")])
def test_the_loss_enters_the_top_layer_through_the_readout(notation, text):
    made = equation("Vanishing", 2, 29, "delta", notation)
    assert letters(made).endswith(f"[{text}]")
    assert "from the loss 100%" in made.text


def test_without_a_readout_the_loss_enters_as_it_is():
    assert "[∂L_6/∂y_6" in letters(equation("By hand", 1, 5))


# Which terms stand there.


def test_a_cell_before_the_end_has_two_terms_and_the_last_has_none_from_the_future():
    assert "from the future" in equation("Vanishing", 0, 28).text
    assert "from the future" not in equation("Vanishing", 0, 29).text
    assert "from above" in equation("Vanishing", 1, 3).text
    assert "from above" not in equation("Vanishing", 2, 3).text
    assert "from the loss" not in equation("Vanishing", 2, 28).text


def test_a_layer_without_recurrence_hears_nothing_from_the_future():
    made = run(Experiment(layers="4, 4 static, 4"))
    assert "W_T" not in letters(cell(read(made), 1, 5))
    assert "W_T^1" in letters(cell(read(made), 0, 5))
    static = read(run(Experiment(layers="4 static")))
    assert letters(cell(static, 0, 5)) == "δ_6^1 = φ′(z_6^1) ⊙ [0]"


@pytest.mark.parametrize("place", [(0, 0), (2, 29), (1, 7)])
def test_the_heading_counts_layers_and_steps_from_one(place):
    l, t = place
    assert equation("Vanishing", l, t).heading == f"layer {l + 1}, step {t + 1}"


# Numbers.


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("l", [0, 1])
@pytest.mark.parametrize("t", range(6))
def test_the_factors_of_a_single_unit_multiply_and_add_up_to_its_value(l, t, quantity):
    """Printed to three digits, so the result agrees to three digits of its largest term."""
    grid = plain.grid_of(MADE["By hand"])
    made = equation("By hand", l, t, quantity)
    true = float(getattr(grid, quantity)[l][t][0])
    assert plain.agrees(braces(made.terms)[0], true)
    unders = braces(made.terms)[1:]
    slope = 1.0
    if quantity == "delta":
        slope = plain.value(unders.pop(0))
        assert slope == pytest.approx(float(grid.slope[l][t][0]), rel=0.006)
    products = [np.prod([plain.value(f) for f in re.split(r" × (?!10[⁰¹²³⁴⁵⁶⁷⁸⁹⁻])", u)]) for u in unders]
    assert slope * sum(products) == pytest.approx(true, abs=0.02 * slope * sum(map(abs, products)))
    messages = [float(v[l][t][0]) for v in (grid.space, grid.time) if v[l][t][0] != 0]
    np.testing.assert_allclose(products, messages, rtol=0.02)


@settings(max_examples=40)
@given(st.integers(0, 2), st.integers(0, 29))
def test_sizes_slopes_and_shares_of_a_layer_are_those_of_the_plain_loop(l, t):
    grid = PLAIN_VANISHING
    made = equation("Vanishing", l, t)
    size, slope, *shares = braces(made.terms)
    assert plain.agrees(size.removeprefix("size "), grid.size()[l, t])
    assert plain.agrees(slope.removeprefix("mean "), grid.slope[l][t].mean())
    space, time = (float(np.sqrt((v[l][t] ** 2).sum())) for v in (grid.space, grid.time))
    for text in shares:
        part = (time if "future" in text else space) / (space + time)
        said = text.split()[-1]
        assert abs(float(said.strip("<>%")) - 100 * part) <= 0.51 or said[0] in "<>"
    assert sum(float(text.split()[-1].strip("<>%")) for text in shares) == pytest.approx(100, abs=1.01)


PLAIN_VANISHING = plain.grid_of(MADE["Vanishing"])


@pytest.mark.parametrize("place", [(0, 12), (1, 5), (1, 25)])
def test_the_angle_between_the_two_arrivals_is_measured(place):
    l, t = place
    space, time = (v[l][t].astype(float) for v in (PLAIN_VANISHING.space, PLAIN_VANISHING.time))
    angle = np.degrees(np.arccos(space @ time / np.linalg.norm(space) / np.linalg.norm(time)))
    assert f"point {angle:.0f}° apart" in equation("Vanishing", l, t).remark


def test_arrivals_that_nearly_cancel_are_called_so():
    reading = read(MADE["Vanishing"])
    cosine = reading.cosine.copy()
    cosine[0, 5], cosine[0, 6] = -0.999, -0.5
    reading = replace(reading, cosine=cosine)
    assert "nearly cancel" in cell(reading, 0, 5).remark
    assert "nearly cancel" not in cell(reading, 0, 6).remark


@pytest.mark.parametrize("t", range(5))
def test_single_units_add_up_or_pull_against_each_other_by_their_signs(t):
    grid = plain.grid_of(MADE["By hand"])
    space, time = (float(v[0][t][0]) for v in (grid.space, grid.time))
    word = "add up" if space * time > 0 else "pull against each other"
    assert word in equation("By hand", 0, t).remark


def test_a_cell_that_no_pass_reaches_says_so():
    assert equation("Cut too early", 1, 3).remark == "no pass reaches it"
    assert "no pass" not in equation("Cut too early", 1, 25).remark


def test_a_cell_of_several_passes_says_that_it_is_their_sum():
    reading = read(run(Experiment(cut=True, tau_max=8, tau_b=4, score="every step")))
    assert "the sum of 2 passes" in cell(reading, 0, 12).remark
    assert "passes" not in cell(reading, 0, 29).remark


def test_where_a_pass_ends_no_term_comes_from_the_future():
    """Passes of 2 steps each: what step 3 holds belongs to another pass than step 2."""
    reading = read(run(replace(EXAMPLES["By hand"], cut=True, tau_max=2, tau_b=2, score="every step")))
    assert reading.log_time[0, 1] == -np.inf
    assert "w_T" not in cell(reading, 0, 1).text
    assert "w_T" in cell(reading, 0, 0).text


def test_where_some_passes_stop_the_future_term_is_what_arrives_and_the_remark_counts_the_passes_that_go_on():
    """tau_max 2, tau_b 1: two passes reach every step but the last, and one of them reaches the step before."""
    reading = read(run(replace(EXAMPLES["By hand"], cut=True, tau_max=2, tau_b=1, score="every step")))
    made = cell(reading, 1, 0)
    factors = [float(n.replace("−", "-")) for n in re.findall(r"\(([−0-9.]+)\)", made.text)]
    left, slope, space, time = factors
    assert left == pytest.approx(slope * (space + time), rel=5e-3)
    assert time == pytest.approx(reading.value["time"][1, 0], rel=5e-3)
    assert "of step 2, the 1 that come this far" in made.remark


# Rendering.


def assert_well_formed(made):
    """MathML of known elements with as many children as they take; LaTeX with all its braces and brackets closed."""
    allowed = {"div", "span", "math", "mrow", "mi", "mn", "mo", "mtext", "mfrac", "msub", "msup", "msubsup", "mmultiscripts",
               "mprescripts", "none", "munder", "munderover"}
    for node in tree(to_html(made)).iter():
        assert node.tag in allowed
        mark = node.get("class") == "rv-mark"
        assert set(node.attrib) <= ({"class", "title", "tabindex"} if mark else {"class", "mathvariant"})
        children = {"msub": 2, "msup": 2, "msubsup": 3, "mfrac": 2, "munder": 2, "munderover": 3}.get(node.tag)
        assert children is None or len(node) == children
    latex = to_latex(made, {"space": "#00758A", "time": "#A85B00"})
    depth = 0
    for c in latex.replace(r"\{", "").replace(r"\}", ""):
        depth += (c == "{") - (c == "}")
        assert depth >= 0
    assert depth == 0
    assert latex.count(r"\left[") == latex.count(r"\right]")
    assert re.sub(r"\\text\{[^}]*\}", "", latex).isascii()


@settings(max_examples=60)
@given(small_experiments(), st.sampled_from(tuple(NOTATIONS)), st.data())
def test_any_equation_is_well_formed_mathml_and_balanced_latex(experiment, notation, data):
    reading = read(run(experiment), experiment.quantity)
    if reading.overflow is not None:
        return
    l, t = data.draw(st.integers(0, reading.L - 1)), data.draw(st.integers(0, reading.T - 1))
    made = cell(reading, l, t, notation=notation)
    assert_well_formed(made)
    assert "nan" not in made.text
    assert "None" not in made.text
    assert "  " not in made.text.partition(": ")[2]


def test_space_is_teal_and_time_amber_in_both_renderings():
    made = equation("Vanishing", 0, 12)
    latex = to_latex(made, {"space": "#00758A", "time": "#A85B00"})
    space, time = re.findall(r"\{\\color\{(#\w+)\}\\underbrace\{(.*?)\}_\{\\text\{(.*?)\}\} \}", latex)
    assert (space[0], time[0]) == ("#00758A", "#A85B00")
    assert space[2].startswith("from above")
    assert time[2].startswith("from the future")
    assert r"\color" not in to_latex(made)
    spans = tree(to_html(made)).iter("span")
    roles = {node.get("class"): "".join(node.itertext()) for node in spans if "rv-term " in node.get("class", "")}
    assert set(roles) == {"rv-term rv-space", "rv-term rv-time"}
    assert "from above" in roles["rv-term rv-space"]
    assert "from the future" in roles["rv-term rv-time"]


def test_the_loss_is_ink_it_comes_neither_through_space_nor_time():
    html = to_html(equation("Vanishing", 2, 29))
    assert "rv-space" not in html
    assert "rv-time" not in html


HOSTILE = ('<img src=x onerror="alert(1)">', "</math><script>alert(1)</script>", r"\rule{9999em}{9999em}",
           r"$\href{javascript:1}{x}$", "&lt;b&gt;")


@pytest.mark.parametrize("text", HOSTILE)
def test_markup_in_a_symbol_or_under_a_brace_is_shown_as_it_is_written(text):
    made = Equation("", "", (Braced((Symbol(text, text[:3], text), Fraction((Word(text),), (Symbol(text),))), text, "space"),))
    html = to_html(made)
    root = tree(html)
    assert {node.tag for node in root.iter()} <= set("div span math mrow mi mn mo mfrac msubsup msub msup".split())
    assert under_of_html(html) == [text]


@pytest.mark.parametrize("notation", NOTATIONS)
@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_that_a_person_types_gets_into_an_equation(text, notation):
    shown, harmless = (
        cell(read(run(Experiment(task="text", text=typed, T=8, width=3))), 0, 4, notation=notation) for typed in (text, "abc"))
    assert letters(shown) == letters(harmless)
    assert [node.tag for node in tree(to_html(shown)).iter()] == [node.tag for node in tree(to_html(harmless)).iter()]
    for rendering in (to_html(shown), to_latex(shown), shown.text):
        assert text not in rendering


def test_every_word_and_letter_of_the_notations_can_be_set_in_latex():
    for name in NOTATIONS:
        for quantity in QUANTITIES:
            for l, t in ((0, 12), (2, 29), (0, 29), (2, 5)):
                latex = to_latex(equation("Vanishing", l, t, quantity, name))
                bare = re.sub(r"\\text\{[^}]*\}", "", latex)
                assert bare.isascii(), bare
    assert set(NOTATIONS) == set(CONTROLS["notation"]["choices"])
    assert r"\varphi'" in LATEX.values()


def test_each_notation_says_what_its_delta_means():
    for n in NOTATIONS.values():
        assert set(n.says) == set(QUANTITIES)
        assert all("∂" in said for said in n.says.values())
        assert n.says["delta"] != n.says["grad_h"]


def test_a_value_is_printed_with_its_sign_and_three_digits():
    for l in range(2):
        for t in range(6):
            delta = float(MADE["By hand"].backward.delta[l][t, 0])
            assert braces(equation("By hand", l, t).terms)[0] == significant(delta, 3)


# Gradients.


TRUNCATED = Experiment(depth=2, width=3, T=6, cut=True, tau_max=2, tau_b=3, score="every step")
MADE["Three units"] = run(TRUNCATED)
MADE["Overlapping"] = run(replace(TRUNCATED, tau_max=3, tau_b=2))
MADE["One unit"] = run(replace(EXAMPLES["By hand"], readout="linear", task="sine", score="every step"))


def gradient_of(name, of, l, t, notation="house"):
    return gradient(term(MADE[name], of, l, t), notation=notation)


def there(name):
    """The gradients that an example has in layer 2."""
    return [of for of in NAMES if MADE[name].network.W_out is not None or not of.endswith("_out")]


PLACES = [(name, of, 1, t) for name, t in (
    ("Vanishing", 12), ("Vanishing", 29), ("Cut too early", 3), ("Cut too early", 25), ("By hand", 0), ("Three units", 4),
    ("Overlapping", 3), ("One unit", 2)) for of in there(name)]


@pytest.mark.parametrize("notation", NOTATIONS)
@pytest.mark.parametrize("place", PLACES)
def test_a_gradient_carries_the_same_numbers_in_latex_mathml_and_speech(place, notation):
    made = gradient_of(*place, notation)
    numbers = braces(made.terms)
    assert numbers
    assert under_of_latex(to_latex(made)) == numbers
    assert under_of_html(to_html(made)) == numbers
    assert all((under if under.startswith("(") else f"({under})") in made.text for under in numbers)
    assert_well_formed(made)
    assert "nan" not in made.text
    assert "  " not in made.text


@pytest.mark.parametrize("place", PLACES)
def test_a_notation_changes_the_letters_of_a_gradient_and_none_of_its_numbers(place):
    """The order may change: where w runs from i to j, its gradient is h (x) delta."""
    texts = [gradient_of(*place, notation) for notation in NOTATIONS]
    assert len({tuple(sorted(braces(made.terms))) for made in texts}) == 1
    assert len({(made.heading, made.remark) for made in texts}) == 1
    if place[1] not in ("b_out", "h_0") and len(braces(texts[0].terms)) > 1:
        assert len({letters(made) for made in texts}) == len(NOTATIONS)


@pytest.mark.parametrize(("of", "notation", "text"), [
    ("W_T", "house", "∂C/∂W_T^1 = Σ over k = 1 to 30 of δ_k^1⊗h_k−1^1 = ⋯ + [δ_13^1 ⊗ h_12^1] + ⋯"),
    ("W_T", "derivation", "∂C/∂w_rec^1 = Σ over t = 1 to 30 of a^1(t−1)⊗δ^1(t) = ⋯ + [a^1(12) ⊗ δ^1(13)] + ⋯"),
    ("W_T", "space/time",
     "∂C/∂TW^1 = Σ over n = 1 to 30 of [δ_n^1⊙σ′(z_n^1)]⊗h_n−1^1 = ⋯ + [[δ_13^1⊙σ′(z_13^1)] ⊗ h_12^1] + ⋯"),
    ("W_T", "U, V, W",
     "∂L/∂W^(1) = Σ over k = 1 to 30 of ∂L/∂h_k^(1)·∂^+h_k^(1)/∂W^(1) = ⋯ + [∂L/∂z_13^(1) ⊗ h_12^(1)] + ⋯"),
    ("W_S", "house", "∂C/∂W_S^1 = Σ over k = 1 to 30 of δ_k^1⊗x_k = ⋯ + [δ_13^1 ⊗ x_13] + ⋯"),
    ("W_S", "derivation", "∂C/∂w^1 = Σ over t = 1 to 30 of x^(t)⊗δ^1(t) = ⋯ + [x^(13) ⊗ δ^1(13)] + ⋯"),
    ("b", "house", "∂C/∂b^1 = Σ over k = 1 to 30 of δ_k^1 = ⋯ + δ_13^1 + ⋯"),
    ("b", "U, V, W", "∂L/∂b_h^(1) = Σ over k = 1 to 30 of ∂L/∂h_k^(1)·∂^+h_k^(1)/∂b_h^(1) = ⋯ + ∂L/∂z_13^(1) + ⋯"),
    ("x", "house", "∂C/∂x_13 = W_S^1ᵀ δ_13^1"),
    ("x", "derivation", "∂C/∂x^(13) = w^1 δ^1(13)"),
    ("x", "U, V, W", "∂L/∂x_13 = V^(1)ᵀ ∂L/∂z_13^(1)"),
    ("h_0", "house", "∂C/∂h_0^1 = W_T^1ᵀ δ_1^1"),
    ("h_0", "space/time", "∂C/∂h_0^1 = TW^1ᵀ [δ_1^1⊙σ′(z_1^1)]"),
])
def test_each_text_finds_its_own_letters_in_a_gradient(of, notation, text):
    assert letters(gradient_of("Vanishing", of, 0, 12, notation)) == text


@pytest.mark.parametrize(("notation", "text"), [
    ("house", "∂C/∂W_out = Σ over t scored of ∂L_t/∂o_t⊗h_t^3 = [∂L_30/∂o_30 ⊗ h_30^3]"),
    ("derivation", "∂C/∂w_out = Σ over t scored of a^3(t)⊗∂L_t/∂o_t = [a^3(30) ⊗ ∂L_30/∂o_30]"),
    ("U, V, W", "∂L/∂U = Σ over t scored of ∂L_t/∂ŷ_t·∂ŷ_t/∂U = [∂L_30/∂o_30 ⊗ h_30^(3)]")])
def test_the_readout_sums_over_the_scored_steps_without_backpropagation_through_time(notation, text):
    made = gradient_of("Vanishing", "W_out", 0, 29, notation)
    assert letters(made) == text
    assert made.remark.startswith("no backpropagation through time")


def test_single_numbers_are_multiplied_without_the_sign_of_an_outer_product():
    assert letters(gradient_of("By hand", "W_T", 1, 3)) == \
        "∂C/∂w_T^2 = Σ over k = 1 to 6 of δ_k^2h_k−1^2 = ⋯ + [δ_4^2 h_3^2] + ⋯"
    assert letters(gradient_of("One unit", "W_out", 0, 5)) == \
        "∂C/∂w_out = Σ over t = 1 to 6 of ∂L_t/∂o_th_t^2 = ⋯ + [∂L_6/∂o_6 h_6^2]"


def by_complex_step(made, of, l, t=None):
    """The gradient, or with t what its step t adds: nudged there alone, pass by pass."""
    network, sequence, windows = made.network, made.sequence, made.windows
    site = (of, l if of in ("W_S", "W_T", "b", "h_0") else None)
    shape = reference.shape_of(network, sequence, site)
    size, steps, total = int(np.prod(shape)), np.arange(sequence.T), 0.0
    nudge = (1j * reference.H * np.eye(size)).reshape(size, *shape)
    for first, since, last in zip(windows.first, windows.since, windows.last, strict=True):
        inside = (first <= steps) & (steps <= last) & (True if t is None else steps == t)
        loss, _ = reference.losses(network, sequence, {site: nudge}, inside)
        carried = (since <= steps) & (steps <= last) & sequence.scored
        total = total + loss[..., carried].sum(axis=-1).imag / reference.H * np.ones(size)
    return total.reshape(shape)


def assert_shown(under, true):
    """What stands under a brace is this vector or matrix: its one number, its numbers, or its size."""
    if under.startswith("size "):
        assert true.size > 6 or true.ndim == 2
        assert plain.agrees(under.removeprefix("size "), np.linalg.norm(true))
        return
    assert true.size == 1 or (true.size <= 6 and true.ndim == 1)
    printed = under.strip("()").split(", ")
    for text, value in zip(printed, np.ravel(true), strict=True):
        assert plain.agrees(text, value)


@pytest.mark.parametrize("notation", ["house", "derivation"])
@pytest.mark.parametrize("place", PLACES)
def test_the_numbers_of_a_gradient_are_those_of_the_complex_step(place, notation):
    name, of, l, t = place
    run_, grid = MADE[name], plain.grid_of(MADE[name])
    whole = by_complex_step(run_, of, l)
    if of == "x":
        whole = whole[t]
    total, *rest = braces(gradient_of(*place, notation).terms)
    assert_shown(total, whole)
    if not rest:
        return
    if of in ("x", "h_0"):
        W = run_.network.layers[0].W_S if of == "x" else run_.network.layers[l].W_T
        assert_shown(rest[0], W)
        assert_shown(rest[1], grid.delta[0 if of == "x" else l][t if of == "x" else 0].astype(float))
        return
    own = by_complex_step(run_, of, l, t)
    assert_shown(rest[-1], own)
    if len(rest) == 3:
        before = {"W_S": grid.h[l - 1][t], "W_out": grid.h[-1][t],
                  "W_T": grid.h[l][t - 1] if t else run_.network.layers[l].h_0}[of]
        delta = by_complex_step(run_, "b_out" if of == "W_out" else "b", l, t)
        factors = [delta, before.astype(float)]
        for under, true in zip(rest, factors if notation == "house" else factors[::-1], strict=False):
            assert_shown(under, true)


def test_up_to_six_units_are_shown_number_by_number_and_seven_by_their_size():
    six, seven = (gradient(term(run(Experiment(width=n, T=5)), "b", 0, 2)) for n in (6, 7))
    assert all(len(plain.numbers(under)) == 6 and under.startswith("(") for under in braces(six.terms))
    assert all(under.startswith("size ") and len(plain.numbers(under)) == 1 for under in braces(seven.terms))


def test_a_cut_sum_runs_over_the_columns_that_passes_reach():
    assert "Σ over k = 23 to 30 of" in letters(gradient_of("Cut too early", "W_T", 1, 25))
    assert "8 of 30 steps are summed" in gradient_of("Cut too early", "W_T", 1, 25).remark
    assert "Σ over k reached of" in letters(gradient_of("Three units", "W_T", 1, 4))
    assert "Σ over t seen of" in letters(gradient_of("Three units", "W_out", 1, 4))


def test_a_step_that_adds_nothing_stands_in_no_sum_and_the_remark_says_why():
    cut = gradient_of("Cut too early", "W_T", 1, 3)
    assert letters(cut).endswith("of δ_k^2⊗h_k−1^2")
    assert "no pass reaches step 4" in cut.remark
    assert letters(gradient_of("Cut too early", "x", 0, 3)) == "∂C/∂x_4 = 0"
    assert letters(gradient_of("Cut too early", "h_0", 0, 3)) == "∂C/∂h_0^1 = 0"
    assert "step 13 is not scored" in gradient_of("Vanishing", "W_out", 0, 12).remark
    unseen = gradient_of("Three units", "W_out", 0, 0)
    assert letters(unseen).endswith("of ∂L_t/∂o_t⊗h_t^2")
    assert "no pass sees the loss of step 1" in unseen.remark


def test_the_dots_stand_only_where_other_steps_are_summed():
    assert "= [δ_1^1 ⊗ h_0^1] + ⋯" in letters(gradient_of("Vanishing", "W_T", 0, 0))
    assert letters(gradient_of("Vanishing", "W_T", 0, 29)).endswith("= ⋯ + [δ_30^1 ⊗ h_29^1]")


def test_a_first_step_without_a_state_before_it_is_told_from_a_vanished_gradient():
    said = "the initial state is 0, so step 1 adds exactly 0"
    assert said in gradient_of("Vanishing", "W_T", 0, 0).remark
    assert said not in gradient_of("Vanishing", "W_S", 0, 0).remark
    assert said not in gradient_of("Vanishing", "W_T", 0, 1).remark


def test_a_step_of_several_passes_says_so_in_a_gradient():
    assert "step 4 is the sum of 2 passes" in gradient_of("Overlapping", "W_T", 1, 3).remark
    assert "passes" not in gradient_of("Overlapping", "W_T", 1, 5).remark


@settings(max_examples=60)
@given(small_experiments(), st.sampled_from(tuple(NOTATIONS)), st.sampled_from(NAMES), st.data())
def test_any_gradient_is_well_formed_mathml_and_balanced_latex(experiment, notation, of, data):
    made = run(experiment)
    l, t = data.draw(st.integers(0, len(experiment.stack) - 1)), data.draw(st.integers(0, experiment.T - 1))
    layer = made.network.layers[-1 if of.endswith("_out") else 0 if of == "x" else l]
    if made.backward is None or (of.endswith("_out") and made.network.W_out is None) \
            or (of in ("W_T", "h_0") and not layer.recurrent):
        return
    shown = gradient(term(made, of, l, t), notation=notation)
    assert_well_formed(shown)
    assert under_of_html(to_html(shown)) == under_of_latex(to_latex(shown)) == braces(shown.terms)
    assert "nan" not in shown.text
    assert "None" not in shown.text


def test_a_sum_has_its_limits_in_every_rendering():
    made = Equation("", "", (Row((Sum("k", "1", "30"), Symbol("δ", "k"))), Sum("t", words="scored")))
    assert r"\sum_{k=1}^{30} \delta_{k}" in to_latex(made)
    assert r"\sum_{t\text{ scored}}" in to_latex(made)
    root = tree(to_html(made))
    assert ["".join(part.itertext()) for part in next(root.iter("munderover"))] == ["∑", "k=1", "30"]
    assert ["".join(part.itertext()) for part in next(root.iter("munder"))] == ["∑", "t\u00a0scored"]
    assert made.text == ": Σ over k = 1 to 30 of δ_k Σ over t scored of "


# Marks.


@pytest.mark.parametrize("notation", NOTATIONS)
def test_every_misprint_of_a_formula_has_one_dagger_and_its_sentence_in_every_rendering(notation):
    for made in (equation("Vanishing", 1, 12, notation=notation), gradient_of("Vanishing", "W_T", 2, 12, notation),
                 gradient_of("Vanishing", "W_S", 1, 12, notation), gradient_of("Vanishing", "W_out", 0, 29, notation)):
        marks = [node for node in tree(to_html(made)).iter("span") if node.get("class") == "rv-mark"]
        assert [node.get("title") for node in marks] == list(made.marks)
        assert {node.text for node in marks} <= {"†"}
        assert to_latex(made).count(r"\dagger") == len(made.marks)
        assert made.text.split(" † ")[1:] == list(made.marks)


def test_this_programs_own_letters_carry_no_mark():
    assert not any(equation("Vanishing", l, t).marks for l in range(3) for t in (0, 12, 29))
    assert not any(gradient_of("Vanishing", of, l, 12).marks for of in NAMES for l in range(3))


def test_a_mark_stands_only_at_the_formulas_that_its_text_misprints():
    said = {m.where: m.sentence for m in MISPRINTS}
    assert said["BP1"] in equation("Vanishing", 2, 12, notation="derivation").marks
    assert said["BP1"] not in equation("Vanishing", 2, 29, notation="derivation").marks, "at t = T it holds"
    assert said["BP1"] not in equation("Vanishing", 1, 12, notation="derivation").marks
    assert said["picture of the grid"] in equation("Vanishing", 1, 12, notation="space/time").marks
    assert equation("Vanishing", 2, 12, notation="space/time").marks == ()
    assert equation("Vanishing", 2, 29, notation="U, V, W").marks == (said["loss to hidden state"],)
    assert equation("Vanishing", 2, 12, notation="U, V, W").marks == ()
    assert said["factors of ∂C/∂_Tw²"] in gradient_of("Vanishing", "W_T", 2, 12, "space/time").marks
    assert gradient_of("Vanishing", "W_T", 1, 12, "space/time").marks == (), "the lower layers' recursion is printed right"
    assert gradient_of("Vanishing", "W_S", 0, 12, "space/time").marks == ()


def test_markup_in_a_mark_is_shown_as_it_is_written():
    for text in HOSTILE:
        html = to_html(Equation("", "", (Word("="),), (text,)))
        root = tree(html)
        assert {node.tag for node in root.iter()} == {"div", "span", "math", "mo"}
        assert [node.get("title") for node in root.iter("span") if node.get("title")] == [text]


@pytest.mark.parametrize(("width", "shown"), [(2, True), (6, True), (7, False)])
def test_a_cell_of_up_to_six_units_shows_its_vectors_and_a_wider_one_sizes(width, shown):
    made = run(Experiment(width=width, T=8, depth=2))
    back, reading = made.backward, read(made)
    under = braces(cell(reading, 0, 4).terms)
    vectors = back.delta[0][4], back.slopes[0][4], back.from_space[0][4], back.from_time[0][4]
    for numbers, words in zip(vectors, under, strict=True):
        vector = f"({', '.join(significant(number, 2) for number in numbers)})"
        assert words.startswith(vector) == shown
    above, future = reading.share(0, 4)
    assert under[2].endswith(percent(above))
    assert under[3].endswith(percent(future))
