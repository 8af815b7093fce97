"""Routes: against every route listed one by one, closed forms, the backward pass and the text's own example."""

from dataclasses import replace
from math import comb, log10, prod

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from plain import REAL, grid_of
from strategies import POINTWISE, scores, seeds, targets, windows

from rnnviz.bptt import forward
from rnnviz.cells import CELLS
from rnnviz.examples import EXAMPLES
from rnnviz.experiment import Experiment, run, trace
from rnnviz.network import Layer, Network
from rnnviz.routes import groups, number_of_routes, problem, routes
from rnnviz.tasks import LOSSES, Sequence
from rnnviz.windows import truncated

weights = st.sampled_from((0.8, -0.7, 1.3, -1.1, 0.05, 0.0)) | st.floats(0.01, 1.5) | st.floats(-1.5, -0.01)


def near(value):
    """Equal but for rounding, of small numbers too: what a loss sends in is a difference, so that some digits may go."""
    return pytest.approx(value, rel=1e-9, abs=1e-300)


@st.composite
def narrow_runs(draw, max_depth=4, max_T=8):
    """Runs of one unit per layer: any cells, weights of both signs and exact zeros, static layers, any losses and schedule."""
    depth, T = draw(st.integers(1, max_depth)), draw(st.integers(1, max_T))
    layers = [
        Layer([[draw(weights)]], [[draw(weights)]] if draw(st.sampled_from((True, True, True, False))) else None,
              [draw(weights)], draw(st.sampled_from(POINTWISE)), [draw(weights)])
        for _ in range(depth)
    ]
    rng = np.random.default_rng(draw(seeds))
    n_out = draw(st.integers(1, 2))
    W_out = rng.standard_normal((n_out, 1)) if n_out > 1 or draw(st.booleans()) else None
    scored, loss = draw(scores(T)), draw(st.sampled_from(tuple(LOSSES)))
    seq = Sequence(rng.standard_normal((T, 1)), targets(rng, T, n_out, loss), scored, loss)
    made = trace(Network(layers, W_out), seq, draw(windows(scored)))
    sent = np.abs(made.forward.slope_out[scored])
    assume(not ((sent > 0) & (sent < 1e-6)).any())  # a cross-entropy so sure has lost the digits that `near` asks for
    return made


@st.composite
def cells_of_runs(draw):
    made = draw(narrow_runs())
    return made, draw(st.integers(0, len(made.network.layers) - 1)), draw(st.integers(0, made.sequence.T - 1))


def paths(run, l, t, lowest, target):
    """Every way from cell (l, t) to the target, as tuples of moves, staying at steps from `lowest` on."""
    if (l, t) == target:
        yield ()
    if l > target[0]:
        yield from (("space", *rest) for rest in paths(run, l - 1, t, lowest, target))
    if t > max(lowest, target[1]) and run.network.layers[l].recurrent:
        yield from (("time", *rest) for rest in paths(run, l, t - 1, lowest, target))


def listed(run, l, t):
    """{(start, moves): factors} of every route of every pass, one by one; nothing of rnnviz's backward pass. What a loss sends
    in is added up over the passes that carry it along the route."""
    plain, layers, top = grid_of(run), run.network.layers, len(run.network.layers) - 1
    found, entered = {}, run.windows.carries().sum(axis=0)
    for first, since, last in zip(run.windows.first, run.windows.since, run.windows.last, strict=True):
        for start in range(max(since, t), last + 1):
            if not run.sequence.scored[start] or first > t:
                continue
            for moves in paths(run, top, start, first, (l, t)):
                i, j = top, start
                sent = plain.sent[j][0] / entered[start]
                factors = [sent, plain.slope[i][j][0]]
                for move in moves:
                    factors.append(layers[i].W_T[0, 0] if move == "time" else layers[i].W_S[0, 0])
                    i, j = (i, j - 1) if move == "time" else (i - 1, j)
                    factors.append(plain.slope[i][j][0])
                if (start, moves) in found:  # an old loss that entered before
                    factors[0] += found[start, moves][0]
                found[start, moves] = factors
    return found


