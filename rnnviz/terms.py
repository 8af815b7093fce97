"""What one step adds to one gradient.

    dC/dW_S^l = sum_t delta^l_t (x) h^{l-1}_t        dC/dW_out = sum_t dL_t/do_t (x) h^L_t
    dC/dW_T^l = sum_t delta^l_t (x) h^l_{t-1}        dC/db_out = sum_t dL_t/do_t
    dC/db^l   = sum_t delta^l_t
    dC/dx_t   = (W_S^1)^T delta^1_t                  dC/dh^l_0 = (W_T^l)^T delta^l_1

A Term keeps what a formula shows and no large array: the numbers of short vectors, the sizes of all.
"""

from dataclasses import dataclass

import numpy as np

from .cells import CELLS
from .flow import SHORT, norms

NAMES = ("W_S", "W_T", "b", "W_out", "b_out", "x", "h_0")
OF_READOUT = ("W_out", "b_out")
ALONE = ("x", "h_0")  # one step's own, not a sum over steps


@dataclass(frozen=True)
class Amount:
    """A vector or matrix as a formula shows it.

    size: Euclidean (Frobenius) norm. numbers: those of a vector of up to 6, or of a matrix that is 1 x 1, else None.
    """

    size: float
    numbers: tuple | None = None

    @property
    def number(self):
        """The signed number of what is 1 x 1, else None."""
        return self.numbers[0] if self.numbers is not None and len(self.numbers) == 1 else None


@dataclass(frozen=True)
class Term:
    """What step `step` adds to the gradient `name` of layer `layer`, both from 0.

    factors: the Amounts it is made of, in the order of the formulas above: (delta, h), (delta,) for a bias, (W, delta) for
    x and h_0. own: their product; total: the gradient. first, last, count: the steps that are summed, from 0, and how many
    they are (-1, -1, 0 where there are none); T: of how many. passes: how many reach this step; scored, seen: whether it has
    a loss, and whether a pass carries it; unseen: how many losses none carries. top: whether the layer is the last.
    """

    name: str
    layer: int
    step: int
    factors: tuple
    own: Amount
    total: Amount
    first: int
    last: int
    count: int
    T: int
    passes: int
    scored: bool
    seen: bool
    unseen: int
    top: bool

    @property
    def reached(self):
        """Whether some pass comes to this step."""
        return self.passes > 0

    @property
    def counted(self):
        """Whether this step is among those summed: its loss is seen (readout), or a pass reaches it."""
        return self.scored and self.seen if self.name in OF_READOUT else self.reached

    @property
    def structural_zero(self):
        """Whether it is 0 because the first step has no state before it but h_0 = 0, not because a gradient vanished."""
        return self.name == "W_T" and self.step == 0 and self.factors[1].size == 0


def term(run, name, l, t):
    """The Term that step t adds to one gradient of layer l (from 0), of a run without a batch.

    name: one of NAMES. The readout's are of the top layer, x is below the first and h_0 before the first step, whatever l or
    t is given there. Under truncation delta is the sum over passes, and only the steps that passes reach are summed.
    Raises ValueError, in a plain sentence, where there is no such gradient.
    """
    l, t = _place(run, name, l, t)
    windows, scored, seen = run.windows, run.sequence.scored, run.windows.seen()
    left, right, total = _parts(run, name, l, t)
    factors = (amount(left),) if right is None else (amount(left), amount(right))
    if name in ALONE:
        own, steps = amount(total), np.array([t])
    else:
        own = factors[0] if right is None else _outer(*factors)
        steps = np.flatnonzero(scored & seen if name in OF_READOUT else windows.reached())
    first, last = (int(steps[0]), int(steps[-1])) if len(steps) else (-1, -1)
    return Term(
        name, l, t, factors, own, amount(total), first, last, len(steps), windows.T, int(windows.reaches_each()[t]),
        bool(scored[t]), bool(seen[t]), int((scored & ~seen).sum()), l == len(run.network.layers) - 1)


def amount(values):
    """The Amount of a vector (n,) or matrix (n, m)."""
    flat = values.reshape(-1)
    short = flat.size == 1 or (values.ndim == 1 and flat.size <= SHORT)
    return Amount(float(norms(flat[None])[0]), tuple(flat.tolist()) if short else None)


def _outer(left, right):
    """The Amount of left (x) right: the norm of an outer product is the product of the norms."""
    one = left.number is not None and right.number is not None
    return Amount(left.size * right.size, (left.number * right.number,) if one else None)


def _parts(run, name, l, t):
    """(left, right, total): the two factors, right None for a bias, and the whole gradient."""
    layer, back = run.network.layers[l], run.backward
    if name in OF_READOUT:
        sent = run.forward.slope_out[t] * back.seen[t]
        return (sent, run.forward.h[l][t], back.dW_out) if name == "W_out" else (sent, None, back.db_out)
    delta = back.delta[l][t]
    if name == "x":
        return layer.W_S, delta, back.dx[t]
    if name == "h_0":
        return layer.W_T, delta, back.dh_0[l]
    if name == "W_S":
        return delta, run.forward.h[l - 1][t] if l else run.sequence.x[t], back.dW_S[l]
    if name == "W_T":
        return delta, run.forward.state[l][t], back.dW_T[l]
    return delta, None, back.db[l]


def _place(run, name, l, t):
    """(l, t) where the gradient of this name stands; ValueError where it stands nowhere."""
    if name not in NAMES:
        raise ValueError(f"name is {name!r}; it must be one of {', '.join(NAMES)}")
    layers, T = run.network.layers, run.sequence.T
    l = len(layers) - 1 if name in OF_READOUT else 0 if name == "x" else l
    t = 0 if name == "h_0" else t
    if not 0 <= l < len(layers):
        raise ValueError(f"layer is {l + 1}; it must be 1 to {len(layers)}")
    if not 0 <= t < T:
        raise ValueError(f"step is {t + 1}; it must be 1 to {T}")
    cell = CELLS[layers[l].cell]
    if (cell.gates, cell.states) != (1, 1) and name not in OF_READOUT:
        raise ValueError(f"layer {l + 1} is {layers[l].cell}; these formulas are those of cells without gates")
    if name in ("W_T", "h_0") and not layers[l].recurrent:
        raise ValueError(f"layer {l + 1} is not recurrent; it has no W_T")
    if name in OF_READOUT and run.network.W_out is None:
        raise ValueError(f"there is no readout, so no {name}; y is the state of the top layer")
    if run.backward is None:
        layer, step = run.forward.overflow
        raise ValueError(f"the state of layer {layer + 1} overflows at step {step + 1}; there is no gradient")
    return l, t
