"""`clvsim sweep`: what it prints and writes, that nothing but the values moves it, and what it refuses."""

import json
import random
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.shell import assert_refused, tree

SMALL = (
    *("retention=bg_nbd", "fit.method=laplace", "fit.draws=500", "simulation.draws=500", "simulation.replicates=1"),
    *(
        "simulation.max_replicates=1",
        "simulation.horizon_months=6",
        "finance.gross_margin=0.5",
        "environment.sd_prior=0",
    ),
)
COLUMNS = ("data.customer_id=customer_id", "data.date=date", "data.amount=amount")
CADENCE = "scenario.follow_up.email.per_month"
MINE = "title: My offer\nlate: {kind: offer, take: {kind: expert, p10: 0.02, p50: 0.05, p90: 0.1}, price: 20}\n"


def shop(*, shuffled: bool = False, customers: int = 150) -> str:
    """Customers who order on random days of two years."""
    rng = random.Random(4)
    rows = []
    for customer in range(customers):
        day = date(2023, 1, 1) + timedelta(rng.randrange(300))
        while day < date(2024, 12, 31):
            rows.append(f"c{customer:03d},{day},{rng.randrange(5, 50)}")
            day += timedelta(1 + int(rng.expovariate(0.01)))
            if rng.random() < 0.25:
                break
    if shuffled:
        random.Random(5).shuffle(rows)
    return "\n".join(["customer_id,date,amount", *rows]) + "\n"


@pytest.fixture
def orders(here: Path) -> Path:
    (here / "orders.csv").write_text(shop())
    (here / "scenario").mkdir()
    (here / "scenario" / "mine.yaml").write_text(MINE)
    return here


def swept(clvsim, *words: str, out: str = "s"):
    """The finished command and the table that it wrote."""
    typed = {word.partition("=")[0] for word in words}
    small = [word for word in SMALL if word.partition("=")[0] not in typed]
    done = clvsim("sweep", "orders.csv", *small, *words, f"out={out}")
    assert done.returncode == 0, done.stderr
    return done, pd.read_csv(Path(out) / "sweep.csv")


def test_a_lever_over_five_values(clvsim, orders):
    done, table = swept(clvsim, f"{CADENCE}=8,1,2,16,4")
    assert sorted(path.name for path in (orders / "s").iterdir()) == ["run.json", "sweep.csv", "sweep.svg"]
    assert table["option"].tolist() == ["nothing", *["value"] * 5]
    assert table[CADENCE].tolist()[1:] == [1, 2, 4, 8, 16]
    assert table["p_best"].sum() == pytest.approx(1)
    assert set(table["basis"]) == {"expected"}
    record = json.loads((orders / "s" / "run.json").read_text())
    assert record["command"].startswith("clvsim sweep orders.csv")
    assert f"{CADENCE}=8,1,2,16,4" in record["command"]
    assert record["sweep"]["values"] == [[1, 2, 4, 8, 16]]
    assert set(record["parts"]) == {"sweep.csv", "sweep.svg"}
    answer = " ".join(done.stdout.split("\n\n")[0].split())
    assert answer.startswith("If this example's numbers were those of your customers, do nothing:")
    assert "90 % interval on average" in answer
    assert "sure that it is better than doing nothing" in answer
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert "<svg" in (orders / "s" / "sweep.svg").read_text()


def test_rows_threads_and_the_order_of_values_move_no_bit(clvsim, orders):
    swept(clvsim, f"{CADENCE}=range(1,6)", out="a")
    (orders / "orders.csv").write_text(shop(shuffled=True))
    swept(clvsim, f"{CADENCE}=5,4,3,2,1", "simulation.jobs=1", "simulation.shard_customers=37", out="b")
    for name in ("sweep.csv", "sweep.svg"):
        assert (orders / "a" / name).read_bytes() == (orders / "b" / name).read_bytes(), name


def test_pairs_of_a_price_and_a_take_are_ranked(clvsim, orders):
    pairs = ["{price: 20, take: 0.1}", "{price: 30, take: 0.06}", "{price: 40, take: 0.01}"]
    done, table = swept(clvsim, f"scenario.mine.late={','.join(pairs)}")
    assert not (orders / "s" / "sweep.svg").exists()
    assert "they are ranked" in done.stdout
    key = "scenario.mine.late"
    assert table[key].isna().sum() == 1
    assert json.loads(table[key].iloc[1]) == {"price": 20, "take": 0.1}
    lines = [line for line in done.stdout.splitlines() if line.startswith(("{", "nothing"))]
    assert lines[0].startswith('{"price": 20')  # 2.00 an offer, against 1.80 and 0.40
    assert lines[-1].startswith("nothing")
    assert "If the numbers that are stated for it are right (stated, not tested), of the values tried" in " ".join(
        done.stdout.split()
    )


