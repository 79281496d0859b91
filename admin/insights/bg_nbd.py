"""BG/NBD and Gamma-Gamma: how often a customer will buy again, whether they still do, how much.

The second opinion beside the classification on steps; needs no holdout period.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import gammaln, hyp2f1

from bot.errors import BadData

Doubles = NDArray[np.float64]

LEAST_REPEATERS: Final = 10


@dataclass(frozen=True, slots=True)
class BgNbd:
    """Buying and leaving.

    While alive a customer buys at a rate of Gamma(``r``, ``alpha``); after each purchase they leave
    with a probability of Beta(``a``, ``b``).

    Source: Fader, Hardie, Lee, "Counting your customers" the easy way, Marketing Science, 2005.
    """

    r: float
    alpha: float
    a: float
    b: float

    def expected_purchases(
        self, frequency: Doubles, recency: Doubles, age: Doubles, ahead: float
    ) -> Doubles:
        """Purchases expected in the next ``ahead`` units of time.

        Args:
            frequency: repeat purchases. Shape (n,).
            recency: time from the first to the last purchase; 0 where there is one.
            age: time from the first purchase until now, at least ``recency``.
            ahead: time.

        Source: equation 10, its hypergeometric function after Euler's transformation: as it
        stands there, it loses all digits for customers of many purchases.
        """
        r, alpha, b, x = self.r, self.alpha, self.b, frequency
        a = self.a if abs(self.a - 1) > 1e-6 else 1 + 1e-6  # the limit has another form
        z = ahead / (alpha + age + ahead)
        gauss = hyp2f1(a + b - 1 - r, a - 1, a + b + x - 1, z)
        grown = 1 - (1 - z) ** (a - 1) * gauss
        return np.asarray((a + b + x - 1) / (a - 1) * grown * self.alive(frequency, recency, age))

    def alive(self, frequency: Doubles, recency: Doubles, age: Doubles) -> Doubles:
        """Probability that they still buy, 0..1; 1 without a repeat purchase.

        Source: Fader, Hardie, Lee, Computing P(alive) using the BG/NBD model, 2008.
        """
        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        x = frequency
        again = np.maximum(x, 1)
        odds = np.log(a / (b + again - 1)) + (r + x) * np.log((alpha + age) / (alpha + recency))
        return np.where(x > 0, 1 / (1 + np.exp(np.minimum(odds, 700.0))), 1.0)


def fit_bg_nbd(frequency: Doubles, recency: Doubles, age: Doubles) -> BgNbd:
    """The four parameters of highest likelihood.

    Args:
        frequency: repeat purchases, whole numbers from 0. Shape (n,).
        recency: time from the first to the last purchase.
        age: time from the first purchase until now.

    Raises:
        BadData: fewer than ``LEAST_REPEATERS`` customers have bought again.
    """
    if int((frequency > 0).sum()) < LEAST_REPEATERS:
        raise BadData(
            f"{int((frequency > 0).sum())} customers have bought again; BG/NBD needs "
            f"{LEAST_REPEATERS}.",
            remedy="Take a longer period or more customers.",
        )
    # Equal histories are counted once: 23,570 customers have some 5,000 different ones.
    rows, counts = np.unique(np.stack([frequency, recency, age], 1), axis=0, return_counts=True)
    unit = float(age.max())  # times of about 1 make the parameters of like size
    x, t_x, t = rows[:, 0], rows[:, 1] / unit, rows[:, 2] / unit

    def loss(logs: Doubles) -> float:
        return -float((counts * _likelihood(np.exp(logs), x, t_x, t)).sum() / counts.sum())

    # Beyond these bounds differences of logarithms of the gamma function lose their digits.
    bounds = [(-9.0, 9.0)] * 4
    starts = [np.log([size, size * 0.1, 1.0, 2.0 * size]) for size in (0.25, 1.0, 4.0)]
    found = min(
        (
            minimize(loss, start, method="Nelder-Mead", options=_SEARCH, bounds=bounds)
            for start in starts
        ),
        key=lambda one: float(one.fun),
    )
    r, alpha, a, b = np.exp(found.x).tolist()
    return BgNbd(r, alpha * unit, a, b)


_SEARCH: Final = {"maxiter": 4000, "maxfev": 4000, "xatol": 1e-7, "fatol": 1e-10}


def _likelihood(parameters: Doubles, x: Doubles, t_x: Doubles, t: Doubles) -> Doubles:
    """Log-likelihood of each history.

    Source: Fader, Hardie, Lee 2005, equation 6, in the four terms of Implementing the BG/NBD model
    in Excel, 2005.
    """
    r, alpha, a, b = parameters
    first = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    second = gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
    third = -(r + x) * np.log(alpha + t)
    again = np.maximum(x, 1)
    fourth = np.log(a) - np.log(b + again - 1) - (r + x) * np.log(alpha + t_x)
    return np.asarray(first + second + np.where(x > 0, np.logaddexp(third, fourth), third))


@dataclass(frozen=True, slots=True)
class GammaGamma:
    """What a purchase brings: Gamma of shape ``p`` whose scale differs by customer (``q``, ``v``).

    Source: Fader and Hardie, The Gamma-Gamma model of monetary value, 2013.
    """

    p: float
    q: float
    v: float

    def expected_value(self, frequency: Doubles, mean: Doubles) -> Doubles:
        """Mean purchase of each customer, drawn to that of all the less is known.

        Args:
            frequency: repeat purchases. Shape (n,).
            mean: of their amounts; anything where ``frequency`` is 0.

        Source: equation 5 there.
        """
        p, q, v = self.p, self.q, self.v
        all_of_them = p * v / (q - 1)
        weight = p * frequency / (p * frequency + q - 1)
        return np.where(frequency > 0, (1 - weight) * all_of_them + weight * mean, all_of_them)


def fit_gamma_gamma(frequency: Doubles, mean: Doubles) -> GammaGamma:
    """The three parameters of highest likelihood, over customers who bought again for more than 0.

    Raises:
        BadData: there are fewer than ``LEAST_REPEATERS`` of them.
    """
    used = (frequency > 0) & (mean > 0)
    if int(used.sum()) < LEAST_REPEATERS:
        raise BadData(
            f"{int(used.sum())} customers have bought again for more than 0; Gamma-Gamma needs "
            f"{LEAST_REPEATERS}.",
            remedy="Take a longer period or more customers.",
        )
    x, unit = frequency[used], float(mean[used].mean())
    m = mean[used] / unit

    def loss(logs: Doubles) -> float:
        p, q, v = np.exp(logs[0]), 1 + np.exp(logs[1]), np.exp(logs[2])  # q > 1: a mean exists
        found = (
            gammaln(p * x + q) - gammaln(p * x) - gammaln(q) + q * np.log(v)
            + (p * x - 1) * np.log(m) + p * x * np.log(x) - (p * x + q) * np.log(x * m + v)
        )  # fmt: skip
        return -float(found.mean())

    found = minimize(loss, [1.0, 1.0, 1.0], method="Nelder-Mead", options=_SEARCH,
                     bounds=[(-9.0, 9.0)] * 3)  # fmt: skip
    p, q, v = np.exp(found.x[0]), 1 + np.exp(found.x[1]), np.exp(found.x[2])
    return GammaGamma(float(p), float(q), float(v) * unit)
