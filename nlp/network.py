"""The predictor of networks over weighted rows: gather table rows, sum, dense layers, NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nlp import native
from nlp.features import HashedTrigrams, Rows
from nlp.gathering import Table

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Layer:
    """A dense layer. Shapes: ``weight`` (inputs, outputs), ``bias`` (outputs,).

    A residual layer adds its input to its output; it needs inputs = outputs.
    """

    weight: Floats
    bias: Floats
    residual: bool = False


@dataclass(frozen=True, slots=True)
class Network:
    """Weighted sum of table rows, softsign, hidden softsign layers, linear output.

    Without layers it is linear: the sum itself. Shapes: ``table`` (width, h), ``bias`` (h,).
    """

    table: Table
    bias: Floats
    layers: tuple[Layer, ...] = ()
    _front: tuple[Any, ...] = field(init=False, repr=False)  # of what C takes, before out
    _back: tuple[Any, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        residual = sum(layer.residual << k for k, layer in enumerate(self.layers[:-1]))
        layers = [
            np.ascontiguousarray(array, np.float32)
            for layer in self.layers
            for array in (layer.weight, layer.bias)
        ]
        object.__setattr__(self, "_front", (self.table.values, self.table.steps, self.bias))
        object.__setattr__(self, "_back", (residual, *layers))

    def arguments(self, out: Floats) -> tuple[Any, ...]:
        """The network as C takes it; logits of one row will be in ``out`` ``(outputs,)``."""
        return (*self._front, out, *self._back)

    def logits(self, rows: Rows) -> Floats:
        """Shapes: n rows -> (n, outputs of the last layer)."""
        if native.library is not None:
            return self._forward(rows)
        out = np.empty((len(rows), len(self.bias)), np.float32)
        for i, (start, stop) in enumerate(pairwise(rows.indptr.tolist())):
            out[i] = self.table.weighted_sum(rows.indices[start:stop], rows.values[start:stop])
        out += self.bias
        if not self.layers:
            return out
        hidden = _softsign(out)
        for layer in self.layers[:-1]:
            step = _softsign(hidden @ layer.weight + layer.bias)
            hidden = hidden + step if layer.residual else step
        last = self.layers[-1]
        return np.asarray(hidden @ last.weight + last.bias, np.float32)

    def _forward(self, rows: Rows) -> Floats:
        """Row by row, each in one call."""
        out = np.empty((len(rows), self.outputs), np.float32)
        forward = native.library.forward
        for i, (start, stop) in enumerate(pairwise(rows.indptr.tolist())):
            forward(rows.indices[start:stop], rows.values[start:stop], *self.arguments(out[i]))
        return out

    def read(self, texts: Sequence[str], trigrams: HashedTrigrams) -> Floats:
        """Logits of folded texts by their trigrams. Shapes: n texts -> (n, outputs)."""
        if native.library is None:
            return self.logits(trigrams.transform(texts))
        out = np.empty((len(texts), self.outputs), np.float32)
        read = native.library.read_trigrams
        for i, text in enumerate(texts):
            read(trigrams.points(text), trigrams.idf, *self.arguments(out[i]))
        return out

    def to_arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Weights as arrays named ``<prefix>.table``, ``<prefix>.0.weight``, ...

        The table, which is nearly all of it, is kept in bytes: no category that is sure of itself
        changes.
        """
        table = self.table.packed()
        arrays: dict[str, NDArray[Any]] = {
            f"{prefix}.table": table.values,
            f"{prefix}.steps": table.steps,
            f"{prefix}.bias": self.bias,
        }
        for i, layer in enumerate(self.layers):
            arrays |= {f"{prefix}.{i}.weight": layer.weight, f"{prefix}.{i}.bias": layer.bias}
        return arrays

    def to_config(self) -> list[bool]:
        """Whether each layer is residual."""
        return [layer.residual for layer in self.layers]

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], prefix: str, residual: Sequence[bool]
    ) -> Self:
        """The network that ``to_arrays`` and ``to_config`` described.

        Raises:
            ValueError: an array is missing or shapes do not fit together.
        """
        try:
            table = Table(arrays[f"{prefix}.table"], arrays[f"{prefix}.steps"])
            bias = arrays[f"{prefix}.bias"]
            layers = tuple(
                Layer(arrays[f"{prefix}.{i}.weight"], arrays[f"{prefix}.{i}.bias"], flag)
                for i, flag in enumerate(residual)
            )
        except KeyError as error:
            raise ValueError(f"network: array {error} is missing") from None
        size = len(bias)
        fits = table.size == size
        for layer in layers:
            fits = fits and layer.weight.shape == (size, len(layer.bias))
            size = len(layer.bias)
        if not fits:
            raise ValueError(f"network '{prefix}': shapes do not fit together")
        return cls(table, bias, layers)

    @property
    def width(self) -> int:
        """Number of columns of the rows that it reads."""
        return len(self.table)

    @property
    def outputs(self) -> int:
        """Number of logits."""
        return len(self.layers[-1].bias if self.layers else self.bias)


def _softsign(x: Floats) -> Floats:
    return np.asarray(x / (1 + np.abs(x)), np.float32)
