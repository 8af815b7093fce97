"""The picture says what the numbers say: asserted on arrays, ticks, ranges, places and words of the specification."""

import colorsys
import json
import re
from dataclasses import replace

import numpy as np
import plain
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import small_experiments

from rnnviz.examples import EXAMPLES
from rnnviz.experiment import Experiment, run
from rnnviz.figures import DARK, LIGHT, THEMES, colour, flow_figure, flow_spec
from rnnviz.figures.columns import MOST_COLUMNS, columns
from rnnviz.figures.frame import log_ticks, step_ticks
from rnnviz.flow import CUT, NAN, OK, OVERFLOW, PENDING, UNDERFLOW, ZERO, neurons, read
from rnnviz.windows import full

STOPS = {  # as the design gives them
    "light": ("F8FBFC DEF0FB BCDFFA 9ACCF7 7BB4EF 629DE3 4F85D1", "976EB2", "C85355 C64142 B72D2C 9C1923 7B1221 580E21 370C1A"),
    "dark": ("101317 142036 1A3059 214279 295697 346BB1 4782C9", "9E73BB", "E05C67 F06E56 F88C48 FAAD51 F6CC7B F4E5B0 FBF8E1"),
}
HEX = re.compile(r"#[0-9A-Fa-f]{6}")


def reading_of(experiment, quantity="delta"):
    return read(run(experiment), quantity)


VANISHING = reading_of(Experiment())
BY_HAND = reading_of(EXAMPLES["By hand"])


def named(spec, name):
    """The only trace of that name."""
    found = [trace for trace in spec["data"] if trace["name"] == name]
    assert len(found) == 1, (name, [trace["name"] for trace in spec["data"]])
    return found[0]


def names(spec):
    return [trace["name"] for trace in spec["data"]]


def words(spec):
    """All notes of the figure, without their tags."""
    return [re.sub(r"<[^>]+>", "", note["text"]) for note in spec["layout"]["annotations"]]


def notes(spec, start):
    return [note for note in spec["layout"]["annotations"] if re.sub(r"<[^>]+>", "", note["text"]).startswith(start)]


def states(cells, base=VANISHING):
    """The reading with some cells in another state: {(layer, step): state}."""
    made = base.state.copy()
    for place, state in cells.items():
        made[place] = state
    return replace(base, state=made)


# Colour.


@pytest.mark.parametrize("theme", STOPS)
@pytest.mark.parametrize("W", [2, 4, 8, 16, 32])
def test_the_scale_has_the_stops_of_the_design_at_its_places(theme, W):
    low, middle, high = STOPS[theme]
    b = {2: 0.25, 4: 0.125, 8: 0.0625, 16: 0.05, 32: 0.05}[W]
    made = colour.scale(THEMES[theme], W)
    assert [c for _, c in made] == ["#" + c for c in (*low.split(), middle, *high.split())]
    places = [p for p, _ in made]
    np.testing.assert_allclose(places, [(1 - b) / 2 * i / 6 for i in range(7)] + [0.5]
                               + [(1 + b) / 2 + (1 - b) / 2 * i / 6 for i in range(7)], atol=1e-12)
    assert places == sorted(places)


@pytest.mark.parametrize(("theme", "sign"), [("light", -1), ("dark", 1)])
@pytest.mark.parametrize("W", [2, 8, 32])
def test_ink_is_gradient_more_of_it_is_never_nearer_to_the_page(theme, sign, W):
    shades = [colour.luminance(colour.at(THEMES[theme], W, x)) for x in np.linspace(-W, W, 201)]
    assert all(sign * (b - a) >= -0.012 for a, b in zip(shades, shades[1:], strict=False))  # the design allows 0.25 of CIELAB L
    assert sign * (shades[-1] - shades[0]) > 0.8


@pytest.mark.parametrize("theme", STOPS)
def test_less_is_blue_one_is_violet_more_is_red_or_orange(theme):
    def hue(x):
        return 360 * colorsys.rgb_to_hls(*(c / 255 for c in colour.at(THEMES[theme], 8, x)))[0]

    assert all(190 <= hue(x) <= 225 for x in np.linspace(-7.5, -1, 20))
    assert 270 <= hue(0) <= 290
    assert all(hue(x) <= 60 or hue(x) >= 335 for x in np.linspace(1, 7.5, 20))


@given(st.lists(st.floats(-40, 40) | st.sampled_from((np.inf, -np.inf, np.nan)), min_size=1, max_size=8))
def test_the_range_is_the_smallest_step_that_covers_the_data(logs):
    made = np.array(logs)
    W = colour.decades(made)
    largest = max((abs(x) for x in logs if np.isfinite(x)), default=0)
    assert W in (2, 4, 8, 16, 32)
    assert largest <= W or W == 32
    assert W == 2 or largest > W / 2


@given(st.floats(-8, 8), st.sampled_from(tuple(STOPS)))
def test_a_printed_value_can_be_read_on_every_colour(x, theme):
    rgb = colour.at(THEMES[theme], 8, x)
    ink = colour.text_on(rgb)
    shades = sorted((colour.luminance(rgb), colour.luminance([int(ink[i:i + 2], 16) for i in (1, 3, 5)])))
    assert (shades[1] + 0.05) / (shades[0] + 0.05) >= 4.2


