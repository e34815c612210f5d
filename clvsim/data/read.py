"""`read_transactions`: from a file, a glob or a data frame to checked orders in DuckDB."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import numpy as np

from clvsim.data import refunds
from clvsim.data.columns import FILTERS
from clvsim.data.config import DataConfig
from clvsim.data.database import connect, identifier
from clvsim.data.dates import require_formats
from clvsim.data.entries import merge_days
from clvsim.data.identity import fold_ids, guests
from clvsim.data.log import Finding, LeftOut, LogFacts, Refunds, TransactionLog
from clvsim.data.parse import Rules, choose_rules, examples, find_bad_rows, future_dates
from clvsim.data.quoting import counted
from clvsim.data.raw import BUNDLED, Loaded, covariate_keys, load
from clvsim.data.rows import Selected, select_rows
from clvsim.data.scan import Source
from clvsim.errors import ConfigError, DataError, Problem

_FINGERPRINTS = 10_000_000  # that are sorted at once


def read_transactions(
    source: Source | None = None,
    config: DataConfig | None = None,
    *,
    today_date: date | None = None,
) -> TransactionLog:
    """Read a transaction log; all its problems are reported at once.

    Parameters
    ----------
    source
        A CSV or Parquet file, a workbook, an object in a store (`s3://bucket/key`), a glob, a list of them, or a data
        frame: of pandas, of Polars, or what gives a stream of Arrow's. None: what `config` says (its `path`, or the
        bundled sample).
    config
        How to read it; by default columns are guessed, and signs of amounts and the form of dates are found.
    today_date
        Dates after this day are an error. None: the current date.

    Returns
    -------
    TransactionLog
        One order per customer and day, net of refunds. It does not depend on row order, file format or threads.

    Raises
    ------
    ConfigError
        A missing file or column, a `date_format` or `time_zone` that does not exist, a `calibration_end` or
        `customers_since` outside the log.
    DataError
        An empty log; unreadable values in more than `max_bad_share` of the rows; day and month, or thousands and
        decimals, that cannot be told apart; dates in the future; several currencies; ids that a spreadsheet has
        rounded; many rows of guests under one id, with which `guests` does not say what to do; refunds under
        `refunds=error`; fewer than two customers up to today.

    Notes
    -----
    Amounts are rounded to four decimals. Ids are text; spellings of one id become one (`clvsim.data.identity`).

    Examples
    --------
    >>> import pandas as pd
    >>> import clvsim
    >>> orders = pd.DataFrame(
    ...     {
    ...         "customer_id": ["a", "a", "b", "b"],
    ...         "date": ["2024-01-01", "2024-02-11", "2024-01-03", "2024-01-03"],
    ...         "amount": [10.0, 12.5, 20.0, 4.0],
    ...     }
    ... )
    >>> log = clvsim.read_transactions(orders)
    >>> str(log.today), log.facts.order_rows, log.facts.same_day_merged
    ('2024-02-11', 4, 1)
    """
    config = config or DataConfig()
    con = connect()
    require_formats(con, config)
    loaded = load(con, _source(config) if source is None else source, config)
    rows = con.execute("SELECT count(*) FROM raw").fetchall()[0][0] + loaded.broken_rows
    if rows == 0:
        raise DataError([(loaded.label, "no rows below the header" if any(loaded.header_rows) else "no rows")])
    typed, config = config, loaded.config
    selected = select_rows(con, loaded, typed)
    _require_a_sale(loaded, selected, rows)
    folded, unclear_ids = fold_ids(con, config)
    rules, problems = choose_rules(con, loaded, config, today_date)
    placeholders, unclear_guests = guests(con, loaded, config, rules)
    read_as = (*loaded.readings, *selected.readings, *rules.readings, *folded, *placeholders)
    loaded = loaded._replace(readings=read_as)
    config = config.model_copy(update={"decimal": rules.amounts.decimal})
    findings = find_bad_rows(con, loaded, rules, config)
    unusable = _count_unusable(con, rules) + loaded.broken_rows
    if not problems:  # days can be compared
        problems = future_dates(con, loaded, rules, today_date or date.today())
    problems = [*_over_limit(findings, rows, unusable, config), *unclear_ids, *unclear_guests, *problems]
    problems += _require_an_order(con, loaded, rules)
    if config.refunds == "error":
        problems += _refund_problems(con, loaded, rules)
    if problems:
        raise DataError(problems)
    return _build_log(con, loaded, config, rules, findings, rows, unusable, today_date or date.today())


def _source(config: DataConfig) -> str | Path | Sequence[str]:
    if config.kind == "bundled":
        name = config.path if config.path and isinstance(config.path, str) else "cdnow_sample"
        if name not in BUNDLED:
            what = f"no bundled log is called {name!r} ({', '.join(BUNDLED)}); type data=csv for a file of your own"
            raise ConfigError([("data.path", what)])
        return BUNDLED[name]
    if not config.path:
        raise ConfigError([("data.path", "no file given; type data.path=orders.csv")])
    return config.path


def _require_a_sale(loaded: Loaded, selected: Selected, rows: int) -> None:
    """Raises DataError where `data.only`, `data.without` and `data.failed` leave no row."""
    if not selected.left_out or selected.left_out < rows - loaded.broken_rows:
        return
    problems = []
    for line in selected.readings:
        if (key := line.key.split("_")[0]) in FILTERS:
            what = f"no row is left: {line.value} of {rows:,} rows are left out by {line.note}"
            problems.append((f"data.{key}", what))
    raise DataError(problems)


def _usable(rules: Rules) -> str:
    read = f"customer_id IS NOT NULL AND ({rules.day}) IS NOT NULL AND ({rules.amount}) IS NOT NULL"
    return f"{read} AND (refunded IS NULL OR ({rules.refunded}) IS NOT NULL)" if rules.refunded else read


def _count_unusable(con: duckdb.DuckDBPyConnection, rules: Rules) -> int:
    return con.execute(f"SELECT count(*) FROM raw WHERE NOT ({_usable(rules)})").fetchall()[0][0]


def _over_limit(findings: tuple[Finding, ...], rows: int, unusable: int, config: DataConfig) -> list[Problem]:
    if unusable <= config.max_bad_share * rows:
        return []
    limit = Problem(
        "data.max_bad_share",
        f"{unusable:,} of {rows:,} rows ({unusable / rows:.2%}) cannot be read, allowed: {config.max_bad_share:.2%}; "
        "repair the file or raise the limit to leave them out",
    )
    return [*(Problem(f.where, f.sentence(rows)) for f in findings), limit]


def _require_an_order(con: duckdb.DuckDBPyConnection, loaded: Loaded, rules: Rules) -> list[Problem]:
    """Problem of amounts that are all below zero."""
    orders, below = con.execute(
        f"SELECT count(*) FILTER (({rules.amount}) >= 0), count(*) FILTER (({rules.amount}) < 0) FROM raw"
    ).fetchall()[0]
    if orders or not below:
        return []
    some = examples(con, loaded, "amount", f"({rules.amount}) < 0")
    what = f"all {below:,} amounts are below zero, e.g. {some}, and count as refunds: is there another column of sales?"
    return [Problem("data.amount", f"{what} Type data.amount=COLUMN, or turn the sign in the file")]


def _refund_problems(con: duckdb.DuckDBPyConnection, loaded: Loaded, rules: Rules) -> list[Problem]:
    negative = f"({rules.amount}) < 0"
    count = con.execute(f"SELECT count(*) FROM raw WHERE {negative}").fetchall()[0][0]
    if not count:
        return []
    quoted_rows = examples(con, loaded, "amount", negative)
    return [
        Problem(
            "data.refunds",
            f"{counted(count, 'row is a refund', 'rows are refunds')} (negative amounts), e.g. {quoted_rows}; "
            "type data.refunds=net or data.refunds=drop",
        )
    ]


def _build_log(
    con: duckdb.DuckDBPyConnection,
    loaded: Loaded,
    config: DataConfig,
    rules: Rules,
    findings: tuple[Finding, ...],
    rows: int,
    unusable: int,
    now: date,
) -> TransactionLog:
    """Keep the checked rows as the table `entries`, collect the facts about them, and make the orders of them.

    Customers are numbered by the order of their ids: numbers are what everything later groups and sorts by.
    """
    number = ("order_id",) if "order_id" in dict(loaded.extra) else ()
    columns = f"customer, ({rules.day}) AS day, {{}} AS amount{_column_list((*_labels(loaded.columns), *number))}"
    usable = f"FROM raw JOIN customers USING (customer_id) WHERE {_usable(rules)}"
    entries = f"SELECT {columns.format(f'({rules.amount})')} {usable}"
    if rules.refunded:
        entries += f" UNION ALL SELECT {columns.format(f'-({rules.refunded})')} {usable} "
        entries += f"AND ({rules.refunded}) > 0 AND ({rules.amount}) >= 0"
    ids = f"SELECT DISTINCT customer_id FROM raw WHERE {_usable(rules)}"
    if not unusable and config.guests in (None, "keep"):
        ids = "SELECT id AS customer_id FROM ids"  # which are those of all rows
    con.execute(
        "CREATE TABLE customers AS SELECT (row_number() OVER (ORDER BY customer_id) - 1)::INTEGER AS customer, * "
        f"FROM ({ids})"
    )
    duplicates = _count_duplicates(con, rows)
    con.execute("ALTER TABLE raw DROP COLUMN fingerprint; ALTER TABLE raw DROP COLUMN row")  # room for the sort
    # Sorted, since what is near each other is grouped faster, whatever is asked. By amounts too, which spares the sort
    # to fetch them for each row.
    con.execute(f"CREATE TABLE entries AS SELECT * FROM ({entries}) ORDER BY customer, day, amount")
    con.execute("DROP TABLE raw; DROP TABLE ids")
    first, last = con.execute("SELECT min(day), max(day) FROM entries").fetchall()[0]
    if first is None:
        raise DataError([(loaded.label, f"none of the {rows:,} rows can be used")])
    end, calibration_end = today_and_end(config, first, last, now)
    left_out = con.execute(f"DELETE FROM entries WHERE day > DATE '{end}'").fetchall()[0][0]
    order_rows, revenue, zeros, refunded, total, smallest, largest = con.execute(
        """
        SELECT count(*) FILTER (amount >= 0), coalesce(sum(amount) FILTER (amount >= 0), 0),
            count(*) FILTER (amount = 0),
            count(*) FILTER (amount < 0), coalesce(-sum(amount) FILTER (amount < 0), 0),
            min(amount) FILTER (amount > 0)::DOUBLE, max(amount) FILTER (amount > 0)::DOUBLE
        FROM entries
        """
    ).fetchall()[0]
    merge_days(con)
    order_days = con.execute("SELECT count(*) FROM days WHERE orders > 0").fetchall()[0][0]
    orders = _count_numbered(con) if number else order_rows
    facts = LogFacts(
        rows=rows,
        unusable_rows=unusable,
        findings=findings,
        order_rows=order_rows,
        sales=orders,
        revenue=revenue,
        same_day_merged=orders - order_days,
        duplicate_rows=duplicates,
        zero_rows=zeros,
        smallest_amount=float("nan") if smallest is None else smallest,
        largest_amount=float("nan") if largest is None else largest,
        date_reading=rules.date_reading,
        last_row=min(last, end),
        readings=loaded.readings,
        refunds=Refunds(refunded, total),
        rows_after_today=left_out,
    )
    log = TransactionLog(loaded.label, config, loaded.columns, loaded.guessed, end, first, end, facts, con)
    return as_of(log, calibration_end or end)


def _count_duplicates(con: duckdb.DuckDBPyConnection, rows: int) -> int:
    """Rows of `raw` that repeat another one: of fingerprints in ranges, so that memory is bounded."""
    bits = (rows // _FINGERPRINTS).bit_length()
    duplicates = 0
    for part in range(2**bits):
        where = f"WHERE fingerprint >> {64 - bits} = {part}" if bits else ""
        some = np.asarray(con.execute(f"SELECT fingerprint FROM raw {where}").fetchnumpy()["fingerprint"], np.uint64)
        some.sort()
        duplicates += int((some[1:] == some[:-1]).sum())
    return duplicates


def _count_numbered(con: duckdb.DuckDBPyConnection) -> int:
    """Orders of `entries`, of which rows of one number on a customer's day are one. The number is then dropped."""
    orders = con.execute(
        "SELECT count(*) FILTER (order_id IS NULL) + count(DISTINCT (customer, day, order_id)) "
        "FILTER (order_id IS NOT NULL) FROM entries WHERE amount >= 0"
    ).fetchall()[0][0]
    con.execute("ALTER TABLE entries DROP COLUMN order_id")
    return orders


