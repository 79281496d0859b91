"""Full-text search: the one place that builds a MATCH string, and finding conversations by it."""

from __future__ import annotations

import re
import sqlite3
from itertools import chain

from bot.domain import Page
from bot.store import rows
from bot.store.part import PER_PAGE, Part
from bot.store.texts import fold_yo

_WORD = re.compile(r"\w+")
# "hasn't": its end is a word of one letter. As a prefix it would stand for every word with that
# letter, which takes thirty times as long and finds nothing more.
_CLIPPED = re.compile(r"\w['\u2019]\w\W*$")
_MAX_TERMS = 12
# Newest first stays fast for any word only while the hits looked at are bounded.
_PAGED_HITS = 500


def match(query: str, *, column: str = "") -> str:
    """FTS5 MATCH string: every word of ``query`` is a quoted term, the last one a prefix.

    The one letter behind an apostrophe is a whole word.

    Empty when the query holds no word; a caller must then not search. Nothing a person types can be
    an operator: quotes, AND, hyphens, colons and asterisks are separators or plain words.
    """
    terms = [f'"{word}"' for word in _WORD.findall(fold_yo(query))[:_MAX_TERMS]]
    if not terms:
        return ""
    joined = " ".join(terms) + ("" if _CLIPPED.search(query) else "*")
    return f"{column} : ({joined})" if column else joined


def hits(connection: sqlite3.Connection, query: str, most: int = 1_000) -> list[int]:
    """Ids of conversations with all words in a message or the customer's name, newest first.

    Looks at the newest ``most`` messages that match.
    """
    terms = match(query)
    if not terms:
        return []
    # Not grouped by SQLite: that would sort what comes newest first already.
    said = connection.execute(
        """SELECT m.conversation_id, m.id FROM (
            SELECT rowid AS id FROM messages_fts WHERE messages_fts MATCH ? ORDER BY rowid DESC
            LIMIT ?
           ) f CROSS JOIN messages m ON m.id = f.id""",
        (terms, most),
    )
    named = connection.execute(
        """SELECT c.id, (SELECT max(id) FROM messages m WHERE m.conversation_id = c.id) FROM (
            SELECT rowid AS id FROM customers_fts WHERE customers_fts MATCH ? ORDER BY rowid DESC
            LIMIT ?
           ) f JOIN conversations c ON c.customer_id = f.id""",
        (terms, most),
    )
    newest: dict[int, int] = {}
    for conversation_id, message_id in chain(said, named):
        newest[conversation_id] = max(newest.get(conversation_id, 0), message_id or 0)
    return sorted(newest, key=lambda key: newest[key], reverse=True)


class Searching(Part):
    """Search over everything said."""

    async def search(self, query: str, page: int = 1, per_page: int = PER_PAGE) -> Page:
        """Conversations in which all words of ``query`` stand in one message, newest first."""

        def find(connection: sqlite3.Connection) -> Page:
            ids = hits(connection, query, _PAGED_HITS)
            first = (max(1, page) - 1) * per_page
            items = rows.load_conversations(connection, ids[first : first + per_page])
            return Page(items=items, total=len(ids), page=max(1, page), per_page=per_page)

        return await self._db.read(find)
