"""What must never go live by itself: each sabotage is refused, in plain words of two languages."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bot.bundles import load_bundle
from bot.errors import ArtefactDamaged
from bot.learning import gate
from bot.learning.gate import Ruling
from bot.learning.judging import Evidence, judge
from bot.learning.seen import unseen
from bot.store.records import Canary
from nlp.artifacts import (
    load_arrays,
    load_json,
    save_arrays,
    save_json,
    seal_of,
    write_manifest,
)
from nlp.classifier import ClassifierState, ForeignRule, TicketClassifier
from nlp.features import HashedTrigrams
from nlp.gathering import Table
from nlp.layout import LayoutReader
from nlp.network import Network

Damage = Callable[[Path], None]


def _flip_a_bit(folder: Path) -> None:
    path = folder / "classifier" / "classifier.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _truncate(folder: Path) -> None:
    path = next((folder / "ranker").glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:-100])


def _forget_an_entry(folder: Path) -> None:
    manifest = load_json(folder / "manifest.json")
    del manifest["files"]["correction/correction.json"]
    save_json(folder / "manifest.json", manifest)


def _add_a_file(folder: Path) -> None:
    (folder / "classifier" / "extra.bin").write_bytes(b"extra")


def _lose_a_file(folder: Path) -> None:
    (folder / "correction" / "correction.safetensors").unlink()


def _swap_a_file(folder: Path) -> None:
    # Of another training: the same size and shape, other numbers.
    path = folder / "correction" / "correction.safetensors"
    arrays = load_arrays(path)
    save_arrays(path, arrays | {"linear": arrays["linear"] + 1})


def _wrong_shapes(folder: Path) -> None:
    path = next((folder / "ranker").glob("*.safetensors"))
    arrays = load_arrays(path)
    save_arrays(path, arrays | {"question_weight": arrays["question_weight"][:-1]})
    write_manifest(folder)


def _no_numbers(folder: Path) -> None:
    path = folder / "classifier" / "classifier.safetensors"
    arrays = load_arrays(path)
    name = next(
        name for name, array in arrays.items() if name.startswith("network0") and array.size
    )
    arrays[name].flat[0] = np.nan
    save_arrays(path, arrays)
    write_manifest(folder)


def _older_hash(folder: Path) -> None:
    features = HashedTrigrams.fit(["где посылка", "верните деньги"])
    labels = ("вход", "возврат", "доставка", "оплата", "скидки")
    network = Network(Table(np.zeros((features.width, 6), np.float32)), np.zeros(6, np.float32))
    rule = ForeignRule.fit([np.zeros((4, 6), np.float32)], rejected=0.05)
    state = ClassifierState(
        "seed", labels, LayoutReader.fit(["где посылка"]), features, (network,), (1.0,), rule
    )
    TicketClassifier(state).save(folder / "classifier")
    path = folder / "classifier" / "classifier.safetensors"
    save_arrays(path, load_arrays(path) | {"hash_version": np.array([0], np.int64)})
    write_manifest(folder)


def _broken_calibration(folder: Path) -> None:
    path = folder / "classifier" / "classifier.json"
    config = load_json(path)
    save_json(path, config | {"scales": [scale / 50 for scale in config["scales"]]})
    write_manifest(folder)


def _huge(folder: Path) -> None:
    with (folder / "classifier" / "padding.bin").open("wb") as file:
        file.truncate(65 << 20)
    write_manifest(folder)


def _no_ranker(folder: Path) -> None:
    shutil.rmtree(folder / "ranker")
    shutil.rmtree(folder / "correction")
    write_manifest(folder)


@pytest.fixture
def copy_of(champion, tmp_path) -> Callable[[Damage | None], Path]:
    """A challenger: the champion's folder again, damaged."""

    def copy(damage: Damage | None = None) -> Path:
        folder = tmp_path / "20270101-000000-beef"
        shutil.copytree(champion.folder, folder)
        if damage is not None:
            damage(folder)
        return folder

    return copy


def _refused(ruling: Ruling, russian: str, english: str) -> None:
    assert not ruling.passed
    assert russian in ruling.words("ru")
    assert english in ruling.words("en")


def _judge(champion, folder: Path, canaries: Sequence[Canary] = ()) -> Ruling:
    evidence = Evidence(champion.known, champion.held, canaries)
    trained = [part.name for part in folder.iterdir() if part.is_dir()]
    metrics = champion.metrics | {"trained": trained}
    return judge(folder, evidence, champion.folder, metrics)[0]


def test_an_unharmed_copy_passes(champion, copy_of):
    ruling = _judge(champion, copy_of())
    assert ruling.passed, ruling.words("en")
    assert len({check.name for check in ruling.checks}) == len(ruling.checks)
    assert "не хуже" in ruling.words("ru")
    assert Ruling.of_metrics({"ruling": ruling.as_metrics()}) == ruling


