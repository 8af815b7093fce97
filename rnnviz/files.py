"""Files in and out: a whole experiment as JSON or as a script, a network or a table to take in, a grid as a table to take home.

open_file looks at a file and says what it is; take_in puts it into an experiment.
"""

import base64
import json
import re
from dataclasses import replace
from hashlib import sha256
from itertools import groupby
from math import prod
from pathlib import Path

import numpy as np

from . import tables
from .conversions import conversion
from .experiment import (
    BY_HAND,
    CONTROLS,
    TABLE,
    Experiment,
    ends,
    misfits,
    rows_to_read,
    table_problem,
    value_problem,
)
from .flow import CUT, NAN, OVERFLOW, PENDING, UNDERFLOW, ZERO
from .foreign import understand
from .formats import FORMATS, MOST_BYTES, arrays_of, parsed, read_arrays, whole
from .links import mend, to_link, too_large
from .own import MOST_NUMBERS, Table, Weights
from .values import shown

VERSION = 1
TABLES = ("csv", "tsv", "txt", "dat")  # endings of tables
READABLE = 1000  # numbers an array may have to be written as numbers; a larger one is written as its bytes


# A whole experiment.


def to_json(experiment):
    """An experiment as a JSON text that from_json reads back equal to the last bit: settings that differ from the usual
    ones, own weights, a table; a version and a checksum of all of it."""
    value = {"rnnviz": VERSION, "settings": {
        name: setting for name, control in CONTROLS.items()
        if control["kind"] != "own" and (setting := getattr(experiment, name)) != control["default"]}}
    if experiment.weights:
        value["weights"] = {name: written(array) for name, array in experiment.weights.arrays.items()}
    if experiment.table:
        value["table"] = {"names": list(experiment.table.names), "numbers": written(experiment.table.numbers)}
    value["sha256"] = checksum(value)
    lines = (f"{json.dumps(name)}: {json.dumps(part, ensure_ascii=False, allow_nan=False)}" for name, part in value.items())
    return "{" + ",\n ".join(lines) + "}\n"


def from_json(text):
    """The Experiment of such a text (str, or bytes as UTF-8). Raises ValueError with one sentence."""
    return experiment_of(json_object(text.encode("utf-8", "replace") if isinstance(text, str) else text))


def json_object(data):
    return parsed(data, "the file", whole=whole, most=MOST_NUMBERS)


def experiment_of(value):
    """The Experiment of a parsed JSON file of ours. Raises ValueError where it is of another version, damaged or not valid."""
    if "rnnviz" not in value:
        raise ValueError('the file is no experiment: it has no entry "rnnviz"')
    if type(value["rnnviz"]) is not int or value["rnnviz"] != VERSION:
        raise ValueError(f"the file is of version {shown(value['rnnviz'])}; this program reads version {VERSION}")
    if value.get("sha256") != checksum({name: part for name, part in value.items() if name != "sha256"}):
        raise ValueError("the file's checksum does not fit its content: it was changed or damaged on its way")
    parts = {"settings": {}, "weights": {}, "table": {}} | {name: part for name, part in value.items() if name != "sha256"}
    for name, part in parts.items():
        if name not in ("rnnviz", "settings", "weights", "table"):
            raise ValueError(f"the file has an entry {shown(name)}; it may have settings, weights and table")
        if name != "rnnviz" and not isinstance(part, dict):
            raise ValueError(f"{name} is {shown(part)}; it must be an object in braces")
    settings, table = parts["settings"], parts["table"]
    for name, setting in settings.items():
        if name not in CONTROLS or CONTROLS[name]["kind"] == "own":
            raise ValueError(f"the file has a setting {shown(name)}, which this program does not know")
        if found := value_problem(name, setting):
            raise ValueError(found)
    names = table.get("names", [])
    if set(table) not in (set(), {"names", "numbers"}) or not isinstance(names, list):
        raise ValueError("table must have names, a list of texts, and numbers")
    return Experiment(**settings, weights=Weights({name: read(part, name) for name, part in parts["weights"].items()}),
                      table=Table(names, read(table["numbers"], "the table's numbers")) if table else Table())


