"""`retention=auto`: how models are weighed, who is left out, and the layer beyond them."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from clvsim.data.config import DataConfig
from clvsim.data.read import as_of, read_transactions
from clvsim.data.summary import summarize
from clvsim.errors import ConfigError
from clvsim.models import RETENTION, auto
from clvsim.models.around.several import MODEL
from clvsim.models.auto import (
    Auto,
    Weighing,
    can_be_moved,
    discrepancy,
    fit_auto,
    forward_scores,
    joined,
    pseudo_bma,
    weigh,
)
from clvsim.models.compare import with_others
from clvsim.models.config import FitConfig
from clvsim.models.fitted import FittedModels
from clvsim.models.laws import customers_of
from clvsim.models.retention import bg_nbd
from clvsim.models.spend.gamma_gamma import GammaGamma
from clvsim.types import CustomerSummary, HoldoutCheck, Posterior

START, WEEK = np.datetime64("2023-01-01", "D"), 7.0
FIT = FitConfig(method="laplace", draws=1000, cache=False)
TRUTH = {"r": 0.7, "alpha": 5.0, "a": 1.2, "b": 2.0}


def shop(customers: int, days: int, seed: int, *, leaves_at_once: bool) -> Any:
    """Orders of people who come evenly and may leave after each order, the first included or not."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(customers):
        day, rate = random.uniform(0, 0.6 * days), random.gamma(TRUTH["r"]) / (7 * TRUTH["alpha"])
        p, first = random.beta(TRUTH["a"], TRUTH["b"]), True
        while day < days:
            rows.append((f"c{number:05d}", int(day), round(10 * random.gamma(4), 2)))
            if (leaves_at_once or not first) and random.uniform() < p:
                break
            day, first = day + random.exponential() / rate, False
    frame = pd.DataFrame(rows, columns=["customer_id", "date", "amount"])
    frame["date"] = START + frame["date"].to_numpy().astype("timedelta64[D]")
    return frame


def log_and_cut(frame: Any, cut: date, **settings: Any) -> tuple[CustomerSummary, CustomerSummary]:
    log = read_transactions(frame, DataConfig(calibration_end="none", **settings))
    return summarize(log), summarize(as_of(log, cut))


@pytest.fixture(scope="module")
def logs() -> tuple[CustomerSummary, CustomerSummary]:
    return log_and_cut(shop(3000, 400, 3, leaves_at_once=True), date(2023, 11, 1))


@pytest.fixture(scope="module")
def fits(logs) -> list[dict[str, FittedModels]]:
    fitted = [auto.fit_members(Auto(), summary, GammaGamma(), FIT, None, None) for summary in logs]
    assert not fitted[0][1]
    return [members for members, _ in fitted]


# --- weights ----------------------------------------------------------------------------------------------------------


def test_the_true_model_gets_most_of_the_weight(logs, fits) -> None:
    """3,000 customers of MBG/NBD: BG/NBD, under which nobody leaves at once, has next to none."""
    by_the_last_part = weigh(fits[0], logs[0], fits[1], logs[1], {}, FIT)
    left_out = weigh(fits[0], logs[0], None, None, {}, FIT)
    assert by_the_last_part.forward
    assert not left_out.forward
    for weighing in (by_the_last_part, left_out):
        assert weighing.weights["mbg_nbd"] > 0.5
        assert weighing.weights["bg_nbd"] < 0.2
        assert sum(weighing.weights.values()) == pytest.approx(1.0)


