"""Where a database is: what is refused before anything is connected to, and that no message holds what it was given."""

import re
import socket
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from clvsim.data.config import SqlConfig
from clvsim.data.sql.addresses import Address, address_of, path_of
from clvsim.data.sql.libraries import reading, why_not_reached, why_not_read
from clvsim.errors import ConfigError, DataError
from tests.data.postgres import Server

SECRET = "swordfish"


def refused(**keys: str) -> str:
    with pytest.raises(ConfigError) as raised:
        address_of(SqlConfig.model_validate(keys))
    ((where, what),) = raised.value.problems
    assert SECRET not in what
    return f"{where}: {what}"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://u@h/d", "must begin with postgresql://, postgresql.psycopg://, sqlite://"),
        ("postgresql+pg8000://u@h/d", "must begin with"),
        ("shop.db", "must begin with"),
        (f"postgresql://u:{SECRET}@h/d", "holds a password"),
        ("postgresql://u:@h/d", "holds a password"),
        (f"postgresql://u@h/d?password={SECRET}", "holds a password"),
        (f"postgresql://u@h/d?PassWord={SECRET}", "holds a password"),
        (f"postgresql://u:{SECRET}/x@h/d", "holds a password|is no address"),
        (f"postgresql://u:a/{SECRET}@h/d", "holds a password|is no address"),
        (f"postgresql://u:{SECRET}#@h/d", "holds a password|is no address"),
        ("postgresql://u@h:port/d", "is no address"),
        ("postgresql://u@[h/d", "is no address"),
        ("postgresql://u@h/d?options=-c%20x", "behind its \\? may stand .*, not 'options'"),
        ("sqlite://", "is sqlite:/// and a path"),
        ("sqlite:///:memory:", "is sqlite:/// and a path"),
        ("sqlite://host/shop.db", "is sqlite:/// and a path"),
        ("sqlite:///shop.db?mode=rwc", "is sqlite:/// and a path"),
        ("sqlite:////no/such/shop.db", "no file '/no/such/shop.db'"),
    ],
)
def test_an_address_that_cannot_be_used_is_a_line(url, said):
    found = refused(url=url)
    assert found.startswith("data.url: ")
    assert re.search(said, found)


def test_one_address_is_given_in_one_way(monkeypatch, tmp_path):
    monkeypatch.delenv("SHOP", raising=False)
    assert "which database?" in refused()
    assert "only one of" in refused(url="sqlite:///x.db", url_env="SHOP")
    assert refused(url_env="SHOP") == "data.url_env: the environment has no variable SHOP, or it is empty"
    for key in ("url_env", "url_file"):  # as a shell puts it for $SHOP
        said = refused(**{key: "postgresql://me:swordfish@host/shop"})
        assert said.startswith(f"data.{key}: is the ")
        assert "swordfish" not in said
    assert "no text file" in refused(url_file=str(tmp_path / "none"))
    assert "no text file" in refused(url_file=str(tmp_path))
    file = tmp_path / "address"
    for content in (b"", b"a b", b"a\nb", b"x" * 20_000):
        file.write_bytes(content)
        assert "must hold one line" in refused(url_file=str(file))
    file.write_bytes(b"\xff\xfe")
    assert "no text file" in refused(url_file=str(file))


def test_a_password_may_come_from_elsewhere(monkeypatch, tmp_path):
    url = f"postgresql://u:{SECRET}@h/d"
    monkeypatch.setenv("SHOP", f" {url}\n")
    file = tmp_path / "address"
    file.write_text(f"{url}\n")
    for keys in ({"url_env": "SHOP"}, {"url_file": str(file)}):
        address = address_of(SqlConfig.model_validate(keys))
        assert address.url == url
        assert SECRET not in f"{address} {address!r}"
    monkeypatch.setenv("SHOP", f"mysql://u:{SECRET}@h/d")
    assert "must begin with" in refused(url_env="SHOP")
    monkeypatch.setenv("SHOP", f"sqlite:////no/{SECRET}.db")
    assert "names a file that is not there" in refused(url_env="SHOP")


