"""The output that people read of a run: the page, its figures and the terminal's two tables.

Everything here is a pure function of `clvsim.types.RunResult`; no number is computed that a run does not already hold.
`text.tables` renders the terminal's text and imports neither Matplotlib nor Jinja; they load with the first page.
"""

from pathlib import Path

from clvsim.report.config import ReportConfig
from clvsim.types import RunResult


def write_report(result: RunResult, folder: Path) -> Path:
    """Write the page of a run: `report.html`, and its figures as `figures/*.svg`.

    Parameters
    ----------
    result
        Everything that is shown of a run, of `clvsim.archive.read_result` for a finished one.
    folder
        Where to write; made if missing.

    Returns
    -------
    pathlib.Path
        The page. It needs no other file, and the same result gives the same bytes.

    Raises
    ------
    OSError
        The folder cannot be written.

    Examples
    --------
    The page of a finished run, written once more:

    >>> from contextlib import nullcontext
    >>> from pathlib import Path
    >>> import clvsim
    >>> from clvsim.archive import read_result
    >>> from clvsim.config import validate
    >>> from clvsim.runfolder import RunContext
    >>> from clvsim.stages.run import run
    >>> config = validate(
    ...     {
    ...         "data": {"kind": "synthetic", "customers": 200},
    ...         "retention": {"kind": "bg_nbd"},
    ...         "spend": {"kind": "gamma_gamma"},
    ...         "fit": {"method": "map", "draws": 16, "cache": False},
    ...         "simulation": {"draws": 16, "horizon_months": 12},
    ...         "scenario": {"baseline": {"title": "As today"}},
    ...     }
    ... )
    >>> folder = Path("shop")
    >>> folder.mkdir()
    >>> silent = lambda *words: None
    >>> progress = lambda label: nullcontext(silent)
    >>> context = RunContext(folder, folder, "clvsim run", say=silent, note=silent, progress=progress)
    >>> run(config, context)
    0
    >>> page = clvsim.write_report(read_result(folder), Path("again"))
    >>> page.name, page.read_bytes() == (folder / "report.html").read_bytes()
    ('report.html', True)
    """
    from clvsim.report.page import write_page

    return write_page(result, folder)


__all__ = ["ReportConfig", "write_report"]
