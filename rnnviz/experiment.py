"""An experiment: every control, declared once, and the run that follows from it.

A field of Experiment is a control: its default, its range or choices, its label and help. The widget, the link,
the range check, the examples and the random tests all follow from the declaration. Scalars, names and short texts, and
beside them the two values a person may bring: weights and a table. All of it can be compared, written down and put in a link.
"""

from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from .bptt import Backward, Forward, backward, forward, nothing
from .cells import CELLS
from .floats import FLOATS
from .landscape import METHODS, SURFACES
from .network import INITS, Network, draw
from .own import MAX_DEPTH, Table, Weights
from .tasks import AIMS, LOSSES, SCALINGS, TASKS, Sequence, sequence, table_sequence, target_problem
from .texts import (
    MAX_T,
    MAX_WIDTH,
    parse_axis,
    parse_dial,
    parse_hand,
    parse_held,
    parse_layers,
    parse_ranges,
    parse_start,
    parse_steps,
    parse_weight,
)
from .values import shape_text, shown
from .windows import Windows, full, truncated

BUDGET = 300_000_000  # multiply-adds: see cost
MOST_LONG = 1_000_000  # steps of a long run
BY_HAND, TABLE = "by hand", "table"
VIEWS = ("flow", "rate", "truncation", "routes", "wall", "map")
THIS = "this network"  # the surface of the network on the controls


def whole(default, low, high, label, help="", group="", picture=True):
    return field(default=default, metadata=dict(
        kind="whole", low=low, high=high, label=label, help=help, group=group, picture=picture))


def real(default, low, high, step, label, help="", group="", picture=True):
    return field(default=default, metadata=dict(
        kind="real", low=low, high=high, step=step, label=label, help=help, group=group, picture=picture))


def choice(default, choices, label, help="", group="", picture=True):
    return field(default=default, metadata=dict(
        kind="choice", choices=tuple(choices), label=label, help=help, group=group, picture=picture))


def switch(default, label, help="", group="", picture=True):
    return field(default=default, metadata=dict(kind="switch", label=label, help=help, group=group, picture=picture))


def words(default, longest, label, help="", group="", picture=True, parse=None):
    return field(default=default, metadata=dict(
        kind="text", longest=longest, label=label, help=help, group=group, picture=picture, parse=parse))


def own(default, label, help):
    return field(default=default, metadata=dict(kind="own", label=label, help=help, group="Own", picture=True))


