"""What the desk did in a stretch of time, as plain rows for the reports. Reads only."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

import msgspec

from bot.store.part import Part

LOAD_S = 1800.0  # half an hour: time zones differ by no less than that where people live


@dataclass(frozen=True, slots=True)
class Scope:
    """Which part of the desk; what is empty or None lets all pass.

    Attributes:
        since, until: epoch seconds, ``until`` itself excluded.
        agent_id: conversations in which this agent answered, and this agent's verdicts.
    """

    since: float
    until: float
    category: str = ""
    channel: str = ""
    agent_id: int | None = None


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation that began in the stretch.

    Attributes:
        wait_s: from the first question to the first answer; None without one.
        bot_alone: the bot answered, nobody asked for a person and none answered.
        agents: who answered.
    """

    created_at: float
    category: str
    channel: str
    wait_s: float | None
    bot_alone: bool
    agents: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """So many equal verdicts of one half hour."""

    at: float
    rank: int
    verdict: str
    agent_id: int | None
    category: str
    channel: str
    edit_distance: int
    count: int


@dataclass(frozen=True, slots=True)
class Load:
    """Messages of one half hour that begins ``at``."""

    at: float
    customers: int
    replies: int


_REPLY = """m.author IN ('agent', 'bot') AND m.kind != 'note'
    AND coalesce(o.state, '') != 'cancelled'"""
_WHERE = """(:category = '' OR coalesce(c.category, '') = :category)
    AND (:channel = '' OR c.channel = :channel)"""
_BY_AGENT = """(:agent IS NULL OR EXISTS (SELECT 1 FROM messages a WHERE a.agent_id = :agent
    AND a.conversation_id = c.id AND a.author = 'agent' AND a.kind != 'note'
    AND NOT EXISTS (SELECT 1 FROM outbox x WHERE x.message_id = a.id AND x.state = 'cancelled')))"""
_TALKS = f"""SELECT c.created_at, coalesce(c.category, ''), c.channel,
    min(CASE WHEN m.author = 'customer' THEN m.created_at END),
    min(CASE WHEN {_REPLY} THEN m.created_at END),
    max(m.author = 'bot' AND {_REPLY}), max(m.author = 'agent' AND {_REPLY}),
    EXISTS (SELECT 1 FROM conversation_events e WHERE e.conversation_id = c.id
        AND e.action IN ('person-wanted', 'agent-took')),
    json_group_array(DISTINCT m.agent_id) FILTER (WHERE m.agent_id IS NOT NULL AND {_REPLY})
    FROM conversations c JOIN messages m ON m.conversation_id = c.id
    LEFT JOIN outbox o ON o.message_id = m.id
    WHERE c.created_at >= :since AND c.created_at < :until AND {_WHERE} AND {_BY_AGENT}
    GROUP BY c.id"""  # noqa: S608  constants
_JUDGED = f"""SELECT CAST(v.created_at / :load AS INTEGER) * :load, v.rank, v.verdict, v.agent_id,
    coalesce(c.category, ''), c.channel,
    CASE WHEN v.verdict = 'edited' THEN v.edit_distance ELSE 0 END AS edits, count(*)
    FROM verdicts v JOIN messages m ON m.id = v.message_id
    JOIN conversations c ON c.id = m.conversation_id
    WHERE v.created_at >= :since AND v.created_at < :until AND {_WHERE}
    AND (:agent IS NULL OR v.agent_id = :agent) GROUP BY 1, 2, 3, 4, 5, 6, edits"""  # noqa: S608
_LOAD = f"""SELECT CAST(m.created_at / :load AS INTEGER) * :load,
    count(*) FILTER (WHERE m.author = 'customer'),
    count(*) FILTER (WHERE {_REPLY} AND (:agent IS NULL OR m.agent_id = :agent))
    FROM messages m JOIN conversations c ON c.id = m.conversation_id
    LEFT JOIN outbox o ON o.message_id = m.id
    WHERE m.created_at >= :since AND m.created_at < :until AND {_WHERE} AND {_BY_AGENT}
    GROUP BY 1"""  # noqa: S608


class DeskActivity(Part):
    """Reads only."""

    async def talks(self, scope: Scope) -> list[Talk]:
        """Conversations that began in the stretch."""

        def find(connection: sqlite3.Connection) -> list[Talk]:
            return [_talk(row) for row in connection.execute(_TALKS, _params(scope))]

        return await self._db.read(find)

    async def judged(self, scope: Scope) -> list[Judged]:
        """Verdicts given in the stretch."""

        def find(connection: sqlite3.Connection) -> list[Judged]:
            return [Judged(*row) for row in connection.execute(_JUDGED, _params(scope))]

        return await self._db.read(find)

    async def load(self, scope: Scope) -> list[Load]:
        """Messages by half hour, oldest first; half hours without any are left out."""

        def find(connection: sqlite3.Connection) -> list[Load]:
            return [Load(*row) for row in connection.execute(_LOAD, _params(scope))]

        return await self._db.read(find)


def _params(scope: Scope) -> dict[str, object]:
    return {
        "since": scope.since,
        "until": scope.until,
        "category": scope.category,
        "channel": scope.channel,
        "agent": scope.agent_id,
        "load": LOAD_S,
    }


def _talk(row: sqlite3.Row) -> Talk:
    created_at, category, channel, asked, answered, bot, person, handed, agents = row
    waited = None if asked is None or answered is None else answered - asked
    return Talk(
        created_at=created_at,
        category=category,
        channel=channel,
        wait_s=waited if waited is None or waited >= 0 else None,
        bot_alone=bool(bot and not person and not handed),
        agents=tuple(msgspec.json.decode(agents, type=list[int])),
    )
