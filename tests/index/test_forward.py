from itertools import pairwise

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


def test_coverage_is_the_share_of_what_the_query_says_in_the_whole_text():
    long = [X] * 5000 + [B]
    found = looked([[A, A], long, [A, X, B], [X], []], [A, B, 7], {A: 2.0, B: 1.0, 7: 1.0})
    assert found.coverage.tolist() == pytest.approx([0.5, 0.25, 0.75, 0.0, 0.0])
    # All else looks at the beginning.
    assert found.window[1] == found.flat[1] == 0
    assert found.length[1] == pytest.approx(np.log(601))


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


def plainly(document, query, idf, mean):
    """The formulas, term by term: coverage, flat, opening, window, adjacent."""
    weight = dict(zip(query, idf, strict=True))
    mass = sum(weight.values())
    text = document[:600]

    def share(part):
        return sum(weight[t] for t in set(part) & weight.keys()) / mass

    norm = 0.6 * (0.8 + 0.2 * len(text) / mean)
    flat = sum(1.6 * w * text.count(t) / (text.count(t) + norm) for t, w in weight.items())
    halves = [text[at : at + 10] for at in range(0, len(text), 10)]
    windows = [a + b for a, b in pairwise(halves)] + halves
    pairs = set(pairwise(text)) & set(pairwise(query))
    return (
        share(document), flat, share(text[:20]), max(map(share, windows), default=0.0),
        sum(weight[a] + weight[b] for a, b in pairs),
    )  # fmt: skip


def test_all_documents_at_once_are_as_each_by_itself():
    rng = np.random.default_rng(4)
    documents = [(rng.zipf(1.5, int(n)) * 4096 % 65537).tolist() for n in rng.integers(0, 900, 60)]
    words = documents[0] + documents[1] + [4096 * 3, 3, 65538]
    query = [words[at] for at in rng.integers(0, len(words), 14)]
    weights = {term: float(rng.random()) for term in query}
    mean = sum(min(len(d), 600) for d in documents) / len(documents)
    found = looked(documents, query, weights)
    idf = [weights[term] for term in query]
    expected = np.asarray([plainly(d, query, idf, mean) for d in documents])
    for column, name in enumerate(("coverage", "flat", "opening", "window", "adjacent")):
        assert getattr(found, name) == pytest.approx(expected[:, column], abs=1e-5), name
