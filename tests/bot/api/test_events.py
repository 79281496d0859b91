"""Events over HTTP: every form that is taken, and what each bad one is told."""

from __future__ import annotations

import io
import json
import random

import msgspec
import pytest

from bot.app import running

URL = "/api/v1/events"


def event(number, **fields):
    return {"id": f"e{number}", "name": "page_view", "visitor": "v", **fields}


async def stored(server):
    return set(await server.services.intake.events.recent_ids(1000))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (json.dumps(event(1)), "application/json"),
        (json.dumps(event(1), indent=2), "application/json"),
        (json.dumps([event(1)]), "application/json"),
        (json.dumps([event(1)]), "text/plain;charset=UTF-8"),
        (json.dumps(event(1)) + "\n", "application/x-ndjson"),
        (json.dumps(event(1)) + "\r\n\r\n" + json.dumps(event(2, at=5)), "application/x-ndjson"),
        ("\ufeff" + json.dumps([event(1, title="Товар \U0001f600", at=1.5)]), "text/plain"),
    ],
)
async def test_every_form_is_taken(server, program, body: str, kind: str) -> None:
    session = await program("events:write")
    async with session.post(URL, data=body.encode(), headers={"Content-Type": kind}) as reply:
        assert reply.status == 204, await reply.text()
    assert "e1" in await stored(server)


async def test_an_event_without_id_and_time_is_of_now(server, program) -> None:
    session = await program("events:write")
    async with session.post(URL, json={"name": "login", "customer": "c", "company": "k"}) as reply:
        assert reply.status == 204
    history = await server.services.intake.events.history("c")
    assert abs(history.events[0].at - server.services.clock()) < 60
    assert history.company == "k"


async def test_a_repeated_id_is_taken_and_ignored(server, program) -> None:
    session = await program("events:write")
    for body in (event(1), [event(1), event(2)], event(1, at=77)):
        async with session.post(URL, json=body) as reply:
            assert reply.status == 204
    assert await stored(server) == {"e1", "e2"}
    assert server.services.intake.health()["repeated"] == 2


@pytest.mark.parametrize(
    ("bad", "place"),
    [
        ({"name": ""}, "$[1].name"),
        ({"name": None}, "$[1].name"),
        ({"name": "n" * 65}, "$[1].name"),
        ({"id": ""}, "$[1].id"),
        ({"id": 7}, "$[1].id"),
        ({"at": "yesterday"}, "$[1].at"),
        ({"at": -1}, "$[1].at"),
        ({"at": 1_900_000_000_000}, "$[1].at"),  # milliseconds
        ({"at": 4_000_000_000}, "$[1].at"),  # more than a day ahead
        ({"visitor": 5}, "$[1].visitor"),
        ({"url": "u" * 2001}, "$[1].url"),
        ({"counters": [1]}, "$[1].counters"),
        ({"counters": {"n": "many"}}, "$[1].counters"),
        ({"counters": {"n": 1e99}}, "$[1].counters"),
        ({"counters": {f"n{i}": 1 for i in range(65)}}, "$[1].counters"),
        ({"nmae": "typo"}, "nmae"),
    ],
)
async def test_a_bad_event_is_named_and_none_is_stored(server, program, bad, place) -> None:
    session = await program("events:write")
    async with session.post(URL, json=[event(1), event(2, **bad)]) as reply:
        problem = await reply.json()
        assert reply.status == 400
        assert place in problem["detail"]
    lines = "\n".join(json.dumps(one) for one in (event(1), event(2, **bad)))
    async with session.post(URL, data=lines.encode()) as reply:
        assert reply.status == 400
        assert place in (await reply.json())["detail"]
    assert await stored(server) == set()


@pytest.mark.parametrize(
    "body", [b"", b" ", b"nonsense", b"[", b"[1]", b"1", b"\xff\xfe", b"[" * 9000]
)
async def test_what_is_no_event_at_all_is_refused(server, program, body: bytes) -> None:
    session = await program("events:write")
    async with session.post(URL, data=body) as reply:
        assert reply.status == 400
        assert (await reply.json())["code"] == "bad-request"


async def test_a_clock_that_runs_ahead_is_set_right(server, program) -> None:
    session = await program("events:write")
    ahead = server.services.clock() + 3_600
    async with session.post(URL, json=event(1, at=ahead, customer="c")) as reply:
        assert reply.status == 204
    history = await server.services.intake.events.history("c")
    assert history.events[0].at <= server.services.clock()


async def test_long_events_and_bodies_are_refused(server, program) -> None:
    session = await program("events:write")
    long = event(2, title="t" * 400, counters={f"{n}-{'c' * 50}": n for n in range(60)})
    long["url"] = "\U0001f600" * 2000
    for body in (json.dumps([event(1), long]), json.dumps(event(1)) + "\n" + json.dumps(long)):
        async with session.post(URL, data=body) as reply:
            assert reply.status == 413
            assert "$[1]" in (await reply.json())["detail"]
    async with session.post(URL, data=io.BytesIO(b"[" + b" " * 2_000_000 + b"]")) as reply:
        assert reply.status == 413
    assert await stored(server) == set()


