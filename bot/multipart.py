"""Multipart forms whose temporary files are closed whatever happens on the way.

The web library's own reader leaves the files of earlier fields open when a later one is refused,
and the file at hand when the client goes away or is too slow.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import Iterable
from tempfile import SpooledTemporaryFile
from typing import IO, cast

from aiohttp import BodyPartReader, web

Field = str | web.FileField

_SPOOL_BYTES = 1_048_576  # of a file kept in memory; beyond, it is on the disk
_CHUNK_BYTES = 65_536
_MAX_FIELDS = 1_000
_ENCODINGS = frozenset({"binary", "7bit", "8bit", "base64", "quoted-printable"})


async def read_multipart(request: web.Request, max_bytes: int) -> dict[str, Field]:
    """Fields by name, the last of a name wins; files as ``web.FileField``, to be closed by callers.

    Raises:
        web.HTTPRequestEntityTooLarge: the body is longer than ``max_bytes``; the rest is not read.
        ValueError: not a form, too many fields, or a text that is not in its charset.
    """
    fields: dict[str, Field] = {}
    with contextlib.ExitStack() as undo:
        reader = await request.multipart()
        count = 0
        while (part := await reader.next()) is not None:
            count += 1
            if not isinstance(part, BodyPartReader) or part.name is None or count > _MAX_FIELDS:
                raise ValueError("not a plain form")
            if part.headers.get("Content-Transfer-Encoding", "binary").lower() not in _ENCODINGS:
                raise ValueError("a part is encoded in an unknown way")
            if part.filename:
                fields[part.name] = await _file(request, part, max_bytes, undo)
            else:
                fields[part.name] = await _text(request, part, max_bytes)
        _check_size(request, max_bytes)
        undo.pop_all()
    return fields


def close_files(fields: Iterable[object]) -> None:
    """Close the files among ``fields``; those closed already stay so."""
    for field in fields:
        if isinstance(field, web.FileField):
            field.file.close()


async def _file(
    request: web.Request, part: BodyPartReader, max_bytes: int, undo: contextlib.ExitStack
) -> web.FileField:
    file: IO[bytes] = undo.enter_context(contextlib.closing(_spooled()))
    size = 0
    while chunk := await part.read_chunk(_CHUNK_BYTES):
        _check_size(request, max_bytes)
        async for piece in part.decode_iter(chunk):
            size += len(piece)
            # Small files stay in memory; a write to the disk must not hold the event loop up.
            if size > _SPOOL_BYTES:
                await asyncio.to_thread(file.write, piece)
            else:
                file.write(piece)
    file.seek(0)
    return web.FileField(
        part.name or "",
        part.filename or "",
        cast("io.BufferedReader", file),
        part.headers.get("Content-Type", "application/octet-stream"),
        part.headers,
    )


async def _text(request: web.Request, part: BodyPartReader, max_bytes: int) -> str:
    raw = bytearray()
    while chunk := await part.read_chunk(_CHUNK_BYTES):
        _check_size(request, max_bytes)
        raw.extend(chunk)
    value = bytearray()
    async for piece in part.decode_iter(bytes(raw)):
        value.extend(piece)
    return value.decode(part.get_charset(default="utf-8"))


def _spooled() -> IO[bytes]:
    return cast("IO[bytes]", SpooledTemporaryFile(_SPOOL_BYTES))


def _check_size(request: web.Request, max_bytes: int) -> None:
    if request.content.total_bytes > max_bytes:
        raise web.HTTPRequestEntityTooLarge(max_bytes, request.content.total_bytes)
