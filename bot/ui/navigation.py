"""Places in the head of the page, each shown to the roles that may open it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from bot.domain import Agent, Role

_RANK = {Role.AGENT: 0, Role.ADMIN: 1, Role.OWNER: 2}


class NavigationItem(msgspec.Struct, frozen=True):
    """One link. ``key`` is the catalogue key of its label, ``inner`` what belongs to it too."""

    key: str
    href: str
    role: Role = Role.AGENT
    inner: tuple[str, ...] = ()


DESK = NavigationItem("ui.nav.desk", "/desk")


def visible(items: Iterable[NavigationItem], agent: Agent | None) -> list[NavigationItem]:
    """What this agent may open; nothing for a visitor."""
    if agent is None:
        return []
    return [item for item in items if _RANK[agent.role] >= _RANK[item.role]]


def current_place(items: Iterable[NavigationItem], path: str) -> str:
    """Link of the innermost place that ``path`` lies in; empty where there is none."""
    inside = [
        (len(place), item.href)
        for item in items
        for place in (item.href, *item.inner)
        if path == place or path.startswith(f"{place.rstrip('/')}/")
    ]
    return max(inside, default=(0, ""))[1]
