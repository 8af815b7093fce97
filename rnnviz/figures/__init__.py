"""Pictures: pure functions from a reading to a plotly figure."""

from .flow import flow_figure, flow_spec, framed
from .routes import routes_figure, routes_spec
from .theme import DARK, LIGHT, THEMES, Theme
from .truncation import truncation_figure, truncation_spec

__all__ = ["DARK", "LIGHT", "THEMES", "Theme", "flow_figure", "flow_spec", "framed", "routes_figure", "routes_spec",
           "truncation_figure", "truncation_spec"]
