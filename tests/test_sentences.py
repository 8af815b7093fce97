"""The sentence over the picture is true: its numbers are those of a plain loop, its reasons those that hold."""

import re
from dataclasses import replace

import numpy as np
import plain
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import small_experiments

from rnnviz.bptt import backward, forward
from rnnviz.examples import EXAMPLES
from rnnviz.experiment import Experiment, Run, run
from rnnviz.flow import CUT, OK, UNDERFLOW, ZERO, read
from rnnviz.network import Layer, Network
from rnnviz.sentences import flow
from rnnviz.tasks import Sequence
from rnnviz.windows import full, truncated

pytestmark = pytest.mark.filterwarnings("error")


def told(experiment, uncut=None, quantity="delta"):
    """(text, reading, plain grid or None) of an experiment; uncut: log10 of what would arrive without truncation."""
    made = experiment if isinstance(experiment, Run) else run(experiment)
    reading = read(made, quantity)
    grid = None if made.backward is None else plain.grid_of(made)
    return flow(reading, uncut), reading, grid


def run_of(network, sequence, windows=None):
    """The Run of a network of one's own."""
    windows = windows or full(sequence.T)
    trace = forward(network, sequence)
    sent = None if trace.overflow else backward(network, sequence, trace, windows)
    return Run(network, sequence, windows, trace, sent)


def after(text, words):
    """The first number printed after some words."""
    assert words in text, text
    return plain.numbers(text.partition(words)[2])[0]


def chain(w, T, target=1.0, cell="linear"):
    """One unit that multiplies by w at each step, started at 1 and left alone."""
    layer = Layer([[0.0]], [[w]], cell=cell, h_0=[1.0])
    return run_of(Network([layer]), Sequence(np.zeros((T, 1)), np.full((T, 1), target)))


# One rate.


@pytest.mark.parametrize("quantity", ["delta", "grad_h"])
@pytest.mark.parametrize(("changes", "lead"), [
    ({"g": 0.8}, "keeps"), ({"g": 0.5, "T": 60}, "keeps"), ({"cell": "sigmoid", "T": 40}, "keeps"),
    ({"cell": "linear", "g": 1.5}, "multiplies the gradient by"),
    ({"cell": "linear", "g": 1.2, "T": 80}, "multiplies the gradient by"),
])
def test_a_rate_and_what_is_left_are_those_of_the_plain_loop(changes, lead, quantity):
    said, reading, grid = told(Experiment(**changes), quantity=quantity)
    rate, _, r2 = plain.line(grid.left(quantity)[0])
    left = float(grid.left(quantity)[0, 0])
    assert r2 >= 0.9
    assert plain.agrees(after(said.text, f"Each step back {lead} "), rate)
    steps = f"{reading.T - 1} steps back"
    assert steps in said.text
    assert abs(plain.log10(after(said.text, steps)) - left) < np.log10(1.5)  # one digit: 1.49 may be written 1
    roles = [role for _, role in said.lead if role]
    assert roles == (["fades", "fades"] if rate < 1 else ["grows", "grows"])


@pytest.mark.parametrize("w", [0.5, 0.9, 0.31])
def test_the_reach_of_a_fading_chain_is_the_last_step_that_keeps_a_thousandth(w):
    said, _, _ = told(chain(w, 60))
    reach = int(after(said.text, "Reach of this loss: "))
    assert w**reach >= 1e-3 > w ** (reach + 1)
    assert plain.agrees(after(said.text, "keeps "), w)


@pytest.mark.parametrize("w", [1.0, 0.99, 1.01])
def test_a_rate_near_one_over_a_short_run_holds(w):
    said, _, _ = told(chain(w, 30, target=3.0))
    assert "this balance is the edge" in said.text
    assert [role for _, role in said.lead if role] == ["holds", "holds"]
    assert plain.value(after(said.text, "keeps ")) == pytest.approx(w, abs=0.005)


@pytest.mark.parametrize(("w", "role"), [(0.92, "fades"), (0.94, "holds"), (1.06, "holds"), (1.08, "grows")])
def test_a_short_run_fades_below_0_93_a_step_and_grows_above_1_07(w, role):
    said, _, _ = told(chain(w, 14, target=5.0))
    assert {r for _, r in said.lead if r} == {role}


@pytest.mark.parametrize(("w", "role"), [(0.97, "fades"), (1.03, "grows")])
def test_a_rate_near_one_over_a_long_run_fades_or_grows_after_all(w, role):
    said, _, _ = told(chain(w, 300, target=3.0))
    assert {r for _, r in said.lead if r} == {role}
    assert "edge" not in said.text


