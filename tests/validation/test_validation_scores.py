"""Scores against sums by hand, closed forms and brute force."""

import itertools
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from clvsim.report.validation_text import headline, summary
from clvsim.types import CustomerSummary, Tracking
from clvsim.validation import scores
from clvsim.validation.result import (
    PIT_LIMITS,
    Cumulative,
    Forecast,
    GroupCheck,
    ModelCheck,
    Prediction,
    RevenueCheck,
    Validation,
)

NOTHING = np.zeros(0)


def test_crps_of_a_known_distribution_by_hand():
    """P(0, 1, 3) = ½, ¼, ¼. E|X − X'|/2 = ⅛·1 + ⅛·3 + (1/16)·2 = ⅝; E|X − y| = 1, 1, 1½, 2 at y = 0, 1, 2, 3."""
    atoms, chance = np.array([0, 1, 3]), np.array([0.5, 0.25, 0.25])
    simulated = np.tile(np.repeat(atoms, (2000, 1000, 1000))[:, None], (1, 4))
    actual = np.array([0, 1, 2, 3])
    spread = 0.5 * sum(p * q * abs(a - b) for a, p in zip(atoms, chance) for b, q in zip(atoms, chance))  # noqa: B905
    assert spread == pytest.approx(0.625)
    by_hand = np.array([1, 1, 1.5, 2]) - 0.625
    by_steps = [sum((chance[atoms <= k].sum() - (y <= k)) ** 2 for k in range(5)) for y in actual]
    assert by_steps == pytest.approx(by_hand)
    # The unbiased spread is larger by n / (n − 1)
    assert scores.crps_of_draws(simulated, actual) == pytest.approx(by_hand - 0.625 / 3999, abs=1e-12)


def test_crps_of_few_draws_is_unbiased():
    """Mean over many pairs of draws from Poisson(1.3) is the exact CRPS, within 4 standard errors; one: |x − y|."""
    rng = np.random.default_rng(4)
    pairs = rng.poisson(1.3, (2, 400_000))
    crps = scores.crps_of_draws(pairs, np.full(400_000, 2))
    exact = scores.crps_of_poisson(np.array([1.3]), np.array([2.0]))[0]
    assert abs(crps.mean() - exact) < 4 * crps.std() / np.sqrt(400_000)
    assert scores.crps_of_draws(np.array([[3, 0]]), np.array([1, 0])).tolist() == [2, 0]


def test_crps_is_that_of_scoringrules():
    """Another implementation: its unbiased estimator for counts and for amounts, and its closed form for Poisson."""
    import scoringrules

    rng = np.random.default_rng(9)
    counts, amounts = rng.negative_binomial(0.4, 0.2, (60, 500)), rng.gamma(0.3, 80.0, (60, 500))
    for simulated, actual in ((counts, rng.poisson(2.0, 500)), (amounts, rng.gamma(0.3, 90.0, 500))):
        other = scoringrules.crps_ensemble(actual.astype(float), simulated.T.astype(float), estimator="fair")
        np.testing.assert_allclose(scores.crps_of_draws(simulated, actual), other, rtol=1e-11, atol=1e-11)
    mean, y = rng.gamma(0.5, 4.0, 500) + 1e-3, rng.poisson(3.0, 500).astype(float)
    np.testing.assert_allclose(scores.crps_of_poisson(mean, y), scoringrules.crps_poisson(y, mean), rtol=1e-9)


def test_crps_of_poisson_counts():
    """Sums over 200 terms; a mean of 0 predicts 0 for sure, so its error is the count."""
    from scipy.stats import poisson

    mean, y = np.array([0.0, 0.0, 0.4, 7.5, 7.5]), np.array([0.0, 3.0, 0.0, 7.0, 40.0])
    k = np.arange(200)
    by_sum = [((poisson.cdf(k, m) - (k >= v)) ** 2).sum() for m, v in zip(mean, y, strict=True)]
    crps = scores.crps_of_poisson(mean, y)
    assert crps == pytest.approx(by_sum, abs=1e-9)
    assert crps[:2].tolist() == [0, 3]


def test_pit_is_uniform_when_the_count_is_one_more_draw():
    """Whatever the distribution, and with as few as 19 draws: every tenth holds a tenth, χ² at 0.1 %."""
    from scipy.stats import chi2

    rng = np.random.default_rng(11)
    counts = rng.negative_binomial(0.3, 0.2, (20, 60_000))
    pit = scores.randomised_pit(counts[:19], counts[19], rng.random(60_000))
    tenths = np.histogram(pit, 10, (0, 1))[0]
    assert ((tenths - 6000) ** 2 / 6000).sum() < chi2.isf(1e-3, 9)
    # and not when the count comes from elsewhere
    shifted = scores.randomised_pit(counts[:19], counts[19] + 1, rng.random(60_000))
    assert ((np.histogram(shifted, 10, (0, 1))[0] - 6000) ** 2 / 6000).sum() > chi2.isf(1e-3, 9)


