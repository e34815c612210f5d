"""Contracts whose last charge failed: neither paid nor lost while a charge that failed may still be made good.

A charge that failed is *recovered* if the contract pays within half its period. The window is as long as 95 % of the
recoveries of the log took. Of charges that failed longer than the window ago, R were recovered and F were not: the
chance to be recovered is rho ~ Beta(1 + R, 1 + F). u days after it failed, with g(u) the share of recoveries that took
longer, a charge is still paid with probability rho g / (1 - rho + rho g). docs/models/sbg.md.

Not modelled: customers whose charges fail more often, plans whose recoveries differ, and that charges will fail.
"""

from typing import Any, NamedTuple

import numpy as np

from clvsim.models.laws import RECOVERY, Params, column
from clvsim.models.retention.due import AtIntervals, ByMonths
from clvsim.types import CustomerSummary, QualityLine

_MOST = 0.95  # of recoveries, that lie within the window
_DRAWS = 5  # second word of the seed


class Charges(NamedTuple):
    """Charges that failed longer than the `window` ago: days until those that were `recovered` were paid, (charge,);
    how many were not, (1,). `window` in days, (1,)."""

    recovered: np.ndarray
    unpaid: np.ndarray
    window: np.ndarray


def charges_of(section: Any, summary: CustomerSummary) -> Charges | None:
    """Of the contracts of a summary, of one length; None where the log does not say which charges failed, and with
    pauses, which have a chance of their own to come back."""
    failed = summary.failed
    if failed is None or section.pauses or section.recovery_days == 0:
        return None
    own = np.isin(failed.customer_id, summary.customers["customer_id"].to_numpy(str))
    ago, gap = failed.ago[own], failed.gap[own]
    recovered = gap < section.interval_days / 2
    window = section.recovery_days
    if window is None:
        window = float(np.quantile(gap[recovered], _MOST, method="inverted_cdf")) if recovered.any() else 0.0
    settled = ago > window
    return Charges(gap[recovered & settled], np.array([(settled & ~recovered).sum()]), np.array([window]))


def still_recovered(late: np.ndarray, ago: np.ndarray, window: float) -> np.ndarray:
    """Share of recoveries that take longer than `ago` days: see `contracts.still_to_come`, whose form it has."""
    later = late.size - np.searchsorted(np.sort(late), ago, side="right")
    return (later + np.clip(1 - ago / max(window, 1.0), 0.0, 1.0)) / (late.size + 1)


def recovering(section: Any, summary: CustomerSummary, due: AtIntervals | ByMonths, renewals: np.ndarray) -> np.ndarray:
    """g of contracts whose charge for the renewal after `renewals` failed within the window and is not paid; else 0.

    (customer,).
    """
    found, frame = np.zeros(renewals.size), summary.customers
    charges = charges_of(section, summary)
    if charges is None or summary.failed is None:
        return found
    failed, window = summary.failed, float(charges.window[0])
    waiting = np.isnan(failed.gap) & (failed.ago <= window)
    ids = frame["customer_id"].to_numpy(str)
    order = np.argsort(ids)
    place = np.minimum(np.searchsorted(ids, failed.customer_id[waiting], sorter=order), ids.size - 1)
    who = order[place]
    there = ids[who] == failed.customer_id[waiting]
    who, ago = who[there], failed.ago[waiting][there]
    days = frame["T_days"].to_numpy(np.float64).copy()
    days[who] -= ago
    expected = due.nearest(days)[who] == renewals[who] + 1
    found[who[expected]] = still_recovered(charges.recovered, ago[expected], window)
    return found


def chance_to_pay(params: Params, g: np.ndarray) -> np.ndarray:
    """P(a charge that failed is still paid), (draw, customer)."""
    rho = column(params, RECOVERY)[0] if RECOVERY in params else 0.5
    return rho * g / (1 - rho + rho * g)


def line(model: Any, summary: CustomerSummary) -> QualityLine | None:
    """How many contracts have a charge that failed and may still be paid, and by what; None where nothing says so."""
    charges = all_charges(model, summary)
    if charges is None:
        return None
    open_, made_good = int((model.histories(summary).recovering > 0).sum()), charges.recovered.size
    failed = made_good + int(charges.unpaid.sum())
    note = (
        f"{made_good:,} of {failed:,} charges that failed were paid after all, {_MOST:.0%} of them within "
        f"{charges.window.max():g} days; contracts within that time are neither lost nor paid (retention.recovery_days)"
    )
    return QualityLine("recovering", "Contracts whose charge failed and may still be paid", f"{open_:,}", note)


def learn(charges: Charges, draws: int, seed: int) -> np.ndarray:
    """Draws of rho, (draw,)."""
    rng = np.random.default_rng([seed, _DRAWS])
    return rng.beta(1.0 + charges.recovered.size, 1.0 + charges.unpaid.sum(), draws)


def all_charges(model: Any, summary: CustomerSummary) -> Charges | None:
    """Of all contracts of a model, whatever wraps it; of several plans those of each, with the longest window."""
    while model is not None:
        if hasattr(model, "parts"):
            found = [all_charges(part.model, part.summary) for part in model.parts(summary)]
            each = [one for one in found if one is not None]
            joined = [np.concatenate(column) for column in zip(*each, strict=True)]
            return Charges(joined[0], joined[1], joined[2].max(keepdims=True)) if each else None
        if hasattr(model, "recovery_days"):
            return charges_of(model, summary)
        model = getattr(model, "section", None)
    return None
