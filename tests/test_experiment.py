"""Experiments: every control, the link that carries them, and the run that follows."""

import re
from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import experiments, raw_experiments, small_experiments

from rnnviz.bptt import Backward, Forward, backward, forward
from rnnviz.cells import CELLS
from rnnviz.examples import EXAMPLES, example_of
from rnnviz.experiment import (
    BUDGET,
    CONTROLS,
    MAX_T,
    Experiment,
    cost,
    ends,
    hand_weights,
    misfits,
    parse_hand,
    parse_layers,
    parse_steps,
    problem,
    run,
    shapes,
    trace,
)
from rnnviz.flow import read
from rnnviz.links import LONGEST_LINK, OWN, from_link, mend, to_link, too_large
from rnnviz.network import matrices
from rnnviz.own import Table, Weights
from rnnviz.tasks import TASKS

pytestmark = pytest.mark.filterwarnings("error")


def arrays(result):
    for f in fields(result):
        value = getattr(result, f.name)
        for array in value if isinstance(value, tuple) else (value,):
            if isinstance(array, np.ndarray):
                yield array


def plain(notes):
    """Whether notes can be shown as they are: short, printable sentences."""
    return all(isinstance(note, str) and 0 < len(note) <= 300 and note.isprintable() for note in notes)


# The link.


@settings(max_examples=200)
@given(experiments())
def test_a_link_gives_back_exactly_the_experiment_it_was_made_from(experiment):
    link = to_link(experiment)
    assert from_link(link) == (experiment, ())
    assert from_link("?" + link) == (experiment, ())
    assert re.fullmatch(r"[!-~]*", link)
    assert len(link) <= LONGEST_LINK


@given(experiments())
def test_a_mapping_of_the_texts_is_as_good_as_the_link(experiment):
    texts = {name: value.text if name in OWN else str(int(value) if isinstance(value, bool) else value)
             for name in CONTROLS if (value := getattr(experiment, name)) != CONTROLS[name]["default"]}
    assert from_link(texts) == (experiment, ())


@pytest.mark.parametrize("text", ["a&b=c", "a;b", "a+b c", "100%", "%41", "#?/,", "é🙂", "'\"<>", "=", " "])
def test_letters_that_mean_something_in_a_link_come_back_as_they_were(text):
    experiment = Experiment(task="text", text=text, g=1e-7, bias=-0.1)
    assert from_link(to_link(experiment)) == (experiment, ())


def test_the_default_experiment_has_an_empty_link_and_others_name_only_what_differs():
    assert to_link(Experiment()) == ""
    assert to_link(Experiment(T=7, cut=True)) == "T=7&cut=1"
    assert from_link("") == from_link("?") == from_link({}) == (Experiment(), ())


