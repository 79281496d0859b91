"""The desk over Telegram: files both ways, and customers who blocked the bot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from admin.evaluate.fake_telegram import BLOCKED, TOKEN, Call, FakeTelegram, Fault
from bot.domain import Delivery
from bot.settings import TelegramSettings

CHAT = 77
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4
PDF = b"%PDF-1.7\n" + bytes(range(255, -1, -1)) * 4


@pytest.fixture
def undo_s() -> float:
    return 0.0


@pytest.fixture
async def telegram() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram() as server:
        yield server


@pytest.fixture
def telegram_section(telegram: FakeTelegram) -> TelegramSettings:
    return TelegramSettings(
        mode="polling",
        token=TOKEN,
        api_url=telegram.api_url,
        file_url=telegram.file_url,
        poll_timeout_s=5.0,
        max_file_bytes=4096,
    )


async def until(look: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(10):
        while not (found := await look()):
            await asyncio.sleep(0.02)
        return found


async def customers_messages(desk: Any) -> list[Any]:
    conversations = desk.services.store.conversations
    customer = await conversations.find_customer("telegram", str(CHAT))
    if customer is None:
        return []
    (talk,) = await conversations.previous(customer.id, None)
    return [m for m in await conversations.messages(talk.id) if m.author == "customer"]


@pytest.fixture
async def talk(desk: Any, telegram: FakeTelegram) -> str:
    """Path of a conversation in Telegram, whose customer has just written."""
    telegram.write(CHAT, "My screen is broken")
    (message,) = await until(lambda: customers_messages(desk))
    await desk.services.pipeline.settled()
    found = await desk.services.store.conversations.get(message.conversation_id)
    return f"/desk/conversations/{found.public_id}"


async def attach(desk: Any, content: bytes, name: str, media_type: str) -> dict[str, Any]:
    form = aiohttp.FormData(quote_fields=False)  # as browsers send names
    form.add_field("file", content, filename=name, content_type=media_type)
    stored = await desk.ann.post("/desk/files", form, 201)
    assert stored["reference"].startswith("blob:")
    return stored


async def answer(desk: Any, talk: str, text: str = "", **more: Any) -> Any:
    """The stored message, once its fate is known."""
    key = f"key-{text}-{len(more)}".ljust(8, "-")
    sent = await desk.ann.post(f"{talk}/reply", {"text": text, "key": key, **more}, 201)

    async def settled() -> Any:
        found = await desk.services.store.conversations.message(sent["message_id"])
        waiting = {Delivery.HELD, Delivery.QUEUED, Delivery.SENDING}
        return None if found.delivery in waiting else found

    return await until(settled)


def last(telegram: FakeTelegram, method: str) -> Call:
    return next(call for call in reversed(telegram.calls) if call.method == method)


# ---------- blocked ----------


async def test_a_block_is_shown_spared_and_lifted(desk, talk, telegram):
    telegram.faults["sendMessage"].append(BLOCKED)
    first = await answer(desk, talk, "Hello")
    assert (first.delivery, first.delivery_error) == (Delivery.FAILED, "blocked")
    page = await desk.ann.get(talk)
    assert "blocked the bot</span>" in page
    assert "the customer blocked the bot. The text is kept here." in page
    calls = len(telegram.calls)
    second = await answer(desk, talk, "Still there?")
    assert (second.delivery, second.delivery_error) == (Delivery.FAILED, "blocked")
    assert "sendMessage" not in [call.method for call in telegram.calls[calls:]]

    telegram.write(CHAT, "I am back")
    await until(lambda: _said(desk, "I am back"))
    assert "blocked the bot</span>" not in await desk.ann.get(talk)
    third = await answer(desk, talk, "Welcome")
    assert third.delivery is Delivery.SENT
    assert telegram.texts(CHAT)[-1] == "Welcome"


async def test_a_block_is_shown_in_russian_too(desk, talk, telegram):
    telegram.faults["sendMessage"].append(BLOCKED)
    await answer(desk, talk, "Hello")
    desk.ann.http.cookie_jar.update_cookies({"lang": "ru"})
    page = await desk.ann.get(talk)
    assert ">заблокировал бота</span>" in page
    assert "клиент заблокировал бота. Текст сохранён здесь." in page


async def _said(desk: Any, text: str) -> bool:
    return any(message.text == text for message in await customers_messages(desk))


# ---------- files ----------


async def test_a_document_of_an_agent_arrives(desk, talk, telegram):
    file = await attach(desk, PDF, "счёт № 5.pdf", "application/pdf")
    sent = await answer(desk, talk, "Here it is", attachment=file)
    assert sent.delivery is Delivery.SENT
    call = last(telegram, "sendDocument")
    assert call.files == {"document": PDF}
    assert call.names == {"document": "счёт № 5.pdf"}
    assert (call.params["chat_id"], call.params["caption"]) == (CHAT, "Here it is")


async def test_a_picture_of_an_agent_arrives_as_a_photo(desk, talk, telegram):
    file = await attach(desk, PNG, "screen.png", "image/png")
    assert (await answer(desk, talk, attachment=file)).delivery is Delivery.SENT
    call = last(telegram, "sendPhoto")
    assert (call.files, call.names) == ({"photo": PNG}, {"photo": "screen.png"})


async def test_a_picture_that_telegram_cannot_show_arrives_as_a_file(desk, talk, telegram):
    telegram.faults["sendPhoto"].append(Fault(400, "Bad Request: PHOTO_INVALID_DIMENSIONS"))
    file = await attach(desk, PNG, "long.png", "image/png")
    assert (await answer(desk, talk, attachment=file)).delivery is Delivery.SENT
    assert last(telegram, "sendDocument").files == {"document": PNG}
    assert last(telegram, "sendDocument").names == {"document": "long.png"}


@pytest.mark.parametrize("kind", ["photo", "document"])
async def test_a_customers_file_is_fetched_when_an_agent_opens_it(desk, talk, telegram, kind):
    content = PNG if kind == "photo" else PDF
    telegram.files["file-1"] = content
    file = {"file_id": "file-1", "file_unique_id": "u1", "file_size": len(content)}
    if kind == "photo":
        small = {**file, "file_id": "file-0", "width": 9, "height": 9}
        telegram.write(CHAT, photo=[small, {**file, "width": 90, "height": 90}])
    else:
        named = {"file_name": "отчёт <1>.pdf", "mime_type": "application/pdf"}
        telegram.write(CHAT, document={**file, **named})

    async def arrived() -> Any:
        return [message for message in await customers_messages(desk) if message.attachment]

    (message,) = await until(arrived)
    assert "getFile" not in [call.method for call in telegram.calls]  # only on click
    path = f"/desk/files/{message.id}"
    assert path in await desk.ann.get(talk)
    async with desk.ann.http.get(path) as response:
        assert response.status == 200
        assert await response.read() == content
        place = response.headers["Content-Disposition"]
        assert response.headers["Content-Type"] == "application/octet-stream"
    assert place.startswith("attachment;")
    assert ("photo.jpg" if kind == "photo" else "%D0%BE%D1%82%D1%87") in place
    telegram.files.clear()
    await desk.ann.get(path, 404)  # gone at Telegram
