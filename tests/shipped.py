"""Sections of the shipped configuration as their files say them, without Hydra."""

from typing import Any

import yaml

from clvsim.files import CONFIGS


def read(group: str, choice: str) -> dict[str, Any]:
    """The section of a shipped file; one that chooses for other groups too has it below the group's name.

    What a file takes from another of its group is in it.
    """
    values = yaml.safe_load((CONFIGS / group / f"{choice}.yaml").read_text()) or {}
    others = [one for one in values.pop("defaults", []) if isinstance(one, str) and one != "_self_"]
    below = {key: value for one in others for key, value in read(group, one).items()}
    return below | values.get(group, values)
