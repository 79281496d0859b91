"""The encoders that the presets ``seed``, ``ff``, ``cnn`` and ``rnn`` train, and how any is loaded.

The table of ``nlp.ranker`` is the default. Here questions and answers are read by the networks
that also classify; their last layer gives the encoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from nlp.artifacts import ArtifactDamaged, load_arrays, load_json, save_arrays, save_json
from nlp.classifier import Member, logits_of
from nlp.features import HashedTrigrams, prepare
from nlp.network import Network
from nlp.pieces import has_words
from nlp.ranker import DualEncoder
from nlp.sequence import SequenceNetwork
from nlp.translation import Translation

Floats = NDArray[np.float32]
Kind = Literal["seed", "ff", "cnn", "rnn"]

_CONFIG: Final = "ranker.json"
_WEIGHTS: Final = "ranker.safetensors"
_PREFIX: Final = "translation_"
_AT_ONCE: Final = 1024  # texts; memory stays bounded


class Encoder(Protocol):
    """Questions and answers as vectors whose inner product is their similarity."""

    translation: Translation | None

    @property
    def dimension(self) -> int:
        """Length of an encoding."""

    def encode_questions(self, texts: Sequence[str]) -> Floats:
        """Rows ``(n, dimension)`` of length 1 at most; zeros for a text without words."""

    def encode_answers(self, texts: Sequence[str]) -> Floats:
        """Rows ``(n, dimension)`` of length 1 at most; zeros for a text without words."""

    def save(self, folder: Path) -> None:
        """Write the encoder into an existing or new folder."""


class NetworkEncoder:
    """Encodings from networks over trigrams or over words in their order.

    Args:
        kind: ``seed``: a network for each side, softsign outputs, plain inner product. Else one
            network for both, whose outputs are the question's half and the answer's half; each
            half has unit length.
        networks: two for ``seed``, else one.
        trigrams: rows of the networks that read rows.
        translation: word translation table of the same pairs, if there were enough.

    Raises:
        ValueError: the networks do not fit the kind.
    """

    def __init__(
        self,
        kind: Kind,
        networks: Sequence[Member],
        trigrams: HashedTrigrams | None,
        translation: Translation | None = None,
    ) -> None:
        if len({network.outputs for network in networks}) != 1 or len(networks) != _sides(kind):
            raise ValueError(f"'{kind}' cannot have these networks")
        for network in networks:
            width = len(network.table) if isinstance(network, Network) else None
            if width != (trigrams.width if trigrams is not None else None):
                raise ValueError(f"a network of '{kind}' cannot read its texts")
        self.kind = kind
        self.translation = translation
        self._networks = tuple(networks)
        self._trigrams = trigrams

    @property
    def dimension(self) -> int:
        """Length of an encoding."""
        outputs = self._networks[0].outputs
        return outputs if self.kind == "seed" else outputs // 2

    def encode_questions(self, texts: Sequence[str]) -> Floats:
        """Rows ``(n, dimension)`` of length 1 at most; zeros for a text without words."""
        return self._encode(texts, 0)

    def encode_answers(self, texts: Sequence[str]) -> Floats:
        """Rows ``(n, dimension)`` of length 1 at most; zeros for a text without words."""
        return self._encode(texts, 1)

    def save(self, folder: Path) -> None:
        """Write ``ranker.json`` and ``ranker.safetensors`` into an existing or new folder."""
        folder.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, NDArray[Any]] = {}
        for i, network in enumerate(self._networks):
            arrays |= network.to_arrays(f"network{i}")
        if self._trigrams is not None:
            arrays |= self._trigrams.to_arrays()
        if self.translation is not None:
            arrays |= {_PREFIX + k: v for k, v in self.translation.to_arrays().items()}
        save_arrays(folder / _WEIGHTS, arrays)
        networks = [network.to_config() for network in self._networks]
        save_json(folder / _CONFIG, {"kind": self.kind, "networks": networks})

    @classmethod
    def load(cls, folder: Path) -> NetworkEncoder:
        """The encoder that ``save`` wrote.

        Raises:
            ArtifactDamaged: a file or an array is missing or does not fit.
        """
        config, arrays = load_json(folder / _CONFIG), load_arrays(folder / _WEIGHTS)
        rest = {k.removeprefix(_PREFIX): v for k, v in arrays.items() if k.startswith(_PREFIX)}
        try:
            kind = dict(zip(get_args(Kind), get_args(Kind), strict=True))[config["kind"]]
            rows = kind in {"seed", "ff"}
            read = Network.from_arrays if rows else SequenceNetwork.from_arrays
            networks = [
                read(arrays, f"network{i}", entry) for i, entry in enumerate(config["networks"])
            ]
            trigrams = HashedTrigrams.from_arrays(arrays) if rows else None
            translation = Translation.from_arrays(rest) if rest else None
            return cls(kind, networks, trigrams, translation)
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactDamaged(f"{_CONFIG}: {error}") from error

    def _encode(self, texts: Sequence[str], side: int) -> Floats:
        encoded = np.zeros((len(texts), self.dimension), np.float32)
        for start in range(0, len(texts), _AT_ONCE):
            part = texts[start : start + _AT_ONCE]
            encoded[start : start + len(part)] = self._encode_part(part, side)
        return encoded

    def _encode_part(self, texts: Sequence[str], side: int) -> Floats:
        folded, size = prepare(texts), self.dimension
        network = self._networks[side % len(self._networks)]
        (outputs,) = logits_of((network,), folded, self._trigrams)
        if self.kind == "seed":
            # Softsign keeps each within 1; the root keeps the length of the whole within 1.
            encoded = outputs / (1 + np.abs(outputs)) / np.float32(size**0.5)
        else:
            encoded = outputs[:, side * size : (side + 1) * size]
            lengths = np.linalg.norm(encoded, axis=1, keepdims=True)
            encoded = encoded / np.maximum(lengths, 1e-9)
        return np.where(has_words(folded)[:, None], encoded, np.float32(0))


def load_encoder(folder: Path) -> Encoder:
    """The encoder of a folder, whichever preset wrote it.

    Raises:
        ArtifactDamaged: a file or an array is missing or does not fit.
    """
    known = (folder / _CONFIG).exists()
    return NetworkEncoder.load(folder) if known else DualEncoder.load(folder)


def _sides(kind: Kind) -> int:
    return 2 if kind == "seed" else 1
