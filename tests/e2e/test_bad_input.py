"""Bad input and bad days on the real command and the real server: a clear error, nothing lost."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

ROOT = Path(__file__).resolve().parents[2]
GOOD = "question,answer,category\nWhere is my parcel?,Open Orders and press Track.,delivery\n"


def neurobot(
    data_dir: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "admin", "--data-dir", str(data_dir), *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b'question,answer\n"never closed,x\n', "line 2"),
        (b"wrong,header\na,b\n", "question"),
        (GOOD.encode() + b",No question here.,x\n", "line 3"),
        (GOOD.encode() + b"A question,,x\n", "line 3"),
        (GOOD.encode() + b"a\x00b,answer,x\n", "line 3"),
        (GOOD.encode() + b"\x98\x98\xff,answer,x\n", "byte"),
        ("вопрос".encode("utf-16"), ""),
    ],
    ids=["empty", "open-quote", "header", "no-question", "no-answer", "nul", "encoding", "utf-16"],
)
def test_a_broken_table_writes_nothing_and_names_the_place(data_dir, tmp_path, content, words):
    table = tmp_path / "kb.csv"
    table.write_bytes(content)
    run = neurobot(data_dir, "import", "knowledge", str(table))
    assert run.returncode == 65, run.stderr
    assert words in run.stderr
    assert "Traceback" not in run.stderr
    good = tmp_path / "good.csv"
    good.write_text(GOOD, encoding="utf-8")
    diff = neurobot(data_dir, "import", "knowledge", str(good), "--dry-run", "--json")
    assert json.loads(diff.stdout)["added"] == 1


def test_windows_encoding_is_read(data_dir, tmp_path):
    table = tmp_path / "kb.csv"
    table.write_bytes("question,answer\nГде заказ?,Откройте «Заказы».\n".encode("cp1251"))
    assert neurobot(data_dir, "import", "knowledge", str(table)).returncode == 0


def test_an_unknown_setting_is_refused_by_name(data_dir, tmp_path):
    settings = tmp_path / "neurobot.toml"
    settings.write_text("[http]\nprot = 80\n", encoding="utf-8")
    run = neurobot(data_dir, "serve", NEUROBOT_CONFIG=str(settings))
    assert run.returncode == 78
    assert "http.prot" in run.stderr
    assert "http.port" in run.stderr


def test_plain_http_beyond_loopback_is_refused_with_the_remedy(data_dir):
    run = neurobot(data_dir, "serve", NEUROBOT_HTTP__HOST="0.0.0.0", NEUROBOT_HTTP__PORT="0")
    assert run.returncode == 78
    assert "tls_cert" in run.stderr
    assert "trusted_proxies" in run.stderr


async def test_a_second_server_is_refused(server, tmp_path):
    run = await asyncio.to_thread(neurobot, tmp_path / "data", "serve", NEUROBOT_HTTP__PORT="0")
    assert run.returncode == 75
    assert str(server.process.pid) in run.stderr


async def post(server, headers, text="hello", name=""):
    body = {"id": name or str(uuid4()), "text": text, "language": "en"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{server.url}/chat/messages", json=body, headers=headers) as answer,
    ):
        return answer.status, await answer.json()


@pytest.fixture
async def visitor(server):
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{server.url}/chat/visitors", json={}) as answer,
    ):
        return {"Authorization": f"Bearer {(await answer.json())['token']}"}


async def shown(server, headers, conversation):
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            f"{server.url}/chat/history", params={"conversation": conversation}, headers=headers
        ) as answer,
    ):
        return [
            line["text"]
            for line in (await answer.json())["messages"]
            if line["author"] == "customer"
        ]


async def test_a_full_disk_acknowledges_nothing_and_heals_by_itself(server, visitor, tmp_path):
    """No file of the process may grow any more: the same failed writes as on a full disk."""
    _, first = await post(server, visitor, "before")
    pid = server.process.pid
    unlimited = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, unlimited[1]))
    refused = [
        await post(server, visitor, "x" * 3000, name=f"refused-{number}") for number in range(4)
    ]
    assert {status for status, _ in refused} == {503}
    assert {body["code"] for _, body in refused} == {"storage-unavailable"}
    assert await shown(server, visitor, first["conversation"]) == ["before"]  # reading goes on
    resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
    status, _ = await post(server, visitor, "x" * 3000, name="refused-0")
    assert status == 201  # the widget's own retry
    assert await shown(server, visitor, first["conversation"]) == ["before", "x" * 3000]


@pytest.mark.parametrize("damage", ["flip", "truncate", "missing"])
async def test_a_damaged_model_is_found_and_the_desk_goes_on(
    data_dir, damage, launch, trained_data_dir
):
    shutil.copytree(trained_data_dir, data_dir)
    victim = max(
        (data_dir / "artefacts").rglob("*.safetensors"), key=lambda path: path.stat().st_size
    )
    content = bytearray(victim.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
        victim.write_bytes(content)
    elif damage == "truncate":
        victim.write_bytes(content[:-10])
    else:
        victim.unlink()
    server = await launch(data_dir)
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{server.url}/health") as answer,
        ):
            health = await answer.text()
        assert victim.name in health or "damaged" in health, health
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{server.url}/chat/visitors", json={}) as answer,
        ):
            headers = {"Authorization": f"Bearer {(await answer.json())['token']}"}
        assert (await post(server, headers, "where is my parcel"))[0] == 201
    finally:
        assert await server.stop() == 0
