"""The settings of one visitor: link in, widgets, link out.

`settings` in the session holds every field of Experiment, shown or not; each widget writes its field there, and
everything that replaces several at once (an example, Back, a link) goes through `put`.
"""

import re
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st

from ..dials import DRAWS, SHORT
from ..experiment import CONTROLS, TABLE, Experiment, hand_weights, make_network, misfits, problem, shapes
from ..links import from_link
from ..network import matrices
from ..own import Weights, parse_number
from ..values import shown
from .shelf import shelf

UNDOABLE, ROOM = 20, 4_000_000  # steps back, and the numbers they may keep


def widget_key(name):
    """The key of a field's widget. It is a new one whenever the field is set otherwise than by its widget: a browser that has
    not heard of it yet still sends the old widget's value, as if it had been set after."""
    turn = st.session_state.setdefault("turns", {}).get(name, 0)
    return f"w_{name}_t{turn}" if turn else f"w_{name}"


def renew(*names):
    """Let the widgets of these fields take their values from the settings."""
    turns = st.session_state.setdefault("turns", {})
    st.session_state.turns = turns | {name: turns.get(name, 0) + 1 for name in names}


def begin():
    """Read the link, once a session, and what the widgets say, on every run."""
    session = st.session_state
    first = "settings" not in session
    if first:
        follow(st.query_params.to_dict())
    for name, control in CONTROLS.items():  # what a person just changed, before any control is drawn that depends on it
        if session.get(widget_key(name)) is not None:
            session.settings[name] = session[widget_key(name)]
        elif widget_key(name) in session and control["kind"] in ("whole", "real") and control["default"] == 0:
            session.settings[name] = control["default"]  # an empty field
    take_hand()
    take_edit()
    settle_choices()
    settle_weights()
    if first:  # what the browser brings of a session before this one changes nothing of what the link had to say
        tell(*session.noted[1])


def settle_choices():
    """A layer or column that is no longer there is no longer chosen."""
    table = get("table")
    if table and (get("task"), get("aim")) == (TABLE, "a column") and get("target_column") > len(table.names):
        change(target_column=1)
    try:
        if get("open") > len(experiment().stack):
            change(open=0)
    except ValueError:
        pass


def follow(query):
    """Set every control as a link says, and remember what had to be changed."""
    experiment, notes = from_link(query, shelf().find)
    put(experiment)
    tell(*notes)


def tell(*notes, whatever=None):
    """Show these sentences above the picture until a control moves, other than the field `whatever`."""
    st.session_state.noted = (dict(st.session_state.settings), notes, whatever)


def notes():
    """What has been told, until a control moves."""
    settings, notes, whatever = st.session_state.get("noted") or ({}, (), None)
    return notes if settings | {whatever: None} == st.session_state.settings | {whatever: None} else ()


def put(experiment, *, push=False):
    """Set every control to an experiment. push: the browser's Back is to return to the picture before."""
    session = st.session_state
    before = session.get("settings", {})
    session.settings = {name: getattr(experiment, name) for name in CONTROLS}
    if before and before["weights"] != experiment.weights:
        remember(before)
    session.last = dict(session.settings)
    if before:
        renew(*CONTROLS)
    session.by_number = experiment.T > SHORT
    session.pop("zoom", None)
    if push:
        session.pushes = session.get("pushes", 0) + 1


def get(name):
    return st.session_state.settings[name]


def streams():
    """Whether a long run is on show, whose steps are its own."""
    return bool(get("long")) and get("view") == "flow" and not get("walk")


def change(**values):
    """Set some fields, and their widgets."""
    for name, value in values.items():
        st.session_state.settings[name] = value
    renew(*values)


def take(name, value):
    """A widget's value into the settings."""
    st.session_state.settings[name] = value


def experiment():
    """The Experiment that the controls describe. Raises ValueError with a sentence if a field is out of range."""
    return Experiment(**st.session_state.settings)


def hand():
    """The weights by hand as the number fields show them."""
    try:
        return hand_weights(experiment())
    except ValueError:
        return ()


def hand_key(l, i):
    return f"{widget_key('hand')}_{l}_{i}"


def take_hand():
    """What the number fields of the weights by hand show, where they are shown, into the text that the link carries."""
    before = hand()
    after = []
    for l, old in enumerate(before):
        values = [st.session_state.get(hand_key(l, i)) for i in range(3)]
        after.append(tuple(old[i] if value is None else value for i, value in enumerate(values)))
    if tuple(after) != tuple(before):
        take("hand", ", ".join(" ".join(f"{value:.12g}" for value in layer) for layer in after))


# Own weights: edited in a table, undone, replaced by a dial, dropped where they no longer fit.


@dataclass(frozen=True, eq=False)
class Editing:
    """A matrix in the editor: its values when the editor opened, which must stay the same while it is open; the
    experiment that they come from, the weights that the last edit made, and the key of the editor."""

    name: str
    base: np.ndarray
    origin: Experiment
    after: Weights
    key: str


