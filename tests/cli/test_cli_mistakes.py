"""Exit code 2: every mistake in a line of its own, all at once, and nothing written."""

import time

import pytest

from tests.cli.shell import ORDERS, assert_refused, tree

UPSELL = "scenario.upsell_soft.upsell"

# What is typed, and a text for each line expected on stderr.
MISTAKES = {
    "nothing given": (["run"], ["clvsim: data.path: which orders?"]),
    "nothing given to check": (["check"], ["clvsim: data.path: which orders? clvsim check orders.csv"]),
    "unknown stage": (["chek"], ["clvsim: stage: no stage 'chek'; did you mean check?"]),
    "far from any stage": (
        ["xyzzy"],
        ["no stage 'xyzzy'; one of run, check, sweep, fit, validate, score, diff, decide, report, show, new, list"],
    ),
    "unknown key": (
        ["check", "orders.csv", "simulation.drws=10"],
        ["simulation.drws: no such key; did you mean simul"],
    ),
    "key without section": (["check", "orders.csv", "horizon_months=3"], ["did you mean simulation.horizon_months?"]),
    "key of another section": (
        ["check", "orders.csv", "retention.draws=3"],
        ["clvsim: retention.draws: no such key; did you mean simulation.draws or fit.draws?"],
    ),
    "key of another kind": (
        ["check", "orders.csv", "data.frequency=n"],
        ["clvsim: data.frequency: no such key; it goes with data=summary"],
    ),
    "misspelt group": (["check", "orders.csv", "scenaros=[plan]"], ["scenaros: no such key; did you mean scenarios?"]),
    "misspelt key of a channel": (
        ["check", "experiment=demo", "acquisition.channels.search.convrsion=0.1"],
        ["search.convrsion: no such key; did you mean acquisition.channels.search.conversion?"],
    ),
    "newcomers of the log beside typed visitors": (
        ["check", "experiment=demo", "acquisition.from_log=true"],
        ["clvsim: acquisition.channels.search: types 10000 visitors a month, where acquisition.from_log=true takes"],
    ),
    "newcomers of a closed group": (
        ["check", "data=cdnow", "acquisition.from_log=true"],
        ["clvsim: acquisition.from_log: needs newcomers who still come; the log has 2,"],
    ),
    "several keys": (["run", "orders.csv", "seeed=1", "fit.drws=3"], ["mean seed?", "fit.drws: no such key"]),
    "keys and values": (
        ["check", "orders.csv", "simulation.drws=10", "simulation.draws=0"],
        ["simulation.drws: no such key", "simulation.draws: "],
    ),
    "a decimal comma, and nobody sweeps": (
        ["check", "orders.csv", "finance.gross_margin=0,4", "retention=bg_nbd,sbg"],
        [
            "finance.gross_margin: a decimal point is needed: 0.4; values with a comma are a sweep, which -m runs, got",
            "retention: values with a comma are a sweep, which -m runs, got 'bg_nbd,sbg'",
        ],
    ),
    "slips in numbers": (
        ["check", "orders.csv", "finance.gross_margin=40", "finance.cost_per_order='1,5'", "data.max_bad_share=4.5%"],
        [
            "finance.gross_margin: should be between 0 and 1, as 0.4 for 40 %, got 40",
            "finance.cost_per_order: a number is needed, with a decimal point, as 1.5, got '1,5'",
            "data.max_bad_share: a number is needed, as 0.045 for 4.5 %, got '4.5%'",
        ],
    ),
    "no number, no seed, no end": (
        ["check", "orders.csv", "finance.cost_per_order=a", f"seed={10**20}", f"title={'x' * 2001}"],
        [
            "finance.cost_per_order: a number is needed, got 'a'",
            f"seed: should be less than {2**63}, got {10**20}",
            "title: should have at most 2000 characters, got 'xxx",
        ],
    ),
    "a name that no disk takes": (["fit", "orders.csv", f"out={'x' * 300}"], ["clvsim: out: cannot create xxx"]),
    "words that cannot be read, at once": (
        ["check", "orders.csv", "seed=[", "fit.seed=["],
        ["clvsim: seed=[: cannot be read as key=value", "clvsim: fit.seed=[: cannot be read as key=value"],
    ),
    "values": (
        ["check", "orders.csv", "simulation.draws=0", "finance.gross_margin=1.3"],
        ["clvsim: simulation.draws: ", "clvsim: finance.gross_margin: "],
    ),
    "a probability above 1": (
        ["check", "experiment=demo", "acquisition.channels.search.conversion=1.3"],
        ["clvsim: acquisition.channels.search.conversion: "],
    ),
    "text for a number": (["check", "orders.csv", "simulation.draws=many"], ["clvsim: simulation.draws: "]),
    "inside a scenario": (
        ["check", "orders.csv", "scenarios=[upsell_soft]", f"{UPSELL}.price=-3", f"{UPSELL}.take=1.2"],
        [f"clvsim: {UPSELL}.price", f"clvsim: {UPSELL}.take"],
    ),
    "levers that can never act": (
        [
            "check",
            "orders.csv",
            "finance.gross_margin=0.4",
            "scenarios=[upsell_soft,follow_up]",
            f"{UPSELL}.when.start_date=2031-01-01",
            f"{UPSELL}.who.segments=[gold]",
            "scenario.upsell_soft.upsell_soft_set_up.when.start_month=36",
            "scenario.follow_up.email.when.end_date=2024-05-03",
        ],
        [
            "clvsim: columns guessed: ",
            f"clvsim: {UPSELL}.who.segments: no customer is in 'gold'",
            f"clvsim: {UPSELL}.when: from 2031-01-01 can never act: that starts after the last simulated day; ",
            "clvsim: scenario.upsell_soft.upsell_soft_set_up.when: from month 36 can never act: that starts after the "
            "last simulated day; fixed costs are counted for 36 months, 2024-05-04 to 2027-05-04 (simulation.hori",
            "clvsim: scenario.follow_up.email.when: until 2024-05-03 can never act: that is over before the first "
            "simulated day; customers are followed for 36 months, 2024-05-04 to 2027-05-04 (simulation.horizon_mo",
        ],
    ),
    "a lever after the newcomers": (
        ["run", "experiment=demo", "scenario.conversion_lift.landing_page.when.start_date=1999-01-01"],
        [
            "clvsim: scenario.conversion_lift.landing_page.when: from 1999-01-01 can never act: that starts after the "
            "last simulated day; newcomers arrive for 12 months, 1997-10-01 to 1998-10-01 (acquisition.months)"
        ],
    ),
    "when, typed wrongly": (
        [
            "check",
            "orders.csv",
            "scenarios=[upsell_soft,follow_up]",
            f"{UPSELL}.when.start_date=1.6.2024",
            f"{UPSELL}.when.end_date=20240901",
            "scenario.follow_up.email.when.start_month=1",
            "scenario.follow_up.email.when.start_date=2024-06-01",
        ],
        [
            f"clvsim: {UPSELL}.when.start_date: a date is needed, such as 2026-01-15, got '1.6.2024'",
            f"clvsim: {UPSELL}.when.end_date: a date is needed, such as 2026-01-15, got 20240901",
            "clvsim: scenario.follow_up.email.when: start_month and start_date exclude each other; give one of them",
        ],
    ),
    "unknown key of a scenario": (
        ["run", "orders.csv", "scenarios=[upsell_soft]", f"{UPSELL}.tkae=0.1"],
        [f"did you mean {UPSELL}.take?"],
    ),
    "unknown scenario": (
        ["check", "orders.csv", "scenarios=[baseline,upsel_soft]"],
        ["clvsim: scenarios: no scenario 'upsel_soft'; did you mean upsell_soft?"],
    ),
    "unknown experiment": (["run", "experiment=dmo"], ["experiment: no experiment 'dmo'; did you mean demo?"]),
    "unknown model": (["run", "orders.csv", "retention=bgnbd"], ["retention: no choice 'bgnbd'; did you mean bg_nbd?"]),
    "several unknown names": (
        ["run", "experiment=dmo", "scenarios=[upsel_soft]", "spend=gama_gamma"],
        ["no experiment 'dmo'", "no scenario 'upsel_soft'", "no choice 'gama_gamma'"],
    ),
    "scenario changed but not picked": (
        ["check", "orders.csv", "scenarios=[follow_up]", f"{UPSELL}.take=0.1"],
        ["clvsim: scenario.upsell_soft: changed but not picked; add upsell_soft to scenarios=[...]"],
    ),
    "combining what is not there": (
        ["check", "orders.csv", "scenarios=[plan]", "scenario.plan.combine=[upsel_soft]"],
        ["clvsim: scenario.plan.combine: no scenario 'upsel_soft'; did you mean upsell_soft?"],
    ),
    "a key that no file sets": (
        ["check", "orders.csv", "scenarios=[follow_up]", "scenario.follow_up.email.goodwill=0.1"],
        ["scenario.follow_up.email.goodwill: no file sets it here; a + in front adds it: +scenario.follow_up.email."],
    ),
    "another form than the file's": (
        [
            "check",
            "orders.csv",
            "scenarios=[upsell_soft]",
            f"{UPSELL}.take={{kind: prior, dist: beta, alpha: 2, beta: 9}}",
        ],
        [f"{UPSELL}.take: is of another form in its file; a + in front replaces it: +{UPSELL}.take=..."],
    ),
    "not key=value": (["run", "orders.csv", "seed=[", "a b=3"], ["seed=[: cannot be read", "a b=3: cannot be read"]),
    "unknown flag": (["run", "orders.csv", "--mutirun"], ["--mutirun: no such flag; did you mean --multirun?"]),
    "flags that exclude each other": (["run", "-m", "--cfg", "job"], ["clvsim: flags: Only one of"]),
    "a flag without its value": (["check", "orders.csv", "-c"], ["clvsim: -c: needs a value"]),
    "a flag's value that is none": (["run", "--cfg", "jobs"], ["--cfg: must be one of job, hydra, all, got 'jobs'"]),
    "a group that is nothing, and another mistake": (
        ["check", "orders.csv", "finance=null", "seed={a: 1"],
        ["seed={a: 1: cannot be read", "clvsim: configuration: Config group override must be a string"],
    ),
    "two files, one missing": (["run", "orders.csv", "nope.csv"], ["clvsim: data.path: no such file: nope.csv"]),
    "missing file": (["run", "nope.csv"], ["clvsim: data.path: no such file: nope.csv"]),
    "glob without a match": (["check", "nope*.csv"], ["clvsim: data.path: no file matches: nope*.csv"]),
    "output below a file": (["run", "orders.csv", "out=orders.csv/x"], ["clvsim: out: cannot create orders.csv/x"]),
    "output is a file": (
        ["run", "orders.csv", "out=orders.csv"],
        ["clvsim: out: orders.csv is a file, and must be a folder"],
    ),
    "output is full": (["run", "orders.csv", "out=full"], ["full already holds files; choose another folder"]),
    "mistake, output to be made": (["run", "orders.csv", "out=new/a/b", "seed=x"], ["clvsim: seed: "]),
    "mistake, output there": (["run", "orders.csv", "out=empty", "seed=x"], ["clvsim: seed: "]),
    "no run to report": (["report"], ["clvsim: run: no complete run folder below outputs/run"]),
    "report of nothing": (["report", "run=nope"], ["clvsim: run: no such folder: nope"]),
    "report of another folder": (["report", "full"], ["full is not a complete run folder: it holds no run.json"]),
    "report of other numbers": (["report", "seed=3"], ["clvsim: seed: no such key"]),
    "list takes no keys": (["list", "metrics"], ["clvsim: metrics: list takes no keys"]),
    "no such schema": (["schema", "sumary"], ["clvsim: sumary: no schema 'sumary'; did you mean summary?"]),
    "a schema into a folder": (["schema", "out=full"], ["clvsim: out: full is there already; name a new file"]),
    "a schema of keys": (["schema", "seed=1"], ["clvsim: seed=1: schema takes no key but out=FILE"]),
}


