"""Simulated customers: existing ones with their history, newcomers by channel, month and ordinal; their groups."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice, product
from typing import NamedTuple

import numpy as np
import pandas as pd

from clvsim.errors import ConfigError
from clvsim.interventions.base import Group, Listing
from clvsim.kernels import rng
from clvsim.kernels.structs import Laws, People, seal
from clvsim.models.around.plans import plans_of
from clvsim.models.around.pooling import at_birth, from_channel
from clvsim.models.fitted import FittedModels
from clvsim.models.laws import LifeLaw, LognormalLaw, Params, SpendLaw, distinct_rows, scaled
from clvsim.models.revenue import FittedCustomers
from clvsim.models.spend import paid
from clvsim.simulation.config import AcquisitionConfig
from clvsim.simulation.ledger import Cohort
from clvsim.types import DAYS_PER_MONTH, CustomerSummary

MAX_GROUPS, MAX_LISTED = 16, 8
MANY = 1000  # parts, of which nobody needs to know how many more there are


class Targets(NamedTuple):
    """What levers ask of single customers: lists of today's, and shares of all that are held out, ascending.

    `value` (c,) is what each of today's customers is expected to bring, nan of those who are known to be lost; None as
    long as nothing is fitted, when other customers stand for those on the lists.
    """

    listings: tuple[Listing, ...] = ()
    hold_outs: tuple[float, ...] = ()
    value: np.ndarray | None = None

    @property
    def provisional(self) -> bool:
        """Whether it is not known yet who is on the lists."""
        return self.value is None and any(listing.top for listing in self.listings)

    @property
    def strata(self) -> list[frozenset[float]]:
        """Customers by the shares in which they are, those in all of them first."""
        return [frozenset(self.hold_outs[number:]) for number in range(len(self.hold_outs) + 1)]

    def stratum(self, key: np.ndarray) -> np.ndarray:
        """Place of customers in `strata` by their keys, (n,)."""
        return np.searchsorted(self.hold_outs, rng.entity_uniforms(key, rng.HELD_OUT), side="right")


NO_TARGETS = Targets()
OTHER = "other"


@dataclass(frozen=True)
class Block:
    """Customers that are simulated together, and a function that returns their laws for a slice of draws."""

    people: People
    laws: Callable[[slice], Laws]  # draws -> trait distributions
    newcomers: bool
    renewing: bool  # whether they hold contracts, which only end
    weight: int = 1  # for how many each of them stands, which the loop does not know


def ledger_groups(
    customers: pd.DataFrame, acquisition: AcquisitionConfig, targets: Targets = NO_TARGETS
) -> tuple[tuple[Group, ...], np.ndarray, str]:
    """Groups of a run, the group of each existing customer, and a note when small ones had to be pooled.

    Raises ConfigError where the lists that levers need cut the customers into too many parts.
    """
    pairs = list(zip(*(customers[name].to_numpy(object) for name in ("segment", "channel")), strict=True))
    new = tuple(
        Group("new", "", channel, held_out=stratum) for channel in acquisition.channels for stratum in targets.strata
    )
    on_lists, lists, most = listed(customers, targets)
    if most > MAX_LISTED:
        what = f"orders, silent_days, top and hold_out of the levers' `who` cut the customers into {most} parts"
        raise ConfigError([("scenario", f"{what}; at most {MAX_LISTED} fit")])
    room = max(1, (MAX_GROUPS - len(new)) // len(lists))
    by_size = [pair for pair, _ in sorted(Counter(pairs).items(), key=lambda item: (-item[1], item[0]))]
    pooled = by_size[room - 1 :] if len(by_size) > room else []
    own_group = sorted(by_size[: len(by_size) - len(pooled)])
    combinations = tuple(Group("existing", *pair) for pair in own_group)
    note = ""
    if pooled:
        combinations += (Group("existing", OTHER),)
        note = (
            f"{len(pooled)} combinations of segment and channel, the smallest, are pooled as '{OTHER}': "
            f"a ledger holds at most {MAX_GROUPS} groups."
        )
    index = {pair: i for i, pair in enumerate(own_group)}
    combination = np.array([index.get(pair, len(own_group)) for pair in pairs], np.int64)
    there, group = np.unique(combination * len(lists) + on_lists, return_inverse=True)
    existing = tuple(combinations[i // len(lists)]._replace(**lists[i % len(lists)]._asdict()) for i in there.tolist())
    return existing + new, group.astype(np.int64), note


class Part(NamedTuple):
    """Customers who are on the same lists and in the same shares that are held out."""

    lists: frozenset[Listing] = frozenset()
    held_out: frozenset[float] = frozenset()


def listed(customers: pd.DataFrame, targets: Targets) -> tuple[np.ndarray, list[Part], int]:
    """Of each customer the part, (c,), as a place among those that occur; and how many may occur whoever is the top."""
    if (not targets.listings and not targets.hold_outs) or customers.empty:
        return np.zeros(len(customers), np.int64), [Part()], 1
    stratum = targets.stratum(rng.text_keys(customers["customer_id"].tolist()))
    among = [candidates(customers, listing) for listing in targets.listings]
    value = -1.0 * (stratum < len(targets.hold_outs)) if targets.value is None else targets.value
    ids = customers["customer_id"].to_numpy(str)
    on = [chosen_of(rows, listing, value, ids) for rows, listing in zip(among, targets.listings, strict=True)]
    first, place = distinct_rows([*on, stratum])
    found = [
        Part(
            frozenset(listing for listing, is_on in zip(targets.listings, on, strict=True) if is_on[row]),
            targets.strata[stratum[row]],
        )
        for row in first.tolist()
    ]
    return place, found, most_parts(targets.listings, among, stratum)


def candidates(customers: pd.DataFrame, listing: Listing) -> np.ndarray:
    """Who meets all that a list asks but to be among the top, (c,)."""
    orders = customers["frequency"].to_numpy(float) + 1
    silent = (customers["T_days"] - customers["recency_days"]).to_numpy(float)
    meets = listing.holds(orders, silent)
    for column, names in (("segment", listing.segments), ("channel", listing.channels)):
        if names:
            meets &= customers[column].isin(names).to_numpy()
    return meets


def chosen_of(candidate: np.ndarray, listing: Listing, value: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Who of the candidates is on a list, (c,): all of them, or the top of those who are not known to be lost."""
    if listing.top is None:
        return candidate
    rows = np.flatnonzero(candidate & ~np.isnan(value))
    chosen = np.zeros(candidate.size, bool)
    chosen[rows[listing.top.of(value[rows], ids[rows])]] = True
    return chosen


