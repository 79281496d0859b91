"""What a client is told was stored lay on the disk before: read from the system calls themselves.

strace writes down every write and sync of a server while messages, replies and updates come in. A
mark in each text leads from the page of the log that holds it over the sync that follows to the
answer on the socket. With 32 at once the sync is shared; the order is the same.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from bot.settings import Settings
from bot.store import Store

CALLS = "pwrite64,fdatasync,sendto,write,writev,sendmsg"
LINE = re.compile(r"(?P<thread>\d+) +(?:<\.\.\. )?(?P<call>\w+)(?P<rest>.*)", re.DOTALL)
pytestmark = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")


@dataclass
class Order:
    """Where in the record a text was written to the log, was safe, and was acknowledged."""

    written: dict[str, int] = field(default_factory=dict)
    safe: dict[str, int] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)


def order_of(record: str, marks: list[str]) -> Order:
    """The order of the calls; a call counts as done where it came back, a sync where it began."""
    found, begun = Order(), {}
    open_marks: set[str] = set()  # written, and no sync has begun since
    syncing: dict[str, set[str]] = {}  # by thread
    for number, line in enumerate(record.splitlines()):
        matched = LINE.match(line)
        if matched is None:
            continue
        thread, call, rest = matched["thread"], matched["call"], matched["rest"]
        resumed = "resumed>" in line
        if "<unfinished" in line:
            begun[thread] = rest
        whole = begun.pop(thread, "") + rest if resumed else rest
        over = "<unfinished" not in line
        if call == "pwrite64" and "-wal>" in whole and over:
            fresh = {mark for mark in marks if mark in whole and mark not in found.written}
            found.written |= dict.fromkeys(fresh, number)
            open_marks |= fresh
        elif call == "fdatasync" and "-wal>" in whole:
            if not resumed:
                syncing[thread] = set(open_marks)
            if over and whole.rstrip().endswith("= 0"):
                done = syncing.pop(thread)
                open_marks -= done
                found.safe |= {mark: number for mark in done if mark not in found.safe}
        elif "TCP:" in whole and not resumed:
            found.told |= {mark: number for mark in marks if f"X-Request-Id: {mark}" in whole}
    return found


async def send(session: aiohttp.ClientSession, url: str, mark: str, token: str, talk: str) -> str:
    """Say something, as a visitor or as an agent's program; the id of the request is the mark."""
    headers = {"Authorization": f"Bearer {token}", "X-Request-Id": mark}
    if talk:
        path = f"/api/v1/conversations/{talk}/replies"
        body = {"text": f"answer {mark}", "idempotency_key": mark}
    else:
        path, body = "/chat/messages", {"id": mark, "text": f"question {mark}"}
    async with session.post(url + path, json=body, headers=headers) as reply:
        assert reply.status == 201, await reply.text()
        return str((await reply.json()).get("conversation", ""))


@pytest.mark.timeout(300)
async def test_nothing_is_acknowledged_before_it_is_on_the_disk(
    tmp_path: Path, serving, sized, record_property
) -> None:
    data, record = tmp_path / "data", tmp_path / "record"
    store = Store.open(Settings(data_dir=str(data)))
    _, secret = await store.people.create_token("t", ("messages:write", "admin"))
    await store.close()
    rounds, marks = sized(1, 10, 40), []
    strace = [
        "strace", "-D", "-f", "-qq", "-y", "-yy", "-s", "8192", "-o", str(record), "-e",
        "signal=none", "-e", f"trace={CALLS}",
    ]  # fmt: skip
    async with (
        serving(data, before=strace, NEUROBOT_ANSWERS__UNDO_S="0") as (url, _),
        aiohttp.ClientSession() as session,
    ):
        async with session.post(f"{url}/chat/visitors", json={}) as reply:
            token = (await reply.json())["token"]
        for _ in range(rounds):
            one = uuid4().hex
            talk = await send(session, url, one, token, "")
            batch = [uuid4().hex for _ in range(32)]
            marks += [one, *batch]
            ways = [*[(token, "")] * 7, (secret, talk)] * 4
            await asyncio.gather(*(
                send(session, url, mark, *way) for mark, way in zip(batch, ways, strict=True)
            ))  # fmt: skip
    found = order_of(record.read_text(encoding="utf-8", errors="replace"), marks)
    assert set(found.written) == set(found.told) == set(marks)
    late = [mark for mark in marks if not found.written[mark] < found.safe[mark] < found.told[mark]]
    assert late == []
    syncs = len(set(found.safe.values()))
    record_property(
        "figure", f"{len(marks)} messages, {syncs} syncs: 0 acknowledged before its sync returned"
    )  # fmt: skip


def test_an_order_that_is_wrong_is_seen() -> None:
    """The reader of the record is no rubber stamp."""
    wal, socket = "7</d/neurobot.db-wal>", "9<TCP:[127.0.0.1:1->127.0.0.1:2]>"
    page, sync = f'1 pwrite64({wal}, "..aa..", 9, 0) = 9', f"1 fdatasync({wal}) = 0"
    told = f'2 sendto({socket}, "HTTP/1.1 201\\r\\nX-Request-Id: aa\\r\\n", 9) = 9'

    def right(*lines: str) -> bool:
        found = order_of("\n".join(lines), ["aa"])
        safe = found.safe.get("aa", 10**9)
        return found.written.get("aa", 10**9) < safe < found.told["aa"]

    assert right(page, sync, told)
    assert not right(page, told, sync)
    assert not right(sync, page, told)
    begun, ended = f"1 fdatasync({wal} <unfinished ...>", "1 <... fdatasync resumed>) = 0"
    assert right(page, begun, ended, told)
    assert not right(page, begun, told, ended)
    assert not right(begun, page, ended, told)
    assert not right(page, f"1 fdatasync({wal}) = -1 EIO", told)