def crossed(run, l, t, terms, columns):
    """(through_time, through_space) from the list: the size of the routes over each move, over that of all."""
    top = len(run.network.layers) - 1
    through = {move: np.zeros((top - l + 1, columns)) for move in ("time", "space")}
    for (start, moves), term in terms.items():
        i, j = top, start
        through["space"][i - l, j - t] += abs(term)
        for move in moves:
            i, j = (i, j - 1) if move == "time" else (i - 1, j)
            through[move][i - l, j - t] += abs(term)
    total = sum(abs(term) for term in terms.values())
    return [through[move] / (total or 1.0) for move in ("time", "space")]


@given(cells_of_runs())
def test_every_number_told_is_that_of_the_routes_listed_one_by_one(drawn):
    made, l, t = drawn
    factors = listed(made, l, t)
    terms = {route: float(prod(numbers)) for route, numbers in factors.items()}
    told = routes(made, l, t, most=len(terms) + 3)
    assert told.number == number_of_routes(made, l, t) == len(terms)
    assert told.zero == sum(0 in numbers for numbers in factors.values())
    total = sum(abs(term) for term in terms.values())
    assert told.sum == made.backward.delta[l][t, 0] == pytest.approx(sum(terms.values()), abs=1e-9 * total)
    assert told.total == near(total)
    assert told.positive == near(sum(term for term in terms.values() if term > 0))
    assert told.negative == near(sum(term for term in terms.values() if term < 0))
    assert {(route.start, route.moves) for route in told.largest} == set(terms)
    assert len(told.largest) == len(terms)
    for route in told.largest:
        assert route.term == near(terms[route.start, route.moves])
        assert route.share == near(abs(route.term) / (total or 1.0))
        assert [factor.value for factor in told.factors(route)] == near(factors[route.start, route.moves])
    columns = told.through_time.shape[1]
    assert columns == (max(start for start, _ in terms) - t + 1 if terms else 0)
    for told_shares, listed_shares in zip((told.through_time, told.through_space), crossed(made, l, t, terms, columns),
                                          strict=True):
        np.testing.assert_allclose(np.nan_to_num(told_shares), listed_shares, rtol=1e-9, atol=1e-300)


@given(cells_of_runs(), st.integers(1, 6))
def test_the_largest_routes_come_in_order_and_none_is_missed(drawn, most):
    made, l, t = drawn
    sizes = sorted((abs(float(prod(numbers))) for numbers in listed(made, l, t).values()), reverse=True)
    told = routes(made, l, t, most).largest
    assert [abs(route.term) for route in told] == near(sizes[:most])
    assert len({(route.start, route.moves) for route in told}) == len(told)
    assert [route.log_size for route in told] == sorted((route.log_size for route in told), reverse=True)


@given(cells_of_runs())
def test_the_terms_of_all_routes_add_up_to_delta_at_every_cell_relative_to_their_sizes(drawn):
    made, _, _ = drawn
    for l in range(len(made.network.layers)):
        for t in range(made.sequence.T):
            told = routes(made, l, t, most=0)
            assert abs(told.positive + told.negative - told.sum) <= 1e-13 * told.total
            assert told.positive - told.negative == pytest.approx(told.total, rel=1e-14)


@pytest.mark.parametrize("tau_max", range(1, 9))
@pytest.mark.parametrize("tau_b", range(1, 9))
@pytest.mark.parametrize("again", [False, True])
def test_truncation_leaves_out_the_routes_that_no_pass_completes(tau_max, tau_b, again):
    e = Experiment(depth=2, width=1, T=7, init="by hand", hand="0.9 0.8 0, 0.9 -0.7 0", score="every step", task="sine")
    whole = run(e)
    made = trace(whole.network, whole.sequence, truncated(7, tau_max, tau_b, again))
    for l in range(2):
        for t in range(7):
            told, terms = routes(made, l, t, most=99), listed(made, l, t)
            assert {(route.start, route.moves) for route in told.largest} == set(terms)
            assert abs(sum(route.term for route in told.largest) - made.backward.delta[l][t, 0]) <= 1e-12 * told.total
            assert all(route.start - t < tau_max for route in told.largest)
            assert bool(told.number) == bool(terms)


