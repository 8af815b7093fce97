"""What the map of gain against lag costs: the default one, and larger ones, against the same numbers run by run.

    python benchmarks/map.py [--quick]

    map        sweep: 16 draws, 60 recurrent scales, 60 lags, and the theory of wide layers
    measured   the same without the theory
    run        one run of the same network over as many steps and its reading: the map replaces 960 of them

All in float64, on one BLAS thread and one core. Ratios of medians over interleaved samples, an untimed call before each.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is first imported

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from trace import medians

from rnnviz import Experiment, gainmap, read, run

SIZES = {"default": Experiment(), "one layer of 32": Experiment(depth=1, width=32), "3 layers of 64": Experiment(width=64),
         "relu": Experiment(cell="relu", init="Gaussian"), "T = 200": Experiment(T=200)}
SECONDS = 2.0  # that the default map may take
SAMPLES = 7
ROW = "{:16} {:>6} {:>10} {:>10} {:>10} {:>14} {:>8}"


def measured(experiment):
    """A function that measures a map's draws and asks theory nothing."""
    lags = gainmap.lags_of(experiment)

    def draws():
        for number in range(gainmap.DRAWS):
            of_draw = gainmap.member(experiment, lags, number)
            gainmap.at_scales(gainmap.make_network(of_draw), gainmap.make_sequence(of_draw), gainmap.GAINS)

    return draws


def main(quick):
    print(f"{os.cpu_count()} cores, one BLAS thread, NumPy {np.__version__}, load {os.getloadavg()[0]:.1f}")
    print(ROW.format("", "lags", "map", "measured", "run", "runs / map", "at most"))
    for name, experiment in SIZES.items():
        lags = gainmap.lags_of(experiment)
        single = replace(experiment, T=lags)
        took = medians({"map": lambda e=experiment: gainmap.sweep(e), "measured": measured(experiment),
                        "run": lambda e=single: read(run(e))}, 2 if quick else SAMPLES)
        runs = took["run"] * gainmap.DRAWS * len(gainmap.GAINS)
        print(ROW.format(name, lags, f"{took['map']:.3f} s", f"{took['measured']:.3f} s", f"{took['run'] * 1e3:.3f} ms",
                         f"{runs / took['map']:.1f}", f"{SECONDS} s" if name == "default" else ""), flush=True)


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
