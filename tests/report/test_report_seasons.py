"""What the page says of months of the year, promotions and the path of months that were fitted."""

from dataclasses import replace
from datetime import date
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from factory import demo

from clvsim.models.around.calendar import MEAN_DAY, Calendar, Effect, Path, Window
from clvsim.models.around.path import STATES
from clvsim.models.retention.bg_nbd import BgNbd
from clvsim.report.facts import calendar_fact, fitted_kinds, retention_facts
from clvsim.report.limits import limits


def seasonal(*, monthly: bool = False, promotion: str = "", path: bool = False) -> Any:
    """BG/NBD on a log of 2024 and 2025 whose months, promotion and path are fitted."""
    sale = Window(start=date(2025, 6, 1), end=date(2025, 6, 7))
    calendar = Calendar(
        first_date=date(2024, 1, 1),
        today=date(2025, 12, 31),
        monthly=monthly,
        promotions={promotion: sale} if promotion else {},
        path=Path(months=24, today=date(2025, 12, 31), autocorrelation=0.5) if path else None,
    )
    return BgNbd().by_calendar(calendar)


def facts(model: Any) -> dict[str, str]:
    draws = {name: np.zeros(3) for name in ("r", "alpha", "a", "b", *model.calendar.names)}
    draws |= dict.fromkeys(STATES, np.zeros(3)) if model.calendar.path else {}
    posterior = SimpleNamespace(time_unit="week", retention=draws)
    fitted: Any = SimpleNamespace(retention=model, posterior=posterior)
    return dict(retention_facts(fitted))


def test_effects_are_factors_of_the_order_rate():
    listed = facts(seasonal(monthly=True, promotion="sale", path=True))
    assert listed["season[12]: order rate, December against a mean month"] == "×1 [1, 1]"
    assert listed["promotion[sale]: order rate against the same days without it"] == "×1 [1, 1]"
    assert listed["path.level: level of the order rate today against the mean of the log"] == "×1 [1, 1]"
    assert listed["path.sd: sd of monthly shocks of the log order rate"] == "0 [0, 0]"
    assert listed["alpha (bg_nbd, weeks)"] == "0 [0, 0]"
    assert len(listed) == 4 + 13 + 5  # none of the 24 months by itself


def test_the_mean_day_is_listed_only_beside_a_promotion():
    label, _ = calendar_fact(MEAN_DAY, np.zeros(3))
    assert label == "season[any]: order rate, other days against a mean day"
    assert label in facts(seasonal(promotion="any"))  # a promotion may be called like that
    assert label not in facts(seasonal(monthly=True))


def test_a_month_is_named():
    assert calendar_fact(Effect("season", "1"), np.log([2.0, 2.0])) == (
        "season[1]: order rate, January against a mean month",
        "×2 [2, 2]",
    )


@pytest.mark.parametrize(
    ("model", "kinds", "starts"),
    [
        (BgNbd(), (), "Seasons, trends, price rises"),
        (seasonal(monthly=True), ("season",), "The year’s months (or the promotions) were fitted and are taken"),
        (seasonal(promotion="sale"), ("promotion",), "The year’s months (or the promotions) were fitted and are taken"),
        (seasonal(path=True), ("path",), "The order rate’s level may move from month to month; it goes on from where"),
        (seasonal(monthly=True, path=True), ("season", "path"), "The year’s months (or the promotions) were fitted"),
    ],
)
def test_limits_name_what_was_fitted(model, kinds, starts):
    assert fitted_kinds(model) == kinds
    lasting = dict(limits(replace(demo(), calendar_effects=kinds)))["Behaviour is taken as lasting"]
    end = lasting.partition("change them. ")[2] or lasting.partition("changes them. ")[2]
    assert end.startswith(starts)
    assert ("trends, " in end.lower()) == ("path" not in kinds)
    assert ("seasons, " in end.lower()) == ("season" not in kinds and "promotion" not in kinds)
    assert end.endswith("rice rises, competitors and ageing of tastes are not modelled.")
