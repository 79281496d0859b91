"""What an admin does to the knowledge base holds for the very next question."""

from __future__ import annotations

import re

import pytest

from bot.domain import Author, Inbound, Role
from bot.store.records import Reply

CSV = (
    b"question,answer,category\n"
    b"Where is my parcel?,Open Orders and press Track.,Delivery\n"
    b"Track my order,Open Orders and press Track.,Delivery\n"
    b'Can I pay in cash?,"Yes, to the courier.",Payment\n'
)


async def first(server, text: str) -> str:
    items = (await server.services.pipeline.suggest(text)).items
    return items[0].text if items else ""


async def write(owner, **fields: str) -> str:
    form = {"title": "", "category": "Pets", "language": "en", "updated_at": "", **fields}
    location, _ = await owner.post("/admin/knowledge/new", **form)
    return re.search(r"/admin/knowledge/(\d+)", location)[1]


async def test_added_changed_removed_restored(owner, server) -> None:
    number = await write(owner, text="Feed it twice.", questions="How often to feed the hamster?")
    assert await first(server, "how often should I feed my hamster") == "Feed it twice."
    page = await owner.get(f"/admin/knowledge/{number}")
    stamp = re.search(r'name="updated_at" value="([^"]+)"', page)[1]
    changed = {
        "text": "Feed it once.",
        "questions": "How often to feed the hamster?",
        "language": "en",
    }
    await owner.post(f"/admin/knowledge/{number}", updated_at=stamp, **changed)
    assert await first(server, "how often should I feed my hamster") == "Feed it once."
    location, _ = await owner.post(f"/admin/knowledge/{number}/remove")
    assert f"undo={number}" in location
    assert f"/admin/knowledge/{number}/restore" in await owner.get(location)
    assert "Feed" not in await first(server, "how often should I feed my hamster")
    await owner.post(f"/admin/knowledge/{number}/restore")
    assert await first(server, "how often should I feed my hamster") == "Feed it once."


async def test_a_stale_form_is_shown_again_with_its_text(owner) -> None:
    number = await write(owner, text="One.", questions="q")
    page = await owner.get(f"/admin/knowledge/{number}")
    stamp = re.search(r'name="updated_at" value="([^"]+)"', page)[1]
    form = {"questions": "q", "language": "en", "updated_at": stamp}
    await owner.post(f"/admin/knowledge/{number}", text="Two.", **form)
    _, page = await owner.post(f"/admin/knowledge/{number}", status=422, text="Mine.", **form)
    assert "Mine." in page
    fresh = re.search(r'name="updated_at" value="([^"]+)"', page)[1]
    await owner.post(f"/admin/knowledge/{number}", text="Mine.", **{**form, "updated_at": fresh})


async def test_bad_forms_keep_what_was_written(owner) -> None:
    form = {"language": "en", "questions": "kept question"}
    _, page = await owner.post("/admin/knowledge/new", status=422, text="  ", **form)
    assert "kept question" in page
    long = {"text": "x" * 20_001, "questions": "", "language": "en"}
    await owner.post("/admin/knowledge/new", status=422, **long)
    await owner.post("/admin/knowledge/new", status=400, text="a", language="de")
    await write(owner, text="Same.", questions="q")
    _, page = await owner.post("/admin/knowledge/new", status=422, text="Same.", language="en")
    assert "Same." in page


async def test_history_and_twins(owner, server) -> None:
    english = await write(owner, text="Feed it twice.", questions="How to feed a hamster?")
    russian = await write(
        owner, text="Кормите дважды.", questions="Как кормить хомяка?", language="ru", twin=english
    )
    assert "Feed it twice." in await owner.get(f"/admin/knowledge/{russian}")
    assert await first(server, "Как кормить моего хомяка?") == "Кормите дважды."
    await owner.post(f"/admin/knowledge/{english}", text="Never.", questions="", language="en")
    versions = await server.services.store.knowledge.history(int(english))
    oldest = versions[-1].id
    await owner.post(f"/admin/knowledge/{english}/history/{oldest}")
    assert (await server.services.store.knowledge.article(int(english))).text == "Feed it twice."
    await owner.post(f"/admin/knowledge/{english}/history/999999", status=404)
    await owner.post(f"/admin/knowledge/{english}/twin", status=400, twin="x")


async def test_import_shows_first_and_writes_then(owner, server) -> None:
    page = await owner.upload(CSV)
    assert "Where is my parcel?" in page
    knowledge = server.services.store.knowledge
    assert (await knowledge.articles()).total == 0
    upload = re.search(r'name="upload" value="(\w+)"', page)[1]
    location, _ = await owner.post("/admin/knowledge/import/apply", upload=upload, language="")
    assert "p.added=2" in location
    assert (await knowledge.articles()).total == 2
    assert await first(server, "track the parcel") == "Open Orders and press Track."
    _, page = await owner.post("/admin/knowledge/import/apply", status=422, upload=upload)
    await owner.post("/admin/knowledge/import/apply", status=422, upload="../../etc/passwd")


async def test_import_names_bad_lines_and_keeps_the_good_on_request(owner, server) -> None:
    page = await owner.upload(b"question,answer\na?,b\n,c\nd,\n")
    assert "is empty" in page
    assert re.search(r"<td class=\"number\">3</td>", page)
    upload = re.search(r'name="upload" value="(\w+)"', page)[1]
    await owner.post("/admin/knowledge/import/apply", upload=upload, partial="1")
    assert (await server.services.store.knowledge.articles()).total == 1


