"""Looking at a database file from outside of a server: for the doctor."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

from bot.errors import BadData
from bot.store.backup import check, check_events
from bot.store.records import CheckReport

SQLITE_VERSION: tuple[int, int, int] = sqlite3.sqlite_version_info


def check_file(path: Path) -> CheckReport:
    """What is damaged in the database at ``path``; reads every row, writes nothing.

    Raises:
        BadData: it is no database of this product, or too damaged to be read.
    """
    return _check(path, check)


def check_events_file(path: Path) -> CheckReport:
    """The same for the events' own file.

    Raises:
        BadData: as ``check_file``.
    """
    return _check(path, check_events)


def _check(path: Path, examine: Callable[[sqlite3.Connection], CheckReport]) -> CheckReport:
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            return examine(connection)
    except sqlite3.Error as error:
        raise BadData(f"{path.name} cannot be read: {error}.") from error
