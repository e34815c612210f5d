"""What customers do, in the words of a shop and in those of contracts."""

from typing import NamedTuple


class Vocabulary(NamedTuple):
    """Nouns for what is predicted, `paid` for all payments of a log, and the verbs."""

    many: str
    repeat: str  # beside the first one, which `first` is
    one_repeat: str
    placed: str  # what customers have done with them
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
