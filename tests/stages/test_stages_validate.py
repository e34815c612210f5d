"""The stage from a configuration to its files and exit code, with posteriors that are not sampled."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clvsim.config import RunConfig, validate
from clvsim.errors import ConfigError
from clvsim.models import RETENTION
from clvsim.models.fitted import FittedModels
from clvsim.progress import progress
from clvsim.runfolder import RunContext
from clvsim.stages import check as check_stage
from clvsim.stages import fits as fits_stage
from clvsim.stages import run as run_stage
from clvsim.stages import validate as validate_stage
from clvsim.types import DrawMethod
from tests.data.madeup import as_log, december, shop
from tests.report.factory import undrawn
from tests.simulation.shop import posterior, with_draws

DRAWS = 40
PAID = 70_976.39  # all rows of the file after 30 September by customers known then, added up
DATA = {"kind": "bundled", "calibration_end": "1997-09-30", "customer_id": "customer_id", "date": "date"}


def configured(**changed: Any) -> RunConfig:
    data = {**DATA, "amount": "amount", **changed.pop("data", {})}
    raw = {
        "data": data,
        "retention": {"kind": "bg_nbd"},
        "spend": {"kind": "gamma_gamma"},
        "simulation": {"draws": DRAWS, "jobs": 1},
        "scenario": {"baseline": {"title": "As today"}},
        "title": "<b>A & B</b>",
    }
    return validate({**raw, **changed})


class Shell:
    """Folder, results and remarks of a stage."""

    def __init__(self, folder: Path) -> None:
        self.results: list[str] = []
        self.notes: list[str] = []
        silent = progress(interactive=False)
        self.context = RunContext(folder, folder, "clvsim validate", self.results.append, self.notes.append, silent)


def fitted_model(name: str, **values: float) -> FittedModels:
    """A model with draws like the shop's with a little spread, so that leaving out has something to weigh."""
    base = posterior(DRAWS, spread=0.02)
    jitter = np.exp(0.02 * np.random.default_rng(1).standard_normal(DRAWS))
    draws = {k: v * jitter for k, v in values.items()} or base.posterior.retention
    return replace(with_draws(base, retention=draws), retention=RETENTION[name]())


@pytest.fixture
def validate_with(tmp_path, monkeypatch) -> Callable[..., tuple[int, Shell]]:
    def stage(*models: FittedModels, **changed: Any) -> tuple[int, Shell]:
        monkeypatch.setattr(validate_stage, "fit_models", lambda *_: {m.retention.kind: m for m in models})
        shell = Shell(tmp_path)
        return validate_stage.validate(configured(**changed), shell.context), shell

    return stage


