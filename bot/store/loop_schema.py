"""Tables of the learning loop: canary questions and what a shadow model would have said."""

from __future__ import annotations

LOOP = (
    """CREATE TABLE canaries (
        id INTEGER PRIMARY KEY, question TEXT NOT NULL UNIQUE, answer_id INTEGER, category TEXT NOT
        NULL, language TEXT NOT NULL, created_at REAL NOT NULL, actor TEXT NOT NULL)""",
    """CREATE TABLE shadow_scores (
        message_id INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE, version TEXT NOT NULL,
        champion_version TEXT NOT NULL, champion_ids TEXT NOT NULL, champion_confidence REAL NOT
        NULL, shadow_ids TEXT NOT NULL, shadow_confidence REAL NOT NULL, elapsed_ms REAL NOT NULL,
        created_at REAL NOT NULL, PRIMARY KEY (version, message_id)) WITHOUT ROWID""",
)
