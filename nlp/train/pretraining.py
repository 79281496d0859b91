"""What texts without a category teach: vectors of terms that foresee a text's other words.

For a desk with few labelled tickets and many more that nobody has sorted.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from nlp.features import Rows
from nlp.train.loop import run_steps, use_threads
from nlp.train.nets import Start, take

Ints = NDArray[np.int64]

_KEPT: Final = 0.5  # share of a text's terms that are shown; of the others the words are foreseen
_MOST_WORDS: Final = 4000  # the commonest ones are foreseen
_STEPS: Final = 400  # at most
_PASSES: Final = 25  # over the rows, at most
_BATCH: Final = 256
_RATE: Final = 5e-3
_DECAY: Final = 1e-3
_DROPOUT: Final = 0.2


class _Foreseeing(nn.Module):
    """Sum of the shown terms' vectors, softsign, a score of each word."""

    def __init__(self, width: int, dimension: int, words: int) -> None:
        super().__init__()
        self.table = nn.EmbeddingBag(width, dimension, mode="sum")
        nn.init.normal_(self.table.weight, std=0.05)
        self.bias = nn.Parameter(torch.zeros(dimension))
        self.output = nn.Linear(dimension, words)

    def forward(
        self, indices: torch.Tensor, starts: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        """Log probabilities of the words. Shapes: (nnz,), (n,), (nnz,) -> (n, words)."""
        summed = self.table(indices, starts, per_sample_weights=values)
        state = functional.dropout(functional.softsign(summed + self.bias), _DROPOUT, self.training)
        scores: torch.Tensor = self.output(state).log_softmax(-1)
        return scores


def pretrain(rows: Rows, dimension: int, *, seed: int, threads: int = 1) -> Start:
    """Vectors learned by foreseeing the words that were left out of each row.

    ``rows.words`` says which columns are words; without words nothing is learned.

    Source: masked words as in Devlin et al., BERT, NAACL 2019, over a bag of terms.
    """
    use_threads(threads)
    torch.manual_seed(seed)
    documents = np.bincount(rows.indices, minlength=rows.width)[: rows.words]
    common = np.argsort(-documents, kind="stable")[:_MOST_WORDS]
    place = np.full(rows.width, -1, np.int64)
    place[common] = np.arange(len(common))
    model = _Foreseeing(rows.width, dimension, max(len(common), 1))

    def loss_of(chosen: Ints) -> torch.Tensor:
        part = take(rows, chosen)
        owner = torch.from_numpy(np.repeat(np.arange(len(part)), np.diff(part.indptr)))
        word = torch.from_numpy(place[part.indices])
        shown = torch.rand(len(word)) < _KEPT
        values = torch.from_numpy(part.values) * shown / _KEPT
        starts = torch.from_numpy(part.indptr[:-1])
        scores: torch.Tensor = model(torch.from_numpy(part.indices), starts, values)
        hidden = ~shown & (word >= 0)
        if not bool(hidden.any()):
            return scores.sum() * 0.0
        return -scores[owner[hidden], word[hidden]].mean()

    run_steps(
        model,
        loss_of,
        len(rows),
        steps=min(_STEPS, _PASSES * -(-len(rows) // _BATCH)),
        batch=_BATCH,
        learning_rate=_RATE,
        weight_decay=_DECAY,
        seed=seed,
    )
    return Start(model.table.weight.detach().numpy().copy(), model.bias.detach().numpy().copy())
