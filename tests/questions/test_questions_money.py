"""Questions about money: what may be paid, from where a lever pays, where money does more, how to split a budget."""

from pathlib import Path

import numpy as np
import pytest

from clvsim.errors import ConfigError
from clvsim.questions import bids, break_even, budget, keep_or_find
from tests.questions.conftest import GOODWILL, LIFT, MOST_VISITORS, SPEND_A_MONTH, TAKE, VISITORS, N, quantiles


def refusal(ask, run, settings) -> str:
    with pytest.raises(ConfigError) as refused:
        ask(run, settings)
    return str(refused.value)


# --- what may be paid ------------------------------------------------------------------------------------------------


def test_highest_bids_of_a_customer_and_a_visitor(finished, asked):
    run = finished()
    customer, visitor = bids.all_bids(run, "baseline", asked(within_months=12))
    value, conversion = run.draws.level("pav_per_newcomer", "baseline"), run.draws.inputs[:, 1]
    assert customer.average.value == pytest.approx(40.0, rel=1e-9)
    assert customer.average.mcse == pytest.approx(value.std(ddof=1) / np.sqrt(N), rel=1e-9)
    assert customer.third == pytest.approx(40 / 3, rel=1e-9)
    assert customer.window == pytest.approx(40 * (0.25 + 0.75 * 12 / 36), rel=1e-9)
    assert visitor.average.value == pytest.approx((value * conversion).mean(), rel=1e-9)
    assert visitor.paid == pytest.approx(0.4, rel=1e-9)  # what a visitor costs, whatever the conversion
    assert visitor.marginal == pytest.approx(0.6, rel=1e-9)
    worlds = run.draws.worlds("pav_per_newcomer", "baseline")
    assert (worlds < customer.safe).mean() == pytest.approx(0.1, abs=1.5 / N)
    assert customer.room is not None
    assert customer.room.value == pytest.approx(40 - customer.marginal, rel=1e-9)


def test_the_answer_says_what_to_pay_and_compares_it_with_one_more(finished, asked):
    first, second, third, fourth = bids.answer(finished(), asked()).sentences
    assert first.startswith("Pay at most $40.0 for a new customer")
    assert "in 10\u00a0% of futures" in second
    assert third.startswith("Today one costs $20.1, one more $30.1: that leaves $9.9 on average")
    assert "For a visitor that is $0.80" in fourth
    assert "value is to be 3 × the cost" in fourth


def test_one_more_that_costs_too_much_is_not_bought(finished, asked):
    run = finished()
    run.draws.expected[run.draws.metrics.index("marginal_cac")] = 55.0
    assert bids.answer(run, asked()).sentences[2].endswith("one more $55.0, which is more than one brings: buy fewer.")


def test_a_bid_needs_newcomers_a_margin_and_a_window_within_the_horizon(finished, asked):
    from dataclasses import replace

    run = finished()
    assert "must lie within the run's 36 months, got 40" in refusal(bids.answer, run, asked(within_months=40))
    revenue = replace(run, result=replace(run.result, margin_known=False))
    assert "ask: max_bid needs finance.gross_margin" in refusal(bids.answer, revenue, asked())
    nobody = replace(run, draws=run.draws._replace(metrics=("plan_value",), expected=run.draws.expected[:1]))
    assert refusal(bids.answer, nobody, asked()).count("acquisition.channels.NAME") == 1
    assert "lever: must be one of baseline, landing, offer, mail" in refusal(bids.answer, run, asked(lever="webinar"))


# --- from where a lever pays -----------------------------------------------------------------------------------------


def by_path(run, settings):
    table = break_even.answer(run, settings).table
    return {row["number"]: row for row in table.to_dict("records")}


def test_break_even_of_uncertain_numbers_is_where_the_mean_difference_is_zero(finished, asked):
    """Differences are linear in logs and shares by construction: zero at exp(0.015) − 1, and at 7 %."""
    noise = {name: 400 * np.random.default_rng(k).standard_normal(N) for k, name in enumerate(("landing", "offer"))}
    found = by_path(finished(noise=noise), asked())
    for path, true in ((LIFT, np.expm1(0.015)), (TAKE, 0.07)):
        assert found[path]["pays"] == "above"
        assert found[path]["crossings"] == 1
        assert 0 < found[path]["mcse"] < 0.002
        assert abs(found[path]["break_even"] - true) < 4 * found[path]["mcse"]


def test_a_difference_that_rises_and_falls_pays_between_two_values(finished, asked):
    """A parabola with zeros at .02 ± .0424, which five knots over ± .08 follow to .004."""
    lift = 0.02 + 0.05 * quantiles(0)
    run = finished(delta={"landing": 900 - 5e5 * (lift - 0.02) ** 2})
    (effect,) = break_even.effects_of(run, run.levers[0])
    low, high = (crossing.at for crossing in effect.found.crossings)
    width = np.sqrt(900 / 5e5)
    assert low == pytest.approx(np.expm1(0.02 - width), abs=0.004)
    assert high == pytest.approx(np.expm1(0.02 + width), abs=0.004)
    (row,) = break_even.answer(run, asked(lever="landing")).text.rows
    assert row[3] == f"between −{-100 * low:.1f}\u00a0% and +{100 * high:.1f}\u00a0%"


