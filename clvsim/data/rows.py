"""Which rows of a file are sales, of which order, and in which money: SQL on the table `raw` of `clvsim.data.raw`.

Line items and overlapping exports: where `data.order_id` names a column, rows of one number are one order. What only
its first row says holds for all of them, and an order that several files have is taken from the last of them.
Nothing here depends on the order of rows, except that a first row is the first of its file.
"""

import shlex
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

import duckdb

from clvsim.data.columns import FILTERS, says_what
from clvsim.data.config import DataConfig
from clvsim.data.database import identifier, quoted
from clvsim.data.identity import one_spelling
from clvsim.data.passed_over import ALIKE, ORDERS_TO_TELL, alike, choose_currency, passed_over
from clvsim.data.quoting import SHOWN, count, counted, flow, folded, listed, shown, values_of
from clvsim.data.raw import Loaded, covariate_keys
from clvsim.errors import ConfigError, DataError, Problem
from clvsim.types import QualityLine

_MANY = 1 / 3  # share of the rows, from which leaving them out by a preset is a warning
_FEW = 0.01  # share of orders that may be odd
_DIGITS = 38  # of the widest decimal number


class Selected(NamedTuple):
    """Lines on what was left out, and how many rows were."""

    readings: tuple[QualityLine, ...]
    left_out: int


def select_rows(con: duckdb.DuckDBPyConnection, loaded: Loaded, typed: DataConfig) -> Selected:
    """Leave in `raw` the rows that are sales, each with its order's customer, date and money.

    `typed` is the configuration before a preset filled it. Adds the column `factor`, what the row's currency is worth,
    where rates are given.

    Raises
    ------
    ConfigError
        Values that no row has, rates of currencies that do not occur.
    DataError
        Several currencies without rates, an order with several customers; a column that nobody named and that says
        that some rows are no sales, or what was paid back; all at once.
    """
    config, before = loaded.config, count(con, "true")
    readings: list[QualityLine] = []
    if config.order_id:
        readings += _orders(con, loaded)
    else:
        readings += _repeats(con, loaded)
    _require_values(con, loaded, typed)
    readings += _filter(con, loaded, typed)
    problems, lines, one = _money(con, loaded)
    readings += lines
    more, lines, choice = passed_over(con, loaded)
    if any(problem.where == "data.rates" for problem in problems):  # which says it all
        more = [problem for problem in more if problem.where != "data.currency"]
    if problems or more:
        raise DataError([*problems, *more], choice or one)
    for name, _ in loaded.extra:
        if name.startswith(("filter_", "seen_", "currency")):
            con.execute(f"ALTER TABLE raw DROP COLUMN {name}")
    return Selected((*readings, *lines), before - count(con, "true"))


