"""The stemmers of two languages without those of thirty others.

The package of Snowball imports all it has: a fiftieth of a start and three megabytes.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib import import_module
from typing import Any, Final

_PACKAGE: Final = "snowballstemmer"


def _import(*languages: str) -> list[Any]:
    """The stemmer of each language."""
    spec = None if _PACKAGE in sys.modules else importlib.util.find_spec(_PACKAGE)
    if spec is not None:
        sys.modules[_PACKAGE] = importlib.util.module_from_spec(spec)  # and not run
    try:
        found = [import_module(f"{_PACKAGE}.{language}_stemmer") for language in languages]
    finally:
        if spec is not None:
            del sys.modules[_PACKAGE]  # whoever asks for it gets all of it
    return found


_english, _russian = _import("english", "russian")
EnglishStemmer: Final = _english.EnglishStemmer
RussianStemmer: Final = _russian.RussianStemmer
