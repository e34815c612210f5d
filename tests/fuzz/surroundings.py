"""The environment of a command: variables, streams, limits, folders. Each case is a process from scratch."""

import os
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.cases import CANARY, Case, Room
from tests.fuzz.nasty import flipped
from tests.fuzz.nursery import WALL_SECONDS, Ended
from tests.fuzz.tables import BRIEF, GOOD

CHECK = ("check", "o.csv", *BRIEF)
RUN = (
    *("run", "o.csv", "retention=bg_nbd", "spend=fixed_price", "data.calibration_end=none", "fit.method=laplace"),
    *("fit.draws=500", "simulation.draws=20", "simulation.horizon_months=1", "scenarios=[]", "out=r"),
)
FILES = {"o.csv": GOOD}
IN_A_RUN = (
    *("a home that is not there", "a temporary folder that is not there", "a cache that is a file", "the C locale"),
    *(
        "a cache by odd name",
        "a cache of Numba that is not there",
        "1,000 threads of Numba",
        "flags of PyTensor that are none",
    ),
    *(
        "a backend of Matplotlib that is none",
        "settings of Matplotlib that are a file",
        "negative threads",
        "nothing open",
    ),
    *(
        "a full output",
        "32 open files",
        "files of 4096 bytes",
        "2000 MB of addresses",
        "a joblib folder that is not there",
    ),
)

