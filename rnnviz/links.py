"""An experiment in an address: the one parser of links, which never fails and says what it had to change."""

import re
from collections import Counter
from dataclasses import replace
from urllib.parse import parse_qsl, quote

from .experiment import CONTROLS, Experiment, longest, misfits, problem, value_problem
from .own import parse_table, parse_weights
from .values import shown

LONGEST_LINK = 131_072
LONGEST_OWN = 12_000  # characters that weights, or a table, may take in a link
OWN = {"weights": parse_weights, "table": parse_table}


def parse(name, text):
    """The value of a field from the text of a link. Raises ValueError with a sentence."""
    kind, label = CONTROLS[name]["kind"], CONTROLS[name]["label"]
    value = text
    if kind == "own":
        if len(text) > LONGEST_OWN:
            raise ValueError(f"{label} has {len(text):,} characters; in a link it may have {LONGEST_OWN:,}")
        try:
            return OWN[name](text)
        except ValueError as reason:
            raise ValueError(f"{label}: {reason}") from None
    if kind == "switch":
        value = {"1": True, "0": False}.get(text, text)
    elif kind == "whole" and re.fullmatch(r"[-+]?[0-9]{1,12}", text):
        value = int(text)
    elif kind == "real" and re.fullmatch(r"[-+0-9.eE]{1,24}", text):
        try:
            value = float(text)
        except ValueError:
            value = text
    elif kind == "choice" and type(CONTROLS[name]["default"]) is int and re.fullmatch(r"[0-9]{1,4}", text):
        value = int(text)
    found = value_problem(name, value)
    if found:
        raise ValueError(found)
    return value


def to_link(experiment, longest=LONGEST_OWN):
    """The query string of an experiment: every field that differs from its default, in order; "" for the default.

    Weights or a table of more than `longest` characters leave only the mark of what they were: "@" and their digest.
    """
    parts = []
    for name, control in CONTROLS.items():
        value = getattr(experiment, name)
        if value != control["default"]:
            if control["kind"] == "own":
                text = own_text(value, longest) or f"@{value.digest}"
            else:
                text = str(int(value)) if control["kind"] == "switch" else str(value)
            parts.append(f"{name}={quote(text, safe=',/:;@')}")
    return "&".join(parts)


def own_text(value, longest=LONGEST_OWN):
    """Own weights or a table as they stand in a link, or None where they are too large for it."""
    return value.text if 2 * value.size <= longest and len(value.text) <= longest else None


def too_large(experiment):
    """The labels of what does not travel in the experiment's link."""
    return tuple(CONTROLS[name]["label"].lower() for name in OWN
                 if (value := getattr(experiment, name)) and own_text(value) is None)


def from_link(query, recall=lambda digest: None):
    """(Experiment, notes) of a query string or a mapping of its values; notes says in plain sentences what was changed.

    recall(digest): weights or a table that were too large for the link, where they are still known, or None.
    Never raises: what cannot be read is left at its default, and settings that do not go together are mended.
    """
    given, notes, unknown = {}, [], []
    if isinstance(query, str):
        if len(query) > LONGEST_LINK:
            note = f"The link has {len(query):,} characters; it may have {LONGEST_LINK:,}. The default is shown."
            return Experiment(), (note,)
        pairs = parse_qsl(query.lstrip("?"), keep_blank_values=True)
        query = dict(pairs)
        notes += [f"The link gives {CONTROLS[name]['label']} {n} times; the last is used."
                  for name, n in Counter(name for name, _ in pairs).items() if n > 1 and name in CONTROLS]
    for name, text in query.items():
        if name not in CONTROLS:
            unknown.append(name)
            continue
        if name in OWN and str(text).startswith("@"):
            known = recall(str(text)[1:33])
            if isinstance(known, type(CONTROLS[name]["default"])):
                given[name] = known
            else:
                notes.append(LOST[name])
            continue
        try:
            given[name] = parse(name, str(text))
        except ValueError as reason:
            notes.append(f"{reason}. {'The weights are drawn.' if name == 'weights' else 'The usual value is used.'}")
    if unknown:
        names = ", ".join(shown(name) for name in unknown[:3])
        notes.append(f"The link names {names}{' and more' if len(unknown) > 3 else ''}, which this page does not know.")
    experiment, mended = mend(Experiment(**given))
    return experiment, (*notes, *mended)


LOST = {
    "weights": "This picture had weights of its own, too large for its link, and they are gone. Open their file again; "
               "until then the weights are drawn.",
    "table": "This picture had a table, too large for its link, and it is gone. Open its file again.",
}


REPAIRS = (
    lambda e: dict(init="orthogonal"),
    lambda e: dict(text=CONTROLS["text"]["default"]),
    lambda e: dict(score="last step", steps=""),
    lambda e: dict(columns="", target_column=1),
    lambda e: dict(weights=e.weights.keep(set(e.weights.arrays) - set(misfits(e)))),
    lambda e: dict(readout="linear"),
    lambda e: dict(T=max(1, longest(e))),
    lambda e: dict(task=CONTROLS["task"]["default"]),
    lambda e: dict(layers="", width=16),
    lambda e: dict(loss="usual"),
)


def mend(experiment):
    """(Experiment, notes): the same settings where they go together, else the nearest that do, and what was changed."""
    notes = []
    for repair in REPAIRS * 2:
        found = problem(experiment)
        if not found:
            break
        tried = replace(experiment, **repair(experiment))
        if _without_numbers(problem(tried)) != _without_numbers(found):
            notes.append(f"{found} {changed(experiment, tried)}.")
            experiment = tried
    return (experiment, tuple(notes)) if not problem(experiment) else (Experiment(), (*notes, "The default is shown."))


def changed(before, after):
    """What became of each setting that differs, in words."""
    parts = []
    for name, control in CONTROLS.items():
        value = getattr(after, name)
        if value != getattr(before, name):
            parts.append("What does not fit is left out" if control["kind"] == "own" else
                         f"{control['label']} is now {shown(value) if value != '' else 'empty'}")
    return ", ".join(parts)


def _without_numbers(sentence):
    """What a sentence complains of, however much: the same problem with other numbers is not solved."""
    return re.sub(r"[0-9.,]+", "", sentence or "")
