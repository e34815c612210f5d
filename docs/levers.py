"""Write the table of shipped scenarios into the README, from their files.

.venv/bin/python docs/levers.py
"""

from pathlib import Path

import yaml

from clvsim.listing import scenario_title

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- levers: written by docs/levers.py -->", "<!-- end of levers -->"


def table() -> str:
    """A row for each file in configs/scenario that is a lever: name, title, kinds, and what is known of it."""
    lines = ["| scenario | what it is | made of | what is known |", "|---|---|---|---|"]
    for path in sorted((ROOT / "configs" / "scenario").glob("*.yaml")):
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
        parts = {name: part for name, part in tree.items() if isinstance(part, dict) and "kind" in part}
        if not parts:
            continue
        kinds = dict.fromkeys(" ".join(filter(None, (p["kind"], p.get("target", "")))) for p in parts.values())
        lines.append(f"| `{path.stem}` | {scenario_title(path)} | {', '.join(kinds)} | {tree['note'].strip()} |")
    return "\n".join(lines)


def readme_with_table(text: str) -> str:
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(readme_with_table(readme.read_text(encoding="utf-8")), encoding="utf-8")
