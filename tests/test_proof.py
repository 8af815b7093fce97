"""The proof beside the picture: it agrees where backward is right, and only there.

That complex step finds the right derivative is shown in test_bptt.py, by loops of its own. Here wrong gradients are made on
purpose, and what cannot be checked must be said in words.
"""

from dataclasses import replace

import numpy as np
import pytest
import reference
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import problems, targets
from test_bptt import lstm, update_gate

from rnnviz import proof
from rnnviz.bptt import forward
from rnnviz.cells import CELLS, Cell
from rnnviz.examples import EXAMPLES
from rnnviz.experiment import Experiment, run, trace
from rnnviz.network import Layer, Network
from rnnviz.proof import parameters, problem, prove, step_cost
from rnnviz.tasks import LOSSES, Sequence
from rnnviz.windows import Windows, full, one_pass_per_loss, truncated

pytestmark = pytest.mark.filterwarnings("error")

ALL = dict(samples=10**6, budget=10**10)
FIELDS = {"h_0": "dh_0", "W_S": "dW_S", "W_T": "dW_T", "b": "db"}


def stack_of(cell, n_in, widths=(3, 2), n_out=2, gain=0.7, seed=5):
    """A network of one kind of cell, with a readout."""
    rng = np.random.default_rng(seed)
    k, states, layers = CELLS[cell].gates, CELLS[cell].states, []
    for n in widths:
        layers.append(Layer(rng.standard_normal((k * n, n_in)), gain * rng.standard_normal((k * n, n)) / np.sqrt(n),
                            0.3 * rng.standard_normal(k * n), cell, rng.standard_normal(states * n)))
        n_in = n
    return Network(layers, rng.standard_normal((n_out, n_in)), rng.standard_normal(n_out))


def noise(T, n_in, n_out, loss="half squared", scored=None, seed=6):
    rng = np.random.default_rng(seed)
    return Sequence(rng.standard_normal((T, n_in)), targets(rng, T, n_out, loss), scored, loss)


def with_gradient(ran, parameter, gradient):
    """The run with another gradient of one parameter."""
    if parameter.kind in FIELDS:
        name = FIELDS[parameter.kind]
        changed = list(getattr(ran.backward, name))
        changed[parameter.layer] = gradient
        change = {name: tuple(changed)}
    else:
        change = {"d" + parameter.kind: gradient}
    return replace(ran, backward=replace(ran.backward, **change))


def with_entry_wrong(ran, parameter, entry, share=1e-3):
    """The run with one entry of one gradient wrong by a share of the largest (of all gradients, if that is 0)."""
    largest = max(p.peak for p in parameters(ran.network, ran.backward)) or 1.0
    wrong = parameter.gradient.copy()
    wrong[np.unravel_index(entry, wrong.shape)] += share * (parameter.peak or largest)
    return with_gradient(ran, parameter, wrong)


# Where backward is right.


@settings(max_examples=250)
@given(problems())
def test_every_number_of_every_small_problem_agrees_or_the_reason_is_a_kink_or_no_or_too_small_a_loss(drawn):
    ran = trace(*drawn)
    found = prove(ran, **ALL)
    if found.problem:
        tiny = "saturated" in found.problem and np.abs(ran.forward.slope_out).max() < 1e-6
        assert tiny or "kink" in found.problem or "No loss" in found.problem
        assert np.isnan(found.disagreement)
        assert (found.checked, found.passes, found.worst) == (0, 0, ())
    else:
        assert found.disagreement < 1e-11
        assert found.checked == found.numbers == sum(p.gradient.size for p in parameters(ran.network, ran.backward))
        assert found.passes == found.all_passes
        assert found.left_out == ()


