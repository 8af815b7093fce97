"""Numbers as people read them: 0.60, 13, 760 000, 4 × 10⁻⁷, −0.035."""

import math

UP = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
THIN = "\u2009"  # thin space between groups of three
UNBROKEN = "\u00a0"  # a space at which no line ends


def power(log10, digits=1):
    """m × 10ᵉ from a base-10 logarithm, right far outside the range of a float."""
    exponent = math.floor(log10)
    mantissa = round(10.0 ** (log10 - exponent), digits - 1)
    if mantissa >= 10:
        mantissa, exponent = mantissa / 10, exponent + 1
    return f"{mantissa:.{digits - 1}f}{UNBROKEN}×{UNBROKEN}10{str(exponent).translate(UP)}"


def from_log(log10):
    """A positive number given by its base-10 logarithm: two digits, or a power of ten beyond 0.01 and a million."""
    if log10 == -math.inf:
        return "0"
    if not -2 <= log10 < 6:
        return power(log10)
    value = 10.0**log10
    if value < 9.995:
        return f"{value:.2f}"
    if value < 999.5:
        return f"{value:.0f}"
    return f"{round(value, -int(math.floor(log10)) + 1):,.0f}".replace(",", THIN)


def number(value):
    """A signed number in the same style, 0 as "0"."""
    if value == 0:
        return "0"
    if math.isnan(value):
        return "nan"
    sign = "−" if value < 0 else ""
    if math.isinf(value):
        return sign + "∞"
    return sign + from_log(math.log10(abs(value)))


def significant(value, digits=2, exponent=0):
    """A signed number value * 2^exponent with so many significant digits: −0.035, 0.997, 1.7 × 10³."""
    if value == 0 or not math.isfinite(value):
        return number(value)
    sign, size = ("−" if value < 0 else ""), abs(value)
    log10 = math.log10(size) + exponent * math.log10(2.0)
    if not -4 <= log10 < 4:
        return sign + power(log10, digits)
    size = math.ldexp(size, exponent)
    rounded = float(f"{size:.{digits - 1}e}")
    places = max(0, digits - 1 - math.floor(math.log10(rounded)))
    return f"{sign}{rounded:.{places}f}"


def size(log10, digits=2):
    """A positive number given by its base-10 logarithm, with so many significant digits; 0 as "0"."""
    return "0" if log10 == -math.inf else significant(10.0**log10, digits) if abs(log10) < 300 else power(log10, digits)


def percent(share):
    """37% from 0.37; never 0% or 100% unless it is."""
    if 0 < share <= 0.005:
        return "<1%"
    if 0.995 <= share < 1:
        return ">99%"
    return f"{100 * share:.0f}%"


def degrees(angle):
    """An angle in whole degrees; never 0° unless it is."""
    return f"{angle:.0f}°" if angle >= 0.95 else "<1°" if angle > 1e-5 else "0°"


def grouped(n):
    """A whole number with thin spaces between groups of three."""
    return f"{n:,}".replace(",", THIN)


def counted(n):
    """A whole number of any size: its digits in groups up to a thousand million, then a power of ten."""
    return grouped(n) if n < 10**9 else power(math.log10(n), 2)
