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
ROW_KEYS = ("refunded", "order_id", "currency")  # named, never guessed
FACTORS = "*"  # between the columns of a product
PRODUCT = ("amount", "amount_2", "amount_3")
FILTERS = ("only", "without", "failed")  # keys that name columns by their values

# Tiers of header names, without case, blanks and signs. A guess is the only match of the first tier that has any.
# Amounts and dates have a single tier on purpose: where both "total" and "revenue" exist, the user has to choose.
_NAMES: dict[str, tuple[tuple[str, ...], ...]] = {
    key: tuple(tuple(tier.split()) for tier in tiers)
    for key, tiers in {
        "customer_id": (
            "customerid kundennummer kundennr kundenid numeroclient numéroclient idcliente klantnummer codicecliente",
            "clientid userid custid buyerid accountid memberid contactid cid",
            "customer client user buyer account member donor cust kunde kundin käufer cliente klant acheteur comprador",
            "email customeremail emailaddress billingemail useremail",
        ),
        "date": (
            "date orderdate transactiondate purchasedate invoicedate saledate createdat created createddate "
            "datecreated datecreatedgmt orderedat purchasedat timestamp datetime day giftdate donationdate "
            "datum bestelldatum rechnungsdatum kaufdatum buchungsdatum auftragsdatum datecommande datedecommande "
            "datefacture fecha fechapedido fechafactura dataordine datafattura orderdatum factuurdatum datapedido",
        ),
        "amount": (
            "amount total totalamount ordertotal ordertotalamount orderamount ordervalue grandtotal totalprice "
            "nettotal price revenue netrevenue sales netsales spend value dollars giftamount donationamount "
            "betrag gesamtbetrag rechnungsbetrag summe gesamtsumme umsatz bestellwert montant montanttotal importe "
            "importetotal importo bedrag totaalbedrag valor valortotal",
        ),
        "segment": ("segment customersegment kundensegment",),
        "channel": ("channel acquisitionchannel saleschannel kanal",),
    }.items()
}
NO_SALE_IF_FILLED = ("cancelledat", "canceledat", "voidedat", "deletedat", "storniertam")
NO_SALE_IF_TRUE = (
    "cancelled",
    "canceled",
    "voided",
    "deleted",
    "test",
    "testorder",
    "istest",
    "storniert",
    "isrefunded",
)
NO_SALE_IF_FALSE = ("paid", "ispaid", "captured", "bezahlt")
# Columns that are never passed over: by their names they may say which rows are sales, in which money, what came back.
_SAYING = {
    "status": (
        *("status", "orderstatus", "paymentstatus", "financialstatus", "transactionstatus", "chargestatus"),
        *("orderstate", "type", "transactiontype", "ordertype", "eventtype", "recordtype", "typ"),
        *("zahlungsstatus", "bestellstatus", "statut", "estado", "stato", "situacao"),
        *NO_SALE_IF_FILLED,
        *NO_SALE_IF_TRUE,
        *NO_SALE_IF_FALSE,
    ),
    "currency": (
        *("currency", "ordercurrency", "currencycode", "paymentcurrency", "waehrung", "währung", "devise"),
        *("moneda", "valuta", "moeda"),
    ),
    "refunded": (
        *("refunded", "refundedamount", "amountrefunded", "totalrefunded", "refundamount", "refundtotal", "refunds"),
        *("orderrefundamount", "erstattet", "erstattung", "erstattungsbetrag", "remboursement", "reembolso"),
    ),
    "order": (
        *("orderid", "ordernumber", "orderno", "order", "invoice", "invoiceno", "invoiceid", "invoicenumber"),
        *("transactionid", "receiptid", "receipt", "bestellnummer", "rechnungsnummer", "auftragsnummer"),
    ),
}
_ABSENT = {
    "amount": ", or data.amount= where the log has none (clvsim validate then checks its orders; a run needs a "
    "column of amounts, 1 in each row where all orders count the same)"
}
_QUANTITY = {"quantity", "qty", "units", "menge", "anzahl"}
_PRICES = {"price", "unitprice", "itemprice", "preis", "einzelpreis", "stückpreis"}


class Columns(NamedTuple):
    """`used` maps each key to a header of the file; `guessed` are the keys that the configuration does not name."""

    used: dict[str, str]
    guessed: tuple[str, ...]


def plain(name: str) -> str:
    """The name without case, blanks, signs and a unit in brackets: 'Total (EUR)', 'TOTAL ' become 'total'."""
    return re.sub(r"[\W_]+", "", re.sub(r"\(.*?\)\s*$", "", name)).casefold()


def says_what(header: str) -> str:
    """What a column may say of its rows by its name: status, currency, refunded, order or customer; "" for nothing."""
    name = plain(header)
    saying = next((what for what, names in _SAYING.items() if name in names), "")
    return saying or ("customer" if any(name in tier for tier in _NAMES["customer_id"]) else "")


