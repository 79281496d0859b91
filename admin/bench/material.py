"""What a comparison is made of: trained models, knowledge bases of any size, questions.

All of it is made of the same texts and kept in one folder, so that ours and the peers read the
same answers and are asked the same.
"""

from __future__ import annotations

import asyncio
import compileall
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from admin.bench.dense import KnownAnswer, load_models, read_answers
from admin.bench.texts import Source, TextMaker
from bot.bundles import load_bundle
from bot.entries import KnowledgeItem
from bot.index_files import FORMAT, IndexFiles
from bot.learning.bundle import train_bundle
from bot.learning.dataset import CategoryRow, Dataset, QuestionRow
from bot.live.intake import Intake
from bot.settings import Preset, Settings
from bot.store import ArticleRow
from bot.store.store import Store

PAST: Final = 5  # past questions of each answer
_ASKED: Final = 1000
_AT_ONCE: Final = 1000
# The towers of ``seed`` are as quick as its classifier, and find next to nothing in these texts.
_FAST_PARTS: Final[tuple[tuple[Preset, str], ...]] = (("seed", "classifier"), ("fast", "ranker"))
_SCOPES: Final = ("messages:write", "conversations:read", "suggest", "admin")

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Material:
    """Makes and keeps what is needed.

    Args:
        folder: where files are kept.
        sources: texts that all is made of.
        tell: told what is done.
    """

    folder: Path
    sources: Sequence[Source]
    tell: Tell

    def questions(self) -> list[str]:
        """Questions that stand at no answer."""
        return TextMaker(self.sources, seed=1).questions(_ASKED)

    def answers(self, size: int) -> Path:
        """File of answers with past questions, JSON lines."""
        path = self.folder / f"answers-{size}.jsonl"
        if not path.exists():
            self.tell(f"{size:,} answers")
            made = TextMaker(self.sources).articles(size, past=PAST)
            encoder, part = msgspec.json.Encoder(), path.with_suffix(".part")
            with part.open("wb") as file:
                for item in made:
                    file.write(encoder.encode(_known(item)) + b"\n")
            part.rename(path)
        return path

    def models(self, preset: Preset) -> Path:
        """Folder of a bundle trained on the sources."""
        folder = self.folder / "models" / preset
        known = sorted(path for path in folder.glob("*") if (path / "bundle.json").exists())
        if known:
            return known[-1]
        self.tell(f"training, preset {preset}")
        folder.mkdir(parents=True, exist_ok=True)
        version, _ = train_bundle(
            dataset_of(self.sources), folder, seed=0, threads=1, preset=preset,
            progress=lambda stage, _: self.tell(f"training, preset {preset}: {stage}"),
        )  # fmt: skip
        return folder / version

    def fast_models(self) -> Path:
        """Folder of the fast preset: the quickest classifier, and towers that still rank well."""
        folder = self.folder / "models" / "fast-path"
        for preset, part in _FAST_PARTS:
            if not (folder / part).exists():
                shutil.copytree(self.models(preset) / part, folder / part)
        return folder

    def vectors(self, size: int) -> Path:
        """File of the fast preset's encodings of ``answers(size)``, as numpy writes them."""
        path = self.folder / f"vectors-{size}.npy"
        if not path.exists():
            _, encoder = load_models(self.fast_models())
            known = read_answers(self.answers(size))
            rows = np.empty((len(known), encoder.dimension), np.float32)
            for at in range(0, len(known), _AT_ONCE):
                self.tell(f"encoding {size:,} answers: {at * 100 // len(known)} %")
                part = known[at : at + _AT_ONCE]
                rows[at : at + len(part)] = encoder.encode_answers(
                    [f"{one.title}\n{one.text}" for one in part]
                )
            np.save(path, rows)
        return path

    def server_files(self, size: int, durable: str, port: int) -> tuple[Path, str]:
        """Settings file of a server that knows ``answers(size)`` by the default preset, a token.

        With a size of 0 it knows nothing and has no model. Else it is one that ran before: the file
        of its index is there, the file of events, and the bytecode of what it imports.

        The data are copied anew each time, as a run adds messages to them.
        """
        folder, known = self.folder / f"server-{size}", self.folder / f"known-{size}-{FORMAT}"
        if not (known / "token").exists():
            shutil.rmtree(known, ignore_errors=True)
            settings = Settings(data_dir=str(known / "data"))
            token = asyncio.run(self._fill(settings, size))
            (known / "token").write_text(token, encoding="ascii")
        for package in ("admin", "bot", "nlp", "index"):
            compileall.compile_dir(Path(__file__).parents[2] / package, quiet=1)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(known, folder)
        config = folder / "settings.toml"
        config.write_text(
            f'data_dir = "{folder / "data"}"\n[http]\nport = {port}\n'
            "requests_per_minute = 1000000\n"
            f'[store]\nsynchronous = "{durable}"\n[log]\nlevel = "ERROR"\n',
            encoding="utf-8",
        )
        return config, (folder / "token").read_text(encoding="ascii")

    async def _fill(self, settings: Settings, size: int) -> str:
        store = Store.open(settings, time.time)
        try:
            if size:
                await self._know(store, settings, size)
            await Intake.open(settings, time.time).close()
            return (await store.people.create_token("bench", _SCOPES))[1]
        finally:
            await store.close()

    async def _know(self, store: Store, settings: Settings, size: int) -> None:
        """Answers and a live model in a store that no server has open."""
        models = self.models("default")
        path = settings.artefacts_path / models.name
        shutil.copytree(models, path)
        rows = [
            ArticleRow(one.text, one.questions, one.title, one.category, one.language)
            for one in read_answers(self.answers(size))
        ]
        for at in range(0, len(rows), _AT_ONCE):
            self.tell(f"storing {size:,} answers: {at * 100 // len(rows)} %")
            await store.knowledge.import_articles(rows[at : at + _AT_ONCE])
        await store.models.add_bundle(models.name, str(path), {})
        await store.models.promote(models.name)
        self.tell(f"indexing {size:,} answers")
        await IndexFiles(settings, store).index(load_bundle(path))


def _known(item: KnowledgeItem) -> KnownAnswer:
    return KnownAnswer(
        item.answer_id, item.text, item.title, item.category, item.language, item.questions
    )


def dataset_of(sources: Sequence[Source]) -> Dataset:
    """Answers, questions and categories of the sources, to train on."""
    items = tuple(
        KnowledgeItem(place, s.text, s.title, s.category, s.language, s.questions)
        for place, s in enumerate(sources)
    )
    rows = [CategoryRow(item.text, item.category, "answer") for item in items]
    rows += [CategoryRow(q, item.category, "question") for item in items for q in item.questions]
    questions = tuple(QuestionRow(q, item.answer_id) for item in items for q in item.questions)
    return Dataset(items, questions, tuple(rows))
