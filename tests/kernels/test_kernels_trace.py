"""Events of single paths."""

import numpy as np
from rooms import Opened, interpreted
from twin.cases import random_case

from clvsim.kernels.structs import NO_OFFER, TRACE_COLUMNS, TRACE_DEATH, TRACE_ORDER, Trace

TRACE = interpreted("trace")


def opened(rows: int) -> tuple[Opened, Trace]:
    room = Opened(random_case(90))
    trace = Trace.empty(rows)
    room.rare = room.rare._replace(trace=trace)
    return room, trace


def test_events_are_rows_in_their_order() -> None:
    room, trace = opened(3)
    TRACE.record(room.rare, room.path(2, 7), TRACE_ORDER, 12.5, 30.0, 2)
    TRACE.record(room.rare, room.path(1, 4), TRACE_DEATH, 13.5, 0.0, NO_OFFER)
    expected = [[2, 7, TRACE_ORDER, 12.5, 30.0, 2], [1, 4, TRACE_DEATH, 13.5, 0.0, -1], [0] * TRACE_COLUMNS]
    np.testing.assert_array_equal(trace.rows, expected)
    assert trace.used[0] == 2


def test_a_full_trace_records_no_more() -> None:
    room, trace = opened(2)
    for day in (1.0, 2.0, 3.0):
        TRACE.record(room.rare, room.path(0, 0), TRACE_ORDER, day, 1.0, NO_OFFER)
    np.testing.assert_array_equal(trace.rows[:, 3], [1.0, 2.0])
    assert trace.used[0] == 2


def test_a_loop_without_traces_records_nothing() -> None:
    room, trace = opened(2)
    TRACE.record(None, room.path(0, 0), TRACE_ORDER, 1.0, 1.0, NO_OFFER)
    assert not trace.used.any()
    empty, trace = opened(0)
    TRACE.record(empty.rare, empty.path(0, 0), TRACE_ORDER, 1.0, 1.0, NO_OFFER)
    assert not trace.used.any()


def test_every_event_of_a_case_is_traced() -> None:
    """Orders of the trace are those that were counted."""
    ledgers, trace, _ = random_case(91, offers=2).run()
    orders = np.zeros_like(ledgers.orders)
    np.add.at(orders, tuple(trace[trace[:, 2] == TRACE_ORDER, :2].T.astype(int)), 1)
    np.testing.assert_array_equal(orders, ledgers.orders)
    assert orders.sum() > 100
