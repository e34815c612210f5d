"""What people read of a run: the investor's page, its figures and the terminal's two tables.

Everything here is a pure function of `clvsim.types.RunResult`; no number is computed that a run does not already hold.
`page.write_report` writes the page, `text.tables` renders the terminal's text
(and imports neither matplotlib nor Jinja).
"""
