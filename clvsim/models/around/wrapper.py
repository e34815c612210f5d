"""What every wrapper of a retention model takes over from the model inside."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clvsim.models.domain import Domain
from clvsim.types import CustomerSummary, SharedPeriods


@dataclass(frozen=True)
class Wrapper:
    """A retention model around another one, its `section`."""

    section: Any

    @property
    def kind(self) -> str:
        return self.section.kind

    @property
    def WHO_IS_LOST(self) -> str:
        return self.section.WHO_IS_LOST

    @property
    def DOMAINS(self) -> Mapping[str, Domain]:
        return {**self.section.DOMAINS, **self.beside}

    @property
    def beside(self) -> Mapping[str, Domain]:
        """Domains of the parameters that are its own."""
        return {}

    @property
    def TIMES(self) -> tuple[str, ...]:
        return self.section.TIMES

    @property
    def renewing(self) -> bool:
        return self.section.renewing

    @property
    def interval_days(self) -> float:
        return self.section.interval_days

    @property
    def opportunity_days(self) -> float:
        return self.section.opportunity_days

    @property
    def periods(self) -> float | SharedPeriods:
        return self.section.periods

    def remarks(self, summary: CustomerSummary) -> tuple[str, ...]:
        return self.section.remarks(summary)

    def holdout_days(self, summary: CustomerSummary) -> float:
        return self.section.holdout_days(summary)


def with_pauses(section: Any) -> Any:
    """The section, or the one with pauses where it is of contracts and asks for them."""
    return section.with_pauses() if getattr(section, "pauses", False) else section


@dataclass(frozen=True)
class PoolableWrapper(Wrapper):
    """A wrapper of a model whose parameters can differ between levels: with what pooling asks of the model inside."""

    @property
    def SCALES(self) -> Mapping[str, Any]:
        return self.section.SCALES

    @property
    def pool_sd(self) -> float:
        return self.section.pool_sd

    @property
    def covariates(self) -> Any:
        return self.section.covariates
