async def test_updates_are_stored_once_and_move_the_offset(store, inbound):
    assert await store.inbox.telegram_offset() == 0
    message = inbound(channel="telegram")
    first = await store.inbox.receive_updates([(10, "{}", message), (11, "{}", None)])
    again = await store.inbox.receive_updates([(11, "{}", None), (10, "{}", message)])
    assert (first[0].duplicate, first[1]) == (False, None)
    assert (again[0], again[1].message_id, again[1].duplicate) == (None, first[0].message_id, True)
    assert await store.inbox.telegram_offset() == 12
    assert len(await store.conversations.messages(first[0].conversation_id)) == 1


async def test_late_update_does_not_move_the_offset_back(store, inbound):
    await store.inbox.receive_updates([(20, "{}", None)])
    [receipt] = await store.inbox.receive_updates([(19, "{}", inbound())])
    assert not receipt.duplicate
    assert await store.inbox.telegram_offset() == 21


async def test_after_a_quiet_week_lower_numbers_are_taken(store, clock):
    await store.inbox.receive_updates([(5000, "{}", None)])
    clock.advance(6 * 86_400 + 1)
    assert await store.inbox.telegram_offset() == 0
    await store.inbox.receive_updates([(7, "{}", None)])
    assert await store.inbox.telegram_offset() == 8


async def test_pruning_keeps_messages_and_offset(store, inbound, clock):
    [receipt] = await store.inbox.receive_updates([(1, "\x00\ud800", inbound())])
    assert await store.inbox.prune(clock() + 1) == 1
    assert await store.inbox.telegram_offset() == 2
    assert (await store.conversations.message(receipt.message_id)).id == receipt.message_id
