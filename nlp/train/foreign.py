"""Everyday questions of other domains: what "not ours" is learned from."""

from __future__ import annotations

from importlib import resources


def foreign_questions() -> list[str]:
    """About 200 questions in Russian and English, none of them a support question."""
    text = resources.files("nlp.train").joinpath("foreign.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line]
