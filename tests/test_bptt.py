"""The backward pass against a second opinion, and the laws of its state.

Tolerance: numbers here are sums of at most a few hundred products of size one or so (gain 1.2 or less, 6 steps), each
rounded at 1.1e-16; 1e-11 of the largest entry is a thousandfold margin and still ten digits short of a missing factor.
"""

import tracemalloc
from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import plain
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import networks, problems, scores, seeds, sequences, targets

from rnnviz import bptt, products
from rnnviz.bptt import backward, forward
from rnnviz.cells import CELLS, Cell
from rnnviz.network import Layer, Network, orthogonal
from rnnviz.tasks import LOSSES, TASKS, Sequence, sequence
from rnnviz.windows import Windows, full, one_pass_per_loss, truncated

pytestmark = pytest.mark.filterwarnings("error")


def close(found, expected, of=1e-11):
    expected = np.asarray(expected)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=of * max(1.0, np.abs(expected).max(initial=0)))


def parameters(network):
    """Every site of a network and its sequence, and how to find its gradient in a Backward."""
    for l, layer in enumerate(network.layers):
        yield ("W_S", l), lambda sent, l=l: sent.dW_S[l]
        yield ("b", l), lambda sent, l=l: sent.db[l]
        yield ("h_0", l), lambda sent, l=l: sent.dh_0[l]
        if layer.recurrent:
            yield ("W_T", l), lambda sent, l=l: sent.dW_T[l]
    yield ("x", None), lambda sent: sent.dx
    if network.W_out is not None:
        yield ("W_out", None), lambda sent: sent.dW_out
        yield ("b_out", None), lambda sent: sent.db_out


CELL_SITES = {"delta": "z", "grad_h": "h", "from_space": "up", "from_time": "next"}


def check_parameters(network, seq, windows):
    sent = backward(network, seq, forward(network, seq), windows)
    for site, read in parameters(network):
        passes = [reference.derivative(network, seq, site, windows, p) for p in range(windows.P)]
        close(read(sent), sum(passes))


def check_cells(network, seq, windows):
    apart = backward(network, seq, forward(network, seq), windows, per_pass=True)
    for l in range(len(network.layers)):
        for name, site in CELL_SITES.items():
            found = getattr(apart, name)[l]
            assert len(found) == windows.P
            for p in range(windows.P):
                close(found[p], reference.derivative(network, seq, (site, l), windows, p))


def arrays(sent):
    """Every plain array of a Backward by name."""
    for f in fields(sent):
        value = getattr(sent, f.name) if f.name != "far" else None
        for l, array in enumerate(value if isinstance(value, tuple) else (value,)):
            if array is not None:
                yield f"{f.name}[{l}]", array


def same_bits(one, other):
    a, b = dict(arrays(one)), dict(arrays(other))
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def same_numbers(one, other, of=1e-11):
    a, b = dict(arrays(one)), dict(arrays(other))
    assert a.keys() == b.keys()
    for name in a:
        close(a[name], b[name], of)


def summed(apart):
    """A Backward of passes kept apart, its cells added up."""
    return replace(apart, **{name: tuple(array.sum(axis=0) for array in getattr(apart, name)) for name in CELL_SITES})


def run(network, seq, windows=None, **how):
    return backward(network, seq, forward(network, seq), windows, **how)


# Against the second opinion.


@given(problems())
def test_forward_gives_the_states_and_losses_of_a_plain_loop(problem):
    network, seq, _ = problem
    trace = forward(network, seq)
    loss, o = reference.losses(network, seq)
    close(trace.loss, np.where(seq.scored, loss.real, 0.0))
    assert trace.C == trace.loss.sum()
    assert trace.overflow is None
    y = LOSSES[seq.loss](o, seq.target)[0]
    close(trace.y, y.real)
    for layer, z, state, h in zip(network.layers, trace.z, trace.state, trace.h, strict=True):
        assert z.shape == (seq.T, layer.n)
        np.testing.assert_array_equal(state[0], layer.h_0)
        np.testing.assert_array_equal(state[1:], h)
        close(h, reference.PHI[layer.cell](z + 0j).real)


@settings(max_examples=250)
@given(problems())
def test_every_gradient_is_the_derivative_of_the_losses_each_pass_carries(problem):
    check_parameters(*problem)


@settings(max_examples=250)
@given(problems())
def test_delta_grad_h_and_both_messages_are_derivatives_at_single_cells(problem):
    check_cells(*problem)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_and_task_has_exact_gradients_under_truncation(cell, task):
    seq = sequence(task, 6, scored=np.arange(6) % 2 == 1, text="abca")
    rng = np.random.default_rng(5)
    n_in, n_out = seq.x.shape[1], seq.target.shape[1]
    gates, states = CELLS[cell].gates, CELLS[cell].states
    stack, below = [], n_in
    for n in (3, 2):
        stack.append(Layer(rng.standard_normal((gates * n, below)), 0.7 * rng.standard_normal((gates * n, n)),
                           0.3 * rng.standard_normal(gates * n), cell, rng.standard_normal(states * n)))
        below = n
    network = Network(stack, rng.standard_normal((n_out, below)), rng.standard_normal(n_out))
    for windows in (full(6), truncated(6, 3, 2)):
        check_parameters(network, seq, windows)
        check_cells(network, seq, windows)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_has_exact_gradients_through_two_layers(loss):
    rng = np.random.default_rng(6)
    seq = Sequence(rng.standard_normal((5, 2)), targets(rng, 5, 3, loss), np.ones(5, bool), loss)
    network = Network([Layer(rng.standard_normal((4, 2)), 0.5 * rng.standard_normal((4, 4))),
                       Layer(rng.standard_normal((2, 4)), 0.5 * rng.standard_normal((2, 2)), cell="relu")],
                      rng.standard_normal((3, 2)))
    for windows in (full(5), truncated(5, 2, 2)):
        check_parameters(network, seq, windows)


