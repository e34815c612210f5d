"""Which level a customer belongs to: the group that is pooled over, and each covariate cut into few values.

A level is one combination of them, coded as one number, so that a history remains a row of numbers and equal histories
of one level remain one row. Everything here is learned from the summary that a model is fitted to, and kept with the
posterior: the same customer has the same level wherever the posterior is used.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field, field_validator, model_validator

from clvsim.errors import ConfigError, Problem
from clvsim.models.inputs import containers
from clvsim.models.laws import Births, Params
from clvsim.schema import Frozen, LogSd, Real, Share, Whole
from clvsim.types import COVARIATE, CustomerSummary, SharedPeriods

if TYPE_CHECKING:
    import pandas as pd

MAX_GROUPS = 200
MAX_COVARIATES = 60  # numbers of levels are below 2^63
MAX_VALUES = 32  # of a covariate in words
MAX_LEVELS = 512
_CLASSES = 16  # of a covariate in numbers
_FEW_MISSING = 0.05
_SAME = 1e-6  # share of a covariate's variance that others must leave unexplained
NONE = "(none)"
BY_PLAN = "plan"  # as a period of contracts: each one's own, by its plan

By = Literal["segment", "channel", "cohort"]
GroupSd = Annotated[LogSd, Field(le=5)]
Names = Annotated[tuple[str, ...], Field(max_length=MAX_COVARIATES)]
_Number = Annotated[Real, Field(ge=-1e300, le=1e300)]  # as the column has it
_Deviation = Annotated[Real, Field(ge=-1e9, le=1e9)]  # in sds


class CovariatesConfig(Frozen):
    """Columns of `data.covariates` on which the order rate and attrition depend.

    `sd`: scale of the prior on their effects, Student's t with 4 degrees of freedom. Numbers with more than `quantiles`
    different values are cut into that many classes of about equal size, each represented by its mean.
    """

    purchase: Names = ()
    attrition: Names = ()
    quantiles: Annotated[Whole, Field(ge=2, le=_CLASSES)] = _CLASSES
    sd: GroupSd = 0.5


class Scale(NamedTuple):
    """What effects are added to: its name among the parameters, and what a factor multiplies, in words."""

    name: str
    words: str


class Poolable(Frozen):
    """Settings of a model whose customers may fall into levels, and what it tells the wrapper in `pooling`.

    `pool`: groups with parameters of their own. `pool_sd`: scale of the half-normal prior on the standard deviation
    between groups, on the scale on which buying and attrition are moved.

    `SCALES`: purchase and attrition, or only the latter where customers have nothing to buy in between.
    """

    SCALES: ClassVar[Mapping[str, Scale]]
    renewing: ClassVar[bool] = False
    pool: By | None = None
    pool_sd: GroupSd = 0.5
    covariates: CovariatesConfig = CovariatesConfig()

    @field_validator("covariates")
    @classmethod
    def _act_on_what_there_is(cls, covariates: CovariatesConfig) -> CovariatesConfig:
        if covariates.purchase and "purchase" not in cls.SCALES:
            what = "contracts are renewed or end, there is no order rate for a covariate to act on"
            raise ValueError(f"purchase: {what}; name it in covariates.attrition")
        return covariates

    def inputs(self, rows: Any) -> Any:
        """NamedTuple of arrays: all that `graph` and `log_density` compute with, derived from unique rows."""
        raise NotImplementedError

    def build(self, rows: Any) -> Any:
        """The PyMC model on unique rows; its free variables are those of `graph`, its data `inputs`."""
        import pymc as pm

        with pm.Model() as model:
            inputs = containers(pm, self.inputs(rows))
            pm.Potential("log_likelihood", self.log_density(self.graph(pm, inputs), inputs))
        return model

    def graph(self, pm: Any, inputs: Any) -> dict[str, Any]:
        """The paper's parameters in unit-free time as functions of free variables, made inside an open PyMC model.

        Priors do not depend on `inputs`; the coordinates in which they are sampled may.
        """
        raise NotImplementedError

    def apply_factors(self, params: Mapping[str, Any], buying: Any, leaving: Any) -> dict[str, Any]:
        """Multiply by two factors what the scales in `SCALES` are logarithms (or log odds) of, and return the paper's
        parameters, arrays or graphs; 1 and 1 change nothing."""
        raise NotImplementedError

    def log_density(self, params: Mapping[str, Any], inputs: Any) -> Any:
        """Log-likelihood of all rows as a graph. What `apply_factors` changes is a scalar, or (level,)."""
        raise NotImplementedError

    def informative(self, rows: Any) -> np.ndarray:
        """Which rows inform about their group, (row,): customers who came back."""
        return rows.x > 0

    @property
    def periods(self) -> float | SharedPeriods:
        """See `RetentionModel`."""
        model: Any = self
        return model.opportunity_days

    def holdout_days(self, summary: CustomerSummary) -> float:
        """See `RetentionModel`."""
        return float(summary.holdout_days)

    def remarks(self, summary: CustomerSummary) -> tuple[str, ...]:
        """See `RetentionModel`."""
        return ()

    def newborn(self) -> Any:
        """The history of somebody right after the first order, one row of `histories`."""
        raise NotImplementedError

    def expected_discounted_orders_new(
        self, params: Params, horizons_days: np.ndarray, annual_rate: float, days_per_unit: float, births: Births
    ) -> np.ndarray:
        """See `RetentionModel`: what is expected of the living at x = T = 0, by those who did not leave at once.

        (draw, 1, horizon): nothing depends on when somebody comes.
        """
        model: Any = self
        nobody = self.newborn()
        alive = model.probability_alive(params, nobody, days_per_unit)
        of = model.expected_discounted_orders
        within = [of(params, nobody, float(h), annual_rate, days_per_unit) for h in horizons_days]
        return (alive * np.hstack(within))[:, None]

    def probability_staying_new(self, params: Params, horizons_days: np.ndarray, days_per_unit: float) -> np.ndarray:
        """See `RetentionModel`: the living at x = T = 0 who stay, (draw, horizon)."""
        model: Any = self
        nobody = self.newborn()
        alive = model.probability_alive(params, nobody, days_per_unit)
        return alive * np.hstack(
            [model.probability_staying(params, nobody, float(h), days_per_unit) for h in horizons_days]
        )

    @property
    def levelled(self) -> bool:
        return bool(self.pool or self.covariates.purchase or self.covariates.attrition)


def odds_times(a: Any, b: Any, factor: Any) -> tuple[Any, Any]:
    """Beta(a, b) with the odds of its mean times `factor`, at the same a + b; arrays or graphs."""
    scaled = a * factor
    scale = (a + b) / (scaled + b)
    return scaled * scale, b * scale


def at(parameter: Any, level: Any) -> Any:
    """A graph's parameter for rows of those levels: itself where it is one number for all."""
    return parameter[level] if parameter.ndim else parameter


