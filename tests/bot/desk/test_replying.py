"""Replies, verdicts, undo, conflicts, notes, drafts, rejections: what must not go wrong first."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.domain import Delivery, MessageKind

ANSWER = "Open Settings and press Seats."


def body(desk: Any, text: str = ANSWER, **changes: Any) -> dict[str, Any]:
    known = {
        "text": text,
        "key": "k" * 32,
        "seen": desk.question_id,
        "question": desk.question_id,
        "answer": 100,
    }
    return {**known, **changes}


async def verdicts(desk: Any) -> dict[int, Any]:
    return {v.answer_id: v for v in await desk.services.store.feedback.of_message(desk.question_id)}


async def sent(desk: Any) -> list[Any]:
    found = await desk.services.store.conversations.messages(desk.conversation_id)
    return [m for m in found if m.author == "agent" and m.kind is not MessageKind.NOTE]


# ---------- refusals ----------


def stored(reference: str) -> dict[str, Any]:
    file = {"reference": reference, "name": "x", "media_type": "a/b", "size_bytes": 1}
    return {"attachment": file}


@pytest.mark.parametrize(
    "changes",
    [
        {"text": "  "}, {"text": "x" * 4001}, {"key": "short"}, {"unknown": 1}, {"question": -1},
        {"text": None}, stored("blob:" + "0" * 64), stored("../../etc/passwd"),
    ],
)  # fmt: skip
async def test_bad_replies_are_refused_and_nothing_is_sent(
    desk: Any, changes: dict[str, Any]
) -> None:
    await desk.ann.post(f"{desk.talk}/reply", body(desk, **changes), 400)
    assert not await sent(desk)
    assert not await verdicts(desk)


async def test_reply_to_nothing_is_not_found(desk: Any) -> None:
    await desk.ann.post("/desk/conversations/nothing/reply", body(desk), 404)
    await desk.ann.post(f"{desk.talk}/reply", body(desk, question=99_999), 404)


async def test_reply_without_csrf_token_is_refused(desk: Any) -> None:
    async with desk.ann.http.post(f"{desk.talk}/reply", json=body(desk)) as response:
        assert response.status == 403
    assert not await sent(desk)


async def test_second_answer_is_a_conflict_until_it_was_seen(desk: Any) -> None:
    first = await desk.bob.post(f"{desk.talk}/reply", body(desk, "I take it", answer=None))
    refused = await desk.ann.post(f"{desk.talk}/reply", body(desk), 409)
    assert "Bob" in refused["detail"]
    assert len(await sent(desk)) == 1
    await desk.ann.post(f"{desk.talk}/reply", body(desk, seen=first["message_id"]), 201)
    assert len(await sent(desk)) == 2


async def test_new_question_of_the_customer_is_no_conflict(desk: Any) -> None:
    await desk.ask("And one more thing")
    await desk.ann.post(f"{desk.talk}/reply", body(desk), 201)


async def test_undo_of_somebody_else_is_not_found(desk: Any) -> None:
    answer = await desk.ann.post(f"{desk.talk}/reply", body(desk))
    await desk.bob.post(f"{desk.talk}/undo", {"message_id": answer["message_id"]}, 404)


@pytest.mark.parametrize("undo_s", [0.0])
async def test_undo_after_the_window_is_a_conflict(desk: Any) -> None:
    answer = await desk.ann.post(f"{desk.talk}/reply", body(desk))
    assert answer["hold_s"] == 0
    await asyncio.sleep(0.2)
    await desk.ann.post(f"{desk.talk}/undo", {"message_id": answer["message_id"]}, 409)


# ---------- replies ----------


async def test_untouched_suggestion_is_accepted_and_the_others_ignored(desk: Any) -> None:
    answer = await desk.ann.post(f"{desk.talk}/reply", body(desk), 201)
    assert answer["hold_s"] == 30.0
    (message,) = await sent(desk)
    assert (message.text, message.answer_id, message.delivery) == (ANSWER, 100, Delivery.HELD)
    found = await verdicts(desk)
    assert {k: str(v.verdict) for k, v in found.items()} == {
        100: "accepted",
        101: "ignored",
        102: "ignored",
    }
    assert found[100].confidence == pytest.approx(0.914)
    assert found[100].model_version == "v1"


async def test_changed_suggestion_is_edited_with_its_distance(desk: Any) -> None:
    await desk.ann.post(f"{desk.talk}/reply", body(desk, ANSWER + " Yes"))
    found = await verdicts(desk)
    assert (str(found[100].verdict), found[100].edit_distance) == ("edited", 4)


async def test_own_words_over_a_suggestion_leave_it_ignored(desk: Any) -> None:
    await desk.ann.post(f"{desk.talk}/reply", body(desk, "Zzz qqq www, vvv kkk jjj"))
    assert {str(v.verdict) for v in (await verdicts(desk)).values()} == {"ignored"}
    assert (await sent(desk))[0].answer_id is None


async def test_repeated_request_is_one_message(desk: Any) -> None:
    answers = await asyncio.gather(
        *(desk.ann.post(f"{desk.talk}/reply", body(desk)) for _ in range(5))
    )
    assert len({a["message_id"] for a in answers}) == 1
    assert len(await sent(desk)) == 1


async def test_undo_gives_the_text_back_and_forgets_the_verdicts(desk: Any) -> None:
    before = await desk.services.store.conversations.get(desk.conversation_id)
    answer = await desk.ann.post(f"{desk.talk}/reply", body(desk, close=True))
    back = await desk.ann.post(f"{desk.talk}/undo", {"message_id": answer["message_id"]})
    assert back["text"] == ANSWER
    assert not await verdicts(desk)
    after = await desk.services.store.conversations.get(desk.conversation_id)
    assert (after.state, after.waiting_since) == (before.state, before.waiting_since)
    page = await desk.ann.get(desk.talk)
    assert "data-suggestion" in page  # the question waits again


async def test_undo_reopens_even_when_something_else_happened(desk: Any) -> None:
    answer = await desk.ann.post(f"{desk.talk}/reply", body(desk, close=True))
    await desk.bob.post(f"{desk.talk}/note", {"text": "by the way"})
    taken_back = {"message_id": answer["message_id"], "reopen": True}
    await desk.ann.post(f"{desk.talk}/undo", taken_back)
    assert (await desk.services.store.conversations.get(desk.conversation_id)).state == "open"


@pytest.mark.parametrize("undo_s", [0.0])
async def test_reply_arrives(desk: Any) -> None:
    await desk.ann.post(f"{desk.talk}/reply", body(desk))
    for _ in range(100):
        if (await sent(desk))[0].delivery is Delivery.SENT:
            break
        await asyncio.sleep(0.02)
    assert (await sent(desk))[0].delivery is Delivery.SENT


async def test_send_and_close(desk: Any) -> None:
    await desk.ann.post(f"{desk.talk}/reply", body(desk, close=True))
    assert (await desk.services.store.conversations.get(desk.conversation_id)).state == "closed"


async def test_rejected_suggestion_stays_rejected(desk: Any) -> None:
    rejection = {"question": desk.question_id, "answer": 101, "reason": "outdated"}
    await desk.ann.post(f"{desk.talk}/reject", rejection)
    assert "unsure rejected" not in await desk.ann.get(desk.talk)
    assert ' rejected"' in await desk.ann.get(desk.talk)
    await desk.ann.post(f"{desk.talk}/reply", body(desk))
    found = await verdicts(desk)
    assert (str(found[101].verdict), found[101].reason) == ("rejected", "outdated")
    await desk.ann.post(f"{desk.talk}/reject", {**rejection, "answer": 555}, 404)


async def test_note_is_kept_and_never_sent(desk: Any) -> None:
    await desk.ann.post(f"{desk.talk}/note", {"text": "call <b>back</b>"}, 201)
    await desk.ann.post(f"{desk.talk}/note", {"text": " "}, 400)
    found = await desk.services.store.conversations.messages(desk.conversation_id)
    note = next(m for m in found if m.kind is MessageKind.NOTE)
    assert note.outbox_id is None
    page = await desk.bob.get(desk.talk)
    assert "call &lt;b&gt;back&lt;/b&gt;" in page
    assert "data-suggestion" in page  # a note is no answer


async def test_draft_is_private_and_gone_after_sending(desk: Any) -> None:
    await desk.ann.post(f"{desk.talk}/draft", {"text": "half a thou"})
    assert ">half a thou</textarea>" in await desk.ann.get(desk.talk)
    assert "half a thou" not in await desk.bob.get(desk.talk)
    await desk.ann.post(f"{desk.talk}/reply", body(desk))
    assert "half a thou" not in await desk.ann.get(desk.talk)
