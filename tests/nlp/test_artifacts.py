"""Model folders: damage is always found and named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nlp.artifacts import (
    ArtifactDamaged,
    load_arrays,
    load_json,
    publish,
    save_arrays,
    save_json,
    verify,
    write_manifest,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "model"
    (target / "part").mkdir(parents=True)
    save_arrays(target / "part" / "a.safetensors", {"x": np.arange(6, dtype=np.float32)})
    save_json(target / "config.json", {"format": 1, "имя": "да"})
    write_manifest(target)
    return target


def test_flipped_bit_is_found(folder: Path) -> None:
    path = folder / "part" / "a.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArtifactDamaged, match=r"part/a\.safetensors: the content changed"):
        verify(folder)


def test_shortened_file_is_found(folder: Path) -> None:
    path = folder / "config.json"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ArtifactDamaged, match=r"config\.json: \d+ bytes instead of"):
        verify(folder)


def test_missing_file_is_found(folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(ArtifactDamaged, match=r"config\.json: the file is missing"):
        verify(folder)


def test_foreign_file_is_found(folder: Path) -> None:
    (folder / "part" / "new.bin").write_bytes(b"x")
    with pytest.raises(ArtifactDamaged, match=r"part/new\.bin: is not in the manifest"):
        verify(folder)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"format": 2, "files": {}}', '{"format": 1}'])
def test_broken_manifest_is_found(folder: Path, content: str) -> None:
    (folder / "manifest.json").write_text(content)
    with pytest.raises(ArtifactDamaged, match=r"manifest\.json"):
        verify(folder)


def test_missing_folder_and_manifest_are_found(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ArtifactDamaged, match="the folder is missing"):
        verify(tmp_path / "none")
    (folder / "manifest.json").unlink()
    with pytest.raises(ArtifactDamaged, match=r"manifest\.json: the file is missing"):
        verify(folder)


def test_unreadable_arrays_and_json_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"\x00" * 20)
    with pytest.raises(ArtifactDamaged, match=r"a\.safetensors: cannot be read"):
        load_arrays(tmp_path / "a.safetensors")
    with pytest.raises(ArtifactDamaged, match=r"b\.safetensors: the file is missing"):
        load_arrays(tmp_path / "b.safetensors")
    (tmp_path / "c.json").write_bytes(b"\xff")
    with pytest.raises(ArtifactDamaged, match=r"c\.json: cannot be read"):
        load_json(tmp_path / "c.json")


def test_sound_folder_is_published_once(folder: Path, tmp_path: Path) -> None:
    verify(folder)
    target = tmp_path / "published" / "v1"
    publish(folder, target)
    verify(target)
    assert not folder.exists()
    assert load_arrays(target / "part" / "a.safetensors")["x"].tolist() == [0, 1, 2, 3, 4, 5]
    assert load_json(target / "config.json")["имя"] == "да"
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(FileExistsError):
        publish(other, target)
