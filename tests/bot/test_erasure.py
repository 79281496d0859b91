"""After an erasure nothing of the person is left but numbers, and what is left is named."""

import asyncio
import shutil

import msgspec
import pytest

from bot import erasure
from bot.domain import (
    Attachment,
    Author,
    Decision,
    Inbound,
    Reasons,
    Suggestion,
    Suggestions,
    Verdict,
    VerdictRecord,
)
from bot.errors import Conflict, NotFound
from bot.event import PAGE_VIEW, Event
from bot.learning.dataset import collect
from bot.store import ArticleRow, Reply
from bot.store.items import StoredItem

SECRET = "my parrot Kesha chewed the blue router of flat twelve"
FORMER = "my parrot Kesha swallowed the remote control"
SHARED = "how do I restart the router"


def channel_message(number, text, customer="person-4711-x", **fields):
    return Inbound("web", f"{customer}-{number}", customer, text, 1_000.0 + number, **fields)


def said(answer):
    items = (Suggestion(answer, "Hold the button.", "", "Net", "en", 0.9, True, Reasons()),)
    return Suggestions((), items, False, "en", "v1", 1, False, 1.0)


@pytest.fixture
async def lived(server):
    """A person who wrote, edited, was answered, is drafted about; and a second one beside."""
    services = server.services
    store = services.store
    agent = await store.people.create_agent("ann")
    article = await store.knowledge.save(
        text="Hold the button.", category="Net", questions=["Router does not start"]
    )
    await services.serving.apply_articles([article.id])
    blob = Attachment("pet.jpg", "image/jpeg", 4, "blob:" + "a" * 64)
    services.settings.attachments_path.mkdir(parents=True, exist_ok=True)
    (services.settings.attachments_path / ("a" * 64)).write_bytes(b"pet!")
    for inbound in (
        channel_message(1, FORMER, customer_name="Rosalind Parrotowner"),
        channel_message(2, SECRET, attachment=blob),
        channel_message(3, SHARED),
        channel_message(1, SHARED, customer="other-0815-y"),
    ):
        await services.pipeline.receive(inbound)
    await services.pipeline.settled()
    await services.pipeline.receive(
        channel_message(4, "never mind, it works again", edits_external_id="person-4711-x-1")
    )
    await services.pipeline.settled()
    person = await store.erasing.customer("web:person-4711-x")
    [talk] = (await store.conversations.queue("all", None, query="router flat")).items
    messages = await store.conversations.messages(talk.id)
    for message in messages:
        if message.author is Author.CUSTOMER:
            await store.conversations.save_suggestions(
                message.id, said(article.id), Decision.SUGGEST
            )
    verdict = VerdictRecord(
        messages[1].id, article.id, 1, Verdict.EDITED, agent.id, 5.0, 0.9, "v1", 9, "parrot"
    )
    await store.conversations.reply(
        talk.id,
        Reply(
            f"You wrote: {SECRET}. Hold the button.", Author.AGENT, agent.id, article.id,
            message_id=messages[1].id, verdicts=(verdict,),
        ),
    )  # fmt: skip
    await store.conversations.save_draft(talk.id, agent.id, f"about {SECRET}")
    await store.conversations.add_note(talk.id, agent.id, f"note: {SECRET}")
    await services.serving.apply_articles([article.id])
    return services, person, article


async def test_the_file_of_the_index_is_written_anew(lived):
    services, person, _ = lived
    rows = [ArticleRow(f"Shelf {number} stands in the hall.") for number in range(120)]
    await services.store.knowledge.import_articles(rows)
    await services.serving.forget()
    folder = services.settings.index_path / "cold"
    assert SECRET.encode() in (folder / "entries.safetensors").read_bytes()
    shutil.copytree(folder, folder.with_name("v-of-old"))
    report = await erasure.erase(services, person.public_id, actor="olga")
    assert report.found == {}
    assert [path.name for path in folder.parent.iterdir()] == ["cold"]
    for path in folder.iterdir():
        assert b"parrot" not in path.read_bytes()


