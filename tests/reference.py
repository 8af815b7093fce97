"""A second, slow opinion: the forward pass in plain loops over t and l, differentiated by complex step.

Nothing here is shared with rnnviz but the values that describe a network, a sequence and a schedule. Activations and
losses are written a second time. A cell or loss that this file does not know is run by its own step or value in
complex numbers: its derivative is still found here without the derivative it declares.

derivative(..., site) is exact to rounding: the imaginary part of f(w + ih) is h f'(w) - O(h^3) and nothing is subtracted.
With h = 1e-200 even h^2 is exactly 0 in float64, so that no nudge moves a relu off the kink at z = 0.
"""

import numpy as np

from rnnviz.cells import CELLS
from rnnviz.tasks import LOSSES

H = 1e-200

PHI = {
    "tanh": np.tanh,
    "relu": lambda z: np.where(z.real > 0, z, 0.0),
    "linear": lambda z: z,
    "sigmoid": lambda z: 1.0 / (1.0 + np.exp(-z)),
}


def softplus(v):
    """log(1 + exp(v)) without overflow, written from the larger of 0 and v."""
    top = np.where(v.real > 0, v, 0.0)
    return top + np.log(np.exp(-top) + np.exp(v - top))


def log_softmax(o):
    top = o[..., :1]
    for j in range(1, o.shape[-1]):
        top = np.where(o[..., j:j + 1].real > top.real, o[..., j:j + 1], top)
    return o - top - np.log(np.exp(o - top).sum(axis=-1, keepdims=True))


LOSS = {
    "half squared": lambda o, target: 0.5 * ((o - target) ** 2).sum(axis=-1),
    "squared": lambda o, target: ((o - target) ** 2).sum(axis=-1),
    "sigmoid": lambda o, target: (target * softplus(-o) + (1.0 - target) * softplus(o)).sum(axis=-1),
    "softmax": lambda o, target: -(target * log_softmax(o)).sum(axis=-1),
}


def matvec(W, v):
    """W v for stacks of matrices or vectors."""
    return np.einsum("...ij,...j->...i", W, v)


def stepped(cell, a_S, a_T, state):
    """The next state of one cell."""
    if cell in PHI:
        return PHI[cell](a_S + a_T)
    lead = np.broadcast_shapes(a_S.shape[:-1], a_T.shape[:-1], state.shape[:-1])
    n = state.shape[-1] // CELLS[cell].states
    z = np.empty((*lead, CELLS[cell].saved * n), complex)
    new = np.empty((*lead, state.shape[-1]), complex)
    CELLS[cell].step(np.broadcast_to(a_S, (*lead, a_S.shape[-1])), np.broadcast_to(a_T, (*lead, a_S.shape[-1])),
                     np.broadcast_to(state, new.shape), z, new)
    return new


def on_h(nudge, state):
    """A nudge of h alone, zero on the memory that stands behind h in the state of a gated cell."""
    if np.ndim(nudge) == 0:
        return nudge
    memory = state.shape[-1] - nudge.shape[-1]
    return np.concatenate([nudge, np.zeros((*nudge.shape[:-1], memory))], axis=-1)


def losses(network, sequence, nudges=None, inside=None):
    """(.., T) the loss of every step, scored or not, and (.., T, n_out) o, when some numbers are nudged.

    nudges: site -> what is added, copies on leading axes. Sites are "W_S", "W_T", "b", "h_0" with a layer (from 0),
    "W_out", "b_out", "x", and single cells: "z" (the pre-activation), "h" (the state, for all who read it), "up" (as
    the layer above or the readout reads it), "next" (as the next step reads it). inside (T,) bool: the steps at which a
    weight is nudged; at the others it has its plain value.
    """
    nudges = nudges or {}
    inside = np.ones(sequence.T, bool) if inside is None else inside

    def added(name, l, t, per_step):
        nudge = nudges.get((name, l))
        if nudge is None or not inside[t]:
            return 0.0
        return nudge[..., t, :] if per_step else nudge

    state = [layer.h_0 + 0j for layer in network.layers]
    if inside[0]:
        state = [h + nudges.get(("h_0", l), 0.0) for l, h in enumerate(state)]
    heard_next = list(state)
    found, outputs = [], []
    for t in range(sequence.T):
        below = sequence.x[t] + added("x", None, t, True)
        for l, layer in enumerate(network.layers):
            a_S = matvec(layer.W_S + added("W_S", l, t, False), below) + layer.b + added("b", l, t, False)
            a_S = a_S + added("z", l, t, True)
            h_before = heard_next[l][..., :layer.n]
            a_T = matvec(layer.W_T + added("W_T", l, t, False), h_before) if layer.recurrent else np.zeros(1)
            new = stepped(layer.cell, a_S, a_T, heard_next[l])
            new = new + on_h(added("h", l, t, True), new)
            heard_next[l] = new + on_h(added("next", l, t, True), new)
            below = (new + on_h(added("up", l, t, True), new))[..., :layer.n]
        o = below
        if network.W_out is not None:
            b_out = network.b_out + added("b_out", None, t, False)
            o = matvec(network.W_out + added("W_out", None, t, False), below) + b_out
        loss = LOSS.get(sequence.loss) or (lambda o, target: LOSSES[sequence.loss](o, target)[1])
        found.append(loss(o, sequence.target[t]))
        outputs.append(o)
    lead = np.broadcast_shapes(*(np.shape(v) for v in found))
    return (np.stack([np.broadcast_to(v, lead) for v in found], axis=-1),
            np.stack([np.broadcast_to(o, (*lead, o.shape[-1])) for o in outputs], axis=-2))


def shape_of(network, sequence, site):
    name, l = site
    if name == "x":
        return sequence.x.shape
    if name in ("W_out", "b_out"):
        return getattr(network, name).shape
    layer = network.layers[l]
    if name == "z":
        return (sequence.T, len(layer.b))
    if name in ("h", "up", "next"):
        return (sequence.T, layer.n)
    return getattr(layer, name).shape


def derivative(network, sequence, site, windows, p):
    """d(losses of pass p)/d(site), in the shape of the site, by complex step.

    A truncated pass is the derivative of its own losses when a number is nudged only at the steps the pass may reach,
    the state entering them held (MATH: Truncation).
    """
    shape = shape_of(network, sequence, site)
    size = int(np.prod(shape))
    nudge = (1j * H * np.eye(size)).reshape(size, *shape)
    t = np.arange(sequence.T)
    reaches = (windows.first[p] <= t) & (t <= windows.last[p])
    carries = (windows.since[p] <= t) & (t <= windows.last[p]) & sequence.scored
    loss, _ = losses(network, sequence, {site: nudge}, reaches)
    return (loss[..., carries].sum(axis=-1).imag / H * np.ones(size)).reshape(shape)
