"""The web chat over real HTTP: idempotent in, exactly once out, nobody reads another's talk."""

from __future__ import annotations

import asyncio
import io
import json
from uuid import uuid4

import aiohttp
import msgspec
import pytest

from bot.app import Running
from bot.domain import Author, MessageKind
from bot.store.records import Reply

ORIGIN = "https://shop.example"


@pytest.fixture
def server_settings(server_settings):
    widget = msgspec.structs.replace(server_settings.widget, allowed_origins=(ORIGIN,))
    return msgspec.structs.replace(server_settings, widget=widget)


async def visitor(client: aiohttp.ClientSession) -> dict[str, str]:
    async with client.post("/chat/visitors", json={}) as answer:
        assert answer.status == 201
        return {"Authorization": f"Bearer {(await answer.json())['token']}"}


async def write(client, headers, text="hello, where is my parcel", **more):
    body = {"id": str(uuid4()), "text": text, "language": "en", **more}
    async with client.post("/chat/messages", json=body, headers=headers) as answer:
        assert answer.status in (200, 201), await answer.text()
        return body, await answer.json(), answer.status


async def history(client, headers, conversation):
    async with client.get(
        "/chat/history", params={"conversation": conversation}, headers=headers
    ) as answer:
        assert answer.status == 200
        return await answer.json()


async def answered(
    server: Running, conversation: str, text: str, key: str = "k", hold_s: float = 0.0
):
    store = server.services.store
    row = await store.conversations.by_public_id(conversation)
    message = await store.conversations.reply(
        row.id, Reply(text=text, author=Author.AGENT, idempotency_key=key, hold_s=hold_s)
    )
    server.services.delivery.wake()
    return message


async def until(check, timeout_s=5.0):
    async with asyncio.timeout(timeout_s):
        while not (found := await check()):
            await asyncio.sleep(0.02)
        return found


async def test_without_a_token_nothing_is_stored(client, server):
    async with client.post("/chat/messages", json={"id": str(uuid4()), "text": "hi"}) as answer:
        assert answer.status == 401
        assert (await answer.json())["code"] == "not-signed-in"
    assert (await server.services.store.conversations.queue("all", None)).total == 0


@pytest.mark.parametrize(
    "body",
    [
        {"id": "x", "text": "short id"},
        {"id": str(uuid4()), "text": ""},
        {"id": str(uuid4()), "text": "  \n "},
        {"id": str(uuid4()), "text": "a" * 4001},
        {"id": str(uuid4()), "text": "ok", "unknown": 1},
        {"id": str(uuid4())},
        ["not", "an", "object"],
    ],
)
async def test_bad_bodies_are_refused_with_the_place(client, body):
    headers = await visitor(client)
    async with client.post("/chat/messages", json=body, headers=headers) as answer:
        assert answer.status == 400
        assert (await answer.json())["code"] == "bad-request"


async def test_ten_megabytes_are_refused(client):
    headers = await visitor(client)
    body = json.dumps({"id": str(uuid4()), "text": "a" * 10_000_000})
    headers |= {"Content-Type": "application/json"}
    async with client.post(
        "/chat/messages", data=io.BytesIO(body.encode()), headers=headers
    ) as answer:
        assert answer.status == 413


async def test_the_same_id_is_stored_once(client):
    headers = await visitor(client)
    body, first, status = await write(client, headers)
    assert status == 201
    async with client.post("/chat/messages", json=body, headers=headers) as answer:
        assert answer.status == 200
        again = await answer.json()
    assert again == {**first, "duplicate": True}
    shown = await history(client, headers, first["conversation"])
    assert [m["client_id"] for m in shown["messages"] if m["author"] == "customer"] == [body["id"]]


async def test_nul_and_right_to_left_marks_are_kept_as_text(client):
    headers = await visitor(client)
    _, receipt, _ = await write(client, headers, text="price \x00 \u202e100 <b>bold</b>")
    shown = await history(client, headers, receipt["conversation"])
    assert shown["messages"][0]["text"] == "price \ufffd \u202e100 <b>bold</b>"


async def test_another_visitor_sees_nothing(client):
    mine, theirs = await visitor(client), await visitor(client)
    _, receipt, _ = await write(client, mine)
    for path in ("/chat/history", "/chat/events"):
        params = {"conversation": receipt["conversation"]}
        async with client.get(path, params=params, headers=theirs) as answer:
            assert answer.status == 404


