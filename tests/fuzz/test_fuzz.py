"""Whatever comes in, a command ends with a documented exit code, a line per problem and nothing left behind.

Thousands of cases of input, from logs to the environment; `python -m tests.fuzz` counts them (docs/reliability.md).
"""

import pytest

from tests.fuzz import words
from tests.fuzz.artefacts import Originals, originals
from tests.fuzz.campaign import a_nursery, campaign, generated
from tests.fuzz.cases import SECRET, Case, Room
from tests.fuzz.kills import Killing
from tests.fuzz.kinds import KINDS, LOG, PRACTICE, of_compiled, of_kind, of_surroundings
from tests.fuzz.nursery import Ended, Nursery


@pytest.fixture(scope="module")
def nursery(posterior_cache):
    with a_nursery(posterior_cache, LOG, PRACTICE) as nursery:
        yield nursery


@pytest.fixture(scope="module")
def original(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Originals:
    return originals(nursery, tmp_path_factory.mktemp("originals"))


@pytest.mark.parametrize("kind", KINDS)
def test_some(kind, nursery, original, tmp_path):
    tally = of_kind(kind, nursery, original, tmp_path, long=False)
    assert tally.cases >= KINDS[kind].short * 0.7
    tally.require_fine()


def test_some_surroundings(posterior_cache, tmp_path):
    of_surroundings(posterior_cache, tmp_path, long=False).require_fine()


def test_a_few_signals(nursery, tmp_path):
    """Many: `test_fuzz_kills.py`."""
    killing = Killing(nursery, tmp_path, ("fit",))
    assert killing.failures(3) == []
    assert killing.codes[0] < 3


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many(kind, nursery, original, tmp_path, record_property):
    tally = of_kind(kind, nursery, original, tmp_path, long=True)
    record_property("cases", tally.cases)
    tally.require_fine()


@pytest.mark.slow
def test_damaged_kernels(posterior_cache, tmp_path):
    of_compiled(posterior_cache, tmp_path).require_fine()


@pytest.mark.slow
def test_all_surroundings(posterior_cache, tmp_path):
    of_surroundings(posterior_cache, tmp_path, long=True).require_fine()


FINE = Ended(2, "", "clvsim: seed: is wrong\n", 0.3, 1 << 28)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"code": 1}, "exit code 1"),
        ({"code": -11}, "ended by signal 11"),
        ({"code": 0}, "it passed, and must be refused"),
        ({"err": ""}, "refused without a word"),
        ({"err": "clvsim: x\nTraceback (most recent call last):\n"}, "a traceback"),
        ({"err": "oops\n"}, "a line on stderr that is none of ours: 'oops'"),
        ({"err": f"clvsim: {'x' * 5000}\n"}, "a line of 5,008 characters"),
        ({"err": "clvsim: x\n" * 100}, "100 lines on stderr"),
        ({"err": "clvsim: \x1b[2J\n"}, "control characters"),
        ({"err": f"clvsim: {SECRET}\n"}, "secret is shown"),
        ({"peak_bytes": 2 << 30}, "2.1 GB of memory"),
        ({"cpu_seconds": 21.0}, "21 s"),
    ],
)
def test_the_campaign_sees_how_a_command_ends_badly(change, said, tmp_path):
    case = Case(("check",), may_pass=False)
    tally = campaign([case], lambda *_: FINE._replace(**change), tmp_path)
    assert said in tally.failures[0]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("here/canary", "something was executed"),
        ("here/out/run.json", "it left something behind"),
        ("here/o.csv", "it left something behind, or changed it: ['o.csv']"),
        ("here/.r.partial-7", "unfinished files"),
        ("tmp/x", "temporary files: ['x']"),
        ("home/x", "files at home: ['x']"),
    ],
)
def test_the_campaign_sees_what_a_command_leaves(place, said, tmp_path):
    def leave(case: Case, room: Room) -> Ended:
        path = room.root / place
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
        return FINE

    tally = campaign([Case(("check",), {"o.csv": b""})], leave, tmp_path)
    assert said in tally.failures[0]


def test_a_command_that_ends_well_is_no_failure(tmp_path):
    tally = campaign([Case(("check",), {"o.csv": b""})] * 3, lambda *_: FINE, tmp_path)
    tally.require_fine()
    assert (tally.cases, tally.codes[2]) == (3, 3)


def test_a_campaign_is_the_same_at_every_call():
    first, again = (list(generated(words.commands(), 20)) for _ in range(2))
    assert first == again
    assert len(set(map(str, first))) > 15
