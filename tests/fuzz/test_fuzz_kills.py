"""A signal leaves nothing that looks whole and is not, and the next command does as an undisturbed one."""

import pytest

from tests.fuzz.campaign import a_nursery
from tests.fuzz.kills import COMMANDS, Killing, orders

MANY = 201  # three each


@pytest.mark.slow
def test_many_signals(posterior_cache, tmp_path, record_property):
    with a_nursery(posterior_cache, orders(), list(COMMANDS.values())) as nursery:
        killing = Killing(nursery, tmp_path)
        failures = killing.failures(MANY)
    record_property("exit codes", dict(killing.codes))
    assert not failures, "\n".join(failures)
    assert min(killing.codes[code] for code in (130, 143, -9)) > MANY // 6  # most signals meet a command at work
