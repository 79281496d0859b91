import json

import numpy as np
import pytest

from index.lexical import LexicalIndex
from index.snapshot import SnapshotDamaged, SnapshotStale, load_snapshot, save_snapshot

KEY = {"bundle": "7", "revision": "12"}


@pytest.fixture
def folder(tmp_path):
    index = LexicalIndex()
    index.add([np.asarray([1, 2]), np.asarray([3])])
    save_snapshot(tmp_path / "snap", [("stem", index.to_arrays())], KEY)
    return tmp_path / "snap"


def test_a_missing_snapshot(tmp_path):
    with pytest.raises(SnapshotDamaged, match=r"snapshot\.json"):
        load_snapshot(tmp_path / "none", KEY)


def test_another_key_is_stale(folder):
    with pytest.raises(SnapshotStale, match="12"):
        load_snapshot(folder, KEY | {"revision": "13"})


def test_one_flipped_bit_is_noticed(folder):
    path = folder / "stem.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(SnapshotDamaged, match="stem"):
        load_snapshot(folder, KEY)


def test_a_missing_and_a_foreign_file_are_named(folder):
    (folder / "more.bin").write_bytes(b"x")
    with pytest.raises(SnapshotDamaged, match=r"more\.bin"):
        load_snapshot(folder, KEY)
    (folder / "more.bin").unlink()
    (folder / "stem.safetensors").unlink()
    with pytest.raises(SnapshotDamaged, match="missing"):
        load_snapshot(folder, KEY)


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"format": 2})])
def test_a_broken_manifest(folder, text):
    (folder / "snapshot.json").write_text(text, encoding="utf-8")
    with pytest.raises(SnapshotDamaged):
        load_snapshot(folder, KEY)


def test_the_index_comes_back(folder):
    index = LexicalIndex.from_arrays(load_snapshot(folder, KEY)["stem"])
    assert index.search(np.asarray([3]), 1)[0].tolist() == [1]


def test_a_newer_snapshot_takes_the_place(folder):
    save_snapshot(folder, [("stem", LexicalIndex().to_arrays())], {"bundle": "8"})
    assert len(LexicalIndex.from_arrays(load_snapshot(folder, {"bundle": "8"})["stem"])) == 0
    assert [path.name for path in folder.parent.iterdir()] == ["snap"]
