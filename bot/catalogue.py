"""Every text a person reads, by key and language, from ``bot/ui/catalogue/*.toml``.

One table per key with ``ru`` and ``en``. ``{name}`` is filled from parameters; a list holds the
plural forms and is chosen by ``n``, ``#`` stands for the number. How values look (dates, sizes) is
decided by the caller.
"""

from __future__ import annotations

import functools
import string
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

FOLDER = Path(__file__).parent / "ui" / "catalogue"
LANGUAGES = ("ru", "en")
_FORMS = {"ru": 3, "en": 2}
_NO_BREAK = "\N{NO-BREAK SPACE}"

Text = str | tuple[str, ...]
# A line of a file is as a rule also JSON: texts in quotation marks, and lists of them.
_json = msgspec.json.Decoder(str | list[str]).decode


class Catalogue:
    """Texts of all files of a folder; immutable.

    Raises:
        ValueError: a text lacks a language or a plural form, has other parameters than its
            translation, or a key is written twice; the message names file and key.
    """

    def __init__(self, texts: Mapping[str, Mapping[str, Text]]) -> None:
        self._texts = texts

    @classmethod
    def load(cls, folder: Path = FOLDER) -> Catalogue:
        """The catalogue of ``folder``, read once per process."""
        return _load(folder)

    def text(self, key: str, lang: str, **params: Any) -> str:
        """The text of ``key`` in ``lang``; plural texts need ``n``.

        Raises:
            KeyError: no such key or language, or a parameter is missing.
        """
        try:
            found = self._texts[key][lang]
        except KeyError:
            raise KeyError(f"The catalogue has no text '{key}' in '{lang}'.") from None
        if isinstance(found, tuple):
            if "n" not in params:
                raise KeyError(f"The text '{key}' is a plural and needs n.")
            count = params["n"]
            found = found[plural_form(lang, count)].replace("#", _number(lang, count))
        return found.format_map(params) if "{" in found else found

    def __contains__(self, key: object) -> bool:
        return key in self._texts

    def keys(self) -> Iterable[str]:
        """All keys, in the order of the files."""
        return self._texts.keys()

    def section(self, name: str, lang: str) -> dict[str, str]:
        """Plain texts under ``name.`` by the rest of their key, for a script, without plurals."""
        start = f"{name}."
        return {
            key.removeprefix(start): found
            for key, forms in self._texts.items()
            if key.startswith(start) and isinstance(found := forms[lang], str)
        }


def plural_form(lang: str, n: float) -> int:
    """Index of the plural form: 0 one, 1 few (Russian) or other, 2 many.

    Fractions take the form of two to four in Russian and "other" in English.

    Source: Unicode CLDR, plural rules for ru and en.
    """
    if lang != "ru":
        return 0 if n == 1 else 1
    if n != int(n):
        return 1
    last, last_two = abs(int(n)) % 10, abs(int(n)) % 100
    if last == 1 and last_two != 11:
        return 0
    return 1 if 2 <= last <= 4 and not 12 <= last_two <= 14 else 2


def _number(lang: str, n: float) -> str:
    if lang == "ru":
        return f"{n:,}".replace(",", _NO_BREAK).replace(".", ",")
    return f"{n:,}"


@functools.cache
def _load(folder: Path) -> Catalogue:
    texts: dict[str, Mapping[str, Text]] = {}
    for path in sorted(folder.glob("*.toml")):
        for key, forms in _tables(path.read_text(encoding="utf-8")).items():
            if key in texts:
                raise ValueError(f"{path.name}: '{key}' is written twice")
            texts[key] = _checked(f"{path.name}: '{key}'", forms)
    return Catalogue(MappingProxyType(texts))


def _tables(text: str) -> dict[str, Any]:
    """What TOML reads, in a fraction of its time where a file has nothing but simple lines."""
    found: dict[str, Any] = {}
    forms: dict[str, Any] = {}
    try:
        for line in text.split("\n"):
            if line.startswith('["') and line.endswith('"]'):
                if (key := _json(line)[0]) in found:
                    return tomllib.loads(text)  # says which
                forms = found[key] = {}
            elif line and not line.startswith("#"):
                name, equals, value = line.partition(" = ")
                if not equals or not name.isalpha() or name in forms or not found:
                    return tomllib.loads(text)
                forms[name] = _json(value)
    except msgspec.DecodeError:
        return tomllib.loads(text)
    return found


def _checked(where: str, forms: Any) -> Mapping[str, Text]:
    if not isinstance(forms, dict) or set(forms) != set(LANGUAGES):
        raise ValueError(f"{where} needs exactly {' and '.join(LANGUAGES)}")
    checked: dict[str, Text] = {}
    for lang, value in forms.items():
        if isinstance(value, list):
            if len(value) != _FORMS[lang]:
                raise ValueError(f"{where}: {lang} has {_FORMS[lang]} plural forms")
            checked[lang] = tuple(map(str, value))
        else:
            checked[lang] = str(value)
    parameters = {lang: _parameters(where, value) for lang, value in checked.items()}
    if len(set(parameters.values())) > 1:
        raise ValueError(f"{where}: ru and en have different parameters")
    return MappingProxyType(checked)


def _parameters(where: str, value: Text) -> frozenset[str]:
    names: set[str] = set()
    for form in (value,) if isinstance(value, str) else value:
        if "{" not in form and "}" not in form:
            continue
        try:
            names |= {name for _, name, _, _ in string.Formatter().parse(form) if name}
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
    return frozenset(names)
