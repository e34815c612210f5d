"""What is too much is refused before anything expensive, and leaves nothing."""

from tests.cli.shell import assert_refused, tree


def test_too_many_cells(clvsim, here):
    before = tree(here)
    words = ("experiment=demo", "simulation.draws=4000", "simulation.replicates=50", "out=result")
    done = clvsim("check", *words[:-1])
    assert_refused_by_size(done)
    done = clvsim("run", *words)
    assert_refused_by_size(done)
    assert tree(here) == before


def assert_refused_by_size(done):
    assert_refused(done, 2, "clvsim: simulation: ")
    for key in ("simulation.draws (4000)", "simulation.replicates (50)", "simulation.horizon_months (36)"):
        assert key in done.stderr


def test_more_draws_than_the_posterior_will_have(command, here):
    done = command("run", "experiment=demo", "simulation.draws=5000")
    assert_refused(done, 2, "simulation.draws: must be at most fit.draws (4000), got 5000; raise fit.draws")
    assert not any(here.iterdir())
