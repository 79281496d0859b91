"""One server with everything on it: a month of a small desk, two trained models, what is open."""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import aiohttp
import msgspec
import pytest

from bot.domain import (
    Author,
    Decision,
    Inbound,
    Reasons,
    Role,
    Suggestion,
    Suggestions,
    Ticket,
    Verdict,
    VerdictRecord,
)
from bot.handover import Action
from bot.learning import gate
from bot.learning.gate import Check, Ruling
from bot.settings import Settings
from bot.store import Store
from bot.store.insights import NewRun, Score
from bot.store.items import StoredItem
from bot.store.profiles import StoredProfile, StoredTag
from bot.store.records import Reply, ShadowScore
from index.interests import HALF_LIFE_S
from nlp.artifacts import load_json, save_json, seal_of, write_manifest

DAY_S = 86_400.0
CHALLENGER, OLD = "20260101-120000-c0de", "20250101-120000-0a1b"
ARTICLES = (
    ("Оплата картой", "Откройте Настройки, затем Оплата, и добавьте карту. Код придёт в сообщении.",
     "Оплата", "ru", ["Как оплатить картой?", "Где добавить карту?"]),
    ("Карта для оплаты", "Откройте Профиль, затем Оплата, и добавьте карту. Код придёт сообщением.",
     "Оплата", "ru", ["Как привязать карту?"]),
    ("Возврат", "Вернуть можно за 14 дней, если сохранился чек.", "Возврат и обмен", "ru",
     ["Можно ли вернуть?"]),
    ("Возврат распродажи", "Товары распродажи не возвращаются.", "Возврат и обмен", "ru",
     ["Можно ли вернуть?"]),
    ("Delivery times", "Parcels take two to five days; the tracking number comes by e-mail.",
     "Delivery", "en", ["How long does delivery take?"]),
)  # fmt: skip
ASKED = {
    "A case protects it from beaks; send us a picture of the damage.": (
        "Does the tablet survive a parrot biting it?",
        "will the tablet survive bites of a parrot",
        "my parrot bites the tablet, does it survive",
    ),
    "Абонемент на год стоит как десять месяцев, его продаёт касса бассейна.": (
        "Сколько стоит годовой абонемент в бассейн?",
        "годовой абонемент в бассейн сколько стоит",
    ),
    "": ("Можно ли оплатить заказ бонусами партнёра?", "оплатить бонусами партнёра заказ можно?"),
}
# What agents chose for questions that the knowledge base answers otherwise, and the edits.
JUDGED = (("can you return it", 2, 0), ("как привязать карту", 4, 0), ("оплатить двумя", 0, 40))
GOODS = (
    "Планшет для рисования с пером, экран девять дюймов",
    "Чехол для планшета",
    "Rubber boots",
)
TAGS = (("планшет", 1.0), ("чехол", 0.7), ("экра", 0.4), ("boot", 0.2), ("девя", 0.1))
FAILED = (
    """UPDATE webhook_deliveries SET state = 'dead', attempts = 10, status = 500, error = 'status',
        finished_at = created_at WHERE id <= 6""",
    """INSERT INTO webhook_attempts (delivery_id, at, status, error, elapsed_ms, response)
        SELECT id, created_at + 2, 500, 'status', 41, '<h1>Internal error</h1>'
        FROM webhook_deliveries WHERE state = 'dead'""",
)
QUESTIONS = (
    ("Anna", "hi, which documents do I need to take card payments"),
    ("Пётр", "не пришло письмо для подтверждения почты, жду уже час"),
    ("Maria", "the confirmation e-mail did not come"),
    ("", "how do I turn on the second step at sign-in?"),
    ("Олег", "Хочу сменить пароль, где это?"),
)


@dataclass
class Office:
    """The server's address, the owner's sign-in link, and where what was seeded is shown."""

    url: str
    link: str
    champion: str
    article: int
    conversation: str
    alive: object

    def end_training(self) -> None:
        """What holds the lock of the running job lets go, as a child does when it dies."""
        fcntl.flock(self.alive, fcntl.LOCK_UN)  # type: ignore[arg-type]


