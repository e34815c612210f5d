"""Helpers of the shell tests."""

import subprocess
import sys
from pathlib import Path

from clvsim import interruption
from clvsim.runfolder import sweep_partials

# Tests that are themselves started in the background inherit an ignored SIGINT, which clvsim would respect.
INTERRUPTIBLE = (
    sys.executable,
    "-c",
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from clvsim.cli import main; sys.exit(main())",
)

ORDERS = """customer_id,date,amount
a,2024-01-01,10
a,2024-02-11,12
a,2024-05-03,9
b,2024-01-03,20
b,2024-03-20,22
c,2024-01-09,5
d,2024-02-02,7
d,2024-04-15,8
e,2024-03-01,30
"""

STOPPED = "clvsim: interrupted; nothing was written\n"
FORCED_END = interruption.FORCED_END.decode()


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every path below a folder, hidden ones included, with its content (None for folders)."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def assert_refused(done: subprocess.CompletedProcess[str], code: int, *expected: str) -> None:
    """One line per problem on stderr, nothing else: each expected text in a line of its own, in any order."""
    lines = done.stderr.splitlines()
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert all(line.startswith("clvsim: ") for line in lines), done.stderr
    assert len(lines) == len(expected), done.stderr
    for text in expected:
        assert any(text in line for line in lines), f"{text!r} not in {done.stderr}"


def interrupted(process: subprocess.Popen[str], code: int, parent: Path) -> str:
    """RAISED or ENDED, with which a run that writes into `parent` stops. After a hard end, all it leaves is swept."""
    out, err = process.communicate(timeout=60)
    *remarks, last = err.splitlines(keepends=True)
    assert (process.returncode, out) == (code, ""), err
    assert last in (STOPPED, FORCED_END), err
    assert all(line.startswith("clvsim: ") for line in remarks), err
    if last == FORCED_END:
        sweep_partials(parent)
    assert not parent.exists() or tree(parent) == {}
    return last
