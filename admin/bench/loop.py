"""What the learning loop costs those who ask meanwhile: training, promoting and rolling back.

One server, one run: a quiet phase, one in which trainings run, a quiet one again, under the same
load; then models change places while more clients ask than it can answer at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import numpy as np

from admin.bench.load import Clients, Load, quantiles
from admin.bench.served import served
from admin.bench.texts import Source, TextMaker
from admin.evaluate.judging import rounded
from bot.errors import NeurobotError

Tell = Callable[[str], None]

_ASKED: Final = 200  # distinct questions of the load
_FIXED: Final = 50  # whose suggestions must stay the same
_POLL_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Plan:
    """The load.

    Attributes:
        articles: in the knowledge base; made of the sources where those are fewer.
        per_second: suggestions asked for, and as many messages written.
        seconds: of each quiet phase, and the least of the one with training.
        swaps: times that the other model is promoted, and rolled back.
        clients: who ask as fast as they are answered while models change places.
        preset: of the trainings; empty: the server's own.
        shadow: whether to measure the cost of a model in the shadow too.
    """

    articles: int = 0
    per_second: float = 10.0
    seconds: float = 60.0
    swaps: int = 10
    clients: int = 8
    preset: str = ""
    shadow: bool = False


async def bench(sources: Sequence[Source], plan: Plan, *, name: str, tell: Tell) -> dict[str, Any]:
    """The report: ``data``, ``phases``, ``training``, ``swaps``, with a shadow ``shadow``.

    Args:
        sources: texts of the knowledge base.
        plan: the load.
        name: of the texts, for the report.
        tell: told what is done.

    Raises:
        NeurobotError: the server did not start, or the first training failed.
    """
    tell("filling a server")
    async with served(sources, plan.articles) as session:
        run = _Run(sources, plan, session, tell)
        await run.train_first()
        report = await run.phases()
        if plan.shadow:
            report["shadow"] = await run.beside_a_shadow()
        report["swaps"] = await run.swaps()
    data = {
        "texts": name,
        "articles": max(len(sources), plan.articles),
        "per_second": plan.per_second,
        "seconds": plan.seconds,
        "preset": plan.preset or "default",
    }
    return {"data": data, **rounded(report)}


class _Run:
    """One server and its clients."""

    def __init__(
        self, sources: Sequence[Source], plan: Plan, session: aiohttp.ClientSession, tell: Tell
    ) -> None:
        self._plan = plan
        self._session = session
        self._tell = tell
        questions = TextMaker(sources).questions(_ASKED)
        self._clients = Clients(session, questions)
        self._fixed = questions[:_FIXED]

    async def train_first(self) -> None:
        job = await self._train()
        if job["state"] != "done":
            raise NeurobotError(f"The first training ended as '{job['state']}': {job['reason']}")

    async def phases(self) -> dict[str, Any]:
        """Latencies of the three phases, and their ratio."""
        before = await self._quiet("quiet, before")
        jobs: list[dict[str, Any]] = []
        began = time.perf_counter()
        async with self._clients.at_rate(self._plan.per_second) as training:
            while not jobs or time.perf_counter() - began < self._plan.seconds:
                jobs.append(await self._train())
        after = await self._quiet("quiet, after")
        quiet = Load(
            before.suggest_ms + after.suggest_ms,
            before.message_ms + after.message_ms,
            before.failed + after.failed,
        )
        figures = {
            "before": before.figures(),
            "training": training.figures(),
            "after": after.figures(),
            "quiet": quiet.figures(),
        }
        return {
            "phases": figures,
            "training": {
                "jobs": [job["state"] for job in jobs],
                "p99_ratio": figures["training"]["p99"] / figures["quiet"]["p99"],
            },
        }

    async def beside_a_shadow(self) -> dict[str, Any]:
        """Suggestions with and without a model that scores along, in turn."""
        _, other = await self._versions()
        loads: dict[bool, Load] = {False: Load(), True: Load()}
        for shadowed in (False, True, True, False):
            method, path = ("POST", f"/api/v1/models/{other}/shadow")
            if not shadowed:
                method, path = ("DELETE", "/api/v1/models/shadow")
            await self._call(method, path)
            found = await self._quiet("with a shadow" if shadowed else "without a shadow")
            loads[shadowed].suggest_ms += found.suggest_ms
            loads[shadowed].message_ms += found.message_ms
            loads[shadowed].failed += found.failed
        await self._call("DELETE", "/api/v1/models/shadow")
        without, beside = loads[False].figures(), loads[True].figures()
        return {"without": without, "with": beside, "p99_ratio": beside["p99"] / without["p99"]}

    async def swaps(self) -> dict[str, Any]:
        """Promote the other model and roll back, in turn, under load."""
        plan, times = self._plan, dict[str, list[float]](promote=[], rollback=[])
        live, other = await self._versions()
        said = await self._clients.suggestions(self._fixed)
        async with (
            self._clients.at_rate(plan.per_second) as steady,
            self._clients.waiting(plan.clients) as eager,
        ):
            for number in range(plan.swaps):
                self._tell(f"promoting and rolling back: {number + 1} of {plan.swaps}")
                times["promote"].append(
                    await self._timed(f"/api/v1/models/{other}/promote", {"force": True})
                )
                times["rollback"].append(await self._timed("/api/v1/models/rollback"))
        again = await self._clients.suggestions(self._fixed)
        return {
            "failed": steady.failed + eager.failed,
            "requests": sum(
                len(load.suggest_ms) + len(load.message_ms) for load in (steady, eager)
            ),
            "clients_ms": dict(zip(("p50", "p99"), quantiles(eager.suggest_ms), strict=True)),
            "same": sum(one == two for one, two in zip(said, again, strict=True)),
            "asked": len(said),
            "live_again": (await self._versions())[0] == live,
            **{
                f"{name}_ms": {"median": float(np.median(waits)), "max": max(waits)}
                for name, waits in times.items()
            },
        }

    async def _quiet(self, name: str) -> Load:
        self._tell(name)
        async with self._clients.at_rate(self._plan.per_second) as load:
            await asyncio.sleep(self._plan.seconds)
        return load

    async def _train(self) -> dict[str, Any]:
        body = {"kind": "train", "preset": self._plan.preset}
        job = await self._call("POST", "/api/v1/jobs", body)
        while job["finished_at"] is None:
            await asyncio.sleep(_POLL_S)
            job = await self._call("GET", f"/api/v1/jobs/{job['id']}")
            self._tell(f"training: {job['stage']}")
        return job

    async def _versions(self) -> tuple[str, str]:
        """The live version and the newest other one."""
        found = await self._call("GET", "/api/v1/models")
        live = found["live"]
        return live, next(one["version"] for one in found["items"] if one["version"] != live)

    async def _timed(self, path: str, body: dict[str, Any] | None = None) -> float:
        """Milliseconds until it is answered."""
        began = time.perf_counter()
        await self._call("POST", path, body)
        return (time.perf_counter() - began) * 1e3

    async def _call(
        self, method: str, path: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        async with self._session.request(method, path, json=body) as response:
            if response.status >= 400:
                raise NeurobotError(f"{method} {path}: {response.status} {await response.text()}")
            found: dict[str, Any] = await response.json()
            return found
