"""Texts as vectors without training, and the words that name a group of texts."""

import numpy as np

from nlp.likeness import text_counts, text_vectors, top_terms


def test_forms_of_words_and_typos_are_alike_other_questions_are_not():
    texts = [
        "Как оплатить заказ картой?", "оплата заказа картами", "как оплтить заказ картой",
        "Где мой курьер?", "the courier is late", "The courier was late again",
    ]  # fmt: skip
    alike = text_vectors(texts) @ text_vectors(texts).T
    assert np.allclose(np.diag(alike), 1, atol=1e-5)
    assert min(alike[0, 1], alike[0, 2], alike[4, 5]) > 0.3 > max(alike[0, 3], alike[0, 4])


def test_texts_that_tell_nothing_are_like_nothing():
    vectors = text_vectors(["", "и как же это", "how is it"])
    assert not vectors.any()


def test_terms_name_a_group_in_the_form_people_write():
    group = ["не приходит код на телефон", "где код подтверждения", "код не пришёл"]
    texts = [*group, "как оплатить", "телефон поддержки"]
    assert top_terms(group, text_counts(texts), len(texts))[0] == "код"
    assert top_terms([], {}, 0) == []
    assert top_terms(["how is it"], text_counts(["how is it"]), 1) == []
