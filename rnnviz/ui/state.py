"""The settings of one visitor: link in, widgets, link out.

`settings` in the session holds every field of Experiment, shown or not; each widget writes its field there, and
everything that replaces several at once (an example, Back, a link) goes through `put`.
"""

import streamlit as st

from ..experiment import CONTROLS, Experiment, from_link, hand_weights


def widget_key(name):
    return f"w_{name}"


def begin():
    """Read the link, once a session, and what the widgets say, on every run."""
    session = st.session_state
    if "settings" not in session:
        follow(st.query_params.to_dict())
    for name in CONTROLS:  # what a person just changed, before any control is drawn that depends on it
        if session.get(widget_key(name)) is not None:
            session.settings[name] = session[widget_key(name)]
    take_hand()


def follow(query):
    """Set every control as a link says, and remember what had to be changed."""
    experiment, notes = from_link(query)
    put(experiment)
    st.session_state.noted = (dict(st.session_state.settings), notes)


def notes():
    """What had to be changed in the link, until a control moves."""
    settings, notes = st.session_state.get("noted", (None, ()))
    return notes if settings == st.session_state.settings else ()


def put(experiment, *, push=False):
    """Set every control to an experiment. push: the browser's Back is to return to the picture before."""
    session = st.session_state
    session.settings = {name: getattr(experiment, name) for name in CONTROLS}
    for key in [key for key in session if str(key).startswith(("w_", "hand_"))]:
        del session[key]  # each widget takes its value from the settings when it is next shown
    session.long = experiment.T > 200
    session.pop("zoom", None)
    if push:
        session.pushes = session.get("pushes", 0) + 1


def get(name):
    return st.session_state.settings[name]


def change(**values):
    """Set some fields, and their widgets."""
    for name, value in values.items():
        st.session_state.settings[name] = value
        st.session_state.pop(widget_key(name), None)


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
    return f"hand_{l}_{i}"


def take_hand():
    """What the number fields of the weights by hand show, where they are shown, into the text that the link carries."""
    before = hand()
    after = []
    for l, old in enumerate(before):
        values = [st.session_state.get(hand_key(l, i)) for i in range(3)]
        after.append(tuple(old[i] if value is None else value for i, value in enumerate(values)))
    if tuple(after) != tuple(before):
        take("hand", ", ".join(" ".join(f"{value:.12g}" for value in layer) for layer in after))
