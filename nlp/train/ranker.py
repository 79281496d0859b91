"""Fits the dual encoder on questions with a known right answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nlp.gathering import Table
from nlp.ranker import DualEncoder, Tower, counted
from nlp.terms import tower_terms
from nlp.train.loop import tell_loss
from nlp.train.towers import LexicalTeacher, SparseTexts, Towers, distillation, in_batch_loss
from nlp.train.translation import fit_translation, sample_pairs

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

_MOST_PAIRS = 60_000  # a sample of more; what is read of them would be the most of the time
_MOST_STEPS = 5  # times ``steps``, whatever the number of questions
_PARAPHRASED = 2.5  # questions per answer from which they teach more than words do
_IMITATED_FROM = 500  # pairs
_LEAST_STEPS = 100
_ANSWER_TERMS = 1500  # n-grams of an answer that are trained on; the beginning says most


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """How the towers are trained.

    Attributes:
        dimension: length of an encoding.
        epochs: passes over the questions, fewer where they would take more than ``steps`` steps.
        steps: most steps, but at least a third of the passes are made while that is not more than
            five times as many.
        batch: questions per step, twice as many where BM25 is imitated.
        rate: highest learning rate.
        dropout: share of n-grams left out of a text.
        paraphrases: weight of the question-question loss.
        distil: weight of the imitation of BM25 where most answers have a single question.
        terms: most terms that are learned, those in most texts.
        rare: terms in fewer texts than this are not learned.
        translation_from: pairs from which a translation table is fitted too.
    """

    dimension: int = 256
    epochs: int = 20
    steps: int = 200
    batch: int = 128
    rate: float = 2e-3
    dropout: float = 0.4
    paraphrases: float = 0.5
    distil: float = 1.0
    terms: int = 20_000
    rare: int = 1
    translation_from: int = 500


def fit_encoder(
    answers: Sequence[str],
    pairs: Sequence[tuple[str, int]],
    settings: EncoderSettings | None = None,
    *,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> DualEncoder:
    """A dual encoder for these answers.

    In-batch softmax between questions and answers plus, at half weight, between questions of the
    same answer. The number of torch threads is the caller's business.

    Args:
        answers: texts.
        pairs: question and the position of its right answer.
        settings: how to train.
        seed: of every random choice.
        progress: told the finished share, 0..1.

    Raises:
        ValueError: there is no pair, or a pair names an answer that is not there.
    """
    settings = settings or EncoderSettings()
    if not pairs or any(not 0 <= position < len(answers) for _, position in pairs):
        raise ValueError("Training needs questions, each with the position of its answer.")
    torch.manual_seed(seed)
    pairs = sample_pairs(pairs, _MOST_PAIRS, seed)
    answer_terms = [tower_terms(text)[:_ANSWER_TERMS] for text in answers]
    question_terms = [tower_terms(text) for text, _ in pairs]
    vocabulary, idf = _vocabulary([*answer_terms, *question_terms], settings)
    model = Towers(max(len(vocabulary), 1), settings.dimension, settings.dropout)
    if len(vocabulary):
        material = _Material(
            SparseTexts(question_terms, vocabulary, idf),
            SparseTexts(answer_terms, vocabulary, idf),
            np.asarray([position for _, position in pairs], np.int64),
            _teacher(question_terms, answer_terms, vocabulary, pairs),
        )
        _train(model, material, settings, seed=seed, progress=progress)
    table = Table(_array(model.table.weight)[: len(vocabulary)])
    translate = len(pairs) >= settings.translation_from
    return DualEncoder(
        vocabulary,
        idf,
        table,
        question=_tower(model.question),
        answer=_tower(model.answer),
        translation=fit_translation(answers, pairs, seed=seed) if translate else None,
    )


@dataclass(frozen=True, slots=True)
class _Material:
    """What towers are trained on: questions, answers, and whose each question is."""

    questions: SparseTexts
    answers: SparseTexts
    owners: Ids
    teacher: LexicalTeacher | None


def _teacher(
    questions: Sequence[Ids],
    answers: Sequence[Ids],
    vocabulary: Ids,
    pairs: Sequence[tuple[str, int]],
) -> LexicalTeacher | None:
    """BM25 to imitate, where few questions of an answer say how else it is asked for.

    Of few pairs the towers would learn little else than to imitate.
    """
    paraphrased = len(pairs) >= _PARAPHRASED * len({position for _, position in pairs})
    if paraphrased or len(pairs) < _IMITATED_FROM:
        return None
    places = np.concatenate([counted(answer, vocabulary)[0] for answer in answers])
    df = np.bincount(places, minlength=len(vocabulary))
    return LexicalTeacher(questions, answers, vocabulary, df)


def _train(
    model: Towers,
    material: _Material,
    settings: EncoderSettings,
    *,
    seed: int,
    progress: Callable[[float], None] | None,
) -> None:
    rng = np.random.default_rng(seed)
    partners = Partners(material.owners, rng)
    teacher = material.teacher
    # Where each answer has one question, more of them to tell apart at once teach more.
    batch = settings.batch * (2 if teacher is not None else 1)
    order = np.arange(len(material.owners))
    per_epoch = -(-len(order) // batch)
    epochs = max(min(settings.epochs, settings.steps // per_epoch), -(-settings.epochs // 3))
    epochs = max(epochs, -(-_LEAST_STEPS // per_epoch))
    steps = min(epochs * per_epoch, _MOST_STEPS * settings.steps)
    weights = [*model.parameters(), *(teacher.parameters() if teacher is not None else ())]
    optimiser = torch.optim.Adam(weights, lr=settings.rate, fused=True)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.1, steps)
    model.train()
    for step in range(steps):
        start = step % per_epoch * batch
        if start == 0:
            rng.shuffle(order)
        rows = order[start : start + batch]
        loss = _loss(model, material, settings, rows=rows, other=partners.draw(rows))
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
        tell_loss(step, steps, loss)
        if progress is not None and (start + batch >= len(order) or step + 1 == steps):
            progress((step + 1) / steps)
    model.eval()


def _loss(
    model: Towers, material: _Material, settings: EncoderSettings, *, rows: Ids, other: Ids
) -> Tensor:
    owners = material.owners
    mine = torch.from_numpy(owners[rows])
    columns = np.unique(owners[rows])
    questions = model.encode(material.questions.batch(rows.tolist()), model.question)
    answers = model.encode(material.answers.batch(columns.tolist()), model.answer)
    logits = model.scale() * questions @ answers.T
    loss = in_batch_loss(logits, mine, torch.from_numpy(columns))
    if material.teacher is not None:
        lexical = material.teacher.logits(rows.tolist(), columns.tolist())
        loss = loss + settings.distil * distillation(logits, lexical.detach())
        # The teacher's own scale is fitted beside.
        loss = loss + in_batch_loss(lexical, mine, torch.from_numpy(columns))
    if settings.paraphrases and len(other) > 1:
        asked = model.encode(material.questions.batch(other.tolist()), model.question)
        theirs = torch.from_numpy(owners[other])
        likeness = model.scale() * questions @ asked.T
        loss = loss + settings.paraphrases * in_batch_loss(likeness, mine, theirs)
    return loss


class Partners:
    """Draws another question of the same answer."""

    def __init__(self, owners: Ids, rng: np.random.Generator) -> None:
        self._rng = rng
        self._order = np.argsort(owners, kind="stable")
        self._rank = np.empty(len(owners), np.int64)
        self._rank[self._order] = np.arange(len(owners))
        _, inverse, counts = np.unique(owners, return_inverse=True, return_counts=True)
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        self._first = starts[inverse]
        self._count = counts[inverse]

    def draw(self, rows: Ids) -> Ids:
        """One partner for every row that has one."""
        rows = rows[self._count[rows] > 1]
        counts = self._count[rows]
        step = 1 + (self._rng.random(len(rows)) * (counts - 1)).astype(np.int64)
        place = (self._rank[rows] - self._first[rows] + step) % counts
        return np.asarray(self._order[self._first[rows] + place], np.int64)


def _vocabulary(documents: Sequence[Ids], settings: EncoderSettings) -> tuple[Ids, Floats]:
    """Sorted terms that are learned, and their idf."""
    unique = [np.unique(document) for document in documents]
    terms, df = np.unique(np.concatenate(unique), return_counts=True)
    order = np.argsort(-df, kind="stable")[: settings.terms]
    keep = np.sort(order[df[order] >= settings.rare])
    idf = 1.0 + np.log((1.0 + len(documents)) / (1.0 + df[keep]))
    return terms[keep], idf.astype(np.float32)


def _tower(layer: torch.nn.Linear) -> Tower:
    return Tower(np.ascontiguousarray(_array(layer.weight).T), _array(layer.bias))


def _array(tensor: Tensor) -> Floats:
    return np.asarray(tensor.detach().numpy(), np.float32).copy()
