"""delta far outside the float range, against multi-precision arithmetic that is fed the same float64 slopes."""

from unittest.mock import patch

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import problems

from rnnviz import bptt, scaled
from rnnviz.bptt import backward, forward
from rnnviz.experiment import Experiment, run, trace
from rnnviz.flow import ZERO, read
from rnnviz.network import Layer, Network
from rnnviz.tasks import Sequence
from rnnviz.windows import truncated


def of(rows, t, i):
    """One number of Scaled rows in multi-precision."""
    return mpmath.ldexp(mpmath.mpf(float(rows.mantissa[t, i])), int(rows.exponent[t, i]))


def reference(network, made):
    """(delta, the same with all terms positive), per layer and step lists of multi-precision numbers."""
    T, layers = made.sequence.T, network.layers
    exact, terms = ([[None] * T for _ in layers] for _ in range(2))
    matrices = [[[[mpmath.mpf(w) for w in row] for row in W.T.tolist()] for W in (layer.W_S, layer.W_T)] for layer in layers]
    W_out = [[mpmath.mpf(w) for w in row] for row in network.W_out.T.tolist()]

    def times(columns, vector, size=lambda w: w):
        return [mpmath.fsum(size(w) * v for w, v in zip(column, vector, strict=True)) for column in columns]

    for found, size in ((exact, lambda w: w), (terms, abs)):
        later = [[mpmath.mpf(0)] * layer.n for layer in layers]
        for t in range(T - 1, -1, -1):
            above = times(W_out, [size(mpmath.mpf(o)) for o in made.forward.slope_out[t].tolist()], size)  # 0 if not scored
            for l in range(len(layers) - 1, -1, -1):
                future = times(matrices[l][1], later[l], size)
                slope = made.backward.slopes[l][t].tolist()
                found[l][t] = later[l] = [(a + b) * mpmath.mpf(s) for a, b, s in zip(above, future, slope, strict=True)]
                above = times(matrices[l][0], later[l], size)
    return exact, terms


def furthest(network, T, absolute=False):
    """The largest error of any component of delta at any cell, relative to it or to the sum of its absolute terms.

    The network's state stays 0, or small, while its gradient goes where it will.
    """
    x = 0.1 * np.random.default_rng(0).standard_normal((T, network.n_in))
    made = trace(network, Sequence(x, np.full((T, network.n_out), 5.0)))
    assert made.backward.far is not None
    return error(network, made, absolute)


def error(network, made, absolute):
    """As furthest, of a run; a plain pass counts with an exponent of 0."""
    T, far = made.sequence.T, made.backward.far
    deltas = [scaled.scaled(delta) for delta in made.backward.delta] if far is None else [delta for delta, *_ in far]
    with mpmath.workprec(160):
        exact, terms = reference(network, made)
        worst = mpmath.mpf(0)
        for l, layer in enumerate(network.layers):
            for t in range(T):
                for i in range(layer.n):
                    right, found = exact[l][t][i], of(deltas[l], t, i)
                    if right == 0 and not absolute:
                        assert found == 0, (l, t, i)
                    elif terms[l][t][i] == 0:
                        assert found == 0, (l, t, i)
                    else:
                        worst = max(worst, abs(found - right) / (terms[l][t][i] if absolute else abs(right)))
    return float(worst)


def linear(W_T, above=None):
    """A linear layer with a readout, and another on top of it if its W_T is given; nothing comes in from below."""
    n = len(W_T)
    layers = [Layer(np.zeros((n, 1)), W_T, cell="linear")]
    if above is not None:
        W_S = np.abs(np.random.default_rng(5).standard_normal((len(above), n)))
        layers.append(Layer(W_S, above, cell="linear"))
    return Network(layers, W_out=np.ones((1, layers[-1].n)))


