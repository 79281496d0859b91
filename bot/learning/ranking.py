"""Trains the ranker of a company: towers, translation table and correction, judged by folds.

Each training question is scored by models and by an index that have not seen it; on these honest
scores the correction is fitted, compared with simpler rankings and calibrated. Runs in the
training child process.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bot.candidates import FEATURES, RANKERS
from bot.entries import KnowledgeItem
from bot.learning.questions import Asked, merge_questions, with_questions
from bot.learning.ranking_encoders import FitEncoder, choose_encoder
from bot.learning.ranking_lists import all_asked_once, draw_folds, out_of_fold
from nlp.correction import Correction, Evidence, Network, weighted_sum
from nlp.coverage import count_accepted
from nlp.encoders import Encoder
from nlp.metrics import expected_calibration_error, reliability
from nlp.train.correction import (
    Lists,
    Quality,
    cross_logits,
    fit_calibration,
    fit_network,
    held_out_confidence,
    quality,
)
from nlp.train.foreign import foreign_questions
from nlp.train.loop import use_threads

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]
Progress = Callable[[str, float], None]
Sample = tuple[str, int]

LEAST_QUESTIONS = 50  # below, the fixed sum serves and nothing is fitted
_FOREIGN = 0.1  # questions of other domains, a share of the company's own
_NO_ANSWER = -1
_TIE = 0.005  # of accuracy and reciprocal rank; a correction knows better when to be silent
_JUDGING_FOLDS = 3  # where the lists themselves come from one held-out part
_TOWER = 1.5  # weight of each tower beside words in the fixed sum
_HIDDEN = {"linear": 0, "mlp": 16}


def train_ranking(
    items: Sequence[KnowledgeItem],
    questions: Sequence[Sample],
    folder: Path,
    *,
    pools: Sequence[Collection[int] | None] | None = None,
    seed: int = 0,
    threads: int = 1,
    preset: str = "default",
    budget_s: float = 600.0,
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, object]:
    """Write ``folder/ranker`` and ``folder/correction`` and give what was measured.

    Args:
        items: living articles with their past questions.
        questions: question and the ``answer_id`` that was right; ids that are no article's count
            as "none of them is right".
        folder: existing folder of the bundle.
        pools: for each question the articles that it was asked of, where that is not all of them.
        seed: of every random choice.
        threads: for torch.
        preset: ``fast`` halves the size and the passes of the towers; ``seed``, ``ff``, ``cnn``
            and ``rnn`` have other encoders; ``auto`` compares them all.
        budget_s: wall seconds after which ``auto`` begins with no other encoder.
        progress: told the stage and its finished share, 0..1.

    Returns:
        Cross-validated ``acc_at_1``, ``recall_at_5``, ``mrr`` and ``ece`` of the kept ``variant``,
        the same of each variant under ``variants``, ``questions`` and ``folds``. With too few
        questions nothing is written and ``variant`` is ``fixed``. From ``auto`` also the name of
        the ``kept`` encoder and what it was chosen from under ``tried``.
    """
    tell = progress or _ignore
    use_threads(threads)
    asked = _asked(items, questions, pools)
    if len(asked) < LEAST_QUESTIONS or not items:
        return {"variant": "fixed", "questions": len(asked), "folds": 0, "trained": False}

    def correct(fit: FitEncoder, place: Path, told: Progress) -> dict[str, object]:
        return _train_correction(items, asked, fit, place, seed=seed, tell=told)

    fit, figures = choose_encoder(preset, correct, folder, budget_s=budget_s, tell=tell)
    tell("ranker", 0.0)
    encoder = _fit(
        items, asked, set(), fit, seed=seed, progress=lambda share: tell("ranker", share)
    )
    encoder.save(folder / "ranker")
    return {"trained": True, "questions": len(asked), **figures}


def _train_correction(
    items: Sequence[KnowledgeItem],
    own: Sequence[Asked],
    fit: FitEncoder,
    folder: Path,
    *,
    seed: int,
    tell: Progress,
) -> dict[str, object]:
    """Write ``folder/correction``, fitted and judged out of fold, and give its figures."""
    # What is not for this desk teaches what a faint likeness is worth; it counts in no figure.
    asked = [*own, *_foreign(own, seed)]
    drawn = draw_folds(len(asked), seed)

    def encoder_of(known: Sequence[Asked], held: set[str]) -> Encoder:
        return _fit(items, known, held, fit, seed=seed)

    lists, listed, weights = out_of_fold(items, asked, drawn, encoder_of, seed=seed, tell=tell)
    tell("correction", 0.0)
    folds = np.arange(len(lists)) % _JUDGING_FOLDS if drawn.min() < 0 else drawn[listed]
    logits = _variants(lists, folds, weights, seed=seed)
    ours = listed < len(own)
    rows = np.repeat(ours, lists.sizes)
    judged = lists.take(ours)
    measured = {name: quality(values[rows], judged) for name, values in logits.items()}
    kept = "fixed" if all_asked_once(items, own) else _choose(measured)
    tell("correction", 0.7)
    network = _network(kept, lists, weights, seed=seed)
    calibration = fit_calibration(logits[kept], lists)
    evidence = Evidence(*held_out_confidence(logits[kept], lists, folds, ours))
    Correction(FEATURES, network, calibration, kept, evidence).save(folder / "correction")
    return {
        "variant": kept,
        "folds": int(drawn.max()) + 1,
        **_figures(measured[kept]),
        "ece": expected_calibration_error(evidence.confidence, evidence.right),
        "reliability": reliability(evidence.confidence, evidence.right),
        "automatic": count_accepted(
            evidence.confidence, evidence.right, _categories(items, asked, listed[ours])
        ),
        "variants": {name: _figures(found) for name, found in measured.items()},
    }


def _categories(items: Sequence[KnowledgeItem], asked: Sequence[Asked], places: Ids) -> list[str]:
    """Category of the right answer of some questions; empty where there is none."""
    category = {item.answer_id: item.category for item in items}
    return [category.get(min(asked[place].right), "") for place in places.tolist()]


def _ignore(stage: str, share: float) -> None:
    """Nobody listens."""


def _asked(
    items: Sequence[KnowledgeItem],
    questions: Sequence[Sample],
    pools: Sequence[Collection[int] | None] | None,
) -> list[Asked]:
    """Questions to learn from: those given and, if they are few, the articles' own as well.

    An article's only question is left out: without it nothing would lead to the article.
    """
    among = list(pools) if pools is not None else [None] * len(questions)
    given = merge_questions(questions, among)
    if len(given) >= LEAST_QUESTIONS:
        return given
    own = [
        (text, item.answer_id)
        for item in items
        if len(item.questions) > 1
        for text in item.questions
    ]
    return merge_questions([*questions, *own], [*among, *[None] * len(own)])


def _foreign(own: Sequence[Asked], seed: int) -> list[Asked]:
    """Questions of other domains, as many as suit the company's own, asked of the same pools."""
    texts = foreign_questions()
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(texts))[: round(len(own) * _FOREIGN)]
    pools = [own[place].pool for place in rng.integers(0, len(own), len(order)).tolist()]
    return [
        Asked(texts[place], frozenset({_NO_ANSWER}), pool)
        for place, pool in zip(order.tolist(), pools, strict=True)
    ]


