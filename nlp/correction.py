"""The correction layer in NumPy: from the scores of several rankers to one probability.

A candidate's logit is a linear part plus a small softsign layer over its features; the probability
is a softmax over the candidates of one question and one more outcome, "none of them". Training is
in ``nlp.train.correction``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from nlp import native
from nlp.artifacts import ArtifactDamaged, load_arrays, load_json, save_arrays, save_json

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

_ARRAYS = "correction.safetensors"
_CONFIG = "correction.json"
_WEIGHTS = ("mean", "scale", "linear", "hidden", "bias", "output")


class Network(msgspec.Struct, frozen=True):
    """Weights over ``f`` features with ``h`` hidden units; ``h`` may be 0 (a weighted sum)."""

    mean: Floats  # (f,) subtracted first
    scale: Floats  # (f,) then multiplied
    linear: Floats  # (f,)
    hidden: Floats  # (f, h)
    bias: Floats  # (h,)
    output: Floats  # (h,)

    def logits(self, features: Floats) -> Floats:
        """Unscaled logits, shape ``(candidates,)``."""
        x = (features - self.mean) * self.scale
        layer = x @ self.hidden + self.bias
        total = x @ self.linear + (layer / (1.0 + np.abs(layer))) @ self.output
        return np.asarray(total, np.float32)


class Calibration(msgspec.Struct, frozen=True):
    """From logits to probabilities: ``softmax(slope * logits, none)``.

    The logit of "none of them" is ``none_bias + slope * none_slope * best``, where ``best`` is the
    highest logit of the question: a good best candidate leaves less room for "none".
    """

    slope: float = 1.0
    none_bias: float = 0.0
    none_slope: float = 0.0


class Evidence(msgspec.Struct, frozen=True):
    """Confidence in the first suggestion for held-out questions, and whether it was right."""

    confidence: Floats
    right: NDArray[np.bool_]


class Correction:
    """Calibrated probability that a candidate is the right answer.

    Args:
        feature_names: names of the features, in column order.
        network: trained or fixed weights.
        calibration: fitted on questions that the network has not seen.
        variant: what was kept after comparison, e.g. ``"mlp"``, ``"fixed"``, ``"single:past"``.
        evidence: what it said of questions it had not seen, to choose thresholds by.
    """

    def __init__(
        self,
        feature_names: tuple[str, ...],
        network: Network,
        calibration: Calibration,
        variant: str,
        evidence: Evidence | None = None,
    ) -> None:
        if len(feature_names) != len(network.linear) or len(network.hidden) != len(feature_names):
            raise ArtifactDamaged(
                f"{_ARRAYS}: the weights do not fit {len(feature_names)} features"
            )
        self.feature_names = feature_names
        self.variant = variant
        self.calibration = calibration
        self.evidence = evidence or Evidence(np.zeros(0, np.float32), np.zeros(0, bool))
        self._network = network
        self._weights = tuple(  # as C reads them
            np.ascontiguousarray(getattr(network, name), np.float32) for name in _WEIGHTS
        )

    def predict_proba(self, features: Floats, segments: Ids | list[int]) -> Floats:
        """Probability of each candidate, shape ``(candidates,)``.

        Args:
            features: ``(candidates, f)`` of several questions, one question after the other.
            segments: number of candidates of each question; sums to ``candidates``.

        Raises:
            ValueError: the shapes do not fit.
        """
        sizes = np.asarray(segments, np.int64)
        if features.ndim != 2 or features.shape != (int(sizes.sum()), len(self.feature_names)):
            raise ValueError(f"Features of shape {features.shape} for {sizes.tolist()} candidates.")
        if not len(features):
            return np.zeros(0, np.float32)
        if native.library is None:
            return probabilities(self._network.logits(features), sizes, self.calibration)
        calibration, rated = self.calibration, np.empty(len(features), np.float32)
        native.library.rate(
            np.ascontiguousarray(features, np.float32), *self._weights, sizes, rated,
            calibration.slope, calibration.none_bias, calibration.none_slope,
        )  # fmt: skip
        return rated

    def save(self, folder: Path) -> None:
        """Write the correction into an existing or new folder."""
        folder.mkdir(parents=True, exist_ok=True)
        save_arrays(
            folder / _ARRAYS,
            {
                **dict(zip(_WEIGHTS, self._weights, strict=True)),
                "evidence_confidence": self.evidence.confidence,
                "evidence_right": self.evidence.right.astype(np.uint8),
            },
        )
        calibration = self.calibration
        save_json(
            folder / _CONFIG,
            {
                "features": list(self.feature_names),
                "variant": self.variant,
                "slope": calibration.slope,
                "none_bias": calibration.none_bias,
                "none_slope": calibration.none_slope,
            },
        )

    @classmethod
    def load(cls, folder: Path) -> Correction:
        """The correction that ``save`` wrote.

        Raises:
            ArtifactDamaged: a file or a value is missing or does not fit.
        """
        arrays = load_arrays(folder / _ARRAYS)
        config = load_json(folder / _CONFIG)
        try:
            network = Network(*(arrays[name].astype(np.float32) for name in _WEIGHTS))
            calibration = Calibration(
                float(config["slope"]), float(config["none_bias"]), float(config["none_slope"])
            )
            names = tuple(str(name) for name in config["features"])
            evidence = Evidence(
                arrays["evidence_confidence"].astype(np.float32),
                arrays["evidence_right"].astype(bool),
            )
            return cls(names, network, calibration, str(config["variant"]), evidence)
        except (KeyError, TypeError) as error:
            raise ArtifactDamaged(f"{_CONFIG}: {error} is missing or unreadable") from None


def weighted_sum(names: Sequence[str], weights: Mapping[str, float]) -> Network:
    """A network that is nothing but a weighted sum of named features."""
    width = len(names)
    linear = np.asarray([weights.get(name, 0.0) for name in names], np.float32)
    empty = np.zeros(0, np.float32)
    zeros, ones = np.zeros(width, np.float32), np.ones(width, np.float32)
    return Network(zeros, ones, linear, np.zeros((width, 0), np.float32), empty, empty)


def probabilities(logits: Floats, sizes: Ids, calibration: Calibration) -> Floats:
    """Softmax within each question over its candidates and "none of them"."""
    sizes = sizes[sizes > 0]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    scaled = calibration.slope * logits.astype(np.float64)
    best = np.maximum.reduceat(scaled, starts)
    none = calibration.none_bias + calibration.none_slope * best
    top = np.maximum(best, none)
    parts = np.exp(scaled - np.repeat(top, sizes))
    whole = np.add.reduceat(parts, starts) + np.exp(none - top)
    return np.asarray(parts / np.repeat(whole, sizes), np.float32)


def contrast(
    scores: Floats, floors: Sequence[float] | None = None, out: Floats | None = None
) -> Floats:
    """Each ranker's scores of one question relative to each other, shape ``(n, 2 * rankers)``.

    Columns come in pairs: the score divided by the ranker's best, and its lead over the best other
    candidate in the same measure (negative for all but the first). A ranker without a positive
    score gives zeros.

    Args:
        scores: ``(n, rankers)``, higher is better.
        floors: the least that each ranker's best counts for, so that the best of nothing but faint
            likenesses does not look like a find; 0 where a ranker has no scale of its own.
        out: where to write, contiguous, ``(n, 2 * rankers or more)``; a new array by default.
    """
    n, rankers = scores.shape
    features = np.zeros((n, 2 * rankers), np.float32) if out is None else out
    if not n:
        return features
    least = np.asarray(floors or [0.0] * rankers, np.float32)
    if native.library is not None:
        native.library.contrast(np.ascontiguousarray(scores.T, np.float32), least, features)
        return features
    least = np.maximum(least, 1e-9)
    scaled = np.maximum(scores, 0.0) / np.maximum(scores.max(axis=0), least)
    best = scaled.max(axis=0)
    second = np.partition(scaled, n - 2, axis=0)[n - 2] if n > 1 else np.zeros(rankers)
    first = scaled.argmax(axis=0)
    lead = scaled - best
    lead[first, np.arange(rankers)] = best - second
    features[:, 0 : 2 * rankers : 2] = scaled
    features[:, 1 : 2 * rankers : 2] = lead
    return features