@dataclass(frozen=True)
class Experiment:
    """Every setting of one picture. Raises ValueError (one sentence a field) on a value outside its range.

    Fields marked picture=False only choose what is read off the run, not the run itself.
    """

    cell: str = choice("tanh", CELLS, "Cell", "What each unit does with its input.", "Network")
    depth: int = whole(3, 1, MAX_DEPTH, "Layers", "How many layers stand on top of each other.", "Network")
    width: int = whole(16, 1, MAX_WIDTH, "Width", "Units in every layer.", "Network")
    layers: str = words("", 200, "Layer list",
                        'From the input upwards, such as "16, 16 relu, 8 static": a width, then a cell if it differs, '
                        'then "static" for a layer without recurrence. Empty: the fields above.', "Network",
                        parse=lambda text: parse_layers(text, "tanh"))
    readout: str = choice("linear", ("linear", "none"), "Readout",
                          "linear: y = W_out h + b_out; none: y is the top layer's state.", "Network")
    g: float = real(0.8, 0.0, 3.0, 0.01, "Recurrent scale g", "Multiplies every recurrent matrix W_T.", "Weights")
    input_scale: float = real(1.0, 0.0, 6.0, 0.05, "Input scale", "Multiplies every matrix W_S between layers.", "Weights")
    bias: float = real(0.0, -3.0, 3.0, 0.05, "Bias", "The bias b of every unit.", "Weights")
    init: str = choice("orthogonal", (*INITS, BY_HAND), "Start from", "How W_T is drawn before g scales it.", "Weights")
    seed: int = whole(1066, 0, 9999, "Seed", "The same seed draws the same picture.", "Weights")
    hand: str = words("", 400, "Weights by hand",
                      'One group a layer, from the input upwards: "W_S W_T b", groups separated by commas.', "Weights",
                      parse=parse_hand)
    T: int = whole(30, 1, MAX_T, "Steps T", "Length of the sequence.", "Sequence")
    long: int = whole(0, 0, MOST_LONG, "Long run", f"Steps of a run in segments, up to {MOST_LONG:,}; empty for none. Flow "
                      "then shows what is left of its gradient, many steps in a column.", "Sequence", picture=False)
    score: str = choice("last step", ("last step", "every step", "chosen steps"), "Loss",
                        "The steps whose output is scored.", "Sequence")
    steps: str = words("", 200, "Chosen steps", 'Such as "5, 10-12, 30".', "Sequence", parse=lambda text: parse_steps(text, 1))
    task: str = choice("counting ones", (*TASKS, TABLE), "Input", "What the network reads, and what it should answer.",
                       "Sequence")
    text: str = words("hello world ", 200, "Text", "Read character by character; the target is the next character.", "Sequence")
    inputs: int = whole(1, 1, MAX_WIDTH, "Inputs", "How many numbers noise has at each step.", "Sequence")
    outputs: int = whole(1, 1, MAX_WIDTH, "Outputs", "How many outputs are to be 0.", "Sequence")
    columns: str = words("", 400, "Input columns", 'Such as "1, 3-4". Empty: all of the table\'s, less the target.', "Sequence",
                         parse=lambda text: parse_ranges(text, MAX_WIDTH, "a column"))
    aim: str = choice("next value", AIMS, "Target",
                      "What the network should answer at each row: the inputs' next row, a column of the same row, or 0.",
                      "Sequence")
    target_column: int = whole(1, 1, MAX_WIDTH, "Target column", "The column to answer, counted from 1.", "Sequence")
    scaling: str = choice("mean 0, deviation 1", SCALINGS, "Normalisation",
                          "What is done to each column, inputs and target alike, over all its rows.", "Sequence")
    loss: str = choice("usual", ("usual", *LOSSES), "Error measure",
                       "half squared: ½‖y−target‖²; squared: ‖y−target‖²; cross-entropy with sigmoid or softmax outputs.",
                       "Sequence")
    cut: bool = switch(False, "Cut the backward pass", "Truncated backpropagation through time.", "Truncation")
    tau_max: int = whole(8, 1, MAX_T, "τ_max",
                         "Columns each pass keeps, the loss's own included; T or more is all the way.", "Truncation")
    tau_b: int = whole(200, 1, MAX_T, "τ_b",
                       "A pass starts every τ_b steps, and at the last; T or more is one pass at the end.", "Truncation")
    quantity: str = choice("delta", ("delta", "grad_h"), "δ means", "∂C/∂z, or ∂C/∂h: they differ by φ′(z).", "Reading",
                           picture=False)
    precision: str = choice("float64", FLOATS, "Float", "The format that training would use: what it would lose is marked.",
                            "Reading", picture=False)
    notation: str = choice("house", ("house", "derivation", "space/time", "U, V, W"), "Notation",
                           "This program's letters, or those of one of three texts.", "Reading", picture=False)
    layer: int = whole(0, 0, MAX_DEPTH, "Outlined layer", "0 lets the page choose.", "Reading", picture=False)
    step: int = whole(0, 0, MAX_T, "Outlined step", "0 lets the page choose.", "Reading", picture=False)
    open: int = whole(0, 0, MAX_DEPTH, "Open layer", "Shows a layer neuron by neuron; 0 shows all layers.", "Reading",
                      picture=False)
    decades: int = choice(0, (0, 2, 4, 8, 16, 32), "Colour range", "Decades on each side of 1; 0 follows the data.",
                          "Reading", picture=False)
    view: str = choice("flow", VIEWS, "View", "What is shown of the run.", "Stage", picture=False)
    weight: str = words("", 8, "Gradient of",
                        "The parameter whose gradient is taken apart, such as W_T1; empty: the first W_T.", "Reading",
                        picture=False, parse=parse_weight)
    per: str = choice("step", ("step", "lag"), "Terms by", "What the terms of a gradient are sorted by.", "Reading",
                      picture=False)
    again: bool = switch(False, "Old losses again",
                         "The common misreading of truncation: every pass injects the losses of all its columns, also those "
                         "that an earlier pass has carried.", "Reading", picture=False)
    route: int = whole(0, 0, 6, "Route", "Which of the listed routes is drawn as arrows; 0 is the largest.", "Reading",
                       picture=False)
    surface: str = choice("one unit", (*SURFACES, THIS), "Surface", "Whose loss is shown over two weights.", "Wall",
                          picture=False)
    shade: str = choice("loss", ("loss", "gradient"), "Shade", "What is shaded: the loss, or the size of its gradient.",
                        "Reading", picture=False)
    start: str = words("", 60, "Start", 'Where both descents begin: two numbers such as "4.9 -2.2", or a click on the surface. '
                                        "Empty: the surface's own.", "Wall", picture=False, parse=parse_start)
    learning_rate: float = real(0.0, 0.0, 100.0, 0.05, "Learning rate", "0: the surface's own.", "Wall", picture=False)
    method: str = choice("", ("", *METHODS), "Second way", "What the second descent does: clip its gradient by norm or by "
                         "value, or go by signs alone. Empty: the surface's own.", "Wall", picture=False)
    clip: float = real(0.0, 0.0, 1000.0, 0.05, "Clip at", "The limit of a clipped gradient; 0: the surface's own.", "Wall",
                       picture=False)
    descents: int = whole(0, 0, 1000, "Steps down", "0: the surface's own.", "Wall", picture=False)
    axis_x: str = words("", 16, "Weight across", 'Of this network: a name and its place, such as "W_T1 1 1". Empty: the first.',
                        "Wall", picture=False, parse=parse_axis)
    axis_y: str = words("", 16, "Weight up", 'Such as "b1 1". Empty: a bias of the same layer.', "Wall", picture=False,
                        parse=parse_axis)
    span: float = real(1.0, 0.01, 20.0, 0.1, "Span", "How far the frame goes on each side of the two weights as they are.",
                       "Wall", picture=False)
    walk: str = choice("", ("", "by step", "by layer", "by diagonal"), "Step through",
                       "The order in which the backward pass is shown cell by cell; empty: all at once.", "Stage",
                       picture=False)
    visit: int = whole(0, 0, 10_000, "Cells stepped through", "How far the walk has come.", "Stage", picture=False)
    lecture: str = choice("", ("", "1", "dark"), "Lecture mode", "1: light, for a lit room; dark: for a darkened one.", "Stage",
                          picture=False)
    dial: str = words("", 13, "Dial", "The number that lecture mode turns; empty: the first there is.", "Stage", picture=False,
                      parse=parse_dial)
    held: str = words("", 6000, "Held curve", "The link of the picture whose curve stays, after a question mark.", "Stage",
                      picture=False, parse=parse_held)
    weights: Weights = own(Weights(), "Weights", "Matrices, edited or read from a file, in place of drawn ones.")
    table: Table = own(Table(), "Table", "Rows of numbers, read from a file or pasted.")

    def __post_init__(self):
        problems = [problem for name, control in CONTROLS.items()
                    if (value := getattr(self, name)) is not control["default"] and (problem := value_problem(name, value))]
        if problems:
            raise ValueError("; ".join(problems))

    @property
    def recipe(self):
        """This experiment with all reading fields at their defaults: what decides the run."""
        return replace(self, **{name: c["default"] for name, c in CONTROLS.items() if not c["picture"]})

    @property
    def stack(self):
        """One (width, cell, recurrent) a layer, from the input upwards."""
        return parse_layers(self.layers, self.cell) if self.layers else ((self.width, self.cell, True),) * self.depth

    @property
    def scored(self):
        """(T,) bool."""
        t = np.arange(self.T)
        if self.score == "last step":
            return t == self.T - 1
        return np.ones(self.T, bool) if self.score == "every step" else parse_steps(self.steps, self.T)

    @property
    def windows(self):
        return truncated(self.T, self.tau_max, self.tau_b).carrying(self.scored) if self.cut else full(self.T)

    @property
    def shown_view(self):
        """The view asked for; stepping through the backward pass is Flow's, and a long run, "long", takes Flow's place."""
        if self.walk:
            return "flow"
        return "long" if self.view == "flow" and self.long else self.view

    @property
    def loss_name(self):
        if self.loss != "usual":
            return self.loss
        return "half squared" if self.task == TABLE else TASKS[self.task].losses[0]


