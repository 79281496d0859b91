"""Counters as a linear model reads them: quantile bins, levels and standardised values.

A number gives a bin (the last one is for blank) and, beside it, a standardised value; a category
gives the place of its level (the last one is for blank, rare and unseen ones).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from admin.insights.notices import Notice
from admin.insights.table import Column, Table

Floats = NDArray[np.float32]
Codes = NDArray[np.uint8]

MAX_BINS: Final = 64
_RARE_ROWS: Final = 10  # a level of fewer rows shares the last place
_SKEWED: Final = 2.0  # skewness above which the standardised value is that of the logarithm
_SAMPLE: Final = 200_000  # rows that bins are cut on
_REFERENCE_BINS: Final = 10


@dataclass(frozen=True, slots=True)
class Counter:
    """How one counter is read.

    Attributes:
        name: of the column.
        levels: texts of a category; empty for a number.
        edges: rising borders of a number's bins; a value on a border is in the upper bin.
        center: subtracted from the number, or from its signed logarithm.
        scale: it is divided by this; 0 where only bins are used.
        is_log: ``sign(x) log(1 + |x|)`` is standardised in place of x.
        reference: borders of tenths at training, for drift.
        shares: share of the training rows in each tenth (or level), then that of blanks.
    """

    name: str
    levels: tuple[str, ...]
    edges: Floats
    center: float
    scale: float
    is_log: bool
    reference: Floats
    shares: NDArray[np.float64]

    @property
    def n_codes(self) -> int:
        """Bins or levels, and one more for blank."""
        return (len(self.levels) or len(self.edges) + 1) + 1

    def codes(self, values: Floats) -> Codes:
        """The bin or level of each value, 0..n_codes - 1. Shapes: (n,) -> (n,)."""
        blank = np.isnan(values)
        if self.levels:
            found = np.where(blank, self.n_codes - 1, values)
        else:
            found = np.searchsorted(self.edges, values, side="right")
            found[blank] = self.n_codes - 1
        return found.astype(np.uint8)

    def standardised(self, values: Floats) -> Floats:
        """Mean 0 and deviation 1 at training, at most 5 away from 0; 0 for blank."""
        if self.is_log:
            values = np.sign(values) * np.log1p(np.abs(values))
        found = np.clip((values - np.float32(self.center)) / np.float32(self.scale), -5, 5)
        return np.asarray(np.nan_to_num(found, copy=False, nan=0.0), np.float32)

    def as_json(self) -> dict[str, Any]:
        """All of it in plain values."""
        return {
            "name": self.name, "levels": list(self.levels), "edges": self.edges.tolist(),
            "center": self.center, "scale": self.scale, "is_log": self.is_log,
            "reference": self.reference.tolist(), "shares": self.shares.tolist(),
        }  # fmt: skip

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Counter:
        """What ``as_json`` gave."""
        return cls(
            value["name"], tuple(value["levels"]), np.array(value["edges"], np.float32),
            value["center"], value["scale"], value["is_log"],
            np.array(value["reference"], np.float32), np.array(value["shares"]),
        )  # fmt: skip


def fit_counters(table: Table, *, bins: int, linear: bool) -> tuple[Counter, ...]:
    """Bins, levels and scales of the counters of a table, by its rows alone.

    Args:
        table: training rows.
        bins: most bins of a number, 1..``MAX_BINS``; fewer where values repeat.
        linear: whether numbers have a standardised value as well.
    """
    return tuple(_fit_one(column, bins, linear=linear) for column in table.counters)


def aligned(counters: Sequence[Counter], table: Table) -> tuple[list[Floats], tuple[Notice, ...]]:
    """The values of each counter in a table that may be another file's, and what is odd.

    A missing column and an unseen level count as blank. Levels are matched by their text.
    """
    own = {column.name: column for column in table.columns}
    found: list[Floats] = []
    notices: list[Notice] = []
    for counter in counters:
        column = own.get(counter.name)
        if column is None:
            notices.append(Notice("missing-column", {"column": counter.name}))
            found.append(np.full(table.n_rows, np.nan, np.float32))
            continue
        values, unseen = _matched(counter, column)
        found.append(values)
        if unseen:
            rows, text = unseen
            notices.append(Notice("unseen", {"column": counter.name, "rows": rows, "text": text}))
    return found, tuple(notices)


def drift(counters: Sequence[Counter], values: Sequence[Floats]) -> tuple[Notice, ...]:
    """Counters whose distribution has moved since training: PSI above 0.25.

    Source: population stability index (Siddiqi, Credit Risk Scorecards, 2006, chapter 9), over
    tenths of the training values; 0.25 is its usual bound for "another population".
    """
    notices = []
    for counter, own in zip(counters, values, strict=True):
        if len(own) < 100:  # a tenth of fewer rows is chance
            return ()
        now = _shares(own, counter.reference, counter.levels)
        before, now = np.maximum(counter.shares, 1e-3), np.maximum(now, 1e-3)
        moved = float(((now - before) * np.log(now / before)).sum())
        if moved > 0.25:
            notices.append((moved, Notice("drift", {"column": counter.name, "psi": moved})))
    return tuple(notice for _, notice in sorted(notices, key=lambda pair: -pair[0]))


def _matched(counter: Counter, column: Column) -> tuple[Floats, tuple[int, str] | None]:
    """Values in the counter's own terms; how many are unseen, and an example."""
    if not counter.levels:
        if not column.levels:
            return column.values, None
        strange = ~np.isnan(column.values)
        example = column.levels[0]
        return np.full(len(column.values), np.nan, np.float32), (int(strange.sum()), example)
    known = {level: place for place, level in enumerate(counter.levels)}
    if column.levels:
        texts, codes = column.levels, column.values
    else:  # a category of numbers that this file's reader took for a number
        different, places = np.unique(column.values, return_inverse=True)
        texts = tuple(f"{value:g}" for value in different.tolist())
        codes = np.where(np.isnan(column.values), np.nan, places).astype(np.float32)
    table = np.array([known.get(text, np.nan) for text in texts], np.float32)
    blank = np.isnan(codes)
    values = np.full(len(codes), np.nan, np.float32)
    values[~blank] = table[codes[~blank].astype(np.int64)]
    lost = np.isnan(values) & ~blank
    example = next((texts[int(code)] for code in codes[lost][:1].tolist()), "")
    return values, (int(lost.sum()), example) if lost.any() else None


