"""The picture of routes says what the routes say: asserted on arrays, widths, places and words of the specification."""

import json
import re
from dataclasses import replace
from math import comb

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import experiments

from rnnviz import sentences
from rnnviz.examples import EXAMPLES
from rnnviz.experiment import Experiment, run
from rnnviz.figures import routes_figure, routes_spec
from rnnviz.files import routes_csv
from rnnviz.flow import read
from rnnviz.immediate import read_sum
from rnnviz.links import mend
from rnnviz.routes import groups, routes
from rnnviz.ui.board import pack
from rnnviz.ui.drawings import FlowDrawn, RoutesDrawn
from rnnviz.ui.picture import View, computed, key, picture

BY_HAND = replace(EXAMPLES["By hand"], view="routes", layer=1, step=2)
FIVE = replace(BY_HAND, hand="0.9 0.8 0, 0.9 0.9 0", task="noise", seed=70)
CANCELLING = replace(BY_HAND, task="counting ones", seed=30)
MANY = replace(BY_HAND, depth=4, hand="0.3 0.5 0, 0.9 0.4 0, 0.9 1.05 0, 0.9 0.3 0", task="noise", seed=8, T=30, step=1)
LONG = replace(BY_HAND, depth=3, hand="", g=0.9, T=3000, step=2)
NUMERALS = {word: n for n, word in enumerate(
    "no one two three four five six seven eight nine ten eleven twelve".split())}

narrow = experiments(12, 4, 1).map(
    lambda e: mend(replace(e, T=min(e.T, 12), layers=re.sub(r"\d+", "1", e.layers), view="routes", walk="",
                           weight=""))[0]).filter(
    lambda e: max(n for n, _, _ in e.stack) == 1)


def drawn_of(experiment):
    return computed(replace(experiment, view="routes"))


def spec_of(experiment, **options):
    return drawn_of(experiment).spec(experiment, None, **options)


