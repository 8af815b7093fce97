"""What the Truncation view shows: one gradient as a sum, what a schedule keeps of it, and what every other would keep."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .bptt import backward, nothing
from .experiment import CONTROLS, TABLE, input_columns, make_network, make_sequence, trace
from .flow import norms
from .lags import (
    Against,
    EveryTau,
    Pairs,
    Terms,
    by_lag,
    by_step,
    compare,
    every_tau,
    gradients,
    kept,
    layer_of,
    pairs,
    parameters,
    size_of,
    whole,
)
from .values import freeze
from .windows import Windows, full, truncated

MOST_ROWS = 60  # losses of the triangle that are shown
MOST_KEPT = 300_000  # numbers of a table that stays for the next picture
SCHEDULE = ("cut", "tau_max", "tau_b")


@dataclass(frozen=True, eq=False)
class Accounts:
    """One gradient taken apart, under the schedule of an experiment and under none.

    name: of the parameter; layer: the one whose delta the triangle shows, from 0. per: "step" or "lag". windows: the schedule;
    tau_max, tau_b: its numbers, None where nothing is cut. whole, kept: the Terms of the full gradient and of the schedule's.
    rows (R,): which of the losses the triangle shows; counts (R, T): how often each of their pairs with a step is kept;
    triangle (R, T): log10 of ||dL_s/dz_t|| over the largest
    gradient that a loss sends in, the reference; None where the pairs are too many. now, together: the schedule's gradient
    Against the full one, of this parameter and of all. every: the same for every tau_max, None where the pairs are too many.
    gap: by how much the terms miss the full gradient, over its size. influence (T,): log10 of ||dC/dx_t|| under the schedule,
    over the reference. misread: where old losses enter again, the Against of that gradient and the right one. sliding:
    (columns, Against) of a sliding window that visits as many columns as the schedule, where it is none itself. inputs: the
    names of the table's input columns, () without a table.
    """

    pairs: Pairs
    name: str
    layer: int
    per: str
    windows: Windows
    tau_max: int | None
    tau_b: int | None
    whole: Terms
    kept: Terms
    rows: np.ndarray
    counts: np.ndarray
    triangle: np.ndarray | None
    reference: float
    now: Against
    together: Against
    every: EveryTau | None
    gap: float
    influence: np.ndarray
    misread: Against | None
    sliding: tuple | None
    inputs: tuple = ()

    @cached_property
    def run(self):
        """The Run under the schedule."""
        run = self.pairs.run
        if self.tau_max is None:
            return run
        sent = backward(run.network, run.sequence, run.forward, self.windows)
        return replace(run, windows=self.windows, backward=sent)

    @property
    def size(self):
        """The size of the full gradient."""
        return size_of(self.whole.total)

    @property
    def L(self):
        return len(self.pairs.run.network.layers)

    @property
    def T(self):
        return self.pairs.T

    @property
    def losses(self):
        return self.pairs.losses

    @property
    def most_influence(self):
        """(step, its share of the sum over steps of ||dC/dx_t||, the name of its largest input) of the step whose input decides
        most; (None, 0, "") where none is reached. The name is a table's column, or one of several inputs."""
        there = np.isfinite(self.influence)
        if not there.any() or not (self.influence < np.inf).all():  # nan is not less either
            return None, 0.0, ""
        size = np.where(there, 10.0 ** np.where(there, self.influence - self.influence[there].max(), 0.0), 0.0)
        step = int(size.argmax())
        dx = self.run.backward.dx[step]
        largest = int(np.abs(dx).argmax())
        name = self.inputs[largest] if self.inputs else f"input {largest + 1}" if len(dx) > 1 else ""
        return step, float(size[step] / size.sum()), name

    @property
    def reached(self):
        return self.windows.reached()

    @property
    def names(self):
        return parameters(self.pairs.run.network)

    @property
    def all_pairs(self):
        """How many pairs of a loss and a step at or before it there are."""
        return int((self.losses + 1).sum())

    @cached_property
    def reach(self):
        """(S,): how many steps back from each loss a pass still comes, -1 for a loss that none carries."""
        windows = self.windows
        number = np.searchsorted(windows.last, self.losses)  # the first pass that carries a loss reaches furthest back
        own = np.minimum(number, windows.P - 1)
        carried = (number < windows.P) & (windows.since[own] <= self.losses)
        return np.where(carried, self.losses - windows.first[own], -1)

    @property
    def kept_pairs(self):
        return int((self.reach + 1).sum())

    @property
    def longest_lag(self):
        """The most steps that a kept pair is apart, None where none is kept."""
        longest = int(self.reach.max())
        return longest if longest >= 0 else None

    @property
    def unseen(self):
        """How many losses no pass sees."""
        return int((self.windows.heard()[self.losses] == 0).sum())