def _orders(con: duckdb.DuckDBPyConnection, loaded: Loaded) -> list[QualityLine]:
    """Take each order from one file, and make its rows say what only one of them says."""
    readings = []
    header = dict(loaded.extra)["order_id"]
    if len(loaded.files) > 1:
        dropped = con.execute(
            """
            DELETE FROM raw USING (
                SELECT order_id, max(file) AS last FROM raw WHERE order_id IS NOT NULL
                GROUP BY order_id HAVING min(file) < max(file)
            ) AS several WHERE raw.order_id = several.order_id AND raw.file < several.last
            """
        ).fetchall()[0][0]
        if dropped:
            note = f"orders that several files have (data.order_id={header}) are those of the last of them"
            readings.append(QualityLine("overlap", "Rows that repeat an order of another file", f"{dropped:,}", note))
    rows, orders = con.execute(
        "SELECT coalesce(sum(n), 0), count(*) FROM "
        "(SELECT count(*) AS n FROM raw WHERE order_id IS NOT NULL GROUP BY order_id HAVING n > 1)"
    ).fetchall()[0]
    if not orders:
        return readings
    readings += _require_one_customer(con, header, orders)
    names = [
        "customer_id",
        "date",
        *(name for name, _ in loaded.extra if name.startswith(("filter_", "seen_", "currency"))),
    ]
    labels = ["segment", "channel", *map(identifier, covariate_keys(dict(loaded.columns)))]
    first = ", ".join(f"arg_min({n}, (file, row)) FILTER ({n} IS NOT NULL) AS {n}" for n in names)
    first += "".join(f", arg_min({n}, (file, row)) FILTER ({n} <> '') AS {n}" for n in labels)
    of_order = {"customer_id": "CASE WHEN raw.date IS NULL THEN o.customer_id END"}  # with a date it is missing
    filled = ", ".join(f"coalesce(raw.{n}, {of_order.get(n, f'o.{n}')}) AS {n}" for n in names)
    filled += "".join(f", coalesce(nullif(raw.{n}, ''), o.{n}, '') AS {n}" for n in labels)
    con.execute(
        f"""
        CREATE TABLE filled AS SELECT raw.* REPLACE ({filled})
        FROM raw LEFT JOIN (
            SELECT order_id, {first} FROM raw WHERE order_id IS NOT NULL GROUP BY order_id HAVING count(*) > 1
        ) AS o ON raw.order_id = o.order_id
        """
    )
    con.execute("DROP TABLE raw; ALTER TABLE filled RENAME TO raw")
    once = _rows_of_orders(con, loaded)
    value = f"{rows:,} rows are {counted(orders, 'order', 'orders')}"
    how = "each row holds its whole order's amount" if once else "amounts of an order's rows are added"
    readings.append(QualityLine("line_items", "Orders of several rows", value, f"by {header}; {how}"))
    return readings


def _require_one_customer(con: duckdb.DuckDBPyConnection, header: str, orders: int) -> list[QualityLine]:
    """A warning about order numbers that stand for several customers. Raises DataError where they are many.

    Spellings of one customer, which are folded later, and capitals count as one.
    """
    several = con.execute(
        f"""
        SELECT order_id, min(who) AS one, max(who) AS other FROM (
            SELECT order_id, lower({one_spelling("customer_id")}) AS who FROM raw WHERE order_id IN (
                SELECT order_id FROM raw WHERE order_id IS NOT NULL
                GROUP BY order_id HAVING min(customer_id) < max(customer_id)))
        GROUP BY order_id HAVING one < other ORDER BY order_id
        """
    ).fetchall()
    if not several:
        return []
    number, one, other = several[0]
    example = f"e.g. {shown(number)}: {shown(one)} and {shown(other)}"
    if len(several) > _FEW * orders:
        what = f"numbers of {len(several):,} orders have several customers, {example}; is {header} the order's number?"
        raise DataError([("data.order_id", what)])
    note = f"{example}; each row keeps its own customer"
    return [QualityLine("several_customers", "Orders with several customers", f"{len(several):,}", note, "warning")]


def _rows_of_orders(con: duckdb.DuckDBPyConnection, loaded: Loaded) -> bool:
    """Leave the rows of orders that have an amount of their own; whether each row had the whole order's."""
    if "refunded" in dict(loaded.extra):  # what was paid back may stand in a row of its own
        con.execute(
            "UPDATE raw SET amount = '0' WHERE amount IS NULL AND refunded IS NOT NULL AND order_id IS NOT NULL"
        )
    con.execute(
        """
        DELETE FROM raw USING (
            SELECT order_id FROM raw WHERE order_id IS NOT NULL GROUP BY order_id
            HAVING count(*) > count(amount) AND count(amount) > 0
        ) AS partly WHERE raw.order_id = partly.order_id AND raw.amount IS NULL
        """
    )
    how = loaded.config.order_rows
    if how == "sum" or loaded.config.amount == "":
        return False
    same, several = alike(con, "order_id")
    if how is None:
        single = "amount_2" not in dict(loaded.extra)
        if single and several >= ORDERS_TO_TELL and same >= ALIKE * several:
            what = (
                f"in {same:,} of {several:,} orders with several rows each row has the same amount; type "
                "data.order_rows=once if it is the whole order's, or data.order_rows=sum"
            )
            raise DataError([("data.order_rows", what)])
        return False
    if same < several:
        number = con.execute(
            "SELECT order_id FROM raw WHERE order_id IS NOT NULL GROUP BY order_id "
            "HAVING min(amount) < max(amount) ORDER BY order_id LIMIT 1"
        ).fetchall()[0][0]
        what = f"{several - same:,} of {several:,} orders have rows with different amounts, e.g. {shown(number)}"
        if same < ALIKE * several:
            what += "; if each row holds a part, type data.order_rows=sum"
        raise DataError([("data.order_rows", what)])
    con.execute(
        """
        DELETE FROM raw USING (
            SELECT order_id, min((file, row)) AS first FROM raw WHERE order_id IS NOT NULL GROUP BY order_id
        ) AS o WHERE raw.order_id = o.order_id AND (raw.file, raw.row) > o.first
        """
    )
    return True


