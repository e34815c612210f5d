"""Ranges that are kept: a run that was killed goes on, and ends with the same bits; what is damaged is not believed."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shop import MBG, assert_same, posterior, run, shop
from test_simulation_cluster import FITTED, planned, simulated

from clvsim.errors import ConfigError
from clvsim.simulation import Simulation, ranges
from clvsim.simulation.checkpoint import HEAD, MARKER, PART, require_checkpoint
from clvsim.simulation.config import SimulationConfig
from clvsim.simulation.digest import digest_of, key_of_run
from clvsim.simulation.workers import HERE, workers_of


class Killed(BaseException):
    """In place of a signal."""


@pytest.fixture(scope="module")
def reference() -> Simulation:
    return simulated(HERE)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulation that was kept to its end."""
    folder = tmp_path_factory.mktemp("whole") / "kept"
    kept_in(folder)
    return folder


@pytest.fixture
def kept(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "kept"))


def kept_in(folder: Path, notes: list[str] | None = None, die_after: int = 10**9, **config: Any) -> Simulation:
    """A simulation that keeps its ranges, and is killed after so many blocks."""

    def progress(done: int, blocks: int) -> None:
        if done >= die_after:
            raise Killed

    told = [] if notes is None else notes
    with workers_of(SimulationConfig(checkpoint=str(folder)), told.append) as workers:
        return simulated(workers, progress, **config)


def parts_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("worlds-*/blocks-*"))


def test_a_killed_simulation_goes_on(reference: Simulation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, notes = tmp_path / "new" / "kept", []
    with pytest.raises(Killed):
        kept_in(folder, die_after=6)
    done = len(parts_of(folder))
    assert done == 5  # of a block each
    begun = {path: path.stat().st_mtime_ns for path in folder.rglob("*.npy")}
    simulate_range, asked = ranges.simulate_range, []
    monkeypatch.setattr(
        "clvsim.simulation.workers.simulate_range",
        lambda work, part, *rest: asked.append(part) or simulate_range(work, part, *rest),
    )
    assert_same(kept_in(folder, notes), reference)
    assert len(asked) == len(parts_of(folder)) - done
    assert not notes
    assert begun.items() <= {path: path.stat().st_mtime_ns for path in folder.rglob("*.npy")}.items()
    asked.clear()
    assert_same(kept_in(folder), reference)
    assert not asked
    assert not list(folder.rglob("*.tmp"))


def test_how_it_is_cut_is_that_of_the_beginning(reference: Simulation, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        kept_in(tmp_path / "kept", die_after=4)
    before = parts_of(tmp_path / "kept")
    assert before
    assert_same(kept_in(tmp_path / "kept", shard_customers=25, jobs=2), reference)
    assert set(before) <= set(parts_of(tmp_path / "kept"))


def test_more_replicates_are_other_ranges_of_the_same_run(kept: Path) -> None:
    assert_same(kept_in(kept, replicates=2), simulated(HERE, replicates=2))
    assert len(list(kept.glob("worlds-*"))) == 2


def flip_a_bit(place: Path) -> None:
    path = place / "scenario-1-calendar.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def write_numbers(place: Path, values: np.ndarray, name: str = "count.npy") -> None:
    """As somebody would who changes the sums too."""
    from clvsim.provenance import sha256

    np.save(place / name, values, allow_pickle=values.dtype.hasobject)
    head = json.loads((place / PART).read_text())
    head["sha256"][name] = sha256(place / name)
    (place / PART).write_text(json.dumps(head))


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "a bit": flip_a_bit,
    "a cut file": lambda place: (place / "units.npy").write_bytes(b"\x93NUMPY"),
    "an empty file": lambda place: (place / "units.npy").write_bytes(b""),
    "a missing file": lambda place: (place / "quantiles.npy").unlink(),
    "a long file": lambda place: (place / "units.npy").write_bytes((place / "units.npy").read_bytes() + bytes(10**6)),
    "no head": lambda place: (place / PART).unlink(),
    "half a head": lambda place: (place / PART).write_text('{"key":'),
    "a head of another kind": lambda place: (place / PART).write_text('["key", "sha256"]'),
    "a head of another run": lambda place: (place / PART).write_text('{"key": "0", "sha256": {}}'),
    "other shapes": lambda place: write_numbers(place, np.zeros((1, 1), np.int32)),
    "other types": lambda place: write_numbers(place, np.zeros((1, 1))),
    "a pickle": lambda place: write_numbers(place, np.array([print], object)),
    "a file for a folder": lambda place: (place.rename(place.with_name("moved")), place.write_text("x")),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_range_is_simulated_again(reference: Simulation, kept: Path, damage: str) -> None:
    place, notes = parts_of(kept)[3], []
    DAMAGES[damage](place)
    assert_same(kept_in(kept, notes), reference)
    assert len(notes) == 1
    assert notes[0].startswith(f"simulation.checkpoint: {place} is damaged (")
    assert notes[0].endswith("); that range is simulated again")
    assert not any(word in notes[0] for word in ("Errno", "object", "indices", "'key'"))  # Python's own words
    assert_same(kept_in(kept, notes), reference)
    assert len(notes) == 1


REFUSED = r"^simulation\.checkpoint: \S+/kept holds ranges of another run \(other data"


@pytest.mark.parametrize("config", [{"horizon_months": 11}, {"draws": 9}, {"attrition_clock": "orders"}], ids=str)
def test_another_run_is_refused(kept: Path, config: dict[str, Any]) -> None:
    before = {path: path.stat().st_mtime_ns for path in kept.rglob("*")}
    with pytest.raises(ConfigError, match=REFUSED):
        kept_in(kept, **config)
    assert before == {path: path.stat().st_mtime_ns for path in kept.rglob("*")}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"key": 1}', "null", '{"key": "x", "block": 1, "tasks": 1}'])
def test_a_damaged_head_is_refused(kept: Path, content: str) -> None:
    (kept / HEAD).write_text(content)
    with pytest.raises(ConfigError, match=REFUSED):
        kept_in(kept)


@pytest.mark.parametrize("number", ["0", "-1", "true", '"7"', "1e3", "100000000"])
def test_a_damaged_cut_is_refused(kept: Path, number: str) -> None:
    head = json.loads((kept / HEAD).read_text())
    (kept / HEAD).write_text(json.dumps(head | {"tasks": json.loads(number)}))
    with pytest.raises(ConfigError, match=REFUSED):
        kept_in(kept)


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    config = SimulationConfig(checkpoint=str(tmp_path / "kept"))
    with (
        workers_of(config),
        pytest.raises(ConfigError, match=r"another run is writing to .*kept; wait for it or choose another folder"),
        workers_of(config),
    ):
        pass
    assert not (tmp_path / "kept").exists()  # in which nothing was kept


def test_folders_that_are_not_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for path in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "link"):
        with pytest.raises(ConfigError, match=r"^simulation\.checkpoint: .* is no folder|Not a directory"):
            require_checkpoint(str(path))
    with pytest.raises(ConfigError, match=r"holds other files; choose a folder that is new or empty"):
        require_checkpoint(str(tmp_path))
    assert require_checkpoint(str(tmp_path / "new" / "one")) == tmp_path / "new" / "one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


