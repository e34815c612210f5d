"""Python 3.14's check of help strings in the argparse at hand: on it Hydra's parser fails without us, not with us."""

import argparse
import importlib
import subprocess
import sys

import pytest
from hydra._internal.utils import get_args_parser

from clvsim.rim.help_strings import CHECK, accept_lazy_help
from tests.conftest import PATIENCE_SECONDS

# As in CPython 3.14's argparse.py, Lib/argparse.py, `_ActionsContainer._check_help` and the end of `add_argument`.
CHECKING = """
import argparse

def check_help(self, action):
    if action.help and hasattr(self, "_get_formatter"):
        formatter = self._get_formatter()
        try:
            formatter._expand_help(action)
        except (ValueError, TypeError, KeyError) as exc:
            raise ValueError("badly formed help string") from exc

unchecked = argparse._ActionsContainer.add_argument

def add_argument(self, *args, **kwargs):
    action = unchecked(self, *args, **kwargs)
    self._check_help(action)
    return action

argparse._ActionsContainer._check_help = check_help
argparse._ActionsContainer.add_argument = add_argument
"""
USES = hasattr(argparse._ActionsContainer, CHECK)


@pytest.fixture
def checking(monkeypatch):
    """argparse as in 3.14, and Hydra as it was installed."""
    if not USES:
        monkeypatch.setattr(argparse._ActionsContainer, CHECK, None, raising=False)
        monkeypatch.setattr(argparse._ActionsContainer, "add_argument", argparse._ActionsContainer.add_argument)
        exec(CHECKING, {})
    module = importlib.import_module("hydra.main")
    monkeypatch.setattr(module, "get_args_parser", get_args_parser)
    return module


def test_hydras_parser_is_made_where_help_strings_are_checked(checking):
    with pytest.raises((ValueError, TypeError)):
        checking.get_args_parser()
    accept_lazy_help()
    check = getattr(argparse._ActionsContainer, CHECK)
    assert checking.get_args_parser().parse_args(["a=1"]).overrides == ["a=1"]
    assert getattr(argparse._ActionsContainer, CHECK) is check
    with pytest.raises(ValueError, match="badly formed help string"):  # everybody else's are still checked
        argparse.ArgumentParser().add_argument("--x", help="50 % of it")
    accept_lazy_help()
    assert checking.get_args_parser.__wrapped__ is get_args_parser  # once


def test_nothing_is_touched_where_nothing_is_checked():
    if not USES:
        before = importlib.import_module("hydra.main").get_args_parser
        accept_lazy_help()
        assert importlib.import_module("hydra.main").get_args_parser is before


def test_a_whole_command_runs_where_help_strings_are_checked(here):
    code = CHECKING * (not USES) + "from clvsim.cli import start\nraise SystemExit(start())"
    words = [sys.executable, "-c", code, "run", "experiment=demo", "--cfg", "job"]
    done = subprocess.run(words, cwd=here, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert (done.returncode, "badly formed" in done.stderr) == (0, False)
    assert "An online music shop" in done.stdout