CONTROLS = MappingProxyType({
    f.name: MappingProxyType({**f.metadata, "default": f.default}) for f in fields(Experiment)
})
ON_WALL = tuple(name for name, control in CONTROLS.items() if control["group"] == "Wall")  # which surface, and the descents


@dataclass(frozen=True, eq=False)
class Run:
    """Everything a figure may ask for. backward is None if a state overflowed, experiment if the network came by itself."""

    network: Network
    sequence: Sequence
    windows: Windows
    forward: Forward
    backward: Backward | None
    experiment: Experiment | None = None


def run(experiment, checkpoint=nothing):
    """The Run of an experiment: the same one for the same experiment. backward is None if a state overflowed.

    Raises ValueError with the sentence of `problem` where the fields do not go together.
    """
    found = problem(experiment)
    if found:
        raise ValueError(found)
    seq = make_sequence(experiment)
    network = make_network(experiment, checkpoint)
    return replace(trace(network, seq, experiment.windows, checkpoint), experiment=experiment)


def trace(network, seq, windows=None, checkpoint=nothing):
    """The Run of any Network over any Sequence, under a schedule (one full pass unless given).

    Raises ValueError where their shapes do not fit.
    """
    windows = full(seq.T) if windows is None else windows
    there = forward(network, seq, checkpoint)
    back = None if there.overflow else backward(network, seq, there, windows, checkpoint=checkpoint)
    return Run(network, seq, windows, there, back)


