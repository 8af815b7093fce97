"""What every figure has around its traces: paper, type and colour scale, ticks, and texts at fixed px as Plotly wants them."""

import numpy as np

from ..network import split_name
from ..numbers import UP
from . import colour
from .theme import FONT, LEFT, SIZE

STILL = dict(showgrid=False, zeroline=False, ticks="", fixedrange=True, showticklabels=False)  # an axis that is only a scale


def base(b, uirevision, dragmode=False):
    """The layout that all figures share: size, paper, type, hover and colour scale; and the caption under it."""
    theme = b.theme
    if b.caption:
        b.text(b.caption, b.height - 9, left=0, colour=theme.second)
    return dict(
        width=b.width, height=b.height, autosize=False, margin=dict(l=LEFT, r=b.width - b.right, t=0, b=0, pad=0),
        paper_bgcolor=theme.page, plot_bgcolor=theme.page, font=dict(family=FONT, size=SIZE, color=theme.ink),
        showlegend=False, hovermode="closest", dragmode=dragmode, uirevision=uirevision, template=None,
        hoverlabel=dict(bgcolor=theme.panel, bordercolor=theme.hairline, font=dict(color=theme.ink, size=SIZE, family=FONT),
                        align="left"),
        shapes=b.shapes, annotations=b.notes,
        coloraxis=dict(cmin=-b.W, cmax=b.W, colorscale=colour.scale(theme, b.W), showscale=not b.page,
                       **({} if b.page else {"colorbar": colour_bar(b)})),
        meta=dict(equation_top=b.equation_top, height=b.height),
    )


def composed(b, name, axes, coloured=True):
    """The layout of a figure whose texts and lines all stand at fixed px. name: of the view; coloured: whether it has a bar."""
    made = base(b, name) | axes
    if b.page:
        made["meta"] |= dict(texts=b.texts, bar=bar(b) if coloured else None, rules=b.rules, shapes=[])
    else:
        made["annotations"] = [*b.notes, *(annotation(b, text) for text in b.texts)]
    return made


ANCHORS = {"left": "left", "right": "right", "middle": "center"}  # how Plotly names the ends of a text
SHIFTS = {"left": 2, "right": 2, "middle": 0}  # px that Plotly leaves beside a text


def annotation(b, text):
    """A text at fixed px as a Plotly annotation."""
    side, at = next((side, text[side]) for side in ("left", "right", "middle") if text[side] is not None)
    cover = dict(bgcolor=text["back"], borderpad=text["pad"]) if "back" in text else {}
    return dict(text=text["text"], showarrow=False, xref="paper", yref="paper", x=0, xanchor=ANCHORS[side],
                y=b.paper(text["y"]), xshift=at - LEFT - SHIFTS[side], yanchor="middle",
                font=dict(size=text["size"], color=text["colour"]), **cover)


BAR, THICK = 240, 11  # px of the colour bar
PLACES = (0.0, 0.265, 0.5, 0.735, 1.0)  # where its words stand


def bar_words(b):
    up, theme = str(b.W).translate(UP), b.theme
    return [f"10⁻{up}", f"<b style='color:{theme.fades}'>fades</b>", f"<b style='color:{theme.holds}'>1 holds</b>",
            f"<b style='color:{theme.grows}'>blows up</b>", f"10{up}"]


def colour_bar(b):
    """The colour bar as Plotly draws it: of fixed length, flush with the right edge."""
    return dict(orientation="h", lenmode="pixels", len=BAR, thickness=THICK, x=1, xanchor="right", xpad=0, ypad=0,
                y=b.paper(4), yanchor="top", outlinewidth=0, ticks="", tickvals=[(2 * p - 1) * b.W for p in PLACES],
                ticktext=bar_words(b), tickfont=dict(size=SIZE, color=b.theme.second))


def bar(b):
    """The colour bar as the page draws it: px, the stops of its gradient, and words at their places."""
    return dict(left=b.right - BAR, top=4, length=BAR, thickness=THICK, stops=colour.scale(b.theme, b.W),
                words=list(zip(PLACES, bar_words(b), strict=True)), size=SIZE, colour=b.theme.second)


def step_ticks(first, last, plot):
    """1, 5, 10 .. T: at most one every 45 px, the first and last always."""
    first, last = int(first), int(last)
    most = max(2, plot // 45)
    step = next((s for s in (1, 5, 10, 20, 25, 50, 100, 250, 500, 1000, 2500) if (last - first) / s <= most), 5000)
    inner = range(step * -(-first // step), last + 1, step)
    near = step * 0.45
    return [first, *(t for t in inner if t - first > near and last - t > near), *([last] if last > first else [])]


def log_ticks(low, high):
    """Ticks of a log10 axis: whole decades, at most five; for a short range also 3 and 0.3."""
    span = high - low
    if span < 1.6:
        candidates = [(np.log10(v), f"{v:g}") for v in (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)]
        shown = [(p, t) for p, t in candidates if low <= p <= high]
    else:
        step = next(s for s in (1, 2, 3, 5, 9, *(m * 10**k for k in range(1, 9) for m in (1, 2, 5))) if span / s <= 5)
        places = range(step * int(np.ceil(low / step)), int(np.floor(high)) + 1, step)
        shown = [(p, "1" if p == 0 else f"10<sup>{str(p).replace('-', '−')}</sup>") for p in places]
    return [float(p) for p, _ in shown], [t for _, t in shown]


def gradient_letters(name):
    """∂C/∂W_T of layer 1, as figures write it."""
    kind, l = split_name(name)
    letter, _, sub = kind.partition("_")
    where = f" of layer {l + 1}" if l is not None else ""
    return f"∂<i>C</i>/∂<i>{letter}</i>" + (f"<sub>{sub}</sub>" if sub else "") + where
