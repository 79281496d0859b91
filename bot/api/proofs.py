"""Who a page says its visitor is, proven by the site: a signature that only its server can make.

The site's key is public, so without it any browser could call itself the customer ``c-42`` and
write to the desk under that name.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import msgspec

from bot.errors import BadRequest
from bot.http import decode_bytes

_NAMED = ("customer", "company")


def proof(secret: str, customer: str, company: str = "") -> str:
    """What the site sends beside these names: HMAC-SHA256 of both, a line for each, as hex."""
    said = f"{customer}\n{company}".encode("utf-8", "surrogatepass")
    return hmac.new(secret.encode(), said, hashlib.sha256).hexdigest()


def proven(body: bytes, secret: str) -> bytes:
    """The events of ``body`` without their proofs, which hold; with no secret none is asked for.

    Raises:
        BadRequest: an event names a customer or a company without proof; the text names its place.
    """
    if not secret and b"proof" not in body:
        return body
    found = decode_bytes(body, Any)
    events = found if isinstance(found, list) else [found]
    for index, event in enumerate(events):
        if isinstance(event, dict):
            _check(event, secret, f"$[{index}]" if found is events else "$")
    return msgspec.json.encode(found)


def _check(event: dict[str, Any], secret: str, place: str) -> None:
    given = event.pop("proof", "")
    customer, company = (event.get(name, "") for name in _NAMED)
    if not secret or (customer == "" and company == ""):
        return
    expected = proof(secret, str(customer), str(company))
    if not hmac.compare_digest(str(given).encode("utf-8", "replace"), expected.encode()):
        raise BadRequest(
            f"Who this is is not proven - at `{place}.proof`.",
            remedy="Sign customer and company on your server, as docs/events.md says.",
        )
