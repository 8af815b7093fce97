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


# Truncation by really cutting: every pass is a run of its own, from a state that is held.


def steps_forward(network, xs, held):
    """(z, h) of a run over the inputs xs from held states, one a layer: z[t][l], and h[t][l] with the held ones as h[0]."""
    z, h = [], [held]
    for x in xs:
        below, sums, states = x.astype(REAL), [], []
        for l, layer in enumerate(network.layers):
            total = layer.W_S.astype(REAL) @ below + layer.b
            if layer.W_T is not None:
                total = total + layer.W_T.astype(REAL) @ h[-1][l]
            below = PHI[layer.cell][0](total)
            sums.append(total)
            states.append(below)
        z.append(sums)
        h.append(states)
    return z, h


def cut(network, sequence, tau_max, tau_b, again=False):
    """{name of an array of a Backward: its numbers, one entry a layer where there are layers} of truncated backpropagation.

    BPTT(h; h') of Williams and Peng by the letter: at every tau_b-th step n, and at the last, the columns
    n - tau_max + 1 .. n are run anew from the state that was held before them, and the losses since the previous pass are
    sent back through them. again: the losses of all its columns, old ones too.
    """
    layers, T = network.layers, sequence.T
    cells = ("delta", "grad_h", "from_space", "from_time")
    found = {name: [np.zeros((T, layer.n), REAL) for layer in layers] for name in cells}
    found |= {f"d{name}": [np.zeros(np.shape(getattr(layer, name)), REAL) for layer in layers]
              for name in ("W_S", "W_T", "b", "h_0")}
    found |= {"dx": np.zeros(sequence.x.shape, REAL)}
    if network.W_out is not None:
        found |= {"dW_out": np.zeros(network.W_out.shape, REAL), "db_out": np.zeros(network.b_out.shape, REAL)}
    _, states = steps_forward(network, sequence.x, [layer.h_0.astype(REAL) for layer in layers])
    previous = 0
    for n in range(1, T + 1):
        if n % tau_b == 0 or n == T:
            start = max(1, n - tau_max + 1)
            losses = {t for t in range(start, n + 1) if sequence.scored[t - 1] and (again or t > previous)}
            one_pass(network, sequence, start, n, losses, [state.copy() for state in states[start - 1]], found)
            previous = n
    return found


def one_pass(network, sequence, start, n, losses, held, found):
    """Add to `found` what one pass over the steps start..n, counted from 1, sends back; nothing goes beyond the held states."""
    layers = network.layers
    z, h = steps_forward(network, sequence.x[start - 1:n], held)
    later = [np.zeros(layer.n, REAL) for layer in layers]
    for t in range(n, start - 1, -1):
        sums, before, now = z[t - start], h[t - start], h[t - start + 1]
        space = np.zeros(layers[-1].n, REAL)
        if t in losses:
            o = now[-1] if network.W_out is None else network.W_out.astype(REAL) @ now[-1] + network.b_out
            space = error = SENT[sequence.loss](o, sequence.target[t - 1])
            if network.W_out is not None:
                found["dW_out"] += np.outer(error, now[-1])
                found["db_out"] += error
                space = network.W_out.T.astype(REAL) @ error
        for l in range(len(layers) - 1, -1, -1):
            layer, time = layers[l], np.zeros(layers[l].n, REAL)
            if layer.W_T is not None and t < n:
                time = layer.W_T.T.astype(REAL) @ later[l]
            delta = (space + time) * PHI[layer.cell][1](sums[l])
            for name, value in (("from_space", space), ("from_time", time), ("grad_h", space + time), ("delta", delta)):
                found[name][l][t - 1] += value
            found["dW_S"][l] += np.outer(delta, now[l - 1] if l else sequence.x[t - 1])
            found["db"][l] += delta
            if layer.W_T is not None:
                found["dW_T"][l] += np.outer(delta, before[l])
                if t == 1:
                    found["dh_0"][l] += layer.W_T.T.astype(REAL) @ delta
            later[l] = delta
            space = layer.W_S.T.astype(REAL) @ delta
        found["dx"][t - 1] += space


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
NUMBER = re.compile(r"[−+]?(?:\d+(?:\.\d+)?\u00a0×\u00a010[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+|\d{1,3}(?:\u2009\d{3})+|\d+(?:\.\d+)?|∞)")


def scientific(text):
    """(mantissa, exponent) of "4 × 10⁻⁷" or of a plain number, for which the exponent is 0."""
    mantissa, _, up = text.replace("−", "-").replace("\u2009", "").partition("\u00a0×\u00a010")
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
    mantissa, _, up = text.replace("−", "").partition("\u00a0×\u00a010")
    if "\u2009" in mantissa:  # two digits count, the rest are zeros of the style
        return 10.0 ** (len(mantissa.replace("\u2009", "")) - 2)
    places = len(mantissa.partition(".")[2])
    return 10.0 ** (int(up.translate(DIGITS) or 0) - places)


def agrees(text, true):
    """Whether a printed number is `true` rounded to the digits it shows."""
    return abs(value(text) - float(true)) <= 0.5001 * unit(text)
