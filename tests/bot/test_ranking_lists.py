import numpy as np
import pytest

from bot.candidates import FEATURES
from bot.entries import KnowledgeItem
from bot.learning.questions import Asked, merge_questions, same_answers
from bot.learning.ranking_lists import all_asked_once, draw_folds, out_of_fold

ITEMS = [
    KnowledgeItem(1, "Откройте профиль и смените пароль."),
    KnowledgeItem(2, "Деньги вернутся на карту."),
    KnowledgeItem(3, "деньги  вернутся на карту."),
    KnowledgeItem(4, "Money comes back to the card.", twin_id=2),
]
ASKED = [
    Asked("забыл пароль от входа", frozenset({1})),
    Asked("не помню пароль", frozenset({1})),
    Asked("верните деньги за заказ", frozenset({2})),
    Asked("деньги за заказ назад", frozenset({2})),
]


def listed(asked=ASKED, folds=(0, 1, 0, 1)):
    told = []
    return out_of_fold(
        ITEMS,
        asked,
        np.asarray(folds),
        lambda known, held: told.append((known, held)),
        seed=0,
        tell=lambda stage, share: None,
    ), told


def test_equal_questions_become_one_with_all_right_answers():
    questions = [("Забыл пароль", 1), (" ", 2), ("забыл  пароль", 2), ("другое", 3)]
    merged = merge_questions(questions, [None] * 4)
    assert [(one.text, sorted(one.right)) for one in merged] == [
        ("Забыл пароль", [1, 2]),
        ("другое", [3]),
    ]


def test_pools_of_equal_questions_join_unless_one_was_asked_of_all():
    questions = [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
    merged = merge_questions(questions, [{1, 5}, (2, 5), [1], None])
    assert merged[0].pool.tolist() == [1, 2, 5]
    assert merged[1].pool is None


def test_articles_that_were_all_asked_for_once_are_recognised():
    items = [KnowledgeItem(i, f"Ответ {i}.") for i in range(40)]
    once = [Asked(f"вопрос {i}", frozenset({i})) for i in range(40)]
    assert all_asked_once(items, once)
    assert not all_asked_once(items, once[:30])  # some were never asked for
    twice = [Asked(f"ещё вопрос {i}", frozenset({i})) for i in range(30)]
    assert not all_asked_once(items, once + twice)
    known = [KnowledgeItem(i, f"Ответ {i}.", questions=("давно спросили",)) for i in range(40)]
    assert not all_asked_once(known, once)


@pytest.mark.parametrize(("count", "parts"), [(60, 5), (1500, 3)])
def test_folds_share_all_questions_evenly(count, parts):
    sizes = np.bincount(draw_folds(count, seed=0))
    assert len(sizes) == parts
    assert sizes.min() >= count // parts


@pytest.mark.parametrize(("count", "held"), [(3000, 1000), (200_000, 1800)])
def test_of_many_questions_one_bounded_part_is_held_out(count, held):
    folds = draw_folds(count, seed=0)
    assert set(folds.tolist()) == {-1, 0}
    assert (folds == 0).sum() == held


def test_a_model_is_not_told_what_is_held_out():
    _, told = listed()
    for known, held in told:
        assert held
        assert not {one.text for one in known} & held


def test_a_question_does_not_find_itself_among_past_questions():
    (lists, rows, _), _ = listed()
    assert rows.tolist() == [0, 1, 2, 3]
    level = lists.features[:, FEATURES.index("past_level")]
    # Its like from the other fold is found, itself would give 1.
    assert 0.2 < level.max() < 0.9


def test_twins_and_articles_of_equal_text_are_right_too():
    same = same_answers(ITEMS)
    assert same[2] == same[3] == {2, 3}
    assert same[4] == {2, 4}
    (lists, _, _), _ = listed()
    right = np.split(lists.right, np.cumsum(lists.sizes)[:-1])
    assert right[2].sum() == 2


def test_a_pool_is_all_that_is_listed():
    pooled = [Asked(one.text, one.right, np.asarray([2, 3], np.int32)) for one in ASKED]
    (lists, _, _), _ = listed(pooled)
    assert (lists.sizes <= 2).all()
    right = np.split(lists.right, np.cumsum(lists.sizes)[:-1])
    assert [part.any() for part in right] == [False, False, True, True]
