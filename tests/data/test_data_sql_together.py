"""Two statements at the same time: on a server, on two connections that see the same rows; else one after the other."""

import threading
import time

import pytest

from clvsim.data.config import SqlConfig
from clvsim.data.sql import libraries
from clvsim.data.sql import material as sql_material
from clvsim.data.sql.libraries import Reader, reading
from clvsim.data.sql.material import material_of_table
from clvsim.errors import DataError
from tests.data.postgres import Server
from tests.data.test_data_sql import Database, some_rows

COUNT = "SELECT COUNT(*) AS number FROM orders"
SLOW = "SELECT COUNT(*) AS number FROM orders AS a CROSS JOIN orders AS b CROSS JOIN orders AS c CROSS JOIN orders AS d"


@pytest.fixture
def config(postgres: Server, monkeypatch: pytest.MonkeyPatch, tmp_path) -> SqlConfig:
    monkeypatch.setenv("SHOP", postgres.whole_url)
    Database("postgres", tmp_path / "none", postgres).fill(some_rows())
    return SqlConfig(url_env="SHOP", table="orders")


def number(reader: Reader) -> int:
    return int(reader.row("count", COUNT)["number"])


def test_both_see_the_rows_of_one_moment_at_the_same_time(config: SqlConfig, postgres: Server) -> None:
    both_are_there, orders = threading.Barrier(2, timeout=20), len(some_rows())

    def meets(reader: Reader) -> int:
        both_are_there.wait()
        return number(reader)

    with reading(sql_material.address_of(config)) as reader:
        postgres.execute("DELETE FROM orders WHERE amount > 5")
        assert reader.together(meets, meets) == (orders, orders)
        assert reader.fetched == {"count": 2}
    with reading(sql_material.address_of(config)) as reader:
        assert number(reader) < orders


def test_a_user_with_one_connection_waits_for_one_after_the_other(
    config: SqlConfig, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = material_of_table(config)
    postgres.execute(
        "DROP ROLE IF EXISTS lonely", "CREATE ROLE lonely LOGIN PASSWORD 'x' CONNECTION LIMIT 1",
        "GRANT SELECT ON orders TO lonely",
    )  # fmt: skip
    monkeypatch.setenv("SHOP", f"postgresql://lonely:x@/postgres?host={postgres.folder}")
    threads = []
    with reading(sql_material.address_of(config)) as reader:
        reader.together(*[lambda _: threads.append(threading.current_thread())] * 2)
    assert threads == [threading.main_thread()] * 2
    again = material_of_table(config)
    assert again.quality == whole.quality
    assert again.summary.data_hash == whole.summary.data_hash
    postgres.execute("DROP OWNED BY lonely", "DROP ROLE lonely")


def test_a_server_without_snapshots_is_asked_one_after_the_other(
    config: SqlConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = material_of_table(config)
    monkeypatch.setattr(libraries, "SNAPSHOT", "SELECT no_such_function()")
    assert material_of_table(config).summary.data_hash == whole.summary.data_hash


@pytest.mark.parametrize("first", [0, 1])
def test_what_fails_stops_the_other(config: SqlConfig, postgres: Server, first: int) -> None:
    asked = [lambda reader: reader.row("bad", "SELECT nothing FROM orders"), lambda reader: reader.row("slow", SLOW)]
    start = time.monotonic()
    with pytest.raises(DataError), reading(sql_material.address_of(config)) as reader:
        reader.together(asked[first], asked[1 - first])
    assert time.monotonic() - start < 20  # 700 orders to the fourth are an hour
    with postgres.connection() as connection:
        running = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'clvsim' AND state = 'active'"
        assert connection.execute(running.encode()).fetchone() == (0,)


def test_amounts_at_the_days_level_cost_what_nobody_asked_for(config: SqlConfig) -> None:
    with_levels, without = material_of_table(config), material_of_table(config, levels=False)
    assert with_levels.summary.data_hash == without.summary.data_hash
    assert with_levels.quality == without.quality
    assert with_levels.summary.trend == without.summary.trend
    assert not with_levels.summary.customers["repeat_amount_today"].isna().any()
    assert without.summary.customers["repeat_amount_today"].isna().all()


def test_a_file_is_asked_one_after_the_other(tmp_path) -> None:
    database = Database("sqlite", tmp_path / "shop.db", None)
    database.fill(some_rows())
    with reading(sql_material.address_of(database.config())) as reader:
        assert reader.together(number, lambda _: threading.current_thread()) == (
            len(some_rows()),
            threading.main_thread(),
        )
