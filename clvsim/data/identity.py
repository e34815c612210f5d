"""Whose a row is: spellings of one id, rows under a placeholder, and an id that holds too many of the orders.

All of it works on the distinct ids of `raw`, and writes a row only where its id changes. Which rules, and why these:
docs/data.md.
"""

import shlex
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import duckdb

from clvsim.data.config import DataConfig
from clvsim.data.database import identifier, quoted
from clvsim.data.parse import Rules
from clvsim.data.quoting import yaml_word
from clvsim.data.raw import Loaded, covariate_keys
from clvsim.errors import Problem
from clvsim.types import QualityLine

_INVISIBLE = (
    r"[\x{00}-\x{08}\x{0e}-\x{1f}\x{7f}\x{ad}\x{180e}\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2060}-\x{2064}\x{feff}]"
)
_BLANKS = r"[\s\x{0b}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+"
_ADDRESS = r"[^@\s]+@[^@\s]+\.[^@\s]+"
_NUMBER = r"0*(\d+)([.,]0)?"  # one decimal: 1.000 may be a thousand
_SCIENTIFIC = r"\d([.,]\d+)?[eE]\+\d{2,3}"  # as spreadsheets write it; 5e12 is an id like others


_LONG_NUMBER = r"\d{16,19}"
_CUT = "regexp_full_match(k0[16:], '0+')"
_ENOUGH_CUT = 6  # ids, all of which end in a zero by chance once in a million


class _Fold(NamedTuple):
    """What spellings of one id differ in. `sql` takes it out of `$id`."""

    key: str
    label: str
    sql: str


_FOLDS = (
    _Fold(
        "fold_invisible",
        "Ids that differ only in invisible signs",
        f"regexp_replace($id, {quoted(_INVISIBLE)}, '', 'g')",
    ),
    _Fold("fold_unicode", "Ids that differ only in their Unicode form", "nfc_normalize($id)"),
    _Fold("fold_blanks", "Ids that differ only in blanks", f"trim(regexp_replace($id, {quoted(_BLANKS)}, ' ', 'g'))"),
    _Fold(
        "fold_case",
        "E-mail addresses that differ only in capitals",
        f"CASE WHEN regexp_full_match($id, {quoted(_ADDRESS)}) THEN nfc_normalize(lower($id)) ELSE $id END",
    ),
    _Fold(
        "fold_zeros",
        "Numbers that differ only in leading zeros or “.0”",
        f"CASE WHEN regexp_full_match($id, {quoted(_NUMBER)}) "
        f"THEN regexp_replace($id, {quoted(r'^0*(\d+?)([.,]0)?$')}, '\\1') ELSE $id END",
    ),
)

_LAST = f"k{len(_FOLDS)}"  # column of what all spellings of an id have in common

_PLACES = (  # in small letters, without accents
    *("guest", "guests", "guest user", "guest customer", "guest checkout", "guest order", "guest account"),
    *("gast", "gaste", "gastbestellung", "gastkunde", "gastkonto", "laufkunde", "laufkundschaft", "barverkauf"),
    *("invite", "client invite", "invitado", "ospite", "convidado", "hospede", "visitante", "walk in", "walk-in"),
    *("walk-in customer", "walk in customer", "cash customer", "cash sale", "no customer", "not registered"),
    *("anonymous", "anonym", "anonyme", "anonymus", "anonimo", "anonymized", "anonymised", "anonymisiert", "anon"),
    *("unknown", "unbekannt", "inconnu", "desconocido", "desconhecido", "sconosciuto", "onbekend", "not set"),
    *("n/a", "na", "#n/a", "n.a.", "k.a.", "none", "null", "nan", "undefined", "missing", "empty"),
    *("deleted", "deleted user", "redacted", "(none)", "(null)", "(not set)", "(unknown)", "<none>", "<na>", "<null>"),
)
_MAILBOXES = (
    *("guest", "guests", "gast", "invite", "invitado", "ospite", "anonymous", "anonym", "anonyme", "anon", "unknown"),
    *("noreply", "no-reply", "no_reply", "no.reply", "donotreply", "do-not-reply", "do_not_reply", "noemail"),
    *("no-email", "no_email", "nomail", "no-mail", "none", "null", "walkin", "walk-in", "nobody"),
)
_NOTHING = r"-?0+([.,]0)?|-1([.,]0)?|0+(-0+)+"  # 0, -1, and UUIDs of zeros
_SIGNS = r"[-–—_?.*#/ ]+"
_LEAST_SHARE, _LEAST_ROWS = 0.01, 20  # from which rows under a placeholder are asked about, and of a crowded id
_FEWEST_IDS = 100  # among fewer one may well stand out
_CROWDED = 5  # times the rows of the next id
_MOST_CROWDED = 5
_QUOTED = 3  # ids in a message
_LONGEST, _LONGEST_HEADER = 40, 100  # characters of an id and of a column's name in a message


