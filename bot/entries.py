"""Articles as the index keeps them, and as bytes for its snapshot."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from nlp.text import normalise

_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class KnowledgeItem:
    """An article as the ranker sees it; ``questions`` are all its known past questions."""

    answer_id: int
    text: str
    title: str = ""
    category: str = ""
    language: str = ""
    questions: tuple[str, ...] = ()
    twin_id: int | None = None
    accepted: int = 0
    shown: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """An article that can be found.

    Attributes:
        item: as it was put.
        key: digest of its text in normal form: equal ones are the same answer to a reader.
        stems: of the article and its past questions, sorted.
    """

    item: KnowledgeItem
    key: str
    stems: NDArray[np.uint32]


def full_text(item: KnowledgeItem) -> str:
    """Title and text."""
    return f"{item.title}\n{item.text}"


def asked_of(item: KnowledgeItem) -> list[str]:
    """Distinct past questions; a title is one of them."""
    return list(dict.fromkeys(text for text in (item.title, *item.questions) if text.strip()))


class _Record(msgspec.Struct, array_like=True):
    """An entry on its way to a file."""

    item: KnowledgeItem
    key: str
    stems: bytes


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Record)


def entry_of(item: KnowledgeItem, stems: Iterable[NDArray[np.int64]]) -> Entry:
    """The entry of an article, with the stems of its text and of its past questions."""
    text = normalise(item.text).encode("utf-8", "surrogatepass")
    key = hashlib.blake2b(text, digest_size=_DIGEST_BYTES).hexdigest()
    return Entry(item, key, np.unique(np.concatenate(list(stems)).astype(np.uint32)))


def encode_entry(entry: Entry) -> bytes:
    """The entry as bytes."""
    return _ENCODER.encode(_Record(entry.item, entry.key, entry.stems.tobytes()))


def decode_entry(code: bytes) -> Entry:
    """The entry that ``encode_entry`` described."""
    record = _DECODER.decode(code)
    return Entry(record.item, record.key, np.frombuffer(record.stems, np.uint32))
