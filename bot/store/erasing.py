"""A person taken out of the database: every row about them, wherever it stands.

Tables are found by their columns, so a table that a later release adds with a ``message_id``,
``conversation_id`` or ``customer_id`` is covered without being named here. The ledger keeps its
numbers and loses what leads to the person.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from bot.domain import Customer, Suggestions
from bot.errors import Conflict, NotFound
from bot.event import customer_of
from bot.store import articles
from bot.store.articles import Content
from bot.store.customers import Customers
from bot.store.insights import CUSTOMER
from bot.store.texts import dump
from bot.store.training import PARTNER_SIGN, partner_text
from bot.store.unanswered import one_line

_KEYS = ("message_id", "conversation_id", "customer_id")
_MINE = {
    "message_id": """SELECT m.id FROM messages m JOIN conversations c ON c.id = m.conversation_id
        WHERE c.customer_id = :customer""",
    "conversation_id": "SELECT id FROM conversations WHERE customer_id = :customer",
    "customer_id": "SELECT :customer",
}
# Last, and in this order, because the others are found through them.
_FRAME = ("messages", "conversations", "customers")
_SHORTEST_RAW_ID = 5
# What was foretold of the person, who stands there under the site's own name.
_SUBJECTS = f"""subject IN ('{CUSTOMER}:' || :name, (SELECT '{CUSTOMER}:' || person
    FROM insight_members WHERE customer = :name AND person != ''))"""  # noqa: S608
_FORETOLD = {
    "flags": _SUBJECTS,
    "insight_scores": f"run_id IN (SELECT id FROM insight_runs) AND {_SUBJECTS}",  # noqa: S608
    "insight_members": "customer = :name",
}


@dataclass(frozen=True, slots=True)
class Trace:
    """What there is of a person.

    Attributes:
        counts: rows by table.
        texts: what the person wrote, former texts included.
        blobs: names of files in the attachment folder that no other message refers to.
        articles: those whose past questions hold a text of the person.
        bundles: versions that learned from the person's questions.
        training: a live job that reads them right now.
    """

    customer: Customer
    counts: Mapping[str, int]
    texts: tuple[str, ...]
    blobs: tuple[str, ...]
    articles: tuple[int, ...]
    bundles: tuple[str, ...]
    training: int | None


class Erasing(Customers):
    """Finding a person's rows, and taking them out."""

    async def trace(self, customer: Customer) -> Trace:
        """Everything that ``erase`` would take out."""
        return await self._db.read(lambda connection: _trace(connection, customer))

    async def erase(self, customer: Customer) -> tuple[int, ...]:
        """Articles that changed. The person's rows are gone; the ledger keeps their numbers.

        Raises:
            Conflict: a training reads the person's questions right now.
            NotFound: the customer is gone already.
        """
        now = self._clock()

        def take_out(connection: sqlite3.Connection) -> tuple[int, ...]:
            trace = _trace(connection, customer)
            if not trace.counts.get("customers"):
                raise NotFound("This customer is gone already.")
            if trace.training is not None:
                raise Conflict(
                    f"Training {trace.training} reads this customer's questions right now.",
                    remedy="Cancel it or wait for its end, then erase.",
                )
            mine = {"customer": customer.id}
            # Zeros over what is deleted, even if the file cannot be written anew afterwards.
            connection.execute("PRAGMA secure_delete=ON").fetchall()
            _forget_questions(connection, trace.articles, customer.id, now)
            _forget_quotes(connection, trace.texts)
            _anonymise(connection, customer.id, now)
            _drop_raw_updates(connection, customer)
            for table, where in _FORETOLD.items():
                named = {"name": customer_of(customer.channel, customer.external_id)}
                connection.execute(f"DELETE FROM {table} WHERE {where}", named)  # noqa: S608
            # The rows refer to each other in rings; at the commit all of them are gone.
            connection.execute("PRAGMA defer_foreign_keys=ON")
            for table, key in _tables(connection):
                connection.execute(f"DELETE FROM {table} WHERE {key} IN ({_MINE[key]})", mine)  # noqa: S608
            connection.execute(
                f"DELETE FROM messages WHERE id IN ({_MINE['message_id']})",  # noqa: S608
                mine,
            )
            connection.execute("DELETE FROM conversations WHERE customer_id = :customer", mine)
            connection.execute("DELETE FROM customers WHERE id = :customer", mine)
            for table in ("messages_fts", "customers_fts", "articles_fts"):
                # What was deleted from a search table stays in its segments until they merge.
                connection.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")  # noqa: S608
            return trace.articles

        return await self._db.write(take_out)

    async def stale_bundles(self) -> Mapping[str, int]:
        """Registered versions that learned from erased people, with the number of questions."""

        def find(connection: sqlite3.Connection) -> dict[str, int]:
            return dict(
                connection.execute(
                    """SELECT b.version, sum(e.messages) FROM erased_uses e
                       JOIN jobs j ON j.id = e.job_id
                       JOIN bundles b ON b.version = json_extract(j.metrics, '$.version')
                       GROUP BY b.version"""
                ).fetchall()
            )

        return await self._db.read(find)

    async def look_for(self, needles: Sequence[str]) -> dict[str, int]:
        """Rows in which a needle stands, by ``table.column``; reads every text of the database."""

        def look(connection: sqlite3.Connection) -> dict[str, int]:
            found: dict[str, int] = {}
            for table in _plain_tables(connection):
                for column in _columns(connection, table):
                    number = connection.execute(
                        f"""SELECT count(*) FROM "{table}" WHERE typeof("{column}") = 'text'
                            AND EXISTS (SELECT 1 FROM json_each(?) n
                                WHERE instr("{column}", n.value) > 0)""",  # noqa: S608
                        (dump(list(needles)),),
                    ).fetchone()[0]
                    if number:
                        found[f"{table}.{column}"] = number
            return found

        return await self._db.read(look)

    async def said_by_others(self, customer: Customer) -> frozenset[str]:
        """Texts of the person that others wrote as well, or that stood in the knowledge base."""

        def find(connection: sqlite3.Connection) -> frozenset[str]:
            found = connection.execute(
                f"""WITH mine AS (SELECT DISTINCT m.text FROM messages m
                        WHERE m.id IN ({_MINE["message_id"]}) AND m.author = 'customer')
                    SELECT text FROM mine WHERE text IN (
                        SELECT m.text FROM messages m JOIN conversations c
                            ON c.id = m.conversation_id WHERE c.customer_id != :customer
                        UNION ALL SELECT text FROM tickets UNION ALL SELECT title FROM articles
                        UNION ALL SELECT text FROM questions)""",  # noqa: S608
                {"customer": customer.id},
            )
            return frozenset(row[0] for row in found)

        return await self._db.read(find)


