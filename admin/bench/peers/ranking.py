"""Ranking and reading without a server: ``python -m admin.bench.peers.ranking KIND FILES...``.

``fasttext LABELLED QUESTIONS``, ``tantivy ANSWERS QUESTIONS`` and ``bm25s ANSWERS QUESTIONS`` print
``{"us": ...}``: processor time of one message, the least of several passes over all questions.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOUND = 10
ROUNDS = 7
ENOUGH_S = 20.0


def main(arguments: list[str]) -> None:
    """Measure one peer."""
    kind, material, asked = arguments
    questions = json.loads(Path(asked).read_text(encoding="utf-8"))
    ask = {"fasttext": _fasttext, "tantivy": _tantivy, "bm25s": _bm25s}[kind](material)
    print(json.dumps({"us": least_us(ask, questions)}))  # noqa: T201 - read by the bench


def least_us(ask: Callable[[str], Any], questions: list[str]) -> float:
    """Microseconds of processor time of one call: the least of the passes over all questions."""
    ask(questions[0])
    best, began = float("inf"), time.process_time()
    for _ in range(ROUNDS):
        since = time.process_time()
        for question in questions:
            ask(question)
        best = min(best, (time.process_time() - since) / len(questions))
        if time.process_time() - began > ENOUGH_S:
            break
    return best * 1e6


def _answers(path: str) -> list[str]:
    known = (json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [" ".join((one["title"], one["text"], *one["questions"])) for one in known]


def _fasttext(labelled: str) -> Callable[[str], Any]:
    import fasttext

    model = fasttext.train_supervised(labelled, epoch=25, lr=0.5, wordNgrams=2, thread=1, verbose=0)
    # Its own entry point: the Python method above it fails under numpy 2.
    return lambda question: model.f.predict(question + "\n", 3, 0.0, "strict")


def _tantivy(answers: str) -> Callable[[str], Any]:
    import tantivy

    schema = tantivy.SchemaBuilder().add_text_field("text").build()
    index = tantivy.Index(schema)
    writer = index.writer(num_threads=1)
    for text in _answers(answers):
        writer.add_document(tantivy.Document(text=text))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()

    def ask(question: str) -> Any:
        words = "".join(c if c.isalnum() else " " for c in question).lower()
        return searcher.search(index.parse_query(words, ["text"]), FOUND)

    return ask


def _bm25s(answers: str) -> Callable[[str], Any]:
    import bm25s

    def terms(text: str | list[str]) -> Any:
        return bm25s.tokenize(text, stopwords=None, show_progress=False, return_ids=False)

    retriever = bm25s.BM25(backend="numba")
    retriever.index(terms(_answers(answers)), show_progress=False)
    return lambda question: retriever.retrieve(
        terms([question]), k=FOUND, show_progress=False, n_threads=1
    )


if __name__ == "__main__":
    main(sys.argv[1:])
