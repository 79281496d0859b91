"""API tokens: a machine's rights by scope. The secret is shown once; its SHA-256 is stored."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import msgspec

from bot.errors import NotFound, StorageUnavailable
from bot.ports import Clock
from bot.store.database import Database
from bot.store.part import Part
from bot.store.records import ApiToken
from bot.store.texts import clean, dump, secret_hash

_PREFIX = "nb_"
_NOTE_S = 60.0
_MAX_KNOWN = 1_000
_COLUMNS = "id, name, scopes, created_at, last_used_at, revoked_at"


class Tokens(Part):
    """Machines that may call the API.

    Rows that were asked for are remembered: a program comes a thousand times a second, and nobody
    but this process writes them.
    """

    def __init__(self, db: Database, clock: Clock) -> None:
        super().__init__(db, clock)
        self._known: dict[bytes, ApiToken] = {}
        self._revoked = 0

    async def create_token(self, name: str, scopes: Sequence[str]) -> tuple[int, str]:
        """Id and secret of a new token."""
        secret = _PREFIX + secrets.token_urlsafe(32)
        now = self._clock()

        def add(connection: sqlite3.Connection) -> int:
            cursor = connection.execute(
                """INSERT INTO api_tokens (name, scopes, secret_hash, created_at) VALUES (?, ?, ?,
                    ?)""",
                (clean(name).strip(), dump(sorted(set(scopes))), secret_hash(secret), now),
            )
            return int(cursor.lastrowid or 0)

        return await self._db.write(add), secret

    def known_token(self, secret: str) -> ApiToken | None:
        """The token with this secret, if it was asked for in the last minute. Not a coroutine."""
        known = self._known.get(secret_hash(secret))
        if known is not None and self._clock() - (known.last_used_at or 0.0) <= _NOTE_S:
            return known
        return None

    async def token(self, secret: str) -> ApiToken | None:
        """The token with this secret, or None: unknown or revoked."""
        known = self.known_token(secret)
        if known is not None:
            return known
        now, key = self._clock(), secret_hash(secret)

        def find(connection: sqlite3.Connection) -> ApiToken | None:
            row = connection.execute(
                f"SELECT {_COLUMNS} FROM api_tokens WHERE secret_hash = ? AND revoked_at IS NULL",  # noqa: S608
                (key,),
            ).fetchone()
            return None if row is None else _token(row)

        revoked = self._revoked
        found = await self._db.read(find)
        if found is None:
            return None
        if now - (found.last_used_at or 0.0) > _NOTE_S:
            token_id = found.id
            # A full disk must not keep programs from reading.
            with suppress(StorageUnavailable):
                await self._db.write(
                    lambda connection: connection.execute(
                        "UPDATE api_tokens SET last_used_at = ? WHERE id = ?", (now, token_id)
                    )
                )
            found = replace(found, last_used_at=now)
        if revoked == self._revoked:  # otherwise perhaps this one, meanwhile
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[key] = found
        return found

    async def tokens(self) -> list[ApiToken]:
        """Every token, revoked ones included, newest first."""

        def find(connection: sqlite3.Connection) -> list[ApiToken]:
            found = connection.execute(f"SELECT {_COLUMNS} FROM api_tokens ORDER BY id DESC")  # noqa: S608
            return [_token(row) for row in found]

        return await self._db.read(find)

    async def revoke_token(self, token_id: int) -> None:
        """End the token's right at once.

        Raises:
            NotFound: there is none of this id.
        """
        now = self._clock()

        def end(connection: sqlite3.Connection) -> None:
            done = connection.execute(
                "UPDATE api_tokens SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?",
                (now, token_id),
            ).rowcount
            if not done:
                raise NotFound(f"There is no token {token_id}.")

        await self._db.write(end)
        self._revoked += 1
        self._known.clear()


def _token(row: sqlite3.Row) -> ApiToken:
    return ApiToken(
        id=row["id"],
        name=row["name"],
        scopes=tuple(msgspec.json.decode(row["scopes"], type=list[str])),
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
        revoked_at=row["revoked_at"],
    )
