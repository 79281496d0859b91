"""Normal form, words, stems, language, skeleton."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp.text import fold, guess_language, normalise, stems, words

ANY_TEXT = st.text(max_size=200) | st.text(
    alphabet="аеёйЁЙeё\u0308\u0301\u200b\u00ad\x00ﬁİẞ①½ \t\n'ъьshchyaju", max_size=60
)


@given(ANY_TEXT)
@settings(max_examples=300)
def test_normalise_is_idempotent_and_clean(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert once.isprintable()
    assert once == once.strip()
    assert "  " not in once
    assert "ё" not in once


@given(st.text(alphabet=st.characters(codec=None), max_size=40))
def test_nothing_crashes_on_any_code_point(text: str) -> None:
    words(text)
    stems(text)
    fold(text)
    assert guess_language(text) in {"ru", "en", ""}


@pytest.mark.parametrize("text", ["\ud800", "\udfff а", "\x00" * 50, "\u202e\u2066", "", " \n\t "])
def test_broken_unicode_gives_a_clean_text(text: str) -> None:
    assert normalise(text) in {"", "а"}
    assert fold(text) in {"", "a"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Ещё  РАЗ\n", "еще раз"),
        ("па\u00adроль\u200b", "пароль"),
        ("ﬁle №5", "file no5"),
        ("ЙОД", "йод"),
        ("и\u0306од", "йод"),
        ("a\x00b\tc", "ab c"),
    ],
)
def test_normalise(text: str, expected: str) -> None:
    assert normalise(text) == expected
    assert unicodedata.is_normalized("NFKC", normalise(text))


def test_words_are_letters_and_digits() -> None:
    assert words("Не приходит СМС-код (404)!") == ["не", "приходит", "смс", "код", "404"]


def test_stems_follow_the_script_of_the_word() -> None:
    assert stems("платежи payments 42") == [*stems("платеж"), *stems("payment"), "42"]
    assert stems("возврата") == stems("возврат")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("как вернуть деньги", "ru"),
        ("where is my order", "en"),
        ("не открывается Windows Defender", "ru"),
        ("12345 ???", ""),
        ("", ""),
    ],
)
def test_guess_language(text: str, language: str) -> None:
    assert guess_language(text) == language


@pytest.mark.parametrize(
    ("russian", "latin"),
    [
        ("привет", "privet"),
        ("щётка", "shchetka"),
        ("яблоко", "yabloko"),
        ("июль", "iiul"),
        ("жизнь", "zhizn'"),
        ("схема", "skhema"),
        ("русский язык", "russkiy yazyk"),
        ("цена", "tsena"),
    ],
)
def test_both_scripts_have_one_skeleton(russian: str, latin: str) -> None:
    assert fold(russian) == fold(latin)


def test_fold_keeps_numbers_and_drops_accents() -> None:
    assert fold("Café 1100") == "kafe 1100"
    assert fold("off") == fold("of")


PLAIN_TEXT = st.text(alphabet="abcshyjzk KCH  'абвщшжъьйёЙЁЯ09.,!?-", max_size=80)


def plainly_normalised(text: str) -> str:
    """The definition: compose, lower, clean, again and again until nothing changes."""
    while True:
        before = text
        text = unicodedata.normalize("NFKC", text).lower()
        text = "".join(c if c.isprintable() else " " if c.isspace() else "" for c in text)
        text = re.sub(r"\s+", " ", re.sub("[её]\u0308*", "е", text)).strip()
        if text == before:
            return text


@given(ANY_TEXT | PLAIN_TEXT)
@settings(max_examples=300)
def test_the_short_ways_of_normalise_are_its_definition(text: str) -> None:
    assert normalise(text) == plainly_normalised(text)


@given(PLAIN_TEXT | ANY_TEXT)
@settings(max_examples=300)
def test_a_skeleton_is_made_of_the_skeletons_of_the_words(text: str) -> None:
    whole = normalise(text)
    assert fold(text) == " ".join(fold(word) for word in whole.split(" "))
