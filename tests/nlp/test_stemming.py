"""One stem for a word's forms, whichever script they were typed in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.skeleton import fold
from nlp.stemming import stem


def _stems(*words: str) -> set[str]:
    return {stem(fold(word)) for word in words}


@pytest.mark.parametrize(
    "forms",
    [
        ("пароль", "пароля", "паролю", "parol", "parolya"),
        ("подписка", "подписки", "подписку", "podpiski", "podpisku"),
        ("загрузить", "загрузил", "zagruzit", "zagruzil"),
        ("card", "cards"),
        ("cancel", "cancelled", "cancelling"),
    ],
)
def test_forms_share_a_stem(forms: tuple[str, ...]) -> None:
    assert len(_stems(*forms)) == 1


def test_different_words_stay_apart() -> None:
    assert len(_stems("пароль", "подписка", "карта", "password", "delivery")) == 5


@pytest.mark.parametrize("word", ["404", "win10", "", "日本"])
def test_codes_and_other_scripts_stay(word: str) -> None:
    assert stem(word) == word


@given(st.text(max_size=20))
def test_any_text_has_a_stem_and_letters_never_vanish(word: str) -> None:
    folded = fold(word)
    assert bool(stem(folded)) == bool(folded)
