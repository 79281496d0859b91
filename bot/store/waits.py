"""What waits for a time of day or ends at one, where the clock itself was set.

Snoozed conversations are left out: people chose their hour.
"""

from __future__ import annotations

import sqlite3

# Table, columns, and which rows.
_SHIFTED = (
    ("outbox", ("not_before", "updated_at"), "state IN ('held', 'queued')"),
    ("webhook_deliveries", ("next_at",), "state = 'waiting' AND next_at > 0"),
    ("sessions", ("last_seen_at", "expires_at"), "1"),
    ("links", ("expires_at",), "1"),
)


def shift(connection: sqlite3.Connection, seconds: float) -> None:
    """Move all of it by ``seconds``: as long to wait as before."""
    for table, columns, where in _SHIFTED:
        changes = ", ".join(f"{column} = {column} + ?1" for column in columns)
        connection.execute(f"UPDATE {table} SET {changes} WHERE {where}", (seconds,))  # noqa: S608


def settle(connection: sqlite3.Connection, now: float) -> None:
    """Let outgoing messages wait from now, where they were queued by a clock that was ahead."""
    connection.execute(
        """UPDATE outbox SET not_before = ?1 + max(0, not_before - updated_at), updated_at = ?1
           WHERE state IN ('held', 'queued') AND updated_at > ?1""",
        (now,),
    )
