"""The page in a real browser without a network: it parses, shows its figures and logs no error."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from factory import demo, hostile

from clvsim.report import write_report
from clvsim.types import RunResult

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
    "--proxy-server=127.0.0.1:9",  # nothing listens there: no request can leave
    *("--enable-logging=stderr", "--v=0"),
]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on PATH"),
]


def browse(page: Path, profile: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", *flags, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


@pytest.mark.parametrize(("make", "figures"), [(demo, 3), (hostile, 4)])
def test_page_opens_and_is_drawn_without_network_or_errors(
    make: Callable[[], RunResult], figures: int, tmp_path: Path
) -> None:
    page, picture = write_report(make(), tmp_path / "run"), tmp_path / "page.png"
    browser = browse(page, tmp_path / "profile", "--dump-dom", f"--screenshot={picture}", "--window-size=1000,3000")
    dom = browser.stdout
    assert dom.count("<svg") == 2 * figures  # each for wide and narrow screens
    assert dom.rstrip().endswith("</html>")
    assert "<script" not in dom
    # A browser closes what we forgot to close: then the parsed page differs from the file in its elements.
    source = page.read_text("utf-8")
    for element in ("table", "tr", "td", "th", "figure", "dd", "path", "use", "section", "div"):
        assert dom.count(f"<{element}>") + dom.count(f"<{element} ") == (
            source.count(f"<{element}>") + source.count(f"<{element} ")
        ), element
    complaints = [line for line in browser.stderr.splitlines() if "CONSOLE" in line]
    assert complaints == []
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 50_000  # an empty page of this size takes 15 kB


def test_a_complaint_would_be_noticed(tmp_path: Path) -> None:
    """The page forbids loading; a broken one must show up in what the first test reads."""
    page = write_report(demo(), tmp_path / "run")
    page.write_text(page.read_text("utf-8").replace("</main>", '<img src="https://example.invalid/x.png"></main>'))
    assert "CONSOLE" in browse(page, tmp_path / "profile", "--dump-dom").stderr
