"""Posteriors as files: the cache keyed by content, and the `posterior.nc` of a run folder.

Reading one imports neither PyMC nor ArviZ. A cache is never required: what cannot be read is fitted again, what cannot
be written is not kept, and either is said.
"""

import contextlib
import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
from pydantic import ValidationError

from clvsim import private
from clvsim.disk import aside_of, sweep_asides, sync, write_tree, write_whole
from clvsim.errors import ConfigError
from clvsim.models.around import several
from clvsim.models.asked import Asked
from clvsim.models.fitted import FittedModels, implausible, restored
from clvsim.models.hdf5 import real_draws, require_plain
from clvsim.models.metadata import from_json, read_metadata
from clvsim.schema import broken_rule
from clvsim.texts import short_repr
from clvsim.types import DAYS_PER_UNIT, Posterior

_FORMAT = 3
_IN_ONE_SENTENCE = 2  # the format in which `method` held both models' methods as text
_SEAL = 32  # bytes of a digest
_LONGEST = 300  # characters of a reason
_MOST_VALUES = 3 * 10**7  # in a group: a million draws of thirty parameters
_READ = "read from a file"
_PLAIN = " []()-+&,:;=#!?"  # in names of parameters, which hold names of groups: a slash would make a folder
_KERNELS = (
    "arriving",
    "compiler",
    "dropout",
    "hypergeometric",
    "opportunities",
    "quadrature",
    "rng",
    "regular",
    "seasons",
    "silence",
)
_SAMPLERS = ("pymc", "nutpie", "arviz-stats", "clvsim")


def cache_folder(cache_dir: Path | str | None = None) -> Path | None:
    """`cache_dir`, else the user's (`clvsim.private`); None where that cannot be used."""
    return private.cache_folder("posteriors") if cache_dir is None else Path(cache_dir)


def model_sources() -> list[bytes]:
    """Source text of all models and of the compiled functions they call, whether imported yet or not."""
    package = files("clvsim")
    kernels = [package / "kernels" / f"{name}.py" for name in _KERNELS]
    return [entry.read_bytes() for entry in [*_modules(package / "models"), *kernels]]


def _modules(folder: Traversable) -> list[Traversable]:
    """Python files of a folder and of the folders in it, ordered by path."""
    modules: list[Traversable] = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            modules += _modules(entry)
        elif entry.name.endswith(".py"):
            modules.append(entry)
    return modules


def content_key(rows: Iterable[Any], models: Iterable[Any], settings: Any) -> str:
    """sha256 over everything a posterior follows from, as 64 hex digits: the code as well, by `model_sources`.

    `rows`: sufficient statistics (named tuples), or arrays by name. `models`: configured models (their priors).
    `settings`: JSON of the ways draws are made, their number, seed and units.
    """
    digest = hashlib.sha256()

    def add(*parts: bytes) -> None:
        for part in parts:  # length first, so that no two sequences read the same
            digest.update(len(part).to_bytes(8, "little") + part)

    add(str(_FORMAT).encode(), *(f"{name} {version(name)}".encode() for name in _SAMPLERS))

    def add_record(record: Any) -> None:
        for name, value in (record if isinstance(record, Mapping) else record._asdict()).items():
            if hasattr(value, "_fields"):
                add_record(value)
            else:
                add(name.encode(), np.ascontiguousarray(value, np.float64).tobytes())

    for record in rows:
        add_record(record)
    add(*(model.model_dump_json().encode() for model in models))
    add(*model_sources())
    add(json.dumps(settings, sort_keys=True).encode())
    return digest.hexdigest()


