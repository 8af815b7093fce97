"""Error surfaces of two weights, descents over them and the bifurcations of one unit: against complex step, plain loops, closed
forms and printed numbers."""

from dataclasses import replace

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import H, derivative, losses
from strategies import experiments

from rnnviz.along import TwoWeights, of_network
from rnnviz.bifurcations import PHI, boundary, flips, folds, hold, lines, slope_at
from rnnviz.descent import clipped, descend, rprop
from rnnviz.experiment import Experiment, make_network, make_sequence, run
from rnnviz.landscape import MOST_SAMPLES, SURFACES, Counting, Unit, affordable, surface, wall
from rnnviz.network import Layer, Network
from rnnviz.tasks import Sequence
from rnnviz.windows import full, truncated

PASCANU, LATCH, COUNTING = (SURFACES[name] for name in ("one unit", "latch", "counting"))
COMPLEX = {"sigmoid": lambda x: 1.0 / (1.0 + np.exp(-x)), "tanh": np.tanh}


def grid(x, y, n):
    """(n*n, 2) points of a frame."""
    return np.array([(a, b) for b in np.linspace(*y, n) for a in np.linspace(*x, n)])


def unit_loss(unit, w, b):
    """The loss of a Unit, one number at a time."""
    x, phi = unit.x_0, COMPLEX[unit.phi]
    for _ in range(unit.T):
        x = w * phi(x) + b
    return (phi(x) - unit.target) ** 2


def counting_loss(bits, wx, wRec):
    """Roelants' loss, one bit at a time."""
    total = 0.0
    for sequence in bits:
        s = 0.0
        for x in sequence:
            s = x * wx + s * wRec
        total = total + (s - sum(sequence)) ** 2
    return total / len(bits)


# Losses and gradients.


@pytest.mark.parametrize("shown", [PASCANU, LATCH])
def test_loss_and_gradient_of_one_unit_are_those_of_a_complex_step_all_over_its_frame(shown):
    unit, points = shown.landscape, grid(shown.x, shown.y, 21)
    loss, gradient = unit.value_and_gradient(points)
    w, b = points.T
    np.testing.assert_allclose(loss, unit_loss(unit, w, b), rtol=1e-6, atol=1e-15)
    expected = np.stack([unit_loss(unit, w + 1j * H, b).imag, unit_loss(unit, w, b + 1j * H).imag], axis=-1) / H
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-12)
    assert np.hypot(*gradient.T).max() > 10  # the wall is among them


def test_loss_and_gradient_of_the_unit_have_the_digits_of_fifty_digit_arithmetic_before_the_wall():
    with mpmath.workdps(50):
        def loss(w, b):
            x = mpmath.mpf("0.5")
            for _ in range(50):
                x = w / (1 + mpmath.exp(-x)) + b
            return (1 / (1 + mpmath.exp(-x)) - mpmath.mpf("0.7")) ** 2

        w, b = mpmath.mpf(4.9), mpmath.mpf(-2.2)
        expected = float(loss(w, b)), [float(mpmath.diff(loss, (w, b), order)) for order in ((1, 0), (0, 1))]
    found, gradient = Unit().value_and_gradient(np.array([[4.9, -2.2]]))
    assert found[0] == pytest.approx(expected[0], rel=1e-12)
    np.testing.assert_allclose(gradient[0], expected[1], rtol=1e-11)


@pytest.mark.parametrize("w", [4.3, 4.6, 5.0])
def test_on_the_boundary_of_two_basins_the_gradient_is_a_geometric_sum(w):
    phi = COMPLEX["sigmoid"](0.5)
    growth = w * phi * (1 - phi)  # of a small distance from x_0, in a step
    T = 20  # so few that rounding has not yet thrown the state off its unstable fixed point
    dx_db = (growth**T - 1) / (growth - 1)
    _, gradient = Unit(T=T).value_and_gradient(np.array([[w, float(boundary(w, 0.5))]]))
    sent = 2 * (phi - 0.7) * phi * (1 - phi)
    np.testing.assert_allclose(gradient[0], [sent * phi * dx_db, sent * dx_db], rtol=1e-9)
    assert growth > 1


