"""What a good colleague would check before and while the server runs, each with a remedy.

Findings are codes with parameters; their words are ``doctor.<key>.<code>`` in the catalogue, so the
command line and the panel say the same. Only reads; needs no lock.
"""

from __future__ import annotations

import importlib.util
import os
import resource
import shutil
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from bot.catalogue import Catalogue
from bot.errors import NeurobotError
from bot.settings import Settings
from bot.store.inspection import SQLITE_VERSION, check_events_file, check_file
from index import scoring
from index.ann import choose_device
from nlp import gathering
from nlp.artifacts import ArtifactDamaged, verify

if TYPE_CHECKING:
    from bot.serving import Serving

_LOW_DISK_BYTES = 1 << 30
_LOW_FILES = 1024
_SAFE_SQLITE = (3, 51, 3)  # before: a rare bug when a second connection resets the write-ahead log


class Check(msgspec.Struct, frozen=True):
    """One finding. ``state`` is ``ok``, ``warn`` or ``bad``."""

    key: str
    code: str
    state: str = "ok"
    params: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Finding(msgspec.Struct, frozen=True):
    """A check in words of one language."""

    key: str
    state: str
    title: str
    detail: str
    remedy: str

    @property
    def tone(self) -> str:
        """Tone of its badge."""
        return {"ok": "good", "warn": "warn", "bad": "bad"}[self.state]


def in_words(check: Check, language: str, catalogue: Catalogue | None = None) -> Finding:
    """``check`` in ``language``."""
    texts = catalogue or Catalogue.load()
    remedy = ""
    if check.state != "ok":
        try:
            remedy = texts.text(f"doctor.{check.key}.{check.code}.remedy", language, **check.params)
        except KeyError:
            remedy = ""
    return Finding(
        check.key,
        check.state,
        texts.text(f"doctor.{check.key}", language),
        texts.text(f"doctor.{check.key}.{check.code}", language, **check.params),
        remedy,
    )


def examine(settings: Settings) -> list[Check]:
    """Everything that can be checked from outside of a running server."""
    running = _is_running(settings)
    return [
        *machine(settings),
        _database(settings, running=running),
        _artefacts(settings),
        _device(settings),
        Check("lock", "running" if running else "ok"),
    ]


def machine(settings: Settings) -> list[Check]:
    """The machine and the folder."""
    return [
        _python(),
        _sqlite(),
        Check("settings", "ok"),
        _folder(settings),
        _disk(settings),
        _files(),
        _computing(),
        _batch(),
    ]


def serving_check(serving: Serving) -> Check:
    """The models of a running server."""
    if serving.problem:
        return Check("serving", "problem", "bad", {"what": serving.problem})
    if serving.bundle is None:
        return Check("serving", "cold", "warn")
    return Check("serving", "ok", params={"version": serving.bundle.version})


def device_check(name: str, reason: str) -> Check:
    """Where vectors are searched."""
    if importlib.util.find_spec("faiss") is None:
        return Check("device", "exact", "warn", {"name": name, "reason": reason})
    return Check("device", "ok", params={"name": name, "reason": reason})


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    fine = sys.version_info >= (3, 11)
    return Check("python", "ok" if fine else "old", "ok" if fine else "bad", {"version": version})


def _sqlite() -> Check:
    text = ".".join(map(str, SQLITE_VERSION))
    fine = tuple(SQLITE_VERSION) >= _SAFE_SQLITE
    # not a problem of ours, which writes through one connection: worth knowing all the same
    return Check("sqlite", "ok" if fine else "old", "ok" if fine else "warn", {"version": text})


def _folder(settings: Settings) -> Check:
    path = settings.data_path
    if not path.exists():
        return Check("folder", "missing", "warn", {"path": str(path)})
    if not (path.is_dir() and os.access(path, os.W_OK | os.X_OK)):
        return Check("folder", "readonly", "bad", {"path": str(path)})
    return Check("folder", "ok", params={"path": str(path)})


def _disk(settings: Settings) -> Check:
    place = settings.data_path
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    text = f"{free / (1 << 30):.0f}"
    low = free < _LOW_DISK_BYTES
    return Check("disk", "low" if low else "ok", "bad" if low else "ok", {"free": text})


def _files() -> Check:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    low = limit < _LOW_FILES
    return Check("files", "low" if low else "ok", "warn" if low else "ok", {"limit": limit})


def _computing() -> Check:
    """Whether the inner loops are compiled."""
    fine = scoring.compiled() and gathering.compiled()
    return Check("computing", "ok" if fine else "numpy", "ok" if fine else "warn")


def _batch() -> Check:
    """Whether the extra for work on Parquet is installed."""
    fine = all(importlib.util.find_spec(name) for name in ("pyarrow", "daft"))
    return Check("batch", "ok" if fine else "none", "ok" if fine else "warn")


def _database(settings: Settings, *, running: bool) -> Check:
    if not settings.database_path.exists():
        return Check("database", "none", "warn")
    if running:
        return Check("database", "live")
    try:
        report = check_file(settings.database_path)
        if report.sound and settings.events_path.exists():
            report = check_events_file(settings.events_path)
    except NeurobotError as error:
        return Check("database", "damaged", "bad", {"what": error.detail})
    if not report.sound:
        return Check(
            "database",
            "damaged",
            "bad",
            {"what": "; ".join(report.integrity[:1]) or "rows differ from their digests"},
        )
    return Check("database", "ok")


def _artefacts(settings: Settings) -> Check:
    folders = _bundles(settings.artefacts_path)
    for folder in folders:
        try:
            verify(folder)
        except (ArtifactDamaged, OSError) as error:
            return Check("artefacts", "damaged", "bad", {"name": folder.name, "what": str(error)})
    if not folders:
        return Check("artefacts", "none", "warn")
    return Check("artefacts", "ok", params={"count": len(folders)})


def _bundles(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    return sorted(
        folder
        for folder in path.iterdir()
        if folder.is_dir() and not folder.name.startswith((".", "tmp"))
    )


def _device(settings: Settings) -> Check:
    device = choose_device(settings.answers.device)
    return device_check(device.name, device.reason)


def _is_running(settings: Settings) -> bool:
    if not settings.control_path.exists():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(os.path.relpath(settings.control_path))
        except OSError:
            return False
    return True
