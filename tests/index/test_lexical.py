import time

import numpy as np
import pytest

from index import packed
from index.lexical import LexicalIndex
from index.packed import Packed, unpack
from index.selection import best_rows


def ids(*values):
    return np.asarray(values, np.int64)


def build(weighting="bm25"):
    index = LexicalIndex(weighting)
    index.add([ids(1, 2, 3), ids(2, 2, 4, 5), ids(6, 7), ids(1, 6)])
    return index


@pytest.fixture(params=["bm25", "cosine"])
def weighting(request):
    return request.param


def test_an_empty_index_finds_nothing(weighting):
    index = LexicalIndex(weighting)
    assert len(index) == 0
    assert index.scores(ids(1)).shape == (0,)
    rows, scores = index.search(ids(1), 5)
    assert len(rows) == len(scores) == 0


def test_an_empty_query_scores_zero(weighting):
    index = build(weighting)
    assert index.scores(ids()).tolist() == [0, 0, 0, 0]
    assert len(index.search(ids(), 3)[0]) == 0


def test_unknown_terms_score_zero(weighting):
    assert build(weighting).scores(ids(99, 98)).tolist() == [0, 0, 0, 0]


def test_k_may_be_larger_than_the_index_and_zero(weighting):
    index = build(weighting)
    assert set(index.search(ids(1, 2), 100)[0].tolist()) == {0, 1, 3}
    assert len(index.search(ids(1, 2), 0)[0]) == 0


def test_an_empty_document_is_allowed(weighting):
    index = LexicalIndex(weighting)
    index.add([ids(), ids(1)])
    assert index.scores(ids(1))[0] == 0
    assert index.scores(ids(1))[1] > 0


def test_batch_is_the_same_as_single(weighting):
    index = build(weighting)
    queries = [ids(1), ids(2, 5), ids()]
    for (rows, scores), query in zip(index.search_many(queries, 3), queries, strict=True):
        single = index.search(query, 3)
        assert rows.tolist() == single[0].tolist()
        assert scores.tolist() == single[1].tolist()


def test_a_removed_document_is_never_found_and_counts_no_more(weighting):
    index = build(weighting)
    index.scores(ids(1))
    index.remove([1, 1, 77, -5])
    assert len(index) == 3
    assert index.rows == 4
    assert 1 not in index.search(ids(2, 4, 5), 10)[0].tolist()
    fresh = LexicalIndex(weighting)
    fresh.add([ids(1, 2, 3), ids(6, 7), ids(1, 6)])
    query = ids(1, 2, 6)
    assert index.scores(query)[[0, 2, 3]] == pytest.approx(fresh.scores(query), rel=1e-6)


def test_a_document_can_go_before_it_was_ever_searched(weighting):
    index = build(weighting)
    index.remove([0])
    assert index.scores(ids(3)).tolist() == [0, 0, 0, 0]


def test_one_by_one_is_the_same_as_all_at_once(weighting):
    rng = np.random.default_rng(0)
    documents = [rng.integers(0, 50, 12) for _ in range(700)]
    whole, grown = LexicalIndex(weighting), LexicalIndex(weighting)
    whole.add(documents)
    for start in range(0, 700, 70):
        grown.add(documents[start : start + 70])
        grown.scores(ids(1))
    query = rng.integers(0, 50, 6)
    assert grown.scores(query) == pytest.approx(whole.scores(query), rel=1e-5)


def test_merges_lose_nothing(weighting):
    rng = np.random.default_rng(3)
    documents = [np.append(rng.zipf(1.4, 15) % 60, 1 << 40) for _ in range(900)]
    documents[7] = np.full(400, 5)
    index = LexicalIndex(weighting)
    for start in range(0, 900, 20):
        index.add(documents[start : start + 20])
        index.remove([start + 3])
        index.scores(ids(1))
    living = [row for row in range(900) if row % 20 != 3]
    fresh = LexicalIndex(weighting)
    fresh.add([documents[row] for row in living])
    query = np.append(rng.integers(0, 60, 8), 1 << 40)
    assert index.scores(query)[living] == pytest.approx(fresh.scores(query), rel=1e-4)
    assert index.scores(query)[3::20].tolist() == [0] * 45


def test_bm25_is_the_formula():
    index = LexicalIndex(k1=1.2, b=0.75)
    index.add([ids(1, 1, 2), ids(2, 3), ids(4)])
    idf = np.log(1 + (3 - 1 + 0.5) / (1 + 0.5))
    expected = idf * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 3 / 2))
    assert index.scores(ids(1))[0] == pytest.approx(expected, rel=1e-5)


