"""What the fit, the simulator and the page ask of a model: the functions that an entry of RETENTION or SPEND offers."""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import numpy as np

from clvsim.models.domain import Domain
from clvsim.models.laws import Births, LifeLaw, LognormalLaw, Params, SpendLaw
from clvsim.types import CustomerSummary, SharedPeriods


class RetentionModel(Protocol):
    """What an entry of RETENTION offers: a frozen section of priors and settings, with these functions.

    `histories` is what the model's own `histories` returned, or rows of it; quantities are (draw, customer).
    Times come in days and parameters in reported units of `days_per_unit` days.
    """

    WHO_IS_LOST: ClassVar[str]  # a sentence for the page: when a customer counts as lost
    TIMES: ClassVar[tuple[str, ...]]  # parameters that are in the reported unit of time, if the model has them

    @property
    def DOMAINS(self) -> Mapping[str, Domain]:
        """The values that each of its parameters can have; draws have them all."""

    @property
    def kind(self) -> str: ...

    @property
    def renewing(self) -> bool:
        """Whether customers hold contracts: they renew at every opportunity until they leave."""

    @property
    def interval_days(self) -> float:
        """Time between the days on which a customer can order, or renews; 0 where orders come at any time."""

    @property
    def opportunity_days(self) -> float:
        """The period in which a customer orders at most once; 0 where orders come one by one."""

    @property
    def periods(self) -> float | SharedPeriods:
        """These periods, for `summarize`: their length from each customer's first order on, or those of all."""

    def holdout_days(self, summary: CustomerSummary, /) -> float:
        """Length of the hold-out in the model's time: calendar days, but where orders fall due by the calendar's months
        in days of equal months, as they are counted ahead."""

    def histories(self, summary: CustomerSummary, /) -> Any:
        """NamedTuple of (customer,) arrays in the order of the summary's rows: all that laws are conditioned on."""

    def sufficient(self, summary: CustomerSummary, /) -> Any:
        """NamedTuple of all the likelihood sees, unit-free, the same whatever the order of the rows."""

    def inputs(self, rows: Any, /) -> Any:
        """All that the density computes with, derived from those rows; see `models.inputs`."""

    def build(self, rows: Any, /) -> Any:
        """PyMC model of those rows, its data the `inputs`."""

    def natural(self, draws: Params, rows: Any, days_per_unit: float, /) -> dict[str, np.ndarray]:
        """Parameters by the paper's symbols, in reported time units, from draws of the model's free variables."""

    def log_likelihood(self, params: Params, histories: Any, days_per_unit: float, /) -> np.ndarray:
        """Log density of each history, times in reported units: comparable between models of the same data."""

    def laws(self, params: Params, histories: Any, days_per_unit: float, /) -> LifeLaw: ...

    def laws_given_dead(self, params: Params, histories: Any, days_per_unit: float, /) -> LifeLaw:
        """Traits of customers who are lost today, for whom somebody wins back: `p_alive` is 1.

        A mixture where the moment of death matters. Where the history rules out a loss, some law that nobody needs.
        """

    def newcomer_laws(self, params: Params, days_per_unit: float, /) -> LifeLaw: ...

    def probability_alive(self, params: Params, histories: Any, days_per_unit: float, /) -> np.ndarray: ...

    def probability_active(
        self, params: Params, histories: Any, horizon_days: float, days_per_unit: float, /
    ) -> np.ndarray:
        """P(at least one order within the horizon), alive today or not."""

    def probability_staying(
        self, params: Params, histories: Any, horizon_days: float, days_per_unit: float, /
    ) -> np.ndarray:
        """P(still a customer after so many days, which are finite | alive today)."""

    def expected_orders(
        self, params: Params, histories: Any, horizon_days: float, days_per_unit: float, /
    ) -> np.ndarray:
        """Orders expected within the horizon, alive today or not, undiscounted."""

    def expected_discounted_orders(
        self, params: Params, histories: Any, horizon_days: float, annual_rate: float, days_per_unit: float, /
    ) -> np.ndarray:
        """Orders expected within the horizon given alive today, discounted; the horizon may be infinite."""

    def expected_orders_new(self, params: Params, t: np.ndarray | float, days_per_unit: float, /) -> np.ndarray:
        """E[X(t)] of a newcomer, t in reported time units, (draw, time)."""

    def expected_discounted_orders_new(
        self, params: Params, horizons_days: np.ndarray, annual_rate: float, days_per_unit: float, births: Births, /
    ) -> np.ndarray:
        """Repeat orders of a newcomer expected within own ages (horizon,), ascending and finite, each worth
        (1 + annual_rate)^-(own age in years), (draw, arrival, horizon); one arrival for all where it does not matter
        when somebody comes."""

    def probability_staying_new(self, params: Params, horizons_days: np.ndarray, days_per_unit: float, /) -> np.ndarray:
        """P(still a customer at own ages (horizon,), which are finite), of a newcomer, (draw, horizon).

        Where all buy by a clock: of one who comes on an average day of the log.
        """

    def order_pmf(self, params: Params, n: int, t: float, days_per_unit: float, /) -> np.ndarray:
        """P(X(t) = 0), ..., P(X(t) = n) of a newcomer, t in reported time units, (draw, n + 1)."""

    def remarks(self, summary: CustomerSummary, /) -> tuple[str, ...]:
        """Those of `warnings` that can be said before anything is fitted."""

    def warnings(self, summary: CustomerSummary, params: Params, /) -> tuple[str, ...]:
        """Sentences for the reader where the data speak against the model's assumptions."""

    def model_dump(self, *, mode: str = "python") -> dict[str, Any]: ...

    def model_dump_json(self) -> str: ...