def today_and_end(config: DataConfig, first: date, last: date, now: date) -> tuple[date, date | None]:
    """Today, and the end of the check's training where it is given, of a log with orders from `first` to `last`.

    Raises ConfigError for a today that leaves nothing of the log or is still to come, and an end outside of it.
    """
    today, problems = config.today or last, []
    if config.today and today <= first:
        left = "no day after the first" if today == first else "nothing"
        problems.append(("data.today", f"{today} leaves {left} of the log, which runs from {first} to {last}"))
    if today > max(now, last):
        problems.append(("data.today", f"{today} is still to come"))
    end = config.calibration_end if isinstance(config.calibration_end, date) else None
    if end and not first <= end <= max(today, last):
        what = f"{end} lies outside the log, which runs from {first} to {max(today, last)}"
        problems.append(("data.calibration_end", what))
    elif end and end > today:
        problems.append(("data.calibration_end", f"{end} lies after data.today ({today})"))
    since, until = config.customers_since, min(today, last)
    if since and not first <= since <= min(end or until, until):
        what = f"{since} must lie inside the log up to today, which runs from {first} to {min(end or until, until)}"
        problems.append(("data.customers_since", what))
    if problems:
        raise ConfigError(problems)
    return today, end


def as_of(log: TransactionLog, day: date) -> TransactionLog:
    """The log as it was known on a day: what came later, refunds too, is held back.

    Its tables stand in a schema of their own, so that both logs can be used. Raises DataError where fewer than two
    customers have an order by then.
    """
    con, schema = log.connection.cursor(), f"as_of_{day:%Y%m%d}"
    con.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    con.execute(f"CREATE SCHEMA {schema}")
    con.execute(f"SET search_path = '{schema},main'")
    refunded = _create_purchases(con, log, day)
    left_out = _leave_out_earlier(con, log.config.customers_since)
    con.execute("CREATE VIEW orders AS SELECT customer_id, day, amount FROM purchases JOIN customers USING (customer)")
    conflicts = _create_labels(con, day, log.columns)
    customers, later = con.execute(
        "SELECT count(*) FILTER (first <= $day), count(*) FILTER (first > $day) "
        "FROM (SELECT min(day) AS first FROM purchases GROUP BY customer)",
        {"day": day},
    ).fetchall()[0]
    require_customers(customers, log.label, day, log.config.customers_since)
    first = con.execute("SELECT min(day) FROM purchases").fetchall()[0][0] if left_out.customers else log.first_date
    facts = log.facts._replace(refunds=refunded, customers_after_today=later, conflicts=conflicts, left_out=left_out)
    return replace(log, connection=con, today=day, first_date=first, facts=facts)


