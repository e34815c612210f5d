"""The data of a run on a table in a database: few statements, whose answers become what a log's orders would."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np

from clvsim import clock
from clvsim.anniversaries import day_number
from clvsim.data.checks import check_line, quality_of_counts
from clvsim.data.columns import choose_columns
from clvsim.data.config import DataConfig, SqlConfig
from clvsim.data.cut import planned_cut, too_few
from clvsim.data.days import silences
from clvsim.data.log import LeftOut, LogFacts, LogHead
from clvsim.data.looks import in_short
from clvsim.data.material import HeldBack, Material, marked
from clvsim.data.read import require_customers, today_and_end
from clvsim.data.remarks import Signs
from clvsim.data.sql import statements
from clvsim.data.sql.addresses import address_of
from clvsim.data.sql.answers import (
    Counted,
    Orders,
    day_of,
    days_of,
    facts_of,
    require_usable,
    summary_of,
    weekly_of,
    with_days,
)
from clvsim.data.sql.libraries import Reader, reading
from clvsim.data.sql.statements import LAG_LOG, SPREAD, THEN, AsOf, Source
from clvsim.data.trend import SHORTEST_DAYS, STEEPEST
from clvsim.data.yearly import season_of
from clvsim.errors import ConfigError, Problem
from clvsim.types import PARTS, CustomerSummary, QualityLine

BY_PERIOD = (
    "models of periods and of contracts need the days of each customer's orders, which stay in the database; choose "
    "another retention, or export the orders: data=csv"
)
_CAST = "is neither in this table; convert it in a view (CAST), data.table=VIEW"


def material_of_table(
    config: SqlConfig, *, by_period: bool = False, brief: bool = False, levels: bool = True
) -> Material:
    """The data of a run on `config.table`; `by_period`: whether the model merges orders by period, which is refused;
    `levels`: with amounts at today's level.

    Raises ConfigError for what is wrong with the keys, the address or the columns, DataError for a table that is no log
    or cannot be read.
    """
    if by_period:
        raise ConfigError([("retention", BY_PERIOD)])
    if not config.table or not statements.parts_of(config.table):
        raise ConfigError([("data.table", "which table or view holds the orders? Type data.table=orders")])
    with reading(address_of(config)) as reader:
        return _material(config, config.table, reader, brief=brief, levels=levels and not brief)


def _material(config: SqlConfig, table: str, reader: Reader, *, brief: bool, levels: bool) -> Material:
    keys = DataConfig(
        customer_id=config.customer_id,
        date=config.date,
        amount=config.amount,
        segment="",
        channel="",
        today=config.today,
        calibration_end=config.calibration_end,
        customers_since=config.customers_since,
        time_unit=config.time_unit,
    )
    kinds = reader.columns(statements.parts_of(table))
    chosen = choose_columns(list(kinds), keys, table)
    source = _source(table, chosen.used, kinds, reader.dialect)
    guessed = tuple((key, chosen.used[key]) for key in chosen.guessed)
    now = clock.today()
    until = day_number(keys.today) if isinstance(keys.today, date) else None
    counts = reader.row("counts", statements.counts(source, day_number(now), until))
    require_usable(counts, table, now)
    source = source._replace(checked=True)
    first, last = (day_of(counts[name]) for name in ("first_day", "last_day"))
    today, _ = today_and_end(keys, first, last, max(now, last))
    since = day_number(config.customers_since) if config.customers_since else None
    as_of = AsOf(day_number(today), day_number(today), bool(counts["negative"]), since)
    facts = _facts(reader, source, counts, as_of, kinds[source.date] == "zoned")
    if since is not None:
        earlier = reader.row("left_out", statements.left_out(source, as_of))
        facts = facts._replace(left_out=LeftOut(int(earlier["customers"] or 0), int(earlier["orders"] or 0)))
        first = day_of(earlier["first_day"]) if facts.left_out.customers and earlier["first_day"] is not None else first
    log = LogHead(table, keys, tuple(chosen.used.items()), guessed, today, first, today, facts)
    return _counted(log, source, as_of, reader, brief=brief, levels=levels)


def _source(table: str, used: dict[str, str], kinds: dict[str, str], dialect: str) -> Source:
    """Raises ConfigError for columns of types that are no date and no number. In SQLite each value has its own."""
    problems = []
    if "amount_2" in used:
        problems.append(Problem("data.amount", "is one column; a view multiplies: data.table=VIEW"))
    elif dialect != "sqlite":
        wanted = {
            "date": ("a date or a time", {"date", "time", "zoned"}),
            "amount": ("a number", {"whole", "number", "real"}),
        }
        problems = [
            Problem(f"data.{key}", f"{used[key]!r} must be {what}, and {_CAST}")
            for key, (what, fitting) in wanted.items()
            if kinds[used[key]] not in fitting
        ]
    if problems:
        raise ConfigError(problems)
    return Source(
        statements.parts_of(table), used["customer_id"], used["date"], used["amount"], dialect, kinds[used["amount"]]
    )


def _facts(reader: Reader, source: Source, counts: dict[str, Any], as_of: AsOf, zoned: bool) -> LogFacts:
    refunded = reader.row("refunds", statements.refunded(source, as_of._replace(since=None))) if as_of.refunds else {}
    facts = facts_of(counts, refunded, source.way.scale, day_of(as_of.today))
    days = "days are those of UTC; " if zoned else ""
    note = (
        f"{days}ids are taken as they are: spellings of one customer and guests are not looked for. Not told from "
        "counts: how regular gaps are, orders once a year, few prices, renewed ids, an id with too many rows, sales so "
        "far, returning by age"
    )
    line = QualityLine("database", "Counted in the database", f"{source.dialect}, one row per customer is read", note)
    return facts._replace(readings=(line,))


def _counted(log: LogHead, source: Source, as_of: AsOf, reader: Reader, *, brief: bool, levels: bool) -> Material:
    """The answers to the statements on customers and days, up to today and up to the check's cut, which are asked
    together: no customer travels twice."""
    cut = planned_cut(log)
    at = day_number(cut) if isinstance(cut, date) else as_of.today
    needed = isinstance(cut, date) and (not brief or as_of.refunds)
    as_ofs = [as_of, as_of._replace(today=at)][: 1 + needed]
    slopes = _slopes(reader, source, as_ofs, log) if levels else ()
    (by_day, repeated), people = reader.together(
        lambda one: (
            _columns(one, "days", statements.days(source, as_ofs, at), in_order=True),
            one.row("duplicates", statements.duplicates(source))["duplicates"],
        ),
        lambda other: _people(other, source, as_ofs, slopes, log),
    )
    log = replace(log, facts=log.facts._replace(duplicate_rows=int(repeated or 0)))
    orders = _orders(by_day, "")
    if isinstance(cut, date) and not log.config.calibration_end:
        cut = too_few(cut, orders.until(at), orders.known_after(at)) or cut
    known = _known(people, orders, "")
    require_customers(known.ids.size, log.label, log.today, log.config.customers_since)
    log = replace(log, facts=with_days(log.facts, int(known.columns["frequency"].sum()) + known.ids.size))
    summary = _summary(log, known, whole=not brief)
    days = days_of(summary, known)
    upset = bool(silences(days))
    check, held_back = None, 0
    if isinstance(cut, date) and not needed:
        held_back = orders.known_after(at)
    elif isinstance(cut, date):
        before = _known(people, _orders(by_day, THEN), THEN)
        require_customers(before.ids.size, log.label, cut, log.config.customers_since)
        earlier = _summary(replace(log, today=cut), before, whole=not brief)
        weekly = weekly_of(before, replace(log, today=cut))
        check = HeldBack(marked(earlier, upset), weekly, log.config.calibration_end is None)
        held_back = int(earlier.customers["holdout_frequency"].sum())
    summary = marked(summary, upset)
    return Material(
        summary,
        (*quality_of_counts(log, summary, days), check_line(log, cut, held_back)),
        None if brief else weekly_of(known, log),
        check,
        unchecked=cut if isinstance(cut, str) else "",
        guessed=log.guessed,
        signs=Signs(None, season_of(days, log.first_date)),
        short=in_short(log, summary),
    )


def _orders(by_day: dict[str, np.ndarray], suffix: str) -> Orders:
    """Repeat orders by day, as of one of the days that were asked for."""
    some = by_day[f"orders{suffix}"] > 0
    whole = {name: values[some].astype(np.int64) for name, values in by_day.items()}
    parts = np.stack([whole[f"part_{number}{suffix}"] for number in range(PARTS)], axis=1)
    return Orders(whole["day"], whole[f"orders{suffix}"], whole["known"], parts)


def _people(
    reader: Reader, source: Source, as_ofs: Sequence[AsOf], slopes: Sequence[float | None], log: LogHead
) -> dict[str, np.ndarray]:
    """A row per customer who is known as of any of the days, with the columns of each."""
    growth = max((abs(slope or 0.0) for slope in slopes), default=0.0) * (log.last_date - log.first_date).days
    largest = float(log.facts.revenue) * math.exp(growth)  # of one order at another day's level
    unit = 10 ** max(0, min(8, 18 - math.ceil(math.log10(max(largest, 1.0)))))
    return _columns(reader, "customers", statements.customers(source, as_ofs, slopes, unit), in_order=True)


def _known(people: dict[str, np.ndarray], orders: Orders, suffix: str) -> Counted:
    """Those who are known as of one of the days, and the columns of that day."""
    known = ~np.isnan(people[f"age{suffix}"])
    names = [name for name in people if name != "customer_id" and name.endswith(THEN) == bool(suffix)]
    columns = {name.removesuffix(THEN): people[name] if known.all() else people[name][known] for name in names}
    levels = columns.pop("repeat_amount_today", None)
    return Counted(people["customer_id"][known], columns, orders, levels)


def _columns(reader: Reader, name: str, text: str, *, in_order: bool = False) -> dict[str, np.ndarray]:
    """A statement's answer by column: ids as text, all else as numbers, NULL as nan."""
    names, batches = reader.rows(name, text, in_order=in_order)
    parts: dict[str, list[np.ndarray]] = {column: [] for column in names}
    for batch in batches:
        for column, values in zip(names, zip(*batch, strict=True), strict=True):
            parts[column].append(np.array(values, object if column == "customer_id" else np.float64))
    return {column: np.concatenate(some) if some else np.zeros(0) for column, some in parts.items()}


