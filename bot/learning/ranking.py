"""Trains the ranker of a company: towers, translation table and correction, judged by folds.

Each training question is scored by models and by an index that have not seen it; on these honest
scores the correction is fitted, compared with simpler rankings and calibrated. Runs in the
training child process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bot.candidates import FEATURES, RANKERS, CandidateIndex, KnowledgeItem
from nlp.correction import Correction, Network
from nlp.ranker import DualEncoder
from nlp.text import normalise
from nlp.train.correction import (
    Lists,
    Quality,
    calibration_error,
    cross_logits,
    fit_calibration,
    fit_network,
    quality,
    weighted_sum,
)
from nlp.train.foreign import foreign_questions
from nlp.train.loop import use_threads
from nlp.train.ranker import EncoderSettings, fit_encoder

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]
Progress = Callable[[str, float], None]
Sample = tuple[str, int]

LEAST_QUESTIONS = 50  # below, the fixed sum serves and nothing is fitted
_FOREIGN = 0.1  # questions of other domains, a share of the company's own
_NO_ANSWER = -1
_TIE = 0.005  # of accuracy and reciprocal rank; a correction knows better when to be silent
_MANY_QUESTIONS = 1000  # from here three folds say as much as five
_HIDDEN = {"linear": 0, "mlp": 16}


def train_ranking(
    items: Sequence[KnowledgeItem],
    questions: Sequence[Sample],
    folder: Path,
    *,
    seed: int = 0,
    threads: int = 1,
    preset: str = "default",
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, object]:
    """Write ``folder/ranker`` and ``folder/correction`` and give what was measured.

    Args:
        items: living articles with their past questions.
        questions: question and the ``answer_id`` that was right; ids that are no article's count
            as "none of them is right".
        folder: existing folder of the bundle.
        seed: of every random choice.
        threads: for torch.
        preset: ``fast`` halves the size and the passes of the towers.
        progress: told the stage and its finished share, 0..1.

    Returns:
        Cross-validated ``acc_at_1``, ``recall_at_5``, ``mrr`` and ``ece`` of the kept ``variant``,
        the same of each variant under ``variants``, ``questions`` and ``folds``. With too few
        questions nothing is written and ``variant`` is ``fixed``.
    """
    tell = progress or _ignore
    use_threads(threads)
    samples = _samples(items, questions)
    if len(samples) < LEAST_QUESTIONS or not items:
        return {"variant": "fixed", "questions": len(samples), "folds": 0, "trained": False}
    settings = EncoderSettings()
    if preset == "fast":
        settings = replace(settings, dimension=128, epochs=6)
    figures = _train_correction(items, samples, settings, folder, seed=seed, tell=tell)
    tell("ranker", 0.0)
    encoder = _fit(
        items, samples, set(), settings, seed=seed, progress=lambda share: tell("ranker", share)
    )
    encoder.save(folder / "ranker")
    return {"trained": True, "questions": len(samples), **figures}


def _train_correction(
    items: Sequence[KnowledgeItem],
    samples: Sequence[Sample],
    settings: EncoderSettings,
    folder: Path,
    *,
    seed: int,
    tell: Progress,
) -> dict[str, object]:
    """Write ``folder/correction``, fitted and judged out of fold, and give its figures."""
    # What is not for this desk teaches what a faint likeness is worth; it counts in no figure.
    asked = [*samples, *_foreign(len(samples), seed)]
    folds = _folds(asked, seed)
    lists, weights = _out_of_fold(items, asked, folds, settings, seed=seed, tell=tell)
    tell("correction", 0.0)
    logits = _variants(lists, folds, weights, seed=seed)
    ours = np.arange(len(asked)) < len(samples)
    rows = np.repeat(ours, lists.sizes)
    own = lists.take(ours)
    measured = {name: quality(values[rows], own) for name, values in logits.items()}
    kept = _choose(measured)
    tell("correction", 0.7)
    network = _network(kept, lists, weights, seed=seed)
    calibration = fit_calibration(logits[kept], lists)
    Correction(FEATURES, network, calibration, kept).save(folder / "correction")
    return {
        "variant": kept,
        "folds": int(folds.max()) + 1,
        **_figures(measured[kept]),
        "ece": calibration_error(logits[kept], lists, folds, ours),
        "variants": {name: _figures(found) for name, found in measured.items()},
    }


def _ignore(stage: str, share: float) -> None:
    """Nobody listens."""


def _samples(items: Sequence[KnowledgeItem], questions: Sequence[Sample]) -> list[Sample]:
    """Questions to learn from: those given and, if they are few, the articles' own as well.

    An article's only question is left out: without it nothing would lead to the article.
    """
    samples = [(text, answer_id) for text, answer_id in questions if text.strip()]
    if len(samples) < LEAST_QUESTIONS:
        samples += [
            (text, item.answer_id)
            for item in items
            if len(item.questions) > 1
            for text in item.questions
            if text.strip()
        ]
    return list(dict.fromkeys(samples))


def _foreign(own: int, seed: int) -> list[Sample]:
    """Questions of other domains, as many as suit the company's own."""
    texts = foreign_questions()
    order = np.random.default_rng(seed).permutation(len(texts))[: round(own * _FOREIGN)]
    return [(texts[place], _NO_ANSWER) for place in order.tolist()]


