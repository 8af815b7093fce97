"""Formulas: the equation of the outlined cell and of every gradient at it, with their numbers and the texts' misprints."""

from functools import cache
from html import escape

import streamlit as st

from ..experiment import run
from ..figures.groups import scripts
from ..flow import read
from ..formulas import cell, gradient
from ..terms import NAMES, term
from ..typeset import to_html
from . import board
from .drawings import TruncationDrawn


def menu(experiment, drawn, chosen, theme):
    """The menu; its equations are made only while it is open. drawn: what is on show, of which chosen is the outlined (layer,
    step), from 0, or None."""
    made = st.popover("Formulas", key="formulas", on_change="rerun")
    if not made.open:
        return
    with made:
        if chosen is None:
            st.text(drawn.no_formulas)
            return
        result = drawn.accounts.run if isinstance(drawn, TruncationDrawn) else run(experiment)
        colours = ";".join(f"--rv-{role}:{colour}" for role, colour in board.colours(theme).items())
        body = "".join(map(entry, equations(experiment, result, *chosen)))
        writer()(key="formulary", data=f'<div style="{colours}">{body}</div>'.encode(), height="content")


@cache
def writer():
    """The component that shows HTML of ours with MathML in it, which Streamlit's own element would leave out."""
    return st.components.v2.component("rnnviz_formulary", js=board.loader("write"), isolate_styles=False,
                                      html='<div class="rv-formulas"></div>')


def equations(experiment, result, l, t):
    """(title, Equation) of the cell at layer l, step t, and of every gradient that it takes part in."""
    notation = experiment.notation
    yield "The outlined cell", cell(read(result, experiment.quantity), l, t, notation=notation)
    for name in NAMES:
        try:
            yield "", gradient(term(result, name, l, t), notation=notation)
        except ValueError:  # a layer without recurrence, a network without readout
            continue


def entry(titled):
    """One equation with its heading, and what its text misprints, in words."""
    title, equation = titled
    heading = " · ".join(filter(None, (equation.heading, equation.remark)))
    marks = "".join(f'<p class="rv-said">† {scripts(escape(mark))}</p>' for mark in equation.marks)
    return (f'<div class="rv-entry"><p class="rv-heading"><b>{escape(title)}</b> <span>{escape(heading)}</span></p>'
            f'<div class="rv-terms" role="math" aria-label="{escape(equation.text)}">{to_html(equation)}</div>{marks}</div>')