def write_posterior(fitted: FittedModels, path: Path | str) -> None:
    """Writes a DataTree with groups `retention` and `spend`, dimension `draw`; all else are attributes.

    The models' settings, how each was drawn, diagnostics and warnings are JSON.
    """
    import xarray as xr

    def group(params: Any) -> xr.Dataset:
        return xr.Dataset({quote(name, safe=_PLAIN): ("draw", np.asarray(v)) for name, v in params.items()})

    posterior = fitted.posterior
    attributes = {
        "format": _FORMAT,
        "retention_model": fitted.retention.kind,
        "spend_model": fitted.spend.kind,
        "time_unit": posterior.time_unit,
        "retention_method": json.dumps(posterior.retention_method._asdict()),
        "spend_method": json.dumps(posterior.spend_method._asdict()),
        "retention_config": json.dumps(fitted.retention.model_dump(mode="json")),
        "spend_config": json.dumps(fitted.spend.model_dump(mode="json")),
        "diagnostics": json.dumps([d._asdict() for d in posterior.diagnostics]),
        "warnings": json.dumps(list(posterior.warnings)),
    }
    if posterior.seen:
        attributes["log"] = json.dumps(posterior.seen._asdict(), default=str)
    by_model: dict[str, dict[str, Any]] = {}  # of several models, a group each below `retention`
    for name, values in posterior.retention.items():
        shared = fitted.retention.kind != several.KIND or name == several.MODEL
        kind, _, own = ("", "", name) if shared else name.partition(".")
        by_model.setdefault(kind, {})[own] = values
    tree = xr.DataTree.from_dict(
        {
            "/": xr.Dataset(attrs=attributes),
            **{f"retention/{kind}".removesuffix("/"): group(params) for kind, params in by_model.items()},
            "spend": group(posterior.spend),
        }
    )
    write_tree(tree, Path(path))


def read_posterior(path: Path | str) -> FittedModels:
    """The models and draws that `write_posterior` wrote, in this format or the one before it.

    Raises ConfigError naming the file when it is anything else.
    """
    import h5py  # what xarray writes by; xarray itself takes ten times as long to open a file

    try:
        require_plain(path)
        with h5py.File(path, "r") as tree:
            attributes = dict(tree.attrs)
            (found, *more) = np.ravel(attributes["format"]).tolist()
            if more or found not in (_FORMAT, _IN_ONE_SENTENCE):
                raise ValueError(f"format {short_repr([found, *more] if more else found)}, not {_FORMAT}")
            groups = [_draws(tree[group]) for group in ("retention", "spend")]
            if len({v.shape for g in groups for v in g.values()}) != 1 or not all(groups):
                raise ValueError("parameters are missing or of unequal length")
            told = read_metadata(attributes, _methods(attributes))
            retention, spend = restored(
                str(attributes["retention_model"]),
                from_json(attributes["retention_config"]),
                str(attributes["spend_model"]),
                from_json(attributes["spend_config"]),
            )
            if wrong := implausible(retention, spend, *groups, DAYS_PER_UNIT[told["time_unit"]]):
                raise ValueError("; ".join(wrong))
            return FittedModels(retention, spend, Posterior(retention=groups[0], spend=groups[1], **told))
    except Exception as error:  # HDF5 reports damage through many types
        raise ConfigError([(str(path), f"cannot be read as a posterior ({reason(error)})")]) from error


