"""The training set as the panel shows it: counted, looked through, doubtful rows set aside.

Before each training, and when somebody looks, every row is examined anew unless nothing changed;
what was found is kept in the store, where the training set leaves it out.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from bot.bundles import Bundle
from bot.domain import Article
from bot.learning.dataset import MOST_REPEATS, repeat_key
from bot.learning.doubts import Examination, Labelled, examine, very_sure_otherwise
from bot.ports import Clock
from bot.serving import Serving
from bot.settings import Settings
from bot.store import Store
from bot.store.training import SourceRow

_ASKED_AT_ONCE = 256


class SourceCount(msgspec.Struct, frozen=True):
    """What one source gives."""

    source: str
    rows: int
    waiting: int
    refused: int
    suspicious: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything the panel shows.

    Attributes:
        origins: texts that teach, by origin: ``knowledge``, ``tickets``, ``verdicts``.
        categories: by category, the same three; most texts first.
        unlabelled: imported tickets without a category.
        sources: agents and imports, most rows first.
        waiting, refused: rows that do not teach.
        repeats: verdicts that say for the fourth time or more what others said; they teach nothing.
    """

    origins: Mapping[str, int]
    categories: Mapping[str, Mapping[str, int]]
    unlabelled: int
    sources: tuple[SourceCount, ...]
    waiting: int
    refused: int
    repeats: int
    examination: Examination = field(repr=False)


class TrainingSet:
    """Looks through what there is to learn from."""

    def __init__(self, settings: Settings, store: Store, serving: Serving, clock: Clock) -> None:
        self._settings = settings.training
        self._store = store
        self._serving = serving
        self._clock = clock
        self._looking = asyncio.Lock()
        self._seen: tuple[object, Overview] | None = None

    async def examine(self) -> Overview:
        """Set doubtful rows aside and give what there is; nothing new is looked at only once."""
        async with self._looking:
            bundle = self._serving.bundle
            state = (await self._store.training.state(), bundle and bundle.version)
            if self._seen is not None and self._seen[0] == state:
                return self._seen[1]
            articles = await self._store.knowledge.all_items()
            rows = await self._store.training.rows()
            suspicious = await self._store.training.suspicious()
            overview = await asyncio.to_thread(self._look, rows, articles, bundle, suspicious)
            await self._store.training.replace_findings(overview.examination.findings)
            self._seen = state, overview
            return overview

    def _look(
        self,
        rows: Sequence[SourceRow],
        articles: Sequence[Article],
        bundle: Bundle | None,
        suspicious: frozenset[str],
    ) -> Overview:
        known = [text for article in articles for text in _texts(article)]
        found = examine(
            known,
            rows,
            twins={a.id: a.twin_id for a in articles if a.twin_id is not None},
            disputed=_disputed(rows, bundle),
            suspicious=suspicious,
            share=self._settings.source_share,
            least=self._settings.source_rows,
        )
        return _overview(known, rows, suspicious, found)


def _disputed(rows: Sequence[SourceRow], bundle: Bundle | None) -> dict[tuple[int, int], str]:
    """Verdicts that the live model, which has not seen them, is very sure to be wrong."""
    if bundle is None or bundle.classifier is None:
        return {}
    unseen = [
        row
        for row in rows
        if row.kind == "v" and row.created_at > bundle.created_at and row.state != "refused"
    ]
    found: dict[tuple[int, int], str] = {}
    for start in range(0, len(unseen), _ASKED_AT_ONCE):
        part = unseen[start : start + _ASKED_AT_ONCE]
        proba = bundle.classifier.predict_proba([row.text for row in part])
        said = [row.category for row in part]
        for place, name in very_sure_otherwise(bundle.classifier.labels, proba, said).items():
            found[part[place].row_id, part[place].answer_id] = f"→ {name}"
    return found


def _texts(article: Article) -> list[Labelled]:
    questions = dict.fromkeys((article.title, *article.questions))
    return [Labelled(q, article.category, article.id) for q in questions if q.strip()]


def _without_repeats(rows: Sequence[SourceRow]) -> list[SourceRow]:
    """The rows as ``collect`` takes them."""
    said: Counter[tuple[str, int]] = Counter()
    kept = []
    for row in rows:
        key = repeat_key(row.text, row.answer_id)
        said[key] += row.kind == "v"
        if row.kind == "t" or said[key] <= MOST_REPEATS:
            kept.append(row)
    return kept


def _overview(
    known: Sequence[Labelled],
    rows: Sequence[SourceRow],
    suspicious: frozenset[str],
    found: Examination,
) -> Overview:
    held = {(f.kind, f.row_id, f.answer_id) for f in found.findings}
    waiting = [row for row in rows if (row.kind, row.row_id, row.answer_id) in held]
    refused = [row for row in rows if row.state == "refused"]
    out = {id(row) for row in (*waiting, *refused)}
    admitted = [row for row in rows if id(row) not in out]
    taught = _without_repeats(admitted)
    categories: dict[str, Counter[str]] = {}
    for text in known:
        categories.setdefault(text.category, Counter())["knowledge"] += 1
    for row in taught:
        name = "verdicts" if row.kind == "v" else "tickets"
        categories.setdefault(row.category, Counter())[name] += 1
    unlabelled = categories.get("", Counter())["tickets"]
    origins = Counter({"knowledge": 0, "tickets": 0, "verdicts": 0})
    for counts in categories.values():
        origins.update(counts)
    origins["tickets"] -= unlabelled
    by_source = Counter(row.source for row in rows)
    waits, refusals = Counter(r.source for r in waiting), Counter(r.source for r in refused)
    return Overview(
        origins=origins,
        categories=dict(
            sorted(
                ((name, counts) for name, counts in categories.items() if name),
                key=lambda entry: (-sum(entry[1].values()), entry[0]),
            )
        ),
        unlabelled=unlabelled,
        sources=tuple(
            SourceCount(source, n, waits[source], refusals[source], source in suspicious)
            for source, n in by_source.most_common()
        ),
        waiting=len(waiting),
        refused=len(refused),
        repeats=len(admitted) - len(taught),
        examination=found,
    )
