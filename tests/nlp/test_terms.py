import subprocess
import sys

import numpy as np
import pytest

from nlp.terms import (
    MAX_CHARS,
    char_terms,
    pair_terms,
    read_terms,
    stem_terms,
    tower_terms,
    word_stems,
)

ODD = ["", " ", "!?", "\U0001f600", "\ud800", "\x00", "a", "ё" * 10_000, "-" * 3000]


@pytest.mark.parametrize("text", ODD)
def test_any_text_gives_ids(text):
    terms = read_terms(text, limit=MAX_CHARS)
    for ids in (terms.stems, terms.chars, terms.pairs, tower_terms(text)):
        assert ids.dtype == np.int64
        assert (ids >= 0).all()


def test_forms_of_a_word_share_a_stem_in_both_languages():
    assert stem_terms("пароли").tolist() == stem_terms("пароль").tolist()
    assert stem_terms("Passwords").tolist() == stem_terms("password").tolist()
    assert stem_terms("ёлка").tolist() == stem_terms("елка").tolist()


def test_repeats_are_kept():
    assert len(stem_terms("да да да")) == 3


def test_pairs_have_no_order_and_a_window():
    assert set(pair_terms("сменить пароль")) == set(pair_terms("пароль сменить"))
    assert len(pair_terms("one")) == 0
    far = "alpha b c d e omega"
    assert not set(pair_terms("alpha omega")) & set(pair_terms(far))
    assert set(pair_terms("alpha d")) <= set(pair_terms(far))


def test_character_grams_stay_within_words_and_survive_a_typo():
    assert set(char_terms("ab cd")) == set(char_terms("ab")) | set(char_terms("cd"))
    shared = set(char_terms("password")) & set(char_terms("pasword"))
    assert len(shared) > 5


def test_one_pass_is_the_same_as_several():
    text = "Как сменить password в приложении?"
    terms = read_terms(text)
    assert terms.stems.tolist() == stem_terms(text).tolist()
    assert terms.chars.tolist() == char_terms(text).tolist()
    assert terms.pairs.tolist() == pair_terms(text).tolist()
    assert set(word_stems("password")) <= set(terms.stems.tolist())


def test_only_the_beginning_is_read():
    assert len(read_terms("word " * 1000, limit=100).stems) == 20


def test_ids_are_the_same_in_another_process():
    code = "from nlp.terms import tower_terms; print(tower_terms('Привет, world').tolist())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str(tower_terms("Привет, world").tolist())