def make_sequence(experiment):
    e = experiment
    if e.task == TABLE:
        return table_sequence(e.table.numbers, e.T, columns=input_columns(e), aim=e.aim, target=e.target_column - 1,
                              outputs=e.outputs, scaling=e.scaling, scored=e.scored, loss=e.loss_name)
    return sequence(e.task, e.T, scored=e.scored, loss=e.loss_name, text=e.text, seed=e.seed, inputs=e.inputs,
                    outputs=e.outputs)


def make_network(experiment, checkpoint=nothing):
    e = experiment
    n_in, n_out = ends(e)
    by_hand = e.init == BY_HAND
    return draw(e.stack, n_in, n_out if e.readout == "linear" else None, init="orthogonal" if by_hand else e.init, g=e.g,
                input_scale=e.input_scale, bias=e.bias, seed=e.seed, checkpoint=checkpoint,
                given={**(hand_matrices(e, n_in) if by_hand else {}), **e.weights.arrays})


def hand_matrices(experiment, n_in):
    """The matrices, by name, that the weights by hand stand for: each number fills its matrix."""
    made, below = {}, n_in
    for l, ((n, _, _), (w_S, w_T, b)) in enumerate(zip(experiment.stack, hand_weights(experiment), strict=True), start=1):
        made |= {f"W_S{l}": np.full((n, below), w_S), f"W_T{l}": np.full((n, n), w_T), f"b{l}": np.full(n, b)}
        below = n
    return made


