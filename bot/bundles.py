"""The models of one training, loaded after every byte of them was checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from bot.errors import ArtefactDamaged
from nlp.artifacts import MANIFEST, ArtifactDamaged, load_json, seal_of, verify
from nlp.classifier import TicketClassifier
from nlp.correction import Correction
from nlp.encoders import Encoder, load_encoder

_Part = TypeVar("_Part")

BUNDLE_FILE = "bundle.json"
PROBE = "как вернуть деньги за заказ? how do I get a refund?"


@dataclass(frozen=True, slots=True)
class Bundle:
    """Models of one training; a part that could not be trained is None.

    ``seal``: digest of the manifest, and by it of every file.
    """

    version: str
    classifier: TicketClassifier | None
    encoder: Encoder | None
    correction: Correction | None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    created_at: float = 0.0
    seal: str = ""


def load_bundle(folder: Path, seal: str | None = None) -> Bundle:
    """The verified models of a folder, shown to answer.

    Args:
        folder: of the bundle.
        seal: digest of its manifest when it was registered, where that is known.

    Raises:
        ArtefactDamaged: a file is missing, foreign, changed or of another format; names it.
    """
    try:
        verify(folder)
        _check_seal(folder, seal)
        about = load_json(folder / BUNDLE_FILE)
        bundle = Bundle(
            version=str(about["version"]),
            classifier=_part(folder / "classifier", TicketClassifier.load),
            encoder=_part(folder / "ranker", load_encoder),
            correction=_part(folder / "correction", Correction.load),
            metrics=about.get("metrics", {}),
            created_at=float(about["created_at"]),
            seal=seal_of(folder),
        )
        _prove(bundle)
    except (ArtifactDamaged, KeyError, ValueError, IndexError, OSError) as error:
        raise _damaged(folder.name, error) from error
    return bundle


def _check_seal(folder: Path, seal: str | None) -> None:
    if seal is not None and seal_of(folder) != seal:
        raise ArtifactDamaged(f"{MANIFEST}: is not the one of the training", "changed")


def _prove(bundle: Bundle) -> None:
    """Let every part read one text: what loads may still not fit together."""
    found = []
    if bundle.classifier is not None:
        found.append(bundle.classifier.predict_proba([PROBE]))
    if bundle.encoder is not None:
        found += [
            bundle.encoder.encode_questions([PROBE]),
            bundle.encoder.encode_answers([PROBE]),
        ]
    if bundle.correction is not None:
        width = len(bundle.correction.feature_names)
        found.append(bundle.correction.predict_proba(np.ones((2, width), np.float32), [2]))
    if not all(np.isfinite(array).all() for array in found):
        raise ArtifactDamaged("weights: give what is no number", "numbers")


def _damaged(name: str, error: Exception) -> ArtefactDamaged:
    damaged = ArtefactDamaged(
        f"The model {name} is damaged: {error}.", remedy="Promote another version or train again."
    )
    damaged.fault = error.fault if isinstance(error, ArtifactDamaged) else "unfit"
    damaged.place = str(error).split(":", maxsplit=1)[0]
    return damaged


def _part(folder: Path, load: Callable[[Path], _Part]) -> _Part | None:
    return load(folder) if folder.is_dir() else None
