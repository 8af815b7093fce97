"""The sum over steps with the immediate derivative is the gradient; with a total derivative it counts terms again and again."""

from dataclasses import replace

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import problems

from rnnviz import immediate
from rnnviz.bptt import backward
from rnnviz.cells import CELLS
from rnnviz.experiment import Experiment, run, trace
from rnnviz.figures.canvas import Sheet
from rnnviz.figures.columns import columns
from rnnviz.figures.immediate import FOOT, HEAD, HEIGHT, draw_sum
from rnnviz.figures.theme import LEFT, THEMES
from rnnviz.immediate import problem, read_sum
from rnnviz.lags import gradient_of, layer_of, parameters
from rnnviz.network import Layer, Network
from rnnviz.tasks import Sequence
from rnnviz.windows import Windows, truncated

# A second opinion: one step of the whole stack in complex numbers, and every matrix of the formula written out.


def one_step(network, x, before, nudges=None):
    """The states of all layers side by side (.., N) after a step from `before` (.., N); nudges: {parameter: what is added}."""
    nudges, found, below = nudges or {}, [], x
    apart = np.split(before, np.cumsum(network.widths)[:-1], axis=-1)
    for l, (layer, h) in enumerate(zip(network.layers, apart, strict=True), start=1):
        z = reference.matvec(layer.W_S + nudges.get(f"W_S{l}", 0.0), below) + layer.b + nudges.get(f"b{l}", 0.0)
        if layer.recurrent:
            z = z + reference.matvec(layer.W_T + nudges.get(f"W_T{l}", 0.0), h)
        below = reference.PHI[layer.cell](z + 0j)
        found.append(below)
    lead = np.broadcast_shapes(before.shape[:-1], *(h.shape[:-1] for h in found))
    return np.concatenate([np.broadcast_to(h, (*lead, h.shape[-1])) for h in found], axis=-1)


def nudged(network, name):
    """{name: (copies, n, m) or (copies, n)}: every entry of a parameter nudged by itself."""
    W = getattr(network.layers[layer_of(name)], name.rstrip("0123456789"))
    return {name: (1j * reference.H * np.eye(W.size)).reshape(W.size, *W.shape)}


class Explicit:
    """Every factor of the formula for the loss of step t whose pass reaches back to `first`, as a matrix.

    sent (N,): dL_t/dh_t. product[k] (N, N); immediate[k], total[k] (N, entries): d+h_k/dW, and dh_k/dW with W nudged at the
    steps first..k; all by complex step of `one_step`. scale: what no sum here exceeds.
    """

    def __init__(self, network, sequence, name, first, t):
        n = sum(network.widths)
        nudge = nudged(network, name)
        states = [np.concatenate([layer.h_0 for layer in network.layers])]
        for x in sequence.x:
            states.append(one_step(network, x, states[-1]).real)
        state = states[t + 1] + 1j * reference.H * np.eye(n)
        top = state[:, n - network.widths[-1]:]
        o = top if network.W_out is None else reference.matvec(network.W_out, top) + network.b_out
        self.sent = reference.LOSS[sequence.loss](o, sequence.target[t]).imag / reference.H
        self.product, self.immediate, self.total = {}, {}, {}
        moving = states[first] + 0j
        for k in range(first, t + 1):
            moving = one_step(network, sequence.x[k], moving, nudge)
            self.total[k] = moving.imag.T / reference.H
            self.immediate[k] = one_step(network, sequence.x[k], states[k], nudge).imag.T / reference.H
        product = np.eye(n)
        for k in range(t, first - 1, -1):
            self.product[k] = product
            J = one_step(network, sequence.x[k], states[k] + 1j * reference.H * np.eye(n)).imag.T / reference.H
            product = product @ J
        self.term = {k: self.sent @ self.product[k] @ self.immediate[k] for k in self.product}
        self.again = sum(self.sent @ self.product[k] @ self.total[k] for k in self.product)
        sizes = [np.abs(self.sent) @ np.abs(P) @ np.abs(self.total[k]) for k, P in self.product.items()]
        self.scale = 1e-300 + np.sum(sizes)


