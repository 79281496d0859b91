"""A corpus played through the whole server: imported, trained, asked over Telegram, compared.

The parts are the product's own, in a temporary data folder; the other side of the Telegram channel
is ``fake_telegram``, so updates travel over real HTTP. Nothing is kept but the report.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from admin.evaluate.baseline import rank_answers
from admin.evaluate.fake_telegram import FakeTelegram
from admin.evaluate.scratch import scratch_settings
from admin.importers.knowledge import read_knowledge
from admin.importers.rows import KnowledgeRow, TicketRow
from admin.importers.tickets import match_answers, read_tickets, same_text
from admin.operations import article_rows, import_articles
from bot import app
from bot.domain import Suggestions
from bot.errors import NeurobotError
from bot.services import Services
from bot.settings import Settings

Tell = Callable[[str, float | None, float | None], None]

_TOP = 5
_CATEGORY_TOP = 3
_SETTLE_S = 60.0  # after the last update; what is not there by then is lost
_POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class Corpus:
    """What is imported and what is asked."""

    knowledge: Sequence[KnowledgeRow]
    train: Sequence[TicketRow]
    test: Sequence[TicketRow]


@dataclass(frozen=True, slots=True)
class Asked:
    """One replayed ticket. ``waited_ms`` is None where its suggestions never came."""

    row: TicketRow
    suggestions: Suggestions | None
    waited_ms: float | None


def read_corpus(knowledge: Path, train: Path, test: Path) -> Corpus:
    """The three files.

    Raises:
        BadData: a file or a line of it cannot be read.
    """
    return Corpus(
        read_knowledge(knowledge).accepted(partial=False),
        read_tickets(train).accepted(partial=False),
        read_tickets(test).accepted(partial=False),
    )


async def replay(
    corpus: Corpus, *, repeat: int, per_second: float, preset: str, tell: Tell
) -> dict[str, Any]:
    """Figures of the server and of the plain TF-IDF match on the same test tickets.

    Args:
        corpus: texts.
        repeat: how often each test ticket is sent, each time from a chat of its own.
        per_second: updates sent in a second.
        preset: of the training; empty is the default one.
        tell: progress (stage, share done, seconds left).

    Raises:
        NeurobotError: the training failed.
    """
    with tempfile.TemporaryDirectory(prefix="neurobot-replay-") as folder:
        async with FakeTelegram() as telegram:
            settings = _settings(Path(folder), telegram)
            async with app.running(settings) as server:
                tell("importing", None, None)
                await _import(server.services, corpus)
                trained = await _train(server.services, preset, tell)
                asked = await _ask(
                    server.services,
                    telegram,
                    corpus.test,
                    tell,
                    repeat=repeat,
                    per_second=per_second,
                )
    tell("comparing with TF-IDF", None, None)
    return {
        "corpus": {
            "knowledge_rows": len(corpus.knowledge),
            "train": len(corpus.train),
            "test": len(corpus.test),
        },
        "repeat": repeat,
        "per_second": per_second,
        "training_s": trained,
        "server": _figures(asked),
        "tfidf": await asyncio.to_thread(_baseline, corpus),
    }


def _settings(folder: Path, telegram: FakeTelegram) -> Settings:
    return scratch_settings(
        folder,
        {
            "telegram.mode": "polling",
            "telegram.token": telegram.token,
            "telegram.api_url": telegram.api_url,
            "telegram.file_url": telegram.file_url,
        },
    )


async def _import(services: Services, corpus: Corpus) -> None:
    await import_articles(services, article_rows(corpus.knowledge), dry_run=False)
    articles = await services.store.knowledge.all_items()
    tickets, _ = match_answers(corpus.train, articles)
    await services.store.knowledge.import_tickets(tickets)


async def _train(services: Services, preset: str, tell: Tell) -> float:
    """Seconds that the training took."""
    began = time.perf_counter()
    job = await services.jobs.train(preset=preset)
    while job.finished_at is None:
        tell(job.stage or job.state, job.progress, job.eta_s)
        await asyncio.sleep(_POLL_S)
        job = await services.store.jobs.get(job.id)
    await services.jobs.wait(job.id)
    if services.serving.bundle is None:
        raise NeurobotError(f"The training ended as '{job.state}': {job.reason}")
    return round(time.perf_counter() - began, 1)


async def _ask(
    services: Services,
    telegram: FakeTelegram,
    rows: Sequence[TicketRow],
    tell: Tell,
    *,
    repeat: int,
    per_second: float,
) -> list[Asked]:
    """Send every ticket ``repeat`` times and wait for what is stored."""
    sent: dict[int, tuple[TicketRow, float]] = {}
    ready: dict[int, float] = {}

    async def listen() -> None:
        async for event in services.bus.subscribe({"desk"}):
            if event.name == "suggestions.ready":
                # published after the commit
                ready.setdefault(int(event.data["conversation_id"]), time.perf_counter())

    listener = asyncio.create_task(listen())
    try:
        began = time.perf_counter()
        total = len(rows) * repeat
        for number, (_, row) in enumerate(itertools.product(range(repeat), rows)):
            await asyncio.sleep(max(0.0, began + number / per_second - time.perf_counter()))
            chat = 1_000_000 + number
            sent[chat] = (row, time.perf_counter())
            telegram.write(chat, row.text)
            tell("asking", number / total, (total - number) / per_second)
        deadline = time.perf_counter() + _SETTLE_S
        while len(ready) < total and time.perf_counter() < deadline:  # noqa: ASYNC110 - two clocks
            await asyncio.sleep(_POLL_S / 10)
        return [await _asked(services, chat, *what, ready) for chat, what in sent.items()]
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)


async def _asked(
    services: Services, chat: int, row: TicketRow, sent_at: float, ready: Mapping[int, float]
) -> Asked:
    conversations = services.store.conversations
    customer = await conversations.find_customer("telegram", str(chat))
    if customer is None:
        return Asked(row, None, None)
    for conversation in await conversations.previous(customer.id, None):
        message = (await conversations.messages(conversation.id))[0]
        found = await conversations.suggestions(message.id)
        ready_at = ready.get(conversation.id)
        if found is not None and message.text == row.text:
            waited = None if ready_at is None else (ready_at - sent_at) * 1e3
            return Asked(row, found[0], waited)
    return Asked(row, None, None)


def _figures(asked: Sequence[Asked]) -> dict[str, Any]:
    there = [one for one in asked if one.suggestions is not None]
    labelled = [one for one in there if one.row.kb_answer]
    waits = sorted(one.waited_ms for one in there if one.waited_ms is not None)
    categories = [
        [guess.name for guess in one.suggestions.categories] for one in there if one.suggestions
    ]
    wanted = [one.row.category for one in there]
    answers = [
        [same_text(item.text) for item in one.suggestions.items]
        for one in labelled
        if one.suggestions
    ]
    right = [same_text(one.row.kb_answer) for one in labelled]
    return {
        "sent": len(asked),
        "lost": len(asked) - len(there),
        "category_top1": _share(wanted, categories, 1),
        "category_top3": _share(wanted, categories, _CATEGORY_TOP),
        **_answer_shares(right, answers),
        "update_to_suggestion_ms": {
            "p50": _quantile(waits, 0.5),
            "p99": _quantile(waits, 0.99),
            "max": _quantile(waits, 1.0),
        },
        "model": next((one.suggestions.model_version for one in there if one.suggestions), None),
    }


def _baseline(corpus: Corpus) -> dict[str, Any]:
    documents = [(row.question, same_text(row.answer)) for row in corpus.knowledge]
    documents += [(row.text, same_text(row.kb_answer)) for row in corpus.train if row.kb_answer]
    rows = [row for row in corpus.test if row.kb_answer]
    ranked = rank_answers(documents, [row.text for row in rows], _TOP)
    return _answer_shares([same_text(row.kb_answer) for row in rows], ranked)


def _answer_shares(right: Sequence[str], ranked: Sequence[Sequence[str]]) -> dict[str, float]:
    return {f"answer_top{top}": _share(right, ranked, top) for top in (1, 3, 5)}


def _share(right: Sequence[str], ranked: Sequence[Sequence[str]], top: int) -> float:
    hits = sum(one in found[:top] for one, found in zip(right, ranked, strict=True))
    return round(hits / len(right), 4) if right else 0.0


def _quantile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank quantile of ascending numbers; 0 where there are none."""
    if not ordered:
        return 0.0
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)
