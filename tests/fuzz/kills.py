"""Commands that are killed at random moments: what they leave, and what the next one makes of it."""

import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from clvsim.errors import ClvsimError
from clvsim.models.cache import read_posterior
from tests.fuzz.cases import Room, lay_out, tree
from tests.fuzz.nursery import Ended, Nursery

SMALL = (
    *(
        "orders.csv",
        "retention=bg_nbd",
        "fit.method=laplace",
        "fit.draws=600",
        "simulation.draws=60",
        "simulation.jobs=1",
    ),
    *("simulation.horizon_months=3", "scenarios=[]", "fit.allow_poor=true"),
)
COMMANDS: dict[str, tuple[str, ...]] = {
    "run": ("run", *SMALL, "out=out/r"),
    "fit": ("fit", *SMALL, "out=out/r"),
    "validate": ("validate", *SMALL, "out=out/r"),
    "sweep": ("run", "-m", *SMALL, "seed=1,2", "out=out/r"),
}
WEIGHTS = {"run": 7, "fit": 7, "validate": 3, "sweep": 3}  # the longer ones less often
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
COMPARED = ("comparison.csv", "books.csv", "validation.csv", "posterior.nc")  # of posteriors the draws, see `results`


def orders() -> bytes:
    """Some 70 customers with gaps and amounts of their own, over a year."""
    chance = random.Random(5)
    rows = ["customer_id,date,amount"]
    for customer in range(70):
        day, gap = chance.randrange(120), chance.uniform(8, 60)
        while day < 360 and chance.random() > 0.12:
            rows.append(f"c{customer:02},{date_of(day)},{chance.uniform(5, 80):.2f}")
            day += 1 + int(chance.expovariate(1 / gap))
    return "\n".join([*rows, f"c99,{date_of(363)},20.00", ""]).encode()


def date_of(day: int) -> str:
    return str(date(2023, 1, 1) + timedelta(day))


class Kill(NamedTuple):
    command: str
    signal: signal.Signals
    share: float  # of the undisturbed duration


