"""What sentences are made of: their parts, and words for numbers and states."""

from dataclasses import dataclass

from ..network import split_name
from ..numbers import counted


@dataclass(frozen=True)
class Sentence:
    """Two lines of (text, role) parts; role "" for plain words, else "fades", "holds", "grows" or "strong"."""

    lead: tuple
    consequence: tuple = ()

    @property
    def text(self):
        """Both lines as plain words: the figure's alternative text and its caption."""
        return " ".join("".join(part for part, _ in line) for line in (self.lead, self.consequence) if line)


def parts(*items):
    """Plain strings and (text, role) pairs as one line."""
    return tuple(item if isinstance(item, tuple) else (item, "") for item in items)


def word(factor):
    """The state's word for a factor per step: fades under 0.93, grows over 1.07, else holds."""
    return "fades" if factor < 0.93 else "grows" if factor > 1.07 else "holds"


def regime(rate, left):
    """"fades", "holds" or "grows" of a rate per step and log10 of what is left: a rate near 1 holds only while the run is
    too short for it to tell, within a factor of a hundred."""
    if rate < 0.93 or (rate < 1 and left < -2):
        return "fades"
    return "grows" if rate > 1.07 or (rate > 1 and left > 2) else "holds"


def agree(rate, left):
    """Whether a rate that neither fades nor grows, and log10 of what is left, lie on the same side of 1; others have words."""
    return regime(rate, left) != "holds" or (rate < 1) == (left < 0) or abs(rate - 1) < 0.005 or abs(left) < 0.005


def steps(n):
    return "1 step" if n == 1 else f"{n} steps"


def parameter(name):
    """W_T of layer 1, from W_T1; h_0 of layer 1, from h1."""
    kind, l = split_name(name)
    return ("h_0" if kind == "h" else kind) + (f" of layer {l + 1}" if l is not None else "")


def together(*lines):
    """Several lines as one, those that are empty left out."""
    made = ()
    for line in filter(None, lines):
        made += (*((" ", ""),) * bool(made), *line)
    return made


def columns_of(tau):
    return "1 column" if tau == 1 else f"{tau} columns"


NUMERALS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def numeral(n):
    """A whole number in a sentence: as a word up to twelve, then as `counted` writes it."""
    return NUMERALS[n] if n < len(NUMERALS) else counted(n)
