"""Rate, Wall and Map on the page: their scenes and what the sources claim, what is refused, reported, kept and taken home."""

import contextlib
import csv
import io
import re
from dataclasses import replace
from functools import cache
from math import atanh, log, sqrt

import numpy as np
import plain
import plotly.graph_objects as go
import pytest
from streamlit.runtime.scriptrunner import StopException
from test_live import drawn as answered
from test_live import lane
from test_page import button, choose, edit, opened, picture, put, report, shown, sound, to_query_of, type_in, visit, widgets

from rnnviz import rate_sentence, rates
from rnnviz.claims import CLAIMS
from rnnviz.examples import SCENES
from rnnviz.experiment import CONTROLS, Experiment, run
from rnnviz.links import to_link
from rnnviz.network import matrices
from rnnviz.own import Weights
from rnnviz.ui import causes
from rnnviz.ui import page as script

VIEWS = ("rate", "wall", "map")
STAGED = [(view, name) for view in ("truncation", *VIEWS) for name in SCENES[view]]
SOURCED = [(view, name) for view, name in STAGED if (view, name) in CLAIMS]
SMALL = "view=map&depth=1&width=4"
OWN = "view=wall&surface=this network&depth=2&width=4&T=6"
TINY = {"depth": "1", "width": "2", "T": "4"}


def staged(view, name):
    """The experiment of a scene as its view shows it."""
    return replace(SCENES[view][name], view=view)


@cache
def scene(view, name):
    """The picture that the link of a scene opens."""
    return picture(visit(to_query_of(staged(view, name))))


def claim(made):
    return made["says"]["claim"]


def arrays(made):
    return [value for trace in made["spec"]["data"] for value in trace.values() if isinstance(value, np.ndarray)]


