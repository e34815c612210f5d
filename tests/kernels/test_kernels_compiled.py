"""Compiled and interpreted kernels agree, and no compiled code outlives its source."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
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
    copy = tmp_path / "clvsim"
    shutil.copytree(PACKAGE / "kernels", copy / "kernels", ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "__init__.py").write_text("")
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
    copy = tmp_path / "clvsim"
    shutil.copytree(PACKAGE / "kernels", copy / "kernels", ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "__init__.py").write_text("")

    def found() -> str:
        return python(code, PYTHONPATH=str(tmp_path), PYTHONDONTWRITEBYTECODE="1").strip()

    assert found() == compiler.source_hash()
    (copy / "kernels" / "structs.py").write_text((copy / "kernels" / "structs.py").read_text() + "\n# a note\n")
    assert found() != compiler.source_hash()
