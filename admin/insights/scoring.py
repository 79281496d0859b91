"""A propensity model as it is used: numpy alone, loaded from safetensors and JSON.

Probability = 1 / (1 + exp(-(base + the sum of the parts))): exactly, for both kinds of model, as
calibration multiplies and shifts log-odds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from admin.insights.counters import Counter, Floats, aligned, drift
from admin.insights.linear import LogisticModel
from admin.insights.notices import Notice
from admin.insights.table import Table
from admin.insights.trees import Trees, features_of
from nlp.artifacts import (
    ArtifactDamaged,
    load_arrays,
    load_json,
    save_arrays,
    save_json,
    verify,
    write_manifest,
)

Doubles = NDArray[np.float64]
Kind = Literal["logistic", "boosting"]

_FORMAT: Final = 1
_ROWS: Final = 50_000  # scored at once


@dataclass(frozen=True, slots=True)
class Scale:
    """Calibrated log-odds = ``factor`` x log-odds + ``shift``.

    Source: Platt, Probabilistic outputs for support vector machines, 1999.
    """

    factor: float = 1.0
    shift: float = 0.0


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why: log-odds as a sum.

    Attributes:
        names: counters.
        base: calibrated log-odds of the average training row.
        parts: what each counter adds. Shape (n, n_counters).
    """

    names: tuple[str, ...]
    base: float
    parts: Doubles

    def strongest(self, row: int, most: int = 3) -> list[tuple[str, float]]:
        """The counters that pushed a row up most, with their parts, positive ones only."""
        own = self.parts[row]
        order = np.argsort(-own)[:most]
        return [
            (self.names[place], float(own[place])) for place in order.tolist() if own[place] > 0
        ]

    def strengths(self) -> list[tuple[str, float]]:
        """Counters by how far they move log-odds: the mean absolute part, the strongest first."""
        found = np.abs(self.parts).mean(axis=0).tolist()
        return sorted(zip(self.names, found, strict=True), key=lambda pair: -pair[1])


@dataclass(frozen=True, slots=True)
class PropensityModel:
    """Who will do it, with reasons.

    Attributes:
        kind: which of the two models answers.
        logistic: always there.
        trees: None where boosting was not fitted or not chosen.
        scale: calibration of the model that answers.
        target: the column that was predicted, and ``positive`` its value.
        report: figures of the training, as ``propensity.fit`` gave them.
    """

    kind: Kind
    logistic: LogisticModel
    trees: Trees | None
    scale: Scale
    target: str
    positive: str
    report: Mapping[str, Any]

    @property
    def counters(self) -> tuple[Counter, ...]:
        """How each counter is read."""
        return self.logistic.counters

    def predict_proba(self, table: Table) -> Doubles:
        """Calibrated probability of each row, 0..1. Shape (n,)."""
        found = np.empty(table.n_rows)
        values, _ = aligned(self.counters, table)
        for start in range(0, table.n_rows, _ROWS):
            piece = [own[start : start + _ROWS] for own in values]
            found[start : start + _ROWS] = self._log_odds(piece)
        return np.asarray(1 / (1 + np.exp(-(self.scale.factor * found + self.scale.shift))))

    def reasons(self, table: Table) -> Reasons:
        """Parts of each row; ``table.rows(...)`` chooses whose. About 10 us a row (trees: 1 ms)."""
        values, _ = aligned(self.counters, table)
        if self.trees is None:
            base, parts = self.logistic.base, self.logistic.parts(values).astype(np.float64)
        else:
            features, owner = features_of(self.counters, values)
            base = self.trees.base
            parts = self.trees.parts(features, owner, len(self.counters))
        names = tuple(counter.name for counter in self.counters)
        factor = self.scale.factor
        return Reasons(names, factor * base + self.scale.shift, factor * parts)

    def notices(self, table: Table) -> tuple[Notice, ...]:
        """What is odd in a table to score: missing columns, unseen values, drift since training."""
        values, odd = aligned(self.counters, table)
        return (*odd, *drift(self.counters, values))

    def _log_odds(self, values: Sequence[Floats]) -> Doubles:
        if self.trees is None:
            return self.logistic.log_odds(values)
        return self.trees.log_odds(features_of(self.counters, values)[0])


def save(model: PropensityModel, folder: Path) -> None:
    """Write ``model.safetensors``, ``model.json`` and a manifest into a folder, made if missing."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, NDArray[Any]] = {
        f"table.{place}": table for place, table in enumerate(model.logistic.tables)
    }
    arrays["slopes"] = model.logistic.slopes
    if model.trees is not None:
        arrays |= model.trees.as_arrays()
    save_arrays(folder / "model.safetensors", arrays)
    save_json(folder / "model.json", {
        "format": _FORMAT, "kind": model.kind, "target": model.target, "positive": model.positive,
        "base": model.logistic.base, "scale": [model.scale.factor, model.scale.shift],
        "counters": [counter.as_json() for counter in model.counters],
        "report": dict(model.report),
    })  # fmt: skip
    write_manifest(folder)


def load(folder: Path) -> PropensityModel:
    """The model of a folder that ``save`` wrote.

    Raises:
        ArtifactDamaged: a file is missing, changed, or of another release.
    """
    verify(folder)
    about = load_json(folder / "model.json")
    arrays = load_arrays(folder / "model.safetensors")
    if about.get("format") != _FORMAT:
        raise ArtifactDamaged("model.json: of another release")
    try:
        counters = tuple(Counter.from_json(one) for one in about["counters"])
        tables = tuple(arrays[f"table.{place}"] for place in range(len(counters)))
        logistic = LogisticModel(counters, about["base"], tables, arrays["slopes"])
        trees = Trees.from_arrays(arrays) if "trees.roots" in arrays else None
        return PropensityModel(about["kind"], logistic, trees, Scale(*about["scale"]),
                               about["target"], about["positive"], about["report"])  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactDamaged(f"model.json: {error}") from error