@given(problems())
def test_complex_numbers_pass_through_forward_and_carry_the_full_gradient(problem):
    network, seq, _ = problem
    sent = run(network, seq)
    rng = np.random.default_rng(0)

    def nudged(array):
        direction = rng.standard_normal(array.shape)
        return array + 1j * reference.H * direction, direction

    for l, layer in enumerate(network.layers):
        for name in ("W_S", "W_T", "b", "h_0"):
            if getattr(layer, name) is None:
                continue
            moved, direction = nudged(getattr(layer, name))
            stack = [*network.layers[:l], replace(layer, **{name: moved}), *network.layers[l + 1:]]
            slope = forward(replace(network, layers=stack), seq).C.imag / reference.H
            close(np.array(slope), (getattr(sent, "d" + name)[l] * direction).sum())
    if network.W_out is not None:
        for name in ("W_out", "b_out"):
            moved, direction = nudged(getattr(network, name))
            slope = forward(replace(network, **{name: moved}), seq).C.imag / reference.H
            close(np.array(slope), (getattr(sent, "d" + name) * direction).sum())
    moved, direction = nudged(seq.x)
    slope = forward(network, replace(seq, x=moved)).C.imag / reference.H
    close(np.array(slope), (sent.dx * direction).sum())


# What a Backward says about itself.


@given(problems())
def test_space_and_time_add_up_to_grad_h_and_delta_is_grad_h_times_slope(problem):
    sent = run(*problem)
    for l, layer in enumerate(problem[0].layers):
        np.testing.assert_array_equal(sent.slopes[l], CELLS[layer.cell].slopes(forward(*problem[:2]).z[l], None))
        close(sent.from_space[l] + sent.from_time[l], sent.grad_h[l], 1e-14)  # one addition, or one per pass
        close(sent.grad_h[l] * sent.slopes[l], sent.delta[l], 1e-14)


@settings(max_examples=250)
@given(problems())
def test_the_sum_over_all_passes_at_once_equals_the_sum_over_passes_kept_apart(problem):
    together, apart = run(*problem), run(*problem, per_pass=True)
    assert all(len(array) == problem[2].P for name in CELL_SITES for array in getattr(apart, name))
    same_numbers(summed(apart), together)


@pytest.mark.parametrize("schedule", [
    Windows(5, [0, 0], [0, 2], [0, 4]),  # both reach the start; the loss of step 2 enters neither
    Windows(5, [0, 0, 1], [0, 2, 4], [1, 3, 4]),  # two that merge, one that overlaps them
    Windows(5, [0, 3], [1, 4], [1, 4]),  # steps 3 and the loss of step 1 left out between
    one_pass_per_loss(np.array([True, False, True, False, True])),
])
def test_several_passes_that_reach_the_start_add_up_in_dh_0_too(schedule):
    rng = np.random.default_rng(8)
    network = Network([Layer(rng.standard_normal((3, 2)), rng.standard_normal((3, 3)), h_0=rng.standard_normal(3)),
                       Layer(rng.standard_normal((2, 3)), rng.standard_normal((2, 2)), h_0=rng.standard_normal(2))])
    seq = Sequence(rng.standard_normal((5, 2)), rng.standard_normal((5, 2)), np.ones(5, bool))
    check_parameters(network, seq, schedule)
    check_cells(network, seq, schedule)
    same_numbers(run(network, seq, schedule), summed(run(network, seq, schedule, per_pass=True)))


@given(problems())
def test_working_in_small_blocks_gives_the_same_numbers(problem):
    with pytest.MonkeyPatch.context() as patch:
        whole = run(*problem)
        patch.setattr(products, "MULTIPLY_ADDS_PER_CHECK", 5)
        patch.setattr(products, "STEPS_PER_CHECK", 2)
        for numbers in (1, 8):
            patch.setattr(products, "NUMBERS_IN_CACHE", numbers)
            same_numbers(run(*problem), whole)


@given(problems())
def test_every_array_of_a_result_is_read_only(problem):
    for result in (forward(*problem[:2]), run(*problem)):
        for name, array in arrays(result):
            if isinstance(array, np.ndarray):
                assert not array.flags.writeable, name


@given(problems())
def test_a_cell_is_marked_reached_where_some_pass_comes_and_is_zero_elsewhere(problem):
    network, _, windows = problem
    sent = run(*problem)
    np.testing.assert_array_equal(sent.reached, windows.reaches().any(axis=0))
    np.testing.assert_array_equal(sent.seen, windows.carries().any(axis=0))
    for l in range(len(network.layers)):
        for name in CELL_SITES:
            assert not getattr(sent, name)[l][~sent.reached].any()
    assert not sent.dx[~sent.reached].any()


# Linearity.


@given(networks(), st.data())
def test_squared_sends_back_exactly_twice_what_half_squared_does(network, data):
    seq = replace(data.draw(sequences(network.n_in, network.n_out)), loss="half squared")
    half, whole = run(network, seq), run(network, replace(seq, loss="squared"))
    for (name, a), (_, b) in zip(arrays(half), arrays(whole), strict=True):
        if name.split("[")[0] not in ("slopes", "reached", "seen"):
            np.testing.assert_array_equal(2.0 * a, b, err_msg=name)  # doubling is exact in binary


@given(networks(), st.data(), st.floats(-3, 3))
def test_scaling_what_the_losses_send_scales_everything_that_comes_back(network, data, c):
    seq = data.draw(sequences(network.n_in, network.n_out))
    windows = data.draw(st.sampled_from((full(seq.T), truncated(seq.T, 2, 1))))
    trace = forward(network, seq)
    one = backward(network, seq, trace, windows)
    scaled = backward(network, seq, replace(trace, slope_out=c * trace.slope_out), windows)
    for (name, a), (_, b) in zip(arrays(one), arrays(scaled), strict=True):
        if name.split("[")[0] not in ("slopes", "reached", "seen"):
            close(b, c * a)


