"""``evaluate churn``, ``evaluate clv`` and ``bench insights`` on customers made for these tests."""

from __future__ import annotations

import csv
import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from admin.cli import run
from admin.evaluate import churn
from admin.evaluate.clv import figures
from admin.insights import propensity
from admin.insights.boosting import Growth
from admin.insights.logistic import Strength
from admin.insights.propensity import Setup

KEYS = {"auc", "ap", "ece", "accuracy", "lift_at_10", "coverage_at_95_accuracy",
        "flagged_at_80_precision", "curve", "reliability"}  # fmt: skip


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(propensity, "GROWTHS", (Growth(4, 10),))
    monkeypatch.setattr(propensity, "SETUPS", (Setup(6, Strength(1, 3)),))
    monkeypatch.setattr(churn, "FOLDS", 2)


@pytest.fixture
def companies(tmp_path: Path) -> str:
    random = np.random.default_rng(0)
    path = tmp_path / "companies.csv"
    with path.open("w", encoding="cp1251", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["company_id", "logins", "plan", "note", "paid"])
        for row in range(400):
            logins = int(random.poisson(5))
            paid = logins - 5 + 2 * random.normal() > 0
            plan = random.choice(["пробный", "обычный"])
            writer.writerow([f"c{row}", logins, plan, "", "да" if paid else "нет"])
    return str(path)


def test_churn_and_whatever_else_is_asked(
    companies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["evaluate", "churn", companies, "--target", "paid", "--splits", "2", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    for name in ("logistic", "boosting"):
        assert set(report[name]) == KEYS
        assert 0.7 < report[name]["auc"] < 1
        assert {"share", "precision", "threshold", "low"} <= set(report[name]["curve"][0])
    assert report["chosen"] in {"logistic", "boosting"}
    assert sum(report["chosen_in_folds"].values()) == 2
    assert [one["code"] for one in report["warnings"]] == ["blank-column", "jump"]
    assert report["peers"]["logistic_regression"]["auc"] > 0.7
    assert report["data"]["positive"] == "да"
    assert {one["name"]: one["role"] for one in report["understood"]} == {
        "company_id": "id", "logins": "counter", "plan": "counter", "note": "left out",
        "paid": "target",
    }  # fmt: skip
    assert report["reasons"][0]["column"] == "logins"
    assert report["reasons_stable"] == 2
    promise = report["promise"]
    assert promise["splits"] == 2
    assert (promise["flags"]["promised"], promise["answers"]["promised"]) == (0.8, 0.95)
    for part in ("flags", "answers"):
        assert 0 <= promise[part]["coverage"] <= 1


def test_churn_as_text(companies: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "churn", companies, "--target", "paid", "--drop", "plan"]) == 0
    text = capsys.readouterr().out
    assert "plan        yes/no  left out" in text
    assert "warning: 'note' is blank in every row" in text
    assert "400 customers" in text
    assert "taken: " in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--target", "left"], "no column 'left'"),
        (["--target", "paid", "--drop", "price"], "no column 'price'"),
        (["--target", "note"], "it is blank"),
        (["--target", "paid", "--positive", "maybe"], "no value 'maybe'"),
        (["--target", "paid", "--drop", "plan", "--drop", "logins"], "no counter"),
    ],
)
def test_bad_calls_of_churn_are_told(
    companies: str, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["evaluate", "churn", companies, *arguments]) == 65
    assert words in capsys.readouterr().err


@pytest.fixture
def purchases(tmp_path: Path) -> str:
    random = np.random.default_rng(0)
    path = tmp_path / "purchases.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["customer_id", "date", "amount"])
        for customer in range(400):
            rate, amount = random.gamma(0.6, 8), random.gamma(3, 10)
            for _ in range(1 + random.poisson(rate)):
                day = date(2025, 1, 1) + timedelta(days=int(random.integers(0, 364)))
                writer.writerow([f"c{customer}", day, round(amount, 2)])
    return str(path)


def test_clv_of_purchases(purchases: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--split", "2025-07-02", "--steps", "20,60,120", "--json"]
    assert run(["evaluate", "clv", purchases, *arguments]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["data"]["split"] == "2025-07-02"
    assert report["steps"]["edges"] == [0, 20, 60, 120]
    for name in ("steps", "bg_nbd"):
        assert {"ngini", "total_error", "rmse", "top_10_share", "deciles"} <= set(report[name])
        assert 0.2 < report[name]["ngini"] < 1
        assert len(report[name]["deciles"]) == 10
    assert abs(report["steps"]["total_error"]) < 0.1
    assert set(report["bg_nbd"]["parameters"]) == {"r", "alpha", "a", "b"}
    assert len(report["top"][0]["steps"]) == 5
    assert sum(report["top"][0]["steps"]) == pytest.approx(1, abs=1e-3)


def test_clv_as_text(purchases: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "clv", purchases]) == 0
    text = capsys.readouterr().out
    assert "ngini" in text
    assert "past spending" in text
    assert len([line for line in text.splitlines() if line.startswith("c")]) == 11


def test_bad_calls_of_clv_are_told(
    purchases: str, companies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["evaluate", "clv", companies]) == 65
    assert "no column of the customer" in capsys.readouterr().err
    assert run(["evaluate", "clv", purchases, "--steps", "60,20"]) == 2
    assert "rising amounts" in capsys.readouterr().err
    assert run(["evaluate", "clv", purchases, "--split", "2031-01-01"]) == 65
    assert "2031-01-01" in capsys.readouterr().err
    assert run(["evaluate", "clv", purchases, "--amount", "price"]) == 65
    assert "no column 'price'" in capsys.readouterr().err


def test_figures_of_the_best_and_of_no_order() -> None:
    spent = np.array([0.0, 0, 0, 0, 0, 10, 20, 30, 40, 100])
    best = figures(spent, spent)
    assert (best["ngini"], best["total_error"], best["rmse"]) == (pytest.approx(1), 0, 0)
    assert best["top_10_share"] == 0.5
    assert figures(-spent, spent)["ngini"] < 0
    assert figures(spent * 1.5, spent)["total_error"] == pytest.approx(0.5)


def test_bench_of_insights(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--customers", "2000", "--counters", "5"]
    assert run(["bench", "insights", *arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["customers"], report["counters"]) == (2000, 5)
    assert report["scored_per_s"] > 10_000
    assert report["auc"] > 0.6
    assert run(["bench", "insights", "--customers", "1"]) == 2
