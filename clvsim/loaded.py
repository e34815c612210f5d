"""`clvsim.load`: a finished run as labelled tables and trees, for notebooks."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pandas as pd

from clvsim import archive
from clvsim.errors import ConfigError
from clvsim.files import read_csv
from clvsim.models.hdf5 import require_plain
from clvsim.recorded import read_record, require_complete
from clvsim.types import RunResult

if TYPE_CHECKING:
    import xarray as xr

POSTERIOR, DRAWS = "posterior.nc", "draws.nc"
_MOST_VALUES = 1 << 34  # of a ledger: as many bytes as a part of a run may have
_LABELS = {
    archive.NEWCOMER_VALUE: ("by", "channel", "segment", "money", "basis", "layers"),
    archive.TRACE: ("scenario", "customer", "role", "date", "event", "cause"),
    archive.SCHEDULE: ("scenario", "lever", "who", "what", "begins"),
}


@dataclass(frozen=True, eq=False)
class LoadedRun:
    """What a run wrote, read and checked. Tables are pandas frames, trees open when they are first asked for.

    `comparison`, `books`, `newcomer_value`, `trace` and `schedule` have the columns of the files of these names,
    `customers` those of `customers.parquet`; a table that the run did not write is None. `assumptions` has a row for
    each number that the log did not give, `scenarios` one for each scenario, the baseline first.
    """

    folder: Path
    config: Mapping[str, Any]  # as in run.json
    result: RunResult  # all figures and texts of the page
    comparison: pd.DataFrame
    books: pd.DataFrame | None
    customers: pd.DataFrame
    newcomer_value: pd.DataFrame | None
    assumptions: pd.DataFrame
    scenarios: pd.DataFrame
    trace: pd.DataFrame | None
    schedule: pd.DataFrame | None
    parts: frozenset[str] = field(repr=False)

    @cached_property
    def figures(self) -> "xr.Dataset":
        """The numbers of `comparison` by name: `figures["mean"].sel(metric="plan_value", basis="expected")`.

        Dimensions scenario, metric and basis, in the order of the table, with the metric's `unit`; nan where the table
        has no row.
        """
        table = self.comparison
        keys = ["scenario", "metric", "basis"]
        order = {key: list(dict.fromkeys(table[key])) for key in keys}
        found = table.set_index(keys).select_dtypes("number").to_xarray().reindex(order)
        units = table.drop_duplicates("metric").set_index("metric")["unit"]
        return found.assign_coords(unit=("metric", [units[name] for name in order["metric"]]))

    @cached_property
    def ledger(self) -> "xr.DataTree":
        """A group for each scenario, and `inputs`, as `ledger.nc` has them (docs/books.md). Raises ConfigError where
        the file cannot be read, as the next."""
        return self._tree(archive.LEDGER)

    @cached_property
    def posterior(self) -> "xr.DataTree":
        """The draws as `posterior.nc` has them, in groups `retention` and `spend`; and all of them once more in a group
        `posterior` with dimensions chain and draw, which ArviZ takes: `az.summary(run.posterior, kind="stats")`.

        Draws of all chains were shuffled into one, so that diagnostics of chains would say nothing of the sampler; its
        own are in `result.diagnostics`.
        """
        import xarray as xr

        tree = self._tree(POSTERIOR)
        found = {
            ".".join((*node.path.strip("/").split("/"), str(name))): values.expand_dims("chain")
            for node in tree.subtree
            for name, values in node.data_vars.items()
        }
        tree["posterior"] = xr.DataTree(xr.Dataset(found))
        return tree

    @cached_property
    def draws(self) -> "xr.DataTree | None":
        """Figures of each draw, as `draws.nc` has them; None where the run wrote none."""
        return self._tree(DRAWS) if DRAWS in self.parts else None

    def _tree(self, name: str) -> "xr.DataTree":
        import xarray as xr

        path = self.folder / name
        try:
            if name not in self.parts:
                raise ValueError("it is no part of this run")
            require_plain(path, _MOST_VALUES)
            return xr.open_datatree(path, engine="h5netcdf")
        except Exception as error:  # HDF5 reports damage through many types
            raise _unreadable(path, error) from error


def load(run: Path | str) -> LoadedRun:
    """Load a finished run, once its files are found to be those that it wrote.

    Parameters
    ----------
    run
        The folder of a run, as `clvsim run` prints it.

    Returns
    -------
    LoadedRun
        Its tables as frames; ledgers and draws as trees that are opened when they are first asked for.

    Raises
    ------
    ConfigError
        The folder holds no complete run, a file is missing or not what the run wrote, or holds what no run writes.

    Examples
    --------
    A small run of made-up orders, and what it says of scenarios and customers:

    >>> from contextlib import nullcontext
    >>> from pathlib import Path
    >>> import clvsim
    >>> from clvsim.config import validate
    >>> from clvsim.runfolder import RunContext
    >>> from clvsim.stages.run import run
    >>> config = validate(
    ...     {
    ...         "data": {"kind": "synthetic", "customers": 200},
    ...         "retention": {"kind": "bg_nbd"},
    ...         "spend": {"kind": "gamma_gamma"},
    ...         "fit": {"method": "map", "draws": 16, "cache": False},
    ...         "simulation": {"draws": 16, "horizon_months": 12},
    ...         "scenario": {"baseline": {"title": "As today"}},
    ...     }
    ... )
    >>> folder = Path("shop")
    >>> folder.mkdir()
    >>> silent = lambda *words: None
    >>> progress = lambda label, total=None: nullcontext(silent)
    >>> context = RunContext(folder, folder, "clvsim run", say=silent, note=silent, progress=progress)
    >>> run(config, context)
    0
    >>> shop = clvsim.load(folder)
    >>> shop.scenarios[["scenario", "title"]].values.tolist()
    [['baseline', 'As today']]
    >>> len(shop.customers), shop.customers["decile"].value_counts().tolist()
    (200, [20, 20, 20, 20, 20, 20, 20, 20, 20, 20])
    >>> sorted(shop.ledger.children), dict(shop.posterior["spend"].sizes)
    (['baseline', 'inputs'], {'draw': 16})
    >>> shop.config["simulation"]["draws"], shop.draws is None
    (16, False)
    """
    folder = require_complete(Path(run))
    record = read_record(folder)
    config, parts = record["config"], record["parts"].keys()
    result = archive.read_result(folder)
    tables = {name: _table(folder / name, texts) if name in parts else None for name, texts in _LABELS.items()}
    return LoadedRun(
        folder=folder,
        config=MappingProxyType(config),
        result=result,
        comparison=result.comparison,
        books=result.books,
        customers=_customers(folder, parts),
        newcomer_value=tables[archive.NEWCOMER_VALUE],
        assumptions=assumptions_of(result),
        scenarios=scenarios_of(result),
        trace=tables[archive.TRACE],
        schedule=tables[archive.SCHEDULE],
        parts=parts,
    )


def assumptions_of(result: RunResult) -> pd.DataFrame:
    """A row for each number that the log did not give: its scenario, "" where it is the whole run's, and its fields."""
    own = [(scenario.name, one) for scenario in result.scenarios for one in scenario.assumptions]
    rows = [{"scenario": name, **one._asdict()} for name, one in [*own, *(("", one) for one in result.assumptions)]]
    names = ("path", "label", "kind", "text", "source", "mean", "p05", "p95", "unit", "evidence", "drives")
    return pd.DataFrame(rows, columns=["scenario", *names])


def scenarios_of(result: RunResult) -> pd.DataFrame:
    """A row for each scenario: its name as `scenario`, and what the page says of it."""
    rows = [{"scenario": one.name, **asdict(one)} for one in result.scenarios]
    return pd.DataFrame(rows).drop(columns=["name", "assumptions"])


def _customers(folder: Path, parts: frozenset[str]) -> pd.DataFrame:
    path = folder / archive.CUSTOMERS
    try:
        if archive.CUSTOMERS not in parts:
            raise ValueError("it is no part of this run")
        return pd.read_parquet(path)
    except Exception as error:  # Arrow reports damage through many types
        raise _unreadable(path, error) from error


def _table(path: Path, texts: tuple[str, ...]) -> pd.DataFrame:
    try:
        return read_csv(path, texts)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ConfigError:
    ours = type(error) is ValueError
    why = str(error) if ours else "it is damaged, or of another version; clvsim run makes a new one"
    return ConfigError([("run", f"{path} cannot be read: {why}")])