@given(problems())
def test_the_gradient_of_all_losses_is_the_sum_over_single_losses(problem):
    network, seq, _ = problem
    whole = run(network, seq)
    singles = [run(network, replace(seq, scored=np.arange(seq.T) == t)) for t in np.flatnonzero(seq.scored)]
    parts = [dict(arrays(single)) for single in singles]
    for name, a in arrays(whole):
        if name.split("[")[0] not in ("slopes", "reached", "seen"):
            close(sum(part[name] for part in parts), a)
    same = run(network, seq, one_pass_per_loss(seq.scored), per_pass=True)
    for l in range(len(network.layers)):
        for p, single in enumerate(singles):
            close(same.delta[l][p], single.delta[l])


@given(networks(), seeds)
def test_a_loss_of_zero_sends_back_exactly_nothing(network, seed):
    x = np.random.default_rng(seed).standard_normal((4, network.n_in))
    blank = Sequence(x, np.zeros((4, network.n_out)), np.ones(4, bool))
    perfect = replace(blank, target=forward(network, blank).y)
    assert forward(network, perfect).C == 0
    for name, array in arrays(run(network, perfect)):
        if name.split("[")[0] not in ("slopes", "reached", "seen"):
            assert not array.any(), name


# Truncation.


@given(problems(), st.data())
def test_tau_max_of_at_least_T_is_the_full_pass_bit_by_bit(problem, data):
    network, seq, _ = problem
    tau_max = seq.T + data.draw(st.integers(0, 3))
    tau_b = data.draw(st.integers(1, seq.T + 2))
    same_bits(run(network, seq, truncated(seq.T, tau_max, tau_b)), run(network, seq))


@given(networks(static=False), st.data())
def test_tau_max_of_1_lets_nothing_through_time_and_keeps_the_same_step_path(network, data):
    seq = replace(data.draw(sequences(network.n_in, network.n_out)))
    seq = replace(seq, scored=np.ones(seq.T, bool))
    sent = run(network, seq, truncated(seq.T, 1, 1))
    assert not any(array.any() for array in sent.from_time)
    trace = forward(network, seq)
    for t in range(seq.T):  # every step alone, from the state that entered it
        alone = replace(network, layers=[replace(layer, h_0=state[t]) for layer, state in
                                         zip(network.layers, trace.state, strict=True)])
        single = run(alone, Sequence(seq.x[t:t + 1], seq.target[t:t + 1], [True], seq.loss))
        for l in range(len(network.layers)):
            close(sent.delta[l][t], single.delta[l][0])


@given(networks(static=False), seeds)
def test_detaching_every_k_steps_is_tau_max_and_tau_b_of_k(network, seed):
    rng, T, k = np.random.default_rng(seed), 6, 2
    seq = Sequence(rng.standard_normal((T, network.n_in)), rng.standard_normal((T, network.n_out)), np.ones(T, bool))
    trace, total = forward(network, seq), 0.0
    for start in range(0, T, k):
        piece = replace(network, layers=[replace(layer, h_0=state[start]) for layer, state in
                                         zip(network.layers, trace.state, strict=True)])
        cut = Sequence(seq.x[start:start + k], seq.target[start:start + k], np.ones(k, bool))
        total = total + run(piece, cut).dW_T[0]
    close(run(network, seq, truncated(T, k, k)).dW_T[0], total)


@given(networks(static=False, cells=("tanh", "linear")), seeds)
def test_a_loss_too_old_for_its_pass_reaches_no_parameter(network, seed):
    rng, T = np.random.default_rng(seed), 6
    x, target = rng.standard_normal((T, network.n_in)), rng.standard_normal((T, network.n_out))
    windows = truncated(T, 2, 3)  # passes at steps 3 and 6 keep 2 columns: the losses of steps 1 and 4 are unseen
    seen = np.array([False, True, True, False, True, True])
    np.testing.assert_array_equal(windows.seen(), seen)
    every = run(network, Sequence(x, target, np.ones(T, bool)), windows)
    only = run(network, Sequence(x, target, seen), windows)
    same_bits(every, only)


# Shape of the network.


@given(networks(static=False), st.data())
def test_zero_recurrence_is_the_feed_forward_network(network, data):
    seq = data.draw(sequences(network.n_in, network.n_out))
    cut = replace(network, layers=[replace(layer, W_T=np.zeros_like(layer.W_T)) for layer in network.layers])
    static = replace(network, layers=[replace(layer, W_T=None) for layer in network.layers])
    one, other = run(cut, seq), run(static, seq)
    for l in range(len(network.layers)):
        assert not one.from_time[l].any()
        assert other.dW_T[l] is None
        close(one.delta[l], other.delta[l])
        close(one.dW_S[l], other.dW_S[l])
    for t in range(seq.T):  # and a static network knows no order: every step is backpropagation alone
        delta = forward(static, seq).slope_out[t]
        delta = delta if network.W_out is None else network.W_out.T @ delta
        for l in reversed(range(len(network.layers))):
            delta = delta * other.slopes[l][t]
            close(other.delta[l][t], delta)
            delta = network.layers[l].W_S.T @ delta


@given(networks(static=False), seeds, st.data())
def test_nothing_after_the_last_scored_step_gets_any_gradient(network, seed, data):
    rng, T = np.random.default_rng(seed), 6
    last = data.draw(st.integers(0, T - 2))
    scored = data.draw(scores(T)) & (np.arange(T) <= last) | (np.arange(T) == last)
    seq = Sequence(rng.standard_normal((T, network.n_in)), rng.standard_normal((T, network.n_out)), scored)
    sent = run(network, seq)
    assert not sent.dx[last + 1:].any()
    for delta in sent.delta:
        assert not delta[last + 1:].any()
    early = Sequence(seq.x[:last + 1], seq.target[:last + 1], scored[:last + 1])
    same = run(network, early)
    for l in range(len(network.layers)):
        close(sent.dW_S[l], same.dW_S[l])
        close(sent.delta[l][:last + 1], same.delta[l])


