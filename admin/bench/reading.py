"""The models without a server: one message read, and ranked, beside libraries that do the same."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from admin.bench.dense import DensePath, load_models, read_answers
from admin.bench.judge import Judge
from admin.bench.material import Material
from admin.bench.peer_environment import Peers
from admin.bench.peers.ranking import least_us
from admin.bench.process import SETTINGS
from admin.bench.report import Row
from bot.errors import NeurobotError

_ASKED: Final = 300
_TIMES_FASTTEXT: Final = 3.0
_PATIENCE_S: Final = 900.0
_RANKERS: Final = (("tantivy", 1.5), ("bm25s", 1.0))


@dataclass(slots=True)
class Reading:
    """Rows of single messages, in processor time; the fast preset's models.

    Args:
        judge: takes the rows.
        material: texts and models.
        peers: the other side.
    """

    judge: Judge
    material: Material
    peers: Peers

    def compare(self, size: int) -> None:
        """Reading beside fastText, ranking among ``size`` answers beside two search libraries."""
        questions = self.material.questions()[:_ASKED]
        asked = self.material.folder / "questions.json"
        asked.write_text(json.dumps(questions), encoding="utf-8")
        answers = self.material.answers(size)
        vectors = np.load(self.material.vectors(size))
        models = load_models(self.material.fast_models())
        path = DensePath(*models, read_answers(answers), vectors, None)
        read = self.judge.quietly(
            "reading one message", lambda: least_us(lambda q: path.read([q]), questions)
        )
        name = "fast-read-fasttext"
        reason = self.peers.lacking("fasttext")
        if reason:
            self.judge.skip([name], reason)
        else:
            theirs = self._peer("fasttext", self._labelled(), asked)
            bound = _TIMES_FASTTEXT * theirs[0]
            self.judge.add(Row(name, "cpu us", read[0], bound, 1.0), read[1], theirs[1])
        ranked = self.judge.quietly(
            f"ranking {size:,} answers", lambda: least_us(lambda q: path.answer([q]), questions)
        )
        for kind, floor in _RANKERS:
            name = f"fast-rank-{kind}-{size}"
            if reason := self.peers.lacking(kind):
                self.judge.skip([name], reason)
                continue
            theirs = self._peer(kind, answers, asked)
            self.judge.add(Row(name, "cpu us", ranked[0], theirs[0], floor), ranked[1], theirs[1])

    def _peer(self, kind: str, material: Path, asked: Path) -> tuple[float, float]:
        command = [str(self.peers.python), "-m", "admin.bench.peers.ranking"]
        command += [kind, str(material), str(asked)]

        def run() -> float:
            done = subprocess.run(  # noqa: S603 - our own program
                command, env={**os.environ, **SETTINGS}, capture_output=True, text=True,
                check=False, timeout=_PATIENCE_S,
            )  # fmt: skip
            if done.returncode:
                words = done.stderr.strip().splitlines()
                raise NeurobotError(f"The peer {kind} failed: {words[-1] if words else ''}")
            return float(json.loads(done.stdout.splitlines()[-1])["us"])

        return self.judge.quietly(f"peer {kind}", run)

    def _labelled(self) -> Path:
        path = self.material.folder / "labelled.txt"
        lines = [
            f"__label__{source.category.replace(' ', '_')} {' '.join(question.split())}"
            for source in self.material.sources
            for question in source.questions
        ]
        path.write_text("\n".join(lines), encoding="utf-8")
        return path
