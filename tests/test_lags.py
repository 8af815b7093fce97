"""A gradient taken apart, against sums written out, against backward under every schedule, and against cutting for real."""

from dataclasses import replace
from functools import cache

import numpy as np
import plain
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import networks, problems, scores, seeds, sequences, windows
from test_bptt import SCORED, close, lstm, ragged, update_gate

from rnnviz import lags
from rnnviz.bptt import backward, forward
from rnnviz.cells import CELLS
from rnnviz.experiment import trace
from rnnviz.lags import (
    EveryTau,
    by_lag,
    by_step,
    compare,
    every_tau,
    gradients,
    heard_by,
    kept,
    pairs,
    parameters,
    size_of,
)
from rnnviz.network import Layer, Network, orthogonal
from rnnviz.tasks import Sequence
from rnnviz.windows import Windows, full, truncated

pytestmark = pytest.mark.filterwarnings("error")

SUM = 1e-12  # of the sizes added up: some hundred terms, each rounded at 1.1e-16
SQUARE = 1e-12  # the same of a square that runs along


def gradients_of(sent, network):
    """{name: matrix} of a Backward, read off its fields; a bias is one column."""
    found = {}
    for l, layer in enumerate(network.layers):
        found[f"W_S{l + 1}"] = sent.dW_S[l]
        if layer.recurrent:
            found[f"W_T{l + 1}"] = sent.dW_T[l]
        found[f"b{l + 1}"] = sent.db[l][:, None]
    if network.W_out is not None:
        found |= {"W_out": sent.dW_out, "b_out": sent.db_out[:, None]}
    return found


def rows(name, run, delta, sent):
    """(left (T, n), right (T, m)) of a gradient, written out; delta: per layer; sent: what the losses send in."""
    state, x, T = run.forward.state, run.sequence.x, run.sequence.T
    l = None if "out" in name else int(name.lstrip("W_STb")) - 1
    left = sent if l is None else delta[l]
    if name[0] == "b":
        return left, np.ones((T, 1))
    if l is None:
        return left, state[-1][1:]
    if name.startswith("W_T"):
        return left, state[l][:-1]
    return left, (x if l == 0 else state[l - 1][1:])


def pairs_apart(run):
    """{name: (S, T, n, m)}: what every loss adds to every gradient through every step, from a backward pass of its own."""
    steps, found = np.flatnonzero(run.sequence.scored), {}
    for s in steps:
        alone = replace(run.sequence, scored=np.arange(run.sequence.T) == s)
        there = forward(run.network, alone)
        delta = backward(run.network, alone, there).delta
        for name in gradients_of(run.backward, run.network):
            left, right = rows(name, run, delta, there.slope_out)
            found.setdefault(name, []).append(np.einsum("ti,tj->tij", left, right))
    return {name: np.array(of_losses) for name, of_losses in found.items()}


def counted(losses, schedule):
    """(S, T): how many passes carry the loss and reach the step, pair by pair."""
    made = np.zeros((len(losses), schedule.T), int)
    for i, s in enumerate(losses):
        for k in range(schedule.T):
            for first, since, last in zip(schedule.first, schedule.since, schedule.last, strict=True):
                made[i, k] += since <= s <= last and first <= k <= last and k <= s
    return made