def written(array):
    """An array as nested lists, or, above a thousand numbers, as a text: float64, its shape, its bytes in base 64."""
    if array.size <= READABLE:
        return array.tolist()
    return f"float64 {' '.join(map(str, array.shape))} {base64.b64encode(array.astype('<f8').tobytes()).decode()}"


def read(value, name):
    """What `written` made, as lists or an array. Raises ValueError naming it."""
    if isinstance(value, list):
        rows = value if value and isinstance(value[0], list) else [value]
        if not all(isinstance(row, list) and all(type(entry) in (int, float) for entry in row) for row in rows):
            raise ValueError(f"{name} must hold numbers, or rows of numbers")
        return value
    found = re.fullmatch(r"float64 ([1-9][0-9]{0,5})(?: ([1-9][0-9]{0,5}))? ([A-Za-z0-9+/]*={0,2})", value) \
        if isinstance(value, str) else None
    shape = [int(side) for side in found.groups()[:2] if side] if found else []
    try:
        made = base64.b64decode(found[3]) if found else b""
    except ValueError:
        made = b""
    if not found or len(made) != 8 * prod(shape):
        raise ValueError(f"{name} must be rows of numbers, or float64, a shape and that many numbers")
    return np.frombuffer(made, "<f8").reshape(shape)


def checksum(value):
    """SHA-256 of a JSON value without regard to order and blanks."""
    return sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


# Taking in.


def open_file(name, data, **how):
    """What a file holds: an Experiment, a Found network, or the Read of a table. how: as read_table.

    name: the file's own name, for its ending; data: its bytes. Raises ValueError with a sentence that says what it is and
    what may be opened.
    """
    if len(data) > MOST_BYTES:
        raise ValueError(f"the file has {len(data) / 2**20:.1f} MB; it may have {MOST_BYTES >> 20}")
    if not data:
        raise ValueError("the file is empty")
    found = conversion(name, data)
    if found:
        raise ValueError(found)
    ending = name.rpartition(".")[2].lower()
    if ending == "json":
        value = json_object(data)
        return experiment_of(value) if "rnnviz" in value else understand(arrays_of(value))
    if ending in FORMATS:
        return understand(read_arrays(data, ending))
    if ending in TABLES:
        return tables.read_table(data, **how)
    raise ValueError(f"the file ends in {shown('.' + ending)}; it must be one of "
                     f"{', '.join('.' + kind for kind in (*FORMATS, *TABLES))}")


def load(path):
    """The Experiment of a file: one saved here, or the usual one with a network or table taken in.

    Raises ValueError as open_file does, OSError where there is no such file.
    """
    path = Path(path)
    found = open_file(path.name, path.read_bytes())
    return found if isinstance(found, Experiment) else take_in(Experiment(), found)[0]


def take_in(experiment, found, cell="tanh"):
    """(Experiment, notes): the experiment with a Found network or a Read table in it, and what was changed for it to fit.

    cell: of the network's layers; no file says it.
    """
    if isinstance(found, tables.Read):
        return take_table(experiment, found.table)
    layers = ", ".join(f"{n}" if recurrent else f"{n} static" for n, recurrent in found.stack)
    widths = {n for n, _ in found.stack}
    plain = len(widths) == 1 and all(recurrent for _, recurrent in found.stack)
    made = replace(experiment, weights=found.weights, cell=cell, readout="linear" if found.n_out else "none",
                   init="orthogonal" if experiment.init == BY_HAND else experiment.init, layer=0, open=0,
                   **(dict(layers="", depth=len(found.stack), width=widths.pop()) if plain else dict(layers=layers)))
    wanted = found.n_in, found.n_out or found.stack[-1][0]
    notes = []
    if TABLE == made.task and not made.table or ends(made) != wanted:
        made = replace(made, task="noise", inputs=wanted[0], outputs=wanted[1], loss="usual")
        notes.append(f"The input is now noise, because the network has {wanted[0]} input{'s' * (wanted[0] > 1)} and "
                     f"{wanted[1]} output{'s' * (wanted[1] > 1)}; open a table to give it a sequence of your own.")
    made, mended = mend(made)
    return made, (*notes, *mended)


