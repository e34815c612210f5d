"""The section `report` of the configuration."""

from pydantic import field_validator

from clvsim.report.glossary import GLOSSARY
from clvsim.schema import Frozen


class ReportConfig(Frozen):
    """What the page puts first. The decision itself is always on plan value."""

    metric: str = "plan_value"

    @field_validator("metric")
    @classmethod
    def _is_known(cls, metric: str) -> str:
        if metric not in GLOSSARY:
            raise ValueError(f"no metric {metric!r}; there are {', '.join(sorted(GLOSSARY))}")
        return metric
