"""The signature of a delivery. How a receiver checks it is in ``docs/webhooks.md``."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

HEADER = "X-Neurobot-Signature"


def signature(secrets: Sequence[str], timestamp: int, body: bytes) -> str:
    """Value of the header: ``t=<timestamp>,v1=<hex>``, one ``v1`` for each valid secret.

    Each is HMAC-SHA256 (Source: RFC 2104) of ``<timestamp>.<body>`` under the secret as it was
    shown. The time is signed with the body, so that an old delivery cannot be sent again as new.
    """
    signed = b"%d.%s" % (timestamp, body)
    marks = [hmac.new(key.encode(), signed, hashlib.sha256).hexdigest() for key in secrets]
    return ",".join([f"t={timestamp}", *(f"v1={mark}" for mark in marks)])
