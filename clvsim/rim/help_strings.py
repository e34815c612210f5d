"""Hydra 1.3 on Python 3.14, whose argparse checks help strings as arguments are added.

One of Hydra's is an object that makes its text when it is shown, which the check takes for a badly formed string. For
the length of Hydra's own parser the check does nothing; nobody else's arguments go unchecked.
"""

import argparse
import importlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import wraps

CHECK, MAKER = "_check_help", "get_args_parser"


@contextmanager
def unchecked_help() -> Generator[None]:
    """An argparse that checks help strings takes them as they come."""
    owner = argparse._ActionsContainer
    check = getattr(owner, CHECK)
    setattr(owner, CHECK, lambda self, action: None)
    try:
        yield
    finally:
        setattr(owner, CHECK, check)


def accept_lazy_help() -> None:
    """Let Hydra's parser be made on Pythons that check; to others this does nothing."""
    module = importlib.import_module("hydra.main")  # `hydra.main` itself is the function
    if hasattr(argparse._ActionsContainer, CHECK) and not hasattr(getattr(module, MAKER), "__wrapped__"):
        setattr(module, MAKER, _unchecked(getattr(module, MAKER)))


def _unchecked(make: Callable[[], argparse.ArgumentParser]) -> Callable[[], argparse.ArgumentParser]:
    @wraps(make)
    def unchecked() -> argparse.ArgumentParser:
        with unchecked_help():
            return make()

    return unchecked
