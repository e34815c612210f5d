"""Several retention models in one posterior: each draw belongs to one of them, and uses its formulas and its law.

Draws are shared out by the models' weights (`models.auto`): draw d belongs to the model in whose cumulative weight the
d-th van der Corput point lies, so that the first n draws have the right shares and more of them extend a run.
Parameters of a model are named `KIND.name` and stand in every draw; `MODEL` says which model a draw uses.

Not modelled: what no model of the list knows. docs/models/several.md.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from clvsim.models.around.paced import paced_of
from clvsim.models.around.path import STATES
from clvsim.models.around.season import seasonal_of
from clvsim.models.domain import Domain, whole
from clvsim.models.laws import PACE, LifeLaw, Params
from clvsim.schema import Frozen
from clvsim.schema import Share as Weight
from clvsim.types import CustomerSummary

KIND = "auto"
MODEL = "model"  # a parameter: the number of the model that a draw uses
_MOST, _ROUNDING = 32, 1e-6
_BY_CUSTOMER = ("next_opportunity_days", "tenure")  # of a law: (customer,)


class Settings(Frozen):
    """What a file holds of `Several`: settings of each model with its kind, and their weights, which sum to 1."""

    kind: Literal["auto"]
    models: Annotated[tuple[dict[str, Any], ...], Field(min_length=1, max_length=_MOST)]
    weights: Annotated[tuple[Weight, ...], Field(min_length=1, max_length=_MOST)]

    @model_validator(mode="after")
    def _are_different_models_with_a_weight_each(self) -> "Settings":
        kinds = [str(settings.get("kind")) for settings in self.models]
        if len(self.weights) != len(kinds) or len(set(kinds)) != len(kinds):
            raise ValueError(f"must be different models and a weight for each, got {len(self.weights)} weights")
        if abs(sum(self.weights) - 1) > _ROUNDING:
            raise ValueError(f"weights must sum to 1, got {sum(self.weights):g}")
        return self


def van_der_corput(count: int) -> np.ndarray:
    """The first points of the sequence in base 2: .5, .25, .75, .125, ..., (count,)."""
    number, point, digit = np.arange(1, count + 1), np.zeros(count), 0.5
    while number.any():
        point += digit * (number % 2)
        number, digit = number // 2, digit / 2
    return point


def shared_out(weights: Sequence[float], draws: int) -> np.ndarray:
    """The number of the model of each draw, (draw,) int64."""
    ends = np.cumsum(weights)
    return np.minimum(np.searchsorted(ends / ends[-1], van_der_corput(draws), side="right"), len(ends) - 1)


class Share(NamedTuple):
    """The draws of one model, (row,), and its own parameters in them."""

    model: Any
    rows: np.ndarray
    params: dict[str, np.ndarray]


def _by_model(name: str) -> Callable[..., Any]:
    """A quantity of (params, ...), by each draw's own model, (draw, ...)."""

    def quantity(self: "Several", params: Params, *arguments: Any) -> np.ndarray:
        parts = [(s.rows, getattr(s.model, name)(s.params, *arguments)) for s in self.shares(params)]
        return _scattered(parts)

    return quantity


def _of_histories(name: str) -> Callable[..., Any]:
    """The same of (params, histories, ...)."""

    def quantity(self: "Several", params: Params, histories: Any, *arguments: Any) -> np.ndarray:
        parts = [
            (s.rows, getattr(s.model, name)(s.params, self.known_to(s.model, histories), *arguments))
            for s in self.shares(params)
        ]
        return _scattered(parts)

    return quantity


