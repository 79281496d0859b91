"""Signed-in browsers and one-time links. Of every token only the SHA-256 is stored."""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import suppress

import msgspec

from bot.domain import Agent, Role
from bot.errors import NotFound, StorageUnavailable
from bot.store.part import Part
from bot.store.records import Session
from bot.store.texts import clean, secret_hash

IDLE_S = 8 * 3600.0
ABSOLUTE_S = 7 * 86_400.0
LINK_S = 3600.0
# A request within this time of the last one noted costs no write.
_NOTE_S = 60.0


class Sessions(Part):
    """Who is signed in where."""

    async def create_session(
        self, agent_id: int, ttl: float = ABSOLUTE_S, *, address: str = "", device: str = ""
    ) -> str:
        """A new 256-bit token for the cookie; ends after ``ttl`` seconds or 8 h of silence.

        ``address`` and ``device`` say to people where it is used.

        Raises:
            NotFound: there is no such agent, or they are disabled.
        """
        now, token = self._clock(), secrets.token_urlsafe(32)

        def add(connection: sqlite3.Connection) -> None:
            if load_agent(connection, agent_id).disabled_at is not None:
                raise NotFound("There is no such agent.")
            connection.execute(
                "DELETE FROM sessions WHERE expires_at < ? OR last_seen_at < ?", (now, now - IDLE_S)
            )
            connection.execute(
                """INSERT INTO sessions (token_hash, agent_id, created_at, last_seen_at,
                    expires_at, csrf_token, address, device)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
                (
                    secret_hash(token),
                    agent_id,
                    now,
                    now,
                    now + min(ttl, ABSOLUTE_S),
                    secrets.token_urlsafe(32),
                    clean(address),
                    clean(device),
                ),
            )

        await self._db.write(add)
        return token

    async def session(self, token: str) -> tuple[Agent, Session] | None:
        """Who holds the token, or None: unknown, expired, idle for 8 h, or disabled."""
        now, key = self._clock(), secret_hash(token)

        def find(connection: sqlite3.Connection) -> tuple[Agent, Session] | None:
            row = connection.execute(
                f"SELECT {_COLUMNS} FROM sessions WHERE token_hash = ?",  # noqa: S608
                (key,),
            ).fetchone()
            if row is None:
                return None
            session = Session(*row)
            agent = load_agent(connection, session.agent_id)
            alive = now < session.expires_at and now - session.last_seen_at < IDLE_S
            return (agent, session) if alive and agent.disabled_at is None else None

        found = await self._db.read(find)
        if found is not None and now - found[1].last_seen_at > _NOTE_S:
            # A full disk must not keep people from reading.
            with suppress(StorageUnavailable):
                await self._db.write(
                    lambda connection: connection.execute(
                        """UPDATE sessions SET last_seen_at = max(last_seen_at, ?)
                           WHERE token_hash = ?""",
                        (now, key),
                    )
                )
        return found

    async def sessions(self, agent_id: int) -> list[Session]:
        """The agent's live sessions, newest first."""
        now = self._clock()

        def find(connection: sqlite3.Connection) -> list[Session]:
            found = connection.execute(
                f"""SELECT {_COLUMNS} FROM sessions WHERE agent_id = ? AND expires_at > ?
                    AND last_seen_at > ? ORDER BY id DESC""",  # noqa: S608
                (agent_id, now, now - IDLE_S),
            )
            return [Session(*row) for row in found]

        return await self._db.read(find)

    async def everyones_sessions(self, agent_id: int | None = None) -> list[tuple[Agent, Session]]:
        """Live sessions of everyone or of one agent, the last used first."""
        now = self._clock()

        def find(connection: sqlite3.Connection) -> list[tuple[Agent, Session]]:
            found = connection.execute(
                f"""SELECT {_COLUMNS} FROM sessions WHERE expires_at > ? AND last_seen_at > ?
                    AND (?3 IS NULL OR agent_id = ?3) ORDER BY last_seen_at DESC, id DESC""",  # noqa: S608
                (now, now - IDLE_S, agent_id),
            ).fetchall()
            agents = {row["agent_id"]: load_agent(connection, row["agent_id"]) for row in found}
            return [(agents[row["agent_id"]], Session(*row)) for row in found]

        return await self._db.read(find)

    async def session_owner(self, session_id: int) -> Agent:
        """Whose session it is.

        Raises:
            NotFound: there is none of this id.
        """

        def find(connection: sqlite3.Connection) -> Agent:
            row = connection.execute(
                "SELECT agent_id FROM sessions WHERE id = ?", (session_id,)
            ).fetchone()
            if row is None:
                raise NotFound("The session has ended already.")
            return load_agent(connection, row[0])

        return await self._db.read(find)

    async def revoke_session(self, token: str) -> None:
        """Sign this browser out."""
        key = secret_hash(token)

        def drop(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM sessions WHERE token_hash = ?", (key,))

        await self._db.write(drop)

    async def revoke_sessions(
        self, agent_id: int, *, session_id: int | None = None, keep_session: str | None = None
    ) -> None:
        """Sign the agent out of one session, or of all but the one of ``keep_session``."""

        def drop(connection: sqlite3.Connection) -> None:
            if session_id is None:
                self.end_sessions(connection, agent_id, keep_session)
            else:
                connection.execute(
                    "DELETE FROM sessions WHERE agent_id = ? AND id = ?", (agent_id, session_id)
                )

        await self._db.write(drop)

    async def one_time_link(self, agent_id: int | None, ttl: float = LINK_S) -> str:
        """A token that signs in once within ``ttl`` seconds; with None it lets the first owner in.

        Raises:
            NotFound: there is no such agent.
        """
        now, token = self._clock(), secrets.token_urlsafe(32)

        def add(connection: sqlite3.Connection) -> None:
            if agent_id is not None:
                load_agent(connection, agent_id)
            connection.execute("DELETE FROM links WHERE expires_at < ?", (now,))
            connection.execute(
                "INSERT INTO links (token_hash, agent_id, expires_at) VALUES (?, ?, ?)",
                (secret_hash(token), agent_id, now + ttl),
            )

        await self._db.write(add)
        return token

    async def redeem(self, token: str) -> Agent:
        """The agent whom the link lets in; it works once.

        A link for nobody in particular gives the first owner, made with the login ``owner`` if
        there is none yet.

        Raises:
            NotFound: the link is unknown, used or expired, or the agent disabled.
        """
        now = self._clock()

        def use(connection: sqlite3.Connection) -> Agent:
            row = connection.execute(
                "DELETE FROM links WHERE token_hash = ? AND expires_at > ? RETURNING agent_id",
                (secret_hash(token), now),
            ).fetchone()
            if row is None:
                raise NotFound(_NO_LINK, remedy="Ask for a new one.")
            agent = (
                _first_owner(connection, now) if row[0] is None else load_agent(connection, row[0])
            )
            if agent.disabled_at is not None:
                raise NotFound(_NO_LINK, remedy="Ask for a new one.")
            return agent

        return await self._db.write(use)

    @staticmethod
    def end_sessions(
        connection: sqlite3.Connection, agent_id: int, keep_session: str | None
    ) -> None:
        """Delete the agent's sessions within a write, but the one of ``keep_session``."""
        kept = b"" if keep_session is None else secret_hash(keep_session)
        connection.execute(
            "DELETE FROM sessions WHERE agent_id = ? AND token_hash != ?", (agent_id, kept)
        )


_COLUMNS = "id, agent_id, created_at, last_seen_at, expires_at, csrf_token, address, device"
_NO_LINK = "This sign-in link was used or has expired."


def load_agent(connection: sqlite3.Connection, agent_id: int) -> Agent:
    """The agent.

    Raises:
        NotFound: there is none of this id.
    """
    row = connection.execute("SELECT * FROM agents WHERE id = ?", (agent_id,)).fetchone()
    if row is None:
        raise NotFound(f"There is no agent {agent_id}.")
    return to_agent(row)


def to_agent(row: sqlite3.Row) -> Agent:
    """A row of ``agents``."""
    return Agent(
        id=row["id"],
        login=row["login"],
        name=row["name"],
        role=Role(row["role"]),
        language=row["language"],
        created_at=row["created_at"],
        disabled_at=row["disabled_at"],
        preferences=msgspec.json.decode(row["preferences"]),
    )


def _first_owner(connection: sqlite3.Connection, now: float) -> Agent:
    row = connection.execute(
        "SELECT id FROM agents WHERE role = 'owner' AND disabled_at IS NULL ORDER BY id LIMIT 1"
    ).fetchone()
    if row is None:
        row = connection.execute(
            """INSERT INTO agents (login, name, role, language, created_at)
               VALUES ('owner', 'Owner', 'owner', '', ?)
               ON CONFLICT (login) DO UPDATE SET role = 'owner', disabled_at = NULL RETURNING id""",
            (now,),
        ).fetchone()
    return load_agent(connection, row[0])
