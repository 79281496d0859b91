"""Tables of the recommendations: what can be offered, who is interested in what, what was shown.

Knowledge articles are offered too and stay in their own table; here their keys are negative.
"""

from __future__ import annotations

TABLES = (
    """CREATE TABLE items (
        id INTEGER PRIMARY KEY, external_id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
        title TEXT NOT NULL, description TEXT NOT NULL DEFAULT '', path TEXT NOT NULL DEFAULT '',
        url TEXT NOT NULL DEFAULT '', renewable_s REAL, source TEXT NOT NULL,
        created_at REAL NOT NULL, updated_at REAL NOT NULL, removed_at REAL)""",
    # key: an item's id, or an article's id below zero; heat: log2 of its views, each of them worth
    # twice as much as one of a half-life before
    "CREATE TABLE item_heat (key INTEGER PRIMARY KEY, heat REAL NOT NULL)",
    # subject: c:<name of a customer> or v:<visitor>
    """CREATE TABLE profiles (
        subject TEXT PRIMARY KEY, at REAL NOT NULL, tags TEXT NOT NULL,
        seen TEXT NOT NULL) WITHOUT ROWID""",
    "CREATE INDEX profiles_at ON profiles (at)",
    # the last event that the profiles have learnt from
    """CREATE TABLE learnt (
        one INTEGER PRIMARY KEY CHECK (one = 1), at REAL NOT NULL, id TEXT NOT NULL)""",
    """CREATE TABLE offers (
        id INTEGER PRIMARY KEY, subject TEXT NOT NULL, item_key INTEGER NOT NULL,
        place TEXT NOT NULL, shown_at REAL NOT NULL, clicked_at REAL, message_id INTEGER)""",
    "CREATE INDEX offers_subject ON offers (subject, item_key, shown_at)",
    "CREATE INDEX offers_shown ON offers (shown_at)",
)
