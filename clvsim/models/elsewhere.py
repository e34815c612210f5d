"""Posteriors that were drawn elsewhere: files of PyMC-Marketing, and our own `posterior.nc`.

PyMC-Marketing's `model.save` writes an InferenceData file: group `posterior` with dimensions chain and draw, its model
in the root attribute `model_type`. Its parameters are the papers', but for Gamma-Gamma's gamma, which it calls v.
"""

import os
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from clvsim.errors import ConfigError
from clvsim.models import RETENTION, SPEND, cache
from clvsim.models.diagnostics import diagnose
from clvsim.models.domain import problems
from clvsim.models.fitted import FittedModels
from clvsim.models.hdf5 import MAX_DRAWS, require_bearable, require_plain
from clvsim.models.protocol import RetentionModel, SpendModel
from clvsim.types import CustomerSummary, Diagnostic, DrawMethod, Posterior, Seen

if TYPE_CHECKING:
    import xarray as xr

# What a file holds, by its variables; of two models with the same ones, `model_type` or the configuration decides.
BY_VARIABLES = {
    ("r", "alpha", "a", "b"): ("bg_nbd", "mbg_nbd"),
    ("r", "alpha", "s", "beta"): ("pareto_nbd",),
    ("p", "q", "v"): ("gamma_gamma",),
}
MODEL_TYPES = {"BG/NBD": "bg_nbd", "MBG/NBD": "mbg_nbd", "Pareto/NBD": "pareto_nbd"}
RENAMED = {"v": "gamma"}
HELPERS = ("phi_", "kappa_")  # PyMC-Marketing's variables behind a and b
PER_CUSTOMER = ("nu",)  # of its Gamma-Gamma of single orders: what customers' own orders tell again
MIN_DRAWS = 2
_ALIKE = 0.01  # share of customers or orders that later refunds may take off the same log


class Part(NamedTuple):
    """One model's draws as a file has them: (draw,), chain after chain. `diagnostics` is of the whole."""

    model: Any  # of RETENTION or SPEND, configured as the file says; by default where it does not
    params: dict[str, np.ndarray]
    diagnostics: tuple[Diagnostic, ...]
    time_unit: str | None  # None: the file does not say, and the user must
    method: DrawMethod
    seen: Seen | None = None

    @property
    def kind(self) -> str:
        return self.model.kind

    @property
    def draws(self) -> int:
        return next(iter(self.params.values())).size


def read_parts(path: Path | str, retention: str) -> dict[str, Part]:
    """What a file holds: a part called `retention`, one called `spend`, or both.

    `retention` is the model that the configuration asks for. Raises ConfigError, naming the file, for one that is no
    posterior, another model's, or has draws that no parameter can have.
    """
    path = Path(path).expanduser()
    if not os.path.isfile(path):  # which a name that no file can have is not, either
        raise ConfigError([("fit.posterior", f"no such file: {path}")])
    try:
        require_bearable(path)
        require_plain(path)
        parts = _own(path) if _is_own(path) else _foreign(path, retention)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError([("fit.posterior", f"{path}: {cache.reason(error)}")]) from None
    except Exception as error:  # HDF5 reports damage through many types
        what = f"{path} cannot be read as a posterior ({cache.reason(error)})"
        raise ConfigError([("fit.posterior", what)]) from None
    part = parts.get("retention")
    if part and part.kind != retention:
        what = f"{path} holds a posterior of {part.kind}, and the run asks for {retention}; type retention={part.kind}"
        raise ConfigError([("fit.posterior", what)])
    return parts


def merged(paths: Sequence[Path | str], retention: str) -> dict[str, Part]:
    """The parts of several files. Raises ConfigError as `read_parts` does, and where two hold the same part."""
    parts: dict[str, Part] = {}
    for path in paths:
        for name, part in read_parts(path, retention).items():
            if name in parts:
                raise ConfigError([("fit.posterior", f"{path} holds a {name} posterior, and so does a file before it")])
            parts[name] = part
    return parts


