"""The classifier's small network in torch, trained on sparse rows and handed over to NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from nlp.features import Rows
from nlp.gathering import Table
from nlp.labels import Weighting, class_weights
from nlp.network import Layer, Network
from nlp.train.loop import run_steps, use_threads
from nlp.train.losses import r_drop

Ints = NDArray[np.int64]

_MOST_EPOCHS = 60


@dataclass(frozen=True, slots=True)
class NetRecipe:
    """Shape and training of a network; widths in units, drops as shares."""

    hidden: tuple[int, ...]
    residual: bool
    dropout: float
    token_dropout: float
    r_drop: bool
    learning_rate: float
    weight_decay: float
    batch: int
    epochs: int
    min_steps: int
    one_cycle: bool
    weighting: Weighting

    def steps(self, rows: int) -> int:
        """Optimiser steps for so many rows: few rows are seen more often, within reason."""
        per_epoch = -(-rows // self.batch)
        return max(self.epochs * per_epoch, min(self.min_steps, _MOST_EPOCHS * per_epoch))


SMALL = NetRecipe(
    hidden=(128,), residual=False, dropout=0.5, token_dropout=0.2, r_drop=False,
    learning_rate=7e-3, weight_decay=1e-2, batch=256, epochs=12, min_steps=200, one_cycle=True,
    weighting="none",
)  # fmt: skip
SEED = NetRecipe(
    hidden=(96, 96), residual=False, dropout=0.5, token_dropout=0.0, r_drop=False,
    learning_rate=1e-2, weight_decay=1e-2, batch=128, epochs=30, min_steps=600, one_cycle=True,
    weighting="sqrt",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Start:
    """Where a network begins, from texts without a category. Shapes: (width, h) and (h,)."""

    table: NDArray[np.float32]
    bias: NDArray[np.float32]


class BagNet(nn.Module):
    """Weighted sum of embeddings, softsign, hidden softsign layers, linear output."""

    def __init__(self, width: int, outputs: int, recipe: NetRecipe) -> None:
        super().__init__()
        first, *others = recipe.hidden
        self.recipe = recipe
        self.table = nn.EmbeddingBag(width, first, mode="sum")
        nn.init.normal_(self.table.weight, std=0.05)
        self.bias = nn.Parameter(torch.zeros(first))
        sizes = [first, *others]
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.output = nn.Linear(sizes[-1], outputs)

    def forward(
        self, indices: torch.Tensor, starts: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        """Logits. Shapes: (nnz,), (n,), (nnz,) -> (n, outputs)."""
        recipe = self.recipe
        if self.training and recipe.token_dropout:
            values = functional.dropout(values, recipe.token_dropout)
        summed = self.table(indices, starts, per_sample_weights=values)
        state = self._drop(functional.softsign(summed + self.bias))
        for layer in self.hidden:
            step = self._drop(functional.softsign(layer(state)))
            state = state + step if recipe.residual else step
        logits: torch.Tensor = self.output(state)
        return logits

    def to_network(self) -> Network:
        """The same function for NumPy."""
        dense = [*self.hidden, self.output]
        layers = tuple(
            Layer(
                np.ascontiguousarray(_numpy(layer.weight).T),
                _numpy(layer.bias),
                residual=self.recipe.residual and layer is not self.output,
            )
            for layer in dense
        )
        return Network(Table(_numpy(self.table.weight)), _numpy(self.bias), layers)

    def _drop(self, state: torch.Tensor) -> torch.Tensor:
        return functional.dropout(state, self.recipe.dropout, self.training)


def fit_network(
    rows: Rows,
    target: Ints,
    n_labels: int,
    recipe: NetRecipe,
    *,
    seed: int,
    threads: int = 1,
    start: Start | None = None,
) -> Network:
    """Train a network on rows, from ``start`` or from chance.

    Shapes: n rows, ``target`` (n,) in 0..n_labels-1.
    """
    use_threads(threads)
    torch.manual_seed(seed)
    model = BagNet(rows.width, n_labels, recipe)
    if start is not None:
        with torch.no_grad():
            model.table.weight.copy_(torch.from_numpy(start.table))
            model.bias.copy_(torch.from_numpy(start.bias))
    weight = torch.from_numpy(class_weights(target, n_labels, recipe.weighting))
    truth = torch.from_numpy(target)

    def loss_of(chosen: Ints) -> torch.Tensor:
        arrays = batch_rows(rows, chosen)
        expected = truth[torch.from_numpy(chosen)]
        logits = model(*arrays)
        if recipe.r_drop:
            return r_drop(logits, model(*arrays), expected, weight=weight)
        return functional.cross_entropy(logits, expected, weight)

    run_steps(
        model,
        loss_of,
        len(target),
        steps=recipe.steps(len(target)),
        batch=recipe.batch,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        one_cycle=recipe.one_cycle,
        seed=seed,
    )
    return model.to_network()


def take(rows: Rows, chosen: Ints) -> Rows:
    """The chosen rows in that order."""
    lengths = rows.indptr[chosen + 1] - rows.indptr[chosen]
    indptr = np.zeros(len(chosen) + 1, np.int64)
    np.cumsum(lengths, out=indptr[1:])
    where = np.repeat(rows.indptr[chosen] - indptr[:-1], lengths) + np.arange(indptr[-1])
    return Rows(indptr, rows.indices[where], rows.values[where], rows.width, rows.words)


def batch_rows(rows: Rows, chosen: Ints) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The chosen rows as ``BagNet`` reads them: columns, where each row starts, values."""
    part = take(rows, chosen)
    return (
        torch.from_numpy(part.indices),
        torch.from_numpy(part.indptr[:-1]),
        torch.from_numpy(part.values),
    )


def _numpy(tensor: torch.Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().numpy().astype(np.float32)
    return array
