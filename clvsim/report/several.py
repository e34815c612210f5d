"""What terminal and page say of models that share a run's draws."""

from collections.abc import Mapping
from typing import NamedTuple

from clvsim.models.auto import Discrepancy, Weighing
from clvsim.report import format as fmt

NAMES = {
    "bg_nbd": "BG/NBD",
    "mbg_nbd": "MBG/NBD",
    "pareto_nbd": "Pareto/NBD",
    "bg_cnbd": "BG/CNBD-k",
    "mbg_cnbd": "MBG/CNBD-k",
}


class Words(NamedTuple):
    """A sentence or two in short, and rows for the page: label, value."""

    short: str = ""
    facts: tuple[tuple[str, str], ...] = ()


def shares(weights: Mapping[str, float]) -> str:
    """Models with their weights, the largest first."""
    largest_first = sorted(weights, key=lambda name: -weights[name])
    return ", ".join(f"{NAMES[name]} {fmt.share(weights[name])}" for name in largest_first)


def of_a_file(weights: Mapping[str, float]) -> Words:
    """Of draws that were read, whose weights the file has."""
    by_weight = shares(weights)
    facts = (("Models that share the draws", by_weight),)
    return Words(f"The models share the draws of the file: {by_weight}.", facts)


def _why_alone(weighing: Weighing) -> str:
    """What became of the others."""
    left = [f"{NAMES.get(name, name)} is left out, {why}" for name, why in weighing.left_out.items()]
    return f" ({'; '.join(left)})" if left else ""


def in_words(
    weighing: Weighing, totals: Mapping[str, float], months: int, beyond: Discrepancy | None, *, checked: bool
) -> Words:
    """`totals`: orders of today's customers that each model, with a weight or not, expects alone in so many months."""
    used = {name: weight for name, weight in weighing.weights.items() if weight > 0}
    by_weight = shares(used)
    dropped = [NAMES[name] for name, weight in weighing.weights.items() if weight == 0]
    how = "how they predicted the log's last part" if weighing.forward else "how they predict customers left out"
    place = fmt.last_place(tuple(totals.values()))
    low, high = (fmt.number(end(totals.values()), place) for end in (min, max))
    apart = (
        f"alone they expect {low} to {high} orders of today’s customers within {months} months"
        if low != high
        else f"alone each expects about {low} orders of today’s customers within {months} months"
    )
    if len(totals) < 2:
        apart = ""
    if len(used) == 1:
        only = NAMES[next(iter(used))]
        short = f"Of {len(totals)} models compared by {how}, {only} has all the weight"
        short = f"{short}; {apart}." if apart else f"One model is used: {only}{_why_alone(weighing)}."
    else:
        short = f"The models share the draws by {how}: {by_weight}; {apart}."
    shared = by_weight if len(used) > 1 else f"{NAMES[next(iter(used))]} alone"
    facts = [("Models that share the draws", f"{shared}, by {how}")]
    if dropped:
        facts.append(("Models without a share", f"{', '.join(dropped)}: a weight below 5 %"))
    facts += [(f"{NAMES.get(name, name)} left out", why) for name, why in weighing.left_out.items()]
    if len(totals) > 1:
        each = ", ".join(f"{NAMES[name]} {fmt.number(total, place)}" for name, total in totals.items())
        facts.append((f"Orders of today’s customers within {months} months, each model alone", each))
    facts.append(("What this does not cover", "what none of these models knows"))
    if beyond is not None:
        facts.append(
            (
                "Beyond the models",
                f"all orders ahead are off by a factor common to all, sd {beyond.sd:.3f} of its log, "
                + ("learned from how far the check was off" if checked else "assumed, since nothing was checked")
                + " (retention.discrepancy_sd)",
            )
        )
    return Words(short, tuple(facts))
