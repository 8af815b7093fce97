"""What the Truncation view shows, against passes run one by one and pairs counted one by one, for its scenes and at random."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import small_experiments
from test_lags import counted, gradients_of

from rnnviz import lags
from rnnviz.accounts import account, pairs_of, parameter, uncut
from rnnviz.bptt import backward, forward
from rnnviz.examples import SCENES
from rnnviz.experiment import Experiment, make_network, run
from rnnviz.windows import Windows, full, truncated

pytestmark = pytest.mark.filterwarnings("error")

NAMES = tuple(SCENES["truncation"])


@cache
def pairs_of_scene(name):
    return pairs_of(SCENES["truncation"][name])


def length(values, axis=None):
    """Euclidean norms, in long doubles: there the squares of a float64 stay in range."""
    return np.sqrt((values.astype(np.longdouble)**2).sum(axis=axis)).astype(float)


def apart(K, G):
    """(angle in degrees, ratio, error) of two sets of matrices as two vectors, the angle from K's part across G."""
    K, G = (np.concatenate([matrix.ravel() for matrix in side.values()]).astype(np.longdouble) for side in (K, G))
    g = np.sqrt(G @ G)
    along = K @ G / g
    return np.degrees(float(np.arctan2(length(K - along * G / g), along))), length(K / g), length((K - G) / g)


def agrees(found, K, G, reach):
    """Whether an Against is that of two sets of matrices; reach: how much larger the terms are than their sum."""
    angle, ratio, error = apart(K, G)
    np.testing.assert_allclose(found.ratio, ratio, rtol=1e-9, atol=1e-12 * reach)
    np.testing.assert_allclose(found.error, error, rtol=1e-9, atol=1e-12 * reach)
    if ratio > 1e-9 * reach:
        np.testing.assert_allclose(found.angle, angle, rtol=0, atol=1e-5 + 1e-10 * reach / ratio)


def passes(experiment):
    """(first, since, last) of every pass of an experiment's schedule that carries a loss, steps from 0, by the letter."""
    e, found, previous = experiment, [], -1
    if not e.cut:
        return [(0, 0, e.T - 1)]
    for n in range(e.T):
        if (n + 1) % e.tau_b == 0 or n == e.T - 1:
            first = max(0, n - e.tau_max + 1)
            found.append((first, first if e.again else max(first, previous + 1), n))
            previous = n
    return [made for made in found if e.scored[made[1]:made[2] + 1].any()] or found


def schedule(experiment):
    return Windows(experiment.T, *zip(*passes(experiment), strict=True), again=experiment.again and experiment.cut)


def under(experiment, source, windows):
    """{name: matrix}: the gradients of one backward run."""
    made = source.run
    return gradients_of(backward(made.network, made.sequence, made.forward, windows), made.network)


def check(experiment, source):
    e, made = experiment, account(experiment, source)
    windows, name = schedule(e), made.name
    G, K = under(e, source, full(e.T)), under(e, source, windows)
    g = length(G[name])
    assert made.names == tuple(G)
    assert made.T == e.T
    assert made.tau_max == (e.tau_max if e.cut else None)
    assert made.tau_b == (e.tau_b if e.cut else None)

    counts = counted(source.losses, windows)
    np.testing.assert_array_equal(made.counts, counts)
    assert made.kept_pairs == (counts > 0).sum()
    assert made.all_pairs == sum(k <= s for s in source.losses for k in range(e.T))
    assert made.unseen == sum(not any(since <= s <= last for _, since, last in passes(e)) for s in source.losses)
    np.testing.assert_array_equal(made.reached, [any(first <= k <= last for first, _, last in passes(e)) for k in range(e.T)])

    for name_of, matrix in gradients_of(made.run.backward, source.run.network).items():
        np.testing.assert_array_equal(matrix, K[name_of])
    sent = source.run.forward.slope_out
    sent = sent if source.run.network.W_out is None else sent @ source.run.network.W_out
    assert made.reference == pytest.approx(length(sent, 1).max(), rel=1e-12)
    check_pictures(e, source, made, windows)
    if g < 1e-290:  # nothing to measure by: 0, or so near the end of the float range that digits are lost
        return
    reach = made.whole.size.sum()
    assert made.gap < 1e-12 * reach
    np.testing.assert_allclose(made.whole.total, G[name], rtol=0, atol=1e-12 * g * reach)
    np.testing.assert_allclose(made.kept.total, K[name], rtol=0, atol=1e-12 * g * reach * max(1, counts.max(initial=1)))
    assert made.whole.share.sum() == pytest.approx(1, abs=1e-12 * reach)
    wide = 1e3 * reach * max(1, counts.max(initial=1))  # how far terms of other parameters may cancel is not measured here
    agrees(made.now, {name: K[name]}, {name: G[name]}, wide)
    agrees(made.together, K, G, wide)
    if not e.again and e.cut and e.tau_max <= e.T:
        for one, all_of_them in ((made.now, made.every.of[name]), (made.together, made.every.of["all"])):
            at = e.tau_max - 1
            np.testing.assert_allclose(all_of_them.error[at], one.error, rtol=1e-6, atol=1e-6 * reach)
            np.testing.assert_allclose(all_of_them.ratio[at], one.ratio, rtol=1e-6, atol=1e-6 * reach)
    check_misreading(e, source, made, K, wide)
    check_sliding(e, source, made, G, windows, wide)


