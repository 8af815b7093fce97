"""The map as it is drawn and said."""

import re
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from strategies import experiments

from rnnviz import gainmap
from rnnviz.experiment import Experiment
from rnnviz.figures.gainmap import map_figure, map_spec
from rnnviz.figures.theme import LEFT
from rnnviz.gainmap import crossings, sweep
from rnnviz.numbers import number
from rnnviz.sentences.of_map import gain_map

DEFAULT = sweep(Experiment(), draws=4)
CASES = {
    "default": DEFAULT,
    "deep past": sweep(Experiment(depth=1, T=3000, g=2.9), draws=2),
    "one step": sweep(Experiment(depth=1, T=1, g=0.0), draws=2, lags=1),
    "dead": sweep(Experiment(cell="relu", depth=1, bias=-2.0, input_scale=0.2), draws=3),
    "dying": sweep(Experiment(cell="relu", width=4, bias=-0.1, seed=3), draws=6),
    "overflow": sweep(Experiment(cell="linear", depth=1, width=3, T=700, g=3.0), gains=[0.5, 1.0, 3.0], lags=700, draws=2),
    "no theory": sweep(Experiment(cell="relu", depth=1, init="identity"), draws=2),
}


def plain(words):
    return re.sub(r"<[^>]+>", "", words)


def texts(spec):
    """{words: text} of a page's figure."""
    return {plain(text["text"]): text for text in spec["layout"]["meta"]["texts"]}


def paths(spec, width):
    """The points, in px, of every line of the page's figure that is so wide, dashed ones left out."""
    rules = [rule for rule in spec["layout"]["meta"]["rules"] if f'stroke-width="{width}"' in rule and "dasharray" not in rule]
    return [np.array(re.findall(r"(-?[\d.]+) (-?[\d.]+)", re.search(r'd="([^"]+)"', rule)[1]), float) for rule in rules]


@settings(max_examples=25)
@given(experiments(max_T=10, max_depth=3, max_width=4))
def test_any_experiment_that_has_a_map_is_a_valid_figure_and_a_plain_sentence(experiment):
    if gainmap.map_problem(experiment):
        return
    made = sweep(experiment, gains=[0.5, 1.0, 2.0], lags=min(9, gainmap.lags_of(experiment)), draws=2)
    sentence = gain_map(made)
    assert sentence.lead
    assert not re.search(r"\bnan\b|inf\b|None|  ", sentence.text), sentence.text
    for page in (True, False):
        spec = map_spec(made, page=page, caption=None if page else sentence.text)
        assert go.Figure({"data": spec["data"], "layout": {k: v for k, v in spec["layout"].items() if k != "meta"}})


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", CASES)
def test_every_case_is_drawn_in_both_themes_and_keeps_its_texts_inside(name, theme):
    made = CASES[name]
    for options in (dict(width=500), dict(), dict(width=1400), dict(width=1019, tall=380)):
        spec = map_spec(made, theme=theme, page=True, **options)
        layout = spec["layout"]
        assert layout["width"] == options.get("width", 1068)
        assert layout["height"] == options.get("tall", layout["height"])
        for words, text in texts(spec).items():
            assert "nan" not in words
            at = next(text[side] for side in ("left", "right", "middle") if text[side] is not None)
            assert 0 <= at <= layout["width"]
            assert 0 <= text["y"] <= layout["height"]
    assert map_figure(made, theme=theme).layout.paper_bgcolor == layout["paper_bgcolor"]