def most_parts(listings: Sequence[Listing], among: Sequence[np.ndarray], stratum: np.ndarray) -> int:
    """Into how many parts lists can cut the customers, whoever is the top; exact as far as it matters.

    Of n tops of the same candidates each lies in the next, so that a candidate is in 0 to n of them. All else is known
    before anything is fitted.
    """
    tops = Counter(listing._replace(top=None) for listing in listings if listing.top)
    rows = {listing._replace(top=None): rows for listing, rows in zip(listings, among, strict=True) if listing.top}
    fixed = [rows for listing, rows in zip(listings, among, strict=True) if not listing.top]
    columns = [*fixed, stratum, *(rows[top] for top in tops)]
    first, _ = distinct_rows(columns)
    kinds = zip(*(own[first].tolist() for own in columns), strict=True)
    known = len(fixed) + 1
    parts: set[tuple[int, ...]] = set()
    for kind in kinds:
        depths = (range(1 + number * can) for number, can in zip(tops.values(), kind[known:], strict=True))
        parts |= {(*kind[:known], *depth) for depth in islice(product(*depths), MANY)}
    return len(parts)


def existing_cohorts(summary: CustomerSummary, group: np.ndarray) -> tuple[np.ndarray, tuple[Cohort, ...]]:
    """Cohort of each existing customer (ledger group × calendar quarter of the first order), and the cohorts."""
    born = pd.Timestamp(summary.today) - pd.to_timedelta(summary.customers["T_days"].to_numpy(float), unit="D")
    quarter = born.to_period("Q").astype(str).to_numpy(str)
    pairs = pd.MultiIndex.from_arrays([group, quarter])
    codes, unique = pd.factorize(pairs, sort=True)
    return codes.astype(np.int64), tuple(Cohort(int(g), str(q)) for g, q in unique)


