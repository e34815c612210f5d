"""Versions and machine of a run, and what its files held: recorded so that it can be reproduced, and trusted."""

import hashlib
import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from clvsim import __version__
from clvsim.files import ROOT
from clvsim.marked import MARKER

# Packages whose version can change a figure.
PACKAGES = (
    "arviz",
    "duckdb",
    "h5netcdf",
    "hydra-core",
    "joblib",
    "matplotlib",
    "numba",
    "numpy",
    "nutpie",
    "pandas",
    "pyarrow",
    "pydantic",
    "pymc",
    "pytensor",
    "scipy",
    "xarray",
)


SUMMARY, TABLE = "summary.json", "comparison.csv"  # the parts of a run from which its page is made
# What `clvsim report` writes again, what holds the record, and what a run folder has while it is unfinished.
UNRECORDED = ("report.html", "figures", "run.json", MARKER)


def parts_of(folder: Path) -> dict[str, str]:
    """sha256 of a run folder's files by name, but for UNRECORDED."""
    files = (path for path in sorted(folder.iterdir()) if path.is_file() and path.name not in UNRECORDED)
    return {path.name: sha256(path) for path in files}


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def changed_parts(folder: Path, recorded: Mapping[str, object]) -> tuple[str, ...]:
    """What is wrong with the files of a run folder, in a few words each: not there, or not as `recorded`."""

    def wrong(name: str, digest: object) -> str:
        path = folder / name
        if Path(name).name != name or path.is_symlink() or not path.is_file():
            return f"{name} is missing"
        return "" if sha256(path) == digest else f"{name} is not what the run wrote"

    return tuple(filter(None, (wrong(name, digest) for name, digest in recorded.items())))


def provenance() -> dict[str, object]:
    """JSON-ready record for `run.json`."""
    return {"clvsim": __version__, "git": git_revision(), "versions": versions(), "platform": machine()}


def versions() -> dict[str, str]:
    """Version by package, without those that are not installed."""
    releases = {}
    for name in PACKAGES:
        try:
            releases[name] = version(name)
        except PackageNotFoundError:
            continue
    return releases


def machine() -> dict[str, str | int | None]:
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
    }


def git_revision() -> str | None:
    """Commit of the checkout that clvsim runs from, with `+` when tracked files differ; None when installed."""
    if not (ROOT / ".git").exists():
        return None
    commit = git("rev-parse", "HEAD")
    return commit and commit + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")


def git(*words: str) -> str | None:
    command = ["git", "-C", str(ROOT), *words]
    try:
        process = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return process.stdout.strip()
