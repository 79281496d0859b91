"""Which texts each part of a bundle was trained on, as hashes: what it may fairly be judged by."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np

from bot.learning.frozen import text_hash
from nlp.artifacts import load_arrays, save_arrays

SEEN: Final = "seen.safetensors"


def save_seen(
    folder: Path, texts: Iterable[str], parts: Iterable[str], champion: Path | None = None
) -> None:
    """Note the texts as seen by the parts; the others saw what they saw in ``champion``."""
    known = np.asarray(sorted({text_hash(text) for text in texts}), np.uint64)
    arrays = dict.fromkeys(parts, known)
    if champion is not None and (champion / SEEN).is_file():
        arrays = load_arrays(champion / SEEN) | arrays
    save_arrays(folder / SEEN, arrays)


def unseen(folder: Path, part: str, texts: Iterable[str]) -> set[str]:
    """Those of the texts that a part never saw; none where nobody noted what it saw."""
    path = folder / SEEN
    arrays = load_arrays(path) if path.is_file() else {}
    if part not in arrays:
        return set()
    known = set(arrays[part].tolist())
    return {text for text in texts if text_hash(text) not in known}
