"""Rate as it is drawn and said: its figure and its sentence."""

import re
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from strategies import experiments

from rnnviz.experiment import Experiment, run, trace
from rnnviz.figures.rate import rate_figure, rate_spec
from rnnviz.jacobians import rates
from rnnviz.network import Layer, Network
from rnnviz.sentences.of_rate import rate as sentence
from rnnviz.sentences.of_rate import verdict
from rnnviz.tasks import Sequence

DEEP = Experiment(T=30)


def by_hand(W_T, T=60, cell="linear"):
    """The run of one layer with this W_T, under random inputs."""
    rng, n = np.random.default_rng(0), len(W_T)
    network = Network([Layer(rng.standard_normal((n, 1)), np.array(W_T), None, cell)], np.ones((1, n)))
    return trace(network, Sequence(rng.standard_normal((T, 1)), np.zeros((T, 1))))


def traces(spec, name):
    return [each for each in spec["data"] if each["name"] == name]


def texts(spec):
    return [re.sub(r"<[^>]+>", "", text["text"]) for text in spec["layout"]["meta"]["texts"]]


@settings(max_examples=40)
@given(experiments(max_T=12, max_depth=3, max_width=4))
def test_any_experiment_is_a_valid_figure_and_a_plain_sentence_layer_by_layer(experiment):
    made = run(experiment)
    for l in range(len(made.network.layers)):
        found = rates(made, l)
        said = sentence(found)
        assert said.lead
        assert not re.search(r"\bnan\b|\binf\b|None", said.text), said.text
        for page in (True, False):
            spec = rate_spec(found, page=page, decades=experiment.decades, caption=None if page else said.text)
            assert go.Figure({"data": spec["data"], "layout": {k: v for k, v in spec["layout"].items() if k != "meta"}})
            words = texts(spec) if page else [note["text"] for note in spec["layout"]["annotations"]]
            assert words
            assert not any(re.search(r"\bnan\b|\binf\b|None", text) for text in words), words


@pytest.mark.parametrize(("width", "tall"), [(500, None), (820, None), (1068, None), (1600, None), (1019, 380), (500, 380)])
@pytest.mark.parametrize("experiment", [DEEP, replace(DEEP, depth=12, width=3), replace(DEEP, depth=1), replace(DEEP, T=1)])
def test_everything_stands_inside_the_figure_at_every_width(width, tall, experiment):
    spec = rate_spec(rates(run(experiment)), width=width, tall=tall, page=True)
    assert spec["layout"]["height"] == tall if tall else spec["layout"]["height"] > 300
    for text in spec["layout"]["meta"]["texts"]:
        across = [text[side] for side in ("left", "right", "middle") if text[side] is not None]
        assert 0 <= across[0] <= width
        assert 0 <= text["y"] <= spec["layout"]["height"]
    for name, axis in spec["layout"].items():
        if "axis" in name and name != "coloraxis":
            low, high = axis["domain"]
            assert 0 <= low < high <= 1


@pytest.mark.parametrize("width", [500, 820, 1068, 1600])
@pytest.mark.parametrize("tall", [None, 380])
def test_the_circle_is_round_at_every_width(width, tall):
    spec = rate_spec(rates(run(DEEP)), width=width, tall=tall, page=True)
    layout = spec["layout"]
    x, y = layout["xaxis3"], layout["yaxis3"]
    plot = width - layout["margin"]["l"] - layout["margin"]["r"]
    across = (x["domain"][1] - x["domain"][0]) * plot / np.ptp(x["range"])
    upright = (y["domain"][1] - y["domain"][0]) * layout["height"] / np.ptp(y["range"])
    assert across == pytest.approx(upright, rel=1e-9)
    circle, = traces(spec, "circle")
    np.testing.assert_allclose(np.hypot(circle["x"], circle["y"]), 1.0, rtol=1e-6)


