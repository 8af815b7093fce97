"""An experiment: every control, declared once, and the run that follows from it.

A field of Experiment is a control: its default, its range or choices, its label and help. The widget, the link,
the range check, the examples and the random tests all follow from the declaration. Scalars, names and
short texts only, so that an experiment can be compared, written down and put in a link.
"""

import re
from collections import Counter
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from urllib.parse import parse_qsl, quote

import numpy as np

from .bptt import Backward, Forward, backward, forward, nothing
from .cells import CELLS
from .network import INITS, Layer, Network, draw
from .tasks import LOSSES, TASKS, Sequence, sequence, target_problem
from .windows import Windows, full, truncated

BUDGET = 300_000_000  # multiply-adds: T times the columns each step is visited times (all weights and 20 a unit)
LONGEST_LINK = 131_072
MAX_DEPTH, MAX_WIDTH, MAX_T = 12, 512, 10_000
BY_HAND = "by hand"


def whole(default, low, high, label, help="", group="", picture=True):
    return field(default=default, metadata=dict(
        kind="whole", low=low, high=high, label=label, help=help, group=group, picture=picture))


def real(default, low, high, step, label, help="", group=""):
    return field(default=default, metadata=dict(
        kind="real", low=low, high=high, step=step, label=label, help=help, group=group, picture=True))


def choice(default, choices, label, help="", group="", picture=True):
    return field(default=default, metadata=dict(
        kind="choice", choices=tuple(choices), label=label, help=help, group=group, picture=picture))


def switch(default, label, help="", group=""):
    return field(default=default, metadata=dict(kind="switch", label=label, help=help, group=group, picture=True))


def words(default, longest, label, help="", group=""):
    return field(default=default, metadata=dict(
        kind="text", longest=longest, label=label, help=help, group=group, picture=True))


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
                        'then "static" for a layer without recurrence. Empty: the fields above.', "Network")
    readout: str = choice("linear", ("linear", "none"), "Readout",
                          "linear: y = W_out h + b_out; none: y is the top layer's state.", "Network")
    g: float = real(0.8, 0.0, 3.0, 0.01, "Recurrent scale g", "Multiplies every recurrent matrix W_T.", "Weights")
    input_scale: float = real(1.0, 0.0, 6.0, 0.05, "Input scale", "Multiplies every matrix W_S between layers.", "Weights")
    bias: float = real(0.0, -3.0, 3.0, 0.05, "Bias", "The bias b of every unit.", "Weights")
    init: str = choice("orthogonal", (*INITS, BY_HAND), "Start from", "How W_T is drawn before g scales it.", "Weights")
    seed: int = whole(1066, 0, 9999, "Seed", "The same seed draws the same picture.", "Weights")
    hand: str = words("", 400, "Weights by hand",
                      'One group a layer, from the input upwards: "W_S W_T b", groups separated by commas.', "Weights")
    T: int = whole(30, 1, MAX_T, "Steps T", "Length of the sequence.", "Sequence")
    score: str = choice("last step", ("last step", "every step", "chosen steps"), "Loss",
                        "The steps whose output is scored.", "Sequence")
    steps: str = words("", 200, "Chosen steps", 'Such as "5, 10-12, 30".', "Sequence")
    task: str = choice("counting ones", TASKS, "Input", "What the network reads, and what it should answer.", "Sequence")
    text: str = words("hello world ", 200, "Text", "Read character by character; the target is the next character.", "Sequence")
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
    notation: str = choice("house", ("house", "derivation", "space/time", "U, V, W"), "Notation",
                           "This program's letters, or those of one of three texts.", "Reading", picture=False)
    layer: int = whole(0, 0, MAX_DEPTH, "Outlined layer", "0 lets the page choose.", "Reading", picture=False)
    step: int = whole(0, 0, MAX_T, "Outlined step", "0 lets the page choose.", "Reading", picture=False)
    open: int = whole(0, 0, MAX_DEPTH, "Open layer", "Shows a layer neuron by neuron; 0 shows all layers.", "Reading",
                      picture=False)
    decades: int = choice(0, (0, 2, 4, 8, 16, 32), "Colour range", "Decades on each side of 1; 0 follows the data.",
                          "Reading", picture=False)

    def __post_init__(self):
        problems = [problem for name in CONTROLS if (problem := value_problem(name, getattr(self, name)))]
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
    def loss_name(self):
        return TASKS[self.task].losses[0] if self.loss == "usual" else self.loss


