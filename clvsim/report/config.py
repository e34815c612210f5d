"""The section `report` of the configuration."""

from pydantic import field_validator

from clvsim.report.glossary import GLOSSARY
from clvsim.schema import Frozen

# Payback is a statement about draws, not a figure to decide on.
DECIDABLE = tuple(name for name in GLOSSARY if "payback" not in name)


class ReportConfig(Frozen):
    """`metric` is what scenarios are decided on: Δ, P(better), P(best), expected loss and the headline.

    `track_record`: the folder of a `clvsim score`, which the page then shows.
    """

    metric: str = "plan_value"
    track_record: str | None = None

    @field_validator("metric")
    @classmethod
    def _is_known(cls, metric: str) -> str:
        if metric not in DECIDABLE:
            raise ValueError(f"no metric {metric!r} to decide on; there are {', '.join(sorted(DECIDABLE))}")
        return metric