def is_address(header: str) -> bool:
    """Whether a column holds e-mail addresses by its name."""
    return plain(header) in _NAMES["customer_id"][-1]


def _guesses(key: str, headers: Sequence[str], tiers: Sequence[Sequence[str]]) -> list[str]:
    normalised = [plain(h) for h in headers]
    for tier in tiers:
        names = set(tier)
        if key == "amount" and _QUANTITY & set(normalised):
            names.discard("price")  # where there is a quantity, it is the price of one piece
        if matches := [h for h, p in zip(headers, normalised, strict=True) if p in names]:
            return matches
    return []


def _product(key: str, headers: Sequence[str]) -> str:
    """What to type for an amount that is a quantity times a price, where the file has these."""
    parts = [[h for h in headers if plain(h) in names] for names in (_QUANTITY, _PRICES)]
    return f", e.g. data.amount='{parts[0][0]}*{parts[1][0]}'" if key == "amount" and all(parts) else ""


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
    """The columns of a log; see `choose`. With the amount "" a log has none; a product has two or three."""
    required = REQUIRED if config.amount != "" else REQUIRED[:-1]
    factors = factors_of(config.amount, headers)
    named = {key: getattr(config, key) for key in KEYS} | {"amount": factors[0] if factors else config.amount}
    more = {key: value for key in ROW_KEYS if (value := getattr(config, key))}
    more |= dict(zip(PRODUCT[1:], factors[1:], strict=False))
    more |= {f"{key}:{column}": column for key in FILTERS for column in getattr(config, key)}
    return choose(headers, named, _NAMES, required, label, config.covariates, more)


def in_words(columns: Sequence[tuple[str, str]]) -> str:
    """Pairs (key, header) as "amount = Quantity × Price, date = Day"."""
    by_key = dict(columns)
    product = " × ".join(by_key[key] for key in PRODUCT if key in by_key)
    said = {key: header for key, header in columns if key not in PRODUCT[1:]} | ({"amount": product} if product else {})
    return ", ".join(f"{key} = {header}" for key, header in said.items())


def factors_of(amount: str | None, headers: Sequence[str]) -> list[str]:
    """The columns whose product is the amount; a header that is called like the product is that column."""
    if not amount or amount in headers or FACTORS not in amount:
        return [amount] if amount else []
    factors = [factor.strip() for factor in amount.split(FACTORS)]
    if len(factors) > len(PRODUCT) or not all(factors):
        what = f"a product has two or three columns, e.g. Quantity*Price, got {amount!r}"
        raise ConfigError([("data.amount", what)])
    return factors


def choose(
    headers: Sequence[str],
    named: Mapping[str, str | None],
    names: Mapping[str, Sequence[Sequence[str]]],
    required: Sequence[str],
    label: str,
    covariates: Sequence[str] = (),
    more: Mapping[str, str] | None = None,
) -> Columns:
    """Map keys to the headers of the file called `label`.

    `named` are the columns that the configuration names: None is a guess, "" for none where the key is not `required`.
    `names` are tiers of names for each key; `covariates`, and `more` by key, are always named. A guess is the only
    match of the first tier that has any.

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
            reason, instead = "no column has one of its usual names", _product(key, headers) + _ABSENT.get(key, "")
            if matches:
                reason, instead = f"{' and '.join(map(repr, matches))} could both be meant", ""
            problems.append(Problem(f"data.{key}", f"{reason}; type data.{key}=COLUMN{instead}"))
    for key, name in (more or {}).items():
        problems += _problems_of_named(_key_of(key), name, headers)
        used[key] = name
    for name in dict.fromkeys(covariates):
        problems += _problems_of_named("covariates", name, headers)
        used[COVARIATE + name] = name
    problems += _in_two_roles(used, guessed, required)
    if problems:
        raise ConfigError([*problems, Problem(label, f"its columns are: {_list_headers(headers)}")])
    return Columns(used, tuple(guessed))


def _in_two_roles(used: Mapping[str, str], guessed: Sequence[str], required: Sequence[str]) -> list[Problem]:
    """Columns that are two of what a log has."""
    first: dict[str, str] = {}
    problems = []
    for key in (*required, *PRODUCT[1:], "refunded"):
        if key not in used:
            continue
        other = first.setdefault(used[key], key)
        if other != key:
            typed, also = (other, key) if key in guessed else (key, other)
            what = f"{used[key]!r} is already data.{_key_of(also)}: one column cannot be both"
            problems.append(Problem(f"data.{_key_of(typed)}", what))
    return problems


def _key_of(key: str) -> str:
    """The key of the configuration that names a column."""
    return "amount" if key in PRODUCT else key.split(":")[0]
