"""Which rows of a training set are doubtful, and why: pure functions over rows.

Trusted are the knowledge base and what an admin imported; an agent's row that collides with
anything waits, a ticket only where another trusted row has the very same text.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bot.store.training import PARTNER_SIGN, Finding, SourceRow, partner_text
from index.near import groups, near_pairs
from nlp.features import prepare, tokens, trigram_columns

# Reasons, in the order in which the panel lists them.
REASONS = ("conflict", "model", "edited", "cap", "source")
KNOWLEDGE = "knowledge"

_NEAR = 0.8  # Jaccard of character trigrams
_TRIGRAMS = (1 << 31) - 1
_REWRITTEN = 0.5  # share of an answer that is another answer


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text with its label, from wherever; ``row`` is None for the knowledge base."""

    text: str
    category: str
    answer_id: int  # 0 where none is known
    row: SourceRow | None = None

    @property
    def trusted(self) -> bool:
        """True for the knowledge base and imports."""
        return self.row is None or self.row.kind == "t"


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two texts, nearly the same, that teach different things."""

    first: Labelled
    second: Labelled
    likeness: float  # 0..1, 1 the same words


@dataclass(frozen=True, slots=True)
class Capped:
    """Rows of one source that a category has no room for."""

    source: str
    category: str
    rows: int
    dropped: int


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found.

    Attributes:
        conflicts: best likeness first.
        duplicates: texts of groups of nearly the same text with one label, largest first.
        capped: sources above their share.
        findings: rows that must wait for an admin.
    """

    conflicts: tuple[Conflict, ...] = ()
    duplicates: tuple[tuple[str, ...], ...] = ()
    capped: tuple[Capped, ...] = ()
    findings: tuple[Finding, ...] = field(default=(), repr=False)


def examine(
    known: Sequence[Labelled],
    rows: Sequence[SourceRow],
    *,
    twins: Mapping[int, int],
    disputed: Mapping[tuple[int, int], str],
    suspicious: frozenset[str],
    share: float,
    least: int,
) -> Examination:
    """Look through the knowledge base and the rows.

    Args:
        known: texts of the knowledge base.
        rows: verdicts and tickets; refused ones are passed over, approved ones found no more.
        twins: the same article in the other language, by article.
        disputed: category that the model is very sure of instead, by message and answer.
        suspicious: sources that an admin marked.
        share: most of a category's rows that one source may give.
        least: rows of a category that a source may give anyway.
    """
    alive = [row for row in rows if row.state != "refused" and row.text.strip()]
    texts = [*known, *(Labelled(r.text, r.category, r.answer_id, r) for r in alive)]
    conflicts, duplicates = _compare(texts, twins)
    reasons: dict[SourceRow, list[str]] = defaultdict(list)
    partners: dict[SourceRow, str] = {}
    for conflict in conflicts:
        for mine, other in _pairs(conflict):
            if mine.row is not None and _waits(mine, other, conflict.likeness):
                if "conflict" not in reasons[mine.row]:
                    reasons[mine.row].append("conflict")
                partners.setdefault(mine.row, _named(other))
    for row in alive:
        if row.kind == "v" and (row.row_id, row.answer_id) in disputed:
            reasons[row].append("model")
            partners.setdefault(row, disputed[row.row_id, row.answer_id])
        if row.kind == "v" and row.changed >= _REWRITTEN:
            reasons[row].append("edited")
        if row.source in suspicious:
            reasons[row].append("source")
    free = [row for row in alive if not reasons.get(row) or row.state == "approved"]
    capped, dropped = _cap(known, free, share, least)
    for row in dropped:
        reasons[row].append("cap")
    findings = tuple(
        Finding(r.kind, r.row_id, r.answer_id, r.source, tuple(why), partners.get(r, ""))
        for r, why in reasons.items()
        if why and r.state != "approved"
    )
    return Examination(tuple(conflicts), tuple(duplicates), tuple(capped), findings)


