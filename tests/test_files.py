"""Files in and out: an experiment as JSON and as a script, networks and tables taken in, a grid and a page taken home."""

import contextlib
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import raw_experiments, small_experiments

from rnnviz.cells import CELLS
from rnnviz.examples import EXAMPLES, SCENES
from rnnviz.experiment import CONTROLS, Experiment, problem, run
from rnnviz.figures import flow_spec
from rnnviz.files import checksum, from_json, grid_csv, load, open_file, script, take_in, to_json
from rnnviz.flow import OK, neurons, read, uncut
from rnnviz.foreign import Found, understand
from rnnviz.formulas import cell
from rnnviz.handout import Page, web_page
from rnnviz.network import matrices
from rnnviz.notations import NOTATIONS
from rnnviz.own import Table, Weights
from rnnviz.sentences import flow
from rnnviz.tables import Read
from rnnviz.ui.picture import computed

LARGE = Experiment(width=40, depth=1, T=12, weights=Weights({"W_T1": 0.1 * np.random.default_rng(1).standard_normal((40, 40))}),
                   table=Table(["a", "b"], np.random.default_rng(2).standard_normal((3000, 2))))


# A whole experiment.


@settings(max_examples=150)
@given(raw_experiments())
def test_an_experiment_is_read_back_from_its_json_to_the_last_bit(experiment):
    again = from_json(to_json(experiment))
    assert again == experiment
    assert to_json(again) == to_json(experiment)
    for name, value in experiment.weights.arrays.items():
        assert again.weights.arrays[name].tobytes() == value.tobytes()


def test_large_arrays_are_read_back_to_the_last_bit_and_fit_into_a_file():
    again = from_json(to_json(LARGE))
    assert again == LARGE
    assert again.table.numbers.tobytes() == LARGE.table.numbers.tobytes()
    large = {f"W_T{l}": np.random.default_rng(l).standard_normal((512, 512)) for l in (1, 2, 3)}
    full = replace(LARGE, weights=Weights(large), table=Table())
    text = to_json(full)
    assert len(text) < 16 * 2**20
    assert open_file("a.json", text.encode()) == full


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_saved_and_opened_with_the_same_picture(name, tmp_path):
    path = tmp_path / "experiment.json"
    path.write_text(to_json(EXAMPLES[name]))
    again = load(path)
    assert again == EXAMPLES[name]
    for x, y in zip(run(again).backward.delta, run(EXAMPLES[name]).backward.delta, strict=True):
        np.testing.assert_array_equal(x, y)


def changed(**parts):
    """A file of ours with some entries changed, its checksum right again."""
    value = json.loads(to_json(Experiment(g=1.1, weights=Weights({"b1": np.ones(3)}), table=Table(["a"], [[1.0], [2.0]]))))
    value |= parts
    value = {name: part for name, part in value.items() if part is not ... and name != "sha256"}
    return json.dumps(value | {"sha256": checksum(value)})


@pytest.mark.parametrize(("parts", "words"), [
    ({"rnnviz": ...}, 'it has no entry "rnnviz"'),
    ({"rnnviz": 2}, "version 2; this program reads version 1"),
    ({"rnnviz": True}, "version True"),
    ({"rnnviz": "1"}, 'version "1"'),
    ({"extra": 1}, 'an entry "extra"'),
    ({"settings": []}, "settings is []; it must be an object"),
    ({"settings": {"g": 99}}, "Recurrent scale g is 99; it must be a number from 0.0 to 3.0"),
    ({"settings": {"g": "1"}}, 'Recurrent scale g is "1"'),
    ({"settings": {"T": 2.5}}, "Steps T is 2.5; it must be a whole number"),
    ({"settings": {"cut": 1}}, "it must be on or off"),
    ({"settings": {"cell": None}}, "Cell is None; it must be one of"),
    ({"settings": {"cell": ["tanh"]}}, "Cell is"),
    ({"settings": {"colour": "red"}}, 'a setting "colour"'),
    ({"settings": {"weights": "b1:1"}}, 'a setting "weights"'),
    ({"weights": {"b1": [1, True]}}, "b1 must hold numbers"),
    ({"weights": {"b1": [1, "2"]}}, "b1 must hold numbers"),
    ({"weights": {"b1": [[1, 2], [3]]}}, "b1 must be an array of numbers"),
    ({"weights": {"b1": 5}}, "b1 must be rows of numbers"),
    ({"weights": {"b1": "float64 3 AAAA"}}, "b1 must be rows of numbers, or float64"),
    ({"weights": {"b1": "float64 999999 999999 AAAA"}}, "b1 must be rows of numbers, or float64"),
    ({"weights": {"b1": "float64 1 AAAAAAAA8H8="}}, "b1 is inf"),
    ({"weights": {"b1": "float64 1 AAAAAAAA+H8="}}, "b1 is nan"),
    ({"weights": {"c1": [1]}}, '"c1" is no matrix'),
    ({"table": {"names": ["a"]}}, "table must have names"),
    ({"table": {"names": "a", "numbers": [[1]]}}, "table must have names"),
    ({"table": {"names": [1], "numbers": [[1]]}}, "a column's name"),
    ({"table": {"names": ["a"], "numbers": [[1, 2]]}}, "shape (1, 2)"),
])
def test_a_file_of_ours_that_is_not_valid_is_refused_by_its_entry(parts, words):
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        from_json(changed(**parts))
    assert len(str(caught.value)) <= 300


