"""A customer's events: under which names, the newest of them, counts, and taking them out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from bot.event import Event
from bot.store import event_places
from bot.store.texts import dump

_MOST = 5_000  # events that are looked at for the counts
_MOST_NAMES = 500
_COLUMNS = "id, at, name, visitor, customer, company, url, title, h1, item, counters"


@dataclass(frozen=True, slots=True)
class Names:
    """A person's names: the site's own for them, and the browsers they came with."""

    customers: tuple[str, ...]
    visitors: tuple[str, ...]

    def mine(self, event: Event) -> bool:
        """Whether ``event`` is of this person: a name in the event itself goes before a tie."""
        if event.customer:
            return event.customer in self.customers
        return event.visitor in self.visitors


@dataclass(frozen=True, slots=True)
class History:
    """What a customer did.

    Attributes:
        events: the newest, newest first, with customer and company filled in.
        counts: events by name, of the newest ``total`` that were looked at (at most 5,000).
        company: theirs, empty where it is not known.
    """

    events: tuple[Event, ...]
    counts: Mapping[str, int]
    total: int
    company: str


def names(connection: sqlite3.Connection, customer: str) -> Names:
    """The names that belong to ``customer``: the site's name or the one of the web chat."""
    tied = connection.execute(
        """SELECT visitor, customer FROM identities
           WHERE (customer = ?1 AND customer != '') OR (chat = ?1 AND chat != '') LIMIT ?2""",
        (customer, _MOST_NAMES),
    ).fetchall()
    customers = {customer, *(row["customer"] for row in tied if row["customer"])}
    visitors = {row["visitor"] for row in tied}
    for other in customers - {customer}:
        found = connection.execute(
            "SELECT visitor FROM identities WHERE customer = ? AND customer != '' LIMIT ?",
            (other, _MOST_NAMES),
        )
        visitors.update(row[0] for row in found)
    return Names(tuple(sorted(customers)), tuple(sorted(visitors)))


def history(connection: sqlite3.Connection, customer: str, limit: int) -> History:
    """See ``Events.history``."""
    known = names(connection, customer)
    company = _company(connection, known)
    newest: list[Event] = []
    counts: dict[str, int] = {}
    for _, event in _events_of(connection, known, _MOST):
        counts[event.name] = counts.get(event.name, 0) + 1
        if len(newest) < limit:
            newest.append(
                msgspec.structs.replace(
                    event,
                    customer=event.customer or customer,
                    company=event.company or company,
                )
            )
    newest.sort(key=lambda event: event.at, reverse=True)
    return History(tuple(newest), counts, sum(counts.values()), company)


def erase(connection: sqlite3.Connection, customer: str) -> dict[str, int]:
    """Take every event and every name of ``customer`` out; gives the rows by table."""
    known = names(connection, customer)
    seqs = [seq for seq, _ in _events_of(connection, known, 1 << 62)]
    connection.executemany("DELETE FROM events WHERE seq = ?", [(seq,) for seq in seqs])
    identities = connection.execute(
        """DELETE FROM identities WHERE customer IN (SELECT value FROM json_each(?1))
           OR visitor IN (SELECT value FROM json_each(?2))""",
        (dump(known.customers), dump(known.visitors)),
    ).rowcount
    companies = connection.execute(
        "DELETE FROM companies WHERE customer IN (SELECT value FROM json_each(?))",
        (dump(known.customers),),
    ).rowcount
    counts = {"events": len(seqs), "identities": identities, "companies": companies}
    return {table: number for table, number in counts.items() if number}


def count(connection: sqlite3.Connection, customer: str) -> dict[str, int]:
    """What ``erase`` would take out."""
    known = names(connection, customer)
    companies = connection.execute(
        "SELECT count(*) FROM companies WHERE customer IN (SELECT value FROM json_each(?))",
        (dump(known.customers),),
    ).fetchone()[0]
    found = {
        "events": sum(1 for _ in _events_of(connection, known, 1 << 62)),
        "identities": len(known.visitors),
        "companies": companies,
    }
    return {table: number for table, number in found.items() if number}


def _company(connection: sqlite3.Connection, known: Names) -> str:
    row = connection.execute(
        """SELECT company FROM companies WHERE customer IN (SELECT value FROM json_each(?1))
           UNION ALL SELECT company FROM identities
               WHERE visitor IN (SELECT value FROM json_each(?2)) AND company != ''""",
        (dump(known.customers), dump(known.visitors)),
    ).fetchone()
    return "" if row is None else str(row[0])


def _events_of(
    connection: sqlite3.Connection, known: Names, limit: int
) -> Iterator[tuple[int, Event]]:
    """Numbers and events of a person, newest first: those not yet placed, then the runs."""
    left = limit
    for found in (_unplaced(connection, known), _placed(connection, known, limit)):
        for row in found:
            event = as_event(row)
            if left > 0 and known.mine(event):
                left -= 1
                yield row["seq"], event


def _unplaced(connection: sqlite3.Connection, known: Names) -> Sequence[sqlite3.Row]:
    return connection.execute(
        f"""SELECT seq, {_COLUMNS} FROM events WHERE seq > ?1
            AND (customer IN (SELECT value FROM json_each(?2))
                OR (customer = '' AND visitor IN (SELECT value FROM json_each(?3))))
            ORDER BY seq DESC""",  # noqa: S608
        (event_places.placed_seq(connection), dump(known.customers), dump(known.visitors)),
    ).fetchall()


def _placed(connection: sqlite3.Connection, known: Names, limit: int) -> Iterator[sqlite3.Row]:
    keys = [event_places.customer_key(name) for name in known.customers]
    keys += [event_places.visitor_key(name) for name in known.visitors]
    for seq in event_places.find(connection, keys, limit):
        row = connection.execute(
            f"SELECT seq, {_COLUMNS} FROM events WHERE seq = ?",  # noqa: S608
            (seq,),
        ).fetchone()
        if row is not None:
            yield row


def as_event(row: sqlite3.Row) -> Event:
    """A row of the table as an event."""
    return Event(
        id=row["id"], at=row["at"], name=row["name"], visitor=row["visitor"],
        customer=row["customer"], company=row["company"], url=row["url"], title=row["title"],
        h1=row["h1"], item=row["item"],
        counters=msgspec.json.decode(row["counters"]) if row["counters"] else {},
    )  # fmt: skip
