"""The page as a person finds it, without a browser: every example, any walk over the controls, any link."""

import io
import json
import logging
import math
import random
import re
import struct
import subprocess
import sys
import xml.etree.ElementTree as ET
import zlib
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np
import pytest
from hostile import hostile_files
from hostile_tables import hostile_tables
from hypothesis import assume, given, settings
from strategies import experiments
from streamlit.testing.v1 import AppTest

from rnnviz.examples import EXAMPLES, SCENES
from rnnviz.experiment import CONTROLS, Experiment, problem, run, shapes
from rnnviz.figures import DARK, LIGHT, THEMES, flow_figure, flow_spec
from rnnviz.files import to_json
from rnnviz.flow import read, uncut
from rnnviz.formulas import cell
from rnnviz.links import from_link, to_link
from rnnviz.network import matrices
from rnnviz.own import Table, Weights
from rnnviz.sentences import flow
from rnnviz.typeset import to_html
from rnnviz.ui import board
from rnnviz.ui.picture import problem as view_problem
from rnnviz.ui.shelf import Shelf, shelf
from rnnviz.ui.state import numbers_of
from rnnviz.walk import problem as walk_problem

ROOT = Path(__file__).parent.parent
logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context").setLevel(logging.ERROR)  # no session, as meant


# The page, opened and read.


def unpack(packed):
    """The picture the board receives, its arrays put back in their places."""
    packed = bytes(packed)
    _, checksum, size = struct.unpack("<dLL", packed[:16])
    told, packed = json.loads(packed[16:16 + size]), packed[16 + size:]
    assert zlib.crc32(packed) == checksum
    length, = struct.unpack("<L", packed[:4])
    numbers = np.frombuffer(packed[4 + length:], dtype="<f4")

    def revive(value):
        if set(value) == {"$"}:
            start, shape = value["$"]
            return numbers[start:start + math.prod(shape)].reshape(shape)
        return value

    return told | json.loads(packed[4:4 + length], object_hook=revive)


def visit(query="", theme="light", **state):
    """The page at a link."""
    made = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    made.context = {"theme": theme}
    for pair in filter(None, query.split("&")) if isinstance(query, str) else ():
        name, _, value = pair.partition("=")
        made.query_params[name] = value
    if not isinstance(query, str):
        made.query_params.update(query)
    for name, value in state.items():
        made.session_state[name] = value
    made.run()
    return sound(made)


def sound(page):
    """The same page, after making sure that nothing went wrong on it."""
    assert not page.exception, page.exception
    assert not page.error, [error.value for error in page.error]
    return page


def component(page):
    return next(found.proto for found in page.get("bidi_component") if found.key == "board")


def picture(page):
    return unpack(component(page).bytes)


def lead(page):
    return "".join(text for text, _ in picture(page)["lead"])


def grid(page):
    return next(trace for trace in picture(page)["spec"]["data"] if trace["name"] == "grid")["z"]


def shown(page):
    """The Experiment whose picture is on the board, by its link."""
    experiment, notes = from_link(picture(page)["link"], shelf().find)
    assert not notes
    return experiment


def widgets(page):
    """Every widget by its key."""
    kinds = ("slider", "number_input", "selectbox", "toggle", "text_input", "button_group")
    return {plain_key(widget.key): widget for kind in kinds for widget in page.get(kind)}


def plain_key(key):
    """The key without its turn, which counts how often its field was set otherwise."""
    return re.sub(r"^(example)_\d+$|^(w_\w+?)_t\d+", r"\1\2", key)


def opened(page, menu):
    """The page with a menu open."""
    page.session_state[menu] = True
    page.run()
    return sound(page)


def put(page, name, value):
    """Set a control, as its widget would."""
    widgets(page)[f"w_{name}"].set_value(value)
    page.run()
    return sound(page)


def choose(page, name):
    """Click an example."""
    widgets(page)["example"].set_value(name)
    page.run()
    return sound(page)


def report(page, **values):
    """What the board's script reports back: a cell, a width, a zoom."""
    states = page._tree.get_widget_states()
    told = states.widgets.add()
    told.id, told.json_value = component(page).id, json.dumps(values)
    page._run(states)
    return sound(page)


def button(page, label):
    return next(b for b in page.button if b.label == label)


def editor(page):
    """The table that a matrix is edited in, or None."""
    return next((found.proto for found in page.data_editor), None)


def type_in(page, cells):
    """Type into the editor: {(row, column): number or text}, from 1, all that was typed since it stands as it does."""
    rows = {}
    for (row, column), value in cells.items():
        rows.setdefault(str(row - 1), {})[str(column)] = value if value is None else str(value)
    states = page._tree.get_widget_states()
    told = states.widgets.add()
    told.id = editor(page).id
    told.string_value = json.dumps({"edited_rows": rows, "added_rows": [], "deleted_rows": []})
    page._run(states)
    return sound(page)


def look_at(page, name, data):
    """Choose a file in the dialog, and read what it says: [texts], [buttons]."""
    button(page, "Open…").click().run()
    page.get("file_uploader")[0].set_value((name, data, "application/octet-stream"))
    button(page, "Open…").click().run()
    sound(page)
    return page


def take(page, name, data):
    """Choose a file in the dialog and press its Use button, if there is one."""
    look_at(page, name, data)
    use = next((b for b in page.button if b.label.startswith("Use this")), None)
    if use is not None:
        use.click()
        button(page, "Open…").click()
        page.run()
    else:
        page.run()
    return sound(page)


# Opening.


@pytest.mark.parametrize("theme", THEMES)
def test_the_page_opens_on_vanishing_in_the_visitors_theme(theme):
    page = visit(theme=theme)
    made = picture(page)
    assert shown(page) == Experiment()
    assert made["link"] == ""
    assert not made["notes"]
    assert widgets(page)["example"].value == "Vanishing"
    assert made["spec"]["layout"]["paper_bgcolor"] == THEMES[theme].page
    assert made["colours"]["ink"] == THEMES[theme].ink
    assert made["colours"]["fades"] == THEMES[theme].fades


@pytest.mark.parametrize("theme", THEMES)
def test_every_example_can_be_clicked_one_after_the_other(theme):
    page = visit(theme=theme)
    for clicks, name in enumerate([*list(EXAMPLES)[1:], "Vanishing"], start=1):
        choose(page, name)
        experiment = EXAMPLES[name]
        assert shown(page) == experiment
        assert widgets(page)["example"].value == name
        made, reading = picture(page), read(run(experiment))
        assert made["pushes"] == clicks
        assert made["alt"] == flow(reading, uncut(run(experiment), reading)).text
        assert made["shape"] == [reading.L, reading.T]
        layer, step = made["cell"]
        spec = flow_spec(reading, cell=(layer - 1, step - 1), theme=theme, page=True)
        np.testing.assert_array_equal(grid(page), spec["data"][0]["z"])
        assert made["equation"]["heading"].startswith(f"layer {layer}, step {step}")
        assert made["equation"]["html"] == to_html(cell(reading, layer - 1, step - 1))
        assert made["colours"]["ink"] == {"light": LIGHT, "dark": DARK}[theme].ink


