"""The server as a process: where it may listen, how it starts, how it ends."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import ssl
import sys
import warnings
from pathlib import Path

import aiohttp
import pytest

import bot.app
import bot.http
from bot.access import ACCESS, declared_routes
from bot.app import Running, check_binding, openapi_document, running
from bot.errors import AlreadyRunning, SettingsInvalid
from bot.settings import HttpSettings, Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "help.example.org"])
def test_plain_http_for_other_machines_is_refused_with_a_remedy(host: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        check_binding(HttpSettings(host=host))
    assert "tls_cert" in str(refused.value)
    assert "trusted_proxies" in str(refused.value)
    assert check_binding(HttpSettings(host=host, trusted_proxies=("10.0.0.1",))) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.0.0.2"])
def test_loopback_needs_nothing(host: str) -> None:
    assert check_binding(HttpSettings(host=host)) is None


def test_a_certificate_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cert.pem"
    with pytest.raises(SettingsInvalid, match="belong together"):
        check_binding(HttpSettings(tls_cert=str(path)))
    with pytest.raises(SettingsInvalid, match="cannot be used"):
        check_binding(HttpSettings(tls_cert=str(path), tls_key=str(path)))
    path.write_text("nonsense")
    with pytest.raises(SettingsInvalid, match="cannot be used"):
        check_binding(HttpSettings(tls_cert=str(path), tls_key=str(path)))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
async def test_tls_on_every_address(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = (
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
        f" -addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {cert}"
    )
    made = await asyncio.create_subprocess_exec(*command.split(), stderr=asyncio.subprocess.DEVNULL)
    assert await made.wait() == 0
    http = HttpSettings(host="0.0.0.0", port=0, tls_cert=str(cert), tls_key=str(key))
    async with running(Settings(data_dir=str(tmp_path / "data"), http=http)) as server:
        assert server.url.startswith("https://127.0.0.1:")
        old = ssl.create_default_context(cafile=str(cert))
        with warnings.catch_warnings(action="ignore"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        connector = aiohttp.TCPConnector(ssl=old)
        async with aiohttp.ClientSession(server.url, connector=connector) as client:
            with pytest.raises(aiohttp.ClientConnectorError):
                await client.get("/health")
        token = await server.services.store.people.one_time_link(None)
        trust = ssl.create_default_context(cafile=str(cert))
        connector = aiohttp.TCPConnector(ssl=trust)
        async with (
            aiohttp.ClientSession(server.url, connector=connector) as client,
            client.post(f"/sign-in/link/{token}", allow_redirects=False) as reply,
        ):
            assert reply.headers["Strict-Transport-Security"]
            cookie = reply.headers["Set-Cookie"]
    assert cookie.startswith("__Host-neurobot=")
    assert "Secure" in cookie


async def test_a_second_server_on_the_data_is_refused(server: Running) -> None:
    with pytest.raises(AlreadyRunning):
        async with running(server.services.settings):
            pass
    async with aiohttp.ClientSession(server.url) as client, client.get("/ready") as reply:
        assert reply.status == 200


async def test_a_taken_port_is_named(server: Running, tmp_path: Path) -> None:
    port = int(server.url.rsplit(":", 1)[1])
    settings = Settings(data_dir=str(tmp_path / "other"), http=HttpSettings(port=port))
    with pytest.raises(SettingsInvalid, match=str(port)):
        async with running(settings):
            pass


async def test_every_route_is_declared_with_a_right(server: Running) -> None:
    routes = list(declared_routes(server.app))
    assert len(routes) > 20
    assert None not in routes


async def test_a_new_server_has_no_account_that_anybody_could_know(server: Running) -> None:
    assert await server.services.store.people.agents() == []
    assert server.url.startswith("http://127.0.0.1:")  # for this machine alone, unless told
    async with aiohttp.ClientSession(server.url) as client:
        for login, password in (("owner", "owner"), ("admin", "admin"), ("root", "changeme")):
            fields = {"login": login, "password": password}
            async with client.post("/sign-in", data=fields, allow_redirects=False) as reply:
                assert reply.status == 403
                assert "Set-Cookie" not in reply.headers
    assert await server.services.store.people.agents() == []


async def test_starts_twice_on_the_same_data(server_settings: Settings) -> None:
    for _ in range(2):
        async with (
            running(server_settings) as server,
            aiohttp.ClientSession(server.url) as client,
            client.get("/ready") as reply,
        ):
            assert (await reply.json())["ready"] is True


async def test_open_event_streams_do_not_hold_the_end_up(
    server_settings: Settings,
) -> None:
    async with running(server_settings) as server:
        people = server.services.store.people
        agent = await people.create_agent("ann", "Ann")
        token = await people.create_session(agent.id, 3600.0)
        client = aiohttp.ClientSession(server.url, cookies={"neurobot": token})
        stream = await client.get("/desk/events")
        assert stream.status == 200
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 5
    await client.close()


async def test_unfinished_heads_and_bodies_are_cut(
    server_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot.app, "KEEPALIVE_S", 0.5)
    monkeypatch.setattr(bot.http, "BODY_TIMEOUT_S", 0.5)
    head = b"POST /sign-in HTTP/1.1\r\nHost: x\r\n"
    form = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\na"
    async with running(server_settings) as server:
        port = int(server.url.rsplit(":", 1)[1])

        async def hang(start: bytes) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(start)
            try:
                return await asyncio.wait_for(reader.read(), 10)
            finally:
                writer.close()

        starts = [b"", b"G", head] * 20 + [head + form] * 20
        answers, slow = await asyncio.gather(
            asyncio.gather(*(hang(start) for start in starts)), _ready(server.url)
        )
    assert slow == 200  # the others did not wait
    assert set(answers[:60]) == {b""}
    assert all(answer.startswith(b"HTTP/1.1 408") for answer in answers[60:])


async def test_a_request_in_flight_is_finished_at_the_end(server_settings: Settings) -> None:
    async with running(server_settings) as server:
        fields = {"login": "ann", "password": "wrong words"}  # a tenth of a second of work
        client = aiohttp.ClientSession(server.url)
        answer = asyncio.create_task(client.post("/sign-in", data=fields))
        while not server.app[ACCESS].passwords._waiting:
            await asyncio.sleep(0.001)
    assert (await answer).status == 403
    with pytest.raises(aiohttp.ClientConnectorError):
        await client.get("/ready")
    await client.close()


async def _ready(url: str) -> int:
    async with aiohttp.ClientSession(url) as client, client.get("/ready") as reply:
        return reply.status


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 5_000 + b"\r\n",
        b"GET /%ED%A0%80%00%FF HTTP/1.1\r\nHost: \xff\r\n\r\n",
        b"GET /sign-in?next=%ED%A0%80%00 HTTP/1.1\r\nHost: x\r\nCookie: \xff=\xfe; lang=\x80\r\n\r\n",  # noqa: E501
        b"GET /sign-in HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nAccept-Language: \xff\r\n\r\n",
        b"POST /sign-in HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\nabc",  # noqa: E501
    ],
)  # fmt: skip
async def test_raw_rubbish_never_ends_in_a_500(server: Running, raw: bytes) -> None:
    port = int(server.url.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(raw)
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert not answer.startswith(b"HTTP/1.1 5"), answer
    assert await _ready(server.url) == 200


async def test_heavy_libraries_stay_out_of_the_serving_process(tmp_path: Path) -> None:
    code = """