@given(networks(), st.data())
def test_a_run_from_the_middle_is_the_end_of_the_whole_run(network, data):
    seq = data.draw(sequences(network.n_in, network.n_out))
    start = data.draw(st.integers(0, seq.T - 1))
    scored = seq.scored.copy()
    scored[-1] = True
    seq = replace(seq, scored=scored)
    trace = forward(network, seq)
    rest = replace(network, layers=[replace(layer, h_0=state[start]) for layer, state in
                                    zip(network.layers, trace.state, strict=True)])
    late = Sequence(seq.x[start:], seq.target[start:], scored[start:], seq.loss)
    whole, end = backward(network, seq, trace), run(rest, late)
    for l in range(len(network.layers)):
        close(end.delta[l], whole.delta[l][start:])
        close(end.grad_h[l], whole.grad_h[l][start:])


@given(networks(cells=("tanh", "linear", "relu")), seeds, st.integers(1, 4))
def test_silence_before_the_first_input_only_shifts_the_picture(network, seed, k):
    rng, T = np.random.default_rng(seed), 4
    quiet = Network([replace(layer, b=None, h_0=None) for layer in network.layers], network.W_out, network.b_out)
    x, target = rng.standard_normal((T, network.n_in)), rng.standard_normal((T, network.n_out))
    now = run(quiet, Sequence(x, target))
    later = run(quiet, Sequence(np.concatenate([np.zeros((k, network.n_in)), x]),
                                np.concatenate([np.zeros((k, network.n_out)), target])))
    for l in range(len(network.layers)):
        close(later.delta[l][k:], now.delta[l])
        if network.layers[l].recurrent:
            close(later.dW_T[l], now.dW_T[l])


@given(problems(), seeds)
def test_renaming_the_units_of_a_layer_renames_their_deltas(problem, seed):
    network, seq, windows = problem
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(layer.n) for layer in network.layers]
    if network.W_out is None:
        orders[-1] = np.arange(network.n_out)  # y = h of the top layer: its order is the target's
    stack, below = [], np.arange(network.n_in)
    for layer, order in zip(network.layers, orders, strict=True):
        stack.append(Layer(layer.W_S[order][:, below], layer.W_T[order][:, order] if layer.recurrent else None,
                           layer.b[order], layer.cell, layer.h_0[order]))
        below = order
    renamed = Network(stack, None if network.W_out is None else network.W_out[:, below], network.b_out)
    one, other = run(network, seq, windows), run(renamed, seq, windows)
    for l, order in enumerate(orders):
        close(other.delta[l], one.delta[l][:, order])
        close(other.db[l], one.db[l][order])
    close(other.dx, one.dx)


@pytest.mark.parametrize(("T", "g"), [(200, 1.0), (60, 1.2), (60, 0.5)])
def test_the_delta_of_a_linear_layer_is_a_power_of_its_W_T(T, g):
    rng = np.random.default_rng(1)
    W_T = g * orthogonal(rng, 6, 6)
    network = Network([Layer(rng.standard_normal((6, 2)), W_T, cell="linear")], rng.standard_normal((1, 6)))
    seq = Sequence(rng.standard_normal((T, 2)), np.zeros((T, 1)))
    trace = forward(network, seq)
    sent = backward(network, seq, trace)
    start = network.W_out.T @ trace.slope_out[-1]
    for lag in (0, 1, 2, 7, T - 1):
        expected = np.linalg.matrix_power(W_T.T, lag) @ start
        # an orthogonal factor keeps norms, so rounding grows by 6 eps a step: 200 * 6 * 1.1e-16, and the same by powers
        np.testing.assert_allclose(sent.delta[0][T - 1 - lag], expected, rtol=0, atol=1e-12 * np.linalg.norm(expected))


def test_with_h_0_zero_the_first_column_adds_nothing_to_dW_T():
    network = Network([Layer([[0.5]], [[0.9]], [0.3])], [[1.0]])
    sent = run(network, Sequence([[1.0]], [[0.0]]))
    assert sent.delta[0][0, 0] != 0
    assert sent.dW_T[0][0, 0] == 0


def test_a_dead_relu_sends_exact_zeros_and_a_z_of_0_counts_as_shut():
    network = Network([Layer([[1.0], [1.0]], np.zeros((2, 2)), [-5.0, 0.0], "relu")], [[1.0, 1.0]])
    sent = run(network, Sequence([[0.0]], [[7.0]]))
    np.testing.assert_array_equal(sent.grad_h[0], [[-7.0, -7.0]])
    np.testing.assert_array_equal(sent.delta[0], [[0.0, 0.0]])


# The space/time text's example, by hand.


