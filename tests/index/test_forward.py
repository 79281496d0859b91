import numpy as np
import pytest

from index.forward import ForwardIndex

A, B, C, D, X = 1, 2, 3, 4, 9


def looked(documents, query, weights=None):
    index = ForwardIndex()
    index.add([np.asarray(document, np.int64) for document in documents])
    terms = np.asarray(query, np.int64)
    idf = np.asarray([(weights or {}).get(term, 1.0) for term in query], np.float64)
    return index.look(np.arange(len(documents)), terms, idf)


def test_opening_counts_each_term_of_the_first_twenty_once():
    late = [X] * 20 + [B]
    found = looked([[A, A, B], [A, *late], late], [A, B], {A: 3.0, B: 1.0})
    assert found.opening.tolist() == pytest.approx([1.0, 0.75, 0.0])


def test_window_wants_the_terms_in_one_place():
    near = [X] * 45 + [A, X, B]
    far = [A] + [X] * 60 + [B]
    # Ten terms on either side of a border of halves are still one place.
    across = [X] * 9 + [A, B]
    found = looked([near, far, across, [X]], [A, B])
    assert found.window.tolist() == pytest.approx([1.0, 0.5, 1.0, 0.0])


def test_adjacent_wants_the_order_of_the_query_and_counts_a_pair_once():
    found = looked([[A, B, X, A, B], [B, A], [A, X, B], [A, B, C]], [A, B, C])
    assert found.adjacent.tolist() == pytest.approx([2.0, 0.0, 0.0, 4.0])


def test_the_end_of_one_document_does_not_touch_the_next():
    assert looked([[A], [B]], [A, B]).adjacent.tolist() == [0.0, 0.0]


def test_flat_hardly_counts_repetition_and_length():
    found = looked([[A], [A] * 9, [A] + [X] * 30, [B]], [A])
    assert found.flat[3] == 0
    assert found.flat[1] < 2 * found.flat[0]
    assert found.flat[2] > 0.6 * found.flat[0]


def test_length_is_logarithmic():
    assert looked([[A] * 7, []], [A]).length.tolist() == pytest.approx([np.log(8), 0.0])


def test_a_removed_document_is_empty():
    index = ForwardIndex()
    index.add([np.asarray([A, B]), np.asarray([A])])
    index.remove(0)
    found = index.look(np.asarray([0, 1]), np.asarray([A]), np.ones(1))
    assert found.flat[0] == found.opening[0] == found.length[0] == 0
    assert found.flat[1] > 0


@pytest.mark.parametrize("query", [[], [D]])
def test_nothing_shared_is_zero(query):
    found = looked([[A, B], []], query)
    for values in (found.flat, found.opening, found.window, found.adjacent):
        assert values.tolist() == [0.0, 0.0]


def test_no_documents_to_look_at():
    index = ForwardIndex()
    assert len(index.look(np.empty(0, np.int64), np.asarray([A]), np.ones(1)).flat) == 0
