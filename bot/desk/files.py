"""Files that agents send and customers sent: stored by SHA-256, given out as downloads only."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import msgspec
from aiohttp import web

from bot import ui
from bot.domain import Attachment, MessageKind
from bot.errors import BadRequest, NotFound, TooLarge
from bot.http import form, json_response, row_id
from bot.ports import SendFailed
from bot.services import SERVICES
from bot.settings import Settings
from bot.ui.formats import Formats

_BLOB = re.compile(r"blob:([0-9a-f]{64})")
_MEDIA = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,100}")
# Characters that mean something to a file system, a header or a terminal.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069/\\:*?"<>|]')
_LONGEST_NAME = 120
_PLAIN_BYTES = "application/octet-stream"
_PICTURES = frozenset({"image/jpeg", "image/png", "image/webp"})
_LARGEST_PICTURE_BYTES = 10_000_000  # Source: Bot API, sendPhoto


class StoredFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file in the attachment folder; the page hands it back with the reply."""

    reference: Annotated[str, msgspec.Meta(max_length=80)]
    name: Annotated[str, msgspec.Meta(max_length=200)]
    media_type: Annotated[str, msgspec.Meta(max_length=200)]
    size_bytes: int


def safe_name(name: str) -> str:
    """A file name without paths and control characters, at most 120 characters, ending kept."""
    plain = _UNSAFE.sub("_", name.replace("\\", "/").rsplit("/", 1)[-1]).strip(" .")
    if len(plain) > _LONGEST_NAME:
        stem, dot, ending = plain.rpartition(".")
        ending = f"{dot}{ending}" if stem and len(ending) <= 10 else ""
        plain = plain[: _LONGEST_NAME - len(ending)] + ending
    return plain or "file"


async def upload(request: web.Request) -> web.Response:
    """Keep a file for the next reply."""
    settings = request.config_dict[SERVICES].settings
    field = (await form(request)).get("file")
    if not isinstance(field, web.FileField):
        raise BadRequest(ui.translate(request, "desk.error.file-none"))
    limit = settings.http.max_upload_bytes
    with field.file:
        content = await asyncio.to_thread(field.file.read, limit + 1)
    if len(content) > limit:
        viewer = ui.viewer_for(request)
        size = Formats(viewer.language, viewer.timezone).size(limit)
        raise TooLarge(ui.translate(request, "desk.error.file-large", limit=size))
    if not content:
        raise BadRequest(ui.translate(request, "desk.error.file-empty"))
    digest = await asyncio.to_thread(store, settings.attachments_path, content)
    media = (field.content_type or "").lower()
    return json_response(
        StoredFile(
            reference=f"blob:{digest}",
            name=safe_name(field.filename or ""),
            media_type=media if _MEDIA.fullmatch(media) else _PLAIN_BYTES,
            size_bytes=len(content),
        ),
        201,
    )


def store(folder: Path, content: bytes) -> str:
    """SHA-256 of ``content``, now a file of that name in ``folder``; whole or not there at all."""
    digest = hashlib.sha256(content).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / digest
    if target.is_file():
        return digest
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".part-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
    return digest


def checked_attachment(settings: Settings, file: StoredFile | None) -> Attachment | None:
    """The attachment of a reply, if it really lies in the attachment folder.

    Raises:
        BadRequest: there is no such file.
    """
    if file is None:
        return None
    path = _blob_path(settings, file.reference)
    if path is None:
        raise BadRequest("There is no such file.", remedy="Attach it again.")
    media = file.media_type if _MEDIA.fullmatch(file.media_type) else _PLAIN_BYTES
    return Attachment(safe_name(file.name), media, path.stat().st_size, file.reference)


def kind_of(file: Attachment | None) -> MessageKind:
    """How a reply's file goes out: as a picture where messengers show it as one."""
    if file is None:
        return MessageKind.TEXT
    picture = file.media_type in _PICTURES and file.size_bytes <= _LARGEST_PICTURE_BYTES
    return MessageKind.PHOTO if picture else MessageKind.DOCUMENT


def _blob_path(settings: Settings, reference: str) -> Path | None:
    match = _BLOB.fullmatch(reference)
    if match is None:
        return None
    path = settings.attachments_path / match[1]
    return path if path.is_file() else None


async def download(request: web.Request) -> web.StreamResponse:
    """The file of a message: ours from the folder, a customer's from the channel at this moment."""
    services = request.config_dict[SERVICES]
    message = await services.store.conversations.message(row_id(request))
    file = message.attachment
    if file is None:
        raise NotFound
    name = quote(safe_name(file.name), safe="")
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
        "Content-Type": _PLAIN_BYTES,  # whatever it claims to be, a browser must not show it
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    if file.reference.startswith("blob:"):
        path = _blob_path(services.settings, file.reference)
        if path is None:
            raise NotFound(ui.translate(request, "desk.error.file-gone"))
        return web.FileResponse(path, headers=headers)
    channel = services.channels.get(message.channel)
    if channel is None:
        raise NotFound(ui.translate(request, "desk.error.file-gone"))
    try:
        content = await channel.fetch(file.reference, services.settings.telegram.max_file_bytes)
    except SendFailed:
        raise NotFound(ui.translate(request, "desk.error.file-gone")) from None
    return web.Response(body=content, headers=headers)
