"""The Parquet library, or a clear word that it is not installed."""

from __future__ import annotations

from typing import Any

from bot.errors import NeurobotError


class BatchMissing(NeurobotError):
    """Reading and writing Parquet needs the extra 'batch'."""

    code, exit_code = "batch-missing", 78

    def __init__(self) -> None:
        super().__init__(remedy="Install it: pip install 'neurobot[batch]'.")


def parquet() -> Any:
    """The module ``pyarrow.parquet``.

    Raises:
        BatchMissing: it is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: PLC0415 - an extra, and a fifth of a second
    except ImportError:
        raise BatchMissing from None
    return pyarrow.parquet


def arrow() -> Any:
    """The module ``pyarrow``.

    Raises:
        BatchMissing: it is not installed.
    """
    parquet()
    import pyarrow  # noqa: PLC0415

    return pyarrow
