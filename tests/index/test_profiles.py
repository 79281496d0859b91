"""The index of items by tags: changes count at once, and the numpy way gives the same."""

import numpy as np
import pytest

from index import native
from index.profiles import Item, ProfileIndex


def item(key, tags, section=0):
    return Item(
        key,
        np.asarray(list(tags), np.int64),
        np.asarray(list(tags.values()), np.float32),
        section,
    )


def search(index, tags, k=10, **how):
    ids = np.asarray(list(tags), np.int64)
    return index.search(ids, np.asarray(list(tags.values()), np.float32), k, **how)


@pytest.fixture(params=["compiled", "numpy"])
def index(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(native, "library", None)
    return ProfileIndex()


def test_the_best_share_most_weight(index) -> None:
    index.put([item(1, {10: 1.0, 11: 0.5}), item(2, {10: 0.5}), item(3, {12: 1.0})])
    found = search(index, {10: 1.0, 11: 1.0})
    assert [key for key, _ in found] == [1, 2]
    assert found[0][1] == pytest.approx(1.5, rel=0.02)


def test_strengths_keep_their_order_and_size_in_a_byte(index) -> None:
    strengths = np.geomspace(0.012, 3.9, 60)
    index.put([item(number, {5: value}) for number, value in enumerate(strengths)])
    tags = np.asarray([5, 6])
    found = [index.strengths(number, tags) for number in range(60)]
    assert np.allclose([one[0] for one in found[:60]], strengths, rtol=0.013)
    assert all(one[1] == 0 for one in found)


def test_an_edit_counts_at_once(index) -> None:
    index.put([item(1, {10: 1.0})])
    assert search(index, {10: 1.0})
    index.put([item(1, {11: 1.0})])
    assert not search(index, {10: 1.0})
    assert [key for key, _ in search(index, {11: 1.0})] == [1]
    assert len(index) == 1


def test_a_removal_counts_at_once(index) -> None:
    index.put([item(1, {10: 1.0}), item(2, {10: 0.9})])
    index.remove([1, 77])
    assert [key for key, _ in search(index, {10: 1.0})] == [2]
    assert 1 not in index


def test_of_equal_keys_the_last_counts(index) -> None:
    index.put([item(1, {10: 1.0}), item(1, {11: 1.0})])
    assert not search(index, {10: 1.0})
    assert len(index) == 1


def test_sections_take_turns_while_others_are_left(index) -> None:
    index.put([item(n, {10: 1.0 - n / 100}, section=1) for n in range(5)])
    index.put([item(n, {10: 0.3}, section=n) for n in (10, 11)])
    assert [key for key, _ in search(index, {10: 1.0}, 4, of_section=2)] == [0, 1, 10, 11]
    assert [key for key, _ in search(index, {10: 1.0}, 6, of_section=2)] == [0, 1, 10, 11, 2, 3]


def test_what_is_left_out_is_not_found(index) -> None:
    index.put([item(n, {10: 1.0}) for n in range(4)])
    assert [key for key, _ in search(index, {10: 1.0}, 2, leave_out=[0, 2, 99])] == [1, 3]


def test_nothing_shared_nothing_found(index) -> None:
    assert search(index, {1: 1.0}) == []
    index.put([item(1, {})])
    assert search(index, {}) == []
    assert search(index, {1: 1.0}) == []


def test_many_changes_give_what_a_new_index_gives(index) -> None:
    generator = np.random.default_rng(3)
    living: dict[int, Item] = {}
    for _ in range(900):
        key = int(generator.integers(0, 400))
        if generator.random() < 0.2:
            index.remove([key])
            living.pop(key, None)
            continue
        tags = generator.choice(60, int(generator.integers(0, 8)), replace=False)
        one = item(key, {int(t): float(generator.uniform(0.1, 2)) for t in tags}, key % 7)
        index.put([one])
        living[key] = one
    fresh = ProfileIndex()
    fresh.put(list(living.values()))
    assert len(index) == len(fresh) == len(living)
    for _ in range(20):
        tags = {int(t): 1.0 for t in generator.choice(60, 5, replace=False)}
        mine, other = dict(search(index, tags, 400)), dict(search(fresh, tags, 400))
        assert mine.keys() == other.keys()
        assert [mine[key] for key in other] == pytest.approx(list(other.values()), rel=1e-4)
        asked = np.asarray(sorted(tags), np.int64)
        for key in list(other)[:3]:
            own, other_own = index.strengths(key, asked), fresh.strengths(key, asked)
            assert np.allclose(own, other_own, rtol=0.025)