HOSTILE = [
    "T=1e9", "T=1000000000", "T=-1", "T=0", "T=1.5", "T=nan", "T=", "T=0x10", "T=١٢", "T=" + "9" * 5000, "T= 30",
    "T=3_0",
    "g=nan", "g=inf", "g=-inf", "g=1e400", "g=1,5", "g=--1", "g=e", "g=+", "g=1e-400", "g=" + "1" * 400, "bias=-0.0",
    "seed=-1", "seed=99999", "seed=1e3", "cut=true", "cut=2", "cut=", "layer=-3", "decades=3", "decades=8.0",
    "cell=lstm!", "cell=", "cell=TANH", "cell=__class__", "task=walking", "loss=hinge", "readout=maybe", "notation=🙂",
    "layers=0", "layers=16,,16", "layers=16 tanh relu", "layers=" + "9" * 200, "layers=" + ",".join(["1"] * 13),
    "layers=513", "layers=16 <script>", "layers=static", "layers=" + "x" * 100_000, "layers=１６",
    "steps=0", "steps=5-2", "steps=a", "steps=1-99999", "steps=-", "steps=,", "steps=1,,2", "score=chosen steps",
    "score=chosen steps&steps=40&T=30", "score=chosen steps&steps=" + "9000-9999," * 19 + "9999&T=5",
    "hand=1 2", "hand=nan 1 1", "hand=1e9 0 0", "hand=" + "1 1 1," * 60, "hand=1 1 x", "hand=inf 0 0", "init=by hand",
    "init=by hand&width=1&depth=3&hand=1 2 3", "init=by hand&layers=1, 2",
    "text=", "task=text&text=", "task=text&text=%00", "text=%0A%0D%1B[31m", "text=%ED%A0%80", "text=\ud800",
    "text=" + "a" * 201,
    "task=text&text=%F0%9F%99%82%F0%9F%99%82", "task=text&text=<img src=x onerror=alert(1)>", "text=%", "text=%zz%1",
    "%=%&%%",
    "T=30&T=40&T=50", "T=30&T=x", "T=x&T=30", "unknown=1", "&".join(f"key{i}=1" for i in range(5000)),
    "\x00=\x01", "a" * 100_000, "T=5&" * 20_000, "=&=&=", "&&&&", "?" * 1000, ";" * 100, "T", "=5",
    "readout=none", "readout=none&task=text", "readout=none&width=2&task=delayed recall",
    "width=512&depth=12&T=10000", "width=512&depth=12&T=10000&cut=1&tau_b=1&tau_max=5000&task=text&text=abc",
    "T=10000&width=1&depth=1&cut=1&tau_max=5000&tau_b=1", "T=29&width=512&cut=1&tau_b=10&tau_max=10&depth=12",
    "width=512&T=10000&score=chosen steps&steps=9999", "task=counting ones&loss=sigmoid", "task=sine&loss=softmax",
    "task=sunspots&loss=sigmoid&T=3000", "T=5&__init__=1", "recipe=1&stack=2&scored=3", "cut=1&tau_max=0&tau_b=-5",
]


@pytest.mark.parametrize("link", HOSTILE, ids=lambda link: ascii(link)[1:40])
def test_no_link_however_hostile_raises_or_yields_what_cannot_run(link):
    experiment, notes = from_link(link)
    assert isinstance(notes, tuple)
    assert plain(notes)
    assert problem(experiment) is None
    assert cost(experiment) <= BUDGET
    assert from_link(to_link(experiment)) == (experiment, ())


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(tuple(CONTROLS)) | st.text(max_size=5), st.text(max_size=60), max_size=8))
def test_no_text_in_any_field_raises(texts):
    experiment, notes = from_link(texts)
    assert plain(notes)
    assert problem(experiment) is None
    joined = "&".join(f"{name}={text}" for name, text in texts.items())
    again, notes = from_link(joined)
    assert plain(notes)
    assert problem(again) is None


@pytest.mark.parametrize("name", CONTROLS)
def test_a_value_that_cannot_be_is_named_with_its_field_and_what_it_may_be(name):
    control = CONTROLS[name]
    wrong = "x" * 999 if name == "text" else "seven"
    experiment, (note,) = from_link({name: wrong})
    assert experiment == Experiment()
    assert len(note) <= 300
    assert note.startswith(control["label"])
    assert wrong[:40] in note
    if control["kind"] in ("whole", "real"):
        assert f"from {control['low']} to {control['high']}" in note
        for value in (control["low"] - 1, control["high"] + 1):
            (note,) = from_link({name: str(value)})[1]
            assert f"{control['label']} is \"{value}\"" in note.replace(f" is {value};", f" is \"{value}\";")
    if control["kind"] == "choice":
        assert all(str(choice) in note for choice in control["choices"])
    if name in ("layers", "steps"):
        assert "from 1 to" in note
    if name == "hand":
        assert "from -100 to 100" in note
    if name == "text":
        assert "200" in note


def test_a_field_given_twice_and_a_field_unknown_are_both_said():
    experiment, (note,) = from_link("T=5&T=7")
    assert experiment.T == 7
    assert "Steps T 2 times" in note
    experiment, (note,) = from_link("wat=5&who=1&T=7")
    assert experiment.T == 7
    assert '"wat"' in note
    assert '"who"' in note


def test_a_link_too_long_is_not_read_in_part():
    experiment, (note,) = from_link("T=1234&text=" + "a" * LONGEST_LINK)
    assert experiment == Experiment()
    assert f"{LONGEST_LINK:,}" in note


# Fields.