def shown(customer_id: str) -> str:
    """An id as messages quote it: control characters as escapes, at most 40 characters of it."""
    return f"'{_cut(customer_id, _LONGEST)}'"


def _cut(text: str, longest: int) -> str:
    text = "".join(c if c.isprintable() else " " if c.isspace() else _escape(c) for c in text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _escape(sign: str) -> str:
    """A control character as it can be read, and nothing of other signs that nobody sees."""
    return f"\\x{ord(sign):02x}" if ord(sign) < 0xA0 else ""


def _row(con: duckdb.DuckDBPyConnection, sql: str) -> tuple:
    return con.execute(sql).fetchall()[0]


def one_spelling(customer_id: str) -> str:
    """SQL of what all spellings of an id have in common."""
    for fold in _FOLDS:
        customer_id = fold.sql.replace("$id", customer_id)
    return customer_id


# --- spellings -------------------------------------------------------------------------------------------------------


def fold_ids(con: duckdb.DuckDBPyConnection, config: DataConfig) -> tuple[list[QualityLine], list[Problem]]:
    """Give all spellings of an id in `raw` the one with the most rows; of equals, the smallest text.

    Creates `ids(id, n)`, the rows of each id then. Returns a reading per kind of difference, and a problem of ids whose
    digits a spreadsheet has rounded away. Under `fold=false` ids stay as they are and both are warnings. An id with one
    spelling stays as it is in any case.
    """
    steps = [f"{fold.sql.replace('$id', f'k{i}')} AS k{i + 1}" for i, fold in enumerate(_FOLDS)]
    spellings = "SELECT customer_id AS k0, count(*) AS n FROM raw WHERE customer_id IS NOT NULL GROUP BY customer_id"
    for step in steps:
        spellings = f"SELECT *, {step} FROM ({spellings})"
    con.execute(f"CREATE TEMP TABLE spellings AS {spellings}")
    if config.fold:  # an id of nothing but signs that nobody sees is missing
        con.execute(
            f"UPDATE raw SET customer_id = NULL WHERE customer_id IN (SELECT k0 FROM spellings WHERE {_LAST}='')"
        )
    there = f"WHERE {_LAST} <> ''" if config.fold else ""
    con.execute(f"CREATE OR REPLACE TEMP TABLE ids AS SELECT k0 AS id, n FROM spellings {there}")
    con.execute(f"DELETE FROM spellings WHERE {_LAST} = ''")
    ids, different = _row(con, f"SELECT count(*), count(DISTINCT {_LAST}) FROM spellings")
    lines, problems = _rounded(con, config)
    if different < ids:
        lines += _merge(con, ids, config) if config.fold else _apart(con, ids, different)
    if config.fold and different < ids:
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE ids AS SELECT arg_min(k0, (-n, k0)) AS id, sum(n)::BIGINT AS n "
            f"FROM spellings GROUP BY {_LAST}"
        )
    lines += _capitals(con)
    con.execute("DROP TABLE spellings")
    return lines, problems


def _merge(con: duckdb.DuckDBPyConnection, ids: int, config: DataConfig) -> list[QualityLine]:
    """Write the best spelling to `raw`, and to `failed`. Returns the readings."""
    lines = _merges(con, ids)
    for table in ("raw", *(["failed"] if config.failed else [])):
        con.execute(
            f"UPDATE {table} SET customer_id = best FROM spellings JOIN (SELECT {_LAST}, arg_min(k0, (-n, k0)) AS best "
            f"FROM spellings GROUP BY {_LAST} HAVING count(*) > 1) USING ({_LAST}) "
            "WHERE customer_id = k0 AND k0 <> best"
        )
    return lines


def _apart(con: duckdb.DuckDBPyConnection, ids: int, different: int) -> list[QualityLine]:
    kinds = "; ".join(f"{line.label}: {line.value.split(' merged')[0]}" for line in _merges(con, ids))
    what = f"{ids - different:,} would be merged → {different:,} customers"
    note = f"kept apart by data.fold=false. {kinds}"
    return [QualityLine("fold_off", "Ids that differ only in spelling", what, note, "warning")]


