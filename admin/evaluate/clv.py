"""What customers spend, judged over folds of customers beside BG/NBD and what is usually done.

The earlier period teaches; the later one judges. Each customer is judged by a model of the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from admin.evaluate.judging import rounded
from admin.insights.clv import check, fit_steps, split_day, steps_of
from admin.insights.histories import Histories, histories, spent_between
from admin.insights.purchases import Purchases, day_of

Tell = Callable[[str], None]
Doubles = NDArray[np.float64]

FOLDS: Final = 5
_SHOWN: Final = 10  # customers at the top


def evaluate(
    purchases: Purchases, *, split: int | None, steps: Sequence[float], seed: int, tell: Tell
) -> dict[str, Any]:
    """The report: ``data``, ``steps``, ``bg_nbd``, ``peers``, ``top``, ``warnings``.

    Of each: ``ngini``, ``total_error``, ``rmse``, ``top_10_share`` and ``deciles``. ``bg_nbd`` has
    its ``parameters`` on all customers, or None where it could not be fitted.

    Raises:
        BadData: too little to learn from, or a split outside the file.
    """
    at = split_day(purchases, split)
    known = histories(purchases, purchases.first, at)
    spent = spent_between(purchases, known.customer, at, purchases.last + 1)
    check(spent, purchases, at)
    edges = tuple(steps) or steps_of(spent)
    days = {"days_back": at - purchases.first, "days_ahead": purchases.last + 1 - at}
    tell("all customers")
    began = time.process_time()
    every, notices = fit_steps(known, spent, edges, **days)
    spent_s = time.process_time() - began
    expected, second, proba = _held_out(known, spent, edges, days=days, seed=seed, tell=tell)
    parameters = None
    if every.second is not None:
        buying = every.second.buying
        parameters = {one.name: getattr(buying, one.name) for one in fields(buying)}
    past = known.counters["spent_again"] * days["days_ahead"] / days["days_back"]
    report: dict[str, Any] = rounded({
        "data": {
            "purchases": len(purchases.day), "customers": len(spent),
            "from": str(day_of(purchases.first)), "split": str(day_of(at)),
            "to": str(day_of(purchases.last)), "bought_again": float((spent > 0).mean()),
            "spent": float(spent.sum()), "folds": FOLDS, "seed": seed,
        },
        "steps": {**figures(expected, spent), "edges": every.edges.tolist(),
                  "means": every.means.tolist()},
        "bg_nbd": None if np.isnan(second).any()
        else {**figures(second, spent), "parameters": parameters},
        "peers": {"past_repeat_spend": figures(past, spent)},
        "top": _top(purchases, known, expected, proba, spent),
        "warnings": [notice.as_json for notice in (*purchases.notices, *notices)],
        "train_cpu_s": spent_s,
    })  # fmt: skip
    return report


def _held_out(
    known: Histories,
    spent: Doubles,
    edges: Sequence[float],
    *,
    days: Mapping[str, int],
    seed: int,
    tell: Tell,
) -> tuple[Doubles, Doubles, Doubles]:
    """Expected spending, the second opinion's (NaN where there is none) and steps' probabilities.

    Each customer's are by models of the other folds.
    """
    fold = np.random.default_rng(seed).permutation(len(spent)) % FOLDS
    expected, second = np.empty(len(spent)), np.full(len(spent), np.nan)
    proba = np.empty((len(spent), len(edges) + 2))
    for number in range(FOLDS):
        tell(f"fold {number + 1} of {FOLDS}")
        out = fold == number
        model, _ = fit_steps(_rows(known, ~out), spent[~out], edges, **days)
        values = model.judge(_rows(known, out))
        expected[out], proba[out] = values.expected, values.proba
        if values.bg_nbd is not None:
            second[out] = values.bg_nbd
    return expected, second, proba


def figures(expected: Doubles, spent: Doubles) -> dict[str, Any]:
    """How well expected spending orders customers and adds up.

    ``ngini``: normalised Gini, 1 for the best order and about 0 for chance; ``total_error``: of the
    sum, signed; ``rmse``; ``top_10_share``: of all that is spent, by the tenth expected to spend
    most; ``deciles``: mean expected and mean spent of each tenth, the largest first.

    Source: Wang, Liu, Miao, A deep probabilistic model for customer lifetime value prediction,
    2019.
    """
    order = np.argsort(-expected, kind="stable")
    parts = np.array_split(order, 10)
    return {
        "ngini": _gini(expected, spent) / _gini(spent, spent),
        "total_error": float(expected.sum() / spent.sum()) - 1,
        "rmse": float(np.sqrt(((expected - spent) ** 2).mean())),
        "top_10_share": float(spent[parts[0]].sum() / spent.sum()),
        "deciles": [
            {"expected": float(expected[part].mean()), "spent": float(spent[part].mean())}
            for part in parts
        ],
    }


def _gini(score: Doubles, spent: Doubles) -> float:
    falling = spent[np.argsort(-score, kind="stable")]
    return float((np.cumsum(falling) / spent.sum()).mean() - (len(spent) + 1) / (2 * len(spent)))


def _rows(known: Histories, chosen: NDArray[np.bool_]) -> Histories:
    own = {
        one.name: getattr(known, one.name)[chosen]
        for one in fields(known)
        if one.name != "counters"
    }
    counters = {name: values[chosen] for name, values in known.counters.items()}
    return replace(known, counters=counters, **own)


def _top(
    purchases: Purchases, known: Histories, expected: Doubles, proba: Doubles, spent: Doubles
) -> list[dict[str, Any]]:
    return [
        {
            "customer": purchases.customers[int(known.customer[place])],
            "expected": round(float(expected[place]), 2),
            "spent": round(float(spent[place]), 2),
            "steps": [round(float(one), 4) for one in proba[place]],
        }
        for place in np.argsort(-expected)[:_SHOWN].tolist()
    ]
