"""Writing commands as the server carries them out: for its socket, a lone process, a page.

Each takes the services and plain arguments and gives plain results. ``register`` names them for
``bot.control``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from admin.importers.items import ItemRow
from admin.importers.rows import KnowledgeRow, TicketRow
from admin.importers.tickets import match_answers
from bot import control, erasure
from bot.domain import Agent, Role
from bot.errors import BadRequest, NotFound
from bot.event import Event
from bot.learning import promotion
from bot.live.intake import Intake
from bot.services import Services
from bot.settings import Settings
from bot.store import ArticleRow, ImportDiff
from bot.store.backup import events_beside
from bot.store.items import StoredItem
from bot.store.records import BackupReport

LINK_TTL_S = 86_400.0
_EVENTS = 2_000  # of one call: others come in between
COMMAND_LINE = "command line"


def register() -> None:
    """Make the commands known to ``bot.control``; called once by the command line."""
    for name, command in {
        "import.knowledge": _import_knowledge,
        "import.tickets": _import_tickets,
        "import.events": _import_events,
        "import.items": _import_items,
        "train.start": _train_start,
        "train.state": _train_state,
        "models.list": _models_list,
        "models.promote": _models_promote,
        "models.rollback": _models_rollback,
        "models.shadow": _models_shadow,
        "canaries.list": _canaries_list,
        "canaries.add": _canaries_add,
        "canaries.remove": _canaries_remove,
        "users.list": _users_list,
        "users.add": _users_add,
        "users.link": _users_link,
        "users.disable": _users_disable,
        "users.role": _users_role,
        "backup": _backup,
        "export.ledger": _export_ledger,
        "erase": _erase,
        "erase.preview": _erase_preview,
        "erase.check": _erase_check,
    }.items():
        control.register(name, command)


def article_rows(rows: Sequence[KnowledgeRow]) -> list[ArticleRow]:
    """Knowledge rows as the store imports them: one a row, the store merges equal answers."""
    return [
        ArticleRow(
            text=row.answer,
            questions=(row.question,),
            category=row.category,
            language=row.language,
            line=row.line,
        )
        for row in rows
    ]


async def import_articles(
    services: Services, rows: Sequence[ArticleRow], *, dry_run: bool
) -> ImportDiff:
    """Import answers, so that the very next question finds them."""
    diff = await services.store.knowledge.import_articles(rows, dry_run)
    if diff.changed_ids:
        await services.serving.apply_articles(diff.changed_ids)
        services.bus.publish(
            "desk", "knowledge.changed", {"revision": await services.store.knowledge.revision()}
        )
    return diff


def import_events(settings: Settings, events: Sequence[Event]) -> int:
    """Number of events that were new: through the running server, or here where none runs.

    Raises:
        NeurobotError: they could not be stored; those before are.
    """
    register()
    new = done = 0
    parts = [events[first : first + _EVENTS] for first in range(0, len(events), _EVENTS)]
    try:
        for part in parts:
            found = control.call(settings, "import.events", {"events": msgspec.to_builtins(part)})
            new += found["new"]
            done += 1
    except control.NotRunning:
        return new + asyncio.run(_import_alone(settings, parts[done:]))
    return new


async def _import_alone(settings: Settings, parts: Sequence[Sequence[Event]]) -> int:
    async with Intake.alone(settings, time.time) as intake:
        return sum([await intake.put(part) for part in parts])


async def _import_events(services: Services, args: dict[str, Any]) -> dict[str, Any]:
    return {"new": await services.intake.put(msgspec.convert(args["events"], list[Event]))}


async def agent_by_login(services: Services, login: str) -> Agent:
    """The agent who signs in as ``login``.

    Raises:
        NotFound: nobody does.
    """
    for agent in await services.store.people.agents():
        if agent.login == login:
            return agent
    raise NotFound(f"Nobody signs in as '{login}'.", remedy="neurobot users list shows everyone.")


def role_of(name: str) -> Role:
    """The role of that name.

    Raises:
        BadRequest: there is none.
    """
    try:
        return Role(name)
    except ValueError:
        raise BadRequest(f"There is no role '{name}': agent, admin or owner.") from None


async def sign_in_link(services: Services, agent_id: int | None) -> str:
    """A one-time link, as it reads on this machine (or at ``http.public_url``)."""
    token = await services.store.people.one_time_link(agent_id, LINK_TTL_S)
    return f"{base_url(services)}/sign-in/link/{token}"


def base_url(services: Services) -> str:
    """The address that people know this server by."""
    http = services.settings.http
    if http.public_url:
        return http.public_url.rstrip("/")
    host = f"[{http.host}]" if ":" in http.host else http.host
    return f"{'https' if http.tls_cert else 'http'}://{host}:{http.port}"


async def change_role(services: Services, agent: Agent, role: Role, *, actor: str) -> None:
    """Give ``agent`` another role.

    Raises:
        Conflict: they are the last owner.
    """
    await services.store.people.set_role(agent.id, role)
    await services.store.people.audit(actor, "agent.role", agent.login, {"role": str(role)})


async def disable(services: Services, agent: Agent, *, actor: str) -> None:
    """Let ``agent`` in no more; all sessions end.

    Raises:
        Conflict: they are the last owner.
    """
    await services.store.people.disable(agent.id)
    await services.store.people.audit(actor, "agent.disabled", agent.login, {})


async def _import_knowledge(services: Services, args: dict[str, Any]) -> dict[str, Any]:
    rows = msgspec.convert(args["rows"], list[KnowledgeRow])
    dry_run = bool(args.get("dry_run"))
    diff = await import_articles(services, article_rows(rows), dry_run=dry_run)
    if not dry_run:
        detail = {"added": diff.added, "changed": diff.changed}
        await services.store.people.audit(
            COMMAND_LINE, "knowledge.imported", str(args.get("name", "")), detail
        )
    found: dict[str, Any] = msgspec.to_builtins(diff)
    return found


async def _import_tickets(services: Services, args: dict[str, Any]) -> dict[str, Any]:
    rows = msgspec.convert(args["rows"], list[TicketRow])
    found, unmatched = match_answers(rows, await services.store.knowledge.all_items())
    # The file's name is the source: rows that contradict all others can be told and left out.
    tickets = [replace(ticket, origin=str(args.get("name") or ticket.origin)) for ticket in found]
    counts: dict[str, Any] = {"rows": len(tickets), "unmatched": unmatched}
    counts["with_answer"] = sum(1 for ticket in tickets if ticket.answer_id is not None)
    if not args.get("dry_run"):
        counts.update(msgspec.to_builtins(await services.store.knowledge.import_tickets(tickets)))
        await services.store.people.audit(
            COMMAND_LINE, "tickets.imported", str(args.get("name", "")), counts
        )
    return counts


async def _import_items(services: Services, args: dict[str, Any]) -> dict[str, Any]:
    rows = msgspec.convert(args["rows"], list[ItemRow])
    items = {
        row.id: StoredItem(
            id=0,
            external_id=row.id,
            kind=row.kind,
            title=row.title,
            description=row.description,
            path=row.path,
            url=row.url,
            renewable_s=row.renewable_s,
        )
        for row in rows
    }  # of equal ids the last counts
    if not args.get("dry_run"):
        await services.recommending.put(list(items.values()))
        await services.store.people.audit(
            COMMAND_LINE, "items.imported", str(args.get("name", "")), {"items": len(items)}
        )
    return {"items": len(items), "repeated": len(rows) - len(items)}


async def _train_start(services: Services, args: dict[str, Any]) -> dict[str, Any]:
    job = await services.jobs.train(
        part=str(args.get("part", "all")),
        preset=str(args.get("preset", "")),
        promote=bool(args.get("promote", True)),
    )
    await services.store.people.audit(COMMAND_LINE, "training.started", str(job.id), {})
    found: dict[str, Any] = msgspec.to_builtins(job)
    return found


async def _train_state(services: Services, args: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(await services.store.jobs.get(int(args["id"])))
    return found


async def _models_list(services: Services, args: dict[str, Any]) -> dict[str, Any]:
    del args
    live = services.serving.bundle
    return {
        "live": live.version if live else None,
        "problem": services.serving.problem,
        "models": msgspec.to_builtins(await services.store.models.bundles()),
    }


async def _models_promote(services: Services, args: dict[str, Any]) -> dict[str, Any]:
    version = str(args["version"])
    force = bool(args.get("force"))
    await promote_model(services, version, actor=COMMAND_LINE, force=force)
    return {"champion": version}


async def _models_rollback(services: Services, args: dict[str, Any]) -> dict[str, Any]:
    del args
    return {"champion": await roll_back(services, actor=COMMAND_LINE)}


async def promote_model(
    services: Services, version: str, *, actor: str, force: bool = False
) -> None:
    """Let a version answer from now on; see ``bot.learning.promotion``."""
    await promotion.promote(
        services.store, services.serving, services.bus, version, actor=actor, force=force
    )


async def roll_back(services: Services, *, actor: str) -> str:
    """Make the previous model the champion again; see ``bot.learning.promotion``."""
    return await promotion.roll_back(services.store, services.serving, services.bus, actor=actor)


async def shadow(services: Services, version: str | None, *, actor: str) -> None:
    """Put a version in the shadow, or take out what is there."""
    if version is None:
        await services.shadow.end()
    else:
        await services.shadow.put(version)
    await services.store.people.audit(actor, "model.shadow", version or "", {})


async def _models_shadow(services: Services, args: dict[str, Any]) -> dict[str, Any]:
    if "version" in args:
        await shadow(services, args["version"], actor=COMMAND_LINE)
    return {"report": msgspec.to_builtins(await services.shadow.report())}


async def _canaries_list(services: Services, args: dict[str, Any]) -> dict[str, Any]:
    del args
    return {"canaries": msgspec.to_builtins(await services.store.canaries.all())}


async def _canaries_add(services: Services, args: dict[str, Any]) -> dict[str, Any]:
    added = [
        await services.store.canaries.add(**one, actor=COMMAND_LINE)
        for one in msgspec.convert(args["canaries"], list[dict[str, Any]])
    ]
    await services.store.people.audit(
        COMMAND_LINE, "canary.added", "", {"canaries": [one.id for one in added]}
    )
    return {"canaries": msgspec.to_builtins(added)}


async def _canaries_remove(services: Services, args: dict[str, Any]) -> dict[str, Any]:
    number = int(args["id"])
    await services.store.canaries.remove(number)
    await services.store.people.audit(COMMAND_LINE, "canary.removed", str(number), {})
    return {"removed": number}


async def _users_list(services: Services, args: dict[str, Any]) -> dict[str, Any]:
    del args
    return {"users": msgspec.to_builtins(await services.store.people.agents())}


async def _users_add(services: Services, args: dict[str, Any]) -> dict[str, Any]:
    login, role = str(args["login"]).strip(), role_of(str(args.get("role", "agent")))
    name = str(args.get("name") or login)
    agent = await services.store.people.create_agent(
        login, name, role, str(args.get("language", "en"))
    )
    await services.store.people.audit(COMMAND_LINE, "agent.created", login, {"role": str(role)})
    return {"login": agent.login, "role": str(role), "link": await sign_in_link(services, agent.id)}


async def _users_link(services: Services, args: dict[str, Any]) -> dict[str, Any]:
    agent = await agent_by_login(services, str(args["login"]))
    if agent.disabled_at is not None:
        raise BadRequest(
            f"{agent.login} is disabled.", remedy="Enable them on the People page first."
        )
    await services.store.people.audit(COMMAND_LINE, "agent.link", agent.login, {})
    return {"login": agent.login, "link": await sign_in_link(services, agent.id)}


async def _users_disable(services: Services, args: dict[str, Any]) -> dict[str, Any]:
    agent = await agent_by_login(services, str(args["login"]))
    await disable(services, agent, actor=COMMAND_LINE)
    return {"login": agent.login, "disabled": True}


async def _users_role(services: Services, args: dict[str, Any]) -> dict[str, Any]:
    agent = await agent_by_login(services, str(args["login"]))
    role = role_of(str(args["role"]))
    await change_role(services, agent, role, actor=COMMAND_LINE)
    return {"login": agent.login, "role": str(role)}


async def _backup(services: Services, args: dict[str, Any]) -> dict[str, Any]:
    report = await back_up(services, Path(str(args["target"])))
    await services.store.people.audit(COMMAND_LINE, "backup.made", report.path, {})
    found: dict[str, Any] = msgspec.to_builtins(report)
    return found


async def back_up(services: Services, target: Path) -> BackupReport:
    """A verified copy of the database at ``target``, and of the events beside it.

    Raises:
        StorageUnavailable: one of them could not be written or is not sound.
    """
    events = await services.intake.events.backup(events_beside(target))
    report = await services.store.backup(target)
    return replace(
        report,
        size_bytes=report.size_bytes + events.size_bytes,
        counts={**report.counts, **events.counts},
        elapsed_s=report.elapsed_s + events.elapsed_s,
    )


async def _export_ledger(services: Services, args: dict[str, Any]) -> dict[str, Any]:
    page = await services.store.ledger.page(int(args["after"]))
    return {"rows": msgspec.to_builtins(page)}


async def _erase(services: Services, args: dict[str, Any]) -> dict[str, Any]:
    report = await erasure.erase(services, str(args["customer"]), actor=COMMAND_LINE)
    return erasure.as_json(report)


async def _erase_preview(services: Services, args: dict[str, Any]) -> dict[str, Any]:
    return erasure.as_json(await erasure.preview(services, str(args["customer"])))


async def _erase_check(services: Services, args: dict[str, Any]) -> dict[str, Any]:
    return {"found": dict(await erasure.check(services, str(args["customer"])))}
