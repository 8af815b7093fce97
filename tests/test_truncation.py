"""Truncation as it is drawn and said: its figure, its sentence, and what the page is told."""

import re
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from strategies import experiments

from rnnviz.accounts import account, pairs_of, parameter
from rnnviz.bptt import backward, forward
from rnnviz.examples import SCENES
from rnnviz.experiment import Experiment, make_network, make_sequence
from rnnviz.figures import truncation_figure, truncation_spec
from rnnviz.files import terms_csv
from rnnviz.lags import compare, gradient_of, parameters
from rnnviz.sentences import truncation
from rnnviz.windows import full, truncated

EVERY = Experiment(T=12, width=3, score="every step", cut=True, tau_max=4, tau_b=3)


def accounts(experiment):
    return account(experiment, pairs_of(experiment))


def explicit(experiment, name, tau_max, again=False):
    """(truncated, full) gradients of one parameter, each by a backward pass of its own."""
    network, sequence = make_network(experiment), make_sequence(experiment)
    there = forward(network, sequence)
    made = [backward(network, sequence, there, windows) for windows in
            (truncated(experiment.T, tau_max, experiment.tau_b, again), full(experiment.T))]
    return tuple(gradient_of(name, each) for each in made)


def traces(spec, name):
    return [trace for trace in spec["data"] if trace["name"] == name]


@settings(max_examples=40)
@given(experiments(max_T=12, max_depth=3, max_width=4))
def test_any_experiment_that_runs_is_a_valid_figure_and_two_plain_lines(experiment):
    pairs = pairs_of(experiment)
    if pairs is None:
        return
    made = account(experiment, pairs)
    sentence = truncation(made)
    assert sentence.lead
    assert not re.search(r"\bnan\b|inf\b|None", sentence.text), sentence.text
    for page in (True, False):
        spec = truncation_spec(made, page=page, decades=experiment.decades, caption=None if page else sentence.text)
        assert go.Figure({"data": spec["data"], "layout": {k: v for k, v in spec["layout"].items() if k != "meta"}})
        texts = [text["text"] for text in spec["layout"]["meta"].get("texts", ())]
        texts += [note["text"] for note in spec["layout"]["annotations"]]
        assert texts
        assert not any(re.search(r"\bnan\b|\binf\b|None", text) for text in texts), texts
    assert terms_csv(made).count("\n") >= experiment.T


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", SCENES["truncation"])
def test_every_scene_is_drawn_in_both_themes_at_every_width(name, theme):
    made = accounts(SCENES["truncation"][name])
    for width in (520, 1068, 1400):
        spec = truncation_spec(made, theme=theme, width=width, page=True)
        assert spec["layout"]["width"] == width
        xs = [text[side] for text in spec["layout"]["meta"]["texts"] for side in ("left", "right", "middle")
              if text[side] is not None]
        assert min(xs) >= 0
        assert max(xs) <= width
    assert truncation_figure(made, theme=theme).layout.paper_bgcolor == spec["layout"]["paper_bgcolor"]


def test_the_triangle_holds_what_each_loss_sends_to_each_step_and_hatches_what_is_dropped():
    made = accounts(EVERY)
    spec = truncation_spec(made, page=True)
    (pairs,), (dropped,) = traces(spec, "pairs"), traces(spec, "dropped")
    np.testing.assert_allclose(pairs["z"], np.where(np.isfinite(made.triangle), np.clip(
        made.triangle, -spec["layout"]["coloraxis"]["cmax"], None), np.nan), rtol=1e-5)
    corners = np.stack([dropped["x"], dropped["y"]], axis=-1).reshape(-1, 6, 2)[:, :4]
    hatched = {(round(low + 0.5), step) for box in corners for low in [box[:, 1].min()]
               for step in range(round(box[:, 0].min() + 0.5), round(box[:, 0].max() + 0.5))}
    expected = {(s + 1, k + 1) for s in range(12) for k in range(s + 1) if not made.counts[s, k]}
    assert hatched == expected
    assert len(expected) == made.all_pairs - made.kept_pairs


