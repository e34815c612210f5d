"""Command lines: every key with every strange value, marks of Hydra's grammar, and words that are nothing."""

from functools import cache

import yaml
from hypothesis import strategies as st

from clvsim.files import CONFIGS, SHIPPED, choices, yaml_files
from tests.fuzz.cases import CANARY, Case
from tests.fuzz.nasty import numbers, texts
from tests.fuzz.tables import BRIEF, GOOD

STAGES = ("check", "check", "check", "run", "fit", "validate", "report", "show", "new", "list", "chek", "")
GROUPS = (
    *("data", "retention", "spend", "business", "fit", "simulation", "finance", "acquisition"),
    *("environment", "trace", "report"),
)
FLAGS = (
    *(
        "-m",
        "--multirun",
        "--cfg",
        "--cfg=job",
        "-c",
        "job",
        "--info",
        "--resolve",
        "--package",
        "-p",
        "--json",
        "--all",
    ),
    *(
        "--help",
        "-h",
        "--version",
        "--hydra-help",
        "-sc",
        "--config-dir=.",
        "-cn=x",
        "--experimental-rerun=x",
        "--",
        "-",
    ),
)
# Of Hydra's and our own: none may do anything but choose a value.
PAYLOADS = (
    *("+hydra.callbacks.x._target_=os.system", f"+hydra.callbacks.x={{_target_: os.system, command: touch {CANARY}}}"),
    *("hydra.job_logging.root._target_=os.abort", "+hydra.job.env_set.X=1", "hydra.launcher._target_=os.abort"),
    *("hydra/launcher=joblib", "hydra/launcher=evil", "hydra/sweeper=evil", "hydra.searchpath=[pkg://os]", "~hydra"),
    *("hydra.sweep.dir=/proc/x", "out=/proc/x", "out=/dev/null", "out=", "out=.", "out=..", "out=${oc.env:SECRET}"),
    *("+_target_=os.abort", "++scenario.x._target_=os.abort", "data._target_=os.abort", "+data@hydra.callbacks=csv"),
    *(
        "title=${oc.env:SECRET}",
        "question=${oc.decode:${oc.env:SECRET}}",
        "seed=${oc.env:SECRET}",
        "title=${hydra:job}",
    ),
    *("title=${title}", "title=${question}", "fit.posterior=[/etc/passwd]", "data.path=/dev/zero"),
    *("data.path=/proc/self/mem", "data.path=/", "data.path=[]", "data.path={}", "data.path=[[]]", "data.path=[null]"),
    *("data.path=**", "scenarios=[[baseline]]", "scenarios={a: b}", "scenarios=../x"),
    *(
        "experiment=../../x",
        "experiment=/etc/passwd",
        "scenarios=[../scenario/plan]",
        "experiment=[]",
        "+experiment=demo",
    ),
    *(
        "simulation.draws=1,2,3",
        "seed=range(1,4)",
        "seed=choice(1,2)",
        "seed=glob(*)",
        "seed=int('1')",
        "seed=interval(0,1)",
    ),
    *(
        "seed=shuffle(1,2)",
        "seed=tag(a,1)",
        "seed=cast(1)",
        "seed=sort(2,1)",
        "seed=extend_list(1)",
        "seed=str(${oc.env:HOME})",
    ),
)


@cache
def keys() -> tuple[str, ...]:
    """Every key that ships, as typed."""
    found: dict[str, None] = {}
    for group in (*GROUPS, "scenario"):
        for name, path in yaml_files(CONFIGS / group).items():
            tree = yaml.safe_load(path.read_text())
            place = {"scenario": f"scenario.{name}", "business": ""}.get(group, group)
            found |= dict.fromkeys(_leaves(tree, place))
    return tuple(key for key in found if "defaults" not in key.split(".") and "@" not in key)


@cache
def stated_keys() -> tuple[str, ...]:
    """Those of businesses without a log, and what their sections hold beside."""
    sections = ("retention.stated_", "spend.stated_", "spend.price_list", "data.stated")
    found: dict[str, None] = {}
    for path in yaml_files(CONFIGS / "business").values():
        found |= dict.fromkeys(_leaves(yaml.safe_load(path.read_text()), ""))
    for group, name in (one.split(".") for one in sections):
        for file, path in yaml_files(CONFIGS / group).items():
            if file.startswith(name):
                found |= dict.fromkeys(_leaves(yaml.safe_load(path.read_text()), group))
    return tuple(key for key in found if "defaults" not in key.split("."))


def _leaves(tree: object, place: str) -> list[str]:
    if not isinstance(tree, dict) or not tree:
        return [place]
    below = {f"{place}.{key}" if place else str(key): value for key, value in tree.items()}
    return [leaf for key, value in below.items() for leaf in [key, *_leaves(value, key)]]


