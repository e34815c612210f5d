"""`python benchmarks/holdouts.py FOLDER [words]`: `validate` and `run` over every log of a folder, as one table.

Beside each log lies a small YAML, and a log is what has one. NAME.yaml:

    path: orders.csv                 # beside it; default NAME.csv
    columns: {customer_id: client, date: day, amount: total}   # default: guessed, as by the shell
    holdout: 2024-06-30              # the last day that the models are fitted to; what came later checks them
    compare: [bg_nbd, pareto_nbd]    # single models beside the run's own; default bg_nbd, mbg_nbd, pareto_nbd
    words: [data.decimal=","]        # whatever else the shell takes

Words after the folder go to both stages of every log. Where PyMC-Marketing is installed (`make peer`), its BG/NBD and
Gamma-Gamma stand beside the single models.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import peer
import yaml

from clvsim import archive
from clvsim.data import DataConfig, read_transactions, summarize
from clvsim.simulation.tracking import position_among
from clvsim.types import CustomerSummary
from clvsim.validation import scores
from clvsim.validation.result import Prediction

KEYS = ("path", "columns", "holdout", "compare", "words")
MODELS = ("bg_nbd", "mbg_nbd", "pareto_nbd")
TRUSTED, WORLDS = "*", 400
HEAD = ("log", "who", "weight", "orders", "place", "90 %", "width", "PIT", "CRPS", "Gini")
MONEY_HEAD = ("revenue", "place", "90 %", "width", "CRPS", "Gini")


class Log(NamedTuple):
    """One log: its name, the shell's words that read it, its hold-out, the models to set beside each other."""

    name: str
    reading: tuple[str, ...]
    holdout: date
    compare: tuple[str, ...]
    words: tuple[str, ...]


class Line(NamedTuple):
    """One predictor of one log, each figure as text: what of orders, then of revenue."""

    who: str
    orders: tuple[str, ...]
    revenue: tuple[str, ...]


def logs_of(folder: Path) -> list[Log]:
    """The logs of a folder, by name. Raises SystemExit with all that is wrong with their YAML files."""
    logs, problems = [], []
    for file in sorted(folder.glob("*.yaml")):
        asked = yaml.safe_load(file.read_text("utf-8")) or {}
        if unknown := sorted(set(asked) - set(KEYS)):
            problems.append(f"{file}: no such key: {', '.join(unknown)}; there are {', '.join(KEYS)}")
            continue
        path = folder / asked.get("path", f"{file.stem}.csv")
        if not path.is_file():
            problems.append(f"{file}: no such file: {path}")
        if not isinstance(asked.get("holdout"), date):
            problems.append(f"{file}: holdout must be a date, as in 2024-06-30, got {asked.get('holdout')!r}")
        if odd := [key for key, name in asked.get("columns", {}).items() if not isinstance(name, str)]:
            problems.append(
                f"{file}: columns.{odd[0]} must be text, got {asked['columns'][odd[0]]!r}; put it in quotes"
            )
        columns = (f"data.{key}='{name}'" for key, name in asked.get("columns", {}).items())
        words = tuple(map(str, asked.get("words", ())))
        compare = tuple(asked.get("compare", MODELS))
        logs.append(Log(file.stem, (str(path), *columns), asked.get("holdout", date.min), compare, words))
    if not logs and not problems:
        problems = [f"{folder}: no NAME.yaml beside a log"]
    if problems:
        raise SystemExit("\n".join(problems))
    return logs


def stage(name: str, log: Log, out: Path, *words: str) -> tuple[int, float, str]:
    """Exit code, wall seconds and what a stage said. 3 is a model that does not fit: its files are there."""
    command = [sys.executable, "-m", "clvsim.cli", name, *log.reading, f"data.calibration_end={log.holdout}"]
    command += [*log.words, *words, f"out={out}"]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = " ".join(done.stderr.split())
    return done.returncode, time.perf_counter() - start, said[-200:]


