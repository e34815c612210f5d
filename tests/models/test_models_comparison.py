"""Leave-one-customer-out against exact leaving out, stacking at known optima, and the models on CDNOW."""

import re
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from scipy.special import logsumexp

from clvsim.errors import ConfigError, DiagnosticsError
from clvsim.models import RETENTION
from clvsim.models import fit as fitting
from clvsim.models.around.calendar import Calendar
from clvsim.models.around.levels import Design
from clvsim.models.around.pooling import Pooled
from clvsim.models.around.season import Seasonal
from clvsim.models.compare import (
    compare_models,
    compared_models,
    expected_portfolio_orders,
    fit_all,
    stacking_weights,
    without,
)
from clvsim.models.config import FitConfig
from clvsim.models.fitted import FittedModels
from clvsim.models.laws import customers_of
from clvsim.models.loo import leave_one_out, smoothed_weights
from clvsim.models.retention import bg_nbd
from clvsim.models.retention.bdw import Bdw
from clvsim.models.retention.bg_bb import BgBb
from clvsim.models.retention.bg_nbd import BgNbd
from clvsim.models.retention.mbg_nbd import MbgNbd
from clvsim.models.retention.sbg import Sbg
from clvsim.models.spend.gamma_gamma import GammaGamma
from clvsim.types import CustomerSummary, Diagnostic, DrawMethod, Posterior
from tests.stories import STORIES


def few(summary: CustomerSummary, customers: int) -> CustomerSummary:
    return replace(summary, customers=summary.customers.head(customers).reset_index(drop=True))


def fixed(draws: dict[str, np.ndarray], kind: str = "bg_nbd") -> FittedModels:
    return FittedModels(RETENTION[kind](), GammaGamma(), Posterior(draws, {}, "week"))


def test_leaving_out_is_exact_on_a_grid(cdnow):
    """One unknown, alpha, on a grid: p(history i | others) = Σ p(i | α) p(α | others), no sampling anywhere."""
    some = few(cdnow, 40)
    alpha = np.exp(np.linspace(np.log(0.5), np.log(60), 4001))
    grid = {"r": np.full(4001, 0.25), "alpha": alpha, "a": np.full(4001, 0.8), "b": np.full(4001, 2.4)}
    x, t_x, T = customers_of(some)
    each = bg_nbd.log_likelihood(grid, x, t_x / 7, T / 7)  # (grid, customer); the prior is flat in log alpha
    together = each.sum(axis=1)
    others = together[:, None] - each
    exact = logsumexp(others + each, axis=0) - logsumexp(others, axis=0)

    chance = np.exp(together - logsumexp(together))
    pick = np.random.default_rng(5).choice(4001, 20_000, p=chance)
    found = leave_one_out(fixed({name: values[pick] for name, values in grid.items()}), some)
    # Monte Carlo error of each score: sd of p(i | α)^-1 over its mean, for 20,000 draws
    inverse = np.exp(-each[pick])
    error = inverse.std(axis=0) / inverse.mean(axis=0) / np.sqrt(20_000)
    assert (abs(found.elpd - exact) < 4.5 * error + 1e-6).all()
    within = logsumexp(each, axis=0, b=chance[:, None])
    assert (exact < within).all()  # leaving out costs
    assert found.parameters == pytest.approx((within - exact).sum(), rel=0.15)
    assert 0.5 < found.parameters < 1.5  # there is one
    assert found.unreliable == 0


def test_scores_follow_the_customers_not_the_table(cdnow, posterior):
    """The order of the rows does not matter, and people with one history have one score."""
    some = few(cdnow, 200)
    turned = replace(some, customers=some.customers.iloc[::-1].reset_index(drop=True))
    draws = fixed({k: v[:500] for k, v in posterior.retention.items()})
    one, other = leave_one_out(draws, some), leave_one_out(draws, turned)
    np.testing.assert_array_equal(one.elpd, other.elpd[::-1])
    frame = some.customers.assign(elpd=one.elpd)
    assert (frame.groupby(["frequency", "recency_days", "T_days"])["elpd"].nunique() == 1).all()


