"""What a person brings in place of what a recipe draws: weights, and a table of numbers to read as a sequence.

Both are values that are compared by their content, through one digest of all their bytes, and both can be written as a
short readable text, the one that travels in a link.
"""

import re
from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from functools import cached_property
from hashlib import sha256
from types import MappingProxyType
from urllib.parse import quote, unquote

import numpy as np

from .values import LONGEST_NAME, array, shown

MOST_NUMBERS = 1_000_000
MAX_DEPTH, MAX_SIDE, MAX_ROWS = 12, 512, 10_000
NAME = re.compile(r"(W_S|W_T|b|h)([1-9][0-9]?)|W_out|b_out")
NUMBER = re.compile(r"[-+]?([0-9]++(\.[0-9]*+)?|\.[0-9]++)([eE][-+]?[0-9]{1,4})?")  # possessive: as fast as it is long


def place(name):
    """(layer, rank) of a matrix by its name, so that names sort from the input upwards; None if it is no such name."""
    found = NAME.fullmatch(name) if isinstance(name, str) else None
    if not found or (found[2] and int(found[2]) > MAX_DEPTH):
        return None
    return (int(found[2]), ("W_S", "W_T", "b", "h").index(found[1])) if found[1] else (MAX_DEPTH + 1, int(name == "b_out"))


class ByContent:
    """Values of one class that are equal when their digests are."""

    def __eq__(self, other):
        return type(other) is type(self) and self.digest == other.digest

    def __hash__(self):
        return hash(self.digest)


@dataclass(frozen=True, eq=False)
class Weights(ByContent):
    """Matrices by name: W_S1 (n, n_below), W_T1 (n, n), b1 (n,), h1 (n,) of layer 1, and so on upwards; W_out, b_out.

    h1 is h_0 of layer 1, its state before the first step. Only those that are given are set; all others stay as drawn.
    Equal when all names, shapes and numbers are the same, to the last bit. Raises ValueError on an unknown name, a
    wrong number of axes, a side above 512, more than a million numbers in all, or a number that is not finite.
    """

    arrays: Mapping = field(default_factory=dict)
    known: InitVar[Mapping] = None  # arrays that were checked before, and need not be copied
    digest: str = field(init=False, repr=False, default="")

    def __post_init__(self, known):
        unknown = next((name for name in self.arrays if place(name) is None), None)
        if unknown is not None:
            raise ValueError(f"{shown(unknown)} is no matrix; names are W_S1, W_T1, b1, h1 (and so on up to layer "
                             f"{MAX_DEPTH}), W_out and b_out")
        made = {name: self.arrays[name] if self.arrays[name] is (known or {}).get(name) else
                array(name, self.arrays[name], (None,) * (2 if name.startswith("W") else 1), lead=False)
                for name in sorted(self.arrays, key=place)}
        for name, value in made.items():
            if value.dtype != np.float64:
                raise ValueError(f"{name} holds complex numbers; it must hold real ones")
            if max(value.shape) > MAX_SIDE:
                raise ValueError(f"{name} has shape {value.shape}; a side may be up to {MAX_SIDE}")
        numbers = sum(value.size for value in made.values())
        if numbers > MOST_NUMBERS:
            raise ValueError(f"the weights hold {numbers:,} numbers; they may hold {MOST_NUMBERS:,}")
        object.__setattr__(self, "arrays", MappingProxyType(made))
        object.__setattr__(self, "digest", fingerprint("weights", made))

    def __bool__(self):
        return bool(self.arrays)

    def __reduce__(self):
        return Weights, (dict(self.arrays),)

    @property
    def size(self):
        """How many numbers they hold."""
        return sum(value.size for value in self.arrays.values())

    @cached_property
    def text(self):
        """The weights as a readable text: see weights_text."""
        return weights_text(self)

    def put(self, **arrays):
        """The same weights with some matrices set."""
        return Weights({**self.arrays, **arrays}, known=self.arrays)

    def keep(self, names):
        """Only the matrices of these names."""
        return Weights({name: value for name, value in self.arrays.items() if name in names}, known=self.arrays)


