"""What a ranker is judged on: distinct answers, and questions with the answers they are asked of.

The work is bounded: of very many questions a seeded sample is judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from admin.evaluate.corpus import Answer, Corpus, Question
from nlp.text import normalise

Ids = NDArray[np.int64]

MOST_JUDGED: Final = 2500
_MOST_DEV: Final = 1000


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its right answers and its pool (None: all) as numbers of distinct texts."""

    text: str
    right: frozenset[int]
    pool: NDArray[np.int32] | None


@dataclass(frozen=True, slots=True)
class Task:
    """Distinct answers and who asks what of them."""

    answers: tuple[Answer, ...]
    train: tuple[Asked, ...]
    dev: tuple[Asked, ...]
    test: tuple[Asked, ...]


def build_task(
    corpus: Corpus, *, cold: bool, pool: int | None, past: int | None, seed: int = 0
) -> Task:
    """The task of a folder; answers of equal text are one answer.

    Args:
        corpus: questions and answers.
        cold: no training questions.
        pool: answers that a question without a pool of its own is asked of; None: all, always.
        past: most training questions of an answer, drawn by chance; None: all.
        seed: of that draw.
    """
    number: dict[str, int] = {}
    distinct: list[Answer] = []
    keys = [normalise(answer.text) for answer in corpus.answers]
    for key, answer in zip(keys, corpus.answers, strict=True):
        if key not in number:
            number[key] = len(distinct)
            distinct.append(answer)
    of_id = {answer.id: number[key] for key, answer in zip(keys, corpus.answers, strict=True)}
    rng = np.random.default_rng(0)

    def asked(questions: Sequence[Question]) -> tuple[Asked, ...]:
        return tuple(_asked(one, of_id, pool, len(distinct), rng) for one in questions)

    test = asked(_sample(corpus.test, MOST_JUDGED))
    dev = asked(_sample(corpus.dev, _MOST_DEV))
    train = () if cold else asked(corpus.train)
    if past is not None:
        train = _limited(train, past, seed)
    return Task(tuple(distinct), train, dev, test)


def _sample(questions: Sequence[Question], most: int) -> Sequence[Question]:
    if len(questions) <= most:
        return questions
    drawn = np.random.default_rng(0).permutation(len(questions))[:most]
    return [questions[place] for place in np.sort(drawn).tolist()]


def _limited(train: Sequence[Asked], past: int, seed: int) -> tuple[Asked, ...]:
    """At most ``past`` questions of each answer; those without an answer all stay."""
    kept: list[int] = []
    seen: Counter[int] = Counter()
    for place in np.random.default_rng(seed).permutation(len(train)).tolist():
        right = train[place].right
        if all(seen[number] < past for number in right):
            seen.update(right)
            kept.append(place)
    return tuple(train[place] for place in sorted(kept))


def _asked(
    question: Question,
    of_id: Mapping[str, int],
    pool: int | None,
    total: int,
    rng: np.random.Generator,
) -> Asked:
    right = frozenset(of_id[one] for one in question.answers)
    if pool is None:
        return Asked(question.text, right, None)
    if question.pool:
        among = frozenset(of_id[one] for one in question.pool)
    else:
        drawn = rng.choice(total, min(pool, total), replace=False).tolist()
        others = [number for number in drawn if number not in right]
        among = right | frozenset(others[: max(0, pool - len(right))])
    return Asked(question.text, right, np.asarray(sorted(among), np.int32))
