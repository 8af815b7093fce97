"""The examples: experiments worth looking at, by name; and what each view offers of them and of its own."""

from dataclasses import replace
from importlib.resources import files
from types import MappingProxyType

from .experiment import BY_HAND, ON_WALL, THIS, Experiment
from .files import from_json
from .own import Weights


def from_script(name):
    """An example too long to write here, made by benchmarks/train.py."""
    return from_json(files("rnnviz").joinpath(f"data/{name}.json").read_bytes())


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
    "Trained": from_script("trained"),
})


HOCHREITER = Experiment(cell="sigmoid", depth=1, width=1, init=BY_HAND, hand="1 3.6 -1.8", T=20, readout="none", task="impulse")
WIDE = Experiment(depth=1, width=128, init="Gaussian", input_scale=0.0, g=1.0, T=60)
LINEAR = Experiment(cell="linear", depth=1, g=1.0)
SHEAR = Experiment(cell="linear", depth=1, width=2, T=80, weights=Weights({"W_T1": [[0.9, 4.0], [0.0, 0.9]]}))

SCENES = MappingProxyType({
    "flow": EXAMPLES,
    "rate": MappingProxyType({
        "Vanishing": EXAMPLES["Vanishing"],
        "Exploding": EXAMPLES["Exploding"],
        "First grows, then fades": SHEAR,
        "Hochreiter's factor": HOCHREITER,
        "Orthogonal, linear": LINEAR,
        "Identity start": EXAMPLES["Identity start"],
    }),
    "truncation": MappingProxyType({
        "Cut too early": EXAMPLES["Cut too early"],
        "Wrong sign": replace(from_script("balancing"), weight="W_S1"),
        "Long lags gone": Experiment(g=0.5, task="delayed recall", score="every step", cut=True, tau_max=8, tau_b=1, per="lag"),
        "Chunks or sliding": Experiment(g=1.0, input_scale=0.5, T=60, task="sine", seed=5, score="every step", cut=True,
                                        tau_max=20, tau_b=20),
        "Label leak": from_script("leak"),
        "No leak": from_script("no-leak"),
    }),
    "routes": MappingProxyType({
        "Five routes": replace(EXAMPLES["By hand"], hand="0.9 0.8 0, 0.9 0.9 0", task="noise", seed=70, layer=1, step=2),
        "Nearly cancelling": replace(EXAMPLES["By hand"], task="counting ones", seed=30, layer=1, step=2),
        "By hand": replace(EXAMPLES["By hand"], layer=1, step=2),
        "A few carry most": replace(EXAMPLES["By hand"], depth=4, hand="0.3 0.5 0, 0.9 0.4 0, 0.9 1.05 0, 0.9 0.3 0",
                                    task="noise", seed=8, T=30, layer=1, step=1),
        "Any width": EXAMPLES["Vanishing"],
    }),
    "wall": MappingProxyType({
        "Pascanu's wall": Experiment(),
        "Doya's folds": Experiment(start="5 -2.5"),
        "A latch": Experiment(surface="latch"),
        "Roelants' RProp": Experiment(surface="counting"),
        "Roelants' gradient": Experiment(surface="counting", start="1 2", descents=1),
        "Your network": Experiment(surface=THIS),
    }),
    "map": MappingProxyType({
        "Vanishing": EXAMPLES["Vanishing"],
        "Critical gain": WIDE,
        "With input": replace(WIDE, task="noise", input_scale=1.0),
        "ReLU": replace(WIDE, cell="relu", input_scale=1.0),
        "Orthogonal, linear": LINEAR,
    }),
})


def mark(experiment, view):
    """What tells the examples of a view apart: the run, and of a wall which surface and descents."""
    wall = tuple(getattr(experiment, name) for name in ON_WALL) if view == "wall" else ()
    return (experiment.recipe if view != "wall" else None, *wall)


MARKS = MappingProxyType({view: MappingProxyType({mark(example, view): name for name, example in examples.items()})
                          for view, examples in SCENES.items()})


def example_of(experiment, view="flow"):
    """The name of the example of a view that this experiment is, however it is read, or None."""
    return MARKS[view].get(mark(experiment, view))


def opened(example, view, now):
    """The experiment that an example of a view stands for, where `now` is on show: a wall keeps the network of now."""
    if view == "wall":
        return replace(now, view=view, **{name: getattr(example, name) for name in ON_WALL})
    return replace(example, view=view)