def test_paths_are_relative_or_not():
    assert path_of("sqlite:///shop.db") == "shop.db"
    assert path_of("sqlite:////srv/shop.db") == "/srv/shop.db"
    assert Address("sqlite", "sqlite:////srv/a b?.db", "data.url").file_uri == "file:///srv/a%20b%3F.db?mode=ro"


def test_a_file_is_opened_read_only_and_never_made(tmp_path):
    gone = Address("sqlite", f"sqlite:///{tmp_path / 'gone.db'}", "data.url")
    with pytest.raises(ConfigError, match="the file cannot be opened"), reading(gone):
        pass
    assert list(tmp_path.iterdir()) == []


def unreached(url: str) -> str:
    with pytest.raises(ConfigError) as raised, reading(Address("postgres", url, "data.url_env")):
        pass
    ((where, what),) = raised.value.problems
    assert where == "data.url_env"
    assert SECRET not in what
    return what


def test_why_a_server_is_not_reached(postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("PGPASSWORD", "PGPASSFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    where = f"host={postgres.folder}"
    assert "refuses the user or the password" in unreached(f"postgresql://clvsim:{SECRET}@/postgres?{where}")
    assert "refuses the user or the password" in unreached(f"postgresql://nobody:{SECRET}@/postgres?{where}")
    assert "asks for a password" in unreached(f"postgresql://clvsim@/postgres?{where}")
    database = postgres.whole_url.replace("/postgres?", "/nowhere?")
    assert unreached(database) == "the server has no database of that name"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "nobody answers" in unreached(f"postgresql://u:{SECRET}@127.0.0.1:{port}/d")
    assert "nobody answers" in unreached(f"postgresql://u:{SECRET}@/d?host={tmp_path}")


def test_the_drivers_own_means_work(postgres: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PGPASSWORD", postgres.password)
    address = address_of(SqlConfig(url=postgres.url))
    assert address.key == "data.url"
    with reading(address) as reader:
        assert reader.row(
            "zone", "SELECT CURRENT_SETTING('TimeZone') AS a, CURRENT_SETTING('transaction_read_only') AS b"
        )
        assert reader.fetched == {"zone": 1}


def test_a_table_that_may_not_be_read_is_a_line(postgres: Server, monkeypatch: pytest.MonkeyPatch):
    postgres.execute(
        "DROP TABLE IF EXISTS hidden",
        "CREATE TABLE hidden (a INT)",
        "DO $$ BEGIN CREATE ROLE guest LOGIN PASSWORD 'swordfish'; EXCEPTION WHEN duplicate_object THEN END $$",
    )
    address = Address(
        "postgres", postgres.whole_url.replace(f"clvsim:{postgres.password}", f"guest:{SECRET}"), "data.url"
    )
    with pytest.raises(DataError) as raised, reading(address) as reader:
        reader.row("a", "SELECT COUNT(*) AS n FROM hidden")
    assert raised.value.problems == (("data.table", "the user may not read the table"),)


@pytest.mark.parametrize("state", ["42501", "57014", "53200", "08006", "22003", "42P01", "XX000", "99999"])
def test_no_failure_of_a_statement_shows_the_drivers_words(state):
    error = psycopg.errors.DatabaseError(f"{SECRET} SELECT * FROM x")
    error.sqlstate = state
    words = why_not_read(DBAPIError("SELECT secret", {}, error))
    assert words
    assert SECRET not in words
    assert "SELECT" not in words


@pytest.mark.parametrize("dialect", ["postgres", "sqlite"])
def test_no_failure_to_connect_shows_the_drivers_words(dialect):
    for text in ("could not translate host name swordfish", "swordfish", "timeout swordfish", "SSL swordfish"):
        assert SECRET not in why_not_reached(RuntimeError(text), dialect)
