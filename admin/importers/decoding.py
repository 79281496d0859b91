"""Bytes of a file as text: UTF-8 (with or without BOM) or Windows-1251, and nothing by guesswork.

Nearly any bytes are "valid" Windows-1251, so it is believed only when the result reads like
Russian: letters of the Russian alphabet, in words of one script and of ordinary case.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from bot.errors import BadData, TooLarge

MAX_BYTES = 200 * 1024 * 1024
_OTHER_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_REMEDY = "Save it as UTF-8 (in a spreadsheet: 'CSV UTF-8') and import it again."
_WORD = re.compile(r"[^\W\d_]+")
_RUSSIAN = re.compile(r"[А-Яа-яЁё«»„“”’‘–—…№°•\u00a0]")
_CONTROL = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")
# Russian read through the wrong table (KOI8-R) has its case turned round: "оПХБЕР".
_TURNED_CASE = re.compile(r"[а-яё][А-ЯЁ]")
# Four letters in seven of ordinary Russian; read through the wrong table they become rare ones.
_COMMON = frozenset("оеаинтсрвлк")
_COMMON_SHARE = 0.5
_DOUBTFUL = 0.1  # share of odd words above which it is not Russian in Windows-1251


def read_file(path: Path) -> tuple[str, str]:
    """Text of a file and the encoding it was in (``utf-8`` or ``cp1251``).

    Raises:
        BadData: missing, a folder, unreadable, empty, or in neither encoding (the byte is named).
        TooLarge: more than ``MAX_BYTES``.
    """
    try:
        if path.is_dir():
            raise BadData(f"{path} is a folder, not a file.", remedy="Name the file inside it.")
        if path.stat().st_size > MAX_BYTES:
            raise TooLarge(f"{path} is larger than {MAX_BYTES // 1024 // 1024} MB.")
        data = path.read_bytes()
    except FileNotFoundError:
        raise BadData(f"There is no file {path}.", remedy="Check the name.") from None
    except OSError as error:
        raise BadData(f"{path} cannot be read: {error.strerror}.") from error
    return decode(data, name=str(path))


def decode(data: bytes, *, name: str = "The file") -> tuple[str, str]:
    """Text of ``data`` and its encoding.

    Raises:
        BadData: empty, or in neither encoding; the text names the byte and its line.
    """
    if not data.strip(b"\xef\xbb\xbf \t\r\n"):
        raise BadData(
            f"{name} is empty.", remedy="The first line must hold the names of the columns."
        )
    for mark, encoding in _OTHER_MARKS.items():
        if data.startswith(mark):
            raise BadData(f"{name} is in {encoding}.", remedy=_REMEDY)
    try:
        return data.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError as error:
        text = _as_cp1251(data)
        if text is not None:
            return text, "cp1251"
        line = data.count(b"\n", 0, error.start) + 1
        raise BadData(
            f"{name} is neither UTF-8 nor Windows-1251: byte 0x{data[error.start]:02X} "
            f"at position {error.start + 1} (line {line}).",
            remedy=_REMEDY,
        ) from None


def _as_cp1251(data: bytes) -> str | None:
    try:
        text = data.decode("cp1251")
    except UnicodeDecodeError:
        return None
    foreign = [char for char in text if ord(char) > 0x7F]
    if _CONTROL.search(text) or sum(
        1 for char in foreign if not _RUSSIAN.match(char)
    ) > _DOUBTFUL * len(foreign):
        return None
    words = [word for word in _WORD.findall(text) if any(ord(char) > 0x7F for char in word)]
    odd = sum(
        1 for word in words if _TURNED_CASE.search(word) or any(char.isascii() for char in word)
    )
    if not words or odd > _DOUBTFUL * len(words):
        return None
    return None if _shouts(text) and not _reads_like_russian(text) else text


def _shouts(text: str) -> bool:
    """More capitals than small letters: what KOI8-R looks like through Windows-1251."""
    foreign = [char for char in text if ord(char) > 0x7F]
    return sum(map(str.isupper, foreign)) > sum(map(str.islower, foreign))


def _reads_like_russian(text: str) -> bool:
    letters = [char for char in text.casefold() if "а" <= char <= "я" or char == "ё"]
    return sum(char in _COMMON for char in letters) >= _COMMON_SHARE * len(letters)
