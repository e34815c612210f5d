"""What a run says of newcomers: stated numbers beside those of the log, and what the log makes expect."""

import re

import numpy as np
import pandas as pd
import pytest

from clvsim.config import RunConfig
from clvsim.data import DataConfig, read_transactions
from clvsim.data.material import Material, material_of_log
from clvsim.report.advice import advice
from clvsim.scenario import Scenario
from clvsim.simulation.config import AcquisitionConfig, EnvironmentConfig, FinanceConfig, SimulationConfig
from clvsim.simulation.plan import RunPlan, make_plan
from clvsim.stages.newcomers import newcomers_sentence, with_newcomers
from clvsim.types import QualityLine
from tests.data.madeup import as_log, shop


@pytest.fixture(scope="module")
def material() -> Material:
    """Two years of 100 newcomers a month."""
    frame = shop(5, 731, a_day=100 / (365.25 / 12))
    return material_of_log(read_transactions(as_log(frame), DataConfig()))


def plan(material: Material, **acquisition: object) -> RunPlan:
    return make_plan(
        material.summary,
        {"baseline": Scenario(title="As today")},
        ["baseline"],
        simulation=SimulationConfig(draws=200, horizon_months=6, jobs=1),
        finance=FinanceConfig(gross_margin=0.4),
        acquisition=AcquisitionConfig.model_validate(acquisition),
        environment=EnvironmentConfig(),
        seed=1,
    )


def stated(visitors: float, conversion: float = 0.02) -> dict[str, object]:
    """Two channels that share the visitors."""
    each = {"visitors_per_month": visitors / 2, "conversion": conversion}
    return {"channels": {"ads": each, "mail": each}}


def line(material: Material, plan: RunPlan) -> QualityLine | None:
    return next((q for q in with_newcomers(material, plan).quality if q.key in ("newcomers", "closed")), None)


def test_the_summary_of_a_log_says_how_many_are_expected(material: Material) -> None:
    """And no line of it sends to channels, which the log replaces."""
    assert material.short is not None
    plain = {q.key: q for q in material.quality}
    assert "acquisition.channels" in plain["arrivals"].note
    found = with_newcomers(material, plan(material, from_log=True))
    text = " ".join(advice(material.short, found.quality, (), ()).split())
    assert re.search(
        r" customers a month: [\d.]+ in its last twelve months; about [\d.]+ \([\d.]+ to [\d.]+\) over the next 12",
        text,
    )
    assert not any("acquisition.channels" in q.note for q in found.quality)


def test_other_numbers_than_the_log_s_are_warned_of(material: Material) -> None:
    days = material.summary.customers["T_days"].to_numpy()
    brought = (days < 365.25).sum() / 12
    found = line(material, plan(material, **stated(10_000)))
    assert found is not None
    assert found.level == "warning"
    assert found.label == "You stated 200 new customers a month"
    assert found.value == f"the log brought {brought:.0f} a month"
    assert "acquisition.from_log=true" in found.note
    few = line(material, plan(material, **stated(2_500)))
    assert few is not None
    assert few.label == "You stated 50 new customers a month"


@pytest.mark.parametrize("visitors", [4_400, 5_000, 5_800])
def test_numbers_like_the_log_s_are_not(material: Material, visitors: float) -> None:
    assert line(material, plan(material, **stated(visitors))) is None


def test_a_log_of_few_says_little() -> None:
    """Forty newcomers in a year, 3.3 a month: 4.5 are within two standard errors of a count, 6 are not."""
    days = np.linspace(0, 365, 41).astype(int)
    frame = pd.DataFrame({"customer_id": np.repeat(np.arange(41), 2), "day": np.repeat(days, 2)})
    frame.loc[1::2, "day"] = np.minimum(frame.loc[1::2, "day"] + 20, 370)
    few = material_of_log(read_transactions(as_log(frame), DataConfig()))
    assert line(few, plan(few, **stated(225))) is None
    assert line(few, plan(few, **stated(300))) is not None


def test_of_a_closed_group_it_is_said_that_nobody_came_since() -> None:
    """All came in the first six weeks of a year, as in a study of one cohort."""
    frame = shop(6, 365, a_day=20.0, arrivals=lambda day: (day < 42).astype(float))
    closed = material_of_log(read_transactions(as_log(frame), DataConfig()))
    found = line(closed, plan(closed, **stated(10_000)))
    assert found is not None
    assert (found.level, found.label) == ("warning", "You stated 200 new customers a month")
    assert found.value.startswith("the log has none since")


def test_without_newcomers_nothing_is_said(material: Material) -> None:
    assert line(material, plan(material)) is None


def test_check_says_what_the_log_makes_expect(material: Material) -> None:
    found = line(material, plan(material, from_log=True))
    assert found is not None
    assert found.level == "info"
    assert found.value.endswith("in its last twelve months")
    assert found.note.startswith("about ")
    assert "over the next 12, learned from 2," in found.note


def test_one_sentence_with_what_came_what_may_come_and_what_it_costs(material: Material) -> None:
    rows = [("expected", 1260.0, 1100.0, 1400.0), ("realised", 1255.0, 900.0, 1650.0)]
    table = pd.DataFrame(
        [("baseline", "newcomers", *row) for row in rows],
        columns=["scenario", "metric", "basis", "mean", "p05", "p95"],
    )

    def told(margin: float | None = 0.4, **costs: float) -> str:
        acquisition = AcquisitionConfig.model_validate({"from_log": True, **costs})
        config = RunConfig.model_construct(
            acquisition=acquisition, finance=FinanceConfig(gross_margin=margin, currency="$")
        )
        text = newcomers_sentence(config, plan(material, from_log=True, **costs), table)
        return text.replace("\u00a0", " ")

    start = "About 105 new customers a month are expected over the next 12 months (90 % interval 75 to 138); the log "
    start = start.replace("105", "100").replace("75", "80").replace("138", "140")
    assert told(cost_per_customer=12.5).startswith(start)
    assert told(cost_per_customer=12.5).endswith("a month in its last twelve months. Each costs $12.5.")
    assert told(spend_per_month=900).endswith("They cost $900 a month, however many come.")
    assert told().endswith("so none is taken off (acquisition.cost_per_customer or acquisition.spend_per_month).")
    assert told(margin=None).endswith("in its last twelve months.")
    typed = plan(material, **stated(5_000))
    assert newcomers_sentence(RunConfig.model_construct(), typed, table) == ""