def read_posterior(
    *paths: Path | str, retention: str = "bg_nbd", time_unit: str | None = None, seed: int = 1
) -> FittedModels:
    """Read the models and their draws from our own file, or from PyMC-Marketing's of a retention model and Gamma-Gamma.

    Parameters
    ----------
    *paths
        One file of ours, or one per model.
    retention
        The model to use the draws with: BG/NBD and MBG/NBD have the same parameters.
    time_unit
        `day`, `week` or `month`: the unit of recency and T that the model was fitted in. Our files say it.
    seed
        Of the permutation that mixes the chains.

    Returns
    -------
    FittedModels
        As many draws of each parameter, (draw,), as the shorter file holds. First orders are like repeat orders unless
        the file is ours. The diagnostics are computed, and not enforced.

    Raises
    ------
    ConfigError
        A file that is no posterior, a part that is missing, a time unit that neither the file nor the caller states.

    Examples
    --------
    >>> import numpy as np
    >>> import clvsim
    >>> from clvsim.models import RETENTION, SPEND
    >>> from clvsim.models.cache import write_posterior
    >>> from clvsim.models.fitted import FittedModels
    >>> from clvsim.types import Posterior
    >>> rng = np.random.default_rng(1)
    >>> life, spend = (
    ...     {name: mean * np.exp(rng.normal(0, 0.02, 100)) for name, mean in means.items()}
    ...     for means in (
    ...         {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426},
    ...         {"p": 6.25, "q": 3.74, "gamma": 15.44, "first_order_factor": 1.0},
    ...     )
    ... )
    >>> models = RETENTION["bg_nbd"](), SPEND["gamma_gamma"]()
    >>> write_posterior(FittedModels(*models, Posterior(life, spend, time_unit="week")), "posterior.nc")
    >>> fitted = clvsim.read_posterior("posterior.nc")
    >>> fitted.retention.kind, fitted.spend.kind, fitted.draws, fitted.posterior.time_unit
    ('bg_nbd', 'gamma_gamma', 100, 'week')
    """
    parts = merged(paths, retention)
    missing = [name for name in ("retention", "spend") if name not in parts]
    if missing:
        raise ConfigError(
            [("fit.posterior", f"no {' and no '.join(missing)} posterior in {', '.join(map(str, paths))}")]
        )
    life, money = parts["retention"], parts["spend"]
    draws = min(life.draws, money.draws)
    spend = permuted(money.params, draws, seed)
    spend.setdefault("first_order_factor", np.ones(draws))
    posterior = Posterior(
        retention=permuted(life.params, draws, seed),
        spend=spend,
        time_unit=unit_of(life, time_unit),
        diagnostics=life.diagnostics + money.diagnostics,
        retention_method=life.method,
        spend_method=money.method,
        seen=life.seen,
    )
    return FittedModels(life.model, money.model, posterior)


def seen_of(summary: CustomerSummary, day: date | None = None) -> Seen:
    """What a model is fitted to; or would have been on an earlier day, as far as the summary dates orders."""
    frame, day = summary.customers, day or summary.today
    ago, daily = (summary.today - day).days, summary.dated.repeat_orders_by_day
    customers = int((frame["T_days"].to_numpy() >= ago).sum())
    orders = int(frame["frequency"].sum()) if daily is None else int(daily[:, : daily.shape[1] - ago].sum())
    return Seen(customers, orders, summary.first_date, day)


def of_another_log(fitted: FittedModels, summary: CustomerSummary) -> tuple[str, ...]:
    """A sentence where draws were read that were fitted to other data than the summary has up to the same day."""
    seen = fitted.posterior.seen
    if seen is None:
        return ()
    known = seen_of(summary, min(max(seen.today, summary.first_date), summary.today))
    same = all(abs(told - here) <= _ALIKE * here for told, here in zip(seen[:2], known[:2], strict=True))
    if same and seen[2:] == known[2:]:
        return ()
    return (
        f"The posterior was fitted to {seen}, and this log has {known}: its parameters are those of other data. "
        "Fit them anew without fit.posterior, unless that is meant",
    )


def unit_of(part: Part, stated: str | None) -> str:
    """The unit of a retention part's parameters. Raises ConfigError where neither the file nor the user says it."""
    unit = part.time_unit or stated
    if unit is None:
        what = "is needed: the unit of recency and T in which the model was fitted; day, week or month"
        raise ConfigError([("fit.posterior_time_unit", what)])
    return unit


def permuted(params: dict[str, np.ndarray], draws: int, seed: int) -> dict[str, np.ndarray]:
    """The first `draws` of one fixed permutation: chains one after the other would put one chain first."""
    total = next(iter(params.values())).size
    order = np.random.default_rng([seed, 0]).permutation(total)[:draws]
    return {name: values[order] for name, values in params.items()}