def _folds(samples: Sequence[Sample], seed: int) -> Ids:
    """A fold for each question; equal questions share one."""
    count = 3 if len(samples) >= _MANY_QUESTIONS else 5
    rng = np.random.default_rng(seed)
    keys = [normalise(text) for text, _ in samples]
    distinct = sorted(set(keys))
    fold_of = dict(zip(distinct, (rng.permutation(len(distinct)) % count).tolist(), strict=True))
    return np.asarray([fold_of[key] for key in keys], np.int64)


def _out_of_fold(
    items: Sequence[KnowledgeItem],
    samples: Sequence[Sample],
    folds: Ids,
    settings: EncoderSettings,
    *,
    seed: int,
    tell: Progress,
) -> tuple[Lists, dict[str, float]]:
    """Candidate lists of every question from models of the other folds, and the fixed weights."""
    same = _same_answers(items)
    features: list[Floats] = [np.zeros((0, len(FEATURES)), np.float32)] * len(samples)
    right: list[NDArray[np.bool_]] = [np.zeros(0, bool)] * len(samples)
    count = int(folds.max()) + 1
    weights: dict[str, float] = {}
    for fold in range(count):
        held = {normalise(samples[row][0]) for row in np.flatnonzero(folds == fold).tolist()}
        known = [sample for sample, own in zip(samples, folds, strict=True) if own != fold]
        encoder = _fit(items, known, held, settings, seed=seed)
        index = CandidateIndex(encoder, "cpu")
        index.put(_with_questions(items, known, held))
        weights = index.fixed_weights()
        tell("folds", (fold + 0.5) / count)
        for row in np.flatnonzero(folds == fold).tolist():
            text, answer_id = samples[row]
            candidates = index.search(text)
            wanted = same.get(answer_id, frozenset())
            features[row] = candidates.features
            right[row] = np.asarray([key in wanted for key in candidates.answer_ids], bool)
    sizes = np.asarray([len(part) for part in right], np.int64)
    return Lists(np.concatenate(features), sizes, np.concatenate(right)), weights


def _same_answers(items: Sequence[KnowledgeItem]) -> dict[int, frozenset[int]]:
    """Articles that are right where one is: itself, its twin, and those of the same text."""
    by_text: dict[str, set[int]] = {}
    for item in items:
        by_text.setdefault(normalise(item.text), set()).add(item.answer_id)
    return {
        item.answer_id: frozenset(
            by_text[normalise(item.text)] | ({item.twin_id} if item.twin_id is not None else set())
        )
        for item in items
    }


def _with_questions(
    items: Sequence[KnowledgeItem], known: Sequence[Sample], held: set[str]
) -> list[KnowledgeItem]:
    """Articles with all past questions but those held out."""
    more: dict[int, list[str]] = {}
    for text, answer_id in known:
        more.setdefault(answer_id, []).append(text)
    return [
        replace(
            item,
            questions=tuple(
                text
                for text in dict.fromkeys((*item.questions, *more.get(item.answer_id, ())))
                if normalise(text) not in held
            ),
        )
        for item in items
    ]


def _fit(
    items: Sequence[KnowledgeItem],
    known: Sequence[Sample],
    held: set[str],
    settings: EncoderSettings,
    *,
    seed: int,
    progress: Callable[[float], None] | None = None,
) -> DualEncoder:
    full = _with_questions(items, known, held)
    pairs = [
        (text, position)
        for position, item in enumerate(full)
        for text in dict.fromkeys((item.title, *item.questions))
        if text.strip()
    ]
    texts = [f"{item.title}\n{item.text}" for item in full]
    return fit_encoder(texts, pairs, settings, seed=seed, progress=progress)


def _variants(
    lists: Lists, folds: Ids, weights: Mapping[str, float], *, seed: int
) -> dict[str, Floats]:
    """Logits of every ranking that may be kept, none of a question it was fitted on."""
    logits = {f"single:{name}": _single(name).logits(lists.features) for name in RANKERS}
    logits["fixed"] = weighted_sum(FEATURES, weights).logits(lists.features)
    for name, hidden in _HIDDEN.items():
        logits[name] = cross_logits(lists, folds, seed=seed, hidden=hidden)
    return logits


def _choose(measured: Mapping[str, Quality]) -> str:
    """The better correction, unless something simpler ranks better by more than chance."""
    best = max(_HIDDEN, key=lambda name: measured[name].score)
    simple = max(
        (name for name in measured if name not in _HIDDEN), key=lambda n: measured[n].score
    )
    return best if measured[best].score >= measured[simple].score - _TIE else simple


def _network(kept: str, lists: Lists, weights: Mapping[str, float], *, seed: int) -> Network:
    if kept in _HIDDEN:
        return fit_network(lists, seed=seed, hidden=_HIDDEN[kept])
    if kept == "fixed":
        return weighted_sum(FEATURES, weights)
    return _single(kept.removeprefix("single:"))


def _single(name: str) -> Network:
    """One ranker alone, by its own scale where it has one: that can say "none of them"."""
    level = f"{name}_level"
    return weighted_sum(FEATURES, {level if level in FEATURES else name: 1.0})


def _figures(found: Quality) -> dict[str, float]:
    return {"acc_at_1": found.acc_at_1, "recall_at_5": found.recall_at_5, "mrr": found.mrr}
