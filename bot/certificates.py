"""The certificates of the system's authorities: read for the first call to somebody, not before.

aiohttp reads them when it is imported, which is a tenth of a start, for clients that a server may
never need. Where ``leave_for_later`` went first, a client without ``authorities`` trusts nobody.
"""

from __future__ import annotations

import ssl
from functools import lru_cache


def leave_for_later() -> None:
    """Import aiohttp without them."""
    read = ssl.SSLContext.load_default_certs
    ssl.SSLContext.load_default_certs = lambda *_: None  # type: ignore[method-assign]
    try:
        import aiohttp  # noqa: F401, PLC0415 - what this is about
    finally:
        ssl.SSLContext.load_default_certs = read  # type: ignore[method-assign]


@lru_cache(maxsize=1)
def authorities() -> ssl.SSLContext:
    """What a client trusts."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(("http/1.1",))
    return context
