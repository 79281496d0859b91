import pytest

from bot.store.search import match

AWKWARD = (
    "",
    "   ",
    "?!",
    "can't sign in",
    'what is "two factor"?',
    "e-mail not verified -- why",
    "AND",
    "NOT working OR broken AND slow",
    "NEAR(pay, 3)",
    "price * quantity",
    "pay*",
    "error: code 500",
    "text : payment",
    "(how do I) pay",
    "((",
    '"',
    "'; DROP TABLE messages; --",
    "C++ & C#",
    "50% off^2 {now} [ok]",
    "Почему не приходит «код» — пароль?",
    "a\x00b \ud800 c",
    "🙂",
    "-",
    "col1:val",
    "слово " * 300,
)


@pytest.mark.parametrize("question", AWKWARD)
async def test_no_question_raises(store, inbound, question):
    [receipt] = await store.conversations.receive([inbound(question)])
    found = await store.conversations.search(question)
    await store.knowledge.articles(query=question)
    await store.conversations.queue("all", None, query=question)
    if match(question):
        assert [item.id for item in found.items] == [receipt.conversation_id]
    else:
        assert found.total == 0


async def test_newest_conversation_first_each_once(store, inbound):
    for text, customer in (
        ("счёт один", "a"),
        ("счёт два", "b"),
        ("счёт три", "a"),
        ("другое", "c"),
    ):
        await store.conversations.receive([inbound(text, customer=customer)])
    for query in ("СЧЁТ", "счет", "Сч"):
        found = await store.conversations.search(query)
        assert [item.last_text for item in found.items] == ["счёт три", "счёт два"]
    second = await store.conversations.search("счёт", 2, per_page=1)
    assert ([item.last_text for item in second.items], second.total) == (["счёт два"], 2)


async def test_prefix_diacritics_and_names_are_found(store, inbound):
    await store.conversations.receive([inbound("Où est ma facture", customer_name="José Martínez")])
    for query in ("ou est", "FACT", "jose mart"):
        assert (await store.conversations.search(query)).total == 1


async def test_edited_text_is_found_by_its_new_words_only(store, inbound):
    first = inbound("старый")
    await store.conversations.receive([first])
    await store.conversations.receive([inbound("новый", edits_external_id=first.external_id)])
    assert (await store.conversations.search("старый")).total == 0
    assert (await store.conversations.search("новый")).total == 1


async def test_a_word_of_every_message_finds_the_newest_hundreds_of_them(store, inbound):
    await store.conversations.receive([inbound("hello rare", customer="first")])
    for start in range(0, 1000, 250):
        batch = [inbound(f"hello {n}", customer=f"c{n % 40}") for n in range(start, start + 250)]
        await store.conversations.receive(batch)
    found = await store.conversations.search("hello", per_page=1)
    assert found.total == 40
    assert found.items[0].last_text == "hello 999"
    assert (await store.conversations.search("hello rare")).total == 1


async def test_a_letter_behind_an_apostrophe_is_no_beginning(store, inbound):
    await store.conversations.receive([inbound("it hasn't come", customer="a")])
    await store.conversations.receive([inbound("hasn top", customer="b")])
    for query in ("hasn't", "HASN\u2019T?"):
        assert [item.last_text for item in (await store.conversations.search(query)).items] == [
            "it hasn't come"
        ]
    assert (await store.conversations.search("hasn t")).total == 2
