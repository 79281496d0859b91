"""A desk's first months in an hour: agents answer questions one by one, and the desk retrains.

A server of its own in a temporary folder, asked over its sockets as people ask it: customers write
over REST, agents answer on the desk's routes, trainings are started over the API. The right answer
of every question is known; an agent takes it where it is among the suggestions, or a wrong one by
mistake. What was learnt is judged on questions that nobody asked.
"""

from __future__ import annotations

import asyncio
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from admin.evaluate.corpus import Corpus, Question
from admin.evaluate.scratch import scratch_settings
from admin.evaluate.team_http import TeamHttp, opened
from admin.operations import import_articles
from bot import app
from bot.services import Services
from bot.settings import Settings
from bot.store import ArticleRow

Tell = Callable[[str], None]

_SHOWN: Final = 5  # suggestions that an agent reads
_WORSE: Final = 0.05  # chance below which a fall is not one
_AGENTS: Final = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """How the team works.

    Attributes:
        error: share of answers that are taken by mistake.
        retrain: verdicts between trainings; 0 never trains.
        seed: of the order of the questions and of the mistakes.
        preset: of the trainings.
        most: questions that are asked; 0: all there are.
    """

    error: float
    retrain: int
    seed: int
    preset: str = "default"
    most: int = 0


async def work(corpus: Corpus, plan: Plan, tell: Tell) -> dict[str, Any]:
    """One team's curve.

    Returns:
        ``seed``, ``fold``, ``retrain``; ``curve``: points of ``verdicts``, ``past`` (past questions
        an answer), ``hit_at_1`` and ``hit_at_5`` on the test questions, ``model``;
        ``asked_hit_at_1``: share of the asked questions whose first suggestion was right;
        ``trainings``: ``state``, ``reason``, ``before``, ``after``, ``worse_p``.

    Raises:
        NeurobotError: the server refused what a team may do.
    """
    with tempfile.TemporaryDirectory(prefix="neurobot-team-") as folder:
        async with app.running(_settings(Path(folder), plan)) as server:
            number = await _import(server.services, corpus)
            async with opened(server.services, server.url, _AGENTS) as http:
                return await _Team(corpus, plan, number, http, tell).work()