def check_pictures(e, source, made, windows):
    """The triangle and the inputs' row, from backward runs of their own."""
    network, seq = source.run.network, source.run.sequence
    dx = backward(network, seq, source.run.forward, windows).dx
    if made.reference == 0:
        return
    scale = np.abs(source.run.backward.dx).max(initial=0) + np.abs(dx).max(initial=0)
    np.testing.assert_allclose(made.reference * 10.0**made.influence, length(dx, 1), rtol=1e-9,
                               atol=1e-11 * scale + 1e-300)
    for row, s in zip(made.triangle, source.losses, strict=True):
        alone = replace(seq, scored=np.arange(e.T) == s)
        delta = backward(network, alone, forward(network, alone)).delta[made.layer]
        np.testing.assert_allclose(made.reference * 10.0**row, length(delta, 1), rtol=1e-9, atol=1e-300)


def check_misreading(e, source, made, K, wide):
    assert (made.misread is not None) == (e.cut and e.again)
    if made.misread is not None:
        right = under(e, source, schedule(replace(e, again=False)))
        if any(matrix.any() for matrix in right.values()):
            agrees(made.misread, K, right, wide)


def check_sliding(e, source, made, G, windows, wide):
    right = schedule(replace(e, again=False))
    visited = {c: sum(min(c, n + 1) for n in range(e.T)) for c in range(1, e.T + 1)}
    goal = sum(last - first + 1 for first, last in zip(right.first, right.last, strict=True))
    same = min(abs(v - goal) for v in visited.values()) <= 0.15 * goal
    wanted = e.cut and e.tau_b > 1 and len(source.losses) > 1 and same
    assert (made.sliding is not None) == wanted
    if wanted:
        columns, found = made.sliding
        assert abs(visited[columns] - goal) == min(abs(v - goal) for v in visited.values())
        agrees(found, under(e, source, truncated(e.T, columns, 1)), G, wide)


# The scenes.


@pytest.mark.parametrize("per", ["step", "lag"])
@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_a_scene_shows_what_passes_run_one_by_one_give(name, again, per):
    check(replace(SCENES["truncation"][name], again=again, per=per), pairs_of_scene(name))


@pytest.mark.parametrize("name", NAMES)
def test_a_scene_shows_any_of_its_gradients(name):
    experiment, source = SCENES["truncation"][name], pairs_of_scene(name)
    for weight in lags.parameters(source.run.network):
        made = account(replace(experiment, weight=weight), source)
        assert made.name == weight
        assert made.layer == (len(source.run.network.layers) if "out" in weight else int(weight.lstrip("W_STb"))) - 1
        check(replace(experiment, weight=weight), source)


def test_cut_too_early_counts_8_of_30_pairs_and_sees_its_loss():
    made = account(SCENES["truncation"]["Cut too early"], pairs_of_scene("Cut too early"))
    assert (made.kept_pairs, made.all_pairs, made.unseen) == (8, 30, 0)
    assert made.misread is None
    assert made.sliding is None


def test_wrong_sign_is_wrong_for_the_first_40_columns_and_at_once():
    made = account(SCENES["truncation"]["Wrong sign"], pairs_of_scene("Wrong sign"))
    assert made.name == "W_S1"
    assert made.every.wrong["W_S1"].tolist() == [True] * 40 + [False] * 110
    assert made.now.angle == 180


def test_chunks_cost_a_column_a_step_and_let_no_loss_enter_again_unless_they_overlap():
    experiment, source = SCENES["truncation"]["Chunks or sliding"], pairs_of_scene("Chunks or sliding")
    made = account(experiment, source)
    assert made.sliding[0] == 1  # 3 * 20 = 60 columns
    assert made.counts.max() == 1
    assert account(replace(experiment, again=True), source).misread.error == 0
    again = account(replace(experiment, tau_b=10, again=True), source)
    assert again.counts.max() == 2  # every loss but those of the last chunk enters the next pass too
    assert again.misread.error > 0.1
    assert again.unseen == made.unseen == 0


