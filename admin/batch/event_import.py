"""Rows of a Parquet file, for the importer of events."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from admin.batch.arrow import parquet
from bot.errors import BadData


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Rows by column name; empty cells are left out, times become epoch seconds.

    Raises:
        ExtraMissing: the extra 'batch' is not installed.
        BadData: it is no Parquet file.
    """
    pq = parquet()
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    yield {
                        name: value.timestamp() if isinstance(value, datetime) else value
                        for name, value in row.items()
                        if value is not None
                    }
    except (OSError, ValueError) as error:  # pyarrow's own errors are kinds of these
        raise BadData(f"{path} cannot be read as Parquet: {error}.") from error
