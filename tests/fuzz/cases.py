"""A case is a folder of files, a command and an environment; what must hold of how it ends is the same for all."""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from clvsim import texts
from clvsim.errors import LONGEST, MOST
from tests.fuzz.nursery import Ended

SECRET = "swordfish-7d1f"  # in the environment of every case: no output and no file may hold it
CANARY = "canary"  # the file that an injected payload would make, wherever it runs
USERS_ERRORS = frozenset({2, 3, 4})  # `clvsim.errors`
LONGEST_LINE = LONGEST + texts.LONGEST_LINE + 20  # characters: where, what, and the name of the command
MOST_LINES = MOST + 10
PEAK_BYTES = 3 << 29  # 1.5 GB
OF_MATPLOTLIB = re.compile(r"\.(config|cache)(/matplotlib(/fontlist.*)?)?")  # which it makes where it is imported
WRITES = ("run", "fit", "validate", "report", "new")

Files = Mapping[str, bytes | None]  # by path; None: a folder


class Case(NamedTuple):
    """`words` after `clvsim`, or for another target of the nursery its arguments."""

    words: tuple[str, ...]
    files: Files = MappingProxyType({})
    env: Mapping[str, str] = MappingProxyType({})
    target: str = "cli"
    may_pass: bool = True  # False: it must be refused

    def __str__(self) -> str:
        told = {name: "folder" if content is None else content[:200] for name, content in self.files.items()}
        return f"{self.target} {json.dumps(self.words)[:400]} files {told} env {dict(self.env)}"[:1500]


def lay_out(files: Files, folder: Path) -> None:
    for name, content in files.items():
        path = folder / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.mkdir(exist_ok=True)
        else:
            path.write_bytes(content)


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every path below a folder with its content; None for folders and links."""
    found: dict[str, bytes | None] = {}
    for path in folder.rglob("*"):
        plain = path.is_file() and not path.is_symlink()
        found[str(path.relative_to(folder))] = path.read_bytes() if plain else None
    return found


class Room:
    """A fresh folder for one case, with a home and a temporary folder of its own."""

    def __init__(self, parent: Path) -> None:
        self.root = parent / "room"
        shutil.rmtree(self.root, ignore_errors=True)
        self.here, self.home, self.temporary = (self.root / name for name in ("here", "home", "tmp"))
        for folder in (self.here, self.home, self.temporary):
            folder.mkdir(parents=True)

    @property
    def env(self) -> dict[str, str]:
        return {"HOME": str(self.home), "TMPDIR": str(self.temporary), "SECRET": SECRET}


def faults(case: Case, ended: Ended, before: Files, room: Room) -> Iterator[str]:
    """What is wrong with how a case ended, a sentence each; none for a case that went as promised."""
    yield from faults_of_end(ended, may_pass=case.may_pass)
    after = tree(room.here)
    if any(Path(name).name == CANARY for name in [*after, *tree(room.home), *tree(room.temporary)]):
        yield "something was executed: the canary is there"
    writes = case.target == "cli" and case.words[:1] and case.words[0] in WRITES
    if ended.code and after != before:
        changed = sorted(name for name in {*after, *before} if after.get(name, b"") != before.get(name, b""))
        yield f"it left something behind, or changed it: {changed[:5]}"
    if not ended.code and not writes and after != before:
        yield f"a stage that writes nothing wrote {sorted({*after} - {*before})[:5]}"
    for name, content in after.items():
        if content is not None and SECRET.encode() in content and before.get(name) != content:
            yield f"the environment's secret is in {name}"
    if partial := [name for name in after if ".partial-" in name or name.endswith(".tmp")]:
        yield f"unfinished files: {partial[:5]}"
    if left := sorted(tree(room.temporary)):
        yield f"temporary files: {left[:5]}"
    if left := sorted(name for name in tree(room.home) if not OF_MATPLOTLIB.fullmatch(name)):
        yield f"files at home: {left[:5]}"


def faults_of_end(ended: Ended, *, may_pass: bool = True) -> Iterator[str]:
    """The part that needs no folder: exit code, output, time and memory."""
    if ended.code < 0:
        yield f"ended by signal {-ended.code}"
    elif ended.code not in USERS_ERRORS | {0}:
        yield f"exit code {ended.code}"
    elif ended.code == 0 and not may_pass:
        yield "it passed, and must be refused"
    if re.search(r"Traceback|internal error", ended.out + ended.err):
        yield "a traceback"
    if SECRET in ended.out + ended.err:
        yield "the environment's secret is shown"
    lines = ended.err.splitlines()
    if strange := [line for line in lines if not line.startswith("clvsim: ")]:
        yield f"a line on stderr that is none of ours: {strange[0][:200]!r}"
    if ended.code in USERS_ERRORS and not lines:
        yield "refused without a word"
    long = max(map(len, [*lines, *ended.out.splitlines()]), default=0)
    if long > LONGEST_LINE:
        yield f"a line of {long:,} characters"
    if len(lines) > MOST_LINES:
        yield f"{len(lines):,} lines on stderr"
    if signs := re.findall(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", ended.out + ended.err):
        yield f"control characters reach the terminal: {signs[:3]!r}"
    if ended.peak_bytes > PEAK_BYTES:
        yield f"{ended.peak_bytes / 1e9:.1f} GB of memory"
