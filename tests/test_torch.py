"""PyTorch as a third opinion, in float64; where torch cannot be imported this file holds no tests."""

import numpy as np
import pytest

from rnnviz.bptt import backward, forward
from rnnviz.network import Layer, Network
from rnnviz.tasks import LOSSES, Sequence
from rnnviz.windows import full, truncated

try:
    import torch
except ImportError:
    torch = None

# 1e-10 of the largest entry: two programs that round in different orders, 40 steps at gain 1
TOLERANCE = 1e-10


def close(found, expected):
    expected = expected.detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * max(1.0, np.abs(expected).max()))


def stack(cell, widths, n_in, n_out, seed):
    rng = np.random.default_rng(seed)
    layers, below = [], n_in
    for n in widths:
        layers.append(Layer(rng.standard_normal((n, below)) / np.sqrt(below), rng.standard_normal((n, n)) / np.sqrt(n),
                            0.1 * rng.standard_normal(n), cell, rng.standard_normal(n)))
        below = n
    return Network(layers, rng.standard_normal((n_out, below)) / np.sqrt(below), rng.standard_normal(n_out))


def leaves(network):
    """The network's parameters as tensors that ask for a gradient, by name and layer."""
    made = {(name, l): torch.tensor(getattr(layer, name).copy(), requires_grad=True)
            for l, layer in enumerate(network.layers) for name in ("W_S", "W_T", "b", "h_0")}
    for name in ("W_out", "b_out"):
        made[name, None] = torch.tensor(getattr(network, name).copy(), requires_grad=True)
    return made


def check(network, sent, tensors):
    for (name, l), tensor in tensors.items():
        found = getattr(sent, "d" + name)
        close(found if l is None else found[l], tensor.grad if tensor.grad is not None else torch.zeros_like(tensor))


if torch is not None:
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)

    PHI = {"tanh": torch.tanh, "relu": torch.relu, "linear": lambda z: z, "sigmoid": torch.sigmoid}

    @pytest.mark.parametrize("cell", ["tanh", "relu"])
    def test_the_gradients_of_nn_RNN_are_those_of_backward(cell):
        T, n, L = 40, 6, 3
        network = stack(cell, (n,) * L, 3, 2, seed=1)
        rng = np.random.default_rng(2)
        seq = Sequence(rng.standard_normal((T, 3)), rng.standard_normal((T, 2)), np.ones(T, bool))
        model = torch.nn.RNN(3, n, L, nonlinearity=cell)
        with torch.no_grad():
            for l, layer in enumerate(network.layers):
                getattr(model, f"weight_ih_l{l}").copy_(torch.tensor(layer.W_S.copy()))
                getattr(model, f"weight_hh_l{l}").copy_(torch.tensor(layer.W_T.copy()))
                getattr(model, f"bias_ih_l{l}").copy_(torch.tensor(layer.b.copy()))
                getattr(model, f"bias_hh_l{l}").zero_()
        x = torch.tensor(seq.x.copy(), requires_grad=True)
        h_0 = torch.tensor(np.stack([layer.h_0 for layer in network.layers]), requires_grad=True)
        y = model(x, h_0)[0] @ torch.tensor(network.W_out.copy()).T + torch.tensor(network.b_out.copy())
        (0.5 * (y - torch.tensor(seq.target.copy())) ** 2).sum().backward()
        sent = backward(network, seq, forward(network, seq))
        for l in range(L):
            close(sent.dW_S[l], getattr(model, f"weight_ih_l{l}").grad)
            close(sent.dW_T[l], getattr(model, f"weight_hh_l{l}").grad)
            close(sent.db[l], getattr(model, f"bias_ih_l{l}").grad)
            close(sent.dh_0[l], h_0.grad[l])
        close(sent.dx, x.grad)

    def torch_losses(loss, o, target):
        if loss == "softmax":
            return torch.nn.functional.cross_entropy(o, target, reduction="none")
        if loss == "sigmoid":
            return torch.nn.functional.binary_cross_entropy_with_logits(o, target, reduction="none").sum(-1)
        return ((o - target) ** 2).sum(-1) * (0.5 if loss == "half squared" else 1.0)

    @pytest.mark.parametrize("k", [None, 5])
    @pytest.mark.parametrize("loss", LOSSES)
    @pytest.mark.parametrize("cell", PHI)
    def test_a_loop_in_torch_that_detaches_every_k_steps_has_the_gradients_of_tau_max_and_tau_b_of_k(cell, loss, k):
        T = 20
        network = stack(cell, (4, 3), 2, 3, seed=3)
        rng = np.random.default_rng(4)
        target = rng.uniform(0.1, 1, (T, 3))
        seq = Sequence(rng.standard_normal((T, 2)), target / target.sum(axis=1, keepdims=True), np.ones(T, bool), loss)
        tensors = leaves(network)
        h = [tensors["h_0", l] for l in range(2)]
        kept, outputs = [], []
        for t in range(T):
            if k and t and t % k == 0:
                h = [v.detach() for v in h]
            below = torch.tensor(seq.x[t].copy())
            for l in range(2):
                z = tensors["W_S", l] @ below + tensors["W_T", l] @ h[l] + tensors["b", l]
                z.retain_grad()
                h[l] = below = PHI[cell](z)
                below.retain_grad()
                kept.append((l, t, z, below))
            outputs.append(tensors["W_out", None] @ below + tensors["b_out", None])
        torch_losses(loss, torch.stack(outputs), torch.tensor(seq.target.copy())).sum().backward()
        sent = backward(network, seq, forward(network, seq), truncated(T, k, k) if k else full(T))
        check(network, sent, tensors)
        for l, t, z, state in kept:
            close(sent.delta[l][t], z.grad)
            close(sent.grad_h[l][t], state.grad)
