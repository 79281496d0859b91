"""Memory of the server process under mixed load: it grows until it is warm, then it stays.

Chats, searches, pages, REST, events, streams that come and go, files, and bodies that are refused.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import statistics
import time
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from bot.domain import Role
from bot.settings import Settings
from bot.store import Store

WORDS = (
    "order", "parcel", "refund", "invoice", "password", "seat", "account", "delivery", "late",
    "broken", "card", "change", "cancel", "заказ", "посылка", "возврат", "счёт", "пароль", "место",
    "доставка", "сломан", "карта", "отменить", "изменить", "где", "когда",
)  # fmt: skip


def text(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(3, 25)))


async def seeded(settings: Settings) -> tuple[str, str, str]:
    """Articles, an owner, a program: cookie, its CSRF token, API token."""
    rng, store = random.Random(1), Store.open(settings)
    try:
        for number in range(150):
            await store.knowledge.save(
                text=f"{text(rng)} {number}", questions=[text(rng)], category=f"c{number % 9}"
            )
        agent = await store.people.create_agent("boss", "Boss", Role.OWNER, "en")
        cookie = await store.people.create_session(agent.id)
        found = await store.people.session(cookie)
        _, token = await store.people.create_token("load", ["admin"])
        return cookie, found[1].csrf_token, token
    finally:
        await store.close()


class Load:
    """Requests of every kind, one after another in each of some tasks."""

    def __init__(self, url: str, cookie: str, csrf: str, token: str) -> None:
        self.url, self.over, self.count = url, False, 0
        self.person = {"Cookie": f"neurobot={cookie}", "X-CSRF-Token": csrf}
        self.program = {"Authorization": f"Bearer {token}"}
        self.codes: set[int] = set()

    async def ask(self, session, method: str, path: str, headers=None, **options) -> dict:
        async with session.request(
            method, self.url + path, headers=headers, allow_redirects=False, **options
        ) as reply:
            self.codes.add(reply.status)
            self.count += 1
            body = await reply.read()
            is_json = reply.content_type == "application/json"
            return await reply.json() if is_json and body else {}

    async def fill(self, batches: int) -> None:
        """Fill what has a fixed size: the window of events whose repeats are known."""
        async with aiohttp.ClientSession() as session:
            for _ in range(batches):
                events = [{"name": "page_view", "visitor": "v", "url": "https://x/"}] * 1000
                await self.ask(session, "POST", "/api/v1/events", self.program, json=events)

    async def run(self, seed: int) -> None:
        rng = random.Random(seed)
        async with aiohttp.ClientSession() as session:
            for kind in itertools.cycle((self._visitor, self._program, self._person, self._bad)):
                if self.over:
                    return
                await kind(session, rng)

    async def _visitor(self, session, rng) -> None:
        token = (await self.ask(session, "POST", "/chat/visitors", json={}))["token"]
        headers = {"Authorization": f"Bearer {token}"}
        for _ in range(2):
            body = {"id": str(uuid4()), "text": text(rng), "name": "x"}
            receipt = await self.ask(session, "POST", "/chat/messages", headers, json=body)
        talk = receipt["conversation"]
        await self.ask(session, "GET", f"/chat/history?conversation={talk}", headers)
        stream = f"{self.url}/chat/events?conversation={talk}"
        async with session.get(stream, headers=headers) as reply:
            await reply.content.readany()
            reply.close()
        await self.ask(session, "GET", "/static/ui.css")

    async def _program(self, session, rng) -> None:
        for _ in range(3):
            body = {"text": text(rng)}
            await self.ask(session, "POST", "/api/v1/suggest", self.program, json=body)
        events = [
            {"name": "page_view", "visitor": f"v{rng.randrange(500)}", "url": "https://x/"}
        ] * 5
        await self.ask(session, "POST", "/api/v1/events", self.program, json=events)
        await self.ask(session, "GET", "/metrics")

    async def _person(self, session, rng) -> None:
        word = rng.choice(WORDS)
        await self.ask(session, "GET", f"/desk?view=all&q={word}", self.person)
        form = aiohttp.FormData()
        form.add_field("file", rng.randbytes(20_000), filename="a.bin", content_type="a/b")
        await self.ask(session, "POST", "/desk/files", self.person, data=form)

    async def _bad(self, session, rng) -> None:
        kind = {**self.program, "Content-Type": "application/json"}
        for body in (b"[" * 20_000, rng.randbytes(2000), b'{"text": 5}'):
            await self.ask(session, "POST", "/api/v1/suggest", kind, data=body)
        await self.ask(session, "GET", f"/no/{rng.random()}", {"Accept": "text/html"})


def resident_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 2**20


@pytest.mark.timeout(900)
async def test_memory_stays_under_mixed_load(tmp_path, serving, sized, record_property) -> None:
    settings = Settings(data_dir=str(tmp_path))
    secrets = await seeded(settings)
    lasting_s = sized(8, 120, 600)
    async with serving(tmp_path) as (url, pid):
        load = Load(url, *secrets)
        await load.fill(sized(0, 110, 110))
        tasks = [asyncio.create_task(load.run(seed)) for seed in range(4)]
        began, samples = time.monotonic(), []
        while (at := time.monotonic() - began) < lasting_s:
            samples.append((at / lasting_s, resident_mib(pid)))
            await asyncio.sleep(lasting_s / 240)
            assert not [task for task in tasks if task.done() and task.exception()]
        load.over = True
        await asyncio.gather(*tasks)
    assert not [code for code in load.codes if code >= 500]
    assert load.codes >= {200, 201, 204, 400, 404}
    warm = statistics.median(mib for at, mib in samples if 1 / 3 < at < 1 / 2)
    last = statistics.median(mib for at, mib in samples if at > 5 / 6)
    growth = last / warm - 1
    record_property(
        "figure",
        f"{load.count:,} requests in {lasting_s} s: {warm:.0f} MiB warm, {last:.0f} MiB at the "
        f"end, {growth:+.1%}",
    )
    assert growth < sized(20, 5, 5) / 100
