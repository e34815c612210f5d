"""From the rows of a log, `entries`, to one row per customer and day, `days`."""

import duckdb
import numpy as np
import pyarrow as pa

from clvsim.data.blocks import Block, by_block, starts_of

_LOW = 32  # bits
_MOST = 2**63  # that 64 bits with a sign do not hold


def merge_days(con: duckdb.DuckDBPyConnection) -> None:
    """Create `days(customer, day, orders, ordered, refunded)` of `entries`, which are sorted by customer and day.

    `orders`: rows that are no refunds, `ordered`: their money, `refunded`: that of the others, positive.
    """
    con.execute(
        "CREATE TABLE days (customer INTEGER, day DATE, orders BIGINT, ordered DECIMAL(38,4), refunded DECIMAL(38,4))"
    )
    for days in by_block(con, "entries", _days):
        con.register("some_days", days)
        con.execute("INSERT INTO days SELECT * FROM some_days")
        con.unregister("some_days")


def _days(rows: Block) -> pa.Table:
    new = starts_of(rows.customer, rows.day)
    ordered = np.maximum(rows.amount, 0)
    columns = {
        "customer": rows.customer[new].astype(np.int32),
        "day": pa.array(rows.day[new].astype(np.int32)).cast(pa.date32()),
        "orders": np.add.reduceat((rows.amount >= 0).astype(np.int64), new),
        "ordered": _totals(ordered, new),
        "refunded": _totals(ordered - rows.amount, new),
    }
    return pa.table(columns)


def _totals(amount: np.ndarray, starts: np.ndarray) -> pa.Array:
    """Sums of ten-thousandths of at least 0 as decimals, exact however large: of both halves of their bits."""
    words = np.zeros((starts.size, 2), np.int64)
    if int(amount.max()) * amount.size < _MOST:
        words[:, 0] = np.add.reduceat(amount, starts)
    else:
        high, low = (np.add.reduceat(half, starts) for half in (amount >> _LOW, amount & (2**_LOW - 1)))
        high += low >> _LOW
        words[:, 0], words[:, 1] = high << _LOW | low & (2**_LOW - 1), high >> _LOW
    return pa.Array.from_buffers(pa.decimal128(38, 4), starts.size, [None, pa.py_buffer(words)])
