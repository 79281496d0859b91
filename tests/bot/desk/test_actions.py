"""Assign, snooze, close, hand over, uncertain deliveries, presence; events; files; preferences."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from bot.domain import Attachment, Author, Inbound, MessageKind
from bot.store.records import Reply


async def state(desk: Any) -> Any:
    return await desk.services.store.conversations.get(desk.conversation_id)


# ---------- actions ----------


@pytest.mark.parametrize(
    "sent",
    [
        {"action": "explode"},
        {},
        {"action": "snooze"},
        {"action": "snooze", "until": 1.0},
        {"action": "snooze", "until": 9e12},
    ],
)
async def test_bad_actions_are_refused(desk: Any, sent: dict[str, Any]) -> None:
    before = await state(desk)
    await desk.ann.post(f"{desk.talk}/action", sent, 400)
    assert await state(desk) == before


async def test_stale_version_is_a_conflict(desk: Any) -> None:
    version = (await state(desk)).version
    await desk.ann.post(f"{desk.talk}/action", {"action": "assign", "version": version})
    refused = await desk.bob.post(
        f"{desk.talk}/action", {"action": "assign", "version": version}, 409
    )
    assert refused["code"] == "conflict"
    assert (await state(desk)).assigned_agent_name == "Ann"


async def test_impossible_action_is_a_conflict(desk: Any) -> None:
    await desk.ann.post(f"{desk.talk}/action", {"action": "close"})
    refused = await desk.ann.post(
        f"{desk.talk}/action", {"action": "snooze", "until": desk.services.clock() + 60}, 409
    )
    assert "state" in refused["detail"]


async def test_assign_to_nobody_known_is_not_found(desk: Any) -> None:
    await desk.ann.post(f"{desk.talk}/action", {"action": "assign", "to": 999}, 404)


async def test_every_action_moves_the_conversation(desk: Any) -> None:
    until = desk.services.clock() + 3600
    steps = [
        ({"action": "assign"}, "taken"), ({"action": "snooze", "until": until}, "snoozed"),
        ({"action": "wake"}, "open"), ({"action": "snooze", "until": until}, "snoozed"),
        ({"action": "assign"}, "taken"),
        ({"action": "close"}, "closed"), ({"action": "reopen"}, "open"),
        ({"action": "return"}, "bot"), ({"action": "person"}, "open"),
        ({"action": "assign", "to": desk.bob.agent.id}, "taken"),
        ({"action": "unassign"}, "taken"),
    ]  # fmt: skip
    for sent, expected in steps:
        answer = await desk.ann.post(
            f"{desk.talk}/action", {**sent, "version": (await state(desk)).version}
        )
        assert answer["state"] == expected, sent
    assert (await state(desk)).assigned_agent_id is None


# ---------- deliveries ----------


@pytest.mark.parametrize("how", ["resend", "arrived"])
async def test_delivery_in_doubt_is_shown_and_settled_by_a_person(desk: Any, how: str) -> None:
    store = desk.services.store
    held = Reply("Hi", Author.AGENT, agent_id=desk.ann.agent.id, hold_s=3600)
    message = await store.conversations.reply(desk.conversation_id, held)
    await store.outbox.start([message.outbox_id], desk.services.clock() + 7200)
    await store.outbox.uncertain(message.outbox_id, "crash")
    assert desk.public_id in await desk.ann.get("/desk/queue?view=uncertain")
    text = await desk.ann.get(desk.talk)
    assert f'data-resend="{message.id}"' in text
    assert f'data-arrived="{message.id}"' in text
    await desk.ann.post(f"/desk/messages/{message.id}/{how}", {}, 204)
    for _ in range(100):
        after = await store.conversations.message(message.id)
        if after.delivery == "sent":
            break
        await asyncio.sleep(0.02)
    assert after.delivery == "sent"
    await desk.ann.post(f"/desk/messages/{message.id}/{how}", {}, 409)


async def test_delivery_without_doubt_is_a_conflict(desk: Any) -> None:
    await desk.ann.post(f"/desk/messages/{desk.question_id}/resend", {}, 409)
    await desk.ann.post("/desk/messages/99999/arrived", {}, 404)
    await desk.ann.post("/desk/messages/x/arrived", {}, 404)


# ---------- presence and events ----------


async def test_presence_shows_the_other_agent(desk: Any) -> None:
    await desk.bob.post(f"{desk.talk}/presence", {"state": "reading"})
    assert "Bob reads this too" in await desk.ann.get(desk.talk)
    assert "reads this too" not in await desk.bob.get(desk.talk)
    assert (await state(desk)).unread == 0
    await desk.bob.post(f"{desk.talk}/presence", {"state": "left"})
    assert "reads this too" not in await desk.ann.get(desk.talk)


async def read_events(person: Any, wanted: int, **options: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with person.http.get("/desk/events", **options) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        event: dict[str, Any] = {}
        async for raw in response.content:
            line = raw.decode().rstrip("\r\n")
            if line.startswith("id: "):
                event["id"] = line[4:]
            elif line.startswith("data: "):
                event.update(json.loads(line[6:]))
            elif not line and "name" in event:
                found.append(event)
                event = {}
            if len(found) == wanted:
                break
    return found


async def test_events_reach_the_desk_and_are_replayed(desk: Any) -> None:
    last = desk.services.bus.last_id
    reading = asyncio.create_task(read_events(desk.ann, 2, params={"last": str(last)}))
    await asyncio.sleep(0.1)
    await desk.services.pipeline.receive(
        Inbound("web", "n1", "c9", "Hello there", desk.services.clock(), customer_name="Zoe")
    )
    await desk.bob.post(f"{desk.talk}/action", {"action": "assign"})
    events = await asyncio.wait_for(reading, 5)
    new = next(event for event in events if event["name"] == "message.new")
    assert (new["data"]["author"], new["data"]["text"], new["data"]["customer_name"]) == (
        "customer",
        "Hello there",
        "Zoe",
    )
    replayed = await asyncio.wait_for(
        read_events(desk.ann, 1, headers={"Last-Event-ID": str(last)}), 5
    )
    assert replayed[0] == events[0]


@pytest.mark.parametrize("last", ["1", "99999999999999"])
async def test_a_gap_too_wide_is_a_reset(desk: Any, last: str) -> None:
    (event,) = await asyncio.wait_for(read_events(desk.ann, 1, params={"last": last}), 5)
    assert event["name"] == "reset"


# ---------- files ----------


def form(
    content: bytes, name: str = "счёт.pdf", media: str = "application/pdf"
) -> aiohttp.FormData:
    data = aiohttp.FormData()
    data.add_field("file", content, filename=name, content_type=media)
    return data


async def test_bad_uploads_are_refused(desk: Any) -> None:
    await desk.ann.post("/desk/files", form(b""), 400)
    await desk.ann.post("/desk/files", form(b"x" * 5000), 413)
    empty = aiohttp.FormData()
    empty.add_field("other", "x", content_type="text/plain")
    await desk.ann.post("/desk/files", empty, 400)


async def test_file_goes_out_with_the_reply_and_comes_back_as_a_download(desk: Any) -> None:
    stored = await desk.ann.post("/desk/files", form(b"<html>", '../../a"b.html', "text/html"), 201)
    assert stored["reference"].startswith("blob:")
    assert "/" not in stored["name"]
    await desk.ann.post(
        f"{desk.talk}/reply", {"text": "", "key": "k" * 16, "attachment": stored}, 201
    )
    messages = await desk.services.store.conversations.messages(desk.conversation_id)
    message = next(m for m in messages if m.attachment)
    assert message.attachment.size_bytes == 6
    async with desk.bob.http.get(f"/desk/files/{message.id}") as response:
        assert await response.read() == b"<html>"
        assert response.headers["Content-Disposition"].startswith("attachment;")
        assert response.headers["Content-Type"] == "application/octet-stream"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert f"/desk/files/{message.id}" in await desk.ann.get(desk.talk)


async def test_file_that_the_channel_lost_is_not_found(desk: Any) -> None:
    await desk.ann.get(f"/desk/files/{desk.question_id}", 404)
    file = Attachment("a.png", "image/png", 3, "gone")
    inbound = Inbound(
        "web", "f1", "c1", "", desk.services.clock(), kind=MessageKind.PHOTO, attachment=file
    )
    receipt = (await desk.services.store.conversations.receive([inbound]))[0]
    await desk.ann.get(f"/desk/files/{receipt.message_id}", 404)


# ---------- preferences ----------


async def test_preferences_are_kept_by_key(desk: Any) -> None:
    await desk.ann.post("/desk/preferences", {"theme": "neon"}, 400)
    await desk.ann.post("/desk/preferences", {"shortcuts": False, "language": "ru"})
    await desk.ann.post("/desk/preferences", {"theme": "dark"})
    agent = await desk.services.store.people.agent(desk.ann.agent.id)
    assert agent.language == "ru"
    assert dict(agent.preferences) == {"shortcuts": False, "theme": "dark"}
    text = await desk.ann.get("/desk")
    assert 'data-theme="dark"' in text
    assert "&#34;shortcuts&#34;: false" in text


async def test_snippets_are_shared(desk: Any) -> None:
    await desk.ann.post("/desk/canned", {"name": "", "text": "x"}, 400)
    await desk.ann.post("/desk/canned", {"name": "hi", "text": "Hello"}, 201)
    assert json.loads(await desk.bob.get("/desk/canned"))["items"][0]["text"] == "Hello"
