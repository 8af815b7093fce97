"""Checked, read-only arrays: what every value in this package is made of."""

import numpy as np

LONGEST_NAME = 60  # characters of a name from outside


def array(name, value, shape, *, lead=True):
    """`value` as a read-only float64 (or complex128) array whose last axes have `shape`.

    shape: one entry an axis; None matches any length of at least 1. Leading axes (a batch) may stand
    before them if `lead`. Complex numbers pass, so that a gradient can be checked by complex step.
    Raises ValueError naming the array, what it was and what it may be: text, ragged nesting, wrong
    shape, nan or inf (with the index of the first).
    """
    try:
        given = np.asarray(value)
        dtype = np.complex128 if given.dtype.kind == "c" else np.float64
        if given.dtype.kind not in "fiubc":
            raise ValueError
        made = np.array(given, dtype=dtype, order="C")
    except (ValueError, TypeError, OverflowError):
        raise ValueError(f"{name} must be an array of numbers") from None
    tail = made.shape[made.ndim - len(shape):] if made.ndim >= len(shape) else None
    fits = tail is not None and all(n >= 1 and (want is None or n == want) for n, want in zip(tail, shape, strict=True))
    if not fits or (not lead and made.ndim != len(shape)):
        wanted = ", ".join("1 or more" if n is None else str(n) for n in shape)
        raise ValueError(f"{name} has shape {made.shape}; it must be ({wanted})")
    if not np.isfinite(made).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(made))[0])
        raise ValueError(f"{name} is {made[index]} at index {index}; every entry must be a finite number")
    made.flags.writeable = False
    return made


def freeze(made):
    """The same array, read-only."""
    made.flags.writeable = False
    return made


def shown(value):
    """A value in a message: at most 40 plain characters."""
    text = value if isinstance(value, str) else repr(value)
    text = "".join(c if c.isprintable() else "?" for c in text[:41])
    return f'"{text[:40]}…"' if len(text) > 40 else (f'"{text}"' if isinstance(value, str) else text)


def named(name, longest=LONGEST_NAME):
    """A name from outside as it may be shown: at most 60 printable characters, the end of it if it is longer."""
    text = name if len(name) <= longest else "…" + name[1 - longest:]
    return "".join(c if c.isprintable() else "?" for c in text)


def quoted(name):
    return f'"{named(name)}"'


def shape_text(shape):
    """A shape as a person reads it: 16 × 3."""
    return " × ".join(f"{side:,}" for side in shape[:4]) + (" × …" if len(shape) > 4 else "") if shape else "one number"
