"""The same command, twice: another folder, another time, another cache, and the same bytes."""

import json
import os
import random
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

EPOCH = {"SOURCE_DATE_EPOCH": "1735689600"}  # the first second of 2025


def shop(customers: int) -> str:
    """A small log whose segments begin like formulas and hold a sign that steers a terminal."""
    rng = random.Random(4)
    rows = ["customer_id,date,amount,segment"]
    for customer in range(customers):
        day, segment = date(2023, 1, 1) + timedelta(rng.randrange(300)), ("=gold", "-\x1b[31mx")[customer % 2]
        while day < date(2024, 12, 31):
            rows.append(f"c{customer},{day},{rng.randrange(5, 50)},{segment}")
            day += timedelta(1 + int(rng.expovariate(0.01)))
            if rng.random() < 0.25:
                break
    return "\n".join(rows) + "\n"


def finished(folder: Path, stage: str) -> Path:
    """A run in a folder of its own, which it is told with paths from the root."""
    folder.mkdir(parents=True)
    (folder / "orders.csv").write_text(shop(120))
    small = ("fit.method=laplace", "fit.draws=400", "simulation.draws=60", "simulation.horizon_months=4")
    words = (str(folder / "orders.csv"), "data.segment=segment", "retention=bg_nbd", *small, f"out={folder / 'result'}")
    env = {**os.environ, **EPOCH, "CLVSIM_CACHE": str(folder / "cache"), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        (sys.executable, "-m", "clvsim.cli", stage, *words), cwd=folder, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    return folder / "result"


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["run", "validate"])
def test_the_same_command_writes_the_same_bytes(tmp_path: Path, stage):
    import xarray as xr

    first, second = finished(tmp_path / "a", stage), finished(tmp_path / "somewhere" / "else", stage)
    names = sorted(str(path.relative_to(first)) for path in first.rglob("*") if path.is_file())
    assert names == sorted(str(path.relative_to(second)) for path in second.rglob("*") if path.is_file())
    assert {Path(name).suffix for name in names} >= {".html", ".csv", ".svg", ".json", ".nc"}
    for name in names:
        if name.endswith(".nc"):
            one, other = xr.open_datatree(first / name), xr.open_datatree(second / name)
            assert one.equals(other), name
        elif name != "run.json":
            written = (first / name).read_bytes()
            assert written == (second / name).read_bytes(), name
            assert str(tmp_path).encode() not in written, name
            assert b"\x1b" not in written or name.endswith(("parquet", "xlsx")), name
    records = [json.loads((folder / "run.json").read_text()) for folder in (first, second)]
    for record in records:
        assert str(tmp_path) in record["local"]["command"]
        assert str(tmp_path) not in json.dumps({key: value for key, value in record.items() if key != "local"})
        for differs in ("local", "seconds", "git"):  # of a checkout somebody may commit to meanwhile
            record.pop(differs)
    assert records[0] == records[1]
    assert "2025-01-01 00:00 UTC" in next(first.glob("*.html")).read_text(encoding="utf-8")
