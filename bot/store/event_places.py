"""Where a person's events stand, without an index entry for each event.

Every ``RUN`` numbers the events of that stretch are sorted by a 32-bit sum of whom they are of
and written as 64 blobs of six bytes an entry, by the highest bits of the sum: a plain index would
touch a page of its own for each event. Sums may collide; who reads compares the names.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from itertools import pairwise
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

RUN = 16_384  # events; offsets within a run fit 16 bits
_BUCKET_BITS = 6
_SHIFT = 32 - _BUCKET_BITS
_ENTRY = np.dtype([("key", "<u4"), ("offset", "<u2")])


def visitor_key(name: str) -> int:
    """32-bit sum of a visitor."""
    return crc32(b"v" + name.encode())


def customer_key(name: str) -> int:
    """32-bit sum of a customer."""
    return crc32(b"c" + name.encode())


def company_key(name: str) -> int:
    """32-bit sum of a company whose event names no person."""
    return crc32(b"k" + name.encode())


def placed_seq(connection: sqlite3.Connection) -> int:
    """Number of the last event of the last run."""
    found = connection.execute("SELECT value FROM facts WHERE name = 'placed_seq'").fetchone()
    return int(found[0])


def place(connection: sqlite3.Connection, last: int) -> int:
    """Write all whole runs up to the number ``last``; gives the last number that they hold.

    How far it got is read from the file: a transaction before may have been lost.
    """
    placed = placed_seq(connection)
    while last - placed >= RUN:
        _place(connection, placed)
        placed += RUN
    return placed


def _place(connection: sqlite3.Connection, after: int) -> None:
    entries = _entries(connection, after)
    bounds = np.searchsorted(entries["key"] >> _SHIFT, np.arange((1 << _BUCKET_BITS) + 1))
    run = after // RUN
    connection.executemany(
        "INSERT OR REPLACE INTO postings VALUES (?, ?, ?)",
        [
            (bucket << 32 | run, after + 1, entries[first:end].tobytes())
            for bucket, (first, end) in enumerate(pairwise(bounds.tolist()))
            if end > first
        ],
    )
    connection.execute("UPDATE facts SET value = ? WHERE name = 'placed_seq'", (str(after + RUN),))


def _entries(connection: sqlite3.Connection, after: int) -> NDArray[np.void]:
    """Sorted by key, then by offset."""
    keys: list[int] = []  # with the offset in the lowest 16 bits
    for seq, visitor, customer, company in connection.execute(
        "SELECT seq, visitor, customer, company FROM events WHERE seq > ? AND seq <= ?",
        (after, after + RUN),
    ):
        offset = seq - after - 1
        if visitor:
            keys.append(visitor_key(visitor) << 16 | offset)
        if customer:
            keys.append(customer_key(customer) << 16 | offset)
        elif company and not visitor:
            keys.append(company_key(company) << 16 | offset)
    packed = np.array(keys, dtype=np.uint64)
    packed.sort()
    entries = np.empty(len(packed), _ENTRY)
    entries["key"] = packed >> 16
    entries["offset"] = packed & 0xFFFF
    return entries


def find(connection: sqlite3.Connection, keys: Iterable[int], limit: int) -> list[int]:
    """Numbers of at least the ``limit`` newest placed events of ``keys``, newest first.

    A sum that collides adds numbers of others; an event found by two keys comes once.
    """
    found: set[int] = set()
    by_bucket: dict[int, list[int]] = {}
    for key in keys:
        by_bucket.setdefault(key >> _SHIFT, []).append(key)
    for bucket, wanted in by_bucket.items():
        mine: list[int] = []
        for first, blob in connection.execute(
            "SELECT first_seq, entries FROM postings WHERE place BETWEEN ? AND ?"
            " ORDER BY place DESC",
            (bucket << 32, bucket << 32 | 0xFFFFFFFF),
        ):
            entries = np.frombuffer(blob, dtype=_ENTRY)
            for low, high in zip(
                np.searchsorted(entries["key"], wanted, "left").tolist(),
                np.searchsorted(entries["key"], wanted, "right").tolist(),
                strict=True,
            ):
                mine += (entries["offset"][low:high].astype(np.int64) + first).tolist()
            if len(mine) >= limit:
                break
        found.update(mine)
    return sorted(found, reverse=True)


def forget(connection: sqlite3.Connection, before: int) -> None:
    """Drop the runs whose events all have numbers below ``before``."""
    connection.execute("DELETE FROM postings WHERE first_seq <= ?", (before - RUN,))
