"""All worlds of the calibration, on several processes, and what came out as a section of docs/calibration.md.

python -m tests.calibration.record [--worlds 300] [--chain 1000] [--jobs 2] [--only SUITE ...]

Suites are the kinds of retention models and `chain`. Worlds that are there already are not worked out again
(`ledger.py`), so that an interrupted run goes on. The section is written when every suite has all its worlds.
"""

import argparse
import datetime as dt
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from scipy.stats import chi2

from tests.calibration import chain, forecasts, ledger
from tests.calibration.verdicts import CLASSES, LEVELS, chi_square, classes, covered, share_within
from tests.stories import STORIES

PAGE = ledger.ROOT / "docs" / "calibration.md"
HEADING = "## What comes, in many worlds"
CHAIN = "chain"
SUITES = (*STORIES, CHAIN)


def name_of(suite: str) -> str:
    return suite if suite == CHAIN else f"futures-{suite}"


def work(suites: Sequence[str], counts: dict[str, int], part: int, parts: int) -> None:
    """This process's share of the worlds."""
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    for suite in suites:
        world: Any = chain.world if suite == CHAIN else partial(forecasts.world, suite)
        ledger.run(name_of(suite), range(part, counts[suite], parts), world)
        print(f"{suite}: {len(ledger.results(name_of(suite)))} worlds", flush=True)


def section(counts: dict[str, int]) -> str:
    """The page's section, from the results."""
    rows = []
    for kind in STORIES:
        found = ledger.results(name_of(kind))
        worlds = [found[number] for number in range(counts[kind])]
        shares = [
            " / ".join(f"{share_within(worlds, figure, level):.1%}"[:-1] for level in LEVELS)
            for figure in forecasts.FIGURES
        ]
        nuts = sum(n for result in worlds for way, n in result["ways"].items() if "nuts" in way)
        rows.append(f"| `{kind}` | {len(worlds)} | {' | '.join(shares)} | {nuts} |")
    found = ledger.results(CHAIN)
    worlds = [found[number] for number in range(counts[CHAIN])]
    table = "\n".join(rows)
    deciles = "\n".join(
        f"| {k / CLASSES:.1f}–{(k + 1) / CLASSES:.1f} | {n} | {better:.0f} | {foretold:.1f} |"
        for k, (n, better, foretold) in enumerate(classes(worlds))
    )
    return TEXT.format(
        heading=HEADING,
        date=dt.date.today().isoformat(),
        commit=commit(),
        months=forecasts.MONTHS,
        table=table,
        worlds=len(worlds),
        covered=f"{covered(worlds):.1%}".replace("%", " %"),
        chi=f"{chi_square(worlds):.1f}",
        limit=f"{chi2.ppf(0.99, CLASSES):.1f}",
        deciles=deciles,
        ways=", ".join(f"{way} {n}" for way, n in Counter(result["way"] for result in worlds).most_common()),
    )


TEXT = """{heading}

Truths from the priors, customers from the truths by the stories of the tests, a posterior and a simulation of these
customers by the product, environment off; then what came, with a lever that lowers the hazard of leaving by a fifth and
without it, on the same random events. Share of worlds in which the 80 % and the 90 % interval of realised figures over
{months} months held what came; ties of whole numbers are broken at random. About 100 customers per world. Run
{date} on commit {commit} by `make calibration`.

| model | worlds | orders, 80 / 90 % | revenue | difference of orders | difference of revenue | fits by NUTS |
|---|---|---|---|---|---|---|
{table}

The whole chain: parameters, conversion and the effect of a campaign from their priors, a log, a posterior, a run with
newcomers. Of {worlds} worlds the 90 % interval of the *expected* difference in plan value held the expectation under
the true parameters and effects, worked out by plain integration, in {covered}. P(better) against its sign, by tenths,
has χ² = {chi} (99 % point {limit}):

| P(better) | worlds | truly better | foretold |
|---|---|---|---|
{deciles}

Fits of retention and of spend: {ways}.

"""


def commit() -> str:
    """Short name of the commit, with + where the tree differs from it."""
    shown = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], cwd=ledger.ROOT, capture_output=True, text=True, check=True
    )
    return shown.stdout.strip()


def write(text: str) -> None:
    """Replace the section, or put it before the one on Laplace."""
    page = PAGE.read_text()
    before, found, rest = page.partition(HEADING)
    if found:
        _, mark, after = rest.partition("\n## ")
        PAGE.write_text(before + text + (mark + after).removeprefix("\n"))
    else:
        before, mark, after = page.partition("## Laplace against long chains")
        PAGE.write_text(before + text + mark + after)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=300)
    parser.add_argument("--chain", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=list(SUITES), choices=SUITES)
    parser.add_argument("--part", type=int, help=argparse.SUPPRESS)
    typed = parser.parse_args()
    counts = {suite: typed.chain if suite == CHAIN else typed.worlds for suite in SUITES}
    if typed.part is not None:
        work(typed.only, counts, typed.part, typed.jobs)
        return
    command = [sys.executable, "-m", "tests.calibration.record", *sys.argv[1:]]
    parts = [subprocess.Popen([*command, "--part", str(part)], cwd=ledger.ROOT) for part in range(typed.jobs)]
    codes = [part.wait() for part in parts]
    if any(codes):
        sys.exit(1)
    if all(len(ledger.results(name_of(suite))) >= counts[suite] for suite in SUITES):
        write(section(counts))
        print(f"written to {PAGE.relative_to(ledger.ROOT)}")


if __name__ == "__main__":
    main()
