"""Tables of what is foretold of customers: runs, scores, flags and what came true.

A subject is ``company:NAME`` or ``customer:NAME``, under the site's own names. A flag of the arm
``held`` is nobody's to see: those subjects show what happens without acting.
"""

from __future__ import annotations

_TOLD = """json_object('subject', new.subject, 'target', new.target,
    'probability', new.probability, 'reasons', json(new.reasons), 'flagged_at', new.flagged_at)"""

FLAGS = (
    """CREATE TABLE insight_runs (
        id INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, job_id INTEGER NOT NULL UNIQUE,
        source TEXT NOT NULL, as_of REAL NOT NULL, created_at REAL NOT NULL, subjects INTEGER NOT
        NULL DEFAULT 0, horizon_s REAL NOT NULL, threshold REAL NOT NULL, report TEXT NOT NULL,
        ready INTEGER NOT NULL DEFAULT 0)""",
    "CREATE INDEX insight_runs_target ON insight_runs (target, ready, id)",
    # ``value``: expected spend of ``value`` runs; the probability of all others is of the target.
    """CREATE TABLE insight_scores (
        run_id INTEGER NOT NULL REFERENCES insight_runs ON DELETE CASCADE, subject TEXT NOT NULL,
        probability REAL NOT NULL, value REAL NOT NULL DEFAULT 0, held INTEGER NOT NULL,
        reasons TEXT NOT NULL, PRIMARY KEY (run_id, subject)) WITHOUT ROWID""",
    "CREATE INDEX insight_scores_likely ON insight_scores (run_id, probability DESC, subject)",
    "CREATE INDEX insight_scores_value ON insight_scores (run_id, value DESC, subject)",
    # Under which names a customer of the desk (by external id) stands there.
    """CREATE TABLE insight_members (
        customer TEXT PRIMARY KEY, person TEXT NOT NULL, company TEXT NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE flags (
        id INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, subject TEXT NOT NULL,
        run_id INTEGER NOT NULL, probability REAL NOT NULL, reasons TEXT NOT NULL,
        arm TEXT NOT NULL, as_of REAL NOT NULL, flagged_at REAL NOT NULL, due_at REAL NOT NULL,
        closed_at REAL, outcome INTEGER, decided_at REAL)""",
    "CREATE UNIQUE INDEX flags_open ON flags (subject, target) WHERE closed_at IS NULL",
    """CREATE INDEX flags_listed ON flags (target, arm, probability DESC, subject)
        WHERE closed_at IS NULL""",
    "CREATE INDEX flags_due ON flags (target, due_at) WHERE outcome IS NULL",
    "CREATE INDEX flags_outcomes ON flags (target, arm, outcome) WHERE outcome IS NOT NULL",
    f"""CREATE TRIGGER webhook_customer_flagged AFTER INSERT ON flags
        WHEN new.arm = 'shown' AND EXISTS (SELECT 1 FROM webhooks w, json_each(w.events) e
            WHERE w.active AND e.value = 'customer.flagged') BEGIN
        INSERT INTO webhook_deliveries
            (public_id, webhook_id, event, data, conversation_id, created_at)
            SELECT lower(hex(randomblob(16))), w.id, 'customer.flagged', {_TOLD}, NULL,
                new.flagged_at
            FROM webhooks w, json_each(w.events) e
            WHERE w.active AND e.value = 'customer.flagged'; END""",  # noqa: S608
)
