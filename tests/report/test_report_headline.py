"""The headline is chosen by rule: evidence only, plain words when nothing is sure, and losses called losses."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from factory import LEVERS, comparison, delta_draws, demo, foreign

from clvsim.report.evidence import warnings
from clvsim.report.format import NBSP
from clvsim.report.headline import best_lever, headline, holdout_in_short, holdout_sentences, second_sentence
from clvsim.types import Assumption, HoldoutCheck, RunResult


def one_lever(mean: float, sd: float) -> RunResult:
    return demo({"upsell": ("Gentle upsell", mean, sd)})


def headline_text(result: RunResult) -> str:
    return headline(result).replace(NBSP, " ")


def test_clear_gain() -> None:
    # 1,000 draws: mcse = 5,300 / sqrt(1000) = 168, so hundreds are printed.
    text = headline_text(one_lever(12_340.0, 5_300.0))
    assert text.startswith("“Gentle upsell” adds about $12,300 over 36 months (90 % interval $")
    assert text.endswith("we are 99 % sure that it is better on average.")
    assert text.count(".") == 1


def test_intervals_in_the_headline_are_those_of_the_table_and_what_may_happen_comes_first() -> None:
    result = one_lever(12_340.0, 5_300.0)
    rows = result.comparison.query("scenario == 'upsell' and metric == 'plan_value'").set_index("basis")
    first, second = (
        " to ".join(f"${round(rows.loc[basis, end], -2):,.0f}" for end in ("delta_p05", "delta_p95"))
        for basis in ("realised", "expected")
    )
    assert f"(90 % interval {first}, on average {second})" in headline_text(result)
    sure = rows.loc["expected", "p_better"]
    assert f"we are {100 * sure:.0f} % sure that it is better on average" in headline_text(result)
    assert "of 100" not in headline_text(result)


def test_of_today_too_what_may_happen_comes_first() -> None:
    result = demo({})
    rows = result.comparison.query("metric == 'rlv_total'").set_index("basis")
    first, second = (
        " to ".join(f"${round(rows.loc[basis, end], -2):,.0f}" for end in ("p05", "p95"))
        for basis in ("realised", "expected")
    )
    assert f"(90 % interval {first}, on average {second})" in headline_text(result)


def test_an_interval_that_reads_the_same_is_not_repeated() -> None:
    result = one_lever(12_340.0, 5_300.0)
    expected = result.comparison.query("basis == 'expected'")
    both = [expected, expected.assign(basis="realised")]
    assert "on average $" not in headline_text(replace(result, comparison=pd.concat(both)))
    assert "on average $" not in headline_text(replace(result, comparison=expected))


def test_without_enough_draws_no_chance_is_claimed() -> None:
    result = one_lever(12_340.0, 5_300.0)
    frame = result.comparison.assign(p_better=np.nan, p_better_mcse=np.nan, p_best=np.nan)
    assert headline_text(replace(result, comparison=frame)).endswith(
        "1,000 simulated futures are too few to say how sure that is."
    )


# --- stated numbers --------------------------------------------------------------------------------------------------


def stated(mean: float, *numbers: Assumption, evidence: str = "stated") -> RunResult:
    """One lever that rests on these numbers, and the shop's conversion."""
    result = one_lever(mean, 1_000.0)
    base, lever = result.scenarios
    lever = replace(lever, assumptions=numbers, evidence=evidence, uncertain=False)
    channel = Assumption("acquisition.channels.ads.conversion", "Conversion, ads", "fixed", "", "", 0.02, 0.02, 0.02)
    return replace(result, scenarios=(base, lever), assumptions=(channel,))


def number(label: str, value: float, unit: str = "relative", evidence: str = "stated") -> Assumption:
    return Assumption("scenario.s.x.size", label, "fixed", "", "", value, value, value, unit, evidence, drives=True)


LIFT = number("Change of the conversion", 0.153)  # of the odds: 2.3 % instead of 2.0 %


