import asyncio

import pytest

from bot.domain import Attachment, Author, ConversationState, Decision, MessageKind
from bot.errors import NotFound
from bot.handover import Action
from bot.store import Reply


async def test_missing_things_are_not_found(store):
    conversations = store.conversations
    for lookup in (
        conversations.get(7),
        conversations.by_public_id("x"),
        conversations.customer(7),
        conversations.message(7),
    ):
        with pytest.raises(NotFound):
            await lookup


async def test_suggestions_for_no_message_are_refused(store, suggested):
    with pytest.raises(NotFound):
        await store.conversations.save_suggestions(99, suggested(), Decision.SUGGEST)


async def test_first_message_makes_customer_and_conversation(store, inbound, clock):
    [receipt] = await store.conversations.receive(
        [inbound("Привет", customer_name="Иван", language="ru")]
    )
    conversation = await store.conversations.get(receipt.conversation_id)
    customer = await store.conversations.customer(conversation.customer_id)
    assert not receipt.duplicate
    assert len(receipt.conversation_public_id) == 22
    assert conversation == await store.conversations.by_public_id(receipt.conversation_public_id)
    assert (conversation.state, conversation.waiting_since) == (ConversationState.BOT, clock())
    assert (conversation.last_text, conversation.unread) == ("Привет", 1)
    assert (customer.name, customer.language, customer.channel) == ("Иван", "ru", "memory")
    assert await store.conversations.find_customer("memory", "ivan") == customer


async def test_same_external_id_twice_is_one_message(store, inbound):
    message = inbound()
    [first] = await store.conversations.receive([message])
    before = await store.conversations.get(first.conversation_id)
    again = await store.conversations.receive([message, message])
    assert [receipt.duplicate for receipt in again] == [True, True]
    assert {receipt.message_id for receipt in again} == {first.message_id}
    assert await store.conversations.get(first.conversation_id) == before
    assert len(await store.conversations.messages(first.conversation_id)) == 1


async def test_channels_do_not_share_external_ids(store, inbound):
    receipts = await store.conversations.receive(
        [inbound(external_id="1"), inbound(external_id="1", channel="telegram")]
    )
    assert not any(receipt.duplicate for receipt in receipts)
    assert len({receipt.conversation_id for receipt in receipts}) == 2


async def test_redelivery_in_parallel_acts_once(store, inbound):
    messages = [inbound(f"message {number}") for number in range(50)]
    tasks = [store.conversations.receive([message]) for message in messages * 3]
    receipts = [receipt for [receipt] in await asyncio.gather(*tasks)]
    assert sum(not receipt.duplicate for receipt in receipts) == 50
    stored = await store.conversations.messages(receipts[0].conversation_id)
    assert [message.text for message in stored] == [message.text for message in messages]


async def test_concurrent_receives_share_commits(store, inbound):
    before = store.health()["commits"]
    await asyncio.gather(
        *(store.conversations.receive([inbound(customer=str(number))]) for number in range(64))
    )
    assert store.health()["commits"] - before < 64


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a\x00b", "a\ufffdb"),
        ("a\ud800b", "a\ufffdb"),
        ("\udfff\ud800", "\ufffd\ufffd"),
        ("\ud83d\ude00", "\U0001f600"),
        (
            "\u202eright to left, z\u0300\u0301\u0302algo",
            "\u202eright to left, z\u0300\u0301\u0302algo",
        ),
        ("", ""),
    ],
)
async def test_strange_text_is_stored(store, inbound, text, kept):
    [receipt] = await store.conversations.receive(
        [
            inbound(
                text,
                customer=f"c{text}",
                customer_name=text,
                metadata={f"k{text}": text},
                attachment=Attachment(text, text, 1, text),
            )
        ]
    )
    message = await store.conversations.message(receipt.message_id)
    assert message.text == kept
    assert message.attachment.name == kept
    assert (await store.check()).sound


async def test_very_long_text_is_stored_whole(store, inbound):
    text = "щ🙂" * 1_000_000
    [receipt] = await store.conversations.receive([inbound(text)])
    assert (await store.conversations.message(receipt.message_id)).text == text


async def test_attachment_kind_and_reply_come_back(store, inbound):
    file = Attachment("a.png", "image/png", 10, "blob:ab")
    first = inbound("look")
    receipts = await store.conversations.receive(
        [
            first,
            inbound(
                "this",
                reply_to_external_id=first.external_id,
                attachment=file,
                kind=MessageKind.PHOTO,
            ),
        ]
    )
    message = await store.conversations.message(receipts[1].message_id)
    assert (message.attachment, message.kind) == (file, MessageKind.PHOTO)
    assert message.reply_to_id == receipts[0].message_id


