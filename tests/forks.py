"""`clvsim` without the seconds that other people's packages take to import: a server has them ready, and forks.

Each command is a process of its own, with its own folder, environment, output and exit code, and imports `clvsim` anew
as `python -m clvsim.cli` does. What a fork could hide is left to processes from scratch: the fixture `command`.
"""

import atexit
import json
import os
import runpy
import signal
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path

READY = (
    *("duckdb", "joblib", "numba", "pandas", "pyarrow.parquet", "pydantic", "scipy.optimize", "scipy.special", "yaml"),
    *("hydra", "hydra._internal.hydra", "hydra.core.plugins", "omegaconf"),
)
PATIENCE_SECONDS = 300
Server = subprocess.Popen[str]
Done = subprocess.CompletedProcess[str]


def fork_server(bytecode: Path) -> Server:
    """It ends when its input does: with the tests, however they end. `bytecode`: a folder of its own."""
    env = {**os.environ, "PYTHONWARNINGS": "ignore", "OPENBLAS_NUM_THREADS": "1"}  # threads do not survive a fork
    command = [sys.executable, __file__, str(bytecode)]
    return subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def forked(server: Server, words: Sequence[str], folder: Path, output: Path, env: Mapping[str, str]) -> Done:
    """`clvsim WORDS` in `folder`; what it says is kept in files below `output` meanwhile."""
    assert server.stdin is not None
    assert server.stdout is not None
    out, err = output / "stdout", output / "stderr"
    request = {"words": words, "folder": str(folder), "streams": [os.devnull, str(out), str(err)], "env": dict(env)}
    print(json.dumps(request), file=server.stdin, flush=True)
    code = int(server.stdout.readline())
    assert code != -signal.SIGALRM, f"no end after {PATIENCE_SECONDS} s: {words}, {out.read_text()}, {err.read_text()}"
    return subprocess.CompletedProcess(words, code, out.read_text(), err.read_text())


def serve(bytecode: str) -> None:
    for package in READY:
        import_module(package)
    if sys.dont_write_bytecode:  # beside the sources: then elsewhere, so that `clvsim` is compiled once
        sys.dont_write_bytecode, sys.pycache_prefix = False, bytecode
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for request in sys.stdin:
        with warnings.catch_warnings(action="error"):  # Python's own, should there be threads
            child = os.fork()
        if child == 0:
            become(**json.loads(request))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def become(words: list[str], folder: str, streams: list[str], env: dict[str, str]) -> None:
    """This process is the command from here on: it does not return."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.alarm(PATIENCE_SECONDS)
    for descriptor, path in enumerate(streams):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    sys.argv[1:] = words
    sys.path[:1] = [folder, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]
    sys.modules.pop("sitecustomize", None)
    with suppress(ModuleNotFoundError):  # as Python does when it starts
        import_module("sitecustomize")
    try:
        runpy.run_module("clvsim.cli", run_name="__main__", alter_sys=True)
    except SystemExit as stop:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(stop.code or 0))  # all those packages need not be taken down one by one


if __name__ == "__main__":
    serve(sys.argv[1])
