"""Columns that nobody named and that may say which rows are sales, or whose: never passed over in silence."""

import re
import shlex
from typing import NamedTuple

import duckdb

from clvsim.data.columns import NO_SALE_IF_FALSE, NO_SALE_IF_FILLED, NO_SALE_IF_TRUE, is_address, plain, says_what
from clvsim.data.identity import one_spelling
from clvsim.data.quoting import SHOWN, Counts, counted, flow, folded, listed, shown, values_of
from clvsim.data.raw import Loaded
from clvsim.errors import Problem
from clvsim.types import QualityLine

_UNPAID = (  # how words begin that say that a row is no sale
    *("fail", "cancel", "void", "pending", "refund", "declin", "expired", "unpaid", "storn", "abgebroch", "annul"),
    *("draft", "chargeback", "reject", "fehlgeschlagen", "erstatt", "rückerstatt", "rembours", "withdraw"),
    *("échou", "echou", "attente", "fallid", "pendiente", "reembols", "rimbors"),
)
_UNPAID_WORDS = {"test", "fee", "fees", "hold", "error", "offen", "transfer", "payout"}
_PAID_BACK = ("refund", "erstatt", "rückerstatt", "rembours", "reembols", "rimbors")
_TRUE, _FALSE = (
    {"true", "yes", "y", "1", "ja", "wahr", "oui", "si", "sí"},
    {"false", "no", "n", "0", "nein", "falsch", "non"},
)
_MOST_KINDS = 100  # values of a column that says what a row is
ALIKE = 0.95  # share of orders whose rows all have the same amount, from which each may hold the whole order's
ORDERS_TO_TELL = 10
_MORE = 1.1  # times as many customers by another column, from which it may be the one that is meant
_NOT_NEGATIVE = r"coalesce(NOT regexp_matches(amount, '^\D*[-(\x{2212}\x{2013}]|[-\x{2212}]\D*$'), true)"


class Asked(NamedTuple):
    """A question about a column. Its `{only}` is what to type of `data.only`: this column with `keep`, and the others
    that are asked about. `choice`: other words that one would type."""

    key: str
    what: str
    keep: tuple[str, tuple[str, ...]] | None = None
    choice: tuple[str, ...] = ()


def passed_over(con: duckdb.DuckDBPyConnection, loaded: Loaded) -> tuple[list[Problem], list[QualityLine], list[str]]:
    """Problems and lines on columns that nobody named and that may say which rows are sales, and a choice to type."""
    asked: list[Asked] = []
    lines: list[QualityLine] = []
    for name, header in loaded.extra:
        what = says_what(header)
        if name.startswith("seen_") and what == "order":
            asked += _look_at_orders(con, loaded, name, header)
        elif name.startswith("seen_") and what == "customer":
            asked += _look_at_customers(con, loaded, name, header)
        elif name.startswith("seen_") and what:
            found = _LOOKS[what](loaded, header, values_of(con, name))
            asked += [one for one in found if isinstance(one, Asked)]
            lines += [one for one in found if isinstance(one, QualityLine)]
        elif name.startswith("filter_"):
            lines += _paid_back_unknown(loaded, header, values_of(con, name, _NOT_NEGATIVE))
    keep = [one.keep for one in asked if one.keep]
    only = f"data.only={flow(*loaded.config.only.items(), *keep)}" if keep else ""
    choice = [*shlex.split(only), *(word for one in asked for word in one.choice)]
    return [Problem(one.key, one.what.replace("{only}", only)) for one in asked], lines, choice


def _look_at_orders(con: duckdb.DuckDBPyConnection, loaded: Loaded, name: str, header: str) -> list[Asked]:
    """Whether rows of one number all have one amount, which may be that of the whole order."""
    if loaded.config.order_id or loaded.config.amount == "" or "amount_2" in dict(loaded.extra):
        return []
    same, several = alike(con, name)
    if several < ORDERS_TO_TELL or same < ALIKE * several:
        return []
    what = (
        f"{several:,} numbers of {shown(header)} have several rows, and in {same:,} of them all rows have one amount: "
        f"type data.order_id={shlex.quote(header)} with data.order_rows=once if it is the whole order's, or with "
        "data.order_rows=sum"
    )
    return [Asked("data.order_id", what, choice=(f"data.order_id={header}", "data.order_rows=once"))]


def _look_at_customers(con: duckdb.DuckDBPyConnection, loaded: Loaded, name: str, header: str) -> list[Asked]:
    """Whether the column that was guessed and another one tell different numbers of customers, in rows that have both.

    Fewer names or numbers than ids are namesakes or groups; fewer addresses are customers with several ids.
    """
    ids, others = (f"count(DISTINCT lower({one_spelling(column)}))" for column in ("customer_id", name))
    both = f"SELECT DISTINCT customer_id, {name} FROM raw WHERE customer_id IS NOT NULL AND {name} IS NOT NULL"
    mine, theirs = con.execute(f"SELECT {ids}, {others} FROM ({both})").fetchall()[0]
    if theirs <= _MORE * mine and not (is_address(header) and mine > _MORE * theirs):
        return []
    chosen = dict(loaded.columns)["customer_id"]
    types = " or ".join(f"data.customer_id={shlex.quote(column)}" for column in (chosen, header))
    what = f"{chosen!r} ({mine:,} different values) and {header!r} ({theirs:,}) could both be meant; type {types}"
    return [Asked("data.customer_id", what)]


