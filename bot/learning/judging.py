"""Judges a published bundle against the live one: measures both and puts the checks together.

The bundle is loaded from its folder, so what is judged is what would be served. Runs in the
training child, which never opens the database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bot.bundles import Bundle, load_bundle
from bot.errors import ArtefactDamaged
from bot.learning import gate
from bot.learning.dataset import Dataset
from bot.learning.frozen import FrozenSlice, leaked
from bot.learning.gate import Check, Ruling
from bot.learning.poison import Suspicion
from bot.learning.scoring import Candidate, Kept, folder_bytes, latencies_ms
from bot.learning.seen import unseen
from bot.store.records import Canary

_TICKETS_ASKED: Final = 4000  # whose labels the live model is asked about
_PAIRED_FROM: Final = 20  # frozen rows, below which folds alone compare


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a bundle is judged by: what it learned from and what was kept from it."""

    data: Dataset
    held: FrozenSlice
    canaries: Sequence[Canary] = ()
    suspicions: Sequence[Suspicion] = ()


@dataclass(slots=True)
class _Findings:
    checks: list[Check] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def add(self, *checks: Check | None) -> None:
        self.checks += [check for check in checks if check is not None]


def judge(
    folder: Path, evidence: Evidence, champion: Path | None, metrics: Mapping[str, Any]
) -> tuple[Ruling, dict[str, Any]]:
    """The ruling on the bundle in ``folder``, and what it was based on, for the metrics.

    Args:
        folder: of the bundle, complete with its manifest.
        evidence: what to judge by.
        champion: folder of the live bundle. A damaged one is no match.
        metrics: of the training of the bundle.
    """
    try:
        bundle = load_bundle(folder)
    except ArtefactDamaged as error:
        return Ruling((_damaged(folder.name, error),)), {}
    live = _live(champion)
    found = _Findings()
    data, held = evidence.data, evidence.held
    found.add(gate.check_leak(leaked(data, held)))
    left_out = {one["source"] for one in live.metrics.get("sources", ())} if live else set()
    for one in evidence.suspicions:
        found.add(
            gate.check_source(
                one.source,
                one.part,
                rows=one.rows,
                contradicting=one.contradicting,
                usual=one.usual,
                known=one.source in left_out,
            )
        )
    new = Candidate(bundle, data, folder_bytes(folder))
    _judge_slice(found, held, data, new)
    old = None
    if live is not None and champion is not None:
        old = Candidate(live, data, folder_bytes(champion))
        _compare_folds(found, metrics, live)
        _judge_labels(found, data, old)
        _compare_slice(found, evidence, champion, new, old)
    _judge_cost(found, evidence, new, old)
    _judge_canaries(found, new.canaries(evidence.canaries, data))
    return Ruling(tuple(found.checks), live.version if live is not None else None), found.figures


def _damaged(version: str, error: ArtefactDamaged) -> Check:
    params = {"version": version, "place": error.place}
    return Check("damaged", False, f"gate.damaged.{error.fault}", params)


def _live(champion: Path | None) -> Bundle | None:
    if champion is None:
        return None
    try:
        return load_bundle(champion)
    except ArtefactDamaged:
        return None


def _compare_folds(found: _Findings, metrics: Mapping[str, Any], live: Bundle) -> None:
    """Cross-validated figures, which every training has, against those of the live bundle."""
    theirs = live.metrics
    found.add(gate.check_parts(metrics.get("trained", ()), theirs.get("trained", ())))
    new, old = metrics.get("classifier"), theirs.get("classifier")
    if isinstance(new, Mapping) and isinstance(old, Mapping) and new != old:
        found.add(
            gate.check_folds(
                "categories", new["accuracy"], new["judged"], old["accuracy"], old["judged"]
            ),
            gate.check_fold_floors(_recalls(new), _recalls(old)),
        )
        known = {entry["name"]: entry["rows"] for entry in old.get("categories", ())}
        now = [entry["name"] for entry in new.get("categories", ())]
        found.add(gate.check_vanished(now, known))
    new, old = metrics.get("ranking", {}), theirs.get("ranking", {})
    if new.get("trained") and old.get("trained") and new != old:
        found.add(
            gate.check_folds(
                "answers", new["acc_at_1"], new["questions"], old["acc_at_1"], old["questions"]
            )
        )


