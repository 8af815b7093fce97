"""What Wall costs: error surfaces of 160 x 160 samples, the descents over them, and the picture.

    python benchmarks/wall.py [--quick]

    surface      loss and gradient of all samples. Against bare: the same samples' states alone, forward in a loop over steps
    network      a surface along two weights of a network. Against one by one: forward and one full backward pass for each
                 sample, as often as there are samples
    first        surface, both descents and the specification of the figure: all that Python does before the first picture
    moved        both descents and the specification, where the surface is at hand

All in float64. Ratios of medians over interleaved samples, an untimed call before each, so that everyone finds memory
and caches as it left them. "first" must stay under a second.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is first imported

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from trace import experiment, medians

from rnnviz import backward, forward
from rnnviz.along import of_network
from rnnviz.cells import sigmoid
from rnnviz.figures.wall import wall_spec
from rnnviz.landscape import SURFACES, affordable, surface, wall

SIZES = {"lecture": (3, 8, 50), "wide": (3, 16, 30)}  # L, H, T
ROUGH = 12  # samples each way of the surface that is also made one by one
SAMPLES = 21
MOST = {"surface": 5, "network": 0.5, "first": 1000}  # of bare; of one by one; milliseconds
ROW = "{:22} {:>8} {:>12} {:>12} {:>8} {:>8}"


def points(shown, n=160):
    return np.stack(np.meshgrid(np.linspace(*shown.x, n), np.linspace(*shown.y, n)), axis=-1).reshape(-1, 2)


def bare_unit(shown):
    """A function that runs the unit forward at every sample and nothing else."""
    w, b = points(shown).T.copy()

    def run():
        x = np.full(len(w), shown.landscape.x_0)
        for _ in range(shown.landscape.T):
            x = w * sigmoid(x) + b
        return x

    return run


def bare_counting(shown):
    """A function that runs the counting network forward at every sample and every sequence, and nothing else."""
    wx, wRec = points(shown).T[..., None]
    bits = shown.landscape.bits

    def run():
        s = np.zeros((len(wx), len(bits)))
        for k in range(bits.shape[1]):
            s = bits[:, k] * wx + s * wRec
        return s

    return run


def along(size):
    """A TwoWeights of the trace benchmark's network, and its frame."""
    network, sequence = experiment(*SIZES[size])
    landscape = of_network(network, sequence, "W_T1 1 1", "W_T2 1 2")
    return landscape, [(value - 1.0, value + 1.0) for value in landscape.here]


def one_by_one(landscape, frame):
    """A function that runs forward and backward for each sample by itself."""
    made = [landscape.at(np.array([point])) for point in
            np.stack(np.meshgrid(*(np.linspace(*side, ROUGH) for side in frame)), axis=-1).reshape(-1, 2)]
    plain = landscape.network, landscape.sequence

    def run():
        for _ in made:
            backward(*plain, forward(*plain))

    return run


def show(name, samples, took, other, at_most, milliseconds=False):
    ratio = "" if milliseconds else f"{took / other:.2f}"
    against = f"{other * 1e3:.2f} ms" if other else ""
    print(ROW.format(name, samples, f"{took * 1e3:.2f} ms", against, ratio, at_most), flush=True)


def main(quick):
    samples = SAMPLES // (4 if quick else 1)
    print(f"{os.cpu_count()} cores, one BLAS thread, NumPy {np.__version__}, load {os.getloadavg()[0]:.1f}")
    print(ROW.format("", "samples", "took", "against", "ratio", "at most"))
    for name, bare in (("one unit", bare_unit), ("counting", bare_counting)):
        shown = SURFACES[name]
        took = medians({"ours": lambda s=shown: surface(s.landscape, s.x, s.y), "bare": bare(shown)}, samples)
        show(f"surface, {name}", 160, took["ours"], took["bare"], MOST["surface"])
    for size in SIZES:
        landscape, frame = along(size)
        took = medians({"ours": lambda l=landscape, f=frame: surface(l, *f, ROUGH), "one": one_by_one(landscape, frame)},
                       max(3, samples // 4))
        show(f"network, {size}", ROUGH, took["ours"], took["one"], MOST["network"])
    for name, shown in SURFACES.items():
        made = shown.wall()
        took = medians({"first": lambda s=shown: wall_spec(s.wall(), page=True),
                        "moved": lambda s=shown, m=made.surface: wall_spec(s.wall(made=m), page=True)}, max(3, samples // 4))
        for what in took:
            show(f"{what}, {name}", 160, took[what], None, f"{MOST['first']} ms", milliseconds=True)
    for size in SIZES:
        landscape, frame = along(size)
        took = medians({"first": lambda l=landscape, f=frame: wall_spec(wall(l, *f, l.here, steps=60), page=True)}, 3)
        show(f"first, network {size}", affordable(landscape), took["first"], None, f"{MOST['first']} ms", milliseconds=True)


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
