"""What every part of the store is made of: the database and a clock."""

from __future__ import annotations

import secrets

from bot.ports import Clock
from bot.store.database import Database

PER_PAGE = 50


class Part:
    """One concern of the store over the shared database."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock


def public_id() -> str:
    """22 random URL-safe characters (128 bits)."""
    return secrets.token_urlsafe(16)