def stack(depth, T, w_T=1.0, w_S=1.0, cell="linear", *, static=(), sent=-1.0, scored=None):
    """A run on inputs of 0, so that all slopes are equal; a loss sends in `sent`."""
    layers = [Layer([[w_S]], None if l in static else [[w_T]], None, cell) for l in range(depth)]
    return trace(Network(layers), Sequence(np.zeros((T, 1)), np.full((T, 1), -sent), scored))


@pytest.mark.parametrize(("depth", "l", "t"), [(1, 0, 0), (2, 0, 3), (3, 1, 2), (5, 0, 0), (4, 3, 1)])
def test_with_one_loss_and_all_layers_recurrent_the_routes_are_a_binomial(depth, l, t):
    assert number_of_routes(stack(depth, 9), l, t) == comb(depth - 1 - l + 8 - t, depth - 1 - l)


def test_a_static_layer_is_crossed_at_one_step_only():
    made = stack(3, 6, static=(1,))
    assert number_of_routes(made, 0, 2) == 4  # the step at which both moves down are made, 3 to 6
    told = routes(made, 0, 2)
    assert np.isnan(told.through_time[1]).all()
    assert told.through_space[0].tolist() == told.through_space[1].tolist() == [0.25] * 4
    nothing = routes(stack(2, 6, static=(0, 1)), 0, 2)
    assert (nothing.number, nothing.largest, nothing.sum, nothing.log_total) == (0, (), 0.0, -np.inf)


def test_over_twelve_layers_and_two_thousand_steps_all_is_told_though_nothing_is_listed():
    depth, T = 12, 2000
    made = stack(depth, T, 0.5, 1.0)
    told = routes(made, 0, 0)
    assert told.number == comb(T - 1 + depth - 1, depth - 1) > 10**28
    assert told.zero == 0
    assert told.log_total == pytest.approx(log10(told.number) + (T - 1) * log10(0.5), rel=1e-12)
    assert (told.total, told.positive) == (0.0, 0.0)
    assert len({route.moves for route in told.largest}) == 7
    for route in told.largest:
        assert (route.start, len(route.moves), route.moves.count("space")) == (T - 1, T - 1 + depth - 1, depth - 1)
        assert route.share == near(1 / told.number)
    np.testing.assert_allclose(np.nansum(told.through_space, axis=1), 1.0, rtol=1e-9)  # each layer is left once
    here, ways = (4, 700), lambda layers, steps: comb(layers + steps, layers)
    expected = ways(here[0], here[1]) * ways(depth - 1 - here[0], T - 2 - here[1]) / told.number
    assert told.through_time[here] == near(expected)
    expected = ways(here[0], here[1]) * ways(depth - 2 - here[0], T - 1 - here[1]) / told.number
    assert told.through_space[here] == near(expected)


def test_ten_thousand_losses_over_twelve_layers_are_counted_and_add_up():
    made = stack(12, 10_000, 0.9, 0.5, scored=np.ones(10_000, bool))
    told = routes(made, 0, 0, most=2)
    assert told.number == comb(10_000 + 11, 12)  # the sum of a column of Pascal's triangle
    assert told.total == pytest.approx(0.5**11 / 0.1**12, rel=1e-9)  # of the series: 1 / (1 - 0.9) a layer
    assert told.sum == pytest.approx(-told.total, rel=1e-9)


@pytest.mark.parametrize("w_T", [1e-3, 1e3])
def test_shares_and_logarithms_are_right_where_float64_is_at_its_end(w_T):
    made = stack(2, 400, w_T)
    told = routes(made, 0, 0)
    assert told.total == (0.0 if w_T < 1 else np.inf)
    assert told.log_total == pytest.approx(log10(400) + 399 * log10(w_T), rel=1e-12)
    assert told.largest[0].log_size == pytest.approx(399 * log10(w_T), rel=1e-12)
    assert told.largest[0].term == (0.0 if w_T < 1 else -np.inf)
    np.testing.assert_allclose(told.through_space[0], 1 / 400, rtol=1e-9)