@pytest.mark.parametrize("kind", ["bg_nbd", "mbg_nbd", "pareto_nbd", "bg_cnbd", "mbg_cnbd"])
def test_somebody_new_today_is_predicted_by_every_draw_alike(cdnow, kind):
    """No time has passed: nothing could have happened, so the score is 0, exact, and costs no parameter."""
    story = STORIES[kind]
    noise = np.exp(0.1 * np.random.default_rng(3).standard_normal((len(story.params), 400)))
    draws = {name: value * noise[i] for i, (name, value) in enumerate(story.params.items())}
    if "cnbd" in kind:
        draws["k"] = np.full(400, 2.0)
    some = few(cdnow, 30)
    frame = some.customers.copy()
    frame.loc[:4, ["frequency", "recency_days", "T_days", "log_gaps"]] = [0, 0.0, 0.0, 0.0]
    found = leave_one_out(fixed(draws, kind), replace(some, customers=frame))
    assert found.elpd[:5] == pytest.approx(np.zeros(5), abs=1e-12)
    assert (found.pareto_k[:5] == -np.inf).all()
    assert found.unreliable == 0
    assert np.ptp(found.elpd[5:]) > 0


def test_weights_without_a_tail_are_left_as_they_are():
    """Equal in every draw, or wherever they are largest: nothing to smooth. The other row is smoothed as ever."""
    from arviz_stats.base import array_stats

    varied = np.random.default_rng(6).normal(-3, 1, 400)
    capped = np.maximum(varied, np.quantile(varied, 0.3))
    rows = np.stack([np.full(400, -2.5), varied, capped])
    weights, k = smoothed_weights(rows)
    np.testing.assert_array_equal(weights[[0, 2]], -rows[[0, 2]])
    expected, shape = array_stats.psislw(varied[None])
    np.testing.assert_array_equal(weights[1], expected[0])
    assert k.tolist() == [-np.inf, shape.item(), -np.inf]


def test_stacking_finds_known_optima():
    """Two models that give 0.8 and 0.2 to one kind of customer, the reverse to the other kind, in shares π : 1 − π.

    The mixture's 0.2 + 0.6 w is then π: w = (π − 0.2) / 0.6, and on the border where that lies outside.
    """
    for share, weight in ((0.5, 0.5), (0.35, 0.25), (0.62, 0.7), (0.9, 1.0), (0.1, 0.0)):
        first = np.where(np.arange(1000) < 1000 * share, 0.8, 0.2)
        found = stacking_weights(np.log(np.column_stack([first, 1 - first])) - 700)  # densities, far from 1
        assert found == pytest.approx([weight, 1 - weight], abs=1e-5)
    assert stacking_weights(np.zeros((5, 1))) == pytest.approx([1.0])


def test_stacking_satisfies_the_conditions_of_a_maximum():
    """Gradient (mean of p_k over the mixture) is 1 on the models used and at most 1 on the others."""
    elpd = np.random.default_rng(2).normal(-4, 1.5, (3000, 4)) + np.array([0, 0.1, -0.3, -3])
    weights = stacking_weights(elpd)
    density = np.exp(elpd)
    slope = (density / (density @ weights)[:, None]).mean(axis=0)
    used = weights > 1e-4
    assert used.sum() >= 2
    assert slope[used] == pytest.approx(np.ones(used.sum()), abs=1e-5)
    assert (slope < 1 + 1e-5).all()


def test_stacking_and_differences_are_those_of_arviz():
    """Its weights come from another parametrisation and optimum; differences and their errors are paired sums."""
    import arviz_stats
    import xarray as xr
    from arviz_stats.utils import ELPDData

    elpd = np.random.default_rng(12).normal(-4, 1.5, (2000, 3)) + np.array([0, 0.05, -0.2])
    named = {
        f"m{k}": ELPDData(
            elpd=column.sum(), se=1.0, p=1.0, n_samples=1000, n_data_points=2000, scale="log",
            warning=False, good_k=0.7, elpd_i=xr.DataArray(column, dims="customer"),
        )
        for k, column in enumerate(elpd.T)
    }  # fmt: skip
    other = arviz_stats.compare(named, method="stacking", round_to="none").sort_index()
    assert stacking_weights(elpd) == pytest.approx(other["weight"].to_numpy(), abs=2e-5)
    assert (other["weight"] > 0.02).sum() >= 2
    best = elpd.sum(axis=0).argmax()
    behind = elpd - elpd[:, [best]]
    assert abs(other["elpd_diff"].to_numpy()) == pytest.approx(abs(behind.sum(axis=0)))
    assert other["dse"].to_numpy() == pytest.approx(behind.std(axis=0, ddof=1) * np.sqrt(2000), rel=1e-3)


