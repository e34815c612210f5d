"""What customers do, in the words of a shop and in those of contracts."""

from typing import NamedTuple


class Vocabulary(NamedTuple):
    """Nouns for what is predicted, `paid` for all payments of a log, and the verb."""

    one: str
    many: str
    repeat: str  # beside the first one, which `first` is
    first: str
    paid: str
    do: str
    does: str
    did: str


ORDERS = Vocabulary("order", "orders", "repeat orders", "first order", "orders", "order", "orders", "ordered")
RENEWALS = Vocabulary("renewal", "renewals", "renewals", "first payment", "payments", "renew", "renews", "renewed")


def vocabulary_of(renewing: bool) -> Vocabulary:
    return RENEWALS if renewing else ORDERS
