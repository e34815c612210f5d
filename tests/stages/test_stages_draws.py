"""`draws.nc`: what a comparison hands over comes back as it was, and what is damaged is refused in a line."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from clvsim.archive import DRAWS, read_draws, write_draws
from clvsim.comparison.draws import Draws
from clvsim.errors import ConfigError

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