def test_clicking_the_pressed_example_again_keeps_its_picture():
    page = choose(visit(), "Edge")
    widgets(page)["example"].set_value(None)
    sound(page.run())
    assert shown(page) == EXAMPLES["Edge"]
    assert widgets(page)["example"].value == "Edge"


def test_touching_a_control_deselects_the_example_and_bringing_it_back_selects_it_again():
    page = put(visit(), "g", 0.81)
    assert widgets(page)["example"].value is None
    assert widgets(put(page, "g", 0.8))["example"].value == "Vanishing"


def test_reading_an_example_in_another_way_keeps_it_selected():
    page = opened(visit(), "reading")
    for name, value in (("quantity", "grad_h"), ("notation", "U, V, W"), ("decades", 16), ("open", 2)):
        put(page, name, value)
        assert widgets(page)["example"].value == "Vanishing"
        assert f"{name}=" in picture(page)["link"]


def test_a_moved_control_pushes_no_new_entry_into_the_history():
    page = visit()
    for g in (0.9, 1.0, 1.1):
        assert picture(put(page, "g", g))["pushes"] == 0


def test_redraw_takes_the_next_seed_and_begins_again_after_the_last():
    page = visit("seed=9998")
    first = grid(page)
    for seed in (9999, 0, 1):
        sound(button(page, "Redraw").click().run())
        assert shown(page).seed == seed
        assert not np.array_equal(grid(page), first)


# Controls.


TABLED = {"task": "table", "table": "a,b;1,2;3,4;5,7", "T": 2}


def test_every_control_has_a_widget_that_sets_it():
    page = visit()
    for menu in ("group_Network", "group_Weights", "group_Sequence", "reading"):
        opened(page, menu)
    settings = {  # control: (a value of its own, what must stand for its widget to be there)
        "cell": ("relu", {}), "depth": (2, {}), "width": (5, {}), "layers": ("4, 4 relu", {}), "readout": ("none", {}),
        "g": (1.25, {}), "input_scale": (0.5, {}), "bias": (0.5, {}), "init": ("Gaussian", {}), "seed": (7, {}), "T": (40, {}),
        "score": ("every step", {}), "steps": ("3, 5", {"score": "chosen steps", "steps": "9"}), "task": ("sine", {}),
        "text": ("abc", {"task": "text"}), "loss": ("squared", {}), "cut": (True, {}), "tau_max": (4, {"cut": True}),
        "tau_b": (5, {"cut": True}), "quantity": ("grad_h", {}), "notation": ("derivation", {}), "open": (2, {}),
        "decades": (16, {}), "inputs": (3, {"task": "noise"}), "outputs": (2, {"task": "noise"}), "columns": ("2", TABLED),
        "aim": ("zero", TABLED), "target_column": (2, {**TABLED, "aim": "a column"}), "scaling": ("none", TABLED),
        "view": ("truncation", {}), "long": (12_000, {}), "precision": ("float16", {}), "surface": ("latch", {"view": "wall"}),
        "start": ("1 2", {"view": "wall"}), "learning_rate": (0.25, {"view": "wall"}), "method": ("value", {"view": "wall"}),
        "clip": (0.5, {"view": "wall"}), "descents": (9, {"view": "wall"}),
        "axis_x": ("W_S1 1 1", {"view": "wall", "surface": "this network"}),
        "axis_y": ("b1 2", {"view": "wall", "surface": "this network"}),
        "span": (2.0, {"view": "wall", "surface": "this network"}),
    }
    # number fields, clicks on the grid, the editor, the dialog and the board's own controls set the others
    others = {"hand", "layer", "step", "weights", "table", "walk", "visit", "lecture", "dial", "held", "weight", "per", "again",
              "route", "shade"}
    assert set(settings) | others == set(CONTROLS)
    for name, (value, needs) in settings.items():
        page = visit({k: str(int(v) if v is True else v) for k, v in needs.items()})
        for menu in ("group_Network", "group_Weights", "group_Sequence", "reading"):
            opened(page, menu)
        put(page, name, value)
        assert page.session_state["settings"][name] == value
        assert widgets(page)[f"w_{name}"].value == value


def test_a_control_hidden_for_a_while_keeps_its_value():
    page = put(put(visit("cut=1"), "tau_max", 5), "cut", False)
    assert "w_tau_max" not in widgets(page)
    assert widgets(put(page, "cut", True))["w_tau_max"].value == 5
    page = put(put(visit("score=chosen steps&steps=9"), "steps", "4, 6"), "score", "last step")
    assert widgets(put(page, "score", "chosen steps"))["w_steps"].value == "4, 6"
    page = opened(visit(), "group_Weights")
    put(page, "bias", 0.5)
    page.session_state["group_Weights"] = False
    sound(page.run())
    assert shown(page).bias == 0.5
    assert widgets(opened(page, "group_Weights"))["w_bias"].value == 0.5


def test_an_emptied_number_field_keeps_the_last_number():
    page = put(visit(), "depth", None)
    assert shown(page).depth == 3
    assert widgets(page)["w_depth"].value == 3


def test_long_sequences_take_number_fields_and_bring_the_value_along_both_ways():
    page = opened(put(visit("cut=1&tau_b=100"), "T", 150), "group_Sequence")
    widgets(page)["long_toggle"].set_value(True)
    sound(page.run())
    assert {name: widgets(page)[f"w_{name}"].type for name in ("T", "tau_max", "tau_b")} == dict.fromkeys(
        ("T", "tau_max", "tau_b"), "number_input")
    assert (shown(page).T, shown(page).tau_b) == (150, 100)
    put(page, "T", 3000)
    assert shown(page).T == 3000
    assert grid(page).shape[1] <= 400
    widgets(page)["long_toggle"].set_value(False)
    sound(page.run())
    assert shown(page).T == 200
    assert widgets(page)["w_T"].type == "slider"
    assert shown(page).tau_b == 100


def test_a_long_sequence_in_a_link_opens_with_a_number_field():
    page = visit("T=2500&width=4")
    assert widgets(page)["w_T"].type == "number_input"
    assert widgets(page)["w_T"].value == 2500
    put(page, "T", 100)
    assert shown(page).T == 100


def test_a_layer_list_takes_the_place_of_depth_width_and_cell_until_it_is_cleared():
    page = opened(visit(), "group_Network")
    put(page, "layers", "8, 4 relu, 6 static")
    assert [width for width, _, _ in shown(page).stack] == [8, 4, 6]
    assert grid(page).shape == (3, 30)
    assert widgets(page)["w_depth"].disabled
    assert widgets(page)["w_width"].disabled
    next(b for b in page.button if "Layer list in use" in b.label).click()
    sound(page.run())
    assert shown(page) == Experiment()
    assert not widgets(page)["w_depth"].disabled


