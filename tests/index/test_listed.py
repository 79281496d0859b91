"""Vectors without FAISS: the same finds, additions beside what is stored, one of both again."""

from __future__ import annotations

import numpy as np
import pytest

from index.ann import FaissIndex, load_index, stored
from index.listed import ListedIndex, in_steps
from index.vectors import ExactIndex

DIMENSION = 16
SIZE = 600


def _vectors(count: int, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.fixture
def many() -> FaissIndex:
    """An inverted file over vectors with ids that are no places."""
    index = FaissIndex(DIMENSION, flat_up_to=100)
    index.add(np.arange(SIZE)[::-1] * 3, _vectors(SIZE))
    index.search(_vectors(1, 9), 1)
    assert index.lists > 1
    return index


def test_it_finds_what_the_inverted_file_finds(many: FaissIndex) -> None:
    index = ListedIndex.from_arrays(many.to_arrays())
    assert len(index) == SIZE
    queries = _vectors(40, 1)
    scores, ids = many.search(queries, 7)
    mine, my_ids = index.search(queries, 7)
    np.testing.assert_array_equal(my_ids, ids)
    np.testing.assert_allclose(mine, scores, atol=2e-5)
    np.testing.assert_allclose(index.vectors(ids[0]), many.vectors(ids[0]), atol=2e-5)


def test_additions_and_removals_are_seen_at_once(many: FaissIndex) -> None:
    index = ListedIndex.from_arrays(many.to_arrays())
    [best] = index.search(_vectors(1, 1), 1)[1][0].tolist()
    index.remove(np.asarray([best, 77_777, -1]))
    assert best not in index.search(_vectors(1, 1), SIZE)[1][0].tolist()
    assert not index.vectors(np.asarray([best])).any()
    index.add(np.asarray([5_000, 6]), _vectors(2, 3))  # a new one, and one in place of another
    for place, key in enumerate((5_000, 6)):
        assert index.search(_vectors(2, 3)[place : place + 1], 1)[1][0].tolist() == [key]
    assert len(index) == SIZE
    known = np.asarray([5_000, best, 6, 9])
    expected = index.vectors(known) @ _vectors(1, 4)[0]
    np.testing.assert_allclose(index.products(known, _vectors(1, 4)[0]), expected, atol=1e-6)


def test_what_was_added_is_in_the_lists_afterwards(many: FaissIndex) -> None:
    index = ListedIndex.from_arrays(many.to_arrays())
    index.remove(np.asarray([0, 3]))
    index.add(np.asarray([9_000, 9]), _vectors(2, 3))
    again = ListedIndex.from_arrays(index.to_arrays())
    queries = np.concatenate([_vectors(20, 1), _vectors(2, 3)])
    for one, two in zip(index.search(queries, 3), again.search(queries, 3), strict=True):
        np.testing.assert_allclose(one, two, atol=2e-5)
    assert len(again) == len(index) == SIZE - 1


def test_few_vectors_are_one_list() -> None:
    exact = ExactIndex(DIMENSION)
    exact.add(np.arange(5), _vectors(5))
    index, device = load_index(exact.to_arrays(), "cpu")
    assert device.name == "cpu"
    np.testing.assert_array_equal(
        index.search(_vectors(3, 1), 8)[1], exact.search(_vectors(3, 1), 8)[1]
    )
    empty = ListedIndex.from_arrays(ExactIndex(DIMENSION).to_arrays())
    assert empty.search(_vectors(1), 2)[1].tolist() == [[-1, -1]]


def test_lists_are_made_anew_once_they_are_outgrown() -> None:
    few = ListedIndex.from_arrays(ExactIndex(DIMENSION).to_arrays())
    few.add(np.arange(100), _vectors(100))
    assert len(stored(few).get("starts", (0, 0))) == 2
    few.add(np.arange(4_500), _vectors(4_500))
    many = ListedIndex.from_arrays(stored(few))
    assert len(many.to_arrays()["starts"]) > 100
    assert len(many) == 4_500
    assert many.search(_vectors(4_500)[77:78], 1)[1].tolist() == [[77]]


@pytest.mark.parametrize(
    ("name", "value"),
    [("ids", np.arange(3)), ("starts", np.asarray([0, 9, 2])), ("starts", np.asarray([0, 3]))],
)
def test_arrays_that_do_not_fit_are_refused(many: FaissIndex, name: str, value: object) -> None:
    with pytest.raises(ValueError, match="ids and lists"):
        ListedIndex.from_arrays({**many.to_arrays(), name: value})


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("ids", np.flip), ("order", np.zeros_like), ("starts", np.flip), ("exact", np.transpose),
        ("coarse_scales", lambda kept: kept[1:]), ("order", lambda kept: kept - 1),
    ],
)  # fmt: skip
def test_damaged_arrays_are_refused(many: FaissIndex, name: str, change: object) -> None:
    arrays = in_steps(many.to_arrays())
    with pytest.raises(ValueError, match=r"ids|lists|steps|list"):
        ListedIndex.from_arrays({**arrays, name: change(arrays[name])})
