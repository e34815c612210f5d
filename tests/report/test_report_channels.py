"""Channels and e-mails on the page: what stands in their tables, and when there are none."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from clvsim.books import COLUMNS
from clvsim.report import channels
from clvsim.report.figures import drawings
from clvsim.report.page import render
from clvsim.types import RunResult
from tests.report import factory


def with_rows(*rows: tuple[Any, ...], contracts: bool = False) -> RunResult:
    result = factory.demo()
    found = [
        (book, scenario, group, at, metric, unit, basis, layers, mean, 0.8 * mean, mean, 1.1 * mean)
        for book, scenario, group, at, metric, unit, basis, layers, mean in rows
    ]
    more = pd.DataFrame(found, columns=list(COLUMNS))
    return replace(result, books=pd.concat([factory.books(contracts=contracts), more], ignore_index=True))


def channel(group: str, metric: str, unit: str, mean: float) -> tuple[Any, ...]:
    return ("channels", "baseline", group, 0.0, metric, unit, "realised", factory.ALL_LAYERS, mean)


@pytest.fixture
def sold() -> RunResult:
    rows = [
        channel(group, metric, unit, mean)
        for group, values in {
            "channel ads": (300.0, 13.0, 13.0, 39.0, 26.0, 3.0),
            "channel letters": (100.0, 0.0, 0.0, 41.0, 41.0, None),
            "all": (400.0, 9.75, 9.75, 39.5, 29.75, 4.05),
        }.items()
        for (metric, unit), mean in zip(channels._FIGURES.values(), values, strict=True)
        if mean is not None
    ]
    return with_rows(*rows)


def test_channels_stand_side_by_side(sold: RunResult) -> None:
    table = channels.channels(sold)
    assert table is not None
    assert table.headings == ("Customers", "Cost of one", "Cost of one more", "Brings", "Brings less cost", "LTV:CAC")
    rows = {label: [cell.value for cell in cells] for label, cells in table.rows}
    assert rows["ads"] == ["300", "$13.0", "$13.0", "$39.0", "$26.0", "3.00"]
    assert rows["letters"] == ["100", "$0", "$0", "$41.0", "$41.0", ""]  # nothing is paid for them
    assert list(rows) == ["ads", "letters", "all together"]
    assert "contribution of one within 36 months" in table.notes[0].replace("\u00a0", " ")
    assert "allows for" in table.notes[-1]
    assert "Channel" in dict(channels.terms(sold))
    page = render(sold, drawings(sold))
    assert "What each channel brings and costs" in page


def test_one_channel_needs_no_table_beside_the_key_figures(sold: RunResult) -> None:
    assert sold.books is not None
    one = replace(sold, books=sold.books[sold.books.group != "channel letters"])
    assert channels.channels(one) is None
    assert channels.channels(factory.demo()) is None
    assert channels.terms(factory.demo()) == []


@pytest.fixture
def mailed() -> RunResult:
    lever = factory.demo().scenarios[1].name
    figures = {"customers_after": "count", "customers": "count", "value": "money"}
    return with_rows(
        *(
            ("email_credit", lever, f"mails {which}", at, metric, unit, "expected", "parameter", mean * factor)
            for which, at, mean in (("first", 0.0, 20.0), ("second", 3.0, 10.0), ("sequence", 0.0, 30.0))
            for (metric, unit), factor in zip(figures.items(), (1, 1, 40), strict=True)
        )
    )


def test_emails_have_a_table_for_each_scenario(mailed: RunResult) -> None:
    ((title, table),) = channels.emails(mailed)
    assert title == mailed.scenarios[1].title
    labels = [label for label, _ in table.rows]
    assert labels == ["first e-mail, at once", "second e-mail, after 3 days", "the whole sequence"]
    assert [cell.value for cell in table.rows[0][1]] == ["20", "20", "$800"]
    assert "averages out" in table.notes[-1]
    assert "Credit of an e-mail" in dict(channels.terms(mailed))
    assert f"What each e-mail of “{title}” brings" in render(mailed, drawings(mailed))


def test_what_chances_rest_on_is_said(mailed: RunResult) -> None:
    base, lever, *others = mailed.scenarios
    for changed, said in (
        ({"illustrative": True}, "an example and nobody’s result"),
        ({"illustrative": False, "evidence": "stated"}, "rest on: stated"),
        ({"illustrative": False, "evidence": "experiment"}, "rest on: experiment"),
    ):
        result = replace(mailed, scenarios=(base, replace(lever, **changed), *others))
        ((_, table),) = channels.emails(result)
        assert said in table.notes[0]


def test_several_funnels_are_named(mailed: RunResult) -> None:
    assert mailed.books is not None
    own = mailed.books[mailed.books.book == "email_credit"]
    calls = own.assign(group=own.group.str.replace("mails", "calls"))
    ((_, table),) = channels.emails(replace(mailed, books=pd.concat([mailed.books, calls], ignore_index=True)))
    assert table.rows[0][0] == "mails: first e-mail, at once"
    assert table.rows[-1][0] == "calls: the whole sequence"
