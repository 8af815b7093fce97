"""Each misprint is told beside its own formula in its own notation, and each correction is the derivative, the print not."""

import numpy as np
import pytest
import reference

from rnnviz.examples import EXAMPLES
from rnnviz.experiment import Experiment, run
from rnnviz.flow import read
from rnnviz.formulas import cell, gradient
from rnnviz.misprints import MISPRINTS, PLACES, at, find
from rnnviz.network import Layer, Network
from rnnviz.notations import NOTATIONS
from rnnviz.tasks import Sequence
from rnnviz.terms import NAMES, term
from rnnviz.windows import full

RUNS = [run(EXAMPLES["By hand"]), run(Experiment(depth=2, width=3, T=6, score="every step")), run(EXAMPLES["Vanishing"])]


def marks(notation):
    """Every mark on every equation of three runs in one notation."""
    found = set()
    for made in RUNS:
        reading = read(made)
        for l in range(reading.L):
            for t in range(reading.T):
                found.update(cell(reading, l, t, notation=notation).marks)
            for name in NAMES:
                if made.network.W_out is not None or not name.endswith("_out"):
                    found.update(gradient(term(made, name, l, 0), notation=notation).marks)
    return found


@pytest.mark.parametrize("notation", NOTATIONS)
def test_every_misprint_is_told_at_some_formula_in_its_own_notation_and_in_no_other(notation):
    assert marks(notation) == {m.sentence for m in MISPRINTS if m.text == notation and m.places != ("Routes",)}


def test_the_misprint_of_the_third_path_waits_for_the_view_of_paths():
    assert find("h¹_{N−3} group").places == ("Routes",)
    assert at("space/time", {"Routes"}) == (find("h¹_{N−3} group"),)
    assert at("derivation", {"Routes"}) == ()
    with pytest.raises(ValueError, match="where is 'h'; it must be one of"):
        find("h")


def test_every_misprint_is_of_a_text_and_at_places_that_exist():
    assert {m.text for m in MISPRINTS} == set(NOTATIONS) - {"house"}
    assert {place for m in MISPRINTS for place in m.places} <= set(PLACES)
    assert len({m.where for m in MISPRINTS}) == len(MISPRINTS)
    assert all(m.sentence.startswith("The text prints ") and m.sentence.endswith(".") for m in MISPRINTS)
    assert all(m.printed != m.right for m in MISPRINTS)


# The corrections, by complex step, on two layers of one unit and on two of three.


N = 6
S1, T1, S2, T2 = 0.9, 0.8, 0.7, -0.6
H0 = (0.3, -0.4)
X = np.array([0.5, -1.0, 0.8, 0.2, -0.7, 0.9])
STEP = 1e-200j


def slope(z):
    return 1 / np.cosh(z) ** 2


def scalar(t1=T1, t2=T2, at_step=None):
    """(z1, h1, z2, h2) of the space/time text's network, from h_0; at_step: the only step (from 1) at which t1 is used."""
    z1, h1, z2, h2 = [None], [H0[0]], [None], [H0[1]]
    for n in range(1, N + 1):
        z1.append(S1 * X[n - 1] + (t1 if at_step in (None, n) else T1) * h1[-1])
        h1.append(np.tanh(z1[-1]))
        z2.append(S2 * h1[-1] + t2 * h2[-1])
        h2.append(np.tanh(z2[-1]))
    return z1, h1, z2, h2


def test_the_recursion_for_T2_needs_the_state_before_each_step_and_T2_before_its_innermost_term():
    _, _, z, h = scalar()
    true = scalar(t2=T2 + STEP)[3][N].imag / STEP.imag

    def recursion(shift, innermost):
        inside = innermost * slope(z[1]) * h[0]
        for n in range(2, N + 1):
            bracket = h[n - 1 + shift] + inside
            inside = T2 * slope(z[n]) * bracket
        return slope(z[N]) * bracket

    assert recursion(0, T2) == pytest.approx(true, rel=1e-12)
    assert recursion(1, T2) != pytest.approx(true, rel=1e-3)
    assert recursion(0, 1.0) != pytest.approx(true, rel=1e-3)


def test_the_third_path_to_the_state_three_steps_back_needs_its_missing_factor():
    z1, h1, z2, _ = scalar()
    d1, d2 = ([None, *map(slope, z[1:])] for z in (z1, z2))
    true = scalar(t1=T1 + STEP, at_step=N - 2)[3][N].imag / STEP.imag / h1[N - 3]
    first = d2[N] * S2 * d1[N] * T1 * d1[N - 1] * T1 * d1[N - 2]
    second = d2[N] * T2 * d2[N - 1] * S2 * d1[N - 1] * T1 * d1[N - 2]
    printed = d2[N] * T2 * d2[N - 2] * S2 * d1[N - 2]
    right = d2[N] * T2 * d2[N - 1] * T2 * d2[N - 2] * S2 * d1[N - 2]
    assert first + second + right == pytest.approx(true, rel=1e-12)
    assert first + second + printed != pytest.approx(true, rel=1e-3)


