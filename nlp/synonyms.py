"""Words that mean the same to a support desk, so that an article is found by another word too.

The groups are written by hand for this product (``synonyms.txt``) and are of everyday words: what
somebody wants back, cannot open or has to pay. A word may be in several groups.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import resources

from nlp.terms import stem_ids

_FILE = "synonyms.txt"


def read_groups(lines: Iterable[str]) -> dict[int, tuple[int, ...]]:
    """Stem ids of other words for the same thing, by stem id.

    Args:
        lines: words between spaces, a group a line; empty lines and those of ``#`` are passed over.
    """
    others: defaultdict[int, set[int]] = defaultdict(set)
    for line in lines:
        if not line.startswith("#"):
            stems = {stem for word in line.split() for stem in stem_ids(word)}
            for stem in stems:
                others[stem] |= stems - {stem}
    return {stem: tuple(sorted(found)) for stem, found in others.items() if found}


@lru_cache(maxsize=1)
def synonyms() -> Mapping[int, tuple[int, ...]]:
    """Those of the product."""
    return read_groups(resources.files("nlp").joinpath(_FILE).read_text("utf-8").splitlines())