def _slopes(reader: Reader, source: Source, as_ofs: Sequence[AsOf], log: LogHead) -> list[float | None]:
    """Slopes of log amounts a day as of each day, None where amounts are not brought to its level.

    They are asked for before customers, whose amounts at the day's level come with them.
    """
    found = reader.row("trend", statements.trend(source, as_ofs), in_order=True)
    slopes: list[float | None] = []
    for as_of, suffix in zip(as_ofs, ("", THEN), strict=False):
        days = as_of.today - day_number(log.first_date)
        spread = float(found[f"spread{suffix}"] or 0) / SPREAD
        together = float(found[f"together{suffix}"] or 0) / LAG_LOG
        slope = together / spread if spread > 0 else math.nan
        usable = days >= SHORTEST_DAYS and abs(slope) * days <= STEEPEST
        slopes.append(slope if usable else None)
    return slopes


def _summary(log: LogHead, known: Counted, *, whole: bool) -> CustomerSummary:
    """The summary as of a day; `whole`: with its hash, and amounts at today's level where there is a trend."""
    summary = summary_of(log, known, hashed=whole)
    if not whole or summary.trend is None or summary.trend.problem or known.levels is None:
        return summary
    return replace(summary, customers=summary.customers.assign(repeat_amount_today=known.levels))
