"""What the board needs to step through a backward pass by itself: the stage, every visit's shade, the texts of some waves."""

import re
from dataclasses import asdict
from html import escape

import numpy as np

from .. import sentences
from ..figures import step
from ..formulas import cell
from ..handout import line
from ..notations import NOTATIONS
from ..typeset import to_html
from .furniture import furniture, texts

CHUNK = 128  # the texts of three times as many positions are sent at once: those around the one on show
ROOM = 420  # px that the grid may be high on the page
ROOMY = 20  # px of a column from which the arrows of several cells at once do not hide each other
NUMBER = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?)")


def walking(drawn, experiment, view, only=False):
    """The walk of a Drawn as a value to pack. Position 0 is before the first wave, position n after wave n - 1; where there are
    several passes, one more shows their sum. only: the texts of the experiment's own position alone, for the live lane."""
    walk, reading = drawn.walk, drawn.reading
    b = step.canvas(reading, view.theme, view.width, experiment.decades, view.tall - 166 if view.tall else ROOM)
    stage = step.stage(walk, reading, b)
    last = positions(walk) - 1
    visit = min(experiment.visit, last)
    first = visit if only else CHUNK * max(0, visit // CHUNK - 1)
    shown = range(first, min(first + (1 if only else 3 * CHUNK), last + 1))
    made = [position(n, drawn, experiment.notation, b) for n in shown]
    return {
        "order": walk.order, "waves": walk.waves, "passes": len(walk.flows), "last": last, "place": stage.place,
        "stops": stage.stops, "W": stage.W, "height": stage.height, "furniture": furniture(stage.meta), "first": first,
        "visits": {name: getattr(walk, name).astype(np.float32) for name in ("wave", "number", "layer", "step")},
        **asdict(stage.visits), "sum": stage.sum and asdict(stage.sum),
        "texts": [woven(column) for column in zip(*made, strict=True)],
    }


def positions(walk):
    """How many positions a walk has."""
    return walk.waves + 1 + (len(walk.flows) > 1)


def position(n, drawn, notation, b):
    """[sentence, line under it, heading, equation, arrows, labels, all in plain words] of one position, as HTML."""
    walk, reading = drawn.walk, drawn.reading
    if not 0 < n <= walk.waves:
        said = sentences.before_the_walk(walk, reading) if n == 0 else sentences.after_the_walk(walk)
        heading = "<b>Nothing is computed yet</b>" if n == 0 else "<b>All passes together</b>"
        return [line(said.lead), line(said.consequence), heading, "", "", "", said.text]
    visits = walk.at(n - 1)
    said, visit = sentences.wave(walk, n - 1), visits[-1]
    equation = cell(walk.flow(visit), int(walk.layer[visit]), int(walk.step[visit]), notation=notation)
    arrows, labels = [], []
    for each in visits if len(visits) == 1 or b.columns.width >= ROOMY else ():
        drawing, words = step.arrivals(walk, b, each, labelled=len(visits) == 1)
        arrows.append(drawing)
        labels += words
    count = f"Cell {visits[-1] + 1}" if len(visits) == 1 else f"Cells {visits[0] + 1} to {visits[-1] + 1}"
    remark = " · ".join(filter(None, (equation.heading, equation.remark, NOTATIONS[notation].says[reading.quantity])))
    return [line(said.lead), line(said.consequence), f"<b>{count} of {len(walk.layer)}</b> <span>{escape(remark)}</span>",
            to_html(equation), "".join(arrows), texts(labels), f"{said.text} {equation.text}"]


def woven(strings):
    """Texts that differ mostly in numbers: {"patterns": [[piece, ..]], "which": [of each text], "numbers": [[of each text]]}.

    A text is its pattern's pieces with its numbers between them.
    """
    patterns, which, numbers = {}, [], []
    for text in strings:
        pieces = NUMBER.split(text)
        which.append(patterns.setdefault(tuple(pieces[::2]), len(patterns)))
        numbers.append(pieces[1::2])
    return {"patterns": [list(pattern) for pattern in patterns], "which": which, "numbers": numbers}