def near(found, expected, scale):
    """Within SUM of the scale on which terms were added up."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=SUM * scale + 1e-300)


def taken_apart(network, seq):
    return pairs(trace(network, seq))


schedules = st.builds(lambda T, tau_max, tau_b, again: truncated(T, tau_max, tau_b, again),
                      st.just(7), st.integers(1, 9), st.integers(1, 9), st.booleans())


# Every schedule, from one table.


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("scored", SCORED)
def test_one_table_holds_the_gradients_of_every_schedule_as_a_graph_that_is_really_cut_has_them(scored, again):
    network, seq = ragged(SCORED[scored])
    table = taken_apart(network, seq)
    for tau_max in range(1, seq.T + 3):
        for tau_b in range(1, seq.T + 3):
            schedule, cut = truncated(seq.T, tau_max, tau_b, again), plain.cut(network, seq, tau_max, tau_b, again)
            found = gradients(table, schedule)
            assert list(found) == ["W_S1", "W_T1", "b1", "W_S2", "b2", "W_S3", "W_T3", "b3", "W_out", "b_out"]
            for name, G in found.items():
                expected = cut["d" + name] if "out" in name else cut["d" + name[:-1]][int(name[-1]) - 1]
                expected = expected.reshape(len(expected), -1).astype(float)
                np.testing.assert_allclose(G, expected, rtol=0, atol=SUM * np.abs(expected).max(),
                                           err_msg=f"{name} at tau_max = {tau_max}, tau_b = {tau_b}")
            under = np.concatenate(cut["delta"], axis=-1).astype(float)
            np.testing.assert_allclose(table.under(schedule), under, rtol=0, atol=SUM * np.abs(under).max())


@given(problems())
def test_one_table_holds_the_gradients_of_irregular_schedules_too(problem):
    network, seq, schedule = problem
    sent, table = backward(network, seq, forward(network, seq), schedule), taken_apart(network, seq)
    expected, apart = gradients_of(sent, network), pairs_apart(table.run)
    found = gradients(table, schedule)
    assert list(found) == list(expected) == list(parameters(network))
    for name, G in found.items():
        near(G, expected[name], np.abs(apart[name]).sum(axis=(0, 1)).max())


@pytest.mark.parametrize("gated", [lstm, update_gate])
@given(data=st.data())
def test_one_table_holds_the_gradients_of_gated_cells_too(gated, data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(CELLS, "gated", gated())
        network, seq, schedule = data.draw(problems(cells=("gated", "tanh"), max_T=5, max_depth=2, max_width=2))
        sent, table = backward(network, seq, forward(network, seq), schedule), taken_apart(network, seq)
        expected, found = gradients_of(sent, network), gradients(table, schedule)
        assert list(found) == list(expected)
        for name, G in found.items():
            close(G, expected[name])


@given(problems())
def test_a_choice_of_gradients_and_a_delta_at_hand_change_no_number(problem):
    network, seq, schedule = problem
    table = taken_apart(network, seq)
    every, under = gradients(table, schedule), table.under(schedule)
    for name, G in every.items():
        (alone,) = gradients(table, schedule, [name], under).items()
        assert alone[0] == name
        np.testing.assert_array_equal(alone[1], G)


# Sums.


@given(problems())
def test_pairs_that_a_schedule_keeps_add_up_to_its_gradient(problem):
    network, seq, schedule = problem
    table = taken_apart(network, seq)
    apart = pairs_apart(table.run)
    for windows_now in (schedule, full(seq.T)):
        expected = gradients_of(backward(network, seq, table.run.forward, windows_now), network)
        counts = kept(table.losses, windows_now)
        for name, terms in apart.items():
            total = np.einsum("st,stij->ij", counts, terms)
            near(total, expected[name], np.abs(terms).sum())


@given(problems(), st.booleans(), st.sampled_from((by_step, by_lag)))
def test_terms_by_step_and_by_lag_are_the_sums_over_their_pairs_in_size_and_in_share(problem, again, taken):
    network, seq, schedule = problem
    if again:
        schedule = truncated(seq.T, 1 + int(schedule.last[0]), 1 + int(schedule.first[-1]), again=True)
    table = taken_apart(network, seq)
    apart, counts = pairs_apart(table.run), counted(table.losses, schedule)
    step = np.arange(seq.T)
    for name, terms in apart.items():
        G, made = gradients_of(table.run.backward, network)[name], taken(table, name, schedule)
        scale, length = np.abs(terms).sum() * seq.T, np.linalg.norm(G)
        lag = table.losses[:, None] - step
        if "out" in name:  # the readout is used at the step of the loss alone
            assert not terms[lag != 0].any()
        where = step[None, :] if taken is by_step else lag
        wanted = [np.einsum("st,stij->ij", counts * (where == i), terms) for i in range(seq.T)]
        near(made.total, sum(wanted), scale)
        if not length > 1e-12 * scale:
            continue  # nothing to measure by
        near(made.size * length, [np.linalg.norm(term) for term in wanted], scale)
        near(made.share * length, [np.vdot(term, G) / length for term in wanted], scale)


@given(problems(), st.sampled_from((by_step, by_lag)))
def test_shares_of_the_full_gradient_add_up_to_1_and_those_of_a_schedule_to_what_it_keeps_along_it(problem, taken):
    network, seq, schedule = problem
    table = taken_apart(network, seq)
    for name, G in gradients_of(table.run.backward, network).items():
        if not np.linalg.norm(G) > 0:
            continue
        whole, some = taken(table, name, full(seq.T)), taken(table, name, schedule)
        K = gradients_of(backward(network, seq, table.run.forward, schedule), network)[name]
        near(whole.share.sum(), 1.0, np.abs(whole.share).sum() + whole.size.sum())
        near(some.share.sum(), np.vdot(K, G) / np.vdot(G, G), np.abs(some.share).sum() + whole.size.sum())
        np.testing.assert_allclose(whole.total, G, rtol=0, atol=SUM * np.linalg.norm(G) * whole.size.sum())


@given(scores(7).flatmap(lambda scored: st.tuples(st.just(scored), windows(scored) | schedules)))
def test_kept_counts_the_passes_that_carry_a_loss_and_reach_a_step(drawn):
    scored, schedule = drawn
    losses = np.flatnonzero(scored)
    counts = kept(losses, schedule)
    np.testing.assert_array_equal(counts, counted(losses, schedule))
    if not schedule.again:
        assert counts.max(initial=0) <= 1


def test_old_losses_that_enter_again_are_counted_as_often_as_passes_carry_them():
    counts = kept(np.arange(4), truncated(4, 3, 1, again=True))
    assert counts.tolist() == [[3, 0, 0, 0], [2, 3, 0, 0], [1, 2, 2, 0], [0, 1, 1, 1]]


@given(scores(7).flatmap(lambda scored: st.tuples(st.just(scored), windows(scored) | schedules)))
def test_the_losses_that_reach_a_step_are_the_first_ones_up_to_the_last_that_a_pass_brings_there(drawn):
    scored, schedule = drawn
    losses, found = np.flatnonzero(scored), heard_by(np.flatnonzero(scored), schedule)
    for k in range(7):
        brought = [last for first, last in zip(schedule.first, schedule.last, strict=True) if first <= k]
        assert found[k] == sum(s <= max(brought, default=-1) for s in losses)


@given(scores(7), st.integers(1, 9), st.integers(1, 9))
def test_a_schedule_keeps_of_the_losses_after_a_step_exactly_the_first_ones(scored, tau_max, tau_b):
    losses, schedule = np.flatnonzero(scored), truncated(7, tau_max, tau_b)
    assert lags.nothing_left_out(schedule)
    assert lags.nothing_left_out(schedule.carrying(np.ones(7, bool)).merged())
    after = losses[:, None] >= np.arange(7)
    reached = (np.arange(len(losses))[:, None] < heard_by(losses, schedule)) & after
    np.testing.assert_array_equal(reached, counted(losses, schedule) > 0)


def test_a_schedule_that_leaves_out_a_loss_it_reaches_is_told_from_one_that_does_not():
    assert not lags.nothing_left_out(Windows(5, [0], [2], [4]))
    assert not lags.nothing_left_out(Windows(5, [0, 1], [0, 3], [1, 4]))
    assert lags.nothing_left_out(Windows(5, [0, 1], [0, 2], [1, 4]))
    assert lags.nothing_left_out(Windows(5, [0, 3], [0, 3], [1, 4]))  # the loss of step 3 is not reached


# All tau_max at once.


def grown(run, tau_b):
    """{name: [(K, R, reach of K, reach of R) for every tau_max]}: the rows of all passes, kept and lost, added one by one.

    K and R: what is kept and what is lost. The reach is the sum of the sizes of the rows: what rounding is measured by.
    """
    network, seq, T = run.network, run.sequence, run.sequence.T
    schedule = truncated(T, T, tau_b)
    apart = backward(network, seq, run.forward, schedule, per_pass=True)
    found = {}
    for name, G in gradients_of(run.backward, network).items():
        terms, back = [], []
        for p, (since, last) in enumerate(zip(schedule.since, schedule.last, strict=True)):
            inside = (np.arange(T) >= since) & (np.arange(T) <= last)
            left, right = rows(name, run, [delta[p] for delta in apart.delta], run.forward.slope_out * inside[:, None])
            terms += [np.outer(left[t], right[t]) for t in range(last + 1)]
            back += [last - t for t in range(last + 1)]
        terms, back = np.array(terms), np.array(back)
        sizes = np.sqrt((terms**2).sum(axis=(1, 2)))
        found[name] = [(terms[back < tau].sum(axis=0), terms[back >= tau].sum(axis=0) if (back >= tau).any() else 0.0 * G,
                        sizes[back < tau].sum(), sizes[back >= tau].sum()) for tau in range(1, T + 1)]
    return found


def together(grown_ones):
    """The same of all parameters as one vector."""
    return [(np.concatenate([K.ravel() for K, _, _, _ in at]), np.concatenate([R.ravel() for _, R, _, _ in at]),
             sum(a for _, _, a, _ in at), sum(b for _, _, _, b in at)) for at in zip(*grown_ones.values(), strict=True)]


def check_every(run, tau_b, found=None):
    """EveryTau against gradients that are formed, at every tau_max; squares may be off by SQUARE of the reach's square."""
    found = every_tau(pairs(run), tau_b) if found is None else found
    wanted = grown(run, tau_b)
    assert found.tau_b == tau_b
    assert list(found.of) == [*wanted, "all"]
    whole = gradients_of(run.backward, run.network)
    whole["all"] = np.concatenate([G.ravel() for G in whole.values()])
    for name, of_tau in (*wanted.items(), ("all", together(wanted))):
        G = whole[name]
        g = size_of(G)
        got = found.of[name]
        if g == 0:
            assert np.isnan(got.angle).all()
            assert not np.isfinite(got.error).any()
            continue
        for i, (K, R, reach_K, reach_R) in enumerate(of_tau):
            k, r, a, b = size_of(K) / g, size_of(R) / g, reach_K / g, reach_R / g
            where = f"{name} at tau_max = {i + 1} of {len(of_tau)}, tau_b = {tau_b}"
            assert got.ratio[i] ** 2 == pytest.approx(k * k, rel=1e-9, abs=SQUARE * a * a), where
            assert got.error[i] ** 2 == pytest.approx(r * r, rel=1e-9, abs=SQUARE * b * b), where
            if got.ratio[i] == 0 or k == 0:
                assert k * k <= SQUARE * a * a
                assert np.isnan(got.angle[i]) == (got.ratio[i] == 0)
                continue
            along = np.vdot(K, G / g) / g  # the component of what is kept along G
            small = K if k < r else R
            across = size_of(small - np.vdot(small, G / g) * (G / g)) / g
            slack = 2 * SQUARE * (min(a * a, b * b) + min(k, r) ** 2 + (k * k if k < r else 0.0)) + 1e-30
            angle = np.radians(got.angle[i])
            if abs(k - r) > 1e-6 * max(k, r):  # else either side may have been taken
                size = np.hypot(along, across)
                assert (size * np.sin(angle)) ** 2 == pytest.approx(across**2, rel=1e-9, abs=slack), where
            assert np.cos(angle) * k == pytest.approx(along, rel=1e-9, abs=np.sqrt(slack) + SQUARE * a), where
    for name, G in whole.items():
        if G.size == 1 and name != "all":
            for i, (K, _, reach_K, _) in enumerate(wanted[name]):
                if abs(K[0, 0]) > SUM * reach_K:
                    assert found.wrong[name][i] == (np.sign(K[0, 0]) == -np.sign(G[0, 0])), name
    assert set(found.wrong) == {name for name, G in whole.items() if G.size == 1 and name != "all"}


