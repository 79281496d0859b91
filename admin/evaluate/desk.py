"""The whole path on one's own history: what would have been suggested for past tickets.

Cross-validated: each ticket is asked of models and of a knowledge base that know the tickets of
the other folds alone. Beside it a plain TF-IDF match over the same articles and tickets.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from admin.evaluate.baseline import rank_answers
from admin.evaluate.judging import acceptance, calibration_figures, latency, rounded
from admin.importers.rows import KnowledgeRow, TicketRow
from admin.importers.tickets import same_text
from bot.answering import Answerer
from bot.bundles import Bundle, load_bundle
from bot.candidates import CandidateIndex
from bot.domain import Suggestions
from bot.entries import KnowledgeItem
from bot.errors import BadData
from bot.learning.bundle import NothingToTrain, train_bundle
from bot.learning.dataset import CategoryRow, Dataset, QuestionRow
from bot.settings import Preset
from nlp.calibration import threshold_for

Tell = Callable[[str], None]

_TOPS: Final = (1, 3, 5)


@dataclass(frozen=True, slots=True)
class Asked:
    """A past ticket, its suggestions, and the place of the right one from 1 (None: not there)."""

    row: TicketRow
    suggestions: Suggestions
    place: int | None
    fold: int

    @property
    def confidence(self) -> float:
        """Of the first suggestion; 0 where there is none."""
        return self.suggestions.items[0].confidence if self.suggestions.items else 0.0


def evaluate(
    knowledge: Sequence[KnowledgeRow],
    tickets: Sequence[TicketRow],
    *,
    folds: int,
    preset: Preset,
    precision: float,
    tell: Tell,
) -> dict[str, Any]:
    """The report: ``data``, ``preset``, ``precision``, ``ours``, ``peers``.

    Args:
        knowledge: questions with their answers; equal answers are one article.
        tickets: past tickets; those with ``kb_answer`` judge the answers, all judge categories.
        folds: parts, each asked of what is learnt from the others.
        preset: of the training.
        precision: that of automatic answers; their threshold comes from the other folds.
        tell: told what is done.

    Raises:
        BadData: no ticket names its right answer, or there are fewer tickets than folds.
    """
    _check(tickets, folds)
    items = _articles(knowledge)
    number = {same_text(item.text): item.answer_id for item in items}
    # By chance alone: spreading the tickets of an answer evenly would flatter the figures.
    fold_of = (np.random.default_rng(0).permutation(len(tickets)) % folds).tolist()
    asked: list[Asked] = []
    matched: list[tuple[str, list[str]]] = []
    spent = 0.0
    for fold in range(folds):
        tell(f"fold {fold + 1} of {folds}")
        train, test = _cut(tickets, fold_of, fold)
        began = time.process_time()
        answerer = _learn(items, number, train, preset, tell)
        spent += (time.process_time() - began) / folds
        asked += [_ask(answerer, row, fold) for row in test]
        matched += _match(knowledge, train, [row for row in test if row.kb_answer])
    judged = [one for one in asked if one.row.kb_answer]
    return {
        "data": _data(items, tickets, judged, number) | {"folds": folds},
        "preset": preset,
        "precision": precision,
        "ours": rounded(_figures(asked, judged, precision) | {"train_cpu_s": spent}),
        "peers": {"tfidf": rounded(_hits([_place(right, found) for right, found in matched]))},
    }


def _data(
    items: Sequence[KnowledgeItem],
    tickets: Sequence[TicketRow],
    judged: Sequence[Asked],
    number: Mapping[str, int],
) -> dict[str, int]:
    unknown = sum(same_text(one.row.kb_answer) not in number for one in judged)
    return {
        "articles": len(items),
        "tickets": len(tickets),
        "with_answer": len(judged),
        "answer_not_in_knowledge_base": unknown,
    }


def _cut(
    tickets: Sequence[TicketRow], fold_of: Sequence[int], fold: int
) -> tuple[list[TicketRow], list[TicketRow]]:
    """Tickets outside and inside a fold."""
    outside = [row for row, own in zip(tickets, fold_of, strict=True) if own != fold]
    return outside, [row for row, own in zip(tickets, fold_of, strict=True) if own == fold]


def _check(tickets: Sequence[TicketRow], folds: int) -> None:
    if not any(row.kb_answer for row in tickets):
        raise BadData(
            "No ticket says which answer was right.", remedy="Add the column 'kb_answer' to them."
        )
    if len(tickets) < folds:
        raise BadData(f"{len(tickets)} tickets cannot be cut into {folds} folds.")


def _figures(asked: Sequence[Asked], judged: Sequence[Asked], precision: float) -> dict[str, Any]:
    return {
        **_hits([one.place for one in judged]),
        "category_accuracy": _category_accuracy(asked),
        **_automatic(judged, precision),
        "query_ms": latency([one.suggestions.elapsed_ms for one in asked]),
    }


def _articles(knowledge: Sequence[KnowledgeRow]) -> list[KnowledgeItem]:
    """One article for each distinct answer, as the import makes them."""
    rows_of: dict[str, list[KnowledgeRow]] = {}
    for row in knowledge:
        rows_of.setdefault(same_text(row.answer), []).append(row)
    return [
        KnowledgeItem(
            answer_id=number,
            text=rows[0].answer,
            category=next((row.category for row in rows if row.category), ""),
            language=rows[0].language,
            questions=tuple(dict.fromkeys(row.question for row in rows)),
        )
        for number, rows in enumerate(rows_of.values())
    ]


def _learn(
    items: Sequence[KnowledgeItem],
    number: Mapping[str, int],
    train: Sequence[TicketRow],
    preset: Preset,
    tell: Tell,
) -> Answerer:
    """The server's answerer after training on these tickets."""
    rows = [CategoryRow(row.text, row.category, "ticket") for row in train]
    for item in items:
        if item.category:
            rows += [CategoryRow(text, item.category, "question") for text in item.questions]
            rows.append(CategoryRow(item.text, item.category, "answer"))
    past: dict[int, list[str]] = {}
    for row in train:
        answer_id = number.get(same_text(row.kb_answer))
        if answer_id is not None:
            past.setdefault(answer_id, []).append(row.text)
    questions = [QuestionRow(text, one) for one, texts in past.items() for text in texts]
    bundle = _train(Dataset(tuple(items), tuple(questions), tuple(rows)), preset, tell)
    index = CandidateIndex(bundle.encoder if bundle is not None else None, "cpu")
    index.put(
        KnowledgeItem(
            item.answer_id, item.text, item.title, item.category, item.language,
            tuple(dict.fromkeys((*item.questions, *past.get(item.answer_id, ())))),
        )
        for item in items
    )  # fmt: skip
    return Answerer(bundle, index, 0)