CONTROLS = MappingProxyType({
    f.name: MappingProxyType({**f.metadata, "default": f.default}) for f in fields(Experiment)
})


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
    network = make_network(experiment, seq, checkpoint)
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
    return sequence(experiment.task, experiment.T, scored=experiment.scored, loss=experiment.loss_name,
                    text=experiment.text, seed=experiment.seed)


def make_network(experiment, seq, checkpoint=nothing):
    stack, n_in = experiment.stack, seq.x.shape[-1]
    n_out = None if experiment.readout == "none" else seq.target.shape[-1]
    if experiment.init != BY_HAND:
        return draw(stack, n_in, n_out, init=experiment.init, g=experiment.g, input_scale=experiment.input_scale,
                    bias=experiment.bias, seed=experiment.seed, checkpoint=checkpoint)
    layers, below = [], n_in
    for (n, cell, recurrent), (w_S, w_T, b) in zip(stack, hand_weights(experiment), strict=True):
        layers.append(Layer(np.full((n, below), w_S), np.full((n, n), w_T) if recurrent else None, np.full(n, b), cell))
        below = n
    drawn = draw(stack, n_in, n_out, seed=experiment.seed)
    return Network(layers, drawn.W_out, drawn.b_out)


# Fields that must go together.


def problem(experiment):
    """Why these fields do not go together, in one plain sentence, or None. Costs no run."""
    stack = experiment.stack
    if experiment.init == BY_HAND and any(n > 1 for n, _, _ in stack):
        return "By hand sets weights one by one: it needs width 1 in every layer."
    if TASKS[experiment.task].uses_text and not experiment.text:
        return "Text is empty; it must hold at least one character."
    if experiment.score == "chosen steps" and not experiment.scored.any():
        return f"Chosen steps is {shown(experiment.steps)}; it must name at least one step from 1 to {experiment.T}."
    n_in, n_out = task_width(experiment)
    if experiment.readout == "none" and stack[-1][0] != n_out:
        return f"Without a readout the top layer must be as wide as the target, {n_out}; it is {stack[-1][0]}."
    work = cost(experiment, n_in, n_out)
    if work > BUDGET:
        fits = longest(experiment)
        return (f"This needs {work / 1e6:,.0f} million multiply-adds; the limit is {BUDGET / 1e6:,.0f} million. "
                + (f"T = {fits} would fit." if fits else "A smaller width would fit."))
    if experiment.loss != "usual":
        if experiment.loss not in TASKS[experiment.task].losses:
            found = target_problem(experiment.loss, make_sequence(replace(experiment, loss="usual")).target)
            if found:
                return found[0].upper() + found[1:] + "."
    return None


def task_width(experiment):
    """(n_in, n_out) of the experiment's task, without making its whole sequence."""
    x, target = TASKS[experiment.task].make(1, np.random.default_rng(0), experiment.text)
    return x.shape[-1], target.shape[-1]


def cost(experiment, n_in, n_out):
    """Multiply-adds of one product with every weight, and 20 for each unit's own arithmetic, for every step and every
    column that passes visit there."""
    size, below = 0, n_in
    for n, _, recurrent in experiment.stack:
        size += n * below + (n * n if recurrent else 0) + 20 * n
        below = n
    size += below * n_out if experiment.readout == "linear" else 0
    return experiment.T * size * experiment.windows.merged().lanes()


def longest(experiment):
    """A T within the budget and not above the experiment's, as large as bisection finds; 0 if none."""
    widths = task_width(experiment)
    low, high = 0, experiment.T
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if cost(replace(experiment, T=middle), *widths) <= BUDGET else (low, middle - 1)
    return low


# Texts that hold several values.


def parse_layers(text, cell):
    """"16, 16 relu, 8 static" to one (width, cell, recurrent) a layer. Raises ValueError naming the part that is wrong."""
    parts = text.split(",")
    if len(parts) > MAX_DEPTH:
        raise ValueError(f"{len(parts)} layers; there may be {MAX_DEPTH}")
    stack = []
    for part in parts:
        n, *rest = part.split() or [""]
        if not re.fullmatch(r"[0-9]{1,4}", n) or not 1 <= int(n) <= MAX_WIDTH:
            raise ValueError(f'"{part.strip()[:40]}" must begin with a width from 1 to {MAX_WIDTH}')
        cells = [word for word in rest if word in CELLS]
        unknown = [word for word in rest if word not in CELLS and word != "static"]
        if unknown or len(cells) > 1 or rest.count("static") > 1:
            raise ValueError(f'"{part.strip()[:40]}" may name one cell ({", ".join(CELLS)}) and "static" after its width')
        stack.append((int(n), cells[0] if cells else cell, "static" not in rest))
    return tuple(stack)


