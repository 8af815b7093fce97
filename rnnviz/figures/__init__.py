"""Pictures: pure functions from a reading to a plotly figure."""

from .flow import flow_figure, flow_spec, framed
from .gainmap import map_figure, map_spec
from .long import long_figure, long_spec
from .rate import rate_figure, rate_spec
from .routes import routes_figure, routes_spec
from .theme import DARK, LIGHT, THEMES, Theme
from .truncation import truncation_figure, truncation_spec
from .wall import wall_figure, wall_spec

__all__ = ["DARK", "LIGHT", "THEMES", "Theme", "flow_figure", "flow_spec", "framed", "long_figure", "long_spec",
           "map_figure", "map_spec", "rate_figure", "rate_spec", "routes_figure", "routes_spec", "truncation_figure",
           "truncation_spec", "wall_figure", "wall_spec"]
