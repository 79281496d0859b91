"""Trains the encoders of ``nlp.encoders`` on questions with a known right answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from nlp.classifier import Member
from nlp.encoders import Kind, NetworkEncoder
from nlp.features import HashedTrigrams, prepare
from nlp.sequence import SequenceShape
from nlp.train.loop import run_steps
from nlp.train.nets import SEED, BagNet, batch_rows
from nlp.train.ranker import Partners
from nlp.train.sequence import SequenceNet, SequenceRecipe, SequenceTexts
from nlp.train.towers import in_batch_loss
from nlp.train.translation import fit_translation

Ids = NDArray[np.int64]
Net = BagNet | SequenceNet
Read = Callable[[Ids], Tensor]
"""Outputs of a network for texts with these numbers."""

_NEGATIVES: Final = 4  # random answers beside the right one, as the seed had them
_START_SCALE: Final = 10.0  # inverse temperature at the start; learned
_MOST_SCALE: Final = 100.0
_PARAPHRASES: Final = 0.5  # weight of the question-question loss
_TRANSLATION_FROM: Final = 500  # pairs


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a kind is trained; ``dimension`` is the length of an encoding."""

    dimension: int
    learning_rate: float
    epochs: int
    min_steps: int = 0
    most_steps: int = 1500
    batch: int = 128

    def steps(self, pairs: int) -> int:
        """Optimiser steps for so many pairs; each pair is seen once at least."""
        per_epoch = -(-pairs // self.batch)
        most = max(self.most_steps, per_epoch)
        return min(max(self.epochs * per_epoch, self.min_steps), most)


_PLANS: Final[dict[Kind, _Plan]] = {
    "seed": _Plan(96, 2e-3, 20, min_steps=200),
    "ff": _Plan(256, 2e-3, 12, min_steps=100),
    "cnn": _Plan(256, 2e-3, 12, min_steps=150),
    "rnn": _Plan(256, 2e-3, 12, min_steps=150),
}
_FF: Final = replace(SEED, hidden=(256, 256), residual=True, dropout=0.0, token_dropout=0.2)
_SEED: Final = replace(SEED, hidden=(96,), dropout=0.15)
_FAINT: Final = 0.1
_SHAPES: Final = {
    "cnn": SequenceShape("cnn", widths=(3,), units=128, most_words=48),
    "rnn": SequenceShape("rnn", units=64, most_words=32),
}


class _Towers(nn.Module):
    """Networks of the sides, and what turns an inner product into a logit.

    Args:
        networks: two, or one with outputs of both sides.
        reads: for each network, what gives its outputs for the texts with these numbers.
        owners: number of each question's answer; texts are answers first, then questions.
        n_answers: number of answers.
        rng: draws other questions and wrong answers.
    """

    def __init__(
        self,
        networks: Sequence[Net],
        reads: Sequence[Read],
        owners: Ids,
        n_answers: int,
        rng: np.random.Generator,
    ) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.log_scale = nn.Parameter(torch.tensor(float(np.log(_START_SCALE))))
        self.shift = nn.Parameter(torch.zeros(()))
        self._reads = reads
        self._owners = owners
        self._n_answers = n_answers
        self._rng = rng
        self._partners = Partners(owners, rng)

    def scale(self) -> Tensor:
        """Inverse temperature."""
        return self.log_scale.exp().clamp(max=_MOST_SCALE)

    def softmax_loss(self, rows: Ids) -> Tensor:
        """Own answer among the batch's answers and, at half weight, own questions likewise."""
        mine = torch.from_numpy(self._owners[rows])
        columns, other = np.unique(self._owners[rows]), self._partners.draw(rows)
        read = np.concatenate([columns, rows + self._n_answers, other + self._n_answers])
        outputs = self._reads[0](read)
        size = outputs.shape[1] // 2
        answers = functional.normalize(outputs[: len(columns), size:], dim=1)
        questions = functional.normalize(outputs[len(columns) :, :size], dim=1)
        asked, questions = questions[len(rows) :], questions[: len(rows)]
        loss = in_batch_loss(self.scale() * questions @ answers.T, mine, torch.from_numpy(columns))
        if len(other) > 1:
            theirs = torch.from_numpy(self._owners[other])
            same = in_batch_loss(self.scale() * questions @ asked.T, mine, theirs)
            loss = loss + _PARAPHRASES * same
        return loss

    def seed_loss(self, rows: Ids) -> Tensor:
        """Cross-entropy of the right answer against four random ones."""
        right = self._owners[rows][:, None]
        drawn = self._rng.integers(0, self._n_answers, (len(rows), _NEGATIVES))
        columns = np.concatenate([right, drawn], axis=1)
        unique, places = np.unique(columns, return_inverse=True)
        questions = functional.softsign(self._reads[0](rows + self._n_answers))
        answers = functional.softsign(self._reads[1](unique))
        theirs = answers[torch.from_numpy(places.reshape(columns.shape))]
        logits = self.scale() * (questions[:, None] * theirs).mean(2) + self.shift
        return functional.binary_cross_entropy_with_logits(
            logits,
            torch.from_numpy((columns == right).astype(np.float32)),
            pos_weight=torch.tensor(float(_NEGATIVES)),
        )


def fit_network_encoder(
    kind: Kind,
    answers: Sequence[str],
    pairs: Sequence[tuple[str, int]],
    *,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> NetworkEncoder:
    """An encoder of a kind for these answers. The number of torch threads is the caller's business.

    Args:
        kind: ``seed``: cross-entropy of the right answer against four random ones. Else: in-batch
            softmax between questions and answers and between questions of the same answer.
        answers: texts.
        pairs: question and the position of its right answer.
        seed: of every random choice.
        progress: told the finished share, 0..1.

    Raises:
        ValueError: there is no pair, or a pair names an answer that is not there.
    """
    if not pairs or any(not 0 <= position < len(answers) for _, position in pairs):
        raise ValueError("Training needs questions, each with the position of its answer.")
    torch.manual_seed(seed)
    plan = _PLANS[kind]
    folded = prepare([*answers, *(text for text, _ in pairs)])
    trigrams = HashedTrigrams.fit(folded) if kind in {"seed", "ff"} else None
    networks, reads = _networks(kind, folded, trigrams, plan.dimension)
    owners = np.asarray([position for _, position in pairs], np.int64)
    rng = np.random.default_rng(seed)
    model = _Towers(networks, reads, owners, len(answers), rng)
    run_steps(
        model,
        model.seed_loss if kind == "seed" else model.softmax_loss,
        len(pairs),
        steps=plan.steps(len(pairs)),
        batch=plan.batch,
        learning_rate=plan.learning_rate,
        one_cycle=kind != "seed",
        seed=seed,
        report=progress,
    )
    if progress is not None:
        progress(1.0)
    many = len(pairs) >= _TRANSLATION_FROM
    translation = fit_translation(answers, pairs) if many else None
    trained: list[Member] = [network.to_network() for network in networks]
    return NetworkEncoder(kind, trained, trigrams, translation)


def _networks(
    kind: Kind, folded: Sequence[str], trigrams: HashedTrigrams | None, dimension: int
) -> tuple[Sequence[Net], list[Read]]:
    """The networks and, for each, what reads the folded texts with it."""
    if trigrams is None:
        recipe = SequenceRecipe(_SHAPES[kind], dropout=0.1)
        net = SequenceNet(recipe, 2 * dimension)
        texts = SequenceTexts(folded, recipe.shape)
        net.begin_with(texts)
        with torch.no_grad():
            # Training begins with little more than a projection of the pieces.
            net.output.weight[:, recipe.shape.dimension :] *= _FAINT
        _same_sides(net.output)
        return [net], [lambda rows: net(texts.batch(rows.tolist()))]
    weighed = trigrams.transform(folded)

    def read(bag: BagNet) -> Read:
        return lambda rows: bag(*batch_rows(weighed, rows))

    if kind == "ff":
        bags = [BagNet(trigrams.width, 2 * dimension, _FF)]
        _same_sides(bags[0].output)
    else:
        bags = [BagNet(trigrams.width, dimension, _SEED) for _ in range(2)]
    return bags, [read(bag) for bag in bags]


def _same_sides(output: nn.Linear) -> None:
    """Let both halves of the outputs begin equal, so that like texts begin alike."""
    half = output.out_features // 2
    with torch.no_grad():
        output.weight[half:] = output.weight[:half]
        output.bias.zero_()