@pytest.mark.parametrize("N", [3, 4])
def test_the_space_time_text_worked_by_hand_agrees_with_backward(N):
    """Two scalar layers, logistic, y = h^2, C = (y - target)^2 / 2 at step N; misprints corrected as in MATH.md."""
    S1, T1, S2, T2 = 1.3, -0.7, 0.9, 1.1
    h1, h2, z1, z2 = {0: 0.4}, {0: -0.6}, {}, {}
    x, target = {1: 0.5, 2: -1.0, 3: 2.0, 4: 0.3}, 0.2

    def sigma(z):
        return 1 / (1 + np.exp(-z))

    def slope(z):
        return sigma(z) * (1 - sigma(z))

    for n in range(1, N + 1):
        z1[n] = S1 * x[n] + T1 * h1[n - 1]
        h1[n] = sigma(z1[n])
        z2[n] = S2 * h1[n] + T2 * h2[n - 1]
        h2[n] = sigma(z2[n])
    a = {n: slope(z1[n]) for n in z1}
    b = {n: slope(z2[n]) for n in z2}
    dC = h2[N] - target

    # dC/dT2: sigma'(z2_N) (h2_{N-1} + T2 sigma'(z2_{N-1}) (h2_{N-2} + ...)), the innermost term T2 sigma'(z2_1) h2_0
    if N == 3:
        dT2 = dC * b[3] * (h2[2] + T2 * b[2] * (h2[1] + T2 * b[1] * h2[0]))
    else:
        dT2 = dC * b[4] * (h2[3] + T2 * b[3] * (h2[2] + T2 * b[2] * (h2[1] + T2 * b[1] * h2[0])))

    # dC/dT1 grouped by h1_{N-1}, h1_{N-2}, ...: one product for every path from (2, N) to (1, n)
    groups = {
        N - 1: b[N] * S2 * a[N],
        N - 2: b[N] * S2 * a[N] * T1 * a[N - 1] + b[N] * T2 * b[N - 1] * S2 * a[N - 1],
        N - 3: b[N] * S2 * a[N] * T1 * a[N - 1] * T1 * a[N - 2]
        + b[N] * T2 * b[N - 1] * S2 * a[N - 1] * T1 * a[N - 2]
        + b[N] * T2 * b[N - 1] * T2 * b[N - 2] * S2 * a[N - 2],
    }
    if N == 4:
        groups[0] = (
            b[4] * S2 * a[4] * T1 * a[3] * T1 * a[2] * T1 * a[1]
            + b[4] * T2 * b[3] * S2 * a[3] * T1 * a[2] * T1 * a[1]
            + b[4] * T2 * b[3] * T2 * b[2] * S2 * a[2] * T1 * a[1]
            + b[4] * T2 * b[3] * T2 * b[2] * T2 * b[1] * S2 * a[1]
        )
    dT1 = dC * sum(group * h1[n] for n, group in groups.items())

    network = Network([Layer([[S1]], [[T1]], cell="sigmoid", h_0=[h1[0]]),
                       Layer([[S2]], [[T2]], cell="sigmoid", h_0=[h2[0]])])
    seq = Sequence([[x[n]] for n in range(1, N + 1)], np.full((N, 1), target))
    sent = run(network, seq)
    np.testing.assert_allclose(sent.dW_T[1], [[dT2]], rtol=1e-13)  # tens of operations on positive or mixed terms
    np.testing.assert_allclose(sent.dW_T[0], [[dT1]], rtol=1e-13)
    for n, group in groups.items():  # delta^1_{n+1} is the factor that stands before h1_n
        np.testing.assert_allclose(sent.delta[0][n, 0], dC * group, rtol=1e-13)


@pytest.mark.parametrize(("L", "N"), [(1, 4), (2, 4), (3, 5)])
def test_delta_of_a_scalar_stack_is_the_sum_over_all_lattice_paths(L, N):
    rng = np.random.default_rng(L + N)
    network = Network([Layer(rng.standard_normal((1, 1)), rng.standard_normal((1, 1)), rng.standard_normal(1))
                       for _ in range(L)])
    seq = Sequence(rng.standard_normal((N, 1)), np.zeros((N, 1)))
    trace = forward(network, seq)
    slope = np.array([1 - np.tanh(z[:, 0]) ** 2 for z in trace.z])

    def paths(l, n):
        """All ways from (L-1, N-1) to (l, n), each a list of cells."""
        if (l, n) == (L - 1, N - 1):
            return [[(l, n)]]
        steps = [(l + 1, n)] * (l < L - 1) + [(l, n + 1)] * (n < N - 1)
        return [path + [(l, n)] for before in steps for path in paths(*before)]

    sent = backward(network, seq, trace)
    for l in range(L):
        for n in range(N):
            total = 0.0
            for path in paths(l, n):
                product = trace.slope_out[-1, 0] * slope[L - 1, N - 1]
                for (l_from, _), (l_to, n_to) in pairwise(path):
                    W = network.layers[l_from].W_S if l_to < l_from else network.layers[l_to].W_T
                    product *= W[0, 0] * slope[l_to, n_to]
                total += product
            close(sent.delta[l][n], [total], 1e-14)


# Batches.


@given(problems(max_depth=2), st.integers(1, 3), seeds)
def test_a_batch_of_sequences_is_its_sequences_one_by_one(problem, B, seed):
    network, seq, windows = problem
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((B, *seq.x.shape))
    target = np.stack([targets(rng, *seq.target.shape, seq.loss) for _ in range(B)])
    many = replace(seq, x=x, target=target)
    trace = forward(network, many)
    for how in ({}, {"per_pass": True}):
        sent = backward(network, many, trace, windows, **how)
        singles = [run(network, replace(seq, x=x[i], target=target[i]), windows, **how) for i in range(B)]
        for i, single in enumerate(singles):
            close(trace.loss[i], forward(network, replace(seq, x=x[i], target=target[i])).loss)
            close(sent.dx[i], single.dx)
            for l in range(len(network.layers)):
                for name in CELL_SITES:
                    close(getattr(sent, name)[l][..., i, :, :], getattr(single, name)[l])
                close(sent.dh_0[l][i], single.dh_0[l])
        for l, layer in enumerate(network.layers):
            close(sent.dW_S[l], sum(single.dW_S[l] for single in singles))
            close(sent.db[l], sum(single.db[l] for single in singles))
            if layer.recurrent:
                close(sent.dW_T[l], sum(single.dW_T[l] for single in singles))
        if network.W_out is not None:
            close(sent.dW_out, sum(single.dW_out for single in singles))
            close(sent.db_out, sum(single.db_out for single in singles))