def test_a_cost_may_rise_by_what_the_lever_adds(finished, asked):
    """20,000 messages at 1 ct, on top of which the lever adds 8,000 · goodwill − 100: at a price of ½ ct it adds 0."""
    found = by_path(finished(), asked(lever="mail"))["cost_contact/email"]
    assert found["now"] == pytest.approx(0.01, rel=1e-9)
    assert found["break_even"] == pytest.approx(0.005, abs=1e-9)
    assert found["mcse"] == pytest.approx(8000 * 0.05 / np.sqrt(N) / 20_000, rel=0.01)


def test_a_certain_number_breaks_even_in_proportion(finished, asked):
    """+2 % adds 300 less 200 posted: 100 at +2 %, 0 where what it brings, 300 at +2 %, is 200."""
    run = finished(delta={"landing": np.full(N, 100.0)}, lines={"cost_fixed/page": {"landing": np.full(N, 200.0)}})
    run.draws.inputs[:, 2] = np.log1p(0.02)
    found = by_path(run, asked(lever="landing"))
    assert found[LIFT]["in_proportion"]
    assert found[LIFT]["break_even"] == pytest.approx(0.02 * 200 / 300, rel=1e-6)
    assert found["cost_fixed/page"]["break_even"] == pytest.approx(300.0, rel=1e-9)


def test_words_of_break_evens(finished, asked):
    run = finished()
    landing, offer, mail = break_even.answer(run, asked()).sentences
    assert landing == (
        "“New landing page” pays where the change of the conversion is at least +1.5\u00a0% (expected: +2.0\u00a0%), "
        "and costs nothing as stated, and may cost $500 in all."
    )
    assert offer.startswith(
        "“Gift box” pays where the share of offers taken is at least 7.0\u00a0% (expected: 8.0\u00a0%)"
    )
    assert mail.startswith("“More mail” pays where the goodwill is at least +1.3\u00a0%")
    found = [break_even.pays_from(run, lever) for lever in run.levers]
    assert [one.least for one in found] == ["+1.5\u00a0%", "7.0\u00a0%", "+1.3\u00a0%"]
    assert [one.expected for one in found[:2]] == ["+2.0\u00a0%", "8.0\u00a0%"]
    assert GOODWILL in set(break_even.answer(run, asked()).table["number"])


def test_break_even_needs_money_and_levers(finished, asked):
    assert "was decided on orders" in refusal(break_even.answer, finished(decided="orders"), asked())
    assert "lever: must be one of" in refusal(break_even.answer, finished(), asked(lever="webinar"))


# --- keeping or finding ----------------------------------------------------------------------------------------------


def test_returns_per_unit_of_money(finished, asked):
    run = finished()
    table = keep_or_find.answer(run, asked()).table.set_index("way")
    value, marginal = run.draws.level("pav_per_newcomer", "baseline"), run.draws.level("marginal_cac", "baseline")
    assert table.loc["find", "returned_mean"] == pytest.approx((value / marginal).mean(), rel=1e-9)
    assert table.loc["find", "spent"] == 45_000
    assert table.loc["mail", "returned_mean"] == pytest.approx((-100 + 200) / 200, rel=1e-6)
    assert set(table.index) == {"find", "mail"}  # the others cost nothing
    assert table.loc["mail", "lost_per_month"] == 30


def test_what_costs_more_where_it_brings_more_is_weighed_as_a_whole(finished, asked):
    """Half of the draws 100 spent and 40 lost, half 300 and 80 gained: 440 come back of 400, though the mean of
    60/100 and 380/300 is below 1."""
    half = np.arange(N) % 2 == 0
    spent, change = np.where(half, 100.0, 300.0), np.where(half, -40.0, 80.0)
    run = finished(delta={"mail": change}, lines={"cost_contact/email": {"mail": spent}})
    answer = keep_or_find.answer(run, asked(lever="mail"))
    assert answer.table.set_index("way").loc["mail", "returned_mean"] == pytest.approx(1.1, rel=1e-9)
    assert "lever: landing costs nothing" in refusal(keep_or_find.answer, run, asked(lever="landing"))


@pytest.mark.parametrize(("change", "first"), [(20.0, "First find customers"), (2000.0, "If what is stated")])
def test_what_brings_more_comes_first(finished, asked, change, first):
    run = finished(delta={"mail": np.full(N, change)})
    sentences = keep_or_find.answer(run, asked()).sentences
    assert sentences[0].startswith(first)
    assert ("Then find customers" in sentences[1]) == (first != "First find customers")


def test_words_on_losses_and_what_replacing_them_costs(finished, asked):
    levers, finding, lost = keep_or_find.answer(finished(), asked()).sentences
    assert levers == "No lever here brings back what it costs."
    assert finding.startswith("Find customers: one more dollar there brings $1.33 on average")
    assert lost.startswith("Of about 1,000 customers who are still there, about 30 are lost in a month")
    assert lost.endswith("as many new ones cost $900 a month.")


