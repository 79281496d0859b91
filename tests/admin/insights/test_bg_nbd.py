"""BG/NBD and Gamma-Gamma: known parameters found again, and the published ones beside a peer."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest

from admin.insights.bg_nbd import BgNbd, GammaGamma, fit_bg_nbd, fit_gamma_gamma
from bot.errors import BadData

KNOWN = BgNbd(r=0.8, alpha=6.0, a=0.9, b=2.5)

# In a process of its own: the peer is old and warns at import. Its sample of CDNOW lies beside it.
_PEER = """
import json, pathlib, warnings
warnings.simplefilter("ignore")
import lifetimes, pandas
from lifetimes import BetaGeoFitter, GammaGammaFitter
folder = pathlib.Path(lifetimes.__file__).parent / "datasets"
rows = pandas.read_csv(folder / "cdnow_customers_summary.csv")
x, t_x, t = (rows[name].to_numpy(float) for name in ("frequency", "recency", "T"))
value_rows = pandas.read_csv(folder / "cdnow_customers_summary_with_transactions.csv")
n, m = value_rows["x"].to_numpy(float), value_rows["zbar"].to_numpy(float)
model = BetaGeoFitter().fit(x, t_x, t)
value = GammaGammaFitter().fit(n[n > 0], m[n > 0])
print(json.dumps({
    "rows": [x.tolist(), t_x.tolist(), t.tolist(), n.tolist(), m.tolist()],
    "parameters": {name: float(model.params_[name]) for name in ("r", "alpha", "a", "b")},
    "expected": list(map(float, model.conditional_expected_number_of_purchases_up_to_time(
        39, x, t_x, t))),
    "alive": list(map(float, model.conditional_probability_alive(x, t_x, t))),
    "value": list(map(float, value.conditional_expected_average_profit(n, m))),
}))
"""


def buyers(model: BgNbd, n: int, weeks: float, later: float, seed: int) -> list[np.ndarray]:
    """Frequency, recency, age and later purchases of customers who live by the model."""
    random = np.random.default_rng(seed)
    rate = random.gamma(model.r, 1 / model.alpha, n)
    leaving = random.beta(model.a, model.b, n)
    rows = []
    for own, gone in zip(rate, leaving, strict=True):
        age = random.uniform(0.6 * weeks, weeks)
        at, times = 0.0, []
        alive = True
        while alive:
            at += random.exponential(1 / own)
            if at > age + later:
                break
            times.append(at)
            alive = random.random() > gone
        early = [one for one in times if one <= age]
        rows.append((len(early), max(early, default=0.0), age, len(times) - len(early)))
    return list(np.array(rows, float).T)


def test_known_parameters_are_found_again() -> None:
    x, t_x, t, _ = buyers(KNOWN, 4000, 52.0, 0.0, seed=1)
    found = fit_bg_nbd(x, t_x, t)
    assert found.r == pytest.approx(KNOWN.r, rel=0.15)
    assert found.alpha == pytest.approx(KNOWN.alpha, rel=0.15)
    assert found.a / (found.a + found.b) == pytest.approx(0.9 / 3.4, rel=0.1)


def test_expected_purchases_are_those_that_follow() -> None:
    x, t_x, t, later = buyers(KNOWN, 5000, 52.0, 26.0, seed=3)
    expected = KNOWN.expected_purchases(x, t_x, t, 26.0)
    assert expected.sum() == pytest.approx(later.sum(), rel=0.05)
    order = np.argsort(-expected)
    for part in np.array_split(order, 3):
        assert expected[part].mean() == pytest.approx(later[part].mean(), rel=0.12, abs=0.06)


def test_alive_is_a_probability_that_falls_with_silence() -> None:
    alive = KNOWN.alive(np.array([0, 5, 5, 5, 400.0]), np.array([0, 50, 30, 5, 30.0]),
                        np.full(5, 52.0))  # fmt: skip
    assert alive[0] == 1
    assert 1 > alive[1] > alive[2] > alive[3] > 0
    assert alive[4] == pytest.approx(0, abs=1e-6)


def test_very_frequent_buyers_and_a_of_one_have_finite_expectations() -> None:
    x = np.array([0.0, 1, 50, 500, 5000])
    for a in (0.5, 1.0, 1.5):
        found = BgNbd(0.3, 4.0, a, 2.5).expected_purchases(
            x, np.full(5, 51.9), np.full(5, 52.0), 52
        )
        assert np.isfinite(found).all()
        assert (np.diff(found) > 0).all()
        assert found[-1] < 5300


def test_mean_purchases_are_drawn_to_that_of_all() -> None:
    random = np.random.default_rng(3)
    known = GammaGamma(p=6.0, q=4.0, v=15.0)
    scale = 1 / random.gamma(known.q, 1 / known.v, 6000)
    x = random.integers(1, 8, 6000).astype(float)
    mean = random.gamma(known.p * x, scale / x)
    found = fit_gamma_gamma(x, mean)
    assert (found.p, found.q) == (pytest.approx(6, rel=0.15), pytest.approx(4, rel=0.15))
    everyone = known.p * known.v / (known.q - 1)
    value = known.expected_value(np.array([0.0, 1, 100]), np.array([0.0, 90, 90]))
    assert value[0] == pytest.approx(everyone)
    assert everyone < value[1] < value[2] < 90.5


def test_customers_who_never_came_back_do_not_break_the_fits() -> None:
    x, _, t, _ = buyers(KNOWN, 500, 52.0, 0.0, seed=4)
    assert (x == 0).sum() > 50
    mean = np.where(x > 0, 20.0 + x, 0.0)
    assert np.isfinite(fit_gamma_gamma(x, mean).expected_value(x, mean)).all()
    with pytest.raises(BadData, match="0 customers have bought again; BG/NBD needs 10"):
        fit_bg_nbd(np.zeros(100), np.zeros(100), np.full(100, 52.0))
    with pytest.raises(BadData, match="bought again for more than 0; Gamma-Gamma needs 10"):
        fit_gamma_gamma(np.ones(100), np.zeros(100))
    assert t.max() <= 52


@pytest.mark.skipif(
    importlib.util.find_spec("lifetimes") is None, reason="the peer is not installed"
)
def test_published_parameters_and_the_peers_expectations() -> None:
    """The tenth of CDNOW in Fader, Hardie and Lee 2005, table 2."""
    run = subprocess.run([sys.executable, "-c", _PEER], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    peer = json.loads(run.stdout)
    x, t_x, t, n, m = map(np.array, peer["rows"])
    found = fit_bg_nbd(x, t_x, t)
    assert (round(found.r, 3), round(found.alpha, 3), round(found.a, 3), round(found.b, 3)) == (
        0.243, 4.414, 0.793, 2.426,
    )  # fmt: skip
    for name, value in peer["parameters"].items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-4)
    expected = found.expected_purchases(x, t_x, t, 39)
    np.testing.assert_allclose(expected, peer["expected"], rtol=1e-4)
    np.testing.assert_allclose(found.alive(x, t_x, t), peer["alive"], atol=1e-5)
    value = fit_gamma_gamma(n, m).expected_value(n, m)
    np.testing.assert_allclose(value, peer["value"], rtol=1e-2)
