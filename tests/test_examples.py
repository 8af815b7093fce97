"""Every example shows what its name says: asserted on numbers of a plain loop, not of the sentence or the reading."""

import json
import math

import numpy as np
import plain
import pytest

from rnnviz.examples import EXAMPLES, example_of
from rnnviz.experiment import Experiment, run
from rnnviz.figures import flow_spec
from rnnviz.flow import CUT, OK, read
from rnnviz.links import from_link, to_link
from rnnviz.sentences import flow
from rnnviz.windows import full

NAMES = ["Vanishing", "Exploding", "Edge", "Saturated", "Dead ReLU", "Cut too early", "Identity start", "By hand",
         "Trained"]
RUNS = {name: run(experiment) for name, experiment in EXAMPLES.items()}
GRIDS = {name: plain.grid_of(made) for name, made in RUNS.items()}


def left(name):
    """log10 of what of the loss arrives at layer 1, step 1."""
    return float(GRIDS[name].left()[0, 0])


def rate(name):
    return plain.line(GRIDS[name].left()[0])[0]


def sentence(name, uncut=None):
    return flow(read(RUNS[name]), uncut)


def test_the_examples_stand_in_the_order_of_the_design_and_the_trained_one_after_them():
    assert list(EXAMPLES) == NAMES


def test_the_page_opens_on_vanishing():
    assert EXAMPLES["Vanishing"] == Experiment()
    e = Experiment()
    assert (e.stack, e.T, e.g, e.score, e.cut) == ((((16, "tanh", True),) * 3), 30, 0.8, "last step", False)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_keeps_its_name_through_its_link_and_however_it_is_read(name):
    there, notes = from_link(to_link(EXAMPLES[name]))
    assert there == EXAMPLES[name]
    assert not notes
    assert example_of(from_link(to_link(there) + "&quantity=grad_h&layer=1&step=2&decades=8")[0]) == name


def test_no_two_examples_show_the_same_picture():
    assert len({e.recipe for e in EXAMPLES.values()}) == len(EXAMPLES)


@pytest.mark.parametrize("name", NAMES)
def test_the_grid_of_an_example_is_the_grid_of_a_plain_loop(name):
    found, true = read(RUNS[name]).size, GRIDS[name].size()
    reached = RUNS[name].windows.reached()
    np.testing.assert_allclose(found[:, reached], true[:, reached].astype(float), rtol=1e-9, atol=0)


def test_vanishing_fades_below_a_ten_thousandth():
    assert rate("Vanishing") < 0.93
    assert left("Vanishing") < -4


def test_exploding_arrives_more_than_ten_thousand_times_larger():
    assert rate("Exploding") > 1.07
    assert left("Exploding") > 4


def test_edge_neither_fades_nor_grows():
    assert 0.93 <= rate("Edge") <= 1.07
    assert abs(left("Edge")) < 0.5


def test_saturated_fades_although_its_recurrent_scale_is_above_one():
    slopes = np.concatenate([np.concatenate(row) for row in GRIDS["Saturated"].slope])
    assert EXAMPLES["Saturated"].g > 1
    assert (slopes < 0.1).mean() > 0.5
    assert rate("Saturated") < 0.93
    assert left("Saturated") < -3


def test_dead_relu_stops_at_a_layer_where_every_unit_is_shut_and_layer_1_carries_further():
    grid = GRIDS["Dead ReLU"]
    size = grid.size()
    shut = [(l, t) for l, row in enumerate(grid.slope) for t, v in enumerate(row) if not v.any() and grid.grad_h[l][t].any()]
    l, t = max(shut, key=lambda cell: cell[::-1])  # the first that the gradient meets, coming from the loss
    assert l > 0
    assert (size[l, :t + 1] == 0).all()
    assert size[l, t + 1] > 0
    first = [int(np.flatnonzero(row)[0]) for row in size]
    assert first[0] < min(first[1:])
    said = sentence("Dead ReLU").text
    assert f"At step {t + 1}, layer {l + 1} is shut" in said
    assert f"to step {first[0] + 1}." in said


def test_cut_too_early_leaves_the_first_22_steps_to_no_pass():
    made = RUNS["Cut too early"]
    assert (made.sequence.T, made.experiment.tau_max, made.windows.P) == (30, 8, 1)
    reading = read(made)
    assert (reading.state[:, :22] == CUT).all()
    assert (reading.state[:, 22:] == OK).all()
    whole = plain.grid(made.network, made.sequence, full(30)).left()[0, 0]
    assert whole > -2, "uncut, a good part of it would have arrived"
    said = sentence("Cut too early", whole).text
    assert "Each pass keeps 8 columns, 7 steps back: the first 22 steps get nothing at all." in said
    assert plain.agrees(plain.numbers(said.partition("Uncut, ")[2])[0], 10**whole)


