"""Wall as it is drawn and said: its figure and its sentence."""

import re

import numpy as np
import plain
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnviz.along import of_network
from rnnviz.experiment import Experiment, make_network, make_sequence
from rnnviz.figures.canvas import f4
from rnnviz.figures.surface import MOST_DECADES, ticks
from rnnviz.figures.theme import THEMES
from rnnviz.figures.wall import wall_figure, wall_spec
from rnnviz.landscape import SURFACES, Unit, wall
from rnnviz.network import Layer, Network
from rnnviz.sentences.of_wall import wall as sentence
from rnnviz.tasks import Sequence

WALLS = {name: shown.wall(samples=24) for name, shown in SURFACES.items()}
PASCANU = WALLS["one unit"]


def named(spec, name):
    """The only trace of that name."""
    trace, = (trace for trace in spec["data"] if trace["name"] == name)
    return trace


def words(spec):
    return [re.sub(r"<[^>]+>", "", text["text"]) for text in spec["layout"]["meta"]["texts"]]


def moved(start, **changes):
    shown = SURFACES["one unit"]
    return shown.wall(start=start, made=PASCANU.surface, **changes)


def in_frame(made):
    low, high = np.array(made.surface.frame).T
    return lambda points: ((points >= low) & (points <= high)).all(axis=1)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", WALLS)
def test_every_surface_is_drawn_in_both_themes_at_every_width_with_all_its_words_inside(name, theme):
    for options in (dict(width=500), dict(width=1068), dict(width=1400), dict(width=1019, tall=380)):
        for shade in ("loss", "gradient"):
            spec = wall_spec(WALLS[name], theme=theme, shade=shade, page=True, **options)
            layout = spec["layout"]
            assert layout["width"] == options["width"]
            assert layout["height"] == options.get("tall", layout["height"])
            for text in layout["meta"]["texts"]:
                long = 6.2 * len(re.sub(r"<[^>]+>", "", text["text"]))
                left = next(value for value in (
                    text["left"], text["right"] and text["right"] - long, text["middle"] and text["middle"] - long / 2)
                    if value is not None)
                assert -30 <= left, text
                assert left + long <= options["width"] + 30, text
                assert 0 <= text["y"] <= layout["height"], text
    assert wall_spec(WALLS[name])["layout"]["height"] <= 570
    assert wall_figure(WALLS[name], theme=theme).layout.paper_bgcolor == THEMES[theme].page


@settings(max_examples=25)
@given(st.floats(3.9, 5.3), st.floats(-2.7, -1.8), st.sampled_from(["norm", "value", "RProp"]), st.floats(0.01, 3.0),
       st.floats(0.02, 5.0), st.booleans())
def test_any_start_method_rate_and_clip_make_a_valid_figure_and_plain_words(w, b, method, rate, clip, page):
    made = moved((w, b), method=method, rate=rate, clip=clip, steps=20)
    told = sentence(made)
    assert told.lead
    assert not re.search(r"\bnan\b|\binf\b|None|∞", told.text), told.text
    spec = wall_spec(made, page=page, caption=None if page else told.text)
    assert go.Figure({"data": spec["data"], "layout": {k: v for k, v in spec["layout"].items() if k != "meta"}})
    texts = [t["text"] for t in (*spec["layout"]["meta"].get("texts", ()), *spec["layout"]["annotations"])]
    assert texts
    assert not any(re.search(r"\bnan\b|\binf\b|None", text) for text in texts), texts


def test_the_shade_is_the_loss_of_every_sample_or_the_power_of_the_gradients_size():
    loss = named(wall_spec(PASCANU), "surface")
    np.testing.assert_array_equal(loss["z"], f4(PASCANU.surface.loss))
    np.testing.assert_array_equal(loss["x"], f4(PASCANU.surface.x))
    np.testing.assert_array_equal(loss["y"], f4(PASCANU.surface.y))
    assert all(loss[side].dtype == np.float32 for side in "xyz")
    gradient = named(wall_spec(PASCANU, shade="gradient"), "surface")
    expected = np.log10(np.linalg.norm(PASCANU.surface.gradient, axis=-1))
    np.testing.assert_allclose(gradient["z"], np.maximum(expected, expected.max() - MOST_DECADES), rtol=1e-5)
    counting = named(wall_spec(WALLS["counting"]), "surface")
    expected = np.log10(WALLS["counting"].surface.loss)
    np.testing.assert_allclose(counting["z"], np.maximum(expected, expected.max() - MOST_DECADES), rtol=1e-5, atol=1e-6)
    assert "10<sup>" in counting["hovertemplate"]
    assert "10<sup>" not in loss["hovertemplate"]
    with pytest.raises(ValueError, match="shade is 'both'; it must be loss or gradient"):
        wall_spec(PASCANU, shade="both")


