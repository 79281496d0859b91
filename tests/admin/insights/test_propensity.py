"""Propensity models on customers made for these tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from admin.insights import propensity
from admin.insights.boosting import Growth, as_trees, grow
from admin.insights.counters import aligned, fit_counters
from admin.insights.logistic import Strength
from admin.insights.propensity import Fitted, Setup, fit, fit_linear, fit_scale
from admin.insights.scoring import load, save
from admin.insights.table import Table, from_columns
from bot.errors import BadData
from nlp.artifacts import ArtifactDamaged

ROWS = 1000
GROWTHS = (Growth(4, 20),)
SETUPS = (Setup(1, Strength(1, 0)), Setup(8, Strength(1, 3)))


def customers(seed: int = 0, rows: int = ROWS, *, crossed: bool = False) -> Table:
    """Logins and a plan decide; with ``crossed`` only whether two counters agree does."""
    random = np.random.default_rng(seed)
    logins = random.poisson(4, rows).astype(float)
    tickets = random.poisson(2, rows).astype(float)
    plan = random.choice(["free", "team", "firm"], rows)
    other = random.normal(size=rows)
    score = 0.2 - 0.4 * logins + 0.5 * tickets + 1.2 * (plan == "free")
    if crossed:
        score = 3.0 * np.sign(other) * np.sign(tickets - 1.5)
    blank = random.random(rows) < 0.05
    return from_columns(
        {"logins": np.where(blank, np.nan, logins), "tickets": tickets, "plan": plan.tolist(),
         "other": other},
        target=score + random.logistic(size=rows) > 0,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(propensity, "GROWTHS", GROWTHS)
    monkeypatch.setattr(propensity, "SETUPS", SETUPS)


@pytest.fixture(scope="module")
def linear() -> Fitted:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(propensity, "GROWTHS", GROWTHS)
        patch.setattr(propensity, "SETUPS", SETUPS)
        return fit(customers(), target="left")


@pytest.fixture(scope="module")
def crossed() -> Fitted:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(propensity, "GROWTHS", GROWTHS)
        patch.setattr(propensity, "SETUPS", SETUPS)
        return fit(customers(crossed=True), target="left")


def test_the_model_that_explains_itself_is_taken_when_it_is_as_good(linear: Fitted) -> None:
    assert linear.model.kind == "logistic"
    assert linear.logistic.auc > 0.72
    report = linear.model.report
    assert report["chosen"] == "logistic"
    assert report["logistic"]["ece"] < 0.05
    assert set(report) >= {"rows", "positives", "logistic", "boosting", "warnings", "understood"}


def test_boosting_is_taken_where_it_is_clearly_better(crossed: Fitted) -> None:
    assert crossed.model.kind == "boosting"
    assert crossed.boosting.auc > crossed.logistic.auc + 0.2


@pytest.mark.parametrize("name", ["linear", "crossed"])
def test_parts_sum_to_the_log_odds(name: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(name).model
    asked = customers(seed=5, rows=200, crossed=name == "crossed")
    reasons, proba = model.reasons(asked), model.predict_proba(asked)
    log_odds = reasons.base + reasons.parts.sum(axis=1)
    np.testing.assert_allclose(1 / (1 + np.exp(-log_odds)), proba, atol=1e-6)
    assert reasons.parts.shape == (200, 4)
    for counter, part in reasons.strongest(int(proba.argmax())):
        assert counter in reasons.names
        assert part > 0


def test_reasons_are_those_that_the_data_were_made_of(linear: Fitted) -> None:
    asked = from_columns({"logins": [0.0], "tickets": [6.0], "plan": ["firm"], "other": [0.0]})
    strongest = linear.model.reasons(asked).strongest(0)
    assert {name for name, _ in strongest[:2]} == {"logins", "tickets"}


@pytest.mark.parametrize("name", ["linear", "crossed"])
def test_a_saved_model_says_the_same(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    model = request.getfixturevalue(name).model
    save(model, tmp_path / "model")
    again = load(tmp_path / "model")
    asked = customers(seed=7, rows=300)
    assert (again.predict_proba(asked) == model.predict_proba(asked)).all()
    assert (again.reasons(asked).parts == model.reasons(asked).parts).all()
    assert (again.kind, again.target) == (model.kind, "left")
    assert not [path for path in (tmp_path / "model").iterdir()
                if path.suffix not in {".json", ".safetensors"}]  # fmt: skip


def test_a_damaged_model_is_not_loaded(linear: Fitted, tmp_path: Path) -> None:
    save(linear.model, tmp_path / "model")
    file = tmp_path / "model" / "model.json"
    file.write_text(file.read_text("utf-8").replace('"logistic"', '"boosting"', 1), "utf-8")
    with pytest.raises(ArtifactDamaged, match=r"model\.json"):
        load(tmp_path / "model")


def test_trees_are_those_of_the_library() -> None:
    random = np.random.default_rng(3)
    features = random.normal(size=(800, 6))
    features[random.random((800, 6)) < 0.1] = np.nan
    target = np.nansum(features[:, :3], axis=1) + random.normal(size=800) > 0
    grown = grow(features, target, Growth(12, 30), seed=0)
    trees = as_trees(grown)
    asked = random.normal(size=(500, 6))
    asked[random.random((500, 6)) < 0.2] = np.nan
    expected = grown.decision_function(asked)
    np.testing.assert_allclose(trees.log_odds(asked), expected, rtol=0, atol=1e-9)
    owner = np.arange(6)
    parts = trees.parts(asked, owner, 6)
    np.testing.assert_allclose(trees.base + parts.sum(axis=1), expected, rtol=0, atol=1e-9)


def test_weights_are_those_of_the_plain_regression() -> None:
    """Without bins and with hardly any penalty it is the textbook's."""
    random = np.random.default_rng(1)
    values = random.normal(size=4000)
    table = from_columns({"x": values}, target=0.5 + 1.5 * values + random.logistic(size=4000) > 0)
    model = fit_linear(table, Setup(1, Strength(1e-6, 0)))
    slope = model.slopes[0] / model.counters[0].scale
    assert slope == pytest.approx(1.5, abs=0.15)
    assert model.base - slope * float(values.mean()) == pytest.approx(0.5, abs=0.1)


