"""Rate: products of Jacobians, their singular values at any lag, and what is known of W_T without them."""

from dataclasses import replace

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from strategies import problems

from rnnviz import spectra
from rnnviz.cells import CELLS
from rnnviz.experiment import Experiment, run, trace
from rnnviz.flow import read, slopes_until
from rnnviz.graded import eliminated, log_singular_values, parts_of, rank, remainders, times, unit
from rnnviz.jacobians import rates, transient
from rnnviz.network import Layer, Network, orthogonal
from rnnviz.spectra import spectrum, stack_jacobian
from rnnviz.tasks import Sequence

LOG_2 = np.log10(2.0)


def exactly(factors, digits):
    """log10 of the singular values of the product, the latest factor leftmost, in so many digits; -inf for what is 0 there."""
    with mpmath.workdps(digits):
        product = mpmath.eye(len(factors[0]))
        for factor in factors:
            product = product * mpmath.matrix(factor.tolist())
        found = mpmath.svd_r(product, compute_uv=False)
        least = max(found) * mpmath.mpf(10) ** (-digits // 2)
        return np.array([float(mpmath.log10(s)) if s > least else -np.inf for s in found])


def factors_of(made, l=0):
    """J_T, J_{T-1}, .. of one layer, each (n, n)."""
    W_T, slopes = made.network.layers[l].W_T, slopes_until(made, made.sequence.T)[l]
    return [slope[:, None] * W_T for slope in slopes[::-1]]


def of_layer(W_T, T, cell="tanh", scale=1.0, seed=0, b=None):
    """The run of one layer under random inputs, scored at the last step."""
    n, rng = len(W_T), np.random.default_rng(seed)
    network = Network([Layer(scale * rng.standard_normal((n, 2)), W_T, b, cell)], np.ones((1, n)))
    return trace(network, Sequence(rng.standard_normal((T, 2)), np.zeros((T, 1))))


def of_factors(factor, steps, gates=None):
    """The Spectrum of a product of one matrix (n, n), so many times; gates (steps, n): what its rows are multiplied by."""
    gates = np.ones((steps, len(factor))) if gates is None else gates
    return spectrum([Layer(np.zeros((len(factor), 1)), factor)], [gates], steps)


def exactly_stacked(made, lags, digits):
    """{lag: log10 of the singular values of the stack's product}, whose Jacobians too are formed in so many digits."""
    layers, slopes = made.network.layers, made.backward.slopes
    ends, found = np.cumsum([0, *(layer.n for layer in layers)]).tolist(), {}
    with mpmath.workdps(digits):
        product = mpmath.eye(ends[-1])
        for k in range(max(lags)):
            J = mpmath.zeros(ends[-1])
            for l, layer in enumerate(layers):
                rows = mpmath.zeros(layer.n, ends[-1])
                if l:
                    rows += mpmath.matrix(layer.W_S.tolist()) * J[ends[l - 1]:ends[l], :]
                if layer.recurrent:
                    rows[:, ends[l]:ends[l + 1]] += mpmath.matrix(layer.W_T.tolist())
                J[ends[l]:ends[l + 1], :] = mpmath.diag(slopes[l][-1 - k].tolist()) * rows
            product *= J
            if k + 1 in lags:
                values = mpmath.svd_r(product, compute_uv=False)
                least = max(values) * mpmath.mpf(10) ** (50 - digits)
                found[k + 1] = np.array([float(mpmath.log10(s)) if s > least else -np.inf for s in values])
    return found


def random_stack(seed):
    """The run of one or two layers of two or three units, tanh or ReLU, over some 20 to 45 steps."""
    rng, layers, below = np.random.default_rng(seed), [], 1
    depth, T = int(rng.integers(1, 3)), int(rng.integers(20, 45))
    for _ in range(depth):
        n = int(rng.integers(2, 4))
        W_T = rng.standard_normal((n, n)) * rng.choice([0.5, 1.0])
        W_S, cell = rng.standard_normal((n, below)), str(rng.choice(["relu", "tanh"]))
        layers.append(Layer(W_S, W_T, 0.5 * rng.standard_normal(n), cell))
        below = n
    return trace(Network(layers), Sequence(rng.standard_normal((T, 1)), np.ones((T, below))))


def gaussian(n, seed=0):
    return np.random.default_rng(seed).standard_normal((n, n)) / np.sqrt(n)


# Products.


@pytest.mark.parametrize("scale", [1.0, 12.0])
def test_log2_of_every_singular_value_is_right_to_a_thousandth_at_lag_400(scale):
    """The units of the second are saturated: their phi' goes down to 1e-17 and less."""
    made = of_layer(gaussian(8), 401, scale=scale)
    found = rates(made).own
    assert found.lags[-1] == 400
    reach = int(-2 * found.log10[-1].min()) + 60
    np.testing.assert_allclose(found.log10[-1] / LOG_2, exactly(factors_of(made)[:400], reach) / LOG_2, rtol=0, atol=1e-6)
    assert found.log10[-1].min() < -400


@pytest.mark.parametrize("lag", [1, 2, 5, 13, 29])
def test_short_lags_are_those_of_a_plain_svd_while_that_is_right(lag):
    made = run(Experiment(T=30, width=5, depth=2))
    found = rates(made)
    product = np.linalg.multi_dot([*factors_of(made)[:lag], np.eye(5)])
    expected = np.linalg.svd(product, compute_uv=False)
    there = expected > 1e-11 * expected[0]
    np.testing.assert_allclose(10 ** found.own.log10[lag - 1][there], expected[there], rtol=1e-4)
    assert there[0]


def test_the_logs_of_all_singular_values_add_up_to_the_log_of_the_determinant_at_every_lag():
    made = of_layer(gaussian(12), 301)
    found = rates(made).own
    logs = np.cumsum([np.linalg.slogdet(J)[1] for J in factors_of(made)])[found.lags - 1] / np.log(10)
    np.testing.assert_allclose(found.log10.sum(axis=1), logs, rtol=1e-10)


def test_a_matrix_that_is_not_normal_keeps_both_singular_values_right():
    W_T = np.array([[0.9, 4.0], [0.0, 0.9]])
    found = rates(of_layer(W_T, 401, "linear")).own
    np.testing.assert_allclose(found.log10[-1] / LOG_2, exactly([W_T] * 400, 400) / LOG_2, rtol=0, atol=1e-9)


def test_an_orthogonal_linear_layer_keeps_every_direction_exactly():
    made = run(Experiment(cell="linear", g=1.0, depth=1, width=8, T=200))
    np.testing.assert_allclose(rates(made).own.log10, 0.0, atol=1e-12)


def test_units_that_are_not_linked_multiply_by_themselves():
    W_T = np.diag([0.9, -0.5, 1.0, 0.0])
    made = of_layer(W_T, 100)
    found = rates(made).own
    slopes = made.backward.slopes[0][1:][::-1]
    with np.errstate(divide="ignore"):
        expected = np.cumsum(np.log10(np.abs(W_T.diagonal() * slopes)), axis=0)[found.lags - 1]
    np.testing.assert_allclose(found.log10, np.sort(expected)[:, ::-1], rtol=1e-12)
    assert np.isneginf(found.log10[:, -1]).all()


def test_rounding_does_not_link_what_two_groups_of_units_keep_apart():
    """One group is shut early and the other late: each product is 1e-40, and a link of 1e-16 would show as 1e-16."""
    rng, W_T = np.random.default_rng(0), np.zeros((8, 8))
    for group in (slice(0, 8, 2), slice(1, 8, 2)):
        W_T[group, group] = orthogonal(rng, 4, 4)
    late, early = np.tile([1.0, 1e-2], 4), np.tile([1e-2, 1.0], 4)
    found = of_factors(W_T, 40, np.array([early] * 20 + [late] * 20))
    np.testing.assert_allclose(found.log10[-1], -40.0, atol=1e-10)


def test_a_product_whose_first_axis_never_turns_to_the_largest_direction_is_right_all_the_same():
    factor = np.array([[0.1, 0.0], [1.0, 1.0]])
    found = of_factors(factor, 60)
    np.testing.assert_allclose(found.log10[-1], exactly([factor] * 60, 150), atol=1e-10)


@pytest.mark.parametrize("scale", [0.3, 2.0])
def test_singular_values_that_lie_close_together_are_right_at_every_lag(scale):
    made = of_layer(gaussian(10, 1), 61, scale=scale)
    found = rates(made).own
    for lag in (7, 18, 33, 60):
        expected = exactly(factors_of(made)[:lag], 40 + int(-2 * found.log10.min()))
        np.testing.assert_allclose(found.log10[lag - 1], expected, rtol=0, atol=1e-9)


def test_dead_units_are_exact_zeros_and_the_others_stay_right():
    made = of_layer(gaussian(8, 3), 25, "relu", b=np.linspace(-6, 1.5, 8))
    found = rates(made).own
    for i in (0, 5, len(found.lags) - 1):
        expected = exactly(factors_of(made)[:found.lags[i]], 250)
        assert (np.isneginf(found.log10[i]) == np.isneginf(expected)).all()
        there = np.isfinite(expected)
        np.testing.assert_allclose(found.log10[i][there], expected[there], atol=1e-9)
    assert np.isneginf(found.log10[0]).any()
    assert np.isfinite(found.log10[-1]).any()


def test_a_layer_that_dies_altogether_has_nothing_left_from_that_lag_on():
    made = of_layer(gaussian(4), 12, "relu", b=np.full(4, -50.0))
    found = rates(made).own
    assert np.isneginf(found.log10).all()
    assert (found.gone, found.pace, found.peak) == (1, 0.0, (0.0, 0))
    assert np.isneginf(found.exponents).all()


@pytest.mark.parametrize(("factor", "ranks"), [
    (np.diag(np.ones(3), 1), [3, 2, 1, 0, 0]), (np.ones((3, 3)), [1, 1, 1, 1, 1]),
    (np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1e-9]]), [2, 2, 2, 2, 2]), (np.zeros((2, 2)), [0, 0, 0, 0, 0]),
])
def test_directions_that_a_matrix_loses_are_zero_and_not_rounding(factor, ranks):
    found = of_factors(factor, 5)
    assert np.isfinite(found.log10).sum(axis=1).tolist() == ranks
    np.testing.assert_allclose(found.log10[1], exactly([factor] * 2, 80), atol=1e-9)


