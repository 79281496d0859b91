"""Every route against everyone, forged requests on every unsafe route, and others' objects."""

from __future__ import annotations

import json
import re
from uuid import uuid4

from bot.access import Route, declared_routes
from bot.domain import Author, Decision, Role
from bot.store.records import Reply

RANK = {Role.AGENT: 0, Role.ADMIN: 1, Role.OWNER: 2}
OPEN = {"public", "visitor"}
SAFE = {"GET", "OPTIONS"}


def address(route: Route) -> str:
    """A path that fits the route; what it names does not exist."""
    path = re.sub(r"{\w+:\.\+}", "no.js", route.path)
    path = path.replace(r"{path:widget\.js}", "widget.js").replace(
        r"{path:events\.js}", "events.js"
    )
    path = re.sub(r"{\w+:\[a-z\][^{}]*}", "zzz", path)
    path = re.sub(r"{\w+:(\w+)(\|[^{}]*)?}", r"\1", path)
    return re.sub(r"{\w+(:[^{}]*)?}", "999", path)


def allowed(caller, right: str) -> bool:
    """What the declared right means for this caller."""
    if right.startswith("token:"):
        if caller.role is not None:
            return RANK[caller.role] >= 1
        return caller.scope in {right.removeprefix("token:"), "admin"}
    return caller.role is not None and RANK[caller.role] >= RANK[Role(right)]


def wants_forgery_guard(caller) -> bool:
    """Sessions travel in cookies, which a browser adds by itself."""
    return caller.role is not None


async def test_every_route_answers_everyone_as_declared(house, record_property) -> None:
    everyone = await house.everyone()
    routes = list(declared_routes(house.server.app))
    assert None not in routes  # a route without a right
    cells, wrong = 0, []
    for route in routes:
        for caller in everyone:
            cells += 1
            headers = {"Accept": "application/json", "X-Forwarded-For": "198.51.100.7"}
            # no token of the session: who may pass is told so, and nothing is done
            async with caller.http.request(
                route.method, address(route), headers=headers, allow_redirects=False
            ) as reply:
                stream = reply.content_type == "text/event-stream"
                text = "" if stream else (await reply.read()).decode("utf-8", "replace")
                status = reply.status
            cell = f"{caller.name}: {route.method} {route.path} ({route.right}) -> {status}"
            if not _as_declared(route, caller, status, text):
                wrong.append(f"{cell} {text[:150]}")
    assert not wrong, "\n".join(wrong[:20])
    assert cells > 1_000
    record_property("figure", f"{cells:,} cells of {len(routes)} routes as declared")


def _as_declared(route: Route, caller, status: int, text: str) -> bool:
    if status >= 500:
        return False
    right = "token:admin" if route.right == "local" else route.right  # forwarded: not this machine
    if (route.method, route.path) == ("POST", "/api/v1/events") and caller.scope:
        right = "token:events:write"  # a program's, beside the site's key
    if right in OPEN:
        # from afar nobody signs in without https
        return status != 403 or (route.method == "POST" and "needs https" in text)
    if allowed(caller, right):
        if route.method not in SAFE and wants_forgery_guard(caller):
            return status == 403 and "out of date" in text
        return status not in {401, 403}
    known = caller.role is not None or bool(caller.scope)
    # a program's token is not looked at by pages for people
    if caller.scope and not right.startswith("token:"):
        known = False
    return status == (403 if known else 401) and "out of date" not in text


