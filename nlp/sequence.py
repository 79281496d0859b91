"""The predictors that read words in their order: convolutions or a recurrent layer, NumPy.

A word is the sum of its hashed n-gram rows beside the maxima of a convolution over characters. What
stands between texts in the flat arrays is zero, so one text gives what it gives among many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from nlp import native
from nlp.pieces import ALPHABET, HASH_VERSION, read_pieces, read_words

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Kind = Literal["cnn", "rnn"]

_AT_ONCE: Final = 128  # texts; memory stays bounded
_MOST_REMEMBERED: Final = 5_000  # words


class SequenceShape(msgspec.Struct, frozen=True):
    """Sizes of a network over sequences.

    Attributes:
        kind: ``cnn``, convolutions over words; ``rnn``, a gated recurrent layer in each direction.
        buckets: rows of the table that pieces of words are hashed into.
        dimension: columns of the table.
        char_dimension: length of a character's vector.
        char_width: characters that a filter over characters sees, odd.
        char_filters: filters over characters.
        widths: words that filters over words see (``cnn``).
        units: filters of each width, or state of each direction.
        most_words: words read; what decides a category stands at the beginning.
    """

    kind: Kind
    buckets: int = 20_000
    dimension: int = 64
    char_dimension: int = 8
    char_width: int = 5
    char_filters: int = 32
    widths: tuple[int, ...] = (1, 2, 3)
    units: int = 128
    most_words: int = 64

    @property
    def word_size(self) -> int:
        """Length of a word's vector."""
        return self.dimension + self.char_filters

    @property
    def pooled_size(self) -> int:
        """Length of a text's vector."""
        if self.kind == "cnn":
            return self.word_size + self.units * len(self.widths)
        return self.word_size + 4 * self.units

    def arrays(self, outputs: int) -> dict[str, tuple[int, ...]]:
        """Name and shape of every array of a network with so many logits."""
        size, units = self.word_size, self.units
        core: dict[str, tuple[int, ...]] = {}
        if self.kind == "cnn":
            for width in self.widths:
                core |= {f"words{width}": (width * size, units), f"words{width}_bias": (units,)}
        else:
            core = {
                "input": (2, size, 3 * units), "input_bias": (2, 3 * units),
                "state": (2, units, 3 * units), "state_bias": (2, 3 * units),
            }  # fmt: skip
        return {
            "table": (self.buckets, self.dimension),
            "chars": (ALPHABET, self.char_dimension),
            "filters": (self.char_width * self.char_dimension, self.char_filters),
            "filters_bias": (self.char_filters,),
            **core,
            "output": (self.pooled_size, outputs),
            "output_bias": (outputs,),
        }


