"""What every wrapper of a retention model takes over from the model inside."""

from dataclasses import dataclass
from typing import Any


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
