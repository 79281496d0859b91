"""Words that mean the same to a support desk, so that an article is found by another word too.

The groups are written by hand for this product (``synonyms.txt``) and are of everyday words: what
somebody wants back, cannot open or has to pay. A word may be in several groups. A start reads the
stems of them (``synonym_stems.txt``), which ``python -m nlp.synonyms`` writes anew after a change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path

from nlp.terms import stem_ids

_WORDS, _STEMS = "synonyms.txt", "synonym_stems.txt"


def read_groups(lines: Iterable[str]) -> Iterator[list[int]]:
    """Stem ids of each group, rising.

    Args:
        lines: words between spaces, a group a line; empty lines and those of ``#`` are passed over.
    """
    for line in lines:
        if not line.startswith("#"):
            yield sorted({stem for word in line.split() for stem in stem_ids(word)})


def join_groups(groups: Iterable[Iterable[int]]) -> dict[int, tuple[int, ...]]:
    """Stem ids of other words for the same thing, by stem id."""
    others: defaultdict[int, set[int]] = defaultdict(set)
    for group in groups:
        stems = set(group)
        for stem in stems:
            others[stem] |= stems
    return {stem: tuple(sorted(found - {stem})) for stem, found in others.items() if len(found) > 1}


@lru_cache(maxsize=1)
def synonyms() -> Mapping[int, tuple[int, ...]]:
    """Those of the product."""
    return join_groups([int(stem, 16) for stem in line.split()] for line in _lines(_STEMS))


def _lines(name: str) -> list[str]:
    return resources.files("nlp").joinpath(name).read_text("utf-8").splitlines()


if __name__ == "__main__":
    written = (" ".join(f"{stem:x}" for stem in group) for group in read_groups(_lines(_WORDS)))
    Path(__file__).with_name(_STEMS).write_text(
        "".join(f"{line}\n" for line in written if line), encoding="utf-8"
    )