def test_a_full_disk_is_a_problem_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, values: np.ndarray, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(ConfigError, match=r"^simulation\.checkpoint: cannot write .*blocks-0-1: No space left on"):
        kept_in(tmp_path / "kept")


def test_plain_python_keeps_ranges(tmp_path: Path) -> None:
    assert_same(run(checkpoint=str(tmp_path / "kept")), run())
    assert (tmp_path / "kept" / MARKER).is_file()
    assert_same(run(checkpoint=str(tmp_path / "kept")), run())


# --- the key ---------------------------------------------------------------------------------------------------------


def test_the_key_is_of_what_decides_a_ledger() -> None:
    key = key_of_run(planned(), FITTED, shop())
    same = [planned(jobs=2), planned(shard_customers=9), planned(replicates=3), planned(checkpoint="x")]
    assert {key_of_run(plan, posterior(12, spread=0.1, model=MBG), shop()) for plan in same} == {key}
    other = replace(FITTED, posterior=replace(FITTED.posterior, from_cache=True))
    assert key_of_run(planned(), other, shop()) == key
    people = shop()
    changed = people.customers.assign(frequency=people.customers["frequency"].where(people.customers.index != 7, 99))
    others = [
        key_of_run(replace(planned(), seed=4), FITTED, people),
        key_of_run(planned(), posterior(12, spread=0.1), people),
        key_of_run(planned(), posterior(12, spread=0.1000001, model=MBG), people),
        key_of_run(planned(), FITTED, replace(people, customers=changed)),
        key_of_run(planned(horizon_months=13), FITTED, people),
    ]
    assert len({key, *others}) == 6


DIFFERENT: tuple[Any, ...] = (
    *(None, True, 1, 1.5, "1", b"1", "", [], [[]], [1, 2], [2, 1], {"a": 1}, {"a": 2}, {"b": 1}, {1, 2}, {1, 3}),
    *(
        np.array([1, 2]),
        np.array([1.0, 2.0]),
        np.array([[1, 2]]),
        np.array(["a", "b"], object),
        np.array(["a\n'b"], object),
    ),
    *(["ab", "c"], ["a", "bc"], [["a"], "b"], [["a", "b"]], -0.0, 0.0),
)


def test_digests_differ() -> None:
    assert len({digest_of(value) for value in DIFFERENT}) == len(DIFFERENT)
    assert digest_of({1, 2, 300}) == digest_of({300, 2, 1})
    with pytest.raises(TypeError, match="a function has no digest"):
        digest_of({"a": [digest_of]})
