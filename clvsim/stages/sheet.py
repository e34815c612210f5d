"""The figures of the page's first sheet that are not in the comparison: from draws, the log's history and contracts."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from clvsim.config import RunConfig
from clvsim.data.history import History
from clvsim.data.returning import WINDOW
from clvsim.everyday import Steps, Trade, lifetime_value, steps
from clvsim.models.around.several import several_of
from clvsim.models.fitted import FittedModels
from clvsim.scenario import BASELINE
from clvsim.sheet import HILL, Sheet
from clvsim.types import RENEWAL_DAYS, Assumption, ContractFigures, Range

if TYPE_CHECKING:
    from clvsim.comparison import Comparison
    from clvsim.simulation.ledger import Economics
    from clvsim.simulation.run import Simulation

_YEAR = 12  # months
_WORST = 0.1  # share of the futures


def sheet_of(
    config: RunConfig,
    simulation: "Simulation",
    comparison: "Comparison",
    fitted: FittedModels,
    customers: int,
    history: History | None,
    contracts: ContractFigures | None,
    assumptions: tuple[Assumption, ...],
) -> Sheet:
    """Of the baseline: today's customers, or all who are to come where there are none today."""
    metric = "rlv_total" if customers else "customer_equity"
    worlds = comparison.draws.worlds(metric, BASELINE)
    worlds = np.sort(worlds[np.isfinite(worlds)])
    hill = np.quantile(worlds, (np.arange(HILL) + 0.5) / HILL) if worlds.size else np.zeros(0)
    trade = trade_of(config, simulation, history, contracts, assumptions, customers)
    return Sheet(
        metric=metric,
        hill=hill,
        worst_tenth=worst_tenth(worlds),
        shares=shares_of(comparison.variance),
        trade=trade,
        today=compared(trade, trade and trade.customers, level(comparison, "rlv_total"), config),
        newcomer=compared(trade, 1.0, level(comparison, "pav_per_newcomer"), config),
        season=season_of(fitted),
    )


def worst_tenth(worlds: np.ndarray) -> float:
    """Mean of the lowest tenth of sorted levels, the last of them in part; nan without any."""
    if not worlds.size:
        return math.nan
    weights = np.clip(_WORST * worlds.size - np.arange(worlds.size), 0, 1)
    return float(weights @ worlds / weights.sum())


def shares_of(variance: Mapping[str, float]) -> dict[str, float]:
    """Of the sum of all sources: they are estimated one by one, and need not add up to the total."""
    parts = {name: max(0.0, value) for name, value in variance.items() if name != "total"}
    total = sum(parts.values())
    return {name: value / total for name, value in parts.items()} if total > 0 and math.isfinite(total) else {}


def season_of(fitted: FittedModels) -> tuple[Range, ...]:
    """Factor of each month of the year, over the draws of all models that have one; empty where any month has none."""
    posterior = fitted.posterior.retention
    shared = several_of(fitted.retention)
    by_model = [share.params for share in shared.shares(posterior)] if shared else [posterior]
    months = []
    for number in range(1, _YEAR + 1):
        values = [params[name] for params in by_model if (name := f"season[{number}]") in params]
        if not values:
            return ()
        factor = np.exp(np.concatenate(values))
        months.append(Range(float(factor.mean()), *(float(q) for q in np.quantile(factor, [0.05, 0.95]))))
    return tuple(months)


def level(comparison: "Comparison", metric: str) -> float:
    """Mean expected value of the baseline; nan where the run has no such figure."""
    try:
        values = comparison.draws.level(metric, BASELINE)
    except KeyError:
        return math.nan
    values = values[np.isfinite(values)]
    return float(values.mean()) if values.size else math.nan


def compared(trade: Trade | None, heads: float | None, model: float, config: RunConfig) -> Steps | None:
    """None where the formula, or the model's figure, does not exist."""
    if trade is None or not heads or not math.isfinite(heads * lifetime_value(trade)) or not math.isfinite(model):
        return None
    return steps(trade, heads, model, config.simulation.horizon_months, config.finance.annual_discount_rate)


# --- what people would type into a spreadsheet ------------------------------------------------------------------------


