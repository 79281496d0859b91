"""How the cost grows with the knowledge base and with what is stored, as figures and a plot."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from admin.bench.dense import DensePath, load_models, read_answers
from admin.bench.holding import fill
from admin.bench.judge import Judge
from admin.bench.material import Material
from admin.bench.peers.ranking import least_us
from admin.bench.process import free_port
from admin.bench.stacks import Load, default_stack, fast_stack
from admin.bench.texts import TextMaker
from bot.domain import Inbound
from bot.settings import load_settings
from bot.store.store import Store
from bot.ui.charts import Series, line

_ASKED: Final = 200
_WRITES: Final = 2000
_TITLE: Final = "Processor time of a message, ms, by the number of answers"
_STYLE: Final = (
    "svg{background:#fff}text{font:12px sans-serif;fill:#444}.end{text-anchor:end}"
    ".middle{text-anchor:middle}.grid{stroke:#ddd}.line{stroke-width:2}"
    ".s0{stroke:#1f6feb;fill:#1f6feb}.s1{stroke:#c2410c;fill:#c2410c}"
    ".line.s0,.line.s1{fill:none}text.s0,text.s1{stroke:none}"
)


@dataclass(slots=True)
class Growth:
    """The same figures at several sizes.

    Args:
        judge: runs them.
        material: what is served.
        load: of each server.
    """

    judge: Judge
    material: Material
    load: Load

    def figures(self, answers: Sequence[int], messages: Sequence[int]) -> dict[str, Any]:
        """``answers`` and ``messages``: a list of figures each, by size."""
        return {
            "answers": [self._answers(size, default=size <= 100_000) for size in answers],
            "messages": [self._messages(size) for size in messages],
        }

    def _answers(self, size: int, *, default: bool) -> dict[str, Any]:
        found: dict[str, Any] = {"n": size}
        fast, foreign = self.judge.quietly(
            f"growth: fast, {size:,} answers",
            lambda: fast_stack(self.material, size, self.load).measure(self.load),
        )
        found |= {"fast": fast.figures(), "foreign_cores": round(foreign, 3)}
        if default:
            few = Load(self.load.seconds, min(self.load.most, 200))
            measured, foreign = self.judge.quietly(
                f"growth: default, {size:,} answers",
                lambda: default_stack(self.material, size, few).measure(few),
            )
            found |= {"default": measured.figures(), "default_foreign_cores": round(foreign, 3)}
        models = load_models(self.material.fast_models())
        vectors = np.load(self.material.vectors(size))
        path = DensePath(*models, read_answers(self.material.answers(size)), vectors, None)
        asked = self.material.questions()[:_ASKED]
        return found | {"fast_rank_us": round(least_us(lambda q: path.answer([q]), asked), 1)}

    def _messages(self, size: int) -> dict[str, Any]:
        """Processor time of storing one more message beside ``size`` others."""
        config, _ = self.material.server_files(0, "NORMAL", free_port())
        store = Store.open(load_settings(config, environ={}), time.time)

        async def measure() -> dict[str, Any]:
            try:
                maker = TextMaker(self.material.sources, seed=3)
                await fill(store, maker, size, self.judge.tell)
                asked, began = self.material.questions(), time.process_time()
                for number in range(_WRITES):
                    text = asked[number % len(asked)]
                    one = Inbound("web", f"w{number}", f"v{number % 500}", text, time.time())
                    await store.conversations.receive([one])
                spent = time.process_time() - began
                return {"n": size, "receive_cpu_us": round(spent / _WRITES * 1e6, 1)}
            finally:
                await store.close()

        return asyncio.run(measure())


def draw(found: dict[str, Any], path: Path) -> None:
    """Processor time of a request over the number of answers, as an SVG file."""
    sizes = found["answers"]
    series = [
        Series(name, [one[name]["cpu_us"] / 1e3 if name in one else None for one in sizes])
        for name in ("default", "fast")
    ]
    page = str(
        line(_TITLE, [f"{one['n']:,}" for one in sizes], series, corner="answers", summary="-")
    )
    start = page.rindex("<svg")  # those before it are the marks of its legend
    end = page.index("</svg>", start)
    head, drawn = page[start:end].split(">", 1)
    legend = f'<text x="64" y="12">{_TITLE}: </text>' + "".join(
        f'<text class="s{place}" x="{470 + 80 * place}" y="12">{one.name}</text>'
        for place, one in enumerate(series)
    )
    opened = head.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    path.write_text(f"{opened}><style>{_STYLE}</style>{legend}{drawn}</svg>", encoding="utf-8")
