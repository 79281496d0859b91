"""Model folders on disk: arrays as safetensors, a SHA-256 manifest, publication by atomic rename.

No pickle anywhere. A folder without a manifest, or with a file that differs from it, is not loaded.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

MANIFEST: Final = "manifest.json"
_FORMAT: Final = 1
_CHUNK_BYTES: Final = 1 << 20


Fault = Literal["missing", "foreign", "truncated", "changed", "unreadable", "numbers", "unfit"]
"""What is wrong with a file: gone, not in the manifest, of another size, of other content, not to
be read, numbers that are none, or parts that do not fit each other or this release."""


class ArtifactDamaged(ValueError):
    """A model folder is missing, incomplete or changed; the text names the file and the fault."""

    def __init__(self, text: str, fault: Fault = "unfit") -> None:
        super().__init__(text)
        self.fault = fault


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays of one model to ``path`` (``*.safetensors``)."""
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays written by ``save_arrays``.

    Raises:
        ArtifactDamaged: the file is missing, is not safetensors, or holds NaN or infinity.
    """
    try:
        arrays = dict(load_file(path))
    except FileNotFoundError:
        raise ArtifactDamaged(f"{path.name}: the file is missing", "missing") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise ArtifactDamaged(f"{path.name}: cannot be read ({error})", "unreadable") from error
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ArtifactDamaged(f"{path.name}: '{name}' holds what is no number", "numbers")
    return arrays


def save_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object, keys in the given order, UTF-8."""
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def load_json(path: Path) -> dict[str, Any]:
    """The JSON object of a file.

    Raises:
        ArtifactDamaged: the file is missing or holds no JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except FileNotFoundError:
        raise ArtifactDamaged(f"{path.name}: the file is missing", "missing") from None
    except (OSError, ValueError) as error:
        raise ArtifactDamaged(f"{path.name}: cannot be read ({error})", "unreadable") from error
    if not isinstance(value, dict):
        raise ArtifactDamaged(f"{path.name}: holds no JSON object", "unreadable")
    return value


def seal_of(folder: Path) -> str:
    """Digest of the manifest, and by it of every file: whoever rewrites both changes this.

    Raises:
        ArtifactDamaged: there is no manifest.
    """
    if not (folder / MANIFEST).is_file():
        raise ArtifactDamaged(f"{MANIFEST}: the file is missing", "missing")
    return _digest(folder / MANIFEST)


def write_manifest(folder: Path) -> None:
    """Record size and SHA-256 of every file under ``folder`` in its ``manifest.json``."""
    files = {
        name: {"bytes": (folder / name).stat().st_size, "sha256": _digest(folder / name)}
        for name in _names(folder)
    }
    save_json(folder / MANIFEST, {"format": _FORMAT, "files": files})


def verify(folder: Path) -> None:
    """Check every file against the manifest.

    Raises:
        ArtifactDamaged: naming the first file that is missing, foreign or changed.
    """
    if not folder.is_dir():
        raise ArtifactDamaged(f"{folder.name}: the folder is missing", "missing")
    manifest = load_json(folder / MANIFEST)
    files = manifest.get("files")
    if manifest.get("format") != _FORMAT or not isinstance(files, dict):
        raise ArtifactDamaged(f"{MANIFEST}: unknown format", "unfit")
    present = set(_names(folder))
    for name in sorted(present - files.keys()):
        raise ArtifactDamaged(f"{name}: is not in the manifest", "foreign")
    for name, known in files.items():
        if name not in present:
            raise ArtifactDamaged(f"{name}: the file is missing", "missing")
        _compare(folder / name, name, known)


def publish(tmp_folder: Path, target: Path) -> None:
    """Give a finished folder its final name: flush to disk, then one rename on the same volume.

    Raises:
        FileExistsError: ``target`` is already there; a published version never changes.
    """
    if target.exists():
        raise FileExistsError(f"{target} is already published")
    for path in (*tmp_folder.rglob("*"), tmp_folder):
        _sync(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    tmp_folder.rename(target)
    _sync(target.parent)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _names(folder: Path) -> list[str]:
    paths = (p for p in folder.rglob("*") if p.is_file() and p != folder / MANIFEST)
    return sorted(p.relative_to(folder).as_posix() for p in paths)


def _compare(path: Path, name: str, known: Any) -> None:
    if not isinstance(known, dict):
        raise ArtifactDamaged(f"{MANIFEST}: the entry of {name} cannot be read", "unreadable")
    size = path.stat().st_size
    if size != known.get("bytes"):
        expected = known.get("bytes")
        raise ArtifactDamaged(f"{name}: {size} bytes instead of {expected}", "truncated")
    if _digest(path) != known.get("sha256"):
        raise ArtifactDamaged(f"{name}: the content changed (SHA-256 differs)", "changed")


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
