"""What a fit was asked for, beside what a cache holds: an entry is believed only where both are the same."""

from typing import NamedTuple

from clvsim.models import shocks
from clvsim.models.around.path import PathPrior
from clvsim.models.fitted import OBSERVED, FittedModels
from clvsim.models.protocol import RetentionModel, SpendModel
from clvsim.types import CustomerSummary, DrawMethod


class Asked(NamedTuple):
    """Both models as configured for the summary, the prior of its months, how many draws, and how to draw each model.

    The seed and the rows leave no trace in draws: they are in the key that an entry is sealed with.
    """

    retention: RetentionModel
    spend: SpendModel
    summary: CustomerSummary
    months: PathPrior | None
    draws: int
    ways: tuple[str, ...]

    def differences(self, found: FittedModels) -> list[str]:
        """In words, what differs in models that were found."""
        posterior, path = found.posterior, shocks.path_of(found.retention)
        plain, _ = shocks.without_path(found.retention, {})
        same_months = path is None or (
            self.months is not None
            and (path.today, path.autocorrelation) == (self.summary.today, self.months.autocorrelation)
        )
        methods = zip(self.ways, (posterior.retention_method, posterior.spend_method), strict=True)
        same = {
            "retention model": _same(plain, self.retention) and same_months,
            "spend model": _same(found.spend, self.spend),
            "unit of time": posterior.time_unit == self.summary.time_unit,
            "number of draws": posterior.draws == self.draws,
            "method": all(_may_be(way, method) for way, method in methods),
        }
        return [words for words, alike in same.items() if not alike]


def _same(found: RetentionModel | SpendModel, asked: RetentionModel | SpendModel) -> bool:
    return found.kind == asked.kind and found.model_dump(mode="json") == asked.model_dump(mode="json")


def _may_be(way: str, method: DrawMethod) -> bool:
    """Whether draws asked for in a way of `fit.method` may have come about so."""
    return not method.from_file and method.name in (OBSERVED, *(("laplace", "nuts") if way == "auto" else (way,)))