def test_a_growth_past_a_hundred_advises_to_clip():
    assert "Clip it" in told(chain(1.5, 30))[0].text
    assert "Clip it" not in told(chain(1.1, 14))[0].text
    assert "a longer sequence would blow up" in told(chain(1.1, 14))[0].text


def test_a_gradient_left_of_its_rate_is_not_called_larger():
    """A rate above 1 with a fall at the very end: what arrives is smaller than what was sent."""
    reading = read(chain(1.2, 20))
    down = replace(reading, log_ratio=reading.log_ratio - 5.0)
    said = flow(down)
    assert "larger" not in said.text
    assert "times its size" in said.text
    assert abs(plain.log10(after(said.text, "19 steps back it is ")) - (19 * np.log10(1.2) - 5)) < np.log10(1.5)


# Without a rate.


@pytest.mark.parametrize("T", [2, 5, 12])
def test_up_to_12_steps_only_the_whole_way_is_told(T):
    said, _, grid = told(Experiment(T=T, task="constant"))
    assert "Each step back" not in said.text
    assert "Too few steps to speak of a rate" in said.text
    assert plain.agrees(after(said.text, "Of what the loss sends in, "), 10.0 ** float(grid.left()[0, 0]))
    assert f"{T - 1} step{'s' if T > 2 else ''} back." in said.text


def test_one_step_has_no_step_to_go_back_to():
    said, _, grid = told(Experiment(T=1, task="constant"))
    assert plain.agrees(after(said.text, "One step: "), 10.0 ** float(grid.left()[0, 0]))
    assert "no step to go back to" in said.text


def test_a_crooked_curve_gets_no_rate_and_says_how_little_one_would_explain():
    said, reading, grid = told(Experiment(T=13))
    r2 = plain.line(grid.left()[0])[2]
    assert r2 < 0.9
    assert f"One rate would explain only {100 * r2:.0f}% of the curve" in said.text
    assert plain.agrees(after(said.text, "Of what the loss sends in, "), 10.0 ** float(grid.left()[0, 0]))


@pytest.mark.parametrize(("score", "steps", "n"), [("every step", "", 30), ("chosen steps", "10, 20, 30", 3)])
def test_several_losses_get_no_rate_and_are_measured_by_the_largest(score, steps, n):
    said, _, grid = told(Experiment(score=score, steps=steps))
    assert "Each step back" not in said.text
    assert f"{n} losses send gradient in" in said.text
    largest = max(float(np.sqrt((v * v).sum())) for v in grid.sent)
    size = float(np.sqrt((grid.delta[0][0] ** 2).sum()))
    assert plain.agrees(after(said.text, "Of the largest that one loss sends in, "), size / largest)


def test_a_single_loss_before_the_end_is_told_from_its_own_step():
    said, _, grid = told(Experiment(score="chosen steps", steps="20"))
    rate, _, r2 = plain.line(grid.left()[0][:20])
    assert r2 >= 0.9
    assert plain.agrees(after(said.text, "keeps "), rate)
    assert "19 steps back" in said.text
    assert abs(plain.log10(after(said.text, "19 steps back")) - float(grid.left()[0, 0])) < np.log10(1.5)


# Truncation.


def steps_without_a_pass(T, tau_max, tau_b, losses):
    """The steps, from 1, that no pass carrying a loss reaches, and the losses that enter no pass: counted one by one."""
    starts = [n for n in range(1, T + 1) if n % tau_b == 0 or n == T]
    left, unseen, before = set(range(1, T + 1)), set(losses), 0
    for n in starts:
        kept = set(range(max(1, n - tau_max + 1), n + 1))
        carried = {t for t in losses if before < t <= n} & kept
        if carried:
            left -= kept
        unseen -= carried
        before = n
    return left, unseen