@given(problems(), st.integers(1, 8))
def test_every_tau_max_at_once_is_each_gradient_formed_and_compared(problem, tau_b):
    network, seq, _ = problem
    check_every(trace(network, seq), tau_b)


@given(problems(), st.integers(1, 8))
def test_rows_kept_and_lost_are_the_gradients_of_the_schedules(problem, tau_b):
    """What `check_every` measures by is itself the truncated gradient."""
    network, seq, _ = problem
    run = trace(network, seq)
    wanted = grown(run, tau_b)
    for tau in range(1, seq.T + 1):
        sent = gradients_of(backward(network, seq, run.forward, truncated(seq.T, tau, tau_b)), network)
        for name, G in sent.items():
            K, R, reach_K, reach_R = wanted[name][tau - 1]
            near(K, G, reach_K)
            near(K + R, gradients_of(run.backward, network)[name], reach_K + reach_R)


@cache
def long_run(cell, g, T, scored, seed=3, n_in=2, width=4):
    """A run of two layers over many steps: enough rows for several blocks."""
    rng = np.random.default_rng(seed)
    network = Network([Layer(rng.standard_normal((width, n_in)), g * orthogonal(rng, width, width), 0.1 * np.ones(width), cell),
                       Layer(rng.standard_normal((3, width)), g * orthogonal(rng, 3, 3), cell=cell)],
                      rng.standard_normal((1, 3)))
    every = {"last": np.arange(T) == T - 1, "every": np.ones(T, bool), "third": np.arange(T) % 3 == 1}[scored]
    return trace(network, Sequence(rng.standard_normal((T, n_in)), rng.standard_normal((T, 1)), every))