# The grid.


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("quantity", ["delta", "grad_h"])
def test_a_cell_shows_log10_of_its_size_over_what_the_loss_sends_in(name, quantity):
    made = run(EXAMPLES[name])
    reading = read(made, quantity)
    spec = flow_spec(reading)
    grid, W = named(spec, "grid"), spec["layout"]["coloraxis"]["cmax"]
    assert spec["layout"]["coloraxis"]["cmin"] == -W
    true = plain.grid_of(made).left(quantity).astype(float)
    good = reading.state == OK
    np.testing.assert_allclose(grid["z"][good], np.clip(true, -W, W)[good], atol=1e-5)
    assert np.isnan(grid["z"][~good]).all()
    assert W == colour.decades(true[good])
    assert grid["z"].shape == (len(made.network.layers), made.sequence.T)
    np.testing.assert_array_equal(grid["y"], np.arange(1, reading.L + 1))
    np.testing.assert_array_equal(grid["x"], np.arange(reading.T + 1) + 0.5)


def test_a_pinned_range_stays_and_cells_beyond_it_take_its_ends():
    spec = flow_spec(VANISHING, decades=2)
    assert (spec["layout"]["coloraxis"]["cmin"], spec["layout"]["coloraxis"]["cmax"]) == (-2, 2)
    z = named(spec, "grid")["z"]
    np.testing.assert_allclose(z, np.maximum(VANISHING.log_ratio, -2), atol=1e-6)
    assert (z == -2).sum() > 20


@pytest.mark.parametrize("W", [2, 8, 32])
def test_the_colour_bar_is_240_px_with_fades_1_and_blows_up_between_its_ends(W):
    bar = flow_spec(VANISHING, decades=W)["layout"]["coloraxis"]["colorbar"]
    assert (bar["lenmode"], bar["len"]) == ("pixels", 240)
    texts = [re.sub(r"<[^>]+>", "", text) for text in bar["ticktext"]]
    up = str(W).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    assert texts == ["10⁻" + up, "fades", "1 holds", "blows up", "10" + up]
    assert bar["tickvals"][0] == -W
    assert bar["tickvals"][2] == 0
    assert bar["tickvals"][4] == W
    assert bar["tickvals"] == sorted(bar["tickvals"])


@pytest.mark.parametrize(("T", "gap"), [(30, 2), (100, 1), (300, 0)])
def test_gaps_between_cells_narrow_with_the_cells(T, gap):
    grid = named(flow_spec(reading_of(Experiment(T=T, width=2)), width=1068), "grid")
    assert grid["xgap"] == gap


def test_what_is_read_on_hover_is_the_cell_itself():
    made = run(Experiment(width=3, T=14))
    reading = read(made)
    grid = named(flow_spec(reading), "grid")
    true, numbers = plain.grid_of(made), grid["customdata"].astype(float)
    for l in range(3):
        for t in range(14):
            step, back, m, e, rm, re_, above, future, slope = numbers[l, t]
            assert (step, back) == (t + 1, 13 - t)
            np.testing.assert_allclose(m * 10**e, float(true.size()[l, t]), rtol=1e-5)
            np.testing.assert_allclose(rm * 10**re_, 10 ** float(true.left()[l, t]), rtol=1e-5)
            assert 1 <= m < 10.0001
            space, time = (float(np.sqrt((v[l][t] ** 2).sum())) for v in (true.space, true.time))
            if space + time:
                shares = [100 * space / (space + time), 100 * time / (space + time)]
                np.testing.assert_allclose([above, future], shares, rtol=1e-4, atol=1e-4)
            np.testing.assert_allclose(slope, float(true.slope[l][t].mean()), rtol=1e-5)
    for field in range(9):
        assert f"customdata[{field}" in grid["hovertemplate"]


def test_steps_before_the_loss_are_counted_to_the_next_loss_that_a_pass_sees():
    reading = reading_of(Experiment(score="chosen steps", steps="10, 20, 30", width=2))
    back = named(flow_spec(reading), "grid")["customdata"][0, :, 1]
    np.testing.assert_array_equal(back[:10], np.arange(9, -1, -1))
    np.testing.assert_array_equal(back[10:20], np.arange(9, -1, -1))
    np.testing.assert_array_equal(back[20:], np.arange(9, -1, -1))


@pytest.mark.parametrize(("first", "last", "plot", "ticks"), [
    (1, 30, 942, [1, 5, 10, 15, 20, 25, 30]), (1, 6, 942, [1, 2, 3, 4, 5, 6]), (1, 1, 942, [1]),
    (1, 100, 942, [1, *range(5, 101, 5)]), (1, 100, 400, [1, 20, 40, 60, 80, 100]),
    (500, 530, 942, [500, 505, 510, 515, 520, 525, 530]),
])
def test_ticks_stand_at_round_steps_and_at_both_ends(first, last, plot, ticks):
    assert step_ticks(first, last, plot) == ticks


