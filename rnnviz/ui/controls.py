"""The sidebar: groups of controls, each drawn from its field of Experiment, and the menu of how the picture is read.

*_NAMES are the words for choices; one that has none there is its own word.
"""

from types import MappingProxyType

import pandas as pd
import streamlit as st

from ..along import USUAL
from ..dials import SHORT
from ..experiment import BY_HAND, CONTROLS, TABLE, THIS
from ..files import to_json
from ..landscape import SURFACES
from ..links import too_large
from ..numbers import grouped
from ..sentences import parameter
from ..tasks import TASKS
from ..texts import MAX_T, parse_layers
from ..values import shape_text
from . import state, trouble

CELL_NAMES = {"tanh": "tanh", "relu": "ReLU", "linear": "lin", "sigmoid": "sigm"}
SCORE_NAMES = {"last step": "last", "every step": "every", "chosen steps": "chosen"}
LOSS_NAMES = {"usual": "usual for the input", "half squared": "squared error, ½‖y−target‖²",
              "squared": "squared error, ‖y−target‖²",
              "sigmoid": "cross-entropy, sigmoid", "softmax": "cross-entropy, softmax"}
VIEW_NAMES = {"flow": "Flow", "rate": "Rate", "truncation": "Truncation", "routes": "Routes", "wall": "Wall", "map": "Map"}
SURFACE_NAMES = {"one unit": "one logistic unit", "latch": "one tanh unit, a latch", "counting": "a counting network"}
METHOD_NAMES = {"": "as usual for the surface", "norm": "clipped by norm", "value": "clipped by value"}
QUANTITY_NAMES = {"delta": "∂C/∂z", "grad_h": "∂C/∂h"}
NOTATION_NAMES = {"house": "W_S, W_T", "derivation": "derivation: wδ", "space/time": "space/time: ₛW, ₜW"}
LABELS = {"g": "Recurrent scale $g$", "T": "Steps $T$", "tau_max": "$\\tau_{max}$: columns kept",
          "tau_b": "$\\tau_b$: steps between passes"}


def sidebar(carry):
    """The groups that the view uses. Each reruns by itself when one of its controls moves, and first brings the new picture."""
    with st.sidebar:
        st.markdown("### rnnviz\nwhere the gradient goes in a recurrent net")
        for name in used():
            part(name, carry)


def used():
    """The groups that the view on show uses."""
    view = state.get("view") if not state.get("walk") else "flow"
    run = ("network", "weights", "sequence")
    if view == "wall":
        return ("wall", *run, "truncation") if state.get("surface") == THIS else ("wall",)
    return run if view in ("rate", "map") else (*run, "truncation")


@st.fragment
def part(name, carry):
    with trouble.told():
        state.begin()
        carry(name)
        GROUPS[name]()


def layout():
    """What decides which controls are shown: when it changes, the whole page is drawn again."""
    by_hand, task = state.get("init") == BY_HAND, TASKS.get(state.get("task"))
    return (by_hand and (layer_count(), state.get("width")), bool(state.get("layers")), state.get("score") == "chosen steps",
            task and task.uses, table_layout(), editor_layout(), state.get("cut") and (end_of("tau_max"), end_of("tau_b")),
            st.session_state.by_number, bool(state.get("long")), state.streams(), used(), state.get("method") == "RProp",
            layer_count() if state.get("open") else 0)


def group(title):
    """A heading over a hairline that opens a menu for what is seldom touched; the menu is drawn only while it is open."""
    return st.popover(title, type="tertiary", width="stretch", key=f"group_{title}", on_change="rerun")


def network():
    more = group("Network")
    if more.open:
        with more:
            words("layers", placeholder="16, 16 relu, 8 static")
            segments("readout", {"none": "none: y = h"}, label=True)
    segments("cell", CELL_NAMES)
    listed = bool(state.get("layers"))
    with st.container(horizontal=True):
        integer("depth", disabled=listed, width=113)
        integer("width", disabled=listed, width=113)
    if listed:
        st.button("Layer list in use: clear it", on_click=state.change, kwargs={"layers": ""}, type="tertiary")


