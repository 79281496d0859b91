"""The parsers of untrusted bytes, each with good examples and the errors that it promises."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
from aiohttp import StreamReader, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request
from safetensors.numpy import save

from admin.importers.events import read_events
from admin.importers.items import read_items
from admin.importers.knowledge import parse_knowledge
from admin.importers.tickets import read_tickets
from admin.insights.table import read_table
from bot.api.conversations import NewReply
from bot.api.event_body import envelope, events_of
from bot.api.lanes import _read_head
from bot.api.messages import NewMessage, Question
from bot.api.recommendations import NewItems
from bot.candidates import CandidateIndex
from bot.catalogue import Catalogue
from bot.channels.telegram import TelegramChannel, _dump, _numbered, _parsed
from bot.channels.web_chat import VisitorMessage
from bot.domain import Inbound
from bot.entries import KnowledgeItem
from bot.errors import BadData, BadRequest, NeurobotError
from bot.http import _DAMAGED_BODY, decode_bytes
from bot.index_files import IndexFiles, _key, _parts
from bot.multipart import close_files, read_multipart
from bot.settings import Settings, TelegramSettings
from bot.store import Store
from bot.store.backup import restore
from bot.store.texts import clean
from index.snapshot import SnapshotDamaged, SnapshotStale, _checksum, load_snapshot, save_snapshot
from nlp.artifacts import ArtifactDamaged, load_arrays, load_json, verify, write_manifest

NOW = 1_800_000_000.0
TABLES = {
    "knowledge": b"question,answer,category,lang\r\nWhere is it?,On its way.,delivery,en\r\n"
    b'"Two, ""quoted""","a\nb",x,\r\n',
    "tickets": "text;category;answer_id;kb_answer;operator_answer;lang\nГде заказ;доставка;;;;ru\n"
    "a;b;;c;d;en\n".encode(),
    "items": b'id,title,kind,description,path,url,renewable_days\n1,Lamp,product,"x",a/b,/l,30\n',
    "events": b'id,at,name,visitor,customer,counters\n1,1700000000,open,v,c,"{""n"": 2}"\n'
    b"2,2023-05-05T10:00:00+03:00,buy,v,,\n",
}
LINES = {
    "items": b'{"id": "1", "title": "Lamp", "renewable_days": 3}\n{"id": "2", "title": "Sofa"}\n',
    "events": b'{"at": 1700000000, "name": "open", "customer": "c", "counters": {"n": 1}}\n' * 2,
}
READERS = {
    "items": read_items,
    "events": lambda path: read_events(path, NOW),
    "tickets": read_tickets,
}


def _rows(name: str, path: Path) -> bytes:
    """What a file holds, as what can be stored."""
    return msgspec.json.encode(READERS[name](path).rows)