def test_pit_by_hand():
    simulated = np.array([[0, 0], [0, 2], [1, 5]])
    assert scores.randomised_pit(simulated, np.array([0, 3]), np.array([0.5, 0.5])).tolist() == [1.5 / 4, 2.5 / 4]


def test_shares_by_hand():
    """Two bins: chances .12, .18 (one of two ordered), and 1.0 for the last; the band is 1.6449 √Σp(1−p) / n."""
    active = np.array([0.12, 0.18, 1.0])
    low, high = scores.share_checks(active, active, active, np.array([True, False, True]))
    assert (low.customers, low.active, low.observed) == (2, pytest.approx(0.15), 0.5)
    half = 1.6449 * np.sqrt(0.12 * 0.88 + 0.18 * 0.82) / 2
    assert (low.low, low.high) == (0.0, pytest.approx(0.15 + half))
    assert (high.customers, high.low, high.high) == (1, 1, 1)


def test_simple_rules_by_hand():
    """100 days held back. Mean time between orders 140/7 = 20 days, so who was silent for over 40 is given nothing."""
    frame = pd.DataFrame(
        {
            "customer_id": list("abcd"),
            "frequency": [4, 3, 0, 0],
            "recency_days": [80.0, 60.0, 0.0, 0.0],
            "T_days": [100.0, 150.0, 30.0, 0.0],
            "recent_frequency": [4, 1, 0, 0],
        }
    )
    summary = CustomerSummary(frame, date(2024, 6, 1), date(2024, 1, 1), date(2024, 9, 9), "week", "made up")
    assert summary.holdout_days == 100
    rules = scores.simple_rules(summary)
    assert {name: rule.expected.tolist() for name, rule in rules.items()} == {
        "same again": [4, 1, 0, 0],
        "mean rate": [4, 2, 0, 0],
        "recency rule": [4, 0, 0, 0],
    }
    assert "6 weeks" in rules["recency rule"].words
    undated = replace(summary, customers=frame.drop(columns="recent_frequency"))
    assert "same again" not in scores.simple_rules(undated)


def test_crps_of_amounts_between_the_steps():
    """3 per order, Poisson(1.7) orders, 4.2 paid: by quadrature of the definition in money; 0 expected is sure."""
    from scipy.integrate import quad
    from scipy.stats import poisson

    frame = pd.DataFrame(
        {
            "customer_id": ["a", "b"], "frequency": [4, 0], "recency_days": [80.0, 0.0], "T_days": [100.0, 9.0],
            "recent_frequency": [2, 0], "recent_amount": [5.1, 0.0], "first_amount": [9.0, 4.0],
            "repeat_amount": [12.0, 0.0], "holdout_amount": [4.2, 6.5],
        }
    )  # fmt: skip
    summary = CustomerSummary(frame, date(2024, 6, 1), date(2024, 1, 1), date(2024, 9, 9), "week", "made up")
    rules = scores.simple_rules(summary)
    paid = frame["holdout_amount"].to_numpy()
    np.testing.assert_array_equal(rules["same again"].revenue, [5.1, 0])
    np.testing.assert_array_equal(rules["mean rate"].revenue, [12, 0])  # 4 orders in 100 days, of 3 each
    for name, orders in (("same again", 1.7), ("mean rate", 4.0)):
        prediction = rules[name].score_revenue(paid)
        steps = [3.0 * k for k in range(40)] + [4.2]
        exact, _ = quad(
            lambda u, m=orders: (poisson.cdf(np.floor(u / 3), m) - (u >= 4.2)) ** 2, 0, 120, points=steps, limit=400
        )
        assert prediction.crps[0] == pytest.approx(exact, rel=1e-8)
        assert prediction.crps[1] == pytest.approx(6.5)


def test_gini_by_hand():
    """Cov(y, rank): own order 1, the reverse −1; equal predictions are the mean over every order of them."""
    y = np.array([0.0, 1.0, 5.0, 20.0])
    assert scores.normalised_gini(y, y) == pytest.approx(1)
    assert scores.normalised_gini(-y, y) == pytest.approx(-1)
    assert scores.normalised_gini(np.ones(4), y) == 0
    assert np.isnan(scores.normalised_gini(y, np.ones(4)))
    # Lorenz curve by areas: 2 Σ (share of customers − share of money so far), from the least expected
    by_area = lambda order: sum((k + 1) / 4 - y[list(order)][: k + 1].sum() / 26 for k in range(4))  # noqa: E731
    assert scores.normalised_gini(np.array([2, 1, 3, 4.0]), y) == pytest.approx(
        by_area([1, 0, 2, 3]) / by_area(range(4))
    )
    tied = np.array([1.0, 2.0, 2.0, 2.0])
    orders = [by_area([0, *rest]) for rest in itertools.permutations([1, 2, 3])]
    assert scores.normalised_gini(tied, y) == pytest.approx(np.mean(orders) / by_area(range(4)))