def test_models_side_by_side_on_cdnow(cdnow):
    """At the published maxima −9582.43, −9594.98, −9582.14: with draws all but equal, scores are log-likelihoods."""
    maxima = {
        "bg_nbd": ({"r": 0.2426, "alpha": 4.4136, "a": 0.7929, "b": 2.4259}, -9582.4292),
        "pareto_nbd": ({"r": 0.5533, "alpha": 10.578, "s": 0.6062, "beta": 11.669}, -9594.9762),
        "mbg_nbd": ({"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}, -9582.1357),
    }
    jitter = 1 + 1e-7 * np.random.default_rng(3).standard_normal(200)
    fitted = {name: fixed({k: v * jitter for k, v in at.items()}, name) for name, (at, _) in maxima.items()}
    scores = {s.model: s for s in compare_models(fitted, cdnow, 273.0)}
    for name, (_, log_likelihood) in maxima.items():
        assert scores[name].elpd == pytest.approx(log_likelihood, abs=5e-3)
        assert scores[name].parameters == pytest.approx(0, abs=1e-3)
    assert scores["mbg_nbd"].difference == 0
    assert scores["pareto_nbd"].difference == pytest.approx(-9594.9762 + 9582.1357, abs=1e-2)
    assert scores["pareto_nbd"].difference_se > 0
    assert sum(s.weight for s in scores.values()) == pytest.approx(1)
    # Conditional expectations over the hold-out, as published
    assert scores["bg_nbd"].orders == pytest.approx(1653.4, abs=0.1)
    assert scores["pareto_nbd"].orders == pytest.approx(1665.5, abs=0.1)


def test_expected_orders_of_everybody_are_weighed_by_how_many_share_a_history(cdnow, posterior):
    some = few(cdnow, 300)
    draws = {k: v[:50] for k, v in posterior.retention.items()}
    x, t_x, T = customers_of(some)
    each = bg_nbd.expected_orders(draws, x, t_x / 7, T / 7, 39.0)
    np.testing.assert_allclose(expected_portfolio_orders(fixed(draws), some, 273.0), each.sum(axis=1), rtol=1e-10)


def test_the_runs_own_model_comes_first_and_keeps_its_priors():
    own = BgNbd.model_validate({"r": {"median": 2.0, "sd_log": 0.5}})
    found = compared_models(own, ("mbg_nbd", "bg_nbd", "pareto_nbd"))
    assert list(found) == ["bg_nbd", "mbg_nbd", "pareto_nbd"]
    assert found["bg_nbd"] is own


def test_bad_names_are_told_with_the_choices():
    with pytest.raises(ValueError, match=f"no retention model bgnbd, x; choose from {', '.join(RETENTION)}"):
        FitConfig(compare=("bgnbd", "bg_nbd", "x"))
    with pytest.raises(ValueError, match="map has none"):
        FitConfig(compare=("bg_nbd",), method="map")


def test_a_model_that_needs_settings_is_not_compared_silently(monkeypatch):
    class Demanding(BgNbd):
        needed: int

    monkeypatch.setitem(RETENTION, "mbg_nbd", Demanding)
    with pytest.raises(ConfigError, match=r"fit\.compare: mbg_nbd needs settings of its own"):
        compared_models(BgNbd(), ("mbg_nbd",))


def test_models_of_other_orders_are_not_set_beside_each_other():
    """BG/BB merges the orders of a period: neither scores nor forecasts are of the same orders."""
    with pytest.raises(ConfigError, match="bg_bb and bg_nbd do not see the same orders"):
        compared_models(BgNbd(), ("pareto_nbd", "bg_bb"))
    with pytest.raises(ConfigError, match="bg_nbd and bg_bb do not see the same orders"):
        compared_models(BgBb(), ("bg_bb", "bg_nbd"))
    with pytest.raises(ConfigError) as refused:
        compared_models(BgNbd(), ("sbg", "bdw", "mbg_nbd"))
    words = "{} is about contracts that renew and bg_nbd about orders: they do not read the same of a log"
    assert [what for _, what in refused.value.problems] == [words.format(name) for name in ("sbg", "bdw")]
    with pytest.raises(ConfigError, match="sbg is about contracts that renew and bg_bb about orders"):
        compared_models(Sbg(), ("bg_bb",))


def test_settings_that_say_how_to_read_the_data_are_shared():
    yearly = compared_models(Sbg(renewal="year", grace_days=10.0), ("bdw",))["bdw"]
    assert isinstance(yearly, Bdw)
    assert (yearly.renewal, yearly.grace_days, yearly.churn_mean) == ("year", 10.0, Bdw().churn_mean)
    own = BgNbd.model_validate({"pool": "segment", "r": {"median": 2.0, "sd_log": 0.5}, "covariates": {"sd": 0.3}})
    other = compared_models(own, ("mbg_nbd", "bg_cnbd"))["mbg_nbd"]
    assert isinstance(other, MbgNbd)
    assert (other.pool, other.covariates, other.r) == ("segment", own.covariates, MbgNbd().r)
    in_summer = BgNbd.model_validate({"season": "month"})
    assert [getattr(m, "season", "none") for m in compared_models(in_summer, ("mbg_nbd",)).values()] == ["month"] * 2


def test_what_a_model_cannot_tell_apart_is_said():
    plain, day = BgNbd(), date(2024, 1, 1)
    pooled: Any = Pooled(plain, Design(group=None, covariates=(), purchase=(), attrition=()))
    seasonal: Any = Seasonal(plain, Calendar(first_date=day, today=day, monthly=True, promotions={}))
    assert without(plain, pooled) == ("groups and covariates",)
    assert without(plain, seasonal) == ("months, promotions and the path of shocks",)
    assert without(pooled, pooled) == without(pooled, plain) == ()
    both: Any = Pooled(seasonal, pooled.design)
    assert without(pooled, both) == ("months, promotions and the path of shocks",)


MADE = (
    {"r": 0.25, "alpha": 4.4, "a": 0.8, "b": 2.4},
    {"p": 6.2, "q": 3.7, "gamma": 15.0, "first_order_factor": 0.9},
)


@pytest.mark.parametrize("failing", ["a limit", "no mode"])
def test_a_compared_model_that_fails_is_left_out_and_named(cdnow, monkeypatch, failing):
    """The run's own model and the others stay; when the own one fails, nothing is left to compare with."""

    def fake(model, *_):
        if model.kind == "mbg_nbd" and failing == "no mode":
            raise DiagnosticsError([("fit", "mbg_nbd: no mode")])
        poor = Diagnostic(model.kind, "Pareto k", 0.9, "< 0.7", model.kind != "mbg_nbd")
        noise = np.random.default_rng(1).uniform(0.9, 1.1, 8)
        params = {name: value * noise for name, value in MADE[model.kind == "gamma_gamma"].items()}
        return fitting.ModelDraws(params, (poor,), DrawMethod("made"))

    monkeypatch.setattr(fitting, "fit_one", fake)
    said = []
    config = FitConfig(draws=8, cache=False, compare=("mbg_nbd", "bg_cnbd"))
    monkeypatch.setitem(RETENTION, "bg_cnbd", BgNbd)
    found = fit_all(cdnow, BgNbd(), GammaGamma(), config, said.append)
    assert list(found) == ["bg_nbd", "bg_cnbd"]
    why = r"mbg_nbd is left out of the comparison: .*" + ("no mode" if failing == "no mode" else "Pareto k")
    assert re.match(why, said[-1])
    assert found["bg_nbd"].posterior.warnings[-1] == said[-1]
    with pytest.raises(DiagnosticsError):
        fit_all(cdnow, MbgNbd(), GammaGamma(), FitConfig(draws=8, cache=False, compare=("bg_nbd",)))


def test_spend_is_fitted_once_for_all(cdnow, monkeypatch):
    fitted = []

    def fake(model, *_):
        fitted.append(model.kind)
        noise = np.random.default_rng(len(fitted)).uniform(0.9, 1.1, 8)
        params = {name: value * noise for name, value in MADE[model.kind == "gamma_gamma"].items()}
        return fitting.ModelDraws(params, (), DrawMethod(f"made for {model.kind}"))

    monkeypatch.setattr(fitting, "fit_one", fake)
    config = FitConfig(draws=8, cache=False, compare=("mbg_nbd",))
    found = fit_all(cdnow, BgNbd(), GammaGamma(), config)
    assert fitted == ["bg_nbd", "gamma_gamma", "mbg_nbd"]
    for name, values in found["bg_nbd"].posterior.spend.items():
        np.testing.assert_array_equal(found["mbg_nbd"].posterior.spend[name], values)
    assert found["mbg_nbd"].method == "made for mbg_nbd (mbg_nbd), made for gamma_gamma (gamma_gamma)"
