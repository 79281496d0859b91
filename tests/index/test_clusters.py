"""Groups in which every member is alike to every other."""

import numpy as np

from index.clusters import complete_link, medoid, nearest_group


def unit(*angles):
    radians = np.radians(angles)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def test_a_chain_is_not_a_group():
    """Neighbours are alike, the ends are not: single linkage would join all four."""
    found = complete_link(unit(0, 20, 40, 60), np.cos(np.radians(25)))
    assert sorted(map(len, found)) == [2, 2]


def test_every_pair_of_a_group_is_alike():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(80, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = complete_link(vectors, 0.6)
    assert sorted(row for rows in found for row in rows) == list(range(80))
    assert all((vectors[rows] @ vectors[rows].T).min() >= 0.6 - 1e-6 for rows in found)
    assert [len(rows) for rows in found] == sorted((len(rows) for rows in found), reverse=True)


def test_no_rows_and_rows_of_zeros_stay_alone():
    assert complete_link(np.zeros((0, 3), np.float32), 0.5) == []
    assert complete_link(np.zeros((2, 3), np.float32), 0.5) == [[0], [1]]


def test_a_new_row_joins_the_group_that_it_fits_wholly():
    groups = [unit(0, 10), unit(30, 80)]
    assert nearest_group(unit(8)[0], groups, 0.9) == 0
    assert nearest_group(unit(50)[0], groups, 0.9) is None


def test_medoid_is_the_middle():
    assert medoid(unit(0, 30, 35, 90)) == 2
