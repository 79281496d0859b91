"""More writes than the disk can take: what is refused is not stored, the rest is."""

import pytest

from bot.errors import Overloaded, StorageUnavailable


async def test_beyond_the_bound_a_write_is_refused_and_the_others_are_stored(
    store, overload, inbound
):
    async with overload(store) as waiting:
        for _ in range(3):
            with pytest.raises(Overloaded) as refused:
                await store.conversations.receive([inbound()])
            # Whoever copes with a full disk copes with this.
            assert isinstance(refused.value, StorageUnavailable)
        assert store.db.health().queued == waiting
        assert await store.conversations.unprocessed() == []  # reading goes on
    stored = await store.db.read(
        lambda c: c.execute("SELECT count(*) FROM meta WHERE key LIKE 'n%'").fetchone()[0]
    )
    assert stored == waiting
    assert await store.conversations.unprocessed() == []
    (receipt,) = await store.conversations.receive([inbound()])
    assert not receipt.duplicate
