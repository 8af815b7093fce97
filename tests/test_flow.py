"""Readings of a run: sizes, rates, and what a zero means."""

from dataclasses import replace
from math import hypot

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import small_experiments, windows

from rnnviz.experiment import Experiment, run, trace
from rnnviz.flow import (
    CUT,
    OK,
    OVERFLOW,
    PENDING,
    UNDERFLOW,
    ZERO,
    Fit,
    cosines,
    neurons,
    norms,
    read,
    spectral_norm,
)
from rnnviz.network import Layer, Network
from rnnviz.tasks import Sequence
from rnnviz.windows import truncated

pytestmark = pytest.mark.filterwarnings("error")



def linear_chain(w, T, scale=1.0, **how):
    """One linear unit with recurrent weight w and no input (so its state stays 0) under one loss of slope `scale`."""
    network = Network([Layer([[1.0]], [[w]], cell="linear")])
    return trace(network, Sequence(np.zeros((T, 1)), np.full((T, 1), -scale)), **how)


# Sizes.


exponents = st.integers(-300, 300)


@given(st.lists(st.floats(-1, 1).filter(lambda v: v == 0 or abs(v) > 1e-3), min_size=1, max_size=5), exponents)
def test_norms_are_right_from_1e_minus_300_to_1e300(row, exponent):
    row = np.array(row) * 10.0**exponent
    with mpmath.workdps(30):
        expected = mpmath.sqrt(sum(mpmath.mpf(v) ** 2 for v in row))
        found = mpmath.mpf(float(norms(row[None])[0]))
        assert abs(found - expected) <= 4e-16 * 5 * expected  # one rounding a unit


def test_norms_keep_infinity_nan_and_exact_zero_apart():
    rows = np.array([[0.0, 0.0], [np.inf, 1.0], [np.nan, 1.0], [3e-320, 4e-320], [1.5e308, 1.5e308]])
    found = norms(rows)
    assert found[0] == 0
    assert found[1] == np.inf
    assert np.isnan(found[2])
    assert found[3] == pytest.approx(5e-320, rel=1e-3)  # subnormal numbers have few digits
    assert found[4] == np.inf  # 2.1e308 is beyond the range


@given(st.integers(0, 2**32 - 1), exponents, exponents)
def test_the_cosine_does_not_depend_on_the_sizes(seed, i, j):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, 3, 4))
    expected = (a * b).sum(axis=1) / np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    a, b = a * 10.0**i, b * 10.0**j
    np.testing.assert_allclose(cosines(a, b, norms(a), norms(b)), expected, atol=1e-14)
    np.testing.assert_allclose(cosines(a, -a, norms(a), norms(a)), -1.0, atol=1e-15)


def test_the_angle_to_a_message_of_0_is_not_a_number():
    a, b = np.array([[1.0, 0.0]]), np.zeros((1, 2))
    assert np.isnan(cosines(a, b, norms(a), norms(b))).all()


