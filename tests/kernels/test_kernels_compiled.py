"""Compiled and interpreted kernels agree, and no compiled code outlives its source."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from twin.cases import random_case

from clvsim import kernels
from clvsim.kernels import compiler

HERE = Path(__file__).parent
PACKAGE = Path(kernels.__file__).parents[1]

LEDGERS_OF_A_SMALL_CASE = """
import sys
import warnings
warnings.filterwarnings("ignore", "overflow encountered", RuntimeWarning)  # interpreted uint64 wraps around aloud
import numpy as np
from twin.cases import random_case
for name, kind in eval(sys.argv[2]).items():
    ledgers, trace, _ = random_case(5, **kind).run()
    np.savez(f"{sys.argv[1]}-{name}.npz", trace=trace, **ledgers._asdict())
"""
EVERYTHING = {"law": "both", "tables": True, "offers": 2, "contacts": 2, "customers": 6, "worlds": 2}
KINDS: dict[str, dict[str, Any]] = {
    "existing": EVERYTHING,
    "newcomers": EVERYTHING | {"newcomers": True},
    "stages": EVERYTHING | {"regularity": 3, "components": 3},
    "opportunities": EVERYTHING | {"opportunities": "some sure", "components": 2, "months": 30},
}

PROBE = """
import numpy as np
from numba import njit, types
from clvsim.kernels.variates import uniform

@njit(types.float64(types.uint64), cache=True)
def probe(base):
    return uniform(base, 1, 0)
"""

NUMBERS_OF_A_COPY = """
import sys
import numba
from clvsim.kernels import compiler
from clvsim.kernels.probe import probe
assert compiler.__file__.startswith(sys.argv[1]), compiler.__file__
import numpy as np
print(compiler.source_hash(), numba.config.CACHE_DIR, probe(np.uint64(12)), sum(probe.stats.cache_hits.values()))
"""


def python(code: str, *arguments: str, **env: str) -> str:
    command = [sys.executable, "-W", "error", "-c", code, *arguments]
    done = subprocess.run(command, cwd=HERE, env={**os.environ, **env}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def copied(folder: Path) -> Path:
    """The kernels, with what they import, as a package of their own."""
    copy = folder / "clvsim"
    shutil.copytree(PACKAGE / "kernels", copy / "kernels", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("private", "marked", "disk"):
        shutil.copy(PACKAGE / f"{name}.py", copy)
    (copy / "__init__.py").write_text("")
    return copy


def test_interpreted_kernel_gives_the_same_bits(tmp_path: Path) -> None:
    """Python's floats and the compiled ones do the same operations; only exp and log may differ in the last digit."""
    path = os.pathsep.join(map(str, (HERE, PACKAGE.parent)))
    python(LEDGERS_OF_A_SMALL_CASE, str(tmp_path / "slow"), repr(KINDS), NUMBA_DISABLE_JIT="1", PYTHONPATH=path)
    for name, kind in KINDS.items():
        ledgers, trace, _ = random_case(5, **kind).run()
        with np.load(tmp_path / f"slow-{name}.npz") as slow:
            np.testing.assert_array_equal(trace[:, :3], slow["trace"][:, :3])
            np.testing.assert_allclose(trace[:, 3:], slow["trace"][:, 3:], rtol=1e-12)
            for name, ledger in ledgers._asdict().items():
                if ledger.dtype == np.int64:
                    assert np.abs(ledger - slow[name]).max(initial=0) <= 20, name  # a unit per order and month
                else:
                    np.testing.assert_allclose(ledger, slow[name], rtol=1e-11)
        assert trace.shape[0] > 50