def test_cosine_of_the_same_words_is_one_and_unknown_words_lower_it():
    index = build("cosine")
    assert index.scores(ids(3, 2, 1))[0] == pytest.approx(1, abs=1e-5)
    assert index.scores(ids(3, 2, 1, 99))[0] < 0.95


def test_it_survives_as_arrays(weighting):
    index = build(weighting)
    index.remove([2])
    again = LexicalIndex.from_arrays(index.to_arrays())
    query = ids(1, 2, 6, 7)
    assert again.scores(query) == pytest.approx(index.scores(query), rel=1e-6)
    again.add([ids(7)])
    assert again.search(ids(7), 1)[0].tolist() == [4]
    assert len(again) == 4


def test_ten_thousand_documents_take_well_under_a_millisecond():
    rng = np.random.default_rng(0)
    index = LexicalIndex()
    index.add([rng.zipf(1.3, 40) % 20_000 for _ in range(10_000)])
    query = rng.integers(20, 2000, 10)
    index.scores(query)
    started = time.process_time()
    for _ in range(100):
        index.scores(query)
    assert (time.process_time() - started) / 100 < 0.002


def test_scores_are_the_formula_s_over_common_and_rare_terms(weighting):
    rng = np.random.default_rng(5)
    index = LexicalIndex(weighting)
    # Terms below 40 stand in most documents.
    index.add([rng.zipf(1.2, 60) % 3000 for _ in range(6000)])
    index.add([ids(3, 3, 2999)])  # in the recent segment
    query = np.append(np.arange(1, 60), 2999)
    assert index.scores(query) == pytest.approx(formula(index, query), rel=1e-4)


def formula(index, query):
    """Scores from the saved postings, term by term."""
    arrays = index.to_arrays()
    segment = unpack(Packed.from_arrays(arrays), np.ones(index.rows, bool))
    rows, counts, starts = segment.rows, segment.counts.astype(float), segment.starts
    terms = np.repeat(arrays["vocabulary"], np.diff(starts))
    total, n = np.zeros(index.rows), index.rows
    if index.weighting == "bm25":
        lengths = arrays["lengths"].astype(float)
        norm = 1.2 * (0.25 + 0.75 * lengths / lengths.mean())
        for term in query:
            at = terms == term
            idf = np.log(1 + (n - at.sum() + 0.5) / (at.sum() + 0.5))
            total[rows[at]] += idf * 2.2 * counts[at] / (counts[at] + norm[rows[at]])
        return total
    df = np.repeat(np.diff(starts), np.diff(starts))
    weights = (1 + np.log(counts)) * (1 + np.log((1 + n) / (1 + df)))
    length = np.sqrt(np.bincount(rows, weights**2, minlength=n))
    asked = {t: 1 + np.log((1 + n) / (1 + (terms == t).sum())) for t in query.tolist()}
    for term, weight in asked.items():
        at = terms == term
        total[rows[at]] += weight * weights[at]
    return total / length / np.sqrt(sum(w * w for w in asked.values()))


@pytest.mark.parametrize("n", [0, 1, 63, 64, 6400, 10_001])
@pytest.mark.parametrize("k", [0, 1, 30, 200])
def test_the_best_rows_are_those_of_a_full_sort(n, k):
    scores = np.random.default_rng(n).integers(-3, 40, n).astype(np.float32)
    wanted = np.lexsort((np.arange(n), -scores))
    assert best_rows(scores, k).tolist() == [row for row in wanted.tolist() if scores[row] > 0][:k]


def test_rows_of_four_bytes_score_as_those_of_two(weighting, monkeypatch):
    """As from 65,536 documents on."""
    found = []
    for narrow in (1 << 16, 0):
        monkeypatch.setattr(packed, "_NARROW", narrow)
        rng = np.random.default_rng(6)
        index = LexicalIndex(weighting)
        index.add([rng.zipf(1.3, 40) % 900 for _ in range(500)])
        index.scores(ids(1))
        index.remove([3, 77, 499])
        index.add([ids(1, 1, 2)])
        again = LexicalIndex.from_arrays(index.to_arrays())
        assert again.to_arrays()["postings"].itemsize == (2 if narrow else 4)
        found.append([one.scores(ids(1, 2, 2, 44, 899)).tolist() for one in (index, again)])
    assert found[0] == found[1]
    assert found[0][0] == pytest.approx(found[0][1], rel=1e-5)