def test_the_two_fans_are_the_singular_values_of_the_layer_and_of_the_stack_on_one_scale():
    found = rates(run(DEEP), 1)
    spec = rate_spec(found, page=True)
    for number, spectrum in (("", found.own), ("2", found.stack)):
        largest, = (each for each in traces(spec, "largest") if each["xaxis"] == f"x{number}")
        smallest, = (each for each in traces(spec, "smallest") if each["xaxis"] == f"x{number}")
        np.testing.assert_array_equal(largest["x"], np.arange(30))
        np.testing.assert_allclose(largest["y"], [0.0, *spectrum.log10[:, 0]], rtol=1e-6)
        np.testing.assert_allclose(smallest["y"], [0.0, *spectrum.log10[:, -1]], rtol=1e-6)
    assert spec["layout"]["yaxis"]["range"] == spec["layout"]["yaxis2"]["range"]
    assert any(text.startswith("layer 2 by itself") for text in texts(spec))
    assert any(text.startswith("all 3 layers jointly") for text in texts(spec))


def test_a_single_layer_has_one_fan():
    spec = rate_spec(rates(run(replace(DEEP, depth=1))), page=True)
    assert len(traces(spec, "largest")) == 1
    assert "xaxis3" not in spec["layout"]


def test_exact_zeros_end_their_lines_and_are_counted_in_words():
    found = rates(run(replace(DEEP, cell="relu", depth=1)))
    zeros = int(np.isneginf(found.own.log10[-1]).sum())
    assert 0 < zeros < 16
    spec = rate_spec(found, page=True)
    assert f"{zeros} of 16 exactly 0" in texts(spec)
    between, = traces(spec, "between")
    heights = np.asarray(between["y"], float)
    assert not np.isinf(heights).any()


def test_a_product_far_outside_the_float_range_has_its_own_ticks():
    spec = rate_spec(rates(by_hand([[1e-30]], T=100)), page=True)
    low, high = spec["layout"]["yaxis"]["range"]
    places = spec["layout"]["yaxis"]["tickvals"]
    assert high - low > 1900
    assert 2 <= len(places) <= 6
    assert all(low <= place <= high for place in places)


def test_a_fan_that_stays_at_1_has_a_decade_on_either_side():
    spec = rate_spec(rates(run(replace(DEEP, cell="linear", depth=1, g=1.0))), page=True)
    low, high = spec["layout"]["yaxis"]["range"]
    assert low < -1 < 1 < high
    assert [place for place in spec["layout"]["yaxis"]["tickvals"] if abs(place) == 1] == [-1, 1]


@pytest.mark.parametrize(("W_T", "falls"), [([[0.5]], True), ([[1.5]], False)])
def test_what_is_left_out_is_said_in_the_corner_that_the_fan_leaves_free(W_T, falls):
    spec = rate_spec(rates(by_hand(W_T, T=450)), page=True)
    words, = (text for text in spec["layout"]["meta"]["texts"] if text["text"] == "the last 400 of 449")
    _, top = spec["layout"]["yaxis"]["domain"]
    middle = spec["layout"]["height"] * (1 - top / 2 - spec["layout"]["yaxis"]["domain"][0] / 2)
    assert (words["y"] > middle) == falls


@pytest.mark.parametrize(("w", "words"), [(0.5, "shrinks to 0.50"), (1.5, "grows to 1.50"), (1.0, "keeps 1.00")])
def test_one_unit_multiplies_by_a_number(w, words):
    assert sentence(rates(by_hand([[w]]))).text.startswith(
        f"Backward, every step multiplies by a number. What flows back {words} per step.")


@pytest.mark.parametrize("W_T", [[[0.5]], [[1.5]], [[1.0]], [[0.9, 0.9], [0.0, 0.5]]])
def test_the_topmost_line_is_named_over_its_right_end(W_T):
    found = rates(by_hand(W_T))
    spec = rate_spec(found, page=True)
    axis, height = spec["layout"]["yaxis"], spec["layout"]["height"]
    foot, top = (height * (1 - share) for share in axis["domain"])
    name, = (text for text in spec["layout"]["meta"]["texts"] if text["text"] == "largest σ")
    line = np.interp([0.0, *found.own.largest][-6:], axis["range"], (foot, top))
    assert (name["y"] + 8 < line).all()


