import pytest

from bot.domain import Role
from bot.errors import BadRequest, Conflict, NotFound


async def test_what_is_refused(store, agent):
    people = store.people
    with pytest.raises(BadRequest):
        await people.create_agent("  ")
    with pytest.raises(Conflict):
        await people.create_agent("ANNA")
    for attempt in (
        people.agent(99),
        people.set_password(99, "h"),
        people.set_role(99, Role.ADMIN),
        people.create_session(99),
        people.one_time_link(99),
        people.redeem("guess"),
        people.revoke_token(99),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert await people.session("guess") is None
    assert await people.token("guess\ud800") is None
    assert await people.by_login("nobody") is None


async def test_the_last_owner_stays(store):
    owner = await store.people.create_agent("root", role=Role.OWNER)
    for attempt in (store.people.disable(owner.id), store.people.set_role(owner.id, Role.AGENT)):
        with pytest.raises(Conflict):
            await attempt
    await store.people.create_agent("second", role=Role.OWNER)
    assert (await store.people.set_role(owner.id, Role.AGENT)).role is Role.AGENT


async def test_login_ignores_letter_case_and_gives_the_hash(store, agent):
    assert await store.people.by_login(" Anna ") == (agent, None)
    await store.people.set_password(agent.id, "argon2...")
    assert await store.people.by_login("anna") == (agent, "argon2...")


async def test_session_ends_when_idle_and_after_a_week(store, agent, clock):
    token = await store.people.create_session(agent.id)
    found, session = await store.people.session(token)
    assert (found, session.agent_id) == (agent, agent.id)
    assert len(session.csrf_token) >= 32
    clock.advance(8 * 3600 - 1)
    assert await store.people.session(token) is not None
    clock.advance(8 * 3600 - 1)  # the last look counted as life
    assert await store.people.session(token) is not None
    clock.advance(8 * 3600)
    assert await store.people.session(token) is None
    token = await store.people.create_session(agent.id)
    for _ in range(7 * 4 - 1):
        clock.advance(6 * 3600)
        assert await store.people.session(token) is not None
    clock.advance(6 * 3600)
    assert await store.people.session(token) is None


async def test_password_role_and_disabling_end_sessions(store, agent):
    people = store.people
    kept, other = [await people.create_session(agent.id) for _ in range(2)]
    await people.set_password(agent.id, "h", keep_session=kept)
    assert await people.session(kept) is not None
    assert await people.session(other) is None
    await people.set_role(agent.id, Role.ADMIN)
    assert await people.session(kept) is None
    token, link = await people.create_session(agent.id), await people.one_time_link(agent.id)
    await people.disable(agent.id)
    assert await people.session(token) is None
    for attempt in (people.redeem(link), people.create_session(agent.id)):
        with pytest.raises(NotFound):
            await attempt
    assert (await people.disable(agent.id, False)).disabled_at is None


async def test_disabled_agents_conversations_are_free(store, agent, conversation):
    await store.conversations.assign(conversation.conversation_id, agent.id, None)
    await store.people.disable(agent.id)
    assert (await store.conversations.queue("unassigned", None)).total == 1


async def test_sessions_are_listed_and_revoked(store, agent):
    people = store.people
    tokens = [await people.create_session(agent.id) for _ in range(3)]
    listed = await people.sessions(agent.id)
    assert len(listed) == 3
    await people.revoke_session(tokens[0])
    await people.revoke_sessions(agent.id, session_id=listed[0].id)
    assert [await people.session(token) is None for token in tokens] == [True, False, True]
    await people.revoke_sessions(agent.id)
    assert await people.sessions(agent.id) == []


async def test_link_works_once_and_expires(store, agent, clock):
    link = await store.people.one_time_link(agent.id, 60)
    assert await store.people.redeem(link) == agent
    with pytest.raises(NotFound):
        await store.people.redeem(link)
    link = await store.people.one_time_link(agent.id, 60)
    clock.advance(60)
    with pytest.raises(NotFound):
        await store.people.redeem(link)


async def test_first_link_makes_the_owner_once(store):
    links = [await store.people.one_time_link(None) for _ in range(2)]
    owners = [await store.people.redeem(link) for link in links]
    assert owners[0] == owners[1]
    assert (owners[0].role, owners[0].login) == (Role.OWNER, "owner")


async def test_token_holds_its_scopes_until_revoked(store, clock):
    key, secret = await store.people.create_token("site", ["suggest", "messages:write", "suggest"])
    token = await store.people.token(secret)
    assert (token.id, token.name, token.scopes) == (key, "site", ("messages:write", "suggest"))
    assert (await store.people.tokens())[0].last_used_at == clock()
    await store.people.revoke_token(key)
    assert await store.people.token(secret) is None
    assert (await store.people.tokens())[0].revoked_at == clock()


async def test_no_secret_stands_in_the_file(store, agent, settings):
    people = store.people
    secrets = [
        await people.create_session(agent.id),
        await people.one_time_link(agent.id),
        (await people.create_token("site", []))[1],
    ]
    await store.close()
    stored = settings.database_path.read_bytes()
    for secret in secrets:
        assert secret.removeprefix("nb_").encode() not in stored


async def test_preferences_merge(store, agent):
    await store.people.set_preferences(agent.id, {"theme": "dark", "sound": True})
    changed = await store.people.set_preferences(agent.id, {"sound": False}, language="ru")
    assert (changed.preferences, changed.language) == ({"theme": "dark", "sound": False}, "ru")
    assert (await store.people.rename(agent.id, " Аня ")).name == "Аня"
    assert [person.name for person in await store.people.agents()] == ["Аня"]


async def test_audit_log_is_a_chain(store, clock):
    for number in range(3):
        await store.people.audit("anna", "promote", f"model {number}", {"from": number})
    page = await store.people.audit_log(per_page=2)
    assert [entry.subject for entry in page.items] == ["model 2", "model 1"]
    assert (page.total, page.items[0].detail) == (3, {"from": 2})
    assert (await store.check()).sound
    await store.db.write(
        lambda connection: connection.execute("UPDATE audit SET actor = 'boris' WHERE id = 2")
    )
    assert (await store.check()).audit == 2
