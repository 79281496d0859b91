"""What a customer will spend: classification on discrete steps, with BG/NBD as second opinion.

The expected value is the sum over steps of probability x mean spending of the step. The last step
has no upper end, so its mean depends on what the customer has spent so far.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from admin.insights.bg_nbd import BgNbd, GammaGamma, fit_bg_nbd, fit_gamma_gamma
from admin.insights.histories import DAYS_A_WEEK, Histories, histories, spent_between
from admin.insights.notices import Notice
from admin.insights.purchases import Purchases, day_of
from bot.errors import BadData
from nlp.artifacts import (
    ArtifactDamaged,
    load_arrays,
    load_json,
    save_arrays,
    save_json,
    verify,
    write_manifest,
)

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST_CUSTOMERS: Final = 200
LEAST_BUYERS: Final = 50  # of them, in the later period
_TIMES: Final = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the median spending of those who spend
_ONE_STEP_ROWS: Final = 30  # a last step of fewer has one mean
_USUAL: Final = 10.0  # times the 99th percentile of those who spend; what is beyond teaches nothing
_TOP: Final = ("spent", "spent_180_days", "bg_nbd_value")
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class SecondOpinion:
    """BG/NBD for how often, Gamma-Gamma for how much."""

    buying: BgNbd
    value: GammaGamma

    def expected(self, known: Histories, weeks: float) -> Doubles:
        """Spending in the weeks ahead. Shape (n,)."""
        times = self.buying.expected_purchases(known.frequency, known.recency, known.age, weeks)
        return times * self.value.expected_value(known.frequency, known.mean)

    def columns(self, known: Histories, weeks: float) -> dict[str, Doubles]:
        """What it says, as counters for the steps."""
        rows = (known.frequency, known.recency, known.age)
        return {
            "bg_nbd_purchases": self.buying.expected_purchases(*rows, weeks),
            "bg_nbd_alive": self.buying.alive(*rows),
            "bg_nbd_amount": self.value.expected_value(known.frequency, known.mean),
            "bg_nbd_value": self.expected(known, weeks),
        }


def fit_second_opinion(known: Histories) -> SecondOpinion:
    """Both models on histories.

    Raises:
        BadData: too few customers have bought again.
    """
    return SecondOpinion(
        fit_bg_nbd(known.frequency, known.recency, known.age),
        fit_gamma_gamma(known.frequency, known.mean),
    )


@dataclass(frozen=True, slots=True)
class Values:
    """What customers are worth in the period ahead.

    Attributes:
        customer: places in ``Purchases.customers``. Shape (n,).
        proba: probability of each step. Shape (n, n_steps), rows sum to 1.
        expected: spending. Shape (n,).
        bg_nbd: the second opinion's, None where it could not be fitted.
        alive: its probability that the customer still buys, None likewise.
    """

    customer: Ints
    proba: Doubles
    expected: Doubles
    bg_nbd: Doubles | None
    alive: Doubles | None


@dataclass(frozen=True, slots=True)
class ClvModel:
    """Spending of the ``days_ahead`` after a day, from the ``days_back`` before it.

    Attributes:
        edges: upper ends of the steps but the last, from 0 ("nothing"). Shape (n_steps - 1,).
        means: mean spending of each step at training. Shape (n_steps,).
        names: counters.
        center: of each counter's signed logarithm at training, and ``scale`` its deviation.
        weights: shape (n_counters, n_steps); ``bias`` (n_steps,).
        top: weights of 1 and of ``_TOP`` for the mean of the last step; empty where it has one.
        second: BG/NBD, None where too few have bought again.
    """

    days_back: int
    days_ahead: int
    edges: Doubles
    means: Doubles
    names: tuple[str, ...]
    center: Doubles
    scale: Doubles
    weights: Doubles
    bias: Doubles
    top: Doubles
    second: SecondOpinion | None

    def predict(self, purchases: Purchases, at: int | None = None) -> Values:
        """Values from the day ``at`` on (days since 1970-01-01; None: the day after the last row).

        Customers who bought nothing in the ``days_back`` before it are not among them.
        """
        until = purchases.last + 1 if at is None else at
        return self.judge(histories(purchases, until - self.days_back, until))

    def judge(self, known: Histories) -> Values:
        """The same from histories."""
        weeks = self.days_ahead / DAYS_A_WEEK
        counters = _counters(known, self.second, weeks)
        score = (_logs(counters, self.names) - self.center) / self.scale @ self.weights + self.bias
        proba = np.exp(score - score.max(axis=1, keepdims=True))
        proba /= proba.sum(axis=1, keepdims=True)
        expected = proba[:, :-1] @ self.means[:-1]
        last = np.full(len(score), self.means[-1])
        if len(self.top):
            last = np.maximum(_top_columns(counters) @ self.top, self.edges[-1])
        second = self.second
        return Values(
            customer=known.customer,
            proba=proba,
            expected=expected + proba[:, -1] * last,
            bg_nbd=None if second is None else second.expected(known, weeks),
            alive=None if second is None else counters["bg_nbd_alive"],
        )


def fit(
    purchases: Purchases, *, split: int | None = None, edges: Sequence[float] = ()
) -> tuple[ClvModel, tuple[Notice, ...]]:
    """Steps on all customers of a file: what they spent after ``split`` from what they did before.

    Args:
        purchases: of the file.
        split: first day of the later period; None: the middle.
        edges: upper ends of the steps after "nothing"; none: ``steps_of``.

    Raises:
        BadData: too few customers or buyers, or a split outside the file.
    """
    at = split_day(purchases, split)
    known = histories(purchases, purchases.first, at)
    spent = spent_between(purchases, known.customer, at, purchases.last + 1)
    check(spent, purchases, at)
    ahead = purchases.last + 1 - at
    return fit_steps(known, spent, edges or steps_of(spent),
                     days_back=at - purchases.first, days_ahead=ahead)  # fmt: skip


def split_day(purchases: Purchases, split: int | None) -> int:
    """The first day of the later period: the named one, or the middle.

    Raises:
        BadData: it is not inside the file.
    """
    at = (purchases.first + purchases.last + 1) // 2 if split is None else split
    if not purchases.first < at <= purchases.last:
        raise BadData(
            f"The later period cannot begin on {day_of(at)}: purchases are of "
            f"{day_of(purchases.first)} .. {day_of(purchases.last)}.",
            remedy="Name a day between with --split.",
        )
    return at


def check(spent: Doubles, purchases: Purchases, at: int) -> None:
    """Whether there is enough to learn from.

    Raises:
        BadData: fewer than ``LEAST_CUSTOMERS``, or ``LEAST_BUYERS`` of them who spent later.
    """
    if len(spent) < LEAST_CUSTOMERS or int((spent > 0).sum()) < LEAST_BUYERS:
        raise BadData(
            f"{len(spent)} customers bought before {day_of(at)}, {int((spent > 0).sum())} of them "
            f"after it as well; {LEAST_CUSTOMERS} and {LEAST_BUYERS} are needed.",
            remedy=f"Give more than {day_of(purchases.first)} .. {day_of(purchases.last)}, or "
            "another --split.",
        )


def steps_of(spent: Doubles) -> tuple[float, ...]:
    """A quarter, half, one, two and four times the median of those who spent, to two digits."""
    middle = float(np.median(spent[spent > 0]))
    return tuple(dict.fromkeys(float(f"{times * middle:.2g}") for times in _TIMES))


def fit_steps(
    known: Histories, spent: Doubles, edges: Sequence[float], *, days_back: int, days_ahead: int
) -> tuple[ClvModel, tuple[Notice, ...]]:
    """The model of some customers, and what was left out of it.

    Args:
        known: what they had done.
        spent: what they spent afterwards. Shape (n,).
        edges: rising upper ends of the steps after "nothing".
        days_back: length of the earlier period.
        days_ahead: of the later one.
    """
    notices: tuple[Notice, ...] = ()
    second: SecondOpinion | None = None
    try:
        second = fit_second_opinion(known)
    except BadData as error:
        notices = (Notice("no-second-opinion", {"reason": error.detail}),)
    usual = _USUAL * float(np.percentile(spent[spent > 0], 99))
    taught = np.minimum(spent, usual)
    ends = np.array([0.0, *edges])
    step = np.searchsorted(ends, taught, side="left")
    counters = _counters(known, second, days_ahead / DAYS_A_WEEK)
    names = tuple(counters)
    logs = _logs(counters, names)
    center, scale = logs.mean(axis=0), logs.std(axis=0)
    scale[scale == 0] = 1.0
    with threadpool_limits(limits=1):
        learnt = LogisticRegression(max_iter=1000).fit((logs - center) / scale, step)
    weights = np.zeros((len(names), len(ends) + 1))
    bias = np.full(len(ends) + 1, -50.0)  # a step that nobody took
    found = learnt.classes_.astype(int)
    if len(found) == 2:
        weights[:, found[1]], bias[found] = learnt.coef_[0], [0.0, learnt.intercept_[0]]
    else:
        weights[:, found], bias[found] = learnt.coef_.T, learnt.intercept_
    means = np.array([
        taught[step == place].mean() if (step == place).any() else 0.0
        for place in range(len(ends) + 1)
    ])  # fmt: skip
    model = ClvModel(days_back, days_ahead, ends, means, names, center, scale, weights, bias,
                     _fit_top(counters, taught, step == len(ends)), second)  # fmt: skip
    return model, notices


def _fit_top(counters: Mapping[str, Doubles], spent: Doubles, top: NDArray[np.bool_]) -> Doubles:
    """Weights from 0 up of the last step's mean, by least squares."""
    if int(top.sum()) < _ONE_STEP_ROWS:
        return np.zeros(0)
    return np.asarray(nnls(_top_columns(counters)[top], spent[top])[0])