def test_routes_that_differ_by_rounding_alone_are_in_order_too():
    logs = [route.log_size for route in routes(stack(3, 60, 0.9, 0.7), 0, 0, most=500).largest]
    assert logs == sorted(logs, reverse=True)
    assert len(set(logs)) > 1


def test_where_layers_fade_and_grow_in_turn_no_route_is_lost_between():
    rng = np.random.default_rng(3)
    layers = [Layer([[1.0]], [[w]], None, "sigmoid") for w in (-3.0, 3.0)]
    made = trace(Network(layers), Sequence(300 * np.sign(rng.standard_normal((60, 1))), np.zeros((60, 1))))
    told = routes(made, 0, 0, most=60)
    logs = [sum(np.log10(abs(np.array(numbers, REAL)))) for numbers in listed(made, 0, 0).values()]
    assert min(logs) < -400  # what no float64 holds
    assert [route.log_size for route in told.largest] == pytest.approx(sorted(logs, reverse=True), rel=1e-9)
    assert told.number == 60


def test_of_five_thousand_routes_the_seven_largest_are_found():
    rng = np.random.default_rng(7)
    layers = [Layer([[w_S]], [[w_T]], None, "tanh") for w_S, w_T in rng.uniform(-2, 2, (4, 2))]
    made = trace(Network(layers), Sequence(rng.standard_normal((30, 1)), rng.standard_normal((30, 1))))
    terms = sorted((float(prod(numbers)) for numbers in listed(made, 0, 0).values()), key=abs, reverse=True)
    assert len(terms) == 4960
    assert [route.term for route in routes(made, 0, 0).largest] == pytest.approx(terms[:7], rel=1e-10)


def test_routes_through_a_shut_relu_are_exact_zeros_counted_and_last():
    layers = [Layer([[1.0]], [[0.5]], None, "relu"), Layer([[1.0]], [[0.5]], None, "linear")]
    made = trace(Network(layers), Sequence([[1.0], [-9.0], [1.0], [1.0]], np.ones((4, 1))))  # layer 1 is shut at step 2
    told = routes(made, 0, 0)
    assert (told.number, told.zero) == (4, 3)
    assert told.largest[0].moves == ("time", "time", "time", "space")
    assert [route.term for route in told.largest[1:]] == [0.0] * 3
    assert [route.log_size for route in told.largest[1:]] == [-np.inf] * 3
    assert told.total == abs(told.sum) == abs(told.largest[0].term) > 0
    shut = routes(made, 0, 1)
    assert (shut.number, shut.zero, shut.total, shut.log_total) == (3, 3, 0.0, -np.inf)
    assert np.nansum(shut.through_space) == np.nansum(shut.through_time) == 0


def test_a_move_that_does_not_exist_has_no_share():
    told = routes(stack(2, 5, scored=np.isin(np.arange(5), (1, 3))), 0, 1)
    assert np.isnan(told.through_time).tolist() == [[False, False, True]] * 2  # nothing comes from beyond the latest loss
    assert np.isnan(told.through_space).tolist() == [[False] * 3, [False, True, False]]  # the loss at step 3 is not scored


def test_what_nearly_cancels_is_told_by_its_two_sums():
    told = routes(run(EXAMPLES["By hand"]), 0, 1)
    assert [np.sign(route.term) for route in told.largest] == [(-1) ** route.moves.index("space") for route in told.largest]
    assert told.sum == pytest.approx(told.positive + told.negative, rel=1e-12)
    assert told.positive == pytest.approx(sum(route.term for route in told.largest if route.term > 0), rel=1e-13)
    assert told.positive > -told.negative > 0.5 * told.sum > 0