def _fit(
    items: Sequence[KnowledgeItem],
    known: Sequence[Asked],
    held: set[str],
    fit: FitEncoder,
    *,
    seed: int,
    progress: Callable[[float], None] | None = None,
) -> Encoder:
    full = with_questions(items, known, held)
    pairs = [
        (text, position)
        for position, item in enumerate(full)
        for text in dict.fromkeys((item.title, *item.questions))
        if text.strip()
    ]
    texts = [f"{item.title}\n{item.text}" for item in full]
    return fit(texts, pairs, seed=seed, progress=progress)


def _variants(
    lists: Lists, folds: Ids, weights: Mapping[str, float], *, seed: int
) -> dict[str, Floats]:
    """Logits of every ranking that may be kept, none of a question it was fitted on."""
    logits = {f"single:{name}": _single(name).logits(lists.features) for name in RANKERS}
    logits["fixed"] = _fixed(weights).logits(lists.features)
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
        return _fixed(weights)
    return _single(kept.removeprefix("single:"))


def _fixed(weights: Mapping[str, float]) -> Network:
    """The sum that needs no fitting, with the towers beside its words."""
    return weighted_sum(FEATURES, {**weights, "dense": _TOWER, "dense_past": _TOWER})


def _single(name: str) -> Network:
    """One ranker alone, by its own scale where it has one: that can say "none of them"."""
    level = f"{name}_level"
    return weighted_sum(FEATURES, {level if level in FEATURES else name: 1.0})


def _figures(found: Quality) -> dict[str, float]:
    return {"acc_at_1": found.acc_at_1, "recall_at_5": found.recall_at_5, "mrr": found.mrr}
