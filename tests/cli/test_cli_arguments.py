"""What people type reaches Hydra with its meaning intact."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given
from hypothesis import strategies as st

from clvsim.errors import ConfigError
from clvsim.rim.arguments import hydra_quoted, hydra_words, quote_free_text, without_references


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1))
@example("Total (EUR)")
@example("it's \\")
@example("\\'")
@example('a,b={c}[d] "e"')
@example(" ")
def test_quoted_text_survives_hydras_grammar(text):
    if "${" in text:
        return  # an interpolation stays one
    override = OverridesParser.create().parse_override(f"data.amount={hydra_quoted(text)}")
    assert override.value() == text


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        (["orders.csv"], ["data=csv", "data.path='orders.csv'"]),
        (["-m", "orders.csv", "seed=1,2"], ["-m", "data=csv", "data.path='orders.csv'", "seed=1,2"]),
        (["data=shop", "orders.csv"], ["data.path='orders.csv'", "data=shop"]),
        (["--cfg", "job"], ["--cfg", "job"]),
        (["data.amount=Total (EUR)"], ["data.amount='Total (EUR)'"]),
        (["data.amount='Total (EUR)'"], ["data.amount='Total (EUR)'"]),
        (["data.segment=null"], ["data.segment=null"]),
        (["data.decimal=,"], ["data.decimal=','"]),
        (["-m", "data.path=a.csv,b.csv"], ["-m", "data.path=a.csv,b.csv"]),
        (["data.path=${out}/x.csv"], ["data.path=${out}/x.csv"]),
        (["hydra.run.dir=x y"], ["out='x y'"]),
        (["acquisition.channels.paid.conversion=0.02"], ["++acquisition.channels.paid.conversion=0.02"]),
        (["acquisition.channels={paid: {conversion: 0.02}}"], ["++acquisition.channels={paid: {conversion: 0.02}}"]),
        (["scenario.s.offer.take.value=0.1"], ["++scenario.s.offer.take.value=0.1"]),
        (["scenario.s.offer.take=0.1"], ["scenario.s.offer.take=0.1"]),
        (["~scenario.s.offer"], ["~scenario.s.offer"]),
        (["seed=3"], ["seed=3"]),
    ],
)
def test_words_for_hydra(typed, sent):
    assert hydra_words("run", typed) == sent


def test_the_file_of_report_is_a_run_folder():
    assert hydra_words("report", ["outputs/x"]) == ["run='outputs/x'"]


def test_a_key_of_a_scenario_that_was_left_out_is_opened():
    words = hydra_words("run", ["scenarios=[plan]", "scenario.upsell.offer.take=0.1", "scenario.plan.title=x"])
    assert words == ["scenarios=[plan]", "++scenario.upsell.offer.take=0.1", "scenario.plan.title=x"]


def test_home_is_expanded_in_paths_only(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert hydra_words("run", ["~/a.csv", "data.amount=~x"])[1:] == ["data.path='/home/me/a.csv'", "data.amount='~x'"]


def test_several_files_are_one_log():
    assert hydra_words("run", ["a.csv", "b c.csv"]) == ["data=csv", "data.path=['a.csv','b c.csv']"]
    with pytest.raises(ConfigError, match="one at a time, got 2"):
        hydra_words("report", ["outputs/a", "outputs/b"])


def test_unknown_flags_are_refused_all_at_once():
    with pytest.raises(ConfigError) as caught:
        hydra_words("run", ["--mutirun", "--resolv", "seed=1"])
    assert [problem.where for problem in caught.value.problems] == ["--mutirun", "--resolv"]
    assert "did you mean --multirun?" in caught.value.problems[0].what


def test_values_of_a_file_are_no_references():
    """`${` in the values of filters is text; in other keys it refers to a key, as Hydra's grammar has it."""
    assert quote_free_text("data.only={A: [${x}]}", multirun=False) == r"data.only='{A: [\${x}]}'"
    assert without_references(r"${x} \${x} \\${x}") == r"\${x} \\\${x} \\\\\${x}"  # a file's name
    assert quote_free_text(r"data.without={A: [\${x}]}", multirun=False) == r"data.without='{A: [\${x}]}'"
    assert quote_free_text("title=${question}", multirun=False) == "title=${question}"


@pytest.mark.parametrize("flag", ["--info", "-i"])
def test_information_without_a_word_is_all_of_it(flag):
    """Hydra would read the file's override, which follows, as the word."""
    assert hydra_words("report", ["job", flag]) == [flag, "all", "run='job'"]
    assert hydra_words("report", [flag, "plugins"]) == [flag, "plugins"]