@pytest.mark.parametrize(("name", "value"), [
    ("T", True), ("T", 3.0), ("T", "3"), ("T", None), ("T", 10**400), ("T", 0), ("T", MAX_T + 1), ("g", "0.5"),
    ("g", True), ("g", np.nan), ("g", np.inf), ("g", -0.1), ("g", 10**400), ("g", 1j), ("cell", "lstm?"),
    ("cell", None), ("cell", ["tanh"]),
    ("cut", 1), ("cut", "1"), ("text", 5), ("text", "a\nb"), ("text", "a" * 201), ("text", "\ud800"), ("layers", "0"),
    ("decades", 3), ("decades", True), ("decades", 0.0), ("steps", "1.5"), ("hand", "1 2"), ("seed", -1),
])
def test_a_value_outside_its_range_is_refused_by_label(name, value):
    with pytest.raises(ValueError, match=re.escape(CONTROLS[name]["label"])):
        Experiment(**{name: value})


def test_several_wrong_fields_are_all_named():
    with pytest.raises(ValueError, match="Steps T.*; .*Bias|Bias.*; .*Steps T"):
        Experiment(T=0, bias=9.0)


@pytest.mark.parametrize("name", CONTROLS)
def test_every_control_accepts_its_default_and_the_ends_of_its_range(name):
    control = CONTROLS[name]
    for value in [control["default"], *(control[end] for end in ("low", "high") if end in control),
                  *control.get("choices", ())]:
        assert getattr(Experiment(**{name: value}), name) == value
    assert control["label"]
    assert control["group"]


def test_an_experiment_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Experiment().T = 5


@given(st.lists(st.tuples(st.integers(1, 512), st.sampled_from(("", *CELLS)), st.booleans()), min_size=1, max_size=12),
       st.sampled_from(tuple(CELLS)))
def test_a_layer_list_reads_back_as_it_was_written(stack, usual):
    text = ",".join(f" {n}  {cell} {'' if recurrent else 'static'}" for n, cell, recurrent in stack)
    assert parse_layers(text, usual) == tuple((n, cell or usual, recurrent) for n, cell, recurrent in stack)


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)), max_size=6), st.integers(1, 60))
def test_a_list_of_steps_scores_those_steps_counted_from_1(ranges, T):
    text = " , ".join(f"{low}" if not more else f"{low} - {low + more}" for low, more in ranges)
    named = {step for low, more in ranges for step in range(low, low + more + 1)}
    assert (np.flatnonzero(parse_steps(text, T)) + 1).tolist() == sorted(s for s in named if s <= T)


@given(st.lists(st.tuples(*[st.floats(-100, 100)] * 3), max_size=12))
def test_weights_by_hand_read_back_as_they_were_written(groups):
    assert parse_hand(",".join(" ".join(map(str, group)) for group in groups)) == tuple(groups)


def test_weights_by_hand_fill_the_lower_layers_and_the_controls_the_rest():
    experiment = Experiment(init="by hand", width=1, depth=3, hand="1 2 3, 4 5 6", g=0.5, input_scale=2.0, bias=-1.0)
    assert hand_weights(experiment) == ((1, 2, 3), (4, 5, 6), (2.0, 0.5, -1.0))
    assert len(hand_weights(replace(experiment, depth=1))) == 1
    layers = run(replace(experiment, readout="none")).network.layers
    found = [(layer.W_S[0, 0], layer.W_T[0, 0], layer.b[0]) for layer in layers]
    assert found == [(1, 2, 3), (4, 5, 6), (2.0, 0.5, -1.0)]


# Fields together.


@settings(max_examples=150)
@given(raw_experiments())
def test_any_setting_is_mended_into_one_that_runs_within_the_budget(experiment):
    mended, notes = mend(experiment)
    assert problem(mended) is None
    assert cost(mended) <= BUDGET
    assert plain(notes)
    assert bool(notes) == (problem(experiment) is not None)
    if not notes:
        assert mended == experiment
    assert mend(mended) == (mended, ())
    changed = [name for name in CONTROLS if getattr(mended, name) != getattr(experiment, name)]
    for name in changed:
        assert CONTROLS[name]["label"] in " ".join(notes) or "The default is shown." in notes


