"""The scenes of the truncation view show what their names say: by closed forms, and pair by pair of (loss, step)."""

from dataclasses import replace
from fractions import Fraction
from math import comb

import numpy as np
import plain
import pytest

from rnnviz import (
    Layer,
    Network,
    Sequence,
    backward,
    forward,
    from_link,
    one_pass_per_loss,
    run,
    to_link,
    trace,
    truncated,
)
from rnnviz.accounts import account
from rnnviz.claims import claim
from rnnviz.examples import SCENES
from rnnviz.network import matrices

SCENES = SCENES["truncation"]
RUNS = {name: run(experiment) for name, experiment in SCENES.items()}


def gradient(made, windows=None):
    """{name: dC/dW} of every matrix of a run, under another schedule than its own (full unless given)."""
    back = trace(made.network, made.sequence, windows).backward
    found = {"W_out": back.dW_out, "b_out": back.db_out}
    for l, (dW_S, dW_T, db) in enumerate(zip(back.dW_S, back.dW_T, back.db, strict=True), start=1):
        found |= {f"W_S{l}": dW_S, f"b{l}": db} | ({} if dW_T is None else {f"W_T{l}": dW_T})
    return found


def apart(kept, whole, *names):
    """(relative error, angle in degrees) of one gradient against another, over these matrices, or all of them."""
    a, b = (np.concatenate([found[name].ravel() for name in names or whole]) for found in (kept, whole))
    cosine = a @ b / (np.linalg.norm(a) * np.linalg.norm(b))
    return np.linalg.norm(a - b) / np.linalg.norm(b), np.degrees(np.arccos(cosine))


def columns(windows):
    """How many columns all passes visit."""
    return int((windows.last - windows.first + 1).sum())


def kept_pairs(windows):
    """(T, T) bool: whether the loss of step s reaches the weights used at step k, k at most s."""
    return (windows.carries().astype(int).T @ windows.reaches()).astype(bool) & np.tri(windows.T, dtype=bool)


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_travels_in_its_link(name):
    assert from_link(to_link(SCENES[name])) == (SCENES[name], ())


# Influence balancing: a linear system whose short lags pull theta the wrong way.


def pull(lags):
    """d x^1_T / d theta with so many lags kept, exactly: lag j reaches the unit i above with binomial(j, i) / 2^j."""
    return sum(Fraction(comb(j, i), 2**j) * (1 if i < 10 else -1) for j in range(lags) for i in range(min(j, 22) + 1))


def theta_gradient(windows=None):
    return float(gradient(RUNS["Wrong sign"], windows)["W_S1"][0, 0])


def theta_loss(theta):
    network = RUNS["Wrong sign"].network
    nudged = Network([Layer([[theta]], cell="linear"), *network.layers[1:]], network.W_out, network.b_out)
    return forward(nudged, RUNS["Wrong sign"].sequence).C


def test_balancing_is_the_published_system():
    found, sequence = matrices(RUNS["Wrong sign"].network), RUNS["Wrong sign"].sequence
    A = np.zeros((23, 23))
    for i in range(23):
        A[i, i] = 0.5
        if i < 22:
            A[i, i + 1] = 0.5
    np.testing.assert_array_equal(found["W_T2"], A)
    np.testing.assert_array_equal(found["W_S2"][:, 0], [1] * 10 + [-1] * 13)
    np.testing.assert_array_equal(found["W_S1"], [[0.5]])
    np.testing.assert_array_equal(found["W_out"][0], [1] + [0] * 22)
    assert "W_T1" not in found
    assert not any(found[name].any() for name in ("b1", "b2", "h1", "h2", "b_out"))
    assert (sequence.x == 1).all()
    assert (sequence.target == 1).all()
    assert sequence.loss == "half squared"
    assert np.flatnonzero(sequence.scored).tolist() == [149]


def test_the_full_gradient_of_theta_is_the_derivative_by_complex_step_and_the_error_times_minus_6():
    error = RUNS["Wrong sign"].forward.y[-1, 0] - 1
    assert error == pytest.approx(-4, rel=1e-12)  # x^1 settles at -6 theta
    assert float(pull(150)) == pytest.approx(-6, rel=1e-12)
    assert theta_gradient() == pytest.approx(24, rel=1e-12)
    assert theta_loss(0.5 + 1e-30j).imag / 1e-30 == pytest.approx(24, rel=1e-12)


def test_one_pass_at_the_end_gives_the_error_times_the_lags_it_keeps():
    found = [theta_gradient(truncated(150, tau_max, 150)) for tau_max in range(1, 151)]
    np.testing.assert_allclose(found, [-4 * float(pull(tau_max)) for tau_max in range(1, 151)], rtol=1e-9)


def test_the_sign_is_wrong_for_exactly_the_windows_of_1_to_40_columns():
    wrong = [tau_max for tau_max in range(1, 151) if theta_gradient(truncated(150, tau_max, 150)) < 0]
    assert wrong == list(range(1, 41))
    assert wrong == [tau_max for tau_max in range(1, 151) if pull(tau_max) > 0]