@pytest.mark.parametrize("theme", THEMES)
def test_more_loss_is_more_ink_in_either_theme(theme):
    stops = [colour for _, colour in named(wall_spec(PASCANU, theme=theme), "surface")["colorscale"]]
    light = [sum(int(colour[i:i + 2], 16) for i in (1, 3, 5)) for colour in stops]
    assert light == sorted(light, reverse=theme == "light")
    assert stops[0] == THEMES[theme].page


@pytest.mark.parametrize("name", WALLS)
def test_both_ways_are_drawn_as_far_as_they_lie_in_the_frame_in_red_and_in_teal(name):
    made, theme = WALLS[name], THEMES["light"]
    spec = wall_spec(made)
    other = "RProp" if made.method == "RProp" else "clipped"
    for trace, path, ink in ((named(spec, "plain"), made.plain, theme.grows), (named(spec, other), made.other, theme.space)):
        there = in_frame(made)(path.points)
        drawn = np.stack([trace["x"], trace["y"]], axis=1)
        np.testing.assert_array_equal(np.isfinite(drawn).all(axis=1), there)
        np.testing.assert_array_equal(drawn[there], f4(path.points[there]))
        assert trace["line"]["color"] == ink
    start = named(spec, "start")
    np.testing.assert_array_equal([start["x"][0], start["y"][0]], f4(made.start))


def test_an_arrow_in_red_ends_on_the_edge_where_the_plain_descent_crosses_it():
    layout = wall_spec(PASCANU, page=True)["layout"]
    red = [rule for rule in layout["meta"]["rules"] if THEMES["light"].grows in rule]
    head, = (rule for rule in red if "Z" in rule)
    x, y = (float(number) for number in re.search(r'd="M([\d.]+) ([\d.]+)', head).groups())
    place = layout["meta"]["surface"]
    last, first = PASCANU.plain.points[11:13]
    share = (-1.8 - last[1]) / (first[1] - last[1])
    assert y == pytest.approx(place["top"], abs=0.1)
    w = place["x"][0] + (x - place["left"]) / (place["right"] - place["left"]) * 1.4
    assert w == pytest.approx(last[0] + share * (first[0] - last[0]), abs=0.002)
    inside = moved((5.2, -1.9), steps=3)
    assert not [rule for rule in wall_spec(inside, page=True)["layout"]["meta"]["rules"] if "Z" in rule]


@pytest.mark.parametrize("width", [500, 1068])
def test_a_click_in_px_finds_its_weights_by_what_the_figure_says_of_its_surface(width):
    layout = wall_spec(PASCANU, page=True, width=width)["layout"]
    place = layout["meta"]["surface"]
    assert (tuple(place["x"]), tuple(place["y"])) == PASCANU.surface.frame == (tuple(layout["xaxis"]["range"]),
                                                                                tuple(layout["yaxis"]["range"]))
    margin = layout["margin"]
    plot = width - margin["l"] - margin["r"]
    for side, share in zip(("left", "right"), layout["xaxis"]["domain"], strict=True):
        assert margin["l"] + share * plot == pytest.approx(place[side])
    for side, share in zip(("bottom", "top"), layout["yaxis"]["domain"], strict=True):
        assert (1 - share) * layout["height"] == pytest.approx(place[side])


@pytest.mark.parametrize("name", WALLS)
def test_the_right_plot_holds_the_size_of_each_gradient_before_it_is_clipped(name):
    made = WALLS[name]
    spec = wall_spec(made)
    low, high = spec["layout"]["yaxis2"]["range"]
    for what, path in (("plain", made.plain), ("RProp" if made.method == "RProp" else "clipped", made.other)):
        trace = named(spec, f"{what} gradient")
        steps = path.steps if path.stopped is None else path.stopped
        sizes = np.hypot(*path.gradient[:steps].T)
        sizes[np.isnan(sizes)] = np.inf
        np.testing.assert_allclose(trace["customdata"], f4(sizes), rtol=1e-6)
        np.testing.assert_array_equal(trace["x"], np.arange(1, steps + 1))
        shown = (sizes > 0) & np.isfinite(sizes)
        shown[shown] = np.log10(sizes[shown]) >= low
        np.testing.assert_allclose(np.asarray(trace["y"])[shown], np.log10(sizes[shown]), rtol=1e-5, atol=1e-5)
    met = np.linalg.norm(made.other.gradient[:made.other.steps], axis=1)
    assert low < np.log10(met.min()) < np.log10(met.max()) < high


