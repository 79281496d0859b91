"""The compiled part of this package, where a C compiler answered when it was installed.

What asks it does the same in numpy where it is not there, with the same results up to rounding.
"""

from __future__ import annotations

from typing import Any, Final

VERSION: Final = 8  # of what the C functions take; a build of other sources is not asked

library: Any = None
try:
    from index import _native
except ImportError:  # no compiler answered
    pass
else:
    library = _native if getattr(_native, "VERSION", 0) == VERSION else None
