"""Purchases of customers from a file, and what was odd about them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from admin.insights.columns import Parsed
from admin.insights.notices import Notice
from admin.insights.reading import read_columns
from bot.errors import BadData

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

LARGE: Final = 1000  # times the median customer
_NAMES: Final = {
    "customer": ("customer", "customer_id", "customerid", "client", "client_id", "user", "user_id",
                 "клиент", "покупатель"),
    "date": ("date", "day", "at", "time", "purchase_date", "order_date", "invoicedate", "дата"),
    "amount": ("amount", "sum", "total", "price", "revenue", "spend", "value",
               "сумма", "стоимость"),
    "currency": ("currency", "валюта"),
}  # fmt: skip
_ISO = re.compile(r"(\d{4})[-/.]?(\d{2})[-/.]?(\d{2})(?:[T ].*)?")
_TURNED = re.compile(r"(\d{1,2})([-/.])(\d{1,2})[-/.](\d{4})(?:[T ].*)?")
_EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Purchases:
    """One row for each customer and day with a purchase, in order of customer and day.

    Attributes:
        customers: names.
        customer: place in ``customers`` of each row. Shape (n,).
        day: days since 1970-01-01. Shape (n,).
        amount: what was spent that day, less refunds dated the same day. Shape (n,).
        refund: refunded on a day without a purchase; such a row is none. Shape (n_customers,).
        notices: what was odd.
    """

    customers: tuple[str, ...]
    customer: Ints
    day: Ints
    amount: Doubles
    refund: Doubles
    notices: tuple[Notice, ...]

    @property
    def first(self) -> int:
        """The first day of all."""
        return int(self.day.min())

    @property
    def last(self) -> int:
        """The last day of all."""
        return int(self.day.max())


def day_of(number: int) -> date:
    """A day's date."""
    return _EPOCH + timedelta(days=number)


def number_of(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - _EPOCH).days


def read_purchases(
    path: Path,
    *,
    today: date,
    customer: str | None = None,
    date_column: str | None = None,
    amount: str | None = None,
) -> Purchases:
    """Read a CSV with a row for each purchase: customer, date, amount, perhaps currency.

    Dates are ``2026-11-27``, ``27.11.2026`` or, where only one order is possible, ``11/27/2026``; a
    time of day after them is passed over. Refunds are negative amounts.

    Args:
        path: of the file; delimiters, encodings and numbers as ``table.read_table`` takes them.
        today: purchases dated later are left out, with a notice.
        customer: column of the customer where its name does not say so; likewise the others.
        date_column: of the date.
        amount: of the amount.

    Raises:
        BadData: a column is missing, a date or an amount cannot be read (the first is named),
            amounts are in two currencies, or no purchase is left.
    """
    named = {"customer": customer, "date": date_column, "amount": amount}
    chosen = [name for name in named.values() if name]
    texts = [*_NAMES["customer"], *_NAMES["date"], *_NAMES["currency"],
             *(name for name in (customer, date_column) if name)]  # fmt: skip
    amounts = [amount] if amount else _NAMES["amount"]
    columns, _ = read_columns(path, named=chosen, texts=texts, numbers=amounts)
    found = {key: _column(columns, key, named.get(key), path) for key in _NAMES}
    buyer, when, spent, currency = (found[key] for key in _NAMES)
    assert buyer is not None  # noqa: S101
    assert when is not None  # noqa: S101
    assert spent is not None  # noqa: S101
    _one_currency(currency, path)
    if spent.strange:
        line, text = spent.first_strange
        raise BadData(f"{path}, line {line}: the amount '{text}' is not a number.",
                      remedy="Amounts are numbers in one currency, without its sign.")  # fmt: skip
    days = _days(when.levels, path)
    return _gather(buyer, np.where(when.codes >= 0, days[when.codes], -1),
                   spent.values.astype(np.float64), number_of(today), path)  # fmt: skip


