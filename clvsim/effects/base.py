"""Base class of all kinds of effects."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np

from clvsim.effects.scales import Domain, Scale
from clvsim.schema import Frozen


class EffectKind(Frozen):
    """An uncertain number that is not estimated from the log.

    A kind implements `sample` (by inversion of one uniform per draw, so that values are monotone in the uniform),
    `misfits` (what does not fit a scale) and `describe` (its text on the page).
    """

    kind_name: ClassVar[str]
    source: str = ""  # the user's own note: where the numbers come from

    @classmethod
    def own_keys(cls, given: Mapping[str, object]) -> frozenset[str]:
        """Keys that mean something to this kind; `given` is the mapping as typed."""
        return frozenset(cls.model_fields)

    @abstractmethod
    def misfits(self, scale: Scale, domain: Domain) -> Iterator[tuple[str, str]]:
        """(key below the effect's path or "", what is wrong) for every value that does not fit the scale."""

    @abstractmethod
    def sample(self, uniforms: np.ndarray, scale: Scale) -> np.ndarray:
        """Values (n,) for uniforms (n,) in (0, 1): log units for changes, natural units otherwise, not yet clipped."""

    @abstractmethod
    def describe(self, scale: Scale) -> str:
        """Where the number comes from, in plain words."""
