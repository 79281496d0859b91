"""A person taken out of everything, and the proof of it.

Files first, then the rows in one transaction, then the file written anew; a crash in between leaves
a customer who can be erased again. Afterwards the person's texts are looked for where they could
be: database, its file, the live index, artefacts, folders of trainings. What models learned cannot
be cut out of them: they are named, and a new training replaces them.
"""

from __future__ import annotations

import asyncio
import mmap
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from bot.domain import Customer
from bot.errors import NotFound
from bot.event import customer_of
from bot.services import Services
from bot.settings import Settings
from bot.store.erasing import Trace
from nlp.skeleton import fold, normalise

_SHORTEST = 12  # characters; shorter texts stand in half of all files by chance
_NEEDLE = 64  # characters of a long text that are looked for; pages of the file cut longer ones


@dataclass(frozen=True, slots=True)
class ErasureReport:
    """What was, or would be, taken out, and what is left.

    Attributes:
        counts: rows by table; of ``ledger`` the numbers stay, without text and person.
        texts: number of the person's texts; ``shared``: how many of them others said as well,
            ``short``: how many are too short to be looked for.
        files: attachments and folders removed.
        bundles: models that learned from the person's questions; retrain to remove.
        backups: copies made before, which still hold the person.
        found: places where a text or id of the person still stands, with a count.
    """

    customer: str
    dry_run: bool
    counts: Mapping[str, int]
    texts: int
    shared: int
    short: int
    files: tuple[str, ...]
    articles: tuple[int, ...]
    bundles: tuple[str, ...]
    backups: tuple[str, ...]
    found: Mapping[str, int] = field(default_factory=dict)


async def preview(services: Services, reference: str, *, look: bool = True) -> ErasureReport:
    """What an erasure would take out, and where the person's texts stand now.

    Args:
        services: the parts.
        reference: of the customer.
        look: whether to search for the texts; that reads every text of the database.

    Raises:
        NotFound: there is no such customer.
    """
    customer = await services.store.erasing.customer(reference)
    trace = await services.store.erasing.trace(customer)
    subjects = await services.recommending.subjects(_in_events(customer))
    counts = {
        **trace.counts,
        **await services.intake.events.count(_in_events(customer)),
        **await services.recommending.count(subjects),
    }
    trace = replace(trace, counts=counts)
    if not look:
        return await _report(services, trace, 0, 0, {}, dry_run=True)
    needles, shared, short = await _needles(services, trace)
    found = await _look(services, needles)
    return await _report(services, trace, shared, short, found, dry_run=True)


async def erase(services: Services, reference: str, *, actor: str) -> ErasureReport:
    """Take a customer out of everything; it cannot be undone.

    Raises:
        Conflict: a training reads the customer's questions right now.
        NotFound: there is no such customer.
        StorageUnavailable: the disk has no room for a second copy of the database.
    """
    store = services.store
    customer = await store.erasing.customer(reference)
    trace = await store.erasing.trace(customer)
    needles, shared, short = await _needles(services, trace)
    live = {job.id for job in await store.jobs.live()}
    subjects = await services.recommending.subjects(_in_events(customer))  # before ties are gone
    if trace.training is None:
        await asyncio.to_thread(_remove_files, services.settings, trace.blobs, live)
        counts = {
            **trace.counts,
            **await services.recommending.count(subjects),
            **await services.intake.erase(_in_events(customer)),
        }
        trace = replace(trace, counts=counts)
    services.serving.expect_erasure()
    changed = await store.erasing.erase(customer)
    await services.recommending.forget(subjects)
    await services.serving.apply_articles(changed)
    await services.serving.forget()
    await store.db.compact()
    await store.people.audit(actor, "customer.erased", str(customer.id), dict(trace.counts))
    found = await _look(services, needles)
    return await _report(services, trace, shared, short, found, dry_run=False)


async def check(services: Services, reference: str) -> Mapping[str, int]:
    """Places where the customer's texts and ids stand; of an erased one the id that is given."""
    try:
        return (await preview(services, reference)).found
    except NotFound:
        return await _look(services, [reference])


