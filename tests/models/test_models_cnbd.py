"""CNBD-k: at k = 1 it is BG/NBD and MBG/NBD; the order of the gaps' distribution is found where it is to be chosen."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from clvsim.errors import DiagnosticsError
from clvsim.models.laws import Customers
from clvsim.models.retention.bg_nbd import BgNbd
from clvsim.models.retention.cnbd import BgCnbd, MbgCnbd
from clvsim.models.retention.mbg_nbd import MbgNbd
from clvsim.types import CustomerSummary
from tests.stories.purchases import regular_life

PARAMS = {k: np.array([v]) for k, v in {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}.items()}


@pytest.mark.parametrize(("regular", "plain"), [(BgCnbd(k=1), BgNbd()), (MbgCnbd(k=1), MbgNbd())])
def test_random_moments_are_the_plain_model(regular, plain, cdnow: CustomerSummary) -> None:
    some = replace(cdnow, customers=cdnow.customers.iloc[:300])
    ours, theirs = regular.histories(some), plain.histories(some)
    assert isinstance(theirs, Customers)
    for quantity, arguments in (
        ("log_likelihood", ()),
        ("probability_alive", ()),
        ("probability_active", (273.0,)),
        ("expected_orders", (273.0,)),
        ("expected_discounted_orders", (1095.0, 0.1)),
        ("expected_discounted_orders", (np.inf, 0.1)),
    ):
        found = getattr(regular, quantity)(PARAMS, ours, *arguments, 7.0)
        expected = getattr(plain, quantity)(PARAMS, theirs, *arguments, 7.0)
        np.testing.assert_allclose(found, expected, rtol=1e-9, err_msg=quantity)
    np.testing.assert_allclose(
        regular.order_pmf(PARAMS, 30, 39.0, 7.0), plain.order_pmf(PARAMS, 30, 39.0, 7.0), rtol=1e-9, atol=1e-15
    )


def test_cdnow_is_bought_at_random_moments(cdnow: CustomerSummary) -> None:
    """Platzer & Reutterer 2016 find k = 1 for it."""
    assert BgCnbd().sufficient(cdnow).k == 1
    assert BgCnbd(k=2).sufficient(cdnow).k == 2


@pytest.mark.parametrize("model", [BgCnbd(), MbgCnbd()])
def test_regular_gaps_are_recognised(model, cdnow: CustomerSummary) -> None:
    random = np.random.default_rng(4)
    leaves = model.LOST_AT_BIRTH == 1
    rate, p, days = random.gamma(2.0, size=800) / 30, random.beta(0.8, 2.4, 800), np.full(800, 500.0)
    lives = regular_life(random, rate, p, days, k=3, may_leave_at_once=leaves)
    summary = replace(cdnow, customers=pd.DataFrame(lives))
    found = model.sufficient(summary)
    assert found.k == 3
    shuffled = replace(summary, customers=summary.customers.sample(frac=1, random_state=1))
    assert model.sufficient(shuffled).log_gaps == found.log_gaps


def test_up_to_twenty_stages_are_recognised(cdnow: CustomerSummary) -> None:
    """Gaps whose standard deviation is three tenths of their mean: 11 stages; the likeliest is next to it."""
    random = np.random.default_rng(5)
    rate, p, days = random.gamma(2.0, size=400) / 30, random.beta(0.8, 2.4, 400), np.full(400, 500.0)
    lives = regular_life(random, rate, p, days, k=11, may_leave_at_once=False)
    assert BgCnbd().sufficient(replace(cdnow, customers=pd.DataFrame(lives))).k == pytest.approx(11, abs=1)
    for k in (0, 21, 2.5):
        with pytest.raises(ValidationError, match="k"):
            BgCnbd.model_validate({"k": k})


@pytest.mark.parametrize("kind", [BgCnbd, MbgCnbd])
@pytest.mark.parametrize("rate", [0.3, 3.0, 40.0])
def test_twenty_stages_add_up(kind: type[BgCnbd] | type[MbgCnbd], rate: float) -> None:
    """The compiled recursion of expected orders against the distribution in incomplete betas, over 60 weeks."""
    model = kind(k=20)
    params = {"r": 1.7, "alpha": 1.7 / (20 * rate / 60), "a": 0.9, "b": 4.5}
    draws = {name: np.array([value]) for name, value in params.items()}
    most = int(12 * rate + 30)
    pmf = model.order_pmf(draws, most, 60.0, 7.0)[0]
    assert pmf.sum() == pytest.approx(1.0, abs=1e-9)
    assert model.expected_orders_new(draws, 60.0, 7.0)[0, 0] == pytest.approx(pmf @ np.arange(most + 1), rel=1e-8)


def test_a_summary_without_gaps_needs_a_number(cdnow: CustomerSummary) -> None:
    summary = replace(cdnow, customers=cdnow.customers.drop(columns="log_gaps"))
    with pytest.raises(DiagnosticsError, match=r"retention\.k: auto needs a log of orders"):
        BgCnbd().sufficient(summary)
    model = BgCnbd(k=2)
    assert model.sufficient(summary).k == 2
    with pytest.raises(DiagnosticsError, match="only on a log of orders"):
        model.log_likelihood(PARAMS, model.histories(summary), 7.0)


def test_log_gaps_are_those_of_the_log(cdnow: CustomerSummary) -> None:
    """Sums of logs: below those of equally long gaps, equal to that of the only gap."""
    frame = cdnow.customers
    once = frame["frequency"] == 1
    np.testing.assert_allclose(frame["log_gaps"][once], np.log(frame["recency_days"][once]), rtol=1e-12)
    many = frame[frame["frequency"] > 1]
    even = many["frequency"] * np.log(many["recency_days"] / many["frequency"])
    assert (many["log_gaps"] <= even + 1e-9).all()
    assert (frame["log_gaps"][frame["frequency"] == 0] == 0).all()
