"""Which rows of a file are sales, of which order, and in which money: SQL on the table `raw` of `clvsim.data.raw`.

Line items and overlapping exports: where `data.order_id` names a column, rows of one number are one order. What only
its first row says holds for all of them, and an order that several files have is taken from the last of them.
Nothing here depends on the order of rows, except that a first row is the first of its file.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

import duckdb

from clvsim.data.columns import says_what
from clvsim.data.config import DataConfig
from clvsim.data.database import identifier, quoted
from clvsim.data.raw import Loaded, covariate_keys
from clvsim.errors import ConfigError, DataError, Problem
from clvsim.types import QualityLine

_SHOWN = 8  # values that a message lists
_WIDE = 40  # characters of a value
_LONG = 160  # of all values that are to be typed
_UNPAID = (
    *("fail", "cancel", "void", "pending", "refund", "declin", "expired", "unpaid", "storn", "abgebroch", "annul"),
    *("test", "draft", "chargeback", "error", "hold", "reject", "offen", "fehlgeschlagen", "erstatt", "rembours"),
    *("échou", "echou", "attente", "cancelad", "fallid", "pendiente", "reembols", "withdraw", "fee", "transfer"),
)
_ALIKE = 0.95  # share of orders whose rows all have the same amount, from which each may hold the whole order's
_ORDERS_TO_TELL = 10
_DIGITS = 38  # of the widest decimal number
_MOST_KINDS = 100  # values of a column that says what a row is

Counts = list[tuple[str | None, int]]


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
    config, before = loaded.config, _count(con)
    readings: list[QualityLine] = []
    if config.order_id:
        readings += _orders(con, loaded)
    else:
        readings += _repeats(con, loaded)
    _require_values(con, loaded, typed)
    readings += _filter(con, loaded)
    problems, lines = _money(con, loaded)
    readings += lines
    more, lines = _passed_over(con, loaded)
    if problems or more:
        raise DataError([*problems, *more])
    for name, _ in loaded.extra:
        if name.startswith(("filter_", "seen_", "currency")):
            con.execute(f"ALTER TABLE raw DROP COLUMN {name}")
    return Selected((*readings, *lines), before - _count(con))


def _count(con: duckdb.DuckDBPyConnection, where: str = "true") -> int:
    return con.execute(f"SELECT count(*) FROM raw WHERE {where}").fetchall()[0][0]


def shown(value: str | None) -> str:
    """A value of a file for a message: one line, cut, in quotes where blanks or signs are in it."""
    if value is None:
        return "(none)"
    text = "".join(c if c.isprintable() else "?" for c in value)
    text = text if len(text) <= _WIDE else text[: _WIDE - 1] + "…"
    return text if text.replace("_", "").replace("-", "").isalnum() else f"'{text}'"


def listed(counts: Iterable[tuple[str | None, int]]) -> str:
    """Values with their numbers of rows, the first eight."""
    counts = list(counts)
    words = [f"{shown(value)} {count:,}" for value, count in counts[:_SHOWN]]
    return ", ".join(words) + (f", … ({len(counts):,} values)" if len(counts) > _SHOWN else "")


def flow(column: str, values: Iterable[str]) -> str:
    """A column with values as YAML that a shell can be given in single quotes; words for them where they are long."""
    inner = ", ".join(_yaml(value) for value in values)
    if len(inner) > _LONG or not inner.isprintable() or "'" in column + inner:
        inner = "VALUE, ..."
    return f"'{{{_yaml(column)}: [{inner}]}}'"


def _yaml(text: str) -> str:
    """A word that YAML reads as this text in a flow mapping, of which every value is text."""
    plain = all(c.isalnum() or c in " _-.#" for c in text) and text.strip() == text and text[:1] not in "-#"
    return (
        text
        if plain and " #" not in text
        else f'"{text.replace(chr(92), chr(92) * 2).replace(chr(34), chr(92) + chr(34))}"'
    )


def _values(con: duckdb.DuckDBPyConnection, column: str) -> Counts:
    return con.execute(f"SELECT {column}, count(*) FROM raw GROUP BY 1 ORDER BY 2 DESC, 1").fetchall()


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
    _require_one_customer(con, header)
    names = [
        "customer_id",
        "date",
        *(name for name, _ in loaded.extra if name.startswith(("filter_", "seen_", "currency"))),
    ]
    labels = ["segment", "channel", *map(identifier, covariate_keys(dict(loaded.columns)))]
    first = ", ".join(f"arg_min({n}, (file, row)) FILTER ({n} IS NOT NULL) AS {n}" for n in names)
    first += "".join(f", arg_min({n}, (file, row)) FILTER ({n} <> '') AS {n}" for n in labels)
    filled = ", ".join(f"coalesce(raw.{n}, o.{n}) AS {n}" for n in names)
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
    value = f"{rows:,} rows are {orders:,} orders"
    how = "each row holds its whole order's amount" if once else "amounts of an order's rows are added"
    readings.append(QualityLine("line_items", "Orders of several rows", value, f"by {header}; {how}"))
    return readings


def _require_one_customer(con: duckdb.DuckDBPyConnection, header: str) -> None:
    several = con.execute(
        """
        SELECT order_id, min(lower(customer_id)), max(lower(customer_id)) FROM raw
        WHERE order_id IS NOT NULL GROUP BY order_id
        HAVING min(lower(customer_id)) < max(lower(customer_id)) ORDER BY order_id
        """
    ).fetchall()
    if several:
        number, one, other = several[0]
        what = (
            f"{len(several):,} order numbers have several customers, e.g. {shown(number)}: {shown(one)} and "
            f"{shown(other)}; is {header} the order's number?"
        )
        raise DataError([("data.order_id", what)])


def _rows_of_orders(con: duckdb.DuckDBPyConnection, loaded: Loaded) -> bool:
    """Leave the rows of orders that have an amount of their own; whether each row had the whole order's."""
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
    alike, several = con.execute(
        """
        SELECT count(*) FILTER (a = b), count(*) FROM (
            SELECT min(amount) AS a, max(amount) AS b FROM raw WHERE order_id IS NOT NULL
            GROUP BY order_id HAVING count(*) > 1)
        """
    ).fetchall()[0]
    if how is None:
        single = "amount_2" not in dict(loaded.extra)
        if single and several >= _ORDERS_TO_TELL and alike >= _ALIKE * several:
            what = (
                f"in {alike:,} of {several:,} orders with several rows each row has the same amount; type "
                "data.order_rows=once if it is the whole order's, or data.order_rows=sum"
            )
            raise DataError([("data.order_rows", what)])
        return False
    if alike < several:
        what = f"{several - alike:,} of {several:,} orders have rows with different amounts; type data.order_rows=sum"
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
    for key in ("only", "without"):
        wanted: Mapping[str, tuple[str, ...]] = getattr(typed, key)
        for header, values in wanted.items():
            there = _values(con, filters[header])
            known = {_folded(value) for value, _ in there if value is not None}
            absent = [value for value in values if _folded(value) not in known]
            if absent:
                words = ", ".join(map(shown, absent))
                problems.append((f"data.{key}", f"no row has {words} in {header}; it holds {listed(there)}"))
    if problems:
        raise ConfigError(problems)


