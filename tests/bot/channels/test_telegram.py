"""The Telegram channel against a Bot API server: the way in, the way out, and bad days."""

import asyncio
import hashlib
import logging
import time

import aiohttp
import msgspec
import pytest

from admin.evaluate.fake_telegram import (
    BLOCKED,
    FLOOD,
    NO_CHAT,
    RESET_AFTER_ACCEPTING,
    SECRET_HEADER,
    TOKEN,
    Fault,
)
from bot.channels.telegram import WEBHOOK_PATH, TelegramChannel
from bot.domain import Attachment, Author, Delivery, MessageKind
from bot.errors import SettingsInvalid, StorageUnavailable
from bot.ports import SendFailed
from bot.store import Reply

SECRET = "s3cret-of-the-webhook"  # as in conftest
MODES = ["polling", "webhook"]


async def reply(line, chat_id, text, **more):
    """An agent answers the customer of a chat."""
    agents = await line.store.people.agents()
    agent = agents[0] if agents else await line.store.people.create_agent("olga", "Olga")
    first = (await line.messages(chat_id))[0]
    fields = {"author": Author.AGENT, "agent_id": agent.id} | more
    message = await line.store.conversations.reply(
        first.conversation_id, Reply(text=text, **fields)
    )
    line.delivery.wake()
    return message


async def fate(line, message):
    """State and reason of a message once it is decided."""
    open_states = {Delivery.QUEUED, Delivery.SENDING, Delivery.HELD}
    async with asyncio.timeout(10):
        while True:
            stored = await line.store.conversations.message(message.id)
            if stored.delivery not in open_states:
                return stored.delivery, stored.delivery_error
            await asyncio.sleep(0.01)


def words(messages, author=Author.CUSTOMER):
    return [message.text for message in messages if message.author is author]


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": ""},
        {"mode": "webhook", "webhook_secret": ""},
        {"mode": "webhook", "webhook_secret": "with space"},
        {"mode": "webhook", "api_url": "https://api.telegram.org/bot"},
    ],
)
async def test_settings_that_cannot_work_are_refused(telegram_settings, ticking_store, wrong):
    http = msgspec.structs.replace(telegram_settings.http, public_url="http://help.example.org")
    section = msgspec.structs.replace(telegram_settings.telegram, **wrong)
    given = msgspec.structs.replace(telegram_settings, telegram=section, http=http)
    with pytest.raises(SettingsInvalid):
        TelegramChannel(given, ticking_store, None, time.time)


@pytest.mark.parametrize("headers", [{}, {SECRET_HEADER: "wrong"}, {SECRET_HEADER: "неверно"}])
async def test_a_webhook_call_without_the_secret_changes_nothing(open_line, headers):
    async with open_line("webhook") as line, aiohttp.ClientSession() as session:
        address = line.settings.http.public_url + WEBHOOK_PATH
        encoded = {key: value.encode().decode("latin-1") for key, value in headers.items()}
        async with session.post(address, json={"update_id": 1}, headers=encoded) as response:
            assert response.status == 403
        assert await line.store.inbox.telegram_offset() == 0


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{}", b'{"update_id": "x"}', b"\xff", b"[" * 9000,
        b'{"update_id": 1, "\xff": 2}',
        b'{"update_id": 1000000000000000000000000}', b'{"update_id": -9223372036854775809}',
    ],
)  # fmt: skip
async def test_a_webhook_call_that_is_no_update_is_refused(open_line, body):
    async with open_line("webhook") as line, aiohttp.ClientSession() as session:
        address = line.settings.http.public_url + WEBHOOK_PATH
        async with session.post(address, data=body, headers={SECRET_HEADER: SECRET}) as response:
            assert response.status == 400


@pytest.mark.parametrize("mode", MODES)
async def test_an_update_of_unknown_shape_is_stored_and_acknowledged(open_line, mode):
    async with open_line(mode) as line:
        line.telegram.push({"message": {"nonsense": True}})
        line.telegram.write(7, "a good one")
        await line.taken()
        assert words(await line.messages(7)) == ["a good one"]


@pytest.mark.parametrize("mode", MODES)
async def test_nothing_is_acknowledged_while_the_disk_is_full(open_line, monkeypatch, mode):
    async with open_line(mode) as line:
        store = line.store.inbox.receive_updates
        failures = iter([True, True])

        async def twice_full(updates):
            if next(failures, False):
                raise StorageUnavailable
            return await store(updates)

        monkeypatch.setattr(line.store.inbox, "receive_updates", twice_full)
        line.telegram.write(7, "kept")
        await line.taken()
        assert words(await line.messages(7)) == ["kept"]
        if mode == "webhook":
            assert line.telegram.webhook_answers[:2] == [503, 503]