def test_loss_and_gradient_of_counting_are_those_of_a_complex_step_all_over_its_frame():
    counting, points = COUNTING.landscape, grid(COUNTING.x, COUNTING.y, 13)
    loss, gradient = counting.value_and_gradient(points)
    wx, wRec = points.T
    np.testing.assert_allclose(loss, counting_loss(counting.bits, wx, wRec), rtol=1e-12, atol=1e-12)
    expected = np.stack([counting_loss(counting.bits, wx + 1j * H, wRec).imag,
                         counting_loss(counting.bits, wx, wRec + 1j * H).imag], axis=-1) / H
    np.testing.assert_allclose(gradient, expected, rtol=1e-11, atol=1e-10)


WEIGHTS = ("W_S1 1 1", "W_T1 2 1", "b1 2", "W_T2 1 2", "b2 1", "W_S2 2 2", "W_out 1 2", "b_out 1")


@pytest.mark.parametrize(("x", "y"), list(zip(WEIGHTS, (*WEIGHTS[1:], WEIGHTS[0]), strict=True)))
@pytest.mark.parametrize("cell", ["tanh", "relu", "sigmoid", "linear"])
def test_a_networks_surface_is_the_network_with_two_weights_changed_one_point_at_a_time(cell, x, y):
    experiment = Experiment(depth=2, width=2, T=6, cell=cell, score="every step", bias=0.1)
    network, sequence = make_network(experiment), make_sequence(experiment)
    along = of_network(network, sequence, x, y)
    points = np.array(along.here) + np.array([[0.0, 0.0], [0.3, -0.2], [-0.7, 0.4]])
    loss, gradient = along.value_and_gradient(points)
    for point, C, slopes in zip(points, loss, gradient, strict=True):
        changed = changed_by_hand(network, along.entries, point)
        for (name, index), slope in zip(along.entries, slopes, strict=True):
            site = (name, None) if "out" in name else (name[:-1], int(name[-1]) - 1)
            assert slope == pytest.approx(float(derivative(changed, sequence, site, full(6), 0)[index]), rel=1e-9, abs=1e-12)
        assert C == pytest.approx(run_loss(changed, sequence), rel=1e-12)
    assert run_loss(network, sequence) == pytest.approx(loss[0], rel=1e-12)


def changed_by_hand(network, entries, values):
    """The network with two entries set."""
    layers, out = [dict(W_S=l.W_S, W_T=l.W_T, b=l.b) for l in network.layers], dict(W_out=network.W_out, b_out=network.b_out)
    for (name, index), value in zip(entries, values, strict=True):
        home, key = (out, name) if "out" in name else (layers[int(name[-1]) - 1], name[:-1])
        home[key] = np.array(home[key])
        home[key][index] = value
    return Network([replace(layer, **own) for layer, own in zip(network.layers, layers, strict=True)], **out)


def run_loss(network, sequence):
    """The total loss, by the slow opinion of reference.py."""
    loss, _ = losses(network, sequence)
    return float(loss[..., sequence.scored].sum().real)


@given(experiments(max_T=6, max_depth=2, max_width=3))
def test_the_surface_of_any_experiment_passes_through_its_own_loss_and_gradient(experiment):
    made = run(experiment)
    if made.backward is None or made.backward.far is not None:  # a batch of networks does not reach beyond the float range
        return
    last = "b_out 1" if made.network.W_out is not None else f"b{len(made.network.layers)} 1"
    along = of_network(made.network, made.sequence, "W_S1 1 1", last, made.windows)
    loss, gradient = along.value_and_gradient(np.array([along.here]))
    assert loss[0] == pytest.approx(float(made.forward.C), rel=1e-9, abs=1e-300, nan_ok=True)
    back = made.backward
    bias = back.db_out if back.db_out is not None else back.db[-1]
    np.testing.assert_allclose(gradient[0], [back.dW_S[0][0, 0], bias[0]], rtol=1e-8, atol=1e-300)


def test_with_truncation_the_gradient_is_the_truncated_one_and_the_loss_stays():
    experiment = Experiment(depth=1, width=3, T=8)
    network, sequence = make_network(experiment), make_sequence(experiment)
    windows = truncated(8, 2, 8)
    whole, cut = (of_network(network, sequence, "W_T1 1 1", "W_T1 1 2", w) for w in (None, windows))
    here = np.array([whole.here])
    (C, full_gradient), (same, gradient) = whole.value_and_gradient(here), cut.value_and_gradient(here)
    assert C == same
    expected = derivative(network, sequence, ("W_T", 0), windows, 0)[0, :2]
    np.testing.assert_allclose(gradient[0], expected, rtol=1e-10)
    assert not np.allclose(gradient, full_gradient)