def _column(columns: Sequence[Parsed], key: str, named: str | None, path: Path) -> Parsed | None:
    wanted = (named.casefold(),) if named else _NAMES[key]
    for name in wanted:
        for column in columns:
            if column.name.casefold() == name:
                return column
    if key == "currency":
        return None
    raise BadData(
        f"{path} has no column of the {key}; it has "
        f"{', '.join(repr(column.name) for column in columns[:20])}.",
        remedy=f"Call it '{key}', or name it with --{key}.",
    )


def _one_currency(currency: Parsed | None, path: Path) -> None:
    if currency is not None and len(currency.levels) > 1:
        counts = np.bincount(currency.codes[currency.codes >= 0]).tolist()
        listed = ", ".join(
            f"{level} ({count})" for level, count in zip(currency.levels, counts, strict=True)
        )
        raise BadData(
            f"{path}: amounts are in {len(counts)} currencies: {listed}.",
            remedy="Convert them to one, or give a file for each.",
        )


def _days(texts: Sequence[str], path: Path) -> Ints:
    """Day numbers of distinct texts."""
    turned = [match for match in map(_TURNED.fullmatch, texts) if match]
    # 13/02 and 02/13 tell the order; dots are only used with the day first.
    firsts = max((int(match[1]) for match in turned), default=0)
    seconds = max((int(match[3]) for match in turned), default=0)
    slashed = any(match[2] == "/" for match in turned)
    if slashed and firsts <= 12 and seconds <= 12:
        raise BadData(
            f"{path}: '{turned[0][0]}' may be two days.", remedy="Write dates as 2026-11-27."
        )
    found = []
    for text in texts:
        iso, other = _ISO.fullmatch(text), _TURNED.fullmatch(text)
        try:
            if iso:
                day = date(int(iso[1]), int(iso[2]), int(iso[3]))
            elif other and seconds > 12:
                day = date(int(other[4]), int(other[1]), int(other[3]))
            elif other:
                day = date(int(other[4]), int(other[3]), int(other[1]))
            else:
                raise ValueError(text)  # noqa: TRY301
        except ValueError:
            raise BadData(f"{path}: '{text[:40]}' is not a date.",
                          remedy="Write dates as 2026-11-27.") from None  # fmt: skip
        found.append(number_of(day))
    return np.array(found, np.int64)


def _gather(buyer: Parsed, day: Ints, amount: Doubles, today: int, path: Path) -> Purchases:
    known = (buyer.codes >= 0) & (day >= 0) & ~np.isnan(amount)
    future = known & (day > today)
    used = known & ~future
    counted = {
        "blank-purchase": int((~known).sum()),
        "future": int(future.sum()),
        "zero-amount": int((used & (amount == 0)).sum()),
        "refund": int((used & (amount < 0)).sum()),
    }
    notices = [Notice(code, {"rows": rows}) for code, rows in counted.items() if rows]
    bought = used & (amount >= 0)
    if not bought.any():
        raise BadData(f"{path}: there is no purchase in it.")
    # One purchase a customer and day: several rows of one basket are one decision to buy.
    span = int(day.max()) + 1
    keys, places = np.unique(buyer.codes[bought] * span + day[bought], return_inverse=True)
    spent = np.bincount(places, amount[bought]).astype(np.float64)
    back = used & (amount < 0)
    back_keys = buyer.codes[back] * span + day[back]
    where = np.minimum(np.searchsorted(keys, back_keys), len(keys) - 1)
    same_day = keys[where] == back_keys
    np.add.at(spent, where[same_day], amount[back][same_day])
    refund = np.zeros(len(buyer.levels))
    np.add.at(refund, buyer.codes[back][~same_day], -amount[back][~same_day])
    result = Purchases(buyer.levels, keys // span, keys % span, spent, refund, ())
    return replace(result, notices=(*notices, *_large(result)))


def _large(purchases: Purchases) -> tuple[Notice, ...]:
    spent = np.bincount(purchases.customer, purchases.amount, len(purchases.customers))
    middle = float(np.median(spent[spent > 0])) if (spent > 0).any() else 0.0
    place = int(spent.argmax())
    if not middle or spent[place] < LARGE * middle:
        return ()
    times = round(float(spent[place]) / middle)
    name = purchases.customers[place]
    return (Notice("large-customer", {"customer": name, "times": times}),)
