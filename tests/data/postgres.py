"""A PostgreSQL server of the tests' own: on a socket in a temporary folder, without a network, gone when they end."""

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest

BINARIES = Path("/usr/lib/postgresql/15/bin")
USER = "clvsim"
ABSENT = f"PostgreSQL 15 is not installed ({BINARIES})"


class Server(NamedTuple):
    """`folder` holds the socket; whoever connects needs the password."""

    folder: Path
    password: str

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://{USER}@/postgres?host={self.folder}"

    @property
    def whole_url(self) -> str:
        return f"postgresql://{USER}:{self.password}@/postgres?host={self.folder}"

    def execute(self, *texts: str) -> None:
        with self.connection() as connection:
            for text in texts:
                connection.execute(text.encode())

    def connection(self) -> Any:
        import psycopg

        return psycopg.connect(
            host=str(self.folder), user=USER, dbname="postgres", password=self.password, autocommit=True
        )

    def fill(self, table: str, columns: str, rows: Sequence[Sequence[Any]]) -> None:
        """A new table with `columns` as SQL says them."""
        self.execute(f"DROP TABLE IF EXISTS {table} CASCADE", f"CREATE TABLE {table} ({columns})")
        copying = f"COPY {table} FROM STDIN".encode()
        with self.connection() as connection, connection.cursor().copy(copying) as copy:
            for row in rows:
                copy.write_row(row)


def is_there() -> bool:
    return (BINARIES / "initdb").is_file() and (os.getuid() != 0 or bool(_other_user()))


def absent() -> NoReturn:
    """Skips a test that needs a server, or fails it where there must be one, as in `.ci/run`."""
    if os.environ.get("CLVSIM_NEEDS_POSTGRES") == "1":
        pytest.fail(f"{ABSENT}, and CLVSIM_NEEDS_POSTGRES=1 says that it is", pytrace=False)
    pytest.skip(ABSENT)


def _other_user() -> str:
    """Whom the server runs as where the tests run as root, which it refuses."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names and shutil.which("setpriv")), "")


@contextmanager
def server() -> Generator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # short: a socket's path has 107 bytes at most
    password = secrets.token_hex(8)
    as_user: list[str] = []
    try:
        (folder / "password").write_text(password)
        if os.getuid() == 0:
            user = pwd.getpwnam(_other_user())
            as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
            for path in (folder, folder / "password"):
                os.chown(path, user.pw_uid, user.pw_gid)
        init = [*as_user, str(BINARIES / "initdb"), "-D", str(folder / "data"), "-U", USER, "-A", "scram-sha-256"]
        init += [f"--pwfile={folder / 'password'}", "--no-sync", "--locale=C.UTF-8", "-E", "UTF8"]
        subprocess.run(init, check=True, capture_output=True, cwd=folder)
        settings = [f"unix_socket_directories={folder}", "listen_addresses=", "fsync=off", "max_connections=10"]
        command = [*as_user, str(BINARIES / "postgres"), "-D", str(folder / "data")]
        command += [word for setting in settings for word in ("-c", setting)]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        try:
            ready = [str(BINARIES / "pg_isready"), "-q", "-h", str(folder)]
            for _ in range(200):
                if subprocess.run(ready, check=False).returncode == 0:
                    break
                try:
                    process.wait(0.05)
                except subprocess.TimeoutExpired:
                    continue
                raise AssertionError((folder / "log").read_text())
            yield Server(folder, password)
        finally:
            process.terminate()
            process.wait(20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
