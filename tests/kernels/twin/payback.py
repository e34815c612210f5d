"""What a customer has brought so far, and whether a newcomer has repaid the cost of acquisition."""

from clvsim.kernels import structs as ks
from twin import contacts
from twin.books import Records, discount, post_age, post_cohort
from twin.cases import Case
from twin.state import Customer, Life


def contribute(case: Case, records: Records, customer: Customer, life: Life, gain: float, cost: float = 0.0) -> None:
    """The contribution of an order and its offers, or of a campaign, for which the plan costs `cost`."""
    post_cohort(records, customer, ks.COHORT_CONTRIBUTION, life.day, gain)
    at_start = customer.dues[0]
    gain -= cost
    life.value += discount(case, life.day) * gain
    life.own += discount(case, life.day - customer.start) * gain
    if not case.newcomers or life.repaid:
        return
    life.repaid = life.own - contacts.paid_by(case, customer, life.leaves, life.day) - at_start >= customer.cac
    if life.repaid:
        post_age(case, records, customer, ks.REPAID, life.day, 1.0, customer.heads)
