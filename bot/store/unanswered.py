"""Questions that no suggestion answered, in groups that stay as an admin left them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bot.errors import Conflict, NotFound
from bot.store.part import Part
from bot.store.texts import answer_key

ClusterState = Literal["open", "dismissed", "published"]


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """A customer's message that no suggestion answered; ``reply`` is what a person wrote."""

    message_id: int
    text: str
    language: str
    category: str
    asked_at: float
    reply: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """Questions that belong together, oldest first."""

    id: int
    state: ClusterState
    article_id: int | None
    questions: tuple[OpenQuestion, ...]


_TITLE_CHARS = 120


def one_line(text: str) -> str:
    """A question as the title of an article; an erasure knows it again by this."""
    return " ".join(text.split())[:_TITLE_CHARS]


# The agent's own words: the first reply after the question that did not come from an article.
_REPLY = """coalesce((SELECT r.text FROM messages r LEFT JOIN outbox o ON o.message_id = r.id
    WHERE r.conversation_id = m.conversation_id AND r.id > m.id AND r.author = 'agent'
      AND r.kind = 'text' AND r.answer_id IS NULL AND coalesce(o.state, '') != 'cancelled'
    ORDER BY r.id LIMIT 1), '')"""

_COLUMNS = f"""m.id, m.text, m.language, coalesce(c.category, ''), m.created_at, {_REPLY}"""

# No suggestion was sure of itself, or all were rejected, or a person wrote something else; and
# nobody used one after all.
_UNANSWERED = f"""SELECT {_COLUMNS} FROM messages m
    JOIN suggestions s ON s.message_id = m.id
    JOIN conversations c ON c.id = m.conversation_id
    WHERE m.created_at > :since AND m.author = 'customer' AND m.kind = 'text'
      AND s.decision != 'answer' AND m.id NOT IN (SELECT message_id FROM unanswered_members)
      AND NOT EXISTS (SELECT 1 FROM verdicts v WHERE v.message_id = m.id
        AND v.verdict IN ('accepted', 'edited'))
      AND (NOT EXISTS (SELECT 1 FROM json_each(s.payload, '$.items') i
          WHERE json_extract(i.value, '$.sure'))
        OR EXISTS (SELECT 1 FROM verdicts v WHERE v.message_id = m.id AND v.verdict = 'ignored')
        OR (SELECT count(*) FROM verdicts v WHERE v.message_id = m.id
            AND v.verdict = 'rejected') >= json_array_length(s.payload, '$.items'))
    ORDER BY m.id LIMIT :limit"""  # noqa: S608  constants


class Unanswered(Part):
    """Clusters and their members."""

    async def fresh(self, since: float, limit: int) -> list[OpenQuestion]:
        """Questions in no cluster yet, oldest first."""

        def find(connection: sqlite3.Connection) -> list[OpenQuestion]:
            found = connection.execute(_UNANSWERED, {"since": since, "limit": limit})
            return [OpenQuestion(*row) for row in found]

        return await self._db.read(find)

    async def clusters(self, state: ClusterState | None = None) -> list[Cluster]:
        """Clusters that still have members, most questions first."""

        def find(connection: sqlite3.Connection) -> list[Cluster]:
            members: dict[int, list[OpenQuestion]] = {}
            for row in connection.execute(
                f"""SELECT u.cluster_id, {_COLUMNS} FROM unanswered_members u
                    JOIN unanswered_clusters k ON k.id = u.cluster_id
                    JOIN messages m ON m.id = u.message_id
                    JOIN conversations c ON c.id = m.conversation_id
                    WHERE ?1 IS NULL OR k.state = ?1 ORDER BY m.id""",  # noqa: S608
                (state,),
            ):
                members.setdefault(row[0], []).append(OpenQuestion(*row[1:]))
            found = connection.execute("SELECT id, state, article_id FROM unanswered_clusters")
            listed = [
                Cluster(key, cluster_state, article_id, tuple(members[key]))
                for key, cluster_state, article_id in found
                if key in members
            ]
            return sorted(listed, key=lambda cluster: (-len(cluster.questions), cluster.id))

        return await self._db.read(find)

    async def cluster(self, cluster_id: int) -> Cluster:
        """The cluster.

        Raises:
            NotFound: there is none of this id, or its people were erased.
        """
        for cluster in await self.clusters():
            if cluster.id == cluster_id:
                return cluster
        raise NotFound("There is no such group of questions.")

    async def add(self, groups: Sequence[Sequence[int]], joining: Mapping[int, int]) -> None:
        """Store new clusters of messages, and messages that join known ones (message: cluster)."""
        now = self._clock()

        def save(connection: sqlite3.Connection) -> None:
            members = list(joining.items())
            for group in groups:
                cursor = connection.execute(
                    "INSERT INTO unanswered_clusters (created_at) VALUES (?)", (now,)
                )
                members += [(message, int(cursor.lastrowid or 0)) for message in group]
            connection.executemany(
                "INSERT OR IGNORE INTO unanswered_members (message_id, cluster_id) VALUES (?, ?)",
                members,
            )

        await self._db.write(save)

    async def merge(self, cluster_id: int, into: int) -> None:
        """Move the questions of one open cluster into another.

        Raises:
            Conflict: one of them is no longer open, or both are the same.
        """

        def save(connection: sqlite3.Connection) -> None:
            still_open = connection.execute(
                "SELECT count(*) FROM unanswered_clusters WHERE state = 'open' AND id IN (?, ?)",
                (cluster_id, into),
            ).fetchone()[0]
            if still_open != 2:
                raise Conflict("These groups cannot be merged any more.")
            connection.execute(
                "UPDATE unanswered_members SET cluster_id = ? WHERE cluster_id = ?",
                (into, cluster_id),
            )
            connection.execute("DELETE FROM unanswered_clusters WHERE id = ?", (cluster_id,))

        await self._db.write(save)

    async def settle(
        self, cluster_id: int, state: ClusterState, article_id: int | None = None
    ) -> None:
        """Dismiss a cluster, note its article, or open it again.

        Raises:
            NotFound: there is no such cluster.
        """
        now = self._clock()

        def save(connection: sqlite3.Connection) -> None:
            done = connection.execute(
                """UPDATE unanswered_clusters SET state = ?, article_id = ?, decided_at = ?
                   WHERE id = ?""",
                (state, article_id, now, cluster_id),
            )
            if not done.rowcount:
                raise NotFound("There is no such group of questions.")

        await self._db.write(save)

    async def article_with_text(self, text: str) -> int | None:
        """The article whose answer is this text, removed or not."""

        def find(connection: sqlite3.Connection) -> int | None:
            row = connection.execute(
                "SELECT id FROM articles WHERE key = ?", (answer_key(text.strip()),)
            ).fetchone()
            return None if row is None else int(row[0])

        return await self._db.read(find)