def _folded(value: str) -> str:
    return value.strip().casefold()


def _filter(con: duckdb.DuckDBPyConnection, loaded: Loaded) -> list[QualityLine]:
    """Delete the rows that are no sales, and say how many there are of each value."""
    readings, filters = [], loaded.filters()
    for key in ("only", "without"):
        wanted: Mapping[str, tuple[str, ...]] = getattr(loaded.config, key)
        for header, values in wanted.items():
            if not values:
                continue
            name, folded = filters[header], [_folded(value) for value in values]
            hit = f"lower(coalesce({name}, '')) IN ({', '.join('?' * len(folded))})"
            out = f"NOT ({hit})" if key == "only" else hit
            counts = con.execute(
                f"SELECT {name}, count(*) FROM raw WHERE {out} GROUP BY 1 ORDER BY 2 DESC, 1", folded
            ).fetchall()
            if counts:
                con.execute(f"DELETE FROM raw WHERE {out}", folded)
                total = sum(count for _, count in counts)
                note = f"{header}: {listed(counts)}; data.{key} chooses"
                readings.append(QualityLine(f"{key}_{name}", "Rows left out as no sales", f"{total:,}", note))
    return readings


def _money(con: duckdb.DuckDBPyConnection, loaded: Loaded) -> tuple[list[Problem], list[QualityLine]]:
    """The column `factor` where currencies have rates; problems where amounts in several would be added."""
    config = loaded.config
    header = dict(loaded.extra).get("currency")
    if header is None:
        what = "rates need data.currency=COLUMN, the column that holds each row's currency"
        return ([Problem("data.rates", what)] if config.rates else []), []
    counts = con.execute("SELECT upper(trim(currency)), count(*) FROM raw GROUP BY 1 ORDER BY 2 DESC, 1").fetchall()
    if not counts:  # the filters have left nothing, which `read_transactions` says
        return [], []
    codes = [code for code, _ in counts]
    unknown = [code for code in config.rates if code not in codes]
    if unknown:
        what = f"no row is in {', '.join(map(shown, unknown))}; {header} holds {listed(counts)}"
        return [Problem("data.rates", what)], []
    base = [code for code in codes if code not in config.rates]
    if len(base) > 1:
        return [Problem("data.currency", _choose_currency(header, counts))], []
    if not config.rates:
        return [], [QualityLine("currency", "Currency", shown(codes[0]), f"by {header}")]
    if not base:
        what = f"every currency of {header} has a rate ({listed(counts)}); the one that money is counted in has none"
        return [Problem("data.rates", what)], []
    kind = _type_of(config.rates.values())
    cases = " ".join(f"WHEN {quoted(code)} THEN '{rate!r}'::{kind}" for code, rate in config.rates.items())
    con.execute(f"ALTER TABLE raw ADD COLUMN factor {kind}")
    con.execute(f"UPDATE raw SET factor = CASE upper(trim(currency)) {cases} ELSE 1 END")
    rates = ", ".join(f"1 {code} = {rate:g}" for code, rate in config.rates.items())
    note = f"{listed(counts)} rows by {header}; converted at {rates} (data.rates)"
    return [], [QualityLine("currency", "Currency", shown(base[0]), note)]


