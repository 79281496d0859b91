"""Profiles that fade: half after the half-life, at most so many tags, the weakest forgotten."""

import numpy as np
import pytest

from index.interests import HALF_LIFE_S, InterestTable

NOW = 1_800_000_000.0


@pytest.fixture
def table():
    return InterestTable(most=4)


def see(table, row, tags, at=NOW, source=1):
    seen = np.asarray(list(tags), np.int64), np.asarray(list(tags.values()), np.float32)
    table.observe(np.array([row]), np.array([at]), np.array([source]), [seen])


def seen(table, row, now=NOW):
    found = table.strongest(row, now)
    return dict(zip(found.tags.tolist(), found.weights.tolist(), strict=True))


def test_a_weight_halves(table) -> None:
    row = table.new()
    see(table, row, {1: 1.0})
    assert seen(table, row, NOW + HALF_LIFE_S) == {1: pytest.approx(0.5)}


def test_new_sights_add_up_with_what_is_left(table) -> None:
    row = table.new()
    see(table, row, {1: 1.0, 2: 0.4})
    see(table, row, {1: 1.0}, NOW + HALF_LIFE_S)
    assert seen(table, row, NOW + HALF_LIFE_S) == {1: pytest.approx(1.5), 2: pytest.approx(0.2)}


def test_a_sight_that_comes_late_counts_as_faded(table) -> None:
    row = table.new()
    see(table, row, {1: 1.0})
    see(table, row, {2: 1.0}, NOW - HALF_LIFE_S)
    assert seen(table, row) == {1: pytest.approx(1.0), 2: pytest.approx(0.5)}


def test_the_weakest_gives_way_and_only_to_a_stronger_one(table) -> None:
    row = table.new()
    see(table, row, {1: 0.4, 2: 0.3, 3: 0.2, 4: 0.1})
    see(table, row, {5: 0.25})
    assert list(seen(table, row)) == [1, 2, 5, 3]
    see(table, row, {6: 0.05})
    assert 6 not in seen(table, row)


def test_more_tags_than_fit_leave_the_strongest(table) -> None:
    row = table.new()
    see(table, row, {tag: tag / 10 for tag in range(1, 10)})
    assert list(seen(table, row)) == [9, 8, 7, 6]


def test_no_tags_change_nothing(table) -> None:
    row = table.new()
    see(table, row, {})
    assert len(table.strongest(row, NOW)) == 0


def test_each_tag_knows_what_gave_most_of_it_and_when(table) -> None:
    row = table.new()
    see(table, row, {1: 0.9}, source=7)
    see(table, row, {1: 0.2}, NOW + 60, source=8)
    found = table.strongest(row, NOW + 60)
    assert found.sources.tolist() == [7]
    assert found.last_at.tolist() == [NOW + 60]


def test_two_profiles_of_one_person_become_one(table) -> None:
    first, second = table.new(), table.new()
    see(table, first, {1: 1.0})
    see(table, second, {1: 1.0, 2: 0.5}, NOW + HALF_LIFE_S)
    table.merge(first, table.strongest(second, NOW + HALF_LIFE_S), NOW + HALF_LIFE_S)
    assert seen(table, first, NOW + HALF_LIFE_S) == {1: pytest.approx(1.5), 2: pytest.approx(0.5)}


def test_a_dropped_profile_leaves_nothing_to_the_next(table) -> None:
    rows = [table.new() for _ in range(100)]
    for row in rows:
        see(table, row, {row: 1.0})
    table.drop(rows[3])
    again = table.new()
    assert again == rows[3]
    assert seen(table, again) == {}
    assert seen(table, rows[4]) == {rows[4]: pytest.approx(1.0)}


def test_many_are_seen_at_once_as_one_by_one() -> None:
    rng = np.random.default_rng(3)
    together, singly = InterestTable(most=6), InterestTable(most=6)
    rows = np.array([together.new() for _ in range(8)])
    assert [singly.new() for _ in rows] == rows.tolist()
    for _ in range(20):
        seen = [
            (rng.permutation(12)[:size], rng.random(size).astype(np.float32))
            for size in rng.integers(0, 8, len(rows)).tolist()
        ]
        at, sources = NOW + rng.random(8) * HALF_LIFE_S, rng.integers(1, 9, 8)
        together.observe(rows, at, sources, seen)
        for n, row in enumerate(rows):
            one = slice(n, n + 1)
            singly.observe(np.array([row]), at[one], sources[one], seen[one])
    late = NOW + HALF_LIFE_S
    for row in rows.tolist():
        first, second = together.strongest(row, late), singly.strongest(row, late)
        assert len(first) == 6
        for name in ("tags", "weights", "last_at", "sources", "given"):
            assert getattr(first, name).tolist() == getattr(second, name).tolist(), name


def test_several_sights_of_one_profile_add_up_and_its_strongest_source_is_kept() -> None:
    together, singly = InterestTable(most=6), InterestTable(most=6)
    row = together.new()
    assert singly.new() == row
    sights = [
        ({1: 0.5, 2: 0.2}, NOW, 7), ({1: 0.9}, NOW - HALF_LIFE_S, 8), ({1: 0.3, 3: 1.0}, NOW, 9),
    ]  # fmt: skip
    seen = [
        (np.asarray(list(tags), np.int64), np.asarray(list(tags.values()), np.float32))
        for tags, _, _ in sights
    ]
    at, sources = np.array([one[1] for one in sights]), np.array([one[2] for one in sights])
    together.observe(np.full(3, row), at, sources, seen)
    for place in (1, 0, 2):
        one = slice(place, place + 1)
        singly.observe(np.array([row]), at[one], sources[one], seen[one])
    first, second = together.strongest(row, NOW), singly.strongest(row, NOW)
    assert first.tags.tolist() == second.tags.tolist() == [1, 3, 2]
    assert first.weights == pytest.approx([0.5 + 0.45 + 0.3, 1.0, 0.2])
    assert first.weights == pytest.approx(second.weights)
    assert first.sources.tolist() == second.sources.tolist() == [7, 9, 7]
    assert first.last_at.tolist() == second.last_at.tolist() == [NOW, NOW, NOW]
