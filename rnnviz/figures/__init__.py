"""Pictures: pure functions from a reading to a plotly figure."""

from .flow import flow_figure, flow_spec, framed
from .theme import DARK, LIGHT, THEMES, Theme

__all__ = ["DARK", "LIGHT", "THEMES", "Theme", "flow_figure", "flow_spec", "framed"]
