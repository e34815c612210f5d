"""`data=sql` from the shell: a run without an order in the client, statements to print, and no secret anywhere."""

import datetime as dt
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import pytest

from clvsim.changes import Side
from clvsim.config import RunConfig
from clvsim.data.config import SqlConfig
from clvsim.stages.bridge import summary_again
from tests.cli.shell import ORDERS, assert_refused, tree
from tests.data.postgres import Server

ROWS = [line.split(",") for line in ORDERS.splitlines()[1:]]
COLUMNS = ("data.customer_id=customer_id", "data.date=date", "data.amount=amount")
SHOP = ("data=sql", "data.url=sqlite:///shop.db", "data.table=orders")
BRIEF = ("fit.method=map", "out=r")


@pytest.fixture
def shop(here: Path) -> Path:
    with closing(sqlite3.connect(here / "shop.db")) as con, con:
        con.execute("CREATE TABLE orders (customer_id TEXT, date TEXT, amount NUMERIC)")
        con.executemany("INSERT INTO orders VALUES (?, ?, ?)", ROWS)
    return here


def test_a_table_is_checked_like_a_file(clvsim, shop):
    done = clvsim("check", *SHOP)
    assert done.returncode == 0, done.stderr
    assert done.stderr == (
        "clvsim: columns guessed: data.customer_id='customer_id', data.date='date', data.amount='amount'\n"
    )
    (shop / "orders.csv").write_text(ORDERS)
    of_file = clvsim("check", "orders.csv", *COLUMNS, "--all").stdout.splitlines()
    of_table = clvsim("check", *SHOP, *COLUMNS, "--all").stdout.splitlines()
    assert {line for line in of_file if line not in of_table} <= {line for line in of_file if "clvsim run" in line}
    assert any(line.startswith("  Counted in the database") for line in of_table)


def test_a_wrong_password_is_a_line_and_no_password_is_shown(clvsim, here: Path, postgres: Server):
    postgres.fill("orders", "customer_id TEXT, date DATE, amount NUMERIC", ROWS)
    words = ("check", "data=sql", "data.url_env=SHOP", "data.table=orders")
    done = clvsim(*words, "--json", SHOP=postgres.whole_url)
    assert done.returncode == 0, done.stderr
    assert postgres.password not in done.stdout + done.stderr
    refused = clvsim(*words, SHOP=postgres.whole_url.replace(postgres.password, "swordfish"))
    assert_refused(refused, 2, "data.url_env: the server refuses the user or the password")
    assert "swordfish" not in refused.stderr
    assert tree(here) == {}


@pytest.mark.slow
def test_a_run_keeps_nothing_of_a_password(clvsim, here: Path, postgres: Server):
    postgres.fill("orders", "customer_id TEXT, date DATE, amount NUMERIC", ROWS)
    done = clvsim("fit", "data=sql", "data.url_env=SHOP", "data.table=orders", *BRIEF, SHOP=postgres.whole_url)
    assert done.returncode == 0, done.stderr
    kept = {name: content for name, content in tree(here).items() if content}
    assert "r/run.json" in kept
    secret = postgres.password
    assert not [name for name, content in kept.items() if secret.encode() in content]
    assert secret not in done.stdout + done.stderr


SMALL = ("fit.method=map", "simulation.draws=40", "simulation.horizon_months=6", "scenarios=[]")


def made_up_orders(price: str = "") -> list[tuple[str, str, str]]:
    """Orders of 120 customers over two years, in cents or of one price; enough that some are held back as a check."""
    rng = np.random.default_rng(11)
    rows = []
    for number in range(120):
        day = dt.date(2022, 1, 1) + dt.timedelta(days=int(rng.integers(0, 400)))
        for _ in range(1 + int(rng.geometric(0.25))):
            rows.append((f"c{number:03d}", str(day), price or f"{int(rng.integers(500, 9000)) / 100:.2f}"))
            day += dt.timedelta(days=1 + int(rng.exponential(45)))
    return [row for row in rows if row[1] < "2024-01-01"]


