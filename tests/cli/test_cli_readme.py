"""README, its picture and the demo's page agree in every number.

After a change of results: `make demo`, put the new figures into README's Limits, and `make picture`.
"""

import json
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from types import ModuleType

import pytest

from clvsim.files import ROOT
from clvsim.report import format as fmt
from tests.shipped import script

pytestmark = pytest.mark.slow

NUMBER = r"[−+]?\$?\d[\d,.]*\d(?:[kM]\b)?|\d"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a finished demo, as the README has people run it, and what the terminal shows."""
    here = tmp_path_factory.mktemp("readme")
    command = [sys.executable, "-m", "clvsim.cli", "run", "experiment=demo", "out=demo"]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return here / "demo", done.stdout


@pytest.fixture(scope="module")
def picture() -> ModuleType:
    return script("picture")


def test_readme_tells_how_the_demos_check_went(demo: tuple[Path, str]) -> None:
    """Its Limits quote the orders held back, what was expected, the interval and the place among simulated futures."""
    folder, _ = demo
    check = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["tracking"]["holdout"]
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    bullet = next(part for part in readme.split(" - ") if part.startswith("On the bundled log"))
    low, high = check["with_environment"]
    place = fmt.last_place((check["mean"], low, high))
    quoted = [fmt.number(value, place) for value in (check["mean"], low, high)]
    share = fmt.position(check["position"]).removeprefix("at the ").removesuffix(" of 100")
    wanted = {str(check["days"]), f"{check['actual']:,}", *quoted, "90", share.rstrip("stndrh"), "100"}
    assert set(re.findall(NUMBER, bullet)) == wanted


def test_the_picture_is_the_demos_first_screen(demo: tuple[Path, str], picture: ModuleType) -> None:
    folder, _ = demo
    shown = picture.first_screen((folder / "report.html").read_text(encoding="utf-8"))
    photographed = picture.text_of(ROOT / "docs" / "report.png")
    assert re.findall(NUMBER, photographed) == re.findall(NUMBER, shown), "make picture"


def test_page_and_terminal_say_the_same_of_what_to_do(demo: tuple[Path, str]) -> None:
    folder, shown = demo
    page = (folder / "report.html").read_text(encoding="utf-8").replace("\u2060", "").replace(fmt.NBSP, " ")
    sentences = re.search(r'<p class="do">(.*?)</p>', page)
    assert sentences is not None
    assert unescape(sentences[1]).strip() in " ".join(shown.split())
