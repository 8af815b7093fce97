"""Printed numbers say what they mean, in one style."""

import math

import plain
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.numbers import from_log, number, percent, power, significant

logs = st.floats(-4000, 4000)
plain_logs = st.floats(-2, 5.99)
values = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)


def whole(text):
    """A number's text with the spaces at which no line ends."""
    return text.replace(" × ", "\u00a0×\u00a0")


@pytest.mark.parametrize(("log10", "text"), [
    (math.log10(0.6), "0.60"), (math.log10(4e-7), "4 × 10⁻⁷"), (math.log10(760_000), "760\u2009000"), (0.0, "1.00"),
    (math.log10(13), "13"), (math.log10(160), "160"), (math.log10(9.994), "9.99"), (math.log10(9.996), "10"),
    (math.log10(999.6), "1\u2009000"), (math.log10(0.0099), "1 × 10⁻²"), (-2.0, "0.01"), (6.0, "1 × 10⁶"), (-math.inf, "0"),
    (-4000.0, "1 × 10⁻⁴⁰⁰⁰"), (4000.3, "2 × 10⁴⁰⁰⁰"),
])
def test_a_positive_number_is_written_in_the_style_of_the_page(log10, text):
    assert from_log(log10) == whole(text)


@pytest.mark.parametrize(("value", "text"), [
    (0.0, "0"), (-0.0, "0"), (-0.6, "−0.60"), (math.nan, "nan"), (math.inf, "∞"), (-math.inf, "−∞"), (-3e9, "−3 × 10⁹"),
])
def test_a_signed_number_keeps_its_sign_and_says_what_is_no_number(value, text):
    assert number(value) == whole(text)


@pytest.mark.parametrize(("value", "digits", "text"), [
    (-0.035, 2, "−0.035"), (0.997, 3, "0.997"), (0.997, 2, "1.0"), (1700.0, 2, "1700"), (17_000.0, 2, "1.7 × 10⁴"),
    (0.0, 3, "0"), (9.96, 2, "10"), (0.9, 3, "0.900"), (5e-324, 1, "5 × 10⁻³²⁴"), (math.inf, 2, "∞"), (0.00099999, 2, "0.0010"),
])
def test_significant_digits_are_counted_from_the_first_that_is_not_zero(value, digits, text):
    assert significant(value, digits) == whole(text)


@given(logs, st.integers(1, 4))
def test_a_power_of_ten_is_right_far_outside_the_range_of_a_float(log10, digits):
    mantissa, exponent = plain.scientific(power(log10, digits))
    assert 1 <= mantissa < 10
    # half a unit of the last digit, in decades, at the smallest mantissa; rounding log10 near 4000 costs 1e-12
    assert abs(math.log10(mantissa) + exponent - log10) <= math.log10(1 + 0.5 * 10.0 ** (1 - digits)) + 1e-11


@given(plain_logs)
def test_between_a_hundredth_and_a_million_a_number_is_within_half_a_unit_of_two_places_or_two_digits(log10):
    true, shown = 10.0**log10, plain.value(from_log(log10))
    assert "×" not in from_log(log10)
    assert abs(shown - true) <= 0.5000001 * max(0.01, 10.0 ** (math.floor(log10) - 1))


@given(logs, logs)
def test_a_larger_number_is_never_written_as_a_smaller_one(a, b):
    low, high = sorted((a, b))
    assert plain.log10(from_log(low)) <= plain.log10(from_log(high)) + 1e-12


@given(values, st.integers(1, 5))
def test_significant_digits_lose_no_more_than_half_a_unit_of_the_last(value, digits):
    text = significant(value, digits)
    if value == 0:
        assert text == "0"
        return
    # the largest relative error of a first digit 1 with `digits` digits; in decades, since 2 × 10³⁰⁸ is no float
    assert abs(plain.log10(text) - math.log10(abs(value))) <= math.log10(1 + 0.5 * 10.0 ** (1 - digits)) + 1e-9
    printed = text.partition("\u00a0×")[0].replace(".", "").lstrip("−0")
    assert len(printed) == digits or 9.49 * 10 ** (digits - 1) <= abs(value) < 10**4


@given(values)
def test_the_sign_is_a_minus_sign_before_the_same_digits(value):
    for style in (number, significant):
        assert style(-abs(value)).lstrip("−") == style(abs(value))
        assert style(-abs(value)).startswith("−") == (value != 0)


@given(st.floats(0, 1))
def test_a_share_is_never_called_nothing_or_everything_unless_it_is(share):
    text = percent(share)
    assert (text == "0%") == (share == 0)
    assert (text == "100%") == (share == 1)
    bound = float(text.strip("<>%"))
    low, high = {"<": (0, bound), ">": (bound, 100)}.get(text[0], (bound - 0.5000001, bound + 0.5000001))
    assert low <= 100 * share <= high
