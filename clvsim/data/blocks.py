"""Tables of orders by customer and day as arrays, some customers at a time and several parts at once."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import duckdb
import numpy as np
import pyarrow as pa

_AT_ONCE = 1_000_000  # rows
_THREADS = 4  # at most, each with some 200 MB
_DIGITS = 18  # of decimals that 64 bits hold


class Block(NamedTuple):
    """Rows of some customers: their numbers and days since 1970, int64, both ascending, and an amount; each (row,)."""

    customer: np.ndarray
    day: np.ndarray
    amount: np.ndarray


def by_block[T](con: duckdb.DuckDBPyConnection, table: str, work: Callable[[Block], T]) -> Iterator[T]:
    """What `work` makes of each part of a table, in the order of customers; parts are never empty.

    An `amount` is a decimal and counted in units of its last place: int64 of up to 18 digits, else float64. Memory is
    bounded by the size of a few parts, or of the customer with the most rows.
    """
    rows, customers = con.execute(f"SELECT count(*), coalesce(max(customer) + 1, 0) FROM {table}").fetchall()[0]
    search_path = con.execute("SELECT current_setting('search_path')").fetchall()[0][0]
    parts = max(-(-rows // _AT_ONCE), 1)
    columns = "customer, (day - DATE '1970-01-01')::INTEGER AS day, amount"

    def done(first: int, end: int) -> list[T]:
        own = con.cursor()
        own.execute(f"SET search_path = '{search_path}'")
        some = own.sql(f"SELECT {columns} FROM {table} WHERE customer >= {first} AND customer < {end}").to_arrow_table()
        own.close()
        return [work(_sorted(*(_values(column) for column in some.columns)))] if some.num_rows else []

    threads = min(os.cpu_count() or 1, _THREADS)
    waiting: deque[Future[list[T]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for first, end in pairwise(customers * part // parts for part in range(parts + 1)):
            waiting.append(pool.submit(done, first, end))
            if len(waiting) > threads:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def starts_of(customer: np.ndarray, *more: np.ndarray) -> np.ndarray:
    """Positions at which a customer begins, or another value of one of the other arrays, (run,)."""
    new = np.diff(customer, prepend=-1) != 0
    for values in more:
        new[1:] |= np.diff(values) != 0
    return np.flatnonzero(new)


def _values(column: pa.ChunkedArray) -> np.ndarray:
    """Numbers of a column; of decimals in units of their last place, as int64 where all of the type fit, else as the
    nearest float64."""
    if not pa.types.is_decimal128(column.type):
        return column.to_numpy()
    whole = pa.concat_arrays(column.chunks)
    words = np.frombuffer(whole.buffers()[1], np.int64).reshape(-1, 2)[whole.offset : whole.offset + len(whole)]
    low, high = words.T
    if column.type.precision <= _DIGITS:
        return low
    values = low.astype(np.float64)
    wide = high != low >> 63
    values[wide] = high[wide] * 2.0**64 + low[wide].view(np.uint64)
    return values


def _sorted(customer: np.ndarray, day: np.ndarray, amount: np.ndarray) -> Block:
    customer, day = customer.astype(np.int64), day.astype(np.int64)
    step = np.diff(customer)
    if not (step < 0).any() and not ((step == 0) & (np.diff(day) < 0)).any():
        return Block(customer, day, amount)
    order = np.lexsort((day, customer))  # where refunds put some customers last
    return Block(customer[order], day[order], amount[order])