@given(st.integers(2, 40), st.integers(1, 12), st.integers(1, 45), st.sampled_from(("last step", "every step")))
def test_truncation_counts_the_steps_that_get_nothing_and_the_losses_that_no_pass_sees(T, tau_max, tau_b, score):
    said, reading, grid = told(Experiment(T=T, cut=True, tau_max=tau_max, tau_b=tau_b, score=score, seed=3, width=2, depth=1))
    if tau_max >= T or reading.reference == 0:
        return
    losses = {T} if score == "last step" else set(range(1, T + 1))
    left, unseen = steps_without_a_pass(T, tau_max, tau_b, losses)
    if not left and not unseen and not said.text.startswith("Each pass"):  # then it took nothing away that counts
        whole = read(run(Experiment(T=T, score=score, seed=3, width=2, depth=1)))
        assert whole.log_ratio[0, 0] == pytest.approx(reading.log_ratio[0, 0], abs=1e-9)
        return
    assert set(np.flatnonzero((reading.state == CUT).all(axis=0)) + 1) == left
    assert "Each pass keeps " + ("1 column, no step back" if tau_max == 1 else
                                 f"{tau_max} columns, {tau_max - 1} step{'s' if tau_max > 2 else ''} back") in said.text
    n = len(left)
    first = left == set(range(1, n + 1))
    if n:
        which = "the first step" if first and n == 1 else f"{'the first ' if first else ''}{n} step{'s' if n > 1 else ''}"
        assert f": {which} get{'s' if n == 1 else ''} nothing at all." in said.text
    else:
        assert "nothing at all" not in said.text
        assert "every step is reached" in said.text
    if unseen:
        assert f"{len(unseen)} of {T} losses {'is' if len(unseen) == 1 else 'are'} seen by no pass." in said.text
    else:
        assert "seen by no pass" not in said.text


def test_truncation_says_what_would_have_arrived_uncut():
    cut = run(Experiment(cut=True, tau_max=8))
    whole = float(plain.grid(cut.network, cut.sequence, full(30)).left()[0, 0])
    said = flow(read(cut), whole).text
    assert abs(plain.log10(after(said, "Uncut, ")) - whole) < np.log10(1.5)
    assert "would have reached step 1." in said
    assert "Uncut" not in flow(read(cut)).text


def test_where_every_step_is_reached_the_cut_gradient_stands_beside_the_uncut():
    made = run(Experiment(cut=True, tau_max=8, tau_b=4, score="every step"))
    whole, cut = plain.grid(made.network, made.sequence, full(30)), plain.grid_of(made)
    sizes = [float(np.sqrt((g.delta[0][0] ** 2).sum()) / cut.reference) for g in (whole, cut)]
    said = flow(read(made), float(np.log10(sizes[0]))).text
    assert plain.agrees(after(said, "Uncut, "), sizes[0])
    assert plain.agrees(after(said, "cut, it is "), sizes[1])


def test_a_window_that_holds_the_whole_sequence_is_not_told_as_truncation():
    assert told(Experiment(cut=True, tau_max=30))[0] == told(Experiment())[0]


def test_a_schedule_that_sees_no_loss_says_so():
    said, reading, _ = told(Experiment(score="chosen steps", steps="1", cut=True, tau_max=2))
    assert said.text.startswith("No backward pass sees a loss: nothing flows back.")
    assert reading.losses == 0


@settings(max_examples=40)
@given(st.integers(1, 25), st.integers(1, 9), st.integers(1, 9), st.data())
def test_passes_that_carry_no_loss_can_be_left_out(T, tau_max, tau_b, data):
    scored = np.array(data.draw(st.lists(st.booleans(), min_size=T, max_size=T).filter(any)))
    rng = np.random.default_rng(T)
    network = Network([Layer(rng.standard_normal((2, 1)), rng.standard_normal((2, 2)))], rng.standard_normal((1, 2)))
    seq = Sequence(rng.standard_normal((T, 1)), rng.standard_normal((T, 1)), scored)
    every = truncated(T, tau_max, tau_b)
    some = every.carrying(scored)
    assert (some.seen() & scored == every.seen() & scored).all()
    one, other = (backward(network, seq, forward(network, seq), windows) for windows in (every, some))
    np.testing.assert_allclose(one.delta[0], other.delta[0], rtol=0, atol=1e-13 * max(1, np.abs(one.delta[0]).max()))
    np.testing.assert_allclose(one.dW_T[0], other.dW_T[0], rtol=0, atol=1e-12 * max(1, np.abs(one.dW_T[0]).max()))


# Zeros.


def test_a_shut_layer_is_named_with_its_step_and_with_how_far_the_others_carry():
    made = run(EXAMPLES["Dead ReLU"])
    said = flow(read(made)).text
    grid = plain.grid_of(made)
    l, t = (int(n) - 1 for n in re.search(r"At step (\d+), layer (\d+) is shut", said).groups()[::-1])
    assert not grid.slope[l][t].any()
    assert grid.grad_h[l][t].any()
    size = grid.size()
    first = min(int(np.flatnonzero(row)[0]) for row in size)
    carrying = [i + 1 for i, row in enumerate(size) if int(np.flatnonzero(row)[0]) == first]
    assert f"Layer {carrying[0]} carries it furthest, to step {first + 1}." in said
    assert len(carrying) == 1