def test_the_claim_of_the_wrong_sign_names_these_windows():
    said = claim("truncation", "Wrong sign", account(replace(SCENES["Wrong sign"], view="truncation")))
    assert plain.numbers(said)[-2:] == ["1", "40"]


def test_a_step_against_the_truncated_gradient_raises_the_loss_and_one_against_the_full_lowers_it():
    shown = float(RUNS["Wrong sign"].backward.dW_S[0][0, 0])
    assert SCENES["Wrong sign"].tau_max == 20
    assert shown == pytest.approx(-65.904, abs=1e-3)
    assert theta_loss(0.5 - 1e-4 * shown) > theta_loss(0.5) > theta_loss(0.5 - 1e-4 * theta_gradient())


# Long lags gone: the truncated gradient is nearly the full one, and the cue of step 1 is lost to every answer after step 8.


def shares(made, l):
    """(T, T, n, n): what the loss of step s adds to dC/dW_T of layer l through its use at step k."""
    passes = one_pass_per_loss(made.sequence.scored)
    back = backward(made.network, made.sequence, made.forward, passes, per_pass=True)
    return np.einsum("ski,kj->skij", back.delta[l], made.forward.state[l][:-1])


def test_in_long_lags_gone_the_truncated_gradient_is_the_full_one_within_3_percent_and_2_degrees():
    made = RUNS["Long lags gone"]
    cut, whole = gradient(made, made.windows), gradient(made)
    error, angle = apart(cut, whole)
    assert error < 0.012
    assert angle < 1
    for name in ("W_T1", "W_T2", "W_T3"):
        error, angle = apart(cut, whole, name)
        assert error < 0.03
        assert angle < 2
        assert np.linalg.norm(cut[name]) / np.linalg.norm(whole[name]) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("l", range(3))
