"""Runs the cases of a kind and counts how they ended; what failed is kept, and goes on."""

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from tests.fuzz.cases import Case, Room, faults, lay_out, tree
from tests.fuzz.nursery import CPU_SECONDS, Ended, Nursery

SHOWN = 40  # failures in a message
Run = Callable[[Case, Room], Ended]


@dataclass
class Tally:
    """Cases of a kind by exit code, and a text for each that failed."""

    codes: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    failed: list[Case] = field(default_factory=list)
    slowest: float = 0.0
    peak: int = 0
    cpu_seconds: float = 0.0

    @property
    def cases(self) -> int:
        return self.codes.total()

    def add(self, ended: Ended) -> None:
        self.codes[ended.code] += 1
        self.slowest, self.peak = max(self.slowest, ended.cpu_seconds), max(self.peak, ended.peak_bytes)
        self.cpu_seconds += ended.cpu_seconds

    def __iadd__(self, other: "Tally") -> "Tally":
        self.codes += other.codes
        self.failures += other.failures
        self.failed += other.failed
        self.slowest, self.peak = max(self.slowest, other.slowest), max(self.peak, other.peak)
        self.cpu_seconds += other.cpu_seconds
        return self

    def require_fine(self) -> None:
        told = "\n\n".join(self.failures[:SHOWN])
        assert not self.failures, f"{len(self.failures)} of {self.cases} cases failed:\n\n{told}"


def generated(strategy: SearchStrategy[Case], number: int) -> Iterator[Case]:
    """The first `number` cases of a strategy, or fewer where it has no more; the same ones at every call."""
    cases: list[Case] = []

    @seed(1)
    @settings(
        max_examples=number,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(case: Case) -> None:
        cases.append(case)

    collect()
    yield from cases[:number]


def campaign(cases: Iterable[Case], run: Run, parent: Path, seconds: float = CPU_SECONDS) -> Tally:
    """`seconds`: of one core that a case may take."""
    tally = Tally()
    for case in cases:
        room = Room(parent)
        lay_out(case.files, room.here)
        before = tree(room.here)
        ended = run(case, room)
        tally.add(ended)
        found = list(faults(case, ended, before, room))
        if ended.cpu_seconds > seconds:
            found.append(f"{ended.cpu_seconds:.0f} s")
        if found:
            tally.failed.append(case)
            tally.failures.append(f"{'; '.join(found)}\n  {case}\n  code {ended.code}, stderr {ended.err[-600:]!r}")
    return tally


def in_nursery(nursery: Nursery) -> Run:
    return lambda case, room: nursery.run(case.words, room.here, {**room.env, **case.env}, case.target)


@contextmanager
def a_nursery(cache: Path | str, log: bytes = b"", practice: Sequence[Sequence[str]] = ()) -> Generator[Nursery]:
    """With the caches in `cache`; what it writes is in a temporary folder."""
    env = {**os.environ, "CLVSIM_CACHE": str(cache)}
    with tempfile.TemporaryDirectory() as folder, Nursery(Path(folder), env, log, practice) as nursery:
        yield nursery
