"""Files go out as downloads of unknown type, whatever they hold and claim to be."""

from __future__ import annotations

import json
from urllib.parse import unquote
from uuid import uuid4

import aiohttp
import pytest

from bot.domain import Role

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
FILES = [
    ("a.svg", "image/svg+xml", SVG),
    ("a.html", "text/html", b"<script>alert(1)</script>"),
    ("a.xhtml", "application/xhtml+xml", b"<html/>"),
    ("a.js", "text/javascript", b"alert(1)"),
    ("a.png", "image/png", b"\x89PNG\r\n\x1a\n" + SVG),
    ("a.pdf", "application/pdf", b"%PDF-1.7"),
    ('"><svg onload=alert(1)>.jpg', "image/jpeg", b"\xff\xd8"),
    ("../../../etc/passwd", "text/plain", b"x"),
    ("..\\..\\boot.ini", "text/plain", b"x"),
    ("a\r\nSet-Cookie: x=1.txt", "text/plain", b"x"),
    ("\u202egnp.exe", "application/x-msdownload", b"MZ"),
    ("счёт за май.pdf", "application/pdf", b"%PDF-1.7"),
    ("x" * 400 + ".txt", "text/plain", b"x"),
    ("a.txt", "text/html; charset=x", b"<b>"),
]


@pytest.mark.parametrize(("name", "media", "content"), FILES)
async def test_a_file_comes_back_as_a_download(house, name, media, content) -> None:
    agent, visitor = await house.person(Role.AGENT), await house.visitor()
    body = {"id": str(uuid4()), "text": "a question"}
    async with visitor.http.post("/chat/messages", json=body) as reply:
        talk = (await reply.json())["conversation"]
    form = aiohttp.FormData(quote_fields=False)
    safe = name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
    form.add_field("file", content, filename=safe, content_type=media)
    status, text = await agent.post("/desk/files", data=form)
    assert status == 201, text
    stored = json.loads(text)
    body = {"text": "here", "key": str(uuid4()), "attachment": {**stored, "name": name[:200]}}
    status, text = await agent.post(f"/desk/conversations/{talk}/reply", json=body)
    assert status == 201, text
    number = json.loads(text)["message_id"]
    async with agent.http.get(f"/desk/files/{number}") as reply:
        assert reply.status == 200
        assert await reply.read() == content
        headers = reply.headers
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    kind, _, given = headers["Content-Disposition"].partition("; filename*=UTF-8''")
    assert kind == "attachment"
    shown = unquote(given)
    assert shown
    assert len(shown) <= 120
    assert not set('/\\:*?"<>|\r\n\u202e') & set(shown)
    assert "Set-Cookie" not in headers
    # the visitor is told a name, as text, and gets no address of the file
    async with visitor.http.get("/chat/history", params={"conversation": talk}) as reply:
        assert f"/desk/files/{number}" not in await reply.text()
    nobody = await house.nobody()
    assert (await nobody.get(f"/desk/files/{number}"))[0] == 401


async def test_a_file_of_the_data_folder_is_no_attachment(house) -> None:
    """What lies in the folder under another name than a digest cannot be asked for."""
    agent = await house.person(Role.AGENT)
    folder = house.server.services.settings.attachments_path
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plain").write_text("secret")
    for path in ("/desk/files/plain", "/desk/files/..%2fneurobot.db", "/static/..%2f..%2fapp.py"):
        assert (await agent.get(path))[0] == 404
