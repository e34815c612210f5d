"""What a file of draws says beside them: how they came about, what their diagnostics are, what log they were fitted to.

Read by one schema with types that are not bent (`"NaN"` is no number) and bounds of all lengths, since it ends on pages
and in tables.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from clvsim.schema import LARGEST, Day, Frozen, Label, Name, Text, require_in_order
from clvsim.types import Diagnostic, DrawMethod, Seen

MOST_FIGURES, MOST_WARNINGS = 2000, 200  # plans times models times figures of each; far more than a page shows
_Count = Annotated[int, Field(strict=True, ge=0, le=int(LARGEST))]
_Switch = Annotated[bool, Field(strict=True)]


class _Method(Frozen):
    name: Literal["nuts", "laplace", "map", "observed", "stated", ""] = ""
    from_file: _Switch = False


class _Figure(Frozen):
    """`value` is nan where it could not be computed, and infinite where chains do not move."""

    model: Name
    name: Text
    value: Annotated[float, Field(strict=True, allow_inf_nan=True)]
    limit: Label
    ok: _Switch


class _Log(Frozen):
    customers: _Count
    repeat_orders: _Count
    first_date: Day
    today: Day

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> "_Log":
        require_in_order(self, "first_date", "today")
        return self


class Metadata(Frozen):
    """`log` is None where it is not known."""

    time_unit: Literal["day", "week", "month"]
    retention_method: _Method
    spend_method: _Method
    diagnostics: Annotated[tuple[_Figure, ...], Field(max_length=MOST_FIGURES)]
    warnings: Annotated[tuple[Text, ...], Field(max_length=MOST_WARNINGS)]
    log: _Log | None = None

    def fields(self) -> dict[str, Any]:
        """Of a `Posterior`."""
        return {
            "time_unit": self.time_unit,
            "retention_method": DrawMethod(**self.retention_method.model_dump()),
            "spend_method": DrawMethod(**self.spend_method.model_dump()),
            "diagnostics": tuple(Diagnostic(**figure.model_dump()) for figure in self.diagnostics),
            "warnings": self.warnings,
            "seen": Seen(**self.log.model_dump()) if self.log else None,
        }


def from_json(text: Any) -> Any:
    """Raises ValueError, in our words, for what is no JSON, or holds a number of thousands of digits."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        raise ValueError("its settings are not JSON") from None


def read_metadata(attributes: Mapping[Any, Any], methods: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a `Posterior` from a file's attributes, and both `methods`, which older files hold as a sentence.

    Raises KeyError for an attribute that is missing, ValidationError or ValueError for one that is something else.
    """
    told = {name: from_json(attributes[name]) for name in ("diagnostics", "warnings")}
    if "log" in attributes:
        told["log"] = from_json(attributes["log"])
    return Metadata.model_validate({**told, **methods, "time_unit": str(attributes["time_unit"])}).fields()
