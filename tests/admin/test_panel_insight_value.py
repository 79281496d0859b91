"""What customers are worth: from purchases to tenths, steps and the list; bad purchases."""

from __future__ import annotations

import io
import random
import time
from datetime import UTC, datetime

import aiohttp
import msgspec
import pytest

from admin.scoring import from_purchases
from admin.scoring.orders import Orders, TableOrders, in_words
from bot.errors import BadData
from bot.event import Event

HERE = "/admin/insights/value"
DAY_S = 86_400.0


def purchases(customers: int = 260, seed: int = 5) -> list[tuple[str, int, float]]:
    """Customer, days ago, amount: some buy often and for long, most once."""
    numbers = random.Random(seed)
    found = []
    for customer in range(customers):
        rate, middle = numbers.gammavariate(0.6, 0.06), numbers.uniform(5, 60)
        ago = float(numbers.randint(100, 190))
        while ago > 0:
            found.append(
                (f"b-{customer}", int(ago) + 1, round(middle * numbers.uniform(0.5, 1.5), 2))
            )
            ago -= numbers.expovariate(rate) + 1
    return found


def written(rows, head: str = "customer,date,amount") -> bytes:
    def day(ago: float) -> str:
        return datetime.fromtimestamp(time.time() - ago * DAY_S, UTC).date().isoformat()

    lines = [f"{customer},{day(ago)},{amount}" for customer, ago, amount in rows]
    return "\n".join([head, *lines]).encode()


@pytest.fixture
def upload(owner, server):
    """``await upload(content)``: the job that it made, ended."""

    async def send(content: bytes):
        form = aiohttp.FormData()
        form.add_field("csrf_token", owner.csrf)
        form.add_field("file", io.BytesIO(content), filename="orders.csv")
        async with owner.session.post(HERE, data=form, allow_redirects=False) as response:
            assert response.status == 303, await response.text()
        [job] = await server.services.store.jobs.live()
        return await server.services.jobs.wait(job.id)

    return send


async def test_the_empty_page_names_the_next_step_and_needs_a_source(owner):
    page = await owner.get(HERE)
    assert "No values yet" in page
    assert 'type="file"' in page
    _, refused = await owner.post(HERE, status=400, event="bought")
    assert "Name the event and the counter" in refused


async def test_a_table_of_purchases_becomes_values(owner, server, upload):
    ended = await upload(written([*purchases(), ("b-1", 3, 0), ("b-2", 3, -4), ("b-3", -400, 9)]))
    assert ended.state == "done", ended.reason
    run = await server.services.store.insights.latest("value")
    scores = (
        await server.services.store.insights.scores(run.id, by_value=True, per_page=500)
    ).items
    assert scores
    values = [one.value for one in scores]
    assert values == sorted(values, reverse=True)
    assert run.report["expected"] == pytest.approx(sum(values), rel=1e-6)
    assert all(sum(one.reasons[0]["steps"]) == pytest.approx(1, abs=0.01) for one in scores)
    page = await owner.get(HERE)
    for text in ("Foretold and spent, by tenths", "What the expectation is made of", "BG/NBD",
                 "nothing:", "orders.csv", "dated in the future", "refunds are taken"):  # fmt: skip
        assert text in page, text
    assert scores[0].subject.removeprefix("customer:") in page
    assert await server.services.store.flags.of_customer("b-1") == []
    async with owner.session.get(f"{HERE}/values.csv") as response:
        lines = (await response.text()).splitlines()
    assert len(lines) == len(scores) + 1
    assert "Обещано" in await owner.get(HERE, lang="ru")


async def test_purchases_that_cannot_be_used_are_told_on_the_page(owner, upload):
    ended = await upload(b"customer,date\na,2026-01-01\n")
    assert ended.state == "failed"
    page = await owner.get(HERE)
    assert "orders.csv has no column of the amount" in page


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("customer,date,amount\n", "no rows below the header"),
        ("customer,date,amount\na,yesterday,5\n", "'yesterday' is not a date"),
        ("customer,date,amount\na,2026-01-01,five\n", "'five' is not a number"),
        ("customer,date,amount,currency\na,2026-01-01,5,EUR\nb,2026-01-01,5,USD\n",
         "2 currencies"),
        ("customer,date,amount\na,2026-01-01,-5\n", "there is no purchase in it"),
        ("customer,date,amount\na,2026-01-01,5\nb,2026-02-01,6\n", "customers bought before"),
    ],
)  # fmt: skip
def test_purchases_that_cannot_be_used_are_refused_in_words(tmp_path, content, said):
    (tmp_path / "table.csv").write_text(content)
    orders = _orders(tmp_path, table=TableOrders("orders.csv"))
    with pytest.raises(BadData, match=said) as refused:
        from_purchases.run(orders, tmp_path, print)
    told = in_words(refused.value, tmp_path / "table.csv", "orders.csv")
    assert str(tmp_path) not in told
    assert "--" not in told


async def test_purchases_of_the_events_are_those_with_an_amount(server, tmp_path):
    now = time.time()
    did = [
        ("bought", "ivan", "acme", {"amount": 5.25}), ("bought", "ivan", "acme", {}),
        ("bought", "olga", "", {"amount": -2, "items": 3}), ("login", "olga", "", {"amount": 9}),
    ]  # fmt: skip
    await server.services.intake.put([
        Event(id=f"p{place}", at=now - DAY_S * 30 * place, name=name, customer=customer,
              company=company, counters=counters)
        for place, (name, customer, company, counters) in enumerate(did)
    ])  # fmt: skip
    orders = _orders(
        tmp_path, event="bought", counter="amount",
        events_file=str(server.services.settings.events_path),
    )  # fmt: skip
    with pytest.raises(BadData, match="The later period cannot begin"):
        from_purchases.run(orders, tmp_path, lambda stage, share: None)
    lines = (tmp_path / "table.csv").read_text().split()
    assert [line.rsplit(",", 2)[::2] for line in lines] == [
        ["customer", "amount"], ["company:acme", "5.250000"], ["customer:olga", "-2.000000"],
    ]  # fmt: skip
    with pytest.raises(BadData, match="No event 'bought' carries a counter 'price'"):
        from_purchases.run(
            msgspec.structs.replace(orders, counter="price"), tmp_path, lambda stage, share: None
        )


def _orders(folder, **more) -> Orders:
    given = {"events_file": "", "export_folder": "", "model_folder": str(folder / "model")} | more
    return Orders(target="value", now=time.time(), max_minutes=1, **given)