async def test_no_other_site_makes_a_browser_act(house, record_property) -> None:
    owner = await house.person(Role.OWNER)
    forged = (
        {},
        {"X-CSRF-Token": "wrong"},
        {"X-CSRF-Token": "й"},
        {"X-CSRF-Token": owner.csrf, "Origin": "https://evil.example"},
        {"X-CSRF-Token": owner.csrf, "Origin": "null"},
        {"X-CSRF-Token": owner.csrf, "Sec-Fetch-Site": "cross-site"},
        {"X-CSRF-Token": owner.csrf, "Sec-Fetch-Site": "same-site"},
    )
    unsafe = [r for r in declared_routes(house.server.app) if r and r.method not in SAFE]
    guarded = [route for route in unsafe if route.right not in OPEN]
    tried = 0
    for route in guarded:
        for headers in forged:
            async with owner.http.request(
                route.method, address(route), headers=headers, allow_redirects=False
            ) as reply:
                assert reply.status == 403, (route.path, headers)
                tried += 1
    for route in unsafe:  # what anybody may call still asks where it comes from
        if route.right == "public":
            headers = {"Origin": "https://evil.example"}
            async with owner.http.request(route.method, address(route), headers=headers) as reply:
                assert reply.status == 403, route.path
                tried += 1
    assert (await owner.get("/account"))[0] == 200  # nothing was done, a sign-out least of all
    record_property("figure", f"{tried} forged requests on {len(unsafe)} unsafe routes, 0 passed")


async def _write(visitor, text: str = "where is my parcel", name: str = "") -> dict:
    body = {"id": name or str(uuid4()), "text": text}
    async with visitor.http.post("/chat/messages", json=body) as reply:
        assert reply.status in {200, 201}
        return await reply.json()


async def test_a_visitor_reaches_nothing_of_another(house) -> None:
    anna, boris, nobody = await house.visitor(), await house.visitor(), await house.nobody()
    theirs, own = await _write(anna, "my secret is 4711"), await _write(boris)
    row = await house.store.conversations.by_public_id(theirs["conversation"])
    reply = Reply(text="answer 4711", author=Author.AGENT, idempotency_key="k")
    sent = await house.store.conversations.reply(row.id, reply)
    talk = theirs["conversation"]
    program = await house.program("conversations:read")
    for other in (boris, nobody, program):
        expected = {401} if other is nobody else {401, 404}
        for path in ("history", "events"):
            status, text = await other.get(f"/chat/{path}", params={"conversation": talk})
            assert status in expected
            assert "4711" not in text
        bodies = (
            ("read", {"conversation": talk, "messages": [sent.public_id]}),
            ("typing", {"conversation": talk, "text": "x"}),
            ("rating", {"conversation": talk, "score": 1}),
        )
        for path, body in bodies:
            assert (await other.post(f"/chat/{path}", json=body))[0] in expected, path
    # ids in a body beside one's own conversation
    await house.server.services.delivery.stop()
    body = {"conversation": own["conversation"], "messages": [sent.public_id]}
    assert (await boris.post("/chat/read", json=body))[0] == 204
    assert (await house.store.conversations.message(sent.id)).delivery != "read"
    # the same client id is another message of another person
    first = await _write(anna, name="same-client-id")
    second = await _write(boris, name="same-client-id")
    assert first["conversation"] != second["conversation"]
    assert first["id"] != second["id"]
    assert second["duplicate"] is False


async def _desk(house):
    ann, bob = await house.person(Role.AGENT, "ann"), await house.person(Role.AGENT, "bob")
    visitors = [await house.visitor(), await house.visitor()]
    talks = [(await _write(visitor))["conversation"] for visitor in visitors]
    rows = [await house.store.conversations.by_public_id(talk) for talk in talks]
    return ann, bob, talks, rows


