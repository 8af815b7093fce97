"""How long one trace takes: a table of four sizes, against what it cannot do without and against the usual way.

    python benchmarks/trace.py [--quick]

The trace: forward, one full backward pass, all gradients, both splits (from_space, from_time) and the norm of every
cell. It is compared, in the same run and on one BLAS thread, with

    bare     the matrix products of the same shapes and nothing else: for all steps at once whatever can be, then one
             np.dot a step, layer and direction, into rows that were made beforehand
    barest   the same with the quickest product NumPy has: an array's own dot, its matrix on a cache line
    loop     PyTorch as usually written: a Python loop over steps and layers, retain_grad on every h, one backward(),
             then the norm of every .grad
    loop x4  the same for all that the trace shows: dC/dz, dC/dh and its two parts
    nn.RNN   PyTorch's own forward and backward: the gradients of the weights, and no cell's delta

All in float64. Ratios of medians over interleaved samples, an untimed call before each, so that everyone finds memory
and caches as it left them. PyTorch's columns need torch.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is first imported

import sys
from pathlib import Path
from statistics import median
from timeit import Timer

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from rnnviz import Sequence, backward, draw, forward
from rnnviz.flow import norms

try:
    import torch
except ImportError:
    torch = None
else:
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)

SIZES = {"scalar": (2, 1, 100), "lecture": (3, 8, 50), "medium": (4, 64, 512), "large": (8, 256, 2000)}  # L, H, T
AT_MOST = {"lecture": 8, "medium": 2.6, "large": 1.25}  # trace / bare
AT_LEAST = {"lecture": 25, "medium": 12, "large": 8}  # loop / trace
SAMPLES = {"scalar": 41, "lecture": 41, "medium": 21, "large": 9}
SECONDS_A_SAMPLE = 0.005
COLUMN = "{:8} {:>2} {:>4} {:>5} {:>11}   {:>10} {:>8} {:>12}   {:>10} {:>8} {:>13}   {:>12}"


def experiment(L, H, T):
    """A tanh network with biases, one input and a readout, and a sequence scored at every step."""
    rng = np.random.default_rng(0)
    network = draw(((H, "tanh", True),) * L, 1, 1, g=0.9, bias=0.1)
    return network, Sequence(rng.standard_normal((T, 1)), rng.standard_normal((T, 1)), np.ones(T, bool))


def ours(network, sequence):
    """A function that computes the trace: the gradients, and the norms of delta and grad_h, from_space and from_time."""
    def trace():
        back = backward(network, sequence, forward(network, sequence))
        cells = back.delta, back.grad_h, back.from_space, back.from_time
        return back.dW_T, [[norms(rows) for rows in quantity] for quantity in cells]

    return trace


def bare(network, sequence, quickest=False):
    """A function that does the trace's matrix products and nothing else, on numbers like the trace's."""
    L, T, H, dot = len(network.layers), sequence.T, network.layers[0].n, np.dot
    rng = np.random.default_rng(1)
    state, delta, a, message = (rng.standard_normal((T, H)) for _ in range(4))
    o, sent = (rng.standard_normal((T, 1)) for _ in range(2))
    W_S, W_T = ([getattr(layer, name) for layer in network.layers] for name in ("W_S", "W_T"))
    below = [sequence.x] + [state] * (L - 1)
    to_below = [np.empty_like(rows) for rows in below]
    dW_S, dW_T = [np.empty_like(W) for W in W_S], [np.empty_like(W) for W in W_T]
    W_out, dW_out = network.W_out, np.empty_like(network.W_out)
    forth, back = list(zip(state, a, strict=True)), list(zip(delta[::-1], message[::-1], strict=True))
    W_there, W_back = [on_a_cache_line(W) for W in W_T], [on_a_cache_line(W.T) for W in W_T]

    def step_by_step(rows, W):
        for v, out in rows:
            dot(v, W, out=out)

    def step_by_step_quickest(rows, W):
        product = W.dot
        for v, out in rows:
            product(v, out)

    steps = step_by_step_quickest if quickest else step_by_step
    there, again = (W_there, W_back) if quickest else ([W.T for W in W_T], W_T)

    def products():
        for l in range(L):
            dot(below[l], W_S[l].T, out=a)
            steps(forth, there[l])
        dot(state, W_out.T, out=o)
        dot(sent, W_out, out=message)
        dot(sent.T, state, out=dW_out)
        for l in reversed(range(L)):
            steps(back, again[l])
            dot(delta.T, below[l], out=dW_S[l])
            dot(delta.T, state, out=dW_T[l])
            dot(delta, W_S[l], out=to_below[l])

    return products


def on_a_cache_line(W):
    """A copy of W, by rows."""
    room = np.empty(W.size + 8)
    start = -room.ctypes.data % 64 // 8
    copy = room[start:start + W.size].reshape(W.shape)
    copy[...] = W
    return copy


def loop(network, sequence, all_four=False):
    """PyTorch with retain_grad: a function that returns W_T's gradients and the norms at every cell, as `ours` or of grad_h."""
    layers = [[torch.tensor(array, requires_grad=True) for array in (layer.W_S, layer.W_T, layer.b)]
              for layer in network.layers]
    W_out, b_out = (torch.tensor(array, requires_grad=True) for array in (network.W_out, network.b_out))
    x, target = torch.tensor(sequence.x), torch.tensor(sequence.target)

    def trace():
        for parameter in (W_out, b_out, *(p for layer in layers for p in layer)):
            parameter.grad = None
        before = [torch.zeros(len(b)) for _, _, b in layers]
        kept, loss = [[[] for _ in layers] for _ in range(4 if all_four else 1)], 0.0
        for t in range(len(x)):
            below = x[t]
            for l, (W_S, W_T, b) in enumerate(layers):
                z = W_S @ below + W_T @ before[l] + b
                h = torch.tanh(z)
                below, before[l] = (h.clone(), h.clone()) if all_four else (h, h)
                for quantity, tensor in zip(kept, (z, h, below, before[l]) if all_four else (h,), strict=True):
                    tensor.retain_grad()
                    quantity[l].append(tensor)
            loss = loss + 0.5 * ((W_out @ below + b_out - target[t]) ** 2).sum()
        loss.backward()
        size = [[[0.0 if tensor.grad is None else tensor.grad.norm().item() for tensor in row] for row in quantity]
                for quantity in kept]
        return [W_T.grad for _, W_T, _ in layers], size

    return trace