def layer_count():
    try:
        return len(parse_layers(state.get("layers"), "tanh")) if state.get("layers") else state.get("depth")
    except ValueError:
        return state.get("depth")


def weights():
    with st.container(horizontal=True, vertical_alignment="center", key="heading_weights"):
        more = group("Weights")
        st.toggle("Edit weights", key="edit_on", help="Every matrix as a table: type over a number, or paste a block.")
    by_hand = state.get("init") == BY_HAND
    if more.open:
        with more:
            if not by_hand:
                slide("bias")
            integer("seed")
    if by_hand:
        hand_fields()
    else:
        slide("g")
        slide("input_scale")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        select("init")
        st.button("Redraw", on_click=redraw, width="content")
    if st.session_state.edit_on:
        editor()
    own_weights()


def editor():
    """One matrix as a table to type or paste into."""
    wanted = state.editable()
    if not wanted:
        st.text("These settings make no network to edit; the note above the picture says why.")
        return
    name = st.selectbox("Matrix", list(wanted), min(1, len(wanted) - 1), key="edit_name", label_visibility="collapsed",
                        format_func=lambda name: f"{parameter(name)} ({shape_text(wanted[name])})")
    now = state.editing(name)
    columns = now.base.shape[1] if now.base.ndim == 2 else 1
    frame = pd.DataFrame([[f"{value:.4g}" for value in row] for row in now.base.reshape(-1, columns)],
                         index=range(1, len(now.base) + 1), columns=[str(j) for j in range(1, columns + 1)])
    if now.base.ndim == 2:
        st.text("A row holds the weights into a unit, a column those from one.")
    st.data_editor(frame, key=now.key, num_rows="fixed", height=35 * min(len(frame) + 1, 8) + (3 if len(frame) < 8 else 18),
                   column_config={column: st.column_config.TextColumn(width=66) for column in frame.columns})


def own_weights():
    """Which weights are a person's own, and the way back."""
    weights, past = state.get("weights"), st.session_state.get("past")
    if not weights and not past:
        return
    if weights:
        names = [parameter(name) for name in weights.arrays]
        st.text(f"Your own: {', '.join(names[:4])}{f' and {len(names) - 4} more' if len(names) > 4 else ''}")
    with st.container(horizontal=True):
        st.button("Undo", on_click=state.undo, disabled=not past, type="tertiary")
        st.button("Reset", on_click=state.reset, disabled=not weights, type="tertiary",
                  help="Draws every matrix again.")
    try:
        large = too_large(state.experiment())
    except ValueError:
        large = ()
    if "weights" in large:
        st.text("Too large for the link: keep them as a file.")
        st.download_button("Save as JSON", lambda: to_json(state.experiment()), "rnnviz.json", "application/json",
                           on_click="ignore")


def redraw():
    low, high = CONTROLS["seed"]["low"], CONTROLS["seed"]["high"]
    seed = state.get("seed")
    state.change(seed=low if not isinstance(seed, int) or seed >= high else seed + 1)


def hand_fields():
    """One row a layer: W_S, W_T, b."""
    names, weights_now = ("w_S", "w_T", "b"), state.hand()
    for l in reversed(range(len(weights_now))):
        row = st.container(horizontal=True)
        for i in range(3):
            key, now = state.hand_key(l, i), float(weights_now[l][i])
            if key not in st.session_state and "shown" in st.session_state:
                st.session_state[key] = now
            with row:
                st.number_input(f"${names[i]}^{{{l + 1}}}$", -100.0, 100.0, now, step=0.05, format="%.4g", key=key, width=70)
    state.take_hand()


