"""Events for a process of its own that writes them elsewhere: read only, on one snapshot."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.errors import BadData, NotFound

DAY_S = 86_400
COLUMNS = (
    "id", "at", "name", "visitor", "customer", "company", "url", "title", "h1", "item", "counters",
)  # fmt: skip
# A customer that the event names goes before the visitor's; a company likewise, and one that is
# known of the visitor counts only while the visitor is that customer.
_KNOWN = """
    SELECT e.id, e.at, e.name, e.visitor,
        CASE WHEN e.customer != '' THEN e.customer ELSE coalesce(i.customer, '') END AS customer,
        CASE WHEN e.company != '' THEN e.company
            WHEN e.customer IN ('', i.customer) AND i.company != '' THEN i.company
            ELSE coalesce(c.company, '') END AS company,
        e.url, e.title, e.h1, e.item, CASE e.counters WHEN '' THEN '{}' ELSE e.counters END
    FROM events e
    LEFT JOIN identities i ON i.visitor = e.visitor
    LEFT JOIN companies c ON c.customer =
        CASE WHEN e.customer != '' THEN e.customer ELSE i.customer END
    WHERE e.at >= ? AND e.at < ? AND e.seq > ? ORDER BY e.at, e.id"""


@dataclass(frozen=True, slots=True)
class Day:
    """What there is of a day: ``number`` counts days since 1970, UTC."""

    number: int
    rows: int
    last_seq: int


class EventReader:
    """One snapshot of the events' file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def days(self) -> list[Day]:
        """The days that have events, oldest first."""
        found = self._connection.execute(
            f"""SELECT CAST(at / {DAY_S} AS INTEGER) AS day, count(*), max(seq) FROM events
                GROUP BY day ORDER BY day"""  # noqa: S608
        )
        return [Day(*row) for row in found]

    def rows(self, day: int, after_seq: int = 0) -> Iterator[tuple[str | float, ...]]:
        """The events of a day in the order of ``COLUMNS``, with all that is known of who it was."""
        yield from self._connection.execute(_KNOWN, (day * DAY_S, (day + 1) * DAY_S, after_seq))

    def swept_before(self) -> float:
        """Time before which old events may have been removed."""
        found = self._connection.execute("SELECT value FROM facts WHERE name = 'swept_before'")
        return float(found.fetchone()[0])

    def known_at(self) -> float:
        """When something became known of who is who for the last time."""
        found = self._connection.execute(
            """SELECT max(coalesce((SELECT max(changed_at) FROM identities), 0),
                coalesce((SELECT max(changed_at) FROM companies), 0))"""
        )
        return float(found.fetchone()[0])

    def renamed(self, since: float) -> set[int]:
        """Days with events of somebody of whom more is known since ``since``."""
        found = self._connection.execute(
            f"""SELECT DISTINCT CAST(e.at / {DAY_S} AS INTEGER) FROM events e
                LEFT JOIN identities i ON i.visitor = e.visitor
                LEFT JOIN companies c ON c.customer =
                    CASE WHEN e.customer != '' THEN e.customer ELSE i.customer END
                WHERE i.changed_at > ?1 OR c.changed_at > ?1""",  # noqa: S608
            (since,),
        )
        return {row[0] for row in found}


@contextmanager
def reading(path: Path) -> Iterator[EventReader]:
    """The events' file at ``path`` as it is now; a running server goes on writing.

    Raises:
        NotFound: there is none.
        BadData: it cannot be read.
    """
    if not path.is_file():
        raise NotFound(
            f"There are no events in {path.parent}.", remedy="Name the data folder with --data-dir."
        )
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            connection.execute("BEGIN")
            yield EventReader(connection)
    except sqlite3.Error as error:
        raise BadData(f"{path.name} cannot be read: {error}.") from error
