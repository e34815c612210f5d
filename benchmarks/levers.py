"""What levers cost beside a run without: three of them on one core, loops that only know them, all shipped ones; and
how time grows with customers, draws and months.

`python benchmarks/levers.py plot` writes benchmarks/cost.svg.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from demo import PROGRAM, timed_run
from event_loop import MONTHS, Work
from scaling import DRAWS, NOTHING, block_of, setting_of

from clvsim.interventions.base import Group
from clvsim.interventions.timing import Horizon
from clvsim.kernels import structs as ks
from clvsim.kernels.simulate import Mechanisms, loop_of
from clvsim.kernels.structs import seal
from clvsim.scenario import Scenario, compile_scenario
from clvsim.simulation import engine
from clvsim.simulation.ledger import Raw
from clvsim.simulation.people import Block
from clvsim.simulation.tables import Levers
from clvsim.types import DAYS_PER_MONTH

SHIPPED = Path(__file__).parents[1] / "configs" / "scenario"
THREE = {"upsell_soft": "upsell", "direct_mail": "letter", "follow_up": "email"}  # an offer, a campaign, a programme
MOST_TIMES, ALL_SECONDS, ALL_GB = 3.0, 90.0, 2.0
PARTS = 5  # runs, since one ledger of all scenarios would not fit into memory
NEWCOMERS = (
    "acquisition.channels.search.visitors_per_month=10000",
    "acquisition.channels.search.conversion=0.02",
    "acquisition.channels.search.cost_per_visitor=0.4",
)


def three_levers(neutral: bool) -> Levers:
    """The first lever of each of three shipped files; `neutral`: with every uncertain number at nothing."""

    tree: dict[str, Any] = {"title": "three"}
    for name in THREE:
        parts = yaml.safe_load((SHIPPED / f"{name}.yaml").read_text(encoding="utf-8"))
        lever = next(part for part in parts.values() if isinstance(part, dict) and part.get("kind") != "cost")
        tree[THREE[name]] = lever | {"who": {}}
    scenario = Scenario.model_validate(tree)
    if neutral:
        for name, lever in scenario.interventions.items():
            for field, (_, number) in lever.uncertain().items():
                *parents, last = field.split(".")
                section = tree[name]
                for parent in parents:
                    section = section.setdefault(parent, {})
                section[last] = number.neutral
        scenario = Scenario.model_validate(tree)
    keys = np.arange(DRAWS, dtype=np.uint64)
    compiled = compile_scenario(
        "three", {"three": scenario}, keys, (Group("existing"),), Horizon(date(1997, 9, 30), MONTHS, MONTHS)
    )
    assert not compiled.problems
    return Levers.from_scenario(compiled)


def program(
    setting: engine.Setting, block: Block, levers: Levers, months: int = MONTHS, *, flags: int = 0
) -> Callable[[], Raw]:
    def run() -> Raw:
        raw = engine.empty_raw(setting, levers, months, 1, 1)
        engine.run_block(block, [engine.make_job(setting, levers, raw, loop_flags=flags)], setting, 1)
        return raw

    return run


def best(programs: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Least CPU seconds of each, in turn."""
    least = [float("inf")] * len(programs)
    for _ in range(rounds):
        for i, one in enumerate(programs):
            start = time.process_time()
            one()
            least[i] = min(least[i], time.process_time() - start)
    return least


def three_against_none(rounds: int = 6) -> str:
    work = Work(DRAWS)
    setting, block = setting_of(work), block_of(work)
    none, neutral, three = (
        program(setting, block, levers) for levers in (NOTHING, three_levers(neutral=True), three_levers(neutral=False))
    )
    lines = np.arange(ks.BASE_LINES)
    if not np.array_equal(none().calendar, neutral().calendar[:, :, lines]):
        raise AssertionError("three levers without effect do not leave the ledger as it was")
    idle = program(setting, block, NOTHING, flags=ks.LEVERED)
    if not all(np.array_equal(a, b) for a, b in zip(none(), idle(), strict=True)):
        raise AssertionError("the loop that knows levers gives another ledger")
    three()
    times = best([none, three, idle], rounds)
    return (
        f"three levers against none, one core: {times[1] / times[0]:.2f} x (target <= {MOST_TIMES:g}); without effect "
        f"equal to the last bit; a loop that knows levers and has none {times[2] / times[0]:.2f} x"
    )


