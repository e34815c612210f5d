"""Past forecasts against what came: monthly intervals that held, positions among simulated worlds, errors.

A forecast is the baseline of a finished run by month since its today: every world, luck and shocks included. Money is
revenue, undiscounted. Not modelled: what was done after today that the baseline does not have.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from pydantic import ConfigDict, TypeAdapter, ValidationError

from clvsim.archive import CUSTOMERS, LEDGER
from clvsim.data.later import Later
from clvsim.errors import ConfigError
from clvsim.files import file_name
from clvsim.models.hdf5 import require_bearable, require_plain
from clvsim.plausible import LARGEST, Unlike, frozen
from clvsim.recorded import read_record, require_complete
from clvsim.scenario import BASELINE
from clvsim.track_record import (
    FIGURES,
    NEWCOMER_REVENUE,
    NEWCOMERS,
    ORDERS,
    REVENUE,
    FigureRecord,
    PastForecast,
    TrackRecord,
    track_record_of,
)

if TYPE_CHECKING:
    import xarray as xr

SCORES, RECORD = "score.csv", "score.json"
_LEDGER_DIMS = ("world", "group", "line", "basis", "month")
_MOST_BYTES = 1 << 22  # of score.json, a few hundred bytes a forecast


class Forecast(NamedTuple):
    """What a run said would come: worlds by month, (world, month), of each figure that it has; ids of its customers."""

    name: str  # of its folder, as typed
    today: date
    months: int  # of the horizon
    currency: str
    ids: np.ndarray
    worlds: Mapping[str, np.ndarray]


class Month(NamedTuple):
    """One figure of one month that has come due, since 1: what came, what was expected with its 90 % interval.

    `position`: share of the worlds below what came, equal ones counting half. `crps`: error of the forecast, `rule`:
    what the simple rule expected, whose error is `rule_crps`; both in units of the figure.
    """

    figure: str
    month: int
    actual: float
    mean: float
    p05: float
    p95: float
    inside: bool
    position: float
    crps: float
    rule: float
    rule_crps: float


class Scored(NamedTuple):
    """A forecast whose first `due` months have come, month by month and over all of them."""

    forecast: Forecast
    later: Later
    due: int
    months: tuple[Month, ...]
    sums: tuple[Month, ...]  # month 0


# --- forecasts --------------------------------------------------------------------------------------------------------


def read_forecast(folder: Path, key: str = "runs") -> Forecast:
    """The baseline of a finished run by month. Raises ConfigError where the folder holds no run, is not as it was
    written, or holds what no run writes."""
    record = read_record(require_complete(folder, key), key)
    config, parts = record["config"], record["parts"]
    if absent := [name for name in (LEDGER, CUSTOMERS) if name not in parts]:
        what = f"{folder} has no {absent[0]}, which holds its forecast by month; clvsim run makes a new one"
        raise ConfigError([(key, what)])
    try:
        today = date.fromisoformat(record["data"]["today"])
        horizon = config["simulation"]["horizon_months"]
        arrivals = config["acquisition"]["months"]
        currency = config["finance"]["currency"]
        if not (type(horizon) is type(arrivals) is int and isinstance(currency, str)):
            raise Unlike("run.json has no whole months and no currency where a run has them")
        ids = pd.read_parquet(folder / CUSTOMERS, columns=["customer_id"])["customer_id"].to_numpy(str)
        worlds = _worlds(folder / LEDGER, horizon, arrivals)
    except Exception as error:  # Parquet and HDF5 report damage through many types
        reason = str(error) if isinstance(error, Unlike) else "its files are damaged, or of another version"
        raise ConfigError([(key, f"{folder} cannot be read as a finished run: {reason}")]) from None
    return Forecast(str(folder), today, horizon, currency, ids, worlds)


def _worlds(path: Path, horizon: int, arrivals: int) -> dict[str, np.ndarray]:
    import xarray as xr

    require_bearable(path)
    require_plain(path)
    with xr.open_dataset(path, group=BASELINE, engine="h5netcdf") as found:
        return worlds_of(found, horizon, arrivals)


def worlds_of(ledger: "xr.Dataset", horizon: int, arrivals: int) -> dict[str, np.ndarray]:
    """Figures of a scenario by month, (world, month): of newcomers as long as they come, none where nobody does.

    Raises Unlike for what no run writes.
    """
    calendar = ledger["calendar"]
    if calendar.dims != _LEDGER_DIMS or ledger.attrs["horizon_months"] != horizon or calendar.shape[-1] < horizon:
        raise Unlike(f"{LEDGER} has no figures by {', '.join(_LEDGER_DIMS)} over the horizon of the run")
    plain = calendar.sel(basis="plain").isel(month=slice(0, horizon))
    worlds = _figures(plain, ("existing",), {ORDERS: "orders", REVENUE: None})
    newcomers = _figures(plain, ("new", "referred"), {NEWCOMERS: "customers_acquired", NEWCOMER_REVENUE: None})
    if newcomers and newcomers[NEWCOMERS].any():
        worlds |= {name: values[:, :arrivals] for name, values in newcomers.items()}
    for values in worlds.values():
        if not (np.isfinite(values).all() and (np.abs(values) <= LARGEST).all() and values.size):
            raise Unlike(f"{LEDGER} has numbers that are not finite, or none")
    if not worlds:
        raise Unlike(f"{LEDGER} has no customers")
    return worlds


def _figures(
    plain: "xr.DataArray", origins: tuple[str, ...], accounts: Mapping[str, str | None]
) -> dict[str, np.ndarray]:
    """Sums over the groups of some origins, (world, month), of an account; None: revenue less refunds. Empty without
    such groups."""
    groups = np.array([label.partition(" / ")[0] in origins for label in map(str, plain["group"].values.tolist())])
    if not groups.any():
        return {}
    account = [str(label).partition("/")[0] for label in plain["line"].values.tolist()]
    own = plain.to_numpy()[:, groups].sum(axis=1, dtype=np.float64)  # (world, line, month)

    def total(wanted: str | None) -> np.ndarray:
        sign = np.array([_sign(name) if wanted is None else float(name == wanted) for name in account])
        return np.einsum("l,wlm->wm", sign, own)

    return {name: total(wanted) for name, wanted in accounts.items()}


def _sign(account: str) -> float:
    return 1.0 if account.startswith("revenue") else -1.0 if account == "refunds" else 0.0


# --- scores -----------------------------------------------------------------------------------------------------------


def score(forecast: Forecast, later: Later, due: int) -> Scored:
    """Score the first `due` months of a forecast against what came in them."""
    months, sums = [], []
    for place, figure in enumerate(FIGURES):
        if figure not in forecast.worlds:
            continue
        worlds = forecast.worlds[figure][:, :due]
        actual = np.asarray(getattr(later, figure), float)[: worlds.shape[1]]
        rule = later.before[place]
        own = [_month(figure, m + 1, worlds[:, m], actual[m], rule) for m in range(worlds.shape[1])]
        months += own
        sums.append(_month(figure, 0, worlds.sum(axis=1), float(actual.sum()), rule * len(own)))
    return Scored(forecast, later, due, tuple(months), tuple(sums))


def _month(figure: str, month: int, worlds: np.ndarray, actual: float, rule: float) -> Month:
    from clvsim.validation.scores import crps_of_draws

    low, high = (float(end) for end in np.quantile(worlds, [0.05, 0.95]))
    return Month(
        figure=figure,
        month=month,
        actual=actual,
        mean=float(worlds.mean()),
        p05=low,
        p95=high,
        inside=low <= actual <= high,
        position=float((worlds < actual).mean() + 0.5 * (worlds == actual).mean()),
        crps=float(crps_of_draws(worlds[:, None], np.array([actual]))[0]),
        rule=rule,
        rule_crps=abs(rule - actual),
    )


def track_record(scored: Sequence[Scored], until: date, currency: str) -> TrackRecord:
    """What a later page shows of scores, the oldest forecast first."""
    ordered = sorted(scored, key=lambda one: one.forecast.today)
    return TrackRecord(str(until), currency, tuple(map(_past_forecast, ordered)))


def _past_forecast(one: Scored) -> PastForecast:
    figures = []
    for total in one.sums:
        months = [month for month in one.months if month.figure == total.figure]
        figures.append(
            FigureRecord(
                figure=total.figure,
                months=len(months),
                held=sum(month.inside for month in months),
                actual=total.actual,
                mean=total.mean,
                p05=total.p05,
                p95=total.p95,
                crps=float(np.mean([month.crps for month in months])),
                rule_crps=float(np.mean([month.rule_crps for month in months])),
            )
        )
    forecast = one.forecast
    return PastForecast(str(forecast.today), forecast.ids.size, one.later.missing, tuple(figures))


def table(scored: Sequence[Scored]) -> pd.DataFrame:
    """The rows of score.csv: a forecast's figures by month; month 0 is the sum of all that have come due."""
    rows = [
        {"run": file_name(one.forecast.name), "today": str(one.forecast.today), **month._asdict()}
        for one in scored
        for month in (*one.months, *one.sums)
    ]
    return pd.DataFrame(rows)


# --- score.json -------------------------------------------------------------------------------------------------------


def read_track_record(folder: Path, key: str = "report.track_record") -> TrackRecord:
    """What `clvsim score` wrote into a folder. Raises ConfigError where it is not there or not as it was written."""
    read_record(require_complete(folder, key), key, (RECORD,))
    path = folder / RECORD
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise Unlike(f"{RECORD} has more than {_MOST_BYTES >> 20} MB")
        found = track_record_of(frozen(json.loads(path.read_text(encoding="utf-8")))["record"])
        settings = ConfigDict(strict=True, revalidate_instances="always")
        return TypeAdapter(tuple[TrackRecord], config=settings).validate_python((found,))[0]
    except ValidationError:
        raise ConfigError([(key, f"{folder} cannot be read as a score: {RECORD} has values of other kinds")]) from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        reason = str(error) if isinstance(error, Unlike) else f"{RECORD} is damaged, or of another version"
        raise ConfigError([(key, f"{folder} cannot be read as a score: {reason}")]) from None
