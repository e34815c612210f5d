"""What we install may be used and handed on: a licence that asks for more than a notice is named with its reason."""

import pytest

from tests.licences import NAMED, PROJECT, Licensed, canonical, installed, unexplained
from tests.test_layout import PINS


def test_no_package_has_an_unknown_licence_or_a_strong_copyleft():
    assert unexplained(installed()) == []


def test_everything_pinned_is_looked_at():
    found = {one.name for one in installed()}
    assert {canonical(name) for name in PINS} - found <= {"setuptools"}
    assert found >= {canonical(name.split(">=")[0].split("[")[0]) for name in PROJECT["dependencies"]}


def test_reasons_are_of_packages_that_need_one():
    licences = {one.name: one for one in installed()}
    assert set(NAMED) <= set(licences)
    assert not [name for name in NAMED if licences[name].permissive]


@pytest.mark.parametrize(
    ("licence", "fine"),
    [
        ("MIT", True),
        ("MIT OR GPL-3.0-only", True),
        ("BSD-3-Clause AND MIT", True),
        ("Apache-2.0 WITH LLVM-exception AND MIT", True),
        ("GPL-3.0-only", False),
        ("MIT AND AGPL-3.0-or-later", False),
        ("LGPL-2.1-only", False),
        ("GNU General Public License v3 (GPLv3)", False),
        ("Other/Proprietary License", False),
        ("", False),
    ],
)
def test_what_is_permissive(licence, fine):
    assert Licensed("x", "1", licence).permissive == fine
    assert bool(unexplained([Licensed("x", "1", licence)])) != fine