@pytest.mark.parametrize("windows", [full(6), truncated(6, 3, 2), truncated(6, 2, 4), truncated(6, 3, 1),
                                     Windows(6, [0, 0, 2], [0, 2, 4], [1, 2, 5])])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_and_loss_agrees_under_every_kind_of_schedule(cell, loss, windows):
    ran = trace(stack_of(cell, 2), noise(6, 2, 2, loss, np.arange(6) != 1), windows)
    assert prove(ran, **ALL).disagreement < 1e-13


@pytest.mark.parametrize("gated", [lstm, update_gate])
def test_a_gated_cell_entered_in_the_table_agrees_without_a_word_about_it(gated, monkeypatch):
    monkeypatch.setitem(CELLS, "gated", gated())
    network, seq = stack_of("gated", 2), noise(6, 2, 2, "softmax", np.ones(6, bool))
    for windows in (full(6), truncated(6, 3, 2)):
        found = prove(trace(network, seq, windows), **ALL)
        assert found.disagreement < 1e-13
        assert found.checked == found.numbers


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_agrees_in_all_its_numbers_or_stands_at_a_kink(name):
    ran = run(EXAMPLES[name])
    if "kink" not in (problem(ran) or ""):
        assert prove(ran, **ALL).disagreement < 1e-13
        assert prove(ran).disagreement < 1e-13
    else:
        assert EXAMPLES[name].cell == "relu"


def test_twelve_layers_agree():
    assert prove(run(Experiment(depth=12, width=6, T=8, score="every step", cut=True, tau_max=3, tau_b=2))).disagreement < 1e-13


def test_a_chaotic_network_agrees_along_the_path_on_screen():
    ran = run(Experiment(g=3.0, T=300, bias=0.3))
    elsewhere = run(replace(ran.experiment, bias=0.3 + 1e-15))
    assert np.abs(elsewhere.forward.h[0] - ran.forward.h[0]).max() > 0.1  # rounding alone leads to another path
    assert prove(ran).disagreement < 1e-12


def test_what_a_nudge_moves_is_what_plain_loops_find_of_each_pass():
    network, seq, windows = stack_of("tanh", 2), noise(6, 2, 2, scored=np.ones(6, bool)), truncated(6, 4, 2)
    ran = trace(network, seq, windows)
    for parameter in parameters(network, ran.backward):
        site = (parameter.kind, parameter.layer if parameter.kind in FIELDS else None)
        entries = np.ndindex(*parameter.gradient.shape)
        nudges = {(parameter.kind, parameter.layer): [(row, index, 1e-40) for row, index in enumerate(entries)]}
        for p in range(windows.P):
            moved = proof._losses_moved(ran, windows.first[p], windows.since[p], windows.last[p], nudges,
                                        parameter.gradient.size, lambda: None)
            expected = reference.derivative(network, seq, site, windows, p)
            np.testing.assert_allclose(moved.reshape(expected.shape) / 1e-40, expected, rtol=0, atol=1e-13)


def test_the_same_run_has_the_same_proof():
    ran = run(Experiment())
    assert prove(ran) == prove(ran) == prove(run(Experiment()))


# Where a gradient is wrong.


@given(problems(), st.data())
def test_one_wrong_entry_of_a_small_network_is_always_found_and_named(drawn, data):
    ran = trace(*drawn)
    assume(not problem(ran))
    parameter = data.draw(st.sampled_from(parameters(ran.network, ran.backward)))
    entry = data.draw(st.integers(0, parameter.gradient.size - 1))
    found = prove(with_entry_wrong(ran, parameter, entry), **ALL)
    assert found.disagreement > 4e-4
    assert found.worst == (parameter.name,)


def test_a_wrong_entry_of_a_large_matrix_is_found_if_and_only_if_it_is_sampled():
    ran = run(Experiment())
    matrix = next(p for p in parameters(ran.network, ran.backward) if p.name == "W_T2")
    largest = np.abs(matrix.gradient).argmax()
    entries = [entry for entry in range(matrix.gradient.size) if entry != largest]
    found = [prove(with_entry_wrong(ran, matrix, entry, 1e-6)) for entry in entries]
    seen = [one.worst == ("W_T2",) and one.disagreement > 9e-7 for one in found]
    assert sum(seen) in (1, 2)  # 32 samples are 2 for each of 14 parameters; the largest entry may be one
    assert all(one.disagreement < 1e-13 for one, yes in zip(found, seen, strict=True) if not yes)


