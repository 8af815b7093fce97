"""The pointwise part of every recurrent cell: one step forward, and the way back through it.

A cell never multiplies by a matrix; bptt.py owns every product. With a_S = W_S h_below + b from space
and a_T = W_T h_before from time, a cell turns (a_S, a_T, state) into its pre-activation z and its next state.

Everything is elementwise over leading axes, units last. `gates` blocks of n rows stand in W_S, W_T and
b; a state is `states` blocks of n, the first of which is h; `saved` blocks of n are kept as z. tanh,
relu, sigmoid and linear have one of each. A gated cell is one more entry of the table: its step
writes all its pre-activations into z, and its pullback returns what reaches the previous state
without passing through a matrix (the carry).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cell:
    """What one cell does at one step.

    step(a_S, a_T, state, z, new) writes z (.., saved*n) and new (.., states*n). z may be a_S itself where
    saved == gates. Complex numbers pass through, because gradients are checked by complex step.
    slopes(z, state) gives, for all steps at once, the real array (T, .., m) that the pullback needs;
    for a pointwise cell it is phi'(z). state has T rows, the one that enters each step.
    pullback(grad_h, carry, slopes, delta) writes delta = dC/dz (.., gates*n) and returns the carry
    (.., states*n) for the step before, or None where nothing bypasses W_T.
    max_slope bounds phi' (1 for tanh and relu, 1/4 for the logistic); None where there is no such bound. phi(z, out): of a
    pointwise cell, h = phi(a_S + a_T) without more; None for others.
    """

    step: Callable
    slopes: Callable
    pullback: Callable
    max_slope: float | None
    gates: int = 1
    states: int = 1
    saved: int = 1
    phi: Callable | None = None

    @property
    def pointwise(self):
        """Whether it is h = phi(a_S + a_T) without more, so that phi' is all that a step takes beside W_T."""
        return self.phi is not None


def tanh_slope(z):
    """1 - tanh(z)^2 as 4e/(1+e)^2 with e = exp(-2|z|): right where 1 - tanh^2 is already 0."""
    e = np.abs(z)
    e *= -2.0
    np.exp(e, out=e)
    below = e + 1.0
    below *= below
    e *= 4.0
    e /= below
    return e


def sigmoid(z, out=None):
    out = np.negative(z, out=out)
    np.exp(out, out=out)
    out += 1.0
    return np.reciprocal(out, out=out)


def sigmoid_slope(z):
    """sigmoid(z) sigmoid(-z) as e/(1+e)^2 with e = exp(-|z|): 8.5e-17 at 37, not 0."""
    e = np.exp(-np.abs(z))
    return e / (1.0 + e) ** 2


def relu(z, out=None):
    if np.iscomplexobj(z):  # decided on the real part, so a complex step stays on its side of the kink
        return np.multiply(z, z.real > 0, out=out)
    return np.maximum(z, 0.0, out=out)


def relu_slope(z):
    """1 where z > 0, else 0; phi'(0) is taken as 0."""
    return (z > 0).astype(float)


def linear_slope(z):
    return np.ones(z.shape)


def pointwise(phi, slope, max_slope):
    """The cell h = phi(a_S + a_T)."""

    add, multiply = np.add, np.multiply  # looked up once; called every step

    def step(a_S, a_T, state, z, new):
        phi(add(a_S, a_T, z), new)

    def slopes(z, state):
        return slope(z)

    def pullback(grad_h, carry, slopes, delta):
        multiply(grad_h, slopes, delta)

    return Cell(step, slopes, pullback, max_slope, phi=phi)


CELLS = {
    "tanh": pointwise(np.tanh, tanh_slope, 1.0),
    "relu": pointwise(relu, relu_slope, 1.0),
    "linear": pointwise(np.positive, linear_slope, 1.0),
    "sigmoid": pointwise(sigmoid, sigmoid_slope, 0.25),
}