def test_any_change_of_content_is_found_by_the_checksum():
    text = to_json(EXAMPLES["By hand"])
    with pytest.raises(ValueError, match="checksum"):
        from_json(text.replace('"seed": 1', '"seed": 2'))
    assert from_json(json.dumps(json.loads(text), indent=3)) == EXAMPLES["By hand"]  # blanks are no content


@settings(max_examples=2500)
@given(st.integers(0, 2**32 - 1))
def test_a_mutated_file_of_ours_is_the_same_experiment_or_refused_in_plain_words(seed):
    rng = np.random.default_rng(seed)
    whole = Experiment(g=1.1, hand="1 2 3", weights=Weights({"b1": np.arange(3.0), "W_T1": np.eye(3)}),
                       table=Table(["a"], LARGE.table.numbers[:20, :1]))
    good = bytearray(to_json(whole).encode())
    for _ in range(rng.integers(1, 4)):
        i, j = sorted(rng.integers(0, len(good), 2))
        how = rng.integers(0, 4)
        if how == 0:
            good[i] = rng.integers(0, 256)
        elif how == 1:
            del good[i:min(j, i + 40)]
        elif how == 2:
            good[i:i] = good[j:j + rng.integers(1, 60)]
        else:
            good[i] ^= 1 << rng.integers(0, 8)
        if not good:
            return
    try:
        made, refusal = open_file("a.json", bytes(good)), None
    except ValueError as reason:
        made, refusal = None, str(reason)
    if refusal is None:
        assert made == from_json(to_json(whole))
    else:
        assert len(refusal) <= 300
        assert "Traceback" not in refusal
        assert refusal.isprintable()


# Opening by ending.


