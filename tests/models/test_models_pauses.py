"""Contracts that pause: histories by hand, the likelihood by brute force, what is expected, simulated, recovered."""

import datetime as dt
import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from scipy.stats import beta as beta_law

from clvsim.data import DataConfig, read_transactions, summarize
from clvsim.kernels import rng
from clvsim.models import RETENTION
from clvsim.models.around.plans import by_plan
from clvsim.models.around.wrapper import with_pauses
from clvsim.models.config import FitConfig
from clvsim.models.fit import fit
from clvsim.models.fitted import FittedModels
from clvsim.models.retention.pausing import PausedContracts, Pausing
from clvsim.models.spend.fixed_price import FixedPrice
from clvsim.simulation.config import EnvironmentConfig
from clvsim.simulation.people import Block, existing_blocks, newcomer_laws, people_of
from clvsim.simulation.tracking import repeat_orders
from clvsim.types import DAYS_PER_MONTH, CustomerSummary, Posterior

TODAY = dt.date(2023, 12, 31)
WEEK = 7.0
PI, RHO = 0.1, 0.3
SBG = {"alpha": np.array([1.2]), "beta": np.array([9.0])}
BDW = {"gamma": np.array([1.2]), "delta": np.array([9.0]), "c": np.array([1.3])}
PAUSES = {"pause": np.array([PI]), "resume": np.array([RHO])}
MODELS: dict[str, tuple[Any, dict[str, np.ndarray]]] = {
    "sbg": (with_pauses(RETENTION["sbg"](pauses=True)), SBG | PAUSES),
    "bdw": (with_pauses(RETENTION["bdw"](pauses=True)), BDW | PAUSES),
}


