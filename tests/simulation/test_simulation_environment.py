"""Shocks ahead: sizes of the prior or of the draw, worlds that stay paired, and what the page says of them."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtri
from shop import posterior, run, shop

from clvsim.models.around.calendar import Path, months_of
from clvsim.models.around.path import STATES
from clvsim.models.fitted import FittedModels
from clvsim.models.shocks import with_path
from clvsim.simulation.assumptions import uncertain_inputs
from clvsim.simulation.config import EnvironmentConfig
from clvsim.simulation.environment import SdLaw, sd_law
from clvsim.simulation.worlds import make_worlds
from clvsim.types import PARTS, CustomerSummary

UNIFORM = np.linspace(0.001, 0.999, 400)


def learned(draws: int) -> tuple[FittedModels, CustomerSummary]:
    """The shop with dated orders; a posterior whose sd of shocks rises from draw to draw, every other with a level."""
    bare = shop()
    length = (bare.today - bare.first_date).days
    summary = replace(bare, repeat_orders_by_day=np.full((PARTS, length + 1), 3, np.int64))
    base = posterior(draws)
    months = months_of(length)
    path = {f"path[{k}]": np.full(draws, 0.1 / k) for k in range(1, months + 1)}
    values = (np.full(draws, 0.1), np.zeros(draws), np.zeros(draws), np.linspace(0.05, 0.3, draws))
    states = dict(zip(STATES, (*values, 0.02 * (np.arange(draws) % 2)), strict=True))
    model = with_path(base.retention, summary, Path(months=months, today=summary.today, autocorrelation=0.5))
    retention = {**base.posterior.retention, **path, **states}
    return replace(base, retention=model, posterior=replace(base.posterior, retention=retention)), summary


@pytest.mark.parametrize("learn", [True, False])
def test_prior_is_kept_where_no_month_was_learned(learn):
    law = sd_law(posterior(4), shop(), EnvironmentConfig(learn=learn))
    assert law == SdLaw(0.2)
    sd, level_sd = law.of_draws(UNIFORM)
    np.testing.assert_array_equal(sd, 0.2 * ndtri(0.5 + 0.5 * UNIFORM))
    assert not level_sd.any()


def test_sizes_are_those_of_the_draws():
    fitted, summary = learned(40)
    law = sd_law(fitted, summary, EnvironmentConfig())
    worlds = make_worlds(3, 30, 2, 4, EnvironmentConfig(), law)
    np.testing.assert_array_equal(worlds.environment_sd, fitted.posterior.retention["path.sd"][:30])
    np.testing.assert_array_equal(worlds.level_sd, fitted.posterior.retention["path.level_sd"][:30])
    assert sd_law(fitted, summary, EnvironmentConfig(learn=False)) == SdLaw(0.2)


def test_layer_can_be_switched_off():
    law = sd_law(posterior(4), shop(), EnvironmentConfig(sd_prior=0.0))
    assert not make_worlds(1, 20, 1, 6, EnvironmentConfig(sd_prior=0.0), law).log_rate.any()
    assert EnvironmentConfig(sd_prior=0.0).path_prior is None
    assert EnvironmentConfig(learn=False).path_prior is None


def test_without_learning_shocks_are_stationary():
    """As before the months were learned: the same sd in each month, half the variance taken off."""
    worlds = make_worlds(2, 20_000, 1, 6, EnvironmentConfig(learn=False), SdLaw(0.2))
    z = (worlds.log_rate + 0.5 * worlds.environment_sd[:, None] ** 2) / worlds.environment_sd[:, None]
    np.testing.assert_allclose(z.std(axis=0), 1.0, atol=4 / np.sqrt(2 * 20_000))
    assert np.corrcoef(z[:, 2], z[:, 3])[0, 1] == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("known", [False, True])
def test_worlds_are_paired_and_extended(known):
    """More draws keep the first worlds, more months the first months."""
    fitted, summary = learned(60)
    law = sd_law(fitted, summary, EnvironmentConfig()) if known else None
    few, more, longer = (make_worlds(3, n, 1, m, EnvironmentConfig(), law) for n, m in ((40, 4), (60, 4), (40, 9)))
    np.testing.assert_array_equal(more.log_rate[:40], few.log_rate)
    np.testing.assert_array_equal(longer.log_rate[:, :4], few.log_rate)


def test_page_says_what_informed_it():
    fitted, summary = learned(20)
    found = run(fitted=fitted, draws=20, summary=summary, environment=EnvironmentConfig(), horizon_months=1)
    shocks, level = (a for a in found.assumptions if a.path.startswith("environment"))
    assert (shocks.kind, level.kind) == ("learned", "learned")
    months = months_of((summary.today - summary.first_date).days)
    assert f"learned with its {months} months up to today" in shocks.text
    assert shocks.mean == pytest.approx(found.worlds.environment_sd.mean())
    assert level.path == "environment.level_sd_prior"
    assert level.mean == pytest.approx(0.01)
    assumed = run(draws=12, environment=EnvironmentConfig(learn=False))
    (line,) = (a for a in assumed.assumptions if a.path.startswith("environment"))
    assert (line.kind, "not estimated from the data" in line.text) == ("prior", True)


def test_inputs_hold_where_the_path_stands_and_no_single_month():
    fitted, summary = learned(20)
    found = run(fitted=fitted, draws=20, summary=summary, environment=EnvironmentConfig(), horizon_months=1)
    frame = uncertain_inputs(fitted, found.worlds, {}, [])
    assert [name for name in frame.columns if "path" in name or "environment" in name] == [
        "environment.sd",
        "environment.level_sd",
    ]  # shock, level and slope are the same in all draws here
    moved = {**fitted.posterior.retention, "path.shock": np.linspace(-1, 1, 20), "path[1]": np.linspace(-1, 1, 20)}
    fitted = replace(fitted, posterior=replace(fitted.posterior, retention=moved))
    assert "retention.path.shock" in uncertain_inputs(fitted, found.worlds, {}, []).columns