def test_a_price_whose_take_stays_says_so_and_its_edge_is_no_optimum(clvsim, orders):
    done, _ = swept(clvsim, "scenario.mine.late.price=10,20,30,40,50")
    said = " ".join(done.stdout.split())
    assert "the best value tried, 50, is the largest (late.price): try larger ones" in said
    assert "The share who take it is the same at every late.price" in said
    assert "the best is" not in said


def test_what_customers_do_is_no_choice(clvsim, orders):
    done, table = swept(clvsim, "scenario.mine.late.take=0.01,0.05,0.1")
    said = " ".join(done.stdout.split())
    assert "scenario.mine.late.take is what customers do: no value is recommended." in said
    assert "what if" in said
    assert "regret" not in said
    assert table["delta_mean"].is_monotonic_increasing


def test_two_keys(clvsim, orders):
    done, table = swept(clvsim, "scenario.mine.late.price=10,20", "+scenario.mine.late.incentive=0,2,4")
    assert len(table) == 1 + 6
    assert table.iloc[1:, 1:3].to_numpy().tolist() == [[10, 0], [10, 2], [10, 4], [20, 0], [20, 2], [20, 4]]
    said = " ".join(done.stdout.split())
    assert "20, is the largest (late.price): try larger ones, and 0, is the smallest (late.incentive)" in said
    assert (orders / "s" / "sweep.svg").exists()


def test_a_key_of_the_whole_run(clvsim, orders):
    done, table = swept(clvsim, "finance.gross_margin=0.2,0.4")
    assert table["option"].tolist() == ["value", "value"]
    assert table["mean"][1] / table["mean"][0] == pytest.approx(2, rel=1e-6)
    assert table["p_better"][1] == 1
    assert "Plan value of “As today” over 6 months is" in done.stdout


def test_a_lever_within_a_plan_that_combines_it(clvsim, orders):
    done, table = swept(clvsim, "of=plan", f"{CADENCE}=1,8")
    assert table["scenario"].iloc[0] != "Follow-up, four messages a month"
    assert "@" not in done.stdout + done.stderr


def test_values_that_make_no_difference(clvsim, orders):
    done, _ = swept(clvsim, "scenario.mine.late.if_declined.half_life_weeks=2,8")
    assert "makes no difference here" in " ".join(done.stdout.split())


