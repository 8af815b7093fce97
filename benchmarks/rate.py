"""What Rate costs: singular values of all products that are shown, against one BPTT and against a plain SVD of them.

    python benchmarks/rate.py [--quick]

One BPTT is forward and one full backward pass of the same network over the same sequence. Against it, in the same run and on
one BLAS thread:

    rate          all that the view shows of a run: the layer's products and the stack's, bounds, eigenvalues, slopes
    layer         the products of one layer alone, computed twice, because floats must agree
    plain SVD     the same products multiplied out, and numpy.linalg.svd of each that is shown: what is wrong after a few
                  lags, by how many decades at the last one

All in float64. Medians over interleaved samples, an untimed call before each, so that everyone finds memory and caches as it
left them.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is first imported

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from trace import medians

from rnnviz import backward, forward
from rnnviz.experiment import Experiment, run
from rnnviz.jacobians import rates
from rnnviz.spectra import spectrum

SIZES = {"typical": (3, 16, 30), "one layer": (1, 16, 30), "long": (3, 16, 200), "wide": (1, 64, 200), "deep": (3, 64, 200)}
MILLISECONDS = {"typical": 30, "wide": 250}
SAMPLES = 21
ROW = "{:10} {:>2} {:>4} {:>5}   {:>10} {:>10} {:>10} {:>10} {:>9} {:>12} {:>9}"


def functions(made):
    """{name: function} of one BPTT, of all Rate shows, of one layer's products, and of a plain SVD of the same."""
    network, sequence = made.network, made.sequence
    W_T, slopes, T = network.layers[0].W_T, made.backward.slopes[0], sequence.T
    shown = set(rates(made).own.lags.tolist())

    def jacobian(k):
        return slopes[-1 - k, :, None] * W_T

    def plain():
        product, found = np.eye(len(W_T)), []
        for k in range(T - 1):
            product = product @ jacobian(k)
            if k + 1 in shown:
                found.append(np.linalg.svd(product, compute_uv=False))
        return found

    return {"BPTT": lambda: backward(network, sequence, forward(network, sequence)), "rate": lambda: rates(made),
            "layer": lambda: spectrum(network.layers[:1], made.backward.slopes[:1], T - 1), "plain SVD": plain}


def decades_off(made, plain):
    """By how many decades a plain SVD misses the smallest singular value at the last lag."""
    with np.errstate(divide="ignore"):
        return abs(np.log10(plain()[-1][-1]) - rates(made).own.log10[-1, -1])


def main(quick):
    samples = SAMPLES // (4 if quick else 1)
    print(f"{os.cpu_count()} cores, one BLAS thread, NumPy {np.__version__}, load {os.getloadavg()[0]:.1f}")
    print(ROW.format("", "L", "H", "T", "BPTT", "rate", "at most", "layer", "/ BPTT", "plain SVD", "misses"))
    for name, (depth, width, T) in SIZES.items():
        made = run(Experiment(depth=depth, width=width, T=T))
        compared = functions(made)
        times = medians(compared, samples)
        took = {each: f"{seconds * 1e3:.2f} ms" for each, seconds in times.items()}
        at_most = f"{MILLISECONDS[name]} ms" if name in MILLISECONDS else ""
        print(ROW.format(name, depth, width, T, took["BPTT"], took["rate"], at_most, took["layer"],
                         f"{times['layer'] / times['BPTT']:.0f}", took["plain SVD"],
                         f"10^{decades_off(made, compared['plain SVD']):.0f}"), flush=True)


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