class SequenceNetwork:
    """Logits of folded texts.

    Args:
        shape: sizes.
        arrays: as ``shape.arrays`` names them.

    Raises:
        ValueError: an array is missing or of another shape.

    Source: word convolutions with maximum over time of Kim, Convolutional neural networks for
    sentence classification, EMNLP 2014; words from characters as in Kim et al., Character-aware
    neural language models, AAAI 2016; gated units of Cho et al., EMNLP 2014.
    """

    def __init__(self, shape: SequenceShape, arrays: Mapping[str, Floats]) -> None:
        for name in shape.arrays(0):
            if name not in arrays:
                raise ValueError(f"network: array '{name}' is missing")
        for name, size in shape.arrays(len(arrays["output_bias"])).items():
            if arrays[name].shape != size:
                raise ValueError(f"network: array '{name}' is {arrays[name].shape}, not {size}")
        self.shape = shape
        self._arrays = {
            name: np.ascontiguousarray(arrays[name], np.float32) for name in shape.arrays(0)
        }
        self._known: dict[str, Floats] = {}  # vectors of words seen, and what filters say of them
        self._projection = np.ascontiguousarray(self._parts_of_filters(), np.float32)
        self._widths = np.asarray(shape.widths, np.int64)
        widths = shape.widths if shape.kind == "cnn" else ()
        biases = [self._arrays[f"words{width}_bias"] for width in widths]
        self._biases = np.concatenate([np.empty(0, np.float32), *biases])

    @property
    def outputs(self) -> int:
        """Number of logits."""
        return len(self._arrays["output_bias"])

    def _parts_of_filters(self) -> Floats:
        """What each filter over words takes of each word it sees. Shapes: (word_size, parts)."""
        size = self.shape.word_size
        if self.shape.kind != "cnn":
            return np.empty((size, 0), np.float32)
        filters = [self._arrays[f"words{width}"] for width in self.shape.widths]
        return np.hstack([
            weight[place : place + size]
            for weight in filters
            for place in range(0, len(weight), size)
        ])  # fmt: skip

    def logits(self, texts: Sequence[str]) -> Floats:
        """Shapes: n folded texts -> (n, outputs)."""
        out = np.empty((len(texts), self.outputs), np.float32)
        if native.library is not None and self.shape.kind == "cnn":
            for row, text in zip(out, texts, strict=True):
                self._logits_of(text, row)
            return out
        for start in range(0, len(texts), _AT_ONCE):
            part = [
                read_words(text, self.shape.most_words) for text in texts[start : start + _AT_ONCE]
            ]
            counts = np.fromiter(map(len, part), np.int64, len(part))
            pooled = self._pool(self._words([word for words in part for word in words]), counts)
            weight, bias = self._arrays["output"], self._arrays["output_bias"]
            out[start : start + len(part)] = pooled @ weight + bias
        return out

    def _logits_of(self, text: str, out: Floats) -> None:
        """One text in one call."""
        words, arrays = read_words(text, self.shape.most_words), self._arrays
        known = self._remembered(words)
        native.library.read_sequence(
            self._widths, self._biases, arrays["output"], arrays["output_bias"], out,
            self.shape.word_size, [known[word] for word in words],
        )  # fmt: skip

    def to_arrays(self, prefix: str) -> dict[str, Floats]:
        """Weights as arrays named ``<prefix>.table``, ``<prefix>.output``, ..."""
        return {f"{prefix}.{name}": array for name, array in self._arrays.items()}

    def to_config(self) -> dict[str, Any]:
        """The shape as JSON, with the version of the hash."""
        return {**msgspec.structs.asdict(self.shape), "hash_version": HASH_VERSION}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], prefix: str, config: Mapping[str, Any]
    ) -> Self:
        """The network that ``to_arrays`` and ``to_config`` described.

        Raises:
            ValueError: an array is missing or does not fit, or the hash is of another version.
        """
        sizes = dict(config)
        version = sizes.pop("hash_version", None)
        if version != HASH_VERSION:
            raise ValueError(f"network: hash version {version}, not {HASH_VERSION}")
        if sizes.get("kind") not in ("cnn", "rnn"):
            raise ValueError(f"network: unknown kind '{sizes.get('kind')}'")
        sizes["widths"] = tuple(sizes.get("widths", ()))
        start = f"{prefix}."
        own = {k.removeprefix(start): v for k, v in arrays.items() if k.startswith(start)}
        return cls(SequenceShape(**sizes), own)

    def _words(self, words: Sequence[str]) -> Floats:
        """Rows of words (words, word_size + projections)."""
        known = self._remembered(words)
        return np.stack([known[word] for word in words])

    def _remembered(self, words: Sequence[str]) -> dict[str, Floats]:
        """Vectors of words, these among them; the same words come again and again."""
        known = self._known
        if len(known) > _MOST_REMEMBERED:
            known.clear()
        fresh = [word for word in dict.fromkeys(words) if word not in known]
        if native.library is not None:
            known.update((word, self._read_word(word)) for word in fresh)
        elif fresh:
            vectors = self._read(fresh)
            known.update(zip(fresh, np.hstack([vectors, vectors @ self._projection]), strict=True))
        return known

    def _read_word(self, word: str) -> Floats:
        """The vector of one word and its projection, as ``_read`` and what follows it."""
        shape, arrays = self.shape, self._arrays
        found = np.empty(shape.word_size + self._projection.shape[1], np.float32)
        native.library.read_word(
            f" {word} ".encode("utf-32-le", "surrogatepass"), arrays["table"], arrays["chars"],
            arrays["filters"], arrays["filters_bias"], self._projection, found,
            shape.dimension, shape.char_dimension, ALPHABET,
        )  # fmt: skip
        return found

    def _read(self, words: Sequence[str]) -> Floats:
        shape, arrays = self.shape, self._arrays
        pieces = read_pieces(words, shape.buckets, 1)
        found = np.empty((len(words), shape.word_size), np.float32)
        starts = np.cumsum(pieces.sizes) - pieces.sizes
        summed = np.add.reduceat(arrays["table"][pieces.ids], starts)
        found[:, : shape.dimension] = summed / np.sqrt(pieces.sizes)[:, None]
        seen = _convolve(
            arrays["chars"][pieces.chars], pieces.lengths, arrays["filters"], arrays["filters_bias"]
        )
        first = np.cumsum(pieces.lengths) - pieces.lengths
        found[:, shape.dimension :] = np.maximum.reduceat(seen, first)
        return found

    def _pool(self, rows: Floats, counts: Ints) -> Floats:
        """Vectors of texts (texts, pooled_size)."""
        starts = np.cumsum(counts) - counts
        words = rows[:, : self.shape.word_size]
        parts = [np.add.reduceat(words, starts) / np.sqrt(counts)[:, None]]
        if self.shape.kind == "cnn":
            projected = rows[:, self.shape.word_size :]
            texts = zip(starts.tolist(), (starts + counts).tolist(), strict=True)
            parts.append(np.stack([self._filtered(projected[a:b]) for a, b in texts]))
        else:
            states = self._recur(words, counts)
            parts.append(np.maximum.reduceat(states, starts))
            parts.append(np.add.reduceat(states, starts) / counts[:, None])
        return np.concatenate(parts, axis=1).astype(np.float32, copy=False)

    def _filtered(self, projected: Floats) -> Floats:
        """Highest value of each filter over the words of one text, from their projections.

        A filter's value at a word is the sum of what its parts say of the words around it.
        """
        shape, n = self.shape, len(projected)
        found, start = [], 0
        for width in shape.widths:
            seen = np.repeat(self._arrays[f"words{width}_bias"][None], n, axis=0)
            for step in range(width):
                ahead = step - (width - 1) // 2
                low, high = max(0, -ahead), min(n, n - ahead)
                if low < high:
                    part = projected[low + ahead : high + ahead, start : start + shape.units]
                    seen[low:high] += part
                start += shape.units
            found.append(seen.max(axis=0))
        return np.asarray(np.maximum(np.concatenate(found), np.float32(0)), np.float32)

    def _recur(self, words: Floats, counts: Ints) -> Floats:
        """States of both directions at each word (words, 2 * units)."""
        arrays, units = self._arrays, self.shape.units
        first = np.cumsum(counts) - counts
        steps = np.arange(counts.max())[:, None]
        # The backward direction begins at each text's own last word. What is computed after the
        # end of a text is never read.
        ahead = np.minimum(first + steps, len(words) - 1)
        back = np.maximum(first + counts - 1 - steps, 0)
        gates = np.stack([words @ arrays["input"][i] for i in (0, 1)])
        gates += arrays["input_bias"][:, None]
        seen = np.stack([gates[0][ahead], gates[1][back]], axis=1)
        bias = arrays["state_bias"][:, None]
        states = np.empty((len(steps), 2, len(counts), units), np.float32)
        state = np.zeros((2, len(counts), units), np.float32)
        for step, gate in enumerate(seen):
            kept = np.matmul(state, arrays["state"]) + bias
            both = _sigmoid(gate[..., : 2 * units] + kept[..., : 2 * units])
            new = np.tanh(gate[..., 2 * units :] + both[..., :units] * kept[..., 2 * units :])
            state = new + both[..., units:] * (state - new)
            states[step] = state
        text = np.repeat(np.arange(len(counts)), counts)
        place = np.arange(len(words)) - first[text]
        return np.concatenate(
            [states[place, 0, text], states[counts[text] - 1 - place, 1, text]], axis=1
        )


def gapped_places(counts: Ints, gap: int) -> Ints:
    """Places of consecutive rows in an array that has ``gap`` empty rows around each text.

    Shapes: (texts,) rows of each text -> (rows,). The array has ``gap`` rows after the last place.
    """
    before = np.repeat(np.arange(1, len(counts) + 1), counts)
    return np.asarray(np.arange(len(before)) + before * gap, np.int64)


def _convolve(rows: Floats, counts: Ints, weight: Floats, bias: Floats) -> Floats:
    """Rectified filters over the rows around each row of the same text.

    Shapes: (rows, k), ``weight`` (width * k, filters) -> (rows, filters).
    """
    size = rows.shape[1]
    width = len(weight) // size
    places = gapped_places(counts, width - 1)
    spread = np.zeros((places[-1] + width, size), np.float32)
    spread[places] = rows
    windows = np.lib.stride_tricks.as_strided(
        spread,
        (len(spread) - width + 1, width * size),
        (spread.strides[0], spread.strides[1]),
        writeable=False,
    )
    seen = windows[places - (width - 1) // 2] @ weight + bias
    return np.asarray(np.maximum(seen, np.float32(0)), np.float32)


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(0.5 * np.tanh(0.5 * x) + 0.5, np.float32)
