"""Hand-over between bot and person as a pure state machine.

The bot may speak only in ``ConversationState.BOT``; delivery checks that again at send time. Every
change of state in the product goes through ``next_state``.
"""

from __future__ import annotations

from enum import StrEnum

from bot.domain import ConversationState as State
from bot.errors import InvalidTransition


class Action(StrEnum):
    """What happens to a conversation."""

    CUSTOMER_WROTE = "customer-wrote"
    BOT_ANSWERED = "bot-answered"
    PERSON_WANTED = "person-wanted"  # the customer asked, or the bot is not sure
    AGENT_TOOK = "agent-took"  # assigned, or replied
    RETURNED_TO_BOT = "returned-to-bot"
    SNOOZED = "snoozed"
    WOKE = "woke"
    CLOSED = "closed"
    REOPENED = "reopened"


_TRANSITIONS: dict[tuple[State, Action], State] = {
    (State.BOT, Action.CUSTOMER_WROTE): State.BOT,
    (State.BOT, Action.BOT_ANSWERED): State.BOT,
    (State.BOT, Action.PERSON_WANTED): State.OPEN,
    (State.BOT, Action.AGENT_TOOK): State.TAKEN,
    (State.BOT, Action.CLOSED): State.CLOSED,
    (State.BOT, Action.SNOOZED): State.SNOOZED,
    (State.OPEN, Action.CUSTOMER_WROTE): State.OPEN,
    (State.OPEN, Action.PERSON_WANTED): State.OPEN,
    (State.OPEN, Action.AGENT_TOOK): State.TAKEN,
    (State.OPEN, Action.RETURNED_TO_BOT): State.BOT,
    (State.OPEN, Action.SNOOZED): State.SNOOZED,
    (State.OPEN, Action.CLOSED): State.CLOSED,
    (State.TAKEN, Action.CUSTOMER_WROTE): State.TAKEN,
    (State.TAKEN, Action.PERSON_WANTED): State.TAKEN,
    (State.TAKEN, Action.AGENT_TOOK): State.TAKEN,
    (State.TAKEN, Action.RETURNED_TO_BOT): State.BOT,
    (State.TAKEN, Action.SNOOZED): State.SNOOZED,
    (State.TAKEN, Action.CLOSED): State.CLOSED,
    (State.SNOOZED, Action.CUSTOMER_WROTE): State.OPEN,
    (State.SNOOZED, Action.PERSON_WANTED): State.OPEN,
    (State.SNOOZED, Action.WOKE): State.OPEN,
    (State.SNOOZED, Action.AGENT_TOOK): State.TAKEN,
    (State.SNOOZED, Action.RETURNED_TO_BOT): State.BOT,
    (State.SNOOZED, Action.SNOOZED): State.SNOOZED,
    (State.SNOOZED, Action.CLOSED): State.CLOSED,
    (State.CLOSED, Action.CUSTOMER_WROTE): State.BOT,
    (State.CLOSED, Action.REOPENED): State.OPEN,
    (State.CLOSED, Action.AGENT_TOOK): State.TAKEN,
    (State.CLOSED, Action.PERSON_WANTED): State.OPEN,
}


def next_state(state: State, action: Action) -> State:
    """State after ``action``.

    Raises:
        InvalidTransition: the action is not allowed in this state, e.g. the bot answers while a
            person has the conversation.
    """
    try:
        return _TRANSITIONS[(state, action)]
    except KeyError:
        raise InvalidTransition(
            f"'{action}' is not possible while the conversation is '{state}'."
        ) from None


def bot_may_speak(state: State) -> bool:
    """True while no person has taken or been asked for."""
    return state is State.BOT