async def test_nothing_is_left_but_numbers(lived):
    services, person, _ = lived
    store = services.store
    before = await store.ledger.count()
    assert SECRET in services.serving.past_questions()
    assert SECRET in {row.text for row in (await collect(store)).questions}
    seen = await erasure.preview(services, person.public_id)
    assert seen.dry_run
    assert seen.found["messages.text"] >= 2
    assert (await store.conversations.search("parrot")).total == 1
    report = await erasure.erase(services, person.public_id, actor="olga")
    assert report.counts == seen.counts
    assert report.found == {}
    assert (report.shared, len(report.files)) == (1, 1)
    raw = services.settings.database_path.read_bytes()
    wal = services.settings.database_path.with_name("neurobot.db-wal").read_bytes()
    for word in (b"parrot", b"Kesha", b"Rosalind", b"person-4711"):
        assert word not in raw
        assert word not in wal
    assert not list(services.settings.attachments_path.iterdir())
    assert SECRET not in services.serving.past_questions()
    assert SECRET not in {row.text for row in (await collect(store)).questions}
    assert (await store.conversations.search("parrot")).total == 0
    # The numbers stay, and so does everybody else.
    assert await store.ledger.count() == before
    rows = await store.ledger.page()
    [judged] = [row for row in rows if row.verdict]
    assert (judged.verdict, judged.message, judged.reason, judged.edit_distance) == (
        "edited", None, "", 9,
    )  # fmt: skip
    assert (await store.conversations.search("restart router")).total == 1
    assert (await store.check()).sound
    entry = (await store.people.audit_log()).items[0]
    assert (entry.actor, entry.action) == ("olga", "customer.erased")
    with pytest.raises(NotFound):
        await erasure.erase(services, person.public_id, actor="olga")
    assert await erasure.check(services, person.public_id) == {}


async def test_others_quote_the_person_no_more(lived):
    """Their words were the reason of a suggestion to another customer, and a conflict's partner."""
    services, person, _ = lived
    store = services.store
    await services.pipeline.receive(channel_message(50, SECRET.upper(), customer="other"))
    await services.pipeline.settled()
    other = await store.knowledge.save(text="Other.", category="Pets", questions=["Unlike it"])
    agent = (await store.people.agents())[0]
    talk = (await store.conversations.queue("all", None, query="KESHA CHEWED")).items[0]
    asked = (await store.conversations.messages(talk.id))[0]
    record = VerdictRecord(asked.id, other.id, 1, Verdict.ACCEPTED, agent.id, 7.0, 0.5, "v1", 0, "")
    await store.feedback.record([record])
    await services.jobs.training_set.examine()
    found = (await erasure.preview(services, person.public_id)).found
    assert {"suggestions.payload", "training_reviews.partner"} <= set(found)
    await store.training.decide({"reason": "conflict"}, "refused", "olga")
    report = await erasure.erase(services, person.public_id, actor="olga")
    assert report.found == {}
    stored = await store.conversations.suggestions(asked.id)
    assert stored is not None
    assert {item.reasons.matched_question for item in stored[0].items} == {None}


async def test_a_new_backup_does_not_hold_the_person_and_an_old_one_is_named(lived, tmp_path):
    services, person, _ = lived
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    report = await services.store.backup(old)
    await services.store.people.audit("olga", "backup.made", report.path, {})
    erased = await erasure.erase(services, person.public_id, actor="olga")
    assert erased.backups == (str(old),)
    await services.store.backup(new)
    assert b"parrot" in old.read_bytes()
    assert b"parrot" not in new.read_bytes()


