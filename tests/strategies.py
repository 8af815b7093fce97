"""What the tests draw at random: networks, sequences, windows, whole problems, experiments, links.

Shapes, names and kinds are drawn by Hypothesis, so that a failure shrinks to a small network; the numbers inside come
from a seed. Gains stay at 1.2 or less, so that rounding stays near the last digits and tolerances can be tight.
"""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from rnnviz.cells import CELLS
from rnnviz.experiment import CONTROLS, Experiment
from rnnviz.links import mend
from rnnviz.network import Layer, Network
from rnnviz.own import Table, Weights
from rnnviz.tasks import LOSSES, TASKS, Sequence, sequence, target_problem
from rnnviz.texts import DIALS
from rnnviz.windows import Windows, full, one_pass_per_loss, truncated

POINTWISE = tuple(CELLS)
seeds = st.integers(0, 2**32 - 1)
gains = st.sampled_from((1.0, 1.2, 0.6, 0.0))


@st.composite
def layers(draw, n_below, n=None, cells=POINTWISE, max_width=4, static=True):
    """One layer: any cell and width, recurrent or not, with or without b and h_0."""
    rng = np.random.default_rng(draw(seeds))
    n = n or draw(st.integers(1, max_width))
    cell = draw(st.sampled_from(cells))
    k, states = CELLS[cell].gates, CELLS[cell].states
    gated = (k, states) != (1, 1)
    recurrent = gated or not static or draw(st.sampled_from((True, True, False)))
    return Layer(
        rng.standard_normal((k * n, n_below)) / np.sqrt(n_below),
        draw(gains) * rng.standard_normal((k * n, n)) / np.sqrt(n) if recurrent else None,
        rng.standard_normal(k * n) if draw(st.booleans()) else None,
        cell,
        rng.standard_normal(states * n) if draw(st.booleans()) else None,
    )


@st.composite
def networks(draw, n_in=None, n_out=None, cells=POINTWISE, max_depth=3, max_width=4, static=True):
    """One to three layers of mixed widths and cells, with a readout or without; n_in and n_out where they are given."""
    rng = np.random.default_rng(draw(seeds))
    depth = draw(st.integers(1, max_depth))
    readout = draw(st.booleans())
    below, stack = n_in or draw(st.integers(1, 3)), []
    for l in range(depth):
        n = n_out if l == depth - 1 and not readout else None
        stack.append(draw(layers(below, n, cells, max_width, static)))
        below = stack[-1].n
    if not readout:
        return Network(stack)
    n_out = n_out or draw(st.integers(1, 3))
    return Network(stack, rng.standard_normal((n_out, below)) / np.sqrt(below),
                   rng.standard_normal(n_out) if draw(st.booleans()) else None)


@st.composite
def scores(draw, T):
    """(T,) bool with at least one True: the last step, every step, or any."""
    kind = draw(st.sampled_from(("any", "last", "every")))
    if kind == "last":
        return np.arange(T) == T - 1
    if kind == "every":
        return np.ones(T, bool)
    chosen = draw(st.sets(st.integers(0, T - 1), min_size=1))
    return np.isin(np.arange(T), list(chosen))


def targets(rng, T, n_out, loss):
    """(T, n_out) random targets that the loss can score."""
    made = rng.standard_normal((T, n_out))
    if loss == "softmax":
        return np.exp(made) / np.exp(made).sum(axis=-1, keepdims=True)
    return rng.integers(0, 2, (T, n_out)).astype(float) if loss == "sigmoid" else made


@st.composite
def sequences(draw, n_in, n_out, max_T=6):
    """Random inputs and targets under any loss and any scored steps."""
    rng = np.random.default_rng(draw(seeds))
    T, loss = draw(st.integers(1, max_T)), draw(st.sampled_from(tuple(LOSSES)))
    return Sequence(rng.standard_normal((T, n_in)), targets(rng, T, n_out, loss), draw(scores(T)), loss)


@st.composite
def task_sequences(draw, max_T=6):
    """A sequence of any task, under any of the losses that can score it."""
    task, T, seed = draw(st.sampled_from(tuple(TASKS))), draw(st.integers(1, max_T)), draw(st.integers(0, 9999))
    text = draw(st.text("abc", min_size=1, max_size=5))
    plain = sequence(task, T, text=text, seed=seed)
    able = [loss for loss in LOSSES if target_problem(loss, plain.target) is None]
    return sequence(task, T, scored=draw(scores(T)), loss=draw(st.sampled_from(able)), text=text, seed=seed)


@st.composite
def windows(draw, scored):
    """Any schedule over T steps: full, truncated, one pass a loss, or passes that no schedule of ours makes."""
    T = len(scored)
    kind = draw(st.sampled_from(("truncated", "full", "one a loss", "any")))
    if kind == "full":
        return full(T)
    if kind == "one a loss":
        return one_pass_per_loss(scored)
    if kind == "truncated":
        return truncated(T, draw(st.integers(1, T + 2)), draw(st.integers(1, T + 2)))
    last = sorted(draw(st.lists(st.integers(0, T - 1), min_size=1, max_size=4)))
    first, since = [], []
    for p, n in enumerate(last):
        first.append(draw(st.integers(first[-1] if p else 0, n)))
        since.append(draw(st.integers(max(first[-1], last[p - 1] + 1 if p else 0), n + 1)))
    return Windows(T, first, since, last)


