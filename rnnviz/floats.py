"""The number formats that training may use, and what each would lose of a number."""

from dataclasses import dataclass
from math import inf, log10


@dataclass(frozen=True)
class Float:
    """A binary float by its ends: sizes that become infinite when they are rounded to it, from `largest` on, and those that
    become 0, up to `least`; both float64."""

    largest: float
    least: float

    @property
    def log_largest(self):
        return log10(self.largest)

    @property
    def log_least(self):
        return log10(self.least)


def ieee(digits, lowest, highest):
    """The Float of so many binary digits, its normal numbers from 2^lowest to nearly 2^(highest + 1).

    Rounding is to nearest, and from half way to even: infinite from half a unit above the largest number on, 0 at half the
    smallest subnormal number. Source: IEEE 754-2019, sections 3.3, 4.3 and 7.4; bfloat16 is binary32 with 8 digits.
    """
    return Float(2.0**highest * (2.0 - 2.0**-digits), 2.0 ** (lowest - digits))


FLOATS = {
    "float64": Float(inf, 0.0),  # what is looked at has been rounded to it already
    "float32": ieee(24, -126, 127),
    "bfloat16": ieee(8, -126, 127),
    "float16": ieee(11, -14, 15),
}