@given(st.integers(1, 9000), st.integers(0, 9000), st.integers(120, 2000))
def test_ticks_leave_room_for_their_numbers_in_any_length_and_width(first, more, plot):
    last = first + more
    made = step_ticks(first, last, plot)
    assert made[0] == first
    assert made[-1] == last
    assert made == sorted(set(made))
    px = np.diff(made) * plot / (more + 1)
    assert (px >= 20).all() or len(made) <= 3


@given(st.floats(-60, 0), st.floats(0.1, 60))
def test_ticks_of_the_log_axis_lie_inside_it_and_say_their_power(low, span):
    places, texts = log_ticks(low, low + span)
    assert len(places) <= 9
    assert len(places) >= (1 if span >= 1.6 or low + span >= 0 >= low else 0)
    for place, text in zip(places, texts, strict=True):
        assert low - 1e-9 <= place <= low + span + 1e-9
        said = re.fullmatch(r"10<sup>(−?\d+)</sup>", text)
        assert place == pytest.approx(float(said[1].replace("−", "-")) if said else np.log10(float(text)), abs=1e-12)


# Cells that are not a number on the scale.


def test_an_exact_zero_is_a_page_coloured_box_with_a_0():
    cells = {(0, 3): ZERO, (2, 10): ZERO}
    spec = flow_spec(states(cells))
    marks = named(spec, "exactly 0")
    assert marks["text"] == "0"
    assert {(int(y) - 1, int(x) - 1) for x, y in zip(marks["x"], marks["y"], strict=True)} == set(cells)
    box = named(spec, "cells")
    assert (box["fillcolor"], box["line"]["width"], box["line"]["color"]) == (LIGHT.page, 1, LIGHT.hairline)
    assert boxed(box) == set(cells)


def boxed(trace):
    """The (layer, step) inside the outlines of a trace of boxes."""
    corners = np.stack([trace["x"], trace["y"]], axis=1).reshape(-1, 6, 2)[:, :5]
    found = set()
    for box in corners:
        (x0, y0), (x1, y1) = box.min(axis=0), box.max(axis=0)
        found |= {(l, t) for l in range(12) for t in range(2000) if x0 < t + 1 < x1 and y0 < l + 1 < y1}
    return found


@pytest.mark.parametrize(("state", "name", "mark"), [
    (ZERO, "exactly 0", "0"), (UNDERFLOW, "too small for float64", "▽"), (OVERFLOW, "too large for float64", "∞"),
    (NAN, "not a number", "nan")])
@pytest.mark.parametrize("theme", THEMES)
def test_each_kind_of_cell_without_a_number_has_a_mark_of_its_own(state, name, mark, theme):
    spec = flow_spec(states({(1, 5): state}), theme=theme)
    trace = named(spec, name)
    assert trace["text"] == mark
    assert (float(trace["x"][0]), float(trace["y"][0])) == (6, 2)
    assert np.isnan(named(spec, "grid")["z"][1, 5])
    solid = state in (OVERFLOW, NAN)
    assert named(spec, "cells")["fillcolor"] == (THEMES[theme].ink if solid else THEMES[theme].page)
    assert trace["textfont"]["color"] == (THEMES[theme].page if solid else
                                          THEMES[theme].fades if state == UNDERFLOW else THEMES[theme].third)


def test_below_18_px_a_zero_is_a_dot():
    reading = states({(0, 3): ZERO}, reading_of(Experiment(T=100, width=2)))
    assert named(flow_spec(reading), "exactly 0")["text"] == "·"


def test_a_cell_not_computed_yet_is_a_dotted_outline():
    box = named(flow_spec(states({(1, 5): PENDING})), "cells")
    assert box["line"]["dash"] == "dot"
    assert boxed(box) == {(1, 5)}


def test_what_no_pass_reaches_is_hatched_and_named_once_across_the_block():
    reading = reading_of(EXAMPLES["Cut too early"])
    spec = flow_spec(reading)
    hatch = [trace for trace in spec["data"] if "fillpattern" in trace]
    assert len(hatch) == 1
    assert hatch[0]["fillpattern"]["shape"] == "/"
    assert hatch[0]["fillpattern"]["fgcolor"] == LIGHT.hatch
    assert boxed(hatch[0]) == {(l, t) for l in range(3) for t in range(22)}
    label = notes(spec, "cut off: τ")
    assert len(label) == 1
    assert words(spec).count("cut off: τmax = 8") == 1
    assert label[0]["x"] == pytest.approx(11.5)
    assert label[0]["y"] == 2


@given(st.lists(st.sampled_from((CUT, ZERO, UNDERFLOW, OVERFLOW, NAN, PENDING)), max_size=4))
def test_the_key_names_only_the_states_that_occur(kinds):
    spec = flow_spec(states({(0, 3 * i): kind for i, kind in enumerate(kinds)}))
    said = {CUT: "cut off", ZERO: "exactly zero", UNDERFLOW: "too small for float64", OVERFLOW: "too large for float64",
            NAN: "not a number", PENDING: "not computed"}
    key = " ".join(text for text in words(spec) if text and text.lstrip()[0] in "▨0▽∞n⬚")
    for kind, text in said.items():
        assert (text in key) == (kind in kinds)


