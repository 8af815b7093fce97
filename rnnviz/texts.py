"""Short texts of an experiment that hold several values, and what they may say.

Each parser takes a text that is not empty and raises ValueError naming the part that is wrong; experiment.py says which field
is whose.
"""

import re

import numpy as np

from .cells import CELLS
from .own import MAX_DEPTH, MAX_SIDE

MAX_WIDTH, MAX_T = MAX_SIDE, 10_000
NAMES_BY_HAND = tuple(f"{name}{l}" for l in range(1, MAX_DEPTH + 1) for name in ("w_T", "w_S", "b"))  # one weight each
DIALS = ("g", "input_scale", "bias", "T", "tau_max", "tau_b", "clip", "learning_rate", "descents", *NAMES_BY_HAND)


def parse_layers(text, cell):
    """"16, 16 relu, 8 static" to one (width, cell, recurrent) a layer. Raises ValueError naming the part that is wrong."""
    parts = text.split(",")
    if len(parts) > MAX_DEPTH:
        raise ValueError(f"{len(parts)} layers; there may be {MAX_DEPTH}")
    stack = []
    for part in parts:
        n, *rest = part.split() or [""]
        if not re.fullmatch(r"[0-9]{1,4}", n) or not 1 <= int(n) <= MAX_WIDTH:
            raise ValueError(f'"{part.strip()[:40]}" must begin with a width from 1 to {MAX_WIDTH}')
        cells = [word for word in rest if word in CELLS]
        unknown = [word for word in rest if word not in CELLS and word != "static"]
        if unknown or len(cells) > 1 or rest.count("static") > 1:
            raise ValueError(f'"{part.strip()[:40]}" may name one cell ({", ".join(CELLS)}) and "static" after its width')
        stack.append((int(n), cells[0] if cells else cell, "static" not in rest))
    return tuple(stack)


def parse_steps(text, T):
    """"5, 10-12" to (T,) bool, steps counted from 1; steps after T are left out. Raises ValueError on anything else."""
    return parse_ranges(text, MAX_T, "a step")[:T]


def parse_ranges(text, most, what):
    """"5, 10-12" to (most,) bool, counted from 1. Raises ValueError on anything else."""
    chosen = np.zeros(most, bool)
    for part in text.split(",") if text.strip() else ():
        found = re.fullmatch(r"\s*([0-9]{1,5})\s*(?:-\s*([0-9]{1,5})\s*)?", part)
        low, high = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 1 <= low <= high <= most:
            raise ValueError(f'"{part.strip()[:40]}" must be {what} from 1 to {most} or a range such as 10-12')
        chosen[low - 1:high] = True
    return chosen


def parse_hand(text):
    """"0.9 0.8 0, 0.7 0.8 0" to one (W_S, W_T, b) a layer. Raises ValueError naming the part that is wrong."""
    groups = []
    for part in text.split(",") if text.strip() else ():
        try:
            numbers = tuple(float(word) for word in part.split() if re.fullmatch(r"[-+0-9.eE]{1,24}", word))
        except ValueError:
            numbers = ()
        if len(numbers) != 3 or len(part.split()) != 3 or not all(abs(w) <= 100 for w in numbers):
            raise ValueError(f'"{part.strip()[:40]}" must be three numbers from -100 to 100: W_S W_T b')
        groups.append(numbers)
    if len(groups) > MAX_DEPTH:
        raise ValueError(f"{len(groups)} groups; there may be {MAX_DEPTH}")
    return tuple(groups)


def parse_dial(text):
    """The name of a dial. Raises ValueError on anything else."""
    if text not in DIALS:
        raise ValueError(f'"{text}" must be {", ".join(DIALS[:6])}, or a weight by hand such as w_T1')
    return text


def parse_weight(text):
    """The name of a parameter. Raises ValueError on anything else."""
    if not re.fullmatch(r"(W_S|W_T|b)([1-9]|1[0-2])|(W|b)_out", text):
        raise ValueError(f'"{text}" must be W_S, W_T or b with a layer from 1 to {MAX_DEPTH}, W_out or b_out')
    return text


def parse_start(text):
    """"4.9 -2.2" to (4.9, -2.2). Raises ValueError on anything else."""
    found = [word for word in text.split() if re.fullmatch(r"[-+0-9.eE]{1,24}", word)]
    try:
        x, y = (float(word) for word in (found if len(found) == len(text.split()) else ()))
    except ValueError:
        x = y = np.inf
    if not max(abs(x), abs(y)) <= 1e6:
        raise ValueError(f'"{text[:40]}" must be two numbers from -1e6 to 1e6')
    return x, y


def parse_axis(text):
    """"W_T1 1 2" to ("W_T1", (0, 1)), rows and columns counted from 1 in the text. Raises ValueError on anything else."""
    place = "[1-9][0-9]{0,2}"
    if not re.fullmatch(rf"((W_S|W_T)([1-9]|1[0-2])|W_out) {place} {place}|(b([1-9]|1[0-2])|b_out) {place}", text):
        raise ValueError(f'"{text[:40]}" must be a matrix, a row and a column such as W_T1 1 2, or a bias and a unit such as '
                         "b1 1")
    name, *places = text.split()
    return name, tuple(int(place) - 1 for place in places)


def parse_held(text):
    """The link behind a question mark. Raises ValueError on anything else."""
    if text[0] != "?":
        raise ValueError(f'"{text[:40]}" must be a question mark and a link, or empty')
    return text[1:]
