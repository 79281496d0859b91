"""Tables of the events' own database file.

An event is unique by time and id: an index by id alone would touch a page of its own for each
event, this one grows at its end. Where a person's events stand is kept apart (``postings``, see
``event_places``), written in long sorted runs.
"""

from __future__ import annotations

from typing import Final

EVENTS: Final = (
    """CREATE TABLE events (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        at REAL NOT NULL,
        name TEXT NOT NULL,
        visitor TEXT NOT NULL,
        customer TEXT NOT NULL,
        company TEXT NOT NULL,
        url TEXT NOT NULL,
        title TEXT NOT NULL,
        h1 TEXT NOT NULL,
        item TEXT NOT NULL,
        counters TEXT NOT NULL)""",
    "CREATE UNIQUE INDEX events_once ON events (at, id)",
    # place: bucket << 32 | number of the run, so that a bucket's runs stand side by side
    """CREATE TABLE postings (
        place INTEGER PRIMARY KEY,
        first_seq INTEGER NOT NULL,
        entries BLOB NOT NULL)""",
    """CREATE TABLE identities (
        visitor TEXT PRIMARY KEY,
        customer TEXT NOT NULL DEFAULT '',
        company TEXT NOT NULL DEFAULT '',
        chat TEXT NOT NULL DEFAULT '',
        changed_at REAL NOT NULL) WITHOUT ROWID""",
    "CREATE INDEX identities_customer ON identities (customer) WHERE customer != ''",
    "CREATE INDEX identities_company ON identities (company) WHERE company != ''",
    "CREATE INDEX identities_chat ON identities (chat) WHERE chat != ''",
    """CREATE TABLE companies (
        customer TEXT PRIMARY KEY,
        company TEXT NOT NULL,
        changed_at REAL NOT NULL) WITHOUT ROWID""",
    "CREATE INDEX companies_company ON companies (company)",
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    # public: whoever has it may only write events
    "INSERT INTO facts VALUES ('site_key', 'site_' || lower(hex(randomblob(12))))",
    "INSERT INTO facts VALUES ('placed_seq', '0')",
    "INSERT INTO facts VALUES ('swept_before', '0')",
)
