"""Versions and machine of a run, recorded so that it can be reproduced."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version

from clvsim import __version__
from clvsim.files import ROOT

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