@pytest.mark.parametrize("size", [1e-15, 1e-16, 1e-30])
def test_a_unit_whose_outgoing_weights_are_small_is_not_lost(size):
    factor = np.array([[size, 1.0], [size, 2.0]])
    found = of_factors(factor, 9)
    np.testing.assert_allclose(found.log10[0], exactly([factor], 120), atol=1e-9)
    np.testing.assert_allclose(found.log10[-1], exactly([factor] * 9, 900), atol=1e-6)
    assert np.isfinite(found.exponents).all()


def test_a_slope_times_a_weight_under_the_float_range_is_not_zero():
    made = of_layer(np.array([[1e-30]]), 10, "sigmoid", 0.0, b=[-690.0])
    np.testing.assert_allclose(rates(made).own.largest, -329.663 * np.arange(1, 10), rtol=1e-5)
    faint = np.array([[1e-30, 2e-30], [3e-30, -1e-30]])
    made = of_layer(faint, 10, "sigmoid", 0.0, b=[-690.0, -660.0])
    with mpmath.workdps(800):
        J = mpmath.diag(made.backward.slopes[0][0].tolist()) * mpmath.matrix(faint.tolist())
        expected = [float(mpmath.log10(s)) for s in mpmath.svd_r(J, compute_uv=False)]
    np.testing.assert_allclose(rates(made).own.log10[0], expected, rtol=0, atol=1e-6)


