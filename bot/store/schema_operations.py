"""Tables of the panel beyond the desk: webhooks, where sessions come from, twice-written articles.

A webhook's events are written by triggers: in the transaction of what they tell, whoever writes it,
so none is lost and none is told that did not happen. While no webhook asks for an event its trigger
costs one look at an empty table.
"""

from __future__ import annotations

TABLES = (
    """CREATE TABLE webhooks (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, url TEXT NOT NULL, events TEXT NOT NULL,
        secret TEXT NOT NULL, former_secret TEXT, former_until REAL,
        active INTEGER NOT NULL DEFAULT 1, created_at REAL NOT NULL)""",
    """CREATE TABLE webhook_deliveries (
        id INTEGER PRIMARY KEY AUTOINCREMENT, public_id TEXT NOT NULL UNIQUE,
        webhook_id INTEGER NOT NULL REFERENCES webhooks, event TEXT NOT NULL,
        conversation_id INTEGER, data TEXT NOT NULL, created_at REAL NOT NULL,
        state TEXT NOT NULL DEFAULT 'waiting', attempts INTEGER NOT NULL DEFAULT 0,
        next_at REAL NOT NULL DEFAULT 0, finished_at REAL, status INTEGER,
        error TEXT NOT NULL DEFAULT '')""",
    """CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_at, id)
        WHERE state = 'waiting'""",
    "CREATE INDEX webhook_deliveries_webhook ON webhook_deliveries (webhook_id, state, id)",
    """CREATE INDEX webhook_deliveries_conversation ON webhook_deliveries (conversation_id)
        WHERE conversation_id IS NOT NULL""",
    """CREATE TABLE webhook_attempts (
        id INTEGER PRIMARY KEY, delivery_id INTEGER NOT NULL REFERENCES webhook_deliveries
        ON DELETE CASCADE, at REAL NOT NULL, status INTEGER, error TEXT NOT NULL,
        elapsed_ms INTEGER NOT NULL, response TEXT NOT NULL)""",
    "CREATE INDEX webhook_attempts_delivery ON webhook_attempts (delivery_id, id)",
    "ALTER TABLE sessions ADD COLUMN address TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE sessions ADD COLUMN device TEXT NOT NULL DEFAULT ''",
    # For the reports and the coverage of articles.
    "CREATE INDEX conversations_created ON conversations (created_at)",
    "CREATE INDEX verdicts_created ON verdicts (created_at)",
    """CREATE INDEX messages_answer ON messages (answer_id, created_at)
        WHERE answer_id IS NOT NULL""",
    # Articles that say nearly the same, or answer one question differently; found anew after a
    # change of the knowledge base. A person may say that a pair is none.
    """CREATE TABLE article_pairs (
        first_id INTEGER NOT NULL, second_id INTEGER NOT NULL, kind TEXT NOT NULL,
        likeness REAL NOT NULL, question TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (first_id, second_id)) WITHOUT ROWID""",
    "CREATE INDEX article_pairs_second ON article_pairs (second_id)",
    """CREATE TABLE dismissed_pairs (
        first_id INTEGER NOT NULL, second_id INTEGER NOT NULL, actor TEXT NOT NULL,
        at REAL NOT NULL, PRIMARY KEY (first_id, second_id)) WITHOUT ROWID""",
)

_NOW = "(julianday('now') - 2440587.5) * 86400.0"
_CONVERSATION = "SELECT public_id FROM conversations WHERE id = new.conversation_id"
_MESSAGE = """json_object('id', m.public_id, 'conversation', c.public_id, 'author', m.author,
    'kind', m.kind, 'text', m.text, 'language', m.language, 'channel', m.channel,
    'created_at', m.created_at, 'answer_id', m.answer_id, 'suggestion_rank', m.suggestion_rank)"""
_STATE = f"""json_object('conversation', ({_CONVERSATION}), 'from', new.from_state,
    'to', new.to_state, 'agent_id', new.agent_id, 'at', new.at)"""
_VERDICT = """json_object('message', m.public_id, 'conversation', c.public_id,
    'answer_id', new.answer_id, 'rank', new.rank, 'verdict', new.verdict,
    'agent_id', new.agent_id, 'confidence', new.confidence, 'model_version', new.model_version,
    'edit_distance', new.edit_distance, 'reason', new.reason, 'created_at', new.created_at)"""


