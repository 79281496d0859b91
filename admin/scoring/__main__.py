"""The child of the job ``insights``: ``python -m admin.scoring FOLDER``.

Reads ``job.json`` and what lies beside it, writes ``result.json`` and ``scores.jsonl`` there, and
speaks as ``bot.learning.speaking`` says. Of databases it reads the events', to export them, and
writes none.
"""

from __future__ import annotations

import sys
from pathlib import Path

from admin.batch.engine import require
from admin.scoring.orders import (
    RESULT,
    TABLE,
    VALUE,
    Orders,
    Result,
    in_words,
    read_orders,
    write,
)
from bot.errors import NeurobotError
from bot.learning.speaking import Speaker, begin, say


def _run(orders: Orders, folder: Path, speaker: Speaker) -> Result:
    # What is loaded hangs on the orders: a table needs no batch engine.
    if orders.target == VALUE:
        from admin.scoring import from_purchases  # noqa: PLC0415

        return from_purchases.run(orders, folder, speaker)
    if orders.table is not None:
        from admin.scoring import from_table  # noqa: PLC0415

        return from_table.run(orders, orders.table, folder, speaker)
    require()
    from admin.scoring import from_events  # noqa: PLC0415

    return from_events.run(orders, folder, speaker)


def main(folder: Path) -> int:
    """Count, fit, score; the exit code is 0 where a result was written."""
    orders = read_orders(folder)
    begin(orders.max_minutes)
    speaker = Speaker()
    try:
        result = _run(orders, folder, speaker)
    except NeurobotError as error:
        name = orders.table.name if orders.table is not None else ""
        say({"failed": in_words(error, folder / TABLE, name)})
        return 1
    write(folder / RESULT, result)
    say({"made": RESULT})
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
