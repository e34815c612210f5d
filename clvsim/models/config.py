"""The `fit` section: how posteriors are drawn."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from clvsim.models import RETENTION
from clvsim.models.around.several import KIND as AUTO
from clvsim.schema import Frozen, Seed, Whole


class FitConfig(Frozen):
    """How draws are made, and how many. `draws` is the total over all chains; `chains` and `tune` are for NUTS.

    `laplace` weighs points around the mode; `map` repeats the mode, a draft without parameter uncertainty; `auto` is
    `laplace` on large tables where its diagnostics allow it, else `nuts`. See docs/models/inference.md.
    `posterior` are files with draws to use instead of fitting (docs/models/elsewhere.md), in `posterior_time_unit`.
    `compare` names retention models to set beside the run's own: docs/models/comparison.md.
    """

    method: Literal["nuts", "laplace", "map", "auto"] = "auto"
    draws: Annotated[Whole, Field(ge=1, le=1_000_000)] = 4000
    chains: Annotated[Whole, Field(ge=2, le=64)] = 4
    tune: Annotated[Whole, Field(ge=100, le=100_000)] = 1000
    seed: Seed = 1
    allow_poor: bool = False
    cache: bool = True
    compare: Annotated[tuple[str, ...], Field(max_length=100)] = ()
    posterior: Annotated[tuple[str, ...], Field(max_length=32)] = ()
    posterior_time_unit: Literal["day", "week", "month"] | None = None

    @field_validator("posterior", mode="before")
    @classmethod
    def _one_file_or_several(cls, paths: Any) -> Any:
        return (paths,) if isinstance(paths, str) else () if paths is None else paths

    @model_validator(mode="after")
    def _a_comparison_fits(self) -> "FitConfig":
        if self.compare and self.posterior:
            raise ValueError("compare fits models side by side; it does not go with posterior")
        return self

    @field_validator("compare")
    @classmethod
    def _are_retention_models(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        names = tuple(name for name in names if name != AUTO)  # the default, which is joined by itself
        if unknown := [name for name in names if name not in RETENTION]:
            raise ValueError(f"no retention model {', '.join(unknown)}; choose from {', '.join(RETENTION)}")
        return tuple(dict.fromkeys(names))

    @model_validator(mode="after")
    def _a_comparison_needs_parameter_uncertainty(self) -> "FitConfig":
        if self.compare and self.method == "map":
            raise ValueError("compare weighs customers left out by the spread of the posterior, and map has none")
        return self

    @model_validator(mode="after")
    def _chains_are_of_equal_length(self) -> "FitConfig":
        if self.method in ("nuts", "auto") and self.draws % self.chains:
            raise ValueError(f"draws ({self.draws}) must be a multiple of chains ({self.chains})")
        return self