def reason(error: Exception) -> str:
    """What an exception says, in one line of bounded length; in our own words where it is ours."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        what = "what it says of its draws is wrong" if error.title == "Metadata" else "its settings are not a model's"
        text = f"{what}: {'.'.join(map(str, first['loc']))}: {broken_rule(first)}"
    elif isinstance(error, KeyError):
        text = f"it has no {error.args[0] if error.args else 'such entry'}"
    elif type(error) is ValueError:
        text = str(error)
    elif isinstance(error, json.JSONDecodeError):
        text = "its settings are not JSON"
    elif isinstance(error, OSError):
        known = isinstance(error.errno, int)  # of libraries it may be a text
        text = os.strerror(error.errno).lower() if known else "it is no HDF5 file, or is damaged"
    else:
        text = "what it holds is not what a file of draws holds there"
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def _draws(group: Any) -> dict[str, np.ndarray]:
    """Parameters of a group by name; those of the groups below it, a model each, by KIND.name."""
    import h5py

    own: dict[str, np.ndarray] = {}
    for name, part in group.items():
        if isinstance(part, h5py.Group):
            own |= several.named(name, _draws(part))
        elif part.attrs.get("CLASS") != b"DIMENSION_SCALE":
            if (parameter := unquote(name)) in own:
                raise ValueError(f"holds {parameter} twice")
            if not parameter.isprintable():
                raise ValueError(f"{parameter!r} is no parameter's name")
            own[parameter] = real_draws(parameter, part)
            if (values := sum(draws.size for draws in own.values())) > _MOST_VALUES:
                raise ValueError(f"holds more than {_MOST_VALUES:,} values ({values:,} so far), which draws are not")
    return own


def _methods(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    """How the retention and the spend model of a file were drawn, by the names of those attributes."""
    names = {"retention_method": "retention_model", "spend_method": "spend_model"}
    if attributes["format"] == _FORMAT:
        return {name: from_json(attributes[name]) for name in names}
    text = str(attributes["method"])  # "laplace", or "map, read from a file (bg_nbd), nuts (gamma_gamma)"
    by_model = {kind: words for words, kind in re.findall(r"(.+?) \((\w+)\)(?:, |$)", text)}

    def method(kind: str) -> dict[str, Any]:
        words = by_model.get(kind, text)
        return {"name": words.removesuffix(_READ).removesuffix(", "), "from_file": words.endswith(_READ)}

    return {name: method(str(attributes[model])) for name, model in names.items()}


def load(folder: Path, key: str, asked: Asked, log: Callable[[str], None]) -> FittedModels | None:
    """What is cached under the key, or None; says so when there is one that cannot be read, or is not what is asked."""
    path = folder / f"{key}.nc"
    if not os.path.isfile(path):
        return None
    try:
        require_sealed(path, key)
        found = read_posterior(path)
    except ConfigError as error:
        log(f"cached posterior is unreadable and will be fitted again: {error}")
        return None
    if different := asked.differences(found):
        log(f"cached posterior has another {', '.join(different)} than is asked for and will be fitted again: {path}")
        return None
    return found


def seal(path: Path, key: str) -> None:
    """Append the digest of a file and of the key that it is kept under, which HDF5 does not look at: one bit that
    turned over, or another name, would be another result, or send HDF5 round in circles."""
    digest = _digest(path.read_bytes(), key)
    with path.open("ab") as file:
        file.write(digest)


def require_sealed(path: Path, key: str) -> None:
    """Raises ConfigError for a file that is not as it was sealed."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError([(str(path), f"cannot be read ({error.strerror})")]) from None
    if _digest(content[:-_SEAL], key) != content[-_SEAL:]:
        raise ConfigError([(str(path), "is not as it was written")])


def _digest(content: bytes, key: str) -> bytes:
    return hashlib.sha256(content + key.encode()).digest()


def store(fitted: FittedModels, folder: Path, key: str, log: Callable[[str], None]) -> None:
    """Writes aside and replaces, so that other processes see the whole file or none; says so when it cannot."""
    path = folder / f"{key}.nc"
    aside = aside_of(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        sweep_asides(folder)
        write_posterior(fitted, aside)
        seal(aside, key)
        sync(aside)
        os.replace(aside, path)
    except OSError as error:
        log(f"posterior is not cached: {folder} cannot be written ({error.strerror or error})")
    finally:
        with contextlib.suppress(OSError):
            aside.unlink()


def kept_scores(folder: Path | None, key: str, customers: int, compute: Callable[[], np.ndarray]) -> np.ndarray:
    """Scores of customers, (customer,), that are cached under a key of `content_key`; computed and kept where none are.

    A file that is anything but one finite float per customer counts as none, and one that cannot be written is not
    kept: computing takes seconds. `folder` None: nothing is cached.
    """
    if folder is None:
        return compute()
    path = folder / f"{key}.npy"
    with contextlib.suppress(OSError, ValueError, EOFError):
        scores = np.load(path, allow_pickle=False)
        if scores.dtype == np.float64 and scores.shape == (customers,) and np.isfinite(scores).all():
            return scores
    scores = compute()
    content = io.BytesIO()
    np.save(content, scores, allow_pickle=False)
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, content.getvalue())
    return scores