def _top_columns(counters: Mapping[str, Doubles]) -> Doubles:
    rows = len(counters["spent"])
    return np.stack([np.ones(rows), *(counters.get(name, np.zeros(rows)) for name in _TOP)], axis=1)


def _counters(known: Histories, second: SecondOpinion | None, weeks: float) -> dict[str, Doubles]:
    return known.counters | ({} if second is None else second.columns(known, weeks))


def _logs(counters: Mapping[str, Doubles], names: Sequence[str]) -> Doubles:
    """Signed logarithms, 0 for what is not known. Shape (n, n_names)."""
    rows = len(counters["spent"])
    columns = [np.nan_to_num(counters.get(name, np.zeros(rows))) for name in names]
    values = np.stack(columns, axis=1)
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)))


def save(model: ClvModel, folder: Path) -> None:
    """Write ``clv.safetensors``, ``clv.json`` and a manifest into a folder, made if missing."""
    folder.mkdir(parents=True, exist_ok=True)
    save_arrays(folder / "clv.safetensors", {name: getattr(model, name) for name in _ARRAYS})
    second: dict[str, Any] | None = None
    if model.second is not None:
        buying, value = model.second.buying, model.second.value
        second = {"buying": [buying.r, buying.alpha, buying.a, buying.b],
                  "value": [value.p, value.q, value.v]}  # fmt: skip
    save_json(folder / "clv.json", {
        "format": _FORMAT, "days_back": model.days_back, "days_ahead": model.days_ahead,
        "names": list(model.names), "second": second,
    })  # fmt: skip
    write_manifest(folder)


_ARRAYS: Final = ("edges", "means", "center", "scale", "weights", "bias", "top")


def load(folder: Path) -> ClvModel:
    """The model of a folder that ``save`` wrote.

    Raises:
        ArtifactDamaged: a file is missing, changed, or of another release.
    """
    verify(folder)
    about, arrays = load_json(folder / "clv.json"), load_arrays(folder / "clv.safetensors")
    if about.get("format") != _FORMAT or set(arrays) != set(_ARRAYS):
        raise ArtifactDamaged("clv.json: of another release")
    second = about["second"]
    return ClvModel(
        days_back=about["days_back"], days_ahead=about["days_ahead"], names=tuple(about["names"]),
        second=SecondOpinion(BgNbd(*second["buying"]), GammaGamma(*second["value"]))
        if second else None,
        **arrays,
    )  # fmt: skip
