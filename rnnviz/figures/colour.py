"""The colour of a gradient: log10 of what is left, on a scale where ink is gradient.

Blue fades, violet holds, red blows up. Lightness runs one way from end to end, so the scale works in greyscale.
"""

from functools import cache

import numpy as np

RANGES = (2, 4, 8, 16, 32)  # decades on each side of 1


def decades(log_ratio):
    """The smallest range that covers these log10 ratios (any shape; what is not finite does not count).

    Snapped, so that a moving slider does not make the colours swim; past 32 decades the ends saturate.
    """
    finite = log_ratio[np.isfinite(log_ratio)]
    largest = np.abs(finite).max() if finite.size else 0.0
    return next((W for W in RANGES if largest <= W), RANGES[-1])


@cache
def scale(theme, W):
    """Plotly colour scale over -W..W decades: 15 stops, violet about half a decade each side of 1."""
    b = min(0.30, max(0.05, 0.5 / W))
    low = np.linspace(0.0, (1.0 - b) / 2, 7)
    high = np.linspace((1.0 + b) / 2, 1.0, 7)
    places = (*low, 0.5, *high)
    return [[float(p), c] for p, c in zip(places, (*theme.low, theme.middle, *theme.high), strict=True)]


def at(theme, W, log_ratio):
    """(r, g, b), 0 to 255, of one log10 ratio."""
    stops = scale(theme, W)
    x = min(1.0, max(0.0, (log_ratio + W) / (2 * W)))
    return tuple(
        float(np.interp(x, [p for p, _ in stops], [int(c[i:i + 2], 16) for _, c in stops])) for i in (1, 3, 5)
    )


def luminance(rgb):
    """Relative luminance of an sRGB colour (WCAG 2)."""
    parts = [c / 255 for c in rgb]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def text_on(rgb):
    """Ink or white, whichever contrasts more with this colour."""
    return "#FFFFFF" if 1.05 / (luminance(rgb) + 0.05) > (luminance(rgb) + 0.05) / 0.058 else "#12161C"