POSITIVE = {
    "diagonal": np.diag([2.0, 0.5]),
    "the fading unit hears the growing one": np.array([[2.0, 1.0], [0.0, 0.5]]),
    "the growing unit hears the fading one": np.array([[0.5, 1.0], [0.0, 2.0]]),
    "full": np.array([[1.5, 0.5, 0.1], [0.2, 1.7, 0.3], [0.4, 0.0, 1.9]]),
    "a chain of units": 0.5 * np.eye(4, k=1) + 2.0**-9 * np.eye(4),
}


@pytest.mark.parametrize("W_T", POSITIVE.values(), ids=POSITIVE)
def test_delta_is_right_in_every_component_over_5000_steps_where_no_terms_cancel(W_T):
    assert furthest(linear(W_T), 5000) <= 1e-13


def test_layers_that_grow_and_fade_meet_without_loss():
    assert furthest(linear(np.diag([2.0, 0.5]), above=np.diag([0.5, 2.0, 0.25])), 2000) <= 1e-13


@pytest.mark.parametrize("cell", ["tanh", "sigmoid", "relu", "linear"])
def test_where_terms_cancel_delta_is_right_beside_the_sum_of_their_sizes(cell):
    rng = np.random.default_rng(3)
    bias = dict(b=np.full(5, 0.5)) if cell == "relu" else {}
    layers = [Layer(rng.standard_normal((5, 1)), 0.25 * rng.standard_normal((5, 5)), cell=cell, **bias),
              Layer(rng.standard_normal((4, 5)), 0.25 * rng.standard_normal((4, 4)), cell=cell)]
    assert furthest(Network(layers, W_out=np.ones((1, 4))), 1500, absolute=True) <= 1e-13


def test_weights_and_slopes_at_the_ends_of_the_float_range_lose_nothing():
    assert furthest(linear(np.array([[1e5, 1e-200], [1e-180, 1e-5]])), 300) <= 1e-13
    shut = Layer(np.ones((3, 1)), np.full((3, 3), 0.3), np.array([0.0, 60.0, 700.0]), "sigmoid")  # slopes down to 1e-304
    assert furthest(Network([shut], W_out=np.ones((1, 3))), 300) <= 1e-13


@settings(max_examples=150)
@given(st.integers(0, 2**32 - 1), st.sampled_from((10, 60, 150, 290)))
def test_numbers_of_any_size_side_by_side_lose_nothing(seed, decades):
    """Weights, targets and slopes from 10^-decades to 10^decades, many of them 0, several losses."""
    rng = np.random.default_rng(seed)

    def sizes(*shape):
        return rng.standard_normal(shape) * 10.0 ** rng.uniform(-decades, decades, shape) * (rng.random(shape) < 0.7)

    widths = rng.integers(1, 4, rng.integers(1, 3)).tolist()
    layers, below = [], 1
    for n in widths:
        cell = str(rng.choice(["linear", "relu", "tanh", "sigmoid"]))
        layers.append(Layer(sizes(n, below), sizes(n, n), 30 * rng.standard_normal(n), cell))
        below = n
    network, T = Network(layers, W_out=sizes(2, below)), int(rng.integers(1, 9))
    scored = rng.random(T) < 0.5
    scored[-1] = True
    seq = Sequence(np.zeros((T, 1)), np.clip(sizes(T, 2), -1e150, 1e150), scored)
    made = trace(network, seq)
    if made.backward is None or not np.isfinite(made.forward.slope_out).all():
        return
    assert error(network, made, absolute=True) <= 1e-12


def test_what_enters_later_and_is_far_larger_hides_nothing():
    shift = Network([Layer(np.zeros((2, 1)), [[0.0, 1.0], [0.0, 0.0]], cell="linear")])
    for size in (1e160, 1e163, 1e180):
        targets = np.zeros((3, 2))
        targets[2, 0], targets[0] = -1.2345e-160, [-size, -1e-100]
        sent = trace(shift, Sequence(np.zeros((3, 1)), targets, np.ones(3, bool))).backward
        assert sent.delta[0][1, 1] == 1.2345e-160
    alone = Network([Layer([[0.0]], [[1e-200]], cell="linear")])
    log = read(trace(alone, Sequence(np.zeros((3, 1)), [[-1e200], [0.0], [-1e-150]], np.ones(3, bool)))).log_size[0]
    np.testing.assert_allclose(log, [200, -350, -150], rtol=1e-14)