def test_weights_whose_product_through_the_layers_is_under_the_float_range_still_count():
    weights = [np.array([[1e-110, 2e-110], [3e-110, -1e-110]])] * 2
    layers = [Layer(weights[0], weights[1], None, "linear") for _ in range(3)]
    made = trace(Network(layers), Sequence(np.ones((5, 2)), np.zeros((5, 2))))
    np.testing.assert_allclose(rates(made).stack.log10[-1], exactly_stacked(made, (4,), 3000)[4], rtol=0, atol=1e-5)


def test_the_rank_in_remainders_is_that_of_the_numbers():
    rng = np.random.default_rng(0)
    A, B = rng.integers(-9, 9, (5, 3)), rng.integers(-9, 9, (3, 6))
    assert rank(remainders(2.0**-70 * (A @ B))) == 3
    assert rank(remainders(np.array([[1e-200, 1.0], [1e-200, 1.0 + 1e-15]]))) == 2
    assert rank(remainders(np.zeros((2, 3)))) == 0


def test_whole_numbers_give_singular_values_that_lie_hundreds_of_digits_apart():
    big, small = 10**300, 2**50
    X = np.array([[big, big], [big, big + small]], object)
    np.testing.assert_allclose(log_singular_values(eliminated(X, 0, 1)), [300 + LOG_2, 49 * LOG_2], atol=1e-12)
    assert len(eliminated(X, 0, small).exponents) == 1


