"""Events as Parquet, a folder for each day (UTC): ``day=2026-01-31/part-0.parquet``.

A day is written anew when it has other events than before, or when more is known of who it was;
a day whose old events were removed here keeps what stands in the folder and gets new events beside
it. ``manifest.json`` says what the folder holds; it is written last.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from admin.batch.arrow import arrow, parquet
from bot.errors import BadData
from bot.store.event_export import COLUMNS, DAY_S, Day, EventReader, reading

_GROUP_ROWS = 50_000


class Written(msgspec.Struct, frozen=True):
    """What stands of a day: events, and the number of the newest."""

    rows: int
    last_seq: int


class Manifest(msgspec.Struct, frozen=True):
    """What a folder holds: all events up to ``last_seq``, of all days before ``whole_before``."""

    last_seq: int = 0
    whole_before: float = 0.0
    known_at: float = 0.0
    days: dict[str, Written] = {}


def export(events_file: Path, folder: Path, now: float) -> dict[str, int]:
    """Bring ``folder`` up to date; gives days ``written``, ``unchanged``, ``removed``, and events.

    Raises:
        ExtraMissing: the extra 'batch' is not installed.
        NotFound, BadData: the events or the manifest cannot be read.
    """
    parquet()
    folder.mkdir(parents=True, exist_ok=True)
    before = read_manifest(folder)
    with reading(events_file) as source:
        work = _Export(source, folder, before)
        days = source.days()
        written = {day_name(day.number): work.bring(day) for day in days}
        kept = work.drop_erased(written)
        manifest = Manifest(
            last_seq=max([before.last_seq, *(day.last_seq for day in days)]),
            whole_before=now // DAY_S * DAY_S,
            known_at=source.known_at(),
            days=dict(sorted({**kept, **written}.items())),
        )
    _write_whole(folder / "manifest.json", msgspec.json.format(msgspec.json.encode(manifest)))
    return work.counts


def read_manifest(folder: Path) -> Manifest:
    """What ``folder`` holds; nothing where it is new.

    Raises:
        BadData: the manifest is damaged.
    """
    path = folder / "manifest.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        return Manifest()
    except msgspec.DecodeError as error:
        raise BadData(f"{path} is damaged: {error}.", remedy="Export into a new folder.") from error


def day_name(number: int) -> str:
    """``2026-01-31`` of a day that is counted since 1970."""
    return datetime.fromtimestamp(number * DAY_S, UTC).strftime("%Y-%m-%d")


class _Export:
    """One run over one snapshot."""

    def __init__(self, source: EventReader, folder: Path, before: Manifest) -> None:
        self._source, self._folder, self._before = source, folder, before
        self._swept = source.swept_before()
        self._renamed = source.renamed(before.known_at) if before.days else set()
        self.counts = {"written": 0, "unchanged": 0, "removed": 0, "events": 0}

    def bring(self, day: Day) -> Written:
        """What stands of ``day`` after it was brought up to date."""
        known = self._before.days.get(day_name(day.number))
        now = Written(day.rows, day.last_seq)
        if known is not None and day.number * DAY_S < self._swept:
            return self._add(day, known)
        place = self._place(day)
        if known == now and day.number not in self._renamed and place.is_dir():
            self.counts["unchanged"] += 1
            return now
        part = place / "part-0.parquet"
        self._count(_write(part, self._source.rows(day.number)))
        for other in place.glob("part-*.parquet"):
            if other != part:
                other.unlink()
        return now

    def drop_erased(self, written: Mapping[str, Written]) -> dict[str, Written]:
        """Days that stand in the folder alone; those that are not old were erased, and go."""
        kept = {}
        for name in self._before.days.keys() - written.keys():
            if datetime.fromisoformat(f"{name}T00:00Z").timestamp() < self._swept:
                kept[name] = self._before.days[name]
            else:
                shutil.rmtree(self._folder / f"day={name}", ignore_errors=True)
                self.counts["removed"] += 1
        return kept

    def _add(self, day: Day, known: Written) -> Written:
        """The new events of a day whose old ones were removed here."""
        if day.last_seq <= known.last_seq:
            self.counts["unchanged"] += 1
            return known
        part = self._place(day) / f"part-{known.last_seq + 1}.parquet"
        added = _write(part, self._source.rows(day.number, known.last_seq))
        self._count(added)
        return Written(known.rows + added, day.last_seq)

    def _place(self, day: Day) -> Path:
        return self._folder / f"day={day_name(day.number)}"

    def _count(self, events: int) -> None:
        self.counts["written"] += 1
        self.counts["events"] += events


def _write(path: Path, rows: Iterable[tuple[Any, ...]]) -> int:
    """Write ``rows`` under a name of their own until they are whole; gives their number."""
    pa, pq = arrow(), parquet()
    schema = pa.schema([(name, pa.float64() if name == "at" else pa.string()) for name in COLUMNS])
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    number = 0
    try:
        with pq.ParquetWriter(part, schema, compression="zstd") as writer:
            for group in _groups(iter(rows)):
                columns = list(zip(*group, strict=True))
                writer.write_table(pa.table(columns, schema=schema))
                number += len(group)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return number


def _groups(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    while group := list(islice(rows, _GROUP_ROWS)):
        yield group


def _write_whole(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.replace(path)