import asyncio, json, sys, aiohttp
from bot.app import running
from bot.settings import Settings, HttpSettings
async def main():
    async with running(Settings(data_dir=sys.argv[1], http=HttpSettings(port=0))) as server:
        token = (await server.services.store.people.create_token("t", ["admin"]))[1]
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(server.url, headers=headers) as client:
            message = {"external_id": "1", "customer": {"id": "1"}, "text": "hello"}
            async with client.post("/api/v1/messages", json=message) as reply:
                assert reply.status == 201
            await server.services.pipeline.settled()
            for path in ("/sign-in", "/chat", "/metrics", "/health", "/api/v1/conversations"):
                async with client.get(path) as reply:
                    assert reply.status == 200, path
asyncio.run(main())
heavy = ("torch", "sklearn", "scipy", "nltk", "pandas", "pyarrow", "daft", "telegram")
print(json.dumps([name for name in heavy if name in sys.modules]))
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(tmp_path / "data"), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    assert said.strip() == b"[]"


def test_the_api_is_described_without_a_server() -> None:
    assert "/api/v1/messages" in openapi_document()["paths"]


async def _start(data: Path) -> tuple[asyncio.subprocess.Process, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "NEUROBOT_DATA_DIR": str(data),
            "NEUROBOT_HTTP__PORT": "0",
        },
        stderr=asyncio.subprocess.PIPE,
    )
    written = ""
    while "/sign-in/link/" not in written:
        line = await asyncio.wait_for(process.stderr.readline(), 30)
        assert line, written
        written += line.decode()
    found = re.search(r"http://127\.0\.0\.1:\d+", written)
    assert found
    return process, found.group(), written


async def test_the_process_prints_a_link_serves_and_ends_well(tmp_path: Path) -> None:
    process, url, written = await _start(tmp_path / "data")
    try:
        link = written.rsplit(url, 1)[1].split()[0]
        async with aiohttp.ClientSession(url) as client:
            async with client.get(link) as page:
                assert page.status == 200
            async with client.get("/health") as reply:
                assert (await reply.json())["status"] == "ok"
        second = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bot",
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "NEUROBOT_DATA_DIR": str(tmp_path / "data")},
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await asyncio.wait_for(second.communicate(), 30)
        assert second.returncode == 75
        assert b"in use" in said
        assert b"Traceback" not in said
    finally:
        process.send_signal(signal.SIGTERM)
        _, rest = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, rest.decode()
    assert b"Traceback" not in rest


async def test_bad_settings_end_with_78(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "NEUROBOT_HTTP__HOST": "0.0.0.0",
            "NEUROBOT_DATA_DIR": str(tmp_path),
        },
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 78
    assert b"trusted_proxies" in said