class LevelRows(NamedTuple):
    """Histories for a sum that is compiled apart, each (row,), T in time or opportunities; rows of level i are
    `ends[i]` to `ends[i + 1]`."""

    x: np.ndarray
    t_x: np.ndarray
    T: np.ndarray
    count: np.ndarray
    ends: np.ndarray


def level_rows(columns: Sequence[np.ndarray], level: np.ndarray, which: np.ndarray) -> LevelRows:
    """Rows of x, t_x, T, count, of ascending `level` (row,), for which `which` (row,) is true."""
    ends = np.searchsorted(level[which], np.arange(level.max() + 2))
    return LevelRows(*(column[which] for column in columns), ends=ends)


class Numbers(Frozen):
    """A covariate in numbers. Class i holds values up to `ends[i]`; `values` are standard deviations from the mean."""

    name: str
    ends: Annotated[tuple[_Number, ...], Field(max_length=_CLASSES)]  # ascending; the last class has no end
    values: Annotated[tuple[_Deviation, ...], Field(min_length=1, max_length=_CLASSES)]

    @model_validator(mode="after")
    def _classes_follow_each_other(self) -> "Numbers":
        if len(self.values) != len(self.ends) + 1 or list(self.ends) != sorted(set(self.ends)):
            raise ValueError("ends must ascend, and be one fewer than values")
        return self

    @property
    def features(self) -> tuple[str, ...]:
        return (self.name,)

    def says(self, feature: str) -> str:
        return f"one standard deviation more of {feature}"

    def codes(self, column: "pd.Series") -> np.ndarray:
        """Class of each customer; the last but one more where the value is missing, which counts as average."""
        import pandas as pd

        numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
        return np.where(np.isnan(numbers), len(self.values), np.searchsorted(self.ends, numbers, side="left"))

    def exact(self, column: "pd.Series") -> np.ndarray:
        """The values themselves, (customer, 1)."""
        return column.fillna(column.mean()).to_numpy(np.float64)[:, None]

    def table(self) -> np.ndarray:
        """Features by code, (code, 1)."""
        return np.array([*self.values, 0.0])[:, None]


