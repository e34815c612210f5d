"""What is asked of a finished run, and with which numbers of the asker's own."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from clvsim.schema import Amount, Frozen, Label, Money, Months, Name, Positive, Share, Whole


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class Settings(Frozen):
    """`ask`: questions by name. The rest is for single questions; docs/decide.md says for which."""

    ask: Annotated[tuple[Name, ...], BeforeValidator(_listed), Field(min_length=1, max_length=20)] | None = None
    lever: Name | None = None  # a scenario; without it all levers, or the baseline
    chance_of_loss: Annotated[Share, Field(gt=0, lt=1)] = 0.1
    within_months: Annotated[Months, Field(ge=1)] = 12
    per_arm: Annotated[Whole, Field(ge=1, le=1_000_000_000)] | None = None
    visitors_per_month: Positive | None = None
    test_cost: Money = 0.0
    watched_months: Annotated[Positive, Field(le=120)] = 3.0
    budget_per_month: Positive | None = None
    spend_history: Label | None = None  # a CSV
    worst_at_least: Amount | None = None
    top: Annotated[tuple[Annotated[Share, Field(gt=0, lt=1)], ...], Field(min_length=1, max_length=10)] = (
        0.1,
        0.2,
        0.5,
    )
