"""The index of a model as a file: opened, followed, renewed; never used when it does not fit."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from bot.answering import Answerer
from bot.bundles import Bundle
from bot.candidates import CandidateIndex
from bot.domain import Inbound, Ticket, Verdict, VerdictRecord
from bot.index_files import IndexFiles
from bot.items import read_items
from bot.serving import Serving
from bot.store import ArticleRow, Store

NAMES = ("lamp", "chair", "mirror", "bicycle", "kettle", "carpet", "window", "ladder")
ASKED = [f"where is the {name} number {number}" for number in (3, 12) for name in NAMES]


class Drawn:
    """An encoder that draws a vector for each text, another one for another text."""

    translation = None
    dimension = 8

    def encode_questions(self, texts):
        drawn = [np.random.default_rng(list(text.encode())).normal(size=8) for text in texts]
        rows = np.asarray(drawn, np.float32).reshape(-1, self.dimension)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    encode_answers = encode_questions


BUNDLE = Bundle("v1", None, Drawn(), None, seal="one")


@pytest.fixture
async def shop(store: Store) -> Store:
    """A store with enough articles for a file to be worth it."""
    rows = [
        ArticleRow(
            f"The {name} number {number} stands in hall {number % 7}.",
            (f"Where do I find {name} {number}?", f"Is {name} {number} sold?"),
        )
        for number in range(13)
        for name in NAMES
    ]
    await store.knowledge.import_articles(rows)
    return store


def _said(index: CandidateIndex) -> list[object]:
    """Everything that an index says to the questions, but for numbers of its rows."""
    answerer = Answerer(None, index, 0)
    return [
        [(item.answer_id, item.text, item.reasons, round(item.confidence, 5)) for item in found]
        for found in (answerer.suggest(text).items for text in ASKED)
    ]


def _files(settings) -> list[str]:
    return sorted(path.name for path in settings.index_path.iterdir())


async def _built(shop, bundle: Bundle | None = BUNDLE) -> CandidateIndex:
    """An index of what the store holds now, that was never in a file."""
    index = CandidateIndex(bundle.encoder if bundle is not None else None)
    index.put((await read_items(shop))[0])
    return index


@pytest.mark.parametrize("bundle", [BUNDLE, None])
async def test_what_is_opened_answers_as_what_was_built(shop, settings, bundle):
    files = IndexFiles(settings, shop)
    await files.index(bundle)
    built, opened = await _built(shop, bundle), await files.index(bundle)
    assert opened.changed == 0
    assert _said(opened.index) == _said(built)
    for question in ASKED:
        one, two = built.search(question), opened.index.search(question)
        assert one.answer_ids == two.answer_ids
        assert one.matched_questions == two.matched_questions
        np.testing.assert_allclose(one.features, two.features, atol=5e-5)  # vectors in steps
    assert len(opened.index) == len(built) == 104
    assert opened.index.items() == built.items()


async def test_a_start_reads_only_what_changed(shop, settings):
    files = IndexFiles(settings, shop)
    await files.index(BUNDLE)
    articles = {one.text: one for one in await shop.knowledge.all_items()}
    old = articles["The lamp number 3 stands in hall 3."]
    gone = articles["The chair number 3 stands in hall 3."]
    asked = articles["The kettle number 3 stands in hall 3."]
    await shop.knowledge.save(article_id=old.id, text="The lamp number 3 was sold.")
    await shop.knowledge.remove(gone.id)
    new = await shop.knowledge.save(text="The samovar number 3 stands in hall 9.")
    await shop.knowledge.import_tickets([Ticket("my tea is cold", "", answer_id=asked.id)])
    opened = await files.index(BUNDLE)
    assert opened.changed == 4
    fresh = await _built(shop)
    assert {item.answer_id: item for item in opened.index.items()} == {
        item.answer_id: item for item in fresh.items()
    }
    assert opened.index.search("my tea is cold").answer_ids[0] == asked.id
    assert opened.index.search("samovar").answer_ids[0] == new.id
    assert opened.index.item(gone.id) is None
    # Written anew: the next start has nothing to read.
    await files.index(BUNDLE, write=True)
    again = await files.index(BUNDLE)
    assert again.changed == 0
    assert _said(again.index) == _said(opened.index)


async def test_a_verdict_changes_the_stamp_of_its_article(shop):
    before = await shop.knowledge.stamps()
    [article, *_] = await shop.knowledge.all_items()
    agent = await shop.people.create_agent("ann")
    [receipt] = await shop.conversations.receive([Inbound("web", "m1", "c1", "lamp?", 1.0)])
    message = receipt.message_id
    verdict = VerdictRecord(
        message, article.id, 1, Verdict.ACCEPTED, agent.id, 5.0, 0.9, "v1", 0, ""
    )
    await shop.feedback.record([verdict])
    after = await shop.knowledge.stamps()
    assert {key for key in after if after[key] != before[key]} == {article.id}


@pytest.mark.parametrize("name", ["entries", "question_vectors"])
async def test_a_damaged_file_is_not_used(shop, settings, caplog, name):
    files = IndexFiles(settings, shop)
    wanted = _said((await files.index(BUNDLE)).index)
    path = settings.index_path / "v1" / f"{name}.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        opened = await files.index(BUNDLE)
    assert f"{name}.safetensors" in caplog.text
    assert _said(opened.index) == wanted
    caplog.clear()
    await files.index(BUNDLE)
    assert not caplog.records  # it was replaced


async def test_a_file_of_another_training_is_stale(shop, settings, caplog):
    files = IndexFiles(settings, shop)
    await files.index(BUNDLE)
    with caplog.at_level(logging.WARNING):
        await files.index(dataclasses.replace(BUNDLE, seal="two"))
    assert "built anew" in caplog.text


@pytest.mark.parametrize("part", ["passages", "texts", "answer_vectors"])
async def test_whole_parts_that_do_not_fit_are_not_used(shop, settings, caplog, part):
    """As by a mistake of ours: every checksum is right."""
    files = IndexFiles(settings, shop)
    wanted = _said((await files.index(BUNDLE)).index)
    other = IndexFiles(type(settings)(data_dir=settings.data_dir + "-other"), shop)
    for article in (await shop.knowledge.all_items())[:3]:
        await shop.knowledge.remove(article.id)
    await other.index(BUNDLE)
    for article in (await shop.knowledge.articles(state="removed", per_page=50)).items:
        await shop.knowledge.restore(article.id)
    mine, theirs = (Path(f"{settings.data_dir}{end}") / "index" / "v1" for end in ("", "-other"))
    name = f"{part}.safetensors"
    (mine / name).write_bytes((theirs / name).read_bytes())
    about, its = (json.loads((one / "snapshot.json").read_text()) for one in (mine, theirs))
    about["files"][name] = its["files"][name]
    (mine / "snapshot.json").write_text(json.dumps(about))
    with caplog.at_level(logging.WARNING):
        opened = await files.index(BUNDLE)
    assert "built anew" in caplog.text
    assert _said(opened.index) == wanted


async def test_a_folder_that_cannot_be_written_costs_the_file_alone(shop, settings, caplog):
    settings.index_path.parent.mkdir(parents=True, exist_ok=True)
    settings.index_path.write_text("in the way")
    with caplog.at_level(logging.WARNING):
        found = await IndexFiles(settings, shop).index(BUNDLE)
    assert "every text" in caplog.text
    assert len(found.index) == 104


async def test_an_erasure_that_was_cut_short_is_finished_by_the_next_start(shop, settings, clock):
    serving = Serving(settings, shop, clock)
    await serving.start()
    [article, *_] = await shop.knowledge.all_items()
    file = settings.index_path / "cold" / "entries.safetensors"
    serving.expect_erasure()
    await shop.knowledge.save(article_id=article.id, text="Nothing is said here.")
    shutil.copytree(file.parent, settings.index_path / "v0")
    assert article.text.encode() in file.read_bytes()
    again = Serving(settings, shop, clock)
    await again.start()
    async with asyncio.timeout(10):
        while (settings.index_path / "unclean").exists():
            await asyncio.sleep(0.02)
    assert _files(settings) == ["cold"]
    assert article.text.encode() not in file.read_bytes()


async def test_the_last_room_of_a_disk_is_for_messages(shop, settings, caplog, monkeypatch):
    usage = shutil.disk_usage(settings.data_path)
    left = usage._replace(free=201_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: left)
    with caplog.at_level(logging.WARNING):
        found = await IndexFiles(settings, shop).index(BUNDLE)
    assert "room" in caplog.text
    assert len(found.index) == 104
    assert _files(settings) == []


async def test_few_articles_get_no_file(store, settings):
    await store.knowledge.save(text="Lamps are sold in hall 3.")
    found = await IndexFiles(settings, store).index(None)
    assert len(found.index) == 1
    assert not settings.index_path.exists()


async def test_the_files_used_last_are_kept(shop, settings):
    files = IndexFiles(settings, shop)
    for number in range(4):
        await files.index(Bundle(f"v{number}", None, None, None))
    (settings.index_path / ".v0-left").mkdir()
    await files.index(Bundle("v0", None, None, None))
    await files.index(Bundle("v4", None, None, None))
    assert _files(settings) == ["v0", "v2", "v3", "v4"]


async def test_many_edits_are_written_in_the_background(shop, settings, clock):
    serving = Serving(settings, shop, clock)
    await serving.start()
    manifest = settings.index_path / "cold" / "snapshot.json"
    before = manifest.read_text()
    rows = [ArticleRow(f"The drawer number {number} is locked.") for number in range(210)]
    diff = await shop.knowledge.import_articles(rows)
    await serving.apply_articles(diff.changed_ids)
    assert manifest.read_text() == before
    async with asyncio.timeout(10):
        while not manifest.exists() or manifest.read_text() == before:
            await asyncio.sleep(0.02)
    assert (await IndexFiles(settings, shop).index(None)).changed == 0
    assert "209" in serving.answerer.suggest("is drawer 209 locked").items[0].text
    await serving.stop()
