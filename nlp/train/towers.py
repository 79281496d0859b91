"""The dual encoder as a torch module, and its loss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from nlp.ranker import counted, weigh

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

_START_SCALE = 10.0  # inverse temperature at the start; learned
_MOST_SCALE = 100.0
_TEACHER_SCALE = 0.5  # learned
_K1 = 1.2
_B = 0.75


class SparseTexts:
    """Texts as weighted n-grams, ready to be batched.

    Args:
        documents: term ids with repeats.
        vocabulary: sorted term ids.
        idf: their weights.
    """

    def __init__(self, documents: Sequence[Ids], vocabulary: Ids, idf: Floats) -> None:
        pairs = [weigh(document, vocabulary, idf) for document in documents]
        self._places = [torch.from_numpy(places) for places, _ in pairs]
        self._weights = [torch.from_numpy(weights) for _, weights in pairs]

    def __len__(self) -> int:
        return len(self._places)

    def batch(self, rows: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Places, weights and where each text starts."""
        places = [self._places[row] for row in rows]
        starts = torch.zeros(len(rows), dtype=torch.int64)
        if len(rows) > 1:
            sizes = torch.tensor([len(part) for part in places[:-1]])
            starts[1:] = torch.cumsum(sizes, 0)
        return torch.cat(places), torch.cat([self._weights[row] for row in rows]), starts


class Towers(nn.Module):
    """One table of n-gram rows, a residual softsign layer per tower, unit length.

    Args:
        terms: size of the vocabulary.
        dimension: length of an encoding.
        dropout: share of n-grams left out of a text while training.
    """

    def __init__(self, terms: int, dimension: int, dropout: float) -> None:
        super().__init__()
        self.table = nn.EmbeddingBag(terms, dimension, mode="sum")
        nn.init.normal_(self.table.weight, std=dimension**-0.5)
        self.question = nn.Linear(dimension, dimension)
        self.answer = nn.Linear(dimension, dimension)
        for layer in (self.question, self.answer):
            nn.init.normal_(layer.weight, std=0.1 * dimension**-0.5)
            nn.init.zeros_(layer.bias)
        self.log_scale = nn.Parameter(torch.tensor(float(np.log(_START_SCALE))))
        self._dropout = dropout

    def encode(self, batch: tuple[Tensor, Tensor, Tensor], tower: nn.Linear) -> Tensor:
        """Unit rows ``(texts, dimension)``."""
        places, weights, starts = batch
        if self.training and self._dropout:
            weights = functional.dropout(weights, self._dropout)
        hidden = self.table(places, starts, per_sample_weights=weights)
        hidden = hidden + functional.softsign(tower(hidden))
        return functional.normalize(hidden, dim=1)

    def scale(self) -> Tensor:
        """Inverse temperature."""
        return self.log_scale.exp().clamp(max=_MOST_SCALE)


class LexicalTeacher(nn.Module):
    """BM25 of questions and answers of one batch, as logits that a tower may learn from.

    Towers generalise and lose rare words; imitating a ranker that lives by them brings some back.

    Source: BM25 as in ``index.lexical``, over the terms of the towers. Distillation: Hinton et
    al., "Distilling the Knowledge in a Neural Network", 2015.

    Args:
        questions: term ids with repeats.
        answers: the same.
        vocabulary: sorted term ids.
        answer_df: answers that hold each term.
    """

    def __init__(
        self, questions: Sequence[Ids], answers: Sequence[Ids], vocabulary: Ids, answer_df: Ids
    ) -> None:
        super().__init__()
        idf = np.log1p((len(answers) - answer_df + 0.5) / (answer_df + 0.5)).astype(np.float32)
        mean = max(float(np.mean([len(answer) for answer in answers])), 1.0)
        self._terms = len(vocabulary)
        self._questions = [counted(question, vocabulary)[0] for question in questions]
        self._answers = []
        for answer in answers:
            places, counts = counted(answer, vocabulary)
            norm = _K1 * (1.0 - _B + _B * len(answer) / mean)
            weights = (idf[places] * counts / (counts + norm)).astype(np.float32)
            self._answers.append((torch.from_numpy(places), torch.from_numpy(weights)))
        self.scale = nn.Parameter(torch.tensor(_TEACHER_SCALE))

    def logits(self, questions: Sequence[int], answers: Sequence[int]) -> Tensor:
        """Scores ``(questions, answers)``."""
        table = torch.zeros(self._terms, len(answers))
        for column, row in enumerate(answers):
            places, weights = self._answers[row]
            table[places, column] = weights
        asked = [self._questions[row] for row in questions]
        starts = np.cumsum([0, *(len(part) for part in asked[:-1])])
        places = torch.from_numpy(np.concatenate(asked))
        found = functional.embedding_bag(places, table, torch.from_numpy(starts), mode="sum")
        return self.scale * found


def distillation(logits: Tensor, teacher: Tensor) -> Tensor:
    """Mean divergence of the softmax of ``logits`` from that of a teacher, both ``(n, m)``."""
    wanted = functional.log_softmax(teacher, dim=1)
    given = functional.log_softmax(logits, dim=1)
    return functional.kl_div(given, wanted, log_target=True, reduction="batchmean")


def in_batch_loss(logits: Tensor, owners: Tensor, column_owners: Tensor) -> Tensor:
    """Mean negative log probability of the own column among the batch's columns.

    Columns of the same answer as the row's are right as well and share the numerator.

    Source: in-batch softmax as in Karpukhin et al., "Dense Passage Retrieval", EMNLP 2020.

    Shapes:
        ``logits`` (n, m), ``owners`` (n,), ``column_owners`` (m,).
    """
    right = owners[:, None] == column_owners[None, :]
    found = right.any(dim=1)
    if not bool(found.any()):
        return logits.sum() * 0.0
    own = logits.masked_fill(~right, float("-inf")).logsumexp(dim=1)
    return (logits.logsumexp(dim=1) - own)[found].mean()
