"""The Parquet library, or a clear word that it is not installed."""

from __future__ import annotations

from typing import Any

from bot.errors import ExtraMissing


def parquet() -> Any:
    """The module ``pyarrow.parquet``.

    Raises:
        ExtraMissing: it is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: PLC0415 - an extra, and a fifth of a second
    except ImportError:
        raise ExtraMissing(
            "Reading and writing Parquet needs the extra 'batch'.",
            remedy="Install it: pip install 'neurobot[batch]'.",
        ) from None
    return pyarrow.parquet


def arrow() -> Any:
    """The module ``pyarrow``.

    Raises:
        ExtraMissing: it is not installed.
    """
    parquet()
    import pyarrow  # noqa: PLC0415

    return pyarrow
