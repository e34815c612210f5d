"""What people read of a run: the investor's page, its figures and the terminal's two tables.

Everything here is a pure function of `clvsim.types.RunResult`; no number is computed that a run does not already hold.
`text.tables` renders the terminal's text and imports neither Matplotlib nor Jinja; they load with the first page.
"""

from pathlib import Path

from clvsim.report.config import ReportConfig
from clvsim.types import RunResult


def write_report(result: RunResult, folder: Path) -> Path:
    """Write `report.html` and `figures/*.svg` into `folder` (made if missing) and return the page's path.

    The same run gives the same bytes. Raises OSError when the folder cannot be written.
    """
    from clvsim.report.page import write_page

    return write_page(result, folder)


__all__ = ["ReportConfig", "write_report"]
