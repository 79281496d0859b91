import time

import numpy as np
import pytest

from bot.candidates import FEATURES, RANKERS, CandidateIndex
from bot.entries import KnowledgeItem
from nlp.train.ranker import EncoderSettings, fit_encoder

ITEMS = (
    KnowledgeItem(
        1,
        "Откройте профиль и нажмите «Сменить пароль».",
        title="Смена пароля",
        category="account",
        language="ru",
        questions=("забыл пароль", "как поменять пароль от входа"),
    ),
    KnowledgeItem(
        2,
        "Деньги возвращаются на карту за пять дней.",
        category="money",
        language="ru",
        questions=("верните деньги за заказ",),
    ),
    KnowledgeItem(
        3,
        "The parcel is delivered within a week.",
        category="delivery",
        language="en",
        questions=("where is my parcel",),
    ),
    KnowledgeItem(4, "Курьер звонит за час.", category="delivery", language="ru"),
)


def trained_encoder():
    pairs = [(q, i) for i, item in enumerate(ITEMS) for q in (item.title, *item.questions) if q]
    settings = EncoderSettings(dimension=16, epochs=8, rare=1, translation_from=3)
    return fit_encoder([item.text for item in ITEMS], pairs, settings)


@pytest.fixture(params=["cold", "trained"])
def index(request):
    index = CandidateIndex(trained_encoder() if request.param == "trained" else None)
    index.put(ITEMS)
    return index


def column(candidates, name):
    return candidates.features[:, FEATURES.index(name)]


@pytest.mark.parametrize("text", ["", " ", "\U0001f600", "\ud800", "?!", "\x00"])
def test_text_without_words_has_no_candidates(index, text):
    found = index.search(text)
    assert found.answer_ids == ()
    assert found.features.shape == (0, len(FEATURES))


@pytest.mark.parametrize("text", ["a", "парольпароль" * 900, "слово " * 3000])
def test_any_text_has_a_defined_result(index, text):
    found = index.search(text)
    assert len(found.answer_ids) == len(found.features) == len(found.matched_questions)
    assert np.isfinite(found.features).all()


def test_an_empty_index_has_no_candidates():
    assert CandidateIndex().search("пароль").answer_ids == ()


def test_the_right_article_comes_first_with_its_past_question(index):
    found = index.search("не помню пароль, забыл")
    assert found.answer_ids[0] == 1
    assert found.matched_questions[0] == "забыл пароль"
    assert len(set(found.answer_ids)) == len(found.answer_ids)


def test_a_title_counts_as_a_past_question(index):
    found = index.search("смена пароля")
    assert found.matched_questions[0] == "Смена пароля"
    assert column(found, "past_level")[0] == pytest.approx(1, abs=1e-4)


def test_no_more_than_top_by_the_fixed_sum():
    index = CandidateIndex()
    index.put([KnowledgeItem(i, f"пароль номер {i}") for i in range(100)])
    assert len(index.search("пароль", 7).answer_ids) == 7
    assert index.search("пароль", 0).answer_ids == ()


def test_among_limits_the_search(index):
    assert set(index.search("забыл пароль", among={2, 3, 77}).answer_ids) == {2, 3}
    assert index.search("забыл пароль", among=()).answer_ids == ()
    assert index.search("забыл пароль", among=None).answer_ids[0] == 1


def test_past_questions_of_others_do_not_crowd_out_what_words_find():
    asked = [KnowledgeItem(i, f"Ответ номер {i}.", questions=("верните деньги",)) for i in range(9)]
    index = CandidateIndex()
    index.put([*asked, KnowledgeItem(50, "Вернуть деньги можно в профиле.")])
    assert 50 in index.search("верните деньги", 3).answer_ids


def test_without_an_encoder_its_features_are_zero():
    index = CandidateIndex()
    index.put(ITEMS)
    found = index.search("забыл пароль")
    for name in ("dense", "dense_past", "translation", "dense_level"):
        assert (column(found, name) == 0).all()
    assert "no encoder" in index.device.reason


def test_with_an_encoder_they_are_not():
    index = CandidateIndex(trained_encoder())
    index.put(ITEMS)
    found = index.search("забыл пароль")
    for name in ("dense", "dense_past", "translation", "dense_level"):
        assert column(found, name)[0] > 0