def uncut(experiment):
    """The experiment without its schedule: what decides the pairs."""
    return replace(experiment.recipe, **{name: CONTROLS[name]["default"] for name in SCHEDULE})


def pairs_of(experiment, checkpoint=nothing):
    """The Pairs of an experiment, or None if a state overflows."""
    run = trace(make_network(experiment, checkpoint), make_sequence(experiment), None, checkpoint)
    return None if run.backward is None else pairs(run, checkpoint)


def parameter(experiment, network):
    """The name of the parameter whose gradient is taken apart: the chosen one if it is there, else the first W_T, else W_S1."""
    names = parameters(network)
    return experiment.weight if experiment.weight in names else next((name for name in names if name[:3] == "W_T"), names[0])


def account(experiment, source=None, every=None, checkpoint=nothing):
    """The Accounts of an experiment, and of its Pairs if they are at hand. every: an EveryTau of the same pairs, used if it is
    of the same tau_b. Raises ValueError where a state overflows."""
    source = source or pairs_of(experiment, checkpoint)
    if source is None:
        raise ValueError("a state overflows; there is no gradient to take apart")
    e, run = experiment, source.run
    name = parameter(e, run.network)
    l = layer_of(name)
    l = len(run.network.layers) - 1 if l is None else l
    scored = run.sequence.scored
    right = truncated(e.T, e.tau_max, e.tau_b).carrying(scored) if e.cut else full(e.T)
    windows = truncated(e.T, e.tau_max, e.tau_b, again=True).carrying(scored) if e.cut and e.again else right
    apart = source.delta is not None
    per = e.per if apart else "step"
    under = source.under(windows)
    if per == "lag":
        all_terms, kept_terms = by_lag(source, name, full(e.T)), by_lag(source, name, windows)
    else:
        all_terms, kept_terms = by_step(source, name, full(e.T)), by_step(source, name, windows, under)
    G = {each: whole(source, each) for each in parameters(run.network)}
    if apart and (every is None or every.tau_b != e.tau_b):
        every = every_tau(source, e.tau_b, checkpoint)
    truncated_ones = gradients(source, windows, under=under)
    reference = largest_sent(run)
    rows = np.unique(np.linspace(0, len(source.losses) - 1, min(MOST_ROWS, len(source.losses))).round().astype(int))
    with np.errstate(all="ignore"):
        triangle = np.log10(np.stack([norms(source.delta[l][s]) for s in rows])) - np.log10(reference) if apart else None
        first = len(run.network.layers[0].W_S)
        influence = freeze(np.log10(norms(under[:, :first] @ run.network.layers[0].W_S)) - np.log10(reference))
    return Accounts(
        source, name, l, per, windows, e.tau_max if e.cut else None, e.tau_b if e.cut else None, all_terms, kept_terms,
        rows, freeze(kept(source.losses[rows], windows)), None if triangle is None else freeze(triangle), reference,
        compare([truncated_ones[name]], [G[name]]), compare(truncated_ones.values(), G.values()), every,
        size_of(all_terms.total - G[name]) / (size_of(G[name]) or 1.0), influence,
        misreading(source, windows, right, truncated_ones), sliding(source, e, right), names_of_inputs(e),
    )


def names_of_inputs(experiment):
    """The names of the inputs' columns in an experiment's table; () where it reads no table."""
    e = experiment
    if e.task != TABLE:
        return ()
    return tuple(name for name, used in zip(e.table.names, input_columns(e), strict=False) if used)



def largest_sent(run):
    """The largest gradient that a loss sends into the top layer."""
    with np.errstate(all="ignore"):
        sent = run.forward.slope_out if run.network.W_out is None else run.forward.slope_out @ run.network.W_out
        return float(norms(sent).max())


def misreading(source, windows, right, gradients_again):
    """The Against of a schedule's gradient with old losses entering again, and the right one; None where none does."""
    if not windows.again:
        return None
    return compare(gradients_again.values(), gradients(source, right).values())


def sliding(source, experiment, windows):
    """(columns, Against): the sliding window that visits as many columns as this schedule does, to the nearest, and all its
    gradients against the full ones; None where nothing is cut, one loss is alone, the schedule is a sliding window, or none is
    within 15 % of its cost."""
    e = experiment
    if not e.cut or e.tau_b == 1 or len(source.losses) == 1 or source.delta is None:
        return None
    visited = np.cumsum(np.arange(e.T, 0, -1))  # by a sliding window of 1, 2, .. columns: the first passes are cut short
    columns = 1 + int(np.abs(visited - windows.columns()).argmin())
    if abs(visited[columns - 1] - windows.columns()) > 0.15 * windows.columns():
        return None  # none costs about the same
    there = gradients(source, truncated(e.T, columns, 1))
    return columns, compare(there.values(), [whole(source, name) for name in there])
