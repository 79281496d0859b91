"""Sources whose labels contradict what everybody else says: an agent, an import.

A model of the other sources' rows is asked about the rows of one. Honest rows contradict it as
often as rows of the other sources contradict each other; many varied wrong labels contradict it far
more often. Rows of a suspicious source are left out of training and reported; nothing here decides
what becomes of the model. A source with most of the rows is what the others are measured by.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from bot.candidates import FEATURES, CandidateIndex
from bot.learning.dataset import KNOWLEDGE, Dataset
from bot.learning.questions import same_answers
from nlp.comparison import binomial_tail
from nlp.labels import encode

if TYPE_CHECKING:
    from nlp.train.agreement import Bystander

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

_LEAST_ROWS: Final = 10  # of a source that is tested
_MOST_ROWS: Final = 400  # of a source that are asked
_MOST_ANSWERS: Final = 150  # of them that are looked up, which takes longer
_MOST_KNOWN: Final = 6000  # rows of the others that a model is trained on
# Rows of a category and questions of an answer that other sources have, to say anything of it:
# who alone handles a topic contradicts nobody.
_LEAST_KNOWN: Final = 5
_LEAST_ASKED: Final = 3
_CLAIMED: Final = 0.7  # likeness of a past question from which its answer is asked for
_CHANCE: Final = 1e-4  # shared by all sources that are tested
_EXCESS: Final = 0.3  # of disagreement, below which it is taste


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A source that disagrees: rows asked, rows that contradict, the share usual among others."""

    source: str
    part: str  # "categories" or "answers"
    rows: int
    contradicting: int
    usual: float
    chance: float


def suspicious_sources(data: Dataset, *, seed: int) -> list[Suspicion]:
    """Sources to leave out, most rows first."""
    return sorted(
        [*_of_categories(data, seed), *_of_answers(data, seed)], key=lambda found: -found.rows
    )


def without_sources(data: Dataset, sources: set[str]) -> Dataset:
    """The training set without the rows and questions of these sources."""
    return replace(
        data,
        rows=tuple(row for row in data.rows if row.source not in sources),
        questions=tuple(row for row in data.questions if row.source not in sources),
    )


def _tested(sources: Sequence[str]) -> list[str]:
    counts = Counter(source for source in sources if source not in ("", KNOWLEDGE))
    return sorted(
        source
        for source, rows in counts.items()
        if rows >= _LEAST_ROWS and 2 * rows <= len(sources)
    )


def _of_categories(data: Dataset, seed: int) -> list[Suspicion]:
    # Answers are long and say little of how customers ask.
    rows = [row for row in data.rows if row.origin != "answer" or row.source == KNOWLEDGE]
    sources = np.asarray([row.source for row in rows])
    tested = _tested(sources.tolist())
    if not tested:
        return []
    from nlp.train.agreement import Bystander  # noqa: PLC0415 - loads scikit-learn

    labels, numbers = encode([row.category for row in rows])
    model = Bystander([row.text for row in rows], numbers)
    judged = np.asarray([row.origin == "ticket" for row in rows])
    usually = _usually_wrong(model, numbers, np.flatnonzero(judged), seed)
    found = []
    for source in tested:
        own = sources == source
        others = _sample(np.flatnonzero(~own), seed, _MOST_KNOWN)
        counts = np.bincount(numbers[~own], minlength=len(labels))
        known = judged & (counts >= _LEAST_KNOWN)[numbers]
        asked = _sample(np.flatnonzero(own & known), seed)
        wrong = model.predict(others, asked) != numbers[asked]
        usual = usually[known & ~own & ~np.isnan(usually)]
        found.append(_suspicion(source, "categories", wrong, usual, len(tested)))
    return [one for one in found if one is not None]


def _usually_wrong(model: Bystander, numbers: Ints, judged: Ints, seed: int) -> Floats:
    """Of each row 1 if it contradicts the rest, whoever it is from, else 0; NaN if not judged."""
    judged = _sample(judged, seed, _MOST_KNOWN)
    everyone = _sample(np.arange(len(numbers)), seed + 1, _MOST_KNOWN)
    fold = np.random.default_rng(seed).permutation(len(judged)) % 3
    wrong = np.full(len(numbers), np.nan)
    for number in range(3):
        held = judged[fold == number]
        wrong[held] = model.predict(np.setdiff1d(everyone, held), held) != numbers[held]
    return wrong


def _of_answers(data: Dataset, seed: int) -> list[Suspicion]:
    sources = np.asarray([row.source for row in data.questions])
    tested = _tested(sources.tolist())
    if not tested:
        return []
    same = same_answers(data.items)
    right = [same.get(row.answer_id, frozenset()) for row in data.questions]
    answers = np.asarray([row.answer_id for row in data.questions])
    # Of a third of the questions, whoever they are from, how often the others say otherwise.
    held = np.random.default_rng(seed).permutation(len(sources))[: len(sources) // 3]
    known = np.setdiff1d(np.arange(len(sources)), held)
    held = _sample(held, seed, _MOST_ANSWERS)
    usually, said = _contradicting(data, known, held, right)
    found = []
    for source in tested:
        others = np.flatnonzero(sources != source)
        often, counts = np.unique(answers[others], return_counts=True)
        common = np.isin(answers, often[counts >= _LEAST_ASKED])
        own = _sample(np.flatnonzero(sources == source), seed, _MOST_ANSWERS)
        wrong, claimed = _contradicting(data, others, own, right)
        usual = usually[(sources[held] != source) & (common[held] | said)].astype(np.float64)
        wrong = wrong[common[own] | claimed]
        found.append(_suspicion(source, "answers", wrong, usual, len(tested)))
    return [one for one in found if one is not None]


def _contradicting(
    data: Dataset, known: Ints, asked: Ints, right: Sequence[frozenset[int]]
) -> tuple[Bools, Bools]:
    """Of each question whether the first answer by words, from the known ones, is another one.

    And whether that answer is known to a question in nearly the same words.
    """
    more: dict[int, list[str]] = {}
    for place in known.tolist():
        row = data.questions[place]
        more.setdefault(row.answer_id, []).append(row.text)
    index = CandidateIndex(None, "cpu")
    index.put(
        [
            replace(item, questions=(*item.questions, *more.get(item.answer_id, ())))
            for item in data.items
        ]
    )
    level = FEATURES.index("past_level")
    wrong, claimed = [], []
    for place in asked.tolist():
        found = index.search(data.questions[place].text)
        wrong.append(not found.answer_ids or found.answer_ids[0] not in right[place])
        claimed.append(bool(found.answer_ids) and float(found.features[0, level]) >= _CLAIMED)
    return np.asarray(wrong, bool), np.asarray(claimed, bool)


def _suspicion(
    source: str, part: str, wrong: Bools, usual: Floats, tested: int
) -> Suspicion | None:
    if min(len(wrong), len(usual)) < _LEAST_ROWS:
        return None
    count, share = int(wrong.sum()), float(usual.mean())
    # The usual share is itself an estimate; half a step up is on the safe side.
    chance = binomial_tail(count, len(wrong), min(share + _EXCESS / 2, 0.99))
    if chance > _CHANCE / tested or count < (share + _EXCESS) * len(wrong):
        return None
    return Suspicion(source, part, len(wrong), count, round(share, 4), chance)


def _sample(places: Ints, seed: int, most: int = _MOST_ROWS) -> Ints:
    order = np.random.default_rng(seed).permutation(len(places))[:most]
    return np.asarray(np.sort(places[order]), np.int64)
