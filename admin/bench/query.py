"""The whole path of a question, as the server answers it, over a knowledge base of any size.

The bundle is trained on the texts that articles and questions are made of.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from admin.bench.material import dataset_of
from admin.bench.measuring import peak_bytes, percentiles
from admin.bench.texts import Source, TextMaker
from admin.evaluate.judging import rounded
from bot.answering import Answerer
from bot.bundles import Bundle, load_bundle
from bot.candidates import CandidateIndex
from bot.learning.bundle import train_bundle

Tell = Callable[[str], None]

_ASKED: Final = 200
_CHUNK: Final = 10_000  # articles made and put at once


def bench(
    sources: Sequence[Source],
    sizes: Sequence[int],
    *,
    past: int,
    device: str,
    name: str,
    tell: Tell,
    bundle: Bundle | None = None,
) -> dict[str, Any]:
    """The report: ``data``, and for each size of ``results`` times, memory and building.

    Args:
        sources: texts to train on and to make articles of.
        sizes: numbers of articles.
        past: past questions of each article, beside its title.
        device: of the dense index: ``auto``, ``cpu`` or ``gpu``.
        name: of the texts, for the report.
        tell: told what is done.
        bundle: trained models; None trains them on the sources.
    """
    models = bundle or _train(sources, tell)
    return {
        "data": {
            "texts": name,
            "sources": len(sources),
            "questions": _ASKED,
            "past_questions": past,
            "parts": [
                name
                for name in ("classifier", "encoder", "correction")
                if getattr(models, name) is not None
            ],
        },
        "results": [
            rounded(_size(models, sources, size, past=past, device=device, tell=tell))
            for size in sizes
        ],
        "peak_bytes": peak_bytes(),
    }


def _train(sources: Sequence[Source], tell: Tell) -> Bundle:
    with tempfile.TemporaryDirectory(prefix="neurobot-bench-") as name:
        version, _ = train_bundle(
            dataset_of(sources),
            Path(name),
            seed=0,
            threads=1,
            preset="default",
            progress=lambda stage, _: tell(f"training: {stage}"),
        )
        return load_bundle(Path(name) / version)


def _size(
    models: Bundle, sources: Sequence[Source], size: int, *, past: int, device: str, tell: Tell
) -> dict[str, Any]:
    maker = TextMaker(sources)
    index = CandidateIndex(models.encoder, device)
    articles = maker.articles(size, past=past)
    before, began = _resident_bytes(), time.process_time()
    while part := list(islice(articles, _CHUNK)):
        index.put(part)
        tell(f"{size:,} articles: {len(index) * 100 // size} % indexed")
    index.search("anything")
    spent = time.process_time() - began
    held = _resident_bytes() - before
    answerer = Answerer(models, index, 0)
    questions = maker.questions(_ASKED)
    tell(f"{size:,} articles: asking")
    found: dict[str, Any] = {
        "n": size,
        "query_ms": percentiles(lambda i: answerer.suggest(questions[i]), _ASKED),
        "search_ms": percentiles(lambda i: index.search(questions[i]), _ASKED),
    }
    if models.classifier is not None:
        classify = models.classifier.classify
        found["classify_ms"] = percentiles(lambda i: classify([questions[i]]), _ASKED)
    return {**found, "build_cpu_s": spent, "bytes_per_answer": held / size}


def _resident_bytes() -> int:
    """Memory that this process holds now."""
    status = Path("/proc/self/statm")
    if not status.exists():
        return peak_bytes()
    return int(status.read_text(encoding="ascii").split()[1]) * resource.getpagesize()
