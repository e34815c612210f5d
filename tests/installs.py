"""Packages that some slow tests need and that do not go with ours: in a folder or an environment of their own."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

SECONDS = 300


def environment(folder: Path, *packages: str) -> Path:
    """The interpreter of a new environment with nothing but these packages; skips where they cannot be had."""
    uv = shutil.which("uv")
    _call(
        [uv, "venv", "-q", "--python", sys.executable, str(folder)]
        if uv
        else [sys.executable, "-m", "venv", str(folder)]
    )
    python = folder / "bin" / "python"
    pip = [uv, "pip", "install", "-q", "--python", str(python)] if uv else [str(python), *_PIP]
    _call([*pip, *packages])
    return python


def beside(folder: Path, *packages: str) -> str:
    """A folder for PYTHONPATH, in which these packages and what they need stand before what the tests have."""
    if uv := shutil.which("uv"):
        pip = [uv, "pip", "install", "-q", "--python", sys.executable]
    else:
        pip = [sys.executable, *_PIP]
    _call([*pip, "--target", str(folder), *packages])
    return str(folder)


_PIP = ("-m", "pip", "install", "-q", "--disable-pip-version-check")


def _call(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:]
        pytest.skip(f"{command[-1]} cannot be installed here: {said}")