def newcomer_cohorts(acquisition: AcquisitionConfig, groups: Sequence[Group]) -> tuple[Cohort, ...]:
    """Cohorts of newcomers, and of those who are referred: ledger group × quarter since today."""
    return tuple(
        Cohort(g, f"arriving in months {3 * q}-{3 * q + 2}")
        for g, group in enumerate(groups)
        if group.origin in ("new", "referred")
        for q in range(quarters_of(acquisition))
    )


def quarters_of(acquisition: AcquisitionConfig) -> int:
    return -(-acquisition.months // 3)


def key_order(summary: CustomerSummary) -> tuple[np.ndarray, np.ndarray]:
    """Keys of the existing customers, (c,) uint64, and the order of the keys, in which they are summed."""
    key = rng.text_keys(summary.customers["customer_id"].tolist())
    return key, np.argsort(key, kind="stable")


def existing_blocks(
    summary: CustomerSummary,
    fitted: FittedModels,
    group: np.ndarray,
    cohort: np.ndarray,
    size: int,
    *,
    returning: bool = False,
    weight: np.ndarray | None = None,
) -> tuple[list[Block], np.ndarray]:
    """Blocks of existing customers in the order of their keys, and that order.

    `returning`: their laws hold the traits of those who have left, too. `weight` (c,): for how many each stands; those
    of one weight come together.
    """
    key, order = key_order(summary)
    weights = np.ones(order.size, np.int64) if weight is None else weight
    order = order[np.argsort(weights[order], kind="stable")]
    customers = FittedCustomers.of(fitted, summary)
    orders = summary.customers["frequency"].to_numpy()
    age, recency = (summary.customers[name].to_numpy(float) for name in ("T_days", "recency_days"))
    blocks = []
    for rows, weight_of_each in pieces(order, weights[order], size):
        people = people_of(
            key=key[rows],
            group=group[rows],
            column=np.arange(rows.size),
            orders_before=orders[rows] + 1,
            first_order=-age[rows],
            last_order=recency[rows] - age[rows],
            cohort=cohort[rows],
        )
        blocks.append(
            Block(
                people,
                _existing_laws(customers.part(rows), returning=returning),
                newcomers=False,
                renewing=fitted.retention.renewing,
                weight=weight_of_each,
            )
        )
    return blocks, order


def pieces(order: np.ndarray, weights: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, int]]:
    """`order` (c,) in pieces of at most `size` customers of one weight, and that weight; `weights` (c,) ascending."""
    cuts = np.flatnonzero(np.diff(weights)) + 1
    for same, of in zip(np.split(order, cuts), np.split(weights, cuts), strict=True):
        yield from ((same[low : low + size], int(of[0])) for low in range(0, same.size, size))


def people_of(key: np.ndarray, **values: np.ndarray) -> People:
    """The kernel's struct of customers; fields not given are neutral: simulated from day 0 on."""
    n = key.shape[0]
    neutral = {"cell": np.full(n, -1), "born": np.zeros(n), "spread": np.zeros(n)}
    fields = {f: values.get(f, neutral.get(f, np.zeros(n))) for f in People._fields if f != "key"}
    as_float = ("born", "spread", "first_order", "last_order")
    return People(
        key=seal(key, np.uint64),
        **{f: seal(v, np.float64 if f in as_float else np.int64) for f, v in fields.items()},
    )