@pytest.mark.parametrize(("experiment", "changes"), [
    (Experiment(task="text", text="abc de", width=512, depth=12, T=MAX_T), {"T"}),
    (Experiment(width=512, T=MAX_T, score="chosen steps", steps="3, 9999"), {"T"}),
    (Experiment(width=512, T=MAX_T, score="chosen steps", steps="9999"), {"T", "score", "steps"}),
    (Experiment(task="text", text=""), {"text"}),
    (Experiment(task="text", text="", init="by hand", width=2), {"text", "init"}),
    (Experiment(readout="none", task="text", text="abc"), {"readout"}),
    (Experiment(init="by hand", width=2), {"init"}),
    (Experiment(task="sine", loss="softmax"), {"loss"}),
    (Experiment(score="chosen steps", steps="40", T=30), {"score", "steps"}),
])
def test_mending_changes_only_what_stands_in_the_way(experiment, changes):
    mended, _ = mend(experiment)
    assert {name for name in CONTROLS if getattr(mended, name) != getattr(experiment, name)} == changes


def test_a_refusal_for_its_cost_names_a_length_that_fits_and_is_shorter():
    for T in (46, 200):  # at 46 the last pass overlaps the one before; at 39 it would not, and the cost would fit
        experiment = Experiment(width=512, depth=12, T=T, cut=True, tau_b=13, tau_max=13, score="every step")
        sentence = problem(experiment)
        assert f"limit is {BUDGET // 10**6} million" in sentence
        fits = int(re.search(r"T = (\d+) would fit", sentence)[1])
        assert fits < T
        assert problem(replace(experiment, T=fits)) is None
    with pytest.raises(ValueError, match="This needs .* million multiply-adds"):
        run(experiment)


@given(small_experiments())
def test_the_cost_is_every_weight_times_every_step_and_column_and_every_number_of_the_sequence(experiment):
    n_in, n_out = ends(experiment)
    size, below = 0, n_in
    for n, _, recurrent in experiment.stack:
        size += n * (below + n * recurrent + 20)
        below = n
    size += below * n_out if experiment.readout == "linear" else 0
    distinct = {}
    for first, last in zip(experiment.windows.first, experiment.windows.last, strict=True):
        distinct[int(first)] = int(last)  # passes that reach equally far are one
    columns = max(experiment.T, sum(last - first + 1 for first, last in distinct.items()))
    assert cost(experiment) == size * columns + experiment.T * (3000 * len(experiment.stack) + 60 * (n_in + n_out))


@pytest.mark.parametrize("task", TASKS)
def test_the_width_of_a_task_does_not_depend_on_its_length(task):
    made = run(Experiment(task=task, T=17))
    assert ends(made.experiment) == (made.sequence.x.shape[1], made.sequence.target.shape[1])


# The run.


@settings(max_examples=100)
@given(small_experiments())
def test_a_run_is_repeatable_to_the_last_bit_and_stands_on_what_its_experiment_says(experiment):
    one, other = run(experiment), run(experiment)
    for a, b in ((one.forward, other.forward), (one.backward, other.backward)):
        if a is not None:
            for x, y in zip(arrays(a), arrays(b), strict=True):
                np.testing.assert_array_equal(x, y)
    assert one.network.widths == tuple(n for n, _, _ in experiment.stack)
    assert [layer.recurrent for layer in one.network.layers] == [recurrent for _, _, recurrent in experiment.stack]
    assert [layer.cell for layer in one.network.layers] == [cell for _, cell, _ in experiment.stack]
    assert one.sequence.T == one.windows.T == experiment.T
    assert one.sequence.loss == experiment.loss_name
    assert (one.network.W_out is None) == (experiment.readout == "none")
    assert (one.backward is None) == (one.forward.overflow is not None)
    np.testing.assert_array_equal(one.sequence.scored, experiment.scored)