def test_a_dashed_line_stands_at_the_clip_and_rprop_has_none():
    layout = wall_spec(PASCANU, page=True)["layout"]
    dashed, = (rule for rule in layout["meta"]["rules"] if "dasharray" in rule)
    y = float(re.search(r'd="M[\d.]+ ([\d.]+)', dashed)[1])
    low, high = layout["yaxis2"]["range"]
    bottom, top = ((1 - share) * layout["height"] for share in layout["yaxis2"]["domain"])
    assert low + (bottom - y) / (bottom - top) * (high - low) == pytest.approx(np.log10(0.3), abs=0.01)
    rules = wall_spec(WALLS["counting"], page=True)["layout"]["meta"]["rules"]
    assert not any("dasharray" in rule for rule in rules)


def test_the_lines_of_bifurcations_are_dashed_and_bear_their_names():
    spec = wall_spec(PASCANU, page=True)
    drawn = [trace for trace in spec["data"] if trace["name"] in ("fold", "flip", "boundary")]
    assert [trace["name"] for trace in drawn] == [line.kind for line in PASCANU.lines]
    for trace, line in zip(drawn, PASCANU.lines, strict=True):
        np.testing.assert_array_equal(trace["y"], f4(line.b))
        assert trace["line"]["dash"] in ("dash", "dot")
    assert words(spec).count("fold") == 2
    assert "basin boundary" in words(spec)
    assert not any("fold" in text for text in words(wall_spec(WALLS["counting"], page=True)))


def test_the_words_on_the_figure_hold_the_numbers_of_the_paths():
    said = words(wall_spec(PASCANU, page=True))
    assert f"unclipped: thrown {0.5 * np.linalg.norm(PASCANU.plain.gradient[11]):.1f} units away" in said
    ended, = (text for text in said if text.startswith("clipped: loss"))
    assert plain.value(ended.split("loss ")[1].split(" after")[0]) == pytest.approx(PASCANU.other.loss[-1], rel=0.06)
    assert ended.endswith("after 60 steps")
    assert "largest ‖g‖ unclipped: 106; dashed: clip at 0.3" in said
    assert "Same start, same learning rate 0.5; only the clip at ‖g‖ ≤ 0.3 differs." in said
    counting = words(wall_spec(WALLS["counting"], page=True))
    assert "Same start: gradient descent at learning rate 1\u00a0×\u00a010⁻⁶, and RProp." in counting


def test_what_is_beyond_the_float_range_is_left_blank_and_said():
    network = Network([Layer([[1.0]], [[1.0]], cell="linear")])
    sequence = Sequence(np.ones((600, 1)), np.zeros((600, 1)))
    along = of_network(network, sequence, "W_T1 1 1", "W_S1 1 1")
    made = wall(along, (0.5, 6.0), (0.5, 1.5), (0.6, 1.0), rate=0.01, steps=3, samples=16)
    beyond = ~np.isfinite(made.surface.loss)
    assert beyond.any()
    spec = wall_spec(made, page=True)
    np.testing.assert_array_equal(np.isnan(named(spec, "surface")["z"]), beyond)
    assert "blank: beyond the float range" in words(spec)
    assert "weight through time of layer 1, row 1, column 1" in words(spec)
    assert "blank: beyond the float range" not in words(wall_spec(PASCANU, page=True))


@pytest.mark.parametrize(("low", "high", "most"), [(3.9, 5.3, 7), (-2.7, -1.8, 9), (-3, 3, 6), (0.0, 1e-4, 5), (1e5, 3e6, 4)])
def test_ticks_are_round_inside_the_frame_and_about_as_many_as_asked(low, high, most):
    found = ticks(low, high, most)
    assert most / 3 <= len(found) <= most + 1
    for value, text in found:
        assert low - 1e-9 <= value <= high + 1e-9
        assert float(text.replace("−", "-")) == pytest.approx(value, abs=1e-9)


def boxes(spec):
    """{words: (left, top, right, bottom)} of the words that cover what lies under them."""
    found = {}
    for text in spec["layout"]["meta"]["texts"]:
        said = re.sub(r"<[^>]+>", "", text["text"])
        if "back" in text:
            while said in found:  # there are two folds
                said += " "
            found[said] = (text["left"], text["y"] - 9, text["left"] + 6 * len(said.strip()), text["y"] + 9)
    return found


@pytest.mark.parametrize("options", [dict(width=500), dict(width=1068), dict(width=1019, tall=380)])
@pytest.mark.parametrize("made", [*WALLS.values(), moved((5.0, -2.5))], ids=[*WALLS, "from between the folds"])
def test_no_words_on_the_surface_cover_others(made, options):
    found = list(boxes(wall_spec(made, page=True, **options)).values())
    assert len(found) >= 3
    for i, a in enumerate(found):
        for b in found[:i]:
            assert min(a[2], b[2]) - max(a[0], b[0]) <= 1 or min(a[3], b[3]) - max(a[1], b[1]) <= 1