def test_a_loss_that_a_readout_makes_smaller_than_any_float_still_sends():
    network = Network([Layer([[1.0]], [[1.0]], cell="linear")], W_out=[[1e-200]])
    log = read(trace(network, Sequence(np.zeros((2, 1)), [[0.0], [-1e-200]]))).log_size[0]
    np.testing.assert_allclose(log, [-400, -400], rtol=1e-14)


def test_a_decay_of_a_hundredth_a_step_never_rests_on_a_plateau_of_denormal_numbers():
    T = 100_000
    made = trace(linear(np.array([[0.99]])), Sequence(np.zeros((T, 1)), np.full((T, 1), -1.0)))
    log = read(made).log_size[0]
    np.testing.assert_allclose(log, np.arange(T - 1, -1, -1) * np.log10(0.99), rtol=1e-12, atol=1e-12)
    assert (np.diff(log) > 0).all()


# The same where plain floats suffice.


@settings(max_examples=100)
@given(problems())
def test_exponents_change_nothing_but_rounding(problem):
    network, seq, windows = problem
    there = forward(network, seq)
    plain = backward(network, seq, there, windows)
    with patch.object(bptt, "in_the_middle", lambda *_: False):
        far = backward(network, seq, there, windows)
    assert far.far is not None
    for name in ("delta", "grad_h", "from_space", "from_time", "dW_S", "dW_T", "db", "dh_0"):
        for a, b in zip(getattr(plain, name), getattr(far, name), strict=True):
            if a is not None:
                np.testing.assert_allclose(b, a, rtol=1e-11, atol=1e-13 * (1.0 + np.abs(a).max(initial=0.0)), err_msg=name)
    np.testing.assert_allclose(far.dx, plain.dx, rtol=1e-11, atol=1e-13 * (1.0 + np.abs(plain.dx).max()))


@settings(max_examples=60)
@given(problems(max_T=12), st.integers(-1, 1))
def test_a_factor_on_every_recurrent_weight_is_one_on_every_lag(problem, sign):
    """For one linear layer under one loss: W_T * 2^300 makes delta at lag k 2^(300 k) times as large, whatever floats hold."""
    network, seq, _ = problem
    n = network.layers[0].n
    W_T = np.zeros((n, n)) if network.layers[0].W_T is None else network.layers[0].W_T
    far = 2.0 ** (300 * sign)
    seq = Sequence(np.zeros((seq.T, 1)), np.ones((seq.T, n)))
    one, other = (trace(Network([Layer(np.zeros((n, 1)), factor * W_T, cell="linear")]), seq) for factor in (1.0, far))
    lags = np.arange(seq.T - 1, -1, -1)
    expected = read(one).log_size + 300 * sign * lags * np.log10(2.0)
    found = read(other).log_size
    good = np.isfinite(expected)
    np.testing.assert_allclose(found[good], expected[good], atol=1e-10)
    assert (found[~good] == -np.inf).all()


@pytest.mark.parametrize("size", [1e-3, 1e3])
def test_truncated_passes_carry_exponents_too(size):
    """Windows of 150 columns from every step of a chain: the passes add up to a geometric sum at every step."""
    T, tau = 400, 150
    network = Network([Layer([[0.0]], [[size]], cell="linear")])
    seq = Sequence(np.zeros((T, 1)), np.full((T, 1), -1.0), np.ones(T, bool))
    log = read(trace(network, seq, truncated(T, tau, 1))).log_size[0]
    with mpmath.workprec(200):
        for t in range(T):
            many = min(tau, T - t)
            exact = mpmath.log10(mpmath.fsum(mpmath.mpf(size) ** k for k in range(many)))
            assert log[t] == pytest.approx(float(exact), rel=1e-13, abs=1e-13)