@pytest.mark.parametrize("per", ["step", "lag"])
def test_the_dots_are_the_sizes_of_the_terms_kept_and_whole(per):
    made = accounts(replace(EVERY, per=per))
    spec = truncation_spec(made, page=True)
    (kept,) = traces(spec, "kept")
    there = made.kept.size > 0
    np.testing.assert_allclose(10.0 ** np.asarray(kept["y"], float), made.kept.size[there], rtol=1e-5)
    np.testing.assert_allclose(kept["customdata"][:, 2], made.kept.share[there], rtol=1e-5, atol=1e-7)
    (hollow,) = traces(spec, "in the full gradient")
    other = (made.whole.size > 0) & ~np.isclose(made.kept.size, made.whole.size, rtol=1e-8, atol=0.0)
    np.testing.assert_allclose(10.0 ** np.asarray(hollow["y"], float), made.whole.size[other], rtol=1e-5)
    assert kept["marker"]["color"] != hollow["marker"]["color"]


def test_the_curves_are_angle_size_and_error_of_gradients_formed_one_by_one():
    made = accounts(EVERY)
    spec = truncation_spec(made, page=True)
    for axis, field in (("y4", "angle"), ("y5", "ratio"), ("y6", "error")):
        curve, = (trace for trace in traces(spec, made.name) if trace["yaxis"] == axis)
        low, high = spec["layout"][axis.replace("y", "yaxis")]["range"]
        for tau in range(1, 13):
            cut, whole = explicit(EVERY, made.name, tau)
            value = float(getattr(compare([cut], [whole]), field)[0])
            drawn = np.clip(np.log10(max(value, 1e-300)) if field == "error" else value, low, high)
            assert curve["y"][tau - 1] == pytest.approx(drawn, abs=2e-3 if field == "angle" else 1e-4)


def test_the_sentence_says_the_angle_and_the_part_that_the_explicit_gradients_have():
    made = accounts(EVERY)
    cut, whole = explicit(EVERY, "W_T1", 4)
    error = np.linalg.norm(cut - whole) / np.linalg.norm(whole)
    angle = np.degrees(np.arccos((cut * whole).sum() / np.linalg.norm(cut) / np.linalg.norm(whole)))
    text = "".join(words for words, _ in truncation(made).lead)
    assert text == (f"Keeping 4 columns turns the gradient of W_T of layer 1 by {angle:.0f}° and misses a part "
                    f"{100 * error:.0f}% of its size.")


@pytest.mark.parametrize("tau", [1, 20, 40, 41, 60])
def test_the_wrong_sign_is_said_exactly_where_the_explicit_gradient_has_it(tau):
    experiment = replace(SCENES["truncation"]["Wrong sign"], tau_max=tau)
    cut, whole = explicit(experiment, "W_S1", tau)
    sentence = truncation(accounts(experiment))
    assert ("wrong sign" in "".join(words for words, _ in sentence.lead)) == (cut[0, 0] * whole[0, 0] < 0) == (tau <= 40)
    assert "Its sign is wrong for τ_max = 1 to 40" in sentence.text


def test_the_smallest_tau_in_the_sentence_is_the_first_from_which_the_explicit_error_stays_below():
    made = accounts(EVERY)
    errors = []
    for tau in range(1, 13):
        cut, whole = explicit(EVERY, "W_T1", tau)
        errors.append(np.linalg.norm(cut - whole) / np.linalg.norm(whole))
    said = [int(n) for n in re.findall(r"from (?:τ_max = )?(\d+)", truncation(made).text)]
    expected = [1 + max((i + 1 for i, error in enumerate(errors) if error >= limit), default=0) for limit in (0.1, 0.01, 0.001)]
    assert said == expected


def test_old_losses_again_are_said_to_be_wrong_by_what_the_explicit_gradients_are_wrong():
    experiment = replace(EVERY, again=True)
    network = make_network(experiment)
    names = parameters(network)
    wrong, right = ([explicit(experiment, name, 4, again)[0] for name in names] for again in (True, False))
    there = compare(wrong, right)
    text = truncation(accounts(experiment)).text
    assert text.startswith(f"Injecting old losses again makes all gradients {there.ratio[0]:.2f} times as large as they should "
                           f"be, {there.angle[0]:.0f}° off.")
    assert there.ratio[0] > 1.05