class Words(Frozen):
    """A covariate in words, the most frequent value first: the others are compared with it."""

    name: str
    values: Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_VALUES)]
    shares: Annotated[tuple[Share, ...], Field(min_length=1, max_length=MAX_VALUES)]

    @model_validator(mode="after")
    def _values_have_a_share_each(self) -> "Words":
        if len(self.values) != len(self.shares):
            raise ValueError(f"must have a share for each of {len(self.values)} values, got {len(self.shares)}")
        return self

    @property
    def features(self) -> tuple[str, ...]:
        return tuple(f"{self.name} {value}" for value in self.values[1:])

    def says(self, feature: str) -> str:
        return f"{feature} rather than {self.values[0]}"

    def codes(self, column: "pd.Series") -> np.ndarray:
        """Index of each customer's value; the last but one more for a value that the model has not seen."""
        import pandas as pd

        index = pd.Index(self.values).get_indexer(column.replace("", NONE))
        return np.where(index < 0, len(self.values), index)

    def exact(self, column: "pd.Series") -> np.ndarray:
        return self.table()[self.codes(column)]

    def table(self) -> np.ndarray:
        """Features by code, (code, value - 1): whether it is that value, less its share; average where unknown."""
        is_value = np.eye(len(self.values))[:, 1:] - np.array(self.shares)[1:]
        return np.vstack([is_value, np.zeros(len(self.values) - 1)])


class Group(Frozen):
    """What is pooled over, and its groups in the order of their names."""

    by: By
    names: Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_GROUPS)]

    def codes(self, summary: CustomerSummary) -> np.ndarray:
        """Group of each customer; the last but one more for a group that the model has not seen."""
        import pandas as pd

        index = pd.Index(self.names).get_indexer(group_of(summary, self.by))
        return np.where(index < 0, len(self.names), index)


