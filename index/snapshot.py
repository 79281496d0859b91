"""Indexes on disk: named arrays, a key that says what they reflect, a checksum of each file.

A snapshot is written beside its place and renamed into it, so a reader sees the old one or the new
one. Loading checks every byte: a flipped bit in an index would only show as worse answers. What is
loaded lies in the file until it is looked at: mapped, where writing changes this process's copy
alone, or read row by row.
"""

from __future__ import annotations

import json
import mmap
import shutil
import tempfile
import zlib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from index.filed import READABLE, FiledArray, OpenFile

Arrays = Mapping[str, NDArray[Any]]

_MANIFEST: Final = "snapshot.json"
_FORMAT: Final = 3
_CHUNK_BYTES: Final = 1 << 20
# Bytes of an array that stays in the file: a smaller one is not worth it, and of a larger one a
# question reads megabytes, which a mapping gives without copying.
_FILED_FROM: Final = 3_000_000
_FILED_TO: Final = 60_000_000
_LENGTH_BYTES: Final = 8  # of the header, which stands before it
_KINDS: Final = {
    "F32": np.float32, "F64": np.float64, "I64": np.int64, "I32": np.int32, "I16": np.int16,
    "I8": np.int8, "U8": np.uint8, "U16": np.uint16, "U32": np.uint32,
}  # fmt: skip


class SnapshotDamaged(ValueError):
    """A snapshot is missing, incomplete or changed; the text names the file and the fault."""


class SnapshotStale(ValueError):
    """A snapshot is whole but reflects something else than was asked for."""


def save_snapshot(
    folder: Path, parts: Iterable[tuple[str, Arrays]], key: Mapping[str, str]
) -> None:
    """Write indexes as one snapshot, in place of an older one.

    Nothing waits for the disk, as the messages of a desk would wait with it: what a power failure
    leaves half written is found by its checksum, and can be made again.

    Args:
        folder: where; its parent must exist.
        parts: name and arrays of each index; the name can be a file name. One is in memory at a
            time.
        key: what the snapshot reflects, e.g. bundle and knowledge revision.
    """
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        files = {}
        for name, arrays in parts:
            path = made / f"{name}.safetensors"
            save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, path)
            files[path.name] = _checksum(path)
        manifest = made / _MANIFEST
        about = {"format": _FORMAT, "key": dict(key), "files": files}
        manifest.write_text(json.dumps(about, ensure_ascii=False, indent=1), encoding="utf-8")
        old = made.with_name(f"{made.name}.old")
        if folder.exists():
            folder.rename(old)
        made.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def load_snapshot(
    folder: Path, key: Mapping[str, str], filed: Collection[str] = ()
) -> dict[str, dict[str, Any]]:
    """Arrays of each index of a snapshot, mapped; the file may be removed meanwhile.

    Args:
        folder: of the snapshot.
        key: that it was written with.
        filed: arrays as ``index/array`` that are left in the file, as ``FiledArray``, where they
            are large but not huge: reading a row takes longer than looking at a mapped one.

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
    for name, checksum in files.items():
        if _checksum(folder / name) != checksum:
            raise SnapshotDamaged(f"{name}: the content changed (its checksum differs)")
        try:
            own = name.removesuffix(".safetensors")
            some = {one.partition("/")[2] for one in filed if one.startswith(f"{own}/")}
            parts[own] = _mapped(folder / name, some if READABLE else set())
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SnapshotDamaged(f"{name}: cannot be read ({error})") from error
    return parts


def _mapped(path: Path, filed: Collection[str]) -> dict[str, Any]:
    """Arrays of a safetensors file as views of its mapping; pages are read when looked at."""
    file = OpenFile(path)
    content = mmap.mmap(file.number, 0, access=mmap.ACCESS_COPY)
    start = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
    header = json.loads(content[_LENGTH_BYTES:start])
    header.pop("__metadata__", None)
    arrays: dict[str, Any] = {}
    for name, about in header.items():
        first, end = about["data_offsets"]
        kind, shape = np.dtype(_KINDS[about["dtype"]]), about["shape"]
        if name in filed and _FILED_FROM <= end - first <= _FILED_TO:
            arrays[name] = FiledArray(file, start + first, kind, shape)
            continue
        flat = np.frombuffer(content, kind, (end - first) // kind.itemsize, start + first)
        arrays[name] = flat.reshape(shape)
    return arrays


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        about = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SnapshotDamaged(f"{_MANIFEST}: cannot be read ({error})") from error
    whole = isinstance(about, dict) and about.get("format") == _FORMAT
    if not whole or not isinstance(about.get("files"), dict) or "key" not in about:
        raise SnapshotDamaged(f"{_MANIFEST}: unknown format")
    return dict(about)


def _checksum(path: Path) -> str:
    """Size and CRC-32: found in passing, as a whole index is read in a fraction of a second.

    It is against a disk that fails. Who may write into the data folder can rewrite both.
    """
    value, size, part = 0, 0, bytearray(_CHUNK_BYTES)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(part):
            value = zlib.crc32(memoryview(part)[:count], value)
            size += count
    return f"{size}-{value:08x}"
