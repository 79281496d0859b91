"""Health, readiness, figures, models, jobs and the API's own description."""

from __future__ import annotations

import asyncio
import re

import aiohttp
import msgspec

from bot.access import declared_routes
from bot.app import Running, running
from bot.settings import Settings


async def test_health_and_readiness(client) -> None:
    async with client.get("/health") as reply:
        body = await reply.json()
    assert body["status"] == "ok"
    assert body["model_version"] is None
    assert body["device"] in {"cpu", "gpu"}
    assert body["device_reason"]
    assert body["channels"]["rest"] == "live"
    async with client.get("/ready") as reply:
        assert (reply.status, (await reply.json())["ready"]) == (200, True)


async def test_not_ready_without_a_database(server: Running, client) -> None:
    await server.services.store.close()
    async with client.get("/ready") as reply:
        assert reply.status == 503
        assert (await reply.json())["ready"] is False
    async with client.get("/health") as reply:
        assert reply.status == 200


async def test_figures_count_messages_requests_and_the_outbox(
    server: Running, client, program
) -> None:
    sender = await program("messages:write")
    message = {"external_id": "1", "customer": {"id": "1"}, "text": "hello"}
    async with sender.post("/api/v1/messages", json=message):
        pass
    await server.services.pipeline.settled()
    await asyncio.sleep(0.1)
    async with client.get("/nothing-here"):
        pass
    async with client.get("/metrics") as reply:
        assert reply.status == 200
        text = await reply.text()
    assert re.search(r"^neurobot_messages_total [1-9]", text, re.MULTILINE)
    assert re.search(r"^neurobot_decisions_total{\S*} 1\.0", text, re.MULTILINE)
    assert re.search(r"^neurobot_suggestion_seconds_count 1\.0", text, re.MULTILINE)
    assert 'route="/api/v1/messages",status="201"} 1.0' in text
    assert 'route="none",status="404"' in text
    assert "neurobot_outbox_due 0.0" in text
    assert "neurobot_store_queued" in text
    assert "nothing-here" not in text


async def test_figures_are_for_this_machine(server_settings: Settings) -> None:
    http = msgspec.structs.replace(server_settings.http, trusted_proxies=("127.0.0.1",))
    async with running(msgspec.structs.replace(server_settings, http=http)) as server:
        headers = {"X-Forwarded-For": "198.51.100.4"}
        async with aiohttp.ClientSession(server.url, headers=headers) as stranger:
            async with stranger.get("/metrics") as reply:
                assert reply.status == 401
            _, secret = await server.services.store.people.create_token("prometheus", ["admin"])
            bearer = {"Authorization": f"Bearer {secret}"}
            async with stranger.get("/metrics", headers=bearer) as reply:
                assert reply.status == 200


async def test_models_and_jobs(program) -> None:
    boss = await program("admin")
    async with boss.get("/api/v1/models") as reply:
        assert await reply.json() == {"live": None, "items": []}
    async with boss.get("/api/v1/jobs") as reply:
        assert await reply.json() == {"items": []}
    for path in ("999", "x", "9" * 40):
        async with boss.get(f"/api/v1/jobs/{path}") as reply:
            assert reply.status == 404
    for kind in ("unknown", "", "../x", 1):
        async with boss.post("/api/v1/jobs", json={"kind": kind}) as reply:
            assert reply.status == 400


async def test_the_description_names_every_api_route(server: Running, client) -> None:
    async with client.get("/openapi.json") as reply:
        document = await reply.json()
    assert document["openapi"] == "3.1.0"
    for route in declared_routes(server.app):
        assert route is not None
        if not route.path.startswith("/api/") or route.method == "OPTIONS":
            continue
        assert route.summary, route.path
        path = re.sub(r"{(\w+):[^{}]*}", r"{\1}", route.path)  # the pattern is the server's
        operation = document["paths"][path][route.method.lower()]
        assert (route.body is not None) == ("requestBody" in operation)
        good = operation["responses"][str(route.status)]
        assert ("content" in good) == (route.status != 204), route.path
        if route.right.startswith("token:"):
            assert operation["security"] == [{"token": []}]
        names = set(re.findall(r"{(\w+)}", path))
        assert names == {p["name"] for p in operation["parameters"] if p["in"] == "path"}


async def test_every_reference_in_the_description_leads_somewhere(client) -> None:
    async with client.get("/openapi.json") as reply:
        document = await reply.json()
    text = await reply.text()
    references = set(re.findall(r'"\$ref":"#/components/schemas/([^"]+)"', text))
    assert references
    assert references <= set(document["components"]["schemas"])
    identifiers = [
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
    ]
    assert len(identifiers) == len(set(identifiers))
