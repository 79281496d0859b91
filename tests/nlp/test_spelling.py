"""The speller mends what it has never seen and leaves alone what it knows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.spelling import Speller

TEXTS = [text.split() for text in (
    "reset my password", "forgot my password", "password of the account",
    "cancel my subscription", "subscription price", "delete the account",
    "my card is late", "my cart is empty", "empty the cart", "card is lost",
)]  # fmt: skip
SPELLER = Speller.fit(TEXTS)
LETTERS = st.text("abcdefghij", min_size=0, max_size=12)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("pasword", "password"),  # a letter missing
        ("passwword", "password"),  # one too many
        ("pazsword", "password"),  # a wrong one
        ("psasword", "password"),  # two swapped
        ("acount", "account"),
        ("subscirptoin", "subscription"),  # two slips in a long word
    ],
)
def test_slips_are_mended(typed: str, meant: str) -> None:
    assert SPELLER.correct([typed]) == [meant]


def test_the_words_beside_decide_between_equally_near_ones() -> None:
    assert SPELLER.correct(["empty", "the", "carx"])[-1] == "cart"
    assert SPELLER.correct(["carx", "is", "lost"])[0] == "card"


@pytest.mark.parametrize("typed", ["card", "late", "of", "pq", "x1y2z3", "404", "zebra", "прив"])
def test_what_is_known_short_a_code_or_far_from_all_stays(typed: str) -> None:
    assert SPELLER.correct([typed]) == [typed]


def test_a_word_of_one_text_is_known_but_is_never_offered() -> None:
    assert SPELLER.correct(["price"]) == ["price"]
    assert SPELLER.correct(["pricee"]) == ["pricee"]


def _within_one(a: str, b: str) -> bool:
    """Plain definition: one letter dropped, added, replaced or swapped with the next."""
    letters = set(a + b)
    edits = {a}
    for i in range(len(a) + 1):
        edits |= {a[:i] + a[i + 1 :], a[:i] + a[i + 1 : i + 2] + a[i : i + 1] + a[i + 2 :]}
        edits |= {a[:i] + c + a[i:] for c in letters} | {a[:i] + c + a[i + 1 :] for c in letters}
    return b in edits


@given(st.lists(LETTERS.filter(lambda w: len(w) >= 2), min_size=1, max_size=8), LETTERS)
def test_short_words_are_found_exactly_within_one_slip(words: list[str], typed: str) -> None:
    speller = Speller.fit([words, words])
    (read,) = speller.correct([typed])
    near = [word for word in words if _within_one(typed, word)]
    if typed in words or not 3 <= len(typed) < 7:
        return
    assert read in near if near else read == typed


def test_a_saved_speller_reads_the_same() -> None:
    restored = Speller.from_arrays(SPELLER.to_arrays())
    typed = ["frogot", "my", "pasword", "carx", "is", "lost", "nowhere"]
    assert restored.correct(typed) == SPELLER.correct(typed)
    assert Speller.from_arrays(Speller.fit([]).to_arrays()).correct(["some"]) == ["some"]


def test_damaged_arrays_are_refused() -> None:
    arrays = SPELLER.to_arrays()
    with pytest.raises(ValueError, match="missing"):
        Speller.from_arrays({})
    with pytest.raises(ValueError, match="words and"):
        Speller.from_arrays(arrays | {"spelling_counts": np.ones(2, np.int32)})
    with pytest.raises(ValueError, match="slips"):
        Speller.from_arrays(arrays | {"spelling_owners": arrays["spelling_owners"] + 99})
    with pytest.raises(ValueError, match="slips"):
        Speller.from_arrays(arrays | {"spelling_owners": arrays["spelling_owners"][1:]})


def test_a_speller_of_an_older_file_reads_the_same() -> None:
    arrays = SPELLER.to_arrays()
    del arrays["spelling_slips"], arrays["spelling_owners"]
    typed = ["frogot", "my", "pasword", "carx", "is", "lost", "nowhere"]
    assert Speller.from_arrays(arrays).correct(typed) == SPELLER.correct(typed)
