"""Files of experiments and scenarios: trees of real keys with strange values, and texts that no YAML is."""

from collections.abc import Mapping
from functools import cache

import yaml
from hypothesis import strategies as st

from clvsim.files import CONFIGS, SHIPPED, yaml_files
from tests.fuzz.cases import CANARY, Case
from tests.fuzz.nasty import damaged, numbers, texts
from tests.fuzz.tables import BRIEF, GOOD
from tests.fuzz.words import keys, stated_keys

TOUCH = f"[touch {CANARY}]"
TAGS = (
    *(
        "!!python/object/apply:os.system",
        "!!python/object/new:subprocess.Popen",
        "!!python/name:os.system",
        "!!python/none",
    ),
    *(
        "!!python/module:os",
        "!!binary",
        "!!set",
        "!!omap",
        "!!timestamp",
        "!!float",
        "!!int",
        "!evil",
        "!!str",
        "!!null",
    ),
)
# Texts as wholes, each tried as an experiment and as a scenario.
CORPUS = (
    *(f"title: {tag} {TOUCH}" for tag in TAGS),
    *(f"title: {tag} x" for tag in TAGS),
    *(
        "",
        " ",
        "---\n",
        "---\n---\n",
        "--- a\n--- b\n",
        "...\n",
        "%YAML 9.9\n---\ntitle: x",
        "%TAG ! tag:x,2000:\n---\ntitle: !a x",
    ),
    *(
        "- 1",
        "1",
        "title",
        "null",
        "~",
        "[]",
        "{}",
        "title: [",
        "title: {",
        'title: "',
        "title: 'x",
        "title: |\n",
        "\ttitle: x",
    ),
    *(
        "title: x\ntitle: y",
        "title: x\n<<: {a: 1}",
        "title: x\n? [a, b]\n: c",
        "title: x\n1: 2",
        "title: x\nnull: 2",
        "title: x\n1.5: 2",
    ),
    *(
        "title: x\ntrue: 2",
        "title: x\n2024-01-01: 2",
        "title: 2024-13-45",
        "title: 1e999999",
        "title: 0o99",
        "title: 1:99:99",
    ),
    *(
        "title: .nan",
        "title: .inf",
        "title: 9" + "9" * 5000,
        "title: 0x" + "f" * 5000,
        "title: " + "x" * 100_000,
        "? " + "k" * 2000,
    ),
    *(
        "title: " + "[" * 25 + "]" * 25,
        "title: " + "{a: " * 25 + "}" * 25,
        "- " * 3000 + "1",
        "title: " + "a: " * 200 + "b",
    ),
    *(
        "a: &a [x]\ntitle: *a",
        "title: *none",
        "title: &a x",
        "a: &a {<<: *a}",
        "title: x\nb: !!merge x",
        "title: x #" + "c" * 5000,
    ),
    *(
        "title: ${oc.env:SECRET}",
        "title: ${oc.env:NOPE,x}",
        "title: \\${oc.env:SECRET}",
        "title: ${oc.create:${oc.env:SECRET}}",
    ),
    *(
        "title: ${${title}}",
        "title: ${title}",
        "title: ${.title}",
        "title: ${..title}",
        "title: ${title",
        "title: ${}",
        "title: ${:}",
    ),
    *(
        "title: ${oc.dict.keys:hydra}",
        "title: ${hydra:runtime.cwd}",
        "title: ${now:%Y}",
        "title: ${folder:x}",
        "title: ${os:x}",
    ),
    *(
        f"title: x\nhydra: {{callbacks: {{x: {{_target_: os.system, command: touch {CANARY}}}}}}}",
        "title: x\nhydra: evil",
    ),
    *(
        "title: x\nhydra: {sweeper: {params: {seed: '1,2'}}}",
        "title: x\nhydra: {mode: MULTIRUN}",
        "title: x\nhydra: {mode: evil}",
    ),
    *(
        "title: x\ndefaults: evil",
        "title: x\ndefaults: [evil]",
        "title: x\ndefaults: [../x]",
        "title: x\ndefaults: [{/data: csv}]",
    ),
    *(
        "title: x\ndefaults: [_self_, _self_]",
        "title: x\ndefaults: [{override /hydra/launcher: evil}]",
        "title: x\ndefaults: [[a]]",
    ),
    *(
        "title: x\ndefaults: [{a: b, c: d}]",
        "title: x\ndefaults: [experiment: own]",
        "title: x\ndefaults: {a: b}",
        "defaults: [null]",
    ),
    *(
        "title: x\ncombine: [own]",
        "title: x\ncombine: [own, own]",
        "title: x\ncombine: own",
        "title: x\ncombine: [baseline]",
    ),
    *(
        "title: x\ncombine: {a: b}",
        "title: x\ncombine: [[a]]",
        "title: x\ncombine: [../x]",
        "title: x\ncombine: [null]",
    ),
    *(
        "title: x\n_target_: os.abort",
        "title: x\n_self_: 1",
        "title: x\n_recursive_: 1",
        "title: x\nlever: {_target_: os.abort}",
    ),
    *(
        "title: x\nlever: {kind: evil}",
        "title: x\nlever: {kind: [shift]}",
        "title: x\nlever: {}",
        "title: x\nlever: [1]",
        "title: x\nlever: null",
    ),
    *(
        f"title: '{title}'\nmail: {{kind: contact, per_month: 4, goodwill: {{kind: fixed, value: 0.1}}}}"
        for title in (
            *("{", "}", "{}", "{{}}", "{0}", "{mail}", "{mail.per_month}", "{mail.per_month:g}", "{mail.goodwill:.2f}"),
            *(
                "{mail.per_month.__class__}",
                "{mail.__init__.__globals__}",
                "{mail[per_month]}",
                "{mail.kind}",
                "{mail.x}",
            ),
            *(
                "{mail.per_month!r}",
                "{mail.per_month:>999999999}",
                "{mail.per_month:.999999999f}",
                "{mail.per_month:{x}}",
            ),
            *(
                "{mail.per_month:d}",
                "{mail.goodwill:+.1%}",
                "{mail.per_month:0999999999g}",
                "{ mail.per_month }",
                "{!r}",
            ),
            *("{frequency_cap.days}", "{own.mail.per_month}", "{" * 90, "{mail.goodwill.value}", "{{{mail.goodwill}}}"),
        )
    ),
    *(
        f"title: x\nfrequency_cap: {cap}\nmail: {{kind: contact, per_month: 4}}"
        for cap in (
            *("4", "null", "[]", "{}", "{contacts: 4}", "{contacts: 4, days: 30, hours: 1}", "${title}"),
            *("{contacts: 0, days: 30}", "{contacts: -0.0, days: 30}", "{contacts: 1e999, days: 30}"),
            *("{contacts: .nan, days: .inf}", "{contacts: true, days: 30}", "{contacts: 4, days: 1e-9}"),
            *(
                "{contacts: 1000, days: 3660}",
                "{contacts: 1, days: 1}",
                "{contacts: {kind: fixed, value: 4}, days: 30}",
            ),
        )
    ),
    *(
        f"title: x\nmail: {{kind: contact, per_month: 4, curve: {curve}}}"
        for curve in (
            *("7", "null", "{}", "{gain: 0.1}", "{peak_per_month: 7, sharpness: 2.7}", "${..per_month}"),
            *(
                f"{{peak_per_month: {peak}, sharpness: {sharpness}, gain: {gain}}}"
                for peak, sharpness, gain in (
                    *((0, 2.7, 0.1), (".nan", 2.7, 0.1), (0.01, 20, 0.1), (200, 0.1, -5), (7, 1e308, 0.1)),
                    *((7, 2.7, 6), (7, 2.7, "x"), (7, 2.7, "{kind: prior, dist: normal, mean: 0.0, sd: 0.1}")),
                )
            ),
        )
    ),
    "title: x\nfrequency_cap: {contacts: 4, days: 30}",
    "title: x\ncombine: [capped_mail]\nfrequency_cap: {contacts: 1, days: 3660}",
    *(
        "# @package hydra\ntitle: x",
        "# @package _global_.hydra.callbacks\nx: {_target_: os.abort}",
        "# @package a.b\ntitle: x",
    ),
    *(
        "title: \ufeffx",
        "\ufefftitle: x",
        "title: \u202ex",
        "title: \x85x",
        "title: \u2028x",
        'title: "\\x1b[2J"',
        'title: "\\0"',
        'title: "\\ud800"',
    ),
    *(
        '"\\x1b[2J": 1',
        '"a\\nb": 1',
        "'': 1",
        '" ": 1',
        '"a.b": 1',
        '"a=b": 1',
        '"${x}": 1',
        '"' + "k" * 5000 + '": 1',
        "__class__: 1",
    ),
)


