"""What the server and the child of the job ``insights`` tell each other through files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import msgspec

from bot.errors import NeurobotError

ORDERS, RESULT, SCORES = "job.json", "result.json", "scores.jsonl"
EVENTS, DESK, ALIASES, TABLE = "events", "support.jsonl", "aliases.json", "table.csv"
CHURN, PAID, BUY, VALUE = "churn", "paid", "buy", "value"
TARGETS: Final = (CHURN, PAID, BUY, VALUE)
_DIGITS: Final = 2**64
_OPTION: Final = "--"


class Due(msgspec.Struct, frozen=True):
    """A flag whose time is over: did ``subject`` do ``event`` after ``as_of``, until ``due_at``?"""

    id: int
    subject: str
    event: str
    as_of: float
    due_at: float


class TableOrders(msgspec.Struct, frozen=True):
    """An uploaded table: how it is read, and whether its rows are companies or customers.

    ``column`` is the target, of purchases the amount; ``date_column`` is of purchases alone. Empty
    names are found out.
    """

    name: str
    column: str = ""
    date_column: str = ""
    positive: str = ""
    id_column: str = ""
    drop: tuple[str, ...] = ()
    subjects: str = "customer"


class Orders(msgspec.Struct, frozen=True):
    """``job.json``.

    The events of ``events_file`` are exported into ``export_folder``, which keeps them, or into the
    job's own folder where that is empty.
    """

    target: str
    now: float
    events_file: str
    export_folder: str
    model_folder: str
    max_minutes: int
    event: str = ""
    counter: str = ""  # of ``event``, what was spent
    engine: str = "native"
    windows_days: tuple[int, ...] = (7, 28)
    horizon_days: int = 28
    precision: float = 0.8
    held_share: float = 0.1
    table: TableOrders | None = None
    due: tuple[Due, ...] = ()


class Result(msgspec.Struct, frozen=True):
    """``result.json``; the scores stand beside it, one a line.

    ``threshold`` above 1 flags nobody. ``outcomes``: by id of a flag. ``members``: the company of
    each customer.
    """

    as_of: float
    threshold: float
    report: dict[str, Any]
    outcomes: dict[str, bool] = {}
    members: dict[str, str] = {}


class Understood(msgspec.Struct, frozen=True):
    """The table as it would be learned from; ``problem`` where it cannot be."""

    rows: int = 0
    positives: int = 0
    positive: str = ""
    columns: tuple[dict[str, Any], ...] = ()
    warnings: tuple[dict[str, Any], ...] = ()
    problem: str = ""


def held(target: str, subject: str, share: float) -> bool:
    """Whether the subject is in the hold-out group: always the same, and ``share`` of all are."""
    digest = hashlib.sha256(f"{target}\n{subject}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * _DIGITS


def in_words(error: NeurobotError, path: Path, name: str) -> str:
    """The error for a page: the upload under its own name, no options of a command line."""
    remedy = "" if _OPTION in (error.remedy or "") else error.remedy
    said = f"{error.detail} {remedy or ''}".strip()
    return said.replace(str(path), name or "The table")


def write(path: Path, value: msgspec.Struct) -> None:
    """``value`` as JSON; numpy's numbers become plain ones."""
    path.write_bytes(msgspec.json.encode(value, enc_hook=float))


def read_orders(folder: Path) -> Orders:
    """The orders of a job."""
    return msgspec.json.decode((folder / ORDERS).read_bytes(), type=Orders)


def read_result(folder: Path) -> Result:
    """What the child made of them."""
    return msgspec.json.decode((folder / RESULT).read_bytes(), type=Result)
