"""The tables as of the first release. Later changes are migrations of their own, never edits here.

Times are UTC epoch seconds. ``digest`` columns hold SHA-256 over the row's lasting columns. Lists
and mappings are JSON text.
"""

from __future__ import annotations

CONVERSATIONS = (
    """CREATE TABLE customers (
        id INTEGER PRIMARY KEY, public_id TEXT NOT NULL UNIQUE, channel TEXT NOT NULL,
        external_id TEXT NOT NULL, name TEXT NOT NULL, language TEXT NOT NULL, created_at REAL NOT
        NULL,
        blocked INTEGER NOT NULL DEFAULT 0, UNIQUE (channel, external_id))""",
    """CREATE TABLE conversations (
        id INTEGER PRIMARY KEY, public_id TEXT NOT NULL UNIQUE,
        customer_id INTEGER NOT NULL REFERENCES customers, channel TEXT NOT NULL, state TEXT NOT
        NULL,
        language TEXT NOT NULL, created_at REAL NOT NULL, last_message_at REAL NOT NULL,
        version INTEGER NOT NULL DEFAULT 1, assigned_agent_id INTEGER REFERENCES agents, category
        TEXT,
        category_probability REAL, waiting_since REAL, snoozed_until REAL,
        last_text TEXT NOT NULL DEFAULT '', unread INTEGER NOT NULL DEFAULT 0)""",
    "CREATE INDEX conversations_customer ON conversations (customer_id, id)",
    "CREATE INDEX conversations_state ON conversations (state, last_message_at)",
    "CREATE INDEX conversations_agent ON conversations (assigned_agent_id, state)",
    "CREATE INDEX conversations_snoozed ON conversations (snoozed_until) WHERE state = 'snoozed'",
    """CREATE TABLE messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT, public_id TEXT NOT NULL UNIQUE,
        conversation_id INTEGER NOT NULL REFERENCES conversations, author TEXT NOT NULL,
        kind TEXT NOT NULL, text TEXT NOT NULL, created_at REAL NOT NULL, language TEXT NOT NULL,
        channel TEXT NOT NULL, external_id TEXT, agent_id INTEGER, reply_to_id INTEGER, edited_at
        REAL,
        attachment TEXT, answer_id INTEGER, suggestion_rank INTEGER, idempotency_key TEXT,
        wants_person INTEGER NOT NULL DEFAULT 0, metadata TEXT, processed_at REAL, digest BLOB NOT
        NULL)""",
    """CREATE UNIQUE INDEX messages_external ON messages (channel, external_id)
        WHERE external_id IS NOT NULL AND author = 'customer'""",
    """CREATE UNIQUE INDEX messages_idempotency ON messages (conversation_id, idempotency_key)
        WHERE idempotency_key IS NOT NULL""",
    "CREATE INDEX messages_conversation ON messages (conversation_id, id)",
    """CREATE INDEX messages_unprocessed ON messages (id)
        WHERE processed_at IS NULL AND author = 'customer'""",
    """CREATE TABLE message_edits (
        id INTEGER PRIMARY KEY, message_id INTEGER NOT NULL REFERENCES messages, text TEXT NOT NULL,
        replaced_at REAL NOT NULL, channel TEXT NOT NULL, external_id TEXT NOT NULL)""",
    "CREATE INDEX message_edits_message ON message_edits (message_id)",
    "CREATE INDEX message_edits_external ON message_edits (channel, external_id)",
    """CREATE TABLE suggestions (
        message_id INTEGER PRIMARY KEY REFERENCES messages, decision TEXT NOT NULL, model_version
        TEXT,
        payload TEXT NOT NULL, created_at REAL NOT NULL)""",
    """CREATE TABLE conversation_events (
        id INTEGER PRIMARY KEY, conversation_id INTEGER NOT NULL REFERENCES conversations,
        action TEXT NOT NULL, from_state TEXT NOT NULL, to_state TEXT NOT NULL, agent_id INTEGER,
        message_id INTEGER,
        at REAL NOT NULL)""",
    "CREATE INDEX conversation_events_conversation ON conversation_events (conversation_id, id)",
    """CREATE TABLE drafts (
        conversation_id INTEGER NOT NULL REFERENCES conversations, agent_id INTEGER NOT NULL,
        text TEXT NOT NULL, updated_at REAL NOT NULL, PRIMARY KEY (conversation_id, agent_id))
        WITHOUT ROWID""",
)