def test_the_cells_hold_the_mean_at_every_scale_and_lag_and_the_numbers_behind_it():
    spec = map_spec(DEFAULT, decades=4, page=True)
    (cells,) = (trace for trace in spec["data"] if trace["name"] == "left")
    np.testing.assert_allclose(cells["z"], np.clip(DEFAULT.mean, -4, 4), atol=1e-6)
    np.testing.assert_allclose((cells["x"][1:] + cells["x"][:-1]) / 2, DEFAULT.gains, atol=1e-6)
    np.testing.assert_array_equal(cells["y"], DEFAULT.lags)
    np.testing.assert_allclose(cells["customdata"][..., 0], np.broadcast_to(DEFAULT.gains, DEFAULT.mean.shape), atol=1e-6)
    np.testing.assert_allclose(cells["customdata"][..., 1], DEFAULT.mean, rtol=1e-6)
    np.testing.assert_allclose(cells["customdata"][..., 2], DEFAULT.spread, rtol=1e-6, atol=1e-12)
    np.testing.assert_array_equal(cells["customdata"][..., 3], 4)


@pytest.mark.parametrize("options", [dict(), dict(width=500), dict(width=1019, tall=380)])
def test_the_heavy_line_and_the_thin_ones_stand_where_1_and_a_thousandth_and_1e_7_are_left(options):
    spec = map_spec(DEFAULT, page=True, **options)
    surface = spec["layout"]["meta"]["surface"]

    def px(curve):
        there = np.isfinite(curve)
        x = np.interp(curve[there], surface["x"], (surface["left"], surface["right"]))
        y = np.interp(DEFAULT.lags[there], surface["y"], (surface["bottom"], surface["top"]))
        return np.stack([x, y], axis=-1)

    for level, pen in ((0, 3), (-3, 1.2), (-7, 1.2)):
        true = px(crossings(DEFAULT.gains, DEFAULT.mean, level))
        assert len(true) > 40
        assert any(path.shape == true.shape and np.abs(path - true).max() < 0.06 for path in paths(spec, pen))
    assert {"edge: 1", "10⁻³", "10⁻⁷"} <= set(texts(spec))


@pytest.mark.parametrize("g", [0.0, 0.8, 3.0])
def test_you_are_here_stands_at_the_scale_or_at_the_end_next_to_it(g):
    made = replace_experiment(DEFAULT, g=g)
    spec = map_spec(made, page=True)
    surface = spec["layout"]["meta"]["surface"]
    (line,) = paths(spec, 2.6)
    true = np.interp(g, surface["x"], (surface["left"], surface["right"]))
    np.testing.assert_allclose(line[:, 0], true, atol=0.06)
    np.testing.assert_allclose(sorted(line[:, 1]), [surface["top"], surface["bottom"]], atol=0.06)
    assert f"you are here: {g:g}" in texts(spec)


def replace_experiment(made, **change):
    return replace(made, experiment=replace(made.experiment, **change))


@pytest.mark.parametrize(("T", "words"), [(30, "first step of your 30-step run"), (60, "first step of your 60-step run"),
                                          (75, "first step of your 75-step run: 15 further back")])
def test_the_run_s_first_step_is_a_dotted_line_at_its_lag_or_is_said_to_lie_further_back(T, words):
    spec = map_spec(replace_experiment(DEFAULT, T=T), page=True)
    dotted = [rule for rule in spec["layout"]["meta"]["rules"] if 'dasharray="3 3"' in rule]
    assert words in texts(spec)
    assert len(dotted) == (T <= 60)
    if dotted:
        surface = spec["layout"]["meta"]["surface"]
        y = np.interp(T - 1, surface["y"], (surface["bottom"], surface["top"]))
        assert f"{LEFT} {y:.1f}" in dotted[0].replace(".0 ", " ")


def across(text, long):
    """The box [left, top, right, bottom] of a text so long."""
    left = text["left"] if text["left"] is not None else text["right"] - long
    return left, text["y"] - 9, left + long, text["y"] + 9


def covers(a, b):
    """Whether two boxes [left, top, right, bottom] share more than their rims."""
    return min(a[2], b[2]) - max(a[0], b[0]) > 1 and min(a[3], b[3]) - max(a[1], b[1]) > 1


