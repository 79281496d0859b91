"""sqlite-utils without pandas, which it takes along where it is installed, and Arrow with it.

That is half a second of every start and 60 MB; nothing here uses it.
"""

from __future__ import annotations

import sys

_PANDAS = sys.modules.get("pandas")
sys.modules["pandas"] = None  # type: ignore[assignment]
try:
    from sqlite_utils import Database, Migrations
finally:
    if _PANDAS is None:
        del sys.modules["pandas"]
    else:
        sys.modules["pandas"] = _PANDAS

__all__ = ["Database", "Migrations"]
