"""Articles as the index keeps them: what a candidate is asked for at hand, the rest in a file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from bot.stored_rows import StoredRows
from nlp.text import normalise

Ids = NDArray[np.int64]

_DIGEST_BYTES: Final = 8


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


def full_text(item: KnowledgeItem) -> str:
    """Title and text."""
    return f"{item.title}\n{item.text}"


def asked_of(item: KnowledgeItem) -> list[str]:
    """Distinct past questions; a title is one of them."""
    return list(dict.fromkeys(text for text in (item.title, *item.questions) if text.strip()))


class Record(msgspec.Struct, array_like=True, frozen=True):
    """What is kept of an article.

    Attributes:
        item: as it was put.
        code: of the stems of the article and its past questions, sorted, in four bytes each.
    """

    item: KnowledgeItem
    code: bytes

    @property
    def stems(self) -> NDArray[np.uint32]:
        """Those stems."""
        return np.frombuffer(self.code, np.uint32)


class Entry(msgspec.Struct, frozen=True):
    """An article that can be found; its texts are read when they are asked for.

    Attributes:
        answer_id: of the article.
        category: of it.
        key: digest of its text in normal form: equal ones are the same answer to a reader.
        twin_id: the same article in another language, or None.
        read: gives its texts and stems.
    """

    answer_id: int
    category: str
    key: int
    twin_id: int | None
    read: Callable[[], Record]

    @property
    def item(self) -> KnowledgeItem:
        """The article as it was put."""
        return self.read().item

    @property
    def stems(self) -> NDArray[np.uint32]:
        """Of the article and its past questions, sorted."""
        return self.read().stems


_DECODER = msgspec.msgpack.Decoder(Record)
_NOBODY: Final = -1


class Entries:
    """Articles by row: in memory what every candidate is asked for, in the file the rest."""

    def __init__(self) -> None:
        self._records: StoredRows[Record] = StoredRows(msgspec.msgpack.encode, _DECODER.decode)
        self._ids = np.empty(0, np.int64)
        self._keys = np.empty(0, np.int64)
        self._twins = np.empty(0, np.int64)
        self._categories = np.empty(0, np.int64)  # places among the names
        self._names: dict[str, int] = {}
        self._texts: list[str] = []  # names by place

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, row: int) -> Entry:
        return self.take(np.asarray([row]))[0]

    def take(self, rows: Ids) -> list[Entry]:
        """The articles of some rows, of which none was cleared."""
        columns = (self._ids, self._categories, self._keys, self._twins)
        return [
            Entry(
                answer_id, self._texts[category], key, None if twin == _NOBODY else twin,
                partial(self._read, row),
            )
            for row, answer_id, category, key, twin in zip(
                rows.tolist(), *(column[rows].tolist() for column in columns), strict=True
            )
        ]  # fmt: skip

    def records(self) -> Iterator[Record]:
        """Everything that is there."""
        return (record for record in self._records if record is not None)

    def extend(self, records: Sequence[Record]) -> None:
        """Add articles; they get the next rows."""
        items = [record.item for record in records]
        twins = [_NOBODY if item.twin_id is None else item.twin_id for item in items]
        places = [self._names.setdefault(item.category, len(self._names)) for item in items]
        self._texts = list(self._names)
        self._ids = np.append(self._ids, [item.answer_id for item in items]).astype(np.int64)
        self._twins = np.append(self._twins, twins).astype(np.int64)
        self._keys = np.append(self._keys, [_key(item) for item in items]).astype(np.int64)
        self._categories = np.append(self._categories, places).astype(np.int64)
        self._records.extend(records)

    def clear(self, row: int) -> None:
        """Forget an article; its row stays."""
        self._records.clear(row)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything needed to go on, as plain arrays; of cleared rows nothing that was written."""
        names = np.frombuffer(msgspec.json.encode(self._texts), np.uint8)
        return self._records.to_arrays() | {
            "ids": self._ids, "keys": self._keys, "twins": self._twins,
            "categories": self._categories, "names": names,
        }  # fmt: skip

    def load(self, arrays: Mapping[str, Any]) -> None:
        """Go on with what ``to_arrays`` gave; the arrays are not copied.

        Raises:
            ValueError: they do not fit each other.
        """
        self._records.load(arrays)
        self._texts = msgspec.json.decode(arrays["names"].tobytes(), type=list[str])
        self._names = {name: place for place, name in enumerate(self._texts)}
        self._ids, self._keys, self._twins, self._categories = (
            arrays[name] for name in ("ids", "keys", "twins", "categories")
        )
        lengths = {len(self._ids), len(self._keys), len(self._twins), len(self._categories)}
        known = not len(self) or 0 <= self._categories.min() <= self._categories.max() < len(
            self._texts
        )
        if lengths != {len(self._records)} or not known:
            raise ValueError("articles and their columns do not fit each other")

    def _read(self, row: int) -> Record:
        record = self._records[row]
        if record is None:
            raise LookupError(f"The article of row {row} was removed.")
        return record


class Candidates(msgspec.Struct, frozen=True):
    """Articles worth ranking for one question, best by the fixed sum first.

    Attributes:
        entries: the articles.
        features: what each ranker says of them, ``(n, features)``.
        matched: row of the nearest past question of each article, -1 for none.
        texts: of past questions, by row.
    """

    entries: tuple[Entry, ...]
    features: NDArray[np.float32]
    matched: tuple[int, ...]
    texts: StoredRows[str]

    @property
    def answer_ids(self) -> tuple[int, ...]:
        """Ids of the articles."""
        return tuple(entry.answer_id for entry in self.entries)

    @property
    def matched_questions(self) -> tuple[str | None, ...]:
        """That of each article."""
        return tuple(map(self.matched_question, range(len(self.matched))))

    def matched_question(self, place: int) -> str | None:
        """That of the article at one place."""
        row = self.matched[place]
        return self.texts[row] if row >= 0 else None


def record_of(item: KnowledgeItem, stems: Iterable[NDArray[np.int64]]) -> Record:
    """What is kept of an article, with the stems of its text and of its past questions."""
    return Record(item, np.unique(np.concatenate(list(stems)).astype(np.uint32)).tobytes())


def _key(item: KnowledgeItem) -> int:
    text = normalise(item.text).encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(text, digest_size=_DIGEST_BYTES).digest()
    return int.from_bytes(digest, "little", signed=True)
