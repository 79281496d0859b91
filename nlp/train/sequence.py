"""The networks over word sequences in torch, trained on folded texts and handed over to NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from nlp.labels import Weighting, class_weights
from nlp.pieces import ALPHABET, read_pieces
from nlp.sequence import SequenceNetwork, SequenceShape, gapped_places
from nlp.train.loop import run_steps, use_threads

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_START = 0.3  # spread of the rarest table row before training


@dataclass(frozen=True, slots=True)
class SequenceRecipe:
    """Shape and training of a network over sequences; drops as shares.

    Few rows are seen in more than ``epochs``, up to ``min_steps`` or ``most_epochs``.
    """

    shape: SequenceShape
    dropout: float = 0.5
    word_dropout: float = 0.2
    piece_dropout: float = 0.2
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    batch: int = 64
    epochs: int = 10
    min_steps: int = 500
    most_epochs: int = 30
    weighting: Weighting = "sqrt"

    def steps(self, rows: int) -> int:
        """Optimiser steps for so many rows."""
        per_epoch = -(-rows // self.batch)
        return max(self.epochs * per_epoch, min(self.min_steps, self.most_epochs * per_epoch))


CNN = SequenceRecipe(SequenceShape("cnn"))
RNN = SequenceRecipe(SequenceShape("rnn", units=96, most_words=48))


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts as tensors; the fields of ``Pieces``."""

    ids: torch.Tensor
    sizes: torch.Tensor
    chars: torch.Tensor
    lengths: torch.Tensor
    counts: torch.Tensor


class SequenceTexts:
    """Folded texts cut into pieces once, ready to be batched."""

    def __init__(self, texts: Sequence[str], shape: SequenceShape) -> None:
        self._buckets = shape.buckets
        self._pieces = [read_pieces([text], shape.buckets, shape.most_words) for text in texts]

    def idf(self) -> Floats:
        """How rare each table row is among the texts, 0..1. Shapes: (buckets,)."""
        found = np.zeros(self._buckets)
        for pieces in self._pieces:
            found[np.unique(pieces.ids)] += 1
        idf = 1 + np.log((1 + len(self._pieces)) / (1 + found))
        return np.asarray(idf / idf.max(), np.float32)

    def batch(self, rows: Sequence[int]) -> Batch:
        """The chosen texts in that order."""
        chosen = [self._pieces[row] for row in rows]
        return Batch(
            ids=_joined([pieces.ids for pieces in chosen]),
            sizes=_joined([pieces.sizes for pieces in chosen]),
            chars=_joined([pieces.chars for pieces in chosen]),
            lengths=_joined([pieces.lengths for pieces in chosen]),
            counts=_joined([pieces.counts for pieces in chosen]),
        )


