"""The one door to SQLAlchemy, sqlglot and psycopg, which only the extra `sql` installs; each is imported when needed.

Their own messages may hold credentials, values or SQL, so they are read for what they mean and never shown.
"""

import importlib
import logging
import sqlite3
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

from clvsim.data.sql.addresses import Address
from clvsim.errors import ClvsimError, ConfigError, DataError

if TYPE_CHECKING:
    import sqlalchemy as sa

MISSING = "needs packages that are not installed; type pip install 'clvsim[sql]'"
_SETTINGS = (  # of the one transaction; any user may set them
    "TIME ZONE 'UTC'",
    "work_mem = '256MB'",  # for each sort, which on disk takes twice the time
    "jit = off",  # compiling a statement of a hundred sums takes longer than it saves
    "max_parallel_workers_per_gather = 0",  # groups are almost as many as rows: putting them together costs more
)
SNAPSHOT = "SELECT pg_export_snapshot()"
SECONDS = 10  # for a server to answer
_AGAIN_SECONDS = 0.2  # between tries to stop a statement
_FEW, _MOST_NAMES = 10, 100_000  # names in a message; names that are looked at
_BATCH = 50_000  # rows at a time


def library(name: str) -> Any:
    """One of the packages of the extra. Raises ConfigError where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ConfigError([("data=sql", MISSING)]) from None


def transpiled(text: str, dialect: str, *, pretty: bool = False) -> str:
    """A statement in a dialect, all its names quoted; an error of ours where the dialect cannot say it.

    What it is ordered by is never NULL, so that nothing is said of NULL: PostgreSQL would sort the same rows again.
    """
    sqlglot = library("sqlglot")
    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
    small = sqlglot.Dialect.get_or_raise(dialect).NULL_ORDERING == "nulls_are_small"
    try:
        parsed = sqlglot.parse_one(text)
        for ordered in parsed.find_all(sqlglot.expressions.Ordered):
            ordered.set("nulls_first", small)
        return parsed.sql(dialect, identify=True, unsupported_level=sqlglot.ErrorLevel.RAISE, pretty=pretty)
    except sqlglot.errors.SqlglotError:
        raise ConfigError([("data.table", "the names of the table and its columns cannot be written in SQL")]) from None


class Reader:
    """A connection in one read-only transaction, and one `beside` it that sees the same rows, where there is one;
    `fetched` counts the rows that came through both, by statement."""

    def __init__(self, connection: "sa.Connection", dialect: str, beside: "sa.Connection | None" = None) -> None:
        self._connection, self.dialect = connection, dialect
        self._beside = None if beside is None else Reader(beside, dialect)
        self.fetched: dict[str, int] = {} if self._beside is None else self._beside.fetched

    def together[A, B](self, first: Callable[["Reader"], A], second: Callable[["Reader"], B]) -> tuple[A, B]:
        """What each gets from a reader: at the same time where there are two connections."""
        beside = self._beside
        if beside is None:
            return first(self), second(self)
        with ThreadPoolExecutor(2) as pool:
            here, there = pool.submit(first, self), pool.submit(second, beside)
            both: list[Future[Any]] = [here, there]
            try:
                for one in wait(both, return_when=FIRST_EXCEPTION).done:
                    one.result()  # raises what went wrong first
                return here.result(), there.result()
            finally:  # what has not begun yet, or just then begins another statement, is not stopped by the first try
                for reader, one in zip((self, beside), both, strict=True):
                    while not one.done():
                        reader.cancel()
                        wait([one], timeout=_AGAIN_SECONDS)

    def cancel(self) -> None:
        """Have the server stop what it is answering here."""
        driver: Any = self._connection.connection.driver_connection
        with suppress(Exception):  # of a connection that is lost
            driver.cancel_safe(timeout=SECONDS)

    def rows(self, name: str, text: str, *, in_order: bool = False) -> tuple[Sequence[str], Iterator[Sequence[tuple]]]:
        """The names of a statement's columns, and its rows in batches; `in_order`: whether all of it goes through the
        customers in their order, so that a server that sorts first sorts once."""
        statement = transpiled(text, self.dialect)
        if self.dialect != "postgres":
            result = self._connection.exec_driver_sql(statement)
            return list(result.keys()), self._counted(name, result.partitions(_BATCH))
        self._connection.exec_driver_sql(f"SET LOCAL enable_hashagg = {'off' if in_order else 'on'}")
        cursor = self._connection.connection.cursor()
        rows = cursor.stream(statement, size=_BATCH if _in_chunks() else 1)
        first = list(islice(rows, _BATCH))
        return [column[0] for column in cursor.description], self._counted(name, _batches(first, rows))

    def _counted(self, name: str, batches: Iterable[Sequence[tuple]]) -> Iterator[Sequence[tuple]]:
        for batch in batches:
            self.fetched[name] = self.fetched.get(name, 0) + len(batch)
            yield batch

    def row(self, name: str, text: str, *, in_order: bool = False) -> dict[str, Any]:
        """The only row of a statement, by column."""
        names, batches = self.rows(name, text, in_order=in_order)
        return dict(zip(names, next(iter(batches))[0], strict=True))

    def columns(self, table: Sequence[str]) -> dict[str, str]:
        """What each column of a table or view is, by name: date, time, zoned, whole, number, real, text or other.

        Raises ConfigError, with the names that there are, for a table that is not there.
        """
        sa = library("sqlalchemy")
        look, (*schemas, name) = sa.inspect(self._connection), table
        schema = schemas[-1] if schemas else None
        try:
            found = look.get_columns(name, schema=schema)
        except sa.exc.NoSuchTableError:
            found = []
        if not found:
            raise ConfigError([("data.table", f"no table or view {'.'.join(table)!r}; {_tables(look, schema)}")])
        return {str(column["name"]): _kind(sa, column["type"]) for column in found}


def _batches(first: Sequence[tuple], rows: Iterator[tuple]) -> Iterator[Sequence[tuple]]:
    while first:
        yield first
        first = list(islice(rows, _BATCH))


def _in_chunks() -> bool:
    """Whether libpq takes several rows at a time, as it does from 17 on."""
    return library("psycopg").pq.version() >= 170_000


def _tables(look: Any, schema: str | None) -> str:
    names = [*look.get_table_names(schema), *look.get_view_names(schema)]
    with suppress(NotImplementedError):  # by SQLite
        names += look.get_materialized_view_names(schema)
    listed = ", ".join(sorted(names[:_MOST_NAMES])[:_FEW])
    where = f"schema {schema}" if schema else "the database"
    if not names:
        return f"{where} has none that this user may see"
    return f"{where} has {listed}" + (f" and {len(names) - _FEW:,} more" if len(names) > _FEW else "")


def _kind(sa: Any, column_type: Any) -> str:
    types = sa.types
    if isinstance(column_type, types.DateTime):
        return "zoned" if column_type.timezone else "time"
    kinds = ((types.Date, "date"), (types.Float, "real"), (types.Numeric, "number"), (types.Integer, "whole"))
    return next((kind for one, kind in (*kinds, (types.String, "text")) if isinstance(column_type, one)), "other")


@contextmanager
def reading(address: Address) -> Generator[Reader]:
    """A reader of what an address names, all of whose statements see the same rows.

    Raises ConfigError or DataError, one line each, for whatever the libraries raise.
    """
    sa = library("sqlalchemy")
    errors = _errors(sa, address.dialect)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of types that are not known, in words of theirs
        connection = beside = None
        try:
            engine = _engine(sa, address)
            connection = engine.connect()
            _begin(connection, address.dialect)
            beside = _beside(connection, errors) if address.dialect == "postgres" else None
        except ClvsimError:
            raise
        except Exception as error:
            if connection is not None:
                connection.close()
            raise ConfigError([(address.key, why_not_reached(error, address.dialect))]) from None
        try:
            yield Reader(connection, address.dialect, beside)
        except ClvsimError:
            raise
        except (*errors, OSError) as error:
            raise DataError([("data.table", why_not_read(error))]) from None
        finally:
            if beside is not None:
                beside.close()
            connection.close()
            engine.dispose()


def _beside(connection: "sa.Connection", errors: tuple[type[Exception], ...]) -> "sa.Connection | None":
    """Another connection to a server that sees the rows of this transaction, in which nothing was read yet; None where
    it gives none, which costs time only."""
    try:
        snapshot = connection.exec_driver_sql(SNAPSHOT).scalar()
    except errors:
        connection.rollback()
        _begin(connection, "postgres")
        return None
    other = None
    try:
        other = connection.engine.connect()
        _begin(other, "postgres", str(snapshot))
    except errors:
        if other is not None:
            other.close()
        return None
    return other


def _errors(sa: Any, dialect: str) -> tuple[type[Exception], ...]:
    """What SQLAlchemy and the driver raise."""
    return sa.exc.SQLAlchemyError, library("psycopg").Error if dialect == "postgres" else sqlite3.Error


def _engine(sa: Any, address: Address) -> Any:
    shared = {"poolclass": sa.pool.NullPool, "hide_parameters": True}
    if address.dialect == "sqlite":
        return sa.create_engine(
            "sqlite://", creator=lambda: sqlite3.connect(address.file_uri, uri=True, timeout=SECONDS), **shared
        )
    url = sa.engine.make_url(address.url).set(drivername="postgresql+psycopg")
    own = {"connect_timeout": SECONDS, "application_name": "clvsim", "client_encoding": "utf8"}
    args = {key: value for key, value in own.items() if key not in url.query}
    return sa.create_engine(url, connect_args=args, **shared)


def _begin(connection: "sa.Connection", dialect: str, snapshot: str = "") -> None:
    """Start the transaction: of one moment, that of `snapshot` where there is one, and unable to write. A file is
    opened read-only as well."""
    if dialect == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only = ON")
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()  # reads the file
        return
    connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    if snapshot:
        connection.exec_driver_sql(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
    for setting in _SETTINGS:
        connection.exec_driver_sql(f"SET LOCAL {setting}")


_UNREACHED = (  # what a library says, and what it means; the first that fits
    ("not a database", "the file is no SQLite database"),
    ("locked", "the file is being written by somebody else"),
    ("unable to open", "the file cannot be opened"),
    ("password authentication failed", "the server refuses the user or the password"),
    ("no password supplied", "the server asks for a password: by data.url_env, data.url_file, PGPASSWORD or ~/.pgpass"),
    ("authentication failed", "the server refuses the user or the password"),
    ("role ", "the server knows no such user"),
    ("no pg_hba.conf entry", "the server lets this user in from elsewhere only, or with encryption"),
    ("database ", "the server has no database of that name"),
    ("too many", "the server has no connection left"),
    ("ssl", "the server and this machine do not agree on encryption"),
    ("translate host", "there is no server of that name"),
    ("resolve host", "there is no server of that name"),
    ("not known", "there is no server of that name"),
    ("timeout", "the server does not answer"),
)
_SERVER = "nobody answers at this address; is the server running, and are host and port right?"


def why_not_reached(error: BaseException, dialect: str) -> str:
    """Why there is no connection, in our words."""
    text = str(getattr(error, "orig", None) or error).casefold()
    text = text.partition("failed: ")[2] or text  # of libpq, before which the host and the port are named
    unknown = _SERVER if dialect == "postgres" else "the file cannot be read as a SQLite database"
    return next((words for sign, words in _UNREACHED if sign in text), unknown)


_STATES = (  # beginnings of SQLSTATE
    ("42501", "the user may not read the table"),
    ("25006", "reading it would write, which a read-only transaction does not"),
    ("57014", "the server has cancelled a statement that took too long, or somebody has"),
    ("53", "the server has no memory, disk or connection left for it"),
    ("54", "a statement is too large for the server"),
    ("57", "the server is shutting down"),
    ("08", "the connection was lost"),
    ("22", "a date or an amount is outside of what these types hold; leave it out in a view"),
    ("42804", "a column is of a type that is no date or number; convert it in a view"),
    ("42883", "a column is of a type that is no date or number; convert it in a view"),
    ("42", "a column or function that is needed is not there; is it a table of orders?"),
    ("XX", "the server had an internal error"),
)
_READ = (
    ("overflow", "sums of amounts are too large for the database"),
    ("malformed", "the database file is damaged"),
    ("not a database", "the file is no SQLite database"),
    ("locked", "the file is being written by somebody else"),
    ("closed", "the connection was lost"),
    ("utf-8", "a text is not UTF-8"),
)


def why_not_read(error: BaseException) -> str:
    """Why a statement failed, in our words."""
    cause = getattr(error, "orig", None) or error
    state = str(getattr(cause, "sqlstate", None) or "")
    text = str(cause).casefold()
    found = next((words for begin, words in _STATES if state.startswith(begin)), "") if state else ""
    return found or next((words for sign, words in _READ if sign in text), "the database could not answer")