def test_scores_are_computed_once_and_again_where_their_file_is_damaged(logs, fits, tmp_path, monkeypatch) -> None:
    one, before = fits[0]["mbg_nbd"], fits[1]["mbg_nbd"]

    def scores(folder: Path | None) -> list[np.ndarray]:
        return [auto.loo_scores(one, logs[0], folder), forward_scores(before, one, logs[1], logs[0], folder)]

    fresh = scores(tmp_path)
    kept = sorted(tmp_path.iterdir())
    assert [path.suffix for path in kept] == [".npy", ".npy"]
    for scores_of, plain in zip(fresh, scores(None), strict=True):
        np.testing.assert_array_equal(scores_of, plain)
    with monkeypatch.context() as patch:
        patch.setattr(auto, "leave_one_out", None)
        patch.setattr(auto, "logsumexp", None)
        for again, first in zip(scores(tmp_path), fresh, strict=True):
            np.testing.assert_array_equal(again, first)
    for damage in (b"", b"not an array", kept[0].read_bytes()[:-8]):
        for path in kept:
            path.write_bytes(damage)
        for again, first in zip(scores(tmp_path), fresh, strict=True):
            np.testing.assert_array_equal(again, first)
    np.save(kept[0], np.full(len(fresh[0]), np.nan))
    np.save(kept[1], np.array([{}], object), allow_pickle=True)
    for again, first in zip(scores(tmp_path), fresh, strict=True):
        np.testing.assert_array_equal(again, first)
    other = one.first(400)
    assert not np.array_equal(auto.loo_scores(other, logs[0], tmp_path), fresh[0])
    nowhere = tmp_path / "file"
    nowhere.write_text("no folder")
    for again, first in zip(scores(nowhere), fresh, strict=True):
        np.testing.assert_array_equal(again, first)


def test_the_score_is_the_likelihood_of_what_came_given_what_was_known(logs) -> None:
    """One draw, so that the mean over draws is its own: plain densities of FHL's eq. (1) by quadrature."""
    today, known = logs
    params = {name: np.array([value]) for name, value in {"r": 0.5, "alpha": 6.0, "a": 0.9, "b": 2.2}.items()}
    model: Any = RETENTION["bg_nbd"]()
    fitted = FittedModels(model, GammaGamma(), Posterior(params, {"p": np.ones(1)}, "week"))
    scores = forward_scores(fitted, fitted, known, today)
    assert scores.shape == (len(known.customers),)
    later = today.customers.set_index("customer_id").loc[known.customers["customer_id"]]
    for row in (0, 7, 100, 555):
        both = []
        for frame in (later.iloc[row], known.customers.iloc[row]):
            x, t_x, T = frame["frequency"], frame["recency_days"] / WEEK, frame["T_days"] / WEEK
            both.append(np.log(density(x, t_x, T, **{k: float(v[0]) for k, v in params.items()})))
        assert scores[row] == pytest.approx(both[0] - both[1], abs=1e-6)


def density(x: float, t_x: float, T: float, r: float, alpha: float, a: float, b: float) -> float:
    """BG/NBD's likelihood with its two traits integrated out one by one."""
    alive = integrate.quad(
        lambda rate: stats.gamma.pdf(rate, r, scale=1 / alpha) * rate**x * np.exp(-rate * T), 0, np.inf
    )[0]
    lost = integrate.quad(
        lambda rate: stats.gamma.pdf(rate, r, scale=1 / alpha) * rate**x * np.exp(-rate * t_x), 0, np.inf
    )[0]
    stays = integrate.quad(lambda p: stats.beta.pdf(p, a, b) * (1 - p) ** x, 0, 1)[0]
    leaves = integrate.quad(lambda p: stats.beta.pdf(p, a, b) * p * (1 - p) ** (x - 1), 0, 1)[0] if x else 0.0
    return alive * stays + lost * leaves


def test_pseudo_bma_by_plain_python() -> None:
    random = np.random.default_rng(2)
    scores = random.normal(size=(50, 3)) * 0.1
    found = pseudo_bma(scores, seed=4)
    rng = np.random.default_rng([4, auto._SEED])
    total = [0.0, 0.0, 0.0]
    for _ in range(auto.BOOTSTRAPS):
        share = rng.exponential(size=50)
        sums = [
            50 * sum(s * score for s, score in zip(share / share.sum(), scores[:, k], strict=True)) for k in range(3)
        ]
        best = max(sums)
        weights = [np.exp(s - best) for s in sums]
        total = [t + w / sum(weights) for t, w in zip(total, weights, strict=True)]
    expected = np.array(total) / sum(total)
    expected[expected < 0.05] = 0
    np.testing.assert_allclose(found, expected / expected.sum(), rtol=1e-9)