@st.composite
def problems(draw, cells=POINTWISE, max_T=6, max_depth=3, max_width=4, static=True):
    """(network, sequence, windows) that fit each other: from a task, or with inputs and targets from anywhere."""
    if draw(st.booleans()):
        seq = draw(task_sequences(max_T))
        network = draw(networks(seq.x.shape[-1], seq.target.shape[-1], cells, max_depth, max_width, static))
    else:
        network = draw(networks(cells=cells, max_depth=max_depth, max_width=max_width, static=static))
        seq = draw(sequences(network.n_in, network.n_out, max_T))
    return network, seq, draw(windows(seq.scored))


# Experiments and links.

printable = st.characters(exclude_categories=("C", "Z"), include_characters=" ")
numbers_by_hand = st.floats(-2, 2).map(lambda w: f"{w:.3g}")


def layer_lists(max_depth, max_width):
    one = st.tuples(st.integers(1, max_width).map(str), st.sampled_from(("", *CELLS)), st.sampled_from(("", "static")))
    some = st.lists(one.map(lambda parts: " ".join(p for p in parts if p)), min_size=1, max_size=max_depth)
    return st.just("") | some.map(",".join).filter(lambda text: len(text) <= CONTROLS["layers"]["longest"])


def step_lists(T):
    one = st.integers(1, T).map(str) | st.tuples(st.integers(1, T), st.integers(0, T)).map(
        lambda pair: f"{pair[0]}-{min(pair[0] + pair[1], T)}")
    return st.lists(one, max_size=8).map(", ".join)


@st.composite
def weights_in_part(draw, max_depth):
    """Some matrices of a few small shapes, often none."""
    rng = np.random.default_rng(draw(seeds))
    names = [f"{kind}{l}" for l in range(1, min(max_depth, 3) + 1) for kind in ("W_S", "W_T", "b", "h")] + ["W_out", "b_out"]
    chosen = draw(st.sets(st.sampled_from(names), max_size=3)) if draw(st.booleans()) else ()
    n = draw(st.integers(1, 3))
    return Weights({name: rng.standard_normal((n, draw(st.integers(1, 3))) if name[0] == "W" else n) for name in chosen})


@st.composite
def tables(draw, max_rows=14):
    """A small table of any columns, often none."""
    names = draw(st.lists(st.text(printable, min_size=1, max_size=12), max_size=4))
    rows = draw(st.integers(1, max_rows))
    scale = draw(st.sampled_from((1.0, 1e-3, 1e6)))
    return Table(names, scale * np.random.default_rng(draw(seeds)).standard_normal((rows, len(names)))) if names else Table()


def values(name, max_T, max_depth, max_width):
    """Any value of a control, in its own range or in the smaller one given."""
    control = CONTROLS[name]
    kind = control["kind"]
    if name == "layers":
        return layer_lists(max_depth, max_width)
    if name == "steps":
        return step_lists(max_T)
    if name == "hand":
        group = st.tuples(numbers_by_hand, numbers_by_hand, numbers_by_hand).map(" ".join)
        return st.lists(group, max_size=max_depth).map(", ".join)
    if name == "columns":
        return step_lists(5)
    if name == "weight":
        return st.sampled_from(("", "W_S1", "W_T1", "b1", "W_T2", "W_out", "b_out", "W_S12"))
    if name == "long":
        return st.sampled_from((0, 0, 1, 30, 150))  # short enough that no state overflows that does not in the run itself
    if name == "start":
        return st.sampled_from(("", "1 2", "-0.5 1e3", "4.9 -2.2"))
    if name in ("axis_x", "axis_y"):
        return st.sampled_from(("", "W_T1 1 1", "W_S2 1 2", "b1 1", "W_out 1 1", "b_out 1", "W_T12 512 3"))
    if name == "dial":
        return st.sampled_from(("", *DIALS))
    if name == "held":
        return st.sampled_from(("", "?", "?g=1.25", "?cell=relu&T=9&depth=1"))
    if name == "weights":
        return weights_in_part(max_depth)
    if name == "table":
        return tables()
    if kind == "text":
        return st.text(printable, max_size=min(control["longest"], 30))
    if kind == "choice":
        return st.sampled_from(control["choices"])
    if kind == "switch":
        return st.booleans()
    if kind == "real":
        return st.floats(control["low"], control["high"])
    high = {"T": max_T, "depth": max_depth, "width": max_width}.get(name, control["high"])
    return st.integers(control["low"], high) | st.integers(control["low"], min(high, 6))


@st.composite
def raw_experiments(draw, max_T=10_000, max_depth=12, max_width=512):
    """Any setting of every control: each within its range, together perhaps impossible."""
    return Experiment(**{name: draw(values(name, max_T, max_depth, max_width)) for name in CONTROLS})


def experiments(max_T=10_000, max_depth=12, max_width=512):
    """Experiments whose fields go together."""
    return raw_experiments(max_T, max_depth, max_width).map(lambda e: mend(e)[0])


def small_experiments():
    """Experiments whose fields go together and that run in a few milliseconds."""
    return experiments(12, 3, 5).map(lambda e: mend(replace(e, T=min(e.T, 12), width=min(e.width, 5)))[0])