class Design(Frozen):
    """How customers fall into levels: a mixed-radix number of the group's and each covariate's code.

    `levels` are those of the customers the model was fitted to, ascending, `shares` how many of them are in each.
    """

    group: Group | None
    covariates: Annotated[tuple[Numbers | Words, ...], Field(max_length=2 * MAX_COVARIATES)]
    purchase: Names  # covariates by name
    attrition: Names
    levels: Annotated[tuple[Annotated[Whole, Field(ge=0, lt=2**63)], ...], Field(max_length=MAX_LEVELS)] = ()
    shares: Annotated[tuple[Share, ...], Field(max_length=MAX_LEVELS)] = ()

    @model_validator(mode="after")
    def _levels_are_its_own(self) -> "Design":
        if len(self.levels) != len(self.shares):
            raise ValueError(f"must have a share for each of {len(self.levels)} levels, got {len(self.shares)}")
        if self.levels and max(self.levels) >= (most := min(math.prod(self._sizes()), 2**63)):
            raise ValueError(f"levels must be below {most}, got {max(self.levels)}")
        return self

    def covariates_of(self, process: str) -> tuple[str, ...]:
        """Names of those that act on `purchase` or on `attrition`."""
        return self.purchase if process == "purchase" else self.attrition

    @property
    def groups(self) -> int:
        return len(self.group.names) if self.group else 0

    def _sizes(self) -> list[int]:
        return [self.groups + 1, *(len(c.values) + 1 for c in self.covariates)]

    def level(self, summary: CustomerSummary) -> np.ndarray:
        """Code of each customer's level, int64 (customer,)."""
        columns = [self.group.codes(summary) if self.group else np.zeros(len(summary.customers), np.int64)]
        columns += [c.codes(summary.customers[COVARIATE + c.name]) for c in self.covariates]
        return np.asarray(np.ravel_multi_index(columns, self._sizes()), np.int64)

    def parts(self, level: np.ndarray) -> tuple[np.ndarray, ...]:
        """The group's and each covariate's code, each (level,)."""
        return tuple(np.unravel_index(np.asarray(level, np.int64), self._sizes()))

    def of_group(self, level: np.ndarray, group: int) -> np.ndarray:
        """The same levels in another group."""
        _, *rest = self.parts(level)
        return np.ravel_multi_index([np.full(np.shape(level), group), *rest], self._sizes())

    def features(self, level: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
        """Covariates of levels as numbers, (level, feature), columns as `feature_names`."""
        codes = self.parts(level)[1:]
        columns = [c.table()[code] for c, code in zip(self.covariates, codes, strict=True) if c.name in names]
        return np.hstack(columns) if columns else np.zeros((np.size(level), 0))

    def feature_names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(feature for c in self.covariates if c.name in names for feature in c.features)


def group_of(summary: CustomerSummary, by: By) -> np.ndarray:
    """Segment, channel or calendar quarter of the first order of each customer, as text."""
    if by == "cohort":
        import pandas as pd

        born = pd.Timestamp(summary.today) - pd.to_timedelta(summary.customers["T_days"].to_numpy(float), unit="D")
        return born.to_period("Q").astype(str).to_numpy(str)
    return summary.customers[by].replace("", NONE).to_numpy(str)


def make_design(asked: Poolable, summary: CustomerSummary) -> Design:
    """Groups and classes of covariates as this summary has them.

    Raises ConfigError with every problem: nothing to tell groups apart, unknown, constant or collinear covariates,
    numbers of which more than a few are missing, too many levels.
    """
    config, frame = asked.covariates, summary.customers
    problems: list[Problem] = []
    group = None
    if asked.pool:
        names = tuple(np.unique(group_of(summary, asked.pool)).tolist())
        problems += _group_problems(asked.pool, names)
        group = Group(by=asked.pool, names=names)
    covariates: dict[str, Numbers | Words] = {}
    known = [c.removeprefix(COVARIATE) for c in frame.columns if c.startswith(COVARIATE)]
    for name in dict.fromkeys((*config.purchase, *config.attrition)):
        covariate = _covariate(name, frame.get(COVARIATE + name), known, config.quantiles)
        if isinstance(covariate, Problem):
            problems.append(covariate)
        else:
            covariates[name] = covariate
    if problems:
        raise ConfigError(problems)
    design = Design(
        group=group, covariates=tuple(covariates.values()), purchase=config.purchase, attrition=config.attrition
    )
    levels, count = np.unique(design.level(summary), return_counts=True)
    if len(levels) > MAX_LEVELS:
        what = (
            f"{len(levels):,} combinations of groups and covariates occur, more than {MAX_LEVELS}; "
            "lower retention.covariates.quantiles or name fewer covariates"
        )
        raise ConfigError([Problem("retention", what)])
    if problems := _collinear(design, summary):
        raise ConfigError(problems)
    shares = count / count.sum()
    return design.model_copy(update={"levels": tuple(levels.tolist()), "shares": tuple(shares.tolist())})


def _group_problems(by: By, names: tuple[str, ...]) -> list[Problem]:
    if names == (NONE,):
        return [Problem("retention.pool", f"the log names no {by}; type data.{by}=COLUMN")]
    if len(names) < 2:
        return [Problem("retention.pool", f"all customers are of one {by}, {names[0]!r}: there is nothing to compare")]
    if len(names) > MAX_GROUPS:
        return [Problem("retention.pool", f"{len(names):,} different values of {by}, more than {MAX_GROUPS}")]
    return []


def _covariate(name: str, column: "pd.Series | None", known: list[str], quantiles: int) -> Numbers | Words | Problem:
    from pandas.api.types import is_numeric_dtype

    key = "retention.covariates"
    if column is None:
        available = f"it names {', '.join(known)}" if known else "it names none"
        return Problem(key, f"{name!r} is not among data.covariates ({available})")
    if column.nunique() < 2:
        return Problem(key, f"{name!r} is the same for all customers: nothing can be learned from it, leave it out")
    if not is_numeric_dtype(column):
        return _words(name, column.replace("", NONE))
    missing = int(column.isna().sum())
    if missing > _FEW_MISSING * column.size:
        what = f"{name!r} is missing for {missing:,} of {column.size:,} customers; at most {_FEW_MISSING:.0%} may be"
        return Problem(key, f"{what}, who count as average")
    return _numbers(name, column.dropna().to_numpy(np.float64), quantiles)


def _words(name: str, column: "pd.Series") -> Words | Problem:
    counts = column.value_counts()
    if len(counts) > MAX_VALUES:
        shown = ", ".join(repr(v) for v in counts.index[:3])
        what = f"{name!r} has {len(counts):,} different values that are not all numbers, more than {MAX_VALUES}"
        return Problem("retention.covariates", f"{what}: {shown}, …")
    ranked = sorted(zip(counts.index.tolist(), counts.tolist(), strict=True), key=lambda item: (-item[1], item[0]))
    return Words(name=name, values=tuple(v for v, _ in ranked), shares=tuple(n / column.size for _, n in ranked))


def _numbers(name: str, observed: np.ndarray, quantiles: int) -> Numbers:
    values = np.unique(observed)
    if values.size > quantiles:
        ends = np.unique(np.quantile(observed, np.arange(1, quantiles) / quantiles, method="inverted_cdf"))
        ends = ends[ends < values[-1]]
    else:
        ends = values[:-1]
    class_of = np.searchsorted(ends, observed, side="left")
    count = np.bincount(class_of, minlength=ends.size + 1)
    means = np.bincount(class_of, observed, minlength=ends.size + 1) / count
    centre = float(np.average(means, weights=count))
    scale = float(np.sqrt(np.average((means - centre) ** 2, weights=count)))
    return Numbers(name=name, ends=tuple(ends.tolist()), values=tuple(((means - centre) / scale).tolist()))


def _collinear(design: Design, summary: CustomerSummary) -> list[Problem]:
    """A covariate, or one combination of its values, that the groups and the covariates before it determine."""
    frame = summary.customers
    group = design.group.codes(summary) if design.group else np.zeros(len(frame), np.int64)
    problems = []
    for process in ("purchase", "attrition"):
        others = [f"the {design.group.by}"] if design.group else []
        before = np.zeros((len(frame), 0))
        for covariate in (c for c in design.covariates if c.name in getattr(design, process)):
            own = covariate.exact(frame[COVARIATE + covariate.name])
            directions = np.linalg.svd(own - own.mean(axis=0), full_matrices=False)[0]
            rest = _within(directions, group)
            if before.size:
                rest = rest - before @ np.linalg.lstsq(before, rest, rcond=None)[0]
            if np.linalg.svd(rest, compute_uv=False).min() ** 2 < _SAME:
                what = f"{covariate.name!r} follows from {' and '.join(others)} (collinear): leave it out"
                problems.append(Problem(f"retention.covariates.{process}", what))
            before, others = np.hstack([before, _within(own, group)]), [*others, repr(covariate.name)]
    return problems


def _within(columns: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Columns less their mean in each customer's group, (customer, column)."""
    count = np.maximum(np.bincount(group), 1)
    means = [np.bincount(group, column) / count for column in columns.T]
    return columns - np.column_stack(means)[group]