def test_a_product_may_leave_the_float_range_in_both_directions():
    product = unit(3)
    for _ in range(500):
        product = times(np.diag([1e40, 1.0, 1e-60]), product)
    np.testing.assert_allclose(log_singular_values(product), [20_000, 0, -30_000], atol=1e-6)


def test_groups_are_the_units_that_some_entry_links_in_either_direction():
    links = np.zeros((5, 5), bool)
    links[0, 3] = links[4, 3] = links[2, 2] = True
    assert [group.tolist() for group in parts_of(links)] == [[0, 3, 4], [1], [2]]


# The stack.


def step(layers, h, x):
    """The states of all layers after one step, from those before it, side by side; complex numbers pass."""
    made, below, at = [], x, 0
    phi = {"tanh": np.tanh, "linear": np.positive, "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
           "relu": lambda z: z * (z.real > 0)}
    for layer in layers:
        before, at = h[at:at + layer.n], at + layer.n
        below = phi[layer.cell](layer.W_S @ below + layer.b + (layer.W_T @ before if layer.recurrent else 0.0))
        made.append(below)
    return np.concatenate(made)


@settings(max_examples=40)
@given(problems())
def test_the_jacobian_of_the_stack_is_the_complex_step_derivative_of_one_step_forward(problem):
    network, sequence, _ = problem
    made = trace(network, sequence)
    t = sequence.T - 1
    h = np.concatenate([state[t] for state in made.forward.state]).astype(complex)
    found = stack_jacobian(network.layers, [slope[t] for slope in made.backward.slopes])
    expected = np.empty_like(found)
    for j in range(len(h)):
        nudged = h.copy()
        nudged[j] += 1e-30j
        expected[:, j] = step(network.layers, nudged, sequence.x[t]).imag / 1e-30
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-14)


@settings(max_examples=25)
@given(problems(max_T=6))
def test_the_spectrum_of_any_stack_is_that_of_the_product_formed_exactly(problem):
    network, sequence, _ = problem
    made = trace(network, sequence)
    found = rates(made, len(network.layers) - 1).stack
    if found is None:
        assert sequence.T == 1 or not any(layer.recurrent for layer in network.layers)
        return
    slopes = made.backward.slopes
    factors = [stack_jacobian(network.layers, [slope[-1 - k] for slope in slopes]) for k in range(sequence.T - 1)]
    for lag in (1, sequence.T - 1):
        expected, here = exactly(factors[:lag], 120), found.log10[lag - 1]
        zero = np.isneginf(here)
        np.testing.assert_allclose(here[~zero], expected[~zero], atol=1e-6)
        rounding = 1e-14 * np.prod([np.linalg.norm(factor) for factor in factors[:lag]])  # the factors themselves are rounded
        assert (10.0 ** expected[zero] <= rounding).all()