def _trace(connection: sqlite3.Connection, customer: Customer) -> Trace:
    mine = {"customer": customer.id}
    counts: dict[str, int] = {}
    places = [*_tables(connection), ("ledger", "message_id")]
    places += [("messages", "conversation_id"), ("conversations", "customer_id")]
    for table, key in places:
        number = connection.execute(
            f"SELECT count(*) FROM {table} WHERE {key} IN ({_MINE[key]})",  # noqa: S608
            mine,
        ).fetchone()[0]
        counts[table] = max(counts.get(table, 0), number)
    for table, where in _FORETOLD.items():
        counts[table] = connection.execute(
            f"SELECT count(*) FROM {table} WHERE {where}",  # noqa: S608
            {"name": customer_of(customer.channel, customer.external_id)},
        ).fetchone()[0]
    counts["customers"] = connection.execute(
        "SELECT count(*) FROM customers WHERE id = :customer", mine
    ).fetchone()[0]
    texts = connection.execute(
        f"""SELECT text FROM messages WHERE author = 'customer' AND id IN ({_MINE["message_id"]})
            UNION SELECT text FROM message_edits WHERE message_id IN ({_MINE["message_id"]})""",  # noqa: S608
        mine,
    )
    bundles = connection.execute(
        f"""SELECT DISTINCT b.version FROM training_uses u JOIN jobs j ON j.id = u.job_id
            JOIN bundles b ON b.version = json_extract(j.metrics, '$.version')
            WHERE u.message_id IN ({_MINE["message_id"]}) ORDER BY b.version""",  # noqa: S608
        mine,
    )
    training = connection.execute(
        f"""SELECT j.id FROM jobs j JOIN training_uses u ON u.job_id = j.id
            WHERE j.finished_at IS NULL AND u.message_id IN ({_MINE["message_id"]}) LIMIT 1""",  # noqa: S608
        mine,
    ).fetchone()
    return Trace(
        customer=customer,
        counts={table: number for table, number in sorted(counts.items()) if number},
        texts=tuple(row[0] for row in texts.fetchall() if row[0].strip()),
        blobs=_blobs(connection, customer.id),
        articles=_articles(connection, customer.id),
        bundles=tuple(row[0] for row in bundles.fetchall()),
        training=None if training is None else int(training[0]),
    )


