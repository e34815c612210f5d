"""Questions about what is not known: what being wrong costs, what is worth knowing, which test pays, what moves it."""

from dataclasses import replace

import numpy as np
import pytest

from clvsim import decision
from clvsim.decision.split_tests import Population
from clvsim.errors import ConfigError
from clvsim.questions import perfect_information, samples, single_numbers, split_test, tornado
from clvsim.questions.blocks import blocks
from clvsim.questions.contest import contest
from clvsim.questions.measured import AllAtOnce, measured
from tests.questions.conftest import LIFT, VISITORS, N, quantiles


def refusal(ask, run, settings) -> str:
    with pytest.raises(ConfigError) as refused:
        ask(run, settings)
    return str(refused.value)


def test_the_cost_of_being_wrong_is_the_least_expected_loss(finished, asked):
    run = finished()
    answer = perfect_information.answer(run, asked())
    table = np.column_stack([np.zeros(N), *(run.draws.delta[k] for k in (1, 2, 3))])
    losses = (table.max(axis=1, keepdims=True) - table).mean(axis=0)
    np.testing.assert_allclose(answer.table["expected_loss"], losses, rtol=1e-12)
    assert answer.table["evpi"][0] == pytest.approx(losses.min(), rel=1e-9)
    best = answer.table["option"][int(losses.argmin())]
    assert f"Choose “{run.scenario(best).title}” if you must choose now" in answer.sentences[0]


def test_what_is_certain_everywhere_is_worth_no_study(finished, asked):
    sure = {name: np.full(N, -50.0 - k) for k, name in enumerate(("landing", "offer", "mail"))}
    answer = perfect_information.answer(finished(delta=sure), asked())
    assert answer.sentences == (
        "Carry on as today: it is the best in every draw, so nothing that could be learned would change it.",
    )


def test_partial_information_names_the_number_that_matters(finished, asked):
    """Only the conversion moves the choice: knowing it is worth nearly everything, and nothing is worth more."""
    nothing = {name: np.full(N, -1e4) for name in ("offer", "mail")}
    answer = single_numbers.answer(finished(delta=nothing), asked())
    first = answer.table.iloc[0]
    assert first["path"] == LIFT
    assert first["evppi"] == pytest.approx(first["evpi"], rel=0.02)
    assert "Most worth knowing is “New landing page: change of the conversion”" in answer.sentences[0]
    assert answer.sentences[1].startswith("That is a number that a test can show")


def test_blocks_are_named_and_hold_what_varies(finished):
    run = finished()
    found = {block.label: block for block in blocks(run)}
    assert list(found) == [
        "What they spend",
        "Conversion of ads",
        "New landing page: change of the conversion",
        "Gift box: share of offers taken",
        "More mail: goodwill: largest change of the log purchase rate",
    ]
    assert found["Conversion of ads"].columns == pytest.approx(np.log(run.draws.inputs[:, 1:2]))  # positive: logs
    assert [block.scenario for block in blocks(run, "offer")] == ["", "", "offer"]


def test_a_test_of_a_conversion_counts_visitors(finished, asked):
    """n₀ = (1/p₀q₀ + 1/p₁q₁)/Var δ, p₁ where the odds are e^.02 times those of p₀."""
    run = finished()
    what = measured(run, run.levers[0], asked())
    assert what is not None
    p0 = run.draws.inputs[:, 1].mean()
    odds = p0 / (1 - p0) * np.exp(0.02)
    p1 = odds / (1 + odds)
    assert what.prior == pytest.approx(
        (1 / (p0 * (1 - p0)) + 1 / (p1 * (1 - p1))) / run.draws.inputs[:, 2].var(), rel=1e-6
    )
    assert what.counted == "visitors"
    assert (what.population.units, what.population.per_month) == (12 * VISITORS, VISITORS)
    fewer = measured(run, run.levers[0], asked(visitors_per_month=500))
    assert fewer is not None
    assert (fewer.population.units, fewer.population.share) == (12 * VISITORS, 500 / VISITORS)
    assert fewer.population.months(250) == pytest.approx(1.0)
    assert "visitors_per_month: must be at most the 10,000 of the run" in refusal(
        split_test.answer, run, asked(visitors_per_month=20_000)
    )
    assert "watched_months: must be below the 36 months" in refusal(split_test.answer, run, asked(watched_months=36))


def test_worth_of_tests_grows_to_that_of_knowing(finished, asked):
    answer = samples.answer(finished(), asked(lever="landing"))
    worth, limit = answer.table["estimate"].to_numpy(), answer.table["evppi"][0]
    assert (np.diff(worth) > 0).all()
    assert worth[-1] < limit * 1.02
    (one,) = samples.answer(finished(), asked(lever="landing", per_arm=12)).table.to_dict("records")
    assert one["per_arm"] == 12
    assert one["estimate"] < 0.05 * limit


