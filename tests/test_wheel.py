"""A wheel is complete: installed without the checkout, it runs the demo from an empty folder."""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from clvsim import __version__
from clvsim.files import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the wheel installed in it; what the wheel requires is the running interpreter's."""
    folder = tmp_path_factory.mktemp("wheel")
    call(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=ROOT)
    (wheel,) = folder.glob("clvsim-*.whl")
    assert wheel.name == f"clvsim-{__version__}-py3-none-any.whl"
    options = ["--no-deps", "--no-index", "--target", str(folder / "site"), str(wheel)]
    if find_spec("pip"):
        call(sys.executable, "-m", "pip", "--disable-pip-version-check", "install", *options, cwd=folder)
    else:  # environments that uv made have no pip
        uv = shutil.which("uv")
        assert uv
        call(uv, "pip", "install", "--python", sys.executable, *options, cwd=folder)
    return folder / "site"


def call(*words: str, cwd: Path, **env: str) -> str:
    """Standard output of a command that ends well."""
    done = subprocess.run(words, cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return done.stdout


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.yaml")}


@pytest.mark.parametrize("folder", ["configs", "experiments"])
def test_a_wheel_holds_every_file_that_names_can_mean(site, folder):
    assert contents(site / "clvsim" / folder) == contents(ROOT / folder)
    assert contents(ROOT / folder)


def test_the_demo_runs_from_a_wheel_in_an_empty_folder(site, here):
    code = "from clvsim.files import CONFIGS, SHIPPED; print(CONFIGS, SHIPPED['experiments'], sep='\\n')"
    found = call(sys.executable, "-c", code, cwd=here, PYTHONPATH=str(site)).splitlines()
    assert found == [str(site / "clvsim" / folder) for folder in ("configs", "experiments")]

    words = ["run", "experiment=demo", "simulation.draws=50", "simulation.horizon_months=6", "out=demo"]
    shown = call(str(site / "bin" / "clvsim"), *words, cwd=here, PYTHONPATH=str(site))
    assert "demo/report.html" in shown
    assert [path.name for path in here.iterdir()] == ["demo"]
    record = json.loads((here / "demo" / "run.json").read_text())
    assert record["clvsim"] == __version__
    assert record["git"] is None  # a checkout knows its commit
    assert record["config"]["simulation"]["draws"] == 50
