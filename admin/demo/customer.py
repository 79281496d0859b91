"""The scripted customer: asks what real people would, at a pace that an agent can follow."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain import Inbound
from bot.services import Services

FIRST_S = 1.0  # between the first questions, so that the desk is not empty
PACE_S = 6.0
_FIRST = 4
_ENOUGH_WAITING = 12  # more would only drown the newcomer
_NAMES = {
    "ru": ("Анна", "Илья", "Марина", "Олег", "Светлана", "Тимур", "Ольга", "Павел"),
    "en": ("Emma", "Noah", "Priya", "Liam", "Zoe", "Omar", "Grace", "Felix"),
}


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between the first questions and between later ones."""

    first_s: float = FIRST_S
    later_s: float = PACE_S


async def ask(
    services: Services, lines: Sequence[tuple[str, str]], *, seed: int = 0, pace: Pace | None = None
) -> None:
    """Ask the questions one by one, each as another visitor of the web chat; ends with the lines.

    Args:
        services: the running server.
        lines: language and text of each question.
        seed: order and names.
        pace: how fast.
    """
    pace = pace or Pace()
    order = random.Random(seed)
    shuffled = [*lines]
    order.shuffle(shuffled)
    for number, (language, text) in enumerate(alternate(shuffled)):
        await asyncio.sleep(pace.first_s if number < _FIRST else pace.later_s)
        while await _enough(services):  # noqa: ASYNC110 - the desk's pace
            await asyncio.sleep(pace.later_s)
        name = order.choice(_NAMES[language])
        await services.pipeline.receive(_inbound(services, language, text, name))


async def _enough(services: Services) -> bool:
    """True while the desk has its hands full; few wait until trained models answer them."""
    waiting = (await services.store.conversations.counts(None))["unassigned"]
    return waiting >= (_FIRST if services.serving.bundle is None else _ENOUGH_WAITING)


def alternate(lines: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The lines with the languages in turn, as long as there are both."""
    russian = [line for line in lines if line[0] == "ru"]
    english = [line for line in lines if line[0] != "ru"]
    mixed = [line for pair in zip(russian, english, strict=False) for line in pair]
    rest = len(mixed) // 2
    return mixed + russian[rest:] + english[rest:]


def _inbound(services: Services, language: str, text: str, name: str) -> Inbound:
    return Inbound(
        channel="web",
        external_id=f"demo-{secrets.token_hex(12)}",
        customer_external_id=f"demo-{secrets.token_hex(12)}",
        text=text,
        received_at=services.clock(),
        customer_name=name,
        language=language,
    )
