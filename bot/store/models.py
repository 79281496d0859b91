"""Published bundles and the aliases that say which of them is live."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

import msgspec

from bot.errors import Conflict, NotFound
from bot.store.part import Part
from bot.store.records import BundleRow
from bot.store.texts import dump

CHAMPION, CHALLENGER, PREVIOUS, SHADOW = "champion", "challenger", "previous", "shadow"


class Models(Part):
    """Which models there are."""

    async def bundles(self) -> list[BundleRow]:
        """Bundles, newest first, each with its aliases."""

        def find(connection: sqlite3.Connection) -> list[BundleRow]:
            aliases: dict[str, list[str]] = {}
            for name, version in connection.execute(
                "SELECT name, version FROM aliases ORDER BY name"
            ):
                aliases.setdefault(version, []).append(name)
            found = connection.execute(
                "SELECT * FROM bundles ORDER BY created_at DESC, version DESC"
            )
            return [
                BundleRow(
                    version=row["version"],
                    path=row["path"],
                    metrics=msgspec.json.decode(row["metrics"]),
                    created_at=row["created_at"],
                    aliases=tuple(aliases.get(row["version"], ())),
                )
                for row in found
            ]

        return await self._db.read(find)

    async def add_bundle(self, version: str, path: str, metrics: Mapping[str, Any]) -> None:
        """Make a published folder known, as challenger; the same version renews its row."""
        now = self._clock()

        def add(connection: sqlite3.Connection) -> None:
            connection.execute(
                """INSERT INTO bundles (version, path, metrics, created_at) VALUES (?, ?, ?, ?)
                   ON CONFLICT (version) DO UPDATE SET path = excluded.path, metrics =
                   excluded.metrics""",
                (version, path, dump(dict(metrics)), now),
            )
            if alias_of(connection, CHAMPION) != version:
                point(connection, CHALLENGER, version)

        await self._db.write(add)

    async def alias(self, name: str) -> str | None:
        """Version behind ``champion``, ``challenger`` or ``previous``."""
        return await self._db.read(lambda connection: alias_of(connection, name))

    async def seal(self, version: str) -> str | None:
        """Digest of the manifest of a version as it was registered, where it was noted."""

        def find(connection: sqlite3.Connection) -> str | None:
            row = connection.execute(
                "SELECT json_extract(metrics, '$.seal') FROM bundles WHERE version = ?", (version,)
            ).fetchone()
            return None if row is None or row[0] is None else str(row[0])

        return await self._db.read(find)

    async def promote(self, version: str) -> None:
        """Make ``version`` the champion and the present champion ``previous``, in one commit.

        Raises:
            NotFound: there is no such bundle.
        """

        def move(connection: sqlite3.Connection) -> None:
            if (
                connection.execute("SELECT 1 FROM bundles WHERE version = ?", (version,)).fetchone()
                is None
            ):
                raise NotFound(f"There is no bundle '{version}'.")
            champion = alias_of(connection, CHAMPION)
            if champion == version:
                return
            if champion is not None:
                point(connection, PREVIOUS, champion)
            point(connection, CHAMPION, version)
            connection.execute(
                "DELETE FROM aliases WHERE version = ? AND name IN (?, ?)",
                (version, CHALLENGER, SHADOW),
            )

        await self._db.write(move)

    async def rollback(self) -> str:
        """The version that is champion now: champion and previous change places.

        Raises:
            Conflict: there is no previous bundle.
        """

        def swap(connection: sqlite3.Connection) -> str:
            champion, previous = alias_of(connection, CHAMPION), alias_of(connection, PREVIOUS)
            if previous is None:
                raise Conflict("There is no previous model to go back to.")
            point(connection, CHAMPION, previous)
            if champion is not None:
                point(connection, PREVIOUS, champion)
            return previous

        return await self._db.write(swap)


def alias_of(connection: sqlite3.Connection, name: str) -> str | None:
    """Version behind an alias."""
    row = connection.execute("SELECT version FROM aliases WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def point(connection: sqlite3.Connection, name: str, version: str) -> None:
    """Let an alias stand for a version."""
    connection.execute(
        """INSERT INTO aliases (name, version) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET
            version = excluded.version""",
        (name, version),
    )