def test_the_name_of_the_topmost_line_keeps_off_the_dotted_bound():
    found = rates(run(DEEP))
    for options in (dict(), dict(width=1019, tall=380), dict(width=1600)):
        spec = rate_spec(found, page=True, **options)
        axis, height = spec["layout"]["yaxis"], spec["layout"]["height"]
        foot, top = (height * (1 - share) for share in axis["domain"])
        name, = (text for text in spec["layout"]["meta"]["texts"] if text["text"] == "largest σ")
        dotted = np.interp(np.log10(0.8) * np.arange(24, 30), axis["range"], (foot, top))
        assert np.abs(name["y"] - dotted).min() > 9


def test_one_exponent_is_said_once_and_rounding_is_0():
    said = texts(rate_spec(rates(by_hand([[0.5]])), page=True))
    assert "Lyapunov exponents  −0.69, ln per step" in said
    said = texts(rate_spec(rates(run(replace(DEEP, cell="linear", depth=1, g=1.0))), page=True))
    assert "Lyapunov exponents  0, ln per step" in said


def test_two_layers_are_both():
    found = rates(run(replace(DEEP, depth=2)))
    assert any(text.startswith("both layers jointly") for text in texts(rate_spec(found, page=True)))
    assert "Both layers are guaranteed to vanish" in sentence(found).text
    assert "Through both layers jointly" in sentence(found).text


def test_the_eigenvalues_are_drawn_alone_and_times_the_mean_slope():
    made = run(DEEP)
    found = rates(made, 2)
    spec = rate_spec(found, page=True)
    eigenvalues = np.linalg.eigvals(made.network.layers[2].W_T)
    mean = made.backward.slopes[2].mean()
    for name, expected in (("eigenvalues", eigenvalues), ("after the mean slope", mean * eigenvalues)):
        drawn, = traces(spec, name)
        np.testing.assert_allclose(np.sort(np.hypot(drawn["x"], drawn["y"])), np.sort(np.abs(expected)), rtol=1e-5)
    assert any(f"after the mean φ′ = {mean:.2f}" in text for text in texts(spec))


def test_the_bound_is_dotted_only_where_it_guarantees_something():
    fades, grows = (rate_spec(rates(run(replace(DEEP, g=g))), page=True) for g in (0.8, 1.4))
    bound, = traces(fades, "bound")
    np.testing.assert_allclose(bound["y"], np.arange(30) * np.log10(0.8), rtol=1e-5)
    assert not traces(grows, "bound")
    assert "All layers are guaranteed to vanish: in each, W_T and φ′ let less than 1 through per step, here at most 0.80." in \
        sentence(rates(run(DEEP))).text
    assert any("guaranteed to vanish, layer 1 by itself" in text for text in texts(fades))
    assert any("it guarantees nothing" in text for text in texts(grows))


def test_the_slopes_of_every_layer_are_said():
    made = run(DEEP)
    said = texts(rate_spec(rates(made), page=True))
    for slope in made.backward.slopes:
        assert any(text.startswith(f"{slope.mean():.2f}, ") and text.endswith("% shut") for text in said)


def test_a_figure_in_a_notebook_has_no_colour_bar_and_its_words_are_annotations():
    figure = rate_figure(rates(run(DEEP)), caption="All of it.")
    assert not any(trace.type == "heatmap" for trace in figure.data)
    assert any(note.text == "All of it." for note in figure.layout.annotations)


# The sentence.