# --- a budget --------------------------------------------------------------------------------------------------------


def test_best_spend_on_a_channel_that_saturates_has_its_closed_form(finished, asked):
    """Mean of v·n'(S) = 1: with n∞ = V∞ c, S* = S₀ log(V∞ E[v c]/S₀)."""
    run = finished()
    scale = -SPEND_A_MONTH / np.log1p(-VISITORS / MOST_VISITORS)
    worth = (run.draws.level("pav_per_newcomer", "baseline") * run.draws.inputs[:, 1]).mean()
    best = scale * np.log(MOST_VISITORS * worth / scale)
    answer = budget.answer(run, asked())
    assert answer.table["spend_best"][0] == pytest.approx(best, rel=1e-4)
    assert answer.table["spend_low"][0] < best < answer.table["spend_high"][0]
    assert answer.table["marginal_cost"][0] == pytest.approx(
        1 / (MOST_VISITORS * 0.02 / scale * np.exp(-best / scale)), rel=0.01
    )
    held = budget.answer(run, asked(budget_per_month=1000))
    assert held.table["spend_best"][0] == pytest.approx(1000, rel=1e-6)
    assert "The budget binds" in " ".join(held.sentences)


def test_a_limit_that_nothing_keeps_is_said(finished, asked):
    answer = budget.answer(finished(), asked(worst_at_least=1e6))
    assert answer.sentences[0].startswith("No split keeps the worst tenth at $1,000,000 or more")
    assert "Spend less" not in answer.sentences[0]


def test_a_channel_without_an_end_asks_for_one(finished, asked):
    run = finished(most_visitors_per_month=None)
    assert "acquisition.channels.ads.most_visitors_per_month" in refusal(budget.answer, run, asked())


HISTORY = "channel,month,spend,customers\n" + "".join(
    f"ads,2025-{month:02},{spend},{round(300 * -np.expm1(-spend / 3000))}\n"
    for month, spend in enumerate((500, 1000, 2000, 3000, 5000, 8000, 4000, 1500), start=1)
)


def test_a_history_of_spend_is_learned_from(finished, asked, tmp_path: Path):
    """n∞ = 300 and S₀ = 3,000 made these months: S* = S₀ log(40·300/3,000), within what eight months tell."""
    path = tmp_path / "spend.csv"
    path.write_text(HISTORY)
    answer = budget.answer(finished(), asked(spend_history=str(path)))
    true = 3000 * np.log(40 * 300 / 3000)
    assert answer.table["spend_low"][0] < true < answer.table["spend_high"][0]
    assert answer.table["spend_now"][0] == 1500
    assert answer.text.rows[0][-1] == "8 months of spend"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("channel,month,spend\n", "has no column customers; it must be a CSV with the columns channel, month"),
        (HISTORY.replace("2000,", "much,"), "row 4: spend must be a number of at least 0, got 'much'"),
        (HISTORY.replace("2025-02", "2025-01"), "row 3: month 2025-01 of this channel stands there twice"),
        (HISTORY + "tv,2025-01,5,1\n", "channel 'tv' has 1 month, at least 4 are needed"),
        (HISTORY.replace(",5000,", ",-5000,"), "row 6: spend must be a number of at least 0, got '-5000'"),
        ("", "has no column channel, month, spend, customers"),
        ("channel,month,spend,customers\n", "has no rows"),
        (HISTORY + "ads,2025-09,5,1,7\n", "row 10 has more cells than the first row has columns"),
        (HISTORY.replace("2025-02", "Feb 2025"), "row 3: month must be like 2025-03, got 'Feb 2025'"),
        (HISTORY.replace("2025-02", "2025-1"), "row 3: month 2025-01 of this channel stands there twice"),
        (HISTORY.replace("ads,2025-02", ",2025-02"), "row 3: channel must be a name"),
        (HISTORY.replace(",2000,", ",2.000,"), "row 4: spend can be read in two ways, write 2000 or 2, got '2.000'"),
        ("a\0b", "has no column"),
    ],
)
def test_a_history_that_is_none_is_refused_in_a_line(finished, asked, tmp_path: Path, content: str, line: str):
    path = tmp_path / "spend.csv"
    path.write_text(content)
    found = refusal(budget.answer, finished(), asked(spend_history=str(path)))
    assert line in found
    assert "spend_history: spend.csv" in found
    assert "cannot be read: No such file" in refusal(budget.answer, finished(), asked(spend_history="nowhere.csv"))


def test_a_break_even_near_no_effect_is_said_as_any_rise(finished):
    """Levers without costs pay from no effect on; a regression finds that but for its error."""
    from clvsim.decision.breakeven import BreakEven, Crossing

    run = finished()
    (effect,) = break_even.effects_of(run, run.levers[0], errors=False)
    at = effect._replace(found=BreakEven((Crossing(-0.02 * effect.assumption.mean, 0.0, True),), False, True))
    assert break_even._pays(run, at) == "any rise"
    far = effect._replace(found=BreakEven((Crossing(-0.2 * effect.assumption.mean, 0.0, True),), False, True))
    assert break_even._pays(run, far).startswith("at least \u2212")