@pytest.mark.parametrize("experiment", [Experiment(), Experiment(cell="relu", seed=127), Experiment(depth=12, width=8, T=20)])
@pytest.mark.parametrize("runs", [2, 1000])
def test_a_gradient_of_twice_its_size_is_found_for_every_parameter_whether_or_not_runs_are_shared(experiment, runs):
    ran = run(experiment)
    once, each = step_cost(ran.network)
    for parameter in parameters(ran.network, ran.backward):
        found = prove(with_gradient(ran, parameter, 2.0 * parameter.gradient), budget=experiment.T * (once + runs * each))
        assert found.disagreement >= 0.5 * proof.PLAIN * (1 - 1e-9)
        assert parameter.name in found.worst
        assert (found.worst == (parameter.name,)) == (runs == 1000)


def test_a_cell_with_a_wrong_slope_is_found_under_every_budget(monkeypatch):
    right = CELLS["tanh"]
    wrong = Cell(right.step, lambda z, state: right.slopes(z, state) * 1.01, right.pullback, 1.0)
    monkeypatch.setitem(CELLS, "tanh", wrong)
    ran = run(Experiment(T=60, score="every step", cut=True, tau_max=10, tau_b=1))
    for budget in (10**10, 10**7, 10**6, 3 * 10**5):
        found = prove(ran, budget=budget)
        assert found.problem is None
        assert found.disagreement > 1e-3


def test_a_schedule_that_sends_back_less_than_it_says_is_found():
    ran = run(Experiment(T=20, score="every step", cut=True, tau_max=5, tau_b=2))
    less = trace(ran.network, ran.sequence, truncated(20, 4, 2))
    assert prove(replace(ran, backward=less.backward)).disagreement > 1e-3


# What cannot be checked.


def kinked(x, h_0=None, W_out=((1.0, 1.0),)):
    """Two relu layers of two units without bias: a unit with input and state 0 is at its kink."""
    rng = np.random.default_rng(3)
    layers = [Layer(np.abs(rng.standard_normal((2, 1))), np.abs(rng.standard_normal((2, 2))), cell="tanh"),
              Layer(np.abs(rng.standard_normal((2, 2))), np.abs(rng.standard_normal((2, 2))), cell="relu", h_0=h_0)]
    return Network(layers, np.array(W_out)), Sequence(np.array(x)[:, None], np.ones((len(x), 1)), np.ones(len(x), bool))


def test_a_relu_at_its_kink_is_named_by_layer_and_step_counted_from_1():
    found = prove(trace(*kinked([0.0, 0.0, 1.0, 1.0])))
    assert found.problem == "A unit of layer 2 is exactly at its kink, z = 0, at step 1; there is no derivative there."
    assert np.isnan(found.disagreement)
    network, seq = kinked([1.0, 1.0])
    assert prove(trace(network, seq)).disagreement < 1e-13
    started = kinked([0.0, 0.0, 1.0, 1.0], h_0=np.ones(2))
    assert prove(trace(*started)).problem is None


def test_a_kink_that_no_loss_depends_on_or_no_pass_reaches_is_none():
    assert prove(trace(*kinked([0.0, 1.0], W_out=((0.0, 0.0),)))).problem is None
    network, seq = kinked([0.0, 1.0, 1.0])
    assert prove(trace(network, seq, Windows(3, [1], [2], [2]))).problem is None
    assert "kink" in prove(trace(network, seq, Windows(3, [0], [2], [2]))).problem


