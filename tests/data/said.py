"""What reading a log has said, for tests."""

import pytest

from clvsim.data import TransactionLog
from clvsim.errors import ClvsimError


def readings(log: TransactionLog) -> dict[str, tuple[str, str]]:
    return {line.key: (line.value, line.note) for line in log.facts.readings}


def problem(error: pytest.ExceptionInfo[ClvsimError]) -> tuple[str, str]:
    [(where, what)] = error.value.problems
    assert what.isprintable()
    assert len(what) <= 600
    return where, what