def test_where_a_state_overflows_the_loss_is_infinite_and_its_neighbours_keep_theirs():
    network = Network([Layer([[1.0]], [[1.0]], cell="linear")])
    sequence = Sequence(np.ones((400, 1)), np.zeros((400, 1)))
    along = of_network(network, sequence, "W_T1 1 1", "W_S1 1 1")
    loss, gradient = along.value_and_gradient(np.array([[0.5, 1.0], [10.0, 1.0], [1.0, 2.0]]))
    assert loss[1] == np.inf
    assert np.isnan(gradient[1]).all()
    np.testing.assert_allclose(loss[[0, 2]], [2.0, 0.5 * 800.0**2])
    np.testing.assert_allclose(gradient[2, 1], 800.0 * 400.0)


def test_a_long_row_of_points_is_the_same_as_its_points_one_by_one():
    for landscape, x, y in ((Unit(), (3.9, 4.2), (-2.2, -1.9)), (Counting(), (-1, 1), (-1, 1))):
        points = grid(x, y, 70)
        loss, gradient = landscape.value_and_gradient(points)
        for i in (0, len(points) // 2, len(points) - 1):
            one, slopes = landscape.value_and_gradient(points[i:i + 1])
            np.testing.assert_array_equal([one[0], *slopes[0]], [loss[i], *gradient[i]])


# Surfaces.


def test_a_surface_has_x_across_and_y_upwards_and_the_loss_of_every_pair():
    made = surface(PASCANU.landscape, PASCANU.x, PASCANU.y, 7)
    assert (made.x[0], made.x[-1], made.y[0], made.y[-1]) == (3.9, 5.3, -2.7, -1.8)
    for row, b in enumerate(made.y):
        for column, w in enumerate(made.x):
            loss, gradient = made.landscape.value_and_gradient(np.array([[w, b]]))
            assert made.loss[row, column] == loss[0]
            np.testing.assert_array_equal(made.gradient[row, column], gradient[0])
            assert made.norm[row, column] == pytest.approx(np.linalg.norm(gradient[0]), rel=1e-14)


def test_a_surface_has_160_samples_each_way_at_most_and_says_so():
    assert surface(Counting(), (0, 1), (0, 1)).loss.shape == (MOST_SAMPLES, MOST_SAMPLES)
    with pytest.raises(ValueError, match="samples is 161; it must be a whole number from 2 to 160"):
        surface(Unit(), (0, 1), (0, 1), 161)
    with pytest.raises(ValueError, match="x runs from 1 to 1; it must run from a number to a larger one"):
        surface(Unit(), (1, 1), (0, 1))
    with pytest.raises(ValueError, match="y runs from 0 to inf"):
        surface(Unit(), (0, 1), (0, np.inf))


def test_a_large_network_has_fewer_samples_and_a_huge_one_none():
    def along(**changes):
        experiment = Experiment(**changes)
        return of_network(make_network(experiment), make_sequence(experiment), "W_T1 1 1", "W_T2 1 1")

    counts = [affordable(along(width=width, T=100)) for width in (1, 8, 32, 64)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == MOST_SAMPLES > counts[-1]
    with pytest.raises(ValueError, match="Shorten the sequence, or take a narrower network"):
        affordable(along(width=64, T=2000))


def test_a_surface_asks_its_checkpoint_and_stops_where_that_raises():
    class Enough(Exception):
        pass

    asked = []

    def checkpoint():
        asked.append(len(asked))
        if len(asked) == 3:
            raise Enough

    for landscape in (Unit(), Counting()):
        asked.clear()
        with pytest.raises(Enough):
            surface(landscape, (0.0, 1.0), (0.0, 1.0), checkpoint=checkpoint)
        assert len(asked) == 3


@pytest.mark.parametrize(("name", "what"), [
    ("W_T9 1 1", 'weight is "W_T9 1 1"; it must begin with one of W_S1, W_T1, b1, W_out, b_out'),
    ("", "weight is \"\"; it must begin with"),
    ("W_T1 4 1", "after W_T1 it must have a row from 1 to 3 and a column from 1 to 3"),
    ("W_T1 0 1", "after W_T1 it must have a row"), ("W_T1 1", "after W_T1 it must have a row"),
    ("b1 1 1", "after b1 it must have a row from 1 to 3"), ("b1 ²", "after b1"), ("W_T1 1 99999999999", "after W_T1"),
])
def test_a_weight_that_is_none_is_refused_in_a_plain_sentence(name, what):
    experiment = Experiment(depth=1, width=3, T=3)
    network, sequence = make_network(experiment), make_sequence(experiment)
    with pytest.raises(ValueError) as refused:
        of_network(network, sequence, name, "W_S1 1 1")
    assert what in str(refused.value)
    with pytest.raises(ValueError, match="they must differ"):
        of_network(network, sequence, "b1 1", "b1 1")
    assert isinstance(of_network(network, sequence, "b1 3", "W_out 1 2"), TwoWeights)


# Descents.

vectors = st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)).map(np.array)
limits = st.floats(1e-3, 1e3)