def test_where_the_forward_pass_overflows_the_grid_shows_where_and_nothing_else():
    reading = reading_of(Experiment(cell="linear", g=3.0, T=700, width=4))
    l, t = reading.overflow
    spec = flow_spec(reading)
    assert np.isnan(named(spec, "grid")["z"]).all()
    marked = named(spec, "too large for float64")
    assert marked["y"].tolist() == [l + 1]
    assert abs(float(marked["x"][0]) - (t + 1)) <= 1
    assert any(trace["name"] == "cells" and trace["line"]["dash"] == "dot" for trace in spec["data"])


# Long sequences and zoom.


@pytest.fixture(scope="module")
def long():
    return reading_of(Experiment(depth=8, width=3, T=2000, g=1.0))


def test_2000_steps_become_400_columns_each_the_median_of_5(long):
    spec = flow_spec(long)
    grid = named(spec, "grid")
    assert grid["z"].shape == (8, 400)
    W = spec["layout"]["coloraxis"]["cmax"]
    for c in (0, 1, 200, 399):
        for l in range(8):
            five = sorted(long.log_ratio[l, 5 * c:5 * c + 5].tolist())
            assert grid["z"][l, c] == pytest.approx(min(W, max(-W, five[2])), abs=1e-5)
    assert any("each column is the median of 5 steps" in text for text in words(spec))
    np.testing.assert_array_equal(grid["x"], np.arange(0, 2001, 5) + 0.5)