class SequenceNet(nn.Module):
    """The function of ``nlp.sequence.SequenceNetwork`` with dropout."""

    def __init__(self, recipe: SequenceRecipe, outputs: int) -> None:
        super().__init__()
        shape = recipe.shape
        self.recipe = recipe
        self.table = nn.EmbeddingBag(shape.buckets, shape.dimension, mode="sum")
        nn.init.normal_(self.table.weight, std=_START)
        self.chars = nn.Embedding(ALPHABET, shape.char_dimension)
        self.filters = nn.Linear(shape.char_width * shape.char_dimension, shape.char_filters)
        if shape.kind == "cnn":
            self.convolutions = nn.ModuleList(
                nn.Linear(width * shape.word_size, shape.units) for width in shape.widths
            )
        else:
            self.recurrent = nn.GRU(
                shape.word_size, shape.units, batch_first=True, bidirectional=True
            )
        self.output = nn.Linear(shape.pooled_size, outputs)

    def begin_with(self, texts: SequenceTexts) -> None:
        """Let common pieces of the texts to be trained on begin faint, as if weighed by idf."""
        with torch.no_grad():
            self.table.weight.mul_(torch.from_numpy(texts.idf())[:, None])

    def forward(self, batch: Batch) -> torch.Tensor:
        """Logits. Shapes: n texts -> (n, outputs)."""
        words = self._words(batch)
        mean = _pool(words, batch.counts, "sum") / batch.counts.sqrt()[:, None]
        words = self._drop(words, self.recipe.word_dropout)
        parts = [mean]
        if self.recipe.shape.kind == "cnn":
            for width, layer in zip(self.recipe.shape.widths, self.convolutions, strict=True):
                seen = _convolve(words, batch.counts, layer, width)
                parts.append(_pool(seen, batch.counts, "max"))
        else:
            states = self._recur(words, batch.counts)
            parts += [_pool(states, batch.counts, "max"), _pool(states, batch.counts, "mean")]
        logits: torch.Tensor = self.output(self._drop(torch.cat(parts, 1), self.recipe.dropout))
        return logits

    def to_network(self) -> SequenceNetwork:
        """The same function for NumPy."""
        arrays = {"table": _numpy(self.table.weight), "chars": _numpy(self.chars.weight)}
        arrays |= _dense("filters", self.filters) | _dense("output", self.output)
        shape = self.recipe.shape
        if shape.kind == "cnn":
            for width, layer in zip(shape.widths, self.convolutions, strict=True):
                arrays |= _dense(f"words{width}", layer)
        else:
            for name, theirs in (("input", "ih"), ("state", "hh")):
                both = [f"{theirs}_l0", f"{theirs}_l0_reverse"]
                weights = [_numpy(getattr(self.recurrent, f"weight_{end}")).T for end in both]
                biases = [_numpy(getattr(self.recurrent, f"bias_{end}")) for end in both]
                arrays |= {name: np.stack(weights), f"{name}_bias": np.stack(biases)}
        return SequenceNetwork(shape, arrays)

    def _words(self, batch: Batch) -> torch.Tensor:
        weights = torch.repeat_interleave(batch.sizes.float().rsqrt(), batch.sizes)
        weights = self._drop(weights, self.recipe.piece_dropout)
        starts = batch.sizes.cumsum(0) - batch.sizes
        summed = self.table(batch.ids, starts, per_sample_weights=weights)
        seen = _convolve(
            self.chars(batch.chars), batch.lengths, self.filters, self.recipe.shape.char_width
        )
        return torch.cat([summed, _pool(seen, batch.lengths, "max")], 1)

    def _recur(self, words: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        padded = nn.utils.rnn.pad_sequence(
            list(torch.split(words, counts.tolist())), batch_first=True
        )
        packed = nn.utils.rnn.pack_padded_sequence(
            padded, counts, batch_first=True, enforce_sorted=False
        )
        states, _ = nn.utils.rnn.pad_packed_sequence(self.recurrent(packed)[0], batch_first=True)
        return states[torch.arange(states.shape[1]) < counts[:, None]]

    def _drop(self, values: torch.Tensor, share: float) -> torch.Tensor:
        return functional.dropout(values, share, self.training)


def fit_sequence(
    texts: Sequence[str],
    target: Ints,
    outputs: int,
    recipe: SequenceRecipe,
    *,
    seed: int,
    threads: int = 1,
) -> SequenceNetwork:
    """Train a network on folded texts. Shapes: ``target`` (n,) in 0..outputs-1."""
    use_threads(threads)
    torch.manual_seed(seed)
    model = SequenceNet(recipe, outputs)
    prepared = SequenceTexts(texts, recipe.shape)
    model.begin_with(prepared)
    truth = torch.from_numpy(target)
    weight = torch.from_numpy(class_weights(target, outputs, recipe.weighting))

    def loss_of(chosen: Ints) -> torch.Tensor:
        logits = model(prepared.batch(chosen.tolist()))
        return functional.cross_entropy(logits, truth[torch.from_numpy(chosen)], weight)

    run_steps(
        model,
        loss_of,
        len(target),
        steps=recipe.steps(len(target)),
        batch=recipe.batch,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        seed=seed,
    )
    return model.to_network()


def _convolve(
    rows: torch.Tensor, counts: torch.Tensor, layer: nn.Module, width: int
) -> torch.Tensor:
    """Rectified filters over the rows around each row of the same text."""
    places = torch.from_numpy(gapped_places(counts.numpy(), width - 1))
    spread = rows.new_zeros(int(places[-1]) + width, rows.shape[1]).index_copy(0, places, rows)
    windows = spread.unfold(0, width, 1).transpose(1, 2).flatten(1)
    return functional.relu(layer(windows[places - (width - 1) // 2]))


def _pool(rows: torch.Tensor, counts: torch.Tensor, how: str) -> torch.Tensor:
    return torch.segment_reduce(rows, how, lengths=counts, axis=0)


def _joined(arrays: Sequence[Ints]) -> torch.Tensor:
    return torch.from_numpy(np.concatenate(arrays))


def _dense(name: str, layer: nn.Module) -> dict[str, Floats]:
    weight, bias = _numpy(layer.weight), _numpy(layer.bias)
    return {name: np.ascontiguousarray(weight.T), f"{name}_bias": bias}


def _numpy(tensor: object) -> Floats:
    return np.asarray(tensor.detach().numpy(), np.float32).copy()  # type: ignore[attr-defined]