@given(vectors, limits)
def test_a_gradient_clipped_by_norm_is_no_longer_than_that_and_keeps_its_direction(gradient, c):
    made = clipped(gradient, ("norm", c))
    assert np.hypot(*made) <= c * (1 + 1e-12)
    assert made[0] * gradient[1] == pytest.approx(made[1] * gradient[0], rel=1e-9, abs=1e-9)
    assert (made * gradient >= 0).all()
    if np.hypot(*gradient) <= c:
        np.testing.assert_array_equal(made, gradient)
    else:
        assert np.hypot(*made) == pytest.approx(c)


@given(vectors, limits)
def test_a_gradient_clipped_by_value_keeps_its_signs_and_what_is_small_enough(gradient, c):
    made = clipped(gradient, ("value", c))
    for entry, was in zip(made, gradient, strict=True):
        assert abs(entry) <= c
        assert np.sign(entry) == np.sign(was)
        assert entry == was or abs(was) > c


@pytest.mark.parametrize("clip", [None, ("norm", 0.3), ("value", 0.2)])
def test_a_descent_is_a_plain_loop(clip):
    path = descend(Unit().value_and_gradient, (4.9, -2.2), 0.5, 25, clip)
    w, b = 4.9, -2.2
    for i in range(26):
        loss, gradient = Unit().value_and_gradient(np.array([[w, b]]))
        assert (path.points[i, 0], path.points[i, 1], path.loss[i]) == (w, b, loss[0])
        np.testing.assert_array_equal(path.gradient[i], gradient[0])
        g_w, g_b = gradient[0]
        if clip and clip[0] == "norm" and np.hypot(g_w, g_b) > clip[1]:
            share = clip[1] / np.hypot(g_w, g_b)
            g_w, g_b = g_w * share, g_b * share
        if clip and clip[0] == "value":
            g_w, g_b = max(-0.2, min(0.2, g_w)), max(-0.2, min(0.2, g_b))
        w, b = w - 0.5 * g_w, b - 0.5 * g_b
    assert path.stopped is None
    assert path.points.shape == (26, 2)


def test_a_descent_stops_where_it_leaves_the_float_range_and_says_at_which_step():
    path = descend(Counting().value_and_gradient, (-1.5, 2.0), 1.0, 500)
    assert path.stopped == path.steps + 1 < 10
    assert np.isfinite(path.points).all()
    fine = descend(Unit().value_and_gradient, (4.9, -2.2), 0.5, 60)
    assert fine.stopped is None
    assert fine.steps == 60


def test_rprop_is_a_plain_loop_with_a_step_size_for_each_weight():
    path = rprop(Counting().value_and_gradient, (-1.5, 2.0), 60)
    point, size, before = [-1.5, 2.0], [0.001, 0.001], [0, 0]
    for i in range(60):
        np.testing.assert_array_equal(path.points[i], point)
        gradient = Counting().value_and_gradient(np.array([point]))[1][0]
        for j in range(2):
            sign = 1 if gradient[j] > 0 else -1 if gradient[j] < 0 else 0
            size[j] *= 1.2 if sign == before[j] else 0.5
            before[j] = sign
            point[j] -= sign * size[j]
    np.testing.assert_array_equal(path.points[60], point)


