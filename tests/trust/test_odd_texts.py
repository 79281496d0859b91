"""A hundred thousand odd texts through the store: each comes back as it was cleaned, and is found.

Characters of every plane, marks that pile up or turn the direction, halves of characters, NUL, and
what search engines and databases read as commands.
"""

from __future__ import annotations

import random
import unicodedata
from pathlib import Path

import pytest

from bot.domain import Inbound
from bot.settings import Settings
from bot.store import Store
from bot.store.texts import clean

BATCH = 500
PIECES = (
    "\x00", "\ud800", "\udfff", "\u202e", "\u2066", "\u2069", "\u200f", "\ufeff", "\ufffe",
    "\u0335", "\u0361", "\u20e3", "\u200d", "👨\u200d👩\u200d👧", "🇷🇺", "\r\n", "\u2028",
    "\x1b[31m", "\x7f",
    "' OR 1=1 --", '" NEAR(', "* AND", "NOT OR (", "^", "col:", "{{7*7}}", "%s", "\\", "<b>",
    "Где мой заказ", "where is it", "İ", "ß", "ﬁ", "ё", "e\u0301", "\u1100\u1161", "١٢٣", "𝒜",
)  # fmt: skip


def odd(rng: random.Random) -> str:
    """A text of pieces and characters of any plane, with a word by which it can be found."""
    made = [
        rng.choice(PIECES) if rng.random() < 0.6 else chr(rng.randrange(0x110000))
        for _ in range(rng.choice((1, 3, 10, 40)))
    ]
    return "".join(made) * rng.choice((1, 1, 1, 20))


@pytest.mark.timeout(1200)
async def test_every_odd_text_comes_back_and_is_found(
    tmp_path: Path, sized, record_property
) -> None:
    count, rng = sized(500, 10_000, 100_000), random.Random(6)
    store = Store.open(Settings(data_dir=str(tmp_path)))
    try:
        for start in range(0, count, BATCH):
            texts = [
                f"{odd(rng)} mark{number} {odd(rng)}" for number in range(start, start + BATCH)
            ]
            await store.conversations.receive([
                Inbound("memory", f"m{start + n}", f"c{n % 7}", text, 1.0)
                for n, text in enumerate(texts)
            ])  # fmt: skip
            read = await store.db.read(
                lambda connection, start=start: connection.execute(
                    "SELECT text, length(text) FROM messages WHERE id > ? ORDER BY id", (start,)
                ).fetchall()
            )
            cleaned = [clean(text) for text in texts]
            assert [row[0] for row in read] == cleaned
            assert [row[1] for row in read] == [len(text) for text in cleaned]
            assert all(clean(text) == text for text in cleaned)
            assert not any(unicodedata.category(char) == "Cs" for char in "".join(cleaned))
            for number in rng.sample(range(BATCH), 3):
                await store.conversations.search(texts[number][:200])
                found = await store.conversations.search(f"mark{start + number}")
                assert found.total == 1
        assert (await store.check()).sound
    finally:
        await store.close()
    record_property("figure", f"{count:,} texts stored and read: each the same, each searchable")
