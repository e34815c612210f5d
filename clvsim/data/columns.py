"""Which column is which: as configured, or guessed from common export headers (Shopify, Stripe, WooCommerce, …)."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from clvsim.data.config import DataConfig
from clvsim.errors import ConfigError, Problem
from clvsim.types import COVARIATE

KEYS = ("customer_id", "date", "amount", "segment", "channel")
REQUIRED = KEYS[:3]

# Tiers of header names, without case, blanks and signs. A guess is the one match of the first tier that has any.
# Amounts and dates have a single tier on purpose: "total" beside "revenue" is a question, not a preference.
_NAMES: dict[str, tuple[tuple[str, ...], ...]] = {
    "customer_id": (
        ("customerid",),
        ("clientid", "userid", "custid", "buyerid", "accountid", "memberid", "contactid", "cid"),
        ("customer", "client", "user", "buyer", "account", "member", "cust"),
        ("email", "customeremail", "emailaddress", "billingemail", "useremail"),
    ),
    "date": (
        (
            *(
                "date",
                "orderdate",
                "transactiondate",
                "purchasedate",
                "invoicedate",
                "saledate",
                "createdat",
                "created",
            ),
            *(
                "createddate",
                "datecreated",
                "datecreatedgmt",
                "orderedat",
                "purchasedat",
                "timestamp",
                "datetime",
                "day",
            ),
        ),
    ),
    "amount": (
        (
            *(
                "amount",
                "total",
                "totalamount",
                "ordertotal",
                "ordertotalamount",
                "orderamount",
                "ordervalue",
                "grandtotal",
            ),
            *(
                "totalprice",
                "nettotal",
                "price",
                "revenue",
                "netrevenue",
                "sales",
                "netsales",
                "spend",
                "value",
                "dollars",
            ),
        ),
    ),
    "segment": (("segment", "customersegment"),),
    "channel": (("channel", "acquisitionchannel", "saleschannel"),),
}
_QUANTITY = {"quantity", "qty", "units"}


class Columns(NamedTuple):
    """`used` maps each key to a header of the file; `guessed` are the keys among them that nobody named."""

    used: dict[str, str]
    guessed: tuple[str, ...]


def _plain(name: str) -> str:
    """'Total (EUR)', 'total', 'TOTAL ' are one name."""
    return re.sub(r"[\W_]+", "", re.sub(r"\(.*?\)\s*$", "", name)).casefold()


def _guesses(key: str, headers: Sequence[str], tiers: Sequence[Sequence[str]]) -> list[str]:
    plain = [_plain(h) for h in headers]
    for tier in tiers:
        names = set(tier)
        if key == "amount" and _QUANTITY & set(plain):
            names.discard("price")  # beside a quantity it is the price of one piece
        if found := [h for h, p in zip(headers, plain, strict=True) if p in names]:
            return found
    return []


def _listed(headers: Sequence[str], limit: int = 40) -> str:
    shown = ", ".join(headers[:limit])
    return shown if len(headers) <= limit else f"{shown}, … ({len(headers)} in all)"


def _named(key: str, name: str, headers: Sequence[str]) -> list[Problem]:
    """What is wrong with a column that the configuration names."""
    count = headers.count(name)
    if count == 1:
        return []
    if count > 1:
        return [Problem(f"data.{key}", f"{count} columns are called {name!r}: rename one")]
    by_plain = {h.casefold(): h for h in headers}
    close = get_close_matches(name.casefold(), list(by_plain), n=1)
    hint = f" (did you mean {by_plain[close[0]]!r}?)" if close else ""
    return [Problem(f"data.{key}", f"no column {name!r}{hint}")]


def choose_columns(headers: Sequence[str], config: DataConfig, label: str) -> Columns:
    """The columns of a log; see `choose`."""
    return choose(headers, {key: getattr(config, key) for key in KEYS}, _NAMES, REQUIRED, label, config.covariates)


def choose(
    headers: Sequence[str],
    named: Mapping[str, str | None],
    names: Mapping[str, Sequence[Sequence[str]]],
    required: Sequence[str],
    label: str,
    covariates: Sequence[str] = (),
) -> Columns:
    """Map keys to the headers of the file called `label`.

    `named` are the columns that the configuration names: None is a guess, "" for none where the key is not `required`.
    `names` are tiers of names for each key; `covariates` are always named. A guess is the one match of the first tier
    that has any.

    Raises
    ------
    ConfigError
        A named column is missing, or a required one has no unique guess; all at once, with the file's columns.
    """
    used: dict[str, str] = {}
    guessed: list[str] = []
    problems: list[Problem] = []
    for key, tiers in names.items():
        name = named[key]
        if name:
            problems += _named(key, name, headers)
            used[key] = name
            continue
        found = [] if name == "" and key not in required else _guesses(key, headers, tiers)
        if len(found) == 1:
            used[key] = found[0]
            guessed.append(key)
        elif key in required:
            why = f"{' and '.join(map(repr, found))} could both be meant" if found else "no column name says so"
            problems.append(Problem(f"data.{key}", f"{why}; type data.{key}=COLUMN"))
    for name in dict.fromkeys(covariates):
        problems += _named("covariates", name, headers)
        used[COVARIATE + name] = name
    if problems:
        raise ConfigError([*problems, Problem(label, f"its columns are: {_listed(headers)}")])
    return Columns(used, tuple(guessed))
