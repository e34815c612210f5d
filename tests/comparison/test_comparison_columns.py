"""Other tools read comparison.csv by place: new columns come at the end."""

from clvsim.comparison import COLUMNS

KNOWN = (
    *("scenario", "metric", "unit", "basis", "layers", "mean", "mean_mcse", "p05", "p50", "p95"),
    *("delta_mean", "delta_mcse", "delta_p05", "delta_p50", "delta_p95"),
    *("p_better", "p_better_mcse", "p_best", "expected_loss", "p_equal", "p_best_mcse", "expected_loss_mcse"),
)


def test_columns_that_were_there_stay_where_they_are():
    assert COLUMNS[: len(KNOWN)] == KNOWN
