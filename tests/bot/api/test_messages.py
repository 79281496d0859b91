"""Messages in over REST, answers back by polling; suggestions that store nothing."""

from __future__ import annotations

import asyncio
import logging

import pytest

from bot.app import Running
from bot.store.records import ArticleRow

MESSAGE = {
    "external_id": "m-1",
    "customer": {"id": "c-1", "name": "Мария", "language": "ru"},
    "text": "Как сменить пароль?",
}
ARTICLES = (
    ArticleRow(
        text="Откройте «Профиль», нажмите «Сменить пароль» и введите новый.",
        questions=("Как сменить пароль?", "Хочу поменять пароль"),
        category="account",
        language="ru",
    ),
    ArticleRow(
        text="Open Billing and choose Invoices to download them.",
        questions=("Where are my invoices?",),
        category="billing",
        language="en",
    ),
)


async def _with_articles(server: Running) -> None:
    diff = await server.services.store.knowledge.import_articles(ARTICLES, dry_run=False)
    await server.services.serving.apply_articles(diff.changed_ids)


async def _conversation(reader, public_id: str, until) -> dict:
    for _ in range(100):
        async with reader.get(f"/api/v1/conversations/{public_id}") as reply:
            assert reply.status == 200, await reply.text()
            found = await reply.json()
        if until(found):
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(found)


@pytest.mark.parametrize(
    "change",
    [
        {"external_id": ""},
        {"external_id": 5},
        {"text": ""},
        {"text": "  \n"},
        {"text": None},
        {"text": "x" * 16_001},
        {"customer": {}},
        {"customer": "c-1"},
        {"customer": {"id": "c", "role": "admin"}},
        {"unknown": 1},
        {"metadata": {str(n): "" for n in range(40)}},
        {"metadata": {"a": {}}},
    ],
)
async def test_a_malformed_message_is_refused_and_not_stored(
    server: Running, program, change
) -> None:
    sender = await program("messages:write", "conversations:read")
    async with sender.post("/api/v1/messages", json=MESSAGE | change) as reply:
        assert reply.status == 400
    async with sender.get("/api/v1/conversations") as reply:
        assert (await reply.json())["total"] == 0


async def test_a_message_is_stored_once(program) -> None:
    sender = await program("messages:write", "conversations:read")
    receipts = []
    for status in (201, 200, 200):
        async with sender.post("/api/v1/messages", json=MESSAGE) as reply:
            assert reply.status == status
            receipts.append(await reply.json())
    assert [receipt["duplicate"] for receipt in receipts] == [False, True, True]
    assert len({receipt["message_id"] for receipt in receipts}) == 1
    conversation = receipts[0]["conversation_id"]
    found = await _conversation(sender, conversation, lambda found: found["messages"])
    assert [line["text"] for line in found["messages"] if line["author"] == "customer"] == [
        MESSAGE["text"]
    ]


async def test_parallel_repeats_are_stored_once(program) -> None:
    sender = await program("messages:write", "conversations:read")

    async def post() -> int:
        async with sender.post("/api/v1/messages", json=MESSAGE) as reply:
            return reply.status

    codes = await asyncio.gather(*(post() for _ in range(20)))
    assert sorted(codes) == [200] * 19 + [201]


async def test_question_suggestion_verdict_reply(server: Running, program) -> None:
    await _with_articles(server)
    sender = await program("messages:write", "conversations:read", "verdicts:write")
    async with sender.post("/api/v1/messages", json=MESSAGE) as reply:
        public_id = (await reply.json())["conversation_id"]
    found = await _conversation(
        sender, public_id, lambda found: found["messages"][0]["suggestions"] is not None
    )
    question = found["messages"][0]
    best = question["suggestions"]["suggestions"][0]
    assert "Сменить пароль" in best["text"]

    verdict = {
        "conversation_id": public_id,
        "message_id": question["id"],
        "answer_id": best["answer_id"],
        "verdict": "accepted",
    }
    async with sender.post("/api/v1/verdicts", json=verdict) as reply:
        assert reply.status == 201
        assert (await reply.json())["rank"] == 1
    for change in ({"answer_id": 10_000}, {"message_id": "x"}, {"conversation_id": "x"}):
        async with sender.post("/api/v1/verdicts", json=verdict | change) as reply:
            assert reply.status == 404

    answer = {"text": best["text"], "answer_id": best["answer_id"], "idempotency_key": "k-1"}
    ids = set()
    for _ in range(2):
        async with sender.post(f"/api/v1/conversations/{public_id}/replies", json=answer) as reply:
            assert reply.status == 201, await reply.text()
            ids.add((await reply.json())["id"])
    assert len(ids) == 1
    found = await _conversation(
        sender,
        public_id,
        lambda found: any(line["delivery"] == "sent" for line in found["messages"]),
    )
    assert [line["author"] for line in found["messages"]].count("agent") == 1
    params = {"after": question["id"]}
    async with sender.get(f"/api/v1/conversations/{public_id}", params=params) as reply:
        later = (await reply.json())["messages"]
    assert question["id"] not in {line["id"] for line in later}
    assert "agent" in {line["author"] for line in later}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"text": " "}, 400),
        ({"idempotency_key": ""}, 400),
        ({"answer_id": 999}, 404),
        ({"answer_id": 2**60}, 400),
        ({"expected_version": 0}, 409),
    ],
)
async def test_a_malformed_reply_is_refused(program, change, status: int) -> None:
    sender = await program("messages:write")
    async with sender.post("/api/v1/messages", json=MESSAGE) as reply:
        public_id = (await reply.json())["conversation_id"]
    answer = {"text": "a", "idempotency_key": "k"} | change
    async with sender.post(f"/api/v1/conversations/{public_id}/replies", json=answer) as reply:
        assert reply.status == status


