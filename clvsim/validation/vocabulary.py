"""Nouns and verbs for what customers do: orders of a shop, or renewals of contracts."""

from typing import NamedTuple


class Vocabulary(NamedTuple):
    """Nouns for the predicted events and for all payments of a log (`paid`), and verbs."""

    many: str
    repeat: str  # all but the first one, which is `first`
    one_repeat: str
    placed: str  # participle: orders are placed, renewals made
    first: str
    paid: str
    do: str
    does: str
    did: str


ORDERS = Vocabulary(
    many="orders", repeat="repeat orders", one_repeat="repeat order", placed="placed",
    first="first order", paid="orders", do="order", does="orders", did="ordered",
)  # fmt: skip
RENEWALS = Vocabulary(
    many="renewals", repeat="renewals", one_repeat="renewal", placed="made",
    first="first payment", paid="payments", do="renew", does="renews", did="renewed",
)  # fmt: skip


def vocabulary_of(renewing: bool) -> Vocabulary:
    return RENEWALS if renewing else ORDERS
