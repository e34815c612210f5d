"""`draws.nc`: what a comparison hands over comes back as it was, and what is damaged is refused in a line."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from clvsim.archive import SUMMARY, read_result, write_result
from clvsim.comparison.draws import Draws
from clvsim.draws_file import DRAWS, read_draws, read_knobs, write_draws
from clvsim.errors import ConfigError
from clvsim.knobs import POINTS, Effects, Knobs, Lines
from clvsim.report import write_report
from tests.report import factory
from tests.report.test_report_knobs import with_knobs

N, S, M, W, AGES = 6, 2, 3, 12, 5


@pytest.fixture
def draws() -> Draws:
    rng = np.random.default_rng(4)
    return Draws(
        decided="plan_value",
        metrics=("plan_value", "pav_per_newcomer", "orders"),
        scenarios=("baseline", "offer"),
        expected=rng.normal(size=(M, S, N)),
        realised=rng.normal(size=(M, S, W)).astype(np.float32).astype(float),
        delta=rng.normal(size=(S, N)),
        noise=rng.normal(size=(S, N)),
        curve=rng.normal(size=(S, N, AGES)).astype(np.float32).astype(float),
        cash=np.full((S, N, AGES), np.nan),
        lines=rng.normal(size=(S, 1, N)).astype(np.float32).astype(float),
        line_names=("cost_contact/email",),
        there=np.array([[9.0, 8.0]] * N),
        inputs=rng.normal(size=(N, 2)),
        input_names=("retention.r", "scenario.offer.box.take"),
        effective=5.5,
    )


def test_draws_come_back_as_they_were(draws: Draws, tmp_path: Path) -> None:
    write_draws(draws, tmp_path)
    back = read_draws(tmp_path)
    for one, other in zip(draws, back, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(back.level("orders", "offer"), draws.expected[2, 1])
    np.testing.assert_array_equal(back.worlds("orders", "baseline"), draws.realised[2, 0])
    np.testing.assert_array_equal(back.change("offer").values, draws.delta[1])
    with pytest.raises(KeyError, match="webinar"):
        back.change("webinar")


def test_a_run_without_draws_is_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="from which questions are answered; clvsim run makes a new one"):
        read_draws(tmp_path)


@pytest.mark.parametrize("damage", ["no array", "text", "another decision", "cut", "a link", "nan"])
def test_damaged_draws_are_refused_in_a_line(draws: Draws, tmp_path: Path, damage: str) -> None:
    write_draws(draws, tmp_path)
    path = tmp_path / DRAWS
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:700])
    else:
        with h5py.File(path, "r+") as file:
            if damage == "no array":
                del file["noise"]
            elif damage == "text":
                del file.attrs["effective"]
                file.attrs["effective"] = "many"
            elif damage == "another decision":
                file.attrs["decided"] = "riches"
            elif damage == "a link":
                del file["noise"]
                file["noise"] = h5py.ExternalLink("/etc/passwd", "/")
            else:
                file["delta"][1, 2] = np.nan
    with pytest.raises(ConfigError, match=r"cannot be read as a finished run: draws\.nc") as refused:
        read_draws(tmp_path)
    assert len(refused.value.problems) == 1


@pytest.fixture
def knobs() -> Knobs:
    rng = np.random.default_rng(8)
    levels = Lines.of(("plan_value",), rng.normal(size=(1, 3, N)))
    deltas = Lines.of(("offer",), np.array([[[0.0, 1.0, 2.0, -1.0, 0.5, 0.1], [3.0] * N, [0.0] * N]]))
    curve = np.linspace(0.1, 0.3, POINTS)[None]
    given = Lines.of(("scenario.offer.box.take",), rng.normal(size=(1, 1, N)))
    keys = ("finance.gross_margin", "scenario.offer.box.price")
    return Knobs(
        keys, np.array([0.4, 12.0]), ((), (0,), (0, 1)), levels, deltas, Effects(("offer",), *[curve] * 3, given)
    )


def flat(value: object) -> list[object]:
    return [part for one in value for part in flat(one)] if isinstance(value, tuple) else [value]


def test_small_integers_are_near_and_keep_what_is_zero(knobs: Knobs) -> None:
    sizes = np.array([[[0.0, 1.0, 2.0, -1.0, 0.5, 0.1], [3.0] * N, [0.0] * N]])
    np.testing.assert_allclose(knobs.deltas.sizes, sizes, atol=2 / 32_767 / 2)
    np.testing.assert_array_equal(knobs.deltas.sizes[0, 1:], sizes[0, 1:])
    assert knobs.deltas.sizes[0, 0, 0] == 0


@pytest.mark.parametrize("alone", [False, True])
def test_knobs_come_back_as_they_were(draws: Draws, knobs: Knobs, tmp_path: Path, alone: bool) -> None:
    """Also those of a run without levers."""
    if alone:
        empty = np.zeros((0, POINTS))
        effects = Effects((), empty, empty, empty, Lines.of((), np.zeros((0, 1, N))))
        knobs = knobs._replace(deltas=Lines.of((), np.zeros((0, 3, N))), effects=effects)
    write_draws(draws, tmp_path, knobs)
    assert read_draws(tmp_path).scenarios == draws.scenarios
    back = read_knobs(tmp_path)
    assert back is not None
    for one, other in zip(flat(knobs), flat(back), strict=True):
        np.testing.assert_array_equal(one, other)
        assert np.asarray(one).dtype.kind == np.asarray(other).dtype.kind


def test_a_run_without_knobs_has_none(draws: Draws, tmp_path: Path) -> None:
    assert read_knobs(tmp_path) is None
    write_draws(draws, tmp_path)
    assert read_knobs(tmp_path) is None


DAMAGES = {
    "an array": ("levels_scale", None),
    "nan": ("values", np.array([0.4, np.nan])),
    "a price that is not there": ("terms", np.array([[-1, -1], [0, -1], [0, 7]], "i2")),
    "floats": ("levels_steps", np.zeros((1, 3, N))),
    "another shape": ("deltas_level", np.zeros(1)),
    "a key with a command": ("price", np.array(["finance.gross_margin", "a; rm -rf"], object)),
    "a metric": ("levels", np.array(["riches"], object)),
    "a lever": ("effect_scenario", np.array(["another"], object)),
    "a curve that goes back": ("effect_at", np.linspace(0.3, 0.1, POINTS)[None]),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_knobs_are_refused_in_a_line(draws: Draws, knobs: Knobs, tmp_path: Path, damage: str) -> None:
    write_draws(draws, tmp_path, knobs)
    name, values = DAMAGES[damage]
    with h5py.File(tmp_path / DRAWS, "r+") as file:
        group = file["knobs"]
        assert isinstance(group, h5py.Group)
        scales = group[name].dims
        labels = [scale[0].name if len(scale) else "" for scale in scales]
        del group[name]
        if values is not None:
            group[name] = values
            for place, label in enumerate(labels[: values.ndim]):
                if label and label != f"/knobs/{name}":
                    group[name].dims[place].attach_scale(file[label])
    with pytest.raises(ConfigError, match=r"cannot be read as a finished run: draws\.nc") as refused:
        read_knobs(tmp_path)
    assert len(refused.value.problems) == 1


def test_the_page_with_knobs_of_a_run_read_back_is_the_same(draws: Draws, tmp_path: Path) -> None:
    before = with_knobs()
    first = write_report(before, tmp_path / "a").read_bytes()
    assert b"knobs-data" in first
    write_result(before, tmp_path)
    repeated = {"expected": 2, "delta": 1, "noise": 1, "curve": 1, "cash": 1, "lines": 2, "there": 0, "inputs": 0}
    number = np.arange(before.draws) % N
    arrays = {name: getattr(draws, name).take(number, axis) for name, axis in repeated.items()}
    write_draws(draws._replace(**arrays), tmp_path, before.knobs)
    assert b"steps" not in (tmp_path / SUMMARY).read_bytes()
    assert write_report(read_result(tmp_path), tmp_path / "b").read_bytes() == first


def test_knobs_of_another_run_are_refused(draws: Draws, knobs: Knobs, tmp_path: Path) -> None:
    write_result(factory.demo(), tmp_path)
    write_draws(draws, tmp_path, knobs)
    with pytest.raises(ConfigError, match="are not of one run"):
        read_result(tmp_path)
    assert read_result(tmp_path, knobs=False).knobs is None