def test_the_sentence_says_what_the_product_formed_step_by_step_keeps():
    made = run(replace(DEEP, depth=1))
    product = np.linalg.multi_dot([slope[:, None] * made.network.layers[0].W_T for slope in made.backward.slopes[0][:0:-1]])
    pace = np.linalg.norm(product, 2) ** (1 / 29)
    text = sentence(rates(made)).text
    assert f"Its best-kept direction shrinks to {pace:.2f} per step." in text
    assert "W_T alone would keep 0.80; the activation takes the rest." in text


def test_a_linear_layer_has_no_activation_that_takes_a_rest():
    text = sentence(rates(run(replace(DEEP, cell="linear", depth=1)))).text
    assert "shrinks to 0.80 per step" in text
    assert "activation" not in text


@pytest.mark.parametrize("g", [0.5, 0.9, 1.0, 1.3])
@pytest.mark.parametrize("cell", ["tanh", "relu", "linear", "sigmoid"])
def test_vanishing_is_guaranteed_in_words_exactly_where_the_bound_of_an_orthogonal_layer_says_so(g, cell):
    found = rates(run(replace(DEEP, cell=cell, g=g)))
    assert ("guaranteed" in sentence(found).text) == (g * (0.25 if cell == "sigmoid" else 1.0) < 1)


def test_what_holds_for_one_layer_is_not_said_of_the_stack():
    rng = np.random.default_rng(0)
    layers = [Layer(rng.standard_normal((3, 1)), 0.5 * np.eye(3)), Layer(np.eye(3), 1.5 * np.eye(3), None, "linear")]
    made = trace(Network(layers, np.ones((1, 3))), Sequence(rng.standard_normal((20, 1)), np.zeros((20, 1))))
    assert "Layer 1 by itself is guaranteed to vanish" in sentence(rates(made, 0)).text
    assert "the stack is not" in sentence(rates(made, 0)).text
    assert "guaranteed" not in sentence(rates(made, 1)).text


@pytest.mark.parametrize(("W_T", "expected"), [
    ([[0.5]], "fades"), ([[1.0]], "holds"), ([[1.5]], "grows"), ([[0.9, 4.0], [0.0, 0.9]], "first grows"), ([[0.0]], "gone"),
])
def test_the_verdict_names_the_regime(W_T, expected):
    assert verdict(rates(by_hand(W_T)).own) == expected


def test_a_matrix_that_first_amplifies_is_not_judged_by_its_eigenvalues():
    text = sentence(rates(by_hand([[0.9, 4.0], [0.0, 0.9]]))).text
    norms = [np.linalg.norm(np.linalg.matrix_power([[0.9, 4.0], [0.0, 0.9]], k), 2) for k in range(60)]
    assert text.startswith(f"Backward, the best-kept direction first grows {max(norms):.0f} times in {np.argmax(norms)} steps, "
                           f"then shrinks: after 59 steps it is at {norms[-1]:.2f}.")
    assert "The largest eigenvalue of W_T is only 0.90, but W_T alone amplifies up to 16 times, over 9 steps." in text


def test_a_dead_layer_leaves_nothing():
    made = run(replace(DEEP, cell="relu", bias=-3.0, input_scale=0.1, depth=1))
    assert "1 step leaves nothing: every singular value of the product is exactly 0" in sentence(rates(made)).text
    assert "W_T and φ′ let nothing through per step." in sentence(rates(by_hand([[0.0]]))).text


def test_an_overflow_is_said_with_its_step():
    made = by_hand([[1e30]], T=20)
    assert f"At step {made.forward.overflow[1] + 1} a state overflows" in sentence(rates(made)).text


def test_a_layer_without_recurrence_gives_way_to_the_stack():
    found = rates(run(replace(DEEP, layers="4, 3 static, 2 tanh")), 1)
    assert sentence(found).text.startswith("Backward, every step of the stack is a matrix. Its best-kept direction shrinks to")
    assert sentence(rates(run(replace(DEEP, T=1)))).text.startswith("A product of Jacobians needs two steps.")
