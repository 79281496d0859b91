"""Builders for the store's tests."""

import pytest

from bot.domain import CategoryGuess, Inbound, Reasons, Suggestion, Suggestions


@pytest.fixture
def inbound(clock):
    """Builds customers' messages, each with an external id of its own."""
    numbers = iter(range(1, 1_000_000))

    def build(text="Как оплатить заказ?", customer="ivan", **fields):
        fields.setdefault("external_id", f"m{next(numbers)}")
        fields.setdefault("received_at", clock())
        fields.setdefault("channel", "memory")
        return Inbound(text=text, customer_external_id=customer, **fields)

    return build


@pytest.fixture
def suggested():
    """Builds what the models say."""

    def build(category="Billing", probability=0.8, *, foreign=False, language="ru", answer_id=1):
        item = Suggestion(
            answer_id,
            "Откройте «Оплата».",
            "",
            category,
            language,
            0.7,
            True,
            Reasons("как платить"),
        )
        guess = CategoryGuess(category, probability)
        return Suggestions((guess,), (item,), foreign, language, "v1", 1, False, 1.5)

    return build


@pytest.fixture
async def conversation(store, inbound):
    """A conversation with one message of a customer; the bot has it."""
    [receipt] = await store.conversations.receive([inbound()])
    return receipt


@pytest.fixture
async def agent(store):
    return await store.people.create_agent("anna", "Анна")
