"""The figures of a validation for run.json: what a program that compares many logs reads."""

from typing import Any

from clvsim.validation.result import GroupCheck, Score, Validation


def figures(validation: Validation) -> dict[str, Any]:
    """Verdict, and of each model its totals and scores beside the simple rules, as JSON-ready values.

    `trusted` is null where no model is to be trusted; `best` names the one that comes nearest. `revenue` is null where
    the log has no amounts.
    """
    models = validation.models
    money = {"models": _scores(validation.revenue_scores), "rules": _scores(validation.revenue_rules)}
    return {
        "trusted": validation.trusted_model.model if validation.trusted else None,
        "best": validation.trusted_model.model,
        "position_of_all": {m.model: m.total.position for m in models},
        "pit_central_80": {m.model: m.central for m in models},
        "orders": {
            "total": {m.model: _total(m.total) for m in models},
            "models": _scores(validation.scores),
            "rules": _scores(validation.rules),
        },
        "revenue": {"total": {m.model: _total(m.revenue.total) for m in models if m.revenue}, **money}
        if validation.revenue_scores
        else None,
    }


def _total(check: GroupCheck) -> dict[str, Any]:
    f = check.full_forecast
    return {"actual": check.actual, "mean": f.mean, "p05": f.p05, "p95": f.p95, "position": f.position}


def _scores(scores: tuple[Score, ...]) -> dict[str, Any]:
    return {s.name: {key: value for key, value in s._asdict().items() if key != "name"} for s in scores}
