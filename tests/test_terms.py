"""What a step adds to a gradient is what the loss feels when the weight is nudged at that step alone."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import problems

from rnnviz.cells import CELLS
from rnnviz.examples import EXAMPLES
from rnnviz.experiment import Experiment, run, trace
from rnnviz.flow import SHORT
from rnnviz.network import Layer, Network
from rnnviz.tasks import Sequence
from rnnviz.terms import NAMES, Amount, amount, term
from rnnviz.windows import full, truncated

BY_LAYER = ("W_S", "W_T", "b", "h_0")


def nudged(network, sequence, windows, name, l, t=None):
    """d(losses)/d(weight) by complex step, pass by pass: the weight nudged at every step a pass reaches, or at t alone."""
    site = (name, l if name in BY_LAYER else None)
    shape = reference.shape_of(network, sequence, site)
    size, steps, total = int(np.prod(shape)), np.arange(sequence.T), np.zeros(int(np.prod(shape)))
    nudge = (1j * reference.H * np.eye(size)).reshape(size, *shape)
    for first, since, last in zip(windows.first, windows.since, windows.last, strict=True):
        inside = (first <= steps) & (steps <= last) & (True if t is None else steps == t)
        loss, _ = reference.losses(network, sequence, {site: nudge}, inside)
        carried = (since <= steps) & (steps <= last) & sequence.scored
        total = total + loss[..., carried].sum(axis=-1).imag / reference.H
    return total.reshape(shape)


def exists(network, name, l):
    if name in ("W_out", "b_out"):
        return network.W_out is not None
    return name not in ("W_T", "h_0") or network.layers[l].recurrent


def assert_amount(got, true, scale):
    """Size and numbers are those of the array, as closely as sums of this scale can be."""
    assert got.size == pytest.approx(np.linalg.norm(true), rel=1e-9, abs=1e-11 * scale)
    if got.numbers is not None:
        np.testing.assert_allclose(got.numbers, np.ravel(true), rtol=1e-9, atol=1e-11 * scale)


@settings(max_examples=150)
@given(problems(), st.sampled_from(NAMES), st.data())
def test_a_term_and_its_gradient_are_those_of_the_complex_step(problem, name, data):
    network, sequence, windows = problem
    l, t = data.draw(st.integers(0, len(network.layers) - 1)), data.draw(st.integers(0, sequence.T - 1))
    if not exists(network, name, l):
        return
    made = term(trace(network, sequence, windows), name, l, t)
    at = 0 if name == "h_0" else t
    whole, own = nudged(network, sequence, windows, name, l), nudged(network, sequence, windows, name, l, at)
    if name == "x":
        whole, own = whole[t], own[t]
    scale = 1.0 + np.abs(whole).sum()
    assert_amount(made.total, whole, scale)
    assert_amount(made.own, own, scale)
    assert made.own.size == pytest.approx(np.prod([f.size for f in made.factors]), rel=1e-9) or name in ("x", "h_0")


@settings(max_examples=80)
@given(problems(), st.sampled_from(("W_S", "W_T", "b", "W_out", "b_out")), st.data())
def test_the_steps_that_count_are_those_of_the_schedule_and_the_others_add_nothing(problem, name, data):
    network, sequence, windows = problem
    l = data.draw(st.integers(0, len(network.layers) - 1))
    if not exists(network, name, l):
        return
    made = trace(network, sequence, windows)
    spans = list(zip(windows.first.tolist(), windows.since.tolist(), windows.last.tolist(), strict=True))
    carried = [sequence.scored[t] and any(since <= t <= last for _, since, last in spans) for t in range(sequence.T)]
    passes = [sum(first <= t <= last for first, _, last in spans) for t in range(sequence.T)]
    counted = carried if name.endswith("_out") else [p > 0 for p in passes]
    for t in range(sequence.T):
        got = term(made, name, l, t)
        assert (got.counted, got.passes, got.reached) == (counted[t], passes[t], passes[t] > 0)
        assert (got.count, got.T) == (sum(counted), sequence.T)
        assert got.unseen == sum(s and not c for s, c in zip(sequence.scored, carried, strict=True))
        if any(counted):
            assert (got.first, got.last) == (counted.index(True), sequence.T - 1 - counted[::-1].index(True))
        else:
            assert (got.first, got.last) == (-1, -1)
        if not counted[t]:
            assert got.own.size == 0


@settings(max_examples=60)
@given(problems(max_width=1), st.sampled_from(("W_S", "W_T", "b")))
def test_the_signed_terms_of_a_single_weight_add_up_to_its_gradient(problem, name):
    network, sequence, windows = problem
    if not exists(network, name, 0) or network.n_in > 1:
        return
    terms = [term(trace(network, sequence, windows), name, 0, t) for t in range(sequence.T)]
    parts = [part.own.number for part in terms]
    assert sum(parts) == pytest.approx(terms[0].total.number, rel=1e-9, abs=1e-12 * (1 + sum(map(abs, parts))))


# What is kept.


@pytest.mark.parametrize("n", [1, 2, SHORT, SHORT + 1, 40])
def test_the_numbers_of_a_vector_are_kept_up_to_six(n):
    values = np.linspace(-1.0, 1.0, n)
    assert amount(values).numbers == (tuple(values.tolist()) if n <= 6 else None)
    assert amount(values).size == pytest.approx(np.sqrt((values**2).sum()))


def test_a_matrix_has_a_number_only_where_it_is_one_by_one():
    assert amount(np.array([[-2.0]])) == Amount(2.0, (-2.0,))
    assert amount(np.array([[-2.0]])).number == -2.0
    assert amount(np.array([[3.0, 4.0]])) == Amount(5.0, None)
    assert amount(np.array([3.0, 4.0])).number is None


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_a_size_is_right_where_its_square_leaves_the_float_range(size):
    assert amount(np.full(9, -size)).size == pytest.approx(3 * size)
    assert amount(np.full((3, 3), size)).size == pytest.approx(3 * size)


@pytest.mark.parametrize("name", NAMES)
def test_a_term_of_a_wide_layer_is_no_larger_than_one_of_a_single_unit(name):
    wide, narrow = (len(pickle.dumps(term(run(Experiment(width=n, T=40)), name, 1, 3))) for n in (100, 1))
    assert wide <= narrow


def test_a_step_before_which_there_is_no_state_is_a_structural_zero():
    rng = np.random.default_rng(0)
    sequence = Sequence(rng.standard_normal((4, 2)), rng.standard_normal((4, 3)), np.ones(4, bool))
    layer = Layer(rng.standard_normal((3, 2)), rng.standard_normal((3, 3)))
    from_nothing = trace(Network([layer]), sequence)
    from_a_state = trace(Network([replace(layer, h_0=np.array([0.1, 0.0, 0.0]))]), sequence)
    assert term(from_nothing, "W_T", 0, 0).structural_zero
    assert term(from_nothing, "W_T", 0, 0).own.size == 0
    assert not term(from_a_state, "W_T", 0, 0).structural_zero
    assert not term(from_nothing, "W_T", 0, 1).structural_zero
    assert not term(from_nothing, "W_S", 0, 0).structural_zero


# Where a gradient stands.


def test_the_readout_is_of_the_top_layer_the_input_below_the_first_and_the_initial_state_before_the_first_step():
    made = run(Experiment(depth=3, T=7))

    def places(name, layers, steps):
        return {(found.layer, found.step) for l in layers for t in steps if (found := term(made, name, l, t))}

    assert places("W_out", range(3), [5]) == places("b_out", range(3), [5]) == {(2, 5)}
    assert places("x", range(3), [5]) == {(0, 5)}
    assert places("h_0", [1], range(7)) == {(1, 0)}
    assert [term(made, "W_T", l, 5).top for l in range(3)] == [False, False, True]


def test_what_does_not_exist_is_refused_in_a_plain_sentence():
    made, static = run(Experiment(T=5)), run(Experiment(layers="4, 4 static", T=5))
    by_hand = run(EXAMPLES["By hand"])
    for run_, name, l, t, said in (
        (made, "W", 0, 0, "name is 'W'; it must be one of W_S, W_T, b, W_out, b_out, x, h_0"),
        (made, "W_S", 3, 0, "layer is 4; it must be 1 to 3"),
        (made, "W_S", -1, 0, "layer is 0; it must be 1 to 3"),
        (made, "b", 0, 5, "step is 6; it must be 1 to 5"),
        (made, "x", 0, -1, "step is 0; it must be 1 to 5"),
        (static, "W_T", 1, 0, "layer 2 is not recurrent; it has no W_T"),
        (static, "h_0", 1, 0, "layer 2 is not recurrent; it has no W_T"),
        (by_hand, "W_out", 0, 0, "there is no readout, so no W_out; y is the state of the top layer"),
        (by_hand, "b_out", 0, 0, "there is no readout, so no b_out; y is the state of the top layer"),
    ):
        with pytest.raises(ValueError) as refused:
            term(run_, name, l, t)
        assert str(refused.value) == said


def test_where_a_state_overflows_there_is_no_term():
    layer = Layer(np.ones((1, 1)), np.full((1, 1), 1e200), cell="linear")
    made = trace(Network([layer]), Sequence(np.ones((4, 1)), np.zeros((4, 1))))
    with pytest.raises(ValueError, match="the state of layer 1 overflows at step 3; there is no gradient"):
        term(made, "W_S", 0, 0)


def test_a_cell_with_gates_is_refused_because_these_formulas_are_not_its_own(monkeypatch):
    made = run(Experiment(T=5))
    monkeypatch.setitem(CELLS, "tanh", replace(CELLS["tanh"], gates=4, states=2))
    with pytest.raises(ValueError, match="layer 1 is tanh; these formulas are those of cells without gates"):
        term(made, "W_T", 0, 0)
    assert term(made, "W_out", 0, 4).count == 1


def test_a_pass_that_reaches_all_columns_leaves_every_term_as_it_is():
    made = run(Experiment(depth=2, width=3, T=6, score="every step"))
    again = trace(made.network, made.sequence, truncated(6, 6, 6))
    whole = trace(made.network, made.sequence, full(6))
    for name in NAMES:
        for t in range(6):
            assert term(again, name, 1, t) == term(whole, name, 1, t)