def test_the_scenes_say_what_they_are_there_for():
    said = {name: truncation(accounts(experiment)).text for name, experiment in SCENES["truncation"].items()}
    assert "wrong sign" in said["Wrong sign"]
    assert "no pair more than 7 steps apart is kept" in said["Long lags gone"]
    assert re.search(r"this misses 13%; a sliding window of 1 column at the same cost 93%", said["Chunks or sliding"])
    assert said["Label leak"].startswith("The input of step 30 has 99% of the influence of all inputs. It reads “bits, at last")
    assert "influence" not in said["No leak"]


def test_the_schedule_bears_all_its_names():
    def names(**changes):
        spec = truncation_spec(accounts(replace(EVERY, **changes)), page=True)
        return re.sub(r"<[^>]+>", "", next(t["text"] for t in spec["layout"]["meta"]["texts"] if t["y"] == 38))

    assert names(tau_max=4, tau_b=3) == "Williams and Peng’s BPTT(h = 4; h′ = 3)  ·  Sutskever’s k₁ = 3, k₂ = 4"
    assert "a sliding window" in names(tau_b=1)
    assert "one pass at the end" in names(tau_b=12)
    assert "detach every 3 steps" in names(tau_max=3)
    assert names(tau_max=5, tau_b=5).endswith(
        "detach every 5 steps, but for the ragged end  ·  ragged end: the last pass starts 2 after the one before")
    assert "full backpropagation" in names(cut=False)


def test_a_chosen_parameter_that_is_not_there_gives_way_to_the_first_through_time():
    network = make_network(EVERY)
    assert parameter(EVERY, network) == "W_T1"
    assert parameter(replace(EVERY, weight="W_T9"), network) == "W_T1"
    assert parameter(replace(EVERY, weight="W_out"), network) == "W_out"
    static = replace(EVERY, layers="3 static, 2 tanh")
    assert parameter(static, make_network(static)) == "W_T2"
    static = replace(EVERY, layers="3 static")
    assert parameter(static, make_network(static)) == "W_S1"


def test_too_many_pairs_are_said_and_the_rest_is_still_drawn():
    experiment = Experiment(T=1500, width=2, depth=1, score="every step", cut=True, tau_max=3, tau_b=2)
    made = accounts(experiment)
    assert made.every is None
    text = truncation(made).text
    assert "too many to take apart" in text
    cut, whole = explicit(experiment, "W_T1", 3)
    error = np.linalg.norm(cut - whole) / np.linalg.norm(whole)
    assert made.now.error[0] == pytest.approx(error)
    assert traces(truncation_spec(made, page=True), "kept")


def test_nothing_of_a_view_that_is_not_shown_is_computed(monkeypatch):
    from rnnviz.ui import causes, drawings
    from rnnviz.ui.picture import View, computed, picture

    of_view = {"flow": (drawings, "read", "neurons", "uncut_left"), "truncation": (drawings, "account", "pairs_of"),
               "routes": (drawings, "routes", "groups", "read_sum"), "rate": (causes, "rates"), "wall": (causes, "wall_of"),
               "map": (causes, "sweep")}
    for shown in of_view:
        with monkeypatch.context() as patch:
            for view, (place, *names) in of_view.items():
                for name in set(names) - set(of_view[shown][1:]) - ({"read"} if shown == "routes" else set()):
                    patch.setattr(place, name, lambda *a, view=view, **k: pytest.fail(f"{view} is computed"))
            by_hand = [replace(SCENES["routes"]["By hand"], view=shown)] if shown != "map" else []
            for experiment in (Experiment(view=shown, T=6), *by_hand):
                assert picture(experiment, computed(experiment), View()).spec["data"]


def test_another_tau_takes_the_pairs_that_are_there(monkeypatch):
    from rnnviz.ui import drawings
    from rnnviz.ui.picture import computed

    experiment = replace(EVERY, view="truncation")
    before = computed(experiment)
    monkeypatch.setattr(drawings, "pairs_of", lambda *a: pytest.fail("the pairs are computed again"))
    for tau in (1, 7, 12):
        other = replace(experiment, tau_max=tau)
        made = computed(other, before=before).accounts
        fresh = accounts(other)
        assert made.now.error[0] == fresh.now.error[0]
        np.testing.assert_array_equal(made.kept.size, fresh.kept.size)
