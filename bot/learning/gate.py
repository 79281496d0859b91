"""The ruling on a trained bundle: checks with their figures, and reasons in words.

Everything here is arithmetic on what ``bot.learning.judging`` measured. A text is a key of the
catalogue with parameters, so that the panel, the API and the command line say the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from bot.catalogue import Catalogue
from nlp.comparison import (
    Difference,
    binomial_tail,
    calibration_by_chance,
    paired_difference,
    share_change,
)
from nlp.metrics import expected_calibration_error

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]

# Cross-validated figures of two trainings differ by chance; more than this is a loss.
TOLERANCE: Final = 0.03
CHANCE: Final = 0.05  # of refusing an equal model, in each paired test
LEAST_ROWS: Final = 8  # of a category, to say anything of it
_GROWN: Final = 1.5  # times the judged rows, from which they are other rows
_CATEGORY_FALL: Final = 0.1  # of a category's right answers in the folds, surely
_MIS_CALIBRATED: Final = 0.1  # beyond what chance makes of so many rows
_LEAST_CALIBRATED: Final = 20
_SLOWER: Final = 3.0  # times the champion
_FAST_ENOUGH_MS: Final = 5.0
_SLOWEST_MS: Final = 200.0  # also without a champion
_LARGER: Final = 4.0  # times the champion
_SMALL_BYTES: Final = 64 << 20
_LARGEST_BYTES: Final = 2 << 30
_RELABELLED: Final = 0.5  # of the share that the champion had right of a category
_MOST_NAMED: Final = 3
_DECIMAL: Final = re.compile(r"^([+-]?\d+)\.(\d+(?: %)?)$")


class Check(msgspec.Struct, frozen=True):
    """One question put to a bundle.

    Attributes:
        name: stable, e.g. ``frozen-answers``; only ``sources`` may stand more than once.
        figure: what was measured, ``bound``: what it may not pass; None where there is no number.
        text: key of the catalogue, filled from ``params``.
    """

    name: str
    passed: bool
    text: str
    params: Mapping[str, str] = msgspec.field(default_factory=dict)
    figure: float | None = None
    bound: float | None = None

    def words(self, lang: str) -> str:
        """The reason in plain words."""
        texts, params = Catalogue.load(), dict(self.params)
        if lang == "ru":
            params = {name: _DECIMAL.sub(r"\1,\2", value) for name, value in params.items()}
        if "part" in params:
            params["part"] = texts.text(f"gate.part.{params['part']}", lang)
        return texts.text(self.text, lang, **params)


class Ruling(msgspec.Struct, frozen=True):
    """All checks of a bundle; it passes if each of them does.

    ``against`` is the champion it was compared with.
    """

    checks: tuple[Check, ...]
    against: str | None = None

    @property
    def passed(self) -> bool:
        """Whether the bundle may go live by itself."""
        return all(check.passed for check in self.checks)

    def words(self, lang: str) -> str:
        """Why it is refused, or what it passed, in plain words."""
        failed = [check.words(lang) for check in self.checks if not check.passed]
        if failed:
            return " ".join(failed)
        key = "gate.passed" if self.against else "gate.first"
        return Catalogue.load().text(key, lang, n=len(self.checks))

    def as_metrics(self) -> dict[str, Any]:
        """For the bundle's metrics: ``passed``, ``against`` and the ``checks``."""
        return {
            "passed": self.passed,
            "against": self.against,
            "checks": [
                {
                    "name": check.name, "passed": check.passed, "text": check.text,
                    "params": dict(check.params), "figure": check.figure, "bound": check.bound,
                }
                for check in self.checks
            ],
        }  # fmt: skip

    @classmethod
    def of_metrics(cls, metrics: Mapping[str, Any]) -> Ruling | None:
        """The ruling stored in a bundle's metrics; None where nobody has judged it."""
        stored = metrics.get("ruling")
        if not isinstance(stored, Mapping):
            return None
        return cls(tuple(Check(**check) for check in stored["checks"]), stored["against"])


