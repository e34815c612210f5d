"""The table of channels: sums over channels are the totals, and each channel is what it is by itself."""

import numpy as np
import pandas as pd
import pytest
from shop import posterior, run, scenarios, shop  # ty: ignore[import-not-found]

from clvsim.books import keep_books
from clvsim.books.channels import ALL, MOST_CHANNELS, OTHERS, channels_of, groups_of
from clvsim.comparison import compare
from clvsim.scenario import BASELINE
from clvsim.simulation import Simulation
from clvsim.simulation.config import AcquisitionConfig, EnvironmentConfig

ADS = {"visitors_per_month": 400, "conversion": 0.03, "cost_per_visitor": 0.4}
SEARCH = {
    "visitors_per_month": 900, "most_visitors_per_month": 1500, "cost_per_visitor": 0.2,
    "conversion": {"kind": "counts", "successes": 90, "trials": 6000},
}  # fmt: skip
LETTERS = {"visitors_per_month": 200, "conversion": 0.05}
LEVERS = {
    "mails": {"kind": "funnel", "share": 0.2, "cost": 0.3, "first": {"buy": 0.1}, "who": {"channels": ["ads"]}},
    "spend": {"kind": "shift", "target": "ad_spend", "size": 0.3, "who": {"channels": ["search"], "customers": "new"}},
}
SUMS = {"visitors", "customers", "acquisition_cost", "contribution"}
RATIOS = {
    "cac": "cac", "marginal_cac": "marginal_cac", "pav": "pav_per_newcomer", "clv": "clv_per_newcomer",
    "ltv_cac": "ltv_cac",
}  # fmt: skip


def acquisition(**by_name: dict) -> AcquisitionConfig:
    return AcquisitionConfig.model_validate({"months": 4, "channels": by_name})


def simulated(newcomers: AcquisitionConfig, **changed: object) -> Simulation:
    settings = {"draws": 30, "replicates": 2, "horizon_months": 9, "fitted": posterior(30, spread=0.1)} | changed
    return run(scenarios(plan=LEVERS), acquisition=newcomers, **settings)


@pytest.fixture(scope="module")
def sim() -> Simulation:
    held_out = {"offer": {"kind": "offer", "take": 0.2, "price": 9.0, "who": {"hold_out": 0.3}}}
    return run(
        scenarios(plan=LEVERS, held=held_out),
        draws=30,
        replicates=2,
        horizon_months=9,
        acquisition=acquisition(ads=ADS, search=SEARCH, letters=LETTERS),
        environment=EnvironmentConfig(sd_prior=0.1, acquisition_sd=0.2),
        fitted=posterior(30, spread=0.1),
    )


def table_of(sim: Simulation, name: str = BASELINE) -> pd.DataFrame:
    books = keep_books(sim, posterior(1), shop())
    return books[(books.book == "channels") & (books.scenario == name)].set_index(["metric", "group"])


@pytest.mark.parametrize("name", [BASELINE, "plan", "held"])
def test_channels_add_up_to_all_newcomers(sim: Simulation, name: str) -> None:
    table, scenario = table_of(sim, name)["mean"], sim.scenarios[name]
    acquired = scenario.acquired
    assert acquired is not None
    for metric in SUMS:
        channels = [table[metric][f"channel {one}"] for one in ("ads", "search", "letters")]
        assert sum(channels) == pytest.approx(table[metric][ALL], rel=1e-12), metric
    totals = {"visitors": acquired.visitors, "customers": acquired.customers, "acquisition_cost": acquired.cost}
    totals["contribution"] = scenario.ledger.newcomer_value
    for metric, values in totals.items():
        assert table[metric][ALL] == pytest.approx(values.mean(), rel=1e-12), metric
    by_channel = channels_of(sim, name)
    assert by_channel is not None
    assert by_channel.names == ("ads", "search", "letters")
    np.testing.assert_allclose(by_channel.cost.sum(axis=1), acquired.cost, rtol=1e-12)
    np.testing.assert_allclose(by_channel.acquired, by_channel.customers, rtol=1e-6)  # in units of the ledger
    weighted = (by_channel.contribution / by_channel.acquired * by_channel.acquired).sum(axis=1)
    np.testing.assert_allclose(weighted, scenario.ledger.newcomer_value, rtol=1e-9)