def case_of(content: bytes, scenario: bool, *words: str) -> Case:
    path, word = ("scenario/own.yaml", "scenarios=[own]") if scenario else ("experiments/own.yaml", "experiment=own")
    brief = tuple(one for one in BRIEF if scenario is False or not one.startswith("scenarios"))
    return Case(("check", "o.csv", word, *brief, *words), {path: content, "o.csv": GOOD})


def study_cases() -> list[Case]:
    whole = [case_of(text.encode("utf-8", "surrogatepass"), scenario) for text in CORPUS for scenario in (False, True)]
    odd = {
        "a folder": {"experiments/own.yaml": None, "o.csv": GOOD},
        "UTF-16": {"experiments/own.yaml": "title: x\n".encode("utf-16"), "o.csv": GOOD},
        "Latin-1": {"experiments/own.yaml": b"title: \xe4\n", "o.csv": GOOD},
        "NUL": {"experiments/own.yaml": b"title: a\0b\n", "o.csv": GOOD},
        "a program": {"experiments/own.yaml": b"\x7fELF" + bytes(300), "o.csv": GOOD},
        "no file": {"experiments": b"", "o.csv": GOOD},
        "a configuration of ours": {
            "configs/data/csv.yaml": b"kind: evil\n",
            "data/csv.yaml": b"kind: evil\n",
            "o.csv": GOOD,
        },
    }
    return whole + [Case(("check", "o.csv", "experiment=own", *BRIEF), files) for files in odd.values()]


