"""Files between their upload and their use: kept for an hour under the digest of their content."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from pathlib import Path
from typing import Final

from aiohttp import web

from admin.pages.frame import services_of

_KEPT_S: Final = 3600.0
_NAME = re.compile(r"[0-9a-f]{64}")


async def keep(request: web.Request, upload: web.FileField) -> tuple[str, bytes]:
    """Name and content of the upload, which is kept; older ones are dropped."""
    with upload.file:
        data = await asyncio.to_thread(upload.file.read)
    return await asyncio.to_thread(_keep, _folder(request), data), data


def find(request: web.Request, name: str) -> Path | None:
    """The file that was kept under ``name``; None where it is gone or there never was one."""
    path = _folder(request) / f"{name}.csv"
    return path if _NAME.fullmatch(name) and path.is_file() else None


def _folder(request: web.Request) -> Path:
    return services_of(request).settings.data_path / "uploads"


def _keep(folder: Path, data: bytes) -> str:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in folder.glob("*.csv"):
        if time.time() - old.stat().st_mtime > _KEPT_S:
            old.unlink(missing_ok=True)
    name = hashlib.sha256(data).hexdigest()
    (folder / f"{name}.csv").write_bytes(data)
    return name
