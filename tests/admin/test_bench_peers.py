"""The comparison with peers: what the report says, when it counts for nothing, when it fails."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from xml.etree import ElementTree

import aiohttp
import pytest

from admin.bench.dense import DensePath, KnownAnswer
from admin.bench.dense_server import Together, serve
from admin.bench.dense_store import LoopStore, open_store
from admin.bench.driver import closed_loop, open_loop, requests
from admin.bench.growth import draw
from admin.bench.judge import Judge
from admin.bench.peer_environment import PACKAGES, prepare
from admin.bench.process import free_port, running
from admin.bench.quiet import Quiet, busy_s, own_s
from admin.bench.report import FAILED, VOID, Row, lines
from admin.bench.texts import Source
from admin.bench.writing import Writing
from admin.cli import run
from bot.errors import NeurobotError
from nlp.classifier import TicketClassifier
from nlp.train.classifier import LabelledText, fit_classifier
from nlp.train.ranker import EncoderSettings, fit_encoder

SOURCES = [
    Source(f"Turn lever {i}. Then wait {i} minutes.", f"Lever {i}", "up" if i % 2 else "down", "en",
           (f"where is lever {i}", f"lever {i} does not move at all"))
    for i in range(12)
]  # fmt: skip
# A peer that needs nothing to be installed: answers any request after a little work.
WORK = "import time\nwhile time.process_time() < 0.3: pass"
PEER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.reply()
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        sum(range(20000))
        self.reply()
    def reply(self):
        status = 500 if self.path == "/broken" else 200
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_a_ratio_is_times_better_for_times_and_for_rates():
    assert Row("a", "ms", ours=2, peer=10, floor=5).ratio == 5
    assert Row("a", "per s", ours=10, peer=2, floor=5, rate=True).ratio == 5
    assert Row("a", "ms", ours=2, peer=10, floor=5).passed
    assert not Row("a", "ms", ours=2.1, peer=10, floor=5).passed
    assert not Row("a", "ms", ours=0, peer=10, floor=5).passed  # nothing measured, nothing passed


def test_a_row_below_its_floor_fails_the_comparison():
    judge = Judge(print)
    judge.add(Row("good", "ms", 1, 10, 5), 0.0)
    assert judge.comparison.exit_code() == 0
    judge.add(Row("bad", "ms", 3, 10, 5), 0.0)
    assert judge.comparison.exit_code() == FAILED == 3
    document = judge.comparison.document(0.15)
    assert [row["passed"] for row in document["rows"]] == [True, False]
    assert {"id", "ours", "peer", "ratio", "floor"} <= set(document["rows"][0])
    assert "FAILED" in str(lines(judge.comparison)[1])


def test_a_row_of_a_busy_machine_is_void_and_neither_passes_nor_fails():
    judge = Judge(print)
    judge.add(Row("bad", "ms", 3, 10, 5), 0.0, 0.4)
    assert judge.comparison.exit_code() == VOID == 4
    (row,) = judge.comparison.document(0.15)["rows"]
    assert row["void"]
    assert not row["passed"]
    assert not judge.comparison.document(0.15)["quiet"]["quiet"]


def test_a_skipped_peer_is_not_passed(tmp_path):
    peers = prepare(tmp_path / "none", print, install=False)
    assert set(peers.missing) == set(PACKAGES)
    judge = Judge(print)
    Writing(judge, peers, tmp_path, 0.1).compare()
    document = judge.comparison.document(0.15)
    assert document["rows"] == []
    assert {one["id"] for one in document["skipped"]} == {
        "writes-sqlite-utils-normal", "writes-sqlite-utils-full",
    }  # fmt: skip
    assert all("not installed" in one["reason"] for one in document["skipped"])


def test_work_of_children_is_not_foreign_and_work_of_others_is():
    with Quiet() as alone:
        before = own_s()
        child = subprocess.Popen([sys.executable, "-c", WORK])
        while own_s() - before < 0.2:  # a living child's time is ours
            assert child.poll() is None
            time.sleep(0.02)
        child.wait()
    assert own_s() - before >= 0.25  # and still is when it has ended
    assert busy_s() > own_s()
    assert alone.foreign_cores < os.cpu_count()


def test_a_disturbed_run_is_repeated_once():
    calls = []
    judge = Judge(lambda _: None, most_foreign=-1.0)  # any run counts as disturbed
    value, foreign = judge.quietly("work", lambda: calls.append(1) or len(calls))
    assert len(calls) == 2
    assert value in {1, 2}
    assert foreign >= 0


@pytest.fixture
def peer(tmp_path):
    port = free_port()
    command = [sys.executable, "-c", PEER, str(port)]
    with running(command, port=port, ready="/ready", log=tmp_path / "log") as server:
        yield server


def test_clients_in_closed_and_open_loop(peer):
    asked = requests("/suggest", [{"text": "one"}, {"text": "два"}])
    seen = closed_loop(peer.port, asked, connections=4, seconds=30, most=40)
    assert (len(seen.waits_ms), seen.failed) == (40, 0)
    assert 0 < seen.p50 <= seen.p99
    began = time.perf_counter()
    steady = open_loop(peer.port, asked, per_second=50, seconds=0.4, connections=4)
    assert (len(steady.waits_ms), steady.failed) == (20, 0)
    assert time.perf_counter() - began >= 0.35
    broken = closed_loop(peer.port, requests("/broken", [{}]), connections=1, seconds=9, most=3)
    assert (len(broken.waits_ms), broken.failed) == (0, 3)
    peer.wait_until_idle(30)
    assert peer.cpu_s() > peer.ready_cpu_s > 0
    assert peer.resident_bytes() > 1_000_000


def test_a_server_that_does_not_start_says_its_last_word(tmp_path):
    command = [sys.executable, "-c", "raise SystemExit('no such model')"]
    with (
        pytest.raises(NeurobotError, match="no such model"),
        running(command, port=free_port(), ready="/", log=tmp_path / "log"),
    ):
        pass


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    rows = [LabelledText(q, source.category) for source in SOURCES for q in source.questions]
    fit_classifier(rows, folder, preset="fast")
    pairs = [(q, place) for place, source in enumerate(SOURCES) for q in source.questions]
    encoder = fit_encoder(
        [source.text for source in SOURCES], pairs, EncoderSettings(dimension=16, epochs=5)
    )
    return TicketClassifier.load(folder), encoder


def path_of(models, store):
    classifier, encoder = models
    answers = [
        KnownAnswer(place, s.text, s.title, s.category, s.language, s.questions)
        for place, s in enumerate(SOURCES)
    ]
    vectors = encoder.encode_answers([source.text for source in SOURCES])
    return DensePath(classifier, encoder, answers, vectors, store)


def texts_in(file):
    with contextlib.closing(sqlite3.connect(file)) as other:
        joined = "messages m JOIN suggestions s ON s.message_id = m.id"
        return [row[0] for row in other.execute(f"SELECT m.text, s.payload FROM {joined}")]


@pytest.mark.parametrize("synced", [False, True])
async def test_the_fast_path_stores_before_it_replies(models, tmp_path, synced):
    file = tmp_path / "fast.db"
    path = path_of(models, open_store(file, synced=synced))
    together = Together(path, asyncio.Protocol)
    asked = ["where is lever 3", "lever 5 does not move", "lever 7"]
    replies = await asyncio.gather(*(together.ask(text) for text in asked))
    assert sorted(texts_in(file)) == sorted(asked)
    await path.close()
    for reply in map(json.loads, replies):
        assert len(reply["suggestions"]) == 10
        confidences = [one["confidence"] for one in reply["suggestions"]]
        assert confidences == sorted(confidences, reverse=True)
        assert reply["suggestions"][0]["answer"]["text"].startswith("Turn lever")
        assert set(reply["categories"]) == {"up", "down"}


async def test_what_comes_during_a_checkpoint_is_stored_behind_it(tmp_path):
    store = LoopStore(tmp_path / "fast.db")
    assert list(store.store_now([("a", b"1"), ("b", b"2")])) == [1, 2]
    store.begin_checkpoint()
    assert store.store_now([("too early", b"3")]) is None
    assert list(await store.store([("c", b"3")])) == [3]
    assert list(store.store_now([("d", b"4")])) == [4]
    await store.close()
    assert texts_in(tmp_path / "fast.db") == ["a", "b", "c", "d"]


async def test_the_fast_server_answers_plain_and_other_requests(models, tmp_path):
    path = path_of(models, open_store(tmp_path / "fast.db", synced=False))
    port = free_port()
    serving = asyncio.ensure_future(serve(path, port))
    url = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession() as session:
        while not serving.done():
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"{url}/ready") as answer:
                    assert answer.status == 200
                    break
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        (plain,) = requests("/suggest", [{"text": "where is lever 3"}])
        writer.write(plain)
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.partition(b"Content-Length: ")[2].split()[0])
        short = json.loads(await reader.readexactly(size))
        writer.close()
        odd = {"json": {"text": "where is lever 3"}, "headers": {"X-Odd": "1"}}
        async with session.post(f"{url}/suggest", **odd) as answer:
            whole = await answer.json()
        async with session.post(f"{url}/suggest", data=b"{") as answer:
            assert answer.status == 400
    assert (short.pop("message_id"), whole.pop("message_id")) == (1, 2)
    assert short == whole
    os.kill(os.getpid(), signal.SIGTERM)
    await serving


def test_the_command_writes_its_report(tmp_path, capsys):
    path = tmp_path / "build" / "bench.json"
    small = ["--n", "50", "--seconds", "0.1", "--messages", "200", "--no-install"]
    parts = ["--part", "writing", "--part", "search"]
    code = run(["bench", "peers", "--write", str(path), *small, *parts])
    document = json.loads(path.read_text(encoding="utf-8"))
    assert set(document) == {"rows", "quiet", "skipped"}
    assert [row["id"] for row in document["rows"]] == ["search-newest-200", "search-two-words-200"]
    assert {"foreign_cores", "most_foreign_cores", "quiet"} == set(document["quiet"])
    assert len(document["skipped"]) == 2
    passed = all(row["passed"] for row in document["rows"])
    assert (code == 0) == passed
    shown = capsys.readouterr()
    assert "search-newest-200" in shown.out
    assert "0.15 are allowed" in shown.err


def test_the_plot_of_growth_is_a_file_of_its_own(tmp_path):
    answers = [
        {"n": 1000, "default": {"cpu_us": 4000.0}, "fast": {"cpu_us": 200.0}},
        {"n": 1_000_000, "fast": {"cpu_us": 900.0}},
    ]
    draw({"answers": answers, "messages": []}, tmp_path / "growth.svg")
    drawn = ElementTree.parse(tmp_path / "growth.svg").getroot()
    assert drawn.tag.endswith("svg")
    assert "1,000,000" in "".join(drawn.itertext())


def test_sizes_that_are_none_are_named(capsys):
    assert run(["bench", "peers", "--n", "10,x"]) == 2
    assert "'10,x' is not a list" in capsys.readouterr().err
