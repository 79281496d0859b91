import importlib
import importlib.util

import numpy as np
import pytest

from index.ann import Device, FaissIndex, choose_device, open_index
from index.vectors import ExactIndex

DIMENSION = 16
HAS_FAISS = importlib.util.find_spec("faiss") is not None


def exact():
    return ExactIndex(DIMENSION)


def flat():
    return FaissIndex(DIMENSION)


def inverted():
    return FaissIndex(DIMENSION, flat_up_to=50)


def on_gpu_or_fallen_back():
    return FaissIndex(DIMENSION, gpu=True, gpu_from=1)


KINDS = [exact, *([flat, inverted, on_gpu_or_fallen_back] if HAS_FAISS else [])]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def make(request):
    return request.param


def unit(n, seed=0):
    rows = np.random.default_rng(seed).standard_normal((n, DIMENSION)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def filled(make, n=200):
    index = make()
    index.add(np.arange(n) * 10, unit(n))
    return index


def test_what_is_not_a_vector_is_refused(make):
    index = make()
    with pytest.raises(ValueError, match="shape"):
        index.add(np.asarray([1]), np.zeros((1, 3), np.float32))
    with pytest.raises(ValueError, match="shape"):
        index.add(np.asarray([1, 2]), unit(1))
    with pytest.raises(ValueError, match="finite"):
        index.add(np.asarray([1]), np.full((1, DIMENSION), np.nan, np.float32))
    assert len(index) == 0


def test_an_empty_index_gives_places_without_ids(make):
    scores, found = make().search(unit(2), 3)
    assert found.tolist() == [[-1] * 3] * 2
    assert np.isneginf(scores).all()


def test_no_queries_and_no_places(make):
    index = filled(make)
    assert index.search(np.zeros((0, DIMENSION), np.float32), 3)[1].shape == (0, 3)
    assert index.search(unit(2), 0)[1].shape == (2, 0)


def test_k_larger_than_the_index(make):
    index = filled(make, 4)
    scores, found = index.search(unit(1), 9)
    assert sorted(found[0].tolist()) == [-1] * 5 + [0, 10, 20, 30]
    assert np.isneginf(scores[0, 4:]).all()


def test_a_stored_vector_finds_itself_best_first(make):
    index = filled(make)
    scores, found = index.search(unit(200), 5)
    assert found[:, 0].tolist() == (np.arange(200) * 10).tolist()
    assert scores[:, 0] == pytest.approx(1, abs=1e-5)
    assert (np.diff(scores, axis=1) <= 1e-6).all()


def test_batch_is_the_same_as_single(make):
    index = filled(make)
    queries = unit(20, seed=1)
    together = index.search(queries, 7)[1]
    alone = [index.search(query[None], 7)[1][0].tolist() for query in queries]
    assert together.tolist() == alone


def test_a_removed_id_is_never_found(make):
    index = filled(make)
    index.search(unit(1), 1)
    index.remove(np.asarray([0, 0, 30, 999]))
    assert len(index) == 198
    found = index.search(unit(200), 200)[1]
    assert not np.isin([0, 30], found).any()
    assert index.vectors(np.asarray([0, 10]))[0].tolist() == [0] * DIMENSION


def test_everything_removed_is_empty_again(make):
    index = filled(make, 60)
    index.search(unit(1), 1)
    index.remove(np.arange(60) * 10)
    assert index.search(unit(1), 2)[1].tolist() == [[-1, -1]]
    index.add(np.asarray([7]), unit(1))
    assert index.search(unit(1), 1)[1].tolist() == [[7]]


def test_an_addition_is_found_at_once_and_a_known_id_is_replaced(make):
    index = filled(make)
    index.search(unit(1), 1)
    fresh = unit(2, seed=5)
    index.add(np.asarray([5, 10]), fresh)
    assert len(index) == 201
    assert index.search(fresh, 1)[1][:, 0].tolist() == [5, 10]
    assert 10 not in index.search(unit(2)[1:], 1)[1].tolist()[0]
    index.add(np.asarray([5, 5]), fresh)
    assert index.search(fresh[1:], 200)[1].tolist()[0].count(5) == 1


def test_vectors_come_back(make):
    index = filled(make)
    assert index.vectors(np.asarray([20, -3])) == pytest.approx(
        np.stack([unit(200)[2], np.zeros(DIMENSION)])
    )
    asked, ids = unit(1, seed=4)[0], np.asarray([20, -3, 1990, 7])
    assert index.products(ids, asked) == pytest.approx(index.vectors(ids) @ asked, abs=1e-6)


@pytest.mark.skipif(not HAS_FAISS, reason="faiss is not installed: threads are its own")
def test_one_query_wakes_no_threads_and_many_may():
    faiss = importlib.import_module("faiss")
    threads = []

    class Searched:
        def search(self, queries, k):
            threads.append((len(queries), faiss.omp_get_max_threads()))
            return np.zeros((len(queries), k), np.float32), np.zeros((len(queries), k), np.int64)

    index, before = filled(flat), faiss.omp_get_max_threads()
    try:
        faiss.omp_set_num_threads(3)
        index.search(unit(1), 1)
        index._built = Searched()
        index.search(unit(1), 1)
        index.search(unit(64), 1)
        assert threads == [(1, 1), (64, 3)]
    finally:
        faiss.omp_set_num_threads(before)


def test_growth_keeps_everything_findable(make):
    index = make()
    rows = unit(600)
    for start in range(0, 600, 40):
        index.add(np.arange(start, start + 40), rows[start : start + 40])
        index.search(rows[:1], 1)
    assert np.mean(index.search(rows, 1)[1][:, 0] == np.arange(600)) > 0.99


def test_the_exact_index_survives_as_arrays():
    index = filled(exact)
    index.remove(np.asarray([30]))
    again = ExactIndex.from_arrays(index.to_arrays())
    assert again.search(unit(5), 4)[1].tolist() == index.search(unit(5), 4)[1].tolist()


@pytest.mark.skipif(not HAS_FAISS, reason="FAISS is not installed")
def test_the_inverted_file_is_tuned_to_its_own_vectors():
    rng = np.random.default_rng(3)
    centres = rng.standard_normal((40, DIMENSION))
    rows = centres[rng.integers(0, 40, 4000)] + 0.4 * rng.standard_normal((4000, DIMENSION))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    index = FaissIndex(DIMENSION, flat_up_to=1000)
    index.add(np.arange(4000), rows)
    truth = exact()
    truth.add(np.arange(4000), rows)
    queries = rows[::40]
    found, wanted = index.search(queries, 10)[1], truth.search(queries, 10)[1]
    shared = [len(set(a) & set(b)) for a, b in zip(found.tolist(), wanted.tolist(), strict=True)]
    assert index.recall >= 0.97
    assert np.mean(shared) / 10 >= 0.95
    assert index.probes >= 1


@pytest.mark.skipif(not HAS_FAISS, reason="FAISS is not installed")
def test_a_gpu_that_fails_leaves_the_cpu_serving_and_says_so():
    index = filled(on_gpu_or_fallen_back)
    assert index.search(unit(3), 1)[1][:, 0].tolist() == [0, 10, 20]
    assert index.on_gpu or "GPU" in index.problem


@pytest.mark.parametrize("asked", ["auto", "cpu", "gpu"])
def test_the_device_comes_with_a_reason(asked):
    index, device = open_index(DIMENSION, asked)
    assert isinstance(device, Device)
    assert device == choose_device(asked)
    assert device.name in {"cpu", "gpu"}
    assert len(device.reason) > 10
    index.add(np.asarray([1]), unit(1))
    assert index.search(unit(1), 1)[1].tolist() == [[1]]


def test_without_faiss_the_exact_index_serves(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "faiss" else found(name)
    )
    index, device = open_index(DIMENSION, "gpu")
    assert isinstance(index, ExactIndex)
    assert device.name == "cpu"
    assert "not installed" in device.reason
