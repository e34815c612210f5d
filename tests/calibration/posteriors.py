"""Posteriors of many data sets of one model, whose density and sampler are compiled once."""

from typing import Any

import numpy as np

from clvsim.errors import DiagnosticsError
from clvsim.models.compiled import CompiledModel, compile_model
from clvsim.models.config import FitConfig
from clvsim.models.inference import laplace
from clvsim.models.inputs import by_name
from clvsim.models.sampling import sample

LAPLACE_DRAWS = 1000
NUTS = FitConfig(draws=500, chains=2, tune=300)


class Posteriors:
    """Posteriors of the tables of one model."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.compiled: CompiledModel | None = None

    def compiled_for(self, rows: Any) -> CompiledModel:
        self.compiled = self.compiled or compile_model(self.model.build(rows))
        return self.compiled.with_data(by_name(self.model.inputs(rows)))

    def auto(self, rows: Any, seed: int, at_once: bool = False) -> tuple[dict[str, np.ndarray], str]:
        """Draws of the free variables and how they came about: as `fit.fit_one` where `fit.method` is auto.

        `laplace` with 1,000 draws, and where it does not pass NUTS; or NUTS `at_once`. Laplace passes as in the product
        by Pareto k and, as the product asks of its 4,000 draws, if a tenth of them are effective.
        """
        posterior, way = self.compiled_for(rows), "nuts at once"
        if not at_once:
            try:
                free, (pareto_k, ess) = laplace(posterior, self.model.kind, len(rows.count), LAPLACE_DRAWS, seed)
                if pareto_k.ok and ess.value >= LAPLACE_DRAWS / 10:
                    return free, "laplace"
                way = "nuts for poor weights"
            except DiagnosticsError:
                way = "nuts for want of a mode"
        free, divergences = sample(posterior, NUTS.model_copy(update={"seed": seed}))
        return free, way + (", divergent" if divergences else "")