@given(problems(max_depth=2), st.integers(1, 3), seeds, st.booleans())
def test_a_batch_of_networks_is_its_networks_one_by_one(problem, B, seed, with_sequences):
    network, seq, windows = problem
    rng = np.random.default_rng(seed)

    def several(array):
        return None if array is None else array * rng.uniform(0.5, 1.5, (B, *(1,) * array.ndim))

    batch = Network([replace(layer, **{name: several(getattr(layer, name)) for name in ("W_S", "W_T", "b", "h_0")})
                     for layer in network.layers], several(network.W_out), several(network.b_out))
    many = replace(seq, x=several(seq.x)) if with_sequences else seq
    for how in ({}, {"per_pass": True}):
        sent = run(batch, many, windows, **how)
        for i in range(B):
            def one(array, i=i):
                return None if array is None else array[i]

            alone = Network([replace(layer, **{name: one(getattr(layer, name)) for name in ("W_S", "W_T", "b", "h_0")})
                             for layer in batch.layers], one(batch.W_out), one(batch.b_out))
            single = run(alone, replace(seq, x=many.x[i]) if with_sequences else seq, windows, **how)
            for l, layer in enumerate(network.layers):
                for name in CELL_SITES:
                    close(getattr(sent, name)[l][..., i, :, :], getattr(single, name)[l])
                for name in ("dW_S", "dW_T", "db", "dh_0"):
                    if name != "dW_T" or layer.recurrent:
                        close(getattr(sent, name)[l][i], getattr(single, name)[l])
            close(sent.dx[i], single.dx)
            if network.W_out is not None:
                close(sent.dW_out[i], single.dW_out)
                close(sent.db_out[i], single.db_out)


@given(problems(max_depth=2), st.integers(2, 3), seeds, st.data())
def test_networks_of_a_batch_may_share_any_array_but_the_first(problem, B, seed, data):
    network, seq, windows = problem
    rng = np.random.default_rng(seed)

    def several(array, own=False):
        if array is None or not (own or data.draw(st.booleans())):
            return array
        return array * rng.uniform(0.5, 1.5, (B, *(1,) * array.ndim))

    batch = Network([replace(layer, W_S=several(layer.W_S, l == 0),
                             **{name: several(getattr(layer, name)) for name in ("W_T", "b", "h_0")})
                     for l, layer in enumerate(network.layers)], several(network.W_out), several(network.b_out))
    sent = run(batch, seq, windows)
    for i in range(B):
        def one(array, axes, i=i):
            return array if array is None or array.ndim == axes else array[i]

        alone = Network([Layer(one(layer.W_S, 2), one(layer.W_T, 2), one(layer.b, 1), layer.cell, one(layer.h_0, 1))
                         for layer in batch.layers], one(batch.W_out, 2), one(batch.b_out, 1))
        single = run(alone, seq, windows)
        for l, layer in enumerate(batch.layers):
            for name in CELL_SITES:
                close(getattr(sent, name)[l][i], getattr(single, name)[l])
            if layer.W_S.ndim == 3:
                close(sent.dW_S[l][i], single.dW_S[l])
            close(sent.dh_0[l][i], single.dh_0[l])


# Arrays as they come.


@pytest.mark.parametrize("as_given", ["float32", "big-endian", "Fortran", "view", "list"])
@given(problem=problems())
def test_the_kind_of_array_given_makes_no_difference(as_given, problem):
    network, seq, windows = problem

    def rounded(array):
        return None if array is None else array.astype(np.float32).astype(float)

    def given_as(array):
        if array is None:
            return None
        if as_given == "float32":
            return array.astype(np.float32)
        if as_given == "big-endian":
            return array.astype(">f8")
        if as_given == "Fortran":
            return np.asfortranarray(array)
        if as_given == "list":
            return array.tolist()
        wide = np.zeros([2 * n for n in array.shape])
        view = wide[(slice(None, None, 2),) * array.ndim]
        view[...] = array
        view.flags.writeable = False
        return view

    def made(through):
        stack = [Layer(through(layer.W_S), through(layer.W_T), through(layer.b), layer.cell, through(layer.h_0))
                 for layer in network.layers]
        target = seq.target if seq.loss == "softmax" else through(seq.target)  # float32 would not add up to 1
        made = Network(stack, through(network.W_out), through(network.b_out))
        return made, replace(seq, x=through(seq.x), target=target)

    plain = made(rounded)
    other = made(lambda array: given_as(rounded(array)))
    same_bits(run(*plain, windows), run(*other, windows))


# Overflow.


@pytest.mark.parametrize("cell", ["relu", "linear"])
def test_a_state_that_leaves_the_float_range_is_a_result_with_its_first_place(cell):
    # layer 2 doubles layer 1's state and then multiplies by 1e100 a step: 2e100 at step 1, beyond 1.8e308 at step 4
    network = Network([Layer([[1.0]], [[1.0]], cell=cell), Layer([[2.0]], [[1e100]], cell=cell)])
    seq = Sequence(np.ones((6, 1)), np.zeros((6, 1)))
    trace = forward(network, seq)
    assert trace.overflow == (1, 4)
    assert np.isfinite(trace.state[1][:5]).all()
    with pytest.raises(ValueError, match="layer 2 overflows at step 5; there is no gradient"):
        backward(network, seq, trace)


@given(networks(cells=("relu", "linear"), static=False, max_width=4), seeds)
def test_overflow_names_the_earliest_step_and_there_the_lowest_layer(network, seed):
    rng, T = np.random.default_rng(seed), 8
    wild = replace(network, layers=[replace(layer, W_T=1e120 * layer.W_T) for layer in network.layers])
    seq = Sequence(rng.standard_normal((T, network.n_in)), np.zeros((T, network.n_out)))
    trace = forward(wild, seq)
    bad = [(t, l) for l, state in enumerate(trace.state) for t in range(T) if not np.isfinite(state[t + 1]).all()]
    assert trace.overflow == (min(bad)[::-1] if bad else None)