def test_the_sliding_window_beside_growing_chunks_visits_as_many_columns_to_the_nearest():
    experiment = Experiment(T=100, width=1, depth=1, score="every step", cut=True, tau_max=100, tau_b=2)
    columns, _ = account(experiment, pairs_of(experiment)).sliding
    assert columns == 30  # 2 + 4 + .. + 100 = 2550; 30 columns visit 2565, 29 visit 2494


# At random.


@given(small_experiments())
def test_any_experiment_shows_what_passes_run_one_by_one_give(experiment):
    source = pairs_of(experiment)
    if source is None:
        assert run(experiment).backward is None
        return
    if all(np.isfinite(matrix).all() for matrix in under(experiment, source, full(experiment.T)).values()):
        check(experiment, source)
    else:
        account(experiment, source)


@given(small_experiments())
def test_pairs_do_not_depend_on_the_schedule(experiment):
    one, other = pairs_of(experiment), pairs_of(uncut(experiment))
    if one is not None:
        for a, b in zip(one.delta, other.delta, strict=True):
            np.testing.assert_array_equal(a, b)


@given(small_experiments(), st.integers(1, 14), st.none() | st.integers(1, 14))
def test_pairs_and_comparisons_kept_from_another_schedule_give_the_same_picture_as_new_ones(experiment, tau_max, tau_b):
    source = pairs_of(experiment)
    if source is None:
        return
    before = account(experiment, source)
    after = replace(experiment, cut=True, tau_max=tau_max, tau_b=tau_b or experiment.tau_b)
    kept, new = account(after, source, before.every), account(after, pairs_of(after))
    assert (kept.every is before.every) == (after.tau_b == experiment.tau_b)
    for name in ("whole", "kept", "now", "together", "misread"):
        same(getattr(kept, name), getattr(new, name))
    for name in ("counts", "triangle", "influence", "gap", "reference"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(new, name))
    assert list(kept.every.of) == list(new.every.of)
    for name, found in kept.every.of.items():
        same(found, new.every.of[name])
    assert (kept.sliding is None) == (new.sliding is None)
    if kept.sliding is not None:
        assert kept.sliding[0] == new.sliding[0]
        same(kept.sliding[1], new.sliding[1])


def same(one, other):
    """Whether two dataclasses of arrays, or None, hold the same bits."""
    assert (one is None) == (other is None)
    for name in vars(one) if one is not None else ():
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_the_gradient_taken_apart_is_the_chosen_one_where_it_is_there_else_the_first_W_T():
    experiment = Experiment(layers="3 static, 2", T=4)
    network = make_network(experiment)
    assert parameter(experiment, network) == "W_T2"
    assert parameter(replace(experiment, weight="W_out"), network) == "W_out"
    assert parameter(replace(experiment, weight="W_T1"), network) == "W_T2"
    assert parameter(replace(experiment, layers="3 static"), make_network(replace(experiment, layers="3 static"))) == "W_S1"


# Where the pairs are too many.


@pytest.mark.parametrize("again", [False, True])
def test_where_the_pairs_are_too_many_gradients_are_still_compared_and_the_rest_is_left_out(again, monkeypatch):
    experiment = Experiment(depth=2, width=5, T=20, score="every step", cut=True, tau_max=6, tau_b=4, per="lag", again=again)
    wanted = account(replace(experiment, per="step"), pairs_of(experiment))
    monkeypatch.setattr(lags, "MOST_NUMBERS", 20 * 20 * 10 - 1)
    source = pairs_of(experiment)
    made = account(experiment, source)
    assert source.why.startswith("20 losses over 20 steps of 10 units are too many to take apart;")
    assert made.per == "step"
    assert made.triangle is None
    assert made.every is None
    assert made.sliding is None
    np.testing.assert_array_equal(made.counts, wanted.counts)
    for name in ("ratio", "error"):
        np.testing.assert_allclose(getattr(made.now, name), getattr(wanted.now, name), rtol=1e-9)
        np.testing.assert_allclose(getattr(made.together, name), getattr(wanted.together, name), rtol=1e-9)
    np.testing.assert_allclose(made.kept.share, wanted.kept.share, rtol=0, atol=1e-12)
    np.testing.assert_allclose(made.influence, wanted.influence, rtol=0, atol=1e-9)
    assert (made.misread is not None) == again
    if again:
        np.testing.assert_allclose(made.misread.error, wanted.misread.error, rtol=1e-9)


def test_a_state_that_overflows_leaves_nothing_to_take_apart():
    assert pairs_of(Experiment(cell="relu", g=3.0, init="identity", T=1000, width=2, depth=1)) is None