class _Team:
    """Agents at work, and what became of it."""

    def __init__(
        self, corpus: Corpus, plan: Plan, number: dict[str, int], http: TeamHttp, tell: Tell
    ) -> None:
        self._plan = plan
        self._fold = corpus.fold
        self._http = http
        self._tell = tell
        self._test = _judged(corpus.test, number)
        asked = _judged([*corpus.train, *corpus.dev], number)
        order = np.random.default_rng(plan.seed)
        chosen = order.permutation(len(asked))[: plan.most or len(asked)]
        self._asked = [asked[place] for place in chosen.tolist()]
        self._chance = order
        self._answers = len(set(number.values()))
        self._taught = 0  # answers that agents took
        self._first_right = 0
        self._curve: list[dict[str, Any]] = []
        self._trainings: list[dict[str, Any]] = []

    async def work(self) -> dict[str, Any]:
        """Answer everything; train and judge on the way."""
        await self._judge(0)
        step = self._plan.retrain or max(1, len(self._asked) // 8)
        for done, (text, right) in enumerate(self._asked, 1):
            await self._answer(text, right)
            if done % step == 0 or done == len(self._asked):
                self._tell(f"{done} of {len(self._asked)} answered")
                before = await self._judge(done)
                if self._plan.retrain:
                    await self._train(done, before)
        return {
            "seed": self._plan.seed,
            "retrain": self._plan.retrain,
            "error": self._plan.error,
            "asked": len(self._asked),
            "test": len(self._test),
            "fold": self._fold,
            "asked_hit_at_1": self._first_right / max(len(self._asked), 1),
            "curve": self._curve,
            "trainings": self._trainings,
        }

    async def _answer(self, text: str, right: frozenset[int]) -> None:
        question = await self._http.ask(text)
        shown = question.answer_ids[:_SHOWN]
        self._first_right += bool(shown) and shown[0] in right
        chosen = next((one for one in shown if one in right), None)
        wrong = [one for one in shown if one not in right]
        if wrong and self._chance.random() < self._plan.error:
            chosen = wrong[int(self._chance.integers(len(wrong)))]
        self._taught += chosen is not None
        agent = int(self._chance.integers(_AGENTS))
        # An answer that is not among the suggestions is written by hand and teaches nothing.
        await self._http.reply(agent, question, chosen)

    async def _judge(self, done: int) -> list[bool]:
        """Whether the first suggestion of each test question is right; a point of the curve."""
        found = [await self._http.suggest(text, _SHOWN) for text, _ in self._test]
        ranked = [ids for ids, _ in found]
        wanted = [right for _, right in self._test]
        first = [not right.isdisjoint(ids[:1]) for ids, right in zip(ranked, wanted, strict=True)]
        among = [not right.isdisjoint(ids) for ids, right in zip(ranked, wanted, strict=True)]
        self._curve.append({
            "verdicts": done,
            "past": round(self._taught / self._answers, 3),
            "hit_at_1": float(np.mean(first)),
            "hit_at_5": float(np.mean(among)),
            "model": found[0][1] if found else None,
        })  # fmt: skip
        return first

    async def _train(self, done: int, before: Sequence[bool]) -> None:
        job = await self._http.train(lambda stage: self._tell(f"training: {stage}"))
        after = await self._judge(done)
        self._trainings.append({
            "verdicts": done,
            "state": job["state"],
            "reason": job["reason"],
            "before": float(np.mean(before)),
            "after": float(np.mean(after)),
            "worse_p": worse_p(before, after),
        })  # fmt: skip


def worse_p(before: Sequence[bool], after: Sequence[bool]) -> float:
    """Chance of as many losses against gains or more, were both equally good.

    Source: exact one-sided sign test on discordant pairs, McNemar, Psychometrika 1947.
    """
    lost = sum(old and not new for old, new in zip(before, after, strict=True))
    n = lost + sum(new and not old for old, new in zip(before, after, strict=True))
    return float(sum(math.comb(n, k) for k in range(lost, n + 1)) / 2**n)


def summary(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the runs of several seeds say together: trainings that went live, and those worse."""
    live = [one for run in runs for one in run["trainings"] if one["state"] == "done"]
    return {
        "trainings": sum(len(run["trainings"]) for run in runs),
        "promoted": len(live),
        "worse": sum(one["worse_p"] < _WORSE for one in live),
        "least_p": min((one["worse_p"] for one in live), default=None),
        "last_hit_at_1": float(np.mean([run["curve"][-1]["hit_at_1"] for run in runs])),
    }


def _judged(
    questions: Sequence[Question], number: dict[str, int]
) -> list[tuple[str, frozenset[int]]]:
    """Questions with the ids of their right answers; those without one are left out."""
    return [
        (question.text, frozenset(number[one] for one in question.answers))
        for question in questions
        if question.answers
    ]


def _settings(folder: Path, plan: Plan) -> Settings:
    return scratch_settings(
        folder,
        {
            "http.requests_per_minute": 1_000_000,
            "answers.undo_s": 0.0,
            "answers.burst_quiet_s": 0.0,
            "training.preset": plan.preset,
        },
    )


async def _import(services: Services, corpus: Corpus) -> dict[str, int]:
    """Import the answers, each with its title as a question; gives their numbers by id."""
    rows = [
        ArticleRow(
            text=answer.text,
            title=answer.title,
            questions=(answer.title,) if answer.title else (),
            category=answer.category,
            language=answer.language,
            line=line,
        )
        for line, answer in enumerate(corpus.answers, 1)
    ]
    await import_articles(services, rows, dry_run=False)
    by_text = {
        article.text.strip(): article.id for article in await services.store.knowledge.all_items()
    }
    return {answer.id: by_text[answer.text.strip()] for answer in corpus.answers}


def run(plans: Sequence[tuple[Corpus, Plan]], tell: Tell) -> dict[str, Any]:
    """The report of several plans: ``data``, ``runs``, ``summary``."""
    runs = [asyncio.run(work(corpus, plan, tell)) for corpus, plan in plans]
    trained = [one for one in runs if one["retrain"]]
    return {
        "data": {"answers": len(plans[0][0].answers)},
        "runs": runs,
        "summary": summary(trained) if trained else {},
    }