@cache
def shipped() -> tuple[tuple[bytes, bool], ...]:
    files = [(path.read_bytes(), True) for path in yaml_files(SHIPPED["scenario"]).values()]
    return (*files, *((path.read_bytes(), False) for path in yaml_files(SHIPPED["experiments"]).values()))


scalars = st.one_of(texts, numbers, st.none(), st.booleans(), st.dates())
trees = st.recursive(
    scalars,
    lambda below: st.one_of(
        st.lists(below, max_size=3),
        st.dictionaries(
            st.one_of(
                st.sampled_from(("kind", "value", "p10", "p50", "p90", "source", "who", "when", "n", "x")), texts
            ),
            below,
            max_size=3,
        ),
    ),
    max_leaves=6,
)


def planted(tree: dict[str, object], key: str, value: object) -> dict[str, object]:
    """The tree with a value at a dotted key, whatever stood there or above."""
    head, _, rest = key.partition(".")
    if not rest:
        return {**tree, head: value}
    below = tree.get(head)
    return {**tree, head: planted(dict(below) if isinstance(below, Mapping) else {}, rest, value)}


@st.composite
def of_keys(draw: st.DrawFn) -> Case:
    """A shipped scenario or an empty experiment with a few keys of ours set to anything."""
    scenario = draw(st.booleans())
    tree: dict[str, object] = {"title": "x"}
    if scenario:
        path = draw(st.sampled_from(sorted(yaml_files(CONFIGS / "scenario"))))
        tree = yaml.safe_load((CONFIGS / "scenario" / f"{path}.yaml").read_text())
        own = [key.split(".", 2)[2] for key in keys() if key.startswith(f"scenario.{path}.")]
    else:
        own = [key for key in keys() if not key.startswith("scenario")]
    for _ in range(draw(st.integers(1, 3))):
        tree = planted(tree, draw(st.sampled_from(own)) if draw(st.integers(0, 7)) else draw(texts), draw(trees))
    return case_of(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "replace"), scenario)


@st.composite
def of_businesses(draw: st.DrawFn) -> Case:
    """A shipped business as an experiment of one's own, with a few keys of its sections set to anything."""
    path = draw(st.sampled_from(sorted(yaml_files(CONFIGS / "business"))))
    tree: dict[str, object] = yaml.safe_load((CONFIGS / "business" / f"{path}.yaml").read_text())
    for _ in range(draw(st.integers(1, 3))):
        tree = planted(tree, draw(st.sampled_from(stated_keys())), draw(trees))
    content = yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "replace")
    return Case(("check", "experiment=own", *BRIEF), {"experiments/own.yaml": content})


def studies() -> st.SearchStrategy[Case]:
    broken = st.sampled_from(shipped()).flatmap(
        lambda one: damaged(one[0]).map(lambda content: case_of(content, one[1]))
    )
    return st.one_of(of_keys(), of_keys(), of_keys(), of_businesses(), broken)
