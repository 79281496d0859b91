"""Reads a message's category: calibrated probabilities, and whether it is "not ours".

The serving side: loads a folder that ``nlp.train.classifier`` wrote and computes with NumPy alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from nlp import native
from nlp.artifacts import ArtifactDamaged, load_arrays, load_json, save_arrays, save_json
from nlp.calibration import Isotonic, recalibrate_top, softmax
from nlp.features import (
    MAX_CHARS,
    Features,
    HashedTrigrams,
    Rows,
    VocabularyFeatures,
    no_rows,
)
from nlp.layout import LayoutReader
from nlp.neighbours import Neighbours
from nlp.network import Network
from nlp.sequence import SequenceNetwork

Floats = NDArray[np.float32]
Member = Network | Neighbours | SequenceNetwork
"""Gives logits: from weighted rows, or from the folded texts themselves."""

CONFIG: Final = "classifier.json"
WEIGHTS: Final = "classifier.safetensors"
_FORMAT: Final = 2


@dataclass(frozen=True, slots=True)
class Classified:
    """What the classifier says of one text.

    Attributes:
        proba: (n_labels,) calibrated, in the order of ``TicketClassifier.labels``.
        foreign_score: larger is less ours.
        foreign: the score is above the threshold.
        text: the text as read: the other keyboard layout where that was meant.
    """

    proba: Floats
    foreign_score: float
    foreign: bool
    text: str


@dataclass(frozen=True, slots=True)
class ForeignRule:
    """How "not ours" is judged.

    Scores of a text: the first member's logit of the best category, and of each member the lead of
    that logit over the foreign one. Each is centred and scaled on tickets the members had not seen;
    the sum, negated, is the foreign score.

    Attributes:
        centre: (members + 1,) means of the scores.
        spread: (members + 1,) their deviations.
        threshold: foreign scores above it are "not ours".
    """

    centre: Floats
    spread: Floats
    threshold: float

    @classmethod
    def fit(cls, own: Sequence[Floats], *, rejected: float) -> Self:
        """The rule that calls a share ``rejected`` of own tickets foreign, by their logits."""
        scores = _foreign_scores(own)
        spread = scores.std(axis=0)
        rule = cls(scores.mean(axis=0), np.where(spread > 0, spread, 1).astype(np.float32), 0.0)
        threshold = float(np.quantile(rule.score(own), 1 - rejected))
        return cls(rule.centre, rule.spread, threshold)

    def score(self, logits: Sequence[Floats]) -> Floats:
        """Shapes: of each member (n, n_labels + 1) -> (n,)."""
        own = ((_foreign_scores(logits) - self.centre) / self.spread).sum(axis=1)
        return np.asarray(-own, np.float32)


def _foreign_scores(logits: Sequence[Floats]) -> Floats:
    best = [member[:, :-1].max(axis=1) for member in logits]
    leads = [top - member[:, -1] for top, member in zip(best, logits, strict=True)]
    return np.stack([best[0], *leads], axis=1).astype(np.float32)


@dataclass(frozen=True, slots=True)
class ClassifierState:
    """Everything a classifier is made of.

    Attributes:
        features: rows of all members that need them; None where none does.
        members: their calibrated outputs are averaged.
        scales: factor on each member's logits before softmax.
        isotonic: steps for the best probability, or None where too few rows were held out.
        thresholds: promised precision, e.g. ``"0.95"``, to the confidence that keeps it.
    """

    preset: str
    labels: tuple[str, ...]
    reader: LayoutReader
    features: Features | None
    members: tuple[Member, ...]
    scales: tuple[float, ...]
    foreign: ForeignRule
    isotonic: Isotonic | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)


class TicketClassifier:
    """Predicts categories of texts."""

    def __init__(self, state: ClassifierState) -> None:
        self._state = state
        scales, rule = np.asarray(state.scales, np.float64), state.foreign
        self._rule = tuple(map(np.ascontiguousarray, (scales, rule.centre, rule.spread)))
        self._alone = _alone(state.members, state.features)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The classifier of a folder.

        Raises:
            ArtifactDamaged: a file is missing, unreadable or of another format.
        """
        config = load_json(folder / CONFIG)
        arrays = load_arrays(folder / WEIGHTS)
        if config.get("format") != _FORMAT:
            raise ArtifactDamaged(f"{CONFIG}: format {config.get('format')} is not {_FORMAT}")
        try:
            return cls(_state(config, arrays))
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactDamaged(f"{CONFIG}: {error}") from error

    def save(self, folder: Path) -> None:
        """Write ``classifier.json`` and ``classifier.safetensors`` into an existing folder."""
        state = self._state
        arrays: dict[str, NDArray[Any]] = {**state.reader.to_arrays()}
        if state.features is not None:
            arrays |= state.features.to_arrays()
        for i, member in enumerate(state.members):
            arrays |= member.to_arrays(f"network{i}")
        if state.isotonic is not None:
            arrays |= {"isotonic_x": state.isotonic.x, "isotonic_y": state.isotonic.y}
        save_arrays(folder / WEIGHTS, arrays)
        save_json(
            folder / CONFIG,
            {
                "format": _FORMAT,
                "preset": state.preset,
                "features": _kind(state.features),
                "networks": [member.to_config() for member in state.members],
                "scales": list(state.scales),
                "foreign": {
                    "centre": state.foreign.centre.tolist(),
                    "spread": state.foreign.spread.tolist(),
                    "threshold": state.foreign.threshold,
                },
                "thresholds": dict(state.thresholds),
                "labels": list(state.labels),
            },
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """Category names in the order of the probabilities."""
        return self._state.labels

    @property
    def preset(self) -> str:
        """Preset it was trained with."""
        return self._state.preset

    @property
    def foreign_threshold(self) -> float:
        """Foreign scores above this are "not ours"; 5 % of own tickets lie there."""
        return self._state.foreign.threshold

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Confidence that keeps a promised precision, by the promise (``"0.95"``)."""
        return self._state.thresholds

    def predict_proba(self, texts: Sequence[str]) -> Floats:
        """Calibrated probabilities. Shapes: n texts -> (n, n_labels)."""
        return self._proba(self._logits(self._fold(texts)[1]))

    def foreign_score(self, texts: Sequence[str]) -> Floats:
        """How far texts are from this desk's tickets. Shapes: n texts -> (n,)."""
        return self._state.foreign.score(self._logits(self._fold(texts)[1]))

    def classify(self, texts: Sequence[str]) -> list[Classified]:
        """Probabilities, foreign score and reading of each text in one pass."""
        if not texts:
            return []
        read, folded = self._fold(texts)
        if native.library is not None and self._alone is not None:
            return [self._read(*self._alone, folded[i], text) for i, text in enumerate(read)]
        logits = self._logits(folded)
        if native.library is not None:
            together = logits[0] if len(logits) == 1 else np.concatenate(logits, axis=1)
            return [self._judged(together[i], text) for i, text in enumerate(read)]
        scores = self._state.foreign.score(logits).tolist()
        return [
            Classified(proba, score, score > self.foreign_threshold, text)
            for proba, score, text in zip(self._proba(logits), scores, read, strict=True)
        ]

    def _read(
        self, network: Network, trigrams: HashedTrigrams, folded: str, text: str
    ) -> Classified:
        """A text by its trigrams alone, in one call."""
        size = len(self._state.labels)
        proba, logits = np.empty(size, np.float32), np.empty(size + 1, np.float32)
        points, arguments = trigrams.points(folded), network.arguments(logits)
        score = native.library.classify(*self._rule, proba, points, trigrams.idf, *arguments)
        return self._said(proba, score, text)

    def _judged(self, logits: Floats, text: str) -> Classified:
        """A text by the logits of each member end to end."""
        proba = np.empty(len(self._state.labels), np.float32)
        return self._said(proba, native.library.judge(*self._rule, proba, logits), text)

    def _said(self, proba: Floats, score: float, text: str) -> Classified:
        if self._state.isotonic is not None:
            proba = recalibrate_top(proba[None], self._state.isotonic)[0]
        return Classified(proba, score, score > self._state.foreign.threshold, text)

    def _fold(self, texts: Sequence[str]) -> tuple[list[str], list[str]]:
        read, folded = [], []
        for text in texts:
            chosen, skeleton = self._state.reader.choose(text[:MAX_CHARS])
            read.append(text if len(text) > MAX_CHARS else chosen)
            folded.append(skeleton)
        return read, folded

    def _logits(self, folded: Sequence[str]) -> list[Floats]:
        return logits_of(self._state.members, folded, self._state.features)

    def _proba(self, logits: Sequence[Floats]) -> Floats:
        return blend(logits, self._state.scales, self._state.isotonic)


def logits_of(
    members: Sequence[Member], folded: Sequence[str], features: Features | None
) -> list[Floats]:
    """Logits of folded texts by each member. Shapes: n texts -> each (n, k)."""
    alone = _alone(members, features)
    if alone is not None:
        network, trigrams = alone
        return [network.read(folded, trigrams)]
    rows = no_rows(len(folded)) if features is None else features.transform(folded)
    return [member_logits(member, folded, rows) for member in members]


def _alone(
    members: Sequence[Member], features: Features | None
) -> tuple[Network, HashedTrigrams] | None:
    """A single network that reads trigrams by itself, without rows in between."""
    if isinstance(features, HashedTrigrams) and len(members) == 1:
        (member,) = members
        return (member, features) if isinstance(member, Network) else None
    return None


def member_logits(member: Member, folded: Sequence[str], rows: Rows) -> Floats:
    """Logits from folded texts, given their rows as well. Shapes: n texts, n rows -> (n, k)."""
    return member.logits(folded) if isinstance(member, SequenceNetwork) else member.logits(rows)


def blend(logits: Sequence[Floats], scales: Sequence[float], isotonic: Isotonic | None) -> Floats:
    """Mean of the scaled softmaxes of several members, foreign column left out.

    Shapes: each (n, n_labels + 1) -> (n, n_labels).
    """
    proba = np.zeros((len(logits[0]), logits[0].shape[1] - 1), np.float32)
    for values, scale in zip(logits, scales, strict=True):
        proba += softmax(values[:, :-1] * np.float32(scale)) / np.float32(len(scales))
    return proba if isotonic is None else recalibrate_top(proba, isotonic)


def _state(config: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> ClassifierState:
    features = _features(config["features"], arrays)
    labels = tuple(str(label) for label in config["labels"])
    members = tuple(
        _member(entry, arrays, f"network{i}") for i, entry in enumerate(config["networks"])
    )
    width = 0 if features is None else features.width
    for member in members:
        fits = isinstance(member, SequenceNetwork) or member.width == width
        if not fits or member.outputs != len(labels) + 1:
            raise ValueError("a network does not fit the labels or the features")
    steps = arrays.get("isotonic_x"), arrays.get("isotonic_y")
    return ClassifierState(
        preset=str(config["preset"]),
        labels=labels,
        reader=LayoutReader.from_arrays(arrays),
        features=features,
        members=members,
        scales=tuple(float(scale) for scale in config["scales"]),
        foreign=_rule(config["foreign"], len(members)),
        isotonic=None if steps[0] is None or steps[1] is None else Isotonic(steps[0], steps[1]),
        thresholds={str(k): float(v) for k, v in config["thresholds"].items()},
    )


def _rule(entry: Mapping[str, Any], members: int) -> ForeignRule:
    centre, spread = (np.asarray(entry[name], np.float32) for name in ("centre", "spread"))
    if centre.shape != (members + 1,) or spread.shape != centre.shape:
        raise ValueError("the rule for what is foreign does not fit the members")
    return ForeignRule(centre, spread, float(entry["threshold"]))


def _kind(features: Features | None) -> str:
    if features is None:
        return "none"
    return "trigrams" if isinstance(features, HashedTrigrams) else "vocabulary"


def _features(kind: str, arrays: Mapping[str, NDArray[Any]]) -> Features | None:
    if kind == "none":
        return None
    known: dict[str, type[HashedTrigrams] | type[VocabularyFeatures]] = {
        "trigrams": HashedTrigrams,
        "vocabulary": VocabularyFeatures,
    }
    return known[kind].from_arrays(arrays)


def _member(entry: Any, arrays: Mapping[str, NDArray[Any]], prefix: str) -> Member:
    """A list stands for a network over rows, an object for the kind that it names."""
    if isinstance(entry, Mapping):
        if entry.get("kind") == "neighbours":
            return Neighbours.from_arrays(arrays, prefix)
        return SequenceNetwork.from_arrays(arrays, prefix, entry)
    return Network.from_arrays(arrays, prefix, entry)