def test_the_number_fields_of_by_hand_set_the_weights():
    page = choose(visit(), "By hand")
    fields = {key: widget for key, widget in widgets(page).items() if key.startswith("w_hand_")}
    assert {key: widget.value for key, widget in fields.items()} == {
        "w_hand_0_0": 0.9, "w_hand_0_1": 0.8, "w_hand_0_2": 0.0, "w_hand_1_0": 0.9, "w_hand_1_1": -0.7, "w_hand_1_2": 0.0}
    before = grid(page)
    fields["w_hand_1_1"].set_value(0.35)
    sound(page.run())
    assert shown(page).hand == "0.9 0.8 0, 0.9 0.35 0"
    assert widgets(page)["example"].value is None
    layers = run(shown(page)).network.layers
    assert [(l.W_S[0, 0], l.W_T[0, 0], l.b[0]) for l in layers] == [(0.9, 0.8, 0.0), (0.9, 0.35, 0.0)]
    assert not np.array_equal(grid(page), before)
    choose(page, "By hand")
    assert widgets(page)["w_hand_1_1"].value == -0.7


def test_another_layer_by_hand_begins_with_the_scales():
    page = put(choose(visit("g=0.5"), "By hand"), "depth", 3)
    made = run(shown(page)).network.layers[2]
    assert (made.W_S[0, 0], made.W_T[0, 0], made.b[0]) == (1.0, EXAMPLES["By hand"].g, 0.0)
    assert widgets(page)["w_hand_2_1"].value == EXAMPLES["By hand"].g


# What the board reports.


def test_a_reported_cell_is_outlined_and_gets_its_equation_and_its_link():
    page = report(visit(), cell=[2, 7, 1])
    made = picture(page)
    assert made["cell"] == [2, 7]
    assert made["equation"]["heading"].split("  ")[0] == "layer 2, step 7"
    assert made["link"] == "layer=2&step=7"
    outline = made["spec"]["layout"]["meta"]["shapes"][:2]
    spec = flow_spec(read(run(Experiment())), cell=(1, 6), page=True)
    assert outline == spec["layout"]["meta"]["shapes"][:2]
    x, width = (float(re.search(rf'{name}="([0-9.]+)"', outline[0])[1]) for name in ("x", "width"))
    assert (x - 84) / width == pytest.approx(6, abs=0.01), "the seventh column, whole"


def test_outlining_a_cell_computes_no_new_run(monkeypatch):
    page = visit()
    from rnnviz.ui import drawings as script

    monkeypatch.setattr(script, "run", lambda *a: pytest.fail("the run was computed again"))
    report(page, cell=[1, 3, 1])
    assert picture(page)["cell"] == [1, 3]
    put(opened(page, "reading"), "notation", "U, V, W")


@pytest.mark.parametrize("told", [
    {"cell": [99, 7, 1]}, {"cell": [1, -3, 1]}, {"cell": ["x", None, 1]}, {"cell": 5}, {"cell": [1.5, 2, 3]}, {"cell": []},
    {"width": -5}, {"width": 10**9}, {"width": "wide"}, {"zoom": [5]}, {"zoom": ["a", "b"]}, {"zoom": None}, {"zoom": [9, 2]},
])
def test_a_nonsensical_report_changes_nothing(told):
    page = visit()
    before = picture(page)
    report(page, **told)
    after = picture(page)
    assert after["cell"] == before["cell"]
    assert after["link"] == before["link"]
    assert after["spec"]["layout"]["width"] == before["spec"]["layout"]["width"]
    assert after["spec"]["layout"]["xaxis"]["range"] == before["spec"]["layout"]["xaxis"]["range"]


def test_the_figure_is_as_wide_as_the_browser_says():
    page = report(visit(), width=801)
    assert picture(page)["spec"]["layout"]["width"] == 801


def test_a_zoom_into_a_long_sequence_shows_its_steps_and_ends_with_the_sequence():
    page = report(visit("T=2000&width=4"), zoom=[501, 600])
    assert picture(page)["spec"]["layout"]["xaxis"]["range"] == [500.5, 600.5]
    assert grid(page).shape[1] == 100
    put(page, "T", 300)  # shorter than where the zoom begins
    assert picture(page)["spec"]["layout"]["xaxis"]["range"] == [0.5, 300.5]
    choose(page, "Edge")
    assert picture(page)["spec"]["layout"]["xaxis"]["range"] == [0.5, 30.5]


def test_an_example_is_shown_whole_whatever_was_zoomed_into_before():
    page = report(visit(), zoom=[5, 10])
    assert picture(page)["spec"]["layout"]["xaxis"]["range"] == [4.5, 10.5]
    assert EXAMPLES["Edge"].T == 30
    assert picture(choose(page, "Edge"))["spec"]["layout"]["xaxis"]["range"] == [0.5, 30.5]


# What cannot be drawn.


@pytest.mark.parametrize(("query", "changes", "words"), [
    ("width=16", {"init": "by hand"}, ("By hand", "width 1")),
    ("T=9000&width=60", {"width": 512}, ("million multiply-adds", "would fit")),
    ("score=chosen steps&steps=5", {"steps": ""}, ("Chosen steps",)),
    ("score=chosen steps&steps=5", {"steps": "5-"}, ("Chosen steps", '"5-"')),
    ("", {"layers": "16, what"}, ("Layer list", '"what"')),
    ("task=text", {"text": ""}, ("Text is empty",)),
    ("task=sine", {"readout": "none"}, ("Without a readout", "it is 16")),
    ("", {"loss": "sigmoid"}, ("sigmoid", "0 to 1")),
])
def test_a_setting_that_cannot_run_leaves_the_last_picture_and_names_its_field(query, changes, words):
    page = visit(query)
    for menu in ("group_Network", "group_Weights", "group_Sequence"):
        opened(page, menu)
    before, experiment = grid(page), shown(page)
    for name, value in changes.items():
        put(page, name, value)
    np.testing.assert_array_equal(grid(page), before)
    assert shown(page) == experiment
    notes = picture(page)["notes"]
    assert len(notes) == 1
    for word in words:
        assert word in notes[0]
    assert "last setting that works" in notes[0]
    assert len(notes[0]) <= 300
    assert widgets(page)["example"].value is None
    choose(page, "Edge")
    assert not picture(page)["notes"]
    assert shown(page) == EXAMPLES["Edge"]


def test_an_unexpected_error_is_one_sentence_with_a_code_and_a_line_in_the_log(monkeypatch, caplog):
    from rnnviz.ui import drawings as script

    monkeypatch.setattr(script, "flow_spec", lambda *a, **k: 1 / 0)
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    assert not page.exception
    assert len(page.error) == 1
    said = re.fullmatch(r"Something went wrong .* \(code ([0-9A-F]{4})\)\. Choose an example to go on\.", page.error[0].value)
    assert said
    assert any(said[1] in record.getMessage() and record.exc_info for record in caplog.records)
    monkeypatch.undo()
    choose(page, "Edge")
    assert shown(page) == EXAMPLES["Edge"]


# Links.


@settings(max_examples=25)
@given(experiments(max_T=300, max_depth=4, max_width=24))
def test_a_link_opens_the_picture_it_was_taken_from(experiment):
    assume(not view_problem(experiment))
    page = visit(dict(parse_qsl(to_link(experiment), keep_blank_values=True)))
    if experiment.walk and (why := walk_problem(run(experiment))):
        assert why in picture(page)["notes"]
        experiment = replace(experiment, walk="", visit=0)
    else:
        assert not picture(page)["notes"]
    assert shown(page).recipe == experiment.recipe
    assert picture(page)["link"] == to_link(experiment) or experiment.open > len(experiment.stack)
    assert page.session_state["settings"]["T"] == experiment.T


