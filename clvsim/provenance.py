"""What a run was made with: enough to make it again."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version

from clvsim import __version__
from clvsim.files import ROOT

# Packages whose release can change a figure.
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
    """Installed release by package; what is not installed is left out."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, str | int | None]:
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
    }


def git_revision() -> str | None:
    """Commit of the checkout clvsim runs from, `+` appended when files differ. None for an installed package."""
    if not (ROOT / ".git").exists():
        return None
    commit = git("rev-parse", "HEAD")
    return commit and commit + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")


def git(*words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
