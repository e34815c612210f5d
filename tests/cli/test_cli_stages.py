"""Help, listing, completion, composition: the shell without a simulation."""

import json

import pytest

from clvsim import __version__
from clvsim.cli import STAGES
from clvsim.effects import EFFECTS
from clvsim.interventions import INTERVENTIONS
from clvsim.models import RETENTION, SPEND
from tests.cli.shell import ORDERS, tree

MINE = "title: Mine\nlate: {kind: offer, take: 0.05, price: 99}\n"
STUDY = """# Does my offer pay?
defaults:
  - override /scenarios: [mine]
simulation: {draws: 200}
scenario: {mine: {late: {price: 88}}}
"""


@pytest.fixture
def own_files(here):
    for path, content in {"scenario/mine.yaml": MINE, "experiments/q3.yaml": STUDY, "orders.csv": ORDERS}.items():
        (here / path).parent.mkdir(exist_ok=True)
        (here / path).write_text(content)
    return here


def job_config(clvsim, *words):
    """The composed configuration, as printed."""
    from omegaconf import OmegaConf

    done = clvsim("run", *words, "--cfg", "job")
    assert done.returncode == 0, done.stderr
    return OmegaConf.create(done.stdout)


def test_version(command):
    assert command("--version").stdout == f"clvsim {__version__}\n"


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_overview_names_every_stage(clvsim, words):
    done = clvsim(*words)
    assert done.returncode == 0
    assert [name for name in STAGES if f"\n  {name} " in done.stdout] == list(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_has_its_own_help(clvsim, here, stage):
    done = clvsim(stage, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= 120
    assert ("| bg_nbd |" in done.stdout) == (stage not in ("list", "schema"))
    assert tree(here) == {}


def test_list_names_everything_registered_and_own_files(clvsim, own_files):
    from clvsim.metrics import METRICS

    done = clvsim("list")
    assert (done.returncode, done.stderr) == (0, "")
    names = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")}
    assert names >= {*STAGES, *RETENTION, *SPEND, *INTERVENTIONS, *EFFECTS, *METRICS, "baseline", "plan", "demo"}
    assert names >= {"cdnow_master", "mine", "q3"}
    assert "mine               Mine [scenario/mine.yaml]" in done.stdout
    assert "q3                 Does my offer pay? [experiments/q3.yaml]" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_schemas_are_json_on_stdout_or_a_new_file(clvsim, here):
    done = clvsim("schema")
    assert (done.returncode, done.stderr) == (0, "")
    assert set(json.loads(done.stdout)) == {"config", "summary"}
    done = clvsim("schema", "summary", "out=s.json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert json.loads((here / "s.json").read_text())["properties"]["schema_version"]["const"] == 1


def test_an_own_file_wins_over_a_shipped_one(clvsim, here):
    (here / "scenario").mkdir()
    (here / "scenario" / "baseline.yaml").write_text("title: As I see it\n")
    assert job_config(clvsim).scenario.baseline.title == "As I see it"


def test_an_experiment_wins_over_defaults_and_the_command_line_over_both(clvsim, own_files):
    composed = job_config(clvsim, "experiment=q3", "simulation.horizon_months=5")
    assert list(composed.scenario) == ["baseline", "mine"]
    assert (composed.simulation.draws, composed.simulation.horizon_months) == (200, 5)
    assert composed.scenario.mine.late == {"kind": "offer", "take": 0.05, "price": 88}
    assert job_config(clvsim, "experiment=q3", "simulation.draws=7").simulation.draws == 7


def test_the_baseline_comes_first_whatever_is_picked(clvsim):
    assert list(job_config(clvsim, "scenarios=[upsell_soft,baseline]").scenario) == ["baseline", "upsell_soft"]


def test_without_an_experiment_nothing_of_the_demo_is_there(clvsim):
    composed = job_config(clvsim)
    assert composed.data.kind == "csv"
    assert composed.acquisition.channels == {}
    assert composed.finance.gross_margin is None
    assert list(composed.scenario) == ["baseline"]


def test_parts_of_a_picked_scenario_are_loaded_and_overridable(clvsim, own_files):
    done = clvsim("check", "orders.csv", "scenarios=[plan]", "scenario.upsell_soft.upsell.price=-1")
    assert done.returncode == 2
    assert "scenario.upsell_soft.upsell.price" in done.stderr
    assert clvsim("check", "orders.csv", "scenarios=[plan]", "scenario.upsell_soft.upsell.price=31").returncode == 0


@pytest.mark.parametrize("picked", ["[mine]", "[upsell_soft]", "[]"])
def test_an_experiments_settings_for_scenarios_that_were_not_picked_are_left_out(clvsim, own_files, picked):
    done = clvsim("check", "orders.csv", "experiment=q3", f"scenarios={picked}", "retention=bg_nbd")
    assert "changed but not picked" not in done.stderr
    typed = clvsim("check", "orders.csv", "experiment=q3", "scenarios=[upsell_soft]", "scenario.mine.late.price=3")
    assert typed.returncode == 2
    assert "scenario.mine: changed but not picked; add mine to scenarios=[...]" in typed.stderr


def test_levers_without_evidence_are_warned_of(clvsim):
    """A file that calls itself an example has said so; one that does not is called one where it rests on a default."""
    words = ("check", "experiment=demo", "scenarios=[follow_up,conversion_lift]")
    assert "! “" not in clvsim(*words).stdout
    done = clvsim(*words, "scenario.follow_up.illustrative=false")
    (warning,) = [part for part in done.stdout.split("\n  ! ")[1:] if part.startswith("“")]
    assert " ".join(warning.split()).startswith(
        "“Follow-up, 4 messages a month” rests on a default that nobody measured (goodwill): it counts as an example"
    )


def test_a_sweep_over_an_experiments_own_scenario_stays_paired():
    """What is typed is no part of an effect's definition, so its draws use the same random numbers in every job."""
    from clvsim.config import validate
    from clvsim.rim.scenarios import with_library
    from clvsim.scenario import placed_interventions
    from tests.test_config import composed

    def key(sd: float, words: tuple[str, ...]) -> str:
        size = {"kind": "prior", "dist": "normal", "mean": 0.0, "sd": sd}
        mine = {"title": "Mine", "lift": {"kind": "shift", "target": "rate", "size": size}}
        raw = composed(scenario={"baseline": {"title": "As today"}, "mine": mine})
        (lever,) = placed_interventions("mine", validate(with_library(raw, words)).library)
        return lever.effect_key("size")

    assert key(0.1, ("scenario.mine.lift.size.sd=0.1",)) == key(0.2, ("++scenario.mine.lift.size.sd=0.2",))
    assert key(0.1, ()) != key(0.2, ())
    assert key(0.1, ("scenario.mine.lift.when.start_month=1",)) == key(0.1, ())


@pytest.mark.parametrize("picked", ["upsell_soft", "plan", "conversion_lift,follow_up"])
def test_parts_of_the_demo_run_by_themselves(clvsim, picked):
    done = clvsim("check", "experiment=demo", f"scenarios=[{picked}]")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("clvsim ", set(STAGES)),
        ("clvsim re", set(STAGES)),
        ("clvsim run experiment=", {"experiment=demo", "experiment=q3"}),
        ("clvsim run orders.csv simulation.dr", {"simulation.draws="}),
        (
            "clvsim run experiment=q3 scenario.mine.late.",
            {f"scenario.mine.late.{key}=" for key in ("kind", "price", "take")},
        ),
        ("clvsim check a.csv data.refunds=", {"data.refunds=net"}),
    ],
)
def test_completion(clvsim, own_files, line, expected):
    done = clvsim("-sc", "query=bash", COMP_LINE=line)
    assert done.returncode == 0
    assert set(done.stdout.split()) >= expected


def test_completion_script_is_for_the_program(clvsim, command):
    for shell, words in ((clvsim, ["run", "--shell-completion", "install=bash"]), (command, ["-sc", "install=bash"])):
        assert shell(*words).stdout.rstrip().endswith("complete -o nospace -o default -F hydra_bash_completion clvsim")


def test_report_composes_the_finished_runs_own_configuration(here, monkeypatch):
    from clvsim.provenance import parts_of, sizes_of
    from clvsim.rim import finished_runs

    folder = here / "outputs" / "run" / "a"
    folder.mkdir(parents=True)
    for part in ("summary.json", "comparison.csv"):
        (folder / part).write_text("")
    parts = parts_of(folder)
    config = {"seed": 7, "report": {"metric": "plan_value"}}
    record = {"config": config, "parts": parts, "sizes": sizes_of(folder, parts)}
    (folder / "run.json").write_text(json.dumps(record))
    composed = {"run": None, "report": {"metric": "ce"}}
    run_folder, config = finished_runs.find_run(composed, ["report.metric=ce"])
    assert run_folder == folder.relative_to(here)
    assert config == {"seed": 7, "report": {"metric": "ce"}}
    assert finished_runs.find_run(composed, [])[1]["report"] == {"metric": "plan_value"}
