"""The page of a validation: one file that needs nothing else, and the same figures as a table."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from markupsafe import Markup

from clvsim import __version__
from clvsim.report import format as fmt
from clvsim.report import models
from clvsim.report import validation_text as text
from clvsim.report.page import Card, template, write_text
from clvsim.report.validation_figures import drawings
from clvsim.validation.result import PIT_LIMITS, Forecast, GroupCheck, ShareCheck, Validation

COLUMNS = ("figure", "model", "value", "low", "high", "n")
ACTUAL = "actual"


class Made(NamedTuple):
    """Where a page comes from."""

    title: str
    question: str
    command: str
    created: str
    seed: int


def write_validation(found: Validation, made: Made, folder: Path) -> Path:
    """Write `validation.html`, `validation.csv` and `figures/*.svg`; return the page's path."""
    figures = drawings(found)
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    for drawing in figures.values():
        write_text(folder / "figures" / f"{drawing.name}.svg", drawing.file)
    table(found).to_csv(folder / "validation.csv", index=False, lineterminator="\n")
    page = folder / "validation.html"
    write_text(
        page,
        template("validation.html.j2").render(
            found=found,
            made=made,
            version=__version__,
            headline=text.headline(found),
            sentences=text.sentences(found),
            cards=cards(found),
            drawings={name: {"wide": Markup(d.wide), "narrow": Markup(d.narrow)} for name, d in figures.items()},
            model_lines=[r if found.left_out else r[:-1] for r in text.model_rows(found)],
            score_rows=text.score_rows(found),
            left_out=left_out(found),
            layers=list(found.layers),
            names=[m.model for m in found.models],
            totals_rows=[[m.model, *(_shown(f) for f in m.total.forecasts.values())] for m in found.models],
            cohort_rows=grouped(found, "cohorts"),
            class_rows=grouped(found, "classes"),
            alive=[(m.model, [share_row(b) for b in m.by_alive]) for m in found.models],
            diagnostics=[
                (d, fmt.number(d.value, fmt.last_place([d.value], digits=4)))
                for m in found.models
                for d in m.diagnostics
            ],
            interval_note=text.interval_note(found),
            layers_note=text.layers_note(found),
            lost=text.lost(found),
            terms=terms(found),
            number=fmt.number,
        ),
    )
    return page


def cards(found: Validation) -> list[Card]:
    """Actual orders, what the trusted model expected, how customers spread, error against the best rule."""
    check = found.trusted
    f = check.total.full
    score = next(s for s in found.scores if s.name == check.model)
    made = [
        Card(
            f"{found.words.many.capitalize()} in the days held back",
            fmt.number(check.total.actual),
            f"{fmt.number(found.customers)} customers",
        ),
        Card(f"Expected by {check.model}", text.mean(f), text.span(f)),
        Card("Customers in the central 80 % expected", fmt.percent(check.central), "80 % if the model is right"),
    ]
    if found.rules:
        best = found.rules[0]
        note = f"best simple rule: {fmt.number(best.crps, -3)}"
        made.append(Card("Error per customer (CRPS)", fmt.number(score.crps, -3), note))
    return made


def _shown(f: Forecast) -> str:
    return f"{text.mean(f)} {text.span(f)}"


def grouped(found: Validation, partition: str) -> list[tuple[str, ...]]:
    """Label, customers, actual orders, and each model's forecast with every layer."""
    rows = []
    for k, group in enumerate(getattr(found.own, partition)):
        cells = [getattr(m, partition)[k].full for m in found.models]
        marks = [_shown(f) + ("" if f.p05 <= group.actual <= f.p95 else " ✗") for f in cells]
        rows.append((group.label, fmt.number(group.customers), fmt.number(group.actual), *marks))
    return rows


def share_row(b: ShareCheck) -> tuple[str, str, str, str]:
    return fmt.number(b.customers), fmt.percent(b.alive), fmt.percent(b.active), fmt.percent(b.observed)


def left_out(found: Validation) -> list[tuple[str, ...]]:
    """Rows of the leave-one-out table."""
    return [
        (
            s.model,
            fmt.number(s.elpd, -1),
            models.difference(s),
            models.weight(s),
            fmt.number(s.parameters, -1),
            fmt.number(s.unreliable),
        )
        for s in found.left_out
    ]


