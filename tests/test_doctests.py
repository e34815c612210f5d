"""Every function of the Python interface says what it takes and gives, with an example that runs."""

import doctest
import inspect
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import pytest

import clvsim

FUNCTIONS = [name for name in clvsim.__all__ if name != "__version__"]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def run(name: str, text: str, names: dict[str, Any]) -> dict[str, Any]:
    """The names that an example leaves behind; what it starts with is `names`."""
    test = doctest.DocTestParser().get_doctest(text, dict(names), name, None, 0)
    report: list[str] = []
    result = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append, clear_globs=False)
    assert result.failed == 0, "".join(report)
    return test.globs


@cache
def names_of(module: str) -> dict[str, Any]:
    """What the examples of a module's functions start with: the module's own example."""
    return run(module, import_module(module).__doc__ or "", {})


def sections(function: Callable[..., Any]) -> dict[str, str]:
    """Text below the headings of a numpydoc docstring."""
    lines = (inspect.getdoc(function) or "").splitlines()
    rules = [i for i, line in enumerate(lines) if line and set(line) == {"-"} and len(line) == len(lines[i - 1])]
    return {lines[i - 1]: "\n".join(lines[i + 1 : j and j - 1]) for i, j in zip(rules, [*rules[1:], None], strict=True)}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_example_runs(name, here):
    function = getattr(clvsim, name)
    example = sections(function)["Examples"]
    assert ">>>" in example
    run(name, example, names_of(function.__module__))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_docstring_describes_each_parameter_and_what_is_returned(name):
    function = getattr(clvsim, name)
    found = sections(function)
    described = [line for line in found["Parameters"].splitlines() if line and not line.startswith(" ")]
    parameters = inspect.signature(function).parameters.values()
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    assert described == [stars.get(p.kind, "") + p.name for p in parameters]
    assert found["Returns"].strip()