@dataclass(frozen=True)
class Several:
    """Retention models of the same orders, as they were fitted, and their weights, which sum to 1."""

    models: tuple[Any, ...]
    weights: tuple[float, ...]

    TIMES: ClassVar[tuple[str, ...]] = ()
    renewing: ClassVar[bool] = False
    interval_days: ClassVar[float] = 0.0
    opportunity_days: ClassVar[float] = 0.0
    periods: ClassVar[float] = 0.0
    kind: ClassVar[str] = KIND

    @property
    def WHO_IS_LOST(self) -> str:
        return " ".join(dict.fromkeys(one.WHO_IS_LOST for one in self.models))

    @property
    def DOMAINS(self) -> Mapping[str, Domain]:
        own = {key: domain for one in self.models for key, domain in named(one.kind, one.DOMAINS).items()}
        return {MODEL: whole(0, len(self.models) - 1), **own}

    @property
    def kinds(self) -> dict[str, float]:
        """Weights by name."""
        return {one.kind: weight for one, weight in zip(self.models, self.weights, strict=True)}

    # --- whose draw is it ---------------------------------------------------------------------------------------------

    def shares(self, params: Params) -> list[Share]:
        """The draws of each model that has some."""
        model = np.asarray(params[MODEL]).astype(np.int64)
        shares = []
        for number, one in enumerate(self.models):
            rows = np.flatnonzero(model == number)
            if rows.size:
                shares.append(Share(one, rows, {k: v[rows] for k, v in own_of(one.kind, params).items()}))
        return shares

    def state(self, params: Params, name: str) -> np.ndarray:
        """A parameter that all models have, each draw's own, (draw,)."""
        return _scattered([(s.rows, s.params[name]) for s in self.shares(params)])

    def from_each(self, of: Callable[[Any], Any]) -> "Several":
        """The same of other versions of its models."""
        return replace(self, models=tuple(of(one) for one in self.models))

    # --- histories ----------------------------------------------------------------------------------------------------

    def histories(self, summary: CustomerSummary) -> Any:
        """All that some model is conditioned on, each column once."""
        own = {one.kind: one.histories(summary) for one in self.models}
        columns: dict[str, np.ndarray] = {}
        for histories in own.values():
            columns |= histories._asdict()
        types = tuple((kind, type(histories)) for kind, histories in own.items())
        return _joined_type(tuple(columns), types)(**columns)

    def known_to(self, model: Any, histories: Any) -> Any:
        """Histories as a model itself has them."""
        own = type(histories).own[model.kind]
        return own(*(getattr(histories, field) for field in own._fields))

    # --- quantities ---------------------------------------------------------------------------------------------------

    log_likelihood = _of_histories("log_likelihood")
    probability_alive = _of_histories("probability_alive")
    probability_active = _of_histories("probability_active")
    probability_staying = _of_histories("probability_staying")
    expected_orders = _of_histories("expected_orders")
    expected_discounted_orders = _of_histories("expected_discounted_orders")
    expected_orders_new = _by_model("expected_orders_new")
    expected_discounted_orders_new = _by_model("expected_discounted_orders_new")
    probability_staying_new = _by_model("probability_staying_new")
    order_pmf = _by_model("order_pmf")

    def laws(self, params: Params, histories: Any, days_per_unit: float) -> LifeLaw:
        return self._laws(params, lambda s: s.model.laws(s.params, self.known_to(s.model, histories), days_per_unit))

    def laws_given_dead(self, params: Params, histories: Any, days_per_unit: float) -> LifeLaw:
        def dead(s: Share) -> LifeLaw:
            return s.model.laws_given_dead(s.params, self.known_to(s.model, histories), days_per_unit)

        return self._laws(params, dead)

    def newcomer_laws(self, params: Params, days_per_unit: float) -> LifeLaw:
        return self._laws(params, lambda s: s.model.newcomer_laws(s.params, days_per_unit))

    def _laws(self, params: Params, of: Callable[[Share], LifeLaw]) -> LifeLaw:
        return merged_laws([(share.rows, of(share)) for share in self.shares(params)])

    # --- clock, and what is said --------------------------------------------------------------------------------------

    def by_week(self, params: Params, first: int, weeks: int) -> np.ndarray:
        """log of the mean multiplier over weeks from day number `first` on, (draw, week)."""

        def clock(share: Share) -> np.ndarray:
            own = clock_of(share.model)
            return np.zeros((share.rows.size, weeks)) if own is None else own.by_week(share.params, first, weeks)

        return _scattered([(share.rows, clock(share)) for share in self.shares(params)])

    def holdout_days(self, summary: CustomerSummary) -> float:
        """Calendar days, as of all models of orders."""
        return float(summary.holdout_days)

    def remarks(self, summary: CustomerSummary) -> tuple[str, ...]:
        return tuple(dict.fromkeys(remark for one in self.models for remark in one.remarks(summary)))

    def warnings(self, summary: CustomerSummary, params: Params) -> tuple[str, ...]:
        """What each model has to say, once."""
        said: dict[str, None] = {}
        for share in self.shares(params):
            said |= dict.fromkeys(share.model.warnings(summary, share.params))
        return tuple(said)

    def model_dump(self, *, mode: str = "python") -> dict[str, Any]:
        models = [{"kind": one.kind, **one.model_dump(mode=mode)} for one in self.models]
        return {"kind": KIND, "models": models, "weights": list(self.weights)}

    def model_dump_json(self) -> str:
        return f"[{', '.join(one.model_dump_json() for one in self.models)}, {list(self.weights)}]"


