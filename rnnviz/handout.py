"""The hand-out: pictures as one web page that opens without a network, each with its sentence, equation and settings."""

from dataclasses import dataclass
from html import escape
from importlib.resources import files

from .experiment import BY_HAND, CONTROLS, Experiment
from .sentences import Sentence
from .typeset import to_html
from .values import shape_text


@dataclass(frozen=True, eq=False)
class Page:
    """One picture of a hand-out: title, the figure's specification, Sentence, Equation or None with its heading and what delta
    means there (says: {"heading", "quantity"}), Experiment, link."""

    title: str
    spec: dict
    sentence: Sentence
    equation: object
    says: dict
    experiment: Experiment
    link: str


STYLE = """
body { font: 16px/1.5 "Source Sans 3", "Source Sans Pro", Helvetica, Arial, sans-serif; color: #12161C; margin: 2rem auto;
  max-width: 1068px; padding: 0 1rem; }
section { break-after: page; margin-bottom: 3rem; } section:last-of-type { break-after: auto; }
h1 { font-size: 16px; font-weight: 600; color: #434C59; margin: 0; }
.rv-lead { font-size: 27px; line-height: 34px; margin: 0; } .rv-consequence { color: #434C59; margin: 0 0 1rem; }
.rv-fades { color: #1F5CA8; } .rv-holds { color: #7A4FB0; } .rv-grows { color: #A62421; }
.rv-space { color: #00758A; } .rv-time { color: #A85B00; }
.plot { overflow-x: auto; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; color: #434C59; font-size: 14px; }
dt, dd { margin: 0; overflow-wrap: anywhere; } a { color: inherit; overflow-wrap: anywhere; font-size: 14px; }
@page { size: A4 landscape; margin: 10mm; }
.more { display: flex; flex-wrap: wrap; gap: 0 3rem; justify-content: space-between; align-items: flex-start; }
@media print { body { margin: 0; padding: 0; max-width: none; print-color-adjust: exact; } .plot { zoom: 0.88; }
  section, .rv-consequence { margin: 0; } .rv-lead { font-size: 22px; line-height: 28px; } dl { font-size: 11px; } }
"""


def web_page(pages):
    """One HTML text that shows the pages: Plotly is inside, nothing is fetched. Text of a person's is escaped."""
    from plotly.offline import get_plotlyjs

    style = STYLE + files("rnnviz").joinpath("equation.css").read_text()
    body = "".join(section(n, page) for n, page in enumerate(pages))
    return ('<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f"<title>{escape(pages[0].title)}</title><style>{style}</style><script>{get_plotlyjs()}</script></head>"
            f"<body>{body}</body></html>\n")


def section(n, page):
    """One picture: sentence, figure, equation, settings, link."""
    import plotly.graph_objects as go

    figure = go.Figure(page.spec).to_json().replace("<", "\\u003c")
    equation = ""
    if page.equation is not None:
        heading = " · ".join(filter(None, (page.equation.heading, page.equation.remark, page.says["quantity"])))
        equation = (f'<p class="rv-heading"><b>{escape(page.says["heading"])}</b> <span>{escape(heading)}</span></p>'
                    f'<div class="rv-terms">{to_html(page.equation)}</div>')
    link = ""
    if page.link.startswith(("http://", "https://")):
        short = page.link if len(page.link) <= 200 else page.link[:199] + "…"
        link = f'<p><a href="{escape(page.link)}">{escape(short)}</a></p>'
    return (f"<section><h1>{escape(page.title)}</h1>"
            f'<p class="rv-lead">{line(page.sentence.lead)}</p><p class="rv-consequence">{line(page.sentence.consequence)}</p>'
            f'<div class="plot" id="plot{n}" role="img" aria-label="{escape(page.sentence.text)}"></div>'
            f"<script>(() => {{ const f = {figure}; Plotly.newPlot('plot{n}', f.data, f.layout, "
            "{displayModeBar: false, responsive: false}); })();</script>"
            f'<div class="more"><div>{equation}{link}</div><dl>{settings(page.experiment)}</dl></div></section>')


def line(parts):
    """A sentence's parts as HTML, each role a class."""
    return "".join(f'<b class="rv-{role}">{escape(text)}</b>' if role else escape(text) for text, role in parts)


def settings(experiment):
    """What decides the picture, and whatever else differs from the usual settings, as terms and values."""
    said, always = [], {"cell", "T", "score", "task", "init", "seed"}
    always |= set() if experiment.layers else {"depth", "width"}
    always |= set() if experiment.init == BY_HAND else {"g", "input_scale"}
    always |= {"tau_max", "tau_b"} if experiment.cut else set()
    for name, control in CONTROLS.items():
        value = getattr(experiment, name)
        if control["group"] == "Stage" or (value == control["default"] and name not in always):
            continue
        if name == "weights":
            value = ", ".join(f"{matrix} ({shape_text(array.shape)})" for matrix, array in value.arrays.items())
        elif name == "table":
            value = f"{len(value.numbers)} rows: {', '.join(value.names[:20])}"
        elif control["kind"] == "switch":
            value = "on" if value else "off"
        said.append(f"<dt>{escape(control['label'])}</dt><dd>{escape(str(value))}</dd>")
    return "".join(said)
