"""What unpacks to far more than it is, or is made to be read at length: refused in little memory.

The peak of the server's memory is read from the kernel, which forgets the earlier one before each.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from bot.domain import Role
from bot.settings import Settings
from bot.store import Store

MOST_MIB = 50
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
SUGGEST, EVENTS, CHAT = "/api/v1/suggest", "/api/v1/events", "/chat/messages"
FILES, IMPORT = "/desk/files", "/admin/knowledge/import"
TABLE = "/admin/insights/churn/table"


@dataclass(frozen=True, slots=True)
class Bomb:
    """A request that has to be refused, or is ``kept`` as the bytes that it is."""

    name: str
    path: str
    body: bytes
    headers: dict[str, str]
    kept: bool = False


def zeros(wbits: int, mega: int = 500) -> bytes:
    """``mega`` megabytes of zeros, packed: gzip 31, zlib 15, raw deflate -15.

    After a full flush a block stands for itself, so that one is made and repeated; only the sum at
    the end, which nobody should come to, is wrong.
    """
    packer, flush = zlib.compressobj(9, zlib.DEFLATED, wbits), zlib.Z_FULL_FLUSH
    first, again = (packer.compress(bytes(1_000_000)) + packer.flush(flush) for _ in range(2))
    return first + again * (mega - 1) + packer.flush()


def zipped(content: bytes) -> bytes:
    """A ZIP of one member."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", content)
    return held.getvalue()


def form(content: bytes, head: str = 'form-data; name="file"; filename="a.csv"', more: str = ""):
    """A multipart body of one part."""
    return f"--x\r\nContent-Disposition: {head}\r\n{more}\r\n".encode() + content + b"\r\n--x--\r\n"


def json_bombs() -> Iterator[Bomb]:
    packed = {"gzip": zeros(31), "deflate": zeros(15)}
    for path in (SUGGEST, EVENTS, CHAT):
        for coding, body in packed.items():
            yield Bomb(f"500 MB of {coding}", path, body, {**JSON, "Content-Encoding": coding})
    raw = {**JSON, "Content-Encoding": "deflate"}
    twice = {**JSON, "Content-Encoding": "gzip"}
    yield Bomb("raw deflate", SUGGEST, zeros(-15), raw)
    yield Bomb("gzip in gzip", SUGGEST, gzip.compress(packed["gzip"]), twice)
    yield Bomb("a coding said twice", SUGGEST, gzip.compress(packed["gzip"]),
               {**JSON, "Content-Encoding": "gzip, gzip"})  # fmt: skip
    yield Bomb("another coding", SUGGEST, packed["gzip"], {**JSON, "Content-Encoding": "br"})
    yield Bomb("10 MB of text", SUGGEST, b'{"text": "' + b"a" * 10_000_000 + b'"}', JSON)
    bodies = {
        "100,000 lists": b"[" * 100_000 + b"]" * 100_000,
        "100,000 objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        "a number of a million digits": b'{"text": ' + b"9" * 1_000_000 + b"}",
        "a number with an exponent of its own": b'{"text": 1e' + b"9" * 100_000 + b"}",
        "100,000 keys": b"{" + b",".join(b'"%d":1' % n for n in range(90_000)) + b"}",
        "a key 100,000 times": b"{" + b",".join([b'"text":1'] * 100_000) + b"}",
        "500,000 nulls": b'{"text": [' + b",".join([b"null"] * 190_000) + b"]}",
        "escapes": b'{"text": "' + rb"\u0000" * 170_000 + b'"}',
    }
    for name, body in bodies.items():
        yield Bomb(name, SUGGEST, body, JSON)


def event_bombs() -> Iterator[Bomb]:
    counters = b",".join(b'"%d":1' % n for n in range(80_000))
    yield Bomb("80,000 counters", EVENTS, b'{"name":"a","counters":{' + counters + b"}}", JSON)
    yield Bomb("a long event", EVENTS, b'{"name":"a","title":"' + b"x" * 900_000 + b'"}', JSON)
    yield Bomb("300,000 events of nothing", EVENTS, b"{}\n" * 300_000, JSON)
    yield Bomb("10 MB of events", EVENTS, b'{"name":"a"}\n' * 800_000, JSON)


