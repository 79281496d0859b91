"""One commit a message with sqlite-utils: ``python -m admin.bench.peers.writing DB SYNC SECONDS``.

Prints ``{"per_s": ..., "cpu_us": ...}``. One call after another, as nothing can be in flight beside
a call that returns once its commit has ended: 128 who wait would wait for each other.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any


def main(arguments: list[str]) -> None:
    """Write for some seconds."""
    import sqlite_utils

    database, durable, seconds = arguments
    base: Any = sqlite_utils.Database(database)
    base.enable_wal()
    base.execute(f"PRAGMA synchronous={durable}")
    table, kept = base["messages"], base["suggestions"]
    began, spent, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - began < float(seconds):
        text = f"message {count} of a customer who waits for an answer"
        key = table.insert({"text": text, "at": time.time()}, pk="id").last_pk
        kept.insert({"message_id": key, "payload": "[1,2,3,4,5,6,7,8,9,10]"})
        count += 1
    spent, waited = time.process_time() - spent, time.perf_counter() - began
    print(json.dumps({"per_s": count / waited, "cpu_us": spent / count * 1e6}))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