def nn_rnn(network, sequence):
    """torch.nn.RNN and a readout: a function that returns W_T's gradients."""
    L, H = len(network.layers), network.layers[0].n
    rnn, readout = torch.nn.RNN(1, H, L), torch.nn.Linear(H, 1)
    with torch.no_grad():
        for l, layer in enumerate(network.layers):
            for name, array in (("weight_ih", layer.W_S), ("weight_hh", layer.W_T), ("bias_ih", layer.b),
                                ("bias_hh", 0 * layer.b)):
                getattr(rnn, f"{name}_l{l}").copy_(torch.tensor(array))
        readout.weight.copy_(torch.tensor(network.W_out))
        readout.bias.copy_(torch.tensor(network.b_out))
    x, target = torch.tensor(sequence.x), torch.tensor(sequence.target)

    def gradients():
        rnn.zero_grad()
        readout.zero_grad()
        (0.5 * (readout(rnn(x)[0]) - target) ** 2).sum().backward()
        return [getattr(rnn, f"weight_hh_l{l}").grad for l in range(L)], None

    return gradients


def check(contestants):
    """Raises AssertionError unless all contestants that compute gradients agree."""
    dW_T, size = contestants["trace"]()
    for name, same in {"loop": size[1:2], "loop x4": size, "nn.RNN": None}.items():
        if name in contestants:
            theirs, their_size = contestants[name]()
            for a, b in zip(theirs, dW_T, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9)
            if same is not None:
                np.testing.assert_allclose(their_size, same, rtol=1e-6, atol=1e-12)


def medians(contestants, samples):
    """Seconds a call takes, the median of samples taken in turns, for each contestant."""
    timers = {name: Timer(function) for name, function in contestants.items()}
    number = {name: 1 + int(SECONDS_A_SAMPLE / timer.timeit(1)) for name, timer in timers.items()}
    times = {name: [] for name in timers}
    for _ in range(samples):
        for name, timer in timers.items():
            timer.timeit(1)
            times[name].append(timer.timeit(number[name]) / number[name])
    return {name: median(of_one) for name, of_one in times.items()}


def main(quick):
    print(f"{os.cpu_count()} cores, one BLAS thread, NumPy {np.__version__}, "
          + (f"PyTorch {torch.__version__}" if torch else "no PyTorch"))
    print(COLUMN.format("", "L", "H", "T", "trace", "trace/bare", "at most", "trace/barest", "loop/trace", "at least",
                        "loop x4/trace", "nn.RNN/trace"))
    for name, (L, H, T) in SIZES.items():
        made = experiment(L, H, T)
        contestants = {"trace": ours(*made), "bare": bare(*made), "barest": bare(*made, quickest=True)}
        if torch:
            contestants |= {"loop": loop(*made), "loop x4": loop(*made, all_four=True), "nn.RNN": nn_rnn(*made)}
        check(contestants)
        took = medians(contestants, SAMPLES[name] // (3 if quick else 1))
        trace = took["trace"]
        against = [f"{took[other] / trace:.1f}" if torch else "-" for other in ("loop", "loop x4", "nn.RNN")]
        print(COLUMN.format(
            name, L, H, T, f"{trace * 1e3:.2f} ms", f"{trace / took['bare']:.2f}", AT_MOST.get(name, ""),
            f"{trace / took['barest']:.2f}", against[0], AT_LEAST.get(name, ""), *against[1:]), flush=True)


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