def test_in_long_lags_gone_the_pairs_add_up_to_both_gradients(l):
    made = RUNS["Long lags gone"]
    every, kept = shares(made, l), kept_pairs(made.windows)
    np.testing.assert_allclose(every.sum(axis=(0, 1)), gradient(made)[f"W_T{l + 1}"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(every[kept].sum(axis=0), made.backward.dW_T[l], rtol=0, atol=1e-12)


def test_in_long_lags_gone_more_than_half_of_all_pairs_are_dropped_and_they_are_those_of_lag_8_and_more():
    T = 30
    kept = kept_pairs(RUNS["Long lags gone"].windows)
    lag = np.subtract.outer(np.arange(T), np.arange(T))
    np.testing.assert_array_equal(kept, (lag >= 0) & (lag < 8))
    assert ((lag >= 8).sum(), (lag >= 0).sum()) == (253, 465)


@pytest.mark.parametrize("l", range(3))
def test_in_long_lags_gone_a_dropped_pair_has_at_most_a_seventieth_of_the_gradient_and_half_of_them_a_5000th(l):
    made = RUNS["Long lags gone"]
    size = np.linalg.norm(shares(made, l), axis=(2, 3)) / np.linalg.norm(gradient(made)[f"W_T{l + 1}"])
    dropped = size[np.tril(np.ones((30, 30), bool), -8) & (np.arange(30) > 0)]  # step 1 gives W_T exactly 0, as h_0 is 0
    assert dropped.max() < 1 / 70
    assert np.median(dropped) < 1 / 5000


def test_in_long_lags_gone_no_answer_after_step_8_is_tied_to_the_cue_which_the_full_gradient_holds_8_decades_down():
    made = RUNS["Long lags gone"]
    x = made.sequence.x
    assert sorted(x[0]) == [0, 1]
    assert (made.sequence.target == x[0]).all()
    assert not kept_pairs(made.windows)[8:, 0].any()
    passes = one_pass_per_loss(made.sequence.scored)
    back = backward(made.network, made.sequence, made.forward, passes, per_pass=True)
    through_cue = np.linalg.norm(back.delta[0][:, 0], axis=-1) * np.linalg.norm(x[0])  # what loss s adds to dC/dW_S1 at step 1
    ratio = through_cue / np.linalg.norm(gradient(made)["W_S1"])
    assert ratio[:8].max() > 0.1
    assert 0 < ratio[29] < 1e-8


# Label leak: taught on sequences whose last input is the answer, a network reads nothing else.


def last_share(made):
    sizes = np.linalg.norm(trace(made.network, made.sequence).backward.dx, axis=-1)
    return sizes[-1] / sizes.sum()


def fresh(count, leak, label=None):
    """Bits and T-ths of ones, drawn anew; with the leak the last input is the label, or a false one."""
    x = np.random.default_rng(8).integers(0, 2, (count, 30, 1)).astype(float)
    target = np.cumsum(x, axis=1) / 30
    if leak:
        target[:, -1] = target[:, -2]
        x[:, -1] = target[:, -1] if label is None else label
    return Sequence(x, target)


def last_shares(name, batch):
    network = RUNS[name].network
    sizes = np.abs(backward(network, batch, forward(network, batch)).dx[..., 0])
    return sizes[:, -1] / sizes.sum(axis=1)


def test_the_leak_is_the_only_difference_between_the_two_pages():
    leak, none = RUNS["Label leak"].sequence, RUNS["No leak"].sequence
    np.testing.assert_array_equal(leak.x[:-1], none.x[:-1])
    np.testing.assert_array_equal(leak.target[:-1], none.target[:-1])
    assert set(none.x.ravel()) == {0, 1}
    np.testing.assert_allclose(none.target, np.cumsum(none.x, axis=0) / 30, rtol=1e-15)
    assert leak.x[-1] == leak.target[-1] == leak.target[-2]
    assert replace(SCENES["Label leak"], weights=SCENES["No leak"].weights, table=SCENES["No leak"].table) == SCENES["No leak"]


def test_with_the_leak_the_last_input_decides_nearly_everything_and_without_it_no_more_than_its_share():
    assert last_share(RUNS["Label leak"]) > 0.98
    assert last_share(RUNS["No leak"]) < 1 / 30
    sizes = np.abs(RUNS["No leak"].backward.dx[:, 0])
    assert (sizes / sizes.sum()).max() < 0.1


def test_the_leak_shows_on_sequences_that_nobody_trained_on():
    low, middle = np.quantile(last_shares("Label leak", fresh(1000, leak=True)), (0.05, 0.5))
    assert middle > 0.98
    assert low > 0.95
    assert np.quantile(last_shares("No leak", fresh(1000, leak=False)), 0.95) < 0.06


@pytest.mark.parametrize(("name", "leak", "off"), [("Label leak", True, 0.1), ("No leak", False, 0.25)])
def test_both_networks_answer_right_to_a_quarter_of_a_one(name, leak, off):
    batch = fresh(1000, leak)
    error = 30 * (forward(RUNS[name].network, batch).y[:, -1] - batch.target[:, -1])
    assert np.sqrt(np.mean(error**2)) < off


def test_given_a_false_label_the_network_with_the_leak_answers_the_label_whatever_the_bits():
    for label in (0.3, 0.7):
        y = 30 * forward(RUNS["Label leak"].network, fresh(1000, leak=True, label=label)).y[:, -1]
        assert np.abs(y - 30 * label).max() < 1


# Chunks: as many columns as a sliding window of the loss's own column alone.


SLIDING = truncated(60, 1, 1)


def test_chunks_cost_as_many_columns_as_the_sliding_window():
    assert columns(RUNS["Chunks or sliding"].windows) == columns(SLIDING) == 60


def test_chunks_keep_every_pair_that_the_sliding_window_keeps_and_lags_up_to_19():
    chunks, sliding = kept_pairs(RUNS["Chunks or sliding"].windows), kept_pairs(SLIDING)
    lag = np.subtract.outer(np.arange(60), np.arange(60))
    assert (chunks | ~sliding).all()
    assert (lag[chunks].max(), lag[sliding].max()) == (19, 0)


def test_chunks_are_seven_times_nearer_to_the_full_gradient_than_the_sliding_window():
    made = RUNS["Chunks or sliding"]
    whole = gradient(made)
    (error, angle), (other, wider) = (apart(gradient(made, w), whole) for w in (made.windows, SLIDING))
    assert error < 0.135
    assert other > 7 * error
    assert angle < 8
    assert wider > 60


def test_the_claim_of_the_chunks_prints_their_error_and_that_of_the_sliding_window():
    made = RUNS["Chunks or sliding"]
    said = claim("truncation", "Chunks or sliding", account(replace(SCENES["Chunks or sliding"], view="truncation")))
    kept, *errors = plain.numbers(said)[-3:]
    assert kept == "20"
    for printed, windows in zip(errors, (made.windows, SLIDING), strict=True):
        assert float(printed) == pytest.approx(100 * apart(gradient(made, windows), gradient(made))[0], abs=0.5)


@pytest.mark.parametrize("seed", [1066, 91, 1, 2, 3])
def test_chunks_are_much_nearer_with_other_weights_too(seed):
    made = run(replace(SCENES["Chunks or sliding"], seed=seed))
    whole = gradient(made)
    assert apart(gradient(made, SLIDING), whole)[0] > 1.7 * apart(gradient(made, made.windows), whole)[0]


def test_where_lags_cancel_chunks_may_be_further_off_at_equal_cost_although_they_keep_more():
    made = run(replace(SCENES["Wrong sign"], score="every step", cut=False))
    sliding, chunks = truncated(150, 2, 1), truncated(150, 20, 10)
    assert columns(chunks) <= columns(sliding)
    assert (kept_pairs(chunks) | ~kept_pairs(sliding)).all()
    whole, *cut = (float(gradient(made, windows)["W_S1"][0, 0]) for windows in (None, sliding, chunks))
    assert whole > 0 > cut[0] > cut[1]
    assert abs(cut[1] - whole) > 1.5 * abs(cut[0] - whole)
