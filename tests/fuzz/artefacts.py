"""Damage of what clvsim writes and reads again: files of draws, cached ones, and the folders of finished runs."""

import contextlib
import hashlib
import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from hypothesis import strategies as st

from clvsim.archive import json_ready
from clvsim.questions import QUESTIONS
from tests.fuzz.cases import CANARY, Case, Room, lay_out
from tests.fuzz.nasty import damaged, numbers, texts
from tests.fuzz.nursery import Nursery
from tests.fuzz.studies import trees
from tests.fuzz.tables import GOOD
from tests.report.factory import valuation

RUN = (
    *("run", "orders.csv", "retention=bg_nbd", "spend=fixed_price", "data.calibration_end=none", "fit.method=laplace"),
    *("fit.draws=500", "simulation.draws=40", "simulation.horizon_months=2", "scenarios=[]", "simulation.jobs=1"),
    *("trace.customers=2", "finance.gross_margin=0.4"),
)
READ_BY_REPORT = ("run.json", "summary.json", "comparison.csv", "books.csv", "draws.nc")
READ_BY_LOAD = (*READ_BY_REPORT, "customers.parquet", "newcomer_value.csv", "trace.csv", "schedule.csv")


@dataclass(frozen=True)
class Originals:
    """What an undisturbed run wrote: its folder, and what it left in the cache of posteriors."""

    run: Mapping[str, bytes]
    cache: Mapping[str, bytes]

    @property
    def posterior(self) -> bytes:
        return self.run["posterior.nc"]


def originals(nursery: Nursery, parent: Path) -> Originals:
    room = Room(parent)
    lay_out({"orders.csv": GOOD}, room.here)
    caches = room.root / "cache"
    ended = nursery.run((*RUN, "out=r"), room.here, {**room.env, "CLVSIM_CACHE": str(caches)})
    assert ended.code == 0, ended.err
    run, cached = room.here / "r", caches / "posteriors"
    return Originals(
        {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()},
        {path.name: path.read_bytes() for path in cached.iterdir()},
    )


# --- files of draws ---------------------------------------------------------------------------------------------------

ATTRIBUTES = (
    *("format", "retention_model", "spend_model", "time_unit", "retention_method", "spend_method", "retention_config"),
    *("spend_config", "diagnostics", "warnings", "log"),
)
DRAWS = st.one_of(
    st.lists(st.floats(), min_size=0, max_size=4).map(lambda v: np.array(v, float)),
    st.floats().map(lambda v: np.full(500, v)),
    st.integers(-(2**63), 2**63 - 1).map(lambda v: np.full(500, v)),
    st.sampled_from(
        (
            np.zeros((500, 2)),
            np.zeros(()),
            np.full(500, 1 + 1j),
            np.full(500, True),
            np.full(500, b"x"),
            np.zeros(0, "i1"),
            np.zeros(500, [("a", "f8")]),
            np.full(500, 0.3, "f2"),
            np.full(500, 0.3, ">f4"),
            np.zeros(500, "V8"),
        )
    ),
)
JSONS = st.one_of(
    trees.map(lambda tree: json.dumps(tree, default=str)), texts, st.just('{"oracle": true}'), st.just("[" * 9000)
)


def edited(content: bytes, change: Callable[[Any], None]) -> bytes:
    file = io.BytesIO(content)
    with h5py.File(file, "a") as root:
        change(root)
    return file.getvalue()


@st.composite
def edits(draw: st.DrawFn, content: bytes) -> bytes:
    """Another value, array, attribute, name or link in a file that is a file of draws otherwise."""
    kind = draw(st.sampled_from(("one", "one", "array", "attribute", "attribute", "name", "missing", "link", "group")))
    group = draw(st.sampled_from(("retention", "spend")))
    name = {"retention": "alpha", "spend": "mean_spend"}[group]
    new, value, text = draw(texts), draw(st.floats()), draw(JSONS)
    array, attribute = draw(DRAWS), draw(st.sampled_from(ATTRIBUTES))

    def change(root: Any) -> None:
        known = [one for one in root[group] if one != "draw"]
        own = name if name in known else known[0] if known else "draw"
        match kind:
            case "one":
                root[group][own][-1] = value
            case "array":
                del root[group][own]
                root[group][own] = array
            case "attribute":
                root.attrs[attribute] = text.encode("utf-8", "replace").replace(b"\0", b"")
            case "name":
                root[group].move(own, new.replace("\0", "") or "x")
            case "missing":
                del root[group][own]
            case "link":
                del root[group][own]
                root[group][own] = h5py.ExternalLink("orders.csv", new.replace("\0", "") or "/")
            case _:
                root[group].create_group(new.replace("\0", "") or "x").attrs["x"] = 1

    try:
        return edited(content, change)
    except (OSError, ValueError, TypeError, RuntimeError, KeyError):  # HDF5 itself would not write it
        return content[:-1]