class SpendModel(Protocol):
    """What an entry of SPEND offers; see `RetentionModel`."""

    @property
    def DOMAINS(self) -> Mapping[str, Domain]: ...

    @property
    def kind(self) -> str: ...

    @property
    def correlated(self) -> bool:
        """Whether amounts go with the customer's order rate, so that neither can do without the other: `Correlated`."""

    @property
    def trend(self) -> bool:
        """Whether amounts are brought to today's level before they are fitted."""

    def histories(self, summary: CustomerSummary, /) -> Any: ...

    def sufficient(self, summary: CustomerSummary, /) -> Any: ...

    def build(self, rows: Any, /) -> Any:
        """PyMC model, or None where nothing is to be sampled: `natural` then gets draws of one `normal`, standard."""

    def natural(self, draws: Params, rows: Any, seed: int, /) -> dict[str, np.ndarray]: ...

    def laws(self, params: Params, histories: Any, /) -> SpendLaw | LognormalLaw: ...

    def newcomer_laws(self, params: Params, /) -> SpendLaw | LognormalLaw: ...

    def expected_spend(self, params: Params, histories: Any, life: LifeLaw | None = None, /) -> np.ndarray:
        """Mean order of each customer, (draw, customer); `life` is asked for by those that are `correlated`."""

    def check(self, summary: CustomerSummary, params: Params, /) -> Any: ...

    def facts(self, params: Params, /) -> tuple[tuple[str, str], ...]:
        """What else the page says of the fitted model: label, value."""

    def warnings(self, summary: CustomerSummary, params: Params, /) -> tuple[str, ...]: ...

    def alarm(self, params: Params, /) -> str:
        """A sentence that stands above all figures, where those in money can hardly be relied on; else ""."""

    def model_dump(self, *, mode: str = "python") -> dict[str, Any]: ...

    def model_dump_json(self) -> str: ...


class Correlated(SpendModel, Protocol):
    """What a spend model that is `correlated` offers beside the rest."""

    def sufficient_jointly(self, summary: CustomerSummary, retention: RetentionModel, /) -> Any:
        """`sufficient`, of each customer's orders and amounts together."""

    def given_rates(self, rows: Any, retention: RetentionModel, life: Params, days_per_unit: float, /) -> Any:
        """Rows that can be fitted: with what draws of the retention model say of the order rates."""

    def add_derived(
        self, params: Params, rows: Any, retention: RetentionModel, life: Params, days_per_unit: float, seed: int, /
    ) -> dict[str, np.ndarray]:
        """Parameters with what else follows from them and the retention model's, draw by draw."""
