"""The pointwise part of every cell: values, derivatives, saturation."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.cells import CELLS, sigmoid_slope, tanh_slope

pytestmark = pytest.mark.filterwarnings("error")

H = 1e-100
POINTWISE = [name for name, cell in CELLS.items() if (cell.gates, cell.states, cell.saved) == (1, 1, 1)]


def stepped(name, a_S, a_T):
    """z and the new state of a pointwise cell."""
    kind = np.result_type(a_S, a_T)
    z, new = np.empty(np.shape(a_S), kind), np.empty(np.shape(a_S), kind)
    CELLS[name].step(np.asarray(a_S), a_T, None, z, new)
    return z, new


@pytest.mark.parametrize("name", CELLS)
@given(numbers=st.lists(st.floats(-20, 20), min_size=1, max_size=6))
def test_the_pullback_of_every_cell_is_the_derivative_of_its_step(name, numbers):
    cell, n = CELLS[name], len(numbers)
    rng = np.random.default_rng(n)
    a_S = np.tile(numbers, cell.gates) + np.arange(cell.gates * n) / 7
    a_T, state = rng.standard_normal(cell.gates * n), rng.standard_normal(cell.states * n)
    grad = rng.standard_normal(cell.states * n)

    def sent(a_S, state):
        """What `grad` at the new state measures, to first order in the imaginary part."""
        z, new = np.empty(cell.saved * n, complex), np.empty(cell.states * n, complex)
        cell.step(a_S + 0j, a_T + 0j, state + 0j, z, new)
        return (grad * new).sum().imag / H, z.real.copy()

    _, z = sent(a_S, state)
    delta = np.empty((cell.gates * n,))
    grad_h, later = grad[:n], np.concatenate([np.zeros(n), grad[n:]]) if cell.states > 1 else None
    carry = cell.pullback(grad_h, later, cell.slopes(z[None], state[None])[0], delta)
    for i in range(cell.gates * n):
        expected, _ = sent(a_S + 1j * H * np.eye(cell.gates * n)[i], state)
        # 1e-14: the few operations of a slope, each rounded at 1.1e-16
        assert delta[i] == pytest.approx(expected, rel=1e-14, abs=1e-300)
    for i in range(cell.states * n):
        expected, _ = sent(a_S, state + 1j * H * np.eye(cell.states * n)[i])
        assert (0.0 if carry is None else carry[i]) == pytest.approx(expected, rel=1e-14, abs=1e-300)


@pytest.mark.parametrize(("slope", "exact", "largest"), [
    (tanh_slope, lambda z: 4 / (mpmath.exp(z) + mpmath.exp(-z)) ** 2, 340),
    (sigmoid_slope, lambda z: 1 / (mpmath.exp(z / 2) + mpmath.exp(-z / 2)) ** 2, 700),
])
@given(data=st.data())
def test_slopes_are_right_to_14_digits_however_saturated_the_unit_is(slope, exact, largest, data):
    z = data.draw(st.floats(-largest, largest))
    with mpmath.workdps(40):
        expected = exact(mpmath.mpf(z))
        assert abs(mpmath.mpf(float(slope(np.array([z]))[0])) / expected - 1) < 1e-14


def test_the_two_numbers_of_the_notes_come_out_and_not_zero():
    assert f"{sigmoid_slope(np.array([37.0]))[0]:.1e}" == "8.5e-17"
    assert f"{tanh_slope(np.array([19.5]))[0]:.1e}" == "4.6e-17"
    assert 1 - np.tanh(19.5) ** 2 == 0  # what the textbook formula would give


@pytest.mark.parametrize("name", POINTWISE)
@given(z=st.floats(-800, 800))
def test_no_slope_exceeds_the_bound_the_table_states_and_some_slope_reaches_it(name, z):
    slope = CELLS[name].slopes(np.array([z]), None)[0]
    assert 0 <= slope <= CELLS[name].max_slope * (1 + 4e-16)  # rounding at z = 3e-16 gives the next double above 1/4
    top = CELLS[name].slopes(np.array([0.0, 1.0]), None).max()
    assert top == CELLS[name].max_slope


@pytest.mark.parametrize(("name", "phi"), [
    ("tanh", mpmath.tanh), ("sigmoid", lambda z: 1 / (1 + mpmath.exp(-z))),
    ("linear", lambda z: z), ("relu", lambda z: max(z, 0)),
])
@given(z=st.floats(-700, 700))
def test_a_cell_is_the_function_of_its_name(name, phi, z):
    with mpmath.workdps(40), np.errstate(under="ignore"):
        expected = phi(mpmath.mpf(z))
        for found in (stepped(name, np.array([z]), 0.0)[1][0], stepped(name, np.array([z + 0j]), 0.0)[1][0].real):
            # 1e-14 allows the one or two last digits of exp, divided once; sigmoid(-700) is 1e-304, far from 0
            assert abs(mpmath.mpf(float(found)) - expected) <= 1e-14 * abs(expected)


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_keeps_saturating_where_exp_overflows(name):
    if name not in ("tanh", "sigmoid"):
        return
    with np.errstate(over="ignore"):  # as in bptt.forward
        low, high = stepped(name, np.array([-1e4, 1e4]), 0.0)[1]
    assert (low, high) == ((-1.0, 1.0) if name == "tanh" else (0.0, 1.0))


def test_the_slope_of_relu_at_exactly_0_is_0():
    np.testing.assert_array_equal(CELLS["relu"].slopes(np.array([-1.0, -0.0, 0.0, 5e-324, 2.0]), None), [0, 0, 0, 1, 1])
    assert stepped("relu", np.array([-2.0 + 1j]), 0.0)[1][0] == 0
    assert stepped("relu", np.array([2.0 - 1j]), 0.0)[1][0] == 2.0 - 1j


@pytest.mark.parametrize("name", POINTWISE)
def test_z_is_the_sum_of_what_comes_from_space_and_from_time_even_written_over_one_of_them(name):
    a_S, a_T = np.array([0.5, -2.0]), np.array([0.25, 3.0])
    z, new = stepped(name, a_S, a_T)
    np.testing.assert_array_equal(z, [0.75, 1.0])
    over, after = a_S.copy(), np.empty(2)
    CELLS[name].step(over, a_T, None, over, after)
    np.testing.assert_array_equal(over, z)
    np.testing.assert_array_equal(after, new)