def test_every_ranker_has_its_two_features():
    assert len(FEATURES) == len(set(FEATURES))
    assert all(name in FEATURES and f"{name}_lead" in FEATURES for name in RANKERS)


def test_the_beginning_of_an_article_is_read_by_its_spelling():
    index = CandidateIndex()
    late = "Наш курьер приедет к вам завтра и привезет заказ. " * 9
    index.put([
        KnowledgeItem(1, "Возвращаем деньги за три дня. " + late),
        KnowledgeItem(2, late + "Возвращаем деньги за три дня."),
    ])  # fmt: skip
    # No word stands there in this form, and no stem.
    found = index.search("возвратите денежку")
    assert found.answer_ids[0] == 1
    for name in ("char_head", "char_opening", "char_coverage"):
        first, second = column(found, name).tolist()
        assert first > second == 0.0, name


def test_the_more_past_questions_the_less_the_beginning_tells(index):
    bare = CandidateIndex()
    bare.put([KnowledgeItem(1, "Деньги вернем за три дня.")])
    assert 0 < index.fixed_weights()["char_head"] < bare.fixed_weights()["char_head"]


def test_category_agreement(index):
    found = index.search("забыл пароль", category_proba={"account": 0.7})
    agreement = dict(zip(found.answer_ids, column(found, "category"), strict=True))
    assert agreement.pop(1) == pytest.approx(0.7)
    assert set(agreement.values()) <= {0}


def test_a_removed_article_is_gone_at_once(index):
    index.search("забыл пароль")
    index.remove(1)
    index.remove(1)
    index.remove(77)
    assert len(index) == 3
    assert index.item(1) is None
    found = index.search("забыл пароль как поменять смена пароля")
    assert 1 not in found.answer_ids
    assert "забыл пароль" not in found.matched_questions


def test_an_added_question_helps_at_once(index):
    item = index.item(4)
    index.put([KnowledgeItem(4, item.text, questions=("приложение зависает на кассе",))])
    found = index.search("зависает приложение")
    assert found.answer_ids[0] == 4
    assert found.matched_questions[0] == "приложение зависает на кассе"
    assert len(index) == 4


def test_many_edits_do_not_grow_the_index_or_change_results():
    index = CandidateIndex()
    index.put(ITEMS)
    wanted = index.search("где посылка parcel")
    for _ in range(150):
        index.put(ITEMS[:3])
    found = index.search("где посылка parcel")
    assert found.answer_ids == wanted.answer_ids
    assert sorted(item.answer_id for item in index.items()) == [1, 2, 3, 4]
    assert found.features == pytest.approx(wanted.features, abs=1e-4)


def test_putting_nothing_changes_nothing(index):
    index.put([])
    assert len(index) == 4


def test_shared_words_are_words_of_the_question(index):
    assert index.shared_words("Верните мне деньги!", [2]) == [("верните", "деньги")]
    assert index.shared_words("верните", [99]) == [()]


def test_equal_texts_have_equal_keys(index):
    index.put([KnowledgeItem(9, "курьер звонит за час.")])
    assert index.entry(9).key == index.entry(4).key
    assert index.entry(99) is None


def test_a_small_company_is_searched_in_milliseconds():
    rng = np.random.default_rng(0)
    vocabulary = [f"слово{i}" for i in range(3000)]

    def sentence(n):
        return " ".join(vocabulary[i] for i in rng.zipf(1.3, n) % 3000)

    index = CandidateIndex()
    index.put(
        KnowledgeItem(i, sentence(60), questions=tuple(sentence(8) for _ in range(8)))
        for i in range(300)
    )
    questions = [sentence(10) for _ in range(50)]
    index.search(questions[0])
    started = time.process_time()
    for question in questions:
        index.search(question)
    assert (time.process_time() - started) / 50 < 0.006


def test_an_article_is_found_by_another_word_for_the_same() -> None:
    index = CandidateIndex()
    index.put([KnowledgeItem(1, "Restore it by mail."), KnowledgeItem(2, "Paint it by mail.")])
    found = index.search("recover by mail")
    worth = dict(zip(found.answer_ids, column(found, "synonyms").tolist(), strict=True))
    assert 0 < worth[1] < 1
    assert worth[2] == 0