def _repeats(con: duckdb.DuckDBPyConnection, loaded: Loaded) -> list[QualityLine]:
    """Says what to do where files overlap and nobody named the order's number."""
    if len(loaded.files) < 2:
        return []
    repeats = con.execute(
        "SELECT coalesce(sum(n - 1), 0) FROM "
        "(SELECT count(DISTINCT file) AS n FROM raw GROUP BY fingerprint HAVING n > 1)"
    ).fetchall()[0][0]
    if not repeats:
        return []
    numbers = [header for name, header in loaded.extra if name.startswith("seen_") and says_what(header) == "order"]
    hint = f"data.order_id={shown(numbers[0])}" if numbers else "data.order_id=COLUMN, the order's number,"
    note = f"files overlap, and these rows count twice: {hint} takes each order from one file"
    remedy = (f"data.order_id={numbers[0]}",) if numbers else ()
    return [QualityLine("overlap", "Rows that repeat a row of another file", f"{repeats:,}", note, "warning", remedy)]


def _require_values(con: duckdb.DuckDBPyConnection, loaded: Loaded, typed: DataConfig) -> None:
    """Raises ConfigError where a value that somebody typed occurs in no row."""
    problems, filters = [], loaded.filters()
    for key in FILTERS:
        wanted: Mapping[str, tuple[str, ...]] = getattr(typed, key)
        for header, values in wanted.items():
            there = values_of(con, filters[header])
            known = {folded(value) for value, _ in there}
            absent = [value for value in values if folded(value) not in known]
            if absent:
                words = ", ".join(map(shown, absent[:SHOWN])) + (", …" if len(absent) > SHOWN else "")
                problems.append((f"data.{key}", f"no row has {words} in {header}; it holds {listed(there)}"))
    if problems:
        raise ConfigError(problems)


def _filter(con: duckdb.DuckDBPyConnection, loaded: Loaded, typed: DataConfig) -> list[QualityLine]:
    """Delete the rows that are no sales, and say how many there are of each value."""
    readings, filters, rows = _set_failed_apart(con, loaded), loaded.filters(), count(con, "true")
    for key in ("without", "only"):  # so that a value that is chosen counts as it did where it was asked about
        wanted: Mapping[str, tuple[str, ...]] = getattr(loaded.config, key)
        for header, values in wanted.items():
            if not values:
                continue
            name, wanted_values = filters[header], {folded(value) for value in values}
            counts = [one for one in values_of(con, name) if (folded(one[0]) in wanted_values) != (key == "only")]
            if not counts:
                continue
            out = [value for value, _ in counts]
            where = f"{name} IN (SELECT unnest(?::VARCHAR[]))" + (f" OR {name} IS NULL" if None in out else "")
            con.execute(f"DELETE FROM raw WHERE {where}", [[value for value in out if value is not None]])
            total = sum(n for _, n in counts)
            level = "info" if header in getattr(typed, key) or total < _MANY * rows else "warning"
            which = "filled" if key == "only" and wanted_values == {""} else listed(counts)
            note = f"{shown(header)}: {which}; data.{key} chooses"
            readings.append(QualityLine(f"{key}_{name}", "Rows left out as no sales", f"{total:,}", note, level))
    return readings


