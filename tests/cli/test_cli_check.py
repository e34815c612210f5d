"""`clvsim check`: a summary, the whole table by --all, and by --json an answer for machines, refusals included."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.shell import ORDERS, tree
from tests.data.madeup import as_log, shop

QUIET = ("spend=fixed_price",)


def answer(done) -> dict:
    """The only thing on stdout."""
    assert "Traceback" not in done.stderr
    assert done.stdout.isascii()
    assert not [c for c in done.stdout if ord(c) < 32 and c != "\n"]
    found = json.loads(done.stdout)
    assert found["exit_code"] == done.returncode
    return found


def test_the_summary_and_the_whole_table(clvsim, here):
    (here / "orders.csv").write_text(ORDERS)
    short, whole = clvsim("check", "orders.csv", *QUIET), clvsim("check", "orders.csv", *QUIET, "--all")
    assert (short.returncode, whole.returncode) == (0, 0)
    (
        first,
        *_,
    ) = short.stdout.splitlines()
    assert first == "orders.csv: 9 rows, 9 orders of 5 customers"
    assert "40% ordered once" in short.stdout
    assert "Mean time since the first order" in whole.stdout
    assert "Mean time since the first order" not in short.stdout
    last = "Next:  clvsim run orders.csv spend=fixed_price"
    assert last in short.stdout.splitlines()
    assert last in whole.stdout.splitlines()


def test_an_answer_for_machines(clvsim, here):
    (here / "my orders.csv").write_text(ORDERS)
    before = tree(here)
    found = answer(clvsim("check", "my orders.csv", "--json", *QUIET))
    assert tree(here) == before
    assert found["problems"] == []
    facts = found["facts"]
    assert (facts["rows"], facts["orders"], facts["customers"], facts["ordered_once"]) == (9, 9, 5, 2)
    assert (facts["first_day"], facts["last_day"], facts["today"]) == ("2024-01-01", "2024-05-03", "2024-05-03")
    assert facts["columns"] == {"customer_id": "customer_id", "date": "date", "amount": "amount"}
    assert set(found["readings"][0]) == {"key", "label", "value", "note", "level", "remedy", "condition"}
    levels = {line["key"]: line["level"] for line in found["readings"]}
    assert levels["horizon"] == "warning"
    assert any(warning.startswith("The horizon is ") for warning in found["warnings"])
    assert found["next"]["arguments"] == ["clvsim", "run", "my orders.csv", *QUIET]
    assert shlex.split(found["next"]["line"]) == found["next"]["arguments"]


def test_remedies_are_in_the_next_command(clvsim, here):
    """Contracts by the month, whose warning names another model."""
    rows = [f"c{n},{2023 + m // 12}-{m % 12 + 1:02}-{n % 20 + 1:02},{29 + n % 2}" for n in range(40) for m in range(18)]
    rows += [f"x{n},2023-0{n}-07,31.5" for n in range(1, 9) for _ in range(2)]
    rows += ["c1,2024-07-09,12.5", "c2,2024-07-09,14.5"]
    (here / "club.csv").write_text("member,date,amount\n" + "\n".join(rows) + "\n")
    found = answer(clvsim("check", "club.csv", "--json"))
    (line,) = [line for line in found["readings"] if line["key"] == "regularity"]
    assert line["remedy"] == ["retention=sbg", "retention.renewal=month", "spend=fixed_price"]
    assert found["next"]["arguments"] == ["clvsim", "run", "club.csv", *line["remedy"]]


REFUSALS = {
    "no such file": (["nothing.csv"], 2, "data.path"),
    "nothing to check": ([], 2, "data.path"),
    "an unknown key": (["orders.csv", "simulation.drws=10"], 2, "simulation.drws"),
    "an unknown choice": (["orders.csv", "retention=nope"], 2, "retention"),
    "an unknown flag": (["orders.csv", "--jsn"], 2, "--jsn"),
    "a value out of range": (["orders.csv", "simulation.draws=0"], 2, "simulation.draws"),
    "a sweep": (["orders.csv", "-m", "seed=1,2"], 2, "--json"),
    "help": (["orders.csv", "--help"], 2, "--json"),
    "a flag with a value": (["orders.csv", "--json=1"], 2, "--json=1"),
    "a file with = in its name": (["a b=c.csv"], 2, "a b=c.csv"),
    "another answer": (["orders.csv", "--cfg", "job"], 2, "--json"),
    "nothing to learn": (["once.csv"], 3, "data"),
    "no dates": (["bad.csv"], 4, "data.date"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_is_an_answer_too(clvsim, here, case):
    words, code, where = REFUSALS[case]
    (here / "orders.csv").write_text(ORDERS)
    (here / "a b=c.csv").write_text(ORDERS)
    (here / "once.csv").write_text("customer_id,date,amount\na,2024-01-01,3\nb,2024-02-01,4\n")
    (here / "bad.csv").write_text(ORDERS + "f,so\x1b[31mon\x7f,3\n")
    done = clvsim("check", *words, "--json")
    assert done.returncode == code
    found = answer(done)
    assert where in {problem["where"] for problem in found["problems"]}
    assert all(problem["what"] for problem in found["problems"])
    assert len(done.stderr.splitlines()) >= len(found["problems"])
    assert ("facts" in found) == (case == "nothing to learn")


def test_signs_that_are_no_characters_are_escaped(clvsim, here):
    """Of a name of a file, a column and a value."""
    text = ORDERS.replace("customer_id", "customer\x07id").replace("a,", "a\u2028b\x1b,")
    (here / "o\x01.csv").write_text(text)
    words = ("o\x01.csv", "data.customer_id=customer id", "--json", *QUIET)
    found = answer(clvsim("check", *words))
    assert found["exit_code"] == 0
    assert found["facts"]["columns"]["customer_id"] == "customer id"


@pytest.mark.parametrize("stage", ["run", "fit", "validate", "report"])
def test_the_flags_are_those_of_check(clvsim, here, stage):
    done = clvsim(stage, "orders.csv", "--all")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--all: is a flag of clvsim check" in done.stderr


def saved(path, frame) -> None:
    frame.to_csv(path, index=False)


def test_a_remedy_under_a_condition_is_a_command_of_its_own(clvsim, here):
    """A shop in mid-life: whether it is older than its log no log says, so most customers are not left out unasked."""
    whole = shop(3, 1095 + 365, a_day=1.5)
    saved(here / "shop.csv", as_log(whole[whole["day"] >= 1095]))
    found = answer(clvsim("check", "shop.csv", "--json", *QUIET))
    (line,) = [line for line in found["readings"] if line["key"] == "mid_life"]
    assert found["next"]["arguments"] == ["clvsim", "run", "shop.csv", *QUIET]
    (other,) = found["next"]["conditional"]
    assert other["arguments"] == ["clvsim", "check", "shop.csv", *QUIET, *line["remedy"]]
    stay, of = (int(n.replace(",", "")) for n in re.findall(r"[\d,]+", other["if"]))
    assert other["if"] == f"the shop is older than its log ({stay:,} of {of:,} customers stay)"
    assert of == found["facts"]["customers"]
    kept = answer(clvsim("check", "shop.csv", "--json", *QUIET, *line["remedy"]))
    assert kept["facts"]["customers"] == stay
    text = clvsim("check", "shop.csv", *QUIET).stdout.splitlines()
    assert "Next:  clvsim run shop.csv spend=fixed_price" in text
    assert text[-2:] == [f"If {other['if']}:", f"       {other['line']}"]


@pytest.mark.parametrize("number", ["order", "voucher"])
def test_while_rows_count_twice_nothing_else_is_advised(clvsim, here, number):
    """Two exports that overlap in their second half, where amounts are higher: a trend that is none."""
    frame = as_log(shop(4, 400, a_day=1.0))
    frame[number] = range(len(frame))
    day = frame["date"].rank(method="dense")
    frame["amount"] = 20 + 6 * (day / day.max())
    middle = sorted(frame["date"])[len(frame) // 2]
    saved(here / "1.csv", frame)
    saved(here / "2.csv", frame[frame["date"] >= middle])
    found = answer(clvsim("check", "1.csv", "2.csv", "--json"))
    assert "trend" not in {line["key"] for line in found["readings"]}
    text = clvsim("check", "1.csv", "2.csv").stdout
    if number == "order":
        assert found["next"]["arguments"] == ["clvsim", "check", "1.csv", "2.csv", "data.order_id=order"]
        assert "look again before a run" in text
    else:
        assert found["next"]["arguments"] == ["clvsim", "run", "1.csv", "2.csv"]
        assert "Rows count twice until data.order_id names the order's number: then check again." in text
    once = answer(clvsim("check", "1.csv", "2.csv", f"data.order_id={number}", "--json"))
    assert once["next"]["arguments"][1] == "run"
    assert "trend" in {line["key"] for line in once["readings"]}


def test_contracts_by_the_year_are_not_advised_as_yearly_appeals(clvsim, here):
    rows = [(f"m{n}", f"{year}-01-15", 600) for n in range(60) for year in range(2017 + n % 4, 2025)]
    saved(here / "club.csv", pd.DataFrame(rows, columns=["member", "date", "amount"]))
    found = answer(clvsim("check", "club.csv", "--json"))
    remedies = [line["remedy"] for line in found["readings"] if line["remedy"]]
    assert remedies == [["retention=sbg", "retention.renewal=year", "spend=fixed_price"]]
    assert not any("bg_bb" in warning for warning in found["warnings"])


def test_a_name_with_controls_is_shown_as_escapes_and_can_be_typed(clvsim, here):
    name = "es'c\x1b[31m\u202e\n.csv"
    (here / name).write_text(ORDERS.replace("a,", "a\x1b,"))
    for flags in ((), ("--all",)):
        done = clvsim("check", name, *flags, *QUIET)
        assert done.returncode == 0
        shown = done.stdout + done.stderr
        assert not [c for c in shown if (c != "\n" and ord(c) < 32) or c in "\x7f\u202e"]
        line = next(line for line in done.stdout.splitlines() if line.startswith("Next:"))
        words = subprocess.run(
            ["bash", "-c", f"printf '%s\\0' {line.removeprefix('Next:')}"],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        assert words.stdout.split("\0")[:-1] == ["clvsim", "run", name, *QUIET]
    assert "\\x1b[32m.csv" in clvsim("check", "no\x1b[32m.csv").stderr
    assert "\x1b" not in clvsim("check", "no\x1b[32m.csv").stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("flags", [(), ("--json",), ("--json", "data.date=when"), ("--help",)])
def test_a_full_device_is_a_remark(here, flags):
    (here / "orders.csv").write_text(ORDERS)
    command = [sys.executable, "-m", "clvsim.cli", "check", "orders.csv", *QUIET, *flags]
    full = ["bash", "-c", f"{shlex.join(command)} > /dev/full"]
    done, plain = (subprocess.run(one, cwd=here, capture_output=True, text=True) for one in (full, command))
    assert done.returncode == plain.returncode
    assert "Traceback" not in done.stderr
    assert done.stderr.count("clvsim: stdout: cannot be written: No space left on device\n") == 1


def test_two_currencies_are_refused_with_a_command_to_type(clvsim, here):
    rows = ORDERS.splitlines()
    money = [f"{row},{'EUR' if n % 3 else 'CHF'}" for n, row in enumerate(rows[1:])]
    (here / "two.csv").write_text("\n".join([f"{rows[0]},currency", *money]) + "\n")
    done = clvsim("check", "two.csv", *QUIET)
    words = ["clvsim", "check", "two.csv", *QUIET, "data.only={currency: [EUR]}"]
    assert (done.returncode, done.stdout) == (4, "")
    assert f"clvsim: Next, or with another choice: {shlex.join(words)}" in done.stderr.splitlines()
    found = answer(clvsim("check", "two.csv", "--json", *QUIET))
    assert found["next"] == {"arguments": words, "line": shlex.join(words)}
    assert answer(clvsim(*words[1:], "--json"))["facts"]["orders"] == 6
    sweep = clvsim("run", "two.csv", "-m", "seed=1,2", *QUIET)
    assert "Next" not in sweep.stderr


def test_a_file_with_an_equals_sign_is_refused_with_what_to_type(clvsim, here):
    (here / "a b=c.csv").write_text(ORDERS)
    done = clvsim("check", "a b=c.csv", *QUIET)
    assert done.stderr == "clvsim: a b=c.csv: is a file with = in its name; type 'data.path=a b=c.csv'\n"
    assert clvsim("check", "data.path=a b=c.csv", *QUIET).returncode == 0
    for word in ("--json=1", "--all=1", "--help=1"):
        done = clvsim("check", "orders.csv", word)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"clvsim: {word}: takes no value\n")


def test_free_orders_are_left_out_as_is_said(clvsim, here):
    (here / "free.csv").write_text(ORDERS + "a,2024-06-01,0.00\nb,2024-06-02,0.00\n")
    said = clvsim("check", "free.csv", *QUIET).stdout
    assert "data.without='{COLUMN: [VALUE]}'" in " ".join(said.split())
    paid = answer(clvsim("check", "free.csv", "data.without={amount: [0.00]}", "--json", *QUIET))
    assert (paid["facts"]["orders"], "free" in {line["key"] for line in paid["readings"]}) == (9, False)
