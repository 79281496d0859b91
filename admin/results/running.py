"""Runs the commands of the table one after another and writes what they gave into the document."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from admin.importers.tickets import read_tickets
from admin.results.figures import Figure, Reports
from admin.results.insights import SAMPLE, prepare_sample
from admin.results.table import RUNS, SECTIONS
from bot.errors import BadData, NeurobotError
from nlp.labels import encode, stratified_folds

Tell = Callable[[str], None]

_BEGIN: Final = "<!-- figures: made by `make results` -->"
_END: Final = "<!-- end of figures -->"
_LABELS: Final = 10  # of each category where labels are few
_PARTS: Final = 5  # one of which is kept to judge by
# Corpora of which a few tickets keep their category, and where those that judge stand.
_FEW: Final = (("banking77", None), ("clinc150", "val.csv"))


def run_all(data: Path, work: Path, names: Sequence[str], *, fresh: bool, tell: Tell) -> None:
    """Run the named commands; what an earlier call has finished stays unless ``fresh``.

    Raises:
        BadData: the folder of corpora is not there.
        NeurobotError: a command failed.
    """
    if not data.is_dir():
        raise BadData(f"There is no folder {data}.", remedy="Name the folder of the corpora.")
    work.mkdir(parents=True, exist_ok=True)
    _prepare(data, work)
    prepare_sample(work)
    for place, name in enumerate(names, 1):
        report = work / f"{name}.json"
        if report.exists() and not fresh:
            continue
        if name == SAMPLE and not (work / "cdnow-sample.csv").exists():
            tell(f"{name}: passed over, lifetimes is not installed")
            continue
        began = time.monotonic()
        tell(f"{place} of {len(names)}: {name}")
        words = shlex.split(RUNS[name].format(data=data, work=work))
        ended = subprocess.run(  # noqa: S603 - our own command line
            [sys.executable, "-m", "admin", *words, "--json"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if ended.returncode:
            last = ended.stderr.strip().splitlines()[-1:] or ["no message"]
            raise NeurobotError(f"{name}: {last[0]}", remedy="By hand: " + shlex.join(words))
        # Named last, so that what was interrupted is run again.
        report.with_suffix(".part").write_text(ended.stdout, encoding="utf-8")
        report.with_suffix(".part").replace(report)
        tell(f"{name}: {time.monotonic() - began:.0f} s")


def read_reports(work: Path) -> dict[str, Any]:
    """Reports of the runs that are finished."""
    files = {name: work / f"{name}.json" for name in RUNS}
    return {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name, path in files.items()
        if path.exists()
    }


def write_table(document: Path, reports: Reports) -> None:
    """Put the figures between the two marks of the document.

    Raises:
        BadData: the marks are not there.
    """
    text = document.read_text(encoding="utf-8")
    if text.count(_BEGIN) != 1 or text.count(_END) != 1:
        raise BadData(f"{document}: the marks for the figures are missing.", remedy=_BEGIN)
    before, rest = text.split(_BEGIN)
    document.write_text(
        f"{before}{_BEGIN}\n{tables(reports)}\n{_END}{rest.split(_END)[1]}", "utf-8"
    )


def tables(reports: Reports) -> str:
    """All sections as Markdown, then the command of each run."""
    parts = []
    for title, figures in SECTIONS.items():
        lines = [f"### {title}", "", "| what | ours | best peer | floor | goal | runs |",
                 "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
        lines += [_line(figure, reports) for figure in figures]
        parts.append("\n".join(lines))
    commands = [f"{name}: neurobot {command}" for name, command in RUNS.items()]
    return "\n\n".join([*parts, "### Commands", "```text\n" + "\n".join(commands) + "\n```"])


def misses(reports: Reports) -> list[str]:
    """Figures under their floor, and those that have not been measured."""
    return [
        figure.what
        for figures in SECTIONS.values()
        for figure in figures
        if not figure.holds(_read(figure, reports), figure.floor)
    ]


def _line(figure: Figure, reports: Reports) -> str:
    value = _read(figure, reports)
    peer = figure.peer(reports) if figure.peer is not None and value is not None else None
    kept = {None: "", True: "", False: " (missed)"}
    goal = figure.holds(value, figure.goal)
    cells = (
        figure.what,
        f"**{figure.shown(value)}**" if goal else figure.shown(value),
        figure.shown(peer),
        figure.shown(figure.floor) + kept[figure.holds(value, figure.floor)],
        figure.shown(figure.goal) + kept[goal],
        _runs(figure.runs),
    )
    return "| " + " | ".join(cells) + " |"


def _runs(names: Sequence[str]) -> str:
    if len(names) < 4:
        return ", ".join(names)
    return f"{names[0]} .. {names[-1]}"


def _read(figure: Figure, reports: Reports) -> float | None:
    if any(run not in reports for run in figure.runs):
        return None
    return figure.ours(reports)


def _prepare(data: Path, work: Path) -> None:
    """Files with few labels: some tickets with their category, the rest without, some to judge."""
    for name, judging in _FEW:
        folder = data / name
        tickets = read_tickets(folder / "train.csv").accepted(partial=False)
        texts = [ticket.text for ticket in tickets]
        names = [ticket.category for ticket in tickets]
        _, numbers = encode(names)
        rest = np.arange(len(tickets))
        if judging is None:
            held = stratified_folds(numbers, _PARTS, seed=7) == 0
            rest = np.flatnonzero(~held)
            _write(work / f"{name}-dev.jsonl", texts, names, np.flatnonzero(held))
        else:
            others = read_tickets(folder / judging).accepted(partial=False)
            _write(
                work / f"{name}-dev.jsonl", [one.text for one in others],
                [one.category for one in others], np.arange(len(others)),
            )  # fmt: skip
        order = np.random.default_rng(0).permutation(rest)
        taken: dict[int, int] = {}
        few = []
        for place in order.tolist():
            number = int(numbers[place])
            taken[number] = taken.get(number, 0) + 1
            if taken[number] <= _LABELS:
                few.append(place)
        _write(work / f"{name}-few.jsonl", texts, names, np.sort(few))
        unsorted = np.setdiff1d(rest, few)
        lines = "\n".join(" ".join(texts[place].split()) for place in unsorted.tolist())
        (work / f"{name}-rest.txt").write_text(lines + "\n", encoding="utf-8")


def _write(path: Path, texts: Sequence[str], names: Sequence[str], places: Any) -> None:
    rows: Mapping[str, str]
    with path.open("w", encoding="utf-8") as file:
        for place in places.tolist():
            rows = {"text": texts[place], "category": names[place]}
            file.write(json.dumps(rows, ensure_ascii=False) + "\n")
