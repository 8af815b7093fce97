"""The map of gain against lag, against runs one by one; the theory of wide layers, against integrals and wide networks."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace

import mpmath
import numpy as np
import pytest

from rnnviz import gainmap, meanfield
from rnnviz.experiment import BY_HAND, TABLE, Experiment, run
from rnnviz.gainmap import crossings, sweep
from rnnviz.own import Table, Weights

GAINS = np.array([0.3, 0.8, 1.0, 1.7, 2.4])
SMALL = Experiment(width=5, depth=2, T=9)
FAMILIES = [
    SMALL,
    replace(SMALL, cell="relu", init="Gaussian", bias=0.3),
    replace(SMALL, layers="4, 6 relu static, 3 sigmoid", input_scale=2.0, task="noise", inputs=3, outputs=2),
    replace(SMALL, cell="linear", init="diagonal", readout="none", task="noise", outputs=5),
    replace(SMALL, init="identity", task="delayed recall", weights=Weights({"W_S1": np.full((5, 2), 0.7)})),
]
FIELDS = ("mean", "spread", "counted", "dead", "slope")


def left_of(experiment, gains, lags, draws):
    """(draws, K, G) log10 of layer 1's size over that at the last step, every one from a run of its own."""
    made = np.empty((draws, lags, len(gains)))
    for i in range(draws):
        for j, g in enumerate(gains):
            e = replace(experiment, g=float(g), seed=(experiment.seed + i) % 10_000, T=lags, score="last step")
            size = np.linalg.norm(run(e).backward.delta[0], axis=-1)
            with np.errstate(divide="ignore", invalid="ignore"):
                made[i, :, j] = np.log10(size[::-1]) - np.log10(size[-1])
    return made


