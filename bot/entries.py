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


class Body(msgspec.Struct, array_like=True):
    """What of an entry only those need that are shown.

    Attributes:
        item: the article as it was put.
        stems: of the article and its past questions, sorted, ``uint32`` each.
    """

    item: KnowledgeItem
    stems: bytes


class Entry(msgspec.Struct, array_like=True):
    """An article that can be found; one out of a file is decoded no further than it is asked.

    Attributes:
        answer_id, category, twin_id: of the article.
        key: digest of its text in normal form: equal ones are the same answer to a reader.
        body: the rest, encoded.
    """

    answer_id: int
    category: str
    twin_id: int | None
    key: str
    body: msgspec.Raw

    @property
    def item(self) -> KnowledgeItem:
        """The article as it was put."""
        return _BODY.decode(self.body).item

    @property
    def stems(self) -> NDArray[np.uint32]:
        """Of the article and its past questions, sorted."""
        return np.frombuffer(_BODY.decode(self.body).stems, np.uint32)


def full_text(item: KnowledgeItem) -> str:
    """Title and text."""
    return f"{item.title}\n{item.text}"


def asked_of(item: KnowledgeItem) -> list[str]:
    """Distinct past questions; a title is one of them."""
    return list(dict.fromkeys(text for text in (item.title, *item.questions) if text.strip()))


_ENCODER = msgspec.msgpack.Encoder()
_ENTRY = msgspec.msgpack.Decoder(Entry)
_BODY = msgspec.msgpack.Decoder(Body)


def entry_of(item: KnowledgeItem, stems: Iterable[NDArray[np.int64]]) -> Entry:
    """The entry of an article, with the stems of its text and of its past questions."""
    text = normalise(item.text).encode("utf-8", "surrogatepass")
    key = hashlib.blake2b(text, digest_size=_DIGEST_BYTES).hexdigest()
    held = np.unique(np.concatenate(list(stems)).astype(np.uint32))
    body = msgspec.Raw(_ENCODER.encode(Body(item, held.tobytes())))
    return Entry(item.answer_id, item.category, item.twin_id, key, body)


def encode_entry(entry: Entry) -> bytes:
    """The entry as bytes."""
    return _ENCODER.encode(entry)


def decode_entry(code: bytes) -> Entry:
    """The entry that ``encode_entry`` described."""
    return _ENTRY.decode(code)
