"""Telegram while the disk is too slow: updates stay with Telegram, and each comes in once."""

import pytest


@pytest.mark.parametrize("mode", ["polling", "webhook"])
async def test_what_cannot_be_stored_now_is_taken_later(open_line, overload, mode):
    async with open_line(mode) as line:
        line.telegram.write(7, "first")
        await line.taken()
        async with overload(line.store):
            updates = [line.telegram.write(7, f"more {number}") for number in range(3)]

            async def refused() -> bool:
                if mode == "webhook":
                    return 503 in line.telegram.webhook_answers
                return "Overloaded" in str(line.channel.health()["last_error"])

            await line.until(refused)
            waiting = {update["update_id"] for update in updates}
            assert not waiting & set(line.telegram.confirmed)
        await line.taken()
        assert waiting <= set(line.telegram.confirmed)
        said = [m.text for m in await line.messages(7) if m.author == "customer"]
        assert said == ["first", "more 0", "more 1", "more 2"]
