"""rnnviz: where the gradient goes in a recurrent network."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: one visitor, one core

from .bptt import Backward, Forward, backward, forward  # noqa: E402
from .cells import CELLS  # noqa: E402
from .experiment import EXAMPLES, Experiment, Run, from_link, run, to_link  # noqa: E402
from .flow import Flow, read  # noqa: E402
from .network import INITS, Layer, Network, draw  # noqa: E402
from .tasks import LOSSES, TASKS, Sequence, sequence  # noqa: E402
from .windows import Windows, full, truncated  # noqa: E402
