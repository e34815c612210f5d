"""Exit codes 2, 3 and 4 for logs that cannot be used: a line each, and nothing written."""

import pytest

from tests.cli.shell import ORDERS, assert_refused, tree

HEADER = "customer_id,date,amount\n"
LOGS = {
    "empty": ("", 4, "empty"),
    "header only": (HEADER, 4, "no rows"),
    "unparsable date": (ORDERS + "f,soon,3\n", 4, "soon"),
    "ambiguous dates": (HEADER + "a,01/02/2024,3\na,03/04/2024,3\nb,05/06/2024,4\n", 4, "date"),
    "date in the future": (ORDERS + "f,2999-01-01,3\n", 4, "2999-01-01"),
    "two decimal signs": (ORDERS + 'f,2024-03-01,"12,50"\nf,2024-03-02,1.5\n', 4, "12,50"),
    "thousands or decimals": (ORDERS + 'f,2024-03-01,"1,250"\n', 4, "data.decimal=."),
    "two currencies": (ORDERS + "f,2024-03-01,$5\nf,2024-03-02,€5\n", 4, "1 in $"),
    "missing id": (ORDERS + ",2024-03-01,5\n", 4, "customer_id"),
    "one customer": (HEADER + "a,2024-01-01,3\na,2024-02-01,4\n", 4, "customer"),
    "wrong columns": ("who;when;what\na;2024-01-01;3\n", 2, "data.customer_id"),
    "no repeat buyers": (
        HEADER + "a,2024-01-01,3\nb,2024-02-01,4\nc,2024-02-11,4\n",
        3,
        "cannot be learned from this log",
    ),
}


CASES = [*(("check", name) for name in LOGS), ("run", "unparsable date"), ("fit", "no repeat buyers")]


@pytest.mark.parametrize(("stage", "log"), CASES, ids=[f"{stage} {log}" for stage, log in CASES])
def test_a_log_that_cannot_be_used(clvsim, here, stage, log):
    content, code, text = LOGS[log]
    (here / "orders.csv").write_text(content)
    before = tree(here)
    done = clvsim(stage, "orders.csv")
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    assert lines
    assert all(line.startswith("clvsim: ") for line in lines)
    assert text in done.stderr
    assert tree(here) == before


def test_refunds_when_they_are_an_error(command, here):
    (here / "orders.csv").write_text(ORDERS + "a,2024-05-09,-3\n")
    before = tree(here)
    assert_refused(command("check", "orders.csv", "data.refunds=error"), 4, "refund")
    assert tree(here) == before


def test_a_log_that_can_be_used(command, here):
    (here / "orders.csv").write_text(ORDERS)
    before = tree(here)
    done = command("check", "orders.csv")
    assert done.returncode == 0, done.stderr
    assert (
        done.stderr
        == "clvsim: columns guessed: data.customer_id='customer_id', data.date='date', data.amount='amount'\n"
    )
    assert "customer_id" in done.stdout
    assert tree(here) == before
