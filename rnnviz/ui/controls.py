"""The sidebar: four groups of controls, each drawn from its field of Experiment."""

import streamlit as st

from ..experiment import BY_HAND, CONTROLS, MAX_T, parse_layers
from ..network import INITS
from ..tasks import TASKS
from . import state

SHORT = 200  # steps a slider covers; beyond, a number field
CELL_NAMES = {"tanh": "tanh", "relu": "ReLU", "linear": "lin", "sigmoid": "sigm"}
SCORE_NAMES = {"last step": "last", "every step": "every", "chosen steps": "chosen"}
LOSS_NAMES = {"usual": "usual for the input", "half squared": "squared error, ½‖y−target‖²", 
              "squared": "squared error, ‖y−target‖²",
              "sigmoid": "cross-entropy, sigmoid", "softmax": "cross-entropy, softmax"}
QUANTITY_NAMES = {"delta": "∂C/∂z", "grad_h": "∂C/∂h"}
NOTATION_NAMES = {"house": "W_S, W_T", "derivation": "derivation: wδ", "space/time": "space/time: ₛW, ₜW", "U, V, W": "U, V, W"}
LABELS = {"g": "Recurrent scale $g$", "T": "Steps $T$", "tau_max": "$\\tau_{max}$: columns kept",
          "tau_b": "$\\tau_b$: steps between passes"}


def sidebar():
    with st.sidebar:
        st.markdown("### rnnviz")
        st.caption("where the gradient goes in a recurrent net", width="stretch")
        network()
        weights()
        sequence()
        truncation()


def group(title):
    """A heading over a hairline that opens a menu for what is seldom touched; the menu is drawn only while it is open."""
    return st.popover(title, type="tertiary", width="stretch", key=f"group_{title}", on_change="rerun")


def network():
    more = group("Network")
    if more.open:
        with more:
            words("layers", placeholder="16, 16 relu, 8 static")
            segments("readout", {"linear": "linear", "none": "none: y = h"}, label=True)
    segments("cell", CELL_NAMES)
    listed = bool(state.get("layers"))
    left, right = st.columns(2)
    with left:
        integer("depth", disabled=listed)
    with right:
        integer("width", disabled=listed)
    if listed:
        st.button("Layer list in use: clear it", on_click=state.change, kwargs={"layers": ""}, type="tertiary")


def layer_count():
    try:
        return len(parse_layers(state.get("layers"), "tanh")) if state.get("layers") else state.get("depth")
    except ValueError:
        return state.get("depth")


def weights():
    more = group("Weights")
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
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        select("init", {name: name for name in (*INITS, BY_HAND)})
    with right:
        st.button("Redraw", on_click=redraw, width="stretch")


def redraw():
    low, high = CONTROLS["seed"]["low"], CONTROLS["seed"]["high"]
    seed = state.get("seed")
    state.change(seed=low if not isinstance(seed, int) or seed >= high else seed + 1)


def hand_fields():
    """One row a layer: W_S, W_T, b."""
    names = ("w_S", "w_T", "b")
    for l, weights_of_layer in reversed(list(enumerate(state.hand()))):
        for column, i in zip(st.columns(3), range(3), strict=True):
            key = f"hand_{l}_{i}"
            if key not in st.session_state:
                st.session_state[key] = float(weights_of_layer[i])
            with column:
                st.number_input(f"${names[i]}^{{{l + 1}}}$", -100.0, 100.0, step=0.05, format="%.4g", key=key,
                                on_change=set_hand)


def set_hand():
    """The number fields into the text that the link carries."""
    groups = []
    for l, old in enumerate(state.hand()):
        values = [st.session_state.get(f"hand_{l}_{i}", old[i]) for i in range(3)]
        groups.append(" ".join(f"{old[i] if v is None else v:.12g}" for i, v in enumerate(values)))
    state.change(hand=", ".join(groups))


