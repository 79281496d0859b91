"""The desk as HTML: what is shown, what is escaped, what is said where there is nothing."""

from __future__ import annotations

import re
from typing import Any

import aiohttp
import pytest

from bot.domain import Author
from bot.handover import Action
from bot.store.records import Reply


async def rows(person: Any, query: str = "view=all") -> list[str]:
    return re.findall(
        r'class="row[ "][^>]*data-key="([^"]+)"', await person.get(f"/desk/queue?{query}")
    )


@pytest.mark.parametrize(
    "path", ["/desk", "/desk/queue", "/desk/events", "/desk/canned", "/desk/files/1"]
)
async def test_nothing_without_signing_in(desk: Any, path: str) -> None:
    async with (
        aiohttp.ClientSession() as visitor,
        visitor.get(desk.url + path, allow_redirects=False) as answer,
    ):
        assert answer.status in {303, 401}


@pytest.mark.parametrize("query", ["view=nothing", "page=0", "page=x", "q=" + "x" * 201])
async def test_bad_queries_are_refused(desk: Any, query: str) -> None:
    await desk.ann.get(f"/desk/queue?{query}", 400)


@pytest.mark.parametrize("query", ["c=nothing", "page=99", "q=%00%22%20OR%20*", "q=((("])
async def test_odd_queries_still_show_the_desk(desk: Any, query: str) -> None:
    assert 'id="desk"' in await desk.ann.get(f"/desk?{query}")


async def test_missing_conversation_is_not_found(desk: Any) -> None:
    await desk.ann.get("/desk/conversations/nothing", 404)


async def test_desk_starts_where_there_is_work(desk: Any) -> None:
    text = await desk.ann.get("/desk")
    assert 'data-view="unassigned" aria-current="page"' in text
    assert desk.public_id in text


async def test_page_keeps_the_content_policy(desk: Any) -> None:
    text = await desk.ann.get(f"/desk?c={desk.public_id}")
    assert not re.search(r"\sstyle=|\son[a-z]+=\"|<script(?![^>]*\bsrc=)", text)
    assert "http://" not in text.replace(desk.url, "").replace("http://www.w3.org", "")


async def test_customers_cannot_write_html(desk: Any) -> None:
    public_id, _, _ = await desk.ask("<script>alert(1)</script>", "evil")
    for path in (
        f"/desk?c={public_id}",
        f"/desk/conversations/{public_id}",
        "/desk/queue?view=all",
    ):
        text = await desk.ann.get(path)
        assert "<script>alert" not in text
        assert "Tom <b>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


async def test_suggestions_carry_percent_words_and_reasons(desk: Any) -> None:
    text = await desk.ann.get(desk.talk)
    assert text.count("data-suggestion=") == 3
    assert "91%" in text
    assert "34%" in text
    assert "12%" not in text  # below the threshold words stand instead
    assert "not sure" in text
    assert "Like: “How do I add a seat?”" in text
    assert "shares add, seat" in text
    assert "accepted 14 of 15 times" in text
    assert "only in English" in text
    assert re.search(r"Billing[^/]*92%", text)
    assert "question" in text


async def test_cold_foreign_and_empty_are_said(desk: Any) -> None:
    cold, _, _ = await desk.ask("cold", "c2", cold=True)
    assert "No trained model yet" in await desk.ann.get(f"/desk/conversations/{cold}")
    foreign, _, _ = await desk.ask("foreign", "c3", foreign=True)
    assert "probably not a question for this desk" in await desk.ann.get(
        f"/desk/conversations/{foreign}"
    )
    empty, _, _ = await desk.ask("empty", "c4", items=())
    assert "no similar answer" in await desk.ann.get(f"/desk/conversations/{empty}")


async def test_answered_question_shows_no_suggestions(desk: Any) -> None:
    await desk.services.store.conversations.reply(
        desk.conversation_id, Reply("Done", Author.AGENT, agent_id=1)
    )
    assert "data-suggestion=" not in await desk.ann.get(desk.talk)


async def test_views_hold_what_they_say(desk: Any) -> None:
    conversations = desk.services.store.conversations
    assert await rows(desk.ann, "view=unassigned") == [desk.public_id]
    await conversations.assign(desk.conversation_id, desk.ann.agent.id, None)
    assert await rows(desk.ann, "view=mine") == [desk.public_id]
    assert await rows(desk.bob, "view=mine") == []
    await conversations.act(desk.conversation_id, Action.CLOSED)
    assert await rows(desk.ann, "view=closed") == [desk.public_id]
    assert await rows(desk.ann) == []


async def test_search_and_its_empty_state(desk: Any) -> None:
    assert await rows(desk.ann, "view=all&q=seat") == [desk.public_id]
    text = await desk.ann.get("/desk/queue?view=mine&q=zebra%3Cb%3E")
    assert "Nothing found for “zebra&lt;b&gt;”" in text
    assert "view=all&amp;q=zebra" in text  # the one next step


@pytest.mark.parametrize("view", ["mine", "snoozed", "closed", "uncertain"])
async def test_empty_lists_say_what_to_do(desk: Any, view: str) -> None:
    text = await desk.ann.get(f"/desk/queue?view={view}")
    assert "rows-empty" in text
    assert 'class="button' in text


async def test_previous_conversations_are_listed(desk: Any) -> None:
    text = await desk.ann.get(desk.talk)
    assert "This is the first conversation." in text


async def test_both_languages_draw_every_part(desk: Any) -> None:
    for language in ("ru", "en"):
        desk.ann.http.cookie_jar.update_cookies({"lang": language})
        text = await desk.ann.get(f"/desk?view=all&c={desk.public_id}")
        assert f'<html lang="{language}"' in text
    assert "Reject the suggestion" in text