@pytest.mark.parametrize("price", ["20", ""], ids=["one price", "amounts"])
def test_a_run_on_a_server_is_the_run_on_the_file(clvsim, here: Path, postgres: Server, price: str):
    """The same table of results: byte for byte where models learn from whole numbers, to 1e-6 from sums of logs, which
    a database rounds."""
    rows = made_up_orders(price)
    postgres.fill("orders", "customer_id TEXT, date DATE, amount NUMERIC(10, 2)", rows)
    lines = (",".join(row) for row in [("customer_id", "date", "amount"), *rows])
    (here / "orders.csv").write_text("\n".join(lines) + "\n")
    words = (*COLUMNS, *SMALL, *(["spend=fixed_price"] if price else []))
    of_file = clvsim("run", "orders.csv", *words, "out=file")
    assert of_file.returncode == 0, of_file.stderr
    of_table = ("run", "data=sql", "data.url_env=SHOP", "data.table=orders", *words, "out=table")
    done = clvsim(*of_table, SHOP=postgres.whole_url)
    assert done.returncode == 0, done.stderr
    ours, theirs = (here / f"{name}/comparison.csv" for name in ("table", "file"))
    if price:
        assert ours.read_bytes() == theirs.read_bytes()
    else:
        pd.testing.assert_frame_equal(pd.read_csv(ours), pd.read_csv(theirs), rtol=1e-6, atol=1e-9)
    kept = {name: content or b"" for name, content in tree(here / "table").items()}
    assert {"report.html", "run.json", "posterior.nc"} <= set(kept)
    assert not [name for name, content in kept.items() if postgres.password.encode() in content]


@pytest.mark.parametrize("key", ["data.url", "data.ulr", "+data.url", "data.table"])
def test_a_typed_password_is_refused_and_not_repeated(clvsim, here, key):
    address = f"{key}=postgresql://me:swordfish@localhost/shop"
    done = clvsim("run", "data=sql", "data.table=orders", address, "out=r")
    assert done.returncode == 2
    assert "swordfish" not in done.stdout + done.stderr
    assert tree(here) == {}


def test_statements_are_printed_and_nothing_is_read(clvsim, here):
    words = ("data=sql", "data.table=orders", *COLUMNS, "data.today=2024-06-01", "data.print_sql=true")
    for stage in ("check", "run", "validate"):
        done = clvsim(stage, *words, "data.dialect=snowflake")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("-- snowflake, as of 2024-06-01; days are counted from 1970-01-01\n")
    assert clvsim("check", *words, "data.url=postgresql://me@localhost/shop").stdout.startswith("-- postgres,")
    assert_refused(clvsim("check", *words), 2, "data.dialect: in which dialect?")
    assert tree(here) == {}


def test_what_makes_no_sense_is_refused_with_the_reason(clvsim, shop):
    words = {
        "data.segment=x": "counts orders by customer alone",
        "data.without={a: [b]}": "which rows are sales is said in SQL; a view",
        "data.guests=drop": "ids of a database are taken as they are; a view",
        "data.refunds=drop": "negative amounts are refunds",
        "data.path=x.csv": "is for files; data=sql reads a table",
    }
    assert_refused(clvsim("check", *SHOP, *words), 2, *words.values())
    assert_refused(clvsim("check", *SHOP, "retention=bg_bb"), 2, "models of periods and of contracts need the days")
    address = "data.url=postgresql://me@127.0.0.1:1/shop?sslmode=disable"
    assert_refused(clvsim("check", "data=sql", address, "data.table=orders"), 2, "data.url: nobody answers")
    assert_refused(
        clvsim("check", *SHOP, "data.table=nothing"), 2, "no table or view 'nothing'; the database has orders"
    )
    assert_refused(clvsim("check", *SHOP, "data.url=sqlite:///no.db"), 2, "data.url: no file 'no.db'")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://me@db.example.org/shop", "postgresql://…"),
        ("postgresql://db.example.org/shop", "postgresql://db.example.org/shop"),
        ("postgresql:///shop?host=db.example.org", "postgresql://…"),
        ("postgresql+psycopg://me:secret@db.example.org/shop", "postgresql+psycopg://…"),
    ],
)
def test_a_server_of_a_study_is_not_asked(clvsim, here: Path, url: str, said: str):
    (here / "experiments").mkdir()
    data = f"data: {{url: '{url}', table: orders}}"
    (here / "experiments" / "own.yaml").write_text(f"# @package _global_\ndefaults: [override /data: sql]\n{data}\n")
    for stage in ("check", "run"):
        done = clvsim(stage, "experiment=own")
        assert_refused(done, 2, f"data.url: an address is typed, and not taken from a file: '{said}'")


def test_a_file_of_a_study_is_read(clvsim, shop: Path):
    (shop / "experiments").mkdir()
    data = "data: {url: 'sqlite:///shop.db', table: orders}"
    own = shop / "experiments" / "own.yaml"
    own.write_text(f"# @package _global_\ndefaults: [override /data: sql]\n{data}\n")
    assert clvsim("check", "experiment=own").returncode == 0


def test_the_server_in_a_record_is_not_asked() -> None:
    data = SqlConfig(url="postgresql://db.example.org/shop", table="orders")
    side = SimpleNamespace(config=RunConfig.model_construct(data=data), folder="run")
    summary, why = summary_again(cast(Side, side))
    assert summary is None
    assert why.startswith("the server of run is not asked")
