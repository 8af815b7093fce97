"""A visitor's talk: the list of pictures, the way through it, and the menu that makes one."""

import json
from dataclasses import replace

import streamlit as st

from .. import sentences
from ..experiment import BUDGET, cost
from ..handout import Page, web_page
from ..links import mend, to_link
from ..talk import LONGEST_TITLE, MOST, Entry, from_talk, refuse_large, to_talk
from ..values import named
from . import board, state
from .drawings import outlined
from .picture import computed

HANDOUT = 4 * BUDGET  # multiply-adds that the pictures of one hand-out may take


def talk():
    return st.session_state.get("talk", ())


def keep(entries, at=None):
    st.session_state.talk, st.session_state.talk_at = tuple(entries), at


def remember():
    """Let the browser's tab keep the talk, and take back what it kept if this session knows none."""
    session, text = st.session_state, ""
    if session.get("board_failed"):
        return
    if "talk" in session:
        if session.get("talk_said", (None,))[0] is not session.talk:
            session.talk_said = session.talk, to_talk(session.talk) if session.talk else ""
        text = json.dumps([session.talk_at, session.talk_said[1]])
    board.keeper()(key="carrier_keeper", data=text.encode(), on_kept_change=take_back)


def take_back():
    """The talk that the tab kept; what is no talk is let go."""
    session = st.session_state
    try:
        at, text = json.loads(session.carrier_keeper.kept)
        entries = from_talk(text.encode())[0] if text else ()
    except (ValueError, TypeError, AttributeError, RecursionError):
        entries, at = (), None
    if "talk" not in session:
        keep(entries, at if isinstance(at, int) and 0 <= at < len(entries) else None)


def place(experiment):
    """[at, count, title] of the talk for the board, None where there is none: `at` follows the picture on show if it is one of
    the talk's, and the title is empty if it is not the one there any more."""
    entries, at = talk(), st.session_state.get("talk_at")
    if not entries:
        return None
    here = [i for i, entry in enumerate(entries) if entry.experiment.recipe == experiment.recipe]
    if here and at not in here:
        at = st.session_state.talk_at = here[0]
    return [at, len(entries), entries[at].title if at in here else ""]


def show(at):
    """Show picture `at` (from 0), in lecture mode if that is on."""
    wanted = talk()[at].experiment
    experiment, notes = mend(replace(wanted, lecture=state.get("lecture") or wanted.lecture))
    st.session_state.talk_at = at
    state.put(experiment, push=True)
    state.tell(*notes)


def add(experiment, title):
    """Put a picture at the end of the talk. Raises ValueError with a sentence if it has no room for it."""
    entries = (*talk(), Entry(named(title.strip() or "Untitled"), replace(experiment, lecture="")))
    refuse_large(entries)
    keep(entries[:MOST], min(len(entries), MOST) - 1)


def move(i, by):
    """Move an entry up or down; by 0 takes it out."""
    entries, at = list(talk()), st.session_state.get("talk_at")
    shown = None if at is None else entries[at]
    entry = entries.pop(i)
    if by:
        entries.insert(i + by, entry)
    keep(entries, next((n for n, other in enumerate(entries) if other is shown), None))


def menu(experiment, title):
    """The talk's entries, what adds the picture on show, and what saves them all."""
    entries = talk()
    with st.form("talk_add", border=False, clear_on_submit=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            said = st.text_input("Title of this picture", placeholder=title, max_chars=LONGEST_TITLE)
            added = st.form_submit_button("Add to talk", disabled=len(entries) >= MOST)
    if added:
        try:
            add(experiment, said or title)
        except ValueError as reason:
            st.text(f"{str(reason).capitalize()}.")
        else:
            st.rerun()
    for i, entry in enumerate(entries):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.text(f"{i + 1}. {entry.title}", width="stretch")
            st.button("Show", key=f"talk_show_{i}", on_click=show, args=(i,), type="tertiary")
            st.button("↑", key=f"talk_up_{i}", on_click=move, args=(i, -1), disabled=i == 0, type="tertiary", help="Earlier")
            st.button("↓", key=f"talk_down_{i}", on_click=move, args=(i, 1), disabled=i + 1 == len(entries), type="tertiary",
                      help="Later")
            st.button("✕", key=f"talk_out_{i}", on_click=move, args=(i, 0), type="tertiary", help="Take it out")
    if entries:
        with st.container(horizontal=True, gap="small"):
            st.download_button("Talk as JSON", lambda: to_talk(entries), "rnnviz-talk.json", "application/json",
                               on_click="ignore")
            if sum(cost(entry.experiment) for entry in entries) <= HANDOUT:
                base = address()
                st.download_button("Hand-out of the talk", lambda: handout(entries, base), "rnnviz-talk.html", "text/html",
                                   on_click="ignore")
            else:
                st.text("Its pictures take too long to compute for one hand-out.")
    else:
        st.text("Add pictures in the order of your talk; Page Down and Page Up then walk through them.")


def handout(entries, base):
    """The web page of all pictures of a talk; base: the page's own address, for their links."""
    return web_page([page_of(entry.title, entry.experiment, base) for entry in entries])


def page_of(title, experiment, base):
    """A hand-out's Page of an experiment; of a walk, the cell that it has come to."""
    made = computed(experiment)
    chosen, sentence = outlined(experiment, made.shape, made.reached), made.sentence
    if made.walk and 0 < experiment.visit <= made.walk.waves:
        visit = made.walk.at(experiment.visit - 1)[-1]
        chosen = int(made.walk.layer[visit]), int(made.walk.step[visit])
        sentence = sentences.wave(made.walk, experiment.visit - 1)
    spec = made.spec(experiment, chosen, theme="light", decades=experiment.decades)
    link = "?".join(filter(None, (base, to_link(experiment))))
    return Page(title, spec, sentence, made.equation(experiment, chosen), made.says(experiment), experiment, link)


def address():
    """The page's own address, without its query."""
    return (st.context.url or "").split("?")[0].rstrip("/") + "/"
