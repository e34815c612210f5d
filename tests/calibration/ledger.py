"""Results of many worlds, one line of JSON each, in a cache folder: a run that stops goes on where it was.

The folder is named by a hash of the code that the results depend on, so that none outlives a change of it.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
Result = dict[str, Any]


def code_hash() -> str:
    """Of the package, the stories and the calibration itself, as they are on the disk."""
    hashed = hashlib.sha256()
    for folder in ("clvsim", "tests/stories", "tests/calibration", "tests/nested"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            hashed.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return hashed.hexdigest()[:12]


def folder() -> Path:
    """`CLVSIM_CALIBRATION`, else beside the user's cache."""
    base = os.environ.get("CLVSIM_CALIBRATION")
    root = Path(base) if base else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clvsim"
    return root / f"calibration-{code_hash()}"


def results(suite: str) -> dict[int, Result]:
    """What is there, by the world's number. A line that was cut off by an interruption is left out."""
    found: dict[int, Result] = {}
    for path in sorted(folder().glob(f"{suite}.*.jsonl")):
        for line in path.read_text().splitlines():
            try:
                result = json.loads(line)
            except json.JSONDecodeError:
                continue
            found[result["number"]] = result
    return found


def run(suite: str, numbers: Iterable[int], world: Callable[[int], Result]) -> None:
    """Work out the worlds that are missing. Processes write to files of their own."""
    there = results(suite)
    folder().mkdir(parents=True, exist_ok=True)
    path = folder() / f"{suite}.{os.getpid()}.jsonl"
    for number in numbers:
        if number not in there:
            line = json.dumps({"number": number} | world(number))
            with path.open("a") as file:
                file.write(line + "\n")