@pytest.mark.parametrize(("arguments", "what"), [
    (dict(start=(1.0, float("nan"))), "start is (1.0, nan); it must be two finite numbers"),
    (dict(start=(1.0,)), "start is (1.0,); it must be two finite numbers"),
    (dict(rate=0.0), "rate is 0.0; it must be a positive number"), (dict(rate=float("inf")), "rate is inf"),
    (dict(steps=0), "steps is 0; it must be a whole number from 1 to 2000"), (dict(steps=2001), "steps is 2001"),
    (dict(clip=("norm", -1.0)), "clip is -1.0; it must be a positive number"),
    (dict(clip=("size", 1.0)), 'clip is (\'size\', 1.0); it must be None, ("norm", c) or ("value", c)'),
])
def test_a_descent_refuses_what_is_no_start_rate_clip_or_number_of_steps(arguments, what):
    given = dict(start=(1.0, 1.0), rate=0.1, steps=3, clip=None) | arguments
    with pytest.raises(ValueError) as refused:
        descend(Unit().value_and_gradient, **given)
    assert what in str(refused.value)


def test_a_wall_refuses_another_method_and_too_long_a_descent():
    with pytest.raises(ValueError, match='method is "Adam"; it must be norm, value or RProp'):
        PASCANU.wall(method="Adam")
    with pytest.raises(ValueError, match="2000 steps of descent run 2,000,000 steps of layers; they may run 500,000"):
        wall(Unit(T=1000), (0, 1), (0, 1), (0.5, 0.5), steps=2000)


# What the sources print.


def test_rprop_ends_at_the_weights_that_roelants_prints():
    path = rprop(Counting().value_and_gradient, (-1.5, 2.0), 500, delta=0.001, grow=1.2, shrink=0.5)
    assert [f"{weight:.4f}" for weight in path.points[-1]] == ["1.0014", "0.9997"]


def test_the_gradient_that_roelants_puts_at_ten_to_the_seventh_is_two_million_and_throws_two_units_not_ten():
    _, (gradient,) = Counting().value_and_gradient(np.array([[1.0, 2.0]]))
    size = np.hypot(*gradient)
    assert 2.2e6 < size < 2.3e6
    assert gradient[1] == pytest.approx(counting_loss(Counting().bits, 1.0, 2.0 + 1j * H).imag / H, rel=1e-12)
    path = descend(Counting().value_and_gradient, (1.0, 2.0), 1e-6, 1)
    assert 2.2 < path.moved[0] < 2.3


@pytest.mark.parametrize(("wx", "wRec"), [(2, 1), (1, 2), (1, -2), (1, 0), (1, 0.5), (1, -0.5)])
def test_the_gradient_over_time_in_roelants_figure_is_twenty_times_that_of_the_summed_loss(wx, wRec):
    counting = Counting()
    S = np.zeros((20, 11))
    for k in range(10):
        S[:, k + 1] = counting.bits[:, k] * wx + S[:, k] * wRec
    drawn = np.zeros((20, 11))
    drawn[:, -1] = (2.0 * (S[:, -1] - counting.bits.sum(axis=1))).sum()  # as his get_grad_over_time: the sum, in every row
    for k in range(10, 0, -1):
        drawn[:, k - 1] = drawn[:, k] * wRec
    figure = drawn.sum(axis=0)[::-1]
    np.testing.assert_allclose(figure, 20 * counting.gradient_over_time(wx, wRec), rtol=1e-12)
    nudged = S[:, -1] + 1j * H - counting.bits.sum(axis=1)  # every last state at once
    assert counting.gradient_over_time(wx, wRec)[0] == pytest.approx((nudged**2).sum().imag / H, rel=1e-12)


# Bifurcations.


def test_at_w_5_the_folds_lie_where_the_golden_ratio_puts_them():
    golden = (1 + np.sqrt(5)) / 2  # s (1 - s) = 1/5 gives s / (1 - s) = golden^2
    turn = folds(5.0)
    np.testing.assert_allclose(turn.x, [2 * np.log(golden), -2 * np.log(golden)], rtol=1e-14)
    np.testing.assert_allclose(turn.b, [2 * np.log(golden) - (5 + np.sqrt(5)) / 2, -2 * np.log(golden) - (5 - np.sqrt(5)) / 2],
                               rtol=1e-14)