def _train(data: Dataset, preset: Preset, tell: Tell) -> Bundle | None:
    with tempfile.TemporaryDirectory(prefix="neurobot-evaluate-") as name:
        try:
            version, _ = train_bundle(
                data, Path(name), seed=0, threads=1, preset=preset,
                progress=lambda stage, _: tell(stage),
            )  # fmt: skip
        except NothingToTrain:
            # A young desk is served without models, and so it is judged.
            return None
        return load_bundle(Path(name) / version)


def _ask(answerer: Answerer, row: TicketRow, fold: int) -> Asked:
    found = answerer.suggest(row.text, max(_TOPS))
    place = _place(same_text(row.kb_answer), [same_text(item.text) for item in found.items])
    return Asked(row, found, place, fold)


def _place(right: str, found: Sequence[str]) -> int | None:
    return found.index(right) + 1 if right in found else None


def _match(
    knowledge: Sequence[KnowledgeRow], train: Sequence[TicketRow], test: Sequence[TicketRow]
) -> list[tuple[str, list[str]]]:
    """The right answer and those that TF-IDF finds, for each ticket."""
    if not test:
        return []
    documents = [(row.question, same_text(row.answer)) for row in knowledge]
    known = {answer for _, answer in documents}
    documents += [
        (row.text, same_text(row.kb_answer)) for row in train if same_text(row.kb_answer) in known
    ]
    ranked = rank_answers(documents, [row.text for row in test], max(_TOPS))
    return list(zip([same_text(row.kb_answer) for row in test], ranked, strict=True))


def _hits(places: Sequence[int | None]) -> dict[str, float]:
    return {
        f"hit_at_{top}": sum(place is not None and place <= top for place in places) / len(places)
        for top in _TOPS
    }


def _category_accuracy(asked: Sequence[Asked]) -> float | None:
    """Share of tickets whose category is the first guess; None where none is guessed at all."""
    guesses = [(one.suggestions.categories, one.row.category) for one in asked]
    if not any(categories for categories, _ in guesses):
        return None
    return sum(bool(c) and c[0].name == wanted for c, wanted in guesses) / len(guesses)


def _automatic(judged: Sequence[Asked], precision: float) -> dict[str, Any]:
    confidence = np.asarray([one.confidence for one in judged], np.float64)
    right = np.asarray([one.place == 1 for one in judged], np.bool_)
    fold = np.asarray([one.fold for one in judged], np.int64)
    accepted: NDArray[np.bool_] = np.zeros(len(judged), np.bool_)
    for own in np.unique(fold).tolist():
        others = fold != own
        limit = threshold_for(confidence[others], right[others], precision)
        if limit is not None:
            accepted[~others] = confidence[~others] >= limit[0]
    share, kept = acceptance(accepted, right)
    return {
        "auto_share": share,
        "auto_precision": kept,
        **calibration_figures(confidence, right),
    }