def terms(found: Validation) -> list[tuple[str, str]]:
    low, high = (fmt.percent(limit) for limit in PIT_LIMITS)
    said = found.words
    listed = [
        (
            "Held back",
            f"{found.words.many.capitalize()} after the last day the models were fitted on. Nothing was tuned to them.",
        ),
        (
            "90 % interval",
            "Nine in ten simulated worlds lie inside. Process: who happens to buy, as if the parameters were known. "
            "Parameter: they are known only roughly. Environment: shocks that hit all customers at once.",
        ),
        (
            "CRPS",
            f"Continuous ranked probability score: how far a predicted distribution of {said.many} lies from the "
            f"number that came, in {said.many} per customer; 0 is perfect. It rewards both aim and honest width, and "
            "is the same as the absolute error for a prediction that names one number.",
        ),
        ("MAE", f"Mean absolute error per customer of the expected number of {said.many}."),
        (
            "In the middle",
            f"Each customer’s actual {said.many} have a place in the distribution predicted for them (randomised where "
            "several places are equal). With the right model 80 % lie in the central 80 %. Below "
            f"{low} or above {high} of a run’s own model the stage ends with exit code 3. Most customers "
            f"{'renew once or twice' if found.renewing else 'order nothing'}, so this check is mild.",
        ),
    ]
    listed += [(f"Rule: {name}", f"{words}; scored as a Poisson count.") for name, words in found.rule_words.items()]
    if found.left_out:
        listed += [
            (
                "Log score, leaving customers out",
                "How likely each customer’s past was, predicted from all others; only differences mean something, and "
                "below twice their standard error the past does not tell models apart.",
            ),
            (
                "Weight",
                "Share of a model in the mixture that predicts customers left out best; not its chance to be true.",
            ),
        ]
    return listed


def table(found: Validation) -> pd.DataFrame:
    """validation.csv: every figure of the page by name, `low` and `high` its 90 % bounds, `n` customers behind it."""
    return pd.DataFrame(rows(found), columns=list(COLUMNS))


def rows(found: Validation) -> Iterator[tuple]:
    n = found.customers
    for name, groups in partitions(found):
        for k, group in enumerate(groups):
            yield f"{name}/{group.label}", ACTUAL, group.actual, None, None, group.customers
            for m in found.models:
                same = dict(partitions(found, m.model))[name][k]
                for layers, f in same.forecasts.items():
                    yield (
                        f"{name}/{group.label}/{layers.replace(' ', '')}",
                        m.model,
                        f.mean,
                        f.p05,
                        f.p95,
                        group.customers,
                    )
    for number, m in enumerate(found.models):
        t, c = m.tracking, m.cumulative
        for k, week in enumerate(t.week_start):
            if number == 0:
                yield f"weekly_orders/{week}", ACTUAL, t.actual[k], None, None, n
            yield f"weekly_orders/{week}", m.model, t.mean[k], t.p05[k], t.p95[k], n
        for k in range(c.actual.size):
            if number == 0:
                yield f"cumulative_orders/week {k + 1}", ACTUAL, c.actual[k], None, None, n
            yield f"cumulative_orders/week {k + 1}", m.model, c.mean[k], c.p05[k], c.p95[k], n
        yield "pit_central_80", m.model, m.central, *PIT_LIMITS, n
        for name, bins in (("p_active", m.by_active), ("p_alive", m.by_alive)):
            for b in bins:
                yield f"{name}/predicted", m.model, b.alive if name == "p_alive" else b.active, None, None, b.customers
                yield f"{name}/share_active", m.model, b.observed, b.low, b.high, b.customers
        yield "total_crps", m.model, m.total_crps, None, None, n
    for s in (*found.scores, *found.rules):
        half = 1.6449 * s.difference_se
        yield "crps", s.name, s.crps, None, None, n
        yield "mae", s.name, s.mae, None, None, n
        yield "crps_to_best", s.name, s.difference, s.difference - half, s.difference + half, n
    for s in found.left_out:
        half = 1.6449 * s.difference_se
        yield "loo_log_score", s.model, s.elpd, None, None, n
        yield "loo_to_best", s.model, s.difference, s.difference - half, s.difference + half, n
        yield "stacking_weight", s.model, s.weight, None, None, n
        yield "loo_unreliable", s.model, s.unreliable, None, None, n
        yield "expected_orders/parameter", s.model, s.orders, s.orders_p05, s.orders_p95, n


def partitions(found: Validation, model: str | None = None) -> list[tuple[str, tuple[GroupCheck, ...]]]:
    m = found.own if model is None else found.check(model)
    return [("orders_total", (m.total,)), ("orders_cohort", m.cohorts), ("orders_class", m.classes)]
