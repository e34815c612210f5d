"""`clvsim new NAME`: a commented file that runs as it is, and nothing overwritten."""

import pytest
import yaml

from tests.cli.shell import ORDERS, assert_refused, tree


def test_a_blank_scenario_asks_its_questions_and_runs_as_it_is(clvsim, here):
    (here / "orders.csv").write_text(ORDERS)
    done = clvsim("new", "newsletter")
    assert (done.returncode, done.stderr) == (0, "")
    assert "clvsim run orders.csv 'scenarios=[newsletter]'" in done.stdout
    assert set(tree(here)) == {"orders.csv", "scenario", "scenario/newsletter.yaml"}
    text = (here / "scenario/newsletter.yaml").read_text()
    for question in ("effect", "evidence", "cost", "start"):
        assert f"\n#   {question}" in text
    assert yaml.safe_load(text)["newsletter_effect"]["size"]["kind"] == "expert"
    done = clvsim("check", "orders.csv", "scenarios=[newsletter]", "retention=bg_nbd")
    assert "newsletter" not in done.stderr


@pytest.mark.parametrize("name", ["conversion_lift", "plan", "membership", "contact", "orders", "my-lever"])
def test_every_name_makes_a_scenario_that_is_accepted(clvsim, here, name):
    assert clvsim("new", name).returncode == 0
    done = clvsim("check", "experiment=demo", f"scenarios=[{name}]")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_copy_holds_what_the_shipped_one_holds(clvsim, here):
    from clvsim.files import SHIPPED

    assert clvsim("new", "upsell_soft").returncode == 0
    shipped = yaml.safe_load((SHIPPED["scenario"] / "upsell_soft.yaml").read_text())
    assert yaml.safe_load((here / "scenario/upsell_soft.yaml").read_text()) == shipped


def test_what_is_there_is_never_overwritten(clvsim, here):
    (here / "scenario").mkdir()
    (here / "scenario/mine.yaml").write_text("title: Mine\n")
    before = tree(here)
    assert_refused(clvsim("new", "mine"), 2, "name: scenario/mine.yaml is there already, and nothing is overwritten")
    (here / "scenario/link.yaml").symlink_to(here / "elsewhere.yaml")
    assert_refused(clvsim("new", "link"), 2, "name: scenario/link.yaml is there already")
    assert not (here / "elsewhere.yaml").exists()
    (here / "scenario/link.yaml").unlink()
    assert tree(here) == before


def test_a_file_where_the_folder_belongs_is_named(clvsim, here):
    (here / "scenario").write_text("x")
    assert_refused(clvsim("new", "mine"), 2, "name: scenario is there already, and nothing is overwritten")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ((), "name: what is it called? clvsim new NAME"),
        (("baseline",), "name: baseline is what all others are compared with"),
        (("a b",), "name: a name has letters"),
        (("../x",), "name: a name has letters"),
        (("x", "y"), "name: one at a time, got 2: x y"),
        (("x" * 60,), "name: "),
        (("x", "seed=1"), "seed: no such key"),
    ],
)
def test_what_is_no_name_is_refused(clvsim, here, words, what):
    assert_refused(clvsim("new", *words), 2, what)
    assert tree(here) == {}