def test_the_substituted_second_output_applies_no_second_activation_to_the_layer_below():
    _, h1, _, h2 = scalar()
    inner = T2 * np.tanh(S2 * h1[1] + T2 * H0[1])
    assert np.tanh(S2 * h1[2] + inner) == pytest.approx(h2[2], rel=1e-12)
    assert np.tanh(S2 * np.tanh(h1[2]) + inner) != pytest.approx(h2[2], rel=1e-3)


RNG = np.random.default_rng(5)
NETWORK = Network(
    [Layer(RNG.standard_normal((3, 3)), RNG.standard_normal((3, 3)), h_0=RNG.standard_normal(3)) for _ in range(2)],
    RNG.standard_normal((2, 3)))
SEQUENCE = Sequence(RNG.standard_normal((4, 3)), RNG.standard_normal((4, 2)), np.ones(4, bool))


def derivative(name, l=None):
    return reference.derivative(NETWORK, SEQUENCE, (name, l), full(4), 0)


def preactivations():
    """(z, h) of both layers, (4, 3) each, in plain loops."""
    below, found = SEQUENCE.x, []
    for layer in NETWORK.layers:
        z, h = [], [layer.h_0]
        for t in range(4):
            z.append(layer.W_S @ below[t] + layer.W_T @ h[-1])
            h.append(np.tanh(z[-1]))
        found.append((np.array(z), np.array(h[1:])))
        below = found[-1][1]
    return found


Z, H = zip(*preactivations(), strict=True)


def close(a, b):
    return np.allclose(a, b, rtol=1e-9, atol=1e-12)


def test_the_message_from_above_is_multiplied_by_the_slope_before_the_matrix_not_after():
    delta, W = derivative("h", 1), NETWORK.layers[1].W_S  # the picture's delta is dC/dh
    assert close(derivative("up", 0), (delta * slope(Z[1])) @ W)
    assert not close(derivative("up", 0), (delta @ W) * slope(Z[1]))


def test_where_w_runs_from_i_to_j_the_forward_step_needs_its_transpose_and_the_backward_step_none():
    w, w_rec = NETWORK.layers[1].W_S.T, NETWORK.layers[1].W_T.T  # w[i, j], from i to j
    assert close(Z[1][2], w.T @ H[0][2] + w_rec.T @ H[1][1])
    assert not close(Z[1][2], w @ H[0][2] + w_rec @ H[1][1])
    assert close(derivative("up", 0)[2], w @ derivative("z", 1)[2])


def test_BP1_holds_at_the_last_step_and_at_no_other():
    straight = derivative("up", 1) * slope(Z[1])  # what the loss of the step itself sends in
    holds = [close(delta, own) for delta, own in zip(derivative("z", 1), straight, strict=True)]
    assert holds == [False, False, False, True]


def test_BP3_and_BP4_need_a_sum_over_steps_and_the_recurrent_weights_the_state_before():
    delta, before = derivative("z", 1), np.vstack([NETWORK.layers[1].h_0, H[1][:-1]])
    assert close(derivative("b", 1), delta.sum(axis=0))
    assert not any(close(derivative("b", 1), row) for row in delta)
    assert close(derivative("W_S", 1), delta.T @ H[0])
    assert not close(derivative("W_S", 1), np.outer(delta[-1], H[0][-1]))
    assert close(derivative("W_T", 1), delta.T @ before)
    assert not close(derivative("W_T", 1), delta.T @ H[1])


def test_the_loss_reaches_the_hidden_state_through_the_output():
    _, o = reference.losses(NETWORK, SEQUENCE)
    assert close(derivative("up", 1), (o.real - SEQUENCE.target) @ NETWORK.W_out)


def test_the_derivative_inside_the_sum_over_k_is_the_immediate_one_and_the_total_one_counts_too_much():
    z, h, _, _ = scalar()
    moved = scalar(t1=T1 + STEP)[1]
    whole = [value.imag / STEP.imag for value in moved[1:]]  # total dh_k/dT1
    onward = [np.prod([slope(z[i]) * T1 for i in range(k + 1, N + 1)]) for k in range(1, N + 1)]
    immediate = [slope(z[k]) * h[k - 1] for k in range(1, N + 1)]
    assert np.dot(onward, immediate) == pytest.approx(whole[-1], rel=1e-12)
    assert np.dot(onward, whole) != pytest.approx(whole[-1], rel=1e-3)


def test_the_readouts_gradient_is_the_sum_over_steps_not_that_of_one():
    _, o = reference.losses(NETWORK, SEQUENCE)
    each = [np.outer(o.real[t] - SEQUENCE.target[t], H[1][t]) for t in range(4)]
    assert close(derivative("W_out"), sum(each))
    assert not any(close(derivative("W_out"), one) for one in each)
