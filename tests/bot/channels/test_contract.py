"""What every channel keeps, whatever its other side."""

import asyncio

import pytest

from bot.channels.memory import MemoryChannel
from bot.channels.rest import RestChannel
from bot.channels.web import WebChannel
from bot.domain import Author, Delivery, OutboxRow
from bot.ports import SendFailed


def row(number=1, text="Hello", recipient="7"):
    return OutboxRow(
        id=number, message_id=number, conversation_id=1, conversation_public_id="c",
        channel="any", recipient=recipient, text=text, author=Author.AGENT, attempts=1,
        state=Delivery.SENDING,
    )  # fmt: skip


@pytest.fixture(params=["memory", "memory-exact", "rest", "web", "telegram"])
async def channel(request, open_line):
    if request.param == "telegram":
        async with open_line(started=False) as line:
            yield line.channel
        return
    yield {
        "memory": MemoryChannel(),
        "memory-exact": MemoryChannel("exact", exactly_once=True),
        "rest": RestChannel(),
        "web": WebChannel(lambda *_: None),
    }[request.param]


async def live(channel):
    await channel.start()
    async with asyncio.timeout(10):
        while channel.health()["state"] != "live":
            await asyncio.sleep(0.005)


async def test_it_says_how_it_is(channel):
    await live(channel)
    health = channel.health()
    assert health["last_error"] == ""
    assert isinstance(channel.name, str)
    assert isinstance(channel.exactly_once, bool)
    await channel.stop()


async def test_it_stops_twice_and_without_a_start(channel):
    await channel.stop()
    await live(channel)
    await channel.stop()
    await channel.stop()


async def test_it_sends_after_a_restart(channel):
    for _ in range(2):
        await live(channel)
        await channel.send(row())
        await channel.stop()


async def test_a_file_that_is_not_there_is_a_final_failure(channel):
    await live(channel)
    with pytest.raises(SendFailed) as failure:
        await channel.fetch("nothing", 10)
    assert failure.value.final
    await channel.stop()


async def test_typing_never_fails(channel):
    await channel.typing("7")
    await live(channel)
    await channel.typing("7")
    await channel.stop()


async def test_only_a_channel_that_merges_by_id_says_exactly_once(channel):
    await live(channel)
    first = await channel.send(row())
    assert await channel.send(row()) == first or not channel.exactly_once
    await channel.stop()