def test_smooth_cells_have_no_kink_and_a_new_one_with_a_kink_is_noticed():
    assert {name for name, cell in CELLS.items() if proof._has_kink(cell)} == {"relu"}
    leaky = Cell(CELLS["relu"].step, lambda z, state: np.where(z > 0, 1.0, 0.01), CELLS["relu"].pullback, 1.0)
    assert proof._has_kink(leaky)
    assert not proof._has_kink(lstm())


def test_an_overflow_is_named_by_layer_and_step_counted_from_1():
    network = Network([Layer([[1.0]], [[1.0]], cell="linear"), Layer([[1e200]], [[1e200]], cell="linear")])
    ran = trace(network, Sequence(np.ones((4, 1)), np.ones((4, 1))))
    assert ran.forward.overflow == (1, 1)
    found = prove(ran)
    assert found.problem == "The state of layer 2 overflows at step 2, so there is no gradient to check."
    assert found.numbers == 4 + 2 * 4


def test_a_gradient_that_is_infinite_is_named():
    network = Network([Layer([[1.0]], [[1e200]], cell="linear")])
    ran = trace(network, Sequence(np.full((2, 1), 1e50), np.ones((2, 1)), np.array([False, True])))
    assert ran.forward.overflow is None
    assert prove(ran).problem == "The gradient of x is infinite or not a number."


def test_a_schedule_that_no_loss_enters_is_said():
    network, seq = stack_of("tanh", 2), noise(4, 2, 2, scored=np.arange(4) == 0)
    assert prove(trace(network, seq, truncated(4, 2, 4))).problem == \
        "No loss enters a backward pass, so there is nothing to differentiate."


def test_complex_numbers_that_overflow_where_real_ones_do_not_are_said():
    network = Network([Layer([[1.0]], [[0.5]], cell="sigmoid")])
    ran = trace(network, Sequence(np.array([[-2000.0], [1.0]]), np.ones((2, 1))))
    assert prove(ran).problem == "In complex numbers the forward pass leaves the float range."


@pytest.mark.parametrize("size", [1e-286, 1e-200, 1e-100, 1e-30, 1.0, 1e30, 1e100, 1e150])
def test_gradients_of_very_different_sizes_are_compared_to_the_last_digits(size):
    network = stack_of("tanh", 2)
    network = replace(network, W_out=min(1.0, size) * network.W_out)
    ran = trace(network, replace(noise(5, 2, 2), target=np.full((5, 2), -max(1.0, size))))
    below = [p for p in parameters(network, ran.backward) if p.kind in FIELDS]
    assert all(1e-3 < p.peak / size < 1e3 for p in below)
    found = prove(ran, **ALL)
    assert found.disagreement < 1e-13
    assert found.checked == found.numbers
    assert prove(with_entry_wrong(ran, below[2], 0, 1e-8), **ALL).disagreement > 9e-9


def test_a_gradient_too_small_for_a_nudge_is_left_out_by_name_and_the_rest_is_compared():
    layers = [Layer([[1.0]], [[1e-75]], cell="linear", h_0=[1.0])]
    ran = trace(Network(layers), Sequence(np.ones((4, 1)), np.zeros((4, 1))))
    assert 0 < abs(ran.backward.dh_0[0][0]) < proof.SMALLEST
    found = prove(ran)
    assert found.left_out == ("h1",)
    assert found.disagreement < 1e-13
    assert found.checked == found.numbers - 1


def test_gradients_that_are_all_too_small_are_said():
    network = Network([Layer([[1.0]], [[1.0]], h_0=[0.5])])
    seq = Sequence(np.ones((3, 1)), np.zeros((3, 1)))
    tiny = replace(seq, target=forward(network, seq).y)
    ran = trace(network, tiny)
    for parameter in parameters(network, ran.backward):
        ran = with_gradient(ran, parameter, np.full(parameter.gradient.shape, 1e-295))
    assert prove(ran).problem == "Every gradient is smaller than 1e-290 or larger than 1e+260, beyond any nudge."


