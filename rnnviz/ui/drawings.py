"""The views: what each computes of an experiment, and how that becomes a figure, a sentence and an equation. Nothing of a view
that is not shown is computed."""

from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np

from .. import sentences
from .. import walk as walks
from ..accounts import MOST_KEPT, Accounts, account, pairs_of, parameter, uncut
from ..experiment import cost, run
from ..figures import flow_spec, routes_spec, truncation_spec
from ..files import grid_csv, routes_csv, script, sum_csv, terms_csv
from ..flow import Flow, Neurons, neurons, read
from ..flow import uncut as uncut_left
from ..formulas import cell, gradient
from ..immediate import MOST_UNITS, Sum, read_sum
from ..immediate import problem as sum_problem
from ..lags import parameters
from ..links import to_link
from ..network import split_name
from ..notations import NOTATIONS
from ..routes import Groups, Routes, groups, routes
from ..routes import problem as routes_problem
from ..sentences import Sentence
from ..terms import term
from ..walk import Walk
from ..windows import truncated

PAIR, TERM, CELL = 1000, 1500, 2000  # multiply-adds for a layer's pair of loss and step, a matrix's step, a cell's routes


class Drawn:
    """What a view has computed of an experiment, and how that becomes a figure, a sentence and an equation.

    A view is one such class in picture.DRAWINGS; its name stands in experiment.VIEWS and controls.VIEW_NAMES, its scenes in
    examples.SCENES. It has fields, what beside the run decides what is computed; of(experiment, checkpoint, before, progress);
    sentence; shown, what a scene's claim is computed from, or None; shape (L, T) and reached, the cells that can be outlined;
    spec, equation, says, csv and script, which draw, write and take home what was computed; keys, what the keyboard does.
    """

    no_formulas = "A state overflows, so there is no gradient to write down."  # why, where no cell is outlined
    walk = instead = None  # the Walk; where more was wanted than there is, ({field: the value that goes without}, why)

    @staticmethod
    def problem(experiment):
        """Why the view cannot show an experiment that can be run, in one plain sentence, or None."""
        return None

    @staticmethod
    def work(experiment):
        """About how many multiply-adds it takes: the run, the drawing of its matrices, and what is computed beside."""
        return run_alone(experiment)

    def placed(self, x, y):
        """{field: value} that a click at two numbers of the figure's surface sets; none where there is no surface."""
        return {}


def run_alone(experiment):
    return cost(experiment) + sum(n**3 for n, _, _ in experiment.stack) // 20


@dataclass(frozen=True, eq=False)
class FlowDrawn(Drawn):
    """What a run left for Flow: readings only, none of its big arrays."""

    reading: Flow
    opened: Neurons | None
    sentence: Sentence
    walk: Walk | None = None
    instead: tuple | None = None

    shown = None
    fields = ("quantity", "precision", "open", "walk")
    keys = "The delta grid. Arrow keys move the outlined cell: left and right through steps, up and down through layers."

    @classmethod
    def of(cls, experiment, checkpoint, before, progress=None):
        result = run(experiment, checkpoint)
        reading = read(result, experiment.quantity, checkpoint, experiment.precision)
        opened = None
        if 1 <= experiment.open <= reading.L and reading.overflow is None:
            opened = neurons(result, reading, experiment.open - 1)
        why = walks.problem(result) if experiment.walk else None
        walk = walks.walk(result, reading, experiment.walk, checkpoint) if experiment.walk and not why else None
        sentence = sentences.flow(reading, uncut_left(result, reading, checkpoint))
        return cls(reading, opened, sentence, walk, why and (dict(walk="", visit=0), why))

    @staticmethod
    def work(experiment):
        return run_alone(experiment) * (experiment.windows.P if experiment.walk else 1)

    @property
    def shape(self):
        return self.reading.L, self.reading.T

    @property
    def reached(self):
        """(T,) bool, None where there is no cell to outline."""
        return self.reading.reached if self.reading.overflow is None else None

    def spec(self, experiment, chosen, *, zoom=None, held=None, **options):
        return flow_spec(self.reading, cell=chosen, opened=self.opened, zoom=zoom, held=held, **options)

    def equation(self, experiment, chosen):
        return None if chosen is None else cell(self.reading, *chosen, notation=experiment.notation)

    def says(self, experiment):
        """What the board is told about its figure."""
        return dict(keys=self.keys, heading="The outlined cell", flow=True,
                    opened=0 if self.opened is None else experiment.open,
                    quantity=NOTATIONS[experiment.notation].says[self.reading.quantity], tools=[])

    def csv(self):
        return grid_csv(self.reading)

    def script(self, experiment, **names):
        """The program that rebuilds the picture; names: title and file."""
        return script(experiment, self.sentence.text, **names)


