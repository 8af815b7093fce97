"""A talk: pictures in the order in which they are to be shown, each with a title, kept in one small JSON file."""

import json
from dataclasses import dataclass

from .experiment import Experiment
from .files import experiment_of, json_object, open_file, to_json
from .formats import MOST_BYTES
from .links import from_link, mend, to_link, too_large
from .values import shown

MARK, VERSION = "rnnviz talk", 1
MOST, LONGEST_TITLE = 60, 60  # pictures; characters
MOST_OWN = 200_000  # numbers of own weights and tables that do not fit links: a talk stays a small file


@dataclass(frozen=True)
class Entry:
    """One picture of a talk. Raises ValueError on a title that is too long or not printable."""

    title: str
    experiment: Experiment

    def __post_init__(self):
        if not isinstance(self.title, str) or len(self.title) > LONGEST_TITLE or not self.title.isprintable():
            raise ValueError(f"a title is {shown(self.title)}; it must be at most {LONGEST_TITLE} printable characters")


def own_numbers(entries):
    """The numbers of own weights and tables that a talk keeps whole."""
    return sum(entry.experiment.weights.size + entry.experiment.table.size for entry in entries if too_large(entry.experiment))


def refuse_large(entries):
    """Raises ValueError where the own numbers of a talk are too many."""
    if own_numbers(entries) > MOST_OWN:
        raise ValueError(f"the pictures' own weights and tables hold {own_numbers(entries):,} numbers; in a talk they may hold "
                         f"{MOST_OWN:,}")


def to_talk(entries):
    """Entries as a JSON text that from_talk reads back: title and link of each, and the whole experiment where own weights or a
    table are too large for the link."""
    pictures = []
    for entry in entries:
        picture = {"title": entry.title, "link": f"?{to_link(entry.experiment)}"}
        if too_large(entry.experiment):
            picture["experiment"] = json.loads(to_json(entry.experiment))
        pictures.append(json.dumps(picture, ensure_ascii=False))
    body = ",\n  ".join(pictures)
    return f'{{"{MARK}": {VERSION},\n "pictures": [\n  {body}]}}\n'


def from_talk(data):
    """(entries, notes) of such a file's bytes; notes says in plain sentences what a link could not keep.

    Raises ValueError with one sentence where it is no talk.
    """
    value = json_object(data)
    if value.get(MARK) != VERSION or type(value[MARK]) is not int:
        raise ValueError(f"the talk is of version {shown(value.get(MARK))}; this program reads version {VERSION}")
    pictures = value.get("pictures")
    if set(value) != {MARK, "pictures"} or not isinstance(pictures, list) or not 1 <= len(pictures) <= MOST:
        raise ValueError(f"a talk must have pictures, a list of 1 to {MOST}")
    entries, notes = [], []
    for n, picture in enumerate(pictures, start=1):
        try:
            entry, remarks = _entry(picture)
        except ValueError as reason:
            raise ValueError(f"picture {n}: {reason}") from None
        entries.append(entry)
        notes += [f"Picture {n}: {remark}" for remark in remarks]
    refuse_large(entries)
    return tuple(entries), tuple(notes)


def _entry(picture):
    if not isinstance(picture, dict) or not {"title", "link"} <= set(picture) <= {"title", "link", "experiment"}:
        raise ValueError("it must have a title and a link, and may have an experiment")
    if not isinstance(picture["link"], str):
        raise ValueError(f"its link is {shown(picture['link'])}; it must be a text")
    if "experiment" in picture:
        if not isinstance(picture["experiment"], dict):
            raise ValueError(f"its experiment is {shown(picture['experiment'])}; it must be an object in braces")
        experiment, notes = mend(experiment_of(picture["experiment"]))
        return Entry(picture["title"], experiment), notes
    link = picture["link"]
    experiment, notes = from_link(link.partition("?")[2] if "?" in link else link)
    return Entry(picture["title"], experiment), notes


def open_any(name, data, **how):
    """(entries, notes) of a talk, or whatever else open_file finds in a file. Raises ValueError with a sentence."""
    if name.lower().endswith(".json") and f'"{MARK}"'.encode() in data[:100] and len(data) <= MOST_BYTES:
        return from_talk(data)
    return open_file(name, data, **how)