def _is_own(path: Path | str) -> bool:
    import xarray as xr

    with xr.open_dataset(path, engine="h5netcdf") as root:
        return {"format", "retention_model"} <= set(root.attrs)


def _own(path: Path | str) -> dict[str, Part]:
    fitted = cache.read_posterior(path)
    posterior = fitted.posterior

    def part(
        model: RetentionModel | SpendModel, params: Mapping[str, np.ndarray], unit: str | None, method: DrawMethod
    ) -> Part:
        """Drafts stay drafts, however often they are written and read."""
        own_diagnostics = tuple(d for d in posterior.diagnostics if d.model == model.kind)
        return Part(model, dict(params), own_diagnostics, unit, method._replace(from_file=True), posterior.seen)

    return {
        "retention": part(fitted.retention, posterior.retention, posterior.time_unit, posterior.retention_method),
        "spend": part(fitted.spend, posterior.spend, None, posterior.spend_method),
    }


def _foreign(path: Path | str, retention: str) -> dict[str, Part]:
    """An InferenceData file's part. Raises ValueError in our words for whatever is wrong with it."""
    import xarray as xr

    with xr.open_dataset(path, engine="h5netcdf") as root:
        stated = MODEL_TYPES.get(str(root.attrs.get("model_type", "")))
    with xr.open_dataset(path, group="posterior", engine="h5netcdf") as group:
        posterior = group.load()
    everything = (str(name) for name in posterior.data_vars)
    names = tuple(name for name in everything if not name.startswith(HELPERS) and name not in PER_CUSTOMER)
    known = next((v for v in BY_VARIABLES if set(v) == set(names)), None)
    if known is None:
        choices = "; ".join(", ".join(v) for v in BY_VARIABLES)
        raise ValueError(
            f"holds {', '.join(names) or 'no variables'}; what can be read is {choices}, without covariates"
        )
    kinds = BY_VARIABLES[known]
    kind = stated if stated in kinds else retention if retention in kinds else kinds[0]
    chains, drawn = _draws(posterior, known)
    params = {RENAMED.get(name, name): values for name, values in drawn.items()}
    part = "spend" if kind in SPEND else "retention"
    model = (RETENTION | SPEND)[kind]()
    if wrong := problems({name: model.DOMAINS[name] for name in params}, params):
        raise ValueError("; ".join(wrong))
    diagnostics = diagnose(kind, params, _divergences(path), chains)
    return {part: Part(model, params, diagnostics, None, DrawMethod(from_file=True))}


def _draws(posterior: "xr.Dataset", names: Sequence[str]) -> tuple[int, dict[str, np.ndarray]]:
    """Number of chains, two halves where there is one, and parameters chain after chain, (draw,)."""
    params = {}
    for name in names:
        values = posterior[name]
        if set(values.dims) != {"chain", "draw"}:
            raise ValueError(f"{name} has dimensions {', '.join(map(str, values.dims))}; chain and draw are expected")
        if values.dtype.kind not in "fiu" or values.size > MAX_DRAWS:
            raise ValueError(
                f"{name} must be at most {MAX_DRAWS:,} real numbers, and is {values.size:,} {values.dtype}"
            )
        array = values.transpose("chain", "draw").to_numpy().astype(np.float64)
        if array.size < MIN_DRAWS:
            raise ValueError(f"holds {array.size} draw; a posterior has many (a point estimate has no uncertainty)")
        if wrong := int((~np.isfinite(array)).sum()):
            raise ValueError(f"{wrong:,} of {array.size:,} draws of {name} are not finite")
        params[name] = array
    chains = next(iter(params.values())).shape[0]
    if chains == 1:
        even = next(iter(params.values())).size // 2 * 2
        return 2, {name: array[0, :even] for name, array in params.items()}
    return chains, {name: array.reshape(-1) for name, array in params.items()}


def _divergences(path: Path | str) -> int | None:
    """None where the file does not tell."""
    import xarray as xr

    try:
        with xr.open_dataset(path, group="sample_stats", engine="h5netcdf") as stats:
            return int(stats["diverging"].sum()) if "diverging" in stats else None
    except OSError:
        return None
