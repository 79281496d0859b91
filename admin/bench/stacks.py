"""Whole servers under one load: what ships, the fast preset, and what one would pick instead.

Every server stores the message and its suggestions and counts what it does after it has replied.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from admin.bench.driver import Seen, closed_loop, open_loop, requests
from admin.bench.judge import Judge
from admin.bench.material import Material
from admin.bench.peer_environment import Peers
from admin.bench.process import Server, free_port, running
from admin.bench.report import Row

_CLIENTS: Final = 16
_WARM: Final = 40
_FEW: Final = 400  # messages of the default path, which goes on with them after it has replied
_CUSTOMERS: Final = 1000  # who write in turn, so that most are known
_START_S: Final = 1500.0
_IDLE_S: Final = 300.0
_DURABLE: Final = "NORMAL"  # of every side; what FULL costs is said beside the fast preset
_ROUNDS: Final = 3
_SHORT_S: Final = 1.0  # a load of less is a trial of the bench itself, and run once
_SHARE: Final = 0.5  # of the closed loop's rate, for the open loop
_NEEDS: Final = {
    "minilm": ("torch", "web", "faiss", "minilm"),
    "hashing": ("torch", "web", "faiss", "scikit-learn"),
    "same": ("web", "faiss", "ours"),
}


@dataclass(frozen=True, slots=True)
class Load:
    """How long, and how many requests at most, each phase lasts."""

    seconds: float = 5.0
    most: int = 4000


@dataclass(frozen=True, slots=True)
class Measured:
    """One server under load.

    Attributes:
        cpu_us: processor time of the server for a request, at 16 connections, all that follows
            from it included.
        one, many, steady: what clients saw: one, sixteen, and at a fixed rate.
        ready_cpu_s: processor time until it could work.
        resident_bytes: memory after the load.
    """

    cpu_us: float
    one: Seen
    many: Seen
    steady: Seen
    ready_cpu_s: float
    resident_bytes: int

    def figures(self) -> dict[str, object]:
        """For the report."""
        return {
            "cpu_us": round(self.cpu_us, 1),
            "one": self.one.figures(),
            "sixteen": self.many.figures(),
            "open_loop": self.steady.figures(),
            "ready_cpu_s": round(self.ready_cpu_s, 2),
            "resident_mb": round(self.resident_bytes / 1e6, 1),
        }


@dataclass(frozen=True, slots=True)
class Stack:
    """A server that can be started and what it is asked."""

    command: Sequence[str]
    port: int
    wanted: Sequence[bytes]
    log: Path

    def measure(self, load: Load) -> Measured:
        """Start it, load it, end it."""
        with running(
            self.command, port=self.port, ready="/ready", log=self.log, patience_s=_START_S
        ) as server:
            return _drive(server, self.wanted, load)


def _drive(server: Server, wanted: Sequence[bytes], load: Load) -> Measured:
    parts = (len(wanted) - _WARM) // 3
    warm, first, second, third = (
        wanted[:_WARM],
        wanted[_WARM : _WARM + parts],
        wanted[_WARM + parts : _WARM + 2 * parts],
        wanted[_WARM + 2 * parts :],
    )
    most = min(load.most, parts)
    closed_loop(server.port, warm, connections=4, seconds=load.seconds, most=_WARM)
    server.wait_until_idle(_IDLE_S)
    one = closed_loop(server.port, first, connections=1, seconds=load.seconds, most=most)
    server.wait_until_idle(_IDLE_S)
    before = server.cpu_s()
    many = closed_loop(server.port, second, connections=_CLIENTS, seconds=load.seconds, most=most)
    server.wait_until_idle(_IDLE_S)
    cpu_us = (server.cpu_s() - before) / max(len(many.waits_ms), 1) * 1e6
    rate = min(_SHARE * 1e6 / cpu_us, most / load.seconds) if cpu_us else 1.0
    steady = open_loop(
        server.port,
        third,
        per_second=max(rate, 1.0),
        seconds=load.seconds,
        connections=4 * _CLIENTS,
    )
    server.wait_until_idle(_IDLE_S)
    return Measured(cpu_us, one, many, steady, server.ready_cpu_s, server.resident_bytes())


def _middle(make: Callable[[], Stack], load: Load) -> Measured:
    """Of three runs the one with the middle processor time; each side is judged by that."""
    rounds = _ROUNDS if load.seconds >= _SHORT_S else 1
    runs = sorted((make().measure(load) for _ in range(rounds)), key=lambda one: one.cpu_us)
    return runs[rounds // 2]


def default_stack(material: Material, size: int, load: Load) -> Stack:
    """``neurobot serve`` as it ships, asked through its REST channel."""
    port = free_port()
    config, token = material.server_files(size, _DURABLE, port)
    asked = material.questions()
    bodies = [
        {
            "external_id": f"m{number}",
            "customer": {"id": f"c{number % _CUSTOMERS}"},
            "text": asked[number % len(asked)],
        }
        for number in range(_WARM + 3 * load.most)
    ]
    wanted = requests("/api/v1/messages", bodies, {"Authorization": f"Bearer {token}"})
    command = [sys.executable, "-m", "admin", "--config", str(config), "serve"]
    return Stack(command, port, wanted, material.folder / "default.log")


def fast_stack(material: Material, size: int, load: Load, durable: str = _DURABLE) -> Stack:
    """The towers alone, out of the product's parts."""
    port, files = free_port(), _fast_files(material, size)
    models, answers, vectors = (str(path) for path in files)
    database = str(_fresh(material.folder / "fast.db"))
    command = [
        sys.executable, "-m", "admin.bench.dense_server", str(port), models, answers, vectors,
        database, durable,
    ]  # fmt: skip
    return Stack(command, port, _asked(material, load), material.folder / "fast.log")