def kills(number: int, commands: Sequence[str] = tuple(COMMANDS), seed: int = 1) -> list[list[Kill]]:
    """Three kills of a random command by each signal, at random moments, the earliest first; and so on."""
    chance = random.Random(seed)
    batches = []
    for command in chance.choices(commands, [WEIGHTS[name] for name in commands], k=-(-number // len(SIGNALS))):
        moments = sorted(chance.uniform(0, 1) for _ in SIGNALS)
        signals = chance.sample(SIGNALS, len(SIGNALS))
        batches.append([Kill(command, *pair) for pair in zip(signals, moments, strict=True)])
    return batches


@dataclass(frozen=True)
class Undisturbed:
    """What a command writes, and how long it takes."""

    seconds: float
    results: Mapping[str, bytes]
    names: frozenset[str]


def results(folder: Path) -> dict[str, bytes]:
    """Tables byte for byte, and draws of posteriors, by path below a folder."""
    found: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")) if folder.exists() else []:
        if ".partial-" in str(path.relative_to(folder)):
            continue
        place = str(path.relative_to(folder))
        if path.name == "posterior.nc" and path.is_file():
            draws = read_posterior(path).posterior
            found[place] = b"".join(v.tobytes() for group in (draws.retention, draws.spend) for v in group.values())
        elif path.name in COMPARED:
            found[place] = path.read_bytes()
    return found


class Killing:
    """A room for one command after the other, with a cache of posteriors of its own."""

    def __init__(self, nursery: Nursery, parent: Path, commands: Iterable[str] = COMMANDS) -> None:
        self.nursery, self.parent = nursery, parent
        self.codes = Counter[int]()
        self.undisturbed = {name: self._undisturbed(name) for name in commands}

    def _room(self) -> Room:
        room = Room(self.parent)
        lay_out({"orders.csv": orders()}, room.here)
        return room

    def _env(self, room: Room) -> dict[str, str]:
        return {**room.env, "CLVSIM_CACHE": str(room.root / "cache")}

    def _undisturbed(self, name: str) -> Undisturbed:
        room = self._room()
        start = time.monotonic()
        ended = self.nursery.run(COMMANDS[name], room.here, self._env(room))
        seconds = time.monotonic() - start
        assert ended.code == 0, ended.err
        out = room.here / "out"
        return Undisturbed(seconds, results(out), frozenset(tree(out)))

    def failures(self, number: int, seed: int = 1) -> list[str]:
        """A text for each three kills after which something is wrong."""
        found = {str(batch): list(self.faults(batch)) for batch in kills(number, tuple(self.undisturbed), seed)}
        return [f"{batch}: {'; '.join(faults)}" for batch, faults in found.items() if faults]

    def faults(self, batch: Sequence[Kill]) -> Iterator[str]:
        """What is wrong after each kill in one folder, and after the same command once more, undisturbed."""
        room = self._room()
        for kill in batch:
            yield from self._of_a_kill(kill, room)
        command = batch[0].command
        again = self.nursery.run(COMMANDS[command], room.here, self._env(room))
        if again.code:
            yield f"the next one ends with {again.code}: {again.err[-300:]!r}"
            return
        yield from self._compared(room.here / "out", self.undisturbed[command], "the next one")
        yield from self._of_the_cache(room)
        if left := [name for name in tree(room.root / "cache" / "posteriors") if name.endswith(".tmp")]:
            yield f"the next one leaves in the cache: {left}"

    def _of_a_kill(self, kill: Kill, room: Room) -> Iterator[str]:
        out, expected = room.here / "out", self.undisturbed[kill.command]
        before = {*tree(out), *tree(room.temporary)} if out.exists() else {*tree(room.temporary)}
        child = self.nursery.begin(COMMANDS[kill.command], room.here, self._env(room))
        time.sleep(kill.share * expected.seconds)
        os.kill(child, kill.signal)  # a child that has ended is not waited for yet, so the id is its own
        ended = self.nursery.finish()
        self.codes[ended.code] += 1
        if ended.code == 0:
            yield from self._compared(out, expected, "what was finished before the signal")
            shutil.rmtree(out)
        else:
            yield from self._of_the_end(kill, ended, room, before)
        yield from self._of_the_cache(room)
        for record in (out / "r").glob("[0-9]/run.json"):  # jobs of a sweep that are kept: a folder is used once
            shutil.rmtree(record.parent)

    def _of_the_end(self, kill: Kill, ended: Ended, room: Room, before: set[str]) -> Iterator[str]:
        codes = {128 + kill.signal, -kill.signal}  # to a shell the same; the latter where nothing has begun yet
        if ended.code not in codes:
            yield f"exit code {ended.code}, not {128 + kill.signal}: {ended.err[-300:]!r}"
        if "Traceback" in ended.out + ended.err:
            yield f"a traceback: {ended.err[-600:]!r}"
        out = room.here / "out"
        expected, found = self.undisturbed[kill.command], results(out)
        if wrong := [name for name, content in found.items() if content != expected.results[name]]:
            yield f"what looks finished has other results: {wrong}"
        forced = kill.signal == signal.SIGKILL or "ended at once" in ended.err
        said = "finished before, and kept" in ended.err
        if not forced and said != bool(found):
            yield f"{sorted(found)} are there, and it says {ended.err[-300:]!r}"
        if kill.command == "sweep":
            pass  # jobs that finished before are kept
        elif found:
            if missing := expected.names - {*tree(out)}:
                yield f"what looks finished misses {sorted(missing)[:6]}"
            shutil.rmtree(out)
        elif left := {name for name in tree(out) if ".partial-" not in name} - {"r"} if out.exists() else set():
            yield f"half a folder looks like a result: {sorted(left)[:6]}"
        if not forced and kill.command != "sweep" and (more := {*tree(out)} - before if out.exists() else set()):
            yield f"left behind: {sorted(more)[:6]}"
        if not forced and (more := {*tree(room.temporary)} - before):
            yield f"temporary files: {sorted(more)[:5]}"

    def _compared(self, out: Path, expected: Undisturbed, who: str) -> Iterator[str]:
        found = tree(out)
        if set(found) != expected.names:
            yield f"{who} has {sorted(set(found) ^ expected.names)[:6]} more or less than an undisturbed one"
            return
        if wrong := [name for name, content in results(out).items() if content != expected.results[name]]:
            yield f"{who} differs from an undisturbed one in {wrong}"

    def _of_the_cache(self, room: Room) -> Iterator[str]:
        for path in (room.root / "cache" / "posteriors").glob("*.nc"):
            try:
                read_posterior(path)
            except ClvsimError as error:
                yield f"the cache holds half a file: {error}"
