"""The README on exports: what `check` prints of one, and the lines of Python."""

import re
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from exports import orders, shopify

from clvsim.cli import main

README = Path(__file__).parents[2] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(encoding="utf-8"), re.S | re.M)


@pytest.fixture
def printed(tmp_path, monkeypatch, capsys):
    """What `clvsim WORDS` prints in an empty folder with an export, and its exit code."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orders_export.csv").write_text(shopify(orders()))

    def run(*words: str) -> tuple[int, str]:
        code = main(words)
        return code, capsys.readouterr().out

    return run


def test_check_prints_what_the_readme_shows(printed) -> None:
    code, text = printed("check", "orders_export.csv")
    (shown,) = blocks("text")
    assert code == 0
    assert [line for line in shown.splitlines() if line not in text.splitlines()] == []


def test_the_command_to_type_next_has_what_warnings_advise(printed, tmp_path) -> None:
    """Contracts by the month: another model, so that nothing of the default's keys is advised."""
    days = pd.date_range("2023-01-05", periods=20, freq="MS")
    rows = [
        (f"c{n}", f"{day + pd.Timedelta(days=n % 20):%Y-%m-%d}", 29 + n % 2)
        for n in range(60)
        for day in days[: 20 - n % 9]
    ]
    pd.DataFrame(rows, columns=["member", "date", "amount"]).to_csv(tmp_path / "club.csv", index=False)
    code, text = printed("check", "club.csv", "finance.gross_margin=0.5", "spend=fixed_price")
    assert code == 0
    (line,) = [line for line in text.splitlines() if line.startswith("Next:")]
    assert line == "Next:  clvsim run club.csv finance.gross_margin=0.5 spend=fixed_price"
    code, text = printed("check", "club.csv")
    (line,) = [line for line in text.splitlines() if line.startswith("Next:")] if code == 0 else [text]
    assert code != 0 or line == "Next:  clvsim run club.csv retention=sbg retention.renewal=month spend=fixed_price"


def test_the_lines_of_python_run(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    made = orders(customers=150, number=600)
    rows = [(order.customer, order.at.date(), order.amount) for order in made if order.at.date() < date(2024, 12, 1)]
    pd.DataFrame(rows, columns=["customer", "date", "amount"]).to_csv("orders.csv", index=False)
    (code,) = blocks("python")
    exec(compile(code.replace("FitConfig()", 'FitConfig(method="laplace", draws=1000)'), "README.md", "exec"), {})
    head, *rows = capsys.readouterr().out.splitlines()[-11:]
    assert head.split() == ["customer_id", "rlv_mean", "p_alive"]
    values = [float(row.split()[-2]) for row in rows]
    assert len(values) == 10
    assert values == sorted(values, reverse=True)