# Contentless: the text stands once, in its own table. Both spellings of a word with ё are one term
# here; unicode61 would keep them apart.
_TOKENS = "content='', tokenize='unicode61 remove_diacritics 2'"


def _searchable(table: str, column: str) -> tuple[str, ...]:
    """A search table ``<table>_fts`` over one column, kept in step by triggers."""
    fts = f"{table}_fts"

    def folded(row: str) -> str:
        return f"replace(replace({row}.{column}, 'ё', 'е'), 'Ё', 'Е')"

    add = f"INSERT INTO {fts} (rowid, {column}) VALUES (new.id, {folded('new')});"  # noqa: S608
    # FTS5's command to take a row's terms out again.
    drop = (
        f"INSERT INTO {fts} ({fts}, rowid, {column}) "  # noqa: S608
        f"VALUES ('delete', old.id, {folded('old')});"
    )
    return (
        f"CREATE VIRTUAL TABLE {fts} USING fts5({column}, {_TOKENS})",
        f"CREATE TRIGGER {fts}_insert AFTER INSERT ON {table} BEGIN {add} END",
        f"CREATE TRIGGER {fts}_delete AFTER DELETE ON {table} BEGIN {drop} END",
        f"CREATE TRIGGER {fts}_update AFTER UPDATE OF {column} ON {table} BEGIN {drop} {add} END",
    )


SEARCH = (*_searchable("messages", "text"), *_searchable("customers", "name"))

DELIVERY = (
    """CREATE TABLE outbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT, message_id INTEGER NOT NULL UNIQUE REFERENCES
        messages,
        conversation_id INTEGER NOT NULL REFERENCES conversations, channel TEXT NOT NULL,
        recipient TEXT NOT NULL, author TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
        state TEXT NOT NULL, not_before REAL NOT NULL, error TEXT, before TEXT, updated_at REAL NOT
        NULL)""",
    "CREATE INDEX outbox_conversation ON outbox (conversation_id, id)",
    """CREATE INDEX outbox_live ON outbox (conversation_id, id)
        WHERE state IN ('held', 'queued', 'sending')""",
    "CREATE INDEX outbox_due ON outbox (not_before, id) WHERE state IN ('held', 'queued')",
    """CREATE INDEX outbox_trouble ON outbox (conversation_id, state)
        WHERE state IN ('uncertain', 'failed')""",
    """CREATE TABLE updates (
        update_id INTEGER PRIMARY KEY, raw TEXT NOT NULL, received_at REAL NOT NULL, message_id
        INTEGER)""",
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
)