def number(value: float | None, digits: int = 3) -> str:
    """Three digits, with thousands; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{places}f}"


def interval(total: Mapping[str, float]) -> tuple[str, ...]:
    """The mean, where the actual total lies among 100 simulated ones, the 90 % interval, its width over the mean."""
    width = (total["p95"] - total["p05"]) / total["mean"] if total["mean"] else math.nan
    ends = f"[{number(total['p05'])}, {number(total['p95'])}]"
    return number(total["mean"]), f"{100 * total['position']:.0f}", ends, number(width, 2)


def lines_of_validation(record: Mapping[str, Any]) -> Iterator[Line]:
    """What came, then each model and each simple rule; the trusted model has a star."""
    verdict = record["verdict"]
    orders, revenue = verdict["orders"], verdict["revenue"]
    weight = {m["model"]: f"{100 * m['weight']:.0f} %" for m in record["models"]}
    own = next(iter(orders["total"]))
    paid = number(revenue["total"][own]["actual"]) if revenue else "–"
    yield Line("actual", ("", number(orders["total"][own]["actual"])), (paid,))
    for name, total in orders["total"].items():
        score, who = orders["models"][name], name + TRUSTED * (name == verdict["trusted"])
        pit = f"{100 * verdict['pit_central_80'][name]:.0f} %"
        of_orders = weight.get(name, ""), *interval(total), pit, number(score["crps"]), number(score["gini"], 2)
        yield Line(who, of_orders, of_money(revenue, name, "models"))
    for name, score in orders["rules"].items():
        of_orders = *[""] * 6, number(score["crps"]), number(score["gini"], 2)
        yield Line(f"rule: {name}", of_orders, of_money(revenue, name, "rules"))


def of_money(revenue: Mapping[str, Any] | None, name: str, kind: str) -> tuple[str, ...]:
    if revenue is None:
        return ()
    total = revenue["total"].get(name)
    score = revenue[kind][name]
    place = interval(total) if total else ("", "", "", "")
    return (*place, number(score["crps"]), number(score["gini"], 2))


def line_of_run(folder: Path, seconds: float) -> Line:
    """The hold-out as the report of a run has it, and what today's customers are worth."""
    result = archive.read_result(folder)
    table = result.comparison
    value = table[(table["scenario"] == "baseline") & (table["metric"] == "rlv_total")]
    worth = f"worth {number(float(value['mean'].iloc[0]))}" if len(value) else ""
    check = result.tracking.holdout
    if check is None:
        return Line(f"run, {seconds:.0f} s", (), (worth,))
    low, high = check.with_environment
    total = {"mean": check.mean, "p05": low, "p95": high, "position": check.position}
    return Line(f"run, {seconds:.0f} s", ("", *interval(total)), (worth,))


def line_of_peer(python: Path, log: Log, folder: Path) -> Line:
    """PyMC-Marketing's expected orders per draw as Poisson counts, at its mean spend: it has no predictive law."""
    keys = {
        word.partition("=")[0].removeprefix("data."): word.partition("=")[2].strip("'\"") for word in log.reading[1:]
    }
    keys |= {
        key.removeprefix("data."): value.strip("'\"")
        for key, _, value in (word.partition("=") for word in log.words)
        if key.startswith("data.")
    }
    config = DataConfig.model_validate({**keys, "path": log.reading[0], "calibration_end": log.holdout})
    summary = summarize(read_transactions(config=config))
    frame = summary.customers
    paid = frame["repeat_positive"].to_numpy(float)
    mean = np.divide(frame["repeat_amount"].to_numpy(float), paid, out=np.zeros_like(paid), where=paid > 0)
    times = {"x": frame["frequency"], "t_x": frame["recency_days"] / 7, "T": frame["T_days"] / 7}
    np.savez(folder / "table.npz", **times, monetary_value=mean)
    found = peer.ask(python, "holdout", folder / "table.npz", summary.holdout_days / 7, WORLDS, folder / "found.npz")
    with np.load(folder / "found.npz") as arrays:
        return Line(
            f"PyMC-Marketing, {found['seconds']:.0f} s", *peer_figures(arrays["orders"], arrays["spend"], summary)
        )


