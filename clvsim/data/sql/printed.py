"""The statements as text, to be run elsewhere: in a warehouse, or as a model of dbt. Nothing is connected to."""

from datetime import date

from clvsim import clock
from clvsim.anniversaries import day_number
from clvsim.data.config import SqlConfig
from clvsim.data.sql import statements
from clvsim.data.sql.dialects import DIALECT_OF, DIALECTS
from clvsim.data.sql.libraries import transpiled
from clvsim.data.sql.statements import AsOf, Source
from clvsim.errors import ConfigError, Problem

_NEEDED = {
    "table": "the table or view that holds the orders",
    "customer_id": "a column; nothing is connected to, so none is guessed",
    "date": "a column; nothing is connected to, so none is guessed",
    "amount": "a column; nothing is connected to, so none is guessed",
    "today": "the day up to which orders count, e.g. data.today=2025-12-31",
}


def printed(config: SqlConfig) -> str:
    """All statements in `config.dialect`, or that of its address, a comment before each.

    Raises ConfigError with every key that is missing.
    """
    dialect = config.dialect or DIALECT_OF.get(str(config.url).partition("://")[0].casefold())
    problems = [
        Problem(f"data.{key}", f"data.print_sql=true needs {what}")
        for key, what in _NEEDED.items()
        if getattr(config, key) is None
    ]
    if config.table and not statements.parts_of(config.table):
        problems.append(Problem("data.table", "is no name of a table"))
    if dialect is None:
        problems.append(Problem("data.dialect", f"in which dialect? {', '.join(DIALECTS)}"))
    if problems or dialect is None or config.today is None:
        raise ConfigError(problems)
    columns = (str(config.customer_id), str(config.date), str(config.amount))
    source = Source(statements.parts_of(str(config.table)), *columns, dialect)
    today = day_number(config.today)
    as_of = AsOf(today, today, refunds=True)
    cut = day_number(config.calibration_end) if isinstance(config.calibration_end, date) else today
    now = day_number(clock.today())
    texts = {
        "What is wrong with the rows, and their sums: one row": statements.counts(source, now, today),
        "Rows that are there more than once: one row": statements.duplicates(source),
        "What refunds change: one row": statements.refunded(source, as_of),
        "Customers: a row each": statements.customers(source, [as_of]),
        "Distinct histories of orders: no ids": statements.histories(source, as_of),
        "Repeat orders by day": statements.days(source, [as_of], cut),
    }
    amounts = f"; amounts are in units of 1/{source.way.scale:,}, but for floating ones" if source.way.scale > 1 else ""
    head = f"-- {dialect}, as of {config.today}; days are counted from 1970-01-01{amounts}"
    written = (f"-- {title}\n{transpiled(text, dialect, pretty=True)};" for title, text in texts.items())
    return "\n\n".join([head, *written])
