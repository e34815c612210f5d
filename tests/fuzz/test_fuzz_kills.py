"""A signal leaves nothing that looks whole and is not, and the next command does as an undisturbed one."""

from collections import Counter
from pathlib import Path

import pytest

from tests.fuzz.campaign import a_nursery
from tests.fuzz.kills import COMMANDS, Killing, kills, orders

FEW, MANY = 4, 200


def test_a_few_signals(posterior_cache, tmp_path):
    assert_survived(posterior_cache, tmp_path, FEW, ("fit",))


@pytest.mark.slow
def test_many_signals(posterior_cache, tmp_path, record_property):
    codes = assert_survived(posterior_cache, tmp_path, MANY, tuple(COMMANDS))
    record_property("exit codes", dict(codes))
    assert min(codes[code] for code in (130, 143, -9)) > MANY // 6  # most signals meet a command at work


def assert_survived(cache: Path, parent: Path, number: int, commands: tuple[str, ...]) -> Counter[int]:
    with a_nursery(cache, orders(), [COMMANDS[name] for name in commands]) as nursery:
        killing = Killing(nursery, parent, commands)
        found = {kill: list(killing.faults(kill)) for kill in kills(number, commands)}
    failures = [f"{kill}: {'; '.join(faults)}" for kill, faults in found.items() if faults]
    assert not failures, "\n".join([f"{len(failures)} of {number}", *failures])
    return killing.codes
