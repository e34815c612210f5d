"""`clvsim schema`: what a configuration and a `summary.json` hold, as JSON schemas (draft 2020-12) for other tools.

A schema says which keys there are and what their values may be, one by one. Rules that hold between keys are not in it:
`clvsim check` has the last word on a configuration.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ConfigDict, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from clvsim import __version__
from clvsim.disk import write_whole
from clvsim.errors import ConfigError
from clvsim.files import unknown_name
from clvsim.provenance import SCHEMA_VERSION
from clvsim.runfolder import writing
from clvsim.types import RunResult

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TABLES = ("comparison", "books", "knobs")  # fields of a result that are files of their own


class _Summary(GenerateJsonSchema):
    """Values as `archive.json_ready` writes them: what is not finite as null, records as objects, arrays as lists."""

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        return {"type": ["number", "null"]}

    # Records are a call of their class before Pydantic 2.14, and a named tuple from then on.
    def arguments_schema(self, schema: core_schema.ArgumentsSchema) -> JsonSchemaValue:
        return self.kw_arguments_schema(schema["arguments_schema"], None)

    def named_tuple_schema(self, schema: Any) -> JsonSchemaValue:
        fields = {field["name"]: self.generate_inner(field["schema"]) for field in schema["fields"]}
        return {"type": "object", "properties": fields, "required": list(fields)}

    def is_instance_schema(self, schema: core_schema.IsInstanceSchema) -> JsonSchemaValue:
        if schema["cls"] is np.ndarray:
            return {"type": "array", "items": {"type": ["number", "string", "null"]}}
        if schema["cls"] is np.datetime64:
            return {"type": "string", "format": "date"}
        return {}  # a table


def config_schema() -> dict[str, Any]:
    """Of a configuration as `run.json` records it, and as `clvsim run --cfg job` prints it."""
    from clvsim.config import RunConfig

    return _named("config", _with_bounds(RunConfig.model_json_schema()))


_BOUNDS = {"gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum"}


def _with_bounds(schema: Any) -> Any:
    """The schema with bounds as JSON schemas call them: Pydantic leaves its own names where a validator of ours stands
    before them. Days have none there."""
    if isinstance(schema, list):
        return [_with_bounds(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    found = {}
    for key, value in schema.items():
        is_bound = key in _BOUNDS and not isinstance(value, Mapping)  # and no section's key of that name
        if not is_bound:
            found[key] = _with_bounds(value)
        elif not isinstance(value, str):
            found[_BOUNDS[key]] = value
    return found


def summary_schema() -> dict[str, Any]:
    """Of `summary.json`."""
    import pandas as pd

    from clvsim.knobs import Knobs
    from clvsim.sheet import Sheet
    from clvsim.valuation import Valuation

    # In a tuple, since a dataclass takes no settings from outside.
    adapter = TypeAdapter(tuple[RunResult], config=ConfigDict(arbitrary_types_allowed=True, defer_build=True))
    adapter.rebuild(_types_namespace={"pd": pd, "Knobs": Knobs, "Sheet": Sheet, "Valuation": Valuation})
    parts = adapter.json_schema(mode="serialization", schema_generator=_Summary)["$defs"]
    parts = {name: part | {"required": list(part["properties"])} for name, part in parts.items()}  # with a default, too
    found = parts.pop(RunResult.__name__)
    fields = {name: field for name, field in found["properties"].items() if name not in _TABLES}
    fields = {"schema_version": {"const": SCHEMA_VERSION}, **fields}
    return _named("summary", found | {"properties": fields, "required": list(fields), "$defs": parts})


def _named(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    head = {"$schema": _DIALECT, "$id": f"urn:clvsim:{__version__}:{name}", "schema_version": SCHEMA_VERSION}
    return {**head, **schema, "title": f"{name} of clvsim {__version__}"}


SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {"config": config_schema, "summary": summary_schema}


def write_schemas(flags: Sequence[str], names: Sequence[str], overrides: Sequence[str]) -> str:
    """The schema that a command line names, or all of them by name, as JSON: to be printed, or "" once it is written
    to the file `out`. Raises ConfigError for words that are no schema, and for a file that is there or cannot be."""
    problems = [(word, "schema takes no flags") for word in flags]
    problems += [(word, unknown_name("schema", word, SCHEMAS)) for word in names if word not in SCHEMAS]
    problems += [(word, "schema takes no key but out=FILE") for word in overrides if not word.startswith("out=")]
    if len(names) > 1 or len(overrides) > 1:
        problems.append(("schema", f"one at a time, got {' '.join([*names, *overrides])}"))
    out = Path(overrides[0].partition("=")[2]) if overrides and not problems else None
    if out is not None and (os.path.lexists(out) or not out.name):
        problems.append(("out", f"{out} is there already; name a new file"))
    if problems:
        raise ConfigError(problems)
    content = SCHEMAS[names[0]]() if names else {name: schema() for name, schema in SCHEMAS.items()}
    text = json.dumps(content, indent=1, ensure_ascii=False)
    if out is None:
        return text
    with writing(out):
        write_whole(out, f"{text}\n".encode())
    return ""
