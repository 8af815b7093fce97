"""The grid once more, as a book would compute it: one loop, one pass at a time, and the numbers read off it.

Shares nothing with rnnviz but the values that describe a network, a sequence and a schedule. Numbers are long
doubles, so that most of what a float64 loses is still here.
"""

import re
from dataclasses import dataclass

import numpy as np

REAL = np.longdouble

PHI = {
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "relu": (lambda z: np.where(z > 0, z, 0), lambda z: np.where(z > 0, REAL(1), REAL(0))),
    "linear": (lambda z: z, lambda z: np.ones_like(z)),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-abs(z)) / (1 + np.exp(-abs(z))) ** 2),
}


def softmax(o):
    e = np.exp(o - o.max())
    return e / e.sum()


SENT = {  # dL/do of one step
    "half squared": lambda o, target: o - target,
    "squared": lambda o, target: 2 * (o - target),
    "sigmoid": lambda o, target: 1 / (1 + np.exp(-o)) - target,
    "softmax": lambda o, target: softmax(o) - target,
}


@dataclass
class Grid:
    """delta, grad_h, slope, h: [l][t] -> vector. space, time: the two messages. sent: [t] -> what a loss sends in there."""

    delta: list
    grad_h: list
    slope: list
    h: list
    space: list
    time: list
    sent: list

    def size(self, name="delta"):
        """(L, T) Euclidean norms."""
        return np.array([[np.sqrt((v * v).sum()) for v in row] for row in getattr(self, name)])

    @property
    def reference(self):
        return max(np.sqrt((v * v).sum()) for v in self.sent)

    def left(self, name="delta"):
        """(L, T) log10 of size over the largest that a loss sends in."""
        with np.errstate(divide="ignore"):
            return np.log10(self.size(name)) - np.log10(self.reference)


def grid(network, sequence, windows):
    """The Grid of a network on a sequence, every pass run by itself and added up."""
    layers, T = network.layers, sequence.T
    h, z = [], []
    below = [row.astype(REAL) for row in sequence.x]
    for layer in layers:
        before, states, sums = layer.h_0.astype(REAL), [], []
        for t in range(T):
            sums.append(layer.W_S.astype(REAL) @ below[t] + layer.b)
            if layer.W_T is not None:
                sums[t] = sums[t] + layer.W_T.astype(REAL) @ before
            before = PHI[layer.cell][0](sums[t])
            states.append(before)
        h.append(states)
        z.append(sums)
        below = states
    slope = [[PHI[layer.cell][1](v) for v in row] for layer, row in zip(layers, z, strict=True)]
    sent = []
    for t in range(T):
        o = h[-1][t] if network.W_out is None else network.W_out.astype(REAL) @ h[-1][t] + network.b_out
        v = SENT[sequence.loss](o, sequence.target[t]) * bool(sequence.scored[t])
        sent.append(v if network.W_out is None else network.W_out.T.astype(REAL) @ v)

    def zeros():
        return [[np.zeros(layer.n, REAL) for _ in range(T)] for layer in layers]

    total = Grid(zeros(), zeros(), slope, h, zeros(), zeros(), [np.zeros_like(v) for v in sent])
    for first, since, last in zip(windows.first, windows.since, windows.last, strict=True):
        delta = zeros()
        for t in range(last, first - 1, -1):
            for l in range(len(layers) - 1, -1, -1):
                if l + 1 < len(layers):
                    space = layers[l + 1].W_S.T.astype(REAL) @ delta[l + 1][t]
                else:
                    space = sent[t] if t >= since else np.zeros_like(sent[t])
                    total.sent[t] = total.sent[t] + space
                time = np.zeros(layers[l].n, REAL)
                if t < last and layers[l].W_T is not None:
                    time = layers[l].W_T.T.astype(REAL) @ delta[l][t + 1]
                delta[l][t] = (space + time) * slope[l][t]
                for into, value in ((total.space, space), (total.time, time), (total.grad_h, space + time),
                                    (total.delta, delta[l][t])):
                    into[l][t] = into[l][t] + value
    return total


def grid_of(run):
    return grid(run.network, run.sequence, run.windows)


def line(curve):
    """(rate per step back, log10 at the end, r2) of the least-squares line through log10 values, the last sixth left out."""
    T = len(curve)
    used = [(t, float(y)) for t, y in enumerate(curve) if t <= T - 1 - T // 6 and np.isfinite(y)]
    n = len(used)
    mean_t, mean_y = sum(t for t, _ in used) / n, sum(y for _, y in used) / n
    spread = sum((y - mean_y) ** 2 for _, y in used)
    slope = sum((t - mean_t) * (y - mean_y) for t, y in used) / sum((t - mean_t) ** 2 for t, _ in used)
    level = mean_y + slope * (used[-1][0] - mean_t)
    missed = sum((y - mean_y - slope * (t - mean_t)) ** 2 for t, y in used)
    return 10.0**-slope, level, 1 - missed / spread if spread else 1.0


# Numbers as printed, read back.

DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
NUMBER = re.compile(r"[−+]?(?:\d+(?:\.\d+)? × 10[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+|\d{1,3}(?:\u2009\d{3})+|\d+(?:\.\d+)?|∞)")


def scientific(text):
    """(mantissa, exponent) of "4 × 10⁻⁷" or of a plain number, for which the exponent is 0."""
    mantissa, _, up = text.replace("−", "-").replace("\u2009", "").partition(" × 10")
    return float(mantissa.replace("∞", "inf")), int(up.translate(DIGITS) or 0)


def value(text):
    mantissa, exponent = scientific(text)
    return mantissa * 10.0**exponent


def log10(text):
    mantissa, exponent = scientific(text)
    return np.log10(abs(mantissa)) + exponent


def numbers(text):
    """Every number printed in a text, as printed."""
    return NUMBER.findall(text)


def unit(text):
    """What one more in the last printed digit of a number would add."""
    mantissa, _, up = text.replace("−", "").partition(" × 10")
    if "\u2009" in mantissa:  # two digits count, the rest are zeros of the style
        return 10.0 ** (len(mantissa.replace("\u2009", "")) - 2)
    places = len(mantissa.partition(".")[2])
    return 10.0 ** (int(up.translate(DIGITS) or 0) - places)


def agrees(text, true):
    """Whether a printed number is `true` rounded to the digits it shows."""
    return abs(value(text) - float(true)) <= 0.5001 * unit(text)
