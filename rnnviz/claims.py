"""What the sources of the scenes claim, in one sentence each, and beside it the number that was computed here."""

from types import MappingProxyType

import numpy as np

from .bifurcations import folds, hold
from .landscape import Counting
from .meanfield import critical_gain
from .numbers import number, percent, power, significant

# Each claim is a function of what its view shows: Accounts, a jacobians.Rate, a landscape.Wall, a gainmap.GainMap.


def hochreiter(rate):
    return ("Hochreiter (1991): a logistic unit passes back at most |w|/4 of its error in one step, here "
            f"{number(rate.bound)}. The largest factor of a step in this run: {significant(largest_factor(rate), 3)}.")


def largest_factor(rate):
    """The largest singular value of one step of the layer's product, from its running products."""
    steps = np.diff(np.append(0.0, rate.own.largest))
    return float(10.0 ** steps.max())


def saxe(rate):
    off = float(np.abs(10.0**rate.own.log10 - 1.0).max())
    close = "to the last digit" if off == 0 else f"but for {number(off)}"
    return ("Saxe, McClelland and Ganguli (2014): orthogonal weights keep every norm in a linear network, a factor of 1. Here "
            f"all singular values stay at 1 {close} over {rate.own.lags[-1]} steps.")


def identity(rate):
    return ("Le, Jaitly and Hinton (2015): started from the identity, ReLU units hand the error on as it is, a factor of 1. "
            f"Here each step back keeps {significant(rate.measured.rate, 4)}.")


def shear(rate):
    peak, lag = rate.own.peak
    return (f"[[0.9, 4], [0, 0.9]] is not a normal matrix: its spectral radius is {number(rate.radius)}, and yet it first "
            f"amplifies what flows back {number(10.0**peak)} times, most at {lag} steps back.")


def pascanu(wall):
    return ("Pascanu, Mikolov and Bengio (2013), figure 6: walls of high curvature throw plain descent far away; with its "
            f"gradient cut to a length it stays near. Here plain descent is thrown {number(wall.thrown)} units, and the other "
            f"ends with loss {number(float(wall.other.loss[-1]))}.")


def doya(wall):
    low, high = sorted(folds(5.0).b.tolist())
    return ("Doya (1993): as its bias grows, a logistic unit passes two fold bifurcations, and between them it has two resting "
            f"states. Solved here for w = 5: b = {significant(low, 4)} and {significant(high, 4)}.")


def latch(wall):
    return ("Bengio, Simard and Frasconi (1994): a tanh unit holds one bit against every input smaller than some h* if w > 1. "
            f"Solved here for w = 2: h* = {significant(float(hold(2.0)), 3)}; below w = 1 there is none.")


def roelants_rprop(wall):
    wx, wRec = (f"{value:.4f}" for value in wall.other.points[-1])
    return f"Roelants, part 1: RProp comes to wx = 1.0014, wRec = 0.9997. Computed here: wx = {wx}, wRec = {wRec}."


def roelants_gradient(wall):
    true = float(np.abs(Counting().gradient_over_time(1.0, 2.0)).max())
    largest = power(np.log10(wall.largest), 2)
    return (f"Roelants, part 1, calls the gradient at this point of the order of 10⁷: it is {largest}. His "
            f"figure of it over the steps reaches {power(np.log10(true * Counting().count), 2)}, because it adds up the "
            f"{Counting().count} sequences twice: right is {power(np.log10(true), 2)}.")


def sompolinsky(gainmap):
    return ("Sompolinsky, Crisanti and Sommers (1988): without input, a wide random tanh network turns from fading to chaos at "
            f"g = 1. By mean-field theory here {critical_gain('tanh'):.3f}; measured, {edge_words(gainmap)}.")


def with_input(gainmap):
    theory = float(gainmap.predicted_edge[gainmap.last])
    return ("Molgedey, Schuchhardt and Schuster (1992): input suppresses chaos, so that the edge lies above 1. By mean-field "
            f"theory here {number(theory)}; measured, {edge_words(gainmap)}.")


def he(gainmap):
    return ("He, Zhang, Ren and Sun (2015): a ReLU lets half of the squares through, so that random weights must be √2 as "
            f"large. By theory here {critical_gain('relu'):.3f}; measured, {edge_words(gainmap)}.")


def edge_words(gainmap):
    """The measured edge at the run's first step, in words."""
    edge = float(gainmap.edge[gainmap.last])
    width = max(n for n, _, _ in gainmap.experiment.stack)
    return f"{number(edge)} at width {width}, {gainmap.last} steps back" if np.isfinite(edge) else "none in this range"


def tallec(accounts):
    wrong = np.flatnonzero(accounts.every.wrong[accounts.name]) + 1
    return ("Tallec and Ollivier (2017): where long influences outweigh short ones, a truncated gradient points the wrong way "
            f"until enough columns are kept. Here it does for τ_max = {wrong[0]} to {wrong[-1]}.")


def williams(accounts):
    columns, there = accounts.sliding
    here, there = float(accounts.together.error[0]), float(there.error[0])
    return ("Williams and Peng (1990): passes that start only every h′ steps cost far less than a pass at every step. At the "
            f"same cost, chunks of {accounts.tau_max} columns miss {percent(here)} here, a sliding window {percent(there)}.")


CLAIMS = MappingProxyType({
    ("truncation", "Wrong sign"): tallec, ("truncation", "Chunks or sliding"): williams,
    ("rate", "Hochreiter's factor"): hochreiter, ("rate", "Orthogonal, linear"): saxe, ("rate", "Identity start"): identity,
    ("rate", "First grows, then fades"): shear,
    ("wall", "Pascanu's wall"): pascanu, ("wall", "Doya's folds"): doya, ("wall", "A latch"): latch,
    ("wall", "Roelants' RProp"): roelants_rprop, ("wall", "Roelants' gradient"): roelants_gradient,
    ("map", "Critical gain"): sompolinsky, ("map", "With input"): with_input, ("map", "ReLU"): he,
})


def claim(view, name, shown):
    """What the source of a scene claims and what is computed here, in words; "" for what is no scene of a source, or not
    shown as one."""
    found = CLAIMS.get((view, name))
    return found(shown) if found and shown is not None else ""
