"""Rows that are nearly the same are found, others are not, and many equal ones stay cheap."""

import time

import numpy as np

from index.near import groups, near_any, near_pairs


def rows(*sets):
    return [np.array(sorted(ids), np.int64) for ids in sets]


def test_alike_rows_are_found_with_their_likeness():
    found = near_pairs(rows(range(20), range(1, 21), range(100, 120), []), 0.8)
    assert [(pair.first, pair.second, round(pair.likeness, 3)) for pair in found] == [
        (0, 1, round(19 / 21, 3))
    ]


def test_nothing_is_missed_that_exact_comparison_finds():
    rng = np.random.default_rng(3)
    base = [set(rng.integers(0, 5_000, 60).tolist()) for _ in range(60)]
    near = [set(sorted(ids)[: len(ids) - 5]) for ids in base]
    found = {(pair.first, pair.second) for pair in near_pairs(rows(*base, *near), 0.85)}
    assert found == {(i, i + 60) for i in range(60)}


def test_empty_input():
    assert near_pairs([], 0.5) == []
    assert near_pairs(rows([], []), 0.5) == []


def test_what_is_near_any_known_row_is_found_and_nothing_else():
    rng = np.random.default_rng(4)
    known = [set(rng.integers(0, 5_000, 60).tolist()) for _ in range(80)]
    near = [set(sorted(ids)[: len(ids) - 5]) for ids in known[:40]]
    other = [set(rng.integers(0, 5_000, 60).tolist()) for _ in range(40)]
    assert near_any(rows(*near, [], *other), rows(*known, []), 0.85) == set(range(40))
    assert near_any(rows(*near), [], 0.85) == near_any([], rows(*known), 0.85) == set()


def test_a_thousand_equal_rows_make_a_chain():
    started = time.process_time()
    found = near_pairs(rows(*[range(30)] * 1_000), 0.9, most_alike=2)
    assert time.process_time() - started < 3
    assert len(found) < 2_000
    joined = groups((pair.first, pair.second) for pair in found)
    assert set(joined.values()) == {0}
    assert len(joined) == 1_000
