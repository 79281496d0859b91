"""Promote, roll back and shadow through the API of a real server, also under load."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path

import pytest

from bot.app import running
from bot.domain import Inbound, Role, Verdict, VerdictRecord
from bot.learning import gate
from bot.learning.gate import Ruling
from nlp.artifacts import load_json, save_json, seal_of, write_manifest

QUESTIONS = ("где мой курьер", "забыл пароль от кабинета", "списали дважды", "промокод не подошёл")


async def _suggested(session, text: str) -> list[tuple[int, float]]:
    async with session.post("/api/v1/suggest", json={"text": text}) as reply:
        assert reply.status == 200, await reply.text()
        items = (await reply.json())["suggestions"]
        return [(item["answer_id"], item["confidence"]) for item in items]


@pytest.fixture
def publish(champion):
    """``await publish(services, "v2")`` registers a copy of the trained model; gives its folder."""

    async def put(
        services, version: str, *, passed: bool = True, against: str | None = None
    ) -> Path:
        folder = services.settings.artefacts_path / version
        shutil.copytree(champion.folder, folder)
        about = load_json(folder / "bundle.json")
        save_json(folder / "bundle.json", about | {"version": version})
        if version != "v1":
            path = folder / "correction" / "correction.json"
            config = load_json(path)
            save_json(path, config | {"slope": config["slope"] * 0.5})
        write_manifest(folder)
        checks = (gate.check_leak([] if passed else ["leaked"]),)
        metrics = about["metrics"] | {
            "ruling": Ruling(checks, against).as_metrics(), "seal": seal_of(folder)
        }  # fmt: skip
        await services.store.models.add_bundle(version, str(folder), metrics)
        return folder

    return put


@pytest.fixture
async def desk(server, champion):
    """The server with the articles of the trained model."""
    for item in champion.data.items:
        article = await server.services.store.knowledge.save(
            title=item.title, text=item.text, category=item.category, language="ru"
        )
        assert article.id == item.answer_id
    await server.services.serving.apply_articles(range(1, len(champion.data.items) + 1))
    return server


@pytest.fixture
async def boss(desk, program):
    return await program("admin", "suggest")


async def _promote(session, version: str, *, force: bool = False) -> tuple[int, dict]:
    body = {"json": {"force": True}} if force else {}
    async with session.post(f"/api/v1/models/{version}/promote", **body) as reply:
        return reply.status, await reply.json()


async def test_promote_and_roll_back(desk, boss, publish) -> None:
    services = desk.services
    await publish(services, "v1")
    assert await _promote(boss, "v1") == (200, {"live": "v1"})
    before = [await _suggested(boss, text) for text in QUESTIONS]
    await publish(services, "v2", against="v1")
    assert (await _promote(boss, "v2"))[0] == 200
    assert [await _suggested(boss, text) for text in QUESTIONS] != before
    async with boss.get("/api/v1/models") as reply:
        listed = await reply.json()
    assert listed["live"] == "v2"
    assert {item["version"]: item["aliases"] for item in listed["items"]} == {
        "v2": ["champion"], "v1": ["previous"],
    }  # fmt: skip
    begun = time.perf_counter()
    async with boss.post("/api/v1/models/rollback") as reply:
        assert (reply.status, await reply.json()) == (200, {"live": "v1"})
    assert time.perf_counter() - begun < 1.0
    assert [await _suggested(boss, text) for text in QUESTIONS] == before
    log = (await services.store.people.audit_log()).items
    assert [(entry.action, entry.actor) for entry in log[:3]] == [
        ("model.rolled-back", "token test"), ("model.promoted", "token test"),
        ("model.promoted", "token test"),
    ]  # fmt: skip


async def test_a_model_that_did_not_pass_needs_force(desk, boss, publish) -> None:
    await publish(desk.services, "v1")
    await _promote(boss, "v1")
    await publish(desk.services, "v2", passed=False, against="v1")
    status, problem = await _promote(boss, "v2")
    assert (status, problem["code"]) == (409, "not-passed")
    assert "Frozen questions were trained on" in problem["detail"]
    async with boss.get("/api/v1/models/v2") as reply:
        shown = await reply.json()
    assert shown["passed"] is False
    assert shown["reason"] == shown["checks"][0]["reason"]
    assert (await _promote(boss, "v2", force=True))[0] == 200
    entry = (await desk.services.store.people.audit_log()).items[0]
    assert entry.detail["forced"] is True
    assert "Frozen" in entry.detail["ruling"]
    # What was live before needs no second opinion.
    assert (await _promote(boss, "v1"))[0] == 200


async def test_an_outdated_comparison_does_not_promote(desk, boss, publish) -> None:
    await publish(desk.services, "v1")
    await _promote(boss, "v1")
    await publish(desk.services, "v2", against="v0")
    status, problem = await _promote(boss, "v2")
    assert status == 409
    assert "out of date" in problem["detail"]


async def test_a_damaged_model_is_never_promoted(desk, boss, publish) -> None:
    await publish(desk.services, "v1")
    await _promote(boss, "v1")
    folder = await publish(desk.services, "v2", against="v1")
    path = folder / "correction" / "correction.json"
    save_json(path, load_json(path) | {"slope": 9.0})
    write_manifest(folder)
    status, problem = await _promote(boss, "v2", force=True)
    assert (status, problem["code"]) == (503, "artefact-damaged")
    assert await desk.services.store.models.alias("champion") == "v1"
    assert desk.services.serving.bundle.version == "v1"
    assert (await _promote(boss, "v9", force=True))[0] == 404


async def test_two_requests_make_one_job(desk, boss) -> None:
    async def start(**body: str) -> tuple[int, dict]:
        async with boss.post("/api/v1/jobs", json={"preset": "fast", **body}) as reply:
            return reply.status, await reply.json()

    replies = await asyncio.gather(*(start(part="classifier") for _ in range(4)))
    assert sorted(status for status, _ in replies) == [200, 200, 200, 202]
    (number,) = {job["id"] for _, job in replies}
    assert {job["part"] for _, job in replies} == {"classifier"}
    async with boss.post(f"/api/v1/jobs/{number}/cancel") as reply:
        assert (await reply.json())["state"] in {"cancelled", "failed"}
    async with boss.get(f"/api/v1/jobs/{number}") as reply:
        job = await reply.json()
    assert job["finished_at"] is not None
    assert (job["loss"], job["part"]) == ([], "classifier")
    assert (await start(part="half"))[0] == 400
    log = (await desk.services.store.people.audit_log()).items
    assert [entry.action for entry in log].count("training.started") == 1


async def test_only_admins_may(desk, client, sign_in, program) -> None:
    agent, reader = await sign_in(Role.AGENT), await program("suggest")
    ways = [
        ("GET", "/api/v1/models"), ("GET", "/api/v1/models/v1"),
        ("POST", "/api/v1/models/v1/promote"), ("POST", "/api/v1/models/rollback"),
        ("POST", "/api/v1/models/v1/shadow"), ("DELETE", "/api/v1/models/shadow"),
        ("POST", "/api/v1/jobs"), ("POST", "/api/v1/jobs/1/cancel"),
    ]  # fmt: skip
    for method, path in ways:
        for session, status in ((client, 401), (agent, 403), (reader, 403)):
            async with session.request(method, path) as reply:
                assert reply.status == status, (method, path)
    admin = await sign_in(Role.ADMIN)
    async with admin.post("/api/v1/models/rollback") as reply:
        assert reply.status == 404


async def test_knowledge_edits_reach_the_model_before(desk, boss, publish) -> None:
    services = desk.services
    for version, against in (("v1", None), ("v2", "v1")):
        await publish(services, version, against=against)
        await _promote(boss, version)
    article = await services.store.knowledge.save(
        title="Подарочная упаковка", text="Завернём в бумагу.", language="ru"
    )
    await services.serving.apply_articles([article.id])
    async with boss.post("/api/v1/models/rollback") as reply:
        assert reply.status == 200
    found = await _suggested(boss, "подарочная упаковка")
    assert found[0][0] == article.id


async def test_swapping_under_load_fails_no_request(desk, boss, publish) -> None:
    for version, against in (("v1", None), ("v2", "v1")):
        await publish(desk.services, version, against=against)
        await _promote(boss, version)
    stop = asyncio.Event()
    statuses: list[int] = []
    versions: set[str] = set()

    async def ask() -> None:
        while not stop.is_set():
            text = QUESTIONS[len(statuses) % len(QUESTIONS)]
            async with boss.post("/api/v1/suggest", json={"text": text}) as reply:
                statuses.append(reply.status)
                versions.add((await reply.json())["model_version"])

    askers = [asyncio.create_task(ask()) for _ in range(8)]
    spent = []
    for _ in range(6):
        begun = time.perf_counter()
        async with boss.post("/api/v1/models/rollback") as reply:
            assert reply.status == 200
        spent.append(time.perf_counter() - begun)
        await asyncio.sleep(0.05)
    stop.set()
    await asyncio.gather(*askers)
    assert set(statuses) == {200}
    assert len(statuses) > 50
    assert versions == {"v1", "v2"}
    assert max(spent) < 1.0
    live = await desk.services.store.models.alias("champion")
    assert desk.services.serving.bundle.version == live


async def test_two_roll_backs_at_once_leave_one_truth(desk, boss, publish) -> None:
    for version, against in (("v1", None), ("v2", "v1")):
        await publish(desk.services, version, against=against)
        await _promote(boss, version)

    async def back() -> int:
        async with boss.post("/api/v1/models/rollback") as reply:
            return reply.status

    assert set(await asyncio.gather(*(back() for _ in range(5)))) == {200}
    live = await desk.services.store.models.alias("champion")
    assert live == desk.services.serving.bundle.version == "v1"


async def test_the_previous_model_is_at_hand_after_a_restart(server_settings, publish) -> None:
    async with running(server_settings) as first:
        for version in ("v1", "v2"):
            await publish(first.services, version)
            await first.services.serving.reload(version)
            await first.services.store.models.promote(version)
    async with running(server_settings) as second:
        async with asyncio.timeout(10):
            await second.services.shadow.warmed()
        # Its folder is no longer needed.
        shutil.rmtree(server_settings.artefacts_path / "v1")
        await second.services.serving.reload("v1")
        assert second.services.serving.bundle.version == "v1"


async def _ask_and_accept(services, number: int, text: str, answer_id: int, agent_id: int) -> int:
    inbound = Inbound("web", f"m{number}", f"visitor{number}", text, services.clock())
    receipt = await services.pipeline.receive(inbound)
    await services.pipeline.settled()
    record = VerdictRecord(
        receipt.message_id, answer_id, 0, Verdict.ACCEPTED, agent_id, services.clock(), 0.5, "v1"
    )
    await services.store.feedback.record([record])
    return receipt.message_id


async def test_a_shadow_scores_unseen(desk, boss, publish, sign_in) -> None:
    services = desk.services
    await publish(services, "v1")
    await _promote(boss, "v1")
    await publish(services, "v2", against="v1")
    async with boss.post("/api/v1/models/v1/shadow") as reply:
        assert reply.status == 409
    async with boss.post("/api/v1/models/v9/shadow") as reply:
        assert reply.status == 404
    async with boss.post("/api/v1/models/v2/shadow") as reply:
        assert reply.status == 200, await reply.text()
    agent = await services.store.people.create_agent("anna", "Anna", Role.AGENT, "ru")
    asked = [
        await _ask_and_accept(services, number, text, number + 1, agent.id)
        for number, text in enumerate(QUESTIONS)
    ]
    await services.shadow.settled()
    async with boss.get("/api/v1/models/shadow") as reply:
        report = (await reply.json())["report"]
    assert (report["version"], report["champion"], report["scored"]) == ("v2", "v1", 4)
    assert report["judged"] == 4
    assert report["verdict"] == "few"
    assert 0.0 <= report["champion_hit_at_1"] <= 1.0
    # Nobody was shown it.
    for message_id in asked:
        stored, _ = await services.store.conversations.suggestions(message_id)
        assert stored.model_version == "v1"
    async with boss.delete("/api/v1/models/shadow") as reply:
        assert reply.status == 200
    async with boss.get("/api/v1/models/shadow") as reply:
        assert await reply.json() == {"report": None}


async def test_a_promoted_shadow_stands_in_its_own_no_more(desk, boss, publish) -> None:
    await publish(desk.services, "v1")
    await _promote(boss, "v1")
    await publish(desk.services, "v2", against="v1")
    async with boss.post("/api/v1/models/v2/shadow") as reply:
        assert reply.status == 200
    assert (await _promote(boss, "v2"))[0] == 200
    assert await desk.services.store.shadow.version() is None
    assert await desk.services.shadow.report() is None
