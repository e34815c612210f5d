"""`clvsim score`: past forecasts against what has come since."""

import textwrap
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from clvsim import archive
from clvsim.config import RunConfig
from clvsim.errors import ConfigError, Problem
from clvsim.runfolder import RunContext, writing
from clvsim.schema import Frozen
from clvsim.stages.steps import output_folder, utc_now

if TYPE_CHECKING:
    from clvsim.data.later import Later
    from clvsim.data.log import TransactionLog
    from clvsim.scoring import Forecast, Scored

    type Named = tuple[RunConfig, Forecast]

MOST_RUNS = 200


class Settings(Frozen):
    """`runs`: folders of finished runs."""

    runs: Annotated[tuple[str, ...], Field(max_length=MOST_RUNS)] = ()


def score(config: RunConfig, ctx: RunContext) -> int:
    """Score each run's baseline by month on the log that is given, print how it fared, write score.csv and score.json.

    Raises ConfigError with every problem of the runs, and where nothing has come due.
    """
    from clvsim import scoring
    from clvsim.data.later import read_log
    from clvsim.files import file_name, write_csv
    from clvsim.provenance import file_names, provenance, with_file_names
    from clvsim.report import track_record as words

    with ctx.progress("Reading the runs"):
        forecasts = read_forecasts(ctx.settings.runs, config.finance.currency)
    with ctx.progress("Reading the log"):
        log = read_log(config.data)
    with ctx.progress("Scoring"):
        scored, remarks = score_all(forecasts, log)
    if log.guessed:
        ctx.note("columns guessed: " + ", ".join(f"data.{key}='{name}'" for key, name in log.guessed))
    for remark in remarks:
        ctx.note(remark)
    currency = next((one.currency for _, one in forecasts if one.currency), config.finance.currency)
    record = scoring.track_record(scored, log.last_date, currency)
    folder = output_folder(ctx)
    content = {
        "created": utc_now(),
        "record": record,
        "forecasts": [
            {
                "run": file_name(one.forecast.name),
                "today": one.forecast.today,
                **{name: getattr(one.later, name) for name in ("known", "missing", "moved", "unlisted")},
                "months_before": one.later.months_before,
                "months": one.months,
                "sums": one.sums,
            }
            for one in scored
        ],
    }
    with writing(ctx.final):
        write_csv(scoring.table(scored), folder / scoring.SCORES)
        archive.write_json(content, folder / scoring.RECORD)
        about = {
            "command": file_names(ctx.command),
            "config": with_file_names(config.as_json()),
            "data": {"sha256": log.data_hash, "last_date": log.last_date},
        }
        archive.write_record({**about, **provenance()}, folder)
    ctx.say(words.sentence(record))
    ctx.say(f"\n{words.text(record)}\n")
    for note in words.notes(record):
        ctx.say(textwrap.fill(note, 100))
    ctx.say(f"\nScores: {ctx.final / scoring.SCORES}")
    ctx.say(f"Next:   clvsim run … report.track_record={ctx.final}")
    return 0


def read_forecasts(runs: Sequence[str], currency: str) -> "list[Named]":
    """(configuration, forecast) of each run. Raises ConfigError with all that is wrong with them."""
    from clvsim.config import validate
    from clvsim.recorded import read_record
    from clvsim.scoring import read_forecast

    if not runs:
        raise ConfigError([("runs", "which runs? clvsim score outputs/run/DATE/TIME orders.csv")])
    found, problems, seen = [], [], {}
    for name in runs:
        folder = Path(name)
        try:
            forecast = read_forecast(folder)
            record = read_record(folder, "runs")
            config = validate(record["config"])
        except ConfigError as error:
            problems += error.problems
            continue
        identity = record["parts"].get(archive.LEDGER)
        if identity in seen:
            problems.append(Problem("runs", f"{name} is the same run as {seen[identity]}; name each run once"))
        seen.setdefault(identity, name)
        if why := incomparable(config):
            problems.append(Problem("runs", f"{name}: {why}"))
        found.append((config, forecast))
    problems += currency_problems([forecast for _, forecast in found], currency)
    if problems:
        raise ConfigError(problems)
    return found


def incomparable(config: RunConfig) -> str:
    """Why the months of a run cannot be compared with a log's, "" where they can."""
    if config.stated:
        return "its customers are stated, so no log has them"
    if config.retention.periods:
        return (
            f"its model ({config.retention.kind}) has at most one order a period, dated at the period's end; its "
            "months are not those of the log"
        )
    return ""


def currency_problems(forecasts: "Sequence[Forecast]", currency: str) -> list[Problem]:
    """A problem where runs are in several currencies, or in another than the one that is typed."""
    by_name = {forecast.name: forecast.currency for forecast in forecasts if forecast.currency}
    problems = []
    if currency:
        problems = [
            Problem("finance.currency", f"{name} is in {own}, and {currency} was typed")
            for name, own in by_name.items()
            if own != currency
        ]
    elif len({*by_name.values()}) > 1:
        told = ", ".join(f"{name} in {own}" for name, own in by_name.items())
        problems = [Problem("runs", f"have several currencies, which one log does not have: {told}")]
    return problems


def score_all(forecasts: "Sequence[Named]", log: "TransactionLog") -> "tuple[list[Scored], list[str]]":
    """Scores of the forecasts of which a month has come due, and remarks on the rest and on who is not in the log.

    Raises ConfigError for forecasts of another log, and where nothing has come due.
    """
    from clvsim.data.later import later_orders, month_ends
    from clvsim.data.trials import without_trials
    from clvsim.scoring import score as scores_of

    scored, remarks, waiting, problems = [], [], [], []
    for config, forecast in forecasts:
        name, today, until = forecast.name, forecast.today, log.last_date
        if until <= today:
            what = f"the log ends on {until}, and the today of {name} is {today}: a log that goes on is needed"
            problems.append(Problem("data", what))
            continue
        if log.first_date > today:
            what = f"the log begins on {log.first_date}, after the today of {name} ({today}): it must reach back"
            problems.append(Problem("data", what))
            continue
        interval = config.retention.interval_days
        ends = month_ends(today, forecast.months, interval)
        due = int((ends <= (until - today).days).sum())
        own = without_trials(log) if interval else log
        later = later_orders(own, forecast.ids, today, ends[: max(due, 1)])
        if forecast.ids.size and not later.known:
            what = (
                f"none of the {forecast.ids.size:,} customers of {name} has an order up to {today} in this log: "
                "is it of another shop, or are its ids written otherwise?"
            )
            problems.append(Problem("data.customer_id", what))
        elif not due:
            first = today + timedelta(days=int(ends[0]))
            waiting.append(f"{name} has not come due: its first month ends on {first}, the log on {until}")
        else:
            scored.append(scores_of(forecast, later, due))
            remarks += _about_customers(name, later)
    if problems:
        raise ConfigError(problems)
    if not scored:
        raise ConfigError([("runs", what) for what in waiting])
    return scored, [*waiting, *remarks]


def _about_customers(name: str, later: "Later") -> list[str]:
    remarks = []
    if later.moved:
        what = f"{later.moved:,} customers of {name} have their first order after its today in this log"
        remarks.append(f"{what}: they count neither as known nor as new")
    if later.unlisted:
        what = f"{later.unlisted:,} customers with orders up to the today of {name} were not in the run"
        remarks.append(f"{what}: their orders are left out")
    return remarks
