"""Step: the order of a walk, what its sentences say, and what the board gets of it."""

import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import experiments
from test_page import picture, sound, visit

from rnnviz import sentences
from rnnviz.examples import EXAMPLES
from rnnviz.experiment import Experiment, problem, run
from rnnviz.flow import OK, UNDERFLOW, read
from rnnviz.formulas import cell
from rnnviz.ui.walking import CHUNK, positions, woven
from rnnviz.walk import MOST_STEPS, ORDERS, walk
from rnnviz.walk import problem as no_walk


def walked(experiment, order="by step"):
    made = run(experiment)
    reading = read(made, experiment.quantity)
    return made, reading, walk(made, reading, order)


def test_three_by_two_cells_are_visited_in_the_orders_that_the_names_say():
    e = Experiment(depth=2, T=3)
    cells = {order: list(zip(w.layer.tolist(), w.step.tolist(), strict=True))
             for order in ORDERS for w in [walked(e, order)[2]]}
    assert cells["by step"] == [(1, 2), (0, 2), (1, 1), (0, 1), (1, 0), (0, 0)]
    assert cells["by layer"] == [(1, 2), (1, 1), (1, 0), (0, 2), (0, 1), (0, 0)]
    assert cells["by diagonal"] == [(1, 2), (1, 1), (0, 2), (1, 0), (0, 1), (0, 0)]
    assert walked(e, "by diagonal")[2].wave.tolist() == [0, 1, 1, 2, 2, 3]


@given(experiments(), st.sampled_from(ORDERS))
def test_no_cell_is_visited_before_those_it_is_made_of_and_every_cell_of_every_pass_is_visited_once(e, order):
    assume(not problem(e))
    made = run(e)
    assume(no_walk(made) is None)
    reading = read(made)
    w = walk(made, reading, order)
    windows = made.windows
    for p, (first, last) in enumerate(zip(windows.first, windows.last, strict=True)):
        mine = w.number == p
        order_of = {(l, t): n for l, t, n in zip(w.layer[mine], w.step[mine], w.wave[mine], strict=True)}
        assert set(order_of) == {(l, t) for l in range(reading.L) for t in range(first, last + 1)}
        assert mine.sum() == len(order_of)
        for (l, t), n in order_of.items():
            assert order_of.get((l + 1, t), -1) < n
            assert order_of.get((l, t + 1), -1) < n
        assert w.starts[p] == w.wave[mine].min()
    assert (np.diff(w.number) >= 0).all()
    assert (np.diff(w.wave) >= 0).all()


@given(st.integers(1, 3), st.integers(1, 8), st.integers(1, 9), st.integers(1, 9), st.sampled_from(("last step", "every step")),
       st.integers(0, 99))
def test_the_passes_add_up_to_the_whole_where_each_layer_is_one_unit_wide(depth, T, tau_max, tau_b, score, seed):
    made = run(Experiment(depth=depth, width=1, T=T, cut=True, tau_max=tau_max, tau_b=tau_b, score=score, seed=seed))
    reading = read(made)
    w = walk(made, reading)
    total = np.nansum([flow.value["delta"] for flow in w.flows], axis=0)
    np.testing.assert_allclose(total, reading.value["delta"], rtol=1e-12, atol=1e-300)


def test_passes_share_the_scale_of_the_whole():
    e = Experiment(cut=True, tau_max=8, tau_b=10, score="every step")
    _, reading, w = walked(e)
    for p, flow in enumerate(w.flows):
        there = flow.state == OK
        np.testing.assert_allclose(flow.log_ratio[there], np.log10(flow.size[there] / reading.reference), rtol=1e-12)
        assert (flow.passes.sum(), p) == (8, p)


@pytest.mark.parametrize(("e", "words"), [
    (Experiment(T=401), f"at most {MOST_STEPS} steps"),
    (Experiment(T=300, depth=12, cut=True, tau_max=50, tau_b=1, score="every step"), "too many to step through"),
    (Experiment(T=110, depth=4, width=1, cut=True, tau_max=13, tau_b=1, score="every step"), "too many to step through"),
    (Experiment(cell="linear", g=3.0, init="Gaussian", T=400, width=64, input_scale=6.0, depth=12), None),
])
def test_what_cannot_be_walked_through_is_refused_in_a_sentence(e, words):
    made = run(e)
    found = no_walk(made)
    if words:
        assert words in found
        with pytest.raises(ValueError, match=re.escape(found)):
            walk(made, read(made))
    elif made.backward is None:
        assert "overflows" in found


# Words.


def test_the_sentence_of_a_cell_names_its_arrivals_and_its_own_slope():
    made, reading, w = walked(EXAMPLES["By hand"])
    first = sentences.wave(w, 0).text
    assert first.startswith("Layer 2, step 6 takes what comes from the loss, then lets 0.850 of it through.")
    slope = made.backward.slopes[0][2, 0]
    said = sentences.wave(w, 7).text
    assert said.startswith("Layer 1, step 3 adds what comes from above and from the future, then lets ")
    assert float(re.search(r"lets ([0-9.]+) of", said)[1]) == pytest.approx(slope, abs=6e-4)
    assert "takes what comes from the future" in sentences.wave(w, 2).text