def test_the_row_of_all_is_the_comparison(sim: Simulation) -> None:
    compared = compare(sim).table
    for name in sim.scenarios:
        table = table_of(sim, name)
        for ours, theirs in RATIOS.items():
            row = compared[(compared.scenario == name) & (compared.metric == theirs) & (compared.basis == "realised")]
            for column in ("mean", "p05", "p50", "p95"):
                expected = float(row[column].iloc[0])
                assert table[column][ours][ALL] == pytest.approx(expected, rel=1e-9), (name, ours, column)


def test_each_channel_is_what_its_numbers_say(sim: Simulation) -> None:
    """By hand: cost over conversion; of one more visitor of a channel that saturates, today's slope is lower than the
    mean by x/(−log(1 − x)·(1 − x))⁻¹ with x = 900/1500."""
    table = table_of(sim)["mean"]
    assert table["cac"]["channel ads"] == pytest.approx(0.4 / 0.03, rel=1e-9)
    assert table["marginal_cac"]["channel ads"] == pytest.approx(0.4 / 0.03, rel=1e-9)
    assert table["cac"]["channel letters"] == 0.0
    conversion = sim.inputs["acquisition.channels.search.conversion"].to_numpy()
    assert table["cac"]["channel search"] == pytest.approx((0.2 / conversion).mean(), rel=1e-9)
    x = 0.6
    slope = -(1 - x) * np.log1p(-x) / x
    assert table["marginal_cac"]["channel search"] == pytest.approx((0.2 / conversion).mean() / slope, rel=1e-9)
    assert ("ltv_cac", "channel letters") not in table.index  # nothing is paid for them
    assert table["clv"]["channel letters"] == table["pav"]["channel letters"]


def test_one_more_by_spending_more_costs_what_it_costs_more(sim: Simulation) -> None:
    """Thirty percent more spend on the channel that saturates, the others as they are; e-mails on another one."""
    table, base = table_of(sim, "plan")["mean"], table_of(sim)["mean"]
    own, before = channels_of(sim, "plan"), channels_of(sim, BASELINE)
    assert own is not None
    assert before is not None
    more = (own.cost - before.cost)[:, 1] / (own.expected - before.expected)[:, 1]
    assert table["marginal_cac"]["channel search"] == pytest.approx(more.mean(), rel=1e-12)
    assert table["marginal_cac"]["channel search"] > base["marginal_cac"]["channel search"]
    assert table["marginal_cac"]["channel letters"] == 0.0
    leads = 0.2 * 0.97 * own.visitors[:, 0]
    np.testing.assert_allclose((own.cost - before.cost)[:, 0], 0.3 * leads, rtol=1e-9)
    assert table["marginal_cac"]["channel ads"] == pytest.approx(3.0, rel=1e-9)  # 0.30 a lead, a tenth of whom buy


def test_a_single_channel_is_all() -> None:
    table = table_of(simulated(acquisition(ads=ADS, search=SEARCH | {"visitors_per_month": 0})))
    assert table.loc[("pav", "channel ads"), "mean"] == table.loc[("pav", ALL), "mean"]
    assert ("pav", "channel search") not in table.index  # nobody comes by it
    assert table.loc[("customers", "channel search"), "mean"] == 0.0


def test_without_a_margin_there_is_no_worth_and_without_channels_no_table() -> None:
    table = table_of(simulated(acquisition(ads=ADS, search=SEARCH), margin=None, rate=0.0))
    assert set(table.reset_index().metric) == SUMS | {"cac", "marginal_cac", "pav"}
    bare = keep_books(run(scenarios(), draws=3), posterior(1), shop())
    assert not (bare.book == "channels").any()


def test_many_channels_share_a_row() -> None:
    names = tuple(f"c{i}" for i in range(MOST_CHANNELS + 5))
    groups = groups_of(names)
    assert len(groups) == MOST_CHANNELS + 1
    assert groups[OTHERS] == list(range(MOST_CHANNELS - 1, MOST_CHANNELS + 5))
    assert groups[ALL] == list(range(MOST_CHANNELS + 5))
    exactly = groups_of(names[:MOST_CHANNELS])
    assert OTHERS not in exactly
    assert len(exactly) == MOST_CHANNELS + 1