def as_outdated(ruling: Ruling) -> Ruling:
    """The ruling after the champion that it compares with was replaced."""
    changed = Check("champion", False, "gate.judged-against-another")
    return Ruling((*ruling.checks, changed), ruling.against)


def check_parts(new: Sequence[str], old: Sequence[str]) -> Check:
    """Every part that the champion has is there."""
    lost = sorted(set(old) - set(new))
    key = "gate.parts.lost" if lost else "gate.parts.all"
    return Check("parts", not lost, key, {"parts": ", ".join(lost)} if lost else {})


def check_paired(name: str, new: Bools, old: Bools) -> Check:
    """Not worse on the frozen rows, by an exact paired test and by more than a tolerance."""
    found = paired_difference(new, old)
    passed = found.p_worse >= CHANCE and (found.rows < 100 or found.value >= -TOLERANCE)
    return Check(
        f"frozen-{name}", passed, "gate.paired.kept" if passed else "gate.paired.fell",
        {"part": name, **_described(found)}, found.value, -TOLERANCE,
    )  # fmt: skip


def check_folds(name: str, new: float, new_rows: int, old: float, old_rows: int) -> Check:
    """The cross-validated share did not fall by more than the tolerance.

    Of a desk that has grown much since, or judges by other rows, the shares say nothing of each
    other, and the check passes with these words.
    """
    if not old_rows / _GROWN <= new_rows <= old_rows * _GROWN:
        params = {"part": name, "old": str(old_rows), "new": str(new_rows)}
        return Check(f"folds-{name}", True, "gate.folds.other", params, new)
    change = share_change(new, new_rows, old, old_rows)
    passed = new >= old - TOLERANCE
    params = {
        "part": name, "old": _percent(old), "new": _percent(new),
        "low": _points(change.low), "high": _points(change.high),
    }  # fmt: skip
    key = "gate.folds.kept" if passed else "gate.folds.fell"
    return Check(f"folds-{name}", passed, key, params, new, old - TOLERANCE)


def check_floors(categories: Sequence[str], new: Bools, old: Bools) -> Check:
    """No category with enough frozen rows falls, by an exact paired test shared among them."""
    own = np.asarray(categories)
    names = [name for name in dict.fromkeys(categories) if (own == name).sum() >= LEAST_ROWS]
    fallen = []
    for name in names:
        found = paired_difference(new[own == name], old[own == name])
        if found.p_worse < CHANCE / len(names):
            fallen.append(f"{name} ({found.lost} - {found.gained} / {found.rows})")
    return _floors("floors-frozen", fallen, len(names))


def check_fold_floors(
    new: Mapping[str, tuple[int, int]], old: Mapping[str, tuple[int, int]]
) -> Check:
    """No category falls in cross-validation. Of each: rows, and rows that are right."""
    names = [name for name in new if name in old and min(new[name][0], old[name][0]) >= LEAST_ROWS]
    fallen = []
    for name in names:
        (rows, right), (old_rows, old_right) = new[name], old[name]
        change = share_change(right / rows, rows, old_right / old_rows, old_rows)
        # Other rows judge each time, and there are many categories: the fall must be beyond doubt.
        if change.high < -_CATEGORY_FALL:
            fallen.append(f"{name} ({_percent(old_right / old_rows)} -> {_percent(right / rows)})")
    return _floors("floors-folds", fallen, len(names))


def check_vanished(new: Sequence[str], old: Mapping[str, int]) -> Check:
    """Every category that the champion learned from enough rows is still known."""
    gone = sorted(name for name, rows in old.items() if rows >= LEAST_ROWS and name not in new)
    key = "gate.vanished.some" if gone else "gate.vanished.none"
    return Check("vanished", not gone, key, {"names": _named(gone)} if gone else {})


