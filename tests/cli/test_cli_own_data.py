"""Other ways in than a log, through the shell: a summary, a posterior, a made-up log."""

import re

from tests.cli.shell import tree

TABLE = "customer_id,frequency,recency,T,monetary_value\na,0,0,9,0\nb,2,{recency},8,10\nc,1,3,3,30\n"


def lines_of(done, code: int) -> list[str]:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return [line for line in done.stderr.splitlines() if "columns guessed" not in line]


def test_a_summary_is_checked_and_says_what_it_lacks(clvsim, here):
    (here / "s.csv").write_text(TABLE.format(recency=5))
    before = tree(here)
    asked = lines_of(clvsim("check", "data=summary", "s.csv"), 2)
    assert [line.split(": is needed")[0] for line in sorted(asked)] == ["clvsim: data.time_unit", "clvsim: data.today"]
    done = clvsim("check", "data=summary", "s.csv", "data.today=2024-12-31", "data.time_unit=week", "data.T=T")
    assert lines_of(done, 0) == []
    assert "! Single orders" in done.stdout
    stated = ("s.csv", "data.today=2024-12-31", "data.time_unit=week")
    (line,) = lines_of(clvsim("check", "data=summary", *stated, "spend=fixed_price"), 2)
    assert line.startswith("clvsim: spend: fixed_price needs single payments")
    (line,) = lines_of(clvsim("check", "data=summary", *stated, "retention.season=month"), 2)
    assert line.startswith("clvsim: retention.season: seasons and promotions need a log of orders")
    made_up = ("data=synthetic", "data.customers=200", "retention=bg_bb", "fit.compare=[bg_nbd]")
    (line,) = lines_of(clvsim("check", *made_up), 2)
    assert line.startswith("clvsim: fit.compare: bg_nbd and bg_bb do not see the same orders")
    assert tree(here) == before


def test_impossible_histories_and_posteriors_are_refused(clvsim, here):
    (here / "s.csv").write_text(TABLE.format(recency=0))
    (line,) = lines_of(clvsim("check", "data=summary", "s.csv", "data.today=2024-12-31", "data.time_unit=week"), 4)
    assert line.startswith("clvsim: data.recency: 1 of 3 rows: 0 in spite of repeat orders")
    assert "row 3: frequency 2, recency 0, T 8, monetary_value 10" in line
    (line,) = lines_of(clvsim("check", "data=synthetic", "data.customers=200", "fit.posterior=[no.nc,spend.nc]"), 2)
    assert line == "clvsim: fit.posterior: no such file: no.nc"


def test_a_made_up_log_takes_segments_and_another_model(clvsim, here):
    words = ("data=synthetic", "data.customers=300", "data.model=pareto_nbd", "data.parameters.s=0.7")
    done = clvsim("check", *words, "data.segments={shops: 1.5, people: 1}", "data.season=[1,1,1,1,1,1,1,1,1,1,2,3]")
    assert lines_of(done, 0) == []
    said = " ".join(done.stdout.split())
    assert re.search(
        r"modelled months of the year differ \(December \d\.\d times .*retention\.season=off leaves it\)", said
    )
    assert said.startswith("made-up data: ")
    assert "segment = segment" in said
    (line,) = lines_of(clvsim("check", *words, "data.model=bg_nbd"), 2)
    assert line == "clvsim: data.parameters: bg_nbd has r, alpha, a, b, but no s"