def trade_of(
    config: RunConfig,
    simulation: "Simulation",
    history: History | None,
    contracts: ContractFigures | None,
    assumptions: tuple[Assumption, ...],
    customers: int,
) -> Trade | None:
    """Numbers of the formulas: of contracts as they stand, of a log as it was lately, or as stated; None of tables
    without dates."""
    visitors, conversion = traffic(config, simulation)
    economics = simulation.economics
    if config.stated:
        return stated_trade(config, simulation, {a.path: a.mean for a in assumptions}, customers, visitors, conversion)
    if contracts is not None and contracts.total.active:
        return contract_trade(contracts, history, economics, visitors, conversion)
    if history is None or contracts is not None:
        return None
    lately = history.lately
    everybody = int(history.customers.sum())
    return Trade(
        revenue_per_month=over(lately.revenue, lately.customers * WINDOW),
        orders_per_month=over(lately.orders, lately.customers * WINDOW),
        churn_per_month=1 - over(lately.again, lately.before) ** (1 / WINDOW),
        order_value=over(lately.revenue, lately.orders),
        retention_rate=over(history.came_again, everybody),
        visitors_per_month=visitors,
        conversion=conversion,
        margin=economics.gross_margin,
        cost_per_order=economics.cost_per_order,
        customers=float(lately.customers),
    )


def contract_trade(
    contracts: ContractFigures, history: History | None, economics: "Economics", visitors: float, conversion: float
) -> Trade:
    """MRR of an active contract, and the churn of the next year as one of each month."""
    total = contracts.total
    churn = 1 - (1 - total.churn_year.mean) ** (1 / _YEAR)
    payment = over(history.lately.revenue, history.lately.orders) if history else math.nan
    return Trade(
        revenue_per_month=total.arpa,
        orders_per_month=over(total.arpa, payment),
        churn_per_month=churn,
        order_value=payment,
        retention_rate=1 - churn,
        visitors_per_month=visitors,
        conversion=conversion,
        margin=economics.gross_margin,
        cost_per_order=economics.cost_per_order,
        customers=float(total.active),
    )


def stated_trade(
    config: RunConfig,
    simulation: "Simulation",
    numbers: Mapping[str, float],
    customers: int,
    visitors: float,
    conversion: float,
) -> Trade:
    """Means of what is stated; the mean order is that of the simulation."""
    order_value = mean_order(simulation)
    if config.retention.renewing:
        months = RENEWAL_DAYS[config.retention.renewal] / RENEWAL_DAYS["month"]
        orders, churn = 1 / months, numbers["retention.churn"] / months
        again = 1 - numbers["retention.churn"]
    elif "retention.monthly_churn" in numbers:
        orders, churn = numbers["retention.orders_per_year"] / _YEAR, numbers["retention.monthly_churn"]
        again = orders / (orders - math.log1p(-min(churn, 1 - 1e-9)))
    else:
        later = numbers["retention.later_orders"]
        orders = numbers["retention.orders_per_year"] / _YEAR
        churn, again = orders / (1 + later), later / (1 + later)
    return Trade(
        revenue_per_month=orders * order_value,
        orders_per_month=orders,
        churn_per_month=churn,
        order_value=order_value,
        retention_rate=again,
        visitors_per_month=visitors,
        conversion=conversion,
        margin=simulation.economics.gross_margin,
        cost_per_order=simulation.economics.cost_per_order,
        customers=float(customers),
    )


def mean_order(simulation: "Simulation") -> float:
    """Revenue of an order of the baseline, over all simulated futures; nan without orders."""
    ledger = simulation.scenarios[BASELINE].ledger
    revenue, orders = (ledger.total(account).sum() for account in ("revenue_orders", "orders"))
    return over(float(revenue), float(orders))


def traffic(config: RunConfig, simulation: "Simulation") -> tuple[float, float]:
    """Visitors a month and their mean conversion under the baseline; nan where nobody knows."""
    acquired = simulation.scenarios[BASELINE].acquired
    if acquired is None or config.acquisition.from_log:
        return math.nan, math.nan
    visitors = float(acquired.visitors.mean())
    return visitors / config.acquisition.months, float(acquired.conversion.mean())


def over(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
