"""What is said of models that share a run's draws."""

import numpy as np

from clvsim.models.auto import Discrepancy, Weighing
from clvsim.report.several import in_words, of_a_file

TOTALS = {"bg_nbd": 5420.0, "pareto_nbd": 5010.0}


def test_weights_and_how_far_apart_the_totals_lie() -> None:
    weighing = Weighing({"bg_nbd": 0.17, "mbg_nbd": 0.0, "pareto_nbd": 0.83}, {"bg_cnbd": "it knows no season"}, True)
    words = in_words(weighing, TOTALS, 36, Discrepancy(np.zeros(1), 0.0312), checked=True)
    assert words.short == (
        "The models share the draws by how they predicted the log's last part: Pareto/NBD 83 %, BG/NBD 17 %; alone "
        "they expect 5,010 to 5,420 orders of today’s customers within 36 months."
    ).replace(" %", "\N{NO-BREAK SPACE}%")
    facts = dict(words.facts)
    assert facts["Models without a share"].startswith("MBG/NBD")
    assert facts["BG/CNBD-k left out"] == "it knows no season"
    assert "sd 0.031" in facts["Beyond the models"]
    assert facts["What this does not cover"] == "what none of these models knows"


def test_one_model_left_is_said_with_what_the_others_expect() -> None:
    weighing = Weighing({"bg_nbd": 0.0, "pareto_nbd": 1.0}, {}, False)
    words = in_words(weighing, {"bg_nbd": 140.0, "pareto_nbd": 11.0}, 12, Discrepancy(np.zeros(1), 0.04), checked=False)
    assert words.short == (
        "Of 2 models compared by how they predict customers left out, Pareto/NBD has all the weight; alone they expect "
        "11 to 140 orders of today’s customers within 12 months."
    )
    facts = dict(words.facts)
    assert facts["Models that share the draws"] == "Pareto/NBD alone, by how they predict customers left out"
    assert "assumed, since nothing was checked" in facts["Beyond the models"]


def test_draws_of_a_file_have_their_shares() -> None:
    words = of_a_file({"bg_nbd": 0.25, "pareto_nbd": 0.75})
    assert (
        words.short
        == "The models share the draws of the file: Pareto/NBD 75\N{NO-BREAK SPACE}%, BG/NBD 25\N{NO-BREAK SPACE}%."
    )
