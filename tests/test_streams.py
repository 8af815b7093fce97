"""Very long runs in segments: the same sizes as the backward pass that keeps everything, in little memory."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from rnnviz import streams
from rnnviz.experiment import Experiment, make_network, run
from rnnviz.figures import long_spec
from rnnviz.flow import read
from rnnviz.network import Layer, Network
from rnnviz.sentences import long as long_sentence
from rnnviz.streams import long_problem, long_run, stream
from rnnviz.tasks import Sequence, sequence

SHORT = {
    "fading, each layer at its own pace": Experiment(),
    "holding": Experiment(g=1.05, input_scale=0.5, task="sine", seed=91),
    "chaotic": Experiment(g=1.4),
    "logistic": Experiment(cell="sigmoid", g=3.0),
    "linear, one rate a unit": Experiment(cell="linear", init="diagonal", g=1.0),
    "dead units": Experiment(cell="relu", depth=2, g=0.9, bias=-0.2),
    "every step is scored": Experiment(score="every step"),
    "a layer without recurrence": Experiment(layers="8, 8 static, 5 sigmoid"),
}


@pytest.mark.parametrize("experiment", SHORT.values(), ids=SHORT)
@pytest.mark.parametrize(("T", "piece", "pieces"), [(1, 128, 16), (2, 128, 16), (40, 1, 3), (700, 7, 5), (2500, 128, 16)])
@pytest.mark.parametrize("joint", [0, 128])
def test_pieces_of_any_length_give_the_sizes_of_the_whole_run(monkeypatch, experiment, T, piece, pieces, joint):
    for name, value in (("PIECE", piece), ("PART", piece * pieces), ("MOST_JOINT", joint)):
        monkeypatch.setattr(streams, name, value)
    scored = np.ones(T, bool) if experiment.score == "every step" else None
    found = stream(make_network(experiment), sequence(experiment.task, T, seed=experiment.seed, scored=scored))
    whole = read(run(replace(experiment, T=T)))
    there = np.isfinite(whole.log_size)
    np.testing.assert_array_equal(np.isfinite(found.log_size), there)
    close = 1e-11 if experiment.g < 1.2 else 1e-6  # rounding grows from step to step where a trajectory is chaotic
    np.testing.assert_allclose(found.log_size[there], whole.log_size[there], atol=close)
    assert found.log_reference == pytest.approx(whole.log_reference, abs=close)
    assert found.C == pytest.approx(whole.loss)
    assert (found.L, found.T, found.last_loss) == (whole.L, T, whole.last_loss)


def test_a_hundred_thousand_steps_of_a_known_decay_are_right_at_every_one():
    T = 100_000
    network = Network([Layer([[0.0]], [[0.99]], cell="linear"), Layer([[1.0]], [[0.5]], cell="linear")])
    found = stream(network, Sequence(np.zeros((T, 1)), np.full((T, 1), -1.0)))
    lags = np.arange(T - 1, -1, -1)
    np.testing.assert_allclose(found.log_size[1], lags * np.log10(0.5), rtol=1e-12, atol=1e-12)
    # layer 1 hears layer 2 at every step: the sum over j of 0.99^(k-j) 0.5^j
    np.testing.assert_allclose(found.log_size[0, :-60], lags[:-60] * np.log10(0.99) + np.log10(0.99 / 0.49), rtol=1e-12,
                               atol=1e-14)
    assert found.rate == pytest.approx(10.0 ** (found.log_size[0, 0] / (T - 1)), rel=1e-6)


def test_beside_inputs_and_norms_a_run_of_any_length_takes_the_memory_of_a_segment():
    peaks = []
    for T in (20_000, 80_000):
        network = make_network(Experiment(depth=2, width=32))
        seq = sequence("sine", T)
        tracemalloc.start()
        found = stream(network, seq)
        peaks.append(tracemalloc.get_traced_memory()[1] - found.log_size.nbytes)
        tracemalloc.stop()
    assert max(peaks) < 40e6
    assert peaks[1] < peaks[0] + 3e6


def test_progress_counts_every_part_twice_and_a_checkpoint_stops_the_run():
    told = []
    network = make_network(Experiment(depth=1))
    stream(network, sequence("sine", 5000), progress=lambda *a: told.append(a))
    assert told == [(done, 6) for done in range(1, 7)]
    calls = []

    def stop():
        calls.append(1)
        if len(calls) == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stream(network, sequence("sine", 200_000), checkpoint=stop)


def test_a_state_that_overflows_is_named_by_its_step_in_the_whole_run():
    network = Network([Layer([[1.0]], [[2.0]], cell="linear")])
    with pytest.raises(ValueError, match="layer 1 overflows at step 1024;"):
        stream(network, Sequence(np.ones((4000, 1)), np.zeros((4000, 1))))


def test_a_batch_is_refused():
    network = Network([Layer(np.ones((2, 3, 1)), np.zeros((2, 3, 3)))])
    with pytest.raises(ValueError, match="not a batch"):
        stream(network, Sequence(np.zeros((5, 1)), np.zeros((5, 3))))


@pytest.mark.parametrize(("experiment", "words"), [
    (Experiment(long=50_000, score="chosen steps", steps="3"), "scored at its last step or at every step"),
    (Experiment(long=1_000_000, width=512), "steps of it would fit"),
    (Experiment(long=1_000_000, task="noise", inputs=200), "steps of it would fit"),
])
def test_a_long_run_that_takes_too_long_is_refused_with_what_would_fit(experiment, words):
    assert words in long_problem(experiment)
    with pytest.raises(ValueError, match=words):
        long_run(experiment)


def test_a_long_run_of_a_million_steps_is_within_the_limits():
    assert long_problem(Experiment(long=1_000_000, depth=2, width=32)) is None


def test_a_column_holds_the_median_of_its_steps():
    found = long_run(Experiment(long=12_000))
    edges, medians = found.binned
    assert len(edges) == 401
    for c in (0, 17, 399):
        steps = np.arange(int(edges[c] + 0.5), int(edges[c + 1] + 0.5)) - 1
        np.testing.assert_allclose(medians[:, c], np.median(found.log_ratio[:, steps], axis=1), rtol=1e-12)
    drawn = long_spec(found)["data"][0]
    np.testing.assert_allclose(drawn["customdata"], medians, rtol=1e-6)
    assert np.abs(drawn["z"]).max() <= 32


def test_the_sentence_of_a_long_run_holds_its_rate_and_what_is_left():
    found = long_run(Experiment(long=12_000))
    said = long_sentence(found).text
    left = found.log_size[0, 0] - found.log_reference
    assert said.startswith(f"Over 12\u2009000 steps each step back keeps {10 ** (left / 11_999):.3f} of the gradient: ")
    assert "No float64 holds that" in said
    assert found.T == 12_000


@pytest.mark.parametrize("t", [2, 700, 2048])
@pytest.mark.parametrize("l", [2, 3])
def test_an_upper_layer_that_overflows_at_the_very_last_step_is_refused(l, t):
    """Only the rows after the last input hold that step of the upper layers."""
    inputs = np.zeros((t, 1))
    inputs[-1] = 1e200
    network = Network([Layer([[1e200 if i == l else 1.0]], [[0.0]], cell="linear") for i in (1, 2, 3)])
    with pytest.raises(ValueError, match=f"the state of layer {l} overflows at step {t};"):
        stream(network, Sequence(inputs, np.zeros((t, 1))))