@given(st.integers(1, 10_000), st.integers(120, 2000), st.tuples(st.integers(-5, 11_000), st.integers(-5, 11_000)) | st.none())
def test_columns_cover_every_step_of_the_view_once_and_are_400_at_most(T, plot, zoom):
    made = columns(T, plot, zoom)
    assert 1 <= len(made.first) <= MOST_COLUMNS
    assert (made.first[1:] == made.last[:-1] + 1).all()
    assert (made.first <= made.last).all()
    assert 0 <= made.first[0]
    assert made.last[-1] < T
    if zoom is None:
        assert (made.first[0], made.last[-1]) == (0, T - 1)
    for t in {int(made.first[0]), int(made.last[-1]), int(made.last[len(made.last) // 2])}:
        column = made.holding(t)
        assert made.first[column] <= t <= made.last[column]


def test_a_zoom_shows_its_own_steps_one_by_one(long):
    spec = flow_spec(long, zoom=(500, 600))
    grid, W = named(spec, "grid"), spec["layout"]["coloraxis"]["cmax"]
    np.testing.assert_allclose(grid["z"], np.clip(long.log_ratio[:, 499:600], -W, W), atol=1e-5)
    assert spec["layout"]["xaxis"]["range"] == [499.5, 600.5]
    assert not any("median" in text for text in words(spec))
    ticks = spec["layout"]["xaxis"]["tickvals"]
    assert (ticks[0], ticks[-1]) == (500, 600)


def test_a_binned_cell_is_outlined_as_its_whole_bin(long):
    boxes = [shape for shape in flow_spec(long, cell=(3, 1203))["layout"]["shapes"] if shape["type"] == "rect"]
    assert len(boxes) == 2
    for box in boxes:
        assert (box["x0"], box["x1"], box["y0"], box["y1"]) == (1200.5, 1205.5, 3.5, 4.5)


def test_a_cell_outside_the_zoom_is_not_outlined(long):
    spec = flow_spec(long, cell=(3, 1203), zoom=(500, 600))
    assert not spec["layout"]["shapes"]


def test_a_bin_of_numbers_and_cut_cells_shows_the_numbers():
    made = run(Experiment(T=1000, width=2, cut=True, tau_max=401, tau_b=1000))
    reading = read(made)
    spec = flow_spec(reading)
    z = named(spec, "grid")["z"]
    size = 3  # 1000 steps in at most 400 columns
    reached = made.windows.reached()
    for c in range(z.shape[1]):
        assert np.isfinite(z[0, c]) == reached[size * c:size * c + size].any()


# The outlined cell.


def shaft(path):
    """(thickness, direction) of an arrow: read from its outline."""
    points = np.array([[float(v) for v in pair.split(",")] for pair in path.strip("MZ").split("L")])
    up = np.ptp(points[:, 1]) > np.ptp(points[:, 0])
    across, along = points.T if up else points.T[::-1]
    return abs(across[0]) + abs(across[-1]), "up" if up else "right", along.min()


def arrows(spec):
    return {shape["fillcolor"]: shaft(shape["path"]) for shape in spec["layout"]["shapes"] if shape["type"] == "path"}


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("cell", [(0, 14), (1, 2), (1, 25)])
def test_two_arrows_as_thick_as_their_shares_enter_the_outlined_cell(theme, cell):
    made = run(Experiment())
    grid = plain.grid_of(made)
    space, time = (float(np.sqrt((v[cell[0]][cell[1]] ** 2).sum())) for v in (grid.space, grid.time))
    spec = flow_spec(VANISHING, cell=cell, theme=theme)
    found = arrows(spec)
    assert set(found) == {THEMES[theme].space, THEMES[theme].time}
    for ink, part, where in ((THEMES[theme].space, space, "up"), (THEMES[theme].time, time, "right")):
        thick, direction, _ = found[ink]
        assert thick == pytest.approx(1.6 + 9 * part / (space + time), abs=0.11)
        assert direction == where
    above, future = notes(spec, "from above"), notes(spec, "from the future")
    assert words(spec).count(f"from above {100 * space / (space + time):.0f}%") == 1
    assert words(spec).count(f"from the future {100 * time / (space + time):.0f}%") == 1
    assert (above[0]["font"]["color"], future[0]["font"]["color"]) == (THEMES[theme].space, THEMES[theme].time)
    for shape in spec["layout"]["shapes"]:
        if shape["type"] == "path":
            assert (shape["xanchor"], shape["yanchor"]) == (cell[1] + 1, cell[0] + 1)
            assert (shape["xsizemode"], shape["ysizemode"]) == ("pixel", "pixel")


def test_the_outline_is_3_px_of_ink_in_a_halo_of_page():
    boxes = [shape for shape in flow_spec(VANISHING, cell=(1, 9))["layout"]["shapes"] if shape["type"] == "rect"]
    assert [(box["line"]["width"], box["line"]["color"]) for box in boxes] == [(6, LIGHT.page), (3, LIGHT.ink)]
    assert {(b["x0"], b["x1"], b["y0"], b["y1"]) for b in boxes} == {(9.5, 10.5, 1.5, 2.5)}


def test_past_60_percent_the_label_of_the_future_stands_left_of_the_cell():
    for t, anchor in ((3, "left"), (16, "left"), (19, "right"), (27, "right")):
        label = notes(flow_spec(VANISHING, cell=(0, t)), "from the future")[0]
        assert label["xanchor"] == anchor, t
        assert (label["xshift"] < 0) == (anchor == "right")


def test_no_arrow_comes_from_beyond_the_last_step():
    assert set(arrows(flow_spec(VANISHING, cell=(0, 29)))) == {LIGHT.space}


def test_the_top_layer_hears_the_loss_in_ink_and_only_at_its_step():
    spec = flow_spec(VANISHING, cell=(2, 29))
    assert set(arrows(spec)) == {LIGHT.ink}
    assert "from the loss 100%" in words(spec)
    assert set(arrows(flow_spec(VANISHING, cell=(2, 20)))) == {LIGHT.time}


@pytest.mark.parametrize("name", ["Dead ReLU", "Cut too early"])
def test_a_cell_that_nothing_enters_has_an_outline_and_no_arrows(name):
    spec = flow_spec(reading_of(EXAMPLES[name]), cell=(2, 0))
    assert not arrows(spec)
    assert [shape["type"] for shape in spec["layout"]["shapes"]] == ["rect", "rect"]


def test_arrows_of_large_cells_keep_off_the_printed_value():
    spec = flow_spec(BY_HAND, cell=(0, 2))
    assert spec["layout"]["width"] / 6 > 70
    for shape in spec["layout"]["shapes"]:
        if shape["type"] == "path":
            thick, direction, tip = shaft(shape["path"])
            assert tip >= (50 if direction == "right" else 20)


# Width 1, and the neurons of a layer.


def test_a_grid_of_single_units_prints_every_signed_delta():
    spec = flow_spec(BY_HAND)
    printed = named(spec, "values")
    assert len(printed["text"]) == 12
    for x, y, text in zip(printed["x"], printed["y"], printed["text"], strict=True):
        assert plain.agrees(text.lstrip("+"), BY_HAND.value["delta"][int(y) - 1, int(x) - 1])
    assert "values" not in names(flow_spec(VANISHING))


def test_values_that_have_no_room_are_not_printed():
    reading = reading_of(Experiment(width=1, T=60))
    assert "values" not in names(flow_spec(reading))


@pytest.mark.parametrize("quantity", ["delta", "grad_h"])
def test_an_opened_layer_shows_its_neurons_with_a_dash_where_the_sign_is_negative(quantity):
    made = run(Experiment(width=7))
    reading = read(made, quantity)
    opened = neurons(made, reading, 1)
    grid = plain.grid_of(made)
    true = np.stack(getattr(grid, quantity)[1]).T.astype(float)
    spec = flow_spec(reading, opened=opened)
    W = spec["layout"]["coloraxis"]["cmax"]
    shown = named(spec, "grid")["z"]
    np.testing.assert_allclose(shown, np.clip(np.log10(np.abs(true)) - np.log10(float(grid.reference)), -W, W), atol=1e-5)
    dashes = [trace for trace in spec["data"] if trace["name"] == "negative"]
    assert [trace["yaxis"] for trace in dashes] == ["y", "y5"]
    for trace, signed in zip(dashes, (true, np.stack(grid.h[1]).T), strict=True):
        at = {(int(y) - 1, int(x) - 1) for x, y in zip(trace["x"], trace["y"], strict=True)}
        assert at == set(map(tuple, np.argwhere(signed < 0).tolist()))
        assert trace["marker"]["symbol"] == "line-ew"
    np.testing.assert_allclose(named(spec, "|h|")["z"], np.abs(np.stack(grid.h[1]).T.astype(float)), atol=1e-6)
    np.testing.assert_allclose(named(spec, "φ′")["z"], np.stack(grid.slope[1]).T.astype(float), atol=1e-6)
    shut = (np.stack(grid.slope[1]) < 0.1).mean()
    assert any(f"{100 * shut:.0f}% of the units are shut" in text for text in words(spec))
    assert any("Layer 2, neuron by neuron" in text for text in words(spec))


# The loss.


@pytest.mark.parametrize(("steps", "x"), [("30", 30), ("3", 3), ("17", 17)])
def test_the_only_loss_is_a_C_above_its_step(steps, x):
    spec = flow_spec(reading_of(Experiment(score="chosen steps", steps=steps)))
    marks = [note for note in spec["layout"]["annotations"] if note["text"] == "<b><i>C</i></b>"]
    assert [mark["x"] for mark in marks] == [x]
    assert marks[0]["font"]["family"].startswith('"Source Serif"')
    assert sum("the loss sends in" in text for text in words(spec)) == 1
    assert "losses" not in names(spec)


def test_several_losses_are_triangles_above_their_steps_grey_where_no_pass_sees_them():
    reading = reading_of(Experiment(score="chosen steps", steps="2, 9-11, 30", cut=True, tau_max=4, tau_b=10))
    spec = flow_spec(reading)
    marks = {trace["marker"]["color"]: trace["x"].tolist() for trace in spec["data"] if trace["name"] == "losses"}
    assert marks == {LIGHT.ink: [9, 10, 11, 30], LIGHT.hatch: [2]} or marks == {LIGHT.ink: [9, 10, 30], LIGHT.hatch: [2, 11]}
    assert set(marks[LIGHT.ink]) == {t + 1 for t in np.flatnonzero(reading.scored & reading.seen)}
    assert all(trace["marker"]["symbol"] == "triangle-down" for trace in spec["data"] if trace["name"] == "losses")
    assert not [note for note in spec["layout"]["annotations"] if note["text"] == "<b><i>C</i></b>"]
    assert any("5 losses" in text for text in words(spec))


# The decay track.


def test_each_layer_has_a_line_of_what_is_left_and_lines_run_only_where_something_is():
    made = run(EXAMPLES["Cut too early"])
    spec = flow_spec(read(made))
    true = plain.grid_of(made).left()
    for l in range(3):
        curve = named(spec, f"layer {l + 1}")
        np.testing.assert_array_equal(curve["x"], np.arange(1, 31))
        assert np.isnan(curve["y"][:22]).all()
        np.testing.assert_allclose(curve["y"][22:], true[l, 22:].astype(float), atol=1e-5)
        assert not curve["connectgaps"]


@pytest.mark.parametrize("name", ["Vanishing", "Exploding", "Edge", "Saturated", "Identity start"])
def test_the_dashed_line_is_the_least_squares_rate_of_layer_1(name):
    made = run(EXAMPLES[name])
    rate, level, r2 = plain.line(plain.grid_of(made).left()[0])
    spec = flow_spec(read(made))
    dashed = named(spec, "rate")
    assert (dashed["line"]["dash"], dashed["line"]["color"]) == ("dash", LIGHT.time)
    np.testing.assert_allclose(dashed["x"], [1, 25])
    np.testing.assert_allclose(dashed["y"], [level + 24 * np.log10(rate), level], atol=1e-4)
    label = notes(spec, "×")
    assert len(label) == 1
    assert plain.agrees(plain.numbers(label[0]["text"])[0], rate)
    assert "per step back" in label[0]["text"]


def test_the_rate_of_a_loss_before_the_end_is_fitted_to_the_steps_before_it():
    made = run(Experiment(score="chosen steps", steps="20"))
    rate, level, _ = plain.line(plain.grid_of(made).left()[0][:20])
    dashed = named(flow_spec(read(made)), "rate")
    np.testing.assert_allclose(dashed["x"], [1, 17])
    np.testing.assert_allclose(dashed["y"], [level + 16 * np.log10(rate), level], atol=1e-4)


@pytest.mark.parametrize("changes", [
    {"T": 12}, {"score": "every step"}, {"T": 13}, {"g": 1.3, "input_scale": 5.0, "seed": 5, "T": 20}])
def test_no_rate_is_drawn_where_none_describes_the_curve(changes):
    made = run(Experiment(**changes))
    crooked = plain.line(plain.grid_of(made).left()[0])[2] < 0.9
    assert made.sequence.T <= 12 or made.sequence.scored.sum() > 1 or crooked, "the case is what it should be"
    spec = flow_spec(read(made))
    assert "rate" not in names(spec)
    assert not notes(spec, "×")


@settings(max_examples=40)
@given(st.floats(0.05, 3), st.integers(2, 40), st.integers(1, 5), st.sampled_from(("tanh", "sigmoid", "relu", "linear")),
       st.integers(0, 99), st.sampled_from(("delta", "grad_h")))
def test_the_ceiling_is_drawn_below_1_only_and_the_top_layer_never_exceeds_it(g, T, width, cell, seed, quantity):
    made = run(Experiment(g=round(g, 2), T=T, width=width, cell=cell, seed=seed, init="Gaussian", depth=2))
    reading = read(made, quantity)
    spec = flow_spec(reading)
    per_step = {"sigmoid": 0.25}.get(cell, 1.0) * np.linalg.norm(made.network.layers[-1].W_T, 2)
    assert ("ceiling" in names(spec)) == (reading.reference > 0 and per_step < 1)
    if "ceiling" in names(spec):
        line = named(spec, "ceiling")
        (x0, x1), (y0, y1) = line["x"].astype(float), line["y"].astype(float)
        assert (x0, x1) == (1, T)
        assert (y0 - y1) / (T - 1) == pytest.approx(np.log10(per_step), abs=1e-4)
        at = y1 + (y0 - y1) * (T - np.arange(1, T + 1)) / (T - 1)
        assert (plain.grid_of(made).left(quantity)[1] <= at + 1e-4).all()


@pytest.mark.parametrize(("g", "drawn"), [(0.8, False), (0.4, True)])
def test_the_float32_line_is_drawn_where_the_curves_come_that_low(g, drawn):
    spec = flow_spec(reading_of(Experiment(g=g)))
    low, high = spec["layout"]["yaxis2"]["range"]
    assert (low < -7 < high) == drawn
    assert ("limit" in names(spec)) == drawn
    if drawn:
        assert named(spec, "limit")["y"].tolist() == [-7, -7]
        assert any(text.startswith("10−7: lost when float32 adds it to 1") for text in words(spec))


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_point_of_the_curves_lies_inside_their_axis(name):
    spec = flow_spec(reading_of(EXAMPLES[name]))
    low, high = spec["layout"]["yaxis2"]["range"]
    for trace in spec["data"]:
        if trace["name"].startswith("layer "):
            good = trace["y"][np.isfinite(trace["y"])]
            assert ((low <= good) & (good <= high)).all()
    assert low <= 0 <= high


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_the_names_of_the_curves_stand_apart(depth):
    spec = flow_spec(reading_of(Experiment(depth=depth, g=0.3, T=60)))
    px = spec["layout"]["height"]
    places = sorted(note["y"] * px for note in spec["layout"]["annotations"] if re.fullmatch(r"layer \d+", note["text"]))
    assert len(places) == depth
    assert all(b - a >= 14.9 for a, b in zip(places, places[1:], strict=False))


# Gates.


@pytest.mark.parametrize(("cell", "most"), [("tanh", 1.0), ("sigmoid", 0.25)])
def test_the_gate_track_shows_the_mean_slope_from_shut_to_open(cell, most):
    made = run(Experiment(cell=cell))
    track = named(flow_spec(read(made)), "mean φ′")
    true = np.array([[float(v.mean()) for v in row] for row in plain.grid_of(made).slope])
    np.testing.assert_allclose(track["z"], true, atol=1e-6)
    assert (track["zmin"], track["zmax"]) == (0, most)
    assert [c for _, c in track["colorscale"]] == [LIGHT.shut, LIGHT.open]


# The figure as a whole.


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("width", [420, 820, 1068, 1920])
def test_every_example_is_a_valid_figure_of_the_width_asked_for(theme, name, width):
    reading = reading_of(EXAMPLES[name])
    made = flow_figure(reading, cell=(0, reading.T // 2), theme=theme, width=width, caption="A caption.")
    assert made.layout.width == width
    assert made.layout.height == made.layout.meta["height"]
    assert made.layout.paper_bgcolor == THEMES[theme].page
    assert any(note.text == "A caption." for note in made.layout.annotations)
    made.to_json()


@settings(max_examples=40)
@given(small_experiments(), st.data())
def test_any_experiment_is_a_valid_figure_in_which_something_is_drawn(experiment, data):
    made = run(experiment)
    reading = read(made, experiment.quantity)
    opened = None
    if reading.overflow is None and data.draw(st.booleans()):
        opened = neurons(made, reading, data.draw(st.integers(0, reading.L - 1)))
    cell = (data.draw(st.integers(0, reading.L - 1)), data.draw(st.integers(0, reading.T - 1)))
    theme = data.draw(st.sampled_from(tuple(THEMES)))
    spec = flow_spec(reading, cell=None if reading.overflow else cell, opened=opened, theme=theme,
                     width=data.draw(st.integers(300, 2000)), decades=experiment.decades)
    flow_spec_is_drawable(spec)
    grid = named(spec, "grid")
    marked = sum(len(trace["x"]) for trace in spec["data"] if trace.get("mode") == "text" or trace["name"] == "cells")
    assert np.isfinite(grid["z"]).any() or marked


def flow_spec_is_drawable(spec):
    import plotly.graph_objects as go

    go.Figure(spec)
    json.dumps(spec, default=lambda a: {"float32": list(a.shape)} if a.dtype == np.float32 else 1 / 0, allow_nan=False)


@pytest.mark.parametrize("options", [{}, {"opened": 1}, {"zoom": (5, 20)}, {"width": 820}])
@pytest.mark.parametrize("T", [1, 30, 1000])
def test_a_column_is_the_same_step_in_every_track(options, T):
    made = run(Experiment(T=T, width=4))
    reading = read(made)
    if "opened" in options:
        options = {"opened": neurons(made, reading, 1)}
    spec = flow_spec(reading, **options)
    layout = spec["layout"]
    axes = {trace["xaxis"] for trace in spec["data"]}
    assert axes == {"x", "x2"}
    assert layout["xaxis2"]["matches"] == "x"
    assert layout["xaxis"]["range"] == layout["xaxis2"]["range"]
    assert "domain" not in layout["xaxis"]
    assert "domain" not in layout["xaxis2"]
    maps = [trace["x"] for trace in spec["data"] if trace["type"] == "heatmap"]
    assert len(maps) == (3 if "opened" in options else 2)
    for edges in maps:
        np.testing.assert_array_equal(edges, maps[0])
    middle = (maps[0][1:] + maps[0][:-1]) / 2
    np.testing.assert_allclose(named(spec, "layer 1")["x"], middle)
    assert layout["xaxis"]["range"] == [maps[0][0], maps[0][-1]]


def test_tracks_stand_below_each_other_and_share_no_pixel():
    for opened in (None, 0):
        made = run(Experiment())
        reading = read(made)
        layout = flow_spec(reading, opened=None if opened is None else neurons(made, reading, opened))["layout"]
        axes = ["yaxis", "yaxis2", *(["yaxis5"] if opened is not None else []), "yaxis3"]
        domains = [layout[axis]["domain"] for axis in axes]
        for upper, lower in zip(domains, domains[1:], strict=False):
            assert upper[0] > lower[1]
        assert all(0 <= low < high <= 1 for low, high in domains)


def inks(spec):
    return {found.upper() for found in HEX.findall(json.dumps(spec, default=str))}


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "By hand"])
def test_a_theme_uses_none_of_the_other_themes_colours(name):
    reading = reading_of(EXAMPLES[name])
    for mine, other in (("light", "dark"), ("dark", "light")):
        own, foreign = (set(HEX.findall(str(THEMES[which]))) for which in (mine, other))
        assert not inks(flow_spec(reading, cell=(0, 25), theme=mine)) & (foreign - own)


def test_the_house_has_the_palette_of_the_design():
    assert (LIGHT.page, LIGHT.ink, LIGHT.space, LIGHT.time) == ("#FFFFFF", "#12161C", "#00758A", "#A85B00")
    assert (DARK.page, DARK.ink, DARK.space, DARK.time) == ("#0F1319", "#EEF1F5", "#45D0D8", "#FFB84D")
    assert (LIGHT.fades, LIGHT.holds, LIGHT.grows) == ("#1F5CA8", "#7A4FB0", "#A62421")
    assert (DARK.fades, DARK.holds, DARK.grows) == ("#7FB2EE", "#C3A5EE", "#FF9A6B")


@pytest.mark.parametrize("theme", THEMES)
def test_every_word_in_the_figure_reaches_4_6_to_1_on_the_page_and_the_panel(theme):
    t = THEMES[theme]
    for ground in (t.page, t.panel):
        for ink in (t.ink, t.second, t.third, t.space, t.time, t.fades, t.holds, t.grows):
            shades = sorted(colour.luminance([int(c[i:i + 2], 16) for i in (1, 3, 5)]) for c in (ink, ground))
            assert (shades[1] + 0.05) / (shades[0] + 0.05) >= 4.6, ink


@pytest.mark.parametrize(("changes", "depth"), [
    ({"T": 1}, 3), ({"depth": 1}, 1), ({"T": 1, "depth": 1, "width": 1}, 1), ({"depth": 12}, 12)])
def test_the_smallest_and_the_deepest_grids_are_drawn(changes, depth):
    reading = reading_of(Experiment(seed=3, **changes))
    spec = flow_spec(reading, cell=(0, 0))
    flow_spec_is_drawable(spec)
    assert named(spec, "grid")["z"].shape == (depth, reading.T)
    assert (reading.T == 1) <= (not notes(spec, "from the future"))
    assert (depth == 1) <= (not notes(spec, "from above"))


def test_the_loss_without_a_gradient_is_drawn_as_zeros_and_says_so():
    reading = reading_of(Experiment(task="impulse", cell="relu", bias=-1.0))
    spec = flow_spec(reading)
    assert (reading.state == ZERO).all()
    assert len(named(spec, "exactly 0")["x"]) == 90
    assert any("the loss sends in nothing" in text for text in words(spec))


def test_without_truncation_the_schedule_of_the_figure_is_one_full_pass():
    assert run(Experiment()).windows.P == full(30).P == 1
    assert not [trace for trace in flow_spec(VANISHING)["data"] if "fillpattern" in trace]
