"""Columns of a file by key: as configured, or guessed from common export headers (Shopify, Stripe, WooCommerce, …)."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from clvsim.data.config import DataConfig
from clvsim.data.files import bounded
from clvsim.errors import ConfigError, Problem
from clvsim.types import COVARIATE

KEYS = ("customer_id", "date", "amount", "segment", "channel")
REQUIRED = KEYS[:3]

# Tiers of header names, without case, blanks and signs. A guess is the only match of the first tier that has any.
# Amounts and dates have a single tier on purpose: where both "total" and "revenue" exist, the user has to choose.
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
_ABSENT = {"amount": ", or data.amount= where the log has none (clvsim validate then checks its orders)"}
_QUANTITY = {"quantity", "qty", "units"}


class Columns(NamedTuple):
    """`used` maps each key to a header of the file; `guessed` are the keys that the configuration does not name."""

    used: dict[str, str]
    guessed: tuple[str, ...]


def _normalised(name: str) -> str:
    """The name without case, blanks, signs and a unit in brackets: 'Total (EUR)', 'TOTAL ' become 'total'."""
    return re.sub(r"[\W_]+", "", re.sub(r"\(.*?\)\s*$", "", name)).casefold()


def _guesses(key: str, headers: Sequence[str], tiers: Sequence[Sequence[str]]) -> list[str]:
    normalised = [_normalised(h) for h in headers]
    for tier in tiers:
        names = set(tier)
        if key == "amount" and _QUANTITY & set(normalised):
            names.discard("price")  # where there is a quantity, it is the price of one piece
        if matches := [h for h, p in zip(headers, normalised, strict=True) if p in names]:
            return matches
    return []


def _list_headers(headers: Sequence[str], limit: int = 40) -> str:
    listed = bounded((h if len(h) <= 60 else h[:59] + "…" for h in headers[:limit]), 400)
    return listed if len(headers) <= limit else f"{listed}, … ({len(headers)} in all)"


def _problems_of_named(key: str, name: str, headers: Sequence[str]) -> list[Problem]:
    """The problem of a column that the configuration names and the file does not have exactly once."""
    times = headers.count(name)
    if times == 1:
        return []
    if times > 1:
        return [Problem(f"data.{key}", f"{times} columns are called {name!r}: rename one")]
    if f"{name} (2)" in headers:  # as they are numbered when they are read
        times = sum(header.rpartition(" (")[0] == name for header in headers)
        return [Problem(f"data.{key}", f"{times} columns are called {name!r}: type '{name} (1)' or another")]
    by_plain = {h.casefold(): h for h in headers}
    similar = get_close_matches(name.casefold(), list(by_plain), n=1)
    hint = f" (did you mean {by_plain[similar[0]]!r}?)" if similar else ""
    return [Problem(f"data.{key}", f"no column {name!r}{hint}")]


def choose_columns(headers: Sequence[str], config: DataConfig, label: str) -> Columns:
    """The columns of a log; see `choose`. With the amount "" a log has none."""
    required = REQUIRED if config.amount != "" else REQUIRED[:-1]
    return choose(headers, {key: getattr(config, key) for key in KEYS}, _NAMES, required, label, config.covariates)


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
    `names` are tiers of names for each key; `covariates` are always named. A guess is the only match of the first tier
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
            problems += _problems_of_named(key, name, headers)
            used[key] = name
            continue
        matches = [] if name == "" and key not in required else _guesses(key, headers, tiers)
        if len(matches) == 1:
            used[key] = matches[0]
            guessed.append(key)
        elif key in required:
            reason, instead = "no column has one of its usual names", _ABSENT.get(key, "")
            if matches:
                reason, instead = f"{' and '.join(map(repr, matches))} could both be meant", ""
            problems.append(Problem(f"data.{key}", f"{reason}; type data.{key}=COLUMN{instead}"))
    for name in dict.fromkeys(covariates):
        problems += _problems_of_named("covariates", name, headers)
        used[COVARIATE + name] = name
    if problems:
        raise ConfigError([*problems, Problem(label, f"its columns are: {_list_headers(headers)}")])
    return Columns(used, tuple(guessed))