def _set_failed_apart(con: duckdb.DuckDBPyConnection, loaded: Loaded) -> list[QualityLine]:
    """Move charges that failed to the table `failed` of customers and dates, where a column says which did."""
    if not loaded.config.failed:
        return []
    con.execute("CREATE TABLE failed AS SELECT customer_id, date FROM raw WHERE false")
    readings = []
    for header, values in loaded.config.failed.items():
        name, wanted = loaded.filters()[header], {folded(value) for value in values}
        counts = [one for one in values_of(con, name) if one[0] is not None and folded(one[0]) in wanted]
        if not counts:
            continue
        out = [[value for value, _ in counts]]
        where = f"WHERE {name} IN (SELECT unnest(?::VARCHAR[]))"
        con.execute(f"INSERT INTO failed SELECT customer_id, date FROM raw {where}", out)
        con.execute(f"DELETE FROM raw {where}", out)
        note = f"{shown(header)}: {listed(counts)}; no sales, data.failed chooses"
        total = f"{sum(n for _, n in counts):,}"
        readings.append(QualityLine(f"failed_{name}", "Charges that failed", total, note))
    return readings


def _money(con: duckdb.DuckDBPyConnection, loaded: Loaded) -> tuple[list[Problem], list[QualityLine], list[str]]:
    """The column `factor` where currencies have rates; problems where amounts in several would be added, and a choice
    to type."""
    config = loaded.config
    header = dict(loaded.extra).get("currency")
    if header is None:
        seen = [h for name, h in loaded.extra if name.startswith("seen_") and says_what(h) == "currency"]
        column = shlex.quote(seen[0]) if seen else "COLUMN"
        what = f"rates need data.currency={column}, the column that holds each row's currency"
        return ([Problem("data.rates", what)] if config.rates else []), [], []
    counts = con.execute("SELECT upper(trim(currency)), count(*) FROM raw GROUP BY 1 ORDER BY 2 DESC, 1").fetchall()
    if not counts:  # the filters have left nothing, which `read_transactions` says
        return [], [], []
    codes = [code for code, _ in counts]
    unknown = [code for code in config.rates if code not in codes]
    if unknown:
        what = f"no row is in {', '.join(map(shown, unknown))}; {header} holds {listed(counts)}"
        return [Problem("data.rates", what)], [], []
    base = [code for code in codes if code not in config.rates]
    if len(base) > 1:
        one = f"data.only={flow((header, [code for code in base if code][:1]))}"
        return [Problem("data.currency", choose_currency(header, counts).replace("{only}", one))], [], shlex.split(one)
    if not config.rates:
        return [], [QualityLine("currency", "Currency", shown(codes[0]), f"by {header}")], []
    if not base:
        what = f"every currency of {header} has a rate ({listed(counts)}); the one that money is counted in has none"
        return [Problem("data.rates", what)], [], []
    kind = _type_of(config.rates.values())
    cases = " ".join(f"WHEN {quoted(code)} THEN '{rate!r}'::{kind}" for code, rate in config.rates.items())
    con.execute(f"ALTER TABLE raw ADD COLUMN factor {kind}")
    con.execute(f"UPDATE raw SET factor = CASE upper(trim(currency)) {cases} ELSE 1 END")
    rates = ", ".join(f"1 {code} = {rate:g}" for code, rate in config.rates.items())
    note = f"{listed(counts)} rows by {header}; converted at {rates} (data.rates)"
    rows = [f"{counted(n, 'row', 'rows')} of {c} at {config.rates[c]:g}" for c, n in counts if c in config.rates]
    converted = QualityLine("converted", "Converted", ", ".join(rows), "data.rates; one rate holds for all days")
    return [], [QualityLine("currency", "Currency", shown(base[0]), note), converted], []


def _type_of(rates: Iterable[float]) -> str:
    """The SQL type that holds rates exactly as they are typed; DOUBLE where no decimal does."""
    typed = [Decimal(repr(rate)).normalize() for rate in rates]
    decimals = max(-min(0, int(rate.as_tuple().exponent)) for rate in typed)
    fits = decimals < _DIGITS and max(typed) < 10 ** (_DIGITS - decimals)
    return f"DECIMAL({_DIGITS},{decimals})" if fits else "DOUBLE"
