"""Tables as files: CSV that spreadsheets open as text, whatever stands in a cell."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from aiohttp import web

# A cell that begins with one of these is run as a formula by spreadsheets, also in the forms of
# full width, and behind what is not seen.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_UNSEEN = " \t\r\n\v\f\u00a0\u200b\u200e\u200f\u2060\ufeff"


def csv_response(
    name: str, header: Sequence[str], rows: Iterable[Sequence[object]]
) -> web.Response:
    """``name``.csv with ``header``; begins with a byte-order mark, as spreadsheets ask for."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return web.Response(text="\ufeff" + out.getvalue(), content_type="text/csv", headers=headers)


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = value.replace("\x00", "\ufffd")
    risky = text.lstrip(_UNSEEN).startswith(_FORMULA) or text.startswith(("\t", "\r", "\n"))
    return f"'{text}" if risky else text
