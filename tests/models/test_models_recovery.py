"""Charges that failed: which contracts are neither paid nor lost, by what chance they are paid, and simulated."""

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from scipy.stats import beta as beta_law

from clvsim.data import DataConfig, read_transactions, summarize
from clvsim.errors import ConfigError
from clvsim.models import RETENTION
from clvsim.models.around.plans import by_plan
from clvsim.models.around.season import configured
from clvsim.models.around.wrapper import with_pauses
from clvsim.models.cache import read_posterior, write_posterior
from clvsim.models.config import FitConfig
from clvsim.models.fit import fit
from clvsim.models.fitted import FittedModels
from clvsim.models.laws import RECOVERY
from clvsim.models.retention.recovery import Charges, all_charges, charges_of, learn, line
from clvsim.models.spend.fixed_price import FixedPrice
from clvsim.report.facts import retention_facts
from clvsim.simulation.config import EnvironmentConfig
from clvsim.simulation.people import existing_blocks
from clvsim.simulation.tracking import repeat_orders
from clvsim.types import CustomerSummary, Posterior

WEEK = 7.0
TODAY = dt.date(2023, 6, 20)
FAILED = {"status": ["failed"]}
LAPLACE = FitConfig(method="laplace", draws=1000, cache=False, chains=4)
Row = tuple[str, dt.date, str]


def log_of(rows: list[Row], **keys: Any) -> CustomerSummary:
    frame = pd.DataFrame(rows, columns=["customer_id", "date", "status"]).assign(amount=20.0)
    config = {"today": TODAY, "failed": FAILED, "only": {"status": ["paid"]}} | keys
    return summarize(read_transactions(frame, DataConfig.model_validate(config)))