def last_seen(sequence, windows):
    """(the last scored step that some pass carries, the first step of that pass); None where there is none."""
    found = [(t, int(first)) for first, since, last in zip(windows.first, windows.since, windows.last, strict=True)
             for t in range(since, last + 1) if sequence.scored[t]]
    return max(found, default=None)


@st.composite
def sums(draw):
    """(network, sequence, windows, the name of a parameter of a layer), with a loss that some pass sees."""
    network, sequence, windows = draw(problems().filter(lambda made: last_seen(made[1], made[2])))
    return network, sequence, windows, draw(st.sampled_from([name for name in parameters(network) if name[-3:] != "out"]))


# The four sizes and the sum.


@settings(max_examples=150)
@given(sums())
def test_every_size_is_that_of_the_matrices_of_the_formula_multiplied_out(made):
    network, sequence, windows, name = made
    t, first = last_seen(sequence, windows)
    sum_, true = read_sum(trace(network, sequence, windows), name), Explicit(network, sequence, name, first, t)
    assert (sum_.loss, sum_.first) == (t, first)
    for k in range(first, t + 1):
        P = true.product[k]
        assert sum_.through[k] == pytest.approx(np.linalg.norm(true.sent @ P), rel=1e-9, abs=1e-12 * true.scale)
        assert sum_.product[k] == pytest.approx(np.linalg.norm(P, 2), rel=1e-9, abs=1e-14)
        assert sum_.immediate[k] == pytest.approx(np.linalg.norm(true.immediate[k]), rel=1e-9)
        assert sum_.term[k] == pytest.approx(np.linalg.norm(true.term[k]), rel=1e-9, abs=1e-12 * true.scale)
        assert sum_.through[k] <= sum_.sent * sum_.product[k] * (1 + 1e-9) + 1e-12 * true.scale
        assert sum_.term[k] <= sum_.through[k] * sum_.immediate[k] * (1 + 1e-9) + 1e-12 * true.scale


@settings(max_examples=150)
@given(sums())
def test_the_rows_add_up_to_the_gradient_of_their_loss(made):
    network, sequence, windows, name = made
    t, first = last_seen(sequence, windows)
    made = trace(network, sequence, windows)
    sum_, true = read_sum(made, name), Explicit(network, sequence, name, first, t)
    alone = gradient_of(name, backward(network, sequence, made.forward, Windows(sequence.T, [first], [t], [t])))
    scale = true.scale + np.nansum(sum_.term)
    np.testing.assert_allclose(sum_.gradient.ravel(), alone.ravel(), rtol=0, atol=1e-12 * scale)
    np.testing.assert_allclose(sum_.gradient.ravel(), sum(true.term.values()), rtol=0, atol=1e-12 * scale)
    assert sum_.size == pytest.approx(np.linalg.norm(alone), rel=1e-9, abs=1e-12 * scale)


@settings(max_examples=150)
@given(sums())
def test_a_total_derivative_in_place_of_the_immediate_one_counts_every_term_once_for_each_later_step(made):
    network, sequence, windows, name = made
    t, first = last_seen(sequence, windows)
    sum_, true = read_sum(trace(network, sequence, windows), name), Explicit(network, sequence, name, first, t)
    np.testing.assert_allclose(sum_.total.ravel(), true.again, rtol=0, atol=1e-11 * true.scale)
    assert sum_.total_size == pytest.approx(np.linalg.norm(true.again), rel=1e-9, abs=1e-11 * true.scale)
    right = sum(true.term.values())
    if np.linalg.norm(right) > 1e-6 * true.scale:
        size = np.linalg.norm(right)
        cosine = np.clip(true.again @ right / (size * (np.linalg.norm(true.again) or 1.0)), -1.0, 1.0)
        assert sum_.over.ratio[0] == pytest.approx(np.linalg.norm(true.again) / size, rel=1e-6, abs=1e-6)
        assert sum_.over.error[0] == pytest.approx(np.linalg.norm(true.again - right) / size, rel=1e-6, abs=1e-6)
        if np.linalg.norm(true.again) > 1e-6 * true.scale:
            assert np.cos(np.radians(sum_.over.angle[0])) == pytest.approx(cosine, abs=1e-6)