@pytest.mark.parametrize(("name", "data", "words"), [
    ("a.npz", b"", "the file is empty"),
    ("a.csv", b"1\n" * (9 * 2**20), "18.0 MB; it may have 16"),
    ("a.exe", b"MZ", 'the file ends in ".exe"'),
    ("noending", b"1,2", "it must be one of .npz, .safetensors, .json, .csv"),
    ("a.json", b"[1]", "must be an object"),
    ("a.json", b'{"a": 1}', "recurrent"),
    ("a.pt", b"x", "PyTorch"),
    ("a.h5", b"\x89HDF", "Keras"),
])
def test_a_file_that_cannot_be_opened_is_refused_in_a_sentence(name, data, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        open_file(name, data)


def test_a_file_is_what_its_ending_and_content_say():
    torch = {"weight_ih_l0": [[1.0]], "weight_hh_l0": [[0.5]]}
    assert isinstance(open_file("a.JSON", json.dumps(torch).encode()), Found)
    assert isinstance(open_file("a.json", to_json(Experiment()).encode()), Experiment)
    assert isinstance(open_file("a.csv", b"a\n1\n2\n"), Read)
    assert isinstance(open_file("a.tsv", b"a\tb\n1\t2\n"), Read)


# Taking in.


def network(n_in=1, n=3, n_out=1, layers=1, seed=0):
    rng = np.random.default_rng(seed)
    made = {}
    for l in range(layers):
        made |= {f"rnn.weight_ih_l{l}": rng.standard_normal((n, n_in if l == 0 else n)),
                 f"rnn.weight_hh_l{l}": rng.standard_normal((n, n))}
    return understand(made | ({"fc.weight": rng.standard_normal((n_out, n))} if n_out else {}))


@given(small_experiments(), st.sampled_from(list(CELLS)), st.integers(1, 3), st.integers(1, 4), st.integers(0, 3),
       st.integers(1, 3))
def test_a_network_taken_in_is_the_network_that_runs(experiment, name, n_in, n, n_out, layers):
    found = network(n_in, n, n_out, layers)
    made, notes = take_in(experiment, found, name)
    assert problem(made) is None
    assert all(len(note) <= 300 for note in notes)
    result = run(made)
    running = matrices(result.network)
    for matrix, value in found.weights.arrays.items():
        np.testing.assert_array_equal(running[matrix], value)
    assert {layer.cell for layer in result.network.layers} == {name}
    assert (result.network.W_out is None) == (n_out == 0)
    assert result.sequence.x.shape[1] == n_in


def test_a_network_that_fits_the_sequence_leaves_it_as_it_is():
    experiment = Experiment(task="sunspots", T=44, cut=True, tau_max=9)
    made, notes = take_in(experiment, network())
    assert not notes
    assert (made.task, made.T, made.cut, made.tau_max) == ("sunspots", 44, True, 9)
    assert (made.depth, made.width, made.readout) == (1, 3, "linear")


def test_a_network_of_another_width_gets_noise_and_is_told_so():
    made, notes = take_in(Experiment(), network(n_in=5, n_out=2))
    assert (made.task, made.inputs, made.outputs) == ("noise", 5, 2)
    assert notes == ("The input is now noise, because the network has 5 inputs and 2 outputs; open a table to give it a "
                     "sequence of your own.",)


def test_a_table_whose_next_value_has_another_width_than_the_readout_is_read_with_an_aim_that_fits_it():
    table = open_file("a.csv", b"a,b,c\n" + b"".join(b"%d,%d,%d\n" % (i, i * i % 7, i % 3) for i in range(12)))
    for n_in, n_out, aim in ((3, 3, "next value"), (2, 1, "a column"), (3, 2, "zero")):
        experiment, _ = take_in(Experiment(), network(n_in=n_in, n_out=n_out))
        made, notes = take_in(experiment, table)
        assert made.aim == aim
        assert made.weights == experiment.weights
        assert not notes


def test_another_table_is_not_read_through_the_choices_made_for_the_one_before():
    one = Experiment(task="table", T=2, table=Table(["a", "b"], np.ones((4, 2))), columns="2", aim="a column")
    two = open_file("b.csv", b"x,y\n1,2\n3,4\n5,7\n")
    made, _ = take_in(one, two)
    assert (made.columns, made.aim, made.T) == ("", "next value", 2)


def test_a_table_then_a_network_of_its_width_and_the_other_way_round_are_one_experiment():
    table = open_file("a.csv", b"a,b\n" + b"".join(b"%d,%d\n" % (i, i * i % 7) for i in range(12)))
    found = network(n_in=2, n_out=2)
    one = take_in(take_in(Experiment(), table)[0], found)
    other = take_in(take_in(Experiment(), found)[0], table)
    assert one[1] == other[1] == ()
    assert one[0] == replace(other[0], inputs=one[0].inputs, outputs=one[0].outputs)
    assert one[0].T == 11


def test_load_opens_a_network_or_a_table_too(tmp_path):
    np.savez(tmp_path / "net.npz", weight_ih_l0=np.ones((2, 1)), weight_hh_l0=np.eye(2))
    made = load(tmp_path / "net.npz")
    np.testing.assert_array_equal(run(made).network.layers[0].W_T, np.eye(2))
    (tmp_path / "t.csv").write_text("a\n1\n2\n4\n")
    assert load(tmp_path / "t.csv").T == 2


# Taking home.


@given(small_experiments())
def test_the_grid_is_read_back_from_its_csv(experiment):
    import csv

    reading = read(run(experiment), experiment.quantity)
    rows = list(csv.DictReader(io.StringIO(grid_csv(reading))))
    assert len(rows) == reading.L * reading.T
    for row in rows:
        l, t = int(row["layer"]) - 1, int(row["step"]) - 1
        for name, array in ((f"log10 {experiment.quantity}", reading.log_size), ("log10 ratio", reading.log_ratio),
                            ("log10 from space", reading.log_space), ("log10 from time", reading.log_time),
                            ("mean slope", reading.openness)):
            assert row[name] == "" if np.isnan(array[l, t]) else float(row[name]) == array[l, t]
        assert (row["state"] == "") == (reading.state[l, t] == OK)


SHOWN = [*EXAMPLES.values(), Experiment(layer=2, step=5, decades=16), Experiment(open=2, layer=2), LARGE,
         Experiment(cell="linear", g=3.0, T=2000, init="identity"), Experiment(task="text", text='"""\\ \' {x}')]


@pytest.mark.parametrize("experiment", SHOWN, ids=range(len(SHOWN)))
def test_the_script_rebuilds_the_picture(experiment, tmp_path, monkeypatch):
    made = run(experiment)
    reading = read(made, experiment.quantity)
    sentence = flow(reading, uncut(made, reading)).text
    (tmp_path / "mine.json").write_text(to_json(experiment))
    monkeypatch.chdir(tmp_path)
    figures, printed = [], io.StringIO()
    monkeypatch.setattr(go.Figure, "show", lambda figure: figures.append(figure))
    text = script(experiment, sentence, "A title", "mine")
    with contextlib.redirect_stdout(printed):
        exec(compile(text, "script", "exec"), {})
    assert printed.getvalue() == sentence + "\n"
    opened = neurons(made, reading, experiment.open - 1) if experiment.open else None
    cell = (experiment.layer - 1, experiment.step - 1) if experiment.layer and experiment.step else None
    spec = flow_spec(reading, caption=sentence, cell=cell, decades=experiment.decades, opened=opened)
    assert figures[0] == go.Figure(spec)
    assert len(text.split("\n")) < 30


IN_VIEWS = [replace(experiment, view=view) for view, scenes in SCENES.items() for experiment in scenes.values()]
IN_VIEWS += [replace(EXAMPLES["By hand"], view="routes", weight="W_T1"), replace(SHOWN[-2], view="truncation"),
             Experiment(view="truncation", walk="by step"), Experiment(view="routes", layers="4 static", weight="W_S1")]


@pytest.mark.parametrize("experiment", IN_VIEWS, ids=range(len(IN_VIEWS)))
def test_the_script_rebuilds_the_picture_of_any_view(experiment, tmp_path, monkeypatch):
    drawn = computed(experiment)
    (tmp_path / "mine.json").write_text(to_json(experiment))
    monkeypatch.chdir(tmp_path)
    figures, printed = [], io.StringIO()
    monkeypatch.setattr(go.Figure, "show", lambda figure: figures.append(figure))
    with contextlib.redirect_stdout(printed):
        exec(compile(drawn.script(experiment, title="A title", file="mine"), "script", "exec"), {})
    assert printed.getvalue() == drawn.sentence.text + "\n"
    cell = (experiment.layer - 1, experiment.step - 1) if experiment.layer and experiment.step else None
    spec = drawn.spec(experiment, cell, caption=drawn.sentence.text, decades=experiment.decades)
    assert figures[0] == go.Figure(spec)


class Reader(HTMLParser):
    """The words of a page, and every address and handler in it."""

    def __init__(self, text):
        super().__init__()
        self.words, self.addresses, self.tags, self.inside = [], [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.inside = tag
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href")]
        assert not [name for name, _ in attributes if name.startswith("on")]

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside not in ("script", "style"):
            self.words.append(data)


def page_of(experiment, title="A title", link="http://localhost:8501/?g=0.9"):
    made = run(experiment)
    reading = read(made, experiment.quantity)
    sentence = flow(reading, uncut(made, reading))
    return Page(title, flow_spec(reading, cell=(0, 3)), sentence, cell(reading, 0, 3),
                dict(heading="The outlined cell", quantity=NOTATIONS[experiment.notation].says[experiment.quantity]),
                experiment, link)


def test_the_web_page_holds_sentence_equation_settings_and_link_and_fetches_nothing():
    page = page_of(Experiment(g=0.95, cut=True, weights=Weights({"b1": np.ones(16)})))
    text = web_page([page])
    found = Reader(text)
    words = " ".join(" ".join(found.words).split())
    for said in ("Recurrent scale g 0.95", "Cut the backward pass on", "b1 (16)", page.equation.heading, page.link):
        assert said in words, said
    assert page.sentence.text.replace(" ", "") in "".join(found.words).replace(" ", "")
    assert found.addresses == [page.link]
    assert found.tags.count("math") >= 3
    assert "Plotly.newPlot('plot0'" in text


def test_a_hand_out_of_several_pages_has_one_section_each_and_plotly_once():
    text = web_page([page_of(Experiment(T=5)), page_of(Experiment(T=6), "Two")])
    assert Reader(text).tags.count("section") == 2
    assert text.count("Plotly.newPlot('plot") == 2
    assert len(text) < 6_000_000


def test_text_of_a_person_stays_text_in_the_web_page():
    evil = '</script><img src=x onerror=alert(1)>&"\''
    experiment = Experiment(task="text", text=evil, T=5)
    text = web_page([page_of(experiment, title=evil, link=f"javascript:{evil}")])
    found = Reader(text)
    assert "img" not in found.tags
    assert found.addresses == []
    assert evil in "".join(found.words)


def test_every_setting_that_differs_is_listed_under_its_label():
    found = Reader(web_page([page_of(Experiment(task="table", table=Table(["a", "b"], np.ones((9, 2))), T=4, aim="zero"))]))
    words = "".join(found.words)
    for name in ("task", "table", "T", "aim"):
        assert CONTROLS[name]["label"] in words
    assert "9 rows: a, b" in words