def roots(w, b, phi):
    """How often x - w phi(x) - b changes its sign, on a fine grid."""
    x = np.linspace(-abs(w) - abs(b) - 1, abs(w) + abs(b) + 1, 400_001)
    return int(np.count_nonzero(np.diff(x - w * COMPLEX[phi](x) - b > 0)))


def fixed_points(w, b, phi="sigmoid"):
    """(n,) all x with x = w phi(x) + b, ascending: one, or three between two folds. By halving, to the last digits."""
    of = PHI[phi]
    ends = b - 2 * abs(w) - 1.0, b + 2 * abs(w) + 1.0
    inner = [-of.state(w), of.state(w)] if w > of.least else []
    places = sorted([ends[0], *inner, ends[1]])  # between two of them x - w phi(x) - b rises, or falls
    return np.array([root for low, high in zip(places, places[1:], strict=False)
                     if (root := halved(lambda x: x - w * of.value(x) - b, low, high)) is not None])


def halved(function, low, high):
    """Where a function that rises or falls is 0 between two places, or None."""
    left = function(low) > 0
    if left == (function(high) > 0):
        return None
    for _ in range(80):
        middle = (low + high) / 2.0
        low, high = (middle, high) if (function(middle) > 0) == left else (low, middle)
    return (low + high) / 2.0


@pytest.mark.parametrize(("w", "phi"), [(4.2, "sigmoid"), (5.0, "sigmoid"), (9.0, "sigmoid"), (1.3, "tanh"), (2.0, "tanh")])
def test_between_two_folds_there_are_three_fixed_points_and_outside_one(w, phi):
    low, high = folds(w, phi).b
    for b, count in ((low - 1e-3, 1), (low + 1e-3, 3), (high - 1e-3, 3), (high + 1e-3, 1)):
        found = fixed_points(w, b, phi)
        assert len(found) == count == roots(w, b, phi)
        np.testing.assert_allclose(found - w * COMPLEX[phi](found) - b, 0.0, atol=1e-13)
        if count == 3:
            assert [slope > 1 for slope in slope_at(found, w, phi)] == [False, True, False]


@pytest.mark.parametrize(("phi", "w", "b"), [("sigmoid", 4.0, -2.0), ("tanh", 1.0, 0.0)])
def test_the_two_folds_begin_at_one_cusp(phi, w, b):
    np.testing.assert_allclose(folds(w, phi).b, [b, b], atol=1e-15)
    with pytest.raises(ValueError, match=f"has folds for w of {w:g} or more"):
        folds(w - 0.01, phi)


@pytest.mark.parametrize(("w", "phi"), [(-5.0, "sigmoid"), (-8.0, "sigmoid"), (-2.0, "tanh")])
def test_between_two_flips_the_unit_falls_into_a_cycle_of_two_states_and_outside_into_its_fixed_point(w, phi):
    low, high = flips(w, phi).b
    assert low < high
    for b, cycles in ((low - 0.1, False), (low + 0.1, True), (high - 0.1, True), (high + 0.1, False)):
        x = 0.3
        for _ in range(4000):
            x = w * COMPLEX[phi](x) + b
        after = w * COMPLEX[phi](x) + b
        assert (abs(after - x) > 0.1) == cycles
        assert w * COMPLEX[phi](after) + b == pytest.approx(x, abs=1e-9)
        point, = fixed_points(w, b, phi)
        assert (slope_at(point, w, phi) < -1) == cycles
    with pytest.raises(ValueError, match="has flips for w of"):
        flips(-0.5, phi)


@pytest.mark.parametrize("w", [1.1, 1.25, 2.0, 5.0])
def test_the_latch_holds_a_bit_against_an_input_under_its_closed_form_and_loses_it_over(w):
    expected = float(mpmath.sqrt(w * (w - 1)) - mpmath.atanh(mpmath.sqrt(1 - 1 / mpmath.mpf(w))))
    assert float(hold(w)) == pytest.approx(expected, rel=1e-9)
    for share, kept in ((0.99, True), (1.01, False)):
        a = 5.0
        for _ in range(20_000):
            a = w * np.tanh(a) - share * float(hold(w))
        assert (a > 0) == kept


