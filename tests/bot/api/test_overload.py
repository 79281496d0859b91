"""A server that cannot store as fast as it is asked to says so, and acknowledges nothing."""

from __future__ import annotations

MESSAGE = {"external_id": "m-1", "customer": {"id": "c-1"}, "text": "How do I pay?"}


async def test_a_message_too_many_is_refused_with_a_pause_and_may_come_again(
    server, overload, program
):
    client = await program("messages:write")
    async with overload(server.services.store):
        async with client.post("/api/v1/messages", json=MESSAGE) as reply:
            assert reply.status == 503
            assert int(reply.headers["Retry-After"]) >= 1
            assert (await reply.json())["code"] == "overloaded"
        async with client.get("/health") as reply:
            assert reply.status in {200, 503}  # it answers, whatever it says
    assert await server.services.store.conversations.unprocessed() == []
    async with client.post("/api/v1/messages", json=MESSAGE) as reply:
        assert reply.status < 300