@pytest.mark.parametrize(
    ("damage", "russian", "english"),
    [
        (_flip_a_bit, "содержимое файла classifier/classifier.safetensors", "has changed"),
        (_truncate, "обрезан", "cut short"),
        (_forget_an_entry, "лишний файл correction/correction.json", "manifest does not list"),
        (_add_a_file, "лишний файл classifier/extra.bin", "manifest does not list"),
        (_lose_a_file, "нет файла correction/correction.safetensors", "is missing"),
        (_swap_a_file, "содержимое файла correction/correction.safetensors", "has changed"),
        (_wrong_shapes, "не подходят друг к другу", "do not fit each other"),
        (_no_numbers, "вместо чисел", "no numbers"),
        (_older_hash, "к этой версии программы", "or this release"),
        (_broken_calibration, "уверенность не соответствует делу", "confidence cannot be trusted"),
        (_huge, "слишком большая", "too large"),
        (_no_ranker, "нет части", "lacks a part"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)  # fmt: skip
def test_damaged_models_are_refused(champion, copy_of, damage, russian, english):
    _refused(_judge(champion, copy_of(damage)), russian, english)


def test_a_manifest_written_anew_is_no_excuse(champion, copy_of):
    folder = copy_of()
    assert load_bundle(folder, champion.metrics["seal"]).classifier is not None
    _swap_a_file(folder)
    write_manifest(folder)
    assert load_bundle(folder).classifier is not None
    assert seal_of(folder) != champion.metrics["seal"]
    with pytest.raises(ArtefactDamaged, match="not the one of the training"):
        load_bundle(folder, champion.metrics["seal"])


def test_a_leaked_slice_is_refused(champion, copy_of):
    # Not word for word: another order number is the same question.
    leak = [replace(row, text=row.text[:-1] + "0") for row in champion.held.rows[:3]]
    data = replace(champion.known, rows=(*champion.known.rows, *leak))
    ruling, _ = judge(copy_of(), Evidence(data, champion.held), champion.folder, champion.metrics)
    _refused(ruling, "попали отложенные обращения", "Frozen questions were trained on")


def test_a_lost_canary_is_refused(champion, copy_of):
    def canary(question: str, answer_id: int | None, category: str = "") -> Canary:
        return Canary(1, question, answer_id, category, "ru", 0.0, "admin")

    kept = canary("где мой курьер", 1, "доставка")
    assert _judge(champion, copy_of(), [kept]).passed
    folder = champion.folder
    lost = [kept, canary("где мой курьер", 5), canary("забыл пароль", None, "оплата")]
    _refused(_judge(champion, folder, lost), "(2 из 4): «где мой курьер»", "lost their answer")
    # An article that is gone cannot be kept.
    assert _judge(champion, folder, [canary("где мой курьер", 99)]).passed


@pytest.mark.parametrize("source", ["agent:9", "import:june.csv"])
def test_a_poisoned_batch_is_refused_and_left_out(
    champion, make_desk, train_desk, tmp_path, source
):
    desk, honest_rows = make_desk
    following = {"доставка": "возврат", "возврат": "оплата", "оплата": "вход", "вход": "скидки",
                 "скидки": "доставка"}  # fmt: skip
    honest = honest_rows()
    poison = [(f"{text} срочно", following[name], source) for text, name, _ in honest[:80]]
    found = train_desk(desk([*honest, *poison]), tmp_path, champion.folder, part="classifier")
    ruling = Ruling.of_metrics(found.metrics)
    assert ruling is not None
    _refused(ruling, f"Источник «{source}» спорит со всеми", f"The source '{source}' contradicts")
    assert [one["source"] for one in found.metrics["sources"]] == [source, source]
    # An admin who promotes it all the same is not asked again.
    again = gate.check_source(source, "answers", rows=80, contradicting=80, usual=0.1, known=True)
    assert again.passed
    assert load_json(found.folder / "bundle.json")["metrics"]["sources"] == found.metrics["sources"]
    # Without those rows the model is as good as before.
    assert {check.name for check in ruling.checks if not check.passed} == {"sources"}
    assert found.metrics["data"]["rows"] <= len(champion.data.rows)


def test_swapped_labels_are_refused(champion, make_desk, train_desk, tmp_path):
    desk, honest_rows = make_desk
    swap = {"вход": "скидки", "скидки": "вход"}
    rows = [(text, swap.get(name, name), source) for text, name, source in honest_rows()]
    found = train_desk(desk(rows), tmp_path, champion.folder, part="classifier")
    ruling = Ruling.of_metrics(found.metrics)
    assert ruling is not None
    _refused(ruling, "метки подменены", "labels seem to be swapped")
    assert "вход" in ruling.words("ru")


def test_an_emptied_category_is_refused(champion, make_desk, train_desk, tmp_path):
    desk, honest_rows = make_desk
    rows = [row for row in honest_rows() if row[1] != "вход"]
    data = desk(rows)
    data = replace(data, rows=tuple(row for row in data.rows if row.category != "вход"))
    found = train_desk(data, tmp_path, champion.folder, part="classifier")
    ruling = Ruling.of_metrics(found.metrics)
    assert ruling is not None
    _refused(ruling, "Категория опустела", "A category is empty")
    assert "вход" in ruling.words("en")


def test_a_part_alone_takes_the_others_over(champion, train_desk, tmp_path):
    found = train_desk(champion.data, tmp_path, champion.folder, part="classifier")
    ruling = Ruling.of_metrics(found.metrics)
    assert ruling is not None
    assert ruling.passed, ruling.words("en")
    assert found.metrics["fresh"] == ["classifier"]
    assert found.metrics["trained"] == ["classifier", "ranker", "correction"]
    assert found.metrics["taken_over"] == ["ranker", champion.folder.name]
    for name in ("ranker", "correction"):
        for path in (champion.folder / name).iterdir():
            assert (found.folder / name / path.name).read_bytes() == path.read_bytes()
    frozen = found.held.texts
    for part in ("classifier", "ranker"):
        assert unseen(found.folder, part, frozen) == set(frozen)
    assert unseen(found.folder, "classifier", [found.known.rows[-1].text]) == set()
    assert {"frozen-categories", "frozen-answers"} <= {check.name for check in ruling.checks}
