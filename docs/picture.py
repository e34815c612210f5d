"""Photograph the first sheet of the demo's page into docs/report.png: `make picture`, which needs Chromium.

The text of what is photographed goes into the file as well, so that a test can compare the picture's figures with those
of a run (`tests/cli/test_cli_readme.py`).
"""

import html
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

PICTURE = Path(__file__).with_name("report.png")
WIDTH, HEIGHT = 1000, 1540
KEY = "First screen"  # of the text in the file
END = '<div class="folded">'  # what follows the sheet


def first_screen(page: str) -> str:
    """What is read on the sheet of a page, before what is folded."""
    body = page[page.index("<main>") :]
    text = re.sub(r"<[^>]+>", " ", body[: body.index(END)].replace("<wbr>", ""))
    return " ".join(html.unescape(text).replace("\u2060", "").split())


def text_of(picture: Path) -> str:
    """The text that `photograph` has put into a picture; "" where there is none."""
    with Image.open(picture) as image:
        image.load()
        return str(image.info.get(KEY, ""))


def photograph(page: Path, picture: Path) -> None:
    """Write the first screen of a page as a PNG with 64 colours and its text."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("no chromium, chromium-browser or google-chrome on PATH")
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder, "shot.png")
        flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={folder}/profile",
        ]
        flags += [f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={shot}", page.resolve().as_uri()]
        subprocess.run([browser, *flags], check=True, capture_output=True, timeout=120)
        note = PngInfo()
        note.add_itxt(KEY, first_screen(page.read_text(encoding="utf-8")))
        with Image.open(shot) as image:
            image.convert("RGB").quantize(64).save(picture, optimize=True, pnginfo=note)


if __name__ == "__main__":
    photograph(Path(sys.argv[1], "report.html"), PICTURE)