def test_a_shut_top_layer_lets_nothing_arrive_anywhere():
    said, reading, grid = told(Experiment(cell="relu", bias=-1.0, input_scale=0.0))
    assert not grid.size().any()
    assert "At step 30, layer 3 is shut" in said.text
    assert "Nothing arrives anywhere." in said.text


@pytest.mark.parametrize(("changes", "held"), [
    ({"g": 0.0}, 30), ({"layers": "16 static, 16 static"}, 30), ({"input_scale": 0.0}, None)])
def test_an_exact_zero_without_a_shut_layer_is_a_missing_path(changes, held):
    said, reading, grid = told(Experiment(**changes))
    size = grid.size()
    assert size[0, 0] == 0
    assert said.text.startswith("Exactly 0 arrives at layer 1, step 1.")
    if held:
        assert int(np.flatnonzero(size[0])[0]) + 1 == held
        assert f"back to step {held}." in said.text
    else:
        assert not size[0].any()
        assert "Nothing arrives in layer 1" in said.text


def test_a_perfect_prediction_sends_nothing_back():
    said, reading, grid = told(Experiment(cell="relu", task="impulse", bias=-1.0))
    assert grid.reference == 0
    assert reading.loss == 0
    assert said.text == "The loss sends nothing back. The prediction is exact."


def test_a_flat_loss_that_is_not_zero_is_not_called_a_perfect_prediction():
    """Sigmoid cross-entropy at o = 0 with target 1/2: it cannot be less than log 2, and its slope is 0."""
    made = run_of(Network([Layer([[1.0]], [[0.0]], cell="linear")]), Sequence([[0.0]] * 3, [[0.5]] * 3, loss="sigmoid"))
    assert made.forward.C > 0
    said = told(made)[0].text
    assert said.startswith("The loss sends nothing back.")
    assert "exact" not in said
    assert "slope is 0" in said


# Beyond the range of a float.


@pytest.mark.parametrize("T", [700, 1000])
def test_a_state_that_overflows_is_named_with_its_layer_and_step(T):
    made = run(Experiment(cell="linear", g=3.0, T=T))
    said = flow(read(made)).text
    h = [np.zeros(16)] * 3
    with np.errstate(all="ignore"):
        for t in range(T):
            below = made.sequence.x[t]
            for l, layer in enumerate(made.network.layers):
                h[l] = layer.W_S @ below + layer.W_T @ h[l] + layer.b
                below = h[l]
            bad = [l for l in range(3) if not np.isfinite(h[l]).all()]
            if bad:
                break
    assert f"At step {t + 1} the state of layer {bad[0] + 1} overflows: there is no gradient to send back." in said
    assert "Each step back" not in said


def test_a_gradient_that_outgrows_a_float_is_named_where_it_does():
    """A chain of ×3 at rest: the state stays 0, δ at k steps back is 3ᵏ times what the loss sends."""
    layer = Layer([[0.0]], [[3.0]], cell="linear")
    made = run_of(Network([layer]), Sequence(np.zeros((700, 1)), np.ones((700, 1))))
    said = flow(read(made)).text
    k = next(k for k in range(700) if k * np.log10(3) > np.log10(np.finfo(float).max))
    assert f"In float64 it overflows at layer 1, step {700 - k}, {k} steps back." in said
    assert "699 steps back it is 3\u00a0×\u00a010³³³ times larger." in said


def test_a_gradient_that_underflows_is_named_where_it_does():
    said = flow(read(chain(0.1, 400))).text
    k = 324  # 1e-323 is the last power of a tenth that does not become 0
    assert f"In float64 layer 1 is lost from step {400 - k} down, {k} steps back." in said
    assert "399 steps back, 1\u00a0×\u00a010⁻³⁹⁹ of it is left." in said


@pytest.mark.parametrize(("precision", "k"), [("float32", 46), ("float16", 8), ("bfloat16", 41)])
def test_the_float_that_training_would_use_loses_a_gradient_where_that_float_becomes_0(precision, k):
    """A tenth a step: 1e-46 rounds to 0 in float32, 1e-8 in float16, 1e-41 in bfloat16, and ten times as much does not."""
    if precision != "bfloat16":
        assert np.dtype(precision).type(10.0**-k) == 0 < np.dtype(precision).type(10.0 ** (1 - k))
    layer = Layer([[0.0]], [[0.1]], cell="linear")
    made = run_of(Network([layer]), Sequence(np.zeros((60, 1)), np.ones((60, 1))))
    said = flow(read(made, precision=precision)).text
    assert f"In {precision} layer 1 is lost from step {60 - k} down, {k} steps back." in said


