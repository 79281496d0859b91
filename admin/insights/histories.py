"""What is known of each customer on a day: how often, how recently, how much they have bought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from admin.insights.purchases import Purchases

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

DAYS_A_WEEK: Final = 7.0
_WINDOWS: Final = (14, 30, 60, 90, 180)  # days back


@dataclass(frozen=True, slots=True)
class Histories:
    """Customers who had bought before a day. All arrays have one entry each.

    Attributes:
        customer: places in ``Purchases.customers``.
        frequency: days with a purchase after the first.
        recency: weeks from the first to the last.
        age: weeks from the first to the last day that is known.
        mean: amount of a repeat purchase, 0 where there is none.
        counters: name -> numbers for a model, these and more.
    """

    customer: Ints
    frequency: Doubles
    recency: Doubles
    age: Doubles
    mean: Doubles
    counters: dict[str, Doubles]


def histories(purchases: Purchases, since: int, until: int) -> Histories:
    """Histories from the rows of the days ``since`` .. ``until`` - 1 (days since 1970-01-01)."""
    own = (purchases.day >= since) & (purchases.day < until)
    customer, day, amount = purchases.customer[own], purchases.day[own], purchases.amount[own]
    starts = np.flatnonzero(np.append(True, customer[1:] != customer[:-1]))
    ends = np.append(starts[1:], len(customer)) - 1
    rows = ends - starts + 1
    frequency = (rows - 1).astype(np.float64)
    first, last = day[starts], day[ends]
    spent = np.add.reduceat(amount, starts)
    repeat = spent - amount[starts]
    gaps = np.diff(day, prepend=day[:1]).astype(np.float64)
    gaps[starts] = 0
    mean_gap = np.where(rows > 1, (last - first) / np.maximum(frequency, 1), np.nan)
    squares = np.add.reduceat(gaps**2, starts) / np.maximum(frequency, 1)
    deviation = np.sqrt(np.maximum(squares - np.nan_to_num(mean_gap) ** 2, 0))
    silent = (until - last).astype(np.float64)
    counters = {
        "purchases": rows.astype(np.float64),
        "days_since_first": (until - first).astype(np.float64),
        "days_since_last": silent,
        "days_between": mean_gap,
        "days_between_deviation": np.where(rows > 2, deviation, np.nan),
        "last_gap": np.where(rows > 1, gaps[ends], np.nan),
        "gaps_since_last": np.where(rows > 1, silent / np.maximum(mean_gap, 1), np.nan),
        "spent": spent,
        "spent_again": repeat,
        "mean_amount": spent / rows,
        "largest_amount": np.maximum.reduceat(amount, starts),
        "first_amount": amount[starts],
        "last_amount": amount[ends],
        "spent_a_week": spent / np.maximum((until - first) / DAYS_A_WEEK, 1),
    }
    for window in _WINDOWS:
        late = (day >= until - window).astype(np.float64)
        counters[f"purchases_{window}_days"] = np.add.reduceat(late, starts)
        counters[f"spent_{window}_days"] = np.add.reduceat(late * amount, starts)
    refund = purchases.refund[customer[starts]]
    if refund.any():
        counters["refunded"] = refund
    return Histories(
        customer=customer[starts],
        frequency=frequency,
        recency=(last - first) / DAYS_A_WEEK,
        age=(until - 1 - first) / DAYS_A_WEEK,
        mean=np.where(rows > 1, np.maximum(repeat, 0) / np.maximum(frequency, 1), 0.0),
        counters=counters,
    )


def spent_between(purchases: Purchases, customer: Ints, begin: int, end: int) -> Doubles:
    """What each of these customers spent from one day until before another, at least 0."""
    own = (purchases.day >= begin) & (purchases.day < end)
    found = np.bincount(purchases.customer[own], purchases.amount[own], len(purchases.customers))
    return np.maximum(found[customer], 0.0)