@pytest.mark.parametrize("experiment", FAMILIES, ids=lambda e: f"{e.cell} {e.init} {e.layers}".strip())
def test_every_column_of_the_map_is_the_mean_of_runs_made_one_by_one(experiment):
    found, single = sweep(experiment, gains=GAINS, lags=11, draws=3), left_of(experiment, GAINS, 11, 3)
    assert np.isfinite(single).all()
    np.testing.assert_allclose(found.mean, single.mean(axis=0), rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(found.spread, single.std(axis=0), rtol=1e-10, atol=1e-10)
    assert (found.counted == 3).all()
    assert (found.dead == 0).all()
    np.testing.assert_array_equal(found.mean[0], 0)


def test_the_slope_is_the_root_mean_square_of_phi_prime_in_runs_made_one_by_one():
    squares = [[np.mean([np.square(slope).mean() for slope in run(
        replace(SMALL, g=float(g), seed=SMALL.seed + i, T=11)).backward.slopes]) for g in GAINS] for i in range(3)]
    np.testing.assert_allclose(sweep(SMALL, gains=GAINS, lags=11, draws=3).slope, np.sqrt(np.mean(squares, axis=0)), rtol=1e-11)


def test_the_seed_of_a_draw_begins_again_after_the_last():
    both = sweep(replace(SMALL, seed=9999), gains=GAINS, lags=6, draws=2)
    last, first = (sweep(replace(SMALL, seed=seed), gains=GAINS, lags=6, draws=1) for seed in (9999, 0))
    np.testing.assert_allclose(both.mean, (last.mean + first.mean) / 2, atol=1e-12)
    assert np.abs(last.mean - first.mean).max() > 0.01


def test_an_error_measure_that_does_not_fit_the_targets_of_every_draw_gives_way_to_the_usual_one():
    odd = replace(SMALL, T=1, loss="sigmoid", seed=1)  # counts to 1 in one step, and beyond it in more
    np.testing.assert_array_equal(sweep(odd, lags=9, draws=3).mean, sweep(replace(odd, loss="usual"), lags=9, draws=3).mean)


def test_exact_zeros_are_counted_and_left_out_of_the_mean():
    dying = Experiment(cell="relu", width=3, depth=1, bias=-0.3, task="noise", inputs=2, outputs=2)
    found, single = sweep(dying, gains=GAINS, lags=8, draws=12), left_of(dying, GAINS, 8, 12)
    zero = single == -np.inf
    zero |= np.isnan(single[:, :1])  # nothing at lag 0
    np.testing.assert_array_equal(found.dead, zero.sum(axis=0))
    np.testing.assert_array_equal(found.counted, 12 - zero.sum(axis=0))
    assert 0 < found.dead[-1, 1] < 12
    for k in range(8):
        for j in range(len(GAINS)):
            alive = single[~zero[:, k, j], k, j]
            if len(alive):
                assert found.mean[k, j] == pytest.approx(alive.mean(), abs=1e-11)
            else:
                assert np.isnan(found.mean[k, j])


def test_what_is_too_small_for_a_float_is_no_zero():
    found = sweep(Experiment(cell="linear", depth=1, width=3), gains=[0.05, 0.1], lags=400, draws=2)
    np.testing.assert_allclose(found.mean, np.arange(400)[:, None] * np.log10([0.05, 0.1]), rtol=1e-12)
    assert found.mean.min() < -500
    assert (found.dead == 0).all()


def test_a_draw_whose_states_overflow_is_neither_counted_nor_dead():
    found = sweep(Experiment(cell="linear", depth=1, width=3, init="identity"), gains=[0.5, 3.0], lags=700, draws=2)
    assert (found.counted == [2, 0]).all()
    assert (found.dead == 0).all()
    assert np.isnan(found.mean[:, 1]).all()


def test_a_linear_layer_with_orthogonal_W_T_keeps_g_to_the_power_of_the_lag_and_its_edge_is_1():
    """Saxe, McClelland and Ganguli (2014): norms are kept exactly."""
    found = sweep(Experiment(cell="linear", depth=1), draws=4)
    np.testing.assert_allclose(found.mean, found.lags[:, None] * np.log10(found.gains), rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(found.spread, 0, atol=1e-12)
    between = sweep(Experiment(cell="linear", depth=1), gains=[0.7, 0.97, 1.06, 1.5], draws=4)
    assert np.isnan(found.edge[0])
    np.testing.assert_allclose(between.edge[1:], 1, rtol=0, atol=1e-9)
    np.testing.assert_allclose(between.predicted_edge[1:], 1, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.slope, 1, rtol=1e-15)


# Who computes it, and how it is stopped.


def threads():
    return ThreadPoolExecutor(2)


def processes():
    return ProcessPoolExecutor(2)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("pool", [threads, processes])
def test_an_executor_gives_the_same_bits(pool):
    given = replace(SMALL, weights=Weights({"b1": np.full(5, 0.1)}))
    here = sweep(given, lags=12, draws=5)
    with pool() as executor:
        there = sweep(given, lags=12, draws=5, executor=executor)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(here, name), getattr(there, name))


def test_progress_is_told_after_each_draw_wherever_it_was_made():
    told = []
    sweep(SMALL, lags=5, draws=4, progress=lambda *numbers: told.append(numbers))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    with ThreadPoolExecutor(2) as executor:
        sweep(SMALL, lags=5, draws=4, executor=executor, progress=lambda *numbers: told.append(numbers))
    assert told[4:] == told[:4]


class Stop(Exception):
    pass


@pytest.mark.parametrize("after", [0, 1, 7, 100])
def test_a_checkpoint_that_raises_stops_the_map_between_draws_and_within_them(after):
    calls = []

    def checkpoint():
        calls.append(1)
        if len(calls) > after:
            raise Stop

    with pytest.raises(Stop):
        sweep(SMALL, lags=20, draws=2, checkpoint=checkpoint)
    assert len(calls) == after + 1


class Remembering(ThreadPoolExecutor):
    """Threads, and the jobs they were handed."""

    def submit(self, *job):
        self.jobs = [*getattr(self, "jobs", []), super().submit(*job)]
        return self.jobs[-1]


def test_a_checkpoint_that_raises_leaves_no_job_behind_on_an_executor():
    def checkpoint():
        raise Stop

    with Remembering(1) as executor:
        with pytest.raises(Stop):
            sweep(Experiment(), draws=16, executor=executor, checkpoint=checkpoint)
        assert len(executor.jobs) == 16
        assert all(job.cancelled() for job in executor.jobs[2:])  # one may run already, and one be handed over


def test_a_batch_of_scales_that_is_split_gives_the_same_map(monkeypatch):
    whole = sweep(SMALL, gains=GAINS, lags=9, draws=2)
    monkeypatch.setattr(gainmap, "NUMBERS_AT_ONCE", 9 * 5 * 2)
    split = sweep(SMALL, gains=GAINS, lags=9, draws=2)
    np.testing.assert_allclose(split.mean, whole.mean, atol=1e-10)
    np.testing.assert_array_equal(split.counted, whole.counted)


# What is refused.


@pytest.mark.parametrize(("change", "sentence"), [
    (dict(init=BY_HAND, width=1), "Weights set by hand are not drawn"),
    (dict(weights=Weights({"W_T2": np.eye(5)})), "W_T2 is your own and not drawn"),
    (dict(layers="4 static"), "No layer is recurrent"),
    (dict(task="text", text=""), "Text is empty"),
    (dict(task=TABLE), "Input is a table, but none is open"),
])
def test_where_there_is_no_map_one_sentence_says_why(change, sentence):
    found = gainmap.map_problem(replace(SMALL, **change))
    assert found.startswith(sentence)
    with pytest.raises(ValueError, match=sentence):
        sweep(replace(SMALL, **change))
    assert gainmap.map_problem(SMALL) is None


@pytest.mark.parametrize(("given", "sentence"), [
    (dict(gains=[1.0]), "gains must be 2 to 400 recurrent scales from 0 to 3, ascending"),
    (dict(gains=[1.0, 0.5]), "gains must be"), (dict(gains=[1.0, 3.5]), "gains must be"),
    (dict(gains=[0.5, np.nan]), "gains must be"),
    (dict(lags=0), "lags is 0; it must be a whole number from 1 to 2000"), (dict(lags=True), "lags is True"),
    (dict(draws=2000), "draws is 2000; it must be a whole number from 1 to 1000"), (dict(draws=1.5), "draws is 1.5"),
    (dict(lags=2000, draws=1000), "million numbers; the limits are 200 and 5"),
])
def test_a_map_that_cannot_be_is_refused_with_its_number_and_its_range(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        sweep(SMALL, **given)


def test_a_map_of_the_widest_networks_is_refused_before_anything_is_drawn():
    with pytest.raises(ValueError, match="thousand million multiply-adds"):
        sweep(Experiment(width=512, depth=12))


def test_a_table_is_mapped_as_far_back_as_it_has_rows():
    rows = Experiment(width=3, depth=1, task=TABLE, table=Table(("a",), np.arange(9.0)[:, None] ** 2), T=5)
    assert len(sweep(rows, draws=2).lags) == 8
    with pytest.raises(ValueError, match="lags is 9; the table's rows make 8 steps"):
        sweep(rows, lags=9)


@pytest.mark.parametrize(("T", "lags"), [(1, 60), (30, 60), (61, 61), (240, 240), (10_000, 240)])
def test_a_map_reaches_as_far_as_the_run_within_60_to_240_lags(T, lags):
    assert gainmap.lags_of(Experiment(T=T)) == lags


def test_a_crossing_is_the_first_rise_through_the_level_and_straight_over_log_g():
    gains = np.array([0.0, 0.5, 1.0, 2.0])
    rows = np.array([[-np.inf, -4, -2, 1], [-1, 2, -1, 2], [-3, -3, -2, -1], [0, 1, 2, 3], [np.nan, -1, 1, 2]], float)
    np.testing.assert_allclose(crossings(gains, rows, 0.0), [2 ** (2 / 3), 0.5, np.nan, np.nan, 0.5 * 2**0.5])
    np.testing.assert_allclose(crossings(gains, rows, -3.0), [0.5 * 2**0.5, np.nan, np.nan, np.nan, np.nan])


# Theory.


SLOPES = {"tanh": lambda z: 1 - mpmath.tanh(z) ** 2, "sigmoid": lambda z: mpmath.exp(-z) / (1 + mpmath.exp(-z)) ** 2}
PHI = {"tanh": mpmath.tanh, "sigmoid": lambda z: 1 / (1 + mpmath.exp(-z))}


def integral(function, mean, variance):
    """E[function(z)^2] by mpmath's own quadrature."""
    mean, deviation = mpmath.mpf(mean), mpmath.sqrt(variance)
    return float(mpmath.quad(lambda u: mpmath.npdf(u) * function(mean + deviation * u) ** 2, np.linspace(-14, 14, 15).tolist()))


@pytest.mark.parametrize("cell", PHI)
@pytest.mark.parametrize(("mean", "variance", "close"), [(0.0, 0.01, 1e-9), (0.7, 1.0, 1e-9), (-2.0, 9.0, 1e-9),
                                                         (0.5, 36.0, 1e-4)])
def test_the_moments_of_a_smooth_cell_are_those_of_an_independent_integral(cell, mean, variance, close):
    found = meanfield.moments(cell, mean, np.array([variance]))
    assert found[0][0] == pytest.approx(integral(PHI[cell], mean, variance), abs=close)
    assert found[1][0] == pytest.approx(integral(SLOPES[cell], mean, variance), abs=close)


@pytest.mark.parametrize(("mean", "variance"), [(0.0, 2.0), (0.7, 0.3), (-1.1, 4.0)])
def test_the_moments_of_relu_and_linear_are_those_of_an_independent_integral(mean, variance):
    deviation = mpmath.sqrt(variance)
    kink = -mpmath.mpf(mean) / deviation
    above = [float(mpmath.quad(lambda u, power=power: mpmath.npdf(u) * (mean + deviation * u) ** power, [kink, 2, 14]))
             for power in (2, 0)]
    np.testing.assert_allclose(meanfield.moments("relu", mean, variance), above, rtol=1e-10)
    np.testing.assert_allclose(meanfield.moments("linear", mean, variance), [mean**2 + variance, 1], rtol=1e-14)


@pytest.mark.parametrize(("mean", "moments"), [(0.5, (0.25, 1)), (-0.5, (0, 0)), (0.0, (0, 0))])
def test_without_variance_relu_is_its_value_at_the_mean(mean, moments):
    np.testing.assert_array_equal(meanfield.moments("relu", mean, 0.0), moments)


@pytest.mark.parametrize(("cell", "edge", "close"), [("tanh", 1.0, 1e-6), ("linear", 1.0, 1e-12), ("relu", np.sqrt(2), 1e-9)])
def test_without_input_the_critical_gain_is_the_published_one(cell, edge, close):
    """tanh: Sompolinsky, Crisanti and Sommers (1988). relu: He et al. (2015)."""
    assert meanfield.critical_gain(cell) == pytest.approx(edge, abs=close)


def test_chi_is_g_squared_for_linear_and_half_of_it_for_relu():
    np.testing.assert_allclose(meanfield.chi("linear", GAINS[:3], 0.3), GAINS[:3] ** 2, rtol=1e-12)
    np.testing.assert_allclose(meanfield.chi("relu", GAINS[:3], 0.3), GAINS[:3] ** 2 / 2, rtol=1e-12)


@pytest.mark.parametrize("power", [0.1, 0.5, 2.0])
def test_with_input_chi_is_1_at_the_critical_gain_of_tanh_by_an_independent_integral(power):
    g = meanfield.critical_gain("tanh", power)
    q = mpmath.findroot(lambda q: g**2 * integral(mpmath.tanh, 0, q) + power - q, (0.1, 5.0), solver="anderson", tol=1e-12)
    assert g**2 * integral(SLOPES["tanh"], 0, q) == pytest.approx(1, abs=1e-6)


def test_input_moves_the_critical_gain_of_tanh_up_and_the_logistic_has_none_up_to_10():
    edges = [meanfield.critical_gain("tanh", power) for power in (0.0, 0.01, 0.1, 1.0, 4.0)]
    assert edges == sorted(edges)
    assert edges[-1] > edges[0] + 1
    assert meanfield.critical_gain("sigmoid") is None


def test_the_theory_of_a_linear_stack_is_the_sum_over_its_routes():
    gains = np.array([0.5, 1.0, 2.0])
    found = meanfield.left((("", "linear", True),) * 3, gains, np.ones(9), input_scale=0.7)
    lags = np.arange(9)
    routes = (lags + 1) * (lags + 2) / 2  # lattice paths from layer 3 down to layer 1, so many steps back
    np.testing.assert_allclose(found, 0.5 * np.log10(routes[:, None] * gains ** (2 * lags[:, None])), atol=1e-12)


@pytest.mark.parametrize(("cell", "init", "gains"), [
    ("tanh", "orthogonal", [0.5, 1.2, 1.7]), ("tanh", "Gaussian", [0.5, 1.2, 1.6]), ("sigmoid", "orthogonal", [1.0, 2.5]),
    ("linear", "Glorot", [0.8, 1.1]), ("relu", "Gaussian", [0.9, 1.3]),
])
def test_a_wide_layer_keeps_what_theory_predicts_within_a_few_per_cent_a_step(cell, init, gains):
    found = sweep(Experiment(cell=cell, init=init, depth=1, width=400, task="noise", inputs=8), gains=gains, lags=25, draws=3)
    rate, predicted = (10.0 ** (values[-1] / 24) for values in (found.mean, found.predicted))
    np.testing.assert_allclose(rate, predicted, rtol=0.04)


def test_two_wide_layers_follow_theory_over_all_lags():
    found = sweep(Experiment(depth=2, width=250), gains=[0.6, 1.0, 1.4], lags=20, draws=4)
    np.testing.assert_allclose(found.mean[1:], found.predicted[1:], atol=0.12)
    assert np.abs(found.mean).max() > 2


@pytest.mark.parametrize(("change", "why"), [
    (dict(init="identity"), "W_T starts from the identity, which is not random"),
    (dict(weights=Weights({"W_S1": np.ones((5, 1))})), "Some weights are your own"),
])
def test_where_theory_says_nothing_there_is_no_prediction_and_a_sentence(change, why):
    found = sweep(replace(SMALL, **change), lags=4, draws=1)
    assert found.predicted is found.predicted_edge is None
    assert found.why.startswith(why)
    assert sweep(SMALL, lags=4, draws=1).why is None


@pytest.mark.parametrize("cell", ["tanh", "sigmoid"])
@pytest.mark.parametrize("deviation", [0.1, 3.0, 10.0, 60.0])
def test_moments_are_right_for_narrow_and_for_wide_pre_activations(cell, deviation):
    phi = {"tanh": mpmath.tanh, "sigmoid": lambda z: 1 / (1 + mpmath.exp(-z))}[cell]
    slope = {"tanh": lambda z: mpmath.sech(z) ** 2, "sigmoid": lambda z: mpmath.exp(-z) / (1 + mpmath.exp(-z)) ** 2}[cell]
    mean = 0.3
    places = [mean - 12 * deviation, *sorted({-30.0, -5.0, 0.0, 5.0, 30.0, mean}), mean + 12 * deviation]
    places = sorted(set(places))

    def expected(f):
        return mpmath.quad(lambda z: f(z) ** 2 * mpmath.npdf(z, mean, deviation), places)

    found = meanfield.moments(cell, mean, deviation**2)
    for value, f in zip(found, (phi, slope), strict=True):
        assert float(value) == pytest.approx(float(expected(f)), rel=1e-7)
