"""`data=survivors` from the shell: it brings its models along, and refuses what does not go with it."""

from tests.cli.shell import assert_refused

TABLE = "cohort,period,survivors\nold,0,90\nold,1,60\nold,2,48\nnew,0,80\nnew,1,55\n"
WHERE = ("data=survivors", "data.path=table.csv")


def test_a_table_is_ready_with_contract_models_of_its_own(clvsim, here):
    (here / "table.csv").write_text(TABLE)
    for words in ((), ("retention=bdw",)):
        done = clvsim("check", *WHERE, "retention.renewal=year", "data.price=30", *words)
        assert done.returncode == 0, done.stderr
        assert "170" in next(line for line in done.stdout.splitlines() if "Customers at the start" in line)
        assert "!" not in done.stdout


def test_a_model_without_contracts_is_refused(clvsim, here):
    (here / "table.csv").write_text(TABLE)
    assert_refused(clvsim("check", *WHERE, "retention=bg_nbd"), 2, "type retention=sbg or retention=bdw")


def test_what_a_table_cannot_mean_is_one_line_per_cohort(clvsim, here):
    (here / "table.csv").write_text(TABLE.replace("old,2,48", "old,2,61").replace("new,0,80\n", ""))
    assert_refused(clvsim("check", *WHERE), 4, "cohort old: survivors rise from 60", "cohort new: period 0")
