"""CONTACT: stocks against a naive loop, the cadence its shipped priors imply, and what an opt-out ends."""

import math

import numpy as np
import pytest

from clvsim.effects import draw
from clvsim.interventions import INTERVENTIONS
from clvsim.interventions.base import ContactProgramme, Group
from clvsim.interventions.contact import ContactIntervention
from clvsim.simulation.tables import response, stocks, weekly_contacts
from clvsim.types import DAYS_PER_MONTH

EXISTING = Group("existing", "s1", "")


def programme(draws: int = 3, per_month: float = 5.0, **changed) -> ContactProgramme:
    section = ContactIntervention.model_validate({"kind": "contact", "per_month": per_month, **changed})
    uniforms = (np.arange(draws) + 0.5) / draws
    values = {
        field: draw(effect, uniforms, what.scale, path=field, domain=what.domain).values
        for field, (effect, what) in section.uncertain().items()
    }
    (mechanism,) = section.compile("email", values)
    assert isinstance(mechanism, ContactProgramme)
    return mechanism


@pytest.mark.parametrize("kind", ["content", "soft", "hard", "appreciation"])
@pytest.mark.parametrize("joined", [0, 7, 40])
def test_stocks_and_response_against_a_loop(kind: str, joined: int) -> None:
    """Equations of DESIGN 5, week by week, for somebody who joins in a given week."""
    made = programme(type=kind, when={"start_month": 1, "end_month": 9, "ramp_months": 2}, opt_out_fatigue=0.7)
    weeks = 60
    contacts = weekly_contacts(made, EXISTING, weeks)
    goodwill, fatigue = stocks(made, contacts, 41)
    answer = response([made], EXISTING, np.array([2, 0]), weeks, 41)
    weight_g = {"content": 1.0, "soft": 1.0, "hard": 0.5, "appreciation": 1.5}[kind] * 0.05
    weight_f = {"content": 0.5, "soft": 1.0, "hard": 2.0, "appreciation": 0.5}[kind] * 0.2
    g = f = 0.0
    for k in range(weeks):
        month = (k + 0.5) * 7 / DAYS_PER_MONTH
        n = 5.0 * 7 / DAYS_PER_MONTH * min(1.0, max(0.0, (month - 1) / 2)) * (1 <= month < 9) * (k >= joined)
        g = 2 ** (-1 / 8) * g + weight_g * n
        f = 2 ** (-1 / 2) * f + weight_f * n
        assert goodwill[joined, k] == pytest.approx(g, rel=1e-12, abs=1e-15)
        assert fatigue[joined, k] == pytest.approx(f, rel=1e-12, abs=1e-15)
        for row, d in enumerate((2, 0)):
            rate = made.goodwill[d] * (1 - math.exp(-g)) - made.fatigue[d] * f**2 / (1 + f)
            assert answer.log_rate[row, joined, k] == pytest.approx(rate, rel=1e-9, abs=1e-15)
            assert answer.hazard[row, joined, k] == pytest.approx(made.churn[d] * f * n, rel=1e-12, abs=1e-18)
            opting = made.opt_out[d] * n * math.exp(0.7 * f)
            assert answer.opt_out[row, joined, k] == pytest.approx(opting, rel=1e-12, abs=1e-18)


def test_programmes_add_up() -> None:
    two = [programme(), programme(per_month=1.0, type="hard")]
    draws = np.arange(3)
    both = response(two, EXISTING, draws, 30, 1)
    apart = [response([one], EXISTING, draws, 30, 1) for one in two]
    for part in ("log_rate", "hazard", "opt_out"):
        np.testing.assert_allclose(getattr(both, part), sum(getattr(a, part) for a in apart), rtol=1e-12)


def best_cadence(draws: int) -> np.ndarray:
    """Soft contacts a month with the highest steady-state purchase rate, per draw of the shipped priors.

    Goodwill and fatigue are drawn independently, as scenarios draw them.
    """
    section = ContactIntervention.model_validate({"kind": "contact", "per_month": 1.0})
    r = np.random.default_rng(8)
    kappa, phi = (
        draw(effect, r.random(draws), "amount", path="").values for effect in (section.goodwill, section.fatigue)
    )
    per_month = np.geomspace(0.1, 400, 1500)
    weekly = per_month * 7 / DAYS_PER_MONTH
    g = 0.05 * weekly / (1 - 0.5 ** (1 / section.goodwill_half_life_weeks))
    f = 0.2 * weekly / (1 - 0.5 ** (1 / section.fatigue_half_life_weeks))
    gain = kappa[:, None] * -np.expm1(-g) - phi[:, None] * f**2 / (1 + f)
    return per_month[gain.argmax(axis=1)]


def test_cadence_that_the_priors_imply() -> None:
    """About 7 soft contacts a month, 90 % from 2 to 20, as the section says of itself."""
    best = best_cadence(20_000)
    low, middle, high = np.quantile(best, [0.05, 0.5, 0.95])
    assert 5 < middle < 9
    assert 1 < low < 3
    assert 15 < high < 25


def test_more_than_the_optimum_is_worse() -> None:
    """At the priors' medians the steady-state rate rises up to the optimum and falls after it, below 0 in the end."""
    made = [programme(1, per_month=n) for n in (1.0, 7.0, 20.0, 60.0)]
    rates = [response([one], EXISTING, np.array([0]), 200, 1).log_rate[0, 0, -1] for one in made]
    assert 0 < rates[0] < rates[1]
    assert rates[1] > rates[2] > rates[3]
    assert rates[3] < 0


def test_priors_of_harm_include_none() -> None:
    """Fatigue and churn may be nothing at all; the assumption is labelled as one."""
    section = ContactIntervention.model_validate({"kind": "contact", "per_month": 1.0})
    for effect in (section.fatigue, section.churn):
        values = draw(effect, np.array([1e-6, 0.5, 1 - 1e-6]), "amount", path="").values
        assert 0 <= values[0] < 1e-5 * values[1]
        assert values[2] > 5 * values[1]
    for field, (effect, _) in section.uncertain().items():
        assert effect.source.startswith("assumed"), field
    assert INTERVENTIONS["contact"] is ContactIntervention
