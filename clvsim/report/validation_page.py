"""The page of a validation: one file that needs nothing else, and the same figures as a table."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from markupsafe import Markup

from clvsim import __version__
from clvsim.files import write_csv
from clvsim.report import format as fmt
from clvsim.report import model_scores
from clvsim.report import validation_text as text
from clvsim.report.page import Card, template, write_text
from clvsim.report.validation_figures import drawings
from clvsim.validation.result import PIT_LIMITS, Forecast, GroupCheck, ModelCheck, ShareCheck, Validation

COLUMNS = ("figure", "model", "value", "low", "high", "n")
ACTUAL = "actual"


class PageOrigin(NamedTuple):
    """Title and provenance of a page: the question it answers, the command, time and seed that produced it."""

    title: str
    question: str
    command: str
    created: str
    seed: int


def write_validation(validation: Validation, origin: PageOrigin, folder: Path) -> Path:
    """Write `validation.html`, `validation.csv` and `figures/*.svg`; return the page's path."""
    figures = drawings(validation)
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    for drawing in figures.values():
        write_text(folder / "figures" / f"{drawing.name}.svg", drawing.file)
    write_csv(table(validation), folder / "validation.csv")
    page = folder / "validation.html"
    write_text(
        page,
        template("validation.html.j2").render(
            validation=validation,
            origin=origin,
            version=__version__,
            headline=text.headline(validation),
            sentences=text.sentences(validation),
            cards=cards(validation),
            drawings={name: Markup(d.element) for name, d in figures.items()},
            model_lines=[r if validation.leave_one_out else r[:-1] for r in text.model_rows(validation)],
            score_head=["", *text.SCORE_HEAD],
            score_rows=text.score_rows(validation),
            revenue_score_rows=text.revenue_score_rows(validation) if validation.revenue_scores else [],
            revenue_lines=text.revenue_rows(validation),
            paid=paid(validation),
            tenth_rows=tenth_rows(validation),
            revenue_tenth_rows=tenth_rows(validation, money=True),
            leave_one_out=leave_one_out_rows(validation),
            layers=list(validation.layers),
            names=[m.model for m in validation.models],
            totals_rows=[
                [m.model, *(_forecast_cell(f) for f in m.total.forecasts.values())] for m in validation.models
            ],
            cohort_rows=group_rows(validation, "cohorts"),
            class_rows=group_rows(validation, "classes"),
            alive=[(m.model, [share_cells(b) for b in m.by_alive]) for m in validation.models],
            diagnostics=[
                (d, fmt.number(d.value, fmt.last_place([d.value], digits=4)))
                for m in validation.models
                for d in m.diagnostics
            ],
            interval_note=text.interval_note(validation),
            layers_note=text.layers_note(validation),
            loss_definitions=text.loss_definitions(validation),
            terms=terms(validation),
            number=fmt.number,
        ),
    )
    return page


def cards(validation: Validation) -> list[Card]:
    """Actual orders, what the trusted model expected, how customers spread, error against the best rule."""
    check = validation.trusted_model
    f = check.total.full_forecast
    score = next(s for s in validation.scores if s.name == check.model)
    key_figures = [
        Card(
            f"{validation.words.many.capitalize()} in the days held back",
            fmt.number(check.total.actual),
            f"{fmt.number(validation.customers)} customers",
        ),
        Card(f"Expected by {check.model}", text.mean(f), f"{text.span(f)}, actual {fmt.position(f.position)}"),
        Card("Customers in the central 80 % expected", fmt.percent(check.central), "80 % if the model is right"),
    ]
    if check.revenue:
        f = check.revenue.total.full_forecast
        expected = f"expected {text.money_mean(f, validation.currency)} {text.money_span(f)}"
        note = f"{expected}, actual {fmt.position(f.position)}"
        key_figures.append(Card("Revenue in the days held back", paid(validation), note))
    if validation.rules:
        best = validation.rules[0]
        note = f"best simple rule: {fmt.number(best.crps, -3)}"
        key_figures.append(Card("Error per customer (CRPS)", fmt.number(score.crps, -3), note))
    return key_figures


def _forecast_cell(f: Forecast) -> str:
    return f"{text.mean(f)} {text.span(f)}"


def paid(validation: Validation) -> str:
    """All that was paid in the days held back; empty where the log has no amounts."""
    revenue = validation.own_model.revenue
    if revenue is None:
        return ""
    return fmt.money(revenue.total.actual, text.money_place(revenue.total.full_forecast), validation.currency)


def tenth_rows(validation: Validation, *, money: bool = False) -> list[tuple[str, ...]]:
    """Model and tenth, customers, what they ordered or paid, the model's forecast, the place of the actual in it."""
    mean, span, place = text.mean, text.span, text.place
    if money:
        mean, span, place = text.money_mean, text.money_span, text.money_place
    return [
        (
            f"{m.model}, {group.label}",
            fmt.number(group.customers),
            fmt.number(group.actual, place(group.full_forecast)),
            mean(group.full_forecast),
            span(group.full_forecast),
            f"{round(100 * group.position)}",
        )
        for m in validation.models
        for group in m.tenths_of(money=money)
    ]


def group_rows(validation: Validation, partition: str) -> list[tuple[str, ...]]:
    """Label, customers, actual orders, and each model's forecast with the place of the actual number in it."""
    rows = []
    for k, group in enumerate(getattr(validation.own_model, partition)):
        cells = [getattr(m, partition)[k].full_forecast for m in validation.models]
        places = [f"{_forecast_cell(f)} · {round(100 * f.position)}" for f in cells]
        rows.append((group.label, fmt.number(group.customers), fmt.number(group.actual), *places))
    return rows