@pytest.mark.parametrize(("phi", "x_0", "w"), [("sigmoid", 0.5, 4.6), ("sigmoid", 0.5, 5.1), ("tanh", 1.0, 2.8)])
def test_on_either_side_of_the_boundary_the_unit_ends_in_another_state(phi, x_0, w):
    b = float(boundary(w, x_0, phi))
    low, middle, high = fixed_points(w, b, phi)
    assert middle == pytest.approx(x_0, abs=1e-12)
    for nudge, end in ((-1e-6, low), (1e-6, high)):
        x = x_0
        for _ in range(2000):
            x = w * COMPLEX[phi](x) + b + nudge
        assert x == pytest.approx(end, abs=1e-2)


def test_the_lines_in_a_frame_are_those_folds_flips_and_boundaries_that_cross_it():
    found = lines("sigmoid", 0.5, PASCANU.x, PASCANU.y)
    assert [line.kind for line in found] == ["fold", "fold", "boundary"]
    for line in found:
        assert ((line.w >= 3.9) & (line.w <= 5.3) & (line.b >= -2.7) & (line.b <= -1.8)).all()
    for side, line in enumerate(found[:2]):
        np.testing.assert_allclose(line.b, folds(line.w).b[:, side])
    np.testing.assert_allclose(found[2].b, 0.5 - found[2].w * COMPLEX["sigmoid"](0.5))
    assert [line.kind for line in lines("sigmoid", 0.5, (-9.0, -3.0), (0.0, 9.0))] == ["flip", "flip"]
    assert lines("sigmoid", 0.5, (-3.0, 3.0), (-3.0, 3.0)) == ()


@pytest.mark.parametrize("phi", PHI)
@pytest.mark.parametrize("w", [1.5, 4.5, 30.0])
def test_the_state_of_a_fold_is_where_the_slope_is_one_over_w(phi, w):
    if w < PHI[phi].least:
        return
    x = mpmath.mpf(float(PHI[phi].state(w)))
    slope = mpmath.sech(x) ** 2 if phi == "tanh" else mpmath.sech(x / 2) ** 2 / 4
    assert float(slope * w) == pytest.approx(1.0, rel=1e-13)


# What two descents meet.


def test_the_wall_of_pascanu_throws_plain_descent_out_of_the_frame_and_not_the_clipped_one():
    made = PASCANU.wall()
    norms = [np.linalg.norm(gradient) for gradient in made.plain.gradient]
    assert made.steepest == 11 == int(np.argmax(norms))
    assert made.leaves == 12
    assert made.largest == pytest.approx(max(norms))
    assert made.usual == pytest.approx(np.median(norms[:11]))
    assert made.thrown == pytest.approx(0.5 * max(norms))
    assert 105 < made.largest < 106.5
    np.testing.assert_allclose(made.lands, made.plain.points[11] - 0.5 * made.plain.gradient[11])
    assert ((made.other.points >= [3.9, -2.7]) & (made.other.points <= [5.3, -1.8])).all()
    assert made.other.moved.max() <= 0.5 * 0.3 * (1 + 1e-9)
    assert made.beside == "boundary"
    w, b = made.plain.points[11]
    assert abs(b - float(boundary(w, 0.5))) < 0.01


def test_the_steepest_point_is_the_one_before_a_descent_has_left_the_frame():
    made = COUNTING.wall(samples=12)
    assert made.plain.stopped
    assert made.leaves == made.steepest + 1 == 2
    assert made.largest == np.hypot(*made.plain.gradient[1])
    assert np.hypot(*made.plain.gradient[2]) > made.largest  # outside they only grow
    assert [f"{weight:.4f}" for weight in made.other.points[-1]] == ["1.0014", "0.9997"]


def test_a_surface_at_hand_is_not_made_again():
    made = PASCANU.wall(samples=12)
    moved = PASCANU.wall(start=(5.0, -2.0), made=made.surface)
    assert moved.surface is made.surface
    np.testing.assert_array_equal(moved.start, [5.0, -2.0])
