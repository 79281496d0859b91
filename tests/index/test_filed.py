"""Numbers left in a file: read row by row, the same as in memory, refused where there are none."""

import numpy as np
import pytest

from index import native
from index.filed import READABLE, FiledArray
from index.lexical import LexicalIndex
from index.ragged import RaggedRows
from index.snapshot import load_snapshot, save_snapshot

KEY = {"bundle": "7"}
FILED = ("some/rows", "pair/starts", "pair/postings", "ragged/values")

pytestmark = pytest.mark.skipif(not READABLE, reason="this system reads no file at a place")


@pytest.fixture(params=["c", "numpy"], autouse=True)
def way(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(native, "library", None)
    elif native.library is None:
        pytest.skip("no C compiler answered when the package was installed: index._native lacks")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("index.snapshot._FILED_FROM", 0)  # else small arrays are mapped
    return tmp_path / "snapshot"


def filed(folder, **parts):
    save_snapshot(folder, parts.items(), KEY)
    return load_snapshot(folder, KEY, FILED)


def test_rows_are_read_where_they_lie(folder):
    rows = np.arange(60, dtype=np.int16).reshape(20, 3)
    found = filed(folder, some={"rows": rows, "more": np.arange(5)})["some"]
    assert isinstance(found["rows"], FiledArray)
    assert found["more"].tolist() == [0, 1, 2, 3, 4]
    array = found["rows"]
    assert (len(array), array.dtype, array.shape) == (20, np.int16, (20, 3))
    spans = array.spans(np.asarray([19, 0, 4]), np.asarray([1, 2, 0]))
    assert spans.tolist() == [[57, 58, 59], [0, 1, 2], [3, 4, 5]]
    assert np.array_equal(np.asarray(array), rows)
    assert array.piece(1, 2) == rows[1].tobytes()


@pytest.mark.parametrize(("start", "size"), [(-1, 1), (20, 1), (19, 2), (0, -1), (0, 1 << 60)])
def test_rows_outside_are_refused(folder, start, size):
    array = filed(folder, some={"rows": np.zeros((20, 3), np.int16)})["some"]["rows"]
    with pytest.raises((ValueError, MemoryError)):
        array.spans(np.asarray([start]), np.asarray([size]))


def test_a_file_that_became_shorter_is_an_error_and_one_that_is_gone_is_not(folder):
    array = filed(folder, some={"rows": np.arange(6000, dtype=np.int16)})["some"]["rows"]
    path = folder / "some.safetensors"
    path.rename(folder / "away")  # what was opened stays
    assert array.spans(np.asarray([5999]), np.asarray([1])).tolist() == [5999]
    with (folder / "away").open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(OSError, match="shorter"):
        array.piece(0, 6000)
    with pytest.raises(OSError, match="shorter"):
        array.spans(np.asarray([5999]), np.asarray([1]))


@pytest.mark.parametrize("weighting", ["bm25", "cosine"])
def test_postings_in_a_file_score_as_those_in_memory(folder, weighting):
    rng = np.random.default_rng(1)
    index = LexicalIndex(weighting)
    index.add([rng.zipf(1.3, 40) % 3000 for _ in range(2500)])
    opened = LexicalIndex.from_arrays(filed(folder, pair=index.to_arrays())["pair"])
    query = np.asarray([1, 2, 3, 700, 2999, 9_000_000])
    for _ in range(2):
        assert opened.scores(query).tolist() == index.scores(query).tolist()
        assert opened.idf(query).tolist() == index.idf(query).tolist()
        assert opened.search(query[:0], 3)[0].tolist() == []
        for one in (index, opened):  # and as they change
            one.add([query, query[:2]])
            one.remove([7, 2500])


def test_damaged_starts_of_postings_are_an_error(folder):
    rng = np.random.default_rng(3)
    index = LexicalIndex()
    index.add([rng.zipf(1.3, 40) % 3000 for _ in range(500)])
    arrays = filed(folder, pair=index.to_arrays())["pair"]
    opened = LexicalIndex.from_arrays(arrays)
    with (folder / "pair.safetensors").open("r+b") as file:
        file.seek(arrays["starts"].place[1] + 8)
        file.write(b"\xff" * 800)
    with pytest.raises(ValueError, match=r"outside|negative|lie"):
        opened.scores(np.asarray([1, 2, 40]))


def test_ragged_rows_go_on_in_memory(folder):
    rng = np.random.default_rng(2)
    rows = RaggedRows(np.uint32)
    rows.add([rng.integers(0, 99, size) for size in (3, 0, 5)])
    opened = RaggedRows.from_arrays(filed(folder, ragged=rows.to_arrays())["ragged"])
    for one in (rows, opened):
        one.add([np.asarray([7, 8]), np.asarray([9])])
        assert one.clear(0) == 3
    for asked in ([2, 4, 0, 3], [1, 2], [3], []):
        for one, other in zip(rows.take(np.asarray(asked, np.int64)),
                              opened.take(np.asarray(asked, np.int64)), strict=True):  # fmt: skip
            assert one.tolist() == other.tolist()
        values, starts, sizes, places = opened.look(np.asarray(asked, np.int64))
        spans = [values[starts[at] : starts[at] + sizes[at]].tolist() for at in places]
        assert spans == [rows.take(np.asarray([row]))[0].tolist() for row in asked]