def peer_figures(expected: np.ndarray, spend: np.ndarray, summary: CustomerSummary) -> tuple[tuple[str, ...], ...]:
    """Figures of expected orders and mean orders, (draw, customer), of orders and of revenue."""
    counts = np.random.default_rng(1).poisson(expected)
    sides = []
    for simulated, mean, column in (
        (counts, expected.mean(axis=0), "holdout_frequency"),
        (counts * spend, (expected * spend).mean(axis=0), "holdout_amount"),
    ):
        actual, totals = summary.customers[column].to_numpy(float), simulated.sum(axis=1)
        low, high = np.quantile(totals, [0.05, 0.95])
        position = position_among(totals, actual.sum())
        total = {"mean": float(totals.mean()), "p05": float(low), "p95": float(high), "position": position}
        (score,) = scores.ranked({"peer": Prediction(mean, scores.crps_of_draws(simulated, actual))}, actual)
        sides.append((total, number(score.crps), number(score.gini, 2)))
    (orders, *of_orders), (revenue, *of_revenue) = sides
    pit = scores.randomised_pit(
        counts, summary.customers["holdout_frequency"].to_numpy(), np.full(counts.shape[1], 0.5)
    )
    central = f"{100 * ((pit >= 0.1) & (pit <= 0.9)).mean():.0f} %"
    return ("", *interval(orders), central, *of_orders), (*interval(revenue), *of_revenue)


def lines_of(log: Log, folder: Path, words: Sequence[str]) -> Iterator[Line]:
    """All predictors of one log; what failed says so in its line."""
    compare = f"fit.compare=[{','.join(log.compare)}]"
    code, seconds, said = stage("validate", log, folder / "validate", compare, *words)
    if code in (0, 3) and (folder / "validate" / "run.json").exists():
        yield from lines_of_validation(json.loads((folder / "validate" / "run.json").read_text("utf-8")))
    else:
        yield Line(f"validate ended with {code}: {said}", (), ())
    code, seconds, said = stage("run", log, folder / "run", "scenarios=[]", *words)
    yield line_of_run(folder / "run", seconds) if code == 0 else Line(f"run ended with {code}: {said}", (), ())
    if python := peer.peer_python():
        yield line_of_peer(python, log, folder)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as a table of Markdown, the first one its head; short rows are filled up."""
    wide = max(map(len, rows))
    full = [[*row, *[""] * (wide - len(row))] for row in rows]
    widths = [max(len(row[k]) for row in full) for k in range(wide)]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in full]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]])


def main(folder: Path, words: Sequence[str] = ()) -> str:
    """The table of all logs of a folder."""
    rows: list[tuple[str, ...]] = [(*HEAD, *MONEY_HEAD)]
    with tempfile.TemporaryDirectory(prefix="clvsim-holdouts-") as name:
        for log in logs_of(folder):
            out = Path(name) / log.name
            out.mkdir()
            for number_of_line, line in enumerate(lines_of(log, out, words)):
                orders = [*line.orders, *[""] * (len(HEAD) - 2 - len(line.orders))]
                rows.append((log.name if not number_of_line else "", line.who, *orders, *line.revenue))
    left_out = "" if peer.peer_python() else "\n\nPyMC-Marketing is not installed (make peer): left out."
    return (
        f"{table(rows)}\n\n{TRUSTED} trusted by the hold-out. Place: where what came lies among 100 simulated futures, "
        f"from the lowest. Width: of the 90 % interval, over the mean. Weight: stacking, on the past.{left_out}"
    )


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description="validate and run over every log of a folder")
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("words", nargs="*", help="for both stages of every log, as in fit.method=laplace")
    given = arguments.parse_args()
    print(main(given.folder, given.words))