def _compare(
    texts: Sequence[Labelled], twins: Mapping[int, int]
) -> tuple[list[Conflict], list[tuple[str, ...]]]:
    """Conflicts, and groups of near-duplicates, among all texts."""
    folded = [" ".join(tokens(text)) for text in prepare(text.text for text in texts)]
    same: dict[str, list[int]] = defaultdict(list)
    for place, text in enumerate(folded):
        same[text].append(place)
    labels: list[tuple[str, list[int]]] = []  # one entry for each text and label
    for text, places in same.items():
        by_label: dict[tuple[str, int], list[int]] = defaultdict(list)
        for place in places:
            by_label[texts[place].category, texts[place].answer_id].append(place)
        labels += [(text, members) for members in by_label.values()]
    ids = [trigram_columns(text, _TRIGRAMS) for text, _ in labels]
    conflicts, alike = [], []
    for pair in near_pairs(ids, _NEAR):
        ones, others = labels[pair.first][1], labels[pair.second][1]
        if _differ(texts[ones[0]], texts[others[0]], twins):
            conflicts += [
                Conflict(texts[one], texts[other], pair.likeness)
                for one, other in _representatives(ones, others)
            ]
        else:
            alike.append((pair.first, pair.second))
    return conflicts, _duplicates(texts, labels, alike)


def _representatives(ones: list[int], others: list[int]) -> Iterable[tuple[int, int]]:
    """Every member against one of the other side, so that none is left without a partner."""
    yield from ((one, others[0]) for one in ones)
    yield from ((ones[0], other) for other in others[1:])


def _duplicates(
    texts: Sequence[Labelled],
    labels: Sequence[tuple[str, list[int]]],
    alike: Sequence[tuple[int, int]],
) -> list[tuple[str, ...]]:
    joined = groups(alike)
    found: dict[int, list[int]] = defaultdict(list)
    for place, (_, members) in enumerate(labels):
        found[joined.get(place, place)] += members
    together = [tuple(texts[place].text for place in members) for members in found.values()]
    return sorted((g for g in together if len(g) > 1), key=len, reverse=True)


def _differ(first: Labelled, second: Labelled, twins: Mapping[int, int]) -> bool:
    if first.category and second.category and first.category != second.category:
        return True
    one, other = first.answer_id, second.answer_id
    return bool(one and other and one != other and twins.get(one) != other)


def _pairs(conflict: Conflict) -> tuple[tuple[Labelled, Labelled], ...]:
    return (conflict.first, conflict.second), (conflict.second, conflict.first)


def _waits(mine: Labelled, other: Labelled, likeness: float) -> bool:
    return not mine.trusted or (other.trusted and likeness == 1.0)


def _named(other: Labelled) -> str:
    text = partner_text(other.text)
    return f"{text}{PARTNER_SIGN}{other.category}" if other.category else text


def _cap(
    known: Sequence[Labelled], rows: Sequence[SourceRow], share: float, least: int
) -> tuple[list[Capped], list[SourceRow]]:
    """Sources above their share of a category, and their newest rows, for which there is no room.

    A source with n of the category's other m rows stays within the share s where n <= m s / (1-s).
    Where all verdicts come from one agent, or over one channel, nothing can be compared.
    """
    total = Counter(text.category for text in known) + Counter(row.category for row in rows)
    given = [row for row in rows if row.kind == "v" and row.category]
    capped: list[Capped] = []
    dropped: dict[SourceRow, None] = {}
    for name in ("source", "channel"):
        by: dict[tuple[str, str], list[SourceRow]] = defaultdict(list)
        for row in given:
            by[getattr(row, name), row.category].append(row)
        if len({source for source, _ in by}) < 2:
            continue
        for (source, category), mine in sorted(by.items()):
            others = total[category] - len(mine)
            room = max(least, int(others * share / (1 - share)) if share < 1 else len(mine))
            if len(mine) > room:
                late = sorted(mine, key=lambda row: (row.created_at, row.row_id))[room:]
                late = [row for row in late if row.state != "approved"]
                if late:
                    capped.append(Capped(source, category, len(mine), len(late)))
                dropped.update(dict.fromkeys(late))
    return capped, list(dropped)


def very_sure_otherwise(
    labels: Sequence[str], proba: np.ndarray, said: Sequence[str], *, sure: float = 0.9
) -> dict[int, str]:
    """Places where the model is at least that sure of another category, with that category.

    Shapes: ``proba`` is ``(n, len(labels))``, one row for each category in ``said``.
    """
    best = proba.argmax(axis=1) if proba.size else []
    return {
        place: labels[top]
        for place, top in enumerate(best)
        if said[place] in labels and labels[top] != said[place] and proba[place, top] >= sure
    }
