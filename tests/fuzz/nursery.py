"""A process that has clvsim and everything it needs loaded, and forks a child for each case: a crash, a hang or a flood
of memory is the child's end and a line in the tally, and a case costs the milliseconds that the command itself takes.
"""

import atexit
import gc
import json
import os
import pkgutil
import resource
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

CPU_SECONDS, WALL_SECONDS = 20, 180  # a machine that does other work too makes a command wait
ADDRESS_BYTES, FILE_BYTES = 8 << 30, 1 << 30  # so that no case takes the machine with it; what is asserted is RSS


class Ended(NamedTuple):
    """How a case ended: exit code (negative: the signal), its output, and what it took."""

    code: int
    out: str
    err: str
    cpu_seconds: float
    peak_bytes: int


class Nursery:
    """`run` gives each case a child of its own.

    `practice`: commands that it runs itself first, on `log`, so that what they compile is there for the children.
    """

    def __init__(
        self, output: Path, env: Mapping[str, str], log: bytes = b"", practice: Sequence[Sequence[str]] = ()
    ) -> None:
        self.output = output
        compiled = f"base_compiledir={env['CLVSIM_CACHE']}/pytensor"  # also of cases with a cache of their own
        self.env = {**env, "OPENBLAS_NUM_THREADS": "1", "PYTENSOR_FLAGS": compiled}  # threads do not survive a fork
        command = [sys.executable, "-m", "tests.fuzz.nursery"]
        pythonpath = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), env.get("PYTHONPATH")]))
        self.process = subprocess.Popen(
            command,
            env={**self.env, "PYTHONPATH": pythonpath},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._ask({"log": log.decode(), "practice": [list(words) for words in practice]}) == "ready\n"

    def __enter__(self) -> "Nursery":
        return self

    def __exit__(self, *_: object) -> None:
        with self.process:  # whose input ends
            pass

    def begin(self, words: Sequence[str], folder: Path, env: Mapping[str, str], target: str = "cli") -> int:
        """The id of the child that runs `clvsim WORDS`, or one of TARGETS, in `folder`; `finish` waits for it."""
        streams = [str(self.output / "stdout"), str(self.output / "stderr")]
        request = {"target": target, "words": list(words), "folder": str(folder), "env": {**self.env, **env}}
        return int(self._ask({**request, "streams": streams}))

    def finish(self) -> Ended:
        code, cpu, peak = json.loads(self._ask({}))
        out, err = ((self.output / name).read_text(errors="surrogateescape") for name in ("stdout", "stderr"))
        return Ended(code, out, err, cpu, peak)

    def run(self, words: Sequence[str], folder: Path, env: Mapping[str, str], target: str = "cli") -> Ended:
        self.begin(words, folder, env, target)
        return self.finish()

    def _ask(self, request: Mapping[str, object]) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return self.process.stdout.readline()


# --- the process itself -----------------------------------------------------------------------------------------------


def _cli(words: list[str]) -> int:
    from clvsim.cli import main

    return main(words)


def _posterior(words: list[str]) -> int:
    """Each file of draws by both ways in: the user's, and the cache's for what passes there, since the cache reads only
    what it has sealed itself."""
    from clvsim.models.cache import read_posterior
    from clvsim.models.elsewhere import read_parts

    return max(_told(lambda p: read_parts(p, "bg_nbd"), path) or _told(read_posterior, path) for path in words)


def _log(words: list[str]) -> int:
    """A log as the data stage reads it, and nothing after it."""
    from clvsim.data.config import DataConfig
    from clvsim.data.readers import read_material

    return _told(lambda path: read_material(DataConfig(path=path)), words[0])


def _load(words: list[str]) -> int:
    """A folder of a run as a notebook loads it."""
    from clvsim.loaded import load

    return _told(load, words[0])


def _told(read: Callable[[str], object], path: str) -> int:
    from clvsim.console import print_problems
    from clvsim.errors import ClvsimError

    try:
        read(path)
    except ClvsimError as error:
        print_problems(error.problems)
        return error.code
    return 0


TARGETS = {"cli": _cli, "posterior": _posterior, "log": _log, "load": _load}


def warm(log: str, practice: list[list[str]]) -> None:
    """Load all modules, and have what a parser or a compiler learns at its first use learned."""
    import clvsim
    from clvsim.cli import main

    for module in pkgutil.walk_packages(clvsim.__path__, "clvsim."):
        import_module(module.name)
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.dict(os.environ, {"CLVSIM_CACHE": folder}),
        redirect_stdout(StringIO()),
        redirect_stderr(StringIO()),
    ):
        for number, words in enumerate([["check", "orders.csv", "seed=x"], ["report", "nowhere"], *practice]):
            here = Path(folder) / str(number)
            here.mkdir()
            os.chdir(here)
            Path("orders.csv").write_text(log)
            code = main(words)
            assert words not in practice or code == 0, words
        os.chdir("/")
    tempfile.tempdir = None  # looked up anew by each child
    gc.collect()
    gc.freeze()


def serve() -> None:
    child = 0
    for line in sys.stdin:
        request = json.loads(line)
        if "practice" in request:
            warm(**request)
            print("ready", flush=True)
        elif request:
            with warnings.catch_warnings(action="ignore"):  # a thread of Arrow's allocator, which minds forks itself
                child = os.fork()
            if child == 0:
                become(**request)
            print(child, flush=True)
        else:
            _, status, used = os.wait4(child, 0)
            cpu, peak = used.ru_utime + used.ru_stime, used.ru_maxrss << (0 if sys.platform == "darwin" else 10)
            print(json.dumps([os.waitstatus_to_exitcode(status), cpu, peak]), flush=True)
    os._exit(0)  # extensions of C++ speak up where they are taken down


def become(target: str, words: list[str], folder: str, env: dict[str, str], streams: list[str]) -> None:
    """This process is the case from here on: it does not return."""
    for limit, value in (
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_AS, ADDRESS_BYTES),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background inherit an ignored one
    signal.alarm(WALL_SECONDS)
    for descriptor, path in enumerate([os.devnull, *streams]):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600), descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    code = 1
    try:
        code = TARGETS[target](words)
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