def _merges(con: duckdb.DuckDBPyConnection, ids: int) -> list[QualityLine]:
    """A line per kind of difference among the ids that are alike: what remains after each step of `_FOLDS`."""
    con.execute(
        f"CREATE TEMP TABLE alike AS SELECT * FROM spellings "
        f"WHERE {_LAST} IN (SELECT {_LAST} FROM spellings GROUP BY {_LAST} HAVING count(*) > 1)"
    )
    counts = _row(con, f"SELECT {', '.join(f'count(DISTINCT k{i})' for i in range(len(_FOLDS) + 1))} FROM alike")
    lines = []
    for i, fold in enumerate(_FOLDS):
        merged = counts[i] - counts[i + 1]
        if not merged:
            continue
        ids -= merged
        group = f"SELECT min(k{i}) AS a, max(k{i}) AS b FROM alike GROUP BY k{i + 1} HAVING a <> b ORDER BY a LIMIT 1"
        pair = con.execute(f"SELECT min(k0) FILTER (k{i} = a), min(k0) FILTER (k{i} = b) FROM alike, ({group})")
        first, second = (shown(text) for text in pair.fetchall()[0])
        note = f"e.g. {first} and {second}" if first != second else f"e.g. {first}"
        note += "; data.fold=false keeps them apart" if not lines else ""
        lines.append(QualityLine(fold.key, fold.label, f"{merged:,} merged → {ids:,} customers", note))
    con.execute("DROP TABLE alike")
    return lines


def _capitals(con: duckdb.DuckDBPyConnection) -> list[QualityLine]:
    """A warning where so many ids differ only in capitals that chance does not make it: they are kept apart, since ids
    of some systems do differ so."""
    ids, alike = _row(
        con,
        f"SELECT count(DISTINCT {_LAST}), count(DISTINCT lower({_LAST})) FROM spellings "
        f"WHERE lower({_LAST}) <> upper({_LAST}) AND NOT regexp_full_match({_LAST}, {quoted(_ADDRESS)})",
    )
    if ids - alike <= _LEAST_SHARE * ids:
        return []
    note = "kept apart, for in some systems they are different customers; if they are not, write them alike in the file"
    what = f"{ids - alike:,} of {ids:,}"
    return [QualityLine("capitals", "Ids that differ from another only in capitals", what, note, "warning")]


def _rounded(con: duckdb.DuckDBPyConnection, config: DataConfig) -> tuple[list[QualityLine], list[Problem]]:
    """Ids such as 1.23457E+11 that have several rows: of several customers, for all that is known. So are ids of more
    than 15 digits, of which a spreadsheet keeps no more, where all end in zeros."""
    long = f"regexp_full_match(k0, {quoted(_LONG_NUMBER)})"
    cut, in_all = _row(con, f"SELECT count(*) FILTER ({_CUT}), count(*) FROM spellings WHERE {long}")
    also = f" OR ({long})" if cut == in_all >= _ENOUGH_CUT else ""
    rounded = f"FROM spellings WHERE n > 1 AND (regexp_full_match(k0, {quoted(_SCIENTIFIC)}){also})"
    ids, rows = _row(con, f"SELECT count(*), coalesce(sum(n), 0) {rounded}")
    if not ids:
        return [], []
    examples = con.execute(f"SELECT k0 {rounded} ORDER BY n DESC, k0 LIMIT {_QUOTED}").fetchall()
    listed = ", ".join(shown(text) for (text,) in examples)
    what = f"{ids:,} {'id' if ids == 1 else 'ids'} in {rows:,} rows"
    why = "a spreadsheet has rounded them, and customers who differ in the lost digits became one: export ids as text"
    if config.fold:
        how = "end in zeros from the 16th digit on" if also else "in scientific notation"
        notation = how if also else f"{'is' if ids == 1 else 'are'} {how}"
        notation += f", e.g. {listed}"
        ask = f"{what} {notation}; {why} (data.fold=false takes them as they are)"
        return [], [Problem("data.customer_id", ask)]
    label = "Ids that a spreadsheet has rounded"
    return [QualityLine("rounded", label, what, f"e.g. {listed}; {why}", "warning")], []


# --- guests ----------------------------------------------------------------------------------------------------------


class _Placeholder(NamedTuple):
    customer_id: str | None  # None: missing
    rows: int
    is_number: bool  # may be a customer's id as well