@settings(max_examples=80)
@given(sums())
def test_only_the_steps_that_the_pass_of_the_loss_reaches_have_a_term(made):
    network, sequence, windows, name = made
    t, first = last_seen(sequence, windows)
    sum_ = read_sum(trace(network, sequence, windows), name)
    inside = [first <= k <= t for k in range(sequence.T)]
    assert sum_.kept.tolist() == inside
    assert sum_.counts.tolist() == [t - k + 1 if there else 0 for k, there in enumerate(inside)]
    for rows in (sum_.through, sum_.product, sum_.immediate, sum_.right, sum_.term):
        assert np.isfinite(rows).tolist() == inside
        assert not rows.flags.writeable


def scalar(T, w, cell="linear", **options):
    """A single unit that reads 1 at every step, starts from 1 and is scored at the last step, or where options say."""
    layer = Layer(np.ones((1, 1)), np.full((1, 1), w), cell=cell, h_0=np.ones(1))
    return Network([layer]), Sequence(np.ones((T, 1)), np.full((T, 1), -1.0), **options)


def test_a_linear_unit_has_powers_of_its_weight_for_products_and_an_over_count_in_closed_form():
    T, w = 5, -0.5
    sum_ = read_sum(trace(*scalar(T, w)), "W_S1")
    powers = np.array([w ** (T - 1 - k) for k in range(T)])
    np.testing.assert_allclose(sum_.product, np.abs(powers), rtol=1e-13)
    np.testing.assert_allclose(sum_.through, sum_.sent * np.abs(powers), rtol=1e-13)
    np.testing.assert_allclose(sum_.immediate, 1.0, rtol=1e-13)
    again = powers @ np.arange(T, 0, -1)
    assert sum_.over.ratio[0] == pytest.approx(abs(again / powers.sum()), rel=1e-12)


def test_counting_terms_again_can_turn_the_sign_of_a_gradient():
    sum_ = read_sum(trace(*scalar(2, -0.75)), "W_S1")  # 1 - 0.75 as it stands, 1 - 2 * 0.75 over-counted
    assert sum_.over.ratio[0] == pytest.approx(2.0)
    assert sum_.over.angle[0] == pytest.approx(180.0)


def test_with_several_losses_the_sum_is_that_of_the_last_one_that_is_seen():
    network, sequence = scalar(6, 0.9, scored=np.array([True, False, True, False, True, False]))
    every = read_sum(trace(network, sequence), "W_T1")
    assert (every.loss, every.losses, every.first) == (4, 3, 0)
    assert every.whole == pytest.approx(np.abs(trace(network, sequence).backward.dW_T[0][0, 0]))
    assert every.whole != pytest.approx(every.size)
    cut = read_sum(trace(network, sequence, truncated(6, 2, 3)), "W_T1")
    assert (cut.loss, cut.losses, cut.first) == (4, 2, 4)


def test_where_old_losses_enter_again_the_loss_is_taken_once_by_the_pass_that_reaches_furthest_back():
    network, sequence = scalar(6, 0.9, scored=np.arange(6) == 3)
    again = read_sum(trace(network, sequence, truncated(6, 4, 1, again=True)), "W_T1")
    once = read_sum(trace(network, sequence, truncated(6, 4, 1)), "W_T1")
    assert (again.first, again.loss) == (once.first, once.loss) == (0, 3)
    np.testing.assert_array_equal(again.gradient, once.gradient)


