"""Memory of the server: in few places of the C library, and given back when it is not needed.

By default it opens up to eight arenas a core, one for each thread that finds the others busy. What
a thread frees is then no use to the others, and blocks that live long pin pages that are nearly
empty: under mixed load that was a tenth more memory every two minutes, with the same number of
objects. Large blocks go back to the system as soon as they are free.
"""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Callable

# Source: malloc.h of the GNU C library.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_ARENAS = 2  # the event loop, and the threads of the store
# Above the vectors of scores of a desk with 100,000 answers, which come and go with each question.
_LARGE_BYTES = 1 << 20


def keep_together() -> bool:
    """Ask for it, before threads are started; False where the C library has no such wish.

    Whoever set one of its own variables (``MALLOC_...``) has decided already.
    """
    if any(name.startswith("MALLOC_") for name in os.environ):
        return False
    mallopt = _function("mallopt")
    if mallopt is None:
        return False
    wishes = (
        (_M_ARENA_MAX, _ARENAS),
        (_M_MMAP_THRESHOLD, _LARGE_BYTES),
        (_M_TRIM_THRESHOLD, 2 * _LARGE_BYTES),
    )
    done = [mallopt(name, value) == 1 for name, value in wishes]
    return all(done)


def settle() -> None:
    """After a start: what is there stays and is not looked through for garbage again."""
    give_back()
    gc.freeze()
    gc.enable()


def give_back() -> None:
    """Hand memory that was freed back, which glibc keeps for later where nobody asks for it."""
    trim = _function("malloc_trim")
    if trim is not None:
        trim(0)


def _function(name: str) -> Callable[..., int] | None:
    try:
        found: Callable[..., int] | None = getattr(ctypes.CDLL(None), name, None)
    except (OSError, TypeError):  # no C library of that kind
        return None
    return found