def posteriors(content: bytes) -> st.SearchStrategy[Case]:
    """Read directly, by both ways in."""
    files = st.one_of(edits(content), damaged(content))
    return files.map(lambda file: Case(("p.nc",), {"p.nc": file}, target="posterior"))


def used_posteriors(content: bytes) -> st.SearchStrategy[Case]:
    """By the command that uses them."""
    files = st.one_of(edits(content), edits(content), damaged(content))
    words = (*RUN, "fit.posterior=[p.nc]", "out=r")
    return files.map(lambda file: Case(words, {"orders.csv": GOOD, "p.nc": file}))


# --- the cache --------------------------------------------------------------------------------------------------------


def _pickle() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([print, CANARY], object), allow_pickle=True)
    return file.getvalue()


def cached(entries: Mapping[str, bytes]) -> st.SearchStrategy[Case]:
    """A run that finds its cache damaged: it fits again and says so, or uses draws that are draws."""
    name, content = next((name, content) for name, content in entries.items() if name.endswith(".nc"))
    files = st.one_of(damaged(content), edits(content), st.binary(max_size=50), st.just(_pickle()), st.none())
    words = (*RUN, "out=r")
    return files.map(
        lambda file: Case(words, {"orders.csv": GOOD, f"cache/posteriors/{name}": file}, {"CLVSIM_CACHE": "cache"})
    )


# --- folders of finished runs -----------------------------------------------------------------------------------------


@cache
def places(text: str) -> tuple[tuple[Any, ...], ...]:
    """The path to every value of a JSON text."""
    found: list[tuple[Any, ...]] = []

    def walk(tree: Any, path: tuple[Any, ...]) -> None:
        found.append(path)
        children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
        for key, below in list(children)[:40]:
            walk(below, (*path, key))

    walk(json.loads(text), ())
    return tuple(found)