async def test_a_held_reply_and_a_note_stay_unseen(client, server):
    headers = await visitor(client)
    _, receipt, _ = await write(client, headers)
    await answered(server, receipt["conversation"], "not yet", hold_s=60)
    row = await server.services.store.conversations.by_public_id(receipt["conversation"])
    await server.services.store.conversations.add_note(row.id, None, "private word")
    texts = [
        m["text"] for m in (await history(client, headers, receipt["conversation"]))["messages"]
    ]
    assert "not yet" not in texts
    assert "private word" not in texts


async def test_a_reply_arrives_once_in_the_stream_and_is_marked_read(client, server):
    headers = await visitor(client)
    _, receipt, _ = await write(client, headers)
    conversation = receipt["conversation"]
    params = {"conversation": conversation}
    async with client.get("/chat/events", params=params, headers=headers) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        message = await answered(server, conversation, "It comes tomorrow.")
        await answered(server, conversation, "It comes tomorrow.")  # the agent's retry
        seen: dict[str, str] = {}
        async with asyncio.timeout(5):
            async for line in stream.content:
                if line.startswith(b"data: {") and len(line) > 10:
                    shown = json.loads(line[6:])
                    seen |= {
                        m["id"]: m["text"] for m in shown["messages"] if m["author"] == "agent"
                    }
                if seen:
                    break
    assert seen == {message.public_id: "It comes tomorrow."}
    body = {"conversation": conversation, "messages": list(seen)}
    async with client.post("/chat/read", json=body, headers=headers) as answer:
        assert answer.status == 204
    stored = await server.services.store.conversations.message(message.id)
    assert stored.delivery == "read"


async def test_typing_reaches_the_desk_and_offers_nothing_by_default(client, server):
    headers = await visitor(client)
    _, receipt, _ = await write(client, headers)
    with server.services.bus.subscribe({"desk"}) as news:
        body = {"conversation": receipt["conversation"], "text": "where is my parcel now"}
        async with client.post("/chat/typing", json=body, headers=headers) as answer:
            assert (await answer.json()) == {"offers": []}
        async with asyncio.timeout(2):
            async for event in news:
                if event.name == "customer.typing":
                    break


async def test_offers_need_an_automatic_category(client, server):
    knowledge = server.services.store.knowledge
    from bot.store.records import ArticleRow

    await knowledge.import_articles(
        [
            ArticleRow(
                text="Open Orders and press Track.",
                questions=("Where is my parcel?",),
                category="delivery",
                language="en",
            )
        ],
        dry_run=False,
    )
    items = await knowledge.all_items()
    await server.services.serving.apply_articles([item.id for item in items])
    headers = await visitor(client)
    body = {"text": "Where is my parcel?", "language": "en"}
    async with client.post("/chat/typing", json=body, headers=headers) as answer:
        assert (await answer.json())["offers"] == []
    await knowledge.set_category("delivery", auto_reply=True, auto_threshold=0.01)
    async with client.post("/chat/typing", json=body, headers=headers) as answer:
        assert [o["text"] for o in (await answer.json())["offers"]] == [
            "Open Orders and press Track."
        ]


async def test_rating_becomes_a_note_for_the_agents(client, server):
    headers = await visitor(client)
    _, receipt, _ = await write(client, headers)
    body = {"conversation": receipt["conversation"], "score": 5}
    async with client.post("/chat/rating", json=body, headers=headers) as answer:
        assert answer.status == 204
    row = await server.services.store.conversations.by_public_id(receipt["conversation"])
    notes = [
        m
        for m in await server.services.store.conversations.messages(row.id)
        if m.kind is MessageKind.NOTE
    ]
    assert [note.text for note in notes] == ["The customer's rating: 5 of 5"]


async def test_only_named_sites_may_embed(client):
    headers = await visitor(client)
    body = {"id": str(uuid4()), "text": "hello from the shop"}
    async with client.post(
        "/chat/messages", json=body, headers=headers | {"Origin": ORIGIN}
    ) as answer:
        assert answer.status == 201
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    async with client.options("/chat/messages", headers={"Origin": ORIGIN}) as answer:
        assert answer.status == 204
        assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    foreign = {"Origin": "https://evil.example"}
    async with client.post("/chat/messages", json=body, headers=headers | foreign) as answer:
        assert answer.status == 403
        assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    ("language", "send"), [("ru", "Отправить"), ("en", "Send"), ("de", "Send")]
)
async def test_the_widget_speaks_the_visitors_language(client, language, send):
    async with client.get("/chat/config", params={"lang": language}) as answer:
        assert (await answer.json())["texts"]["send"] == send


async def test_the_script_is_small(client):
    sizes = []
    for name in ("widget.js", "widget.css"):
        async with client.get(f"/static/{name}") as answer:
            assert answer.status == 200
            sizes.append(len(await answer.read()))
    assert sum(sizes) < 30_000