def month(number: int, day: int) -> dt.date:
    return dt.date(2022 + number // 12, number % 12 + 1, day)


def steady(name: str, day: int, first: int, last: int) -> list[Row]:
    return [(name, month(number, day), "paid") for number in range(first, last + 1)]


def by_hand() -> list[Row]:
    """Due on the 1st to the 18th of a month; today is 20 June 2023, month 17."""
    rows = []
    for i, gap in enumerate((3, 3, 4, 5, 9)):  # failed in March, paid some days later
        rows += [(f"again{i}", month(14, 2), "failed"), (f"again{i}", month(14, 2 + gap), "paid")]
        rows += [row for row in steady(f"again{i}", 2, 6, 17) if row[1] != month(14, 2)]
    rows += [*steady("never", 4, 6, 13), ("never", month(14, 4), "failed"), ("never", month(14, 6), "failed")]
    rows += [*steady("waiting", 15, 8, 16), ("waiting", month(17, 15), "failed"), ("waiting", month(17, 17), "failed")]
    rows += [*steady("too long", 5, 8, 16), ("too long", month(17, 5), "failed")]
    rows += [*steady("gone", 15, 8, 16), *steady("on time", 18, 8, 17)]
    return [*rows, ("first of all", month(16, 3), "failed"), *steady("first of all", 6, 16, 17)]


def history(summary: CustomerSummary, name: str, **keys: Any) -> dict[str, float]:
    model = RETENTION["sbg"](**keys)
    found = model.histories(summary)
    place = list(summary.customers["customer_id"]).index(name)
    return {field: float(values[place]) for field, values in found._asdict().items()}


def test_charges_by_hand() -> None:
    """Each failure counts once, until the next payment; who never paid before has no renewal that could fail."""
    summary = log_of(by_hand())
    failed = summary.failed
    assert failed is not None
    found = sorted(zip(failed.customer_id.tolist(), failed.ago.tolist(), failed.gap.tolist(), strict=True))
    ago = float((TODAY - month(14, 2)).days)
    assert [row for row in found if row[0].startswith("again")] == [
        (f"again{i}", ago, float(gap)) for i, gap in enumerate((3, 3, 4, 5, 9))
    ]
    rest = {name: days for name, days, gap in found if np.isnan(gap)}
    assert rest == {"never": float((TODAY - month(14, 4)).days), "too long": 15.0, "waiting": 5.0}
    assert "first of all" not in failed.customer_id
    charges: Any = charges_of(RETENTION["sbg"](), summary)
    assert sorted(charges.recovered) == [3, 3, 4, 5, 9]
    assert (charges.unpaid.tolist(), charges.window.tolist()) == ([2], [9.0])  # `waiting` is not settled yet


def test_who_may_still_pay() -> None:
    summary = log_of(by_hand())
    waiting = history(summary, "waiting")
    assert (waiting["lost"], waiting["renewals"], waiting["seen"]) == (0, 8, 8)
    assert waiting["recovering"] == pytest.approx((1 + 1 - 5 / 9) / 6)  # one of five took longer than 5 days
    for name in ("too long", "gone", "never", "on time", "again0"):
        assert history(summary, name)["recovering"] == 0, name
    assert history(summary, "on time")["lost"] == 0
    assert history(summary, "never")["lost"] == history(summary, "too long")["lost"] == 1
    assert history(summary, "too long", recovery_days=15.2)["recovering"] > 0
    assert history(summary, "waiting", recovery_days=0.0)["recovering"] == 0
    plain = log_of(by_hand(), failed={}, without={"status": ["failed"]}, only={})
    assert plain.failed is None
    assert history(plain, "waiting")["recovering"] == 0
    on = np.array([history(summary, name)["lost"] for name in ("gone", "on time")])
    np.testing.assert_array_equal(on, [history(plain, name)["lost"] for name in ("gone", "on time")])


@pytest.mark.parametrize("season", ["off", "month"])
def test_the_chance_to_be_paid_is_that_of_recoveries(season: str) -> None:
    """P(alive) times the chance to renew; later renewals as after one more. Both never above a contract due today."""
    summary = log_of(by_hand())
    section: Any = RETENTION["bdw"](season=season)
    model: Any = configured(section, summary)
    params = {"gamma": np.array([1.2, 12.0]), "delta": np.array([9.0, 0.4]), "c": np.array([1.3, 1.0])}
    params |= {name: np.zeros(2) for name in getattr(getattr(model, "calendar", None), "names", ())}
    params[RECOVERY] = np.array([0.6, 0.9])
    histories = model.histories(summary)
    place = list(summary.customers["customer_id"]).index("waiting")
    g = histories.recovering[place]
    paid = params[RECOVERY] * g / (1 - params[RECOVERY] + params[RECOVERY] * g)
    active = model.probability_active(params, histories, 2.0, WEEK)[:, place]
    assert active[0] == pytest.approx(paid[0], rel=1e-9)
    assert active[1] < paid[1]  # of the second draw hardly anybody renews, and more than that nobody pays
    assert model.probability_alive(params, histories, WEEK)[1, place] == 1.0
    theta = beta_law.ppf((np.arange(20_000) + 0.5) / 20_000, 1.2, 9.0 + 9**1.3)  # given 9 renewals
    ahead = [((1 - theta) ** ((9 + j) ** 1.3 - 9**1.3)).mean() for j in range(6)]
    found = model.expected_orders(params, histories, 5.5 * 30.4375, WEEK)[0, place]
    assert found == pytest.approx(paid[0] * sum(ahead), rel=1e-4)


def test_simulated_contracts_pay_as_expected() -> None:
    summary = log_of(by_hand())
    model: Any = RETENTION["sbg"]()
    draws = 4000
    life = {"alpha": np.full(draws, 1.2), "beta": np.full(draws, 20.0), RECOVERY: np.full(draws, 0.7)}
    spend = {"price": np.full(draws, 20.0), "first_order_factor": np.ones(draws)}
    fitted = FittedModels(model, FixedPrice(), Posterior(life, spend, "week"))
    some = np.zeros(len(summary.customers), np.int64)
    blocks, _ = existing_blocks(summary, fitted, some, some, 4096)
    found = repeat_orders(blocks, 300.0, EnvironmentConfig(sd_prior=0.0), draws, 9, 1, 32.0).sum(axis=1)
    one = {name: values[:1] for name, values in life.items()}
    expected = model.expected_orders(one, model.histories(summary), 300.0, WEEK)[0].sum()
    error = found.std(ddof=1) / np.sqrt(draws)
    assert abs(found.mean() - expected) < 4 * error


def made_up(size: int, seed: int, f: float = 0.15, rho: float = 0.7) -> tuple[list[Row], list[Row]]:
    """Monthly contracts whose charges fail with chance f, and are paid 4 to 12 days later with chance rho, else end: up
    to today, and after it."""
    draw, rows = np.random.default_rng(seed), []
    for i in range(size):
        theta, day = draw.beta(1.2, 25.0), int(draw.integers(1, 29))
        for number in range(int(draw.integers(0, 17)), 30):
            if number and draw.random() < theta and rows and rows[-1][0] == f"c{i}":
                break
            due = month(number, day)
            if rows and rows[-1][0] == f"c{i}" and draw.random() < f:
                rows.append((f"c{i}", due, "failed"))
                if draw.random() > rho:
                    break
                due += dt.timedelta(days=int(draw.integers(4, 13)))
            rows.append((f"c{i}", due, "paid"))
    return [row for row in rows if row[1] <= TODAY], [row for row in rows if row[1] > TODAY]


def test_who_has_failed_pays_as_often_as_made_up() -> None:
    """Of thousands of contracts: those whose charge failed within the window pay as often as they did, and all pay as
    much; as lost after 7 days, or judged by silence alone, they do not."""
    known, later = made_up(12_000, 3)
    summary = log_of(known)
    found = fit(summary, RETENTION["sbg"](), FixedPrice(), LAPLACE)
    draws, model = found.posterior.retention, found.retention
    assert abs(draws[RECOVERY].mean() - 0.7) < 4 * draws[RECOVERY].std() + 0.01
    histories: Any = model.histories(summary)
    waiting = np.flatnonzero(histories.recovering > 0)
    ids = summary.customers["customer_id"].to_numpy(str)
    came = np.isin(ids[waiting], [name for name, _, status in later if status == "paid"])
    asked = model.probability_active(draws, histories, 2.0, WEEK)[:, waiting].mean(axis=0)
    sd = np.sqrt((asked * (1 - asked)).sum())
    assert waiting.size > 100
    assert abs(came.sum() - asked.sum()) < 3.5 * sd
    silent = RETENTION["sbg"](recovery_days=0.0)
    unaware = silent.probability_alive(draws, silent.histories(summary), WEEK)[:, waiting].mean(axis=0)
    assert abs(came.sum() - unaware.sum()) > 5 * sd
    facts = dict(retention_facts(found))
    assert "recovery: chance that a charge that failed is paid after all" in facts
    row = line(RETENTION["sbg"](), summary)
    assert row is not None
    assert row.value == f"{waiting.size:,}"


def test_what_is_learned_is_a_beta_and_kept(tmp_path: Any) -> None:
    rho = learn(Charges(np.zeros(30), np.array([4.0, 6.0]), np.ones(1)), 20_000, 1)
    exact = beta_law(31, 11)
    assert abs(rho.mean() - exact.mean()) < 4 * exact.std() / np.sqrt(rho.size)
    assert rho.std() == pytest.approx(exact.std(), rel=0.03)
    summary = log_of(made_up(400, 5)[0])
    found = fit(summary, RETENTION["sbg"](), FixedPrice(), LAPLACE)
    write_posterior(found, tmp_path / "posterior.nc")
    again = read_posterior(tmp_path / "posterior.nc")
    np.testing.assert_array_equal(again.posterior.retention[RECOVERY], found.posterior.retention[RECOVERY])


def test_plans_share_the_chance_and_pauses_do_without() -> None:
    known, _ = made_up(400, 6)
    yearly = [(f"y{i}", dt.date(2022 + j, 1 + i % 5, 3), "paid") for i in range(30) for j in range(2)]
    summary = log_of([*known, *yearly])
    plans = by_plan(RETENTION["sbg"](renewal="plan"), summary)
    of_all: Any = all_charges(plans, summary)
    of_months: Any = all_charges(RETENTION["sbg"](), log_of(known))
    assert of_all.recovered.size == of_months.recovered.size > 20
    found = fit(summary, RETENTION["sbg"](renewal="plan"), FixedPrice(), LAPLACE)
    assert RECOVERY in found.posterior.retention
    assert (found.retention.histories(summary).recovering > 0).any()
    law = found.retention.laws(found.posterior.retention, found.retention.histories(summary), WEEK)
    assert np.isfinite(law.p_alive).all()
    paused: Any = with_pauses(RETENTION["sbg"](pauses=True))
    assert all_charges(paused, summary) is None


def test_too_long_a_window_is_refused() -> None:
    with pytest.raises(ValidationError, match="recovery_days must be below half a month"):
        RETENTION["sbg"](recovery_days=16.0)
    with pytest.raises(ConfigError) as refused:
        by_plan(RETENTION["sbg"](renewal="plan", recovery_days=16.0), log_of(made_up(60, 7)[0]))
    assert refused.value.problems[0].where == "retention.recovery_days"
