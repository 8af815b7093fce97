"""Tasks tell the truth about their targets; losses are right however large the outputs."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from strategies import printable

from rnnviz.tasks import CLASSES, LOSSES, SCALINGS, TASKS, Sequence, monthly_sunspots, sequence, table_sequence

pytestmark = pytest.mark.filterwarnings("error")

lengths, seeds = st.integers(1, 60), st.integers(0, 9999)


@pytest.mark.parametrize("task", TASKS)
@given(T=lengths, seed=seeds)
def test_a_task_gives_every_step_an_input_and_a_target_its_losses_can_score(task, T, seed):
    for loss in TASKS[task].losses:
        made = sequence(task, T, loss=loss, seed=seed)
        assert made.x.shape[0] == made.target.shape[0] == made.T == T
        assert made.loss == loss
    usual, again = sequence(task, T, seed=seed), sequence(task, T, seed=seed)
    assert usual.loss == TASKS[task].losses[0]
    np.testing.assert_array_equal(usual.x, again.x)
    np.testing.assert_array_equal(usual.target, again.target)
    np.testing.assert_array_equal(usual.scored, np.arange(T) == T - 1)


@given(lengths, seeds)
def test_counting_ones_counts_the_ones(T, seed):
    made = sequence("counting ones", T, seed=seed)
    bits = made.x[:, 0].tolist()
    assert set(bits) <= {0.0, 1.0}
    assert made.target[:, 0].tolist() == [bits[:t + 1].count(1.0) for t in range(T)]


def test_counting_ones_draws_both_bits_about_equally():
    assert abs(sequence("counting ones", 2500).x.mean() - 0.5) < 4 * 0.5 / np.sqrt(2500)


@given(lengths, seeds)
def test_delayed_recall_asks_for_the_cue_of_step_1(T, seed):
    made = sequence("delayed recall", T, seed=seed)
    assert sorted(made.x[0].tolist()) == [0.0, 1.0]
    assert (made.target == made.x[0]).all()
    assert np.abs(made.x[1:]).max(initial=0) < 0.7  # noise of deviation 0.1: seven deviations


@given(st.integers(2, 60), seeds)
def test_the_adding_problem_adds_the_two_marked_numbers_one_in_each_half(T, seed):
    made = sequence("adding problem", T, seed=seed)
    values, marks = made.x.T
    marked = np.flatnonzero(marks)
    assert len(marked) == 2
    assert marked[0] < T // 2 <= marked[1]
    assert made.target[-1, 0] == values[marked[0]] + values[marked[1]]
    assert set(marks.tolist()) <= {0.0, 1.0}
    assert ((values >= 0) & (values < 1)).all()
    running = [sum(values[i] for i in marked if i <= t) for t in range(T)]
    assert made.target[:, 0].tolist() == running


@given(st.integers(3, 60), seeds)
def test_the_sine_has_period_12_and_the_target_is_its_next_value(T, seed):
    made = sequence("sine", T, seed=seed)
    x, target = made.x[:, 0], made.target[:, 0]
    np.testing.assert_array_equal(x[1:], target[:-1])
    wave = np.append(x, target[-1])
    # s(t+1) + s(t-1) = 2 cos(2 pi / 12) s(t) holds for a sine of period 12 and amplitude 1, rounded at angles up to 40
    np.testing.assert_allclose(wave[2:] + wave[:-2], np.sqrt(3) * wave[1:-1], atol=1e-13)
    assert (x[0] ** 2 + ((target[0] - np.sqrt(3) / 2 * x[0]) / 0.5) ** 2) == pytest.approx(1, abs=1e-13)


@given(lengths)
def test_impulse_and_constant_are_what_they_say(T):
    assert sequence("impulse", T).x[:, 0].tolist() == [1.0] + [0.0] * (T - 1)
    assert sequence("constant", T).x[:, 0].tolist() == [1.0] * T
    assert not sequence("impulse", T).target.any()
    assert not sequence("constant", T).target.any()


@given(lengths, st.text(printable, min_size=1, max_size=30))
def test_text_reads_character_by_character_and_asks_for_the_next(T, text):
    made = sequence("text", T, text=text)
    alphabet = sorted(set(text))
    forever = text * (T // len(text) + 2)
    assert "".join(alphabet[i] for i in made.x.argmax(axis=1)) == forever[:T]
    assert "".join(alphabet[i] for i in made.target.argmax(axis=1)) == forever[1:T + 1]
    for one_hot in (made.x, made.target):
        assert (one_hot.sum(axis=1) == 1).all()
        assert set(one_hot.ravel().tolist()) <= {0.0, 1.0}


def test_the_sunspots_are_3120_months_from_1749_to_2008():
    series = monthly_sunspots()
    assert series.shape == (3120,)
    assert (series[0], series[-1]) == (58.0, 0.8)
    assert (series >= 0).all()


@given(st.integers(1, 3119), seeds)
def test_sunspots_are_a_piece_of_the_record_and_the_target_is_the_next_month(T, seed):
    made, series = sequence("sunspots", T, seed=seed), monthly_sunspots() / 100
    np.testing.assert_array_equal(made.x[1:], made.target[:-1])
    piece = np.append(made.x[:, 0], made.target[-1, 0])
    starts = np.flatnonzero(series[:len(series) - T] == piece[0])
    assert any((series[s:s + T + 1] == piece).all() for s in starts)


def test_sunspots_longer_than_the_record_begin_again():
    made = sequence("sunspots", 4000)
    assert made.x[3120, 0] == 0.58


# Losses.


def exact_loss(loss, o, target):
    """The loss of one step with 400 digits, enough to tell exp(-800) from 0 beside 1."""
    with mpmath.workdps(400):
        o, target = [mpmath.mpf(v) for v in o], [mpmath.mpf(v) for v in target]
        if loss == "sigmoid":
            y = [1 / (1 + mpmath.exp(-v)) for v in o]
            return -sum(t * mpmath.log(a) + (1 - t) * mpmath.log(1 - a) for a, t in zip(y, target, strict=True)), y
        if loss == "softmax":
            total = sum(mpmath.exp(v) for v in o)
            y = [mpmath.exp(v) / total for v in o]
            return -sum(t * mpmath.log(a) for a, t in zip(y, target, strict=True)), y
        square = sum((a - t) ** 2 for a, t in zip(o, target, strict=True))
        return square * (mpmath.mpf(1) / 2 if loss == "half squared" else 1), o


@pytest.mark.parametrize("loss", ["half squared", "squared", "sigmoid", "softmax"])
@given(data=st.data())
def test_a_loss_is_right_and_finite_for_outputs_up_to_400(loss, data):
    n = data.draw(st.integers(1, 3))
    o = data.draw(st.lists(st.floats(-400, 400), min_size=n, max_size=n))
    raw = data.draw(st.lists(st.sampled_from((0.0, 0.25, 1.0)), min_size=n, max_size=n))
    target = np.array(raw) if loss != "softmax" else np.eye(n)[data.draw(st.integers(0, n - 1))]
    y, value, slope = LOSSES[loss](np.array(o), target)
    expected, expected_y = exact_loss(loss, o, target)
    # rounding of numbers up to 400 when they are subtracted: 400 * 2.2e-16 a term, 160 000 * 1.1e-16 for squares
    assert abs(float(value) - float(expected)) <= 1e-12 + 1e-14 * float(expected)
    np.testing.assert_allclose(y, np.array(expected_y, dtype=float), rtol=1e-13, atol=1e-300)
    scale = {"half squared": 1, "squared": 2}.get(loss, 1)
    expected_slope = [scale * (a - mpmath.mpf(t)) for a, t in zip(expected_y, target, strict=True)]
    assert np.isfinite(slope).all()
    # a difference of about 1 has the rounding of 1; one that is small because y has come to its target has its own digits
    np.testing.assert_allclose(slope, np.array(expected_slope, dtype=float), rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("loss", LOSSES)
@given(data=st.data())
def test_the_slope_of_every_loss_is_its_derivative(loss, data):
    n = data.draw(st.integers(1, 3))
    o = np.array(data.draw(st.lists(st.floats(-30, 30), min_size=n, max_size=n)))
    raw = np.array(data.draw(st.lists(st.floats(0.125, 1), min_size=n, max_size=n)))
    target = raw / raw.sum() if loss == "softmax" else raw
    slope = LOSSES[loss](o, target)[2]
    for j in range(n):
        nudged = LOSSES[loss](o + 1j * 1e-100 * np.eye(n)[j], target)[1].imag / 1e-100
        assert slope[j] == pytest.approx(nudged, abs=1e-13, rel=1e-13)


@pytest.mark.parametrize("loss", ["sigmoid", "softmax"])
def test_a_confident_right_answer_costs_next_to_nothing_and_a_wrong_one_its_margin(loss):
    o, target = (np.array([800.0, 0.0]), np.array([1.0, 0.0]))
    right, wrong = LOSSES[loss](o, target)[1], LOSSES[loss](o, target[::-1])[1]
    assert right == pytest.approx(np.log(2) if loss == "sigmoid" else 0)
    assert wrong == pytest.approx(800 + np.log(2) if loss == "sigmoid" else 800)
    tiny = LOSSES["sigmoid"](np.array([40.0]), np.array([1.0]))[1]
    assert tiny == pytest.approx(np.exp(-40.0), rel=1e-12)  # log(1 + e^-40), which log(y) would round to 0


def test_losses_of_outputs_near_the_end_of_the_float_range_are_numbers_or_infinity_never_nan():
    for size in (1e200, 1e308):
        for loss in LOSSES:
            with np.errstate(over="ignore", invalid="ignore"):  # as in bptt.forward
                y, value, slope = LOSSES[loss](np.array([size, -size]), np.array([1.0, 0.0]))
            for found in (y, value, slope):
                assert not np.isnan(found).any(), loss


# What is refused.


@pytest.mark.parametrize(("made", "message"), [
    (lambda: sequence("walking", 3), "task is 'walking'; it must be one of counting ones"),
    (lambda: sequence("sine", 0), "T is 0; it must be a whole number from 1"),
    (lambda: sequence("sine", 2.5), "T is 2.5; it must be a whole number from 1"),
    (lambda: sequence("sine", True), "T is True; it must be a whole number from 1"),
    (lambda: sequence("sine", "3"), "T is '3'; it must be a whole number from 1"),
    (lambda: sequence("text", 3, text=""), "text is empty; it must hold at least one character"),
    (lambda: sequence("sine", 3, loss="hinge"), "loss is 'hinge'; it must be one of half squared"),
    (lambda: sequence("counting ones", 30, loss="sigmoid"), "needs targets from 0 to 1; these run from"),
    (lambda: sequence("sine", 30, loss="softmax"), "needs targets that add up to 1"),
    (lambda: sequence("sine", 3, scored=[True, False]), "scored must be 3 truth values"),
    (lambda: sequence("sine", 3, scored=[0, 1, 1]), "scored must be 3 truth values"),
    (lambda: sequence("sine", 3, scored=[False] * 3), "no step is scored"),
    (lambda: Sequence(np.ones((3, 1)), np.ones((2, 1))), r"target has shape \(2, 1\); it must be \(3, 1 or more\)"),
    (lambda: Sequence(np.ones((0, 1)), np.ones((0, 1))), r"x has shape \(0, 1\)"),
    (lambda: Sequence([[np.nan]], [[0.0]]), r"x is nan at index \(0, 0\)"),
    (lambda: Sequence([[1.0]], [["a"]]), "target must be an array of numbers"),
    (lambda: Sequence(np.ones((3, 1)), np.ones((4, 3, 1))), r"its batch must be that of x, \(\), or none"),
    (lambda: Sequence([[1.0]], [[-0.1]], loss="sigmoid"), "these run from -0.1 to -0.1"),
    (lambda: Sequence([[1.0]], [[1.5, -0.5]], loss="softmax"), "add up to 1"),
])
def test_what_cannot_be_a_sequence_is_refused_in_one_sentence(made, message):
    with pytest.raises(ValueError, match=message):
        made()


def test_the_class_tasks_can_be_scored_by_every_loss():
    assert set(CLASSES) == set(LOSSES)


# Noise, and a table of one's own.


def test_noise_is_as_wide_as_asked_and_its_target_is_zero():
    made = sequence("noise", 500, inputs=7, outputs=3, seed=4)
    assert made.x.shape == (500, 7)
    assert made.target.shape == (500, 3)
    assert not made.target.any()
    assert abs(made.x.mean()) < 0.05
    assert abs(made.x.std() - 1) < 0.05
    assert not np.array_equal(made.x, sequence("noise", 500, inputs=7, outputs=3, seed=5).x)


COUNT = np.array([[1.0, 10.0, 5.0], [2.0, 20.0, 5.0], [4.0, 10.0, 5.0], [8.0, 40.0, 5.0]])


def test_the_next_value_of_a_table_is_the_next_row_of_its_inputs():
    made = table_sequence(COUNT, 3)
    np.testing.assert_array_equal(made.x, COUNT[:3])
    np.testing.assert_array_equal(made.target, COUNT[1:])
    made = table_sequence(COUNT, 2, columns=[False, True, False])
    np.testing.assert_array_equal(made.x, [[10], [20]])
    np.testing.assert_array_equal(made.target, [[20], [10]])


def test_a_column_of_a_table_is_the_target_of_its_own_row_and_no_input_unless_named():
    made = table_sequence(COUNT, 4, aim="a column", target=1)
    np.testing.assert_array_equal(made.x, COUNT[:, [0, 2]])
    np.testing.assert_array_equal(made.target, COUNT[:, [1]])
    leak = table_sequence(COUNT, 4, aim="a column", target=1, columns=[False, True, False])
    np.testing.assert_array_equal(leak.x, leak.target)


def test_the_aim_zero_gives_as_many_zeros_as_outputs():
    made = table_sequence(COUNT, 4, aim="zero", outputs=2)
    np.testing.assert_array_equal(made.target, np.zeros((4, 2)))
    np.testing.assert_array_equal(made.x, COUNT)


def test_normalisation_goes_by_all_rows_of_each_column_however_many_are_read():
    short = table_sequence(COUNT, 2, scaling="mean 0, deviation 1")
    for c in (0, 1):
        expected = (COUNT[:2, c] - COUNT[:, c].mean()) / COUNT[:, c].std()
        np.testing.assert_allclose(short.x[:, c], expected, rtol=1e-14)
    unit = table_sequence(COUNT, 3, scaling="0 to 1")
    np.testing.assert_allclose(unit.x[:, 0], [0, 1 / 7, 3 / 7], rtol=1e-15)
    for made in (short, unit):
        assert not made.x[:, 2].any()  # a constant column


@given(st.sampled_from(tuple(SCALINGS)), arrays(float, (3, 2), elements=st.floats(allow_nan=False, allow_infinity=False)))
def test_no_normalisation_leaves_the_finite_numbers(scaling, numbers):
    made = SCALINGS[scaling](numbers)
    assert np.isfinite(made).all()
    if scaling == "0 to 1":
        assert made.min() >= 0
        assert made.max() <= 1


@pytest.mark.parametrize(("how", "words"), [
    (dict(T=4), "T is 4; the table has 4 rows"), (dict(T=5, aim="zero"), "T is 5; the table has 4 rows"),
    (dict(T=2, columns=[False] * 3), "no column is left"),
])
def test_a_table_that_is_too_small_is_refused(how, words):
    with pytest.raises(ValueError, match=words):
        table_sequence(COUNT, **how)
