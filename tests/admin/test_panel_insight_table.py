"""Uploaded tables: what was understood, what is wrong with them, and the way to flags."""

from __future__ import annotations

import asyncio
import io
import random
import re

import aiohttp
import pytest

TABLE = "/admin/insights/churn/table"


def rows(n: int = 240, delimiter: str = ",") -> list[list[str]]:
    """Customers whose leaving hangs on logins and plan."""
    numbers = random.Random(7)
    found = [["customer_id", "logins", "plan", "agreed", "note", "left"]]
    for place in range(n):
        logins = numbers.randint(0, 30)
        plan = numbers.choice(["monthly", "yearly"])
        chance = 0.9 - logins / 30 * 0.8 + (0.1 if plan == "monthly" else -0.1)
        left = "yes" if numbers.random() < chance else "no"
        found.append([f"c-{place}", str(logins), plan, "1", "", left])
    return found


def written(lines: list[list[str]], delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    return "\n".join(delimiter.join(line) for line in lines).encode(encoding)


@pytest.fixture
def upload(owner):
    """``await upload(content)``: the page that answers."""

    async def send(content: bytes, status: int = 200) -> str:
        form = aiohttp.FormData()
        form.add_field("csrf_token", owner.csrf)
        form.add_field("file", io.BytesIO(content), filename="customers.csv")
        async with owner.session.post(TABLE, data=form) as response:
            text = await response.text()
            assert response.status == status, text
            return text

    return send


def _kept(page: str) -> str:
    found = re.search(r'name="upload" value="([0-9a-f]{64})"', page)
    assert found
    return found[1]


async def test_what_was_understood_is_shown_before_training(owner, upload):
    page = await upload(written(rows()))
    for text in ("logins", "monthly, yearly", "customers.csv", "choose a column"):
        assert text in page, text
    assert "&#39;agreed&#39; has one value in every row" in page
    assert "&#39;note&#39; is blank in every row" in page
    kept = {"upload": _kept(page), "name": "customers.csv"}
    _, checked = await owner.post(TABLE, status=200, **kept, column="left")
    assert "Answer &#39;yes&#39;" in checked
    assert f'formaction="{TABLE}/train"' in checked


@pytest.mark.parametrize(
    ("column", "change", "said"),
    [
        ("left", lambda row: [*row[:5], "yes"], "has one value in every row"),
        ("left", lambda row: [*row[:5], "yes" if row[0] in {"c-1", "c-2", "c-3"} else "no"],
         "has 3 rows of one kind; at least 10 are needed"),
        ("left", lambda row: [*row[:3], row[5], *row[4:]], "alone gives AUC 1"),
        ("left", lambda row: [row[0], "much" if row[0] == "c-4" else row[1], *row[2:]],
         "is a number, but 1 fields are not"),
        ("left", lambda row: [row[0], "inf" if row[0] == "c-4" else row[1], *row[2:]],
         "infinite or no number"),
        ("left", lambda row: [*row[:4], f"2026-01-{1 + int(row[0][2:]) % 28:02}", row[5]],
         "holds dates and was left out"),
        ("left", lambda row: [*row[:5], f"{row[5]}{int(row[0][2:]) % 3}"], "has 6 values"),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_a_table_is_said(owner, upload, column, change, said):
    lines = rows()
    page = await upload(written([lines[0], *map(change, lines[1:])]))
    kept = {"upload": _kept(page), "name": "customers.csv"}
    status = 422 if "AUC" not in said and ("value" in said or "kind" in said) else 200
    _, checked = await owner.post(TABLE, status=status, **kept, column=column)
    assert said in checked.replace("&#39;", "'")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"a,b\n", "no rows below the header"),
        (b"a,a\n1,2\n", "twice"),
        (b"a,b\n1,2\n1,2,3\n", "line 3: 3 fields where the header has 2"),
        (bytes(range(1, 256)) * 40, "customers.csv"),
    ],
)
async def test_a_file_that_cannot_be_read_is_refused_by_name(upload, content, said):
    page = await upload(content, status=422)
    assert said in page
    assert "/uploads/" not in page


async def test_a_windows_table_with_semicolons_is_read(owner, upload):
    lines = [["клиент", "входы", "тариф", "ушёл"]]
    lines += [
        [row[0], f"{row[1]},5", "месяц", "да" if row[5] == "yes" else "нет"] for row in rows()[1:]
    ]
    page = await upload(written(lines, ";", "cp1251"))
    assert "входы" in page
    kept = {"upload": _kept(page), "name": "клиенты.csv"}
    _, checked = await owner.post(TABLE, status=200, **kept, column="ушёл")
    assert "Answer &#39;да&#39;" in checked


async def test_a_table_beyond_the_limit_is_refused_with_the_limit(owner, server):
    limit = server.services.settings.http.max_upload_bytes
    form = aiohttp.FormData()
    form.add_field("csrf_token", owner.csrf)
    form.add_field("file", io.BytesIO(b"a,b\n" + b"1,2\n" * (limit // 2)), filename="big.csv")
    headers = {"Accept": "text/html"}
    async with owner.session.post(TABLE, data=form, headers=headers) as response:
        assert response.status == 413
        assert "10" in await response.text()
    assert not (server.services.settings.data_path / "uploads").exists()


async def test_no_file_and_a_lost_file_are_told(owner):
    _, page = await owner.post(TABLE, status=422, upload="../../neurobot")
    assert "Choose a file" in page
    _, page = await owner.post(f"{TABLE}/train", status=422, upload="0" * 64, column="left")
    assert "Upload it again" in page


async def test_a_table_becomes_flags_of_those_who_have_not_left(owner, upload, server, actions):
    page = await upload(written(rows()))
    kept = {"upload": _kept(page), "name": "customers.csv", "column": "left", "subjects": "company"}
    where, _ = await owner.post(f"{TABLE}/train", **kept)
    assert where == "/admin/insights/churn"
    services = server.services
    [job] = await services.store.jobs.live()
    assert "A forecast is being made" in await owner.get("/admin/insights/churn")
    ended = await services.jobs.wait(job.id)
    assert ended.state == "done", ended.reason
    run = await services.store.insights.latest("churn")
    left = {f"company:{row[0]}" for row in rows()[1:] if row[5] == "yes"}
    scores = (await services.store.insights.scores(run.id, per_page=500)).items
    assert len(scores) == 240 - len(left)
    assert not left & {score.subject for score in scores}
    assert all(0 <= score.probability <= 1 for score in scores)
    assert run.source == "customers.csv"
    assert run.report["chosen"] in {"logistic", "boosting"}
    # The strongest reasons and the rest sum up to what the model says beyond its base.
    assert len(scores[0].reasons) <= 4
    page = await owner.get("/admin/insights/churn")
    assert "customers.csv" in page
    assert "has one value in every row" in page
    assert ("owner0", "insights.started", "churn") in await actions()
    # Names of customers are left in no file.
    assert not await asyncio.to_thread(
        lambda: list((services.settings.data_path / "jobs").iterdir())
    )
    [model] = (services.settings.insights_path).iterdir()
    assert b"c-1" not in b"".join(path.read_bytes() for path in model.iterdir())
