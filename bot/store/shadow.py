"""What a model in the shadow would have said to live messages, and which model is there."""

from __future__ import annotations

import sqlite3

import msgspec

from bot.errors import NotFound
from bot.store.models import SHADOW, alias_of, point
from bot.store.part import Part
from bot.store.records import ShadowScore
from bot.store.texts import dump

_MOST = 50_000  # scores that are kept, and read for a summary
_KEPT_S = 90 * 86_400.0


class Shadow(Part):
    """The alias ``shadow`` and its scores."""

    async def put(self, version: str | None) -> None:
        """Let a version score along, or none.

        Raises:
            NotFound: there is no such version.
        """

        def move(connection: sqlite3.Connection) -> None:
            if version is None:
                connection.execute("DELETE FROM aliases WHERE name = ?", (SHADOW,))
                return
            known = connection.execute("SELECT 1 FROM bundles WHERE version = ?", (version,))
            if known.fetchone() is None:
                raise NotFound(f"There is no model version '{version}'.")
            point(connection, SHADOW, version)

        await self._db.write(move)

    async def version(self) -> str | None:
        """The version that scores along."""
        return await self._db.read(lambda connection: alias_of(connection, SHADOW))

    async def save(self, score: ShadowScore) -> None:
        """Keep a score; the first one for a message and version stays."""
        now = self._clock()

        def add(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT OR IGNORE INTO shadow_scores VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    score.message_id, score.version, score.champion_version,
                    dump(list(score.champion_ids)), score.champion_confidence,
                    dump(list(score.shadow_ids)), score.shadow_confidence, score.elapsed_ms, now,
                ),
            )  # fmt: skip

        await self._db.write(add)

    async def prune(self, most: int = _MOST) -> int:
        """Number of scores forgotten: older than 90 days, or not among the newest ``most``."""
        before = self._clock() - _KEPT_S

        def forget(connection: sqlite3.Connection) -> int:
            old = connection.execute("DELETE FROM shadow_scores WHERE created_at < ?", (before,))
            many = connection.execute(
                """DELETE FROM shadow_scores WHERE (version, message_id) IN (
                   SELECT version, message_id FROM shadow_scores
                   ORDER BY created_at DESC, message_id DESC LIMIT -1 OFFSET ?)""",
                (most,),
            )
            return old.rowcount + many.rowcount

        return await self._db.write(forget)

    async def scores(self, version: str, champion: str) -> list[ShadowScore]:
        """Scores of a version beside a champion, oldest first, with what agents took later.

        Where an agent took several answers for a message, the first one counts.
        """

        def find(connection: sqlite3.Connection) -> list[ShadowScore]:
            found = connection.execute(
                """SELECT s.*, m.text AS question,
                   (SELECT v.answer_id FROM verdicts v WHERE v.message_id = s.message_id
                    AND v.verdict IN ('accepted', 'edited') AND v.agent_id IS NOT NULL
                    ORDER BY v.rank LIMIT 1) AS accepted_id
                   FROM shadow_scores s JOIN messages m ON m.id = s.message_id
                   WHERE s.version = ? AND s.champion_version = ?
                   ORDER BY s.message_id DESC LIMIT ?""",
                (version, champion, _MOST),
            )
            return [
                ShadowScore(
                    **{
                        **dict(row),
                        "champion_ids": msgspec.json.decode(
                            row["champion_ids"], type=tuple[int, ...]
                        ),
                        "shadow_ids": msgspec.json.decode(row["shadow_ids"], type=tuple[int, ...]),
                    }
                )
                for row in found
            ][::-1]

        return await self._db.read(find)
