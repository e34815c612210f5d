"""What a question is asked of, and what an answer is."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from clvsim.comparison.draws import Draws
from clvsim.config import RunConfig
from clvsim.errors import ConfigError
from clvsim.report import display
from clvsim.report import format as fmt
from clvsim.types import RunResult, ScenarioDescription

if TYPE_CHECKING:
    import pandas as pd

    from clvsim.report.pictures import Picture


@dataclass(frozen=True)
class Finished:
    """A finished run: its configuration, what it shows, its figures per draw and world, and where its files are."""

    config: RunConfig
    result: RunResult
    draws: Draws
    folder: Path

    @property
    def currency(self) -> str:
        return self.result.currency

    @property
    def levers(self) -> list[ScenarioDescription]:
        return display.levers(self.result)

    def scenario(self, name: str) -> ScenarioDescription:
        """Raises ConfigError for one that the run does not have."""
        known = {one.name: one for one in display.applicable(self.result)}
        if name not in known:
            raise ConfigError([("lever", f"must be one of {', '.join(known)}, of this run, got {name}")])
        return known[name]

    def has(self, metric: str) -> bool:
        return metric in self.draws.metrics

    def require_money(self, question: str) -> None:
        """Raises ConfigError where the run was decided on another metric than the plan's value."""
        if self.draws.decided != "plan_value":
            what = (
                f"{question} weighs money, and this run was decided on {self.draws.decided}: report.metric=plan_value"
            )
            raise ConfigError([("ask", what)])

    def require(self, question: str, *metrics: str) -> None:
        """Raises ConfigError with the keys that would give the figures which the run lacks."""
        lacking = dict.fromkeys(_NEEDED[metric] for metric in metrics if not self.has(metric))
        if lacking:
            raise ConfigError([("ask", f"{question} {what}") for what in lacking])


_NEWCOMERS = (
    "needs newcomers, and this run has none: acquisition.channels.NAME.visitors_per_month, conversion and "
    "cost_per_visitor, or acquisition.from_log=true with cost_per_customer, give them to clvsim run"
)
_NEEDED = {
    "pav_per_newcomer": _NEWCOMERS,
    "marginal_cac": _NEWCOMERS,
    "cac": _NEWCOMERS,
    "visitor_value": "needs visitors: acquisition.channels.NAME.visitors_per_month and conversion, for clvsim run",
    "rlv_total": "needs customers of today, and this business has none",
}


class Text(NamedTuple):
    """A table for people: headings, and rows of as many cells, the first of which is a name."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Answer:
    """Sentences, of which the first says what to do and how sure that is; the table for people, the same as numbers,
    a picture, and notes on what the figures contain."""

    sentences: tuple[str, ...]
    text: Text
    table: "pd.DataFrame"
    picture: "Picture | None" = None
    notes: tuple[str, ...] = field(default=())


def money(run: Finished, value: float, mcse: float = float("nan"), *, signed: bool = False) -> str:
    """An amount with the digits that its error supports, cents at most."""
    return fmt.money(value, max(-2, fmt.last_place((value,), mcse)), run.currency, signed=signed)


def between(run: Finished, low: float, high: float, mcse: float = float("nan")) -> str:
    """`[low, high]` with common digits, without a currency."""
    place = max(-2, fmt.last_place((low, high), mcse))
    return f"[{fmt.money(low, place)}, {fmt.money(high, place)}]"
