"""Reports as pages and files, under filters that live in the address."""

from __future__ import annotations

import pytest

from bot.domain import Author, Inbound, Verdict, VerdictRecord
from bot.store.records import Reply


@pytest.fixture
async def answered(server):
    """A question that the owner answered with the first suggestion, edited."""
    services = server.services
    agent = await services.store.people.create_agent("olga", "=Olga()")
    inbound = Inbound("web", "m1", "anna", "?", services.clock(), language="en")
    (receipt,) = await services.store.conversations.receive([inbound])
    row = VerdictRecord(
        receipt.message_id, 7, 1, Verdict.EDITED, agent.id, services.clock(), 0.9, None, 12
    )
    await services.store.conversations.reply(
        receipt.conversation_id, Reply("x", Author.AGENT, agent.id, verdicts=(row,))
    )
    return agent


@pytest.mark.parametrize("lang", ["ru", "en"])
async def test_an_empty_report_leads_to_the_chat(owner, lang: str) -> None:
    assert 'class="button primary" href="/chat"' in await owner.get("/admin/reports", lang=lang)


@pytest.mark.parametrize("lang", ["ru", "en"])
async def test_three_charts_each_with_its_table_and_file(owner, answered, lang: str) -> None:
    page = await owner.get("/admin/reports", lang=lang)
    assert page.count("<figure") == 3
    assert page.count('class="chart-table"') == 3
    for name in ("days", "ranks", "hours", "category"):
        assert f"/admin/reports/{name}.csv" in page
    assert "100" in page
    assert page.count('class="sparkline"') == 5


async def test_filters_stay_in_the_address(owner, answered) -> None:
    page = await owner.get(f"/admin/reports?days=7&agent={answered.id}&by=agent")
    assert f"/admin/reports/agent.csv?days=7&amp;agent={answered.id}&amp;by=agent" in page
    assert "=Olga()" in page
    empty = await owner.get("/admin/reports?channel=telegram")
    assert 'class="button primary" href="/admin/reports"' in empty
    await owner.get("/admin/reports?by=nonsense", status=400)
    await owner.get("/admin/reports?agent=x")


async def test_every_table_is_a_file(owner, answered) -> None:
    rows = {}
    for name in ("days", "ranks", "hours", "category", "agent", "channel", "verdicts"):
        async with owner.session.get(f"/admin/reports/{name}.csv?days=7") as response:
            assert response.status == 200
            assert response.content_type == "text/csv"
            rows[name] = (await response.text()).lstrip("\ufeff").splitlines()
    assert len(rows["days"]) == 8
    assert rows["days"][-1].endswith(",1,1")
    assert rows["ranks"][1] == "1,0.0,1.0"
    assert len(rows["hours"]) == 25
    assert rows["agent"][1].startswith("'=Olga(),1,")
    async with owner.session.get("/admin/reports/nonsense.csv") as response:
        assert response.status == 404
