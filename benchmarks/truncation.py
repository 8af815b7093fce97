"""What truncation costs: sliding windows, all tau_max at once, and one more schedule, each against one BPTT.

    python benchmarks/truncation.py [--quick]

One BPTT is forward and one full backward pass of the same network over the same sequence. Against it, in the same run
and on one BLAS thread:

    sliding       backward alone under a window of 51 columns that starts at every step
    chunks        the same under one of 51 columns that starts every 51 steps
    every tau     the comparison of every truncated gradient with the full one, for tau_max = 1 .. T, at tau_b = T where
                  only the last step is scored, and at tau_b = 1 where all are
    with pairs    what each loss sends back to each step, and then every tau
    one schedule  after that, the gradient under any other schedule: of one parameter, and of all, in milliseconds

All in float64. Ratios of medians over interleaved samples, an untimed call before each, so that everyone finds memory
and caches as it left them.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is first imported

import sys
from itertools import cycle
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from trace import experiment, medians

from rnnviz import Sequence, backward, forward, truncated
from rnnviz.experiment import trace
from rnnviz.lags import every_tau, gradients, pairs

LECTURE, WIDE, MEDIUM = (3, 8, 50), (3, 16, 30), (4, 64, 512)  # L, H, T
COLUMNS = 51
AT_MOST = {"sliding": 8, "last": 1.2, "every": 15}  # of one BPTT
MILLISECONDS = 0.1  # of one more schedule
SAMPLES = 41
ROW = "{:28} {:>2} {:>4} {:>5} {:>7}   {:>10} {:>10} {:>8} {:>8}"


def made(size, scored):
    """(network, sequence) of the trace benchmark, with its last step scored or every one."""
    network, sequence = experiment(*size)
    return network, sequence if scored == "every" else Sequence(sequence.x, sequence.target)


def bptt(network, sequence):
    """A function that runs forward and one full backward pass."""
    return lambda: backward(network, sequence, forward(network, sequence))


def windows_against_bptt():
    """{name: function} of one BPTT and of backward under two schedules."""
    network, sequence = made(MEDIUM, "every")
    there = forward(network, sequence)
    sliding, chunks = (truncated(sequence.T, COLUMNS, tau_b) for tau_b in (1, COLUMNS))
    return {"BPTT": bptt(network, sequence), "sliding": lambda: backward(network, sequence, there, sliding),
            "chunks": lambda: backward(network, sequence, there, chunks)}


def every_tau_against_bptt(size, scored):
    """{name: function} of one BPTT and of all tau_max at once, with the pairs and without."""
    network, sequence = made(size, scored)
    run = trace(network, sequence)
    table, tau_b = pairs(run), 1 if scored == "every" else sequence.T
    check(run, table, tau_b)
    return {"BPTT": bptt(network, sequence), "every tau": lambda: every_tau(table, tau_b),
            "with pairs": lambda: every_tau(pairs(run), tau_b)}


def one_schedule(size, scored):
    """{name: function} of the gradients under one more schedule, after the first."""
    network, sequence = made(size, scored)
    table, T = pairs(trace(network, sequence)), sequence.T

    schedules = [truncated(T, tau_max, tau_b) for tau_max in range(1, T + 1) for tau_b in (1, 3, T // 4, T)]
    gradients(table, schedules[0])  # the first makes the table

    def of(names):
        """Another schedule at every call."""
        another = cycle(schedules)
        return lambda: gradients(table, next(another), names)

    return {"W_T1": of(["W_T1"]), "all": of(None)}


def check(run, table, tau_b):
    """Raises AssertionError unless errors at some tau_max, and gradients there, are those of the backward pass."""
    T, found = run.sequence.T, every_tau(table, tau_b)
    for tau_max in (1, T // 2, T):
        windows = truncated(T, tau_max, tau_b)
        there, whole = backward(run.network, run.sequence, run.forward, windows).dW_T[0], run.backward.dW_T[0]
        np.testing.assert_allclose(gradients(table, windows, ["W_T1"])["W_T1"], there, rtol=1e-6, atol=1e-12)
        error = np.linalg.norm(there - whole) / np.linalg.norm(whole)
        np.testing.assert_allclose(found.of["W_T1"].error[tau_max - 1], error, rtol=1e-6, atol=1e-9)


def show(name, size, scored, took, single, at_most):
    """Print one line: the time, and its ratio to one BPTT where there is one."""
    print(ROW.format(name, *size, scored, f"{took * 1e3:.3f} ms", f"{single * 1e3:.3f} ms" if single else "",
                     f"{took / single:.2f}" if single else "", at_most), flush=True)


def main(quick):
    samples = SAMPLES // (4 if quick else 1)
    print(f"{os.cpu_count()} cores, one BLAS thread, NumPy {np.__version__}, load {os.getloadavg()[0]:.1f}")
    print(ROW.format("", "L", "H", "T", "scored", "took", "BPTT", "/ BPTT", "at most"))
    took = medians(windows_against_bptt(), samples)
    for name in ("sliding", "chunks"):
        show(f"{name}, {COLUMNS} columns", MEDIUM, "every", took[name], took["BPTT"], AT_MOST.get(name, ""))
    for size, scored in ((LECTURE, "last"), (WIDE, "last"), (MEDIUM, "last"), (LECTURE, "every"), (WIDE, "every")):
        took = medians(every_tau_against_bptt(size, scored), samples)
        for name in ("every tau", "with pairs"):
            show(name, size, scored, took[name], took["BPTT"], AT_MOST[scored])
    for size, scored in ((LECTURE, "every"), (WIDE, "every"), (LECTURE, "last")):
        took = medians(one_schedule(size, scored), samples)
        for name in took:
            show(f"one schedule, {name}", size, scored, took[name], None, f"{MILLISECONDS} ms")


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
