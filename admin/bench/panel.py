"""The pages about customers on a large desk: how long a person waits for each."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import numpy as np

from admin.bench.process import cpu_s
from admin.bench.served import Serving, serving
from admin.scoring.orders import BUY, CHURN, PAID, VALUE, held
from bot.domain import Decision, Inbound, Role, Suggestions
from bot.event import Event
from bot.handover import Action
from bot.services import Services
from bot.store.insights import Member, NewRun, Score

PAGES: Final = (
    "/admin/customers",
    "/admin/customers?query=buyer+77",
    "/admin/customers?page=900",
    "/admin/insights/churn",
    "/admin/insights/churn?query=firm-7",
    "/admin/insights/churn?page=15",
    "/admin/insights/paid",
    "/admin/insights/buy",
    "/admin/insights/churn/table",
    "/admin/insights/value",
    "/admin/insights/value?page=900",
    "/desk?view=all",
    "/desk?view=flagged",
    "{customer}",
    "{talk}",
)
_DAY_S: Final = 86_400.0
_OPEN: Final = 2_000  # conversations that are not closed
_BATCH: Final = 1_000
_EVENTS_BATCH: Final = 10_000
_SHARE: Final = 0.1  # of the subjects are flagged
_HELD: Final = 0.1
_BLANK = Suggestions((), (), foreign=False, language="en", model_version=None, knowledge_revision=0,
                     cold=True, elapsed_ms=0.0)  # fmt: skip


@dataclass(frozen=True)
class Size:
    """How large the desk is, and how often each page is asked for."""

    events: int
    customers: int
    companies: int
    rounds: int


async def bench(size: Size, *, tell: Callable[[str], None]) -> dict[str, Any]:
    """``pages``: of each ``p50`` and ``p95`` in ms as a client waits, ``cpu_ms`` of the server.

    ``worst_p95`` is that of the slowest page.
    """
    link: list[str] = []

    async def fill(services: Services) -> None:
        link.append(await _fill(services, size, tell))

    async with serving(fill) as server:
        tell("pages")
        async with aiohttp.ClientSession(
            f"http://127.0.0.1:{server.port}", cookie_jar=aiohttp.CookieJar(unsafe=True)
        ) as person:
            async with person.post(link[0], allow_redirects=False) as reply:
                reply.raise_for_status()
            places = await _places(person)
            pages = {
                path: await _page(server, person, path.format(**places), size.rounds)
                for path in PAGES
            }
    return {
        "events": size.events, "customers": size.customers, "companies": size.companies,
        "rounds": size.rounds, "pages": pages,
        "worst_p95": max(one["p95"] for one in pages.values()),
    }  # fmt: skip


async def _page(
    server: Serving, person: aiohttp.ClientSession, path: str, rounds: int
) -> Mapping[str, float]:
    await _get(person, path)
    waits, began = [], cpu_s(server.pid)
    for _ in range(rounds):
        start = time.perf_counter()
        await _get(person, path)
        waits.append((time.perf_counter() - start) * 1e3)
    used = cpu_s(server.pid) - began
    p50, p95 = np.quantile(waits, [0.5, 0.95]).tolist()
    return {"p50": p50, "p95": p95, "cpu_ms": used / rounds * 1e3}


async def _get(person: aiohttp.ClientSession, path: str) -> str:
    async with person.get(path, headers={"Accept": "text/html"}) as reply:
        reply.raise_for_status()
        return await reply.text()


async def _places(person: aiohttp.ClientSession) -> dict[str, str]:
    """A customer's page, and a conversation of one who is flagged."""
    customers = await _get(person, "/admin/customers")
    desk = await _get(person, "/desk?view=flagged")
    customer = re.search(r'href="(/admin/customers/[\w-]{10,})"', customers)
    talk = re.search(r'data-key="([\w-]{10,})"', desk)
    assert customer is not None  # noqa: S101
    assert talk is not None  # noqa: S101
    return {"customer": customer[1], "talk": f"/desk?view=all&c={talk[1]}"}