def _leave_out_earlier(con: duckdb.DuckDBPyConnection, since: date | None) -> LeftOut:
    """Delete all orders of customers whose first order lies before `since`."""
    if since is None:
        return LeftOut()
    earlier = f"SELECT customer FROM purchases GROUP BY customer HAVING min(day) < DATE '{since}'"
    counts = con.execute(
        f"SELECT count(DISTINCT customer), count(*) FROM purchases WHERE customer IN ({earlier})"
    ).fetchall()[0]
    con.execute(f"DELETE FROM purchases WHERE customer IN ({earlier})")
    return LeftOut(*counts)


def _create_purchases(con: duckdb.DuckDBPyConnection, log: TransactionLog, today: date) -> Refunds:
    """Create `purchases` under the refund policy of `data.refunds`. Returns what refunds changed."""
    rows, total = log.facts.refunds[:2]
    if rows and log.config.refunds != "drop":
        return refunds.net(con, today)._replace(rows=rows, total=total)
    kind = "TABLE" if log.config.customers_since else "VIEW"  # some customers are left out of it, or it is no other
    con.execute(f"CREATE {kind} purchases AS SELECT customer, day, ordered AS amount FROM days WHERE orders > 0")
    return Refunds(rows, total)


def _column_list(columns: Iterable[str]) -> str:
    """SQL of more columns, with a comma before each."""
    return "".join(f", {identifier(column)}" for column in columns)