def take_table(experiment, table):
    """(Experiment, notes): the experiment with a table as its input, read to its end.

    Of the aims it takes the first that own weights fit: the next value, the last column, 0.
    """
    made = replace(experiment, table=table, task=TABLE, **({"columns": "", "aim": "next value"} if experiment.table else {}))
    W_out = experiment.weights.arrays.get("W_out")
    others = [replace(made, aim="a column", target_column=len(table.names))]
    if W_out is not None:
        others.append(replace(made, aim="zero", outputs=len(W_out)))
    if table_problem(replace(made, T=1)) is None and misfits(made):
        made = next((other for other in others if not table_problem(replace(other, T=1)) and not misfits(other)), made)
    return mend(replace(made, T=max(1, min(rows_to_read(made), CONTROLS["T"]["high"]))))


# Taking home.


STATES = {CUT: "cut", ZERO: "zero", UNDERFLOW: "underflow", OVERFLOW: "overflow", NAN: "nan", PENDING: "not computed"}


def grid_csv(flow):
    """The delta grid as a table, one row a cell: layer and step from 1, log10 of the size of delta, of its ratio to what the
    loss sends in, and of both messages, mean slope, and the state of a cell that is marked."""
    l, t = (index.ravel() for index in np.indices((flow.L, flow.T)))
    columns = {"layer": l + 1, "step": t + 1, f"log10 {flow.quantity}": flow.log_size.ravel(),
               "log10 ratio": flow.log_ratio.ravel(), "log10 from space": flow.log_space.ravel(),
               "log10 from time": flow.log_time.ravel(), "mean slope": flow.openness.ravel(),
               "state": [STATES.get(int(state), "") for state in flow.state.ravel()]}
    return tables.write_table(columns)


def terms_csv(accounts):
    """What each step, or lag, adds to the gradient of Accounts as a table: size over the whole gradient's, signed share, in the
    full gradient and under the schedule; and for every tau_max the angle in degrees, the size ratio and the relative error."""
    a = accounts
    n = np.arange(len(a.whole.size))
    columns = {a.per: n if a.per == "lag" else n + 1, f"size in d{a.name}": a.whole.size, "share": a.whole.share,
               "size kept": a.kept.size, "share kept": a.kept.share}
    if a.every is not None:
        columns["tau_max"] = n + 1
        for name in (a.name, "all"):
            columns |= {f"{field} of {name}": getattr(a.every.of[name], field) for field in ("angle", "ratio", "error")}
    return tables.write_table(columns)


def routes_csv(routes):
    """The largest Routes to a cell as a table, one row a route: its loss step from 1, its moves in order, its term, log10
    of the term's size, its share of all sizes; then one row for the others together, if there are any, and one for all."""
    told, largest = routes, routes.largest
    rows = [(str(i), "1", route.start + 1, in_words(route.moves), route.term, route.log_size, route.share)
            for i, route in enumerate(largest, start=1)]
    more = told.number - len(largest)
    if more:
        rows.append(("others", str(more), None, None, told.sum - sum(route.term for route in largest), None,
                     max(0.0, 1.0 - sum(route.share for route in largest))))
    rows.append(("all", str(told.number), None, None, told.sum, None, 1.0 if told.total > 0 else 0.0))
    names = ("route", "routes", "loss at step", "moves", f"term of layer {told.layer + 1} step {told.step + 1}", "log10 size",
             "share of sizes")
    return tables.write_table(dict(zip(names, zip(*rows, strict=True), strict=True)))