def test_the_weight_from_time_has_a_structural_zero_at_the_first_step_and_no_other_weight_has():
    made = run(Experiment(task="sine", T=6, bias=0.1))
    assert [k for k, right in enumerate(read_sum(made, "W_T1").right) if right == 0] == [0]
    assert read_sum(made, "W_T1").immediate[0] == read_sum(made, "W_T1").term[0] == 0
    assert (read_sum(made, "b1").right == 1).all()


# Far from 1.


@pytest.mark.parametrize("w", [0.25, 4.0])
def test_a_product_is_right_next_to_the_ends_of_the_float_range_and_0_or_infinite_beyond(w):
    back = np.arange(699, -1, -1)
    network, sequence = scalar(700, w)
    if w > 1:  # a state that grows so far would overflow first
        network = Network([Layer(np.zeros((1, 1)), np.full((1, 1), w), cell="linear")])
    sum_ = read_sum(trace(network, sequence), "b1")
    with np.errstate(over="ignore", under="ignore"):
        np.testing.assert_array_equal(sum_.product, w ** back.astype(float))


def test_derivatives_within_a_step_are_right_where_their_squares_leave_the_float_range():
    layers = [Layer(np.full((1, 1), w), np.zeros((1, 1)), cell="linear") for w in (1.0, 1e-170, 1e-100)]
    sequence = Sequence(np.ones((2, 1)), np.ones((2, 1)))
    two = read_sum(trace(Network([*layers[:2]]), sequence), "b1")
    assert two.immediate[1] == pytest.approx(1.0)
    made = immediate.between(np.full((1, 1), 1e-200), np.full((1, 1), 1e-100), np.full((1, 1), 1e200))
    assert made[0] == pytest.approx(1e-100)
    assert immediate.between(np.zeros((1, 2)), np.ones((2, 2)), np.ones((1, 2)))[0] == 0


# What it costs.


def test_a_stack_too_large_for_products_still_has_all_other_sizes():
    large, small = (read_sum(run(Experiment(layers=widths, T=5)), "W_T2") for widths in ("33, 32", "32, 32"))
    assert large.product is None
    assert small.product is not None
    assert np.isfinite(large.through).all()
    assert np.isfinite(large.immediate).all()


def test_many_wide_layers_above_leave_the_immediate_derivative_out_and_nothing_else():
    made = run(Experiment(layers="300, 300, 300", T=8))
    assert read_sum(made, "W_T1").immediate is None
    assert np.isfinite(read_sum(made, "W_T1").term).all()
    assert read_sum(made, "W_T2").immediate is not None
    assert read_sum(made, "W_T3").immediate is not None


@given(st.integers(0, 9999), st.sampled_from(("", "static")))
def test_one_layer_above_gives_the_same_with_a_matrix_formed_for_every_step_and_without(seed, static):
    made = run(Experiment(layers=f"5, 3 relu {static}", T=7, seed=seed, task="noise"))
    slopes, W = made.backward.slopes, made.network.layers[1].W_S
    formed = [np.linalg.norm(np.vstack([np.diag(s), u[:, None] * W * s])) for s, u in zip(*slopes, strict=True)]
    np.testing.assert_allclose(immediate.within_step(made.network, slopes, 0, 0, 6), formed, rtol=1e-12)


def test_long_work_can_be_stopped():
    calls = []
    read_sum(run(Experiment(T=200)), "W_T1", checkpoint=lambda: calls.append(None))
    assert len(calls) > 200


# Where there is no such sum.