def test_a_cell_that_no_loss_reaches_has_no_route():
    made = run(replace(EXAMPLES["By hand"], cut=True, tau_max=3))
    for l in range(2):
        assert [number_of_routes(made, l, t) for t in range(3)] == [0, 0, 0]
    assert routes(made, 1, 2).largest == ()
    early = stack(2, 5, scored=np.arange(5) == 1)
    assert routes(early, 0, 3).number == 0
    assert routes(early, 0, 1).number == 1


# The space/time text.


def text_run(T=6, seed=5):
    """Two recurrent layers of one sigmoid unit, y = h^2, states to start from: the text's network."""
    rng = np.random.default_rng(seed)
    layers = [Layer([[w_S]], [[w_T]], None, "sigmoid", [h]) for w_S, w_T, h in rng.uniform(-2, 2, (2, 3))]
    return trace(Network(layers), Sequence(rng.standard_normal((T, 1)), rng.standard_normal((T, 1))))


def test_the_scalar_example_of_the_space_time_text_is_spelled_route_by_route():
    made = text_run()
    N = 6
    (S1, T1), (S2, T2) = ((float(layer.W_S[0, 0]), float(layer.W_T[0, 0])) for layer in made.network.layers)
    x, h1, h2 = made.sequence.x[:, 0], [made.network.layers[0].h_0[0]], [made.network.layers[1].h_0[0]]

    def sigma(z):
        return 1 / (1 + np.exp(-z))

    def slope(h):  # sigma'(z) by h = sigma(z)
        return h * (1 - h)

    for n in range(1, N + 1):
        h1.append(sigma(S1 * x[n - 1] + T1 * h1[n - 1]))
        h2.append(sigma(S2 * h1[n] + T2 * h2[n - 1]))
    dC = h2[N] - made.sequence.target[N - 1, 0]
    d1, d2 = [slope(h) for h in h1], [slope(h) for h in h2]

    told = groups(made, 0)
    spelled = [[[factor.value for factor in reading.factors(route)] for route in reading.largest] for reading in told.first]
    expected = [
        [[dC, d2[N], S2, d1[N]]],
        [[dC, d2[N], S2, d1[N], T1, d1[N - 1]],
         [dC, d2[N], T2, d2[N - 1], S2, d1[N - 1]]],
        [[dC, d2[N], S2, d1[N], T1, d1[N - 1], T1, d1[N - 2]],
         [dC, d2[N], T2, d2[N - 1], S2, d1[N - 1], T1, d1[N - 2]],
         [dC, d2[N], T2, d2[N - 1], T2, d2[N - 2], S2, d1[N - 2]]],
    ]
    assert [len(reading.largest) for reading in told.first] == [reading.number for reading in told.first] == [1, 2, 3]
    for one_group, paths_of_text in zip(spelled, expected, strict=True):
        for numbers, path in zip(one_group, paths_of_text, strict=True):
            assert numbers == pytest.approx(path, rel=1e-12, abs=0)
    for k, paths_of_text in enumerate(expected, start=1):
        assert told.h[k - 1] == pytest.approx(h1[N - k], rel=1e-12)
        assert told.product[k - 1] == pytest.approx(sum(prod(path) for path in paths_of_text) * h1[N - k], rel=1e-11, abs=0)
    misprint = [*expected[2][:2], [dC, d2[N], T2, d2[N - 2], S2, d1[N - 2]]]
    assert told.printed == pytest.approx(sum(prod(path) for path in misprint) * h1[N - 3], rel=1e-11, abs=0)
    assert abs(told.printed - told.product[2]) > 1e-3 * abs(told.product[2])
    factor = told.first[2].factors(told.first[2].largest[2])[2]
    assert (factor.kind, factor.layer, factor.step) == ("time", 1, N - 2)  # w_T^2 into layer 2, step N - 1


