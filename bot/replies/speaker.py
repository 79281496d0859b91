"""Carries a decision out: the bot's answer, the hand-over to people, and the texts of the system.

Every step has a key or checks the version it was decided on, so doing it again after a crash says
nothing twice, and nothing is said past a person who took the conversation meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.bus import Bus
from bot.catalogue import Catalogue
from bot.delivery import OUTBOX
from bot.domain import (
    Author,
    Conversation,
    ConversationState,
    Decision,
    Message,
    Suggestion,
    Suggestions,
)
from bot.errors import Conflict
from bot.handover import Action
from bot.ports import Clock
from bot.replies.hours import away_text, local_day
from bot.replies.policy import (
    Outcome,
    asks_for_person,
    command_of,
    command_text,
    decide,
    handoff_text,
    is_plain,
    language_of,
    unsupported_text,
)
from bot.settings import Settings
from bot.store import Reply, Store

_TRIES = 4  # of a decision whose conversation changes under it


class Speaker:
    """Speaks for the bot and for the system."""

    def __init__(
        self, settings: Settings, store: Store, bus: Bus, clock: Clock, catalogue: Catalogue
    ) -> None:
        self._settings = settings
        self._store = store
        self._bus = bus
        self._clock = clock
        self._catalogue = catalogue

    async def respond(
        self,
        conversation: Conversation,
        messages: Sequence[Message],
        suggestions: Suggestions,
        automatic: Mapping[str, float],
    ) -> Decision:
        """What was done about a burst of messages of one conversation.

        Args:
            conversation: as last read.
            messages: the burst, oldest first, at least one.
            suggestions: for all its texts together.
            automatic: threshold of each category where the bot may answer.

        Raises:
            StorageUnavailable: nothing counts as done; call again.
        """
        language = language_of(self._settings, suggestions.language, conversation.language)
        questions = [m for m in messages if not await self._say_at_once(conversation, m, language)]
        if not questions or await self._answered_since(messages[-1]):
            return Decision.SUGGEST
        person_wanted = any([await self._wants_person(message) for message in questions])
        for _ in range(_TRIES):
            # Read anew: what was just said, and what people did meanwhile, changed the version.
            current = await self._store.conversations.get(conversation.id)
            outcome = decide(
                suggestions,
                state=current.state,
                automatic=automatic,
                plain=is_plain(messages),
                person_wanted=person_wanted,
            )
            try:
                await self._do(current, messages[-1], outcome, language)
            except Conflict:
                continue
            return outcome.decision
        return Decision.SUGGEST

    async def _do(
        self, conversation: Conversation, last: Message, outcome: Outcome, language: str
    ) -> None:
        """Carry out one decision.

        Raises:
            Conflict: the conversation is no longer as it was when this was decided.
        """
        if outcome.answer is not None:
            await self._say(conversation, _answer(outcome.answer, last))
        elif outcome.to_person:
            await self._hand_over(conversation, language)
        elif conversation.state is ConversationState.OPEN:
            away = away_text(self._settings, self._catalogue, language, self._clock())
            if away is not None:
                await self._say_away(conversation, away, language)

    async def _hand_over(self, conversation: Conversation, language: str) -> None:
        """The bot gives the conversation to people and says so, once on each hand-over."""
        now = self._clock()
        text = handoff_text(self._settings, self._catalogue, language, now)
        conversations = self._store.conversations
        if away_text(self._settings, self._catalogue, language, now) is None:
            changed = await conversations.act(
                conversation.id,
                Action.PERSON_WANTED,
                expected_version=conversation.version,
                system_text=text,
            )
            self._publish("message.new", "message", changed, {})
            self._bus.publish(OUTBOX, "queued", {"conversation_id": conversation.id})
        else:
            # The notice has its own key, one a day: after a crash only the second step is new.
            await self._say_away(conversation, text, language)
            changed = await conversations.act(conversation.id, Action.PERSON_WANTED)
        self.publish_state(changed)

    async def _say_away(self, conversation: Conversation, text: str, language: str) -> None:
        key = f"away:{local_day(self._settings.hours, self._clock())}"
        await self._say(
            conversation,
            Reply(text=text, author=Author.SYSTEM, idempotency_key=key, language=language),
        )

    async def _say_at_once(
        self, conversation: Conversation, message: Message, language: str
    ) -> bool:
        """Answer a command, or what cannot be read; True where that is all there is to say."""
        command = command_of(message.text)
        if command is not None:
            text = command_text(self._settings, self._catalogue, language, command)
        else:
            unread = unsupported_text(message, self._catalogue, language)
            if unread is None:
                return False
            text = unread
        key = f"said:{message.id}"
        await self._say(
            conversation,
            Reply(text=text, author=Author.SYSTEM, idempotency_key=key, language=language),
        )
        return command is not None or conversation.state is ConversationState.BOT

    async def _answered_since(self, message: Message) -> bool:
        """True when somebody answered: an old message was edited, or a crash followed."""
        answer = await self._store.conversations.last_answer_id(message.conversation_id)
        return answer > message.id

    async def _wants_person(self, message: Message) -> bool:
        if asks_for_person(message.text, self._catalogue):
            return True
        return await self._store.conversations.wants_person(message.id)

    async def _say(self, conversation: Conversation, reply: Reply) -> None:
        message = await self._store.conversations.reply(conversation.id, reply)
        ids = {"message_id": message.id, "message": message.public_id}
        self._publish("message.new", "message", conversation, ids)
        self._bus.publish(OUTBOX, "queued", {"conversation_id": conversation.id})

    def publish_state(self, conversation: Conversation) -> None:
        """Tell the desks and the customer's widget of a new state."""
        state = {"state": str(conversation.state), "version": conversation.version}
        self._publish("conversation.changed", "state", conversation, state)

    def _publish(
        self, for_desk: str, for_customer: str, of: Conversation, more: Mapping[str, object]
    ) -> None:
        data = {"conversation_id": of.id, "conversation": of.public_id, **more}
        self._bus.publish("desk", for_desk, data)
        self._bus.publish(f"conversation:{of.public_id}", for_customer, data)


def _answer(suggestion: Suggestion, question: Message) -> Reply:
    return Reply(
        text=suggestion.text,
        author=Author.BOT,
        answer_id=suggestion.answer_id,
        suggestion_rank=1,
        message_id=question.id,
        idempotency_key=f"auto:{question.id}",
        language=suggestion.language,
    )
