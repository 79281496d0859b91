"""What was needed for a moment goes back to the system."""

from __future__ import annotations

import ctypes
import gc


def settle() -> None:
    """After a start: what is there stays and is not looked through for garbage again."""
    give_back()
    gc.freeze()
    gc.enable()


def give_back() -> None:
    """Hand memory that was freed back, which glibc keeps for later where nobody asks for it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
