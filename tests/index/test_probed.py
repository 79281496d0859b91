"""Vectors sought in bytes: found is what whole rows find, with C and without."""

from __future__ import annotations

import numpy as np
import pytest

from index import native
from index.ann import FaissIndex
from index.probed import ProbedIndex
from index.vectors import ExactIndex

DIMENSION = 20


def drawn(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(params=["c", "numpy"])
def way(request, monkeypatch):
    """Both ways to search: what was compiled, and what there is without a compiler."""
    if request.param == "numpy":
        monkeypatch.setattr(native, "library", None)
    elif native.library is None:
        pytest.skip("no C compiler answered when the package was installed: index._native lacks")


def one_list(rows, ids=None):
    ids = np.arange(len(rows)) if ids is None else ids
    return ProbedIndex.from_arrays({"ids": ids, "vectors": rows})


def test_it_finds_what_the_inverted_file_finds(way):
    many = FaissIndex(DIMENSION, flat_up_to=100)
    many.add(np.arange(3000)[::-1] * 3, drawn(3000))
    queries = drawn(50, 1)
    scores, ids = many.search(queries, 7)
    index = ProbedIndex.from_arrays(many.to_arrays())
    assert 1 < many.probes < many.lists
    assert len(index) == 3000
    mine, my_ids = index.search(queries, 7)
    np.testing.assert_array_equal(my_ids, ids)
    np.testing.assert_allclose(mine, scores, atol=1e-6)


@pytest.mark.parametrize("k", [1, 10, 300, 700])
def test_without_lists_it_is_exact(way, k):
    rows = np.concatenate([drawn(300), drawn(300)[:200] * 1.0001, np.repeat(drawn(1, 5), 20, 0)])
    ids = np.random.default_rng(2).permutation(len(rows)) + 7
    exact = ExactIndex(DIMENSION)
    exact.add(ids, rows)
    queries = np.concatenate([drawn(9, 1), drawn(1, 5), drawn(2, 1) * 90, drawn(1, 1) * 1e-6])
    scores, found = one_list(rows, ids).search(queries, k)
    np.testing.assert_allclose(scores, exact.search(queries, k)[0], rtol=1e-5, atol=1e-5)
    for query, values, some in zip(queries, scores, found, strict=True):
        keys = some[some >= 0]
        assert len(set(keys.tolist())) == len(keys) == min(k, len(rows))
        np.testing.assert_allclose(values[: len(keys)], exact.products(keys, query), atol=1e-4)


def test_of_equal_vectors_the_lower_ids_are_found(way):
    rows = np.repeat(drawn(1), 400, axis=0)
    ids = np.random.default_rng(3).permutation(400)
    assert one_list(rows, ids).search(drawn(1), 10)[1].tolist() == [list(range(10))]


def test_queries_that_are_none_find_nothing_or_anything(way):
    index = one_list(drawn(30))
    odd = np.full((1, DIMENSION), np.nan, np.float32)
    assert index.search(odd, 3)[1].tolist() == [[-1, -1, -1]]
    scores, ids = index.search(np.zeros((1, DIMENSION), np.float32), 3)
    assert scores.tolist() == [[0, 0, 0]]
    assert ids.tolist() == [[0, 1, 2]]
    assert index.search(drawn(2), 0)[0].shape == (2, 0)
    assert index.search(drawn(0), 4)[0].shape == (0, 4)
    empty = one_list(drawn(0))
    assert empty.search(drawn(1), 2)[1].tolist() == [[-1, -1]]


def test_lists_without_vectors_are_passed_by(way):
    rows = drawn(6)
    index = ProbedIndex(
        np.arange(6), rows, np.asarray([0, 0, 3, 3, 6]), np.repeat(rows[:1], 4, axis=0), 2
    )
    scores, ids = index.search(rows[:1], 6)
    assert set(ids[0].tolist()) <= {-1, 0, 1, 2}  # of four lists as near, the first two
    assert np.isfinite(scores[0]).sum() == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"starts": np.asarray([0, 4, 2, 6])}, {"starts": np.asarray([0, 2, 4, 7])},
        {"starts": np.asarray([1, 2, 4, 6])}, {"starts": np.asarray([0, 6])},
        {"ids": np.arange(5)}, {"centroids": drawn(3)[:, :4]}, {"probes": 4}, {"probes": 0},
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_refused(wrong):
    good = {
        "ids": np.arange(6), "rows": drawn(6), "starts": np.asarray([0, 2, 4, 6]),
        "centroids": drawn(3), "probes": 2,
    }  # fmt: skip
    ProbedIndex(**good)
    with pytest.raises(ValueError, match="fit"):
        ProbedIndex(**{**good, **wrong})


@pytest.mark.skipif(native.library is None, reason="no C compiler answered")
def test_c_refuses_what_would_lead_it_out_of_bounds():
    rows, ids = drawn(6), np.arange(6)
    starts, steps = np.asarray([0, 2, 6]), np.ones(6, np.float32)
    good = [
        drawn(2), drawn(2), starts, rows.astype(np.int8), steps, rows, ids,
        np.empty((2, 3), np.float32), np.empty((2, 3), np.int64), 3, 2, 0.1, 1.0,
    ]  # fmt: skip
    native.library.search_lists(*good)
    for place, wrong in (
        (0, drawn(2)[:, 1:].copy()), (1, drawn(1)), (2, np.asarray([0, 7, 6])),
        (2, np.asarray([0, -1, 6])), (2, np.asarray([0, 2, 7])), (3, rows[1:].astype(np.int8)),
        (4, steps[1:]), (5, rows[1:]), (6, ids[1:]), (7, np.empty(5, np.float32)),
        (8, np.empty(5, np.int64)), (9, 0), (9, 4), (10, 0), (10, 3),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="fit"):
            native.library.search_lists(*good[:place], wrong, *good[place + 1 :])
