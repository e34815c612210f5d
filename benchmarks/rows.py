"""`python benchmarks/rows.py [ROWS] [parquet | database]`: a log of many rows → what the models see of it.

Of a made-up log by day of a customer for each 25 rows, 51 million without a number: a file of Parquet, read and
summarized, or a table of a PostgreSQL that is started for it, of which a tenth of the rows is enough. Seconds, and the
most memory of the process.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clvsim.data.config import SqlConfig
from clvsim.data.read import read_transactions
from clvsim.data.sql.material import material_of_table
from clvsim.data.summary import summarize

ROWS, DAYS, FIRST_DAY = 51_000_000, 1095, 18_628  # 2021-01-01
PART = 1_000_000
COLUMNS = "customer_id TEXT, date DATE, amount NUMERIC(12, 2)"


def made(rows: int) -> Generator[pa.Table]:
    """Rows by day, in parts; customers differ in how often they order and in how much they spend."""
    r = np.random.default_rng(5)
    rate = r.gamma(0.8, 1, max(rows // 25, 2))
    who = r.choice(rate.size, rows, p=rate / rate.sum())
    day = np.sort(r.integers(0, DAYS, rows)).astype(np.int32) + FIRST_DAY
    level = 15.44 / r.gamma(3.74, 1, rate.size)
    ids = pa.array(np.char.add("c", np.arange(rate.size).astype(str)))
    for first in range(0, rows, PART):
        some = who[first : first + PART]
        dates = pa.array(day[first : first + PART]).cast(pa.date32())
        amount = np.round(r.gamma(6.25, 1, some.size) * level[some], 2)
        yield pa.table({"customer_id": ids.take(pa.array(some)), "date": dates, "amount": amount})


@contextmanager
def line(name: str) -> Generator[None]:
    began = time.perf_counter()
    yield
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{name:<12} {time.perf_counter() - began:6.1f} s  {most:5.2f} GB", flush=True)


def parquet(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        parts = made(rows)
        first = next(parts)
        with pq.ParquetWriter(log := Path(folder) / "log.parquet", first.schema) as writer:
            writer.write_table(first)
            for part in parts:
                writer.write_table(part)
        del parts, first
        with line("all"):
            with line("read"):
                read = read_transactions(log)
            with line("summarize"):
                summarize(read, hashed=False)


def database(rows: int) -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from tests.data.postgres import server

    with server() as here, tempfile.TemporaryDirectory() as folder:
        here.execute(f"CREATE TABLE log ({COLUMNS})")
        with here.connection() as connection, connection.cursor().copy(b"COPY log FROM STDIN") as copy:
            for part in made(rows):
                copy.write("".join(map("{}\t{}\t{}\n".format, *(column.to_pylist() for column in part.columns))))
        here.execute("VACUUM ANALYZE log")
        (address := Path(folder) / "address").write_text(here.whole_url)
        address.chmod(0o600)
        config = SqlConfig(url_file=str(address), table="log")
        for name, brief in {"of a run": False, "of a check": True}.items():
            with line(name):
                material_of_table(config, brief=brief)


if __name__ == "__main__":
    words = dict.fromkeys(sys.argv[1:])
    rows = next((int(word) for word in words if word.isdigit()), ROWS)
    for name, work in {"parquet": parquet, "database": database}.items():
        if name in words or not words.keys() & {"parquet", "database"}:
            work(rows)