def in_words(moves):
    """The moves of a route with equal ones counted: "4 time, 1 space"."""
    return ", ".join(f"{len(list(equal))} {move}" for move, equal in groupby(moves))


def sum_csv(sum_):
    """The terms of a gradient as a sum over steps, of an immediate.Sum, as a table: one row a step, empty where it has none."""
    columns = {"step": np.arange(sum_.T) + 1, "row that arrives": sum_.through}
    columns |= {name: values for name, values in (("product of Jacobians", sum_.product),
                                                  ("immediate derivative", sum_.immediate)) if values is not None}
    return tables.write_table(columns | {f"term of d{sum_.name}": sum_.term, "counted as a total derivative": sum_.counts})


def rate_csv(rate):
    """The singular values of a jacobians.Rate as a table, one row a lag: log10 of those of the layer's product and of the
    stack's, largest first, empty where a product is not shown at that lag; beside them the eigenvalues of W_T, one a row."""
    spectra = {f"layer {rate.layer + 1}": rate.own} | ({"stack": rate.stack} if rate.stack is not rate.own else {})
    spectra = {name: spectrum for name, spectrum in spectra.items() if spectrum is not None}
    lags = sorted({lag for spectrum in spectra.values() for lag in spectrum.lags.tolist()})
    rows = max(len(lags), 0 if rate.eigenvalues is None else len(rate.eigenvalues))
    columns = {"lag": lags}
    for name, spectrum in spectra.items():
        at = dict(zip(spectrum.lags.tolist(), spectrum.log10, strict=True))
        for i in range(spectrum.log10.shape[1]):
            columns[f"log10 sigma {i + 1} of {name}"] = [at[lag][i] if lag in at and not np.isnan(at[lag][i]) else None
                                                           for lag in lags]
    if rate.eigenvalues is not None:
        columns |= {"eigenvalue, real": rate.eigenvalues.real.tolist(), "eigenvalue, imaginary": rate.eigenvalues.imag.tolist()}
    return tables.write_table({name: [*values, *[None] * (rows - len(values))] for name, values in columns.items()})


def wall_csv(wall):
    """Both descents of a landscape.Wall as a table, one row a step: the two weights, loss and size of the gradient of each."""
    x, y = wall.surface.landscape.names
    rows = 1 + max(wall.plain.steps, wall.other.steps)
    columns = {"step": list(range(rows))}
    for name, path in (("plain", wall.plain), (wall.other_name, wall.other)):
        made = {f"{name} {x}": path.points[:, 0], f"{name} {y}": path.points[:, 1], f"{name} loss": path.loss,
                f"{name} gradient": path.norm}
        columns |= {title: [*values.tolist(), *[None] * (rows - len(values))] for title, values in made.items()}
    return tables.write_table(columns)


def map_csv(gainmap):
    """A GainMap as a table, one row a scale and lag: mean and standard deviation of log10 of what is left, how many draws
    count, how many hold an exact 0, and what theory predicts."""
    m = gainmap
    k, g = (index.ravel() for index in np.indices(m.mean.shape))
    columns = {"recurrent scale": m.gains[g], "lag": m.lags[k], "mean log10": m.mean.ravel(), "deviation": m.spread.ravel(),
               "draws": m.counted.ravel(), "dead": m.dead.ravel()}
    return tables.write_table(columns | ({} if m.predicted is None else {"predicted log10": m.predicted.ravel()}))


def long_csv(streamed):
    """What is left of the gradient of a Streamed as a table, one row a column of its figure: first and last step, log10 of the
    median of every layer over what the loss sends in."""
    edges, medians = streamed.binned
    columns = {"first step": (edges[:-1] + 0.5).astype(int), "last step": (edges[1:] - 0.5).astype(int)}
    return tables.write_table(columns | {f"log10 ratio of layer {l}": row for l, row in enumerate(medians, start=1)})