async def test_nul_and_half_characters_are_made_storable(server, program) -> None:
    session = await program("events:write")
    body = rb'{"id": "e1", "name": "x", "customer": "c", "title": "a\u0000b\ud800c"}'
    async with session.post(URL, data=body) as reply:
        assert reply.status == 204
    history = await server.services.intake.events.history("c")
    assert history.events[0].title == "a\ufffdb\ufffdc"


async def test_a_page_writes_with_the_sites_key_in_address_or_body(server, client) -> None:
    key = server.services.intake.site_key
    foreign = {"Origin": "https://shop.example.org", "Sec-Fetch-Site": "cross-site"}
    text = {**foreign, "Content-Type": "text/plain;charset=UTF-8"}
    async with client.post(
        URL, params={"key": key}, data=json.dumps([event(1)]), headers=text
    ) as reply:
        assert reply.status == 204
        assert reply.headers["Access-Control-Allow-Origin"] == "*"
    packed = json.dumps({"key": key, "events": [event(2)]})
    async with client.post(URL, data=packed, headers=text) as reply:
        assert reply.status == 204
    async with client.post(URL, params={"key": key}, data=b"[1]", headers=text) as reply:
        assert reply.status == 400
        assert reply.headers["Access-Control-Allow-Origin"] == "*"
    async with client.options(URL, headers=foreign) as reply:
        assert reply.status == 204
        assert "Content-Type" in reply.headers["Access-Control-Allow-Headers"]
    assert await stored(server) == {"e1", "e2"}


async def test_who_may_not_write_is_told_why(server, client, program) -> None:
    for params in ({}, {"key": ""}, {"key": "site_wrong"}, {"key": "й"}):
        async with client.post(URL, params=params, json=event(1)) as reply:
            assert reply.status == 401
            assert "events:write" in (await reply.json())["remedy"]
    other = await program("suggest")
    async with other.post(URL, json=event(1)) as reply:
        assert reply.status == 403
    async with client.post(URL, json=event(1), headers={"Authorization": "Bearer no"}) as reply:
        assert reply.status == 401
    # the key of the site opens nothing else
    async with client.get(
        "/api/v1/models", params={"key": server.services.intake.site_key}
    ) as reply:
        assert reply.status == 401
    assert await stored(server) == set()


async def test_a_full_queue_says_when_to_come_back(server_settings, monkeypatch) -> None:
    import aiohttp

    few = msgspec.structs.replace(server_settings.events, requests_per_minute=3)
    async with (
        running(msgspec.structs.replace(server_settings, events=few)) as server,
        aiohttp.ClientSession(server.url) as session,
    ):
        params = {"key": server.services.intake.site_key}
        found = []
        for number in range(5):
            async with session.post(URL, params=params, json=event(number)) as reply:
                found.append(reply.status)
                if reply.status == 429:
                    assert int(reply.headers["Retry-After"]) >= 1
        assert found == [204, 204, 204, 429, 429]


async def test_odd_bodies_are_never_a_500(server, program) -> None:
    session = await program("events:write")
    rng = random.Random(5)
    odd = [None, True, -1, 1e308, 2**63, "", "a" * 300, "\x00", [], {}, {"a": {}}, [[]], "й" * 70]
    for _ in range(300):
        one = {name: rng.choice(odd) for name in ("id", "name", "at", "counters", "url", "x")}
        body = rng.choice([one, [one], [one, 5], {"key": rng.choice(odd), "events": one}])
        data = json.dumps(body).encode()
        cut = data[: rng.randrange(len(data) + 1)] if rng.random() < 0.3 else data
        async with session.post(URL, data=cut) as reply:
            assert reply.status in {204, 400, 413}, (reply.status, cut)


async def test_health_and_metrics_tell_of_events(server, program) -> None:
    session = await program("events:write", "admin")
    async with session.post(URL, json=[event(1), event(2)]) as reply:
        assert reply.status == 204
    async with session.get("/health") as reply:
        assert (await reply.json())["events_per_second"] > 0
    async with session.get("/metrics") as reply:
        assert "neurobot_events_stored 2.0" in await reply.text()


async def test_a_revoked_token_ends_at_once(server, program) -> None:
    session = await program("events:write")
    async with session.post(URL, json=event(1)) as reply:
        assert reply.status == 204
    people = server.services.store.people
    await people.revoke_token((await people.tokens())[0].id)
    async with session.post(URL, json=event(2)) as reply:
        assert reply.status == 401


async def test_the_chat_makes_the_visitor_known(server, client) -> None:
    key = {"key": server.services.intake.site_key}
    async with client.post(URL, params=key, json=event(1, visitor="browser-1")) as reply:
        assert reply.status == 204
    async with client.post("/chat/visitors", json={}) as reply:
        token = (await reply.json())["token"]
    body = {"id": "message-1", "text": "Where is my order?", "visitor": "browser-1"}
    headers = {"Authorization": f"Bearer {token}"}
    async with client.post("/chat/messages", json=body, headers=headers) as reply:
        assert reply.status == 201
    found = (await server.services.store.erasing.customers()).items[0].customer
    history = await server.services.intake.events.history(found.external_id)
    assert [one.id for one in history.events] == ["e1"]
