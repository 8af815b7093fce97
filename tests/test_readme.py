"""The README's five lines do what it says they do."""

import contextlib
import io
import re
from pathlib import Path

import plotly.graph_objects as go

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_five_lines_print_what_the_readme_prints(monkeypatch):
    shown = []
    monkeypatch.setattr(go.Figure, "show", lambda figure: shown.append(figure))
    code, output = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", README, re.S).groups()
    assert len(code.strip().split("\n")) == 5
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    assert printed.getvalue() == output
    assert [trace.name for trace in shown[0].data if trace.type == "heatmap"] == ["grid", "mean φ′"]


def test_continuous_integration_runs_the_readmes_own_test_command():
    command = re.search(r"How to test.*?```\n(.*?)\n```", README, re.S).group(1)
    assert command in (ROOT / ".ci/run").read_text()


def test_the_pictures_of_the_readme_exist():
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (ROOT / picture).stat().st_size > 10_000


def test_the_links_of_the_readme_open_as_they_are():
    from rnnviz import from_link

    links = re.findall(r"`\?(.*?)`", README)
    assert len(links) >= 2
    for link in links:
        assert from_link(link)[1] == ()
