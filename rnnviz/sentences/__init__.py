"""The one sentence a view opens with, and the line under it: templates over computed values, nothing else."""

from .of_flow import flow
from .of_long import long
from .of_map import gain_map
from .of_proof import checked
from .of_rate import rate
from .of_routes import routes, sum_over_steps
from .of_steps import after_the_walk, before_the_walk, wave
from .of_truncation import truncation
from .of_wall import wall
from .words import Sentence, parameter

__all__ = ["Sentence", "after_the_walk", "before_the_walk", "checked", "flow", "gain_map", "long", "parameter", "rate",
           "routes", "sum_over_steps", "truncation", "wall", "wave"]