def _look_at_refunds(loaded: Loaded, header: str, counts: Counts) -> list[Asked | QualityLine]:
    if loaded.config.refunded is not None:
        return []
    said = {folded(value) for value, _ in counts if value is not None}
    if said <= _TRUE | _FALSE and not said <= {"0", "1"}:
        return _look_at_status(loaded, header, counts)
    paid = sum(count for value, count in counts if value is not None and any(c in "123456789" for c in value))
    if not paid:
        return []
    what = f"{shown(header)} holds amounts in {counted(paid, 'row', 'rows')}: type data.refunded={shlex.quote(header)}"
    pass_over = f"{what} to take them off, or data.refunded= to pass over it"
    return [Asked("data.refunded", pass_over, choice=(f"data.refunded={header}",))]


def _look_at_currencies(loaded: Loaded, header: str, counts: Counts) -> list[Asked | QualityLine]:
    if loaded.config.currency is not None:
        return []
    codes: dict[str | None, int] = {}
    for value, count in counts:
        code = value.upper() if value else None
        codes[code] = codes.get(code, 0) + count
    known = sorted(((c, n) for c, n in codes.items() if c), key=lambda one: (-one[1], one[0] or ""))
    if known and len(codes) > 1:
        every = [*known, *((None, n) for code, n in codes.items() if code is None)]
        keep = (header, (str(known[0][0]),))
        return [Asked("data.currency", choose_currency(header, every, named=False), keep)]
    return [QualityLine("currency", "Currency", shown(code), f"by {shown(header)}") for code, _ in known]


def _look_at_status(loaded: Loaded, header: str, counts: Counts) -> list[Asked | QualityLine]:
    if plain(header) in NO_SALE_IF_FILLED:
        filled = sum(count for value, count in counts if value is not None)
        what = f"{shown(header)} is filled in {counted(filled, 'row', 'rows')}: if these are no sales, type {{only}}"
        none = f"data.without={flow((header, []))} for all"
        return [Asked("data.only", f"{what}, or {none}", (header, ("",)))] if filled else []
    values = [value for value, _ in counts if value is not None]
    bad = [value for value in values if is_no_sale(header, value)]
    if not bad:
        few = 1 < len(counts) <= _MOST_KINDS and bool(values)
        note = f"{listed(counts)}; all count as sales: data.only={flow((header, values[:1]))} chooses"
        label = f"Column {shown(header)} is not used"
        return [QualityLine(f"passed_over_{header}", label, "", note, "warning")] if few else []
    good = [value or "" for value, _ in counts if value not in bad]
    what = f"{shown(header)} holds {listed(counts)}; which rows are sales? type {{only}}"
    every = f"data.without={flow((header, []))} for all"
    if not good or len(good) > SHOWN:
        out = f"data.without={flow((header, bad[:SHOWN]))}"
        return [Asked("data.only", f"{what.replace('{only}', out)}, or {every}")]
    return [Asked("data.only", f"{what}, or {every}", (header, tuple(good)))]


def _paid_back_unknown(loaded: Loaded, header: str, counts: Counts) -> list[QualityLine]:
    """Warns of rows that are sales and were paid back, where no column says how much."""
    back = [(v, n) for v, n in counts if v and any(word.startswith(_PAID_BACK) for word in _words(v))]
    if not back or loaded.config.refunded or says_what(header) != "status":
        return []
    note = f"{listed(back)}: no column says how much was paid back, and all of it counts (data.refunded)"
    return [QualityLine("paid_back", "Rows that were paid back", f"{sum(n for _, n in back):,}", note, "warning")]


_LOOKS = {"refunded": _look_at_refunds, "currency": _look_at_currencies, "status": _look_at_status}


def _words(value: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", folded(value))


def is_no_sale(header: str, value: str) -> bool:
    """Whether a value of a column says that its row came to nothing, or back."""
    name, text = plain(header), folded(value)
    if name in NO_SALE_IF_TRUE or says_what(header) == "refunded":
        return text in _TRUE or any(word.startswith(_UNPAID) for word in _words(value))
    if name in NO_SALE_IF_FALSE:
        return text in _FALSE
    return any(word.startswith(_UNPAID) or word in _UNPAID_WORDS for word in _words(value))


def alike(con: duckdb.DuckDBPyConnection, column: str) -> tuple[int, int]:
    """Orders with several rows in a file, by a column with their number: those whose rows all have one amount, and
    all."""
    return con.execute(
        f"""
        SELECT count(*) FILTER (a = b), count(*) FROM (
            SELECT min(amount) AS a, max(amount) AS b FROM raw WHERE hash(file, {column}) IN (
                SELECT hash(file, {column}) AS h FROM raw WHERE {column} IS NOT NULL AND amount IS NOT NULL
                GROUP BY h HAVING count(*) > 1)
            GROUP BY hash(file, {column}))
        """
    ).fetchall()[0]


def choose_currency(header: str, counts: Counts, named: bool = True) -> str:
    """What to type where a column holds several currencies, or none in some rows."""
    most = next((code for code, _ in counts if code), "")
    other = next((code for code, _ in counts if code and code != most), "")
    one = f"{shown(header)} holds {listed(counts)}, and currencies are never added: choose one with {{only}}"
    if not other:
        return f"{one}, or data.currency= to count all as one"
    key = "" if named else f"data.currency={shlex.quote(header)} "
    return f"{one}, or give {key}data.rates.{other}=RATE" if other.isalpha() else one
