"""Made-up exports of shop systems and payment providers, with their full headers, and the orders that they tell of."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

SHOPIFY = (
    "Name,Email,Financial Status,Paid at,Fulfillment Status,Fulfilled at,Accepts Marketing,Currency,Subtotal,Shipping,"
    "Taxes,Total,Discount Code,Discount Amount,Shipping Method,Created at,Lineitem quantity,Lineitem name,"
    "Lineitem price,Lineitem compare at price,Lineitem sku,Lineitem requires shipping,Lineitem taxable,"
    "Lineitem fulfillment status,Billing Name,Billing Street,Billing Address1,Billing Address2,Billing Company,"
    "Billing City,Billing Zip,Billing Province,Billing Country,Billing Phone,Shipping Name,Shipping Street,"
    "Shipping Address1,Shipping Address2,Shipping Company,Shipping City,Shipping Zip,Shipping Province,"
    "Shipping Country,Shipping Phone,Notes,Note Attributes,Cancelled at,Payment Method,Payment Reference,"
    "Refunded Amount,Vendor,Outstanding Balance,Employee,Location,Device ID,Id,Tags,Risk Level,Source,"
    "Lineitem discount,Tax 1 Name,Tax 1 Value,Tax 2 Name,Tax 2 Value,Phone,Receipt Number,Duties,"
    "Billing Province Name,Shipping Province Name,Payment ID,Payment Terms Name,Next Payment Due At,Payment References"
)
STRIPE = (
    "id,{created},Amount,Amount Refunded,Currency,Captured,Converted Amount,Converted Amount Refunded,"
    "Converted Currency,Decline Reason,Description,Fee,Refunded date (UTC),Statement Descriptor,Status,"
    "Seller Message,Taxes On Fee,Card ID,Customer ID,Customer Description,Customer Email,Invoice ID,Transfer"
)
WOOCOMMERCE = (
    "Order Number,Order Status,Order Date,Customer Note,First Name (Billing),Last Name (Billing),Company (Billing),"
    "Address 1&2 (Billing),City (Billing),State Code (Billing),Postcode (Billing),Country Code (Billing),"
    "Email (Billing),Phone (Billing),First Name (Shipping),Last Name (Shipping),Address 1&2 (Shipping),"
    "City (Shipping),State Code (Shipping),Postcode (Shipping),Country Code (Shipping),Payment Method Title,"
    "Cart Discount Amount,Order Subtotal Amount,Shipping Method Title,Order Shipping Amount,Order Refund Amount,"
    "Order Total Amount,Order Total Tax Amount,SKU,Item #,Item Name,Quantity (- Refund),Item Cost,Coupon Code,"
    "Discount Amount,Discount Amount Tax"
)
WEBTOFFEE = (
    "order_id,order_number,order_date,paid_date,status,shipping_total,shipping_tax_total,fee_total,fee_tax_total,"
    "tax_total,cart_discount,order_discount,discount_total,order_total,order_subtotal,order_key,order_currency,"
    "payment_method,payment_method_title,transaction_id,customer_ip_address,customer_user_agent,shipping_method,"
    "customer_id,customer_user,customer_email,billing_first_name,billing_last_name,billing_company,billing_email,"
    "billing_phone,billing_address_1,billing_address_2,billing_postcode,billing_city,billing_state,billing_country,"
    "shipping_first_name,shipping_last_name,customer_note,wt_import_key,shipping_items,fee_items,tax_items,"
    "coupon_items,refund_items,order_notes,download_permissions,line_item_1"
)
SQUARE = (
    "Date,Time,Time Zone,Gross Sales,Discounts,Service Charges,Net Sales,Gift Card Sales,Tax,Tip,Partial Refunds,"
    "Total Collected,Source,Card,Card Entry Methods,Cash,Square Gift Card,Other Tender,Other Tender Type,Tender Note,"
    "Fees,Net Total,Transaction ID,Payment ID,Card Brand,PAN Suffix,Device Name,Staff Name,Staff ID,Details,"
    "Description,Event Type,Location,Dining Option,Customer ID,Customer Name,Customer Reference ID,Device Nickname,"
    "Deposit ID,Deposit Date,Deposit Details,Fee Percentage Rate,Fee Fixed Rate,Refund Reason,Discount Name,"
    "Transaction Status"
)
PAYPAL = (
    "Date,Time,TimeZone,Name,Type,Status,Currency,Gross,Fee,Net,From Email Address,To Email Address,Transaction ID,"
    "Shipping Address,Address Status,Item Title,Item ID,Shipping and Handling Amount,Insurance Amount,Sales Tax,"
    "Option 1 Name,Option 1 Value,Option 2 Name,Option 2 Value,Reference Txn ID,Invoice Number,Custom Number,Quantity,"
    "Receipt ID,Balance,Address Line 1,Town/City,Country,Contact Phone Number,Subject,Note,Country Code,Balance Impact"
)
PAYPAL_DE = (
    "Datum,Uhrzeit,Zeitzone,Name,Typ,Status,Währung,Brutto,Gebühr,Netto,Absender E-Mail-Adresse,"
    "Empfänger E-Mail-Adresse,Transaktionscode,Lieferadresse,Adress-Status,Artikelbezeichnung,Artikelnummer,"
    "Versand- und Bearbeitungsgebühr,Versicherungsbetrag,Umsatzsteuer,Option 1 Name,Option 1 Wert,Option 2 Name,"
    "Option 2 Wert,Zugehöriger Transaktionscode,Rechnungsnummer,Zollnummer,Anzahl,Empfangsnummer,Guthaben,"
    "Adresszeile 1,Ort,Land,Telefon,Betreff,Hinweis,Ländervorwahl,Auswirkung auf Guthaben"
)
AMAZON = (
    "order-id,order-item-id,purchase-date,payments-date,reporting-date,promise-date,days-past-promise,buyer-email,"
    "buyer-name,buyer-phone-number,sku,product-name,quantity-purchased,quantity-shipped,quantity-to-ship,currency,"
    "item-price,item-tax,shipping-price,shipping-tax,ship-service-level,recipient-name,ship-address-1,ship-city,"
    "ship-state,ship-postal-code,ship-country"
)
AMAZON_TRANSACTIONS = (
    "date/time,settlement id,type,order id,sku,description,quantity,marketplace,fulfillment,order city,order state,"
    "order postal,product sales,shipping credits,gift wrap credits,promotional rebates,selling fees,fba fees,"
    "other transaction fees,other,buyer,total"
)
AMAZON_TRANSACTIONS_DE = (
    "Datum/Uhrzeit,Abrechnungsnummer,Typ,Bestellnummer,SKU,Beschreibung,Menge,Marketplace,Versand,Ort der Bestellung,"
    "Bundesland,Postleitzahl,Umsätze,Gutschrift für Versandkosten,Verkaufsgebühren,Andere,Käufer,Gesamt"
)
MAGENTO = (
    "ID,Purchase Point,Purchase Date,Bill-to Name,Ship-to Name,Grand Total (Base),Grand Total (Purchased),Status,"
    "Billing Address,Shipping Address,Shipping Information,Customer Email,Customer Group,Subtotal,"
    "Shipping and Handling,Customer Name,Payment Method,Total Refunded,Allocated sources,Braintree Transaction Source"
)
LINE_ITEMS = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"


@dataclass(frozen=True)
class Order:
    """An order as it was: prices of its items add up to `amount`; `state` is paid, refunded, failed or pending."""

    number: int
    customer: int
    at: datetime
    prices: tuple[Decimal, ...]
    state: str
    refunded: Decimal

    @property
    def amount(self) -> Decimal:
        return sum(self.prices, Decimal(0))

    @property
    def is_sale(self) -> bool:
        return self.state in ("paid", "refunded")


def orders(seed: int = 7, customers: int = 90, number: int = 260) -> list[Order]:
    """Orders of 2023 and 2024, some of several items, some refunded in part or in full, some that came to nothing."""
    random = Random(seed)
    made = []
    for n in range(number):
        prices = tuple(Decimal(random.randint(300, 9900)) / 100 for _ in range(random.choice([1, 1, 1, 2, 3])))
        state = random.choices(["paid", "refunded", "failed", "pending"], [85, 6, 6, 3])[0]
        at = datetime(2023, 1, 2) + timedelta(minutes=random.randint(0, 700 * 1440))
        back = Decimal(0)
        if state == "refunded":
            back = sum(prices, Decimal(0)) if random.random() < 0.5 else prices[0] / 2
        made.append(Order(4000 + n, random.randint(1, customers), at, prices, state, back.quantize(Decimal("0.01"))))
    return sorted(made, key=lambda order: (order.at, order.number))


def email(order: Order) -> str:
    return f"kunde{order.customer}@example.com"


def table(header: str, rows: Sequence[dict[str, object]], delimiter: str = ",") -> str:
    """CSV with that header; columns that a row does not name are empty."""
    text = io.StringIO()
    names = header.split(",")
    for row in rows:
        assert set(row) <= set(names), set(row) - set(names)
    writer = csv.DictWriter(text, names, restval="", delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def shopify(made: Sequence[Order]) -> str:
    status = {"paid": "paid", "refunded": "refunded", "failed": "voided", "pending": "pending"}
    rows: list[dict[str, object]] = []
    for order in made:
        at = f"{order.at:%Y-%m-%d %H:%M:%S} +0100"
        for i, price in enumerate(order.prices):
            row: dict[str, object] = {"Name": f"#{order.number}", "Email": email(order), "Created at": at}
            row |= {"Lineitem quantity": 1, "Lineitem name": "Tee", "Lineitem price": price}
            if i == 0:
                row |= {"Financial Status": status[order.state], "Currency": "EUR", "Total": order.amount}
                row |= {"Refunded Amount": order.refunded, "Paid at": at, "Source": "web"}
            rows.append(row)
    return table(SHOPIFY, rows)


def stripe(made: Sequence[Order], created: str = "Created date (UTC)") -> str:
    status = {"paid": "Paid", "refunded": "Refunded", "failed": "Failed", "pending": "Requires action"}
    return table(
        STRIPE.format(created=created),
        [
            {
                "id": f"ch_{order.number}",
                created: f"{order.at:%Y-%m-%d %H:%M:%S}",
                "Amount": order.amount,
                "Amount Refunded": order.refunded,
                "Currency": "eur",
                "Captured": "true",
                "Status": status[order.state],
                "Customer ID": f"cus_{order.customer:04d}",
                "Customer Email": email(order),
            }
            for order in made
        ],
    )


def woocommerce(made: Sequence[Order], german: bool = False) -> str:
    words = {"paid": "Completed", "refunded": "Refunded", "failed": "Cancelled", "pending": "Pending payment"}
    if german:
        words = {
            "paid": "Abgeschlossen",
            "refunded": "Rückerstattet",
            "failed": "Storniert",
            "pending": "Zahlung offen",
        }
    return table(
        WOOCOMMERCE,
        [
            {
                "Order Number": order.number,
                "Order Status": words[order.state],
                "Order Date": f"{order.at:%Y-%m-%d %H:%M}",
                "Email (Billing)": email(order),
                "Order Refund Amount": order.refunded or "",
                "Order Total Amount": order.amount,
                "Item #": i,
                "Item Cost": price,
            }
            for order in made
            for i, price in enumerate(order.prices, 1)
        ],
    )


def webtoffee(made: Sequence[Order]) -> str:
    """Orders paid back in full have a status of their own; the totals of others are what stayed."""
    words = {"paid": "completed", "refunded": "completed", "failed": "cancelled", "pending": "pending"}
    return table(
        WEBTOFFEE,
        [
            {
                "order_id": order.number,
                "order_number": order.number,
                "order_date": f"{order.at:%Y-%m-%d %H:%M:%S}",
                "status": "refunded" if order.refunded == order.amount else words[order.state],
                "order_total": order.amount - order.refunded,
                "order_currency": "EUR",
                "customer_id": 0,
                "customer_email": email(order),
            }
            for order in made
        ],
    )


def square(made: Sequence[Order]) -> str:
    rows: list[dict[str, object]] = []
    for order in made:
        if not order.is_sale:
            continue
        row: dict[str, object] = {
            "Date": f"{order.at:%m/%d/%Y}",
            "Time": f"{order.at:%H:%M:%S}",
            "Time Zone": "Eastern Time (US & Canada)",
            "Gross Sales": f"${order.amount:,.2f}",
            "Net Sales": f"${order.amount:,.2f}",
            "Total Collected": f"${order.amount * 2:,.2f}",
            "Transaction ID": f"T{order.number}",
            "Event Type": "Payment",
            "Customer ID": f"C{order.customer}",
        }
        rows.append(row)
        if order.refunded:
            back = f"(${order.refunded:,.2f})"
            rows.append(
                row
                | {"Gross Sales": back, "Net Sales": back, "Event Type": "Refund", "Transaction ID": f"R{order.number}"}
            )
    return table(SQUARE, rows)


def paypal(made: Sequence[Order], german: bool = False) -> str:
    header = PAYPAL_DE if german else PAYPAL
    names: dict[str, str] = dict(zip(PAYPAL.split(","), header.split(","), strict=True))
    done, credit, debit = ("Abgeschlossen", "Haben", "Soll") if german else ("Completed", "Credit", "Debit")
    kind, open_ = ("Express-Checkout-Zahlung", "Ausstehend") if german else ("Express Checkout Payment", "Pending")
    rows: list[dict[str, object]] = []

    for order in made:
        at = f"{order.at:%d.%m.%Y}" if german else f"{order.at:%m/%d/%Y}"
        row = {"Date": at, "Time": f"{order.at:%H:%M:%S}", "TimeZone": "CET", "Currency": "EUR", "Type": kind}
        row |= {
            "Status": done if order.is_sale else open_,
            "Gross": written(order.amount, german),
            "Balance Impact": credit,
        }
        row |= {"From Email Address": email(order), "To Email Address": "shop@example.com"}
        rows.append(row | {"Transaction ID": f"{order.number}X"})
    away = {"Type": "General Withdrawal", "Status": done, "Gross": "-500.00", "Balance Impact": debit}
    if german:
        away |= {"Type": "Allgemeine Abbuchung", "Gross": "-500,00"}
    rows.append(rows[-1] | away | {"Transaction ID": "W1", "From Email Address": "shop@example.com"})
    return table(header, [{names[str(key)]: value for key, value in row.items()} for row in rows])


def amazon(made: Sequence[Order]) -> str:
    rows: list[dict[str, object]] = [
        {
            "order-id": f"302-{order.number}",
            "order-item-id": f"{order.number}{i}",
            "purchase-date": f"{order.at:%Y-%m-%dT%H:%M:%S}+00:00",
            "buyer-email": f"{order.customer}abc@marketplace.example.com",
            "quantity-purchased": 1,
            "currency": "EUR",
            "item-price": price,
        }
        for order in made
        if order.is_sale
        for i, price in enumerate(order.prices)
    ]
    return table(AMAZON, rows, delimiter="\t")


def amazon_transactions(made: Sequence[Order], german: bool = False) -> str:
    kinds = ("Bestellung", "Erstattung", "Übertrag") if german else ("Order", "Refund", "Transfer")
    names = ("date/time", "type", "order id", "buyer", "total")
    if german:
        names = ("Datum/Uhrzeit", "Typ", "Bestellnummer", "Käufer", "Gesamt")
    rows: list[dict[str, object]] = []

    def add(order: Order, kind: str, number: str, who: str, total: Decimal) -> None:
        clock = f"{order.at.hour % 12 or 12}:{order.at:%M:%S} {order.at:%p} PST"
        at = f"{order.at:%d.%m.%Y %H:%M:%S} UTC" if german else f"{order.at:%b} {order.at.day}, {order.at.year} {clock}"
        rows.append(dict(zip(names, (at, kind, number, who, written(total, german)), strict=True)))

    for order in made:
        if order.is_sale:
            add(order, kinds[0], f"114-{order.number}", f"b{order.customer}", order.amount)
            if order.refunded:
                add(order, kinds[1], f"114-{order.number}", f"b{order.customer}", -order.refunded)
    add(made[-1], kinds[2], "", "", Decimal("-2500.00"))
    return table(AMAZON_TRANSACTIONS_DE if german else AMAZON_TRANSACTIONS, rows)


def written(amount: Decimal, german: bool) -> str:
    """1,234.50, or 1.234,50."""
    text = f"{amount:,.2f}"
    return text.translate(str.maketrans(",.", ".,")) if german else text


def magento(made: Sequence[Order]) -> str:
    words = {"paid": "Complete", "refunded": "Closed", "failed": "Canceled", "pending": "Pending"}
    return table(
        MAGENTO,
        [
            {
                "ID": f"{order.number:09d}",
                "Purchase Date": f"{order.at:%b} {order.at.day}, {order.at.year} {order.at:%I:%M:%S %p}",
                "Grand Total (Base)": f"€{order.amount:,.2f}",
                "Grand Total (Purchased)": f"€{order.amount:,.2f}",
                "Status": words[order.state],
                "Customer Email": email(order),
                "Total Refunded": f"€{order.refunded:,.2f}",
            }
            for order in made
        ],
    )


def line_items(made: Sequence[Order]) -> str:
    rows: list[dict[str, object]] = []
    for order in made:
        if not order.is_sale:
            continue
        for i, price in enumerate(order.prices):
            row: dict[str, object] = {
                "InvoiceNo": order.number,
                "StockCode": f"8{i}",
                "Description": "Mug",
                "Quantity": 2,
            }
            row |= {
                "InvoiceDate": f"{order.at:%Y-%m-%d %H:%M}",
                "UnitPrice": price / 2,
                "CustomerID": f"{order.customer}.0",
            }
            rows.append(row)
        if order.refunded:
            back = {"InvoiceNo": f"C{order.number}", "Quantity": -1, "UnitPrice": order.refunded}
            rows.append(rows[-1] | back)
    return table(LINE_ITEMS, rows)


Export = Callable[[Sequence[Order]], str]
EXPORTS: dict[str, tuple[str, Export]] = {
    "shopify": ("shopify", shopify),
    "stripe": ("stripe", stripe),
    "stripe, as of some years ago": ("stripe", lambda made: stripe(made, "Created (UTC)")),
    "woocommerce": ("woocommerce", woocommerce),
    "woocommerce in German": ("woocommerce", lambda made: woocommerce(made, german=True)),
    "woocommerce by another plugin": ("woocommerce_export", webtoffee),
    "square": ("square", square),
    "paypal": ("paypal", paypal),
    "paypal in German": ("paypal", lambda made: paypal(made, german=True)),
    "amazon": ("amazon", amazon),
    "amazon transactions": ("amazon_transactions", amazon_transactions),
    "amazon transactions in German": ("amazon_transactions", lambda made: amazon_transactions(made, german=True)),
    "magento": ("magento", magento),
    "line items": ("line_items", line_items),
}
WITHOUT_REFUNDS = ("paypal", "amazon")  # presets of exports in which refunds cannot be told