def _type_of(rates: Iterable[float]) -> str:
    """The SQL type that holds rates exactly as they are typed; DOUBLE where no decimal does."""
    typed = [Decimal(repr(rate)).normalize() for rate in rates]
    decimals = max(-min(0, int(rate.as_tuple().exponent)) for rate in typed)
    fits = decimals < _DIGITS and max(typed) < 10 ** (_DIGITS - decimals)
    return f"DECIMAL({_DIGITS},{decimals})" if fits else "DOUBLE"


def _choose_currency(header: str, counts: Counts) -> str:
    most, second = counts[0][0], counts[1][0]
    one = f"data.only={flow(header, [most or ''])}"
    rate = f", or give data.rates.{second}=RATE" if second and second.isalpha() else ""
    return f"{header} holds {listed(counts)}, and currencies are never added: choose one with {one}{rate}"


def _passed_over(con: duckdb.DuckDBPyConnection, loaded: Loaded) -> tuple[list[Problem], list[QualityLine]]:
    """Problems and lines on columns that nobody named and that may say which rows are sales."""
    problems: list[Problem] = []
    lines: list[QualityLine] = []
    for name, header in loaded.extra:
        look = _LOOKS.get(says_what(header)) if name.startswith("seen_") else None
        if look:
            found = look(loaded, header, _values(con, name))
            problems += [one for one in found if isinstance(one, Problem)]
            lines += [one for one in found if isinstance(one, QualityLine)]
    return problems, lines


def _look_at_refunds(loaded: Loaded, header: str, counts: Counts) -> list[Problem | QualityLine]:
    if loaded.config.refunded is not None:
        return []
    paid = sum(count for value, count in counts if value is not None and any(c in "123456789" for c in value))
    if not paid:
        return []
    what = f"{header} holds amounts in {paid:,} rows: type data.refunded={shown(header)} to take them off"
    return [Problem("data.refunded", f"{what}, or data.refunded= to pass over it")]


def _look_at_currencies(loaded: Loaded, header: str, counts: Counts) -> list[Problem | QualityLine]:
    if loaded.config.currency is not None:
        return []
    codes: dict[str, int] = {}
    for value, count in counts:
        if value is not None:
            codes[value.upper()] = codes.get(value.upper(), 0) + count
    if len(codes) > 1:
        counts = sorted(codes.items(), key=lambda one: (-one[1], one[0]))
        return [Problem("data.currency", _choose_currency(header, counts))]
    return [QualityLine("currency", "Currency", shown(code), f"by {header}") for code in codes]


def _look_at_status(loaded: Loaded, header: str, counts: Counts) -> list[Problem | QualityLine]:
    values = [value for value, _ in counts if value is not None]
    bad = [value for value in values if _is_bad(value)]
    if len(counts) < 2 or len(values) > _MOST_KINDS:
        return []
    if not bad:
        note = f"{listed(counts)}; all count as sales: data.only={flow(header, values[:1])} chooses"
        return [QualityLine(f"passed_over_{header}", f"Column {header} is not used", "", note, "warning")]
    good = [value for value in values if value not in bad]
    keep = f"data.only={flow(header, good[:_SHOWN])}" if good else f"data.without={flow(header, bad[:_SHOWN])}"
    what = f"{header} holds {listed(counts)}; which rows are sales? type {keep}"
    return [Problem("data.only", f"{what}, or data.without={flow(header, [])} for all")]


_LOOKS = {"refunded": _look_at_refunds, "currency": _look_at_currencies, "status": _look_at_status}


def _is_bad(value: str) -> bool:
    folded = _folded(value)
    return any(word in folded for word in _UNPAID)