@pytest.mark.parametrize(("words", "lines"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_gets_a_line_and_leaves_nothing(clvsim, here, words, lines):
    (here / "orders.csv").write_text(ORDERS)
    (here / "full").mkdir()
    (here / "full" / "notes.txt").write_text("mine")
    (here / "empty").mkdir()
    before = tree(here)
    assert_refused(clvsim(*words), 2, *lines)
    assert tree(here) == before


FILES = {
    "not YAML": ("experiments/bad.yaml", b"a: [\n", ["check", "experiment=bad"], "not YAML"),
    "a key twice": (
        "experiments/bad.yaml",
        b"seed: 1\nseed: 2\n",
        ["check", "experiment=bad"],
        "line 2: 'seed' is there",
    ),
    "not UTF-8": ("experiments/bad.yaml", b"title: \xe4\n", ["check", "experiment=bad"], "not in UTF-8"),
    "unknown group": (
        "experiments/bad.yaml",
        b"defaults:\n  - override /retenton: bg_nbd\n",
        ["check", "experiment=bad"],
        "retenton: no such key; did you mean retention?",
    ),
    "no title": (
        "scenario/bad.yaml",
        b"x: 1\n",
        ["check", "orders.csv", "scenarios=[bad]"],
        "scenario/bad: needs a ti",
    ),
    "empty": ("scenario/bad.yaml", b"", ["check", "orders.csv", "scenarios=[bad]"], "scenario/bad: needs a title"),
    "a list": (
        "scenario/bad.yaml",
        b"- 1\n",
        ["check", "orders.csv", "scenarios=[bad]"],
        "bad.yaml: holds no keys",
    ),
    "a kind that is a list": (
        "scenario/bad.yaml",
        b"title: x\nlever: {kind: [shift]}\n",
        ["check", "orders.csv", "scenarios=[bad]"],
        "scenario.bad.lever: kind must be one of shift, ",
    ),
    "a key that is no section": (
        "experiments/bad.yaml",
        b"title: x\nlever: null\n",
        ["check", "orders.csv", "experiment=bad"],
        "lever: no such key",
    ),
    "interpolation": (
        "scenario/bad.yaml",
        b"title: ${nope}\n",
        ["check", "orders.csv", "scenarios=[bad]"],
        "scenario.bad.title: Interpolation key 'nope' not found",
    ),
}


def test_many_unknown_keys_cost_no_composition_each(clvsim, here):
    (here / "orders.csv").write_text(ORDERS)
    start = time.perf_counter()
    words = [f"{section}x{n}=1" for n in range(25) for section in ("", "finance.", "simulation.")]
    done = clvsim("check", "orders.csv", *words)
    assert time.perf_counter() - start < 15  # a second per key before
    lines = [f"{word.split('=')[0]}: no such key" for word in words[:30]]
    assert_refused(done, 2, *lines, "clvsim: and: 45 more problems like these")


@pytest.mark.parametrize(("path", "content", "words", "line"), FILES.values(), ids=FILES)
def test_a_mistake_in_an_own_file_gets_a_line(clvsim, here, path, content, words, line):
    (here / "orders.csv").write_text(ORDERS)
    (here / path).parent.mkdir()
    (here / path).write_bytes(content)
    before = tree(here)
    assert_refused(clvsim(*words), 2, line)
    assert tree(here) == before
