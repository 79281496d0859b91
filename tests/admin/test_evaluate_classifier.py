"""The classifier command on tickets written for it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from admin.cli import run
from admin.evaluate.classifier import Plan, Trained, _figures, _splits, _trained
from admin.evaluate.peers import PEERS, fit_peer
from admin.importers.rows import TicketRow

KEYS = {
    "accuracy", "macro_f1", "top3", "ece", "ece_low", "ece_high", "coverage_at_90",
    "coverage_at_95", "oos_auroc", "oos_recall_at_5", "train_cpu_s", "model_bytes", "latency_ms",
}  # fmt: skip
SAID = {
    "card": ("my card is lost", "the card was declined", "order a new card", "card is blocked",
             "freeze the card", "card number please", "is my card valid", "card expired"),
    "login": ("забыл пароль", "не могу войти", "смените пароль", "пароль не подходит",
              "войти без пароля", "новый пароль", "почему не войти", "пароль утерян"),
    "ship": ("parcel is late", "where is the parcel", "delivery of the parcel", "courier is late",
             "parcel lost by courier", "change delivery day", "delivery price", "no parcel yet"),
    "refund": ("верните деньги", "возврат денег", "деньги не вернули", "когда вернут деньги",
               "оформить возврат", "возврат товара", "сумма возврата", "деньги за товар"),
}  # fmt: skip


def write(path: Path, rows: list[tuple[str, str]]) -> str:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "category"), *rows])
    return str(path)


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    train = [(text, category) for category, said in SAID.items() for text in said[:6]]
    test = [(text, category) for category, said in SAID.items() for text in said[6:]]
    return write(tmp_path / "train.csv", train), write(tmp_path / "test.csv", test)


class Fixed:
    """A model whose answers are given."""

    labels = ("a", "b", "c", "d")
    cpu_s = 2.5
    size_bytes = 100
    proba = np.asarray(
        [[0.9, 0.1, 0, 0], [0.2, 0.8, 0, 0], [0.6, 0.3, 0.1, 0], [0, 0.1, 0.2, 0.7]], np.float32
    )

    def predict_proba(self, texts: list[str]) -> np.ndarray:
        return self.proba[[int(text) for text in texts]]

    def foreign_score(self, texts: list[str]) -> np.ndarray:
        return np.asarray([float(text) for text in texts], np.float32)

    def call(self, text: str) -> None:
        self.predict_proba([text])


def ticket(text: str, category: str) -> TicketRow:
    return TicketRow(1, text, category, None, "", "", "")


def test_figures_by_hand() -> None:
    # predicted a, b, a, d; "new" is no category of the training rows
    test = [ticket("0", "a"), ticket("1", "b"), ticket("2", "b"), ticket("3", "new")]
    trained = Trained(Fixed(), {"0.9": 0.65})
    found = _figures(Plan(train=test, oos=["3", "2", "3"]), [trained], [test])
    assert found["accuracy"] == 0.5
    assert found["top3"] == 0.75
    # a: 2/3, b: 2/3, d: 0, new: 0
    assert found["macro_f1"] == pytest.approx(1 / 3)
    # .9, .8 and .7 are accepted, two of them right; .95 is not promised
    assert found["coverage_at_90"] == 0.75
    assert found["precision_at_90"] == pytest.approx(2 / 3)
    assert (found["coverage_at_95"], found["precision_at_95"]) == (0.0, None)
    # four bins of one prediction: gaps .1, .2, .6, .7
    assert found["ece"] == pytest.approx(0.4)
    # scores 0 1 2 3 against 3 2 3: of 12 pairs 8 above, 3 equal
    assert found["oos_auroc"] == pytest.approx(9.5 / 12)
    assert found["oos_recall_at_5"] == 0.0  # none is above the own 3
    assert (found["train_cpu_s"], found["model_bytes"]) == (2.5, 100)


def test_folds_are_pooled() -> None:
    first, second = [ticket("0", "a")], [ticket("2", "b"), ticket("1", "b"), ticket("3", "d")]
    trained = [Trained(Fixed(), {"0.9": 0.95}), Trained(Fixed(), {"0.9": 0.75})]
    found = _figures(Plan(train=first), trained, [first, second])
    assert found["accuracy"] == 0.75
    # each fold by its own threshold: of the second only .8
    assert found["coverage_at_90"] == 0.25
    assert found["oos_auroc"] is None


@pytest.mark.parametrize("name", PEERS)
def test_peers_learn_two_categories_and_unseen_ones(name: str) -> None:
    texts = ["red apple", "red cherry", "green pear", "green grape"] * 5
    numbers = np.asarray([0, 0, 1, 1] * 5)
    rows = np.arange(20)
    peer = fit_peer(
        name, texts, numbers, ("red", "green", "blue"),
        folds=[(rows[:10], rows[10:])], promises=(0.9,),
    )  # fmt: skip
    proba = peer.predict_proba(["a red plum", "green"])
    assert proba.argmax(axis=1).tolist() == [0, 1]
    assert proba.sum(axis=1) == pytest.approx([1, 1])
    assert (proba[:, 2] < proba.max(axis=1)).all()
    scores = peer.foreign_score(["red apple", "something else"])
    assert scores[1] > scores[0]
    assert peer.size_bytes > 50


def test_the_report(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    oos = tmp_path / "oos.txt"
    oos.write_text("what is the weather\nкто написал роман\nwho won the match\n", encoding="utf-8")
    knowledge = tmp_path / "kb.csv"
    knowledge.write_text("question,answer,category\nhow to pay,with your card,card\n")
    assert run([
        "evaluate", "classifier", *files, "--oos", str(oos), "--kb", str(knowledge),
        "--preset", "fast", "--seeds", "2", "--typos", "0.05", "--translit", "--layout", "--json",
    ]) == 0  # fmt: skip
    report = json.loads(capsys.readouterr().out)
    assert set(report) == {"data", "preset", "ours", "peers", "seeds"}
    assert (report["data"]["train"], report["data"]["judged"], report["data"]["oos"]) == (24, 8, 3)
    assert set(report["peers"]) == set(PEERS)
    for found in (report["ours"], *report["peers"].values(), *report["seeds"]):
        assert set(found) >= KEYS
        assert set(found["perturbed"]) >= KEYS
        assert 0 <= found["accuracy"] <= 1
        assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["p99"]
    assert report["ours"]["accuracy"] >= 0.75
    assert list(report["ours"]["perturbed"]["accuracy_by_variant"]) == [
        "typos-0.05", "translit-icao", "translit-gost", "translit-informal", "layout",
    ]  # fmt: skip
    assert 0 <= report["ours"]["perturbed"]["clean_misread"] <= 1
    assert "clean_misread" not in report["peers"]["linear_svc"]["perturbed"]


def test_cross_validation_reads_no_test_file(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [files[0], "none.csv", "--folds", "2", "--preset", "fast", "--typos", "0.1"]
    assert run(["evaluate", "classifier", *arguments]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == ["neurobot", *PEERS]
    assert "accuracy" in out
    assert "typos-0.1" in out
    assert "judged 24" in out
    assert "folds 2" in out


def test_equal_texts_stay_in_one_fold() -> None:
    rows = [ticket(text, category) for category, said in SAID.items() for text in said]
    rows += [ticket(text.upper(), category) for category, said in SAID.items() for text in said]
    splits = _splits(Plan(train=rows, folds=4))
    assert sum(len(judged) for _, judged in splits) == len(rows)
    for train, judged in splits:
        assert not {row.text.lower() for row in train} & {row.text.lower() for row in judged}


def test_thresholds_of_a_file_replace_those_of_folds() -> None:
    valid = [ticket("0", "a")] * 30 + [ticket("1", "a")] * 30
    trained = _trained(Plan(train=valid, valid=valid), Fixed(), {"0.9": 0.1, "0.95": 0.1})
    # all thirty at .9 are right: the lower limit is .1 ** (1 / 30) = .926, with one wrong .88
    assert trained.thresholds == {"0.9": pytest.approx(0.9)}