def test_a_pass_says_its_number_and_start():
    _, _, w = walked(Experiment(cut=True, tau_max=8, tau_b=10, score="every step"))
    assert "Pass 2 of 3 starts at step 20." in sentences.wave(w, w.starts[1]).text
    assert "Pass 2 of 3." in sentences.wave(w, w.starts[1] + 1).text
    assert "3 passes" in sentences.after_the_walk(w).text


def test_a_shut_cell_and_one_that_receives_nothing_say_so():
    _, reading, w = walked(EXAMPLES["Dead ReLU"])
    words = {(l, t): sentences.wave(w, n).text for n, (l, t) in enumerate(zip(w.layer.tolist(), w.step.tolist(), strict=True))}
    shut = [c for c, text in words.items() if "is shut" in text]
    assert all(reading.openness[c] == 0 for c in shut)
    assert shut
    empty = [c for c, text in words.items() if "receives exactly 0" in text]
    assert empty
    assert all(reading.size[c] == 0 for c in empty)


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("order", ORDERS)
def test_every_position_of_every_example_has_a_sentence(name, order):
    _, reading, w = walked(EXAMPLES[name], order)
    assert "Nothing has flowed back yet" in sentences.before_the_walk(w, reading).text
    for n in range(w.waves):
        assert "nan" not in sentences.wave(w, n).text


# What the board gets.


def unwoven(column, i):
    pieces, numbers = column["patterns"][column["which"][i]], column["numbers"][i]
    return "".join(a + b for a, b in zip(pieces, [*numbers, ""], strict=True))


@given(st.lists(st.text("ab<1.5->-", max_size=12), min_size=1, max_size=6))
def test_woven_texts_are_read_back(texts):
    column = woven(texts)
    assert [unwoven(column, i) for i in range(len(texts))] == texts


def test_the_board_gets_the_equation_and_shade_of_every_cell():
    page = picture(visit("walk=by step&T=12"))
    made, reading, w = walked(Experiment(T=12))
    got = page["walk"]
    assert (got["waves"], got["last"], got["first"]) == (36, 36, 0)
    np.testing.assert_allclose(got["shade"], reading.log_ratio[w.layer, w.step], rtol=1e-6)
    from rnnviz.typeset import to_html

    for n in (1, 17, 36):
        at = int(w.layer[n - 1]), int(w.step[n - 1])
        assert unwoven(got["texts"][3], n) == to_html(cell(reading, *at))
        assert f"<b>Cell {n} of 36</b>" in unwoven(got["texts"][2], n)
        arrows = sum(log[at] > -np.inf for log in (reading.log_space, reading.log_time))
        assert unwoven(got["texts"][4], n).count("<path") == arrows


def test_texts_come_in_parts_of_a_long_walk():
    page = visit("walk=by step&depth=12&width=4&T=100&visit=600")
    got = picture(page)["walk"]
    assert (got["waves"], got["first"], len(got["texts"][0]["which"])) == (1200, CHUNK * (600 // CHUNK - 1), 3 * CHUNK)
    assert picture(page)["controls"]["visit"] == 600
    assert got["last"] + 1 == positions(walked(Experiment(depth=12, width=4, T=100))[2])


def test_a_walk_that_is_too_long_is_told_and_the_flow_is_shown_and_step_can_be_asked_for_again():
    page = sound(visit("walk=by step&T=500"))
    made = picture(page)
    assert made["walk"] is None
    assert any("at most 400 steps" in note for note in made["notes"])
    assert made["link"] == "T=500"
    assert page.session_state["settings"]["walk"] == ""


def test_every_position_is_among_the_texts_sent_for_it_and_for_those_before():
    for visit_ in range(0, 1201, 37):
        first = CHUNK * max(0, visit_ // CHUNK - 1)
        assert first <= visit_ <= min(1200, visit_ + CHUNK) < first + 3 * CHUNK


def test_the_sum_of_passes_is_that_of_the_flow():
    made, reading, w = walked(Experiment(cut=True, tau_max=8, tau_b=10, score="every step"))
    got = picture(visit("walk=by step&cut=1&tau_max=8&tau_b=10&score=every step"))["walk"]
    there = (reading.state == OK).ravel()
    np.testing.assert_allclose(got["sum"]["shade"][there], reading.log_ratio.ravel()[there], rtol=1e-6)
    assert np.isnan(got["sum"]["shade"][~there]).all()
    assert picture(visit("walk=by step"))["walk"]["sum"] is None


def test_what_underflows_or_is_no_number_says_so():
    _, reading, w = walked(Experiment(T=200, g=0.01, depth=1))
    low = next(n for n, t in enumerate(w.step.tolist()) if reading.state[0, t] == UNDERFLOW)
    assert "less than a float64 can tell from 0" in sentences.wave(w, low).text