@dataclass(frozen=True, eq=False)
class TruncationDrawn(Drawn):
    """What the Truncation view shows; where its pairs are few, they stay for the next picture."""

    accounts: Accounts
    sentence: Sentence
    source: object

    shown = property(lambda self: self.accounts)
    fields = ("weight", "per", "again")
    keys = "Pairs of a loss and a step, the terms of a gradient, every truncation of it. Arrow keys move the formula's step."

    @classmethod
    def of(cls, experiment, checkpoint, before, progress=None):
        wanted, known, every = uncut(experiment), None, None
        if isinstance(before, cls) and before.source is not None and before.source == wanted:
            known, every = before.accounts.pairs, before.accounts.every
        pairs = known or pairs_of(experiment, checkpoint)
        if pairs is None:  # a state overflows: Flow says where
            return FlowDrawn.of(experiment, checkpoint, before)
        made = account(experiment, pairs, every, checkpoint)
        small = pairs.size + pairs.run.network.size + pairs.T * 10 * sum(pairs.run.network.widths) <= MOST_KEPT
        return cls(made, sentences.truncation(made), wanted if small else None)

    @staticmethod
    def work(experiment):
        e = experiment
        losses, pair, made = int(e.scored.sum()), sum(PAIR + 4 * n * n for n, _, _ in e.stack), run_alone(e)
        if lets_again(e):
            made += truncated(e.T, e.tau_max, e.tau_b, again=True).carrying(e.scored).columns() * pair
        return made + (losses * e.T * pair // 2 if losses > 1 else e.T * TERM * 3 * len(e.stack))

    @property
    def shape(self):
        return self.accounts.L, self.accounts.T

    @property
    def reached(self):
        return self.accounts.reached

    def spec(self, experiment, chosen, *, zoom=None, held=None, **options):
        return truncation_spec(self.accounts, **options)

    def equation(self, experiment, chosen):
        a = self.accounts
        return gradient(term(a.run, split_name(a.name)[0], a.layer, chosen[1]), notation=experiment.notation)

    def says(self, experiment):
        a = self.accounts
        return dict(keys=self.keys, heading="This gradient", opened=0, flow=False, quantity="", tools=[
            ["weight", "Gradient of", [[name, sentences.parameter(name)] for name in a.names], a.name],
            *([["per", "Terms by", [["step", "by step"], ["lag", "by lag"]], a.per]] if a.pairs.delta is not None else []),
            *([["again", "Losses", [[False, "losses once"], [True, "old losses again"]], experiment.again]]
              if experiment.cut and len(a.losses) > 1 else []),
        ])

    def csv(self):
        return terms_csv(self.accounts)

    def script(self, experiment, **names):
        return script(experiment, self.sentence.text, **names, kind="truncation")


@dataclass(frozen=True, eq=False)
class RoutesDrawn(Drawn):
    """What the Routes view shows of one cell; a small run stays for the next cell.

    told: the Routes to the cell, None where there are none to tell: then total is the Sum of a parameter's gradient over the
    steps, None for the reason `why`.
    """

    reading: Flow
    sentence: Sentence
    cell: tuple
    told: Routes | None
    grouped: Groups | None
    name: str = ""
    names: tuple = ()
    total: Sum | None = None
    why: str = ""
    both: bool = True  # whether there are routes, too
    source: tuple | None = None

    shown = None
    fields = ("quantity", "weight", "layer", "step")  # the routes of another cell are counted anew
    keys = "Routes from the losses to the chosen cell. Arrow keys move it: left and right through steps, up and down in layers."

    @classmethod
    def of(cls, experiment, checkpoint, before, progress=None):
        same = isinstance(before, cls) and before.source is not None and before.source[0] == experiment.recipe
        made = before.source[1] if same else run(experiment, checkpoint)
        reading = before.reading if same else read(made, "delta", checkpoint)
        if reading.overflow is not None:  # Flow says where
            return FlowDrawn.of(experiment, checkpoint, before)
        l, t = outlined(experiment, (reading.L, reading.T), reading.reached)
        small = reading.T * 10 * sum(reading.widths) + made.network.size <= MOST_KEPT
        kept = dict(source=(experiment.recipe, made) if small else None)
        names = tuple(name for name in parameters(made.network) if not name.endswith("out"))
        reason = routes_problem(made)
        if reason or experiment.weight in names:
            name = parameter(replace(experiment, weight=experiment.weight if experiment.weight in names else ""), made.network)
            why = sum_problem(made, name) or ""
            known = same and before.name == name
            total = before.total if known else None if why else read_sum(made, name, checkpoint)
            return cls(reading, sentences.sum_over_steps(total, reason or why), (l, t), None, None, name, names, total, why,
                       not reason, **kept)
        told = routes(made, l, t)
        grouped = groups(made, l, spelled=4, most=0) if reading.recurrent[l] else None
        return cls(reading, sentences.routes(told, experiment.quantity, reading.tau_max), (l, t), told, grouped, names=names,
                   **kept)

    @staticmethod
    def work(experiment):
        units = sum(n for n, _, _ in experiment.stack)
        each = CELL * len(experiment.stack) + (units**3 if 1 < units <= MOST_UNITS else 0)
        return run_alone(experiment) + experiment.T * each

    @property
    def shape(self):
        return self.reading.L, self.reading.T

    @property
    def reached(self):
        return self.reading.reached

    def spec(self, experiment, chosen, *, zoom=None, held=None, **options):
        return routes_spec(self.reading, self.told, self.grouped, self.total, why=self.why, route=experiment.route, **options)

    def equation(self, experiment, chosen):
        return cell(self.reading, *self.cell, notation=experiment.notation)

    def says(self, experiment):
        """What the board is told about its figure; δ is ∂C/∂z here, for that is what routes add up to."""
        sums = [[name, f"{'sum over k: ' * self.both}{sentences.parameter(name)}"] for name in self.names]
        tools = [["weight", "Show", [["", "routes"]] * self.both + sums, self.name]]
        return dict(keys=self.keys, heading="The chosen cell", opened=0, flow=False,
                    quantity=NOTATIONS[experiment.notation].says["delta"], tools=tools)

    def csv(self):
        if self.told is not None:
            return routes_csv(self.told)
        return grid_csv(self.reading) if self.total is None else sum_csv(self.total)

    def script(self, experiment, **names):
        return script(experiment, self.sentence.text, **names, kind="sum" if self.told is None else "routes", cell=self.cell,
                      parameter=self.name)


def gradients(experiment):
    """What names the gradients of an experiment: the same for all pictures that only look at them differently."""
    return crc32(f"{to_link(experiment.recipe)} {lets_again(experiment)}".encode())


def lets_again(experiment):
    """Whether the gradients on show are those of the misreading that lets old losses enter again."""
    return experiment.cut and experiment.again and experiment.view == "truncation" and not experiment.walk


def outlined(experiment, shape, reached):
    """(layer, step), from 0: the chosen cell inside a grid of this shape, else one in the middle of what is reached (T,); None
    where there is no cell to outline."""
    if reached is None:
        return None
    L, T = shape
    layer = min(experiment.layer, L) or 1
    if experiment.step:
        return layer - 1, min(experiment.step, T) - 1
    steps = np.flatnonzero(reached)
    return layer - 1, int(steps[(len(steps) - 1) // 2])