@dataclass(frozen=True, eq=False)
class Table(ByContent):
    """Numbers in rows and named columns: numbers (rows, columns), one row a step; names, one a column.

    Equal when all names and numbers are the same. Raises ValueError on more than 10 000 rows, 512 columns or a million
    numbers, on a number that is not finite, and on a name that is not 1 to 60 printable characters.
    """

    names: tuple = ()
    numbers: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    digest: str = field(init=False, repr=False, default="")

    def __post_init__(self):
        names = tuple(self.names)
        if names or np.size(self.numbers):
            numbers = array("the table", self.numbers, (None, len(names)), lead=False)
        else:
            numbers = np.zeros((0, 0))
            numbers.flags.writeable = False
        if numbers.shape[0] > MAX_ROWS or numbers.shape[1] > MAX_SIDE or numbers.size > MOST_NUMBERS:
            raise ValueError(f"the table has {numbers.shape[0]:,} rows and {numbers.shape[1]:,} columns; it may have "
                             f"{MAX_ROWS:,} and {MAX_SIDE}, and {MOST_NUMBERS:,} numbers in all")
        for name in names:
            if not isinstance(name, str) or not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
                raise ValueError(f"a column's name must be 1 to {LONGEST_NAME} printable characters")
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "numbers", numbers)
        object.__setattr__(self, "digest", fingerprint("table", {"\n".join(names): numbers}))

    def __bool__(self):
        return bool(self.names)

    def __reduce__(self):
        return Table, (self.names, self.numbers)

    @property
    def size(self):
        """How many numbers it holds."""
        return self.numbers.size

    @cached_property
    def text(self):
        """The table as a readable text: see table_text."""
        return table_text(self)


def fingerprint(what, arrays):
    """One digest of what they are, names, shapes and every byte; "" of nothing."""
    digest = sha256(what.encode())
    for name, value in arrays.items():
        digest.update(f"{name} {value.shape}\n".encode("utf-8", "surrogatepass"))
        digest.update(np.ascontiguousarray(value, dtype="<f8").data)
    return digest.hexdigest()[:32] if any(value.size for value in arrays.values()) else ""


# Readable texts: "W_T1:0.9,4;0,0.9/b1:0,0.5" and "month,spots;1,58;2,62.6". A number is written as short as it can be
# read back to the last bit.


def number_text(value):
    text = repr(float(value))
    return text.removesuffix(".0")


def rows_text(rows):
    return ";".join(",".join(map(number_text, row)) for row in rows)


def parse_number(text, where):
    """A finite number from its text. Raises ValueError naming the place."""
    value = float(text) if NUMBER.fullmatch(text) else np.nan
    if not np.isfinite(value):
        raise ValueError(f"{where} is {shown(text)}; it must be a number")
    return value


def parse_rows(text, where=""):
    """A list of rows of numbers, all of one length. Raises ValueError naming row and column, counted from 1."""
    rows = [[parse_number(entry.strip(), f"{where}row {r}, column {c}") for c, entry in enumerate(row.split(","), 1)]
            for r, row in enumerate(text.split(";"), 1)]
    for r, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise ValueError(f"{where}row {r} has {len(row)} numbers; row 1 has {len(rows[0])}")
    return rows


def weights_text(weights):
    """"W_T1:0.9,4;0,0.9/b1:0,0.5": matrices after one another, rows divided by semicolons."""
    return "/".join(f"{name}:{rows_text(np.atleast_2d(value))}" for name, value in weights.arrays.items())


def parse_weights(text):
    """The Weights of such a text. Raises ValueError with a sentence naming matrix, row and column."""
    made = {}
    for part in text.split("/") if text else ():
        name, colon, rows = part.partition(":")
        if not colon or place(name) is None:
            raise ValueError(f'{shown(part)} must be a matrix such as W_T1:0.9,4;0,0.9 (or W_S1, b1, h1, W_out, b_out)')
        if name in made:
            raise ValueError(f"{name} is given twice")
        values = parse_rows(rows, f"{name}, ")
        if not name.startswith("W") and len(values) > 1:
            raise ValueError(f"{name} has {len(values)} rows; it must have one")
        made[name] = values if name.startswith("W") else values[0]
    return Weights(made)


def table_text(table):
    """"month,spots;1,58;2,62.6": the columns' names, then the rows; what is special in a name is percent-encoded."""
    return ";".join([",".join(quote(name, safe=" ") for name in table.names), rows_text(table.numbers)]) if table else ""


def parse_table(text):
    """The Table of such a text. Raises ValueError with a sentence naming row and column."""
    if not text:
        return Table()
    names, semicolon, rows = text.partition(";")
    if not semicolon:
        raise ValueError(f"{shown(text)} must be columns and rows such as month,spots;1,58;2,62.6")
    return Table([unquote(name) for name in names.split(",")], parse_rows(rows))
