"""A number for each article that changes when what the index holds of it changes.

Read in a fraction of the time that the texts themselves take, so that an index from a file learns
at once which articles it has to read again.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable

from bot.store.feedback import LEFT_OUT

_STAMP_BYTES = 8
# Everything of an article that ``bot.items`` reads, in a fixed order: the article, how often each
# verdict was given on it, the tickets tied to it, the messages that it was right for.
_PARTS = (
    """SELECT id, digest, coalesce(twin_id, 0) || ' ' || updated_at FROM articles
       WHERE removed_at IS NULL""",
    "SELECT answer_id, verdict, count(*) FROM verdicts GROUP BY answer_id, verdict",
    f"""SELECT answer_id, key, id FROM tickets t WHERE answer_id IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM training_reviews q WHERE q.kind = 't'
            AND q.row_id = t.id AND {LEFT_OUT}) ORDER BY id""",  # noqa: S608  a constant
    f"""SELECT v.answer_id, m.digest, m.id FROM verdicts v JOIN messages m ON m.id = v.message_id
        WHERE v.verdict IN ('accepted', 'edited') AND v.agent_id IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM training_reviews q WHERE q.kind = 'v'
                AND q.row_id = v.message_id AND q.answer_id = v.answer_id AND {LEFT_OUT})
        ORDER BY v.message_id, v.rank""",  # noqa: S608  a constant
)


def stamps(connection: sqlite3.Connection) -> dict[int, int]:
    """Stamp of every article that is not removed, by id."""
    digests = {}
    for place, query in enumerate(_PARTS):
        found: Iterable[tuple[int, object, object]] = connection.execute(query, {"admitted": False})
        for article_id, first, second in found:
            if not place:
                digests[article_id] = hashlib.blake2b(digest_size=_STAMP_BYTES)
            if (digest := digests.get(article_id)) is not None:
                digest.update(f"{place} {first!r} {second}\n".encode())
    return {
        key: int.from_bytes(digest.digest(), "little", signed=True)
        for key, digest in digests.items()
    }
