"""A sample that stands for more customers than are simulated: who is in it, what it says of all, and how surely."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from shop import CALM, MBG, assert_same, channels, ledger, posterior, run, scenarios, shop

from clvsim.comparison import compare, simulate_and_compare
from clvsim.comparison.sampled import covariance_of, sampling_errors
from clvsim.decision import Expectation, precision, rank
from clvsim.errors import ConfigError
from clvsim.kernels.structs import COUNT_UNIT
from clvsim.metrics import METRICS
from clvsim.models.revenue import FittedCustomers
from clvsim.scenario import BASELINE
from clvsim.simulation import Simulation, people
from clvsim.simulation.config import EnvironmentConfig, FinanceConfig, SimulationConfig
from clvsim.simulation.digest import key_of_run
from clvsim.simulation.expected import many
from clvsim.simulation.expected.customers import existing_levels
from clvsim.simulation.luck import with_luck_of_all
from clvsim.simulation.plan import RunPlan, make_plan
from clvsim.simulation.run import simulate_plan, simulate_worlds
from clvsim.simulation.sample import Runs, Sample, cut, draw_sample, lots_of, whole
from clvsim.simulation.spread import ORDERS, VALUE, Sampled, variances_of
from clvsim.types import CustomerSummary

LEVERS: dict[str, Mapping[str, Any]] = {
    "stay": {"stay": {"kind": "shift", "target": "hazard", "size": -0.3}},
    "nothing": {"stay": {"kind": "shift", "target": "hazard", "size": 0.0}},
    "upsell": {"upsell": {"kind": "offer", "take": 0.3, "price": 9.0}},
}
MORE: dict[str, Mapping[str, Any]] = LEVERS | {
    "letter": {"letter": {"kind": "contact", "per_month": 2.0, "goodwill": 0.1, "fatigue": 0.05, "cost": 0.1}},
    "back": {"back": {"kind": "win_back", "silent_days": 90, "lift": 0.05, "cost": 0.2}},
    "best": {"rate": {"kind": "shift", "target": "rate", "size": 0.2, "who": {"top": {"share": 0.1}}}},
    "half": {"rate": {"kind": "shift", "target": "rate", "size": 0.2, "who": {"hold_out": 0.5}}},
}
FEW, SAMPLED = 600, 250


def planned(
    customers: CustomerSummary, levers: Mapping[str, Mapping[str, Any]] = LEVERS, seed: int = 3, **config: Any
) -> RunPlan:
    library = scenarios(**levers)
    return make_plan(
        customers,
        library,
        list(library),
        simulation=SimulationConfig.model_validate({"draws": 40, "horizon_months": 12, "jobs": 2} | config),
        finance=FinanceConfig(gross_margin=0.4, cost_per_order=1.5),
        acquisition=channels().model_copy(update={"channels": {}}),
        environment=CALM,
        seed=seed,
    )


def small(levers: Mapping[str, Mapping[str, Any]] = MORE, **config: Any) -> Simulation:
    """Few customers, of whom some are simulated, under levers of all kinds, with newcomers."""
    settings: dict[str, Any] = {
        "draws": 10,
        "horizon_months": 8,
        "summary": shop(FEW),
        "fitted": posterior(10, spread=0.1, model=MBG),
        "acquisition": channels(),
        "environment": EnvironmentConfig(sd_prior=0.2),
        "max_customers": SAMPLED,
    }
    return run(scenarios(**levers), **(settings | config))


# --- who is simulated ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 1.9, 2, 3.99, 4, 5.9, 6, 100, 1023, 1e6])
def test_weights_are_few_and_no_larger_than_asked_for(number: float) -> None:
    found = int(whole(np.array([number]))[0])
    assert found <= number < 2 * found
    assert {found & (found - 1), found % 3} & {0}  # a power of two, or three times one


@pytest.mark.parametrize("most", [40, 97, 300, 999])
def test_lots_are_all_customers_of_each_cell_once(most: int) -> None:
    r = np.random.default_rng(most)
    cells = np.sort(r.integers(0, 6, 80))
    runs = Runs(cells, 2.0 ** r.integers(-4, 6, 80).astype(float), r.integers(1, 60, 80))
    lots = cut(runs, most)
    assert lots.sum() == runs.count.sum()
    assert 0.6 * most <= lots.size <= most
    ends = np.cumsum(lots)
    assert set(np.cumsum(np.bincount(cells, runs.count))[np.bincount(cells) > 0]) <= set(ends)  # none is of two cells
    finer = sum(number for _, number in lots_of(runs, 0.5))
    assert finer > lots.size


def drawn(customers: int = 3000, most: int = 400, seed: int = 3, summary: CustomerSummary | None = None) -> Sample:
    summary = shop(customers, segments=3) if summary is None else summary
    plan = planned(summary, seed=seed, max_customers=most)
    r = np.random.default_rng(5)
    ids = summary.customers["customer_id"].str[1:].astype(int).to_numpy()
    value, alive = np.exp(2 * r.standard_normal(customers))[ids], r.uniform(size=customers)[ids]
    found = draw_sample(plan, summary, value, alive, ids % 7 > 0)
    assert found is not None
    return found


def test_weights_add_up_to_the_customers_of_every_group_and_cohort() -> None:
    summary, sample = shop(3000, segments=3), drawn()
    layout = planned(summary, max_customers=400).layout
    assert len(layout.groups) == 3
    for place in (layout.group, layout.cohort):
        np.testing.assert_array_equal(np.bincount(place[sample.rows], sample.weight), np.bincount(place))
    assert len(np.unique(sample.rows)) == sample.rows.size <= 400
    reachable = summary.customers["customer_id"].str[1:].astype(int).to_numpy() % 7 > 0
    assert sample.weight[reachable[sample.rows]].sum() == reachable.sum()


def test_of_whom_most_is_expected_everybody_is_in_it() -> None:
    sample, value = drawn(), np.exp(2 * np.random.default_rng(5).standard_normal(3000))
    best = np.argsort(-value)[:40]
    assert set(best) <= set(sample.rows)
    assert (sample.weight[np.isin(sample.rows, best)] == 1).all()
    assert sample.weight.max() > 10


def test_who_is_in_it_follows_from_ids_and_seed_whatever_the_order_of_rows() -> None:
    summary, sample = shop(3000, segments=3), drawn()
    shuffled = replace(summary, customers=summary.customers.sample(frac=1, random_state=1).reset_index(drop=True))
    other = drawn(summary=shuffled)
    np.testing.assert_array_equal(
        shuffled.customers["customer_id"].to_numpy()[other.rows],
        summary.customers["customer_id"].to_numpy()[sample.rows],
    )
    np.testing.assert_array_equal(other.weight, sample.weight)
    assert len(np.intersect1d(drawn(seed=4).rows, sample.rows)) < 0.7 * sample.rows.size


def test_each_of_a_lot_is_as_likely() -> None:
    number = np.zeros(3000)
    seeds = 300
    for seed in range(seeds):
        sample = drawn(seed=seed)
        number[sample.rows] += sample.weight
    rare = number[number != seeds]  # the others are certain
    weights = rare / seeds
    assert abs(weights.mean() - 1) < 4 * weights.std() / np.sqrt(rare.size)
    assert stats.kstest(stats.zscore(number[number != seeds]), "norm").statistic < 0.2


# --- everybody is simulated as before --------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["all", FEW, FEW + 1, 10_000_000])
def test_a_limit_that_nobody_exceeds_changes_no_bit(limit: str | int) -> None:
    unlimited = small(max_customers=50_000)
    found = small(max_customers=limit)
    assert_same(found, unlimited)
    assert found.sampled is None
    assert found.customers["simulated"].all()
    assert "Levers were simulated on" not in " ".join(found.notes)


def test_the_key_of_a_run_knows_the_sample_and_no_limit() -> None:
    summary, fitted = shop(FEW), posterior(40)
    whole_plan, other = planned(summary), planned(summary, max_customers="all")
    assert key_of_run(whole_plan, fitted, summary) == key_of_run(other, fitted, summary)
    sample = Sample(np.arange(FEW), np.ones(FEW, np.int64), FEW)
    keys = {
        key_of_run(plan, fitted, own)
        for plan, own in (
            (whole_plan, summary),
            sample.part(whole_plan, summary),
            replace(sample, weight=2 * sample.weight).part(whole_plan, summary),
        )
    }
    assert len(keys) == 3


# --- the same bits ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference() -> Simulation:
    return small()


def assert_alike(found: Simulation, reference: Simulation, *, rows: bool = True) -> None:
    assert_same(found, reference, customers=rows)
    assert found.sampled is not None
    assert reference.sampled is not None
    np.testing.assert_array_equal(found.sampled.spread, reference.sampled.spread)
    assert_same(with_luck_of_all(found), with_luck_of_all(reference), customers=rows)


@pytest.mark.parametrize("config", [{"jobs": 2}, {"jobs": 3, "shard_customers": 7}, {"shard_customers": 1}], ids=str)
def test_jobs_and_shards(reference: Simulation, config: dict[str, Any]) -> None:
    assert reference.sample is not None
    assert reference.sample.rows.size < FEW
    assert_alike(small(**config), reference)


def test_order_of_rows(reference: Simulation) -> None:
    summary = shop(FEW)
    shuffled = replace(summary, customers=summary.customers.sample(frac=1, random_state=1).reset_index(drop=True))
    found = small(summary=shuffled)
    assert_alike(found, reference, rows=False)
    by_id = found.customers.set_index("customer_id").loc[summary.customers["customer_id"]].reset_index()
    pd.testing.assert_frame_equal(by_id, reference.customers, check_exact=True)


@pytest.mark.parametrize("how", ["checkpoint", "cluster"])
def test_ranges_that_are_kept_or_sent(reference: Simulation, how: str, tmp_path, recwarn) -> None:
    given: dict[str, Any] = {"checkpoint": str(tmp_path / "kept")} if how == "checkpoint" else {"cluster": "local:2"}
    for _ in range(2 if how == "checkpoint" else 1):
        assert_alike(small(**given, shard_customers=40), reference)
    assert not [one for one in recwarn if "simulated again" in str(one.message)]


def test_more_replicates_are_those_of_a_run_with_as_many(reference: Simulation) -> None:
    from clvsim.simulation.replicates import add_replicates

    summary, fitted = shop(FEW), posterior(40, spread=0.1)
    plan = planned(summary, max_customers=100)
    once = simulate_plan(plan, fitted, summary)
    twice = simulate_plan(
        replace(plan, simulation=plan.simulation.model_copy(update={"replicates": 2})), fitted, summary
    )
    grown = add_replicates(once, 2, plan, fitted, summary)
    assert_same(grown, twice, customers=False)
    assert grown.sampled is not None
    assert twice.sampled is not None
    np.testing.assert_array_equal(grown.sampled.spread[:, :, :2], twice.sampled.spread[:, :, :2])
    assert grown.notes == twice.notes


# --- lives are those of a full simulation ----------------------------------------------------------------------------


def test_who_is_simulated_lives_the_same_life(reference: Simulation) -> None:
    full, simulated = small(max_customers="all").customers, reference.customers["simulated"].to_numpy()
    quantiles = ["rlv_p05", "rlv_p50", "rlv_p95"]
    pd.testing.assert_frame_equal(
        reference.customers[quantiles][simulated], full[quantiles][simulated], check_exact=True
    )
    assert reference.customers[quantiles][~simulated].isna().all(axis=None)
    closed = [name for name in full if name not in (*quantiles, "simulated", "p_order", "next_order")]
    pd.testing.assert_frame_equal(reference.customers[closed], full[closed], check_exact=True)
    assert reference.sample is not None
    assert simulated.sum() == reference.sample.rows.size
    assert full.columns[-1] == "simulated"


def test_newcomers_are_those_of_a_full_simulation(reference: Simulation) -> None:
    full = small(max_customers="all")
    for name in full.scenarios:
        np.testing.assert_array_equal(ledger(reference, name).age, ledger(full, name).age)
        np.testing.assert_array_equal(ledger(reference, name).halves[:, :, 1], ledger(full, name).halves[:, :, 1])


def test_the_top_is_a_ranking_of_everybody() -> None:
    full, found = (small(max_customers=limit) for limit in ("all", SAMPLED))
    assert ledger(found).groups == ledger(full).groups
    np.testing.assert_array_equal(found.expected.existing_customers, full.expected.existing_customers)
    on_top = np.array([bool(group.lists) for group in ledger(found).groups])
    assert found.expected.existing_customers[on_top[: found.expected.existing_customers.size]].sum() == FEW // 10


def test_what_each_does_adds_up_to_the_ledgers(reference: Simulation) -> None:
    sampled, scale = reference.sampled, reference.economics.money_scale / COUNT_UNIT
    assert sampled is not None
    sums = sampled.spread[:, :, :2].sum(axis=2) @ sampled.sample.weight
    existing = [g for g, group in enumerate(ledger(reference).groups) if group.origin == "existing"]
    base = ledger(reference).value_by_group[:, existing].sum()
    for number, name in enumerate(reference.scenarios):
        value = ledger(reference, name).value_by_group[:, existing].sum()
        expected = sums[0, VALUE] * scale + (sums[number, VALUE] * scale if number else 0.0)
        np.testing.assert_allclose(expected, value, rtol=1e-6)
    assert abs(sums[1, VALUE] * scale) > 1e-3 * base
    assert (sums[list(reference.scenarios).index("nothing")] == 0).all()


def test_a_lever_without_effect_leaves_every_bit(reference: Simulation) -> None:
    of_all = with_luck_of_all(reference)
    for simulation in (reference, of_all):
        for field in ("calendar", "cohort", "age", "halves"):
            ours, theirs = getattr(ledger(simulation, "nothing"), field), getattr(ledger(simulation), field)
            np.testing.assert_array_equal(ours, theirs)
    assert (ledger(of_all).calendar != ledger(reference).calendar).any()


# --- how sure it is --------------------------------------------------------------------------------------------------

MANY, SAMPLES, MOST = 4000, 400, 500


@pytest.fixture(scope="module")
def everybody() -> tuple[RunPlan, Simulation, Sampled]:
    """All of some thousand customers, and what each of them does."""
    summary, fitted = shop(MANY), posterior(40, spread=0.05)
    plan = planned(summary, max_customers="all")
    full = simulate_plan(plan, fitted, summary)
    sample = Sample(np.arange(MANY), np.ones(MANY, np.int64), MANY)
    found = simulate_worlds(plan, fitted, summary, full.worlds, None, None, sample=sample)
    assert found.sampled is not None
    for name, scenario in found.scenarios.items():
        np.testing.assert_array_equal(scenario.ledger.calendar, ledger(full, name).calendar)
    return plan, full, found.sampled


def samples_of(everybody: tuple[RunPlan, Simulation, Sampled], number: int = SAMPLES) -> list[Sampled]:
    """Samples of these lives, each with another seed."""
    plan, full, of_all = everybody
    limited = replace(plan, simulation=plan.simulation.model_copy(update={"max_customers": MOST}))
    value, alive = (full.customers[name].to_numpy() for name in ("rlv_mean", "p_alive"))
    found = []
    for seed in range(number):
        sample = draw_sample(replace(limited, seed=seed), shop(MANY), value, alive, np.ones(MANY, bool))
        assert sample is not None
        found.append(Sampled(sample, of_all.spread[..., sample.rows]))
    return found


@pytest.mark.parametrize("kind", [VALUE, ORDERS])
def test_errors_of_many_samples_are_as_large_as_is_said(
    everybody: tuple[RunPlan, Simulation, Sampled], kind: int
) -> None:
    """Against the sum over everybody in the same worlds: no bias, and z-scores of variance 1. Strata are collapsed, so
    that errors may be said to be somewhat too large, and never too small."""
    _, full, of_all = everybody
    draw = full.worlds.draw
    truth = of_all.spread[:, kind, :2].sum(axis=(1, 2)) / draw.size
    moving = truth != 0
    errors, z = [], []
    for sampled in samples_of(everybody):
        total = sampled.spread[:, kind, :2].sum(axis=1) @ sampled.sample.weight / draw.size
        said = np.sqrt(np.diag(covariance_of(sampled, draw, kind, with_luck=True)))
        errors.append(total - truth)
        assert (said[~moving] == 0).all()
        z.append(((total - truth)[moving]) / said[moving])
    errors, z = np.array(errors), np.array(z)
    assert (np.abs(errors.mean(axis=0)) < 4 * errors.std(axis=0) / np.sqrt(SAMPLES) + 1e-9).all()
    low, high = stats.chi2.ppf([1e-4, 1 - 1e-4], SAMPLES) / SAMPLES
    variance = (z**2).mean(axis=0)
    assert (variance > 0.7 * low).all(), variance
    assert (variance < 1.15 * high).all(), variance


@pytest.mark.parametrize("kind", [VALUE, ORDERS])
def test_without_luck_an_error_is_smaller_by_that_of_single_lives(
    everybody: tuple[RunPlan, Simulation, Sampled], kind: int
) -> None:
    """Luck of sampled customers is W (W - 1) v over the worlds: what is said with it, less that, is said without."""
    draw = everybody[1].worlds.draw
    found = []
    for sampled in samples_of(everybody, 60):
        weight = sampled.sample.weight
        luck = variances_of(sampled.spread, draw)[:, kind] @ (weight * (weight - 1)) / draw.size
        both, without = (np.diag(covariance_of(sampled, draw, kind, with_luck=luck_too)) for luck_too in (True, False))
        found.append(np.stack([both, without, luck]))
    both, without, luck = np.mean(found, axis=0)
    moving = luck > 0
    np.testing.assert_allclose((without + luck)[moving], both[moving], rtol=0.1)
    assert (without[moving] < 0.95 * both[moving]).all()


def test_a_difference_is_as_sure_as_its_error_says(everybody: tuple[RunPlan, Simulation, Sampled]) -> None:
    plan, full, _ = everybody
    summary, fitted = shop(MANY), posterior(40, spread=0.05)
    theirs = compare(full).table.set_index(["scenario", "metric", "basis"]).sort_index()
    for seed in (1, 2, 3):
        limited = replace(plan, seed=seed, simulation=plan.simulation.model_copy(update={"max_customers": MOST}))
        simulation, found = simulate_and_compare(limited, fitted, summary)
        assert simulation.sampled is not None
        ours = found.table.set_index(["scenario", "metric", "basis"]).sort_index()
        for name in ("stay", "upsell"):
            for metric in ("plan_value", "rlv_per_customer", "orders"):
                for basis in ("expected", "realised"):
                    a, b = ours.loc[(name, metric, basis)], theirs.loc[(name, metric, basis)]
                    assert abs(a["delta_mean"] - b["delta_mean"]) <= 4 * np.hypot(a["delta_mcse"], b["delta_mcse"])
        still = ours.loc[("nothing", "plan_value")]
        assert (still["delta_mcse"] == 0).all()
        assert (still["delta_mean"] == 0).all()


def test_the_error_of_a_sample_is_in_every_figure_of_it() -> None:
    """Those of single lives and of draws are known: what is beside them is what is said of the sample."""
    summary, fitted = shop(2000), posterior(600, spread=0.05)
    simulation = simulate_plan(planned(summary, draws=600, max_customers=300), fitted, summary)
    everywhere = simulation.sampled
    table = compare(simulation).table.set_index(["scenario", "metric", "basis"]).sort_index()
    without = compare(replace(simulation, sampled=None)).table.set_index(["scenario", "metric", "basis"]).sort_index()
    assert everywhere is not None
    for name in ("stay", "upsell"):
        for metric in ("plan_value", "customer_equity", "rlv_total", "rlv_per_customer", "orders"):
            by = sampling_errors(simulation, METRICS[metric]).delta(name)
            assert (by > 0) == ((name, metric) != ("upsell", "orders"))
            ours, theirs = table.loc[(name, metric, "expected")], without.loc[(name, metric, "expected")]
            np.testing.assert_allclose(ours["delta_mcse"], np.hypot(theirs["delta_mcse"], by), rtol=1e-9)
            assert ours["delta_mean"] == theirs["delta_mean"]
    draws, kept = compare(simulation).draws, compare(replace(simulation, sampled=None)).draws
    by = sampling_errors(simulation, METRICS["plan_value"]).delta("stay")
    own, plain = (np.sum(d.change("stay").noise ** 2) / d.delta.shape[1] ** 2 for d in (draws, kept))
    np.testing.assert_allclose(own, plain + by**2, rtol=1e-9)
    note = next(note for note in simulation.notes if note.startswith("Levers were simulated on"))
    assert f"{everywhere.sample.rows.size:,} of 2,000 customers" in note


def test_the_error_of_a_sample_is_in_chances() -> None:
    r = np.random.default_rng(2)
    deltas = [Expectation.exact(mean + r.standard_normal(800)) for mean in (0.1, 0.2)]
    sure, same = (rank(deltas, sampling=sampling) for sampling in (None, np.zeros((2, 2))))
    np.testing.assert_array_equal(sure.p_best_mcse, same.p_best_mcse)
    unsure = rank(deltas, sampling=0.25 * np.eye(2))
    density = np.exp(-0.02) / np.sqrt(2 * np.pi)  # of a normal with mean 0.2 at 0
    assert unsure.p_better_mcse[2] == pytest.approx(np.hypot(sure.p_better_mcse[2], 0.5 * density), rel=0.2)
    assert (unsure.p_best_mcse > 2 * sure.p_best_mcse).all()
    assert (unsure.loss_mcse[1:] > 2 * sure.loss_mcse[1:]).all()
    alike = rank(
        deltas, sampling=np.full((2, 2), 0.25)
    )  # of errors that both share, which of them is better is no part
    assert alike.p_best_mcse[2] < unsure.p_best_mcse[2]
    found = precision(replace(deltas[0], sampled=0.2))
    assert (found.more, round(found.sampled, 1)) == (1.0, 0.2)
    assert found.share == pytest.approx(np.hypot(precision(deltas[0]).share or 1 / np.sqrt(800), 0.2), rel=0.1)


def test_numbers_that_are_not_known_of_single_customers_have_no_error() -> None:
    simulation = small()
    table = compare(simulation).table.set_index(["scenario", "metric", "basis"]).sort_index()
    row = table.loc[("letter", "contacts", "realised")]
    assert row["delta_mean"] > 0
    assert np.isnan(row["delta_mcse"])
    assert table.loc[("stay", "contacts", "realised")]["delta_mcse"] == 0
    plain = compare(replace(simulation, sampled=None)).table.set_index(["scenario", "metric", "basis"]).sort_index()
    newcomers = ("stay", "pav_per_newcomer", "expected")
    assert table.loc[newcomers]["delta_mcse"] == plain.loc[newcomers]["delta_mcse"] > 0


# --- the luck of all -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lucky() -> tuple[Simulation, Simulation]:
    """Everybody, and a sample, where worlds differ by the luck of single customers alone."""
    summary, fitted = shop(3000), posterior(500)
    found = (simulate_plan(planned(summary, draws=500, max_customers=n), fitted, summary) for n in ("all", 300))
    return next(found), next(found)


@pytest.mark.parametrize("name", [BASELINE, "stay", "upsell"])
@pytest.mark.parametrize("account", ["value", "orders"])
def test_worlds_vary_as_those_of_everybody(lucky: tuple[Simulation, Simulation], name: str, account: str) -> None:
    full, sampled = lucky

    def figures(simulation: Simulation) -> np.ndarray:
        book, base = ledger(simulation, name), ledger(simulation)
        if account == "orders":
            return book.total("orders") - (base.total("orders") if name != BASELINE else 0.0)
        return (book.value_by_group - (base.value_by_group if name != BASELINE else 0.0)).sum(axis=1)

    if account == "orders" and name == "upsell":
        assert not figures(sampled).any()  # an offer that nobody minds
        return
    ours, raw, theirs = (figures(one).std() for one in (with_luck_of_all(sampled), sampled, full))
    tolerance = 4 * np.sqrt(1 / (2 * 500) * 2) + 0.08  # of two standard deviations, and of a variance from 300 lives
    assert abs(np.log(ours / theirs)) < tolerance
    assert np.log(raw / theirs) > 0.5  # without it, it would be far too large
    np.testing.assert_allclose(figures(with_luck_of_all(sampled)).mean(), figures(sampled).mean(), rtol=1e-3)


def test_shocks_and_parameters_stay() -> None:
    summary, fitted = shop(3000), posterior(300, spread=0.2)
    library = scenarios(**LEVERS)
    both = [
        run(
            library,
            draws=300,
            summary=summary,
            fitted=fitted,
            environment=EnvironmentConfig(sd_prior=0.5, learn=False),
            max_customers=limit,
            jobs=2,
        )
        for limit in ("all", 400)
    ]
    full, ours = (with_luck_of_all(one).scenarios[BASELINE].ledger.value_by_group.sum(axis=1) for one in both)
    assert np.corrcoef(full, ours)[0, 1] > 0.97
    assert abs(np.log(ours.std() / full.std())) < 0.06
    table = compare(both[1]).variance
    theirs = compare(both[0]).variance
    assert abs(np.log(table["total"] / theirs["total"])) < 0.12
    assert table["process"] < 0.05 * table["total"]


def test_lines_still_add_up(reference: Simulation) -> None:
    for name in reference.scenarios:
        book = ledger(with_luck_of_all(reference), name)
        by = {line: book.calendar[:, :, number] for number, line in enumerate(book.lines)}
        revenue = next(values for line, values in by.items() if line.account == "revenue_orders")
        goods = next(values for line, values in by.items() if (line.account, line.cause) == ("cost_goods", "orders"))
        np.testing.assert_allclose(goods, 0.6 * revenue, rtol=1e-9, atol=1e-9)
        assert book.calendar.min() >= 0


# --- closed forms of everybody ---------------------------------------------------------------------------------------


def test_closed_forms_by_way_of_a_few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "TRIED", 300)
    monkeypatch.setattr(many, "EXTREME", 100)
    monkeypatch.setattr(many, "_AT_ONCE", 500)
    summary, fitted = shop(2500, segments=2), posterior(200, spread=0.1)
    plan, order = planned(summary, draws=200), people.key_order(summary)[1]
    means, sums = existing_levels(plan, fitted, summary, order)
    found, found_sums = many.levels_of_many(plan, fitted, summary, order)
    for ours, theirs in zip(found_sums, sums, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3)
    np.testing.assert_allclose(found, means, rtol=0.02, atol=1e-3 * means.mean())
    np.testing.assert_allclose(found.sum(axis=1), means.sum(axis=1), rtol=1e-4)
    tried = many.try_some(plan, FittedCustomers.of(fitted, summary, 200), summary, order)
    assert tried.weight.sum() == pytest.approx(2500)
    assert 4 < many.choose(tried).draws.size <= many.MOST_DRAWS
    for jobs in (1, 2):
        again = many.levels_of_many(planned(summary, draws=200, jobs=jobs), fitted, summary, order)
        np.testing.assert_array_equal(again[0], found)
    shuffled = replace(summary, customers=summary.customers.sample(frac=1, random_state=1).reset_index(drop=True))
    other = many.levels_of_many(planned(shuffled, draws=200), fitted, shuffled, people.key_order(shuffled)[1])
    np.testing.assert_array_equal(other[1].existing_revenue, found_sums.existing_revenue)


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [0, -1, "none", "", "ALL", 1.5, True, None, "1e3", 10**8, [1], "0"])
def test_a_limit_that_is_none_is_one_line(wrong: Any) -> None:
    with pytest.raises(ValueError, match="must be a whole number from 1 to 10,000,000, or all") as refused:
        SimulationConfig.model_validate({"max_customers": wrong})
    assert str(refused.value).count("max_customers") == 1


def test_a_limit_may_be_typed_as_a_text() -> None:
    assert SimulationConfig.model_validate({"max_customers": "1200"}).most_customers == 1200
    assert SimulationConfig.model_validate({"max_customers": "all"}).most_customers is None


def test_too_few_for_the_groups_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"simulation.max_customers: must be at least 100 to stand for the 2 groups"):
        planned(shop(FEW, segments=2), max_customers=99)
    assert planned(shop(FEW, segments=2), max_customers=100)
    with pytest.raises(ConfigError, match=r"simulation.max_customers: must be at least 50 to stand for all customers"):
        planned(shop(FEW), max_customers=7)


def test_where_customers_refer_others_everybody_is_needed() -> None:
    friends = {"friends": {"friends": {"kind": "referral", "per_order": 0.05, "reward": 1.0}}}
    library = scenarios(**friends)

    def refer(limit: int | str) -> Simulation:
        return run(library, summary=shop(FEW), max_customers=limit, acquisition=channels(), draws=2)

    with pytest.raises(ConfigError, match=r"simulation.max_customers: must be all, or at least 600, where customers"):
        refer(300)
    assert_same(refer("all"), refer(FEW))