@pytest.mark.parametrize("public_id", ["x", "%D0%B9", "%00", "%ED%A0%80", "a" * 4000, "1'--"])
async def test_an_unknown_conversation_is_not_found(program, public_id: str) -> None:
    reader = await program("conversations:read")
    async with reader.get(f"/api/v1/conversations/{public_id}") as reply:
        assert reply.status == 404


@pytest.mark.parametrize(
    "query", ["page=0", "page=x", "per_page=1000", "view=mine", "page=" + "9" * 30, "z=1"]
)
async def test_a_malformed_list_query_is_refused(program, query: str) -> None:
    reader = await program("conversations:read")
    async with reader.get(f"/api/v1/conversations?{query}") as reply:
        assert reply.status == 400


@pytest.mark.parametrize("words", ['"', "a* OR (", "NEAR(", "пароль", "%00", "'"])
async def test_any_words_can_be_searched(program, words: str) -> None:
    sender = await program("messages:write", "conversations:read")
    async with sender.post("/api/v1/messages", json=MESSAGE):
        pass
    async with sender.get("/api/v1/conversations", params={"query": words}) as reply:
        assert reply.status == 200
        assert (await reply.json())["total"] == (1 if words == "пароль" else 0)


async def test_suggestions_store_nothing(server: Running, program) -> None:
    await _with_articles(server)
    asker = await program("suggest", "conversations:read")
    async with asker.post(
        "/api/v1/suggest", json={"text": "where are invoices", "top_k": 1}
    ) as reply:
        assert reply.status == 200
        found = await reply.json()
    (best,) = found["suggestions"]
    assert "Invoices" in best["text"]
    assert 0 <= best["confidence"] <= 1
    assert found["model_version"] is None
    async with asker.get("/api/v1/conversations") as reply:
        assert (await reply.json())["total"] == 0


@pytest.mark.parametrize("top_k", [0, 21, -1, "5", 2**70])
async def test_top_k_is_bounded(program, top_k) -> None:
    asker = await program("suggest")
    async with asker.post("/api/v1/suggest", json={"text": "a", "top_k": top_k}) as reply:
        assert reply.status == 400


@pytest.mark.parametrize(
    "text", ["\x00", "\u202e", "😀" * 5000, "а\u0301" * 5000, "((((", "\ufffe", "a" * 16_000]
)
async def test_any_text_gets_an_answer(program, text: str) -> None:
    sender = await program("suggest", "messages:write")
    async with sender.post("/api/v1/suggest", json={"text": text}) as reply:
        assert reply.status == 200
    async with sender.post("/api/v1/messages", json=MESSAGE | {"text": text}) as reply:
        assert reply.status == 201


async def test_customers_texts_are_not_logged(server: Running, program, caplog) -> None:
    secret = "канарейка-4711"
    sender = await program("messages:write", "suggest", "conversations:read")
    with caplog.at_level(logging.INFO):
        async with sender.post(
            "/api/v1/messages",
            json=MESSAGE | {"text": secret, "customer": {"id": "c", "name": secret}},
        ) as reply:
            public_id = (await reply.json())["conversation_id"]
        async with sender.post("/api/v1/suggest", json={"text": secret}):
            pass
        async with sender.post("/api/v1/suggest", json={"text": secret, "top_k": secret}):
            pass
        await server.services.pipeline.settled()
        answer = {"text": secret, "idempotency_key": "k"}
        async with sender.post(f"/api/v1/conversations/{public_id}/replies", json=answer):
            pass
        await asyncio.sleep(0.2)
    assert secret not in caplog.text
