"""Spending on steps, from purchases made for these tests."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from admin.insights.clv import fit, load, save, split_day, steps_of
from admin.insights.histories import histories, spent_between
from admin.insights.purchases import Purchases, number_of, read_purchases
from bot.errors import BadData
from nlp.artifacts import ArtifactDamaged

TODAY = date(2026, 11, 27)
BEGIN = date(2025, 1, 1)


def lines(customers: int = 400, seed: int = 0) -> list[str]:
    """Purchases of a year: some customers buy often and much, most once."""
    random = np.random.default_rng(seed)
    made = []
    for customer in range(customers):
        rate, amount = random.gamma(0.6, 8), random.gamma(3, 10)
        for _ in range(1 + random.poisson(rate)):
            day = BEGIN + timedelta(days=int(random.integers(0, 364)))
            made.append(f"c{customer},{day},{amount * random.uniform(0.6, 1.4):.2f}")
    return [*made, f"c0,{BEGIN},10", f"c0,{BEGIN + timedelta(days=363)},10"]


def read(path: Path, rows: list[str], head: str = "customer,date,amount") -> Purchases:
    path.write_text("\n".join([head, *rows]) + "\n", "utf-8")
    return read_purchases(path, today=TODAY)


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Purchases:
    return read(tmp_path_factory.mktemp("clv") / "a.csv", lines())


def codes(purchases: Purchases) -> dict[str, dict[str, object]]:
    return {notice.code: dict(notice.params) for notice in purchases.notices}


def test_rows_of_a_day_are_one_purchase(tmp_path: Path) -> None:
    rows = ["b,2025-01-05,10", "a,2025-01-02,5", "b,2025-01-05,2.50", "b,2025-02-01,1"]
    found = read(tmp_path / "a.csv", rows)
    assert found.customers == ("b", "a")
    assert found.amount.tolist() == [12.5, 1.0, 5.0]
    assert not found.notices
    known = histories(found, found.first, number_of(date(2025, 2, 2)))
    assert known.frequency.tolist() == [1, 0]
    assert known.mean.tolist() == [1.0, 0.0]
    assert known.counters["spent"].tolist() == [13.5, 5.0]


@pytest.mark.parametrize("order", ["31.01.2025", "2025/01/31 12:30:00", "20250131", "01/31/2025"])
def test_dates_as_people_write_them(tmp_path: Path, order: str) -> None:
    found = read(tmp_path / "a.csv", [f"a;{order};5,5"], "Клиент;Дата;Сумма")
    assert (found.first, found.amount.tolist()) == (number_of(date(2025, 1, 31)), [5.5])


def test_refunds_and_purchases_of_nothing(tmp_path: Path) -> None:
    rows = ["a,2025-01-05,10", "a,2025-01-05,-4", "a,2025-03-01,0", "a,2025-04-01,-3",
            "b,2025-01-09,7", "b,2025-02-02,"]  # fmt: skip
    found = read(tmp_path / "a.csv", rows)
    assert found.amount.tolist() == [6.0, 0.0, 7.0]
    assert found.refund.tolist() == [3.0, 0.0]
    assert codes(found) == {
        "refund": {"rows": 2}, "zero-amount": {"rows": 1}, "blank-purchase": {"rows": 1},
    }  # fmt: skip
    known = histories(found, found.first, number_of(date(2025, 5, 1)))
    assert known.counters["refunded"].tolist() == [3.0, 0.0]
    assert spent_between(found, known.customer, found.first, found.last + 1).tolist() == [6.0, 7.0]


def test_future_dates_are_left_out_and_told(tmp_path: Path) -> None:
    found = read(tmp_path / "a.csv", ["a,2025-01-05,10", "a,2093-01-05,10"])
    assert codes(found) == {"future": {"rows": 1}}
    assert found.last == number_of(date(2025, 1, 5))


@pytest.mark.parametrize(
    ("head", "row", "words"),
    [
        ("customer,date,amount,currency", "a,2025-01-05,10,USD\nb,2025-01-05,9,EUR",
         r"2 currencies: USD \(1\), EUR \(1\)"),
        ("customer,date,amount", "a,2025-01-05,10\nb,2025-01-06,9 €", "line 3: .*'9 €'"),
        ("customer,date,amount", "a,2025-01-05,ten", "'ten' is not a number"),
        ("customer,date,amount", "a,soon,10", "'soon' is not a date"),
        ("customer,date,amount", "a,2025-02-31,10", "'2025-02-31' is not a date"),
        ("customer,date,amount", "a,02/03/2025,10", "may be two days"),
        ("customer,when,amount", "a,2025-01-05,10", "no column of the date; it has 'customer'"),
        ("customer,date,amount", "a,2025-01-05,-10", "no purchase in it"),
    ],
)  # fmt: skip
def test_files_that_would_lie(tmp_path: Path, head: str, row: str, words: str) -> None:
    with pytest.raises(BadData, match=words):
        read(tmp_path / "a.csv", row.split("\n"), head)


def test_a_customer_of_a_thousand_times_the_median_does_not_bend_the_steps(
    year: Purchases, tmp_path: Path
) -> None:
    late = BEGIN + timedelta(days=300)
    found = read(tmp_path / "a.csv", [*lines(), f"c7,{late},9000000"])
    assert codes(found)["large-customer"]["customer"] == "c7"
    usual, (bent, _) = fit(year)[0], fit(found)
    assert bent.means[-1] < 5 * usual.means[-1]
    np.testing.assert_allclose(bent.edges, usual.edges, rtol=0.1)


def test_expected_spending_orders_and_adds_up(year: Purchases) -> None:
    model, notices = fit(year)
    assert not notices
    at = split_day(year, None)
    values = model.judge(histories(year, year.first, at))
    spent = spent_between(year, values.customer, at, year.last + 1)
    np.testing.assert_allclose(values.proba.sum(axis=1), 1)
    assert values.expected.sum() == pytest.approx(spent.sum(), rel=0.1)
    best = np.argsort(-values.expected)[: len(spent) // 5]
    assert spent[best].mean() > 1.8 * spent.mean()
    assert values.alive is not None
    assert ((values.alive > 0) & (values.alive <= 1)).all()
    now = model.predict(year)
    assert len(now.expected) > 300
    assert now.bg_nbd is not None
    assert np.isfinite(now.bg_nbd).all()


def test_a_saved_model_says_the_same(year: Purchases, tmp_path: Path) -> None:
    model, _ = fit(year, edges=(20.0, 80.0))
    save(model, tmp_path / "model")
    again = load(tmp_path / "model")
    assert (again.predict(year).expected == model.predict(year).expected).all()
    assert again.edges.tolist() == [0, 20, 80]
    (tmp_path / "model" / "clv.json").write_text("{}", "utf-8")
    with pytest.raises(ArtifactDamaged):
        load(tmp_path / "model")


def test_too_little_to_learn_from(year: Purchases, tmp_path: Path) -> None:
    with pytest.raises(BadData, match="200 and 50 are needed"):
        fit(read(tmp_path / "a.csv", lines(customers=60)))
    with pytest.raises(BadData, match="cannot begin on 2031-01-01"):
        fit(year, split=number_of(date(2031, 1, 1)))


def test_without_repeat_purchases_the_second_opinion_is_left_out(tmp_path: Path) -> None:
    half = BEGIN + timedelta(days=200)
    rows = [f"c{place},{BEGIN + timedelta(days=place % 150)},{place % 30 + 1}"
            for place in range(300)]  # fmt: skip
    rows += [
        f"c{place},{half + timedelta(days=place % 150)},{place % 9 + 1}" for place in range(90)
    ]
    purchases = read(tmp_path / "a.csv", rows)
    model, notices = fit(purchases, split=number_of(half))
    assert model.second is None
    assert "0 customers have bought again" in notices[0].text
    assert model.predict(purchases).bg_nbd is None


def test_steps_follow_the_median() -> None:
    assert steps_of(np.array([0, 0, 40.0, 60.0, 80.0])) == (15.0, 30.0, 60.0, 120.0, 240.0)
