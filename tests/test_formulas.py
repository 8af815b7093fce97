"""The equation of a cell says the same in every notation and every rendering, and its numbers add up."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import plain
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import small_experiments

from rnnviz.examples import EXAMPLES
from rnnviz.experiment import CONTROLS, Experiment, run
from rnnviz.flow import read
from rnnviz.formulas import LATEX, NOTATIONS, Braced, Bracket, Equation, Fraction, Symbol, Word, cell, to_html, to_latex
from rnnviz.numbers import significant

QUANTITIES = ("delta", "grad_h")
MADE = {name: run(EXAMPLES[name]) for name in ("Vanishing", "By hand", "Cut too early", "Identity start")}


def equation(name, l, t, quantity="delta", notation="house"):
    return cell(read(MADE[name], quantity), l, t, notation=notation)


def braces(terms):
    """Everything that stands under a brace, in order."""
    found = []
    for term in terms:
        if isinstance(term, Braced):
            found.append(term.under)
        elif isinstance(term, Bracket):
            found += braces(term.terms)
    return found


def letters(equation):
    """The equation without its numbers, on one line."""
    return re.sub(r" \([^()]*\)(?=[\] ]|$)", "", equation.text.partition(": ")[2])


def under_of_latex(latex):
    found = re.findall(r"\\underbrace\{.*?\}_\{\\text\{(.*?)\}\} ", latex)
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
    assert reading.time[0, 1] == 0
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


@settings(max_examples=60)
@given(small_experiments(), st.sampled_from(tuple(NOTATIONS)), st.data())
def test_any_equation_is_well_formed_mathml_and_balanced_latex(experiment, notation, data):
    reading = read(run(experiment), experiment.quantity)
    if reading.overflow is not None:
        return
    l, t = data.draw(st.integers(0, reading.L - 1)), data.draw(st.integers(0, reading.T - 1))
    made = cell(reading, l, t, notation=notation)
    allowed = {"div", "span", "math", "mrow", "mi", "mn", "mo", "mfrac", "msub", "msup", "msubsup", "mmultiscripts",
               "mprescripts", "none"}
    for node in tree(to_html(made)).iter():
        assert node.tag in allowed
        assert set(node.attrib) <= {"class", "mathvariant"}
        children = {"msub": 2, "msup": 2, "msubsup": 3, "mfrac": 2}.get(node.tag)
        assert children is None or len(node) == children
    latex = to_latex(made, {"space": "#00758A", "time": "#A85B00"})
    depth = 0
    for c in latex.replace(r"\{", "").replace(r"\}", ""):
        depth += (c == "{") - (c == "}")
        assert depth >= 0
    assert depth == 0
    assert latex.count(r"\left[") == latex.count(r"\right]")
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
