"""What the repository ships, read as it stands: sections of the configuration, without Hydra, and scripts in docs/."""

import importlib.util
from types import ModuleType
from typing import Any

import yaml

from clvsim.files import CONFIGS, ROOT


def read(group: str, choice: str) -> dict[str, Any]:
    """The section of a shipped file; one that chooses for other groups too has it below the group's name.

    What a file takes from another of its group is in it.
    """
    values = yaml.safe_load((CONFIGS / group / f"{choice}.yaml").read_text()) or {}
    others = [one for one in values.pop("defaults", []) if isinstance(one, str) and one != "_self_"]
    below = {key: value for one in others for key, value in read(group, one).items()}
    return below | values.get(group, values)


def script(name: str) -> ModuleType:
    """docs/NAME.py, which is no module of a package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