async def test_models_that_learned_from_the_person_are_named(lived):
    services, person, _ = lived
    store = services.store
    job = await store.jobs.create("train")
    await store.training.note_use(job.id)
    with pytest.raises(Conflict, match="reads this customer's questions"):
        await erasure.erase(services, person.public_id, actor="olga")
    await store.models.add_bundle("v9", "nowhere", {})
    await store.jobs.finish(job.id, "done", "", {"version": "v9"})
    folder = services.settings.data_path / "jobs" / str(job.id)
    folder.mkdir(parents=True)
    (folder / "rows.jsonl").write_text(SECRET)
    report = await erasure.erase(services, person.public_id, actor="olga")
    assert report.bundles == ("v9",)
    assert not folder.exists()
    assert await store.erasing.stale_bundles() == {"v9": 1}


async def test_what_a_model_kept_is_found(lived):
    services, person, _ = lived
    folder = services.settings.artefacts_path / "v1"
    folder.mkdir(parents=True)
    (folder / "words.json").write_text(f"[{SECRET!r}]", encoding="utf-8")
    report = await erasure.erase(services, person.public_id, actor="olga")
    assert report.found == {"artefacts/v1/words.json": 1}


async def test_over_http_it_needs_an_admin(lived, program):
    _, person, _ = lived
    path = f"/api/v1/customers/{person.public_id}"
    reader = await program("conversations:read")
    async with reader.delete(path) as response:
        assert response.status == 403
    admin = await program("admin")
    async with admin.delete(f"{path}?dry_run=1") as response:
        assert (await response.json())["dry_run"] is True
    async with admin.delete(path) as response:
        assert response.status == 200
        assert (await response.json())["found"] == {}
    async with admin.delete(path) as response:
        assert response.status == 404


async def test_other_writes_go_on_while_the_file_is_written_anew(lived):
    services, _, _ = lived
    store = services.store
    await asyncio.gather(
        store.db.compact(),
        *(store.conversations.receive([channel_message(100 + i, "hi", "z")]) for i in range(20)),
        store.db.compact(),
    )
    assert (await store.check()).sound


async def test_the_persons_events_go_too_and_nobody_elses(lived):
    services, person = lived[0], lived[1]
    intake = services.intake
    now = services.clock()
    await intake.put([
        Event(id="a", at=now, name="search", visitor="browser", title="a cure for blue parrots"),
        Event(id="b", at=now, name="search", visitor="another", title="a cure for blue parrots"),
        Event(id="c", at=now, name="search", customer="4711", title="of a customer of the site"),
    ])  # fmt: skip
    await intake.tie_chat(person.external_id, "browser")
    seen = await erasure.preview(services, person.public_id)
    assert (seen.counts["events"], seen.counts["identities"]) == (1, 1)
    assert any(place.startswith("events.db") for place in seen.found)
    report = await erasure.erase(services, person.public_id, actor="olga")
    assert report.counts["events"] == 1
    assert report.found == {}
    assert intake.identity("browser") == ("", "")
    assert set(await intake.events.recent_ids(9)) == {"b", "c"}
    # a messenger's number is no name of the site's
    await services.pipeline.receive(Inbound("telegram", "m1", "4711", "hello", 1_000.0))
    messenger = await services.store.erasing.customer("telegram:4711")
    report = await erasure.erase(services, messenger.public_id, actor="olga")
    assert "events" not in report.counts


async def test_a_profile_of_interests_goes_along(server, lived):
    recommending = server.services.recommending
    item = StoredItem(id=0, external_id="cage", kind="product", title="Parrot cage")
    await recommending.put([item])
    seen = Event(id="1", at=1_000.0, name=PAGE_VIEW, customer="person-4711-x", item="cage")
    recommending.observe([seen, msgspec.structs.replace(seen, id="2", customer="other-0815-y")])
    assert (await erasure.preview(server.services, "web:person-4711-x")).counts["profiles"] == 1
    report = await erasure.erase(server.services, "web:person-4711-x", actor="test")
    assert report.counts["profiles"] == 1
    assert not report.found
    assert recommending.interests("c:person-4711-x") == []
    assert recommending.interests("c:other-0815-y")
