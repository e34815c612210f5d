"""The page in a real browser without a network: it parses, shows its figures and logs no error."""

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from html import escape
from pathlib import Path

import pytest
from factory import demo, full, hostile

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


# Figures: those of the run, and a hill for the answer and for each lever.
@pytest.mark.parametrize(("make", "figures"), [(demo, 2 + 4), (hostile, 3 + 4), (full, 8 + 5)])
def test_page_opens_and_is_drawn_without_network_or_errors(
    make: Callable[[], RunResult], figures: int, tmp_path: Path
) -> None:
    page, picture = write_report(make(), tmp_path / "run"), tmp_path / "page.png"
    browser = browse(page, tmp_path / "profile", "--dump-dom", f"--screenshot={picture}", "--window-size=1000,3000")
    dom = browser.stdout
    assert dom.count("<svg") == figures
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


def measured(make: Callable[[], RunResult], script: str, folder: Path, *flags: str) -> str:
    """What a script says in a copy of the page, which itself may run none."""
    page = write_report(make(), folder / "run")
    source = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text("utf-8"))
    copy = page.with_name("copy.html")
    copy.write_text(source.replace("</body>", f"<script>document.title = String({script})</script></body>"), "utf-8")
    found = re.search(r"<title>(.*?)</title>", browse(copy, folder / "profile", "--dump-dom", *flags).stdout, re.S)
    assert found is not None
    return found[1]


ALL_OPEN = "document.querySelectorAll('details').forEach(d => d.open = true)"


@pytest.mark.parametrize("width", [1440, 1000, 390])
def test_the_body_never_scrolls_sideways(width: int, tmp_path: Path) -> None:
    """A frame can be as narrow as a phone, which a window of this browser cannot; wide tables scroll in themselves."""
    page = write_report(full(), tmp_path / "run")
    inside = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text("utf-8"))
    widths = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    wide = "[...document.querySelectorAll('.scroll')].filter(s => s.scrollWidth > s.clientWidth + 1).length"
    said = f"<script>{ALL_OPEN}; parent.document.title = {widths}.concat([{wide}]).join()</script></body>"
    frame = f'<iframe style="border:0;width:{width}px;height:900px" srcdoc="{escape(inside.replace("</body>", said))}">'
    (tmp_path / "frame.html").write_text(f"<title></title><body style='margin:0'>{frame}</iframe>", "utf-8")
    dom = browse(tmp_path / "frame.html", tmp_path / "profile", "--dump-dom", "--window-size=1600,1000").stdout
    found = re.search(r"<title>(\d+),(\d+),(\d+)</title>", dom)
    assert found is not None
    scrolled, there, scrolling = map(int, found.groups())
    assert there == width
    assert scrolled <= there
    assert (scrolling > 0) == (width == 390)


def test_everything_folded_opens_by_the_keyboard(tmp_path: Path) -> None:
    """Summaries and links are reached by Tab; what scrolls sideways can be reached, too."""
    reached = "a[href], summary, [tabindex='0']"
    script = (
        f'[...document.querySelectorAll("{reached}")].every(e => e.tabIndex === 0) && '
        "[...document.querySelectorAll('details')].every(d => d.firstElementChild.tagName === 'SUMMARY') && "
        "[...document.querySelectorAll('a[href]')].every(a => document.getElementById(a.hash.slice(1)))"
    )
    assert measured(full, script, tmp_path) == "true"


def crowded() -> RunResult:
    """As many levers as the sheet has room for, with long titles, and a banner."""
    levers = {f"lever_{k}": (f"Lever {k} with a title that needs two lines", 900.0 * k, 4e3) for k in range(8)}
    fresh, run = demo(levers), full()
    return replace(
        run, scenarios=fresh.scenarios, comparison=fresh.comparison, delta_draws=fresh.delta_draws, draft=True,
        payback=fresh.payback, schedule=(),
    )  # fmt: skip


def printed(page: Path, profile: Path) -> int:
    """Pages of paper."""
    paper = page.with_suffix(".pdf")
    browse(page, profile, f"--print-to-pdf={paper}", "--no-pdf-header-footer")
    return len(re.findall(rb"/Type /Page\b", paper.read_bytes()))


@pytest.mark.parametrize("make", [demo, full, crowded])
def test_the_sheet_is_one_page_of_paper_and_the_rest_is_folded(make: Callable[[], RunResult], tmp_path: Path) -> None:
    page = write_report(make(), tmp_path / "run")
    assert 2 <= printed(page, tmp_path / "profile") <= 4
    alone = page.with_name("alone.html")
    hidden = "<style>.folded, footer { display:none } .sheet { break-after:auto !important }</style></head>"
    alone.write_text(page.read_text("utf-8").replace("</head>", hidden), "utf-8")
    assert printed(alone, tmp_path / "profile") == 1


def test_a_complaint_would_be_noticed(tmp_path: Path) -> None:
    """The page forbids loading; a broken one must show up in what the first test reads."""
    page = write_report(demo(), tmp_path / "run")
    page.write_text(page.read_text("utf-8").replace("</main>", '<img src="https://example.invalid/x.png"></main>'))
    assert "CONSOLE" in browse(page, tmp_path / "profile", "--dump-dom").stderr
