"""The house: what may import what, and what the core does without."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

FLOORS = {
    "values": 0, "cells": 0, "numbers": 0, "misprints": 0, "floats": 0,
    "network": 1, "tasks": 1, "windows": 1, "own": 1, "products": 1, "bifurcations": 1, "scaled": 1.5, "descent": 1.5,
    "exponents": 1.8,
    "landscape": 2, "bptt": 2, "texts": 1.5, "graded": 1.5, "spectra": 2.5, "meanfield": 2.5,
    "experiment": 3, "flow": 3, "lags": 3.1, "jacobians": 3.1, "along": 3.2, "streams": 3.2, "gainmap": 3.2,
    "formats": 3, "foreign": 3, "tables": 3,
    "conversions": 3, "routes": 3, "proof": 3,
    "links": 3.2, "walk": 3.2, "terms": 3.2, "accounts": 3.2, "immediate": 3.2, "dials": 3.3, "files": 3.4,
    "examples": 3.6, "talk": 3.6, "held": 3.7,
    "claims": 3.8, "typeset": 3.8, "notations": 3.9, "figures": 4, "formulas": 4, "sentences": 4, "handout": 4.5,
    "ui": 5,
    "app": 6,
}
GUESTS = {"streamlit": 5, "plotly": 4, "pandas": 3}  # from which floor a library may be imported
NOWHERE = {"torch", "tensorflow", "jax", "scipy", "sklearn"}


def modules():
    """(name of the room, path) of every module but rnnviz/__init__.py, which only lists the public names."""
    for path in sorted((ROOT / "rnnviz").rglob("*.py")):
        inside = path.relative_to(ROOT / "rnnviz")
        if str(inside) != "__init__.py":
            yield inside.parts[0].removesuffix(".py"), path
    if (ROOT / "app.py").exists():
        yield "app", ROOT / "app.py"


def imports(path):
    """Every module a file imports, by its full name, wherever in the file."""
    package = list(path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[:len(package) - node.level + 1] if node.level else []
            stem = [*base, *(node.module.split(".") if node.module else [])]
            yield from (".".join([*stem, alias.name]) for alias in node.names)


ROOMS = [pytest.param(room, path, id=str(path.relative_to(ROOT))) for room, path in modules()]


@pytest.mark.parametrize(("room", "path"), ROOMS)
def test_a_module_imports_only_from_floors_below_its_own(room, path):
    assert room in FLOORS, f"{path.name} has no floor yet"
    for name in imports(path):
        first, *rest = name.split(".")
        if first == "rnnviz" and rest:
            target = rest[0]
            if target == room and room in ("figures", "sentences", "ui"):
                continue  # the modules of one package may know each other
            if target in FLOORS:  # else a public name of the package itself
                assert FLOORS[target] < FLOORS[room], f"{path.name} imports {name}"


@pytest.mark.parametrize(("room", "path"), ROOMS)
def test_a_library_is_imported_only_from_the_floor_it_belongs_to(room, path):
    for name in imports(path):
        library = name.split(".")[0]
        assert library not in NOWHERE, f"{path.name} imports {name}"
        if library in GUESTS:
            assert FLOORS[room] >= GUESTS[library], f"{path.name} imports {name}"
        elif FLOORS[room] < 5:
            assert library in ("rnnviz", "numpy") or library in sys.stdlib_module_names, f"{path.name} imports {name}"


CORE = """
import sys

class Closed:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("streamlit", "plotly", "pandas", "torch", "matplotlib"):
            raise ImportError(name + " is not to be had here")

sys.meta_path.insert(0, Closed())
import rnnviz
for name, experiment in rnnviz.EXAMPLES.items():
    run = rnnviz.run(experiment)
    assert rnnviz.read(run).size.shape == (len(run.network.layers), experiment.T)
    assert rnnviz.from_link(rnnviz.to_link(experiment)) == (experiment, ())
upper = [m for m in sys.modules if m.startswith(("rnnviz.ui", "rnnviz.figures"))]
assert not upper, upper
print(len(rnnviz.EXAMPLES), "examples")
"""


def test_the_core_runs_every_example_where_streamlit_plotly_and_pandas_cannot_be_imported():
    from rnnviz import EXAMPLES

    done = subprocess.run([sys.executable, "-W", "error", "-c", CORE],
                          cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{len(EXAMPLES)} examples\n"


def test_the_import_of_the_package_sets_one_thread_for_linear_algebra_before_numpy_is_there():
    code = "import sys; assert 'numpy' not in sys.modules; import os, rnnviz; print(os.environ['OPENBLAS_NUM_THREADS'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False,
                          env={"PATH": ""})
    assert done.stdout == "1\n", done.stderr
