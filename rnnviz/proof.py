"""Whether the gradients on screen are right, found a second way: by complex step, from the forward pass alone.

A number nudged by i h moves the imaginary part of the losses by h times its derivative, and nothing is subtracted. Each step
runs in complex numbers from the state that the run itself had there: real parts are the run's own, imaginary parts are what
the nudges have moved. So a chaotic network is followed along the path on screen, and all nudges share every product.

A truncated pass is the derivative of its own losses when a number is nudged only at the steps inside the pass and the state
that enters it is held (Williams and Peng 1990). Passes add up.
Source: Squire and Trapp, Using complex variables to estimate derivatives of real functions (1998).
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .bptt import backward, nothing
from .cells import CELLS
from .tasks import LOSSES
from .windows import Windows

SAMPLES = 32
BUDGET = 70_000_000  # multiply-adds, see step_cost: 40 ms on a quick core
NUDGE = 1e-12  # the largest: its square is lost beside 1
MOVE = 1e-40  # of the losses, where a nudge may be small enough
SMALLEST, LARGEST = 1e-290, 1e260  # gradients that a nudge can show
SATURATED = 1e-8  # of what a cross-entropy sends in: under it the loss itself holds too few digits of its slope
PLAIN = 0.01  # of the largest: an entry beside which an error shows
WIDEST = 1e-250  # ratio of two gradients whose nudges can share a run


@dataclass(frozen=True)
class Proof:
    """How far backward's gradients and the derivatives by complex step disagree, or why that is not known.

    disagreement: the largest found, over the largest size of that parameter's gradient (of all gradients, where that is
    all 0); nan where nothing was checked. worst: the names of the parameters it was found in, as in `network.matrices`, and x:
    one, or several where the budget made them share a nudge; () if nothing was checked. checked numbers of all `numbers`,
    in `passes` of all `all_passes` that carry a loss and reach differently far. left_out: names of the parameters whose
    gradient is too small or too large for a nudge. problem: None, or in one plain sentence why nothing was checked.
    """

    disagreement: float
    worst: tuple
    checked: int
    numbers: int
    passes: int
    all_passes: int
    left_out: tuple = ()
    problem: str | None = None


@dataclass(frozen=True, eq=False)
class Parameter:
    """Numbers that have a gradient: kind is the field that holds them, layer where they act (-1: x, L: the readout)."""

    name: str
    kind: str
    layer: int
    gradient: np.ndarray

    @cached_property
    def peak(self):
        return float(max(self.gradient.max(), -self.gradient.min()))


@dataclass(frozen=True)
class Plan:
    """What the budget allows: how many runs, each with nudges of its own, over which passes; entries of each parameter."""

    runs: int
    passes: Windows
    entries: int


def prove(run, samples=SAMPLES, checkpoint=nothing, budget=BUDGET):
    """The Proof of a run: its gradients against derivatives by complex step.

    samples: about how many numbers are nudged, each by itself, at least one of every parameter; all if they are no more.
    budget: multiply-adds, as in `step_cost`. Beyond it there are fewer samples, then fewer passes (compared with a backward
    pass over these alone), then nudges share runs; where one run over one pass is too much, nothing is checked.
    checkpoint() is called at least every 50 ms of work and may raise to stop. Raises ValueError on a batch.
    """
    if run.network.layers[0].W_S.ndim > 2 or run.sequence.x.ndim > 2:
        raise ValueError("a batch cannot be checked; it must be one network on one sequence")
    windows = run.windows.carrying(run.sequence.scored).merged()
    sizes = [parameter.size for parameter in _arrays(run)]

    def unchecked(problem):
        return Proof(np.nan, (), 0, sum(sizes), 0, windows.P, problem=problem)

    found = problem(run)
    if found:
        return unchecked(found)
    plan = _plan(run, windows, sizes, samples, budget)
    if plan is None:
        return unchecked(f"One run of the check needs {_least_work(run, windows) / 1e6:,.0f} million multiply-adds; "
                         f"the limit is {budget / 1e6:,.0f} million.")
    whole = plan.passes is windows
    sent = run.backward if whole else backward(run.network, run.sequence, run.forward, plan.passes, checkpoint=checkpoint)
    kept, left_out = _within_reach(parameters(run.network, sent), shared=plan.runs < len(sizes))
    if not kept:
        return unchecked(f"Every gradient is smaller than {SMALLEST:g} or larger than {LARGEST:g}, beyond any nudge.")
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        disagreement, worst, checked = _compare(run, kept, plan, checkpoint)
    if not np.isfinite(disagreement):
        return unchecked("In complex numbers the forward pass leaves the float range.")
    return Proof(disagreement, worst, checked, sum(sizes), plan.passes.P, windows.P, left_out)


def problem(run):
    """Why no gradient of this run can be checked, in one plain sentence, or None."""
    if run.backward is None:
        l, t = run.forward.overflow
        return f"The state of layer {l + 1} overflows at step {t + 1}, so there is no gradient to check."
    for parameter in parameters(run.network, run.backward):
        if not np.isfinite(parameter.peak):
            return f"The gradient of {parameter.name} is infinite or not a number."
    kink = _first_kink(run)
    if kink:
        l, t = kink
        return f"A unit of layer {l + 1} is exactly at its kink, z = 0, at step {t + 1}; there is no derivative there."
    if not (run.sequence.scored & run.windows.seen()).any():
        return "No loss enters a backward pass, so there is nothing to differentiate."
    largest = np.abs(run.forward.slope_out).max()
    if run.sequence.loss in ("sigmoid", "softmax") and 0 < largest < SATURATED:
        return f"The loss is saturated: it sends in {largest:.0e}, too little for the complex step to tell."
    return None


def parameters(network, sent):
    """The Parameters of a network with their gradients in a Backward, in the order in which they first take part."""
    found = [Parameter("x", "x", -1, sent.dx)]
    for l, (layer, dh_0, dW_S, dW_T, db) in enumerate(
            zip(network.layers, sent.dh_0, sent.dW_S, sent.dW_T, sent.db, strict=True)):
        found += [Parameter(f"h{l + 1}", "h_0", l, dh_0), Parameter(f"W_S{l + 1}", "W_S", l, dW_S)]
        found += [Parameter(f"W_T{l + 1}", "W_T", l, dW_T)] if layer.recurrent else []
        found += [Parameter(f"b{l + 1}", "b", l, db)]
    if network.W_out is not None:
        top = len(network.layers)
        found += [Parameter("W_out", "W_out", top, sent.dW_out), Parameter("b_out", "b_out", top, sent.db_out)]
    return found


def _arrays(run):
    """The arrays that `parameters` names."""
    network = run.network
    each = [(layer.h_0, layer.W_S, layer.W_T, layer.b) for layer in network.layers]
    return [array for array in (run.sequence.x, *sum(each, ()), network.W_out, network.b_out) if array is not None]


def _first_kink(run):
    """(layer, step), from 0, of the first unit at a kink that a loss depends on, or None."""
    reached = run.windows.reached()
    found = []
    for l, (layer, z, grad_h) in enumerate(zip(run.network.layers, run.forward.z, run.backward.grad_h, strict=True)):
        if _has_kink(CELLS[layer.cell]):
            at = ((z == 0) & (grad_h != 0)).any(axis=1) & reached
            found += [(int(at.argmax()), l)] if at.any() else []
    return min(found)[::-1] if found else None


def _has_kink(cell):
    """Whether a pointwise cell has two slopes at z = 0, from the left and from the right."""
    if (cell.gates, cell.states, cell.saved) != (1, 1, 1):
        return False
    left, right = cell.slopes(np.array([[-1e-300], [1e-300]]), None).ravel()
    return abs(left - right) > 1e-6


# What the budget allows.


def step_cost(network):
    """(for each step, for each run and step): one product with every weight and 100 for each number that is read, made or
    answered in complex arithmetic; and once a step 6000 for each layer."""
    numbers = network.n_in + sum(len(layer.b) for layer in network.layers) + network.n_out
    return 6000 * len(network.layers), network.size + 100 * numbers


def _least_work(run, windows):
    """Multiply-adds of one run over the last pass."""
    return int(windows.last[-1] - windows.first[-1] + 1) * sum(step_cost(run.network))


def _plan(run, windows, sizes, samples, budget):
    """The Plan within the budget, or None: fewer samples first, then fewer passes, then fewer runs than parameters."""
    once, each = step_cost(run.network)
    lengths = windows.last - windows.first + 1
    wanted = sum(sizes) if sum(sizes) <= samples else max(len(sizes), samples)

    def runs_over(steps):
        return int((budget / steps - once) // each)

    runs = min(wanted, runs_over(lengths.sum()))
    if runs < len(sizes):
        runs = min(wanted, len(sizes))
        count = int(budget // (int(lengths.max()) * (once + runs * each)))
        if count < 1:
            count, runs = 1, min(runs, runs_over(int(lengths[-1])))
        if runs < 1:
            return None
        windows = _spread(windows, count)
    return Plan(runs, windows, max(sizes) if runs >= sum(sizes) else max(1, runs // len(sizes)))


def _spread(windows, count):
    """`count` passes from the last to the first, or all."""
    if count >= windows.P:
        return windows
    chosen = np.linspace(windows.P - 1, 0, count).astype(int)[::-1]
    return replace(windows, first=windows.first[chosen], since=windows.since[chosen], last=windows.last[chosen])


def _within_reach(parameters, shared):
    """(the parameters whose gradients a nudge can show, the names of the others); exact zeros are shown."""
    largest = max(parameter.peak for parameter in parameters)
    low = max(SMALLEST, WIDEST * largest) if shared else SMALLEST
    reach = [parameter.peak == 0 or low <= parameter.peak <= LARGEST for parameter in parameters]
    return ([p for p, able in zip(parameters, reach, strict=True) if able],
            tuple(p.name for p, able in zip(parameters, reach, strict=True) if not able))


# Nudges: for every parameter a list of (run, index, by how much).


def _compare(run, kept, plan, checkpoint):
    """(the largest disagreement, the names nudged in that run, how many numbers were nudged)."""
    chosen = _draw(kept, plan.entries)
    owner = np.repeat(np.arange(len(kept)), [len(some) for some in chosen])
    runs = min(plan.runs, len(owner))
    row = np.arange(len(owner)) * runs // len(owner)
    gradient = np.concatenate([p.gradient.ravel()[some] for p, some in zip(kept, chosen, strict=True)])
    largest = max(p.peak for p in kept) or 1.0
    peak = np.array([p.peak or largest for p in kept])[owner]
    move = np.full(runs, MOVE)
    np.minimum.at(move, row, NUDGE * peak)
    amount = np.where(gradient < 0, -1.0, 1.0) * move[row] / peak  # uphill, so that nudges of one run do not cancel
    expected = np.bincount(row, np.abs(gradient) / peak, runs)

    nudges, start = {}, 0
    for parameter, some in zip(kept, chosen, strict=True):
        index = zip(*np.unravel_index(some, parameter.gradient.shape), strict=True)
        these = slice(start, start + len(some))
        nudges[parameter.kind, parameter.layer] = list(zip(row[these].tolist(), index, amount[these].tolist(), strict=True))
        start += len(some)
    moved = np.zeros(runs)
    for first, since, last in zip(*(side.tolist() for side in (plan.passes.first, plan.passes.since, plan.passes.last)),
                                  strict=True):
        moved += _losses_moved(run, first, since, last, nudges, runs, checkpoint)
    apart = np.abs(moved / move - expected)
    worst = int(np.argmax(apart))
    names = tuple(dict.fromkeys(kept[i].name for i in owner[row == worst]))
    return float(apart[worst]), names, len(owner)


def _draw(kept, entries):
    """Per parameter the flat indices of its sample, drawn by the shapes alone; one at least of a gradient near the largest."""
    rng = np.random.default_rng([side for parameter in kept for side in parameter.gradient.shape])
    chosen = []
    for parameter in kept:
        gradient = parameter.gradient.ravel()
        if entries >= gradient.size:
            chosen.append(np.arange(gradient.size))
            continue
        some = rng.choice(gradient.size, entries, replace=False)
        least = PLAIN * parameter.peak
        if np.abs(gradient[some]).max() < least:
            some[0] = rng.choice(np.flatnonzero(np.abs(gradient) >= least))
        chosen.append(some)
    return chosen


# One pass in complex numbers. Rows are (steps, runs, n); the runs whose nudges lie in this layer or below come first, and
# the others have not moved yet.


def _losses_moved(run, first, since, last, nudges, runs, checkpoint):
    """(runs,) by how much each run's nudges move the losses since..last, when they act in the steps first..last."""
    network, sequence, trace = run.network, run.sequence, run.forward
    below, moved = sequence.x[first:last + 1], np.zeros((last + 1 - first, _moving(nudges, -1), network.n_in))
    for row, (t, j), amount in nudges.get(("x", -1), ()):
        if first <= t <= last:
            moved[t - first, row, j] += amount
    for l, (layer, state) in enumerate(zip(network.layers, trace.state, strict=True)):
        here = {kind: some for (kind, where), some in nudges.items() if where == l and (kind != "h_0" or first == 0)}
        state = state[first:last + 2]
        moved = _layer_moved(layer, below, state, moved, here, _moving(nudges, l), checkpoint)
        below = state[1:, :layer.n]

    heard = np.flatnonzero(sequence.scored[since:last + 1]) + since - first
    o_moved = np.zeros((len(heard), runs, network.n_out))
    if network.W_out is None:
        o, o_moved[:, :moved.shape[1]] = below[heard], moved[heard]
    else:
        o, o_moved[:, :moved.shape[1]] = (below @ network.W_out.T + network.b_out)[heard], moved[heard] @ network.W_out.T
        _nudge_matrix(o_moved, below[heard], nudges.get(("W_out", len(network.layers)), ()))
        _nudge_bias(o_moved, nudges.get(("b_out", len(network.layers)), ()))
    _, loss, _ = LOSSES[sequence.loss](_complex(o, o_moved), sequence.target[first + heard][:, None])
    return loss.imag.sum(axis=0)


