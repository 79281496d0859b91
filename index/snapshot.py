"""Indexes on disk: named arrays, a key that says what they reflect, a checksum of each file.

A snapshot is written beside its place and renamed into it, so a reader sees the old one or the new
one. Loading checks every byte: a flipped bit in an index would only show as worse answers.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

Arrays = Mapping[str, NDArray[Any]]

_MANIFEST = "snapshot.json"
_FORMAT = 1


class SnapshotDamaged(ValueError):
    """A snapshot is missing, incomplete or changed; the text names the file and the fault."""


class SnapshotStale(ValueError):
    """A snapshot is whole but reflects something else than was asked for."""


def save_snapshot(folder: Path, parts: Mapping[str, Arrays], key: Mapping[str, str]) -> None:
    """Write indexes as one snapshot, in place of an older one.

    Args:
        folder: where; its parent must exist.
        parts: arrays of each index, by a name that can be a file name.
        key: what the snapshot reflects, e.g. bundle and knowledge revision.
    """
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        files = {}
        for name, arrays in parts.items():
            path = made / f"{name}.safetensors"
            save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, path)
            _sync(path)
            files[path.name] = _digest(path)
        manifest = made / _MANIFEST
        about = {"format": _FORMAT, "key": dict(key), "files": files}
        manifest.write_text(json.dumps(about, ensure_ascii=False, indent=1), encoding="utf-8")
        _sync(manifest)
        old = made.with_name(f"{made.name}.old")
        if folder.exists():
            folder.rename(old)
        made.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def load_snapshot(folder: Path, key: Mapping[str, str]) -> dict[str, dict[str, NDArray[Any]]]:
    """Arrays of each index of a snapshot.

    Raises:
        SnapshotStale: it was written with another key.
        SnapshotDamaged: a file is missing, foreign or changed; nothing of it may be used.
    """
    about = _manifest(folder)
    present = {path.name for path in folder.iterdir()} - {_MANIFEST}
    files: dict[str, str] = about["files"]
    for name in sorted(present ^ files.keys()):
        fault = "is missing" if name in files else "is not in the manifest"
        raise SnapshotDamaged(f"{name}: the file {fault}")
    if about["key"] != dict(key):
        raise SnapshotStale(f"the snapshot reflects {about['key']}, not {dict(key)}")
    parts = {}
    for name, digest in files.items():
        if _digest(folder / name) != digest:
            raise SnapshotDamaged(f"{name}: the content changed (SHA-256 differs)")
        try:
            parts[name.removesuffix(".safetensors")] = dict(load_file(folder / name))
        except (SafetensorError, OSError) as error:
            raise SnapshotDamaged(f"{name}: cannot be read ({error})") from error
    return parts


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        about = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SnapshotDamaged(f"{_MANIFEST}: cannot be read ({error})") from error
    whole = isinstance(about, dict) and about.get("format") == _FORMAT
    if not whole or not isinstance(about.get("files"), dict) or "key" not in about:
        raise SnapshotDamaged(f"{_MANIFEST}: unknown format")
    return dict(about)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