def test_one_pass_of_a_schedule_is_right_between_its_ends():
    network = Network([Layer([[0.0]], [[1e-3]], cell="linear")])
    seq = Sequence(np.zeros((300, 1)), np.full((300, 1), -1.0))
    log = read(trace(network, seq, truncated(300, 200, 300))).log_size[0]
    np.testing.assert_allclose(log[100:], -3.0 * np.arange(199, -1, -1), atol=1e-9)
    assert (log[:100] == -np.inf).all()


def test_gradients_that_a_float_can_hold_are_right_though_delta_is_not_held():
    """delta = 2^(T - t) outgrows floats, and the inputs are 0 but where it is small."""
    T = 1500
    x = np.zeros((T, 1))
    x[-10:] = 1.0
    layer = Layer([[1e-9]], [[2.0]], cell="linear")
    sent = trace(Network([layer]), Sequence(x, np.zeros((T, 1)))).backward
    states = forward(Network([layer]), Sequence(x, np.zeros((T, 1))))
    error = states.slope_out[-1, 0]
    assert sent.dW_S[0][0, 0] == pytest.approx(error * sum(2.0**k for k in range(10)), rel=1e-14)
    h = np.append(0.0, states.h[0][:, 0])
    assert sent.dW_T[0][0, 0] == pytest.approx(error * sum(2.0**k * h[T - 1 - k] for k in range(10)), rel=1e-14)
    assert sent.db[0][0] == np.inf
    assert sent.delta[0][0, 0] == np.inf


def test_a_state_that_is_never_left_costs_no_exponents():
    assert run(Experiment()).backward.far is None
    assert run(Experiment(T=200, g=1.05, input_scale=0.5, task="sine")).backward.far is None


def test_a_dead_layer_stays_exactly_zero_among_numbers_with_exponents():
    network = Network([Layer([[1.0]], [[1e-3]], [-5.0], "relu"), Layer([[1.0]], [[1e-3]], cell="linear")])
    reading = read(trace(network, Sequence(np.ones((400, 1)), np.full((400, 1), -1.0))))
    assert (reading.state[0] == ZERO).all()
    np.testing.assert_allclose(reading.log_size[1], -3.0 * np.arange(399, -1, -1), atol=1e-9)


def test_a_superseded_run_stops_within_the_scaled_pass():
    calls = []

    def stop():
        calls.append(1)
        if len(calls) > 40:
            raise KeyboardInterrupt

    network = linear(np.diag([2.0, 0.5]))
    seq = Sequence(np.zeros((20_000, 1)), np.ones((20_000, 1)))
    there = forward(network, seq)
    with pytest.raises(KeyboardInterrupt):
        backward(network, seq, there, checkpoint=stop)
    assert len(calls) == 41


def test_scaled_rows_add_and_multiply_like_whole_numbers():
    rng = np.random.default_rng(2)
    a, b = (scaled.Scaled(rng.integers(-9, 9, (7, 3)).astype(float), rng.integers(-2000, 2000, (7, 3)).astype(np.int32))
            for _ in range(2))
    W = rng.integers(-9, 9, (3, 4)).astype(float)
    total, products = scaled.added(a, b), (scaled.times(a, W), scaled.exact(a, W))
    with mpmath.workprec(5000):
        for t in range(7):
            for i in range(3):
                exact = of(a, t, i) + of(b, t, i)
                assert abs(of(total, t, i) - exact) <= abs(exact) * mpmath.mpf(2) ** -52
            for i in range(4):
                exact = mpmath.fsum(of(a, t, j) * W[j, i] for j in range(3))
                for product in products:
                    assert abs(of(product, t, i) - exact) <= abs(exact) * mpmath.mpf(2) ** -50