def _fit_one(column: Column, bins: int, *, linear: bool) -> Counter:
    values = column.values
    if column.levels:
        counts = np.bincount(values[~np.isnan(values)].astype(np.int64),
                             minlength=len(column.levels))  # fmt: skip
        levels = tuple(
            level for level, rows in zip(column.levels, counts.tolist(), strict=True)
            if rows >= _RARE_ROWS
        )  # fmt: skip
        own = np.where(np.isnan(values), np.nan, 0).astype(np.float32)
        counter = Counter(column.name, levels or ("\0none",), np.zeros(0, np.float32), 0.0, 0.0,
                          is_log=False, reference=np.zeros(0, np.float32),
                          shares=np.zeros(0))  # fmt: skip
        own, _ = _matched(counter, column)
        return _with_shares(counter, own)
    known = values[~np.isnan(values)]
    sample = known if len(known) <= _SAMPLE else known[:: -(-len(known) // _SAMPLE)]
    edges = quantile_edges(sample, bins)
    logged = np.sign(sample) * np.log1p(np.abs(sample)) if _skewed(sample) else sample
    center, scale = (float(logged.mean()), float(logged.std())) if len(sample) else (0.0, 0.0)
    counter = Counter(
        column.name, (), edges, center, scale if linear else 0.0, is_log=logged is not sample,
        reference=quantile_edges(sample, _REFERENCE_BINS), shares=np.zeros(0),
    )  # fmt: skip
    return _with_shares(counter, values)


def _with_shares(counter: Counter, values: Floats) -> Counter:
    shares = _shares(values, counter.reference, counter.levels)
    return Counter(counter.name, counter.levels, counter.edges, counter.center, counter.scale,
                   counter.is_log, counter.reference, shares)  # fmt: skip


def _shares(values: Floats, reference: Floats, levels: Sequence[str]) -> NDArray[np.float64]:
    blank = np.isnan(values)
    n_codes = (len(levels) or len(reference) + 1) + 1
    places = values if levels else np.searchsorted(reference, values, side="right")
    codes = np.where(blank, n_codes - 1, places).astype(np.int64)
    return np.bincount(codes, minlength=n_codes) / max(1, len(values))


def quantile_edges(sample: Floats, bins: int) -> Floats:
    """Rising borders of at most ``bins`` parts of about equal size, between values that occur."""
    if not len(sample) or bins < 2:
        return np.zeros(0, np.float32)
    different, counts = np.unique(sample, return_counts=True)
    if len(different) <= bins:
        return np.asarray(different[1:], np.float32)
    below = np.concatenate([[0], np.cumsum(counts)[:-1]])
    wanted = len(sample) * np.arange(1, bins) / bins
    # The nearest change of value to each wanted quantile, so that heavy values stay whole.
    right = np.clip(np.searchsorted(below, wanted), 1, len(below) - 1)
    nearer = wanted - below[right - 1] < below[right] - wanted
    places = np.unique(np.where(nearer, right - 1, right))
    return np.asarray(different[places[places > 0]], np.float32)


def _skewed(sample: Floats) -> bool:
    values = sample.astype(np.float64)
    deviation = float(values.std()) if len(values) else 0.0
    if deviation <= 0:
        return False
    return abs(float((((values - values.mean()) / deviation) ** 3).mean())) > _SKEWED
