"""Values and texts that broke programs before, and strategies that make more of them."""

from hypothesis import strategies as st

from tests.fuzz.cases import CANARY

LONG = "x" * 20_000
TEXTS = (
    *("", " ", "null", "None", "nan", "NaN", "inf", "-inf", "-Infinity", "true", "no", "~", "-", ".", "..", "*", "?"),
    *("0", "-0", "-1", "1e400", "1e-400", "9" * 400, "0x10", "1_000", "१२", "½", "1,5", "1.000,50", "1'000.00", "NaT"),
    *("0001-01-01", "9999-12-31", "2024-02-30", "2024-13-01", "-5000-01-01", "31/12/24", "12:00", "2024-W10", "1e9"),
    *("'", '"', "''", '"""', "\\", "\\'", "${", "${x}", "${oc.env:SECRET}", "${oc.env:HOME}", "${now:%Y}", "$(id)"),
    *("${oc.decode:${oc.env:SECRET}}", "${oc.select:seed}", "${hydra:runtime.cwd}", "${oc.create:{a: 1}}", "${${out}}"),
    *(f"$(touch {CANARY})", f"`touch {CANARY}`", f"; touch {CANARY}", f"| touch {CANARY}", "%s%n%x", "{0.__class__}"),
    *("{{7*7}}", "<script>alert(1)</script>", "=cmd|' /C calc'!A0", "=1+1", "@SUM(A1)", "'; DROP TABLE orders; --"),
    *(
        "[",
        "]",
        "{",
        "}",
        "[1,2",
        "{a: 1",
        "a: b: c",
        "a=b",
        "--",
        "-m",
        "!!python/none",
        "&a",
        "*a",
        "<<",
        "? a",
        "# x",
    ),
    *("../../etc/passwd", "/etc/passwd", "/dev/zero", "/dev/stdin", "file:///etc/passwd", "s3://a/b", "C:\\x", "a/b"),
    *(
        "\u202eevil",
        "\u200b",
        "\ufeff",
        "\x1b[31mred",
        "\r",
        "a\nb",
        "a\tb",
        "\x07",
        "é",
        "日本",
        "𝕏",
        "İ",
        "ß",
        "\ud7ff",
    ),
    *(LONG, "a," * 5_000, "[" * 300, "(" * 300, "9" * 5_000, "Ω" * 3_000),
)
NUMBERS = (
    *(0, -1, 1, 2, 2**31, 2**63, -(2**63), 10**30, 10**400, 0.0, -0.0, 1e-320, 1e308, -1e308, 0.5, 1.0000001),
    *(float("nan"), float("inf"), float("-inf")),
)

texts = st.one_of(
    st.sampled_from(TEXTS),
    st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=30),
)
numbers = st.one_of(st.sampled_from(NUMBERS), st.integers(), st.floats())


def flipped(content: bytes, places: list[int]) -> bytes:
    """A bit of each of some bytes turned over."""
    changed = bytearray(content)
    for place in places:
        changed[place % len(changed)] ^= 1 << (place % 8)
    return bytes(changed)


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """The content cut off, with bits turned over, bytes put in, or a part of it moved elsewhere."""
    places = st.integers(0, max(len(content) - 1, 0))
    match draw(st.sampled_from(("cut", "flip", "flip many", "insert", "splice", "zeros"))):
        case "cut":
            return content[: draw(places)]
        case "flip":
            return flipped(content, [draw(places)])
        case "flip many":
            return flipped(content, draw(st.lists(places, min_size=5, max_size=60)))
        case "insert":
            at = draw(places)
            return content[:at] + draw(st.binary(min_size=1, max_size=40)) + content[at:]
        case "splice":
            a, b, size = draw(places), draw(places), draw(st.integers(1, 2000))
            return content[:a] + content[b : b + size] + content[a + size :]
        case _:
            a, size = draw(places), draw(st.integers(1, 500))
            return content[:a] + bytes(size) + content[a + size :]