def sequence():
    more = group("Sequence")
    if more.open:
        with more:
            st.toggle("Long sequence", value=st.session_state.by_number, key="long_toggle", on_change=shorten,
                      help=f"Number fields to {MAX_T} in place of sliders to {SHORT}.")
            or_usual("long", 0)
            select("loss", LOSS_NAMES)
    if not state.streams():
        steps("T")
    if state.get("long"):
        st.button(f"Long run of {grouped(state.get('long'))} steps: leave it", on_click=state.change, kwargs={"long": 0},
                  type="tertiary")
    segments("score", SCORE_NAMES, label=True)
    if state.get("score") == "chosen steps":
        words("steps", placeholder="5, 10-12", hidden=True)
    own = [TABLE] if state.get("table") or state.get("task") == TABLE else []
    select("task", {TABLE: "your table"}, [*TASKS, *own])
    task = TASKS.get(state.get("task"))
    if task and "text" in task.uses:
        words("text", hidden=True)
    if task and "inputs" in task.uses:
        with st.container(horizontal=True):
            integer("inputs", width=113)
            integer("outputs", width=113)
    if state.get("task") == TABLE:
        table_fields()


def table_fields():
    """How the table is read: inputs, target, normalisation."""
    table = state.get("table")
    if not table:
        return
    st.text(f"{len(table.numbers):,} rows: {', '.join(table.names[:4])}{' and more' if len(table.names) > 4 else ''}")
    if len(table.names) > 1:
        words("columns", placeholder=f"all: 1-{len(table.names)}")
    select("aim")
    if state.get("aim") == "a column":
        names = {c: f"{c}: {name}" for c, name in enumerate(table.names, start=1)}
        select("target_column", names, names)
    if state.get("aim") == "zero":
        integer("outputs")
    select("scaling")


def table_layout():
    """What decides which fields a table shows."""
    return state.get("task") == TABLE and (state.get("table").names, state.get("aim"))


def editor_layout():
    """What other groups change about the weights on show."""
    session = st.session_state
    session.setdefault("edit_on", False)
    wanted = tuple(state.editable().items()) if session.edit_on else None
    return wanted, bool(session.get("past")), bool(state.get("weights"))


def shorten():
    """Sliders or number fields; what lies beyond the sliders comes down to their end."""
    st.session_state.by_number = st.session_state.long_toggle
    if not st.session_state.by_number:
        state.change(**{name: min(state.get(name), SHORT) for name in ("T", "tau_max", "tau_b")})


def truncation():
    st.markdown("Truncation")
    toggle("cut")
    if state.get("cut"):
        steps("tau_max")
        steps("tau_b")


AS_USUAL = {name: CONTROLS[name]["default"] for name in ("start", "learning_rate", "descents", "method", "clip")}


def wall():
    st.markdown("Surface and descents")
    select("surface", SURFACE_NAMES, on_change=state.change, kwargs=AS_USUAL)
    if state.get("surface") == THIS:
        with st.container(horizontal=True):
            words("axis_x", placeholder="W_T1 1 1")
            words("axis_y", placeholder="b1 1")
        slide("span")
    words("start", placeholder="click on the surface")
    own = SURFACES.get(state.get("surface"), USUAL)
    with st.container(horizontal=True):
        or_usual("learning_rate", own.rate, width=113)
        or_usual("descents", own.steps, width=113)
    select("method", METHOD_NAMES)
    if (state.get("method") or own.method) != "RProp":
        or_usual("clip", own.clip)


GROUPS = {"wall": wall, "network": network, "weights": weights, "sequence": sequence, "truncation": truncation}


def reading():
    """How the picture is read: the menu beside the examples."""
    menu = st.popover("Reading", key="reading", on_change="rerun")
    if not menu.open:
        return
    with menu:
        segments("quantity", QUANTITY_NAMES, label=True)
        select("precision")
        select("notation", NOTATION_NAMES)
        layers = {0: "all layers", **{l: f"layer {l}, neuron by neuron" for l in range(1, layer_count() + 1)}}
        if state.get("open") not in layers:  # while the settings cannot be run, nothing else has noticed
            state.change(open=0)
        select("open", layers, layers)
        widths = {W: f"{W} decades each way" for W in CONTROLS["decades"]["choices"]}
        select("decades", widths | {0: "follow the data"})


