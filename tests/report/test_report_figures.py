"""Figures show what they were given, say what they show, and cut nothing."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from factory import DRAWS, LEVERS, curve, demo, foreign, hostile, tracking, undrawn
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from clvsim.report import figures
from clvsim.report.drawing import clean, inline, style, svg, text_width, wrap
from clvsim.types import PaybackCurve, RunResult

DRAW: dict[str, Callable[[RunResult], Figure]] = {
    "difference": figures.difference_figure,
    "payback": figures.payback_figure,
    "tracking": figures.tracking_figure,
}
MAKE = {"demo": demo, "foreign": foreign, "hostile": hostile}


@pytest.fixture(autouse=True)
def our_style() -> Iterator[None]:
    with style():
        yield


def lines(figure: Figure, gid: str) -> list[Line2D]:
    return [line for axes in figure.axes for line in axes.get_lines() if line.get_gid() == gid]


def cut_texts(figure: Figure) -> list[str]:
    """Visible texts whose extent leaves the figure by more than half a point; fine pixels keep hinting out of it."""
    figure.set_dpi(288)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    width, height = figure.bbox.width, figure.bbox.height
    cut = []
    for artist in figure.findobj(Text):
        if not artist.get_visible() or not artist.get_text().strip() or not artist.get_in_layout():
            continue
        box = artist.get_window_extent(canvas.get_renderer())
        if box.x0 < -2 or box.y0 < -2 or box.x1 > width + 2 or box.y1 > height + 2:
            cut.append(artist.get_text())
    return cut


CASES = [(f, m) for f in DRAW for m in MAKE if (f, m) != ("payback", "foreign")]


@pytest.mark.parametrize(("name", "run"), CASES)
def test_no_label_is_cut(name: str, run: str) -> None:
    assert cut_texts(DRAW[name](MAKE[run]())) == []


def test_the_check_for_cut_labels_can_fail() -> None:
    figure = figures.tracking_figure(demo())
    figure.text(0.99, 0.5, "This sentence runs off the paper")
    assert cut_texts(figure) == ["This sentence runs off the paper"]


@pytest.mark.parametrize("name", list(DRAW))
def test_same_run_same_bytes(name: str) -> None:
    first, second = (svg(DRAW[name](demo())) for _ in range(2))
    assert first == second
    assert "<!--" not in first
    assert "<dc:date>" not in first


def test_bytes_do_not_depend_on_the_readers_matplotlib_settings() -> None:
    import matplotlib as mpl

    def file() -> str:
        return figures.make_drawing("tracking", figures.tracking_figure, demo(), "").file

    expected = file()
    with mpl.rc_context({"font.size": 20, "axes.grid": True, "svg.fonttype": "none"}):
        assert file() == expected


def test_one_row_per_lever_around_zero() -> None:
    result = demo()
    figure = figures.difference_figure(result)
    (axes,) = figure.axes
    zero = lines(figure, "zero")
    assert len(zero) == len(LEVERS)
    assert all(np.array_equal(line.get_xdata(), [0, 0]) for line in zero)
    low, high = axes.get_xlim()
    assert low < 0 < high
    rows = result.comparison.query("metric == 'plan_value' and basis == 'expected' and scenario != 'baseline'")
    may = result.comparison.query("metric == 'plan_value' and basis == 'realised' and scenario != 'baseline'")
    for name, table in (("may", may), ("average", rows)):
        bars = np.array([line.get_xdata() for line in lines(figure, name)])
        assert np.allclose(bars, table[["delta_p05", "delta_p95"]].to_numpy(), rtol=1e-12)
    dots = [float(np.asarray(line.get_xdata())[0]) for line in axes.get_lines() if line.get_marker() == "o"]
    assert np.allclose(dots, rows["delta_mean"], rtol=1e-12)
    assert low < may["delta_p05"].min()
    assert high > may["delta_p95"].max()


@pytest.mark.parametrize("mean", [50_000.0, -50_000.0])
def test_zero_stays_in_sight_when_every_draw_is_on_one_side(mean: float) -> None:
    low, high = figures.difference_range(demo({"lever": ("Lever", mean, 1_000.0)}))
    assert low < 0 < high


def test_illustrative_levers_are_marked_in_the_figure() -> None:
    texts = [t.get_text() for t in figures.difference_figure(foreign()).findobj(Text)]
    assert sum("example effect" in text for text in texts) == 2


def test_density_is_one_and_follows_the_draws() -> None:
    rng = np.random.default_rng(5)
    draws = rng.normal(3.0, 2.0, DRAWS)
    grid = np.linspace(-12, 18, 2_001)
    height = figures.density(draws, grid)
    step = grid[1] - grid[0]
    assert height.sum() * step == pytest.approx(1.0, abs=1e-3)
    # The kernel keeps the mean of the (binned) draws: half a bin of 6.5 sd / 512 is below 0.02.
    assert (height * grid).sum() * step == pytest.approx(draws.mean(), abs=0.02)


def test_density_of_equal_draws_is_empty_not_a_crash() -> None:
    assert not figures.density(np.full(100, 7.0), np.linspace(0, 10, 11)).any()
    result = replace(demo({"lever": ("Lever", 0.0, 1.0)}), delta_draws={"lever": np.zeros(DRAWS)})
    assert cut_texts(figures.difference_figure(result)) == []


def test_payback_is_one_panel_with_a_line_for_each_scenario() -> None:
    result = demo()
    figure = figures.payback_figure(result)
    assert len(figure.axes) == 1
    (mean,) = lines(figure, "mean")
    curves = [result.payback[s.name] for s in result.scenarios]
    assert np.array_equal(mean.get_ydata(), curves[0].mean)
    assert np.asarray(mean.get_xdata())[0] == 0  # the first order itself
    for line, one in zip(lines(figure, "lever"), curves[1:], strict=True):
        assert np.array_equal(line.get_ydata(), one.mean)
    (cost,) = lines(figure, "cac")
    assert np.asarray(cost.get_ydata())[0] == curves[0].cac_mean
    assert len(lines(figure, "cac of a lever")) == len({c.cac_mean for c in curves[1:]} - {curves[0].cac_mean})
    (dot,) = lines(figure, "payback")
    assert np.asarray(dot.get_xdata())[0] == curves[0].payback_p50_months
    low, high = figure.axes[0].get_ylim()
    assert low <= 0
    assert high > max(c.p95.max() for c in curves)


def test_no_payback_is_said_and_not_marked() -> None:
    result = demo()
    never = {name: curve(cac=60.0) for name in result.payback}
    result = replace(result, payback=never)
    figure = figures.payback_figure(result)
    assert math.isnan(never["baseline"].payback_p50_months)
    assert lines(figure, "payback") == []
    assert figures.payback_alternative_text(result).count("not paid back within 36 months") == len(never)
    assert figure.axes[0].get_ylim()[1] > 60.0
    assert cut_texts(figure) == []


@pytest.mark.parametrize(
    ("months", "words"), [(0.0, "with the first order"), (1.0, "after 1 month"), (7.0, "7 months")]
)
def test_payback_in_words(months: float, words: str) -> None:
    result = demo()
    curves = {"baseline": replace(result.payback["baseline"], payback_p50_months=months)}
    assert figures.payback_phrase(replace(result, payback=curves), "baseline").endswith(words)


def test_no_payback_figure_without_acquisition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "make_drawing", undrawn)
    result = replace(demo(), acquisition_known=False)
    assert "payback" not in figures.drawings(result)
    assert set(figures.drawings(foreign())) == {"tracking", "difference"}


def test_tracking_shows_actual_and_predicted_weeks() -> None:
    result = demo()
    figure = figures.tracking_figure(result)
    assert np.array_equal(lines(figure, "actual")[0].get_ydata(), result.tracking.actual)
    assert np.array_equal(lines(figure, "mean")[0].get_ydata(), result.tracking.mean)
    assert len(lines(figure, "holdout")) == 1
    assert figure.axes[0].get_ylim()[1] > result.tracking.p95.max()


@pytest.mark.parametrize("weeks", [8, 20, 52, 104, 130, 143, 156, 260, 1000])
def test_tracking_has_dates_for_a_log_of_any_length(weeks) -> None:
    """Matplotlib warns, which is an error here, where no ticks fit."""
    week = np.datetime64("2023-01-02") + 7 * np.arange(weeks)
    track = replace(tracking(), week_start=week, **{f: np.ones(weeks) for f in ("actual", "mean", "p05", "p95")})
    figure = figures.tracking_figure(replace(demo(), tracking=replace(track, holdout_from=None)))
    figure.canvas.draw()
    assert 1 <= len(figure.axes[0].get_xticks()) <= 8


def test_tracking_without_holdout_has_no_line() -> None:
    assert lines(figures.tracking_figure(foreign()), "holdout") == []


@pytest.mark.parametrize("week", [1, 75])
def test_holdout_words_fit_at_either_edge(week: int) -> None:
    track = tracking()
    shifted = replace(track, holdout_from=track.week_start[week])
    assert cut_texts(figures.tracking_figure(replace(demo(), tracking=shifted))) == []


def test_axes_carry_units() -> None:
    assert figures.tracking_figure(demo()).axes[0].get_ylabel() == "Repeat orders per week"
    texts = {t.get_text() for t in figures.payback_figure(demo()).findobj(Text)}
    assert {"Months since the first order", "Contribution so far per new customer"} <= texts
    texts = {t.get_text() for t in figures.payback_figure(replace(demo(), margin_known=False)).findobj(Text)}
    assert "Revenue so far per new customer" in texts


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (-5_000.0, 10_000.0, ["−$5.0k", "−$2.5k", "$0", "$2.5k", "$5.0k", "$7.5k", "$10.0k"]),
        (0.0, 45.0, ["$0", "$10", "$20", "$30", "$40"]),
        (0.0, 0.9, ["$0", "$0.2", "$0.4", "$0.6", "$0.8"]),
    ],
)
def test_money_ticks_are_round_and_distinct(low: float, high: float, labels: list[str]) -> None:
    ticks, tick_labels = figures.money_ticks(low, high, 6, "USD")
    assert tick_labels == labels
    assert len(set(tick_labels)) == len(ticks)


@pytest.mark.parametrize("text", ["W" * 200, "a title of several words that is long " * 4, "x", ""])
def test_wrapping_keeps_every_character_and_the_width(text: str) -> None:
    wrapped = wrap(text, 150.0)
    assert "".join(wrapped.split()) == "".join(text.split())
    assert all(text_width(line) <= 150.0 for line in wrapped.splitlines())


def test_what_the_font_lacks_becomes_a_box() -> None:
    assert clean("a\u0000\n顧\ud800 b") == "a□ □□ b"


def test_inline_names_are_the_figures_own() -> None:
    drawing = figures.make_drawing("tracking", figures.tracking_figure, demo(), "words")
    element = drawing.element
    assert 'id="tracking-' in element
    assert element.count(' id="') == element.count(' id="tracking-')
    assert element.count('href="#') == element.count('href="#tracking-')
    assert "xlink" not in element
    assert "http" not in element
    with pytest.raises(ValueError, match="viewBox"):
        inline("<svg></svg>", "x", "y")


def test_alternative_text_is_escaped_and_holds_the_numbers() -> None:
    drawing = figures.drawings(hostile())["difference"]
    assert "<script" not in drawing.element
    assert "&lt;script&gt;" in drawing.element
    assert "+$13,100" in figures.difference_alternative_text(demo())


def test_curves_may_have_any_horizon() -> None:
    months = np.arange(4)
    short = PaybackCurve(months, months * 5.0, months * 4.0, months * 6.0, 7.0, 2.0, 1.0, 0.0)
    result = replace(demo(), payback={"baseline": short})
    figure = figures.payback_figure(result)
    assert list(figure.axes[0].get_xticks()) == [0, 1, 2, 3]
    assert cut_texts(figure) == []
