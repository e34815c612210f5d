"""Against PyMC-Marketing: posteriors and values, its side in an environment of its own (`make peer`).

Both sides see the same customers. Equal first: log-likelihoods on the whole table, posterior means, values where its
monthly discounting is matched. Times are without compilation; CPU seconds stand beside wall time, since a loaded
machine stretches only the latter.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import quantities as made_up
import yaml

from clvsim import quantities
from clvsim.data import DataConfig, read_transactions, summarize
from clvsim.models import inference
from clvsim.models.compiled import compile_model
from clvsim.models.config import FitConfig
from clvsim.models.retention import bg_nbd
from clvsim.models.retention.bg_nbd import BgNbd
from clvsim.models.sampling import sample
from clvsim.models.spend.gamma_gamma import GammaGamma
from clvsim.types import CustomerSummary

SCRIPT = Path(__file__).with_name("peer_pymc_marketing.py")
MASTER = SCRIPT.parent.parent / "configs" / "data" / "cdnow_master.yaml"
DRAWS, CHAINS, TUNE = 2000, 4, 500  # of chains on both sides
MILLION, SOME = 1_000_000, 5_000  # customers: of our fit, and of its chains
FEW_CUSTOMERS, FEW_DRAWS = 2000, 50  # of its values, which need memory for customers x draws


class Spent:
    """Wall and CPU seconds of a block, in this process."""

    def __enter__(self) -> "Spent":
        self._start = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds, self.cpu = time.perf_counter() - self._start[0], time.process_time() - self._start[1]


def peer_python() -> Path | None:
    """Its environment: $CLVSIM_PEER, or what `make peer` made."""
    path = Path(os.environ.get("CLVSIM_PEER", SCRIPT.parent.parent / ".venv-peer" / "bin" / "python"))
    return path if path.exists() else None


def ask(python: Path, *words: Any) -> Any:
    """What the script says to a command."""
    command = [str(python), str(SCRIPT), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"PyMC-Marketing's side of {words[0]} ended with {done.returncode}: {done.stderr[-800:]}")
    return json.loads(done.stdout)


def table_of(people: CustomerSummary, path: Path, **more: np.ndarray) -> Path:
    """Histories in weeks, as its side reads them."""
    frame = people.customers
    columns = {"x": frame["frequency"], "t_x": frame["recency_days"] / 7, "T": frame["T_days"] / 7}
    np.savez(path, **{name: values.to_numpy(float) for name, values in columns.items()}, **more)
    return path


def equal_likelihoods(python: Path, people: CustomerSummary, table: Path) -> None:
    theirs = ask(python, "log_likelihood", table)
    points = {name: np.array(values) for name, values in theirs["points"].items()}
    mine = np.zeros(len(theirs["total"]))
    for low in range(0, len(people.customers), 100_000):
        part = people.customers.iloc[low : low + 100_000]
        times = (part[name].to_numpy(float) / 7 for name in ("recency_days", "T_days"))
        mine += bg_nbd.log_likelihood(points, part["frequency"].to_numpy(float), *times).sum(axis=1)
    np.testing.assert_allclose(mine, theirs["total"], rtol=1e-9)


class Quick(NamedTuple):
    """What `fit.method=auto` does on a large table, after compilation; parameters in weeks and money."""

    spent: Spent
    weighted: inference.Weighted
    params: dict[str, np.ndarray]
    rows: int


def laplace(people: CustomerSummary, model: BgNbd | GammaGamma) -> Quick:
    """Fitted as in `models.fit`; distinct rows are found within the time too."""
    with Spent() as first:
        rows: Any = model.sufficient(people)
    target = compile_model(model.build(rows)).density()
    for compiled in (target.slope, lambda at: target.values(at[None]), lambda at: target.constrain(at[None])):
        compiled(target.start)
    rng, draws, size = np.random.default_rng(1), FitConfig().draws, len(rows.count)
    with Spent() as spent:
        mode = inference.find_mode(target, model.kind, rng)
        found = inference.weighted(target.values, mode, draws, inference.proposals(draws, size), rng)
        free = target.constrain(found.points)
        params = model.natural(free, rows, 7.0) if isinstance(model, BgNbd) else model.natural(free, rows, 1)
    spent.seconds, spent.cpu = spent.seconds + first.seconds, spent.cpu + first.cpu
    return Quick(spent, found, params, size)


def nuts(people: CustomerSummary) -> tuple[Spent, dict[str, np.ndarray]]:
    """Ours, less what a run of a few steps takes: compilation. The first of three imports and fills caches."""
    model = BgNbd()
    rows = model.sufficient(people)
    spent = []
    draws: dict[str, np.ndarray] = {}
    for size, tune in ((4 * CHAINS, 1), (4 * CHAINS, 1), (DRAWS, TUNE)):
        built = model.build(rows)
        with Spent() as one:
            draws, _ = sample(
                compile_model(built), FitConfig.model_construct(draws=size, tune=tune, chains=CHAINS, seed=1)
            )
        spent.append(one)
    spent[2].seconds -= spent[1].seconds
    spent[2].cpu -= spent[1].cpu
    return spent[2], model.natural(draws, rows, 7.0)


def effective(params: dict[str, np.ndarray]) -> float:
    """The least bulk effective sample size of all parameters."""
    import arviz as az

    return min(float(az.ess(values.reshape(CHAINS, -1), method="bulk")) for values in params.values())


def a_million(python: Path, folder: Path) -> str:
    people = made_up.customers(MILLION)
    table = table_of(people, folder / "million.npz")
    equal_likelihoods(python, people, table)
    spent, found, _, rows = laplace(people, BgNbd())
    cost = ask(python, "cost", table, SOME, MILLION)
    theirs = ask(python, "nuts", table, SOME, CHAINS, DRAWS // CHAINS, TUNE)
    larger = cost[str(MILLION)] / cost[str(SOME)]
    ess = min(theirs["ess"].values())
    wall = theirs["seconds"] / ess * larger / (spent.seconds / found.ess)
    cpu = theirs["cpu"] / ess * larger / (spent.cpu / found.ess)
    return (
        f"posterior of {MILLION:,} customers ({rows:,} distinct): {spent.seconds:.1f} s ({spent.cpu:.1f} s of CPU) = "
        f"{spent.seconds / 15:.2f} of 15, k = {found.pareto_k:.2f}, {found.ess:.0f} effective draws; {cpu:.0f} x less "
        f"CPU time ({wall:.0f} x wall) for each than PyMC-Marketing ({theirs['sampler']}: {ess:.0f} effective draws of "
        f"{SOME:,} customers in {theirs['cpu']:.0f} s of CPU, times {larger:.0f}, what an evaluation costs more at "
        f"{MILLION:,}); log-likelihoods equal"
    )


def master(python: Path, folder: Path) -> str:
    people = summarize(read_transactions(None, DataConfig(**yaml.safe_load(MASTER.read_text()))))
    table = table_of(people, folder / "master.npz")
    equal_likelihoods(python, people, table)
    life, money = laplace(people, BgNbd()), laplace(people, GammaGamma())
    seconds, used = life.spent.seconds + money.spent.seconds, life.spent.cpu + money.spent.cpu
    ours, params = nuts(people)
    theirs = ask(python, "nuts", table, len(people.customers), CHAINS, DRAWS // CHAINS, TUNE)
    mine, ess = effective(params), min(theirs["ess"].values())
    for name, sd in theirs["sd"].items():
        for draws in (params[name], life.params[name]):
            assert abs(draws.mean() - theirs["mean"][name]) < 0.3 * sd, (name, draws.mean(), theirs["mean"][name])
    wall = (mine / ours.seconds) / (ess / theirs["seconds"])
    cpu = (mine / ours.cpu) / (ess / theirs["cpu"])
    return (
        f"CDNOW, {len(people.customers):,} customers ({life.rows:,} distinct): auto, orders and spend, {seconds:.1f} s "
        f"({used:.1f} s of CPU) = {seconds / 5:.2f} of 5; NUTS {mine / ours.cpu:.0f} effective draws per "
        f"second of CPU, {cpu:.1f} x PyMC-Marketing's {ess / theirs['cpu']:.1f} (nutpie, and {theirs['sampler']} "
        f"there; {wall:.1f} x by wall time); log-likelihoods equal, posterior means within .3 sd"
    )


def values(python: Path, folder: Path) -> str:
    """Revenue of 36 months at 10 % a year, orders of $40."""
    months, yearly = 36, 0.1
    monthly = (1 + yearly) ** (1 / 12) - 1
    fitted, people = made_up.fitted_models(made_up.DRAWS), made_up.customers(made_up.CUSTOMERS)
    few = replace(people, customers=people.customers.iloc[:FEW_CUSTOMERS])
    draws = {f"draws_{name}": v[:FEW_DRAWS, None] for name, v in fitted.posterior.retention.items()}
    table = table_of(few, folder / "few.npz", future_spend=np.full(FEW_CUSTOMERS, 40.0), **draws)
    theirs = ask(python, "value", table, months, monthly)
    total, before = 0.0, 0.0
    for month in range(1, months + 1):
        now = quantities.reduce_draws("expected_orders", fitted, few, draws=FEW_DRAWS, horizon_months=month)["total"]
        total, before = total + (now.to_numpy() - before) * 40 / (1 + monthly) ** month, now.to_numpy()
    np.testing.assert_allclose(total, theirs["total"], rtol=1e-6)
    found = json.loads(
        subprocess.run([sys.executable, made_up.__file__, "1"], check=True, capture_output=True, text=True).stdout
    )
    cells = made_up.CUSTOMERS * made_up.DRAWS / (FEW_CUSTOMERS * FEW_DRAWS)
    return (
        f"value of {made_up.CUSTOMERS:,} customers x {made_up.DRAWS:,} draws over {months} months: "
        f"{found['cpu']:.1f} s of CPU, peak memory {found['memory']:.2f} GB; "
        f"{theirs['cpu'] * cells / found['cpu']:.0f} x less CPU time than customer_lifetime_value "
        f"({theirs['cpu']:.1f} s for {FEW_CUSTOMERS:,} x {FEW_DRAWS}, times {cells:,.0f}); equal when discounted at "
        "month ends"
    )


def main() -> str:
    python = peer_python()
    if python is None:
        return "PyMC-Marketing: skipped, no environment of its own (make peer, or CLVSIM_PEER=its python)"
    lines: tuple[Callable[[Path, Path], str], ...] = (values, master, a_million)
    with tempfile.TemporaryDirectory(prefix="clvsim-peer-") as name:
        return "\n".join(line(python, Path(name)) for line in lines)


if __name__ == "__main__":
    print(main())
