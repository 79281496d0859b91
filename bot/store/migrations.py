"""Steps from an empty file to today's tables; each runs in a transaction of its own, once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import sqlite_utils
from sqlite_utils import Migrations

from bot.errors import StorageUnavailable
from bot.store import schema

_SET = "neurobot"


def migrations() -> Migrations:
    """The ordered steps."""
    steps = Migrations(_SET)

    @steps(name="0001_first_release")
    def _first_release(db: sqlite_utils.Database) -> None:
        for group in (
            schema.PEOPLE,
            schema.CONVERSATIONS,
            schema.SEARCH,
            schema.DELIVERY,
            schema.KNOWLEDGE,
            schema.MODELS,
        ):
            _execute(db, group)

    return steps


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the database behind ``connection`` to today's tables.

    Raises:
        StorageUnavailable: the file was written by a newer release, is damaged, or the disk is full.
    """
    try:
        db = sqlite_utils.Database(connection)
        steps = migrations()
        known = {step.name for step in steps.pending(db)} | {step.name for step in steps.applied(db)}
        today = {step.name for step in migrations().pending(sqlite_utils.Database(memory=True))}
        if known - today:
            raise StorageUnavailable(
                f"The database was written by a newer release ({', '.join(sorted(known - today))}).",
                remedy="Install that release, or restore an older backup.",
            )
        steps.apply(db)
    except sqlite3.Error as error:
        raise StorageUnavailable(
            f"The database cannot be prepared: {error}.",
            remedy="A damaged file is replaced by 'neurobot restore'.",
        ) from error


def _execute(db: sqlite_utils.Database, statements: Iterable[str]) -> None:
    # One by one: a script would commit the step's transaction half way.
    for statement in statements:
        db.execute(statement)