def test_verdicts(finished, asked):
    """What is sure is shipped or forgotten; what is in doubt, and cheap to test, is tested."""
    sure = {"offer": np.full(N, 500.0) + np.arange(N) / N, "mail": np.full(N, -500.0)}
    run = finished(delta=sure)
    table = split_test.answer(run, asked()).table.set_index("scenario")
    assert table.loc["landing", "verdict"] == "test"
    assert table.loc["offer", "verdict"] == "ship now"
    assert table.loc["mail", "verdict"] == "forget it"
    parts = table.loc["landing"]
    assert parts["net"] == pytest.approx(parts["evsi"] - parts["regret"] - parts["wait"] - parts["fixed"], rel=1e-9)
    dear = split_test.answer(run, asked(test_cost=1e6, lever="landing"))
    assert dear.table["verdict"][0] == "ship now"
    assert "no test pays" in dear.sentences[0]


def test_what_is_built_first_is_spent_whatever_the_test_says(finished, asked):
    """Of an offer whose mean is −250 once 3,000 are paid for it, a test could bring back no more than the 2,750 that it
    then earns: with the 3,000 given back, it would be worth testing."""
    take = 0.08 + 0.02 * quantiles(1)
    change = {"offer": 50_000 * (take - 0.085)}
    shown = {"offers_shown/box": {"offer": np.full(N, 50_000.0)}}
    free, dear = (
        split_test.answer(finished(delta=change, lines=lines), asked(lever="offer")).table.iloc[0]
        for lines in (shown, shown | {"cost_fixed/set_up": {"offer": np.full(N, 3000.0)}})
    )
    assert free["verdict"] == "test"
    assert dear["verdict"] == "forget it"


def test_nobody_chooses_an_example(finished, asked):
    run = finished()
    scenarios = tuple(replace(one, illustrative=one.name == "landing") for one in run.result.scenarios)
    some = replace(run, result=replace(run.result, scenarios=scenarios))
    answer = perfect_information.answer(some, asked())
    assert list(answer.table["option"]) == ["baseline", "offer", "mail"]
    assert "Left out, as examples: “New landing page”." in answer.notes
    table = np.column_stack([np.zeros(N), *(run.draws.delta[k] for k in (2, 3))])
    assert answer.table["evpi"][0] == pytest.approx((table.max(axis=1, keepdims=True) - table).mean(axis=0).min())
    every = tuple(replace(one, illustrative=True) for one in run.result.scenarios)
    assert (
        len(perfect_information.answer(replace(run, result=replace(run.result, scenarios=every)), asked()).table) == 4
    )


def test_todays_customers_are_all_there_when_a_test_starts():
    population = AllAtOnce(1000 * 36 / 3, 1000 / 3, window_months=3)
    assert isinstance(population, Population)
    assert population.most_per_arm == pytest.approx(500)
    np.testing.assert_allclose(population.months(np.array([10, 500])), 3)
    np.testing.assert_allclose(population.outside(np.array([10, 500])), [980, 0], atol=1e-9)


def test_what_moves_the_plan_and_a_lever(finished, asked):
    run = finished()
    plan = tornado.answer(run, asked()).table.set_index("block")
    assert plan.loc["What they spend", "share"] == pytest.approx(
        1.0, abs=4 * plan.loc["What they spend", "mcse"] + 0.01
    )
    assert plan.drop("What they spend")["share"].max() < 0.02
    offer = tornado.answer(run, asked(lever="offer")).table.set_index("block")
    assert offer.index[0] == "Gift box: share of offers taken"
    low, high = np.quantile(run.draws.delta[2], [0.05, 0.95])
    width = high - low  # of which splines of the share's logarithm leave a few percent
    assert offer["low"].iloc[0] == pytest.approx(low, abs=0.03 * width)
    assert offer["high"].iloc[0] == pytest.approx(high, abs=0.03 * width)


def test_contests_need_doubt_and_draws(finished, asked):
    run = finished()
    few = run.draws._replace(realised=run.draws.realised[:, :, :100])
    short = type(run)(run.config, run.result, few, run.folder)
    for ask in (perfect_information.answer, single_numbers.answer, samples.answer, split_test.answer):
        assert "500 simulated futures, and this run has 100: raise simulation.draws" in refusal(ask, short, asked())
    assert contest(run, "evpi").names == ("baseline", "landing", "offer", "mail")
    assert "lever: evpi compares all levers" in refusal(perfect_information.answer, run, asked(lever="mail"))
    assert decision.evpi(contest(run, "evpi").values).estimate > 0