@pytest.mark.parametrize("scored", ["last", "every", "third"])
@pytest.mark.parametrize("tau_b", [1, 4, 40, 50])
@pytest.mark.parametrize(("cell", "g"), [("tanh", 0.9), ("linear", 0.5), ("linear", 2.0), ("linear", 1.0)])
def test_every_tau_max_is_right_over_many_blocks_of_rows_whether_gradients_vanish_or_explode(cell, g, tau_b, scored):
    check_every(long_run(cell, g, 40, scored), tau_b)


def test_ratios_are_right_from_below_1e_minus_12_to_1_where_gradients_explode():
    run = long_run("linear", 2.0, 40, "last")
    found = every_tau(pairs(run), 40).of["b1"]
    assert 0 < found.ratio[0] < 1e-12
    for tau in (1, 2, 3, 10, 39, 40):
        K = backward(run.network, run.sequence, run.forward, truncated(40, tau, 40)).db[0]
        np.testing.assert_allclose(found.ratio[tau - 1], np.linalg.norm(K) / np.linalg.norm(run.backward.db[0]), rtol=1e-9)


def test_errors_are_right_down_to_1e_minus_20_where_gradients_vanish():
    run = long_run("linear", 0.3, 40, "last")
    found = every_tau(pairs(run), 40).of["b1"]
    delta, G = run.backward.delta[0], run.backward.db[0]
    lost = [np.linalg.norm(delta[:40 - tau].sum(axis=0)) / np.linalg.norm(G) for tau in range(1, 41)]
    assert 0 < lost[38] < 1e-18
    np.testing.assert_allclose(found.error, lost, rtol=1e-9)