def same_figure(one, other):
    for mine, theirs in zip(arrays(one), arrays(other), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def computed(page):
    """What the page has computed for the view on show: a Drawn."""
    return page.session_state["drawn"][1]


def trace(made, name):
    return next(trace for trace in made["spec"]["data"] if trace["name"] == name)


# Scenes.


@pytest.mark.parametrize(("view", "name"), STAGED)
def test_the_link_of_a_scene_opens_it_without_a_note_and_with_whole_sentences(view, name):
    made = scene(view, name)
    assert made["link"] == to_link(staged(view, name))
    assert not made["notes"]
    assert made["alt"].endswith(".")
    assert not re.search(r"nan|None|\binf\b", made["alt"] + claim(made))
    assert bool(claim(made)) == ((view, name) in CLAIMS)
    assert made["controls"]["example"] == name


def test_what_a_source_claims_belongs_to_a_scene():
    assert set(CLAIMS) == set(SOURCED)


@pytest.mark.parametrize("view", VIEWS)
def test_a_scene_opens_from_its_pill_as_it_does_from_its_link(view):
    page = visit(f"view={view}")
    first, *others = SCENES[view]
    for name in (*others, first):
        made, there = picture(choose(page, name)), scene(view, name)
        assert widgets(page)["example"].value == name
        assert [made[part] for part in ("link", "lead", "consequence", "says", "notes")] == [
            there[part] for part in ("link", "lead", "consequence", "says", "notes")]
        same_figure(made, there)


@pytest.mark.parametrize(("view", "field", "value"), [("rate", "T", 25), ("wall", "start", "4.6 -2.1"), ("map", "g", 1.3)])
def test_no_source_is_quoted_once_a_setting_differs_from_its_scene(view, field, value):
    page = visit(f"view={view}")
    for _, name in [one for one in SOURCED if one[0] == view][:2]:
        assert claim(picture(choose(page, name)))
        made = picture(put(page, field, value))
        assert claim(made) == ""
        assert made["controls"]["example"] is None


def said(view, name):
    """The numbers that the claim of a scene prints, less the year of its source."""
    return plain.numbers(re.sub(r"\(\d{4}\)|part 1|figure 6", "", claim(scene(view, name))))


def test_hochreiters_factor_is_a_quarter_of_the_weight_and_no_step_of_the_run_is_over_it():
    (w_S, w_T, b), h, factors = (1.0, 3.6, -1.8), 0.0, []
    for x in [1.0] + [0.0] * 19:
        h = 1 / (1 + np.exp(-(w_S * x + w_T * h + b)))
        factors.append(w_T * h * (1 - h))
    *_, bound, largest = said("rate", "Hochreiter's factor")
    assert plain.agrees(bound, 3.6 / 4)
    assert plain.agrees(largest, max(factors[1:]))  # the first step leads from h_0, which no product includes
    assert max(factors) < 3.6 / 4


def test_an_orthogonal_linear_layer_keeps_every_singular_value_at_1_over_29_steps():
    W_T = run(SCENES["rate"]["Orthogonal, linear"]).network.layers[0].W_T
    products = [np.linalg.matrix_power(W_T, lag) for lag in range(1, 30)]
    np.testing.assert_allclose(np.linalg.svd(products, compute_uv=False), 1, rtol=0, atol=1e-12)
    *_, off, steps = said("rate", "Orthogonal, linear")
    assert plain.value(off) < 1e-13
    assert steps == "29"


def test_the_identity_start_keeps_all_of_the_gradient_of_a_plain_loop():
    rate, _, _ = plain.line(plain.grid_of(run(SCENES["rate"]["Identity start"])).left()[0])
    assert rate == pytest.approx(1, abs=1e-12)
    assert said("rate", "Identity start")[-1] == "1.000"


def test_the_shear_amplifies_more_than_tenfold_as_its_powers_do_although_its_radius_is_below_1():
    A = np.array([[0.9, 4.0], [0.0, 0.9]])
    sizes = [np.linalg.norm(np.linalg.matrix_power(A, k), 2) for k in range(1, 80)]
    radius, times, lag = said("rate", "First grows, then fades")[-3:]
    assert radius == "0.90"
    assert max(sizes) > 10
    assert plain.agrees(times, max(sizes))
    assert int(lag) == 1 + int(np.argmax(sizes))


def unit_loss(w, b):
    """Pascanu's unit: x = w sigmoid(x) + b, 50 times from 0.5, against 0.7. Complex numbers go through."""
    x = 0.5
    for _ in range(50):
        x = w / (1 + np.exp(-x)) + b
    return (1 / (1 + np.exp(-x)) - 0.7) ** 2


@cache
def bits():
    return np.around(np.random.RandomState(1).rand(20, 10))  # noqa: NPY002 - Roelants' own data


def counting_loss(wx, wRec):
    """Roelants' counting network, the mean over his sequences. Complex numbers go through."""
    s = 0.0
    for k in range(10):
        s = bits()[:, k] * wx + s * wRec
    return ((s - bits().sum(axis=1)) ** 2).mean()


def slope(loss, x, y, tiny=1e-30):
    """The gradient of a loss of two numbers, by complex step."""
    return np.array([loss(x + 1j * tiny, y).imag, loss(x, y + 1j * tiny).imag]) / tiny


def descended(loss, start, steps, step):
    """The points of a way down, the start first: step(gradient) is what each adds."""
    points = [np.array(start)]
    for _ in range(steps):
        points.append(points[-1] + step(slope(loss, *points[-1])))
    return np.array(points)


def test_the_wall_throws_plain_descent_as_far_as_a_loop_by_complex_step_and_the_clipped_one_ends_where_that_ends():
    def clipped(gradient):
        return -0.5 * gradient * min(1, 0.3 / np.hypot(*gradient))

    plainly = descended(unit_loss, (4.9, -2.2), 60, lambda gradient: -0.5 * gradient)
    inside = (plainly >= (3.9, -2.7)).all(axis=1) & (plainly <= (5.3, -1.8)).all(axis=1)
    away = np.hypot(*np.diff(plainly, axis=0).T)[:int((~inside).argmax())].max()
    thrown, loss = said("wall", "Pascanu's wall")[-2:]
    assert plain.agrees(thrown, away)
    assert plain.agrees(loss, unit_loss(*descended(unit_loss, (4.9, -2.2), 60, clipped)[-1]))


def test_doyas_folds_at_w_5_lie_where_the_slope_of_the_logistic_is_a_fifth():
    states = [(1 + sign * sqrt(1 - 4 / 5)) / 2 for sign in (-1, 1)]  # s (1 - s) = 1/5
    low, high = sorted(log(s / (1 - s)) - 5 * s for s in states)
    found = said("wall", "Doya's folds")
    assert found[-3] == "5"
    assert plain.agrees(found[-2], low)
    assert plain.agrees(found[-1], high)


def test_the_latch_of_w_2_holds_against_root_2_less_artanh_of_its_half():
    found = said("wall", "A latch")
    assert plain.agrees(next(text for text in found if "." in text), sqrt(2) - atanh(sqrt(1 / 2)))


def test_rprop_comes_to_the_digits_that_roelants_prints_and_a_loop_by_complex_step_does_too():
    sizes, before = np.full(2, 0.001), np.zeros(2)

    def step(gradient):
        nonlocal sizes, before
        sizes, before = sizes * np.where(np.sign(gradient) == before, 1.2, 0.5), np.sign(gradient)
        return -before * sizes

    end = descended(counting_loss, (-1.5, 2.0), 500, step)[-1]
    assert said("wall", "Roelants' RProp") == ["1.0014", "0.9997"] * 2
    assert [f"{value:.4f}" for value in end] == ["1.0014", "0.9997"]


def test_roelants_gradient_is_two_million_and_his_figure_twenty_times_too_high():
    s = bits() @ (2.0 ** np.arange(9, -1, -1))  # wx = 1, wRec = 2: the bits read as a number
    largest = 2 * np.abs((s - bits().sum(axis=1)).sum()) * 2.0**10
    _, here, his, sequences, right = said("wall", "Roelants' gradient")
    assert plain.agrees(here, np.hypot(*slope(counting_loss, 1, 2)))
    assert plain.agrees(his, 20 * largest)
    assert plain.agrees(right, largest)
    assert (here, his, sequences, right) == ("2.2\u00a0×\u00a010⁶", "3.6\u00a0×\u00a010⁸", "20", "1.8\u00a0×\u00a010⁷")


def left(experiment, g, draws=16):
    """The mean over draws of log10 of what is left in layer 1 at step 1, by runs made one by one; exact zeros are left out."""
    made = [run(replace(experiment, g=round(g, 4), seed=experiment.seed + i)).backward.delta[0] for i in range(draws)]
    sizes = [(np.linalg.norm(delta[0]), np.linalg.norm(delta[-1])) for delta in made]
    return np.mean([np.log10(first / last) for first, last in sizes if first])


@pytest.mark.parametrize(("name", "theory"), [("Critical gain", "1.000"), ("ReLU", "1.414"), ("With input", None)])
def test_the_measured_edge_lies_where_runs_one_by_one_turn_from_fading_to_growing(name, theory):
    by_theory, edge, width, steps = said("map", name)[-4:]
    assert by_theory == theory or theory is None
    assert (width, steps) == ("128", "59")
    experiment = SCENES["map"][name]
    assert left(experiment, plain.value(edge) - 0.05) < 0 < left(experiment, plain.value(edge) + 0.05)


def test_the_edge_with_input_is_where_integrals_over_a_normal_variable_keep_the_gradient_of_these_inputs():
    z, shares = np.polynomial.hermite_e.hermegauss(121)
    shares = shares / shares.sum()
    e = SCENES["map"]["With input"]
    inputs = np.array([run(replace(e, seed=e.seed + i)).sequence.x[:, 0] for i in range(16)])

    def kept(g):
        """The mean over draws of ln of what 59 steps back leave of a gradient, squared."""
        size, total = np.zeros(16), 0.0
        for x in inputs.T[:59]:  # the last step is lag 0
            states = np.sqrt(g * g * size + x * x)[:, None] * z
            size = np.tanh(states) ** 2 @ shares
            total += np.log(g * g * (np.cosh(states) ** -4.0 @ shares)).mean()
        return total

    low, high = 1.0, 3.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if kept(middle) < 0 else (low, middle)
    assert plain.value(said("map", "With input")[-4]) == pytest.approx(low, abs=0.01)


# A wall and the network on the controls.


def test_every_scene_of_the_wall_leaves_the_network_and_its_weights_as_they_are():
    weights = Weights({"W_T1": np.eye(3), "b2": np.ones(3)})
    mine = Experiment(cell="relu", depth=2, width=3, g=0.7, T=11, cut=True, weights=weights)
    page = visit(to_query_of(replace(mine, view="wall")))
    for name in (*SCENES["wall"], "Pascanu's wall"):
        choose(page, name)
        assert widgets(page)["example"].value == name
        assert shown(page).recipe == mine
        assert not picture(page)["notes"]


def test_your_network_begins_at_its_own_two_weights_with_its_own_loss_and_gradient():
    page = visit(OWN)
    made = run(shown(page))
    first = matrices(made.network)["W_T1"][0, 0], matrices(made.network)["b1"][0]
    np.testing.assert_allclose(np.ravel([trace(picture(page), "start")[side] for side in "xy"]), first, rtol=1e-6)
    wall = computed(page).shown
    assert wall.surface.landscape.names == ("W_T1 1 1", "b1 1")
    assert wall.surface.landscape.here == first
    assert wall.plain.loss[0] == wall.other.loss[0] == pytest.approx(made.forward.C, rel=1e-13)
    assert wall.plain.gradient[0] == pytest.approx([made.backward.dW_T[0][0, 0], made.backward.db[0][0]], rel=1e-12)
    np.testing.assert_allclose(wall.surface.frame, [(value - 1, value + 1) for value in first], rtol=1e-12)


def test_other_weights_and_span_make_the_frame_and_a_corner_is_the_network_with_those_weights():
    page = visit(f"{OWN}&axis_x=W_S2 3 1&axis_y=W_out 1 2&span=2.5")
    wall, e = computed(page).shown, shown(page)
    weights = matrices(run(e).network)
    (low, _), (_, high) = wall.surface.frame
    assert (low, high) == pytest.approx((weights["W_S2"][2, 0] - 2.5, weights["W_out"][0, 1] + 2.5))
    W_S, W_out = weights["W_S2"].copy(), weights["W_out"].copy()
    W_S[2, 0], W_out[0, 1] = low, high
    corner = run(replace(e, weights=Weights({"W_S2": W_S, "W_out": W_out}))).forward.C
    assert wall.surface.loss[-1, 0] == pytest.approx(corner, rel=1e-12)


# What cannot be shown.


@pytest.mark.parametrize(("query", "field", "value", "words"), [
    ("view=map&depth=1&width=1", "init", "by hand", "Weights set by hand are not drawn"),
    (SMALL, "layers", "4 static", "No layer is recurrent, so there is no W_T"),
    (OWN, "axis_x", "W_T9 1 1", 'Weight is "W_T9 1 1"; it must begin with one of W_S1'),
    (OWN, "axis_x", "W_T1 5 1", "after W_T1 it must have a row from 1 to 4 and a column from 1 to 4"),
    (OWN, "axis_x", "W_T1 1", "Weight across"),
    (OWN, "axis_x", "b1 1", 'Both weights are "b1 1"; they must differ'),
    (OWN, "axis_y", "W_T1 1 1", 'Both weights are "W_T1 1 1"; they must differ'),
    (OWN, "width", 512, "One point of this surface takes"),
    ("view=wall&surface=this network&depth=12&width=1&T=60", "descents", 1000, "steps of descent"),
    ("view=wall", "start", "4 x", "Start"),
    ("view=wall&surface=latch", "start", "1 2 3", "must be two numbers"),
])
def test_what_a_view_cannot_show_leaves_its_last_picture_and_is_told_in_one_plain_sentence(query, field, value, words):
    page = opened(visit(query), "group_Network") if field == "layers" else visit(query)
    before = picture(page)
    made = picture(put(page, field, value))
    assert made["link"] == before["link"]
    assert made["lead"] == before["lead"]
    same_figure(made, before)
    told, = made["notes"]
    assert words in told
    assert told[0].isupper() or told[0].isdigit()
    assert told.endswith(". The picture shows the last setting that works.")
    assert len(told) <= 300
    choose(page, next(iter(SCENES[shown(page).view])))
    assert not picture(page)["notes"]


@pytest.mark.parametrize("query", ["view=wall&surface=this network&axis_x=W_T9 1 1", "view=map&layers=4 static"])
def test_a_link_to_what_a_view_cannot_show_opens_another_picture_and_says_why(query):
    made = picture(visit(query))
    assert len(made["notes"]) == 1
    assert made["notes"][0].endswith(". The picture shows the last setting that works.")
    assert made["alt"].endswith(".")
    assert arrays(made)


def test_a_map_of_own_recurrent_weights_is_refused_by_their_name_until_they_are_given_up():
    page = edit(visit(SMALL))
    before = picture(page)
    type_in(page, {(1, 1): 2})
    told, = picture(page)["notes"]
    assert told.startswith("W_T1 is your own and not drawn, so there is nothing to average over")
    same_figure(picture(page), before)
    sound(button(page, "Reset").click().run())
    assert not picture(page)["notes"]
    same_figure(picture(page), before)


HOSTILE = {
    "surface": ("", "One Unit", "<b>", "this", "one unit "),
    "shade": ("", "Loss", "<script>alert(1)</script>"),
    "start": ("1", "1 2 3", "nan nan", "inf 0", "1e7 0", "1e999 0", "½ 2", "4.9,-2.2", "--1 2", "9" * 70),
    "learning_rate": ("-0.1", "nan", "inf", "100.1", "1e999", "0x1", "a"),
    "method": ("adam", "rprop", "norm ", "$x$"),
    "clip": ("-0.5", "1000.1", "nan", "٠.٨", ""),
    "descents": ("-1", "1001", "1.5", "9" * 5000, "1e2"),
    "axis_x": ("W_T1", "W_T1 0 1", "W_T13 1 1", "h1 1", "b1 1 1", "W_T1 1 1 1", "<img src=x>", "W_T1  1 1"),
    "axis_y": ("b1", "b1 -1", "W_out 1", "b_out", "__class__ 1"),
    "span": ("0", "-1", "20.1", "nan", ""),
    "precision": ("float8", "float128", "Float16", ""),
}


@pytest.mark.parametrize("field", HOSTILE)
def test_a_hostile_value_in_a_link_is_left_out_and_named_by_its_label(field):
    wall, tiny = scene("wall", "Pascanu's wall"), picture(visit(TINY))
    first, *others = HOSTILE[field]
    for around, there, values in (({"view": "wall"}, wall, [first]), (TINY, tiny, others)):
        for value in values:
            made = picture(visit(around | {field: value}))
            told, = made["notes"]
            assert told.startswith(CONTROLS[field]["label"]), value
            assert told.endswith("The usual value is used.")
            assert told.isprintable()
            assert len(told) <= 400
            assert made["link"] == there["link"]
            same_figure(made, there)


# What the board reports.


def test_a_click_on_the_wall_moves_the_start_of_both_ways():
    page = visit("view=wall")
    before = picture(page)
    made = picture(report(page, place=[4.5, -2.25, 1]))
    assert made["link"] == "view=wall&start=4.5%20-2.25"
    assert widgets(page)["w_start"].value == "4.5 -2.25"
    np.testing.assert_allclose(computed(page).shown.start, [4.5, -2.25])
    assert made["alt"] != before["alt"]
    np.testing.assert_allclose(np.ravel([trace(made, "start")[side] for side in "xy"]), [4.5, -2.25])


def test_a_click_on_the_map_moves_the_recurrent_scale_to_a_hundredth():
    page = visit(SMALL)
    made = picture(report(page, place=[1.2345, 17.4, 1]))
    assert shown(page).g == widgets(page)["w_g"].value == 1.23
    assert made["alt"].startswith("At scale 1.23 ")


def test_a_click_into_a_picture_that_stayed_sets_what_that_picture_shows():
    page = visit("view=wall&init=by hand&depth=1&width=1")
    made = picture(put(page, "view", "map"))
    assert "nothing to average over" in made["notes"][0]
    report(page, place=[4.5, -2.25, 1])
    assert page.session_state["settings"]["start"] == "4.5 -2.25"
    assert page.session_state["settings"]["g"] == Experiment().g


NOWHERE = [[-1e7, 1e7, 1], [np.nan, np.nan], ["4", "-2"], [4.5], 5, {"x": 1}, [None, 1], [[4], [5]], [10**400, 0]]


@pytest.mark.parametrize("view", ["wall", "map&depth=1&width=4", "rate&T=6", "flow"])
def test_a_place_that_is_none_or_off_the_range_moves_nothing(view):
    page = visit(f"view={view}")
    before = picture(page)["link"]
    for place in NOWHERE:
        assert picture(report(page, place=place))["link"] == before, place


def test_the_layer_chosen_beside_the_figure_is_the_one_that_rate_speaks_of():
    page = visit("view=rate&depth=2&width=3&T=8")
    for layer in (2, 1):
        made = picture(report(page, stage=["layer", layer, layer]))
        assert shown(page).layer == layer
        assert made["alt"] == rate_sentence(rates(run(shown(page)), layer - 1)).text
        assert f"layer {layer}" in "".join(text for text, _ in made["lead"])
        assert made["says"]["tools"][0][-1] == layer
    for layer in (13, -1, "1", None, 1.0):
        assert picture(report(page, stage=["layer", layer, 3]))["link"] == made["link"]


def test_the_shade_chosen_beside_the_figure_computes_nothing_and_keeps_the_scene(monkeypatch):
    page = visit("view=wall")
    before = picture(page)
    monkeypatch.setattr(causes, "wall_of", lambda *a: pytest.fail("the wall is computed again"))
    made = picture(report(page, stage=["shade", "gradient", 1]))
    assert shown(page).shade == "gradient"
    assert made["alt"] == before["alt"]
    assert claim(made) == claim(before)
    surface = computed(page).shown.surface
    shade, high = trace(made, "surface")["z"], np.log10(surface.norm.max())
    np.testing.assert_allclose(shade, np.maximum(np.log10(surface.norm), high - 10), rtol=1e-5, atol=1e-5)
    assert picture(report(page, stage=["shade", "red", 2]))["link"] == made["link"]


def test_the_dials_of_a_lecture_on_the_wall_are_its_own_and_one_let_go_is_used():
    page = visit("view=wall&lecture=1")
    dials = picture(page)["controls"]["dials"]
    assert [name for name, _ in dials] == ["clip", "learning_rate", "descents"]
    report(page, turn=["clip", "0.60", 1])
    assert shown(page).clip == computed(page).shown.clip == 0.6


# The sidebar.


def used(wall):
    """The numbers that a wall was made with, by the name of their field."""
    return {"learning_rate": wall.rate, "descents": wall.other.steps, "clip": wall.clip}


OWN_NUMBERS = {
    "one unit": {"learning_rate": 0.5, "descents": 60, "clip": 0.3},
    "latch": {"learning_rate": 0.5, "descents": 60, "clip": 0.3},
    "counting": {"learning_rate": 1e-6, "descents": 500},
    "this network&width=3&depth=1&T=8": {"learning_rate": 0.1, "descents": 60, "clip": 0.3},
}
TYPED = {"learning_rate": 0.25, "descents": 7, "clip": 0.75}


@pytest.mark.parametrize("surface", OWN_NUMBERS)
def test_an_empty_number_stands_for_the_surfaces_own_and_a_typed_one_is_used(surface):
    page = visit(f"view=wall&surface={surface}")
    for name, own in OWN_NUMBERS[surface].items():
        field = widgets(page)[f"w_{name}"]
        assert (field.value, field.placeholder) == (None, f"{own:g}")
        assert used(computed(page).shown)[name] == own
        put(page, name, TYPED[name])
        assert used(computed(page).shown)[name] == getattr(shown(page), name) == TYPED[name]


def test_a_typed_number_that_is_cleared_gives_way_to_the_surfaces_own_and_leaves_the_link():
    page = visit("view=wall&clip=0.5")
    for name, own in OWN_NUMBERS["one unit"].items():
        put(put(page, name, TYPED[name]), name, None)
        assert used(computed(page).shown)[name] == own
        assert widgets(page)[f"w_{name}"].value is None
        assert name not in picture(page)["link"]
    assert picture(page)["link"] == "view=wall"


def test_rprop_has_no_field_for_a_clip_and_a_clipped_way_has():
    page = visit("view=wall&surface=counting")
    assert "w_clip" not in widgets(page)
    assert "w_clip" in widgets(put(page, "method", "norm"))
    assert "w_clip" not in widgets(put(page, "method", "RProp"))
    assert "w_clip" in widgets(put(put(page, "surface", "latch"), "method", ""))


MARKS = {"wall": "w_surface", "network": "w_cell", "weights": "w_init", "sequence": "w_T", "truncation": "w_cut"}  # of a group


@pytest.mark.parametrize(("query", "groups"), [
    ("view=flow", "network weights sequence truncation"), ("view=rate", "network weights sequence"),
    (SMALL, "network weights sequence"), ("view=wall", "wall"), ("view=wall&surface=latch", "wall"), (OWN, " ".join(MARKS)),
    ("view=wall&walk=by step", "network weights sequence truncation"),
])
def test_the_sidebar_holds_the_groups_that_the_view_uses_and_no_other(query, groups):
    found = widgets(visit(query))
    assert [group for group, mark in MARKS.items() if mark in found] == [group for group in MARKS if group in groups.split()]


def test_what_a_view_has_no_use_for_comes_back_unchanged():
    page = visit("cell=relu&depth=2&width=3&g=0.9&input_scale=0.5&T=40&cut=1&tau_max=5")
    before, fields = dict(page.session_state["settings"]), ("cell", "depth", "width", "g", "input_scale", "T", "cut", "tau_max")
    for view in ("wall", "rate", "map", "wall", "flow"):
        put(page, "view", view)
        assert not picture(page)["notes"]
        assert page.session_state["settings"] == before | {"view": view}
    assert {name: widgets(page)[f"w_{name}"].value for name in fields} == {name: before[name] for name in fields}
    put(put(page, "view", "wall"), "start", "4.6 -2.1")
    put(page, "clip", 0.45)
    put(put(page, "view", "rate"), "view", "wall")
    assert (widgets(page)["w_start"].value, widgets(page)["w_clip"].value) == ("4.6 -2.1", 0.45)
    assert computed(page).shown.clip == 0.45


# A map takes its time.


def test_another_recurrent_scale_computes_no_new_map_and_another_seed_does(monkeypatch):
    page, calls, sweep = visit(SMALL), [], causes.sweep
    monkeypatch.setattr(causes, "sweep", lambda *a, **k: calls.append(a) or sweep(*a, **k))
    before = computed(page).shown
    assert picture(put(page, "g", 1.2))["alt"].startswith("At scale 1.2 ")
    assert computed(page).shown.mean is before.mean
    assert not calls
    sound(button(page, "Redraw").click().run())
    assert len(calls) == 1
    assert not np.array_equal(computed(page).shown.mean, before.mean)
    assert computed(page).shown.g == 1.2


class Place:
    """Where the page would show how far it is: what is shown there."""

    def __init__(self):
        self.told = []

    def progress(self, share, words):
        self.told.append((share, words))

    def empty(self):
        self.told.append(None)


def test_how_far_a_map_is_shows_only_once_it_takes_long_and_goes_when_it_is_there(monkeypatch):
    place = Place()
    monkeypatch.setattr(script.st, "empty", lambda: place)
    monkeypatch.setattr(script, "EVERY", -1.0)
    monkeypatch.setattr(script, "PATIENCE", 3600.0)
    page = visit(SMALL)
    assert not place.told
    monkeypatch.setattr(script, "PATIENCE", -1.0)
    assert picture(sound(button(page, "Redraw").click().run()))["alt"].startswith("At scale 0.8 ")
    *steps, gone = place.told
    assert [share for share, _ in steps] == [n / 16 for n in range(1, 16)]
    assert all(re.fullmatch(r"Computing: about \d+ s to go", words) for _, words in steps)
    assert gone is None


def test_a_map_that_is_abandoned_half_way_leaves_nothing_behind_and_is_made_whole_when_asked_again(monkeypatch):
    page, place, left = visit(SMALL), Place(), [3000]
    before = computed(page)

    def stopped():
        left[0] -= 1
        if left[0] < 0:
            raise StopException

    with monkeypatch.context() as patch:
        patch.setattr(script, "PATIENCE", -1.0)
        patch.setattr(script, "EVERY", -1.0)
        patch.setattr(script.st, "empty", lambda: place)
        patch.setattr(script, "checkpoint", stopped)
        sound(button(page, "Redraw").click().run())
    assert left[0] < 0
    assert computed(page) is before
    assert place.told[-1] is None
    sound(page.run())
    same_figure(picture(page), picture(visit(f"{SMALL}&seed=1067")))


# Taking home.


def rows(page):
    """The numbers that can be taken home, one dict a row."""
    return list(csv.DictReader(io.StringIO(computed(page).csv())))


def test_the_table_of_rate_holds_the_singular_values_of_products_formed_step_by_step_and_the_eigenvalues():
    page = visit("view=rate&depth=2&width=3&T=9&layer=2")
    made = run(shown(page))
    W_T, h = made.network.layers[1].W_T, made.forward.h[1]
    table, product = rows(page), np.eye(3)
    assert [row["lag"] for row in table] == [str(lag) for lag in range(1, 9)]
    for lag, row in enumerate(table, start=1):
        product = product @ ((1 - h[-lag] ** 2)[:, None] * W_T)
        found = [float(row[f"log10 sigma {i} of layer 2"]) for i in (1, 2, 3)]
        np.testing.assert_allclose(found, np.log10(np.linalg.svd(product, compute_uv=False)), atol=1e-9)
        assert float(row["log10 sigma 1 of stack"]) >= found[0] - 1e-12
    values = [complex(float(row["eigenvalue, real"]), float(row["eigenvalue, imaginary"])) for row in table[:3]]
    np.testing.assert_allclose(np.sort_complex(values), np.sort_complex(np.linalg.eigvals(W_T)), atol=1e-12)


def test_the_table_of_the_wall_holds_the_points_of_a_descent_by_complex_step():
    table = rows(visit("view=wall&descents=12&start=4.5 -2"))
    points = descended(unit_loss, (4.5, -2.0), 12, lambda gradient: -0.5 * gradient)
    assert [row["step"] for row in table] == [str(step) for step in range(13)]
    for row, point in zip(table, points, strict=True):
        assert [float(row[f"plain {name}"]) for name in ("w", "b")] == pytest.approx(point, rel=1e-9)
        assert float(row["plain loss"]) == pytest.approx(unit_loss(*point), rel=1e-9)
        assert float(row["plain gradient"]) == pytest.approx(np.hypot(*slope(unit_loss, *point)), rel=1e-9)
    assert {f"clipped {what}" for what in ("w", "b", "loss", "gradient")} < set(table[0])


def test_the_table_of_the_map_holds_the_mean_and_deviation_of_runs_made_one_by_one():
    page = visit(SMALL + "&T=60")
    table, e = rows(page), shown(page)
    assert len(table) == 60 * 60
    sizes = [np.linalg.norm(run(replace(e, seed=e.seed + i, g=0.8)).backward.delta[0], axis=1)[::-1] for i in range(16)]
    ratios = np.log10(sizes / np.array(sizes)[:, :1])
    for row in (row for row in table if float(row["recurrent scale"]) == 0.8):
        lag = int(row["lag"])
        assert float(row["mean log10"]) == pytest.approx(ratios[:, lag].mean(), abs=1e-9)
        assert float(row["deviation"]) == pytest.approx(ratios[:, lag].std(), abs=1e-9)
        assert (row["draws"], row["dead"]) == ("16", "0")


SET = {
    "view=rate&depth=2&width=3&T=9&layer=2": ("T=9", "T=12"),
    "view=wall&surface=latch&start=2.5 -0.3&method=value&clip=0.5&learning_rate=0.1&descents=20&shade=gradient":
        ("learning_rate=0.1", "learning_rate=0.3"),
    f"{OWN}&axis_x=W_S2 3 1&span=2&g=0.7": ("g=0.7", "g=0.9"),
    f"{SMALL}&g=1.3&T=40": ("g=1.3", "g=1.5"),
}


@pytest.mark.parametrize("query", SET)
def test_the_program_of_a_view_draws_its_figure_and_notices_a_number_that_was_changed(query, monkeypatch):
    page, figures = visit(query), []
    e, made = shown(page), computed(page)
    monkeypatch.setattr(go.Figure, "show", lambda figure: figures.append(figure))
    text, (old, new) = made.script(e, title="A title", file="mine"), SET[query]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(text, "script", "exec"), {})
        assert printed.getvalue() == made.sentence.text + "\n"
        assert figures == [go.Figure(made.spec(e, None, caption=made.sentence.text, decades=0))]
        assert text.count(old) == 1
        with pytest.raises(AssertionError):
            exec(compile(text.replace(old, new), "script", "exec"), {})


