"""Concentration against plain computations on single customers."""

from dataclasses import replace

import numpy as np
import pytest
from shop import channels, posterior, run, scenarios, shop  # ty: ignore[import-not-found]

from clvsim.books import keep_books
from clvsim.kernels.structs import COUNT_UNIT
from clvsim.scenario import BASELINE
from clvsim.simulation import engine
from clvsim.simulation.concentration import CLASSES, TOP, Tally, class_of, concentration_of


def plainly(revenue: np.ndarray) -> tuple[int, float, np.ndarray]:
    """Buyers, Gini by all pairs, and shares of the largest by sorting, of customers one by one."""
    paid = np.sort(revenue[revenue > 0])[::-1].astype(float)
    gini = np.abs(paid[:, None] - paid[None, :]).mean() / (2 * paid.mean())
    whole = np.append(0, np.cumsum(paid)) / paid.sum()
    places = TOP * paid.size
    low = np.floor(places).astype(int)
    part = places - low
    return paid.size, gini, whole[low] * (1 - part) + whole[np.minimum(low + 1, paid.size)] * part


def customers(worlds: int = 6, people: int = 500) -> np.ndarray:
    """Heavy-tailed revenue in ledger units, half of the customers without any."""
    r = np.random.default_rng(5)
    amounts = r.lognormal(0.5, 1.3, (worlds, people)) * COUNT_UNIT
    return np.where(r.uniform(size=amounts.shape) < 0.5, 0.0, amounts).astype(np.int64)


def test_one_by_one_it_is_exact() -> None:
    for world in customers():
        largest = np.sort(world[world > 0])[::-1]
        buyers, gini, shares = concentration_of(np.ones(largest.size), largest)
        expected = plainly(world)
        assert buyers == expected[0]
        assert gini == pytest.approx(expected[1], rel=1e-12)
        np.testing.assert_allclose(shares, expected[2], rtol=1e-12)


def test_in_classes_it_is_close_and_blocks_do_not_matter() -> None:
    """A class is a sixteenth wide at most: half of that is the largest error of a share, a fortieth of it in fact."""
    revenue = customers()
    whole, parts = Tally(6), Tally(6)
    whole.add(revenue)
    for low in range(0, 500, 37):
        parts.add(revenue[:, low : low + 37])
    np.testing.assert_array_equal(parts.count, whole.count)
    np.testing.assert_array_equal(parts.units, whole.units)
    np.testing.assert_array_equal(whole.units.sum(axis=1), revenue.sum(axis=1))
    found = whole.concentration()
    for w, world in enumerate(revenue):
        buyers, gini, shares = plainly(world)
        assert found.buyers[w] == buyers
        assert found.gini[w] == pytest.approx(gini, abs=1e-3)
        assert found.gini[w] <= gini + 1e-12  # what differs within a class is not seen
        np.testing.assert_allclose(found.shares[w], shares, atol=2e-3)


def test_known_shapes() -> None:
    """All alike: no concentration. One of n has all but nothing: 1 - 1/n. Shares of the top of a triangle, by hand."""
    assert concentration_of(np.array([10.0]), np.array([50.0]))[1] == pytest.approx(0.0)
    np.testing.assert_allclose(concentration_of(np.array([10.0]), np.array([50.0]))[2], TOP)
    assert concentration_of(np.array([1, 9]), np.array([1.0, 1e-12]))[1] == pytest.approx(0.9)
    buyers, gini, shares = concentration_of(np.array([0]), np.array([0]))
    assert buyers == 0
    assert np.isnan(gini)
    assert np.isnan(shares).all()


def test_classes_rise_with_the_amount_and_are_a_sixteenth_wide() -> None:
    amounts = np.exp(np.linspace(np.log(2.0**13), np.log(2.0**50), 20_000))
    place = class_of(amounts)
    assert (np.diff(place) >= 0).all()
    inner = (place > 0) & (place < CLASSES - 1)
    for number in np.unique(place[inner])[::50]:
        within = amounts[place == number]
        assert within.max() / within.min() <= 1 + 1 / 16 + 1e-12
    np.testing.assert_array_equal(class_of(np.array([1.0, 2.0**61])), [0, CLASSES - 1])