def editable():
    """{name: shape} of every matrix of the network on the controls; none while that cannot be run."""
    try:
        e = experiment()
        return {} if problem(e) else shapes(e)
    except ValueError:
        return {}


def editing(name):
    """The Editing of a matrix: the same one until something else than the editor changes the weights."""
    session = st.session_state
    now, e = session.get("editing"), experiment()
    origin = replace(e.recipe, weights=Weights())
    if now is None or now.name != name or now.after != e.weights or now.origin != origin:
        base = e.weights.arrays[name] if name in e.weights.arrays else matrices(make_network(e))[name]
        session.editors = session.get("editors", 0) + 1
        digest = Weights({name: base}).digest[:8]  # so that a browser's edits are never laid on another server's matrix
        now = session.editing = Editing(name, base, origin, e.weights, f"edit_{session.editors}_{name}_{digest}")
    return now


def take_edit():
    """What was typed or pasted into the editor, into the own weights."""
    session = st.session_state
    now, weights = session.get("editing"), session.settings["weights"]
    said = session.get(now.key) if now is not None and now.after == weights else None
    if not said or not said.get("edited_rows"):
        return
    made, refusals = now.base.copy(), []
    before, after = (array.reshape(len(made), -1) for array in (weights.arrays.get(now.name, now.base), made))
    for row, cells in said["edited_rows"].items():
        for column, text in cells.items():
            at = int(row), int(column) - 1
            try:
                after[at] = typed(text, f"Row {at[0] + 1}, column {column} of {now.name}")
            except ValueError as reason:
                after[at] = before[at]
                refusals.append(f"{reason}.")
    edited = weights.put(**{now.name: made})
    if edited != weights and (now.name in weights.arrays or not np.array_equal(made, now.base)):
        before = dict(session.settings)
        session.settings["weights"] = edited
        remember(before)
        session.editing = replace(now, after=edited)
    if refusals:
        session.editing = None  # a new editor, which shows what is
        tell(*refusals)


def typed(text, where):
    """The number that a person typed or pasted: a decimal comma is one too. Raises ValueError naming the place."""
    plain = (text or "").strip().replace("−", "-")
    if re.fullmatch(r"-?[1-9][0-9]{0,2},[0-9]{3}", plain):
        raise ValueError(f"{where} is {shown(plain)}; write {plain.replace(',', '.')} or {plain.replace(',', '')}")
    return parse_number(plain.replace(",", ".", 1) if "." not in plain else plain, where)


def settle_weights():
    """Own weights win over the dials until one of them moves: that replaces them. Another shape drops what does not fit."""
    session = st.session_state
    settings, last = session.settings, session.get("last") or session.settings
    weights = settings["weights"]
    session.last = dict(settings)
    if not weights or weights != last["weights"]:
        return
    moved = next((name for name in DRAWS if settings[name] != last[name]), None)
    if moved:
        lost, kept = tuple(weights.arrays), Weights()
        why = f"{CONTROLS[moved]['label']} was moved, so all weights are drawn again"
    else:
        lost = unfit()
        last = {name: getattr(session.good, name) for name in CONTROLS} if lost and session.get("good") else last
        kept, why = weights.keep(set(weights.arrays) - set(lost)), "The network has another shape now"
    if lost:
        settings["weights"] = session.last["weights"] = kept
        remember(last)
        names = ", ".join(lost[:6]) + (f" and {len(lost) - 6} more" if len(lost) > 6 else "")
        tell(f"{why}; your own {names} {'is' if len(lost) == 1 else 'are'} gone. Undo, under Weights, brings back what was.",
             whatever=moved)


def unfit():
    """The own weights that have no place in the network on the controls, where nothing else is wrong with it."""
    try:
        e = experiment()
        if problem(e) and not problem(replace(e, weights=Weights())):
            return tuple(misfits(e))
    except ValueError:
        pass
    return ()


def remember(before):
    """Let Undo bring back those of the settings before that differ now. It keeps at most 20, and 4 million numbers."""
    session = st.session_state
    changed = [name for name, value in before.items() if session.settings[name] != value]
    past = [*session.get("past", ()), (dict(before), changed)][-UNDOABLE:]
    while len(past) > 1 and numbers_of(past) > ROOM:
        del past[0]
    session.past = past


def numbers_of(past):
    """How many numbers the weights of these settings hold, those they share counted once."""
    return sum({id(array): array.size for before, _ in past for array in before["weights"].arrays.values()}.values())


def undo():
    """Bring back own weights as they were, and with them what was changed in the same moment; where they do not fit what was
    changed since, all settings of then."""
    session = st.session_state
    if session.get("past"):
        *session.past, (before, changed) = session.past
        change(**{name: before[name] for name in changed})
        if unfit():
            change(**before)
        session.last = dict(session.settings)
        session.pop("noted", None)


def reset():
    """Give up all own weights: every matrix is drawn again."""
    if get("weights"):
        before = dict(st.session_state.settings)
        change(weights=Weights())
        remember(before)
        st.session_state.last = dict(st.session_state.settings)