def test_what_does_not_exist_is_refused_in_a_plain_sentence():
    made = run(Experiment(layers="4, 4 static", T=5))
    unseen = trace(*scalar(6, 0.9, scored=np.arange(6) == 0), truncated(6, 2, 6))
    overflowing = Network([Layer(np.ones((1, 1)), np.full((1, 1), 1e200), cell="linear")])
    network, sequence = scalar(4, 0.9)
    many = trace(network, replace(sequence, x=np.ones((3, 4, 1)), target=np.zeros((3, 4, 1))))
    for run_, name, said in (
        (made, "W_out", "W_out acts after the state, so its gradient needs no sum over earlier steps."),
        (made, "b_out", "b_out acts after the state, so its gradient needs no sum over earlier steps."),
        (made, "W_T2", "Layer 2 is not recurrent; it has no W_T."),
        (made, "W_T3", "The parameter is 'W_T3'; it must be one of W_S1, W_T1, b1, W_S2, b2."),
        (trace(overflowing, sequence), "W_T1", "The state of layer 1 overflows at step 3; there is no gradient."),
        (unseen, "W_T1", "No backward pass sees a loss, so the sum has no term."),
        (many, "W_T1", "This is a batch; the sum is shown for one network and one sequence."),
    ):
        assert problem(run_, name) == said
        with pytest.raises(ValueError) as refused:
            read_sum(run_, name)
        assert str(refused.value) == said
    assert problem(made, "W_T1") is None


def test_a_cell_with_gates_is_refused_because_this_sum_is_not_its_own(monkeypatch):
    made = run(Experiment(T=5))
    monkeypatch.setitem(CELLS, "tanh", replace(CELLS["tanh"], gates=4, states=2))
    with pytest.raises(ValueError, match=r"^Layer 1 is tanh; this sum is that of cells without gates\.$"):
        read_sum(made, "W_T1")


# The picture.


class Plain(Sheet):
    """A figure that holds nothing but the sum."""

    def __init__(self, T, theme="light", width=1068, page=False, height=HEIGHT):
        super().__init__(theme, width, page)
        self.columns, self.height = columns(T, self.plot), height

    def at(self, step):
        first, last = self.columns.span
        return LEFT + self.plot * (step - first) / (last - first)


def drawn(sum_, **options):
    """(sheet, the axis settings, {name of a trace: trace})."""
    b = Plain(sum_.T, **options)
    axes = draw_sum(b, sum_, 0, b.height)
    return b, axes, {trace["name"]: trace for trace in b.traces}


def said(b):
    return " ".join(text["text"] for text in b.texts)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("page", [True, False])
def test_every_step_has_a_dot_of_each_kind_at_its_size(theme, page):
    sum_ = read_sum(run(Experiment(task="sine", T=12, bias=0.1)), "W_T1")
    b, axes, found = drawn(sum_, theme=theme, page=page)
    immediate_name = "immediate derivative ∂<sup>+</sup><i>h</i><sub>k</sub>/∂<i>W</i>"
    for name, values, ink in (("product of Jacobians", sum_.product, b.theme.time), ("whole term", sum_.term, b.theme.ink),
                              (immediate_name, sum_.immediate, b.theme.third)):
        steps = [k for k, value in enumerate(values) if value > 0]
        assert found[name]["x"].tolist() == [k + 1 for k in steps]
        np.testing.assert_allclose(found[name]["y"], np.log10(values[steps]), rtol=1e-5, atol=1e-5)
        assert found[name]["marker"]["line"]["color"] == ink
        assert set(found[name]["marker"]["symbol"]) == {"circle"}
        low, high = axes["yaxis9"]["range"]
        assert ((low < found[name]["y"]) & (found[name]["y"] < high)).all()
    assert found["exactly 0"]["x"].tolist() == [1]
    top, bottom = (HEIGHT * (1 - place) for place in reversed(axes["yaxis9"]["domain"]))
    assert (top, bottom) == pytest.approx((HEAD, HEIGHT - FOOT))


def test_the_words_hold_the_ratio_and_the_angle_of_the_over_count():
    sum_ = read_sum(run(Experiment()), "W_T1")
    assert (round(sum_.over.ratio[0], 1), round(sum_.over.angle[0])) == (3.5, 28)
    for width in (1068, 400):
        words = said(drawn(sum_, width=width)[0])
        assert "<i>t</i> − <i>k</i> + 1 times: the gradient would be <b>3.51 times its size, 28° off</b>." in words


@pytest.mark.parametrize(("T", "w", "words"), [
    (2, -0.75, "2.00 times its size, of the wrong sign"), (2, 0.5, "1.33 times its size, of the right sign"),
    (2, -0.6, "0.50 times its size, of the wrong sign"), (1, 0.5, "There is one term")])