def test_words_keep_off_the_long_straight_steps_of_a_way():
    made = WALLS["counting"]
    spec = wall_spec(made, page=True)
    place = spec["layout"]["meta"]["surface"]
    share = np.linspace(0, 1, 400)[:, None]
    points = made.plain.points[0] + share * (made.plain.points[1] - made.plain.points[0])
    x = np.interp(points[:, 0], place["x"], (place["left"], place["right"]))
    y = np.interp(points[:, 1], place["y"], (place["bottom"], place["top"]))
    for words, (left, top, right, bottom) in boxes(spec).items():
        assert not ((left < x) & (x < right) & (top < y) & (y < bottom)).any(), words


def test_a_start_outside_the_frame_is_said_and_its_way_is_not_said_to_leave():
    said = words(wall_spec(moved((10.0, 5.0), steps=5), page=True))
    assert "start: outside the frame" in said
    assert not any("leaves the frame" in text or "once outside" in text for text in said)
    assert any(re.match(r"unclipped: loss .* after 5 steps$", text) for text in said)


def test_one_descent_is_one_step_and_its_gradient_stands_between_ticks():
    made = SURFACES["counting"].wall(start=(1.0, 2.0), steps=1, samples=12)
    spec = wall_spec(made, page=True)
    assert any(text.startswith("plain: loss") and text.endswith("after 1 step") for text in words(spec))
    axis, size = spec["layout"]["yaxis2"], np.log10(made.plain.norm[0])
    assert min(axis["tickvals"]) < size < max(axis["tickvals"])


# The sentence.


def test_the_sentence_of_pascanus_wall_is_the_one_of_the_design():
    lead = "".join(part for part, _ in sentence(PASCANU).lead)
    assert lead == ("At the wall the gradient is 106, or 700 times its usual size. One plain step throws the weights "
                    "53\u00a0units away.")
    norms = np.linalg.norm(PASCANU.plain.gradient[:12], axis=1)
    assert f"{norms[11]:.0f}" == "106"
    assert round(norms[11] / np.median(norms[:11]), -2) == 700
    assert f"{np.linalg.norm(PASCANU.plain.points[12] - PASCANU.plain.points[11]):.0f}" == "53"
    assert [part for part, role in sentence(PASCANU).lead if role == "grows"] == ["106", "700 times", "53\u00a0units"]


def test_the_sentence_says_where_the_wall_stands_and_how_the_clipped_descent_ends():
    said = sentence(PASCANU).text
    assert "There the unit starts on the boundary of two basins" in said
    assert "Clipped at 0.30, the same descent ends with loss" in said
    assert "There two fixed points of the unit meet and vanish: a fold." in sentence(WALLS["latch"]).text


def test_the_sentence_of_rprop_holds_the_weights_that_roelants_prints():
    said = sentence(WALLS["counting"]).text
    assert "RProp, which asks only for signs, ends at wx = 1.0014, wRec = 0.9997 with loss" in said
    assert "after 500 steps" in said


def test_a_start_at_the_wall_a_way_without_one_and_a_flat_place_are_told_as_such():
    w = 4.6
    at_once = moved((w, float(0.5 - w / (1 + np.exp(-0.5))) - 1e-4))
    assert at_once.steepest == 0
    assert sentence(at_once).text.startswith("At the start the gradient is ")
    assert "One plain step throws the weights" in sentence(at_once).text
    none = moved((5.2, -1.9), steps=5)
    assert "This way meets no wall" in sentence(none).text
    assert none.times < 10
    flat = Unit(x_0=50.0, target=0.7)
    made = wall(flat, (700.0, 900.0), (0.0, 1.0), (800.0, 0.5), samples=12, steps=3)
    assert (made.plain.gradient == 0).all()
    assert sentence(made).text.startswith("At the start the gradient is exactly 0: nothing moves.")


def test_a_step_beyond_the_float_range_is_told_and_drawn_as_that():
    shown = SURFACES["counting"]
    made = shown.wall(samples=12, rate=1e305, steps=3, method="norm", clip=1e-3)
    assert made.lands is None
    assert "One plain step throws the weights beyond the float range." in sentence(made).text
    said = words(wall_spec(made, page=True))
    assert any(text == "unclipped: beyond the float range at step 1" for text in said)


def test_a_small_networks_wall_is_drawn_along_two_of_its_weights():
    experiment = Experiment(depth=1, width=2, T=8)
    along = of_network(make_network(experiment), make_sequence(experiment), "W_T1 1 1", "W_out 1 2")
    (x, y) = along.here
    made = wall(along, (x - 2, x + 2), (y - 2, y + 2), along.here, rate=0.05, steps=10, samples=12)
    said = words(wall_spec(made, page=True))
    assert "weight through time of layer 1, row 1, column 1" in said
    assert "readout weight, row 1, column 2 ↑" in said
    assert sentence(made).text
