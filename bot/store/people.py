"""Agents: who works here, with which rights. Sessions, tokens and the audit log join in."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

import msgspec

from bot.domain import Agent, Role
from bot.errors import BadRequest, Conflict, NotFound
from bot.store.audit import Audit
from bot.store.sessions import Sessions, load_agent, to_agent
from bot.store.texts import clean, dump
from bot.store.tokens import Tokens


class People(Sessions, Tokens, Audit):
    """Agents and what lets them in."""

    async def agents(self, *, include_disabled: bool = True) -> list[Agent]:
        """Agents by name."""

        def find(connection: sqlite3.Connection) -> list[Agent]:
            where = "" if include_disabled else "WHERE disabled_at IS NULL"
            found = connection.execute(f"SELECT * FROM agents {where} ORDER BY name, id")  # noqa: S608
            return [to_agent(row) for row in found]

        return await self._db.read(find)

    async def agent(self, agent_id: int) -> Agent:
        """The agent.

        Raises:
            NotFound: there is none of this id.
        """
        return await self._db.read(lambda connection: load_agent(connection, agent_id))

    async def create_agent(
        self, login: str, name: str = "", role: Role = Role.AGENT, language: str = ""
    ) -> Agent:
        """The new agent, without a password: a one-time link or ``set_password`` lets them in.

        Raises:
            BadRequest: the login is empty.
            Conflict: the login is taken.
        """
        login = _login(login)
        if not login:
            raise BadRequest("An agent needs a login.")
        now = self._clock()

        def add(connection: sqlite3.Connection) -> Agent:
            if connection.execute("SELECT 1 FROM agents WHERE login = ?", (login,)).fetchone():
                raise Conflict(f"The login '{login}' is taken.")
            cursor = connection.execute(
                """INSERT INTO agents (login, name, role, language, created_at) VALUES (?, ?, ?, ?,
                    ?)""",
                (login, clean(name).strip() or login, str(role), language, now),
            )
            return load_agent(connection, int(cursor.lastrowid or 0))

        return await self._db.write(add)

    async def by_login(self, login: str) -> tuple[Agent, str | None] | None:
        """The agent and their password hash (None: none yet), or None; letter case is ignored."""

        def find(connection: sqlite3.Connection) -> tuple[Agent, str | None] | None:
            row = connection.execute(
                "SELECT * FROM agents WHERE login = ?", (_login(login),)
            ).fetchone()
            return None if row is None else (to_agent(row), row["password_hash"])

        return await self._db.read(find)

    async def set_password(
        self, agent_id: int, password_hash: str, *, keep_session: str | None = None
    ) -> None:
        """Store the hash and end the agent's sessions but the one of ``keep_session``.

        Raises:
            NotFound: there is no such agent.
        """

        def change(connection: sqlite3.Connection) -> None:
            _update(connection, agent_id, "password_hash = ?", password_hash)
            self.end_sessions(connection, agent_id, keep_session)

        await self._db.write(change)

    async def rename(self, agent_id: int, name: str) -> Agent:
        """The agent under another name.

        Raises:
            NotFound: there is no such agent.
        """

        def change(connection: sqlite3.Connection) -> Agent:
            _update(connection, agent_id, "name = ?", clean(name).strip())
            return load_agent(connection, agent_id)

        return await self._db.write(change)

    async def set_role(self, agent_id: int, role: Role) -> Agent:
        """The agent with other rights; their sessions end, so that the rights hold at once.

        Raises:
            Conflict: they are the last owner.
            NotFound: there is no such agent.
        """

        def change(connection: sqlite3.Connection) -> Agent:
            before = load_agent(connection, agent_id)
            if before.role is role:
                return before
            _keep_an_owner(connection, before)
            _update(connection, agent_id, "role = ?", str(role))
            self.end_sessions(connection, agent_id, None)
            return load_agent(connection, agent_id)

        return await self._db.write(change)

    async def disable(self, agent_id: int, disabled: bool = True) -> Agent:
        """The agent shut out, sessions and links ended, conversations freed; or let in again.

        Raises:
            Conflict: they are the last owner.
            NotFound: there is no such agent.
        """
        now = self._clock()

        def change(connection: sqlite3.Connection) -> Agent:
            before = load_agent(connection, agent_id)
            if disabled == (before.disabled_at is not None):
                return before
            if disabled:
                _keep_an_owner(connection, before)
                self.end_sessions(connection, agent_id, None)
                connection.execute("DELETE FROM links WHERE agent_id = ?", (agent_id,))
                connection.execute(
                    """UPDATE conversations SET assigned_agent_id = NULL, version = version + 1
                       WHERE assigned_agent_id = ?""",
                    (agent_id,),
                )
            _update(connection, agent_id, "disabled_at = ?", now if disabled else None)
            return load_agent(connection, agent_id)

        return await self._db.write(change)

    async def set_preferences(
        self, agent_id: int, preferences: Mapping[str, Any], *, language: str | None = None
    ) -> Agent:
        """The agent with these preferences merged in by key, and another language if given.

        Raises:
            NotFound: there is no such agent.
        """

        def change(connection: sqlite3.Connection) -> Agent:
            before = load_agent(connection, agent_id)
            merged = msgspec.json.decode(clean(dump({**before.preferences, **preferences})))
            _update(connection, agent_id, "preferences = ?", dump(merged))
            if language is not None:
                _update(connection, agent_id, "language = ?", language)
            return load_agent(connection, agent_id)

        return await self._db.write(change)


def _login(login: str) -> str:
    return clean(login).strip().casefold()


def _update(connection: sqlite3.Connection, agent_id: int, change: str, value: object) -> None:
    sql = f"UPDATE agents SET {change} WHERE id = ?"  # noqa: S608  ``change`` is our own
    if not connection.execute(sql, (value, agent_id)).rowcount:
        raise NotFound(f"There is no agent {agent_id}.")


def _keep_an_owner(connection: sqlite3.Connection, agent: Agent) -> None:
    """Raise when without ``agent`` nobody would own the desk."""
    others = connection.execute(
        "SELECT count(*) FROM agents WHERE role = 'owner' AND disabled_at IS NULL AND id != ?",
        (agent.id,),
    ).fetchone()[0]
    if agent.role is Role.OWNER and agent.disabled_at is None and not others:
        raise Conflict("This is the last owner.", remedy="Make somebody else an owner first.")