KNOWLEDGE = (
    """CREATE TABLE articles (
        id INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL UNIQUE, title TEXT NOT NULL,
        text TEXT NOT NULL, category TEXT NOT NULL, language TEXT NOT NULL, created_at REAL NOT
        NULL,
        updated_at REAL NOT NULL, twin_id INTEGER, removed_at REAL, digest BLOB NOT NULL)""",
    "CREATE INDEX articles_category ON articles (category)",
    """CREATE TABLE questions (
        id INTEGER PRIMARY KEY, article_id INTEGER NOT NULL REFERENCES articles, text TEXT NOT NULL,
        UNIQUE (article_id, text))""",
    """CREATE TABLE article_history (
        id INTEGER PRIMARY KEY, article_id INTEGER NOT NULL REFERENCES articles, at REAL NOT NULL,
        actor TEXT NOT NULL, action TEXT NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL,
        category TEXT NOT NULL, language TEXT NOT NULL, questions TEXT NOT NULL)""",
    "CREATE INDEX article_history_article ON article_history (article_id, id)",
    """CREATE TABLE categories (
        name TEXT PRIMARY KEY, auto_reply INTEGER NOT NULL DEFAULT 0,
        auto_threshold REAL NOT NULL DEFAULT 0.9) WITHOUT ROWID""",
    """CREATE VIRTUAL TABLE articles_fts USING fts5(
        title, text, questions, tokenize='unicode61 remove_diacritics 2')""",
    """CREATE TABLE canned (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, text TEXT NOT NULL, language TEXT NOT NULL,
        updated_at REAL NOT NULL, UNIQUE (name, language))""",
    """CREATE TABLE tickets (
        id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, text TEXT NOT NULL, category TEXT NOT
        NULL,
        answer_id INTEGER, operator_answer TEXT NOT NULL, language TEXT NOT NULL, origin TEXT NOT
        NULL,
        created_at REAL NOT NULL)""",
    """CREATE TABLE verdicts (
        message_id INTEGER NOT NULL REFERENCES messages, answer_id INTEGER NOT NULL,
        rank INTEGER NOT NULL, verdict TEXT NOT NULL, agent_id INTEGER, created_at REAL NOT NULL,
        confidence REAL NOT NULL, model_version TEXT, edit_distance INTEGER NOT NULL,
        reason TEXT NOT NULL, reply_id INTEGER, PRIMARY KEY (message_id, answer_id)) WITHOUT
        ROWID""",
    "CREATE INDEX verdicts_answer ON verdicts (answer_id, verdict)",
    "CREATE INDEX verdicts_reply ON verdicts (reply_id) WHERE reply_id IS NOT NULL",
)

PEOPLE = (
    """CREATE TABLE agents (
        id INTEGER PRIMARY KEY, login TEXT NOT NULL UNIQUE, name TEXT NOT NULL, role TEXT NOT NULL,
        language TEXT NOT NULL, password_hash TEXT, created_at REAL NOT NULL, disabled_at REAL,
        preferences TEXT NOT NULL DEFAULT '{}')""",
    """CREATE TABLE sessions (
        id INTEGER PRIMARY KEY, token_hash BLOB NOT NULL UNIQUE, agent_id INTEGER NOT NULL
        REFERENCES agents,
        created_at REAL NOT NULL, last_seen_at REAL NOT NULL, expires_at REAL NOT NULL,
        csrf_token TEXT NOT NULL)""",
    "CREATE INDEX sessions_agent ON sessions (agent_id)",
    """CREATE TABLE links (
        token_hash BLOB PRIMARY KEY, agent_id INTEGER REFERENCES agents, expires_at REAL NOT NULL)
        WITHOUT ROWID""",
    """CREATE TABLE api_tokens (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, scopes TEXT NOT NULL, secret_hash BLOB NOT NULL
        UNIQUE,
        created_at REAL NOT NULL, last_used_at REAL, revoked_at REAL)""",
    """CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, actor TEXT NOT NULL, action TEXT
        NOT NULL,
        subject TEXT NOT NULL, detail TEXT NOT NULL, chain BLOB NOT NULL)""",
)

MODELS = (
    """CREATE TABLE bundles (
        version TEXT PRIMARY KEY, path TEXT NOT NULL, metrics TEXT NOT NULL, created_at REAL NOT
        NULL)
        WITHOUT ROWID""",
    """CREATE TABLE aliases (
        name TEXT PRIMARY KEY, version TEXT NOT NULL REFERENCES bundles) WITHOUT ROWID""",
    """CREATE TABLE jobs (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, params TEXT NOT NULL, state TEXT NOT NULL,
        stage TEXT NOT NULL DEFAULT '', progress REAL NOT NULL DEFAULT 0, eta_s REAL,
        metrics TEXT NOT NULL DEFAULT '{}', reason TEXT NOT NULL DEFAULT '', created_at REAL NOT
        NULL,
        heartbeat_at REAL NOT NULL, finished_at REAL)""",
    "CREATE UNIQUE INDEX jobs_live ON jobs (kind) WHERE finished_at IS NULL",
)
