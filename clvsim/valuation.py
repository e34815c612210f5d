"""The value of a company from its customers: free cash flow by month, two terminal values, and the bridge between them.

The structure is that of McCarthy & Fader (2018), "Customer-Based Corporate Valuation for Publicly Traded
Noncontractual Firms", Journal of Marketing Research 55(5), equations 1-3: customers acquired, retained and their spend
make revenue, revenue makes free cash flow, and that is discounted at WACC. Here each simulated world has cash flows of
its own, so that every figure is a distribution. docs/valuation.md.

Not modelled: debt that changes with the company's value, issues of shares, options on them, interest, depreciation over
years, a market that is exhausted. Arrays are (w, months) or (w,), w worlds; money is that of the log.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from clvsim import decision
from clvsim.simulation.config import ValuationConfig
from clvsim.simulation.ledger import PLAIN, Ledger

YEAR = 12  # months
FEWEST_WORLDS = 200  # of which shares of variance say something
Part = Literal["existing", "newcomers", "acquisition", "fixed", "tax", "capex", "working_capital"]
EndingName = Literal["run_off", "steady"]
Block = Literal["retention", "spend", "acquisition", "finance", "levers", "environment", "luck"]


# --- cash flows -------------------------------------------------------------------------------------------------------


class Flows(NamedTuple):
    """Money by month since today, undiscounted, (w, months): `horizon` months with newcomers, then the run-off of those
    who are customers by then.

    `existing`, `newcomers`: contribution, that of those whom customers refer among the latter; `acquisition`: what
    newcomers cost; fixed costs `monthly` and `once`.
    """

    revenue: np.ndarray
    existing: np.ndarray
    newcomers: np.ndarray
    acquisition: np.ndarray
    monthly: np.ndarray
    once: np.ndarray
    horizon: int


class CashFlows(NamedTuple):
    """What comes in and goes out by month, (w, months); costs are positive."""

    existing: np.ndarray
    newcomers: np.ndarray
    acquisition: np.ndarray
    fixed: np.ndarray
    tax: np.ndarray
    capex: np.ndarray
    working_capital: np.ndarray  # that is tied up in addition

    @property
    def free(self) -> np.ndarray:
        """Free cash flow."""
        return (
            self.existing
            + self.newcomers
            - (self.acquisition + self.fixed + self.tax + self.capex + self.working_capital)
        )


def flows_of(ledger: Ledger, months: int, horizon: int, once: frozenset[str]) -> Flows:
    """The ledger of a run in which newcomers stop at `horizon` and everybody is followed for all `months`.

    `once`: names of costs that are paid once. Raises ValueError where not everybody is followed for so long.
    """
    if months > ledger.horizon_months:
        raise ValueError(f"everybody is followed for {ledger.horizon_months} months only, not for {months}")
    lines = ledger.lines
    calendar = ledger.calendar[:, :, :, PLAIN, :months]
    today = np.array([group.origin == "existing" for group in ledger.groups])
    company = np.array([group.origin == "company" for group in ledger.groups])
    acquiring = np.array([line.account == "cost_acquisition" for line in lines])
    signs = np.array([line.sign for line in lines], float)

    def money(groups: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return np.einsum("g,l,wglm->wm", groups.astype(float), weights, calendar)

    bring = np.where(acquiring, 0.0, signs)
    is_once = np.array([line.cause in once for line in lines])
    selling = np.array([line.account.startswith("revenue") or line.account == "refunds" for line in lines])
    everybody = np.ones(len(ledger.groups), bool)
    return Flows(
        revenue=money(everybody, signs * selling),
        existing=money(today, bring),
        newcomers=money(~today & ~company, bring),
        acquisition=money(everybody, acquiring.astype(float)),
        monthly=money(company, -signs * ~is_once),
        once=money(company, -signs * is_once),
        horizon=horizon,
    )


def cash_flows(flows: Flows, terms: ValuationConfig) -> CashFlows:
    """Cash flows by month.

    After the horizon what stands still before it, monthly fixed costs and investment a month, shrinks with the revenue
    of those who are still there: each keeps the ratio of the horizon's last year. Working capital is a share of the
    revenue of twelve months, so that a month ties up that share of what it sells more than the same month a year ago.
    """
    h, revenue = flows.horizon, flows.revenue
    months = np.arange(revenue.shape[1])
    running, after = months < h, months >= h
    last = slice(h - YEAR, h)
    sold = revenue[:, last].sum(axis=1)

    def shrinking(standing: np.ndarray) -> np.ndarray:
        """Costs (w, months) that do not follow customers, which do so after the horizon."""
        paid = standing[:, last].sum(axis=1)
        ratio = np.divide(paid, sold, out=np.zeros_like(paid), where=sold > 0)
        return np.where(running, standing, ratio[:, None] * revenue)

    fixed = shrinking(flows.monthly) + np.where(after, 0.0, flows.once)
    capex = terms.capex_share * revenue + shrinking(np.full_like(revenue, terms.capex_per_month))
    before = np.full((revenue.shape[0], YEAR), (terms.revenue_last_year or 0.0) / YEAR)
    year_ago = np.concatenate([before, revenue[:, :-YEAR]], axis=1)
    profit = flows.existing + flows.newcomers - flows.acquisition - fixed - capex
    return CashFlows(
        existing=flows.existing,
        newcomers=flows.newcomers,
        acquisition=flows.acquisition,
        fixed=fixed,
        tax=taxes(profit, terms.tax_rate, terms.losses_carried_forward),
        capex=capex,
        working_capital=terms.working_capital * (revenue - year_ago),
    )


def taxes(profit: np.ndarray, rate: float, losses: float = 0.0) -> np.ndarray:
    """Tax of each month, from profits by month (w, months), by years of twelve months from today on.

    A year's tax is the rate times its profit beyond the losses of earlier years that are left; `losses` are those of
    before today. Within a year it is paid as its profit so far grows, and comes back as that shrinks. A loss is never
    paid out.
    """
    tax = np.empty_like(profit)
    carried = np.full(profit.shape[0], losses)
    for first in range(0, profit.shape[1], YEAR):
        so_far = np.cumsum(profit[:, first : first + YEAR], axis=1)
        due = rate * np.maximum(so_far - carried[:, None], 0.0)
        tax[:, first : first + YEAR] = np.diff(due, axis=1, prepend=0.0)
        carried = np.maximum(carried - so_far[:, -1], 0.0)
    return tax


def discounts(wacc: float, months: int) -> np.ndarray:
    """Discount to today of what comes in the middle of each month, (months,)."""
    return (1.0 + wacc) ** (-(np.arange(months) + 0.5) / YEAR)


def steady_year(flows: Flows, terms: ValuationConfig) -> np.ndarray:
    """Free cash flow of the horizon's last year as one that repeats itself, by month, (w, 12).

    Its profit is taxed in full, since losses of earlier years are used up one day; costs that come once are left out;
    and it ties up the working capital that a growth of g needs, whatever the year itself grew by.
    """
    last, g = slice(flows.horizon - YEAR, flows.horizon), terms.terminal_growth
    revenue = flows.revenue[:, last]
    customers = (flows.existing + flows.newcomers - flows.acquisition - flows.monthly)[:, last]
    profit = customers - terms.capex_share * revenue - terms.capex_per_month
    tied_up = terms.working_capital * revenue * g / (1.0 + g)
    return profit - taxes(profit, terms.tax_rate) - tied_up


# --- value ------------------------------------------------------------------------------------------------------------


class Values(NamedTuple):
    """Of each world, (w,), discounted to today at WACC: what the months before the horizon bring, costs below 0, and
    what comes after it, valued in two ways. The parts and one ending add up to the enterprise value."""

    parts: dict[Part, np.ndarray]
    endings: dict[EndingName, np.ndarray]

    @property
    def before(self) -> np.ndarray:
        """Of the months before the horizon."""
        return np.sum(list(self.parts.values()), axis=0)

    def enterprise(self, ending: EndingName) -> np.ndarray:
        return self.before + self.endings[ending]

    def shareholders(self, ending: EndingName, terms: ValuationConfig) -> np.ndarray:
        """Enterprise value, with assets that earn nothing here, less net debt."""
        return self.enterprise(ending) + terms.non_operating_assets - terms.net_debt


def values_of(flows: Flows, terms: ValuationConfig) -> Values:
    """Value of each world.

    The run-off is what those bring who are customers at the horizon, as long as they are followed. The steady year goes
    on for ever and grows by g a year: its months, discounted where they lie, times (1 + g)/(W - g), the sum of
    ((1 + g)/(1 + W))^k over all years k that follow. Raises ValueError unless g < W.
    """
    wacc, growth = terms.wacc, terms.terminal_growth
    if wacc is None or growth >= wacc:
        raise ValueError(f"a value needs a growth {growth} below WACC {wacc}")
    h = flows.horizon
    cash, discount = cash_flows(flows, terms), discounts(wacc, flows.revenue.shape[1])

    def until_horizon(money: np.ndarray) -> np.ndarray:
        return money[:, :h] @ discount[:h]

    parts: dict[Part, np.ndarray] = {
        "existing": until_horizon(cash.existing),
        "newcomers": until_horizon(cash.newcomers),
        "acquisition": -until_horizon(cash.acquisition),
        "fixed": -until_horizon(cash.fixed),
        "tax": -until_horizon(cash.tax),
        "capex": -until_horizon(cash.capex),
        "working_capital": -until_horizon(cash.working_capital),
    }
    endings: dict[EndingName, np.ndarray] = {
        "run_off": cash.free[:, h:] @ discount[h:],
        "steady": steady_year(flows, terms) @ discount[h - YEAR : h] * (1.0 + growth) / (wacc - growth),
    }
    return Values(parts, endings)


# --- where the uncertainty comes from ---------------------------------------------------------------------------------


def nested_shares(values: np.ndarray, blocks: Mapping[Block, np.ndarray]) -> dict[Block, float]:
    """Shares of the variance of values (w,) that blocks of numbers (w, columns) explain, each beyond those before it;
    the rest is `luck`. They are at least 0 and sum to 1; empty of too few worlds, or where nothing varies.

    Regressions on logs where numbers are positive, and on squares, each with its own penalty; noise is measured by
    residuals over √(1 − leverage), so that columns do not explain by chance. Where blocks depend on each other the
    earlier one has what they share.
    """
    total = float(values.var())
    if values.size < FEWEST_WORLDS or total <= 1e-18 * float(values.mean()) ** 2:
        return {}
    shares: dict[Block, float] = {}
    columns, explained = np.empty((values.size, 0)), 0.0
    for name, numbers in blocks.items():
        own = decision.features(numbers, np.zeros(numbers.shape[1], bool))
        if not own.shape[1]:
            continue
        columns = np.column_stack([columns, own, own**2])
        noise = decision.Basis.make(columns).fit(values).noise
        known = max(explained, 1.0 - float((noise**2).mean()) / total)
        shares[name], explained = known - explained, known
    return {**shares, "luck": 1.0 - explained}


# --- what is shown ----------------------------------------------------------------------------------------------------


class Amount(NamedTuple):
    """Mean over simulated worlds, its Monte Carlo standard error (nan for one draw), and their 90 % interval."""

    mean: float
    mcse: float
    p05: float
    p95: float


class BridgeLine(NamedTuple):
    """A part of the value before the horizon; costs are below 0."""

    part: Part
    amount: Amount


class BlockShare(NamedTuple):
    """Share of the variance that a block explains."""

    block: Block
    share: float


class Sensitivity(NamedTuple):
    """Mean value to shareholders with another WACC or growth."""

    wacc: float
    growth: float
    run_off: float
    steady: float


@dataclass(frozen=True)
class Ending:
    """What follows from one way to value the time after the horizon.

    `terminal_share`: of the mean enterprise value, what lies in the terminal value; nan where the former is not above
    0. `below_zero`: share of worlds in which shareholders are left with less than nothing.
    """

    name: EndingName
    terminal: Amount
    terminal_share: float
    enterprise: Amount
    shareholders: Amount
    per_share: Amount | None
    below_zero: float
    uncertainty: tuple[BlockShare, ...]


@dataclass(frozen=True)
class Valuation:
    """A company's value under the baseline; money discounted to today at WACC.

    `years`: free cash flow of each year of the horizon, the last one maybe shorter, undiscounted. `growth`: of mean
    revenue in the horizon's last year, nan where it is shorter than two; `losing`: share of worlds whose steady year
    loses money; `left_over`: last year's share of the run-off, which says how much may lie beyond it. `unstated`: keys
    that were left at nothing.
    """

    wacc: float
    terminal_growth: float
    horizon_months: int
    run_off_months: int
    non_operating_assets: float
    net_debt: float
    layers: str
    bridge: tuple[BridgeLine, ...]
    endings: tuple[Ending, ...]
    years: tuple[Amount, ...]
    sensitivity: tuple[Sensitivity, ...]
    growth: float
    losing: float
    left_over: float
    unstated: tuple[str, ...]


def is_whole(valuation: Valuation) -> bool:
    """Whether a valuation that was read has every part of the bridge and both endings, each once and in order, and a
    growth below its WACC."""
    parts = tuple(line.part for line in valuation.bridge)
    names = tuple(ending.name for ending in valuation.endings)
    years = -(-valuation.horizon_months // YEAR)
    return (
        (parts, names) == (get_args(Part), get_args(EndingName))
        and len(valuation.years) == years
        and valuation.terminal_growth < valuation.wacc
        and len(valuation.sensitivity) > 0
    )


UNSTATED = ("tax_rate", "working_capital", "net_debt", "non_operating_assets")


def value_company(
    flows: Flows,
    terms: ValuationConfig,
    blocks: Mapping[Block, np.ndarray],
    layers: str,
    ess: float = np.nan,
    sampled: float = 0.0,
) -> Valuation:
    """The valuation of a company from its money in each world.

    `blocks`: uncertain numbers of each world, as of `nested_shares`; `layers` of uncertainty that worlds contain;
    `ess`: independent draws that they are worth; `sampled`: standard error of what today's customers bring, as a share
    of it, where a sample stands for them. Raises ValueError as `values_of`.
    """
    values, cash, h = values_of(flows, terms), cash_flows(flows, terms), flows.horizon
    assert terms.wacc is not None
    steady = steady_year(flows, terms).sum(axis=1)
    revenue = flows.revenue.mean(axis=0)
    last, before = revenue[h - YEAR : h].sum(), revenue[max(h - 2 * YEAR, 0) : h - YEAR].sum()
    tail = (flows.existing + flows.newcomers).mean(axis=0)[h:] * discounts(terms.wacc, revenue.size)[h:]
    nothing = {key: not getattr(terms, key) for key in UNSTATED}
    nothing |= {"capex": not (terms.capex_share or terms.capex_per_month), "fixed_costs": not flows.monthly.any()}
    found = Valuation(
        wacc=terms.wacc,
        terminal_growth=terms.terminal_growth,
        horizon_months=h,
        run_off_months=flows.revenue.shape[1] - h,
        non_operating_assets=terms.non_operating_assets,
        net_debt=terms.net_debt,
        layers=layers,
        bridge=tuple(BridgeLine(part, amount(money, ess)) for part, money in values.parts.items()),
        endings=tuple(ending_of(name, values, terms, blocks, ess) for name in values.endings),
        years=tuple(amount(cash.free[:, m : min(m + YEAR, h)].sum(axis=1), ess) for m in range(0, h, YEAR)),
        sensitivity=sensitivity_of(flows, terms),
        growth=float(last / before - 1.0) if h >= 2 * YEAR and before > 0 else float("nan"),
        losing=float((steady < 0).mean()),
        left_over=float(tail[-YEAR:].sum() / tail.sum()) if tail.sum() > 0 else float("nan"),
        unstated=tuple(key for key, is_so in nothing.items() if is_so),
    )
    if not sampled:
        return found
    more = flows._replace(existing=flows.existing * (1.0 + sampled), revenue=flows.revenue * (1.0 + sampled))
    return with_error_of_sample(found, value_company(more, terms, {}, layers, ess))


def with_error_of_sample(own: Valuation, moved: Valuation) -> Valuation:
    """With what a sample adds to errors: by how much each figure moves where its customers bring a standard error more,
    in all months alike, and revenue grows with it."""

    def wider(one: Amount, other: Amount) -> Amount:
        return one._replace(mcse=float(np.hypot(one.mcse, other.mean - one.mean)))

    def wider_ending(one: Ending, other: Ending) -> Ending:
        per_share = one.per_share and other.per_share and wider(one.per_share, other.per_share)
        return replace(
            one,
            terminal=wider(one.terminal, other.terminal),
            enterprise=wider(one.enterprise, other.enterprise),
            shareholders=wider(one.shareholders, other.shareholders),
            per_share=per_share,
        )

    return replace(
        own,
        bridge=tuple(
            BridgeLine(a.part, wider(a.amount, b.amount)) for a, b in zip(own.bridge, moved.bridge, strict=True)
        ),
        endings=tuple(map(wider_ending, own.endings, moved.endings)),
        years=tuple(map(wider, own.years, moved.years)),
    )


def amount(values: np.ndarray, ess: float = np.nan) -> Amount:
    """Of values (w,)."""
    found = decision.summary(values, ess=ess)
    return Amount(found.mean + 0.0, found.mcse, found.p05 + 0.0, found.p95 + 0.0)  # no "-0"


def ending_of(
    name: EndingName, values: Values, terms: ValuationConfig, blocks: Mapping[Block, np.ndarray], ess: float
) -> Ending:
    """The figures of one terminal value."""
    terminal, enterprise = values.endings[name], values.enterprise(name)
    shareholders, whole = values.shareholders(name, terms), float(enterprise.mean())
    shares = nested_shares(shareholders, blocks)
    return Ending(
        name=name,
        terminal=amount(terminal, ess),
        terminal_share=float(terminal.mean()) / whole if whole > 0 else float("nan"),
        enterprise=amount(enterprise, ess),
        shareholders=amount(shareholders, ess),
        per_share=None if terms.shares is None else amount(shareholders / terms.shares, ess),
        below_zero=float((shareholders < 0).mean()),
        uncertainty=tuple(BlockShare(block, share) for block, share in shares.items()),
    )


STEP = 0.01  # of WACC and growth, to see what they move


def sensitivity_of(flows: Flows, terms: ValuationConfig) -> tuple[Sensitivity, ...]:
    """Mean values with the WACC and the growth as stated and each a point lower and higher, where g < W."""
    wacc, growth = terms.wacc or 0.0, terms.terminal_growth
    pairs = ((wacc, growth), (wacc - STEP, growth), (wacc + STEP, growth), (wacc, growth - STEP), (wacc, growth + STEP))
    found = []
    for w, g in pairs:
        if g >= w or w <= 0:
            continue
        other = terms.model_copy(update={"wacc": w, "terminal_growth": g})
        values = values_of(flows, other)
        means = (float(values.shareholders(name, other).mean()) for name in values.endings)
        found.append(Sensitivity(w, g, *means))
    return tuple(found)


COLUMNS = ("figure", "terminal_value", "at", "unit", "basis", "layers", "mean", "mean_mcse", "p05", "p95")
BOTH = "both"


def table(valuation: Valuation) -> pd.DataFrame:
    """The table of `valuation.csv`: the bridge, both endings, free cash flow by year (`at`: 1, 2, …; else 0)."""
    rows: list[tuple[object, ...]] = []

    def add(figure: str, terminal: str, found: Amount, at: int = 0) -> None:
        rows.append((figure, terminal, at, "money", "realised", valuation.layers, *found))

    for number, year in enumerate(valuation.years, start=1):
        add("free_cash_flow", BOTH, year, number)
    for line in valuation.bridge:
        add(line.part, BOTH, line.amount)
    for ending in valuation.endings:
        add("terminal_value", ending.name, ending.terminal)
        add("enterprise_value", ending.name, ending.enterprise)
        add("shareholder_value", ending.name, ending.shareholders)
        if ending.per_share:
            add("value_per_share", ending.name, ending.per_share)
    return pd.DataFrame(rows, columns=list(COLUMNS))