def test_a_small_weight_is_none() -> None:
    scores = np.zeros((200, 2))
    scores[:, 1] = -0.1
    assert pseudo_bma(scores, 1).tolist() == [1.0, 0.0]
    assert pseudo_bma(np.zeros((20, 2)), 1).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("change", ["rows", "cents", "days"])
def test_rows_and_units_leave_the_weights_alone(change: str) -> None:
    frame = shop(400, 300, 8, leaves_at_once=True)
    weights = []
    for changed in (False, True):
        table, settings = frame.copy(), {}
        if changed and change == "rows":
            table = table.sample(frac=1, random_state=1)
        if changed and change == "cents":
            table["amount"] *= 100
        if changed and change == "days":
            settings = {"time_unit": "day"}
        today, known = log_and_cut(table, date(2023, 8, 20), **settings)
        (now, out), (before, _) = (auto.fit_members(Auto(), s, GammaGamma(), FIT, None, None) for s in (today, known))
        weights.append(weigh(now, today, before, known, out, FIT).weights)
    assert weights[1] == pytest.approx(weights[0], abs=0 if change == "rows" else 1e-6)


# --- who shares -------------------------------------------------------------------------------------------------------


def test_draws_are_shared_out_and_keep_their_own_parameters(fits) -> None:
    weighing = Weighing({"bg_nbd": 0.25, "mbg_nbd": 0.0, "pareto_nbd": 0.75}, {}, forward=True)
    fitted = joined(fits[0], weighing)
    several: Any = fitted.retention
    assert [one.kind for one in several.models] == ["bg_nbd", "pareto_nbd"]
    params = fitted.posterior.retention
    assert params[MODEL].mean() == pytest.approx(0.75, abs=0.01)
    np.testing.assert_array_equal(params["pareto_nbd.s"], fits[0]["pareto_nbd"].posterior.retention["s"])
    assert "mbg_nbd.r" not in params


def test_a_key_that_a_member_does_not_know_leaves_it_out() -> None:
    sections, out = Auto(members=("mbg_nbd", "bg_cnbd"), season="month").sections()
    assert list(sections) == ["mbg_nbd"]
    member: Any = sections["mbg_nbd"]
    assert member.season == "month"
    assert out == {"bg_cnbd": "it knows no retention.season"}


