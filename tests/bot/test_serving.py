"""Loading, damage, swapping, and keeping step with the knowledge base."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot.bundles import load_bundle
from bot.domain import Ticket
from bot.entries import KnowledgeItem
from bot.errors import ArtefactDamaged, NotFound
from bot.learning.bundle import train_bundle
from bot.learning.dataset import CategoryRow, Dataset, QuestionRow
from bot.serving import Serving
from bot.settings import Settings
from bot.store import ArticleRow, Store
from nlp.artifacts import load_json, save_json, write_manifest

ROOT = Path(__file__).resolve().parents[2]
FLIPS = {"full": 400, "short": 80}.get(os.environ.get("TRUST_PROFILE", ""), 10)
COMPANY = ROOT / "admin" / "demo" / "company" / "a_1.jsonl"


def _topics() -> list[dict[str, object]]:
    return [json.loads(line) for line in COMPANY.read_text(encoding="utf-8").splitlines()]


def _dataset() -> Dataset:
    items, questions, rows = [], [], []
    for number, topic in enumerate(_topics(), 1):
        category = topic["category"]
        asked = topic["questions"]["ru"]
        items.append(
            KnowledgeItem(number, topic["answer"]["ru"], topic["title"]["ru"], category, "ru")
        )
        rows.append(CategoryRow(topic["answer"]["ru"], category, "answer"))
        for text in asked:
            questions.append(QuestionRow(text, number))
            rows.append(CategoryRow(text, category, "ticket"))
    return Dataset(tuple(items), tuple(questions), tuple(rows))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One trained bundle, made once."""
    folder = tmp_path_factory.mktemp("artefacts")
    version, metrics = train_bundle(
        _dataset(), folder, seed=0, threads=1, preset="fast", progress=lambda stage, share: None
    )
    assert metrics["trained"] == ["classifier", "ranker", "correction"]
    return folder / version


@pytest.fixture
async def company(store: Store) -> Store:
    """A store with the articles of the trained bundle."""
    for topic in _topics():
        await store.knowledge.save(
            title=topic["title"]["ru"], text=topic["answer"]["ru"], category=topic["category"],
            language="ru",
        )  # fmt: skip
    return store


async def _publish(store: Store, settings: Settings, trained: Path, version: str) -> Path:
    """A copy of the trained bundle under another version, registered and promoted."""
    folder = settings.artefacts_path / version
    shutil.copytree(trained, folder)
    about = load_json(folder / "bundle.json")
    save_json(folder / "bundle.json", about | {"version": version})
    write_manifest(folder)
    await store.models.add_bundle(version, str(folder), about["metrics"])
    await store.models.promote(version)
    return folder


def _flip(path: Path, bit: int | None = None) -> None:
    data = bytearray(path.read_bytes())
    bit = len(data) // 2 * 8 if bit is None else bit
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def _ask(serving: Serving, text: str = "как зарегистрироваться") -> str | None:
    found = serving.answerer.suggest(text)
    assert found.items
    return found.model_version


async def test_without_a_model_the_start_is_cold(company, settings, clock):
    serving = Serving(settings, company, clock)
    await serving.start()
    assert serving.bundle is None
    assert serving.problem == ""
    assert serving.answerer.suggest("как зарегистрироваться").cold
    assert _ask(serving) is None


async def test_empty_knowledge_base_answers_nothing(store, settings, clock):
    serving = Serving(settings, store, clock)
    await serving.start()
    assert serving.answerer.suggest("есть кто?").items == ()


async def test_damaged_champion_gives_way_to_the_previous(company, settings, clock, trained):
    await _publish(company, settings, trained, "v1")
    folder = await _publish(company, settings, trained, "v2")
    _flip(folder / "classifier" / "classifier.safetensors")
    serving = Serving(settings, company, clock)
    await serving.start()
    assert serving.bundle is not None
    assert serving.bundle.version == "v1"
    assert "v2" in serving.problem
    assert "classifier/classifier.safetensors" in serving.problem
    assert _ask(serving) == "v1"


async def test_with_all_bundles_damaged_the_start_is_cold(company, settings, clock, trained):
    first = await _publish(company, settings, trained, "v1")
    second = await _publish(company, settings, trained, "v2")
    (first / "manifest.json").unlink()
    shutil.rmtree(second)
    serving = Serving(settings, company, clock)
    await serving.start()
    assert serving.bundle is None
    assert "v1" in serving.problem
    assert "v2" in serving.problem
    assert _ask(serving) is None