def share_cells(b: ShareCheck) -> tuple[str, str, str, str]:
    return fmt.number(b.customers), fmt.percent(b.alive), fmt.percent(b.active), fmt.percent(b.observed)


def leave_one_out_rows(validation: Validation) -> list[tuple[str, ...]]:
    """Rows of the leave-one-out table."""
    return [
        (
            s.model,
            fmt.number(s.elpd, -1),
            model_scores.difference(s),
            model_scores.weight(s),
            fmt.number(s.parameters, -1),
            fmt.number(s.unreliable),
        )
        for s in validation.leave_one_out
    ]


def terms(validation: Validation) -> list[tuple[str, str]]:
    low, high = (fmt.percent(limit) for limit in PIT_LIMITS)
    words = validation.words
    entries = [
        (
            "Held back",
            f"{words.many.capitalize()} after the last day the models were fitted on. Nothing was tuned to them.",
        ),
        (
            "90 % interval",
            "Nine in ten simulated worlds lie inside. Process: who happens to buy, as if the parameters were known. "
            "Parameter: they are known only roughly. Environment: shocks that hit all customers at once.",
        ),
        (
            "CRPS",
            f"Continuous ranked probability score: how far a predicted distribution of {words.many} lies from the "
            f"number that came, in {words.many} per customer; 0 is perfect. It rewards both aim and honest width, and "
            "is the same as the absolute error for a prediction that names one number.",
        ),
        ("MAE", f"Mean absolute error per customer of the expected number of {words.many}, or of the expected money."),
        (
            "Gini",
            "Normalised Gini coefficient: how well what was expected of customers ranks them by what they did. 1 is "
            "their own ranking, 0 one that says nothing.",
        ),
        (
            "Tenths off",
            "Customers in tenths by what was expected of them: the gaps between expected and actual sums, over all "
            "tenths, as a share of what came. Equal predictions share a tenth.",
        ),
        (
            "In the middle",
            f"Each customer’s actual {words.many} have a place in the distribution predicted for them (randomised "
            "where several places are equal). With the right model 80 % lie in the central 80 %. Below "
            f"{low} or above {high} of a run’s own model the stage ends with exit code 3. Most customers "
            f"{'renew once or twice' if validation.renewing else 'order nothing'}, so this check is mild.",
        ),
    ]
    entries += [
        (f"Rule: {name}", f"{description}; scored as a Poisson count, in money at the customer’s mean amount.")
        for name, description in validation.rule_words.items()
    ]
    if validation.leave_one_out:
        entries += [
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
    return entries


def table(validation: Validation) -> pd.DataFrame:
    """validation.csv: every figure of the page by name, `low` and `high` its 90 % bounds, `n` customers behind it."""
    return pd.DataFrame(rows(validation), columns=list(COLUMNS))


def rows(validation: Validation) -> Iterator[tuple]:
    n = validation.customers
    for name, groups in partitions(validation):
        for k, group in enumerate(groups):
            yield f"{name}/{group.label}", ACTUAL, group.actual, None, None, group.customers
            for m in validation.models:
                group_of_model = dict(partitions(validation, m.model))[name][k]
                for layers, f in group_of_model.forecasts.items():
                    yield (
                        f"{name}/{group.label}/{layers.replace(' ', '')}",
                        m.model,
                        f.mean,
                        f.p05,
                        f.p95,
                        group.customers,
                    )
                yield f"{name}/{group.label}/position", m.model, group_of_model.position, None, None, group.customers
    for m in validation.models:
        yield from _rows_by_model(m)
    for number, m in enumerate(validation.models):
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
    in_money = (*validation.revenue_scores, *validation.revenue_rules)
    for prefix, scores in (("", (*validation.scores, *validation.rules)), ("revenue_", in_money)):
        for s in scores:
            half = 1.6449 * s.difference_se
            yield f"{prefix}crps", s.name, s.crps, None, None, n
            yield f"{prefix}mae", s.name, s.mae, None, None, n
            yield f"{prefix}crps_to_best", s.name, s.difference, s.difference - half, s.difference + half, n
            yield f"{prefix}gini", s.name, s.gini, None, None, n
            yield f"{prefix}tenths_error", s.name, s.tenths_error, None, None, n
    for s in validation.leave_one_out:
        half = 1.6449 * s.difference_se
        yield "loo_log_score", s.model, s.elpd, None, None, n
        yield "loo_to_best", s.model, s.difference, s.difference - half, s.difference + half, n
        yield "stacking_weight", s.model, s.weight, None, None, n
        yield "loo_unreliable", s.model, s.unreliable, None, None, n
        yield "expected_orders/parameter", s.model, s.orders, s.orders_p05, s.orders_p95, n


def _rows_by_model(m: ModelCheck) -> Iterator[tuple]:
    """Groups that differ between models, by what each expected, and revenue."""
    groups = {"orders_tenth": m.tenths}
    if m.revenue:
        groups |= {"revenue_total": (m.revenue.total,), "revenue_tenth": m.revenue.tenths}
    for name, checks in groups.items():
        for group in checks:
            yield f"{name}/{group.label}/actual", m.model, group.actual, None, None, group.customers
            for layers, f in group.forecasts.items():
                figure = f"{name}/{group.label}/{layers.replace(' ', '')}"
                yield figure, m.model, f.mean, f.p05, f.p95, group.customers
            yield f"{name}/{group.label}/position", m.model, group.position, None, None, group.customers


def partitions(validation: Validation, model: str | None = None) -> list[tuple[str, tuple[GroupCheck, ...]]]:
    m = validation.own_model if model is None else validation.check(model)
    return [("orders_total", (m.total,)), ("orders_cohort", m.cohorts), ("orders_class", m.classes)]
