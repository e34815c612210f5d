"""What it takes for the event loop and its twin to agree: every event, every ledger cell."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from twin.books import Book, Records
from twin.cases import Case

from clvsim.kernels import structs as ks
from clvsim.simulation.ledger import Cohort, age_contacts, calendar_contacts

# Two orders of summation of some hundred numbers; days are up to 600 and amounts up to 1e3.
CLOSE: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-8}


def compare(case: Case, twin: Records, ledgers: ks.Ledgers, trace: np.ndarray) -> None:
    compare_events(twin, trace)
    compare_books(case, twin, ledgers)
    shape = ledgers.value.shape
    np.testing.assert_allclose(ledgers.value, table(twin.value, shape), **CLOSE)
    np.testing.assert_array_equal(ledgers.orders, table(twin.orders, shape))


def compare_books(case: Case, twin: Records, ledgers: ks.Ledgers) -> None:
    for name in ("calendar", "age", "cohort", "exposure", "revenue"):
        compare_book(getattr(twin, name), contactless(case, name, getattr(ledgers, name)), name)
    compare_contacts(case, twin, ledgers)


def compare_events(twin: Records, trace: np.ndarray) -> None:
    """Order of events within a life; the loop may report an opt-out, known from the start, ahead of the orders."""
    expected = np.array(sorted(twin.events, key=_by_day)).reshape(-1, ks.TRACE_COLUMNS)
    traced = np.array(sorted(map(tuple, trace), key=_by_day)).reshape(-1, ks.TRACE_COLUMNS)
    np.testing.assert_array_equal(traced[:, :3], expected[:, :3])
    np.testing.assert_allclose(traced[:, 3:], expected[:, 3:], **CLOSE)


def _by_day(event: tuple) -> tuple:
    """World, customer, day; what happens at one moment stays in the order of its report."""
    return event[0], event[1], round(event[3], 7)


def contactless(case: Case, name: str, ledger: np.ndarray) -> np.ndarray:
    """Contact lines are completed after the loop and compared on their own."""
    if name not in ("calendar", "age"):
        return ledger
    out = ledger.copy()
    out[:, :, case.lines - case.contacts.shape[0] :] = 0
    return out


def compare_book(book: Book, ledger: np.ndarray, name: str) -> None:
    """Each entry is rounded to a unit; a difference in the last digit can send it to the other side, once."""
    units, entries = np.zeros(ledger.shape, np.int64), np.zeros(ledger.shape, np.int64)
    for where, value in book.units.items():
        units[where] = value
        entries[where] = book.entries[where]
    far = np.abs(units - ledger) > entries
    assert not far.any(), (name, np.argwhere(far)[:5], units[far][:5], ledger[far][:5])


def compare_contacts(case: Case, twin: Records, ledgers: ks.Ledgers) -> None:
    programmes = case.contacts.shape[0]
    if not programmes:
        return
    contacts = case.contact_struct()
    groups = case.exposed.size
    group_of = {int(c): int(g) for c, g in zip(case.people.cohort, case.people.group, strict=True)}
    cohorts = tuple(Cohort(group_of.get(c, 0), "") for c in range(ledgers.cohort.shape[1]))
    on_list = np.cumsum(ledgers.exposure, axis=-1)[..., :-1] / ks.COUNT_UNIT
    calendar = np.zeros((case.worlds.size, 2 * groups, programmes, 2, case.periods))
    calendar_contacts(on_list, cohorts, contacts, case.week_discount(), calendar)
    np.testing.assert_allclose(calendar, sent(case, twin, "calendar", calendar.shape), rtol=1e-9, atol=1e-6)
    if case.newcomers:
        age = ledgers.age[:, :, case.lines - programmes :, :, 1:] / ks.COUNT_UNIT
        age_contacts(ledgers.age_exit[..., 1:], contacts, range(groups), age)
        np.testing.assert_allclose(age, sent(case, twin, "age", age.shape), rtol=1e-9, atol=1e-5)


def sent(case: Case, twin: Records, book: str, shape: tuple[int, ...]) -> np.ndarray:
    out = np.zeros(shape)
    for (which, *where), number in twin.sent.items():
        if which == book:
            out[tuple(where)] = number
    return out


def table(values: Mapping[tuple[int, int], float], shape: tuple[int, int]) -> np.ndarray:
    out = np.zeros(shape)
    for where, value in values.items():
        out[where] = value
    return out