def test_a_truncated_gradient_may_be_a_trillion_times_the_full_one():
    """Two inputs whose shares cancel but for 1e-12: a scalar linear layer, d of the bias after one column and after two."""
    network = Network([Layer([[1.0]], [[-1.0 + 1e-12]], cell="linear")])
    run = trace(network, Sequence(np.zeros((2, 1)), np.ones((2, 1))))
    found = every_tau(pairs(run), 2)
    assert found.of["b1"].ratio[0] == pytest.approx(1e12, rel=1e-3)  # 1 - 1e-12 is only 12 digits of it
    assert found.of["b1"].error[0] == pytest.approx(1e12, rel=1e-3)
    assert found.of["b1"].angle[0] == 0
    assert found.of["b1"].error[1] == 0


def test_a_gradient_two_hundred_decades_below_the_others_is_compared_all_the_same():
    """The one input is at step 1, so that W_S1 gets only what 59 factors of 1e-4 leave."""
    x = np.zeros((60, 1))
    x[0] = 1.0
    run = trace(Network([Layer([[1.0]], [[1e-4]], cell="linear")], [[1.0]]), Sequence(x, np.ones((60, 1))))
    assert 0 < abs(run.backward.dW_S[0][0, 0]) < 1e-200
    found = every_tau(pairs(run), 60)
    np.testing.assert_array_equal(found.of["W_S1"].error, [1.0] * 59 + [0.0])
    np.testing.assert_array_equal(found.of["W_S1"].ratio, [0.0] * 59 + [1.0])
    assert np.isnan(found.of["W_S1"].angle[:59]).all()
    assert found.of["W_S1"].angle[59] == 0
    np.testing.assert_allclose(found.of["b1"].error[0], 1e-4, rtol=1e-3)


def test_a_gradient_beyond_the_float_range_leaves_the_others_their_comparison():
    run = trace(Network([Layer([[1.0]], [[100.0]], cell="linear")], [[1.0]]), Sequence(np.zeros((300, 1)), np.ones((300, 1))))
    assert np.isinf(run.backward.db[0]).all()
    found = every_tau(pairs(run), 300)
    assert np.isnan(found.of["b1"].error).all()
    np.testing.assert_array_equal(found.of["b_out"].error, np.zeros(300))
    assert np.isnan(compare([run.backward.db[0]], [run.backward.db[0]]).error)