def peer_stack(material: Material, peers: Peers, kind: str, size: int, load: Load) -> Stack:
    """A FastAPI server: ``minilm``, ``hashing`` or ``same``."""
    port, database = free_port(), str(_fresh(material.folder / f"{kind}.db"))
    command = [str(peers.python), "-m", "admin.bench.peers.serving", kind, str(port)]
    command += [str(material.answers(size)), database, _DURABLE]
    if kind == "same":
        models, _, vectors = _fast_files(material, size)
        command += [str(models), str(vectors)]
    return Stack(command, port, _asked(material, load), material.folder / f"{kind}.log")


def _fast_files(material: Material, size: int) -> tuple[Path, Path, Path]:
    return material.fast_models(), material.answers(size), material.vectors(size)


def _asked(material: Material, load: Load) -> list[bytes]:
    asked = material.questions()
    count = min(_WARM + 3 * load.most, 4 * len(asked))
    return requests("/suggest", [{"text": asked[n % len(asked)]} for n in range(count)])


def _fresh(path: Path) -> Path:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return path


@dataclass(slots=True)
class Stacks:
    """The rows that compare whole servers.

    Args:
        judge: takes the rows.
        material: what is served and asked.
        peers: the other side.
        load: of each phase.
    """

    judge: Judge
    material: Material
    peers: Peers
    load: Load

    def compare(self, sizes: Sequence[int]) -> None:
        """All rows, the default path of every size first."""
        floors = {size: 15.0 if size <= 20_000 else 3.0 for size in sizes}
        minilm = {size: self._peer("minilm", size) for size in sizes}
        defaults = {}
        for size in sizes:
            names = [f"default-minilm-cpu-{size}"]
            if size == min(sizes):
                names += ["default-minilm-ready", "default-minilm-memory"]
            theirs = minilm[size]
            if theirs is None:
                self._skip("minilm", names)
                continue
            defaults[size] = self._default(size)
            self._row(names[0], defaults[size], theirs, floors[size])
        self._start(sizes, defaults, minilm)
        for size in sizes:
            self._fast(size, minilm[size])

    def _default(self, size: int) -> tuple[Measured, float]:
        few = replace(self.load, most=min(self.load.most, _FEW))
        return self.judge.quietly(
            f"default, {size:,} answers",
            # Made anew for each run: a message that was sent before is known and costs nothing.
            lambda: _middle(lambda: default_stack(self.material, size, few), few),
        )

    def _start(
        self,
        sizes: Sequence[int],
        defaults: dict[int, tuple[Measured, float]],
        minilm: dict[int, tuple[Measured, float] | None],
    ) -> None:
        size = min(sizes)
        ours, theirs = defaults.get(size), minilm[size]
        if ours is None or theirs is None:
            return
        foreign = ours[1], theirs[1]
        one, two = ours[0], theirs[0]
        self.judge.add(
            Row("default-minilm-ready", "cpu s", one.ready_cpu_s, two.ready_cpu_s, 8.0), *foreign
        )
        mb = [measured.resident_bytes / 1e6 for measured in (one, two)]
        self.judge.add(Row("default-minilm-memory", "MB", mb[0], mb[1], 4.0), *foreign)

    def _fast(self, size: int, minilm: tuple[Measured, float] | None) -> None:
        ours = self.judge.quietly(
            f"fast, {size:,} answers",
            lambda: _middle(lambda: fast_stack(self.material, size, self.load), self.load),
        )
        durable = fast_stack(self.material, size, self.load, "FULL").measure(self.load)
        names = [f"fast-minilm-cpu-{size}", f"fast-minilm-p50-{size}"]
        if minilm is None:
            self._skip("minilm", names)
        else:
            self._row(names[0], ours, minilm, 60.0, {"full": durable.figures()})
            p50 = ours[0].one.p50, minilm[0].one.p50
            self.judge.add(Row(names[1], "ms", p50[0], p50[1], 40.0), ours[1], minilm[1])
        for kind, floor in (("same", 1.5), ("hashing", 15.0)):
            theirs = self._peer(kind, size)
            name = f"fast-{kind}-cpu-{size}"
            if theirs is None:
                self._skip(kind, [name])
            else:
                self._row(name, ours, theirs, floor)
        one = ours[0].one
        self.judge.add(Row(f"fast-p99-{size}", "ms", one.p99, 4 * one.p50, 1.0), ours[1])

    def _peer(self, kind: str, size: int) -> tuple[Measured, float] | None:
        if self.peers.lacking(*_NEEDS[kind]):
            return None
        return self.judge.quietly(
            f"peer {kind}, {size:,} answers",
            lambda: _middle(
                lambda: peer_stack(self.material, self.peers, kind, size, self.load), self.load
            ),
        )

    def _skip(self, kind: str, names: Sequence[str]) -> None:
        self.judge.skip(names, self.peers.lacking(*_NEEDS[kind]))

    def _row(
        self,
        name: str,
        ours: tuple[Measured, float],
        theirs: tuple[Measured, float],
        floor: float,
        more: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        about = {"ours": ours[0].figures(), "peer": theirs[0].figures(), **more}
        row = Row(name, "cpu us", ours[0].cpu_us, theirs[0].cpu_us, floor, about=about)
        self.judge.add(row, ours[1], theirs[1])