@given(small_experiments(), st.data())
def test_how_a_picture_is_read_does_not_change_the_run(experiment, data):
    reading = {"quantity": "grad_h", "notation": "space/time", "layer": 2, "step": 3, "open": 1, "decades": 8}
    stage = {"walk": "by layer", "visit": 4, "lecture": "1", "dial": "T", "held": "?g=1.25"}
    reading |= stage | {"view": "truncation", "weight": "W_S1", "per": "lag", "again": True, "route": 3}
    reading |= {"precision": "float16", "long": 20_000}
    reading |= {"surface": "counting", "shade": "gradient", "start": "1 2", "learning_rate": 0.1, "method": "value",
                "clip": 0.2, "descents": 5, "axis_x": "W_T1 1 1", "axis_y": "b1 1", "span": 2.0}
    assert {name for name, control in CONTROLS.items() if not control["picture"]} == set(reading)
    other = replace(experiment, **reading)
    assert other.recipe == experiment.recipe
    assert problem(other) is None
    np.testing.assert_array_equal(run(other).forward.y, run(experiment).forward.y)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_runs_as_it_is_and_has_a_link_of_its_own(name):
    experiment = EXAMPLES[name]
    assert problem(experiment) is None
    assert from_link(to_link(experiment)) == (experiment, ())
    assert example_of(experiment) == name
    assert example_of(replace(experiment, quantity="grad_h", step=2)) == name
    assert example_of(replace(experiment, seed=9998)) is None
    made = run(experiment)
    for result in (made.forward, made.backward):
        assert all(np.isfinite(array).all() for array in arrays(result))
    assert read(made).reference > 0


@given(small_experiments())
def test_a_run_is_forward_and_backward_of_its_own_parts(experiment):
    made = run(experiment)
    there = forward(made.network, made.sequence)
    assert isinstance(made.forward, Forward)
    for x, y in zip(arrays(made.forward), arrays(there), strict=True):
        np.testing.assert_array_equal(x, y)
    if made.backward is not None:
        assert isinstance(made.backward, Backward)
        for sent in (backward(made.network, made.sequence, there, made.windows),
                     trace(made.network, made.sequence, made.windows).backward):
            for x, y in zip(arrays(made.backward), arrays(sent), strict=True):
                np.testing.assert_array_equal(x, y)


@given(small_experiments(), st.sampled_from(("relu", "linear")), st.floats(40, 100), st.integers(1, 3))
def test_wild_weights_give_the_place_where_a_state_overflows_and_no_warning(experiment, cell, w, depth):
    wild = replace(experiment, init="by hand", layers="", width=1, depth=depth, cell=cell, hand=f"{w} {w} 1",
                   T=250, readout="linear", loss="usual", score="every step", cut=False, weights=Weights(), table=Table(),
                   task=experiment.task if experiment.task in TASKS else "sine")
    made = run(wild)
    assert made.backward is None
    l, t = made.forward.overflow
    assert all(np.isfinite(state[:t + 1]).all() for state in made.forward.state)
    assert all(np.isfinite(state[t + 1]).all() for state in made.forward.state[:l])
    assert not np.isfinite(made.forward.state[l][t + 1]).all()
    assert (read(made).size == read(made).size).sum() == 0  # all of it nan: nothing was sent back


def test_a_run_can_be_stopped_between_any_two_matrices_it_draws():
    class Stop(Exception):
        pass

    calls = []

    def stop_at(n):
        def look():
            calls.append(1)
            if len(calls) == n:
                raise Stop
        return look

    experiment = Experiment(depth=12, T=2)
    for n in range(1, 25):  # a draw for W_S and for W_T of every layer
        calls.clear()
        with pytest.raises(Stop):
            run(experiment, stop_at(n))


# Weights and tables of one's own.


TABLED = Experiment(task="table", T=3, table=Table(["a", "b"], [[1, 2], [3, 5], [4, 7], [6, 8]]))


@given(small_experiments())
def test_the_shapes_of_an_experiment_are_those_of_its_network(experiment):
    network = run(experiment).network
    assert shapes(experiment) == {name: value.shape for name, value in matrices(network).items()}
    for name, value in experiment.weights.arrays.items():
        np.testing.assert_array_equal(matrices(network)[name], value)


