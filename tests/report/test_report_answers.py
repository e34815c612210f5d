"""What a run answers first: worked out anew from the table, in words that fit what is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from factory import DEMO_METRICS, LEVERS, comparison, decided_on, delta_draws, demo, foreign, hostile, subscriptions

from clvsim.report.alerts import alerts, in_full
from clvsim.report.answers import IF_IT_HAPPENS, NO_CHANCE, Answers, answers, checked, hills
from clvsim.report.format import NBSP
from clvsim.report.todo import best_choice, regret
from clvsim.types import Assumption, QualityLine, Range, RunResult

COSTS = {"cac": (18.5, 0.04, 0.002)}


def told(result: RunResult) -> Answers:
    return answers(result)


def with_costs(result: RunResult | None = None, **other: float) -> RunResult:
    """The demonstration with what newcomers cost; `other` means replace those of its metrics."""
    metrics = {**DEMO_METRICS, **COSTS}
    metrics |= {name: (mean, *metrics[name][1:]) for name, mean in other.items()}
    return replace(result or demo(), comparison=comparison(delta_draws(LEVERS), metrics))


def with_payback(month: float, never: float) -> RunResult:
    result = with_costs()
    curve = replace(result.payback["baseline"], payback_p50_months=month, p_never=never)
    return replace(result, payback={**result.payback, "baseline": curve})


def channel(cost: float, name: str = "ads") -> Assumption:
    path = f"acquisition.channels.{name}.cost_per_visitor"
    return Assumption(path, "Cost per visitor", "fixed", "", "", cost, cost, cost, "money")


def test_the_interval_is_that_of_what_may_happen_and_of_the_table() -> None:
    found = told(demo())
    rows = demo().comparison.query("scenario == 'baseline' and basis == 'realised'").set_index("metric")
    assert found.customer is not None
    assert found.customer.value == "$26.2"
    assert found.customer.interval == f"[{rows.p05['rlv_per_customer']:.1f}, {rows.p95['rlv_per_customer']:.1f}]"
    assert found.customer.text == (
        "contribution in the next 36 months, 9 in 10 futures; the mean of 2,357, who differ far more"
    )
    assert found.everybody is not None
    assert found.everybody.value == "$61.9k"
    assert found.everybody.text == "together in the next 36 months, as of 30 Sep 1997"
    assert checked(demo()) == (
        "Tried on the last 273 days, which it had not seen, the model expected 1,790 [1,530, 2,080] repeat orders; "
        "1,882 came."
    )


def test_on_average_is_not_called_futures() -> None:
    only = demo().comparison.query("basis == 'expected'")
    customer = told(replace(demo(), comparison=only)).customer
    assert customer is not None
    assert "9 in 10 on average" in customer.text
    assert "futures" not in customer.text


@pytest.mark.parametrize(
    ("month", "never", "words"),
    [
        (0.0, 0.0, "as a group they repay it with the first order"),
        (1.0, 0.0, "as a group they repay it in about 1 month"),
        (7.0, 0.004, "as a group they repay it in about 7 months"),
        (7.0, 0.12, f"as a group they repay it in about 7 months, or not within 36 months (12{NBSP}%)"),
        (float("nan"), 0.96, f"as a group they do not repay it within 36 months (96{NBSP}% sure)"),
        (float("inf"), 1.0, f"as a group they do not repay it within 36 months (more than 99{NBSP}% sure)"),
    ],
)
def test_payback_is_said_in_words(month: float, never: float, words: str) -> None:
    newcomer = told(with_payback(month, never)).newcomer
    assert newcomer is not None
    assert newcomer.text == f"before the $18.50 that winning one costs; {words}; singly 41{NBSP}% do"


def test_what_may_be_paid_is_the_value_of_a_visitor_and_a_third_of_it() -> None:
    """0.828 a visitor, 18.5 of 41.4 a customer: 0.37 of what a visitor brings is paid where no channel says it."""
    result = with_costs()
    bid = told(result).bid
    assert bid is not None
    assert (bid.label, bid.value) == ("May pay per visitor", "$0.83")
    assert bid.text == "at most; brings 3 × its cost at $0.28; you pay $0.37"
    bid = told(replace(result, assumptions=(channel(0.4),))).bid
    assert bid is not None
    assert bid.text.endswith("you pay $0.40")
    bid = told(replace(result, assumptions=(channel(0.9),))).bid
    assert bid is not None
    assert bid.text.endswith("you pay $0.90, which is more")
    bid = told(replace(result, assumptions=(channel(0.4), channel(0.9, "tv")))).bid
    assert bid is not None
    assert bid.text.endswith("you pay $0.37")


def test_without_visitors_it_is_a_customer_who_may_cost_something() -> None:
    result = with_costs()
    frame = result.comparison
    bid = told(replace(result, comparison=frame[frame["metric"] != "visitor_value"])).bid
    assert bid is not None
    assert (bid.label, bid.value) == ("May pay for a new customer", "$41.4")
    assert bid.text == "at most; brings 3 × its cost at $13.80; you pay $18.50"


def test_of_fewer_than_one_newcomer_nothing_is_told() -> None:
    """A mean over the few futures in which somebody comes lies outside of its own interval."""
    result = with_costs()
    frame = result.comparison
    few = frame["metric"] == "newcomers"
    assert few.any()
    found = told(replace(result, comparison=frame.assign(mean=frame["mean"].where(~few, 0.6))))
    assert found.bid is None
    assert found.newcomer is not None
    assert (found.newcomer.value, found.newcomer.interval) == ("?", "")
    assert found.newcomer.text.startswith("fewer than one is expected to come")


def test_who_brings_less_than_nothing_may_cost_nothing() -> None:
    bid = told(with_costs(visitor_value=-0.2)).bid
    assert bid is not None
    assert (bid.value, bid.text) == ("nothing", "one brings less than 0")


def test_revenue_is_not_what_may_be_paid() -> None:
    found = told(replace(with_costs(), margin_known=False, payback={}))
    assert found.bid is not None
    assert (found.bid.value, found.bid.text[:32]) == ("?", "say what is left of an order aft")
    assert found.customer is not None
    assert found.customer.text.startswith("revenue in the next 36 months")
    assert found.span == "extra revenue over 36 months"


def test_without_newcomers_nothing_is_said_of_them() -> None:
    found = told(foreign())
    assert (found.newcomer, found.bid) == (None, None)
    assert [line.label for line in found.block] == ["A customer of today", "All customers of today"]
    assert found.everybody is not None
    assert checked(foreign()) == ""
    assert found.wrong[-1] == "The model was not checked on orders held back."
    assert found.not_applicable == ("“Better landing page” does not apply: needs acquisition.channels",)


def test_contracts_say_what_they_pay_and_how_many_end() -> None:
    found = told(subscriptions())
    assert found.recurring is not None
    assert found.recurring.text.startswith("now, before any cost, from 80 contracts; 3.1")
    assert found.recurring.text.endswith("of them end within a month")
    assert found.customer is not None
    assert (found.customer.label, found.customer.value) == ("A paying customer", "773")  # 61,870 / 80
    assert found.customer.text.endswith("the mean of 80; 2,277 more have ended and bring nothing")
    figures = subscriptions().contracts
    assert figures is not None
    paused = replace(figures, total=replace(figures.total, paused=Range(6.4, 3.2, 11.1)))
    some_come_back = told(replace(subscriptions(), contracts=paused)).customer
    assert some_come_back is not None
    assert some_come_back.text.endswith("of whom 80 pay")


def test_a_business_without_data_is_an_if() -> None:
    result = replace(with_costs(), no_data="Every number is stated.", customers=0)
    found = told(result)
    assert found.premise == "If the business is as stated, for which there are no data:"
    assert found.customer is None
    assert found.everybody is not None
    assert found.everybody.label == "All new customers"
    assert found.everybody.text == "the 1,200 who come within 12 months, after what they cost, 9 in 10 futures"


# --- levers -----------------------------------------------------------------------------------------------------------


def test_levers_are_sorted_by_what_they_bring_and_examples_come_last() -> None:
    assert [line.scenario for line in told(demo()).levers] == ["plan", "upsell_soft", "conversion", "followup"]
    result = demo()
    scenarios = tuple(replace(s, illustrative=s.name in ("plan", "followup")) for s in result.scenarios)
    lines = told(replace(result, scenarios=scenarios)).levers
    assert [line.scenario for line in lines] == ["upsell_soft", "conversion", "plan", "followup"]
    assert [line.rests_on for line in lines] == ["your judgement", "your judgement", "example", "example"]


def test_a_lever_has_its_mean_its_interval_and_how_sure_it_is() -> None:
    line = next(line for line in told(demo()).levers if line.scenario == "conversion")
    row = demo().comparison.query("scenario == 'conversion' and metric == 'plan_value' and basis == 'realised'").iloc[0]
    assert line.value == "+$1,900"
    ends = (round(end / 100) * 100 for end in (row.delta_p05, row.delta_p95))
    assert line.interval == "[{:,.0f}, {:,.0f}]".format(*ends).replace("-", "−")
    draws = demo().delta_draws["conversion"]
    assert line.sure == f"{100 * np.mean(draws > 0):.0f}{NBSP}%"
    assert line.pays_from == ""


def kinds(*evidence: str, uncertain: bool = True) -> RunResult:
    """The demonstration, its levers with these kinds of evidence."""
    result = demo()
    base, *others = result.scenarios
    pairs = zip(others, evidence, strict=False)
    changed = tuple(replace(s, evidence=kind, uncertain=uncertain, assumptions=()) for s, kind in pairs)
    return replace(result, scenarios=(base, *changed, *others[len(evidence) :]))


def test_what_if_has_consequences_and_no_chance() -> None:
    found = told(kinds(*["stated"] * 4, uncertain=False))
    assert {line.interval for line in found.levers} == {IF_IT_HAPPENS}
    assert {line.sure for line in found.levers} == {NO_CHANCE}
    assert {line.rests_on for line in found.levers} == {"stated, untested"}
    plan = LEVERS["plan"][0]
    assert found.do_first == f"Test “{plan}” before you build it: it pays only if what is stated happens."
    assert found.how_sure == f"What would help most to know: what “{plan}” really brings."


def test_stated_numbers_never_come_first_as_if_they_were_sure() -> None:
    found = told(kinds("stated", "stated", "stated", "stated"))
    assert (
        found.do_first == f"Test “{LEVERS['plan'][0]}” before you build it: it comes first if what is stated is right."
    )
    assert found.how_sure.startswith("What is stated was not tested, so no chance is given.")


def test_what_is_proven_is_done() -> None:
    found = told(demo())
    plan = "“The plan: conversion, gentle upsell and follow-up together”"
    assert found.do_first == f"Do {plan} first."
    assert found.how_sure.startswith(f"We are 96{NBSP}% sure that {plan} pays. What would help most")


def test_the_regret_is_that_of_the_choice() -> None:
    """The plan has the highest mean, 13,100 ± 7,300; the upsell, 12,340 ± 5,100, is the better one in many draws."""
    draws = np.array([*demo().delta_draws.values(), np.zeros(1000)])
    loss = (draws.max(axis=0) - demo().delta_draws["plan"]).mean()
    assert regret(demo(), best_choice(demo())) == f"about ${round(loss / 100) * 100:,}"


def test_made_up_effects_are_no_alternative() -> None:
    result = demo()
    scenarios = tuple(replace(s, illustrative=s.name == "plan") for s in result.scenarios)
    draws = np.array([*(d for name, d in result.delta_draws.items() if name != "plan"), np.zeros(1000)])
    loss = (draws.max(axis=0) - result.delta_draws["upsell_soft"]).mean()
    without = replace(result, scenarios=scenarios)
    assert regret(without, best_choice(without)) == f"about ${round(loss / 100) * 100:,}"
    unsure = replace(result, comparison=result.comparison.assign(expected_loss_mcse=5_000.0))
    assert regret(unsure, best_choice(unsure)) == ""


def test_a_best_bet_is_tested_where_that_is_cheap_and_a_loss_is_not_done() -> None:
    one = {"conversion": ("Better page", 500.0, 2_000.0)}
    draws = demo(one).delta_draws["conversion"]
    loss, sure = np.maximum(draws, 0).mean() - draws.mean(), 100 * np.mean(draws > 0)
    found = told(demo(one))
    assert found.do_first == (
        "The best bet is “Better page”: on average it pays, but it need not. If a test costs less than "
        f"about ${round(loss / 100) * 100:,}, test it first; if not, start it."
    )
    assert found.how_sure.startswith(f"We are {sure:.0f}{NBSP}% sure that “Better page” pays.")
    low = demo(one).comparison.query("scenario == 'conversion' and basis == 'realised' and metric == 'plan_value'")
    assert (
        found.wrong[0]
        == f"In 1 of 20 futures “Better page” loses ${round(-low.delta_p05.iloc[0] / 100) * 100:,} or more."
    )
    bad = {"conversion": ("Better page", -500.0, 2_000.0)}
    assert told(demo(bad)).do_first == "Carry on as today: none of these levers is expected to pay."


def test_made_up_effects_are_never_sure() -> None:
    found = told(demo(illustrative=True))
    assert found.do_first.startswith("Every effect here is made up or assumed")
    assert "none pays" not in found.do_first
    assert found.how_sure.startswith("Of levers nothing is sure: their effects are made up.")
    assert {line.sure[0] + line.sure[-1] for line in found.levers} == {"()"}  # chances of what is made up
    assert not any(line.sure.startswith("(") for line in told(demo()).levers)
    bad = {"conversion": ("Better page", -500.0, 2_000.0)}
    assert told(demo(bad, illustrative=True)).do_first.endswith("As they stand, none pays.")


def test_levers_that_rest_on_a_closed_group_are_right_only_if_new_customers_come() -> None:
    label = "You stated 200 new customers a month"
    closed = QualityLine("closed", label, "the log has none since March", "", "warning")
    found = told(replace(demo(), quality=(closed,))).do_first
    assert found.startswith(told(demo()).do_first)
    assert found.endswith("It holds if new customers come as stated.")


def test_without_levers_it_says_what_to_pay_for_a_visitor() -> None:
    none = with_costs(demo({}))
    assert told(demo({})).do_first == "Win new customers where a visitor costs less than $0.83."
    stated = replace(none, assumptions=(channel(0.4),))
    assert told(stated).do_first == (
        "Go on winning new customers as long as a visitor costs less than $0.83; you pay $0.40."
    )
    dear = replace(none, assumptions=(channel(0.9),))
    assert told(dear).do_first == "Pay less for a visitor: one costs $0.90 and brings $0.83."
    assert told(replace(none, margin_known=False, payback={})).do_first == ""


def test_most_worth_knowing_is_the_lever_whose_own_doubt_changes_the_choice() -> None:
    """Two levers of the same mean: to know that which varies is worth E|N(0, 5,000)|/2 = 1,995, the other nothing."""
    levers = {"sure": ("Sure", 1_000.0, 1.0), "unsure": ("Unsure", 1_000.0, 5_000.0)}
    assert "What would help most to know: what “Unsure” really brings." in told(demo(levers)).how_sure
    result = demo(levers)
    drivers = (result.scenarios[1].assumptions[0],)
    scenarios = tuple(replace(s, assumptions=drivers if s.name == "unsure" else ()) for s in result.scenarios)
    known = told(replace(result, scenarios=scenarios)).how_sure
    assert "What would help most to know: the share of customers who take the offer with “Unsure”." in known


def test_in_a_business_that_is_stated_what_comes_first_is_an_if() -> None:
    result = replace(kinds("stated", "stated", "stated", "stated"), no_data="Every number is stated.")
    plan = LEVERS["plan"][0]
    untested = f"If the business is as stated, “{plan}” comes first. It is not tested: test it before you build."
    assert told(result).do_first == untested
    tested = tuple(replace(s, assumptions=demo().scenarios[1].assumptions[1:2]) for s in result.scenarios)
    found = told(replace(result, scenarios=tested))
    assert found.do_first == f"If the business is as stated, “{plan}” comes first."
    assert {line.rests_on for line in found.levers} == {"an experiment"}


def test_hills_share_an_axis_that_shows_where_nothing_changes() -> None:
    up, down = hills([np.linspace(0.5, 6, 1000), np.linspace(-6, -0.5, 1000)])
    assert len(up) == len(down)
    assert up.index("│") == down.index("│")
    assert set(up[: up.index("│")]) == {" "}
    assert set(down[down.index("│") + 1 :]) <= {" "}
    assert "█" in up[up.index("│") :]
    assert hills([np.zeros(10), np.array([])]) == ["│", "│"]
    assert hills([]) == []


def test_a_hill_follows_its_draws() -> None:
    """Of a uniform all bars are full; of draws all in one place one bar is."""
    uniform, point = hills([np.linspace(0, 10, 10_001), np.full(100, 5.0)])
    assert uniform.count("█") >= 13
    assert point.count("█") == 1
    assert abs(point.index("█") - len(point) / 2) <= 1


def test_another_metric_is_named() -> None:
    assert told(decided_on("rlv_total")).span == "change of value of today’s customers"


def test_hostile_and_empty_runs_have_answers() -> None:
    assert told(hostile()).block
    nothing = replace(demo({}), comparison=pd.DataFrame(columns=demo().comparison.columns))
    assert told(nothing).block == ()


# --- warnings ---------------------------------------------------------------------------------------------------------


def test_warnings_come_worst_first_each_with_what_to_do() -> None:
    free = QualityLine("free", "Free orders", "8 of 4,814", "x " * 80 + "; leave them out by data.without=A", "warning")
    broken = QualityLine("break", "The log breaks", "after 2024-03-01", "join the ids; data.customers_since=2024-03-02",
                         "warning", ("data.customers_since=2024-03-02",), "ids were renewed")  # fmt: skip
    season = QualityLine(
        "season", "Months differ", "December 2.1 times", "y " * 80, "warning", ("retention.season=month",)
    )
    said = [f"{line.label}: {line.value} ({line.note})" for line in (free, season, broken)]
    result = replace(demo(), quality=(free, season, broken), warnings=(*said, "The model fits badly."))
    found = alerts(replace(result, lever_warnings=("A lever has no source.",)))
    assert [alert.full for alert in found] == [
        said[2],
        said[1],
        "The model fits badly.",
        "A lever has no source.",
        said[0],
    ]
    assert [alert.short for alert in found] == [
        "The log breaks after 2024-03-01. Join the ids; data.customers_since=2024-03-02",
        "Months differ: December 2.1 times. Type retention.season=month",
        "The model fits badly.",
        "A lever has no source.",
        "Free orders: 8 of 4,814. Leave them out by data.without=A",
    ]


def test_what_to_type_is_never_cut_inside_of_a_date() -> None:
    note = f"{'old customers ' * 9}: data.customers_since=2023-04-01 leaves out those seen {'long ago and ' * 9}before"
    line = QualityLine("mid_life", "First orders pile up", "3.2 times", note, "warning")
    (alert,) = alerts(replace(demo(), quality=(line,), warnings=(in_full(line),), lever_warnings=()))
    assert alert.short == "First orders pile up: 3.2 times. Try data.customers_since=2023-04-01"
    short = line._replace(note=note.partition(" seen")[0])
    (alert,) = alerts(replace(demo(), quality=(short,), warnings=(in_full(short),), lever_warnings=()))
    assert alert.short == "First orders pile up: 3.2 times. data.customers_since=2023-04-01 leaves out those"