def _recalls(figures: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    return {
        entry["name"]: (entry["rows"], entry["right"]) for entry in figures.get("categories", ())
    }


def _judge_slice(found: _Findings, held: FrozenSlice, data: Dataset, new: Candidate) -> None:
    """What the slice says of the bundle by itself."""
    readings, rankings = new.read(held.rows), new.rank(held.questions, data)
    figures: dict[str, Any] = {"rows": len(held.rows), "questions": len(held.questions)}
    for name, said in (("categories", readings), ("answers", rankings)):
        if said is not None:
            figures[name] = round(float(said.right.mean()), 4)
            found.add(gate.check_calibration(name, said.confidence, said.right))
    found.figures["frozen"] = figures


def _compare_slice(
    found: _Findings, evidence: Evidence, champion: Path, new: Candidate, old: Candidate
) -> None:
    """Both on those rows of the slice that the live model never saw.

    One that was trained before there was a slice saw the rows of that time.
    """
    held, data = evidence.held, evidence.data
    fair = unseen(champion, "classifier", (row.text for row in held.rows))
    rows = [row for row in held.rows if row.text in fair]
    readings, theirs = new.read(rows), old.read(rows)
    if readings is not None and theirs is not None and len(rows) >= _PAIRED_FROM:
        categories = [row.category for row in rows]
        found.add(
            gate.check_paired("categories", readings.right, theirs.right),
            gate.check_floors(categories, readings.right, theirs.right),
        )
    fair = unseen(champion, "ranker", (row.text for row in held.questions))
    questions = [row for row in held.questions if row.text in fair]
    rankings, others = new.rank(questions, data), old.rank(questions, data)
    if rankings is not None and others is not None and len(rankings.right) >= _PAIRED_FROM:
        found.add(gate.check_paired("answers", rankings.right, others.right))


def _judge_labels(found: _Findings, data: Dataset, old: Candidate) -> None:
    """Whether tickets still carry the labels that the live model learned."""
    tickets = [row for row in data.rows if row.origin == "ticket"][-_TICKETS_ASKED:]
    said = old.read(tickets)
    figures = old.bundle.metrics.get("classifier", {})
    recall = {name: right / rows for name, (rows, right) in _recalls(figures).items() if rows}
    if said is not None and recall:
        categories = [row.category for row in tickets]
        found.add(gate.check_relabelled(categories, said.right, recall))


def _judge_cost(
    found: _Findings, evidence: Evidence, new: Candidate, old: Candidate | None
) -> None:
    texts = [*evidence.held.texts, *(row.text for row in evidence.data.questions)]
    texts += [row.text for row in evidence.data.rows]
    both = {"new": new} if old is None else {"new": new, "old": old}
    spent = latencies_ms(both, texts)
    found.figures["latency_ms"] = {name: round(value, 3) for name, value in spent.items()}
    found.figures["bytes"] = new.size_bytes
    if spent:
        found.add(gate.check_latency(spent["new"], spent.get("old")))
    found.add(gate.check_size(new.size_bytes, old.size_bytes if old is not None else None))


def _judge_canaries(found: _Findings, kept: Sequence[Kept]) -> None:
    if not kept:
        return
    lost = [
        f"«{one.question[:60]}» ({one.wanted} -> {one.got or '-'})" for one in kept if not one.kept
    ]
    found.add(gate.check_canaries(lost, len(kept)))
    found.figures["canaries"] = [
        {"question": one.question, "kept": one.kept, "wanted": one.wanted, "got": one.got}
        for one in kept
    ]