def blocks_of_newcomers(
    fitted: FittedModels,
    channel: str,
    size: int,
    *,
    month: np.ndarray,
    cell: np.ndarray,
    ordinal: np.ndarray,
    **values: np.ndarray,
) -> list[Block]:
    """Blocks of at most `size` newcomers of one channel's laws, who come at a random moment of their `month`.

    `values`: key, group and cohort; all arrays (c,).
    """
    plans, laws = plans_of(fitted.retention), newcomer_laws(fitted, channel)
    values |= {
        "column": plans.of_newcomers(cell, ordinal) if plans else np.zeros_like(cell),
        "cell": cell,
        "ordinal": ordinal,
        "born": month * DAYS_PER_MONTH,
        "spread": np.full(cell.size, DAYS_PER_MONTH),
    }
    parts = [slice(low, low + size) for low in range(0, cell.size, size)]
    people = [people_of(**{field: of_all[part] for field, of_all in values.items()}) for part in parts]
    return [Block(some, laws, newcomers=True, renewing=fitted.retention.renewing) for some in people]


def _existing_laws(customers: FittedCustomers, *, returning: bool) -> Callable[[slice], Laws]:
    def laws(draws: slice) -> Laws:
        some = customers.part(slice(None), draws)
        at = some.life, some.histories, some.days_per_unit
        life, living = some.retention.laws(*at), None
        if returning:
            life, living = with_those_who_left(life, some.retention.laws_given_dead(*at))
        spend = some.spend.laws(some.money, some.spends)
        return join_laws(life, spend, 1.0, paid.laws(some.money, some.paids), living)

    return laws


def newcomer_laws(fitted: FittedModels, channel: str = "") -> Callable[[slice], Laws]:
    """The population's laws, one column; those of an acquisition channel where the model has channels.

    Made once for all blocks: of so few columns that they are no larger than the posterior.
    """
    return cache(_newcomer_laws(fitted, from_channel(fitted.retention, channel).newcomer_laws))


def birth_laws(fitted: FittedModels, summary: CustomerSummary) -> tuple[Callable[[slice], Laws], np.ndarray]:
    """Laws of customers right after their first order, and the column of each customer in them, (c,)."""
    laws, column = at_birth(fitted.retention, summary)
    return _newcomer_laws(fitted, laws), column


def _newcomer_laws(fitted: FittedModels, life_laws: Callable[[Params, float], LifeLaw]) -> Callable[[slice], Laws]:
    def laws(draws: slice) -> Laws:
        parameters = fitted.spend_draws(draws)
        life = life_laws(fitted.retention_draws(draws), fitted.days_per_unit)
        factor = parameters["first_order_factor"][:, None]
        spend = fitted.spend.newcomer_laws(parameters)
        if plans := plans_of(fitted.retention):
            spend = scaled(spend, np.array([plan.price for plan in plans.plans]))
        return join_laws(life, spend, factor, paid.newcomer_laws(parameters))

    return laws


def with_those_who_left(life: LifeLaw, lost: LifeLaw) -> tuple[LifeLaw, int]:
    """Components of customers who are there, and behind them those of customers who have left; how many the first are.

    Only laws of orders at a rate: `rate_shape` to `drop_b` and the weights by component.
    """
    people, both = life.p_alive.shape, (life, lost)
    parts = [1 if law.weight is None else law.weight.shape[-1] for law in both]

    def components(value: np.ndarray | None, number: int) -> np.ndarray:
        wide = np.asarray(1.0 if value is None else value, np.float64)
        return np.broadcast_to(wide if wide.ndim == 3 else wide.reshape(*wide.shape, 1), (*people, number))

    joined = {
        name: np.concatenate([components(getattr(law, name), n) for law, n in zip(both, parts, strict=True)], axis=2)
        for name in OF_LIVES
    }
    stages = [np.zeros(n) if law.stages_done is None else law.stages_done for law, n in zip(both, parts, strict=True)]
    return life._replace(**joined, stages_done=np.concatenate(stages)), parts[0]


