"""Talks and held curves: written, read back, refused; and what the page makes of them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import experiments
from test_page import picture, report, sound, visit

from rnnviz.examples import EXAMPLES
from rnnviz.experiment import Experiment, problem, run
from rnnviz.figures import flow_spec
from rnnviz.files import to_json
from rnnviz.flow import OK, read
from rnnviz.held import held, held_text
from rnnviz.links import from_link, to_link
from rnnviz.own import Weights
from rnnviz.talk import LONGEST_TITLE, MOST, Entry, from_talk, open_any, to_talk

titles = st.text(max_size=LONGEST_TITLE).filter(str.isprintable)


@given(st.lists(st.tuples(titles, experiments()), min_size=1, max_size=4))
def test_a_talk_is_read_back_equal(pairs):
    assume(not any(problem(e) for _, e in pairs))
    entries = tuple(Entry(title, e) for title, e in pairs)
    assert from_talk(to_talk(entries).encode()) == (entries, ())


def test_a_picture_whose_weights_do_not_fit_a_link_is_kept_whole():
    large = Experiment(width=80, depth=1, T=5, weights=Weights({"W_T1": np.random.default_rng(1).standard_normal((80, 80))}))
    entries, notes = from_talk(to_talk([Entry("large", large), Entry("small", Experiment())]).encode())
    assert entries[0].experiment == large
    assert not notes


def test_a_link_with_its_address_is_taken_and_what_it_cannot_keep_is_told_with_its_number():
    pictures = [{"title": "a", "link": "http://somewhere:8501/?g=1.1"}, {"title": "b", "link": "g=99"}]
    made = {"rnnviz talk": 1, "pictures": pictures}
    entries, (note,) = from_talk(json.dumps(made).encode())
    assert entries[0].experiment == Experiment(g=1.1)
    assert note.startswith("Picture 2: Recurrent scale g is 99")


GOOD = {"title": "a", "link": "?"}


@pytest.mark.parametrize(("value", "words"), [
    ({"rnnviz talk": 2, "pictures": [GOOD]}, "version 2"), ({"rnnviz talk": True, "pictures": [GOOD]}, "version True"),
    ({"rnnviz talk": 1}, "a list of 1 to 60"), ({"rnnviz talk": 1, "pictures": []}, "a list of 1 to 60"),
    ({"rnnviz talk": 1, "pictures": [GOOD] * (MOST + 1)}, "a list of 1 to 60"),
    ({"rnnviz talk": 1, "pictures": {"a": 1}}, "a list of 1 to 60"),
    ({"rnnviz talk": 1, "pictures": [GOOD], "more": 1}, "a list"),
    ({"rnnviz talk": 1, "pictures": [GOOD, 5]}, "picture 2: it must have a title and a link"),
    ({"rnnviz talk": 1, "pictures": [{"title": "a"}]}, "picture 1: it must have"),
    ({"rnnviz talk": 1, "pictures": [{**GOOD, "code": "x"}]}, "picture 1: it must have"),
    ({"rnnviz talk": 1, "pictures": [{"title": "a" * 61, "link": "?"}]}, "at most 60"),
    ({"rnnviz talk": 1, "pictures": [{"title": "a\u202e", "link": "?"}]}, "printable"),
    ({"rnnviz talk": 1, "pictures": [{"title": 5, "link": "?"}]}, "a title is"),
    ({"rnnviz talk": 1, "pictures": [{"title": "a", "link": 5}]}, "its link is"),
    ({"rnnviz talk": 1, "pictures": [{**GOOD, "experiment": 5}]}, "its experiment is"),
    ({"rnnviz talk": 1, "pictures": [{**GOOD, "experiment": {"rnnviz": 1, "settings": {"g": 9}, "sha256": "0"}}]}, "checksum"),
])
def test_what_is_no_talk_is_refused_in_one_sentence(value, words):
    with pytest.raises(ValueError, match=words) as reason:
        open_any("talk.json", json.dumps(value).encode())
    assert len(str(reason.value)) <= 300


def test_a_talk_with_too_many_numbers_of_its_own_is_refused():
    large = Experiment(width=300, depth=3, T=5, weights=Weights({f"W_T{l}": np.eye(300) * np.pi for l in (1, 2, 3)}))
    with pytest.raises(ValueError, match="may hold 200,000"):
        from_talk(to_talk([Entry("a", large)]).encode())


def test_settings_of_a_talk_that_do_not_go_together_are_mended_and_told():
    odd = Experiment(task="text", text="")
    text = to_talk([Entry("a", odd)]).replace('"link"', '"experiment": ' + to_json(odd).replace("\n", " ") + ', "link"')
    (entry,), (note,) = from_talk(text.encode())
    assert problem(entry.experiment) is None
    assert note.startswith("Picture 1: Text is empty")


def test_other_files_are_opened_as_before():
    assert open_any("a.json", to_json(Experiment(g=1.1)).encode()) == Experiment(g=1.1)


# Held curves.


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_held_curve_is_layer_1_of_its_experiment(name):
    e = EXAMPLES[name]
    made, why = held(held_text(e), recall={e.weights.digest: e.weights}.get)
    reading = read(run(e))
    assert why is None
    there = reading.state[0] == OK
    np.testing.assert_array_equal(made.curve[there], reading.log_ratio[0, there])
    assert np.isnan(made.curve[~there]).all()
    assert made.words(e) == "held"


def test_a_held_curve_is_named_for_what_sets_it_apart():
    made, _ = held("?g=1.25")
    assert made.words(Experiment(g=0.5)) == "held: g = 1.25"
    assert made.words(Experiment(g=1.25, notation="derivation")) == "held"
    assert held(held_text(EXAMPLES["Dead ReLU"]))[0].words(Experiment()) == "held: Dead ReLU"
    assert held("?g=1.25&T=9")[0].words(Experiment()) == "held"


def test_a_held_curve_stands_with_its_loss_under_that_of_the_picture_and_inside_the_axis():
    longer, _ = held("?T=50&g=0.3")
    spec = flow_spec(read(run(Experiment())), held=(longer, "held"))
    ghost = next(trace for trace in spec["data"] if trace["name"] == "held")
    assert ghost["x"].tolist() == list(range(1, 31))
    np.testing.assert_allclose(ghost["y"], longer.curve[20:], rtol=1e-6)
    low, high = spec["layout"]["yaxis2"]["range"]
    assert low <= ghost["y"].min() <= ghost["y"].max() <= high
    shorter, _ = held("?T=10")
    ghost = next(t for t in flow_spec(read(run(Experiment())), held=(shorter, "held"))["data"] if t["name"] == "held")
    assert ghost["x"].tolist() == list(range(21, 31))


def test_a_held_curve_of_weights_that_are_gone_is_told():
    large = Experiment(width=80, depth=1, weights=Weights({"W_T1": np.eye(80) * np.pi}))
    text = held_text(large)
    assert "@" in text
    assert held(text, recall={large.weights.digest: large.weights}.get)[0].experiment == large
    assert held(text)[1].startswith("The held curve is gone: this picture had weights of its own")
    page = visit({"held": text})
    assert any("held curve is gone" in note for note in picture(page)["notes"])


@pytest.mark.parametrize("text", ["g=1.25", "x", "?g=99", "?" + "a" * 5000, "??", "?held=?g=1"])
def test_a_link_with_any_held_curve_opens_a_picture(text):
    page = sound(visit({"held": text}))
    assert picture(page)["lead"]


# What the board's own controls report.


def test_hold_keeps_the_curve_of_the_link_and_again_lets_it_go():
    page = report(visit("g=1.25"), hold=["g=1.25&layer=2&step=3", 1])
    assert page.session_state["settings"]["held"] == "?g=1.25"
    assert "held" in [trace["name"] for trace in picture(page)["spec"]["data"]]
    assert picture(page)["controls"]["held"]
    page = report(page, hold=["g=1.25", 2])
    assert page.session_state["settings"]["held"] == ""


def test_a_dial_of_the_board_sets_its_field_and_the_sidebar_follows():
    page = report(visit(), turn=["g", "1.1", 1])
    assert page.session_state["settings"]["g"] == 1.1
    assert picture(page)["link"] == "g=1.1"


def test_lecture_dial_walk_and_visit_are_set_by_the_board_and_stand_in_the_link():
    page = visit()
    for n, (name, value) in enumerate([("lecture", "1"), ("dial", "T"), ("walk", "by layer"), ("visit", 7)]):
        page = report(page, stage=[name, value, n])
        assert page.session_state["settings"][name] == value
    assert picture(page)["link"] == "walk=by%20layer&visit=7&lecture=1&dial=T"
    assert from_link(picture(page)["link"])[0] == Experiment(lecture="1", dial="T", walk="by layer", visit=7)
    assert picture(page)["controls"]["dial"]["name"] == "T"
    page = report(page, leave=[2, 5, 9])
    assert picture(page)["link"] == "layer=2&step=5&lecture=1&dial=T"


@pytest.mark.parametrize("told", [
    {"stage": ["g", 1.1, 1]}, {"stage": ["lecture", "purple", 1]}, {"stage": ["visit", -1, 1]}, {"stage": 5}, {"stage": []},
    {"stage": [["g"], 1]}, {"turn": ["g", "99", 1]}, {"turn": ["nonsense", "1", 1]}, {"turn": ["g", 5, 1]}, {"turn": None},
    {"hold": [5, 1]}, {"hold": ["g=99", 1]}, {"hold": []}, {"example": ["nobody", 1]}, {"example": [["a"], 1]},
    {"talk": [7, 1]}, {"talk": [-1, 1]}, {"talk": [1.0, 1]}, {"room": [1, 1]}, {"room": "big"}, {"leave": [99, -3, 1]},
])
def test_a_nonsensical_report_of_the_boards_controls_changes_nothing(told):
    page = visit("g=0.9")
    before = picture(page)["link"]
    page = sound(report(page, **told))
    assert picture(page)["link"] == before


def test_an_example_keeps_the_lecture_its_dial_and_its_held_curve():
    page = report(visit("lecture=1&dial=T&held=?g=1.2"), example=["Dead ReLU", 1])
    made = from_link(picture(page)["link"])[0]
    assert made == replace(EXAMPLES["Dead ReLU"], lecture="1", dial="T", held="?g=1.2")
    assert picture(page)["controls"]["example"] == "Dead ReLU"


def test_a_talk_is_walked_through_and_its_place_follows_the_picture():
    entries = tuple(Entry(name, EXAMPLES[name]) for name in ("Edge", "Dead ReLU"))
    page = visit(talk=entries, talk_at=None)
    said = []
    for n, at in enumerate((0, 1, 1, 0)):
        page = report(page, talk=[at, n])
        said.append(picture(page)["controls"]["talk"])
        assert picture(page)["link"] == to_link(entries[said[-1][0]].experiment)
    assert said == [[0, 2, "Edge"], [1, 2, "Dead ReLU"], [1, 2, "Dead ReLU"], [0, 2, "Edge"]]
    page = report(page, turn=["g", "0.5", 9])
    assert picture(page)["controls"]["talk"] == [0, 2, ""], "another picture is not called by the talk's title"
    page = report(page, example=["Dead ReLU", 10])
    assert picture(page)["controls"]["talk"] == [1, 2, "Dead ReLU"]