# Fields that must go together.


def problem(experiment):
    """Why these fields do not go together, in one plain sentence, or None. Costs no run."""
    e = experiment
    stack = e.stack
    if e.init == BY_HAND and any(n > 1 for n, _, _ in stack):
        return "By hand needs width 1 in every layer; for wider ones start from another, and turn on Edit weights."
    if e.task == TABLE:
        found = table_problem(e)
        if found:
            return found
    elif "text" in TASKS[e.task].uses and not e.text:
        return "Text is empty; it must hold at least one character."
    if e.score == "chosen steps" and not e.scored.any():
        return f"Chosen steps is {shown(e.steps)}; it must name at least one step from 1 to {e.T}."
    n_in, n_out = ends(e)
    if e.readout == "none" and stack[-1][0] != n_out:
        return f"Without a readout the top layer must be as wide as the target, {n_out}; it is {stack[-1][0]}."
    wrong = misfits(e)
    if wrong:
        return f"Weights: {'; '.join(list(wrong.values())[:3])}{f'; and {len(wrong) - 3} more' if len(wrong) > 3 else ''}."
    work = cost(e)
    if work > BUDGET:
        fits = longest(e)
        return (f"This needs {work / 1e6:,.0f} million multiply-adds; the limit is {BUDGET / 1e6:,.0f} million. "
                + (f"T = {fits} would fit." if fits else "A smaller width would fit."))
    if e.loss != "usual" and (e.task == TABLE or e.loss not in TASKS[e.task].losses):
        found = target_problem(e.loss, make_sequence(replace(e, loss="usual")).target)
        if found:
            return found[0].upper() + found[1:] + "."
    return None


def table_problem(experiment):
    """Why the table cannot be read as these fields say, in one plain sentence, or None."""
    e = experiment
    rows, width = e.table.numbers.shape
    if not rows:
        return "Input is a table, but none is open; open a file, or choose another input."
    named = np.flatnonzero(parse_ranges(e.columns, MAX_WIDTH, "a column"))
    if named.size and named[-1] >= width:
        return f"Input columns is {shown(e.columns)}; the table has {width} column{'s' * (width > 1)}."
    if e.aim == "a column" and e.target_column > width:
        return f"Target column is {e.target_column}; the table has {width} column{'s' * (width > 1)}."
    if not input_columns(e).any():
        return "The table's only column is the target, so that no input is left; Input columns may name it too."
    most = rows_to_read(e)
    if e.T > most:
        return (f"Steps T is {e.T}; the table's {rows} rows make {most} steps." if most else
                "The table has one row; the next value needs at least two.")
    return None


def input_columns(experiment):
    """(columns of the table,) bool: those that are inputs."""
    e = experiment
    width = len(e.table.names)
    chosen = parse_ranges(e.columns, MAX_WIDTH, "a column")[:width]
    if chosen.any():
        return chosen
    return np.arange(width) != e.target_column - 1 if e.aim == "a column" else np.ones(width, bool)


def rows_to_read(experiment):
    """The steps that the table is long enough for."""
    return len(experiment.table.numbers) - (experiment.aim == "next value")


def ends(experiment):
    """(n_in, n_out): the width of inputs and of targets, without making the whole sequence."""
    e = experiment
    if e.task == TABLE:
        n_in = int(input_columns(e).sum())
        return n_in, {"next value": n_in, "a column": 1, "zero": e.outputs}[e.aim]
    return ends_of_task(e.task, e.text or " ", e.inputs, e.outputs)


@lru_cache(maxsize=64)
def ends_of_task(task, text, inputs, outputs):
    """(n_in, n_out) of a task, by making one step of it."""
    x, target = TASKS[task].make(1, np.random.default_rng(0), text=text, inputs=inputs, outputs=outputs)
    return x.shape[-1], target.shape[-1]