class Seed:
    """Writes the desk through the store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = time.time() - 20 * DAY_S
        settings = Settings(data_dir=str(folder), company="Ромашка")
        self.artefacts = settings.artefacts_path
        self.store = Store.open(settings, lambda: self.now)
        self.asked = 0

    async def ask(self, text: str, name: str) -> tuple[int, int]:
        """A question that got a doubtful suggestion: the ids of message and conversation."""
        self.asked += 1
        number = f"{name}{self.asked}"
        inbound = Inbound("web", f"m{number}", f"c{number}", text, self.now, customer_name=name)
        [receipt] = await self.store.conversations.receive([inbound])
        item = Suggestion(1, "Open Billing.", "", "", "en", 0.1, False, Reasons())
        found = Suggestions((), (item,), False, "", None, 1, True, 2.0)
        await self.store.conversations.save_suggestions(receipt.message_id, found, Decision.HANDOFF)
        return receipt.message_id, receipt.conversation_id

    async def knowledge(self) -> None:
        """Articles with near-duplicates, a conflict and a history; tickets."""
        save = self.store.knowledge.save
        self.articles = [
            await save(title=title, text=text, category=category, language=language,
                       questions=questions, actor="olga")
            for title, text, category, language, questions in ARTICLES
        ]  # fmt: skip
        first = self.articles[0]
        await save(
            article_id=first.id, title=first.title, category="Оплата", language="ru",
            text=first.text.replace("Настройки", "Профиль"), questions=first.questions,
            actor="olga",
        )  # fmt: skip
        await self.store.knowledge.set_category("password", True, 0.9)
        await self.store.knowledge.import_tickets(
            [Ticket("refund for a lost parcel", "Delivery", origin="june.csv"), Ticket("hi", "")]
        )

    async def people(self) -> str:
        """Owner and agent with tokens and sessions; the link of the owner."""
        owner = await self.store.people.create_agent("olga", "Ольга Петрова", Role.OWNER, "ru")
        self.agent = await self.store.people.create_agent("masha", "Маша", Role.AGENT, "ru")
        await self.store.people.create_token("Склад", ["suggest", "conversations:read"])
        await self.store.people.create_session(
            self.agent.id, address="192.0.2.7", device="Firefox, Windows"
        )
        await self.store.people.audit("olga", "webhook.created", "https://crm.example/hook", {})
        return f"/sign-in/link/{await self.store.people.one_time_link(owner.id, 30 * DAY_S)}"

    async def month(self) -> None:
        """Questions answered by bot and agent, a webhook that failed."""
        await self.store.webhooks.create("CRM", "https://127.0.0.1:1/never", ["message.created"])
        for number in range(36):
            self.now += DAY_S / 2
            await self._talk(number, self.articles[number % 3].id)
        await self.store.db.write(lambda connection: [connection.execute(sql) for sql in FAILED])
        await self.store.webhooks.pause(1, active=False)
        self.now = time.time()

    async def _talk(self, number: int, article: int) -> None:
        text = ("Как оплатить картой?", "How long does delivery take?", "Где мой заказ?")[
            number % 3
        ]
        inbound = Inbound("web", f"m{number}", f"c{number}", text, self.now - 400, language="ru")
        (receipt,) = await self.store.conversations.receive([inbound])
        if number % 4 == 0:
            reply = Reply("Готово.", Author.BOT, answer_id=article, message_id=receipt.message_id)
            await self.store.conversations.reply(receipt.conversation_id, reply)
            return
        await self.store.conversations.act(receipt.conversation_id, Action.PERSON_WANTED)
        verdict = (Verdict.ACCEPTED, Verdict.EDITED, Verdict.REJECTED)[number % 3]
        row = VerdictRecord(
            receipt.message_id, article, 1 + number % 2, verdict, self.agent.id, self.now, 0.8,
            None, number,
        )  # fmt: skip
        used = None if verdict is Verdict.REJECTED else article
        reply = Reply("Сейчас посмотрю и отвечу.", Author.AGENT, self.agent.id, answer_id=used,
                      message_id=receipt.message_id, verdicts=(row,), close=number > 5)  # fmt: skip
        await self.store.conversations.reply(receipt.conversation_id, reply)

    async def interests(self) -> None:
        """A catalogue, somebody who looked at it, and what came of offers."""
        items = [
            StoredItem(id=n, external_id=f"i{n}", kind="product", title=title, path=f"shop/{n}",
                       url=f"https://shop.example/{n}")
            for n, title in enumerate(GOODS, 1)
        ]  # fmt: skip
        await self.store.items.save(items)
        await self.store.items.save_heat({n: self.now / HALF_LIFE_S + 4 - n for n in (1, 2, 3)})
        tags = [StoredTag(0, key, weight, self.now - 3600 * n, 1, weight)
                for n, (key, weight) in enumerate(TAGS)]  # fmt: skip
        await self.store.profiles.save([StoredProfile("c:c7", self.now, tags, {1: self.now}, {})])
        await self.store.profiles.shown("c:c7", [2, 3], "chat")
        await self.store.profiles.shown("c:c7", [2], "api")
        await self.store.profiles.clicked([("c:c7", 2, self.now)])

    async def doubts(self) -> None:
        """Verdicts to review, and questions that nobody could answer."""
        for text, article, edited in JUDGED:
            message_id, talk = await self.ask(text, "Мария")
            verdict = Verdict.EDITED if edited else Verdict.ACCEPTED
            record = VerdictRecord(
                message_id, self.articles[article].id, 1, verdict, self.agent.id, self.now, 0.4,
                None, edited,
            )  # fmt: skip
            reply = Reply("Готово.", Author.AGENT, self.agent.id, message_id=message_id,
                          verdicts=(record,), close=True)  # fmt: skip
            await self.store.conversations.reply(talk, reply)
        for answer, questions in ASKED.items():
            for text in questions:
                _, conversation = await self.ask(text, "Пётр Синицын")
                if answer:
                    reply = Reply(answer, Author.AGENT, self.agent.id, close=True)
                    await self.store.conversations.reply(conversation, reply)

    async def models(self) -> str:
        """A previous model, the trained one, a challenger that did not pass; the live version."""
        models = self.store.models
        [trained] = await models.bundles()
        await self._copy(trained.path, OLD, trained.metrics)
        await models.promote(OLD)
        await models.promote(trained.version)
        fallen = {"names": "registration (4 - 0 / 12)"}
        checks = (
            gate.check_leak([]),
            _paired("categories", "+0.8", "+7.5"),
            _paired("answers", "-2.0", "+3.0"),
            Check("floors-frozen", False, "gate.floors.fell", fallen, 1, 0),
            gate.check_latency(1.4, 1.3),
            gate.check_canaries([], 1),
        )
        await self._copy(
            trained.path, CHALLENGER, _better(trained.metrics), Ruling(checks, trained.version)
        )
        await self.store.canaries.add("forgot my password", answer_id=9, actor="olga")
        await self.store.shadow.put(CHALLENGER)
        for number in range(12):
            message_id, talk = await self.ask(f"forgot the password, try {number}", "Anna")
            ids = (9,) if number % 3 else (10,)
            await self.store.shadow.save(
                ShadowScore(message_id, CHALLENGER, trained.version, (9,), 0.9, ids, 0.8, 1.0)
            )
            record = VerdictRecord(
                message_id, 9, 1, Verdict.ACCEPTED, self.agent.id, self.now, 0.9, None
            )
            reply = Reply("Press 'Forgot password?'.", Author.AGENT, self.agent.id, answer_id=9,
                          message_id=message_id, verdicts=(record,), close=True)  # fmt: skip
            await self.store.conversations.reply(talk, reply)
        await self._jobs(trained.version, Ruling(checks, trained.version))
        return str(trained.version)

    async def _copy(
        self, path: str, version: str, metrics: dict, ruling: Ruling | None = None
    ) -> None:
        folder = self.artefacts / version
        shutil.copytree(self.artefacts / Path(path).name, folder)
        save_json(folder / "bundle.json", load_json(folder / "bundle.json") | {"version": version})
        write_manifest(folder)
        judged = {"ruling": ruling.as_metrics()} if ruling is not None else {}
        await self.store.models.add_bundle(
            version, str(folder), {**metrics, **judged, "seal": seal_of(folder)}
        )

    async def _jobs(self, version: str, refused: Ruling) -> None:
        jobs = self.store.jobs
        for state, ruling, live in (
            ("refused", refused, CHALLENGER), ("done", Ruling((gate.check_leak([]),)), version),
            ("cancelled", None, ""), ("failed", None, ""),
        ):  # fmt: skip
            job, _ = await jobs.create_or_join("train", {"part": "all", "preset": "fast"})
            found = {"ruling": ruling.as_metrics(), "version": live} if ruling else {}
            reason = "There is too little to learn from." if state == "failed" else ""
            self.now += 190.0
            await jobs.finish(job.id, state, reason, {**found, "promoted": state == "done"})
        self.now = time.time()

    async def foretold(self) -> None:
        """A forecast of churn with flags of both arms, and what customers are worth."""
        points = [one / 20 for one in range(1, 20)]
        curve = [{"share": one, "threshold": 1 - one, "precision": 0.95 - one / 2, "recall": one,
                  "low": 0.88 - one / 2, "flagged": int(one * 400)} for one in points]  # fmt: skip
        bins = [{"probability": one, "share": one, "rows": 20} for one in (0.1, 0.5, 0.9)]
        tenths = [{"expected": 90.0 - 9 * one, "spent": 85.0 - 8 * one} for one in range(10)]
        steps = {"ngini": 0.71, "total_error": 0.02, "edges": [0.0, 15.0, 60.0], "deciles": tenths}
        told = [{"code": "drift", "column": "logins.28d", "psi": 0.31, "text": ""},
                {"code": "few-positives", "rows": 31, "text": ""}]  # fmt: skip
        report = {
            "chosen": "boosting", "precision": 0.8, "kept": True, "warnings": told, "event": "",
            "boosting": {"auc": 0.871, "curve": curve, "reliability": bins}, "counter": "amount",
            "steps": steps, "bg_nbd": steps, "stack": [[0.6, 0.2, 0.15, 0.05]] * 10,
            "expected": 48_200.0, "horizon_days": 28, "data": {"bought_again": 0.3},
        }  # fmt: skip
        reasons = ({"name": "logins.28d.change", "value": -0.6, "part": 0.9},
                   {"name": "tickets.28d", "value": 4.0, "part": 0.5},
                   {"name": "plan", "value": "monthly", "part": 0.2})  # fmt: skip
        share = ({"steps": [0.1, 0.3, 0.4, 0.2], "bg_nbd": 41.5, "alive": 0.81},)
        for job, (target, why) in enumerate((("churn", reasons), ("value", share)), 900):
            run = NewRun(target, job, "events", self.now, 28 * DAY_S, 0.7, report)
            scores = [
                Score(f"{kind}:c{one}", 0.99 - one / 50, 90.0 - one, one % 7 == 3, why)
                for one in range(36) for kind in ("customer", "company")
            ]  # fmt: skip
            kept = await self.store.insights.store_run(run, scores, {})
            if target == "churn":
                await self.store.flags.apply(kept)

    async def training(self) -> Path:
        """A job as a server finds it whose child still works; the folder of the job."""
        job, _ = await self.store.jobs.create_or_join("train", {"part": "all", "preset": "fast"})
        folder = self.folder / "jobs" / str(job.id)
        folder.mkdir(parents=True, exist_ok=True)
        save_json(folder / "job.json", {})
        lines: list[dict] = [{"log": f"ranking: fold {fold} of 5"} for fold in range(1, 4)]
        for fit, high in (("net 1", 2.0), ("net 2", 1.6)):
            lines += [
                {"fit": fit, "share": step / 10, "loss": high / (step + 1)} for step in range(1, 11)
            ]
        lines.append({"stage": "ranking: folds", "progress": 0.42, "eta_s": 74.0})
        text = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
        (folder / "stdout").write_bytes(text)
        return folder


def _paired(name: str, low: str, high: str) -> Check:
    params = {"part": name, "rows": "120", "lost": "1", "gained": "6", "low": low, "high": high}
    return Check(f"frozen-{name}", True, "gate.paired.kept", params, 0.04, -0.03)


def _better(metrics: dict) -> dict:
    """Figures of a training that went a little better, but for one category."""
    classifier = {**metrics["classifier"], "accuracy": metrics["classifier"]["accuracy"] + 0.03}
    classifier["categories"] = [
        {**one, "right": max(one["right"] - 5 * (one["name"] == "registration"), 0)}
        for one in classifier["categories"]
    ]
    ranking = {**metrics["ranking"], "mrr": metrics["ranking"]["mrr"] - 0.01}
    return {**metrics, "classifier": classifier, "ranking": ranking}


async def _write(url: str, name: str, text: str) -> str:
    """A customer asks; the conversation's public id."""
    async with aiohttp.ClientSession(url) as session:
        async with session.post("/chat/visitors", json={}) as answer:
            headers = {"Authorization": f"Bearer {(await answer.json())['token']}"}
        body = {"id": str(uuid4()), "text": text, "name": name}
        async with session.post("/chat/messages", json=body, headers=headers) as answer:
            assert answer.status == 201
            return str((await answer.json())["conversation"])


@pytest.fixture
async def office(tmp_path, launch, trained_data_dir) -> AsyncIterator[Office]:
    """The server with everything; a training seems to run until ``end_training``."""
    shutil.copytree(trained_data_dir, tmp_path / "data")
    seed = Seed(tmp_path / "data")
    await seed.knowledge()
    link = await seed.people()
    await seed.month()
    await seed.interests()
    await seed.doubts()
    champion = await seed.models()
    await seed.foretold()
    folder = await seed.training()
    await seed.store.close()
    with (folder / "alive").open("wb") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        server = await launch(tmp_path / "data")
        talks = [await _write(server.url, name, text) for name, text in QUESTIONS]
        yield Office(server.url, link, champion, seed.articles[0].id, talks[0], alive)
        assert await server.stop() == 0, "".join(server.lines)
