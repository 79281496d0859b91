"""The ledger as a stream: one JSON object a line, one line for every suggestion that was shown."""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web

from bot.access import Route
from bot.http import query
from bot.services import SERVICES
from bot.store.records import LedgerRow

_MEDIA_TYPE = "application/x-ndjson"


class LedgerQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``after``: the id of a record; only later ones are given."""

    after: Annotated[int, msgspec.Meta(ge=0, le=2**62)] = 0


async def stream(request: web.Request) -> web.StreamResponse:
    """Write the records as they are read, a page at a time."""
    after = query(request, LedgerQuery).after
    response = web.StreamResponse(headers={"Content-Type": _MEDIA_TYPE})
    await response.prepare(request)
    encode = msgspec.json.Encoder().encode_lines
    async for page in request.config_dict[SERVICES].store.ledger.rows(after):
        await response.write(encode(page))
    await response.write_eof()
    return response


ROUTES = (
    Route(
        "GET",
        "/api/v1/ledger",
        stream,
        "token:admin",
        "Every suggestion shown and what became of it: JSON lines, a stream.",
        query=LedgerQuery,
        reply=LedgerRow,
        media_type=_MEDIA_TYPE,
    ),
)