def test_the_words_of_a_single_weight_tell_its_sign(T, w, words):
    assert words in said(drawn(read_sum(trace(*scalar(T, w)), "W_S1"))[0])


def test_what_is_thrown_away_has_no_dot_and_a_grey_ground():
    made = run(Experiment(T=30, score="every step", cut=True, tau_max=8, tau_b=30))
    b, _, found = drawn(read_sum(made, "W_T1"))
    assert min(found["whole term"]["x"]) == 23
    assert "thrown away" in said(b)
    assert "keeps 8 of 30 steps" in said(b)
    assert len(b.shapes) == 2
    assert "thrown away" not in said(drawn(read_sum(run(Experiment(T=30)), "W_T1"))[0])


def test_a_large_stack_shows_what_arrives_of_the_loss_in_place_of_the_product():
    sum_ = read_sum(run(Experiment(layers="40, 40", T=20)), "W_T2")
    _, _, found = drawn(sum_)
    np.testing.assert_allclose(found["what arrives of the loss, over what it sends in"]["y"],
                               np.log10(sum_.through / sum_.sent), rtol=1e-5, atol=1e-5)
    assert "product of Jacobians" not in found


def test_what_lies_sixteen_decades_down_is_a_triangle_at_the_edge_of_the_axis():
    sum_ = read_sum(run(Experiment(task="sine", depth=1, g=0.1, T=60)), "W_S1")
    _, axes, found = drawn(sum_)
    term = found["whole term"]
    assert term["marker"]["symbol"][0] == "triangle-down"
    assert term["marker"]["symbol"][-1] == "circle"
    assert term["y"].min() >= axes["yaxis9"]["range"][0]


@pytest.mark.parametrize("page", [True, False])
def test_ten_thousand_steps_make_at_most_four_hundred_dots_a_kind(page):
    sum_ = read_sum(run(Experiment(depth=1, width=3, g=1.0, T=10_000, score="chosen steps", steps="9990")), "W_T1")
    _, _, found = drawn(sum_, page=page)
    assert max(len(trace["x"]) for trace in found.values()) <= 400
    last = found["product of Jacobians"]
    with np.errstate(divide="ignore"):
        assert last["y"][-1] == pytest.approx(np.median(np.log10(sum_.product[9975:9990])), abs=1e-5)
    assert "median of 25 steps; the last of them:<br>step 9990, <i>t</i> − <i>k</i> = 0" in last["text"][-1]


def test_a_dot_tells_all_numbers_of_its_step():
    sum_ = read_sum(trace(*scalar(3, 0.5)), "W_T1")
    assert drawn(sum_)[2]["whole term"]["text"][0] == (
        "step 1, <i>t</i> − <i>k</i> = 2<br>product: 0.25<br>arrives of the loss: 0.72 of 2.88<br>"
        "immediate derivative: 1.00<br>term: 0.72, over-counted 3 ×")


def test_a_loss_that_sends_nothing_is_drawn_without_a_number_that_is_not_one():
    network, sequence = scalar(3, 1.0)
    exact = replace(sequence, target=np.array([[2.0], [3.0], [4.0]]))
    b, axes, found = drawn(read_sum(trace(network, exact), "W_T1"))
    assert "for every term is 0" in said(b)
    assert "nan" not in said(b)
    assert np.isfinite(axes["yaxis9"]["range"]).all()
    assert set(found["whole term"]["marker"]["symbol"]) == {"triangle-down"}


def test_plotly_takes_the_figure():
    import plotly.graph_objects as go

    b, axes, _ = drawn(read_sum(run(Experiment(T=30, cut=True, tau_max=8)), "W_T1"))
    figure = go.Figure(dict(data=b.traces, layout=dict(shapes=b.shapes, **axes)))
    assert figure.layout.yaxis9.range == tuple(axes["yaxis9"]["range"])
