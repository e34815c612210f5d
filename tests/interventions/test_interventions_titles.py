"""Titles that name numbers of their scenario."""

import pytest

from clvsim.files import SHIPPED, yaml_files
from clvsim.interventions.titles import fill
from clvsim.listing import scenario_title
from clvsim.scenario import Scenario, problems, title_of

NUMBERS = {"email.per_month": 4.0, "page.size": -0.031, "shop.price": 1234567.5}


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Follow-up, {email.per_month:g} messages", "Follow-up, 4 messages"),
        ("{email.per_month} and {{x}}", "4 and {x}"),
        ("{page.size:+.1%}", "−3.1\u00a0%"),
        ("{page.size:.2f}", "−0.03"),
        ("{shop.price}, {shop.price:,.0f}", "1,234,567.5, 1,234,568"),
        ("plain", "plain"),
    ],
)
def test_numbers_stand_in_their_places(title: str, text: str) -> None:
    assert fill(title, NUMBERS) == text


@pytest.mark.parametrize(
    ("title", "what"),
    [
        ("{", "holds a brace that is no place for a number"),
        ("a } b", "holds a brace that is no place for a number"),
        ("{}", "'{}' is no place for a number"),
        ("{0}", "'{0}' is no place for a number"),
        ("{email.per_month!r}", "'{email.per_month!r}' is no place"),
        ("{email[per_month]}", "is no place for a number"),
        ("{email.per_month:{x}}", "is no place for a number"),
        ("{email.per_month:>999999999}", "is no place for a number"),
        ("{email.per_month:.999f}", "is no place for a number"),
        ("{email.per_month:d}", "is no place for a number"),
        ("{email.per_month.__class__}", "has no number 'email.per_month.__class__'; did you mean email.per_month?"),
        ("{email.__init__.__globals__}", "has no number 'email.__init__.__globals__'"),
        ("{email.permonth}", "did you mean email.per_month?"),
    ],
)
def test_what_is_no_place_of_a_number_is_refused(title: str, what: str) -> None:
    with pytest.raises(ValueError, match="number") as refused:
        fill(title, NUMBERS)
    assert what in str(refused.value)


def scenario(title: str, **fields: object) -> Scenario:
    return Scenario.model_validate({"title": title, "email": {"kind": "contact", "per_month": 4, **fields}})


def test_an_override_shows_in_the_title() -> None:
    assert title_of(scenario("{email.per_month:g} a month")) == "4 a month"
    assert title_of(scenario("{email.per_month:g} a month", per_month=2.5)) == "2.5 a month"


def test_of_an_effect_the_title_has_the_mean_on_the_readers_scale() -> None:
    """A normal around +10 % on the log scale with sd .2 has the mean 1.1·e^.02 − 1."""
    raw = {"title": "{page.size:.4f}", "page": {"kind": "shift", "target": "rate"}}
    size = {"kind": "prior", "dist": "normal", "mean": 0.1, "sd": 0.2}
    found = title_of(Scenario.model_validate({**raw, "page": {**raw["page"], "size": size}}))
    assert float(found) == pytest.approx(1.1 * 2.718281828**0.02 - 1, abs=2e-4)
    assert title_of(Scenario.model_validate({**raw, "page": {**raw["page"], "size": 0.1}})) == "0.1000"


def test_a_wrong_title_is_a_problem_of_the_study() -> None:
    library = {"baseline": Scenario(title="As today"), "mail": scenario("{email.per_week} a week")}
    (problem,) = problems(library)
    assert problem.where == "scenario.mail.title"
    assert problem.what.startswith("the scenario has no number 'email.per_week'; did you mean email.per_month?")
    cap = {"title": "{frequency_cap.contacts} in {frequency_cap.days}", "frequency_cap": {"contacts": 5, "days": 30}}
    assert title_of(Scenario.model_validate({**cap, "email": {"kind": "contact", "per_month": 4}})) == "5 in 30"


def test_what_is_promised_shows_in_the_title_too() -> None:
    raw = {
        "title": "{email.per_month:g} a month",
        "email": {"kind": "contact", "per_month": 4},
        "optimist": {"email": {"per_month": 9}},
        "variant": "optimist",
    }
    assert title_of(Scenario.model_validate(raw)) == "9 a month, as promised"


def test_shipped_titles_have_no_brace_left() -> None:
    for name, path in yaml_files(SHIPPED["scenario"]).items():
        assert not {"{", "}"} & set(scenario_title(path)), name