@given(st.integers(1, 8), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_the_spectral_norm_is_the_largest_singular_value(n, m, seed):
    W = np.random.default_rng(seed).standard_normal((n, m))
    # through W W^T the relative error is eps times (largest / largest)^2: the top singular value keeps its digits
    for scale in (1.0, 1e-200, 1e200):
        assert spectral_norm(scale * W) == pytest.approx(scale * np.linalg.norm(W, 2), rel=1e-13)
    assert spectral_norm(0 * W) == 0


@settings(max_examples=100)
@given(small_experiments(), st.sampled_from(("delta", "grad_h")))
def test_a_reading_is_the_norms_of_the_cells_it_names(experiment, quantity):
    made = run(experiment)
    flow = read(made, quantity)
    if made.backward is None:
        assert flow.overflow == made.forward.overflow
        return
    L, T = len(made.network.layers), experiment.T
    for name in ("log_size", "log_ratio", "log_space", "log_time", "cosine", "openness", "state"):
        assert getattr(flow, name).shape == (L, T), name
    assert (flow.L, flow.T) == (L, T)
    sent, chosen = made.backward, getattr(made.backward, quantity)
    for l in range(L):
        for t in range(T):
            assert flow.size[l, t] == pytest.approx(np.linalg.norm(chosen[l][t]), rel=1e-12, abs=1e-150)
            for log, message in ((flow.log_space, sent.from_space), (flow.log_time, sent.from_time)):
                assert 10.0 ** log[l, t] == pytest.approx(np.linalg.norm(message[l][t]), rel=1e-12, abs=1e-150)
            assert flow.openness[l, t] == pytest.approx(sent.slopes[l][t].mean())
        assert flow.shut[l] == np.mean(sent.slopes[l] < 0.1)
    W_out = np.eye(made.network.n_out) if made.network.W_out is None else made.network.W_out
    heard = np.where(sent.seen[:, None], made.forward.slope_out @ W_out, 0.0)
    assert flow.reference == pytest.approx(np.linalg.norm(heard, axis=1).max(), rel=1e-12, abs=1e-150)
    np.testing.assert_array_equal(flow.passes, made.windows.reaches().sum(axis=0))
    np.testing.assert_array_equal(flow.reached, sent.reached)
    assert flow.losses == (made.sequence.scored & made.windows.carries().any(axis=0)).sum()


@given(small_experiments())
def test_the_shares_of_above_and_future_add_up_to_1_where_there_is_a_message(experiment):
    made = run(experiment)
    if made.backward is None:
        return
    flow = read(made)
    for l in range(flow.L):
        for t in range(flow.T):
            above, future = flow.share(l, t)
            space, time = (hypot(*message[l][t].tolist()) for message in (made.backward.from_space, made.backward.from_time))
            if max(flow.log_space[l, t], flow.log_time[l, t]) == -np.inf:
                assert space == time == 0
                assert above is future is None
            else:
                assert above + future == 1
                assert max(space, time) < 1e-290 or above == pytest.approx(space / (space + time), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_shares_and_ratios_do_not_depend_on_the_unit_of_the_loss(scale):
    network = Network([Layer([[1.0]], [[0.5]], cell="linear")])
    flow = read(trace(network, Sequence(np.zeros((4, 1)), np.full((4, 1), -scale), np.array([0, 0, 1, 1], bool))))
    assert flow.share(0, 2) == pytest.approx((2 / 3, 1 / 3))
    assert [flow.ratio(0, t) for t in range(4)] == pytest.approx([0.375, 0.75, 1.5, 1.0])
    assert flow.reference == pytest.approx(scale, rel=1e-12)


# Rates.


@given(st.floats(-1.3, 1.3).filter(lambda w: abs(w) > 0.3), st.integers(5, 60))
def test_a_linear_unit_fades_or_grows_by_exactly_its_weight_each_step_back(w, T):
    fit = read(linear_chain(w, T)).fit()
    assert fit.rate == pytest.approx(abs(w), rel=1e-10)  # a line through logarithms, each rounded at 1e-16 of up to 30
    assert fit.rms < 1e-10
    assert fit.straight
    assert (fit.first, fit.last) == (0, T - 1 - T // 6)
    assert fit.level == pytest.approx((T // 6) * np.log10(abs(w)), abs=1e-9)


@given(st.floats(0.01, 0.999))
def test_reach_is_the_number_of_whole_steps_that_leave_more_than_a_thousandth(rate):
    reach = Fit(rate, 0.0, 0, 9, 1.0, 0.0).reach
    assert rate**reach >= 1e-3 * (1 - 1e-9)
    assert rate ** (reach + 1) <= 1e-3 * (1 + 1e-9)


@pytest.mark.parametrize("rate", [0.0, 1.0, 1.5, np.inf])
def test_what_does_not_fade_has_no_reach(rate):
    assert Fit(rate, 0.0, 0, 9, 1.0, 0.0).reach is None


def test_a_line_needs_three_columns():
    assert read(linear_chain(0.5, 2)).fit() is None
    assert read(linear_chain(0.5, 3)).fit().rate == pytest.approx(0.5)
    assert read(linear_chain(0.5, 30, windows=truncated(30, 7, 30))).fit() is None  # 7 columns, the last 5 left out
    assert read(linear_chain(0.5, 30, windows=truncated(30, 8, 30))).fit().first == 22


def test_a_bend_is_not_straight_and_a_level_curve_is():
    def fit(log_ratio):
        flow = read(linear_chain(0.5, len(log_ratio)))
        return replace(flow, log_ratio=np.array([log_ratio])).fit()

    t = np.arange(30.0)
    assert not fit(np.abs(t - 12.5)).straight
    assert fit(0.01 * (-1.0) ** t).straight


@pytest.mark.parametrize(("cell", "expected"), [("linear", 1.0), ("relu", 1.0), ("tanh", 1.0), ("sigmoid", 0.25)])
def test_no_step_back_in_the_top_layer_exceeds_the_ceiling(cell, expected):
    made = run(Experiment(cell=cell, depth=1, width=6, init="Gaussian", seed=3))
    flow = read(made)
    assert flow.ceiling == pytest.approx(expected * np.linalg.norm(made.network.layers[0].W_T, 2), rel=1e-12)
    assert flow.size[0, -2:].all()
    assert (flow.size[0, :-1] <= flow.ceiling * (1 + 1e-12) * flow.size[0, 1:]).all()
    assert read(run(Experiment(score="every step"))).ceiling is None  # later losses add: no bound


# What a cell is.


def test_a_fading_gradient_is_a_number_then_an_underflow_never_an_exact_zero():
    flow = read(linear_chain(1e-3, 200))
    sizes = [mpmath.mpf(10) ** (-3 * (199 - t)) for t in range(200)]
    assert flow.state[0].tolist() == [OK if size > mpmath.mpf(2) ** -1075 else UNDERFLOW for size in sizes]
    assert (flow.state == UNDERFLOW).sum() == 92  # 1e-321 still is a number, 1e-324 is not
    np.testing.assert_allclose(flow.log_size[0], [float(mpmath.log10(size)) for size in sizes], atol=1e-10)


@pytest.mark.parametrize(("precision", "k"), [("float16", 25), ("bfloat16", 134), ("float32", 150), ("float64", 1075)])
def test_half_the_smallest_number_of_a_float_is_rounded_to_0_as_that_float_does(precision, k):
    """At a half a step delta is 2^-k: half the smallest subnormal number lies between 0 and it, and even is 0."""
    if precision != "bfloat16":
        smallest = np.dtype(precision).type(2.0 ** (1 - k))
        assert smallest > 0 == smallest / np.dtype(precision).type(2.0)
    flow = read(linear_chain(0.5, 1200), precision=precision)
    assert flow.state[0, 1199 - k:1201 - k].tolist() == [UNDERFLOW, OK]


@pytest.mark.parametrize(("precision", "half"), [("float16", 65520.0), ("float32", 2.0**128 - 2.0**103)])
def test_from_half_a_unit_above_the_largest_number_of_a_float_on_it_is_infinite(precision, half):
    for size, state in ((float(np.finfo(precision).max), OK), (np.nextafter(half, 0.0), OK), (half, OVERFLOW)):
        flow = read(linear_chain(1.0, 1, size), precision=precision)
        assert flow.state[0, 0] == state
        with np.errstate(over="ignore"):
            assert np.isinf(np.dtype(precision).type(size)) == (state == OVERFLOW)


def test_a_growing_gradient_overflows_where_it_passes_the_largest_float():
    flow = read(linear_chain(1e3, 200))
    assert flow.state[0].tolist() == [OK if 199 - t <= 102 else OVERFLOW for t in range(200)]
    assert read(run(Experiment(cell="linear", depth=1, width=1, init="by hand", hand="0 100 0", T=200, task="sine",
                               readout="none"))).state[0, 0] == OVERFLOW


def test_where_plain_floats_would_meet_as_infinities_of_both_signs_the_numbers_are_right():
    network = Network([Layer(np.eye(2), [[1e308, -1e308], [1e308, 1e308]], cell="linear")])
    made = trace(network, Sequence(np.zeros((6, 2)), np.tile([-1.0, -0.5], (6, 1))))
    flow = read(made)
    assert flow.state[0].tolist() == [OVERFLOW] * 4 + [OK] * 2
    turn = np.array([[1.0, 1.0], [-1.0, 1.0]])  # W_T^T over 1e308
    exact = [np.linalg.norm(np.linalg.matrix_power(turn, k) @ [1.0, 0.5]) for k in range(6)]
    np.testing.assert_allclose(flow.log_size[0, ::-1], np.log10(exact) + 308 * np.arange(6), rtol=1e-14)
    assert not np.isnan(made.backward.delta[0]).any()


def test_a_loss_that_sends_more_than_a_float_can_hold_is_marked_and_its_ratios_are_right():
    network = Network([Layer([[1.0]], [[0.5]], cell="linear")], W_out=[[1e200]])
    flow = read(trace(network, Sequence(np.zeros((6, 1)), np.full((6, 1), 1e200))))
    assert flow.state[0].tolist() == [OVERFLOW] * 6
    np.testing.assert_allclose(flow.log_ratio[0], np.arange(-5, 1) * np.log10(2), atol=1e-12)


def test_columns_that_no_pass_reaches_are_cut_and_those_behind_a_dead_unit_exactly_zero():
    network = Network([Layer([[1.0]], [[0.9]], cell="relu")])
    x = np.array([1.0, 1.0, 1.0, -9.0, 1.0, 1.0])[:, None]  # the unit is shut at step 4
    flow = read(trace(network, Sequence(x, np.zeros((6, 1))), truncated(6, 5, 6)))
    assert flow.state[0].tolist() == [CUT, ZERO, ZERO, ZERO, OK, OK]
    grad_h = read(trace(network, Sequence(x, np.zeros((6, 1)))), "grad_h")
    assert grad_h.state[0].tolist() == [ZERO, ZERO, ZERO, OK, OK, OK]


def test_steps_after_the_last_loss_are_exactly_zero():
    network = Network([Layer([[1.0]], [[0.9]])])
    flow = read(trace(network, Sequence(np.ones((4, 1)), np.zeros((4, 1)), np.array([0, 1, 0, 0], bool))))
    assert flow.state[0].tolist() == [OK, OK, ZERO, ZERO]


def test_a_loss_of_zero_sends_exact_zeros_and_no_ratio_is_nan():
    network = Network([Layer([[1.0]], [[0.9]], cell="linear")])
    flow = read(trace(network, Sequence(np.zeros((4, 1)), np.zeros((4, 1)))))
    assert (flow.state == ZERO).all()
    assert (flow.log_ratio == -np.inf).all()
    assert flow.ratio(0, 0) == 0
    assert flow.share(0, 3) == (None, None)
    assert flow.fit() is None


def test_passes_that_carry_no_loss_bring_exact_zeros_not_underflows():
    network = Network([Layer([[1.0]], [[0.5]], cell="linear")])
    seq = Sequence(np.ones((8, 1)), np.zeros((8, 1)))  # the last step alone is scored; its pass keeps 3 columns
    assert read(trace(network, seq, truncated(8, 3, 2))).state[0].tolist() == [ZERO] * 5 + [OK] * 3
    faint = Network([Layer([[1.0]], [[1e-200]], cell="linear")])
    seq = Sequence(np.zeros((8, 1)), np.ones((8, 1)))
    assert read(trace(faint, seq, truncated(8, 3, 2))).state[0].tolist() == [ZERO] * 5 + [UNDERFLOW, OK, OK]


def test_an_underflow_is_still_one_where_passes_overlap():
    network = Network([Layer([[1.0]], [[1e-200]], cell="linear")])
    seq = Sequence(np.zeros((8, 1)), np.ones((8, 1)), np.arange(8) % 4 == 3)  # losses at steps 4 and 8, 4 columns each
    assert read(trace(network, seq, truncated(8, 4, 2))).state[0].tolist() == [UNDERFLOW, UNDERFLOW, OK, OK] * 2


def test_what_lies_behind_an_exact_cancellation_is_exactly_zero():
    # dL/dh is 1 at steps 2 and 3, and W_T = -1 brings -1 back from step 3 to step 2
    network = Network([Layer([[1.0]], [[-1.0]], cell="linear")])
    seq = Sequence(np.zeros((3, 1)), np.full((3, 1), -1.0), np.array([0, 1, 1], bool))
    assert read(trace(network, seq)).state[0].tolist() == [ZERO, ZERO, OK]
    # and inside one product: both units of the layer above send the same, with opposite signs
    network = Network([Layer([[1.0]], [[1.0]], cell="linear"), Layer([[1.0], [-1.0]], np.eye(2), cell="linear")])
    seq = Sequence(np.zeros((3, 1)), np.full((3, 2), -1.0))
    assert read(trace(network, seq)).state.tolist() == [[ZERO] * 3, [OK] * 3]


@settings(max_examples=200)
@given(data=st.data())
def test_a_zero_is_called_exact_just_where_whole_numbers_say_it_is(data):
    """W_T = s * signs and W_S = signs with s = 2^-300: under one loss, delta at lag k is a whole number times s^k.

    From lag 4 on float64 holds none of it.
    """
    s, T = 2.0**-300, data.draw(st.integers(1, 6))
    widths = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    stack, below = [], 1
    for n in widths:
        stack.append(Layer(rng.integers(-1, 2, (n, below)), s * rng.integers(-1, 2, (n, n)), rng.integers(-1, 2, n),
                           data.draw(st.sampled_from(("linear", "relu")))))
        below = n
    network = Network(stack)
    scored = np.arange(T) == data.draw(st.integers(0, T - 1))
    seq = Sequence(rng.integers(-1, 2, (T, 1)), rng.integers(-9, -6, (T, below)), scored)
    schedule = data.draw(windows(scored))
    made = trace(network, seq, schedule)
    for quantity in ("delta", "grad_h"):
        flow = read(made, quantity)
        exact = [[np.zeros(n, object)] * T for n in widths]
        later = [np.zeros(n, object) for n in widths]
        start = int(np.flatnonzero(scored)[0])
        p = next((p for p in range(schedule.P) if schedule.since[p] <= start <= schedule.last[p]), None)
        for t in range(T - 1, -1, -1) if p is not None else ():
            if t < schedule.first[p] or t > start:
                continue
            above = made.forward.slope_out[start].astype(int).astype(object) if t == start else 0 * later[-1]
            for l in range(len(widths) - 1, -1, -1):
                signs_S, signs_T = (np.sign(W).astype(int).astype(object) for W in (stack[l].W_S, stack[l].W_T))
                grad_h = above + later[l] @ signs_T
                delta = grad_h * made.backward.slopes[l][t].astype(int).astype(object)
                exact[l][t] = delta if quantity == "delta" else grad_h
                later[l], above = delta, delta @ signs_S
        for l in range(len(widths)):
            for t in range(T):
                if not made.backward.reached[t]:
                    assert flow.state[l, t] == CUT
                elif not exact[l][t].any():
                    assert flow.state[l, t] == ZERO
                else:
                    assert flow.state[l, t] == (OK if 300 * (start - t) <= 1000 else UNDERFLOW)


def test_a_run_that_overflowed_reads_as_stopped_without_a_warning():
    made = run(Experiment(cell="relu", init="identity", g=3.0, bias=1.0, T=2000, depth=2))
    assert made.backward is None
    flow, (l, t) = read(made), made.forward.overflow
    assert flow.overflow == (l, t)
    assert (flow.state == OVERFLOW).sum() == 1
    assert flow.state[l, t] == OVERFLOW
    assert (flow.state == PENDING).sum() == flow.state.size - 1
    assert flow.fit() is None
    assert np.isfinite(flow.openness[:, :t]).all()
    assert np.isnan(flow.openness[:, t:]).all()


# One layer, neuron by neuron.


@given(small_experiments())
def test_neurons_show_every_unit_of_a_layer_on_the_readings_scale(experiment):
    made = run(experiment)
    if made.backward is None:
        return
    flow = read(made, experiment.quantity)
    for l, layer in enumerate(made.network.layers):
        units = neurons(made, flow, l)
        chosen = getattr(made.backward, experiment.quantity)[l]
        np.testing.assert_array_equal(units.negative[chosen.T != 0], (chosen.T < 0)[chosen.T != 0])
        np.testing.assert_allclose(10.0**units.log_size, np.abs(chosen.T), rtol=1e-12, atol=2.0**-1070)  # or subnormal
        assert units.state.shape == units.log_ratio.shape == (layer.n, experiment.T)
        np.testing.assert_array_equal(units.h, made.forward.h[l].T)
        np.testing.assert_array_equal((units.state == CUT).any(axis=0), ~made.backward.reached)
        numbers = units.state == OK
        expected = np.abs(chosen.T[numbers]) / flow.reference
        np.testing.assert_allclose(10.0 ** units.log_ratio[numbers], expected, rtol=1e-12)
        assert not chosen.T[units.state == ZERO].any()


# Where a state overflows.


@pytest.mark.parametrize("w", [1.5, 2.0, 7.0])
def test_the_largest_factor_that_fits_is_that_of_the_largest_power(w):
    """h_t = sum of w^k grows like w^T: the largest w c with T = 3000 steps within the float range, in thousandths."""
    made = trace(Network([Layer([[1.0]], [[w]], cell="linear")]), Sequence(np.ones((3000, 1)), np.zeros((3000, 1))))
    factor = read(made).factor

    def fits(c):
        h = mpmath.fsum(mpmath.mpf(w * c) ** k for k in range(3000))
        return h <= mpmath.mpf(np.finfo(float).max)

    assert fits(factor)
    assert not fits(factor + 0.001)


def test_where_the_input_alone_overflows_no_factor_fits():
    layers = [Layer([[1e200]], [[1.0]], cell="linear"), Layer([[1e200]], [[1.0]], cell="linear")]
    flow = read(trace(Network(layers), Sequence(np.ones((5, 1)), np.zeros((5, 1)))))
    assert (flow.overflow, flow.factor) == ((1, 0), 0.0)