def _in_events(customer: Customer) -> str:
    return customer_of(customer.channel, customer.external_id)


async def _needles(services: Services, trace: Trace) -> tuple[list[str], int, int]:
    """What to look for, and how many texts cannot tell: said by others too, or too short."""
    others = await services.store.erasing.said_by_others(trace.customer)
    own = [text for text in trace.texts if text not in others]
    telling = [text for text in own if len(text.strip()) >= _SHORTEST]
    ids = [trace.customer.public_id]
    if len(trace.customer.external_id) >= _SHORTEST:
        ids.append(trace.customer.external_id)
    return [*ids, *telling], len(trace.texts) - len(own), len(own) - len(telling)


async def _look(services: Services, needles: Sequence[str]) -> dict[str, int]:
    found = await services.store.erasing.look_for(needles)
    known = services.serving.past_questions()
    if held := sum(1 for needle in needles if needle in known):
        found["live index"] = held
    settings = services.settings
    in_files = await asyncio.to_thread(_look_in_files, settings, needles)
    return {**found, **in_files}


def _look_in_files(settings: Settings, needles: Sequence[str]) -> dict[str, int]:
    """Needles by file, as they were written and as models read them."""
    forms = [
        {form.encode() for form in (n, normalise(n), fold(normalise(n)))}
        for n in (" ".join(needle.strip().splitlines()[0][:_NEEDLE].split()) for needle in needles)
    ]
    found: dict[str, int] = {}
    for path in _places(settings):
        if number := _held(path, forms):
            found[str(path.relative_to(settings.data_path))] = number
    return found


def _places(settings: Settings) -> Iterable[Path]:
    for database in (settings.database_path, settings.events_path):
        yield database
        yield database.with_name(database.name + "-wal")
    for folder in (settings.artefacts_path, settings.index_path, settings.data_path / "jobs"):
        yield from (path for path in sorted(folder.rglob("*")) if path.is_file())


def _held(path: Path, needles: Sequence[set[bytes]]) -> int:
    """Number of needles of which some form stands in the file."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return sum(any(data.find(form) >= 0 for form in forms) for forms in needles)
    except (OSError, ValueError):  # gone meanwhile, or empty
        return 0


def _remove_files(settings: Settings, blobs: Sequence[str], live: set[int]) -> None:
    for name in blobs:
        (settings.attachments_path / name).unlink(missing_ok=True)
    for folder in _job_folders(settings):
        if not (folder.name.isdigit() and int(folder.name) in live):
            shutil.rmtree(folder, ignore_errors=True)


def _job_folders(settings: Settings) -> list[Path]:
    folder = settings.data_path / "jobs"
    return sorted(folder.iterdir()) if folder.is_dir() else []


async def _report(
    services: Services,
    trace: Trace,
    shared: int,
    short: int,
    found: Mapping[str, int],
    *,
    dry_run: bool,
) -> ErasureReport:
    return ErasureReport(
        customer=trace.customer.public_id,
        dry_run=dry_run,
        counts=trace.counts,
        texts=len(trace.texts),
        shared=shared,
        short=short,
        files=trace.blobs,
        articles=trace.articles,
        bundles=trace.bundles,
        backups=await _backups(services),
        found=found,
    )


async def _backups(services: Services) -> tuple[str, ...]:
    """Copies that are known: made by this server and still there, or set aside by a restore."""
    database = services.settings.database_path
    paths = {str(path) for path in database.parent.glob("*.db.before-*")}
    if export := services.settings.events.export_dir:
        paths.add(export)  # days that are still here are exported anew
    page = 1
    while True:
        log = await services.store.people.audit_log(page, 500)
        paths |= {entry.subject for entry in log.items if entry.action == "backup.made"}
        if page >= log.pages:
            break
        page += 1
    return await asyncio.to_thread(lambda: tuple(sorted(p for p in paths if Path(p).exists())))


def as_json(report: ErasureReport) -> dict[str, Any]:
    """The report as plain values."""
    plain: dict[str, Any] = msgspec.to_builtins(report)
    return plain


def label(customer: Customer) -> str:
    """How people know the customer."""
    return customer.name or f"{customer.channel}:{customer.external_id}"