def test_neighbouring_bins_are_drawn_together() -> None:
    table = customers(rows=400)
    rough = fit_linear(table, Setup(8, Strength(0.1, 0))).tables[3][:-1]
    smooth = fit_linear(table, Setup(8, Strength(0.1, 500))).tables[3][:-1]
    assert np.abs(np.diff(smooth)).max() < 0.2 * np.abs(np.diff(rough)).max()


def test_calibration_undoes_a_stretch() -> None:
    random = np.random.default_rng(2)
    log_odds = random.normal(size=5000) * 2
    truth = log_odds + random.logistic(size=5000) > 0
    scale = fit_scale(3 * log_odds - 1, truth)
    assert scale.factor == pytest.approx(1 / 3, abs=0.03)
    assert scale.shift == pytest.approx(1 / 3, abs=0.1)


def test_unseen_values_and_missing_columns_count_as_blank(linear: Fitted) -> None:
    asked = from_columns({"logins": np.arange(30.0) % 9, "plan": ["trial"] * 30,
                          "tickets": ["many"] * 30})  # fmt: skip
    notices = {notice.code: notice for notice in linear.model.notices(asked)}
    assert notices["missing-column"].params["column"] == "other"
    unseen = [notice.params for notice in linear.model.notices(asked) if notice.code == "unseen"]
    assert {(one["column"], one["text"]) for one in unseen} == {
        ("plan", "trial"), ("tickets", "many"),
    }  # fmt: skip
    proba = linear.model.predict_proba(asked)
    assert np.isfinite(proba).all()
    assert proba[0] > proba[8]


def test_levels_keep_their_meaning_in_another_order() -> None:
    table = customers()
    counters = fit_counters(table, bins=4, linear=True)
    places = np.random.default_rng(0).permutation(ROWS)[:200]
    plan = table.counters[2]
    texts = [plan.levels[int(code)] for code in plan.values[places]]
    other = from_columns({"plan": texts})
    assert other.counters[0].levels != plan.levels or texts[0] == plan.levels[0]
    values, _ = aligned(counters, other)
    assert (values[2] == plan.values[places]).all()
    numbers = from_columns({"region": ["1", "2", "3"] * 20})
    counters = fit_counters(numbers, bins=4, linear=True)
    values, notices = aligned(counters, from_columns({"region": [3.0, 1.0, 9.0]}))
    np.testing.assert_array_equal(values[0], [2, 0, np.nan])
    assert notices[0].params["text"] == "9"


def test_drift_is_told_and_names_the_column(linear: Fitted) -> None:
    table = customers(seed=9)
    assert not [one for one in linear.model.notices(table) if one.code == "drift"]
    columns = {column.name: column.values for column in table.counters if not column.levels}
    moved = from_columns(columns | {"logins": columns["logins"] * 3, "plan": ["free"] * ROWS})
    found = [one for one in linear.model.notices(moved) if one.code == "drift"]
    assert {one.params["column"] for one in found} == {"logins", "plan"}
    assert all(float(one.params["psi"]) > 0.25 for one in found)


def test_leaks_are_told() -> None:
    table = customers()
    assert table.target is not None
    random = np.random.default_rng(4)
    columns = {column.name: column.values for column in table.counters if not column.levels}
    told = from_columns(columns | {"reason": table.target + random.normal(0, 0.05, ROWS)},
                        target=table.target)  # fmt: skip
    found = {notice.code: notice.params for notice in fit(told).notices}
    assert found["leak"]["column"] == "reason"
    half = table.target + random.normal(0, 0.6, ROWS)
    told = from_columns({"weak": columns["other"], "late": half}, target=table.target)
    found = {notice.code: notice.params for notice in fit(told).notices}
    assert found["jump"]["column"] == "late"
    assert float(found["jump"]["gain"]) > 0.12


def test_without_leaks_none_is_told(linear: Fitted) -> None:
    assert not {notice.code for notice in linear.notices} & {"leak", "jump"}


def test_nothing_to_learn_from_is_told() -> None:
    with pytest.raises(BadData, match="has no target"):
        fit(from_columns({"a": [1.0, 2.0]}))
    target = np.arange(100) % 2 == 0
    with pytest.raises(BadData, match="no counter that a model could use"):
        fit(from_columns({"a": [1.0] * 100}, target=target))


def test_many_rows_are_sampled_for_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(propensity, "CHOICE_ROWS", 600)
    monkeypatch.setattr(propensity, "CHOICE_POSITIVES", 50)
    monkeypatch.setattr(propensity, "TREE_ROWS", 500)
    fitted = fit(customers(crossed=True), leaks=False)
    assert len(fitted.judged) == len(fitted.logistic.proba) == 600
    assert fitted.model.report["rows"] == ROWS
    assert fitted.model.kind == "boosting"


def test_rare_answers_are_sampled_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(propensity, "CHOICE_ROWS", 300)
    table = from_columns({"x": np.arange(2000.0) % 7}, target=np.arange(2000) % 50 == 0)
    assert len(fit(table, leaks=False).judged) == 2000