def shapes(experiment):
    """{name: shape} of every matrix of the experiment's network: W_S1, W_T1, b1, h1, .., W_out, b_out."""
    n_in, n_out = ends(experiment)
    made, below = {}, n_in
    for l, (n, name, recurrent) in enumerate(experiment.stack, start=1):
        rows = CELLS[name].gates * n
        made[f"W_S{l}"] = (rows, below)
        if recurrent:
            made[f"W_T{l}"] = (rows, n)
        made |= {f"b{l}": (rows,), f"h{l}": (CELLS[name].states * n,)}
        below = n
    return made | ({"W_out": (n_out, below), "b_out": (n_out,)} if experiment.readout == "linear" else {})


def misfits(experiment):
    """{name: why} of the own weights that have no place in the experiment's network."""
    if not experiment.weights:
        return {}
    wanted = shapes(experiment)
    return {name: (f"{name} is {shape_text(value.shape)}; here it must be {shape_text(wanted[name])}" if name in wanted else
                   f"{name} has no place here")
            for name, value in experiment.weights.arrays.items() if value.shape != wanted.get(name)}


def cost(experiment):
    """Multiply-adds of one product with every weight, and 20 for each unit's own arithmetic, for every column that passes
    visit, and at least for every step; and once a step 3000 for each layer and 60 for each number of the sequence."""
    e = experiment
    n_in, n_out = ends(e)
    size, below = 0, n_in
    for n, _, recurrent in e.stack:
        size += n * below + (n * n if recurrent else 0) + 20 * n
        below = n
    size += below * n_out if e.readout == "linear" else 0
    columns = max(e.T, e.windows.merged().columns()) if e.cut else e.T
    return size * columns + e.T * (3000 * len(e.stack) + 60 * (n_in + n_out))


def longest(experiment):
    """A T within the budget, the table and the experiment's own T, as large as bisection finds; 0 if none."""
    low, high = 0, min(experiment.T, rows_to_read(experiment)) if experiment.task == TABLE else experiment.T
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if cost(replace(experiment, T=middle)) <= BUDGET else (low, middle - 1)
    return low


def hand_weights(experiment):
    """One (W_S, W_T, b) a layer: those that are set, then input scale, g and bias for the layers above them."""
    given = parse_hand(experiment.hand)[:len(experiment.stack)]
    missing = len(experiment.stack) - len(given)
    return given + ((experiment.input_scale, experiment.g, experiment.bias),) * missing


# What a field may hold.


def value_problem(name, value):
    """Why a field cannot have this value, in a sentence without its full stop, or None."""
    control = CONTROLS[name]
    kind, label = control["kind"], control["label"]
    if kind == "choice":
        if value in control["choices"] and type(value) is type(control["default"]):
            return None
        return f"{label} is {shown(value)}; it must be one of {', '.join(str(one) or 'nothing' for one in control['choices'])}"
    if kind == "switch":
        return None if isinstance(value, bool) else f"{label} is {shown(value)}; it must be on or off"
    if kind == "own":
        return None if isinstance(value, type(control["default"])) else f"{label} must be a {type(control['default']).__name__}"
    if kind == "text":
        if not isinstance(value, str) or len(value) > control["longest"] or not value.isprintable():
            return f"{label} is {shown(value)}; it must be at most {control['longest']} printable characters"
        try:
            if value and control["parse"]:
                control["parse"](value)
        except ValueError as reason:
            return f"{label}: {reason}"
        return None
    low, high = control["low"], control["high"]
    sort = int if kind == "whole" else (int, float)
    if isinstance(value, bool) or not isinstance(value, sort) or not low <= value <= high:
        sort = "a whole number" if kind == "whole" else "a number"
        return f"{label} is {shown(value)}; it must be {sort} from {low} to {high}"
    return None