def day_of(month: int, day: int = 5) -> dt.date:
    return dt.date(2021 + month // 12, month % 12 + 1, day)


def log_of(paid: dict[str, list[int]], **keys: Any) -> CustomerSummary:
    """Months after January 2021 in which each has paid, on the 5th."""
    rows = [(name, day_of(month)) for name, months in paid.items() for month in months]
    frame = pd.DataFrame(rows, columns=["customer_id", "date"]).assign(amount=20.0)
    return summarize(read_transactions(frame, DataConfig(today=TODAY, **keys)))


def made_up(size: int, seed: int) -> tuple[dict[str, list[int]], dict[str, int]]:
    """The model's own story up to month 35, and payments in months 36 to 47; starts in the first three years."""
    draw, found, came = np.random.default_rng(seed), {}, {}
    for i in range(size):
        theta, start, idle = draw.beta(1.2, 14), int(draw.integers(36)), False
        months = [start]
        for month in range(start + 1, 48):
            if draw.random() < theta:
                break
            idle = draw.random() >= RHO if idle else draw.random() < PI
            if not idle:
                months.append(month)
        found[f"c{i}"] = [month for month in months if month < 36]
        came[f"c{i}"] = sum(month >= 36 for month in months)
    return found, came


def history(n: float, missed: float, next_days: float = 10.0) -> PausedContracts:
    columns = {name: np.zeros(1) for name in PausedContracts._fields}
    columns |= {"renewals": np.array([n]), "seen": np.array([n]), "missed": np.array([missed]), "kept": np.array([n])}
    columns |= {"lost": np.array([float(missed > 0)]), "next_days": np.array([next_days]), "outstanding": np.ones(1)}
    return PausedContracts(**columns)


def test_histories_by_hand() -> None:
    """Due days up to the last payment, those kept, pauses and what was missed in them, and those missed since."""
    paid = {
        "steady": list(range(20, 36)),
        "two pauses": [20, 21, 24, 25, 26, 28, *range(29, 36)],
        "in one": [20, 21, 22, 23, 30, 31, 32],
        "once": [33],
    }
    found = with_pauses(RETENTION["sbg"](pauses=True)).histories(log_of(paid))
    expected = {  # renewals, missed, kept, breaks, idle
        "in one": (12, 3, 5, 1, 6),
        "once": (0, 2, 0, 0, 0),
        "steady": (15, 0, 15, 0, 0),
        "two pauses": (15, 0, 10, 2, 3),
    }
    columns = (found.renewals, found.missed, found.kept, found.breaks, found.idle)
    assert dict(zip(expected, zip(*columns, strict=True), strict=True)) == expected
    assert (found.next_days < 6).all()  # 5 January, on the even calendar
    assert (found.next_days > 3).all()


@pytest.mark.parametrize("kind", MODELS)
def test_likelihood_is_the_sum_over_what_may_have_happened(kind: str) -> None:
    """Paid at the first n due days and at none of m more: all paths of ending and pausing, averaged over theta."""
    model, params = MODELS[kind]
    c = float(params["c"][0]) if kind == "bdw" else 1.0
    theta = beta_law.ppf((np.arange(20_000) + 0.5) / 20_000, 1.2, 9.0)

    def goes_on(j: int) -> np.ndarray:
        return (1 - theta) ** (j**c - (j - 1) ** c)

    for n, m in itertools.product((0, 1, 4), (0, 1, 2, 5)):
        chance = np.prod([goes_on(j) * (1 - PI) for j in range(1, n + 1)], axis=0) * np.ones(theta.size)
        ended, on, first = np.zeros(theta.size), chance, True
        for j in range(n + 1, n + m + 1):
            ended, on = ended + on * (1 - goes_on(j)), on * goes_on(j) * (PI if first else 1 - RHO)
            first = False
        found = model.log_likelihood(params, history(n, m), WEEK)[0, 0]
        assert found == pytest.approx(np.log((ended + on).mean()), abs=2e-4), (n, m)
        alive = model.probability_alive(params, history(n, m), WEEK)[0, 0]
        assert alive == pytest.approx(on.mean() / (ended + on).mean(), abs=2e-4), (n, m)


@pytest.mark.parametrize("kind", MODELS)
def test_expected_payments_are_those_of_the_chain(kind: str) -> None:
    """Step by step for many theta, discounted and not; at least one payment; and a newcomer's distribution."""
    model, params = MODELS[kind]
    c = float(params["c"][0]) if kind == "bdw" else 1.0
    due, rate = 12, 0.1
    horizon = 10.0 + DAYS_PER_MONTH * (due - 1) + 1
    for n, m in ((0, 0), (3, 0), (3, 2)):
        b = 9.0 + (n + m) ** c
        theta = beta_law.ppf((np.arange(20_000) + 0.5) / 20_000, 1.2, b)
        after, idle = (np.ones(theta.size), np.zeros(theta.size))[:: -1 if m else 1]
        none = (after.copy(), idle.copy())
        total = worth = 0.0
        for j in range(n + m + 1, n + m + due + 1):
            on = (1 - theta) ** (j**c - (j - 1) ** c)
            after, idle = on * (after * (1 - PI) + idle * RHO), on * (after * PI + idle * (1 - RHO))
            none = (0.0 * theta, on * (none[0] * PI + none[1] * (1 - RHO)))
            total += after.mean()
            worth += after.mean() * (1 + rate) ** (-(10.0 + DAYS_PER_MONTH * (j - n - m - 1)) / 365.25)
        given = history(n, m)
        alive = model.probability_alive(params, given, WEEK)[0, 0]
        assert model.expected_orders(params, given, horizon, WEEK)[0, 0] == pytest.approx(alive * total, rel=1e-4)
        found = model.expected_discounted_orders(params, given, horizon, rate, WEEK)[0, 0]
        assert found == pytest.approx(worth, rel=1e-4)
    weeks = (DAYS_PER_MONTH * due + 1) / WEEK
    pmf = model.order_pmf(params, 15, weeks, WEEK)[0]
    assert pmf.sum() == pytest.approx(1.0)
    assert pmf @ np.arange(16) == pytest.approx(model.expected_orders_new(params, weeks, WEEK)[0, 0])
    nobody = model.newborn()
    active = model.probability_active(params, nobody, DAYS_PER_MONTH * due + 1, WEEK)[0, 0]
    assert active == pytest.approx(1 - pmf[0])


def test_simulated_contracts_pause_as_expected() -> None:
    """Existing ones, some of them in a pause, and newcomers."""
    draws, (model, params) = 300, MODELS["sbg"]
    summary = log_of(made_up(300, 4)[0])
    money = {"price": np.full(draws, 9.0), "first_order_factor": np.ones(draws)}
    life = {name: np.repeat(values, draws) for name, values in params.items()}
    fitted = FittedModels(model, FixedPrice(), Posterior(life, money, "week"))
    none, calm = np.zeros(len(summary.customers), np.int64), EnvironmentConfig(sd_prior=0.0)
    blocks, _ = existing_blocks(summary, fitted, none, none, 4096)
    found = repeat_orders(blocks, 400.0, calm, draws, 9, 1, 8.0).sum(axis=1)
    histories = model.histories(summary)
    assert (histories.missed > 0).sum() > 50

    def near(worlds: np.ndarray, expected: float) -> None:
        error = worlds.std(ddof=1) / np.sqrt(draws)
        assert 4 * error < 0.03 * expected
        assert worlds.mean() == pytest.approx(expected, abs=4 * error)

    near(found, model.expected_orders(params, histories, 400.0, WEEK).sum())
    ids = [f"n{i}" for i in range(400)]
    block = Block(people_of(key=rng.text_keys(ids)), newcomer_laws(fitted), newcomers=True, renewing=True)
    weekly = repeat_orders([block], WEEK * 70, calm, draws, 7, 1, 8.0)
    near(weekly.sum(axis=1), len(ids) * model.expected_orders_new(params, 70.0, WEEK)[0, 0])


def test_a_log_with_pauses_is_recovered() -> None:
    """Chances to pause and to return within 4 sd; payments of the next year, of those who have missed some as well, of
    whom a model without pauses expects nothing."""
    paid, came = made_up(1500, 11)
    summary, config = log_of(paid), FitConfig(method="laplace", draws=1000, cache=False)
    later = np.array([came[name] for name in summary.customers["customer_id"]])
    for pauses in (True, False):
        fitted = fit(summary, RETENTION["sbg"](pauses=pauses), FixedPrice(), config)
        params, model = fitted.posterior.retention, fitted.retention
        histories: Any = model.histories(summary)
        orders, silent = model.expected_orders(params, histories, 12 * DAYS_PER_MONTH, WEEK), histories.lost > 0
        for who in (silent, ~silent):
            total, luck = orders[:, who].sum(axis=1), np.sqrt((later[who] ** 2.0).sum())
            if pauses:
                assert abs(later[who].sum() - total.mean()) < 3 * np.hypot(luck, total.std())
        assert later[silent].sum() > 400
        if not pauses:
            assert orders[:, silent].sum() == 0
            assert orders[:, ~silent].sum(axis=1).mean() > 1.1 * later[~silent].sum()
        if pauses:
            assert isinstance(model, Pausing)
            for name, truth in (("pause", PI), ("resume", RHO)):
                assert params[name].mean() == pytest.approx(truth, abs=4 * params[name].std())
                assert params[name].std() < 0.1 * truth
            mean = params["alpha"] / (params["alpha"] + params["beta"])
            assert mean.mean() == pytest.approx(1.2 / 15.2, abs=4 * mean.std())


def test_density_is_the_likelihood() -> None:
    """The graph against the sum over contracts, as parameters move."""
    summary = log_of(made_up(200, 3)[0])
    for kind, (model, params) in MODELS.items():
        rows, histories = model.sufficient(summary), model.histories(summary)
        values = []
        for factor in (0.5, 1.0, 2.0):
            moved = {**params, "pause": params["pause"] * factor, "resume": params["resume"] / factor}
            plain = {name: float(value[0]) for name, value in moved.items()}
            graph = float(model.log_density({k: _constant(v) for k, v in plain.items()}, model.inputs(rows)).eval())
            values.append(graph - model.log_likelihood(moved, histories, WEEK).sum())
        np.testing.assert_allclose(values, 0.0, atol=1e-6, err_msg=kind)


def _constant(value: float) -> Any:
    import pytensor.tensor as pt

    return pt.constant(value)


def test_plans_that_pause() -> None:
    """Each plan has chances of its own, and laws carry them by contract."""
    paid = {f"m{i}": months for i, months in enumerate(made_up(60, 8)[0].values())}
    yearly = {f"y{i}": [i % 12, 12 + i % 12, 24 + i % 12][: 1 + i % 3] for i in range(30)}
    summary = log_of(paid | yearly)
    model: Any = by_plan(RETENTION["sbg"](renewal="plan", pauses=True), summary)
    params = {f"{plan}.{name}": value for plan in ("month", "year") for name, value in (SBG | PAUSES).items()}
    params["year.pause"] = np.array([0.02])
    law = model.laws(params, model.histories(summary), WEEK)
    yearly_rows = model.codes(summary) == 1
    assert yearly_rows.sum() == 20  # those who paid once paid as much as the others
    assert set(law.pause[0, yearly_rows]) == {0.02}
    assert set(law.pause[0, ~yearly_rows]) == {PI}
    assert law.paused.sum() > 10


def test_returns_that_nothing_models_name_the_key() -> None:
    summary = log_of(made_up(200, 3)[0])
    said, irregular = RETENTION["sbg"]().remarks(summary)
    assert "contracts are irregular" in irregular
    assert "have come back after missing a due day" in said
    assert "retention.pauses=true" in said
    assert RETENTION["sbg"](pauses=True).remarks(summary) == ()
    steady = log_of({f"c{i}": list(range(i % 30, 36 - i % 5)) for i in range(60)})
    assert RETENTION["sbg"]().remarks(steady) == ()


def test_bad_input() -> None:
    with pytest.raises(ValidationError, match="pauses do not go with pool or covariates; leave these out"):
        RETENTION["sbg"](pauses=True, pool="segment")
    model, params = MODELS["sbg"]
    summary = log_of({"a": [20, 21, 22], "b": list(range(15, 36)), "c": list(range(30, 36))})
    assert any("No contract has come back after a pause" in line for line in model.warnings(summary, params))
