"""Stems of skeleton words: one stem for a word's forms, whichever script it was typed in.

A skeleton does not say which language it came from, so both stemmers run: the English one on the
Latin letters, then the Russian one on the skeleton spelled in Cyrillic. What the wrong one takes
off it takes off everywhere, in training and in serving alike.
"""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import Final

from nlp.skeleton import fold
from nlp.snowball import EnglishStemmer, RussianStemmer

# The letter that the skeleton's symbol stands for most often.
_CYRILLIC_OF: Final = MappingProxyType(
    str.maketrans("abvgdejzihklmnoprstufcxwqy", "абвгдежзихклмнопрстуфчшщяю")
)


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """Stem of a folded word; words with digits or of other scripts stay as they are."""
    if not word.isascii() or not word.isalpha():
        return word
    # A stemmer keeps the word in hand as state, so each miss makes its own: safe in any thread.
    english = str(EnglishStemmer().stemWord(word))
    return fold(str(RussianStemmer().stemWord(english.translate(_CYRILLIC_OF))))
