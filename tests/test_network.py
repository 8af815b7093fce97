"""Layers and networks: how they are drawn, and what is refused."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.cells import CELLS
from rnnviz.network import INITS, Layer, Network, diagonal, draw, gaussian, glorot, identity, matrices, orthogonal, rotation

sizes = st.integers(1, 12)
rngs = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@given(rngs, sizes, sizes)
def test_an_orthogonal_matrix_has_orthonormal_rows_or_columns(rng, n, m):
    W = orthogonal(rng, n, m)
    assert W.shape == (n, m)
    small = W.T @ W if n >= m else W @ W.T
    np.testing.assert_allclose(small, np.eye(min(n, m)), atol=1e-14)  # 12 products of size one, rounded


def test_an_orthogonal_draw_is_uniform_and_so_as_often_a_reflection_as_a_rotation():
    rng = np.random.default_rng(0)
    signs = [np.linalg.slogdet(orthogonal(rng, 3, 3))[0] for _ in range(400)]
    corners = [orthogonal(rng, 2, 2)[0, 0] for _ in range(400)]
    assert abs(np.mean(signs)) < 4 / np.sqrt(400)  # four standard deviations of 400 fair coins
    assert abs(np.mean(corners)) < 4 * np.sqrt(0.5 / 400)  # QR without the sign would never be positive here


@given(rngs, sizes)
def test_a_rotation_has_all_eigenvalues_on_the_unit_circle_and_keeps_norms(rng, n):
    W = rotation(rng, n, n)
    np.testing.assert_allclose(np.abs(np.linalg.eigvals(W)), 1.0, atol=1e-13)
    np.testing.assert_allclose(W @ W.T, np.eye(n), atol=1e-15)
    turns = np.sort(np.angle(np.linalg.eigvals(W)) % (2 * np.pi))
    expected = [0.0] * (n % 2)
    for j in range(1, n // 2 + 1):
        expected += [2 * np.pi * j / n, (-2 * np.pi * j / n) % (2 * np.pi)]
    np.testing.assert_allclose(np.exp(1j * turns), np.exp(1j * np.sort(expected)), atol=1e-12)


@pytest.mark.parametrize(("init", "variance"), [(gaussian, lambda n, m: 1 / m), (glorot, lambda n, m: 2 / (n + m))])
@pytest.mark.parametrize(("n", "m"), [(300, 100), (50, 600)])
def test_random_entries_have_the_variance_stated_and_mean_0(init, variance, n, m):
    W = init(np.random.default_rng(3), n, m)
    expected = variance(n, m)
    # 30 000 entries: the mean lies within 4 deviations / sqrt(30 000), the variance within 4 sqrt(2 / 30 000) of itself
    assert abs(W.mean()) < 4 * np.sqrt(expected / W.size)
    assert abs(W.var() / expected - 1) < 4 * np.sqrt(2 / W.size)


def test_glorot_entries_never_leave_their_interval():
    W = glorot(np.random.default_rng(0), 20, 30)
    assert np.abs(W).max() <= np.sqrt(6 / 50)


@given(sizes, sizes)
def test_identity_and_diagonal_do_not_depend_on_the_draw(n, m):
    np.testing.assert_array_equal(identity(None, n, m), np.eye(n, m))
    W, k = diagonal(None, n, m), min(n, m)
    np.testing.assert_allclose(np.diag(W), np.linspace(1, 1 / k, k), atol=1e-15)
    assert np.count_nonzero(W) == k


@pytest.mark.parametrize("init", INITS)
@given(seed=st.integers(0, 9999))
def test_the_same_seed_draws_the_same_network(init, seed):
    stack = ((3, "tanh", True), (2, "relu", True))
    one, other = (draw(stack, 2, 1, init=init, seed=seed) for _ in range(2))
    for a, b in zip(one.layers, other.layers, strict=True):
        np.testing.assert_array_equal(a.W_S, b.W_S)
        np.testing.assert_array_equal(a.W_T, b.W_T)
    np.testing.assert_array_equal(one.W_out, other.W_out)


def test_another_seed_draws_another_network():
    stack = ((3, "tanh", True),)
    one, other = draw(stack, 2, 1, seed=0), draw(stack, 2, 1, seed=1)
    assert (one.layers[0].W_S != other.layers[0].W_S).all()
    assert (one.layers[0].W_T != other.layers[0].W_T).any()
    assert (one.W_out != other.W_out).all()


@pytest.mark.parametrize("init", ["orthogonal", "Gaussian", "Glorot"])
def test_no_two_matrices_of_a_network_are_the_same_draw(init):
    network = draw(((4, "tanh", True),) * 3, 4, 4, init=init)
    drawn = [W for layer in network.layers for W in (layer.W_S, layer.W_T)] + [network.W_out]
    for i, one in enumerate(drawn):
        assert not any(np.isclose(one, other).any() for other in drawn[:i])


@pytest.mark.parametrize("init", INITS)
@given(seed=st.integers(0, 9999), g=st.floats(0, 3))
def test_changing_g_scales_W_T_and_disturbs_no_other_draw(init, seed, g):
    stack = ((3, "tanh", True), (2, "relu", True))
    one, other = draw(stack, 2, 1, init=init, seed=seed), draw(stack, 2, 1, init=init, seed=seed, g=g)
    for a, b in zip(one.layers, other.layers, strict=True):
        np.testing.assert_array_equal(b.W_T, g * a.W_T)
        np.testing.assert_array_equal(a.W_S, b.W_S)
    np.testing.assert_array_equal(one.W_out, other.W_out)


def test_changing_one_layer_disturbs_no_other_layers_draw():
    one = draw(((3, "tanh", True), (2, "tanh", True), (4, "tanh", True)), 2, 1)
    other = draw(((3, "tanh", False), (2, "relu", True), (4, "tanh", True)), 2, 1, input_scale=2.0, bias=0.5)
    assert other.layers[0].W_T is None
    for l in (0, 1, 2):
        np.testing.assert_array_equal(other.layers[l].W_S, 2.0 * one.layers[l].W_S)
        np.testing.assert_array_equal(other.layers[l].b, np.full(one.layers[l].n, 0.5))
    for l in (1, 2):
        np.testing.assert_array_equal(one.layers[l].W_T, other.layers[l].W_T)
    wider = draw(((3, "tanh", True), (5, "tanh", True), (4, "tanh", True)), 2, 1)
    np.testing.assert_array_equal(wider.layers[0].W_T, one.layers[0].W_T)
    np.testing.assert_array_equal(wider.layers[2].W_T, one.layers[2].W_T)


def test_a_network_knows_its_widths_and_the_multiply_adds_of_one_step():
    network = draw(((3, "tanh", True), (5, "relu", False)), 2, 4)
    assert (network.n_in, network.widths, network.n_out) == (2, (3, 5), 4)
    assert network.size == (3 * 2 + 3 * 3) + 5 * 3 + 4 * 5
    bare = draw(((3, "tanh", True),), 2, None)
    assert bare.W_out is None
    assert bare.n_out == 3


# What is refused: the array by name, what it was, what it may be.


@pytest.mark.parametrize("name", ["W_S", "W_T", "b", "h_0"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_with_their_place(name, value):
    fine = {"W_S": np.ones((2, 3)), "W_T": np.ones((2, 2)), "b": np.ones(2), "h_0": np.ones(2)}
    bad = fine[name].copy()
    bad[(-1,) * bad.ndim] = value
    index = tuple(n - 1 for n in bad.shape)
    message = f"{name} is {value} at index {index}; every entry must be a finite number"
    with pytest.raises(ValueError, match=re.escape(message)):
        Layer(**{**fine, name: bad})


@pytest.mark.parametrize("bad", ["text", [["a", "b"]], [[1], [2, 3]], [[None]], {"a": 1}, [[10**400]], object()])
def test_what_is_not_an_array_of_numbers_is_refused_by_name(bad):
    with pytest.raises(ValueError, match="^W_S must be an array of numbers$"):
        Layer(bad)


@pytest.mark.parametrize(("made", "message"), [
    (lambda: Layer(np.ones((2, 3)), np.ones((3, 2))), r"W_T has shape \(3, 2\); it must be \(2, 2\)"),
    (lambda: Layer(np.ones((2, 3)), np.ones(2)), r"W_T has shape \(2,\); it must be \(2, 2\)"),
    (lambda: Layer(np.ones((2, 3)), b=np.ones(3)), r"b has shape \(3,\); it must be \(2\)"),
    (lambda: Layer(np.ones((2, 3)), h_0=np.ones((1, 3))), r"h_0 has shape \(1, 3\); it must be \(2\)"),
    (lambda: Layer(np.ones(3)), r"W_S has shape \(3,\); it must be \(1 or more, 1 or more\)"),
    (lambda: Layer(np.ones((0, 3))), r"W_S has shape \(0, 3\); it must be \(1 or more, 1 or more\)"),
    (lambda: Layer(np.ones((2, 0))), r"W_S has shape \(2, 0\); it must be \(1 or more, 1 or more\)"),
    (lambda: Layer(np.ones((2, 3)), cell="gru?"), "cell is 'gru\\?'; it must be one of tanh, relu, linear, sigmoid"),
    (lambda: Network([]), "at least one layer"),
    (lambda: Network([Layer(np.ones((2, 3))), Layer(np.ones((2, 3)))]),
     "W_S of layer 2 has 3 columns; layer 1 has 2 units"),
    (lambda: Network([Layer(np.ones((2, 3)))], np.ones((1, 3))),
     r"W_out has shape \(1, 3\); it must be \(1 or more, 2\)"),
    (lambda: Network([Layer(np.ones((2, 3)))], np.ones((1, 2)), np.ones(2)),
     r"b_out has shape \(2,\); it must be \(1\)"),
    (lambda: Network([Layer(np.ones((2, 3)))], None, np.ones(2)), "b_out needs W_out"),
    (lambda: draw(((2, "tanh", True),), 1, 1, init="random"), "init is 'random'; it must be one of orthogonal"),
    (lambda: Network([Layer(np.ones((2, 3)), np.ones((5, 2, 2)))]), r"W_T of layer 1 has shape \(5, 2, 2\); its batch"),
    (lambda: Network([Layer(np.ones((4, 2, 3)))], np.ones((5, 1, 2))), r"W_out has shape \(5, 1, 2\); its batch"),
    (lambda: Network([Layer(np.ones((2, 3))), Layer(np.ones((5, 2, 2)))]),
     r"W_S of layer 2 has shape \(5, 2, 2\); its batch"),
    (lambda: Network([Layer(np.ones((2, 3)))], [[np.nan, 1.0]]), r"W_out is nan at index \(0, 0\)"),
])
def test_shapes_that_do_not_fit_are_refused_in_one_sentence(made, message):
    with pytest.raises(ValueError, match=message):
        made()


def test_the_arrays_of_a_network_are_its_own_and_read_only():
    given_W = np.ones((2, 2))
    layer = Layer(given_W)
    given_W[0, 0] = 5
    assert layer.W_S[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        layer.W_S[0, 0] = 5


@pytest.mark.parametrize("cell", CELLS)
def test_b_and_h_0_are_zeros_unless_given(cell):
    k, states = CELLS[cell].gates, CELLS[cell].states
    layer = Layer(np.ones((2 * k, 3)), np.ones((2 * k, 2)), cell=cell)
    np.testing.assert_array_equal(layer.b, np.zeros(2 * k))
    np.testing.assert_array_equal(layer.h_0, np.zeros(2 * states))


# Matrices in place of drawn ones.


def test_given_matrices_stand_in_place_of_drawn_ones_and_leave_all_others_as_they_were():
    stack = [(3, "tanh", True), (2, "relu", True)]
    drawn = matrices(draw(stack, 2, 1, seed=5))
    for name, value in drawn.items():
        mine = np.full(value.shape, 0.25)
        made = matrices(draw(stack, 2, 1, seed=5, given={name: mine}))
        np.testing.assert_array_equal(made.pop(name), mine)
        for other, value_there in made.items():
            np.testing.assert_array_equal(value_there, drawn[other])


def test_matrices_are_named_from_the_input_upwards():
    static = draw([(3, "tanh", True), (2, "relu", False)], 2, None)
    assert list(matrices(static)) == ["W_S1", "W_T1", "b1", "h1", "W_S2", "b2", "h2"]
    assert list(matrices(draw([(1, "tanh", True)], 1, 1))) == ["W_S1", "W_T1", "b1", "h1", "W_out", "b_out"]