def test_models_side_by_side_make_one_page_and_one_table(validate_with, tmp_path):
    models = [fitted_model("bg_nbd"), fitted_model("mbg_nbd", r=0.525, alpha=6.183, a=0.891, b=1.614)]
    code, shell = validate_with(*models, fit={"compare": ["mbg_nbd"]})
    assert code == 0
    assert {p.name for p in tmp_path.iterdir()} == {
        "validation.html", "validation.csv", "figures", "run.json", "posterior.nc", "posterior_mbg_nbd.nc",
    }  # fmt: skip
    text = shell.results[0]
    assert max(map(len, text.splitlines())) <= 100
    assert "1,882" in text
    assert "a single order never counts as lost" in " ".join(text.split())

    page = (tmp_path / "validation.html").read_text("utf-8")
    assert "&lt;b&gt;A &amp; B&lt;/b&gt;" in page
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?!#)', page)  # nothing is loaded
    assert page.count('<svg role="img"') == 6
    figures = {"totals", "cumulative", "tracking", "classes", "active", "pit"}
    assert {p.stem for p in (tmp_path / "figures").iterdir()} == figures
    assert "never counts as lost" in page

    table = pd.read_csv(tmp_path / "validation.csv")
    assert list(table.columns) == ["figure", "model", "value", "low", "high", "n"]
    of = table.set_index(["figure", "model"])
    assert of.loc[("orders_total/all customers", "actual"), "value"].item() == 1882
    assert of.loc[("orders_class/7+", "actual"), "n"].item() == 64
    assert table[table["figure"] == "stacking_weight"]["value"].sum() == pytest.approx(1)
    assert set(table["model"]) == {"actual", "bg_nbd", "mbg_nbd", "same again", "mean rate", "recency rule"}
    bands = table.dropna(subset=["low"])
    bands = bands[bands["figure"].str.startswith(("orders_", "revenue_", "weekly_", "cumulative_"))]
    assert len(bands) > 200
    assert (bands["low"] <= bands["high"]).all()

    assert re.search(r"1,882 came, (at the \d+(st|nd|rd|th)|above the 99th|below the 1st) of 100 simulated futures\.",
                     " ".join(text.replace("\u00a0", " ").split()))  # fmt: skip
    assert not re.search(r"(in|out)side (its|the|both)", text + page)
    positions = table[table["figure"].str.endswith("/position")]
    assert len(positions) == 2 * (len(bands[bands["figure"].str.contains(r"^(?:orders|revenue)_.*/process$")]) // 2)
    assert positions["value"].between(0, 1).all()
    place = of.loc[("orders_total/all customers/position", "bg_nbd"), "value"].item()
    assert json.loads((tmp_path / "run.json").read_text())["verdict"]["position_of_all"]["bg_nbd"] == place

    record = json.loads((tmp_path / "run.json").read_text())
    paid = of.loc[("revenue_total/all customers/actual", "mbg_nbd"), "value"].item()
    revenue = record["verdict"]["revenue"]
    assert revenue["total"]["bg_nbd"]["actual"] == paid == pytest.approx(PAID, abs=0.005)
    assert "actual: 71,000" in text  # three digits
    assert "In money" in page
    assert set(revenue["rules"]) == {"same again", "mean rate", "recency rule"}
    for part in (record["verdict"]["orders"], revenue):
        for name, score in (part["models"] | part["rules"]).items():
            assert 0 < score["gini"] < 1, name
            assert score["tenths_error"] > 0
    assert of.loc[("revenue_gini", "bg_nbd"), "value"].item() == revenue["models"]["bg_nbd"]["gini"]
    assert record["verdict"]["best"] in {"bg_nbd", "mbg_nbd"}
    assert record["verdict"]["trusted"] is None  # at the published maxima both expect far less than came
    assert text.startswith("Do not rely on the totals of any of these models")
    assert {m["model"] for m in record["models"]} == {"bg_nbd", "mbg_nbd"}


@pytest.fixture
def in_words(monkeypatch) -> None:
    """Figures of the page are not drawn: they are in the test above."""
    monkeypatch.setattr("clvsim.report.validation_figures.make_drawing", undrawn)


@pytest.mark.usefixtures("in_words")
def test_a_model_that_customers_contradict_is_3_and_leaves_its_page(validate_with, tmp_path):
    """Everybody buys every two weeks and nobody leaves."""
    code, shell = validate_with(fitted_model("bg_nbd", r=50.0, alpha=100.0, a=0.001, b=10.0))
    assert code == 3
    assert (tmp_path / "validation.html").is_file()
    assert (tmp_path / "run.json").is_file()
    assert shell.results[0].startswith("Do not rely on this model")
    (note,) = shell.notes
    assert re.match(r"bg_nbd fails: .* must be 65.% to 92.%", note)


@pytest.mark.usefixtures("in_words")
def test_a_draft_names_no_parameters_among_its_layers(validate_with):
    _, shell = validate_with(with_draws(fitted_model("bg_nbd"), retention_method=DrawMethod("map")))
    assert "intervals of simulated worlds; process + environment uncertainty" in " ".join(shell.results[0].split())


def fit_to(monkeypatch: pytest.MonkeyPatch, fitted: FittedModels) -> None:
    """A run's fits, of all of the log and of its first part."""
    for name in ("fit_models", "fit_all"):
        monkeypatch.setattr(fits_stage, name, lambda *_: {"bg_nbd": fitted})


def test_a_run_with_one_model_at_a_single_point_is_a_draft(tmp_path, monkeypatch):
    spend = posterior(2, spread=0.1).posterior.spend
    methods = {"retention_method": DrawMethod("map"), "spend_method": DrawMethod("nuts")}
    half = with_draws(posterior(2), spend=spend, **methods)
    fit_to(monkeypatch, half)
    shell = Shell(tmp_path)
    run_stage.run(configured(simulation={"draws": 2, "jobs": 1, "horizon_months": 1}), shell.context)
    assert shell.results[0].startswith("DRAFT: parameter uncertainty is left out")


@pytest.mark.usefixtures("in_words")
def test_a_page_about_contracts_speaks_of_renewals(validate_with, tmp_path):
    """In text, figures and their captions, but for the log, which is one of orders."""
    model = fitted_model("sbg", alpha=1.0, beta=1.5)
    _, shell = validate_with(model, retention={"kind": "sbg"}, title="Contracts", question="Renewed?")
    page = re.sub(r"<style.*?</style>", "", (tmp_path / "validation.html").read_text("utf-8"), flags=re.S)
    page = re.sub(r'<div class="warnings">.*?</div>', "", page, flags=re.S)  # what is said of the log's rows
    seen = re.sub(r"<[^>]*>", " ", page) + " ".join(re.findall(r'aria-label="([^"]*)"', page))
    assert "renewals expected" in seen
    for text in (seen, *(re.sub(r"\n\n! .*", "", result, flags=re.S) for result in shell.results)):
        assert not re.findall(r".{0,20}[Oo]rder.{0,20}", text)


def test_warnings_about_the_log_stand_on_the_page_and_on_the_terminal(validate_with, tmp_path):
    """Of the sample, eight first orders of zero before the end of September 1997."""
    _, shell = validate_with(fitted_model("bg_nbd"))
    page = (tmp_path / "validation.html").read_text("utf-8")
    assert "<li>Free orders: " in page
    assert "\n! Free orders: " in shell.results[0]
    assert (
        "<li>Months ahead that were never seen: October to December, taken to be like the others (" in page
    )  # up to June 1998
    assert "The horizon" not in page


def test_every_stage_says_what_the_days_ahead_have_that_the_log_has_not(monkeypatch, tmp_path):
    """Three years ahead of a log of nine months."""
    fit_to(monkeypatch, fitted_model("bg_nbd"))
    shell = Shell(tmp_path)
    config = configured(
        data={"today": "1997-09-30", "calibration_end": "1997-08-07"},
        simulation={"draws": DRAWS, "jobs": 1, "horizon_months": 36},
    )
    check_stage.check(config, shell.context)
    run_stage.run(config, shell.context)
    page = (tmp_path / "report.html").read_text("utf-8")
    table, _, _, terminal, *_ = shell.results  # after a line that a run could start, and the command to type next
    for text in (table, terminal, page):
        assert re.search(r"Months ahead that were never seen:? +October to December", text)
        assert re.search(r"The horizon:? +is 4 times what was observed", text)
    for text in (terminal, page):
        assert re.search(
            r"lies beyond \(\d\d% of the revenue of today.{1,5}s customers\) rests", " ".join(text.split())
        )
    assert "what lies beyond rests on" in " ".join(table.split())


def test_check_names_what_auto_takes_from_the_log(tmp_path):
    """A season by its key, as a run does; nothing where it is asked for."""
    as_log(shop(0, 1100, a_day=0.7, pace=december(3.0))).to_csv(tmp_path / "orders.csv", index=False)
    data = {"kind": "csv", "path": str(tmp_path / "orders.csv"), "calibration_end": None}
    for retention, found in (({"kind": "auto"}, 1), ({"kind": "auto", "season": "month"}, 0)):
        shell = Shell(tmp_path)
        assert (
            check_stage.check(configured(data=data, retention=retention, spend={"kind": "fixed_price"}), shell.context)
            == 0
        )
        said = " ".join("\n".join(shell.results).split())
        assert said.count("are modelled (retention.season=off leaves it)") == found


def test_the_page_says_that_orders_are_merged(validate_with):
    model = fitted_model("bg_bb", alpha=0.3, beta=2.0, gamma=0.7, delta=3.0)
    _, shell = validate_with(model, retention={"kind": "bg_bb"})
    assert "Orders of a customer in one period of 30.4 days count as one order." in " ".join(shell.results[0].split())


def test_without_a_hold_out_the_key_and_a_date_are_named(validate_with, tmp_path):
    """545 days of CDNOW: two thirds are 363, from 1 January 1997."""
    with pytest.raises(ConfigError) as refused:
        validate_with(fitted_model("bg_nbd"), data={"calibration_end": "none"})
    ((where, what),) = refused.value.problems
    assert where == "data.calibration_end"
    assert "(data.calibration_end=none)" in what
    assert what.endswith("data.calibration_end=1997-12-30")
    assert list(tmp_path.iterdir()) == []


def test_the_comparison_reaches_the_report_of_a_run():
    from clvsim.report import format as fmt
    from clvsim.report import model_scores
    from clvsim.types import ModelScore

    scores = (
        ModelScore("bg_nbd", -9586.67, -0.16, 4.17, 4.5, 0.62, 0, 1654.3, 1533.3, 1775.8),
        ModelScore("mbg_nbd", -9586.51, 0.0, 0.0, 4.7, 0.0, 0, 1576.9, 1471.6, 1683.7),
        ModelScore("pareto_nbd", -9612.0, -25.5, 6.5, 4.9, 0.38, 3, 1615.9, 1414.7, 1796.8),
        ModelScore("bg_cnbd", -9613.0, -26.5, 6.9, 4.9, 0.0, 0, 1600.0, 1500.0, 1700.0, ("groups and covariates",)),
    )
    facts = dict(model_scores.facts(scores, 36))
    assert facts["Models side by side"].startswith(
        "mbg_nbd and bg_nbd predict customers left out better than pareto_nbd and bg_cnbd, beyond twice the standard "
        "error. "
        "Customers left out do not tell mbg_nbd and bg_nbd apart. Do not rely on the log score of pareto_nbd (3 "
        "customers): single customers"
    )
    assert "log score −9,586.7, −0.2 ± 4.2 to the best, weight 62" in facts["bg_nbd, compared with the others"]
    assert "1,600 [1,500, 1,700] orders" in facts["bg_cnbd, compared with the others"]
    assert " bg_cnbd leaves out groups and covariates." in facts["Models side by side"]
    assert "does not say otherwise" not in facts["Models side by side"]
    nearly_all = model_scores.verdict((scores[0]._replace(weight=0.99), *scores[1:])).replace(fmt.NBSP, " ")
    assert (
        "do not tell mbg_nbd and bg_nbd apart: the differences are within twice their standard error. The weight of "
        "99 % for bg_nbd does not say otherwise: it is a share in the best mixture" in nearly_all
    )
    assert "99" not in model_scores.verdict((*scores[:3], scores[3]._replace(weight=0.99)))
    assert model_scores.verdict(scores[:1]) == "There is nothing to compare bg_nbd with."
    table = model_scores.table(scores, 273)
    assert max(map(len, table.splitlines())) <= 100
    assert len({len(line) for line in table.splitlines()}) == 1
