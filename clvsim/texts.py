"""Text of other people as it may be shown: in one line of a bounded length, without signs that steer a terminal."""

import re

LONGEST_LINE = 600  # characters of a message

FORMULA = (*"=+-@＝＋－＠", "\t", "\r", "\n")  # with which a spreadsheet begins to compute
LINE_LIKE_A_FORMULA = re.compile(f"(?:\\A|\n)[{re.escape(''.join(FORMULA))}]")
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def escaped(sign: str) -> str:
    """A sign as the shells bash and zsh read it in `$'...'`."""
    code = ord(sign)
    if sign in "\\'":
        return f"\\{sign}"
    if sign.isprintable():
        return sign
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a name that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x80 else f"\\U{code:08x}"


def visible(text: str) -> str:
    """The text with control characters, and those that turn its direction, as escapes."""
    return CONTROLS.sub(lambda match: escaped(match[0]), text)


def short(text: str, longest: int = LONGEST_LINE) -> str:
    """The text, or its beginning and its end with … for what is between them."""
    if len(text) <= longest:
        return text
    end = longest // 4
    return f"{text[: longest - end - 1]}…{text[-end:]}"


def short_repr(value: object, longest: int = 80) -> str:
    """A value as Python writes it, cut; a whole number with more digits than Python writes as about what it is."""
    if isinstance(value, int) and abs(value) >= 10**longest:
        return f"a number of more than {longest} digits"
    if isinstance(value, str) and len(value) > longest:
        return f"{short(value, longest)!r} ({len(value):,} characters)"
    return short(repr(value), longest)


def spreadsheet_cell(text: object) -> object:
    """A text of a table that no spreadsheet computes: behind an apostrophe where it begins like a formula."""
    if not isinstance(text, str):
        return text
    return ("'" if text[:1] in FORMULA else "") + visible(text)


def cell_text(cell: str) -> str:
    """The text of a cell that `spreadsheet_cell` made, its escapes as they are."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in FORMULA else cell
