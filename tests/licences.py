"""`python -m tests.licences`: the licence of every package that this project installs, as the package names it."""

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]

# Licences that ask for a notice and no more, by the names that packages use.
PERMISSIVE = (
    *("MIT", "MIT License", "MIT-CMU", "BSD", "BSD License", "BSD-2-Clause", "BSD 2-Clause License", "BSD-3-Clause"),
    *("0BSD", "ISC", "Zlib", "CC0-1.0", "PSF-2.0", "Python Software Foundation License", "Apache-2.0", "Apache 2.0"),
    *("Apache License, Version 2.0", "Apache Software License", "Apache-2.0 WITH LLVM-exception"),
)
_WEAK = "a weak copyleft of its own files, which we neither change nor hand on: it only runs"
# Packages under any other licence, or under none that they name, each with the reason why it may be there.
NAMED = {
    "hypothesis": f"{_WEAK} the tests",
    "pathspec": f"{_WEAK} the build",
    "psycopg": f"{_WEAK} where somebody installs the extra sql",
    "psycopg-binary": f"{_WEAK} where somebody installs the extra sql",
}


class Licensed(NamedTuple):
    name: str
    version: str
    licence: str  # "" where the package does not say

    @property
    def permissive(self) -> bool:
        """Whether of each part of the expression there is a choice that only asks for a notice."""
        parts = self.licence.split(" AND ")
        return all(any(choice in PERMISSIVE for choice in part.split(" OR ")) for part in parts)


def installed() -> list[Licensed]:
    """Every package that the project or an extra of it needs here, those that these need included, by name."""
    wanted = [Requirement(text) for text in (*PROJECT["dependencies"], *_of_extras())]
    found: dict[str, Licensed] = {}
    seen: set[str] = set()
    while wanted:
        requirement = wanted.pop()
        name = canonical(requirement.name)
        if (asked := f"{name}{sorted(requirement.extras)}") in seen:
            continue
        seen.add(asked)
        try:
            package = distribution(requirement.name)
        except PackageNotFoundError:  # of another system, or of an extra that is not installed
            continue
        found[name] = Licensed(name, package.version, licence_of(package))
        wanted += _needed(package, requirement.extras)
    return [found[name] for name in sorted(found)]


def _needed(package: Distribution, extras: set[str]) -> Iterator[Requirement]:
    """What a package needs on this system, with some of its extras."""
    for requirement in map(Requirement, package.requires or []):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in {"", *extras}):
            yield requirement


def _of_extras() -> Iterator[str]:
    for requirements in PROJECT["optional-dependencies"].values():
        yield from requirements


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def licence_of(package: Distribution) -> str:
    """The SPDX expression, else the classifiers, else a short text; "" where there is none of them."""
    metadata = package.metadata
    if expression := metadata.get("License-Expression"):
        return expression
    classifiers = [entry for entry in metadata.get_all("Classifier") or [] if entry.startswith("License ::")]
    if names := [entry.rpartition(" :: ")[2] for entry in classifiers if not entry.endswith(":: OSI Approved")]:
        return " AND ".join(names)
    text = " ".join((metadata.get("License") or "").split())
    return text if len(text) < 60 and text != "UNKNOWN" else ""


def unexplained(packages: list[Licensed]) -> list[str]:
    """A sentence for each package whose licence is neither permissive nor named with a reason."""
    return [
        f"{one.name} {one.version}: {one.licence or 'no licence that it names'}"
        for one in packages
        if not one.permissive and one.name not in NAMED
    ]


def main() -> int:
    packages = installed()
    width = max(len(f"{one.name} {one.version}") for one in packages)
    for one in packages:
        why = f"  ({NAMED[one.name]})" if one.name in NAMED else ""
        print(f"{f'{one.name} {one.version}':<{width}}  {one.licence or '?'}{why}")
    if found := unexplained(packages):
        print(f"\nlicences that need a look (tests/licences.py): {'; '.join(found)}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
