"""Versions and machine of a run, and what its files held: recorded so that it can be reproduced, and trusted."""

import hashlib
import os
import platform
import re
import shlex
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from clvsim import __version__
from clvsim.files import OBJECT, ROOT, file_name
from clvsim.marked import MARKER
from clvsim.texts import short
from clvsim.types import QualityLine

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
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
PATHS = (
    "data.path",
    "data.url",
    "data.url_file",
    "fit.posterior",
    "report.track_record",
    "simulation.checkpoint",
    "out",
    "run",
)  # keys that hold paths
_ROOTED = re.compile(r"(?:(?:^|(?<=[\[,'\"\s]))(?:s3:/)?|(?<=sqlite:///))/(?:[^,\]'\"]*/)?(?=[^,\]'\"/])")


SUMMARY, TABLE, BOOKS = "summary.json", "comparison.csv", "books.csv"  # parts of a run, from which its page is made
VALUATION = "valuation.csv"  # what the summary holds of it, as a table
SCHEMA_VERSION = 1  # of summary.json and of the configuration: a higher one where a reader of the former would stumble
# What `clvsim report` writes again, what holds the record, and what a run folder has while it is unfinished.
MOST_BYTES = 1 << 33  # of a part
UNRECORDED = ("report.html", "figures", "run.json", MARKER)


def parts_of(folder: Path) -> dict[str, str]:
    """sha256 of a run folder's files by name, but for UNRECORDED."""
    files = (path for path in sorted(folder.iterdir()) if path.is_file() and path.name not in UNRECORDED)
    return {path.name: sha256(path) for path in files}


def sizes_of(folder: Path, names: Iterable[str]) -> dict[str, int]:
    """Bytes of some files of a folder: what is longer than it was is not read to its end."""
    return {name: (folder / name).stat().st_size for name in names}


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def changed_parts(folder: Path, recorded: Mapping[str, object], sizes: Mapping[str, object]) -> tuple[str, ...]:
    """What is wrong with the files of a run folder, in a few words each: not there, or not as `recorded`, by sha256 and
    size.
    """

    def wrong(name: str, digest: object) -> str:
        path = folder / name
        try:
            if path.is_symlink():
                return f"{name} is a link"
            if Path(name).name != name or not path.is_file():
                return f"{short(name, 80)} is missing"
            size = path.stat().st_size
            same = size == sizes.get(name) and size <= MOST_BYTES and sha256(path) == digest
        except (OSError, ValueError):  # a name that no file can have
            return f"{short(name, 80)} cannot be read"
        return "" if same else f"{name} is not what the run wrote"

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


def machine() -> dict[str, Any]:
    """System, processor and threads: of what a result should not depend on, and of what its speed does."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "processor": processor(),
        "cpus": os.cpu_count(),
        "threads": {name: os.environ[name] for name in THREADS if name in os.environ},
    }


def processor() -> str:
    """The model of the processor, as the system calls it; "" where it does not say."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor()
    match = re.search(r"^(?:model name|Model|Processor)\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1].strip() if match else platform.processor()


def file_names(command: str) -> str:
    """A command with the names of files instead of paths from the root, which say where somebody works."""
    return shlex.join(_without_folders(word) for word in shlex.split(command))


def _without_folders(word: str) -> str:
    key, equals, value = word.partition("=")
    if not equals or "/" in key:  # of an address, too, whose key may have one
        return file_name(word)
    return f"{key}={_ROOTED.sub('', value)}" if key.lstrip("+") in PATHS else word


def quality_with_file_names(lines: Sequence[QualityLine], config: Mapping[str, Any]) -> tuple[QualityLine, ...]:
    """A quality table that names the files of a configuration as JSON without the folders in which they lie."""
    paths = (config.get("data") or {}).get("path") or ()
    typed = [os.path.expanduser(path) for path in ([paths] if isinstance(paths, str) else paths)]
    rooted = [path for path in typed if os.path.isabs(path) or path.startswith(OBJECT)]
    folders = {os.path.dirname(re.split(r"[*?\[]", path)[0]) for path in rooted} - {"", "/"}
    if not folders:
        return tuple(lines)
    pattern = re.compile("|".join(re.escape(f"{folder}/") for folder in sorted(folders, key=len, reverse=True)))
    return tuple(line._replace(value=pattern.sub("", line.value), note=pattern.sub("", line.note)) for line in lines)


def with_file_names(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration as JSON, in which paths from the root are names of files."""
    found = {key: dict(value) if isinstance(value, Mapping) else value for key, value in config.items()}
    for path in PATHS:
        section, _, key = path.rpartition(".")
        place = found.get(section) if section else found
        if isinstance(place, dict) and (value := place.get(key)):
            place[key] = _name(value) if isinstance(value, str) else [file_name(one) for one in value]
    return found


def _name(path: str) -> str:
    """The name of a file, also in the address of one of SQLite."""
    return _ROOTED.sub("", path) if path.startswith("sqlite:") else file_name(path)


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