def file_bombs() -> Iterator[Bomb]:
    yield Bomb("a file of 20 MB", FILES, form(b"x" * 20_000_000), FORM)
    packed = form(zeros(31), more="Content-Encoding: gzip\r\n")
    yield Bomb("a part packed with gzip", FILES, packed, FORM, kept=True)
    packed = form(zeros(15), more="Content-Encoding: deflate\r\n")
    yield Bomb("a part packed with deflate", IMPORT, packed, FORM)
    parts = b"".join(form(b"1", f'form-data; name="f{n}"')[:-7] for n in range(5_000))
    yield Bomb("5,000 fields", FILES, parts + b"--x--\r\n", FORM)
    inner = b"--y\r\nContent-Type: multipart/mixed; boundary=z\r\n\r\n--z--\r\n--y--\r\n"
    nested = form(inner, more="Content-Type: multipart/mixed; boundary=y\r\n")
    yield Bomb("a form in a form", FILES, nested, FORM)
    long = f'form-data; name="file"; filename="{"a" * 1_000_000}"'
    yield Bomb("a name of a megabyte", FILES, form(b"1", long), FORM)
    code = base64.b64encode(bytes(15_000_000))
    coded = form(code, more="Content-Transfer-Encoding: base64\r\n")
    yield Bomb("15 MB in base64", FILES, coded, FORM)
    tables = {
        "a ZIP": zipped(bytes(50_000_000)),
        "a ZIP in a ZIP": zipped(zipped(bytes(20_000_000)) * 20),
        "a table that is gzip": zeros(31),
        "a line of 8 MB": b'question,answer\n"' + b"a" * 8_000_000,
        "a column for each of a million": b",".join([b"question"] * 1_000_000) + b"\n",
        "an SVG of entities": b'<!DOCTYPE x [<!ENTITY a "' + b"a" * 100_000 + b'">]><svg>&a;</svg>',
    }
    for name, content in tables.items():
        # A table with a bad line is shown with what is wrong with it; nothing is written.
        yield Bomb(name, IMPORT, form(content), FORM, kept="line" in name)
    named = 'form-data; name="file"; filename="a.csv.gz"'
    yield Bomb("a packed table of customers", TABLE, form(zeros(31), named), FORM)


def peak_mib(pid: int) -> float:
    """The most memory held since ``forget``."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def forget(pid: int) -> None:
    """Let the peak be what is held now. Source: proc(5), clear_refs."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


async def people(folder: Path) -> dict[str, dict[str, str]]:
    """Headers of an owner and of a program."""
    store = Store.open(Settings(data_dir=str(folder)))
    agent = await store.people.create_agent("boss", "Boss", Role.OWNER, "en")
    cookie = await store.people.create_session(agent.id)
    found = await store.people.session(cookie)
    _, token = await store.people.create_token("t", ("admin",))
    await store.close()
    person = {"Cookie": f"neurobot={cookie}", "X-CSRF-Token": found[1].csrf_token}
    return {"/api": {"Authorization": f"Bearer {token}"}, "/desk": person, "/admin": person}


async def refusal(session: aiohttp.ClientSession, bomb: Bomb, who: dict[str, str]) -> int:
    """Status of the answer; 413 where the server hung up while it was still sent to."""
    headers = {**who, **bomb.headers}
    try:
        body = io.BytesIO(bomb.body)
        async with session.post(bomb.path, data=body, headers=headers) as reply:
            await reply.read()
            return reply.status
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
        return 413


@pytest.mark.timeout(300)
async def test_bombs_are_refused_in_little_memory(
    tmp_path, serving, sized, record_property
) -> None:
    data = tmp_path / "data"
    who = await people(data)
    bombs = await asyncio.to_thread(lambda: [*json_bombs(), *event_bombs(), *file_bombs()])
    assert len(bombs) >= 30
    bombs, worst, wrong = bombs[:: sized(8, 1, 1)], 0.0, []
    timeout = aiohttp.ClientTimeout(total=60)
    async with (
        serving(data, program=("admin", "serve")) as (url, pid),
        aiohttp.ClientSession(url, timeout=timeout) as session,
    ):
        async with session.post("/chat/visitors", json={}) as reply:
            who["/chat"] = {"Authorization": f"Bearer {(await reply.json())['token']}"}
        for warm in (SUGGEST, FILES, IMPORT):  # what a first request of a kind loads
            await refusal(session, Bomb("", warm, form(b"x"), FORM), who[f"/{warm.split('/')[1]}"])
        for bomb in bombs:
            forget(pid)
            before = peak_mib(pid)
            status = await refusal(session, bomb, who[f"/{bomb.path.split('/')[1]}"])
            grown = peak_mib(pid) - before
            worst = max(worst, grown)
            refused = 400 <= status < 500 or (bomb.kept and status in (200, 201))
            if not refused or grown > MOST_MIB:
                wrong.append(f"{bomb.name} to {bomb.path}: {status}, {grown:.0f} MiB")
        async with session.get("/ready") as reply:
            assert reply.status == 200
    assert not wrong, "\n".join(wrong)
    record_property("figure", f"{len(bombs)} bombs refused, at most {worst:.0f} MiB more at a time")
