"""What levers do over time: the strips of a scenario, their words, and where they stand on the page."""

from dataclasses import replace

import numpy as np
import pytest

from clvsim.report import schedule
from clvsim.report.drawing import style
from clvsim.report.figures import drawings
from clvsim.report.page import render
from clvsim.types import RunResult, ScheduleLine
from tests.report import factory


@pytest.fixture
def result() -> RunResult:
    run = factory.demo()
    return replace(run, schedule=factory.schedule(run.scenarios[2].name))


def test_each_strip_says_what_it_is_and_how_far_it_goes(result: RunResult) -> None:
    said = [f"{schedule.label_of(line)}, {schedule.extent(line, '$')}" for line in result.schedule]
    assert said == [
        "launch: order rate, ×0.94 to ×1.26",
        "cards: days of the campaign (new customers), 2 days",
        "mail: messages to each customer, 0.92 a week",
        "wages: money, $0 to $100 a month",
        "start: money, $500",
    ]
    assert schedule.alternative_text(result.schedule, "$").count(". ") == 5


@pytest.mark.parametrize(
    ("what", "height", "words"),
    [
        ("shown, share of the weeks", (0.0, 1.0), "at times"),
        ("shown, share of the weeks", (1.0,), "always"),
        ("shown, share of the weeks", (0.0,), "never"),
        ("gross margin, plus", (0.0, 0.05), "0.0\u00a0% to +5.0\u00a0%"),
        ("share of visitors who do not buy and leave an address", (0.025, 0.0), "0.0\u00a0% to 2.5\u00a0%"),
        ("order rate, times", (), "never"),
    ],
)
def test_quantities_in_words(what: str, height: tuple[float, ...], words: str) -> None:
    days = tuple(map(float, range(len(height))))
    line = ScheduleLine("s", "l", "all customers", what, False, 365.0, days, height)
    assert schedule.extent(line, "$") == words


def test_strips_are_steps_around_what_changes_nothing(result: RunResult) -> None:
    with style():
        axes = schedule.schedule_figure((result, result.schedule)).axes
    assert len(axes) == 5
    line = next(line for line in axes[0].lines if len(np.asarray(line.get_xdata())) == 5)
    np.testing.assert_allclose(np.asarray(line.get_ydata(), float), [1.0, 1.26, 0.94, 1.0, 1.0])
    np.testing.assert_allclose(np.asarray(line.get_xdata(), float) * 365.25 / 12, [0, 28, 42, 70, 365.25])
    area = np.asarray(axes[0].collections[0].get_paths()[0].vertices)
    assert (area[:, 1].min(), area[:, 1].max()) == (0.94, 1.26)
    marks = [np.asarray(path.vertices)[0, 0] for path in axes[1].collections[0].get_paths()]
    np.testing.assert_allclose(marks, np.array([30, 90]) * 12 / 365.25)
    assert all(strip.get_xlim() == (0, 12) for strip in axes)
    assert [len(strip.get_xticklabels()) > 0 for strip in axes][-1]


def test_ticks_are_months_that_people_count_in() -> None:
    assert schedule.month_ticks(48, 8).tolist() == [0, 6, 12, 18, 24, 30, 36, 42, 48]
    assert schedule.month_ticks(48, 5).tolist() == [0, 12, 24, 36, 48]
    assert schedule.month_ticks(3, 5).tolist() == [0, 1, 2, 3]
    assert schedule.month_ticks(60, 5).tolist() == [0, 12, 24, 36, 48, 60]


def test_the_page_has_a_figure_for_each_scenario_with_levers(result: RunResult) -> None:
    two = replace(result, schedule=(*result.schedule, *factory.schedule(result.scenarios[1].name)))
    figures = drawings(two)
    assert {"schedule_1", "schedule_2"} <= set(figures)
    page = render(two, figures)
    fold = page[page.index("What the levers do, week by week") :]
    titles = [two.scenarios[number].title for number in (1, 2)]  # in the order of the page
    assert fold.index(titles[0]) < fold.index(titles[1])
    assert "launch: order rate" in figures["schedule_1"].alternative_text
    bare = factory.demo()
    assert "week by week" not in render(bare, drawings(bare))