@pytest.mark.parametrize(
    "name", ["bundle.json", "classifier/classifier.json", "ranker", "correction"]
)
async def test_bundle_with_any_part_changed_is_refused(tmp_path, trained, name):
    folder = tmp_path / "copy"
    shutil.copytree(trained, folder)
    path = folder / name
    if path.is_dir():
        path = min(path.iterdir())
    _flip(path)
    with pytest.raises(ArtefactDamaged, match=path.name):
        load_bundle(folder)


@pytest.mark.timeout(900)
def test_any_flipped_bit_of_a_bundle_is_found(tmp_path, trained, record_property):
    folder, rng = tmp_path / "copy", random.Random(4)
    shutil.copytree(trained, folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sizes = [path.stat().st_size for path in files]
    for number in range(FLIPS):
        # half of them wherever a bit of the disk may be, half in each file alike
        [path] = rng.choices(files, sizes if number % 2 else None)
        bit = rng.randrange(path.stat().st_size * 8)
        _flip(path, bit)
        with pytest.raises(ArtefactDamaged):
            load_bundle(folder)
        _flip(path, bit)
    load_bundle(folder)
    record_property("figure R13", f"{FLIPS} flipped bits of {sum(sizes) // 1024} KB, each found")


@pytest.mark.timeout(900)
def test_a_damaged_bundle_whose_seal_was_renewed_is_refused_or_answers(tmp_path, trained):
    """Weights that lie and still fit cannot be told; nothing worse than a refusal comes of them."""
    rng = random.Random(5)
    files = sorted(path.relative_to(trained) for path in trained.rglob("*") if path.is_file())
    refused = 0
    for number in range(max(5, FLIPS // 4)):
        folder = tmp_path / str(number)
        shutil.copytree(trained, folder)
        path = folder / rng.choice([name for name in files if name.name != "manifest.json"])
        content = bytearray(path.read_bytes())
        for _ in range(rng.choice((1, 3, 30))):
            at = rng.randrange(min(len(content), rng.choice((64, 2_000, 10**9))))
            content[at] = rng.randrange(256)
        path.write_bytes(content[: rng.choice((len(content), len(content), at + 1))])
        write_manifest(folder)
        try:
            bundle = load_bundle(folder)
        except ArtefactDamaged:
            refused += 1
        else:
            assert bundle.encoder is None or bundle.encoder.encode_questions(["чек"]).shape[0] == 1
        shutil.rmtree(folder)
    assert refused


async def test_sealed_bundle_of_another_shape_is_refused(tmp_path, trained):
    folder = tmp_path / "copy"
    shutil.copytree(trained, folder)
    config = load_json(folder / "classifier" / "classifier.json")
    save_json(folder / "classifier" / "classifier.json", config | {"labels": ["one", "two"]})
    write_manifest(folder)
    with pytest.raises(ArtefactDamaged, match="does not fit"):
        load_bundle(folder)


async def test_reload_of_a_damaged_version_changes_nothing(company, settings, clock, trained):
    await _publish(company, settings, trained, "v1")
    serving = Serving(settings, company, clock)
    await serving.start()
    folder = await _publish(company, settings, trained, "v2")
    _flip(folder / "bundle.json")
    before = serving.answerer
    with pytest.raises(ArtefactDamaged):
        await serving.reload("v2")
    with pytest.raises(NotFound):
        await serving.reload("v9")
    assert serving.answerer is before
    assert _ask(serving) == "v1"


async def test_swap_and_warm_roll_back(company, settings, clock, trained):
    await _publish(company, settings, trained, "v1")
    serving = Serving(settings, company, clock)
    await serving.start()
    assert serving.bundle is not None
    assert serving.bundle.metrics["trained"]
    first = serving.answerer
    await _publish(company, settings, trained, "v2")
    await serving.reload()
    assert _ask(serving) == "v2"
    assert first.suggest("как зарегистрироваться").model_version == "v1"
    # The folder is not needed to go back: the previous bundle stays in memory.
    shutil.rmtree(settings.artefacts_path / "v1")
    await company.models.rollback()
    await serving.reload()
    assert _ask(serving) == "v1"


async def test_edits_reach_the_live_and_the_previous_index(company, settings, clock, trained):
    await _publish(company, settings, trained, "v1")
    serving = Serving(settings, company, clock)
    await serving.start()
    await _publish(company, settings, trained, "v2")
    await serving.reload()
    new = await company.knowledge.save(
        title="Как заказать летающий самокат", text="Самокаты выдаёт ангар номер семь."
    )
    await serving.apply_articles([new.id])
    for version in ("v2", "v1"):
        await serving.reload(version)
        found = serving.answerer.suggest("как заказать летающий самокат")
        assert found.items[0].answer_id == new.id
        assert found.knowledge_revision == await company.knowledge.revision()
    await company.knowledge.remove(new.id)
    await serving.apply_articles([new.id, 99_999])
    found = serving.answerer.suggest("как заказать летающий самокат")
    assert new.id not in [item.answer_id for item in found.items]


async def test_missed_edits_are_caught_up_at_the_next_reload(company, settings, clock):
    serving = Serving(settings, company, clock)
    await serving.start()
    new = await company.knowledge.save(title="Где выдают шляпы", text="Шляпы выдают на складе.")
    await serving.reload()
    assert serving.answerer.suggest("где выдают шляпы").items[0].answer_id == new.id


async def test_question_tied_by_a_ticket_leads_to_its_article(company, settings, clock):
    target = (await company.knowledge.all_items())[5]
    await company.knowledge.import_tickets(
        [Ticket("абракадабра снежинка", target.category, answer_id=target.id)]
    )
    serving = Serving(settings, company, clock)
    await serving.start()
    found = serving.answerer.suggest("снежинка абракадабра")
    assert found.items[0].answer_id == target.id


async def test_device_says_why(company, settings, clock, trained):
    await _publish(company, settings, trained, "v1")
    serving = Serving(settings, company, clock)
    await serving.start()
    assert serving.device.name
    assert serving.device.reason


_SERVE = """
import asyncio, json, sys
from bot.serving import Serving
from bot.settings import Settings
from bot.store import ArticleRow, Store

async def main(folder):
    settings = Settings(data_dir=folder)
    store = Store.open(settings)
    serving = Serving(settings, store, lambda: 0.0)
    await serving.start()
    found = serving.answerer.suggest("как зарегистрироваться, не приходит код")
    await store.close()
    heavy = ("torch", "sklearn", "scipy", "nltk", "pandas", "pyarrow")
    print(json.dumps([found.model_version, [name for name in heavy if name in sys.modules]]))

asyncio.run(main(sys.argv[1]))
"""


async def test_serving_loads_no_heavy_library(company, settings, trained):
    await _publish(company, settings, trained, "v1")
    await company.close()
    run = subprocess.run(
        [sys.executable, "-c", _SERVE, settings.data_dir],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == ["v1", []]


async def test_many_changes_at_once_are_found_by_every_model_at_hand(
    company: Store, settings: Settings, trained: Path, clock
) -> None:
    await _publish(company, settings, trained, "v1")
    await _publish(company, settings, trained, "v2")
    serving = Serving(settings, company, clock)
    await serving.start()
    await serving.warm_previous()
    before = serving.answerer.index
    rows = [ArticleRow(f"Полка номер {number} стоит в зале.") for number in range(600)]
    diff = await company.knowledge.import_articles(rows)
    await serving.apply_articles(diff.changed_ids)
    # The index that answered meanwhile was left as it was.
    assert len(before) == len(_topics())
    assert len(serving.answerer.index) == len(_topics()) + 600
    assert serving.answerer.revision == await company.knowledge.revision()
    for version in ("v2", "v1"):
        await serving.reload(version)
        found = serving.answerer.suggest("где стоит полка номер 77")
        assert found.model_version == version
        assert "77" in found.items[0].text


async def test_going_back_does_not_wait_for_a_model_that_is_being_built(
    company: Store, settings: Settings, trained: Path, clock
) -> None:
    for version in ("v1", "v2", "v3"):
        await _publish(company, settings, trained, version)
    serving = Serving(settings, company, clock)
    await serving.reload("v1")
    await serving.reload("v2")
    rows = [ArticleRow(f"Полка номер {number} стоит в зале.") for number in range(2_000)]
    await serving.apply_articles((await company.knowledge.import_articles(rows)).changed_ids)
    building = asyncio.create_task(serving.beside("v3"))
    await asyncio.sleep(0.05)
    await serving.reload("v1")
    assert not building.done()
    await building
    assert serving.bundle is not None
    assert serving.bundle.version == "v1"
