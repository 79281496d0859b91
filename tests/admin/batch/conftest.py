"""Events as partitioned Parquet, small and made for these tests."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

DAY_S = 86_400.0
NOW = 20_000 * DAY_S


@pytest.fixture
def partitioned(tmp_path):
    """``partitioned(rows, parts=1)``: the folder; a row is (days ago, name, customer, company,
    counters)."""
    folders = iter(range(100))

    def write(rows, parts=1):
        folder = tmp_path / f"events-{next(folders)}"
        days: dict[str, list] = {}
        for place, (ago, name, customer, company, counters) in enumerate(rows):
            at = NOW - ago * DAY_S
            day = datetime.fromtimestamp(at, UTC).date().isoformat()
            text = counters if isinstance(counters, str) else json.dumps(counters)
            row = {"id": f"e{place}", "at": at, "name": name, "visitor": "v", "customer": customer,
                   "company": company, "url": "", "title": "", "h1": "", "item": "",
                   "counters": text}  # fmt: skip
            days.setdefault(day, []).append(row)
        for day, found in days.items():
            (folder / f"day={day}").mkdir(parents=True)
            for part in range(parts):
                some = found[part::parts]
                if some:
                    pq.write_table(
                        pa.Table.from_pylist(some), folder / f"day={day}" / f"part-{part}.parquet"
                    )
        return folder

    return write
