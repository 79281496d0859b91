import numpy as np
import pytest

from index.openings import OpeningIndex

A, B, X = 1, 2, 9


def looked(documents, query, weights=None):
    index = OpeningIndex()
    index.add([np.asarray(document, np.int64) for document in documents])
    terms = np.asarray(sorted(query), np.int64)
    idf = np.asarray([(weights or {}).get(term, 1.0) for term in sorted(query)], np.float64)
    return index.look(np.arange(len(documents)), terms, idf)


def test_shares_are_of_the_querys_mass_and_count_a_term_once():
    found = looked([[A, A, X], [X, A, B], [X], []], [A, B], {A: 3.0, B: 1.0})
    assert found.opening.tolist() == pytest.approx([0.75, 1.0, 0.0, 0.0])
    assert found.coverage.tolist() == pytest.approx([0.75, 1.0, 0.0, 0.0])


def test_each_share_reads_as_far_as_it_says():
    # Repeats count in how far is read.
    documents = [[X] * before + [A] for before in (79, 80, 299, 300, 599, 600)]
    found = looked(documents, [A])
    assert (found.head > 0).tolist() == [True] + [False] * 5
    assert found.opening.tolist() == [1, 1, 1, 0, 0, 0]
    assert found.coverage.tolist() == [1, 1, 1, 1, 1, 0]


def test_a_head_that_is_all_in_the_query_counts_more():
    long = [A, *range(100, 115)]
    found = looked([[A], long], [A])
    assert found.head.tolist() == pytest.approx([1.0, 0.25])


def test_a_removed_document_shares_nothing():
    index = OpeningIndex()
    index.add([np.asarray([A, B]), np.asarray([A])])
    index.remove(0)
    found = index.look(np.asarray([0, 1]), np.asarray([A]), np.ones(1))
    for values in (found.head, found.opening, found.coverage):
        assert values.tolist() == pytest.approx([0.0, 1.0])


@pytest.mark.parametrize("query", [[], [B]])
def test_nothing_shared_is_zero(query):
    found = looked([[A], []], query)
    for values in (found.head, found.opening, found.coverage):
        assert values.tolist() == [0.0, 0.0]


def test_documents_added_later_keep_their_own_cuts():
    index = OpeningIndex()
    index.add([np.asarray([A] * 90 + [B])])
    index.add([np.asarray([B, A])])
    found = index.look(np.asarray([1, 0]), np.asarray([B]), np.ones(1))
    assert found.head.tolist() == pytest.approx([1 / np.sqrt(2), 0.0])