values = st.one_of(
    texts,
    numbers.map(str),
    st.lists(st.one_of(texts, numbers.map(str)), max_size=4).map(lambda items: f"[{','.join(items)}]"),
    st.builds(lambda key, value: f"{{{key}: {value}}}", texts, st.one_of(texts, numbers.map(str))),
    st.sampled_from(
        (
            "{kind: fixed, value: 1}",
            "{kind: expert, p10: 3, p50: 2, p90: 1, source: x}",
            "{kind: expert}",
            "{kind: evil}",
            "{kind: mixture, nothing: 2, effect: 0.1}",
            "{kind: mixture, nothing: 0.5, effect: {kind: mixture, nothing: 0.5, effect: 1}}",
            "{kind: prior, dist: beta, alpha: -1, beta: 0, source: x}",
            "{kind: experiment, n: [0,0], x: [1,1], source: x}",
            "{kind: prior, dist: eval, source: x}",
            "{p10: .inf, p50: .nan, p90: 1}",
            "[baseline,plan,plan]",
            "{}",
            "[]",
            "[[[]]]",
        )
    ),
)


@st.composite
def words(draw: st.DrawFn) -> str:
    match draw(st.sampled_from(("key", "key", "key", "key", "group", "near", "payload", "flag", "junk"))):
        case "key":
            mark = draw(st.sampled_from(("", "", "", "", "+", "++", "~")))
            return f"{mark}{draw(st.sampled_from(keys()))}={draw(values)}"
        case "group":
            group = draw(st.sampled_from((*GROUPS, "scenarios", "experiment")))
            name = draw(st.one_of(st.sampled_from(choices(group) or ("demo",)), texts))
            return f"{draw(st.sampled_from(('', '', '+', '~', '/', 'override ')))}{group}={name}"
        case "near":
            key = draw(st.sampled_from(keys()))
            at = draw(st.integers(0, len(key) - 1))
            return f"{key[:at]}{draw(texts)}{key[at + draw(st.integers(0, 2)) :]}={draw(values)}"
        case "payload":
            return draw(st.sampled_from(PAYLOADS))
        case "flag":
            return draw(st.sampled_from(FLAGS))
        case _:
            return draw(texts)


@st.composite
def commands(draw: st.DrawFn) -> Case:
    """A stage of `check` most of the time; stages that work are given an impossible seed, so that they stop early."""
    stage = draw(st.sampled_from(STAGES))
    more = tuple(word.replace("\0", "") for word in draw(st.lists(words(), min_size=1, max_size=3)))
    halt = ("fit.draws=never",) if stage in ("run", "fit", "validate") else ()
    log = ("orders.csv",) if stage not in ("report", "show", "new") and draw(st.integers(0, 9)) else ()
    brief = BRIEF if stage == "check" and draw(st.booleans()) else ()
    return Case((stage, *log, *brief, *halt, *more), {"orders.csv": GOOD})


@st.composite
def businesses(draw: st.DrawFn) -> Case:
    """A shipped business, or stated laws without one, with a few of their keys set to anything, and other words."""
    laws = st.tuples(
        st.sampled_from([name for name in choices("retention") if name.startswith("stated")]),
        st.sampled_from(("price_list", "stated_amounts")),
    ).map(lambda two: ("data=stated", f"retention={two[0]}", f"spend={two[1]}"))
    named = st.sampled_from(choices("business")).map(lambda name: (f"business={name}",))
    chosen = draw(st.one_of(named, named, named, laws))
    marks = st.sampled_from(("", "", "", "", "+", "++", "~"))
    own = st.builds(lambda mark, key, value: f"{mark}{key}={value}", marks, st.sampled_from(stated_keys()), values)
    typed = draw(st.lists(st.one_of(own, own, own, words()), min_size=1, max_size=3))
    log = ("orders.csv",) if not draw(st.integers(0, 7)) else ()
    brief = BRIEF if draw(st.booleans()) else ()
    more = tuple(word.replace("\0", "") for word in typed)
    return Case(("check", *log, *chosen, *brief, *more), {"orders.csv": GOOD})


@st.composite
def new_files(draw: st.DrawFn) -> Case:
    """`new` with names that are none, beside files, links and folders that stand in its way."""
    shipped = st.sampled_from([*yaml_files(SHIPPED["scenario"]), "mine", "../x", "/x", "x/y", "-x", "null", "1", "on"])
    name = draw(st.one_of(shipped, texts, st.integers().map(str), st.text("ab_-.", max_size=70))).replace("\0", "")
    word = draw(st.sampled_from((name, f"name={name}", f"name=[{name}]", f"name={{a: {name}}}")))
    more = tuple(one.replace("\0", "") for one in draw(st.lists(words(), max_size=1)))
    there = draw(st.sampled_from(({}, {"scenario": b"x"}, {"scenario/mine.yaml": b"x"}, {"scenario/mine.yaml": None})))
    return Case(("new", word, *more), there)
