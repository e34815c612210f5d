"""The notebooks in examples/: what they call is there, and they run from the first cell to the last."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from clvsim.files import ROOT, SHIPPED
from tests.installs import beside

NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
RUNNER = """
import sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
nbformat.validate(notebook)
NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
nbformat.write(notebook, "done.ipynb")
"""


def cells(path: Path, kind: str = "code") -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


def names(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(module, name) of everything of clvsim that is imported, or that is an attribute of `clvsim` itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "clvsim":
            yield from ((str(node.module), alias.name) for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "clvsim":
            yield "clvsim", node.attr


def test_there_is_a_notebook():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path):
    notebook = json.loads(path.read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    for cell in notebook["cells"]:
        assert cell["cell_type"] == "markdown" or (cell["outputs"], cell["execution_count"]) == ([], None)
        assert all(len(line.rstrip("\n")) <= 120 for line in cell["source"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_name_that_a_notebook_uses_is_there(path):
    tree = ast.parse("\n".join(cells(path)))
    found = set(names(tree))
    assert {("clvsim", name) for name in ("read_transactions", "fit", "simulate", "compare", "load")} <= found
    for module, name in found:
        assert hasattr(import_module(module), name), f"{module}.{name}"
    loaded = import_module("clvsim.loaded").LoadedRun
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "run":
            assert node.attr in {*loaded.__dataclass_fields__, *vars(loaded)}, node.attr
    (command,) = [text for cell in cells(path) for text in cell.splitlines() if text.startswith("command = ")]
    chosen = command.split("scenarios=[")[1].split("]")[0].split(",")
    assert all((SHIPPED["scenario"] / f"{name}.yaml").is_file() for name in chosen)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path):
    packages = beside(tmp_path / "packages", "nbclient>=0.10", "ipykernel>=6.29")
    here = tmp_path / "here"
    here.mkdir()
    env = {**os.environ, "PYTHONPATH": packages, "TMPDIR": str(tmp_path), "JUPYTER_PLATFORM_DIRS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, str(path)], cwd=here, env=env, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr[-3000:]
    outputs = [cell["outputs"] for cell in json.loads((here / "done.ipynb").read_text())["cells"] if "outputs" in cell]
    shown = ["".join(out.get("data", {}).get("text/plain", [])) for one in outputs for out in one]
    assert any("retention.alpha" in text for text in shown)  # of ArviZ
    assert any("upsell_soft" in text for text in shown)
    assert [child.name for child in here.iterdir()] == ["done.ipynb"]
