from dataclasses import dataclass

import numpy as np
import pytest

from bot.answering import Answerer
from bot.candidates import FEATURES, CandidateIndex
from bot.entries import KnowledgeItem
from nlp.correction import Calibration, Correction, weighted_sum

RU = KnowledgeItem(
    1,
    "Откройте профиль и нажмите «Сменить пароль».",
    title="Смена пароля",
    category="account",
    language="ru",
    questions=("забыл пароль", "как поменять password"),
    twin_id=2,
    accepted=3,
    shown=5,
)
EN = KnowledgeItem(
    2,
    "Open your profile and press Change password.",
    title="Change the password",
    category="account",
    language="en",
    questions=("how do I change my password",),
    twin_id=1,
)
MONEY = KnowledgeItem(
    3,
    "Деньги возвращаются на карту за пять дней.",
    category="money",
    language="ru",
    questions=("верните деньги за заказ",),
)
SAME = KnowledgeItem(4, "деньги  возвращаются на карту за пять дней.", language="ru")
PARCEL = KnowledgeItem(5, "The parcel takes a week.", language="en", questions=("where is it",))
ITEMS = (RU, EN, MONEY, SAME, PARCEL)


@dataclass(frozen=True)
class Reading:
    proba: np.ndarray
    foreign: bool
    text: str


class Reader:
    """A classifier by key words."""

    labels = ("account", "money")

    def classify(self, texts):
        return [
            Reading(
                np.asarray([0.9, 0.1] if "парол" in text else [0.2, 0.8], np.float32),
                "погода" in text,
                text.replace("gfhjkm", "пароль"),
            )
            for text in texts
        ]


@dataclass(frozen=True)
class Bundle:
    version: str = "v7"
    classifier: Reader | None = None
    correction: Correction | None = None


def correction():
    network = weighted_sum(FEATURES, {"char": 1, "past": 2, "past_level": 3})
    return Correction(FEATURES, network, Calibration(2.0, 4.0), "fixed")


def answerer(bundle=None, items=ITEMS):
    index = CandidateIndex()
    index.put(items)
    return Answerer(bundle, index, 12)


@pytest.fixture
def cold():
    return answerer()


@pytest.fixture
def trained():
    return answerer(Bundle(classifier=Reader(), correction=correction()))


@pytest.fixture(params=["cold", "trained"])
def either(request):
    return request.getfixturevalue(request.param)


ODD = ["", " ", "a", "\U0001f600", "\ud800", "?!", "\x00", "пароль" * 2000, "х" * 10_000]


@pytest.mark.parametrize("text", ODD)
def test_any_text_has_a_defined_result(either, text):
    found = either.suggest(text, 5)
    assert len(found.items) <= 5
    assert all(0 <= item.confidence <= 1 for item in found.items)
    assert found.elapsed_ms >= 0


def test_a_correction_for_other_features_is_refused():
    other = Correction(("a",), weighted_sum(("a",), {"a": 1}), Calibration(), "x")
    with pytest.raises(ValueError, match="features"):
        answerer(Bundle(correction=other))


def test_an_empty_knowledge_base_suggests_nothing():
    assert answerer(items=()).suggest("пароль").items == ()


@pytest.mark.parametrize("top_k", [-1, 0, 1, 2, 100])
def test_no_more_than_asked_for(either, top_k):
    items = either.suggest("пароль деньги заказ", top_k).items
    assert len(items) <= max(top_k, 0)
    if top_k > 0:
        assert items


def test_best_first(either):
    confidences = [item.confidence for item in either.suggest("забыл пароль деньги", 5).items]
    assert confidences == sorted(confidences, reverse=True)


def test_many_is_the_same_as_one_by_one(either):
    texts = ["забыл пароль", "", "верните деньги", "where is it"]
    together = either.suggest_many(texts, 3)
    for text, found in zip(texts, together, strict=True):
        alone = either.suggest(text, 3)
        assert [(i.answer_id, pytest.approx(i.confidence)) for i in alone.items] == [
            (i.answer_id, i.confidence) for i in found.items
        ]
        assert found.categories == alone.categories
    assert either.suggest_many([]) == []


def test_cold_says_so_and_is_sure_of_near_identical_questions_only(cold):
    same = cold.suggest("Верните деньги за заказ!")
    assert same.cold
    assert same.model_version is None
    assert same.knowledge_revision == 12
    assert same.items[0].answer_id == 3
    assert same.items[0].sure
    assert same.items[0].confidence > 0.6
    other = cold.suggest("деньги за подписку")
    assert other.items[0].answer_id == 3
    assert not other.items[0].sure
    assert other.items[0].confidence <= 0.25


def test_cold_doubts_two_articles_with_the_same_past_question():
    items = [KnowledgeItem(i, f"Ответ {i}", questions=("верните деньги за заказ",)) for i in (1, 2)]
    found = answerer(items=items).suggest("верните деньги за заказ")
    assert sum(item.confidence for item in found.items) <= 1


