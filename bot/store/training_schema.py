"""Tables of the loop that learns: the ledger, the review queue, uses, questions without an answer.

The ledger is kept by triggers, in the transaction of what it records: a suggestion cannot be stored
without its record, nor a verdict, and the key makes each exactly one. It has no foreign key and no
text of a customer, so its counts outlive an erased person.
"""

from __future__ import annotations

# Shown again before a verdict (the message was edited, or a crash repeated the work): the record
# follows what is on the screen. After a verdict it stays as it was judged.
_RECORD_SHOWN = """
    INSERT INTO ledger (message_id, answer_id, shown_at, rank, confidence, model_version,
        latency_ms)
    SELECT {row}.message_id, json_extract(i.value, '$.answer_id'), {row}.created_at, i.key + 1,
        json_extract(i.value, '$.confidence'), {row}.model_version,
        json_extract({row}.payload, '$.elapsed_ms')
    FROM {source} WHERE true
    ON CONFLICT (message_id, answer_id) DO UPDATE SET rank = excluded.rank,
        confidence = excluded.confidence, model_version = excluded.model_version,
        latency_ms = excluded.latency_ms WHERE ledger.verdict IS NULL"""

# A verdict proves that its suggestion was shown, even if no record of that is left.
_RECORD_VERDICT = """
    INSERT INTO ledger (message_id, answer_id, shown_at, rank, confidence, model_version,
        verdict, edit_distance, agent_id, reason, judged_at)
    {values}
    ON CONFLICT (message_id, answer_id) DO UPDATE SET rank = excluded.rank,
        confidence = excluded.confidence, model_version = excluded.model_version,
        verdict = excluded.verdict, edit_distance = excluded.edit_distance,
        agent_id = excluded.agent_id, reason = excluded.reason, judged_at = excluded.judged_at"""

_VERDICT_COLUMNS = """{row}.message_id, {row}.answer_id, {row}.created_at, {row}.rank,
    {row}.confidence, {row}.model_version, {row}.verdict, {row}.edit_distance, {row}.agent_id,
    {row}.reason, {row}.created_at"""

_SHOWN_NOW = _RECORD_SHOWN.format(row="new", source="json_each(new.payload, '$.items') i")
_VERDICT_NOW = _RECORD_VERDICT.format(
    values="SELECT " + _VERDICT_COLUMNS.format(row="new") + " WHERE true"
)

LEDGER = (
    """CREATE TABLE ledger (
        id INTEGER PRIMARY KEY AUTOINCREMENT, message_id INTEGER, answer_id INTEGER NOT NULL,
        shown_at REAL NOT NULL, rank INTEGER NOT NULL, confidence REAL NOT NULL,
        model_version TEXT, latency_ms REAL, verdict TEXT, edit_distance INTEGER,
        agent_id INTEGER, reason TEXT NOT NULL DEFAULT '', judged_at REAL,
        UNIQUE (message_id, answer_id))""",
    _RECORD_SHOWN.format(row="s", source="suggestions s, json_each(s.payload, '$.items') i"),
    _RECORD_VERDICT.format(
        values=f"SELECT {_VERDICT_COLUMNS.format(row='v')} FROM verdicts v WHERE true"  # noqa: S608
    ),
    f"CREATE TRIGGER ledger_shown AFTER INSERT ON suggestions BEGIN {_SHOWN_NOW}; END",
    f"CREATE TRIGGER ledger_shown_again AFTER UPDATE ON suggestions BEGIN {_SHOWN_NOW}; END",
    f"CREATE TRIGGER ledger_judged AFTER INSERT ON verdicts BEGIN {_VERDICT_NOW}; END",
    f"CREATE TRIGGER ledger_judged_again AFTER UPDATE ON verdicts BEGIN {_VERDICT_NOW}; END",
    """CREATE TRIGGER ledger_taken_back AFTER DELETE ON verdicts BEGIN
        UPDATE ledger SET verdict = NULL, edit_distance = NULL, agent_id = NULL, reason = '',
            judged_at = NULL
        WHERE message_id = old.message_id AND answer_id = old.answer_id; END""",
)

TRAINING = (
    # A verdict ('v', message, answer) or an imported ticket ('t', ticket, 0) that was doubtful.
    """CREATE TABLE training_reviews (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, row_id INTEGER NOT NULL,
        answer_id INTEGER NOT NULL, state TEXT NOT NULL DEFAULT 'waiting', reasons TEXT NOT NULL,
        partner TEXT NOT NULL DEFAULT '', source TEXT NOT NULL, found_at REAL NOT NULL,
        decided_at REAL, reviewer TEXT, batch INTEGER, UNIQUE (kind, row_id, answer_id))""",
    "CREATE INDEX training_reviews_state ON training_reviews (state, id)",
    """CREATE TABLE suspicious_sources (
        source TEXT PRIMARY KEY, marked_at REAL NOT NULL, actor TEXT NOT NULL) WITHOUT ROWID""",
    # Which customers' messages a training saw, so that an erasure finds what was made of them.
    """CREATE TABLE training_uses (
        job_id INTEGER NOT NULL, message_id INTEGER NOT NULL, PRIMARY KEY (job_id, message_id))
        WITHOUT ROWID""",
    "CREATE INDEX training_uses_message ON training_uses (message_id)",
    """CREATE TABLE erased_uses (
        job_id INTEGER NOT NULL, messages INTEGER NOT NULL, erased_at REAL NOT NULL)""",
)

UNANSWERED = (
    """CREATE TABLE unanswered_clusters (
        id INTEGER PRIMARY KEY AUTOINCREMENT, state TEXT NOT NULL DEFAULT 'open',
        article_id INTEGER, created_at REAL NOT NULL, decided_at REAL)""",
    """CREATE TABLE unanswered_members (
        message_id INTEGER PRIMARY KEY, cluster_id INTEGER NOT NULL REFERENCES
        unanswered_clusters)""",
    "CREATE INDEX unanswered_members_cluster ON unanswered_members (cluster_id)",
)

TABLES = (*LEDGER, *TRAINING, *UNANSWERED)
