"""Base class of all kinds of effects, and what kind of evidence one is."""

import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

import numpy as np

from clvsim.effects.scales import Domain, Scale
from clvsim.schema import Frozen, Text

# In the order of their strength. What no test shows and no source backs is stated, however uncertain it is said to be.
Evidence = Literal["log", "experiment", "judgement", "stated"]
EVIDENCE: tuple[Evidence, ...] = ("log", "experiment", "judgement", "stated")


class EffectKind(Frozen):
    """An uncertain number that is not estimated from the log.

    A kind implements `sample` (by inversion of one uniform per draw, so that values are monotone in the uniform),
    `misfits` (what does not fit a scale) and `describe` (its text on the page).
    """

    kind_name: ClassVar[str]
    source: Text = ""  # the user's own note: where the numbers come from, which makes a stated number a judgement

    @property
    def evidence(self) -> Evidence:
        """What kind of evidence it is."""
        return "judgement" if self.source.strip() else "stated"

    @property
    def definition(self) -> str:
        """Kind and numbers as text, without the note on their source: equal texts stand for one effect."""
        return json.dumps(self.model_dump(exclude={"source"}, exclude_none=True), sort_keys=True)

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
