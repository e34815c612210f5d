"""The `fit` section: how posteriors are drawn."""

from typing import Literal

from pydantic import Field, model_validator

from clvsim.schema import Frozen


class FitConfig(Frozen):
    """How draws are made, and how many. `draws` is the total over all chains; `chains` and `tune` are for NUTS.

    `laplace` weighs points around the mode; `map` repeats the mode, a draft without parameter uncertainty; `auto` is
    `laplace` on large tables where its diagnostics allow it, else `nuts`. See docs/models/inference.md.
    """

    method: Literal["nuts", "laplace", "map", "auto"] = "auto"
    draws: int = Field(4000, ge=1, le=1_000_000)
    chains: int = Field(4, ge=2, le=64)
    tune: int = Field(1000, ge=100, le=100_000)
    seed: int = Field(1, ge=0, lt=2**32)
    allow_poor: bool = False
    cache: bool = True

    @model_validator(mode="after")
    def _chains_are_of_equal_length(self) -> "FitConfig":
        if self.method in ("nuts", "auto") and self.draws % self.chains:
            raise ValueError(f"draws ({self.draws}) must be a multiple of chains ({self.chains})")
        return self
