"""Who reads which conversation right now. Held in memory: it is worth nothing after a minute."""

from __future__ import annotations

from bot.domain import Agent

_FRESH_S = 50.0  # the page tells every 20 s


class Presence:
    """Readers by conversation."""

    def __init__(self) -> None:
        self._seen: dict[int, dict[int, tuple[str, float]]] = {}

    def tell(self, conversation_id: int, agent: Agent, state: str, now: float) -> bool:
        """Note ``reading``, ``writing`` or ``left``; True when the list of readers changed."""
        before = set(self._fresh(conversation_id, now))
        readers = self._seen.setdefault(conversation_id, {})
        if state == "left":
            readers.pop(agent.id, None)
        else:
            readers[agent.id] = (agent.name, now)
        after = set(self._fresh(conversation_id, now))
        if not readers:
            del self._seen[conversation_id]
        return before != after

    def others(self, conversation_id: int, agent_id: int, now: float) -> list[str]:
        """Names of the other agents who read it, in order of arrival."""
        return [
            name for reader, name in self._fresh(conversation_id, now).items() if reader != agent_id
        ]

    def _fresh(self, conversation_id: int, now: float) -> dict[int, str]:
        readers = self._seen.get(conversation_id, {})
        for agent_id in [a for a, (_, at) in readers.items() if now - at > _FRESH_S]:
            del readers[agent_id]
        return {agent_id: name for agent_id, (name, _) in readers.items()}