async def test_import_refuses_files_it_cannot_read(owner) -> None:
    for content in (b"", b"question\nx\n", b"\xff\xfeq\x00", b"question,answer\n\x81\x98,\xff\n"):
        page = await owner.upload(content, status=422)
        assert 'role="alert"' in page
    await owner.post("/admin/knowledge/import", status=422)


async def test_import_of_a_large_file(owner, server, enter) -> None:
    admin = await enter(Role.ADMIN)
    rows = "".join(f"Question number {i}?,Answer {i}.,C\n" for i in range(2000))
    page = await admin.upload(("question,answer,category\n" + rows).encode())
    upload = re.search(r'name="upload" value="(\w+)"', page)[1]
    location, _ = await admin.post("/admin/knowledge/import/apply", upload=upload)
    assert "p.added=2000" in location
    assert "Page 1 of 80" in await admin.get("/admin/knowledge")


async def test_an_upload_may_be_larger_than_a_page_but_not_endless(owner) -> None:
    row = "Question number {0} " + "x" * 300 + "?,Answer number {0}.,C\n"
    rows = "".join(row.format(i) for i in range(8_000))
    page = await owner.upload(("question,answer,category\n" + rows).encode())
    assert 'name="upload"' in page
    await owner.upload(b"question,answer\n" + b"x" * 11_000_000, status=413)


async def _write(owner, text: str, questions: str, **more: str) -> int:
    form = {"text": text, "questions": questions, "language": "en", "category": "Money", **more}
    location, _ = await owner.post("/admin/knowledge/new", **form)
    return int(re.search(r"/knowledge/(\d+)", location)[1])


@pytest.mark.parametrize("lang", ["ru", "en"])
async def test_new_pages_of_an_empty_knowledge_base_name_a_next_step(owner, lang: str) -> None:
    for path in ("duplicates", "coverage"):
        page = await owner.get(f"/admin/knowledge/{path}", lang=lang)
        assert 'class="button primary"' in page


async def test_duplicates_are_merged_and_two_again(owner, server) -> None:
    text = "Open Billing, choose Payment methods and press Add a card, then confirm by code."
    first = await _write(owner, text, "how to add a card")
    second = await _write(owner, text.replace("press", "click"), "new card?")
    page = await owner.get("/admin/knowledge/duplicates")
    assert "<ins>click</ins>" in page
    assert 'state=duplicate"' in await owner.get("/admin/knowledge")
    form = {"keep": str(first), "drop": str(second)}
    location, _ = await owner.post("/admin/knowledge/duplicates/merge", **form)
    page = await owner.get(location)
    undo = f"/admin/knowledge/duplicates/undo/{first}/{second}"
    assert f'action="{undo}"' in page
    found = await server.services.pipeline.suggest("new card?")
    assert found.items[0].answer_id == first
    await owner.post(undo)
    knowledge = server.services.store.knowledge
    assert (await knowledge.article(second)).removed_at is None
    await owner.post(undo, status=409)
    await owner.post("/admin/knowledge/duplicates/apart", **form)
    assert "<ins>" not in await owner.get("/admin/knowledge/duplicates")
    await owner.post("/admin/knowledge/duplicates/merge", status=400, keep="1", drop="x")
    await owner.get("/admin/knowledge/duplicates?kind=nonsense", status=400)


async def test_the_list_is_filtered_sorted_and_counted(owner) -> None:
    await _write(owner, "Pay by card.", "pay?")
    await _write(owner, "We post it.", "post?", category="Parcels")
    page = await owner.get("/admin/knowledge?sort=-answered&category=Parcels")
    assert "We post it." in page
    assert "Pay by card." not in page
    assert 'aria-sort="descending"' in page
    assert "sort=answered" in page
    assert "/admin/knowledge?category=Money&amp;sort=-answered" in page
    assert 'href="/admin/knowledge">' in await owner.get("/admin/knowledge?state=conflict")
    await owner.get("/admin/knowledge?sort=nonsense", status=400)


async def test_history_shows_what_changed(owner) -> None:
    number = await _write(owner, "Open the door.", "door?")
    page = await owner.get(f"/admin/knowledge/{number}")
    stamp = re.search(r'name="updated_at" value="([^"]*)"', page)[1]
    form = {"text": "Open a door.", "questions": "door?", "language": "en", "category": "Money"}
    await owner.post(f"/admin/knowledge/{number}", updated_at=stamp, **form)
    page = await owner.get(f"/admin/knowledge/{number}")
    assert "<del>the</del><ins>a</ins>" in page
    restore = re.search(rf'action="(/admin/knowledge/{number}/history/\d+)"', page)
    await owner.post(restore[1])
    assert "Open the door." in await owner.get(f"/admin/knowledge/{number}")


async def test_an_article_begins_with_a_question_that_a_person_answered(owner, server) -> None:
    services = server.services
    inbound = Inbound("web", "m1", "v1", "where is my parcel", services.clock(), language="en")
    receipt = await services.pipeline.receive(inbound)
    await services.pipeline.settled()
    reply = Reply("It is on its way.", Author.AGENT, 1)
    await services.store.conversations.reply(receipt.conversation_id, reply)
    page = await owner.get("/admin/knowledge/coverage")
    assert "where is my parcel" in page
    page = await owner.get(f"/admin/knowledge/new?from={receipt.message_id}")
    assert "It is on its way." in page
    assert "where is my parcel" in page
    await owner.get("/admin/knowledge/new?from=99999", status=404)
    async with owner.session.get("/admin/knowledge/coverage.csv") as response:
        assert (await response.text()).lstrip("\ufeff").startswith("category,articles")
