"""The whole configuration of a stage as one frozen value; all its errors are reported at once."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError

from clvsim import scenario as scenarios
from clvsim.data.config import NOT_IN_SQL, Source, StatedConfig, SurvivorsConfig
from clvsim.data.readers import SOURCES
from clvsim.errors import MOST, ConfigError, Problem, more_problems
from clvsim.files import choices
from clvsim.models import RETENTION, SPEND, stated
from clvsim.models.around.several import KIND as AUTO
from clvsim.models.auto import Auto, steady_problem, win_back_problem
from clvsim.models.config import FitConfig
from clvsim.models.protocol import RetentionModel, SpendModel
from clvsim.models.spend.fixed_price import FixedPrice
from clvsim.models.spend.price_list import PriceList
from clvsim.report.config import ReportConfig
from clvsim.scenario import BASELINE, Scenario
from clvsim.schema import Frozen, Name, OfKind, Text, Whole, broken_rule, nearest_keys, schema_keys, split_key
from clvsim.simulation.config import (
    AcquisitionConfig,
    EnvironmentConfig,
    FinanceConfig,
    SimulationConfig,
    TraceConfig,
    ValuationConfig,
)


class RunConfig(Frozen):
    """Sections of a run. `scenario_library` holds scenarios that others combine and that are not run themselves."""

    data: Annotated[Source, OfKind({kind: reader.section for kind, reader in SOURCES.items()})]
    retention: Annotated[RetentionModel, OfKind({**RETENTION, AUTO: Auto, **stated.LIVES})]
    spend: Annotated[SpendModel, OfKind({**SPEND, **stated.AMOUNTS})]
    fit: FitConfig = FitConfig()
    simulation: SimulationConfig = SimulationConfig()
    finance: FinanceConfig = FinanceConfig()
    acquisition: AcquisitionConfig = AcquisitionConfig()
    environment: EnvironmentConfig = EnvironmentConfig()
    trace: TraceConfig = TraceConfig()
    report: ReportConfig = ReportConfig()
    scenario: dict[Name, Scenario]
    scenario_library: dict[Name, Scenario] = Field(default_factory=dict)
    seed: Annotated[Whole, Field(ge=-(2**63), lt=2**63)] = 1
    title: Text | None = None
    question: Text | None = None
    out: str | None = None
    run: str | None = None

    @property
    def library(self) -> dict[str, Scenario]:
        """All scenarios by name, those that are only combined too."""
        return {**self.scenario_library, **self.scenario}

    @property
    def stated(self) -> bool:
        """Whether there is no data, and the laws of retention and spend are stated."""
        return isinstance(self.data, StatedConfig)

    @property
    def names(self) -> tuple[str, ...]:
        """Scenarios to run, the baseline first."""
        return (BASELINE, *(name for name in self.scenario if name != BASELINE))

    def as_json(self) -> dict[str, Any]:
        """The configuration as JSON-ready values, which `validate` accepts."""
        return self.model_dump(mode="json", serialize_as_any=True)


def validate(raw: Mapping[str, Any]) -> RunConfig:
    """Check a composed configuration. Raises ConfigError with every problem, keys as the user types them."""
    sections = {key: value for key, value in raw.items() if key not in ("hydra", "always")}
    try:
        config = RunConfig.model_validate(sections)
    except ValidationError as error:
        errors = error.errors()
        found = _one_each(_as_problem(e, sections) for e in errors[: MOST - 1])
        if len(errors) >= MOST:
            found.append(more_problems(len(errors) - MOST + 1))
        raise ConfigError(found) from None
    problems = scenarios.problems(config.library) if BASELINE in config.scenario else []
    problems += _acquisition_problems(config)
    if config.simulation.draws > config.fit.draws:
        what = f"must be at most fit.draws ({config.fit.draws}), got {config.simulation.draws}; raise fit.draws"
        problems.append(Problem("simulation.draws", what))
    if config.trace.customers and config.trace.draw > config.simulation.draws:
        what = f"must be at most simulation.draws ({config.simulation.draws}), got {config.trace.draw}"
        problems.append(Problem("trace.draw", what))
    problems += _survivor_problems(config) + _stated_problems(config) + _valuation_problems(config)
    if problems:
        raise ConfigError(dict.fromkeys(problems))
    return _with_who_can_be_lost(config)


def _with_who_can_be_lost(config: RunConfig) -> RunConfig:
    """The configuration with models that have somebody to win back, where a scenario asks for that, and whose years can
    become steady, where a valuation does."""
    names = [name for name in config.names if name in config.library]
    placed = (item for name in names for item in scenarios.placed_interventions(name, config.library))
    wins_back, valued = any(item.intervention.wins_back for item in placed), config.finance.valuation.asked
    if not (wins_back or valued):
        return config
    if isinstance(config.retention, Auto):
        return config.model_copy(update={"retention": config.retention.model_copy(update={"lost_after_one": True})})
    what = (wins_back and win_back_problem(config.retention)) or (valued and steady_problem(config.retention))
    if what:
        raise ConfigError([Problem("retention", what)])
    return config


def _valuation_problems(config: RunConfig) -> list[Problem]:
    """What a valuation needs and does not have, and what contradicts itself."""
    section, prefix = config.finance.valuation, "finance.valuation"
    wacc, growth, horizon = section.wacc, section.terminal_growth, config.simulation.horizon_months
    if wacc is None:
        changed = [key for key, value in ValuationConfig() if getattr(section, key) != value]
        what = f"is needed for a valuation, with which {', '.join(changed)} goes; state it, as {prefix}.wacc=0.12"
        return [Problem(f"{prefix}.wacc", what)] if changed else []
    problems = []
    if growth >= wacc:
        what = f"must be below wacc ({wacc:g}), got {growth:g}: what grows as fast as it is discounted has no value"
        problems.append(Problem(f"{prefix}.terminal_growth", what))
    if section.working_capital and section.revenue_last_year is None:
        what = "is needed with working_capital, which grows from what last year's revenue tied up; state that revenue"
        problems.append(Problem(f"{prefix}.revenue_last_year", what))
    if section.revenue_last_year is not None and not section.working_capital:
        what = f"goes with {prefix}.working_capital, which is 0; leave it out, or state that share"
        problems.append(Problem(f"{prefix}.revenue_last_year", what))
    if config.finance.gross_margin is None:
        what = "is needed for a valuation: revenue is no cash flow; type finance.gross_margin=0.4, your own share"
        problems.append(Problem("finance.gross_margin", what))
    if not 12 <= horizon <= 240:
        what = f"must be 12 to 240 for a valuation, with a whole last year, and newcomers in all months, got {horizon}"
        problems.append(Problem("simulation.horizon_months", what))
    return problems + _arrival_problems(config)


def _arrival_problems(config: RunConfig) -> list[Problem]:
    """Newcomers whom a valuation needs up to its horizon."""
    acquisition, horizon = config.acquisition, config.simulation.horizon_months
    if not acquisition.brings:
        what = "a valuation needs newcomers: type acquisition.from_log=true, or state a channel and its visitors"
        return [Problem("acquisition", what)]
    if acquisition.months >= min(horizon, 240):
        return []
    what = f"must be at least simulation.horizon_months ({horizon}) for a valuation, whose newcomers do not end before"
    return [Problem("acquisition.months", f"{what}, got {acquisition.months}; type acquisition.months={horizon}")]


def _survivor_problems(config: RunConfig) -> list[Problem]:
    """Settings that contradict a table of survivors: contracts of one length at one price per cohort."""
    if not isinstance(config.data, SurvivorsConfig):
        return []
    if not config.retention.renewing:
        return [Problem("retention", "data=survivors needs a model of contracts; type retention=sbg or retention=bdw")]
    problems = []
    renewal = config.retention.model_dump()["renewal"]
    if config.data.renewal != renewal:
        what = f"must be retention.renewal ({renewal}), got {config.data.renewal!r}; leave it out"
        problems.append(Problem("data.renewal", what))
    if not isinstance(config.spend, FixedPrice):
        problems.append(Problem("spend", "data=survivors has one price per cohort; type spend=fixed_price"))
    return problems


def _stated_problems(config: RunConfig) -> list[Problem]:
    """Laws that are stated beside data to learn them from, or learned where there are none; and what is missing, or no
    number, of a business without a log."""
    problems = []
    sections = {"retention": isinstance(config.retention, stated.StatedLife)}
    sections["spend"] = isinstance(config.spend, stated.STATED_SPEND)
    for section, is_stated in sections.items():
        kind = getattr(config, section).kind
        if config.stated and not is_stated:
            choose = ", ".join(stated.LIVES if section == "retention" else (*stated.AMOUNTS, "price_list"))
            what = f"{kind} is learned from orders, and data=stated has none; leave it out, or choose from {choose}"
            problems.append(Problem(section, what))
        elif is_stated and not config.stated:
            what = (
                f"{kind} is stated, and data={config.data.kind} is there to learn from; leave out the data or business"
            )
            problems.append(Problem(section, what))
        elif is_stated:
            problems += stated.problems(section, getattr(config, section))
    if isinstance(config.spend, PriceList) and not config.spend.products:
        what = "needs a product, e.g. spend.products.book='{price: 20, share: 1}'"
        problems.append(Problem("spend.products", what))
    return problems + (_without_data(config) if config.stated else [])


def _without_data(config: RunConfig) -> list[Problem]:
    """Customers whom nothing brings, and settings of a fit that nobody makes."""
    problems = []
    comes = any(channel.visitors_per_month for channel in config.acquisition.channels.values())
    if isinstance(config.data, StatedConfig) and not (config.data.customers or comes or config.acquisition.from_log):
        what = "nobody is there and nobody comes; state a channel, or how many there are today (data.customers)"
        problems.append(Problem("acquisition.channels", what))
    what = "goes with data to fit models to, and data=stated has none"
    return problems + [Problem(f"fit.{key}", what) for key in ("compare", "posterior") if getattr(config.fit, key)]


def _acquisition_problems(config: RunConfig) -> list[Problem]:
    from clvsim import effects

    acquisition = config.acquisition
    return _from_log_problems(config) + [
        problem
        for name, channel in acquisition.channels.items()
        for problem in effects.check(channel.conversion, "probability", f"acquisition.channels.{name}.conversion")
    ]


def _from_log_problems(config: RunConfig) -> list[Problem]:
    """Settings that contradict newcomers who come as in the log, or that need them."""
    acquisition, key = config.acquisition, "acquisition.from_log=true"
    costs = {f"acquisition.{name}": getattr(acquisition, name) for name in ("cost_per_customer", "spend_per_month")}
    if not acquisition.from_log:
        each = "a channel that is typed has cost_per_visitor"
        return [Problem(path, f"goes with {key}, got {value:g}; {each}") for path, value in costs.items() if value]
    problems = [
        Problem(
            f"acquisition.channels.{name}",
            f"types {channel.visitors_per_month:g} visitors a month, where {key} takes newcomers from the log and a "
            "lever on the conversion multiplies their number; leave one of them out",
        )
        for name, channel in acquisition.channels.items()
    ]
    if config.data.kind in ("survivors", "summary", "stated"):
        what = f"needs a log of dated orders; data={config.data.kind} does not say when customers came"
        problems.append(Problem("acquisition.from_log", what))
    if all(costs.values()):
        (first, each), (second, spent) = costs.items()
        what = f"would count the same money twice beside {second}, got {each:g} and {spent:g}; leave one of them out"
        problems.append(Problem(first, what))
    if config.environment.acquisition_sd:
        what = f"is for visitors that are typed, got {config.environment.acquisition_sd:g}; with {key} it is learned"
        problems.append(Problem("environment.acquisition_sd", what))
    return problems


def _one_each(problems: Iterable[Problem]) -> list[Problem]:
    """One problem per key: of a value that may have several forms, what is wrong with the first of them, or with an
    entry of it."""
    found: dict[str, Problem] = {}
    for problem in problems:
        found.setdefault(problem.where, problem)
    return [problem for key, problem in found.items() if not any(other.startswith(f"{key}.") for other in found)]


def _as_problem(error: Any, raw: Mapping[str, Any]) -> Problem:
    """A Pydantic error as a line of ours."""
    where = typed_key(error["loc"], raw)
    return unknown_key(where, raw) if error["type"] == "extra_forbidden" else Problem(where, broken_rule(error))


RETIRED = {
    "retention.trend": "a straight line is no longer fitted: of each log with dated orders the level of the months is "
    "learned, and goes on with a slope that fades (environment.level_sd_prior; 0 switches it off)"
}


def unknown_key(key: str, raw: Mapping[str, Any], groups: tuple[str, ...] = ()) -> Problem:
    """The problem of a key that no section of `raw` has: what took its place, or suggestions from its keys and
    `groups`."""
    if key in RETIRED:
        return Problem(key, RETIRED[key])
    section, _, name = key.partition(".")
    if section == "data" and (raw.get("data") or {}).get("kind") == "sql" and name.partition(".")[0] in NOT_IN_SQL:
        return Problem(key, NOT_IN_SQL[name.partition(".")[0]])
    library = {**(raw.get("scenario_library") or {}), **(raw.get("scenario") or {})}
    keys = schema_keys(RunConfig, {**raw, "scenario": library, "scenario_library": {}})
    suggestions = nearest_keys(key, [*groups, *(known for known in keys if known.partition(".")[0] in raw)])
    what = ["no such key"]
    if fitting_choices := choices_with(key, raw):
        suggestions = [near for near in suggestions if split_key(near)[1] == split_key(key)[1]]
        what.append(f"it goes with {key.partition('.')[0]}={', '.join(fitting_choices)}")
    if suggestions:
        what.append(f"did you mean {' or '.join(suggestions)}?")
    return Problem(key, "; ".join(what))


def choices_with(key: str, raw: Mapping[str, Any]) -> list[str]:
    """Choices for the key's section whose kinds have the key; none where the kind in `raw` has it."""
    section, _, rest = key.partition(".")
    name = rest.partition(".")[0]
    metadata = RunConfig.model_fields[section].metadata if section in RunConfig.model_fields else []
    kinds = [
        kind
        for item in metadata
        if isinstance(item, OfKind)
        for kind, section_class in item.classes.items()
        if name in section_class.model_fields
    ]
    typed = raw.get(section)
    own = typed.get("kind") if isinstance(typed, Mapping) else None
    return [] if own in kinds else [kind for kind in kinds if kind in choices(section)]


def typed_key(location: tuple[Any, ...], raw: Any) -> str:
    """The key as the user types it: without kinds of effects and forms of a value, which Pydantic adds to the path."""
    parts = []
    for i, part in enumerate(location):
        if part == "[key]":  # the name itself is wrong
            break
        if parts and isinstance(raw, str | int | float):
            break
        if (isinstance(raw, Mapping) and part in raw) or (
            isinstance(raw, list | tuple) and isinstance(part, int) and part < len(raw)
        ):
            raw = raw[part]
        elif (
            i < len(location) - 1
            or (isinstance(raw, Mapping) and raw.get("kind") == part)
            or (isinstance(part, str) and not part.isidentifier())  # a form, such as tuple[str, ...]
        ):
            continue
        parts.append(str(part))
    return ".".join(parts).replace("scenario_library.", "scenario.", 1)
