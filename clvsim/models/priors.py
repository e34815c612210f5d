"""Prior families as configuration; what they are put on, and why, stands with each model."""

import math
from typing import Any

from clvsim.schema import Frozen, LogSd, Positive


class LogNormalPrior(Frozen):
    """log of the parameter ~ Normal(log median, sd_log)."""

    median: Positive
    sd_log: LogSd

    def variable(self, pm: Any, name: str) -> Any:
        """The random variable, inside an open PyMC model."""
        return pm.LogNormal(name, mu=math.log(self.median), sigma=self.sd_log)


class BetaPrior(Frozen):
    """The parameter ~ Beta(a, b)."""

    a: Positive
    b: Positive

    def variable(self, pm: Any, name: str) -> Any:
        """The random variable, inside an open PyMC model."""
        return pm.Beta(name, alpha=self.a, beta=self.b)

    def off_ridge(self, pm: Any, name: str, centre: Any) -> Any:
        """The parameter where what is sampled, as `name`, is by how much its log odds exceed `centre`, a graph."""
        import pytensor.tensor as pt

        constant = math.lgamma(self.a + self.b) - math.lgamma(self.a) - math.lgamma(self.b)

        def log_density(off: Any, centre: Any) -> Any:
            log_odds = centre + off
            return constant - self.a * pt.softplus(-log_odds) - self.b * pt.softplus(log_odds)

        return pt.sigmoid(centre + pm.CustomDist(name, centre, logp=log_density))
