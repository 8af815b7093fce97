"""What exponents and very long runs cost.

    python benchmarks/stream.py [--quick]

exponents   the backward pass, in the same run and on one BLAS thread: plain; with the check whether its numbers stayed in the
            middle of the float range; and the pass that carries exponents, by itself, against the plain one
stream      rnnviz.stream over a long sequence, against the matrix products that it cannot do without and nothing else: one
            np.dot a step and layer forward, forward again and back, and one product a segment between two layers; and the
            memory beyond its inputs and norms

All in float64. Ratios of medians over interleaved samples, an untimed call before each, so that everyone finds memory and
caches as it left them.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is first imported

import sys
import time
import tracemalloc
from pathlib import Path
from unittest.mock import patch

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from trace import experiment, medians, on_a_cache_line

from rnnviz import Sequence, backward, bptt, forward, scaled, stream
from rnnviz.exponents import one_pass
from rnnviz.products import nothing
from rnnviz.windows import full

SIZES = ((3, 8, 50), (4, 64, 512), (2, 32, 2000))  # L, H, T
LONG = 2, 32, 1_000_000
AT_MOST = {"check": 1.03, "exponents": 1.4, "stream": 2.2, "megabytes": 40}
SAMPLES = 21


def exponents(size):
    """Milliseconds of the plain backward pass, and the ratios to it of the check and of the pass with exponents."""
    network, sequence = experiment(*size)
    there = forward(network, sequence)
    slopes = backward(network, sequence, there).slopes
    sent = there.slope_out @ network.W_out
    windows, carried = full(sequence.T), scaled.scaled(sent)

    def unchecked():
        with patch.object(bptt, "in_the_middle", lambda *_: True):
            backward(network, sequence, there)

    found = medians({
        "plain": unchecked, "checked": lambda: backward(network, sequence, there),
        "one pass": lambda: bptt._one_pass(network, sent, slopes, windows, nothing),
        "with exponents": lambda: one_pass(network, carried, slopes),
    }, SAMPLES)
    return found["plain"] * 1e3, found["checked"] / found["plain"], found["with exponents"] / found["one pass"]


def bare(network, T, segment=2000):
    """Seconds of the products alone, over T steps in parts."""
    rng, H = np.random.default_rng(1), network.layers[0].n
    rows, out = rng.standard_normal((segment, H)), np.empty((segment, H))
    pairs = list(zip(rows, out, strict=True))
    ways = [on_a_cache_line(np.ascontiguousarray(M)).dot for layer in network.layers
            for M in (layer.W_T, layer.W_T, layer.W_T.T)]
    start = time.perf_counter()
    for _ in range(T // segment):
        for product in ways:
            for v, into in pairs:
                product(v, into)
        for layer in network.layers[1:]:
            for M in (layer.W_S.T, layer.W_S.T, layer.W_S):
                np.matmul(rows, M, out=out)
    return time.perf_counter() - start


def streamed(T):
    """(seconds, seconds of the bare products, megabytes beyond inputs and norms) of a long run."""
    network, _ = experiment(LONG[0], LONG[1], 2)
    rng = np.random.default_rng(0)
    seq = Sequence(rng.standard_normal((T, 1)), rng.standard_normal((T, 1)))
    stream(network, Sequence(seq.x[:4000], seq.target[:4000]))
    pieces, seconds = [], []
    for _ in range(3):  # in turns, so that both find the machine alike
        pieces.append(bare(network, T // 10) * 10)
        start = time.perf_counter()
        stream(network, seq)
        seconds.append(time.perf_counter() - start)
    tracemalloc.start()
    made = stream(network, Sequence(seq.x[:T // 10], seq.target[:T // 10]))
    inputs = 2 * (seq.x[:T // 10].nbytes + seq.target[:T // 10].nbytes)
    beyond = (tracemalloc.get_traced_memory()[1] - made.log_size.nbytes - inputs) / 1e6
    tracemalloc.stop()
    return sorted(seconds)[1], sorted(pieces)[1], beyond


def main(quick):
    print(f"{'L':>2} {'H':>3} {'T':>5}   {'plain ms':>9} {'check':>7} {'exponents':>10}")
    for size in SIZES[:1] if quick else SIZES:
        plain, check, carried = exponents(size)
        print(f"{size[0]:>2} {size[1]:>3} {size[2]:>5}   {plain:9.2f} {check:7.3f} {carried:10.2f}")
    print(f"   at most {AT_MOST['check']:>19} {AT_MOST['exponents']:>10}")
    T = 40_000 if quick else LONG[2]
    seconds, alone, megabytes = streamed(T)
    print(f"\nstream: L {LONG[0]}, H {LONG[1]}, T {T:,}: {seconds:.1f} s, {seconds / alone:.2f} x the bare products (at most "
          f"{AT_MOST['stream']}), {megabytes:.1f} MB beyond inputs and norms (at most {AT_MOST['megabytes']})")


if __name__ == "__main__":
    main("--quick" in sys.argv)