def test_nobody_left_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"retention\.members: no member is left: it knows no retention\.season"):
        Auto(members=("bg_cnbd",), season="month").sections()


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"members": ["bg_bb"]}, "bg_bb cannot share draws; choose from bg_nbd, mbg_nbd, pareto_nbd, bg_cnbd"),
        ({"members": ["sbg", "nbd"]}, "sbg, nbd cannot share draws"),
        ({"members": []}, "needs a model"),
        ({"discrepancy_sd": -0.1}, "greater than or equal to 0"),
        ({"r": {"median": 1.0, "sd_log": 1.0}}, "Extra inputs"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        Auto.model_validate(settings)


def test_what_is_compared_with_several_models_stands_beside_them(logs, fits) -> None:
    """Each of `fit.compare` by its name, a member or not; those that share the draws are not fitted again."""
    weighing = Weighing({"bg_nbd": 0.5, "mbg_nbd": 0.5, "pareto_nbd": 0.0}, {}, forward=True)
    several: Any = Auto()
    config = FIT.model_copy(update={"compare": ("pareto_nbd", "mbg_nbd")})
    found = with_others(joined(fits[0], weighing), logs[0], several, GammaGamma(), config)
    assert list(found) == ["auto", "pareto_nbd", "mbg_nbd"]
    assert [one.retention.kind for one in found.values()] == ["auto", "pareto_nbd", "mbg_nbd"]


def test_a_comparison_may_name_the_default_which_is_there_by_itself() -> None:
    assert FitConfig(compare=("auto", "bg_nbd")).compare == ("bg_nbd",)


def test_a_member_that_fails_is_left_out_and_named(logs, monkeypatch: pytest.MonkeyPatch) -> None:
    from clvsim.errors import DiagnosticsError

    plain = auto.fit

    def failing(summary, section, *arguments, **options):
        if section.kind == "pareto_nbd":
            raise DiagnosticsError([("pareto_nbd", "R-hat 1.2 is above 1.01")])
        return plain(summary, section, *arguments, **options)

    monkeypatch.setattr(auto, "fit", failing)
    fitted, out = auto.fit_members(Auto(members=("bg_nbd", "pareto_nbd")), logs[1], GammaGamma(), FIT, None, None)
    assert list(fitted) == ["bg_nbd"]
    assert out == {"pareto_nbd": "R-hat 1.2 is above 1.01"}
    alone = weigh(fitted, logs[1], None, None, out, FIT)
    assert alone.weights == {"bg_nbd": 1.0}
    with pytest.raises(DiagnosticsError):
        auto.fit_members(Auto(members=("pareto_nbd",)), logs[1], GammaGamma(), FIT, None, None)


def test_where_all_fail_each_says_why_once(logs, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails of the money, which they share, is not said three times."""
    from clvsim.errors import DiagnosticsError

    def failing(summary: Any, section: Any, *rest: Any, **more: Any) -> Any:
        raise DiagnosticsError([("fit", f"{section.kind}: R-hat is 1.2"), ("fit", "gamma_gamma: 3 divergences")])

    monkeypatch.setattr(auto, "fit", failing)
    with pytest.raises(DiagnosticsError) as refused:
        auto.fit_members(Auto(), logs[1], GammaGamma(), FIT, None, None)
    told = [problem.what for problem in refused.value.problems]
    assert told == [
        "bg_nbd: R-hat is 1.2", "gamma_gamma: 3 divergences", "mbg_nbd: R-hat is 1.2", "pareto_nbd: R-hat is 1.2",
    ]  # fmt: skip


def test_it_is_fitted_like_any_model(logs) -> None:
    """One call; expected orders are those of the members by their shares."""
    fitted = fit_auto(Auto(), logs[1], GammaGamma(), FIT)
    several: Any = fitted.retention
    histories = fitted.retention.histories(logs[1])
    orders = fitted.retention.expected_orders(fitted.posterior.retention, histories, 180.0, WEEK).sum(axis=1)
    params = fitted.posterior.retention
    for number, one in enumerate(several.models):
        rows = params[MODEL] == number
        own = {
            name.removeprefix(f"{one.kind}."): v[rows] for name, v in params.items() if name.startswith(f"{one.kind}.")
        }
        alone = one.expected_orders(own, customers_of(logs[1]), 180.0, WEEK).sum(axis=1)
        np.testing.assert_allclose(orders[rows], alone, rtol=1e-12)


# --- beyond the models ------------------------------------------------------------------------------------------------


def check_of(actual: int, mean: float, sd: float) -> HoldoutCheck:
    interval = (mean * np.exp(-1.6449 * sd), mean * np.exp(1.6449 * sd))
    return HoldoutCheck(90, actual, mean, interval, interval, 0.5)


def test_the_layer_moves_no_mean_and_is_as_wide_as_its_prior_without_a_check() -> None:
    layer = discrepancy(0.05, None, 20_000, 1)
    assert layer.sd == pytest.approx(0.05 * np.sqrt(2 / np.pi), rel=1e-3)
    factor = np.exp(layer.log_factor)
    assert abs(factor.mean() - 1) < 4 * factor.std() / np.sqrt(20_000)
    assert layer.log_factor.std() == pytest.approx(0.05, rel=0.03)


@pytest.mark.parametrize(("off", "sd"), [(0.0, 0.02), (0.3, 0.05), (-0.25, 0.02), (1.0, 0.1)])
def test_the_check_widens_or_narrows_it_as_bayes_rule_has_it(off: float, sd: float) -> None:
    found = discrepancy(0.05, check_of(round(1e6 * np.exp(off)), 1e6, sd), 1000, 1).sd

    def weight(s: float) -> float:
        return stats.halfnorm.pdf(s, scale=0.05) * stats.norm.pdf(off, scale=np.hypot(s, sd))

    mean, total = (integrate.quad(lambda s, k=k: s**k * weight(s), 0, 0.3, limit=200)[0] for k in (1, 0))
    assert found == pytest.approx(mean / total, rel=0.02)


def test_all_have_learned_the_months_or_none(logs, fits) -> None:
    """Else one would explain a silence by its months, and the others could not."""
    from clvsim.models.shocks import path_of
    from clvsim.simulation.config import EnvironmentConfig

    prior = EnvironmentConfig().path_prior
    (one, _) = auto.fit_members(Auto(members=("mbg_nbd",)), logs[0], GammaGamma(), FIT, prior, None)
    assert path_of(one["mbg_nbd"].retention) is not None
    mixed = auto.on_one_footing({"bg_nbd": fits[0]["bg_nbd"], **one})
    assert [path_of(found.retention) for found in mixed.values()] == [None, None]
    assert "path.level" not in mixed["mbg_nbd"].posterior.retention
    assert auto.on_one_footing(one) == one


def test_without_months_there_is_nothing_to_move(fits) -> None:
    """Fits that learned nothing of months have no level ahead."""
    weighing = Weighing({"bg_nbd": 0.5, "mbg_nbd": 0.5, "pareto_nbd": 0.0}, {}, forward=True)
    assert not can_be_moved(joined(fits[0], weighing))


def test_the_layer_multiplies_all_orders_ahead(logs) -> None:
    """By the level of the path: a living customer is expected to order so many times as much in a short time."""
    from clvsim.simulation.config import EnvironmentConfig

    prior = EnvironmentConfig().path_prior
    auto_of_two = Auto(members=("mbg_nbd", "pareto_nbd"))
    members, out = auto.fit_members(auto_of_two, logs[1], GammaGamma(), FIT, prior, None)
    weighing = Weighing({"mbg_nbd": 0.5, "pareto_nbd": 0.5}, out, forward=True)
    log_factor = np.linspace(-0.1, 0.1, 1000)
    plain, changed = joined(members, weighing), joined(members, weighing, log_factor)
    assert can_be_moved(plain)
    several: Any = plain.retention
    histories = several.histories(logs[1])
    few = type(histories)(*(column[:20] for column in histories))
    orders = [several.expected_discounted_orders(f.posterior.retention, few, 0.5, 0.0, WEEK) for f in (plain, changed)]
    np.testing.assert_allclose(orders[1] / orders[0], np.exp(log_factor)[:, None] * np.ones(20), rtol=5e-3)


def test_a_check_on_nothing_teaches_nothing() -> None:
    assert discrepancy(0.05, check_of(0, 12.0, 0.3), 50, 1).sd == discrepancy(0.05, None, 50, 1).sd


def test_published_parameters_are_bg_nbds() -> None:
    """That this file's truth is read by the library as by FHL's formula."""
    params = {name: np.array([value]) for name, value in TRUTH.items()}
    row = customers_of_one(2.0, 20.0, 30.0)
    found = bg_nbd.log_likelihood(params, *row)[0, 0]
    assert found == pytest.approx(np.log(density(2.0, 20.0, 30.0, **TRUTH)), abs=1e-6)


def customers_of_one(x: float, t_x: float, T: float) -> tuple[np.ndarray, ...]:
    return tuple(np.array([v]) for v in (x, t_x, T))
