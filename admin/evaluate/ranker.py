"""The ranker on a folder of questions and answers, beside plain search.

Answers of equal text are one answer. Where a question brings a pool, or a pool size is asked for,
only the pool is ranked. A question without a right answer counts in calibration and coverage
(anything shown is wrong there) and in ``abstention_auroc``, not in accuracy, recall or MRR.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from admin.evaluate.corpus import Corpus
from admin.evaluate.judging import (
    CHOSEN,
    acceptance,
    calibration_figures,
    latency,
    median_of,
    rank_figures,
    rounded,
)
from admin.evaluate.pooled import PooledIndex
from admin.evaluate.retrieval import Peer, Searcher, Shelf, build_peers, engine
from admin.evaluate.task import Asked, Task, build_task
from bot.answering import Answerer
from bot.bundles import Bundle
from bot.candidates import FEATURES, RANKERS
from bot.entries import KnowledgeItem
from bot.learning.ranking import train_ranking
from bot.settings import Preset
from nlp.calibration import threshold_for
from nlp.correction import Correction, Evidence, weighted_sum
from nlp.encoders import load_encoder
from nlp.metrics import auroc

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]
Tell = Callable[[str], None]

_PROMISES: Final = (0.8, 0.9)
_DEPTH: Final = 60  # answers of a list; a right one below them has reciprocal rank 0


@dataclass(frozen=True, slots=True)
class Listed:
    """What a ranker gives for one question: answers best first, and how sure it is of the first."""

    numbers: Sequence[int]
    confidence: float
    elapsed_ms: float


class Ranker(Protocol):
    """Ours or a peer."""

    def rank(self, asked: Asked) -> Listed:
        """At most ``_DEPTH`` answers."""


def evaluate(
    corpus: Corpus,
    *,
    cold: bool,
    pool: int | None,
    past: int | None = None,
    preset: Preset,
    seeds: int,
    tell: Tell,
) -> dict[str, Any]:
    """The report: ``data``, ``preset``, ``ours``, ``peers``, ``seeds``.

    Args:
        corpus: questions and answers.
        cold: answers and titles alone, no past questions.
        pool: answers ranked for a question that brings no pool; None ranks all, always.
        past: most training questions of an answer, drawn anew for each seed; None: all.
        preset: kind of training.
        seeds: trainings, the median counts.
        tell: told what is done.
    """
    task = build_task(corpus, cold=cold, pool=pool, past=past)
    runs = []
    for seed in range(seeds):
        tell(f"training, seed {seed}")
        drawn = build_task(corpus, cold=cold, pool=pool, past=past, seed=seed) if past else task
        runs.append(_ours(drawn, preset, seed, tell))
    tell("comparing with plain search")
    peers = {name: rounded(_peer(task, peer)) for name, peer in build_peers(_shelf(task)).items()}
    return {
        "data": {
            "answers": len(corpus.answers),
            "distinct_answers": len(task.answers),
            "train": len(task.train),
            "dev": len(task.dev),
            "judged": len(task.test),
            "unanswerable": sum(not asked.right for asked in task.test),
            "test_also_in_train": corpus.also_in_train,
            "fold": corpus.fold,
            "cold": cold,
            "pool": pool,
            "past": past,
        },
        "preset": preset,
        "bm25": engine(),
        "ours": median_of(runs),
        "peers": peers,
        "seeds": [{"seed": seed, **rounded(found)} for seed, found in enumerate(runs)],
    }


def _ours(task: Task, preset: Preset, seed: int, tell: Tell) -> dict[str, Any]:
    items = [
        KnowledgeItem(number, answer.text, answer.title, answer.category, answer.language)
        for number, answer in enumerate(task.answers)
    ]
    samples, pools = [], []
    for asked in task.train:
        for number in sorted(asked.right) or [-1]:
            samples.append((asked.text, number))
            pools.append(asked.pool)
    with tempfile.TemporaryDirectory(prefix="neurobot-evaluate-") as name:
        folder = Path(name)
        began = time.process_time()
        training = train_ranking(
            items,
            samples,
            folder,
            pools=pools,
            seed=seed,
            preset=preset,
            progress=lambda stage, _: tell(stage),
        )
        spent = time.process_time() - began
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        trained = bool(training["trained"])
        encoder = load_encoder(folder / "ranker") if trained else None
        correction = Correction.load(folder / "correction") if trained else None
    index = PooledIndex(encoder, "cpu")
    index.put(_with_questions(items, task.train))
    bundle = Bundle("evaluated", None, encoder, correction, {}, 0.0) if trained else None
    tell("asking")
    evidence = correction.evidence if correction is not None else None
    figures = _judge(_Ours(Answerer(bundle, index, 0), index), task, evidence)
    extra = {
        "train_cpu_s": spent,
        "model_bytes": size,
        "variant": training["variant"],
        "rankers": _single_rankers(index, task.test),
    }
    extra |= {key: training[key] for key in CHOSEN if key in training}
    return {**figures, **extra}


def _single_rankers(index: PooledIndex, questions: Sequence[Asked]) -> dict[str, Any]:
    """What each ranker does alone among the candidates, and the sum that needs no training.

    Ties count against a ranker.
    """
    untrained = weighted_sum(FEATURES, index.fixed_weights())
    places: dict[str, list[int | None]] = {name: [] for name in (*RANKERS, "untrained")}
    for asked in questions:
        if not asked.right:
            continue
        among = None if asked.pool is None else asked.pool.tolist()
        found = index.search(asked.text, among=among)
        right = np.asarray([one in asked.right for one in found.answer_ids], bool)
        for name in RANKERS:
            scores = found.features[:, FEATURES.index(name)]
            places[name].append(_tied_place(scores, right & (scores > 0)))
        places["untrained"].append(_tied_place(untrained.logits(found.features), right))
    figures = {name: rank_figures(listed) for name, listed in places.items()}
    return {
        name: {key: found[key] for key in ("acc_at_1", "mrr")} for name, found in figures.items()
    }


def _tied_place(scores: Floats, right: NDArray[np.bool_]) -> int | None:
    if not right.any():
        return None
    return 1 + int((scores[~right] >= scores[right].max()).sum())


def _with_questions(items: Sequence[KnowledgeItem], train: Sequence[Asked]) -> list[KnowledgeItem]:
    past: dict[int, list[str]] = {}
    for asked in train:
        for number in sorted(asked.right):
            past.setdefault(number, []).append(asked.text)
    return [
        KnowledgeItem(
            item.answer_id, item.text, item.title, item.category, item.language,
            tuple(past.get(item.answer_id, ())),
        )
        for item in items
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Ours:
    """The server's answerer."""

    answerer: Answerer
    index: PooledIndex

    def rank(self, asked: Asked) -> Listed:
        self.index.among(None if asked.pool is None else asked.pool.tolist())
        began = time.perf_counter()
        found = self.answerer.suggest(asked.text, _DEPTH)
        elapsed = (time.perf_counter() - began) * 1e3
        first = found.items[0].confidence if found.items else 0.0
        return Listed([item.answer_id for item in found.items], first, elapsed)


