"""Steps from an empty file to today's tables; each runs in a transaction of its own, once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bot.errors import StorageUnavailable
from bot.store import (
    catalogue_schema,
    event_schema,
    flags_schema,
    loop_schema,
    schema,
    schema_operations,
    training_schema,
)

if TYPE_CHECKING:
    from bot.store.steps import Database

Step = Callable[["Database"], None]

_SET = "neurobot"
_EVENTS_SET = "neurobot-events"


def _first_release(db: Database) -> None:
    for group in (
        schema.PEOPLE,
        schema.CONVERSATIONS,
        schema.SEARCH,
        schema.DELIVERY,
        schema.KNOWLEDGE,
        schema.MODELS,
    ):
        # One by one: a script would commit the step's transaction half way.
        for statement in group:
            db.execute(statement)


def _loop(db: Database) -> None:
    for statement in loop_schema.LOOP:
        db.execute(statement)


def _training_set(db: Database) -> None:
    for statement in training_schema.TABLES:
        db.execute(statement)


def _operations(db: Database) -> None:
    for statement in schema_operations.STATEMENTS:
        db.execute(statement)


def _catalogue(db: Database) -> None:
    for statement in catalogue_schema.TABLES:
        db.execute(statement)


def _flags(db: Database) -> None:
    for statement in flags_schema.FLAGS:
        db.execute(statement)


def _events(db: Database) -> None:
    for statement in event_schema.EVENTS:
        db.execute(statement)


# In order; a released step is never changed nor removed.
_STEPS: tuple[tuple[str, Step], ...] = (
    ("0001_first_release", _first_release),
    ("0002_loop", _loop),
    ("0003_training_set", _training_set),
    ("0004_operations", _operations),
    ("0005_catalogue", _catalogue),
    ("0006_flags", _flags),
)

_EVENT_STEPS: tuple[tuple[str, Step], ...] = (("0001_events", _events),)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the database behind ``connection`` to today's tables.

    Raises:
        StorageUnavailable: the file was written by a newer release, is damaged, or the disk is
            full.
    """
    _apply(connection, _SET, _STEPS)


def migrate_events(connection: sqlite3.Connection) -> None:
    """The same for the events' own file."""
    _apply(connection, _EVENTS_SET, _EVENT_STEPS)


def _apply(connection: sqlite3.Connection, name: str, wanted: Sequence[tuple[str, Step]]) -> None:
    try:
        connection.execute("PRAGMA recursive_triggers = on")  # as sqlite-utils has it
        if _made(connection, name) == {step_name for step_name, _ in wanted}:
            return
        from bot.store.steps import Database, Migrations  # noqa: PLC0415 - a tenth of a second

        steps = Migrations(name)
        for step_name, step in wanted:
            steps(name=step_name)(step)
        db = Database(connection)
        unknown = {step.name for step in steps.applied(db)} - {known for known, _ in wanted}
        if unknown:
            raise StorageUnavailable(
                f"The database was written by a newer release ({', '.join(sorted(unknown))}).",
                remedy="Install that release, or restore an older backup.",
            )
        steps.apply(db)
    except sqlite3.Error as error:
        raise StorageUnavailable(
            f"The database cannot be prepared: {error}.",
            remedy="A damaged file is replaced by 'neurobot restore'.",
        ) from error


def _made(connection: sqlite3.Connection, name: str) -> set[str]:
    """Names of the steps of a set that were made, as sqlite-utils keeps them."""
    table = "SELECT 1 FROM sqlite_master WHERE name = '_sqlite_migrations'"
    if connection.execute(table).fetchone() is None:
        return set()
    found = connection.execute(
        "SELECT name FROM _sqlite_migrations WHERE migration_set = ?", (name,)
    )
    return {row[0] for row in found}