def test_identity_start_hands_an_open_unit_the_same_gradient_at_every_step():
    grid = GRIDS["Identity start"]
    slope, delta = np.stack(grid.slope[0]).astype(float), np.stack(grid.delta[0]).astype(float)
    open_ = (slope == 1).all(axis=0)
    assert open_.sum() >= 3
    assert (np.abs(delta[-1, open_]) > 0).all()
    np.testing.assert_allclose(delta[:, open_], np.broadcast_to(delta[-1, open_], (30, open_.sum())), rtol=1e-12, atol=0)
    found = RUNS["Identity start"].backward.delta[0]
    np.testing.assert_allclose(found[:, open_], np.broadcast_to(found[-1, open_], (30, open_.sum())), rtol=1e-12, atol=0)


def by_hand():
    """[l][t] -> delta of the By hand example, worked with scalars from the numbers on its controls."""
    (S1, T1, b1), (S2, T2, b2) = [[float(w) for w in group.split()] for group in EXAMPLES["By hand"].hand.split(",")]
    x = RUNS["By hand"].sequence.x[:, 0].tolist()
    y = RUNS["By hand"].sequence.target[-1, 0]
    T = EXAMPLES["By hand"].T
    h1, h2 = [0.0], [0.0]
    for t in range(T):
        h1.append(math.tanh(S1 * x[t] + T1 * h1[t] + b1))
        h2.append(math.tanh(S2 * h1[t + 1] + T2 * h2[t] + b2))
    d1, d2 = [0.0] * (T + 1), [0.0] * (T + 1)
    for t in range(T - 1, -1, -1):
        sent = h2[T] - y if t == T - 1 else 0.0
        d2[t] = (sent + T2 * d2[t + 1]) * (1 - h2[t + 1] ** 2)
        d1[t] = (S2 * d2[t] + T1 * d1[t + 1]) * (1 - h1[t + 1] ** 2)
    return [d1[:T], d2[:T]], h2[T] - y


def test_every_delta_printed_in_by_hand_can_be_worked_by_hand():
    true, _ = by_hand()
    printed = next(trace for trace in flow_spec(read(RUNS["By hand"]))["data"] if trace["name"] == "values")
    assert len(printed["text"]) == 2 * EXAMPLES["By hand"].T
    for x, y, text in zip(printed["x"], printed["y"], printed["text"], strict=True):
        delta = true[int(y) - 1][int(x) - 1]
        assert plain.agrees(text.lstrip("+"), delta), (x, y, text, delta)
        assert text[0] == ("+" if delta > 0 else "−")


def test_the_sentence_of_by_hand_says_what_the_loss_sends_in_and_what_arrives():
    true, sent = by_hand()
    said = plain.numbers(sentence("By hand").text)
    assert plain.agrees(said[0], sent)
    assert plain.agrees(said[1], true[0][0])


@pytest.mark.parametrize(("name", "role"), [("Vanishing", "fades"), ("Exploding", "grows"), ("Edge", "holds"),
                                             ("Saturated", "fades"), ("Identity start", "holds")])
def test_the_sentence_gives_the_rate_and_the_rest_of_the_plain_loop_in_the_colour_of_its_state(name, role):
    said = sentence(name)
    marked = [text for text, part in said.lead if part == role]
    assert len(marked) == 2
    assert plain.agrees(plain.numbers(marked[0])[0], rate(name))
    assert plain.agrees(plain.numbers(marked[1])[0], 10.0 ** left(name))
    assert "29 steps back" in said.text


def test_the_reach_of_a_fading_loss_is_where_its_line_falls_below_a_thousandth():
    for name in ("Vanishing", "Saturated"):
        k, steps = rate(name), int(sentence(name).text.partition("Reach of this loss: ")[2].split()[0])
        assert k**steps >= 1e-3 > k ** (steps + 1)


@pytest.mark.parametrize("name", NAMES)
def test_no_example_shows_a_number_that_is_none(name):
    made = flow_spec(read(RUNS[name]))
    words = json.dumps([sentence(name).text, made["layout"], [trace.get("text", "") for trace in made["data"]]], default=str)
    assert "nan" not in words.lower().replace("\\u2009", "")
    assert "inf" not in words.replace("infinite", "")