def test_tenths_by_hand():
    """40 customers, of whom 22 are told apart by nothing: one tenth, whatever their rows; gaps are summed by tenth."""
    expected = np.concatenate([np.zeros(22), np.arange(1.0, 19.0)])
    group = scores.tenths(expected)
    assert np.unique(group[:22]).tolist() == [2]  # ranks 1 to 22, 11.5 in the middle
    assert np.bincount(group, minlength=10).tolist() == [0, 0, 22, 0, 0, 2, 4, 4, 4, 4]
    actual = np.zeros(40)
    actual[0], actual[39] = 3.0, 60.0
    gaps = [3, 0, 0, 1 + 2, 3 + 4 + 5 + 6, 7 + 8 + 9 + 10, 11 + 12 + 13 + 14, 60 - (15 + 16 + 17 + 18)]
    assert scores.tenths_error(expected, actual) == pytest.approx(sum(map(abs, gaps)) / 63)
    turned = np.random.default_rng(1).permutation(40)
    np.testing.assert_array_equal(scores.tenths(expected[turned]), group[turned])
    assert np.isnan(scores.tenths_error(expected, np.zeros(40)))


def test_ranking_is_paired_by_customer():
    crps = {"a": np.array([1.0, 2.0, 3.0]), "b": np.array([0.5, 2.0, 2.0])}
    first, second = scores.ranked({name: Prediction(c, c) for name, c in crps.items()}, np.zeros(3))
    assert (first.name, first.difference, first.difference_se) == ("b", 0, 0)
    assert second.difference == pytest.approx(0.5)
    assert second.difference_se == pytest.approx(np.std([0.5, 0, 1], ddof=1) / np.sqrt(3))


# --- whom to trust ---------------------------------------------------------------------------------------------------


def model(
    name: str,
    crps: np.ndarray,
    total_crps: float = 1.0,
    pit: np.ndarray | None = None,
    forecast: tuple[float, float, float] = (9.0, 8.0, 11.0),
) -> ModelCheck:
    week = Tracking(np.zeros(0, "datetime64[D]"), NOTHING, NOTHING, NOTHING, NOTHING, None, None)
    total = GroupCheck(
        "all customers", crps.size, 10, {"process": Forecast(*forecast, position=float(forecast[1] < 10))}
    )
    spread = np.linspace(0.005, 0.995, 100)
    return ModelCheck(
        name, f"{name} never loses.", "nuts", (), total, (), (total,), week, Cumulative(*[NOTHING] * 4),
        spread if pit is None else pit, (), (), Prediction(crps, crps), total_crps,
    )  # fmt: skip


def validation(*models: ModelCheck) -> Validation:
    day, nothing = date(2024, 1, 1), np.zeros(100)
    rule = Prediction(models[0].crps + 1, models[0].crps + 1)
    ranking, rules = scores.beside_rules({m.model: m.prediction for m in models}, {"mean rate": rule}, nothing)
    return Validation(
        models, ranking, rules, {"mean rate": "As before"}, (), (), (), 100, day, day, date(2024, 3, 1),
        environment=False, draws=10, draft=False, poor_fit=False, warnings=(),
    )  # fmt: skip


NOISE = np.random.default_rng(1).normal(1, 0.3, 100)
JITTER = np.random.default_rng(2).normal(0, 0.3, 100)
CRAMPED = np.full(100, 0.5)


def test_a_clear_difference_decides_alone():
    checks = validation(model("a", NOISE + 0.5, 1.0), model("b", NOISE + 0.001 * JITTER, 9.0))
    assert [m.model for m in checks.tied_models] == ["b"]
    assert checks.trusted_model.model == "b"


def test_a_clear_difference_is_one_to_the_best_that_fits():
    """c is far from b, whichever model has the least error of all; and its difference to that one is anything but."""
    wild = NOISE - 0.1 + 3 * (JITTER - JITTER.mean())
    models = model("a", wild, 1.0, CRAMPED), model("b", NOISE, 9.0), model("c", NOISE + 0.05 + 0.001 * JITTER, 1.0)
    checks = validation(*models)
    assert checks.scores[0].name == "a"
    assert checks.scores[2].difference - checks.scores[1].difference < 2 * checks.scores[2].difference_se
    assert [m.model for m in checks.tied_models] == ["b"]


def test_orders_of_contracts_are_said_to_be_renewals():
    checks = validation(model("a", NOISE))
    assert "renewal" not in summary(checks)
    text = summary(replace(checks, renewing=True))
    assert "it expected 9 renewals" in text
    assert "order" not in text