def check_relabelled(
    categories: Sequence[str], champion: Bools, recall: Mapping[str, float]
) -> Check:
    """The live model still agrees with the labels it is to be replaced by.

    Args:
        categories: label of each ticket today.
        champion: whether the live model says the same.
        recall: share of each category that it had right when it was judged.
    """
    own, moved = np.asarray(categories), []
    for name, share in recall.items():
        right = champion[own == name]
        if len(right) < LEAST_ROWS or not share:
            continue
        # Half of what it had right is beyond any drift; by chance once in a thousand desks.
        wrong, expected = int((~right).sum()), 1 - _RELABELLED * share
        if right.mean() < _RELABELLED * share and binomial_tail(wrong, len(right), expected) < 1e-3:
            moved.append(f"{name} ({int(right.sum())} / {len(right)})")
    key = "gate.relabelled.some" if moved else "gate.relabelled.none"
    return Check("relabelled", not moved, key, {"names": _named(moved)} if moved else {})


def check_calibration(name: str, confidence: Floats, right: Bools) -> Check | None:
    """Confidence means what it says, within what chance makes of so many rows."""
    if len(right) < _LEAST_CALIBRATED:
        return None
    error = expected_calibration_error(confidence, right)
    bound = calibration_by_chance(confidence) + _MIS_CALIBRATED
    params = {
        "part": name, "confidence": _percent(float(confidence.mean())),
        "right": _percent(float(right.mean())), "rows": str(len(right)),
    }  # fmt: skip
    passed = error <= bound
    key = "gate.calibration.kept" if passed else "gate.calibration.broken"
    return Check(f"calibration-{name}", passed, key, params, error, bound)


def check_latency(new_ms: float, old_ms: float | None) -> Check:
    """An answer takes no more than some times as long as the champion's."""
    bound = _SLOWEST_MS if old_ms is None else max(_SLOWER * old_ms, _FAST_ENOUGH_MS)
    bound = min(bound, _SLOWEST_MS)
    key = "gate.latency.kept" if new_ms <= bound else "gate.latency.slow"
    params = {"ms": f"{new_ms:.1f}", "bound": f"{bound:.1f}"}
    return Check("latency", new_ms <= bound, key, params, new_ms, bound)


def check_size(new_bytes: int, old_bytes: int | None) -> Check:
    """It is not much larger than the champion."""
    bound = _LARGEST_BYTES
    if old_bytes is not None:
        bound = min(bound, max(int(_LARGER * old_bytes), _SMALL_BYTES))
    key = "gate.size.kept" if new_bytes <= bound else "gate.size.large"
    params = {"size": _mib(new_bytes), "bound": _mib(bound)}
    return Check("size", new_bytes <= bound, key, params, new_bytes, bound)


def check_leak(texts: Sequence[str]) -> Check:
    """Nothing of the frozen slice was trained on."""
    key = "gate.leak.some" if texts else "gate.leak.none"
    return Check("leak", not texts, key, {"n": str(len(texts))} if texts else {}, len(texts), 0)


def check_canaries(lost: Sequence[str], total: int) -> Check:
    """Every question that must keep its answer does. ``lost`` are those that do not."""
    params = {"n": str(len(lost)), "total": str(total), "names": _named(lost)}
    key = "gate.canaries.lost" if lost else "gate.canaries.kept"
    return Check("canaries", not lost, key, params if lost else {"total": str(total)}, len(lost), 0)


def check_source(
    source: str, part: str, *, rows: int, contradicting: int, usual: float, known: bool
) -> Check:
    """A source that contradicts all others was left out.

    That is for an admin to see once: where the live model was trained without it too, it is
    ``known``.
    """
    params = {
        "source": source, "rows": str(rows), "contradicting": str(contradicting),
        "usual": _percent(usual),
    }  # fmt: skip
    return Check("sources", known, f"gate.sources.{part}", params, contradicting / rows, usual)


def _floors(name: str, fallen: Sequence[str], counted: int) -> Check:
    key = "gate.floors.fell" if fallen else "gate.floors.kept"
    params = {"names": _named(fallen)} if fallen else {"n": str(counted)}
    return Check(name, not fallen, key, params, len(fallen), 0)


def _described(found: Difference) -> dict[str, str]:
    return {
        "rows": str(found.rows), "lost": str(found.lost), "gained": str(found.gained),
        "low": _points(found.low), "high": _points(found.high),
    }  # fmt: skip


def _named(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f", +{more}" if more > 0 else "")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def _mib(size: float) -> str:
    return f"{size / (1 << 20):.0f}"
