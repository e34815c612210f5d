"""From what a file or an override holds to the keys of one kind of effect."""

from collections.abc import Callable, Mapping
from typing import Any

from clvsim.effects.base import EffectKind
from clvsim.texts import short_repr


def keys_of_kind(kinds: Mapping[str, type[EffectKind]]) -> Callable[[Any], Any]:
    """A validator: a bare number is `fixed`; keys that belong only to other kinds are dropped.

    Overriding an effect's `kind` merges the new mapping over the old one, so the old kind's keys are left behind. A
    key that no kind has stays, and is refused.
    """
    every_key = frozenset(key for kind in kinds.values() for key in kind.model_fields)

    def own_keys(value: Any) -> Any:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return {"kind": "fixed", "value": value}
        if isinstance(value, EffectKind):
            return value
        if not isinstance(value, Mapping):
            raise ValueError(f"a number or an effect {{kind: {' | '.join(kinds)}, ...}} is needed")
        named = value.get("kind")
        if not isinstance(named, str) or named not in kinds:
            raise ValueError(f"kind must be one of {', '.join(kinds)}, got {short_repr(named)}")
        own = kinds[named].own_keys(value)
        return {key: v for key, v in value.items() if key in own or key not in every_key}

    return own_keys