def test_all_orders_together_decide_between_models_that_customers_do_not_tell_apart():
    checks = validation(model("a", NOISE, 5.0), model("b", NOISE + JITTER - JITTER.mean() + 0.01, 2.0))
    assert [m.model for m in checks.tied_models] == ["a", "b"]
    assert checks.trusted_model.model == "b"


def test_a_model_that_does_not_fit_is_not_trusted_while_another_does():
    checks = validation(model("a", NOISE - 0.5, 1.0, CRAMPED), model("b", NOISE, 9.0))
    assert not checks.own_model.fits
    assert checks.trusted_model.model == "b"


BELOW, ABOVE, WIDE = (4.0, 2.0, 6.0), (23.1, 18.0, 29.0), (23.1, 5.0, 60.0)  # of 10 orders that came


@pytest.mark.parametrize(("forecast", "off"), [(BELOW, "60 % too low"), (ABOVE, "131 % too high"), (WIDE, "131 % too")])
def test_no_model_is_trusted_whose_total_does_not_hold(forecast, off):
    """Outside the interval, or inside one so wide that its mean is no forecast; whoever is best, one model or two."""
    poor = model("a", NOISE, forecast=forecast)
    worse = model("b", NOISE + 0.5 + 0.001 * JITTER, forecast=ABOVE)
    for checks, first in (
        (validation(poor), "of a: it fits"),
        (validation(poor, worse), "of any of these models: by a"),
    ):
        assert not checks.trusted
        verdict = headline(checks).replace("\u00a0", " ")
        assert verdict.startswith(f"Do not rely on the totals {first}")
        assert off in verdict
        assert "Trust" not in summary(checks)


def test_a_total_that_holds_comes_before_single_customers():
    """a predicts customers clearly better and misses the total; b is named, and what speaks for a is said."""
    checks = validation(model("a", NOISE, forecast=ABOVE), model("b", NOISE + 0.5 + 0.001 * JITTER))
    assert checks.trusted
    assert checks.trusted_model.model == "b"
    assert headline(checks).startswith("Use b: a predicted single customers better, but missed all orders together")
    without = validation(model("a", NOISE), model("b", NOISE + 0.5 + 0.001 * JITTER, forecast=ABOVE))
    assert without.trusted_model.model == "a"
    assert headline(without).startswith("Trust a: it predicted single customers best, beyond twice")
    assert "simulated futures" in headline(without)


@pytest.mark.parametrize(("paid", "said"), [(95.0, ""), (140.0, "36 % too low"), (30.0, "200 % too high")])
def test_revenue_that_does_not_hold_is_said_beside_orders_that_do(paid, said):
    f = Forecast(90.0, 60.0, 110.0, position=1.0)
    money = RevenueCheck(GroupCheck("all customers", 100, paid, {"process": f}), (), Prediction(NOISE, NOISE))
    checks = validation(replace(model("a", NOISE), revenue=money))
    assert checks.trusted
    verdict = headline(checks).replace("\u00a0", " ")
    assert verdict.startswith("a fits single customers")
    assert ("Do not rely on its revenue: what was paid came above the 99th" in verdict) is bool(said)
    assert said in verdict
    ranking, rules = scores.beside_rules(
        {"a": money.prediction}, {"mean rate": Prediction(NOISE + 1, NOISE + 1)}, NOISE
    )
    text = summary(replace(checks, revenue_scores=ranking, revenue_rules=rules, currency="EUR"))
    assert "it expected €90, 90 % interval [60, 110]" in text
    assert f"actual: €{paid:.0f}" in text


@pytest.mark.parametrize(
    ("actual", "forecast", "holds"),
    [
        (8, (9, 8, 11), True),  # the interval's ends belong to it
        (7, (9, 8, 11), False),
        (11, (9, 8, 11), True),
        (12, (9, 8, 11), False),
        (10, (15, 5, 30), True),  # half the actual number off is not far yet
        (10, (15.1, 5, 30), False),
        (10, (4.9, 1, 30), False),
        (0, (1.4, 0, 3), True),  # of nothing, only the interval
        (0, (4, 1, 7), False),
    ],
)
def test_limits_of_a_total(actual, forecast, holds):
    assert GroupCheck("all customers", 1, actual, {"process": Forecast(*forecast)}).holds is holds


@pytest.mark.parametrize(("share", "fits"), [(0.64, False), (0.66, True), (0.91, True), (0.93, False)])
def test_limits_of_the_central_share(share, fits):
    inside = round(100 * share)
    pit = np.array([0.5] * inside + [0.99] * (100 - inside))
    assert PIT_LIMITS == (0.65, 0.92)
    assert model("a", NOISE, pit=pit).central == pytest.approx(share)
    assert model("a", NOISE, pit=pit).fits is fits