def replaced(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The tree with `value` at `path`; without that entry where it is Ellipsis."""
    if not path:
        return None if value is ... else value
    head, *rest = path
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    if rest or value is not ...:
        copy[head] = replaced(tree[head], tuple(rest), value)
    else:
        del copy[head]
    return copy


strange = st.one_of(
    trees,
    st.just(...),
    numbers.filter(lambda n: not (isinstance(n, int) and abs(n) > 10**300)),
    st.sampled_from(
        (
            [],
            {},
            [[]],
            {"a": []},
            "2024-02-30",
            "<script>alert(1)</script>",
            "</script><script>",
            "${oc.env:SECRET}",
            "x" * 9000,
            [None] * 50,
            ["x"] * 500,
            {"_target_": "os.abort"},
            -1,
            math.nan,
            "baseline",
            "{{7*7}}",
            "../../x",
        )
    ),
)


@st.composite
def run_folders(draw: st.DrawFn, run: Mapping[str, bytes], read: tuple[str, ...] = READ_BY_REPORT) -> Case:
    """`report` or `show` of a folder in which a file is damaged, missing, or says something else; of half of them the
    record says that this is what the run wrote, since whoever changes a file can change that too."""
    files: dict[str, bytes | None] = {f"r/{name}": run[name] for name in read}
    name = draw(st.sampled_from((*read, "summary.json", "summary.json")))
    how = draw(st.sampled_from(("values", "values", "values", "bytes", "missing", "folder", "cells", "knobs")))
    match how:
        case "values" if name.endswith(".json"):
            text = run[name].decode()
            tree = json.loads(text)
            for _ in range(draw(st.integers(1, 2))):
                path = draw(st.sampled_from(places(text)))
                try:
                    tree = replaced(tree, path, draw(strange))
                except (KeyError, IndexError, TypeError):  # what stood there is gone already
                    continue
            files[f"r/{name}"] = json.dumps(tree, default=str).encode("utf-8", "replace")
        case "missing":
            del files[f"r/{name}"]
        case "folder":
            files[f"r/{name}"] = None
        case "cells":
            table = draw(st.sampled_from([name for name in read if name.endswith(".csv")]))
            rows = [line.split(",") for line in run[table].decode().splitlines()]
            row = rows[draw(st.integers(0, len(rows) - 1))]
            row[draw(st.integers(0, len(row) - 1))] = draw(st.one_of(texts, numbers.map(str)))
            files[f"r/{table}"] = "\n".join(map(",".join, rows)).encode("utf-8", "replace")
        case "knobs":
            files["r/draws.nc"] = draw(damaged_knobs(run["draws.nc"]))
        case _:
            files[f"r/{name}"] = draw(damaged(run[name]))
    if draw(st.booleans()):
        signed_record = signed(files)
        files = {**files, "r/run.json": signed_record} if signed_record is not None else files
    parts = ("all", "figures", "levers", "assumptions", "months", "warnings", "models")
    shown = st.sampled_from(parts).map(lambda part: ("show", "r", f"what={part}"))
    return Case(draw(st.one_of(st.just(("report", "r")), shown)), files)


@st.composite
def valued_folders(draw: st.DrawFn, run: Mapping[str, bytes]) -> Case:
    """`report` of a folder whose summary holds a valuation in which something was replaced, with a record that says
    that the run wrote it so."""
    summary = json.loads(run["summary.json"].decode())
    value: Any = json_ready(valuation())
    for _ in range(draw(st.integers(1, 2))):
        try:
            value = replaced(value, draw(st.sampled_from(places(json.dumps(value)))), draw(strange))
        except (KeyError, IndexError, TypeError):
            continue
    files: dict[str, bytes | None] = {f"r/{name}": run[name] for name in READ_BY_REPORT}
    files["r/summary.json"] = json.dumps({**summary, "valuation": value}, default=str).encode("utf-8", "replace")
    return Case(("report", "r"), {**files, "r/run.json": signed(files)})


HISTORIES = (  # of spend, by hand
    b"",
    b"channel,month,spend,customers\n",
    b"channel,month,spend,customers\nads,2025-1,5,5\nads,2025-01,5,5\n",
    b"channel,month,spend,customers\n" + b"".join(b"ads,2025-%d,%d,%d\n" % (m, 100 * m, 10 * m) for m in range(1, 7)),
    b"channel,month,spend,customers\n" + b"".join(b",2025-%d,%d,1.000,7\n" % (m, 100 * m) for m in range(1, 7)),
    b'channel,month,spend,customers\n=1+1,1,nan,inf\n"a,b",2,-1,1e400\n',
    b"\xff\xfe\0\0channel",
)


@st.composite
def questions(draw: st.DrawFn, run: Mapping[str, bytes]) -> Case:
    """`decide` of a run, with keys that hold anything, beside a history of spend that may be none, or of a folder in
    which one file is damaged."""
    files: dict[str, bytes | None] = {f"r/{name}": run[name] for name in (*READ_BY_REPORT, "customers.parquet")}
    files["spend.csv"] = draw(st.one_of(st.sampled_from(HISTORIES), damaged(HISTORIES[3]), st.just(None)))
    if draw(st.integers(0, 3)) == 0:
        name = draw(st.sampled_from(("draws.nc", "customers.parquet", "comparison.csv")))
        files[f"r/{name}"] = draw(damaged(run[name]))
        files |= {"r/run.json": signed(files)} if draw(st.booleans()) else {}
    asked = draw(st.lists(st.sampled_from([*QUESTIONS, "x", "1"]), min_size=1, max_size=3))
    keys = ("lever", "chance_of_loss", "within_months", "per_arm", "visitors_per_month", "test_cost", "watched_months")
    key = st.sampled_from((*keys, "budget_per_month", "worst_at_least", "top", "ask", "run", "out"))
    value = st.one_of(
        numbers.map(str), texts, st.sampled_from(("[0.1,2]", "[]", "null", "{a: 1}", "upsell_soft", "-1"))
    )
    own = [f"{one}={value}" for one, value in draw(st.lists(st.tuples(key, value), max_size=3))]
    typed = (f"ask=[{','.join(asked)}]", "spend_history=spend.csv", *own)
    return Case(("decide", "r", *(word.replace("\0", "") for word in typed)), files)


def loaded_folders(run: Mapping[str, bytes]) -> st.SearchStrategy[Case]:
    """The same, loaded as in a notebook."""
    return run_folders(run, READ_BY_LOAD).map(lambda case: case._replace(words=("r",), target="load"))


KNOBS = ("values", "terms", "price", "levels", "levels_level", "levels_scale", "levels_steps")


@st.composite
def damaged_knobs(draw: st.DrawFn, original: bytes) -> bytes:
    """`draws.nc` with knobs of which an array is missing, of another kind or shape, or holds what no run writes."""
    memory, name = io.BytesIO(original), draw(st.sampled_from(KNOBS))
    with h5py.File(memory, "r+") as file:
        group = file["knobs"]
        values = group[name][()]
        how = draw(st.sampled_from(("missing", "kind", "shape", "value")))
        if how == "value" and values.dtype.kind in "fi":
            strange = (np.nan, np.inf, -1e300, 1e18) if values.dtype.kind == "f" else (-2, 3, 9_999)
            group[name][(0,) * values.ndim] = draw(st.sampled_from(strange))
        else:
            del group[name]
        if how == "kind":
            group[name] = np.full(values.shape, 1j) if draw(st.booleans()) else np.zeros(values.shape, "i8")
        elif how == "shape":
            group[name] = values.ravel()[:1]
    return memory.getvalue()


def signed(files: Mapping[str, bytes | None]) -> bytes | None:
    """The record of a run folder with the digests of the files that are there; as it is where it is no record."""
    record = files.get("r/run.json")
    try:
        content = json.loads(record or b"")
        own = {place.removeprefix("r/"): part for place, part in files.items() if place.startswith("r/")}
        parts = {name: part for name, part in own.items() if name != "run.json"}
        content["parts"] = {name: hashlib.sha256(part).hexdigest() for name, part in parts.items() if part is not None}
        content["sizes"] = {name: len(part) for name, part in parts.items() if part is not None}
    except (ValueError, TypeError):
        return record
    return json.dumps(content).encode()


# --- runs that are scored and compared --------------------------------------------------------------------------------

READ_BY_RECORD = (*READ_BY_REPORT, "ledger.nc", "draws.nc", "posterior.nc", "customers.parquet")
LATER = GOOD + b"".join(
    b"%s,2024-%02d-11,12\n" % (who, month) for who in (b"a", b"b", b"new") for month in range(6, 12)
)


@st.composite
def past_runs(draw: st.DrawFn, run: Mapping[str, bytes]) -> Case:
    """`score` and `diff` of a folder in which a file is damaged, missing or says something else; of half of them the
    record says that this is what the run wrote."""
    files: dict[str, bytes | None] = {f"r/{name}": run[name] for name in READ_BY_RECORD}
    name = draw(st.sampled_from((*READ_BY_RECORD, "run.json", "customers.parquet", "ledger.nc")))
    match draw(st.sampled_from(("values", "bytes", "missing", "folder", "as it was"))):
        case "values" if name.endswith(".json"):
            text = run[name].decode()
            with contextlib.suppress(KeyError, IndexError, TypeError):
                changed = replaced(json.loads(text), draw(st.sampled_from(places(text))), draw(strange))
                files[f"r/{name}"] = json.dumps(changed, default=str).encode("utf-8", "replace")
        case "missing":
            del files[f"r/{name}"]
        case "folder":
            files[f"r/{name}"] = None
        case "as it was":
            pass
        case _:
            files[f"r/{name}"] = draw(damaged(run[name]))
    if draw(st.booleans()) and (record := signed(files)) is not None:
        files["r/run.json"] = record
    files |= {"orders.csv": draw(st.sampled_from((GOOD, LATER))), **{f"b/{name}": run[name] for name in READ_BY_RECORD}}
    words = draw(
        st.sampled_from((("score", "r", "orders.csv"), ("diff", "r", "b", "bridge=false"), ("diff", "b", "r")))
    )
    return Case((*words, "out=o"), files)


GOOD_SCORE = {
    "record": {
        "until": "2024-06-30",
        "currency": "",
        "forecasts": [
            {
                "today": "2024-01-31",
                "customers": 12,
                "missing": 0,
                "figures": [
                    {
                        "figure": "orders",
                        "months": 4,
                        "held": 3,
                        "actual": 9.0,
                        "mean": 8.0,
                        "p05": 4.0,
                        "p95": 13.0,
                        "crps": 1.0,
                        "rule_crps": 2.0,
                    }
                ],
            }
        ],
    }
}


@st.composite
def scores(draw: st.DrawFn) -> Case:
    """A run that is given a score which is damaged, or holds what no score holds."""
    text = json.dumps(GOOD_SCORE)
    content = draw(
        st.one_of(
            st.builds(
                lambda path, value: json.dumps(replaced(GOOD_SCORE, path, value), default=str).encode(
                    "utf-8", "replace"
                ),
                st.sampled_from(places(text)),
                strange,
            ),
            damaged(text.encode()),
        )
    )
    files: dict[str, bytes | None] = {"r/run.json": b'{"config": {}}', "r/score.json": content, "orders.csv": GOOD}
    record = signed(files) if draw(st.booleans()) else files["r/run.json"]
    return Case((*RUN, "report.track_record=r", "out=o"), {**files, "r/run.json": record})
