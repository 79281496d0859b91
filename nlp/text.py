"""Text as every model sees it: normal form, words, stems, language, one alphabet for two scripts.

Nothing here learns from data except ``LayoutReader`` in ``nlp.layout`` (offered here as well), and
nothing here knows what the text is for. Training and serving call the same functions.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from nlp import native
from nlp.layout import LayoutReader
from nlp.skeleton import fold, normalise
from nlp.snowball import EnglishStemmer, RussianStemmer

__all__ = ["LayoutReader", "fold", "guess_language", "normalise", "stem_of", "stems", "words"]

_WORD: Final = re.compile(r"[^\W_]+")
_CYRILLIC: Final = re.compile("[\u0400-\u04ff]")
_LATIN: Final = re.compile("[a-z\u00df-\u024f]")
# A Cyrillic letter weighs two Latin ones: Russian questions name Latin products, not the reverse.
_CYRILLIC_WEIGHT: Final = 2


def words(text: str) -> list[str]:
    """Runs of letters and digits of the normalised text, in order."""
    if native.library is not None:
        found: list[str] | None = native.library.words(text)
        if found is not None:
            return found
    return _WORD.findall(normalise(text))


def stems(text: str) -> list[str]:
    """Snowball stems of ``words(text)``: Russian for Cyrillic words, English for Latin ones."""
    return [stem_of(word) for word in words(text)]


def guess_language(text: str) -> str:
    """``"ru"``, ``"en"`` or ``""`` (no letters of either script) by the script of the letters."""
    lowered = normalise(text)
    cyrillic = len(_CYRILLIC.findall(lowered))
    latin = len(_LATIN.findall(lowered))
    if not cyrillic and not latin:
        return ""
    return "ru" if cyrillic * _CYRILLIC_WEIGHT >= latin else "en"


@lru_cache(maxsize=65_536)
def stem_of(word: str) -> str:
    """Snowball stem of one of the ``words``."""
    # A stemmer keeps the word in hand as state, so each miss makes its own: safe in any thread.
    if _CYRILLIC.search(word):
        return str(RussianStemmer().stemWord(word))
    if word.isascii() and not word.isdigit():
        return str(EnglishStemmer().stemWord(word))
    return word
