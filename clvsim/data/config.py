"""The `data` section of a run: a frozen class of keys per kind of source, which `clvsim.data.readers` reads."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

import yaml
from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from clvsim.foreign_yaml import events_with_depth
from clvsim.schema import Day, Frozen, Positive, Price, Real, Seed, Share, Whole
from clvsim.types import DAYS_PER_MONTH, DAYS_PER_UNIT, DAYS_PER_WEEK, RENEWAL_DAYS

TimeUnit = Literal["day", "week", "month"]


class Source(Frozen):
    """The keys that every kind of source has."""

    kind: str
    time_unit: TimeUnit = "week"  # of reported parameters


_DEEPEST, _LONGEST = 3, 100_000  # of a mapping of columns to values: levels, characters
_A_MAPPING = "is no mapping of columns to values, e.g. '{Status: [paid]}'"


def _mapping_of_text(text: str) -> Any:
    """A YAML flow mapping typed in a shell: `{Status: [paid, 'no']}`; every key and value stays text."""
    if len(text) > _LONGEST:
        raise ValueError(f"{_A_MAPPING}: it has {len(text):,} characters, at most {_LONGEST:,}")
    try:
        for event, depth in events_with_depth(text, yaml.BaseLoader):
            if depth > _DEEPEST or isinstance(event, yaml.AliasEvent):
                raise ValueError(f"{_A_MAPPING}: no deeper, and without aliases")
        read = yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise ValueError(f"{_A_MAPPING}, got {text[:80]!r}") from error
    return {} if read in ("", None) else read


def _lists(value: Any) -> Any:
    """One value instead of a list of values is a list of one."""
    value = _mapping_of_text(value) if isinstance(value, str) else value
    if not isinstance(value, Mapping):
        return value
    lists = {str(key): one if isinstance(one, list | tuple) else [one] for key, one in value.items()}
    if any(isinstance(one, Mapping | list | tuple) for values in lists.values() for one in values):
        raise ValueError(_A_MAPPING)
    return {key: ["" if one is None else str(one) for one in values] for key, values in lists.items()}


Wanted = Annotated[dict[str, tuple[str, ...]], BeforeValidator(_lists)]


class DataConfig(Source):
    """A log of orders. A column left out is guessed from its name; a wrong guess is corrected by naming it.

    `kind=bundled` reads a log of the package, whose name is `path`; `csv` reads `path`: CSV (also gzipped), Parquet, a
    workbook, an object in a store (s3://BUCKET/KEY), a glob, or a list of these. `segment` and `channel` are optional;
    `""` switches their guess off. With an `amount` of `""` the log has none, and only its orders can be checked. Where
    nothing is typed, the first preset whose columns a file has fills what it knows: docs/data.md.
    """

    kind: Literal["bundled", "csv"] = "csv"
    preset: Literal["none"] | None = None  # none: no preset is looked for
    recognise: tuple[str, ...] = ()  # of a preset: columns by which its files are recognised
    caution: str = ""  # of a preset: what its files do not tell
    path: str | tuple[str, ...] | None = None
    sheet: str | None = None  # of a workbook; None: the only one with rows
    encoding: Literal["utf-8", "utf-16", "cp1252", "latin-1"] | None = None  # None: found
    skip: Annotated[Whole, Field(ge=0, le=1000)] | None = None  # lines above the header; None: found
    customer_id: str | None = None
    date: str | None = None
    amount: str | None = None  # a column, or a product of two or three: "Quantity*Price"
    refunded: str | None = None  # column with what was paid back of each row's amount
    segment: str | None = None
    channel: str | None = None
    covariates: tuple[str, ...] = ()  # columns for retention.covariates; a customer's first value counts
    order_id: str | None = None  # column with the number of the order that a row belongs to
    order_rows: Literal["sum", "once"] | None = None  # of several rows of an order; None: sum, or asked where unclear
    only: Wanted = Field(default_factory=dict)  # column: values; all other rows are no sales
    without: Wanted = Field(default_factory=dict)  # column: values; rows with one of them are no sales
    failed: Wanted = Field(default_factory=dict)  # column: values; rows with one of them are charges that failed
    currency: str | None = None  # column with each row's currency
    rates: dict[str, Price] = Field(default_factory=dict)  # what one unit of a currency is
    date_format: str | None = Field(
        default=None, min_length=2
    )  # strptime, serial or epoch; None: whatever can be read in one way only
    time_zone: str | None = None  # dates with a time are those of this zone's days; without an offset they are UTC
    decimal: Literal[".", ","] | None = None  # None: found
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)  # None: from the header line
    fold: bool = True  # spellings of one id are one customer
    guests: Literal["apart", "drop", "keep"] | None = None  # rows under a placeholder; None: asked where it matters
    today: Day | None = None  # values are as of this day; None: the day of the log's last order
    calibration_end: Day | Literal["none"] | None = None  # of the check; None: chosen; "none": no check
    customers_since: Day | None = None  # only customers first seen on or after this day; None: all
    refunds: Literal["net", "drop", "error"] = "net"
    max_bad_share: Share = 0.0  # share of rows that may be left out because they cannot be read

    @field_validator("rates", mode="before")
    @classmethod
    def _rates_in_capitals(cls, rates: Any) -> Any:
        return (
            {str(code).strip().upper(): rate for code, rate in rates.items()} if isinstance(rates, Mapping) else rates
        )


class SurvivorsConfig(Source):
    """A table of the customers of each cohort who are left after each contract period: `clvsim.data.tables`.

    `renewal` is the length of a period, that of the retention model. `price`: of each payment, unless the table has it.
    """

    kind: Literal["survivors"] = "survivors"
    path: str | None = None
    renewal: Literal["week", "month", "quarter", "year"] | None = None
    price: Price | None = None
    today: Day | None = None  # None: the day of the run
    time_unit: TimeUnit = "month"


def _required(value: Any, info: ValidationInfo) -> Any:
    if value is None:
        raise ValueError(f"is needed: {_NOT_IN_A_SUMMARY[str(info.field_name)]}")
    return value


_NOT_IN_A_SUMMARY = {
    "today": "the day on which T ends, e.g. data.today=2025-12-31",
    "time_unit": "the unit of recency and T; type data.time_unit=day, week or month",
}


class SummaryConfig(Source):
    """One row per customer instead of orders: the frames of PyMC-Marketing's rfm_summary and of lifetimes.

    `recency` and `T` are in `time_unit`, and T ends on `today`. Columns left out are guessed, as for a log.
    """

    kind: Literal["summary"] = "summary"
    path: str | None = None
    today: Annotated[Day, BeforeValidator(_required)]
    time_unit: Annotated[TimeUnit, BeforeValidator(_required)]
    customer_id: str | None = None
    frequency: str | None = None
    recency: str | None = None
    T: str | None = None
    monetary_value: str | None = None
    segment: str | None = None
    channel: str | None = None
    decimal: Literal[".", ","] = "."
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)


class SqlConfig(Source):
    """A table or view of orders in a database, which counts them; no order leaves it: docs/sql.md.

    One of `url`, without a password, `url_env`, a variable of the environment, and `url_file` is the address.
    `print_sql`: the statements are printed, in the dialect of the address or of `dialect`, and nothing is read.
    """

    kind: Literal["sql"] = "sql"
    url: str | None = Field(default=None, repr=False)
    url_env: str | None = Field(default=None, min_length=1, max_length=200)
    url_file: str | None = Field(default=None, min_length=1)
    table: str | None = Field(default=None, min_length=1, max_length=500)
    dialect: Literal["sqlite", "postgres", "bigquery", "snowflake", "redshift", "databricks", "duckdb"] | None = None
    print_sql: bool = False
    customer_id: str | None = Field(default=None, min_length=1)
    date: str | None = Field(default=None, min_length=1)
    amount: str | None = Field(default=None, min_length=1)
    today: Day | None = None  # this and the next two as of a log
    calibration_end: Day | Literal["none"] | None = None
    customers_since: Day | None = None


_IN_A_VIEW = "a view does it in SQL: data.table=VIEW"
NOT_IN_SQL = {
    "path": "is for files; data=sql reads a table: data.url=… data.table=…",
    "segment": f"data=sql counts orders by customer alone; {_IN_A_VIEW} for one segment, or data=csv for several",
    "channel": f"data=sql counts orders by customer alone; {_IN_A_VIEW} for one channel, or data=csv for several",
    "covariates": "data=sql counts orders by customer alone; data=csv reads more",
    "order_id": f"rows of one order are one row; {_IN_A_VIEW} (GROUP BY)",
    "order_rows": f"rows of one order are one row; {_IN_A_VIEW} (GROUP BY)",
    "refunded": f"what was paid back is a row with a negative amount; {_IN_A_VIEW} (UNION ALL)",
    **dict.fromkeys(("only", "without"), "which rows are sales is said in SQL; a view has only those: data.table=VIEW"),
    "failed": "charges that failed belong to contracts; these need data=csv",
    "currency": f"amounts are in one currency; {_IN_A_VIEW}",
    "rates": f"amounts are in one currency; {_IN_A_VIEW}",
    "fold": f"ids of a database are taken as they are; {_IN_A_VIEW} (LOWER, TRIM)",
    "guests": f"ids of a database are taken as they are; {_IN_A_VIEW} (WHERE)",
    "refunds": "negative amounts are refunds, taken off as by data.refunds=net; a view leaves them out",
    "max_bad_share": f"rows with missing values are refused; {_IN_A_VIEW} (WHERE … IS NOT NULL)",
    "time_zone": f"days are those of UTC; {_IN_A_VIEW} (AT TIME ZONE)",
    **dict.fromkeys(("date_format", "decimal"), f"a database has dates and numbers; of text {_IN_A_VIEW} (CAST)"),
    **dict.fromkeys(("sheet", "encoding", "skip", "delimiter", "preset"), "is for files; data=sql reads a table"),
}  # keys of a log in a file, and why a table in a database has none of them


class StatedConfig(Source):
    """No data: a business that states how its customers behave, and how many of them there are today."""

    kind: Literal["stated"] = "stated"
    customers: Annotated[Whole, Field(ge=0, le=1_000_000)] = 0
    today: Day | None = None  # None: the day of the run
    time_unit: TimeUnit = "month"


class SyntheticModel(NamedTuple):
    """A model from which logs can be drawn: example parameters, and the names of those that are times, in weeks."""

    example: Mapping[str, float]
    times: tuple[str, ...] = ()  # empty: orders fall on given days, and there is no order rate
    renewing: bool = False  # as of the retention model of that name


_DROPOUT = {"r": 0.5, "alpha": 8.0, "a": 0.9, "b": 2.7}
_REGULAR = {"r": 0.8, "alpha": 4.0, "a": 0.9, "b": 4.5, "k": 3.0}
SYNTHETIC_MODELS = {
    "bg_nbd": SyntheticModel(_DROPOUT, ("alpha",)),
    "mbg_nbd": SyntheticModel(_DROPOUT, ("alpha",)),
    "pareto_nbd": SyntheticModel({"r": 0.55, "alpha": 10.6, "s": 0.6, "beta": 11.7}, ("alpha", "beta")),
    "bg_cnbd": SyntheticModel(_REGULAR, ("alpha",)),
    "mbg_cnbd": SyntheticModel(_REGULAR, ("alpha",)),
    "bg_bb": SyntheticModel({"alpha": 1.2, "beta": 0.75, "gamma": 0.66, "delta": 2.78}),
    "sbg": SyntheticModel({"alpha": 0.67, "beta": 3.8}, renewing=True),
    "bdw": SyntheticModel({"gamma": 0.67, "delta": 3.8, "c": 1.3}, renewing=True),
}
MOST_ORDERS = 2e8
RATE = "rate"  # key of a segment: a factor of the order rate


class SyntheticSpend(Frozen):
    """Gamma-Gamma: amounts ~ Gamma(p, nu), nu ~ Gamma(q, gamma); first orders times `first_order_factor`.

    `vary`: whether the amounts of a customer differ; if not, each is p / nu. None: they differ, except for contracts.
    """

    p: Positive = 4.0
    q: Annotated[Positive, Field(gt=1)] = 4.0  # below, the mean does not exist
    gamma: Price = 30.0
    first_order_factor: Positive = 1.0
    vary: bool | None = None


class SyntheticConfig(Source):
    """A log drawn from a model with known parameters: for demonstrations, and for checking what fits recover.

    First orders fall evenly on `acquisition_days` from `start`. Times in `parameters` are in `time_unit`; parameters
    that are left out have the value of an example. `season` has a multiplier of the order rate for January to December.
    `segments` are equally large, each with parameters of its own, or with `rate`, a factor of the order rate; a bare
    number is short for `rate`. `renewal` is the length of a contract, `opportunity_days` the time between opportunities
    of BG/BB.
    """

    kind: Literal["synthetic"] = "synthetic"
    model: str = "bg_nbd"
    parameters: dict[str, Positive | None] = Field(default_factory=dict, validate_default=True)
    customers: Annotated[Whole, Field(ge=2, le=5_000_000)] = 2000
    start: Day = dt.date(2023, 1, 2)
    acquisition_days: Annotated[Whole, Field(ge=1, le=36_525)] = 180
    span_days: Annotated[Whole, Field(ge=2, le=36_525)] = 730
    renewal: Literal["week", "month", "quarter", "year"] = "month"
    opportunity_days: Annotated[Real, Field(ge=1, le=3653)] = DAYS_PER_MONTH
    season: tuple[Positive, ...] = ()
    segments: dict[str, dict[str, Positive]] = Field(default_factory=dict)
    spend: SyntheticSpend = SyntheticSpend()
    today: Day | None = None  # None: the last day with an order
    calibration_end: Day | Literal["none"] | None = None  # as of a log
    seed: Seed = 1

    @property
    def renewing(self) -> bool:
        """Whether customers hold contracts."""
        return SYNTHETIC_MODELS[self.model].renewing

    @property
    def by_interval(self) -> bool:
        """Whether orders fall on given days only."""
        return not SYNTHETIC_MODELS[self.model].times

    @property
    def interval_days(self) -> float:
        return RENEWAL_DAYS[self.renewal] if self.renewing else self.opportunity_days

    @property
    def amounts_vary(self) -> bool:
        return not self.renewing if self.spend.vary is None else self.spend.vary

    @field_validator("model")
    @classmethod
    def _has_a_generator(cls, name: str) -> str:
        if name == "auto":  # as retention.kind, which the configuration hands on: several models fit, one makes up
            return "bg_nbd"
        if name not in SYNTHETIC_MODELS:
            raise ValueError(f"no log can be made up from {name}; choose from {', '.join(SYNTHETIC_MODELS)}")
        return name

    @field_validator("parameters")
    @classmethod
    def _complete_parameters(cls, parameters: dict[str, float | None], info: ValidationInfo) -> dict[str, float | None]:
        model, unit = (info.data.get(name) for name in ("model", "time_unit"))
        if model is None or unit is None:  # each is reported as a problem already
            return parameters
        example, times, _ = SYNTHETIC_MODELS[model]
        _check_names(model, {name: value for name, value in parameters.items() if value is not None})
        weeks = DAYS_PER_WEEK / DAYS_PER_UNIT[unit]
        default = {name: value * weeks if name in times else value for name, value in example.items()}
        return {name: parameters.get(name) or default[name] for name in example}

    @field_validator("season")
    @classmethod
    def _has_twelve_months(cls, season: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
        if len(season) not in (0, 12):
            raise ValueError(f"needs 12 multipliers, January to December, got {len(season)}")
        if season and (model := info.data.get("model")) and not SYNTHETIC_MODELS[model].times:
            raise ValueError(f"a season multiplies an order rate, and {model} has none: its orders fall on given days")
        return season

    @field_validator("segments", mode="before")
    @classmethod
    def _numbers_are_rates(cls, segments: Any) -> Any:
        if not isinstance(segments, Mapping):
            return segments
        return {name: {RATE: value} if isinstance(value, int | float) else value for name, value in segments.items()}

    @field_validator("segments")
    @classmethod
    def _segments_have_the_models_parameters(
        cls, segments: dict[str, dict[str, float]], info: ValidationInfo
    ) -> dict[str, dict[str, float]]:
        if model := info.data.get("model"):
            for segment in segments.values():
                _check_names(model, segment, RATE)
        return segments

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> "SyntheticConfig":
        if self.span_days <= self.acquisition_days:
            what = f"span_days ({self.span_days}) must be above acquisition_days ({self.acquisition_days})"
            raise ValueError(what)
        if self._most_orders > MOST_ORDERS:
            what = f"about {self._most_orders:.2g} orders would be made up if nobody stopped, at most {MOST_ORDERS:.2g}"
            raise ValueError(f"{what}; take fewer customers, fewer days or a lower rate")
        return self

    @property
    def _most_orders(self) -> float:
        """The mean number of orders if nobody ever stopped, in the busiest month and segment all the time."""
        if self.by_interval:
            return self.customers * (1 + self.span_days / self.interval_days)
        each = [{**self.parameters, **segment} for segment in self.segments.values()] or [self.parameters]
        rates = [(s.get(RATE) or 1.0) * (s["r"] or 0.0) / (s["alpha"] or 1.0) for s in each]
        per_day = max(rates) * max(self.season, default=1.0) / DAYS_PER_UNIT[self.time_unit]
        return self.customers * (1 + per_day * self.span_days)


def _check_names(model: str, parameters: Mapping[str, float], *extra_names: str) -> None:
    """Raises ValueError for names that are no parameters of the model, and for a k that is no whole number."""
    example, times, _ = SYNTHETIC_MODELS[model]
    if RATE in parameters and not times:
        raise ValueError(f"a rate multiplies an order rate, and {model} has none; it has {', '.join(example)}")
    names = (*example, *extra_names)
    if unknown := [name for name in parameters if name not in names]:
        raise ValueError(f"{model} has {', '.join(names)}, but no {', '.join(unknown)}")
    if parameters.get("k", 1.0) % 1:
        raise ValueError(f"k counts the stages of a gap, a whole number, got {parameters['k']:g}")
