"""Fits the correction layer: which mixture of rankers to trust, and what its scores are worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from nlp.correction import Calibration, Network, probabilities

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

_STEPS = 120
_RATE = 0.04
_DECAY = 1e-2
_HIDDEN = 16
_STEEPEST = 3.0  # bound of the calibrated slope's logarithm
_MOST_LISTS = 1200  # a few hundred weights learn no more from more
_UNANSWERABLE = 0.1  # share of lists that are repeated without their right answer


@dataclass(frozen=True, slots=True)
class Lists:
    """Candidates of several questions, one question after the other.

    Shapes: ``features`` (candidates, f), ``sizes`` (questions,), ``right`` (candidates,). A
    question may have no right candidate; its right outcome is "none of them".
    """

    features: Floats
    sizes: Ids
    right: Bools

    def __len__(self) -> int:
        return len(self.sizes)

    def take(self, wanted: Bools) -> Lists:
        """The questions that a mask ``(questions,)`` marks."""
        rows = np.repeat(wanted, self.sizes)
        return Lists(self.features[rows], self.sizes[wanted], self.right[rows])


@dataclass(frozen=True, slots=True)
class Quality:
    """How well logits rank: shares 0..1 over all questions, those without a right one included."""

    acc_at_1: float
    recall_at_5: float
    mrr: float

    @property
    def score(self) -> float:
        """What variants are compared by."""
        return (self.acc_at_1 + self.mrr) / 2


def fit_network(lists: Lists, *, seed: int, hidden: int = _HIDDEN) -> Network:
    """Listwise softmax over candidates and "none of them", full batch, Adam.

    Args:
        lists: training questions whose features come from models that did not see them.
        seed: of the start and of the lists that lose their right answer.
        hidden: units; 0 gives a linear correction.
    """
    torch.manual_seed(seed)
    lists = lists.take(lists.sizes > 0)
    if len(lists) > _MOST_LISTS:
        drawn = np.random.default_rng(seed).permutation(len(lists)) < _MOST_LISTS
        lists = lists.take(drawn)
    mean = lists.features.mean(axis=0)
    deviation = lists.features.std(axis=0)
    # A feature that never moved in training has no say later either.
    scale = np.where(deviation > 1e-6, 1.0 / np.maximum(deviation, 1e-6), 0.0).astype(np.float32)
    features, right, mask = _padded(lists, mean, scale, seed)
    width = lists.features.shape[1]
    linear = nn.Parameter(torch.zeros(width))
    inner = nn.Linear(width, hidden) if hidden else None
    output = nn.Parameter(torch.randn(hidden) * 0.1)
    none = nn.Parameter(torch.zeros(()))
    weights = [linear, output, none, *(inner.parameters() if inner is not None else [])]
    optimiser = torch.optim.AdamW(weights, lr=_RATE, weight_decay=0.0)
    for step in range(_STEPS):
        for group in optimiser.param_groups:
            group["lr"] = _RATE * (1.0 - step / _STEPS)
        logits = features @ linear
        if inner is not None:
            logits = logits + functional.softsign(inner(features)) @ output
        loss = _list_loss(logits.masked_fill(~mask, float("-inf")), right, none)
        loss = loss + _DECAY * sum((weight**2).sum() for weight in weights)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    return Network(
        mean.astype(np.float32),
        scale,
        _array(linear),
        _array(inner.weight).T.copy() if inner is not None else np.zeros((width, 0), np.float32),
        _array(inner.bias) if inner is not None else np.zeros(0, np.float32),
        _array(output),
    )


def fit_calibration(logits: Floats, lists: Lists) -> Calibration:
    """Slope and the logit of "none of them", by likelihood on questions the network did not see.

    Source: temperature scaling, Guo et al., ICML 2017, with an outcome for abstention.
    """
    lists = lists.take(lists.sizes > 0)
    if not len(lists):
        return Calibration()
    padded, right, mask = _padded_logits(logits, lists)
    spread = max(float(np.std(logits)), 1e-6)
    base = padded / spread
    slope = torch.zeros((), requires_grad=True)
    none_bias = torch.zeros((), requires_grad=True)
    none_slope = torch.zeros((), requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [slope, none_bias, none_slope], max_iter=30, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        # Bounds, because questions that are all ranked right would have it grow for ever.
        sharpness = slope.clamp(-_STEEPEST, _STEEPEST).exp()
        scaled = torch.where(mask, base * sharpness, torch.tensor(float("-inf")))
        none = none_bias + none_slope * scaled.max(dim=1).values
        # A weak pull to the start keeps a handful of questions from extremes.
        pull = (slope**2 + none_bias**2 + none_slope**2) / len(lists)
        loss = _list_loss(scaled, right, none) + 0.1 * pull
        torch.autograd.backward(loss)
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    fitted = torch.stack([slope, none_bias, none_slope]).detach()
    if not bool(torch.isfinite(fitted).all()):
        return Calibration(1.0 / spread)
    sharpness = float(fitted[0].clamp(-_STEEPEST, _STEEPEST).exp())
    return Calibration(sharpness / spread, float(fitted[1]), float(fitted[2]))


def cross_logits(lists: Lists, folds: Ids, *, seed: int, hidden: int = _HIDDEN) -> Floats:
    """Logits of each question from a network that was fitted on the other folds."""
    logits = np.zeros(len(lists.features), np.float32)
    for fold in np.unique(folds).tolist():
        held = folds == fold
        network = fit_network(lists.take(~held), seed=seed, hidden=hidden)
        logits[np.repeat(held, lists.sizes)] = network.logits(lists.take(held).features)
    return logits


def held_out_confidence(
    logits: Floats, lists: Lists, folds: Ids, counted: Bools
) -> tuple[Floats, Bools]:
    """How sure the best suggestion of each question was, and whether it was right.

    The calibration of a question is fitted on the other folds.

    Args:
        logits: of networks that did not see the question.
        lists: the questions.
        folds: fold of each question.
        counted: questions that are told of; those without candidates never are.
    """
    confidence: list[float] = []
    hits: list[bool] = []
    for fold in np.unique(folds).tolist():
        others = folds != fold
        fitted = fit_calibration(logits[np.repeat(others, lists.sizes)], lists.take(others))
        held = ~others & counted
        rows = np.repeat(held, lists.sizes)
        rated = probabilities(logits[rows], lists.sizes[held], fitted)
        right = lists.right[rows]
        for start, end in _spans(lists.sizes[held]):
            if end > start:
                best = start + int(rated[start:end].argmax())
                confidence.append(float(rated[best]))
                hits.append(bool(right[best]))
    return np.asarray(confidence, np.float32), np.asarray(hits, bool)


def quality(logits: Floats, lists: Lists) -> Quality:
    """Accuracy at 1, recall at 5 and mean reciprocal rank; ties count against."""
    ranks = []
    for start, end in _spans(lists.sizes):
        right = lists.right[start:end]
        if right.any():
            best = float(logits[start:end][right].max())
            ranks.append(1.0 + float((logits[start:end][~right] >= best).sum()))
        else:
            ranks.append(np.inf)
    rank = np.asarray(ranks)
    if not len(rank):
        return Quality(0.0, 0.0, 0.0)
    return Quality(float((rank <= 1).mean()), float((rank <= 5).mean()), float((1.0 / rank).mean()))


def _list_loss(logits: Tensor, right: Tensor, none: Tensor) -> Tensor:
    """Mean negative log probability of the right outcome; ``logits`` (n, k), padding is -inf."""
    none = none.expand(len(logits))
    whole = torch.cat([logits, none[:, None]], dim=1).logsumexp(dim=1)
    answered = right.any(dim=1)
    # Rows without a right candidate must not send NaN gradients through an empty logsumexp.
    own = logits.masked_fill(~right & answered[:, None], float("-inf")).logsumexp(dim=1)
    return (whole - torch.where(answered, own, none)).mean()


def _padded(lists: Lists, mean: Floats, scale: Floats, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Features ``(n, k, f)``, right ``(n, k)`` and mask ``(n, k)``, unanswerable lists added."""
    place, owner = _places(lists.sizes)
    shape = (len(lists), int(lists.sizes.max(initial=1)))
    features = np.zeros((*shape, lists.features.shape[1]), np.float32)
    right, mask = np.zeros(shape, bool), np.zeros(shape, bool)
    features[owner, place] = (lists.features - mean) * scale
    right[owner, place] = lists.right
    mask[owner, place] = True
    rng = np.random.default_rng(seed)
    extra = np.flatnonzero(rng.random(len(lists)) < _UNANSWERABLE)
    features = np.concatenate([features, features[extra]])
    mask = np.concatenate([mask, mask[extra] & ~right[extra]])
    right = np.concatenate([right, np.zeros_like(right[extra])])
    return torch.from_numpy(features), torch.from_numpy(right), torch.from_numpy(mask)


def _padded_logits(logits: Floats, lists: Lists) -> tuple[Tensor, Tensor, Tensor]:
    place, owner = _places(lists.sizes)
    shape = (len(lists), int(lists.sizes.max(initial=1)))
    values = np.zeros(shape, np.float32)
    right, mask = np.zeros(shape, bool), np.zeros(shape, bool)
    values[owner, place] = logits
    right[owner, place] = lists.right
    mask[owner, place] = True
    return torch.from_numpy(values), torch.from_numpy(right), torch.from_numpy(mask)


def _spans(sizes: Ids) -> list[tuple[int, int]]:
    """Where the candidates of each question begin and end."""
    ends = np.cumsum(sizes)
    return list(zip((ends - sizes).tolist(), ends.tolist(), strict=True))


def _places(sizes: Ids) -> tuple[Ids, Ids]:
    """Place within its list, and list, of every candidate."""
    owner = np.repeat(np.arange(len(sizes)), sizes)
    starts = np.cumsum(sizes) - sizes
    return np.arange(int(sizes.sum())) - starts[owner], owner


def _array(tensor: Tensor) -> Floats:
    return np.asarray(tensor.detach().numpy(), np.float32).copy()
