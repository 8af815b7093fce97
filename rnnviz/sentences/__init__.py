"""The one sentence a view opens with, and the line under it: templates over computed values, nothing else."""

from .of_flow import flow
from .of_proof import checked
from .of_routes import routes, sum_over_steps
from .of_steps import after_the_walk, before_the_walk, wave
from .of_truncation import truncation
from .words import Sentence, parameter

__all__ = ["Sentence", "after_the_walk", "before_the_walk", "checked", "flow", "parameter", "routes", "sum_over_steps",
           "truncation", "wave"]