@pytest.mark.parametrize("mode", MODES)
async def test_messages_come_in_order_once_and_are_answered(open_line, mode):
    async with open_line(mode) as line:
        for number in range(40):
            line.telegram.write(number % 4, f"{number}")
        line.telegram.shuffle(lambda update: -update["message"]["chat"]["id"])
        await line.taken()
        for chat in range(4):
            expected = [f"{number}" for number in range(40) if number % 4 == chat]
            assert words(await line.messages(chat)) == expected
            assert len(line.telegram.texts(chat)) == 1


@pytest.mark.parametrize("mode", MODES)
async def test_an_update_that_comes_again_acts_once(open_line, mode):
    async with open_line(mode) as line:
        update = line.telegram.write(7, "once")
        await line.taken()
        line.telegram.push(update)
        line.telegram.push({"message": update["message"]})  # the same message in another update
        line.telegram.write(7, "twice")
        await line.taken()
        await line.until(lambda: _has(line, 7, ["once", "twice"]))
        assert words(await line.messages(7)) == ["once", "twice"]


async def _has(line, chat, expected):
    return words(await line.messages(chat)) == expected


async def test_switching_the_way_in_and_restarting_lose_nothing(open_line):
    for round_, mode in enumerate(["polling", "webhook", "polling"]):
        async with open_line(mode) as line:
            line.telegram.write(7, f"up {round_}")
            await line.taken()
        line.telegram.write(7, f"down {round_}")
    async with open_line("webhook") as line:
        await line.taken()
        expected = [f"{what} {n}" for n in range(3) for what in ("up", "down")]
        assert words(await line.messages(7)) == expected


async def test_updates_during_a_shutdown_stay_with_telegram(open_line, telegram):
    async def load():
        for number in range(200):
            telegram.write(number % 5, f"{number}")
            await asyncio.sleep(0.001)

    loading = asyncio.create_task(load())
    for mode in ("webhook", "polling"):
        async with open_line(mode):
            await asyncio.sleep(0.07)
    await loading
    async with open_line("polling") as line:
        await line.taken()
        for chat in range(5):
            expected = [f"{number}" for number in range(200) if number % 5 == chat]
            assert words(await line.messages(chat)) == expected


async def test_a_network_that_comes_late_is_waited_for(open_line, telegram):
    telegram.faults["getMe"] += [Fault(502, "Bad Gateway"), Fault(0)]
    async with open_line() as line:
        assert line.channel.health()["state"] == "connecting"
        line.telegram.write(7, "at last")
        await line.taken()
        assert line.channel.health()["state"] == "live"


async def test_an_edit_replaces_the_text(open_line):
    async with open_line() as line:
        sent = line.telegram.write(7, "wrnog")
        await line.taken()
        line.telegram.edit(7, sent["message"]["message_id"], "wrong")
        await line.until(lambda: _has(line, 7, ["wrong"]))


@pytest.mark.parametrize("pressed", [True, False])
async def test_the_button_calls_a_person(open_line, pressed):
    async with open_line() as line:
        line.telegram.write(7, "/start")
        await line.taken()
        if pressed:
            line.telegram.press(7, "person")
        else:
            line.telegram.write(7, "Позвать человека")
        await line.taken()
        conversation = await line.store.conversations.get(
            (await line.messages(7))[0].conversation_id
        )
        assert conversation.state == "open"
        keyboard = line.telegram.sent[0].params["reply_markup"]["keyboard"]
        assert keyboard[0][0]["text"] in {"Позвать человека", "Talk to a person"}
        assert pressed == any(c.method == "answerCallbackQuery" for c in line.telegram.calls)


async def test_a_blocked_bot_and_a_missing_chat_are_final(open_line):
    async with open_line() as line:
        line.telegram.write(7, "hi")
        await line.taken()
        for fault, reason in ((NO_CHAT, "chat-not-found"), (BLOCKED, "blocked")):
            line.telegram.faults["sendMessage"].append(fault)
            message = await reply(line, 7, "answer")
            assert await fate(line, message) == (Delivery.FAILED, reason)


@pytest.mark.parametrize(
    "fault", [RESET_AFTER_ACCEPTING, Fault(0), Fault(502, "Bad Gateway", accepted=True)]
)
async def test_a_request_without_an_answer_is_uncertain_and_never_repeated(open_line, fault):
    async with open_line() as line:
        line.telegram.write(7, "hi")
        await line.taken()
        before = len([c for c in line.telegram.calls if c.method == "sendMessage"])
        line.telegram.faults["sendMessage"].append(fault)
        message = await reply(line, 7, "answer")
        assert (await fate(line, message))[0] is Delivery.UNCERTAIN
        await asyncio.sleep(0.1)
        assert len([c for c in line.telegram.calls if c.method == "sendMessage"]) == before + 1


