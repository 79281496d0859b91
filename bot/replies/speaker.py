"""Carries a decision out: the bot's answer, the hand-over to people, and the texts of the system.

All of it happens inside of one write, together with the suggestions that it follows from: it is
there as a whole or not at all, and nothing is said past a person who took the conversation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
from bot.store import HeldConversation, Reply


@dataclass(frozen=True, slots=True)
class Response:
    """What was done about a burst, and what to publish once that is stored.

    Attributes:
        decision: about the burst.
        news: topic, name and data of each event, in order.
    """

    decision: Decision
    news: Sequence[tuple[str, str, Mapping[str, object]]]


class Speaker:
    """Speaks for the bot and for the system."""

    def __init__(self, settings: Settings, clock: Clock, catalogue: Catalogue) -> None:
        self._settings = settings
        self._clock = clock
        self._catalogue = catalogue

    def respond(
        self,
        held: HeldConversation,
        messages: Sequence[Message],
        suggestions: Suggestions,
        automatic: Mapping[str, float],
    ) -> Response:
        """What was done about a burst of messages of one conversation.

        Args:
            held: the conversation.
            messages: the burst, oldest first, at least one.
            suggestions: for all its texts together.
            automatic: threshold of each category where the bot may answer.

        Raises:
            NotFound: the conversation was erased.
        """
        turn = _Turn(self._settings, self._catalogue, self._clock(), held, suggestions.language)
        questions = [message for message in messages if not turn.say_at_once(message)]
        # Somebody answered: an old message was edited, or it is taken again after a crash.
        if not questions or held.answer_id() > messages[-1].id:
            return Response(Decision.SUGGEST, turn.news)
        outcome = decide(
            suggestions,
            state=turn.conversation.state,
            automatic=automatic,
            plain=is_plain(messages),
            person_wanted=any(turn.wants_person(message) for message in questions),
        )
        turn.do(outcome, messages[-1])
        return Response(outcome.decision, turn.news)


class _Turn:
    """The bot's turn in one conversation."""

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        now: float,
        held: HeldConversation,
        language: str,
    ) -> None:
        self.conversation = held.get()
        self.news: list[tuple[str, str, Mapping[str, object]]] = []
        self._settings = settings
        self._catalogue = catalogue
        self._now = now
        self._held = held
        self._language = language_of(settings, language, self.conversation.language)

    def say_at_once(self, message: Message) -> bool:
        """Answer a command, or what cannot be read; True where that is all there is to say."""
        command = command_of(message.text)
        if command is not None:
            text = command_text(self._settings, self._catalogue, self._language, command)
        else:
            unread = unsupported_text(message, self._catalogue, self._language)
            if unread is None:
                return False
            text = unread
        self._say_once(text, f"said:{message.id}")
        return command is not None or self.conversation.state is ConversationState.BOT

    def wants_person(self, message: Message) -> bool:
        """True where the customer or the channel asks for a person."""
        return asks_for_person(message.text, self._catalogue) or self._held.wants_person(message.id)

    def do(self, outcome: Outcome, last: Message) -> None:
        """Carry out one decision; ``last`` is the newest message of the burst."""
        if outcome.answer is not None:
            self._say(_answer(outcome.answer, last))
        elif outcome.to_person:
            self._hand_over()
        elif self.conversation.state is ConversationState.OPEN:
            away = away_text(self._settings, self._catalogue, self._language, self._now)
            if away is not None:
                self._say_away(away)

    def _hand_over(self) -> None:
        """The bot gives the conversation to people and says so, once on each hand-over."""
        text = handoff_text(self._settings, self._catalogue, self._language, self._now)
        if away_text(self._settings, self._catalogue, self._language, self._now) is None:
            changed = self._held.act(Action.PERSON_WANTED, system_text=text)
            self._tell("message.new", "message", {})
            self._queued()
        else:
            self._say_away(text)
            changed = self._held.act(Action.PERSON_WANTED)
        self._tell("conversation.changed", "state", state_of(changed))

    def _say_away(self, text: str) -> None:
        """The notice has a key of its own, one a day."""
        self._say_once(text, f"away:{local_day(self._settings.hours, self._now)}")

    def _say_once(self, text: str, key: str) -> None:
        language = self._language
        self._say(Reply(text=text, author=Author.SYSTEM, idempotency_key=key, language=language))

    def _say(self, reply: Reply) -> None:
        message = self._held.reply(reply)
        ids = {"message_id": message.id, "message": message.public_id}
        self._tell("message.new", "message", ids)
        self._queued()

    def _queued(self) -> None:
        self.news.append((OUTBOX, "queued", {"conversation_id": self.conversation.id}))

    def _tell(self, for_desk: str, for_customer: str, more: Mapping[str, object]) -> None:
        self.news += news_of(self.conversation, for_desk, for_customer, more)


def state_of(conversation: Conversation) -> Mapping[str, object]:
    """What desks and the customer's widget are told of a new state."""
    return {"state": str(conversation.state), "version": conversation.version}


def news_of(
    of: Conversation, for_desk: str, for_customer: str, more: Mapping[str, object]
) -> list[tuple[str, str, Mapping[str, object]]]:
    """Topic, name and data of the events that tell desks and the customer's widget."""
    data = {"conversation_id": of.id, "conversation": of.public_id, **more}
    return [("desk", for_desk, data), (f"conversation:{of.public_id}", for_customer, data)]


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
