"""rnnviz: where the gradient goes in a recurrent network.

    import numpy as np, rnnviz
    network = rnnviz.Network([rnnviz.Layer(W_S=np.ones((8, 1)), W_T=0.9 * np.eye(8))], W_out=np.ones((1, 8)))
    flow = rnnviz.read(rnnviz.trace(network, rnnviz.sequence("sine", T=40)))
    rnnviz.flow_figure(flow).show()

Weights and a sequence determine a trace; a trace determines a picture. The core needs NumPy alone; figures are
imported when they are asked for.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: one visitor, one core

from .accounts import Accounts, account
from .along import of_network, wall_of
from .bptt import Backward, Forward, backward, forward
from .cells import CELLS
from .examples import EXAMPLES
from .experiment import Experiment, Run, run, trace
from .files import from_json, load, to_json
from .flow import Flow, neurons, read, uncut
from .formulas import cell
from .gainmap import GainMap, sweep
from .jacobians import Rate, rates
from .landscape import SURFACES, Wall
from .links import from_link, to_link
from .network import INITS, Layer, Network, draw
from .own import Table, Weights
from .proof import prove
from .sentences import flow as flow_sentence
from .sentences import gain_map as map_sentence
from .sentences import long as long_sentence
from .sentences import rate as rate_sentence
from .sentences import routes as routes_sentence
from .sentences import sum_over_steps as sum_sentence
from .sentences import truncation as truncation_sentence
from .sentences import wall as wall_sentence
from .streams import Streamed, long_run, stream
from .tasks import LOSSES, TASKS, Sequence, sequence
from .windows import Windows, full, one_pass_per_loss, truncated

__all__ = [
    "CELLS", "EXAMPLES", "INITS", "LOSSES", "SURFACES", "TASKS", "Accounts", "Backward", "Experiment", "Flow", "Forward",
    "GainMap", "Layer", "Network", "Rate", "Run", "Sequence", "Streamed", "Table", "Wall", "Weights", "Windows", "account",
    "backward", "cell", "draw", "flow_figure", "flow_sentence", "forward", "from_json", "from_link", "full", "load",
    "long_figure", "long_run", "long_sentence", "map_figure", "map_sentence", "neurons", "of_network", "one_pass_per_loss",
    "prove", "rate_figure", "rate_sentence", "rates", "read", "routes_figure", "routes_sentence", "run", "sequence",
    "stream", "sum_sentence", "sweep", "to_json", "to_link", "trace", "truncated", "truncation_figure",
    "truncation_sentence", "uncut", "wall_figure", "wall_of", "wall_sentence",
]


def __getattr__(name):
    """The figures are imported on demand, so that the core works where Plotly is not installed."""
    if name.endswith("_figure") and name in __all__:
        from . import figures

        return getattr(figures, name)
    raise AttributeError(f"module 'rnnviz' has no attribute {name!r}")
