"""The first screen: about forty lines of at most 100 columns, in the order in which people ask."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from factory import demo, foreign, hostile, subscriptions

from clvsim.report.answers import answers
from clvsim.report.screen import MOST_ALERTS, first_screen
from clvsim.report.text import WIDTH
from clvsim.types import RunResult


@pytest.mark.parametrize("make", [demo, foreign, hostile, subscriptions, lambda: demo({})])
def test_it_fits_a_screen(make: Callable[[], RunResult]) -> None:
    lines = first_screen(make()).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert all(line == line.rstrip() for line in lines)
    assert len(lines) <= 40 or make is hostile  # whose title alone takes sixteen


def test_its_parts_are_in_order() -> None:
    result = replace(demo(), poor_fit=True, synthetic="Simulated.", no_data="", money_alarm="Uneven.")
    text = " ".join(first_screen(result).split())
    words = (
        "SYNTHETIC",
        "POOR FIT",
        "UNEVEN SPEND",
        "A customer of today",
        "All customers of today",
        "Lever extra value",
    )
    words += (
        "What to do",
        "How sure",
        "What would help most to know",
        "A range [low, high] holds 9 in 10",
        "What could go wrong",
        "! 12 orders",
    )
    words += ("Money is contribution", "Hills")
    places = [text.index(word) for word in words]
    assert places == sorted(places)


def test_every_answer_and_lever_is_there() -> None:
    text = " ".join(first_screen(demo()).split())
    found = answers(demo())
    for answer in found.block:
        assert " ".join((answer.label, answer.value, answer.interval)) in text
    for line in found.levers:
        assert f"{line.value} {line.interval}".replace("\u00a0", " ") in text


def test_uncertainty_is_named_and_levers_only_where_there_are_some() -> None:
    held = "A range [low, high] holds 9 in 10 futures, which differ in how customers behave, what levers do"
    assert held in " ".join(first_screen(demo()).split())
    alone = " ".join(first_screen(replace(demo({}), acquisition_known=False)).split())
    for words in ("what levers do", "Hills", "“chance”", "sure that"):
        assert words not in alone


def test_money_is_said_to_be_what_it_is() -> None:
    shown = first_screen(replace(demo(), annual_discount_rate=0.075))
    assert (
        "Money is contribution: what is left after goods (margin 30 %) and costs, discounted at 7.5 % a year." in shown
    )
    shown = first_screen(replace(demo(), annual_discount_rate=0.0))
    assert "Money is contribution: what is left after goods (margin 30 %) and costs." in shown
    shown = first_screen(foreign())
    assert "Money is revenue before the cost of goods: no margin was given (finance.gross_margin=0.5)." in shown


def test_a_break_even_has_a_column_and_long_titles_keep_room(monkeypatch: pytest.MonkeyPatch) -> None:
    from clvsim.report import screen

    found = answers(demo())
    lines = tuple(line._replace(pays_from="more than 2.0 %") for line in found.levers)
    monkeypatch.setattr(screen, "answers", lambda _: found._replace(levers=lines))
    shown = first_screen(demo())
    assert "needs" in shown
    assert shown.count("more than 2.0 %") == 4
    assert max(map(len, shown.splitlines())) <= WIDTH


def test_the_worst_warnings_are_shown_and_the_others_counted() -> None:
    shown = first_screen(replace(demo(), warnings=tuple(f"Remark {n}." for n in range(7))))
    assert [line.strip() for line in shown.splitlines() if line.startswith(" " * 21 + "! ")] == [
        *(f"! Remark {n}." for n in range(MOST_ALERTS)),
        "! 4 more, and these in full: clvsim show what=warnings",
    ]


def joined(result: RunResult) -> str:
    return " ".join(first_screen(result).split())


def test_without_levers_it_names_some_that_fit() -> None:
    assert "lever was compared" not in joined(demo())
    assert "What to do Nothing to decide yet: no lever was compared." in joined(
        replace(demo({}), acquisition_known=False)
    )
    assert "'scenarios=[conversion_lift,upsell_soft,follow_up]'" in joined(demo({}))
    assert "conversion_lift" not in joined(replace(demo({}), acquisition_known=False))
    contracts = replace(subscriptions(), scenarios=demo().scenarios[:1])
    assert "birthday,next_product" in joined(contracts)


def test_what_could_go_wrong_is_never_empty() -> None:
    quiet = replace(demo({}), warnings=(), lever_warnings=())
    assert "What could go wrong Not in here:" in joined(quiet)
    assert "Not in here:" not in joined(demo())


def test_newcomers_of_the_log_have_a_sentence_of_their_own() -> None:
    sentence = "About 100 new customers a month are expected; the log brought 98. Each costs $12."
    assert sentence in first_screen(replace(demo(), arrivals=sentence)).replace("\n", " ")