def test_own_weights_win_over_the_dials_and_change_the_run():
    plain, mine = Experiment(width=2, depth=1), Weights({"W_T1": [[0.9, 4], [0, 0.9]]})
    made = run(replace(plain, weights=mine))
    np.testing.assert_array_equal(made.network.layers[0].W_T, [[0.9, 4], [0, 0.9]])
    np.testing.assert_array_equal(made.network.layers[0].W_S, run(plain).network.layers[0].W_S)
    assert not np.array_equal(made.backward.delta[0], run(plain).backward.delta[0])


def test_weights_that_do_not_fit_are_named_with_both_shapes():
    wrong = Experiment(width=2, depth=1, readout="none", weights=Weights({"W_T1": np.eye(3), "W_out": [[1]], "b1": [1, 2]}))
    assert misfits(wrong) == {"W_T1": "W_T1 is 3 × 3; here it must be 2 × 2", "W_out": "W_out has no place here"}
    with pytest.raises(ValueError, match="as wide as the target"):
        run(wrong)
    wrong = replace(wrong, readout="linear")
    assert problem(wrong) == "Weights: W_T1 is 3 × 3; here it must be 2 × 2; W_out is 1 × 1; here it must be 1 × 2."
    mended, notes = mend(wrong)
    assert mended.weights == Weights({"b1": [1, 2]})
    assert notes == (problem(wrong) + " What does not fit is left out.",)


@pytest.mark.parametrize(("changes", "words"), [
    (dict(table=Table()), "Input is a table, but none is open"),
    (dict(columns="3"), 'Input columns is "3"; the table has 2 columns.'),
    (dict(aim="a column", target_column=3), "Target column is 3; the table has 2 columns."),
    (dict(T=4), "Steps T is 4; the table's 4 rows make 3 steps."),
    (dict(table=Table(["a"], [[1], [2]]), T=1, aim="a column"), "The table's only column is the target"),
    (dict(table=Table(["a"], [[1]]), T=1), "The table has one row"),
    (dict(loss="softmax"), "Cross-entropy with softmax needs targets that add up to 1 at every step."),
])
def test_a_table_that_cannot_be_read_as_the_fields_say_is_told_and_mended(changes, words):
    wrong = replace(TABLED, **changes)
    assert problem(wrong).startswith(words)
    mended, notes = mend(wrong)
    assert problem(mended) is None
    assert notes


def test_a_table_is_the_sequence_that_runs():
    made = run(replace(TABLED, scaling="none"))
    np.testing.assert_array_equal(made.sequence.x, [[1, 2], [3, 5], [4, 7]])
    np.testing.assert_array_equal(made.sequence.target, [[3, 5], [4, 7], [6, 8]])
    made = run(replace(TABLED, scaling="none", aim="a column", target_column=2, T=4))
    np.testing.assert_array_equal(made.sequence.x, [[1], [3], [4], [6]])
    np.testing.assert_array_equal(made.sequence.target, [[2], [5], [7], [8]])


def test_own_weights_travel_as_text_up_to_12_000_characters_and_beyond_as_their_digest():
    rng = np.random.default_rng(1)
    small, large = (Experiment(width=n, depth=1, weights=Weights({"W_T1": rng.standard_normal((n, n))})) for n in (20, 30))
    assert from_link(to_link(small)) == (small, ())
    assert len(small.weights.text) < 12_000 < len(large.weights.text)
    assert to_link(large) == f"depth=1&width=30&weights=@{large.weights.digest}"
    assert (too_large(small), too_large(large)) == ((), ("weights",))
    known = {large.weights.digest: large.weights}
    assert from_link(to_link(large), known.get) == (large, ())
    lost, notes = from_link(to_link(large))
    assert lost == replace(large, weights=Weights())
    assert notes == ("This picture had weights of its own, too large for its link, and they are gone. Open their file again; "
                     "until then the weights are drawn.",)


def test_a_digest_of_another_kind_of_value_is_not_taken_for_the_weights():
    table = TABLED.table
    assert from_link(f"weights=@{table.digest}", {table.digest: table}.get)[0] == Experiment()


def test_a_link_of_12_001_characters_of_weights_is_refused_with_both_numbers():
    text = "b1:" + ",".join(["0"] * 6000)
    _, notes = from_link(f"weights={text}")
    assert notes == ("Weights has 12,002 characters; in a link it may have 12,000. The weights are drawn.",)