def guests(
    con: duckdb.DuckDBPyConnection, loaded: Loaded, config: DataConfig, rules: Rules
) -> tuple[list[QualityLine], list[Problem]]:
    """Treat rows of `raw` under a placeholder (0, guest, unknown, noreply@…) as `data.guests` says.

    `rules`: day and amount of a row. Returns what was done, with a warning of other ids that hold too many rows; and a
    problem where nothing is typed but placeholders hold 1 % of the rows, and at least 20. A 0 or -1 is taken for a
    customer's own number unless it has more rows than any other id. A missing id is a placeholder where `apart` or
    `drop` is typed; otherwise it is unreadable.
    """
    _count_ids(con)
    rows, most = _row(con, "SELECT coalesce(sum(n), 0), max(n) FILTER (NOT placeholder) FROM ids")
    found = [
        _Placeholder(*row)
        for row in con.execute(
            "SELECT id, n, is_number FROM ids WHERE placeholder AND n > 0 ORDER BY n DESC, id NULLS LAST"
        ).fetchall()
    ]
    if config.guests in (None, "keep"):
        found = [p for p in found if p.customer_id is not None]
    doubtful = [p for p in found if not p.is_number or p.rows > (most or 0)]
    if config.guests is None and sum(p.rows for p in doubtful) >= _much(rows):
        lines, problems = [], [Problem("data.guests", _question(doubtful, rows))]
    else:
        lines, problems = _treat(con, config, rules, found, rows)
    lines += _crowded(con, loaded, rows)
    return lines, problems