FIELDS = (
    (b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nhello\r\n--x\r\n'
    b'Content-Disposition: form-data; name="file"; filename="a.csv"\r\nContent-Type: text/csv\r\n'
    b"Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--x--\r\n"),
    (b'--x\r\nContent-Disposition: form-data; name="a"\r\n'
    b"Content-Type: text/plain; charset=cp1251\r\n\r\n\xcf\xf0\r\n--x--\r\n"),
)  # fmt: skip
BODIES: Mapping[type, dict[str, object]] = {
    NewMessage: {
        "external_id": "1",
        "customer": {"id": "c", "name": "Ann"},
        "text": "where \u0416",
    },
    Question: {"text": "where is my parcel", "top_k": 3},
    NewReply: {"text": "On its way.", "idempotency_key": "k1"},
    VisitorMessage: {"id": "aaaaaaaa", "text": "hello"},
    NewItems: {"items": [{"id": "1", "title": "Lamp"}]},
}
EVENTS = (
    b'{"name": "open", "customer": "c", "at": 1700000000, "id": "1", "counters": {"n": 1}}',
    b'[{"name": "a", "visitor": "v"}, {"name": "b", "title": "\\ud83d\\ude00 \\u0000"}]',
    b'{"name": "a", "visitor": "v"}\n{"name": "b", "company": "f"}\n',
)
UPDATES = tuple(
    json.dumps({"update_id": 9, kind: {
        "message_id": 5, "date": 1, "chat": {"id": 7, "type": "private"},
        "from": {"id": 7, "is_bot": False, "first_name": "Ann", "language_code": "ru"}, **more,
    }}).encode()
    for kind, more in (
        ("message", {"text": "\u0413\u0434\u0435 \U0001f600?"}),
        ("edited_message", {"text": "new", "edit_date": 2}),
        ("message", {"photo": [{"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1}]}),
        ("message", {"location": {"latitude": 1.5, "longitude": 2.5}}),
        ("message", {"document": {"file_id": "f", "file_unique_id": "u", "file_name": "a\u202e"}}),
    )
)  # fmt: skip
HEAD = (
    b"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer abc\r\n"
    b"Content-Length: 12\r\nUser-Agent: a b"
)
INSIGHT = "id;days;plan;paid\n" + "".join(f"u{n};{n},5;p{n % 3};{n % 2}\n" for n in range(60))


@dataclass(frozen=True, slots=True)
class Parser:
    """``costs``: how many plain ones one reading stands for."""

    read: Callable[[bytes], object]
    examples: tuple[bytes, ...]
    refusals: tuple[type[BaseException], ...] = (NeurobotError,)
    costs: int = 1


def _file(name: str, read: Callable[[Path], object], *examples: bytes, **more: object):
    def made(folder: Path) -> Parser:
        path = folder / name

        def parse(data: bytes) -> object:
            path.write_bytes(data)
            return read(path)

        return Parser(parse, examples, **more)

    return made


def _bytes(read: Callable[[bytes], object], *examples: bytes, **more: object):
    return lambda folder: Parser(read, examples, **more)


def _multipart(folder: Path) -> Parser:
    loop = asyncio.new_event_loop()
    protocol = BaseProtocol(loop)

    async def form(data: bytes) -> dict[str, object]:
        stream = StreamReader(protocol, 2**16, loop=loop)
        stream.feed_data(data)
        stream.feed_eof()
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        request = make_mocked_request("POST", "/", headers, payload=stream, loop=loop)
        fields = await read_multipart(request, 1_000_000)
        close_files(fields.values())
        return fields

    # what ``bot.http.form`` turns into a 400 or a 413
    refusals = (*_DAMAGED_BODY, LookupError, AssertionError, web.HTTPRequestEntityTooLarge)
    return Parser(lambda data: loop.run_until_complete(form(data)), FIELDS, refusals, 4)


def _bodies(data: bytes) -> None:
    """As each kind of body; one has to take the good ones."""
    refused = 0
    for kind in BODIES:
        try:
            decode_bytes(data, kind)
        except BadRequest:
            refused += 1
    if refused == len(BODIES):
        raise BadRequest


def _updates(folder: Path) -> Parser:
    """As the webhook and the polling loop read them, and as they are stored."""
    channel = object.__new__(TelegramChannel)
    channel._telegram, channel._catalogue = TelegramSettings(), Catalogue.load()

    def read(data: bytes) -> None:
        try:
            number, raw = _numbered(data)
        finally:
            with contextlib.suppress(ValueError, RecursionError):
                polled = json.loads(data)
                if isinstance(polled, dict):
                    stored(polled)
        assert 0 <= number < 2**63
        stored(raw)

    def stored(raw: dict[str, object]) -> None:
        clean(_dump(raw)).encode()
        inbound = channel._read(_parsed(raw, None), NOW)
        assert inbound is None or isinstance(inbound, Inbound)

    return Parser(read, UPDATES, costs=2)


def _artefact(folder: Path) -> Parser:
    """A file of a model whose manifest was made to fit: arrays, settings, or the manifest."""
    model = folder / "model"
    model.mkdir()
    arrays = save({"weights": np.ones((3, 4), np.float32), "ids": np.arange(5)})
    about = json.dumps({"labels": ["a", "b"], "slope": 1.5, "none": None}).encode()
    (model / "a.json").write_bytes(about)
    (model / "a.safetensors").write_bytes(arrays)
    write_manifest(model)
    manifest = (model / "manifest.json").read_bytes()

    def read(data: bytes) -> None:
        refused = []
        for name, load in (("a.json", load_json), ("a.safetensors", load_arrays)):
            (model / name).write_bytes(data)
            try:
                load(model / name)
            except ArtifactDamaged as error:
                refused.append(error)
        (model / "a.json").write_bytes(about)
        (model / "a.safetensors").write_bytes(arrays)
        (model / "manifest.json").write_bytes(data)
        try:
            verify(model)
        except ArtifactDamaged as error:
            refused.append(error)
        if len(refused) == 3:
            raise refused[0]

    return Parser(read, (arrays, about, manifest), (ArtifactDamaged,), 10)


def _items() -> list[KnowledgeItem]:
    names = ("lamp", "chair", "mirror", "bicycle", "kettle")
    return [
        KnowledgeItem(n, f"The {name} stands in hall {n}.", f"Hall {n}", "halls", "en",
                      (f"Where do I find the {name}?",))
        for n, name in enumerate(names * 4, 1)
    ]  # fmt: skip


def _snapshot(folder: Path) -> Parser:
    """One file of an index whose checksum was made to fit: who reads it has only itself."""
    index = CandidateIndex()
    index.put(_items())
    files = IndexFiles(Settings(data_dir=str(folder)), None)
    place = files._folder / "cold"
    place.parent.mkdir(parents=True, exist_ok=True)
    save_snapshot(place, _parts(index, dict.fromkeys(range(1, 21), 1)), _key(None))
    whole = folder / "whole"
    shutil.copytree(place, whole)
    paths = sorted(whole.glob("*.safetensors"))
    examples = tuple(bytes([number]) + path.read_bytes() for number, path in enumerate(paths))

    def read(data: bytes) -> None:
        path = place / paths[data[0] % len(paths) if data else 0].name
        path.write_bytes(data[1:])
        about = json.loads((whole / "snapshot.json").read_text())
        about["files"][path.name] = _checksum(path)
        (place / "snapshot.json").write_text(json.dumps(about))
        try:
            found = files._open(None)
            if found is None:
                raise SnapshotDamaged
            for question in ("where is the lamp", "hall 7", "стул"):
                found.index.search(question)
        except (ValueError, IndexError) as error:  # values that lie: no worse than an error
            raise SnapshotDamaged from error
        finally:
            shutil.copyfile(whole / path.name, path)

    return Parser(read, examples, (SnapshotDamaged,), 40)


def _snapshot_manifest(folder: Path) -> Parser:
    place = folder / "index"
    save_snapshot(place, [("one", {"ids": np.arange(5)})], {"bundle": "b"})
    path = place / "snapshot.json"
    whole = path.read_bytes()

    def read(data: bytes) -> None:
        path.write_bytes(data)
        load_snapshot(place, {"bundle": "b"})

    return Parser(read, (whole,), (SnapshotDamaged, SnapshotStale), 4)


def _backup(folder: Path) -> Parser:
    """A backup; what is restored of it has to open and to be sound."""
    settings = Settings(data_dir=str(folder / "restored"))
    made = folder / "backup.db"

    async def fill() -> None:
        store = Store.open(Settings(data_dir=str(folder / "data")))
        await store.knowledge.save(text="Within three days.", questions=["Where is it?"])
        await store.backup(made)
        await store.close()

    asyncio.run(fill())
    whole = made.read_bytes()

    def read(data: bytes) -> None:
        made.write_bytes(data)
        restore(made, settings)
        asyncio.run(look())

    async def look() -> None:
        store = Store.open(settings)
        try:
            assert (await store.check()).sound
        finally:
            await store.close()
            for left in settings.data_path.iterdir():
                left.unlink()

    return Parser(read, (whole,), (BadData,), 400)


PARSERS: Mapping[str, Callable[[Path], Parser]] = {
    "multipart form": _multipart,
    "JSON bodies": _bytes(_bodies, *(json.dumps(one).encode() for one in BODIES.values())),
    "events": _bytes(lambda data: events_of(data, NOW, 65_536), *EVENTS),
    "event envelope": _bytes(envelope, b'{"key": "k", "events": [{"name": "a"}]}'),
    "event lane's head": _bytes(_read_head, HEAD),
    "Telegram updates": _updates,
    "knowledge.csv": _bytes(
        lambda data: msgspec.json.encode(parse_knowledge(data).rows), TABLES["knowledge"], costs=2
    ),
    **{
        f"{name}.csv": _file(f"{name}.csv", partial(_rows, name), TABLES[name], costs=2)
        for name in ("tickets", "items", "events")
    },
    **{
        f"{name}.jsonl": _file(f"{name}.jsonl", partial(_rows, name), LINES[name], costs=2)
        for name in ("items", "events")
    },
    "customers.csv": _file(
        "customers.csv", lambda path: read_table(path, target="paid"), INSIGHT.encode(),
        INSIGHT.replace(";", "\t").encode(), costs=10,
    ),
    "customers.csv.gz": _file(
        "customers.csv.gz", lambda path: read_table(path, target="paid"),
        gzip.compress(INSIGHT.encode(), mtime=0), costs=10,
    ),
    "model files": _artefact,
    "index files": _snapshot,
    "index manifest": _snapshot_manifest,
    "backup": _backup,
}  # fmt: skip
