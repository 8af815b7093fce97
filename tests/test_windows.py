"""Schedules against a literal reading of Williams and Peng's BPTT(h; h')."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import scores, windows

from rnnviz.windows import Windows, full, one_pass_per_loss, truncated


def by_the_letter(T, tau_max, tau_b):
    """[(losses, columns)] of every pass, steps from 1: one every tau_b steps, and one at T if none starts there."""
    passes, p = [], 0
    for n in range(1, T + 1):
        if n % tau_b == 0 or n == T:
            columns = {k for k in range(n - tau_max + 1, n + 1) if k >= 1}
            injected = set(range(p + 1, n + 1))
            passes.append((injected & columns, columns))
            p = n
    return passes


def steps_of(table):
    return [set((np.flatnonzero(row) + 1).tolist()) for row in table]


@given(st.integers(1, 14), st.integers(1, 16), st.integers(1, 16))
def test_a_schedule_is_what_the_definition_says_step_by_step(T, tau_max, tau_b):
    made = truncated(T, tau_max, tau_b)
    expected = by_the_letter(T, tau_max, tau_b)
    assert made.P == len(expected)
    assert steps_of(made.carries()) == [losses for losses, _ in expected]
    assert steps_of(made.reaches()) == [columns for _, columns in expected]


@given(st.integers(1, 14), st.integers(1, 16), st.integers(1, 16))
def test_a_loss_is_unseen_exactly_when_its_pass_starts_tau_max_or_more_steps_after_it(T, tau_max, tau_b):
    unseen = 0
    for t in range(1, T + 1):
        start = min(T, -(-t // tau_b) * tau_b)  # the first pass at or after t
        unseen += start - t >= tau_max
    assert (~truncated(T, tau_max, tau_b).seen()).sum() == unseen
    if tau_max >= tau_b:
        assert unseen == 0


@given(st.integers(1, 14), st.integers(1, 16), st.integers(1, 16))
def test_no_loss_enters_twice(T, tau_max, tau_b):
    assert truncated(T, tau_max, tau_b).carries().sum(axis=0).max() <= 1


@given(scores(7).flatmap(windows))
def test_counts_by_step_agree_with_the_tables(made):
    carries, reaches = made.carries(), made.reaches()
    np.testing.assert_array_equal(made.seen(), carries.any(axis=0))
    np.testing.assert_array_equal(made.reached(), reaches.any(axis=0))
    np.testing.assert_array_equal(made.heard(), carries.sum(axis=0))
    assert made.columns() == reaches.sum()
    assert not (carries & ~reaches).any()


@given(scores(7).flatmap(windows))
def test_merging_passes_keeps_every_pair_of_loss_and_column(made):
    """The triangle of pairs (t, k) is what a schedule keeps; only how it is cut into passes may change."""
    def pairs(schedule):
        passes = zip(steps_of(schedule.carries()), steps_of(schedule.reaches()), strict=True)
        return {(t, k) for losses, columns in passes for t in losses for k in columns if k <= t}

    merged = made.merged()
    assert pairs(merged) == pairs(made)
    assert merged.P <= made.P


@given(scores(9).flatmap(lambda scored: st.tuples(st.just(scored), windows(scored))))
def test_leaving_out_empty_passes_keeps_every_pair_of_scored_loss_and_column(drawn):
    scored, made = drawn

    def pairs(schedule):
        passes = zip(steps_of(schedule.carries() & scored), steps_of(schedule.reaches()), strict=True)
        return {(t, k) for losses, columns in passes for t in losses for k in columns if k <= t}

    left = made.carrying(scored)
    assert pairs(left) == pairs(made)
    np.testing.assert_array_equal(left.seen() & scored, made.seen() & scored)
    carried = (made.carries() & scored).any(axis=1)
    assert left.P == (carried.sum() if carried.any() else made.P)


def test_sliding_one_by_one_with_all_columns_is_one_pass():
    assert truncated(30, 30, 1).merged().P == 1
    assert truncated(30, 29, 1).merged().P == 2


@given(st.integers(1, 9), st.integers(0, 3), st.integers(0, 3))
def test_tau_max_of_T_in_one_pass_is_the_full_schedule(T, more, later):
    made, whole = truncated(T, T + more, T + later), full(T)
    for name in ("first", "since", "last"):
        np.testing.assert_array_equal(getattr(made, name), getattr(whole, name))


@pytest.mark.parametrize("huge", [10**6, 2**62, 10**30, np.int64(2**63 - 1)])
def test_a_window_far_longer_than_the_sequence_is_all_of_it(huge):
    made = truncated(5, huge, huge)
    assert (made.P, made.first[0], made.last[0]) == (1, 0, 4)
    assert truncated(5, huge, 2).first.tolist() == [0, 0, 0]


@given(scores(8))
def test_one_pass_per_loss_carries_one_scored_step_all_the_way_back(scored):
    made = one_pass_per_loss(scored)
    assert steps_of(made.carries()) == [{t + 1} for t in np.flatnonzero(scored)]
    assert steps_of(made.reaches()) == [set(range(1, t + 2)) for t in np.flatnonzero(scored)]


@pytest.mark.parametrize("value", [0, -1, 1.5, 2.0, True, False, None, "8", np.nan, np.float64(3), np.bool_(True)])
@pytest.mark.parametrize("name", ["tau_max", "tau_b"])
def test_tau_must_be_a_whole_number_of_at_least_1(name, value):
    with pytest.raises(ValueError, match=rf"^{name} is .*; it must be a whole number from 1$"):
        truncated(5, **{"tau_max": 3, "tau_b": 3, name: value})


@pytest.mark.parametrize(("first", "since", "last"), [
    ([], [], []), ([0], [0], [5]), ([-1], [0], [4]), ([2], [1], [4]), ([0], [4], [2]), ([0, 0], [0, 3], [4, 2]),
    ([2, 0], [2, 3], [2, 4]), ([0], [0, 1], [4]), ([0, 0], [0, 0], [4, 4]), ([0, 0], [0, 2], [2, 4]),
])
def test_passes_that_leave_the_sequence_run_backwards_or_carry_a_loss_twice_are_refused(first, since, last):
    with pytest.raises(ValueError, match="pass|windows"):
        Windows(5, first, since, last)


def test_one_pass_per_loss_needs_a_loss():
    with pytest.raises(ValueError, match="no step is scored"):
        one_pass_per_loss(np.zeros(4, bool))


def test_the_steps_of_a_schedule_are_read_only():
    assert not any(getattr(truncated(5, 2, 2), name).flags.writeable for name in ("first", "since", "last"))


# The common misreading: every pass carries all losses of its columns.


@given(st.integers(1, 14), st.integers(1, 16), st.integers(1, 16))
def test_with_old_losses_again_every_pass_carries_all_losses_that_it_reaches_and_starts_as_before(T, tau_max, tau_b):
    made, once = truncated(T, tau_max, tau_b, again=True), truncated(T, tau_max, tau_b)
    np.testing.assert_array_equal(made.carries(), made.reaches())
    np.testing.assert_array_equal(made.reaches(), once.reaches())
    assert (made.again, once.again) == (True, False)
    assert made.tau_max == once.tau_max
    assert (made.heard() >= once.heard()).all()


@given(st.integers(1, 14), st.integers(1, 16), st.integers(1, 16))
def test_a_loss_enters_again_exactly_where_windows_overlap(T, tau_max, tau_b):
    made = truncated(T, tau_max, tau_b, again=True)
    for t in range(T):
        assert made.heard()[t] == sum(n - tau_max < t <= n for n in range(T) if (n + 1) % tau_b == 0 or n == T - 1)
    assert (made.heard() <= 1).all() == (np.diff(made.last) >= tau_max).all()


@example((np.isin(np.arange(9), [2, 4]), 3, 2))  # two passes that overlap in a step without a loss, between empty ones
@given(scores(9).flatmap(lambda scored: st.tuples(st.just(scored), st.integers(1, 11), st.integers(1, 11))))
def test_old_losses_entering_again_are_counted_as_often_after_empty_passes_are_left_out_and_passes_merge(drawn):
    scored, tau_max, tau_b = drawn
    made = truncated(9, tau_max, tau_b, again=True)

    def counts(schedule):
        """(T, T): how often each pair of a scored loss and a column is counted; columns after the loss add nothing."""
        table = (schedule.carries() & scored).astype(int).T @ schedule.reaches().astype(int)
        return table * np.tri(9, dtype=int)

    for fewer in (made.carrying(scored), made.merged(), made.carrying(scored).merged()):
        np.testing.assert_array_equal(counts(fewer), counts(made))
        assert fewer.again
        assert fewer.tau_max == made.tau_max
    carried = (made.carries() & scored).any(axis=1)
    assert made.carrying(scored).P == (carried.sum() if carried.any() else made.P)


def test_a_pass_that_carries_less_than_it_reaches_is_no_misreading_and_one_that_carries_a_loss_again_is_nothing_else():
    with pytest.raises(ValueError, match="^every pass must start at a step of its own and carry all losses that it reaches$"):
        Windows(5, [0, 1], [0, 3], [2, 4], again=True)
    with pytest.raises(ValueError, match="^every pass must carry losses that no pass before it carries$"):
        Windows(5, [0, 1], [0, 1], [2, 4])
    assert Windows(5, [0, 1], [0, 1], [2, 4], again=True).heard().tolist() == [1, 2, 2, 1, 1]


@pytest.mark.parametrize(("first", "since", "last"), [
    ([], [], []), ([0], [0], [5]), ([-1], [-1], [4]), ([2, 0], [2, 0], [3, 4]), ([0, 0], [0, 0], [4, 2]),
])
def test_old_losses_again_lift_no_other_rule(first, since, last):
    with pytest.raises(ValueError, match="pass|windows"):
        Windows(5, first, since, last, again=True)
