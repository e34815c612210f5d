"""Kernels that are compiled while models are fitted: which, where, and that nothing rests on it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clvsim.kernels.structs import LEVERED, OCCASIONAL
from clvsim.private import source_hash
from clvsim.stages import ahead


def loops(flags: int = 0, *, wins_back: bool = False, trace: int = 0, **kinds: Any) -> list[str]:
    retention = SimpleNamespace(kind=kinds.get("retention", "auto"), interval_days=kinds.get("interval", 0.0))
    spend = SimpleNamespace(kind=kinds.get("spend", "gamma_gamma"))
    config: Any = SimpleNamespace(retention=retention, spend=spend, trace=SimpleNamespace(customers=trace))
    plan: Any = SimpleNamespace(loop_flags=flags, wins_back=wins_back)
    return ahead.loops_of(config, plan)


def test_loops_that_a_run_will_need() -> None:
    assert loops() == ["000"]
    assert loops(LEVERED) == ["100"]
    assert loops(LEVERED | OCCASIONAL) == ["100", "111"]
    some: list[dict[str, Any]] = [{"spend": "lognormal"}, {"retention": "bg_cnbd"}, {"interval": 30.4}, {"trace": 3}]
    for rare in some:
        assert loops(**rare) == ["110"]
        assert loops(LEVERED | OCCASIONAL, **rare) == ["111"]
    assert loops(LEVERED | OCCASIONAL, wins_back=True) == ["111"]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """Processes that would be started, with a cache of the test's own and two cores."""
    found: list[Any] = []

    class Process:
        def __init__(self, command: list[str], **options: Any) -> None:
            self.command, self.options, self.killed = command, options, False
            self.stdout = open(os.devnull, "rb")  # noqa: SIM115 (closed with the process)
            found.append(self)

        def kill(self) -> None:
            self.killed = True

        def communicate(self) -> None:
            assert self.killed
            self.stdout.close()

    monkeypatch.setattr(ahead.subprocess, "Popen", Process)
    monkeypatch.setattr(ahead, "_cores", lambda: 2)
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("CLVSIM_CACHE", str(tmp_path / "cache"))
    return found


def test_a_process_of_its_own_in_a_folder_of_ours(started: list[Any], tmp_path: Path) -> None:
    """Nothing where the user stands is imported or read; it ends with what it was started for."""
    with ahead.compiling(["100", "111"]):
        (process,) = started
        assert not process.killed
    assert process.killed
    assert process.command[:2] == [sys.executable, "-I"]
    assert process.command[-3:] == ["100,111", "compiled-100-111", str(os.getpid())]
    assert process.options["cwd"] == tmp_path / "cache" / "kernels" / source_hash()
    with pytest.raises(KeyError), ahead.compiling(["000"]):
        raise KeyError
    assert started[1].killed


def test_none_where_it_would_not_help(started: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cache" / "kernels" / source_hash()
    with ahead.compiling(["000"]):
        pass
    (folder / "compiled-000").touch()
    with ahead.compiling(["000"]):
        pass
    with ahead.compiling(["100"]):
        pass
    assert len(started) == 2
    for change in (
        lambda: monkeypatch.setattr(ahead, "_cores", lambda: 1),
        lambda: monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path)),
        lambda: monkeypatch.setattr(ahead, "cache_folder", lambda _name: None),
    ):
        with monkeypatch.context():
            change()
            with ahead.compiling(["110"]):
                pass
    assert len(started) == 2


def test_a_process_that_cannot_be_started_is_done_without(started: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any, **_options: Any) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(ahead.subprocess, "Popen", refuse)
    with ahead.compiling(["000"]):
        pass
    assert not started


def test_what_it_compiles_is_in_the_cache(tmp_path: Path) -> None:
    """Here without compiling: the loop is said to be done, and a marker is left where kernels are kept."""
    environment = {**os.environ, "CLVSIM_CACHE": str(tmp_path / "cache"), "NUMBA_DISABLE_JIT": "1"}
    environment.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run(
        [sys.executable, "-c", "from clvsim.kernels.ahead import main; main('000', 'compiled-000')"],
        env=environment, capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout == "loops\n"
    assert (tmp_path / "cache" / "kernels" / source_hash() / "compiled-000").exists()


def test_it_does_not_begin_for_somebody_who_has_gone(tmp_path: Path) -> None:
    environment = {**os.environ, "CLVSIM_CACHE": str(tmp_path / "cache"), "NUMBA_DISABLE_JIT": "1"}
    for starter, expected in ((os.getpid(), "loops\n"), (1, "")):
        arguments = [json.dumps(sys.path), "000", "compiled-000", str(starter)]
        done = subprocess.run(
            [sys.executable, "-c", ahead._CODE, *arguments], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout == expected
