"""What is noticed first: how soon a suggestion is there, what pages weigh, how soon help comes."""

from __future__ import annotations

import asyncio
import gzip
import html
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import aiohttp

ROOT = Path(__file__).resolve().parents[2]
FIRST_S, HELP_S, WEIGHT_BYTES = 120.0, 0.3, 150 * 1024
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


async def shows_a_suggestion(person: aiohttp.ClientSession) -> bool:
    """Whether the first conversation of the queue has something to take."""
    async with person.get("/desk?view=all") as reply:
        talk = re.search(r'href="(/desk\?[^"]*c=[^"&]+)', await reply.text())
    if talk is None:
        return False
    async with person.get(html.unescape(talk[1])) as reply:
        return 'class="suggestion-take"' in await reply.text()


async def test_a_new_folder_shows_a_suggestion_after_three_actions(
    tmp_path: Path, record_property
) -> None:
    """Opening the printed link, taking the made-up company, asking something in the chat."""
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "admin", "--data-dir", str(tmp_path / "new"), "serve", "--port", "0",
        cwd=ROOT, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    said = b""
    try:
        async with asyncio.timeout(FIRST_S):
            while b"/sign-in/link/" not in said or b"answers on " not in said:
                said += await process.stderr.readline()
            url, link = re.search(rb"(http://[\d.:]+)(/sign-in/link/\S+)", said).groups()
            jar = aiohttp.CookieJar(unsafe=True)
            async with (
                aiohttp.ClientSession(url.decode(), cookie_jar=jar) as person,
                aiohttp.ClientSession(url.decode()) as visitor,
            ):
                async with person.post(link.decode()) as reply:
                    page = await reply.text()
                async with person.get("/admin") as reply:
                    page = await reply.text()
                form = {"csrf_token": TOKEN.search(page)[1]}
                async with person.post("/admin/first-run/sample", data=form) as reply:
                    assert reply.status == 200
                async with visitor.post("/chat/visitors", json={}) as reply:
                    token = (await reply.json())["token"]
                body = {"id": "first-message", "text": "How do I reset my password?"}
                headers = {"Authorization": f"Bearer {token}"}
                async with visitor.post("/chat/messages", json=body, headers=headers) as reply:
                    assert reply.status == 201
                while not await shows_a_suggestion(person):
                    await asyncio.sleep(0.1)
        took_s = time.monotonic() - began
    finally:
        process.terminate()
        await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    record_property("figure", f"{took_s:.1f} s from the command to a suggestion, 3 actions")


def test_the_front_end_is_light_and_all_ours(record_property) -> None:
    folder = ROOT / "bot" / "static"
    files = [path for path in folder.rglob("*") if path.suffix in {".js", ".css"}]
    texts = {path.name: path.read_bytes() for path in files}
    # The script that counts views on a company's own pages is loaded by none of these.
    weighed = [text for name, text in texts.items() if name != "events.js"]
    plain = sum(map(len, weighed))
    packed = sum(len(gzip.compress(text)) for text in weighed)
    foreign = {
        name for name, text in texts.items()
        if re.search(rb"""(?:import|from|url\(|fetch\()\s*\(?["']?(?:https?:)?//""", text)
    }  # fmt: skip
    assert foreign == set()
    assert plain <= WEIGHT_BYTES
    record_property("figure", f"{len(weighed)} files, {plain:,} bytes, {packed:,} packed")


def test_help_comes_at_once(record_property) -> None:
    """Processor time, the least of some: a busy machine shows in the others."""
    took = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run = subprocess.run(
            [sys.executable, "-m", "admin", "--help"], cwd=ROOT, capture_output=True, check=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert b"serve" in run.stdout
    assert min(took) < HELP_S
    record_property("figure", f"{min(took) * 1e3:.0f} ms of processor time")