def test_numbers_near_the_top_of_the_float_range_are_not_an_overflow():
    network = Network([Layer(np.eye(4), np.zeros((4, 4)), cell="linear")])
    seq = Sequence(np.full((3, 4), 1.7e308), np.zeros((3, 4)))
    assert forward(network, seq).overflow is None


# Stopping.


class Stop(Exception):
    pass


def test_raising_in_the_checkpoint_stops_forward_and_backward():
    network = Network([Layer(np.ones((2, 1)), np.eye(2))], np.ones((1, 2)))
    seq = Sequence(np.ones((3, 1)), np.zeros((3, 1)))

    def stop():
        raise Stop

    with pytest.raises(Stop):
        forward(network, seq, stop)
    trace = forward(network, seq)
    with pytest.raises(Stop):
        backward(network, seq, trace, checkpoint=stop)


class Counted(np.ndarray):
    """An array whose products with others are counted, in multiply-adds."""

    done = 0

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **kwargs):
        plain = [np.asarray(v) for v in inputs]
        if ufunc is np.matmul:
            Counted.done += plain[0].size * plain[1].shape[-1]
        return getattr(ufunc, method)(*plain, out=out or None, **kwargs)


@pytest.mark.parametrize(("stack", "T", "tau"), [((256, 256), 300, 1), ((256,), 120, 8), ((64, 64), 2000, 1)])
def test_no_more_than_two_blocks_of_multiply_adds_are_done_between_two_checkpoints(stack, T, tau, monkeypatch):
    rng = np.random.default_rng(0)
    layers, below = [], 3
    for n in stack:
        layers.append(Layer(rng.standard_normal((n, below)) / n, orthogonal(rng, n, n)))
        below = n
    network = Network(layers, rng.standard_normal((3, below)) / below)
    seq = Sequence(rng.standard_normal((T, 3)), np.zeros((T, 3)), np.ones(T, bool))

    def counted(value, names):
        for name in names:
            object.__setattr__(value, name, getattr(value, name).view(Counted))

    def counted_step(W, rows):
        product = step_product(W, rows)

        def one(v, out):
            Counted.done += W.size * (v.size // v.shape[-1])
            return product(v, out)

        return one

    step_product = bptt.step_product  # the product of every step is NumPy's own method: only here can it be counted
    monkeypatch.setattr(bptt, "step_product", counted_step)
    monkeypatch.setattr(products, "MULTIPLY_ADDS_PER_CHECK", 2_000_000)
    for layer in network.layers:
        counted(layer, ("W_S", "W_T"))
    counted(network, ("W_out",))
    counted(seq, ("x",))
    marks, Counted.done = [0], 0

    def look():
        marks.append(Counted.done)

    trace = forward(network, seq, look)
    trace = replace(trace, state=tuple(state.view(Counted) for state in trace.state))
    windows = truncated(T, tau, 1) if tau > 1 else full(T)
    backward(network, seq, trace, windows, checkpoint=look)
    look()
    # forward and delta (x) h cost every weight once a step, W_T^T delta once a column: if less is counted, some is lost
    back_in_time = sum(layer.W_T.size for layer in network.layers) * (windows.merged().columns() - windows.merged().P)
    assert Counted.done >= 0.99 * (2 * T * network.size + back_in_time)
    assert max(np.diff(marks)) <= 2 * products.MULTIPLY_ADDS_PER_CHECK  # the end of one loop and the start of the next


# What is refused.


def test_sequences_that_do_not_fit_the_network_are_refused_by_name_and_number():
    network = Network([Layer(np.ones((2, 3)))], np.ones((1, 2)))
    with pytest.raises(ValueError, match="x has 2 columns; the network reads 3"):
        forward(network, Sequence(np.ones((4, 2)), np.ones((4, 1))))
    with pytest.raises(ValueError, match="target has 2 columns; the network gives 1"):
        forward(network, Sequence(np.ones((4, 3)), np.ones((4, 2))))
    batch = Network([Layer(np.ones((5, 2, 3)))], np.ones((1, 2)))
    with pytest.raises(ValueError, match=r"x has a batch of \(4,\), the network one of \(5,\); they must be equal"):
        forward(batch, Sequence(np.ones((4, 6, 3)), np.ones((6, 1))))
    seq = Sequence(np.ones((4, 3)), np.ones((4, 1)))
    with pytest.raises(ValueError, match="the schedule has 5 steps; the sequence has 4"):
        backward(network, seq, forward(network, seq), full(5))


# Gated cells: the table takes them as they are.


def lstm():
    """An LSTM as one entry of the table, PyTorch's order of gates: i, f, g, o; state h, then c; tanh(c) is saved too."""
    def sigma(z):
        return 1.0 / (1.0 + np.exp(-z))

    def gates(z):
        i, f, g, o = np.split(z, 4, axis=-1)
        return sigma(i), sigma(f), np.tanh(g), sigma(o)

    def step(a_S, a_T, state, z, new):
        n = state.shape[-1] // 2
        i, f, g, o = gates(np.add(a_S, a_T, out=z[..., :4 * n]))
        c = f * state[..., n:] + i * g
        z[..., 4 * n:] = np.tanh(c)
        new[..., :n] = o * z[..., 4 * n:]
        new[..., n:] = c

    def slopes(z, state):
        n = state.shape[-1] // 2
        c_before, th = state[..., n:], z[..., 4 * n:]
        i, f, g, o = gates(z[..., :4 * n])
        return np.concatenate([g * i * (1 - i), c_before * f * (1 - f), i * (1 - g * g), th * o * (1 - o),
                               o * (1 - th * th), f], axis=-1)

    def pullback(grad_h, carry, slopes, delta):
        n = grad_h.shape[-1]
        to_i, to_f, to_g, to_o, h_to_c, f = np.split(slopes, 6, axis=-1)
        grad_c = grad_h * h_to_c
        if carry is not None:
            grad_c = grad_c + carry[..., n:]
        delta[..., :n], delta[..., n:2 * n], delta[..., 2 * n:3 * n] = grad_c * to_i, grad_c * to_f, grad_c * to_g
        delta[..., 3 * n:] = grad_h * to_o
        return np.concatenate([np.zeros_like(grad_c), grad_c * f], axis=-1)

    return Cell(step, slopes, pullback, None, gates=4, states=2, saved=5)


def update_gate():
    """A cell with an update gate and no reset: h = u h_before + (1 - u) c. What bypasses W_T reaches h itself."""
    def parts(z):
        u, c = np.split(z, 2, axis=-1)
        return 1.0 / (1.0 + np.exp(-u)), np.tanh(c)

    def step(a_S, a_T, state, z, new):
        np.add(a_S, a_T, out=z)
        u, c = parts(z)
        new[...] = u * state + (1 - u) * c

    def slopes(z, state):
        u, c = parts(z)
        return np.concatenate([(state - c) * u * (1 - u), (1 - u) * (1 - c * c), u], axis=-1)

    def pullback(grad_h, carry, slopes, delta):
        n = grad_h.shape[-1]
        delta[..., :n], delta[..., n:] = grad_h * slopes[..., :n], grad_h * slopes[..., n:2 * n]
        return grad_h * slopes[..., 2 * n:]

    return Cell(step, slopes, pullback, None, gates=2, saved=2)


@pytest.mark.parametrize("gated", [lstm, update_gate])
@given(data=st.data())
def test_a_gated_cell_entered_in_the_table_has_exact_gradients(gated, data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(CELLS, "gated", gated())
        problem = data.draw(problems(cells=("gated", "gated", "tanh"), max_T=5, max_depth=2, max_width=2))
        check_parameters(*problem)
        check_cells(*problem)


def test_a_gated_layer_that_does_not_fit_its_gates_is_refused(monkeypatch):
    monkeypatch.setitem(CELLS, "lstm", lstm())
    with pytest.raises(ValueError, match="W_S has 6 rows; a lstm layer needs a multiple of 4"):
        Layer(np.ones((6, 2)), np.ones((6, 1)), cell="lstm")
    with pytest.raises(ValueError, match="a lstm layer needs W_T"):
        Layer(np.ones((8, 2)), cell="lstm")
    assert Layer(np.ones((8, 2)), np.ones((8, 2)), cell="lstm").n == 2


# Truncation, against a graph that is really cut.


def ragged(scored):
    """Three layers of different widths and cells, the middle one static, h_0 not zero, with a readout; seven steps."""
    rng = np.random.default_rng(11)
    network = Network([
        Layer(rng.standard_normal((3, 2)), 0.6 * rng.standard_normal((3, 3)), rng.standard_normal(3), "tanh",
              rng.standard_normal(3)),
        Layer(rng.standard_normal((4, 3)), None, rng.standard_normal(4), "relu", rng.standard_normal(4)),
        Layer(rng.standard_normal((2, 4)), 0.9 * rng.standard_normal((2, 2)), rng.standard_normal(2), "sigmoid",
              rng.standard_normal(2)),
    ], rng.standard_normal((2, 2)), rng.standard_normal(2))
    return network, Sequence(rng.standard_normal((7, 2)), rng.standard_normal((7, 2)), np.isin(np.arange(7), scored))


SCORED = {"last": [6], "every": list(range(7)), "chosen": [1, 2, 5]}


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("scored", SCORED)
def test_every_schedule_sends_back_what_a_graph_that_is_really_cut_does(scored, again):
    """Tolerance: sums of a few dozen products, each rounded at 1.1e-16, against long doubles."""
    network, seq = ragged(SCORED[scored])
    trace = forward(network, seq)
    for tau_max in range(1, seq.T + 3):
        for tau_b in range(1, seq.T + 3):
            sent = backward(network, seq, trace, truncated(seq.T, tau_max, tau_b, again))
            for name, expected in plain.cut(network, seq, tau_max, tau_b, again).items():
                found, expected = ([value] if isinstance(value, np.ndarray) else value
                                   for value in (getattr(sent, name), expected))
                for of_layer, wanted in zip(found, expected, strict=True):
                    if of_layer is None:
                        assert name == "dW_T"
                        assert wanted.shape == ()  # the static layer has none
                    else:
                        np.testing.assert_allclose(of_layer, wanted.astype(float), rtol=0, atol=1e-12 * np.abs(wanted).max(),
                                                   err_msg=f"{name} at tau_max = {tau_max}, tau_b = {tau_b}")


def test_a_sliding_window_over_many_steps_never_holds_every_pass_by_itself():
    """One array of every pass, step and unit of one layer would take 134 MB; the result itself holds 6."""
    L, H, T = 4, 64, 512
    rng = np.random.default_rng(12)
    layers = [Layer(rng.standard_normal((H, 1 if l == 0 else H)) / 8, 0.9 * orthogonal(rng, H, H)) for l in range(L)]
    network = Network(layers, rng.standard_normal((1, H)) / 8)
    seq = Sequence(rng.standard_normal((T, 1)), rng.standard_normal((T, 1)), np.ones(T, bool))
    trace, windows = forward(network, seq), truncated(T, 51, 1)
    tracemalloc.start()
    try:
        sent = backward(network, seq, trace, windows)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sent.delta[0].any()
    assert held > 4 * L * T * H * 8  # the four quantities of every cell are in what is measured
    assert peak - held < T * T * H * 8 / 8
