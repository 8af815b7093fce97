"""The examples: experiments worth looking at, by name."""

from importlib.resources import files
from types import MappingProxyType

from .experiment import BY_HAND, Experiment
from .files import from_json

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
    "Trained": from_json(files("rnnviz").joinpath("data/trained.json").read_bytes()),  # benchmarks/train.py made it
})


RECIPES = MappingProxyType({example.recipe: name for name, example in EXAMPLES.items()})


def example_of(experiment):
    """The name of the example that this experiment is, however it is read, or None."""
    return RECIPES.get(experiment.recipe)