PICTURES = {  # what a program imports for each kind of picture, and how it makes it
    "flow": ("", """run = rnnviz.run(experiment)
flow = rnnviz.read(run, experiment.quantity, precision=experiment.precision)
sentence = rnnviz.flow_sentence(flow, rnnviz.uncut(run, flow)).text
{check}rnnviz.flow_figure(flow, {options}).show()
"""),
    "truncation": ("", """accounts = rnnviz.account(experiment)
sentence = rnnviz.truncation_sentence(accounts).text
{check}rnnviz.truncation_figure(accounts, {options}).show()
"""),
    "routes": ("from rnnviz.routes import groups, routes\n", """run = rnnviz.run(experiment)
told = routes(run, {cell})
sentence = rnnviz.routes_sentence(told, experiment.quantity, run.windows.tau_max).text
grouped = groups(run, told.layer, spelled=4, most=0) if run.network.layers[told.layer].recurrent else None
{check}rnnviz.routes_figure(rnnviz.read(run), told, grouped, route=experiment.route, {options}).show()
"""),
    "sum": ("from rnnviz.immediate import problem, read_sum\nfrom rnnviz.routes import problem as no_routes\n",
            """run = rnnviz.run(experiment)
why = problem(run, {parameter!r}) or ""
total = None if why else read_sum(run, {parameter!r})
sentence = rnnviz.sum_sentence(total, no_routes(run) or why).text
{check}rnnviz.routes_figure(rnnviz.read(run), None, None, total, why=why, {options}).show()
"""),
    "rate": ("", """rate = rnnviz.rates(rnnviz.run(experiment), {layer})
sentence = rnnviz.rate_sentence(rate).text
{check}rnnviz.rate_figure(rate, {options}).show()
"""),
    "wall": ("", """wall = rnnviz.wall_of(experiment)
sentence = rnnviz.wall_sentence(wall).text
{check}rnnviz.wall_figure(wall, shade=experiment.shade, {options}).show()
"""),
    "long": ("", """streamed = rnnviz.long_run(experiment)
sentence = rnnviz.long_sentence(streamed).text
{check}rnnviz.long_figure(streamed, {options}).show()
"""),
    "map": ("", """gainmap = rnnviz.sweep(experiment)
sentence = rnnviz.map_sentence(gainmap).text
{check}rnnviz.map_figure(gainmap, {options}).show()
"""),
}


def script(experiment, sentence, title="rnnviz", file="rnnviz", *, kind="flow", cell=None, parameter=None, layer=None):
    """A Python program that rebuilds the experiment's picture with the public functions, and checks its sentence.

    What is too large for a link it reads from the experiment's JSON file, `file`.json, which is to lie beside it. kind: of the
    picture, in PICTURES; cell: the one that routes lead to, from 0; parameter: the one whose gradient is summed;
    layer: the one whose product of Jacobians is shown, from 0.
    """
    e = experiment
    if too_large(e):
        source = f'rnnviz.load("{file}.json")  # saved from the same page; it holds the numbers that are too many for a link'
    else:
        source = f"rnnviz.from_link(\n    {to_link(e)!r})[0]"
    options = ["caption=sentence"] + ([f"decades={e.decades}"] if e.decades else [])
    if kind == "flow":
        options += [f"cell=({e.layer - 1}, {e.step - 1})"] if e.layer and e.step else []
        options += [f"opened=rnnviz.neurons(run, flow, {e.open - 1})"] if e.open else []
    check = f"print(sentence)\nassert sentence == (\n    {sentence!r})\n"
    imports, made = PICTURES[kind]
    made = made.format(check=check, options=", ".join(options), parameter=parameter, layer=layer,
                       cell=", ".join(map(str, cell or ())))
    return f'''"""{title}: this rebuilds a picture of rnnviz. It needs rnnviz, and Plotly to show it."""

import rnnviz
{imports}
experiment = {source}
{made}'''
