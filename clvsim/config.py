"""The whole configuration of a stage as one frozen value; everything wrong with it is reported at once."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import Field, ValidationError

from clvsim import scenario as scenarios
from clvsim.data.config import Source, SurvivorsConfig
from clvsim.data.readers import SOURCES
from clvsim.errors import ConfigError, Problem
from clvsim.files import choices
from clvsim.models import RETENTION, SPEND
from clvsim.models.config import FitConfig
from clvsim.models.protocol import RetentionModel, SpendModel
from clvsim.models.spend.fixed_price import FixedPrice
from clvsim.report.config import ReportConfig
from clvsim.scenario import BASELINE, Scenario
from clvsim.schema import Frozen, OfKind, nearest_keys, schema_keys, split_key
from clvsim.simulation.config import AcquisitionConfig, EnvironmentConfig, FinanceConfig, SimulationConfig


class RunConfig(Frozen):
    """Sections of a run. `scenario_library` holds scenarios that others combine without being run themselves."""

    data: Annotated[Source, OfKind({kind: reader.section for kind, reader in SOURCES.items()})]
    retention: Annotated[RetentionModel, OfKind(RETENTION)]
    spend: Annotated[SpendModel, OfKind(SPEND)]
    fit: FitConfig = FitConfig()
    simulation: SimulationConfig = SimulationConfig()
    finance: FinanceConfig = FinanceConfig()
    acquisition: AcquisitionConfig = AcquisitionConfig()
    environment: EnvironmentConfig = EnvironmentConfig()
    report: ReportConfig = ReportConfig()
    scenario: dict[str, Scenario]
    scenario_library: dict[str, Scenario] = Field(default_factory=dict)
    seed: int = 1
    title: str | None = None
    question: str | None = None
    out: str | None = None
    run: str | None = None

    @property
    def library(self) -> dict[str, Scenario]:
        return {**self.scenario_library, **self.scenario}

    @property
    def names(self) -> tuple[str, ...]:
        """Scenarios to run, the baseline first."""
        return (BASELINE, *(name for name in self.scenario if name != BASELINE))

    def as_json(self) -> dict[str, Any]:
        """JSON-ready; `validate` takes it back."""
        return self.model_dump(mode="json", serialize_as_any=True)


def validate(raw: Mapping[str, Any]) -> RunConfig:
    """The configuration as composed, checked. Raises ConfigError with every problem, keys as the user types them."""
    known = {key: value for key, value in raw.items() if key not in ("hydra", "always")}
    try:
        config = RunConfig.model_validate(known)
    except ValidationError as error:
        raise ConfigError(dict.fromkeys(_problem(e, known) for e in error.errors())) from None
    found = scenarios.problems(config.library) if BASELINE in config.scenario else []
    found += _acquisition_problems(config.acquisition)
    if config.simulation.draws > config.fit.draws:
        what = f"must be at most fit.draws ({config.fit.draws}), got {config.simulation.draws}; raise fit.draws"
        found.append(Problem("simulation.draws", what))
    found += _survivor_problems(config)
    if found:
        raise ConfigError(dict.fromkeys(found))
    return config


def _survivor_problems(config: RunConfig) -> list[Problem]:
    """A survivor table is about contracts of one length at one price per cohort."""
    if not isinstance(config.data, SurvivorsConfig):
        return []
    if not config.retention.renewing:
        return [Problem("retention", "data=survivors needs a model of contracts; type retention=sbg or retention=bdw")]
    found = []
    renewal = config.retention.model_dump()["renewal"]
    if config.data.renewal != renewal:
        what = f"must be retention.renewal ({renewal}), got {config.data.renewal!r}; leave it out"
        found.append(Problem("data.renewal", what))
    if not isinstance(config.spend, FixedPrice):
        found.append(Problem("spend", "data=survivors has one price per cohort; type spend=fixed_price"))
    return found


def _acquisition_problems(acquisition: AcquisitionConfig) -> list[Problem]:
    from clvsim import effects

    return [
        problem
        for name, channel in acquisition.channels.items()
        for problem in effects.check(channel.conversion, "probability", f"acquisition.channels.{name}.conversion")
    ]


def _problem(error: Any, raw: Mapping[str, Any]) -> Problem:
    """One line in our words: rule, then the value that broke it."""
    where = typed_key(error["loc"], raw)
    value = error["input"]
    if error["type"] == "extra_forbidden":
        return unknown_key(where, raw)
    if error["type"] == "missing":
        return Problem(where, "is needed and missing")
    what = error["msg"].removeprefix("Value error, ").replace("Input should", "should")
    what = what[0].lower() + what[1:] if not what.startswith("`") else what
    shown = isinstance(value, str | int | float | date | datetime) and "got" not in what
    return Problem(where, f"{what}, got {value!r}" if shown else what)


def unknown_key(key: str, raw: Mapping[str, Any], groups: tuple[str, ...] = ()) -> Problem:
    """A key that no section of `raw` has, and what it may have meant. `groups` can be chosen, but are no sections."""
    library = {**(raw.get("scenario_library") or {}), **(raw.get("scenario") or {})}
    keys = schema_keys(RunConfig, {**raw, "scenario": library, "scenario_library": {}})
    near = nearest_keys(key, [*groups, *(known for known in keys if known.partition(".")[0] in raw)])
    what = ["no such key"]
    if other := choices_with(key, raw):
        near = [known for known in near if split_key(known)[1] == split_key(key)[1]]
        what.append(f"it goes with {key.partition('.')[0]}={', '.join(other)}")
    if near:
        what.append(f"did you mean {' or '.join(near)}?")
    return Problem(key, "; ".join(what))


def choices_with(key: str, raw: Mapping[str, Any]) -> list[str]:
    """Choices of the key's section whose kinds have the key, where the kind in `raw` does not."""
    section, _, rest = key.partition(".")
    name = rest.partition(".")[0]
    metadata = RunConfig.model_fields[section].metadata if section in RunConfig.model_fields else []
    having = [
        kind
        for item in metadata
        if isinstance(item, OfKind)
        for kind, own in item.classes.items()
        if name in own.model_fields
    ]
    return [] if raw.get(section, {}).get("kind") in having else [kind for kind in having if kind in choices(section)]


def typed_key(location: tuple[Any, ...], raw: Any) -> str:
    """The key as the user types it: pydantic puts the kind of an effect into the path, which is not a key."""
    parts = []
    for i, part in enumerate(location):
        if (isinstance(raw, Mapping) and part in raw) or (
            isinstance(raw, list | tuple) and isinstance(part, int) and part < len(raw)
        ):
            raw = raw[part]
        elif i < len(location) - 1 or (isinstance(raw, Mapping) and raw.get("kind") == part):
            continue
        parts.append(str(part))
    return ".".join(parts).replace("scenario_library.", "scenario.", 1)
