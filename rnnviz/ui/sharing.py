"""Share: the picture's link, and everything that can be taken home."""

import re
from functools import cache

import streamlit as st

from ..examples import example_of
from ..figures import framed
from ..files import to_json
from ..handout import Page, web_page
from ..links import to_link, too_large
from . import board, server, talking
from .controls import VIEW_NAMES
from .talking import address


@cache
def saver():
    """The component with the two buttons that make an image in the browser."""
    return st.components.v2.component("rnnviz_saver", js=board.loader("save"), isolate_styles=False,
                                      html='<div class="rv-save"></div>')


def menu(experiment, drawn, cell, equation, theme):
    """Everything to take home of an experiment and its Drawn; cell: the outlined one, from 0, and its equation."""
    lead = "".join(text for text, _ in drawn.sentence.lead)
    name = example_of(experiment, experiment.view)
    title = name or f"rnnviz: {VIEW_NAMES[experiment.view]}"
    file = f"rnnviz-{re.sub('[^a-z]+', '-', name.lower())}" if name else "rnnviz"
    large = too_large(experiment)
    link = "?".join(filter(None, (address(), to_link(experiment))))
    here = re.match(r"https?://(localhost|127\.|\[::1\])", link)
    st.text("Link, for this machine only" if here else "Link")
    st.code(link, language=None, wrap_lines=True, height="content" if len(link) < 300 else 120)
    if large:
        st.text(f"The {' and the '.join(large)} {'are' if len(large) > 1 or large[0] == 'weights' else 'is'} too large for the "
                "link. Save the experiment as JSON to keep them.")

    def spec(theme, caption=None):
        return drawn.spec(experiment, cell, theme=theme, decades=experiment.decades, caption=caption)

    def page():
        return web_page([Page(title, spec("light"), drawn.sentence, equation, drawn.says(experiment), experiment, link)])

    image = {"spec": framed(spec(theme, lead)), "file": file, "plotly": server.address("plotly.js")}
    saver()(key="saver", data=board.pack(image), height="content")
    with st.container(horizontal=True, gap="small"):
        for label, make, ending, mime in (
                ("Web page", page, "html", "text/html"),
                ("Numbers as CSV", drawn.csv, "csv", "text/csv"),
                ("Experiment as JSON", lambda: to_json(experiment), "json", "application/json"),
                ("Python script", lambda: drawn.script(experiment, title=title, file=file), "py", "text/x-python")):
            st.download_button(label, make, f"{file}.{ending}", mime, key=f"save_{ending}", on_click="ignore")
    st.markdown("**Talk**")
    talking.menu(experiment, title)
