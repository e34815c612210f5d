"""Where a database is: an address without a password in the configuration, or one that is read from elsewhere.

What is in `run.json` and on the screen is the configuration, so that a password must never be in it.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from clvsim.data.config import SqlConfig
from clvsim.data.sql.dialects import DIALECT_OF
from clvsim.errors import ConfigError

LONGEST = 10_000  # bytes of a file with an address
_QUERY = frozenset(  # of PostgreSQL's own settings; a service or a password file are the driver's own means
    {"host", "port", "service", "passfile", "sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout"}
    | {"application_name", "channel_binding", "target_session_attrs", "gssencmode"}
)


class Address(NamedTuple):
    """`url` may hold a password; `key` is the one that gave it."""

    dialect: str
    url: str
    key: str

    def __repr__(self) -> str:
        return f"Address({self.dialect}, by {self.key})"

    @property
    def file_uri(self) -> str:
        """A SQLite file as what opens it read-only."""
        return f"{Path(path_of(self.url)).absolute().as_uri()}?mode=ro"


def address_of(config: SqlConfig) -> Address:
    """The address of a configuration. Raises ConfigError for none, several, or one that cannot be used; no message
    holds any of it."""
    given = [key for key in ("url", "url_env", "url_file") if getattr(config, key)]
    if len(given) != 1:
        what = "only one of data.url, data.url_env and data.url_file" if given else _NO_ADDRESS
        raise ConfigError([(f"data.{given[-1]}" if given else "data.url", what)])
    key = f"data.{given[0]}"
    url = {"url": lambda: config.url, "url_env": lambda: _from_environment(config.url_env)}.get(
        given[0], lambda: _from_file(config.url_file)
    )()
    return checked(str(url), key)


_NO_ADDRESS = (
    "which database? Type data.url=sqlite:///shop.db or data.url=postgresql://user@host/database, or data.url_env"
)


def checked(url: str, key: str) -> Address:
    """Raises ConfigError for a driver that is not allowed, a password that would be recorded, or no file."""
    scheme, colon, rest = url.partition("://")
    dialect = DIALECT_OF.get(scheme.casefold()) if colon else None
    if dialect is None:
        raise ConfigError([(key, f"must begin with {', '.join(f'{name}://' for name in DIALECT_OF)}")])
    try:
        parts = urlsplit(f"x://{rest}")
        password, _, query = parts.password, parts.port, parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        hint = "" if key == "data.url" else "; of a password, # / ? @ are written %23 %2F %3F %40"
        raise ConfigError([(key, f"is no address: scheme://user@host:port/database{hint}")]) from None
    names = {name.casefold() for name, _ in query}
    if key == "data.url" and (password is not None or "password" in names or _hides_a_password(rest)):
        raise ConfigError([(key, A_PASSWORD)])
    allowed = _QUERY | ({"password"} if key != "data.url" else frozenset())
    if dialect == "sqlite" and (names or parts.netloc or not path_of(url)):
        raise ConfigError([(key, "is sqlite:/// and a path: sqlite:///shop.db, sqlite:////srv/shop.db")])
    if dialect == "sqlite" and not Path(path_of(url)).is_file():
        which = f"no file {path_of(url)!r}" if key == "data.url" else "names a file that is not there"
        raise ConfigError([(key, which)])
    if dialect == "postgres" and (strange := sorted(names - allowed)):
        raise ConfigError([(key, f"behind its ? may stand {', '.join(sorted(_QUERY))}, not {strange[0][:20]!r}")])
    return Address(dialect, url, key)


A_PASSWORD = (
    "holds a password, which would be recorded with the run; leave it out and give the address by data.url_env=NAME or "
    "data.url_file=PATH, or the password by PGPASSWORD or ~/.pgpass"
)


def _hides_a_password(rest: str) -> bool:
    """Whether a user with a colon stands before an @ in what is no plain address, as where a password holds a slash."""
    return re.match(r"[^@]*:[^@]*@", rest.partition("?")[0]) is not None


def path_of(url: str) -> str:
    """The path of sqlite:///path; "" where there is none."""
    rest = url.partition("://")[2]
    path = rest[1:] if rest.startswith("/") else ""
    return "" if path.startswith(":") or "\0" in path else path


def _from_environment(name: str | None) -> str:
    if "://" in str(name):  # the address itself, as a shell puts it for $NAME
        raise ConfigError([("data.url_env", "is the name of a variable, and not what it holds: data.url_env=SHOP_URL")])
    value = os.environ.get(str(name), "").strip()
    if not value:
        raise ConfigError([("data.url_env", f"the environment has no variable {name}, or it is empty")])
    return value


def _from_file(path: str | None) -> str:
    if "://" in str(path):
        raise ConfigError([("data.url_file", "is the path of a file that holds the address, and not the address")])
    try:
        with Path(str(path)).open("rb") as file:
            content = file.read(LONGEST + 1) if Path(str(path)).is_file() else b""
        lines = content.decode().split()
    except (OSError, ValueError):
        raise ConfigError([("data.url_file", f"{path}: no text file that can be read")]) from None
    if len(content) > LONGEST or len(lines) != 1:
        raise ConfigError([("data.url_file", f"{path}: must hold one line, the address, and nothing else")])
    return lines[0]