def bars(spec):
    """{row: length} of the bars, and their names by row."""
    lengths, names = {}, {}
    for trace in spec["data"]:
        if trace.get("xaxis") != "x3":
            continue
        for x, y in zip(np.split(trace["x"], len(trace["x"]) // 6), np.split(trace["y"], len(trace["y"]) // 6), strict=True):
            row = round(float(y[0] + y[2]) / 2)
            lengths[row], names[row] = float(x[1]), trace["name"]
    return lengths, names


def widths(spec, name):
    """(n,) px of the bands of a trace."""
    trace = next((trace for trace in spec["data"] if trace["name"] == name), None)
    if trace is None:
        return np.zeros(0)
    corners = np.stack([trace["x"], trace["y"]], axis=-1).reshape(-1, 6, 2)
    return np.hypot(*(corners[:, 0] - corners[:, 3]).T)


def words(spec):
    """The texts without their markup."""
    return [re.sub(r"<[^>]*>", "", text["text"]) for text in spec["layout"]["meta"]["texts"]]


def number_in(text):
    """The number that a label shows."""
    found = re.fullmatch(r"([+−]?)([0-9.]+)(?:\u00a0×\u00a010([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?", text.replace("\u2009", ""))
    power = int((found[3] or "⁰").translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")))
    return float(found[2]) * 10.0**power * (-1 if found[1] == "−" else 1)


def counted(made, l, t):
    """How many ways lead from losses to a cell, cell by cell: from every loss whose pass reaches the step, down and back."""
    layers, T = made.network.layers, made.sequence.T
    ways = np.zeros((len(layers) + 1, T + 1), dtype=object)
    for first, since, last in zip(made.windows.first, made.windows.since, made.windows.last, strict=True):
        if first <= t:
            for s in range(max(since, t), last + 1):
                if made.sequence.scored[s]:
                    ways[len(layers), s] = 1
    for i in range(len(layers) - 1, l - 1, -1):
        for j in range(T - 1, t - 1, -1):
            ways[i, j] = ways[i + 1, j] + (ways[i, j + 1] if layers[i].recurrent else 0)
    return ways[l, t]


# The figure.


@settings(max_examples=25)
@given(narrow, st.integers(520, 1400), st.booleans(), st.booleans())
def test_every_experiment_of_one_unit_layers_gives_a_figure_that_plotly_takes_and_texts_that_can_be_read(e, width, page, dark):
    drawn = drawn_of(e)
    if isinstance(drawn, FlowDrawn):  # a state overflows
        return
    for tall in (None, 380):
        spec = drawn.spec(e, None, width=width, page=page, theme="dark" if dark else "light", tall=tall)
        go.Figure(spec)
        pack(spec)
        layout = spec["layout"]
        said = layout["meta"]["texts"] if page else layout["annotations"]
        for text in said:
            assert not re.search(r"\bnan\b|None|\binf\b", text["text"]), text["text"]
        if page:
            for text in said:
                anchor = next(text[side] for side in ("left", "right", "middle") if text[side] is not None)
                assert -40 <= anchor <= width + 40
                assert 0 <= text["y"] <= layout["height"]
        for name, axis in layout.items():
            if re.match(r"[xy]axis", name):
                assert np.isfinite(axis["range"]).all()
                assert axis["range"][0] != axis["range"][1]
        for trace in spec["data"]:
            json.dumps({name: value for name, value in trace.items() if not isinstance(value, np.ndarray)},
                       default=lambda array: array.tolist())


@settings(max_examples=40)
@given(narrow)
def test_the_lengths_of_the_bars_are_the_terms(e):
    drawn = drawn_of(e)
    if isinstance(drawn, FlowDrawn) or not drawn.told.total > 1e-290 or not np.isfinite(drawn.told.total):
        return
    told = drawn.told
    lengths, names = bars(drawn.spec(e, None))
    terms = [route.term for route in told.largest]
    scale = abs(terms[0]) / abs(lengths[0])
    for row, term in enumerate(terms):
        assert lengths[row] * scale == pytest.approx(term, rel=1e-5, abs=1e-6 * abs(terms[0]))
        assert names[row] == ("chosen term" if row == min(e.route, len(terms) - 1) else "terms")
    last = max(lengths)
    assert names[last] == "sum"
    assert lengths[last] * scale == pytest.approx(told.sum, rel=1e-5, abs=1e-6 * abs(terms[0]))
    assert ("rest" in names.values()) == (told.number > len(terms))
    assert sum(lengths[row] for row in lengths if row != last) == pytest.approx(lengths[last], rel=1e-4,
                                                                                abs=1e-4 * told.total / scale)


@settings(max_examples=40)
@given(narrow)
def test_the_printed_sum_is_delta_of_the_backward_pass(e):
    drawn = drawn_of(e)
    if isinstance(drawn, FlowDrawn) or drawn.told.number == 0 or drawn.told.log_total < -300:
        return
    told, made = drawn.told, run(e)
    delta = made.backward.delta[told.layer][told.step, 0]
    said = words(drawn.spec(e, None, page=True))
    after = said[said.index("δ") - 1]
    if np.isfinite(delta):
        assert number_in(after) == pytest.approx(delta, rel=6e-3)


@pytest.mark.parametrize("e", [BY_HAND, FIVE, CANCELLING], ids=["by hand", "five", "cancelling"])
def test_an_edge_is_as_wide_as_its_share_and_each_layer_is_left_once(e):
    told, spec = drawn_of(e).told, spec_of(e)
    down = widths(spec, "space")
    expected = told.through_space[0]
    assert down == pytest.approx(np.maximum(1.0, 14 * expected), abs=1e-3)
    assert (14 * expected).sum() == pytest.approx(14)
    through = told.through_time[np.isfinite(told.through_time)]
    assert widths(spec, "time") == pytest.approx(np.maximum(1.0, 14 * through), abs=1e-3)


def test_an_edge_that_carries_nothing_is_a_hairline_of_its_own():
    e = replace(FIVE, cell="relu", hand="1 0.5 0, 1 0.5 0", seed=2)
    told, spec = drawn_of(e).told, spec_of(e)
    assert told.zero > 0
    zero = (told.through_time == 0).sum() + (told.through_space[:-1] == 0).sum()
    none = [len(widths(spec, name)) for name in ("no time", "no space")]
    assert sum(none) == zero > 0


@pytest.mark.parametrize("route", range(5))
def test_the_highlighted_route_is_drawn_move_by_move_between_its_cells(route):
    e = replace(FIVE, route=route)
    drawn, spec = drawn_of(e), spec_of(e)
    chosen = drawn.told.largest[route]
    nodes = next(trace for trace in spec["data"] if trace["name"] == "nodes")
    place = {(int(l) - 1, int(t) - 1): (x, y)
             for (l, t, *_), x, y in zip(nodes["customdata"], nodes["x"], nodes["y"], strict=True)}
    cells = drawn.told.cells(chosen)
    for move in ("time", "space"):
        trace = next(trace for trace in spec["data"] if trace["name"] == f"route in {move}")
        ends = [place[cell] for step, cell in zip(chosen.moves, cells[1:], strict=True) if step == move]
        shapes = np.split(np.stack([trace["x"], trace["y"]], -1), np.flatnonzero(np.isnan(trace["x"])) + 1)[:-1]
        assert len(shapes) == 2 * len(ends)  # a shaft and a head each
        for (x, y), head in zip(ends, shapes[1::2], strict=True):
            gap = np.hypot(*(head[0] - (x, y)))
            assert gap == pytest.approx(nodes["marker"]["size"] / 2 + 2, abs=0.01)


def test_every_bar_s_row_is_a_button_that_asks_for_its_route_and_one_is_pressed():
    for e in (FIVE, replace(MANY, route=3)):
        found = [re.search(r'data-route="(\d)".*aria-pressed="(true|false)"', text["text"])
                 for text in spec_of(e, page=True)["layout"]["meta"]["texts"]]
        pressed = [(int(match[1]), match[2] == "true") for match in found if match]
        assert pressed == [(row, row == e.route) for row in range(len(drawn_of(e).told.largest))]
    assert not any("data-route" in note["text"] for note in spec_of(FIVE)["layout"]["annotations"])


def test_what_the_largest_routes_leave_is_one_bar_with_their_number_and_sum():
    told, said = drawn_of(MANY).told, words(spec_of(MANY, page=True))
    assert told.number == comb(29 + 3, 3) == 4960
    at = said.index("4\u2009953 more")
    assert number_in(said[at - 1]) == pytest.approx(told.sum - sum(route.term for route in told.largest), rel=6e-3)
    assert "the 7 largest carry 67% of all sizes; all add up to δ" in said


@pytest.mark.parametrize("hand", [MANY.hand, "0.3 0.5 0, 0.9 -0.4 0, 0.9 1.05 0, 0.9 0.3 0",
                                  "0.9 -0.9 0, 0.9 0.9 0, 0.9 -1.05 0"])
def test_all_bars_together_are_as_long_as_the_sum_whatever_their_signs(hand):
    e = replace(MANY, hand=hand, depth=hand.count(",") + 1, T=12)
    lengths, names = bars(spec_of(e))
    assert names[7] == "rest"
    assert sum(lengths[row] for row in range(8)) == pytest.approx(lengths[8], abs=1e-5)


def test_what_nearly_cancels_is_said_with_its_two_sums():
    told = drawn_of(CANCELLING).told
    assert abs(told.sum) < 0.02 * told.total
    assert "+0.24 and −0.23 nearly cancel: +0.0081 is left" in words(spec_of(CANCELLING, page=True))


def test_a_long_sequence_shows_its_ends_and_says_so():
    for e in (LONG, replace(LONG, layer=2, step=7), replace(LONG, cut=True, tau_max=20)):
        spec = spec_of(e, page=True)
        nodes = next(trace for trace in spec["data"] if trace["name"] == "nodes")
        steps = sorted({int(t) for _, t, *_ in nodes["customdata"]})
        told = drawn_of(e).told
        last = told.step + told.through_time.shape[1]
        assert told.step + 1 in steps
        assert not told.number or last in steps
        assert len(steps) <= 24
        xs = sorted({float(x) for x in nodes["x"]})
        assert np.diff(xs).min() >= 18
        said = next(text for text in words(spec) if text.startswith("time step t"))
        parts = re.findall(r"([\d\u2009]+) to ([\d\u2009]+)", said)
        drawn = [t for low, high in parts for t in range(int(low.replace("\u2009", "")), int(high.replace("\u2009", "")) + 1)]
        assert drawn == steps


def test_the_columns_drawn_hold_all_routes_where_there_is_room():
    for step in (1, 6, 15, 22, 30):
        e = replace(MANY, step=step, cut=True, tau_max=10)
        spec, told = spec_of(e, page=True), drawn_of(e).told
        nodes = next(trace for trace in spec["data"] if trace["name"] == "nodes")
        steps = {int(t) - 1 for _, t, *_ in nodes["customdata"]}
        assert set(range(told.step, told.step + max(1, told.through_time.shape[1]))) <= steps


@settings(max_examples=30)
@given(narrow)
def test_the_product_written_out_is_that_of_the_factors(e):
    drawn = drawn_of(e)
    if isinstance(drawn, FlowDrawn) or not drawn.told.largest:
        return
    told, route = drawn.told, drawn.told.largest[min(e.route, len(drawn.told.largest) - 1)]
    said = words(drawn.spec(e, None, page=True, width=1400))
    start = next(i for i, text in enumerate(said) if text.startswith("highlighted route:"))
    following = said[start + 1] if said[start].endswith("·") else ""
    line = f"{said[start]} {following}".removeprefix("highlighted route:")
    product, _, result = line.partition("=")
    left_out = re.search(r"… (\d+) more factors …", product)
    shown = [part for part in product.split("·") if part.strip() and "…" not in part]
    assert len(shown) + (int(left_out[1]) if left_out else 0) == len(told.factors(route))
    if not left_out and abs(route.term) > 1e-30 and all("×" not in part for part in shown) and np.isfinite(route.term):
        value = np.prod([number_in(part.replace("φ′", "").strip()) for part in shown])
        assert value == pytest.approx(route.term, rel=0.05 * len(shown))
        assert number_in(result.strip()) == pytest.approx(route.term, rel=6e-3)


def test_a_product_too_long_for_its_lines_counts_what_it_leaves_out():
    said = words(spec_of(MANY, page=True))
    start = next(i for i, text in enumerate(said) if text.startswith("highlighted route:"))
    left_out = re.search(r"… (\d+) more factors …", said[start] + said[start + 1])
    shown = f"{said[start]} {said[start + 1]}".count("·") + 1 - 1
    assert int(left_out[1]) + shown == 2 * (29 + 3 + 1)


# The grouping of the space/time text.


def test_the_groups_listed_end_at_the_gradient_and_hold_the_chosen_cell():
    said = words(spec_of(FIVE, page=True))
    total = next(text for text in said if text.startswith("∂C/∂wT¹"))
    made = run(FIVE)
    assert number_in(total.partition("=")[2].strip()) == pytest.approx(made.backward.dW_T[0][0, 0], rel=6e-3)
    listed = [text for text in said if re.fullmatch(r"(⋯ )?h¹N−\d+", text)]
    assert listed == ["h¹N−1", "h¹N−2", "h¹N−3", "⋯ h¹N−5"]
    at = said.index("⋯ h¹N−5")
    ways, delta, h, product, running = said[at + 1:at + 6]
    assert ways == "5"
    assert number_in(delta) == pytest.approx(made.backward.delta[0][1, 0], rel=6e-3)
    assert number_in(h) == pytest.approx(made.forward.h[0][0, 0], rel=6e-3)
    assert number_in(product) == pytest.approx(made.backward.delta[0][1, 0] * made.forward.h[0][0, 0], rel=6e-3)
    assert number_in(running) == pytest.approx(
        sum(made.backward.delta[0][t, 0] * made.forward.h[0][t - 1, 0] for t in range(1, 6)), rel=6e-3)


def test_the_misprint_of_the_third_group_is_told_with_the_number_it_would_give_and_only_there():
    grouped = groups(run(FIVE), 0)
    note = [text for text in words(spec_of(FIVE, page=True)) if "As printed" in text]
    assert number_in(note[0].rpartition(" ")[2].rstrip(".")) == pytest.approx(grouped.printed, rel=6e-3)
    assert abs(grouped.printed - grouped.product[2]) > 0.05 * abs(grouped.product[2])
    for e in (replace(FIVE, layer=2), replace(FIVE, score="every step"), MANY, replace(FIVE, T=2)):
        assert not any("As printed" in text or "†" in text for text in words(spec_of(e, page=True)))


def test_a_layer_without_recurrence_has_no_groups_and_says_so():
    e = mend(replace(BY_HAND, layers="1, 1 static", layer=2, step=6))[0]
    assert any("Layer 2 is not recurrent" in text for text in words(spec_of(e, page=True)))


# The sentence.


def whole(text):
    """A whole number in words or digits."""
    text = text.replace("\u2009", "").lower()
    return NUMERALS[text] if text in NUMERALS else int(text)


@settings(max_examples=80)
@given(narrow)
def test_the_sentence_counts_as_a_plain_loop_does_and_tells_delta(e):
    drawn = drawn_of(e)
    if isinstance(drawn, FlowDrawn):
        return
    made, (l, t), text = run(e), drawn.cell, drawn.sentence.text
    found = re.match(r"(\S+) routes? leads? from (?:a loss|the loss|(\S+) losses)", text)
    assert whole(found[1]) == counted(made, l, t)
    delta = made.backward.delta[l][t, 0]
    if whole(found[1]) == 0:
        assert delta == 0
        assert "exactly 0" in text
        return
    name = "δ" if e.quantity == "delta" else "∂C/∂z"
    value = re.search(name + r" = (\S+(?:\u00a0×\u00a010[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?)(?:\.$|\. | is left)", text)
    if value:
        assert number_in(value[1]) == pytest.approx(delta, rel=6e-3)
    else:
        assert "exactly 0" in text or "cancel" in text or "float64" in text
        assert "exactly 0" not in drawn.sentence.lead[1][0] or delta == 0
    moves = {move: {route.moves.count(move) for route in drawn.told.largest} for move in ("time", "space")}
    for move, said in (("time", r"(\S+) (?:steps? )?in time"), ("space", r"(\S+) (?:steps? )?in space")):
        named = re.search(said, drawn.sentence.text)
        if named and named[1].lower() not in ("back", "and"):
            assert moves[move] == {whole(named[1])}


@pytest.mark.parametrize(("e", "said"), [
    (FIVE, "Five routes lead from the loss to this cell. They add up to δ = 0.388. "
           "Every route makes the same four steps in time and one in space, in a different order."),
    (CANCELLING, "Five routes lead from the loss to this cell. They nearly cancel: δ = 0.00807 is left. "
                 "Every route makes the same four steps in time and one in space, in a different order."),
    (replace(FIVE, quantity="grad_h"), "Five routes lead from the loss to this cell. They add up to ∂C/∂z = 0.388. "
                                       "Every route makes the same four steps in time and one in space, in a different order."),
    (replace(FIVE, layer=2, step=6), "One route leads from the loss to this cell. It is δ = 0.357. "
                                     "It is the loss’s own cell: what the loss sends in, times φ′."),
    (replace(FIVE, step=6), "One route leads from the loss to this cell. It is δ = 0.319. "
                            "It makes one step in space: there is no other way."),
    (replace(FIVE, score="every step"), "15 routes lead from five losses to this cell. They add up to δ = 1.14. "
                                        "Each makes one step in space, and in time as many as its loss is away."),
    (replace(FIVE, score="chosen steps", steps="3", step=5), "No route leads from a loss to this cell: δ is exactly 0. "
                                                             "The last loss lies before it."),
    (replace(FIVE, cut=True, tau_max=3), "No route leads from a loss to this cell: δ is exactly 0. "
                                         "No pass carries a loss to it: each keeps 3 columns."),
    (replace(FIVE, layers="1 static, 1 static", init="Gaussian"),
     "No route leads from a loss to this cell: δ is exactly 0. "
     "No layer from here up is recurrent, so only the loss of its own step could reach it, and there is none."),
    (replace(MANY, init="orthogonal", g=0.05, T=400),
     "10\u2009746\u2009800 routes lead from the loss to this cell. Their sizes add up to"),
])
def test_the_sentence_of_each_case(e, said):
    assert drawn_of(e).sentence.text.startswith(said)


def test_where_float64_ends_the_sentence_and_the_bars_tell_the_sizes_alone():
    drawn = drawn_of(replace(MANY, init="orthogonal", g=0.05, T=400))
    assert "less than a float64 can tell from 0" in drawn.sentence.text
    spec = drawn.spec(MANY, None, page=True)
    lengths, names = bars(spec)
    assert lengths[0] != 0
    assert any(re.fullmatch(r"\|δ\| ≤ \d\u00a0×\u00a010⁻[⁰¹²³⁴⁵⁶⁷⁸⁹]+", text) for text in words(spec))


def test_exact_zeros_are_counted():
    e = replace(FIVE, cell="relu", hand="1 0.5 0, 1 0.5 0", seed=2)
    drawn = drawn_of(e)
    assert 0 < drawn.told.zero
    text = drawn.sentence.text
    if drawn.told.zero == drawn.told.number:
        assert "exactly 0" in text
    else:
        found = re.search(r"(\w+) of them holds? a factor that is exactly 0", text)
        assert whole(found[1]) == drawn.told.zero


# The view.


def test_layers_of_several_units_are_told_plainly_and_show_the_sum_over_steps():
    e = replace(EXAMPLES["Vanishing"], view="routes")
    drawn = drawn_of(e)
    ratio = np.linalg.norm(drawn.total.total) / np.linalg.norm(drawn.total.gradient)
    assert drawn.sentence.text == (
        f"The gradient of W_T of layer 1 is a sum of {(drawn.total.term > 0).sum()} terms; read as total derivatives they make "
        f"it {ratio:.2f} times its size. Layer 1 has 16 units; routes need one unit in every layer. By hand has one: there "
        "each route is a term to check.")
    assert drawn.total.gradient == pytest.approx(read_sum(run(e), "W_T1").gradient)
    for page in (True, False):
        spec = drawn.spec(e, None, page=page)
        go.Figure(spec)
        assert spec["layout"]["yaxis9"]["range"][0] < spec["layout"]["yaxis9"]["range"][1]
    tools = drawn.says(e)["tools"]
    assert [name for name, _ in tools[0][2]] == list(drawn.names)


def test_another_cell_is_another_picture_here_and_the_same_one_in_flow():
    other = replace(FIVE, step=3)
    assert key(FIVE) != key(other)
    assert key(replace(FIVE, route=2)) == key(FIVE)
    assert key(replace(FIVE, view="flow")) == key(replace(other, view="flow"))


def test_the_next_cell_takes_the_run_that_stayed_and_says_the_same():
    before = computed(FIVE)
    other = replace(FIVE, layer=2, step=3)
    after, anew = computed(other, before=before), computed(other)
    assert isinstance(after, RoutesDrawn)
    assert after.reading is before.reading
    assert after.sentence == anew.sentence
    assert after.told.sum == anew.told.sum
    assert computed(replace(other, seed=9), before=before).reading is not before.reading


def test_a_state_that_overflows_is_told_by_flow():
    e = Experiment(cell="relu", depth=1, width=1, T=3000, init="by hand", hand="1 1.9 1", view="routes")
    assert isinstance(computed(e), FlowDrawn)


def test_the_board_is_given_the_chosen_cell_its_equation_and_its_figure():
    made = picture(FIVE, computed(FIVE), View())
    assert made.cell == (1, 2)
    assert made.equation.heading == "layer 1, step 2"
    assert made.says["flow"] is False


def test_the_table_taken_home_has_a_row_a_route_and_adds_up():
    told = drawn_of(MANY).told
    lines = routes_csv(told).splitlines()
    assert len(lines) == 1 + 7 + 1 + 1
    first, others, everything = lines[1].split(","), lines[8].split(","), lines[9].split(",")
    assert first[0] == "1"
    assert others[:2] == ["others", "4953"]
    assert everything[:2] == ["all", "4960"]
    assert '"1 space, 29 time, 2 space"' in lines[1]
    terms = [float(line.rsplit(",", 3)[1]) for line in lines[1:10]]
    assert sum(terms[:8]) == pytest.approx(terms[8], rel=1e-12)
    assert terms[8] == told.sum


def test_a_notebook_gets_the_same_figure_with_all_its_texts():
    made, cell = run(FIVE), (0, 1)
    figure = routes_figure(read(made), routes(made, *cell), groups(made, 0, spelled=4, most=0))
    notes = [re.sub(r"<[^>]*>", "", note.text) for note in figure.layout.annotations]
    page = [text for text in words(spec_of(FIVE, page=True)) if text]
    assert notes == page
    assert routes_spec(read(made), routes(made, *cell), None)["layout"]["height"] > 400
    assert sentences.routes(routes(made, *cell)).text.startswith("Five routes")


def test_a_sum_over_steps_can_be_asked_for_beside_the_routes():
    drawn = drawn_of(replace(BY_HAND, weight="W_T2"))
    assert drawn.told is None
    assert drawn.total.gradient == pytest.approx(read_sum(run(BY_HAND), "W_T2").gradient)
    assert "read as total derivatives" in drawn.sentence.text
    (tool,) = drawn.says(BY_HAND)["tools"]
    assert tool[2][0] == ["", "routes"]
    assert tool[3] == "W_T2"
    assert drawn_of(BY_HAND).says(BY_HAND)["tools"][0][3] == ""
