"""The made-up company, its customer, and the command that shows both."""

from __future__ import annotations

import asyncio
import html
import os
import re
import signal
import sys
import time
from pathlib import Path

import aiohttp

from admin.demo.company import load_company
from admin.demo.customer import Pace, alternate, ask


def test_the_company_is_large_enough_and_in_two_languages() -> None:
    company = load_company()
    assert len({entry.category for entry in company.entries}) >= 40
    for language in ("ru", "en"):
        entries = [entry for entry in company.entries if entry.language == language]
        assert len(entries) >= 150
        assert sum(len(entry.asked) for entry in entries) >= 1000
    assert sum(len(entry.asked) + len(entry.kept) for entry in company.entries) >= 2400
    answers = [entry.answer for entry in company.entries]
    assert len(set(answers)) == len(answers)


def test_what_the_customer_asks_was_kept_out() -> None:
    company = load_company()
    asked = {text for entry in company.entries for text in entry.asked}
    lines = company.customer_lines()
    assert len(lines) > 250
    assert not asked & {text for _, text in lines}
    assert {language for language, _ in alternate(lines)[:2]} == {"ru", "en"}


async def test_the_customer_asks_and_suggestions_are_there(owner, server) -> None:
    await owner.post("/admin/first-run/sample")
    lines = load_company().customer_lines()[:4]  # as many as wait for nobody's answer
    await ask(server.services, lines, pace=Pace(0.0, 0.0))
    await server.services.pipeline.settled()
    conversations = server.services.store.conversations
    queue = await conversations.queue("unassigned", None)
    assert queue.total == len(lines)
    for conversation in queue.items:
        message = (await conversations.messages(conversation.id))[0]
        suggestions, _ = await conversations.suggestions(message.id)
        assert suggestions.items
        assert all(item.language == conversation.language for item in suggestions.items[:1])


async def shows_a_suggestion(newcomer: aiohttp.ClientSession) -> bool:
    """True once the first conversation of the queue has something to take with the key 1."""
    async with newcomer.get("/desk?view=unassigned") as response:
        talk = re.search(r'href="(/desk\?[^"]*c=[^"&]+)', await response.text())
    if talk is None:
        return False
    async with newcomer.get(html.unescape(talk[1])) as response:
        return 'class="suggestion-take"' in await response.text()


async def test_the_command_serves_a_real_suggestion_soon_and_stops_on_a_signal(
    tmp_path: Path,
) -> None:
    environment = {**os.environ, "NEUROBOT_HTTP__PORT": "1", "DISPLAY": ""}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from admin.cli import main; main()", "demo", "--fast", "--port", "0",
        cwd=tmp_path, env={**environment, "PYTHONPATH": str(Path(__file__).parents[2])},
        stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    began = time.monotonic()
    said = b""
    try:
        async with asyncio.timeout(60):
            while b"/sign-in/link/" not in said:
                said += await process.stderr.readline()
        url, link = re.search(rb"(http://[\d.:]+)(/sign-in/link/\S+)", said).groups()
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(url.decode(), cookie_jar=jar) as newcomer:
            async with newcomer.post(link.decode(), allow_redirects=False) as response:
                assert response.headers["Location"] == "/desk"
            async with asyncio.timeout(30):
                while not await shows_a_suggestion(newcomer):
                    await asyncio.sleep(0.3)
        assert time.monotonic() - began < 60
    finally:
        process.send_signal(signal.SIGTERM)
        _, rest = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    assert b"Traceback" not in said + rest
    assert (tmp_path / "demo-data" / "neurobot.db").exists()
