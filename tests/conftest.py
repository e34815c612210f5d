"""What all tests share: a posterior cache that is not the user's, and the shell run as a user runs it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings

from tests.data import postgres as postgres_server
from tests.forks import PATIENCE_SECONDS, Server, fork_server, forked

settings.register_profile("fixed", derandomize=True, database=None, deadline=None)
settings.load_profile("fixed")

Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session", autouse=True)
def posterior_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One cache for all tests and workers of a session: each posterior is sampled once, compiled kernels are kept."""
    base = tmp_path_factory.getbasetemp()
    cache = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "posterior-cache"
    cache.mkdir(exist_ok=True)
    with suppress(FileExistsError):  # another worker was here
        (cache / "kernels").symlink_to(kernel_cache(), target_is_directory=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLVSIM_CACHE", str(cache))
        yield cache


def kernel_cache() -> Path:
    """Where this process keeps compiled kernels: above the folder that is named by the hash of their sources."""
    import numba

    import clvsim.kernels.compiler

    assert clvsim.kernels.compiler.__doc__
    return Path(numba.config.CACHE_DIR).parent  # ty: ignore[missing-attribute]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests recorded (`record_property`), passed or not: the figures behind a verdict."""
    reports = [r for kind in ("passed", "failed") for r in terminalreporter.getreports(kind) if r.user_properties]
    if reports:
        terminalreporter.section("figures")
    for report in reports:
        terminalreporter.line(report.nodeid)
        for name, value in report.user_properties:
            terminalreporter.line(f"    {name}: {value}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgres_server.Server]:
    """A PostgreSQL server, started by the first test that asks for it; without PostgreSQL such tests are skipped, or
    fail where `CLVSIM_NEEDS_POSTGRES=1`."""
    if not postgres_server.is_there():
        postgres_server.absent()
    with postgres_server.server() as server:
        yield server


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with fork_server(tmp_path_factory.mktemp("bytecode")) as server:
        yield server


@pytest.fixture
def clvsim(server: Server, here: Path, tmp_path: Path) -> Shell:
    """`clvsim("run", "orders.csv")` in a forked process of its own; warnings do not count as output."""
    return lambda *words, **extra: forked(server, words, here, tmp_path, {**os.environ, **extra})


@pytest.fixture
def command(here: Path) -> Shell:
    """The same in a process from scratch."""

    def shell(*words: str, **extra: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PYTHONWARNINGS": "ignore", **extra}
        words = (sys.executable, "-m", "clvsim.cli", *words)
        return subprocess.run(words, cwd=here, env=env, capture_output=True, text=True, timeout=PATIENCE_SECONDS)

    return shell
