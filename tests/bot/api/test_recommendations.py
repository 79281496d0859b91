"""The catalogue and recommendations over HTTP."""

from __future__ import annotations

import pytest

from bot.channels.web_chat import visitor_id
from bot.event import PAGE_VIEW, Event

ITEMS = [
    {"id": "u1", "kind": "product", "title": "Red folding umbrella", "path": "umbrellas/u1"},
    {"id": "u2", "kind": "product", "title": "Blue folding umbrella", "path": "umbrellas/u2",
     "url": "https://shop.example/u2"},
    {"id": "b1", "title": "Rubber boots", "path": "boots/b1"},
]  # fmt: skip


def view(**fields):
    return Event(**{"id": "1", "at": 1.0, "name": PAGE_VIEW, **fields})


@pytest.fixture
async def writer(server, program):
    """A program that has filled the catalogue."""
    found = await program("catalogue:write", "suggest")
    async with found.put("/api/v1/items", json={"items": ITEMS}) as reply:
        assert (reply.status, await reply.json()) == (200, {"stored": 3, "items": 3})
    return found


async def ask(session, **query):
    async with session.get("/api/v1/recommendations", params=query) as reply:
        assert reply.status == 200, await reply.text()
        return (await reply.json())["items"]


async def test_for_a_customer_with_the_reason(server, writer) -> None:
    server.services.recommending.observe([view(customer="anna", item="u1")])
    [first, *_] = await ask(writer, customer="anna")
    assert (first["id"], first["url"]) == ("u2", "https://shop.example/u2")
    assert {"tag": "folding", "page": "Red folding umbrella"} in first["because"]


async def test_beside_an_item_by_id_or_address(writer) -> None:
    assert [one["id"] for one in await ask(writer, item="u1", limit=1)] == ["u2"]
    assert (await ask(writer, item="https://shop.example/u2?x=1"))[0]["id"] == "u1"


async def test_a_click_closes_what_was_shown(server, writer) -> None:
    recommending, now = server.services.recommending, server.services.clock
    recommending.observe([view(customer="anna", item="u1")])
    await ask(writer, customer="anna")
    recommending.observe([view(customer="anna", item="u2", at=now() + 1)])
    await recommending.flush()
    [found] = await recommending.click_through(0.0)
    assert (found.place, found.clicked) == ("api", 1)


async def test_told_again_is_replaced_and_deleted_is_gone(writer) -> None:
    changed = {"items": [{**ITEMS[1], "title": "Blue raincoat"}]}
    async with writer.put("/api/v1/items", json=changed) as reply:
        assert (await reply.json())["items"] == 3
    assert (await ask(writer, item="u1", limit=9))[0]["id"] == "u2"  # the section is left
    async with writer.delete("/api/v1/items/u2") as reply:
        assert reply.status == 204
    assert "u2" not in [one["id"] for one in await ask(writer, item="u1", limit=9)]
    async with writer.delete("/api/v1/items/u2") as reply:
        assert (reply.status, (await reply.json())["code"]) == (404, "not-found")


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"id": "", "title": "x"}, "items[3].id"),
        ({"id": "article:7", "title": "x"}, "knowledge base"),
        ({"id": "a", "url": "javascript:alert(1)"}, "url"),
        ({"id": "a", "kind": "planet"}, "kind"),
        ({"id": "a", "renewable_s": -1}, "renewable_s"),
        ({"id": "a", "title": "x" * 501}, "title"),
        ({"id": "a", "colour": "red"}, "colour"),
    ],
)
async def test_what_cannot_be_an_item_is_named_and_nothing_is_stored(
    server, writer, item, said
) -> None:
    async with writer.put("/api/v1/items", json={"items": [*ITEMS, item]}) as reply:
        assert reply.status == 400
        assert said in (await reply.json())["detail"]
    assert len(server.services.recommending.shelf) == 3


@pytest.mark.parametrize(
    "query", [{}, {"customer": "a", "item": "b"}, {"customer": "a", "limit": "0"}]
)
async def test_a_question_without_a_subject_is_refused(writer, query) -> None:
    async with writer.get("/api/v1/recommendations", params=query) as reply:
        assert reply.status == 400


async def test_an_item_that_is_not_there(writer) -> None:
    async with writer.get("/api/v1/recommendations", params={"item": "nope"}) as reply:
        assert (reply.status, (await reply.json())["code"]) == (404, "not-found")


async def test_rights(server, program, client) -> None:
    reader = await program("suggest")
    async with reader.put("/api/v1/items", json={"items": ITEMS}) as reply:
        assert reply.status == 403
    async with client.get("/api/v1/recommendations?customer=a") as reply:
        assert reply.status == 401


async def test_a_visitor_sees_and_erases_their_own(server, writer, client) -> None:
    async with client.post("/chat/visitors") as reply:
        token = (await reply.json())["token"]
    own = {"Authorization": f"Bearer {token}"}
    seen = [view(visitor=visitor_id(token), item="u1"), view(visitor="other", item="b1")]
    server.services.recommending.observe(seen)
    async with client.get("/chat/interests", headers=own) as reply:
        found = (await reply.json())["interests"]
    assert {"folding", "red"} <= {one["tag"] for one in found}
    assert {one["page"] for one in found} == {"Red folding umbrella"}
    async with client.post("/chat/interests/erase", headers=own) as reply:
        assert reply.status == 204
    async with client.get("/chat/interests", headers=own) as reply:
        assert (await reply.json())["interests"] == []
    assert server.services.recommending.interests("v:other")
    async with client.get("/chat/interests") as reply:
        assert reply.status == 401