def test_a_stated_number_makes_an_if_and_no_chance() -> None:
    result = stated(4_100.0, LIFT)
    text = headline_text(result)
    assert text.startswith("If conversion rises from 2.0 to 2.3 % (stated, not tested), that adds about $4,100 over 36")
    assert "of 100" not in text
    assert "sure" not in text
    assert second_sentence(result) == ""
    falls = headline_text(stated(-4_100.0, number("Change of the conversion", -0.153)))
    assert falls.startswith("If conversion falls from 2.0 to 1.7 % (stated, not tested), that costs about $4,100 over")


def test_with_several_channels_the_change_is_told() -> None:
    result = stated(4_100.0, LIFT)
    channels = (*result.assumptions, result.assumptions[0]._replace(path="acquisition.channels.post.conversion"))
    assert headline_text(replace(result, assumptions=channels)).startswith("If conversion rises by 15 % (stated")


def test_only_the_stated_numbers_are_the_premise() -> None:
    take = number("Share of offers taken", 0.12, "probability")
    tested = number("Change of the purchase rate", 0.05, evidence="experiment")
    text = headline_text(stated(4_100.0, take, tested))
    assert text.startswith("If the share of offers taken is 12 % (stated, not tested), that adds about $4,100")
    three = headline_text(stated(4_100.0, take, LIFT, LIFT))
    assert "is 12 % and conversion rises from 2.0 to 2.3 % and one more number is as stated (stated" in three


def test_a_tested_number_makes_no_if() -> None:
    text = headline_text(stated(4_100.0, LIFT._replace(evidence="experiment"), evidence="experiment"))
    assert text.startswith("“Gentle upsell” adds about $4,100")


def test_beside_an_if_stands_what_has_evidence() -> None:
    result = demo()
    scenarios = [
        replace(s, evidence="stated", assumptions=(LIFT,)) if s.name == "plan" else s for s in result.scenarios
    ]
    result = replace(result, scenarios=tuple(scenarios))
    assert headline_text(result).startswith("If conversion rises by 15 % (stated, not tested), that adds about $13,")
    second = second_sentence(result)
    assert second.startswith("Of the levers that a test or a source backs, “Gentle upsell at the first order” adds")
    result = demo({name: LEVERS[name] for name in ("conversion", "plan")})
    scenarios = [
        replace(s, evidence="stated", assumptions=(LIFT,)) if s.name == "plan" else s for s in result.scenarios
    ]
    second = second_sentence(replace(result, scenarios=tuple(scenarios)))
    assert second.startswith("Of the levers that a test or a source backs, none is clearly better than carrying on as")


def test_warnings_say_what_was_done_instead() -> None:
    (base, lever) = stated(4_100.0, LIFT).scenarios
    (text,) = warnings([base, lever])
    assert text.startswith(
        "“Gentle upsell” rests on stated numbers alone (change of the conversion): it is shown as what"
    )
    assert "gets no chance of being better" in text
    (doubted,) = warnings([replace(lever, uncertain=True)])
    assert "no chance" not in doubted
    (example,) = warnings([replace(lever, default="Goodwill: largest change")])
    assert example.startswith(
        "“Gentle upsell” rests on a default that nobody measured (goodwill): it counts as an example"
    )
    tested = number("Change of the purchase rate", 0.05, evidence="experiment")
    assert warnings([replace(lever, assumptions=(LIFT, tested))]) == ()
    assert warnings([base, replace(lever, assumptions=())]) == ()


def test_an_interval_across_zero_is_not_sold_as_a_gain() -> None:
    text = headline_text(one_lever(2_000.0, 5_000.0))
    assert text.startswith("No lever is clearly better than carrying on as today")
    assert "adds about $2,000" in text
    assert "−$" in text


def test_expected_loss_is_said_as_a_loss() -> None:
    text = headline_text(one_lever(-1_500.0, 3_000.0))
    assert text.startswith("No lever is expected to pay: even the best, “Gentle upsell”, costs about $1,500 over 36")


