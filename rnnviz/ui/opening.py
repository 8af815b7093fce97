"""Open: a network, a table or a whole experiment, from a file or pasted, looked at before it is used."""

from hashlib import sha256

import numpy as np
import pandas as pd
import streamlit as st

from ..cells import CELLS
from ..experiment import Experiment, problem
from ..files import TABLES, take_in
from ..foreign import Found
from ..links import mend
from ..own import MAX_SIDE
from ..talk import open_any
from ..texts import parse_ranges
from . import state, talking, trouble

LONGEST_PASTE = 2_000_000
SEPARATORS = {None: "as recognised", ",": "comma", ";": "semicolon", "\t": "tab", " ": "blanks"}
DECIMALS = {None: "as recognised", ".": "point", ",": "comma"}
HEADERS = {None: "as recognised", True: "names", False: "numbers"}


def forget():
    """Let go of what was looked at."""
    st.session_state.pop("opened", None)


@st.dialog("Open", width="large", on_dismiss=forget)
def dialog():
    with trouble.told():
        name, data = given()
        if data is not None:
            look(name, data)


def given():
    """(name, bytes) of the file, else of the pasted text, else (None, None)."""
    file = st.file_uploader("A trained network (.npz, .safetensors, .json), a table (.csv, .tsv, .txt), a saved experiment or "
                            "a talk", key="open_file")
    if file is not None:
        return file.name, file.getvalue()
    pasted = st.text_area("Or paste a table or JSON", key="open_text", height=92, max_chars=LONGEST_PASTE)
    if pasted and pasted.strip():
        return ("pasted.json" if pasted.lstrip().startswith("{") else "pasted.csv"), pasted.encode("utf-8", "replace")
    return None, None


def look(name, data):
    """What was found, and the button that uses it."""
    how = table_options() if name.lower().endswith(TABLES) else {}
    if how is None:
        return
    found = opened(name, data, how)
    if isinstance(found, str):
        why, _, code = found.partition("\n")
        refuse(why)
        if code:
            st.code(code)
    elif isinstance(found, Experiment):
        st.text(f"An experiment: {said(found)}.")
        if st.button("Use this experiment", type="primary"):
            use(*mend(found))
    elif isinstance(found, Found):
        show_network(found)
    elif isinstance(found, tuple):
        show_talk(*found)
    else:
        show_table(found)


def refuse(why):
    with st.container(key="refusal"):
        st.text(why)


def opened(name, data, how):
    """What open_file says of the bytes: a value, or its sentence; the last answer is kept."""
    key = sha256(data).hexdigest(), name.rpartition(".")[2], tuple(how.items())
    kept = st.session_state.get("opened")
    if kept is None or kept[0] != key:
        try:
            answer = open_any(name, data, **how)
        except ValueError as reason:
            answer = sentence(str(reason))
        kept = st.session_state.opened = key, answer
    return kept[1]


def sentence(reason):
    """A reason as a sentence of its own; lines of code below it stay as they are."""
    first, line, code = reason.partition("\n")
    return f"{first[0].upper()}{first[1:]}{'' if first.endswith((':', '.', '?')) else '.'}{line}{code}"


def said(experiment):
    """An experiment in a few words."""
    widths = ", ".join(str(n) for n, _, _ in experiment.stack)
    own = [word for word, value in (("weights", experiment.weights), ("a table", experiment.table)) if value]
    return (f"layers of {widths} {experiment.cell} units, {experiment.T} steps of {experiment.task}"
            + (f", with {' and '.join(own)} of its own" if own else ""))


def show_network(found):
    st.dataframe(pd.DataFrame(found.roles, columns=["name in the file", "shape", "role"]), hide_index=True,
                 height=35 * min(len(found.roles) + 1, 10) + (3 if len(found.roles) < 10 else 18))
    for remark in found.remarks:
        st.text(remark)
    cell = st.selectbox("Cell of its layers (the file does not say)", list(CELLS), key="open_cell")
    if st.button("Use this network", type="primary"):
        use(*take_in(current(), found, cell))


def show_talk(entries, notes):
    st.text("A talk: " + "; ".join(f"{n}. {entry.title}" for n, entry in enumerate(entries, start=1)))
    for note in notes[:6]:
        st.text(note)
    if st.button("Use this talk", type="primary"):
        talking.keep(entries)
        talking.show(0)
        forget()
        st.rerun()


def table_options():
    """How a table is to be read, where a person knows better than what was recognised."""
    with st.container(horizontal=True):
        separator = st.selectbox("Columns are divided by", list(SEPARATORS), format_func=SEPARATORS.get, key="open_separator")
        decimal = st.selectbox("Decimal sign", list(DECIMALS), format_func=DECIMALS.get, key="open_decimal")
        header = st.selectbox("The first row holds", list(HEADERS), format_func=HEADERS.get, key="open_header")
        text = st.text_input("Columns to leave out", key="open_without", placeholder="1, 3", max_chars=200)
    try:
        without = tuple(int(c) + 1 for c in np.flatnonzero(parse_ranges(text, MAX_SIDE, "a column")))
    except ValueError as reason:
        refuse(f"Columns to leave out: {reason}.")
        return None
    return dict(separator=separator, decimal=decimal, header=header, without=without)


def show_table(found):
    for remark in found.remarks:
        st.text(remark)
    table = found.table
    frame = pd.DataFrame(table.numbers[:100], columns=list(table.names), index=range(1, len(table.numbers[:100]) + 1))
    st.dataframe(frame, height=35 * min(len(frame) + 1, 6) + (3 if len(frame) < 6 else 18),
                 column_config={name: st.column_config.NumberColumn(format="%.6g") for name in table.names})
    if st.button("Use this table", type="primary"):
        use(*take_in(current(), found))


def current():
    """The experiment on the controls, or the last good one."""
    try:
        now = state.experiment()
        if not problem(now):
            return now
    except ValueError:
        pass
    return st.session_state.get("good") or Experiment()


def use(experiment, notes):
    """Take it into the page, as an entry of the browser's history."""
    state.put(experiment, push=True)
    state.tell(*notes)
    forget()
    st.rerun()
