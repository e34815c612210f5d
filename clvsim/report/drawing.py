"""The one style of all figures, and their way into a file: byte-stable SVG without anything that could be cut or run.

Text is drawn as outlines: a reader's font can be wider than ours, and a cut label is worse than unselectable text.
"""

import io
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
from markupsafe import escape
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import TextToPath

WIDTH = 4.8  # inches: half of the page on paper, and little more than a phone held upright, where text is still read
SMALL, NORMAL = 8.0, 9.0  # points

INK, MUTED, FAINT, GAIN, LOSS = "#23282f", "#5d6671", "#c9ced6", "#0072b2", "#d55e00"  # last two: Okabe and Ito
# In the page a colour is a CSS variable, so that a dark screen can lighten it.
_VARIABLES = {INK: "ink", MUTED: "muted", FAINT: "faint", GAIN: "gain", LOSS: "loss"}

_STYLE: Mapping[Any, Any] = MappingProxyType(
    {
        "font.family": ["DejaVu Sans"],
        "font.size": SMALL,
        "text.color": INK,
        "text.parse_math": False,  # a "$" in a title is a dollar
        "text.usetex": False,
        "axes.labelcolor": MUTED,
        "axes.labelsize": SMALL,
        "axes.edgecolor": FAINT,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.unicode_minus": True,
        "axes.formatter.use_mathtext": False,
        "axes.grid": False,
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "xtick.labelcolor": MUTED,
        "ytick.labelcolor": MUTED,
        "xtick.labelsize": SMALL,
        "ytick.labelsize": SMALL,
        "svg.fonttype": "path",
        "svg.hashsalt": "clvsim",
        "svg.id": None,
        "path.simplify": True,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "savefig.facecolor": "none",
        "figure.dpi": 72.0,
    }
)


@contextmanager
def style() -> Generator[None, None, None]:
    """Matplotlib's defaults with our style on top, whatever a notebook or a matplotlibrc has set."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def svg(figure: Figure) -> str:
    """The figure as an SVG file. Same figure, same bytes."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    # Comments repeat every label as text, which nobody sees and an escaping mistake could reach.
    text = re.sub(r"<!-- .*? -->\n?", "", buffer.getvalue(), flags=re.DOTALL)
    text = re.sub(r' d="[^"]*"|translate\([^)]*\)| [xy]="[^"]*"', _rounded, text)
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', text))
    return re.sub(r' id="([^"]*)"', lambda name: name.group() if name[1] in used else "", text)


def _rounded(coordinates: re.Match[str]) -> str:
    """Coordinates to a hundredth of a point: six decimals are more than half of a file."""
    return re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), coordinates[0])


def inline(svg_file: str, prefix: str, alternative_text: str) -> str:
    """An SVG file as an element of the page: scalable, labelled, with names of its own and the page's colours."""
    body = svg_file[svg_file.index("<svg") :]
    opening, body = body.split(">", 1)
    view_box = re.search(r'viewBox="[-\d. ]+"', opening)
    if view_box is None:
        raise ValueError("the SVG has no viewBox")
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{prefix}-', body)
    body = re.sub(r'\b(?:xlink:)?href="#', f'href="#{prefix}-', body)
    body = body.replace("url(#", f"url(#{prefix}-")
    for colour, name in _VARIABLES.items():
        body = body.replace(colour, f"var(--{name})")
    return f'<svg role="img" aria-label="{escape(alternative_text)}" {view_box.group()}>{body.strip()}'


def clean(text: str) -> str:
    """One line of text that the figures' font can draw; what it lacks becomes an empty box."""
    glyphs = get_font(findfont(FontProperties(family="DejaVu Sans"))).get_charmap()
    return " ".join("".join(c if ord(c) in glyphs or c.isspace() else "\u25a1" for c in text).split())


def wrap(text: str, width: float, size: float = SMALL, *, bold: bool = False) -> str:
    """`text` in lines of at most `width` points as drawn. Words longer than a line are broken, nothing is dropped."""
    lines = [""]
    for word in clean(text).split(" "):
        candidate = f"{lines[-1]} {word}".strip()
        if text_width(candidate, size, bold=bold) <= width:
            lines[-1] = candidate
            continue
        if lines[-1]:
            lines.append("")
        for character in word:
            if lines[-1] and text_width(lines[-1] + character, size, bold=bold) > width:
                lines.append("")
            lines[-1] += character
    return "\n".join(lines)


@lru_cache(maxsize=20_000)
def text_width(text: str, size: float = SMALL, *, bold: bool = False) -> float:
    """Width in points of one line as it will be drawn."""
    font = FontProperties(family="DejaVu Sans", size=size, weight="bold" if bold else "normal")
    return TextToPath().get_text_width_height_descent(text, font, ismath=False)[0] if text else 0.0
