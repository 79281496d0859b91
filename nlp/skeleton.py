"""The normal form of a text, and one skeleton alphabet for Russian and English letters.

The skeleton makes "privet", "привет" and "privét" the same string: Cyrillic is spelled in Latin
letters first and then both go through one reading of Latin digraphs, so a text keeps its skeleton
under the usual transliterations (ICAO, GOST, informal).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from nlp import native

_LONGEST_KNOWN: Final = 40
_PLAIN: Final = re.compile("[ -~\t\n\rА-Яа-яЁё«»–—‘’“”„]*")
_YO: Final = re.compile("[её]\u0308*")
_SPACES: Final = re.compile(r"\s+")
_REPEATED: Final = re.compile(r"([a-z])\1+")
_DIGRAPHS: Final = re.compile("shch|sch|shh|sh|zh|kh|ch|ph|ck|[yji]a|[yji]u|[wqcxyj]")
# The six letters that the reading frees (w, q, c, x, y, j) stand for the sounds of digraphs.
_READING: Final = MappingProxyType({
    "shch": "w", "sch": "w", "shh": "w", "sh": "x", "zh": "j", "kh": "h", "ch": "c", "ph": "f",
    "ck": "k", "ya": "q", "ja": "q", "ia": "q", "yu": "y", "ju": "y", "iu": "y",
    "w": "v", "q": "k", "c": "k", "x": "ks", "y": "i", "j": "i",
})  # fmt: skip
_LATIN_OF: Final = MappingProxyType(
    str.maketrans({
        **dict(zip("абвгдезийклмнопрстуфыэіїєґў", "abvgdeziiklmnoprstufieiiegu", strict=True)),
        "ж": "zh", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ю": "yu", "я": "ya",
        "ь": "", "ъ": "", "'": "", "`": "", "\u2019": "", "\u02bc": "", "\u02b9": "",
    })
)  # fmt: skip


def normalise(text: str) -> str:
    """Lower-case NFKC without invisible characters, one space between words, ``ё`` as ``е``.

    Control, format (zero-width), surrogate, private and unassigned code points vanish, except that
    line breaks and tabs become spaces. Running it again changes nothing.
    """
    if _PLAIN.fullmatch(text):
        # Nothing here composes, vanishes or is spelled in two ways, ё apart.
        return " ".join(text.lower().replace("ё", "е").split())
    while True:
        before = text
        text = unicodedata.normalize("NFKC", text).lower()
        if not text.isprintable():
            for c in {c for c in set(text) if not c.isprintable()}:
                text = text.replace(c, " " if c.isspace() else "")
        text = _SPACES.sub(" ", _YO.sub("е", text)).strip()
        # Dropping a character may let its neighbours compose, and lower() may undo NFKC.
        if text == before:
            return text


def fold(text: str) -> str:
    """Skeleton of a text: ASCII letters for Russian and English, repeated letters merged.

    Other scripts keep their letters without accents. The result is for matching, never for eyes,
    and is not meant to be folded again.
    """
    if native.library is not None:
        folded: str | None = native.library.fold(text)
        if folded is not None:
            return folded
    return " ".join(
        _known_word(word) if len(word) <= _LONGEST_KNOWN else _fold_word(word)
        for word in normalise(text).split(" ")
    )


@lru_cache(maxsize=65_536)
def _known_word(word: str) -> str:
    """Words come again and again; what no word is as long as would only fill memory."""
    return _fold_word(word)


def _fold_word(word: str) -> str:
    """Skeleton of a normalised text without spaces: no rule of it looks across one."""
    spelled = word.translate(_LATIN_OF)
    if not spelled.isascii():
        decomposed = unicodedata.normalize("NFD", spelled)
        spelled = "".join(c for c in decomposed if not unicodedata.combining(c))
    return _REPEATED.sub(r"\1", _DIGRAPHS.sub(lambda m: _READING[m.group()], spelled))