def test_angles_near_0_and_180_are_right_to_a_hundred_thousandth_of_a_degree():
    run = long_run("linear", 0.3, 40, "last")
    for name, G in gradients_of(run.backward, run.network).items():
        assert every_tau(pairs(run), 40).of[name].angle[-1] < 1e-5, name
        assert compare([G], [G]).angle == 0
        assert compare([-G], [G]).angle == pytest.approx(180, abs=1e-5)
        assert compare([0.3 * G], [G]).angle < 1e-5
        assert compare([3.0 * G], [G]).angle < 1e-5


@pytest.mark.parametrize("degrees", [1e-8, 1e-3, 30.0, 90.0, 135.0, 179.999])
@pytest.mark.parametrize("ratio", [1e-9, 0.5, 1.0, 2.0, 1e9])
def test_compare_gives_angle_ratio_and_error_of_two_vectors_in_a_plane(degrees, ratio):
    theta = np.radians(degrees)
    K = ratio * np.array([[np.cos(theta), np.sin(theta)]])
    found = compare([K], [np.array([[1.0, 0.0]])])
    small = 1e-5 if abs(ratio - 1) > 1e-6 or degrees > 179 else 1e-12  # degrees: where a small angle is no difference of sides
    assert found.angle == pytest.approx(degrees, rel=1e-6, abs=small)
    assert found.ratio == pytest.approx(ratio, rel=1e-12)
    assert found.error == pytest.approx(np.hypot(ratio * np.cos(theta) - 1, ratio * np.sin(theta)), rel=1e-9)


def test_several_matrices_are_compared_as_one_vector():
    found = compare([np.array([[3.0]]), np.array([[0.0, 0.0]])], [np.array([[3.0]]), np.array([[0.0, 4.0]])])
    assert found.angle == pytest.approx(np.degrees(np.arctan2(4, 3)), rel=1e-12)
    assert found.ratio == pytest.approx(0.6, rel=1e-12)
    assert found.error == pytest.approx(0.8, rel=1e-12)


def test_a_gradient_of_0_has_no_angle_and_nothing_that_could_be_missing():
    network = Network([Layer([[0.5]], [[0.9]])], [[0.0]])
    found = every_tau(taken_apart(network, Sequence(np.ones((5, 1)), np.ones((5, 1)))), 5)
    for name in ("W_S1", "W_T1", "b1"):
        assert np.isnan(found.of[name].angle).all()
        assert not np.isfinite(found.of[name].error).any()
        assert found.smallest(name, 0.01) is None
        assert not found.wrong[name].any()
    np.testing.assert_array_equal(found.of["b_out"].error, np.zeros(5))
    np.testing.assert_array_equal(found.of["all"].error, np.zeros(5))


def test_a_truncated_gradient_that_is_0_while_the_full_one_is_not_has_no_angle_and_misses_all_of_it():
    """tau_b = 3 and tau_max = 1: the only loss, at step 1, is older than what its pass reaches."""
    network = Network([Layer([[0.5]], [[0.9]], [0.2])], [[1.0]])
    run = trace(network, Sequence(np.ones((3, 1)), np.ones((3, 1)), np.array([True, False, False])))
    found = every_tau(pairs(run), 3)
    for name in ("W_S1", "b1", "W_out", "b_out", "all"):
        np.testing.assert_allclose(found.of[name].ratio, [0, 0, 1], rtol=1e-15)
        np.testing.assert_allclose(found.of[name].error, [1, 1, 0], rtol=1e-15)
        assert np.isnan(found.of[name].angle).tolist() == [True, True, False]
        assert found.smallest(name, 0.5) == 3


@settings(max_examples=20)
@given(networks(), st.data(), st.integers(1, 14))
def test_small_blocks_and_blocks_made_larger_to_hold_fewer_matrices_give_the_same_comparison(network, data, tau_b):
    seq = data.draw(sequences(network.n_in, network.n_out, 12))
    run = trace(network, seq)
    table = pairs(run)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lags, "ROWS", 3)
        check_every(run, tau_b, every_tau(table, tau_b))
        patch.setattr(lags, "MOST_NUMBERS", 40)
        check_every(run, tau_b, every_tau(table, tau_b))


