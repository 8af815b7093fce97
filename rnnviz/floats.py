"""The number formats that training may use, and what each would lose of a number given by its logarithm."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Float:
    """A binary float by log10 of three numbers: what becomes infinite when it is rounded, what becomes 0, and what is lost when
    it is added to 1."""

    largest: float
    least: float
    beside_1: float


def ieee(digits, lowest, highest):
    """The Float of so many binary digits, its normal numbers from 2^lowest to nearly 2^(highest + 1).

    What is rounded to nearest becomes infinite half a unit above the largest number, and 0 at half the smallest subnormal
    number. Source: IEEE 754-2019, sections 3.3 and 7.4; bfloat16 is binary32 with 8 digits.
    """
    largest = (highest + 1) + np.log2(1.0 - 2.0 ** -(digits + 1))
    return Float(*(float(power * np.log10(2.0)) for power in (largest, lowest - digits, -digits)))


FLOATS = {
    "float64": ieee(53, -1022, 1023),
    "float32": ieee(24, -126, 127),
    "bfloat16": ieee(8, -126, 127),
    "float16": ieee(11, -14, 15),
}