@pytest.mark.parametrize("levers", [{}, {"upsell": {"kind": "offer", "take": 0.4, "price": 20.0, "refund": 0.3}}])
def test_single_customers_add_up_to_the_ledger(levers: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the book is what sorting every simulated customer gives."""
    seen = []
    add = Tally.add

    def remembered(self: Tally, revenue: np.ndarray, weight: int) -> None:
        assert weight == 1
        seen.append(revenue.copy())
        add(self, revenue, weight)

    monkeypatch.setattr(Tally, "add", remembered)
    library = scenarios()
    if levers:
        library = {BASELINE: library[BASELINE].model_validate({"title": "With an offer", **levers})}
    sim = run(library, draws=30, horizon_months=6, shard_customers=25, acquisition=channels(), fitted=posterior(30))
    revenue = np.concatenate(seen, axis=1)
    assert revenue.shape == (30, 60)
    ledger, scale = sim.scenarios[BASELINE].ledger, sim.economics.money_scale
    existing = [cohort.group == 0 for cohort in ledger.cohorts]
    np.testing.assert_allclose(revenue.sum(axis=1) / COUNT_UNIT * scale, ledger.cohort[:, existing, 0].sum(axis=(1, 2)))
    worlds = [plainly(world) for world in revenue]
    books = (
        keep_books(sim, posterior(1), shop())
        .query("book == 'concentration' and group == 'existing'")
        .set_index(["metric", "at"])
    )
    assert books["mean"]["buyers", 0.0] == np.mean([buyers for buyers, _, _ in worlds])
    assert books["p95"]["gini", 0.0] == pytest.approx(np.quantile([gini for _, gini, _ in worlds], 0.95), abs=2e-3)
    np.testing.assert_allclose(books["mean"]["share_of_largest"], np.mean([s for *_, s in worlds], axis=0), atol=2e-3)


def test_the_log_is_counted_as_it_is() -> None:
    summary = shop()
    paid = (summary.customers.first_amount + summary.customers.repeat_amount).to_numpy()
    buyers, gini, shares = plainly(paid)
    books = (
        keep_books(run(draws=4, horizon_months=3), posterior(1), summary)
        .query("group == 'log'")
        .set_index(["metric", "at"])
    )
    assert books["mean"]["buyers", 0.0] == buyers == 60
    assert books["mean"]["gini", 0.0] == pytest.approx(gini, rel=1e-12)
    np.testing.assert_allclose(books["mean"]["share_of_largest"], shares, rtol=1e-12)
    assert books[["p05", "p50", "p95"]].isna().all(axis=None)
    unknown = summary.customers.assign(first_amount=np.nan)
    none = keep_books(run(draws=4, horizon_months=3), posterior(1), replace(summary, customers=unknown))
    assert "log" not in set(none.group)


def test_nobody_is_remembered() -> None:
    """Memory: totals of single customers are of one block."""
    assert engine.CustomerTotals.zeros(3, 4).revenue.shape == (3, 4)
    assert Tally(3).count.nbytes + Tally(3).units.nbytes == 3 * CLASSES * 12


def test_more_replicates_change_nothing_of_it() -> None:
    """It is measured in as many as make 500 worlds, whether or not more of them were simulated."""
    once = run(draws=500, horizon_months=3, fitted=posterior(500)).concentration
    twice = run(draws=500, replicates=2, horizon_months=3, fitted=posterior(500)).concentration
    np.testing.assert_array_equal(once.shares, twice.shares)
    np.testing.assert_array_equal(once.buyers, twice.buyers)
    assert run(draws=30, replicates=3, horizon_months=3, fitted=posterior(30)).concentration.gini.shape == (90,)