@dataclass(frozen=True, slots=True)
class _Plain:
    """A peer; its score is no probability, but it can be compared with a threshold."""

    searcher: Searcher

    def rank(self, asked: Asked) -> Listed:
        began = time.perf_counter()
        scores = self.searcher.scores(asked.text)
        if asked.pool is not None:
            inside = np.zeros(len(scores), bool)
            inside[asked.pool] = True
            scores = np.where(inside, scores, 0.0).astype(np.float32)
        order = np.argsort(-scores, kind="stable")[:_DEPTH]
        order = order[scores[order] > 0]
        elapsed = (time.perf_counter() - began) * 1e3
        return Listed(order.tolist(), float(scores[order[0]]) if len(order) else 0.0, elapsed)


def _peer(task: Task, peer: Peer) -> dict[str, Any]:
    figures = _judge(_Plain(peer.searcher), task)
    # Scores of a search are no probabilities.
    figures |= dict.fromkeys(("ece", "ece_low", "ece_high"))
    return {**figures, "train_cpu_s": peer.cpu_s, "model_bytes": peer.searcher.size_bytes}


def _shelf(task: Task) -> Shelf:
    pairs = [(answer.title, number) for number, answer in enumerate(task.answers) if answer.title]
    pairs += [(asked.text, number) for asked in task.train for number in sorted(asked.right)]
    return Shelf(
        [f"{answer.title}\n{answer.text}" for answer in task.answers],
        [text for text, _ in pairs],
        np.asarray([number for _, number in pairs], np.int64),
    )


def _judge(ranker: Ranker, task: Task, evidence: Evidence | None = None) -> dict[str, Any]:
    """All figures of a ranker.

    Thresholds come from the questions of ``dev`` and, if the ranker was trained, from what it said
    of training questions that it had not seen.
    """
    sure, correct, _ = _first(ranker, task.dev)
    if evidence is not None:
        sure = np.concatenate([sure, evidence.confidence])
        correct = np.concatenate([correct, evidence.right])
    limits = {p: threshold_for(sure, correct, p) for p in _PROMISES}
    confidence, right, listed = _first(ranker, task.test)
    answerable = np.asarray([bool(asked.right) for asked in task.test])
    found: dict[str, Any] = dict(
        rank_figures(
            [
                _place(one, asked.right)
                for one, asked in zip(listed, task.test, strict=True)
                if asked.right
            ]
        )
    )
    found |= calibration_figures(confidence, right)
    for promise, limit in limits.items():
        name = f"{promise * 100:.0f}"
        accepted = confidence >= (limit[0] if limit is not None else np.inf)
        covered, kept = acceptance(accepted, right)
        # Without questions to choose a threshold on there is nothing to promise.
        found[f"coverage_at_{name}"] = covered if len(sure) else None
        found[f"precision_at_{name}"] = kept
    judged = answerable.any() and not answerable.all()
    found["abstention_auroc"] = auroc(-confidence, ~answerable) if judged else None
    found["query_ms"] = latency([one.elapsed_ms for one in listed])
    return found


def _first(
    ranker: Ranker, questions: Sequence[Asked]
) -> tuple[Floats, NDArray[np.bool_], list[Listed]]:
    """Confidence of the first answers, whether they are right, and the whole lists."""
    listed = [ranker.rank(asked) for asked in questions]
    right = [_place(one, asked.right) == 1 for one, asked in zip(listed, questions, strict=True)]
    sure = np.asarray([one.confidence for one in listed], np.float32)
    return sure, np.asarray(right, bool), listed


def _place(listed: Listed, right: frozenset[int]) -> int | None:
    places = (place for place, number in enumerate(listed.numbers, 1) if number in right)
    return next(places, None)
