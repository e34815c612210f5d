"""What every configuration section has in common."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A section of the configuration: immutable, no unknown keys, finite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