async def test_edit_keeps_the_former_text(store, inbound, suggested, clock):
    first = inbound("Как оплатить?")
    [receipt] = await store.conversations.receive([first])
    await store.conversations.save_suggestions(receipt.message_id, suggested(), Decision.SUGGEST)
    edit = inbound("Как вернуть?", edits_external_id=first.external_id)
    clock.advance(5)
    [edited] = await store.conversations.receive([edit])
    message = await store.conversations.message(receipt.message_id)
    assert (edited.message_id, edited.duplicate) == (receipt.message_id, False)
    assert (message.text, message.edited_at) == ("Как вернуть?", clock())
    assert [old.text for old in await store.conversations.edits(receipt.message_id)] == [
        "Как оплатить?"
    ]
    # A new wording needs new suggestions.
    assert [waiting.id for waiting in await store.conversations.unprocessed()] == [
        receipt.message_id
    ]
    assert (await store.check()).sound


async def test_edit_redelivered_changes_nothing(store, inbound):
    first = inbound("a")
    second, third = (inbound(text, edits_external_id=first.external_id) for text in "bc")
    receipts = await store.conversations.receive([first, second, third, second, third])
    assert [receipt.duplicate for receipt in receipts] == [False, False, False, True, True]
    assert (await store.conversations.message(receipts[0].message_id)).text == "c"


async def test_edit_of_an_unknown_message_is_stored_as_that_message(store, inbound):
    receipts = await store.conversations.receive(
        [inbound("newer", edits_external_id="lost"), inbound("older", external_id="lost")]
    )
    assert [receipt.duplicate for receipt in receipts] == [False, True]
    assert (await store.conversations.message(receipts[0].message_id)).text == "newer"


async def test_edit_of_an_answered_message_is_not_suggested_for_again(
    store, inbound, suggested, agent
):
    first = inbound("a")
    [receipt] = await store.conversations.receive([first])
    await store.conversations.save_suggestions(receipt.message_id, suggested(), Decision.SUGGEST)
    await store.conversations.reply(receipt.conversation_id, Reply("Ответ", Author.AGENT, agent.id))
    await store.conversations.receive([inbound("b", edits_external_id=first.external_id)])
    assert await store.conversations.unprocessed() == []


async def test_suggestions_are_kept_once_and_describe_the_conversation(
    store, conversation, suggested
):
    said = suggested("Billing", 0.8)
    assert await store.conversations.suggestions(conversation.message_id) is None
    version = (await store.conversations.get(conversation.conversation_id)).version
    for _ in range(2):
        await store.conversations.save_suggestions(conversation.message_id, said, Decision.SUGGEST)
    assert await store.conversations.suggestions(conversation.message_id) == (
        said,
        Decision.SUGGEST,
    )
    described = await store.conversations.get(conversation.conversation_id)
    assert (described.category, described.category_probability) == ("Billing", 0.8)
    assert (described.language, described.version) == ("ru", version)
    assert await store.conversations.unprocessed() == []


async def test_foreign_message_names_no_category(store, conversation, suggested):
    await store.conversations.save_suggestions(
        conversation.message_id, suggested(foreign=True), Decision.HANDOFF
    )
    assert (await store.conversations.get(conversation.conversation_id)).category is None


async def test_unprocessed_come_oldest_first(store, inbound):
    receipts = await store.conversations.receive([inbound(str(number)) for number in range(5)])
    waiting = await store.conversations.unprocessed(3)
    assert [message.id for message in waiting] == [receipt.message_id for receipt in receipts[:3]]


async def test_wish_for_a_person_is_remembered(store, inbound):
    plain, wish = await store.conversations.receive([inbound(), inbound(wants_person=True)])
    talks = store.conversations
    wishes = await talks.settle(
        plain.conversation_id,
        lambda held: [held.wants_person(one.message_id) for one in (plain, wish)],
    )
    assert wishes == [False, True]


async def test_closed_conversation_opens_again_for_the_bot(store, conversation, inbound, agent):
    key = conversation.conversation_id
    await store.conversations.assign(key, agent.id, None)
    await store.conversations.act(key, Action.CLOSED, agent_id=agent.id)
    [receipt] = await store.conversations.receive([inbound("ещё вопрос")])
    reopened = await store.conversations.get(key)
    assert receipt.conversation_id == key
    assert (reopened.state, reopened.assigned_agent_id) == (ConversationState.BOT, None)
    assert [event.action for event in await store.conversations.events(key)][-1] == "customer-wrote"


async def test_after_a_week_of_silence_a_new_conversation_begins(
    store, conversation, inbound, clock
):
    key = conversation.conversation_id
    await store.conversations.act(key, Action.CLOSED)
    clock.advance(8 * 86_400)
    [receipt] = await store.conversations.receive([inbound("снова я")])
    assert receipt.conversation_id != key
    customer_id = (await store.conversations.get(key)).customer_id
    old = await store.conversations.previous(customer_id, receipt.conversation_id)
    assert [conversation.id for conversation in old] == [key]


async def test_messages_page_by_id(store, inbound):
    receipts = await store.conversations.receive([inbound(str(number)) for number in range(10)])
    key = receipts[0].conversation_id
    newest = await store.conversations.messages(key, limit=3)
    assert [message.text for message in newest] == ["7", "8", "9"]
    after = await store.conversations.messages(key, after_id=receipts[4].message_id, limit=2)
    assert [message.text for message in after] == ["5", "6"]