def test_an_edit_of_one_kernel_is_seen_by_those_that_import_it(tmp_path: Path) -> None:
    """Numba's own cache would answer with the old numbers: its index knows the time of one file only.

    The event loop takes long to compile: a small kernel that imports the random numbers stands for it.
    """
    copy = copied(tmp_path)
    (copy / "kernels" / "life.py").unlink()
    (copy / "kernels" / "probe.py").write_text(PROBE)
    env = {"PYTHONPATH": str(tmp_path), "CLVSIM_CACHE": str(tmp_path / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    env["NUMBA_CACHE_DIR"] = ""

    def numbers() -> list[str]:
        return python(
            "import os; os.environ.pop('NUMBA_CACHE_DIR')\n" + NUMBERS_OF_A_COPY, str(tmp_path), **env
        ).split()

    first, again = numbers(), numbers()
    assert (first[3], again[3]) == ("0", "1")  # the second process found the first one's code
    assert again[:3] == first[:3]
    source = copy / "kernels" / "variates.py"
    stamp = source.stat()
    edited = source.read_text().replace("0x94D049BB133111EB", "0x94D049BB133111ED")
    assert edited != source.read_text()
    source.write_text(edited)
    os.utime(source, (stamp.st_atime, stamp.st_mtime))
    changed = numbers()
    assert changed[3] == "0"
    assert all(new != old for new, old in zip(changed[:3], first[:3], strict=True)), (changed, first)


def test_hash_covers_every_kernel_file(tmp_path: Path) -> None:
    """Content and names of all files, and nothing but them."""
    code = "from clvsim.kernels.compiler import source_hash; print(source_hash())"
    copy = copied(tmp_path)

    def found() -> str:
        return python(code, PYTHONPATH=str(tmp_path), PYTHONDONTWRITEBYTECODE="1").strip()

    assert found() == compiler.source_hash()
    (copy / "kernels" / "structs.py").write_text((copy / "kernels" / "structs.py").read_text() + "\n# a note\n")
    assert found() != compiler.source_hash()


ONE_KERNEL = """
import os
os.environ.pop("NUMBA_CACHE_DIR", None)
from clvsim.kernels.probe import probe
import numpy as np
print(probe(np.uint64(12)).hex(), sum(probe.stats.cache_hits.values()))
"""


@pytest.fixture
def probed(tmp_path: Path) -> Callable[..., list[str]]:
    """The number of a small kernel, compiled in a process of its own, and how often it came from the cache."""
    copy = copied(tmp_path)
    (copy / "kernels" / "probe.py").write_text(PROBE)
    env = {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1", "CLVSIM_CACHE": str(tmp_path / "cache")}
    return lambda **more: python(ONE_KERNEL, **{**env, **more}).split()


def test_a_damaged_cache_is_compiled_again_and_written_again(probed, tmp_path: Path) -> None:
    number, hits = probed()
    assert hits == "0"
    code, index = sorted((tmp_path / "cache").rglob("probe*.nb?"))
    assert (code.suffix, index.suffix) == (".nbc", ".nbi")
    for damages in ({code: flipped}, {index: flipped}, {code: cut, index: lambda content: b"garbage"}):
        for path, damage in damages.items():
            path.write_bytes(damage(path.read_bytes()))
        assert probed() == [number, "0"], damages
    assert probed() == [number, "1"]


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def cut(content: bytes) -> bytes:
    return content[:-1]


@pytest.mark.parametrize("cache", ["/proc/no/cache", "/dev/null"])
def test_a_cache_that_cannot_be_written_is_done_without(probed, cache: str) -> None:
    assert probed(CLVSIM_CACHE=cache) == [probed()[0], "0"]


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_cache_that_others_can_write_to_is_not_used(probed, tmp_path: Path, mode: int) -> None:
    number, _ = probed()
    (tmp_path / "cache").chmod(mode)
    assert probed() == [number, "0"]
    (tmp_path / "cache").chmod(0o755)
    assert probed() == [number, "1"]


def test_a_cache_is_ours_alone_whatever_the_umask(probed, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        probed()
    finally:
        os.umask(before)
    folders = [tmp_path / "cache", *(tmp_path / "cache" / "kernels").glob("*")]
    assert {folder.stat().st_mode & 0o777 for folder in folders} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "cache").rglob("*.nb?")} == {0o600}
    assert probed()[1] == "1"