def _count_ids(con: duckdb.DuckDBPyConnection) -> None:
    """Give `ids(id, n)` the columns `placeholder` and `is_number`, and a row of missing ids, if any of their rows has a
    date and an amount."""
    clean = "id"
    for fold in _FOLDS[:3]:
        clean = fold.sql.replace("$id", clean)
    box = f"regexp_full_match(word, {quoted(_ADDRESS)}) AND split_part(word, '@', 1) IN ({_list(_MAILBOXES)})"
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE ids AS
        SELECT id, n, coalesce(is_number OR word IN ({_list(_PLACES)})
            OR regexp_full_match(word, {quoted(_SIGNS)}) OR {box}, true) AS placeholder, is_number
        FROM (SELECT *, coalesce(regexp_full_match(word, {quoted(_NOTHING)}), false) AS is_number
            FROM (SELECT id, n, strip_accents(lower({clean})) AS word
                FROM (SELECT id, n FROM ids
                    UNION ALL SELECT NULL, count(*) FROM raw WHERE {_NOBODYS} HAVING count(*) > 0)))
        """
    )


_NOBODYS = "customer_id IS NULL AND date IS NOT NULL AND amount IS NOT NULL"


def _list(words: Sequence[str]) -> str:
    return ", ".join(quoted(word) for word in words)


def _much(rows: int) -> float:
    return max(_LEAST_ROWS, _LEAST_SHARE * rows)


def _share(found: list[_Placeholder], rows: int) -> tuple[str, str]:
    """How many rows the placeholders have, and which these are."""
    names = ", ".join("missing" if p.customer_id is None else shown(p.customer_id) for p in found[:_QUOTED])
    names += f" and {len(found) - _QUOTED:,} more" if len(found) > _QUOTED else ""
    theirs = sum(p.rows for p in found)
    return f"{theirs:,} of {rows:,} rows ({theirs / rows:.1%})", names


def _question(found: list[_Placeholder], rows: int) -> str:
    what, names = _share(found, rows)
    return (
        f"{what} have the id {names}, as guests have who buy without an account; type data.guests=apart (each order is "
        "a customer of its own), drop (they are left out) or keep (all are one customer)"
    )


def _treat(
    con: duckdb.DuckDBPyConnection, config: DataConfig, rules: Rules, found: list[_Placeholder], rows: int
) -> tuple[list[QualityLine], list[Problem]]:
    """Do what `data.guests` says."""
    label = "Rows under a placeholder instead of a customer"
    if missing := [p for p in found if p.customer_id is None]:
        label = "Rows without a customer" if missing == found else "Rows under a placeholder or without a customer"
    if not found:
        none = QualityLine("guests", label, "0", f"data.guests={config.guests} changes nothing")
        return ([none] if config.guests else []), []
    theirs = sum(p.rows for p in found)
    what, names = _share(found, rows)
    if config.guests == "drop" and theirs == rows:
        return [], [Problem("data.guests", f"drop leaves nothing: all {rows:,} rows have the id {names}")]
    level = "warning" if config.guests in ("apart", "keep") and theirs >= _much(rows) else "info"
    if config.guests == "drop":
        con.execute(f"DELETE FROM raw WHERE {_GUESTS}")
        note = "left out: their orders are in no figure"
    elif config.guests == "apart":
        customers, by_number = _part(con, rules)
        what += f" → {customers:,} customers"
        note = f"each {'order' if by_number else 'row'} is a customer of its own: guests who came back count as new, "
        note += "which makes customers look less loyal than they are"
        note += "" if by_number else "; data.order_id=COLUMN joins the rows of an order"
    else:
        note = "one customer for each; data.guests=apart or drop treats them otherwise"
    return [QualityLine("guests", label, what, f"{names}: {note}", level)], []


_GUESTS = f"(customer_id IN (SELECT id FROM ids WHERE placeholder) OR {_NOBODYS})"


def _part(con: duckdb.DuckDBPyConnection, rules: Rules) -> tuple[int, bool]:
    """Make a customer of each order under a placeholder. Returns how many, and whether orders have numbers.

    Without a number each row is an order, counted by day, amount and labels, so that rows may stand in any order; a
    refund belongs to the latest order of just its amount, where there is one.
    """
    prefix = "guest "
    while _row(con, f"SELECT count(*) FROM ids WHERE NOT placeholder AND starts_with(id, {quoted(prefix)})")[0]:
        prefix = "guest " + prefix
    columns = [name for name, *_ in con.execute("DESCRIBE raw").fetchall()]
    by_number = "order_id" in columns
    number, unnumbered = ("order_id", "row ") if by_number else ("NULL::VARCHAR", "")
    labels = ", ".join(identifier(name) for name in ("segment", "channel", *covariate_keys(columns), "fingerprint"))
    con.execute(
        f"""
        CREATE TEMP TABLE parted AS
        WITH theirs AS (
            SELECT rowid AS r, {number} AS number, ({rules.day}) AS on_day, ({rules.amount}) AS paid,
                row_number() OVER (
                    ORDER BY {number} IS NOT NULL, coalesce(paid < 0, false), on_day, paid, {labels}) AS position
            FROM raw WHERE {_GUESTS}
        ), sales AS (
            SELECT paid, on_day, max(position) AS position FROM theirs
            WHERE number IS NULL AND paid > 0 AND on_day IS NOT NULL GROUP BY ALL
        )
        SELECT t.r, {quoted(prefix)} || coalesce(
            t.number, '{unnumbered}' || format('{{:04d}}', coalesce(s.position, t.position))) AS name
        FROM theirs t ASOF LEFT JOIN sales s ON s.paid = -t.paid AND s.on_day <= t.on_day
        """
    )
    con.execute("UPDATE raw SET customer_id = name FROM parted WHERE raw.rowid = r")
    customers = _row(con, "SELECT count(DISTINCT name) FROM parted")[0]
    con.execute("DROP TABLE parted")
    return customers, by_number


# --- one id with too much --------------------------------------------------------------------------------------------


def _crowded(con: duckdb.DuckDBPyConnection, loaded: Loaded, rows: int) -> list[QualityLine]:
    """A warning of ids that are no placeholders but have five times the rows of the next one, and 1 % of all.

    Rates that are Gamma, as all models have them, hardly ever bring that about (docs/data.md).
    """
    leaders = con.execute(
        f"SELECT id, n FROM ids WHERE NOT placeholder ORDER BY n DESC, id LIMIT {_FEWEST_IDS}"
    ).fetchall()
    number = crowd_size([n for _, n in leaders], rows)
    if not number:
        return []
    crowd, next_rows = leaders[:number], leaders[number][1]
    value = ", ".join(f"{shown(who)}: {n:,} rows ({n / rows:.1%})" for who, n in crowd[:_QUOTED])
    header = dict(loaded.columns)["customer_id"]
    ids = ", ".join(yaml_word(_cut(who, _LONGEST)) for who, _ in crowd)
    leave_out = shlex.quote(f"{{{yaml_word(_cut(header, _LONGEST_HEADER))}: [{ids}]}}")
    note = (
        f"no other id has more than {next_rows:,}: a till, a reseller or a test, hardly a customer like others; "
        f"data.without={leave_out} leaves {'it' if len(crowd) == 1 else 'them'} out"
    )
    return [QualityLine("crowded", "An id with an implausible share of the rows", value, note, "warning")]


def crowd_size(leaders: Sequence[int], rows: int) -> int:
    """How many of the ids with the most rows, in falling order, stand out; 0 among fewer than 100."""
    if len(leaders) < _FEWEST_IDS:
        return 0
    least = _much(rows)
    steps = enumerate(pairwise(leaders[: _MOST_CROWDED + 1]), 1)
    return max((i for i, (this, then) in steps if this >= max(least, _CROWDED * then)), default=0)
