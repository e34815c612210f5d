"""With this folder on PYTHONPATH quick stages take the place of ours, in workers of a sweep too.

It does what the title of the run says; everything around it is the real shell.
"""

import json
import sys
import time
from types import ModuleType


def run(config, ctx):
    from clvsim.errors import DiagnosticsError

    (ctx.folder / "figures").mkdir()
    (ctx.folder / "half").touch() if config.title == "fill" else (ctx.folder / "half").write_text("x")
    if config.title == "fill":
        from clvsim.runfolder import writing

        with writing(ctx.final):
            (ctx.folder / "much").write_bytes(bytes(1000))
    if config.title == "sleep":
        time.sleep(60)
    if config.title == "wrapped":
        try:
            time.sleep(60)
        except BaseException as error:
            raise RuntimeError("of a library") from error
    if config.title == "bug":
        raise ZeroDivisionError("of our own making")
    if config.title == "poor":
        raise DiagnosticsError([("r_hat", "1.2 > 1.01"), ("ess", "12 < 400")])
    if config.title == "quiet failure":
        return 3
    if config.title == "a result that fails":
        (ctx.folder / "run.json").write_text("{}")
        return 3
    (ctx.folder / "run.json").write_text(json.dumps({"seed": config.seed, "command": ctx.command}))
    with ctx.progress("nobody watches") as advance:
        advance(2, 2)
    ctx.say(f"done {ctx.final}")
    ctx.note("two\nlines")
    return 0


def check(config, ctx):
    assert ctx.folder is None
    ctx.say(f"checked {config.seed}")
    return 0


for name, function in {"run": run, "fit": run, "validate": run, "check": check}.items():
    stage = ModuleType(f"clvsim.stages.{name}")
    setattr(stage, name, function)
    sys.modules[stage.__name__] = stage