async def test_an_agent_reaches_nothing_that_is_anothers_own(house) -> None:
    ann, bob, (talk, other), (row, _) = await _desk(house)
    base = f"/desk/conversations/{talk}"
    assert (await ann.post(f"{base}/draft", json={"text": "draft of ann 4711"}))[0] == 204
    status, page = await bob.get(base)
    assert status == 200
    assert "4711" not in page
    assert "4711" in (await ann.get(base))[1]
    # undo: another's message, and one's own by way of another conversation
    body = {"text": "by ann", "key": "key-of-ann"}
    status, text = await ann.post(f"{base}/reply", json=body)
    assert status == 201, text
    sent = json.loads(text)["message_id"]
    assert (await bob.post(f"{base}/undo", json={"message_id": sent}))[0] == 404
    elsewhere = f"/desk/conversations/{other}"
    assert (await ann.post(f"{elsewhere}/undo", json={"message_id": sent}))[0] == 404
    # one's key is no key of another
    status, text = await bob.post(f"{base}/reply", json={"text": "bob", "key": "key-of-ann"})
    assert status in {201, 409}
    assert status == 409 or json.loads(text)["message_id"] != sent
    # sessions and preferences are the caller's, whatever the address says
    (session,) = await house.store.people.sessions(ann.agent.id)
    await bob.post(f"/account/sessions/{session.id}/end")
    assert (await ann.get("/account"))[0] == 200
    assert row.id


async def test_ids_in_a_body_belong_to_the_conversation_of_the_path(house) -> None:
    ann, _, (talk, other), (row, another) = await _desk(house)
    services = house.server.services
    article = await house.store.knowledge.save(
        text="Refunds take ten days.", questions=["refund"], category="Billing"
    )
    await services.serving.apply_articles([article.id])
    await services.pipeline.settled()
    found = await services.pipeline.suggest("refund", 3)
    question = (await house.store.conversations.messages(another.id))[0]
    assert found.items
    await house.store.conversations.save_suggestions(question.id, found, Decision.HANDOFF)
    base = f"/desk/conversations/{talk}"
    body = {"question": question.id, "answer": article.id}
    assert (await ann.post(f"{base}/reject", json=body))[0] == 404
    body |= {"text": "Refunds take ten days.", "key": "foreign-question"}
    assert (await ann.post(f"{base}/reply", json=body))[0] == 201
    assert not await house.store.feedback.of_message(question.id)  # no verdict from afar
    program = await house.program("verdicts:write")
    verdict = {
        "conversation_id": talk, "message_id": question.public_id, "answer_id": article.id,
        "verdict": "rejected",
    }  # fmt: skip
    assert (await program.post("/api/v1/verdicts", json=verdict))[0] == 404
    verdict["conversation_id"] = other
    assert (await program.post("/api/v1/verdicts", json=verdict))[0] == 201
    # files: what is named is a digest in the folder, nothing else
    for reference in ("blob:../../neurobot.db", "/etc/passwd", "blob:" + "0" * 64, "file:x"):
        file = {"reference": reference, "name": "x", "media_type": "a/b", "size_bytes": 1}
        body = {"text": "x", "key": str(uuid4()), "attachment": file}
        assert (await ann.post(f"{base}/reply", json=body))[0] == 400, reference
    assert (await ann.post(f"{base}/action", json={"action": "assign", "to": 999}))[0] == 404
    assert row.id


async def test_an_admin_does_not_become_owner(house) -> None:
    owner, admin = await house.person(Role.OWNER), await house.person(Role.ADMIN)
    people, mine = house.store.people, admin.agent.id
    for target in (owner.agent.id, mine):
        for path, fields in (
            ("role", {"role": "owner"}), ("role", {"role": "agent"}), ("link", {}), ("disable", {}),
            ("enable", {}),
        ):  # fmt: skip
            where = f"/admin/people/{target}/{path}"
            assert (await admin.post(where, data=fields))[0] == 403, (target, path)
    fields = {"name": "Eve", "login": "eve", "role": "owner"}
    assert (await admin.post("/admin/people", data=fields))[0] == 403
    (session,) = await people.sessions(owner.agent.id)
    where = f"/admin/people/sessions/{session.id}/end"
    assert (await admin.post(where))[0] == 403
    ann = await house.person(Role.AGENT, "ann")
    where = f"/admin/people/{ann.agent.id}/role"
    assert (await admin.post(where, data={"role": "owner"}))[0] == 403
    assert {a.login: a.role for a in await people.agents()} == {
        owner.agent.login: Role.OWNER, admin.agent.login: Role.ADMIN, "ann": Role.AGENT
    }  # fmt: skip
