"""Prior families as configuration; what they are put on, and why, stands with each model."""

import math
from typing import Any

from pydantic import Field

from clvsim.schema import Frozen


class LogNormalPrior(Frozen):
    """log of the parameter ~ Normal(log median, sd_log)."""

    median: float = Field(gt=0)
    sd_log: float = Field(gt=0, le=10)

    def variable(self, pm: Any, name: str) -> Any:
        """The random variable, inside an open PyMC model."""
        return pm.LogNormal(name, mu=math.log(self.median), sigma=self.sd_log)


class BetaPrior(Frozen):
    """The parameter ~ Beta(a, b)."""

    a: float = Field(gt=0)
    b: float = Field(gt=0)

    def variable(self, pm: Any, name: str) -> Any:
        """The random variable, inside an open PyMC model."""
        return pm.Beta(name, alpha=self.a, beta=self.b)
