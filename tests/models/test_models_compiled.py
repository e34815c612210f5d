"""One graph serves all tables of a model: its data are inputs, as arrays of any length."""

from dataclasses import replace
from typing import Any

import numpy as np
import pymc as pm
import pytest
from plainly import PLAIN
from test_models_pooling import told_apart

from clvsim.data import summarize
from clvsim.models import RETENTION, inference
from clvsim.models import compiled as compiled_module
from clvsim.models.around import pooling, season
from clvsim.models.compiled import compile_model
from clvsim.models.config import FitConfig
from clvsim.models.inputs import by_name
from clvsim.models.sampling import sample
from clvsim.models.spend.gamma_gamma import GammaGamma
from clvsim.models.spend.lognormal import Lognormal
from clvsim.models.spend.rates import Scores
from clvsim.types import CustomerSummary
from tests.stories import STORIES

POOLED = {"pool": "segment", "covariates": {"attrition": ["age"], "quantiles": 4}}
SEASONAL = ("bg_nbd", "pareto_nbd")
CASES = [
    *((name, {}) for name in RETENTION),
    *((name, POOLED) for name in RETENTION),
    *((name, {"season": "month"} | pooled) for name in SEASONAL for pooled in ({}, POOLED)),
]


def half(summary: CustomerSummary) -> CustomerSummary:
    """Every other customer."""
    return replace(summary, customers=summary.customers.iloc[::2].reset_index(drop=True))


@pytest.fixture(scope="module")
def tables(cdnow, cdnow_log):
    """All customers of CDNOW and half of them, in made-up segments, as a model wants orders merged."""

    def of(every: float) -> tuple[CustomerSummary, CustomerSummary]:
        whole = told_apart(summarize(cdnow_log, every) if every else cdnow)
        return whole, half(whole)

    by_period = {every: of(every) for every in (0.0, STORIES["bg_bb"].config["opportunity_days"])}
    return by_period.get


def assert_inputs_are_all_there_is(model: Any, first: Any, second: Any) -> None:
    """The graph of the first rows, given the second as data, is that of the second: at 3 points."""
    graph, other = model.build(first), model.build(second)
    assert by_name(model.inputs(first)).keys() == {data.name for data in graph.data_vars}
    before = graph.compile_logp(mode=PLAIN)
    draw = np.random.default_rng(4)
    points = [{v.name: draw.normal(0, 0.5, v.type.shape) for v in graph.value_vars} for _ in range(3)]
    alone = [float(before(point)) for point in points]
    pm.set_data(by_name(model.inputs(second)), model=graph)
    after = [float(before(point)) for point in points]
    assert after == [float(other.compile_logp(mode=PLAIN)(point)) for point in points]
    assert all(abs(a - b) > 1 for a, b in zip(alone, after, strict=True))


@pytest.mark.parametrize(("name", "asked"), CASES, ids=lambda value: value if isinstance(value, str) else None)
def test_a_retention_models_graph_holds_no_data(name, asked, tables):
    section = RETENTION[name].model_validate({"kind": name, **STORIES[name].config, **asked})
    whole, part = tables(section.opportunity_days)
    model = pooling.configured(section, whole, season.configured(section, whole))
    assert_inputs_are_all_there_is(model, model.sufficient(whole), model.sufficient(part))


@pytest.mark.parametrize("means_only", [False, True])
def test_gamma_gammas_graph_holds_no_data(means_only, tables):
    rows = (GammaGamma().sufficient(replace(table, means_only=means_only)) for table in tables(0.0))
    assert_inputs_are_all_there_is(GammaGamma(), *rows)


@pytest.mark.parametrize("correlated", [False, True])
def test_lognormals_graph_holds_no_data(correlated, tables):
    model = Lognormal(correlated=correlated)
    rows = [model.sufficient(table) for table in tables(0.0)]
    if correlated:
        z = np.array([-1.0, 0.0, 1.5])
        rows = [r._replace(scores=Scores(np.tile(z, (r.x.size, 1)), np.full((r.x.size, 3), 1 / 3))) for r in rows]
    assert_inputs_are_all_there_is(model, *rows)


def test_compiled_functions_serve_another_table(tables):
    """Density, gradient, free variables, weighted draws and chains: as if compiled for it."""
    model, config = Lognormal(), FitConfig(draws=200, chains=2, tune=200, seed=5)
    first, second = (model.sufficient(table) for table in tables(0.0))
    one, other = (compile_model(model.build(rows)) for rows in (first, second))
    swapped = one.with_data(by_name(model.inputs(second)))
    assert swapped.functions() is one.functions()
    assert swapped.sampler() is one.sampler()
    density, expected = swapped.density(), other.density()
    points = expected.start + np.random.default_rng(1).normal(0, 0.3, (7, 3))
    np.testing.assert_array_equal(density.values(points), expected.values(points))
    for point in points:
        assert density.slope(point)[0] == expected.slope(point)[0]
        np.testing.assert_array_equal(density.slope(point)[1], expected.slope(point)[1])
    pairs = (
        (density.constrain(points), expected.constrain(points)),
        [inference.laplace(m, "lognormal", 500, 400, 1)[0] for m in (swapped, other)],
        [sample(m, config)[0] for m in (swapped, other)],
    )
    for a, b in pairs:
        assert list(a) == list(b) == ["median", "omega", "sigma"]
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])
    before, _ = sample(one, config)
    assert abs(before["omega"].mean() - b["omega"].mean()) > 1e-3


def test_a_table_with_another_graph_is_refused(tables):
    rows = RETENTION["bg_cnbd"](k=2).sufficient(tables(0.0)[0])
    compiled = compile_model(RETENTION["bg_cnbd"](k=2).build(rows))
    with pytest.raises(ValueError, match="another graph: data_order_stages_2, data_silence_2"):
        compiled.with_data(by_name(RETENTION["bg_cnbd"](k=3).inputs(rows._replace(k=3.0))))


@pytest.mark.parametrize("model", [RETENTION["bg_nbd"](), RETENTION["bg_cnbd"](k=2)], ids=lambda model: model.kind)
def test_models_of_one_graph_share_what_is_compiled_and_nothing_else(model, tables, monkeypatch):
    """Bit for bit, whichever table was compiled for; another setting of a prior is another graph."""
    monkeypatch.setattr(compiled_module, "_SHARED", {})
    first, second = (model.sufficient(table) for table in tables(0.0))
    alone = compile_model(model.build(second))
    one, other = (compile_model(model.build(rows), "own") for rows in (first, second))
    assert other.functions() is one.functions() is not alone.functions()
    assert compile_model(model.build(first), "other").functions() is not one.functions()
    found, expected = other.density(), alone.density()
    np.testing.assert_array_equal(found.start, expected.start)
    points = expected.start + np.random.default_rng(1).normal(0, 0.3, (5, expected.start.size))
    for point in points:
        for a, b in zip(found.slope(point), expected.slope(point), strict=True):
            np.testing.assert_array_equal(a, b)
    for name, values in expected.constrain(points).items():
        np.testing.assert_array_equal(found.constrain(points)[name], values)


def test_compiled_graphs_are_not_kept_without_end(tables, monkeypatch):
    monkeypatch.setattr(compiled_module, "_SHARED", {})
    monkeypatch.setattr(compiled_module, "_KEPT", 1)
    rows = Lognormal().sufficient(tables(0.0)[0])
    for graph in "ab":
        compile_model(Lognormal().build(rows), graph).functions()
    [kept] = compiled_module._SHARED
    assert "'b'" in str(kept)