def _trigger(name: str, event: str, moment: str, select: str) -> str:
    """A trigger that queues ``event`` for every webhook that asks for it.

    ``select`` gives data, conversation id and time of the event, or no row.
    """
    return f"""CREATE TRIGGER webhook_{name} AFTER {moment}
        WHEN EXISTS (SELECT 1 FROM webhooks w, json_each(w.events) e
            WHERE w.active AND e.value = '{event}') BEGIN
        INSERT INTO webhook_deliveries
            (public_id, webhook_id, event, data, conversation_id, created_at)
            SELECT lower(hex(randomblob(16))), w.id, '{event}', told.data, told.conversation_id,
                told.at
            FROM webhooks w, json_each(w.events) e, ({select}) told
            WHERE w.active AND e.value = '{event}'; END"""  # noqa: S608  all parts are constants


def _of_message(which: str, condition: str = "1") -> str:
    return f"""SELECT {_MESSAGE} AS data, m.conversation_id, m.created_at AS at
        FROM messages m JOIN conversations c ON c.id = m.conversation_id
        WHERE m.id = {which} AND {condition}"""  # noqa: S608


def _of_event(action: str) -> str:
    return f"""SELECT {_STATE} AS data, new.conversation_id AS conversation_id, new.at AS at
        WHERE new.action = '{action}'"""


_OF_VERDICT = f"""SELECT {_VERDICT} AS data, m.conversation_id, new.created_at AS at
    FROM messages m JOIN conversations c ON c.id = m.conversation_id
    WHERE m.id = new.message_id AND new.verdict != 'ignored'"""  # noqa: S608
_VERDICT_CHANGED = """ AND (old.verdict, old.reason, old.edit_distance)
    IS NOT (new.verdict, new.reason, new.edit_distance)"""
_OF_CHAMPION = f"""SELECT json_object('version', new.version, 'previous', {{}}) AS data,
    NULL AS conversation_id, {_NOW} AS at WHERE new.name = 'champion'"""

TRIGGERS = (
    _trigger(
        "conversation_created",
        "conversation.created",
        "INSERT ON conversations",
        """SELECT json_object('id', new.public_id, 'channel', new.channel, 'language',
           new.language, 'customer', (SELECT json_object('id', k.public_id, 'name', k.name)
           FROM customers k WHERE k.id = new.customer_id), 'created_at', new.created_at) AS data,
           new.id AS conversation_id, new.created_at AS at""",
    ),
    # What a customer wrote is told when it is stored, ours when it has left: a reply that is taken
    # back within its undo window never was.
    _trigger(
        "message_received",
        "message.created",
        "INSERT ON messages",
        _of_message("new.id", "m.author = 'customer'"),
    ),
    _trigger(
        "message_sent",
        "message.created",
        "UPDATE OF state ON outbox",
        _of_message("new.message_id", "new.state = 'sent' AND old.state != 'sent'"),
    ),
    _trigger(
        "message_failed",
        "message.failed",
        "UPDATE OF state ON outbox",
        _of_message("new.message_id", "new.state = 'failed' AND old.state != 'failed'"),
    ),
    _trigger(
        "conversation_handed_over",
        "conversation.handed_over",
        "INSERT ON conversation_events",
        _of_event("person-wanted"),
    ),
    _trigger(
        "conversation_resolved",
        "conversation.resolved",
        "INSERT ON conversation_events",
        _of_event("closed"),
    ),
    _trigger("verdict_given", "verdict.given", "INSERT ON verdicts", _OF_VERDICT),
    _trigger(
        "verdict_changed",
        "verdict.given",
        "UPDATE OF verdict ON verdicts",
        _OF_VERDICT + _VERDICT_CHANGED,
    ),
    _trigger(
        "article_changed",
        "article.changed",
        "INSERT ON article_history",
        """SELECT json_object('id', new.article_id, 'action', new.action, 'title', new.title,
           'category', new.category, 'language', new.language, 'at', new.at) AS data,
           NULL AS conversation_id, new.at AS at""",
    ),
    _trigger("model_first", "model.promoted", "INSERT ON aliases", _OF_CHAMPION.format("NULL")),
    _trigger(
        "model_promoted",
        "model.promoted",
        "UPDATE OF version ON aliases",
        _OF_CHAMPION.format("old.version") + " AND new.version != old.version",
    ),
)

STATEMENTS = (*TABLES, *TRIGGERS)
