"""Two thousand people with an open chat, who say nothing: what each costs the server in memory."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import aiohttp
import pytest

from bot.settings import Settings
from bot.store import Store

MOST_MIB = 100


def held_mib(pid: int) -> float:
    """Memory of the process that is its own."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(map(int, re.findall(r"Private_\w+:\s+(\d+)", text))) / 1024


@pytest.mark.timeout(300)
async def test_open_chats_take_little_memory_and_hear_the_next_word(
    tmp_path: Path, serving, sized, record_property
) -> None:
    count, data = sized(500, 500, 2_000), tmp_path / "data"
    await Store.open(Settings(data_dir=str(data))).close()
    async with serving(data) as (url, pid):
        endless = aiohttp.ClientTimeout(total=None)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(url, timeout=endless, connector=connector) as session:
            talks = []
            for number in range(count):
                async with session.post("/chat/visitors", json={}) as reply:
                    token = (await reply.json())["token"]
                headers = {"Authorization": f"Bearer {token}"}
                body = {"id": f"message-{number:05}", "text": "hello"}
                async with session.post("/chat/messages", json=body, headers=headers) as reply:
                    talks.append((headers, (await reply.json())["conversation"]))
            before, streams = held_mib(pid), []
            for headers, talk in talks:
                address = f"/chat/events?conversation={talk}"
                streams.append(await session.get(address, headers=headers))
                assert streams[-1].status == 200
                await streams[-1].content.readany()
            grown = held_mib(pid) - before
            heard = [asyncio.create_task(until(stream, b"and now")) for stream in streams[::50]]
            for number, (headers, _) in list(enumerate(talks))[::50]:
                body = {"id": f"another-{number:05}", "text": "and now"}
                async with session.post("/chat/messages", json=body, headers=headers) as reply:
                    assert reply.status == 201
            await asyncio.wait_for(asyncio.gather(*heard), 60)
            for stream in streams:
                stream.close()
    assert grown < MOST_MIB
    each = grown * 1024 / count
    record_property("figure", f"{count:,} open chats: {grown:.0f} MiB, {each:.1f} KiB each")


async def until(stream: aiohttp.ClientResponse, words: bytes) -> None:
    """Read until the words came."""
    seen = b""
    while words not in seen:
        piece = await stream.content.readany()
        assert piece, "the stream ended"
        seen = seen[-1_000:] + piece
