"""A recurrent network as plain weights, and the ways to draw them.

    z_t = W_S h_below_t + W_T h_{t-1} + b        h_t = phi(z_t)        o_t = W_out h_top_t + b_out

Layers may differ in width and cell. A layer without W_T is not recurrent. Without W_out the output
is the top layer's state. Every array may carry a batch of networks on leading axes.
"""

from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from .cells import CELLS
from .values import array, freeze


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer: W_S (k*n, n_below), W_T (k*n, n) or None, b (k*n,), h_0 (states*n,), the name of its cell.

    k is the number of gates of the cell (1 for tanh, relu, linear, sigmoid). b and h_0 are zeros
    unless given. Raises ValueError naming the array, what it was and what it may be.
    """

    W_S: np.ndarray
    W_T: np.ndarray | None = None
    b: np.ndarray | None = None
    cell: str = "tanh"
    h_0: np.ndarray | None = None

    def __post_init__(self):
        if self.cell not in CELLS:
            raise ValueError(f"cell is {self.cell!r}; it must be one of {', '.join(CELLS)}")
        cell = CELLS[self.cell]
        W_S = array("W_S", self.W_S, (None, None))
        rows = W_S.shape[-2]
        if rows % cell.gates:
            raise ValueError(f"W_S has {rows} rows; a {self.cell} layer needs a multiple of {cell.gates}")
        n = rows // cell.gates
        if self.W_T is None and (cell.gates, cell.states) != (1, 1):
            raise ValueError(f"a {self.cell} layer needs W_T")
        object.__setattr__(self, "W_S", W_S)
        if self.W_T is not None:
            object.__setattr__(self, "W_T", array("W_T", self.W_T, (rows, n)))
        object.__setattr__(self, "b", array("b", np.zeros(rows) if self.b is None else self.b, (rows,)))
        h_0 = np.zeros(cell.states * n) if self.h_0 is None else self.h_0
        object.__setattr__(self, "h_0", array("h_0", h_0, (cell.states * n,)))

    @property
    def n(self):
        """Number of units."""
        return self.W_S.shape[-2] // CELLS[self.cell].gates

    @property
    def n_below(self):
        return self.W_S.shape[-1]

    @property
    def recurrent(self):
        return self.W_T is not None

    @property
    def size(self):
        """Numbers in W_S and W_T: the multiply-adds of one step."""
        return self.W_S.size + (self.W_T.size if self.recurrent else 0)


@dataclass(frozen=True, eq=False)
class Network:
    """Layers from the input upwards, and a readout W_out (n_out, n_L), b_out (n_out,), or none: y = h of the top layer.

    Raises ValueError where neighbouring shapes do not fit.
    """

    layers: tuple
    W_out: np.ndarray | None = None
    b_out: np.ndarray | None = None

    def __post_init__(self):
        layers = tuple(self.layers)
        if not layers:
            raise ValueError("a network needs at least one layer")
        object.__setattr__(self, "layers", layers)
        for l, (below, layer) in enumerate(zip(layers, layers[1:], strict=False), start=2):
            if layer.n_below != below.n:
                raise ValueError(
                    f"W_S of layer {l} has {layer.n_below} columns; layer {l - 1} has {below.n} units"
                )
        if self.W_out is None and self.b_out is not None:
            raise ValueError("b_out needs W_out")
        if self.W_out is not None:
            W_out = array("W_out", self.W_out, (None, layers[-1].n))
            b_out = np.zeros(W_out.shape[-2]) if self.b_out is None else self.b_out
            object.__setattr__(self, "W_out", W_out)
            object.__setattr__(self, "b_out", array("b_out", b_out, (W_out.shape[-2],)))
        batch = layers[0].W_S.shape[:-2]
        given = [(f"{name} of layer {l}", getattr(layer, name), axes) for l, layer in enumerate(layers, start=1)
                 for name, axes in (("W_S", 2), ("W_T", 2), ("b", 1), ("h_0", 1))]
        for name, value, axes in (*given, ("W_out", self.W_out, 2), ("b_out", self.b_out, 1)):
            if value is not None and value.shape[:-axes] not in ((), batch):
                raise ValueError(f"{name} has shape {value.shape}; its batch must be that of layer 1's W_S, {batch}, or none")

    @property
    def n_in(self):
        return self.layers[0].n_below

    @property
    def n_out(self):
        return self.layers[-1].n if self.W_out is None else self.W_out.shape[-2]

    @property
    def widths(self):
        return tuple(layer.n for layer in self.layers)

    @property
    def size(self):
        """Numbers in all weight matrices: the multiply-adds of one step forward."""
        return sum(layer.size for layer in self.layers) + (0 if self.W_out is None else self.W_out.size)


def orthogonal(rng, n, m):
    """Random (n, m) with orthonormal rows or columns (Saxe et al. 2014): norms are kept exactly where n = m."""
    q, r = np.linalg.qr(rng.standard_normal((max(n, m), min(n, m))))
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)  # the sign makes the draw uniform (Mezzadri 2007)
    return q if n >= m else q.T


def identity(rng, n, m):
    """Ones on the diagonal: the start of Le, Jaitly and Hinton (2015)."""
    return np.eye(n, m)


def gaussian(rng, n, m):
    """Independent normal entries of variance 1/m, so that norms are kept on average."""
    return rng.standard_normal((n, m)) / np.sqrt(m)


def glorot(rng, n, m):
    """Uniform entries of variance 2/(n+m) (Glorot and Bengio 2010)."""
    return rng.uniform(-1.0, 1.0, (n, m)) * np.sqrt(6.0 / (n + m))


def diagonal(rng, n, m):
    """A diagonal from 1 down to 1/n: every unit keeps its own memory, the last one the shortest."""
    made = np.zeros((n, m))
    k = min(n, m)
    made[np.arange(k), np.arange(k)] = 1.0 - np.arange(k) / k
    return made


def rotation(rng, n, m):
    """Turns by 2 pi j/n in the j-th pair of units: every eigenvalue on the unit circle, norms kept exactly."""
    made = np.eye(n, m)
    for j in range(min(n, m) // 2):
        angle = 2.0 * np.pi * (j + 1) / n
        c, s = np.cos(angle), np.sin(angle)
        made[2 * j:2 * j + 2, 2 * j:2 * j + 2] = [[c, -s], [s, c]]
    return made


INITS = {
    "orthogonal": orthogonal,
    "Gaussian": gaussian,
    "Glorot": glorot,
    "identity": identity,
    "diagonal": diagonal,
    "rotation": rotation,
}


def draw(stack, n_in, n_out, *, init="orthogonal", g=1.0, input_scale=1.0, bias=0.0, seed=0, given=MappingProxyType({}),
         checkpoint=lambda: None):
    """A network drawn at random, the same one for the same arguments.

    stack: one (width, cell name, recurrent) a layer, from the input upwards.
    n_out: outputs of the readout, or None for y = h of the top layer.
    W_T = g * INITS[init]; W_S = input_scale * a Gaussian of variance 1/n_below; b = bias; W_out Gaussian.
    Each matrix has its own random stream, so that a change of g, of one width or of one layer's kind
    leaves the draws of all others as they were. given: matrices by name (W_S1, W_T1, b1, h1, .., W_out, b_out) that
    stand in place of drawn ones. checkpoint() is called before each draw and may raise to stop.
    Raises ValueError on an unknown name.
    """
    if init not in INITS:
        raise ValueError(f"init is {init!r}; it must be one of {', '.join(INITS)}")

    def drawn(name, scale, how, which, n, m):
        if name in given:
            return given[name]
        checkpoint()
        return scale * (remembered if n * m <= SMALL else unscaled)(how, (seed, *which), n, m)

    layers, below = [], n_in
    for l, (n, cell, recurrent) in enumerate(stack):
        W_S = drawn(f"W_S{l + 1}", input_scale, "Gaussian", (l, 0), n, below)
        W_T = drawn(f"W_T{l + 1}", g, init, (l, 1), n, n) if recurrent else None
        layers.append(Layer(W_S, W_T, given.get(f"b{l + 1}", np.full(n, float(bias))), cell, given.get(f"h{l + 1}")))
        below = n
    if n_out is None:
        return Network(layers)
    return Network(layers, drawn("W_out", 1.0, "Gaussian", (len(stack), 2), n_out, below), given.get("b_out"))


def unscaled(init, stream, n, m):
    """The (n, m) matrix of one random stream, read-only."""
    return freeze(INITS[init](np.random.default_rng(stream), n, m))


SMALL = 1024  # entries
remembered = lru_cache(maxsize=256)(unscaled)  # 2 MB at most: a dial that moves only scales what it drew before


def split_name(name):
    """("W_T", 0) of W_T1, ("W_out", None) of W_out: what a matrix is, and its layer, from 0."""
    kind = name.rstrip("0123456789")
    return kind, int(name[len(kind):]) - 1 if len(kind) < len(name) else None


def matrices(network):
    """{name: array} of every matrix, from the input upwards: W_S1, W_T1, b1, h1, .., W_out, b_out."""
    found = {}
    for l, layer in enumerate(network.layers, start=1):
        found |= {f"W_S{l}": layer.W_S, f"W_T{l}": layer.W_T, f"b{l}": layer.b, f"h{l}": layer.h_0}
    found |= {"W_out": network.W_out, "b_out": network.b_out}
    return {name: value for name, value in found.items() if value is not None}