def _moving(nudges, l):
    """How many runs have a nudge in layer l or below."""
    return max((row + 1 for (_, where), some in nudges.items() if where <= l for row, *_ in some), default=0)


def _layer_moved(layer, below, state, below_moved, nudges, runs, checkpoint):
    """(steps, runs, n) by how much h of one layer moves.

    below (steps, n_below) and state (steps+1, states*n): as the run had them. below_moved may have fewer runs.
    """
    checkpoint()
    cell, n, steps = CELLS[layer.cell], layer.n, len(below)
    a_S_moved = np.zeros((steps, runs, len(layer.b)))
    a_S_moved[:, :below_moved.shape[1]] = below_moved @ layer.W_S.T
    _nudge_matrix(a_S_moved, below, nudges.get("W_S", ()))
    _nudge_bias(a_S_moved, nudges.get("b", ()))
    a_S = _complex(below @ layer.W_S.T + layer.b, a_S_moved)
    if not layer.recurrent:
        new = np.empty_like(a_S)
        cell.step(a_S, 0.0, None, np.empty_like(a_S), new)
        return new.imag

    h = state[:-1, :n]
    a_T_moved = np.zeros_like(a_S_moved)
    _nudge_matrix(a_T_moved, h, nudges.get("W_T", ()))
    a_T = _complex(h @ layer.W_T.T, a_T_moved)
    moved = np.zeros((steps + 1, runs, cell.states * n))
    for row, (i,), amount in nudges.get("h_0", ()):
        moved[0, row, i] += amount
    before = _complex(state, moved)
    z, new = np.empty((runs, cell.saved * n), complex), np.empty((runs, cell.states * n), complex)
    for t in range(steps):
        if t % 500 == 499:
            checkpoint()
        a_T.imag[t] += moved[t, :, :n] @ layer.W_T.T
        cell.step(a_S[t], a_T[t], before[t], z, new)
        before.imag[t + 1] = moved[t + 1] = new.imag
    return moved[1:, :, :n]


def _nudge_matrix(moved, rows, nudges):
    """Add what nudges of entries W[i, j] move in W times rows (steps, n)."""
    for row, (i, j), amount in nudges:
        moved[:, row, i] += amount * rows[:, j]


def _nudge_bias(moved, nudges):
    for row, (i,), amount in nudges:
        moved[:, row, i] += amount


def _complex(real, moved):
    """real (steps, n) for every run, with moved (steps, runs, n) for imaginary parts."""
    made = np.empty(moved.shape, complex)
    made.real, made.imag = real[:, None], moved
    return made
