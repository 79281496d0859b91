"""What changed between two forms of a text, word by word."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

import msgspec
from markupsafe import Markup

from bot.store.records import ArticleVersion

_PIECES = re.compile(r"\s+|[^\W_]+|.", re.DOTALL)
# Longer texts are compared by lines: the time grows with the square.
_MOST_PIECES = 4000


class Change(msgspec.Struct, frozen=True):
    """One field in two forms; ``shown`` marks what came and went."""

    field: str
    shown: Markup


def marked(before: str, after: str) -> Markup:
    """``after`` with ``<ins>`` around what is new and ``<del>`` around what is gone."""
    old, new = _pieces(before), _pieces(after)
    if len(old) + len(new) > _MOST_PIECES:
        old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    shown = Markup()
    for kind, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            shown += "".join(old[i:j])
            continue
        if i < j:
            shown += Markup("<del>{}</del>").format("".join(old[i:j]))
        if k < m:
            shown += Markup("<ins>{}</ins>").format("".join(new[k:m]))
    return shown


def changes(before: ArticleVersion | None, after: ArticleVersion) -> list[Change]:
    """The fields that differ; of the first form those that are filled."""
    found = []
    for name in ("title", "text", "category", "language"):
        old = getattr(before, name) if before else ""
        new = getattr(after, name)
        if old != new:
            found.append(Change(name, marked(old, new)))
    old_questions = before.questions if before else ()
    if old_questions != after.questions:
        found.append(Change("questions", _lines(old_questions, after.questions)))
    return found


def _pieces(text: str) -> list[str]:
    return _PIECES.findall(text)


def _lines(before: Sequence[str], after: Sequence[str]) -> Markup:
    """Lists are compared line by line; what stayed is left out."""
    gone = [Markup("<del>{}</del>").format(one) for one in before if one not in after]
    new = [Markup("<ins>{}</ins>").format(one) for one in after if one not in before]
    return Markup("\n").join([*gone, *new])
