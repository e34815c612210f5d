"""The kinds of cases, with how many of each a short campaign and the long one run."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from hypothesis.strategies import SearchStrategy

from tests.fuzz import artefacts, databases, kills, objects, splits, studies, surroundings, tables, words, work
from tests.fuzz.campaign import CPU_SECONDS, Tally, campaign, generated, in_nursery
from tests.fuzz.cases import Case
from tests.fuzz.nursery import Nursery

Cases = list[Case] | SearchStrategy[Case]

COMPILE_SECONDS = 60


class Kind(NamedTuple):
    cases: Callable[[artefacts.Originals], Cases]
    short: int
    long: int
    seconds: float = CPU_SECONDS  # of one core, of a case

    def some(self, number: int, originals: artefacts.Originals) -> Iterable[Case]:
        cases = self.cases(originals)
        return cases[:: -(-len(cases) // number)] if isinstance(cases, list) else generated(cases, number)


KINDS: dict[str, Kind] = {
    "logs, by hand": Kind(lambda _: tables.log_cases(), 6, 1000),
    "logs": Kind(lambda _: tables.logs(), 6, 200),
    "logs, read only": Kind(lambda _: tables.logs(through="log"), 40, 200),
    "workbooks, Parquet and gzip": Kind(lambda _: tables.packed(), 40, 200),
    "tables of counts": Kind(lambda _: tables.counts(), 6, 120),
    "databases": Kind(lambda _: databases.databases(), 8, 250),
    "addresses of databases": Kind(lambda _: databases.addresses(), 8, 150),
    "addresses of objects": Kind(lambda _: objects.cases(), 10, 200),
    "studies, by hand": Kind(lambda _: studies.study_cases(), 12, 1000),
    "studies": Kind(lambda _: studies.studies(), 6, 250),
    "tests and counts, by hand": Kind(lambda _: splits.split_cases(), 12, 1000),
    "tables of tests": Kind(lambda _: splits.splits(), 6, 200),
    "command lines": Kind(lambda _: words.commands(), 12, 350),
    "clusters and checkpoints": Kind(lambda _: work.cases(), 12, 1000),
    "sweeps": Kind(lambda _: words.sweeps(), 12, 200),
    "businesses without a log": Kind(lambda _: words.businesses(), 12, 350),
    "scenarios to fill in": Kind(lambda _: words.new_files(), 12, 200),
    "valuations": Kind(lambda _: words.valuations(), 12, 250),
    "files of draws, read only": Kind(lambda o: artefacts.posteriors(o.posterior), 6, 150),
    "files of draws": Kind(lambda o: artefacts.used_posteriors(o.posterior), 1, 40),
    "cached draws": Kind(lambda o: artefacts.cached(o.cache), 2, 30, COMPILE_SECONDS),  # into a cache of their own
    "runs that are scored and compared": Kind(lambda o: artefacts.past_runs(o.run), 6, 120),
    "scores on a page": Kind(lambda _: artefacts.scores(), 6, 80),
    "folders of runs": Kind(lambda o: artefacts.run_folders(o.run), 8, 200),
    "folders of runs with a valuation": Kind(lambda o: artefacts.valued_folders(o.run), 6, 100),
    "questions": Kind(lambda o: artefacts.questions(o.run), 12, 200),
    "folders of runs, loaded": Kind(lambda o: artefacts.loaded_folders(o.run), 12, 200),
}
LOG, PRACTICE = kills.orders(), [(*artefacts.RUN, "out=r"), kills.COMMANDS["fit"]]


def of_kind(name: str, nursery: Nursery, originals: artefacts.Originals, parent: Path, *, long: bool) -> Tally:
    kind = KINDS[name]
    cases = kind.some(kind.long if long else kind.short, originals)
    return campaign(cases, in_nursery(nursery), parent, kind.seconds)


def of_compiled(cache: Path, parent: Path) -> Tally:
    """Runs that find what Numba compiled damaged: it is compiled again, and nothing in it is executed."""
    tally = Tally()
    for damage in surroundings.DAMAGES.values():
        runner = surroundings.run_damaged(damage, cache)
        tally += campaign([Case(surroundings.RUN, surroundings.FILES)], runner, parent, COMPILE_SECONDS)
    return tally


def of_surroundings(cache: Path, parent: Path, *, long: bool) -> Tally:
    """Each in a process from scratch: a check in all of them, a run in those that matter to one."""
    tally = Tally()
    for one, command in surroundings.cases(long=long):
        runner = surroundings.run_in(one, command, cache)
        seconds = CPU_SECONDS if command == surroundings.CHECK else COMPILE_SECONDS  # some runs find no cache
        tally += campaign([Case(command, surroundings.FILES)], runner, parent, seconds)
    return tally