def test_trained_names_the_model_and_the_categories(trained):
    found = trained.suggest("забыл пароль")
    assert not found.cold
    assert found.model_version == "v7"
    assert [guess.name for guess in found.categories] == ["account", "money"]
    assert found.categories[0].probability == pytest.approx(0.9)
    assert not found.foreign
    assert trained.suggest("какая погода").foreign
    assert trained.suggest("  ").categories == ()


def test_the_wrong_keyboard_layout_is_read_right(trained):
    assert trained.suggest("забыл gfhjkm", 1).items[0].answer_id == 1


def test_reasons(trained):
    reasons = trained.suggest("я забыл свой пароль").items[0].reasons
    assert reasons.matched_question == "забыл пароль"
    assert set(reasons.shared_terms) == {"забыл", "пароль"}
    assert reasons.category == "account"
    assert reasons.category_matches
    assert (reasons.accepted, reasons.shown) == (3, 5)
    assert not reasons.other_language


@pytest.mark.parametrize(
    ("question", "shown"),
    [("как мне не сменить пароль", ("пароль",)), ("How can I get my password", ("password",))],
)
def test_function_words_are_no_reasons(question, shown):
    full = "How can I get my password? Как мне не забыть пароль, что это"
    other = KnowledgeItem(2, "Nothing of the kind. Ничего такого.")
    third = KnowledgeItem(3, "Something else. Другое.")
    index = CandidateIndex()
    index.put([KnowledgeItem(1, full), other, third])
    assert index.shared_words(question, [1]) == [shown]
    assert index.shared_words("как мне что это не", [1]) == [()]
    assert index.shared_words("how can i get my", [1]) == [()]
    # Ranking still reads them.
    assert index.search("how can i get my").answer_ids == (1,)


def test_a_question_is_answered_in_its_language_and_a_pair_is_shown_once(either):
    for text, language, wanted in (
        ("поменять password", "", 1),
        ("change my password", "", 2),
        ("password", "ru", 1),
        ("password", "en", 2),
    ):
        found = either.suggest(text, 5, language=language)
        shown = [item.answer_id for item in found.items]
        assert shown[0] == wanted
        assert len({1, 2} & set(shown)) == 1
        assert not found.items[0].reasons.other_language
        assert found.language == (language or ("ru" if wanted == 1 else "en"))


def test_an_article_of_the_other_language_alone_says_so(either):
    found = either.suggest("где parcel", 5, language="ru")
    assert found.items[0].answer_id == 5
    assert found.items[0].reasons.other_language


def test_a_twin_that_is_gone_leaves_the_article():
    index = CandidateIndex()
    index.put(ITEMS)
    index.remove(1)
    found = Answerer(None, index, 1).suggest("сменить password", 5, language="ru")
    assert found.items[0].answer_id == 2
    assert found.items[0].reasons.other_language


def test_equal_texts_are_shown_once(either):
    shown = [item.answer_id for item in either.suggest("деньги на карту", 5).items]
    assert len({3, 4} & set(shown)) == 1


def test_sure_follows_the_setting():
    index = CandidateIndex()
    index.put(ITEMS)
    bundle = Bundle(correction=correction())
    strict = Answerer(bundle, index, 1, sure_from=1.1)
    easy = Answerer(bundle, index, 1, sure_from=0)
    assert not any(item.sure for item in strict.suggest("забыл пароль").items)
    assert all(item.sure for item in easy.suggest("забыл пароль").items)


def test_a_few_letters_in_a_short_article_do_not_outweigh_a_past_question():
    index = CandidateIndex()
    index.put([
        KnowledgeItem(1, "Open Orders.", questions=("Where is my parcel?",)),
        KnowledgeItem(2, "Gifts are wrapped.", questions=("Do you wrap gifts?",)),
        KnowledgeItem(3, "Refunds take five days.", questions=("When is my money back?",)),
    ])  # fmt: skip
    assert Answerer(None, index, 0).suggest("where is the parcel").items[0].answer_id == 1


def test_a_correction_of_fewer_features_serves_and_one_of_unknown_is_refused() -> None:
    weights = {"char": 1.0, "past": 2.0, "past_level": 3.0}
    fewer = Correction(
        tuple(weights)[::-1], weighted_sum(tuple(weights)[::-1], weights), Calibration(2.0, 4.0),
        "fixed",
    )  # fmt: skip
    text = "how do I get my money back"
    old, new = (answerer(Bundle(correction=one)).suggest(text) for one in (fewer, correction()))
    assert [one.answer_id for one in old.items] == [one.answer_id for one in new.items]
    assert [one.confidence for one in old.items] == pytest.approx(
        [one.confidence for one in new.items], abs=1e-6
    )
    unknown = Correction(
        ("char", "smell"), weighted_sum(("char", "smell"), {"char": 1.0}), Calibration(2.0, 4.0),
        "fixed",
    )  # fmt: skip
    with pytest.raises(ValueError, match="lacks"):
        answerer(Bundle(correction=unknown))