@pytest.mark.parametrize("options", [dict(), dict(width=500), dict(width=1019, tall=380)])
@pytest.mark.parametrize("g", [0.05, 0.4, 0.8, 1.1, 1.46, 2.0, 2.9])
def test_no_label_on_the_map_covers_another_or_the_line_of_your_scale(g, options):
    spec = map_spec(replace_experiment(DEFAULT, g=g), page=True, **options)
    (here,) = paths(spec, 2.6)
    labels = {words: across(text, 6 * len(words)) for words, text in texts(spec).items() if "back" in text}
    assert len(labels) == 6
    for words, box in labels.items():
        assert not any(covers(box, other) for more, other in labels.items() if more != words), words
        assert words.startswith("first step") or not box[0] < here[0, 0] < box[2], words


def test_the_label_of_the_runs_first_step_keeps_off_your_scale_at_the_right_end():
    for g in (0.8, 2.7, 2.9, 3.0):
        spec = map_spec(replace_experiment(DEFAULT, g=g), page=True)
        (here,) = paths(spec, 2.6)
        left, _, right, _ = across(texts(spec)["first step of your 30-step run"], 175)
        assert not left < here[0, 0] < right


def test_a_map_too_narrow_for_its_labels_is_drawn_all_the_same():
    assert "you are here: 0.8" in texts(map_spec(DEFAULT, page=True, width=200))


def test_the_surface_turns_a_place_into_the_scale_and_the_lag_drawn_there():
    surface = map_spec(DEFAULT, page=True)["layout"]["meta"]["surface"]
    assert (surface["x"][0] + 0.025, surface["x"][1] - 0.025) == pytest.approx((0.05, 3.0))
    assert surface["y"] == [-0.5, 59.5]
    assert surface["right"] - surface["left"] == 1068 - 84 - 38
    assert map_figure(DEFAULT).layout.meta["surface"] == surface


def test_the_theory_is_drawn_dashed_beside_the_measurement_where_there_is_one():
    for made, there in ((DEFAULT, True), (CASES["no theory"], False)):
        spec = map_spec(made, page=True)
        assert any('dasharray="7 5"' in rule for rule in spec["layout"]["meta"]["rules"]) == there
        assert ("wide layers, by theory" in texts(spec)) == there
        assert any("dashed: the same for wide layers" in words for words in texts(spec)) == there


@pytest.mark.parametrize(("name", "words"), [
    ("default", "mean over 4 draws: orthogonal tanh, layer 1 of 3, width 16"),
    ("dead", "grey: no draw counts"), ("overflow", "left out: up to 2 of 2 draws that leave the float range"),
])
def test_the_headings_say_what_was_averaged_and_what_was_left_out(name, words):
    assert any(words in text for text in texts(map_spec(CASES[name], page=True)))


def test_where_no_draw_counts_the_ground_shows_through_in_a_colour_that_no_gradient_has():
    made = CASES["dying"]
    spec = map_spec(made, page=True)
    np.testing.assert_array_equal(np.isnan(spec["data"][0]["z"]), made.counted == 0)
    assert (made.counted == 0).any()
    layout = spec["layout"]
    assert layout["plot_bgcolor"] not in [layout["paper_bgcolor"], *(stop for _, stop in layout["coloraxis"]["colorscale"])]


def test_the_colours_end_8_decades_off_1_unless_pinned():
    assert [map_spec(DEFAULT, decades=n)["layout"]["coloraxis"]["cmax"] for n in (0, 2, 32)] == [8, 2, 32]


# The sentence.


def test_a_gradient_that_changes_little_away_from_the_edge_only_nearly_holds():
    made = sweep(Experiment(depth=1, width=32, init="Gaussian", task="impulse", g=1.0), draws=4)
    edge = made.edge[29]
    assert abs(10.0 ** (made.at(1.0)[29] / 29) - 1) < 0.07
    assert edge > 1.1
    assert lead(made) == f"At scale 1 the gradient nearly holds. It would hold at about {number(edge)}."


def test_a_gradient_that_no_scale_lets_fade_has_words_of_its_own():
    grown = replace(DEFAULT, mean=np.where(DEFAULT.lags[:, None] > 0, 2.0, 0.0) + 0 * DEFAULT.mean)
    assert lead(grown).endswith(" Even at scale 0.05 it is no smaller than at the loss.")