def own_of(kind: str, params: Params) -> dict[str, np.ndarray]:
    """A model's own parameters among those of several."""
    return {name.removeprefix(f"{kind}."): v for name, v in params.items() if name.startswith(f"{kind}.")}


def named[Value](kind: str, params: Mapping[str, Value]) -> dict[str, Value]:
    """A model's parameters by their names among those of several."""
    return {f"{kind}.{name}": values for name, values in params.items()}


def with_more_shape(params: Params, slope: np.ndarray) -> dict[str, np.ndarray]:
    """Parameters of a model, or of several, with `slope`, (draw,), added to the shape r of the order rate."""
    return {k: v + slope if k == "r" or k.endswith(".r") else v for k, v in params.items()}


def several_of(model: Any) -> Several | None:
    return model if isinstance(model, Several) else None


def moved(params: Mapping[str, np.ndarray], log_factor: np.ndarray) -> dict[str, np.ndarray] | None:
    """A model's own parameters where all order rates after today are exp(log_factor) times as high, (draw,).

    By the level at which the path of months stands, or by the pace beside the model; None where it has neither, which
    is so where nothing was learned of months.
    """
    level = STATES[1]
    if PACE in params:
        return {**params, PACE: np.asarray(params[PACE]) * np.exp(log_factor)}
    return {**params, level: np.asarray(params[level]) + log_factor} if level in params else None


def clock_of(model: Any) -> Any:
    """The clock by which a model's customers buy, or the pace beside it; of several, by draw; None without any."""
    if isinstance(model, Several):
        return model if any(clock_of(one) is not None for one in model.models) else None
    return seasonal_of(model) or paced_of(model)


@cache
def _joined_type(fields: tuple[str, ...], own: tuple[tuple[str, Any], ...]) -> Any:
    """A NamedTuple of all columns, which knows the types that the models themselves have by kind."""
    joined: Any = namedtuple("SeveralHistories", fields)
    joined.own = dict(own)
    return joined


def _scattered(parts: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Rows of parts back in the order of draws; parts of one column where others have more count for all of them."""
    size = sum(rows.size for rows, _ in parts)
    shape = np.broadcast_shapes(*(part.shape[1:] for _, part in parts))
    out = np.empty((size, *shape))
    for rows, part in parts:
        out[rows] = part
    return out


def _stages_of(law: LifeLaw) -> tuple[float, ...]:
    """Stages that lie behind, by component: none where a law does not say."""
    if law.stages_done is None:
        return (0.0,) * (1 if law.weight is None else law.weight.shape[-1])
    return tuple(np.asarray(law.stages_done, float))


def merged_laws(parts: list[tuple[np.ndarray, LifeLaw]]) -> LifeLaw:
    """One law of all draws. Where some are mixtures, all are: components of equal stages are shared, others side by
    side, and those that a draw does not have weigh nothing."""
    laws = [law for _, law in parts]
    stages = [_stages_of(law) for law in laws]
    is_mixture = any(law.weight is not None for law in laws)
    blocks = list(dict.fromkeys(stages)) if is_mixture else []
    start = dict(zip(blocks, np.cumsum([0, *map(len, blocks)])[:-1], strict=True))
    total = sum(map(len, blocks))
    draws, customers = sum(rows.size for rows, _ in parts), laws[0].p_alive.shape[1]
    traits = ("rate_shape", "rate_rate", "mu_shape", "mu_rate", "drop_a", "drop_b")
    merged: dict[str, Any] = {
        "p_alive": _scattered([(rows, law.p_alive) for rows, law in parts]),
        "regularity": _scattered([(rows, np.full(rows.size, float(law.regularity))) for rows, law in parts]),
        "birth_charges": _scattered([(rows, np.full(rows.size, law.birth_charges)) for rows, law in parts]).astype(
            np.int64
        ),
    }
    if not is_mixture:
        merged |= {
            name: _scattered([(rows, np.broadcast_to(getattr(law, name), law.p_alive.shape)) for rows, law in parts])
            for name in traits
        }
        return laws[0]._replace(**merged)
    wide = {name: np.ones((draws, customers, total)) for name in traits} | {
        "weight": np.zeros((draws, customers, total))
    }
    for (rows, law), key in zip(parts, stages, strict=True):
        place = slice(start[key], start[key] + len(key))
        for name in traits:
            value = np.asarray(getattr(law, name))
            value = value if value.ndim == 3 else value[:, :, None]
            wide[name][rows, :, place] = np.broadcast_to(value, (rows.size, customers, len(key)))
        wide["weight"][rows, :, place] = 1.0 if law.weight is None else law.weight
    return laws[0]._replace(**merged, **wide, stages_done=np.array([stage for block in blocks for stage in block]))