REFUSED = {
    "nothing swept": ([], ["sweep: no key has several values; type them with commas"]),
    "twice": ([f"{CADENCE}=1,1.0,2"], [f"{CADENCE}: has 1.0 twice"]),
    "one value": ([f"{CADENCE}=choice(4)"], [f"{CADENCE}: has one value"]),
    "typed again": ([f"{CADENCE}=1,2", f"{CADENCE}=3"], [f"{CADENCE}: is typed twice"]),
    "three keys": (
        [f"{CADENCE}=1,2", "scenario.follow_up.email.cost=1,2", "scenario.follow_up.email.opt_out=0,0.1"],
        ["sweep: takes one key with several values or two, got 3"],
    ),
    "no value": ([f"{CADENCE}=range(5,5)"], [f"{CADENCE}: is a range without a value: its end is left out"]),
    "too many": ([f"{CADENCE}=range(1,102)"], [f"{CADENCE}: has 101 points, at most 100"]),
    "far too many": ([f"{CADENCE}=range(1,1000000)"], [f"{CADENCE}: makes a sweep of more than 10,000 jobs"]),
    "unknown": (
        ["finance.gros_margin=0.1,0.2"],
        ["finance.gros_margin: no such key; did you mean finance.gross_margin"],
    ),
    "wrong values": (
        [f"{CADENCE}=-1,2,300"],
        ["greater than or equal to 0.001, got -1", "less than or equal to 200, got 300"],
    ),
    "no numbers": ([f"{CADENCE}=a,b"], ["a number is needed, got 'a'", "a number is needed, got 'b'"]),
    "the data": (
        ["data.today=2024-01-01,2024-02-01"],
        [
            "data.today: changes data or models",
        ],
    ),
    "the models": (["retention=bg_nbd,mbg_nbd"], ["clvsim run -m … retention=bg_nbd,mbg_nbd"]),
    "the months of the fit": (["environment.sd_prior=0.1,0.2"], ["environment.sd_prior: changes data or models"]),
    "the seed": (["seed=1,2"], ["seed: changes the random worlds"]),
    "a title": (["scenario.follow_up.title=a,b"], ["scenario.follow_up.title: does nothing to any scenario"]),
    "a trace": (["trace.customers=1,2"], ["trace.customers: does nothing to any scenario"]),
    "lever and run": ([f"{CADENCE}=1,2", "finance.gross_margin=0.1,0.2"], ["sweep one of them at a time"]),
    "two scenarios": (
        [f"{CADENCE}=1,2", "scenario.upsell_soft.upsell.price=1,2"],
        ["of: which scenario? Keys of follow_up and upsell_soft"],
    ),
    "another scenario": (["of=upsell_soft", f"{CADENCE}=1,2"], [f"{CADENCE}: does nothing to upsell_soft"]),
    "no scenario": (["of=nope", f"{CADENCE}=1,2"], ["of: no scenario 'nope' in this sweep"]),
    "only combined": (["scenarios=[plan]", f"{CADENCE}=1,2"], ["type of=plan, which combines it"]),
    "not applicable": (
        ["scenario.conversion_lift.landing_page.size=0.1,0.2"],
        ["conversion_lift does not apply here: it needs acquisition.channels"],
    ),
    "never": (
        ["scenario.follow_up.email.when.start_month=1,100,200"],
        ["from month 100 can never act", "from month 200 can never act"],
    ),
    "jobs": (["-m", f"{CADENCE}=1,2"], ["-m: sweep is one run over all values; clvsim run -m"]),
    "jobs by a key": (["hydra.mode=MULTIRUN", f"{CADENCE}=1,2"], ["hydra.mode: sweep is one run over all values"]),
    "taken away": ([f"~{CADENCE}=1,2"], [f"{CADENCE}: is taken away by ~"]),
    "an interval": ([f"{CADENCE}=interval(1,3)"], ["needs values with commas, or range(start,stop,step)"]),
    "a resolver": ([f"{CADENCE}=${{oc.env:HOME}},2"], ["${oc.env:...} is not available"]),
    "code": (["scenario.follow_up.email._target_=os.system,os.abort"], ["chooses code, which a study does not"]),
    "a realised metric": (
        ["report.metric=contacts", f"{CADENCE}=1,2"],
        ["report.metric: contacts is known as simulated"],
    ),
    "a group": (["finance=default,default2"], ["finance: chooses files"]),
    "another form": ([f"{CADENCE}=1,[2]"], [f"{CADENCE}: "]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line_each_before_anything_is_written(clvsim, orders, name):
    words, expected = REFUSED[name]
    before = tree(orders)
    assert_refused(clvsim("sweep", "orders.csv", *COLUMNS, "retention=bg_nbd", *words), 2, *expected)
    assert tree(orders) == before


# --- jobs side by side -----------------------------------------------------------------------------------------------


def test_jobs_of_a_run_are_shown_together_with_the_sweep_that_compares_them(clvsim, orders):
    done = clvsim("run", "-m", "orders.csv", *SMALL, "scenarios=[follow_up]", f"{CADENCE}=1,8", "out=m")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    head = next(k for k, line in enumerate(lines) if "Plan value, as today" in line)
    for number, line in enumerate(lines[head + 1 : head + 3]):
        assert line.startswith(f"{CADENCE}={(1, 8)[number]} ")
        assert line.endswith(f"m/{number}")
        assert "follow_up −" in line
    (hint,) = [line for line in done.stderr.splitlines() if "clvsim sweep" in line]
    assert f"{CADENCE}=1,8" in hint
    assert "out=" not in hint


def test_no_sweep_is_named_where_none_could_do_it(clvsim, orders):
    done = clvsim("run", "-m", "orders.csv", *SMALL, "scenarios=[]", "seed=1,2", "out=m")
    assert done.returncode == 0, done.stderr
    assert "clvsim sweep" not in done.stderr
    assert sum(line.startswith("seed=") for line in done.stdout.splitlines()) == 2