@pytest.mark.parametrize(("changes", "lags"), [
    ({"seed": 3, "g": 1.3, "input_scale": 5.0}, (18, 19, 29)),  # one layer shuts where the other is open, in turn
    ({"seed": 53, "cell": "relu", "g": 1.0}, (3, 29)),  # the third singular value is exactly 0 at the end
])
def test_layers_that_shut_in_turn_keep_every_singular_value_of_the_stack_right(changes, lags):
    made = run(Experiment(width=4, depth=2, **changes))
    found = rates(made)
    assert found.why == ()
    for lag, expected in exactly_stacked(made, lags, 300).items():
        np.testing.assert_allclose(found.stack.log10[lag - 1], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("seed", [10072, 10122, 10129, 10162])
def test_what_a_stack_keeps_is_not_hidden_by_rounding_that_links_a_layer_to_the_one_above(seed):
    """In floats the third of 10072 was exactly 0 and is 1e-73.9; the largest of 10162 was 1e-979.9 and is 1e-980.7."""
    made = random_stack(seed)
    found, lag = rates(made), made.sequence.T - 1
    assert found.why == ()
    expected = exactly_stacked(made, (lag,), 2000)[lag]
    np.testing.assert_allclose(found.stack.log10[-1], expected, rtol=0, atol=1e-6)
    assert np.isfinite(expected).any()


def test_what_is_not_certain_is_left_out_and_said_while_the_rest_is_right(monkeypatch):
    made = run(Experiment(seed=3, width=4, depth=2, g=1.3, input_scale=5.0))
    whole = rates(made).stack
    monkeypatch.setattr(spectra, "WHOLE_WORK", 0)
    found = rates(made)
    left_out = np.isnan(found.stack.log10)
    assert found.stack.doubtful == found.stack.lags[left_out.any(axis=1)][0] == 19
    assert found.why == ("From lag 19 on rounding would decide on some singular values of the stack: they are left out.",)
    assert not left_out[:, :4].any()
    np.testing.assert_allclose(found.stack.log10[~left_out], whole.log10[~left_out], rtol=0, atol=1e-5)


def test_where_the_largest_is_not_certain_no_lag_is_shown(monkeypatch):
    """No float holds the third Jacobian."""
    gates = np.ones((9, 2))
    gates[-3] = 1e-290
    factor = np.array([[1.0, 1.0], [1.0, 2.0]])
    found = of_factors(factor, 9, gates)
    assert (found.lags[-1], found.doubtful) == (9, None)
    np.testing.assert_allclose(found.log10[-1], exactly([factor] * 9, 80) - 290, atol=1e-6)
    monkeypatch.setattr(spectra, "WHOLE_WORK", 0)
    found = of_factors(factor, 9, gates)
    assert (found.lags.tolist(), found.doubtful, found.steps) == ([1, 2], 3, 2)
    assert of_factors(factor, 9, np.full((9, 2), 1e-290)) is None


def test_what_the_stack_keeps_is_at_least_what_each_layer_keeps_by_itself():
    made = run(Experiment(T=40, width=6))
    stack = rates(made).stack
    for l in range(3):
        own = rates(made, l).own
        assert (stack.largest >= own.largest - 1e-9).all()
    assert stack.largest[-1] > max(rates(made, l).own.largest[-1] for l in range(3)) + 0.1


def test_one_layer_is_its_own_stack():
    found = rates(run(Experiment(depth=1)))
    assert found.stack is found.own
    assert found.why == ()


# Exponents, bounds, transients.


def test_lyapunov_exponents_of_a_linear_layer_are_the_logs_of_its_eigenvalues():
    W_T = np.diag([1.1, -0.9, 0.5])
    found = rates(of_layer(W_T, 300, "linear")).own
    np.testing.assert_allclose(found.exponents, np.log([1.1, 0.9, 0.5]), rtol=1e-12)
    turn = np.linalg.qr(gaussian(3, 5))[0] @ np.diag([1.0, 2.0, 3.0])  # the same ones, seen from another basis
    found = rates(of_layer(turn @ W_T @ np.linalg.inv(turn), 2001, "linear")).own
    assert found.steps > found.lags[-1] == 400
    np.testing.assert_allclose(found.exponents, np.log([1.1, 0.9, 0.5]), atol=3 / found.steps)


def test_a_scalar_layer_sums_the_logs_of_its_factors():
    made = run(Experiment(width=1, depth=1, T=50))
    found = rates(made).own
    w, slopes = made.network.layers[0].W_T[0, 0], made.backward.slopes[0][1:, 0][::-1]
    np.testing.assert_allclose(found.largest, np.cumsum(np.log10(np.abs(w * slopes))), rtol=1e-12)
    assert found.exponents[0] == pytest.approx(np.log(np.abs(w * slopes)).mean())
    assert found.pace == pytest.approx(np.exp(found.exponents[0]))


def test_the_text_s_matrix_amplifies_more_than_tenfold_although_its_radius_is_below_one():
    found = transient(np.array([[0.9, 4.0], [0.0, 0.9]]), 0.9)
    norms = [np.linalg.norm(np.linalg.matrix_power(np.array([[0.9, 4.0], [0.0, 0.9]]).T, k), 2) for k in range(200)]
    assert found.log10 == pytest.approx(np.log10(max(norms)), rel=1e-12)
    assert 10**found.log10 > 10
    assert found.at == int(np.argmax(norms))
    assert found.settled


@pytest.mark.parametrize("seed", range(4))
def test_the_transient_is_the_largest_norm_of_any_power_formed_one_by_one(seed):
    W = gaussian(7, seed)
    W *= 0.95 / np.abs(np.linalg.eigvals(W)).max()
    found = transient(W, 0.95)
    norms = [np.linalg.norm(np.linalg.matrix_power(W, k), 2) for k in range(400)]
    assert (found.log10, found.at) == (pytest.approx(np.log10(max(norms)), abs=1e-12), int(np.argmax(norms)))


def test_a_transient_without_end_is_said_to_have_none():
    assert transient(np.diag([1.2, 0.1]), 1.2).log10 == np.inf
    assert transient(np.eye(3), 1.0) == transient(np.eye(3), 1.0).__class__(0.0, 0, 1, True)
    jordan = transient(np.array([[1.0, 1.0], [0.0, 1.0]]), 1.0)
    assert not jordan.settled
    assert jordan.at == jordan.powers == 400


@settings(max_examples=30)
@given(problems())
def test_no_singular_value_of_a_product_is_over_the_bound(problem):
    network, sequence, _ = problem
    made = trace(network, sequence)
    for l, layer in enumerate(network.layers):
        found = rates(made, l)
        assert (found.bound is None) == (not layer.recurrent)
        if layer.recurrent:
            most = {"sigmoid": 0.25}.get(layer.cell, 1.0)
            assert found.bound == pytest.approx(most * np.linalg.norm(layer.W_T, 2), rel=1e-7, abs=1e-12)
            assert found.surely_fades == (found.bound < 1 - 1e-9)
        if found.own is not None and found.bound > 0:
            assert (found.own.largest <= found.own.lags * np.log10(found.bound) + 1e-9).all()


def test_an_orthogonal_matrix_of_gain_one_is_not_said_to_fade_for_sure():
    for seed in range(5):
        assert not rates(run(Experiment(g=1.0, cell="linear", depth=1, seed=seed))).surely_fades
    assert rates(run(Experiment(g=0.99))).all_surely_fade


def test_the_activation_is_read_from_phi_prime_layer_by_layer():
    made = run(Experiment(T=20, g=1.4, input_scale=3.0))
    found = rates(made, 1)
    for l, slope in enumerate(made.backward.slopes):
        assert found.mean[l] == pytest.approx(slope.mean())
        assert found.geometric[l] == pytest.approx(np.prod(slope ** (1 / slope.size)))
        assert found.shut[l] == (slope < 0.1).mean()
    eigenvalues = np.linalg.eigvals(made.network.layers[1].W_T)
    np.testing.assert_allclose(np.sort_complex(found.eigenvalues), np.sort_complex(eigenvalues), rtol=1e-12)
    np.testing.assert_allclose(found.drawn_in, found.eigenvalues * made.backward.slopes[1].mean())
    assert found.measured == read(made).fit(1)
    crooked = run(Experiment(cell="relu", bias=-0.3, g=1.5, seed=9))
    assert not read(crooked).fit(0).straight
    assert rates(crooked).measured is None


# Limits.


def test_a_run_that_overflows_is_read_up_to_the_step_before():
    made = of_layer(np.array([[1e30]]), 20, "linear")
    bad = made.forward.overflow[1]
    found = rates(made)
    assert made.backward is None
    assert found.steps == bad < 20
    np.testing.assert_allclose(found.own.largest, 30.0 * np.arange(1, bad), rtol=1e-12)
    assert found.measured is None


def test_a_cell_with_gates_is_refused_with_its_layer(monkeypatch):
    monkeypatch.setitem(CELLS, "gated", replace(CELLS["tanh"], phi=None))
    with pytest.raises(ValueError, match="Rate needs cells without gates; layer 2 is gated."):
        rates(run(Experiment(layers="3, 4 gated, 2", T=3)))


def test_one_step_has_no_product_but_has_eigenvalues():
    found = rates(run(Experiment(T=1)))
    assert found.own is found.stack is None
    assert found.why == ("A product of Jacobians needs two steps.",)
    assert len(found.eigenvalues) == 16


def test_a_layer_without_recurrence_says_so_and_the_stack_is_still_there():
    found = rates(run(Experiment(layers="4, 3 static, 2 tanh")), 1)
    assert (found.own, found.eigenvalues, found.bound, found.transient) == (None, None, None, None)
    assert found.why == ("Layer 2 is not recurrent: nothing flows back through it in time.",)
    assert np.isneginf(found.stack.log10[:, -3:]).all()
    assert np.isfinite(found.stack.log10[:, :6]).all()
    assert rates(run(Experiment(layers="4 static, 3 static"))).why[-1] == "No layer is recurrent: nothing flows back in time."


def test_wide_stacks_show_fewer_lags_and_too_wide_ones_say_why(monkeypatch):
    made = run(Experiment(width=10, T=120))
    before = rates(made)
    assert before.stack.lags[-1] == before.own.lags[-1] == 119
    assert len(before.own.lags) == 60
    monkeypatch.setattr(spectra, "STEP_WORK", 2_000_000)
    monkeypatch.setattr(spectra, "SHOWN_WORK", 500_000)
    after = rates(made)
    assert after.stack.steps == after.stack.lags[-1] == 2_000_000 // 30**3
    assert (len(after.stack.lags), len(after.own.lags)) == (500_000 // 30**3, 60)
    there = np.isin(before.stack.lags, after.stack.lags)
    same = after.stack.log10[np.isin(after.stack.lags, before.stack.lags)]
    np.testing.assert_allclose(before.stack.log10[there], same, rtol=0, atol=1e-9)
    found = rates(run(Experiment(width=100, T=4)))
    assert found.own is not None
    assert found.why == ("The products of all 300 units jointly take too long; stacks of 192 or fewer show them.",)


def test_a_layer_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="layer is 3; it must be 0 to 2"):
        rates(run(Experiment()), 3)


def test_the_checkpoint_stops_a_long_product():
    made, calls = run(Experiment(T=500, depth=1)), []

    class Stop(Exception):
        pass

    def checkpoint():
        calls.append(1)
        if len(calls) == 100:
            raise Stop

    with pytest.raises(Stop):
        rates(made, reading=read(made), checkpoint=checkpoint)
    assert len(calls) == 100