# The float that training would use.


@pytest.mark.parametrize("g", [0.5, 0.7])
def test_a_float_in_the_link_marks_the_cells_it_would_lose_and_says_from_which_step(g):
    page = visit(f"precision=float16&g={g}&T=60")
    delta = [np.array(row).astype(np.float16) for row in plain.grid_of(run(shown(page))).delta]
    lost = np.array([(row == 0).all(axis=1) for row in delta])
    first = int(np.flatnonzero(lost[0]).max())
    assert 0 < first < 59
    made = picture(page)
    assert f"In float16 layer 1 is lost from step {first + 1} down, {59 - first} steps back." in made["alt"]
    np.testing.assert_array_equal(np.isnan(trace(made, "grid")["z"]), lost)
    assert "too small for float16" in made["furniture"]
    assert "float16" not in picture(visit(f"g={g}&T=60"))["alt"]


# The live lane.


@pytest.mark.parametrize(("link", "message"), [
    ("view=rate", "g=0.9"), ("view=rate&layer=2", "input_scale=0.5"), ("view=rate&lecture=dark", "T=44"),
    ("view=rate&depth=1&width=1&init=by hand&hand=1 3.6 -1.8&cell=sigmoid&readout=none&task=impulse", "hand=1 3 -1.8")])
def test_rate_under_the_hand_is_the_picture_that_the_release_brings(link, message):
    there = picture(visit(link))
    made = answered(lane(there["link"], there["view"]), message)
    name, _, value = message.partition("=")
    after = picture(visit(dict(part.split("=", 1) for part in link.split("&")) | {name: value}))
    for part in ("link", "lead", "consequence", "alt", "furniture", "says", "colours", "view", "cell"):
        assert made[part] == after[part], part
    same_figure(made, after)
    assert made["alt"] != there["alt"]


@pytest.mark.parametrize(("link", "message"), [("view=wall", "clip=0.5"), (SMALL, "g=0.9"), (OWN, "g=0.9")])
def test_a_wall_or_a_map_does_not_follow_a_hand_and_says_so(link, message):
    with pytest.raises(ValueError, match="takes too long to follow a hand"):
        lane(picture(visit(link))["link"]).take(message)


def test_a_long_run_that_overflows_on_the_way_is_named_and_the_short_one_is_shown():
    page = visit("long=2000&cell=relu&g=3&init=identity&bias=1&depth=1")
    _, t = run(Experiment(T=2000, cell="relu", g=3.0, init="identity", bias=1.0, depth=1)).forward.overflow
    assert picture(page)["notes"] == [
        f"The long run is not shown: the state of layer 1 overflows at step {t + 1}; there is no gradient to send back."]
    assert "long=" not in picture(page)["link"]
    assert shown(page).long == 0