def _labels(columns: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Columns of labels that a log has: its segment, channel and covariates."""
    keys = dict(columns)
    return (*(key for key in ("segment", "channel") if key in keys), *covariate_keys(keys))


def _create_labels(
    con: duckdb.DuckDBPyConnection, today: date, columns: Iterable[tuple[str, str]]
) -> tuple[tuple[str, int], ...]:
    """Create `labels`: each customer's first non-empty segment, channel and covariates up to today, ties by text.

    Refund rows do not count. Returns, per covariate, the number of customers with several values.
    """
    there, covariates = _labels(columns), covariate_keys(dict(columns))
    names = [identifier(name) for name in there]
    first = "".join(f", coalesce(arg_min({n}, (day, {n})) FILTER ({n} <> ''), '') AS {n}" for n in names)
    first += "".join(f", '' AS {key}" for key in ("segment", "channel") if key not in there)
    known = f"FROM entries WHERE amount >= 0 AND day <= DATE '{today}'"
    labelled = " OR ".join(f"{n} <> ''" for n in names) or "false"
    con.execute(f"CREATE TABLE labels AS SELECT customer{first} {known} AND ({labelled}) GROUP BY customer")
    conflicts = []
    for name in covariates:
        n = identifier(name)
        several = f"SELECT customer {known} AND {n} <> '' GROUP BY customer HAVING min({n}) <> max({n})"
        conflicts.append((name, con.execute(f"SELECT count(*) FROM ({several})").fetchall()[0][0]))
    return tuple(conflicts)


def require_customers(customers: int, label: str, today: date, since: date | None) -> None:
    """Raises DataError for fewer than two."""
    if customers < 2:
        count = "only one customer has" if customers else "no customer has"
        earlier = f" and none before {since} (data.customers_since)" if since else ""
        question = "a customer base needs at least two (is data.customer_id right?)"
        raise DataError([(label, f"{count} an order up to {today}{earlier}; {question}")])
