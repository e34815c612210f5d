"""CONTACT: stocks against a naive loop, the cadence its shipped priors imply, and what an opt-out ends."""

import math
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import pytest

from clvsim.effects import draw
from clvsim.interventions import INTERVENTIONS
from clvsim.interventions.base import ContactProgramme, Group
from clvsim.interventions.contact import ContactIntervention
from clvsim.kernels import structs as ks
from clvsim.simulation.tables import Calendar, Levers, make_tables
from clvsim.types import DAYS_PER_MONTH

NEW = Group("new", "", "ads")


def programme(draws: int = 3, per_month: float = 5.0, **changed) -> ContactProgramme:
    section = ContactIntervention.model_validate({"kind": "contact", "per_month": per_month, **changed})
    uniforms = (np.arange(draws) + 0.5) / draws
    values = {
        field: draw(effect, uniforms, what.scale, path=field, domain=what.domain).values
        for field, (effect, what) in section.uncertain().items()
    }
    (mechanism,) = section.compile("email", values, section.when.period(date(2024, 9, 30)))
    assert isinstance(mechanism, ContactProgramme)
    return mechanism


class Response(NamedTuple):
    """What the tables say of customers on the list, (w, tables, weeks); hazards per week."""

    log_rate: np.ndarray
    hazard: np.ndarray
    opt_out: np.ndarray
    charge: np.ndarray
    off_list: ks.Tables


def response(programmes: Sequence[ContactProgramme], weeks: int, arrival_weeks: int, draw: Sequence[int]) -> Response:
    """Tables of one group of newcomers, who build up stocks from the week in which they join."""
    levers = Levers("s", (), (), tuple(programmes))
    rows = np.array(draw)
    calendar = Calendar(weeks, arrival_weeks, 0.0)
    t = make_tables(levers, (NEW,), rows, np.zeros((rows.size, weeks)), 0.4, calendar, "time")
    np.testing.assert_array_equal(t.first, [0])
    np.testing.assert_array_equal(t.per_arrival_week, [int(arrival_weeks > 1)])
    n = arrival_weeks
    assert t.rate.shape == (rows.size, 2 * n, weeks)
    np.testing.assert_allclose(t.rate_excess[:, :, 1:], np.cumsum(7 * (t.rate - 1), axis=-1), atol=1e-9)
    return Response(
        log_rate=np.log(t.rate[:, :n]),
        hazard=np.diff(t.budget[:, :n]),
        opt_out=np.diff(t.opt_out[:, :n]),
        charge=t.charge[:, :n],
        off_list=ks.Tables(t.first, t.per_arrival_week, *(table[:, n:] for table in t[2:])),
    )


@pytest.mark.parametrize("kind", ["content", "soft", "hard", "appreciation"])
@pytest.mark.parametrize("joined", [0, 7, 40])
def test_stocks_and_response_against_a_loop(kind: str, joined: int) -> None:
    """The stocks' equations, week by week, for a customer who joins in a given week."""
    contacts = programme(type=kind, when={"start_month": 1, "end_month": 9, "ramp_months": 2}, opt_out_fatigue=0.7)
    weeks = 60
    answer = response([contacts], weeks, 41, [2, 0])
    weight_g = {"content": 1.0, "soft": 1.0, "hard": 0.5, "appreciation": 1.5}[kind] * 0.05
    weight_f = {"content": 0.5, "soft": 1.0, "hard": 2.0, "appreciation": 0.5}[kind] * 0.2
    g = f = 0.0
    for k in range(weeks):
        month = (k + 0.5) * 7 / DAYS_PER_MONTH
        n = 5.0 * 7 / DAYS_PER_MONTH * min(1.0, max(0.0, (month - 1) / 2)) * (1 <= month < 9) * (k >= joined)
        g = 2 ** (-1 / 8) * g + weight_g * n
        f = 2 ** (-1 / 2) * f + weight_f * n
        for row, d in enumerate((2, 0)):
            rate = contacts.goodwill[d] * (1 - math.exp(-g)) - contacts.fatigue[d] * f**2 / (1 + f)
            assert answer.log_rate[row, joined, k] == pytest.approx(rate, rel=1e-9, abs=1e-13)
            assert answer.charge[row, joined, k] == pytest.approx(math.exp(-rate), rel=1e-12)
            # differences of cumulative sums, which lose some digits
            assert answer.hazard[row, joined, k] == pytest.approx(contacts.churn[d] * f * n, rel=1e-9, abs=1e-15)
            opting = contacts.opt_out[d] * n * math.exp(0.7 * f)
            assert answer.opt_out[row, joined, k] == pytest.approx(opting, rel=1e-9, abs=1e-15)


def test_nothing_is_left_after_opting_out() -> None:
    off_list = response([programme()], 30, 5, [0, 1, 2]).off_list
    for table, value in (
        (off_list.rate, 1),
        (off_list.charge, 1),
        (off_list.budget, 0),
        (off_list.opt_out, 0),
        (off_list.rate_excess, 0),
    ):
        assert (table == value).all()


def test_programmes_add_up() -> None:
    two = [programme(), programme(per_month=1.0, type="hard")]
    together = response(two, 30, 1, range(3))
    single = [response([member], 30, 1, range(3)) for member in two]
    for part in ("log_rate", "hazard", "opt_out"):
        np.testing.assert_allclose(
            getattr(together, part), sum(getattr(a, part) for a in single), rtol=1e-9, atol=1e-14
        )


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
    programmes = [programme(1, per_month=n) for n in (1.0, 7.0, 20.0, 60.0)]
    rates = [response([cadence], 200, 1, [0]).log_rate[0, 0, -1] for cadence in programmes]
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