def test_a_lever_without_any_effect_makes_no_difference() -> None:
    result = one_lever(0.0, 1.0)
    draws = {"baseline": np.zeros(1000), "upsell": np.zeros(1000)}
    frame = comparison(draws, {"plan_value": (100_000.0, 0.08, 0.002)})
    text = headline_text(replace(result, comparison=frame, delta_draws={"upsell": draws["upsell"]}))
    assert text.startswith("“Gentle upsell” makes no difference over 36 months")


def test_the_best_by_expected_plan_value_is_chosen() -> None:
    best = best_lever(demo())
    assert best is not None
    assert best[0].name == max(LEVERS, key=lambda name: LEVERS[name][1])


def test_examples_never_reach_the_headline() -> None:
    result = demo()
    marked = tuple(replace(s, illustrative=s.name in ("plan", "upsell_soft")) for s in result.scenarios)
    best = best_lever(replace(result, scenarios=marked))
    assert best is not None
    assert best[0].name == "conversion"
    everything = demo(illustrative=True)
    assert best_lever(everything) is None
    assert headline_text(everything).startswith(
        "The 2,357 customers of today are worth about $61,900 over the next 36 months"
    )
    assert second_sentence(everything) == ""


def test_scenarios_that_do_not_apply_never_reach_the_headline() -> None:
    result = demo()
    scenarios = tuple(replace(s, not_applicable="needs x" if s.name == "plan" else "") for s in result.scenarios)
    best = best_lever(replace(result, scenarios=scenarios))
    assert best is not None
    assert best[0].name == "upsell_soft"


def test_without_margin_the_headline_speaks_of_revenue() -> None:
    assert "bring in about 61,900 of revenue over the next 36 months" in headline_text(foreign())
    lever = replace(one_lever(12_340.0, 5_300.0), margin_known=False)
    assert "brings in about $12,300 more revenue" in headline_text(lever)
    for result in (foreign(), lever):
        assert "worth" not in headline_text(result)
        assert "adds" not in headline_text(result)


def test_tied_best_is_said_in_the_second_sentence() -> None:
    result = demo()
    row = result.comparison.query("scenario == 'plan' and metric == 'plan_value' and basis == 'expected'").iloc[0]
    text = second_sentence(result).replace(NBSP, " ")
    assert text.startswith(f"We are {round(100 * row.p_best)} % sure that it is the best on average of the 5 options")


def test_few_draws_print_fewer_digits() -> None:
    result = one_lever(12_340.0, 5_300.0)
    frame = result.comparison.assign(delta_mcse=1_700.0, p_better_mcse=0.04)
    text = headline_text(replace(result, comparison=frame))
    assert "adds about $12,000 over" in text
    assert "we are 99 % sure" in text  # tens would read 100 %


@pytest.mark.parametrize(
    ("position", "place"),
    [
        (0.0, "below the 1st of 100"),
        (0.0049, "below the 1st of 100"),
        (0.01, "at the 1st of 100"),
        (0.5, "at the 50th of 100"),
        (0.943, "at the 94th of 100"),
        (0.99, "at the 99th of 100"),
        (0.9951, "above the 99th of 100"),
        (1.0, "above the 99th of 100"),
    ],
)
def test_the_check_is_told_as_a_place(position: float, place: str) -> None:
    check = HoldoutCheck(273, 1_882, 1_750.0, (1_530.0, 2_080.0), (1_640.0, 1_860.0), position)
    result = demo()
    sentences = holdout_sentences(result, check)
    assert sentences[1].startswith(f"The actual number lies {place} simulated futures")
    assert "placed 1,882 repeat orders" in sentences[0]
    assert not any(word in " ".join(sentences) for word in ("inside", "outside"))
    short = holdout_in_short(replace(result, tracking=replace(result.tracking, holdout=check)))
    assert short.endswith(f"1,882 repeat orders came where 1,750 were expected, {place} simulated futures.")


def test_factory_draws_have_the_stated_mean_and_spread() -> None:
    draws = delta_draws(LEVERS)["plan"]
    assert draws.mean() == pytest.approx(LEVERS["plan"][1], rel=1e-12)
    assert draws.std() == pytest.approx(LEVERS["plan"][2], rel=1e-12)
