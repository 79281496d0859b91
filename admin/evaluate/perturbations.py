"""What customers do to texts: slips of the fingers, Latin letters, the wrong keyboard layout.

The tables are written for judging and share nothing with what ``nlp.text`` reads, so that a
mistake there cannot hide here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np

_ROWS: Final = (
    "qwertyuiop", "asdfghjkl", "zxcvbnm", "йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю",
)  # fmt: skip

# Machine-readable passports: Doc 9303 of the International Civil Aviation Organization.
_ICAO: Final = MappingProxyType({
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "e", "ж": "zh", "з": "z",
    "и": "i", "й": "i", "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r",
    "с": "s", "т": "t", "у": "u", "ф": "f", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh",
    "щ": "shch", "ъ": "ie", "ы": "y", "ь": "", "э": "e", "ю": "iu", "я": "ia",
})  # fmt: skip
# GOST 7.79-2000, system B; the grave accents as they stand there.
_GOST: Final = MappingProxyType({
    **_ICAO, "ё": "yo", "й": "j", "х": "x", "ц": "cz", "щ": "shh", "ъ": "``", "ы": "y`",
    "ь": "`", "э": "e`", "ю": "yu", "я": "ya",
})  # fmt: skip
# What people make up; one writer keeps to one spelling.
_INFORMAL: Final = MappingProxyType({
    "ё": ("e", "yo", "jo"), "ж": ("zh", "j"), "й": ("y", "i", "j"), "х": ("h", "x", "kh"),
    "ц": ("c", "ts"), "щ": ("sch", "sh", "shch"), "ъ": ("", "'"), "ы": ("y", "i"),
    "ь": ("", "'"), "ю": ("yu", "u", "ju"), "я": ("ya", "ja", "ia"),
})  # fmt: skip
SCHEMES: Final = ("icao", "gost", "informal")

_LATIN_KEYS: Final = "qwertyuiop[]asdfghjkl;'zxcvbnm,.`/QWERTYUIOP{}ASDFGHJKL:\"ZXCVBNM<>~?&@#$^"
_RUSSIAN_KEYS: Final = 'йцукенгшщзхъфывапролджэячсмитьбюё.ЙЦУКЕНГШЩЗХЪФЫВАПРОЛДЖЭЯЧСМИТЬБЮЁ,?"№;:'
_TO_LATIN: Final = MappingProxyType(dict(zip(_RUSSIAN_KEYS, _LATIN_KEYS, strict=True)))
_TO_RUSSIAN: Final = MappingProxyType(dict(zip(_LATIN_KEYS, _RUSSIAN_KEYS, strict=True)))


def variants(*, typos: Sequence[float], translit: bool, layout: bool) -> tuple[str, ...]:
    """Names of the asked for perturbations, each of which is judged on its own."""
    names = [f"typos-{share:g}" for share in typos if share > 0]
    names += [f"translit-{scheme}" for scheme in SCHEMES] if translit else []
    return (*names, "layout") if layout else tuple(names)


def perturb(texts: Sequence[str], variant: str, *, seed: int = 0) -> list[str]:
    """Each text under one of the names that ``variants`` gives."""
    kind, _, detail = variant.partition("-")
    if kind == "typos":
        return with_typos(texts, float(detail), seed=seed)
    if kind == "translit":
        return transliterated(texts, detail, seed=seed)
    return [swapped_layout(text) for text in texts]


def with_typos(texts: Sequence[str], share: float, *, seed: int = 0) -> list[str]:
    """Texts where each letter is hit with probability ``share``.

    A quarter each is dropped, doubled, swapped with the next one, or hits the key beside it.
    """
    generator = np.random.default_rng(seed)
    return [_typed_in_haste(text, share, generator) for text in texts]


def _typed_in_haste(text: str, share: float, generator: np.random.Generator) -> str:
    typed: list[str] = []
    place = 0
    while place < len(text):
        char = text[place]
        after = text[place + 1] if place + 1 < len(text) else ""
        place += 1
        if not char.isalpha() or generator.random() >= share:
            typed.append(char)
            continue
        slip = int(generator.integers(4))
        if slip == 1:
            typed.append(char + char)
        elif slip == 2 and after.isalpha():
            typed.append(after + char)
            place += 1
        elif slip >= 2:
            typed.append(_key_beside(char, generator))
    return "".join(typed)


def _key_beside(char: str, generator: np.random.Generator) -> str:
    lowered = char.lower()
    for row in _ROWS:
        place = row.find(lowered)
        if place >= 0:
            near = row[max(0, place - 1) : place] + row[place + 1 : place + 2]
            found = near[int(generator.integers(len(near)))]
            return found.upper() if char.isupper() else found
    return char


def transliterated(texts: Sequence[str], scheme: str, *, seed: int = 0) -> list[str]:
    """Texts with Russian letters spelled in Latin ones; other letters stay.

    Raises:
        ValueError: the scheme is none of ``SCHEMES``.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"unknown transliteration '{scheme}'")
    generator = np.random.default_rng(seed)
    return [_spelled(text, _table(scheme, generator)) for text in texts]


def _table(scheme: str, generator: np.random.Generator) -> Mapping[str, str]:
    if scheme == "icao":
        return _ICAO
    if scheme == "gost":
        return _GOST
    habits = {
        letter: spellings[int(generator.integers(len(spellings)))]
        for letter, spellings in _INFORMAL.items()
    }
    return {**_ICAO, **habits}


def _spelled(text: str, table: Mapping[str, str]) -> str:
    spelled = []
    for char in text:
        latin = table.get(char.lower(), char)
        spelled.append(latin.capitalize() if char.isupper() and char.lower() in table else latin)
    return "".join(spelled)


def swapped_layout(text: str) -> str:
    """The same keys in the other layout.

    A Cyrillic letter weighs two Latin ones: Russian messages name Latin products, not the reverse.
    """
    cyrillic = sum(char in _TO_LATIN and char.isalpha() for char in text)
    latin = sum(char.isascii() and char.isalpha() for char in text)
    table = _TO_LATIN if 2 * cyrillic >= latin else _TO_RUSSIAN
    if table is _TO_LATIN:
        # Latin words in a Russian text were typed after a change of the layout.
        return "".join(table.get(char, char) for char in text)
    return "".join(char if char in _TO_LATIN and char.isalpha() else table.get(char, char)
                   for char in text)  # fmt: skip