# Variables; {root} is the room of the case. Whatever they hold, a check passes or is refused in a line.
VARIABLES: dict[str, dict[str, str]] = {
    "no home": {"HOME": ""},
    "a home that is not there": {"HOME": "{root}/nowhere"},
    "a home that is a file": {"HOME": "{root}/here/o.csv"},
    "a home without rights": {"HOME": "/proc/1"},
    "a temporary folder that is not there": {"TMPDIR": "{root}/nowhere"},
    "a temporary folder that is a file": {"TMPDIR": "{root}/here/o.csv"},
    "a temporary folder by odd name": {"TMPDIR": '{root}/tmp/it\'s, a "day"'},
    "a cache that is a file": {"CLVSIM_CACHE": "{root}/here/o.csv"},
    "a cache that cannot be made": {"CLVSIM_CACHE": "/proc/nowhere"},
    "a cache by odd name": {"CLVSIM_CACHE": "{root}/c,a='b'"},
    "no cache's name": {"CLVSIM_CACHE": ""},
    "an XDG cache that is a file": {"XDG_CACHE_HOME": "{root}/here/o.csv", "CLVSIM_CACHE": ""},
    "the C locale": {"LC_ALL": "C", "LANG": "C"},
    "a POSIX locale without UTF-8": {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "a locale that is none": {"LC_ALL": "xx_YY.nope", "LANG": "nope"},
    "a Turkish locale": {"LC_ALL": "tr_TR.UTF-8"},
    "ASCII streams": {"PYTHONIOENCODING": "ascii"},
    "a time zone that is none": {"TZ": "Nope/Nowhere"},
    "a time zone far away": {"TZ": "Pacific/Kiritimati"},
    "no compiler": {"NUMBA_DISABLE_JIT": "1"},
    "a cache of Numba that is not there": {"NUMBA_CACHE_DIR": "/proc/nowhere"},
    "threads of Numba that are none": {"NUMBA_NUM_THREADS": "many"},
    "0 threads of Numba": {"NUMBA_NUM_THREADS": "0"},
    "1,000 threads of Numba": {"NUMBA_NUM_THREADS": "1000"},
    "a layer of Numba that is none": {"NUMBA_THREADING_LAYER": "nope"},
    "a processor of Numba that is none": {"NUMBA_CPU_NAME": "z80"},
    "debugging of Numba": {"NUMBA_DEBUGINFO": "1"},
    "bounds checks of Numba": {"NUMBA_BOUNDSCHECK": "1"},
    "threads of OpenMP that are none": {"OMP_NUM_THREADS": "nope"},
    "negative threads": {"OMP_NUM_THREADS": "-1", "OPENBLAS_NUM_THREADS": "-1", "MKL_NUM_THREADS": "-1"},
    "10,000 threads": {"OMP_NUM_THREADS": "10000", "OPENBLAS_NUM_THREADS": "10000"},
    "flags of PyTensor that are none": {"PYTENSOR_FLAGS": "nope"},
    "a backend of Matplotlib that is none": {"MPLBACKEND": "nope"},
    "settings of Matplotlib that are a file": {"MPLCONFIGDIR": "{root}/here/o.csv"},
    "a terminal of 0 columns": {"COLUMNS": "0", "LINES": "0"},
    "a terminal of -1 columns": {"COLUMNS": "-1"},
    "a terminal of many columns": {"COLUMNS": "999999999999"},
    "a terminal that is none": {"TERM": "nope", "NO_COLOR": "1", "FORCE_COLOR": "1"},
    "Hydra's errors in short": {"HYDRA_FULL_ERROR": "0"},
    "a completion's line": {"COMP_LINE": "clvsim run ${oc.env:SECRET}"},
    "optimised Python": {"PYTHONOPTIMIZE": "2"},
    "a random hash": {"PYTHONHASHSEED": "12345"},
    "no bytecode": {"PYTHONDONTWRITEBYTECODE": "1"},
    "frozen allocator": {"PYTHONMALLOC": "debug"},
    "unbuffered": {"PYTHONUNBUFFERED": "1"},
    "few digits": {"PYTHONINTMAXSTRDIGITS": "640"},
    "a joblib folder that is not there": {"JOBLIB_TEMP_FOLDER": "/proc/nowhere"},
    "workers of joblib that are none": {"LOKY_MAX_CPU_COUNT": "nope"},
}
STREAMS = {
    "no input": "exec <&-",
    "no output": "exec >&-",
    "no errors": "exec 2>&-",
    "nothing open": "exec <&- >&- 2>&-",
    "a full output": "exec > /dev/full",
    "full errors": "exec 2> /dev/full",
    "both full": "exec > /dev/full 2> /dev/full",
    "a folder that is gone": "mkdir gone && cp o.csv gone && cd gone && rm -r ../gone",
    "files that nobody may read": "umask 777",
}
LIMITS: dict[str, tuple[int, int]] = {
    **{f"{number} open files": (resource.RLIMIT_NOFILE, number) for number in (8, 16, 24, 32, 48, 64, 128)},
    **{f"{mb} MB of addresses": (resource.RLIMIT_AS, mb << 20) for mb in (1500, 2000, 3000)},
    **{f"files of {size} bytes": (resource.RLIMIT_FSIZE, size) for size in (0, 100, 4096, 100_000)},
    **{f"{mb} MB of stack": (resource.RLIMIT_STACK, mb << 20) for mb in (1, 2)},
    "no memory to lock": (resource.RLIMIT_MEMLOCK, 0),
}


class Surrounding(NamedTuple):
    name: str
    variables: Mapping[str, str] = {}
    before: str = ""  # shell that runs before the command
    limits: tuple[tuple[int, int], ...] = ()


def cases(*, long: bool) -> Iterator[tuple[Surrounding, tuple[str, ...]]]:
    """A check in each surrounding; the whole of a run where what is compiled and written meets it."""
    variables = [Surrounding(name, variables) for name, variables in VARIABLES.items()]
    streams = [Surrounding(name, before=shell) for name, shell in STREAMS.items()]
    limits = [Surrounding(name, limits=(limit,)) for name, limit in LIMITS.items()]
    everything = [*variables, *streams, *limits]
    yield from ((one, CHECK) for one in (everything if long else everything[:: len(everything) // 2]))
    if long:
        yield from ((one, RUN) for one in everything if one.name in IN_A_RUN)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[: len(content) // 2],
    "a bit turned over": lambda content: flipped(content, [len(content) // 2]),
    "a pickle that acts, behind what stood there": lambda content: (
        content[:32] + f"cposix\nsystem\n(S'touch {CANARY}'\ntR.".encode()
    ),
}


def run_damaged(damage: Callable[[bytes], bytes], cache: Path) -> Callable[[Case, Room], Ended]:
    """A runner of a whole run that finds each file of compiled kernels damaged."""
    from clvsim.private import source_hash

    own = Surrounding("", {"CLVSIM_CACHE": "{root}/cache", "PYTENSOR_FLAGS": f"base_compiledir={cache}/pytensor"})

    def run(case: Case, room: Room) -> Ended:
        kernels = Path("kernels") / source_hash()
        copy = room.root / "cache" / kernels
        shutil.copytree(cache / kernels, copy)
        for folder in (room.root / "cache", copy.parent, *copy.rglob("*/")):
            folder.chmod(0o700)
        for path in copy.rglob("*.nb*"):
            path.write_bytes(damage(path.read_bytes()))
        return run_in(own, RUN, cache)(case, room)

    return run


def run_in(one: Surrounding, words: tuple[str, ...], cache: Path) -> Callable[[Case, Room], Ended]:
    """A runner for `campaign`: `clvsim WORDS` by a shell that makes the surrounding."""

    def run(case: Case, room: Room) -> Ended:
        variables = {name: text.replace("{root}", str(room.root)) for name, text in one.variables.items()}
        env = {
            **os.environ,
            "CLVSIM_CACHE": str(cache),
            "PYTHONPATH": str(Path(__file__).parents[2]),
            **room.env,
            **variables,
        }
        shell = f'{one.before}\nexec "$0" -m clvsim.cli "$@"'

        def limited() -> None:
            for limit, value in one.limits:
                resource.setrlimit(limit, (value, value))

        process = subprocess.Popen(
            ["/bin/sh", "-c", shell, sys.executable, *words],
            cwd=room.here,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=limited,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        patience = threading.Timer(WALL_SECONDS, process.kill)
        patience.start()
        with process.stdout, process.stderr:  # of which a pipe holds more than a case may say
            texts = [stream.read().decode("utf-8", "surrogateescape") for stream in (process.stdout, process.stderr)]
        _, status, used = os.wait4(process.pid, 0)
        patience.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        peak = used.ru_maxrss << (0 if sys.platform == "darwin" else 10)
        return Ended(process.returncode, texts[0], texts[1], used.ru_utime + used.ru_stime, peak)

    return run