def compilation() -> str:
    """CPU seconds of compilation of each loop, in a process of its own without a cache."""
    names = {
        "none": Mechanisms(),
        "levers": Mechanisms(levered=True),
        "rare": Mechanisms(True, True),
        "everything": Mechanisms(True, True, True),
    }
    code = "import sys, time; sys.path.insert(0, {folder!r}); import levers; levers.compile_one({name!r})"
    said = []
    for name in names:
        environment = {**os.environ, "NUMBA_CACHE_DIR": f"/tmp/clvsim-bench-{os.getpid()}-{name}"}
        folder = str(Path(__file__).parent)
        out = subprocess.run(
            [sys.executable, "-c", code.format(folder=folder, name=name)],
            env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        said.append(f"{name} {float(out.stdout):.1f} s")
    return "compilation of a loop, CPU time: " + ", ".join(said)


def compile_one(name: str) -> None:
    on = {
        "none": Mechanisms(),
        "levers": Mechanisms(levered=True),
        "rare": Mechanisms(True, True),
        "everything": Mechanisms(True, True, True),
    }[name]
    start = time.process_time()
    loop_of(on)
    print(time.process_time() - start)


def all_shipped(folder: Path) -> str:
    """Every shipped lever on CDNOW with newcomers, 1,000 draws, in runs of their own: wall time and peak memory."""
    if not PROGRAM.exists():
        return f"all levers: skipped, {PROGRAM} is not installed"
    names = sorted(path.stem for path in SHIPPED.glob("*.yaml") if path.stem not in ("baseline", "plan"))
    trees = {name: (SHIPPED / f"{name}.yaml").read_text(encoding="utf-8") for name in names}
    lists = [name for name in names if "top:" in trees[name] or "{orders:" in trees[name]]
    others = [name for name in names if name not in lists]
    parts = [lists, *(others[i :: PARTS - 1] for i in range(PARTS - 1))]
    seconds, memory = 0.0, 0.0
    for number, part in enumerate(parts):
        words = [f"scenarios=[{','.join(part)}]", "finance.gross_margin=0.4", "simulation.draws=1000", *NEWCOMERS]
        wall, peak = timed_run(folder / f"all{number}", dict(os.environ), "data=cdnow", *words)
        seconds, memory = seconds + wall, max(memory, peak)
    return (
        f"all {len(names)} shipped levers on CDNOW, 1,000 draws, in {len(parts)} runs: {seconds:.0f} s = "
        f"{seconds / ALL_SECONDS:.2f} of {ALL_SECONDS:g}; peak memory {memory:.2f} GB = {memory / ALL_GB:.2f} of "
        f"{ALL_GB:g}"
    )


def growth(rounds: int = 3) -> dict[str, list[tuple[float, float]]]:
    """CPU seconds without levers by share of customers, of draws and of months."""
    work, found = Work(DRAWS), {}
    setting = setting_of(work)
    shares = (0.25, 0.5, 0.75, 1.0)

    def fewer_people(share: float) -> Callable[[], Raw]:
        number = int(share * work.people.key.size)
        people = ks.People(*(seal(v[:number], v.dtype) for v in work.people))
        return program(setting, replace(block_of(work), people=people), NOTHING)

    def fewer_draws(share: float) -> Callable[[], Raw]:
        number, worlds = int(share * DRAWS), setting.worlds
        own = replace(
            worlds, **{f: getattr(worlds, f)[:number] for f in ("key", "draw", "draw_key", "environment_sd", "level_sd",
                                                               "log_rate", "log_visitors")}
        )  # fmt: skip
        return program(replace(setting, worlds=own), block_of(work), NOTHING)

    def fewer_months(share: float) -> Callable[[], Raw]:
        months = int(share * MONTHS)
        days = months * DAYS_PER_MONTH
        return program(replace(setting, length_days=days, stop_days=days), block_of(work), NOTHING, months)

    for what, make in (("customers", fewer_people), ("draws", fewer_draws), ("months", fewer_months)):
        programs = [make(share) for share in shares]
        for one in programs:
            one()
        found[what] = list(zip(shares, best(programs, rounds), strict=True))
    return found


def plot(path: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 3.2))
    for what, points in growth().items():
        shares, seconds = zip(*points, strict=True)
        axes.plot([100 * s for s in shares], [s / seconds[-1] for s in seconds], "o-", label=what)
    axes.plot([0, 100], [0, 1], color="grey", linewidth=0.8, linestyle="--")
    axes.set(xlabel="Per cent of 2,357 customers, 256 draws, 36 months", ylabel="CPU time, of all of them = 1")
    axes.set(xlim=(0, 105), ylim=(0, 1.1))
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main(folder: Path) -> str:
    grows = ", ".join(f"{what} {points[1][1] / points[-1][1]:.2f}" for what, points in growth().items())
    return "\n".join(
        [three_against_none(), f"half of it takes, of all = 1: {grows}", compilation(), all_shipped(folder)]
    )


if __name__ == "__main__":
    if sys.argv[1:] == ["plot"]:
        plot(Path(__file__).with_name("cost.svg"))
    else:
        with tempfile.TemporaryDirectory(prefix="clvsim-bench-") as name:
            print(main(Path(name)))