@given(narrow_runs(max_depth=3))
def test_the_groups_add_up_to_the_gradient_of_the_recurrent_weight(made):
    for l, layer in enumerate(made.network.layers):
        if not layer.recurrent:
            continue
        told = groups(made, l)
        T = made.sequence.T
        assert told.total == made.backward.dW_T[l][0, 0]
        assert abs(told.running[-1] - told.total) <= 1e-13 * np.abs(told.product).sum()
        assert told.step.tolist() == [T - k for k in range(1, T + 1)]
        np.testing.assert_allclose(np.diff(told.running, prepend=0.0), told.product,
                                   atol=1e-13 * np.abs(told.product).sum())
        for k, reading in enumerate(told.first, start=1):
            assert (reading.layer, reading.step) == (l, T - k)
            terms = [float(prod(numbers)) for numbers in listed(made, l, T - k).values()]
            assert told.product[k - 1] == pytest.approx(sum(terms) * made.forward.state[l][T - k, 0], rel=1e-10,
                                                        abs=1e-13 * sum(map(abs, terms)))


@pytest.mark.parametrize("l", [0, 1])
def test_the_running_sum_of_the_groups_ends_at_the_complex_step_derivative(l):
    made = text_run(9, 2)
    layers = list(made.network.layers)
    layers[l] = replace(layers[l], W_T=layers[l].W_T + 1e-200j)
    nudged = forward(Network(layers), made.sequence)
    assert groups(made, l).running[-1] == pytest.approx(nudged.C.imag / 1e-200, rel=1e-12)


def test_the_misprint_is_told_only_where_the_text_has_it():
    assert groups(text_run(), 0).printed is not None
    assert groups(text_run(3), 0).printed is not None
    assert groups(text_run(), 1).printed is None
    assert groups(text_run(2), 0).printed is None
    assert groups(stack(3, 6), 0).printed is None
    assert groups(stack(2, 6, static=(1,)), 0).printed is None
    assert groups(stack(2, 6, scored=np.ones(6, bool)), 0).printed is None
    made = text_run()
    for tau_max, told in ((2, False), (3, True)):
        cut = trace(made.network, made.sequence, truncated(6, tau_max, 6))
        assert (groups(cut, 0).printed is not None) == told


# What is refused.


def test_what_has_no_routes_is_refused_in_a_sentence(monkeypatch):
    wide, narrow = run(Experiment(depth=2, width=3, T=4)), stack(2, 4)
    assert problem(narrow) is None
    with pytest.raises(ValueError, match="Layer 1 has 3 units; routes need one unit in every layer."):
        routes(wide, 0, 0)
    with pytest.raises(ValueError, match="Layer 1 has 3 units"):
        groups(wide, 0)
    overflown = run(Experiment(cell="relu", depth=1, width=1, T=3000, init="by hand", hand="1 1.9 1"))
    assert overflown.backward is None
    with pytest.raises(ValueError, match="A state overflows"):
        routes(overflown, 0, 0)
    huge = trace(Network([Layer([[1.0]], [[1.0]])], [[1e300]]), Sequence(np.ones((2, 1)), np.full((2, 1), 0.0)))
    with pytest.raises(ValueError, match="What a loss sends in overflows"):
        routes(huge, 0, 0)
    many = trace(narrow.network, Sequence(np.zeros((3, 4, 1)), np.zeros((3, 4, 1))))
    with pytest.raises(ValueError, match="This is a batch"):
        routes(many, 0, 0)
    for l, t, sentence in ((2, 0, "layer 3 is not there; it must be 1 to 2"), (-1, 0, "layer 0 is not there"),
                           (0, 4, "step 5 is not there; it must be 1 to 4"), (0, -1, "step 0 is not there")):
        with pytest.raises(ValueError, match=sentence):
            number_of_routes(narrow, l, t)
    with pytest.raises(ValueError, match="layer 3 is not there"):
        groups(narrow, 2)
    with pytest.raises(ValueError, match="layer 1 is not recurrent"):
        groups(stack(2, 4, static=(0,)), 0)
    monkeypatch.setitem(CELLS, "gated", replace(CELLS["tanh"], gates=2))
    gated = replace(narrow, network=Network([Layer(np.ones((2, 1)), np.ones((2, 1)), None, "gated")]))
    with pytest.raises(ValueError, match="Layer 1 is gated; routes need cells with one gate and one state."):
        routes(gated, 0, 0)