HOSTILE = {
    "a thousand million steps": {"T": "1000000000"},
    "more digits than a number has": {"T": "9" * 5000},
    "not a number": {"g": "nan"},
    "infinity": {"g": "inf", "bias": "-inf"},
    "beyond a float": {"g": "1e999"},
    "hexadecimal": {"T": "0x10", "g": "0x1p3"},
    "other digits": {"T": "３０", "g": "٠.٨"},
    "an underscore": {"T": "1_0"},
    "blanks": {"T": " 30 ", "cell": " tanh"},
    "an unknown name": {"nonsense": "1", "__class__": "x", "settings": "{}"},
    "a cell that does not exist": {"cell": "lstm9000"},
    "markup": {"cell": "<script>alert(1)</script>", "layers": "<img src=x onerror=alert(1)>"},
    "markup in a name": {"<script>alert(1)</script>": "1"},
    "LaTeX": {"task": r"$\rule{9999em}{9999em}$"},
    "Markdown with a picture": {"init": "![x](https://example.org/x.png)"},
    "control characters": {"text": "a\x00b\x1b[31m\u202e", "task": "text", "steps": "\r\n5"},
    "a switch that is neither": {"cut": "maybe"},
    "too many layers": {"layers": ",".join(["4"] * 400)},
    "widths beyond the budget": {"layers": ", ".join(["512"] * 12), "T": "10000"},
    "100 kB of text": {"text": "a" * 100_000, "task": "text"},
    "100 kB in an unknown name": {"x" * 100_000: "1"},
    "a thousand names": {f"n{i}": "1" for i in range(1000)},
    "the same name twice": {"T": ["20", "25"]},
    "nothing": dict.fromkeys(CONTROLS, ""),
    "each field out of its range": dict.fromkeys(CONTROLS, "-7"),
    "fields that do not go together": {"init": "by hand", "width": "9", "readout": "none", "score": "chosen steps",
                                       "loss": "softmax"},
    "weights that are no numbers": {"init": "by hand", "width": "1", "hand": "1 2 3, nan inf x"},
    "a seed below zero": {"seed": "-1"},
    "names of session state": {"drawn": "1", "good": "1", "w_T": "5", "board": "{}", "board_failed": "1"},
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_link_opens_a_picture_and_says_in_plain_words_what_was_changed(kind):
    query = HOSTILE[kind]
    page = visit(query)
    made = picture(page)
    assert np.isfinite(grid(page)).any() or "0" in made["alt"]
    assert problem(shown(page)) is None
    assert "nan" not in made["alt"]
    assert len(made["notes"]) <= 5
    if kind not in ("the same name twice",):
        assert made["notes"], "something was changed, so something must be said"
    for note in made["notes"]:
        assert len(note) <= 400
        assert note.isprintable()
        assert not re.search(r"Traceback|[a-z]Error|/work|\.py|site-packages|np\.", note)
    known = [name for name in query if name in CONTROLS]
    if known and made["notes"] and len(known) == 1:
        assert CONTROLS[known[0]]["label"] in " ".join(made["notes"]) or kind == "widths beyond the budget"
    assert not page.session_state["board_failed"] if "board_failed" in page.session_state else True


def test_what_a_link_had_to_change_is_said_until_a_control_moves():
    page = visit("g=17&T=20")
    assert "Recurrent scale g is " in picture(page)["notes"][0]
    assert "0.0 to 3.0" in picture(page)["notes"][0] or "0 to 3" in picture(page)["notes"][0]
    assert shown(page).T == 20
    put(page, "g", 0.9)
    assert not picture(page)["notes"]


def test_text_of_a_visitor_reaches_the_board_only_as_text_of_its_own_link():
    hostile = '<img src=x onerror="alert(1)">'
    page = visit({"task": "text", "text": hostile})
    made = picture(page)
    assert shown(page).text == hostile
    rest = json.dumps({key: value for key, value in made.items() if key != "link"}, default=str)
    assert "onerror" not in rest
    assert "<" not in made["link"]
    assert not [m for m in page.markdown if "onerror" in m.value]


# Weights of one's own.


def own(page):
    return dict(page.session_state["settings"]["weights"].arrays)


def edit(page):
    """The page with the editor shown."""
    page.session_state["edit_on"] = True
    return sound(page.run())


def test_a_number_typed_into_the_editor_is_that_weight_of_the_picture_and_of_its_link():
    page = edit(visit("width=3&depth=2"))
    drawn = matrices(run(Experiment(width=3, depth=2)).network)["W_T1"]
    np.testing.assert_allclose(editor_frame(page), drawn, rtol=1e-3)
    type_in(page, {(2, 3): 1.25, (1, 1): -3})
    expected = drawn.copy()
    expected[1, 2], expected[0, 0] = 1.25, -3
    np.testing.assert_array_equal(own(page)["W_T1"], expected)
    made = run(shown(page))
    np.testing.assert_array_equal(made.network.layers[0].W_T, expected)
    np.testing.assert_allclose(grid(page), read(made).log_ratio, rtol=1e-5)
    np.testing.assert_allclose(editor_frame(page), drawn, rtol=1e-3)  # its own edits lie on top of what it was given
    again = visit(to_query(page))
    np.testing.assert_array_equal(grid(again), grid(page))


def editor_frame(page):
    return page.data_editor[0].value.to_numpy().astype(float).squeeze()


@pytest.mark.parametrize("name", ["W_S1", "W_T2", "b1", "h2", "W_out", "b_out"])
def test_every_matrix_can_be_chosen_and_edited(name):
    page = edit(visit("width=3&depth=2"))
    widgets(page)["edit_name"].set_value(name)
    sound(page.run())
    type_in(page, {(1, 1): 0.125})
    assert list(own(page)) == [name]
    assert matrices(run(shown(page)).network)[name].flat[0] == 0.125


def test_undo_goes_back_edit_by_edit_and_reset_to_the_drawn_weights():
    page = edit(visit("width=3"))
    first = grid(page)
    type_in(page, {(1, 1): 2})
    second = grid(page)
    type_in(page, {(1, 1): 2, (2, 2): 1})
    assert not np.array_equal(grid(page), second)
    sound(button(page, "Undo").click().run())
    np.testing.assert_array_equal(grid(page), second)
    np.testing.assert_array_equal(editor_frame(page)[0, 0], 2)
    type_in(page, {(3, 3): 1})
    sound(button(page, "Reset").click().run())
    np.testing.assert_array_equal(grid(page), first)
    assert not own(page)
    sound(button(page, "Undo").click().run())
    assert own(page)["W_T1"][2, 2] == 1


@pytest.mark.parametrize(("name", "value"), [("g", 0.9), ("input_scale", 0.5), ("init", "Gaussian")])
def test_a_dial_that_makes_weights_replaces_own_ones_says_so_and_can_be_undone(name, value):
    page = edit(visit("width=3"))
    type_in(page, {(1, 1): 2})
    before = grid(page)
    put(page, name, value)
    assert not own(page)
    assert picture(page)["notes"] == [
        f"{CONTROLS[name]['label']} was moved, so all weights are drawn again; your own W_T1 is gone. Undo, under Weights, "
        "brings back what was."]
    np.testing.assert_array_equal(grid(page), grid(visit(f"width=3&{name}={value}")))
    sound(button(page, "Undo").click().run())
    np.testing.assert_array_equal(grid(page), before)
    assert page.session_state["settings"][name] == CONTROLS[name]["default"]
    assert widgets(page)[f"w_{name}"].value == CONTROLS[name]["default"]


def test_redraw_replaces_own_weights_too():
    page = edit(visit("width=3"))
    type_in(page, {(1, 1): 2})
    sound(button(page, "Redraw").click().run())
    assert not own(page)
    assert "Seed was moved" in picture(page)["notes"][0]


@pytest.mark.parametrize(("name", "value"), [
    ("T", 12), ("score", "every step"), ("cut", True), ("cell", "relu"), ("task", "sine")])
def test_a_control_that_makes_no_weights_keeps_own_ones(name, value):
    page = edit(visit("width=3"))
    type_in(page, {(1, 1): 2})
    put(page, name, value)
    assert own(page)["W_T1"][0, 0] == 2
    assert not picture(page)["notes"]


def test_another_shape_keeps_what_fits_names_the_others_and_can_be_undone():
    weights = Weights({"W_T1": np.eye(3), "W_T2": np.eye(3), "b2": np.ones(3)})
    page = visit(to_query_of(Experiment(width=3, depth=2, weights=weights)))
    put(page, "depth", 1)
    assert list(own(page)) == ["W_T1"]
    assert picture(page)["notes"] == [
        "The network has another shape now; your own W_T2, b2 are gone. Undo, under Weights, brings back what was."]
    put(page, "T", 20)
    assert not picture(page)["notes"]
    sound(button(page, "Undo").click().run())
    assert list(own(page)) == ["W_T1", "W_T2", "b2"]
    assert (shown(page).depth, shown(page).T) == (2, 20)


def to_query_of(experiment):
    return dict(parse_qsl(to_link(experiment), keep_blank_values=True))


@pytest.mark.parametrize(("text", "value"), [
    ("1e-3", 0.001), ("0,25", 0.25), (".5", 0.5), ("−2", -2.0), ("-2", -2.0), (" 1E3 ", 1000.0), ("+4", 4.0),
    ("1,2345", 1.2345),
])
def test_a_number_may_be_typed_as_people_write_it(text, value):
    page = edit(visit("width=3"))
    type_in(page, {(1, 1): text})
    assert own(page)["W_T1"][0, 0] == value
    assert not picture(page)["notes"]


@pytest.mark.parametrize(("text", "words"), [
    (None, 'Row 2, column 3 of W_T1 is ""; it must be a number.'), ("abc", 'is "abc"; it must be a number.'),
    ("1/2", 'is "1/2"; it must be a number.'), ("50%", 'is "50%"; it must be a number.'), ("1 000", 'is "1 000"; it must'),
    ("1.234,5", 'is "1.234,5"; it must be a number.'), ("1,234", 'is "1,234"; write 1.234 or 1234.'), ("nan", 'is "nan"; it'),
    ("inf", 'is "inf"; it'), ("1e999", 'is "1e999"; it'), ("<b>", 'is "<b>"; it')])
def test_what_is_no_number_in_a_cell_is_refused_by_its_place_and_the_cell_shows_what_it_was(text, words):
    page = edit(visit("width=3"))
    first, key = grid(page), page.session_state["editing"].key
    type_in(page, {(2, 3): text})
    assert not own(page)
    np.testing.assert_array_equal(grid(page), first)
    assert words in picture(page)["notes"][0]
    assert page.session_state["editing"].key != key  # a new table, without the refused text
    type_in(page, {(1, 1): 2, (2, 3): 5})
    type_in(page, {(1, 1): 2, (2, 3): text})
    assert own(page)["W_T1"][0, 0] == editor_frame(page)[0, 0] == 2
    assert own(page)["W_T1"][1, 2] == editor_frame(page)[1, 2] == 5


def test_undo_brings_back_own_weights_whatever_shape_the_network_has_now():
    page = edit(visit("width=3&depth=2&task=noise&inputs=2"))
    widgets(page)["edit_name"].set_value("W_S1")
    sound(page.run())
    type_in(page, {(1, 1): 2})
    put(page, "inputs", 4)
    put(page, "task", "sine")
    assert not own(page)
    while not button(page, "Undo").disabled:
        sound(button(page, "Undo").click().run())
        if own(page):
            break
    assert own(page)["W_S1"][0, 0] == 2
    assert (shown(page).task, shown(page).inputs) == ("noise", 2)
    sound(button(page, "Undo").click().run())
    assert not own(page)


def test_undo_does_not_bring_back_a_setting_that_never_ran():
    page = opened(visit(to_query_of(Experiment(width=3, weights=Weights({"W_T1": np.eye(3)})))), "group_Network")
    put(page, "layers", "garbage")
    put(page, "layers", "4, 4")
    assert not own(page)
    sound(button(page, "Undo").click().run())
    assert list(own(page)) == ["W_T1"]
    assert shown(page).layers == ""
    assert not picture(page)["notes"]


def test_a_browser_that_has_not_heard_of_an_example_does_not_undo_it():
    page = visit("g=0.9")
    old = page._tree.get_widget_states()  # what a browser sends that moved a slider before the example's widgets arrived
    choose(page, "Edge")
    page._run(old)
    assert shown(sound(page)) == EXAMPLES["Edge"]


def test_the_way_back_keeps_no_more_numbers_than_it_may(monkeypatch):
    page = edit(visit("width=100&depth=1&T=5"))
    monkeypatch.setattr("rnnviz.ui.state.ROOM", 35_000)
    for i in range(1, 8):
        type_in(page, {(i, 1): 5 for i in range(1, i + 1)})
    past = page.session_state["past"]
    assert 2 <= len(past) <= 4
    assert numbers_of(past) <= 35_000
    shared = own(page)["W_T1"]
    widgets(page)["edit_name"].set_value("b1")
    sound(page.run())
    type_in(page, {(1, 1): 1})
    assert own(page)["W_T1"] is shared  # what was not edited is not copied


def test_edits_for_a_matrix_of_another_server_are_not_laid_on_this_one():
    page = edit(visit("width=3"))
    other = edit(visit("width=3&seed=5"))
    assert editor(page).id != editor(other).id


def test_one_changed_weight_of_512_by_512_changes_the_picture_every_time():
    page = edit(visit("width=512&depth=1&T=6"))
    widgets(page)["edit_name"].set_value("W_T1")
    sound(page.run())
    assert editor_frame(page).shape == (512, 512)
    rng, cells, seen = np.random.default_rng(3), {}, {picture(page)["link"]}
    for _ in range(8):
        before = grid(page)
        cells[tuple(int(i) for i in rng.integers(1, 513, 2))] = float(rng.uniform(20, 40))
        type_in(page, cells)
        assert not np.array_equal(grid(page), before)
        assert picture(page)["link"] not in seen
        seen.add(picture(page)["link"])
    assert {(int(i) + 1, int(j) + 1) for i, j in np.argwhere(own(page)["W_T1"] > 10)} == set(cells)


def test_weights_too_large_for_the_link_are_said_to_be_and_offered_as_a_file():
    page = take(visit(), "large.npz", dict(FILES)["large.npz"])
    assert "weights=@" in picture(page)["link"]
    assert any("Too large for the link" in text.value for text in page.text)
    assert [b.label for b in page.get("download_button")] == ["Save as JSON"]
    small = take(visit(), "small.npz", dict(FILES)["small.npz"])
    assert "weights=W_S1:" in picture(small)["link"]
    assert not small.get("download_button")


def test_what_was_too_large_for_a_link_is_found_again_while_the_server_knows_it_and_named_when_it_does_not():
    page = take(visit(), "large.npz", dict(FILES)["large.npz"])
    again = visit(to_query(page))
    np.testing.assert_array_equal(grid(again), grid(page))
    assert not picture(again)["notes"]
    shelf().kept.clear()
    lost = visit(to_query(page))
    assert picture(lost)["notes"] == [
        "This picture had weights of its own, too large for its link, and they are gone. Open their file again; until then the "
        "weights are drawn."]
    found = take(lost, "large.npz", dict(FILES)["large.npz"])
    np.testing.assert_array_equal(grid(found), grid(page))


def test_a_lost_table_is_named_and_opening_it_again_brings_the_picture_back():
    page = take(visit(), "long.csv", dict(FILES)["long.csv"])
    link = to_query(page)
    assert link["table"].startswith("@")
    shelf().kept.clear()
    lost = visit(link)
    assert picture(lost)["notes"][0] == "This picture had a table, too large for its link, and it is gone. Open its file again."
    found = take(lost, "long.csv", dict(FILES)["long.csv"])
    np.testing.assert_array_equal(grid(found), grid(page))


def test_the_shelf_lets_go_of_the_oldest_and_of_what_nobody_asks_for():
    now = [0.0]
    kept = Shelf(room=25, clock=lambda: now[0])
    first, second, third = (Weights({"W_T1": np.full((3, 3), float(i))}) for i in range(3))
    kept.put(first)
    kept.put(second)
    assert kept.find(first.digest) == first  # now the newest
    kept.put(third)
    assert (kept.find(first.digest), kept.find(second.digest), kept.find(third.digest)) == (first, None, third)
    now[0] = 3500.0
    assert kept.find(third.digest) == third
    now[0] = 7000.0
    assert kept.find(third.digest) == third
    assert kept.find(first.digest) is None
    assert kept.find("") is None


# The dialog that opens files.


def test_a_network_is_shown_as_a_table_before_it_is_used():
    page = look_at(visit(), "wide.npz", dict(FILES)["wide.npz"])
    frame = page.dataframe[0].value
    assert list(frame.columns) == ["name in the file", "shape", "role"]
    assert ("rnn.weight_hh_l0", "6 × 6", "W_T of layer 1") in [tuple(row) for row in frame.to_numpy()]
    assert not own(page)
    page = take(page, "wide.npz", dict(FILES)["wide.npz"])
    assert set(own(page)) == {"W_S1", "W_T1", "b1", "W_out", "b_out"}
    assert picture(page)["pushes"] == 1  # Back returns


def test_the_cell_of_a_network_whose_file_does_not_say_it_can_be_chosen():
    page = look_at(visit(), "small.npz", dict(FILES)["small.npz"])
    widgets(page)["open_cell"].set_value("relu")
    page = take(page, "small.npz", dict(FILES)["small.npz"])
    assert shown(page).cell == "relu"


def test_a_table_is_shown_with_what_was_recognised_and_can_be_read_otherwise():
    page = look_at(visit(), "t.csv", b"a;b\n1,5;2\n2,5;3\n4;4\n")
    assert any("semicolons" in text.value and "decimal commas" in text.value for text in page.text)
    np.testing.assert_array_equal(page.dataframe[0].value.to_numpy(), [[1.5, 2], [2.5, 3], [4, 4]])
    widgets(page)["open_without"].set_value("2")
    look_at(page, "t.csv", b"a;b\n1,5;2\n2,5;3\n4;4\n")
    np.testing.assert_array_equal(page.dataframe[0].value.to_numpy(), [[1.5], [2.5], [4]])
    page = take(page, "t.csv", b"a;b\n1,5;2\n2,5;3\n4;4\n")
    assert shown(page).table == Table(["a"], [[1.5], [2.5], [4.0]])


def test_a_pasted_table_or_experiment_is_opened_as_a_file_is():
    for text, experiment in (("x\n1\n2\n4\n", None), (to_json(EXAMPLES["Edge"]), EXAMPLES["Edge"])):
        page = visit()
        button(page, "Open…").click().run()
        page.text_area[0].set_value(text)
        button(page, "Open…").click().run()
        sound(page)
        next(b for b in page.button if b.label.startswith("Use this")).click()
        button(page, "Open…").click()
        sound(page.run())
        assert shown(page) == experiment if experiment else shown(page).table.names == ("x",)


HOSTILE_FILES = [*[(f"a.{kind}", what, data) for kind in ("npz", "safetensors", "json") for what, data in hostile_files(kind)],
                 *[("a.csv", what, data) for what, data in hostile_tables()],
                 ("a.pt", "a pickle", b"\x80\x02cos\nsystem\nq\x00X\x04\x00\x00\x00true\x85R."), ("a", "no ending", b"1,2"),
                 ("../../etc/passwd", "a path", b"root"), ("<img src=x onerror=alert(1)>.csv", "a name", b"a\n1\nx\n")]


def test_hostile_files_are_refused_in_the_dialog_in_one_sentence_and_leave_the_picture():
    page, rng = visit(), random.Random(7)
    before = grid(page)
    for name, what, data in rng.sample([file for file in HOSTILE_FILES if len(file[2]) < 2**20], 60) + HOSTILE_FILES[-4:]:
        look_at(page, name, data)
        np.testing.assert_array_equal(grid(page), before)
        texts = [text.value for text in page.text]
        assert all(len(text) <= 300 and not re.search("Traceback|/usr|Error", text) for text in texts), (what, texts)
        used = any(b.label.startswith("Use this") for b in page.button)
        assert used or any(text.endswith((".", ":")) for text in texts), what


# Taking home.


def shared(page):
    """The page with the Share menu open."""
    page.session_state["share"] = True
    return sound(page.run())


def test_the_share_menu_offers_the_link_and_every_file():
    page = shared(visit("g=0.9"))
    assert page.code[0].value.endswith("/?g=0.9")
    labels = ["Web page", "Numbers as CSV", "Experiment as JSON", "Python script"]
    assert [b.label for b in page.get("download_button")] == labels


def test_the_share_menu_says_what_does_not_travel_in_the_link():
    page = shared(take(visit(), "large.npz", dict(FILES)["large.npz"]))
    assert "The weights are too large for the link. Save the experiment as JSON to keep them." in [t.value for t in page.text]


# Walks.


NONSENSE = ("", " ", "5", "16, 8 relu", "3 static, 4", "a", "1-3, 7", "9-2", "1 2 3", "0.5 0.5 0", "x" * 60, "½", "<b>", "$x$",
            "1e9", "-")


def a_step(rng, page):
    """One thing a person might do next: a description of it, after doing it."""
    found = list(widgets(page).values())
    kind = rng.random()
    if kind < 0.08:
        b = rng.choice([b for b in page.button if not b.disabled])
        sound(b.click().run())
        return b.label
    if kind < 0.14:
        told = rng.choice([{"cell": [rng.randint(1, 12), rng.randint(1, 400), rng.random()]}, {"zoom": [0, 0]},
                           {"zoom": sorted(rng.sample(range(1, 2000), 2))}, {"width": rng.choice((500, 820, 1400))},
                           {"place": [rng.uniform(-9, 9), rng.uniform(-1e7, 1e7), rng.random()]}])
        report(page, **told)
        return told
    if kind < 0.24:
        menu = rng.choice(("group_Network", "group_Weights", "group_Sequence", "reading"))
        if menu not in page.session_state:  # the view has no use for it
            return menu
        page.session_state[menu] = not page.session_state[menu]
        sound(page.run())
        return menu
    if kind < 0.29:
        return took_in(page, *rng.choice(FILES), rng)
    if kind < 0.33:
        return edited(page, rng)
    widget = rng.choice([w for w in found if not getattr(w, "disabled", False)])
    key = plain_key(widget.key)
    if widget.type == "slider":
        low, high = widget.min, widget.max
        between = round(rng.uniform(low, high), 2) if isinstance(low, float) else rng.randint(low, high)
        value = rng.choice((low, high, between))
    elif widget.type == "number_input":
        if key.startswith("w_hand_"):
            value = rng.choice((0.0, -100.0, 100.0, round(rng.uniform(-2, 2), 2), None))
        else:
            small = key in ("w_depth", "w_width", "w_inputs", "w_outputs")
            value = rng.choice((1, 2, 3, 5, 12, None) if small else (1, 2, 13, 30, 250, 1000, None))
            value = value and min(value, widget.max)
    elif widget.type == "selectbox":
        value = (rng.randrange(len(widget.options)) if key == "w_open" else
                 rng.randint(1, len(widget.options)) if key == "w_target_column" else
                 rng.choice(matrix_names(page)) if key == "edit_name" else rng.choice(offered(widget)))
    elif widget.type == "toggle":
        value = not widget.value
    elif widget.type == "text_input":
        value = rng.choice(NONSENSE)
    else:
        value = rng.choice([*names_of(widget), None])
    widget.set_value(value)
    sound(page.run())
    return key, value


def npz(**arrays):
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def torch_names(n_in, n, n_out, seed=0):
    """A network as PyTorch names it."""
    rng = np.random.default_rng(seed)
    return {"rnn.weight_ih_l0": rng.standard_normal((n, n_in)), "rnn.weight_hh_l0": 0.5 * rng.standard_normal((n, n)),
            "rnn.bias_ih_l0": np.zeros(n), "rnn.bias_hh_l0": rng.standard_normal(n),
            "fc.weight": rng.standard_normal((n_out, n)), "fc.bias": np.ones(n_out)}


FILES = [
    ("small.npz", npz(**torch_names(1, 3, 1))), ("wide.npz", npz(**torch_names(4, 6, 2))),
    ("large.npz", npz(**torch_names(2, 90, 1))), ("cut.npz", npz(**torch_names(1, 3, 1))[:300]),
    ("table.csv", b"a,b\n" + b"".join(b"%d,%d.5\n" % (i % 7, i % 5) for i in range(60))),
    ("one.csv", b"3\n1\n4\n1\n5\n"), ("holes.csv", b"a,b\n1,\n2,3\n"), ("long.csv", b"x\n" + b"1\n0\n" * 3500),
    ("experiment.json", to_json(Experiment(g=1.1, weights=Weights({"b1": np.ones(16)}))).encode()),
    ("broken.json", b'{"rnnviz": 1, "settings": {"g": 99}}'), ("evil.pt", b"\x80\x02cos\nsystem\n"), ("empty.npz", b""),
]


def took_in(page, name, data, rng):
    """Open one of the files and use it."""
    take(page, name, data)
    return name


def edited(page, rng):
    """Type a number into some cell of the matrix on show, or show the editor first."""
    if "edit_on" not in page.session_state:  # the view has no use for it
        return "no editor"
    if not page.session_state["edit_on"]:
        page.session_state["edit_on"] = True
        sound(page.run())
        return "editor"
    if editor(page) is None:  # a field is not valid, so that there is no network to edit
        return "no editor"
    base = page.session_state["editing"].base
    row, column = rng.randint(1, base.shape[0]), rng.randint(1, base.shape[1] if base.ndim == 2 else 1)
    value = rng.choice((0.0, 1.0, -2.5, 1e6, None, "x", "0,5", round(rng.uniform(-1, 1), 3)))
    type_in(page, {(row, column): value})
    return "edit", row, column, value


def offered(widget):
    """The values of a menu that are offered: a table is only where there is one."""
    return names_of(widget)[:len(widget.options)]


def matrix_names(page):
    return list(shapes(Experiment(**page.session_state["settings"])))


def names_of(widget):
    """The values behind a row of buttons."""
    key = plain_key(widget.key)
    return list(CONTROLS[key[2:]]["choices"] if key.startswith("w_") else widget.options)


def check(page):
    """What holds on any page, after anything."""
    made = picture(page)
    experiment = shown(page)
    assert problem(experiment) is None
    assert "nan" not in made["alt"].replace("∞ or nan", "")
    assert made["alt"].endswith(".")
    state = page.session_state["settings"]
    for key, widget in widgets(page).items():
        if key.startswith("w_") and widget.type != "selectbox" and "_hand_" not in key:
            shows, holds = widget.value, state[key[2:]]
            assert shows == holds or (shows is None and holds == 0), f"{key[2:]} shows {shows}, its setting is {holds}"
    if not made["notes"]:
        assert {name: getattr(experiment, name) for name in CONTROLS} == state
    if experiment.view == "wall":
        telling = [name for name, c in CONTROLS.items() if c["group"] == "Wall"]
        known = [name for name, e in SCENES["wall"].items() if all(getattr(e, field) == state[field] for field in telling)]
    else:
        known = [name for name, e in SCENES[experiment.view].items() if {**state, **reading_fields()} == vars(e.recipe)]
    assert [widgets(page)["example"].value] == (known or [None])
    L, T = made["shape"]
    whole = experiment.view in ("rate", "wall", "map") or (experiment.view == "flow" and experiment.long)
    assert (L, T) == ((1, 1) if whole and not experiment.walk else (len(experiment.stack), experiment.T))
    if made["cell"]:
        assert 1 <= made["cell"][0] <= L
        assert 1 <= made["cell"][1] <= T
        ET.fromstring(f"<div>{made['equation']['html']}</div>")
    ET.fromstring(f"<div>{made['furniture']}</div>".replace("<br>", ""))


def reading_fields():
    return {name: c["default"] for name, c in CONTROLS.items() if not c["picture"]}


LONG = settings.get_current_profile_name() == "long"  # pytest --hypothesis-profile=long -k walk_over_all


@pytest.mark.parametrize("seed", range(3))
def test_a_walk_over_all_controls_never_leaves_the_page_without_a_true_picture(seed):
    rng = random.Random(seed)
    page = visit(theme="dark" if seed % 2 else "light")
    done = []
    for _ in range(2000 if LONG else 200):
        done.append(a_step(rng, page))
        try:
            check(page)
        except AssertionError as failure:
            raise AssertionError(f"after {done[-6:]}: {failure}") from failure
    again = visit(to_query(page))
    report(page, zoom=[0, 0])
    mine, theirs = ([array for trace in picture(one)["spec"]["data"] for array in trace.values()
                     if isinstance(array, np.ndarray)] for one in (page, again))
    for one, other in zip(mine, theirs, strict=True):
        np.testing.assert_array_equal(np.isnan(one), np.isnan(other))


def to_query(page):
    return dict(parse_qsl(picture(page)["link"], keep_blank_values=True))


# Without the component.


@pytest.mark.parametrize("name", EXAMPLES)
def test_where_the_board_cannot_load_streamlits_own_chart_shows_the_same_figure(name):
    page = visit(to_link(EXAMPLES[name]).replace("%20", " "), board_failed=True)
    assert not page.get("bidi_component")
    charts = page.get("plotly_chart")
    assert len(charts) == 1
    drawn = json.loads(charts[0].proto.spec)
    reading = read(run(EXAMPLES[name]))
    layer, step = shown_cell(page)
    figure = json.loads(flow_figure(reading, cell=(layer - 1, step - 1)).to_json())
    for mine, theirs in zip(figure["data"], drawn["data"], strict=False):
        assert decoded(mine) == decoded(theirs)
    assert [t["name"] for t in drawn["data"][len(figure["data"]):]] == ["cells to click"]
    for part in ("annotations", "shapes", "coloraxis", "height"):
        assert drawn["layout"][part] == figure["layout"][part]
    said = "".join(text for text, _ in flow(reading, uncut(run(EXAMPLES[name]), reading)).lead)
    assert any(said in text.value for text in page.markdown)
    assert any(r"\underbrace" in text.value for text in (*page.markdown, *page.get("latex")))


def decoded(trace):
    """A trace with its arrays as text, however they were packed."""
    return json.dumps(trace, sort_keys=True)


def shown_cell(page):
    caption = next(c.value for c in page.caption if c.value.startswith("The outlined cell"))
    return tuple(int(n) for n in re.search(r"layer (\d+), step (\d+)", caption).groups())


def test_every_cell_of_the_fallback_has_a_place_to_click():
    drawn = json.loads(visit(board_failed=True).get("plotly_chart")[0].proto.spec)
    places = drawn["data"][-1]
    assert places["marker"]["opacity"] == 0
    assert places["mode"] == "markers"


def test_the_fallback_says_what_a_link_had_to_change():
    page = visit("T=99999", board_failed=True)
    assert any("Steps T" in text.value for text in page.text)


# What is sent to the board.


def test_what_is_packed_is_unpacked_to_the_same_numbers():
    odd = np.array([np.nan, np.inf], np.float32)
    value = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": [1, "ü", None, {"c": odd}], "d": 0.5}
    packed = board.pack(value)
    made = unpack(struct.pack("<dLL", 0.0, zlib.crc32(packed), 4) + b"{}  " + packed)
    np.testing.assert_array_equal(made["a"], value["a"])
    np.testing.assert_array_equal(made["b"][3]["c"], value["b"][3]["c"])
    assert (made["b"][:3], made["d"]) == ([1, "ü", None], 0.5)
    assert int.from_bytes(packed[:4], "little") % 4 == 0, "arrays begin on a multiple of four bytes"


def test_a_value_that_json_does_not_know_is_refused_not_sent():
    with pytest.raises(TypeError):
        board.pack({"a": object()})
    with pytest.raises(ValueError):
        board.pack({"a": math.nan})


def test_a_picture_is_small_enough_to_send_with_every_move_of_a_slider():
    assert len(component(visit()).bytes) < 60_000
    assert len(component(visit("T=10000&depth=8&width=2")).bytes) < 400_000
    assert len(component(visit()).js_content) < 4_000


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_page_says_every_word_and_tick_that_the_figure_for_a_notebook_says(name):
    reading = read(run(EXAMPLES[name]))

    def bare(texts):
        return [plain for text in texts if (plain := re.sub(r"<[^>]+>", "", text).strip())]

    page, notebook = (flow_spec(reading, cell=(0, 2), page=page)["layout"] for page in (True, False))
    said = bare(text["text"] for text in page["meta"]["texts"])
    for note in bare(note["text"] for note in notebook["annotations"]):
        said.remove(note)
    ticks = {axis: bare(notebook[axis]["ticktext"]) for axis in ("xaxis", "xaxis2", "yaxis", "yaxis2", "yaxis3")}
    assert sorted(said) == sorted(sum(ticks.values(), []))
    assert len(page["meta"]["shapes"]) == len(notebook["shapes"]) >= 2
    drawn = "".join(ET.fromstring(f"<div>{board.furniture(page['meta'])}</div>").itertext())
    for word in ("fades", "1 holds", "blows up", "Gradient at every cell", "What is left", "How open each cell is", "layer 1"):
        assert word in drawn


# The process.


def test_no_garbage_is_collected_after_a_rerun():
    """A full collection after each rerun is most of its time; the setting is read, not merely written."""
    from streamlit import config

    config.get_config_options(force_reparse=True)
    assert config.get_option("runner.postScriptGC") is False
    assert config.get_option("server.address") == "127.0.0.1"
    assert config.get_option("client.showErrorDetails") == "none"
    assert config.get_option("browser.gatherUsageStats") is False


def test_what_is_imported_at_the_start_is_out_of_the_collectors_sight():
    before, after = map(int, alone(
        "import gc; before = gc.get_freeze_count(); import rnnviz; from rnnviz.ui import server; server.routes(); "
        "print(before, gc.get_freeze_count())").split()[-2:])
    assert before == 0
    assert after > 50_000


def test_the_same_file_is_the_server_outside_a_session():
    said = alone("import app; from rnnviz.ui import server; print(type(app.app).__name__, [r.path for r in server.routes()])")
    assert said.strip().endswith("App ['/rnnviz/live', '/rnnviz/{version}/{name}']")


def alone(code):
    """What a Python process of its own prints."""
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_the_tau_sliders_end_at_the_sequences_end_unless_they_stand_beyond_it():
    page = visit("cut=1&tau_max=8")
    ends = lambda: {name: widgets(page)[f"w_{name}"].max for name in ("T", "tau_max", "tau_b")}  # noqa: E731
    assert ends() == {"T": 200, "tau_max": 30, "tau_b": 200}
    put(page, "tau_b", 10)
    assert ends() == {"T": 200, "tau_max": 30, "tau_b": 30}
    put(page, "T", 60)
    assert ends() == {"T": 200, "tau_max": 60, "tau_b": 60}
    put(page, "tau_max", 60)
    put(page, "T", 20)
    assert ends() == {"T": 200, "tau_max": 200, "tau_b": 20}
    assert (shown(page).tau_max, shown(page).tau_b) == (60, 10)
