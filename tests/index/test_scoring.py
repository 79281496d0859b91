import numpy as np
import pytest

from index import native, scoring
from index.lexical import LexicalIndex
from index.postings import build_segment


@pytest.fixture(params=["c", "numpy"])
def way(request, monkeypatch):
    """Both ways to score: what was compiled, and what there is without a compiler."""
    if request.param == "numpy":
        monkeypatch.setattr(native, "library", None)
    elif not scoring.compiled():
        pytest.skip("no C compiler answered when the package was installed: index._native lacks")
    return request.param


def postings(documents=3000, seed=0):
    rng = np.random.default_rng(seed)
    return build_segment(range(documents), [rng.zipf(1.3, 30) % 500 for _ in range(documents)])


def by_hand(segment, where, factors, norms, levels):
    total = np.zeros(len(norms))
    for place, factor in zip(where.tolist(), factors.tolist(), strict=True):
        for at in range(segment.starts[place], segment.starts[place + 1]):
            row, count = segment.rows[at], float(segment.counts[at])
            said = (
                count / (count + norms[row]) if levels is None else levels[int(count)] * norms[row]
            )
            total[row] += factor * said
    return total


@pytest.mark.parametrize("levelled", [False, True])
def test_every_posting_counts(way, levelled):
    segment = postings()
    rng = np.random.default_rng(1)
    where = rng.permutation(len(segment.vocabulary))[:20].astype(np.int64)
    factors = rng.random(20, np.float32)
    norms = rng.random(3000, np.float32) + 0.5
    levels = np.log1p(np.arange(256, dtype=np.float32)) if levelled else None
    total = np.zeros(3000, np.float32)
    scoring.add_scores(total, segment, where, factors=factors, norms=norms, levels=levels)
    assert total == pytest.approx(by_hand(segment, where, factors, norms, levels), rel=1e-4)
    before = total.copy()
    none = np.empty(0, np.int64)
    scoring.add_scores(total, segment, none, factors=factors[:0], norms=norms, levels=levels)
    assert (total == before).all()


def test_a_removed_document_scores_nothing(way):
    index = LexicalIndex()
    index.add([np.asarray([1, 2], np.int64)] * 2500)
    index.remove([7])
    scores = index.scores(np.asarray([1], np.int64))
    assert scores[7] == 0
    assert (np.delete(scores, 7) > 0).all()


def test_arrays_that_do_not_fit_are_refused(way):
    segment = postings(100)
    where, factors = np.zeros(1, np.int64), np.ones(1, np.float32)
    if way == "c":
        for norms, weights in ((np.ones(99), factors), (np.ones(100), np.ones(2, np.float32))):
            with pytest.raises(ValueError, match=r"one length|every term"):
                scoring.add_scores(
                    np.zeros(100, np.float32), segment, where,
                    factors=weights, norms=norms.astype(np.float32),
                )  # fmt: skip
    with pytest.raises(ValueError, match="do not fit"):
        scoring.best_of_groups(np.ones(3, np.float32), np.asarray([0, 4], np.int64))


def test_a_row_out_of_range_is_passed_by():
    if not scoring.compiled():
        pytest.skip("no C compiler answered when the package was installed: index._native lacks")
    segment = postings(100)
    segment.rows[0] = 2_000_000
    segment.rows[1] = -5
    where = np.zeros(1, np.int64)
    total = np.zeros(100, np.float32)
    ones = np.ones(100, np.float32)
    scoring.add_scores(total, segment, where, factors=ones[:1], norms=ones)
    assert np.isfinite(total).all()
    assert (total > 0).sum() == segment.starts[1] - 2


def test_the_best_of_each_group(way):
    values = np.asarray([0.5, 0.2, 0.0, 0.9, 0.1], np.float32)
    starts = np.asarray([0, 2, 2, 3, 5, 5], np.int64)
    assert scoring.best_of_groups(values, starts).tolist() == pytest.approx([0.5, 0, 0, 0.9, 0])
    nothing = scoring.best_of_groups(values[:0], np.zeros(1, np.int64))
    assert nothing.shape == (0,)
