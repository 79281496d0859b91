"""Articles that an agent looks for by hand: what the ranker finds, then what holds the words."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from aiohttp import web

from bot.http import json_response
from bot.http import query as decode_query
from bot.services import SERVICES

_SHOWN: Final = 8


class FindQuery(msgspec.Struct, frozen=True):
    """What the agent has typed so far."""

    q: Annotated[str, msgspec.Meta(max_length=400)] = ""


class Found(msgspec.Struct, frozen=True):
    """An article that can be put into the composer."""

    id: int
    title: str
    text: str
    category: str


async def find(request: web.Request) -> web.Response:
    """``items``: at most eight articles, best first.

    The ranker bears typos and other words; the index of words knows beginnings of words.
    """
    wanted = decode_query(request, FindQuery).q.strip()
    items: dict[int, Found] = {}
    if wanted:
        services = request.config_dict[SERVICES]
        ranked = await services.pipeline.suggest(wanted, _SHOWN)
        for one in ranked.items:
            items[one.answer_id] = Found(one.answer_id, one.title, one.text, one.category)
        if len(items) < _SHOWN:
            held = await services.store.knowledge.articles(query=wanted, per_page=_SHOWN)
            for article in held.items:
                items.setdefault(
                    article.id, Found(article.id, article.title, article.text, article.category)
                )
    return json_response({"items": list(items.values())[:_SHOWN]})
