"""What a process sets up for libraries before they load."""

import logging
import os

import pytest

from clvsim.private import settle_temporary


@pytest.fixture
def variables(monkeypatch):
    """Those that `settle_temporary` sets, as before once the test is over."""
    for name in ("TMPDIR", "MPLBACKEND", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    return monkeypatch


@pytest.mark.parametrize("place", ["/etc/passwd", "/nowhere", ""])
def test_matplotlib_finds_a_backend_and_a_folder(variables, place):
    """A backend that is none would end the process, and a folder that is none is told at length on stderr."""
    level = logging.getLogger("matplotlib").level
    variables.setenv("MPLBACKEND", "nope")
    variables.setenv("MPLCONFIGDIR", place)
    settle_temporary()
    logging.getLogger("matplotlib").setLevel(level)
    assert os.environ["MPLBACKEND"] == "agg"
    assert os.access(os.environ["MPLCONFIGDIR"], os.W_OK)
    assert os.environ["MPLCONFIGDIR"] != place


def test_a_folder_of_the_users_own_stays(variables, tmp_path):
    variables.setenv("MPLCONFIGDIR", str(tmp_path))
    settle_temporary()
    assert os.environ["MPLCONFIGDIR"] == str(tmp_path)
