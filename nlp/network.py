"""The predictor of networks over weighted rows: gather table rows, sum, dense layers, NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nlp.features import Rows
from nlp.gathering import weighted_sum

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

    table: Floats
    bias: Floats
    layers: tuple[Layer, ...] = ()

    def logits(self, rows: Rows) -> Floats:
        """Shapes: n rows -> (n, outputs of the last layer)."""
        out = np.empty((len(rows), len(self.bias)), np.float32)
        starts = rows.indptr.tolist()
        for i, (start, stop) in enumerate(pairwise(starts)):
            out[i] = weighted_sum(self.table, rows.indices[start:stop], rows.values[start:stop])
        out += self.bias
        if not self.layers:
            return out
        hidden = _softsign(out)
        for layer in self.layers[:-1]:
            step = _softsign(hidden @ layer.weight + layer.bias)
            hidden = hidden + step if layer.residual else step
        last = self.layers[-1]
        return np.asarray(hidden @ last.weight + last.bias, np.float32)

    def to_arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Weights as arrays named ``<prefix>.table``, ``<prefix>.0.weight``, ...

        The table, which is nearly all of it, is kept in steps of 1/127 of each row's largest
        entry: a quarter of the size, and no category that is sure of itself changes.
        """
        steps = np.maximum(np.abs(self.table).max(axis=1, initial=0.0), 1e-12) / 127
        table = np.rint(self.table / steps[:, None]).astype(np.int8)
        arrays: dict[str, NDArray[Any]] = {
            f"{prefix}.table": table,
            f"{prefix}.steps": steps.astype(np.float32),
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
            table, bias = arrays[f"{prefix}.table"], arrays[f"{prefix}.bias"]
            steps = arrays[f"{prefix}.steps"]
            layers = tuple(
                Layer(arrays[f"{prefix}.{i}.weight"], arrays[f"{prefix}.{i}.bias"], flag)
                for i, flag in enumerate(residual)
            )
        except KeyError as error:
            raise ValueError(f"network: array {error} is missing") from None
        size = len(bias)
        fits = table.ndim == 2 and table.shape == (len(steps), size)
        for layer in layers:
            fits = fits and layer.weight.shape == (size, len(layer.bias))
            size = len(layer.bias)
        if not fits:
            raise ValueError(f"network '{prefix}': shapes do not fit together")
        return cls(table.astype(np.float32) * steps[:, None], bias, layers)

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