def _plain_tables(connection: sqlite3.Connection) -> list[str]:
    """Tables but those of the search engine, whose text stands elsewhere or nowhere."""
    found = connection.execute(
        """SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%\\_fts%'
           ESCAPE '\\' AND name NOT LIKE 'sqlite%' ORDER BY name"""
    )
    return [row[0] for row in found.fetchall()]


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]


def _tables(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Tables with a column that leads to a person, and that column."""
    return [
        (table, key)
        for table in _plain_tables(connection)
        if table not in {*_FRAME, "ledger"}
        for key in _KEYS
        if key in _columns(connection, table)
    ]


def _blobs(connection: sqlite3.Connection, customer_id: int) -> tuple[str, ...]:
    found = connection.execute(
        f"""WITH mine AS (SELECT id, json_extract(attachment, '$.reference') AS reference
                FROM messages WHERE attachment IS NOT NULL AND id IN ({_MINE["message_id"]}))
            SELECT DISTINCT reference FROM mine WHERE reference LIKE 'blob:%' AND NOT EXISTS (
                SELECT 1 FROM messages o WHERE o.attachment IS NOT NULL
                AND json_extract(o.attachment, '$.reference') = mine.reference
                AND o.id NOT IN (SELECT id FROM mine))""",  # noqa: S608
        {"customer": customer_id},
    )
    return tuple(row[0].removeprefix("blob:") for row in found.fetchall())


def _articles(connection: sqlite3.Connection, customer_id: int) -> tuple[int, ...]:
    """Articles that learned the person's questions: by verdict, or published from a cluster."""
    found = connection.execute(
        f"""SELECT answer_id FROM verdicts WHERE verdict IN ('accepted', 'edited')
                AND message_id IN ({_MINE["message_id"]})
            UNION SELECT c.article_id FROM unanswered_clusters c
                JOIN unanswered_members u ON u.cluster_id = c.id
                WHERE c.article_id IS NOT NULL AND u.message_id IN ({_MINE["message_id"]})""",  # noqa: S608
        {"customer": customer_id},
    )
    return tuple(row[0] for row in found.fetchall())


def _forget_questions(
    connection: sqlite3.Connection, article_ids: Sequence[int], customer_id: int, now: float
) -> None:
    """Take the person's words out of articles that were published from what they asked.

    A question that somebody else of the cluster asked in the same words stays.
    """
    for article_id in article_ids:
        said = connection.execute(
            f"""SELECT m.text FROM messages m JOIN unanswered_members u ON u.message_id = m.id
                JOIN unanswered_clusters c ON c.id = u.cluster_id AND c.article_id = :article
                GROUP BY m.text HAVING sum(m.id NOT IN ({_MINE["message_id"]})) = 0""",  # noqa: S608
            {"article": article_id, "customer": customer_id},
        ).fetchall()
        gone = {row[0].strip() for row in said}
        if gone:
            _rewrite(connection, article_id, gone, now)


def _forget_quotes(connection: sqlite3.Connection, texts: Sequence[str]) -> None:
    """Take the person's words out of what was said of others: reasons and partners in conflicts."""
    said = set(texts)
    for message_id, payload in connection.execute(
        """SELECT message_id, payload FROM suggestions s WHERE EXISTS (
            SELECT 1 FROM json_each(s.payload, '$.items') i WHERE
            json_extract(i.value, '$.reasons.matched_question') IN (SELECT value FROM json_each(?)))
        """,
        (dump(sorted(said)),),
    ).fetchall():
        found = msgspec.json.decode(payload, type=Suggestions)
        items = tuple(
            replace(item, reasons=replace(item.reasons, matched_question=None))
            if item.reasons.matched_question in said
            else item
            for item in found.items
        )
        connection.execute(
            "UPDATE suggestions SET payload = ? WHERE message_id = ?",
            (dump(replace(found, items=items)), message_id),
        )
    quotes = {partner_text(text) for text in said}
    for review_id, partner in connection.execute(
        "SELECT id, partner FROM training_reviews WHERE partner != ''"
    ).fetchall():
        if partner.partition(PARTNER_SIGN)[0] in quotes:
            connection.execute(
                "UPDATE training_reviews SET partner = '' WHERE id = ?", (review_id,)
            )


def _rewrite(connection: sqlite3.Connection, article_id: int, gone: set[str], now: float) -> None:
    titles = {one_line(text) for text in gone}
    before = articles.load_article(connection, article_id)
    written = Content(
        title="" if before.title in titles else before.title,
        text=before.text,
        category=before.category,
        language=before.language,
        questions=tuple(question for question in before.questions if question not in gone),
    )
    articles.write_article(connection, article_id, written, now, actor="erasure", action="changed")
    for version, title, questions in connection.execute(
        "SELECT id, title, questions FROM article_history WHERE article_id = ?", (article_id,)
    ).fetchall():
        kept = [q for q in msgspec.json.decode(questions, type=list[str]) if q not in gone]
        connection.execute(
            "UPDATE article_history SET title = ?, questions = ? WHERE id = ?",
            ("" if title in titles else title, dump(kept), version),
        )
    articles.grow_revision(connection)


def _anonymise(connection: sqlite3.Connection, customer_id: int, now: float) -> None:
    """Keep the ledger's numbers, and the number of questions that each training saw."""
    mine = {"customer": customer_id, "now": now}
    connection.execute(
        f"""INSERT INTO erased_uses (job_id, messages, erased_at)
            SELECT job_id, count(*), :now FROM training_uses
            WHERE message_id IN ({_MINE["message_id"]}) GROUP BY job_id""",  # noqa: S608
        mine,
    )
    connection.execute(
        f"""DELETE FROM training_reviews
            WHERE kind = 'v' AND row_id IN ({_MINE["message_id"]})""",  # noqa: S608
        mine,
    )
    # Before the verdicts go: their trigger would otherwise take the verdict out of the record.
    connection.execute(
        f"""UPDATE ledger SET message_id = NULL, reason = ''
            WHERE message_id IN ({_MINE["message_id"]})""",  # noqa: S608
        mine,
    )


def _drop_raw_updates(connection: sqlite3.Connection, customer: Customer) -> None:
    """Forget Telegram's updates that name the person without being a message of theirs."""
    if customer.channel == "telegram" and len(customer.external_id) >= _SHORTEST_RAW_ID:
        connection.execute("DELETE FROM updates WHERE instr(raw, ?) > 0", (customer.external_id,))