def lead(made):
    return "".join(words for words, _ in gain_map(made).lead)


def test_the_sentence_says_whether_the_gradient_fades_and_where_it_would_hold():
    edge = crossings(DEFAULT.gains, DEFAULT.mean, 0.0)[29]
    assert lead(DEFAULT) == f"At scale 0.8 the gradient fades. It would hold at about {number(edge)}."
    assert lead(replace_experiment(DEFAULT, g=2.5)) == \
        f"At scale 2.5 the gradient blows up. It would hold at about {number(edge)}."
    at_edge = round(float(edge), 2)
    assert lead(replace_experiment(DEFAULT, g=at_edge)) == \
        f"At scale {at_edge:g} the gradient holds: the edge is at about {number(edge)}."


def test_the_line_under_it_gives_the_slope_at_the_edge_and_the_edge_of_theory():
    slope = np.interp(DEFAULT.edge[29], DEFAULT.gains, DEFAULT.slope)
    theory = crossings(DEFAULT.gains, DEFAULT.predicted, 0.0)[29]
    assert gain_map(DEFAULT).text.endswith(
        f"The edge is not at 1: the activation lets {slope:.2f} through at each step, so the weights must make up for it. "
        f"For wide layers theory puts it at {theory:.2f}.")


def test_the_edge_of_an_orthogonal_linear_layer_is_said_to_be_at_1():
    made = sweep(Experiment(cell="linear", depth=1, g=1.0), draws=2)
    assert gain_map(made).text == (
        "At scale 1 the gradient holds: the edge is at about 1.00. The edge is at 1: the activation lets everything through, "
        "and W_T on average keeps sizes. For wide layers theory puts it at 1.00.")


def test_the_edge_of_a_wide_gaussian_relu_layer_is_said_to_be_near_the_square_root_of_2():
    made = sweep(Experiment(cell="relu", depth=1, init="Gaussian", width=100, task="noise", inputs=4), draws=8)
    assert abs(made.edge[29] - 2**0.5) < 0.07
    assert gain_map(made).text.endswith("For wide layers theory puts it at 1.41.")


@pytest.mark.parametrize(("experiment", "words"), [
    (Experiment(cell="sigmoid", depth=1), "At scale 0.8 the gradient fades. No scale up to 3 would hold it."),
    (Experiment(cell="linear", depth=1, g=0.0), "At scale 0 exactly 0 goes back a step: every W_T is 0."),
    (Experiment(T=1), "One step: there is no step to go back to, so the recurrent scale does not matter."),
    (Experiment(cell="relu", depth=1, bias=-2.0, input_scale=0.2),
     "At scale 0.8 exactly 0 arrives 29 steps back, in every draw."),
])
def test_what_has_no_edge_or_no_gradient_has_words_of_its_own(experiment, words):
    assert lead(sweep(experiment, draws=2)) == words


def test_a_state_that_overflows_in_every_draw_is_said():
    assert lead(CASES["overflow"]) == "At scale 3 every draw leaves the range of a float64."


def test_an_edge_beside_1_is_not_said_to_be_at_it():
    said = gain_map(sweep(Experiment(cell="linear", depth=1, g=1.0, init="Gaussian", width=100), draws=4)).text
    assert "The edge is near 1: the activation lets everything through" in said
    assert "the edge is at about 1.00" not in said


def test_an_edge_below_1_is_laid_to_the_layers_above():
    made = sweep(Experiment(cell="linear"), draws=4)
    assert made.edge[29] < 0.95
    assert "The edge is below 1: layer 1 also receives, at every step, what comes through the 2 layers above." \
        in gain_map(made).text


def test_draws_with_an_exact_zero_are_counted_in_the_sentence():
    made = CASES["dying"]
    dead = int(made.dead[29, made.nearest(0.8)])
    assert 1 < dead < 6
    assert gain_map(made).text.endswith(f"In {dead} draws of 6 exactly 0 arrives; the mean leaves them out.")