# One widget a kind. Each reads its field from the settings and writes it back. The value is given twice: as the widget's
# default, and in the session where Streamlit has forgotten it. On a session's first run only as the default, so that a
# browser that comes back to a restarted server brings its widgets' own, newer values.


def held(name):
    """The widget's key, holding the field's value unless this is the session's first run."""
    key = state.widget_key(name)
    if st.session_state.get(key) is None and "shown" in st.session_state:
        st.session_state[key] = state.get(name)
    return key


def slide(name):
    c = CONTROLS[name]
    value = st.slider(LABELS.get(name, c["label"]), c["low"], c["high"], float(state.get(name)), step=c["step"], key=held(name),
                      help=c["help"])
    state.take(name, float(value))


def steps(name):
    """A slider to 200, or to the sequence's own length for what counts its columns; a number field for long sequences."""
    c, label, now = CONTROLS[name], LABELS[name], state.get(name)
    if st.session_state.by_number or now > SHORT:
        value = st.number_input(label, c["low"], c["high"], now, step=1, key=held(name), help=c["help"])
    else:
        high = SHORT if name == "T" else end_of(name)
        value = st.slider(label, c["low"], high, now, step=1, key=held(name), help=c["help"])
    if value is not None:
        state.take(name, int(value))


def end_of(name):
    """Where the slider of tau_max or tau_b ends: at T, for more is all the way too, unless it stands beyond."""
    return max(2, min(SHORT, state.get("T"))) if state.get(name) <= state.get("T") else SHORT


def or_usual(name, usual, width="stretch"):
    """A number that is the usual one while its field is empty, which stands for 0."""
    c, key, whole = CONTROLS[name], state.widget_key(name), CONTROLS[name]["kind"] == "whole"
    if st.session_state.get(key) is None and "shown" in st.session_state:
        st.session_state[key] = state.get(name) or None
    given = None if "shown" in st.session_state else state.get(name) or None  # a field with a number of its own stays full
    value = st.number_input(c["label"], c["low"], c["high"], given, step=1 if whole else c["step"], key=key,
                            format=None if whole else "%.6g", help=c["help"], width=width,
                            placeholder=f"{usual:g}" if usual else "none")
    state.take(name, value or c["default"])


def integer(name, disabled=False, width="stretch"):
    c = CONTROLS[name]
    value = st.number_input(c["label"], c["low"], c["high"], state.get(name), step=1, key=held(name), help=c["help"],
                            disabled=disabled, width=width)
    if value is not None:
        state.take(name, int(value))


def words(name, placeholder="", hidden=False):
    c = CONTROLS[name]
    value = st.text_input(c["label"], state.get(name), key=held(name), max_chars=c["longest"], placeholder=placeholder,
                          help=c["help"], label_visibility="collapsed" if hidden else "visible")
    state.take(name, value)


def segments(name, names, label=False, width="stretch", on_change=None):
    """A choice as a row of buttons; clicking the pressed one keeps it."""
    c = CONTROLS[name]
    value = st.segmented_control(c["label"], c["choices"], default=state.get(name), format_func=worded(names), key=held(name),
                                 required=True, width=width, on_change=on_change,
                                 label_visibility="visible" if label else "collapsed",
                                 help=c["help"] if label else None)
    if value is not None:
        state.take(name, value)


def select(name, names=MappingProxyType({}), options=None, **on_change):
    c = CONTROLS[name]
    options = list(options or c["choices"])
    value = st.selectbox(c["label"], options, options.index(state.get(name)), format_func=worded(names), key=held(name),
                         help=c["help"], **on_change)
    if value is not None:
        state.take(name, value)


def worded(names):
    """The function that names an option."""
    return lambda option: names.get(option, str(option))


def toggle(name):
    c = CONTROLS[name]
    state.take(name, st.toggle(c["label"], state.get(name), key=held(name), help=c["help"]))