def parse_steps(text, T):
    """"5, 10-12" to (T,) bool, steps counted from 1; steps after T are left out. Raises ValueError on anything else."""
    scored = np.zeros(T, bool)
    for part in text.split(",") if text.strip() else ():
        found = re.fullmatch(r"\s*([0-9]{1,5})\s*(?:-\s*([0-9]{1,5})\s*)?", part)
        low, high = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 1 <= low <= high <= MAX_T:
            raise ValueError(f'"{part.strip()[:40]}" must be a step from 1 to {MAX_T} or a range such as 10-12')
        scored[low - 1:high] = True
    return scored


def parse_hand(text):
    """"0.9 0.8 0, 0.7 0.8 0" to one (W_S, W_T, b) a layer. Raises ValueError naming the part that is wrong."""
    groups = []
    for part in text.split(",") if text.strip() else ():
        try:
            numbers = tuple(float(word) for word in part.split() if re.fullmatch(r"[-+0-9.eE]{1,24}", word))
        except ValueError:
            numbers = ()
        if len(numbers) != 3 or len(part.split()) != 3 or not all(abs(w) <= 100 for w in numbers):
            raise ValueError(f'"{part.strip()[:40]}" must be three numbers from -100 to 100: W_S W_T b')
        groups.append(numbers)
    if len(groups) > MAX_DEPTH:
        raise ValueError(f"{len(groups)} groups; there may be {MAX_DEPTH}")
    return tuple(groups)


def hand_weights(experiment):
    """One (W_S, W_T, b) a layer: those that are set, then input scale, g and bias for the layers above them."""
    given = parse_hand(experiment.hand)[:len(experiment.stack)]
    missing = len(experiment.stack) - len(given)
    return given + ((experiment.input_scale, experiment.g, experiment.bias),) * missing


# The one parser of everything from outside.


def value_problem(name, value):
    """Why a field cannot have this value, in a sentence without its full stop, or None."""
    control = CONTROLS[name]
    kind, label = control["kind"], control["label"]
    if kind == "choice":
        if value in control["choices"] and type(value) is type(control["default"]):
            return None
        return f"{label} is {shown(value)}; it must be one of {', '.join(map(str, control['choices']))}"
    if kind == "switch":
        return None if isinstance(value, bool) else f"{label} is {shown(value)}; it must be on or off"
    if kind == "text":
        if not isinstance(value, str) or len(value) > control["longest"] or not value.isprintable():
            return f"{label} is {shown(value)}; it must be at most {control['longest']} printable characters"
        parser = {"layers": lambda: value and parse_layers(value, "tanh"), "steps": lambda: parse_steps(value, 1),
                  "hand": lambda: parse_hand(value)}.get(name)
        try:
            if parser:
                parser()
        except ValueError as reason:
            return f"{label}: {reason}"
        return None
    low, high = control["low"], control["high"]
    sort = int if kind == "whole" else (int, float)
    if isinstance(value, bool) or not isinstance(value, sort) or not low <= value <= high:
        sort = "a whole number" if kind == "whole" else "a number"
        return f"{label} is {shown(value)}; it must be {sort} from {low} to {high}"
    return None


def shown(value):
    """A value in a message: at most 40 plain characters."""
    text = value if isinstance(value, str) else repr(value)
    text = "".join(c if c.isprintable() else "?" for c in text[:41])
    return f'"{text[:40]}…"' if len(text) > 40 else (f'"{text}"' if isinstance(value, str) else text)