def test_a_nan_in_the_grid_is_never_told_as_a_rate():
    reading = read(chain(0.5, 30))
    for value in (np.inf, np.nan):
        made = reading.log_size.copy()
        made[0, 3] = value
        said = flow(replace(reading, log_size=made)).text
        assert "step 4, 26 steps back" in said
        assert "Each step back" not in said


# By hand.


@pytest.mark.parametrize(("score", "word"), [("last step", "The loss"), ("every step", "The largest loss")])
def test_single_units_are_told_with_signed_numbers(score, word):
    made = run(replace(EXAMPLES["By hand"], score=score))
    grid = plain.grid_of(made)
    said = flow(read(made)).text
    largest = max((float(v[0]) for v in grid.sent), key=abs)
    assert plain.agrees(after(said, f"{word} sends in "), largest)
    assert plain.agrees(re.search(r"(\S+) arrives at layer 1, step 1", said)[1], grid.delta[0][0][0])


def test_a_single_unit_that_underflows_is_not_told_as_zero():
    made = run(Experiment(init="by hand", width=1, depth=2, hand="1 100 1, 1 100 1", T=6))
    reading = read(made)
    assert reading.state[0, 0] == UNDERFLOW
    said = flow(reading).text
    assert "−1.4\u00a0×\u00a010⁻⁴²⁶ arrives at layer 1, step 1." in said
    assert "In float64 layer 1 is lost" in said


# All of them.


@settings(max_examples=150)
@given(small_experiments(), st.sampled_from(("delta", "grad_h")))
def test_any_sentence_has_two_plain_lines_without_nan_and_marks_its_state(experiment, quantity):
    made = run(experiment)
    reading = read(made, quantity)
    said = flow(reading)
    assert said.lead
    assert "nan" not in said.text.replace("or nan hold", "")
    assert "None" not in said.text
    assert "inf" not in said.text
    assert {role for _, role in (*said.lead, *said.consequence)} <= {"", "fades", "holds", "grows", "strong"}
    assert said.text == " ".join("".join(text for text, _ in line) for line in (said.lead, said.consequence) if line)
    assert re.fullmatch(r"\S.*\S", said.text)
    assert said.text.endswith(".")
    assert "  " not in said.text
    assert not re.search(r"\b1 (steps|losses|cells|columns)\b", said.text)
    if "Each step back" in said.text:
        assert reading.losses == 1
        assert reading.state[0, 0] == OK
    if "Exactly 0" in said.text:
        assert (reading.state == ZERO).any()


@settings(max_examples=60)
@given(st.integers(0, 3000), st.sampled_from(("tanh", "relu", "linear", "sigmoid")), st.floats(0.2, 2.0), st.integers(13, 40))
def test_a_rate_is_told_just_where_one_line_describes_the_curve(seed, cell, g, T):
    made = run(Experiment(cell=cell, g=round(g, 2), T=T, width=5, depth=2, seed=seed, init="Gaussian"))
    reading = read(made)
    if reading.reference == 0 or not (reading.state == OK).all():
        return
    rate, _, r2 = plain.line(plain.grid_of(made).left()[0])
    said = flow(reading).text
    left = reading.log_ratio[0, 0]
    if r2 >= 0.9001 and 0.93 <= rate <= 1.07 and (rate < 1) != (left < 0):
        assert "nearer the loss the factor is another" in said or "Each step back keeps 1.00" in said
    elif r2 >= 0.9001:
        assert plain.agrees(after(said, "Each step back keeps " if "keeps" in said else "multiplies the gradient by "), rate)
    elif r2 < 0.8999 and not 0.92 < rate < 1.08:
        assert "Each step back" not in said


def test_a_rate_near_1_is_not_told_beside_what_contradicts_it():
    reading = read(run(EXAMPLES["Trained"]))
    rate, left = reading.fit().rate, reading.log_ratio[0, 0]
    assert rate > 1 > 10.0**left
    said = flow(reading).text
    assert said.startswith("Of what the loss sends in, 0.83 is there")
    assert "nearer the loss the factor is another" in said
    for name in ("Edge", "Identity start"):
        assert flow(read(run(EXAMPLES[name]))).text.startswith("Each step back keeps 1.00")