async def _fill(services: Services, size: Size, tell: Callable[[str], None]) -> str:
    """Customers, events and four runs; gives the link with which an admin comes in."""
    tell("customers")
    for first in range(0, size.customers, _BATCH):
        await _customers(services, range(first, min(first + _BATCH, size.customers)))
    tell("events")
    await services.intake.start()
    for some in _events(size):
        await services.intake.put(some)
    await services.intake.stop()
    tell("scores")
    members = {
        f"user-{one}": Member(f"user-{one}", f"firm-{one % size.companies}")
        for one in range(size.customers)
    }
    for job, target in enumerate((CHURN, PAID, BUY, VALUE), 1):
        run = await services.store.insights.store_run(
            _run(target, job), _scores(target, size), members if job == 1 else {}
        )
        if target != VALUE:
            await services.store.flags.apply(run)
    people = services.store.people
    agent = await people.create_agent("bench", "Bench", Role.ADMIN, "en")
    return f"/sign-in/link/{await people.one_time_link(agent.id, 3600.0)}"


async def _customers(services: Services, numbers: range) -> None:
    """Each with a conversation that the models have seen; all but the newest are closed."""
    conversations, now = services.store.conversations, services.clock()
    receipts = await conversations.receive([
        Inbound("rest", f"m{one}", f"user-{one}", f"Question {one}", received_at=now - one,
                customer_name=f"Buyer {one}")
        for one in numbers
    ])  # fmt: skip
    await asyncio.gather(*(
        conversations.save_suggestions(receipt.message_id, _BLANK, Decision.SUGGEST)
        for receipt in receipts
    ))  # fmt: skip
    await asyncio.gather(*(
        conversations.act(receipt.conversation_id, Action.CLOSED)
        for number, receipt in zip(numbers, receipts, strict=True)
        if number >= _OPEN
    ))  # fmt: skip


def _events(size: Size) -> Iterator[list[Event]]:
    draw, now = random.Random(0), time.time()
    for first in range(0, size.events, _EVENTS_BATCH):
        yield [
            Event(
                id=f"e{number}", at=now - draw.random() * 90 * _DAY_S,
                name=draw.choice(("page_view", "login", "tool.report", "tool.import")),
                customer=f"user-{(one := draw.randrange(size.customers))}",
                company=f"firm-{one % size.companies}", title="Reports", counters={"rows": 3},
            )
            for number in range(first, min(first + _EVENTS_BATCH, size.events))
        ]  # fmt: skip


def _run(target: str, job: int) -> NewRun:
    shares = [one / 100 for one in range(1, 101)]
    curve = [
        {"share": share, "threshold": 1 - share, "precision": 1 - share / 2,
         "low": 0.95 - share / 2, "recall": share, "flagged": int(share * 1000)}
        for share in shares
    ]  # fmt: skip
    bins = [{"probability": one / 10, "share": one / 10, "rows": 100} for one in range(1, 10)]
    figures = {"auc": 0.9, "curve": curve, "reliability": bins}
    tenths = [{"expected": 100.0 - one, "spent": 99.0 - one} for one in range(10)]
    value = {"ngini": 0.7, "total_error": 0.01, "edges": [0.0, 15.0, 60.0], "deciles": tenths}
    report = {
        "chosen": "logistic", "logistic": figures, "precision": 0.8, "kept": True, "warnings": [],
        "event": "bought", "counter": "amount", "steps": value, "bg_nbd": value,
        "stack": [[0.4, 0.3, 0.2, 0.1]] * 10, "expected": 1e6, "horizon_days": 28,
        "data": {"bought_again": 0.3},
    }  # fmt: skip
    return NewRun(target, job, "events", time.time(), 28 * _DAY_S, 1 - _SHARE, report)


def _scores(target: str, size: Size) -> Iterator[Score]:
    draw = random.Random(target)
    reasons: tuple[Mapping[str, Any], ...] = (
        {"name": "logins.28d.change", "value": -0.6, "part": 0.9},
        {"name": "tickets.28d", "value": 4.0, "part": 0.5},
        {"name": "days_active.7d", "value": 1.0, "part": 0.2},
    )
    if target == VALUE:
        reasons = ({"steps": [0.4, 0.3, 0.2, 0.1], "bg_nbd": 30.0, "alive": 0.6},)
    names = [f"company:firm-{one}" for one in range(size.companies)]
    names += [f"customer:user-{one}" for one in range(size.customers)]
    for name in names:
        score = draw.random()
        yield Score(name, score, score * 1000, held(target, name, _HELD), reasons)
