"""Words as pieces: what is read, and that it never changes with the company it is read in."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nlp.pieces import ALPHABET, read_pieces

TEXTS = st.lists(st.text(st.sampled_from("ab1- \u4e2d"), max_size=20), min_size=1, max_size=5)


def test_pieces_are_those_of_version_1():
    # A changed hash would make every stored model wrong: these numbers are the format.
    pieces = read_pieces(["kod ne"], 20_000, 9)
    assert pieces.ids.tolist() == [
        18486, 15650, 12605, 16111, 8817, 8884, 19093, 8623, 504, 4328, 13248,
    ]  # fmt: skip
    assert pieces.sizes.tolist() == [7, 4]
    assert pieces.chars.tolist() == [0, 11, 15, 4, 0, 0, 14, 5, 0]
    assert (pieces.lengths.tolist(), pieces.counts.tolist()) == ([5, 4], [2])


@given(texts=TEXTS)
def test_each_text_is_read_as_if_alone(texts: list[str]) -> None:
    together = read_pieces(texts, 1000, 3)
    alone = [read_pieces([text], 1000, 3) for text in texts]
    for name in ("ids", "sizes", "chars", "lengths", "counts"):
        joined = np.concatenate([getattr(pieces, name) for pieces in alone])
        assert np.array_equal(getattr(together, name), joined)
    assert together.counts.min() >= 1
    assert together.sizes.min() >= 1
    assert 0 <= together.chars.min() <= together.chars.max() < ALPHABET


def test_a_word_keeps_its_pieces_anywhere():
    alone = read_pieces(["kod"], 20_000, 9).ids.tolist()
    assert read_pieces(["moi kod, ne"], 20_000, 9).ids.tolist()[-4 - len(alone) : -4] == alone


def test_only_the_first_words_are_read():
    assert read_pieces(["a b c d"], 100, 2).counts.tolist() == [2]