def test_gradients_that_are_all_0_agree_with_a_network_that_has_none():
    blank = Sequence(np.ones((4, 2)), np.zeros((4, 2)), np.ones(4, bool))
    network = stack_of("tanh", 2)
    seq = replace(blank, target=forward(network, blank).y)
    ran = trace(network, seq)
    found = prove(ran, **ALL)
    assert found.disagreement < 1e-15
    assert prove(with_entry_wrong(ran, parameters(network, ran.backward)[0], 3), **ALL).disagreement > 4e-4


def test_a_batch_is_refused():
    network = Network([Layer(np.ones((5, 2, 1)))])
    with pytest.raises(ValueError, match="a batch cannot be checked"):
        prove(trace(network, Sequence(np.ones((4, 1)), np.ones((4, 2)))))


# What it costs.


class Work:
    """Counts what is computed in the complex steps of one kind of cell."""

    def __init__(self, cell):
        self.step_of_cell, self.numbers, self.calls = cell.step, 0, 0
        self.cell = replace(cell, step=self.step)

    def step(self, a_S, a_T, state, z, new):
        if np.iscomplexobj(a_S):
            self.numbers += new.size
            self.calls += 1
        self.step_of_cell(a_S, a_T, state, z, new)


SCHEDULES = [full(40), truncated(40, 10, 1), truncated(40, 5, 5), one_pass_per_loss(np.ones(40, bool))]


@pytest.mark.parametrize("windows", SCHEDULES)
@pytest.mark.parametrize("budget", [10**5, 10**6, 3 * 10**6, 10**7, 10**8])
def test_the_work_stays_within_the_budget_and_is_not_refused_where_one_run_fits(windows, budget, monkeypatch):
    work = Work(CELLS["tanh"])
    monkeypatch.setitem(CELLS, "tanh", work.cell)
    network = stack_of("tanh", 2, widths=(8, 8))
    ran = trace(network, noise(40, 2, 2, scored=np.ones(40, bool)), windows)
    found = prove(ran, budget=budget)
    once, each = step_cost(network)
    units = sum(network.widths)
    assert work.calls * once / len(network.layers) + work.numbers * each / units <= budget
    least = (once + each) * int((windows.last - windows.first + 1).max())
    if least > budget:
        assert work.calls == 0
        assert found.problem == f"One run of the check needs {least / 1e6:,.0f} million multiply-adds; the limit is 0 million."
    else:
        assert found.disagreement < 1e-13
        assert 1 <= found.passes <= found.all_passes
        assert found.checked >= len(parameters(network, ran.backward))


def test_a_smaller_budget_gives_up_samples_then_passes_then_runs_of_ones_own():
    ran = run(Experiment(T=60, score="every step", cut=True, tau_max=10, tau_b=1))
    found = [prove(ran, budget=budget) for budget in (10**9, 10**8, 10**7, 3 * 10**5)]
    assert [one.all_passes for one in found] == [51] * 4
    assert found[0].passes == found[1].passes == 51
    assert found[0].checked > found[1].checked == found[2].checked == found[3].checked == len(
        parameters(ran.network, ran.backward))
    assert 51 > found[2].passes > found[3].passes == 1
    assert len(found[2].worst) == 1 < len(found[3].worst)
    assert all(one.disagreement < 1e-13 for one in found)


def test_the_default_experiment_is_checked_well_within_the_budget():
    ran = run(Experiment())
    once, each = step_cost(ran.network)
    assert 30 * (once + proof.SAMPLES * each) < proof.BUDGET / 10


def test_a_checkpoint_is_called_every_500_steps_and_may_stop():
    ran, marks = run(Experiment(depth=1, width=2, T=2000)), []
    prove(ran, checkpoint=lambda: marks.append(1))
    assert len(marks) >= 4

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prove(ran, checkpoint=stop)