OF_LIVES = ("weight", "rate_shape", "rate_rate", "mu_shape", "mu_rate", "drop_a", "drop_b")
BY_COMPONENT = ("weight", "rate_shape", "rate_rate", "mu_shape", "mu_rate", "drop_a", "drop_b", "buy_a", "buy_b")
PRODUCTS = ("product_price", "product_upto")
GAMMA = tuple(name for name in SpendLaw._fields if name not in PRODUCTS)
ABSENT = np.zeros((0, 0))


def join_laws(
    life: LifeLaw,
    spend: SpendLaw | LognormalLaw,
    first_factor: np.ndarray | float,
    shares: paid.PaidLaw = paid.ALL,
    living: int | None = None,
) -> Laws:
    """Join the laws of life and spend to the kernel's struct: a column per customer and component of a mixture.

    `shares` of orders that are paid; the first `living` components are of customers who are there, None: all.
    """
    people = draws, customers = life.p_alive.shape
    exponent = np.ones((1, 1)) if life.tenure_exponent is None else life.tenure_exponent
    components = () if life.weight is None else life.weight.shape[-1:]

    def broadcast(value: np.ndarray | float | None, shape: tuple[int, ...], neutral: float = 0.0) -> np.ndarray:
        return seal(np.broadcast_to(neutral if value is None else value, shape))

    def by_component(value: np.ndarray | None) -> np.ndarray:
        return seal(ABSENT) if value is None else broadcast(value, people + components).reshape(draws, -1)

    amounts = {name: value for name, value in spend._asdict().items() if name not in PRODUCTS}
    scalars = {"p_alive": life.p_alive, "first_factor": first_factor, "first_paid": shares.first, **amounts}
    absent = (*GAMMA, *PRODUCTS) if isinstance(spend, LognormalLaw) else LognormalLaw._fields
    listed = {} if isinstance(spend, LognormalLaw) else {name: getattr(spend, name) for name in PRODUCTS}
    if shares.a is None:
        absent = (*absent, "paid_a", "paid_b")
    else:
        scalars |= {"paid_a": shares.a, "paid_b": shares.b}
    return Laws(
        **{f: broadcast(v, people) for f, v in scalars.items()},
        **{f: seal(ABSENT) for f in absent},
        **{f: seal(ABSENT if v is None else v) for f, v in listed.items()},
        **{f: by_component(getattr(life, f)) for f in BY_COMPONENT},
        living=seal(np.array([living or (components or (1,))[0]]), np.int64),
        stages_done=broadcast(life.stages_done, components or (1,)),
        regularity=seal(np.broadcast_to(np.asarray(life.regularity, np.float64), (draws,))),
        interval_days=seal(np.atleast_1d(life.interval_days)),
        first_days=broadcast(
            life.interval_days if life.next_opportunity_days is None else life.next_opportunity_days, (customers,)
        ),
        tenure=broadcast(life.tenure, (customers,)),
        tenure_exponent=broadcast(exponent, (draws, exponent.shape[1])),
        pause=seal(ABSENT) if life.pause is None else broadcast(life.pause, (draws, exponent.shape[1])),
        resume=seal(ABSENT) if life.resume is None else broadcast(life.resume, (draws, exponent.shape[1])),
        paused=broadcast(life.paused, (customers,)),
        late_days=broadcast(life.late_days, (customers,)),
        due=seal(ABSENT),
        due_steps=seal(np.array([1.0, 0.0])),
        birth_charges=seal(np.broadcast_to(life.birth_charges, (draws,)), np.int64),
    )


def reachable(fitted: FittedModels, summary: CustomerSummary) -> np.ndarray:
    """Existing customers who are not known to be lost, (c,): all of them, but contracts that have ended."""
    model, first = fitted.retention, fitted.retention_draws(slice(1))
    if not model.renewing:
        return np.ones(len(summary.customers), bool)
    return model.laws(first, model.histories(summary), fitted.days_per_unit).p_alive[0] > 0