def sequence():
    more = group("Sequence")
    if more.open:
        with more:
            st.toggle("Long sequence", value=st.session_state.long, key="long_toggle", on_change=shorten,
                      help=f"Number fields to {MAX_T} in place of sliders to {SHORT}.")
            select("loss", LOSS_NAMES)
    steps("T")
    segments("score", SCORE_NAMES, label=True)
    if state.get("score") == "chosen steps":
        words("steps", placeholder="5, 10-12", hidden=True)
    select("task", {name: name for name in TASKS})
    if TASKS.get(state.get("task")) and TASKS[state.get("task")].uses_text:
        words("text", hidden=True)


def shorten():
    """Sliders or number fields; what lies beyond the sliders comes down to their end."""
    st.session_state.long = st.session_state.long_toggle
    if not st.session_state.long:
        state.change(**{name: min(state.get(name), SHORT) for name in ("T", "tau_max", "tau_b")})


def truncation():
    with st.container(key="group_Truncation"):
        st.markdown("Truncation")
    state.take("cut", st.toggle(CONTROLS["cut"]["label"], key=held("cut"), help=CONTROLS["cut"]["help"]))
    if state.get("cut"):
        steps("tau_max")
        steps("tau_b")


def reading():
    """How the picture is read: the menu beside the examples."""
    menu = st.popover("Reading", key="reading", on_change="rerun")
    if not menu.open:
        return
    with menu:
        segments("quantity", QUANTITY_NAMES, label=True)
        select("notation", NOTATION_NAMES)
        layers = {0: "all layers", **{l: f"layer {l}, neuron by neuron" for l in range(1, layer_count() + 1)}}
        if state.get("open") not in layers:
            state.change(open=0)
        select("open", layers)
        select("decades", {0: "follow the data", **{W: f"{W} decades each way" for W in (2, 4, 8, 16, 32)}})


# One widget a kind. Each reads its field from the settings and writes it back.


def slide(name):
    c = CONTROLS[name]
    value = st.slider(LABELS.get(name, c["label"]), c["low"], c["high"], step=c["step"], key=held(name), help=c["help"])
    state.take(name, float(value))


def steps(name):
    """A slider to 200, or a number field for long sequences."""
    c, label = CONTROLS[name], LABELS[name]
    key = held(name)
    if st.session_state.long or st.session_state[key] > SHORT:
        value = st.number_input(label, c["low"], c["high"], step=1, key=key, help=c["help"])
    else:
        value = st.slider(label, c["low"], SHORT, step=1, key=key, help=c["help"])
    if value is not None:
        state.take(name, int(value))


def integer(name, disabled=False):
    c = CONTROLS[name]
    value = st.number_input(c["label"], c["low"], c["high"], step=1, key=held(name), help=c["help"], disabled=disabled)
    if value is not None:
        state.take(name, int(value))


def words(name, placeholder="", hidden=False):
    c = CONTROLS[name]
    value = st.text_input(c["label"], key=held(name), max_chars=c["longest"], placeholder=placeholder, help=c["help"],
                          label_visibility="collapsed" if hidden else "visible")
    state.take(name, value)


def segments(name, names, label=False):
    """A choice as a row of buttons; clicking the pressed one keeps it."""
    c = CONTROLS[name]
    value = st.segmented_control(c["label"], list(names), format_func=names.get, key=held(name), required=True, width="stretch",
                                 label_visibility="visible" if label else "collapsed",
                                 help=c["help"] if label else None)
    if value is not None:
        state.take(name, value)


def select(name, names):
    c = CONTROLS[name]
    value = st.selectbox(c["label"], list(names), format_func=names.get, key=held(name), help=c["help"])
    if value is not None:
        state.take(name, value)


def held(name):
    """The widget's key, holding the field's value: Streamlit forgets a widget that was hidden for a run."""
    key = state.widget_key(name)
    if st.session_state.get(key) is None:
        st.session_state[key] = state.get(name)
    return key