def parse(name, text):
    """The value of a field from the text of a link. Raises ValueError with a sentence."""
    kind = CONTROLS[name]["kind"]
    value = text
    if kind == "switch":
        value = {"1": True, "0": False}.get(text, text)
    elif kind == "whole" and re.fullmatch(r"[-+]?[0-9]{1,12}", text):
        value = int(text)
    elif kind == "real" and re.fullmatch(r"[-+0-9.eE]{1,24}", text):
        try:
            value = float(text)
        except ValueError:
            value = text
    elif kind == "choice" and type(CONTROLS[name]["default"]) is int and re.fullmatch(r"[0-9]{1,4}", text):
        value = int(text)
    found = value_problem(name, value)
    if found:
        raise ValueError(found)
    return value


def to_link(experiment):
    """The query string of an experiment: every field that differs from its default, in order; "" for the default."""
    parts = []
    for name, control in CONTROLS.items():
        value = getattr(experiment, name)
        if value != control["default"]:
            text = str(int(value)) if control["kind"] == "switch" else str(value)
            parts.append(f"{name}={quote(text, safe=',/')}")
    return "&".join(parts)


def from_link(query):
    """(Experiment, notes) of a query string or a mapping of its values; notes says in plain sentences what was changed.

    Never raises: what cannot be read is left at its default, and settings that do not go together are mended.
    """
    given, notes, unknown = {}, [], []
    if isinstance(query, str):
        if len(query) > LONGEST_LINK:
            note = f"The link has {len(query):,} characters; it may have {LONGEST_LINK:,}. The default is shown."
            return Experiment(), (note,)
        pairs = parse_qsl(query.lstrip("?"), keep_blank_values=True)
        query = dict(pairs)
        notes += [f"The link gives {CONTROLS[name]['label']} {n} times; the last is used."
                  for name, n in Counter(name for name, _ in pairs).items() if n > 1 and name in CONTROLS]
    for name, text in query.items():
        if name not in CONTROLS:
            unknown.append(name)
            continue
        try:
            given[name] = parse(name, str(text))
        except ValueError as reason:
            notes.append(f"{reason}. The usual value is used.")
    if unknown:
        names = ", ".join(shown(name) for name in unknown[:3])
        notes.append(f"The link names {names}{' and more' if len(unknown) > 3 else ''}, which this page does not know.")
    experiment, mended = mend(Experiment(**given))
    return experiment, (*notes, *mended)


def mend(experiment):
    """(Experiment, notes): the same settings where they go together, else the nearest that do, and what was changed."""
    notes = []
    for changes in (dict(init="orthogonal"), dict(text=CONTROLS["text"]["default"]), dict(score="last step", steps=""),
                    dict(readout="linear"), None, dict(layers="", width=16), dict(loss="usual")) * 2:
        found = problem(experiment)
        if not found:
            break
        if changes is None:
            changes = dict(T=max(1, longest(experiment)))
        tried = replace(experiment, **changes)
        if _without_numbers(problem(tried)) != _without_numbers(found):
            what = ", ".join(f"{CONTROLS[name]['label']} is now {shown(value) if value != '' else 'empty'}"
                             for name, value in changes.items() if getattr(experiment, name) != value)
            notes.append(f"{found} {what}.")
            experiment = tried
    return (experiment, tuple(notes)) if not problem(experiment) else (Experiment(), (*notes, "The default is shown."))


def _without_numbers(sentence):
    """What a sentence complains of, however much: the same problem with other numbers is not solved."""
    return re.sub(r"[0-9.,]+", "", sentence or "")


EXAMPLES = MappingProxyType({
    "Vanishing": Experiment(),
    "Exploding": Experiment(cell="relu", g=1.75, init="Gaussian", seed=127),
    "Edge": Experiment(g=1.05, input_scale=0.5, task="sine", seed=91),
    "Saturated": Experiment(g=1.3, input_scale=5.0, seed=269),
    "Dead ReLU": Experiment(cell="relu", width=5, g=0.9, input_scale=1.2, bias=-0.2, seed=90),
    "Cut too early": Experiment(g=0.95, input_scale=0.5, cut=True, tau_max=8),
    "Identity start": Experiment(cell="relu", depth=1, g=1.0, input_scale=0.3, init="identity", seed=109),
    "By hand": Experiment(depth=2, width=1, init=BY_HAND, hand="0.9 0.8 0, 0.9 -0.7 0", T=6, readout="none", task="sine",
                          seed=1),
})


RECIPES = MappingProxyType({example.recipe: name for name, example in EXAMPLES.items()})


def example_of(experiment):
    """The name of the example that this experiment is, however it is read, or None."""
    return RECIPES.get(experiment.recipe)


