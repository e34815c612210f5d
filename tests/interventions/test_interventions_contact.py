"""CONTACT: stocks against a naive loop, the cadence its shipped priors imply, and what an opt-out ends."""

import math
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import pytest

from clvsim.effects import REAL, draw
from clvsim.interventions import INTERVENTIONS
from clvsim.interventions.base import ContactProgramme, Group
from clvsim.interventions.contact import WEIGHTS, ContactIntervention
from clvsim.interventions.timing import Horizon
from clvsim.kernels import structs as ks
from clvsim.simulation.tables import Calendar, Levers, make_tables
from clvsim.types import DAYS_PER_MONTH

NEW = Group("new", "", "ads")
TODAY = date(2024, 9, 30)


def programme(draws: int = 3, per_month: float = 5.0, **changed) -> ContactProgramme:
    section = ContactIntervention.model_validate({"kind": "contact", "per_month": per_month, **changed})
    uniforms = (np.arange(draws) + 0.5) / draws
    values = {
        field: draw(effect, uniforms, what.scale, path=field, domain=what.domain).values
        for field, (effect, what) in section.uncertain().items()
    }
    (mechanism,) = section.compile("email", values, section.when.period(TODAY), Horizon(TODAY, 12))
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


def steady_change(per_month: float, goodwill: float, fatigue: float) -> tuple[float, float]:
    """Factors of κ and of −φ in the log purchase rate once the stocks have settled; weights per contact of a type."""
    weekly = per_month * 7 / DAYS_PER_MONTH
    g = goodwill * weekly / (1 - 0.5 ** (1 / 8))
    f = fatigue * weekly / (1 - 0.5 ** (1 / 2))
    return -math.expm1(-g), f**2 / (1 + f)


def mean_gain(per_month: float, goodwill: float, fatigue: float) -> float:
    """E[e^(κa − φb)] − 1 for κ ~ N(0, .05²) and φ ~ |N(0, .064²)|, from the moment generating functions."""
    a, b = steady_change(per_month, goodwill, fatigue)
    return math.exp((0.05 * a) ** 2 / 2) * math.exp((0.064 * b) ** 2 / 2) * math.erfc(0.064 * b / math.sqrt(2)) - 1


@pytest.mark.parametrize("kind", WEIGHTS)
def test_the_defaults_promise_nothing_at_any_cadence(kind: str) -> None:
    """Whatever is sent, and however often: customers are expected to buy less, and the less the more is sent."""
    g, f = WEIGHTS[kind]
    gains = [mean_gain(n, 0.05 * g, 0.2 * f) for n in np.geomspace(0.05, 60, 60)]
    assert max(gains) < 0
    assert (np.diff(gains) < 0).all()
    section = ContactIntervention.model_validate({"kind": "contact", "per_month": 4, "type": kind})
    uniforms = (np.arange(20_000) + 0.5) / 20_000
    kappa = draw(section.goodwill, uniforms, "amount", path="", domain=REAL).values
    assert (kappa.mean(), kappa.std()) == pytest.approx((0, 0.05), abs=1e-4)
    phi = draw(section.fatigue, uniforms, "amount", path="").values
    a, b = steady_change(4, 0.05 * g, 0.2 * f)
    shipped = np.exp(kappa * a).mean() * np.exp(-phi * b).mean() - 1  # drawn independently of each other
    assert shipped == pytest.approx(mean_gain(4, 0.05 * g, 0.2 * f), abs=2e-5)


def test_a_stated_goodwill_has_an_optimum() -> None:
    """With goodwill .1 the steady-state rate rises up to some cadence and falls after it, below 0 in the end."""
    programmes = [programme(1, per_month=n, goodwill=0.1, fatigue=0.043) for n in (1.0, 7.0, 20.0, 60.0)]
    rates = [response([cadence], 200, 1, [0]).log_rate[0, 0, -1] for cadence in programmes]
    assert 0 < rates[0] < rates[1]
    assert rates[1] > rates[2] > rates[3]
    assert rates[3] < 0


def test_priors_of_harm_include_none() -> None:
    """Fatigue and churn may be nothing at all; defaults are nobody's evidence."""
    section = ContactIntervention.model_validate({"kind": "contact", "per_month": 1.0})
    for effect in (section.fatigue, section.churn):
        values = draw(effect, np.array([1e-6, 0.5, 1 - 1e-6]), "amount", path="").values
        assert 0 <= values[0] < 1e-5 * values[1]
        assert values[2] > 5 * values[1]
    for field, (effect, _) in section.uncertain().items():
        assert section.is_default(field)
        assert effect.evidence == "stated", field
    assert INTERVENTIONS["contact"] is ContactIntervention