def test_a_block_grows_where_the_matrices_between_blocks_would_be_too_many_numbers(monkeypatch):
    run = long_run("tanh", 0.9, 40, "every")
    table, rows_of_sum = pairs(run), lags.Rows(np.ones((820, 3)), np.arange(40))
    for most, size in ((1000, 64), (50, 197)):  # 820 rows of 12 numbers each: 197 in a block leave 5 matrices
        monkeypatch.setattr(lags, "MOST_NUMBERS", most)
        rows_of_sum.running(np.ones((820, 4)), np.ones((3, 4)))
        assert list(rows_of_sum.cut)[-1] == size
    check_every(run, 1, every_tau(table, 1))


@given(st.lists(st.floats(0, 2) | st.just(np.nan), min_size=1, max_size=9), st.floats(0.01, 1))
def test_the_smallest_tau_max_is_the_first_from_which_on_the_error_stays_below(errors, limit):
    found = EveryTau(1, {"W_T1": lags.Against(None, None, np.array(errors))}, {}).smallest("W_T1", limit)
    enough = [tau for tau in range(1, len(errors) + 1) if all(error < limit for error in errors[tau - 1:])]
    assert found == (min(enough) if enough else None)


# Too many pairs.


@cache
def crowded():
    """A run with more pairs, times units, than are kept."""
    rng = np.random.default_rng(4)
    network = Network([Layer(rng.standard_normal((64, 1)), 0.9 * orthogonal(rng, 64, 64))], rng.standard_normal((1, 64)) / 8)
    return trace(network, Sequence(rng.standard_normal((180, 1)), rng.standard_normal((180, 1)), np.ones(180, bool)))


def test_too_many_pairs_are_not_computed_and_one_sentence_says_so():
    table = pairs(crowded())
    assert table.delta is None
    assert table.size == 0
    assert table.why == ("180 losses over 180 steps of 64 units are too many to take apart; shorten the sequence, or score "
                         "fewer steps.")


@pytest.mark.parametrize("again", [False, True])
def test_gradients_and_terms_by_step_are_still_there_where_the_pairs_are_too_many(again):
    run, schedule = crowded(), truncated(180, 20, 7, again)
    table = pairs(run)
    sent = backward(run.network, run.sequence, run.forward, schedule)
    expected = gradients_of(sent, run.network)
    for name, G in gradients(table, schedule).items():
        np.testing.assert_allclose(G, expected[name], rtol=0, atol=SUM * np.abs(expected[name]).max())
        made = by_step(table, name, schedule)
        assert made.size.shape == made.share.shape == (180,)
        np.testing.assert_allclose(made.total, expected[name], rtol=0, atol=SUM * np.abs(expected[name]).max())


def test_one_loss_is_never_too_many_and_a_loss_fewer_than_too_many_is_taken_apart(monkeypatch):
    run = long_run("tanh", 0.9, 40, "every")
    monkeypatch.setattr(lags, "MOST_NUMBERS", 40 * 40 * 7)
    assert pairs(run).delta is not None
    assert pairs(run).size == 2 * 40 * 40 * 7
    monkeypatch.setattr(lags, "MOST_NUMBERS", 40 * 40 * 7 - 1)
    assert pairs(run).delta is None
    monkeypatch.setattr(lags, "MOST_NUMBERS", 1)
    assert pairs(long_run("tanh", 0.9, 40, "last")).delta is not None


@given(networks(), st.data(), seeds)
def test_what_each_loss_sends_back_alone_adds_up_to_what_all_send_back(network, data, seed):
    seq = data.draw(sequences(network.n_in, network.n_out))
    table = taken_apart(network, seq)
    for l, delta in enumerate(table.delta):
        assert delta.shape == (len(table.losses), seq.T, network.layers[l].n)
        near(delta.sum(axis=0), table.run.backward.delta[l], np.abs(delta).sum())
        for row, s in zip(delta, table.losses, strict=True):
            alone = backward(network, replace(seq, scored=np.arange(seq.T) == s),
                             forward(network, replace(seq, scored=np.arange(seq.T) == s)))
            near(row, alone.delta[l], np.abs(row).sum())
            assert not row[s + 1:].any()
    upto = table.upto
    assert not upto[0].any()
    near(upto[-1], np.concatenate(table.run.backward.delta, axis=-1), np.abs(np.concatenate(table.delta, axis=-1)).sum())