async def test_flood_control_is_waited_for(open_line):
    async with open_line() as line:
        line.telegram.write(7, "hi")
        await line.taken()
        line.telegram.faults["sendMessage"].append(FLOOD)
        started = time.monotonic()
        message = await reply(line, 7, "answer")
        assert (await fate(line, message))[0] is Delivery.SENT
        assert time.monotonic() - started >= 1


async def test_long_texts_arrive_in_pieces_and_partly_is_uncertain(open_line):
    async with open_line() as line:
        line.telegram.write(7, "hi")
        await line.taken()
        long = "Слово. " * 1500
        message = await reply(line, 7, long)
        assert (await fate(line, message))[0] is Delivery.SENT
        pieces = line.telegram.texts(7)[1:]
        assert len(pieces) == 3
        assert " ".join(pieces) == long.strip()
        line.telegram.faults["sendMessage"] += [None, NO_CHAT]
        message = await reply(line, 7, long)
        assert (await fate(line, message))[0] is Delivery.UNCERTAIN


async def test_files_come_in_by_reference_and_go_out(open_line):
    async with open_line() as line:
        line.telegram.files["cat"] = b"meow"
        photo = {"file_id": "cat", "file_unique_id": "u", "width": 9, "height": 9, "file_size": 4}
        line.telegram.write(7, photo=[photo], caption="what is this?")
        await line.taken()
        stored = (await line.messages(7))[0]
        assert (stored.kind, stored.text) == (MessageKind.PHOTO, "what is this?")
        assert await line.channel.fetch("cat", 100) == b"meow"
        for limit, reference in ((2, "cat"), (100, "dog")):
            with pytest.raises(SendFailed):
                await line.channel.fetch(reference, limit)
        content = b"%PDF"
        digest = hashlib.sha256(content).hexdigest()
        line.settings.attachments_path.mkdir(parents=True, exist_ok=True)
        (line.settings.attachments_path / digest).write_bytes(content)
        file = Attachment("bill.pdf", "application/pdf", 4, f"blob:{digest}")
        more = {"attachment": file, "kind": MessageKind.DOCUMENT}
        message = await reply(line, 7, "your bill", **more)
        assert (await fate(line, message))[0] is Delivery.SENT
        sent = line.telegram.sent[-1]
        assert (sent.method, sent.params["caption"]) == ("sendDocument", "your bill")
        assert list(sent.files.values()) == [content]


async def test_replies_point_at_their_messages_both_ways(open_line):
    async with open_line() as line:
        asked = line.telegram.write(7, "hi")["message"]
        await line.taken()
        first = (await line.messages(7))[0]
        message = await reply(line, 7, "answer", message_id=first.id)
        await fate(line, message)
        pointed = line.telegram.sent[-1].params["reply_parameters"]["message_id"]
        assert pointed == asked["message_id"]
        stored = await line.store.conversations.message(message.id)
        number = int(stored.external_id.partition(":")[2])
        back = {"message_id": number, "date": 1, "chat": asked["chat"], "text": "answer"}
        line.telegram.write(7, "thanks", reply_to_message=back)
        await line.until(lambda: _has(line, 7, ["hi", "thanks"]))
        assert (await line.messages(7))[-1].reply_to_id == message.id


async def test_a_silent_server_does_not_hold_the_stop_up(open_line, telegram):
    telegram.faults["sendMessage"].append(Fault(502, hang_s=1.0))
    async with open_line() as line:
        line.telegram.write(7, "hi")
        await telegram.until(lambda: any(c.method == "sendMessage" for c in telegram.calls))
        started = time.monotonic()
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("mode", MODES)
async def test_the_token_is_in_no_line_of_the_log(open_line, telegram, caplog, mode):
    caplog.set_level(logging.DEBUG)
    telegram.faults["sendMessage"] += [Fault(500, f"broke at /bot{TOKEN}/x"), FLOOD]
    telegram.faults["getUpdates"] += [Fault(0), Fault(401, f"Unauthorized {TOKEN}")]
    async with open_line(mode) as line:
        line.telegram.write(7, "hi")
        line.telegram.write(8, "hi")
        await line.taken()
        with pytest.raises(SendFailed):
            await line.channel.fetch("nothing", 10)
    handler = logging.Formatter()
    lines = [handler.format(record) for record in caplog.records]
    assert any("HTTP Request" in text for text in lines)
    assert not [text for text in lines if TOKEN in text or SECRET in text]
    assert TOKEN not in str(line.channel.health())


async def test_typing_is_shown_and_its_failure_ignored(open_line, telegram):
    async with open_line() as line:
        await telegram.until(lambda: line.channel.health()["state"] == "live")
        telegram.faults["sendChatAction"].append(BLOCKED)
        await line.channel.typing("7")
        await line.channel.typing("7")
        await line.channel.typing("not a chat")
    assert [c.method for c in telegram.calls].count("sendChatAction") == 2
